//! The conformance suite on a real database file, and what only this kind can be asked.

// Functions that tests share are not tests to the linter, though they may fail like them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod own;

use own::database::{Database, create_fixtures, readers};
use portico_provider_api::Value;
use portico_provider_testkit::{Limitation, Subject, adapt, conformance, fixtures};

fn limitations() -> Vec<Limitation> {
    vec![Limitation::Values {
        what: "NaN".to_owned(),
        matches: |value| matches!(value, Value::Float32(float) | Value::Float64(float) if float.0.is_nan()),
        reason: "SQLite holds not-a-number as null".to_owned(),
    }]
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let limitations = limitations();
    let tables = adapt(fixtures(), &limitations).unwrap();
    let database = Database::new();
    database.connection().execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    create_fixtures(&database.connection(), &tables);
    let source = database.source();
    let file = database.file();
    let subject = Subject {
        limitations,
        // The kind has no secrets; the directory of its file must not be told either.
        secrets: vec![database.directory().to_owned()],
        active: Some(Box::new(move || {
            let file = file.clone();
            Box::pin(async move { readers(&file) })
        })),
        ..Subject::new(source, tables)
    };
    let summary = conformance(subject).await;
    println!("{summary}");
    summary.assert_ok();
}
