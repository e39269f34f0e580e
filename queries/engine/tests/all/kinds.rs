//! The same rows in five sources under one engine: memory, memory that can evaluate nothing, a SQLite file, a PostgreSQL server, and a
//! MariaDB server. Rows get into the databases as SQL text, on another way than the one under test.

use crate::harness::{Incapable, context, principal, table};
use crate::odata_reference::Related;
use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use portico_catalog::{ModelDefinition, ModelView, TableDefinition};
use portico_engine::{Answer, Engine, EngineError, EngineSettings, EntityRead, Paging, Statement};
use portico_odata::{BoundQuery, BoundRead, EntityBatch, ODataError, bind, parse};
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::value::Float;
use portico_provider_api::{
    ConnectContext, NativeRequest, QueryContext, QueryStream, RemoteColumn, RemoteSchema, ScalarType, Selection, Source, SourceError,
    SourceQuery, Value,
};
use portico_provider_memory::MemorySource;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

const SERVER: &str = "PORTICO_TEST_POSTGRES_URL";
const MARIADB: &str = "PORTICO_TEST_MYSQL_URL";
/// Relationships of each kind's rows with each other, where the rows have the columns: along a key, back again, between rows that share a
/// value, and to one of several rows that do.
const RELATIONSHIPS: [(&str, &str, &str, bool); 4] =
    [("Next", "Big", "Id", false), ("Previous", "Id", "Big", true), ("Peers", "M", "M", true), ("Fellow", "Code", "Code", false)];

/// What is said of rows that have places.
const PLACES: &str = r#""points": { "Place": { "latitude": "Lat", "longitude": "Lon" } },
  "columns": { "Id": {}, "Lat": {}, "Lon": {}, "Desk": { "spatial": { "type": "GeometryPoint" } }, "Area": { "spatial": { "type": "GeometryPolygon" } } },"#;

fn tables(columns: &[Column]) -> String {
    let known = |name: &str| columns.iter().any(|column| column.name == name);
    let table = |kind: &&str| {
        let relationships = RELATIONSHIPS
            .iter()
            .filter(|(_, own, theirs, _)| known(own) && known(theirs))
            .map(|(name, own, theirs, many)| format!(r#""{name}": {{ "to": "{kind}", "on": {{ "{own}": "{theirs}" }}, "many": {many} }}"#));
        let relationships = relationships.collect::<Vec<_>>().join(", ");
        let remote = if *kind == "Postgres" { "public.t" } else { "t" };
        let source = kind.to_lowercase();
        let places = if known("Desk") { PLACES } else { "" };
        format!(r#""{kind}": {{ "source": "{source}", "remote": "{remote}", {places} "relationships": {{ {relationships} }} }}"#)
    };
    format!("{{ {} }}", KINDS.iter().map(table).collect::<Vec<_>>().join(", "))
}

const ACCESS: &str = r#"{ "roles": { "all": { "Memory": {}, "Incapable": {}, "Sqlite": {}, "Postgres": {}, "Mysql": {} } } }"#;

/// The tables of the model; each holds the rows of [`World::rows`] of the same position.
pub const KINDS: [&str; 5] = ["Memory", "Incapable", "Sqlite", "Postgres", "Mysql"];

#[derive(Debug, Clone)]
pub struct Column {
    pub name: &'static str,
    pub scalar_type: ScalarType,
    pub nullable: bool,
}

pub struct World {
    pub engine: Engine,
    pub view: Arc<ModelView>,
    pub memory: Arc<MemorySource>,
    service: String,
    /// What the kinds were asked, in their own languages.
    sent: Arc<Mutex<Vec<String>>>,
    columns: Vec<Column>,
    /// Which columns can be null.
    pub nullable: Vec<bool>,
    /// What each kind stores: SQLite has neither NaN nor a negative zero, MariaDB's timestamps are few.
    pub rows: [Vec<Vec<Value>>; 5],
    file: tempfile::TempDir,
    database: Database,
    mariadb: Mariadb,
}

/// A source whose requests are kept as its kind would send them.
struct Observed {
    inner: Arc<dyn Source>,
    sent: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Source for Observed {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        self.inner.remote_schema(wanted, context).await
    }
    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        self.sent.lock().unwrap().extend(self.inner.describe(&query).into_iter().map(|native| native.text));
        self.inner.query(query, context).await
    }
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.inner.describe(query)
    }
}

/// A database of one's own at the test server.
pub struct Database {
    server: String,
    name: String,
    pub client: Client,
}

async fn connected(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server is reachable");
    tokio::spawn(connection);
    client
}

impl Database {
    /// Creates it; the second value is its URL.
    pub async fn create() -> (Database, String) {
        let server = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!(
                "{SERVER} is not set: it names the PostgreSQL server to test against, postgres://user:password@127.0.0.1:5432/postgres; \
                 providers/postgres/tests/server.sh starts one"
            )
        });
        let name = format!("portico_{:016x}", fastrand::u64(..));
        connected(&server).await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("the test role may create databases");
        let (base, _) = server.rsplit_once('/').expect("the url names a database");
        let url = format!("{base}/{name}");
        let client = connected(&url).await;
        (Database { server, name, client }, url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A test that fails drops this inside a runtime that cannot be waited for.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                connected(&server).await.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
            });
        });
        let _ = dropped.join();
    }
}

