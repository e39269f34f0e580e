//! The kind's settings, as written in the configuration. It must not know connections.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Settings of a `sqlite` source.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database file; a relative path starts at the configuration's directory.
    pub path: PathBuf,
    /// Opens the file for reading only: every table is published as read-only.
    #[serde(default)]
    pub read_only: bool,
    /// Creates the file when it does not exist. Without it a missing file is an unavailable source.
    #[serde(default)]
    pub create: bool,
}

/// JSON Schema of [`Config`].
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}
