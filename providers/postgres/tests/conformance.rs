//! The test-kit's suite against a real PostgreSQL server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, active};
use portico_provider_api::{RemoteTableName, ScalarType, Value};
use portico_provider_testkit::{ExampleCall, FixtureTable, LoadedTable, Subject, conformance, fixtures};
use std::fmt::Write as _;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let database = Database::create().await;
    for table in fixtures() {
        load(&database, &table).await;
    }
    database.run("ANALYZE").await;
    database.run(OPERATIONS).await;
    let tables = fixtures()
        .into_iter()
        .map(|fixture| LoadedTable { remote: RemoteTableName(vec!["public".to_owned(), fixture.name.clone()]), fixture });
    let mut subject = Subject::new(database.source(8), Vec::new());
    subject.tables = tables.collect();
    subject.secrets = vec![secret(&database.url)];
    subject.options.values_are_bound = true;
    subject.calls = calls();
    let client = Arc::clone(&database.client);
    subject.active = Some(Box::new(move || {
        let client = Arc::clone(&client);
        Box::pin(async move { active(&client).await })
    }));
    let summary = Box::pin(conformance(subject)).await;
    println!("{summary}");
    summary.assert_ok();
}

const OPERATIONS: &str = "CREATE TABLE public.counted (n int); INSERT INTO counted VALUES (0);
    CREATE FUNCTION twice(x int, y int DEFAULT 2) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT x * y';
    CREATE FUNCTION pairs(upto int) RETURNS TABLE (n int, label text) STABLE LANGUAGE sql AS $$ SELECT g, CASE WHEN g > 1 THEN 'n' || g END FROM generate_series(1, upto) g $$;
    CREATE FUNCTION count_up() RETURNS void LANGUAGE sql AS 'UPDATE counted SET n = n + 1';
    CREATE PROCEDURE swap(INOUT a text, INOUT b text) LANGUAGE plpgsql AS 'DECLARE c text := a; BEGIN a := b; b := c; END'";

fn calls() -> Vec<ExampleCall> {
    let call = |signature: &str, arguments: &[(&str, Value)], rows: Vec<Vec<Value>>| ExampleCall {
        signature: signature.to_owned(),
        arguments: arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        rows,
    };
    let null = Value::Null(ScalarType::Text);
    vec![
        call("public.twice(int4, int4)", &[("x", Value::Int32(4))], vec![vec![Value::Int32(8)]]),
        call("public.twice(int4, int4)", &[("y", Value::Int32(-1)), ("x", Value::Int32(4))], vec![vec![Value::Int32(-4)]]),
        call(
            "public.pairs(int4)",
            &[("upto", Value::Int32(2))],
            vec![vec![Value::Int32(1), null.clone()], vec![Value::Int32(2), Value::text("n2")]],
        ),
        call("public.count_up()", &[], Vec::new()),
        call("public.swap(text, text)", &[("a", Value::text("x")), ("b", null.clone())], vec![vec![null, Value::text("x")]]),
    ]
}

/// The password of the url.
fn secret(url: &str) -> String {
    let credentials = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(credentials, _)| credentials);
    let password = credentials.and_then(|credentials| credentials.split_once(':')).map(|(_, password)| password.to_owned());
    password.expect("the test server's url has a password, so that it can be looked for in messages")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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
