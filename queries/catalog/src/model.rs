//! The model as the rest of the gateway reads it: resolved, checked, immutable; replaced whole by version.

use crate::definition::RowLimits;
use crate::definition::{IfMatch, Profile};
use crate::overlay::{Annotation, DerivedType, Enumeration, Labels, Mutability, Operation, Overlay};
use crate::spatial::SpatialColumn;
use indexmap::IndexMap;
use portico_provider_api::capabilities::WriteCapabilities;
use portico_provider_api::{Capabilities, RemoteTableName, ScalarType, TableColumn, TableRelation, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// All virtual tables and services.
#[derive(Debug, Clone)]
pub struct Model {
    /// Identifies this state: equal definitions over equal remote schemas have equal versions.
    pub version: String,
    /// Virtual tables by name.
    pub tables: IndexMap<String, Arc<VirtualTable>>,
    /// Remote tables as SQL names them, `<source>.<schema>.<table>`; only roles that name one see it.
    pub remote_tables: IndexMap<String, Arc<VirtualTable>>,
    /// Services by name; there is always at least one.
    pub services: IndexMap<String, Service>,
    /// What is known of each source.
    pub sources: BTreeMap<String, SourceModel>,
    /// Functions and actions.
    pub operations: Vec<Arc<Operation>>,
}

/// What is known of a source.
#[derive(Debug, Clone)]
pub struct SourceModel {
    /// Version of its remote schema.
    pub schema_version: String,
    /// What it can evaluate.
    pub capabilities: Arc<Capabilities>,
}

/// A published table.
#[derive(Debug, Clone)]
pub struct VirtualTable {
    /// Its name in the model.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where its rows come from.
    pub origin: Origin,
    /// Published columns, in order.
    pub columns: Vec<Column>,
    /// Positions of the key's columns, in key order; empty when there is no key (then OData does not serve it).
    pub key: Vec<usize>,
    /// Links to other tables.
    pub relationships: Vec<Relationship>,
    /// How old an answer may be; zero means always asked anew.
    pub freshness: Duration,
    /// `If-Match` rule, where the table says one.
    pub if_match: Option<IfMatch>,
    /// Whether it is not to be read as a whole.
    pub guarded: bool,
    /// How much one query may fetch of it.
    pub limits: RowLimits,
    /// How many rows there are, roughly.
    pub row_estimate: Option<u64>,
    /// What it has beyond columns and relationships.
    pub overlay: Overlay,
}

/// Where a virtual table's rows come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// One remote table; written as `writing` says.
    Single {
        /// The source.
        source: String,
        /// The remote table and all its columns: first those that are published, then the others (windows may use them), last the
        /// row version when it is a hidden one. [`Column::remote`] points here.
        relation: TableRelation,
        /// A condition over the relation's column names; rows outside do not exist for clients.
        window: Option<String>,
        /// Position in the relation of the row version.
        version: Option<usize>,
        /// How rows are written.
        writing: Writing,
    },
    /// A read-only SELECT over virtual tables.
    Query {
        /// Its text.
        sql: String,
    },
}

impl Origin {
    /// The remote table, for a single one.
    pub fn remote_table(&self) -> Option<(&str, &RemoteTableName)> {
        match self {
            Origin::Single { source, relation, .. } => Some((source, &relation.table)),
            Origin::Query { .. } => None,
        }
    }

    /// How rows are written; not at all of a view.
    pub fn writing(&self) -> Writing {
        match self {
            Origin::Single { writing, .. } => *writing,
            Origin::Query { .. } => Writing::default(),
        }
    }
}

/// How rows of a remote table are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writing {
    /// What the source can do, and what it checks in the step in which it does it; nothing where the table cannot be written.
    pub able: WriteCapabilities,
    /// Position in the relation of the row version that the source compares itself, where that is not just any column.
    pub own_version: Option<usize>,
    /// Whether a check before the write is enough where the source cannot check while it writes (`writes.check_first`).
    pub check_first: bool,
}

impl Writing {
    /// Whether rows can be written at all.
    pub fn any(&self) -> bool {
        self.able.any()
    }

    /// Whether a state of a row that was read can be made to hold until it is written, or need not be.
    pub fn holds(&self) -> bool {
        self.able.unchanged || self.own_version.is_some() || self.check_first
    }
}

/// A published column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Published name.
    pub name: String,
    /// Position in the origin's relation; its own position for a view.
    pub remote: usize,
    /// Type.
    pub scalar_type: ScalarType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Greatest length in characters (text) or bytes (binary).
    pub max_length: Option<u32>,
    /// Never written through the gateway.
    pub read_only: bool,
    /// The source makes the value itself and takes none (identity, generated).
    pub generated: bool,
    /// The source has a default for it.
    pub has_default: bool,
    /// The value that a row has when it is made without one, where the model says so; never null.
    pub default: Option<Value>,
    /// The remote name, where it is another.
    pub original_name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The enumeration that its values are members of; the column holds what [`crate::overlay::EnumerationMember::stored`] says.
    pub enumeration: Option<Arc<Enumeration>>,
    /// What it holds, where that are geographic or geometric values, as text.
    pub spatial: Option<SpatialColumn>,
    /// Whether and when clients may give its value.
    pub mutability: Mutability,
    /// Whether `$search` looks into it.
    pub searchable: bool,
    /// Names for people.
    pub labels: Labels,
    /// Annotations of the property.
    pub annotations: Vec<Annotation>,
}

