//! Bound operations and references of Olingo's technical service.

use super::{all, at, relation, source};
use crate::servers::v4;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, OperationCall, Precondition, QueryContext, RemoteOperation, Selection, Source,
    SourceError, SourceQuery, Value,
};
use serde_json::json;
use std::sync::Arc;

async fn operation(source: &Arc<dyn Source>, signature: &str) -> RemoteOperation {
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let found = schema.operations.into_iter().find(|operation| operation.signature == signature);
    found.unwrap_or_else(|| panic!("no operation {signature}"))
}

async fn invoke(source: &Arc<dyn Source>, signature: &str, arguments: &[Value]) -> Result<Vec<Vec<Value>>, SourceError> {
    let operation = Box::new(operation(source, signature).await);
    let arguments = arguments.iter().cloned().map(ChangeValue::Given).enumerate().collect();
    let set = ChangeSet { changes: vec![Change::Invoke { operation, arguments }], idempotency_key: None };
    let outcome = source.writable().unwrap().write(set, &QueryContext::default()).await?.remove(0);
    let ChangeOutcome::Returned(rows) = outcome else { panic!("{outcome:?}") };
    Ok(rows)
}

async fn called(source: &Arc<dyn Source>, signature: &str, arguments: &[Value]) -> Vec<Vec<Value>> {
    let operation = operation(source, signature).await;
    let arguments = arguments.iter().cloned().enumerate().collect();
    all(source, SourceQuery::call(OperationCall { operation, arguments })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_actions_are_invoked() {
    let source = source(&v4().url("bound/odata.svc/"), json!({ "tables": { "ESCompAllPrim": { "etag": true } } }));
    let text = invoke(&source, "ESTwoPrim.BAETTwoPrimRTString(PropertyInt16 Edm.Int16)", &[Value::Int16(32766)]).await.unwrap();
    assert_eq!(text, [[Value::text("Test String1")]]);
    let many = invoke(&source, "ESTwoPrim.BAETTwoPrimRTCollString(PropertyInt16 Edm.Int16)", &[Value::Int16(32766)]).await.unwrap();
    assert_eq!(many, [[Value::text("ABC")], [Value::text("XYZ")]]);
    let nothing = invoke(&source, "ESAllPrim.BAETAllPrimRT(PropertyInt16 Edm.Int16)", &[Value::Int16(32767)]).await.unwrap();
    assert!(nothing.is_empty());
    let key = [Value::Int16(1), Value::text("1")];
    let one = invoke(&source, "ESTwoKeyNav.BA_RTETTwoKeyNav(PropertyInt16 Edm.Int16, PropertyString Edm.String)", &key).await.unwrap();
    assert_eq!((one.len(), &one[0][..2]), (1, &key[..]));
    let set = invoke(&source, "ESTwoKeyNav.BAESTwoKeyNavRTESTwoKeyNav()", &[]).await.unwrap();
    assert!(set.len() > 1 && set[0][..2] == key);
    // This one demands If-Match: without it, it is 428.
    let tagged = invoke(&source, "ESCompAllPrim.BAETCompAllPrimRTETCompAllPrim(PropertyInt16 Edm.Int16)", &[Value::Int16(0)]).await;
    let asked: Vec<(String, Option<String>, u64)> = v4()
        .asked("bound/requests")
        .into_iter()
        .map(|asked| (asked.target.clone(), asked.header("if-match").map(str::to_owned), asked.status))
        .collect();
    let of = |target: &str| asked.iter().find(|(known, ..)| known == target).unwrap_or_else(|| panic!("{target}: {asked:?}"));
    assert_eq!(of("/ESTwoPrim(32766)/olingo.odata.test1.BAETTwoPrimRTString").1, None);
    assert_eq!(of("/ESTwoKeyNav(PropertyInt16=1,PropertyString='1')/olingo.odata.test1.BA_RTETTwoKeyNav").2, 200);
    let (_, etag, status) = of("/ESCompAllPrim(0)/olingo.odata.test1.BAETCompAllPrimRTETCompAllPrim");
    assert!(etag.as_deref() == Some("*") && *status != 428, "{status} {tagged:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_functions_are_read_from() {
    let source = source(&v4().url("bound-functions/odata.svc/"), json!({}));
    let key = [Value::Int16(1), Value::text("1")];
    let signature = "ESTwoKeyNav.BFCETTwoKeyNavRTCTTwoPrim(PropertyInt16 Edm.Int16, PropertyString Edm.String)";
    assert_eq!(called(&source, signature, &key).await, [[Value::Int16(16), Value::text("BFCETTwoKeyNavRTCTTwoPrim string value")]]);
    let whole = called(&source, "ESTwoKeyNav.BFC_RTESTwoKeyNav_()", &[]).await;
    let some = called(&source, "ESTwoKeyNav.BFC_RTESTwoKeyNav_(ParameterString Edm.String)", &[Value::text("1")]).await;
    assert!(!whole.is_empty() && !some.is_empty() && whole[0][..2] == key);
    let one = called(&source, "ESKeyNav.BFCESKeyNavRTETKeyNavParam(ParameterString Edm.String)", &[Value::text("1")]).await;
    assert_eq!((one.len(), &one[0][0]), (1, &Value::Int16(1)));
}

/// The entity that a navigation property leads to, read past the kind.
fn linked(path: &str) -> i64 {
    let found: serde_json::Value = serde_json::from_str(&v4().get(path)).unwrap();
    found["PropertyInt16"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_are_written() {
    let settings = json!({ "tables": {
        "ESAllPrim": { "columns": { "PropertyByte": { "bind": "NavPropertyETTwoPrimOne" } } },
        "ESTwoKeyNav": { "columns": { "PropertyInt16": { "bind": "NavPropertyETKeyNavOne" } } } } });
    let source = source(&v4().url("references/odata.svc/"), settings);
    let table = relation(&source, "ESAllPrim").await;
    let write = async |change: Change| {
        let set = ChangeSet { changes: vec![change], idempotency_key: None };
        source.writable().unwrap().write(set, &QueryContext::default()).await
    };
    let by = |target: i16| vec![(at(&table, "PropertyByte"), ChangeValue::Given(Value::Int16(target)))];
    for target in [32766, -365] {
        let key = vec![(at(&table, "PropertyInt16"), Value::Int16(0))];
        let (precondition, table) = (Precondition::None, table.clone());
        write(Change::Update { table, key, values: by(target), precondition, visible: None, require: None }).await.unwrap();
        assert_eq!(linked("references/odata.svc/ESAllPrim(0)/NavPropertyETTwoPrimOne"), i64::from(target));
    }
    let made = write(Change::Insert { table: table.clone(), values: by(32766), require: None }).await.unwrap();
    let ChangeOutcome::Done { row: Some(row), created: true } = &made[0] else { panic!("{made:?}") };
    let number = row[at(&table, "PropertyInt16")].as_integer().unwrap();
    assert_eq!(linked(&format!("references/odata.svc/ESAllPrim({number})/NavPropertyETTwoPrimOne")), 32766);
    // An entity that is not there is refused by the service.
    let error = write(Change::Insert { table: table.clone(), values: by(4711), require: None }).await.unwrap_err();
    assert!(error.message.contains("(4") || error.message.contains("404"), "{error}");
    let bodies: Vec<String> =
        v4().asked("references/requests").into_iter().filter(|asked| asked.method != "GET").map(|asked| asked.body).collect();
    assert_eq!(bodies[0], r#"{"NavPropertyETTwoPrimOne@odata.bind":"ESTwoPrim(32766)"}"#);
}
