//! Rows, columns and next pages that JSONPath finds, in answers of every form that has room for it.

use super::postgrest::{connect_context, source};
use super::serving::{asked, compare, failure, ids, keys, rows, scan, serving};
use portico_provider_api::{CompareOp, ScalarType, SourceError, SourceQuery, Value};
use portico_provider_testkit::http::Answer;
use serde_json::{Value as Json, json};

fn orders(rows: &str, more: Json) -> Json {
    let mut resource = json!({"path": "/orders", "rows": rows, "key": ["id"], "columns": {
        "id": {"type": "int64", "nullable": false}, "amount": {"type": "decimal(13,2)", "optional": true}}});
    for (name, value) in more.as_object().unwrap() {
        resource[name] = value.clone();
    }
    json!({"resources": {"orders": resource}, "http": {"max_page": "1MiB", "max_response": "2MiB", "retries": 1}})
}

const NESTED: &str = r#"{"data":[
    {"items":[{"id":1,"amount":90071992547.41},{"id":2,"amount":"1.50"}]},
    {"items":[]},
    {"items":[{"id":9007199254740993,"amount":null,"type":"line"}], "invoice": {"id": 7}}], "total": 3}"#;

async fn found(settings: Json, answer: &'static str) -> Vec<i64> {
    let (_server, source) = serving(settings, move |_| Answer::json(answer)).await;
    let query = scan(&source, "orders").await;
    ids(&source, query).await
}

