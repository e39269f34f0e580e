//! Joins of rows: by a hash of the right side's values where there are equalities, and a residual condition on what they leave.

use super::EvaluateError;
use super::block::{Rows, Seen};
use super::matching::matching_tuple;
use crate::expr::Expr;
use crate::query::{Join, JoinKind};
use crate::value::Value;
use std::collections::HashMap;

/// The right side, ready to be matched.
struct Right<'a> {
    rows: &'a Rows,
    /// Rows by the values of their equalities; absent when there are none, so that each row matches.
    matching: Option<HashMap<Vec<Value>, Vec<usize>>>,
    /// Whether each row's value is null, for null-aware matching.
    null: Vec<bool>,
}

/// What the expressions of a join see: its left side, its right side, both.
pub(super) struct Sides<'a> {
    pub(super) left: Seen<'a>,
    pub(super) right: Seen<'a>,
    pub(super) both: Seen<'a>,
}

/// The rows of a join.
pub(super) fn joined(join: &Join, left: Rows, right: &Rows, sides: &Sides<'_>) -> Result<Rows, EvaluateError> {
    let right = prepared(join, right, sides)?;
    let nulls: Vec<Value> = sides.right.columns.iter().map(|column| Value::Null(column.scalar_type)).collect();
    let mut found = Vec::new();
    for row in left {
        let keeps = |other: &Vec<Value>| match &join.residual {
            None => Ok(true),
            Some(residual) => sides.both.holds(residual, &[row.as_slice(), other].concat()),
        };
        if join.null_aware {
            if kept_not_in(join, &row, &right, sides, &keeps)? {
                found.push(row);
            }
            continue;
        }
        let mut matches = Vec::new();
        for other in candidates(join, &row, &right, sides)? {
            if keeps(other)? {
                matches.push(other);
                if matches!(join.kind, JoinKind::Semi | JoinKind::Anti) {
                    break;
                }
            }
        }
        match join.kind {
            JoinKind::Semi if !matches.is_empty() => found.push(row),
            JoinKind::Anti if matches.is_empty() => found.push(row),
            JoinKind::Semi | JoinKind::Anti => {}
            JoinKind::Left if matches.is_empty() => found.push([row, nulls.clone()].concat()),
            JoinKind::Inner | JoinKind::Left | JoinKind::Cross => {
                found.extend(matches.into_iter().map(|other| [row.as_slice(), other].concat()));
            }
        }
    }
    Ok(found)
}

fn prepared<'a>(join: &Join, rows: &'a Rows, sides: &Sides<'_>) -> Result<Right<'a>, EvaluateError> {
    if join.on.is_empty() {
        return Ok(Right { rows, matching: None, null: Vec::new() });
    }
    let (mut matching, mut null): (HashMap<Vec<Value>, Vec<usize>>, _) = (HashMap::new(), Vec::with_capacity(rows.len()));
    for (index, row) in rows.iter().enumerate() {
        let values = join.on.iter().map(|(_, expr)| sides.right.value(expr, row)).collect::<Result<Vec<_>, _>>()?;
        null.push(values.iter().any(Value::is_null));
        if let Some(tuple) = matching_tuple(values.into_iter().map(Ok), join.null_equal)? {
            matching.entry(tuple).or_default().push(index);
        }
    }
    Ok(Right { rows, matching: Some(matching), null })
}

/// The rows on the right for which all equalities hold.
fn candidates<'a>(join: &Join, row: &[Value], right: &Right<'a>, sides: &Sides<'_>) -> Result<Vec<&'a Vec<Value>>, EvaluateError> {
    let Some(matching) = &right.matching else { return Ok(right.rows.iter().collect()) };
    let tuple = matching_tuple(join.on.iter().map(|(expr, _)| sides.left.value(expr, row)), join.null_equal)?;
    let places = tuple.and_then(|tuple| matching.get(&tuple));
    Ok(places.into_iter().flatten().filter_map(|place| right.rows.get(*place)).collect())
}

/// Whether the row's value is certainly not among those on the right.
fn kept_not_in(
    join: &Join,
    row: &[Value],
    right: &Right<'_>,
    sides: &Sides<'_>,
    keeps: &dyn Fn(&Vec<Value>) -> Result<bool, EvaluateError>,
) -> Result<bool, EvaluateError> {
    let value = join.on.first().map(|(expr, _): &(Expr, Expr)| sides.left.value(expr, row)).transpose()?;
    let unknown = value.is_none_or(|value| value.is_null());
    for (other, null) in right.rows.iter().zip(&right.null) {
        // Neither an unknown value nor an unknown one on the right is certainly different.
        if (unknown || *null) && keeps(other)? {
            return Ok(false);
        }
    }
    for other in candidates(join, row, right, sides)? {
        if keeps(other)? {
            return Ok(false);
        }
    }
    Ok(true)
}
