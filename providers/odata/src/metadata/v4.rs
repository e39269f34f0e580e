//! OData 4.0 and 4.01: sets, references and operations of a document. It must not know OData 2.0.

use super::annotations::{Annotation, Expression};
use super::edmx::{Document, Navigation, RawOperation, RawProperty, RawSet};
use super::{EntitySet, Link, Operation, Protocol, Returns, Service, bound, navigation, properties, restrictions};
use portico_provider_api::{ForeignKey, RemoteTableName};
use std::collections::BTreeSet;

/// The service of a document.
pub(super) fn service(document: &Document, wanted: Option<&BTreeSet<String>>) -> Service {
    let mut notes = Vec::new();
    let mut sets = Vec::new();
    for raw in document.container.sets.iter().filter(|raw| wanted.is_none_or(|wanted| wanted.contains(&raw.name))) {
        if document.entity_types.contains_key(&document.full(&raw.entity_type)) {
            sets.push(set(document, raw, &mut notes));
        } else {
            notes.push(format!("'{}' is left out: its type {} is not in the document", raw.name, raw.entity_type));
        }
    }
    if wanted.is_none() {
        let singletons = document.container.singletons.iter();
        notes.extend(singletons.map(|name| format!("the singleton '{name}' is left out: it is one entity, and no set")));
    }
    let mut operations = operations(document);
    operations.extend(bound::operations(document, wanted, &mut notes));
    Service { protocol: Protocol::V4, sets, operations, general: restrictions::general(document), notes }
}

fn set(document: &Document, raw: &RawSet, notes: &mut Vec<String>) -> EntitySet {
    let (mut columns, left_out) = properties::of_type(document, &raw.entity_type, false);
    notes.extend(left_out.into_iter().map(|what| format!("of '{}' it is left out: {what}", raw.name)));
    let entity_type = document.full(&raw.entity_type);
    let key = properties::key_of(document, &entity_type);
    if key.is_empty() {
        notes.push(format!("'{}' has no key: its rows are read, and none can be written", raw.name));
    }
    if document.is_base(&entity_type) {
        notes.push(format!("'{}' has rows of derived types, of which only the properties of {} are read", raw.name, raw.entity_type));
    }
    let own = properties::lineage(document, &entity_type);
    let of_type: Vec<Annotation> = own.iter().flat_map(|structured| structured.annotations.clone()).collect();
    let away: Vec<Annotation> = document.said_of(&raw.target).to_vec();
    away_from_properties(document, &entity_type, &mut columns);
    let all = || raw.annotations.iter().chain(&away);
    let restrictions = restrictions::of_set(document, all(), &mut columns);
    let concurrency = |annotation: &Annotation| document.is_term(annotation, "Org.OData.Core.V1.OptimisticConcurrency");
    let in_set = |term: &str| {
        let own = properties::text_of(document, &raw.annotations, term).or_else(|| properties::text_of(document, &away, term));
        own.or_else(|| properties::text_of(document, &of_type, term)).map(str::to_owned)
    };
    EntitySet {
        description: in_set("Org.OData.Core.V1.Description").or_else(|| in_set("com.sap.vocabularies.Common.v1.Label")),
        etag: all().chain(&of_type).any(concurrency),
        foreign_keys: foreign_keys(document, raw, &entity_type),
        navigation: navigation::of_v4(document, raw, all()),
        links: links(document, raw, &entity_type),
        name: raw.name.clone(),
        properties: columns,
        key,
        restrictions,
    }
}

/// What is said of properties away from them (`Target="NS.Type/Property"`), as far as it decides how they are written.
fn away_from_properties(document: &Document, entity_type: &str, columns: &mut [super::Property]) {
    for column in columns {
        for annotation in document.said_of(&format!("{entity_type}/{}", column.name)) {
            match document.full(&annotation.term).as_str() {
                "Org.OData.Core.V1.Computed" => column.computed |= annotation.value.truth().unwrap_or(false),
                "Org.OData.Core.V1.ComputedDefaultValue" => column.has_default |= annotation.value.truth().unwrap_or(false),
                "Org.OData.Core.V1.Description" | "com.sap.vocabularies.Common.v1.Label" if column.description.is_none() => {
                    column.description = annotation.value.text().map(str::to_owned);
                }
                _ => {}
            }
        }
    }
}

