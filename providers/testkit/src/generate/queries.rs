//! The other parts of queries: orders, key sets and the number of rows.

use super::expressions::values;
use super::predicates::TWINS;
use super::{Candidate, Literals};
use crate::run::Table;
use fastrand::Rng;
use portico_provider_api::evaluate::grouping_value;
use portico_provider_api::{AggregateCall, Aggregation, Expr, KeySet, Output, ScalarType, SortKey, SourceQuery, TypeClass, Value};
use std::collections::HashSet;

/// One sort key for every column and for values computed from it, in both directions, with nulls at both ends.
pub(crate) fn orders(table: &Table, literals: &mut Literals<'_>) -> Vec<(String, SortKey)> {
    let mut found = Vec::new();
    for (column, described) in table.relation.columns.iter().enumerate() {
        let class = TypeClass::of(described.scalar_type);
        let mut keys = vec![Candidate::new(format!("by {class:?}"), Expr::Column(column))];
        keys.extend(values(table, column, literals).into_iter().map(|value| Candidate::new(format!("by {}", value.feature), value.expr)));
        for Candidate { feature, expr } in keys {
            for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
                let key = SortKey { expr: expr.clone(), descending, nulls_first };
                found.push((format!("{feature}, descending {descending}, nulls first {nulls_first}"), key));
            }
        }
    }
    found
}

/// The primary key as an order, so that no two rows are tied.
pub(crate) fn total_order(table: &Table) -> Vec<SortKey> {
    table.primary_key().into_iter().map(|column| SortKey { expr: Expr::Column(column), descending: false, nulls_first: false }).collect()
}

/// The number of rows of a query, instead of the rows.
pub(crate) fn row_count(query: SourceQuery) -> SourceQuery {
    let aggregate = Some(Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None });
    SourceQuery { aggregate, output: vec![Output { name: "rows".to_owned(), expr: Expr::Column(0) }], ..query }
}

/// Distinct key tuples over some columns: most of them of rows that exist, some of none.
pub(crate) fn key_set(rng: &mut Rng, table: &Table, columns: &[usize], literals: &mut Literals<'_>, count: usize) -> Option<KeySet> {
    let mut seen = HashSet::new();
    let mut tuples: Vec<Vec<Value>> = Vec::new();
    for _ in 0..count {
        let tuple: Vec<Value> = if rng.u8(0..5) == 0 {
            columns.iter().map(|column| literals.for_column(table, *column)).collect()
        } else {
            let row = rng.choice(&table.rows)?;
            columns.iter().filter_map(|column| row.get(*column).cloned()).collect()
        };
        // NaN is no key: it equals nothing.
        let is_nan = |value: &Value| matches!(value, Value::Float32(number) | Value::Float64(number) if number.0.is_nan());
        let usable = tuple.len() == columns.len() && !tuple.iter().any(|value| value.is_null() || is_nan(value));
        if usable && seen.insert(tuple.iter().cloned().map(grouping_value).collect::<Vec<_>>()) {
            tuples.push(tuple);
        }
    }
    let limits = literals.limits(table, columns);
    let tuples = limits.chunks(&tuples).into_iter().find(|chunk| limits.fit(chunk))?.to_vec();
    Some(KeySet { columns: columns.to_vec(), tuples })
}

/// Key sets of one text each that a lax collation takes for another text of the edge table.
pub(crate) fn twin_key_sets(table: &Table) -> Vec<(String, KeySet)> {
    let mut found = Vec::new();
    for (column, described) in table.relation.columns.iter().enumerate() {
        if described.scalar_type == ScalarType::Text {
            let sets =
                TWINS.map(|(kind, twin)| (format!("by {kind}"), KeySet { columns: vec![column], tuples: vec![vec![Value::text(twin)]] }));
            found.extend(sets);
        }
    }
    found
}