#[tokio::test]
async fn rows_stand_wherever_an_expression_selects_them() {
    for (path, expected) in [
        ("$.data[*].items[*]", vec![1, 2, 9_007_199_254_740_993]),
        ("$..items[*]", vec![1, 2, 9_007_199_254_740_993]),
        ("$..invoice", vec![7]),
        ("$.data[*].items[?@.type=='line']", vec![9_007_199_254_740_993]),
        ("$.data[0].items", vec![]),
        ("$['data'][0]['items'][*]", vec![1, 2]),
        ("$.data[*].items[?@.id > 9007199254740991]", vec![9_007_199_254_740_993]),
        ("$..nothing", vec![]),
    ] {
        if path == "$.data[0].items" {
            // An array is no row: `[*]` is what its rows are.
            let (_server, source) = serving(orders(path, json!({})), |_| Answer::json(NESTED)).await;
            let query = scan(&source, "orders").await;
            let error = failure(&source, query).await;
            assert!(error.message.contains("/data/0/items: an array is no object"), "{error}");
            continue;
        }
        assert_eq!(found(orders(path, json!({})), NESTED).await, expected, "{path}");
    }
    // Names alone are read as they come, whichever way they are written.
    for path in ["/data", "$.data", "$.data[*]", "$['data']", "$[\"data\"][*]"] {
        assert_eq!(found(orders(path, json!({})), r#"{"data":[{"id":1},{"id":2}]}"#).await, [1, 2], "{path}");
    }
    // Exactly as they are written.
    let (_server, source) = serving(orders("$..items[*]", json!({})), |_| Answer::json(NESTED)).await;
    let query = scan(&source, "orders").await;
    let amount = Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(9_007_199_254_741), precision: 13, scale: 2 };
    assert_eq!(rows(&source, query).await.unwrap()[0], [Value::Int64(1), amount]);
}

async fn told(settings: Json, answer: Answer) -> SourceError {
    let (_server, source) = serving(settings, move |_| answer.clone()).await;
    let query = scan(&source, "orders").await;
    failure(&source, query).await
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place_in_the_answer() {
    let lines = || orders("$.data[*].items[*]", json!({}));
    let wrong = |text: &'static str| told(lines(), Answer::json(text));
    let error = wrong(r#"{"data":[{"items":[{"id":1}]},{"items":[{"id":1},{"id":"x"}]}]}"#).await;
    assert!(error.message.contains(r#"/data/1/items/1/id: "x" is no int64"#), "{error}");
    let error = wrong(r#"{"data":[{"items":[{"id":1,"amount":1.005}]}]}"#).await;
    assert!(error.message.contains("/data/0/items/0/amount: 1.005 does not fit decimal(13,2)"), "{error}");
    // A document of another shape is no answer without rows.
    for text in [r#"{"error":"x"}"#, "{}", "[]", "null"] {
        let error = wrong(text).await;
        assert!(error.message.contains("/data: is missing"), "{text}: {error}");
    }
    for text in ["{\"data\":[", "", "{\"data\":[]} x"] {
        assert!(wrong(text).await.message.contains("cannot be read"), "{text}");
    }
    let failing = orders("$.data[*].items[*]", json!({"errors": [{"at": "/error", "message": "text"}]}));
    for text in [r#"{"error":{"text":"no such view"}}"#, r#"{"data":[],"error":{"text":"no such view"}}"#] {
        let error = told(failing.clone(), Answer::json(text)).await;
        assert!(error.message.contains("no such view"), "{error}");
    }
    let large = format!(r#"{{"data":[{{"items":[{{"id":1,"amount":1,"text":"{}"}}]}}]}}"#, "x".repeat(1_100_000));
    let error = told(lines(), Answer::json(large)).await;
    assert!(error.message.contains("larger than"), "{error}");
    let error = told(lines(), Answer::json("{}").with_status(500)).await;
    assert!(error.message.contains("500"), "{error}");
}

#[tokio::test]
async fn one_row_is_one_at_most() {
    let one = orders("/orders", json!({"lookups": [{"path": "/orders/{id}", "rows": "$.found[?@.active]", "single": true}]}));
    let (_server, source) = serving(one, |request| {
        Answer::json(match request.path.rsplit('/').next().unwrap() {
            "1" => r#"{"found":[{"id":1,"active":{}},{"id":2}]}"#,
            "2" => r#"{"found":[{"id":2}]}"#,
            "3" => r#"{"found":[{"id":3,"active":1},{"id":3,"active":2}]}"#,
            _ => "{}",
        })
    })
    .await;
    let query = scan(&source, "orders").await;
    let by = |id: i64| SourceQuery { keys: keys(&query, &["id"], vec![vec![Value::Int64(id)]]), ..query.clone() };
    assert_eq!(ids(&source, by(1)).await, [1]);
    assert!(ids(&source, by(2)).await.is_empty());
    let error = failure(&source, by(3)).await;
    assert!(error.message.contains("selects 2 values, and one row is expected"), "{error}");
    assert!(failure(&source, by(4)).await.message.contains("/found: is missing"));
}

/// As FHIR servers page: the link of one kind among others.
#[tokio::test]
async fn the_next_page_is_selected_too() {
    let paging = json!({"paging": {"by": "next", "next": "$.link[?@.relation=='next'].url", "total": "/total"}});
    let settings = || orders("$.entry[*].resource", paging.clone());
    let page = |number: i64, next: &str| {
        format!(r#"{{"total":3,"link":[{{"relation":"self","url":"x"}}{next}],"entry":[{{"resource":{{"id":{number}}}}}]}}"#)
    };
    let (server, source) = serving(settings(), move |request| {
        let at: i64 = request.raw_query.trim_start_matches("page=").parse().unwrap_or(1);
        let next = if at < 3 { format!(r#",{{"relation":"next","url":"/orders?page={}"}}"#, at + 1) } else { String::new() };
        Answer::json(page(at, &next))
    })
    .await;
    let query = scan(&source, "orders").await;
    assert_eq!(ids(&source, query).await, [1, 2, 3]);
    assert_eq!(asked(&server), ["/orders", "/orders?page=2", "/orders?page=3"]);
    let two = r#"{"total":1,"link":[{"relation":"next","url":"/a"},{"relation":"next","url":"/b"}],"entry":[]}"#;
    let error = told(settings(), Answer::json(two)).await;
    assert!(error.message.contains("selects 2 values, and one is expected"), "{error}");
}

#[tokio::test]
async fn lines_and_tables_are_arrays() {
    let more = |format: &str| json!({"format": format, "columns": {"id": {"type": "int64"}, "type": {"type": "text"}}});
    for (format, kind, text) in [
        ("ndjson", "application/x-ndjson", "{\"id\":1,\"type\":\"line\"}\n{\"id\":2,\"type\":\"sum\"}\n{\"id\":3,\"type\":\"line\"}\n"),
        ("csv", "text/csv", "id,type\n1,line\n2,sum\n3,line\n"),
    ] {
        let (_server, source) = serving(orders("$[?@.type=='line']", more(format)), move |_| Answer::of(kind, text)).await;
        let query = scan(&source, "orders").await;
        assert_eq!(ids(&source, query).await, [1, 3], "{format}");
    }
}

#[tokio::test]
async fn columns_and_inner_rows_are_selected_in_their_row() {
    let settings = json!({"resources": {
        "people": {"path": "/people", "rows": "/data", "key": ["id"], "columns": {
            "id": {"type": "int32", "nullable": false},
            "city": {"type": "text", "path": "$.addresses[?@.kind=='home'].city", "optional": true, "filter": {"eq": "city={value}"}},
            "newest": {"type": "decimal(9,2)", "path": "$.scores[-1]", "optional": true},
            "cities": {"type": "json", "path": "$..city"},
            "all": {"type": "json", "path": "$"}},
            "write": {"insert": {"path": "/people"}}},
        "phones": {"parent": {"resource": "people", "rows": "$.contacts[?@.type=='phone']", "columns": {"person": "id"}}, "columns": {
            "number": {"type": "text"}, "first": {"type": "text", "path": "$.labels[0]", "optional": true}}}}});
    let answer = r#"{"data":[
        {"id":1,"addresses":[{"kind":"work","city":"Bonn"},{"kind":"home","city":"Köln"}],"scores":[1,2.50],
         "contacts":[{"type":"mail","number":"x"},{"type":"phone","number":"1","labels":["a","b"]},{"type":"phone","number":"2"}]},
        {"id":2,"addresses":[],"scores":[],"contacts":[]}]}"#;
    let (server, source) = serving(settings.clone(), move |_| Answer::json(answer)).await;
    let query = scan(&source, "people").await;
    let all = rows(&source, query.clone()).await.unwrap();
    let decimal = ScalarType::Decimal { precision: 9, scale: 2 };
    let newest = Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(250), precision: 9, scale: 2 };
    assert_eq!(all[0][..4], [Value::Int32(1), Value::text("Köln"), newest, Value::Json(r#"["Bonn","Köln"]"#.to_owned())]);
    assert_eq!(all[1][..4], [Value::Int32(2), Value::Null(ScalarType::Text), Value::Null(decimal), Value::Json("[]".to_owned())]);
    assert!(matches!(&all[0][4], Value::Json(text) if text.starts_with("{\"id\":1")), "{:?}", all[0][4]);
    let asking = SourceQuery { filter: Some(compare(&query, "city", CompareOp::Eq, Value::text("Köln"))), ..query.clone() };
    rows(&source, asking).await.unwrap();
    assert_eq!(asked(&server).last().unwrap(), "/people?city=K%C3%B6ln");

    let phones = scan(&source, "phones").await;
    assert_eq!(
        rows(&source, phones).await.unwrap(),
        [[Value::Int32(1), Value::text("1"), Value::text("a")], [Value::Int32(1), Value::text("2"), Value::Null(ScalarType::Text)]]
    );

    let twice = r#"{"data":[{"id":1,"addresses":[{"kind":"home","city":"A"},{"kind":"home","city":"B"}],"scores":[],"contacts":[]}]}"#;
    let (_server, source) = serving(settings.clone(), move |_| Answer::json(twice)).await;
    let error = failure(&source, scan(&source, "people").await).await;
    assert!(error.message.contains("/0/city: '$.addresses[?@.kind=='home'].city' selects 2 values, and a column has one"), "{error}");
    let wrong = r#"{"data":[{"id":1,"addresses":[],"scores":["x"],"contacts":[]}]}"#;
    let (_server, source) = serving(settings, move |_| Answer::json(wrong)).await;
    let error = failure(&source, scan(&source, "people").await).await;
    assert!(
        error.message.contains(r#"/0/newest: "x" does not fit decimal(9,2)"#)
            || error.message.contains(r#"/0/newest: "x" is no decimal(9,2)"#),
        "{error}"
    );
}

#[test]
fn what_cannot_be_meant_is_refused_at_start() {
    let refused = |settings: Json, parts: &[&str]| {
        let mut settings = settings;
        settings["url"] = "http://127.0.0.1:1".into();
        let Err(error) = (portico_provider_rest::kind().connect)(settings, connect_context()) else { panic!("{parts:?}: it was taken") };
        assert!(parts.iter().all(|part| error.message.contains(part)), "{error}");
    };
    refused(orders("$.data[", json!({})), &["'orders'", "'rows'", "'$.data[' is no JSONPath: character 8"]);
    refused(orders("data", json!({})), &["'rows'", "'data' is no place"]);
    refused(orders("$..Order", json!({"format": "xml"})), &["of XML, names alone"]);
    refused(orders("/data", json!({"format": "csv"})), &["each is a row"]);
    refused(orders("", json!({"format": "ndjson", "paging": {"by": "next", "next": "/next"}})), &["nothing beside its rows"]);
    refused(orders("", json!({"paging": {"by": "next", "next": "$.a["}})), &["'paging'", "character 5"]);
    refused(orders("", json!({"errors": [{"at": "$..error"}]})), &["'$..error' must be names alone"]);
    let column = |column: Json| orders("", json!({"columns": {"id": {"type": "int64"}, "x": column}}));
    refused(column(json!({"type": "text", "path": "$.a[?]"})), &["column 'x'", "is no JSONPath"]);
    refused(column(json!({"type": "text", "path": "$..a", "sort": true})), &["column 'x'", "JSONPath"]);
    let mut selecting = column(json!({"type": "text", "path": "$..a"}));
    selecting["resources"]["orders"]["select"] = json!({"parameter": "fields"});
    refused(selecting, &["'select'", "'x'"]);
    // What can be meant, is.
    drop(source("http://127.0.0.1:1", column(json!({"type": "text", "path": "$.a.b"}))));
}
