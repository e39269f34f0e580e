//! A real PostgREST over a database of one's own at the server that `PORTICO_TEST_POSTGRES_URL` names; `PORTICO_TEST_POSTGREST` names the program.
#![allow(dead_code, reason = "not every test needs all of it")]

use portico_provider_api::{ConnectContext, Source};
use portico_provider_rest::kind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// Nothing but a name for what a table of types may hold.
pub const TYPES: () = ();

fn variable(name: &str, what: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: it names {what}"))
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server is reachable");
    tokio::spawn(connection);
    client
}

/// A fresh database.
pub struct Database {
    name: String,
    pub url: String,
    server: String,
    pub client: Arc<Client>,
}

impl Database {
    /// Creates it.
    pub async fn create() -> Database {
        let server = variable("PORTICO_TEST_POSTGRES_URL", "the PostgreSQL server to test against");
        let name = format!("portico_rest_{:016x}", fastrand::u64(..));
        client(&server).await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("the test role may create databases");
        let (front, _) = server.rsplit_once('/').expect("a url with a database");
        let url = format!("{front}/{name}");
        let client = Arc::new(client(&url).await);
        Database { name, url, server, client }
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        if let Err(error) = self.client.batch_execute(sql).await {
            panic!("{}: {}", error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string), &sql[..sql.len().min(400)]);
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                client(&server).await.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
            });
        });
        let _ = dropped.join();
    }
}

/// A running PostgREST.
pub struct PostgRest {
    process: Child,
    pub url: String,
}

impl PostgRest {
    /// Starts it over a database.
    pub async fn start(database: &str) -> PostgRest {
        PostgRest::start_with(database, &[]).await
    }

    /// The same with further settings.
    pub async fn start_with(database: &str, settings: &[(&str, &str)]) -> PostgRest {
        let program = variable("PORTICO_TEST_POSTGREST", "the PostgREST program: tests/run installs it");
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command
            .env("PGRST_DB_URI", database)
            .env("PGRST_DB_SCHEMAS", "public")
            .env("PGRST_DB_ANON_ROLE", "postgres")
            .env("PGRST_SERVER_HOST", "127.0.0.1")
            .env("PGRST_SERVER_PORT", port.to_string())
            .env("PGRST_LOG_LEVEL", "crit")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, value) in settings {
            command.env(name, value);
        }
        let process = command.spawn().expect("PostgREST starts");
        let server = PostgRest { process, url: format!("http://127.0.0.1:{port}") };
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            // It answers once it has read the schema.
            let source = server.source(serde_json::json!({"preset": "postgrest"}));
            if source.remote_schema(&portico_provider_api::Selection::All, &portico_provider_api::QueryContext::default()).await.is_ok() {
                return server;
            }
            assert!(Instant::now() < end, "PostgREST did not come up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A source over it.
    pub fn source(&self, settings: serde_json::Value) -> Arc<dyn Source> {
        source(&self.url, settings)
    }
}

impl Drop for PostgRest {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A context for tests.
pub fn connect_context() -> ConnectContext {
    ConnectContext {
        source_name: "shop".to_owned(),
        base_directory: ".".into(),
        max_connections: 8,
        timeout: Duration::from_secs(30),
        request_time: Duration::from_secs(600),
    }
}

/// A source at a URL.
pub fn source(url: &str, mut settings: serde_json::Value) -> Arc<dyn Source> {
    settings["url"] = url.into();
    (kind().connect)(settings, connect_context()).unwrap()
}
