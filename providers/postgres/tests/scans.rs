//! Large answers against a real server: rows that come as a COPY, and tables that are read over several connections at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, connect_with, relation, rows, within};
use futures::{StreamExt, TryStreamExt};
use portico_provider_api::{CompareOp, Expr, Limits, QueryContext, SortKey, Source, SourceError, SourceErrorKind, SourceQuery, Value};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROWS: i64 = 60_000;

/// Several hundred pages.
const LARGE: &str = "CREATE TABLE large AS SELECT g::int8 AS id, (g % 7)::int4 AS kind, repeat('x', 40) || g AS text, \
        CASE WHEN g % 5 > 0 THEN g::numeric(12,2) / 4 END AS amount FROM generate_series(1, 60000) g; \
     CREATE INDEX ON large (id); ANALYZE large";

fn split(url: &str, connections: u32, most: usize) -> Arc<dyn Source> {
    connect_with(url, most, serde_json::json!({"scan": {"connections": connections, "split_above": "64kB"}})).unwrap()
}

/// A context that notes what is sent.
fn watched() -> (QueryContext, Arc<Mutex<Vec<String>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&sent);
    let observer: portico_provider_api::context::RequestObserver = Arc::new(move |request| into.lock().unwrap().push(request.text.clone()));
    (QueryContext { observer: Some(observer), ..QueryContext::default() }, sent)
}

