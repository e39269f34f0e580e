//! The settings of a `rest` source beside those that every source over HTTP has, typed and closed. It must not know what they lead to.

use indexmap::IndexMap;
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

/// How answers come in pages.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagingConfig {
    /// What leads to the next page.
    pub by: PagingBy,
    /// The parameter with the page's number, the offset or the cursor.
    #[serde(default)]
    pub parameter: Option<String>,
    /// The number of the first page.
    #[serde(default)]
    pub first: Option<u64>,
    /// Rows of a page.
    #[serde(default)]
    pub size: Option<u64>,
    /// The parameter with the number of rows.
    #[serde(default)]
    pub size_parameter: Option<String>,
    /// Where the cursor or the next URL stands in an answer (a JSON Pointer), or the header's relation (`next`).
    #[serde(default)]
    pub next: Option<String>,
    /// Where an answer says whether there are more rows: true or false.
    #[serde(default)]
    pub more: Option<String>,
    /// Where an answer says how many rows there are in all.
    #[serde(default)]
    pub total: Option<String>,
    /// The header that says how many rows there are in all.
    #[serde(default)]
    pub total_header: Option<String>,
    /// Where an answer says how many rows it has itself.
    #[serde(default)]
    pub count: Option<String>,
    /// What ends the pages, where nothing leads from one to the next: by default the total where there is one, else a page without rows.
    #[serde(default)]
    pub end: Option<PagingEnd>,
    /// The unit of `Range`.
    #[serde(default)]
    pub unit: Option<String>,
    /// Pages of one answer at most.
    #[serde(default)]
    pub max_pages: Option<u64>,
}

/// What leads to the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagingBy {
    /// An answer is whole.
    None,
    /// A parameter counts the pages.
    Page,
    /// A parameter says how many rows to leave out.
    Offset,
    /// A parameter takes what the page before said.
    Cursor,
    /// The URL of the next page stands in the answer.
    Next,
    /// The URL of the next page stands in the header `Link`.
    Link,
    /// The headers `Range` and `Content-Range`.
    Range,
    /// A condition on the key leads from the last row on: of presets that can.
    Keyset,
}

/// What ends pages that nothing leads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagingEnd {
    /// A page with fewer rows than asked for: only where the server keeps to the size that it is asked for.
    ShortPage,
    /// A page without rows.
    EmptyPage,
    /// As many rows as the answer says that there are.
    Total,
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
    pub path: Option<String>,
    /// Parameters that go along with every request; a `{column}` must be known.
    #[serde(default)]
    pub query: IndexMap<String, String>,
    /// Headers; a `{column}` must be known.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// The method that reads. `POST` where the question stands in the body.
    #[serde(default)]
    pub method: Option<String>,
    /// The body of a request that reads.
    #[serde(default)]
    pub body: Option<String>,
    /// Its media type: by default `application/json`, or `text/xml; charset=utf-8` where answers are XML.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Where the rows stand: a JSON Pointer, or `$.data.items`.
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

/// A column.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnConfig {
    /// Type: `int64`, `decimal(13,2)`, `text`, `json`, …
    #[serde(default, rename = "type")]
    pub scalar_type: Option<String>,
    /// Where it stands in a row: `customer/city`. Without it: by its name.
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

/// Another way to the rows, by keys: those of its places for values.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupConfig {
    /// Below the source's URL. Without it: as the resource's.
    #[serde(default)]
    pub path: Option<String>,
    /// Parameters.
    #[serde(default)]
    pub query: IndexMap<String, String>,
    /// Headers.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// The method that reads.
    #[serde(default)]
    pub method: Option<String>,
    /// The body.
    #[serde(default)]
    pub body: Option<String>,
    /// Where the rows stand.
    #[serde(default)]
    pub rows: Option<String>,
    /// What stands there is one row. A `404` means that there is none.
    #[serde(default)]
    pub single: bool,
    /// How many keys one request takes, joined by `separator`; only for a key of one column in one parameter.
    #[serde(default)]
    pub batch: Option<usize>,
    /// Between the keys of one request.
    #[serde(default)]
    pub separator: Option<String>,
}

/// What must be known of a column.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequireConfig {
    /// Its values.
    Key(String),
    /// A bound.
    Bound(BoundConfig),
}

/// A bound that must be known.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundConfig {
    /// From which value on.
    #[serde(default)]
    pub from: Option<String>,
    /// Up to which value.
    #[serde(default)]
    pub to: Option<String>,
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

/// How rows are written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteConfig {
    /// New rows.
    #[serde(default)]
    pub insert: Option<WriteRequestConfig>,
    /// Changes of a row.
    #[serde(default)]
    pub update: Option<WriteRequestConfig>,
    /// Removals of a row.
    #[serde(default)]
    pub delete: Option<WriteRequestConfig>,
    /// What a change is made under.
    #[serde(default)]
    pub version: Option<VersionConfig>,
    /// The statuses that say that the row was changed meanwhile. By default 412, and with a version 409.
    #[serde(default)]
    pub changed: Vec<u16>,
    /// The statuses that say that there is no such row. By default 404 and 410.
    #[serde(default)]
    pub not_found: Vec<u16>,
    /// The statuses that say that there is such a row already. By default 409.
    #[serde(default)]
    pub duplicate: Vec<u16>,
}

/// A request that writes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteRequestConfig {
    /// By default `POST`, `PATCH` and `DELETE`.
    #[serde(default)]
    pub method: Option<String>,
    /// Below the source's URL, with places for the key: `/orders/{id}`.
    pub path: String,
    /// The body. Without it: an object of the given columns, each at its place.
    #[serde(default)]
    pub body: Option<String>,
    /// Its media type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Headers.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// What comes back.
    #[serde(default)]
    pub returns: Option<Returns>,
    /// Where the stored row, or the key, stands in the answer.
    #[serde(default)]
    pub row: Option<String>,
}

/// What comes back of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Returns {
    /// The stored row.
    Row,
    /// The key of the row.
    Key,
    /// The key, as the last part of the header `Location`.
    Location,
    /// Nothing.
    Nothing,
}

/// What a change is made under, so that another writer's change is noticed in the same step.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionConfig {
    /// A column with the row's version.
    #[serde(default)]
    pub column: Option<String>,
    /// The header that it is sent in. Without it: in the body, under the column's own place.
    #[serde(default)]
    pub header: Option<String>,
    /// How the header writes it: `"{value}"`.
    #[serde(default)]
    pub value: Option<String>,
    /// The row's own ETag, which comes in the header of an answer with one row: it is fetched before a change, and sent as `If-Match`.
    #[serde(default)]
    pub etag: bool,
}
