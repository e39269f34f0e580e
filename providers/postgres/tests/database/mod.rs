//! A database of one's own for each test, created at the real server that `PORTICO_TEST_POSTGRES_URL` names and dropped at the end.
//! Rows are written here as SQL text, on another way than the one under test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "part of the tests")]

use portico_provider_api::{
    ConnectContext, QueryContext, RemoteColumn, RemoteTable, RemoteTableName, ScalarType, Selection, Source, SourceError, SourceQuery,
    TableColumn, TableRelation, Value,
};
use portico_provider_postgres::kind;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

const VARIABLE: &str = "PORTICO_TEST_POSTGRES_URL";

/// A fresh database.
pub struct Database {
    pub name: String,
    pub url: String,
    server: String,
    pub client: Arc<Client>,
}

fn server_url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: it names the PostgreSQL server to test against, postgres://user:password@127.0.0.1:5432/postgres")
    })
}

/// A connection.
pub async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server is reachable");
    tokio::spawn(connection);
    client
}

/// The url with another database.
fn with_database(url: &str, database: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a url");
    let (rest, query) = rest.split_once('?').map_or((rest, String::new()), |(rest, query)| (rest, format!("?{query}")));
    let host = rest.split('/').next().unwrap();
    format!("{scheme}://{host}/{database}{query}")
}

impl Database {
    /// Creates it.
    pub async fn create() -> Database {
        let server = server_url();
        let name = format!("portico_{:016x}", fastrand::u64(..));
        client(&server).await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("the test role may create databases");
        let url = with_database(&server, &name);
        let client = Arc::new(client(&url).await);
        Database { name, url, server, client }
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        if let Err(error) = self.client.batch_execute(sql).await {
            panic!("{}: {}", error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string), &sql[..sql.len().min(400)]);
        }
    }

    /// The first column of the first row, as text.
    pub async fn text(&self, sql: &str) -> String {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// The source under test.
    pub fn source(&self, connections: usize) -> Arc<dyn Source> {
        connect(&self.url, connections).unwrap()
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

/// How many statements of the source run in the client's database right now. A transaction would otherwise go on seeing what it saw
/// first.
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

/// A source over a url.
pub fn connect(url: &str, connections: usize) -> Result<Arc<dyn Source>, SourceError> {
    connect_with(url, connections, serde_json::json!({}))
}

/// A source over a url, with further settings.
pub fn connect_with(url: &str, connections: usize, settings: serde_json::Value) -> Result<Arc<dyn Source>, SourceError> {
    connect_within(url, connections, settings, Duration::from_secs(60))
}

/// A source that is waited for only so long.
pub fn patient(url: &str, settings: serde_json::Value, connections: usize, timeout: Duration) -> Arc<dyn Source> {
    connect_within(url, connections, settings, timeout).unwrap()
}

fn connect_within(
    url: &str,
    connections: usize,
    mut settings: serde_json::Value,
    timeout: Duration,
) -> Result<Arc<dyn Source>, SourceError> {
    let context = ConnectContext {
        source_name: "billing".to_owned(),
        base_directory: ".".into(),
        max_connections: connections,
        timeout,
        request_time: Duration::from_secs(600),
    };
    settings["url"] = url.into();
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

/// The table of that name in `public`, as introspected.
pub async fn introspect(source: &Arc<dyn Source>, table: &str) -> RemoteTable {
    let wanted = Selection::Tables(vec![RemoteTableName(vec!["public".to_owned(), table.to_owned()])]);
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
