//! The closed list of functions.

use super::EvaluateError;
use super::calendar::{self, MICROS_PER_DAY, MICROS_PER_SECOND};
use super::{number, text};
use crate::expr::Function;
use crate::typing::function_type;
use crate::value::Value;
use std::borrow::Cow;

/// Calls a function. Null in any argument gives null.
pub(super) fn call(function: Function, arguments: &[Cow<'_, Value>]) -> Result<Value, EvaluateError> {
    check_arity(function, arguments.len())?;
    let misuse = || {
        let types: Vec<String> = arguments.iter().map(|argument| argument.scalar_type().to_string()).collect();
        EvaluateError::Invalid(format!("{function:?} cannot be called with ({})", types.join(", ")))
    };
    let first = arguments.first().ok_or_else(misuse)?.as_ref();
    if arguments.iter().any(|argument| argument.is_null()) {
        return function_type(function, first.scalar_type()).map(Value::Null).ok_or_else(misuse);
    }
    let second = arguments.get(1).map(AsRef::as_ref);
    match function {
        Function::Contains | Function::StartsWith | Function::EndsWith | Function::Like | Function::Position | Function::Concat => {
            match (first, second) {
                (Value::Text(left), Some(Value::Text(right))) => of_two_texts(function, left, right),
                _ => Err(misuse()),
            }
        }
        Function::Length | Function::Lower | Function::Upper | Function::Trim => match first {
            Value::Text(value) => of_text(function, value),
            _ => Err(misuse()),
        },
        Function::Substring => {
            let start = second.and_then(Value::as_integer).ok_or_else(misuse)?;
            let length = arguments.get(2).map(|length| length.as_integer().ok_or_else(misuse)).transpose()?;
            match first {
                Value::Text(value) => text::substring(value, start, length).map(Value::Text),
                _ => Err(misuse()),
            }
        }
        Function::Year | Function::Month | Function::Day | Function::Hour | Function::Minute | Function::Second => {
            field(function, first).ok_or_else(misuse)
        }
        Function::Round | Function::Floor | Function::Ceiling => number::to_whole(function, first),
        Function::Abs => number::abs(first),
    }
}

fn check_arity(function: Function, given: usize) -> Result<(), EvaluateError> {
    let allowed = match function {
        Function::Contains | Function::StartsWith | Function::EndsWith | Function::Like | Function::Position | Function::Concat => 2..=2,
        Function::Substring => 2..=3,
        Function::Length
        | Function::Lower
        | Function::Upper
        | Function::Trim
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second
        | Function::Round
        | Function::Floor
        | Function::Ceiling
        | Function::Abs => 1..=1,
    };
    if allowed.contains(&given) {
        Ok(())
    } else {
        Err(EvaluateError::Invalid(format!("{function:?} cannot be called with {given} arguments")))
    }
}

fn of_text(function: Function, value: &str) -> Result<Value, EvaluateError> {
    match function {
        Function::Length => text::length(value).map(Value::Int32),
        Function::Lower => Ok(Value::Text(text::lower(value))),
        Function::Upper => Ok(Value::Text(text::upper(value))),
        _ => Ok(Value::text(value.trim_matches(' '))),
    }
}

fn of_two_texts(function: Function, left: &str, right: &str) -> Result<Value, EvaluateError> {
    match function {
        Function::Contains => Ok(Value::Boolean(left.contains(right))),
        Function::StartsWith => Ok(Value::Boolean(left.starts_with(right))),
        Function::EndsWith => Ok(Value::Boolean(left.ends_with(right))),
        Function::Like => text::like(left, right).map(Value::Boolean),
        Function::Position => text::position(left, right).map(Value::Int32),
        _ => Ok(Value::Text(format!("{left}{right}"))),
    }
}

/// A field of a date, time or timestamp; `None` when the type does not have it.
fn field(function: Function, value: &Value) -> Option<Value> {
    let (days, micros) = match value {
        Value::Date(days) => (Some(i64::from(*days)), None),
        Value::Time(micros) => (None, Some(*micros)),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => {
            (Some(micros.div_euclid(MICROS_PER_DAY)), Some(micros.rem_euclid(MICROS_PER_DAY)))
        }
        _ => return None,
    };
    let number = match function {
        Function::Year => calendar::civil_from_days(days?).0,
        Function::Month => i64::from(calendar::civil_from_days(days?).1),
        Function::Day => i64::from(calendar::civil_from_days(days?).2),
        Function::Hour => micros? / MICROS_PER_SECOND / 3600,
        Function::Minute => micros? / MICROS_PER_SECOND / 60 % 60,
        _ => micros? / MICROS_PER_SECOND % 60,
    };
    i32::try_from(number).ok().map(Value::Int32)
}
