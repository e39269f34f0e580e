//! What the names in paths and `$select` stand for: properties of a table, types derived from it, operations. It must not know which
//! option or path a name is in.

use super::{suggestion, table_columns};
use crate::metadata::namespace;
use crate::value_type::RowType;
use portico_catalog::overlay::{ComplexProperty, Derivation, StreamProperty};
use portico_catalog::spatial::PointProperty;
use portico_catalog::{ModelView, RelationshipView, TableView};

/// What a simple name stands for.
pub(super) enum Property<'a> {
    /// A column of the row type, computed ones included.
    Column(usize),
    /// A complex property with at least one visible member.
    Complex(&'a ComplexProperty),
    /// A point over two columns.
    Point(&'a PointProperty),
    /// A stream property.
    Stream(&'a StreamProperty),
    /// A navigation property.
    Navigation,
}

/// What a qualified name stands for.
pub(super) enum Qualified {
    /// The type of the table's rows, or one derived from it (that is then named).
    Type(Option<String>),
    /// An operation of the service.
    Operation,
    /// Nothing that the service has.
    Nothing,
}

/// A property of the rows of a table, seen as those of a derived type where `cast` names one.
pub(super) fn find<'a>(table: &'a TableView, rows: &RowType, cast: Option<&str>, name: &str) -> Option<Property<'a>> {
    let overlay = &table.table.overlay;
    let seen = |column: usize| table.columns.contains(&column);
    if let Some(index) = rows.position(&[name]) {
        return has(table, cast, index).then_some(Property::Column(index));
    }
    if let Some(complex) = overlay.complex.iter().find(|complex| complex.name == name)
        && complex.members.iter().any(|(_, column)| seen(*column) && has(table, cast, *column))
    {
        return Some(Property::Complex(complex));
    }
    if let Some(point) = overlay.points.iter().find(|point| point.name == name && seen(point.latitude) && seen(point.longitude)) {
        return has(table, cast, point.latitude).then_some(Property::Point(point));
    }
    if let Some(stream) = overlay.streams.iter().find(|stream| stream.name == name && seen(stream.content)) {
        return has(table, cast, stream.content).then_some(Property::Stream(stream));
    }
    let relationship = table.relationship(name)?;
    follows(table, cast, relationship).then_some(Property::Navigation)
}

/// Whether rows of a type can have a relationship.
pub(super) fn follows(table: &TableView, cast: Option<&str>, relationship: &RelationshipView) -> bool {
    match (table.table.relationship_owner(relationship.index), cast, &table.table.overlay.derivation) {
        (Some(owner), Some(cast), Some(derivation)) => derivation.is_a(cast, &owner.name),
        (Some(_), _, _) => false,
        (None, _, _) => true,
    }
}

/// The position of a visible member of a complex property.
pub(super) fn member(table: &TableView, complex: &ComplexProperty, name: &str) -> Option<usize> {
    let found = complex.members.iter().find(|(member, _)| member == name).map(|(_, column)| *column);
    found.filter(|column| table.columns.contains(column))
}

/// The visible members of a complex property.
pub(super) fn members<'a>(table: &'a TableView, complex: &'a ComplexProperty) -> impl Iterator<Item = usize> + 'a {
    complex.members.iter().map(|(_, column)| *column).filter(|column| table.columns.contains(column))
}

/// Whether rows of a type can have a column. The table's own type has what is no derived type's; a derived type has what its bases have.
fn has(table: &TableView, cast: Option<&str>, column: usize) -> bool {
    match (owner(table, column), cast) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some((derivation, owner)), Some(cast)) => derivation.is_a(cast, owner),
    }
}

/// The derived type whose rows alone have the property or relationship of that name.
pub(super) fn owner_of<'a>(table: &'a TableView, name: &str) -> Option<(&'a Derivation, &'a str)> {
    let overlay = &table.table.overlay;
    let complex = || overlay.complex.iter().find(|complex| complex.name == name).and_then(|complex| complex.members.first());
    if let Some(column) = table.column(name).or_else(|| complex().map(|(_, column)| *column)) {
        return owner(table, column);
    }
    let relationship = table.relationship(name)?;
    Some((overlay.derivation.as_ref()?, table.table.relationship_owner(relationship.index)?.name.as_str()))
}

fn owner(table: &TableView, column: usize) -> Option<(&Derivation, &str)> {
    let derivation = table.table.overlay.derivation.as_ref()?;
    Some((derivation, derivation.owner(column)?.name.as_str()))
}

/// How `$select` and context URLs name a navigation property of rows of a type: with the derived type before it whose rows alone have it.
pub(super) fn prefixed(view: &ModelView, table: &TableView, cast: Option<&str>, name: &str) -> String {
    match table.relationship(name).filter(|relationship| !follows(table, cast, relationship)) {
        Some(relationship) => match table.table.relationship_owner(relationship.index) {
            Some(owner) => format!("{}.{}/{name}", namespace(view), owner.name),
            None => name.to_owned(),
        },
        None => name.to_owned(),
    }
}

/// The columns that rows of a type, or of types derived from it, can have: those of types beside it are left out.
pub(super) fn columns_of(table: &TableView, cast: Option<&str>) -> Vec<usize> {
    let related = |column: usize| match (owner(table, column), cast) {
        (Some((derivation, owner)), Some(cast)) => derivation.is_a(cast, owner) || derivation.is_a(owner, cast),
        (None, _) | (Some(_), None) => true,
    };
    table.columns.iter().copied().filter(|column| related(*column)).collect()
}

/// What a qualified name stands for beside the rows of a table.
pub(super) fn qualified(view: &ModelView, table: &TableView, name: &str) -> Qualified {
    let own = namespace(view);
    let Some(name) = name.strip_prefix(own.as_str()).and_then(|rest| rest.strip_prefix('.')) else { return Qualified::Nothing };
    if name == table.name {
        return Qualified::Type(None);
    }
    if table.table.overlay.derivation.as_ref().is_some_and(|derivation| derivation.named(name).is_some()) {
        return Qualified::Type(Some(name.to_owned()));
    }
    if view.operations.iter().any(|operation| operation.name == name) { Qualified::Operation } else { Qualified::Nothing }
}

/// `'Customers' has no property 'Nme'; did you mean 'Name'?`
pub(super) fn unknown(table: &TableView, name: &str) -> String {
    let overlay = &table.table.overlay;
    if let Some((_, owner)) = table.column(name).and_then(|column| owner(table, column)) {
        return format!("'{name}' is a property of the derived type '{owner}': name the type before it");
    }
    let names = table_columns(table)
        .chain(table.relationships.iter().map(|relationship| relationship.name.as_str()))
        .chain(overlay.complex.iter().filter(|complex| members(table, complex).next().is_some()).map(|complex| complex.name.as_str()))
        .chain(overlay.points.iter().filter(|point| table.columns.contains(&point.latitude)).map(|point| point.name.as_str()))
        .chain(overlay.streams.iter().filter(|stream| table.columns.contains(&stream.content)).map(|stream| stream.name.as_str()));
    format!("'{}' has no property '{name}'{}", table.name, suggestion(name, names))
}
