//! Who asks: keys, passwords, tokens that stay and tokens that are renewed, and the caller's own.

use super::setting::{client_of, connect, patient, settings, text};
use portico_provider_api::{Caller, CallerToken, QueryContext, SourceErrorKind};
use portico_provider_testkit::http::{Answer, Faults, Server, Tokens};
use portico_provider_web::{WebClient, WebConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn echo(faults: Faults) -> Server {
    Server::start(|_| Answer::json("1"), faults).await
}

fn with(server: &Server, auth: Value) -> WebConfig {
    settings(json!({"url": format!("{}/api", server.url()), "auth": auth}))
}

#[tokio::test]
async fn what_does_not_change_is_sent_with_each_request() {
    for (auth, header, value, query) in [
        (json!({"basic": {"user": "ann", "password": "pä:ss"}}), "authorization", "Basic YW5uOnDDpDpzcw==", ""),
        (json!({"bearer": "tok"}), "authorization", "Bearer tok", ""),
        (json!({"api_key": {"key": "k1"}}), "x-api-key", "k1", ""),
        (json!({"api_key": {"key": "k1", "header": "Ocp-Apim-Subscription-Key"}}), "ocp-apim-subscription-key", "k1", ""),
        (json!({"api_key": {"key": "k&1", "query": "api_key"}}), "host", "", "api_key=k%261"),
    ] {
        let server = echo(Faults::default()).await;
        text(&client_of(&with(&server, auth)), "x", &patient()).await.unwrap();
        let seen = &server.log()[0];
        assert_eq!(seen.raw_query, query);
        if !value.is_empty() {
            assert_eq!(seen.header(header), Some(value));
        }
    }
}

#[tokio::test]
async fn a_key_that_a_link_holds_already_is_sent_once() {
    let server = echo(Faults::default()).await;
    let client = client_of(&with(&server, json!({"api_key": {"key": "k 1", "query": "key"}})));
    let page = client.fetch(&super::setting::get(&client, "x"), &patient()).await.unwrap();
    for link in ["x?page=2&key=k%201&a=b", "x?key=old"] {
        let address = client.link(&page.url, link).unwrap();
        assert!(!address.shown().0.contains("k%201"));
        client.fetch(&portico_provider_web::Request::get(address), &patient()).await.unwrap();
    }
    let queries: Vec<String> = server.log().into_iter().map(|request| request.raw_query).collect();
    assert_eq!(queries, ["key=k+1", "page=2&a=b&key=k+1", "key=k+1"]);
    assert!(!page.url.as_str().contains("key"));
}

#[tokio::test]
async fn what_a_server_repeats_of_a_password_is_not_told() {
    let script = |request: &portico_provider_testkit::http::Request| {
        let shown = request.header("authorization").unwrap();
        Answer::json(format!(r#"{{"message":"{shown} of ann / hunter-2 is wrong"}}"#)).with_status(403)
    };
    let server = Server::start(script, Faults::default()).await;
    let client = client_of(&with(&server, json!({"basic": {"user": "ann", "password": "hunter-2"}})));
    let error = text(&client, "x", &patient()).await.unwrap_err();
    assert_eq!(error.message, "the credentials lack a right at the server (403): Basic … of ann / … is wrong");
}

#[tokio::test]
async fn the_caller_s_token_is_passed_on_and_no_other() {
    let server = echo(Faults::default()).await;
    let client = client_of(&with(&server, json!({"caller": "bearer"})));
    let as_caller = |token: &str| QueryContext { caller: Caller::Token(CallerToken::new(token)), ..patient() };
    text(&client, "x", &as_caller("ann")).await.unwrap();
    text(&client, "x", &as_caller("bob")).await.unwrap();
    let error = text(&client, "x", &patient()).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Credentials && error.message.contains("the caller showed none"), "{error}");
    assert_eq!(text(&client, "x", &as_caller("a\nb")).await.unwrap_err().kind, SourceErrorKind::Credentials);
    let shown: Vec<String> = server.log().iter().map(|request| request.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(shown, ["Bearer ann", "Bearer bob"]);
    // Nor is it repeated when the server does.
    let server = Server::start(
        |request| Answer::json(format!(r#"{{"message":"{} is no good"}}"#, request.header("authorization").unwrap())).with_status(401),
        Faults::default(),
    )
    .await;
    let client = client_of(&with(&server, json!({"caller": "bearer"})));
    let error = text(&client, "x", &as_caller("hunter2")).await.unwrap_err();
    assert_eq!(error.message, "the server rejected the credentials (401): Bearer … is no good");
}

#[tokio::test]
async fn what_the_gateway_shows_for_itself_is_shown_for_no_caller() {
    let server = echo(Faults::default()).await;
    let client = client_of(&with(&server, json!({"caller": "bearer", "basic": {"user": "portico", "password": "own"}})));
    assert!(client.asks_as_caller());
    let named = |caller: Caller| QueryContext { caller, ..patient() };
    text(&client, "x", &named(Caller::Gateway)).await.unwrap();
    text(&client, "x", &named(Caller::Token(CallerToken::new("ann")))).await.unwrap();
    let error = text(&client, "x", &named(Caller::WithoutToken)).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Credentials);
    let shown: Vec<String> = server.log().iter().map(|request| request.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(shown, ["Basic cG9ydGljbzpvd24=", "Bearer ann"]);
    // Without anything of its own it shows nothing.
    let client = client_of(&with(&server, json!({"caller": "bearer"})));
    text(&client, "x", &named(Caller::Gateway)).await.unwrap();
    assert_eq!(server.log().last().and_then(|request| request.header("authorization").map(str::to_owned)), None);
    assert!(!client_of(&with(&server, json!({"bearer": "t"}))).asks_as_caller());
}

fn oauth(server: &Server, more: Value) -> WebConfig {
    let mut oauth2 = json!({"token_url": format!("{}/token", server.url()), "client_id": "id", "client_secret": "se cret"});
    oauth2.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with(server, json!({"oauth2": oauth2}))
}

/// `id:se%20cret` in base64.
const CLIENT: &str = "Basic aWQ6c2UlMjBjcmV0";

async fn issuing(change: impl FnOnce(&mut Tokens)) -> Server {
    let mut tokens = Tokens::new("/token", CLIENT);
    change(&mut tokens);
    let script = |_: &_| Answer::json("1").delayed(Duration::from_millis(5));
    Server::start(script, Faults { tokens: Some(tokens), ..Faults::default() }).await
}

fn issued(server: &Server) -> u64 {
    server.faults().tokens.as_ref().unwrap().issued()
}

async fn crowd(client: &Arc<WebClient>, callers: usize, requests: usize) {
    let ask = |client: Arc<WebClient>| async move {
        for _ in 0..requests {
            text(&client, "x", &patient()).await.unwrap();
        }
    };
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(ask(Arc::clone(client)))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_callers_fetches_a_token() {
    let server = issuing(|_| {}).await;
    let client = Arc::new(client_of(&oauth(&server, json!({"scopes": ["a", "b"], "parameters": {"audience": "x y"}}))));
    crowd(&client, 16, 5).await;
    assert_eq!(issued(&server), 1);
    let asked = server.log().into_iter().find(|request| request.path == "/token").unwrap();
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.body, "grant_type=client_credentials&scope=a+b&audience=x+y");
}

/// The token is good for some requests only: whoever is rejected asks again, once, with a new one, which one caller fetches.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_midway_is_renewed_once_by_one_of_sixteen() {
    let server = issuing(|_| {}).await;
    let client = Arc::new(client_of(&oauth(&server, json!({}))));
    crowd(&client, 16, 2).await;
    assert_eq!(issued(&server), 1);
    server.faults().tokens.as_ref().unwrap().revoke();
    crowd(&client, 16, 2).await;
    assert_eq!(issued(&server), 2);
    let log = server.log();
    let (tokens, rows) =
        (log.iter().filter(|request| request.path == "/token").count(), log.iter().filter(|request| request.path == "/api/x").count());
    assert_eq!(tokens, 2);
    // Each of the sixteen was rejected at most once, and every request was answered in the end.
    assert!((65..=64 + 16).contains(&rows), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_expires() {
    let server = issuing(|tokens| {
        tokens.expires_in = Some(2);
        tokens.life = Some(Duration::from_secs(2));
    })
    .await;
    let client = Arc::new(client_of(&oauth(&server, json!({"renew_before": "10s"}))));
    let until = std::time::Instant::now() + Duration::from_millis(4_500);
    while std::time::Instant::now() < until {
        crowd(&client, 4, 2).await;
    }
    let rejected = server.log().len() as u64 - issued(&server);
    let asked = server.log().iter().filter(|request| request.path == "/api/x").count() as u64;
    // It is good for 2 s and renewed after 1.6: none was ever rejected.
    assert_eq!(rejected, asked);
    assert!((3..=4).contains(&issued(&server)), "{}", issued(&server));
}

#[tokio::test]
async fn what_stays_rejected_is_told_after_one_renewal() {
    let server = issuing(|tokens| tokens.good_for = Some(0)).await;
    let error = text(&client_of(&oauth(&server, json!({}))), "x", &patient()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Credentials);
    assert_eq!(error.message, "the server rejected the credentials (401): the token is not good");
    assert_eq!((issued(&server), server.log().len()), (2, 4));
}

#[tokio::test]
async fn a_refresh_token_is_used_and_replaced() {
    let mut tokens = Tokens::new("/token", "refresh_token=");
    tokens.rotates = true;
    tokens.good_for = Some(2);
    let server = Server::start(|_| Answer::json("1"), Faults { tokens: Some(tokens), ..Faults::default() }).await;
    let config = oauth(&server, json!({"client_secret": null, "refresh_token": "first"}));
    let client = client_of(&config);
    for _ in 0..6 {
        text(&client, "x", &patient()).await.unwrap();
    }
    let asked: Vec<String> = server
        .log()
        .iter()
        .filter(|request| request.path == "/token")
        .map(|request| String::from_utf8(request.body.to_vec()).unwrap())
        .collect();
    assert_eq!(asked[0], "grant_type=refresh_token&refresh_token=first&client_id=id");
    assert_eq!(asked[1], "grant_type=refresh_token&refresh_token=refresh-1&client_id=id");
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn rejected_client_credentials_are_told_and_not_insisted_on() {
    let server = issuing(|tokens| tokens.credentials = "Basic other".to_owned()).await;
    let client = client_of(&oauth(&server, json!({})));
    for _ in 0..3 {
        let error = text(&client, "x", &patient()).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Credentials);
        assert_eq!(error.message, "the server of tokens rejected the credentials (401): who are you?");
    }
    assert_eq!(server.log().len(), 1, "a refusal is believed for a while");
    // In the body, for servers that want it there.
    let mut tokens = Tokens::new("/token", "client_id=id&client_secret=se+cret");
    tokens.expires_in = Some(3600);
    let server = Server::start(|_| Answer::json("1"), Faults { tokens: Some(tokens), ..Faults::default() }).await;
    text(&client_of(&oauth(&server, json!({"client_authentication": "body"}))), "x", &patient()).await.unwrap();
}

#[tokio::test]
async fn a_server_of_tokens_that_fails_is_named() {
    let script = |request: &portico_provider_testkit::http::Request| match request.number {
        1 => Answer::status(503),
        2 => Answer::json(r#"{"access_token":"t","token_type":"bearer","expires_in":"60"}"#),
        _ => Answer::json("1"),
    };
    let server = Server::start(script, Faults::default()).await;
    assert_eq!(text(&client_of(&oauth(&server, json!({}))), "x", &patient()).await.unwrap(), "1", "it is asked again");
    for (answer, kind, said) in [
        (Answer::html("<html>log in</html>"), SourceErrorKind::Malformed, "did not answer with a token"),
        (Answer::json(r#"{"access_token":"t","token_type":"mac"}"#), SourceErrorKind::Malformed, "not a bearer token"),
        (Answer::status(500), SourceErrorKind::Internal, "the server of tokens: the server failed (500)"),
    ] {
        let server = Server::start(move |_| answer.clone(), Faults::default()).await;
        let error = text(&client_of(&oauth(&server, json!({}))), "x", &patient()).await.unwrap_err();
        assert!(error.kind == kind && error.message.contains(said), "{error}");
    }
}

#[test]
fn settings_that_cannot_be_sent_are_refused_without_their_secrets() {
    for (auth, said) in [
        (json!({"bearer": "hunter2\n"}), "'auth.bearer'"),
        (json!({"basic": {"user": "a:b", "password": "hunter2"}}), "'auth.basic.user'"),
        (json!({"api_key": {"header": "a b", "key": "hunter2"}}), "'auth.api_key.header'"),
        (json!({"oauth2": {"token_url": "hunter2", "client_id": "a"}}), "'auth.oauth2.token_url'"),
        (json!({"oauth2": {"token_url": "http://h/", "client_id": "a"}}), "must begin with https://"),
    ] {
        let error = WebClient::new(&settings(json!({"url": "https://h/", "auth": auth})), &connect()).unwrap_err();
        assert!(error.message.contains(said) && !error.message.contains("hunter2"), "{error}");
    }
}
