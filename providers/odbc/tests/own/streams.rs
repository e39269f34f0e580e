//! How reads live and end: cancellation, deadlines, broken connections, wrong settings, several at once.

use super::database::{Database, Product, connect, relation, rows, within};
use futures::StreamExt;
use portico_provider_api::{Limits, QueryContext, Selection, Source, SourceError, SourceErrorKind, SourceQuery, TableRelation};
use std::sync::Arc;
use std::time::Duration;

const SERVERS: [Product; 2] = [Product::Postgres, Product::Mariadb];

/// A view that takes half a minute to give its row.
fn slow(database: &Database) {
    database.run(match database.product {
        Product::Postgres => "CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(30)::text AS nap",
        Product::Mariadb => "CREATE VIEW slow AS SELECT 1 AS id, SLEEP(30) AS nap",
        Product::Sqlite => {
            "CREATE VIEW slow AS WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c WHERE id < 100000000) \
             SELECT id FROM c WHERE id < 0"
        }
    });
}

fn large(database: &Database) {
    database.run("CREATE TABLE large (id int PRIMARY KEY, filler text)");
    database.run(match database.product {
        Product::Postgres => "INSERT INTO large SELECT g, repeat('x', 200) FROM generate_series(1, 100000) g",
        Product::Mariadb => "INSERT INTO large SELECT seq, repeat('x', 200) FROM seq_1_to_100000",
        Product::Sqlite => {
            "INSERT INTO large WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) \
             SELECT i, hex(zeroblob(100)) FROM c"
        }
    });
}

async fn scan(source: &Arc<dyn Source>, database: &Database, table: &str) -> SourceQuery {
    SourceQuery::scan(relation(source, database, table).await)
}

