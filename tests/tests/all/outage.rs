//! Sources that are down: at the start, and while the gateway runs. What does not need them is served.

use super::fixture::{FULL, Sources};
use super::gateway::{Ended, Gateway, free_port, http_client, run};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// A TCP proxy in front of PostgreSQL that can be shut: then it refuses connections and breaks those that are open.
pub struct Proxy {
    pub port: u16,
    open: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn start(port: u16, target: String, open: bool) -> Proxy {
        let open = Arc::new(AtomicBool::new(open));
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let gate = open.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if !gate.load(Ordering::SeqCst) {
                    continue;
                }
                let (gate, target) = (gate.clone(), target.clone());
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    let shut = async {
                        while gate.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        () = shut => {}
                    }
                });
            }
        });
        Proxy { port, open, task }
    }

    pub fn set(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server's address, and the database's url through the proxy.
pub fn through(sources: &Sources, port: u16) -> (String, String) {
    let (scheme, rest) = sources.database.url.split_once("://").unwrap();
    let (authority, database) = rest.split_once('/').unwrap();
    let (user, address) = authority.rsplit_once('@').map_or((String::new(), authority), |(user, address)| (format!("{user}@"), address));
    (address.to_owned(), format!("{scheme}://{user}127.0.0.1:{port}/{database}"))
}

async fn status(gateway: &Gateway, path: &str) -> u16 {
    gateway.get(path, FULL).await.status().as_u16()
}

async fn eventually(gateway: &Gateway, path: &str, wanted: u16) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let found = status(gateway, path).await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < end, "{path} still answers {found}, not {wanted}\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_away_hurts_only_its_own_tables_and_comes_back() {
    let sources = Sources::create().await;
    let (target, url) = through(&sources, free_port());
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port, target, true).await;
    assert_eq!(proxy.port, port);
    let gateway = Gateway::start(sources.directory.path(), &sources.config(), &[("TEST_BILLING_URL", &url)]).await.ready().await;
    assert_eq!(status(&gateway, "/odata/Invoices?$top=1").await, 200);
    proxy.set(false);
    // The open connections are broken within a moment.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let failed = gateway.get("/odata/Invoices?$top=1", FULL).await;
    assert!([502, 503, 504].contains(&failed.status().as_u16()), "{}", failed.status());
    let error: Value = failed.json().await.unwrap();
    let text = error.to_string();
    assert!(text.contains("billing"), "the source is named: {text}");
    assert!(!text.contains("postgres@") && !text.contains("panicked"), "{text}");
    assert_eq!(status(&gateway, "/odata/Customers?$top=1").await, 200, "the other source is served");
    let expanded = status(&gateway, "/odata/Customers?$expand=Invoices").await;
    assert!([502, 503, 504].contains(&expanded), "an answer that needs it is not a part of one: {expanded}");
    proxy.set(true);
    eventually(&gateway, "/odata/Invoices?$top=1", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_starts_from_its_lock_while_a_source_is_down() {
    let sources = Sources::create().await;
    let (target, url) = through(&sources, free_port());
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port, target, true).await;
    let environment = [("TEST_BILLING_URL", url.as_str())];
    let mut first = Gateway::start(sources.directory.path(), &sources.config(), &environment).await.ready().await;
    assert!(sources.directory.path().join("portico.lock").exists(), "the schemas were kept");
    assert!(first.stop(Duration::from_secs(20)), "a stop that was asked for ends well:\n{}", first.log());
    drop(first);
    proxy.set(false);
    let second = Gateway::start(sources.directory.path(), &sources.config(), &environment).await;
    let metadata = second.get("/odata/$metadata", FULL).await.text().await.unwrap();
    assert!(metadata.contains("EntitySet Name=\"Invoices\""), "the table is published from the lock: {metadata}");
    assert_eq!(status(&second, "/odata/Customers?$top=1").await, 200);
    let down = status(&second, "/odata/Invoices?$top=1").await;
    assert!([502, 503, 504].contains(&down), "{down}");
    let ready = http_client().get(format!("{}/ready", second.admin)).send().await.unwrap();
    assert!(ready.text().await.unwrap().contains("billing"), "/ready names the source");
    proxy.set(true);
    eventually(&second, "/odata/Invoices?$top=1", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lock_the_tables_of_a_source_that_is_down_come_when_it_does() {
    let sources = Sources::create().await;
    let (target, url) = through(&sources, free_port());
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port, target, false).await;
    let gateway = Gateway::start(sources.directory.path(), &sources.config(), &[("TEST_BILLING_URL", &url)]).await;
    assert_eq!(status(&gateway, "/odata/Customers?$top=1").await, 200);
    let unknown = status(&gateway, "/odata/Invoices?$top=1").await;
    assert!([404, 503].contains(&unknown), "{unknown}");
    assert!(gateway.log().contains("billing"), "the log says which source is down:\n{}", gateway.log());
    proxy.set(true);
    eventually(&gateway, "/odata/Invoices?$top=1", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connects_and_reports() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    drop(gateway);
    let arguments = ["check", "--config", "portico.yaml"];
    let (ended, text) = run(sources.directory.path(), &arguments, &sources.environment());
    assert!(ended == Ended::Well, "{text}");
    sources.database.run("ALTER TABLE invoices DROP COLUMN note").await;
    let (_, text) = run(sources.directory.path(), &arguments, &sources.environment());
    assert!(text.contains("note"), "the drift is reported: {text}");
    let nowhere = [("TEST_BILLING_URL", "postgres://nobody:hush-hush@127.0.0.1:1/nothing")];
    let (ended, text) = run(sources.directory.path(), &arguments, &nowhere);
    assert!(ended == Ended::Badly && text.contains("billing"), "{text}");
    assert!(!text.contains("hush-hush"), "a password is printed: {text}");
}
