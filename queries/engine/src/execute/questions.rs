//! How many requests a fragment takes: one per chunk of keys that its source takes at once. A table that cannot be asked without keys gets
//! those that rows beside it have, and those that the conditions name.

use crate::error::EngineError;
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::required::{combined, falls_apart, is_one_piece, named};
use crate::values::{scalar_from_value, value_as};
use portico_provider_api::check::required_text;
use portico_provider_api::{Expr, KeySet, Output, SourceQuery, Support, Value};
use std::collections::VecDeque;

/// The queries of a fragment. They are made one by one, because there may be very many.
pub struct Questions {
    query: SourceQuery,
    columns: Vec<usize>,
    /// Where in the answers the keys stand, when an answer may have rows with keys that another question asks for.
    apart: Option<Vec<usize>>,
    /// Nothing stands for a query without keys.
    chunks: VecDeque<Option<Vec<Vec<Value>>>>,
}

impl Questions {
    /// Where in the answers the keys stand by which rows of other questions have to be left out, if there may be any.
    pub fn apart(&self) -> Option<Vec<usize>> {
        self.apart.clone()
    }
}

impl Iterator for Questions {
    type Item = SourceQuery;

    fn next(&mut self) -> Option<SourceQuery> {
        let keys = self.chunks.pop_front()?.map(|tuples| KeySet { columns: self.columns.clone(), tuples });
        Some(SourceQuery { keys, ..self.query.clone() })
    }
}

/// The queries, none at all when there are no keys.
///
/// # Errors
/// `Invalid` for a table that needs keys and has none here, `Unsupported` where one request cannot have all of them and must.
pub fn questions(fragment: &RemoteFragment, keys: Option<KeySet>) -> Result<Questions, EngineError> {
    let mut query = fragment.query.as_ref().clone();
    let Some(keys) = completed(fragment, keys)? else {
        return Ok(Questions { query, columns: Vec::new(), apart: None, chunks: [None].into() });
    };
    let groups = query.aggregate.as_ref();
    let chunks: VecDeque<_> = if keys.tuples.is_empty() && groups.is_some_and(|aggregate| aggregate.group_by.is_empty()) {
        // Of no rows there is one group all the same.
        [Some(keys.tuples)].into()
    } else {
        fragment.chunk_limits(&keys.columns).chunks(&keys.tuples).into_iter().map(|chunk| Some(chunk.to_vec())).collect()
    };
    if chunks.len() > 1 && !splits(fragment, &keys.columns) {
        let message = format!("'{}' is asked by keys, and takes fewer in one request than this one has", fragment.table);
        return Err(EngineError::Unsupported(message));
    }
    let loose = chunks.len() > 1 && fragment.limits_of(&keys.columns).is_none_or(|limits| limits.support != Support::Exact);
    let apart = loose.then(|| {
        let first = query.output.len();
        let keys = keys.columns.iter().enumerate();
        query.output.extend(keys.map(|(at, column)| Output { name: format!("k{at}"), expr: Expr::Column(*column) }));
        (first..query.output.len()).collect()
    });
    Ok(Questions { query, columns: keys.columns, apart, chunks })
}

/// Whether a fragment can be asked by several sets of keys instead of by one: several answers cannot be put in one order, or be cut at one
/// place; nor can their groups be put together. Of the keys of a slot it is the rows of each that have an order.
pub fn splits(fragment: &RemoteFragment, keys: &[usize]) -> bool {
    let query = &fragment.query;
    let ordered = match &fragment.key_slot {
        Some((columns, _)) => query.limit.is_some() || query.offset > 0 || (!query.order_by.is_empty() && columns != keys),
        None => is_one_piece(query),
    };
    !ordered && falls_apart(query, keys)
}

/// What is missing, for a table of which nobody says by which keys to ask.
pub fn needed(fragment: &RemoteFragment) -> EngineError {
    let by = required_text(&fragment.required_keys);
    let message = format!(
        "'{}' can only be read by {by}: ask for some values of it, by key or with eq and in, or by a join with what has them",
        fragment.table
    );
    EngineError::Invalid(message)
}

/// Keys of other rows, and to them those that the conditions name, as far as the table requires them.
fn completed(fragment: &RemoteFragment, keys: Option<KeySet>) -> Result<Option<KeySet>, EngineError> {
    if fragment.required_keys.is_empty() {
        return Ok(keys);
    }
    let KeySet { mut columns, mut tuples } = keys.unwrap_or(KeySet { columns: Vec::new(), tuples: vec![Vec::new()] });
    let by = match &fragment.fed {
        Some(fed) => Some(fed.by.clone()),
        None => fragment.asked_by(&columns),
    };
    let by = by.ok_or_else(|| needed(fragment))?;
    // Of the rows that have other keys the conditions leave none.
    for (at, column) in columns.iter().enumerate() {
        if let Some(values) = values(fragment, *column) {
            let alike = |value: &Value| values.iter().all(|named| named.scalar_type() == value.scalar_type());
            tuples.retain(|tuple| tuple.get(at).is_none_or(|value| !alike(value) || values.contains(value)));
        }
    }
    let missing: Vec<usize> = by.into_iter().filter(|column| !columns.contains(column)).collect();
    let named = missing.iter().map(|column| values(fragment, *column)).collect::<Option<Vec<_>>>().ok_or_else(|| needed(fragment))?;
    columns.extend(missing);
    Ok((!columns.is_empty()).then(|| KeySet { columns, tuples: combined(tuples, named) }))
}

/// The values that the conditions name for a column.
fn values(fragment: &RemoteFragment, column: usize) -> Option<Vec<Value>> {
    let scalar_type = fragment.query.from.columns().get(column)?.scalar_type;
    let mut values = Vec::new();
    for constant in named(&fragment.conditions, column)? {
        let Expr::Literal(value) = constant else { return None };
        // As one of the column's type; one that cannot be is no key.
        values.extend(value_as(&scalar_from_value(&value), scalar_type).unwrap_or(Some(value)));
    }
    Some(values)
}
