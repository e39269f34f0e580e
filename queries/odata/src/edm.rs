//! What the scalar types are called in EDM, and how values of them are read from text. It must not know where the text came from.

use crate::calendar;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portico_provider_api::number::Number;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// The EDM type that stands for a scalar type.
pub(crate) fn type_name(scalar_type: ScalarType) -> &'static str {
    match scalar_type {
        ScalarType::Boolean => "Edm.Boolean",
        ScalarType::Int16 => "Edm.Int16",
        ScalarType::Int32 => "Edm.Int32",
        ScalarType::Int64 => "Edm.Int64",
        ScalarType::Float32 => "Edm.Single",
        ScalarType::Float64 => "Edm.Double",
        ScalarType::Decimal { .. } => "Edm.Decimal",
        ScalarType::Text | ScalarType::Json => "Edm.String",
        ScalarType::Binary => "Edm.Binary",
        ScalarType::Date => "Edm.Date",
        ScalarType::Time => "Edm.TimeOfDay",
        ScalarType::Timestamp | ScalarType::TimestampTz => "Edm.DateTimeOffset",
        ScalarType::Guid => "Edm.Guid",
    }
}

/// Why a number is not a value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The type holds no numbers.
    NotNumeric,
    /// The type holds numbers, but not this one exactly (or, for floats, not in range).
    OutOfRange,
}

/// The value of a numeric type that equals a number; for floats the nearest one.
pub(crate) fn number_value(number: &Number, to: ScalarType) -> Result<Value, Misfit> {
    let integer = || number.to_i64().ok_or(Misfit::OutOfRange);
    match to {
        ScalarType::Int16 => i16::try_from(integer()?).map(Value::Int16).map_err(|_| Misfit::OutOfRange),
        ScalarType::Int32 => i32::try_from(integer()?).map(Value::Int32).map_err(|_| Misfit::OutOfRange),
        ScalarType::Int64 => integer().map(Value::Int64),
        ScalarType::Float32 => {
            let value = number.to_f32();
            if value.is_finite() { Ok(Value::Float32(Float(value.into()))) } else { Err(Misfit::OutOfRange) }
        }
        ScalarType::Float64 => {
            let value = number.to_f64();
            if value.is_finite() { Ok(Value::float64(value)) } else { Err(Misfit::OutOfRange) }
        }
        ScalarType::Decimal { precision, scale } => {
            let unscaled = number.to_decimal(precision, scale).ok_or(Misfit::OutOfRange)?;
            Ok(Value::Decimal { unscaled, precision, scale })
        }
        ScalarType::Boolean
        | ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid
        | ScalarType::Json => Err(Misfit::NotNumeric),
    }
}

/// `NaN`, `INF`, `-INF`.
pub(crate) fn not_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A GUID in canonical form; letters may be of either case.
pub(crate) fn guid(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let well_formed = bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    well_formed.then(|| Value::Guid(text.to_ascii_lowercase()))
}

/// Base64url, with or without padding; the standard alphabet is taken too, as clients send it.
pub(crate) fn binary(text: &str) -> Option<Value> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.replace('+', "-").replace('/', "_");
    GeneralPurpose::new(&alphabet::URL_SAFE, config).decode(text).ok().map(Value::Binary)
}

/// A value of a type whose JSON form is a string with a format of its own: dates, times, GUIDs. `None` when the text is not of that form
/// or the type is another.
pub(crate) fn formatted(text: &str, to: ScalarType) -> Option<Value> {
    match to {
        ScalarType::Date => calendar::parse_date(text).map(Value::Date),
        ScalarType::Time => calendar::parse_time(text).map(Value::Time),
        ScalarType::Timestamp => calendar::parse_timestamp(text).map(Value::Timestamp),
        ScalarType::TimestampTz => calendar::parse_timestamp(text).map(Value::TimestampTz),
        ScalarType::Guid => guid(text),
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Json => None,
    }
}
