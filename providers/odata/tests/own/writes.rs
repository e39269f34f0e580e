//! Writes of both protocols: what is sent, what became of it, and what is told of a failure.

use super::{V2, V4, orders, server, source};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, Effect, Precondition, QueryContext, Source, SourceError, SourceErrorKind, TableRelation,
    Value,
};
use portico_provider_testkit::http::{Answer, Csrf, Faults, Request};
use serde_json::json;
use std::sync::Arc;

fn money(cents: i128) -> Value {
    Value::Decimal { unscaled: cents.into(), precision: 13, scale: 2 }
}

fn update(table: &TableRelation, id: i32, values: Vec<(usize, ChangeValue)>, version: Option<&str>) -> Change {
    let column = table.columns.len() - 1;
    let precondition = version.map_or(Precondition::None, |etag| Precondition::Version { column, value: Value::text(etag) });
    Change::Update { table: table.clone(), key: vec![(0, Value::Int32(id))], values, precondition, visible: None, require: None }
}

fn delete(table: &TableRelation, id: i32) -> Change {
    Change::Delete { table: table.clone(), key: vec![(0, Value::Int32(id))], precondition: Precondition::None, visible: None }
}

fn insert(table: &TableRelation, values: Vec<(usize, ChangeValue)>) -> Change {
    Change::Insert { table: table.clone(), values, require: None }
}

async fn write(source: &Arc<dyn Source>, changes: Vec<Change>) -> Result<Vec<ChangeOutcome>, SourceError> {
    source.writable().unwrap().write(ChangeSet { changes, idempotency_key: None }, &QueryContext::default()).await
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}

