//! The settings of the ways to rows beside the resource's own, and of what must be known. It must not know queries.

use indexmap::IndexMap;
use portico_provider_api::secret::ShownText;
use schemars::JsonSchema;
use serde::Deserialize;

/// Another way to the rows, by keys: those of its places for values.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupConfig {
    /// Below the source's URL. Without it: as the resource's.
    #[serde(default)]
    #[schemars(with = "Option<ShownText>")]
    pub path: Option<String>,
    /// Parameters.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, ShownText>")]
    pub query: IndexMap<String, String>,
    /// Headers.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, ShownText>")]
    pub headers: IndexMap<String, String>,
    /// The method that reads.
    #[serde(default)]
    pub method: Option<String>,
    /// The body.
    #[serde(default)]
    #[schemars(with = "Option<ShownText>")]
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
