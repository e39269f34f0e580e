//! A database of one's own for each test: created at the real servers that `PORTICO_TEST_POSTGRES_URL` and `PORTICO_TEST_MYSQL_URL` name, or a
//! file, and removed at the end. Rows are written here as SQL text, without parameters, on connections without settings of the kind's.
#![allow(dead_code, missing_docs, reason = "part of the tests")]

use futures::TryStreamExt;
use odbc_api::{Connection, ConnectionOptions, Cursor};
use portico_provider_api::arrays::row_at;
use portico_provider_api::{
    ConnectContext, QueryContext, RemoteTable, RemoteTableName, ScalarType, Selection, Source, SourceError, SourceQuery, TableColumn,
    TableRelation, Value,
};
use portico_provider_odbc::kind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Postgres,
    Mariadb,
    Sqlite,
}

/// A fresh database.
pub struct Database {
    pub product: Product,
    pub name: String,
    /// What a source connects with, but for user and password.
    pub connection: String,
    pub user: Option<String>,
    pub password: Option<String>,
    /// What must be in no message.
    pub secret: String,
    /// For the test itself.
    client: Mutex<Connection<'static>>,
    /// Whether SQLite's driver is given halves of UTF-16 units, as in the locale `C`.
    halves: bool,
    drop_with: Option<(String, String)>,
    _directory: Option<tempfile::TempDir>,
}

/// `scheme://user:password@host:port/database` in its parts.
fn parts(variable: &str) -> [String; 5] {
    let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: it names the server to test against"));
    let rest = url.split_once("://").expect("a url").1;
    let (credentials, place) = rest.split_once('@').expect("a url with a user");
    let (user, password) = credentials.split_once(':').expect("a url with a password");
    let (address, database) = place.split_once('/').expect("a url with a path");
    let (host, port) = address.split_once(':').expect("a url with a port");
    [user, password, host, port, database].map(str::to_owned)
}

pub fn open(connection: &str) -> Connection<'static> {
    let environment = odbc_api::environment().unwrap();
    environment.connect_with_connection_string(connection, ConnectionOptions::default()).expect("the test's own connection")
}

impl Database {
    pub fn create(product: Product) -> Database {
        let name = format!("portico_odbc_{:016x}", fastrand::u64(..));
        match product {
            Product::Postgres => {
                let [user, password, host, port, database] = parts("PORTICO_TEST_POSTGRES_URL");
                let driver = format!("Driver={{PostgreSQL Unicode}};Server={host};Port={port}");
                let admin = format!("{driver};Database={database};UID={user};PWD={password}");
                open(&admin).execute(&format!("CREATE DATABASE {name}"), (), None).expect("the test user may create databases");
                let connection = format!("{driver};Database={name}");
                let drop_with = Some((admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
                Database::at(product, name, connection, Some(user), Some(password), drop_with, None)
            }
            Product::Mariadb => {
                let [user, password, host, port, _] = parts("PORTICO_TEST_MYSQL_URL");
                let driver = format!("Driver={{MariaDB Unicode}};Server={host};Port={port}");
                let admin = format!("{driver};UID={user};PWD={password}");
                let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
                open(&admin).execute(&create, (), None).expect("the test user may create databases");
                let connection = format!("{driver};Database={name}");
                Database::at(
                    product,
                    name.clone(),
                    connection,
                    Some(user),
                    Some(password),
                    Some((admin, format!("DROP DATABASE {name}"))),
                    None,
                )
            }
            Product::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("data.db");
                let connection = format!("Driver={{SQLite3}};Database={}", file.display());
                Database::at(product, name, connection, None, None, None, Some(directory))
            }
        }
    }

    fn at(
        product: Product,
        name: String,
        connection: String,
        user: Option<String>,
        password: Option<String>,
        drop_with: Option<(String, String)>,
        directory: Option<tempfile::TempDir>,
    ) -> Database {
        let credentials = match (&user, &password) {
            (Some(user), Some(password)) => format!(";UID={user};PWD={password}"),
            _ => ";Timeout=50".to_owned(),
        };
        let credentials = if product == Product::Mariadb { format!("{credentials};CHARSET=utf8mb4") } else { credentials };
        // A file's directory must be in no message either.
        let secret = password.clone().unwrap_or_else(|| directory.as_ref().unwrap().path().to_str().unwrap().to_owned());
        let client = Mutex::new(open(&format!("{connection}{credentials}")));
        let mut database =
            Database { product, name, connection, user, password, secret, client, halves: false, drop_with, _directory: directory };
        database.halves = product == Product::Sqlite && database.texts("SELECT hex('é')") == ["E9"];
        match product {
            Product::Postgres => database.run("SET TIME ZONE 'UTC'"),
            Product::Mariadb => {
                database.run("SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00'");
            }
            Product::Sqlite => database.run("PRAGMA synchronous = OFF"),
        }
        database
    }

    /// Runs a statement.
    pub fn run(&self, sql: &str) {
        let units: String = if self.halves { sql.bytes().map(char::from).collect() } else { sql.to_owned() };
        if let Err(error) = self.client.lock().unwrap_or_else(PoisonError::into_inner).execute(&units, (), None) {
            panic!("{error}: {}", sql.chars().take(400).collect::<String>());
        }
    }

    /// The first column of all rows, as text.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cursor = client.execute(sql, (), None).unwrap().expect("rows");
        let (mut texts, mut buffer) = (Vec::new(), Vec::new());
        while let Some(mut row) = cursor.next_row().unwrap() {
            row.get_wide_text(1, &mut buffer).unwrap();
            texts.push(String::from_utf16(&buffer).unwrap());
        }
        texts
    }

