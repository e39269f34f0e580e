//! The model as one caller may see it through one service: what is hidden is not there. The OData binder and `$metadata` read
//! only this, so that nothing they say can tell a caller of what it may not see. Policy makes it.

use crate::definition::{IfMatch, Profile};
use crate::model::{Column, VirtualTable};
use crate::overlay::{ComplexProperty, Enumeration, Labels, Operation, ReturnKind, StreamProperty};
use crate::spatial::PointProperty;
use indexmap::IndexMap;
use portico_provider_api::Value;
use std::sync::Arc;

/// What a caller may see of a service.
#[derive(Debug, Clone)]
pub struct ModelView {
    /// Version of the model.
    pub version: String,
    /// The service's name.
    pub service: String,
    /// Where it is served, without a trailing slash.
    pub path: String,
    /// What kind of client it is for.
    pub profile: Profile,
    /// Tables by their name in the service. Only tables with a key.
    pub tables: IndexMap<String, TableView>,
    /// Singletons by name.
    pub singletons: IndexMap<String, SingletonView>,
    /// The operations that the caller may call, with all their types visible.
    pub operations: Vec<Arc<Operation>>,
    /// What the rows of operations look like that return no entities, by [`ReturnKind::rows_name`]; see [`ModelView::results_of`].
    pub results: IndexMap<String, TableView>,
}

/// One entity with a name of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct SingletonView {
    /// Name in the service of its table.
    pub table: String,
    /// Its key values in key order; absent when the table has one row.
    pub key: Option<Vec<Value>>,
    /// Names for people.
    pub labels: Labels,
}

