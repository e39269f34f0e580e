//! What operators are told is true: counters after a known number of requests, what runs now, and how the sources stand.

use super::fixture::{CLERK, FULL, Sources, invoices};
use super::flight::adbc;
use super::gateway::{Gateway, free_port};
use super::outage::{Proxy, through};
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// All metrics by their name with labels.
async fn metrics(gateway: &Gateway) -> BTreeMap<String, f64> {
    let text = gateway.ask_admin("/metrics").await;
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends with a mark: {text}");
    let line = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("'{line}' is not a metric"));
        (name.to_owned(), value.parse().unwrap_or_else(|error| panic!("'{line}': {error}")))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

/// Waits until a metric has a value.
pub async fn eventually(gateway: &Gateway, name: &str, wanted: f64) -> BTreeMap<String, f64> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = metrics(gateway).await;
        if found.get(name) == Some(&wanted) {
            return found;
        }
        assert!(Instant::now() < end, "{name} is {:?}, not {wanted}: {found:#?}", found.get(name));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn requests(door: &str, outcome: &str) -> String {
    format!("portico_requests_total{{door=\"{door}\",outcome=\"{outcome}\"}}")
}

fn active(door: &str) -> String {
    format!("portico_active_requests{{door=\"{door}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_is_counted_once() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for _ in 0..3 {
        gateway.json("/odata/Invoices?$top=7", FULL).await;
    }
    gateway.json("/odata/Customers?$top=2&$expand=Invoices", FULL).await;
    assert_eq!(gateway.get("/odata/Invoicess", FULL).await.status(), 404);
    assert_eq!(gateway.get("/odata/Invoices", "wrong").await.status(), 401);
    assert!(gateway.sql("SELECT id FROM \"Invoices\" LIMIT 4", CLERK).await.text().await.unwrap().contains("id"));
    assert_eq!(gateway.sql("SELEC", FULL).await.status(), 400);
    let question = json!({ "query": "SELECT id FROM \"Invoices\"" });
    assert_eq!(adbc(&gateway, FULL, &[question])[0]["rows"].as_array().map(Vec::len), Some(invoices().len()));
    let found = eventually(&gateway, &requests("odata", "ok"), 4.0).await;
    let value = |name: &str| found.get(name).copied().unwrap_or_default();
    let outcomes: f64 = found.iter().filter(|(name, _)| name.starts_with("portico_requests_total{door=\"odata\"")).map(|(_, n)| n).sum();
    assert_eq!(outcomes, 6.0, "{found:#?}");
    assert_eq!(value(&requests("odata", "Unauthenticated")), 1.0, "{found:#?}");
    assert_eq!(value(&requests("sql", "ok")), 1.0, "{found:#?}");
    assert_eq!(value(&requests("sql", "InvalidSyntax")), 1.0, "{found:#?}");
    assert_eq!(value("portico_request_seconds_count{door=\"odata\"}"), 6.0);
    assert_eq!(value("portico_answered_rows_total{door=\"sql\"}"), 4.0);
    // The driver asks who the server is, too.
    let beside = value("portico_answered_rows_total{door=\"flight\"}") - invoices().len() as f64;
    assert!((0.0..10.0).contains(&beside), "{found:#?}");
    assert!(value("portico_answered_bytes_total{door=\"odata\"}") > 100.0, "{found:#?}");
    // Three pages, one expansion, and two from SQL.
    assert_eq!(value("portico_source_calls_total{source=\"billing\",outcome=\"complete\"}"), 6.0, "{found:#?}");
    assert_eq!(value("portico_source_calls_total{source=\"crm\",outcome=\"complete\"}"), 1.0, "{found:#?}");
    assert!(value("portico_source_rows_total{source=\"billing\"}") >= 3.0 * 7.0 + 4.0 + invoices().len() as f64, "{found:#?}");
    assert_eq!(value("portico_source_calls_total{source=\"billing\",outcome=\"failed\"}"), 0.0, "{found:#?}");
    for door in ["odata", "sql", "flight"] {
        assert_eq!(value(&active(door)), 0.0, "{door}: {found:#?}");
    }
    assert_eq!(value("portico_source_up{source=\"billing\"}"), 1.0);
    assert_eq!(value("portico_source_up{source=\"crm\"}"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_counted_until_it_ends() {
    let sources = Sources::create().await;
    let large = "INSERT INTO lines SELECT id, n, repeat('x', 200) FROM invoices, generate_series(10, 2000) n;";
    sources.database.run(large).await;
    let gateway = sources.serve().await;
    let response = gateway.get("/odata/Lines", FULL).await;
    assert_eq!(response.status(), 200);
    let mut body = response.bytes_stream();
    assert!(body.next().await.is_some(), "the answer has begun");
    eventually(&gateway, &active("odata"), 1.0).await;
    drop(body);
    let found = eventually(&gateway, &active("odata"), 0.0).await;
    assert_eq!(found.get(&requests("odata", "cancelled")), Some(&1.0), "{found:#?}");
    assert!(sources.database.quiet(Duration::from_secs(20)).await, "the source is not asked any longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stops_is_shown_and_so_is_its_return() {
    let sources = Sources::create().await;
    let port = free_port();
    let (target, url) = through(&sources, port);
    let proxy = Proxy::start(port, target, true).await;
    let gateway = Gateway::start(sources.directory.path(), &sources.config(), &[("TEST_BILLING_URL", &url)]).await.ready().await;
    let source = async || -> Value {
        let ready: Value = serde_json::from_str(&gateway.ask_admin("/ready").await).unwrap();
        assert_eq!(ready["ready"], true, "the other source is served: {ready}");
        assert_eq!(ready["sources"]["crm"]["answers"], true, "{ready}");
        ready["sources"]["billing"].clone()
    };
    let until = async |answers: bool| -> Value {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let found = source().await;
            if found["answers"] == answers {
                return found;
            }
            assert!(Instant::now() < end, "/ready does not say that it answers: {answers}: {found}\n{}", gateway.log());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let before = until(true).await;
    assert_eq!(before["last_error"], Value::Null);
    // Nobody queries it meanwhile.
    proxy.set(false);
    let down = until(false).await;
    assert!(down["last_error"].is_string() && !down.to_string().contains(&url), "{down}");
    assert!(down["since"].as_u64() >= before["since"].as_u64(), "{down}");
    eventually(&gateway, "portico_source_up{source=\"billing\"}", 0.0).await;
    proxy.set(true);
    let up = until(true).await;
    assert_eq!((&up["last_error"], &up["schema_version"]), (&Value::Null, &before["schema_version"]), "{up}");
    eventually(&gateway, "portico_source_up{source=\"billing\"}", 1.0).await;
    gateway.json("/odata/Invoices?$top=1", FULL).await;
}
