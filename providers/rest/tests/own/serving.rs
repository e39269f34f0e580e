//! Sources over the scripted server, and what they answer. A small warehouse of orders that understands a few parameters.
#![allow(dead_code, reason = "not every test needs all of it")]

use super::postgrest::source;
use futures::TryStreamExt;
use portico_provider_api::{
    CompareOp, Expr, KeySet, Output, QueryContext, Relation, RemoteTableName, ScalarType, Selection, Source, SourceError, SourceQuery,
    TableColumn, TableRelation, Value,
};
use portico_provider_testkit::http::{Answer, Faults, Request, Server};
use std::sync::Arc;

/// A server that answers what the script says, and a source over it.
pub async fn serving(
    settings: serde_json::Value,
    script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> (Server, Arc<dyn Source>) {
    serving_with(settings, Faults::default(), script).await
}

/// The same with faults laid over it.
pub async fn serving_with(
    settings: serde_json::Value,
    faults: Faults,
    script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> (Server, Arc<dyn Source>) {
    let server = Server::start(script, faults).await;
    let source = source(&server.url(), settings);
    (server, source)
}

/// All columns of a table in scope.
pub async fn relation(source: &Arc<dyn Source>, table: &str) -> TableRelation {
    let name = RemoteTableName(vec![table.to_owned()]);
    let schema = source.remote_schema(&Selection::Tables(vec![name.clone()]), &QueryContext::default()).await.unwrap();
    let table = schema.tables.into_iter().next().unwrap_or_else(|| panic!("no table {table}"));
    let column = |column: portico_provider_api::RemoteColumn| TableColumn {
        name: column.name,
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type),
    };
    TableRelation { table: name, columns: table.columns.into_iter().map(column).collect() }
}

/// A scan of a table.
pub async fn scan(source: &Arc<dyn Source>, table: &str) -> SourceQuery {
    SourceQuery::scan(relation(source, table).await)
}

/// `column op value`.
pub fn compare(query: &SourceQuery, column: &str, op: CompareOp, value: Value) -> Expr {
    Expr::compare(op, Expr::Column(at(query, column)), Expr::Literal(value))
}

/// The position of a column.
pub fn at(query: &SourceQuery, column: &str) -> usize {
    let Relation::Table(table) = &query.from else { panic!("a table") };
    table.columns.iter().position(|known| known.name == column).unwrap_or_else(|| panic!("no column {column}"))
}

/// Keys over columns.
pub fn keys(query: &SourceQuery, columns: &[&str], tuples: Vec<Vec<Value>>) -> Option<KeySet> {
    Some(KeySet { columns: columns.iter().map(|column| at(query, column)).collect(), tuples })
}

/// Only these columns.
pub fn only(query: SourceQuery, columns: &[&str]) -> SourceQuery {
    let output = columns.iter().map(|column| Output { name: (*column).to_owned(), expr: Expr::Column(at(&query, column)) }).collect();
    SourceQuery { output, ..query }
}

/// All rows of a query.
pub async fn rows(source: &Arc<dyn Source>, query: SourceQuery) -> Result<Vec<Vec<Value>>, SourceError> {
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let mut stream = source.query(query, &QueryContext::default()).await?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        rows.extend((0..batch.num_rows()).map(|row| portico_provider_api::arrays::row_at(&batch, row, &types).unwrap()));
    }
    let report = stream.report().expect("a report at the end");
    assert!(report.complete && report.rows == rows.len() as u64);
    Ok(rows)
}

/// The first column of all rows, as integers, sorted.
pub async fn ids(source: &Arc<dyn Source>, query: SourceQuery) -> Vec<i64> {
    let rows = rows(source, query).await.unwrap_or_else(|error| panic!("{error}"));
    let mut ids: Vec<i64> = rows.iter().filter_map(|row| row.first()?.as_integer()).collect();
    ids.sort_unstable();
    ids
}

/// The failure of a query.
pub async fn failure(source: &Arc<dyn Source>, query: SourceQuery) -> SourceError {
    match rows(source, query).await {
        Ok(rows) => panic!("it returned {} rows", rows.len()),
        Err(error) => error,
    }
}

/// What was asked, in order: path and query as they came.
pub fn asked(server: &Server) -> Vec<String> {
    let text = |request: Request| match request.raw_query.is_empty() {
        true => request.path,
        false => format!("{}?{}", request.path, request.raw_query),
    };
    server.log().into_iter().map(text).collect()
}
