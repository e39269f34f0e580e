//! PostgreSQL, MySQL and MariaDB as they are asked through ODBC: the same words, with `?` for parameters, and with values that travel as text
//! both ways wherever a driver would convert them in a way of its own (psqlODBC makes 9999-12-31 of infinity, and leaves BC out). It must
//! not know drivers beyond that.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::civil::{MICROS_PER_DAY, civil_from_days, format_date, format_time, format_timestamp};
use crate::decimal::format_decimal;
use crate::dialect::{Dialect, KeyStyle, MYSQL, POSTGRES, Placeholder};
use portico_provider_api::value::Float;
use portico_provider_api::{Codec, ScalarType, Value};

/// PostgreSQL through ODBC. Every parameter is text, and cast to its type.
pub const ODBC_POSTGRES: Dialect = Dialect {
    placeholder: Placeholder::QuestionTyped,
    keys: KeyStyle::Values,
    insert_returns: false,
    update_returns: false,
    bind: postgres_bind,
    transport: postgres_transport,
    ..POSTGRES
};

/// MySQL and MariaDB through ODBC. Moments are text.
pub const ODBC_MYSQL: Dialect = Dialect { bind: mysql_bind, transport: mysql_transport, ..MYSQL };

fn postgres_bind(value: &Value) -> Value {
    let text = match value {
        Value::Null(_) => return value.clone(),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float32(Float(number)) => float(*number, format!("{:e}", *number as f32)),
        Value::Float64(Float(number)) => float(*number, format!("{number:e}")),
        Value::Decimal { unscaled, scale, .. } => format_decimal(*unscaled, *scale),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => text.clone(),
        Value::Binary(bytes) => bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
        Value::Date(days) => moment(i64::from(*days), ""),
        Value::Time(micros) => format_time(*micros),
        Value::Timestamp(micros) => instant(*micros, ""),
        Value::TimestampTz(micros) => instant(*micros, "+00"),
    };
    Value::Text(text)
}

fn float(number: f64, finite: String) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        finite
    }
}

/// A day in PostgreSQL's words, which has no year 0, and what follows it.
fn moment(days: i64, rest: &str) -> String {
    let (year, month, day) = civil_from_days(days);
    if year > 0 { format!("{year:04}-{month:02}-{day:02}{rest}") } else { format!("{:04}-{month:02}-{day:02}{rest} BC", 1 - year) }
}

fn instant(micros: i64, zone: &str) -> String {
    let (days, rest) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    moment(days, &format!(" {}{zone}", format_time(rest)))
}

fn postgres_transport(text: &str, scalar_type: ScalarType, codec: Option<Codec>) -> Option<String> {
    if codec.is_some() {
        return Some(format!("({text})::text"));
    }
    match scalar_type {
        ScalarType::Text | ScalarType::Json | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => None,
        ScalarType::TimestampTz => Some(format!("({text} AT TIME ZONE 'UTC')::text")),
        ScalarType::Boolean
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::Guid => Some(format!("({text})::text")),
    }
}

fn mysql_bind(value: &Value) -> Value {
    match value {
        Value::Boolean(value) => Value::Int64(i64::from(*value)),
        Value::Int16(value) => Value::Int64(i64::from(*value)),
        Value::Int32(value) => Value::Int64(i64::from(*value)),
        Value::Float32(value) => Value::Float64(*value),
        // What has no such text lies outside of what the server holds, and is not sent.
        Value::Date(days) => Value::Text(format_date(*days).unwrap_or_default()),
        Value::Time(micros) => Value::Text(format_time(*micros)),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => Value::Text(format_timestamp(*micros).unwrap_or_default()),
        Value::Null(_)
        | Value::Int64(_)
        | Value::Float64(_)
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Decimal { .. }
        | Value::Guid(_)
        | Value::Json(_) => crate::mysql::bind(value),
    }
}

fn mysql_transport(text: &str, scalar_type: ScalarType, codec: Option<Codec>) -> Option<String> {
    match (codec, scalar_type) {
        (Some(Codec::GuidBytes), _) | (None, ScalarType::Float32 | ScalarType::Float64 | ScalarType::Binary) => None,
        (Some(_), _) => Some(format!("CAST({text} AS CHAR CHARACTER SET utf8mb4)")),
        // Texts that were told apart as bytes are texts again.
        (None, ScalarType::Text | ScalarType::Json) => Some(format!("CONVERT({text} USING utf8mb4)")),
        // Bits would be characters.
        (None, ScalarType::Boolean | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64)
        | (None, ScalarType::Decimal { precision: 20, scale: 0 }) => Some(format!("CAST(({text}) + 0 AS CHAR CHARACTER SET utf8mb4)")),
        (
            None,
            ScalarType::Decimal { .. }
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Timestamp
            | ScalarType::TimestampTz
            | ScalarType::Guid,
        ) => Some(format!("CAST({text} AS CHAR CHARACTER SET utf8mb4)")),
    }
}
