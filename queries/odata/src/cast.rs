//! The function `cast` on values: what becomes of a value when another type is asked for (URL Conventions, section 5.1.1.10.1). A value
//! that the type does not have becomes null.

use crate::bind::enumeration_member;
use crate::calendar::{self, MICROS_PER_DAY};
use crate::duration;
use crate::edm;
use crate::json::combined;
use crate::value_type::ValueType;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use portico_catalog::Enumeration;
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::number::Number;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// The value as one of another type; null when there is none. Enumerations are cast to numbers, and from them, elsewhere.
#[must_use]
pub fn cast(value: &Value, from: &ValueType, to: &ValueType) -> Value {
    let null = Value::Null(to.scalar());
    if value.is_null() {
        return null;
    }
    let cast = match (from, to) {
        (ValueType::Duration, ValueType::Duration) => Some(value.clone()),
        (ValueType::Duration, ValueType::Scalar(ScalarType::Text)) => match value {
            Value::Int64(micros) => {
                let mut out = Vec::new();
                duration::push(*micros, &mut out);
                String::from_utf8(out).ok().map(Value::Text)
            }
            _ => None,
        },
        (ValueType::Scalar(ScalarType::Text), ValueType::Duration) => match value {
            Value::Text(text) => duration::parse(text).map(Value::Int64),
            _ => None,
        },
        (ValueType::Enumeration(of, _), ValueType::Scalar(ScalarType::Text)) => member_names(value, of).map(Value::Text),
        (ValueType::Scalar(ScalarType::Text), ValueType::Enumeration(of, _)) => match value {
            Value::Text(text) => enumeration_member(text, of).ok(),
            _ => None,
        },
        (ValueType::Scalar(_), ValueType::Scalar(to)) => scalar(value, *to),
        _ => None,
    };
    cast.unwrap_or(null)
}

/// The names of a stored value, as payloads show it: a number that is no combination of members is shown as such.
fn member_names(value: &Value, enumeration: &Enumeration) -> Option<String> {
    if let Some(member) = enumeration.members.iter().find(|member| member.stored == *value) {
        return Some(member.name.clone());
    }
    let number = match value {
        Value::Int16(number) => i64::from(*number),
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        other => return text(other),
    };
    let members: Vec<(i64, &str)> = enumeration.members.iter().map(|member| (member.value, member.name.as_str())).collect();
    let names = if enumeration.flags { combined(&members, number) } else { None };
    Some(names.unwrap_or_else(|| number.to_string()))
}

fn scalar(value: &Value, to: ScalarType) -> Option<Value> {
    if value.scalar_type() == to {
        return Some(value.clone());
    }
    match (value, to) {
        (Value::Text(text), to) => from_text(text, to),
        (Value::Date(days), ScalarType::TimestampTz) => i64::from(*days).checked_mul(MICROS_PER_DAY).map(Value::TimestampTz),
        (Value::Timestamp(micros), ScalarType::TimestampTz) => Some(Value::TimestampTz(*micros)),
        (Value::Timestamp(micros) | Value::TimestampTz(micros), ScalarType::Date) => {
            i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok().map(Value::Date)
        }
        (Value::Timestamp(micros) | Value::TimestampTz(micros), ScalarType::Time) => Some(Value::Time(micros.rem_euclid(MICROS_PER_DAY))),
        (value, ScalarType::Text) => text(value).map(Value::Text),
        (value, to) if to.is_numeric() => number(value, to),
        _ => None,
    }
}

