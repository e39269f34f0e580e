//! How long a server is waited for: a slow client's time does not count, a server that falls silent does not hold its caller.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, patient, relation, within};
use futures::TryStreamExt;
use portico_provider_api::{QueryContext, QueryStream, Source, SourceErrorKind, SourceQuery};
use portico_provider_testkit::OwnServer;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Far more than fits between server and reader.
const ROWS: usize = 150_000;
const TABLE: &str = "CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 8) AS note FROM generate_series(1, 150000) g";
const TIMEOUT: Duration = Duration::from_secs(1);

/// Reads with pauses that are longer than the source's timeout, and gives the number of rows.
async fn read_slowly(stream: &mut QueryStream) -> usize {
    let mut rows = 0;
    let mut pauses = 3;
    while let Some(batch) = stream.try_next().await.unwrap() {
        rows += batch.num_rows();
        if pauses > 0 {
            pauses -= 1;
            tokio::time::sleep(TIMEOUT * 2).await;
        }
    }
    rows
}

async fn scan(source: &Arc<dyn Source>) -> SourceQuery {
    SourceQuery::scan(relation(source, "large").await)
}

/// Over one connection, and over several.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_be_slower_than_the_timeout() {
    let database = Database::create().await;
    database.run(TABLE).await;
    let whole = patient(&database.url, json!({}), 2, TIMEOUT);
    let split = patient(&database.url, json!({ "scan": { "connections": 3, "split_above": "1 MiB" } }), 6, TIMEOUT);
    for source in [whole, split] {
        // Where the request has a deadline, a server that copies is told so in a transaction.
        for context in [QueryContext::default(), within(Duration::from_secs(120))] {
            let mut stream = source.query(scan(&source).await, &context).await.unwrap();
            assert_eq!(read_slowly(&mut stream).await, ROWS);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_midway_fails_the_read_by_its_name() {
    let server = OwnServer::start(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server.sh")), "data/postmaster.pid").unwrap();
    let source = patient(&server.url, json!({}), 2, TIMEOUT);
    database::client(&server.url).await.batch_execute(TABLE).await.unwrap();
    let query = scan(&source).await;
    let mut stream = source.query(query.clone(), &QueryContext::default()).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    server.signal("STOP").unwrap();
    let error = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the whole table was read"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
    assert_eq!(error.to_string(), "source 'billing': it sent nothing for 1 s");
    drop(stream);
    // Nor does one who asks now wait for longer.
    let asked = source.query(SourceQuery { limit: Some(1), ..query }, &QueryContext::default()).await;
    assert_eq!(asked.unwrap_err().kind, SourceErrorKind::Timeout);
    server.signal("CONT").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_s_deadline_bounds_the_whole_read() {
    let database = Database::create().await;
    database.run(TABLE).await;
    let source = patient(&database.url, json!({}), 2, Duration::from_secs(60));
    let mut stream = source.query(scan(&source).await, &within(TIMEOUT * 2)).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    tokio::time::sleep(TIMEOUT * 2).await;
    let error = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the whole table was read"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
}
