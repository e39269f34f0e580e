//! The kind's settings: tables with columns, keys and rows. Unknown keys are refused. It knows no values' meaning: decoding
//! rows is [`crate::decode`]'s work.

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a `memory` source.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The tables.
    #[serde(default)]
    pub tables: Vec<TableConfig>,
    /// Most keys that one request may have; absent means as many as the kind takes.
    #[serde(default)]
    pub max_keys: Option<std::num::NonZeroUsize>,
}

/// A table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Name; dots separate its parts.
    pub name: String,
    /// Comment.
    #[serde(default)]
    pub description: Option<String>,
    /// Columns in order.
    pub columns: Vec<ColumnConfig>,
    /// Names of the key's columns.
    #[serde(default)]
    pub primary_key: Vec<String>,
    /// Foreign keys.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKeyConfig>,
    /// What the table cannot be asked without, as many an API's cannot: any one of these lists will do, and of that list everything.
    #[serde(default)]
    pub required_keys: Vec<Vec<RequirementConfig>>,
    /// Rows: an object each, by column name. An absent column is null.
    #[serde(default)]
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// What a request must say of a column.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequirementConfig {
    /// Which values it has: the name of the column.
    Key(String),
    /// From which value on.
    From {
        /// The column.
        from: String,
    },
    /// Up to which value.
    To {
        /// The column.
        to: String,
    },
}

/// A column.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnConfig {
    /// Name.
    pub name: String,
    /// Type: `int64`, `text`, `decimal(13,2)`, …
    #[serde(rename = "type")]
    pub scalar_type: String,
    /// Whether it may be null; true unless said otherwise.
    #[serde(default = "yes")]
    pub nullable: bool,
    /// Greatest length in characters (text) or bytes (binary).
    #[serde(default)]
    pub max_length: Option<u32>,
    /// Whether the source numbers it itself; for integers.
    #[serde(default)]
    pub generated: bool,
    /// Comment.
    #[serde(default)]
    pub description: Option<String>,
}

fn yes() -> bool {
    true
}

/// A foreign key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKeyConfig {
    /// Referring columns.
    pub columns: Vec<String>,
    /// Table referred to.
    pub references: String,
    /// Its columns.
    pub referenced_columns: Vec<String>,
}
