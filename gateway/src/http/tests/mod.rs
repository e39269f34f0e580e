//! The HTTP door as a client sees it: the router over a SQLite file, request by request.

mod arithmetic;
mod batch;
mod codecs;
mod dataverse;
mod protocol;
mod singletons;

use crate::config;
use crate::startup::assemble;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt;

struct Door {
    router: axum::Router,
    directory: tempfile::TempDir,
    config: String,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn open() -> Door {
    open_with("", "").await
}

/// With further settings of the gateway, and of its HTTP door; each begins with a comma.
async fn open_with(settings: &str, http: &str) -> Door {
    let hash: String = Sha256::digest(b"key").iter().map(|byte| format!("{byte:02x}")).collect();
    let limit = if http.contains("max_body") { "" } else { "max_body: 1KiB, " };
    let text = format!(
        "gateway: {{ http: {{ public_url: 'https://data.example.com', {limit}cors: ['https://app.example.com']{http} }}{settings} }}
sources: {{ shop: {{ kind: sqlite, path: shop.db }}, late: {{ kind: sqlite, path: late.db }} }}
tables:
  Customers: {{ source: shop, remote: customer }}
  Invoices: {{ source: late, remote: invoice }}
access:
  roles: {{ all: {{ Customers: {{ write: [insert, update, delete] }}, Invoices: {{}} }}, few: {{ Customers: {{}} }} }}
  keys: {{ app: {{ sha256: {hash}, roles: [all], in: [header, query] }} }}
  anonymous: {{ roles: [few] }}
"
    );
    open_text(&text).await
}

/// A door over a configuration beside a database `shop.db`.
async fn open_text(text: &str) -> Door {
    let directory = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(directory.path().join("shop.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, credit INTEGER);
             INSERT INTO customer SELECT value, 'Customer ' || value, value * 10 FROM
             (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 9) SELECT value FROM n);",
        )
        .unwrap();
    Door { router: router(&directory, text).await, directory, config: text.to_owned() }
}

async fn router(directory: &tempfile::TempDir, text: &str) -> axum::Router {
    let config = config::load::parse(&directory.path().join("portico.yaml"), text).unwrap_or_else(|errors| panic!("{errors}"));
    let gateway = Arc::new(assemble(config).unwrap());
    gateway.keeper.introspect().await;
    gateway.keeper.publish().unwrap_or_else(|errors| panic!("{errors}"));
    let handle = move |ConnectInfo(peer), request| super::handle(Arc::clone(&gateway), peer, request);
    axum::Router::new().fallback(handle)
}

impl Door {
    async fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (parts, body) = self.begin(method, url, headers, body).await.into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The answer before its body is read.
    async fn begin(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(url).header("host", "inner:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Another process over the same files.
    async fn reopened(self) -> Door {
        Door { router: router(&self.directory, &self.config).await, ..self }
    }

    /// A number from the source, read past the gateway.
    fn number(&self, sql: &str) -> i64 {
        let database = rusqlite::Connection::open(self.directory.path().join("shop.db")).unwrap();
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    async fn get(&self, url: &str) -> Answer {
        self.ask("GET", url, &[("x-api-key", "key")], "").await
    }

    async fn write(&self, method: &str, url: &str, extra: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("x-api-key", "key"), ("content-type", "application/json")], extra].concat();
        self.ask(method, url, &headers, body).await
    }
}

#[tokio::test]
async fn every_answer_has_one_version_and_an_id() {
    let door = open().await;
    for url in
        ["/odata", "/odata/$metadata", "/odata/Customers", "/odata/Nothing", "/odata/Customers(99)", "/nothing", "/odata/Customers?$nope=1"]
    {
        let answer = door.get(url).await;
        assert_eq!(answer.headers.get_all("odata-version").iter().count(), 1, "{url}");
        assert_eq!(answer.header("odata-version"), "4.0", "{url}");
        assert!(!answer.header("x-request-id").is_empty(), "{url}");
        if answer.status >= 400 {
            assert!(answer.json()["error"]["code"].is_string(), "{url}");
        }
    }
    let named = door.ask("GET", "/odata", &[("x-api-key", "key"), ("x-request-id", "mine-1")], "").await;
    assert_eq!(named.header("x-request-id"), "mine-1");
}

#[tokio::test]
async fn pages_are_linked_until_the_end_and_links_hold_no_credentials() {
    let door = open().await;
    let mut url = "/odata/Customers?api_key=key&$select=id&$orderby=credit%20desc&$top=7&$count=true".to_owned();
    let mut seen = Vec::new();
    for page in 0.. {
        let answer = door.ask("GET", &url, &[("prefer", "odata.maxpagesize=3")], "").await;
        assert_eq!((answer.status, answer.header("preference-applied")), (200, "odata.maxpagesize=3"), "{}", answer.body);
        let json = answer.json();
        assert_eq!(json["@odata.count"], 9);
        seen.extend(json["value"].as_array().unwrap().iter().map(|entity| entity["id"].as_i64().unwrap()));
        let Some(link) = json["@odata.nextLink"].as_str() else { break };
        assert!(link.starts_with("https://data.example.com/odata/Customers?") && !link.contains("api_key"), "{link}");
        url = format!("{}&api_key=key", link.trim_start_matches("https://data.example.com"));
        assert!(page < 5);
    }
    assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3]);
    let forged = url.replace("$skiptoken=A", "$skiptoken=B");
    assert_eq!(door.ask("GET", &forged, &[], "").await.status, 400);
    let other = url.replace("$orderby=credit%20desc", "$orderby=credit");
    assert_eq!(door.ask("GET", &other, &[], "").await.status, 410);
}