/// The like at the MariaDB server.
struct Mariadb {
    server: String,
    name: String,
    client: tokio::sync::Mutex<mysql_async::Conn>,
}

async fn mariadb_client(url: &str) -> mysql_async::Conn {
    let mut client = mysql_async::Conn::from_url(url).await.expect("the MariaDB test server is reachable");
    client.query_drop("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ANSI_QUOTES', time_zone = '+00:00'").await.unwrap();
    client
}

impl Mariadb {
    /// Creates a database with the collation that servers come with; the second value is its URL.
    async fn create() -> (Mariadb, String) {
        let server = std::env::var(MARIADB).unwrap_or_else(|_| {
            panic!(
                "{MARIADB} is not set: it names the MariaDB server to test against, mysql://user:password@127.0.0.1:3306/; \
                 providers/mysql/tests/server.sh starts one"
            )
        });
        let name = format!("portico_{:016x}", fastrand::u64(..));
        let sql = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        mariadb_client(&server).await.query_drop(sql).await.expect("the test user may create databases");
        let url = format!("{}/{name}", server.trim_end_matches('/'));
        let client = tokio::sync::Mutex::new(mariadb_client(&url).await);
        (Mariadb { server, name, client }, url)
    }

    async fn run(&self, sql: &str) {
        let outcome = self.client.lock().await.query_drop(sql).await;
        outcome.unwrap_or_else(|error| panic!("{error}: {}", sql.chars().take(300).collect::<String>()));
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                mariadb_client(&server).await.query_drop(format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
            });
        });
        let _ = dropped.join();
    }
}

