//! Functions and actions of both protocols.

use super::{V2, V4, read, server, source};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, OperationCall, QueryContext, RemoteOperation, Selection, Source, SourceQuery, Value,
};
use portico_provider_testkit::http::{Answer, Faults, Request};
use serde_json::json;
use std::sync::Arc;

async fn operation(source: &Arc<dyn Source>, name: &str) -> RemoteOperation {
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    schema.operations.into_iter().find(|operation| operation.is_named(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_read_from() {
    let script = |request: &Request| match request.path.rsplit('/').next().unwrap() {
        "Rate()" => Answer::json(r#"{"@odata.context":"x","value":"1.2345"}"#),
        _ => Answer::json(r#"{"value":[{"Id":1,"Name":"a","Amount":null,"City":null}]}"#),
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({}));
    let latest = operation(&source, "Latest").await;
    assert_eq!((latest.changes, latest.signature.as_str()), (false, "Latest(after Edm.Date, of Edm.String)"));
    let arguments = vec![(0, Value::Date(19_782)), (1, Value::text("it's a/b"))];
    let rows = read(&source, SourceQuery::call(OperationCall { operation: latest, arguments })).await.unwrap();
    assert_eq!(rows[0][..2], [Value::Int32(1), Value::text("a")]);
    let rate = OperationCall { operation: operation(&source, "Rate").await, arguments: Vec::new() };
    let rows = read(&source, SourceQuery::call(rate)).await.unwrap();
    assert_eq!(rows, [[Value::Decimal { unscaled: 12_345.into(), precision: 9, scale: 4 }]]);
    let asked: Vec<String> = server.log().into_iter().map(|request| request.path).filter(|path| path.contains('(')).collect();
    assert_eq!(asked, ["/service/Latest(after=2024-02-29,of='it''s%20a%2Fb')", "/service/Rate()"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn function_imports_of_v2_have_their_arguments_as_parameters() {
    let server = server(V2, |_| Answer::json(r#"{"d":{"Largest":42}}"#), Faults::default()).await;
    let source = source(&server, &json!({}));
    let call = OperationCall { operation: operation(&source, "Largest").await, arguments: vec![(0, Value::Timestamp(1_000_000))] };
    assert_eq!(read(&source, SourceQuery::call(call)).await.unwrap(), [[Value::Int32(42)]]);
    let asked = server.log().pop().unwrap();
    assert_eq!((asked.path.as_str(), asked.raw_query.as_str()), ("/service/Largest", "Before=datetime%271970-01-01T00:00:01%27"));
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_invoked_with_their_arguments_in_the_body() {
    let script = |_: &Request| Answer::json(r#"{"Id":1,"Name":"closed","Amount":"2.00","City":{"Name":"x"}}"#);
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({}));
    let close = operation(&source, "Close").await;
    let arguments = vec![(0, ChangeValue::Given(Value::Int32(1))), (1, ChangeValue::Null)];
    let changes = vec![Change::Invoke { operation: Box::new(close), arguments }];
    let outcome = source.writable().unwrap().write(ChangeSet { changes, idempotency_key: None }, &QueryContext::default()).await.unwrap();
    let ChangeOutcome::Returned(rows) = &outcome[0] else { panic!("{outcome:?}") };
    assert_eq!(rows[0][1], Value::text("closed"));
    let sent = server.log().pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/service/Close"));
    assert_eq!(sent.body, r#"{"Id":1,"Note":null}"#);
}
