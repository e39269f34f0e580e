//! The settings of columns: where they stand, and what is sent for conditions on them and for their order. It must not know queries.

use super::CollationConfig;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// A column.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnConfig {
    /// Type: `int64`, `decimal(13,2)`, `text`, `json`, …
    #[serde(default, rename = "type")]
    pub scalar_type: Option<String>,
    /// Where it stands in a row: `customer/city`, or a JSONPath: `$.addresses[?@.kind=='home'].city`. Without it: by its name.
    #[serde(default)]
    pub path: Option<String>,
    /// Whether it may be null.
    #[serde(default)]
    pub nullable: Option<bool>,
    /// Whether a row may lack it, which means null. Otherwise a row that lacks it is an error.
    #[serde(default)]
    pub optional: Option<bool>,
    /// Greatest length.
    #[serde(default)]
    pub max_length: Option<u32>,
    /// Comment.
    #[serde(default)]
    pub description: Option<String>,
    /// How values are held: `sap_date`, `timestamp_seconds`, `bool_int`, …
    #[serde(default)]
    pub codec: Option<String>,
    /// No row has it: its value is the one that was asked for.
    #[serde(default)]
    pub asked: bool,
    /// Whether the server gives it, and takes none.
    #[serde(default)]
    pub generated: Option<bool>,
    /// Whether the server gives a value to a new row that has none.
    #[serde(default)]
    pub has_default: Option<bool>,
    /// What is sent for conditions on it.
    #[serde(default)]
    pub filter: IndexMap<Operator, FilterConfig>,
    /// Whether a parameter can be given several times, so that several conditions may share it.
    #[serde(default)]
    pub repeatable: bool,
    /// Values in one list at most.
    #[serde(default)]
    pub max_in_list: Option<usize>,
    /// How its text compares.
    #[serde(default)]
    pub collation: Option<CollationConfig>,
    /// Whether the server sorts by it.
    #[serde(default)]
    pub sort: Option<bool>,
}

/// What a condition does with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// One of a list, joined.
    In,
    /// None of a list, joined.
    NotIn,
    /// Null.
    IsNull,
    /// The text contains another.
    Contains,
    /// The text starts with another.
    StartsWith,
    /// The text ends with another.
    EndsWith,
}

/// What is sent for a condition: `status={value}`, for lists `ids={values}`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FilterConfig {
    /// The parameter and its value; what comes back is exact.
    Short(String),
    /// The same, and how well it is kept.
    Long(LongFilterConfig),
}

/// What is sent for a condition, and how well it is kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongFilterConfig {
    /// The parameter and its value.
    pub send: String,
    /// Whether just the rows come back that satisfy the condition; otherwise more may come.
    #[serde(default = "yes")]
    pub exact: bool,
    /// Between the values of a list.
    #[serde(default)]
    pub separator: Option<String>,
    /// The parameter is given once for each value of a list.
    #[serde(default)]
    pub repeat: bool,
}

fn yes() -> bool {
    true
}

/// How an order is asked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SortConfig {
    /// The parameter.
    pub parameter: String,
    /// An ascending column in its value.
    #[serde(default = "ascending")]
    pub ascending: String,
    /// A descending column in its value.
    #[serde(default = "descending")]
    pub descending: String,
    /// Between columns.
    #[serde(default = "comma")]
    pub separator: String,
}

fn ascending() -> String {
    "{column}".to_owned()
}

fn descending() -> String {
    "-{column}".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

/// How single columns are asked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectConfig {
    /// The parameter.
    pub parameter: String,
    /// Between columns.
    #[serde(default = "comma")]
    pub separator: String,
}
