//! What a source has: remote tables with columns, keys and foreign keys, as introspected. It must not know virtual tables.

use crate::capabilities::Capabilities;
use crate::operation::RemoteOperation;
use crate::types::{Codec, ScalarType};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a remote table, from outermost to innermost part: `["public", "invoices"]`, `["orders"]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteTableName(pub Vec<String>);

impl RemoteTableName {
    /// Reads `schema.table`; a part may be quoted with `"` when it holds a dot.
    pub fn parse(text: &str) -> RemoteTableName {
        let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
        for character in text.chars() {
            match character {
                '"' => quoted = !quoted,
                '.' if !quoted => parts.push(std::mem::take(&mut part)),
                other => part.push(other),
            }
        }
        parts.push(part);
        RemoteTableName(parts)
    }

    /// The innermost part.
    pub fn table(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

impl fmt::Display for RemoteTableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Which tables are wanted from a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Every table the credentials can see.
    All,
    /// Only these, and every operation; a missing one is left out of the answer, not an error.
    Tables(Vec<RemoteTableName>),
    /// Only these tables, or all without a list, and only these operations, by name or signature.
    Named {
        /// Tables.
        tables: Option<Vec<RemoteTableName>>,
        /// Operations.
        operations: Vec<String>,
    },
}

impl Selection {
    /// The tables that are wanted; all of them without a list.
    pub fn tables(&self) -> Option<&[RemoteTableName]> {
        match self {
            Selection::All => None,
            Selection::Tables(tables) => Some(tables),
            Selection::Named { tables, .. } => tables.as_deref(),
        }
    }

    /// The operations that are wanted, by name or signature; all of them without a list.
    pub fn operations(&self) -> Option<&[String]> {
        match self {
            Selection::All | Selection::Tables(_) => None,
            Selection::Named { operations, .. } => Some(operations),
        }
    }
}

/// A snapshot of what a source has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RemoteSchema {
    /// Identifies this state: equal schemas have equal versions.
    pub version: String,
    /// The tables.
    pub tables: Vec<RemoteTable>,
    /// What the source can be told to do.
    #[serde(default)]
    pub operations: Vec<RemoteOperation>,
    /// Whether the configuration says what there is, not the source: then there is nothing that could differ from what was accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
    /// What is left out and why, each a sentence for the operator: a column of a type that has no counterpart, an entity set without a key.
    #[serde(default, skip_serializing)]
    pub notes: Vec<String>,
    /// What the source can evaluate.
    pub capabilities: Capabilities,
}

/// A remote table or view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteTable {
    /// Name.
    pub name: RemoteTableName,
    /// Comment in the source.
    #[serde(default)]
    pub description: Option<String>,
    /// Columns in the source's order.
    pub columns: Vec<RemoteColumn>,
    /// Names of the primary key's columns, in key order; empty when there is none.
    pub primary_key: Vec<String>,
    /// Other sets of columns declared unique.
    #[serde(default)]
    pub unique_keys: Vec<Vec<String>>,
    /// Foreign keys.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
    /// How many rows there are, roughly.
    #[serde(default)]
    pub row_estimate: Option<u64>,
    /// Whether rows can be written (false for views that are not).
    pub writable: bool,
    /// A column that changes with every update and can serve as row version, where it is none of `columns`: PostgreSQL's `xmin`, the ETag of
    /// an HTTP resource. It is read like any other column when a query has it in scope, and never written.
    #[serde(default)]
    pub row_version: Option<RemoteColumn>,
}

/// A column of a remote table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteColumn {
    /// Name.
    pub name: String,
    /// Comment in the source.
    #[serde(default)]
    pub description: Option<String>,
    /// The source's own type name.
    pub native_type: String,
    /// The type readers see.
    pub scalar_type: ScalarType,
    /// How the source holds it, where that differs.
    #[serde(default)]
    pub codec: Option<Codec>,
    /// Whether it may be null.
    pub nullable: bool,
    /// Greatest length in characters (text) or bytes (binary).
    #[serde(default)]
    pub max_length: Option<u32>,
    /// Whether the source gives a value when an insert has none.
    #[serde(default)]
    pub has_default: bool,
    /// Whether the source numbers it itself and refuses a given value (`GENERATED ALWAYS AS IDENTITY`), or computes it.
    #[serde(default)]
    pub generated: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Constraint name.
    pub name: String,
    /// Referring columns.
    pub columns: Vec<String>,
    /// Table referred to, in the same source.
    pub references: RemoteTableName,
    /// Its columns, in the order of `columns`.
    pub referenced_columns: Vec<String>,
}

impl RemoteSchema {
    /// The table of that name.
    pub fn table(&self, name: &RemoteTableName) -> Option<&RemoteTable> {
        self.tables.iter().find(|table| &table.name == name)
    }
}

impl RemoteTable {
    /// A writable table of which nothing more is known.
    pub fn plain(name: RemoteTableName, columns: Vec<RemoteColumn>, primary_key: &[&str]) -> RemoteTable {
        RemoteTable {
            name,
            description: None,
            columns,
            primary_key: primary_key.iter().map(|column| (*column).to_owned()).collect(),
            unique_keys: Vec::new(),
            foreign_keys: Vec::new(),
            row_estimate: None,
            writable: true,
            row_version: None,
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&RemoteColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl RemoteColumn {
    /// A column of which nothing more is known, held in the type that readers see and called by its name.
    pub fn plain(name: impl Into<String>, scalar_type: ScalarType, nullable: bool) -> RemoteColumn {
        RemoteColumn {
            name: name.into(),
            description: None,
            native_type: scalar_type.to_string(),
            scalar_type,
            codec: None,
            nullable,
            max_length: None,
            has_default: false,
            generated: false,
        }
    }
}
