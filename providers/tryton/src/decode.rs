//! The server's values: out of its JSON, and into it. Decimals, dates and the like are objects with a `__class__`. Pure; it must not know where values stand.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::fields::Kind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portico_provider_api::evaluate::{cast_value, civil_from_days, days_from_civil};
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, TableColumn, Value};
use portico_provider_web::json::{Json, JsonColumn, JsonType, Missing};
use serde_json::json;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A column of a page of records.
pub fn column(column: &TableColumn) -> JsonColumn {
    let plain = JsonColumn::scalar(column.name.clone(), column.scalar_type);
    // A query without rows of its own, such as a report, has no versions.
    let missing = if column.name == "_timestamp" { Missing::Null } else { Missing::Refused };
    let reader = (column.scalar_type != ScalarType::Json).then_some(value as _);
    JsonColumn { nullable: column.nullable, missing, reader, json_type: JsonType::Scalar(column.scalar_type), ..plain }
}

/// A value of the server's as one of a type; `None` where it is none of it.
pub fn value(json: &Json, to: ScalarType) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null(to)),
        Json::Boolean(value) => (to == ScalarType::Boolean).then_some(Value::Boolean(*value)),
        Json::Number(text) => number(text, to),
        Json::Text(text) => (to == ScalarType::Text).then(|| Value::text(text.clone())),
        Json::Object(_) => object(json, to),
        Json::Array(_) => None,
    }
}

fn number(text: &str, to: ScalarType) -> Option<Value> {
    match to {
        // SQLite has no booleans, and of some the server makes none.
        ScalarType::Boolean => match text {
            "0" => Some(Value::Boolean(false)),
            "1" => Some(Value::Boolean(true)),
            _ => None,
        },
        ScalarType::Int32 => text.parse().ok().map(Value::Int32),
        ScalarType::Int64 => text.parse().ok().map(Value::Int64),
        ScalarType::Float64 => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::float64),
        ScalarType::Decimal { .. } => decimal(text, to),
        ScalarType::Int16
        | ScalarType::Float32
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

fn object(json: &Json, to: ScalarType) -> Option<Value> {
    let class = json.member("__class__")?.text()?;
    let part = |name: &str| json.member(name).and_then(Json::integer);
    let days = || days_from_civil(part("year")?, u32::try_from(part("month")?).ok()?, u32::try_from(part("day")?).ok()?);
    let time = || Some(((part("hour")? * 60 + part("minute")?) * 60 + part("second")?) * SECOND + part("microsecond")?);
    match (class, to) {
        ("Decimal", ScalarType::Decimal { .. }) => decimal(json.member("decimal")?.text()?, to),
        ("date", ScalarType::Date) => i32::try_from(days()?).ok().map(Value::Date),
        ("datetime", ScalarType::TimestampTz) => Some(Value::TimestampTz(days()? * DAY + time()?)),
        ("time", ScalarType::Time) => time().map(Value::Time),
        ("timedelta", ScalarType::Text) => match json.member("seconds")? {
            Json::Number(text) => text.parse().ok().map(|seconds| Value::text(duration(seconds))),
            Json::Null | Json::Boolean(_) | Json::Text(_) | Json::Array(_) | Json::Object(_) => None,
        },
        ("bytes", ScalarType::Binary) => {
            // It is broken into lines.
            let text: String = json.member("base64")?.text()?.split_whitespace().collect();
            STANDARD.decode(text).ok().map(Value::Binary)
        }
        (_, _) => None,
    }
}

/// A decimal as Python writes it: `12.50`, `1E+2`, `-0E-8`. Nothing is rounded.
fn decimal(text: &str, to: ScalarType) -> Option<Value> {
    let (digits, exponent) = match text.split_once(['E', 'e']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() <= 200)?),
        None => (text, 0),
    };
    if exponent == 0 {
        return cast_exactly(digits, to);
    }
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let plain = if point <= 0 {
        format!("0.{}{all}", "0".repeat(usize::try_from(-point).ok()?))
    } else {
        let point = usize::try_from(point).ok()?;
        let padded = format!("{all}{}", "0".repeat(point.saturating_sub(all.len())));
        format!("{}.{}", padded.get(..point)?, padded.get(point..)?)
    };
    cast_exactly(&format!("{sign}{}", plain.trim_end_matches('.')), to)
}

