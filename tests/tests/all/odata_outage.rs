//! A source over HTTP that is down: queries that need it fail fast with its name, others are untouched, and it recovers without a restart of the
//! gateway.

use super::fixture::{FULL, Sources};
use super::gateway::{Gateway, sha256};
use super::outage::Proxy;
use serde_json::Value;
use std::time::{Duration, Instant};

async fn answer(gateway: &Gateway, path: &str) -> (u16, String) {
    let answer = gateway.get(path, FULL).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What `/ready` says of a source.
async fn state(gateway: &Gateway, source: &str) -> Value {
    let ready: Value = serde_json::from_str(&gateway.ask_admin("/ready").await).unwrap();
    ready["sources"][source].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_left_alone_until_it_is_back() {
    let sources = Sources::create().await;
    let hub = sources.serve().await;
    let target = hub.http.split_once("://").unwrap().1.to_owned();
    let proxy = Proxy::start(super::gateway::free_port(), target, true).await;
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "sources:\n  hub:\n    kind: odata\n    url: \"http://127.0.0.1:{}/odata/\"\n    auth: {{ api_key: {{ key: {{ env: TEST_HUB_SECRET }} }} }}\n    \
         http: {{ retries: 0 }}\n    limits: {{ breaker: {{ failures: 2, pause: 60s }} }}\n    introspection: {{ probe: 2s }}\n  \
         own:\n    kind: memory\n    tables:\n      - {{ name: notes, columns: [ {{ name: id, type: int64, nullable: false }} ], primary_key: [id], rows: [ {{ id: 1 }} ] }}\n\
         tables:\n  Customers: {{ source: hub, remote: Customers }}\n  Notes: {{ source: own, remote: notes }}\n\
         access:\n  roles:\n    all: {{ Customers: {{}}, Notes: {{}} }}\n  keys:\n    full: {{ sha256: \"{}\", roles: [all] }}\n  anonymous: none\n",
        proxy.port,
        sha256(FULL)
    );
    let gateway = Gateway::start(directory.path(), &config, &[("TEST_HUB_SECRET", FULL)]).await.ready().await;
    assert_eq!(answer(&gateway, "/odata/Customers?$top=1").await.0, 200);
    proxy.set(false);
    // Open connections are broken within a moment.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut refused = 0;
    for _ in 0..6 {
        let (status, text) = answer(&gateway, "/odata/Customers?$top=1").await;
        assert!([502, 503, 504].contains(&status) && text.contains("hub"), "{status} {text}");
        refused += usize::from(text.contains("in a row"));
    }
    let told = state(&gateway, "hub").await;
    assert!(refused >= 3 && told["breaker"] == "open", "{refused} answers without a question: {told}");
    assert_eq!(answer(&gateway, "/odata/Notes").await.0, 200, "the other source is served");
    proxy.set(true);
    // Who probes finds that it is back, long before the pause is over.
    let end = Instant::now() + Duration::from_secs(50);
    while answer(&gateway, "/odata/Customers?$top=1").await.0 != 200 {
        assert!(Instant::now() < end, "it does not come back: {}", state(&gateway, "hub").await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
