//! The test-kit's tables in each product's words.

use super::database::{Database, Product};
use portico_provider_api::{ScalarType, Value};
use portico_provider_testkit::{FixtureTable, Limitation};
use std::fmt::Write as _;

pub fn limitations(product: Product) -> Vec<Limitation> {
    match product {
        Product::Postgres => Vec::new(),
        Product::Mariadb => vec![
            Limitation::Table { table: "edge_decimal_76".to_owned(), reason: "decimals have 65 digits at most".to_owned() },
            Limitation::Values {
                what: "NaN and infinities".to_owned(),
                matches: |value| matches!(value, Value::Float32(float) | Value::Float64(float) if !float.0.is_finite()),
                reason: "MariaDB has none".to_owned(),
            },
            Limitation::Values {
                what: "moments before 1970-01-01T00:00:01Z and after 2038-01-19T03:14:07Z".to_owned(),
                matches: |value| matches!(value, Value::TimestampTz(micros) if !(1_000_000..2_147_483_648_000_000).contains(micros)),
                reason: "TIMESTAMP counts in 32 bits".to_owned(),
            },
            Limitation::Values {
                what: "GUIDs of a version above 5 and the variant of before versions".to_owned(),
                matches: |value| {
                    let digit = |guid: &str, at: usize| guid.chars().nth(at).and_then(|digit| digit.to_digit(16)).unwrap();
                    matches!(value, Value::Guid(guid) if digit(guid, 14) > 5 && digit(guid, 19) < 8)
                },
                reason: "MariaDB refuses them".to_owned(),
            },
        ],
        Product::Sqlite => vec![Limitation::Values {
            what: "NaN".to_owned(),
            matches: |value| matches!(value, Value::Float32(float) | Value::Float64(float) if float.0.is_nan()),
            reason: "SQLite holds not-a-number as null".to_owned(),
        }],
    }
}

fn quoted(product: Product, name: &str) -> String {
    let quote = if product == Product::Mariadb { "`" } else { "\"" };
    format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
}

fn list(product: Product, names: &[String]) -> String {
    names.iter().map(|name| quoted(product, name)).collect::<Vec<_>>().join(", ")
}

/// Creates the tables with their rows.
pub fn load(database: &Database, tables: &[FixtureTable]) {
    let product = database.product;
    for table in tables {
        let mut columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| {
                let type_name = match (column.scalar_type, column.max_length) {
                    (ScalarType::Text, Some(length)) => format!("varchar({length})"),
                    (scalar_type, _) => type_name(product, scalar_type),
                };
                let null = match (column.nullable, product) {
                    (true, Product::Mariadb) => "NULL",
                    (true, Product::Postgres | Product::Sqlite) => "",
                    (false, _) => "NOT NULL",
                };
                format!("{} {type_name} {null}", quoted(product, &column.name))
            })
            .collect();
        columns.push(format!("PRIMARY KEY ({})", list(product, &table.primary_key)));
        for key in &table.foreign_keys {
            let references = quoted(product, &key.references);
            columns.push(format!(
                "FOREIGN KEY ({}) REFERENCES {references} ({})",
                list(product, &key.columns),
                list(product, &key.referenced_columns)
            ));
        }
        database.run(&format!("CREATE TABLE {} ({})", quoted(product, &table.name), columns.join(", ")));
        for chunk in table.rows.chunks(500) {
            let rows: Vec<String> = chunk
                .iter()
                .map(|row| format!("({})", row.iter().map(|value| literal(product, value)).collect::<Vec<_>>().join(", ")))
                .collect();
            database.run(&format!("INSERT INTO {} VALUES {}", quoted(product, &table.name), rows.join(", ")));
        }
    }
    if product == Product::Postgres {
        database.run("ANALYZE");
    }
}

