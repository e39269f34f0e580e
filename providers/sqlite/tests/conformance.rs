//! The conformance suite on a real database file, and what only this kind can be asked.

mod own;

use own::database::{Database, create_fixtures};
use portico_provider_api::Value;
use portico_provider_testkit::{Limitation, Options, Subject, adapt, conformance, fixtures};

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
    create_fixtures(&database.connection(), &tables);
    let source = database.source();
    let subject = Subject {
        limitations,
        // The kind has no secrets; the directory of its file must not be told either.
        secrets: vec![database.directory().to_owned()],
        options: Options { values_are_bound: true, ..Options::default() },
        ..Subject::new(source, tables)
    };
    let summary = conformance(subject).await;
    println!("{summary}");
    summary.assert_ok();
}
