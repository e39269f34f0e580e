//! The test-kit's suite against a gateway that the test starts, over a real PostgreSQL server: see [`downstream`] for what must be built
//! and be there. The gateway's remote tables are asked for, because they have the fixtures' own names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod downstream;
mod own;

use downstream::{Database, Downstream, KEY, active};
use portico_provider_api::{RemoteTableName, ScalarType};
use portico_provider_testkit::words::POSTGRES;
use portico_provider_testkit::{Limitation, LoadedTable, Subject, Summary, adapt, conformance, fixtures};
use std::sync::Arc;

/// Every query is planned twice by a program without optimisation: fewer of them than of a database.
const QUERIES: usize = 25;

fn limitations() -> Vec<Limitation> {
    vec![Limitation::ForeignKeys { reason: "a gateway tells those of virtual tables, and these are remote tables".to_owned() }]
}

async fn started() -> Downstream {
    let database = Database::create().await;
    let tables = fixtures();
    for table in &tables {
        for statement in POSTGRES.statements(table) {
            database.run(&statement).await;
        }
    }
    database.run("ANALYZE").await;
    let granted: Vec<String> = tables.iter().map(|table| format!("pg.public.{}", table.name)).collect();
    Downstream::start(database, "", &granted, "").await
}

async fn put_to_the_test(downstream: &Downstream, mut settings: serde_json::Value, limitations: Vec<Limitation>) -> Summary {
    settings["catalog"] = "pg".into();
    let tables = adapt(fixtures(), &limitations).unwrap().into_iter().map(|fixture| {
        let remote = ["pg", "public", fixture.name.as_str()].map(str::to_owned).to_vec();
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

/// What of the declared little of an unknown server is true of this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_known_keeps_the_contract() {
    let downstream = started().await;
    let as_text =
        |from| Limitation::Type { from, to: ScalarType::Text, reason: "Arrow has no such type: only a gateway says so".to_owned() };
    let limitations = [limitations(), vec![as_text(ScalarType::Guid), as_text(ScalarType::Json)]].concat();
    let settings = serde_json::json!({ "server": "standard", "schemas": ["public"] });
    let summary = put_to_the_test(&downstream, settings, limitations).await;
    println!("{summary}");
    summary.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chained_gateway_keeps_the_contract() {
    let downstream = started().await;
    let summary = put_to_the_test(&downstream, serde_json::json!({}), limitations()).await;
    println!("{summary}");
    summary.assert_ok();
}
