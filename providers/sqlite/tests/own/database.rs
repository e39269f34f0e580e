//! A throw-away database file, the fixtures in it, and short ways to ask the source about it.

use futures::TryStreamExt;
use portico_provider_api::arrays::row_at;
use portico_provider_api::{
    ChangeOutcome, ChangeSet, ConnectContext, QueryContext, RemoteTableName, ScalarType, Selection, Source, SourceError, SourceQuery,
    TableColumn, TableRelation, Value,
};
use portico_provider_sql::{Parameter, SQLITE, change};
use portico_provider_testkit::{FixtureColumn, FixtureTable};
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub struct Database {
    directory: tempfile::TempDir,
}

impl Database {
    pub fn new() -> Database {
        let database = Database { directory: tempfile::tempdir().unwrap() };
        database.connection().execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;").unwrap();
        database
    }

    pub fn with(schema: &str) -> Database {
        let database = Database::new();
        database.connection().execute_batch(schema).unwrap();
        database
    }

    pub fn directory(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    pub fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("data.db")
    }

    pub fn connection(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    pub fn context(&self, max_connections: usize) -> ConnectContext {
        ConnectContext {
            source_name: "shop".to_owned(),
            base_directory: self.directory.path().to_owned(),
            max_connections,
            timeout: Duration::from_secs(30),
            request_time: Duration::from_secs(600),
        }
    }

    pub fn source(&self) -> Arc<dyn Source> {
        self.source_with(json!({ "path": "data.db" }), 8)
    }

    pub fn source_with(&self, config: serde_json::Value, max_connections: usize) -> Arc<dyn Source> {
        (portico_provider_sqlite::kind().connect)(config, self.context(max_connections)).unwrap()
    }
}

pub fn deadline(after: Duration) -> QueryContext {
    let mut context = QueryContext::default();
    let moment = SystemTime::now() + after;
    context.request.deadline_unix_ms = Some(moment.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64);
    context
}

/// The table as the remote schema describes it.
pub async fn relation(source: &Arc<dyn Source>, table: &str) -> TableRelation {
    let name = RemoteTableName(vec![table.to_owned()]);
    let schema = source.remote_schema(&Selection::Tables(vec![name.clone()]), &QueryContext::default()).await.unwrap();
    let columns = schema.table(&name).unwrap().columns.iter().map(|column| TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type.clone()),
    });
    TableRelation { table: name, columns: columns.collect() }
}

pub async fn rows(source: &Arc<dyn Source>, query: SourceQuery) -> Result<Vec<Vec<Value>>, SourceError> {
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let mut stream = source.query(query, &QueryContext::default()).await?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        assert_eq!(batch.schema(), stream.schema());
        for row in 0..batch.num_rows() {
            rows.push(row_at(&batch, row, &types).unwrap());
        }
    }
    let report = stream.report().unwrap();
    assert!(report.complete);
    assert_eq!(report.rows, rows.len() as u64);
    Ok(rows)
}

pub async fn scan(source: &Arc<dyn Source>, table: &str) -> Result<Vec<Vec<Value>>, SourceError> {
    let relation = relation(source, table).await;
    rows(source, SourceQuery::scan(relation)).await
}

pub async fn write(source: &Arc<dyn Source>, changes: Vec<portico_provider_api::Change>) -> Result<Vec<ChangeOutcome>, SourceError> {
    let set = ChangeSet { changes, idempotency_key: None };
    source.writable().unwrap().write(set, &QueryContext::default()).await
}

