//! A real ERP behind the gateway: Tryton's sales beside customers in PostgreSQL and what a REST API says of them, in one statement and one expansion, asked for the needed keys alone; sales that are
//! made, confirmed and protected by the ERP's own lock. What it must answer is read from its database file, past both. `providers/tryton/tests/server` makes what
//! `PORTICO_TEST_TRYTON` names.

use super::fixture::{Database, FULL};
use super::gateway::{Gateway, free_port, sha256};
use super::postgrest::PostgRest;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The server, a database of one's own at PostgreSQL, a REST API over another one, and the gateway over all.
struct Bed {
    gateway: Gateway,
    server: Child,
    directory: TempDir,
    _rest: PostgRest,
    _databases: [Database; 2],
}

/// Keys of one request to the ERP: few, so that there are several.
const PAGE_ROWS: usize = 9;

impl Bed {
    async fn start() -> Bed {
        let missing = "PORTICO_TEST_TRYTON names no environment: make one with providers/tryton/tests/server/environment.sh build DIR";
        let environment = PathBuf::from(std::env::var("PORTICO_TEST_TRYTON").expect(missing));
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(environment.join("demo.sqlite"), directory.path().join("demo.sqlite")).unwrap();
        let (port, path) = (free_port(), directory.path().display());
        let config = format!("[database]\nuri = sqlite://\npath = {path}\n[web]\nlisten = 127.0.0.1:{port}\n");
        std::fs::write(directory.path().join("trytond.conf"), config).unwrap();
        let log = std::fs::File::create(directory.path().join("trytond.log")).unwrap();
        let mut server = Command::new(environment.join("python/bin/trytond"))
            .args(["-vv", "-c", "trytond.conf", "-d", "demo"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(server.try_wait().unwrap().is_none() && Instant::now() < end, "trytond did not come up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let database = Database::create().await;
        let mut sql =
            String::from("CREATE TABLE accounts (id int PRIMARY KEY, name text NOT NULL, region text NOT NULL, party int NOT NULL);");
        for (number, party) in oracle(&directory, "SELECT id FROM party_party WHERE code LIKE 'C%' ORDER BY code").iter().enumerate() {
            let region = ["AMER", "APAC", "EMEA"][number % 3];
            sql.push_str(&format!("INSERT INTO accounts VALUES ({}, 'Account {number:02}', '{region}', {});", number + 1, party[0]));
        }
        database.run(&sql).await;
        let ratings = Database::create().await;
        let rows = "INSERT INTO ratings SELECT n, n % 5 + 1 FROM generate_series(1, 20) n";
        ratings.run(&format!("CREATE TABLE ratings (account int PRIMARY KEY, stars int NOT NULL); {rows}")).await;
        let rest = PostgRest::start(&ratings.url, directory.path()).await;
        let text = CONFIG
            .replace("{port}", &port.to_string())
            .replace("{rest_port}", &rest.port.to_string())
            .replace("{page_rows}", &PAGE_ROWS.to_string())
            .replace("{full}", &sha256(FULL));
        let variables = [("TEST_BILLING_URL", database.url.as_str()), ("TEST_ERP_PASSWORD", "tests-of-portico")];
        let gateway = Gateway::start(directory.path(), &text, &variables).await.ready().await;
        Bed { gateway, server, directory, _rest: rest, _databases: [database, ratings] }
    }

    /// What the server was asked since the log had this length: its own words for each call.
    fn calls(&self, from: usize) -> Vec<String> {
        let log = self.log();
        let new = log.get(from..).unwrap_or_default();
        new.lines().filter(|line| line.contains("trytond.protocols.dispatcher")).map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("trytond.log")).unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Value, tag: Option<&str>) -> (StatusCode, Value) {
        let mut request = self.gateway.request(method, &format!("/odata/{path}"), FULL).json(&body);
        if let Some(tag) = tag {
            request = request.header("If-Match", tag);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> Value {
        self.gateway.json(&format!("/odata/{}", path.replace(' ', "%20")), FULL).await
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Rows of the ERP's database file, as texts.
fn oracle(directory: &TempDir, sql: &str) -> Vec<Vec<String>> {
    let connection = rusqlite::Connection::open(directory.path().join("demo.sqlite")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let text = |value: rusqlite::types::Value| match value {
        rusqlite::types::Value::Null => String::new(),
        rusqlite::types::Value::Integer(value) => value.to_string(),
        rusqlite::types::Value::Real(value) => value.to_string(),
        rusqlite::types::Value::Text(value) => value,
        rusqlite::types::Value::Blob(value) => String::from_utf8(value).unwrap(),
    };
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column).map(text)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

const CONFIG: &str = r#"
sources:
  erp:
    kind: tryton
    url: "http://127.0.0.1:{port}/"
    database: demo
    user: admin
    password: { env: TEST_ERP_PASSWORD }
    backend: sqlite
    page_rows: {page_rows}
  billing: { kind: postgres, url: { env: TEST_BILLING_URL } }
  ratings: { kind: rest, url: "http://127.0.0.1:{rest_port}", preset: postgrest }
tables:
  Ratings: { source: ratings, remote: ratings }
  Accounts:
    source: billing
    remote: public.accounts
    relationships:
      Sales: { to: Sales, on: { party: party }, many: true }
      Ratings: { to: Ratings, on: { id: account }, many: true }
  Sales:
    source: erp
    remote: sale.sale
    # This server's database is SQLite, on which it compares versions before its transaction begins.
    writes: { check_first: true }
    relationships:
      Lines: { to: Lines, on: { id: sale }, many: true }
  Lines: { source: erp, remote: sale.line }
  Parties: { source: erp, remote: party.party }
operations:
  Quote: { kind: action, bound_to: Sales, source: { name: erp, operation: sale.sale.quote, arguments: { id: id }, touches: [Sales, Lines] } }
  Confirm: { kind: action, bound_to: Sales, source: { name: erp, operation: sale.sale.confirm, arguments: { id: id }, touches: [Sales, Lines] } }
access:
  roles:
    full:
      Accounts: {}
      Ratings: {}
      Sales: { write: [insert, update, delete] }
      Lines: { write: [insert, update, delete] }
      Parties: {}
  operators: [full]
  keys:
    full: { sha256: "{full}", roles: [full] }
  anonymous: none
"#;

const JOIN: &str = r#"SELECT a.name, r.stars, s.reference, l.quantity FROM "Accounts" a JOIN "Ratings" r ON r.account = a.id
    JOIN "Sales" s ON s.party = a.party JOIN "Lines" l ON l.sale = s.id WHERE a.region = 'EMEA' AND s.state = 'draft'"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_erp_a_database_and_a_rest_api_in_one_statement() {
    let bed = Bed::start().await;
    let explained = bed.gateway.sql(&format!("EXPLAIN {JOIN}"), FULL).await.text().await.unwrap().replace("\\\"", "\"");
    assert!(explained.contains("model.sale.sale.search_read") && explained.contains("model.sale.line.search_read"), "{explained}");
    assert!(explained.contains("accounts") && explained.contains("[\"state\",\"=\",?]"), "{explained}");
    assert!(explained.contains("/ratings"), "{explained}");
    assert!(!explained.contains("'draft'") && !explained.contains("tests-of-portico"), "{explained}");

    let before = bed.log().len();
    let answer = bed.gateway.sql(JOIN, FULL).await.text().await.unwrap();
    let accounts = oracle(&bed.directory, "SELECT id FROM party_party WHERE code LIKE 'C%' ORDER BY code");
    let emea: Vec<&str> = accounts.iter().take(20).skip(2).step_by(3).map(|row| row[0].as_str()).collect();
    let sales = oracle(&bed.directory, &format!("SELECT id FROM sale_sale WHERE state = 'draft' AND party IN ({})", emea.join(",")));
    let numbers: Vec<&str> = sales.iter().map(|row| row[0].as_str()).collect();
    let lines = oracle(&bed.directory, &format!("SELECT id FROM sale_line WHERE sale IN ({})", numbers.join(",")));
    let rows: Value = serde_json::from_str(&answer).unwrap();
    let count = rows.as_array().or_else(|| rows["value"].as_array()).unwrap_or_else(|| panic!("{answer}")).len();
    assert_eq!(count, lines.len());
    // Each of both tables is asked by keys, in chunks; a full page is asked what comes after it.
    let calls = bed.calls(before);
    let chunks = |keys: usize| keys.div_ceil(PAGE_ROWS - 1);
    let pages = |rows: usize| rows.div_ceil(PAGE_ROWS);
    let most = chunks(emea.len()) + pages(sales.len()) + chunks(sales.len()) + pages(lines.len());
    assert!(calls.len() <= most && !calls.is_empty(), "{} calls instead of at most {most}:\n{}", calls.len(), calls.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expansion_asks_for_the_needed_keys_alone() {
    let bed = Bed::start().await;
    let before = bed.log().len();
    let answer = bed
        .get("Accounts?$filter=region eq 'EMEA'&$select=name,party&$expand=Ratings,Sales($select=id,reference;$expand=Lines($select=id))")
        .await;
    let accounts = answer["value"].as_array().unwrap();
    assert_eq!(accounts.len(), 8);
    let mut expected: BTreeMap<i64, usize> = BTreeMap::new();
    for row in oracle(&bed.directory, "SELECT s.party, l.id FROM sale_line l JOIN sale_sale s ON s.id = l.sale") {
        *expected.entry(row[0].parse().unwrap()).or_default() += 1;
    }
    let (mut sales, mut lines) = (0, 0);
    for account in accounts {
        // Twenty of them are rated.
        let number: usize = account["name"].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(account["Ratings"].as_array().unwrap().len(), usize::from(number < 20), "{account}");
        let of_account = account["Sales"].as_array().unwrap();
        let found: usize = of_account.iter().map(|sale| sale["Lines"].as_array().unwrap().len()).sum();
        assert_eq!(found, expected.get(&account["party"].as_i64().unwrap()).copied().unwrap_or(0), "{}", account["name"]);
        (sales, lines) = (sales + of_account.len(), lines + found);
    }
    let calls = bed.calls(before);
    let chunks = |keys: usize| keys.div_ceil(PAGE_ROWS - 1);
    // A page that is full by chance is asked what comes after it.
    let most = 2 * (chunks(accounts.len()) + sales.div_ceil(PAGE_ROWS) + chunks(sales) + lines.div_ceil(PAGE_ROWS));
    assert!(calls.len() <= most && calls.len() < sales, "{} calls for {sales} sales and {lines} lines, not at most {most}", calls.len());
    assert!(!calls.is_empty() && calls.iter().all(|call| call.contains("search_read")), "{}", calls.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_made_confirmed_and_protected() {
    let bed = Bed::start().await;
    let party: i64 = oracle(&bed.directory, "SELECT id FROM party_party WHERE code = 'C005'")[0][0].parse().unwrap();
    let address: i64 = oracle(&bed.directory, &format!("SELECT id FROM party_address WHERE party = {party}"))[0][0].parse().unwrap();
    let body = json!({"party": party, "invoice_address": address, "shipment_address": address, "reference": "over OData"});
    let (status, sale) = bed.send(Method::POST, "Sales", body, None).await;
    assert_eq!(status, StatusCode::CREATED, "{sale}");
    let id = sale["id"].as_i64().unwrap();
    assert_eq!(sale["state"], "draft");

    let product = oracle(
        &bed.directory,
        "SELECT p.id, t.default_uom FROM product_product p JOIN product_template t ON t.id = p.template ORDER BY p.id",
    );
    let (product, unit): (i64, i64) = (product[0][0].parse().unwrap(), product[0][1].parse().unwrap());
    let line = json!({"sale": id, "product": product, "quantity": 2, "unit": unit, "unit_price": 12.5});
    let (status, made) = bed.send(Method::POST, "Lines", line, None).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let stored = oracle(&bed.directory, &format!("SELECT count(*) FROM sale_line WHERE sale = {id}"));
    assert_eq!(stored[0][0], "1");

    // Who comes with an old tag is refused.
    let read = bed.get(&format!("Sales({id})?$select=id,reference")).await;
    let tag = read["@odata.etag"].as_str().unwrap().to_owned();
    let path = format!("Sales({id})");
    for (reference, expected) in [("first", StatusCode::OK), ("stale", StatusCode::PRECONDITION_FAILED)] {
        let (status, answer) = bed.send(Method::PATCH, &path, json!({"reference": reference}), Some(&tag)).await;
        assert_eq!(status, expected, "{answer}");
    }
    assert_eq!(oracle(&bed.directory, &format!("SELECT reference FROM sale_sale WHERE id = {id}"))[0][0], "first");

    // The buttons of the ERP, as actions.
    for action in ["Quote", "Confirm"] {
        let (status, answer) = bed.send(Method::POST, &format!("Sales({id})/Portico.odata.{action}"), json!({}), None).await;
        assert!(status.is_success(), "{action}: {status} {answer}");
    }
    let state = bed.get(&format!("Sales({id})?$select=state")).await;
    assert!(["confirmed", "processing", "done"].contains(&state["state"].as_str().unwrap()), "{state}");
    // What is confirmed is not removed, and the ERP says why.
    let (status, error) = bed.send(Method::DELETE, &path, json!({}), Some("*")).await;
    assert!(status.is_client_error(), "{status}");
    assert!(error.to_string().contains("cancel"), "{error}");
}

const LOCKED: &str = r#"
sources:
  erp: { kind: tryton, url: "http://127.0.0.1:{port}/", database: {database}, user: admin, password: { env: TEST_ERP_PASSWORD } }
tables:
  Parents: { source: erp, remote: portico.fixture.write_parent }
  Sales: { source: erp, remote: sale.sale, relationships: { Lines: { to: Lines, on: { id: sale }, many: true } } }
  Lines: { source: erp, remote: sale.line }
operations:
  Quote: { kind: action, bound_to: Sales, source: { name: erp, operation: sale.sale.quote, arguments: { id: id }, touches: [Sales, Lines] } }
  Confirm: { kind: action, bound_to: Sales, source: { name: erp, operation: sale.sale.confirm, arguments: { id: id }, touches: [Sales, Lines] } }
access:
  roles:
    full:
      Parents: { write: [insert, update, delete] }
      Sales: { write: [insert, update, delete] }
      Lines: { write: [insert, update, delete] }
  keys:
    full: { sha256: "{full}", roles: [full] }
  anonymous: none
"#;

/// The ERP over PostgreSQL, where its own lock decides who was first.
struct Locked {
    gateway: Gateway,
    database: Database,
    directory: TempDir,
    _server: Stopped,
}

async fn locked() -> Locked {
    let environment = PathBuf::from(std::env::var("PORTICO_TEST_TRYTON").expect("PORTICO_TEST_TRYTON names an environment"));
    let (directory, database, port) = (tempfile::tempdir().unwrap(), Database::create().await, free_port());
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let uri = server.replacen("postgres://", "postgresql://", 1);
    std::fs::write(directory.path().join("trytond.conf"), format!("[database]\nuri = {uri}\n[web]\nlisten = 127.0.0.1:{port}\n")).unwrap();
    let program = |name: &str| {
        let mut command = Command::new(environment.join("python/bin").join(name));
        let log = std::fs::File::options().create(true).append(true).open(directory.path().join("trytond.log")).unwrap();
        command.current_dir(directory.path()).stdin(Stdio::null());
        command.env("TRYTONPASSFILE", environment.join("password")).stdout(log.try_clone().unwrap()).stderr(log);
        command
    };
    let log = || std::fs::read_to_string(directory.path().join("trytond.log")).unwrap();
    for arguments in [&["--all", "--email", "admin@example.org"][..], &["-u", "sale", "portico_fixture", "--activate-dependencies"]] {
        assert!(program("trytond-admin").args(["-c", "trytond.conf", "-d", name]).args(arguments).status().unwrap().success(), "{}", log());
    }
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../providers/tryton/tests/server/demo.py");
    // What it imports chooses the kind of database before it has read its argument.
    let mut filled = program("python");
    filled.env("TRYTOND_CONFIG", directory.path().join("trytond.conf")).args([demo, "trytond.conf", name, "without-sales"]);
    assert!(filled.status().unwrap().success(), "{}", log());
    let server = Stopped(program("trytond").args(["-vv", "-c", "trytond.conf", "-d", name]).spawn().unwrap());
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "trytond did not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let text = LOCKED.replace("{port}", &port.to_string()).replace("{database}", name).replace("{full}", &sha256(FULL));
    let gateway = Gateway::start(directory.path(), &text, &[("TEST_ERP_PASSWORD", "tests-of-portico")]).await.ready().await;
    Locked { gateway, database, directory, _server: server }
}

impl Locked {
    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("trytond.log")).unwrap()
    }

    /// Sends a body, and gives the status and what came back.
    async fn send(&self, method: Method, path: &str, body: Value, tag: Option<&str>) -> (StatusCode, Value) {
        let request = self.gateway.request(method, &format!("/odata/{path}"), FULL).json(&body);
        let request = tag.map_or(request.try_clone().unwrap(), |tag| request.header("If-Match", tag));
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_the_erp_decides_who_was_first() {
    let bed = locked().await;
    a_stale_change_of_a_sale_is_refused_by_the_erp(&bed).await;
    of_many_who_change_a_record_one_is_first(&bed).await;
}

async fn a_stale_change_of_a_sale_is_refused_by_the_erp(bed: &Locked) {
    let number = async |sql: &str| bed.database.number(sql).await;
    let party = number("SELECT id::bigint FROM party_party WHERE code = 'C005'").await;
    let address = number(&format!("SELECT id::bigint FROM party_address WHERE party = {party}")).await;
    let body = json!({"party": party, "invoice_address": address, "shipment_address": address, "reference": "over OData"});
    let (status, sale) = bed.send(Method::POST, "Sales", body, None).await;
    assert_eq!(status, StatusCode::CREATED, "{sale}");
    let id = sale["id"].as_i64().unwrap();
    let product = number("SELECT min(id)::bigint FROM product_product").await;
    let unit = number("SELECT min(default_uom)::bigint FROM product_template").await;
    let line = json!({"sale": id, "product": product, "quantity": 2, "unit": unit, "unit_price": 12.5});
    let (status, made) = bed.send(Method::POST, "Lines", line, None).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(number(&format!("SELECT count(*) FROM sale_line WHERE sale = {id}")).await, 1);

    let path = format!("Sales({id})");
    // The gateway sees of most that they come too late. Of those who are as fast as the first the ERP does, which was asked to write by more than one.
    let written = |log: &str| log.matches("model.sale.sale.write>").count();
    for round in 0.. {
        let read = bed.gateway.json(&format!("/odata/{path}?$select=id,reference"), FULL).await;
        let tag = read["@odata.etag"].as_str().unwrap().to_owned();
        let before = bed.log().len();
        let change =
            async |writer: usize| bed.send(Method::PATCH, &path, json!({"reference": format!("{round}/{writer}")}), Some(&tag)).await.0;
        let outcomes = futures::future::join_all((0..6).map(change)).await;
        assert_eq!(outcomes.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|status| **status == StatusCode::PRECONDITION_FAILED).count(), 5, "{outcomes:?}");
        let log = bed.log()[before..].to_owned();
        if written(&log) > 1 {
            break;
        }
        assert!(round < 20, "the ERP was never asked by two at once:\n{log}");
    }
    for action in ["Quote", "Confirm"] {
        let (status, answer) = bed.send(Method::POST, &format!("{path}/Portico.odata.{action}"), json!({}), None).await;
        assert!(status.is_success(), "{action}: {status} {answer}");
    }
    assert_eq!(
        number(&format!("SELECT count(*) FROM sale_sale WHERE id = {id} AND state IN ('confirmed', 'processing', 'done')")).await,
        1
    );
}

async fn of_many_who_change_a_record_one_is_first(bed: &Locked) {
    let (gateway, directory) = (&bed.gateway, &bed.directory);
    let made = gateway.request(Method::POST, "/odata/Parents", FULL).json(&json!({"name": "one", "version": 1})).send().await.unwrap();
    let (status, text) = (made.status(), made.text().await.unwrap());
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let row: Value = serde_json::from_str(&text).unwrap();
    let (path, tag) = (format!("/odata/Parents({})", row["id"]), row["@odata.etag"].as_str().unwrap().to_owned());
    let patch = async |name: String| {
        let request = gateway.request(Method::PATCH, &path, FULL).header("If-Match", &tag).json(&json!({ "name": name }));
        request.send().await.unwrap().status()
    };
    let outcomes = futures::future::join_all((0..6).map(|number| patch(format!("writer {number}")))).await;
    assert_eq!(outcomes.iter().filter(|status| status.is_success()).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|status| **status == StatusCode::PRECONDITION_FAILED).count(), 5, "{outcomes:?}");
    let log = std::fs::read_to_string(directory.path().join("trytond.log")).unwrap();
    assert!(!log.contains("Traceback") || log.contains("Concurrency"), "{log}");
    assert_eq!(patch("late".to_owned()).await, StatusCode::PRECONDITION_FAILED);
}

/// A process that is stopped when it is dropped.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
