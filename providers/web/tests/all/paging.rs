//! Whole collections in pages, through every fault at once; and pages that never end.

use super::setting::{client_of, config, patient, settings};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use portico_provider_api::{QueryContext, ScalarType, SourceError, SourceErrorKind};
use portico_provider_testkit::http::{Answer, Faults, Paged, Server};
use portico_provider_web::json::{Json, JsonColumn, PageReader, PageShape, Pointer};
use portico_provider_web::{Budget, Pages, Request, WebClient};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Reads a collection as a kind would: page by page, by next links, rows into Arrow.
async fn ids(client: &WebClient, pages: &mut Pages, context: &QueryContext) -> Result<Vec<i64>, SourceError> {
    let place = |text: &str| Pointer::parse(text).unwrap();
    let shape =
        PageShape::new(place("/value"), vec![JsonColumn::scalar("id", ScalarType::Int64)], vec![place("/@odata.nextLink")]).unwrap();
    let mut ids = Vec::new();
    let mut request = Request::get(client.address().segment("Orders").unwrap());
    loop {
        let page = client.fetch(&request, context).await?;
        let malformed = |error: portico_provider_web::json::JsonError| error.into_source_error(client.reporter());
        let mut reader = PageReader::new(&shape);
        reader.push(&page.bytes).map_err(malformed)?;
        let (batches, end) = reader.finish().map_err(malformed)?;
        for batch in batches {
            ids.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
        }
        let Some(next) = end.others[0].as_ref().and_then(Json::text) else { return Ok(ids) };
        pages.follow(end.rows, next).map_err(|endless| client.reporter().error(SourceErrorKind::Malformed, endless.to_string()))?;
        request = Request::get(client.link(&page.url, next)?);
    }
}

fn rows(count: usize) -> Vec<String> {
    (0..count).map(|id| format!(r#"{{"id":{id},"text":"row {id}"}}"#)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_come_once_each_through_429_and_resets() {
    let paged = Paged::new(rows(10_000), 25);
    let faults = Faults {
        throttle_every: Some(7),
        retry_after: Some("0".to_owned()),
        reset_connection_every: Some(50),
        close_after: Some(3),
        ..Faults::default()
    };
    let server = Server::start(move |request| paged.answer(request), faults).await;
    let (rate, burst) = (200.0, 10);
    let client = client_of(&config(&server)).paced(Arc::new(Budget::new(4, Some(rate), burst)));
    let read = ids(&client, &mut Pages::new(1_000, 10), &patient()).await.unwrap();
    assert_eq!(read, (0..10_000).collect::<Vec<i64>>());
    let log = server.log();
    // 400 pages, every seventh request in vain, and connections that were reset.
    assert!(log.len() > 400 + 400 / 7, "{}", log.len());
    assert!(server.connections() >= 100, "{}", server.connections());
    // However busy the machine: never more in any span than the budget gives, with one more for where the span begins.
    for (index, first) in log.iter().enumerate() {
        for last in log.iter().skip(index + 50).step_by(50).take(3) {
            let span = (last.at - first.at).as_secs_f64() + 0.05;
            let most = (span * rate).ceil() as u64 + u64::from(burst) + 1;
            assert!(last.number - first.number <= most, "{} requests in {span} s", last.number - first.number);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_under_way_than_the_budget_gives() {
    let server = Server::start(|_| Answer::json(r#"{"value":[]}"#).delayed(Duration::from_millis(20)), Faults::default()).await;
    let client = Arc::new(client_of(&config(&server)).paced(Arc::new(Budget::new(3, None, 1))));
    let tasks: Vec<_> = (0..24)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { ids(&client, &mut Pages::new(10, 10), &patient()).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().unwrap().is_empty());
    }
    assert_eq!((server.log().len(), server.most_under_way()), (24, 3));
}

#[tokio::test]
async fn pages_without_an_end_are_found() {
    type Next = fn(u64) -> String;
    let circle: Next = |number| format!("Orders?p={}", number % 3);
    let endless: Next = |number| format!("Orders?p={number}");
    for (next, rows, said) in [
        (circle, r#"{"id":1}"#, "leads to a page that was read before"),
        (endless, r#"{"id":1}"#, "more than 40 pages"),
        (endless, "", "5 pages in a row are empty"),
    ] {
        let script = move |request: &portico_provider_testkit::http::Request| {
            Answer::json(format!(r#"{{"value":[{rows}],"@odata.nextLink":"{}"}}"#, next(request.number)))
        };
        let server = Server::start(script, Faults::default()).await;
        let client = client_of(&settings(json!({"url": server.url()})));
        let error = ids(&client, &mut Pages::new(40, 5), &patient()).await.unwrap_err();
        assert!(error.kind == SourceErrorKind::Malformed && error.message.contains(said), "{error}");
    }
}