    /// The name of a table as the source publishes it.
    pub fn path(&self, table: &str) -> Vec<String> {
        match self.product {
            Product::Postgres => vec!["public".to_owned(), table.to_owned()],
            Product::Mariadb => vec![self.name.clone(), table.to_owned()],
            Product::Sqlite => vec![table.to_owned()],
        }
    }

    /// How many of the source's statements run right now.
    pub fn active(&self) -> usize {
        match self.product {
            Product::Postgres => {
                let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                    AND backend_type = 'client backend' AND state <> 'idle'";
                self.texts(sql)[0].parse().unwrap()
            }
            Product::Mariadb => {
                let sql = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() \
                    AND COMMAND NOT IN ('Sleep', 'Killed')";
                self.texts(sql)[0].parse().unwrap()
            }
            // Without a write-ahead log, nobody gets an exclusive lock as long as a statement runs.
            Product::Sqlite => {
                let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
                match client.execute("BEGIN EXCLUSIVE", (), None) {
                    Ok(_) => {
                        client.execute("ROLLBACK", (), None).unwrap();
                        0
                    }
                    Err(_) => 1,
                }
            }
        }
    }

    /// Ends the source's connections at the server; how many.
    pub fn kill_connections(&self) -> usize {
        match self.product {
            Product::Postgres => {
                let sql = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
                self.texts(sql).len()
            }
            Product::Mariadb => {
                let ids = self.texts("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()");
                let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
                for id in &ids {
                    // One that is gone already is as good as ended.
                    match client.execute(&format!("KILL {id}"), (), None) {
                        Err(odbc_api::Error::Diagnostics { record, .. }) if record.native_error == 1094 => {}
                        other => drop(other.unwrap()),
                    }
                }
                ids.len()
            }
            Product::Sqlite => 0,
        }
    }

    /// Waits until no statement of the source runs.
    pub async fn quiet(&self, within: Duration) -> bool {
        let end = std::time::Instant::now() + within;
        while std::time::Instant::now() < end {
            if self.active() == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    pub fn settings(&self) -> serde_json::Value {
        let mut settings = serde_json::json!({ "connection": self.connection });
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            settings["user"] = user.as_str().into();
            settings["password"] = password.as_str().into();
        }
        settings
    }

    /// The source under test.
    pub fn source(&self, connections: usize) -> Arc<dyn Source> {
        connect(self.settings(), connections).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((admin, sql)) = &self.drop_with {
            if self.product == Product::Mariadb {
                self.kill_connections();
            }
            open(admin).execute(sql, (), None).unwrap();
        }
    }
}

/// A source with these settings.
pub fn connect(settings: serde_json::Value, connections: usize) -> Result<Arc<dyn Source>, SourceError> {
    let context = ConnectContext {
        source_name: "shop".to_owned(),
        base_directory: ".".into(),
        max_connections: connections,
        timeout: Duration::from_secs(60),
        request_time: Duration::from_secs(600),
    };
    (kind().connect)(settings, context)
}

/// A context whose deadline is that far away.
pub fn within(time: Duration) -> QueryContext {
    let end = SystemTime::now() + time;
    let mut context = QueryContext::default();
    context.request.deadline_unix_ms = Some(u64::try_from(end.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap());
    context
}

/// The table of that name, as introspected.
pub async fn introspect(source: &Arc<dyn Source>, table: &str) -> RemoteTable {
    let wanted = Selection::Tables(vec![RemoteTableName(vec![table.to_owned()])]);
    let schema = source.remote_schema(&wanted, &QueryContext::default()).await.unwrap();
    schema.tables.into_iter().next().unwrap_or_else(|| panic!("no table {table}"))
}

/// All of a table's columns in scope.
pub async fn relation(source: &Arc<dyn Source>, database: &Database, table: &str) -> TableRelation {
    let described = introspect(source, table).await;
    let columns = described.columns.iter().map(|column| TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type.clone()),
    });
    TableRelation { columns: columns.collect(), table: RemoteTableName(database.path(table)) }
}

/// All rows of a query.
pub async fn rows(source: &Arc<dyn Source>, query: SourceQuery, context: &QueryContext) -> Result<Vec<Vec<Value>>, SourceError> {
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let mut stream = source.query(query, context).await?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        rows.extend((0..batch.num_rows()).map(|row| row_at(&batch, row, &types).unwrap()));
    }
    let report = stream.report().expect("a report at the end");
    assert!(report.complete && report.rows == rows.len() as u64);
    Ok(rows)
}
