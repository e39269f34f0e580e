//! The test-kit's suite against a real PostgreSQL server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, active};
use portico_provider_api::{RemoteTableName, ScalarType, Value};
use portico_provider_testkit::words::POSTGRES;
use portico_provider_testkit::{ExampleCall, LoadedTable, Subject, conformance, fixtures};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let database = Database::create().await;
    for table in fixtures() {
        for statement in POSTGRES.statements(&table) {
            database.run(&statement).await;
        }
    }
    database.run("ANALYZE").await;
    database.run(OPERATIONS).await;
    let tables = fixtures()
        .into_iter()
        .map(|fixture| LoadedTable { remote: RemoteTableName(vec!["public".to_owned(), fixture.name.clone()]), fixture });
    let mut subject = Subject::new(database.source(8), Vec::new());
    subject.tables = tables.collect();
    subject.secrets = vec![secret(&database.url)];
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