/// Single-valued navigation properties with constraints, to the sets that they are bound to.
fn foreign_keys(document: &Document, raw: &RawSet, entity_type: &str) -> Vec<ForeignKey> {
    let mut found = Vec::new();
    for structured in properties::lineage(document, entity_type) {
        for navigation in &structured.navigation {
            let many = navigation.type_name.starts_with("Collection(");
            let target = raw.bindings.iter().find(|(path, _)| *path == navigation.name).map(|(_, target)| target.as_str());
            let (Some(target), false, false) = (target, many, navigation.constraints.is_empty()) else { continue };
            let target = target.rsplit('/').next().unwrap_or(target);
            found.push(ForeignKey {
                name: navigation.name.clone(),
                columns: navigation.constraints.iter().map(|(own, _)| own.clone()).collect(),
                references: RemoteTableName(vec![target.to_owned()]),
                referenced_columns: navigation.constraints.iter().map(|(_, other)| other.clone()).collect(),
            });
        }
    }
    found
}

/// All single-valued navigation properties of a set.
fn links(document: &Document, raw: &RawSet, entity_type: &str) -> Vec<Link> {
    let lineage = properties::lineage(document, entity_type);
    let single =
        lineage.into_iter().flat_map(|structured| &structured.navigation).filter(|link| !link.type_name.starts_with("Collection("));
    let link = |navigation: &Navigation| {
        let bound = raw.bindings.iter().find(|(path, _)| *path == navigation.name).map(|(_, target)| target.as_str());
        Link {
            name: navigation.name.clone(),
            set: bound.map(|target| target.rsplit('/').next().unwrap_or(target).to_owned()),
            constraints: navigation.constraints.clone(),
            key: properties::of_key(document, &navigation.type_name, false),
        }
    };
    single.map(link).collect()
}

fn operations(document: &Document) -> Vec<Operation> {
    let mut found = Vec::new();
    for import in &document.container.imports {
        let name = document.full(&import.operation);
        let overloads = document.operations.iter().filter(|operation| operation.name == name && !operation.bound);
        found.extend(overloads.map(|raw| operation(document, &import.name, raw)));
    }
    found
}

/// An operation without what it is bound to.
pub(super) fn operation(document: &Document, name: &str, raw: &RawOperation) -> Operation {
    let mut unavailable = None;
    let mut parameters = Vec::new();
    for parameter in &raw.parameters {
        match properties::single(document, parameter, false) {
            Some(read) => parameters.push(read),
            None => unavailable = Some(format!("nothing carries the type {} of its parameter '{}'", parameter.type_name, parameter.name)),
        }
    }
    let returns = match &raw.returns {
        None => None,
        Some(raw) => {
            let read = returns(document, raw, false);
            if read.is_none() {
                unavailable = Some(format!("nothing carries the type {} that it returns", raw.type_name));
            }
            read
        }
    };
    let optional = |parameter: &RawProperty| {
        parameter.annotations.iter().any(|annotation| document.full(&annotation.term) == "Org.OData.Core.V1.OptionalParameter")
    };
    for (parameter, raw) in parameters.iter_mut().zip(&raw.parameters) {
        parameter.has_default = optional(raw);
    }
    let description = raw.annotations.iter().find(|annotation| document.is_term(annotation, "Org.OData.Core.V1.Description"));
    Operation {
        name: name.to_owned(),
        binding: None,
        description: description.and_then(|annotation| Expression::text(&annotation.value).map(str::to_owned)),
        parameters,
        returns,
        changes: raw.action,
        get: !raw.action,
        unavailable,
    }
}

/// What is returned as columns; `None` when nothing carries it.
pub(super) fn returns(document: &Document, raw: &RawProperty, v2: bool) -> Option<Returns> {
    let inner = raw.type_name.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')'));
    let type_name = document.full(inner.unwrap_or(&raw.type_name));
    let composite = document.entity_types.contains_key(&type_name) || document.complex_types.contains_key(&type_name);
    let columns = if composite {
        properties::of_type(document, &type_name, v2).0
    } else {
        let value = RawProperty { name: "value".to_owned(), type_name, ..raw.clone() };
        vec![properties::single(document, &value, v2)?]
    };
    Some(Returns { columns, many: inner.is_some(), composite })
}