impl World {
    /// Rows of the columns in all kinds; the first column is the key.
    pub async fn new(columns: &[Column], rows: &[Vec<Value>]) -> World {
        let stored =
            |kind: usize| rows.iter().map(move |row| row.iter().zip(columns).map(|(value, column)| held(kind, column, value)).collect());
        let rows: [Vec<Vec<Value>>; 5] = std::array::from_fn(|kind| stored(kind).collect());
        let described = columns.iter().map(|column| RemoteColumn::plain(column.name, column.scalar_type, column.nullable)).collect();
        let memory = Arc::new(MemorySource::new("memory", vec![table("t", described, &[columns[0].name], &rows[0])]).unwrap());

        let file = tempfile::tempdir().unwrap();
        let (database, url) = Database::create().await;
        let (mariadb, mariadb_url) = Mariadb::create().await;
        let context = |source_name: &str| ConnectContext {
            source_name: source_name.to_owned(),
            base_directory: file.path().to_owned(),
            max_connections: 4,
            timeout: Duration::from_secs(30),
            request_time: Duration::from_secs(600),
        };
        let sqlite = rusqlite::Connection::open(file.path().join("t.db")).unwrap();
        sqlite.execute_batch(&format!("PRAGMA journal_mode = WAL; {}", create(columns, 2))).unwrap();
        database.client.batch_execute(&create(columns, 3)).await.unwrap();
        sqlite.execute_batch(&insert(columns, &rows[2], 2)).unwrap();
        database.client.batch_execute(&insert(columns, &rows[3], 3)).await.unwrap();
        mariadb.run(&create(columns, 4)).await;
        mariadb.run(&insert(columns, &rows[4], 4)).await;

        let lite = (portico_provider_sqlite::kind().connect)(serde_json::json!({ "path": "t.db" }), context("sqlite")).unwrap();
        let post = (portico_provider_postgres::kind().connect)(serde_json::json!({ "url": url }), context("postgres")).unwrap();
        let maria = (portico_provider_mysql::kind().connect)(serde_json::json!({ "url": mariadb_url }), context("mysql")).unwrap();
        let sources: BTreeMap<String, Arc<dyn Source>> = [
            ("memory".to_owned(), Arc::clone(&memory) as Arc<dyn Source>),
            ("incapable".to_owned(), Arc::new(Incapable(Arc::clone(&memory) as _)) as _),
            ("sqlite".to_owned(), lite),
            ("postgres".to_owned(), post),
            ("mysql".to_owned(), maria),
        ]
        .into();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let observed = |inner: Arc<dyn Source>| Arc::new(Observed { inner, sent: Arc::clone(&sent) }) as Arc<dyn Source>;
        let sources: BTreeMap<String, Arc<dyn Source>> = sources.into_iter().map(|(name, source)| (name, observed(source))).collect();
        let mut schemas = BTreeMap::new();
        for (name, source) in &sources {
            schemas.insert(name.clone(), source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap());
        }
        let tables: indexmap::IndexMap<String, TableDefinition> = serde_json::from_str(&tables(columns)).unwrap();
        let definition = ModelDefinition { sources: sources.keys().cloned().collect(), tables, ..ModelDefinition::default() };
        let engine = Engine::new(EngineSettings::default(), sources, serde_json::from_str(ACCESS).unwrap()).unwrap();
        let (model, _) = portico_catalog::build(&definition, &schemas, &|model, sql| engine.describe_view(model, sql)).unwrap();
        for kind in KINDS {
            let built: Vec<_> = model.tables[kind].columns.iter().map(|column| (column.name.as_str(), column.scalar_type)).collect();
            let wanted: Vec<_> = columns.iter().map(|column| (column.name, column.scalar_type)).collect();
            assert_eq!(built, wanted, "{kind} holds the types that the test is about");
        }
        engine.publish(Arc::new(model));
        let service = engine.model().unwrap().services.keys().next().unwrap().clone();
        let view = engine.view(&principal("all"), &service).unwrap();
        let nullable = columns.iter().map(|column| column.nullable).collect();
        World { engine, view, memory, service, sent, columns: columns.to_vec(), nullable, rows, file, database, mariadb }
    }

