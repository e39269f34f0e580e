//! Pieces of which whole select blocks are made, and what keeps them small and their answers the only right ones.

use super::Literals;
use crate::run::Table;
use portico_provider_api::evaluate::grouping_value;
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, CompareOp, Expr, Output, Relation, ScalarType, SortKey, SourceQuery, TypeClass, Value,
    evaluate_expr,
};
use std::collections::HashMap;

/// A block with the feature that it exercises.
pub(crate) type Block = (String, SourceQuery);

/// Tables of more rows are joined only where few rows match.
pub(super) const SMALL: usize = 100;
/// Rows that a join may have.
pub(super) const MOST_PAIRS: usize = 3_000;

pub(super) const ORDERED: [CompareOp; 6] =
    [CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::LtEq, CompareOp::Gt, CompareOp::GtEq];

pub(super) fn relation(table: &Table) -> Relation {
    Relation::Table(table.relation.clone())
}

pub(super) fn nested(query: SourceQuery) -> Relation {
    Relation::Query(Box::new(query))
}

pub(super) fn output(column: usize) -> Output {
    Output { name: format!("c{column}"), expr: Expr::Column(column) }
}

/// Every column of a relation.
pub(super) fn all(from: Relation) -> SourceQuery {
    let columns = from.columns().len();
    SourceQuery::select(from, (0..columns).map(output).collect())
}

pub(super) fn scan(table: &Table) -> SourceQuery {
    all(relation(table))
}

/// A query in groups, with every key and call as output.
pub(super) fn grouped(query: SourceQuery, group_by: Vec<Expr>, calls: Vec<AggregateCall>) -> SourceQuery {
    let output = (0..group_by.len() + calls.len()).map(output).collect();
    SourceQuery { aggregate: Some(Aggregation { group_by, calls, having: None }), output, ..query }
}

/// A call over one column; nothing when the function has no meaning for it.
pub(super) fn call(function: AggregateFunction, column: usize, from: &Relation) -> Option<AggregateCall> {
    AggregateCall::new(function, Some(Expr::Column(column)), &from.columns())
}

/// A query in the order of all its visible columns, so that rows which are tied are the same row.
pub(super) fn totally_ordered(query: SourceQuery, literals: &mut Literals<'_>) -> SourceQuery {
    let order_by = (0..query.visible_columns().len())
        .map(|column| SortKey { expr: Expr::Column(column), descending: literals.rng.bool(), nulls_first: literals.rng.bool() })
        .collect();
    SourceQuery { order_by, ..query }
}

pub(super) fn class_of(table: &Table, column: usize) -> Option<TypeClass> {
    table.relation.columns.get(column).map(|column| TypeClass::of(column.scalar_type))
}

/// A condition on a column of a table which stands at `offset` in what is filtered; it never fails.
pub(super) fn condition(table: &Table, offset: usize, literals: &mut Literals<'_>) -> Expr {
    let column = literals.rng.usize(0..table.relation.columns.len().max(1));
    let value = || Box::new(Expr::Column(offset + column));
    match literals.rng.u8(0..6) {
        0 => Expr::IsNull(value()),
        1 => Expr::Not(Box::new(Expr::IsNull(value()))),
        _ => {
            let op = literals.rng.choice(ORDERED).unwrap_or(CompareOp::Eq);
            Expr::compare(op, *value(), literals.literal(table, column))
        }
    }
}

/// A value as joins match it: integers of all widths are one type.
fn matching(value: &Value) -> Value {
    value.as_integer().map_or_else(|| grouping_value(value.clone()), Value::Int64)
}

/// How many pairs of rows have equal values, nulls included.
pub(super) fn pairs_of(left: &Table, right: &Table, on: &[(usize, usize)]) -> usize {
    let key = |row: &[Value], columns: &[usize]| columns.iter().filter_map(|column| row.get(*column).map(matching)).collect::<Vec<_>>();
    let (of_left, of_right): (Vec<usize>, Vec<usize>) = on.iter().copied().unzip();
    let mut counts: HashMap<Vec<Value>, usize> = HashMap::new();
    for row in &right.rows {
        *counts.entry(key(row, &of_right)).or_default() += 1;
    }
    left.rows.iter().filter_map(|row| counts.get(&key(row, &of_left))).sum()
}

/// Whether sums and averages of an expression do not depend on the order in which a source adds: no partial sum may overflow, and
/// floats must be of sizes that can be added.
pub(super) fn summable(expression: &Expr, table: &Table) -> bool {
    let columns = &table.relation.columns;
    let Some(scalar_type) = expression.scalar_type(columns) else { return false };
    let values = table.rows.iter().map(|row| evaluate_expr(expression, row, columns)).collect::<Result<Vec<_>, _>>();
    let Ok(values) = values else { return false };
    match scalar_type {
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
            let total: u128 = values.iter().filter_map(Value::as_integer).map(|number| u128::from(number.unsigned_abs())).sum();
            total <= u128::from(i64::MAX.unsigned_abs())
        }
        ScalarType::Float32 | ScalarType::Float64 => values.iter().all(|value| match value {
            Value::Float32(number) | Value::Float64(number) => number.0.abs() < 1e9,
            other => other.is_null(),
        }),
        ScalarType::Decimal { precision, scale } => {
            // An average has four digits more, and must fit as well.
            let most = if precision > 38 { 76 } else { 38 };
            let digits = |value: &Value| match value {
                Value::Decimal { unscaled, .. } => unscaled.wrapping_abs().to_string().len(),
                _ => 0,
            };
            let longest = values.iter().map(digits).max().unwrap_or(0);
            longest + 3 + 4 <= most && usize::from(scale.unsigned_abs()) + 4 <= most
        }
        _ => false,
    }
}
