//! Rows that came out of `$apply` as they are published: what they look like, and which column is made of which. Which property is made of
//! what was settled when the request was translated.

use super::answer::{From, Made as Column};
use super::apply::{Made, ShownColumn};
use super::packing;
use crate::bound::apply::{AppliedRows, BoundPresence};
use crate::rows::{EntityShape, PresenceShape, PropertyPath, PropertyShape, ValueShape};
use crate::value_type::{RowColumn, RowType, ValueType};
use portico_catalog::TableView;
use portico_catalog::profile::{Widening, widening};
use portico_provider_api::ScalarType;

/// A value of a type that Dataverse does not take, in one that it does: as for columns.
pub(super) fn widened(position: usize, value_type: &ValueType) -> (ValueType, From) {
    let column = portico_catalog::Column {
        enumeration: match value_type {
            ValueType::Enumeration(enumeration, _) => Some(enumeration.clone()),
            ValueType::Scalar(_) | ValueType::Duration | ValueType::Spatial(_) => None,
        },
        ..portico_catalog::Column::plain("", 0, value_type.scalar(), true)
    };
    match (value_type, widening(&column)) {
        // Dataverse has no durations; who asks for one gets it.
        (ValueType::Duration, _) => (value_type.clone(), From::Column(position)),
        // What is spatial is shown as the text that carries it, as in columns.
        (ValueType::Spatial(_), _) => (ValueType::Scalar(value_type.scalar()), From::Column(position)),
        (_, None) => (value_type.clone(), From::Column(position)),
        (_, Some(widening)) => (published_type(&widening).into(), From::Widened(position, value_type.scalar(), widening)),
    }
}

/// The type in which widened values are published.
fn published_type(widening: &Widening) -> ScalarType {
    match widening {
        Widening::Number(scalar_type) => *scalar_type,
        Widening::DateToInstant => ScalarType::TimestampTz,
        Widening::TimeToText => ScalarType::Text,
        Widening::Enumeration(_) => ScalarType::Int32,
    }
}

/// Where a shape has the property of a path: its position in the batch, its type, and where among the properties it is.
fn find(properties: &[PropertyShape], path: &[String]) -> Option<(usize, ValueType, PropertyPath)> {
    let (first, rest) = path.split_first()?;
    let index = properties.iter().position(|property| property.name == *first)?;
    let property = properties.get(index)?;
    match (&property.value, rest) {
        (ValueShape::Column { position, value_type }, []) => Some((*position, value_type.clone(), vec![index])),
        (ValueShape::Complex { members, .. }, [_, ..]) => {
            let (position, value_type, below) = find(members, rest)?;
            Some((position, value_type, std::iter::once(index).chain(below).collect()))
        }
        _ => None,
    }
}

/// Puts a property where its path says; gives where that is.
fn place(properties: &mut Vec<PropertyShape>, path: &[String], value: ValueShape, dynamic: bool) -> PropertyPath {
    let Some((first, rest)) = path.split_first() else { return Vec::new() };
    if rest.is_empty() {
        properties.push(PropertyShape { dynamic, ..PropertyShape::of(first, value) });
        return vec![properties.len() - 1];
    }
    let known = properties.iter().position(|property| property.name == *first);
    let index = known.unwrap_or_else(|| {
        let nested = ValueShape::Complex { type_name: None, members: Vec::new(), others: Vec::new() };
        properties.push(PropertyShape::of(first, nested));
        properties.len() - 1
    });
    let below = match properties.get_mut(index).map(|property| &mut property.value) {
        Some(ValueShape::Complex { members, .. }) => place(members, rest, value, dynamic),
        _ => Vec::new(),
    };
    std::iter::once(index).chain(below).collect()
}

