//! What a service has, as the contract says it: tables with columns, operations, and the version of all of it. Pure.

use crate::capabilities::Rules;
use crate::metadata::{EntitySet, Navigation, Operation, Property, Protocol, Service};
use crate::translate::ETAG;
use portico_provider_api::capabilities::JoinReference;
use portico_provider_api::{
    Capabilities, ForeignKey, RemoteColumn, RemoteOperation, RemoteParameter, RemoteResult, RemoteSchema, RemoteTable, RemoteTableName,
    ScalarType, Selection, TableColumn,
};
use sha2::{Digest, Sha256};

/// The remote schema of what is wanted.
///
/// # Errors
/// When it cannot be said as text, which plain data can.
pub fn remote_schema(service: &Service, rules: &Rules, wanted: &Selection) -> Result<RemoteSchema, String> {
    let is_wanted =
        |set: &&EntitySet| wanted.tables().is_none_or(|tables| tables.iter().any(|name| name.0.len() == 1 && name.table() == set.name));
    let sets: Vec<&EntitySet> = service.sets.iter().filter(is_wanted).collect();
    let operations: Vec<RemoteOperation> = service.operations.iter().map(operation).collect();
    let named = |operation: &RemoteOperation| wanted.operations().is_none_or(|names| names.iter().any(|name| operation.is_named(name)));
    let mut schema = RemoteSchema {
        version: String::new(),
        tables: sets.iter().map(|set| table(service.protocol, set, rules)).collect(),
        operations: operations.into_iter().filter(named).collect(),
        declared: false,
        notes: notes(service, &sets, rules),
        capabilities: capabilities(service, rules, &sets),
    };
    let bytes = serde_json::to_vec(&schema).map_err(|error| error.to_string())?;
    schema.version = Sha256::digest(&bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(schema)
}

/// What can be asked of a service, of some of its sets in particular.
pub fn capabilities(service: &Service, rules: &Rules, sets: &[&EntitySet]) -> Capabilities {
    let mut capabilities = rules.source(service.protocol, &service.general);
    capabilities.tables = sets.iter().map(|set| (name(&set.name).to_string(), rules.table(service.protocol, set))).collect();
    capabilities
}

fn notes(service: &Service, sets: &[&EntitySet], rules: &Rules) -> Vec<String> {
    let mut notes = service.notes.clone();
    for set in sets {
        if set.restrictions.readable == Some(false) {
            notes.push(format!("'{}' says that it cannot be read by itself: a query of it may be refused", set.name));
        }
        let required = rules.tables.get(&set.name).and_then(|own| own.required.as_ref()).unwrap_or(&set.restrictions.required);
        let followed = rules.references(service.protocol, set);
        let named = rules.tables.get(&set.name).into_iter().flat_map(|own| &own.references).filter(|(_, columns)| !columns.is_empty());
        for (reference, _) in named.filter(|(name, _)| !followed.iter().any(|(navigation, _)| navigation.name == **name)) {
            notes.push(format!(
                "the reference '{reference}' of '{}' is not followed: it leads to no set whose key has these columns",
                set.name
            ));
        }
        if set.restrictions.requires_filter && required.is_empty() {
            notes.push(format!("'{}' says that it is not read without a condition, and not on which property", set.name));
        }
    }
    notes
}

fn name(name: &str) -> RemoteTableName {
    RemoteTableName(vec![name.to_owned()])
}

fn table(protocol: Protocol, set: &EntitySet, rules: &Rules) -> RemoteTable {
    let row_version = rules.has_etag(set).then(|| RemoteColumn {
        description: Some("the service's own ETag".to_owned()),
        native_type: ETAG.to_owned(),
        ..RemoteColumn::plain(ETAG, ScalarType::Text, true)
    });
    RemoteTable {
        name: name(&set.name),
        description: set.description.clone(),
        columns: set.properties.iter().map(column).collect(),
        primary_key: set.key.clone(),
        unique_keys: Vec::new(),
        foreign_keys: set.foreign_keys.iter().cloned().chain(configured(protocol, set, rules)).collect(),
        row_estimate: None,
        writable: rules.write(set).any(),
        row_version,
    }
}

/// References that the configuration says and the metadata does not.
fn configured(protocol: Protocol, set: &EntitySet, rules: &Rules) -> Vec<ForeignKey> {
    let unsaid = rules.references(protocol, set).into_iter().filter(|(navigation, _)| navigation.constraint.is_empty());
    let reference = |(navigation, reference): (&Navigation, JoinReference)| ForeignKey {
        name: navigation.name.clone(),
        columns: reference.columns,
        references: name(&navigation.target),
        referenced_columns: reference.referenced_columns,
    };
    unsaid.map(reference).collect()
}

fn column(property: &Property) -> RemoteColumn {
    RemoteColumn {
        name: property.name.clone(),
        description: property.description.clone(),
        native_type: property.type_name.clone(),
        scalar_type: property.scalar_type,
        codec: None,
        nullable: property.nullable,
        max_length: property.max_length,
        has_default: property.has_default,
        generated: property.computed,
    }
}

/// The set that an operation is bound to.
pub fn bound_set(operation: &RemoteOperation) -> Option<String> {
    operation.name.0.first().filter(|_| operation.name.0.len() > 1).cloned()
}

/// An operation as the contract says it. Those whose parameters differ share a name, and have signatures of their own.
pub fn operation(operation: &Operation) -> RemoteOperation {
    RemoteOperation {
        name: RemoteTableName(operation.names()),
        signature: operation.signature(),
        description: operation.description.clone(),
        procedure: false,
        parameters: operation
            .parameters
            .iter()
            .map(|parameter| RemoteParameter {
                name: parameter.name.clone(),
                native_type: parameter.type_name.clone(),
                scalar_type: parameter.scalar_type,
                optional: parameter.has_default,
            })
            .collect(),
        result: operation.returns.as_ref().map(|returns| RemoteResult {
            columns: returns.columns.iter().map(table_column).collect(),
            many: returns.many,
            composite: returns.composite,
        }),
        changes: operation.changes,
        unavailable: operation.unavailable.clone(),
    }
}

fn table_column(property: &Property) -> TableColumn {
    TableColumn {
        name: property.name.clone(),
        scalar_type: property.scalar_type,
        nullable: property.nullable,
        codec: None,
        native_type: Some(property.type_name.clone()),
    }
}
