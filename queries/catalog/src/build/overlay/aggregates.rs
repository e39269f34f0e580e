//! Custom aggregates: which names they may have, and whether their methods suit the columns that they are computed of. It must not know
//! how they are asked for.

use super::super::{Standing, Work, below, error_at};
use super::check_name;
use crate::definition::AggregateDefinition;
use crate::model::{Column, VirtualTable};
use crate::overlay::{AggregateMethod, CustomAggregate};
use portico_provider_api::ScalarType;

/// Resolves them for every table. Relationships are known by then.
pub(super) fn resolve(work: &mut Work<'_>) {
    for (name, definition) in &work.definition.tables {
        if definition.aggregates.is_empty() || !matches!(work.standing(name), Standing::Built) {
            continue;
        }
        let Some(table) = work.tables.get(name).map(|built| built.table.clone()) else { continue };
        let path = below(&[], &["tables", name, "aggregates"]);
        let mut aggregates: Vec<CustomAggregate> = Vec::with_capacity(definition.aggregates.len());
        for (name, aggregate) in &definition.aggregates {
            let here = below(&path, &[name]);
            let Some(resolved) = one(work, &table, name, aggregate, &here) else { continue };
            match aggregates.iter().find(|other| other.name.to_lowercase() == name.to_lowercase()) {
                Some(other) => work.error(error_at(here, format!("'{}' differs from '{name}' only by letter case", other.name))),
                None => aggregates.push(resolved),
            }
        }
        if let Some(built) = work.tables.get_mut(name) {
            built.table.overlay.aggregates = aggregates;
        }
    }
}

fn one(
    work: &mut Work<'_>,
    table: &VirtualTable,
    name: &str,
    definition: &AggregateDefinition,
    path: &[String],
) -> Option<CustomAggregate> {
    let before = work.errors.len();
    let named = check_name(work, name, path);
    let method = AggregateMethod::parse(&definition.method);
    if method.is_none() {
        let names = AggregateMethod::ALL.map(AggregateMethod::name);
        let message = format!("'{}' is no method of aggregation: {}", definition.method, names.join(", "));
        let error = error_at(below(path, &["method"]), message);
        work.error(error.suggesting(&definition.method, names));
    }
    let column = definition.column.as_deref().map(|column| measured(work, table, column, method, &below(path, &["column"])));
    if column.is_none() && method.is_some_and(|method| method != AggregateMethod::Count) {
        let message = format!("`{}` needs a `column` to be computed of; only `count` counts rows", definition.method);
        work.error(error_at(path.to_vec(), message));
    }
    if named {
        refuse_taken(work, table, name, column.flatten(), path);
    }
    let (method, column) = (method?, column.flatten());
    (work.errors.len() == before).then(|| CustomAggregate { name: name.to_owned(), method, column })
}

/// The column that is aggregated.
fn measured(work: &mut Work<'_>, table: &VirtualTable, name: &str, method: Option<AggregateMethod>, path: &[String]) -> Option<usize> {
    let Some(index) = table.column(name) else {
        let error = error_at(path.to_vec(), format!("{} has no published column '{name}'", table.name));
        work.error(error.suggesting(name, table.columns.iter().map(|column| column.name.as_str())));
        return None;
    };
    let column = table.columns.get(index)?;
    if table.overlay.is_stream_content(index) {
        work.error(error_at(path.to_vec(), format!("'{name}' is the content of a stream, which is no property that could be aggregated")));
    } else if let Some(point) = table.overlay.point_of(index) {
        work.error(error_at(path.to_vec(), format!("'{name}' is a coordinate of '{}', which is not aggregated", point.name)));
    } else if let Some(method) = method.filter(|method| !suits(*method, column)) {
        let message = format!("`{}` does not suit '{name}', which is {}", method.name(), what(column));
        work.error(error_at(path.to_vec(), message));
    }
    Some(index)
}

/// What a column holds, for messages.
fn what(column: &Column) -> String {
    match (&column.enumeration, &column.spatial) {
        (Some(enumeration), _) => format!("of the enumeration '{}'", enumeration.name),
        (None, Some(_)) => "a spatial value".to_owned(),
        (None, None) => column.scalar_type.to_string(),
    }
}

/// Whether values of a column can be aggregated so.
fn suits(method: AggregateMethod, column: &Column) -> bool {
    match method {
        AggregateMethod::Count => true,
        _ if column.spatial.is_some() => false,
        AggregateMethod::Sum | AggregateMethod::Average => column.scalar_type.is_numeric() && column.enumeration.is_none(),
        AggregateMethod::Min | AggregateMethod::Max => !matches!(column.scalar_type, ScalarType::Binary | ScalarType::Json),
        AggregateMethod::CountDistinct => column.scalar_type != ScalarType::Json,
    }
}

/// Refuses a name that means something else. That of a property is the name of the aggregate that the property has by default.
fn refuse_taken(work: &mut Work<'_>, table: &VirtualTable, name: &str, column: Option<usize>, path: &[String]) {
    let same = |other: &str| other.to_lowercase() == name.to_lowercase();
    if let Some(link) = table.relationships.iter().find(|link| same(&link.name)) {
        work.error(error_at(path.to_vec(), format!("{} has a relationship named '{}' already", table.name, link.name)));
        return;
    }
    let default_of = column.and_then(|column| table.columns.get(column)).is_some_and(|column| column.name == name);
    let taken = table.property_names().find(|other| same(other));
    if let Some(other) = taken.filter(|_| !default_of) {
        let message = format!(
            "{} has a property named '{other}': an aggregate of that name is the property's own, computed of `column: {other}`",
            table.name
        );
        work.error(error_at(path.to_vec(), message));
    }
}