/// The shape of the rows as published, and how their columns are made.
pub(super) fn shape(native: &EntityShape, wanted: &[ShownColumn]) -> (EntityShape, Vec<Column>) {
    let mut told = EntityShape { entity_set: String::new(), ..EntityShape::default() };
    let mut columns = Vec::with_capacity(wanted.len() + 1);
    let mut placed: Vec<(PropertyPath, PropertyPath)> = Vec::new();
    for column in wanted {
        let found: Option<Vec<_>> = column.natives.iter().map(|path| find(&native.properties, path)).collect();
        let Some(found) = found else { continue };
        let Some((position, value_type, path)) = found.first() else { continue };
        let (published, from) = match &column.made {
            Made::Column => widened(*position, value_type),
            Made::Widened(widening) => (published_type(widening).into(), From::Widened(*position, value_type.scalar(), widening.clone())),
            Made::Guid(guid) => {
                let parts = found.iter().map(|(position, value_type, _)| (*position, value_type.scalar()));
                (ScalarType::Guid.into(), From::Guid(parts.collect(), packing(guid)))
            }
        };
        let dynamic = matches!(column.made, Made::Column) && column.path == column.natives.first().cloned().unwrap_or_default();
        let value = ValueShape::Column { position: columns.len(), value_type: published };
        let dynamic = dynamic && is_dynamic(&native.properties, &column.path);
        placed.push((path.clone(), place(&mut told.properties, &column.path, value, dynamic)));
        columns.push(Column { name: column.path.join("/"), from });
    }
    told.presence = native.presence.as_ref().map(|presence| {
        columns.push(Column { name: "@presence".to_owned(), from: From::Column(presence.position) });
        let lacks = |paths: &Vec<PropertyPath>| {
            let gone = placed.iter().filter(|(native, _)| paths.iter().any(|lacking| native.starts_with(lacking)));
            gone.map(|(_, told)| told.clone()).collect()
        };
        PresenceShape { position: columns.len() - 1, lacks: presence.lacks.iter().map(lacks).collect() }
    });
    (told, columns)
}

fn is_dynamic(properties: &[PropertyShape], path: &[String]) -> bool {
    matches!(path, [only] if properties.iter().any(|property| property.name == *only && property.dynamic))
}

/// Rows as the context URL is to tell of them.
pub(super) fn rows(rows: &mut AppliedRows, wanted: &[ShownColumn]) {
    let native = |path: &Vec<String>| rows.row_type.columns.iter().position(|column| column.path == *path);
    let mut columns = Vec::with_capacity(wanted.len());
    let mut origins = Vec::with_capacity(wanted.len());
    for shown in wanted {
        let Some(index) = shown.natives.first().and_then(native) else { continue };
        let Some(column) = rows.row_type.columns.get(index) else { continue };
        columns.push(RowColumn { path: shown.path.clone(), ..column.clone() });
        origins.push(index);
    }
    rows.presence = rows.presence.as_ref().map(|presence| {
        let lacks = presence
            .lacks
            .iter()
            .map(|lacks| (0..origins.len()).filter(|at| origins.get(*at).is_some_and(|origin| lacks.contains(origin))).collect());
        BoundPresence { position: usize::MAX, lacks: lacks.collect() }
    });
    rows.row_type = RowType { table: None, columns };
    rows.shown = (0..origins.len()).collect();
}

/// Entities with what was computed of them, as the context URL is to tell of them: the table's columns as published, then the others.
pub(super) fn entity_rows(rows: &mut AppliedRows, view: &TableView, natives: usize) {
    let own = RowType::of_table(view).columns;
    let moved = |index: usize| if index < natives { index } else { index - natives + own.len() };
    if let Some(presence) = &mut rows.presence {
        presence.lacks.iter_mut().for_each(|lacks| *lacks = lacks.iter().map(|index| moved(*index)).collect());
    }
    rows.shown = rows.shown.iter().map(|index| moved(*index)).collect();
    let made = rows.row_type.columns.iter().skip(natives).cloned();
    rows.row_type.columns = own.iter().cloned().chain(made).collect();
}
