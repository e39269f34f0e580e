//! What a data source has: the driver's catalogue functions, and, where their answers are not exact enough, the database's own catalogue.
//! It must not know queries or rows of tables.

mod details;
pub mod types;

use crate::capabilities;
use crate::client::Failed;
use crate::errors::Failure;
use crate::server::Server;
use crate::session::{Session, TextRow};
use details::Details;
use portico_provider_api::capabilities::TableCapabilities;
use portico_provider_api::{Capabilities, ForeignKey, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName, Selection};
use std::collections::BTreeMap;
use types::Column;

/// Where a table is, as the driver says it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    catalog: String,
    schema: String,
    table: String,
    view: bool,
    remarks: Option<String>,
}

impl Place {
    /// What SQL calls its schema.
    fn schema(&self, server: Server) -> &str {
        if server.schema_is_catalog() { &self.catalog } else { &self.schema }
    }

    fn name(&self, server: Server) -> RemoteTableName {
        let schema = self.schema(server);
        let parts =
            if server.is_flat() || schema.is_empty() { vec![self.table.clone()] } else { vec![schema.to_owned(), self.table.clone()] };
        RemoteTableName(parts)
    }
}

fn cell(row: &TextRow, at: usize) -> Option<String> {
    row.get(at - 1).cloned().flatten()
}

fn number<T: std::str::FromStr>(row: &TextRow, at: usize) -> Option<T> {
    cell(row, at)?.trim().parse().ok()
}

/// What the data source has.
///
/// # Errors
/// When the driver cannot say.
pub fn read(session: &Session, wanted: &Selection, schemas: Option<&[String]>) -> Result<RemoteSchema, Failed> {
    let server = session.server;
    let (mut tables, mut notes) = (Vec::new(), Vec::new());
    let mut overrides = BTreeMap::new();
    let places = places(session, wanted, schemas)?;
    let details = details::read(session, &places.iter().map(|place| place.schema(server).to_owned()).collect::<Vec<_>>())?;
    for place in places {
        let (described, left_out) = table(session, &place, &details)?;
        for (column, type_name) in &left_out {
            notes.push(format!("the column {column} of {} is left out: its type {type_name} cannot be represented", place.name(server)));
        }
        if described.columns.is_empty() {
            notes.push(format!("the table {} is left out: it has no column that can be represented", place.name(server)));
            continue;
        }
        let named = described.columns.iter().map(|column| (column.name.as_str(), column.native_type.as_str()));
        let restricted = capabilities::column_overrides(server, named);
        if !restricted.is_empty() {
            overrides.insert(described.name.to_string(), TableCapabilities { columns: restricted, ..TableCapabilities::default() });
        }
        tables.push(described);
    }
    let capabilities = Capabilities { tables: overrides, ..capabilities::capabilities(server) };
    Ok(RemoteSchema { version: version(&tables), tables, capabilities, notes, ..RemoteSchema::default() })
}

