//! URLs, headers, connections, redirects, encryption.

use super::setting::{client, client_of, config, get, patient, secret, settings, text, within};
use portico_provider_api::{Retry, SourceErrorKind};
use portico_provider_testkit::http::{Answer, Faults, Server};
use portico_provider_web::header::{ACCEPT, HeaderName, HeaderValue};
use portico_provider_web::{Method, Request, WebClient};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test]
async fn a_request_travels_as_it_was_written() {
    let server = Server::start(|request| Answer::json(format!("\"{}\"", request.number)), Faults::default()).await;
    let mut config = config(&server);
    config.url.push_str("?sap-client=100");
    config.headers.insert("X-Tenant".to_owned(), secret("blue"));
    let client = client_of(&config);
    let address = client.address().segment("Orders('a/b')").unwrap().query("$select", "id").unwrap().parameter("id", "7 8").unwrap();
    let noted = Arc::new(Mutex::new(Vec::new()));
    let mut context = patient();
    let notes = Arc::clone(&noted);
    context.observer = Some(Arc::new(move |request| notes.lock().unwrap().push(request.clone())));
    let request = Request::new(Method::POST, address)
        .json("{\"a\":1}")
        .header(HeaderName::from_static("if-match"), HeaderValue::from_static("*"))
        .header(ACCEPT, HeaderValue::from_static("application/json;odata.metadata=none"));
    let page = client.fetch(&request, &context).await.unwrap();
    assert_eq!((page.status.as_u16(), &page.bytes[..]), (200, &b"\"1\""[..]));
    let seen = &server.log()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/api/Orders('a%2Fb')"));
    assert_eq!((seen.raw_query.as_str(), &seen.body[..]), ("sap-client=100&$select=id&id=7%208", &b"{\"a\":1}"[..]));
    for (name, value) in [
        ("x-tenant", "blue"),
        ("if-match", "*"),
        ("accept", "application/json;odata.metadata=none"),
        ("accept-encoding", "gzip, br, deflate"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let noted = noted.lock().unwrap();
    assert_eq!((noted[0].text.as_str(), noted[0].parameters), ("POST /api/Orders('a%2Fb')?sap-client=…&$select=id&id=?", 1));
    assert_eq!((noted.len(), noted[0].language.as_str()), (1, "http"));
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_| Answer::json("[]"), Faults::default()).await;
    let client = client(&server);
    for _ in 0..50 {
        text(&client, "x", &patient()).await.unwrap();
    }
    assert_eq!((server.log().len(), server.connections()), (50, 1));
}

#[tokio::test]
async fn redirects_are_followed_within_the_host_only() {
    let elsewhere = Server::start(|_| Answer::json("\"elsewhere\""), Faults::default()).await;
    let place = elsewhere.url();
    let server = Server::start(
        move |request| match request.path.as_str() {
            "/api/old" => Answer::status(302).header("location", "/api/new?x=1"),
            "/api/new" => Answer::json("\"new\""),
            "/api/away" => Answer::status(307).header("location", format!("{place}/login?token=hunter2")),
            "/api/circle" => Answer::status(301).header("location", "circle"),
            "/api/kept" => Answer::status(308).header("location", "taken"),
            "/api/taken" => Answer::json(request.body.clone()),
            _ => Answer::status(303).header("location", "/api/new"),
        },
        Faults::default(),
    )
    .await;
    let mut config = config(&server);
    config.auth = settings(json!({"url": "http://h", "auth": {"bearer": "hush-hush"}})).auth;
    let client = client_of(&config);
    assert_eq!(text(&client, "old", &patient()).await.unwrap(), "\"new\"");
    let error = text(&client, "away", &patient()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    let host = elsewhere.address().to_string();
    assert!(error.message.contains(&host) && error.message.contains("http.hosts") && !error.message.contains("hunter2"), "{error}");
    assert!(elsewhere.log().is_empty(), "nobody else was asked");
    assert!(text(&client, "circle", &patient()).await.unwrap_err().message.contains("more than 5 times"));
    // What changes something goes on only where it is to be said again as it is.
    let post = |path: &str| Request::new(Method::POST, client.address().path(path).unwrap()).json("\"body\"");
    assert_eq!(&client.fetch(&post("kept"), &patient()).await.unwrap().bytes[..], b"\"body\"");
    assert_eq!(client.fetch(&post("other"), &patient()).await.unwrap_err().native_code(), Some("303"));

    config.http.hosts = vec![host];
    let client = client_of(&config);
    assert_eq!(text(&client, "away", &patient()).await.unwrap(), "\"elsewhere\"");
    assert_eq!(elsewhere.log()[0].header("authorization"), None, "credentials stay at home");
    assert!(server.log().iter().all(|request| request.header("authorization") == Some("Bearer hush-hush")));
}

/// What a kind adds to a request may be a session, and a body a password: neither leaves home, even for a host that links may lead to.
#[tokio::test]
async fn what_a_kind_says_stays_at_home() {
    let elsewhere = Server::start(|_| Answer::json("\"elsewhere\""), Faults::default()).await;
    let place = elsewhere.url();
    let server = Server::start(move |_| Answer::status(307).header("location", format!("{place}/login")), Faults::default()).await;
    let mut config = config(&server);
    config.http.hosts = vec![elsewhere.address().to_string()];
    let client = client_of(&config);
    let session = |request: Request| {
        let request = request.header(HeaderName::from_static("authorization"), HeaderValue::from_static("Session hunter2"));
        let request = request.header(HeaderName::from_static("x-api-key"), HeaderValue::from_static("hunter2"));
        request.header(HeaderName::from_static("prefer"), HeaderValue::from_static("odata.maxpagesize=7"))
    };
    client.fetch(&session(get(&client, "x")), &patient()).await.unwrap();
    let seen = &elsewhere.log()[0];
    assert_eq!((seen.header("authorization"), seen.header("x-api-key"), seen.header("prefer")), (None, None, Some("odata.maxpagesize=7")));
    let post = Request::new(Method::POST, client.address().path("login").unwrap()).json("{\"password\":\"hunter2\"}");
    let error = client.fetch(&session(post), &patient()).await.unwrap_err();
    assert_eq!((error.kind, elsewhere.log().len()), (SourceErrorKind::Malformed, 1));
    assert!(error.message.contains("with a body to another host"), "{}", error.message);
}

#[tokio::test]
async fn links_are_resolved_and_stay_within_the_hosts() {
    let server = Server::start(|request| Answer::json(format!("\"{}\"", request.raw_query)), Faults::default()).await;
    let client = client(&server);
    let page = client.fetch(&get(&client, "x/Orders"), &patient()).await.unwrap();
    let next = client.link(&page.url, "Orders?$skiptoken=a%20b").unwrap();
    assert_eq!(next.shown(), ("/api/x/Orders?$skiptoken=…", 0));
    assert_eq!(&client.fetch(&Request::get(next), &patient()).await.unwrap().bytes[..], b"\"$skiptoken=a%20b\"");
    let error = client.link(&page.url, "https://evil.example.com/?$skiptoken=1").unwrap_err();
    assert!(error.message.contains("evil.example.com") && error.kind == SourceErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let config = {
        let gone = Server::start(|_| Answer::status(200), Faults::default()).await;
        config(&gone)
    };
    let error = text(&client_of(&config), "x", &within(Duration::from_millis(900))).await.unwrap_err();
    assert!(matches!(error.kind, SourceErrorKind::Unavailable), "{error}");
    assert!(error.message.contains("refused") && !error.message.contains("http"), "{error}");
    let nowhere = client_of(&settings(json!({"url": "http://nowhere.invalid/", "http": {"retries": 0}})));
    let error = text(&nowhere, "x", &patient()).await.unwrap_err();
    assert_eq!((error.kind, matches!(error.retry, Retry::After(_))), (SourceErrorKind::Unavailable, true));
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate and its key.
    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn server(&self, name: &str, clients: bool) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(name, ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = if clients {
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

#[tokio::test]
async fn certificates_are_verified_and_shown() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca = file("ca.pem", authority.pem());
    let other_ca = file("other.pem", Authority::new().pem());
    let script = |_: &_| Answer::json("\"in\"");
    let asked = async |url: String, tls: serde_json::Value| {
        let client = client_of(&settings(json!({"url": url, "tls": tls, "http": {"retries": 2}})));
        text(&client, "x", &patient()).await
    };
    let plain = Server::start_tls(script, Faults::default(), authority.server("127.0.0.1", false)).await;
    assert_eq!(asked(plain.url(), json!({"ca": ca})).await.unwrap(), "\"in\"");
    for tls in [json!({}), json!({"ca": other_ca})] {
        let error = asked(plain.url(), tls).await.unwrap_err();
        assert_eq!((error.kind.clone(), error.retry), (SourceErrorKind::Unavailable, Retry::Never), "{error}");
        assert!(error.message.contains("'tls.ca'"), "{error}");
    }
    let misnamed = Server::start_tls(script, Faults::default(), authority.server("localhost", false)).await;
    assert!(asked(misnamed.url(), json!({"ca": ca})).await.unwrap_err().message.contains("not valid for name"));

    let mutual = Server::start_tls(script, Faults::default(), authority.server("127.0.0.1", true)).await;
    let (certificate, key) = authority.issue("portico", ExtendedKeyUsagePurpose::ClientAuth);
    let shown = file("client.pem", certificate.pem());
    let tls = json!({"ca": ca, "certificate": shown, "key": key.serialize_pem()});
    assert_eq!(asked(mutual.url(), tls).await.unwrap(), "\"in\"");
    let error = asked(mutual.url(), json!({"ca": ca})).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Unavailable && error.message.contains("'tls.certificate'"), "{error}");

    for (tls, what) in [
        (json!({"ca": "absent.pem"}), "absent.pem cannot be read"),
        (json!({"ca": file("empty.pem", String::new())}), "holds no certificate"),
        (json!({"certificate": ca, "key": "hunter2"}), "'tls.key' is not a private key"),
        (json!({"certificate": other_ca, "key": key.serialize_pem()}), "do not belong together"),
    ] {
        let config = settings(json!({"url": "https://h/", "tls": tls}));
        let error = WebClient::new(&config, &super::setting::connect()).unwrap_err();
        assert!(error.message.contains(what) && !error.message.contains("hunter2"), "{error}");
    }
}

/// What kinds put into their own futures must be sendable.
#[test]
fn futures_can_be_sent() {
    fn sendable(_: impl Send) {}
    let client = client_of(&settings(json!({"url": "http://h/"})));
    let (request, context) = (get(&client, "x"), patient());
    sendable(client.send(&request, &context));
    sendable(client.fetch(&request, &context));
}
