//! Compares an answer with the oracle's: as a multiset, as a superset, or in order with ties in any order.

use crate::run::Table;
use portico_provider_api::arrays::row_at;
use portico_provider_api::evaluate::{compare_for_sort, evaluate, grouping_value};
use portico_provider_api::{
    AggregateCall, AggregateFunction, EvaluateError, Expr, Relation, ScalarType, SourceQuery, Value, evaluate_expr,
};
use std::cmp::Ordering;
use std::collections::HashMap;

type Rows = Vec<Vec<Value>>;

/// The oracle's rows of a query over one table.
pub(crate) fn oracle(query: &SourceQuery, table: &Table) -> Result<Rows, EvaluateError> {
    oracle_over(query, std::slice::from_ref(table))
}

/// The oracle's rows of a query over any of the tables.
pub(crate) fn oracle_over(query: &SourceQuery, tables: &[Table]) -> Result<Rows, EvaluateError> {
    let batch = evaluate(query, &|name| {
        let table = tables.iter().find(|table| &table.relation.table == name);
        table.map(|table| table.batch.clone())
    })?;
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    (0..batch.num_rows()).map(|row| row_at(&batch, row, &types)).collect()
}

/// Whether an answer has the oracle's rows: in its order when the query has one, which must be total then. Doubles that come from sums
/// may differ in their last digits.
pub(crate) fn alike(query: &SourceQuery, expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), String> {
    let loose = adds_doubles(query);
    if query.order_by.is_empty() {
        return if loose { same_but_for_doubles(expected, actual) } else { same_rows(expected, actual) };
    }
    same_length(expected, actual)?;
    match expected.iter().zip(actual).position(|(expected, actual)| !close(expected, actual, loose)) {
        None => Ok(()),
        Some(at) => Err(format!("row {} is {:?} where {:?} was expected", at + 1, actual.get(at), expected.get(at))),
    }
}

fn same_length(expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), String> {
    if expected.len() == actual.len() { Ok(()) } else { Err(format!("expected {} rows, got {}", expected.len(), actual.len())) }
}

/// Rows as a multiset, those with the same other values in the order of their doubles.
fn same_but_for_doubles(expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), String> {
    same_length(expected, actual)?;
    let sorted = |rows: &[Vec<Value>]| {
        let mut keyed: Vec<(String, &Vec<Value>)> = rows
            .iter()
            .map(|row| {
                let rest: Vec<Value> = row.iter().filter(|value| double(value).is_none()).cloned().map(grouping_value).collect();
                (format!("{rest:?}"), row)
            })
            .collect();
        keyed.sort_by(|(left, left_row), (right, right_row)| {
            let numbers = |row: &[Value]| row.iter().filter_map(double).collect::<Vec<_>>();
            let (left_row, right_row) = (numbers(left_row), numbers(right_row));
            let ordering = left_row.iter().zip(&right_row).map(|(left, right)| left.total_cmp(right)).find(|ordering| ordering.is_ne());
            left.cmp(right).then(ordering.unwrap_or(Ordering::Equal))
        });
        keyed.into_iter().map(|(_, row)| row.clone()).collect::<Rows>()
    };
    let (expected, actual) = (sorted(expected), sorted(actual));
    match expected.iter().zip(&actual).find(|(expected, actual)| !close(expected, actual, true)) {
        None => Ok(()),
        Some((expected, actual)) => Err(format!("expected for example {expected:?}, got {actual:?}")),
    }
}

fn double(value: &Value) -> Option<f64> {
    if let Value::Float64(number) = value { Some(number.0) } else { None }
}

fn close(expected: &[Value], actual: &[Value], loose: bool) -> bool {
    let near = |left: f64, right: f64| (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0);
    expected.len() == actual.len()
        && expected.iter().zip(actual).all(|(expected, actual)| match (double(expected), double(actual)) {
            (Some(left), Some(right)) if loose && near(left, right) => true,
            _ => grouping_value(expected.clone()) == grouping_value(actual.clone()),
        })
}

/// Whether a query, or a block in it, adds doubles or divides sums as such.
fn adds_doubles(query: &SourceQuery) -> bool {
    fn relation(from: &Relation) -> bool {
        match from {
            Relation::Table(_) | Relation::Call(_) => false,
            Relation::Join(join) => relation(&join.left) || relation(&join.right),
            Relation::Query(query) => adds_doubles(query),
            Relation::Union(queries) => queries.iter().any(adds_doubles),
        }
    }
    let adds = |call: &AggregateCall| {
        matches!(call.function, AggregateFunction::Sum | AggregateFunction::Average) && call.scalar_type == ScalarType::Float64
    };
    let calls = query.aggregate.iter().flat_map(|aggregate| &aggregate.calls).any(adds);
    calls || query.output.iter().any(|output| output.expr.has_window()) || relation(&query.from)
}

