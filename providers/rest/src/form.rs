//! Values as they are written in requests, and read from answers that know texts alone or have forms of their own. Pure; it must not know
//! requests.

use portico_provider_api::evaluate::cast_value;
use portico_provider_api::value::Float;
use portico_provider_api::{Codec, ScalarType, Value};
use portico_provider_web::json::{Json, ValueReader};

/// A value as text in its usual form: ISO dates, a point in decimals, `true` and `false`, bytes in base64.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null(_) => String::new(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Float32(number) => float(f64::from(number.0 as f32), (number.0 as f32).to_string()),
        Value::Float64(number) => float(number.0, number.0.to_string()),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => text.clone(),
        Value::Binary(bytes) => base64(bytes),
        Value::Timestamp(_) => as_text(value).replace(' ', "T"),
        Value::TimestampTz(_) => {
            let text = as_text(value).replace(' ', "T");
            if text.ends_with('Z') { text } else { text.trim_end_matches("+00:00").trim_end_matches("+00").to_owned() + "Z" }
        }
        Value::Int16(_) | Value::Int32(_) | Value::Int64(_) | Value::Decimal { .. } | Value::Date(_) | Value::Time(_) => as_text(value),
    }
}

fn as_text(value: &Value) -> String {
    match cast_value(value, ScalarType::Text) {
        Ok(Value::Text(text)) => text,
        Ok(_) | Err(_) => String::new(),
    }
}

fn float(number: f64, finite: String) -> String {
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => finite,
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..4 {
            let shift = 18 - 6 * position;
            let character = ALPHABET.get((bits >> shift & 63) as usize).copied().unwrap_or(b'A');
            text.push(if position > chunk.len() { '=' } else { char::from(character) });
        }
    }
    text
}

/// A value as JSON: numbers as numbers, JSON as it is, all else as text.
pub fn json(value: &Value) -> String {
    match value {
        Value::Null(_) => "null".to_owned(),
        Value::Boolean(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) | Value::Decimal { .. } => text(value),
        Value::Float32(number) | Value::Float64(number) if number.0.is_finite() => text(value),
        Value::Json(text) => text.clone(),
        Value::Float32(_)
        | Value::Float64(_)
        | Value::Text(_)
        | Value::Guid(_)
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_) => serde_json::Value::from(text(value)).to_string(),
    }
}

/// The value in the form in which a column holds it.
///
/// # Errors
/// When the form cannot say the value.
pub fn held(value: &Value, codec: Option<Codec>) -> Result<Value, String> {
    let Some(codec) = codec.filter(|_| !value.is_null()) else { return Ok(value.clone()) };
    let wrong = || format!("a value of type {} cannot be written as {}", value.scalar_type(), codec_name(codec));
    let micros = |value: &Value| match value {
        Value::Timestamp(micros) | Value::TimestampTz(micros) | Value::Time(micros) => Some(*micros),
        _ => None,
    };
    let whole = |factor: i64| {
        let micros = micros(value).ok_or_else(wrong)?;
        if micros % factor == 0 { Ok(Value::Int64(micros / factor)) } else { Err(format!("{}: it would be rounded", wrong())) }
    };
    match codec {
        Codec::DecimalText | Codec::DateText | Codec::TimeText | Codec::TimestampText | Codec::GuidText => Ok(Value::Text(text(value))),
        Codec::DecimalUnscaled => match value {
            Value::Decimal { unscaled, .. } => Ok(Value::Text(unscaled.to_string())),
            _ => Err(wrong()),
        },
        Codec::SapDate => Ok(Value::Text(text(value).replace('-', ""))),
        Codec::DateDays => match value {
            Value::Date(days) => Ok(Value::Int32(*days)),
            _ => Err(wrong()),
        },
        Codec::TimeMicros | Codec::TimestampMicros => whole(1),
        Codec::TimestampMillis => whole(1_000),
        Codec::TimestampSeconds => whole(1_000_000),
        Codec::BoolInt => match value {
            Value::Boolean(flag) => Ok(Value::Int32(i32::from(*flag))),
            _ => Err(wrong()),
        },
        Codec::BoolText | Codec::GuidBytes => Err(wrong()),
    }
}

fn codec_name(codec: Codec) -> String {
    serde_json::to_value(codec).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// How the values of a column are read where that is not the usual way: by its form, or because the answer has texts alone.
pub fn reader(scalar_type: ScalarType, codec: Option<Codec>, texts: bool) -> Option<ValueReader> {
    match codec {
        Some(Codec::SapDate) => Some(sap_date),
        Some(Codec::DateDays) => Some(days),
        Some(Codec::TimestampSeconds) => Some(seconds),
        Some(Codec::TimestampMillis) => Some(millis),
        Some(Codec::TimestampMicros | Codec::TimeMicros) => Some(micros),
        Some(Codec::BoolInt | Codec::BoolText) => Some(flag),
        Some(Codec::DecimalUnscaled) => Some(unscaled),
        Some(Codec::DecimalText | Codec::DateText | Codec::TimeText | Codec::TimestampText | Codec::GuidText | Codec::GuidBytes) => {
            Some(of_text)
        }
        None if matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64) => Some(number),
        None if texts && scalar_type != ScalarType::Json => Some(of_text),
        None => None,
    }
}

