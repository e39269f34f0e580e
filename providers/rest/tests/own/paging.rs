//! Pages: all rows once each, whatever happens on the way, or an error.

use super::serving::{asked, failure, ids, scan, serving, serving_with};
use portico_provider_api::{AggregateCall, Aggregation, Expr, Output, SourceErrorKind, SourceQuery, Value};
use portico_provider_testkit::http::{Answer, Faults, Request};
use serde_json::{Value as Json, json};
use std::time::Duration;

fn settings(paging: Json) -> Json {
    json!({"resources": {"t": {"path": "/t", "rows": "/rows", "key": ["id"], "paging": paging, "columns": {"id": {"type": "int64", "nullable": false}}}}})
}

fn number(request: &Request, name: &str) -> Option<usize> {
    request.query(name)?.parse().ok()
}

fn page(rows: usize, from: usize, size: usize, more: &str) -> Answer {
    let rows: Vec<String> = (from.min(rows)..(from + size).min(rows)).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    Answer::json(format!(r#"{{"rows":[{}]{more}}}"#, rows.join(",")))
}

fn all(count: i64) -> Vec<i64> {
    (0..count).collect()
}

#[tokio::test]
async fn ten_thousand_rows_come_once_each_through_faults() {
    // Every seventh request is one too many, every fiftieth connection is reset, and connections do not last.
    let faults = Faults {
        throttle_every: Some(7),
        retry_after: Some("0".to_owned()),
        reset_connection_every: Some(50),
        close_after: Some(1),
        ..Faults::default()
    };
    let paging = json!({"by": "next", "next": "/next"});
    let (server, source) = serving_with(settings(paging), faults, |request| {
        let from = number(request, "from").unwrap_or(0);
        let next = if from + 25 < 10_000 { format!(r#","next":"/t?from={}""#, from + 25) } else { String::new() };
        page(10_000, from, 25, &next)
    })
    .await;
    let query = scan(&source, "t").await;
    assert_eq!(ids(&source, query).await, all(10_000));
    assert!(server.log().len() > 450, "there were faults: {} requests", server.log().len());
}

#[tokio::test]
async fn every_way_leads_to_all_rows() {
    let ways = [
        json!({"by": "page", "parameter": "page", "size": 10, "size_parameter": "size"}),
        json!({"by": "page", "parameter": "page", "first": 0, "size": 10, "size_parameter": "size", "total": "/total"}),
        json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "size"}),
        json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "size", "total_header": "x-total-count"}),
        json!({"by": "cursor", "parameter": "after", "next": "/next", "more": "/more"}),
        json!({"by": "link"}),
        json!({"by": "range", "size": 10, "end": "empty_page"}),
    ];
    for way in ways {
        let zero = way["first"] == json!(0);
        let (_server, source) = serving(settings(way.clone()), move |request| {
            let size = number(request, "size").unwrap_or(10);
            let range = request.header("range").and_then(|range| range.strip_prefix("items=")?.split_once('-')?.0.parse::<usize>().ok());
            let paged = number(request, "page").map(|page| (page - usize::from(!zero)) * size);
            let from = paged.or_else(|| number(request, "skip")).or_else(|| number(request, "after")).or(range).unwrap_or(0);
            let to = (from + size).min(47);
            let next = if to < 47 { format!("{to}") } else { "null".to_owned() };
            let mut answer = page(47, from, size, &format!(r#","total":47,"next":{next},"more":{}"#, to < 47));
            answer = answer
                .header("x-total-count", "47")
                .header("content-range", if from < 47 { format!("items {from}-{}/47", to - 1) } else { "*/47".to_owned() });
            if to < 47 { answer.header("link", format!("</t?after={to}>; rel=\"next\"")) } else { answer }
        })
        .await;
        let query = scan(&source, "t").await;
        assert_eq!(ids(&source, query.clone()).await, all(47), "{way}");
        assert_eq!(ids(&source, SourceQuery { limit: Some(12), ..query }).await.len(), 12, "{way}");
    }
}

#[tokio::test]
async fn a_limit_ends_the_reading() {
    let paging = json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "top"});
    let (server, source) =
        serving(settings(paging), |request| page(1_000, number(request, "skip").unwrap_or(0), number(request, "top").unwrap_or(10), ""))
            .await;
    let query = scan(&source, "t").await;
    assert_eq!(ids(&source, SourceQuery { limit: Some(3), ..query.clone() }).await, [0, 1, 2]);
    assert_eq!(ids(&source, SourceQuery { limit: Some(15), offset: 5, ..query }).await, (5..20).collect::<Vec<_>>());
    assert_eq!(asked(&server), ["/t?top=3", "/t?skip=5&top=10", "/t?skip=15&top=10"]);
}

#[tokio::test]
async fn rows_are_counted_by_what_the_server_says() {
    let paging = json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "top", "total": "/total"});
    let (server, source) = serving(settings(paging), |request| page(47, 0, number(request, "top").unwrap_or(10), r#","total":47"#)).await;
    let scan = scan(&source, "t").await;
    let aggregate = Some(Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None });
    let count = SourceQuery { aggregate, output: vec![Output { name: "n".to_owned(), expr: Expr::Column(0) }], ..scan };
    assert_eq!(super::serving::rows(&source, count).await.unwrap(), [[Value::Int64(47)]]);
    assert_eq!(asked(&server), ["/t?top=1"]);
}

