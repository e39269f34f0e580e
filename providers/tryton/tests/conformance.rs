//! The test-kit's suite against a real Tryton server, and what it does not ask: see [`erp`] for what must be there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod erp;
mod own;

use erp::{Erp, PASSWORD, fixtures};
use portico_provider_testkit::{Subject, Summary, conformance};
use serde_json::json;

/// Each query is at least one request over HTTP to a server in Python.
const QUERIES: usize = 60;

async fn put_to_the_test(erp: &Erp, more: serde_json::Value) -> Summary {
    let (tables, limitations) = fixtures::adapted();
    let models: Vec<String> = tables.iter().map(|table| table.remote.to_string()).collect();
    // Pages so small that the fixtures have several.
    let mut settings = erp.settings(json!({"database": erp.database, "models": models, "page_rows": 70}));
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let source = erp::source(settings.clone()).unwrap();
    fixtures::load(&*source, &tables).await;
    let mut subject = Subject::new(source, Vec::new());
    subject.tables = tables;
    subject.limitations = limitations;
    subject.secrets = vec![PASSWORD.to_owned()];
    subject.options.queries = QUERIES;
    subject.options.concurrency = 4;
    Box::pin(conformance(subject)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let summary = put_to_the_test(&Erp::start(), json!({})).await;
    println!("{summary}");
    summary.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_on_postgresql() {
    let settings = json!({"backend": "postgresql", "text_order": "language"});
    let summary = put_to_the_test(&Erp::start_on_postgres(), settings).await;
    println!("{summary}");
    summary.assert_ok();
}