/// A structural property as clients see it, in declaration order.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyView<'a> {
    /// A column under its own name.
    Column(usize),
    /// A complex property, and the positions of its visible members with their names in it.
    Complex(&'a ComplexProperty, Vec<(&'a str, usize)>),
    /// A point over two columns.
    Point(&'a PointProperty),
    /// A stream property.
    Stream(&'a StreamProperty),
}

/// What a caller may see of a table.
#[derive(Debug, Clone)]
pub struct TableView {
    /// Name in the service: the entity set.
    pub name: String,
    /// The table.
    pub table: Arc<VirtualTable>,
    /// Positions of the visible columns, in order. Key columns are always among them.
    pub columns: Vec<usize>,
    /// The visible relationships.
    pub relationships: Vec<RelationshipView>,
    /// Whether the caller may insert.
    pub insertable: bool,
    /// Whether the caller may update.
    pub updatable: bool,
    /// Whether the caller may delete.
    pub deletable: bool,
    /// Whether an update or deletion must carry `If-Match`.
    pub if_match: IfMatch,
}

/// A relationship whose both ends the caller sees.
#[derive(Debug, Clone)]
pub struct RelationshipView {
    /// Position in the table's relationships.
    pub index: usize,
    /// Name.
    pub name: String,
    /// Name in the service of the table on the other side.
    pub to: String,
    /// Whether there may be several rows on the other side.
    pub many: bool,
    /// Name of the relationship that leads back, if it is visible.
    pub partner: Option<String>,
}

impl ModelView {
    /// The table of that name in the service.
    pub fn table(&self, name: &str) -> Option<&TableView> {
        self.tables.get(name)
    }

    /// The enumerations that visible columns and operations use, by name.
    pub fn enumerations(&self) -> IndexMap<&str, &Arc<Enumeration>> {
        let columns = self.tables.values().flat_map(TableView::visible).filter_map(|(_, column)| column.enumeration.as_ref());
        let parameters = self.operations.iter().flat_map(|operation| &operation.parameters);
        let all = columns.chain(parameters.filter_map(|parameter| parameter.enumeration.as_ref()));
        let mut result: IndexMap<&str, &Arc<Enumeration>> = IndexMap::new();
        for enumeration in all {
            result.entry(enumeration.name.as_str()).or_insert(enumeration);
        }
        result
    }

    /// The complex types that visible properties and operations use, by name, with their members under their names there. A member is
    /// there where some property of the type shows it; it may be null where it may be in one of them, or where one does not show it.
    pub fn complex_types(&self) -> IndexMap<&str, Vec<Column>> {
        let mut result: IndexMap<&str, Vec<Column>> = IndexMap::new();
        for table in self.tables.values() {
            for property in table.properties() {
                let PropertyView::Complex(complex, members) = property else { continue };
                let member = |(name, index): &(&str, usize)| {
                    table.table.columns.get(*index).map(|column| Column { name: (*name).to_owned(), ..column.clone() })
                };
                let members: Vec<Column> = members.iter().filter_map(member).collect();
                match result.get_mut(complex.type_name.as_str()) {
                    Some(known) => merge(known, members),
                    None => drop(result.insert(complex.type_name.as_str(), members)),
                }
            }
        }
        for operation in &self.operations {
            if let Some(ReturnKind::Complex { type_name, members }) = operation.returns.as_ref().map(|returns| &returns.kind) {
                result.entry(type_name.as_str()).or_insert_with(|| members.clone());
            }
        }
        result
    }

    /// The table view of a virtual table.
    pub fn by_virtual_table(&self, name: &str) -> Option<&TableView> {
        self.tables.values().find(|view| view.table.name == name)
    }

    /// The rows of that name: those of a virtual table, or what operations return.
    #[must_use]
    pub fn rows(&self, name: &str) -> Option<&TableView> {
        self.by_virtual_table(name).or_else(|| self.results.get(name))
    }

    /// The rows of those operations that return no entities. Whoever may call an operation sees all of what it returns.
    #[must_use]
    pub fn results_of(operations: &[Arc<Operation>]) -> IndexMap<String, TableView> {
        let rows = operations.iter().filter_map(|operation| operation.returns.as_ref()?.rows());
        let view = |table: VirtualTable| TableView {
            name: table.name.clone(),
            columns: (0..table.columns.len()).collect(),
            relationships: Vec::new(),
            insertable: false,
            updatable: false,
            deletable: false,
            if_match: IfMatch::Optional,
            table: Arc::new(table),
        };
        rows.map(|table| (table.name.clone(), view(table))).collect()
    }
}

/// Joins what two properties show of one complex type.
fn merge(known: &mut Vec<Column>, members: Vec<Column>) {
    for column in known.iter_mut() {
        match members.iter().find(|member| member.name == column.name) {
            Some(member) => {
                column.nullable |= member.nullable;
                if column.default != member.default {
                    column.default = None;
                }
                column.max_length = column.max_length.zip(member.max_length).map(|(left, right)| left.max(right));
            }
            None => column.nullable = true,
        }
    }
    let new: Vec<Column> = members.into_iter().filter(|member| !known.iter().any(|column| column.name == member.name)).collect();
    known.extend(new.into_iter().map(|member| Column { nullable: true, ..member }));
}

impl TableView {
    /// The visible columns with their positions, those that are shown as parts of other properties included.
    pub fn visible(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().filter_map(|index| self.table.columns.get(*index).map(|column| (*index, column)))
    }

    /// How clients name what a visible column holds: by its own name, `Address/Street` for a member of a complex property, the stream's
    /// name for its content. Nothing for the content of a media entity.
    pub fn property_path(&self, index: usize) -> Option<String> {
        let overlay = &self.table.overlay;
        if !self.columns.contains(&index) {
            return None;
        }
        if let Some((complex, member)) = overlay.complex_of(index) {
            return Some(format!("{}/{member}", complex.name));
        }
        if let Some(point) = overlay.point_of(index) {
            return Some(point.name.clone());
        }
        if let Some(stream) = overlay.streams.iter().find(|stream| stream.content == index) {
            return Some(stream.name.clone());
        }
        let column = self.table.columns.get(index).filter(|_| !overlay.is_stream_content(index))?;
        Some(column.name.clone())
    }

    /// Position (in the virtual table) of the visible column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().copied().find(|index| self.table.columns.get(*index).is_some_and(|column| column.name == name))
    }

    /// The structural properties: each visible column by itself, in its complex property or as a stream, where it is first met.
    pub fn properties(&self) -> Vec<PropertyView<'_>> {
        let overlay = &self.table.overlay;
        let mut properties = Vec::with_capacity(self.columns.len());
        for index in &self.columns {
            if let Some((complex, _)) = overlay.complex_of(*index) {
                if !properties.iter().any(|known| matches!(known, PropertyView::Complex(other, _) if other.name == complex.name)) {
                    let members = complex.members.iter().filter(|(_, column)| self.columns.contains(column));
                    properties.push(PropertyView::Complex(complex, members.map(|(name, column)| (name.as_str(), *column)).collect()));
                }
            } else if let Some(point) = overlay.point_of(*index) {
                let whole = self.columns.contains(&point.latitude) && self.columns.contains(&point.longitude);
                if whole && !properties.iter().any(|known| matches!(known, PropertyView::Point(other) if other.name == point.name)) {
                    properties.push(PropertyView::Point(point));
                }
            } else if let Some(stream) = overlay.streams.iter().find(|stream| stream.content == *index) {
                properties.push(PropertyView::Stream(stream));
            } else if !overlay.is_stream_content(*index) {
                properties.push(PropertyView::Column(*index));
            }
        }
        properties
    }

    /// The visible relationship of that name.
    pub fn relationship(&self, name: &str) -> Option<&RelationshipView> {
        self.relationships.iter().find(|relationship| relationship.name == name)
    }
}
