//! One source that hangs, or is asked more than it takes: only the queries that need it fail, at their deadline, and say what it was.

use super::fixture::{FULL, Sources};
use super::gateway::Gateway;
use super::outage::through;
use super::proxy::{Fault, FaultyProxy};
use serde_json::Value;
use std::time::Duration;

/// A gateway over both sources, that with the invoices behind a proxy, with limits of that source and of the gateway.
async fn behind_proxy(sources: &Sources, source: &str, settings: &str) -> (FaultyProxy, Gateway) {
    let (target, _) = through(sources, 0);
    let proxy = FaultyProxy::start(target).await;
    let (_, url) = through(sources, proxy.port);
    let config = sources
        .config()
        .replace("url: { env: TEST_BILLING_URL } }", &format!("url: {{ env: TEST_BILLING_URL }}, limits: {{ {source} }} }}"));
    let gateway = Gateway::start_with(sources.directory.path(), &config, settings, &[("TEST_BILLING_URL", &url)]).await.ready().await;
    (proxy, gateway)
}

async fn refused(response: reqwest::Response, status: u16, code: &str) -> String {
    let found = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert_eq!((found, body["error"]["code"].as_str()), (status, Some(code)), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains("billing"), "the source is named: {body}");
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_hangs_fails_its_own_queries_at_their_deadline() {
    let sources = Sources::create().await;
    let (proxy, gateway) = behind_proxy(&sources, "timeout: 3s, connections: 2, queued: 2", "").await;
    assert_eq!(gateway.get("/odata/Invoices(1)", FULL).await.status(), 200);
    proxy.set(Fault::Hang);
    // Two are under way, two wait, and the rest is refused at once.
    let hanging = futures::future::join_all((0..8).map(|_| gateway.get("/odata/Invoices(1)", FULL)));
    let others = async {
        for id in 1..=20 {
            assert_eq!(gateway.get(&format!("/odata/Customers({id})"), FULL).await.status(), 200, "the other source is served");
        }
    };
    let (hanging, ()) = tokio::join!(hanging, others);
    let (mut late, mut at_once) = (0, 0);
    for response in hanging {
        match response.status().as_u16() {
            504 => {
                refused(response, 504, "SourceTimeout").await;
                late += 1;
            }
            _ => {
                assert!(response.headers().contains_key("retry-after"));
                let message = refused(response, 503, "SourceThrottled").await;
                assert!(message.contains("at most 2 run at once"), "{message}");
                at_once += 1;
            }
        }
    }
    assert_eq!((late, at_once), (4, 4));
    assert_eq!(gateway.sql(r#"SELECT "Id" FROM "Customers" ORDER BY "Id" LIMIT 1"#, FULL).await.status(), 200);
    proxy.set(Fault::None);
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while gateway.get("/odata/Invoices(1)", FULL).await.status() != 200 {
        assert!(std::time::Instant::now() < end, "the source is not used again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_hanging_queries_than_the_gateway_has_room_for_leave_room_for_others() {
    let sources = Sources::create().await;
    let (proxy, gateway) = behind_proxy(&sources, "timeout: 20s", "").await;
    proxy.set(Fault::Hang);
    let hanging = futures::future::join_all((0..400).map(|_| gateway.get("/odata/Invoices(1)", FULL)));
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for id in 1..=20 {
            assert_eq!(gateway.get(&format!("/odata/Customers({id})"), FULL).await.status(), 200, "the other source is served");
        }
    };
    tokio::select! {
        _ = hanging => panic!("they hang no longer than the others take"),
        () = others => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_by_waiting_and_then_by_refusing() {
    let sources = Sources::create().await;
    let (_proxy, gateway) = behind_proxy(&sources, "timeout: 30s, rate: { requests: 10, per: 1s, burst: 2 }", "").await;
    let started = std::time::Instant::now();
    for response in futures::future::join_all((0..12).map(|_| gateway.get("/odata/Invoices(1)", FULL))).await {
        assert_eq!(response.status(), 200);
    }
    assert!(started.elapsed() >= Duration::from_millis(900), "12 requests, 2 at once and 10 a second: {:?}", started.elapsed());
    drop(gateway);
    // The first is spent for what the source has.
    let (_proxy, gateway) = behind_proxy(&sources, "timeout: 5s, rate: { requests: 1, per: 1m, burst: 2 }", "").await;
    assert_eq!(gateway.get("/odata/Invoices(1)", FULL).await.status(), 200);
    let response = gateway.get("/odata/Invoices(1)", FULL).await;
    let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((40..=60).contains(&after), "{after}");
    refused(response, 503, "SourceThrottled").await;
    assert_eq!(gateway.get("/odata/Customers(1)", FULL).await.status(), 200);
}
