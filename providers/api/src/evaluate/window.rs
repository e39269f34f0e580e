//! Window functions over rows.

use super::EvaluateError;
use super::aggregate::aggregate;
use super::block::{Rows, Seen};
use super::compare::grouping_value;
use super::order::{compare_rows, sorted};
use crate::expr::{Expr, WindowFunction};
use crate::query::{AggregateFunction, SortKey};
use crate::value::Value;
use std::cmp::Ordering;
use std::collections::HashMap;

/// The values of every window function in some expressions, row by row.
pub(super) fn windows<'e>(
    expressions: impl Iterator<Item = &'e Expr>,
    rows: &Rows,
    seen: &Seen<'_>,
) -> Result<HashMap<&'e Expr, Vec<Value>>, EvaluateError> {
    let mut found = HashMap::new();
    for expression in expressions {
        collect(expression, &mut |window| {
            if !found.contains_key(window) {
                found.insert(window, over(window, rows, seen)?);
            }
            Ok(())
        })?;
    }
    Ok(found)
}

fn collect<'e>(expression: &'e Expr, visit: &mut dyn FnMut(&'e Expr) -> Result<(), EvaluateError>) -> Result<(), EvaluateError> {
    match expression {
        Expr::Window { .. } => visit(expression),
        other => other.children().into_iter().try_for_each(|child| collect(child, visit)),
    }
}

fn over(window: &Expr, rows: &Rows, seen: &Seen<'_>) -> Result<Vec<Value>, EvaluateError> {
    let Expr::Window { function, arguments, partition_by, order_by } = window else {
        return Err(EvaluateError::Invalid("no window function".to_owned()));
    };
    let result = window.scalar_type(seen.columns).ok_or_else(|| EvaluateError::Invalid("a window function without a type".to_owned()))?;
    let mut partitions: HashMap<Vec<Value>, Vec<(Vec<Value>, usize)>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let partition = partition_by.iter().map(|key| seen.value(key, row).map(grouping_value)).collect::<Result<_, _>>()?;
        let keys = order_by.iter().map(|key| seen.value(&key.expr, row)).collect::<Result<_, _>>()?;
        partitions.entry(partition).or_default().push((keys, index));
    }
    let mut values = vec![Value::Null(result); rows.len()];
    for partition in partitions.into_values() {
        let partition = sorted(partition, order_by)?;
        let called = match (function.aggregate(), arguments.first()) {
            (None, _) => None,
            (Some(AggregateFunction::Count), None) => Some((AggregateFunction::CountRows, vec![Value::Boolean(true); partition.len()])),
            (Some(_), None) => return Err(EvaluateError::Invalid("a window function without its argument".to_owned())),
            (Some(function), Some(argument)) => {
                let rows = partition.iter().filter_map(|(_, index)| rows.get(*index));
                Some((function, rows.map(|row| seen.value(argument, row)).collect::<Result<Vec<_>, _>>()?))
            }
        };
        for (number, peers) in peers(&partition, order_by)?.into_iter().enumerate() {
            for place in peers.clone() {
                let value = match &called {
                    Some((function, arguments)) => aggregate(*function, arguments.get(..peers.end).unwrap_or_default(), result)?,
                    None => Value::Int64(match function {
                        WindowFunction::RowNumber => position(place)?,
                        WindowFunction::Rank => position(peers.start)?,
                        _ => position(number)?,
                    }),
                };
                if let Some(slot) = partition.get(place).and_then(|(_, index)| values.get_mut(*index)) {
                    *slot = value;
                }
            }
        }
    }
    Ok(values)
}

fn position(place: usize) -> Result<i64, EvaluateError> {
    i64::try_from(place + 1).map_err(|_| EvaluateError::Data("a position does not fit int64".to_owned()))
}

/// Runs of rows that the order does not tell apart; without an order, all of them.
fn peers(partition: &[(Vec<Value>, usize)], order_by: &[SortKey]) -> Result<Vec<std::ops::Range<usize>>, EvaluateError> {
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for (place, (keys, _)) in partition.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| partition.get(before));
        let same = match before {
            Some((before, _)) => compare_rows(before, keys, order_by)? == Ordering::Equal,
            None => false,
        };
        match found.last_mut() {
            Some(run) if same => run.end = place + 1,
            _ => found.push(place..place + 1),
        }
    }
    Ok(found)
}
