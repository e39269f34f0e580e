//! What every test needs: a client of a server, a context with a deadline, requests.

use portico_provider_api::{ConnectContext, QueryContext, RequestInfo, Secret, SourceError};
use portico_provider_testkit::http::Server;
use portico_provider_web::{Expects, Request, WebClient, WebConfig};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn connect() -> ConnectContext {
    ConnectContext {
        source_name: "erp".to_owned(),
        base_directory: ".".into(),
        max_connections: 16,
        timeout: Duration::from_secs(20),
        request_time: Duration::from_secs(60),
    }
}

pub fn config(server: &Server) -> WebConfig {
    WebConfig::new(format!("{}/api", server.url()))
}

pub fn client(server: &Server) -> WebClient {
    client_of(&config(server))
}

pub fn client_of(config: &WebConfig) -> WebClient {
    WebClient::new(config, &connect()).unwrap()
}

/// Settings as a kind gets them.
pub fn settings(json: serde_json::Value) -> WebConfig {
    serde_json::from_value(json).unwrap()
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text)
}

pub fn within(time: Duration) -> QueryContext {
    let deadline = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap().as_millis();
    let request = RequestInfo { deadline_unix_ms: u64::try_from(deadline).ok(), ..RequestInfo::default() };
    QueryContext { request, ..QueryContext::default() }
}

pub fn patient() -> QueryContext {
    within(Duration::from_secs(60))
}

pub fn get(client: &WebClient, path: &str) -> Request {
    Request::get(client.address().path(path).unwrap()).expecting(Expects::Anything)
}

pub async fn text(client: &WebClient, path: &str, context: &QueryContext) -> Result<String, SourceError> {
    client.fetch(&get(client, path), context).await.map(|page| String::from_utf8(page.bytes.to_vec()).unwrap())
}
