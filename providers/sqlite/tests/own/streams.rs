//! Streaming, stopping, and many at once.

use super::database::{Database, deadline, readers, relation, rows, scan, write};
use futures::{StreamExt, TryStreamExt};
use portico_provider_api::{Change, ChangeValue, Expr, Function, QueryContext, SourceErrorKind, SourceQuery, Value};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A thousand rows, and views over the thousand million and the thousand thousand combinations of them.
const SCHEMA: &str = "
CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT NOT NULL);
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000) INSERT INTO t SELECT n, 's' || n FROM numbers;
CREATE VIEW endless AS SELECT count(*) AS c FROM t a, t b, t c, t d;
CREATE VIEW million AS SELECT a.n AS a, b.n AS b, a.s || b.s AS s FROM t a, t b;
";

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_stream_stops_the_statement_and_frees_the_connection() {
    let database = Database::with(SCHEMA);
    // One connection: nothing else can run until the endless query has really ended.
    let source = database.source_with(json!({ "path": "data.db" }), 1);
    let endless = SourceQuery::scan(relation(&source, "endless").await);
    for _ in 0..3 {
        let mut stream = source.query(endless.clone(), &QueryContext::default()).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), stream.next()).await.is_err());
        drop(stream);
        let start = Instant::now();
        assert_eq!(scan(&source, "t").await.unwrap().len(), 1000);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

