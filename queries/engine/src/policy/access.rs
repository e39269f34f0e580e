//! Who may see and write what, as an operator writes it.

use indexmap::IndexMap;
use portico_catalog::RowLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rights by role. What no role of a caller names is not there for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AccessDefinition {
    /// Roles by name.
    pub roles: IndexMap<String, RoleDefinition>,
    /// How large answers may be, by role; a role that is not named has no limit.
    #[serde(default)]
    pub limits: IndexMap<String, RowLimits>,
}

impl AccessDefinition {
    /// How large an answer to a caller with these roles may be: as large as the one allows that allows most.
    pub fn limits_of(&self, roles: &[String]) -> RowLimits {
        let limits = roles.iter().map(|role| self.limits.get(role).copied().unwrap_or_default());
        limits.reduce(RowLimits::greatest).unwrap_or_default()
    }
}

/// Rights of a role, by virtual table.
pub type RoleDefinition = IndexMap<String, GrantDefinition>;

/// Rights of a role on a table. An empty grant is the right to read all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantDefinition {
    /// Which rows: an SQL condition over published columns; `principal.NAME` is an attribute of the caller.
    pub rows: Option<String>,
    /// Columns that are not there.
    #[serde(default)]
    pub hide: Vec<String>,
    /// Columns whose value is replaced by an SQL expression over published columns.
    #[serde(default)]
    pub mask: IndexMap<String, String>,
    /// Writes that are allowed.
    #[serde(default)]
    pub write: Vec<WriteRight>,
}

/// A right to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteRight {
    /// New rows.
    Insert,
    /// Changes.
    Update,
    /// Removals.
    Delete,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Attribute {
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
    /// Several values, for `column IN (principal.NAME)`.
    List(Vec<Attribute>),
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// Name of the key or user, for logs and audit.
    pub name: String,
    /// Its roles; rights add up.
    pub roles: Vec<String>,
    /// Its attributes, for row rules.
    pub attributes: BTreeMap<String, Attribute>,
    /// Whether it may see row rules in EXPLAIN.
    pub operator: bool,
}