/// Forms that this kind reads and writes.
pub fn is_known(codec: Codec) -> bool {
    !matches!(codec, Codec::GuidBytes)
}

fn plain(json: &Json) -> Option<&str> {
    match json {
        Json::Text(text) | Json::Number(text) => Some(text),
        Json::Boolean(true) => Some("true"),
        Json::Boolean(false) => Some("false"),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A value from any text of its type; the empty text is null where the type is not text.
pub fn of_text(json: &Json, to: ScalarType) -> Option<Value> {
    if matches!(json, Json::Null) {
        return Some(Value::Null(to));
    }
    let text = plain(json)?;
    if to == ScalarType::Text {
        return matches!(json, Json::Text(_)).then(|| Value::text(text));
    }
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Some(Value::Null(to));
    }
    parsed(trimmed, to)
}

fn parsed(text: &str, to: ScalarType) -> Option<Value> {
    match to {
        ScalarType::Boolean => match text {
            "true" | "TRUE" | "True" | "1" => Some(Value::Boolean(true)),
            "false" | "FALSE" | "False" | "0" => Some(Value::Boolean(false)),
            _ => None,
        },
        ScalarType::Float32 | ScalarType::Float64 => number(&Json::Text(text.to_owned()), to).or_else(|| {
            let number: f64 = text.parse().ok()?;
            number.is_finite().then(|| of_double(number, text, to))?
        }),
        ScalarType::Binary => binary(text),
        ScalarType::Timestamp => {
            // A zone that is given says which moment is meant.
            let moment = cast_value(&Value::text(text), ScalarType::TimestampTz).ok();
            moment.and_then(|moment| cast_value(&moment, to).ok()).or_else(|| cast_value(&Value::text(text), to).ok())
        }
        ScalarType::Json => serde_json::from_str::<serde_json::Value>(text).ok().map(|_| Value::Json(text.to_owned())),
        ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Decimal { .. }
        | ScalarType::Text
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::TimestampTz
        | ScalarType::Guid => cast_value(&Value::text(text), to).ok(),
    }
}

fn of_double(number: f64, text: &str, to: ScalarType) -> Option<Value> {
    match to {
        ScalarType::Float64 => Some(Value::float64(number)),
        ScalarType::Float32 => {
            text.parse::<f32>().ok().filter(|single| single.is_finite()).map(|single| Value::Float32(Float(single.into())))
        }
        _ => None,
    }
}

/// A float: a number, or the texts that stand for those that JSON cannot say.
fn number(json: &Json, to: ScalarType) -> Option<Value> {
    let special = |number: f64| match to {
        ScalarType::Float32 => Value::Float32(Float(number)),
        _ => Value::float64(number),
    };
    match json {
        Json::Null => Some(Value::Null(to)),
        Json::Number(text) => text.parse::<f64>().ok().filter(|number| number.is_finite()).and_then(|number| of_double(number, text, to)),
        Json::Text(text) => match text.as_str() {
            "NaN" => Some(special(f64::NAN)),
            "Infinity" | "INF" => Some(special(f64::INFINITY)),
            "-Infinity" | "-INF" => Some(special(f64::NEG_INFINITY)),
            _ => None,
        },
        Json::Boolean(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn binary(text: &str) -> Option<Value> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 255) as u8);
        }
    }
    Some(Value::Binary(bytes))
}

