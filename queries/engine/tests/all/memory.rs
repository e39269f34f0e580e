//! Joins that do not fit into memory: run again as joins that spill, with the same rows, or refused by the name of the limit.

use crate::harness::{Bench, Options, bench, context, principal, table};
use portico_engine::{EngineError, EngineSettings};
use portico_provider_api::{RemoteColumn, ScalarType, Value};
use std::time::Duration;

const ROWS: i64 = 24_000;
const CHUNK: i64 = 500;

const TABLES: &str = r#"{ "Ones": { "source": "crm", "remote": "lefts" }, "Others": { "source": "erp", "remote": "rights" } }"#;
const ACCESS: &str = r#"{ "roles": { "all": { "Ones": {}, "Others": {} } } }"#;

/// A table of some megabytes: every third key is missing, every fifth is null, and some come twice.
fn big(name: &str, shift: i64) -> portico_provider_memory::MemoryTable {
    let columns = vec![
        RemoteColumn::plain("id", ScalarType::Int64, false),
        RemoteColumn::plain("link", ScalarType::Int64, true),
        RemoteColumn::plain("text", ScalarType::Text, false),
    ];
    let row = |index: i64| {
        let link = (index * 7 + shift) % ROWS;
        let link = if index % 5 == 0 { Value::Null(ScalarType::Int64) } else { Value::Int64(link - link % 3) };
        vec![Value::Int64(index), link, Value::text(format!("{index:0>200}"))]
    };
    let chunk = |chunk: i64| table(name, columns.clone(), &["id"], &(chunk * CHUNK..(chunk + 1) * CHUNK).map(row).collect::<Vec<_>>());
    let chunks: Vec<_> = (0..ROWS / CHUNK).map(chunk).collect();
    // As large as batches of a server are, in proportion.
    let batches = chunks.iter().flat_map(|chunk| chunk.batches.clone()).collect();
    portico_provider_memory::MemoryTable { batches, ..chunks[0].clone() }
}

async fn with(settings: EngineSettings) -> Bench {
    let (tables, access) = (TABLES.to_owned(), ACCESS.to_owned());
    bench(Options { tables, access, settings, crm: vec![big("lefts", 1)], erp: vec![big("rights", 2)], ..Options::default() }).await
}

fn small(spill_bytes: u64) -> EngineSettings {
    // Sources are read at once, so that no keys are waited for.
    EngineSettings { query_memory: 4 << 20, spill_bytes, bind_wait: Duration::ZERO, ..EngineSettings::default() }
}

const JOINS: [&str; 7] = [
    "SELECT l.id, r.id, l.text, r.text FROM Ones l JOIN Others r ON l.link = r.link",
    "SELECT l.id, r.text, l.text FROM Ones l LEFT JOIN Others r ON l.link = r.link AND l.id < r.id",
    "SELECT r.id, l.text, r.text FROM Ones l RIGHT JOIN Others r ON l.link = r.link",
    "SELECT l.id, r.id, l.text, r.text FROM Ones l FULL JOIN Others r ON l.link = r.link",
    "SELECT l.id, l.text FROM Ones l WHERE EXISTS (SELECT 1 FROM Others r WHERE r.link = l.link AND r.text <> l.text)",
    "SELECT l.id, l.text FROM Ones l WHERE NOT EXISTS (SELECT 1 FROM Others r WHERE r.link = l.link AND r.text <> l.text)",
    "SELECT l.id, l.text, r.text FROM Ones l JOIN Others r ON (l.link IS NOT DISTINCT FROM r.link) AND l.id = r.id",
];

#[tokio::test]
async fn joins_that_do_not_fit_spill_and_give_the_same_rows() {
    let (enough, little, without_disk) = (with(EngineSettings::default()).await, with(small(1 << 30)).await, with(small(0)).await);
    for text in JOINS {
        let (mut expected, mut found) = (enough.rows("all", text).await, little.rows("all", text).await);
        expected.sort();
        found.sort();
        assert!(!expected.is_empty(), "{text}");
        assert!(expected == found, "{text}: {} rows, not {}", found.len(), expected.len());
        let refused = without_disk.sql_as(&principal("all"), text).await;
        assert!(matches!(refused, Err(EngineError::Limit(_))), "it did not need the disk: {text}");
    }
    assert_eq!(little.engine.local_memory(), (0, 0), "memory and disk are given back");
}

#[tokio::test]
async fn what_has_no_form_that_spills_is_refused_by_the_name_of_the_limit() {
    let little = with(small(1 << 30)).await;
    let text = "SELECT l.id, l.text FROM Ones l WHERE l.id NOT IN (SELECT r.link FROM Others r)";
    let refused = little.sql_in(&context(&principal("all")), text).await.unwrap_err();
    let EngineError::Limit(message) = refused else { panic!("{refused}") };
    assert!(message.contains("query_memory") && message.contains("4 MiB"), "{message}");
    assert_eq!(little.engine.local_memory(), (0, 0));
}

#[tokio::test]
async fn all_queries_together_have_a_limit_too() {
    let settings = EngineSettings { query_memory: 64 << 20, local_memory: 64 << 20, spill_bytes: 0, ..EngineSettings::default() };
    let bench = with(settings).await;
    let text = "SELECT l.id, l.text, r.text FROM Ones l JOIN Others r ON l.link = r.link";
    let caller = principal("all");
    let queries = (0..12).map(|_| bench.sql_as(&caller, text));
    let mut refused = 0;
    for outcome in futures::future::join_all(queries).await {
        match outcome {
            Ok(_) => {}
            Err(EngineError::Limit(message)) => {
                assert!(message.contains("(memory)"), "{message}");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused < 12, "none was answered");
    assert_eq!(bench.engine.local_memory(), (0, 0));
    assert!(bench.sql_as(&principal("all"), text).await.is_ok(), "afterwards there is room again");
}
