//! The settings of writes. It must not know what is sent.

use indexmap::IndexMap;
use portico_provider_api::secret::ShownText;
use schemars::JsonSchema;
use serde::Deserialize;

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
    /// What makes a row, or changes the one that is there, by its key in one step.
    #[serde(default)]
    pub upsert: Option<WriteRequestConfig>,
    /// The statuses that say that an upsert made a new row. By default 201.
    #[serde(default)]
    pub created: Vec<u16>,
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
    /// By default `POST`, `PATCH`, `PUT` for upserts, and `DELETE`.
    #[serde(default)]
    pub method: Option<String>,
    /// Below the source's URL, with places for the key: `/orders/{id}`.
    #[schemars(with = "ShownText")]
    pub path: String,
    /// Parameters, with places for the key: `{ id: "eq.{id}" }`.
    #[serde(default)]
    pub query: IndexMap<String, String>,
    /// Of an upsert: whether what is not given is lost, so that all columns must be. By default so with `PUT`.
    #[serde(default)]
    pub replaces: Option<bool>,
    /// The body. Without it: an object of the given columns, each at its place.
    #[serde(default)]
    #[schemars(with = "Option<ShownText>")]
    pub body: Option<String>,
    /// Its media type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Headers.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, ShownText>")]
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
