//! The kind against servers that nobody here wrote (`tests/servers/README.md` says what each is and does): what comes is what they hold, whatever is
//! left to them; what they are asked is what was meant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod bound;
mod joins;
mod mock;
mod suite;
mod trials;
mod v2;
mod v4;
mod writes;

use crate::downstream::{connect, rows};
use portico_provider_api::{
    Expr, Output, QueryContext, Relation, RemoteTable, RemoteTableName, Selection, Source, SourceQuery, TableColumn, TableRelation, Value,
};
use std::fmt::Write as _;
use std::sync::Arc;

/// A source at a service, with further settings.
fn source(url: &str, settings: serde_json::Value) -> Arc<dyn Source> {
    let mut config = serde_json::json!({ "url": url });
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    connect(config).unwrap()
}

/// A table as the source describes it.
async fn described(source: &Arc<dyn Source>, table: &str) -> RemoteTable {
    let name = RemoteTableName(vec![table.to_owned()]);
    let schema = source.remote_schema(&Selection::Tables(vec![name.clone()]), &QueryContext::default()).await.unwrap();
    schema.table(&name).unwrap_or_else(|| panic!("no table {table}")).clone()
}

/// A table with all its columns.
async fn relation(source: &Arc<dyn Source>, table: &str) -> TableRelation {
    let described = described(source, table).await;
    let version = described.row_version.iter();
    let columns = described.columns.iter().chain(version).map(|column| TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type.clone()),
    });
    TableRelation { table: described.name.clone(), columns: columns.collect() }
}

/// The position of a column.
fn at(relation: &TableRelation, column: &str) -> usize {
    relation.columns.iter().position(|known| known.name == column).unwrap_or_else(|| panic!("no column {column}"))
}

/// A query of some columns.
fn select(relation: &TableRelation, columns: &[&str]) -> SourceQuery {
    let output = columns.iter().map(|name| Output { name: (*name).to_owned(), expr: Expr::Column(at(relation, name)) });
    SourceQuery::select(Relation::Table(relation.clone()), output.collect())
}

/// All rows of a query.
async fn all(source: &Arc<dyn Source>, query: SourceQuery) -> Vec<Vec<Value>> {
    rows(source, query, &QueryContext::default()).await.unwrap_or_else(|error| panic!("{error}"))
}

/// All rows of a table, a line for each value: `column native type = value`.
async fn written(source: &Arc<dyn Source>, table: &str) -> String {
    let relation = relation(source, table).await;
    let found = all(source, SourceQuery::scan(relation.clone())).await;
    let mut text = String::new();
    for column in &relation.columns {
        let nullable = if column.nullable { "?" } else { "" };
        let native = column.native_type.as_deref().unwrap_or_default();
        writeln!(text, "{} {}{nullable} <- {native}", column.name, column.scalar_type).unwrap();
    }
    for (number, row) in found.iter().enumerate() {
        writeln!(text, "-- {}", number + 1).unwrap();
        for (column, value) in relation.columns.iter().zip(row) {
            writeln!(text, "{} = {}", column.name, said(value)).unwrap();
        }
    }
    text
}

/// A value as a person reads it.
fn said(value: &Value) -> String {
    match value {
        Value::Null(_) => "null".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::Json(text) | Value::Guid(text) => text.clone(),
        Value::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + " (hex)",
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float32(value) => format!("{:?}", value.0 as f32),
        Value::Float64(value) => format!("{:?}", value.0),
        Value::Decimal { unscaled, scale, .. } => portico_provider_sql::format_decimal(*unscaled, *scale),
        Value::Date(days) => portico_provider_sql::format_date(*days).unwrap(),
        Value::Time(micros) => portico_provider_sql::format_time(*micros),
        Value::Timestamp(micros) => portico_provider_sql::format_timestamp(*micros).unwrap(),
        Value::TimestampTz(micros) => format!("{}Z", portico_provider_sql::format_timestamp(*micros).unwrap()),
    }
}
