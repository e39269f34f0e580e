//! What is asked again, when, and when not; deadlines; failures by kind.

use super::setting::{client, client_of, config, get, patient, text, within};
use portico_provider_api::{ConstraintKind, Effect, Retry, SourceErrorKind};
use portico_provider_testkit::http::{Answer, End, Faults, Server};
use portico_provider_web::{Budget, Method, Request, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn write(client: &portico_provider_web::WebClient) -> Request {
    Request::new(Method::POST, client.address().path("x").unwrap()).json("{}")
}

#[tokio::test]
async fn reads_are_repeated_until_they_succeed() {
    for status in [408, 429, 502, 503, 504] {
        let failing = move |request: &portico_provider_testkit::http::Request| {
            if request.number < 3 { Answer::status(status) } else { Answer::json("1") }
        };
        let server = Server::start(failing, Faults::default()).await;
        assert_eq!(text(&client(&server), "x", &patient()).await.unwrap(), "1", "{status}");
        assert_eq!(server.log().len(), 3);
    }
    let server = Server::start(|request| if request.number < 3 { Answer::reset() } else { Answer::json("1") }, Faults::default()).await;
    assert_eq!(text(&client(&server), "x", &patient()).await.unwrap(), "1");
    let cut = |request: &portico_provider_testkit::http::Request| {
        if request.number < 3 { Answer::json("[1,2,3]").ending(End::Truncated(3)) } else { Answer::json("[1,2,3]") }
    };
    let server = Server::start(cut, Faults::default()).await;
    assert_eq!(text(&client(&server), "x", &patient()).await.unwrap(), "[1,2,3]", "a page that breaks off is asked for again");
    assert_eq!(server.log().len(), 3);
}

#[tokio::test]
async fn an_end_is_put_to_repetition() {
    let server = Server::start(|_| Answer::status(503), Faults::default()).await;
    let mut config = config(&server);
    config.http.retries = 2;
    let error = text(&client_of(&config), "x", &patient()).await.unwrap_err();
    assert_eq!((error.kind, server.log().len()), (SourceErrorKind::Unavailable, 3));
    for status in [400, 401, 403, 404, 409, 412, 500, 501] {
        let server = Server::start(move |_| Answer::status(status), Faults::default()).await;
        let error = text(&client(&server), "x", &patient()).await.unwrap_err();
        assert_eq!((error.native_code().map(str::to_owned), server.log().len()), (Some(status.to_string()), 1));
    }
}

#[tokio::test]
async fn writes_are_not_repeated_unless_marked() {
    for answer in [Answer::status(503), Answer::status(429), Answer::reset()] {
        let first = answer.clone();
        let server =
            Server::start(move |request| if request.number == 1 { first.clone() } else { Answer::json("1") }, Faults::default()).await;
        let client = client(&server);
        let error = client.fetch(&write(&client), &patient()).await.unwrap_err();
        assert_eq!(server.log().len(), 1, "{error}");
        let lost = answer.end == End::Reset;
        assert_eq!(lost, error.retry == Retry::Never, "{error}");
        assert_eq!(lost, error.message.contains("whether the change was made is not known"), "{error}");
        let server =
            Server::start(move |request| if request.number == 1 { answer.clone() } else { Answer::json("1") }, Faults::default()).await;
        let client = super::setting::client(&server);
        client.fetch(&write(&client).repeatable(), &patient()).await.unwrap();
        assert_eq!(server.log().len(), 2);
    }
}

/// A search whose conditions stand in its body is a read, whatever its method.
#[tokio::test]
async fn reads_by_other_methods_are_reads() {
    let failing = |request: &portico_provider_testkit::http::Request| if request.number < 3 { Answer::reset() } else { Answer::json("1") };
    let server = Server::start(failing, Faults::default()).await;
    let client = client(&server);
    client.fetch(&write(&client).reading(), &patient()).await.unwrap();
    assert_eq!(server.log().len(), 3);
    let server = Server::start(|_| Answer::reset(), Faults::default()).await;
    let client = super::setting::client(&server);
    let error = client.fetch(&write(&client).reading(), &within(Duration::from_secs(2))).await.unwrap_err();
    assert!(!error.message.contains("the change"), "{error}");
    let server = Server::start(|_| Answer::status(400), Faults::default()).await;
    let client = super::setting::client(&server);
    assert_eq!(client.fetch(&write(&client).reading(), &patient()).await.unwrap_err().kind, SourceErrorKind::Unsupported);
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    let soon = |request: &portico_provider_testkit::http::Request| match request.number {
        1 => Answer::status(429).header("retry-after", "1"),
        _ => Answer::json("1"),
    };
    let server = Server::start(soon, Faults::default()).await;
    let client = Arc::new(client(&server));
    let begun = Instant::now();
    text(&client, "x", &patient()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));

    // A time instead of seconds; and everybody else waits, too.
    let at = |request: &portico_provider_testkit::http::Request| match request.number {
        1 => Answer::status(503).header("retry-after", httpdate_in(2)),
        _ => Answer::json("1"),
    };
    let server = Server::start(at, Faults::default()).await;
    let client = Arc::new(super::setting::client(&server));
    let first = tokio::spawn({
        let client = Arc::clone(&client);
        async move { text(&client, "x", &patient()).await }
    });
    while server.log().is_empty() || server.under_way() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = text(&client, "y", &patient()).await;
    assert_eq!((first.await.unwrap().unwrap(), second.unwrap()), ("1".to_owned(), "1".to_owned()));
    let log = server.log();
    // A date has whole seconds: one of the two may be cut off.
    assert!(log.len() == 3 && log[1].at - log[0].at >= Duration::from_millis(950), "{:?}", log[1].at - log[0].at);

    // Later than the deadline: the answer says when, and whoever comes next is told without the server being asked.
    let server = Server::start(|_| Answer::status(429).header("retry-after", "30"), Faults::default()).await;
    let client = super::setting::client(&server);
    let error = text(&client, "x", &within(Duration::from_secs(5))).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (SourceErrorKind::Throttled, Retry::After(Some(Duration::from_secs(30)))));
    let error = text(&client, "x", &within(Duration::from_secs(5))).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Throttled && matches!(error.retry, Retry::After(Some(_))), "{error}");
    assert_eq!(server.log().len(), 1);
}