#[tokio::test]
async fn nulls_are_left_out_where_that_is_preferred_and_said() {
    let door = open().await;
    let url = "/odata/Customers?$top=9";
    let changed = door.write("PATCH", "/odata/Customers(3)", &[("if-match", "*")], r#"{"credit":null}"#).await;
    assert!(changed.status < 300, "{}", changed.body);
    let whole = door.get(url).await.json();
    let asked = |prefer: &'static str, version: &'static str| {
        let headers = [("x-api-key", "key"), ("prefer", prefer), ("odata-maxversion", version)];
        let door = &door;
        async move { door.ask("GET", url, &headers, "").await }
    };
    let answer = asked("omit-values=nulls, odata.maxpagesize=20", "4.0").await;
    assert_eq!(answer.header("preference-applied"), "odata.maxpagesize=20, omit-values=nulls");
    assert_eq!(
        asked("maxpagesize=20,omit-values=defaults", "4.01").await.header("preference-applied"),
        "maxpagesize=20, omit-values=defaults"
    );
    let omitted = answer.json();
    let mut nulls = 0;
    for (all, some) in whole["value"].as_array().unwrap().iter().zip(omitted["value"].as_array().unwrap()) {
        for (name, value) in all.as_object().unwrap() {
            nulls += usize::from(value.is_null());
            assert_eq!(some.get(name), Some(value).filter(|value| !value.is_null()), "{name}");
        }
    }
    assert!(nulls > 0, "the rows hold nulls");
}

#[tokio::test]
async fn credentials_decide_what_is_there() {
    let door = open().await;
    assert_eq!(door.ask("GET", "/odata/Customers", &[], "").await.status, 200, "anonymous callers may read");
    let wrong = door.ask("GET", "/odata/Customers", &[("x-api-key", "guess")], "").await;
    assert_eq!((wrong.status, wrong.headers.get_all("www-authenticate").iter().count()), (401, 2));
    assert_eq!(door.ask("GET", "/odata/Customers?api_key=guess", &[], "").await.status, 401);
    // Whoever has rights on a table that is not known yet is told to wait; to others it is not there.
    let waiting = door.get("/odata/Invoices").await;
    assert_eq!((waiting.status, waiting.header("retry-after")), (503, "2"), "{}", waiting.body);
    assert_eq!(door.ask("GET", "/odata/Invoices", &[], "").await.status, 404);
    let refused = door.ask("DELETE", "/odata/Customers(1)", &[("if-match", "*")], "").await;
    assert!(refused.status == 403 || refused.status == 405, "{}", refused.body);
}

#[tokio::test]
async fn entities_are_created_changed_and_removed() {
    let door = open().await;
    let created = door.write("POST", "/odata/Customers", &[], r#"{"id": 100, "name": "New"}"#).await;
    assert_eq!((created.status, created.header("location")), (201, "https://data.example.com/odata/Customers(100)"), "{}", created.body);
    assert_eq!(created.json()["name"], "New");
    let etag = created.header("etag").to_owned();
    assert!(!etag.is_empty());
    let twice = door.write("POST", "/odata/Customers", &[], r#"{"id": 100, "name": "New"}"#).await;
    assert_eq!((twice.status, twice.json()["error"]["code"].as_str().unwrap()), (409, "Conflict"));
    let changed = door.write("PATCH", "/odata/Customers(100)", &[("if-match", &etag)], r#"{"name": "Newer"}"#).await;
    assert_eq!((changed.status, changed.json()["name"].as_str().unwrap()), (200, "Newer"));
    let stale = door.write("PATCH", "/odata/Customers(100)", &[("if-match", &etag)], r#"{"name": "Newest"}"#).await;
    assert_eq!(stale.status, 412);
    let quiet = door.write("PATCH", "/odata/Customers(100)", &[("if-match", "*"), ("prefer", "return=minimal")], r#"{"credit": 5}"#).await;
    assert_eq!(
        (quiet.status, quiet.body.as_str(), quiet.header("odata-entityid")),
        (204, "", "https://data.example.com/odata/Customers(100)")
    );
    let tunnelled = door.write("POST", "/odata/Customers(100)", &[("if-match", "*"), ("x-http-method", "DELETE")], "").await;
    assert_eq!(tunnelled.status, 204, "{}", tunnelled.body);
    assert_eq!(door.get("/odata/Customers(100)").await.status, 404);
}

#[tokio::test]
async fn what_is_malformed_or_not_there_is_refused_by_its_status() {
    let door = open().await;
    let large = format!(r#"{{"id": 7, "name": "{}"}}"#, "x".repeat(2000));
    for (method, url, header, body, status) in [
        ("GET", "/odata/Customers?$filter=name%20eq", ("x", "y"), "", 400),
        ("GET", "/odata/Customers?$filter=name%20eq%20%FF", ("x", "y"), "", 400),
        ("GET", "/odata/Customers", ("odata-maxversion", "3.0"), "", 400),
        ("GET", "/odata/Customers", ("accept", "application/atom+xml"), "", 406),
        ("GET", "/odata/$metadata", ("accept", "text/html"), "", 406),
        ("GET", "/odata/$metadata?$format=atom", ("x", "y"), "", 406),
        ("GET", "/odata/Customers?$apply=nest(nope%20as%20n)", ("x", "y"), "", 400),
        ("PUT", "/odata/Customers(1)", ("if-match", "*"), "{}", 501),
        ("POST", "/odata/$batch", ("x", "y"), "", 400),
        ("GET", "/odata/$batch", ("x", "y"), "", 405),
        ("PATCH", "/odata/$batch", ("x", "y"), "{}", 405),
        ("GET", "/odata/Customers", ("isolation", "snapshot"), "", 412),
        ("POST", "/odata/Customers", ("x", "y"), &large, 413),
        ("POST", "/odata/Customers", ("content-encoding", "gzip"), "{}", 415),
        ("POST", "/odata/Customers", ("x", "y"), "{\"id\": ", 400),
        ("POST", "/odata/Customers", ("x", "y"), "{\"nope\": 1}", 400),
        ("PATCH", "/odata/Customers", ("x", "y"), "{}", 405),
        ("DELETE", "/odata/$metadata", ("x", "y"), "", 405),
        ("TRACE", "/odata/Customers", ("x", "y"), "", 405),
        ("PATCH", "/odata/Customers(1)", ("if-none-match", "*"), "{}", 501),
        ("GET", "/sql", ("x", "y"), "", 405),
        ("POST", "/sql", ("accept", "text/csv"), "{\"sql\": \"SELECT 1\"}", 406),
        ("POST", "/sql", ("x", "y"), "{\"sql\": \"DELETE FROM Customers\"}", 400),
    ] {
        let answer = door.write(method, url, &[header], body).await;
        assert_eq!(answer.status, status, "{method} {url}: {}", answer.body);
        assert_eq!(status == 405, !answer.header("allow").is_empty(), "{method} {url}");
    }
    let text = door.ask("POST", "/odata/Customers", &[("x-api-key", "key"), ("content-type", "text/plain")], "{}").await;
    assert_eq!(text.status, 415);
}

#[tokio::test]
async fn metadata_is_revalidated_and_head_has_the_headers_of_get() {
    let door = open().await;
    let metadata = door.get("/odata/$metadata").await;
    assert!(metadata.header("content-type").starts_with("application/xml") && metadata.body.contains("EntitySet Name=\"Customers\""));
    let again = door.ask("GET", "/odata/$metadata", &[("x-api-key", "key"), ("if-none-match", metadata.header("etag"))], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    for url in ["/odata", "/odata/$metadata", "/odata/Customers(1)", "/odata/Customers", "/odata/Customers/$count"] {
        let (get, head) = (door.get(url).await, door.ask("HEAD", url, &[("x-api-key", "key")], "").await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{url}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{url}");
        assert!(head.header("content-length").is_empty() || head.header("content-length") == get.body.len().to_string(), "{url}");
    }
}

#[tokio::test]
async fn sql_is_answered_as_json_or_arrow() {
    let door = open().await;
    let json = door.write("POST", "/sql", &[], r#"{"sql": "SELECT name FROM Customers WHERE id = $1", "parameters": [3]}"#).await;
    assert_eq!((json.status, json.json()), (200, serde_json::json!([{ "name": "Customer 3" }])));
    assert!(json.headers.get("odata-version").is_none());
    let mut request = Request::builder().method("POST").uri("/sql").header("x-api-key", "key");
    request = request.header("content-type", "text/plain").header("accept", "application/vnd.apache.arrow.stream");
    let mut request = request.body(Body::from("SELECT * FROM Customers")).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
    let response = door.router.clone().oneshot(request).await.unwrap();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let reader = arrow::ipc::reader::StreamReader::try_new(std::io::Cursor::new(bytes), None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 9);
}

#[tokio::test]
async fn scripts_of_allowed_origins_may_ask() {
    let door = open().await;
    let preflight = [("origin", "https://app.example.com"), ("access-control-request-method", "PATCH")];
    let answer = door.ask("OPTIONS", "/odata/Customers(1)", &preflight, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, "https://app.example.com"));
    let other = door.ask("GET", "/odata", &[("origin", "https://evil.example.com")], "").await;
    assert_eq!(other.header("access-control-allow-origin"), "");
}