fn type_name(product: Product, scalar_type: ScalarType) -> String {
    let [postgres, mariadb, sqlite] = match scalar_type {
        ScalarType::Boolean => ["boolean", "boolean", "BOOLEAN"],
        ScalarType::Int16 => ["smallint", "smallint", "SMALLINT"],
        ScalarType::Int32 => ["integer", "int", "INT4"],
        ScalarType::Int64 => ["bigint", "bigint", "BIGINT"],
        ScalarType::Float32 => ["real", "float", "FLOAT4"],
        ScalarType::Float64 => ["double precision", "double", "DOUBLE"],
        ScalarType::Decimal { precision, scale } => {
            // Beyond fifteen digits numeric affinity would round.
            let sqlite = if precision <= 15 { "DECIMAL" } else { "DECIMALTEXT" };
            let name = if product == Product::Sqlite { sqlite } else { "decimal" };
            return format!("{name}({precision},{scale})");
        }
        ScalarType::Text => ["text", "text", "TEXT"],
        ScalarType::Binary => ["bytea", "blob", "BLOB"],
        ScalarType::Date => ["date", "date", "DATE"],
        ScalarType::Time => ["time", "time(6)", "TIME"],
        ScalarType::Timestamp => ["timestamp", "datetime(6)", "DATETIME"],
        ScalarType::TimestampTz => ["timestamptz", "timestamp(6)", "TIMESTAMPTZ"],
        ScalarType::Guid => ["uuid", "uuid", "GUID"],
        ScalarType::Json => ["json", "json", "JSONTEXT"],
    };
    match product {
        Product::Postgres => postgres,
        Product::Mariadb => mariadb,
        Product::Sqlite => sqlite,
    }
    .to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn literal(product: Product, value: &Value) -> String {
    match (value, product) {
        (Value::Null(_), _) => "NULL".to_owned(),
        (Value::Boolean(value), Product::Sqlite) => i32::from(*value).to_string(),
        (Value::Boolean(value), _) => value.to_string(),
        (Value::Int16(value), _) => format!("({value})"),
        (Value::Int32(value), _) => format!("({value})"),
        (Value::Int64(value), Product::Postgres) => format!("'{value}'::int8"),
        // There is no literal for the least one.
        (Value::Int64(i64::MIN), _) => "(-9223372036854775807 - 1)".to_owned(),
        (Value::Int64(value), _) => format!("({value})"),
        (Value::Float32(value), Product::Postgres) => format!("'{}'::float4", value.0 as f32),
        (Value::Float64(value), Product::Postgres) => format!("'{}'::float8", value.0),
        (Value::Float32(value) | Value::Float64(value), Product::Sqlite) if value.0.is_infinite() => {
            if value.0 > 0.0 { "9e999" } else { "-9e999" }.to_owned()
        }
        (Value::Float32(value) | Value::Float64(value), _) => format!("{:e}", value.0),
        (Value::Decimal { unscaled, scale, .. }, Product::Postgres | Product::Mariadb) => format!("'{unscaled}e-{scale}'"),
        (Value::Decimal { unscaled, scale, .. }, Product::Sqlite) => {
            format!("'{}'", portico_provider_sql::format_decimal(*unscaled, *scale))
        }
        (Value::Text(text) | Value::Guid(text) | Value::Json(text), Product::Postgres) => format!("'{}'", text.replace('\'', "''")),
        (Value::Text(text) | Value::Guid(text) | Value::Json(text), Product::Mariadb) => format!("_utf8mb4 x'{}'", hex(text.as_bytes())),
        (Value::Text(text) | Value::Guid(text) | Value::Json(text), Product::Sqlite) => {
            format!("CAST(x'{}' AS TEXT)", hex(text.as_bytes()))
        }
        (Value::Binary(bytes), Product::Postgres) => format!("'\\x{}'::bytea", hex(bytes)),
        (Value::Binary(bytes), _) => format!("x'{}'", hex(bytes)),
        (Value::Date(days), Product::Postgres) => format!("(date '1970-01-01' + {days})"),
        (Value::Date(days), Product::Mariadb) => format!("(DATE'1970-01-01' + INTERVAL {days} DAY)"),
        (Value::Date(days), Product::Sqlite) => format!("'{}'", portico_provider_sql::format_date(*days).unwrap()),
        (Value::Time(micros), Product::Postgres) => format!("(time '00:00' + {micros} * interval '1 microsecond')"),
        (Value::Time(micros), Product::Mariadb) => {
            format!("TIME(TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {micros} MICROSECOND)")
        }
        (Value::Time(micros), Product::Sqlite) => format!("'{}'", portico_provider_sql::format_time(*micros)),
        (Value::Timestamp(micros), _) => moment(product, *micros),
        (Value::TimestampTz(micros), Product::Postgres) => format!("({} AT TIME ZONE 'UTC')", moment(product, *micros)),
        (Value::TimestampTz(micros), Product::Mariadb) => moment(product, *micros),
        (Value::TimestampTz(micros), Product::Sqlite) => {
            format!("'{}Z'", portico_provider_sql::format_timestamp(*micros).unwrap().replace(' ', "T"))
        }
    }
}

fn moment(product: Product, micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    match product {
        Product::Postgres => format!("(timestamp '1970-01-01' + {days} * interval '1 day' + {rest} * interval '1 microsecond')"),
        Product::Mariadb => format!("(TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {days} DAY + INTERVAL {rest} MICROSECOND)"),
        Product::Sqlite => format!("'{}'", portico_provider_sql::format_timestamp(micros).unwrap()),
    }
}
