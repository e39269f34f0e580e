//! Whole queries over a table.

use super::{rows_of, table};
use crate::evaluate::{EvaluateError, TableEvaluation};
use crate::expr::{CompareOp, Expr};
use crate::query::{AggregateCall, AggregateFunction, Aggregation, KeySet, LimitPer, Output, Relation, SortKey, SourceQuery};
use crate::types::ScalarType;
use crate::value::Value;
use arrow::array::RecordBatch;

const N: Value = Value::Null(ScalarType::Int32);

/// `a`: 3, 1, null, 2, 1; `b`: x, y, x, y, y.
fn small() -> (SourceQuery, RecordBatch) {
    let rows = [(Value::Int32(3), "x"), (Value::Int32(1), "y"), (N, "x"), (Value::Int32(2), "y"), (Value::Int32(1), "y")];
    let rows: Vec<Vec<Value>> = rows.into_iter().map(|(a, b)| vec![a, Value::text(b)]).collect();
    let (relation, batch) = table(&[("a", ScalarType::Int32), ("b", ScalarType::Text)], &rows);
    (SourceQuery::scan(relation), batch)
}

fn numbers(query: &SourceQuery, batch: &RecordBatch) -> Vec<Option<i32>> {
    let value = |row: Vec<Value>| match row.first() {
        Some(Value::Int32(number)) => Some(*number),
        _ => None,
    };
    rows_of(query, batch).unwrap().into_iter().map(value).collect()
}

fn by(column: usize, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { expr: Expr::Column(column), descending, nulls_first }
}

#[test]
fn sorts_are_stable_and_place_nulls() {
    let (scan, batch) = small();
    let sorted = |descending, nulls_first| numbers(&SourceQuery { order_by: vec![by(0, descending, nulls_first)], ..scan.clone() }, &batch);
    assert_eq!(sorted(false, true), [None, Some(1), Some(1), Some(2), Some(3)]);
    assert_eq!(sorted(false, false), [Some(1), Some(1), Some(2), Some(3), None]);
    assert_eq!(sorted(true, true), [None, Some(3), Some(2), Some(1), Some(1)]);
    let by_text = SourceQuery { order_by: vec![by(1, false, false)], ..scan };
    assert_eq!(numbers(&by_text, &batch), [Some(3), None, Some(1), Some(2), Some(1)]);
}

#[test]
fn filter_limit_and_offset() {
    let (scan, batch) = small();
    let filter = Expr::compare(CompareOp::LtEq, Expr::Column(0), Expr::Literal(Value::Int32(2)));
    let filtered = SourceQuery { filter: Some(filter), ..scan };
    assert_eq!(numbers(&filtered, &batch), [Some(1), Some(2), Some(1)]);
    let cut = SourceQuery { limit: Some(1), offset: 1, ..filtered.clone() };
    assert_eq!(numbers(&cut, &batch), [Some(2)]);
    assert!(numbers(&SourceQuery { limit: Some(0), ..filtered.clone() }, &batch).is_empty());
    assert!(numbers(&SourceQuery { offset: u64::MAX, limit: Some(u64::MAX), ..filtered }, &batch).is_empty());
}

#[test]
fn distinct_limit_per_and_keys() {
    let (scan, batch) = small();
    let only_a = vec![Output { name: "a".to_owned(), expr: Expr::Column(0) }];
    let distinct = SourceQuery { output: only_a, distinct: true, ..scan.clone() };
    assert_eq!(numbers(&distinct, &batch), [Some(3), Some(1), None, Some(2)]);
    let unclear = SourceQuery { order_by: vec![by(1, false, false)], ..distinct };
    assert!(matches!(rows_of(&unclear, &batch), Err(EvaluateError::Unsupported(_))));
    let per = LimitPer { columns: vec![Expr::Column(1)], offset: 1, limit: 1 };
    let top = SourceQuery { limit_per: Some(per), order_by: vec![by(0, false, true)], ..scan.clone() };
    assert_eq!(numbers(&top, &batch), [Some(1), Some(3)]);
    let keys =
        KeySet { columns: vec![1, 0], tuples: vec![vec![Value::text("y"), Value::Int64(1)], vec![Value::text("x"), Value::Int64(1)]] };
    assert_eq!(numbers(&SourceQuery { keys: Some(keys), ..scan }, &batch), [Some(1), Some(1)]);
}

#[test]
fn keys_never_match_null_or_nan_and_treat_zeros_as_one() {
    let rows: Vec<Vec<Value>> = [f64::NAN, -0.0, 0.0, 1.0]
        .map(|value| vec![Value::float64(value)])
        .into_iter()
        .chain([vec![Value::Null(ScalarType::Float64)]])
        .collect();
    let (relation, batch) = table(&[("f", ScalarType::Float64)], &rows);
    let keys = KeySet { columns: vec![0], tuples: vec![vec![Value::float64(f64::NAN)], vec![Value::float64(0.0)]] };
    let query = SourceQuery { keys: Some(keys), ..SourceQuery::scan(relation) };
    assert_eq!(rows_of(&query, &batch).unwrap().len(), 2);
}

