//! What must still be so when a row is written: the state that the client names, what new values were made of, and what rules were checked
//! on that the source does not check itself. A source that compares a version, or values, in the step that writes makes a check before it
//! sound; of one that compares neither nothing is written on the strength of a check, unless the table's settings say that this is enough.

use crate::error::EngineError;
use crate::policy::permit_write::PermittedWrite;
use portico_odata::{MatchCondition, WriteAction};
use portico_provider_api::Expr;

/// What the source compares while it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nothing: nothing was looked at that matters, or `writes.check_first` says that looking was enough.
    Nothing,
    /// The version in this column of the relation.
    Version(usize),
    /// These columns of the relation.
    Columns(Vec<usize>),
}

/// What is to be compared for a write.
///
/// # Errors
/// `Unsupported` where something must hold that the source does not compare.
pub(crate) fn hold(write: &PermittedWrite) -> Result<Hold, EngineError> {
    let (given, condition) = match &write.action {
        WriteAction::Insert { .. } => return Ok(Hold::Nothing),
        WriteAction::Update { values, condition, .. } => (values.as_slice(), condition),
        WriteAction::Delete { condition, .. } => (&[][..], condition),
    };
    let tagged = matches!(condition, MatchCondition::Tags(_));
    let mut columns: Vec<usize> = write.expected.iter().map(|(column, _)| *column).collect();
    if !write.at_source.visible {
        columns.extend(write.visible.iter().flat_map(Expr::columns));
    }
    if !write.at_source.require {
        // What is given is known; of the rest of the new row what is stored now decides.
        let given: Vec<usize> = given.iter().filter_map(|(index, _)| Some(write.table.columns.get(*index)?.remote)).collect();
        columns.extend(write.require.iter().flat_map(Expr::columns).filter(|column| !given.contains(column)));
    }
    let ruled = columns.len() > write.expected.len();
    columns.sort_unstable();
    columns.dedup();
    if !tagged && columns.is_empty() {
        return Ok(Hold::Nothing);
    }
    let (able, own) = (write.writing.able, write.writing.own_version.filter(|_| write.writing.able.version));
    match (write.version.filter(|_| tagged), own) {
        // A version that stands for the whole row stands for all that was looked at.
        (Some(version), _) if able.unchanged && able.version => Ok(Hold::Version(version)),
        (Some(version), _) if able.unchanged => Ok(Hold::Columns([vec![version], columns].concat())),
        (None, _) if able.unchanged && tagged => Ok(Hold::Columns((0..write.relation.columns.len()).collect())),
        (None, _) if able.unchanged => Ok(Hold::Columns(columns)),
        (_, Some(own)) => Ok(Hold::Version(own)),
        (_, None) if write.writing.check_first => Ok(Hold::Nothing),
        (_, None) => Err(refused(write, tagged, ruled)),
    }
}

fn refused(write: &PermittedWrite, tagged: bool, ruled: bool) -> EngineError {
    let what = match (ruled, tagged) {
        (true, _) => "a rule on its rows",
        (false, true) => "the state that If-Match names",
        (false, false) => "what the new values are made of",
    };
    EngineError::Unsupported(format!(
        "'{}' cannot be changed like this: its source cannot check {what} in the step in which it writes, and something else may come in \
         between; `writes: {{ check_first: true }}` on the table accepts that",
        write.table.name
    ))
}
