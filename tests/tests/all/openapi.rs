//! `portico introspect --openapi`: what it prints for an API's own document is a source that the gateway serves, and what is no such document is told.
//! The API is a warehouse on the loopback that answers what its document says, in pages of its own.

use super::fixture::FULL;
use super::gateway::{Ended, Gateway, run, sha256};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DOCUMENT: &str = r##"
openapi: 3.0.3
info: { title: Warehouse, version: "1.4.0" }
servers: [ { url: "http://127.0.0.1:{port}/v1", description: on the loopback } ]
paths:
  /parts:
    get:
      operationId: listParts
      summary: "Parts: all that were ever held"
      parameters:
        - { $ref: "#/components/parameters/Offset" }
        - { $ref: "#/components/parameters/Limit" }
        - { name: status, in: query, schema: { type: string, enum: [active, retired] } }
      responses:
        "200":
          description: A page of parts
          content:
            application/json:
              schema:
                type: object
                required: [items, total]
                properties:
                  items: { type: array, items: { $ref: "#/components/schemas/Part" } }
                  total: { type: integer }
                  offset: { type: integer }
        default: { $ref: "#/components/responses/Failure" }
  /parts/{id}:
    parameters: [ { name: id, in: path, required: true, schema: { type: integer, format: int64 } } ]
    get:
      responses:
        "200": { description: A part, content: { application/json: { schema: { $ref: "#/components/schemas/Part" } } } }
        "404": { $ref: "#/components/responses/Failure" }
    delete: { responses: { "204": { description: Gone } } }
  /parts/{id}/stock:
    parameters: [ { name: id, in: path, required: true, schema: { type: integer, format: int64 } } ]
    get:
      responses:
        "200":
          description: Where it lies
          content: { application/json: { schema: { type: array, items: { $ref: "#/components/schemas/Stock" } } } }
  /suppliers:
    get:
      responses:
        "200": { description: All, content: { application/json: { schema: { type: array, items: { $ref: "#/components/schemas/Supplier" } } } } }
  /health: { get: { responses: { "200": { description: ok, content: { text/plain: { schema: { type: string } } } } } } }
components:
  parameters:
    Offset: { name: offset, in: query, schema: { type: integer, default: 0 } }
    Limit: { name: limit, in: query, schema: { type: integer, default: 20, maximum: 100 } }
  responses:
    Failure: { description: What went wrong, content: { application/json: { schema: { type: object, properties: { message: { type: string } } } } } }
  schemas:
    Named: { type: object, required: [name], properties: { name: { type: string, maxLength: 40 } } }
    Part:
      allOf:
        - { $ref: "#/components/schemas/Named" }
        - type: object
          required: [id, status, added, maker]
          properties:
            id: { type: integer, format: int64 }
            status: { type: string }
            weight: { type: number, nullable: true }
            added: { type: string, format: date-time }
            maker: { type: object, required: [code], properties: { code: { type: string }, country: { type: string } } }
            tags: { type: array, items: { type: string } }
    Stock: { type: object, required: [shelf, quantity], properties: { shelf: { type: string }, quantity: { type: integer, format: int32 } } }
    Supplier: { allOf: [ { $ref: "#/components/schemas/Named" }, { type: object, required: [code], properties: { code: { type: string } } } ] }
"##;

const PARTS: u64 = 250;

fn part(id: u64) -> Value {
    let status = if id.is_multiple_of(10) { "retired" } else { "active" };
    let mut part = json!({"id": id, "name": format!("Part {id}"), "status": status, "added": "2024-02-29T12:00:00Z", "tags": [],
        "maker": {"code": format!("M{}", id % 3)}, "not in the document": true});
    if id.is_multiple_of(2) {
        part["weight"] = json!(id as f64 + 0.25);
        part["maker"]["country"] = json!("NO");
    }
    part
}

/// What the API answers: status and body.
fn answer(path: &str, query: &str) -> (u16, Value) {
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str, default: u64| parameter(name).map_or(default, |text| text.parse().unwrap());
    let missing = || (404, json!({"message": "there is none"}));
    match path.trim_start_matches("/v1").split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["parts"] => {
            let fits = |part: &Value| parameter("status").is_none_or(|status| part["status"] == status);
            let all: Vec<Value> = (1..=PARTS).map(part).filter(fits).collect();
            let (offset, limit) = (number("offset", 0), number("limit", 20).min(100));
            let items: Vec<&Value> = all.iter().skip(offset as usize).take(limit as usize).collect();
            (200, json!({"items": items, "total": all.len(), "offset": offset}))
        }
        ["parts", id] => id.parse().ok().filter(|id| (1..=PARTS).contains(id)).map_or_else(missing, |id| (200, part(id))),
        ["parts", id, "stock"] => (200, json!([{"shelf": format!("A{id}"), "quantity": 3}, {"shelf": "B", "quantity": 0}])),
        ["suppliers"] => (200, json!([{"name": "One", "code": "M0"}, {"name": "Two", "code": "M1"}, {"name": "Three", "code": "M2"}])),
        _ => missing(),
    }
}

