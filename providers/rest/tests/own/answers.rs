//! Answers that are not what they should be, and in which form they come.

use super::serving::{failure, rows, scan, serving};
use portico_provider_api::{SourceErrorKind, Value};
use portico_provider_testkit::http::{Answer, End};
use serde_json::{Value as Json, json};

fn settings(format: &str, rows: &str, more: Json) -> Json {
    let mut resource = json!({"path": "/t", "rows": rows, "format": format, "columns": {
        "id": {"type": "int32", "nullable": false}, "amount": {"type": "decimal(9,2)"}, "name": {"type": "text"}}});
    for (name, value) in more.as_object().unwrap() {
        resource[name] = value.clone();
    }
    json!({"resources": {"t": resource}, "http": {"max_page": "1MiB", "max_response": "2MiB", "retries": 1}})
}

async fn told(settings: Json, answer: impl Fn() -> Answer + Send + Sync + 'static) -> String {
    let (_server, source) = serving(settings, move |_| answer()).await;
    let query = scan(&source, "t").await;
    let error = failure(&source, query).await;
    assert!(error.to_string().starts_with("source 'shop': "), "{error}");
    error.to_string()
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let none = || json!({});
    let pages = || json!({"paging": {"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "top"}});
    for more in [none, pages] {
        let json = |text: &'static str| told(settings("json", "/data", more()), move || Answer::json(text));
        assert!(
            json(r#"{"data":[{"id":1,"amount":1,"name":"a"},{"id":"x","amount":1,"name":"a"}]}"#)
                .await
                .contains(r#"/data/1/id: "x" is no int32"#)
        );
        assert!(json(r#"{"data":[{"id":1,"amount":1.005,"name":"a"}]}"#).await.contains("/data/0/amount: 1.005 does not fit decimal(9,2)"));
        assert!(json(r#"{"data":[{"id":1,"name":"a"}]}"#).await.contains("/data/0/amount: is missing"));
        assert!(json(r#"{"data":[{"id":null,"amount":1,"name":"a"}]}"#).await.contains("/data/0/id: null"));
        assert!(json(r#"{"items":[]}"#).await.contains("/data"));
        assert!(json(r#"{"data":[{"id":1,"#).await.contains("cannot be read"));
        assert!(json(r#"{"data":{}}"#).await.contains("/data"));
        assert!(json("").await.contains("cannot be read"));
        let page = told(settings("json", "/data", more()), || Answer::of("text/html", "<html>please log in</html>")).await;
        assert!(page.contains("web page") && !page.contains("please log in"), "{page}");
        let cut =
            told(settings("json", "/data", more()), || Answer { end: End::Truncated(12), ..Answer::json(r#"{"data":[{"id":1}]}"#) }).await;
        assert!(!cut.is_empty());
        // Ten gigabytes, a hundred kilobytes at a time.
        let rows = format!("{}{{\"id\":1,\"amount\":1,\"name\":\"{}\"}},", "", "x".repeat(100_000));
        let endless = told(settings("json", "/data", more()), move || {
            let body = format!("{{\"data\":[{}", rows.repeat(3));
            Answer { end: End::Repeated(100_000), ..Answer::json(body) }
        })
        .await;
        assert!(endless.contains("larger than") || endless.contains("cannot be read"), "{endless}");
    }
}

#[tokio::test]
async fn a_failure_in_an_answer_of_success_is_one() {
    let errors = || json!({"errors": [{"at": "/error", "message": "message", "except": ["none"]}]});
    let told = |rows: &'static str, text: &'static str| told(settings("json", rows, errors()), move || Answer::json(text));
    for text in [
        r#"{"error":{"code":7,"message":"no such view"}}"#,
        r#"{"data":[],"error":{"message":"no such view"}}"#,
        r#"{"data":[{"id":1,"amount":1,"name":"x"}],"error":{"message":"no such view"}}"#,
    ] {
        assert!(told("/data", text).await.contains("no such view"), "{text}");
    }
    // The whole document is the rows, or the failure.
    assert!(told("", r#"{"error":{"message":"no such view"}}"#).await.contains("no such view"));
    let (_server, source) = serving(settings("json", "/data", errors()), |_| Answer::json(r#"{"data":[],"error":"none"}"#)).await;
    let query = scan(&source, "t").await;
    assert!(rows(&source, query).await.unwrap().is_empty());
}

#[tokio::test]
async fn other_forms_are_the_same_rows() {
    let lines = "{\"id\":1,\"amount\":1.5,\"name\":\"a,\\\"b\"}\n\n{\"id\":2,\"amount\":null,\"name\":\"\"}\n";
    let csv = "id,amount,name\n1,1.50,\"a,\"\"b\"\n2,,\"\"\n";
    let xml = "<?xml version=\"1.0\"?><o:list xmlns:o=\"u\"><o:t><id>1</id><amount>1.5</amount><name>a,&quot;b</name></o:t><o:t><id>2</id><name/></o:t></o:list>";
    for (format, path, kind, text) in
        [("ndjson", "", "application/x-ndjson", lines), ("csv", "", "text/csv", csv), ("xml", "/list/t", "application/xml", xml)]
    {
        let (_server, source) = serving(settings(format, path, json!({})), move |_| Answer::of(kind, text)).await;
        let query = scan(&source, "t").await;
        let amount = |unscaled| Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(unscaled), precision: 9, scale: 2 };
        let null = Value::Null(portico_provider_api::ScalarType::Decimal { precision: 9, scale: 2 });
        assert_eq!(
            rows(&source, query).await.unwrap(),
            [[Value::Int32(1), amount(150), Value::text("a,\"b")], [Value::Int32(2), null, Value::text("")]],
            "{format}"
        );
    }
}

#[tokio::test]
async fn other_forms_are_refused_when_they_are_not_well_formed() {
    let text = |format: &'static str, path: &'static str, kind: &'static str, text: &'static str| {
        told(settings(format, path, json!({})), move || Answer::of(kind, text))
    };
    assert!(text("ndjson", "", "application/x-ndjson", "{\"id\":1}\n{\"id\"").await.contains("line 2"));
    assert!(text("ndjson", "", "application/x-ndjson", "{\"id\":1},{\"id\":2}").await.contains("line 1"));
    assert!(text("csv", "", "text/csv", "id,amount,name\n1,2\n").await.contains("line 2"));
    assert!(
        text("csv", "", "text/csv", "id,name\n1,2\n").await.contains("/0/amount")
            || !text("csv", "", "text/csv", "id,name\nx,2\n").await.is_empty()
    );
    assert!(
        text("xml", "/list/t", "text/xml", "<!DOCTYPE l [<!ENTITY a 'b'>]><list><t><id>&a;</id></t></list>")
            .await
            .contains("document type")
    );
    assert!(text("xml", "/list/t", "text/xml", "<list><t><id>1</id>").await.contains("ends before"));
    assert!(text("xml", "/list/t", "text/xml", "<other/>").await.contains("/list/t"));
    assert!(text("xml", "/list/t", "text/html", "<html/>").await.contains("web page"));
    let fault = "<s:Envelope xmlns:s='u'><s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring>No &lt;such&gt; view</faultstring></s:Fault></s:Body></s:Envelope>";
    for status in [200, 500] {
        let said =
            told(settings("xml", "/Envelope/Body/list/t", json!({})), move || Answer::of("text/xml", fault).with_status(status)).await;
        assert!(said.contains("No <such> view"), "{said}");
    }
    let newer = "<s:Envelope xmlns:s='u'><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang='en'>Not today</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>";
    let said = told(settings("xml", "/Envelope/Body/list/t", json!({})), move || Answer::of("application/soap+xml", newer)).await;
    assert!(said.contains("Not today"), "{said}");
}

#[tokio::test]
async fn a_question_in_a_body_is_escaped_and_asked_again_after_a_fault() {
    let settings = json!({"resources": {"t": {"path": "/soap", "format": "xml", "rows": "/E/t", "headers": {"soapaction": "\"get\""},
        "body": "<get name='{name}'>{name}</get>", "columns": {"name": {"type": "text", "asked": true}, "id": {"type": "int32", "nullable": false}}}}});
    let faults =
        portico_provider_testkit::http::Faults { throttle_every: Some(2), retry_after: Some("0".to_owned()), ..Default::default() };
    let (server, source) = super::serving::serving_with(settings, faults, |_| Answer::of("text/xml", "<E><t><id>1</id></t></E>")).await;
    let scan = scan(&source, "t").await;
    for name in ["a'b\"<x>&", "again"] {
        let keys = super::serving::keys(&scan, &["name"], vec![vec![Value::text(name)]]);
        let query = portico_provider_api::SourceQuery { keys, ..scan.clone() };
        assert_eq!(rows(&source, query).await.unwrap(), [[Value::text(name), Value::Int32(1)]]);
    }
    let log = server.log();
    assert_eq!(log[0].body, "<get name='a&apos;b&quot;&lt;x&gt;&amp;'>a&apos;b&quot;&lt;x&gt;&amp;</get>");
    assert_eq!(
        (log[0].method.as_str(), log[0].header("soapaction"), log[0].header("content-type")),
        ("POST", Some("\"get\""), Some("text/xml; charset=utf-8"))
    );
    assert_eq!(log.len(), 3, "the request that was one too many was sent again");
    assert!(failure(&source, scan).await.kind == SourceErrorKind::Unsupported);
}
