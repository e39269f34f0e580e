//! What the suite does not ask: writes of an ERP, what is pushed down as the server sees it, sessions that end, answers that are none.

mod answers;
mod pushdown;
mod schema;
mod writes;

use super::erp::fixtures::relation;
use arrow::array::RecordBatch;
use futures::TryStreamExt;
use portico_provider_api::arrays::row_at;
use portico_provider_api::{
    CompareOp, Expr, NativeRequest, Output, QueryContext, Relation, RemoteSchema, RemoteTableName, Selection, Source, SourceError,
    SourceQuery, TableRelation, Value,
};
use std::sync::{Arc, Mutex};

/// A model's table with some of its columns, in this order.
pub fn table(schema: &RemoteSchema, model: &str, columns: &[&str]) -> TableRelation {
    let mut relation = relation(schema, &RemoteTableName::parse(model));
    let named =
        |name: &&str| relation.columns.iter().find(|column| column.name == **name).cloned().unwrap_or_else(|| panic!("no '{name}'"));
    relation.columns = columns.iter().map(named).collect();
    relation
}

pub async fn schema(source: &dyn Source, models: &[&str]) -> RemoteSchema {
    let wanted = Selection::Tables(models.iter().map(|model| RemoteTableName::parse(model)).collect());
    source.remote_schema(&wanted, &QueryContext::default()).await.unwrap()
}

/// Every column of a table, where a condition holds.
pub fn select(table: &TableRelation, filter: Option<Expr>) -> SourceQuery {
    let output = table.columns.iter().enumerate().map(|(index, column)| Output { name: column.name.clone(), expr: Expr::Column(index) });
    SourceQuery { filter, ..SourceQuery::select(Relation::Table(table.clone()), output.collect()) }
}

pub fn equals(column: usize, value: Value) -> Expr {
    Expr::compare(CompareOp::Eq, Expr::Column(column), Expr::Literal(value))
}

/// The rows of a query.
pub async fn rows(source: &dyn Source, query: SourceQuery) -> Result<Vec<Vec<Value>>, SourceError> {
    rows_with(source, query, &QueryContext::default()).await
}

pub async fn rows_with(source: &dyn Source, query: SourceQuery, context: &QueryContext) -> Result<Vec<Vec<Value>>, SourceError> {
    let types: Vec<_> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let batches: Vec<RecordBatch> = source.query(query, context).await?.try_collect().await?;
    Ok(batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| row_at(batch, row, &types).unwrap()).collect::<Vec<_>>()).collect())
}

/// A context that writes down what is sent.
pub fn listening() -> (QueryContext, Arc<Mutex<Vec<NativeRequest>>>) {
    let sent: Arc<Mutex<Vec<NativeRequest>>> = Arc::default();
    let log = Arc::clone(&sent);
    let observer: portico_provider_api::context::RequestObserver =
        Arc::new(move |request: &NativeRequest| log.lock().unwrap().push(request.clone()));
    (QueryContext { observer: Some(observer), ..QueryContext::default() }, sent)
}

pub fn texts(sent: &Mutex<Vec<NativeRequest>>) -> Vec<String> {
    sent.lock().unwrap().drain(..).map(|request| request.text).collect()
}
