//! Remote tables as SQL may name them: `<source>.<schema>.<table>`, with all columns under their own names, read-only. Nobody sees
//! one unless a role names it. It must not know what is published of them.

use crate::model::{Column, Origin, VirtualTable, Writing};
use crate::overlay::Overlay;
use indexmap::IndexMap;
use portico_provider_api::{RemoteSchema, RemoteTable, TableColumn, TableRelation};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Every remote table of every known source, by the name under which SQL reads it.
pub(super) fn all(schemas: &BTreeMap<String, RemoteSchema>) -> IndexMap<String, Arc<VirtualTable>> {
    let of_source = |(source, schema): (&String, &RemoteSchema)| {
        let (source, tables) = (source.clone(), schema.tables.clone());
        tables.into_iter().map(move |remote| one(&source, &remote)).collect::<Vec<_>>()
    };
    schemas.iter().flat_map(of_source).map(|table| (table.name.clone(), Arc::new(table))).collect()
}

fn one(source: &str, remote: &RemoteTable) -> VirtualTable {
    let position = |name: &String| remote.columns.iter().position(|column| &column.name == name);
    let columns = remote.columns.iter().enumerate().map(|(index, column)| Column {
        max_length: column.max_length,
        read_only: true,
        generated: column.generated,
        has_default: column.has_default,
        description: column.description.clone(),
        ..Column::plain(&column.name, index, column.scalar_type, column.nullable)
    });
    let relation = remote.columns.iter().map(|column| TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type.clone()),
    });
    VirtualTable {
        name: format!("{source}.{}", remote.name),
        description: remote.description.clone(),
        origin: Origin::Single {
            source: source.to_owned(),
            relation: TableRelation { table: remote.name.clone(), columns: relation.collect() },
            window: None,
            version: None,
            writing: Writing::default(),
        },
        columns: columns.collect(),
        key: remote.primary_key.iter().filter_map(position).collect(),
        relationships: Vec::new(),
        freshness: Duration::ZERO,
        if_match: None,
        guarded: false,
        limits: crate::definition::RowLimits::default(),
        row_estimate: remote.row_estimate,
        overlay: Overlay::default(),
    }
}
