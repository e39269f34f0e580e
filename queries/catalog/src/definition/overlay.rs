//! What an operator writes about a table beyond columns and relationships: labels, enumerations, complex and derived types, streams,
//! hierarchies, aggregates, restrictions, singletons. It must not know the file it came from.

use crate::spatial::SpatialFormat;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What people call a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LabelDefinition {
    /// The same in all languages.
    Text(String),
    /// By language tag: `{ en: Customer, de: Kunde }`. The first is shown to those who ask for none of them.
    Languages(IndexMap<String, String>),
}

/// A named set of values over integer or code columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnumDefinition {
    /// Whether members combine bit by bit; then columns of it hold integers.
    #[serde(default)]
    pub flags: bool,
    /// The integer type of the values: `int16`, `int32` (when absent) or `int64`.
    pub underlying: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What people call it: a text, or texts by language.
    pub label: Option<LabelDefinition>,
    /// Members by name, in order.
    pub members: IndexMap<String, EnumMemberEntry>,
}

/// A member of an enumeration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EnumMemberEntry {
    /// Its value, which is what columns hold.
    Value(i64),
    /// Its value and more.
    Full(EnumMemberDefinition),
}

/// A member of an enumeration with more than a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnumMemberDefinition {
    /// Its numeric value.
    pub value: i64,
    /// What columns hold in its place: a code (text), or another number.
    pub stored: Option<Value>,
    /// For people.
    pub description: Option<String>,
    /// What people call it: a text, or texts by language.
    pub label: Option<LabelDefinition>,
}

/// Columns shown as one property: those whose names begin with `prefix`, or those under `members`. It is null where they all are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComplexDefinition {
    /// Name of its type. Several properties may share one, if their members are alike.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How the names of its columns begin; the rest is the member's name.
    pub prefix: Option<String>,
    /// Member names, and the published columns that hold them.
    pub members: Option<IndexMap<String, String>>,
}

/// Says that a text column holds geographic or geometric values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpatialDefinition {
    /// Their type: `GeographyPoint`, `GeometryPolygon`, …
    #[serde(rename = "type")]
    pub type_name: String,
    /// The reference system of their coordinates, by its EPSG number: 4326 for geographies and 0 for geometries when absent.
    pub srid: Option<u32>,
    /// How the column holds them: `wkt` (when absent), `ewkt` or `geojson`.
    #[serde(default)]
    pub format: SpatialFormat,
}

/// Two numeric columns shown as one point of the globe. It is null where one of them is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointDefinition {
    /// The published column with degrees north.
    pub latitude: String,
    /// The published column with degrees east.
    pub longitude: String,
    /// The reference system, by its EPSG number: 4326, which is also meant when absent. Points in others are held as text.
    pub srid: Option<u32>,
}

/// Types derived from a table's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DerivationDefinition {
    /// The published column that says which type a row is of. Rows with a value that no type names are of the table's own type.
    pub discriminator: String,
    /// Every row is of one of the derived types: the table's own type is abstract, and rows with another value do not exist for clients.
    #[serde(default, rename = "abstract")]
    pub is_abstract: bool,
    /// Derived types by name.
    pub types: IndexMap<String, DerivedTypeDefinition>,
}

/// A derived type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DerivedTypeDefinition {
    /// The derived type that it is derived from; the table's own type when absent.
    pub base: Option<String>,
    /// Values of the discriminator that mean this type. Without any, only types derived from it have rows.
    #[serde(default)]
    pub values: Vec<Value>,
    /// Columns that only its rows, and those of types derived from it, have.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// A value that is fetched on its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamDefinition {
    /// The published column with the bytes (or the text).
    pub content: String,
    /// What the bytes are: `image/png`, or `{ column: NAME }`. `application/octet-stream` when absent (`text/plain` for text).
    pub media_type: Option<MediaTypeDefinition>,
}

/// Where the media type of a stream is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MediaTypeDefinition {
    /// It is always this one.
    Fixed(String),
    /// In a column.
    Column(MediaTypeColumn),
}

/// The column that holds the media type of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MediaTypeColumn {
    /// Its name.
    pub column: String,
}

/// A recursive hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HierarchyDefinition {
    /// The column that identifies a node.
    pub node: String,
    /// The relationship that leads to the node above: to one row of this table.
    pub parent: String,
}

/// An aggregate with a name of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AggregateDefinition {
    /// The published column that it is computed of; absent for the number of rows.
    pub column: Option<String>,
    /// `sum`, `min`, `max`, `average`, `countdistinct` or `count` (of values that are not null, or of rows).
    pub method: String,
}

/// What clients may not ask of a set. It is declared in `$metadata`, and refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestrictionsDefinition {
    /// Columns that `$filter` may not name.
    #[serde(default)]
    pub not_filterable: Vec<String>,
    /// Columns that `$orderby` may not name.
    #[serde(default)]
    pub not_sortable: Vec<String>,
    /// Columns of which each must be restricted by `$filter`.
    #[serde(default)]
    pub required_in_filter: Vec<String>,
    /// Relationships that may not be expanded.
    #[serde(default)]
    pub not_expandable: Vec<String>,
    /// Whether `$count` is answered.
    #[serde(default = "yes")]
    pub countable: bool,
    /// Whether the set may be read; otherwise only single entities may.
    #[serde(default = "yes")]
    pub readable: bool,
}

fn yes() -> bool {
    true
}

impl Default for RestrictionsDefinition {
    fn default() -> RestrictionsDefinition {
        RestrictionsDefinition {
            not_filterable: Vec::new(),
            not_sortable: Vec::new(),
            required_in_filter: Vec::new(),
            not_expandable: Vec::new(),
            countable: true,
            readable: true,
        }
    }
}

/// A link table between two tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThroughDefinition {
    /// The virtual table that holds the pairs.
    pub table: String,
    /// Columns of this table, and the columns of the link table that they equal.
    pub on: IndexMap<String, String>,
    /// Columns of the link table, and the columns of the other table that they equal.
    pub to: IndexMap<String, String>,
}

/// One row with a name of its own in a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SingletonDefinition {
    /// The virtual table that it is a row of.
    pub table: String,
    /// Its key: `{ id: 1 }`. Absent when the table has one row.
    pub key: Option<IndexMap<String, Value>>,
    /// What people call it: a text, or texts by language.
    pub label: Option<LabelDefinition>,
}
