//! Large answers stream in constant memory through both doors, and a client that goes away takes its query with it.

use super::fixture::{Database, FULL};
use super::flight::adbc;
use super::gateway::{Gateway, http_client_builder, sha256};
use super::metrics::eventually;
use futures::StreamExt;
use serde_json::json;
use std::time::Duration;

const ROWS: i64 = 1_000_000;
const MAY_GROW: u64 = 150 << 20;

/// A million rows, and a gateway in front of them.
async fn million(directory: &std::path::Path) -> (Database, Gateway) {
    million_with(directory, "").await
}

/// The same with further settings for the HTTP door, each with a comma before it.
async fn million_with(directory: &std::path::Path, http: &str) -> (Database, Gateway) {
    let database = Database::create().await;
    let fill = format!(
        "CREATE TABLE big (id bigint PRIMARY KEY, name text NOT NULL, amount numeric(12,2), at timestamptz NOT NULL, note text);
         INSERT INTO big SELECT g, 'name ' || g, g * 0.01, timestamptz '2024-01-01Z' + g * interval '1 second', repeat('x', 60)
         FROM generate_series(1, {ROWS}) g; ANALYZE big;"
    );
    database.run(&fill).await;
    let config = format!(
        "sources:\n  billing: {{ kind: postgres, url: {{ env: TEST_BILLING_URL }} }}\naccess:\n  roles: {{ full: {{ big: {{}} }} }}\n  \
         keys: {{ full: {{ sha256: \"{}\", roles: [full] }} }}\n",
        sha256(FULL)
    );
    let gateway = Gateway::start_with_http(directory, &config, http, &[("TEST_BILLING_URL", &database.url)]).await.ready().await;
    // What is allocated once, by any query, is not growth with the size of the answer.
    gateway.json("/odata/big?$top=1000", FULL).await;
    adbc(&gateway, FULL, &[json!({ "stream": "SELECT * FROM big LIMIT 1000" })]);
    (database, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows_stream_in_constant_memory() {
    let directory = tempfile::tempdir().unwrap();
    let (database, gateway) = million(directory.path()).await;
    let (before, _) = gateway.memory();

    let response = gateway.get("/odata/big", FULL).await;
    assert_eq!(response.status(), 200);
    let (mut rows, mut bytes, mut tail) = (0_i64, 0_usize, Vec::new());
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.expect("the answer is whole");
        bytes += chunk.len();
        rows += chunk.windows(2).filter(|pair| pair == b"x\"").count() as i64;
        // A pair may be cut by the end of a chunk.
        rows += i64::from(tail.last() == Some(&b'x') && chunk.first() == Some(&b'"'));
        tail = chunk[chunk.len().saturating_sub(64)..].to_vec();
    }
    assert_eq!(rows, ROWS);
    assert!(tail.ends_with(b"]}"), "the JSON is complete: {}", String::from_utf8_lossy(&tail));
    let (_, after_json) = gateway.memory();
    assert!(after_json.saturating_sub(before) < MAY_GROW, "JSON of {bytes} bytes: the process grew from {before} to {after_json}");

    let answer = adbc(&gateway, FULL, &[json!({ "stream": "SELECT * FROM big" })]);
    assert_eq!(answer[0]["rows"], json!(ROWS), "{}", answer[0]);
    let (_, after_flight) = gateway.memory();
    assert!(after_flight.saturating_sub(before) < MAY_GROW, "Flight: the process grew from {before} to {after_flight}");
    drop(database);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_no_query_at_the_source() {
    let directory = tempfile::tempdir().unwrap();
    let (database, gateway) = million(directory.path()).await;
    for round in 0..3 {
        let response = gateway.get("/odata/big", FULL).await;
        let mut body = response.bytes_stream();
        let mut read = 0;
        while read < 1 << 20 {
            read += body.next().await.expect("there is more").unwrap().len();
        }
        assert!(database.active().await >= 1, "round {round}: the source is still sending");
        drop(body);
        // The count tells a question that was broken off from one that was read to its end for nobody.
        eventually(&gateway, r#"portico_source_calls_total{source="billing",outcome="cancelled"}"#, f64::from(round + 1)).await;
        assert!(database.quiet(Duration::from_secs(20)).await, "round {round}: a query still runs at the source");
    }
    assert_eq!(gateway.json("/odata/big?$top=1", FULL).await["value"][0]["id"], 1, "and the connections are usable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_of_the_door_answers_look_ups_beside_answers_that_nobody_reads() {
    let directory = tempfile::tempdir().unwrap();
    let (database, gateway) = million_with(directory.path(), ", threads: 1").await;
    let mut unread = Vec::new();
    for _ in 0..3 {
        let response = gateway.get("/odata/big", FULL).await;
        assert_eq!(response.status(), 200);
        unread.push(response);
    }
    let find = async |client: &reqwest::Client, id: usize| {
        let url = format!("{}/odata/big({id})", gateway.http);
        let response = client.get(url).header("X-Api-Key", FULL).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let version = response.version();
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["name"], format!("name {id}"));
        version
    };
    for (one, expected) in
        [(http_client_builder(), reqwest::Version::HTTP_11), (http_client_builder().http2_prior_knowledge(), reqwest::Version::HTTP_2)]
    {
        let client = one.build().unwrap();
        let versions = futures::future::join_all((1..=200).map(|id| find(&client, id))).await;
        assert!(versions.iter().all(|version| *version == expected));
    }
    drop(unread);
    eventually(&gateway, r#"portico_source_calls_total{source="billing",outcome="cancelled"}"#, 3.0).await;
    assert!(database.quiet(Duration::from_secs(20)).await, "a query still runs at the source");
}
