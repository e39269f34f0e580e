//! The catalog's rows as a [`RemoteSchema`]. Pure but for [`remote_schema`], which reads the catalog first.
//! It must not know queries or rows of tables.

pub mod catalog;
pub mod routines;
pub mod types;

use crate::capabilities;
use crate::client::Client;
use catalog::{Catalog, Column, Key, Relation};
use portico_provider_api::capabilities::TableCapabilities;
use portico_provider_api::{
    Capabilities, ForeignKey, RemoteColumn, RemoteOperation, RemoteSchema, RemoteTable, RemoteTableName, ScalarType, Selection, SourceError,
};
use std::collections::{BTreeMap, HashMap};
use tokio::time::Instant;

/// What the server has.
///
/// # Errors
/// When it cannot be asked.
pub async fn remote_schema(
    client: &Client,
    schemas: Option<&[String]>,
    wanted: &Selection,
    deadline: Instant,
) -> Result<RemoteSchema, SourceError> {
    let tables = wanted.tables().map(|names| names.iter().filter_map(split).collect::<Vec<_>>());
    let routines = wanted.operations().map(|names| names.iter().map(|name| routine(name)).collect::<Vec<_>>());
    let catalog =
        catalog::read(client, schemas, catalog::Named { tables: tables.as_deref(), routines: routines.as_deref() }, deadline).await?;
    Ok(describe(&catalog, wanted))
}

/// The name of a routine, of its name with a schema or of its signature.
fn routine(wanted: &str) -> String {
    let name = wanted.split('(').next().unwrap_or_default();
    RemoteTableName::parse(name).table().to_owned()
}

/// Schema and table; a name of one part has no schema. A name of three or more parts names nothing here.
fn split(name: &RemoteTableName) -> Option<(String, String)> {
    match name.0.as_slice() {
        [table] => Some((String::new(), table.clone())),
        [schema, table] => Some((schema.clone(), table.clone())),
        _ => None,
    }
}

/// The catalog as a remote schema.
pub fn describe(catalog: &Catalog, wanted: &Selection) -> RemoteSchema {
    let mut columns: HashMap<u32, Vec<&Column>> = HashMap::new();
    for column in &catalog.columns {
        columns.entry(column.relation).or_default().push(column);
    }
    let mut keys: HashMap<u32, Vec<&Key>> = HashMap::new();
    for key in &catalog.keys {
        keys.entry(key.relation).or_default().push(key);
    }
    let mut tables = Vec::new();
    let mut overrides = BTreeMap::new();
    for relation in &catalog.relations {
        let columns = columns.get(&relation.oid).map(Vec::as_slice).unwrap_or_default();
        let keys = keys.get(&relation.oid).map(Vec::as_slice).unwrap_or_default();
        if is_wanted(relation, wanted) {
            let described = table(relation, columns, keys);
            let restricted =
                capabilities::column_overrides(described.columns.iter().map(|column| (column.name.as_str(), column.native_type.as_str())));
            if !restricted.is_empty() {
                overrides.insert(described.name.to_string(), TableCapabilities { columns: restricted, ..TableCapabilities::default() });
            }
            tables.push(described);
        }
    }
    let capabilities = Capabilities { tables: overrides, ..capabilities::capabilities() };
    let mut operations = operations(catalog);
    if let Some(names) = wanted.operations() {
        operations.retain(|operation| names.iter().any(|name| operation.is_named(name)));
    }
    RemoteSchema { version: version(&tables, &operations), tables, operations, capabilities, ..RemoteSchema::default() }
}

/// Every function and procedure, whichever tables are wanted.
fn operations(catalog: &Catalog) -> Vec<RemoteOperation> {
    let mut parts: HashMap<u32, Vec<&routines::Part>> = HashMap::new();
    for part in &catalog.parts {
        parts.entry(part.routine).or_default().push(part);
    }
    let of = |oid: u32| parts.get(&oid).map(Vec::as_slice).unwrap_or_default();
    catalog.routines.iter().map(|routine| routines::operation(routine, of(routine.oid))).collect()
}

/// Whether a relation is wanted, by its full name or without its schema.
fn is_wanted(relation: &Relation, wanted: &Selection) -> bool {
    match wanted.tables() {
        None => true,
        Some(names) => names.iter().any(|name| match name.0.as_slice() {
            // The server is asked for such a name in its search path alone.
            [table] => *table == relation.name,
            [schema, table] => *schema == relation.schema && *table == relation.name,
            _ => false,
        }),
    }
}

fn table(relation: &Relation, columns: &[&Column], keys: &[&Key]) -> RemoteTable {
    let visible = |names: &[String]| names.iter().all(|name| columns.iter().any(|column| &column.name == name));
    let primary = keys.iter().find(|key| key.kind == "p" && visible(&key.columns));
    RemoteTable {
        name: RemoteTableName(vec![relation.schema.clone(), relation.name.clone()]),
        description: relation.comment.clone(),
        columns: columns.iter().map(|column| remote_column(column)).collect(),
        primary_key: primary.map(|key| key.columns.clone()).unwrap_or_default(),
        unique_keys: keys.iter().filter(|key| key.kind == "u" && visible(&key.columns)).map(|key| key.columns.clone()).collect(),
        foreign_keys: keys.iter().filter(|key| key.kind == "f" && visible(&key.columns)).filter_map(|key| foreign_key(key)).collect(),
        row_estimate: row_estimate(relation),
        writable: relation.writable,
        // Views have no system columns, and partitioned tables do not return them from every statement.
        row_version: (relation.kind == "r")
            .then(|| RemoteColumn { native_type: "xid".to_owned(), ..RemoteColumn::plain("xmin", ScalarType::Int64, false) }),
    }
}

fn row_estimate(relation: &Relation) -> Option<u64> {
    let counted = matches!(relation.kind.as_str(), "r" | "p" | "m" | "f");
    // Never analysed is negative; before PostgreSQL 14 it was zero, which says as little.
    (counted && relation.estimate > 0.0).then_some(relation.estimate as u64)
}

fn remote_column(column: &Column) -> RemoteColumn {
    let (scalar_type, max_length) = types::published(column);
    RemoteColumn {
        name: column.name.clone(),
        description: column.comment.clone(),
        native_type: types::native_type(column),
        scalar_type,
        codec: None,
        nullable: !column.not_null,
        max_length,
        has_default: column.has_default,
        generated: column.generated,
    }
}

fn foreign_key(key: &Key) -> Option<ForeignKey> {
    Some(ForeignKey {
        name: key.name.clone(),
        columns: key.columns.clone(),
        references: RemoteTableName(vec![key.referenced_schema.clone()?, key.referenced_table.clone()?]),
        referenced_columns: key.referenced_columns.clone(),
    })
}

/// A hash over everything but the row estimates, which move without any change of the schema. FNV-1a in 128 bits: the version is
/// kept in files, so it must not depend on a hasher that may change.
fn version(tables: &[RemoteTable], operations: &[RemoteOperation]) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    };
    for table in tables {
        let still = RemoteTable { row_estimate: None, ..table.clone() };
        // Plain data has one spelling in JSON.
        add(&serde_json::to_vec(&still).unwrap_or_default());
    }
    for operation in operations {
        add(&serde_json::to_vec(operation).unwrap_or_default());
    }
    format!("{hash:032x}")
}
