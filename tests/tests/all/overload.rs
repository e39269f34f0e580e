//! More than the gateway takes at once: what waits, what is refused and with which advice, what is answered all the same, and that nothing
//! goes on for a client that has left.

use super::fixture::{CLERK, FULL, Sources};
use super::flight::adbc;
use super::gateway::Gateway;
use super::metrics::eventually;
use serde_json::{Value, json};
use std::time::Duration;

/// A table that takes PostgreSQL that many seconds to read.
async fn slow(sources: &Sources, seconds: u32) {
    sources
        .database
        .run(&format!("CREATE VIEW slow AS SELECT g AS id, pg_sleep({seconds})::text AS note FROM generate_series(1, 1) g"))
        .await;
}

/// A gateway with a slow table and limits.
async fn limited(sources: &Sources, limits: &str) -> Gateway {
    let config =
        sources.config().replace("  Revenue:\n    sql", "  Slow: { source: billing, remote: slow, key: [id] }\n  Revenue:\n    sql");
    let config = config.replace("      Regions: {}\n", "      Regions: {}\n      Slow: {}\n");
    let settings = format!("  limits: {{ {limits} }}\n");
    Gateway::start_with(sources.directory.path(), &config, &settings, &sources.environment()).await.ready().await
}

const RUNNING: &str = r#"portico_admitted{of="requests"}"#;
const LOCAL: &str = r#"portico_admitted{of="local_queries"}"#;
/// The first side of the join is slow, and only the gateway can join it to the other.
const JOIN: &str = r#"SELECT c."Id" FROM "Slow" s JOIN "Customers" c ON c."Id" = s.id"#;

async fn refused(response: reqwest::Response, status: u16, code: &str) {
    assert_eq!(response.status().as_u16(), status);
    let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&after), "{after}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], code, "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains("try again later"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_told_when_to_come_back_and_descriptions_are_answered() {
    let sources = Sources::create().await;
    slow(&sources, 60).await;
    let gateway = limited(&sources, "active_requests: 2, queued_requests: 0").await;
    let first = gateway.request(reqwest::Method::GET, "/odata/Slow", FULL).send();
    let second = gateway.request(reqwest::Method::GET, "/odata/Slow", FULL).send();
    let asked = async {
        eventually(&gateway, RUNNING, 2.0).await;
        refused(gateway.get("/odata/Customers(1)", CLERK).await, 503, "Overloaded").await;
        refused(gateway.sql("SELECT 1", FULL).await, 503, "Overloaded").await;
        for path in ["/odata", "/odata/", "/odata/$metadata"] {
            assert_eq!(gateway.get(path, FULL).await.status(), 200, "{path}");
        }
        let answers = adbc(&gateway, FULL, &[json!({ "query": "SELECT 1" }), json!({ "types": true })]);
        let message = answers[0]["error"].as_str().unwrap();
        assert!(message.contains("Overloaded") && message.contains("ResourceExhausted"), "{message}");
        assert_eq!(answers[1]["types"], json!(["TABLE", "VIEW"]), "a listing is answered");
    };
    tokio::select! {
        _ = async { tokio::join!(first, second) } => panic!("the slow requests have ended"),
        () = asked => {}
    }
    // Both clients have gone.
    assert!(sources.database.quiet(Duration::from_secs(20)).await, "a query still runs at the source");
    eventually(&gateway, RUNNING, 0.0).await;
    assert_eq!(gateway.get("/odata/Customers(1)", FULL).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_in_turn_and_nobody_waits_for_long() {
    let sources = Sources::create().await;
    slow(&sources, 1).await;
    let gateway = limited(&sources, "active_requests: 1, queued_requests: 8, queue_time: 100s").await;
    let requests = (0..4).map(|_| gateway.get("/odata/Slow", FULL));
    for response in futures::future::join_all(requests).await {
        assert_eq!(response.status(), 200);
    }
    drop(gateway);
    let gateway = limited(&sources, "active_requests: 1, queued_requests: 8, queue_time: 100ms").await;
    let (first, second) = tokio::join!(gateway.get("/odata/Slow", FULL), gateway.get("/odata/Slow", FULL));
    let (well, badly) = if first.status() == 200 { (first, second) } else { (second, first) };
    assert_eq!(well.status(), 200);
    refused(badly, 503, "Overloaded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_s_crowd_is_its_own() {
    let sources = Sources::create().await;
    slow(&sources, 60).await;
    let gateway = limited(&sources, "active_requests: 8, active_requests_per_caller: 1, queued_requests: 0").await;
    let crowd = gateway.request(reqwest::Method::GET, "/odata/Slow", FULL).send();
    let asked = async {
        eventually(&gateway, RUNNING, 1.0).await;
        refused(gateway.get("/odata/Customers(1)", FULL).await, 429, "TooManyRequests").await;
        assert_eq!(gateway.get("/odata/Invoices(1)", CLERK).await.status(), 200, "others are answered");
    };
    tokio::select! {
        _ = crowd => panic!("the slow request has ended"),
        () = asked => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_do_not_wait_for_joins_and_a_join_stops_with_its_client() {
    let sources = Sources::create().await;
    slow(&sources, 60).await;
    let gateway = limited(&sources, "local_queries: 1, queued_local_queries: 0").await;
    let join = gateway.sql(JOIN, FULL);
    let asked = async {
        eventually(&gateway, LOCAL, 1.0).await;
        while sources.database.active().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        refused(gateway.sql(JOIN, FULL).await, 503, "Overloaded").await;
        for _ in 0..20 {
            assert_eq!(gateway.get("/odata/Invoices(1)", FULL).await.status(), 200);
            assert_eq!(gateway.get("/odata/Customers(1)?$expand=Invoices", FULL).await.status(), 200);
        }
    };
    tokio::select! {
        _ = join => panic!("the join has ended"),
        () = asked => {}
    }
    assert!(sources.database.quiet(Duration::from_secs(20)).await, "the join still asks the source");
    eventually(&gateway, LOCAL, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_passes_its_deadline_stops_at_the_source_too() {
    let sources = Sources::create().await;
    slow(&sources, 60).await;
    let gateway = limited(&sources, "request_time: 2s").await;
    let late = gateway.sql(JOIN, FULL).await;
    assert_eq!(late.status(), 504);
    assert!(sources.database.quiet(Duration::from_secs(20)).await, "a query still runs at the source");
    eventually(&gateway, LOCAL, 0.0).await;
}
