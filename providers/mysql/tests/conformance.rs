//! The test-kit's suite against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, active};
use portico_provider_api::RemoteTableName;
use portico_provider_testkit::words::{MARIADB, mariadb_limitations};
use portico_provider_testkit::{LoadedTable, Subject, adapt, conformance, fixtures};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_keeps_the_contract() {
    let database = Database::create().await;
    let limitations = mariadb_limitations();
    let tables = adapt(fixtures(), &limitations).unwrap();
    for table in &tables {
        for statement in MARIADB.statements(table) {
            database.run(&statement).await;
        }
    }
    let tables = tables
        .into_iter()
        .map(|fixture| LoadedTable { remote: RemoteTableName(vec![database.name.clone(), fixture.name.clone()]), fixture });
    let mut subject = Subject::new(database.source(8), Vec::new());
    subject.tables = tables.collect();
    subject.limitations = limitations;
    subject.secrets = vec![secret(&database.url)];
    let client = Arc::clone(&database.client);
    subject.active = Some(Box::new(move || {
        let client = Arc::clone(&client);
        Box::pin(async move { active(&client).await })
    }));
    let summary = Box::pin(conformance(subject)).await;
    println!("{summary}");
    summary.assert_ok();
}

/// The password of the url.
fn secret(url: &str) -> String {
    let credentials = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(credentials, _)| credentials);
    let password = credentials.and_then(|credentials| credentials.split_once(':')).map(|(_, password)| password.to_owned());
    password.expect("the test server's url has a password, so that it can be looked for in messages")
}
