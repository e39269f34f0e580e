//! Values between their declared type and the form in which a column holds them. It must not know how either is sent.

use crate::civil;
use crate::decimal::{self, Digits};
use arrow::datatypes::i256;
use portico_provider_api::{Codec, ScalarType, Value};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A stored value, as far as codecs look at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stored<'a> {
    /// Null.
    Null,
    /// Text.
    Text(&'a str),
    /// An integer.
    Integer(i64),
    /// A double.
    Float(f64),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The value that a stored form stands for.
///
/// # Errors
/// Says what is wrong when the form does not fit; never with the value itself, which may be confidential.
pub fn decode(codec: Codec, scalar_type: ScalarType, stored: Stored<'_>) -> Result<Value, String> {
    if stored == Stored::Null {
        return Ok(Value::Null(scalar_type));
    }
    let value = match codec {
        Codec::DecimalText => decode_decimal(scalar_type, stored),
        Codec::DecimalUnscaled => decode_unscaled(scalar_type, stored),
        Codec::DateText => text(stored).and_then(civil::parse_date).map(Value::Date),
        Codec::SapDate => return decode_sap_date(scalar_type, stored).ok_or_else(|| mismatch(codec, scalar_type)),
        Codec::DateDays => integer(stored).and_then(|days| i32::try_from(days).ok()).map(Value::Date),
        Codec::TimeText => text(stored).and_then(civil::parse_time).map(Value::Time),
        Codec::TimeMicros => integer(stored).filter(|micros| (0..86_400 * MICROS_PER_SECOND).contains(micros)).map(Value::Time),
        Codec::TimestampText => match scalar_type {
            ScalarType::TimestampTz => text(stored).and_then(civil::parse_timestamp_tz).map(Value::TimestampTz),
            _ => text(stored).and_then(civil::parse_timestamp).map(Value::Timestamp),
        },
        Codec::TimestampSeconds => decode_instant(scalar_type, stored, MICROS_PER_SECOND),
        Codec::TimestampMillis => decode_instant(scalar_type, stored, 1_000),
        Codec::TimestampMicros => decode_instant(scalar_type, stored, 1),
        Codec::GuidText => text(stored).and_then(guid_text).map(Value::Guid),
        Codec::GuidBytes => match stored {
            Stored::Bytes(bytes) => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Value::Guid(guid_of(bytes))),
            Stored::Null | Stored::Text(_) | Stored::Integer(_) | Stored::Float(_) => None,
        },
        Codec::BoolInt => match integer(stored) {
            Some(0) => Some(Value::Boolean(false)),
            Some(1) => Some(Value::Boolean(true)),
            _ => None,
        },
        Codec::BoolText => decode_bool_text(stored),
    };
    value.ok_or_else(|| mismatch(codec, scalar_type))
}

fn mismatch(codec: Codec, scalar_type: ScalarType) -> String {
    format!("the stored value is not a {scalar_type} held as {}", name(codec))
}

fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::DecimalText => "decimal text",
        Codec::DecimalUnscaled => "unscaled digits",
        Codec::DateText => "YYYY-MM-DD",
        Codec::SapDate => "YYYYMMDD",
        Codec::DateDays => "days",
        Codec::TimeText => "HH:MM:SS[.ffffff]",
        Codec::TimeMicros => "microseconds since midnight",
        Codec::TimestampText => "ISO 8601 text",
        Codec::TimestampSeconds => "seconds since 1970",
        Codec::TimestampMillis => "milliseconds since 1970",
        Codec::TimestampMicros => "microseconds since 1970",
        Codec::GuidText => "36 characters",
        Codec::GuidBytes => "16 bytes",
        Codec::BoolInt => "0 or 1",
        Codec::BoolText => "Y/N, X/empty, true/false, T/F or 1/0",
    }
}