/// From a literal as payloads have it.
fn from_text(text: &str, to: ScalarType) -> Option<Value> {
    match to {
        ScalarType::Text => Some(Value::text(text)),
        ScalarType::Boolean => match text {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        ScalarType::Binary => edm::binary(text),
        ScalarType::TimestampTz => {
            // Without an offset it is in UTC, which is how the reader takes it.
            edm::formatted(text, to)
        }
        to if to.is_numeric() => match edm::not_finite(text) {
            Some(float) => from_float(float, to),
            None => rounded(&Number::parse(text)?, to),
        },
        to => edm::formatted(text, to),
    }
}

fn number(value: &Value, to: ScalarType) -> Option<Value> {
    match value {
        Value::Int16(_) | Value::Int32(_) | Value::Int64(_) | Value::Decimal { .. } => rounded(&Number::parse(&text(value)?)?, to),
        Value::Float32(Float(float)) | Value::Float64(Float(float)) => from_float(*float, to),
        _ => None,
    }
}

fn from_float(float: f64, to: ScalarType) -> Option<Value> {
    match to {
        ScalarType::Float64 => Some(Value::float64(float)),
        ScalarType::Float32 => Some(Value::Float32(Float(f64::from(float as f32)))),
        _ if !float.is_finite() => None,
        // The shortest digits that mean this float: what a payload would show.
        to => rounded(&Number::parse(&format!("{float:e}"))?, to),
    }
}

/// The number in a type, rounded half away from zero where the type has fewer digits after the point.
fn rounded(number: &Number, to: ScalarType) -> Option<Value> {
    let scale = match to {
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => 0,
        ScalarType::Decimal { scale, .. } => scale,
        ScalarType::Float32 | ScalarType::Float64 => return edm::number_value(number, to).ok(),
        _ => return None,
    };
    let unscaled = number.rounded(scale)?;
    match to {
        ScalarType::Decimal { precision, scale } => {
            let digits = unscaled.to_string();
            let fits = digits.trim_start_matches('-').len() <= usize::from(precision);
            fits.then_some(Value::Decimal { unscaled, precision, scale })
        }
        to => {
            let whole = unscaled.to_i128()?;
            match to {
                ScalarType::Int16 => i16::try_from(whole).ok().map(Value::Int16),
                ScalarType::Int32 => i32::try_from(whole).ok().map(Value::Int32),
                _ => i64::try_from(whole).ok().map(Value::Int64),
            }
        }
    }
}

/// As payloads show it.
fn text(value: &Value) -> Option<String> {
    let mut out = Vec::new();
    match value {
        Value::Date(days) => calendar::push_date(i64::from(*days), &mut out),
        Value::Time(micros) => calendar::push_time(*micros, &mut out),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => calendar::push_timestamp(*micros, &mut out),
        Value::Float32(Float(float)) | Value::Float64(Float(float)) if !float.is_finite() => {
            let name = if float.is_nan() {
                "NaN"
            } else if *float > 0.0 {
                "INF"
            } else {
                "-INF"
            };
            return Some(name.to_owned());
        }
        Value::Float32(Float(float)) => return Some(zmij::Buffer::new().format_finite(*float as f32).to_owned()),
        Value::Float64(Float(float)) => return Some(zmij::Buffer::new().format_finite(*float).to_owned()),
        Value::Binary(bytes) => return Some(URL_SAFE.encode(bytes)),
        other => match cast_value(other, ScalarType::Text).ok()? {
            Value::Text(text) => return Some(text),
            _ => return None,
        },
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast_text(text: &str, to: ScalarType) -> Value {
        cast(&Value::text(text), &ScalarType::Text.into(), &to.into())
    }

    fn shown(value: &Value) -> Option<String> {
        match cast(value, &value.scalar_type().into(), &ScalarType::Text.into()) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn text_is_read_as_payloads_write_it() {
        assert_eq!(cast_text("12", ScalarType::Int16), Value::Int16(12));
        assert_eq!(cast_text("12.5", ScalarType::Int16), Value::Int16(13));
        assert_eq!(cast_text("-12.5", ScalarType::Int32), Value::Int32(-13));
        assert_eq!(cast_text("0.4999999999999999999999", ScalarType::Int32), Value::Int32(0));
        assert_eq!(cast_text("40000", ScalarType::Int16), Value::Null(ScalarType::Int16));
        assert_eq!(cast_text("1e400", ScalarType::Float64), Value::Null(ScalarType::Float64));
        assert_eq!(cast_text("NaN", ScalarType::Int64), Value::Null(ScalarType::Int64));
        assert_eq!(cast_text("INF", ScalarType::Float64), Value::float64(f64::INFINITY));
        assert_eq!(cast_text(" 1", ScalarType::Int32), Value::Null(ScalarType::Int32));
        assert_eq!(cast_text("true", ScalarType::Boolean), Value::Boolean(true));
        assert_eq!(cast_text("True", ScalarType::Boolean), Value::Null(ScalarType::Boolean));
        assert_eq!(cast_text("2026-08-01", ScalarType::Date), Value::Date(20_666));
        assert_eq!(cast_text("2026-08-01T00:00:00", ScalarType::TimestampTz), Value::TimestampTz(1_785_542_400_000_000));
        let money = ScalarType::Decimal { precision: 5, scale: 2 };
        assert_eq!(cast_text("1.005", money), Value::Decimal { unscaled: 101.into(), precision: 5, scale: 2 });
        assert_eq!(cast_text("1000", money), Value::Null(money));
        assert_eq!(cast_text("1e-99", money), Value::Decimal { unscaled: 0.into(), precision: 5, scale: 2 });
    }

    #[test]
    fn values_are_written_as_payloads_show_them() {
        let decimal = Value::Decimal { unscaled: (-1050).into(), precision: 9, scale: 2 };
        for (value, wanted) in [
            (Value::Boolean(true), "true"),
            (Value::Int64(-7), "-7"),
            (decimal, "-10.50"),
            (Value::float64(0.1), "0.1"),
            (Value::float64(f64::NEG_INFINITY), "-INF"),
            (Value::Date(20_666), "2026-08-01"),
            (Value::TimestampTz(1_785_542_400_500_000), "2026-08-01T00:00:00.500Z"),
            (Value::Time(1_000_000), "00:00:01"),
            (Value::Binary(vec![255, 254]), "__4="),
        ] {
            assert_eq!(shown(&value).as_deref(), Some(wanted), "{value:?}");
        }
        let duration = cast(&Value::Int64(90_500_000), &ValueType::Duration, &ScalarType::Text.into());
        assert_eq!(duration, Value::text("PT1M30.5S"));
    }

    #[test]
    fn flags_are_cast_by_their_names() {
        let member = |name: &str, value: i32| portico_catalog::overlay::EnumerationMember {
            name: name.to_owned(),
            value: value.into(),
            stored: Value::Int32(value),
            description: None,
            labels: portico_catalog::Labels::new(),
        };
        let rights = Enumeration {
            name: "Rights".to_owned(),
            description: None,
            labels: portico_catalog::Labels::new(),
            flags: true,
            underlying: ScalarType::Int32,
            members: vec![member("None", 0), member("Read", 1), member("Write", 2), member("Own", 8)],
        };
        let of = ValueType::Enumeration(rights.into(), ScalarType::Int32);
        let (number, text) = (ScalarType::Int32, ValueType::from(ScalarType::Text));
        for (stored, shown) in [(0, "None"), (1, "Read"), (3, "Read,Write"), (4, "4"), (12, "12"), (-1, "-1")] {
            assert_eq!(cast(&Value::Int32(stored), &of, &text), Value::text(shown));
            assert_eq!(cast(&Value::text(shown), &text, &of), Value::Int32(stored), "{shown}");
        }
        assert_eq!(cast(&Value::text("Read, Own"), &text, &of), Value::Int32(9));
        assert_eq!(cast(&Value::text("Reed"), &text, &of), Value::Null(number));
        assert_eq!(cast(&Value::Null(number), &of, &text), Value::Null(ScalarType::Text));
    }
}
