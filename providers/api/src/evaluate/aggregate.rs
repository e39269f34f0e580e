//! Aggregate functions over the values of one group.

#![deny(clippy::wildcard_enum_match_arm)]

use super::EvaluateError;
use super::compare::{compare_for_sort, grouping_value};
use super::decimal;
use crate::query::AggregateFunction;
use crate::types::ScalarType;
use crate::value::{Float, Value};
use arrow::datatypes::i256;
use std::cmp::Ordering;
use std::collections::HashSet;

fn overflow(scalar_type: ScalarType) -> EvaluateError {
    EvaluateError::Data(format!("a sum does not fit {scalar_type}"))
}

/// The first of each group of equal values.
pub(super) fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    values.into_iter().filter(|value| seen.insert(grouping_value(value.clone()))).collect()
}

/// The value of a function over the arguments of a group's rows, nulls among them; for `CountRows` there is one of any value for each
/// row. `result` is the type that the IR gives it.
pub(super) fn aggregate(function: AggregateFunction, arguments: &[Value], result: ScalarType) -> Result<Value, EvaluateError> {
    let count = |number: usize| {
        i64::try_from(number).map(Value::Int64).map_err(|_| EvaluateError::Data("a number of rows does not fit int64".to_owned()))
    };
    if function == AggregateFunction::CountRows {
        return count(arguments.len());
    }
    let values: Vec<&Value> = arguments.iter().filter(|value| !value.is_null()).collect();
    match function {
        AggregateFunction::CountRows | AggregateFunction::Count => count(values.len()),
        _ if values.is_empty() => Ok(Value::Null(result)),
        AggregateFunction::Min => extreme(&values, Ordering::Less),
        AggregateFunction::Max => extreme(&values, Ordering::Greater),
        AggregateFunction::Sum => sum(&values, result),
        AggregateFunction::Average => average(&values, result),
    }
}

/// The first of those values that come before (or after) all others.
fn extreme(values: &[&Value], wanted: Ordering) -> Result<Value, EvaluateError> {
    let mut best: Option<&Value> = None;
    for value in values {
        if match best {
            None => true,
            Some(best) => compare_for_sort(value, best, false, false)? == wanted,
        } {
            best = Some(value);
        }
    }
    best.cloned().ok_or_else(|| EvaluateError::Invalid("the least of nothing".to_owned()))
}

/// The exact sum of numbers of one type.
enum Sum {
    Integer(i128),
    Float(f64),
    Decimal { unscaled: i256, scale: i8 },
}

fn total(values: &[&Value], result: ScalarType) -> Result<Sum, EvaluateError> {
    let no_number = |value: &Value| EvaluateError::Invalid(format!("a sum of {}", value.scalar_type()));
    let mut total: Option<Sum> = None;
    for value in values {
        let next = match (value, value.as_integer()) {
            (_, Some(number)) => Sum::Integer(number.into()),
            (Value::Float32(Float(number)) | Value::Float64(Float(number)), _) => Sum::Float(*number),
            (Value::Decimal { unscaled, scale, .. }, _) => Sum::Decimal { unscaled: *unscaled, scale: *scale },
            (other, _) => return Err(no_number(other)),
        };
        total = Some(match (total, next) {
            (None, next) => next,
            (Some(Sum::Integer(sum)), Sum::Integer(next)) => Sum::Integer(sum.checked_add(next).ok_or_else(|| overflow(result))?),
            (Some(Sum::Float(sum)), Sum::Float(next)) => Sum::Float(sum + next),
            (Some(Sum::Decimal { unscaled: sum, scale }), Sum::Decimal { unscaled: next, scale: own }) if own == scale => {
                Sum::Decimal { unscaled: sum.checked_add(next).ok_or_else(|| overflow(result))?, scale }
            }
            (Some(_), _) => return Err(no_number(value)),
        });
    }
    total.ok_or_else(|| EvaluateError::Invalid("the sum of nothing".to_owned()))
}

fn sum(values: &[&Value], result: ScalarType) -> Result<Value, EvaluateError> {
    match (total(values, result)?, result) {
        (Sum::Integer(sum), _) => i64::try_from(sum).map(Value::Int64).map_err(|_| overflow(result)),
        (Sum::Float(sum), _) => Ok(Value::float64(sum)),
        (Sum::Decimal { unscaled, scale: own }, ScalarType::Decimal { precision, scale }) => {
            let unscaled = decimal::rescale_exactly(unscaled, own, precision, scale).map_err(|_| overflow(result))?;
            Ok(Value::Decimal { unscaled, precision, scale })
        }
        (Sum::Decimal { .. }, _) => Err(EvaluateError::Invalid(format!("a sum of decimals as {result}"))),
    }
}

fn average(values: &[&Value], result: ScalarType) -> Result<Value, EvaluateError> {
    let count = values.len();
    match (total(values, result)?, result) {
        (Sum::Integer(sum), _) => Ok(Value::float64(sum as f64 / count as f64)),
        (Sum::Float(sum), _) => Ok(Value::float64(sum / count as f64)),
        (Sum::Decimal { unscaled, scale: own }, ScalarType::Decimal { precision, scale }) => {
            let digits = (i32::from(scale) - i32::from(own)).unsigned_abs();
            let dividend = decimal::power_of_ten(digits).and_then(|factor| unscaled.checked_mul(factor));
            let divisor = i128::try_from(count).map(i256::from_i128).ok();
            let quotient = dividend.zip(divisor).and_then(|(dividend, divisor)| decimal::divide_rounded(dividend, divisor));
            let unscaled = decimal::fitting(quotient.ok_or_else(|| overflow(result))?, precision, scale)?;
            Ok(Value::Decimal { unscaled, precision, scale })
        }
        (Sum::Decimal { .. }, _) => Err(EvaluateError::Invalid(format!("an average of decimals as {result}"))),
    }
}
