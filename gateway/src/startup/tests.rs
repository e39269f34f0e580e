//! Starts with sources that are down, the lock, drift and recovery, on SQLite files that are there or not.

use super::*;
use crate::config;
use keeper::SourceState;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "
sources: { shop: { kind: sqlite, path: shop.db }, late: { kind: sqlite, path: late.db } }
tables:
  Customers: { source: shop, remote: customer }
  Invoices: { source: late, remote: invoice }
  Totals: { sql: 'SELECT customer_id, count(*) AS n FROM Invoices GROUP BY customer_id', key: [customer_id] }
services: { all: { path: /odata, tables: [Customers, Invoices, Totals] } }
access: { roles: { sales: { Customers: {}, Invoices: { rows: 'customer_id > 0' }, Totals: {} } } }
";

fn make(file: &Path, sql: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

fn gateway(directory: &Path) -> Gateway {
    let config = config::load::parse(&directory.join("portico.yaml"), CONFIG).unwrap_or_else(|errors| panic!("{errors}"));
    assemble(config).unwrap_or_else(|error| panic!("{error}"))
}

async fn started(directory: &Path) -> Gateway {
    let gateway = gateway(directory);
    gateway.keeper.introspect().await;
    gateway.keeper.publish().unwrap_or_else(|errors| panic!("{errors}"));
    gateway
}

fn tables(gateway: &Gateway) -> Vec<String> {
    gateway.engine.model().unwrap().tables.keys().cloned().collect()
}

const CUSTOMERS: &str = "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL)";
const INVOICES: &str = "CREATE TABLE invoice (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL)";

#[tokio::test]
async fn a_source_that_was_never_seen_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("shop.db"), CUSTOMERS);
    let gateway = started(directory.path()).await;
    assert_eq!(tables(&gateway), ["Customers"]);
    assert_eq!(gateway.keeper.missing_tables(), ["Invoices", "Totals"]);
    assert_eq!(gateway.keeper.statuses()["late"].state, SourceState::Unknown);
    make(&directory.path().join("late.db"), INVOICES);
    let stop = CancellationToken::new();
    let watch = tokio::spawn(Keeper::watch(Arc::clone(&gateway.keeper), stop.clone()));
    for _ in 0..200 {
        if tables(&gateway).len() > 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), watch).await.unwrap().unwrap();
    assert_eq!(tables(&gateway), ["Customers", "Invoices", "Totals"]);
    assert!(gateway.keeper.missing_tables().is_empty());
    assert_eq!(gateway.keeper.statuses()["late"].state, SourceState::Live);
    let locked = lock::read(&lock::path(directory.path())).unwrap().unwrap();
    assert_eq!(locked.keys().collect::<Vec<_>>(), ["late", "shop"]);
}

#[tokio::test]
async fn the_lock_is_there_when_the_gateway_is_ready() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        make(&directory.path().join("shop.db"), CUSTOMERS);
        let gateway = gateway(directory.path());
        gateway.keeper.introspect().await;
        let there = std::thread::scope(|threads| {
            let watcher = threads.spawn(|| {
                let end = std::time::Instant::now() + Duration::from_secs(20);
                while !gateway.keeper.published() && std::time::Instant::now() < end {
                    std::thread::yield_now();
                }
                lock::path(directory.path()).exists()
            });
            gateway.keeper.publish().unwrap_or_else(|errors| panic!("{errors}"));
            watcher.join().unwrap()
        });
        assert!(there, "ready, and the lock is not written yet");
    }
}

#[tokio::test]
async fn a_source_that_is_down_is_taken_from_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("shop.db"), CUSTOMERS);
    make(&directory.path().join("late.db"), INVOICES);
    let version = started(directory.path()).await.engine.model().unwrap().version.clone();
    std::fs::remove_file(directory.path().join("late.db")).unwrap();
    let gateway = started(directory.path()).await;
    assert_eq!(tables(&gateway), ["Customers", "Invoices", "Totals"]);
    let status = &gateway.keeper.statuses()["late"];
    assert_eq!(status.state, SourceState::FromLock);
    assert!(status.last_error.is_some());
    assert_eq!(gateway.engine.model().unwrap().version, version, "the same schemas are another model");
}

#[tokio::test]
async fn drift_is_told_until_it_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("shop.db"), CUSTOMERS);
    make(&directory.path().join("late.db"), INVOICES);
    started(directory.path()).await;
    make(&directory.path().join("shop.db"), "ALTER TABLE customer ADD COLUMN phone TEXT; ALTER TABLE customer DROP COLUMN name");
    let gateway = started(directory.path()).await;
    let columns = |gateway: &Gateway| {
        let model = gateway.engine.model().unwrap();
        model.tables["Customers"].columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(columns(&gateway), ["id", "name"], "drift was published silently");
    let drift: Vec<(String, bool)> =
        gateway.keeper.statuses()["shop"].drift.iter().map(|drift| (drift.change.clone(), drift.breaking)).collect();
    assert_eq!(drift, [("the column name is gone".to_owned(), true), ("the column phone is new".to_owned(), false)]);
    gateway.keeper.accept_drift();
    gateway.keeper.build().unwrap_or_else(|errors| panic!("{errors}"));
    gateway.keeper.write_lock().unwrap();
    let gateway = started(directory.path()).await;
    assert_eq!(columns(&gateway), ["id", "phone"]);
    assert!(gateway.keeper.statuses()["shop"].drift.is_empty());
}

