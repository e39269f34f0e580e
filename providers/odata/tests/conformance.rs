//! The test-kit's suite against a gateway that the test starts, over a real PostgreSQL server: see [`downstream`] for what must be built
//! and be there. It is a strict server of OData 4.01 with every type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod chained;
mod downstream;
mod own;
mod reference;
mod servers;

use downstream::{Database, Downstream, KEY, active};
use portico_provider_api::{RemoteTableName, ScalarType};
use portico_provider_testkit::words::POSTGRES;
use portico_provider_testkit::{Limitation, LoadedTable, Subject, Summary, adapt, conformance, fixtures};
use std::sync::Arc;

/// Every query is planned twice by a program without optimisation: fewer of them than of a database.
const QUERIES: usize = 25;

fn limitations() -> Vec<Limitation> {
    let held = |from, to, reason: &str| Limitation::Type { from, to, reason: reason.to_owned() };
    vec![
        held(ScalarType::Timestamp, ScalarType::TimestampTz, "the protocol has no moments without a zone"),
        held(ScalarType::Json, ScalarType::Text, "the gateway publishes documents as texts"),
        Limitation::Constraints { reason: "an answer in this protocol does not say which rule was broken".to_owned() },
        Limitation::Table { table: "Odd \"Names\"".to_owned(), reason: "names that the protocol cannot say".to_owned() },
    ]
}

async fn started() -> Downstream {
    let database = Database::create().await;
    let tables = adapt(fixtures(), &limitations()).unwrap();
    for table in &tables {
        for statement in POSTGRES.statements(table) {
            database.run(&statement).await;
        }
    }
    database.run("ANALYZE").await;
    let granted: Vec<String> = tables.iter().map(|table| table.name.clone()).collect();
    Downstream::start(database, "", &granted, "").await
}

async fn put_to_the_test(downstream: &Downstream, settings: serde_json::Value, limitations: Vec<Limitation>) -> Summary {
    let tables = adapt(fixtures(), &limitations).unwrap().into_iter().map(|fixture| {
        let remote = vec![fixture.name.clone()];
        LoadedTable { remote: RemoteTableName(remote), fixture }
    });
    let mut subject = Subject::new(downstream.source(&settings), Vec::new());
    subject.tables = tables.collect();
    subject.limitations = limitations;
    subject.secrets = vec![KEY.to_owned()];
    subject.options.queries = QUERIES;
    let client = Arc::clone(&downstream.database.client);
    subject.active = Some(Box::new(move || {
        let client = Arc::clone(&client);
        Box::pin(async move { active(&client).await })
    }));
    Box::pin(conformance(subject)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_keeps_the_contract() {
    let downstream = started().await;
    let summary = put_to_the_test(&downstream, serde_json::json!({ "product": "portico" }), limitations()).await;
    println!("{summary}");
    summary.assert_ok();
    // Books are joined with their authors.
    assert!(summary.executed["join"] >= 15, "{summary}");
}
