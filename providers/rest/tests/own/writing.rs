//! Writes: what is sent, and what becomes of a change.

use super::serving::{at, scan, serving};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, CompareOp, ConstraintKind, Expr, Precondition, QueryContext, Relation, Source,
    SourceError, SourceErrorKind, SourceQuery, TableRelation, Value,
};
use portico_provider_testkit::http::{Answer, Request};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

fn settings(write: Json) -> Json {
    json!({"resources": {"orders": {"path": "/orders", "key": ["id"],
        "lookups": [{"path": "/orders/{id}", "single": true}],
        "columns": {
            "id": {"type": "int64", "nullable": false, "generated": false},
            "status": {"type": "text", "filter": {"eq": "status={value}"}},
            "customer/name": {"type": "text", "optional": true},
            "version": {"type": "int32"},
            "since": {"type": "timestamptz", "codec": "timestamp_seconds", "optional": true}},
        "write": write}}})
}

fn table(query: &SourceQuery) -> TableRelation {
    let Relation::Table(table) = &query.from else { panic!("a table") };
    table.clone()
}

async fn write(source: &Arc<dyn Source>, change: Change) -> Result<ChangeOutcome, SourceError> {
    let set = ChangeSet { changes: vec![change], idempotency_key: None };
    source.writable().unwrap().write(set, &QueryContext::default()).await.map(|mut outcomes| outcomes.pop().unwrap())
}

fn insert(query: &SourceQuery, values: Vec<(&str, ChangeValue)>) -> Change {
    let values = values.into_iter().map(|(column, value)| (at(query, column), value)).collect();
    Change::Insert { table: table(query), values, require: None }
}

fn update(query: &SourceQuery, id: i64, values: Vec<(&str, ChangeValue)>, precondition: Precondition) -> Change {
    let values = values.into_iter().map(|(column, value)| (at(query, column), value)).collect();
    Change::Update { table: table(query), key: vec![(0, Value::Int64(id))], values, precondition, visible: None, require: None }
}

fn delete(query: &SourceQuery, id: i64, precondition: Precondition) -> Change {
    Change::Delete { table: table(query), key: vec![(0, Value::Int64(id))], precondition, visible: None }
}

fn given(text: &str) -> ChangeValue {
    ChangeValue::Given(Value::text(text))
}

fn body(request: &Request) -> Json {
    serde_json::from_slice(&request.body).unwrap_or(Json::Null)
}

#[tokio::test]
async fn values_stand_at_their_columns_places() {
    let settings = settings(json!({"insert": {"path": "/orders"}, "update": {"path": "/orders/{id}"}, "delete": {"path": "/orders/{id}"}}));
    let (server, source) = serving(settings, |request| match request.method.as_str() {
        "DELETE" if request.path.ends_with("/9") => Answer::json("{}").with_status(404),
        "DELETE" => Answer::json("").with_status(204),
        "POST" if body(request)["status"] == "dup" => Answer::json(r#"{"message":"there is one"}"#).with_status(409),
        "POST" if body(request)["status"] == "bad" => Answer::json(r#"{"message":"no such status"}"#).with_status(422),
        "PATCH" if request.path.ends_with("/9") => Answer::json("{}").with_status(404),
        _ => Answer::json(r#"{"id":7,"status":"open","customer":{"name":"A"},"version":1,"since":1709208000}"#).with_status(201),
    })
    .await;
    let query = scan(&source, "orders").await;
    let since = Value::TimestampTz(1_709_208_000_000_000);
    let stored = vec![Value::Int64(7), Value::text("open"), Value::text("A"), Value::Int32(1), since.clone()];
    let change =
        insert(&query, vec![("status", given("a\"b")), ("customer/name", ChangeValue::Null), ("since", ChangeValue::Given(since))]);
    assert_eq!(write(&source, change).await.unwrap(), ChangeOutcome::Done { row: Some(stored.clone()), created: true });
    let change = update(&query, 7, vec![("customer/name", given("A"))], Precondition::None);
    assert_eq!(write(&source, change).await.unwrap(), ChangeOutcome::Done { row: Some(stored), created: false });
    let change = update(&query, 9, vec![("status", given("x"))], Precondition::None);
    assert_eq!(write(&source, change).await.unwrap(), ChangeOutcome::NotFound);
    assert_eq!(write(&source, delete(&query, 7, Precondition::None)).await.unwrap(), ChangeOutcome::Done { row: None, created: false });
    assert_eq!(write(&source, delete(&query, 9, Precondition::None)).await.unwrap(), ChangeOutcome::NotFound);
    let log = server.log();
    assert_eq!(body(&log[0]), json!({"status": "a\"b", "customer": {"name": null}, "since": 1_709_208_000}));
    assert_eq!((log[1].method.as_str(), log[1].path.as_str(), body(&log[1])), ("PATCH", "/orders/7", json!({"customer": {"name": "A"}})));

    let error = write(&source, insert(&query, vec![("status", given("dup"))])).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Constraint { kind: ConstraintKind::Unique, columns: Vec::new() });
    let error = write(&source, insert(&query, vec![("status", given("bad"))])).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: Vec::new() });
    assert!(error.message.contains("no such status"), "{error}");
    // Nothing is compared in the step that writes, so that nothing may be asked of it.
    let sent = server.log().len();
    for precondition in
        [Precondition::Unchanged(vec![(1, Value::text("open"))]), Precondition::Version { column: 3, value: Value::Int32(1) }]
    {
        let error = write(&source, update(&query, 7, vec![("status", given("x"))], precondition)).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unsupported);
    }
    assert_eq!(server.log().len(), sent);
}

