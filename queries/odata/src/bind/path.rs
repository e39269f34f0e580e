//! Resource paths: which table, which row, along which relationship.

use super::{column, not_found, promote, suggestion, table_columns};
use crate::bound::{ReadKind, Via};
use crate::edm::type_name;
use crate::error::ODataError;
use crate::syntax::{Alias, ExprKind, KeyPart, KeyPredicate, Request, Resource, Segment};
use portico_catalog::{ModelView, TableView};
use portico_provider_api::Value;

/// What a path leads to.
pub(super) struct Target<'a> {
    pub(super) table: &'a TableView,
    pub(super) key: Option<Vec<Value>>,
    pub(super) via: Option<Via>,
    pub(super) kind: ReadKind,
}

fn not_built(segment: &Segment, feature: impl std::fmt::Display) -> ODataError {
    ODataError::not_implemented(feature).at("path", Some(segment.span.start))
}

pub(super) fn resolve<'a>(request: &Request, view: &'a ModelView) -> Result<Target<'a>, ODataError> {
    let segments = match &request.resource {
        Resource::EntitySet(segments) => segments.as_slice(),
        Resource::ServiceDocument | Resource::Metadata | Resource::Batch => {
            return Err(ODataError::bad_request("the path addresses no entities").at("path", Some(0)));
        }
    };
    let (first, rest) = segments.split_first().ok_or_else(|| not_found("the path is empty", 0))?;
    if first.name.starts_with('$') {
        return Err(not_built(first, &first.name));
    }
    if let Some(segment) = segments.iter().find(|segment| segment.second_key.is_some()) {
        return Err(not_built(segment, format!("a key after '{}(…)'", segment.name)));
    }
    let table = view.table(&first.name).ok_or_else(|| {
        let hint = suggestion(&first.name, view.tables.keys().map(String::as_str));
        not_found(format!("there is no entity set '{}'{hint}", first.name), first.span.start)
    })?;
    let key = first.key.as_ref().map(|key| bind_key(key, table, &request.aliases)).transpose()?;
    match (key, rest) {
        (key, []) => {
            let kind = if key.is_some() { ReadKind::Entity } else { ReadKind::Collection };
            Ok(Target { table, key, via: None, kind })
        }
        (None, [next, after @ ..]) => collection(table, next, after),
        (Some(key), [next, after @ ..]) => follow(view, table, key, next, after),
    }
}

/// What may come after an entity set without a key.
fn collection<'a>(table: &'a TableView, next: &Segment, after: &[Segment]) -> Result<Target<'a>, ODataError> {
    match next.name.as_str() {
        "$count" if next.key.is_none() => match after.first() {
            Some(more) => Err(not_found(format!("nothing follows $count, but the path goes on with '{}'", more.name), more.span.start)),
            None => Ok(Target { table, key: None, via: None, kind: ReadKind::Count }),
        },
        name if name.starts_with('$') => Err(not_built(next, format!("{name} after an entity set"))),
        name if name.contains('.') => Err(not_built(next, format!("the type cast or operation '{name}'"))),
        name if table.relationship(name).is_some() || table.column(name).is_some() => {
            Err(not_found(format!("'{name}' belongs to one entity: give a key, as in {}(…)/{name}", table.name), next.span.start))
        }
        name => Err(not_built(next, format!("a key as a path segment ('{name}'), instead of in parentheses,"))),
    }
}