fn text(stored: Stored<'_>) -> Option<&str> {
    match stored {
        Stored::Text(text) => Some(text),
        Stored::Null | Stored::Integer(_) | Stored::Float(_) | Stored::Bytes(_) => None,
    }
}

fn integer(stored: Stored<'_>) -> Option<i64> {
    match stored {
        Stored::Integer(value) => Some(value),
        Stored::Null | Stored::Text(_) | Stored::Float(_) | Stored::Bytes(_) => None,
    }
}

/// The digits of a decimal held in text or, where a database turns such text into numbers, in a number. A double stands for the
/// shortest decimal that it is nearest to.
pub(crate) fn decimal_digits(stored: Stored<'_>) -> Option<Digits> {
    match stored {
        Stored::Text(text) => decimal::parse_decimal(text),
        Stored::Integer(value) => Some(Digits { unscaled: i256::from_i128(i128::from(value)), scale: 0 }),
        Stored::Float(value) if value.is_finite() => decimal::parse_decimal(&format!("{value}")),
        Stored::Float(_) | Stored::Null | Stored::Bytes(_) => None,
    }
}

fn decimal_value(scalar_type: ScalarType, digits: Digits) -> Option<Value> {
    let ScalarType::Decimal { precision, scale } = scalar_type else { return None };
    decimal::rescale(digits, precision, scale).map(|unscaled| Value::Decimal { unscaled, precision, scale })
}

fn decode_decimal(scalar_type: ScalarType, stored: Stored<'_>) -> Option<Value> {
    decimal_value(scalar_type, decimal_digits(stored)?)
}

fn decode_unscaled(scalar_type: ScalarType, stored: Stored<'_>) -> Option<Value> {
    let ScalarType::Decimal { scale, .. } = scalar_type else { return None };
    decimal_value(scalar_type, Digits { unscaled: i256::from_i128(i128::from(integer(stored)?)), scale })
}

fn decode_sap_date(scalar_type: ScalarType, stored: Stored<'_>) -> Option<Value> {
    match stored {
        Stored::Text("" | "00000000") | Stored::Integer(0) => Some(Value::Null(scalar_type)),
        Stored::Text(text) => civil::parse_compact_date(text).map(Value::Date),
        // A column of numeric affinity turns the eight digits into a number.
        Stored::Integer(number) => civil::parse_compact_date(&format!("{number:08}")).map(Value::Date),
        Stored::Null | Stored::Float(_) | Stored::Bytes(_) => None,
    }
}

fn decode_instant(scalar_type: ScalarType, stored: Stored<'_>, unit: i64) -> Option<Value> {
    let micros = integer(stored)?.checked_mul(unit)?;
    Some(if scalar_type == ScalarType::TimestampTz { Value::TimestampTz(micros) } else { Value::Timestamp(micros) })
}

fn decode_bool_text(stored: Stored<'_>) -> Option<Value> {
    let value = match stored {
        Stored::Text("Y" | "y" | "X" | "x" | "T" | "t" | "1") | Stored::Integer(1) => true,
        Stored::Text("N" | "n" | "" | "F" | "f" | "0") | Stored::Integer(0) => false,
        Stored::Text(text) if text.eq_ignore_ascii_case("true") => true,
        Stored::Text(text) if text.eq_ignore_ascii_case("false") => false,
        Stored::Null | Stored::Text(_) | Stored::Integer(_) | Stored::Float(_) | Stored::Bytes(_) => return None,
    };
    Some(Value::Boolean(value))
}

/// The canonical form of a GUID's 36 characters.
pub(crate) fn guid_text(text: &str) -> Option<String> {
    let well_formed = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() });
    well_formed.then(|| text.to_ascii_lowercase())
}

fn guid_of(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

pub(crate) fn guid_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: String = guid_text(text)?.chars().filter(|character| *character != '-').collect();
    (0..16).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()).collect()
}

