//! A real SOAP server, made with spyne, which `PORTICO_TEST_PYTHON` runs.

use super::postgrest::source;
use super::serving::{compare, failure, ids, keys, rows, scan};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, CompareOp, QueryContext, Relation, SourceErrorKind, SourceQuery, Value,
};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Soap {
    process: Child,
    url: String,
}

impl Soap {
    fn start(arguments: &[&str]) -> Soap {
        let python =
            std::env::var("PORTICO_TEST_PYTHON").expect("PORTICO_TEST_PYTHON is not set: it names a Python with tests/requirements.txt");
        let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/soap_server.py");
        let mut process = Command::new(python).arg(server).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("the SOAP server says its port: is spyne installed?");
        Soap { process, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Soap {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings(namespace: &str) -> Json {
    let body = |inner: &str| format!("<s:Envelope xmlns:s='{namespace}' xmlns:o='urn:orders'><s:Body>{inner}</s:Body></s:Envelope>");
    let columns = json!({
        "id": {"type": "int64", "nullable": false}, "status": {"type": "text"}, "amount": {"type": "decimal(13,2)"},
        "placed": {"type": "date"}, "note": {"type": "text"}});
    let mut by_status = columns.clone();
    by_status["wanted"] = json!({"type": "text", "asked": true});
    json!({"format": "xml", "resources": {
        "orders": {
            "path": "/", "key": ["id"], "rows": "/Envelope/Body/list_ordersResponse/list_ordersResult/Order",
            "body": body("<o:list_orders/>"), "columns": columns,
            "lookups": [{"body": body("<o:get_order><o:id>{id}</o:id></o:get_order>"), "rows": "/Envelope/Body/get_orderResponse/get_orderResult"}],
            "write": {"insert": {"path": "/", "content_type": "text/xml; charset=utf-8", "row": "/Envelope/Body/create_orderResponse/create_orderResult",
                "body": body("<o:create_order><o:status>{status}</o:status><o:amount>{amount}</o:amount></o:create_order>")}}},
        "orders_by_status": {
            "path": "/", "rows": "/Envelope/Body/list_ordersResponse/list_ordersResult/Order",
            "body": body("<o:list_orders><o:status>{wanted}</o:status></o:list_orders>"), "columns": by_status}
    }})
}

#[tokio::test]
async fn a_soap_service_is_tables() {
    for (arguments, namespace) in
        [(&[][..], "http://schemas.xmlsoap.org/soap/envelope/"), (&["1.2"][..], "http://www.w3.org/2003/05/soap-envelope")]
    {
        let soap = Soap::start(arguments);
        let source = source(&soap.url, settings(namespace));
        let orders = scan(&source, "orders").await;
        assert_eq!(ids(&source, orders.clone()).await, (1..=40).collect::<Vec<_>>());
        let amount = |cents: i128| Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(cents), precision: 13, scale: 2 };
        let null = |scalar_type| Value::Null(scalar_type);
        let one = SourceQuery { keys: keys(&orders, &["id"], vec![vec![Value::Int64(4)], vec![Value::Int64(99)]]), ..orders.clone() };
        let text = portico_provider_api::ScalarType::Text;
        assert_eq!(
            rows(&source, one).await.unwrap(),
            [vec![Value::Int64(4), Value::text("paid"), amount(425), Value::Date(20_458), null(text)]]
        );

        let by_status = scan(&source, "orders_by_status").await;
        let nasty = "it's <sent> & \"done\"";
        let query = SourceQuery { keys: keys(&by_status, &["wanted"], vec![vec![Value::text(nasty)]]), ..by_status.clone() };
        let found = rows(&source, query).await.unwrap();
        assert_eq!(found.len(), 13);
        assert!(found.iter().all(|row| row[1] == Value::text(nasty) && row[5] == Value::text(nasty)));
        assert_eq!(failure(&source, by_status).await.kind, SourceErrorKind::Unsupported);

        let Relation::Table(table) = &orders.from else { panic!("a table") };
        let insert = |cents: i128| Change::Insert {
            table: table.clone(),
            values: vec![(1, ChangeValue::Given(Value::text("new & <b>"))), (2, ChangeValue::Given(amount(cents)))],
            require: None,
        };
        let write = |change| ChangeSet { changes: vec![change], idempotency_key: None };
        let done = source.writable().unwrap().write(write(insert(990)), &QueryContext::default()).await.unwrap();
        let date = portico_provider_api::ScalarType::Date;
        let row = vec![Value::Int64(41), Value::text("new & <b>"), amount(990), null(date), null(text)];
        assert_eq!(done, [ChangeOutcome::Done { row: Some(row), created: true }]);
        let refused = source.writable().unwrap().write(write(insert(-1)), &QueryContext::default()).await.unwrap_err();
        assert!(refused.message.contains("an amount below zero: <refused>"), "{refused}");
        assert_eq!(ids(&source, orders.clone()).await.len(), 41);
        // What the service does not understand is a fault.
        let filter = compare(&orders, "status", CompareOp::Eq, Value::text("x"));
        assert_eq!(failure(&source, SourceQuery { filter: Some(filter), ..orders }).await.kind, SourceErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn a_fault_is_an_error_with_its_text() {
    let soap = Soap::start(&[]);
    let mut settings = settings("http://schemas.xmlsoap.org/soap/envelope/");
    settings["resources"]["orders"]["body"] =
        json!("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><no_such_thing/></s:Body></s:Envelope>");
    let source = source(&soap.url, settings);
    let query = scan(&source, "orders").await;
    let error = failure(&source, query).await;
    assert!(error.to_string().contains("no_such_thing"), "{error}");
}
