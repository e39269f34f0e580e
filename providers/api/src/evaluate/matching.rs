//! Which values match by equality, hashed: key sets, and the equalities of joins.

use super::EvaluateError;
use super::compare::grouping_value;
use crate::query::KeySet;
use crate::types::ScalarType;
use crate::value::Value;
use std::collections::HashSet;

/// A representative of all values of a class that are equal, across widths and scales; nothing for NaN, which equals nothing. Nulls are
/// one value: who must not match them leaves them out.
pub(super) fn matching_value(value: Value) -> Option<Value> {
    if value.is_nan() {
        return None;
    }
    Some(match value {
        Value::Null(_) => Value::Null(ScalarType::Boolean),
        Value::Float32(number) => grouping_value(Value::Float64(number)),
        other => match other.as_integer() {
            Some(number) => Value::Int64(number),
            None => grouping_value(other),
        },
    })
}

/// The representatives of a tuple; nothing when it matches no other, not even itself.
pub(super) fn matching_tuple(
    tuple: impl IntoIterator<Item = Result<Value, EvaluateError>>,
    null_equal: bool,
) -> Result<Option<Vec<Value>>, EvaluateError> {
    let mut found = Vec::new();
    for value in tuple {
        match matching_value(value?) {
            Some(value) if null_equal || !value.is_null() => found.push(value),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// A key set that is ready to be asked.
pub(super) struct Keys {
    columns: Vec<usize>,
    tuples: HashSet<Vec<Value>>,
}

impl Keys {
    /// Of a key set that [`super::wellformed`] has accepted.
    pub(super) fn new(keys: &KeySet) -> Result<Keys, EvaluateError> {
        let mut tuples = HashSet::with_capacity(keys.tuples.len());
        for tuple in &keys.tuples {
            tuples.extend(matching_tuple(tuple.iter().cloned().map(Ok), false)?);
        }
        Ok(Keys { columns: keys.columns.clone(), tuples })
    }

    /// Whether a row has one of the keys.
    pub(super) fn keep(&self, cell: impl Fn(usize) -> Result<Value, EvaluateError>) -> Result<bool, EvaluateError> {
        let tuple = matching_tuple(self.columns.iter().map(|index| cell(*index)), false)?;
        Ok(tuple.is_some_and(|tuple| self.tuples.contains(&tuple)))
    }
}