#[test]
fn only_rows_of_one_table_go_batch_by_batch() {
    let (scan, _) = small();
    let nested = SourceQuery { from: Relation::Query(Box::new(scan.clone())), ..scan.clone() };
    let subquery = SourceQuery { filter: Some(Expr::Exists(Box::new(scan.clone()))), ..scan.clone() };
    let sorted = SourceQuery { order_by: vec![by(0, false, false)], ..counting(&scan, 1) };
    for query in [nested, subquery, sorted] {
        assert!(!TableEvaluation::suits(&query));
        assert!(matches!(TableEvaluation::new(&query), Err(EvaluateError::Unsupported(_))));
    }
    assert!(TableEvaluation::suits(&scan) && TableEvaluation::suits(&counting(&scan, 2)));
}

fn counting(scan: &SourceQuery, outputs: usize) -> SourceQuery {
    let call = AggregateCall {
        function: AggregateFunction::CountRows,
        argument: None,
        distinct: false,
        filter: None,
        scalar_type: ScalarType::Int64,
    };
    SourceQuery {
        aggregate: Some(Aggregation { group_by: Vec::new(), calls: vec![call], having: None }),
        output: (0..outputs).map(|at| Output { name: format!("c{at}"), expr: Expr::Column(0) }).collect(),
        ..scan.clone()
    }
}

#[test]
fn rows_are_counted() {
    let (scan, batch) = small();
    let count = |query: &SourceQuery, batch: &RecordBatch| rows_of(query, batch).unwrap();
    let all = counting(&scan, 1);
    assert_eq!(count(&all, &batch), [[Value::Int64(5)]]);
    assert_eq!(count(&all, &batch.slice(0, 0)), [[Value::Int64(0)]]);
    // A null is neither at most two nor more.
    let at_most_two = Expr::compare(CompareOp::LtEq, Expr::Column(0), Expr::Literal(Value::Int32(2)));
    let filtered = SourceQuery { filter: Some(at_most_two), ..counting(&scan, 2) };
    assert_eq!(count(&filtered, &batch), [[Value::Int64(3), Value::Int64(3)]]);
    let keys = KeySet { columns: vec![1], tuples: vec![vec![Value::text("x")], vec![Value::text("z")]] };
    assert_eq!(count(&SourceQuery { keys: Some(keys.clone()), ..all.clone() }, &batch), [[Value::Int64(2)]]);
    assert_eq!(count(&SourceQuery { keys: Some(keys), ..filtered }, &batch), [[Value::Int64(0), Value::Int64(0)]]);
}

#[test]
fn a_count_goes_batch_by_batch_and_is_no_row() {
    let (scan, batch) = small();
    let filter = Some(Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Value::text("y"))));
    let query = SourceQuery { filter, ..counting(&scan, 1) };
    let evaluation = TableEvaluation::new(&query).unwrap();
    assert!(evaluation.is_row_count() && !evaluation.is_streamable());
    let parts = [evaluation.count(&batch.slice(0, 2)), evaluation.count(&batch.slice(2, 3))];
    assert_eq!(parts, [Ok(1), Ok(2)]);
    assert_eq!(evaluation.counted(3), evaluation.evaluate(&batch));
    assert!(matches!(evaluation.counted(u64::MAX), Err(EvaluateError::Data(_))));
    assert!(matches!(evaluation.project(&batch, &[0]), Err(EvaluateError::Invalid(_))));
    assert!(matches!(TableEvaluation::new(&scan).unwrap().counted(1), Err(EvaluateError::Invalid(_))));
}

#[test]
fn an_output_without_columns_keeps_its_rows() {
    let (scan, batch) = small();
    let result = super::super::evaluate(&SourceQuery { output: Vec::new(), ..scan }, &|_| Some(batch.clone())).unwrap();
    assert_eq!((result.num_rows(), result.num_columns()), (5, 0));
}

/// A filter that reads one of many columns must not touch the others: a million rows stay usable.
#[test]
fn a_million_rows_are_filtered_in_seconds() {
    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use std::sync::Arc;
    let (relation, _) = table(&[("a", ScalarType::Int32), ("b", ScalarType::Text)], &[]);
    let a: ArrayRef = Arc::new((0..1_000_000).map(Some).collect::<Int32Array>());
    let b: ArrayRef = Arc::new((0..1_000_000).map(|_| Some("a long text that nobody asks for")).collect::<StringArray>());
    let batch = RecordBatch::try_from_iter([("a", a), ("b", b)]).unwrap();
    let filter = Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Literal(Value::Int32(999_999)));
    let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(relation) };
    let started = std::time::Instant::now();
    assert_eq!(rows_of(&query, &batch).unwrap().len(), 1);
    // Generous: a debug build on a busy machine takes well under this.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