/// The decimal, if it has no more digits than its type.
fn cast_exactly(text: &str, to: ScalarType) -> Option<Value> {
    let ScalarType::Decimal { scale, .. } = to else { return None };
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') {
        return None;
    }
    let text = match text.split_once('.') {
        Some((whole, fraction)) => {
            let kept = fraction.trim_end_matches('0');
            if kept.len() > usize::try_from(scale).ok()? {
                return None;
            }
            if kept.is_empty() { whole.to_owned() } else { format!("{whole}.{kept}") }
        }
        None => text.to_owned(),
    };
    cast_value(&Value::text(text), to).ok()
}

/// A span of time as `H:MM:SS`, with a sign and micro-seconds where it has them.
fn duration(seconds: f64) -> String {
    let micros = (seconds.abs() * 1e6).round() as i64;
    let (whole, fraction) = (micros / SECOND, micros % SECOND);
    let sign = if seconds < 0.0 { "-" } else { "" };
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{sign}{}:{:02}:{:02}{fraction}", whole / 3600, whole / 60 % 60, whole % 60)
}

fn seconds(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let mut parts = text.split(':');
    let (hours, minutes, rest) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let whole = hours.parse::<u32>().ok()? as f64 * 3600.0 + minutes.parse::<u32>().ok()? as f64 * 60.0;
    let rest: f64 = rest.parse().ok().filter(|rest: &f64| rest.is_finite() && *rest >= 0.0)?;
    parts.next().is_none().then_some(sign * (whole + rest))
}

/// A value as the server reads it; `None` where it has no such value: a year that it does not know, a float that is no number.
pub fn spelt(value: &Value, kind: Kind) -> Option<serde_json::Value> {
    Some(match value {
        Value::Null(_) => serde_json::Value::Null,
        Value::Boolean(value) => json!(value),
        Value::Int16(value) => json!(value),
        Value::Int32(value) => json!(value),
        Value::Int64(value) => json!(value),
        Value::Float32(Float(value)) | Value::Float64(Float(value)) => json!(value.is_finite().then_some(*value)?),
        Value::Decimal { scale, .. } => {
            let text = cast_value(value, ScalarType::Text).ok()?;
            let Value::Text(text) = text else { return None };
            debug_assert!(*scale >= 0);
            json!({"__class__": "Decimal", "decimal": text})
        }
        Value::Text(text) if kind == Kind::TimeDelta => json!({"__class__": "timedelta", "seconds": seconds(text)?}),
        Value::Text(text) | Value::Guid(text) => json!(text),
        Value::Json(text) => serde_json::from_str(text).ok()?,
        Value::Binary(bytes) => json!({"__class__": "bytes", "base64": STANDARD.encode(bytes)}),
        Value::Date(days) => {
            let (year, month, day) = civil(i64::from(*days))?;
            json!({"__class__": "date", "year": year, "month": month, "day": day})
        }
        Value::Time(micros) => {
            let (hour, minute, second, microsecond) = clock(*micros);
            json!({"__class__": "time", "hour": hour, "minute": minute, "second": second, "microsecond": microsecond})
        }
        Value::Timestamp(micros) | Value::TimestampTz(micros) => {
            let (year, month, day) = civil(micros.div_euclid(DAY))?;
            let (hour, minute, second, microsecond) = clock(micros.rem_euclid(DAY));
            json!({"__class__": "datetime", "year": year, "month": month, "day": day,
                "hour": hour, "minute": minute, "second": second, "microsecond": microsecond})
        }
    })
}

/// A day of the years that the server knows.
fn civil(days: i64) -> Option<(i64, u32, u32)> {
    let (year, month, day) = civil_from_days(days);
    (1..=9999).contains(&year).then_some((year, month, day))
}