/// The tables and views that are wanted.
fn places(session: &Session, wanted: &Selection, schemas: Option<&[String]>) -> Result<Vec<Place>, Failure> {
    let server = session.server;
    let catalog = session.catalog()?.unwrap_or_default();
    // With MySQL a schema is a catalogue: without a choice, that which is connected to.
    let searched: Vec<(String, String)> = match (server.schema_is_catalog(), schemas) {
        (true, Some(schemas)) => schemas.iter().map(|schema| (schema.clone(), String::new())).collect(),
        (true, None) => vec![(catalog.clone(), String::new())],
        (false, Some(schemas)) if !server.is_flat() => schemas.iter().map(|schema| (catalog.clone(), schema.clone())).collect(),
        (false, _) if !server.is_flat() => vec![(catalog.clone(), "%".to_owned())],
        (false, _) => vec![(String::new(), String::new())],
    };
    let mut found: Vec<Place> = Vec::new();
    let mut short: Vec<String> = Vec::new();
    for (of_catalog, of_schema) in searched {
        for row in session.tables(&of_catalog, &of_schema, "%")? {
            let kind = cell(&row, 4).unwrap_or_default().to_ascii_uppercase();
            let place = Place {
                catalog: cell(&row, 1).unwrap_or_default(),
                schema: cell(&row, 2).unwrap_or_default(),
                table: cell(&row, 3).unwrap_or_default(),
                view: kind.contains("VIEW"),
                remarks: cell(&row, 5).filter(|text| !text.is_empty()),
            };
            let schema = place.schema(server);
            let own = !server.system_schemas().contains(&schema) && schemas.is_none_or(|schemas| schemas.iter().any(|name| name == schema));
            let here = server.schema_is_catalog() || catalog.is_empty() || place.catalog.is_empty() || place.catalog == catalog;
            let readable = matches!(kind.as_str(), "TABLE" | "BASE TABLE" | "VIEW" | "MATVIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE");
            if place.table.is_empty() || !readable || !here || !(own || server.is_flat()) {
                continue;
            }
            let full = place.name(server);
            // A name of one part names the table of the first schema that has it.
            let by_end = |name: &RemoteTableName| name.0.as_slice() == [place.table.clone()] && !short.contains(&place.table);
            let is_wanted = match wanted.tables() {
                None => true,
                Some(names) => names.iter().any(|name| *name == full || by_end(name)),
            };
            if is_wanted && !found.iter().any(|known| known.name(server) == full) {
                short.push(place.table.clone());
                found.push(place);
            }
        }
    }
    Ok(found)
}

/// The columns of a table, in order.
fn columns(session: &Session, place: &Place, details: &Details) -> Result<Vec<Column>, Failure> {
    let server = session.server;
    let mut columns: Vec<(u32, Column)> = Vec::new();
    for row in session.columns(&place.catalog, &place.schema, &place.table)? {
        // The table's name was a pattern.
        if cell(&row, 3).as_deref() != Some(&place.table) || !server.is_flat() && cell(&row, 2).unwrap_or_default() != place.schema {
            continue;
        }
        let default = cell(&row, 13).filter(|text| !text.is_empty() && text != "NULL");
        let mut column = Column {
            name: cell(&row, 4).unwrap_or_default(),
            sql_type: number(&row, 5).unwrap_or(0),
            type_name: cell(&row, 6).unwrap_or_default(),
            size: number(&row, 7),
            scale: number(&row, 9),
            // Unknown is nullable.
            nullable: number::<i32>(&row, 11) != Some(0),
            has_default: default.is_some(),
            remarks: cell(&row, 12).filter(|text| !text.is_empty()),
            ..Column::default()
        };
        if let Some(detail) = details.get(&(place.schema(server).to_owned(), place.table.clone(), column.name.clone())) {
            detail.refine(&mut column);
        }
        columns.push((number(&row, 17).unwrap_or(0), column));
    }
    // SQLite's driver leaves computed columns out.
    let own = |place_of: &(String, String, String)| place_of.0 == place.schema(server) && place_of.1 == place.table;
    for (of, detail) in details.iter().filter(|(of, _)| own(of)) {
        if let Some(position) = detail.position {
            match columns.iter_mut().find(|(_, column)| column.name == of.2) {
                Some((at, _)) => *at = position,
                None => {
                    let mut column = Column { name: of.2.clone(), nullable: true, ..Column::default() };
                    detail.refine(&mut column);
                    columns.push((position, column));
                }
            }
        }
    }
    columns.sort_by_key(|(position, _)| *position);
    Ok(columns.into_iter().map(|(_, column)| column).collect())
}