/// Bytes as PostgreSQL writes them: `\x00ff`.
pub fn hexadecimal(json: &Json, to: ScalarType) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null(to)),
        Json::Text(text) => {
            let digits: Vec<u32> = text.strip_prefix("\\x")?.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
            let pair = |pair: &[u32]| u8::try_from(pair.first()? * 16 + pair.get(1)?).ok();
            digits.chunks(2).map(pair).collect::<Option<_>>().map(Value::Binary)
        }
        Json::Boolean(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn sap_date(json: &Json, to: ScalarType) -> Option<Value> {
    let text = match json {
        Json::Null => return Some(Value::Null(to)),
        other => plain(other)?.trim(),
    };
    if text.is_empty() || text == "00000000" {
        return Some(Value::Null(to));
    }
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    cast_value(&Value::Text(format!("{year}-{month}-{day}")), to).ok()
}

fn integer(json: &Json) -> Option<i64> {
    json.integer()
}

fn instant(json: &Json, to: ScalarType, factor: i64) -> Option<Value> {
    if matches!(json, Json::Null) {
        return Some(Value::Null(to));
    }
    let micros = integer(json)?.checked_mul(factor)?;
    match to {
        ScalarType::Timestamp => Some(Value::Timestamp(micros)),
        ScalarType::TimestampTz => Some(Value::TimestampTz(micros)),
        ScalarType::Time => Some(Value::Time(micros)).filter(|_| (0..86_400_000_000).contains(&micros)),
        _ => None,
    }
}

fn seconds(json: &Json, to: ScalarType) -> Option<Value> {
    instant(json, to, 1_000_000)
}

fn millis(json: &Json, to: ScalarType) -> Option<Value> {
    instant(json, to, 1_000)
}

fn micros(json: &Json, to: ScalarType) -> Option<Value> {
    instant(json, to, 1)
}

fn days(json: &Json, to: ScalarType) -> Option<Value> {
    if matches!(json, Json::Null) {
        return Some(Value::Null(to));
    }
    integer(json).and_then(|days| i32::try_from(days).ok()).filter(|_| to == ScalarType::Date).map(Value::Date)
}

fn unscaled(json: &Json, to: ScalarType) -> Option<Value> {
    match (json, to) {
        (Json::Null, _) => Some(Value::Null(to)),
        (other, ScalarType::Decimal { precision, scale }) => {
            let digits = plain(other)?;
            let whole = digits.strip_prefix('-').unwrap_or(digits);
            let fits = !whole.is_empty() && whole.bytes().all(|digit| digit.is_ascii_digit()) && whole.len() <= usize::from(precision);
            let unscaled = arrow::datatypes::i256::from_string(digits).filter(|_| fits)?;
            Some(Value::Decimal { unscaled, precision, scale })
        }
        _ => None,
    }
}

fn flag(json: &Json, to: ScalarType) -> Option<Value> {
    let text = match json {
        Json::Null => return Some(Value::Null(to)),
        other => plain(other)?,
    };
    match text {
        "1" | "Y" | "X" | "true" | "T" => Some(Value::Boolean(true)),
        "0" | "N" | "" | "false" | "F" => Some(Value::Boolean(false)),
        _ => None,
    }
    .filter(|_| to == ScalarType::Boolean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_others_read_them() {
        let text = |value: Value| super::text(&value);
        assert_eq!(text(Value::TimestampTz(1_500_000)), "1970-01-01T00:00:01.500Z");
        assert_eq!(text(Value::Timestamp(0)), "1970-01-01T00:00:00");
        assert_eq!(text(Value::Date(0)), "1970-01-01");
        assert_eq!(
            (text(Value::Float32(Float(f64::from(0.1_f32)))), text(Value::float64(f64::NEG_INFINITY))),
            ("0.1".into(), "-Infinity".into())
        );
        for (bytes, encoded) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xff\xfe\xfd\xfc", "//79/A==")] {
            assert_eq!(text(Value::Binary(bytes.to_vec())), encoded);
            assert_eq!(binary(encoded), Some(Value::Binary(bytes.to_vec())));
        }
    }

    #[test]
    fn forms_are_read_back() {
        for (value, codec) in [
            (Value::Date(19_000), Codec::SapDate),
            (Value::Date(19_000), Codec::DateDays),
            (Value::TimestampTz(1_709_208_000_000_000), Codec::TimestampSeconds),
            (Value::Timestamp(1_709_208_000_123_000), Codec::TimestampMillis),
            (Value::Boolean(true), Codec::BoolInt),
            (Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(-1250), precision: 13, scale: 2 }, Codec::DecimalUnscaled),
            (Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(-1250), precision: 13, scale: 2 }, Codec::DecimalText),
        ] {
            let held = text(&held(&value, Some(codec)).unwrap());
            let read = reader(value.scalar_type(), Some(codec), false).unwrap();
            assert_eq!(read(&Json::Text(held), value.scalar_type()), Some(value.clone()), "{codec:?}");
        }
        assert!(held(&Value::TimestampTz(1), Some(Codec::TimestampSeconds)).is_err());
    }

    #[test]
    fn texts_are_values_of_their_type_or_nothing() {
        let read = |text: &str, to| of_text(&Json::Text(text.to_owned()), to);
        assert_eq!(read("7", ScalarType::Int32), Some(Value::Int32(7)));
        assert_eq!(read(" 7 ", ScalarType::Int16), Some(Value::Int16(7)));
        assert_eq!(read("true", ScalarType::Boolean), Some(Value::Boolean(true)));
        assert_eq!(read("", ScalarType::Int32), Some(Value::Null(ScalarType::Int32)));
        assert_eq!(read("", ScalarType::Text), Some(Value::text("")));
        assert_eq!((read("x", ScalarType::Int32), read("2x", ScalarType::Float64)), (None, None));
        assert_eq!(read("1e3", ScalarType::Float64), Some(Value::float64(1000.0)));
    }
}
