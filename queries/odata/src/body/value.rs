//! One JSON value as a value of a column.
#![deny(clippy::wildcard_enum_match_arm)]

use super::reader::Json;
use super::wrong;
use crate::edm::{self, Misfit, type_name};
use crate::error::ODataError;
use crate::number::Number;
use portico_catalog::Column;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// Reads the value of a property.
pub(super) fn read(name: &str, json: &Json, column: &Column) -> Result<Value, ODataError> {
    let to = column.scalar_type;
    let value = match json {
        Json::Null => return Ok(Value::Null(to)),
        Json::Boolean(value) => (to == ScalarType::Boolean).then_some(Value::Boolean(*value)),
        Json::Number(text) => number(name, text, to)?,
        Json::Text(text) => text_value(name, text, to)?,
        Json::Array(_) | Json::Object(_) => None,
    };
    let value = value.ok_or_else(|| {
        let (wanted, found) = (type_name(to), kind(json));
        wrong(name, format!("the property '{name}' is of type {wanted}{}, not {found}", form(to)))
    })?;
    check_length(name, &value, column)?;
    Ok(value)
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Boolean(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::Text(_) => "this string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// How a value of the type is written, for messages.
fn form(to: ScalarType) -> &'static str {
    match to {
        ScalarType::Date => " (\"2026-08-01\")",
        ScalarType::Time => " (\"12:30:00\", to the microsecond)",
        ScalarType::Timestamp | ScalarType::TimestampTz => " (\"2026-08-01T12:30:00Z\", to the microsecond)",
        ScalarType::Guid => " (\"01234567-89ab-cdef-0123-456789abcdef\")",
        ScalarType::Binary => " (base64url)",
        ScalarType::Json => " (a string that holds a JSON document)",
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Text => "",
    }
}

fn number(name: &str, text: &str, to: ScalarType) -> Result<Option<Value>, ODataError> {
    let Some(number) = Number::parse(text) else { return Ok(None) };
    match edm::number_value(&number, to) {
        Ok(value) => Ok(Some(value)),
        Err(Misfit::NotNumeric) => Ok(None),
        Err(Misfit::OutOfRange) => {
            let fits = match to {
                ScalarType::Decimal { precision, scale } => {
                    format!("at most {} digits before the point and {scale} after it", i16::from(precision) - i16::from(scale))
                }
                ScalarType::Float32 | ScalarType::Float64 => "a number in the range of that type".to_owned(),
                ScalarType::Boolean
                | ScalarType::Int16
                | ScalarType::Int32
                | ScalarType::Int64
                | ScalarType::Text
                | ScalarType::Binary
                | ScalarType::Date
                | ScalarType::Time
                | ScalarType::Timestamp
                | ScalarType::TimestampTz
                | ScalarType::Guid
                | ScalarType::Json => "a whole number in the range of that type".to_owned(),
            };
            Err(wrong(name, format!("the property '{name}' is of type {}: the number does not fit, expected {fits}", type_name(to))))
        }
    }
}

/// Strings: text, formatted values, documents; 64-bit integers and decimals too, as `IEEE754Compatible` has them.
fn text_value(name: &str, text: &str, to: ScalarType) -> Result<Option<Value>, ODataError> {
    Ok(match to {
        ScalarType::Text => Some(Value::Text(text.to_owned())),
        ScalarType::Json => serde_json::from_str::<serde::de::IgnoredAny>(text).ok().map(|_| Value::Json(text.to_owned())),
        ScalarType::Binary => edm::binary(text),
        ScalarType::Int64 | ScalarType::Decimal { .. } => number(name, text, to)?,
        ScalarType::Float64 => edm::not_finite(text).map(Value::float64),
        ScalarType::Float32 => edm::not_finite(text).map(|value| Value::Float32(Float(value))),
        ScalarType::Date | ScalarType::Time | ScalarType::Timestamp | ScalarType::TimestampTz | ScalarType::Guid => {
            edm::formatted(text, to)
        }
        ScalarType::Boolean | ScalarType::Int16 | ScalarType::Int32 => None,
    })
}

fn check_length(name: &str, value: &Value, column: &Column) -> Result<(), ODataError> {
    let Some(most) = column.max_length else { return Ok(()) };
    let (length, unit) = match value {
        Value::Text(text) | Value::Json(text) => (text.chars().count(), "characters"),
        Value::Binary(bytes) => (bytes.len(), "bytes"),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Guid(_) => return Ok(()),
    };
    if length > most as usize {
        return Err(wrong(name, format!("the property '{name}' takes at most {most} {unit}, not {length}")));
    }
    Ok(())
}
