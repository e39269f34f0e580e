//! OData 2.0: sets, references and function imports of a document, with SAP's attributes. It must not know OData 4.0.

use super::edmx::{Document, Import, RawProperty, RawSet};
use super::{EntitySet, Operation, Protocol, Service, navigation, properties, restrictions, v4};
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
    let operations = document.container.imports.iter().map(|import| operation(document, import)).collect();
    Service { protocol: Protocol::V2, sets, operations, general: restrictions::general(document), notes }
}

fn set(document: &Document, raw: &RawSet, notes: &mut Vec<String>) -> EntitySet {
    let (mut columns, left_out) = properties::of_type(document, &raw.entity_type, true);
    notes.extend(left_out.into_iter().map(|what| format!("of '{}' it is left out: {what}", raw.name)));
    let key = properties::key_of(document, &raw.entity_type);
    if key.is_empty() {
        notes.push(format!("'{}' has no key: its rows are read, and none can be written", raw.name));
    }
    let lineage = properties::lineage(document, &raw.entity_type);
    let fixed = lineage.iter().flat_map(|structured| &structured.properties).any(|property| property.fixed);
    let away = document.said_of(&raw.target);
    let mut found = restrictions::of_set(document, raw.annotations.iter().chain(away), &mut columns);
    let sap = |wanted: &str| raw.sap.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let flag = |wanted: &str| sap(wanted).map(|value| value != "false");
    found.insertable = flag("creatable").or(found.insertable);
    found.updatable = flag("updatable").or(found.updatable);
    found.deletable = flag("deletable").or(found.deletable);
    found.readable = flag("addressable").or(found.readable);
    found.requires_filter |= sap("requires-filter") == Some("true");
    if sap("pageable") == Some("false") {
        (found.top, found.skip) = (Some(false), Some(false));
    }
    if sap("countable") == Some("false") {
        found.countable = Some(false);
    }
    restrict_properties(document, raw, &mut columns, &mut found.required);
    let of_type = |wanted: &str| {
        let own = lineage.iter().rev().flat_map(|structured| &structured.sap);
        own.filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).next()
    };
    EntitySet {
        description: sap("label").map(str::to_owned).or_else(|| of_type("label")),
        etag: fixed,
        foreign_keys: foreign_keys(document, raw, &columns),
        navigation: navigation::of_v2(document, raw),
        links: Vec::new(),
        name: raw.name.clone(),
        properties: columns,
        key,
        restrictions: found,
    }
}

/// `sap:required-in-filter` and `sap:filter-restriction`: a property that takes one value or one range only cannot be asked just anything.
fn restrict_properties(document: &Document, raw: &RawSet, columns: &mut [super::Property], required: &mut Vec<String>) {
    for structured in properties::lineage(document, &raw.entity_type) {
        for property in &structured.properties {
            let said = |wanted: &str| property.sap.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
            if said("required-in-filter") == Some("true") {
                required.push(property.name.clone());
            }
            if matches!(said("filter-restriction"), Some("single-value" | "interval"))
                && let Some(column) = columns.iter_mut().find(|column| column.name == property.name)
            {
                column.filterable = Some(false);
            }
        }
    }
}

/// Associations whose dependent side is this set.
fn foreign_keys(document: &Document, raw: &RawSet, columns: &[super::Property]) -> Vec<ForeignKey> {
    let mut found = Vec::new();
    for (name, ends) in &document.container.association_sets {
        let Some(association) = document.associations.get(&document.full(name)) else { continue };
        let (principal, dependent) = (&association.principal, &association.dependent);
        let of = |role: &str| ends.iter().find(|(end, _)| end == role).map(|(_, set)| set.as_str());
        let (Some(target), Some(own)) = (of(&principal.0), of(&dependent.0)) else { continue };
        let known = dependent.1.iter().all(|column| columns.iter().any(|known| known.name == *column));
        if own != raw.name || dependent.1.is_empty() || dependent.1.len() != principal.1.len() || !known {
            continue;
        }
        found.push(ForeignKey {
            name: name.rsplit('.').next().unwrap_or(name).to_owned(),
            columns: dependent.1.clone(),
            references: RemoteTableName(vec![target.to_owned()]),
            referenced_columns: principal.1.clone(),
        });
    }
    found
}

fn operation(document: &Document, import: &Import) -> Operation {
    let mut unavailable = None;
    let mut parameters = Vec::new();
    for parameter in &import.parameters {
        match properties::single(document, parameter, true) {
            Some(mut read) => {
                read.has_default = parameter.nullable == Some(true);
                parameters.push(read);
            }
            None => unavailable = Some(format!("nothing carries the type {} of its parameter '{}'", parameter.type_name, parameter.name)),
        }
    }
    let returns = import.returns.as_ref().and_then(|type_name| {
        let raw = RawProperty { type_name: type_name.clone(), ..RawProperty::default() };
        v4::returns(document, &raw, true)
    });
    if import.returns.is_some() && returns.is_none() {
        unavailable = Some("nothing carries the type that it returns".to_owned());
    }
    let get = import.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case("GET"));
    let label = import.sap.iter().find(|(name, _)| name == "label").map(|(_, value)| value.clone());
    Operation { name: import.name.clone(), binding: None, description: label, parameters, returns, changes: !get, get, unavailable }
}