#[tokio::test]
async fn keys_come_back_in_other_ways() {
    let location = json!({"insert": {"path": "/orders", "returns": "location"}});
    let (_server, source) =
        serving(settings(location), |_| Answer::json("").with_status(201).header("location", "https://h/orders/12345678901?x=1")).await;
    let query = scan(&source, "orders").await;
    let change = || insert(&query, vec![("status", given("x"))]);
    assert_eq!(write(&source, change()).await.unwrap(), ChangeOutcome::Keyed(vec![(0, Value::Int64(12_345_678_901))]));
    let key = json!({"insert": {"path": "/orders", "returns": "key", "row": "/created", "body": "{\"s\": {status}, \"note\": \"is {status}\", \"c\": {customer/name}}"}});
    let (server, source) = serving(settings(key), |_| Answer::json(r#"{"created":{"id":5}}"#)).await;
    assert_eq!(write(&source, change()).await.unwrap(), ChangeOutcome::Keyed(vec![(0, Value::Int64(5))]));
    assert_eq!(body(&server.log()[0]), json!({"s": "x", "note": "is x", "c": null}));
    let capabilities = source.remote_schema(&portico_provider_api::Selection::All, &QueryContext::default()).await.unwrap().capabilities;
    let write = capabilities.write_of(&query.tables()[0].clone());
    assert!(write.insert && write.returning_key && !write.returning && !write.update && !write.version && !write.transactions);
}

#[tokio::test]
async fn a_version_is_compared_by_the_server() {
    let write_settings = json!({"update": {"path": "/orders/{id}", "returns": "nothing"}, "delete": {"path": "/orders/{id}"},
        "version": {"column": "version", "header": "If-Match", "value": "\"{value}\""}});
    let (server, source) = serving(settings(write_settings), |request| match request.header("if-match") {
        Some("\"3\"") | None => Answer::json("").with_status(204),
        Some(_) => Answer::json(r#"{"message":"stale"}"#).with_status(412),
    })
    .await;
    let query = scan(&source, "orders").await;
    let under = |version: i32| Precondition::Version { column: at(&query, "version"), value: Value::Int32(version) };
    let change = |version| update(&query, 7, vec![("status", given("x"))], under(version));
    assert_eq!(write(&source, change(3)).await.unwrap(), ChangeOutcome::Done { row: None, created: false });
    assert_eq!(write(&source, change(4)).await.unwrap(), ChangeOutcome::Changed);
    assert_eq!(write(&source, delete(&query, 7, under(2))).await.unwrap(), ChangeOutcome::Changed);
    let other = Precondition::Version { column: at(&query, "status"), value: Value::text("x") };
    assert_eq!(write(&source, delete(&query, 7, other)).await.unwrap_err().kind, SourceErrorKind::Unsupported);
    assert_eq!(server.log().len(), 3);

    let in_body = json!({"update": {"path": "/orders/{id}", "returns": "nothing", "method": "PUT"}, "version": {"column": "version"}});
    let (server, source) = serving(settings(in_body), |request| match body(request)["version"] == 3 {
        true => Answer::json("").with_status(204),
        false => Answer::json("{}").with_status(409),
    })
    .await;
    assert_eq!(write(&source, change(3)).await.unwrap(), ChangeOutcome::Done { row: None, created: false });
    assert_eq!(write(&source, change(4)).await.unwrap(), ChangeOutcome::Changed);
    assert_eq!((server.log()[0].method.as_str(), body(&server.log()[0])), ("PUT", json!({"status": "x", "version": 3})));
}

#[tokio::test]
async fn under_an_etag_nobody_else_s_change_is_lost() {
    let row = Arc::new(Mutex::new((1, "open".to_owned())));
    let state = Arc::clone(&row);
    let write_settings = json!({"update": {"path": "/orders/{id}"}, "delete": {"path": "/orders/{id}"}, "version": {"etag": true}});
    let (server, source) = serving(settings(write_settings), move |request| {
        let mut state = state.lock().unwrap();
        let shown = |state: &(i32, String)| {
            let row = json!({"id": 7, "status": state.1, "customer": {"name": "A"}, "version": state.0});
            Answer::json(row.to_string()).header("etag", format!("\"v{}\"", state.0))
        };
        if !request.path.ends_with("/7") {
            return Answer::json("{}").with_status(404);
        }
        let answer = match request.method.as_str() {
            "GET" => shown(&state),
            _ if request.header("if-match").is_some_and(|etag| etag != format!("\"v{}\"", state.0)) => {
                return Answer::json("{}").with_status(412);
            }
            "PATCH" => {
                *state = (state.0 + 1, body(request)["status"].as_str().unwrap().to_owned());
                shown(&state)
            }
            _ => Answer::json("").with_status(204),
        };
        if request.method == "GET" && state.1 == "racing" {
            // Another writer, between the look and the change.
            state.0 += 1;
        }
        answer
    })
    .await;
    let query = scan(&source, "orders").await;
    let image = |status: &str| Precondition::Unchanged(vec![(at(&query, "status"), Value::text(status))]);
    let change = |id, status: &str, precondition| update(&query, id, vec![("status", given(status))], precondition);
    assert!(matches!(write(&source, change(7, "paid", image("open"))).await.unwrap(), ChangeOutcome::Done { row: Some(_), .. }));
    assert_eq!(write(&source, change(7, "sent", image("open"))).await.unwrap(), ChangeOutcome::Changed);
    assert_eq!(write(&source, change(8, "sent", image("open"))).await.unwrap(), ChangeOutcome::NotFound);
    assert_eq!(row.lock().unwrap().1, "paid");
    assert_eq!(server.log().iter().filter(|request| request.header("if-match") == Some("\"v1\"")).count(), 1);

    // What is not visible is not there.
    let hidden = Expr::compare(CompareOp::Eq, Expr::Column(at(&query, "status")), Expr::Literal(Value::text("open")));
    let change_hidden =
        Change::Delete { table: table(&query), key: vec![(0, Value::Int64(7))], precondition: Precondition::None, visible: Some(hidden) };
    assert_eq!(write(&source, change_hidden).await.unwrap(), ChangeOutcome::NotFound);

    row.lock().unwrap().1 = "racing".to_owned();
    assert_eq!(write(&source, change(7, "sent", image("racing"))).await.unwrap(), ChangeOutcome::Changed);
    assert_eq!(row.lock().unwrap().1, "racing");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_not_sent_again() {
    let settings = settings(json!({"insert": {"path": "/orders"}}));
    let (server, source) = serving(settings, |_| Answer::reset()).await;
    let query = scan(&source, "orders").await;
    let error = write(&source, insert(&query, vec![("status", given("x"))])).await.unwrap_err();
    assert_eq!((error.effect, error.retry), (portico_provider_api::Effect::Unknown, portico_provider_api::Retry::Never), "{error}");
    assert_eq!(server.log().len(), 1);
}

fn upsert(query: &SourceQuery, id: i64, values: Vec<(&str, ChangeValue)>) -> Change {
    let values = values.into_iter().map(|(column, value)| (at(query, column), value)).collect();
    Change::Upsert { table: table(query), key: vec![(0, Value::Int64(id))], values, require: None }
}

#[tokio::test]
async fn an_upsert_makes_a_row_or_changes_the_one_that_is_there() {
    let held = Arc::new(Mutex::new(None::<Json>));
    let state = Arc::clone(&held);
    let write_settings = json!({"upsert": {"path": "/orders/{id}"}});
    let (server, source) = serving(settings(write_settings), move |request| {
        if request.path.ends_with("/409") {
            return Answer::json(r#"{"message":"another order has that name"}"#).with_status(409);
        }
        let before = state.lock().unwrap().replace(body(request));
        Answer::json(body(request).to_string()).with_status(if before.is_none() { 201 } else { 200 })
    })
    .await;
    let query = scan(&source, "orders").await;
    let all = |status: &str| {
        vec![
            ("status", given(status)),
            ("customer/name", ChangeValue::Null),
            ("version", ChangeValue::Given(Value::Int32(1))),
            ("since", ChangeValue::Null),
        ]
    };
    for (status, made) in [("open", true), ("paid", false)] {
        let ChangeOutcome::Done { row: Some(row), created } = write(&source, upsert(&query, 7, all(status))).await.unwrap() else {
            panic!("done")
        };
        assert_eq!((created, &row[..2]), (made, &[Value::Int64(7), Value::text(status)][..]));
    }
    let log = server.log();
    assert_eq!((log[0].method.as_str(), log[0].path.as_str()), ("PUT", "/orders/7"));
    assert_eq!(body(&log[0]), json!({"id": 7, "status": "open", "customer": {"name": null}, "version": 1, "since": null}));
    // What is replaced as a whole would lose what is not given.
    let error = write(&source, upsert(&query, 7, vec![("status", given("x"))])).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Data && error.message.contains("'customer/name'"), "{error}");
    assert_eq!((error.effect, server.log().len()), (portico_provider_api::Effect::None, 2));
    let error = write(&source, upsert(&query, 409, all("x"))).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Constraint { kind: ConstraintKind::Unique, columns: Vec::new() });

    let merging = json!({"upsert": {"path": "/orders", "method": "POST", "query": {"by": "{id}"}, "returns": "nothing"}, "created": [200]});
    let (server, source) =
        serving(settings(merging), |request| Answer::json("").with_status(if request.raw_query == "by=1" { 200 } else { 204 })).await;
    for (id, created) in [(1, true), (2, false)] {
        let outcome = write(&source, upsert(&query, id, vec![("status", given("x"))])).await.unwrap();
        assert_eq!(outcome, ChangeOutcome::Done { row: None, created });
    }
    assert_eq!((server.log()[1].raw_query.as_str(), body(&server.log()[1])), ("by=2", json!({"id": 2, "status": "x"})));
    let capabilities = source.remote_schema(&portico_provider_api::Selection::All, &QueryContext::default()).await.unwrap().capabilities;
    let declared = capabilities.write_of(&query.tables()[0].clone());
    assert!(declared.upsert && !declared.returning && !declared.insert && !declared.update);
    for (wrong, part) in [
        (json!({"upsert": {"path": "/orders/{id}", "returns": "location"}}), "its key is known"),
        (json!({"upsert": {"path": "/orders/{status}"}}), "'status' is none of the key's columns"),
        (json!({"insert": {"path": "/orders", "replaces": true}}), "'replaces' is for an 'upsert'"),
        (json!({"insert": {"path": "/orders"}, "created": [200]}), "'write.created'"),
        (json!({}), "nor 'delete'"),
    ] {
        let mut settings = settings(wrong);
        settings["url"] = "http://127.0.0.1:1".into();
        let error = (portico_provider_rest::kind().connect)(settings, super::postgrest::connect_context()).err().unwrap();
        assert!(error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn upserts_of_postgrest_are_by_any_unique_key() {
    let database = super::postgrest::Database::create().await;
    database
        .run("CREATE TABLE \"two keys\" (a int, \"b c\" int, x text, n int DEFAULT 5, PRIMARY KEY (a, \"b c\")); CREATE TABLE bare (id int PRIMARY KEY); CREATE VIEW seen AS SELECT * FROM \"two keys\"")
        .await;
    let server = super::postgrest::PostgRest::start(&database.url).await;
    let source =
        server.source(json!({"preset": "postgrest", "resources": {"two keys": {"key": ["a", "b c"]}, "seen": {"key": ["a", "b c"]}}}));
    for name in ["two keys", "seen"] {
        let query = scan(&source, name).await;
        let b = if name == "seen" { 3 } else { 2 };
        let change = |x: &str| Change::Upsert {
            table: table(&query),
            key: vec![(at(&query, "a"), Value::Int32(1)), (at(&query, "b c"), Value::Int32(b))],
            values: vec![(at(&query, "x"), given(x))],
            require: None,
        };
        for (x, made) in [("one", true), ("two", false)] {
            let ChangeOutcome::Done { row: Some(row), created } = write(&source, change(x)).await.unwrap() else { panic!("done") };
            assert_eq!((created, &row[at(&query, "x")], &row[at(&query, "n")]), (made, &Value::text(x), &Value::Int32(5)), "{name}");
        }
    }
    // What is not given stays.
    database.run("UPDATE \"two keys\" SET n = 9").await;
    let query = scan(&source, "two keys").await;
    let key = vec![(at(&query, "a"), Value::Int32(1)), (at(&query, "b c"), Value::Int32(2))];
    let change = Change::Upsert { table: table(&query), key, values: vec![(at(&query, "x"), given("three"))], require: None };
    let ChangeOutcome::Done { row: Some(row), created: false } = write(&source, change).await.unwrap() else { panic!("done") };
    assert_eq!(row[at(&query, "n")], Value::Int32(9));
    let bare = scan(&source, "bare").await;
    for made in [true, false] {
        let change = Change::Upsert { table: table(&bare), key: vec![(0, Value::Int32(1))], values: Vec::new(), require: None };
        let outcome = write(&source, change).await.unwrap();
        assert_eq!(outcome, ChangeOutcome::Done { row: Some(vec![Value::Int32(1)]), created: made });
    }
}
