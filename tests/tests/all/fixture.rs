//! Two sources full of rows that the tests know: customers in a SQLite file, invoices in a PostgreSQL database of their own. The rows
//! are data here, so that what a query should answer is computed on another way than the one under test.

use super::gateway::{Gateway, sha256};
use std::fmt::Write;
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Sees and writes everything.
pub const FULL: &str = "key-of-the-full-role";
/// Sees customers of its region, no tax numbers, and masked cities; changes customers.
pub const EMEA: &str = "key-of-the-emea-role";
/// Sees invoices only.
pub const CLERK: &str = "key-of-the-clerk-role";

#[derive(Debug, Clone)]
pub struct Customer {
    pub id: i64,
    pub name: String,
    pub region: &'static str,
    pub city: Option<&'static str>,
    /// In cents.
    pub credit: Option<i64>,
    pub since: &'static str,
    pub active: bool,
}

#[derive(Debug, Clone)]
pub struct Invoice {
    pub id: i64,
    pub customer: i64,
    /// In cents.
    pub amount: i64,
    pub issued: String,
    pub paid: bool,
    pub note: Option<String>,
}

pub fn customers() -> Vec<Customer> {
    let cities = [Some("Berlin"), None, Some("lyon"), Some("O'Hara"), Some("100%_Ä"), Some("")];
    let since = ["2019-12-31", "2020-01-01", "2021-06-15", "2024-02-29"];
    (1..=24)
        .map(|id| Customer {
            id,
            name: format!("Customer {id:02}"),
            region: ["AMER", "APAC", "EMEA"][id as usize % 3],
            city: cities[id as usize % cities.len()],
            credit: (id % 5 != 0).then_some(id * 1_050 - 7_000),
            since: since[id as usize % since.len()],
            active: id % 4 != 0,
        })
        .collect()
}

pub fn invoices() -> Vec<Invoice> {
    (1..=120)
        .map(|id| Invoice {
            id,
            // Customers 21 to 24 have none.
            customer: (id - 1) % 20 + 1,
            amount: id * 1_234 + 56,
            issued: format!("2024-{:02}-{:02}", id % 12 + 1, id % 28 + 1),
            paid: id % 3 == 0,
            note: (id % 7 != 0).then(|| format!("note {id}")),
        })
        .collect()
}

pub fn cents(value: i64) -> String {
    format!("{}{}.{:02}", if value < 0 { "-" } else { "" }, value.abs() / 100, value.abs() % 100)
}

/// The sources.
pub struct Sources {
    pub directory: TempDir,
    pub database: Database,
}

impl Sources {
    pub async fn create() -> Sources {
        let directory = tempfile::tempdir().unwrap();
        write_crm(&directory.path().join("crm.sqlite"));
        let database = Database::create().await;
        let mut sql = String::from(
            "CREATE TABLE invoices (id bigint PRIMARY KEY, customer_id bigint NOT NULL, amount numeric(12,2) NOT NULL,
             issued date NOT NULL, paid boolean NOT NULL DEFAULT false, note text);
             CREATE TABLE lines (invoice_id bigint NOT NULL REFERENCES invoices (id), no int NOT NULL, product text NOT NULL,
             PRIMARY KEY (invoice_id, no));",
        );
        for i in invoices() {
            let note = i.note.map_or("NULL".to_owned(), |note| format!("'{note}'"));
            let (id, customer, amount, issued, paid) = (i.id, i.customer, cents(i.amount), i.issued, i.paid);
            writeln!(sql, "INSERT INTO invoices VALUES ({id}, {customer}, {amount}, '{issued}', {paid}, {note});").unwrap();
            writeln!(sql, "INSERT INTO lines VALUES ({id}, 1, 'first'), ({id}, 2, 'second');").unwrap();
        }
        sql.push_str("ANALYZE;");
        database.run(&sql).await;
        Sources { directory, database }
    }

    /// The configuration of both sources, without `gateway:`.
    pub fn config(&self) -> String {
        let hashes = [FULL, EMEA, CLERK].map(sha256);
        CONFIG.replace("{full}", &hashes[0]).replace("{emea}", &hashes[1]).replace("{clerk}", &hashes[2])
    }

    /// A gateway over both, with all sources ready.
    pub async fn serve(&self) -> Gateway {
        self.serve_config(&self.config()).await
    }

    pub async fn serve_config(&self, config: &str) -> Gateway {
        Gateway::start(self.directory.path(), config, &self.environment()).await.ready().await
    }

    pub fn environment(&self) -> [(&'static str, &str); 1] {
        [("TEST_BILLING_URL", self.database.url.as_str())]
    }

    /// A number from the CRM file, read past the gateway.
    pub fn crm_text(&self, sql: &str) -> String {
        let connection = rusqlite::Connection::open(self.directory.path().join("crm.sqlite")).unwrap();
        connection.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0)).map(|value| format!("{value:?}")).unwrap()
    }
}