/// Answers the requests of one connection, and notes them.
async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut held = Vec::new();
    loop {
        while let Some(end) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(held.drain(..end + 4).collect()).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let (status, body) = answer(path, query);
            asked.lock().unwrap().push(target.clone());
            let body = body.to_string();
            let text =
                format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(length @ 1..) => held.extend_from_slice(&part[..length]),
            Ok(_) | Err(_) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_introspect_prints_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let api = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&noted)));
        }
    });
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("warehouse.yaml"), DOCUMENT.replace("{port}", &port.to_string())).unwrap();
    let (ended, printed) = run(directory.path(), &["introspect", "--openapi", "warehouse.yaml", "--name", "warehouse"], &[]);
    assert_eq!(ended, Ended::Well, "{printed}");
    assert!(asked.lock().unwrap().is_empty(), "a document is read, and nobody is asked");
    let rights = format!(
        "access:\n  roles: {{ full: {{ parts: {{}}, suppliers: {{}}, stock: {{}} }} }}\n  operators: [full]\n  keys: {{ full: {{ sha256: \"{}\", roles: [full] }} }}\n  anonymous: none\n",
        sha256(FULL)
    );
    let gateway = Gateway::start(directory.path(), &format!("{printed}{rights}"), &[]).await.ready().await;
    let was_asked = |wanted: &str| {
        let asked = asked.lock().unwrap();
        assert!(asked.iter().any(|target| target == wanted), "nobody asked for {wanted}:\n{}", asked.join("\n"));
    };

    let one = gateway.json("/odata/parts(7)", FULL).await;
    assert_eq!((one["name"].as_str(), one["weight"].is_null()), (Some("Part 7"), true), "{one}");
    assert_eq!(gateway.get("/odata/parts(900)", FULL).await.status(), 404);
    // All pages of what the server was asked for, and looked at again.
    let retired = gateway.json("/odata/parts?$filter=status%20eq%20'retired'&$orderby=id&$select=id,weight", FULL).await;
    let ids: Vec<u64> = retired["value"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=PARTS / 10).map(|id| id * 10).collect::<Vec<_>>());
    was_asked("/v1/parts?status=retired&limit=100");
    let sql = r#"SELECT count(*) AS n, sum("weight") AS weight, count("maker_country") AS countries FROM "parts""#;
    let rows = gateway.sql(sql, FULL).await.text().await.unwrap();
    assert!(rows.contains("250") && rows.contains("15781.25") && rows.contains("125"), "{rows}");
    for offset in [100, 200] {
        was_asked(&format!("/v1/parts?offset={offset}&limit=100"));
    }
    // What must be known is asked for.
    let joined = r#"SELECT s."shelf", s."quantity", p."name" FROM "stock" s JOIN "suppliers" p ON p."code" = 'M1' WHERE s."id" = '42' AND s."quantity" > 0"#;
    let rows = gateway.sql(joined, FULL).await.text().await.unwrap();
    assert!(rows.contains("A42") && rows.contains("Two") && !rows.contains("\"B\""), "{rows}");
    was_asked("/v1/parts/42/stock");
    let unknown = gateway.sql(r#"SELECT * FROM "stock""#, FULL).await;
    assert!(unknown.status().is_client_error(), "{}", unknown.status());
    api.abort();
}

#[test]
fn what_is_no_openapi_document_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let swagger = r#"{"swagger":"2.0","info":{"title":"t","version":"1"},"paths":{"/t":{"get":{"responses":{"200":{"schema":{"type":"array","items":{"type":"object","properties":{"id":{"type":"integer"}}}}}}}}}}"#;
    let cut = DOCUMENT.split("components:").next().unwrap();
    for (name, text, parts) in [
        ("swagger.json", swagger, &["Swagger 2.0", "OpenAPI 3", "preset: postgrest"][..]),
        ("broken.yaml", "openapi: 3.0.3\npaths: {\n", &["neither JSON nor YAML"]),
        ("other.yaml", "a: 1\n", &["no OpenAPI document"]),
        ("cut.yaml", cut, &["describes no list"]),
        ("empty.json", r#"{"openapi":"3.1.0","info":{},"paths":{}}"#, &["describes no list"]),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
        let (ended, told) = run(directory.path(), &["introspect", "--openapi", name], &[]);
        assert_eq!(ended, Ended::Badly, "{name}: {told}");
        assert!(told.contains(name) && parts.iter().all(|part| told.contains(part)), "{name}: {told}");
        assert!(!told.contains("sources:") && !told.contains("panicked"), "{name}: {told}");
    }
    let (ended, told) = run(directory.path(), &["introspect", "--openapi", "missing.yaml"], &[]);
    assert!(ended == Ended::Badly && told.contains("missing.yaml"), "{told}");
}
