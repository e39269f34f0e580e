//! Columns of the first page that a server answers, and what later pages do with them.

use super::postgrest::connect_context;
use super::serving::{asked, compare, failure, rows, scan, serving};
use portico_provider_api::{CompareOp, QueryContext, RemoteSchema, Selection, Source, SourceError, SourceErrorKind, SourceQuery, Value};
use portico_provider_testkit::http::Answer;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

async fn schema(source: &Arc<dyn Source>) -> Result<RemoteSchema, SourceError> {
    source.remote_schema(&Selection::All, &QueryContext::default()).await
}

/// Columns with their types; what may be null has a `?`.
fn columns(schema: &RemoteSchema, name: &str) -> Vec<String> {
    let table = schema.tables.iter().find(|table| table.name.table() == name).unwrap_or_else(|| panic!("no table {name}"));
    let shown = |column: &portico_provider_api::RemoteColumn| {
        format!("{} {}{}", column.name, column.scalar_type, if column.nullable { "?" } else { "" })
    };
    table.columns.iter().map(shown).collect()
}

fn settings() -> Json {
    json!({"infer": "first_page", "resources": {
        "orders": {"path": "/orders", "rows": "$.data[*].order", "key": ["id"],
            "paging": {"by": "offset", "parameter": "offset", "size": 2, "size_parameter": "limit"}},
        "lines": {"parent": {"resource": "orders", "rows": "lines", "columns": {"order_id": "id"}}},
        "states": {"path": "/states", "infer": "first_page", "key": ["code"],
            "columns": {"code": {"filter": {"eq": "code={value}"}}, "share": {"type": "decimal(5,2)"}}},
        "declared": {"path": "/declared", "columns": {"x": {"type": "int32"}}}}})
}

fn answer(path: &str, offset: &str) -> Answer {
    Answer::json(match (path, offset) {
        ("/orders", "") => {
            r#"{"data":[{"order":{"id":1,"placed":"2026-01-02T03:04:05Z","customer":{"name":"A"},"total":5,"lines":[{"no":1,"item":"x"}]}},
                        {"order":{"id":2,"placed":"2026-01-03T03:04:05Z","customer":{"name":"B"},"total":5,"lines":[],"note":"n"}}]}"#
        }
        ("/orders", "2") => {
            r#"{"data":[{"order":{"id":3,"placed":"2026-01-02T03:04:05Z","customer":{"name":"A"},"total":7.5,"lines":[],"new":1}}]}"#
        }
        ("/orders", _) => r#"{"data":[]}"#,
        ("/states", _) => r#"[{"code":"BE","share":4.5,"open":true},{"code":"BY","share":15,"open":null}]"#,
        _ => "[]",
    })
}

#[tokio::test]
async fn columns_are_those_of_the_first_page() {
    let (server, source) = serving(settings(), |request| {
        let offset = request.raw_query.split('&').find_map(|pair| pair.strip_prefix("offset=")).unwrap_or_default();
        answer(&request.path, offset)
    })
    .await;
    assert!(asked(&server).is_empty(), "nothing is asked before the schema is read");
    let schema = schema(&source).await.unwrap();
    // One page of each, and one for a table and the one inside of it.
    assert_eq!(asked(&server), ["/orders?limit=2", "/states"]);
    assert_eq!(
        columns(&schema, "orders"),
        ["id int64", "placed timestamptz?", "customer/name text?", "total int64?", "lines json?", "note text?"]
    );
    assert_eq!(columns(&schema, "lines"), ["order_id int64", "no int64?", "item text?"]);
    assert_eq!(columns(&schema, "states"), ["code text", "share decimal(5,2)?", "open boolean?"]);
    assert_eq!(columns(&schema, "declared"), ["x int32?"]);
    assert!(!schema.declared, "what a server answered may change, and is locked");
    assert_eq!(schema.notes, [] as [String; 0]);

    let states = scan(&source, "states").await;
    let filter = Some(compare(&states, "code", CompareOp::Eq, Value::text("BE")));
    assert_eq!(rows(&source, SourceQuery { filter, ..states }).await.unwrap().len(), 2, "as the server answers");
    assert_eq!(asked(&server).last().unwrap(), "/states?code=BE");
    // A value that the first page did not let expect is told, with its place and column.
    let orders = scan(&source, "orders").await;
    let error = failure(&source, orders.clone()).await;
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert!(error.message.contains("/data/0/order/total: 7.5 does not fit int64"), "{error}");
    let two = rows(&source, SourceQuery { limit: Some(2), ..orders }).await.unwrap();
    assert_eq!(two[1][5], Value::text("n"));
}

