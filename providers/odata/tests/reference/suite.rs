//! The test-kit's suite over the rows that the servers hold: whatever is left to them, the rows are the same.

use super::{all, described, relation, source};
use crate::servers::{v2, v4};
use portico_provider_api::{Source, SourceQuery};
use portico_provider_testkit::{FixtureColumn, FixtureForeignKey, FixtureTable, LoadedTable, Purpose, Subject, Summary, conformance};
use serde_json::json;
use std::sync::Arc;

/// A set with the rows that it has, as the suite wants them.
async fn as_fixture(source: &Arc<dyn Source>, name: &str) -> LoadedTable {
    let table = described(source, name).await;
    let relation = relation(source, name).await;
    let width = table.columns.len();
    let rows = all(source, SourceQuery::scan(relation)).await.into_iter().map(|mut row| {
        row.truncate(width);
        row
    });
    let columns = table.columns.iter().map(|column| FixtureColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        max_length: column.max_length,
    });
    let fixture = FixtureTable {
        name: name.to_owned(),
        purpose: Purpose::Read,
        columns: columns.collect(),
        primary_key: table.primary_key.clone(),
        foreign_keys: table
            .foreign_keys
            .iter()
            .map(|key| FixtureForeignKey {
                columns: key.columns.clone(),
                references: key.references.to_string(),
                referenced_columns: key.referenced_columns.clone(),
            })
            .collect(),
        rows: rows.collect(),
    };
    LoadedTable { fixture, remote: table.name }
}

async fn put_to_the_test(source: Arc<dyn Source>, sets: &[&str]) -> Summary {
    let mut subject = Subject::new(Arc::clone(&source), Vec::new());
    for set in sets {
        subject.tables.push(as_fixture(&source, set).await);
    }
    subject.options.queries = 120;
    let summary = Box::pin(conformance(subject)).await;
    summary.assert_ok();
    summary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_technical_service_of_v4() {
    // What this service has wrong: it reads no GUID in a condition, takes small numbers for an `SByte` that is no `Byte`, and compares the order of
    // texts by one.
    let wrong = json!({ "columns": {
        "PropertyGuid": { "filter": false }, "PropertyByte": { "filter": false }, "PropertyString": { "collation": "linguistic" }
    } });
    let sets = ["ESAllPrim", "ESTwoPrim", "ESAllNullable", "ESServerSidePaging", "ESAllKey"];
    let tables: serde_json::Map<_, _> = sets.iter().map(|set| ((*set).to_owned(), wrong.clone())).collect();
    let source = source(&v4().url("suite/odata.svc/"), json!({ "tables": tables }));
    put_to_the_test(source, &sets).await;
}

/// What is joined there by `$expand` has the rows of a join here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_of_v4_are_followed() {
    let settings = json!({ "capabilities": { "navigation_filter": true, "compare_columns": true }, "tables": {
        "ESTwoKeyNav": { "columns": { "PropertyString": { "collation": "linguistic" } } },
        "ESKeyNav": { "columns": { "PropertyString": { "collation": "linguistic" } } },
    } });
    let source = source(&v4().url("suite/odata.svc/"), settings);
    let summary = put_to_the_test(source, &["ESTwoKeyNav", "ESKeyNav"]).await;
    assert!(summary.executed["join"] >= 8, "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_of_v2_are_followed() {
    // The metadata does not say by which properties. What this service has wrong: a condition with a moment that is null is false as a whole.
    let settings = json!({ "tables": { "Employees": {
        "columns": { "EntryDate": { "filter": false } }, "references": { "ne_Team": ["TeamId"], "ne_Room": ["RoomId"] }
    } } });
    let source = source(&v2().url("suite/odata.svc/"), settings);
    let summary = put_to_the_test(source, &["Employees", "Teams", "Rooms"]).await;
    assert!(summary.executed["join"] >= 8, "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_v2() {
    // What this service has wrong: it finds nothing by `eq null`, a null in an alternative makes the other false, texts of times are compared, and a
    // moment of long ago is not equal to itself.
    let (times, moments) = (json!({ "filter": false }), json!({ "filter": false }));
    let wrong = json!({
        "AllTypes": { "columns": { "Time": times, "DateTime": moments, "DateTimeOffset": moments } }, "Keys": { "columns": { "Time": times } }
    });
    let source = source(&v2().url("suite/types.svc/"), json!({ "capabilities": { "is_null": false, "or": false }, "tables": wrong }));
    put_to_the_test(source, &["AllTypes", "Keys"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_scenario_of_v2() {
    // What this service has wrong: a condition with a moment that is null is false as a whole.
    let wrong = json!({ "Employees": { "columns": { "EntryDate": { "filter": false } } } });
    let source = source(&v2().url("suite/odata.svc/"), json!({ "tables": wrong }));
    put_to_the_test(source, &["Employees", "Teams", "Rooms", "Buildings"]).await;
}
