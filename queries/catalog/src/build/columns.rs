//! Which columns of a remote table are published, and how. It must not know keys or relationships.

use super::tables::not_an_identifier;
use super::{Work, below, error_at, types};
use crate::definition::ColumnDefinition;
use crate::model::Column;
use crate::names;
use indexmap::IndexMap;
use portico_provider_api::{RemoteColumn, RemoteTable, ScalarType, TableColumn};
use std::collections::BTreeMap;

/// A definition's entry that stands for all columns not named.
const ALL_OTHERS: &str = "*";

/// The columns of a table, as published and as they stand in its relation.
pub(super) struct LaidOut {
    pub(super) columns: Vec<Column>,
    /// Published columns first, in the same order, then the others.
    pub(super) relation: Vec<TableColumn>,
}

/// A column to publish: its name, the remote column and what the definition says of it.
struct Choice<'a> {
    name: String,
    remote: &'a RemoteColumn,
    definition: Option<&'a ColumnDefinition>,
}

/// Lays out the columns of a remote table.
pub(super) fn lay_out(
    work: &mut Work<'_>,
    table: &str,
    remote: &RemoteTable,
    definitions: Option<&IndexMap<String, ColumnDefinition>>,
    path: &[String],
) -> LaidOut {
    let choices = match definitions {
        Some(definitions) => chosen(work, remote, definitions, path),
        None => remote.columns.iter().map(as_is).collect(),
    };
    refuse_collisions(work, &choices, path);
    let mut laid_out = LaidOut { columns: Vec::new(), relation: Vec::new() };
    for choice in &choices {
        if choice.definition.is_none() && choice.name != choice.remote.name {
            let note = format!(
                "column '{}' of {table} is published as '{}', because OData cannot carry its name",
                choice.remote.name, choice.name
            );
            work.note(note);
        }
        publish(work, choice, &mut laid_out, path);
    }
    let published: Vec<&str> = choices.iter().map(|choice| choice.remote.name.as_str()).collect();
    let others = remote.columns.iter().filter(|column| !published.contains(&column.name.as_str()));
    laid_out.relation.extend(others.map(|column| in_relation(column, column.scalar_type, column.codec, column.nullable)));
    laid_out
}

fn as_is(remote: &RemoteColumn) -> Choice<'_> {
    Choice { name: names::sanitise(&remote.name), remote, definition: None }
}

/// The columns that the definition names, and all others where it has a `"*"`.
fn chosen<'a>(
    work: &mut Work<'_>,
    remote: &'a RemoteTable,
    definitions: &'a IndexMap<String, ColumnDefinition>,
    path: &[String],
) -> Vec<Choice<'a>> {
    let mut choices: Vec<Choice<'a>> = Vec::new();
    if definitions.is_empty() {
        work.error(error_at(below(path, &["columns"]), "no column is published: leave `columns` out to publish all"));
    }
    for (name, definition) in definitions.iter().filter(|(name, _)| *name != ALL_OTHERS) {
        let here = below(path, &["columns", name]);
        let remote_name = definition.remote.as_deref().unwrap_or(name);
        let Some(column) = remote.column(remote_name) else {
            let at = if definition.remote.is_some() { below(&here, &["remote"]) } else { here };
            let error = error_at(at, format!("'{}' has no column '{remote_name}'", remote.name));
            work.error(error.suggesting(remote_name, remote.columns.iter().map(|column| column.name.as_str())));
            continue;
        };
        if !names::is_identifier(name) {
            let mut error = error_at(here, not_an_identifier(name));
            error.suggestion = Some(names::sanitise(name));
            work.error(error);
        } else if let Some(twin) = choices.iter().find(|choice| choice.remote.name == column.name) {
            let message = format!(
                "the remote column '{}' is published as '{}' already: a write could not know which of the two counts",
                column.name, twin.name
            );
            work.error(error_at(here, message));
        } else {
            choices.push(Choice { name: name.clone(), remote: column, definition: Some(definition) });
        }
    }
    if let Some(all) = definitions.get(ALL_OTHERS) {
        if *all != ColumnDefinition::default() {
            work.error(error_at(
                below(path, &["columns", ALL_OTHERS]),
                "`\"*\"` stands for all other columns and takes no settings: write `\"*\": {}`",
            ));
        }
        let named: Vec<&str> = choices.iter().map(|choice| choice.remote.name.as_str()).collect();
        let others: Vec<Choice<'a>> = remote.columns.iter().filter(|column| !named.contains(&column.name.as_str())).map(as_is).collect();
        choices.extend(others);
    }
    choices
}