#[tokio::test]
async fn a_page_without_rows_says_nothing_and_takes_nothing() {
    let body = Arc::new(Mutex::new("[]"));
    let said = Arc::clone(&body);
    let settings = json!({"infer": "first_page", "resources": {
        "a": {"path": "/a", "key": ["id"]},
        "of_a": {"parent": {"resource": "a", "rows": "items", "columns": {"a": "id"}}},
        "b": {"path": "/b", "columns": {"a": {"type": "int64"}}, "references": [{"columns": ["a"], "to": "a", "referenced": ["id"]}]}}});
    let (_server, source) = serving(settings, move |_| Answer::json(*said.lock().unwrap())).await;
    let names = |schema: &RemoteSchema| schema.tables.iter().map(|table| table.name.to_string()).collect::<Vec<_>>();
    let empty = schema(&source).await.unwrap();
    assert_eq!(names(&empty), ["b"]);
    assert!(empty.tables[0].foreign_keys.is_empty());
    assert_eq!(empty.notes.len(), 2);
    assert!(empty.notes[0].contains("resource 'a' is left out: its first page has no row"), "{:?}", empty.notes);

    *body.lock().unwrap() = r#"[{"id":1,"x":"2026-01-01","items":[{"n":1}]}]"#;
    let filled = schema(&source).await.unwrap();
    assert_eq!(
        (names(&filled).len(), columns(&filled, "a")),
        (3, vec!["id int64".to_owned(), "x date?".to_owned(), "items json?".to_owned()])
    );
    assert_ne!(filled.version, empty.version);
    // What one page lacks was there all the same.
    for text in [r#"[{"id":2,"y":1,"items":[]}]"#, "[]"] {
        *body.lock().unwrap() = text;
        let later = schema(&source).await.unwrap();
        let mut found = columns(&later, "a");
        found.sort();
        assert_eq!(found, ["id int64", "items json?", "x date?", "y int64?"], "{text}");
        assert_eq!(columns(&later, "of_a"), ["a int64", "n int64?"]);
    }
    *body.lock().unwrap() = r#"[{"id":3,"items":[]}]"#;
    assert_eq!(rows(&source, scan(&source, "a").await).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_fails_is_told_and_asked_again() {
    let times = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&times);
    let settings = json!({"infer": "first_page", "errors": [{"at": "/error"}], "http": {"retries": 0}, "resources": {"a": {"path": "/a", "rows": "/data"}}});
    let (_server, source) = serving(settings, move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::json("{}").with_status(503),
        1 => Answer::json(r#"{"error":"not today"}"#),
        2 => Answer::json(r#"{"rows":[]}"#),
        3 => Answer::json(r#"{"data":[1]}"#),
        _ => Answer::json(r#"{"data":[{"id":1}]}"#),
    })
    .await;
    assert_eq!(schema(&source).await.unwrap_err().kind, SourceErrorKind::Unavailable);
    assert!(schema(&source).await.unwrap_err().message.contains("not today"));
    for part in
        ["resource 'a': the first page cannot be read: /data: is missing", "resource 'a': the first page: a row at /data is no object"]
    {
        let error = schema(&source).await.unwrap_err();
        assert!(error.kind == SourceErrorKind::Malformed && error.message.contains(part), "{error}");
    }
    assert_eq!(columns(&schema(&source).await.unwrap(), "a"), ["id int64?"]);
}

#[test]
fn what_cannot_be_inferred_is_refused_at_start() {
    for (own, part) in [
        (json!({"path": "/a", "format": "csv"}), "say nothing of their types"),
        (json!({"path": "/a", "format": "xml", "rows": "/a/b"}), "say nothing of their types"),
        (json!({"path": "/a/{id}", "columns": {"id": {"type": "int64"}}}), "without a key"),
        (json!({"lookups": [{"path": "/a/{id}", "single": true}], "columns": {"id": {}}}), "without a key"),
        (json!({"path": "/a", "sample": "x.json"}), "'infer' beside a 'sample'"),
        (json!({"path": "/a", "rows": "$.a["}), "no JSONPath"),
        (json!({"path": "/a", "paging": {"by": "next"}}), "'next' is missing"),
    ] {
        let mut own = own;
        own["infer"] = "first_page".into();
        let settings = json!({"url": "http://127.0.0.1:1", "resources": {"a": own}});
        let Err(error) = (portico_provider_rest::kind().connect)(settings, connect_context()) else { panic!("{part}: it was taken") };
        assert!(error.message.contains(part) && error.message.contains("'a'"), "{error}");
    }
    let settings = json!({"url": "http://127.0.0.1:1", "preset": "postgrest", "infer": "first_page"});
    assert!((portico_provider_rest::kind().connect)(settings, connect_context()).err().unwrap().message.contains("'preset'"));
}
