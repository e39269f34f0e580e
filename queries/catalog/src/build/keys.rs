//! The key of a table: declared, or inferred from what the source declares unique. It must not know relationships.

use super::{Work, below, error_at, types};
use crate::model::Column;
use portico_provider_api::{RemoteTable, TableColumn};

/// The key of a table with a remote table: positions of its columns. Empty when there is none.
pub(super) fn of_remote(
    work: &mut Work<'_>,
    table: &str,
    declared: Option<&[String]>,
    remote: &RemoteTable,
    columns: &[Column],
    path: &[String],
) -> Vec<usize> {
    match declared {
        Some(names) => {
            let key = self::declared(work, names, columns, path);
            for column in key.iter().filter_map(|index| columns.get(*index)).filter(|column| column.nullable) {
                work.note(format!("key column {table}.{} may be null in the source: rows where it is cannot be addressed", column.name));
            }
            key
        }
        None => infer(work, table, remote, columns),
    }
}

/// The declared key, resolved.
pub(super) fn declared(work: &mut Work<'_>, names: &[String], columns: &[Column], path: &[String]) -> Vec<usize> {
    let here = below(path, &["key"]);
    if names.is_empty() {
        work.error(error_at(here.clone(), "a key has at least one column: leave `key` out when there is none"));
    }
    let mut key = Vec::new();
    for name in names {
        match columns.iter().position(|column| &column.name == name) {
            None => {
                let error = error_at(here.clone(), format!("there is no published column '{name}'"));
                work.error(error.suggesting(name, columns.iter().map(|column| column.name.as_str())));
            }
            Some(index) if key.contains(&index) => work.error(error_at(here.clone(), format!("'{name}' stands twice in the key"))),
            Some(index) => {
                if let Some(column) = columns.get(index).filter(|column| !types::can_be_key(column.scalar_type)) {
                    work.error(error_at(here.clone(), format!("'{name}' is {}, by which OData cannot address a row", column.scalar_type)));
                }
                key.push(index);
            }
        }
    }
    key
}

/// The primary key, else the first unique key that cannot be null, when all its columns are published and fit to be a key.
fn infer(work: &mut Work<'_>, table: &str, remote: &RemoteTable, columns: &[Column]) -> Vec<usize> {
    let position = |name: &String| columns.iter().position(|column| column.original_name.as_ref().unwrap_or(&column.name) == name);
    let usable = |names: &Vec<String>| -> Option<Vec<usize>> {
        let key: Vec<usize> = names.iter().map(position).collect::<Option<_>>()?;
        let fit = key.iter().filter_map(|index| columns.get(*index)).all(|column| types::can_be_key(column.scalar_type));
        (fit && !key.is_empty()).then_some(key)
    };
    if let Some(key) = usable(&remote.primary_key) {
        return key;
    }
    if !remote.primary_key.is_empty() {
        let names = remote.primary_key.join(", ");
        work.note(format!("the primary key of {table} ({names}) cannot be its key: not all of it is published, or of a fitting type"));
    }
    let never_null = |name: &String| remote.column(name).is_some_and(|column| !column.nullable);
    remote.unique_keys.iter().filter(|names| names.iter().all(never_null)).find_map(usable).unwrap_or_default()
}

/// A view's columns as published ones.
pub(super) fn of_view(columns: &[TableColumn]) -> Vec<Column> {
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| Column { read_only: true, ..Column::plain(&column.name, index, column.scalar_type, column.nullable) })
        .collect()
}