/// A runtime waits for its threads when it is dropped, and has no tasks any more that could end their work.
#[test]
fn a_runtime_ends_while_a_query_runs() {
    for _ in 0..20 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _stream = runtime.block_on(async {
            let database = Database::with(SCHEMA);
            let source = database.source_with(json!({ "path": "data.db" }), 1);
            let endless = SourceQuery::scan(relation(&source, "endless").await);
            (source.query(endless, &deadline(Duration::from_secs(600))).await.unwrap(), database)
        });
        drop(runtime);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_ends_a_running_query_and_a_waiting_one() {
    let database = Database::with(SCHEMA);
    let source = database.source_with(json!({ "path": "data.db" }), 1);
    let endless = SourceQuery::scan(relation(&source, "endless").await);
    let mut stream = source.query(endless.clone(), &deadline(Duration::from_millis(300))).await.unwrap();
    // While it runs, another one waits for its connection, and gives up sooner.
    let waiting = source.query(endless, &deadline(Duration::from_millis(50))).await.unwrap_err();
    assert_eq!(waiting.kind, SourceErrorKind::Timeout);
    assert!(waiting.message.contains("connection"), "{waiting}");
    let start = Instant::now();
    let error = stream.try_next().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout);
    assert!(stream.report().is_none());
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_the_statement_back() {
    let database = Database::with(SCHEMA);
    // Without a write-ahead log, a statement that has not ended is seen from outside.
    database.connection().execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    let source = database.source();
    let mut relation = relation(&source, "million").await;
    relation.columns.truncate(2);
    let (query, context) = (SourceQuery::scan(relation), QueryContext::default());
    let start = Instant::now();
    let batches: Vec<_> = source.query(query.clone(), &context).await.unwrap().try_collect().await.unwrap();
    let whole = start.elapsed();
    assert!(batches.iter().all(|batch| batch.num_rows() <= 8_192));
    assert_eq!(batches.len(), 1_000_000_usize.div_ceil(8_192));
    assert_eq!(readers(&database.file()), 0);

    let mut stream = source.query(query, &context).await.unwrap();
    let mut total = stream.try_next().await.unwrap().unwrap().num_rows();
    // Long enough to produce the whole result several times over, if it were buffered anywhere: then the statement would have ended.
    tokio::time::sleep(whole * 3).await;
    assert_eq!(readers(&database.file()), 1);
    assert!(stream.report().is_none());
    while let Some(batch) = stream.try_next().await.unwrap() {
        total += batch.num_rows();
    }
    assert_eq!(total, 1_000_000);
    assert_eq!(stream.report().unwrap().rows, 1_000_000);
    assert_eq!(readers(&database.file()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_rows_make_smaller_batches() {
    let database = Database::with(
        "CREATE TABLE w (id INTEGER PRIMARY KEY, s TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO w SELECT i, printf('%.*c', 200000, 'x') FROM n;",
    );
    let source = database.source();
    let query = SourceQuery::scan(relation(&source, "w").await);
    let stream = source.query(query, &QueryContext::default()).await.unwrap();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    assert!(batches.iter().all(|batch| batch.num_rows() <= 6));
    assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_on_rows_are_errors_and_not_truncations() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let mut context = QueryContext::default();
    context.request.limits.max_rows = 999;
    let query = SourceQuery::scan(relation(&source, "t").await);
    let error = source.query(query.clone(), &context).await.unwrap().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.message.contains("999"));
    context.request.limits.max_rows = 1000;
    assert!(source.query(query, &context).await.unwrap().try_collect::<Vec<_>>().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_at_once() {
    let database = Database::with(SCHEMA);
    let source = database.source_with(json!({ "path": "data.db" }), 4);
    let table = relation(&source, "t").await;
    let read = AtomicUsize::new(0);
    let readers = (0..24).map(|_| async {
        let rows = scan(&source, "t").await.unwrap();
        assert!(rows.len() >= 1000);
        read.fetch_add(1, Ordering::Relaxed);
    });
    let writers = (0..12).map(|_| {
        let values = vec![(1, ChangeValue::Given(Value::text("new")))];
        let insert = Change::Insert { table: table.clone(), values, require: None };
        async { write(&source, vec![insert]).await.unwrap() }
    });
    let (_, outcomes) = tokio::join!(futures::future::join_all(readers), futures::future::join_all(writers));
    assert_eq!((read.into_inner(), outcomes.len()), (24, 12));
    assert_eq!(scan(&source, "t").await.unwrap().len(), 1012);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_waited_for_until_the_deadline() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let table = relation(&source, "t").await;
    let other = database.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let insert = || Change::Insert { table: table.clone(), values: vec![(1, ChangeValue::Given(Value::text("x")))], require: None };
    let set = |change| portico_provider_api::ChangeSet { changes: vec![change], idempotency_key: None };
    let writable = source.writable().unwrap();
    let error = writable.write(set(insert()), &deadline(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
    // Readers do not mind a writer.
    assert_eq!(scan(&source, "t").await.unwrap().len(), 1000);
    let unlock = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.execute_batch("ROLLBACK").unwrap();
    });
    assert!(writable.write(set(insert()), &QueryContext::default()).await.is_ok());
    unlock.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_given_up_while_it_waits_leaves_nothing() {
    let database = Database::with(SCHEMA);
    let source = database.source_with(json!({ "path": "data.db" }), 1);
    let table = relation(&source, "t").await;
    let other = database.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let insert = Change::Insert { table, values: vec![(1, ChangeValue::Given(Value::text("late")))], require: None };
    let set = portico_provider_api::ChangeSet { changes: vec![insert], idempotency_key: None };
    let context = QueryContext::default();
    let writing = source.writable().unwrap().write(set, &context);
    assert!(tokio::time::timeout(Duration::from_millis(200), writing).await.is_err(), "it waits for the lock");
    other.execute_batch("ROLLBACK").unwrap();
    // The one connection is free when the write has ended, however it has.
    assert_eq!(scan(&source, "t").await.unwrap().len(), 1000, "nobody waits for this write any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_observer_sees_what_describe_says() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let mut query = SourceQuery::scan(relation(&source, "t").await);
    let arguments = vec![Expr::Column(1), Expr::Literal(Value::text("s99"))];
    query.filter = Some(Expr::Call { function: Function::StartsWith, arguments });
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (sink, mut context) = (Arc::clone(&seen), QueryContext::default());
    context.observer = Some(Arc::new(move |request| sink.lock().unwrap().push(request.clone())));
    let batches: Vec<_> = source.query(query.clone(), &context).await.unwrap().try_collect().await.unwrap();
    assert_eq!(batches[0].num_rows(), 11);
    assert_eq!(*seen.lock().unwrap(), source.describe(&query));
    expect_test::expect![[r#"SELECT t0."n" AS "c0", t0."s" AS "c1" FROM "t" AS t0 WHERE portico_starts_with(t0."s", ?1)"#]]
        .assert_eq(&source.describe(&query)[0].text);
    query.filter = Some(Expr::Parameter { index: 0, scalar_type: portico_provider_api::ScalarType::Boolean });
    assert!(source.describe(&query).is_empty());
    assert_eq!(rows(&source, query).await.unwrap_err().kind, SourceErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_is_a_changed_schema() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let query = SourceQuery::scan(relation(&source, "t").await);
    database.connection().execute_batch("DROP VIEW endless; DROP VIEW million; DROP TABLE t").unwrap();
    assert_eq!(rows(&source, query).await.unwrap_err().kind, SourceErrorKind::SchemaChanged);
}
