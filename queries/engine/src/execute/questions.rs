//! How many requests a fragment takes: one per chunk of keys that its source takes at once. A table that cannot be asked without keys gets
//! those that the condition names.

use crate::error::EngineError;
use crate::pushdown::fragment::RemoteFragment;
use portico_provider_api::{CompareOp, Expr, KeySet, Relation, SourceQuery, Value};

/// The queries, none at all when there are no keys.
///
/// # Errors
/// `Invalid` for a table that needs keys and has none here, `Unsupported` where one request cannot have all of them and must.
pub fn questions(fragment: &RemoteFragment, keys: Option<KeySet>) -> Result<Vec<SourceQuery>, EngineError> {
    let keys = match keys {
        Some(keys) => Some(keys),
        None if fragment.required_keys.is_empty() => None,
        None => Some(named(fragment).ok_or_else(|| needed(fragment))?),
    };
    let Some(keys) = keys else { return Ok(vec![fragment.query.as_ref().clone()]) };
    let groups = fragment.query.aggregate.as_ref();
    if keys.tuples.is_empty() && groups.is_some_and(|aggregate| aggregate.group_by.is_empty()) {
        // Of no rows there is one group all the same.
        return Ok(vec![SourceQuery { keys: Some(keys), ..fragment.query.as_ref().clone() }]);
    }
    let chunks = fragment.chunk_limits(&keys.columns).chunks(&keys.tuples);
    let queries = chunks.into_iter().map(|tuples| SourceQuery {
        keys: Some(KeySet { columns: keys.columns.clone(), tuples: tuples.to_vec() }),
        ..fragment.query.as_ref().clone()
    });
    let queries: Vec<SourceQuery> = queries.collect();
    // Several answers cannot be put in one order, or be cut at one place; nor can their groups be put together.
    let query = &fragment.query;
    let whole = query.limit.is_some() || query.offset > 0 || !query.order_by.is_empty() || !falls_apart(query, &keys.columns);
    if queries.len() > 1 && whole && fragment.key_slot.is_none() {
        let message = format!("'{}' is asked by keys, and takes fewer in one request than this one has", fragment.table);
        return Err(EngineError::Unsupported(message));
    }
    Ok(queries)
}

/// Whether rows with different keys never meet in one group, and are never equal.
fn falls_apart(query: &SourceQuery, keys: &[usize]) -> bool {
    let among: Vec<&Expr> = match &query.aggregate {
        Some(aggregate) => aggregate.group_by.iter().collect(),
        None if query.distinct => query.output.iter().map(|output| &output.expr).collect(),
        None => return true,
    };
    keys.iter().all(|key| among.contains(&&Expr::Column(*key)))
}

fn needed(fragment: &RemoteFragment) -> EngineError {
    let names = fragment.required_keys.join(", ");
    let message = format!("'{}' can only be read by {names}: ask for some values of it, by key or with eq and in", fragment.table);
    EngineError::Invalid(message)
}

/// The keys that a condition names: for each required column the values that it equals.
fn named(fragment: &RemoteFragment) -> Option<KeySet> {
    let Relation::Table(table) = &fragment.query.from else { return None };
    let position = |name: &String| table.columns.iter().position(|column| column.name == *name);
    let columns: Vec<usize> = fragment.required_keys.iter().map(position).collect::<Option<_>>()?;
    let filter = fragment.query.filter.as_ref()?;
    let values: Vec<Vec<Value>> = columns.iter().map(|column| equalled(filter, *column)).collect::<Option<_>>()?;
    // Every combination: the filter stays, and leaves out those that it does not mean.
    let mut tuples: Vec<Vec<Value>> = vec![Vec::new()];
    for of_column in values {
        let extended =
            tuples.iter().flat_map(|tuple| of_column.iter().map(move |value| [tuple.as_slice(), std::slice::from_ref(value)].concat()));
        tuples = extended.collect();
    }
    Some(KeySet { columns, tuples })
}

/// The distinct values of which a column has one where a condition holds.
fn equalled(condition: &Expr, column: usize) -> Option<Vec<Value>> {
    let is_column = |expr: &Expr| *expr == Expr::Column(column);
    match condition {
        Expr::And(parts) => parts.iter().find_map(|part| equalled(part, column)),
        Expr::Or(parts) => {
            let mut all: Vec<Value> = Vec::new();
            for value in parts.iter().map(|part| equalled(part, column)).collect::<Option<Vec<_>>>()?.into_iter().flatten() {
                if !all.contains(&value) {
                    all.push(value);
                }
            }
            Some(all)
        }
        Expr::Compare { op: CompareOp::Eq, left, right } => match (left.as_ref(), right.as_ref()) {
            (side, Expr::Literal(value)) | (Expr::Literal(value), side) if is_column(side) && !value.is_null() => Some(vec![value.clone()]),
            _ => None,
        },
        Expr::InList { expr, list, negated: false } if is_column(expr) => {
            let mut all: Vec<Value> = Vec::new();
            for item in list {
                match item {
                    Expr::Literal(value) if value.is_null() || all.contains(value) => {}
                    Expr::Literal(value) => all.push(value.clone()),
                    _ => return None,
                }
            }
            Some(all)
        }
        _ => None,
    }
}