fn failed<T>(outcome: Result<T, SourceError>) -> SourceError {
    outcome.err().expect("an error")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_stopped_at_the_server_when_nobody_waits_for_it() {
    for product in SERVERS {
        let database = Database::create(product);
        slow(&database);
        let source = database.source(1);
        let query = scan(&source, &database, "slow").await;
        let asking = tokio::spawn({
            let (source, query) = (Arc::clone(&source), query.clone());
            async move { source.query(query, &QueryContext::default()).await.map(drop) }
        });
        while database.active() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        asking.abort();
        assert!(database.quiet(Duration::from_secs(5)).await, "{product:?}: the statement still runs");
        // The only connection is free again.
        database.run("CREATE TABLE small (id int PRIMARY KEY)");
        let small = scan(&source, &database, "small").await;
        assert_eq!(rows(&source, small, &within(Duration::from_secs(10))).await.unwrap().len(), 0, "{product:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_statement_that_has_not_answered() {
    for product in SERVERS {
        let database = Database::create(product);
        slow(&database);
        let source = database.source(2);
        let query = scan(&source, &database, "slow").await;
        let error = failed(source.query(query, &within(Duration::from_millis(700))).await);
        assert_eq!(error.kind, SourceErrorKind::Timeout, "{product:?}: {error}");
        assert!(database.quiet(Duration::from_secs(5)).await, "{product:?}: the statement still runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_answers_also_where_the_driver_cannot_be_stopped() {
    let database = Database::create(Product::Sqlite);
    slow(&database);
    let source = database.source(1);
    let query = scan(&source, &database, "slow").await;
    let error = failed(source.query(query.clone(), &within(Duration::from_millis(500))).await);
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
    // The connection is not given to others as long as the driver is busy with it.
    let error = failed(source.query(query, &within(Duration::from_millis(300))).await);
    assert!(error.kind == SourceErrorKind::Timeout && error.message.contains("no connection became free"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_ends_the_read_and_frees_the_connection() {
    for product in [Product::Postgres, Product::Mariadb, Product::Sqlite] {
        let database = Database::create(product);
        large(&database);
        let source = database.source(1);
        let query = scan(&source, &database, "large").await;
        for _ in 0..3 {
            let mut stream = source.query(query.clone(), &within(Duration::from_secs(20))).await.unwrap();
            assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
            assert!(stream.report().is_none());
            drop(stream);
        }
        assert!(database.quiet(Duration::from_secs(5)).await, "{product:?}: the statement still runs");
        let all = rows(&source, query, &within(Duration::from_secs(60))).await.unwrap();
        assert_eq!(all.len(), 100_000, "{product:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_slower_than_the_deadline_does_not_keep_the_connection() {
    let database = Database::create(Product::Postgres);
    large(&database);
    let source = database.source(1);
    let query = scan(&source, &database, "large").await;
    let mut stream = source.query(query.clone(), &within(Duration::from_secs(1))).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    let other = source.query(SourceQuery { limit: Some(1), ..query }, &within(Duration::from_secs(20))).await;
    assert!(other.is_ok(), "{:?}", other.err());
    let mut ended = None;
    while let Some(batch) = stream.next().await {
        ended = batch.err();
    }
    assert_eq!(ended.expect("an end that is no end").kind, SourceErrorKind::Timeout);
    assert!(stream.report().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_run_at_the_same_time() {
    for product in SERVERS {
        let database = Database::create(product);
        slow(&database);
        let source = database.source(3);
        let query = scan(&source, &database, "slow").await;
        let asked: Vec<_> = (0..3)
            .map(|_| {
                let (source, query) = (Arc::clone(&source), query.clone());
                tokio::spawn(async move { source.query(query, &within(Duration::from_secs(20))).await.map(drop) })
            })
            .collect();
        // A driver manager that serialises calls would never let the second one begin.
        while database.active() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        asked.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(database.quiet(Duration::from_secs(5)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_are_replaced() {
    for product in SERVERS {
        let database = Database::create(product);
        database.run("CREATE TABLE small (id int PRIMARY KEY)");
        database.run("INSERT INTO small VALUES (1)");
        let source = database.source(4);
        let query = scan(&source, &database, "small").await;
        assert_eq!(rows(&source, query.clone(), &QueryContext::default()).await.unwrap().len(), 1);
        assert!(database.kill_connections() > 0);
        assert_eq!(rows(&source, query, &QueryContext::default()).await.unwrap().len(), 1, "{product:?}");
        assert!(database.kill_connections() > 0);
        assert_eq!(source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap().tables.len(), 1, "{product:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_on_the_way_is_no_end() {
    let database = Database::create(Product::Postgres);
    large(&database);
    let source = database.source(1);
    let query = scan(&source, &database, "large").await;
    let mut stream = source.query(query, &within(Duration::from_secs(20))).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    database.kill_connections();
    let mut ended = None;
    while let Some(batch) = stream.next().await {
        ended = batch.err();
    }
    let error = ended.expect("an end that is no end");
    assert_eq!(error.kind, SourceErrorKind::Unavailable, "{error:?}");
    assert!(stream.report().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_beyond_a_cap_are_errors() {
    let database = Database::create(Product::Sqlite);
    large(&database);
    let source = database.source(1);
    let query = scan(&source, &database, "large").await;
    for limits in [Limits { max_rows: 50_000, max_bytes: 0 }, Limits { max_rows: 0, max_bytes: 100_000 }] {
        let mut context = within(Duration::from_secs(30));
        context.request.limits = limits;
        let mut stream = source.query(query.clone(), &context).await.unwrap();
        let mut ended = None;
        while let Some(batch) = stream.next().await {
            ended = batch.err();
        }
        let error = ended.expect("an error");
        assert!(error.kind == SourceErrorKind::Unsupported && error.message.contains("more than the allowed"), "{error}");
    }
}

async fn asked(settings: serde_json::Value) -> SourceError {
    let source = connect(settings, 1).unwrap();
    let context = within(Duration::from_secs(10));
    let error = failed(source.remote_schema(&Selection::All, &context).await);
    let relation = TableRelation { table: portico_provider_api::RemoteTableName(vec!["t".to_owned()]), columns: Vec::new() };
    assert_eq!(failed(source.query(SourceQuery::scan(relation.clone()), &context).await).kind, error.kind);
    assert!(source.describe(&SourceQuery::scan(relation)).is_empty(), "nobody knows what it would be asked");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_told_apart_and_no_secret_is_told() {
    let error = asked(serde_json::json!({ "connection": "DSN=no-such-name;PWD=hunter2" })).await;
    assert!(error.kind == SourceErrorKind::Unavailable && error.message.contains("no such data source"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    let error = asked(serde_json::json!({ "connection": "Driver=/nowhere/driver.so;PWD=hunter2" })).await;
    assert!(error.kind == SourceErrorKind::Unavailable && error.message.contains("library"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    let error = asked(serde_json::json!({ "connection": "Driver={SQLite3};Database=/nowhere/at/all.db" })).await;
    assert_eq!(error.kind, SourceErrorKind::Unavailable, "{error}");
    for product in SERVERS {
        let database = Database::create(product);
        let mut settings = database.settings();
        settings["password"] = "hunter2;}{".into();
        let error = asked(settings).await;
        assert_eq!(error.kind, SourceErrorKind::Credentials, "{product:?}: {error}");
        assert!(!format!("{error:?}").contains("hunter2") && !format!("{error:?}").contains(&database.secret), "{error:?}");
        let mut settings = database.settings();
        settings["connection"] = database.connection.replacen("Port=", "Port=1;X=", 1).into();
        let error = asked(settings).await;
        assert_eq!(error.kind, SourceErrorKind::Unavailable, "{product:?}: {error}");
        assert!(!format!("{error:?}").contains(&database.secret), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written() {
    for product in [Product::Postgres, Product::Mariadb, Product::Sqlite] {
        let database = Database::create(product);
        database.run("CREATE TABLE small (id int PRIMARY KEY)");
        let source = database.source(1);
        assert!(source.writable().is_none());
        let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
        assert!(schema.tables.iter().all(|table| !table.writable) && !schema.capabilities.write.insert);
    }
}
