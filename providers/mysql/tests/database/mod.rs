//! A database of one's own for each test, created at the real server that `PORTICO_TEST_MYSQL_URL` names and dropped at the end.
//! Rows are written here as SQL text, on another way than the one under test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs, reason = "part of the tests")]

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use portico_provider_api::{
    ConnectContext, QueryContext, RemoteColumn, RemoteTable, RemoteTableName, ScalarType, Selection, Source, SourceError, SourceQuery,
    TableColumn, TableRelation, Value,
};
use portico_provider_mysql::kind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const VARIABLE: &str = "PORTICO_TEST_MYSQL_URL";

/// A fresh database.
pub struct Database {
    pub name: String,
    pub url: String,
    server: String,
    pub client: Arc<Mutex<Conn>>,
}

fn server_url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: it names the MariaDB or MySQL server to test against, mysql://user:password@127.0.0.1:3306/")
    })
}

pub async fn client(url: &str) -> Conn {
    let mut conn = Conn::new(Opts::from_url(url).expect("a url")).await.expect("the test server is reachable");
    conn.query_drop("SET NAMES utf8mb4").await.unwrap();
    conn.query_drop("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'").await.unwrap();
    conn
}

/// The url with another database.
pub fn with_database(url: &str, database: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a url");
    format!("{scheme}://{}/{database}", rest.split('/').next().unwrap())
}

impl Database {
    /// Creates it, with the collation that servers come with: it ignores case, accents and spaces at the end.
    pub async fn create() -> Database {
        let server = server_url();
        let name = format!("portico_{:016x}", fastrand::u64(..));
        let sql = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        client(&server).await.query_drop(sql).await.expect("the test user may create databases");
        let url = with_database(&server, &name);
        let client = Arc::new(Mutex::new(client(&url).await));
        Database { name, url, server, client }
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        if let Err(error) = self.client.lock().await.query_drop(sql).await {
            panic!("{error}: {}", sql.chars().take(400).collect::<String>());
        }
    }

    /// The first column of the first row, as text.
    pub async fn text(&self, sql: &str) -> String {
        self.client.lock().await.query_first(sql).await.unwrap().unwrap()
    }

    /// The source under test.
    pub fn source(&self, connections: usize) -> Arc<dyn Source> {
        connect(&self.url, connections).unwrap()
    }

    /// Closes the source's connections at the server; how many. One that was closed before may still be listed.
    pub async fn kill_connections(&self) -> usize {
        let mut client = self.client.lock().await;
        let sql = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND COMMAND <> 'Killed'";
        let ids: Vec<u64> = client.query(sql).await.unwrap();
        for id in &ids {
            client.query_drop(format!("KILL {id}")).await.unwrap();
        }
        ids.len()
    }

    /// How many of the source's statements run right now.
    pub async fn active(&self) -> usize {
        active(&self.client).await
    }

    /// Waits until no statement of the source runs.
    pub async fn quiet(&self, within: Duration) -> bool {
        let end = std::time::Instant::now() + within;
        while std::time::Instant::now() < end {
            if self.active().await == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

/// How many statements other than this one run in the client's database right now.
pub async fn active(client: &Mutex<Conn>) -> usize {
    let sql = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND COMMAND <> 'Sleep'";
    client.lock().await.query_first(sql).await.unwrap().unwrap()
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A test that fails drops this too, inside a runtime that cannot be waited for.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let mut client = client(&server).await;
                // A statement that still runs would hold the tables.
                let sql = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{name}'");
                for id in client.query::<u64, _>(sql).await.unwrap() {
                    let _ = client.query_drop(format!("KILL {id}")).await;
                }
                client.query_drop(format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
            });
        });
        let _ = dropped.join();
    }
}

/// A source over a url.
pub fn connect(url: &str, connections: usize) -> Result<Arc<dyn Source>, SourceError> {
    connect_with(serde_json::json!({ "url": url }), connections)
}

/// A source with these settings.
pub fn connect_with(settings: serde_json::Value, connections: usize) -> Result<Arc<dyn Source>, SourceError> {
    connect_within(settings, connections, Duration::from_secs(60))
}

/// A source that is waited for only so long.
pub fn patient(url: &str, mut settings: serde_json::Value, connections: usize, timeout: Duration) -> Arc<dyn Source> {
    settings["url"] = url.into();
    connect_within(settings, connections, timeout).unwrap()
}

fn connect_within(settings: serde_json::Value, connections: usize, timeout: Duration) -> Result<Arc<dyn Source>, SourceError> {
    let context = ConnectContext {
        source_name: "shop".to_owned(),
        base_directory: ".".into(),
        max_connections: connections,
        timeout,
        request_time: Duration::from_secs(600),
    };
    (kind().connect)(settings, context)
}

/// A context whose deadline is that far away.
pub fn within(time: Duration) -> QueryContext {
    let end = std::time::SystemTime::now() + time;
    let mut context = QueryContext::default();
    context.request.deadline_unix_ms = Some(u64::try_from(end.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap());
    context
}

/// A column in scope, as introspected.
pub fn in_scope(column: &RemoteColumn) -> TableColumn {
    TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type.clone()),
    }
}

/// The table of that name in the url's database, as introspected.
pub async fn introspect(source: &Arc<dyn Source>, table: &str) -> RemoteTable {
    let wanted = Selection::Tables(vec![RemoteTableName(vec![table.to_owned()])]);
    let schema = source.remote_schema(&wanted, &QueryContext::default()).await.unwrap();
    schema.tables.into_iter().next().unwrap_or_else(|| panic!("no table {table}"))
}

/// All of a table's columns in scope.
pub async fn relation(source: &Arc<dyn Source>, table: &str) -> TableRelation {
    let table = introspect(source, table).await;
    TableRelation { columns: table.columns.iter().map(in_scope).collect(), table: table.name }
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