fn clock(micros: i64) -> (i64, i64, i64, i64) {
    let seconds = micros / SECOND;
    (seconds / 3600, seconds / 60 % 60, seconds % 60, micros % SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::i256;

    const MONEY: ScalarType = ScalarType::Decimal { precision: 13, scale: 2 };

    fn read(text: &str, to: ScalarType) -> Option<Value> {
        fn json(value: &serde_json::Value) -> Json {
            match value {
                serde_json::Value::Null => Json::Null,
                serde_json::Value::Bool(value) => Json::Boolean(*value),
                serde_json::Value::Number(value) => Json::Number(value.to_string()),
                serde_json::Value::String(text) => Json::Text(text.clone()),
                serde_json::Value::Array(items) => Json::Array(items.iter().map(json).collect()),
                serde_json::Value::Object(members) => {
                    Json::Object(members.iter().map(|(name, value)| (name.clone(), json(value))).collect())
                }
            }
        }
        value(&json(&serde_json::from_str(text).unwrap()), to)
    }

    #[test]
    fn values_are_read_exactly_or_not_at_all() {
        let money = |unscaled: i64| Some(Value::Decimal { unscaled: i256::from(unscaled), precision: 13, scale: 2 });
        for (text, expected) in [
            ("12.50", money(1250)),
            ("1E+2", money(10_000)),
            ("-0E-8", money(0)),
            ("1.5E1", money(1500)),
            ("12.500", money(1250)),
            ("-1.2E-1", money(-12)),
            ("12.505", None),
            ("1E+12", None),
            ("NaN", None),
            ("Infinity", None),
            ("1E+999", None),
            ("", None),
        ] {
            assert_eq!(read(&format!(r#"{{"__class__":"Decimal","decimal":"{text}"}}"#), MONEY), expected, "{text}");
        }
        assert_eq!(read(r#"{"__class__":"date","year":1970,"month":1,"day":2}"#, ScalarType::Date), Some(Value::Date(1)));
        assert_eq!(read(r#"{"__class__":"date","year":1970,"month":13,"day":2}"#, ScalarType::Date), None);
        assert_eq!(read(r#"{"__class__":"date","year":1970,"month":1,"day":2}"#, ScalarType::TimestampTz), None);
        let moment = r#"{"__class__":"datetime","year":1969,"month":12,"day":31,"hour":23,"minute":59,"second":59,"microsecond":1}"#;
        assert_eq!(read(moment, ScalarType::TimestampTz), Some(Value::TimestampTz(-999_999)));
        assert_eq!(read(r#"{"__class__":"timedelta","seconds":-5400.5}"#, ScalarType::Text), Some(Value::text("-1:30:00.500000")));
        assert_eq!(read(r#"{"__class__":"bytes","base64":"AAE\n"}"#, ScalarType::Binary), None);
        assert_eq!(read(r#"{"__class__":"bytes","base64":"AAH/\n"}"#, ScalarType::Binary), Some(Value::Binary(vec![0, 1, 255])));
        assert_eq!(read("2147483648", ScalarType::Int32), None);
        assert_eq!((read("1", ScalarType::Boolean), read("2", ScalarType::Boolean)), (Some(Value::Boolean(true)), None));
        assert_eq!(read("3", ScalarType::Float64), Some(Value::float64(3.0)));
        assert_eq!((read("\"1\"", ScalarType::Int32), read("1", ScalarType::Text), read("[]", ScalarType::Text)), (None, None, None));
        assert_eq!(read("null", MONEY), Some(Value::Null(MONEY)));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (value, kind) in [
            (Value::Decimal { unscaled: i256::from(-1205), precision: 13, scale: 2 }, Kind::Numeric),
            (Value::Date(-719_162), Kind::Date),
            (Value::TimestampTz(-1), Kind::Timestamp),
            (Value::Time(43_201_000_001), Kind::Time),
            (Value::Binary(vec![0, 255]), Kind::Binary),
            (Value::text("26:00:30"), Kind::TimeDelta),
            (Value::text("it's"), Kind::Text),
            (Value::Boolean(false), Kind::Boolean),
        ] {
            let text = spelt(&value, kind).unwrap().to_string();
            assert_eq!(read(&text, value.scalar_type()), Some(value), "{text}");
        }
        assert_eq!(spelt(&Value::Date(-719_163), Kind::Date), None, "the year 0");
        assert_eq!(spelt(&Value::float64(f64::NAN), Kind::Float), None);
        assert_eq!(spelt(&Value::text("soon"), Kind::TimeDelta), None);
    }
}