fn httpdate_in(seconds: u64) -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(seconds))
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let server = Server::start(|_| Answer::json("1"), Faults::default()).await;
    let client = client(&server);
    for request in [get(&client, "x"), write(&client)] {
        let error = client.fetch(&request, &within(Duration::ZERO)).await.unwrap_err();
        assert_eq!((error.kind, error.effect), (SourceErrorKind::Timeout, Effect::None));
    }
    assert_eq!(server.log().len(), 0);
}

#[tokio::test]
async fn deadlines_hold_at_every_step() {
    let slow = Server::start(|_| Answer::json("1").delayed(Duration::from_secs(30)), Faults::default()).await;
    let error = text(&client(&slow), "x", &within(Duration::from_millis(300))).await.unwrap_err();
    assert_eq!((error.kind.clone(), error.message.contains("deadline")), (SourceErrorKind::Timeout, true), "{error}");
    let client = client(&slow);
    let error = client.fetch(&write(&client), &within(Duration::from_millis(300))).await.unwrap_err();
    assert!(error.retry == Retry::Never && error.message.contains("is not known"), "{error}");

    let silent = Server::start(|_| Answer::json("[1,").ending(End::Silence), Faults::default()).await;
    let error = text(&super::setting::client(&silent), "x", &within(Duration::from_millis(300))).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (SourceErrorKind::Timeout, "the answer was not complete before the deadline"));

    // Nobody gets a turn while another one has it.
    let held = super::setting::client(&silent).paced(Arc::new(Budget::new(1, None, 1)));
    let response = held.send(&get(&held, "x"), &patient()).await.unwrap();
    let error = text(&held, "y", &within(Duration::from_millis(200))).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Timeout && error.message.contains("no turn"), "{error}");
    drop(response);
    let error = text(&held, "y", &within(Duration::from_millis(300))).await.unwrap_err();
    assert!(error.message.contains("not complete"), "a body that is dropped gives its turn back: {error}");
}

#[tokio::test]
async fn a_dropped_request_ends_at_the_server() {
    let silent = Server::start(|_| Answer::json("[1,").ending(End::Silence), Faults::default()).await;
    let client = client(&silent);
    let mut response = client.send(&get(&client, "x"), &patient()).await.unwrap();
    assert_eq!(response.next().await.unwrap().as_deref(), Some(&b"[1,"[..]));
    assert_eq!(silent.under_way(), 1);
    drop(response);
    while silent.under_way() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn failures_are_told_with_the_server_s_words() {
    let script = |request: &portico_provider_testkit::http::Request| match request.path.as_str() {
        "/api/odata" => Answer::json(r#"{"error":{"code":"1","message":"Property 'x' is unknown"}}"#).with_status(400),
        "/api/page" => Answer::html("<html><body>stack of hush-hush</body></html>").with_status(502),
        "/api/row" => Answer::json(r#"{"found":false}"#).with_status(404),
        _ => Answer::json(format!(r#"{{"detail":"bad key {}"}}"#, request.header("x-api-key").unwrap_or_default())).with_status(422),
    };
    let server = Server::start(script, Faults::default()).await;
    let mut config = config(&server);
    config.auth = super::setting::settings(serde_json::json!({"url": "http://h", "auth": {"api_key": {"key": "hush-hush"}}})).auth;
    config.http.retries = 0;
    let client = client_of(&config);
    let error = text(&client, "odata", &patient()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (SourceErrorKind::Unsupported, "the server refused the request (400): Property 'x' is unknown")
    );
    let error = text(&client, "page", &patient()).await.unwrap_err();
    assert_eq!(error.message, "the server is not available (502): with a web page, which is left out");
    let error = client.fetch(&write(&client), &patient()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: Vec::new() });
    assert_eq!(error.message, "the server refused the change (422): bad key …");
    // A kind that asks for one row takes its absence for an answer.
    let page = client.fetch(&get(&client, "row").accepting(StatusCode::NOT_FOUND), &patient()).await.unwrap();
    assert_eq!((page.status.as_u16(), &page.bytes[..]), (404, &br#"{"found":false}"#[..]));
}
