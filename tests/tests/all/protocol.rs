//! The protocol over a real connection: batches in chunks, compression, long URLs, HEAD, requests that go on without their client.

use super::fixture::{CLERK, FULL, Sources};
use super::gateway::Gateway;
use reqwest::{Body, Method, Response};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn batch(gateway: &Gateway, content_type: &str, body: Body) -> Response {
    gateway.request(Method::POST, "/odata/$batch", FULL).header("Content-Type", content_type).body(body).send().await.unwrap()
}

/// In the form of Olingo's client (by its sources): chunked, absolute URLs, a read and a change set of one change.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_chunks_reads_and_writes_at_both_sources() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let root = format!("{}/odata", gateway.http);
    let text = format!(
        "--batch_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
         GET {root}/Customers(5)?$select=Name&$expand=Invoices($top=1;$select=id) HTTP/1.1\r\nAccept: application/json;odata.metadata=full\r\n\r\n\r\n\
         --batch_1\r\nContent-Type: multipart/mixed;boundary=changeset_1\r\n\r\n\
         --changeset_1\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n\
         POST {root}/Invoices HTTP/1.1\r\nContent-Type: application/json;odata.metadata=full\r\nPrefer: return=minimal\r\n\r\n\
         {{\"id\": 900, \"customer_id\": 5, \"amount\": 1.25, \"issued\": \"2024-01-01\", \"paid\": false, \"note\": \"one\\r\\n--batch_1\"}}\r\n\
         --changeset_1--\r\n--batch_1\r\nContent-Type: application/http\r\n\r\nGET $1?$select=note HTTP/1.1\r\n\r\n\r\n--batch_1--\r\n"
    );
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> = text.as_bytes().chunks(97).map(|chunk| Ok(chunk.to_vec())).collect();
    let stream = Body::wrap_stream(futures::stream::iter(chunks));
    let response = batch(&gateway, "multipart/mixed; boundary=batch_1", stream).await;
    assert_eq!((response.status().as_u16(), response.headers()["odata-version"].to_str().unwrap()), (200, "4.0"));
    let answer = response.text().await.unwrap();
    assert!(answer.contains("\"Name\":\"Customer 05\"") && answer.contains("HTTP/1.1 204 No Content"), "{answer}");
    assert!(answer.contains("OData-EntityId: http") && answer.contains("\"note\":\"one\\r\\n--batch_1\""), "{answer}");
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE id = 900 AND note = E'one\\r\\n--batch_1'").await, 1);
    let requests = json!({ "requests": [
        { "id": "1", "method": "get", "url": "/odata/Invoices(900)" },
        { "id": "2", "method": "patch", "url": "Invoices(900)", "dependsOn": ["1"], "headers": { "if-match": "$1" }, "body": { "amount": 2.50 } },
        { "id": "3", "method": "get", "url": "Nothing" },
        { "id": "4", "method": "get", "url": "Customers", "dependsOn": ["3"] },
    ] });
    let answer: Value = batch(&gateway, "application/json", Body::from(requests.to_string())).await.json().await.unwrap();
    let statuses: Vec<_> = answer["responses"].as_array().unwrap().iter().map(|response| response["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 404, 424], "{answer}");
    assert_eq!(sources.database.number("SELECT (amount * 100)::bigint FROM invoices WHERE id = 900").await, 250);
    // Every request of a batch is one of its caller: who may not write is told no ETag, in a batch neither.
    let request = gateway.request(Method::POST, "/odata/$batch", CLERK).header("Content-Type", "application/json");
    let answer: Value = request.body(requests.to_string()).send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["responses"][0]["status"], &answer["responses"][3]["status"]), (&json!(200), &json!(424)), "{answer}");
    assert_eq!(answer["responses"][1]["status"], 424, "{answer}");
    assert_eq!(sources.database.number("SELECT (amount * 100)::bigint FROM invoices WHERE id = 900").await, 250);
    let metrics = gateway.ask_admin("/metrics").await;
    assert!(metrics.contains("door=\"odata\""), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_answers_are_what_curl_reads() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for path in ["/odata/Invoices?$expand=Lines", "/odata/$metadata", "/odata/Customers?$orderby=Name"] {
        let curl = |compressed: bool| {
            let mut command = Command::new("curl");
            command.args(["-sS", "--noproxy", "*", "-g", "-D", "/dev/stderr", "-H", &format!("X-Api-Key: {FULL}")]);
            if compressed {
                command.arg("--compressed");
            }
            let output = command.arg(format!("{}{path}", gateway.http)).output().unwrap();
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap().to_ascii_lowercase())
        };
        let (plain, head) = curl(false);
        assert!(!head.contains("content-encoding"), "{head}");
        let (inflated, head) = curl(true);
        assert!(head.contains("content-encoding: gzip"), "{head}");
        assert_eq!(inflated, plain, "{path}");
    }
}

/// What comes back for a request as it stands, up to the end of the connection.
async fn raw(gateway: &Gateway, head: &str) -> String {
    let address = gateway.http.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\nX-Api-Key: {FULL}\r\n\r\n");
    // The gateway may answer before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_no_bodies_and_long_urls_are_read() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for path in ["/odata", "/odata/$metadata", "/odata/Customers", "/odata/Customers(1)", "/odata/Customers/$count", "/odata/Nothing"] {
        let (get, head) = (raw(&gateway, &format!("GET {path} HTTP/1.1")).await, raw(&gateway, &format!("HEAD {path} HTTP/1.1")).await);
        let (get_head, _) = get.split_once("\r\n\r\n").unwrap();
        let (head, body) = head.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{path}");
        let names = |head: &str| {
            let mut names: Vec<String> = head.lines().skip(1).map(|line| line.split(':').next().unwrap().to_ascii_lowercase()).collect();
            names.retain(|name| name != "transfer-encoding");
            names.sort();
            names
        };
        assert_eq!((head.lines().next(), names(head)), (get_head.lines().next(), names(get_head)), "{path}");
    }
    let long = format!("/odata/Customers?$select=Id&$filter=Id%20in%20(5{})", ",1000001".repeat(8_000));
    assert!(long.len() > 64_000);
    let answer = raw(&gateway, &format!("GET {long} HTTP/1.1")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"Id\":5"), "{answer}");
    let longer = raw(&gateway, &format!("GET {long}{} HTTP/1.1", "&x=1".repeat(1_000))).await;
    assert!(longer.starts_with("HTTP/1.1 414"), "{longer}");
    let query = format!("$select=Id&$filter=Id in (5{})", ",1000001".repeat(15_000));
    let request = gateway.request(Method::POST, "/odata/Customers/$query", FULL).header("Content-Type", "text/plain");
    let answer: Value = request.body(query).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["value"][0]["Id"], 5, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_request_is_fetched_later_or_cancelled_at_its_source() {
    let sources = Sources::create().await;
    sources.database.run("CREATE VIEW slow AS SELECT id, pg_sleep(0.02)::text AS s FROM generate_series(1, 200) AS id").await;
    let config = sources.config().replace(
        "  Lines: { source: billing, remote: lines }",
        "  Lines: { source: billing, remote: lines }\n  Slow: { source: billing, remote: slow, key: [id] }",
    );
    let config = config.replace("      Lines: {}\n", "      Lines: {}\n      Slow: {}\n");
    let gateway = sources.serve_config(&config).await;
    let begin = async |path: &str| {
        let request = gateway.request(Method::GET, path, FULL).header("Prefer", "respond-async").header("OData-MaxVersion", "4.01");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(response.headers()["preference-applied"], "respond-async");
        response.headers()["location"].to_str().unwrap().strip_prefix(&gateway.http).unwrap().to_owned()
    };
    let monitor = begin("/odata/Slow?$select=id,s").await;
    assert_eq!(gateway.get(&monitor, FULL).await.status(), 202);
    assert_eq!(gateway.get(&monitor, CLERK).await.status(), 404, "it is somebody else's");
    let done = loop {
        let response = gateway.get(&monitor, FULL).await;
        if response.status() != 202 {
            break response;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((done.status().as_u16(), done.headers()["asyncresult"].to_str().unwrap()), (200, "200"));
    assert_eq!(done.json::<Value>().await.unwrap()["value"].as_array().unwrap().len(), 200);
    let monitor = begin("/odata/Slow?$select=id,s&$orderby=id%20desc").await;
    assert_eq!(gateway.request(Method::DELETE, &monitor, FULL).send().await.unwrap().status(), 204);
    assert!(sources.database.quiet(Duration::from_secs(20)).await, "the statement goes on at its source");
    assert_eq!(gateway.get(&monitor, FULL).await.status(), 404);
}
