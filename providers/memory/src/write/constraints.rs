//! The rules that rows keep: mandatory values, greatest lengths, unique keys, references. Checked after each change.

use super::{Working, constraint};
use crate::table::MemoryTable;
use crate::table::whole_table;
use crate::translate::Refusal;
use portico_provider_api::arrays::row_at;
use portico_provider_api::evaluate::grouping_value;
use portico_provider_api::{ConstraintKind, RemoteTableName, ScalarType, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// Checks a table that is put into a source: columns of its batches, key, references, uniqueness of its rows.
pub(crate) fn check_table(table: &MemoryTable, all: &[MemoryTable]) -> Result<(), String> {
    let name = &table.name;
    for batch in &table.batches {
        for column in &table.columns {
            let array =
                batch.column_by_name(&column.name).ok_or_else(|| format!("table '{name}' has a batch without column '{}'", column.name))?;
            if array.data_type() != &column.scalar_type.arrow() {
                return Err(format!(
                    "table '{name}', column '{}' is {} instead of {}",
                    column.name,
                    array.data_type(),
                    column.scalar_type.arrow()
                ));
            }
            if !column.nullable && array.null_count() > 0 {
                return Err(format!("table '{name}', column '{}' holds null", column.name));
            }
        }
    }
    if let Some(missing) = table.primary_key.iter().find(|key| table.position(key).is_none()) {
        return Err(format!("table '{name}' has no key column '{missing}'"));
    }
    for key in &table.foreign_keys {
        let referenced = all.iter().find(|other| other.name == key.references);
        let referenced = referenced.ok_or_else(|| format!("table '{name}' refers to '{}', which does not exist", key.references))?;
        let known = key.columns.iter().all(|column| table.position(column).is_some())
            && key.referenced_columns.iter().all(|column| referenced.position(column).is_some())
            && key.columns.len() == key.referenced_columns.len()
            && !key.columns.is_empty();
        if !known {
            return Err(format!("foreign key '{}' of table '{name}' names columns that do not exist or do not pair", key.name));
        }
    }
    check_keys_of(table)
}

fn check_keys_of(table: &MemoryTable) -> Result<(), String> {
    if table.primary_key.is_empty() {
        return Ok(());
    }
    let whole = whole_table(table).map_err(|error| error.to_string())?;
    let positions: Vec<usize> = table.primary_key.iter().filter_map(|key| table.position(key)).collect();
    let names: Vec<_> = positions.iter().filter_map(|position| table.columns.get(*position)).collect();
    let arrays = names.iter().filter_map(|column| whole.column_by_name(&column.name).cloned());
    let fields: Vec<_> = names.iter().map(|column| column.scalar_type.field(&column.name, true)).collect();
    let keys = arrow::array::RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), arrays.collect());
    let keys = keys.map_err(|error| error.to_string())?;
    let types: Vec<ScalarType> = names.iter().map(|column| column.scalar_type).collect();
    let mut seen = HashSet::with_capacity(keys.num_rows());
    for row in 0..keys.num_rows() {
        let key = row_at(&keys, row, &types).map_err(|error| error.to_string())?;
        if key.iter().any(Value::is_null) || !seen.insert(key.into_iter().map(grouping_value).collect::<Vec<_>>()) {
            return Err(format!("row {} of table '{}' has no key or that of another row", row + 1, table.name));
        }
    }
    Ok(())
}

/// Mandatory values and greatest lengths.
pub(super) fn check_row(table: &MemoryTable, row: &[Value]) -> Result<(), Refusal> {
    for (column, value) in table.columns.iter().zip(row) {
        let names = std::slice::from_ref(&column.name);
        let mandatory = !column.nullable || table.primary_key.contains(&column.name);
        if value.is_null() && mandatory {
            return Err(constraint(
                ConstraintKind::NotNull,
                names,
                format!("column '{}' of table '{}' needs a value", column.name, table.name),
            ));
        }
        let length = match value {
            Value::Text(text) => text.chars().count(),
            Value::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        if column.max_length.is_some_and(|most| length > usize::try_from(most).unwrap_or(usize::MAX)) {
            let message = format!(
                "column '{}' of table '{}' holds at most {} characters",
                column.name,
                table.name,
                column.max_length.unwrap_or_default()
            );
            return Err(constraint(ConstraintKind::Check, names, message));
        }
    }
    Ok(())
}

/// The values of some columns; `None` when one is null, which neither equals nor refers to anything.
fn key_of(table: &MemoryTable, columns: &[String], row: &[Value]) -> Option<Vec<Value>> {
    let values = columns.iter().map(|column| row.get(table.position(column)?).filter(|value| !value.is_null()).cloned());
    values.map(|value| value.map(grouping_value)).collect()
}

/// That no other row has the primary key of the row at `position`.
pub(super) fn check_unique(working: &mut Working<'_>, name: &RemoteTableName, position: usize) -> Result<(), Refusal> {
    let rows = working.rows(name)?;
    let table = &rows.table;
    if table.primary_key.is_empty() {
        return Ok(());
    }
    let own = rows.rows.get(position).and_then(|row| key_of(table, &table.primary_key, row));
    let duplicate = rows
        .rows
        .iter()
        .enumerate()
        .any(|(other, row)| other != position && own.is_some() && key_of(table, &table.primary_key, row) == own);
    if duplicate {
        return Err(constraint(ConstraintKind::Unique, &table.primary_key, format!("table '{name}' has a row with that key already")));
    }
    Ok(())
}

/// That what the row at `position` refers to exists.
pub(super) fn check_references(working: &mut Working<'_>, name: &RemoteTableName, position: usize) -> Result<(), Refusal> {
    let rows = working.rows(name)?;
    let table = Arc::clone(&rows.table);
    let row = rows.rows.get(position).cloned().unwrap_or_default();
    for key in &table.foreign_keys {
        let Some(wanted) = key_of(&table, &key.columns, &row) else { continue };
        let referenced = working.rows(&key.references)?;
        let target = &referenced.table;
        if !referenced.rows.iter().any(|row| key_of(target, &key.referenced_columns, row).as_ref() == Some(&wanted)) {
            let message = format!("table '{}' has no row that the new row of '{name}' refers to", key.references);
            return Err(constraint(ConstraintKind::ForeignKey, &key.columns, message));
        }
    }
    Ok(())
}

/// That no row refers to what `before` was and no row is any more.
pub(super) fn check_referrers(working: &mut Working<'_>, table: &MemoryTable, before: &[Value]) -> Result<(), Refusal> {
    let referrers: Vec<Arc<MemoryTable>> = working.tables().iter().map(Arc::clone).collect();
    for referrer in referrers {
        for key in referrer.foreign_keys.iter().filter(|key| key.references == table.name) {
            let Some(old) = key_of(table, &key.referenced_columns, before) else { continue };
            let still =
                working.rows(&table.name)?.rows.iter().any(|row| key_of(table, &key.referenced_columns, row).as_ref() == Some(&old));
            if still {
                continue;
            }
            let referring = working.rows(&referrer.name)?;
            if referring.rows.iter().any(|row| key_of(&referrer, &key.columns, row).as_ref() == Some(&old)) {
                let message = format!("rows of table '{}' refer to this row of '{}'", referrer.name, table.name);
                return Err(constraint(ConstraintKind::ForeignKey, &key.columns, message));
            }
        }
    }
    Ok(())
}
