//! What definitions say of single columns beyond where they come from. It must not know tables' other settings.

use super::super::{Work, below, error_at, values};
use super::annotations::{annotations, labels};
use super::enums::Enumerations;
use crate::definition::{ColumnDefinition, TableDefinition};
use crate::model::Column;
use crate::overlay::{Enumeration, Mutability};
use portico_provider_api::{ScalarType, Value};

/// Settles enumerations, labels, annotations and mutability of a table's columns.
pub(super) fn settle(work: &mut Work<'_>, table: &str, definition: &TableDefinition, enumerations: &Enumerations, path: &[String]) {
    for (name, column) in definition.columns.iter().flatten() {
        let here = below(path, &["columns", name]);
        let Some(index) = work.tables.get(table).and_then(|built| built.table.column(name)) else { continue };
        let labels = labels(work, column.label.as_ref(), &below(&here, &["label"]));
        let annotations = annotations(work, &column.annotations, &here);
        let mutability = mutability(work, column, &here);
        let scalar_type = work.tables.get(table).and_then(|built| built.table.columns.get(index)).map(|known| known.scalar_type);
        let enumeration = column.enumeration.as_deref().and_then(|wanted| {
            let at = below(&here, &["enum"]);
            if !enumerations.has(wanted) {
                let error = error_at(at, format!("there is no enumeration '{wanted}'"));
                work.error(error.suggesting(wanted, enumerations.names()));
                return None;
            }
            if enumerations.is_broken(wanted) {
                return None;
            }
            match enumerations.held_as(wanted, scalar_type?) {
                Ok(enumeration) => Some(enumeration),
                Err(message) => {
                    work.error(error_at(at, message));
                    None
                }
            }
        });
        let spatial = column.spatial.as_ref().and_then(|spatial| super::spatial::column(work, table, (name, index), spatial, &here));
        if spatial.is_some() && (column.enumeration.is_some() || column.searchable) {
            let other = if column.searchable { "searchable" } else { "enum" };
            work.error(error_at(below(&here, &["spatial"]), format!("a column has `spatial` or `{other}`, not both")));
        }
        if column.searchable && scalar_type != Some(ScalarType::Text) {
            let message =
                format!("`$search` looks for words in text: '{name}' is {}", scalar_type.map(|t| t.to_string()).unwrap_or_default());
            work.error(error_at(below(&here, &["searchable"]), message));
        }
        if column.searchable && enumeration.is_some() {
            work.error(error_at(below(&here, &["searchable"]), "an enumeration's codes are not text to search in"));
        }
        let default = work.tables.get(table).and_then(|built| built.table.columns.get(index)).and_then(|known| {
            default_value(column, known, enumeration.as_deref()).map_err(|message| (below(&here, &["default"]), message)).transpose()
        });
        let default = default.and_then(|read| read.map_err(|(at, message)| work.error(error_at(at, message))).ok());
        if let Some(known) = work.tables.get_mut(table).and_then(|built| built.table.columns.get_mut(index)) {
            known.default = default;
            known.labels = labels;
            known.annotations = annotations;
            known.mutability = mutability;
            known.enumeration = enumeration;
            known.spatial = spatial;
            known.searchable = column.searchable;
        }
    }
}

/// The declared default of a column, which is `known`.
fn default_value(column: &ColumnDefinition, known: &Column, enumeration: Option<&Enumeration>) -> Result<Option<Value>, String> {
    let Some(given) = &column.default else { return Ok(None) };
    if column.computed || known.generated {
        return Err("a column that the source computes is never given: it has no default".to_owned());
    }
    if let Some(enumeration) = enumeration {
        let member = given.as_str().and_then(|name| enumeration.member(name));
        let member = member.ok_or_else(|| format!("{given} is not the name of a member of {}", enumeration.name))?;
        return Ok(Some(member.stored.clone()));
    }
    let value = values::read_any(given, known.scalar_type)?;
    if let (Value::Text(text), Some(most)) = (&value, known.max_length)
        && text.chars().count() > most as usize
    {
        return Err(format!("{given} is longer than the {most} characters that the column holds"));
    }
    Ok(Some(value))
}

fn mutability(work: &mut Work<'_>, column: &ColumnDefinition, path: &[String]) -> Mutability {
    let given: Vec<&str> = [("read_only", column.read_only), ("computed", column.computed), ("immutable", column.immutable)]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
    if let [first, second, ..] = given.as_slice() {
        work.error(error_at(
            below(path, &[second]),
            format!("a column has one of `read_only`, `computed` and `immutable`: it has `{first}` already"),
        ));
    }
    match (column.computed, column.immutable) {
        (true, _) => Mutability::Computed,
        (false, true) => Mutability::Immutable,
        (false, false) => Mutability::Always,
    }
}
