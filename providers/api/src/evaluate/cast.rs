//! Conversions between types. What cannot be represented is an error; fractions are cut off towards zero when a number becomes
//! an integer, and rounded half away from zero when it becomes a decimal of a smaller scale, as DataFusion does.

use super::EvaluateError;
use super::calendar::{self, MICROS_PER_DAY};
use super::decimal::{self, Rounding};
use crate::types::ScalarType;
use crate::value::{Float, Value};

fn does_not_fit(value: &Value, to: ScalarType) -> EvaluateError {
    EvaluateError::Data(format!("a value of type {} does not fit {to}", value.scalar_type()))
}

fn not_a(to: ScalarType) -> EvaluateError {
    EvaluateError::Data(format!("a text is not a {to}"))
}

/// Converts a value. Null becomes the null of the target type.
///
/// # Errors
/// `Data` when the value cannot be represented, `Unsupported` when there is no conversion between the types.
pub fn cast_value(value: &Value, to: ScalarType) -> Result<Value, EvaluateError> {
    let none = || EvaluateError::Unsupported(format!("a cast from {} to {to}", value.scalar_type()));
    if value.is_null() {
        return Ok(Value::Null(to));
    }
    if value.scalar_type() == to {
        return Ok(value.clone());
    }
    match to {
        ScalarType::Boolean => match value {
            Value::Text(text) => boolean_from_text(text),
            _ => Err(none()),
        },
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => to_integer(value, to)?.ok_or_else(none),
        ScalarType::Float32 | ScalarType::Float64 => to_float(value, to)?.ok_or_else(none),
        ScalarType::Decimal { precision, scale } => to_decimal(value, precision, scale)?.ok_or_else(none),
        ScalarType::Text => to_text(value)?.map(Value::Text).ok_or_else(none),
        ScalarType::Binary => match value {
            Value::Text(text) => Ok(Value::Binary(text.as_bytes().to_vec())),
            _ => Err(none()),
        },
        ScalarType::Date => match value {
            Value::Timestamp(micros) | Value::TimestampTz(micros) => date(micros.div_euclid(MICROS_PER_DAY), value),
            Value::Text(text) => date(calendar::date_from_text(text)?, value),
            _ => Err(none()),
        },
        ScalarType::Time => match value {
            Value::Timestamp(micros) | Value::TimestampTz(micros) => Ok(Value::Time(micros.rem_euclid(MICROS_PER_DAY))),
            Value::Text(text) => calendar::time_from_text(text).map(Value::Time),
            _ => Err(none()),
        },
        ScalarType::Timestamp => match value {
            Value::Date(days) => Ok(Value::Timestamp(i64::from(*days) * MICROS_PER_DAY)),
            Value::TimestampTz(micros) => Ok(Value::Timestamp(*micros)),
            Value::Text(text) => calendar::timestamp_from_text(text).map(Value::Timestamp),
            _ => Err(none()),
        },
        ScalarType::TimestampTz => match value {
            Value::Date(days) => Ok(Value::TimestampTz(i64::from(*days) * MICROS_PER_DAY)),
            Value::Timestamp(micros) => Ok(Value::TimestampTz(*micros)),
            Value::Text(text) => calendar::instant_from_text(text).map(Value::TimestampTz),
            _ => Err(none()),
        },
        ScalarType::Guid => match value {
            Value::Text(text) => canonical_guid(text).map(Value::Guid).ok_or_else(|| not_a(to)),
            _ => Err(none()),
        },
        ScalarType::Json => match value {
            Value::Text(text) => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => Ok(Value::Json(text.clone())),
                Err(_) => Err(not_a(to)),
            },
            _ => Err(none()),
        },
    }
}

fn date(days: i64, value: &Value) -> Result<Value, EvaluateError> {
    i32::try_from(days).map(Value::Date).map_err(|_| does_not_fit(value, ScalarType::Date))
}

fn boolean_from_text(text: &str) -> Result<Value, EvaluateError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(Value::Boolean(true)),
        "false" | "f" | "0" => Ok(Value::Boolean(false)),
        _ => Err(not_a(ScalarType::Boolean)),
    }
}

/// The canonical text of a GUID: 8-4-4-4-12 hexadecimal digits in lower case.
fn canonical_guid(text: &str) -> Option<String> {
    let well_formed = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() });
    well_formed.then(|| text.to_ascii_lowercase())
}