#[tokio::test]
async fn mistakes_that_only_a_source_can_show_have_their_line() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("shop.db"), CUSTOMERS);
    make(&directory.path().join("late.db"), INVOICES);
    for (from, to, place, part) in [
        ("remote: customer }", "remote: custmer }", "portico.yaml:4:", "custmer"),
        ("remote: customer }", "remote: customer, key: [nam] }", "portico.yaml:4:", "nam"),
        ("remote: customer }", "remote: customer, where: 'nme = 1' }", "portico.yaml:4:", "nme"),
        ("rows: 'customer_id > 0'", "rows: 'customer > 0'", "portico.yaml:8:", "customer"),
        ("FROM Invoices", "FROM Invoics", "portico.yaml:6:", "Invoics"),
    ] {
        let text = CONFIG.replace(from, to);
        assert_ne!(text, CONFIG, "{from} is not there");
        let config = config::load::parse(&directory.path().join("portico.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"));
        let gateway = assemble(config).unwrap_or_else(|error| panic!("{error}"));
        gateway.keeper.introspect().await;
        let told = gateway.keeper.publish().unwrap_err().to_string();
        assert!(told.contains(place) && told.contains(part), "{to}: {told}");
        assert!(!gateway.keeper.published());
    }
}

#[tokio::test]
async fn certificates_are_checked_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let tls = format!("gateway: {{ http: {{ tls: {{ cert: '{}', key: key.pem }} }} }}", cert.display());
    let text = format!("{CONFIG}\n{tls}\n");
    let config = config::load::parse(&directory.path().join("portico.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"));
    let told = || tls::load(&config).map(drop).unwrap_err().to_string();
    assert!(told().contains("portico.yaml:10:") && told().contains("cert.pem cannot be read"), "{}", told());
    std::fs::write(&cert, "not a certificate").unwrap();
    std::fs::write(&key, "not a key").unwrap();
    assert!(told().contains("no PEM certificate"), "{}", told());
}

#[tokio::test]
async fn what_a_running_source_changes_is_told_and_not_published() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("shop.db"), CUSTOMERS);
    make(&directory.path().join("late.db"), INVOICES);
    let gateway = started(directory.path()).await;
    let before = gateway.keeper.statuses()["shop"].clone();
    assert!(before.answers && before.drift.is_empty());
    make(&directory.path().join("shop.db"), "ALTER TABLE customer ADD COLUMN phone TEXT");
    gateway.keeper.introspect().await;
    let statuses = gateway.keeper.statuses();
    assert_eq!(statuses["shop"].drift.len(), 1, "{statuses:?}");
    assert_eq!(statuses["shop"].schema_version, before.schema_version);
    assert!(statuses["late"].drift.is_empty(), "{statuses:?}");
    let (model, _) = gateway.keeper.build().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(model.tables["Customers"].columns.len(), 2, "the column is not there until it is accepted");
}

/// Waits until something holds of a gateway that watches its sources.
async fn eventually(gateway: &Gateway, what: &str, holds: impl Fn(&Gateway) -> bool) {
    let stop = CancellationToken::new();
    let watch = tokio::spawn(Keeper::watch(Arc::clone(&gateway.keeper), stop.clone()));
    let mut held = false;
    for _ in 0..200 {
        held = holds(gateway);
        if held {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), watch).await.unwrap().unwrap();
    assert!(held, "{what}: {:?}", gateway.keeper.statuses());
}

fn columns_of_customers(gateway: &Gateway) -> usize {
    gateway.engine.model().unwrap().tables["Customers"].columns.len()
}

#[tokio::test]
async fn a_lock_that_another_process_writes_is_published_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("shop.db"), CUSTOMERS);
    make(&directory.path().join("late.db"), INVOICES);
    let running = started(directory.path()).await;
    make(&directory.path().join("shop.db"), "ALTER TABLE customer ADD COLUMN phone TEXT");
    // `portico check --write-lock`
    let check = gateway(directory.path());
    check.keeper.introspect().await;
    check.keeper.accept_drift();
    check.keeper.write_lock().unwrap();
    assert_eq!(columns_of_customers(&running), 2);
    eventually(&running, "the column is published", |gateway| columns_of_customers(gateway) == 3).await;
    assert!(running.keeper.statuses()["shop"].drift.is_empty());
}