    /// What the sources have been asked since [`World::forget`].
    pub fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }

    /// Forgets what the sources have been asked.
    pub fn forget(&self) {
        self.sent.lock().unwrap().clear();
    }

    /// Puts one more row into every kind.
    pub async fn insert(&mut self, row: &[Value]) {
        for kind in 0..KINDS.len() {
            let stored: Vec<Value> = row.iter().zip(&self.columns).map(|(value, column)| held(kind, column, value)).collect();
            let rows = std::slice::from_ref(&stored);
            match kind {
                0 => insert_into_memory(&self.memory, &self.columns, &stored).await,
                // The same rows as memory.
                1 => {}
                2 => {
                    let connection = rusqlite::Connection::open(self.file.path().join("t.db")).unwrap();
                    connection.execute_batch(&insert(&self.columns, rows, 2)).unwrap();
                }
                3 => self.database.client.batch_execute(&insert(&self.columns, rows, 3)).await.unwrap(),
                _ => self.mariadb.run(&insert(&self.columns, rows, 4)).await,
            }
            self.rows[kind].push(stored);
        }
    }

    /// Parses and binds the options of a request for one kind's table.
    pub fn bind(&self, kind: usize, options: &[(&str, &str)]) -> Result<BoundQuery, ODataError> {
        self.bind_path(KINDS[kind], options)
    }

    /// The rows of a kind, as expressions find them: with those that they are related to.
    pub fn related(&self, kind: usize) -> Related<'_> {
        let table = &self.view.tables[KINDS[kind]].table;
        Related {
            rows: &self.rows[kind],
            types: self.columns.iter().map(|column| column.scalar_type).collect(),
            links: table.relationships.iter().map(|relationship| relationship.on[0]).collect(),
        }
    }

    /// What a kind is asked for the keys of a query, in its own language.
    pub async fn asked(&self, query: BoundQuery) -> Vec<String> {
        self.sent.lock().unwrap().clear();
        self.keys(query, Paging::default()).await.unwrap();
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// The keys that a query written by hand finds at PostgreSQL itself.
    pub async fn by_hand(&self, sql: &str) -> Vec<i64> {
        let rows = self.database.client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Parses and binds a request for anything.
    pub fn bind_path(&self, path: &str, options: &[(&str, &str)]) -> Result<BoundQuery, ODataError> {
        let encoded: Vec<String> = options.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        bind::read(&parse::request(path, Some(&encoded.join("&")))?, &self.view).map(|read| read.query)
    }

    /// The keys of the answer, in order, and where the next page begins.
    pub async fn keys(&self, query: BoundQuery, paging: Paging) -> Result<(Vec<i64>, Option<Vec<Value>>), EngineError> {
        let (batches, next) = self.batches(query, paging).await?;
        Ok((batches.iter().flat_map(|batch| numbers(batch, 0)).collect(), next))
    }

    /// The batches of the answer, and where the next page begins.
    pub async fn batches(&self, query: BoundQuery, paging: Paging) -> Result<(Vec<EntityBatch>, Option<Vec<Value>>), EngineError> {
        let read = EntityRead {
            service: self.service.clone(),
            model_version: self.engine.model().unwrap().version.clone(),
            read: BoundRead::new(query, portico_odata::ReadKind::Collection),
            paging,
        };
        let context = context(&principal("all"));
        let plan = self.engine.plan(&Statement::Entities(Box::new(read)), &context.principal)?;
        let pushed = self.engine.push_down(self.engine.permit(plan, &context.principal)?)?;
        let Answer::Entities(mut answer) = self.engine.execute(pushed, &context).await? else { panic!("not entities") };
        let mut batches = Vec::new();
        while let Some(batch) = answer.rows.next().await {
            batches.push(batch?);
        }
        Ok((batches, answer.rows.next_position().map(<[Value]>::to_vec)))
    }
}

/// A column of a batch that holds keys.
pub fn numbers(batch: &EntityBatch, column: usize) -> Vec<i64> {
    batch.rows.column(column).as_any().downcast_ref::<arrow::array::Int64Array>().expect("a key").values().to_vec()
}

async fn insert_into_memory(memory: &MemorySource, columns: &[Column], row: &[Value]) {
    use portico_provider_api::{Change, ChangeSet, ChangeValue, TableColumn, TableRelation, WritableSource};
    let relation = TableRelation {
        table: crate::harness::name("t"),
        columns: columns.iter().map(|column| TableColumn::computed(column.name, column.scalar_type, column.nullable)).collect(),
    };
    let values = row.iter().map(|value| if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value.clone()) });
    let change = Change::Insert { table: relation, values: values.enumerate().collect(), require: None };
    memory.write(ChangeSet { changes: vec![change], idempotency_key: None }, &QueryContext::default()).await.unwrap();
}

