//! One row of a change: which columns are in scope, which values are given, how they fit the columns.

use super::{Given, constraint, in_scope};
use crate::row_hash;
use crate::table::MemoryTable;
use crate::translate::{Refusal, refusal};
use portico_provider_api::evaluate::{cast_value, compare_values};
use portico_provider_api::{
    ChangeOutcome, ChangeValue, ConstraintKind, EvaluateError, ScalarType, SourceErrorKind, TableRelation, TypeClass, Value,
};
use std::cmp::Ordering;

/// Where the columns in scope stand in the table.
pub(super) struct Scope {
    positions: Vec<usize>,
}

impl Scope {
    pub(super) fn new(relation: &TableRelation, table: &MemoryTable) -> Result<Scope, Refusal> {
        in_scope(relation, table)?;
        // The hash of a row stands behind its columns.
        let hashed = |name: &str| row_hash::is_hidden(name, table).then_some(table.columns.len());
        let positions =
            relation.columns.iter().filter_map(|column| table.position(&column.name).or_else(|| hashed(&column.name))).collect();
        Ok(Scope { positions })
    }

    fn position(&self, column: usize) -> Result<usize, Refusal> {
        let missing = || (SourceErrorKind::Unsupported, format!("a change of column {column}, which is not in scope"));
        self.positions.get(column).copied().ok_or_else(missing)
    }

    /// The row as the change sees it.
    pub(super) fn image(&self, stored: &[Value]) -> Vec<Value> {
        let value = |position: &usize| stored.get(*position).cloned().unwrap_or_else(|| row_hash::of(stored));
        self.positions.iter().map(value).collect()
    }

    /// Whether the row has these key values; null equals nothing.
    pub(super) fn matches(&self, stored: &[Value], key: &[(usize, Value)]) -> Result<bool, Refusal> {
        for (column, value) in key {
            let Some(current) = stored.get(self.position(*column)?) else { return Ok(false) };
            if compare_values(current, value).map_err(refusal)? != Some(Ordering::Equal) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts the given values into a row.
    pub(super) fn assign(&self, stored: &mut [Value], values: &[(usize, Value)], table: &MemoryTable) -> Result<(), Refusal> {
        for (index, (column, value)) in values.iter().enumerate() {
            if values.iter().take(index).any(|(earlier, _)| earlier == column) {
                return Err((SourceErrorKind::Unsupported, format!("a change that gives column {column} twice")));
            }
            let position = self.position(*column)?;
            if position == table.columns.len() {
                return Err((SourceErrorKind::Unsupported, "a change of the hash of a row".to_owned()));
            }
            let (Some(slot), Some(described)) = (stored.get_mut(position), table.columns.get(position)) else {
                return Err((SourceErrorKind::Internal, format!("column {column} has no place")));
            };
            let fitted = fitted(value, described.scalar_type).map_err(|error| match error {
                EvaluateError::Data(message) => constraint(
                    ConstraintKind::Check,
                    std::slice::from_ref(&described.name),
                    format!("column '{}': {message}", described.name),
                ),
                other => refusal(other),
            })?;
            if described.generated && *slot != fitted {
                let message = format!("column '{}' is numbered by the source", described.name);
                return Err(constraint(ConstraintKind::Check, std::slice::from_ref(&described.name), message));
            }
            *slot = fitted;
        }
        Ok(())
    }
}

/// A value as a column's type: another width or scale of the same class when it fits exactly.
pub(super) fn fitted(value: &Value, scalar_type: ScalarType) -> Result<Value, EvaluateError> {
    if value.scalar_type() == scalar_type {
        return Ok(value.clone());
    }
    if !value.is_null() && TypeClass::of(value.scalar_type()) != TypeClass::of(scalar_type) {
        return Err(EvaluateError::Invalid(format!("a value of type {} for a column of type {scalar_type}", value.scalar_type())));
    }
    let fitted = cast_value(value, scalar_type)?;
    let exact = value.is_null() || compare_values(&fitted, value)? == Some(Ordering::Equal);
    if exact { Ok(fitted) } else { Err(EvaluateError::Data(format!("a value does not fit {scalar_type}"))) }
}

/// Replaces references to earlier changes by what those stored.
pub(super) fn resolve(values: &Given, earlier: &[ChangeOutcome]) -> Result<Vec<(usize, Value)>, Refusal> {
    let resolved = values.iter().map(|(column, value)| {
        let value = match value {
            ChangeValue::Given(value) => value.clone(),
            // The type of this null is put right when it is assigned.
            ChangeValue::Null => Value::Null(ScalarType::Text),
            ChangeValue::FromChange { change, column } => match earlier.get(*change) {
                Some(ChangeOutcome::Done { row: Some(row), .. }) if *column < row.len() => {
                    row.get(*column).cloned().unwrap_or(Value::Null(ScalarType::Text))
                }
                _ => {
                    let message = format!("a value from column {column} of change {change}, which stored no such value before");
                    return Err((SourceErrorKind::Unsupported, message));
                }
            },
        };
        Ok((*column, value))
    });
    resolved.collect()
}

/// Numbers the generated columns: one more than the greatest so far.
pub(super) fn number(stored: &mut [Value], table: &MemoryTable, rows: &[Vec<Value>]) -> Result<(), Refusal> {
    for (position, column) in table.columns.iter().enumerate().filter(|(_, column)| column.generated) {
        let integers = rows.iter().filter_map(|row| row.get(position)).filter_map(|value| match cast_value(value, ScalarType::Int64) {
            Ok(Value::Int64(number)) => Some(number),
            _ => None,
        });
        let next = integers.max().unwrap_or(0).checked_add(1);
        let next = next.ok_or_else(|| (SourceErrorKind::Data, format!("column '{}' has no number left", column.name)))?;
        if let Some(slot) = stored.get_mut(position) {
            *slot = cast_value(&Value::Int64(next), column.scalar_type).map_err(refusal)?;
        }
    }
    Ok(())
}