/// What may come after one entity.
fn follow<'a>(
    view: &'a ModelView,
    table: &'a TableView,
    key: Vec<Value>,
    next: &Segment,
    after: &[Segment],
) -> Result<Target<'a>, ODataError> {
    let name = next.name.as_str();
    let Some(relationship) = table.relationship(name) else {
        return Err(if name == "$count" {
            not_found("$count follows a collection, not one entity", next.span.start)
        } else if name.starts_with('$') {
            not_built(next, format!("{name} after an entity"))
        } else if name.contains('.') {
            not_built(next, format!("the type cast or operation '{name}'"))
        } else if table.column(name).is_some() {
            not_built(next, format!("the property path '{name}'"))
        } else {
            let hint = suggestion(name, table_columns(table).chain(table.relationships.iter().map(|r| r.name.as_str())));
            not_found(format!("'{}' has no property '{name}'{hint}", table.name), next.span.start)
        });
    };
    if next.key.is_some() {
        return Err(not_built(next, format!("a key after the navigation property '{name}'")));
    }
    let to =
        view.table(&relationship.to).ok_or_else(|| not_found(format!("there is no entity set '{}'", relationship.to), next.span.start))?;
    let via = Some(Via { table: table.table.name.clone(), key, relationship: relationship.index });
    let kind = match after {
        [] if relationship.many => ReadKind::Collection,
        [] => ReadKind::Entity,
        [last] if last.name == "$count" && last.key.is_none() && relationship.many => ReadKind::Count,
        [last, ..] if last.name == "$count" => {
            return Err(not_found(format!("$count cannot stand here: '{name}' leads to one entity, or the path goes on"), last.span.start));
        }
        [last, ..] => return Err(not_built(last, format!("the path step '{}' after '{name}'", last.name))),
    };
    Ok(Target { table: to, key: None, via, kind })
}

/// A key predicate as values in key order.
pub(super) fn bind_key(key: &KeyPredicate, table: &TableView, aliases: &[Alias]) -> Result<Vec<Value>, ODataError> {
    let columns = &table.table.key;
    let mut names = Vec::with_capacity(columns.len());
    for index in columns {
        names.push(column(table, *index)?.name.as_str());
    }
    let wrong = |position: usize, message: String| ODataError::bad_request(message).at("path", Some(position));
    let named = names.join(", ");
    let single = matches!(key.parts.as_slice(), [KeyPart { name: None, .. }]) && columns.len() == 1;
    if let Some(part) = key.parts.iter().find(|part| part.name.is_none())
        && !single
    {
        return Err(wrong(
            part.span.start,
            format!("the key of '{}' has {} parts ({named}): give each by name", table.name, columns.len()),
        ));
    }
    for part in &key.parts {
        if let Some(name) = &part.name
            && !names.contains(&name.as_str())
        {
            let hint = suggestion(name, names.iter().copied());
            return Err(wrong(part.span.start, format!("'{name}' is not part of the key of '{}' ({named}){hint}", table.name)));
        }
    }
    let mut values = Vec::with_capacity(columns.len());
    for (index, name) in columns.iter().zip(&names) {
        let part = key.parts.iter().find(|part| single || part.name.as_deref() == Some(*name));
        let part = part.ok_or_else(|| wrong(key.span.start, format!("the key of '{}' lacks '{name}' ({named})", table.name)))?;
        values.push(key_value(part, table, *index, aliases)?);
    }
    Ok(values)
}

fn key_value(part: &KeyPart, table: &TableView, index: usize, aliases: &[Alias]) -> Result<Value, ODataError> {
    let column = column(table, index)?;
    let position = part.value.span.start;
    let wrong = |message: String| ODataError::bad_request(message).at("path", Some(position));
    let kind = match &part.value.kind {
        ExprKind::Alias(name) => {
            let found = aliases.iter().find(|alias| alias.name == *name).map(|alias| &alias.value.kind);
            found.ok_or_else(|| wrong(format!("the parameter alias {name} has no value, and a key part cannot be null")))?
        }
        kind => kind,
    };
    let ExprKind::Literal(literal) = kind else { return Err(wrong(format!("the key part '{}' must be a literal", column.name))) };
    let value = promote::exact(literal, column.scalar_type).map_err(|why| wrong(format!("the key part '{}': {why}", column.name)))?;
    match value {
        Some(value) if value.is_null() => Err(wrong(format!("the key part '{}' cannot be null", column.name))),
        Some(value) => Ok(value),
        // A number that the type does not hold is nobody's key.
        None => {
            let (shown, name) = (promote::quoted(literal), type_name(column.scalar_type));
            Err(not_found(format!("there is no entity with {} {shown}, which no {name} is", column.name), position))
        }
    }
}