fn to_integer(value: &Value, to: ScalarType) -> Result<Option<Value>, EvaluateError> {
    let number: i64 = match value {
        Value::Boolean(flag) => i64::from(*flag),
        Value::Float32(Float(number)) | Value::Float64(Float(number)) => {
            let whole = number.trunc();
            // 2^63 is exactly representable as a double, the greatest int64 is not.
            if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
                return Err(does_not_fit(value, to));
            }
            whole as i64
        }
        Value::Decimal { unscaled, scale, .. } => {
            let whole = decimal::drop_digits(*unscaled, u32::from(scale.unsigned_abs()), Rounding::Truncate);
            let whole = whole.and_then(arrow::datatypes::i256::to_i128).and_then(|whole| i64::try_from(whole).ok());
            whole.ok_or_else(|| does_not_fit(value, to))?
        }
        Value::Text(text) => text.parse().map_err(|_| not_a(to))?,
        other => match other.as_integer() {
            Some(number) => number,
            None => return Ok(None),
        },
    };
    let misfit = |_| does_not_fit(value, to);
    Ok(Some(match to {
        ScalarType::Int16 => Value::Int16(i16::try_from(number).map_err(misfit)?),
        ScalarType::Int32 => Value::Int32(i32::try_from(number).map_err(misfit)?),
        _ => Value::Int64(number),
    }))
}

fn to_float(value: &Value, to: ScalarType) -> Result<Option<Value>, EvaluateError> {
    let number: f64 = match value {
        Value::Float32(Float(number)) | Value::Float64(Float(number)) => *number,
        Value::Boolean(flag) => f64::from(u8::from(*flag)),
        // Through text, because only that is correctly rounded for every digit count.
        Value::Decimal { unscaled, scale, .. } => parse_float(&decimal::to_text(*unscaled, *scale), to)?,
        Value::Text(text) => parse_float(text, to)?,
        other => match other.as_integer() {
            // An int64 goes to a single in one rounding, not two.
            Some(number) if to == ScalarType::Float32 => f64::from(number as f32),
            Some(number) => number as f64,
            None => return Ok(None),
        },
    };
    Ok(Some(match to {
        ScalarType::Float32 => {
            let single = number as f32;
            if single.is_infinite() && number.is_finite() {
                return Err(does_not_fit(value, to));
            }
            Value::Float32(Float(f64::from(single)))
        }
        _ => Value::Float64(Float(number)),
    }))
}

fn parse_float(text: &str, to: ScalarType) -> Result<f64, EvaluateError> {
    match to {
        ScalarType::Float32 => text.parse::<f32>().map(f64::from),
        _ => text.parse::<f64>(),
    }
    .map_err(|_| not_a(to))
}

fn to_decimal(value: &Value, precision: u8, scale: i8) -> Result<Option<Value>, EvaluateError> {
    let unscaled = match value {
        Value::Decimal { unscaled, scale: own, .. } => decimal::rescale(*unscaled, *own, precision, scale, Rounding::HalfAwayFromZero)?,
        Value::Float32(Float(number)) | Value::Float64(Float(number)) if number.is_finite() => {
            // The shortest text that reads back as the number is what a person means by it.
            let text = if matches!(value, Value::Float32(_)) { format!("{:e}", *number as f32) } else { format!("{number:e}") };
            decimal::from_text(&text, precision, scale)?
        }
        Value::Float32(_) | Value::Float64(_) => return Err(does_not_fit(value, ScalarType::Decimal { precision, scale })),
        Value::Text(text) => decimal::from_text(text, precision, scale)?,
        other => match other.as_integer() {
            Some(number) => decimal::rescale_exactly(i128::from(number).into(), 0, precision, scale)?,
            None => return Ok(None),
        },
    };
    Ok(Some(Value::Decimal { unscaled, precision, scale }))
}

fn to_text(value: &Value) -> Result<Option<String>, EvaluateError> {
    Ok(Some(match value {
        Value::Boolean(flag) => flag.to_string(),
        Value::Int16(number) => number.to_string(),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Float32(Float(number)) => format!("{:?}", *number as f32),
        Value::Float64(Float(number)) => format!("{number:?}"),
        Value::Decimal { unscaled, scale, .. } => decimal::to_text(*unscaled, *scale),
        Value::Date(days) => calendar::date_to_text(i64::from(*days)),
        Value::Time(micros) => calendar::time_to_text(*micros),
        Value::Timestamp(micros) => calendar::timestamp_to_text(*micros),
        Value::TimestampTz(micros) => format!("{}Z", calendar::timestamp_to_text(*micros)),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => text.clone(),
        Value::Binary(bytes) => String::from_utf8(bytes.clone()).map_err(|_| EvaluateError::Data("bytes are not UTF-8 text".to_owned()))?,
        Value::Null(_) => return Ok(None),
    }))
}
