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
