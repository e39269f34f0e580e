//! What an operator writes about tables and services, as typed data. It must not know the file it came from: errors carry a
//! path of keys, and who read the file knows its lines.

pub mod duration_text;
pub mod operation;
pub mod overlay;
pub mod size_text;

pub use operation::{
    ActionOrFunction, BindingDefinition, OperationDefinition, OperationEntry, ParameterDefinition, ParameterEntry, ReturnsDefinition,
    SourceOperation, Statements,
};
pub use overlay::{
    AggregateDefinition, ComplexDefinition, DerivationDefinition, DerivedTypeDefinition, EnumDefinition, EnumMemberDefinition,
    EnumMemberEntry, HierarchyDefinition, LabelDefinition, MediaTypeDefinition, PointDefinition, RestrictionsDefinition,
    SingletonDefinition, SpatialDefinition, StreamDefinition, ThroughDefinition,
};

use indexmap::IndexMap;
use portico_provider_api::Codec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everything the model is built from, besides the remote schemas.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelDefinition {
    /// Names of the configured sources, in order.
    pub sources: Vec<String>,
    /// Virtual tables by name. A source that no table names is published as it is.
    pub tables: IndexMap<String, TableDefinition>,
    /// Services by name. Without any, everything is served at `/odata`.
    pub services: IndexMap<String, ServiceDefinition>,
    /// Enumerations by name.
    pub enums: IndexMap<String, EnumDefinition>,
    /// Functions and actions by name.
    pub operations: IndexMap<String, OperationEntry>,
}

impl ModelDefinition {
    /// The operations of a source that are named, as they are named.
    #[must_use]
    pub fn called_of(&self, source: &str) -> Vec<String> {
        let each = self.operations.iter().flat_map(|(name, entry)| entry.overloads().into_iter().map(move |one| (name, one)));
        let called = each.filter_map(|(name, one)| one.source.as_ref().map(|called| (name, called)));
        let of_source = called.filter(|(_, called)| called.name == source);
        of_source.map(|(name, called)| called.operation.clone().unwrap_or_else(|| name.clone())).collect()
    }
}

/// A virtual table: `source` and `remote` for one remote table, or `sql` for a read-only view.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableDefinition {
    /// The source that has the remote table.
    pub source: Option<String>,
    /// The remote table: `table` or `schema.table`. The virtual table's own name when absent.
    pub remote: Option<String>,
    /// A SELECT over virtual tables; the table is then read-only and has no source.
    pub sql: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Columns of the key; inferred from the primary key when absent.
    pub key: Option<Vec<String>>,
    /// With `columns`, exactly these are published, in this order; the entry `"*": {}` adds all others. For a view they only say more
    /// of the columns that its SELECT has.
    pub columns: Option<IndexMap<String, ColumnDefinition>>,
    /// A window on the remote table: an SQL condition over remote column names. Rows outside do not exist for clients.
    #[serde(rename = "where")]
    pub window: Option<String>,
    /// The column that changes with every update: a remote column, or `xmin` on PostgreSQL. It makes the ETag.
    pub version: Option<String>,
    /// How old an answer may be: `0s` (the default) means always asked anew.
    #[serde(default, with = "duration_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub freshness: Option<Duration>,
    /// Whether queries that would read all of it are refused: those without a condition on it, without keys and without a number of rows.
    #[serde(default)]
    pub guarded: bool,
    /// How much one query may fetch of it; more is an error.
    #[serde(default)]
    pub limits: RowLimits,
    /// Links to other virtual tables, besides those inferred from foreign keys.
    #[serde(default)]
    pub relationships: IndexMap<String, RelationshipDefinition>,
    /// How writes are treated.
    #[serde(default)]
    pub writes: WritesDefinition,
    /// What people call it: a text, or texts by language.
    pub label: Option<LabelDefinition>,
    /// Complex properties: several columns shown as one.
    #[serde(default)]
    pub complex: IndexMap<String, ComplexDefinition>,
    /// Points: pairs of numeric columns, degrees north and east, shown as one property each.
    #[serde(default)]
    pub points: IndexMap<String, PointDefinition>,
    /// Types derived from the table's own, told apart by a column.
    pub derived: Option<DerivationDefinition>,
    /// Stream properties: columns whose bytes are fetched on their own.
    #[serde(default)]
    pub streams: IndexMap<String, StreamDefinition>,
    /// Makes the table's rows media entities: the bytes that each row is.
    pub media: Option<StreamDefinition>,
    /// Recursive hierarchies over the table, by qualifier.
    #[serde(default)]
    pub hierarchies: IndexMap<String, HierarchyDefinition>,
    /// Custom aggregates by name: what `$apply=aggregate(NAME)` yields. One with the name of a column is the column's default.
    #[serde(default)]
    pub aggregates: IndexMap<String, AggregateDefinition>,
    /// What clients may not ask of it.
    #[serde(default)]
    pub restrictions: RestrictionsDefinition,
    /// Annotations of the entity set: `Vocabulary.Term` or `Vocabulary.Term#Qualifier`, and a value.
    #[serde(default)]
    pub annotations: IndexMap<String, serde_json::Value>,
}

/// How many rows there may be, and how large they may be together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowLimits {
    /// Rows; no limit when absent.
    #[schemars(range(min = 1))]
    pub rows: Option<u64>,
    /// Bytes in memory, as `64MiB`; no limit when absent.
    #[serde(default, with = "size_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub bytes: Option<u64>,
}

