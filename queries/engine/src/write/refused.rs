//! What a client is told where a source refuses a write: which rule was broken, in the names of the model. A source's own words name its
//! tables, columns and constraints, which clients do not know and need not; only those that are meant for people are told as well. It must not know
//! sources.

use crate::policy::permit_write::PermittedWrite;
use portico_catalog::VirtualTable;
use portico_odata::WriteAction;
use portico_provider_api::{ConstraintKind, SourceError, SourceErrorKind};

/// The failure of a change set, told in published names. Columns that were not written are not named.
pub(super) fn told(error: SourceError, writes: &[&PermittedWrite]) -> SourceError {
    let SourceErrorKind::Constraint { kind, columns } = &error.kind else { return error };
    let kind = *kind;
    let named = writes.iter().find_map(|write| Some((write, published(write, columns)?)));
    let only = writes.first().filter(|first| writes.iter().all(|write| write.table.name == first.table.name));
    let names = named.as_ref().map(|(_, names)| names.clone()).unwrap_or_default();
    let table = named.map(|(write, _)| write).or(only).map(|write| write.table.name.as_str());
    let message = message(kind, table, &names);
    // An ERP says to its users what they can do about it.
    let message = if error.is_for_people() { format!("{message}: {}", error.message) } else { message };
    SourceError { kind: SourceErrorKind::Constraint { kind, columns: names }, message, ..error }
}

/// The published names of remote columns; nothing unless the write gives a value to each of them.
fn published(write: &PermittedWrite, columns: &[String]) -> Option<Vec<String>> {
    if columns.is_empty() {
        return None;
    }
    let written = match &write.action {
        WriteAction::Insert { values } | WriteAction::Update { values, .. } => values.as_slice(),
        WriteAction::Delete { .. } => &[],
    };
    let is_written = |index: &usize| write.table.key.contains(index) || written.iter().any(|(written, _)| written == index);
    let name = |remote: &String| {
        let at = write.relation.columns.iter().position(|column| column.name == *remote)?;
        let index = write.table.columns.iter().position(|column| column.remote == at)?;
        is_written(&index).then(|| name_of(&write.table, index))?
    };
    columns.iter().map(name).collect()
}

/// How clients name what is in a column.
fn name_of(table: &VirtualTable, index: usize) -> Option<String> {
    let overlay = &table.overlay;
    if let Some((complex, member)) = overlay.complex_of(index) {
        return Some(format!("{}/{member}", complex.name));
    }
    if let Some(point) = overlay.point_of(index) {
        return Some(point.name.clone());
    }
    if overlay.is_stream_content(index) {
        return overlay.streams.iter().find(|stream| stream.content == index).map(|stream| stream.name.clone());
    }
    table.columns.get(index).map(|column| column.name.clone())
}

fn message(kind: ConstraintKind, table: Option<&str>, names: &[String]) -> String {
    let table = table.map(|table| format!(" of '{table}'")).unwrap_or_default();
    let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    match (kind, names) {
        (ConstraintKind::Unique, []) => format!("another entity{table} has the same values already, which must be unique"),
        (ConstraintKind::Unique, _) => format!("another entity{table} has the same value of {list} already, which must be unique"),
        (ConstraintKind::ForeignKey, []) => format!("an entity{table} refers to what is not there, or is still referred to"),
        (ConstraintKind::ForeignKey, _) => format!("{list} of an entity{table} refers to what is not there, or is still referred to"),
        (ConstraintKind::NotNull, []) => format!("an entity{table} lacks a value that its source demands"),
        (ConstraintKind::NotNull, _) => format!("an entity{table} needs a value of {list}"),
        (ConstraintKind::Check, []) => format!("the values of an entity{table} break a rule of its source"),
        (ConstraintKind::Check, _) => format!("the value of {list} of an entity{table} breaks a rule of its source"),
    }
}
