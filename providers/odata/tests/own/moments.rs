//! Moments finer than a microsecond, of which the metadata says nothing: what is told of them, and what the settings make of them.

use super::{orders, read, server, source};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, CompareOp, Expr, KeySet, Precondition, QueryContext, ScalarType, Selection,
    SourceErrorKind, SourceQuery, Value,
};
use portico_provider_testkit::http::{Answer, Faults, Request, Server};
use serde_json::json;

const FINE: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices><Schema Namespace="NS" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.DateTimeOffset" Nullable="false"/><Property Name="At" Type="Edm.DateTimeOffset"/><Property Name="Daily" Type="Edm.TimeOfDay"/><Property Name="Said" Type="Edm.DateTimeOffset" Precision="3"/><Property Name="Fine" Type="Edm.DateTimeOffset" Precision="7"/></EntityType>
<EntityContainer Name="C"><EntitySet Name="Orders" EntityType="NS.Order"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

const ROW: &str = r#"{"Id":"1970-01-01T00:00:00Z","At":"1970-01-01T00:00:01.1234567Z","Daily":"00:00:01.1234567","Said":"1970-01-01T00:00:00.5Z","Fine":"1970-01-01T00:00:00.1234567Z"}"#;

async fn fine() -> Server {
    let script = |request: &Request| match request.method.as_str() {
        "PATCH" => Answer::json(ROW),
        _ => Answer::json(format!(r#"{{"value":[{ROW}]}}"#)),
    };
    server(FINE, script, Faults::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_is_too_fine_names_the_setting_that_reads_it() {
    let server = fine().await;
    let source = source(&server, &json!({}));
    let table = orders(&source).await;
    let error = read(&source, SourceQuery::scan(table)).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert!(error.message.contains("/value/0/At: ") && error.message.contains("`sub_microseconds: text`"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_text_or_cut_where_that_is_said() {
    let server = fine().await;
    let text = source(&server, &json!({"sub_microseconds": "text"}));
    let table = orders(&text).await;
    let types: Vec<ScalarType> = table.columns.iter().map(|column| column.scalar_type).collect();
    assert_eq!(types, [ScalarType::Text, ScalarType::Text, ScalarType::Text, ScalarType::TimestampTz, ScalarType::Text]);
    let rows = read(&text, SourceQuery::scan(table)).await.unwrap();
    assert_eq!(rows[0][1..3], [Value::text("1970-01-01T00:00:01.1234567Z"), Value::text("00:00:01.1234567")]);

    let cut = source(&server, &json!({"sub_microseconds": "truncate"}));
    let table = orders(&cut).await;
    let rows = read(&cut, SourceQuery::scan(table)).await.unwrap();
    let shown = [
        Value::TimestampTz(0),
        Value::TimestampTz(1_123_456),
        Value::Time(1_123_456),
        Value::TimestampTz(500_000),
        Value::TimestampTz(123_456),
    ];
    assert_eq!(rows, [shown]);
    let notes = cut.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap().notes;
    assert!(notes.contains(&"of 'At' in 'Orders' digits beyond microseconds are left out, as configured".to_owned()), "{notes:?}");
    // A key is not cut.
    assert!(!notes.iter().any(|note| note.contains("'Id'")), "{notes:?}");

    let only = source(
        &server,
        &json!({"tables": {"Orders": {"columns": {"At": {"sub_microseconds": "truncate"}, "Daily": {"sub_microseconds": "text"}}}}}),
    );
    let rows = read(&only, SourceQuery::scan(orders(&only).await)).await.unwrap();
    assert_eq!(rows[0][1..3], [Value::TimestampTz(1_123_456), Value::text("00:00:01.1234567")]);
    for (column, said) in [("Id", "key"), ("Nothing", "'Nothing'")] {
        let wrong = source(&server, &json!({"tables": {"Orders": {"columns": {column: {"sub_microseconds": "truncate"}}}}}));
        let error = wrong.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap_err();
        assert!(
            error.kind == SourceErrorKind::Unsupported && error.message.contains(said) && error.message.contains("'Orders'"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_find_what_is_shown_of_a_moment_that_is_cut() {
    let server = fine().await;
    let source = source(&server, &json!({"sub_microseconds": "truncate", "product": "portico", "capabilities": {"in": true}}));
    let table = orders(&source).await;
    let at = |op, micros| Expr::compare(op, Expr::Column(1), Expr::Literal(Value::TimestampTz(micros)));
    let midnight = |op| Expr::compare(op, Expr::Column(2), Expr::Literal(Value::Time(86_399_999_999)));
    let (value, next) = ("1970-01-01T00:00:01.123456Z", "1970-01-01T00:00:01.123457Z");
    let cases = [
        (at(CompareOp::Eq, 1_123_456), format!("At ge {value} and At lt {next}")),
        (at(CompareOp::NotEq, 1_123_456), format!("At lt {value} or At ge {next}")),
        (Expr::Not(Box::new(at(CompareOp::Eq, 1_123_456))), format!("At lt {value} or At ge {next}")),
        (at(CompareOp::Lt, 1_123_456), format!("At lt {value}")),
        (at(CompareOp::LtEq, 1_123_456), format!("At lt {next}")),
        (at(CompareOp::Gt, 1_123_456), format!("At ge {next}")),
        (at(CompareOp::GtEq, 1_123_456), format!("At ge {value}")),
        (at(CompareOp::IsDistinctFrom, 1_123_456), format!("At lt {value} or At ge {next} or At eq null")),
        // Nothing comes after the last microsecond of a day.
        (midnight(CompareOp::Eq), "Daily ge 23:59:59.999999 and Daily ne null".to_owned()),
        (midnight(CompareOp::LtEq), "Daily ne null".to_owned()),
    ];
    for (filter, expected) in cases {
        read(&source, SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) }).await.unwrap();
        let asked = server.log().pop().unwrap().query("$filter").unwrap().replace("%20", " ");
        assert_eq!(asked, expected);
    }
    let keys = KeySet { columns: vec![1], tuples: vec![vec![Value::TimestampTz(0)], vec![Value::TimestampTz(1)]] };
    read(&source, SourceQuery { keys: Some(keys), ..SourceQuery::scan(table.clone()) }).await.unwrap();
    let asked = server.log().pop().unwrap().query("$filter").unwrap().to_owned();
    assert_eq!(asked.matches("%20ge%20").count(), 2, "{asked}");
    let nothing = SourceQuery { filter: Some(midnight(CompareOp::Gt)), ..SourceQuery::scan(table) };
    assert!(source.describe(&nothing).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_a_text_names_its_entity_by_the_moment() {
    let server = fine().await;
    let source = source(&server, &json!({"sub_microseconds": "text"}));
    let table = orders(&source).await;
    let write = async |id: &str| {
        let values = vec![(1, ChangeValue::Given(Value::text("1970-01-01T00:00:01.1234568Z")))];
        let key = vec![(0, Value::text(id))];
        let change = Change::Update { table: table.clone(), key, values, precondition: Precondition::None, visible: None, require: None };
        source.writable().unwrap().write(ChangeSet { changes: vec![change], idempotency_key: None }, &QueryContext::default()).await
    };
    let done = write("1970-01-01T00:00:00.1234567Z").await.unwrap();
    assert!(matches!(done[0], ChangeOutcome::Done { .. }), "{done:?}");
    let sent = server.log().into_iter().find(|request| request.method == "PATCH").unwrap();
    assert_eq!(sent.path, "/service/Orders(1970-01-01T00:00:00.1234567Z)");
    assert_eq!(sent.body, r#"{"At":"1970-01-01T00:00:01.1234568Z"}"#);
    // What is no moment reaches no address.
    let error = write("1) or (1").await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Unsupported && error.message.contains("'Id'"), "{error}");
}