fn ids(rows: &[Vec<Value>]) -> Vec<i64> {
    let mut ids: Vec<i64> = rows.iter().map(|row| row[0].as_integer().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    rows.sort_by_key(|row| row[0].as_integer());
    rows
}

async fn connections(database: &Database) -> String {
    database.text("SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'portico'").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_table_is_read_in_parts_with_the_rows_of_the_whole() {
    let database = Database::create().await;
    database.run(LARGE).await;
    let (one, several) = (database.source(2), split(&database.url, 3, 8));
    let scan = SourceQuery::scan(relation(&one, "large").await);
    let (context, sent) = watched();
    let parts = rows(&several, scan.clone(), &context).await.unwrap();
    assert_eq!(parts.len(), ROWS as usize);
    assert_eq!(sorted(parts), sorted(rows(&one, scan.clone(), &QueryContext::default()).await.unwrap()));
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    assert_eq!(sent.len(), 12, "four ranges for each connection: {sent:?}");
    assert!(sent.iter().all(|text| text.contains("ctid >= '(")), "{sent:?}");
    assert!(database.quiet(Duration::from_secs(2)).await);
    assert_eq!(database.text("SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'portico' AND state <> 'idle' AND datname = current_database()").await, "0", "no transaction stays open");

    // A filter that no index serves is split as well, with its values as parameters.
    let filter = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Value::Int32(3)));
    let (context, sent) = watched();
    let some = rows(&several, SourceQuery { filter: Some(filter), ..scan }, &context).await.unwrap();
    assert_eq!(ids(&some), (1..=ROWS).filter(|id| id % 7 == 3).collect::<Vec<_>>());
    assert_eq!(sent.lock().unwrap().len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_whole_of_a_large_table_is_read_at_once() {
    let database = Database::create().await;
    database.run(LARGE).await;
    database
        .run("CREATE VIEW seen AS SELECT * FROM large; CREATE TABLE small AS SELECT * FROM large LIMIT 5; CREATE TABLE parent (id int8, kind int4, text text, amount numeric); \
              CREATE TABLE child () INHERITS (parent); INSERT INTO child SELECT * FROM large; \
              CREATE TABLE parts (LIKE large) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts DEFAULT; INSERT INTO parts SELECT * FROM large; ANALYZE")
        .await;
    let several = split(&database.url, 3, 8);
    let large = relation(&several, "large").await;
    let scan = SourceQuery::scan(large.clone());
    let by_id = Expr::compare(CompareOp::Lt, Expr::Column(0), Expr::Literal(Value::Int64(50)));
    let key = SortKey { expr: Expr::Column(0), descending: false, nulls_first: false };
    let mut queries = vec![
        ("an index serves it", SourceQuery { filter: Some(by_id), ..scan.clone() }, 49),
        ("sorted", SourceQuery { order_by: vec![key], ..scan.clone() }, ROWS),
        ("limited", SourceQuery { limit: Some(30_000), ..scan.clone() }, 30_000),
        ("distinct", SourceQuery { distinct: true, ..scan.clone() }, ROWS),
    ];
    for (name, count) in [("seen", ROWS), ("small", 5), ("parent", ROWS), ("parts", ROWS)] {
        queries.push((name, SourceQuery::scan(relation(&several, name).await), count));
    }
    for (what, query, count) in queries {
        let (context, sent) = watched();
        assert_eq!(rows(&several, query, &context).await.unwrap().len() as i64, count, "{what}");
        let sent = sent.lock().unwrap();
        assert!(sent.len() == 1 && !sent[0].contains("ctid"), "{what}: {sent:?}");
    }
    // With no connection to spare there is nothing to split over.
    let alone = split(&database.url, 2, 2);
    let (context, sent) = watched();
    assert_eq!(rows(&alone, scan, &context).await.unwrap().len() as i64, ROWS);
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_of_one_moment_while_others_write() {
    let database = Arc::new(Database::create().await);
    database.run(LARGE).await;
    // Every transaction leaves as many rows as it found, and the same sum: any mixture of moments shows.
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (database, over) = (Arc::clone(&database), Arc::clone(&over));
        tokio::spawn(async move {
            let mut round = 0;
            while !over.load(Ordering::SeqCst) {
                round += 1;
                database
                    .run(&format!(
                        "BEGIN; UPDATE large SET kind = kind + 1 WHERE id % 97 = {0}; UPDATE large SET kind = kind - 1 WHERE id % 97 = ({0} + 1) % 97 AND id <= 97 * 618; \
                         DELETE FROM large WHERE id = {0} + 100; INSERT INTO large SELECT {0} + 100, 0, 'again', 1; COMMIT",
                        round % 97
                    ))
                    .await;
            }
            round
        })
    };
    let several = split(&database.url, 3, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    for _ in 0..6 {
        let seen = rows(&several, scan.clone(), &QueryContext::default()).await.unwrap();
        assert_eq!(ids(&seen), (1..=ROWS).collect::<Vec<_>>(), "a row is missing or there twice");
    }
    over.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > 1, "nothing was written meanwhile");
}

/// A context that, at the first statement which is sent, starts another one on a connection of its own, waits until it has ended or waits for a
/// lock, and for `meanwhile` more statements of the query before that. What that statement may do to the table, it has done by then, or it
/// does it as soon as it is let.
fn disturbed(database: &Database, sql: &'static str, meanwhile: usize) -> (QueryContext, Arc<Mutex<Vec<String>>>) {
    let (mut context, sent) = watched();
    let (noted, begun) = (context.observer.take().unwrap(), AtomicBool::new(false));
    let (url, seen) = (database.url.clone(), Arc::clone(&sent));
    context.observer = Some(Arc::new(move |request| {
        noted(request);
        if begun.swap(true, Ordering::SeqCst) {
            return;
        }
        let end = Instant::now() + Duration::from_secs(10);
        while seen.lock().unwrap().len() <= meanwhile && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (url, (settled, wait)) = (url.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(disturb(&url, sql, &settled));
        });
        wait.recv_timeout(Duration::from_secs(10)).expect("the other statement ends, or waits");
    }));
    (context, sent)
}

async fn disturb(url: &str, sql: &str, settled: &std::sync::mpsc::Sender<()>) {
    let (client, watch) = (database::client(url).await, database::client(url).await);
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let mut running = Box::pin(client.batch_execute(sql));
    loop {
        match tokio::time::timeout(Duration::from_millis(10), &mut running).await {
            Ok(done) => {
                let _ = settled.send(());
                return done.unwrap();
            }
            Err(_) => {
                let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)";
                if watch.query_one(waits, &[&pid]).await.unwrap().get(0) {
                    let _ = settled.send(());
                }
            }
        }
    }
}

