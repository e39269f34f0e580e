//! Sessions: cookies, and tokens against forged requests in the way of SAP.

use super::setting::{client_of, patient, settings, text};
use portico_provider_api::{Caller, CallerToken, QueryContext, SourceErrorKind};
use portico_provider_testkit::http::{Answer, Csrf, Faults, Server};
use portico_provider_web::{Method, Request, WebClient};
use serde_json::json;
use std::sync::Arc;

async fn guarded(csrf: Csrf) -> Server {
    Server::start(|_| Answer::json("1"), Faults { csrf: Some(csrf), ..Faults::default() }).await
}

async fn change(client: &WebClient, context: &QueryContext) -> Result<(), portico_provider_api::SourceError> {
    let request = Request::new(Method::PATCH, client.address().path("Orders").unwrap()).json("{}");
    client.fetch(&request, context).await.map(|_| ())
}

fn client(server: &Server) -> WebClient {
    client_of(&settings(json!({"url": format!("{}/api", server.url()), "csrf": {"path": "start"}})))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_once_for_many_changes() {
    let server = guarded(Csrf::default()).await;
    let client = Arc::new(client(&server));
    text(&client, "x", &patient()).await.unwrap();
    assert_eq!(server.log().len(), 1, "a read needs none");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { change(&client, &patient()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let log = server.log();
    let fetched: Vec<_> = log.iter().filter(|request| request.header("x-csrf-token") == Some("Fetch")).collect();
    assert_eq!((fetched.len(), fetched[0].path.as_str(), log.len()), (1, "/api/start", 10));
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_is_fetched_anew() {
    let server = guarded(Csrf::good_for(3)).await;
    let client = client(&server);
    for _ in 0..10 {
        change(&client, &patient()).await.unwrap();
    }
    // 3 changes of each session; then one is rejected, and made again with a new token.
    assert_eq!(server.faults().csrf.as_ref().unwrap().sessions(), 4);
    let rejected = Server::start(
        |request| match request.method.as_str() {
            "GET" => Answer::json("1").header("x-csrf-token", "t"),
            _ => Answer::of("text/plain", "CSRF token validation failed").with_status(403).header("x-csrf-token", "Required"),
        },
        Faults::default(),
    )
    .await;
    let error = change(&super::sessions::client(&rejected), &patient()).await.unwrap_err();
    assert_eq!((error.kind, rejected.log().len()), (SourceErrorKind::Credentials, 4));
    let none = Server::start(|_| Answer::json("1"), Faults::default()).await;
    assert!(change(&super::sessions::client(&none), &patient()).await.unwrap_err().message.contains("'csrf.path'"));
}

#[tokio::test]
async fn cookies_are_kept_for_who_they_were_given_to() {
    let script = |request: &portico_provider_testkit::http::Request| {
        let who = request.header("authorization").unwrap_or("nobody").replace("Bearer ", "");
        Answer::json(format!("\"{}\"", request.header("cookie").unwrap_or_default())).header("set-cookie", format!("sid={who}; Path=/"))
    };
    let server = Server::start(script, Faults::default()).await;
    let url = format!("{}/api", server.url());
    let plain = client_of(&settings(json!({"url": url})));
    let kept = client_of(&settings(json!({"url": url, "http": {"cookies": true}})));
    for (client, second) in [(&plain, "\"\""), (&kept, "\"sid=nobody\"")] {
        assert_eq!(text(client, "x", &patient()).await.unwrap(), "\"\"");
        assert_eq!(text(client, "x", &patient()).await.unwrap(), second);
    }
    let passed = client_of(&settings(json!({"url": url, "auth": {"caller": "bearer"}, "http": {"cookies": true}})));
    let caller = |token: &str| QueryContext { caller: Caller::Token(CallerToken::new(token)), ..patient() };
    for (who, cookie) in [("ann", "\"\""), ("bob", "\"\""), ("ann", "\"sid=ann\""), ("bob", "\"sid=bob\"")] {
        assert_eq!(text(&passed, "x", &caller(who)).await.unwrap(), cookie);
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_begun_anew() {
    let script = |request: &portico_provider_testkit::http::Request| match (request.header("cookie"), request.number) {
        (Some(_), 3) => Answer::status(401),
        (None, _) => Answer::json("\"new\"").header("set-cookie", "sid=1; Path=/"),
        (Some(_), _) => Answer::json("\"known\""),
    };
    let server = Server::start(script, Faults::default()).await;
    let client = client_of(&settings(json!({"url": server.url(), "http": {"cookies": true}})));
    for expected in ["\"new\"", "\"known\"", "\"new\"", "\"known\""] {
        assert_eq!(text(&client, "x", &patient()).await.unwrap(), expected);
    }
    assert_eq!(server.log().len(), 5);
}
