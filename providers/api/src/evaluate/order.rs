//! Orders and limits per key, of whatever is ordered.

use super::EvaluateError;
use super::compare::{compare_for_sort, grouping_value};
use crate::query::{LimitPer, SortKey};
use crate::value::Value;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Items in the order of their keys' values; equal ones keep their order.
pub(super) fn sorted<T>(mut keyed: Vec<(Vec<Value>, T)>, order_by: &[SortKey]) -> Result<Vec<(Vec<Value>, T)>, EvaluateError> {
    let mut failure = None;
    keyed.sort_by(|(left, _), (right, _)| {
        compare_rows(left, right, order_by).unwrap_or_else(|error| {
            failure = Some(error);
            Ordering::Equal
        })
    });
    failure.map_or(Ok(keyed), Err)
}

/// How two rows of sort keys' values follow each other.
pub(super) fn compare_rows(left: &[Value], right: &[Value], order_by: &[SortKey]) -> Result<Ordering, EvaluateError> {
    for ((left, right), key) in left.iter().zip(right).zip(order_by) {
        let ordering = compare_for_sort(left, right, key.descending, key.nulls_first)?;
        if ordering != Ordering::Equal {
            return Ok(ordering);
        }
    }
    Ok(Ordering::Equal)
}

/// Items `offset .. offset + limit` of each group, in the order they have.
pub(super) fn limited_per<T>(
    keyed: impl IntoIterator<Item = Result<(Vec<Value>, T), EvaluateError>>,
    per: &LimitPer,
) -> Result<Vec<T>, EvaluateError> {
    let mut seen: HashMap<Vec<Value>, u64> = HashMap::new();
    let mut kept = Vec::new();
    for item in keyed {
        let (group, item) = item?;
        let position = seen.entry(group.into_iter().map(grouping_value).collect()).or_default();
        if *position >= per.offset && *position - per.offset < per.limit {
            kept.push(item);
        }
        *position += 1;
    }
    Ok(kept)
}
