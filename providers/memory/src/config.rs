//! The kind's settings: tables with columns, keys and rows. Unknown keys are refused. It knows no values' meaning: decoding
//! rows is [`crate::decode`]'s work.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

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
    /// What it can be asked and how it is written, where that is not everything.
    #[serde(default)]
    pub capabilities: Option<TableLimits>,
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

/// What a table can be asked; what is not said, it can.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TableLimits {
    /// Greatest support of conditions.
    pub filter: Option<Degree>,
    /// Greatest support of orders.
    pub sort: Option<Degree>,
    /// Whether the number of rows can be limited.
    pub limit: Option<Degree>,
    /// Whether rows at the beginning can be left out; where it is not said, as `limit`.
    pub offset: Option<Degree>,
    /// The key sets that it takes.
    pub keys: Option<Vec<KeyLimits>>,
    /// Whether the number of all rows is told.
    pub count: Option<Degree>,
    /// Whether there are groups and aggregates.
    pub aggregate: Option<bool>,
    /// Whether distinct rows are told.
    pub distinct: Option<Degree>,
    /// Whether it is joined with other tables.
    pub joins: Option<Degree>,
    /// Size of a request in bytes at most; 0 means no limit.
    pub max_request_bytes: Option<usize>,
    /// What can be written.
    pub write: Option<WriteLimits>,
    /// By name of the column.
    pub columns: BTreeMap<String, ColumnLimits>,
}

/// How well something is evaluated.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Degree {
    /// Not at all.
    None,
    /// With more rows than asked for.
    Inexact,
    /// Exactly.
    Exact,
}

/// A key set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyLimits {
    /// Its columns.
    pub columns: Vec<String>,
    /// Keys in one request at most.
    pub max_tuples: usize,
    /// Size of the keys of one request in bytes at most; 0 means no limit.
    #[serde(default)]
    pub max_bytes: usize,
    /// How well rows are found by it; exactly unless said otherwise.
    #[serde(default)]
    pub support: Option<Degree>,
}

/// What can be asked of a column; what is not said, can.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnLimits {
    /// Greatest support of conditions on it, and how well its comparisons and functions are evaluated.
    pub filter: Option<Degree>,
    /// The only comparisons of it.
    pub comparisons: Option<Vec<Comparison>>,
    /// The only functions that are called with it: `contains`, `starts_with`, …
    pub functions: Option<Vec<String>>,
    /// Candidates of a list at most.
    pub max_in_list: Option<usize>,
    /// Whether each comparison of it can be made once in a request.
    pub once: bool,
    /// Greatest support of sorting by it.
    pub sort: Option<Degree>,
}

/// A comparison of a column with a value.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum Comparison {
    /// Equal, or one of several.
    #[serde(rename = "=")]
    Equal,
    /// Not equal, or none of several.
    #[serde(rename = "<>")]
    NotEqual,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// Equal or not, where null equals null.
    #[serde(rename = "is distinct from")]
    DistinctFrom,
    /// Null.
    #[serde(rename = "is null")]
    IsNull,
}

/// What can be written, and what is checked while it is; what is not said, is not.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WriteLimits {
    /// New rows.
    pub insert: bool,
    /// Changes of rows.
    pub update: bool,
    /// Update or insert in one step.
    pub upsert: bool,
    /// Removals of rows.
    pub delete: bool,
    /// Several changes as one.
    pub transactions: bool,
    /// Stored rows are told.
    pub returning: bool,
    /// Keys of new rows are told.
    pub returning_key: bool,
    /// A version is compared.
    pub version: bool,
    /// Values are compared.
    pub unchanged: bool,
    /// Conditions on the rows that are found.
    pub visible: bool,
    /// Conditions on the rows that are stored.
    pub require: bool,
}
