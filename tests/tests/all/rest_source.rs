//! A REST API behind the gateway: two tables of PostgreSQL's that only PostgREST is asked for, described in the configuration by parameters for readers
//! and by the preset for writers. What must be there is read from the database, past both; what was asked is read from the server's log.

use super::fixture::{Database, FULL};
use super::flight::adbc;
use super::gateway::{Gateway, sha256};
use super::postgrest::PostgRest;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Bed {
    gateway: Gateway,
    rest: PostgRest,
    database: Database,
    _directory: TempDir,
}

const TABLES: &str = "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, region text NOT NULL);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, total numeric(12,2) NOT NULL, placed date, version int NOT NULL DEFAULT 1);
    CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.version := OLD.version + 1; RETURN NEW; END';
    CREATE TRIGGER counted BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION counted();
    INSERT INTO customers SELECT n, 'Customer ' || n, (ARRAY['AMER','APAC','EMEA'])[n % 3 + 1] FROM generate_series(1, 30) n;
    INSERT INTO orders SELECT n, n % 20 + 1, n * 10.25, date '2024-01-01' + n, 1 FROM generate_series(1, 200) n;";

const CONFIG: &str = r#"
sources:
  shop:
    kind: rest
    url: "http://127.0.0.1:{port}"
    paging: { by: offset, parameter: offset, size: 50, size_parameter: limit }
    resources:
      customers:
        path: /customers
        key: [id]
        query: { and: "(id.not.is.null)" }
        sort: { parameter: order, ascending: "{column}.asc", descending: "{column}.desc" }
        columns:
          id: { type: int32, nullable: false, sort: true, repeatable: true, filter: { eq: "id=eq.{value}", in: "id=in.({values})" } }
          name: { type: text, nullable: false }
          region: { type: text, nullable: false, filter: { eq: "region=eq.{value}" } }
      orders:
        path: /orders
        rows: "$[?@.id > 0]"
        key: [id]
        sort: { parameter: order, ascending: "{column}.asc", descending: "{column}.desc" }
        references: [ { columns: [customer_id], to: customers, referenced: [id] } ]
        columns:
          id: { type: int32, nullable: false, sort: true }
          customer_id: { type: int32, nullable: false, repeatable: true, filter: { eq: "customer_id=eq.{value}", in: "customer_id=in.({values})" } }
          total: { type: "decimal(12,2)", nullable: false, sort: true, repeatable: true, filter: { gt: "total=gt.{value}", le: "total=lte.{value}" } }
          placed: { type: date }
  desk: { kind: rest, url: "http://127.0.0.1:{port}", preset: postgrest }
tables:
  Customers: { source: shop, remote: customers, relationships: { Orders: { to: Orders, on: { id: customer_id }, many: true } } }
  Orders: { source: shop, remote: orders }
  DeskOrders: { source: desk, remote: orders, version: version }
access:
  roles: { full: { Customers: {}, Orders: {}, DeskOrders: { write: [insert, update, delete] } } }
  operators: [full]
  keys: { full: { sha256: "{full}", roles: [full] } }
  anonymous: none
"#;

impl Bed {
    async fn start() -> Bed {
        let (directory, database) = (tempfile::tempdir().unwrap(), Database::create().await);
        database.run(TABLES).await;
        let rest = PostgRest::start(&database.url, directory.path()).await;
        let text = CONFIG.replace("{port}", &rest.port.to_string()).replace("{full}", &sha256(FULL));
        let gateway = Gateway::start(directory.path(), &text, &[]).await.ready().await;
        Bed { gateway, rest, database, _directory: directory }
    }