#[tokio::test]
async fn a_probe_that_tells_of_another_schema_has_it_read_at_once() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("shop.db"), CUSTOMERS);
    make(&directory.path().join("late.db"), INVOICES);
    let text = CONFIG.replace("path: shop.db }", "path: shop.db, introspection: { probe: 100ms, interval: 10h } }");
    let config = config::load::parse(&directory.path().join("portico.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"));
    let gateway = assemble(config).unwrap();
    gateway.keeper.introspect().await;
    gateway.keeper.publish().unwrap();
    make(&directory.path().join("shop.db"), "ALTER TABLE customer ADD COLUMN phone TEXT");
    eventually(&gateway, "the drift is told", |gateway| gateway.keeper.statuses()["shop"].drift.len() == 1).await;
    assert_eq!(columns_of_customers(&gateway), 2, "and not published");
}

#[tokio::test]
async fn what_the_configuration_itself_declares_is_not_locked() {
    let directory = tempfile::tempdir().unwrap();
    let with = |columns: &str| {
        let text = format!("sources: {{ own: {{ kind: memory, tables: [{{ name: T, primary_key: [a], columns: [{columns}] }}] }} }}");
        let config = config::load::parse(&directory.path().join("portico.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"));
        assemble(config).unwrap_or_else(|error| panic!("{error}"))
    };
    for count in [2, 3, 1] {
        let columns: Vec<String> = ["a", "b", "c"].iter().take(count).map(|name| format!("{{ name: {name}, type: int64 }}")).collect();
        let gateway = with(&columns.join(", "));
        gateway.keeper.introspect().await;
        gateway.keeper.publish().unwrap_or_else(|errors| panic!("{errors}"));
        let status = &gateway.keeper.statuses()["own"];
        assert!(status.drift.is_empty() && status.answers, "{status:?}");
        assert_eq!(gateway.engine.model().unwrap().tables["T"].columns.len(), count);
        let locked = lock::read(&lock::path(directory.path())).unwrap().unwrap_or_default();
        assert!(locked.is_empty(), "{:?}", locked.keys());
    }
}

#[tokio::test]
async fn remote_tables_that_roles_and_views_name_are_looked_for() {
    let directory = tempfile::tempdir().unwrap();
    make(
        &directory.path().join("shop.db"),
        &format!(
            "{CUSTOMERS}; CREATE TABLE audit (id INTEGER PRIMARY KEY); CREATE TABLE stock (id INTEGER PRIMARY KEY); CREATE TABLE other (id INTEGER PRIMARY KEY)"
        ),
    );
    make(&directory.path().join("late.db"), INVOICES);
    let text = CONFIG.replace("sales: { Customers: {},", "sales: { Customers: {}, shop.audit: {},").replace(
        "services:",
        "  Stock: { sql: 'WITH audit AS (SELECT 1 AS x) SELECT s.id FROM shop.stock s, audit', key: [id] }\nservices:",
    );
    let config = config::load::parse(&directory.path().join("portico.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"));
    let gateway = assemble(config).unwrap();
    gateway.keeper.introspect().await;
    gateway.keeper.publish().unwrap_or_else(|errors| panic!("{errors}"));
    let model = gateway.engine.model().unwrap();
    let of_shop: Vec<&String> = model.remote_tables.keys().filter(|name| name.starts_with("shop.")).collect();
    assert_eq!(of_shop, ["shop.audit", "shop.customer", "shop.stock"]);
    assert!(model.tables.contains_key("Stock"));
}

#[test]
fn a_mistake_in_a_kind_s_setting_has_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let told = |source: &str| {
        let text = format!("sources:\n  db:\n{source}\n");
        match config::load::parse(&directory.path().join("portico.yaml"), &text) {
            Err(errors) => errors.to_string(),
            Ok(config) => assemble(config).err().unwrap().to_string(),
        }
    };
    for (source, place) in [
        ("    kind: postgres\n    url: nonsense://", "portico.yaml:4:"),
        ("    kind: postgres\n    url: postgres://h/d\n    scan:\n      connections: 40", "portico.yaml:6:"),
        ("    kind: mysql\n    schemas: []\n    url: mysql://h/d", "portico.yaml:4:"),
        ("    kind: flightsql\n    url: grpc://h:1\n    auth:\n      bearer: hush-hush", "portico.yaml:6:"),
        ("    kind: flightsql\n    url: grpc://h:1\n    auth: { basic: { user: u,\n      password: hush-hush } }", "portico.yaml:6:"),
    ] {
        let told = told(source);
        assert!(told.contains(place) && !told.contains("hush-hush"), "{source}: {told}");
        assert!(!source.contains("hush") || told.contains("write { env: NAME } or { file: PATH }"), "{told}");
    }
}