impl RowLimits {
    /// What both allow.
    #[must_use]
    pub fn least(self, other: RowLimits) -> RowLimits {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        RowLimits { rows: least(self.rows, other.rows), bytes: least(self.bytes, other.bytes) }
    }

    /// What one of both allows.
    #[must_use]
    pub fn greatest(self, other: RowLimits) -> RowLimits {
        let greatest = |one: Option<u64>, other: Option<u64>| Some(one?.max(other?));
        RowLimits { rows: greatest(self.rows, other.rows), bytes: greatest(self.bytes, other.bytes) }
    }

    /// Which limit so many rows and bytes exceed, for a person.
    pub fn exceeded(self, rows: u64, bytes: u64) -> Option<String> {
        let rows = self.rows.filter(|most| rows > *most).map(|most| format!("{most} rows"));
        rows.or_else(|| self.bytes.filter(|most| bytes > *most).map(|most| format!("{most} bytes")))
    }
}

/// A published column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnDefinition {
    /// The remote column; the published name when absent.
    pub remote: Option<String>,
    /// The type readers see (`decimal(13,2)`, `date`, …); the remote column's when absent.
    #[serde(rename = "type")]
    pub scalar_type: Option<String>,
    /// How the source holds it.
    #[schemars(with = "Option<String>")]
    pub codec: Option<Codec>,
    /// Greatest length in characters.
    pub max_length: Option<u32>,
    /// Whether it may be null.
    pub nullable: Option<bool>,
    /// Never written through the gateway.
    #[serde(default)]
    pub read_only: bool,
    /// The source computes it, and what clients give is not taken.
    #[serde(default)]
    pub computed: bool,
    /// Given when a row is made, and never changed.
    #[serde(default)]
    pub immutable: bool,
    /// The value that a row has when it is made without one; of an enumeration, the name of a member.
    pub default: Option<serde_json::Value>,
    /// The enumeration that its values are members of.
    #[serde(rename = "enum")]
    pub enumeration: Option<String>,
    /// Says that it holds geographic or geometric values, as text.
    pub spatial: Option<SpatialDefinition>,
    /// Whether `$search` looks into it.
    #[serde(default)]
    pub searchable: bool,
    /// What people call it: a text, or texts by language.
    pub label: Option<LabelDefinition>,
    /// For people.
    pub description: Option<String>,
    /// Annotations of the property: `Vocabulary.Term` or `Vocabulary.Term#Qualifier`, and a value.
    #[serde(default)]
    pub annotations: IndexMap<String, serde_json::Value>,
}

/// A link to another virtual table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelationshipDefinition {
    /// The other table.
    pub to: String,
    /// Columns of this table and the columns of the other that they equal. Not with `through`.
    #[serde(default)]
    pub on: IndexMap<String, String>,
    /// The link table that holds the pairs; then there may be several rows on the other side.
    pub through: Option<ThroughDefinition>,
    /// Whether there may be several rows on the other side.
    #[serde(default)]
    pub many: bool,
    /// What people call it: a text, or texts by language.
    pub label: Option<LabelDefinition>,
    /// Annotations of the navigation property: `Vocabulary.Term` or `Vocabulary.Term#Qualifier`, and a value.
    #[serde(default)]
    pub annotations: IndexMap<String, serde_json::Value>,
}

/// How writes to a table are treated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WritesDefinition {
    /// Whether an update or deletion must carry `If-Match`; by the service's profile when absent.
    pub if_match: Option<IfMatch>,
    /// Where the source cannot check row rules, the window or an ETag in the step in which it writes: whether it is enough that they are
    /// checked before. A change by somebody else in between is then not noticed; without it, such writes are refused.
    #[serde(default)]
    pub check_first: bool,
}

/// Whether `If-Match` must be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfMatch {
    /// A request without it is refused.
    Required,
    /// It is honoured when sent.
    Optional,
}

/// An OData root: a subset of the model for one kind of client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceDefinition {
    /// Where it is served: `/odata/crm`.
    pub path: String,
    /// What kind of client it is for.
    #[serde(default)]
    pub profile: Profile,
    /// Whether requests must keep to OData's grammar, or the forms that clients still send are taken too; as `gateway.http.strict` says when
    /// absent. `Prefer: handling=strict` makes it so for one request, and nothing makes it lenient for one.
    pub strict: Option<bool>,
    /// The tables in it, under their own or another name; all when absent.
    pub tables: Option<Vec<ServiceTable>>,
    /// Single rows with a name of their own.
    #[serde(default)]
    pub singletons: IndexMap<String, SingletonDefinition>,
}

/// A table of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ServiceTable {
    /// Under its own name.
    Named(String),
    /// One entry: the name in the service, and the virtual table.
    Renamed(IndexMap<String, String>),
}

/// Client profiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Any OData client.
    #[default]
    Standard,
    /// Dynamics 365 / Dataverse virtual tables.
    Dataverse,
    /// Salesforce Connect.
    Salesforce,
    /// Power BI and Excel.
    Powerbi,
}

impl Profile {
    /// Whether its clients are shown geographic and geometric values as such. Dataverse and Salesforce have no type for them: they are
    /// shown the columns that hold them.
    #[must_use]
    pub fn knows_spatial(self) -> bool {
        match self {
            Profile::Standard | Profile::Powerbi => true,
            Profile::Dataverse | Profile::Salesforce => false,
        }
    }
}
