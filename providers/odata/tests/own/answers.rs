//! Pages, links, and answers that are not what they should be.

use super::{V2, V4, orders, read, relation, server, source};
use crate::downstream::connect;
use portico_provider_api::{
    AggregateCall, Aggregation, Caller, CallerToken, CompareOp, Expr, KeySet, Output, QueryContext, Selection, SortKey, SourceErrorKind,
    SourceQuery, TableRelation, Value,
};
use portico_provider_testkit::http::{Answer, End, Faults};
use serde_json::json;

fn row(id: u64) -> String {
    format!(r#"{{"@odata.etag":"W/\"{id}\"","Id":{id},"Name":"n{id}","Amount":"{id}.50","City":{{"Name":"c"}}}}"#)
}

fn scan(table: &TableRelation) -> SourceQuery {
    SourceQuery::scan(table.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_followed_to_the_end_with_everything_that_was_asked_for() {
    let script = |request: &portico_provider_testkit::http::Request| {
        let from: u64 = request.query("$skiptoken").and_then(|token| token.parse().ok()).unwrap_or(0);
        let rows: Vec<String> = (from..(from + 10).min(25)).map(row).collect();
        let next = if from + 10 < 25 { format!(r#","@odata.nextLink":"Orders?$skiptoken={}""#, from + 10) } else { String::new() };
        Answer::json(format!(r#"{{"value":[{}]{next}}}"#, rows.join(",")))
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({"paging": {"size": 10}}));
    let table = orders(&source).await;
    let read = read(&source, scan(&table)).await.unwrap();
    let ids: Vec<Value> = read.iter().map(|row| row[0].clone()).collect();
    assert_eq!(ids, (0..25).map(Value::Int32).collect::<Vec<_>>());
    assert_eq!(read[3][3..], [Value::text("c"), Value::text("W/\"3\"")]);
    let pages: Vec<_> = server.log().into_iter().filter(|request| request.path.ends_with("/Orders")).collect();
    assert_eq!(pages.len(), 3);
    assert!(pages.iter().all(|request| request.header("prefer") == Some("odata.maxpagesize=10")));
    assert!(pages.iter().all(|request| request.header("odata-maxversion") == Some("4.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_v2_are_relative_and_pages_by_number_end_with_an_empty_one() {
    let script = |request: &portico_provider_testkit::http::Request| {
        let row = |id: u64| format!(r#"{{"Id":{id},"Name":null,"Amount":"1","At":"/Date({id})/","__metadata":{{"etag":"e{id}"}}}}"#);
        let number = |name: &str| request.query(name).and_then(|number| number.parse::<u64>().ok());
        let (from, top) = (number("$skip").or(number("$skiptoken")).unwrap_or(0), number("$top"));
        // It gives less than it is asked for.
        let rows: Vec<String> = (from..(from + 4).min(10)).map(row).collect();
        let next = if top.is_none() && from + 4 < 10 { format!(r#","__next":"Orders?$skiptoken={}""#, from + 4) } else { String::new() };
        Answer::json(format!(r#"{{"d":{{"results":[{}]{next}}}}}"#, rows.join(",")))
    };
    let server = server(V2, script, Faults::default()).await;
    for settings in [json!({}), json!({"paging": {"client": true, "size": 5}})] {
        let source = source(&server, &settings);
        let table = orders(&source).await;
        let read = read(&source, scan(&table)).await.unwrap();
        assert_eq!(read.len(), 10, "{settings}");
        assert_eq!(
            read[9],
            [Value::Int32(9), Value::Null(table.columns[1].scalar_type), read[9][2].clone(), Value::Timestamp(9_000), Value::text("e9")]
        );
    }
    let asked: Vec<String> =
        server.log().into_iter().filter(|request| request.path.ends_with("/Orders")).map(|request| request.raw_query).collect();
    assert!(asked.last().unwrap().ends_with("$orderby=Id&$skip=10&$top=5"), "{asked:?}");
}

/// A service that writes the caller's token into its rows does not bring it into a message.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_an_answer_repeats_is_not_told() {
    let script = |request: &portico_provider_testkit::http::Request| {
        let shown = request.header("authorization").unwrap_or_default().to_owned();
        Answer::json(format!(r#"{{"value":[{{"Id":1,"Name":"n","Amount":"{shown}","City":null}}]}}"#))
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({"auth": {"caller": "bearer"}}));
    let gateway = QueryContext { caller: Caller::Gateway, ..QueryContext::default() };
    let schema = source.remote_schema(&Selection::All, &gateway).await.unwrap();
    let context = QueryContext { caller: Caller::Token(CallerToken::new("hunter2-token")), ..QueryContext::default() };
    let error = crate::downstream::rows(&source, scan(&relation(&schema.tables[0])), &context).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
    assert!(error.message.contains("/value/0/Amount") && !error.message.contains("hunter2"), "{error}");
}

/// What a whole read of orders fails with when the first page is this.
async fn failure(answer: impl Fn() -> Answer + Send + Sync + 'static) -> (SourceErrorKind, String) {
    let server = server(V4, move |_| answer(), Faults::default()).await;
    let source = source(&server, &json!({}));
    let table = orders(&source).await;
    let error = read(&source, scan(&table)).await.unwrap_err();
    assert_eq!(error.source_name, "east");
    (error.kind, error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_wrong_are_told_with_their_place() {
    let whole = |rows: &str| format!(r#"{{"value":[{rows}]}}"#);
    let cases = [
        (whole(r#"{"Id":"x","Name":"a","Amount":1,"City":null}"#), "/value/0/Id"),
        (whole(r#"{"Name":"a","Amount":1,"City":null}"#), "/value/0/Id: is missing"),
        (whole(r#"{"Id":1,"Name":"a","Amount":0.005,"City":null}"#), "/value/0/Amount"),
        (whole(r#"{"Id":1,"Name":"a","Amount":1,"City":"Rome"}"#), "/value/0/City"),
        (format!(r#"{{"value":[{},{{"Id":"#, row(1)), "/value/1"),
        (r#"{"value":null}"#.to_owned(), "/value"),
        (r#"{"error":{"message":"none"}}"#.to_owned(), "/value"),
        (format!(r#"{{"value":[{}],"@odata.nextLink":7}}"#, row(1)), "next page"),
        (format!(r#"{{"value":[{}],"@odata.nextLink":"https://evil.example.com/"}}"#, row(1)), "http.hosts"),
    ];
    for (body, place) in cases {
        let told = body.clone();
        let (kind, message) = failure(move || Answer::json(told.clone())).await;
        assert_eq!(kind, SourceErrorKind::Malformed, "{body}");
        assert!(message.contains(place), "{body}: {message}");
    }
    let (kind, message) = failure(|| Answer::html("<html>Log in</html>")).await;
    assert!(kind == SourceErrorKind::Malformed && message.contains("web page"), "{message}");
    let cut = || Answer::json(format!(r#"{{"value":[{}"#, row(1))).ending(End::Truncated(20));
    assert!(matches!(failure(cut).await.0, SourceErrorKind::Malformed | SourceErrorKind::Unavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_of_pages_without_an_end_are_given_up() {
    let (kind, message) = failure(|| Answer::json(r#"{"value":[],"@odata.nextLink":"Orders?$skiptoken=1"}"#)).await;
    assert!(kind == SourceErrorKind::Malformed && message.contains("never end"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beyond_those_that_were_asked_for_are_left() {
    let script = |_: &portico_provider_testkit::http::Request| Answer::json(format!(r#"{{"value":[{},{}]}}"#, row(1), row(2)));
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({}));
    let table = orders(&source).await;
    let rows = read(&source, SourceQuery { limit: Some(1), ..scan(&table) }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), [Value::Int32(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_too_long_for_one_url_become_several_requests() {
    let script = |_: &portico_provider_testkit::http::Request| Answer::json(r#"{"value":[]}"#);
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({"http": {"max_url": 256}, "capabilities": {"max_keys": 20}}));
    let table = orders(&source).await;
    let keys = KeySet { columns: vec![1], tuples: ('а'..='е').map(|letter| vec![Value::text(letter.to_string().repeat(2))]).collect() };
    let query = SourceQuery { keys: Some(keys), ..scan(&table) };
    let described = source.describe(&query).len();
    read(&source, query).await.unwrap();
    let asked: Vec<_> = server.log().into_iter().filter(|request| request.path.ends_with("/Orders")).collect();
    assert!(asked.len() == described && described > 1, "{described}");
    assert!(asked.iter().all(|request| request.path.len() + request.raw_query.len() < 256));
    let values: usize = asked.iter().map(|request| request.raw_query.matches("Name%20eq").count()).sum();
    assert_eq!(values, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_wrong_or_too_large_is_told_and_its_version_is_cheap() {
    const BOMB: &str = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><edmx:Edmx Version=\"4.0\">&b;</edmx:Edmx>";
    let bomb = server(BOMB, |_| Answer::status(404), Faults::default()).await;
    let error = source(&bomb, &json!({})).remote_schema(&Selection::All, &QueryContext::default()).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Malformed && error.message.contains("document type definition"), "{}", error.message);
    let small = server(V4, |_| Answer::status(404), Faults::default()).await;
    let settings = json!({"max_metadata": "100B"});
    let error = source(&small, &settings).remote_schema(&Selection::All, &QueryContext::default()).await.unwrap_err();
    assert!(error.message.contains("max_metadata"), "{}", error.message);

    let script = |request: &portico_provider_testkit::http::Request| match request.header("if-none-match") {
        Some("\"v1\"") => Answer::status(304),
        _ => Answer::of("application/xml", V4).header("etag", "\"v1\""),
    };
    let versioned = portico_provider_testkit::http::Server::start(script, Faults::default()).await;
    let source = source(&versioned, &json!({}));
    let context = QueryContext::default();
    assert_eq!(source.probe(&context).await.unwrap().schema.as_deref(), Some("\"v1\""));
    source.remote_schema(&Selection::All, &context).await.unwrap();
    assert_eq!(source.probe(&context).await.unwrap().schema.as_deref(), Some("\"v1\""));
    let asked: Vec<_> = versioned.log().iter().map(|request| request.header("if-none-match").map(str::to_owned)).collect();
    assert_eq!(asked, [None, None, Some("\"v1\"".to_owned())]);
}

#[test]
fn settings_that_contradict_each_other_are_refused_by_name() {
    for (settings, named) in [
        (json!({"cross_company": true}), "cross_company"),
        (json!({"company": "CRONUS"}), "company"),
        (json!({"product": "business_central", "company": " "}), "company"),
        (json!({"paging": {"client": true}}), "paging.size"),
        (json!({"paging": {"size": 0}}), "paging.size"),
        (json!({"product": "navision"}), "product"),
        (json!({"tables": {"A": {"filters": true}}}), "filters"),
    ] {
        let mut config = json!({"url": "https://erp.example.com/data"});
        config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let error = connect(config).err().unwrap();
        assert!(error.message.contains(named), "{settings}: {}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_a_url_goes_in_a_batch_where_that_is_wished() {
    let script = |request: &portico_provider_testkit::http::Request| {
        if !request.path.ends_with("/$batch") {
            return Answer::json(format!(r#"{{"value":[{}]}}"#, row(9)));
        }
        let text = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(text.contains("\r\nGET Orders") && text.contains("Id%20eq%201000000019"), "{text}");
        let body = match text.contains("$count") {
            true => "20".to_owned(),
            false => format!(r#"{{"value":[{}],"@odata.nextLink":"Orders?$skiptoken=x"}}"#, row(1)),
        };
        let part = format!("Content-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}\r\n");
        Answer::of("multipart/mixed; boundary=r", format!("--r\r\n{part}--r--\r\n"))
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({"http": {"max_url": 400}, "capabilities": {"batch_reads": true}}));
    let table = orders(&source).await;
    let keys = KeySet { columns: vec![0], tuples: (0..20).map(|id| vec![Value::Int32(1_000_000_000 + id)]).collect() };
    let query = SourceQuery { keys: Some(keys), ..scan(&table) };
    let rows = read(&source, query.clone()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), [Value::Int32(1), Value::Int32(9)]);
    let count = SourceQuery {
        aggregate: Some(Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None }),
        output: vec![Output { name: "n".to_owned(), expr: Expr::Column(0) }],
        ..query
    };
    assert_eq!(read(&source, count).await.unwrap(), [[Value::Int64(20)]]);
    let sent: Vec<String> = server.log().into_iter().map(|request| request.method).collect();
    assert_eq!(sent, ["GET", "POST", "GET", "POST"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_divided_goes_in_a_batch_unless_there_is_none() {
    let script = |request: &portico_provider_testkit::http::Request| {
        assert!(request.path.ends_with("/$batch"), "{}", request.path);
        let text = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(text.contains("\r\nGET Orders") && text.contains("$orderby=Id"), "{text}");
        let part = format!(
            "Content-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{{\"value\":[{}]}}\r\n",
            row(7)
        );
        Answer::of("multipart/mixed; boundary=r", format!("--r\r\n{part}--r--\r\n"))
    };
    let server = server(V4, script, Faults::default()).await;
    let query = |table: &TableRelation| SourceQuery {
        // Each letter takes six bytes of a URL.
        filter: Some(Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Value::text("ü".repeat(60))))),
        order_by: vec![SortKey { expr: Expr::Column(0), descending: false, nulls_first: true }],
        limit: Some(5),
        output: scan(table).output.into_iter().take(1).collect(),
        ..scan(table)
    };
    let settings = |batch: Option<bool>| json!({ "http": {"max_url": 440}, "collation": "binary", "capabilities": {"batch_reads": batch} });
    let usual = source(&server, &settings(None));
    let table = orders(&usual).await;
    let rows = read(&usual, query(&table)).await.unwrap();
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), [Value::Int32(7)]);
    let without = source(&server, &settings(Some(false)));
    let table = orders(&without).await;
    let refused = read(&without, query(&table)).await.unwrap_err();
    assert_eq!(refused.kind, SourceErrorKind::Unsupported);
    assert!(refused.message.contains("'http.max_url'"), "{refused}");
}
