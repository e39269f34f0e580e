//! Operations that are bound to an entity or a set: how they are named, and what is sent.

use super::{read, server, source};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, OperationCall, QueryContext, RemoteOperation, RemoteTableName, Selection, Source,
    SourceError, SourceErrorKind, SourceQuery, Value,
};
use portico_provider_testkit::http::{Answer, Faults, Request};
use serde_json::json;
use std::sync::Arc;

const BOUND: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices><Schema Namespace="NS" Alias="Self" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<ComplexType Name="City"><Property Name="Name" Type="Edm.String"/></ComplexType>
<EntityType Name="Paper" Abstract="true"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/></EntityType>
<EntityType Name="Order" BaseType="NS.Paper"><Property Name="Name" Type="Edm.String"/></EntityType>
<EntityType Name="Line"><Key><PropertyRef Name="Order"/><PropertyRef Name="No"/></Key><Property Name="Order" Type="Edm.Int32" Nullable="false"/><Property Name="No" Type="Edm.String" Nullable="false"/></EntityType>
<Action Name="Close" IsBound="true"><Parameter Name="it" Type="Self.Paper" Nullable="false"/><Parameter Name="Note" Type="Edm.String"/><Parameter Name="Where" Type="NS.City"/></Action>
<Action Name="Move" IsBound="true"><Parameter Name="it" Type="NS.Line"/><Parameter Name="Order" Type="Edm.Int32" Nullable="false"/><ReturnType Type="NS.Line"/></Action>
<Action Name="CloseAll" IsBound="true"><Parameter Name="all" Type="Collection(NS.Order)"/><ReturnType Type="Edm.Int32"/></Action>
<Function Name="Due" IsBound="true"><Parameter Name="it" Type="NS.Order"/><Parameter Name="days" Type="Edm.Int32" Nullable="false"/><ReturnType Type="Edm.Date"/></Function>
<Function Name="Due" IsBound="true"><Parameter Name="it" Type="NS.Order"/><ReturnType Type="Edm.Date"/></Function>
<Function Name="Best" IsBound="true"><Parameter Name="all" Type="Collection(NS.Paper)"/><Parameter Name="of" Type="Collection(Edm.String)"/><ReturnType Type="Collection(NS.Order)"/></Function>
<Function Name="OfText" IsBound="true"><Parameter Name="it" Type="Edm.String"/><ReturnType Type="Edm.String"/></Function>
<EntityContainer Name="C"><EntitySet Name="Orders" EntityType="NS.Order"><Annotation Term="Org.OData.Core.V1.OptimisticConcurrency"><Collection/></Annotation></EntitySet>
<EntitySet Name="Lines" EntityType="NS.Line"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

async fn operations(source: &Arc<dyn Source>, wanted: &Selection) -> Vec<RemoteOperation> {
    source.remote_schema(wanted, &QueryContext::default()).await.unwrap().operations
}

async fn operation(source: &Arc<dyn Source>, signature: &str) -> RemoteOperation {
    let all = operations(source, &Selection::All).await;
    let known: Vec<String> = all.iter().map(|operation| operation.signature.clone()).collect();
    all.into_iter().find(|operation| operation.signature == signature).unwrap_or_else(|| panic!("{signature}: {known:?}"))
}

async fn invoke(source: &Arc<dyn Source>, signature: &str, arguments: Vec<(usize, ChangeValue)>) -> Result<ChangeOutcome, SourceError> {
    let changes = vec![Change::Invoke { operation: Box::new(operation(source, signature).await), arguments }];
    let set = ChangeSet { changes, idempotency_key: None };
    source.writable().unwrap().write(set, &QueryContext::default()).await.map(|mut outcomes| outcomes.remove(0))
}

