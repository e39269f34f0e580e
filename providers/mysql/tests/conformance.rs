//! The test-kit's suite against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, active};
use portico_provider_api::{RemoteTableName, ScalarType, Value};
use portico_provider_testkit::{FixtureTable, Limitation, LoadedTable, Subject, adapt, conformance, fixtures};
use std::fmt::Write as _;
use std::sync::Arc;

fn limitations() -> Vec<Limitation> {
    vec![
        Limitation::Table { table: "edge_decimal_76".to_owned(), reason: "decimals have 65 digits at most".to_owned() },
        Limitation::Values {
            what: "NaN and infinities".to_owned(),
            matches: |value| matches!(value, Value::Float32(float) | Value::Float64(float) if !float.0.is_finite()),
            reason: "MySQL has none".to_owned(),
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
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_keeps_the_contract() {
    let database = Database::create().await;
    let limitations = limitations();
    let tables = adapt(fixtures(), &limitations).unwrap();
    for table in &tables {
        load(&database, table).await;
    }
    let tables = tables
        .into_iter()
        .map(|fixture| LoadedTable { remote: RemoteTableName(vec![database.name.clone(), fixture.name.clone()]), fixture });
    let mut subject = Subject::new(database.source(8), Vec::new());
    subject.tables = tables.collect();
    subject.limitations = limitations;
    subject.secrets = vec![secret(&database.url)];
    subject.options.values_are_bound = true;
    let client = Arc::clone(&database.client);
    subject.active = Some(Box::new(move || {
        let client = Arc::clone(&client);
        Box::pin(async move { active(&client).await })
    }));
    let summary = Box::pin(conformance(subject)).await;
    println!("{summary}");
    summary.assert_ok();
}

/// The password of the url.
fn secret(url: &str) -> String {
    let credentials = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(credentials, _)| credentials);
    let password = credentials.and_then(|credentials| credentials.split_once(':')).map(|(_, password)| password.to_owned());
    password.expect("the test server's url has a password, so that it can be looked for in messages")
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

async fn load(database: &Database, table: &FixtureTable) {
    let mut columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let type_name = match (column.scalar_type, column.max_length) {
                (ScalarType::Text, Some(length)) => format!("varchar({length})"),
                (scalar_type, _) => type_name(scalar_type),
            };
            format!("{} {type_name} {}", quoted(&column.name), if column.nullable { "NULL" } else { "NOT NULL" })
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
        ScalarType::Int32 => "int".to_owned(),
        ScalarType::Int64 => "bigint".to_owned(),
        ScalarType::Float32 => "float".to_owned(),
        ScalarType::Float64 => "double".to_owned(),
        ScalarType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        ScalarType::Text => "text".to_owned(),
        ScalarType::Binary => "blob".to_owned(),
        ScalarType::Date => "date".to_owned(),
        ScalarType::Time => "time(6)".to_owned(),
        ScalarType::Timestamp => "datetime(6)".to_owned(),
        ScalarType::TimestampTz => "timestamp(6)".to_owned(),
        ScalarType::Guid => "uuid".to_owned(),
        ScalarType::Json => "json".to_owned(),
    }
}

fn literal(value: &Value) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let moment = |micros: i64| {
        let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
        format!("(TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {days} DAY + INTERVAL {rest} MICROSECOND)")
    };
    match value {
        Value::Null(_) => "NULL".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float32(value) | Value::Float64(value) => format!("{:e}", value.0),
        Value::Decimal { unscaled, scale, .. } => format!("'{unscaled}e-{scale}'"),
        Value::Text(value) | Value::Guid(value) | Value::Json(value) => text(value),
        Value::Binary(bytes) => {
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            format!("x'{hex}'")
        }
        Value::Date(days) => format!("(DATE'1970-01-01' + INTERVAL {days} DAY)"),
        Value::Time(micros) => format!("TIME(TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {micros} MICROSECOND)"),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => moment(*micros),
    }
}
