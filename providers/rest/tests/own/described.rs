//! Columns that are not declared: from samples, from OpenAPI documents, and from PostgREST's description of itself.

use super::postgrest::{Database, PostgRest, connect_context};
use super::serving::{asked, compare, failure, ids, rows, scan, serving};
use portico_provider_api::{
    CompareOp, ConnectContext, Expr, QueryContext, RemoteTableName, ScalarType, Selection, SourceErrorKind, SourceQuery, Value,
};
use portico_provider_testkit::http::Answer;
use serde_json::json;

#[tokio::test]
async fn columns_are_taken_from_files() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("sample.json"), r#"{"data":[{"id":1,"total":1.5,"at":"2026-01-01T00:00:00Z","a":{"b":null}}]}"#)
        .unwrap();
    std::fs::write(
        directory.path().join("api.yaml"),
        "openapi: 3.1.0\npaths:\n  /notes:\n    get:\n      responses:\n        '200':\n          content:\n            application/json:\n              schema: { type: array, items: { type: object, required: [id], properties: { id: { type: integer }, text: { type: [string, 'null'] } } } }\n",
    )
    .unwrap();
    let context = ConnectContext { base_directory: directory.path().to_owned(), ..connect_context() };
    let settings = json!({"url": "http://127.0.0.1:1", "openapi": "api.yaml", "resources": {
        "orders": {"path": "/orders", "rows": "/data", "sample": "sample.json", "columns": {"total": {"type": "decimal(9,2)"}, "id": {"filter": {"eq": "id={value}"}}}},
        "notes": {"path": "/notes"}}});
    let source = (portico_provider_rest::kind().connect)(settings, context).unwrap();
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let of = |name: &str| {
        let table = schema.table(&RemoteTableName(vec![name.to_owned()])).unwrap();
        let mut columns: Vec<String> = table.columns.iter().map(|column| format!("{} {}", column.name, column.scalar_type)).collect();
        columns.sort();
        columns
    };
    assert_eq!(of("orders"), ["a/b json", "at timestamptz", "id int64", "total decimal(9,2)"]);
    assert_eq!(of("notes"), ["id int64", "text text"]);
    assert!(schema.declared);
}

#[tokio::test]
async fn an_answer_that_postgrest_cuts_is_never_taken_for_whole() {
    let database = Database::create().await;
    database
        .run("CREATE TABLE keyed (id int PRIMARY KEY, n int); INSERT INTO keyed SELECT g, g % 7 FROM generate_series(1, 25) g; CREATE TABLE keyless (n int); INSERT INTO keyless SELECT * FROM generate_series(1, 25); CREATE VIEW looked AS SELECT id, n FROM keyed;
              CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE odd (id int PRIMARY KEY, m mood, c char(4), tags text[]); INSERT INTO odd VALUES (1, 'ok', 'ab', '{x,y}')")
        .await;
    let server = PostgRest::start_with(&database.url, &[("PGRST_DB_MAX_ROWS", "10")]).await;
    let source = server.source(json!({"preset": "postgrest"}));
    let keyed = scan(&source, "keyed").await;
    assert_eq!(ids(&source, keyed.clone()).await, (1..=25).collect::<Vec<_>>());
    let ordered = SourceQuery {
        order_by: vec![portico_provider_api::SortKey { expr: Expr::Column(1), descending: true, nulls_first: false }],
        ..keyed.clone()
    };
    assert_eq!(ids(&source, ordered).await, (1..=25).collect::<Vec<_>>());
    assert_eq!(ids(&source, SourceQuery { limit: Some(17), ..keyed.clone() }).await.len(), 17);
    let keyless = scan(&source, "keyless").await;
    let error = failure(&source, keyless.clone()).await;
    assert!(error.message.contains("db-max-rows") && error.kind == SourceErrorKind::Malformed, "{error}");
    let filter = compare(&keyless, "n", CompareOp::Lt, Value::Int32(6));
    assert_eq!(ids(&source, SourceQuery { filter: Some(filter), ..keyless }).await, (1..=5).collect::<Vec<_>>());

    // What is not compared as it is here is read, and nothing else.
    let odd = scan(&source, "odd").await;
    assert_eq!(
        rows(&source, odd.clone()).await.unwrap(),
        [vec![Value::Int32(1), Value::text("ok"), Value::text("ab  "), Value::Json(r#"["x","y"]"#.to_owned())]]
    );
    for (column, value) in [("m", Value::text("ok")), ("c", Value::text("ab"))] {
        let filter = compare(&odd, column, CompareOp::Eq, value);
        assert_eq!(failure(&source, SourceQuery { filter: Some(filter), ..odd.clone() }).await.kind, SourceErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn conditions_of_postgrest_are_its_own() {
    let description = json!({"swagger": "2.0", "paths": {"/t": {"get": {}}}, "definitions": {"t": {"required": ["id"], "properties": {
        "id": {"format": "integer", "description": "Note:\nThis is a Primary Key.<pk/>"}, "name": {"format": "text"}, "a.b": {"format": "double precision"}}}}});
    let (server, source) =
        serving(json!({"preset": "postgrest", "paging": {"by": "keyset", "size": 2, "end": "short_page"}}), move |request| {
            if request.path == "/" { Answer::json(description.to_string()) } else { Answer::json(r#"[{"id":1,"name":null,"a.b":1.5}]"#) }
        })
        .await;
    let query = scan(&source, "t").await;
    let name = |text: &str| compare(&query, "name", CompareOp::Eq, Value::text(text));
    let either = Expr::Or(vec![name("x,y)\"\\"), Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(0)))))]);
    let greater = compare(&query, "a.b", CompareOp::Gt, Value::float64(1.0));
    let filter = Expr::And(vec![name("a&or=(id.eq.1)"), either, greater]);
    let asking = SourceQuery { filter: Some(filter), ..query.clone() };
    assert_eq!(
        source.describe(&asking)[0].text,
        "GET /t?name=eq.?&or=(name.eq.?,id.not.is.null)&\"a.b\"=gt.?&\"a.b\"=not.eq.?&select=id,name,\"a.b\"&order=id.asc&limit=2"
    );
    assert_eq!(rows(&source, asking).await.unwrap().len(), 1);
    let last = asked(&server).pop().unwrap();
    assert_eq!(
        last,
        "/t?name=eq.a%26or%3D(id.eq.1)&or=(name.eq.%22x,y)%5C%22%5C%5C%22,id.not.is.null)&%22a.b%22=gt.1&%22a.b%22=not.eq.NaN&select=id,name,%22a.b%22&order=id.asc&limit=2"
    );
    let null = portico_provider_api::Value::Null(ScalarType::Text);
    assert_eq!(rows(&source, SourceQuery { limit: Some(1), ..query }).await.unwrap()[0][1], null);
}
