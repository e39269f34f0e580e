//! The test-kit's tables in each product's words.

use super::database::{Database, Product};
use portico_provider_api::{ScalarType, Value};
use portico_provider_testkit::words::{MARIADB, POSTGRES, Words, hex, mariadb_limitations};
use portico_provider_testkit::{FixtureTable, Limitation};

pub fn limitations(product: Product) -> Vec<Limitation> {
    match product {
        Product::Postgres => Vec::new(),
        Product::Mariadb => mariadb_limitations(),
        Product::Sqlite => vec![Limitation::Values {
            what: "NaN".to_owned(),
            matches: |value| matches!(value, Value::Float32(float) | Value::Float64(float) if float.0.is_nan()),
            reason: "SQLite holds not-a-number as null".to_owned(),
        }],
    }
}

/// SQLite's words. It keeps what a column's declared type does not convert.
const SQLITE: Words = Words { quote: '"', type_name: sqlite_type, literal: sqlite_literal };

/// Creates the tables with their rows.
pub fn load(database: &Database, tables: &[FixtureTable]) {
    let words = match database.product {
        Product::Postgres => POSTGRES,
        Product::Mariadb => MARIADB,
        Product::Sqlite => SQLITE,
    };
    for statement in tables.iter().flat_map(|table| words.statements(table)) {
        database.run(&statement);
    }
    if database.product == Product::Postgres {
        database.run("ANALYZE");
    }
}

fn sqlite_type(scalar_type: ScalarType) -> String {
    match scalar_type {
        ScalarType::Boolean => "BOOLEAN",
        ScalarType::Int16 => "SMALLINT",
        ScalarType::Int32 => "INT4",
        ScalarType::Int64 => "BIGINT",
        ScalarType::Float32 => "FLOAT4",
        ScalarType::Float64 => "DOUBLE",
        ScalarType::Decimal { precision, scale } => {
            // Beyond fifteen digits numeric affinity would round.
            let name = if precision <= 15 { "DECIMAL" } else { "DECIMALTEXT" };
            return format!("{name}({precision},{scale})");
        }
        ScalarType::Text => "TEXT",
        ScalarType::Binary => "BLOB",
        ScalarType::Date => "DATE",
        ScalarType::Time => "TIME",
        ScalarType::Timestamp => "DATETIME",
        ScalarType::TimestampTz => "TIMESTAMPTZ",
        ScalarType::Guid => "GUID",
        ScalarType::Json => "JSONTEXT",
    }
    .to_owned()
}

fn sqlite_literal(value: &Value) -> String {
    match value {
        Value::Null(_) => "NULL".to_owned(),
        Value::Boolean(value) => i32::from(*value).to_string(),
        Value::Int16(value) => format!("({value})"),
        Value::Int32(value) => format!("({value})"),
        // There is no literal for the least one.
        Value::Int64(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Value::Int64(value) => format!("({value})"),
        Value::Float32(value) | Value::Float64(value) if value.0.is_infinite() => if value.0 > 0.0 { "9e999" } else { "-9e999" }.to_owned(),
        Value::Float32(value) | Value::Float64(value) => format!("{:e}", value.0),
        Value::Decimal { unscaled, scale, .. } => format!("'{}'", portico_provider_sql::format_decimal(*unscaled, *scale)),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => format!("CAST(x'{}' AS TEXT)", hex(text.as_bytes())),
        Value::Binary(bytes) => format!("x'{}'", hex(bytes)),
        Value::Date(days) => format!("'{}'", portico_provider_sql::format_date(*days).unwrap()),
        Value::Time(micros) => format!("'{}'", portico_provider_sql::format_time(*micros)),
        Value::Timestamp(micros) => format!("'{}'", portico_provider_sql::format_timestamp(*micros).unwrap()),
        Value::TimestampTz(micros) => {
            format!("'{}Z'", portico_provider_sql::format_timestamp(*micros).unwrap().replace(' ', "T"))
        }
    }
}
