//! What a server has, as a [`RemoteSchema`]. It must not know queries or rows of tables.

pub mod listing;
pub mod types;

use crate::capabilities;
use crate::client::Client;
use crate::config::FlightSqlConfig;
use crate::rows;
use crate::server::Server;
use arrow_flight::sql::{CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetTables};
use futures::{StreamExt, TryStreamExt};
use listing::{Listed, Place};
use portico_provider_api::capabilities::TableCapabilities;
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{
    Capabilities, ForeignKey, Patience, RemoteSchema, RemoteTable, RemoteTableName, Selection, SourceError, SourceErrorKind, SourceQuery,
    TableRelation,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Schemas that are about the server itself.
const OF_THE_SYSTEM: &[&str] = &["information_schema", "pg_catalog", "sys", "INFORMATION_SCHEMA", "SYS"];
/// Tables whose keys are asked for at once.
const AT_ONCE: usize = 8;

/// What the server has.
///
/// # Errors
/// When it cannot be asked.
pub async fn remote_schema(
    client: &Client,
    config: &FlightSqlConfig,
    server: &Server,
    wanted: &Selection,
    patience: Patience,
) -> Result<RemoteSchema, SourceError> {
    let command = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
    let batches = rows::listing(client, &command, patience).await?;
    let listed = listing::tables(client.source_name(), &batches)?;
    let mut named: Vec<(RemoteTableName, Listed)> = Vec::new();
    for listed in listed {
        named.extend(wanted_name(&listed.place, config, server, wanted).map(|name| (name, listed)));
    }
    let keys = Keys { client, server, has_primary: AtomicBool::new(true), has_foreign: AtomicBool::new(true), patience };
    let described = named.into_iter().map(|(name, listed)| keys.table(name, listed));
    let tables: Vec<RemoteTable> = futures::stream::iter(described).buffered(AT_ONCE).try_collect().await?;
    let restricted = |table: &RemoteTable| {
        let columns = table.columns.iter().map(|column| (column.name.as_str(), column.native_type.as_str()));
        let columns = capabilities::column_overrides(columns);
        (!columns.is_empty()).then(|| (table.name.to_string(), TableCapabilities { columns, ..TableCapabilities::default() }))
    };
    let overrides: BTreeMap<String, TableCapabilities> = tables.iter().filter_map(restricted).collect();
    let capabilities = Capabilities { tables: overrides, ..server.capabilities() };
    Ok(RemoteSchema { version: version(&tables), tables, operations: Vec::new(), capabilities, ..RemoteSchema::default() })
}

/// What of a query's tables is not at the server any more, if anything: a table, or a column of one. A server that is not known refuses what is
/// not there by a message of its own, which cannot be understood.
///
/// # Errors
/// When it cannot be asked.
pub async fn missing(
    client: &Client,
    config: &FlightSqlConfig,
    server: &Server,
    query: &SourceQuery,
    patience: Patience,
) -> Result<Option<String>, SourceError> {
    let mut tables: Vec<TableRelation> = Vec::new();
    visit_tables(query, &mut |table| tables.push(table.clone()));
    for TableRelation { table, columns } in tables {
        // A pattern: it may find more, never less.
        let command =
            CommandGetTables { table_name_filter_pattern: table.0.last().cloned(), include_schema: true, ..CommandGetTables::default() };
        let listed = listing::tables(client.source_name(), &rows::listing(client, &command, patience).await?)?;
        let wanted = Selection::Tables(vec![table.clone()]);
        let Some(found) = listed.iter().find(|listed| wanted_name(&listed.place, config, server, &wanted).is_some()) else {
            return Ok(Some(format!("table '{table}' is not at the server")));
        };
        if let Some(column) = columns.iter().find(|column| found.schema.field_with_name(&column.name).is_err()) {
            return Ok(Some(format!("column '{}' of table '{table}' is not at the server", column.name)));
        }
    }
    Ok(None)
}

/// The name of a table: without the catalog that the server looks into by itself.
fn full_name(place: &Place, server: &Server) -> RemoteTableName {
    let catalog = place.catalog.as_deref().filter(|catalog| server.own_catalog() != Some(catalog));
    let parts = [catalog, place.schema.as_deref(), Some(place.table.as_str())];
    RemoteTableName(parts.into_iter().flatten().map(str::to_owned).collect())
}

/// The full name of a table that is wanted, by that name or without its schema.
fn wanted_name(place: &Place, config: &FlightSqlConfig, server: &Server, wanted: &Selection) -> Option<RemoteTableName> {
    let full = full_name(place, server);
    let is_wanted = match wanted.tables() {
        None => is_published(place, config, server),
        Some(names) => {
            let own = |name: &RemoteTableName| match name.0.as_slice() {
                // The server looks into its own schema by itself.
                [table] => *table == place.table && full.0.len() == 2 && place.schema.as_deref() == server.own_schema(),
                _ => false,
            };
            names.iter().any(|name| *name == full || own(name))
        }
    };
    is_wanted.then_some(full)
}

/// Whether the settings publish a table.
fn is_published(place: &Place, config: &FlightSqlConfig, server: &Server) -> bool {
    let in_catalog = match (&config.catalog, server.own_catalog()) {
        (Some(catalog), _) => place.catalog.as_deref() == Some(catalog),
        (None, Some(own)) => place.catalog.as_deref() == Some(own),
        (None, None) => true,
    };
    let schema = place.schema.as_deref().unwrap_or_default();
    let in_schema = match (&config.schemas, server.own_schema()) {
        (Some(schemas), _) => schemas.iter().any(|wanted| wanted == schema),
        // Another catalog than its own has other schemas.
        (None, Some(own)) if config.catalog.as_deref().is_none_or(|catalog| Some(catalog) == server.own_catalog()) => schema == own,
        (None, _) => !OF_THE_SYSTEM.contains(&schema),
    };
    in_catalog && in_schema
}

/// Asks for keys, until the server says that it does not tell any.
struct Keys<'a> {
    client: &'a Client,
    server: &'a Server,
    has_primary: AtomicBool,
    has_foreign: AtomicBool,
    patience: Patience,
}

