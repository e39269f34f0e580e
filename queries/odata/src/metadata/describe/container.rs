//! The entity container: sets, singletons, imports. It must not know what types look like.

use super::super::csdl::{Annotation, Container, EntitySet, Import};
use super::{Abilities, Describe};
use portico_catalog::overlay::{self, ReturnKind};
use portico_catalog::{ModelView, Operation, TableView};
use std::collections::BTreeSet;

impl Describe<'_> {
    /// The container.
    pub(super) fn container(&self) -> Container {
        let sets = self.view.tables.values().map(|table| {
            let mut annotations = self.described(table.table.description.as_deref(), &table.table.overlay.labels);
            annotations.extend(self.of_set(table));
            annotations.extend(self.capabilities(table));
            self.set(&table.name, table, annotations)
        });
        let singletons = self.view.singletons.iter().filter_map(|(name, singleton)| {
            let table = self.view.table(&singleton.table)?;
            Some(self.set(name, table, self.described(None, &singleton.labels)))
        });
        Container {
            name: self.container_name(),
            sets: sets.collect(),
            singletons: singletons.collect(),
            imports: self.imports(),
            annotations: self.of_container(),
        }
    }

    /// A name that no type of the schema has.
    pub(super) fn container_name(&self) -> String {
        let mut name = "Container".to_owned();
        let derived = |name: &str| {
            let mut tables = self.view.tables.values();
            tables.any(|table| table.table.overlay.derivation.as_ref().is_some_and(|derivation| derivation.named(name).is_some()))
        };
        let taken = |name: &str| {
            self.view.tables.contains_key(name)
                || derived(name)
                || self.view.complex_types().contains_key(name)
                || self.view.enumerations().contains_key(name)
                || self.view.operations.iter().any(|operation| operation.name == name)
        };
        while taken(&name) {
            name.push('_');
        }
        name
    }

    fn set(&self, name: &str, table: &TableView, annotations: Vec<Annotation>) -> EntitySet {
        let bindings = table.relationships.iter().map(|link| {
            let owner = table.table.relationship_owner(link.index);
            let path = owner.map_or_else(|| link.name.clone(), |owner| format!("{}/{}", self.qualified(&owner.name), link.name));
            (path, link.to.clone())
        });
        EntitySet { name: name.to_owned(), type_name: self.qualified(&table.name), bindings: bindings.collect(), annotations }
    }

    /// One import for every name of unbound operations: overloads share it.
    fn imports(&self) -> Vec<Import> {
        let mut imports: Vec<Import> = Vec::new();
        for operation in self.advertised().filter(|operation| operation.binding.is_none()) {
            let listed = is_listed(operation);
            match imports.iter_mut().find(|import| import.name == operation.name) {
                Some(import) => import.listed |= listed,
                None => imports.push(Import {
                    name: operation.name.clone(),
                    operation: self.qualified(&operation.name),
                    action: operation.action,
                    set: self.returned_set(operation),
                    listed,
                }),
            }
        }
        imports
    }

    fn returned_set(&self, operation: &Operation) -> Option<String> {
        let overlay::Returns { kind: ReturnKind::Entity { table }, .. } = operation.returns.as_ref()? else { return None };
        self.view.by_virtual_table(table).map(|view| view.name.clone())
    }
}

/// Whether the service document lists an operation: a function that needs nothing to be called.
fn is_listed(operation: &Operation) -> bool {
    operation.binding.is_none() && !operation.action && operation.parameters.iter().all(|parameter| parameter.optional)
}

/// Names of the functions that the service document lists.
pub fn listed_functions(view: &ModelView, abilities: &Abilities) -> BTreeSet<String> {
    let advertised = view.operations.iter().filter(|_| abilities.operations);
    advertised.filter(|operation| is_listed(operation)).map(|operation| operation.name.clone()).collect()
}