/// What gives a table new pages: rows move, and those of `TRUNCATE` and of a changed column are not there for older snapshots.
const REWRITES: [&str; 3] = ["VACUUM FULL large", "ALTER TABLE large ALTER COLUMN id TYPE int8 USING id + 0", "TRUNCATE large"];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_that_is_rewritten_between_ranges_gives_its_rows_once() {
    // The other statement comes at once, or when one connection alone has been left to read the last of the ranges that are taken.
    for meanwhile in [0, 7] {
        for rewrite in REWRITES {
            let database = Database::create().await;
            database.run(LARGE).await;
            // Half of the room is free, so that the rows which are left move.
            database.run("DELETE FROM large WHERE id % 2 = 0").await;
            let several = split(&database.url, 2, 8);
            let scan = SourceQuery::scan(relation(&several, "large").await);
            let (context, sent) = disturbed(&database, rewrite, meanwhile);
            let seen = rows(&several, scan, &context).await.unwrap_or_else(|error| panic!("{rewrite} after {meanwhile}: {error}"));
            assert_eq!(seen.len() as i64, ROWS / 2, "{rewrite} after {meanwhile}");
            assert!(ids(&seen) == (1..=ROWS).step_by(2).collect::<Vec<_>>(), "{rewrite} after {meanwhile}");
            assert!(sent.lock().unwrap().len() == 8, "it was read in ranges");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_small_table_that_is_rewritten_before_it_is_read_keeps_its_rows() {
    let database = Database::create().await;
    database.run("CREATE TABLE large AS SELECT g::int8 AS id FROM generate_series(1, 100) g; ANALYZE large").await;
    let several = split(&database.url, 2, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    let (context, sent) = disturbed(&database, REWRITES[1], 0);
    assert_eq!(rows(&several, scan, &context).await.unwrap().len(), 100);
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn children_that_a_table_gets_between_ranges_are_not_read_in_part() {
    let database = Database::create().await;
    database.run(LARGE).await;
    database.run("CREATE TABLE child AS SELECT -id AS id, kind, text, amount FROM large").await;
    let several = split(&database.url, 2, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    let (context, sent) = disturbed(&database, "ALTER TABLE child INHERIT large", 0);
    let seen = rows(&several, scan, &context).await.unwrap();
    assert!(ids(&seen) == (1..=ROWS).collect::<Vec<_>>(), "{} rows", seen.len());
    assert_eq!(sent.lock().unwrap().len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_materialised_view_is_split_and_a_table_of_which_only_columns_may_be_read_is_not() {
    let database = Database::create().await;
    database.run(LARGE).await;
    let role = format!("{}_reader", database.name);
    database
        .run(&format!(
            "CREATE MATERIALIZED VIEW stored AS SELECT * FROM large; ANALYZE stored; \
             CREATE ROLE {role} LOGIN PASSWORD 'reader-pw'; GRANT SELECT (id, kind) ON large TO {role}; GRANT SELECT ON stored TO {role}"
        ))
        .await;
    let (all, several) = (database.source(1), split(&reader_url(&database), 2, 8));
    // Whoever may read columns alone may not ask where a row stands.
    for (table, requests) in [("large", 1), ("stored", 8)] {
        let from = relation(&all, table).await;
        let mut query = SourceQuery::scan(from);
        query.output.truncate(2);
        let (context, sent) = watched();
        let seen = rows(&several, query, &context).await.unwrap_or_else(|error| panic!("{table}: {error}"));
        assert!(ids(&seen) == (1..=ROWS).collect::<Vec<_>>(), "{table}");
        assert_eq!(sent.lock().unwrap().len(), requests, "{table}");
    }
    drop(several);
    drop_reader(&database).await;
}

/// As many rows per page as fit once, and a function that is slow or fails on some of them.
async fn guarded(database: &Database, body: &str) {
    database.run(LARGE).await;
    let function = format!("CREATE FUNCTION guard(id int8) RETURNS bool VOLATILE LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$");
    database.run(&function).await;
    // A policy is how a server makes a scan slow or fail that has nothing of it in its text.
    let role = format!("{}_reader", database.name);
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'reader-pw'; GRANT SELECT ON large TO {role}; ALTER TABLE large ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY guarded ON large USING (guard(id))"
        ))
        .await;
}

fn reader_url(database: &Database) -> String {
    let place = database.url.rsplit('@').next().unwrap();
    format!("postgres://{}_reader:reader-pw@{place}", database.name)
}

async fn drop_reader(database: &Database) {
    let role = format!("{}_reader", database.name);
    database
        .run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'; DROP OWNED BY {role} CASCADE; DROP ROLE {role}"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_part_that_fails_fails_the_whole() {
    let database = Database::create().await;
    guarded(&database, "IF id = 59990 THEN RAISE EXCEPTION 'not this one'; END IF;").await;
    let several = split(&reader_url(&database), 3, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    for _ in 0..3 {
        let mut stream = several.query(scan.clone(), &QueryContext::default()).await.unwrap();
        let error: SourceError = loop {
            match stream.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("an answer that lacks a part looks complete"),
                Err(error) => break error,
            }
        };
        assert!(error.message.contains("not this one"), "{error}");
        assert!(stream.report().is_none());
        assert!(stream.next().await.is_none());
        drop(stream);
        assert!(database.quiet(Duration::from_secs(3)).await, "the other parts go on");
    }
    // Their connections serve again.
    let key = Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Literal(Value::Int64(7)));
    assert_eq!(rows(&several, SourceQuery { filter: Some(key), ..scan }, &QueryContext::default()).await.unwrap().len(), 1);
    drop(several);
    drop_reader(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_cannot_be_made_are_done_without() {
    let database = Database::create().await;
    guarded(&database, "").await;
    database.run(&format!("ALTER ROLE {}_reader CONNECTION LIMIT 1", database.name)).await;
    let several = split(&reader_url(&database), 3, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    let (context, sent) = watched();
    let seen = rows(&several, scan, &context).await.unwrap();
    assert_eq!(ids(&seen), (1..=ROWS).collect::<Vec<_>>());
    assert_eq!(sent.lock().unwrap().len(), 12, "one connection read all ranges");
    drop(several);
    drop_reader(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_hangs_ends_with_the_deadline() {
    let database = Database::create().await;
    guarded(&database, "IF id = 30000 THEN PERFORM pg_sleep(60); END IF;").await;
    let several = split(&reader_url(&database), 3, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    let begun = Instant::now();
    let error = rows(&several, scan, &within(Duration::from_millis(1500))).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(6));
    assert!(database.quiet(Duration::from_secs(3)).await, "the server still sleeps");
    drop(several);
    drop_reader(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_leaves_ends_all_parts_and_a_slow_one_holds_them_up() {
    let database = Database::create().await;
    database
        .run("CREATE TABLE large AS SELECT g::int8 AS id, repeat('x', 400) AS text FROM generate_series(1, 150000) g; ANALYZE large")
        .await;
    let several = split(&database.url, 3, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    for _ in 0..3 {
        let (context, sent) = watched();
        let mut stream = several.query(scan.clone(), &context).await.unwrap();
        assert!(stream.try_next().await.unwrap().unwrap().num_rows() > 0);
        // Nobody takes more: the parts fill the queue, and then wait. A range has about as many batches as one, the queue and a hand hold.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let begun = sent.lock().unwrap().len();
        assert!(begun <= 5, "{begun} of 12 ranges were begun ahead of the reader");
        drop(stream);
        assert!(database.quiet(Duration::from_secs(3)).await, "the server is still busy");
    }
    assert_eq!(rows(&several, scan, &QueryContext::default()).await.unwrap().len(), 150_000);
    assert!(connections(&database).await.parse::<u32>().unwrap() <= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_leave_a_connection_to_others_and_do_without_those_in_use() {
    let database = Database::create().await;
    database.run(LARGE).await;
    database.run("CREATE VIEW endless AS SELECT generate_series(1, 1000000000)::int8 AS id").await;
    let several = split(&database.url, 4, 4);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    let endless = SourceQuery::scan(relation(&several, "endless").await);
    let (context, sent) = watched();
    assert_eq!(rows(&several, scan.clone(), &context).await.unwrap().len() as i64, ROWS);
    assert_eq!(sent.lock().unwrap().len(), 12, "one of four connections is left to others");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(several.query(endless.clone(), &QueryContext::default()).await.unwrap());
    }
    let (context, sent) = watched();
    assert_eq!(rows(&several, scan, &context).await.unwrap().len() as i64, ROWS);
    assert_eq!(sent.lock().unwrap().len(), 1, "there was none to spare");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caps_hold_over_all_parts() {
    let database = Database::create().await;
    database.run(LARGE).await;
    let several = split(&database.url, 3, 8);
    let scan = SourceQuery::scan(relation(&several, "large").await);
    let mut context = QueryContext::default();
    context.request.limits = Limits { max_rows: 20_000, max_bytes: 0 };
    let error = rows(&several, scan, &context).await.unwrap_err();
    assert!(error.message.contains("20000 rows"), "{error}");
    assert!(database.quiet(Duration::from_secs(3)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changes_between_its_description_and_a_copy_is_told() {
    let database = Database::create().await;
    database.run("CREATE TABLE t AS SELECT g AS id, g::text AS name FROM generate_series(1, 3000) g").await;
    let source = database.source(1);
    let scan = SourceQuery::scan(relation(&source, "t").await);
    assert_eq!(rows(&source, scan.clone(), &QueryContext::default()).await.unwrap().len(), 3000);
    // Of the same width: nothing but its announced type tells a float from an integer.
    database.run("ALTER TABLE t ALTER COLUMN id TYPE float4").await;
    let error = rows(&source, scan.clone(), &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::SchemaChanged, "{error}");
    database.run("DROP TABLE t").await;
    assert_eq!(rows(&source, scan, &QueryContext::default()).await.unwrap_err().kind, SourceErrorKind::SchemaChanged);
    // What failed in a transaction has not spoilt the connection.
    database.run("CREATE TABLE u AS SELECT 1 AS id").await;
    let scan = SourceQuery::scan(relation(&source, "u").await);
    assert_eq!(rows(&source, scan, &QueryContext::default()).await.unwrap().len(), 1);
    let distinct: HashSet<String> = HashSet::from([connections(&database).await]);
    assert_eq!(distinct, HashSet::from(["1".to_owned()]));
}
