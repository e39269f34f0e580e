//! Whether a write can be done soundly at all, as far as that is known before a request: what metadata and allowed methods say. It must not
//! know sources, only what they declare.

use crate::error::EngineError;
use crate::policy::access::WriteRight;
use crate::policy::rights::TableRights;
use portico_catalog::{IfMatch, Origin, VirtualTable};
use portico_provider_api::Value;

/// Whether rows can be inserted: allowed, done by the source, and found again afterwards.
pub(super) fn can_insert(rights: &TableRights) -> bool {
    let able = rights.table.origin.writing().able;
    let generated = |index: &usize| rights.table.columns.get(*index).is_some_and(|column| column.generated);
    able.insert && rights.may(WriteRight::Insert) && (able.tells_keys() || !rights.table.key.iter().any(generated))
}

/// Whether rows can be updated or deleted: allowed, done by the source, and with everything checked that must be.
pub(super) fn can_change(rights: &TableRights, right: WriteRight, if_match: IfMatch) -> bool {
    let writing = rights.table.origin.writing();
    let able = writing.able;
    let done = match right {
        WriteRight::Insert => able.insert,
        WriteRight::Update => able.update,
        WriteRight::Delete => able.delete,
    };
    let window = matches!(&rights.table.origin, Origin::Single { window: Some(_), .. });
    let ruled = window || rights.grants_for(right).iter().all(|grant| grant.rows.is_some());
    let unchecked = ruled && !(able.visible && (able.require || right == WriteRight::Delete));
    let needs_state = unchecked || if_match == IfMatch::Required;
    done && rights.may(right) && (writing.holds() || !needs_state)
}

/// Refuses an insert whose row could not be told from others afterwards: what is sent again for want of an answer would be there twice.
///
/// # Errors
/// `Unsupported`.
pub(super) fn check_key(table: &VirtualTable, values: &[(usize, Value)]) -> Result<(), EngineError> {
    if table.origin.writing().able.tells_keys() {
        return Ok(());
    }
    let missing = table.key.iter().find(|index| !values.iter().any(|(given, _)| given == *index));
    match missing.and_then(|index| table.columns.get(*index)) {
        None => Ok(()),
        Some(column) => Err(EngineError::Unsupported(format!(
            "'{}' cannot be inserted into without '{}': its source does not tell the key of a new entity",
            table.name, column.name
        ))),
    }
}
