//! One JSON value as a value of a scalar type: exact, or not at all. It must not know where the value stands.
#![deny(clippy::wildcard_enum_match_arm)]

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::json::Token;
use portico_provider_api::number::{self, Number};
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// Characters of a value that are shown in a message.
const SHOWN: usize = 40;

/// The value, if it is one of the type: numbers as numbers; 64-bit integers and decimals also as texts; dates, times and GUIDs as texts in their
/// ISO forms; bytes in base64 of either alphabet. JSON columns take any value and are read elsewhere.
pub(super) fn scalar(token: &Token<'_>, to: ScalarType) -> Option<Value> {
    match token {
        Token::Null => Some(Value::Null(to)),
        Token::Boolean(value) => (to == ScalarType::Boolean).then_some(Value::Boolean(*value)),
        Token::Number(text) => numeric(text, to),
        Token::Text(text) => textual(text, to),
        Token::Array | Token::Object => None,
    }
}

fn numeric(text: &str, to: ScalarType) -> Option<Value> {
    match to {
        ScalarType::Int16 => number::integer(text).and_then(|value| i16::try_from(value).ok()).map(Value::Int16),
        ScalarType::Int32 => number::integer(text).and_then(|value| i32::try_from(value).ok()).map(Value::Int32),
        ScalarType::Int64 => number::integer(text).map(Value::Int64),
        ScalarType::Float32 => number::single(text).map(|value| Value::Float32(Float(value.into()))),
        ScalarType::Float64 => number::double(text).map(Value::float64),
        ScalarType::Decimal { precision, scale } => {
            number::decimal(text, precision, scale).map(|unscaled| Value::Decimal { unscaled, precision, scale })
        }
        ScalarType::Boolean
        | ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid
        | ScalarType::Json => None,
    }
}

fn textual(text: &str, to: ScalarType) -> Option<Value> {
    let cast = |text: &str, to| cast_value(&Value::text(text), to).ok();
    match to {
        ScalarType::Text => Some(Value::text(text)),
        ScalarType::Int64 | ScalarType::Decimal { .. } => numeric(text, to),
        ScalarType::Float64 => not_finite(text).map(Value::float64),
        ScalarType::Float32 => not_finite(text).map(|value| Value::Float32(Float(value))),
        ScalarType::Date | ScalarType::Guid => cast(text, to),
        ScalarType::Time => cast(&without_zeros(text), to),
        ScalarType::TimestampTz => cast(&without_zeros(text), to),
        // A zone that is given says which moment is meant; the column shows it as UTC does.
        ScalarType::Timestamp => cast(&without_zeros(text), ScalarType::TimestampTz).and_then(|moment| cast_value(&moment, to).ok()),
        ScalarType::Binary => binary(text),
        ScalarType::Boolean | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Json => None,
    }
}

/// Digits of a second beyond the sixth are left out where they are zeros: they say nothing.
fn without_zeros(text: &str) -> String {
    let Some(point) = text.find('.') else { return text.to_owned() };
    let (before, after) = text.split_at(point + 1);
    let end = after.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(after.len());
    let (digits, zone) = after.split_at(end);
    match digits.split_at_checked(6) {
        Some((kept, rest)) if rest.bytes().all(|byte| byte == b'0') => format!("{before}{kept}{zone}"),
        _ => text.to_owned(),
    }
}

fn not_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn binary(text: &str) -> Option<Value> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.replace('+', "-").replace('/', "_");
    GeneralPurpose::new(&alphabet::URL_SAFE, config).decode(text).ok().map(Value::Binary)
}

/// Why a value is none of the type, for a person.
pub(super) fn misfit(token: &Token<'_>, to: impl std::fmt::Display, numeric: bool) -> String {
    let cut = |text: &str| match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    };
    match token {
        Token::Null => format!("null, where a value of type {to} is needed"),
        Token::Boolean(value) => format!("{value} is no {to}"),
        Token::Number(text) if numeric => format!("{} does not fit {to}", cut(text)),
        Token::Text(text) if numeric && Number::parse(text).is_some() => format!("\"{}\" does not fit {to}", cut(text)),
        Token::Number(text) => format!("{} is no {to}", cut(text)),
        Token::Text(text) => format!("\"{}\" is no {to}", cut(text)),
        Token::Array => format!("an array is no {to}"),
        Token::Object => format!("an object is no {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::i256;

    fn text(text: &str, to: ScalarType) -> Option<Value> {
        scalar(&Token::Text(text.into()), to)
    }

    #[test]
    fn values_are_exact_or_refused() {
        let (money, number) = (ScalarType::Decimal { precision: 13, scale: 2 }, |text, to| scalar(&Token::Number(text), to));
        let decimal = |unscaled: i128| Value::Decimal { unscaled: i256::from_i128(unscaled), precision: 13, scale: 2 };
        // As a double this would be 90071992547.40992 and more.
        assert_eq!(number("90071992547.41", money), Some(decimal(9_007_199_254_741)));
        assert_eq!((text("12.50", money), number("0.005", money), text("abc", money)), (Some(decimal(1250)), None, None));
        assert_eq!(number("9007199254740993", ScalarType::Int64), Some(Value::Int64(9_007_199_254_740_993)));
        assert_eq!(text("9223372036854775807", ScalarType::Int64), Some(Value::Int64(i64::MAX)));
        assert_eq!((number("40000", ScalarType::Int16), text("1", ScalarType::Int32), number("1", ScalarType::Text)), (None, None, None));
        assert_eq!((number("1", ScalarType::Boolean), text("true", ScalarType::Boolean)), (None, None));
        assert_eq!(
            (text("-INF", ScalarType::Float64), number("1e999", ScalarType::Float64)),
            (Some(Value::float64(f64::NEG_INFINITY)), None)
        );
        assert_eq!(text("_-8=", ScalarType::Binary), text("/+8", ScalarType::Binary));
        assert_eq!(text("/+8", ScalarType::Binary), Some(Value::Binary(vec![255, 239])));
        assert_eq!(text("A", ScalarType::Binary), None);
    }

    #[test]
    fn dates_are_iso() {
        assert_eq!(text("1970-01-02", ScalarType::Date), Some(Value::Date(1)));
        assert_eq!((text("1970-02-30", ScalarType::Date), text("02.01.1970", ScalarType::Date)), (None, None));
        assert_eq!(text("00:00:01.5", ScalarType::Time), Some(Value::Time(1_500_000)));
        for (written, micros) in [
            ("1970-01-01T00:00:01Z", Some(1_000_000)),
            ("1970-01-01T02:00:01+02:00", Some(1_000_000)),
            ("1970-01-01T00:00:00.1234560Z", Some(123_456)),
            ("1970-01-01T00:00:00.1234567Z", None),
            ("1970-01-01T00:00:01", Some(1_000_000)),
            ("yesterday", None),
        ] {
            assert_eq!(text(written, ScalarType::TimestampTz), micros.map(Value::TimestampTz), "{written}");
            assert_eq!(text(written, ScalarType::Timestamp), micros.map(Value::Timestamp), "{written}");
        }
        let guid = "01234567-89AB-CDEF-0123-456789ABCDEF";
        assert_eq!(text(guid, ScalarType::Guid), Some(Value::Guid(guid.to_lowercase())));
    }
}