    async fn get(&self, path: &str) -> Value {
        self.gateway.json(&format!("/odata/{}", path.replace(' ', "%20")), FULL).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>, tag: Option<&str>) -> (StatusCode, Value) {
        let mut request = self.gateway.request(method, &format!("/odata/{path}"), FULL);
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(tag) = tag {
            request = request.header("If-Match", tag);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

fn numbers(rows: &Value, name: &str) -> Vec<i64> {
    rows["value"].as_array().unwrap_or_else(|| panic!("{rows}")).iter().map(|row| row[name].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_answered_by_parameters() {
    let bed = Bed::start().await;
    // Sorted and cut by the server.
    let answer = bed.get("Orders?$filter=total gt 1000&$orderby=total desc&$top=3&$select=id").await;
    assert_eq!(numbers(&answer, "id"), [200, 199, 198]);
    let asked = bed.rest.asked("total=gt.1000").await;
    let request = asked.iter().find(|request| request.contains("total=gt.1000")).unwrap();
    assert!(request.starts_with("GET /orders?") && request.contains("order=total.desc"), "{request}");
    // Every page, though rows are selected by an expression.
    let totals = bed.get("Orders?$apply=aggregate($count as n,total with sum as sum)").await;
    assert_eq!(totals["value"][0]["n"], 200, "{totals}");
    assert!(bed.rest.asked("offset=200").await.iter().any(|request| request.contains("/orders?limit=50") || request.contains("offset=50")));
    // One request for the orders of all customers that are shown.
    let answer = bed.get("Customers?$filter=region eq 'EMEA'&$orderby=id desc&$top=4&$expand=Orders($select=id;$orderby=id)").await;
    assert_eq!(numbers(&answer, "id"), [29, 26, 23, 20]);
    for customer in answer["value"].as_array().unwrap() {
        let id = customer["id"].as_i64().unwrap();
        let found: Vec<i64> = customer["Orders"].as_array().unwrap().iter().map(|order| order["id"].as_i64().unwrap()).collect();
        let expected: Vec<i64> = (1..=200).filter(|order| order % 20 + 1 == id).collect();
        assert_eq!(found, expected, "{customer}");
    }
    let asked = bed.rest.asked("customer_id=in.(").await;
    let request = asked.iter().find(|request| request.contains("customer_id=in.(")).unwrap();
    assert!(["20", "23", "26", "29"].iter().all(|id| request.contains(id)), "{request}");
    assert!(asked.iter().any(|request| request.contains("region=eq.EMEA")), "{asked:?}");

    let sql = r#"SELECT c."region", count(*) AS n, sum(o."total") AS total FROM "Customers" c JOIN "Orders" o ON o."customer_id" = c."id"
        WHERE c."region" = 'APAC' AND o."total" <= 500 GROUP BY 1"#;
    let answers = adbc(
        &bed.gateway,
        FULL,
        &[
            json!({"query": sql}),
            json!({"query": r#"SELECT "id" FROM "Orders" WHERE "customer_id" = $1 ORDER BY 1 LIMIT 2"#, "parameters": [7]}),
        ],
    );
    let where_ = "FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.region = 'APAC' AND o.total <= 500";
    let count = bed.database.number(&format!("SELECT count(*) {where_}")).await;
    let sum = bed.database.number(&format!("SELECT (sum(o.total) * 100)::bigint {where_}")).await;
    assert_eq!(answers[0]["rows"], json!([["APAC", count, format!("{}.{:02}", sum / 100, sum % 100)]]), "{}", answers[0]);
    assert_eq!(answers[1]["rows"], json!([[6], [26]]), "{}", answers[1]);
    bed.rest.asked("total=lte.500").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_are_protected_by_the_row_s_version() {
    let bed = Bed::start().await;
    let body = json!({"id": 900, "customer_id": 3, "total": 12.5, "placed": "2024-12-24"});
    let (status, made) = bed.send(Method::POST, "DeskOrders", Some(body.clone()), None).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(bed.database.number("SELECT count(*) FROM orders WHERE id = 900 AND total = 12.50 AND version = 1").await, 1);
    let (status, again) = bed.send(Method::POST, "DeskOrders", Some(body), None).await;
    assert!(status == StatusCode::CONFLICT || status == StatusCode::BAD_REQUEST, "{status} {again}");

    let read = bed.get("DeskOrders(900)").await;
    let stale = read["@odata.etag"].as_str().unwrap().to_owned();
    let (status, changed) = bed.send(Method::PATCH, "DeskOrders(900)", Some(json!({"total": 20})), Some(&stale)).await;
    assert!(status.is_success(), "{status} {changed}");
    let asked = bed.rest.asked("PATCH /orders?").await;
    let request = asked.iter().find(|request| request.starts_with("PATCH")).unwrap();
    assert!(request.contains("id=eq.900") && request.contains("version=eq.1"), "the version is compared in the statement: {request}");
    let (status, refused) = bed.send(Method::PATCH, "DeskOrders(900)", Some(json!({"total": 30})), Some(&stale)).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{refused}");
    let (status, refused) = bed.send(Method::DELETE, "DeskOrders(900)", None, Some(&stale)).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{refused}");
    assert_eq!(bed.database.number("SELECT (total * 100)::bigint + version FROM orders WHERE id = 900").await, 2_002);
    // Somebody else's change, past the gateway.
    let current = bed.get("DeskOrders(900)").await["@odata.etag"].as_str().unwrap().to_owned();
    bed.database.run("UPDATE orders SET placed = NULL WHERE id = 900").await;
    let (status, refused) = bed.send(Method::PATCH, "DeskOrders(900)", Some(json!({"total": 40})), Some(&current)).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{refused}");
    let (status, refused) = bed.send(Method::PATCH, "DeskOrders(900)", Some(json!({"customer_id": 999})), Some("*")).await;
    assert!(status.is_client_error(), "{status} {refused}");

    let current = bed.get("DeskOrders(900)").await["@odata.etag"].as_str().unwrap().to_owned();
    let (status, removed) = bed.send(Method::DELETE, "DeskOrders(900)", None, Some(&current)).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{removed}");
    assert_eq!(bed.database.number("SELECT count(*) FROM orders WHERE id = 900").await, 0);
    let (status, gone) = bed.send(Method::DELETE, "DeskOrders(900)", None, Some("*")).await;
    assert!([StatusCode::NOT_FOUND, StatusCode::PRECONDITION_FAILED].contains(&status), "{gone}");
    assert_eq!(bed.database.number("SELECT count(*) FROM orders").await, 200);
}
