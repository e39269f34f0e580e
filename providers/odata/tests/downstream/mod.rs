//! A gateway to ask: the program itself, over a PostgreSQL database of the test's own at the server that `PORTICO_TEST_POSTGRES_URL`
//! names. The program must have been built: `cargo build --workspace --bins` (as `tests/run` does). Rows are written as SQL text, past both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "part of the tests")]

use portico_provider_api::{ConnectContext, QueryContext, ScalarType, Source, SourceError, SourceQuery, Value};
use portico_provider_odata::kind;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::{Client, NoTls};

const VARIABLE: &str = "PORTICO_TEST_POSTGRES_URL";
/// Long enough for a debug build on a busy machine.
const START: Duration = Duration::from_secs(60);
/// What the gateway's only user is known by.
pub const KEY: &str = "key-of-the-chained-gateway";

/// A fresh database.
pub struct Database {
    pub url: String,
    name: String,
    server: String,
    pub client: Arc<Client>,
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server is reachable");
    tokio::spawn(connection);
    client
}

impl Database {
    /// Creates it.
    pub async fn create() -> Database {
        let server = std::env::var(VARIABLE).unwrap_or_else(|_| {
            panic!(
                "{VARIABLE} is not set: it names the PostgreSQL server behind the gateway, postgres://user:password@127.0.0.1:5432/postgres"
            )
        });
        let name = format!("portico_{:016x}", fastrand::u64(..));
        client(&server).await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("the test role may create databases");
        let (scheme, rest) = server.split_once("://").unwrap();
        let url = format!("{scheme}://{}/{name}", rest.split('/').next().unwrap());
        let client = Arc::new(client(&url).await);
        Database { url, name, server, client }
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        if let Err(error) = self.client.batch_execute(sql).await {
            panic!("{}: {}", error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string), &sql[..sql.len().min(400)]);
        }
    }
}

/// How many statements of the gateway run in the client's database right now.
pub async fn active(client: &Client) -> usize {
    client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'portico' AND state = 'active'";
    usize::try_from(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)).unwrap()
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A test that fails drops this too, inside a runtime that cannot be waited for.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                client(&server).await.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
            });
        });
        let _ = dropped.join();
    }
}

/// A running gateway over a database; its source is called `pg`. Dropping it stops it.
pub struct Downstream {
    child: Child,
    pub port: u16,
    admin: u16,
    directory: TempDir,
    pub database: Database,
}

/// The program: …/debug/deps/conformance-1234 → …/debug/portico
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(std::path::Path::parent).unwrap().join("portico");
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

fn launch(directory: &std::path::Path, url: &str) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("log")).unwrap();
    Command::new(program())
        .args(["serve", "--config"])
        .arg(directory.join("portico.yaml"))
        .env("TEST_TOKEN_KEY", "0123456789abcdef0123456789abcdef")
        .env("TEST_PG_URL", url)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Downstream {
    /// Starts the program over a database whose tables are there already. `tables` are those of the configuration, with further parts of
    /// it behind them; `granted` are the names that the user may read; `door` are further settings of the door, each with a comma before it.
    pub async fn start(database: Database, tables: &str, granted: &[String], door: &str) -> Downstream {
        let directory = tempfile::tempdir().unwrap();
        let [port, admin] = [free_port(), free_port()];
        let grants: String =
            granted.iter().map(|name| format!("      '{}': {{ write: [insert, update, delete] }}\n", name.replace('\'', "''"))).collect();
        let hash: String = Sha256::digest(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let config = format!(
            "gateway:\n  http: {{ listen: \"127.0.0.1:{port}\"{door} }}\n  \
             admin: {{ listen: \"127.0.0.1:{admin}\" }}\n  token_key: {{ env: TEST_TOKEN_KEY }}\nsources:\n  \
             pg: {{ kind: postgres, url: {{ env: TEST_PG_URL }} }}\n{tables}access:\n  roles:\n    all:\n{grants}  \
             keys: {{ chained: {{ sha256: \"{hash}\", roles: [all] }} }}\n  anonymous: none\n"
        );
        let file = directory.path().join("portico.yaml");
        std::fs::write(&file, config).unwrap();
        let child = launch(directory.path(), &database.url);
        let mut started = Downstream { child, port, admin, directory, database };
        started.wait().await;
        started
    }

    async fn wait(&mut self) {
        let end = Instant::now() + START;
        while !ready(self.admin).await {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "the gateway did not come up ({ended:?}):\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Starts it again at the same address.
    pub async fn restart(&mut self) {
        self.child = launch(self.directory.path(), &self.database.url);
        self.wait().await;
    }

    /// Stops it, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The source under test, with further settings.
    pub fn source(&self, settings: &serde_json::Value) -> Arc<dyn Source> {
        let mut config =
            serde_json::json!({ "url": format!("http://127.0.0.1:{}/odata/", self.port), "auth": { "api_key": { "key": KEY } } });
        for (key, value) in settings.as_object().unwrap() {
            config[key] = value.clone();
        }
        connect(config).unwrap()
    }
}

impl Drop for Downstream {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn ready(port: u16) -> bool {
    let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return false };
    if stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.is_err() {
        return false;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A source over settings.
pub fn connect(config: serde_json::Value) -> Result<Arc<dyn Source>, SourceError> {
    let context = ConnectContext {
        source_name: "east".to_owned(),
        base_directory: ".".into(),
        max_connections: 8,
        timeout: Duration::from_secs(60),
        request_time: Duration::from_secs(600),
    };
    (kind().connect)(config, context)
}

/// All rows of a query.
pub async fn rows(source: &Arc<dyn Source>, query: SourceQuery, context: &QueryContext) -> Result<Vec<Vec<Value>>, SourceError> {
    use futures::TryStreamExt;
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let mut stream = source.query(query, context).await?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        rows.extend((0..batch.num_rows()).map(|row| portico_provider_api::arrays::row_at(&batch, row, &types).unwrap()));
    }
    let report = stream.report().expect("a report at the end");
    assert!(report.complete && report.rows == rows.len() as u64);
    Ok(rows)
}
