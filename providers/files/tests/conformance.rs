//! The conformance suite over files of every form that it can be written into, and what only this kind can be asked.

// Functions that tests share are not tests to the linter, though they may fail like them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod own;

use own::directory::Directory;
use own::fixtures::{settings, write_csv, write_ndjson, write_parquet};
use portico_provider_api::Value;
use portico_provider_testkit::{FixtureTable, Limitation, Subject, adapt, conformance, fixtures};
use serde_json::{Value as Json, json};

fn no_foreign_keys() -> Limitation {
    Limitation::ForeignKeys { reason: "files refer to nothing: relationships are those of the model".to_owned() }
}

async fn conforms(limitations: Vec<Limitation>, write: fn(&Directory, &[FixtureTable]), settings: fn(&[FixtureTable]) -> Json) {
    let tables = adapt(fixtures(), &limitations).unwrap();
    let directory = Directory::new();
    write(&directory, &tables);
    let (source, root) = (directory.source(settings(&tables)), directory.root());
    let mut subject = Subject {
        limitations,
        // The kind has no secrets; where the directory is must not be told either.
        secrets: vec![root.display().to_string()],
        active: Some(Box::new(move || {
            let root = root.clone();
            Box::pin(async move { Directory::open_files(&root).min(1) })
        })),
        ..Subject::new(source, tables)
    };
    subject.options.queries = 150;
    let summary = conformance(subject).await;
    println!("{summary}");
    summary.assert_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_conforms() {
    conforms(vec![no_foreign_keys()], write_csv, |tables| {
        let mut settings = settings(tables, "csv", true);
        for table in settings["tables"].as_object_mut().unwrap().values_mut() {
            table["delimiter"] = json!(";");
            table["quote"] = json!("'");
            table["nulls"] = json!(["\\N"]);
        }
        settings
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ndjson_conforms() {
    let null = Limitation::Values {
        what: "the JSON null".to_owned(),
        matches: |value| matches!(value, Value::Json(text) if text == "null"),
        reason: "a member that is null is null itself".to_owned(),
    };
    conforms(vec![no_foreign_keys(), null], write_ndjson, |tables| settings(tables, "ndjson", true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_conforms() {
    let lengths = Limitation::MaxLengths { reason: "Parquet knows no greatest lengths".to_owned() };
    conforms(vec![no_foreign_keys(), lengths], write_parquet, |tables| settings(tables, "parquet", false)).await;
}
