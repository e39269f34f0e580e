//! The test-kit's tables as SQL text for the database behind the gateway.

use super::Database;
use portico_provider_api::{ScalarType, Value};
use portico_provider_testkit::FixtureTable;
use std::fmt::Write as _;

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

pub async fn load(database: &Database, table: &FixtureTable) {
    let mut columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let type_name = match (column.scalar_type, column.max_length) {
                (ScalarType::Text, Some(length)) => format!("varchar({length})"),
                (scalar_type, _) => type_name(scalar_type),
            };
            format!("{} {type_name}{}", quoted(&column.name), if column.nullable { "" } else { " NOT NULL" })
        })
        .collect();
    columns.push(format!("PRIMARY KEY ({})", list(&table.primary_key)));
    for key in &table.foreign_keys {
        columns.push(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({})",
            list(&key.columns),
            quoted(&key.references),
            list(&key.referenced_columns)
        ));
    }
    database.run(&format!("CREATE TABLE {} ({})", quoted(&table.name), columns.join(", "))).await;
    for chunk in table.rows.chunks(1_000) {
        let rows: Vec<String> = chunk.iter().map(|row| format!("({})", row.iter().map(literal).collect::<Vec<_>>().join(", "))).collect();
        database.run(&format!("INSERT INTO {} VALUES {}", quoted(&table.name), rows.join(", "))).await;
    }
}

fn type_name(scalar_type: ScalarType) -> String {
    match scalar_type {
        ScalarType::Boolean => "boolean".to_owned(),
        ScalarType::Int16 => "smallint".to_owned(),
        ScalarType::Int32 => "integer".to_owned(),
        ScalarType::Int64 => "bigint".to_owned(),
        ScalarType::Float32 => "real".to_owned(),
        ScalarType::Float64 => "double precision".to_owned(),
        ScalarType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        ScalarType::Text => "text".to_owned(),
        ScalarType::Binary => "bytea".to_owned(),
        ScalarType::Date => "date".to_owned(),
        ScalarType::Time => "time".to_owned(),
        ScalarType::Timestamp => "timestamp".to_owned(),
        ScalarType::TimestampTz => "timestamptz".to_owned(),
        ScalarType::Guid => "uuid".to_owned(),
        ScalarType::Json => "json".to_owned(),
    }
}

fn literal(value: &Value) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let moment = |micros: i64| {
        let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
        format!("(timestamp '1970-01-01' + {days} * interval '1 day' + {rest} * interval '1 microsecond')")
    };
    match value {
        Value::Null(scalar_type) => format!("NULL::{}", type_name(*scalar_type)),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => format!("'{value}'::int2"),
        Value::Int32(value) => format!("'{value}'::int4"),
        Value::Int64(value) => format!("'{value}'::int8"),
        Value::Float32(value) => format!("'{}'::float4", value.0 as f32),
        Value::Float64(value) => format!("'{}'::float8", value.0),
        Value::Decimal { unscaled, scale, .. } => format!("('{unscaled}e-{scale}')::numeric"),
        Value::Text(value) => text(value),
        Value::Json(value) => format!("{}::json", text(value)),
        Value::Guid(value) => format!("{}::uuid", text(value)),
        Value::Binary(bytes) => {
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            format!("'\\x{hex}'::bytea")
        }
        Value::Date(days) => format!("(date '1970-01-01' + {days})"),
        Value::Time(micros) => format!("(time '00:00' + {micros} * interval '1 microsecond')"),
        Value::Timestamp(micros) => moment(*micros),
        Value::TimestampTz(micros) => format!("({} AT TIME ZONE 'UTC')", moment(*micros)),
    }
}