/// How often each row occurs. Zeros are one value, and so are NaNs.
fn counted(rows: &[Vec<Value>]) -> HashMap<Vec<Value>, isize> {
    let mut counts = HashMap::new();
    for row in rows {
        *counts.entry(row.iter().cloned().map(grouping_value).collect::<Vec<_>>()).or_default() += 1;
    }
    counts
}

/// Rows of `left` that `right` does not have (often enough), at most three of them.
pub(crate) fn surplus(left: &[Vec<Value>], right: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut counts = counted(left);
    for row in right {
        *counts.entry(row.iter().cloned().map(grouping_value).collect::<Vec<_>>()).or_default() -= 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(row, _)| row).take(3).collect()
}

/// Whether both hold the same rows as often.
pub(crate) fn same_rows(expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), String> {
    let (missing, extra) = (surplus(expected, actual), surplus(actual, expected));
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    Err(format!("expected {} rows, got {}; missing for example {missing:?}; not expected {extra:?}", expected.len(), actual.len()))
}

/// Whether an answer is what an exact source gives.
pub(crate) fn exact(query: &SourceQuery, table: &Table, actual: &[Vec<Value>]) -> Result<(), String> {
    let expected = oracle(query, table).map_err(|error| format!("the oracle failed: {error}"))?;
    let cut = query.limit.is_some() || query.offset > 0 || query.limit_per.is_some();
    if !cut {
        same_rows(&expected, actual)?;
    } else {
        if expected.len() != actual.len() {
            return Err(format!("expected {} rows, got {}", expected.len(), actual.len()));
        }
        let uncut = SourceQuery { limit: None, offset: 0, limit_per: None, order_by: Vec::new(), ..query.clone() };
        let all = oracle(&uncut, table).map_err(|error| format!("the oracle failed: {error}"))?;
        let foreign = surplus(actual, &all);
        if !foreign.is_empty() {
            return Err(format!("rows that do not belong into the answer: {foreign:?}"));
        }
        same_groups(query, table, &expected, actual)?;
    }
    in_order(query, table, &expected, actual)
}

/// With a limit per key, every group must have as many rows as the oracle gives it.
fn same_groups(query: &SourceQuery, table: &Table, expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), String> {
    // A limit over all leaves open which groups are cut.
    let Some(per) = query.limit_per.as_ref().filter(|_| query.limit.is_none() && query.offset == 0) else { return Ok(()) };
    let groups = |rows: &[Vec<Value>]| keys_of(query, table, rows, &per.columns);
    same_rows(&groups(expected)?, &groups(actual)?).map_err(|difference| format!("rows per key: {difference}"))
}

/// The values of expressions over the table for each answered row; every column they use must be an output.
fn keys_of(query: &SourceQuery, table: &Table, rows: &[Vec<Value>], expressions: &[Expr]) -> Result<Rows, String> {
    let columns = &table.relation.columns;
    let places: Vec<Option<usize>> =
        (0..columns.len()).map(|index| query.output.iter().position(|output| output.expr == Expr::Column(index))).collect();
    let key = |row: &Vec<Value>| {
        let image: Vec<Value> = places
            .iter()
            .zip(columns)
            .map(|(place, column)| place.and_then(|place| row.get(place)).cloned().unwrap_or(Value::Null(column.scalar_type)))
            .collect();
        expressions.iter().map(|expression| evaluate_expr(expression, &image, columns)).collect::<Result<Vec<_>, _>>()
    };
    rows.iter().map(key).collect::<Result<Rows, _>>().map_err(|error| format!("the oracle failed: {error}"))
}

/// Whether the sort keys come in the oracle's sequence; rows with equal keys may be swapped.
fn in_order(query: &SourceQuery, table: &Table, expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), String> {
    let expressions: Vec<Expr> = query.order_by.iter().map(|key| key.expr.clone()).collect();
    let (wanted, given) = (keys_of(query, table, expected, &expressions)?, keys_of(query, table, actual, &expressions)?);
    for (position, (wanted, given)) in wanted.iter().zip(&given).enumerate() {
        let equal = wanted.iter().zip(given).all(|(wanted, given)| compare_for_sort(wanted, given, false, false) == Ok(Ordering::Equal));
        if !equal {
            return Err(format!("row {} has sort key {given:?} where {wanted:?} was expected", position + 1));
        }
    }
    Ok(())
}

/// Whether an answer to an inexact filter has every row, and, filtered again, no other.
pub(crate) fn superset(query: &SourceQuery, table: &Table, actual: &[Vec<Value>]) -> Result<(), String> {
    let expected = oracle(query, table).map_err(|error| format!("the oracle failed: {error}"))?;
    let missing = surplus(&expected, actual);
    if !missing.is_empty() {
        return Err(format!("rows are missing, for example {missing:?}"));
    }
    let unfiltered = SourceQuery { filter: None, keys: None, ..query.clone() };
    let all = oracle(&unfiltered, table).map_err(|error| format!("the oracle failed: {error}"))?;
    let foreign = surplus(actual, &all);
    if foreign.is_empty() { Ok(()) } else { Err(format!("rows that the table does not have: {foreign:?}")) }
}