#[tokio::test]
async fn rows_of_keys_are_counted_as_they_come() {
    let mut settings = settings(json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "top", "total": "/total"}));
    settings["resources"]["t"]["lookups"] = json!([{"path": "/t/{id}", "rows": "", "single": true}]);
    settings["resources"]["t"]["columns"]["id"]["description"] = "x".repeat(10).into();
    let (_server, source) = serving(settings, |request| match request.path.as_str() {
        "/t/1" | "/t/2" => Answer::json(format!(r#"{{"id":{}}}"#, &request.path[3..])),
        _ => Answer::json("{}").with_status(404),
    })
    .await;
    let scan = scan(&source, "t").await;
    let aggregate = Some(Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None });
    for (ids, count) in [(vec![1, 2, 9], 2), (vec![9], 0)] {
        let keys = super::serving::keys(&scan, &["id"], ids.into_iter().map(|id| vec![Value::Int64(id)]).collect());
        let output = vec![Output { name: "n".to_owned(), expr: Expr::Column(0) }];
        let query = SourceQuery { aggregate: aggregate.clone(), output, keys, ..scan.clone() };
        assert_eq!(super::serving::rows(&source, query).await.unwrap(), [[Value::Int64(count)]]);
    }
}

#[tokio::test]
async fn many_columns_are_read_and_a_path_that_is_wrong_is_told() {
    let columns: serde_json::Map<String, Json> =
        (0..400).map(|n| (format!("a_column_with_a_long_name_{n}"), json!({"type": "int32", "optional": true}))).collect();
    let settings = json!({"resources": {"wide": {"path": "/wide", "columns": columns}, "gone": {"path": "/gone", "single": true, "columns": {"a": {"type": "text"}}}}});
    let (_server, source) = serving(settings, |request| match request.path.as_str() {
        "/wide" => Answer::json("[{}]"),
        _ => Answer::json("{}").with_status(404),
    })
    .await;
    let wide = scan(&source, "wide").await;
    assert_eq!(super::serving::rows(&source, wide).await.unwrap().len(), 1);
    let gone = scan(&source, "gone").await;
    assert_eq!(failure(&source, gone).await.kind, SourceErrorKind::SchemaChanged);
}

#[tokio::test]
async fn pages_that_are_not_what_they_say_are_refused() {
    type Script = fn(&Request) -> Answer;
    let cases: Vec<(Json, Script, &str)> = vec![
        (
            json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "top", "total": "/total"}),
            |request| page(47, number(request, "skip").unwrap_or(0), 10, r#","total":60"#),
            "60 rows",
        ),
        (json!({"by": "next", "next": "/next"}), |_| page(47, 0, 10, r#","next":"/t?again""#), "never end"),
        (
            json!({"by": "next", "next": "/next", "max_pages": 50}),
            |request| page(1_000, 0, 1, &format!(r#","next":"/t?n={}""#, number(request, "n").unwrap_or(0) + 1)),
            "more than 50 pages",
        ),
        (json!({"by": "next", "next": "/next"}), |_| page(47, 0, 10, r#","next":"http://evil.example.com/""#), "evil.example.com"),
        (json!({"by": "none", "count": "/count"}), |_| page(47, 0, 10, r#","count":11"#), "has 10"),
        (
            json!({"by": "cursor", "parameter": "c", "next": "/next", "more": "/more"}),
            |_| page(1, 0, 1, r#","more":true"#),
            "nothing leads",
        ),
        (json!({"by": "range", "size": 10, "end": "total"}), |_| page(47, 0, 7, "").header("content-range", "items 0-9/47"), "has 7 rows"),
        (json!({"by": "page", "parameter": "p", "total": "/total"}), |_| page(47, 0, 10, ""), "/total"),
    ];
    for (paging, script, said) in cases {
        let (_server, source) = serving(settings(paging.clone()), script).await;
        let query = scan(&source, "t").await;
        let error = failure(&source, query).await;
        assert_eq!(error.kind, SourceErrorKind::Malformed, "{paging}: {error}");
        assert!(error.to_string().contains(said) && error.to_string().contains("'shop'"), "{paging}: {error}");
    }
}

#[tokio::test]
async fn rows_that_change_while_pages_are_read_are_noticed() {
    let paging = json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "top", "total": "/total"});
    let (_server, source) = serving(settings(paging), |request| {
        let from = number(request, "skip").unwrap_or(0);
        page(47, from, 10, &format!(r#","total":{}"#, if from == 0 { 47 } else { 46 }))
    })
    .await;
    let query = scan(&source, "t").await;
    let error = failure(&source, query).await;
    assert_eq!(error.kind, SourceErrorKind::Conflict, "{error}");

    // Rows that were said to be there, and are beyond the end when they are asked for.
    for says in ["*/10", "*/*", ""] {
        let script = move |request: &Request| match request.header("range") {
            Some("items=0-9") => page(47, 0, 10, "").header("content-range", "items 0-9/47"),
            _ => Answer::status(416).header("content-range", says),
        };
        let (_server, source) = serving(settings(json!({"by": "range", "size": 10, "end": "total"})), script).await;
        let query = scan(&source, "t").await;
        let error = failure(&source, query).await;
        assert!(error.kind == SourceErrorKind::Conflict && error.message.contains("there were 47 rows"), "{says}: {error}");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_reading() {
    let paging = json!({"by": "offset", "parameter": "skip", "size": 10, "size_parameter": "top"});
    let (server, source) = serving(settings(paging), |request| page(1_000_000, number(request, "skip").unwrap_or(0), 10, "")).await;
    let query = scan(&source, "t").await;
    let stream = source.query(query, &portico_provider_api::QueryContext::default()).await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(server.log().len() <= 2, "nothing is read ahead: {} requests", server.log().len());
}
