//! Connections and streams against a real server: cancelling, waiting, recovering, and what a changed table does to a cached plan.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, connect, connect_with, relation, rows, within};
use futures::{StreamExt, TryStreamExt};
use portico_provider_api::{CompareOp, Expr, Function, KeySet, QueryContext, Selection, SourceErrorKind, SourceQuery, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The sequence engine gives its rows one by one, so the server is still busy after the first batch.
const ENDLESS: &str = "CREATE VIEW endless AS SELECT CAST(seq AS SIGNED) AS id FROM seq_1_to_1000000000";
const SLEEPING: &str = "CREATE VIEW sleeping AS SELECT SLEEP(60) AS nothing, 1 AS id";
/// Rows that the server read since its start, by all connections, of tables of this database: other tests run beside this one.
const HANDLER_READS: &str =
    "SELECT CAST(COALESCE(SUM(ROWS_READ), 0) AS CHAR) FROM information_schema.TABLE_STATISTICS WHERE TABLE_SCHEMA = DATABASE()";
/// The source's connections: the test's own has the database, too.
const CONNECTIONS: &str =
    "SELECT CAST(count(*) AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_is_stopped_and_its_place_is_used_again() {
    let database = Database::create().await;
    database.run(ENDLESS).await;
    let source = database.source(1);
    let endless = SourceQuery::scan(relation(&source, "endless").await);
    for _ in 0..3 {
        let mut stream = source.query(endless.clone(), &QueryContext::default()).await.unwrap();
        assert!(stream.try_next().await.unwrap().unwrap().num_rows() > 0);
        assert_eq!(database.active().await, 1);
        drop(stream);
        assert!(database.quiet(Duration::from_secs(2)).await, "the server is still busy");
    }
    let limited = SourceQuery { limit: Some(5), ..endless };
    assert_eq!(rows(&source, limited, &within(Duration::from_secs(5))).await.unwrap().len(), 5);
    assert_eq!(database.text(CONNECTIONS).await, "1", "one connection at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_given_up_before_its_first_row_is_cancelled() {
    let database = Database::create().await;
    database.run(SLEEPING).await;
    let source = database.source(1);
    let sleeping = SourceQuery::scan(relation(&source, "sleeping").await);
    let context = QueryContext::default();
    let given_up = tokio::time::timeout(Duration::from_millis(300), source.query(sleeping.clone(), &context)).await;
    assert!(given_up.is_err());
    assert!(database.quiet(Duration::from_secs(2)).await, "the server still sleeps");
    let begun = Instant::now();
    let error = source.query(sleeping, &within(Duration::from_millis(400))).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(database.quiet(Duration::from_secs(2)).await, "the server still sleeps");
}

/// What remains when nobody is left to stop a statement: the gateway's machine is gone.
#[tokio::test]
async fn the_server_knows_the_deadline_of_every_statement() {
    let database = Database::create().await;
    database
        .run(
            "CREATE VIEW told AS SELECT CAST(VARIABLE_VALUE AS DECIMAL(20,6)) AS seconds FROM information_schema.SESSION_VARIABLES \
              WHERE VARIABLE_NAME = 'MAX_STATEMENT_TIME'",
        )
        .await;
    let source = database.source(1);
    let told = SourceQuery::scan(relation(&source, "told").await);
    // Without a deadline it is that of the longest request, of ten minutes.
    let cases =
        [(Some(5), 5.0, 16.0), (Some(30), 30.0, 64.0), (Some(2), 2.0, 8.0), (Some(3_000), 3_000.0, 4_096.0), (None, 600.0, 1_024.0)];
    for (left, least, most) in cases {
        let context = left.map_or_else(QueryContext::default, |left| within(Duration::from_secs(left)));
        let seen = rows(&source, told.clone(), &context).await.unwrap();
        let Value::Decimal { unscaled, .. } = &seen[0][0] else { panic!("{seen:?}") };
        let seconds = unscaled.to_i128().unwrap() as f64 / 1e6;
        assert!((least..=most).contains(&seconds), "{left:?} s are left, the server was told {seconds} s");
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_not_sent() {
    let database = Database::create().await;
    database.run("CREATE TABLE t (id int)").await;
    let source = database.source(1);
    let query = SourceQuery::scan(relation(&source, "t").await);
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let mut context = within(Duration::ZERO);
    context.observer = Some(Arc::new(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    let error = source.query(query, &context).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout);
    assert_eq!(sent.load(Ordering::SeqCst), 0);
    let error = source.remote_schema(&Selection::All, &context).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_interleave_and_connections_are_reused() {
    let database = Database::create().await;
    database.run("CREATE TABLE t AS SELECT CAST(seq AS SIGNED) AS id FROM seq_1_to_30000").await;
    let source = database.source(2);
    let query = SourceQuery::scan(relation(&source, "t").await);
    for _ in 0..5 {
        let mut left = source.query(query.clone(), &QueryContext::default()).await.unwrap();
        let mut right = source.query(query.clone(), &QueryContext::default()).await.unwrap();
        let mut counts = [0, 0];
        loop {
            let (one, other) = (left.next().await, right.next().await);
            counts[0] += one.as_ref().map_or(0, |batch| batch.as_ref().unwrap().num_rows());
            counts[1] += other.as_ref().map_or(0, |batch| batch.as_ref().unwrap().num_rows());
            if one.is_none() && other.is_none() {
                break;
            }
        }
        assert_eq!(counts, [30_000, 30_000]);
    }
    assert_eq!(database.text(CONNECTIONS).await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exhausted_pool_waits_until_the_deadline() {
    let database = Database::create().await;
    database.run(ENDLESS).await;
    let source = database.source(1);
    let endless = relation(&source, "endless").await;
    let held = source.query(SourceQuery::scan(endless.clone()), &QueryContext::default()).await.unwrap();
    let one = SourceQuery { limit: Some(1), ..SourceQuery::scan(endless) };
    let begun = Instant::now();
    let error = rows(&source, one.clone(), &within(Duration::from_millis(400))).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(300) && begun.elapsed() < Duration::from_secs(2));
    let waiting = tokio::spawn(async move { rows(&source, one, &within(Duration::from_secs(10))).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let database = Database::create().await;
    database.run("CREATE TABLE t AS SELECT 1 AS id").await;
    database.run(ENDLESS).await;
    let source = database.source(4);
    let query = SourceQuery::scan(relation(&source, "t").await);
    let endless = SourceQuery::scan(relation(&source, "endless").await);
    for _ in 0..3 {
        let mut running = source.query(endless.clone(), &QueryContext::default()).await.unwrap();
        running.try_next().await.unwrap();
        rows(&source, query.clone(), &QueryContext::default()).await.unwrap();
        assert!(database.kill_connections().await >= 2);
        // Rows were handed out already: the failure is told, never papered over.
        let broken = loop {
            match running.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a broken stream ended as if it were complete"),
                Err(error) => break error,
            }
        };
        assert_eq!(broken.kind, SourceErrorKind::Unavailable, "{broken}");
        assert_eq!(rows(&source, query.clone(), &QueryContext::default()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_changed_table_is_planned_again_or_told() {
    let database = Database::create().await;
    database.run("CREATE TABLE t (id int NOT NULL, name text)").await;
    database.run("INSERT INTO t VALUES (1, 'x')").await;
    let source = database.source(1);
    let query = SourceQuery::scan(relation(&source, "t").await);
    assert_eq!(rows(&source, query.clone(), &QueryContext::default()).await.unwrap().len(), 1);
    database.run("ALTER TABLE t MODIFY id bigint NOT NULL").await;
    let again = rows(&source, query.clone(), &QueryContext::default()).await.unwrap();
    assert_eq!(again, [[Value::Int32(1), Value::text("x")]]);
    database.run("UPDATE t SET id = 5000000000").await;
    let error = rows(&source, query.clone(), &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
    assert!(error.message.contains(&format!("{}.id", query.tables()[0])), "{error}");
    for change in ["MODIFY id text", "DROP COLUMN id"] {
        database.run(&format!("ALTER TABLE t {change}")).await;
        let error = rows(&source, query.clone(), &QueryContext::default()).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::SchemaChanged, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_keys_are_one_request() {
    let database = Database::create().await;
    database.run("CREATE TABLE k (a int, b varchar(20), c decimal(9,2), PRIMARY KEY (a, b))").await;
    database.run("INSERT INTO k SELECT seq, CONCAT('n', seq % 7), seq / 100 FROM seq_1_to_8000").await;
    let source = database.source(1);
    let table = relation(&source, "k").await;
    let single = KeySet { columns: vec![0], tuples: (1..=2_000).map(|key| vec![Value::Int32(key * 2)]).collect() };
    let composite = KeySet {
        columns: vec![1, 0],
        // Every second tuple names a row, the others a text that its number does not have.
        tuples: (1..=2_000).map(|key| vec![Value::text(format!("n{}", (key + key % 2) % 7)), Value::Int32(key)]).collect(),
    };
    // The same texts in another letter case are other keys, though not to the column's collation.
    let upper = KeySet {
        columns: vec![1, 0],
        tuples: (1..=2_000).map(|key| vec![Value::text(format!("N{}", key % 7)), Value::Int32(key)]).collect(),
    };
    for (keys, expected) in [(single, 2_000), (composite, 1_000), (upper, 0)] {
        let query = SourceQuery { keys: Some(keys), ..SourceQuery::scan(table.clone()) };
        assert_eq!(source.describe(&query).len(), 1);
        assert_eq!(rows(&source, query, &QueryContext::default()).await.unwrap().len(), expected);
    }
    let too_many = KeySet { columns: vec![0], tuples: (0..2_001).map(|key| vec![Value::Int32(key)]).collect() };
    let query = SourceQuery { keys: Some(too_many), ..SourceQuery::scan(table.clone()) };
    assert_eq!(source.query(query, &QueryContext::default()).await.unwrap_err().kind, SourceErrorKind::Unsupported);
    let too_long = KeySet { columns: vec![1], tuples: (0..20).map(|key| vec![Value::text(format!("{key}").repeat(100_000))]).collect() };
    let query = SourceQuery { keys: Some(too_long), ..SourceQuery::scan(table) };
    assert_eq!(source.query(query, &QueryContext::default()).await.unwrap_err().kind, SourceErrorKind::Unsupported);
}

#[tokio::test]
async fn an_index_serves_what_the_collation_alone_would_not_answer() {
    let database = Database::create().await;
    database.run("CREATE TABLE t (id int PRIMARY KEY, name varchar(60), guid uuid, UNIQUE (name), UNIQUE (guid))").await;
    database.run("INSERT INTO t SELECT seq, CONCAT('name ', seq), CAST(CONCAT('00000000-0000-0000-0000-', LPAD(seq, 12, '0')) AS UUID) FROM seq_1_to_5000").await;
    database.run("ANALYZE TABLE t").await;
    let source = database.source(1);
    let table = relation(&source, "t").await;
    let call = |function, text: &str| Expr::Call { function, arguments: vec![Expr::Column(1), Expr::Literal(Value::text(text))] };
    let equal = |at, value| Expr::compare(CompareOp::Eq, Expr::Column(at), Expr::Literal(value));
    let guid = Value::Guid("00000000-0000-0000-0000-000000000042".to_owned());
    let list = |texts: &[&str]| Expr::InList {
        expr: Box::new(Expr::Column(1)),
        list: texts.iter().map(|text| Expr::Literal(Value::text(*text))).collect(),
        negated: false,
    };
    for (filter, expected) in [
        (equal(1, Value::text("name 7")), 1),
        (equal(1, Value::text("NAME 7")), 0),
        (equal(1, Value::text("name 7 ")), 0),
        (equal(2, guid), 1),
        (list(&["name 8", "Name 9", "name 10 "]), 1),
        (call(Function::StartsWith, "name 499"), 11),
        (call(Function::StartsWith, "NAME 499"), 0),
    ] {
        let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) };
        let before: u64 = database.text(HANDLER_READS).await.parse().unwrap();
        assert_eq!(rows(&source, query.clone(), &QueryContext::default()).await.unwrap().len(), expected, "{query:?}");
        let read = database.text(HANDLER_READS).await.parse::<u64>().unwrap() - before;
        assert!(read < 100, "{read} rows were read for {query:?}");
    }
}

#[tokio::test]
async fn an_answer_beyond_the_caps_is_an_error() {
    let database = Database::create().await;
    database.run("CREATE TABLE t AS SELECT CAST(seq AS SIGNED) AS id FROM seq_1_to_100").await;
    let source = database.source(1);
    let query = SourceQuery::scan(relation(&source, "t").await);
    let mut context = QueryContext::default();
    context.request.limits.max_rows = 100;
    assert_eq!(rows(&source, query.clone(), &context).await.unwrap().len(), 100);
    context.request.limits.max_rows = 99;
    let error = rows(&source, query.clone(), &context).await.unwrap_err();
    assert!(error.message.contains("99 rows"), "{error}");
    context.request.limits = portico_provider_api::Limits { max_rows: 0, max_bytes: 50 };
    assert!(rows(&source, query, &context).await.unwrap_err().message.contains("50 bytes"));
}

#[tokio::test]
async fn no_message_holds_a_secret() {
    let database = Database::create().await;
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let place = rest.rsplit('@').next().unwrap();
    let (host, name) = place.split_once('/').unwrap();
    let url = |user: &str, place: &str| serde_json::json!({ "url": format!("{scheme}://{user}:hunter2@{place}") });
    let (right, _) = rest.rsplit_once('@').unwrap();
    let cases = [
        (url("portico", place), SourceErrorKind::Credentials),
        (url("nobody_such", place), SourceErrorKind::Credentials),
        (url("portico", &format!("127.0.0.1:1/{name}")), SourceErrorKind::Unavailable),
        (url("portico", &format!("no-such-host.invalid/{name}")), SourceErrorKind::Unavailable),
        (serde_json::json!({ "url": format!("{scheme}://{right}@{host}/no_such_database") }), SourceErrorKind::Unavailable),
        (serde_json::json!({ "url": database.url, "tls": { "mode": "require" } }), SourceErrorKind::Unavailable),
    ];
    for (settings, kind) in cases {
        let source = connect_with(settings, 1).unwrap();
        let error = source.remote_schema(&Selection::All, &within(Duration::from_secs(10))).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("portico:"), "{shown}");
    }
}

#[tokio::test]
async fn the_session_does_not_depend_on_the_servers_settings() {
    let database = Database::create().await;
    database.run("CREATE TABLE t (id int PRIMARY KEY, name varchar(10), at timestamp(6) NULL)").await;
    database.run("INSERT INTO t VALUES (1, 'a\\%b', '2024-02-29 12:00:00'), (2, 'a%b', NULL)").await;
    let user = format!("{}_u", &database.name[..24]);
    let place = database.url.rsplit('@').next().unwrap();
    database.run(&format!("CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'user-pw'")).await;
    database.run(&format!("GRANT SELECT, INSERT ON {}.* TO {user}@'127.0.0.1'", database.name)).await;
    // What is set for all sessions that begin from now on, and set back at once: other tests have theirs already or set them themselves.
    let source = connect(&format!("mysql://{user}:user-pw@{place}"), 1).unwrap();
    database.run("SET GLOBAL time_zone = '+05:00', GLOBAL sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT', GLOBAL sql_select_limit = 1").await;
    let found = source.remote_schema(&Selection::All, &QueryContext::default()).await;
    database.run("SET GLOBAL time_zone = 'SYSTEM', GLOBAL sql_mode = DEFAULT, GLOBAL sql_select_limit = DEFAULT").await;
    assert_eq!(found.unwrap().tables.len(), 1);
    let table = relation(&source, "t").await;
    let all = rows(&source, SourceQuery::scan(table.clone()), &QueryContext::default()).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0][2], Value::TimestampTz(1_709_208_000_000_000));
    let like =
        |pattern: &str| Expr::Call { function: Function::Like, arguments: vec![Expr::Column(1), Expr::Literal(Value::text(pattern))] };
    for (pattern, expected) in [("a\\%b", 1), ("a\\\\\\%b", 1), ("a%b", 2)] {
        let query = SourceQuery { filter: Some(like(pattern)), ..SourceQuery::scan(table.clone()) };
        assert_eq!(rows(&source, query, &QueryContext::default()).await.unwrap().len(), expected, "{pattern}");
    }
    drop(source);
    database.run(&format!("DROP USER {user}@'127.0.0.1'")).await;
}
