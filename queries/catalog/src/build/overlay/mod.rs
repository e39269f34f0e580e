//! What definitions say of tables beyond columns and relationships, resolved against them. It must not know a protocol, only which names
//! it can carry.

mod aggregates;
mod annotations;
mod columns;
mod complex;
mod derived;
mod enums;
mod relations;
mod spatial;
mod streams;

pub(super) use annotations::{annotations, labels};
pub(super) use enums::Enumerations;

use super::tables::not_an_identifier;
use super::{Standing, Work, below, error_at};
use crate::names;
use std::collections::BTreeMap;

/// Resolves what speaks of columns only. It comes before relationships, which must not take the names of properties.
pub(super) fn properties(work: &mut Work<'_>) -> Enumerations {
    let enumerations = enums::resolve(work);
    for (name, definition) in &work.definition.tables {
        if !matches!(work.standing(name), Standing::Built) {
            continue;
        }
        let path = below(&[], &["tables", name]);
        columns::settle(work, name, definition, &enumerations, &path);
        let set_labels = labels(work, definition.label.as_ref(), &below(&path, &["label"]));
        let set_annotations = annotations(work, &definition.annotations, &path);
        let mut overlay = complex::resolve(work, name, definition, &path);
        spatial::points(work, name, definition, &mut overlay, &path);
        streams::resolve(work, name, definition, &mut overlay, &path);
        derived::resolve(work, name, definition, &mut overlay, &path);
        overlay.labels = set_labels;
        overlay.annotations = set_annotations;
        if let Some(built) = work.tables.get_mut(name) {
            built.table.overlay = overlay;
        }
    }
    enumerations
}

/// Resolves what speaks of relationships: hierarchies, restrictions and the names of aggregates.
pub(super) fn relations(work: &mut Work<'_>) {
    relations::resolve(work);
    aggregates::resolve(work);
}

/// Refuses a name that OData cannot carry.
pub(super) fn check_name(work: &mut Work<'_>, name: &str, path: &[String]) -> bool {
    if names::is_identifier(name) {
        return true;
    }
    let mut error = error_at(path.to_vec(), not_an_identifier(name));
    error.suggestion = Some(names::sanitise(name));
    work.error(error);
    false
}

/// Type names of a model stand in one namespace, and clients that ignore case must be able to tell them apart.
#[derive(Default)]
pub(super) struct TypeNames {
    taken: BTreeMap<String, (String, String)>,
}

impl TypeNames {
    /// Takes a name for a thing (`the enumeration 'Colour'`), or refuses it.
    pub(super) fn take(&mut self, work: &mut Work<'_>, name: &str, what: &str, path: &[String]) {
        if !check_name(work, name, path) {
            return;
        }
        match self.taken.get(&name.to_lowercase()) {
            Some((_, owner)) if owner == what => {}
            Some((_, owner)) => {
                let message = format!("the name '{name}' is taken by {owner}: types and operations of a model stand in one namespace");
                work.error(error_at(path.to_vec(), message));
            }
            None => {
                self.taken.insert(name.to_lowercase(), (name.to_owned(), what.to_owned()));
            }
        }
    }
}

/// Refuses types and operations whose names collide with each other or with tables.
pub(super) fn type_names(work: &mut Work<'_>) {
    let definition = work.definition;
    let mut names = TypeNames::default();
    let tables: Vec<String> = work.tables.keys().cloned().collect();
    for table in &tables {
        names.taken.insert(table.to_lowercase(), (table.clone(), format!("the table '{table}'")));
    }
    for (name, service) in &definition.services {
        for entry in service.tables.iter().flatten() {
            if let crate::definition::ServiceTable::Renamed(pair) = entry {
                for alias in pair.keys() {
                    let owner = (alias.clone(), format!("a table of the service '{name}'"));
                    names.taken.entry(alias.to_lowercase()).or_insert(owner);
                }
            }
        }
    }
    for name in definition.enums.keys() {
        names.take(work, name, &format!("the enumeration '{name}'"), &below(&[], &["enums", name]));
    }
    for (table, definition) in &definition.tables {
        let path = below(&[], &["tables", table]);
        for (property, complex) in &definition.complex {
            let what = format!("the complex type '{}'", complex.type_name);
            names.take(work, &complex.type_name, &what, &below(&path, &["complex", property, "type"]));
        }
        for name in definition.derived.iter().flat_map(|derived| derived.types.keys()) {
            names.take(work, name, &format!("a type derived from '{table}'"), &below(&path, &["derived", "types", name]));
        }
    }
    for (name, entry) in &definition.operations {
        let path = below(&[], &["operations", name]);
        names.take(work, name, &format!("the operation '{name}'"), &path);
        for (operation, path) in super::operations::each(entry, &path) {
            if let Some(complex) = operation.returns.as_ref().and_then(|returns| returns.complex.as_ref()) {
                let what = format!("what the operation '{name}' returns");
                names.take(work, complex, &what, &below(&path, &["returns", "complex"]));
            }
        }
    }
}
