//! Exchanges are recorded without what is secret, and replayed without a server.

use super::setting::{connect, get, patient, settings, text};
use portico_provider_testkit::http::{Answer, Faults, Server, Tokens};
use portico_provider_web::config::HttpConfig;
use portico_provider_web::record::{Recorder, Replayer};
use portico_provider_web::tls;
use portico_provider_web::transport::{Network, Transport};
use portico_provider_web::{Url, WebClient, WebConfig};
use serde_json::json;
use std::sync::Arc;

fn over(transport: Arc<dyn Transport>, config: &WebConfig) -> WebClient {
    WebClient::over(transport, config, &connect()).unwrap()
}

fn network() -> Arc<dyn Transport> {
    let tls = tls::client_config(&portico_provider_web::config::TlsConfig::default(), std::path::Path::new(".")).unwrap();
    Arc::new(Network::new(&HttpConfig::default(), tls, 4).unwrap())
}

#[tokio::test]
async fn what_was_recorded_is_replayed_without_secrets() {
    let script = |request: &portico_provider_testkit::http::Request| {
        let origin = format!("http://{}", request.header("host").unwrap());
        let next = format!(r#"{{"value":[12345678901234567890.10],"by":"hush-hush","next":"{origin}/api/x?p=2"}}"#);
        match request.path.as_str() {
            "/api/bytes" => Answer::of("application/octet-stream", vec![0xff, 0xfe]),
            "/api/missing" => Answer::json(r#"{"message":"no"}"#).with_status(404),
            _ => Answer::json(next).gzip().header("x-internal", "hush-hush").header("etag", "\"1\"").header("set-cookie", "sid=hush"),
        }
    };
    let server = Server::start(script, Faults { tokens: Some(Tokens::new("/token", "client_secret=")), ..Faults::default() }).await;
    let config = |url: &str, secret: &str| {
        settings(json!({"url": format!("{url}/api"), "headers": {"X-Key": secret}, "auth": {"oauth2":
            {"token_url": format!("{url}/token"), "client_id": "id", "client_secret": secret, "client_authentication": "body"}}}))
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("exchanges.json");
    let base = Url::parse(&server.url()).unwrap();
    let recorder = Arc::new(Recorder::new(network(), &base, &["hush-hush"]));
    let live = over(recorder.clone(), &config(&server.url(), "hush-hush"));
    let asked = async |client: &WebClient| {
        let page = text(client, "x", &patient()).await.unwrap();
        let bytes = client.fetch(&get(client, "bytes"), &patient()).await.unwrap().bytes;
        (page, bytes, text(client, "missing", &patient()).await.unwrap_err().message)
    };
    let (page, bytes, message) = asked(&live).await;
    assert!(page.contains("hush-hush") && page.contains(&server.url()));
    recorder.save(&file).unwrap();

    let written = std::fs::read_to_string(&file).unwrap();
    for secret in ["hush", "token-1", &server.address().to_string(), "grant_type"] {
        assert!(!written.contains(secret), "{secret} in {written}");
    }
    assert!(written.contains("GET {source}/api/x") && written.contains("12345678901234567890.10") && written.contains("etag"), "{written}");

    let elsewhere = Url::parse("https://erp.example.com").unwrap();
    let replayer = Arc::new(Replayer::load(&file, &elsewhere, &["other"]).unwrap());
    let replayed = over(replayer.clone(), &config("https://erp.example.com", "other"));
    let (again, same_bytes, same_message) = asked(&replayed).await;
    assert_eq!(
        (&again, same_bytes, same_message),
        (&page.replace("hush-hush", "…").replace(&server.url(), "https://erp.example.com"), bytes, message)
    );
    assert!(replayer.left().is_empty());
    let error = text(&replayed, "x", &patient()).await.unwrap_err();
    assert!(error.message.contains("the recording has no answer to GET {source}/api/x"), "{error}");
}

#[tokio::test]
async fn a_key_in_the_url_is_not_recorded() {
    let server = Server::start(|_| Answer::json("1"), Faults::default()).await;
    let config = settings(json!({"url": server.url(), "auth": {"api_key": {"query": "key", "key": "a b+c"}}}));
    let recorder = Arc::new(Recorder::new(network(), &Url::parse(&server.url()).unwrap(), &["a b+c"]));
    text(&over(recorder.clone(), &config), "x", &patient()).await.unwrap();
    assert_eq!(server.log()[0].raw_query, "key=a+b%2Bc");
    assert_eq!(recorder.exchanges()[0].request, "GET {source}/x?key=…");
}
