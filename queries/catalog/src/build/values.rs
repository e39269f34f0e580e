//! Values that definitions give as plain text and numbers, taken as values of a column's type. It must not know what they are for.
#![deny(clippy::wildcard_enum_match_arm)]

use portico_provider_api::evaluate::cast_value;
use portico_provider_api::{ScalarType, Value};
use serde_json::Value as Given;

/// The value of a type that a definition means.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn read(given: &Given, scalar_type: ScalarType) -> Result<Value, String> {
    let misfit = || format!("{given} is not a value of type {scalar_type}");
    let integer = || given.as_i64().ok_or_else(misfit);
    let text = || given.as_str().ok_or_else(misfit);
    match scalar_type {
        ScalarType::Boolean => given.as_bool().map(Value::Boolean).ok_or_else(misfit),
        ScalarType::Int16 => i16::try_from(integer()?).map(Value::Int16).map_err(|_| misfit()),
        ScalarType::Int32 => i32::try_from(integer()?).map(Value::Int32).map_err(|_| misfit()),
        ScalarType::Int64 => integer().map(Value::Int64),
        ScalarType::Text => text().map(Value::text),
        ScalarType::Guid => guid(text()?).ok_or_else(misfit),
        ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Json => {
            Err(format!("a value of type {scalar_type} cannot be written here: only text, whole numbers, true and false, and GUIDs"))
        }
    }
}

/// As [`read`], for every type that a person can write a value of: numbers as numbers or text, dates and times as text.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn read_any(given: &Given, scalar_type: ScalarType) -> Result<Value, String> {
    let misfit = || format!("{given} is not a value of type {scalar_type}");
    let cast = |text: &str| cast_value(&Value::text(text), scalar_type).map_err(|_| misfit());
    match scalar_type {
        ScalarType::Boolean | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 | ScalarType::Text | ScalarType::Guid => {
            read(given, scalar_type)
        }
        ScalarType::Float32 | ScalarType::Float64 | ScalarType::Decimal { .. } => match given {
            Given::Number(number) => cast(&number.to_string()),
            Given::String(text) => cast(text),
            Given::Null | Given::Bool(_) | Given::Array(_) | Given::Object(_) => Err(misfit()),
        },
        ScalarType::Date | ScalarType::Time | ScalarType::Timestamp | ScalarType::TimestampTz => cast(given.as_str().ok_or_else(misfit)?),
        ScalarType::Binary | ScalarType::Json => Err(format!("a value of type {scalar_type} cannot be written here")),
    }
}

fn guid(text: &str) -> Option<Value> {
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    fits.then(|| Value::Guid(text.to_ascii_lowercase()))
}

/// The value of an integer type that is this number.
pub(super) fn integer(number: i64, scalar_type: ScalarType) -> Option<Value> {
    read(&Given::from(number), scalar_type).ok().filter(|_| is_integer(scalar_type))
}

/// Whether a type holds whole numbers only.
pub(super) fn is_integer(scalar_type: ScalarType) -> bool {
    matches!(scalar_type, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_every_type_that_can_be_written() {
        let decimal = ScalarType::Decimal { precision: 5, scale: 2 };
        for (given, scalar_type, shown) in [
            (json!(1.5), decimal, Some("1.50")),
            (json!("1.5"), decimal, Some("1.50")),
            (json!(1234.5), decimal, None),
            (json!(0.25), ScalarType::Float64, Some("0.25")),
            (json!("2024-02-29"), ScalarType::Date, Some("2024-02-29")),
            (json!("2024-02-30"), ScalarType::Date, None),
            (json!("12:30:00"), ScalarType::Time, Some("12:30:00")),
            (json!(true), ScalarType::Boolean, Some("true")),
            (json!("x"), ScalarType::Binary, None),
            (json!(1), ScalarType::Date, None),
        ] {
            let read = read_any(&given, scalar_type).ok();
            let text = read.and_then(|value| cast_value(&value, ScalarType::Text).ok());
            assert_eq!(text, shown.map(Value::text), "{given} as {scalar_type}");
        }
    }

    #[test]
    fn values_have_their_column_s_type() {
        assert_eq!(read(&json!(7), ScalarType::Int16), Ok(Value::Int16(7)));
        assert_eq!(read(&json!("7"), ScalarType::Text), Ok(Value::text("7")));
        assert_eq!(read(&json!(true), ScalarType::Boolean), Ok(Value::Boolean(true)));
        let guid = "9F07AE18-B2A0-4D2C-8A0F-2B1C0F5D1A11";
        assert_eq!(read(&json!(guid), ScalarType::Guid), Ok(Value::Guid(guid.to_lowercase())));
        for (given, scalar_type) in [
            (json!(70_000), ScalarType::Int16),
            (json!("7"), ScalarType::Int32),
            (json!(7), ScalarType::Text),
            (json!(1.5), ScalarType::Int64),
            (json!("x"), ScalarType::Guid),
            (json!(null), ScalarType::Text),
            (json!("2024-01-01"), ScalarType::Date),
        ] {
            assert!(read(&given, scalar_type).is_err(), "{given} as {scalar_type}");
        }
    }
}
