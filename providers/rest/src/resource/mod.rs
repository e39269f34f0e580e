//! Resources as they were configured, checked and made ready: what stands where, and what is sent for what. Pure; it must not know queries.

mod access;
mod build;
mod check;
mod column;
mod place;

pub use access::body_of;
pub use build::all;
pub use place::Place;

use crate::config::{CollationConfig, Format, Operator};
use crate::json_path::JsonPath;
use crate::paging::Paging;
use crate::template::Template;
use crate::write::Write;
use portico_provider_api::{Codec, ForeignKey, RemoteColumn, RemoteTable, RemoteTableName, Requirement, ScalarType};
use portico_provider_web::json::Missing;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A resource, made ready.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The remote table's name.
    pub name: String,
    /// Comment.
    pub description: Option<String>,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The key's columns.
    pub key: Vec<String>,
    /// References.
    pub references: Vec<ForeignKey>,
    /// The form of answers.
    pub format: Format,
    /// How failures are told in answers of success.
    pub errors: Vec<ErrorRule>,
    /// How the rows are asked for without a key, or with the keys that its places need.
    pub main: Option<Access>,
    /// Other ways, by keys.
    pub lookups: Vec<Access>,
    /// What must be known, any one of these lists.
    pub requires: Vec<Vec<Requirement>>,
    /// How an order is asked for.
    pub sort: Option<Sort>,
    /// How columns are asked for: parameter and separator.
    pub select: Option<(String, String)>,
    /// Where the array of rows stands in a row of what is asked, where this is a part of another resource.
    pub inside: Option<Place>,
    /// How rows are written.
    pub write: Option<Write>,
    /// Whether it is a table of PostgREST's, which takes conditions of any form.
    pub postgrest: bool,
    /// Whether it can be written by the preset's own means.
    pub writable: bool,
    /// Whether an upsert by these tells if it made a row.
    pub upserts: bool,
}

/// A column, made ready.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type that readers see.
    pub scalar_type: ScalarType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Where it stands in a row, where names lead to it.
    pub path: Vec<String>,
    /// What selects it in a row, where more than names do.
    pub selected: Option<Arc<JsonPath>>,
    /// How it is held.
    pub codec: Option<Codec>,
    /// What a row means that lacks it.
    pub missing: Missing,
    /// Whether its value is what was asked for.
    pub asked: bool,
    /// Whether it stands in the parent's row; `path` is there then.
    pub of_parent: bool,
    /// What is sent for conditions.
    pub filters: BTreeMap<Operator, Filter>,
    /// Whether parameters can be repeated.
    pub repeatable: bool,
    /// Values of a list at most.
    pub max_in_list: usize,
    /// How its text compares.
    pub collation: Option<CollationConfig>,
    /// Whether the server sorts by it.
    pub sort: bool,
    /// Greatest length.
    pub max_length: Option<u32>,
    /// Comment.
    pub description: Option<String>,
    /// The server gives it.
    pub generated: bool,
    /// The server gives it to a row without.
    pub has_default: bool,
    /// The source's own name of its type.
    pub native_type: Option<String>,
}

/// What is sent for a condition.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The parameter.
    pub parameter: String,
    /// Its value, with `{value}` or `{values}`.
    pub value: Template,
    /// Whether just the right rows come back.
    pub exact: bool,
    /// Between the values of a list.
    pub separator: String,
    /// The parameter is given once per value.
    pub repeat: bool,
}

/// How a failure is told in an answer of success.
#[derive(Debug, Clone)]
pub struct ErrorRule {
    /// Where.
    pub at: Vec<String>,
    /// Where its text stands below.
    pub message: Option<Vec<String>>,
    /// What is no failure there.
    pub except: Vec<serde_json::Value>,
}

/// How an order is asked for.
#[derive(Debug, Clone)]
pub struct Sort {
    /// The parameter.
    pub parameter: String,
    /// An ascending column.
    pub ascending: Template,
    /// A descending column.
    pub descending: Template,
    /// Between columns.
    pub separator: String,
}

/// A way to rows.
#[derive(Debug, Clone)]
pub struct Access {
    /// Segments of the path.
    pub path: Vec<Template>,
    /// Whether the path ends with a `/`.
    pub slash: bool,
    /// Parameters.
    pub query: Vec<(String, Template)>,
    /// Headers.
    pub headers: Vec<(String, Template)>,
    /// Method.
    pub method: String,
    /// Body and media type.
    pub body: Option<(Template, String)>,
    /// The media type of a body that is made of what is given, where one is.
    pub plain_body: Option<String>,
    /// Where the rows stand.
    pub rows: Place,
    /// What stands there is one row.
    pub single: bool,
    /// How answers come in pages.
    pub paging: Paging,
    /// How many keys go into one request, and what is between them.
    pub batch: Option<(usize, String)>,
    /// Columns that must be known: here, and in the places of the templates.
    pub needs: Vec<Need>,
}

/// A column whose value has a place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The column here.
    pub column: String,
    /// Its name in templates.
    pub place: String,
}

impl Resource {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Its name in the contract.
    pub fn table(&self) -> RemoteTableName {
        RemoteTableName(vec![self.name.clone()])
    }

    /// As the contract describes it.
    pub fn remote(&self) -> RemoteTable {
        let column = |column: &Column| RemoteColumn {
            description: column.description.clone(),
            native_type: column.native_type.clone().unwrap_or_else(|| column.scalar_type.to_string()),
            codec: column.codec,
            max_length: column.max_length,
            has_default: column.has_default,
            generated: column.generated || column.asked || column.selected.is_some(),
            ..RemoteColumn::plain(&column.name, column.scalar_type, column.nullable)
        };
        RemoteTable {
            name: self.table(),
            description: self.description.clone(),
            columns: self.columns.iter().map(column).collect(),
            primary_key: self.key.clone(),
            unique_keys: Vec::new(),
            foreign_keys: self.references.clone(),
            row_estimate: None,
            writable: self.write.is_some() || self.writable,
            row_version: None,
        }
    }
}

impl Access {
    /// Whether these are just the columns that it needs.
    pub fn takes(&self, columns: &[&str]) -> bool {
        self.needs.len() == columns.len() && self.needs.iter().all(|need| columns.contains(&need.column.as_str()))
    }
}