/// A table, and what of it is left out: columns with their types.
fn table(session: &Session, place: &Place, details: &Details) -> Result<(RemoteTable, Vec<(String, String)>), Failure> {
    let server = session.server;
    let columns = columns(session, place, details)?;
    let (mut published, mut left_out) = (Vec::with_capacity(columns.len()), Vec::new());
    for column in columns {
        match types::published(server, &column) {
            Some(known) => published.push(RemoteColumn {
                name: column.name,
                description: column.remarks,
                native_type: known.native_type,
                scalar_type: known.scalar_type,
                codec: known.codec,
                nullable: column.nullable,
                max_length: known.max_length,
                has_default: column.has_default,
                generated: column.generated,
            }),
            None => left_out.push((column.name, column.type_name)),
        }
    }
    let described = described(place, &left_out);
    let known = |names: &[String]| names.iter().all(|name| published.iter().any(|column| column.name == *name));
    let primary_key = if place.view { Vec::new() } else { primary_key(session, place, details)? };
    let foreign_keys = if place.view { Vec::new() } else { foreign_keys(session, place)? };
    let table = RemoteTable {
        name: place.name(server),
        description: described,
        primary_key: if known(&primary_key) { primary_key } else { Vec::new() },
        unique_keys: Vec::new(),
        foreign_keys: foreign_keys.into_iter().filter(|key| known(&key.columns)).collect(),
        row_estimate: None,
        // This kind reads.
        writable: false,
        row_version: None,
        columns: published,
    };
    Ok((table, left_out))
}

/// The table's remark, and what is missing of it.
fn described(place: &Place, left_out: &[(String, String)]) -> Option<String> {
    if left_out.is_empty() {
        return place.remarks.clone();
    }
    let list: Vec<_> = left_out.iter().map(|(column, type_name)| format!("{column} ({type_name})")).collect();
    let missing = format!("Left out, because their types cannot be represented: {}", list.join(", "));
    Some(place.remarks.as_ref().map_or_else(|| missing.clone(), |remarks| format!("{remarks}\n{missing}")))
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn primary_key(session: &Session, place: &Place, details: &Details) -> Result<Vec<String>, Failure> {
    let mut parts: Vec<(u32, String)> = Vec::new();
    for row in session.primary_keys(given(&place.catalog), given(&place.schema), &place.table)? {
        let Some(name) = cell(&row, 4) else { continue };
        let known =
            details.get(&(place.schema(session.server).to_owned(), place.table.clone(), name.clone())).and_then(|detail| detail.key);
        parts.push((known.or_else(|| number(&row, 5)).unwrap_or(0), name));
    }
    parts.sort_by_key(|(position, _)| *position);
    Ok(parts.into_iter().map(|(_, name)| name).collect())
}

fn foreign_keys(session: &Session, place: &Place) -> Result<Vec<ForeignKey>, Failure> {
    let server = session.server;
    let mut parts = Vec::new();
    for row in session.foreign_keys(&place.catalog, &place.schema, &place.table)? {
        let target = Place {
            catalog: cell(&row, 1).unwrap_or_default(),
            schema: cell(&row, 2).unwrap_or_default(),
            table: cell(&row, 3).unwrap_or_default(),
            view: false,
            remarks: None,
        };
        let (Some(to), Some(from)) = (cell(&row, 4), cell(&row, 8)) else { continue };
        parts.push((cell(&row, 12).unwrap_or_default(), target, number::<u32>(&row, 9).unwrap_or(1), from, to));
    }
    let named = parts.iter().all(|(name, ..)| !name.is_empty());
    if named {
        parts.sort_by_key(|(_, _, position, ..)| *position);
    }
    let mut keys: Vec<ForeignKey> = Vec::new();
    for (name, target, position, from, to) in parts {
        let references = target.name(server);
        // Some drivers have no names; then the first column of a key begins it.
        let known = match named {
            true => keys.iter_mut().find(|key| key.name == name),
            false => keys.last_mut().filter(|key| position > 1 && key.references == references),
        };
        match known {
            Some(key) => {
                key.columns.push(from);
                key.referenced_columns.push(to);
            }
            None => keys.push(ForeignKey { name, columns: vec![from], references, referenced_columns: vec![to] }),
        }
    }
    for (at, key) in keys.iter_mut().enumerate().filter(|(_, key)| key.name.is_empty()) {
        key.name = format!("fk_{}_{at}", place.table);
    }
    Ok(keys)
}

/// A hash over everything. FNV-1a in 128 bits: the version is kept in files, so it must not depend on a hasher that may change.
fn version(tables: &[RemoteTable]) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for table in tables {
        for byte in serde_json::to_vec(table).unwrap_or_default() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    format!("{hash:032x}")
}
