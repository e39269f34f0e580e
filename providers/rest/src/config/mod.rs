//! The settings of a `rest` source beside those that every source over HTTP has, typed and closed. It must not know what they lead to.

mod access;
mod column;
mod paging;
mod write;

pub use access::{LookupConfig, RequireConfig};
pub use column::{ColumnConfig, FilterConfig, Operator, SelectConfig, SortConfig};
pub use paging::{PagingBy, PagingConfig, PagingEnd};
pub use write::{Returns, VersionConfig, WriteConfig, WriteRequestConfig};

use indexmap::IndexMap;
use portico_provider_api::secret::ShownText;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The settings of a `rest` source: what its resources are, and how they are asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestConfig {
    /// A family of servers whose ways are known. Tables are read from its own description, and `resources` change what it says.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// How answers come in pages, where a resource says nothing else.
    #[serde(default)]
    pub paging: Option<PagingConfig>,
    /// How a failure is told in an answer of success.
    #[serde(default)]
    pub errors: Vec<ErrorConfig>,
    /// In which form answers come.
    #[serde(default)]
    pub format: Format,
    /// How the server compares texts, where a column says nothing else.
    #[serde(default)]
    pub collation: Option<CollationConfig>,
    /// Where the server puts nulls in an order. Without it only columns that are never null are sorted by.
    #[serde(default)]
    pub nulls: Option<NullsConfig>,
    /// An OpenAPI document (JSON) of the server: columns of resources that declare none are taken from it. Relative to the configuration file.
    #[serde(default)]
    pub openapi: Option<PathBuf>,
    /// Where columns are taken from, of resources that declare none and that no document describes.
    #[serde(default)]
    pub infer: Option<Infer>,
    /// The remote tables, by name.
    #[serde(default)]
    pub resources: IndexMap<String, ResourceConfig>,
}

/// Families of servers whose ways are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// PostgREST 11 and later.
    Postgrest,
}

/// Where columns are taken from that nothing describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Infer {
    /// The first page that the server answers, whenever its schema is read: a convenience. A later value that does not fit is an error.
    FirstPage,
}

/// The form of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON document.
    #[default]
    Json,
    /// One JSON value per line.
    Ndjson,
    /// Comma-separated values with a line of names.
    Csv,
    /// XML; names are looked for without their prefixes.
    Xml,
}

/// How texts compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CollationConfig {
    /// By code points.
    Binary,
    /// Without regard to letter case.
    CaseInsensitive,
    /// Equality is exact, the order that of a language.
    Linguistic,
}

/// Where nulls stand in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NullsConfig {
    /// Before all values ascending, after them descending.
    Lowest,
    /// After all values ascending, before them descending.
    Highest,
}

/// How a failure is told in an answer of success.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorConfig {
    /// Where it stands (a JSON Pointer): what is there, and neither null, false nor empty, is a failure.
    pub at: String,
    /// Where its text stands below that place.
    #[serde(default)]
    pub message: Option<String>,
    /// The values there that are no failure: `[ok, 0]`.
    #[serde(default)]
    pub except: Vec<serde_json::Value>,
}

/// A resource: a remote table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceConfig {
    /// Comment.
    #[serde(default)]
    pub description: Option<String>,
    /// Below the source's URL: `/orders`, `/customers/{customer}/orders`. A `{column}` must be known before it can be asked.
    #[serde(default)]
    #[schemars(with = "Option<ShownText>")]
    pub path: Option<String>,
    /// Parameters that go along with every request; a `{column}` must be known.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, ShownText>")]
    pub query: IndexMap<String, String>,
    /// Headers; a `{column}` must be known.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, ShownText>")]
    pub headers: IndexMap<String, String>,
    /// The method that reads. `POST` where the question stands in the body.
    #[serde(default)]
    pub method: Option<String>,
    /// The body of a request that reads.
    #[serde(default)]
    #[schemars(with = "Option<ShownText>")]
    pub body: Option<String>,
    /// Its media type: by default `application/json`, or `text/xml; charset=utf-8` where answers are XML.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Where the rows stand: a JSON Pointer (`/data/items`), or a JSONPath (`$.data[*].items[*]`), whose values are the rows.
    #[serde(default)]
    pub rows: Option<String>,
    /// What stands there is one row, and no array of rows.
    #[serde(default)]
    pub single: bool,
    /// In which form answers come, where not as the source says.
    #[serde(default)]
    pub format: Option<Format>,
    /// How answers come in pages, where not as the source says.
    #[serde(default)]
    pub paging: Option<PagingConfig>,
    /// How a failure is told, beside what the source says.
    #[serde(default)]
    pub errors: Vec<ErrorConfig>,
    /// Columns of the key, in key order.
    #[serde(default)]
    pub key: Vec<String>,
    /// References to other resources.
    #[serde(default)]
    pub references: Vec<ReferenceConfig>,
    /// The columns, by name.
    #[serde(default)]
    pub columns: IndexMap<String, ColumnConfig>,
    /// A file with a sample of an answer (JSON): columns that are not declared are taken from it. Relative to the configuration file.
    #[serde(default)]
    pub sample: Option<PathBuf>,
    /// Where columns are taken from that are not declared, where there is neither a sample nor a document.
    #[serde(default)]
    pub infer: Option<Infer>,
    /// The schema of a row in the source's OpenAPI document, where the path does not lead to it.
    #[serde(default)]
    pub schema: Option<String>,
    /// How an order is asked for.
    #[serde(default)]
    pub sort: Option<SortConfig>,
    /// How single columns are asked for.
    #[serde(default)]
    pub select: Option<SelectConfig>,
    /// Other ways to the rows, by keys.
    #[serde(default)]
    pub lookups: Vec<LookupConfig>,
    /// What must be known before the resource can be asked, where the places of values do not say it: any one of these lists.
    #[serde(default)]
    pub requires: Vec<Vec<RequireConfig>>,
    /// The rows are those of an array inside the rows of another resource.
    #[serde(default)]
    pub parent: Option<ParentConfig>,
    /// How rows are written.
    #[serde(default)]
    pub write: Option<WriteConfig>,
}

/// A reference to another resource of the source.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceConfig {
    /// Columns here.
    pub columns: Vec<String>,
    /// The other resource.
    pub to: String,
    /// Its columns.
    pub referenced: Vec<String>,
}

/// The rows are those of an array inside the rows of another resource.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParentConfig {
    /// The other resource.
    pub resource: String,
    /// Where the array stands in one of its rows: `lines`.
    pub rows: String,
    /// Columns here that are the parent's: `{ order_id: id }`.
    pub columns: IndexMap<String, String>,
}