fn given(value: Value) -> ChangeValue {
    ChangeValue::Given(value)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_set_has_the_operations_of_its_type() {
    let server = server(BOUND, |_: &Request| Answer::status(404), Faults::default()).await;
    let source = source(&server, &json!({}));
    let signatures: Vec<String> = operations(&source, &Selection::All).await.iter().map(|operation| operation.signature.clone()).collect();
    assert_eq!(
        signatures,
        [
            "Orders.Close(Id Edm.Int32, Note Edm.String, Where NS.City)",
            "Lines.Move(key_Order Edm.Int32, No Edm.String, Order Edm.Int32)",
            "Orders.CloseAll()",
            "Orders.Due(Id Edm.Int32, days Edm.Int32)",
            "Orders.Due(Id Edm.Int32)",
            "Orders.Best(of Collection(Edm.String))",
        ]
    );
    let notes = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap().notes;
    assert!(
        notes.contains(&"1 operations that are bound to something else than a set or its entities are left out".to_owned()),
        "{notes:?}"
    );
    // An operation is found by its name though its set is not published.
    let tables = Some(vec![RemoteTableName(vec!["Lines".to_owned()])]);
    let named = Selection::Named { tables, operations: vec!["Orders.CloseAll".to_owned()] };
    let fresh = super::source(&server, &json!({}));
    let schema = fresh.remote_schema(&named, &QueryContext::default()).await.unwrap();
    assert_eq!((schema.tables.len(), schema.operations.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_invoked_on_their_entity_or_set() {
    let script = |request: &Request| match request.path.rsplit('/').next().unwrap() {
        "NS.CloseAll" => Answer::json(r#"{"value":7}"#),
        "NS.Move" => Answer::json(r#"{"Order":2,"No":"a"}"#),
        _ => Answer::status(204),
    };
    let server = server(BOUND, script, Faults::default()).await;
    let source = source(&server, &json!({}));
    let arguments = vec![(0, given(Value::Int32(7))), (1, ChangeValue::Null), (2, given(Value::Json(r#"{"Name":"Rome"}"#.into())))];
    let closed = invoke(&source, "Orders.Close(Id Edm.Int32, Note Edm.String, Where NS.City)", arguments).await.unwrap();
    assert_eq!(closed, ChangeOutcome::Returned(Vec::new()));
    let sent = server.log().pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.path.as_str(), sent.header("if-match")), ("POST", "/service/Orders(7)/NS.Close", Some("*")));
    assert_eq!(sent.body, r#"{"Note":null,"Where":{"Name":"Rome"}}"#);

    let all = invoke(&source, "Orders.CloseAll()", Vec::new()).await.unwrap();
    assert_eq!(all, ChangeOutcome::Returned(vec![vec![Value::Int32(7)]]));
    let sent = server.log().pop().unwrap();
    assert_eq!((sent.path.as_str(), sent.header("if-match"), &sent.body[..]), ("/service/Orders/NS.CloseAll", None, &b"{}"[..]));

    let arguments = vec![(0, given(Value::Int32(1))), (1, given(Value::text("it's a/b"))), (2, given(Value::Int32(2)))];
    let signature = "Lines.Move(key_Order Edm.Int32, No Edm.String, Order Edm.Int32)";
    assert!(matches!(invoke(&source, signature, arguments).await.unwrap(), ChangeOutcome::Returned(rows) if rows.len() == 1));
    let sent = server.log().pop().unwrap();
    assert_eq!(sent.path, "/service/Lines(Order=1,No='it''s%20a%2Fb')/NS.Move");
    assert_eq!((sent.header("if-match"), &sent.body[..]), (None, &br#"{"Order":2}"#[..]));

    let error = invoke(&source, "Orders.Close(Id Edm.Int32, Note Edm.String, Where NS.City)", Vec::new()).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Unsupported && error.message.contains("the key 'Id'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_read_from_on_their_entity_or_set() {
    let script = |request: &Request| match request.path.contains("NS.Best") {
        true => Answer::json(r#"{"value":[{"Id":1,"Name":"a"}]}"#),
        false => Answer::json(r#"{"value":"2024-02-29"}"#),
    };
    let server = server(BOUND, script, Faults::default()).await;
    let source = source(&server, &json!({}));
    for (signature, arguments, path, query) in [
        ("Orders.Due(Id Edm.Int32, days Edm.Int32)", vec![(0, Value::Int32(7)), (1, Value::Int32(3))], "Orders(7)/NS.Due(days=3)", ""),
        ("Orders.Due(Id Edm.Int32)", vec![(0, Value::Int32(7))], "Orders(7)/NS.Due()", ""),
        (
            "Orders.Best(of Collection(Edm.String))",
            vec![(0, Value::Json(r#"["a","b&c"]"#.into()))],
            "Orders/NS.Best(of=@of)",
            "@of=[\"a\",\"b&c\"]",
        ),
    ] {
        let call = OperationCall { operation: operation(&source, signature).await, arguments };
        let query_of = SourceQuery::call(call);
        let shown = source.describe(&query_of);
        assert!(!shown[0].text.contains('7') && shown[0].parameters > 0, "{shown:?}");
        assert_eq!(read(&source, query_of).await.unwrap().len(), 1);
        let asked = server.log().pop().unwrap();
        assert_eq!(asked.path, format!("/service/{path}"));
        let decoded = asked.raw_query.replace("%40", "@").replace("%22", "\"").replace("%5B", "[").replace("%5D", "]").replace("%26", "&");
        assert_eq!(decoded, query);
    }
    // What was asked of it is known without the metadata of its set having been wanted.
    let fresh = super::source(&server, &json!({}));
    let call = OperationCall { operation: operation(&source, "Orders.Due(Id Edm.Int32)").await, arguments: vec![(0, Value::Int32(1))] };
    assert_eq!(read(&fresh, SourceQuery::call(call)).await.unwrap(), [[Value::Date(19_782)]]);
}