fn refuse_collisions(work: &mut Work<'_>, choices: &[Choice<'_>], path: &[String]) {
    let mut seen: BTreeMap<String, &Choice<'_>> = BTreeMap::new();
    for choice in choices {
        if let Some(other) = seen.insert(choice.name.to_lowercase(), choice) {
            let how = if other.name == choice.name {
                format!("would both be published as '{}'", choice.name)
            } else {
                format!("would be published as '{}' and '{}', which differ only by letter case", other.name, choice.name)
            };
            let message = format!("columns '{}' and '{}' {how}: rename one under `columns`", other.remote.name, choice.remote.name);
            work.error(error_at(below(path, &["columns"]), message));
        }
    }
}

fn publish(work: &mut Work<'_>, choice: &Choice<'_>, laid_out: &mut LaidOut, path: &[String]) {
    let remote = choice.remote;
    let position = laid_out.relation.len();
    let mut column = Column {
        max_length: remote.max_length,
        generated: remote.generated,
        has_default: remote.has_default,
        original_name: (choice.name != remote.name).then(|| remote.name.clone()),
        description: remote.description.clone(),
        ..Column::plain(&choice.name, position, remote.scalar_type, remote.nullable)
    };
    let mut codec = remote.codec;
    let mut nullable = remote.nullable;
    if let Some(definition) = choice.definition {
        let here = below(path, &["columns", &choice.name]);
        match types::decide(remote, definition.scalar_type.as_deref(), definition.codec) {
            Ok(decided) => {
                column.scalar_type = decided.scalar_type;
                codec = decided.codec;
                nullable |= decided.makes_null;
            }
            Err(wrong) => work.error(error_at(below(&here, &[wrong.key]), wrong.message)),
        }
        column.nullable = definition.nullable.unwrap_or(nullable);
        if definition.max_length.is_some() && !matches!(column.scalar_type, ScalarType::Text | ScalarType::Binary) {
            let message = format!("only text and binary columns have a greatest length; '{}' is {}", choice.name, column.scalar_type);
            work.error(error_at(below(&here, &["max_length"]), message));
        }
        column.max_length =
            definition.max_length.or_else(|| (column.scalar_type == remote.scalar_type).then_some(remote.max_length).flatten());
        // What the source computes is never written either; how it is declared differs.
        column.read_only = definition.read_only || definition.computed;
        column.description = definition.description.clone().or(column.description);
    }
    laid_out.relation.push(in_relation(remote, column.scalar_type, codec, nullable));
    laid_out.columns.push(column);
}

fn in_relation(remote: &RemoteColumn, scalar_type: ScalarType, codec: Option<portico_provider_api::Codec>, nullable: bool) -> TableColumn {
    TableColumn { name: remote.name.clone(), scalar_type, nullable, codec, native_type: Some(remote.native_type.clone()) }
}

/// Position in the relation of the source's own row version, which is appended to it unless it is there.
pub(super) fn own_version(remote: &RemoteTable, relation: &mut Vec<TableColumn>) -> Option<usize> {
    let own = remote.row_version.as_ref()?;
    let known = relation.iter().position(|column| column.name == own.name);
    Some(known.unwrap_or_else(|| {
        relation.push(in_relation(own, own.scalar_type, own.codec, own.nullable));
        relation.len() - 1
    }))
}

/// Position in the relation of the row version; a hidden one is appended to the relation.
pub(super) fn version(
    work: &mut Work<'_>,
    name: &str,
    remote: &RemoteTable,
    columns: &[Column],
    relation: &mut Vec<TableColumn>,
    path: &[String],
) -> Option<usize> {
    let here = below(path, &["version"]);
    if let Some(position) = relation.iter().position(|column| column.name == name) {
        let unfit = relation.get(position).map(|column| column.scalar_type).filter(|scalar_type| {
            matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64 | ScalarType::Json | ScalarType::Boolean)
        });
        if let Some(scalar_type) = unfit {
            work.error(error_at(
                here,
                format!("'{name}' is {scalar_type}: a row version must change with every update and compare exactly"),
            ));
            return None;
        }
        return Some(position);
    }
    if remote.row_version.as_ref().is_some_and(|own| own.name == name) {
        return own_version(remote, relation);
    }
    let mut error = error_at(here, format!("'{}' has no column '{name}' to serve as row version", remote.name));
    error.suggestion = match columns.iter().find(|column| column.name == name).and_then(|column| column.original_name.clone()) {
        // The published name of a renamed column: what is meant is the remote one.
        Some(original) => Some(original),
        None => names::nearest(
            name,
            remote.columns.iter().map(|column| column.name.as_str()).chain(remote.row_version.as_ref().map(|hidden| hidden.name.as_str())),
        )
        .map(str::to_owned),
    };
    work.error(error);
    None
}
