//! The catalog's rows as a [`RemoteSchema`]. Pure but for [`remote_schema`], which reads the catalog first.
//! It must not know queries or rows of tables.

pub mod catalog;
pub mod types;

use crate::capabilities;
use crate::client::Client;
use crate::config::Publish;
use catalog::{Catalog, Column, KeyPart, Place, Relation, Wanted};
use portico_provider_api::capabilities::TableCapabilities;
use portico_provider_api::{Capabilities, ForeignKey, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName, Selection, SourceError};
use std::collections::{BTreeMap, HashMap};
use tokio::time::Instant;

/// What the server has.
///
/// # Errors
/// When it cannot be asked.
pub async fn remote_schema(client: &Client, publish: &Publish, wanted: &Selection, deadline: Instant) -> Result<RemoteSchema, SourceError> {
    let places = match wanted.tables() {
        None => Wanted::All,
        Some(names) => Wanted::Places(names.iter().filter_map(|name| located(name, publish)).collect()),
    };
    let catalog = catalog::read(client, publish, &places, deadline).await?;
    Ok(describe(&catalog, wanted, publish))
}

/// Database and table; a name of one part is looked for in the url's database. A name of three or more parts names nothing here.
fn located(name: &RemoteTableName, publish: &Publish) -> Option<Place> {
    match name.0.as_slice() {
        [table] => Some((publish.database.clone()?, table.clone())),
        [schema, table] => Some((schema.clone(), table.clone())),
        _ => None,
    }
}

/// The catalog as a remote schema.
pub fn describe(catalog: &Catalog, wanted: &Selection, publish: &Publish) -> RemoteSchema {
    let mut columns: HashMap<&Place, Vec<&Column>> = HashMap::new();
    for column in &catalog.columns {
        columns.entry(&column.place).or_default().push(column);
    }
    let (unique, foreign) = (keys(&catalog.unique), keys(&catalog.foreign));
    let mut tables = Vec::new();
    let mut overrides = BTreeMap::new();
    for relation in &catalog.relations {
        let columns = columns.get(&relation.place).map(Vec::as_slice).unwrap_or_default();
        let of = |keys: &HashMap<&Place, Vec<Key>>| keys.get(&relation.place).cloned().unwrap_or_default();
        if is_wanted(relation, wanted, publish) {
            let described = table(relation, columns, &of(&unique), &of(&foreign), publish);
            let restricted =
                capabilities::column_overrides(described.columns.iter().map(|column| (column.name.as_str(), column.native_type.as_str())));
            if !restricted.is_empty() {
                overrides.insert(described.name.to_string(), TableCapabilities { columns: restricted, ..TableCapabilities::default() });
            }
            tables.push(described);
        }
    }
    let capabilities = Capabilities { tables: overrides, ..capabilities::capabilities() };
    RemoteSchema { version: version(&tables), tables, operations: Vec::new(), capabilities, ..RemoteSchema::default() }
}

/// A key with all its parts.
#[derive(Debug, Clone)]
struct Key {
    name: String,
    parts: Vec<KeyPart>,
}

fn keys(parts: &[KeyPart]) -> HashMap<&Place, Vec<Key>> {
    let mut keys: HashMap<&Place, Vec<Key>> = HashMap::new();
    for part in parts {
        let of_table = keys.entry(&part.place).or_default();
        match of_table.last_mut().filter(|key| key.name == part.name) {
            Some(key) => key.parts.push(part.clone()),
            None => of_table.push(Key { name: part.name.clone(), parts: vec![part.clone()] }),
        }
    }
    keys
}

impl Key {
    /// The names of its columns, when it is of columns that are visible.
    fn columns(&self, visible: &[&Column]) -> Option<Vec<String>> {
        let names = self.parts.iter().map(|part| part.column.clone().filter(|name| visible.iter().any(|column| column.name == *name)));
        names.collect()
    }
}

/// Whether a relation is wanted, by its full name or without its database.
fn is_wanted(relation: &Relation, wanted: &Selection, publish: &Publish) -> bool {
    match wanted.tables() {
        None => true,
        Some(names) => names.iter().any(|name| located(name, publish).as_ref() == Some(&relation.place)),
    }
}

fn table(relation: &Relation, columns: &[&Column], unique: &[Key], foreign: &[Key], publish: &Publish) -> RemoteTable {
    let view = relation.kind.contains("VIEW");
    let allowed = columns.iter().any(|column| column.privileges.contains("insert") || column.privileges.contains("update"));
    RemoteTable {
        name: RemoteTableName(vec![relation.place.0.clone(), relation.place.1.clone()]),
        description: Some(relation.comment.clone()).filter(|comment| !view && !comment.is_empty()),
        columns: columns.iter().map(|column| remote_column(column, publish)).collect(),
        primary_key: unique.iter().find(|key| key.name == "PRIMARY").and_then(|key| key.columns(columns)).unwrap_or_default(),
        unique_keys: unique.iter().filter(|key| key.name != "PRIMARY").filter_map(|key| key.columns(columns)).collect(),
        foreign_keys: foreign.iter().filter_map(|key| foreign_key(key, columns)).collect(),
        row_estimate: relation.estimate.filter(|rows| !view && *rows > 0),
        // Without transactions a set of changes would not be all or nothing.
        writable: !view && relation.transactional && allowed,
        row_version: None,
    }
}

fn remote_column(column: &Column, publish: &Publish) -> RemoteColumn {
    let (scalar_type, max_length) = types::published(column, publish);
    let computed = ["VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT"].iter().any(|word| column.extra.contains(word));
    RemoteColumn {
        name: column.name.clone(),
        description: Some(column.comment.clone()).filter(|comment| !comment.is_empty()),
        native_type: types::native_type(column, publish),
        scalar_type,
        codec: None,
        nullable: column.nullable || types::zero_is_null(column, publish),
        max_length,
        // MariaDB spells the default null out.
        has_default: column.extra.contains("auto_increment") || computed || column.default.as_deref().is_some_and(|text| text != "NULL"),
        generated: computed,
    }
}

fn foreign_key(key: &Key, visible: &[&Column]) -> Option<ForeignKey> {
    let (schema, table) = key.parts.first()?.references.as_ref().map(|(place, _)| place)?.clone();
    Some(ForeignKey {
        name: key.name.clone(),
        columns: key.columns(visible)?,
        references: RemoteTableName(vec![schema, table]),
        referenced_columns: key.parts.iter().filter_map(|part| part.references.as_ref()).map(|(_, column)| column.clone()).collect(),
    })
}

/// A hash over everything but the row estimates, which move without any change of the schema. FNV-1a in 128 bits: the version is
/// kept in files, so it must not depend on a hasher that may change.
fn version(tables: &[RemoteTable]) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for table in tables {
        let still = RemoteTable { row_estimate: None, ..table.clone() };
        // Plain data has one spelling in JSON.
        for byte in serde_json::to_vec(&still).unwrap_or_default() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    format!("{hash:032x}")
}