const STORED: &str = r#"{"@odata.etag":"W/\"2\"","Id":7,"Name":"it's","Amount":"-12.50","City":{"Name":null}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_made_changed_and_removed() {
    let script = |request: &Request| match request.method.as_str() {
        "POST" => Answer::json(STORED).with_status(201),
        "PATCH" if request.path.ends_with("(404)") => Answer::status(404),
        "PATCH" if request.header("if-match") == Some("W/\"1\"") => Answer::json(STORED),
        "PATCH" => Answer::status(412),
        "DELETE" => Answer::status(204),
        "GET" if request.path.ends_with("(8)") => Answer::status(404),
        _ => Answer::json(STORED),
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({}));
    let table = orders(&source).await;
    let values = vec![
        (0, ChangeValue::Given(Value::Int32(7))),
        (1, ChangeValue::Given(Value::text("it's"))),
        (2, ChangeValue::Given(money(-1250))),
        (3, ChangeValue::Null),
    ];
    let made = write(&source, vec![insert(&table, values)]).await.unwrap();
    let ChangeOutcome::Done { row: Some(row), created: true } = &made[0] else { panic!("{made:?}") };
    assert_eq!((&row[2], &row[4]), (&money(-1250), &Value::text("W/\"2\"")));
    let name = |text: &str| vec![(1, ChangeValue::Given(Value::text(text)))];
    for (id, version, expected) in [
        (7, Some("W/\"1\""), None),
        (7, Some("W/\"0\""), Some(ChangeOutcome::Changed)),
        (8, Some("W/\"0\""), Some(ChangeOutcome::NotFound)),
        (404, None, Some(ChangeOutcome::NotFound)),
        (7, None, Some(ChangeOutcome::NotFound)),
    ] {
        let outcome = write(&source, vec![update(&table, id, name("x"), version)]).await.unwrap();
        match expected {
            Some(expected) => assert_eq!(outcome, [expected], "{id} {version:?}"),
            None => assert!(matches!(&outcome[0], ChangeOutcome::Done { row: Some(_), created: false }), "{outcome:?}"),
        }
    }
    assert_eq!(write(&source, vec![delete(&table, 7)]).await.unwrap(), [ChangeOutcome::Done { row: None, created: false }]);
    let sent: Vec<Request> = server.log().into_iter().filter(|request| request.method != "GET").collect();
    assert_eq!(body(&sent[0]), r#"{"Id":7,"Name":"it's","Amount":"-12.50","City":{"Name":null}}"#);
    assert_eq!(sent[0].header("content-type"), Some("application/json;IEEE754Compatible=true"));
    assert_eq!((body(&sent[1]).as_str(), sent[1].header("prefer")), (r#"{"Name":"x"}"#, Some("return=representation")));
    // What is not there must not be made by a change.
    assert_eq!((sent[4].path.as_str(), sent[4].header("if-match")), ("/service/Orders(404)", Some("*")));
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_merges_with_a_token_against_forgery_and_reads_back() {
    let script = |request: &Request| match request.method.as_str() {
        "POST" => Answer::json(r#"{"d":{"Id":1,"Name":"a","Amount":"1.00","At":"/Date(1)/","__metadata":{"etag":"e1"}}}"#).with_status(201),
        "MERGE" => Answer::status(204),
        _ => Answer::json(r#"{"d":{"Id":1,"Name":"b","Amount":"1.00","At":null,"__metadata":{"etag":"e2"}}}"#),
    };
    let faults = Faults { csrf: Some(Csrf::good_for(1)), ..Faults::default() };
    let server = server(V2, script, faults).await;
    let source = source(&server, &json!({"product": "s4hana", "csrf": {}}));
    let table = orders(&source).await;
    let values = vec![
        (0, ChangeValue::Given(Value::Int32(1))),
        (2, ChangeValue::Given(money(100))),
        (3, ChangeValue::Given(Value::Timestamp(1_000))),
    ];
    let made = write(&source, vec![insert(&table, values)]).await.unwrap();
    assert!(matches!(&made[0], ChangeOutcome::Done { row: Some(row), created: true } if row[4] == Value::text("e1")), "{made:?}");
    let changed = write(&source, vec![update(&table, 1, vec![(1, ChangeValue::Given(Value::text("b")))], Some("e1"))]).await.unwrap();
    assert!(matches!(&changed[0], ChangeOutcome::Done { row: Some(row), created: false } if row[4] == Value::text("e2")), "{changed:?}");
    let sent: Vec<Request> = server.log().into_iter().filter(|request| request.method != "GET").collect();
    assert_eq!(body(sent.iter().find(|request| request.method == "POST").unwrap()), r#"{"Id":1,"Amount":"1.00","At":"/Date(1)/"}"#);
    let merge = sent.iter().rfind(|request| request.method == "MERGE").unwrap();
    assert_eq!((merge.header("if-match"), merge.header("x-requested-with")), (Some("e1"), Some("XMLHttpRequest")));
    // Parts of a millisecond would be lost on the way.
    let error = write(&source, vec![update(&table, 1, vec![(3, ChangeValue::Given(Value::Timestamp(1)))], None)]).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Unsupported && error.effect == Effect::None && error.message.contains("'At'"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_field() {
    let script = |_: &Request| {
        Answer::json(r#"{"error":{"code":"x","message":{"lang":"en","value":"Wrong"},"innererror":{"errordetails":[{"message":"Enter a name","propertyref":"Name"}]}}}"#)
            .with_status(400)
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({}));
    let table = orders(&source).await;
    let error = write(&source, vec![insert(&table, vec![(0, ChangeValue::Given(Value::Int32(1)))])]).await.unwrap_err();
    assert!(error.message.ends_with("(400): Wrong; Name: Enter a name"), "{}", error.message);
    assert!(matches!(&error.kind, SourceErrorKind::Constraint { columns, .. } if columns == &["Name"]), "{:?}", error.kind);
}

/// A multipart answer of one change set.
fn batch(parts: &[&str]) -> Answer {
    let inner: String = parts
        .iter()
        .enumerate()
        .map(|(index, part)| format!("--c\r\nContent-Type: application/http\r\nContent-ID: {}\r\n\r\nHTTP/1.1 {part}\r\n", index + 1))
        .collect();
    Answer::of("multipart/mixed; boundary=b", format!("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{inner}--c--\r\n--b--\r\n"))
}

fn failed(part: &str) -> Answer {
    let text = format!("--b\r\nContent-Type: application/http\r\nContent-ID: 2\r\n\r\nHTTP/1.1 {part}\r\n--b--\r\n");
    Answer::of("multipart/mixed; boundary=b", text)
}

#[tokio::test(flavor = "multi_thread")]
async fn several_changes_are_one_change_set_where_that_is_one_transaction() {
    let script = |request: &Request| {
        let text = body(request);
        if text.contains("Orders(404)") {
            failed("404 Not Found\r\n\r\n")
        } else if text.contains("\"bad\"") {
            failed(
                "400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"error\":{\"code\":\"1\",\"message\":\"no such name\",\"target\":\"Name\"}}",
            )
        } else {
            batch(&[&format!("201 Created\r\nContent-Type: application/json\r\n\r\n{STORED}"), "204 No Content\r\n\r\n"])
        }
    };
    let server = server(V4, script, Faults::default()).await;
    let table = orders(&source(&server, &json!({}))).await;
    let new = |name: &str| insert(&table, vec![(0, ChangeValue::Given(Value::Int32(7))), (1, ChangeValue::Given(Value::text(name)))]);
    // Without a word on it nothing is promised.
    let error = write(&source(&server, &json!({})), vec![new("a"), delete(&table, 1)]).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unsupported);
    let source = source(&server, &json!({"product": "dataverse"}));
    let done = write(&source, vec![new("a"), delete(&table, 1)]).await.unwrap();
    assert!(matches!(&done[0], ChangeOutcome::Done { row: Some(_), created: true }), "{done:?}");
    assert_eq!(done[1], ChangeOutcome::Done { row: None, created: false });
    let undone = write(&source, vec![new("a"), delete(&table, 404)]).await.unwrap();
    assert_eq!(undone, [ChangeOutcome::NotAttempted, ChangeOutcome::NotFound]);
    let error = write(&source, vec![delete(&table, 1), new("bad")]).await.unwrap_err();
    assert!(error.message.contains("no such name") && error.effect == Effect::None, "{error:?}");
    let sent = server.log().into_iter().find(|request| request.path.ends_with("/$batch")).unwrap();
    let text = body(&sent);
    assert!(text.contains("\r\nPOST Orders HTTP/1.1\r\n") && text.contains("\r\nDELETE Orders(1) HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("Content-ID: 2") && text.contains("If-Match: *"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_an_answer_is_not_repeated() {
    let server =
        server(V4, |request| if request.method == "POST" { Answer::reset() } else { Answer::status(404) }, Faults::default()).await;
    let source = source(&server, &json!({}));
    let table = orders(&source).await;
    let error = write(&source, vec![insert(&table, vec![(0, ChangeValue::Given(Value::Int32(1)))])]).await.unwrap_err();
    assert_eq!(error.effect, Effect::Unknown);
    assert_eq!(server.log().iter().filter(|request| request.method == "POST").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_says_whether_it_made_the_entity() {
    let script = |request: &Request| match request.path.as_str() {
        "/service/Orders(1)" => Answer::json(STORED).with_status(201),
        _ => Answer::json(STORED),
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({"product": "dataverse"}));
    let table = orders(&source).await;
    for (id, made) in [(1, true), (2, false)] {
        let values = vec![(1, ChangeValue::Given(Value::text("a")))];
        let change = Change::Upsert { table: table.clone(), key: vec![(0, Value::Int32(id))], values, require: None };
        let outcome = write(&source, vec![change]).await.unwrap();
        assert!(matches!(&outcome[0], ChangeOutcome::Done { row: Some(_), created } if *created == made), "{outcome:?}");
    }
    assert!(server.log().iter().filter(|request| request.method == "PATCH").all(|request| request.header("if-match").is_none()));
}