impl Column {
    /// A column of which nothing more is known: nullable as said, writable, without length, description or annotations.
    pub fn plain(name: impl Into<String>, remote: usize, scalar_type: ScalarType, nullable: bool) -> Column {
        Column {
            name: name.into(),
            remote,
            scalar_type,
            nullable,
            max_length: None,
            read_only: false,
            generated: false,
            has_default: false,
            default: None,
            original_name: None,
            description: None,
            enumeration: None,
            spatial: None,
            mutability: Mutability::default(),
            searchable: false,
            labels: Labels::new(),
            annotations: Vec::new(),
        }
    }
}

/// A link to another virtual table.
#[derive(Debug, Clone, PartialEq)]
pub struct Relationship {
    /// Its name: an OData navigation property.
    pub name: String,
    /// The other virtual table.
    pub to: String,
    /// Positions of this table's columns and of the other's columns that they equal; empty when it leads through a link table.
    pub on: Vec<(usize, usize)>,
    /// The link table that holds the pairs, for many-to-many relationships.
    pub through: Option<Through>,
    /// Whether there may be several rows on the other side.
    pub many: bool,
    /// Name of the relationship that leads back, where there is one.
    pub partner: Option<String>,
    /// Names for people.
    pub labels: Labels,
    /// Annotations of the navigation property.
    pub annotations: Vec<Annotation>,
}

impl Relationship {
    /// A link over these pairs of columns, of which nothing more is known.
    pub fn plain(name: impl Into<String>, to: impl Into<String>, on: Vec<(usize, usize)>, many: bool) -> Relationship {
        Relationship {
            name: name.into(),
            to: to.into(),
            on,
            through: None,
            many,
            partner: None,
            labels: Labels::new(),
            annotations: Vec::new(),
        }
    }

    /// Positions of this table's columns that it starts from.
    pub fn own_columns(&self) -> impl Iterator<Item = usize> {
        self.on.iter().chain(self.through.iter().flat_map(|through| &through.own)).map(|(own, _)| *own)
    }
}

/// How a relationship leads through a link table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// The virtual table with the pairs.
    pub table: String,
    /// Positions of this table's columns, and of the link table's columns that they equal.
    pub own: Vec<(usize, usize)>,
    /// Positions of the link table's columns, and of the other table's columns that they equal.
    pub other: Vec<(usize, usize)>,
}

/// One entity with a name of its own in a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Singleton {
    /// The virtual table that it is a row of.
    pub table: String,
    /// Its key values in key order; absent when the table has one row.
    pub key: Option<Vec<Value>>,
    /// Names for people.
    pub labels: Labels,
}

/// An OData root.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name; also the SQL schema that holds its tables.
    pub name: String,
    /// Where it is served, without a trailing slash.
    pub path: String,
    /// What kind of client it is for.
    pub profile: Profile,
    /// Name in the service, and virtual table.
    pub tables: IndexMap<String, String>,
    /// Singletons by name.
    pub singletons: IndexMap<String, Singleton>,
}

impl Model {
    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Arc<VirtualTable>> {
        self.tables.get(name)
    }

    /// The virtual or remote table of that name: what a role can name.
    pub fn readable(&self, name: &str) -> Option<&Arc<VirtualTable>> {
        self.tables.get(name).or_else(|| self.remote_tables.get(name))
    }
}

impl VirtualTable {
    /// Position of the column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The names that its structural properties have for clients; those that are published otherwise (a stream's content, say) and those
    /// of columns that are not seen by themselves are kept too, because SQL knows them.
    pub fn property_names(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.iter().map(|column| column.name.as_str());
        let complex = self.overlay.complex.iter().map(|complex| complex.name.as_str());
        let points = self.overlay.points.iter().map(|point| point.name.as_str());
        columns.chain(complex).chain(points).chain(self.overlay.streams.iter().map(|stream| stream.name.as_str()))
    }

    /// The derived type whose rows alone have a relationship: the one that owns a column that it starts from.
    pub fn relationship_owner(&self, relationship: usize) -> Option<&DerivedType> {
        let columns = self.relationships.get(relationship)?.own_columns();
        // Where its columns are of several types, one of these is derived from all others.
        let owners: Vec<&DerivedType> = columns.filter_map(|column| self.overlay.owner(column)).collect();
        let derivation = self.overlay.derivation.as_ref()?;
        owners.iter().copied().find(|candidate| owners.iter().all(|other| derivation.is_a(&candidate.name, &other.name)))
    }

    /// The table as clients without spatial types are shown it: text and numbers. Nothing where it has none.
    pub fn without_spatial(&self) -> Option<VirtualTable> {
        if self.overlay.points.is_empty() && self.columns.iter().all(|column| column.spatial.is_none()) {
            return None;
        }
        let mut table = self.clone();
        table.overlay.points.clear();
        table.columns.iter_mut().for_each(|column| column.spatial = None);
        Some(table)
    }

    /// The published columns as relation columns, in order.
    pub fn published(&self) -> Vec<TableColumn> {
        self.columns.iter().map(|column| TableColumn::computed(&column.name, column.scalar_type, column.nullable)).collect()
    }
}
