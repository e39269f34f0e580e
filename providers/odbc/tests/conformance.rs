//! The test-kit's suite through the ODBC drivers of PostgreSQL, MariaDB and SQLite, to real servers, and what only this kind can be asked.
#![cfg(feature = "driver")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

mod own;

use own::database::{Database, Product};
use own::fixtures::{limitations, load};
use portico_provider_api::RemoteTableName;
use portico_provider_testkit::{LoadedTable, Subject, adapt, conformance, fixtures};
use std::sync::Arc;

async fn conforms(product: Product) {
    let database = Arc::new(Database::create(product));
    let limitations = limitations(product);
    let tables = adapt(fixtures(), &limitations).unwrap();
    load(&database, &tables);
    let tables = tables.into_iter().map(|fixture| LoadedTable { remote: RemoteTableName(database.path(&fixture.name)), fixture });
    let mut subject = Subject::new(database.source(8), Vec::new());
    subject.tables = tables.collect();
    subject.limitations = limitations;
    subject.secrets = vec![database.secret.clone()];
    // MariaDB's driver has read every row before it hands out the first, unless it is of version 3.2: nothing runs then.
    if product != Product::Mariadb {
        let probed = Arc::clone(&database);
        subject.active = Some(Box::new(move || {
            let database = Arc::clone(&probed);
            Box::pin(async move { tokio::task::spawn_blocking(move || database.active()).await.unwrap() })
        }));
    }
    let summary = Box::pin(conformance(subject)).await;
    println!("{summary}");
    summary.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    conforms(Product::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_keeps_the_contract() {
    conforms(Product::Mariadb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    conforms(Product::Sqlite).await;
}
