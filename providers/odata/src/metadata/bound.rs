//! Operations that are bound to an entity or to a set of them (OData 4.0): one for each set of the type that they are bound to, with the key of
//! the entity as its first parameters. It must not know how they are called.

use super::edmx::{Document, RawOperation, RawSet};
use super::{Binding, Operation, Property, properties, v4};
use std::collections::{BTreeMap, BTreeSet};

/// The bound operations of the sets that are wanted; of all of them without. Those that are bound to a value, a derived type or a singleton
/// alone belong to no set.
pub(super) fn operations(document: &Document, wanted: Option<&BTreeSet<String>>, notes: &mut Vec<String>) -> Vec<Operation> {
    let sets: Vec<&RawSet> = document.container.sets.iter().filter(|set| wanted.is_none_or(|wanted| wanted.contains(&set.name))).collect();
    let mut lineages: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut keys: BTreeMap<&str, Vec<Property>> = BTreeMap::new();
    for set in &sets {
        lineages.insert(&set.name, ancestors(document, &set.entity_type));
        keys.insert(&set.name, properties::of_key(document, &set.entity_type, false));
    }
    let mut namespaces: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (namespace, name) in document.operations.iter().filter_map(|raw| raw.name.rsplit_once('.')) {
        namespaces.entry(name).or_default().insert(namespace);
    }
    let (mut found, mut left_out) = (Vec::new(), BTreeSet::new());
    for raw in document.operations.iter().filter(|raw| raw.bound) {
        let Some((to, many)) = raw.parameters.first().map(|first| bound_to(document, &first.type_name)) else { continue };
        let own = sets.iter().filter(|set| lineages.get(set.name.as_str()).is_some_and(|lineage| lineage.contains(&to)));
        let mut own = own.peekable();
        if own.peek().is_none() {
            left_out.insert(raw.name.as_str());
            continue;
        }
        let alone = RawOperation { parameters: raw.parameters.iter().skip(1).cloned().collect(), ..raw.clone() };
        let described = v4::operation(document, &raw.name, &alone);
        let ambiguous = raw.name.rsplit_once('.').and_then(|(_, name)| namespaces.get(name)).is_some_and(|namespaces| namespaces.len() > 1);
        let known_as: Vec<String> = match raw.name.rsplit_once('.') {
            Some((_, name)) if !ambiguous => vec![name.to_owned()],
            _ => raw.name.split('.').map(str::to_owned).collect(),
        };
        for set in own {
            let key = (!many).then(|| keys.get(set.name.as_str()).cloned().unwrap_or_default());
            found.push(to_set(described.clone(), &set.name, known_as.clone(), key));
        }
    }
    refuse_indistinct(&mut found);
    if wanted.is_none() && !left_out.is_empty() {
        notes.push(format!("{} operations that are bound to something else than a set or its entities are left out", left_out.len()));
    }
    found
}

/// The type that an operation is bound to, and whether to many of it.
fn bound_to(document: &Document, type_name: &str) -> (String, bool) {
    let inner = type_name.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')'));
    (document.full(inner.unwrap_or(type_name)), inner.is_some())
}

/// The names of a type and of those that it derives from.
fn ancestors(document: &Document, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = Some(document.full(name));
    while let Some(name) = next.take() {
        let base = document.entity_types.get(&name).and_then(|structured| structured.base.as_deref());
        next = base.map(|base| document.full(base)).filter(|base| !found.contains(base));
        found.insert(name);
    }
    found
}

fn to_set(mut operation: Operation, set: &str, known_as: Vec<String>, key: Option<Vec<Property>>) -> Operation {
    if key.as_ref().is_some_and(Vec::is_empty) {
        operation.unavailable = Some("the entity that it is bound to has no key".to_owned());
    }
    let names = key.as_ref().map(|key| key.iter().map(|property| property.name.clone()).collect());
    let taken: BTreeSet<String> = operation.parameters.iter().map(|parameter| parameter.name.clone()).collect();
    let first = key.into_iter().flatten().map(|mut property| {
        // A parameter of its own keeps its name.
        while taken.contains(&property.name) {
            property.name.insert_str(0, "key_");
        }
        property.has_default = false;
        property
    });
    operation.parameters = first.chain(std::mem::take(&mut operation.parameters)).collect();
    operation.binding = Some(Binding { set: set.to_owned(), known_as, key: names });
    operation
}

/// One that is bound to an entity and one that is bound to the set may look the same from outside.
fn refuse_indistinct(operations: &mut [Operation]) {
    let mut seen = BTreeSet::new();
    for operation in operations {
        if !seen.insert(operation.signature()) {
            operation.unavailable = Some("another operation has the same name and the same parameters".to_owned());
        }
    }
}
