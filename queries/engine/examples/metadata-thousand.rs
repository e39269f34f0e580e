//! How long `$metadata` of a thousand tables takes: made for the first time for a role, and asked for again. It prints figures and
//! checks nothing but that there is an answer.
//!
//! `cargo run --release -p portico-engine --example metadata-thousand`

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use portico_catalog::{Model, ModelDefinition, TableDefinition, build};
use portico_engine::{AccessDefinition, Engine, EngineSettings, GrantDefinition, Principal, RoleDefinition};
use portico_odata::metadata::MetadataFormat;
use portico_provider_api::{Capabilities, ForeignKey, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName, ScalarType};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

const TABLES: usize = 1_000;
const COLUMNS: usize = 30;
const ROLES: usize = 5;

/// A table with thirty columns of all kinds that refers to the one before.
fn table(number: usize) -> RemoteTable {
    let types = [
        ScalarType::Int32,
        ScalarType::Text,
        ScalarType::Decimal { precision: 13, scale: 2 },
        ScalarType::Date,
        ScalarType::TimestampTz,
        ScalarType::Guid,
    ];
    let column = |index: usize| {
        let name = if index == 0 { "id".to_owned() } else { format!("column_{index}") };
        let scalar_type = types.get(index % types.len()).copied().unwrap_or(ScalarType::Text);
        let description = index.is_multiple_of(3).then(|| format!("What column {index} of table {number} is for"));
        RemoteColumn { description, ..RemoteColumn::plain(name, scalar_type, index > 0) }
    };
    RemoteTable {
        description: Some(format!("Table {number}")),
        foreign_keys: vec![ForeignKey {
            name: format!("fk_{number}"),
            columns: vec!["column_6".to_owned()],
            references: RemoteTableName::parse(&format!("table_{}", number.saturating_sub(1))),
            referenced_columns: vec!["id".to_owned()],
        }],
        ..RemoteTable::plain(RemoteTableName::parse(&format!("table_{number}")), (0..COLUMNS).map(column).collect(), &["id"])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let schema = RemoteSchema {
        version: "1".to_owned(),
        tables: (0..TABLES).map(table).collect(),
        operations: Vec::new(),
        capabilities: Capabilities::default(),
        ..RemoteSchema::default()
    };
    let definition = ModelDefinition { sources: vec!["s".to_owned()], tables: definitions(), ..ModelDefinition::default() };
    let begun = Instant::now();
    let none = |_: &Model, _: &str| Err("there are no views".to_owned());
    let (model, _) = build(&definition, &BTreeMap::from([("s".to_owned(), schema)]), &none).map_err(|errors| format!("{errors:?}"))?;
    println!("model of {TABLES} tables with {COLUMNS} columns: {} ms", begun.elapsed().as_millis());

    let grants: RoleDefinition = model.tables.keys().map(|name| (name.clone(), GrantDefinition::default())).collect();
    let roles = (0..ROLES).map(|number| (format!("role{number}"), grants.clone())).collect();
    let engine = Engine::new(EngineSettings::default(), BTreeMap::new(), AccessDefinition { roles, limits: Default::default() })?;
    engine.publish(Arc::new(model));
    for number in 0..ROLES {
        let principal = Principal { name: "p".to_owned(), roles: vec![format!("role{number}")], ..Principal::default() };
        for format in [MetadataFormat::Xml, MetadataFormat::Xml401, MetadataFormat::Json] {
            let ask = || -> Result<(usize, u128), Box<dyn Error>> {
                let begun = Instant::now();
                let view = engine.view(&principal, "odata")?;
                engine.label_languages(&principal, &view)?;
                let document = engine.metadata(&principal, &view, format, None)?;
                Ok((document.body.len(), begun.elapsed().as_micros()))
            };
            let ((size, cold), (_, warm)) = (ask()?, ask()?);
            println!("role{number} {format:?}: {} KiB, cold {} ms, warm {warm} µs", size / 1024, cold / 1000);
        }
    }
    Ok(())
}

/// Every table has a label.
fn definitions() -> indexmap::IndexMap<String, TableDefinition> {
    let one = |number: usize| {
        let definition = TableDefinition {
            source: Some("s".to_owned()),
            label: Some(portico_catalog::definition::LabelDefinition::Text(format!("Table number {number}"))),
            ..TableDefinition::default()
        };
        (format!("table_{number}"), definition)
    };
    (0..TABLES).map(one).collect()
}