fn declared_type(column: &FixtureColumn) -> String {
    match column.scalar_type {
        ScalarType::Boolean => "BOOLEAN".to_owned(),
        ScalarType::Int16 => "SMALLINT".to_owned(),
        ScalarType::Int32 => "INT4".to_owned(),
        ScalarType::Int64 => "BIGINT".to_owned(),
        ScalarType::Float32 => "FLOAT4".to_owned(),
        ScalarType::Float64 => "DOUBLE".to_owned(),
        // Beyond fifteen digits numeric affinity would round.
        ScalarType::Decimal { precision, scale } if precision <= 15 => format!("DECIMAL({precision},{scale})"),
        ScalarType::Decimal { precision, scale } => format!("DECIMALTEXT({precision},{scale})"),
        ScalarType::Text => column.max_length.map_or_else(|| "TEXT".to_owned(), |length| format!("VARCHAR({length})")),
        ScalarType::Binary => "BLOB".to_owned(),
        ScalarType::Date => "DATE".to_owned(),
        ScalarType::Time => "TIME".to_owned(),
        ScalarType::Timestamp => "DATETIME".to_owned(),
        ScalarType::TimestampTz => "TIMESTAMPTZ".to_owned(),
        ScalarType::Guid => "GUID".to_owned(),
        ScalarType::Json => "JSONTEXT".to_owned(),
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| SQLITE.identifier(name)).collect::<Vec<_>>().join(", ")
}

/// Creates the tables with their rows.
pub fn create_fixtures(connection: &Connection, tables: &[FixtureTable]) {
    for table in tables {
        let mut parts: Vec<String> = table
            .columns
            .iter()
            .map(|column| {
                let name = SQLITE.identifier(&column.name);
                let null = if column.nullable { "" } else { " NOT NULL" };
                // SQLite does not enforce lengths by itself.
                let check = column.max_length.map_or_else(String::new, |length| format!(" CHECK (length({name}) <= {length})"));
                format!("{name} {}{null}{check}", declared_type(column))
            })
            .collect();
        parts.push(format!("PRIMARY KEY ({})", list(&table.primary_key)));
        for key in &table.foreign_keys {
            let references = SQLITE.identifier(&key.references);
            parts.push(format!("FOREIGN KEY ({}) REFERENCES {references} ({})", list(&key.columns), list(&key.referenced_columns)));
        }
        connection.execute_batch(&format!("CREATE TABLE {} ({})", SQLITE.identifier(&table.name), parts.join(", "))).unwrap();
        insert_rows(connection, table);
    }
}

/// Encodes as the kind does, so that stored forms are those that it writes.
fn insert_rows(connection: &Connection, table: &FixtureTable) {
    use portico_provider_api::{Change, ChangeValue, Codec};
    let codec = |scalar_type| match scalar_type {
        ScalarType::Boolean => Some(Codec::BoolInt),
        ScalarType::Decimal { .. } => Some(Codec::DecimalText),
        ScalarType::Date => Some(Codec::DateText),
        ScalarType::Time => Some(Codec::TimeText),
        ScalarType::Timestamp | ScalarType::TimestampTz => Some(Codec::TimestampText),
        ScalarType::Guid => Some(Codec::GuidText),
        _ => None,
    };
    let mut relation = table.relation(&RemoteTableName(vec![table.name.clone()]));
    for column in &mut relation.columns {
        column.codec = codec(column.scalar_type);
    }
    connection.execute_batch("BEGIN").unwrap();
    for row in &table.rows {
        let values = row
            .iter()
            .enumerate()
            .map(|(at, value)| (at, if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value.clone()) }));
        let insert = Change::Insert { table: relation.clone(), values: values.collect(), require: None };
        let statement = change(&insert, &SQLITE).unwrap().statement;
        let text = statement.text.split(" RETURNING ").next().unwrap().to_owned();
        let parameters = statement.parameters.iter().map(|parameter| match parameter {
            Parameter::Value(Value::Null(_)) => Sql::Null,
            Parameter::Value(Value::Int64(value)) => Sql::Integer(*value),
            Parameter::Value(Value::Float64(value)) => Sql::Real(value.0),
            Parameter::Value(Value::Text(value)) => Sql::Text(value.clone()),
            Parameter::Value(Value::Binary(value)) => Sql::Blob(value.clone()),
            other => panic!("{other:?}"),
        });
        connection.prepare_cached(&text).unwrap().execute(rusqlite::params_from_iter(parameters)).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// Whether anybody reads the database: without a write-ahead log, an exclusive lock is refused as long as a statement runs.
pub fn readers(file: &std::path::Path) -> usize {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    match connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK") {
        Ok(()) => 0,
        Err(rusqlite::Error::SqliteFailure(failure, _)) if failure.code == rusqlite::ErrorCode::DatabaseBusy => 1,
        Err(error) => panic!("{error}"),
    }
}
