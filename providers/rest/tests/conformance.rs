//! The test-kit's suite against a real PostgREST, and what is particular to the kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod own;

use own::postgrest::{Database, PostgRest, TYPES};
use portico_provider_api::Value;
use portico_provider_testkit::words::POSTGRES;
use portico_provider_testkit::{Limitation, Subject, adapt, conformance, fixtures};
use serde_json::json;

fn limitations() -> Vec<Limitation> {
    vec![Limitation::Values {
        what: "the JSON value null".to_owned(),
        matches: |value| matches!(value, Value::Json(text) if text == "null"),
        reason: "PostgREST writes it as it writes NULL".to_owned(),
    }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgrest_keeps_the_contract() {
    let database = Database::create().await;
    let limitations = limitations();
    let tables = adapt(fixtures(), &limitations).unwrap();
    for table in &tables {
        for statement in POSTGRES.statements(table) {
            database.run(&statement).await;
        }
    }
    let server = PostgRest::start(&database.url).await;
    let mut resources = serde_json::Map::new();
    for table in &tables {
        // What the description does not say: digits of decimals, and the order of a key's columns.
        let decimal = |column: &&portico_provider_testkit::FixtureColumn| column.scalar_type.to_string().starts_with("decimal");
        let columns: serde_json::Map<String, serde_json::Value> = table
            .columns
            .iter()
            .filter(decimal)
            .map(|column| (column.name.clone(), json!({"type": column.scalar_type.to_string()})))
            .collect();
        resources.insert(table.name.clone(), json!({"key": table.primary_key, "columns": columns}));
    }
    let source = server
        .source(json!({"preset": "postgrest", "resources": resources, "auth": {"api_key": {"key": "s3cr3t-k3y", "header": "x-key"}}}));
    let mut subject = Subject::new(source, tables);
    subject.limitations = limitations;
    subject.secrets = vec!["s3cr3t-k3y".to_owned()];
    let client = std::sync::Arc::clone(&database.client);
    let _ = (client, TYPES);
    let summary = Box::pin(conformance(subject)).await;
    println!("{summary}");
    summary.assert_ok();
}
