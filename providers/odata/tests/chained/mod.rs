//! Bound operations of a gateway, called by another one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use crate::downstream::{Database, Downstream, rows};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, OperationCall, QueryContext, RemoteOperation, Selection, Source, SourceQuery, Value,
};
use std::sync::Arc;

const MODEL: &str = r#"tables:
  Notes: { source: pg, remote: public.notes, version: xmin }
operations:
  Rename:
    kind: action
    bound_to: Notes
    parameters: { to: text }
    returns: { table: Notes }
    sql: UPDATE Notes SET name = $to WHERE id = $id
  Same:
    kind: function
    bound_to: Notes
    parameters: { least: int32 }
    returns: { table: Notes, many: true }
    sql: SELECT o.* FROM Notes n JOIN Notes o ON o.name = n.name WHERE n.id = $id AND o.id >= $least
  Named:
    kind: function
    bound_to: { collection: Notes }
    parameters: { name: text }
    returns: { type: int64 }
    sql: SELECT COUNT(*) FROM Notes n WHERE n.name = $name
"#;

async fn operation(source: &Arc<dyn Source>, name: &str) -> RemoteOperation {
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let known: Vec<String> = schema.operations.iter().map(|operation| operation.signature.clone()).collect();
    schema.operations.into_iter().find(|operation| operation.is_named(name)).unwrap_or_else(|| panic!("no {name} in {known:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_operations_of_a_gateway_are_called_by_another() {
    let database = Database::create().await;
    database.run("CREATE TABLE notes (id int PRIMARY KEY, name text); INSERT INTO notes VALUES (1, 'a'), (2, 'a'), (3, 'it''s/b')").await;
    let downstream = Downstream::start(database, MODEL, &["Notes".to_owned()], "").await;
    let source = downstream.source(&serde_json::json!({ "product": "portico" }));
    let context = QueryContext::default();
    let called = async |name: &str, arguments: Vec<(usize, Value)>| {
        let call = OperationCall { operation: operation(&source, name).await, arguments };
        rows(&source, SourceQuery::call(call), &context).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let same = called("Notes.Same", vec![(0, Value::Int32(1)), (1, Value::Int32(2))]).await;
    assert_eq!(same, [[Value::Int32(2), Value::text("a")]]);
    assert_eq!(called("Notes.Named", vec![(0, Value::text("it's/b"))]).await, [[Value::Int64(1)]]);

    let invoke = async |id: i32| {
        let operation = Box::new(operation(&source, "Notes.Rename").await);
        let arguments = vec![(0, ChangeValue::Given(Value::Int32(id))), (1, ChangeValue::Given(Value::text("new")))];
        let set = ChangeSet { changes: vec![Change::Invoke { operation, arguments }], idempotency_key: None };
        source.writable().unwrap().write(set, &context).await
    };
    let outcome = invoke(2).await.unwrap();
    assert_eq!(outcome, [ChangeOutcome::Returned(vec![vec![Value::Int32(2), Value::text("new")]])]);
    assert_eq!(called("Notes.Named", vec![(0, Value::text("new"))]).await, [[Value::Int64(1)]]);
    let error = invoke(99).await.unwrap_err();
    assert!(error.message.contains("404"), "{error}");
}