/// The value as the kind can hold it.
fn held(kind: usize, column: &Column, value: &Value) -> Value {
    let number = match value {
        Value::Float32(Float(number)) | Value::Float64(Float(number)) if matches!(kind, 2 | 4) => *number,
        // A timestamp of MariaDB counts in 32 bits.
        Value::TimestampTz(micros) if kind == 4 && !(1_000_000..2_147_483_648_000_000).contains(micros) => {
            return Value::TimestampTz(1_000_000 + micros.rem_euclid(2_000_000_000_000_000));
        }
        // Nor has it GUIDs of a late version and an early variant.
        Value::Guid(guid) if kind == 4 => return Value::Guid(format!("{}8{}", &guid[..19], &guid[20..])),
        other => return other.clone(),
    };
    let number = if kind == 4 && number.is_infinite() { f64::NAN } else { number };
    let wrap = |number| if column.scalar_type == ScalarType::Float32 { Value::Float32(Float(number)) } else { Value::float64(number) };
    match number.is_nan() {
        true if column.nullable => Value::Null(column.scalar_type),
        true => wrap(0.5),
        false => wrap(number + 0.0),
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

fn create(columns: &[Column], kind: usize) -> String {
    let columns: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let constraint = match (index, column.nullable) {
                (0, _) => " NOT NULL PRIMARY KEY",
                // A timestamp of MariaDB would otherwise be one that is not null.
                (_, true) => " NULL",
                (_, false) => " NOT NULL",
            };
            format!("\"{}\" {}{constraint}", column.name, declared(column.scalar_type, kind))
        })
        .collect();
    format!("CREATE TABLE t ({})", columns.join(", "))
}

fn declared(scalar_type: ScalarType, kind: usize) -> String {
    let [sqlite, postgres, mariadb] = match scalar_type {
        ScalarType::Boolean => ["BOOLEAN", "boolean", "boolean"],
        ScalarType::Int16 => ["SMALLINT", "smallint", "smallint"],
        ScalarType::Int32 => ["INT4", "integer", "int"],
        ScalarType::Int64 => ["BIGINT", "bigint", "bigint"],
        ScalarType::Float32 => ["FLOAT4", "real", "float"],
        ScalarType::Float64 => ["DOUBLE", "double precision", "double"],
        ScalarType::Decimal { precision, scale } => return format!("DECIMAL({precision},{scale})"),
        ScalarType::Text => ["TEXT", "text", "text"],
        ScalarType::Binary => ["BLOB", "bytea", "blob"],
        ScalarType::Date => ["DATE", "date", "date"],
        ScalarType::Time => ["TIME", "time", "time(6)"],
        ScalarType::Timestamp => ["DATETIME", "timestamp", "datetime(6)"],
        ScalarType::TimestampTz => ["TIMESTAMPTZ", "timestamptz", "timestamp(6)"],
        ScalarType::Guid => ["GUID", "uuid", "uuid"],
        ScalarType::Json => ["JSONTEXT", "json", "json"],
    };
    [sqlite, postgres, mariadb][kind - 2].to_owned()
}

fn insert(columns: &[Column], rows: &[Vec<Value>], kind: usize) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let rows: Vec<String> =
        rows.iter().map(|row| format!("({})", row.iter().map(|value| stored(value, kind)).collect::<Vec<_>>().join(", "))).collect();
    format!("INSERT INTO t ({}) VALUES {}", names.join(", "), rows.join(", "))
}

/// The value as a literal of the database's SQL.
fn stored(value: &Value, kind: usize) -> String {
    let (sqlite, mariadb) = (kind == 2, kind == 4);
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match value {
        Value::Null(_) => "NULL".to_owned(),
        Value::Boolean(value) if sqlite || mariadb => u8::from(*value).to_string(),
        Value::Float32(Float(number)) | Value::Float64(Float(number)) if sqlite && number.is_infinite() => {
            if *number > 0.0 { "9e999" } else { "-9e999" }.to_owned()
        }
        Value::Float32(Float(number)) | Value::Float64(Float(number)) if sqlite || mariadb => format!("{number:e}"),
        Value::Float32(Float(number)) => quoted(&(*number as f32).to_string()),
        Value::Float64(Float(number)) => quoted(&number.to_string()),
        Value::Binary(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if sqlite || mariadb { format!("x'{hex}'") } else { format!("'\\x{hex}'") }
        }
        Value::TimestampTz(micros) if mariadb => stored(&Value::Timestamp(*micros), kind),
        other => match cast_value(other, ScalarType::Text).unwrap() {
            Value::Text(text) => quoted(&text),
            unexpected => panic!("{unexpected:?}"),
        },
    }
}
