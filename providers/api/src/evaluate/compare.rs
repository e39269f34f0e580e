//! Comparison of values: for predicates (IEEE 754, nulls unknown), for sorting (a total order) and for grouping.

use super::EvaluateError;
use super::decimal::{self, Operand};
use crate::value::{Float, Value};
use std::cmp::Ordering;

/// Compares two values as `=`, `<` and the like do: `None` when either is null or NaN. Decimals compare across scales, integers
/// and floats across widths, text by code points, binary by bytes, false before true.
///
/// # Errors
/// When the values are of types that do not compare.
pub fn compare_values(left: &Value, right: &Value) -> Result<Option<Ordering>, EvaluateError> {
    if left.is_null() || right.is_null() {
        return Ok(None);
    }
    Ok(match (left, right) {
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Float32(left) | Value::Float64(left), Value::Float32(right) | Value::Float64(right)) => left.0.partial_cmp(&right.0),
        (Value::Decimal { unscaled: l, scale: ls, .. }, Value::Decimal { unscaled: r, scale: rs, .. }) => {
            Some(decimal::compare(Operand { unscaled: *l, scale: *ls }, Operand { unscaled: *r, scale: *rs }))
        }
        (Value::Text(left), Value::Text(right)) | (Value::Guid(left), Value::Guid(right)) | (Value::Json(left), Value::Json(right)) => {
            // UTF-8 keeps the order of code points, so bytes may be compared.
            Some(left.as_bytes().cmp(right.as_bytes()))
        }
        (Value::Binary(left), Value::Binary(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right))
        | (Value::Timestamp(left), Value::Timestamp(right))
        | (Value::TimestampTz(left), Value::TimestampTz(right)) => Some(left.cmp(right)),
        (left, right) => match (left.as_integer(), right.as_integer()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => {
                return Err(EvaluateError::Invalid(format!("{} does not compare with {}", left.scalar_type(), right.scalar_type())));
            }
        },
    })
}

/// Compares two values as `ORDER BY` does: a total order in which NaN is the greatest float and the zeros are equal. Nulls go
/// where `nulls_first` says, whatever the direction.
///
/// # Errors
/// When the values are of types that do not compare.
pub fn compare_for_sort(left: &Value, right: &Value, descending: bool, nulls_first: bool) -> Result<Ordering, EvaluateError> {
    let null_side = if nulls_first { Ordering::Less } else { Ordering::Greater };
    match (left.is_null(), right.is_null()) {
        (true, true) => return Ok(Ordering::Equal),
        (true, false) => return Ok(null_side),
        (false, true) => return Ok(null_side.reverse()),
        (false, false) => {}
    }
    let ascending = match compare_values(left, right)? {
        Some(ordering) => ordering,
        None => left.is_nan().cmp(&right.is_nan()),
    };
    Ok(if descending { ascending.reverse() } else { ascending })
}

/// A representative of all values that `DISTINCT`, grouping and key sets treat as one: null equals null, NaN equals NaN, the
/// zeros are equal, and decimals are equal across scales.
pub fn grouping_value(value: Value) -> Value {
    let float = |Float(number): Float| if number.is_nan() { Float(f64::NAN) } else { Float(number + 0.0) };
    match value {
        Value::Float32(number) => Value::Float32(float(number)),
        Value::Float64(number) => Value::Float64(float(number)),
        Value::Decimal { unscaled, scale, .. } => {
            let (unscaled, scale) = decimal::without_trailing_zeros(unscaled, scale);
            Value::Decimal { unscaled, precision: 76, scale }
        }
        // Nulls of decimals of two scales are one group.
        Value::Null(crate::ScalarType::Decimal { .. }) => Value::Null(crate::ScalarType::UNCONSTRAINED_DECIMAL),
        other => other,
    }
}
