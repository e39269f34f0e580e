//! Tests of the evaluator: what the IR's documentation says, with expected values written out by hand.

mod arithmetic;
mod blocks;
mod casts;
mod functions;
mod identity;
mod logic;
mod queries;

use super::{EvaluateError, evaluate_expr};
use crate::arrays::batch_from_rows;
use crate::expr::{Expr, Function};
use crate::query::{SourceQuery, TableColumn, TableRelation};
use crate::schema::RemoteTableName;
use crate::types::ScalarType;
use crate::value::Value;
use arrow::array::RecordBatch;

fn literal(value: Value) -> Expr {
    Expr::Literal(value)
}

fn text(value: &str) -> Expr {
    Expr::Literal(Value::text(value))
}

fn null(scalar_type: ScalarType) -> Expr {
    Expr::Literal(Value::Null(scalar_type))
}

fn value_of(expression: &Expr) -> Result<Value, EvaluateError> {
    evaluate_expr(expression, &[], &[])
}

fn call(function: Function, arguments: Vec<Expr>) -> Result<Value, EvaluateError> {
    value_of(&Expr::Call { function, arguments })
}

fn decimal(unscaled: i128, precision: u8, scale: i8) -> Value {
    Value::Decimal { unscaled: unscaled.into(), precision, scale }
}

/// A table `t` of the given columns.
fn table(columns: &[(&str, ScalarType)], rows: &[Vec<Value>]) -> (TableRelation, RecordBatch) {
    let typed: Vec<_> = columns.iter().map(|(name, scalar_type)| ((*name).to_owned(), *scalar_type, true)).collect();
    let relation = TableRelation {
        table: RemoteTableName(vec!["t".to_owned()]),
        columns: columns.iter().map(|(name, scalar_type)| TableColumn::computed(*name, *scalar_type, true)).collect(),
    };
    (relation, batch_from_rows(&typed, rows).unwrap())
}

fn rows_of(query: &SourceQuery, batch: &RecordBatch) -> Result<Vec<Vec<Value>>, EvaluateError> {
    let result = super::evaluate(query, &|_| Some(batch.clone()))?;
    assert_eq!(result.schema(), query.result_schema());
    let types: Vec<_> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    (0..result.num_rows()).map(|row| crate::arrays::row_at(&result, row, &types)).collect()
}