impl Keys<'_> {
    async fn table(&self, name: RemoteTableName, listed: Listed) -> Result<RemoteTable, SourceError> {
        let Place { catalog, schema, table } = listed.place.clone();
        let primary = CommandGetPrimaryKeys { catalog: catalog.clone(), db_schema: schema.clone(), table: table.clone() };
        let primary = self.asked(&self.has_primary, rows::listing(self.client, &primary, self.patience)).await?;
        let foreign = CommandGetImportedKeys { catalog, db_schema: schema, table };
        let foreign = self.asked(&self.has_foreign, rows::listing(self.client, &foreign, self.patience)).await?;
        let columns = listed.schema.fields().iter().map(|field| types::column(field, self.server.is_gateway)).collect();
        let source_name = self.client.source_name();
        let mut described = RemoteTable::plain(name, columns, &[]);
        let known = |names: &[String]| names.iter().all(|name| described.column(name).is_some());
        let primary_key = listing::primary_key(source_name, &primary)?;
        let foreign_keys: Vec<ForeignKey> = listing::foreign_keys(source_name, &foreign)?
            .into_iter()
            .filter(|key| known(&key.columns))
            .map(|key| ForeignKey {
                name: key.name,
                columns: key.columns,
                references: full_name(&key.references, self.server),
                referenced_columns: key.referenced_columns,
            })
            .collect();
        described.primary_key = if known(&primary_key) { primary_key } else { Vec::new() };
        described.foreign_keys = foreign_keys;
        described.writable = false;
        Ok(described)
    }

    async fn asked(
        &self,
        has: &AtomicBool,
        asking: impl Future<Output = Result<Vec<arrow::array::RecordBatch>, SourceError>>,
    ) -> Result<Vec<arrow::array::RecordBatch>, SourceError> {
        if !has.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        match asking.await {
            Err(error) if error.kind == SourceErrorKind::Unsupported => {
                has.store(false, Ordering::Relaxed);
                Ok(Vec::new())
            }
            answer => answer,
        }
    }
}

/// A hash over the tables. FNV-1a in 128 bits: the version is kept in files, so it must not depend on a hasher that may change.
fn version(tables: &[RemoteTable]) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for table in tables {
        // Plain data has one spelling in JSON.
        for byte in serde_json::to_vec(table).unwrap_or_default() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    format!("{hash:032x}")
}