const CONFIG: &str = r#"
sources:
  crm: { kind: sqlite, path: crm.sqlite }
  billing: { kind: postgres, url: { env: TEST_BILLING_URL } }
tables:
  Regions: { source: crm, remote: regions, freshness: 1h }
  Customers:
    source: crm
    remote: customers
    columns:
      Id: { remote: id }
      Name: { remote: name }
      Region: { remote: region }
      City: { remote: city }
      Credit: { remote: credit }
      Since: { remote: since }
      TaxId: { remote: tax_id }
      Active: { remote: active }
    relationships:
      Invoices: { to: Invoices, on: { Id: customer_id }, many: true }
      Home: { to: Regions, on: { Region: code } }
  Invoices:
    source: billing
    remote: public.invoices
    version: xmin
    relationships:
      Customer: { to: Customers, on: { customer_id: Id } }
      Lines: { to: Lines, on: { id: invoice_id }, many: true }
  Lines: { source: billing, remote: lines }
  Revenue:
    sql: 'SELECT c."Id" AS "Id", sum(i.amount) AS "Total" FROM "Customers" c JOIN "Invoices" i ON i.customer_id = c."Id" GROUP BY c."Id"'
    key: [Id]
access:
  roles:
    full:
      Customers: { write: [insert, update, delete] }
      Invoices: { write: [insert, update, delete] }
      Lines: {}
      Regions: {}
      Revenue: {}
    emea:
      Customers: { rows: "Region = principal.region", hide: [TaxId], mask: { City: "'***'" }, write: [update] }
      Invoices: {}
      Revenue: {}
    clerk:
      Invoices: {}
  operators: [full]
  keys:
    full: { sha256: "{full}", roles: [full] }
    emea: { sha256: "{emea}", roles: [emea], attributes: { region: EMEA }, in: [header, query] }
    clerk: { sha256: "{clerk}", roles: [clerk] }
  anonymous: none
"#;

fn write_crm(path: &std::path::Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE regions (code TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL);
             INSERT INTO regions VALUES ('AMER', 'The Americas'), ('APAC', 'Asia and the Pacific'), ('EMEA', 'Europe, Middle East, Africa');
             CREATE TABLE customers (id INTEGER PRIMARY KEY NOT NULL, name VARCHAR(60) NOT NULL, region TEXT NOT NULL REFERENCES regions (code),
             city TEXT, credit DECIMAL(15,2), since DATE NOT NULL, tax_id TEXT NOT NULL, active BOOLEAN NOT NULL);",
        )
        .unwrap();
    for c in customers() {
        let values = rusqlite::params![c.id, c.name, c.region, c.city, c.credit.map(cents), c.since, format!("TAX-{:04}", c.id), c.active];
        connection.execute("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values).unwrap();
    }
}

/// A database of one's own at the server that `PORTICO_TEST_POSTGRES_URL` names. Dropping it drops the database.
pub struct Database {
    pub name: String,
    pub url: String,
    server: String,
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.unwrap_or_else(|error| panic!("PostgreSQL does not answer: {error}"));
    tokio::spawn(connection);
    client
}

impl Database {
    pub async fn create() -> Database {
        let server = std::env::var("PORTICO_TEST_POSTGRES_URL").expect(
            "PORTICO_TEST_POSTGRES_URL is not set: run tests/run, or name a server, postgres://user:password@127.0.0.1:5432/postgres",
        );
        let name = format!("portico_{:016x}", fastrand::u64(..));
        connect(&server).await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("the test role may create databases");
        let (scheme, rest) = server.split_once("://").unwrap();
        let url = format!("{scheme}://{}/{name}", rest.split('/').next().unwrap());
        Database { name, url, server }
    }

    pub async fn run(&self, sql: &str) {
        connect(&self.url).await.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// The first column of the first row.
    pub async fn number(&self, sql: &str) -> i64 {
        connect(&self.url).await.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// How many statements of others run in the database right now.
    pub async fn active(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()",
        )
        .await
    }

    /// Waits until no statement runs.
    pub async fn quiet(&self, within: Duration) -> bool {
        let end = std::time::Instant::now() + within;
        while std::time::Instant::now() < end {
            if self.active().await == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own: this one may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let Ok((client, connection)) = tokio_postgres::connect(&server, NoTls).await else { return };
                tokio::spawn(connection);
                let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            });
        });
        let _ = dropped.join();
    }
}
