//! What clients are told of a source that is out of order: whether to send a write again, and that it is not asked for a while; and that it is
//! asked again when it is back.

use super::fixture::{Database, FULL};
use super::gateway::{Gateway, free_port, sha256};
use super::outage::Proxy;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONFIG: &str = r#"
sources:
  billing:
    kind: postgres
    url: { env: TEST_BILLING_URL }
    limits: { timeout: 1s, connections: 4, breaker: { failures: 3, pause: 2s } }
    introspection: { probe: 30s }
tables:
  Early: { source: billing, remote: early }
  Late: { source: billing, remote: late }
access:
  roles: { full: { Early: { write: [insert] }, Late: { write: [insert] } } }
  keys: { full: { sha256: "{full}", roles: [full] } }
"#;

const TABLES: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(4); RETURN NEW; END $$;
    CREATE TABLE early (id int PRIMARY KEY); CREATE TABLE late (id int PRIMARY KEY);
    CREATE TRIGGER slow BEFORE INSERT ON early FOR EACH ROW EXECUTE FUNCTION slow();
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();";

struct World {
    gateway: Gateway,
    proxy: Proxy,
    _database: Database,
    _directory: tempfile::TempDir,
}

async fn world() -> World {
    let database = Database::create().await;
    database.run(TABLES).await;
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (authority, own) = rest.split_once('/').unwrap();
    let (user, address) = authority.rsplit_once('@').unwrap();
    let proxy = Proxy::start(free_port(), address.to_owned(), true).await;
    let url = format!("{scheme}://{user}@127.0.0.1:{}/{own}", proxy.port);
    let directory = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("{full}", &sha256(FULL));
    let gateway = Gateway::start(directory.path(), &config, &[("TEST_BILLING_URL", &url)]).await.ready().await;
    World { gateway, proxy, _database: database, _directory: directory }
}

/// The status, what `Retry-After` says, and the message.
async fn insert(gateway: &Gateway, table: &str) -> (u16, Option<String>, String) {
    let request = gateway.request(reqwest::Method::POST, &format!("/odata/{table}"), FULL).json(&json!({ "id": 1 }));
    told(request.send().await.unwrap()).await
}

async fn told(response: reqwest::Response) -> (u16, Option<String>, String) {
    let status = response.status().as_u16();
    let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let body: Value = response.json().await.unwrap();
    (status, retry, body["error"]["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_to_repeat_a_write_whose_outcome_is_unknown() {
    let world = world().await;
    let (status, retry, message) = insert(&world.gateway, "Early").await;
    assert_eq!((status, retry.is_some()), (504, true), "the server has undone it: {message}");
    assert!(message.contains("billing") && !message.contains("known"), "{message}");
    let (status, retry, message) = insert(&world.gateway, "Late").await;
    assert_eq!((status, retry), (504, None), "{message}");
    assert!(message.contains("billing") && message.contains("whether the change was made is not known"), "{message}");
}

async fn source(gateway: &Gateway) -> Value {
    let ready: Value = serde_json::from_str(&gateway.ask_admin("/ready").await).unwrap();
    ready["sources"]["billing"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_again_and_again_is_not_asked_until_it_is_back() {
    let world = world().await;
    let World { gateway, proxy, .. } = &world;
    let ask = async || told(gateway.get("/odata/Early?$top=1", FULL).await).await;
    assert_eq!(ask().await.0, 200);
    assert_eq!(source(gateway).await["breaker"], "closed");
    proxy.set(false);
    // Connections that are open break a little later.
    while ask().await.0 == 200 {}
    for _ in 0..2 {
        assert!([503, 504].contains(&ask().await.0));
    }
    let (status, retry, message) = ask().await;
    assert_eq!(status, 503, "{message}");
    assert!(message.contains("billing") && message.contains("it has failed 3 times in a row"), "{message}");
    assert!(retry.is_some_and(|seconds| seconds.parse::<u64>().unwrap() <= 2));
    let told = source(gateway).await;
    assert_eq!((&told["breaker"], &told["failures_in_a_row"]), (&json!("open"), &json!(3)), "{told}");
    assert!(told["last_failure"]["message"].is_string(), "{told}");
    assert!(gateway.ask_admin("/metrics").await.contains("portico_source_breaker{source=\"billing\"} 2"));
    proxy.set(true);
    let end = Instant::now() + Duration::from_secs(30);
    while ask().await.0 != 200 {
        assert!(Instant::now() < end, "{}", source(gateway).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(source(gateway).await["breaker"], "closed");
    assert!(gateway.ask_admin("/metrics").await.contains("portico_source_breaker{source=\"billing\"} 0"));
}
