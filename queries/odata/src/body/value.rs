//! One JSON value as a value of a column or parameter. It must not know where the value goes.
#![deny(clippy::wildcard_enum_match_arm)]

use super::{enumeration, wrong};
use crate::duration;
use crate::edm::{self, Misfit, type_name};
use crate::error::ODataError;
use crate::spatial::{self, Geometry};
use crate::value_type::ValueType;
use portico_catalog::spatial::{SpatialColumn, SpatialType};
use portico_catalog::{Column, Enumeration};
use portico_provider_api::json::Json;
use portico_provider_api::number::Number;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

/// What a value must be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its type as clients see it.
    pub(super) value_type: ValueType,
    /// Greatest length in characters or bytes.
    pub(super) max_length: Option<u32>,
    /// How the column holds spatial values.
    pub(super) spatial: Option<SpatialColumn>,
}

impl Wanted {
    pub(super) fn of(column: &Column) -> Wanted {
        Wanted { value_type: ValueType::of_column(column), max_length: column.max_length, spatial: column.spatial }
    }
}

pub(super) fn value_type(scalar_type: ScalarType, enumeration: Option<&Arc<Enumeration>>) -> ValueType {
    match enumeration {
        Some(enumeration) => ValueType::Enumeration(Arc::clone(enumeration), scalar_type),
        None => ValueType::Scalar(scalar_type),
    }
}

/// Reads a value. `name` is that of the property or parameter, for messages.
pub(super) fn read(name: &str, json: &Json, wanted: &Wanted) -> Result<Value, ODataError> {
    let to = wanted.value_type.scalar();
    let value = match (json, &wanted.value_type) {
        (Json::Null, _) => return Ok(Value::Null(to)),
        (Json::Text(text), ValueType::Duration) => duration::parse(text).map(Value::Int64),
        (_, ValueType::Duration) => None,
        (Json::Text(text), ValueType::Enumeration(enumeration, _)) => return enumeration::named(name, text, enumeration, to),
        (Json::Number(text), ValueType::Enumeration(enumeration, _)) => return enumeration::numbered(name, text, enumeration, to),
        (_, ValueType::Enumeration(..)) => None,
        (json, ValueType::Spatial(of)) => match &wanted.spatial {
            Some(column) => Some(Value::Text(spatial::stored(&place(name, json, of)?, column))),
            None => None,
        },
        (Json::Boolean(value), ValueType::Scalar(_)) => (to == ScalarType::Boolean).then_some(Value::Boolean(*value)),
        (Json::Number(text), ValueType::Scalar(_)) => number(name, text, to)?,
        (Json::Text(text), ValueType::Scalar(_)) => text_value(name, text, to)?,
        (Json::Array(_) | Json::Object(_), ValueType::Scalar(_)) => None,
    };
    let value = value.ok_or_else(|| {
        let (wanted, form) = match &wanted.value_type {
            ValueType::Scalar(_) => (type_name(to).to_owned(), form(to)),
            ValueType::Duration => ("Edm.Duration".to_owned(), " (\"P1DT12H30M5.25S\", to the microsecond)"),
            ValueType::Spatial(of) => (format!("Edm.{}", of.name()), ""),
            ValueType::Enumeration(enumeration, _) => (enumeration.name.clone(), " (a string with the name of a member)"),
        };
        wrong(name, format!("the property '{name}' is of type {wanted}{form}, not {}", kind(json)))
    })?;
    check_length(name, &value, wanted.max_length)?;
    Ok(value)
}

/// A spatial value, as GeoJSON.
fn place(name: &str, json: &Json, of: &SpatialType) -> Result<Geometry, ODataError> {
    spatial::from_json(json, of).map_err(|why| wrong(name, format!("the property '{name}' is of type Edm.{}: {why}", of.name())))
}

/// Degrees north and degrees east of a point, as values of the columns that hold it.
pub(super) fn point(
    name: &str,
    json: &Json,
    latitude: &Column,
    longitude: &Column,
    of: &SpatialType,
) -> Result<(Value, Value), ODataError> {
    if *json == Json::Null {
        return Ok((Value::Null(latitude.scalar_type), Value::Null(longitude.scalar_type)));
    }
    let Geometry::Point(position) = place(name, json, of)? else { return Err(wrong(name, format!("the property '{name}' is a point"))) };
    if position.z.is_some() {
        return Err(wrong(name, format!("the property '{name}' has no altitude: give longitude and latitude")));
    }
    let coordinate = |degrees: f64, to: ScalarType| {
        let value = number(name, &degrees.to_string(), to)?;
        value.ok_or_else(|| wrong(name, format!("the property '{name}' has no coordinates of type {}", type_name(to))))
    };
    Ok((coordinate(position.y, latitude.scalar_type)?, coordinate(position.x, longitude.scalar_type)?))
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

fn check_length(name: &str, value: &Value, max_length: Option<u32>) -> Result<(), ODataError> {
    let Some(most) = max_length else { return Ok(()) };
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
