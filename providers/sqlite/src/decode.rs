//! From SQLite's values to the IR's, exactly. SQLite lets any column hold anything: what does not fit its declared type is an error
//! that names the column, never a null or another value. It must not know connections.

use crate::decimal_key;
use portico_provider_api::value::Float;
use portico_provider_api::{ColumnBuilder, ScalarType, Value};
use portico_provider_sql::{ResultColumn, Stored, decode, rescale};
use rusqlite::types::ValueRef;

/// SQLite's name for the class of a stored value.
fn class(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "an integer",
        ValueRef::Real(_) => "a real number",
        ValueRef::Text(_) => "text",
        ValueRef::Blob(_) => "a blob",
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "the stored text is not UTF-8".to_owned())
}

/// A value as codecs see it.
pub(crate) fn stored(value: ValueRef<'_>) -> Result<Stored<'_>, String> {
    Ok(match value {
        ValueRef::Null => Stored::Null,
        ValueRef::Integer(number) => Stored::Integer(number),
        ValueRef::Real(number) => Stored::Float(number),
        ValueRef::Text(bytes) => Stored::Text(text(bytes)?),
        ValueRef::Blob(bytes) => Stored::Bytes(bytes),
    })
}

/// A value in the dialect's own form of a type: what computed columns hold, and plain columns without a codec.
pub(crate) fn canonical(scalar_type: ScalarType, value: ValueRef<'_>) -> Result<Value, String> {
    let mismatch = || format!("a {scalar_type} is declared, {} is stored", class(value));
    let too_large = || format!("the stored integer does not fit {scalar_type}");
    if value == ValueRef::Null {
        return Ok(Value::Null(scalar_type));
    }
    Ok(match (scalar_type, value) {
        (ScalarType::Boolean, ValueRef::Integer(number @ (0 | 1))) => Value::Boolean(number == 1),
        (ScalarType::Int16, ValueRef::Integer(number)) => Value::Int16(number.try_into().map_err(|_| too_large())?),
        (ScalarType::Int32, ValueRef::Integer(number)) => Value::Int32(number.try_into().map_err(|_| too_large())?),
        (ScalarType::Int64, ValueRef::Integer(number)) => Value::Int64(number),
        (ScalarType::Float64, ValueRef::Real(number)) => Value::float64(number),
        (ScalarType::Float32, ValueRef::Real(number)) => {
            single(number).ok_or_else(|| "the stored number does not fit float32".to_owned())?
        }
        // A view's expression may yield an integer where its column yields reals.
        (ScalarType::Float64, ValueRef::Integer(number)) if number.unsigned_abs() <= 1 << 53 => Value::float64(number as f64),
        (ScalarType::Float32, ValueRef::Integer(number)) if number.unsigned_abs() <= 1 << 24 => Value::Float32(Float(number as f64)),
        (ScalarType::Decimal { precision, scale }, ValueRef::Blob(key)) => {
            let digits = decimal_key::decode(key).ok_or_else(mismatch)?;
            let unscaled = rescale(digits, precision, scale).ok_or_else(|| format!("the number does not fit {scalar_type}"))?;
            Value::Decimal { unscaled, precision, scale }
        }
        (ScalarType::Text, ValueRef::Text(bytes)) => Value::Text(text(bytes)?.to_owned()),
        (ScalarType::Binary, ValueRef::Blob(bytes)) => Value::Binary(bytes.to_vec()),
        (ScalarType::Date, ValueRef::Integer(number)) => Value::Date(number.try_into().map_err(|_| too_large())?),
        (ScalarType::Time, ValueRef::Integer(number)) => Value::Time(number),
        (ScalarType::Timestamp, ValueRef::Integer(number)) => Value::Timestamp(number),
        (ScalarType::TimestampTz, ValueRef::Integer(number)) => Value::TimestampTz(number),
        (ScalarType::Guid, ValueRef::Text(_)) => decode(portico_provider_api::Codec::GuidText, scalar_type, stored(value)?)?,
        (ScalarType::Json, ValueRef::Text(bytes)) => Value::Json(text(bytes)?.to_owned()),
        // A column declared JSON has numeric affinity: a document that is a number is stored as one.
        (ScalarType::Json, ValueRef::Integer(number)) => Value::Json(number.to_string()),
        (ScalarType::Json, ValueRef::Real(number)) if number.is_finite() => Value::Json(number.to_string()),
        _ => return Err(mismatch()),
    })
}

fn single(number: f64) -> Option<Value> {
    (f64::from(number as f32) == number).then_some(Value::Float32(Float(number)))
}

/// One cell of an answer.
pub(crate) fn cell(column: &ResultColumn, value: ValueRef<'_>) -> Result<Value, String> {
    let decoded = match column.codec {
        Some(codec) => stored(value).and_then(|stored| decode(codec, column.scalar_type, stored)),
        None => canonical(column.scalar_type, value),
    };
    let name = || column.origin.as_deref().unwrap_or(&column.name).to_owned();
    match decoded {
        Ok(value) if value.is_null() && !column.nullable => Err(format!("column '{}': null where no null is declared", name())),
        Ok(value) => Ok(value),
        Err(reason) => Err(format!("column '{}': {reason}", name())),
    }
}

/// Adds a cell to its column and says how many bytes it takes, roughly.
pub(crate) fn append(builder: &mut ColumnBuilder, column: &ResultColumn, value: ValueRef<'_>) -> Result<usize, String> {
    // The two commonest cases are not looked at twice.
    if let (None, ScalarType::Text, ValueRef::Text(bytes)) = (column.codec, column.scalar_type, value) {
        let named = |reason| format!("column '{}': {reason}", column.origin.as_deref().unwrap_or(&column.name));
        return builder.append_text(text(bytes).map_err(named)?);
    }
    if let (None, ScalarType::Int64, ValueRef::Integer(number)) = (column.codec, column.scalar_type, value) {
        return builder.append(Value::Int64(number));
    }
    builder.append(cell(column, value)?)
}
