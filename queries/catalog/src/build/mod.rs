//! Builds a [`Model`] from definitions and remote schemas. It collects every mistake before it refuses, so that an operator
//! mends a file once. It must not know SQL (views are described by who does) nor the file the definitions came from.

mod columns;
mod inference;
mod keys;
mod links;
mod operations;
mod overlay;
mod profiles;
mod remote;
mod services;
mod tables;
mod types;
mod values;
mod views;

use crate::definition::ModelDefinition;
use crate::error::ModelError;
use crate::model::{Model, SourceModel, VirtualTable};
use indexmap::IndexMap;
use portico_provider_api::{RemoteSchema, RemoteTable};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Describes the columns of a view's SQL: names, types and nullability, given the tables built so far. The engine provides it,
/// because only the engine reads SQL.
pub type DescribeView<'a> = dyn Fn(&Model, &str) -> Result<Vec<portico_provider_api::TableColumn>, String> + 'a;

/// What was noticed while building, for `check` and the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One line each: tables without key, sanitised names, tables left out.
    pub notes: Vec<String>,
}

/// Builds the model.
///
/// A source that no entry of `tables` names publishes all its tables as they are; a source that at least one entry names publishes
/// only those that are named. A source without a remote schema (it is down, and was never seen) is not an error: its tables, and
/// the views, relationships and service entries that need them, are left out and noted.
///
/// # Errors
/// All mistakes found, not only the first. None of them is a consequence of another that is reported.
pub fn build(
    definition: &ModelDefinition,
    schemas: &BTreeMap<String, RemoteSchema>,
    describe_view: &DescribeView<'_>,
) -> Result<(Model, Report), Vec<ModelError>> {
    let mut work = Work::new(definition, schemas);
    tables::build(&mut work);
    views::build(&mut work, describe_view);
    let enumerations = overlay::properties(&mut work);
    links::declare(&mut work);
    inference::infer(&mut work);
    links::pair(&mut work);
    overlay::relations(&mut work);
    let services = services::build(&mut work);
    let operations = operations::build(&mut work, &enumerations);
    overlay::type_names(&mut work);
    profiles::check(&mut work, &services);
    work.note_keyless();
    if !work.errors.is_empty() {
        return Err(work.errors);
    }
    let model = Model {
        version: version(definition, schemas),
        tables: work.in_order(),
        remote_tables: remote::all(schemas),
        services,
        sources: schemas
            .iter()
            .map(|(name, schema)| {
                let known = SourceModel { schema_version: schema.version.clone(), capabilities: Arc::new(schema.capabilities.clone()) };
                (name.clone(), known)
            })
            .collect(),
        operations,
    };
    Ok((model, Report { notes: work.notes }))
}

/// The state of one build.
struct Work<'a> {
    definition: &'a ModelDefinition,
    schemas: &'a BTreeMap<String, RemoteSchema>,
    tables: IndexMap<String, Built<'a>>,
    /// Defined tables that cannot be built because their source is not known. What refers to them is left out too.
    left_out: BTreeSet<String>,
    /// Defined tables that have a mistake. What refers to them is not reported again.
    broken: BTreeSet<String>,
    errors: Vec<ModelError>,
    notes: Vec<String>,
}

/// A table with what later steps need to know of its origin.
struct Built<'a> {
    table: VirtualTable,
    /// Absent for a view.
    remote: Option<&'a RemoteTable>,
}

/// How a referred table stands.
enum Standing {
    Built,
    LeftOut,
    Broken,
    Unknown,
}

impl<'a> Work<'a> {
    fn new(definition: &'a ModelDefinition, schemas: &'a BTreeMap<String, RemoteSchema>) -> Work<'a> {
        Work {
            definition,
            schemas,
            tables: IndexMap::new(),
            left_out: BTreeSet::new(),
            broken: BTreeSet::new(),
            errors: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn standing(&self, table: &str) -> Standing {
        if self.tables.contains_key(table) {
            Standing::Built
        } else if self.left_out.contains(table) {
            Standing::LeftOut
        } else if self.broken.contains(table) {
            Standing::Broken
        } else {
            Standing::Unknown
        }
    }

    fn error(&mut self, error: ModelError) {
        self.errors.push(error);
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn note_keyless(&mut self) {
        let keyless: Vec<String> = self.tables.values().filter(|built| built.table.key.is_empty()).map(keyless_note).collect();
        self.notes.extend(keyless);
    }

    /// Defined tables in the order of their definitions, then those that are published as they are.
    fn in_order(&mut self) -> IndexMap<String, Arc<VirtualTable>> {
        let mut built = std::mem::take(&mut self.tables);
        let mut ordered = IndexMap::new();
        for name in self.definition.tables.keys() {
            if let Some(entry) = built.shift_remove(name) {
                ordered.insert(name.clone(), Arc::new(entry.table));
            }
        }
        ordered.extend(built.into_iter().map(|(name, entry)| (name, Arc::new(entry.table))));
        ordered
    }
}

fn keyless_note(built: &Built<'_>) -> String {
    format!("{} has no key: it is served in SQL only; name one with `key`", built.table.name)
}

/// A path of configuration keys, longer by some.
fn below(path: &[String], keys: &[&str]) -> Vec<String> {
    path.iter().cloned().chain(keys.iter().map(|key| (*key).to_owned())).collect()
}

fn error_at(path: Vec<String>, message: impl Into<String>) -> ModelError {
    ModelError { path, message: message.into(), suggestion: None }
}

/// The hash of all that the model is made from. Definitions are written with their types' own names, so that a change of meaning
/// without a change of spelling needs a change here.
fn version(definition: &ModelDefinition, schemas: &BTreeMap<String, RemoteSchema>) -> String {
    let versions: BTreeMap<&str, &str> = schemas.iter().map(|(name, schema)| (name.as_str(), schema.version.as_str())).collect();
    // Plain data with text keys: writing it cannot fail, and were it to, the empty text only makes two models look alike.
    let text = serde_json::to_vec(&(
        &definition.sources,
        &definition.tables,
        &definition.services,
        (&definition.enums, &definition.operations),
        versions,
    ))
    .unwrap_or_default();
    Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect()
}