/// The form in which a column with this codec holds a value. The inverse of [`decode`].
///
/// # Errors
/// Says why when the column cannot hold the value exactly.
pub fn encode(codec: Codec, scalar_type: ScalarType, value: &Value) -> Result<Value, String> {
    let stored = match (codec, value) {
        (_, Value::Null(_)) => Some(Value::Null(stored_type(codec))),
        (Codec::DecimalText, Value::Decimal { unscaled, scale, .. }) => {
            fitted(scalar_type, *unscaled, *scale).map(|(unscaled, scale)| Value::Text(decimal::format_decimal(unscaled, scale)))
        }
        (Codec::DecimalUnscaled, Value::Decimal { unscaled, scale, .. }) => fitted(scalar_type, *unscaled, *scale)
            .and_then(|(unscaled, _)| unscaled.to_i128())
            .and_then(|unscaled| i64::try_from(unscaled).ok())
            .map(Value::Int64),
        (Codec::DateText, Value::Date(days)) => civil::format_date(*days).map(Value::Text),
        (Codec::SapDate, Value::Date(days)) => civil::format_date(*days).map(|text| Value::Text(text.replace('-', ""))),
        (Codec::DateDays, Value::Date(days)) => Some(Value::Int64(i64::from(*days))),
        (Codec::TimeText, Value::Time(micros)) => Some(Value::Text(civil::format_time(*micros))),
        (Codec::TimeMicros, Value::Time(micros)) => Some(Value::Int64(*micros)),
        (Codec::TimestampText, Value::Timestamp(micros)) => civil::format_timestamp(*micros).map(Value::Text),
        (Codec::TimestampText, Value::TimestampTz(micros)) => {
            civil::format_timestamp(*micros).map(|text| Value::Text(format!("{}Z", text.replace(' ', "T"))))
        }
        (Codec::TimestampSeconds, Value::Timestamp(micros) | Value::TimestampTz(micros)) => whole(*micros, MICROS_PER_SECOND),
        (Codec::TimestampMillis, Value::Timestamp(micros) | Value::TimestampTz(micros)) => whole(*micros, 1_000),
        (Codec::TimestampMicros, Value::Timestamp(micros) | Value::TimestampTz(micros)) => Some(Value::Int64(*micros)),
        (Codec::GuidText, Value::Guid(text)) => guid_text(text).map(Value::Text),
        (Codec::GuidBytes, Value::Guid(text)) => guid_bytes(text).map(Value::Binary),
        (Codec::BoolInt, Value::Boolean(value)) => Some(Value::Int64(i64::from(*value))),
        // Which of the spellings a column uses is not known.
        (Codec::BoolText, Value::Boolean(_)) => {
            return Err("a boolean held in text cannot be written: its spelling is not known".to_owned());
        }
        _ => None,
    };
    stored.ok_or_else(|| format!("the value cannot be held exactly as {} ({scalar_type})", name(codec)))
}

fn fitted(scalar_type: ScalarType, unscaled: i256, scale: i8) -> Option<(i256, i8)> {
    let ScalarType::Decimal { precision, scale: wanted } = scalar_type else { return None };
    Some((decimal::rescale(Digits { unscaled, scale }, precision, wanted)?, wanted))
}

fn whole(micros: i64, unit: i64) -> Option<Value> {
    (micros % unit == 0).then_some(Value::Int64(micros / unit))
}

/// The type of the stored form.
pub fn stored_type(codec: Codec) -> ScalarType {
    match codec {
        Codec::DecimalText
        | Codec::DateText
        | Codec::SapDate
        | Codec::TimeText
        | Codec::TimestampText
        | Codec::GuidText
        | Codec::BoolText => ScalarType::Text,
        Codec::DecimalUnscaled
        | Codec::DateDays
        | Codec::TimeMicros
        | Codec::TimestampSeconds
        | Codec::TimestampMillis
        | Codec::TimestampMicros
        | Codec::BoolInt => ScalarType::Int64,
        Codec::GuidBytes => ScalarType::Binary,
    }
}
