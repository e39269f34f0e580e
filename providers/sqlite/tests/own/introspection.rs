//! What the schema says.

use super::database::{Database, relation, scan};
use portico_provider_api::{Codec, QueryContext, RemoteTableName, ScalarType, Selection, SourceErrorKind, Value};
use serde_json::json;

const SCHEMA: &str = r#"
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL COLLATE NOCASE, mail TEXT UNIQUE, since DATE DEFAULT '2020-01-01',
  limit_amount DECIMAL(13,2), active BOOLEAN NOT NULL, key GUID, raw BLOB, doc JSON, odd GEOMETRY, doubled INT AS (id * 2));
CREATE TABLE orders (number TEXT, line INT4, customer INT REFERENCES customers, PRIMARY KEY (number, line)) WITHOUT ROWID;
CREATE TABLE shipments (id INTEGER PRIMARY KEY, number TEXT, line INT4, FOREIGN KEY (number, line) REFERENCES orders (number, line));
CREATE VIEW names AS SELECT id, name, count(*) AS n FROM customers GROUP BY id, name;
INSERT INTO customers (id, name, active) VALUES (1, 'Ada', 1), (7, 'Bob', 0);
"#;

fn named(name: &str) -> RemoteTableName {
    RemoteTableName(vec![name.to_owned()])
}

#[tokio::test]
async fn tables_columns_and_keys() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let names: Vec<_> = schema.tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["customers", "names", "orders", "shipments"]);

    let customers = schema.table(&named("customers")).unwrap();
    let column = |name: &str| customers.column(name).unwrap();
    assert_eq!(customers.primary_key, ["id"]);
    assert_eq!(customers.unique_keys, [["mail"]]);
    assert_eq!(customers.row_estimate, Some(7));
    assert!(customers.writable);
    assert!(!column("id").nullable && column("id").has_default);
    assert!(!column("name").nullable && column("name").max_length == Some(40));
    assert!(column("since").has_default && column("since").codec == Some(Codec::DateText));
    assert_eq!(column("limit_amount").scalar_type, ScalarType::Decimal { precision: 13, scale: 2 });
    assert_eq!(column("active").codec, Some(Codec::BoolInt));
    assert_eq!(column("key").scalar_type, ScalarType::Guid);
    assert_eq!(column("odd").scalar_type, ScalarType::Text);
    assert!(column("doubled").generated);

    let orders = schema.table(&named("orders")).unwrap();
    assert_eq!(orders.primary_key, ["number", "line"]);
    assert!(orders.columns.iter().take(2).all(|column| !column.nullable));
    assert_eq!(orders.foreign_keys[0].references, named("customers"));
    assert_eq!(orders.foreign_keys[0].referenced_columns, ["id"]);
    let shipments = schema.table(&named("shipments")).unwrap();
    assert_eq!(shipments.foreign_keys[0].columns, ["number", "line"]);
    assert!(!schema.table(&named("names")).unwrap().writable);
}

#[tokio::test]
async fn the_version_follows_the_schema_and_not_the_selection() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let context = QueryContext::default();
    let all = source.remote_schema(&Selection::All, &context).await.unwrap();
    let some = source.remote_schema(&Selection::Tables(vec![named("orders"), named("gone")]), &context).await.unwrap();
    assert_eq!(some.tables.len(), 1);
    assert_eq!(all.version, some.version);
    database.connection().execute_batch("ALTER TABLE orders ADD COLUMN note TEXT").unwrap();
    assert_ne!(all.version, source.remote_schema(&Selection::All, &context).await.unwrap().version);
}

#[tokio::test]
async fn views_and_untyped_columns_are_read() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let rows = scan(&source, "names").await.unwrap();
    assert_eq!(rows[0], [Value::Int64(1), Value::text("Ada"), Value::text("1")]);
    database.connection().execute_batch("DROP VIEW names; ").unwrap();
    assert_eq!(relation(&source, "orders").await.columns.len(), 3);
}

#[tokio::test]
async fn settings_are_closed_and_a_missing_file_is_unavailable() {
    let database = Database::new();
    let connect = |config| (portico_provider_sqlite::kind().connect)(config, database.context(2)).err().map(|error| error.message);
    assert!(connect(json!({ "path": "data.db", "pth": 1 })).unwrap().contains("unknown field `pth`"));
    assert!(connect(json!({})).unwrap().contains("path"));
    assert!(connect(json!({ "path": "x", "read_only": true, "create": true })).unwrap().contains("exclude"));

    let missing = database.source_with(json!({ "path": "missing.db" }), 2);
    let error = missing.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unavailable);
    assert!(error.message.contains("missing.db") && !error.message.contains(database.directory()), "{error}");
    let created = database.source_with(json!({ "path": "missing.db", "create": true }), 2);
    assert!(created.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap().tables.is_empty());

    let read_only = database.source_with(json!({ "path": "data.db", "read_only": true }), 2);
    assert!(read_only.writable().is_none());
    let schema = (portico_provider_sqlite::kind().config_schema)();
    assert_eq!(schema["additionalProperties"], json!(false));
}

#[tokio::test]
async fn databases_in_utf_16_are_refused() {
    let database = Database::new();
    let path = std::path::Path::new(database.directory()).join("wide.db");
    rusqlite::Connection::open(path).unwrap().execute_batch("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a TEXT);").unwrap();
    let source = database.source_with(json!({ "path": "wide.db" }), 2);
    let error = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unsupported);
}
