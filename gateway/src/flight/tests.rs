//! The Flight door as a client sees it: a real server on a free port, a SQLite file behind it, and the client of `arrow-flight`.

use crate::config;
use crate::startup::{Gateway, assemble};
use arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow_flight::FlightInfo;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables, SqlInfo};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

type Client = FlightSqlServiceClient<Channel>;

struct Door {
    address: String,
    stop: CancellationToken,
    _directory: tempfile::TempDir,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn gateway(directory: &std::path::Path) -> Arc<Gateway> {
    let database = rusqlite::Connection::open(directory.join("shop.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, secret TEXT);
             CREATE TABLE \"order\" (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer(id), total INTEGER);
             INSERT INTO customer VALUES (1, 'Ann', 'x'), (2, 'Bob', 'y');
             INSERT INTO \"order\" VALUES (10, 1, 5), (11, 1, 7), (12, 2, 9);",
        )
        .unwrap();
    let hash = |key: &str| Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = format!(
        "sources: {{ shop: {{ kind: sqlite, path: shop.db }} }}
tables:
  Customers: {{ source: shop, remote: customer }}
  Orders: {{ source: shop, remote: order }}
  Totals: {{ sql: 'SELECT customer_id, sum(total) AS total FROM Orders GROUP BY customer_id', key: [customer_id] }}
gateway: {{ flight: {{ listen: '127.0.0.1:0' }} }}
access:
  roles: {{ sales: {{ Customers: {{ hide: [secret] }}, Orders: {{}}, Totals: {{}} }}, none: {{}} }}
  keys: {{ app: {{ sha256: {}, roles: [sales] }}, stranger: {{ sha256: {}, roles: [none] }} }}
",
        hash("app-key"),
        hash("stranger-key")
    );
    let config = config::load::parse(&directory.join("portico.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"));
    let gateway = Arc::new(assemble(config).unwrap());
    gateway.keeper.introspect().await;
    gateway.keeper.publish().unwrap_or_else(|errors| panic!("{errors}"));
    gateway
}

async fn open() -> Door {
    let directory = tempfile::tempdir().unwrap();
    let gateway = gateway(directory.path()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(super::serve(gateway, listener, None, stop.clone()));
    Door { address, stop, _directory: directory }
}

async fn client(door: &Door, key: &str) -> Client {
    let channel = Endpoint::from_shared(door.address.clone()).unwrap().connect().await.unwrap();
    let mut client = FlightSqlServiceClient::new(channel);
    client.set_token(key.to_owned());
    client
}

/// Fetches a result, and holds its schema against the one that was planned.
async fn fetch(client: &mut Client, info: FlightInfo) -> Vec<RecordBatch> {
    let planned = info.clone().try_decode_schema().unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut stream = client.do_get(ticket).await.unwrap();
    let batches: Vec<RecordBatch> = (&mut stream).try_collect().await.unwrap();
    assert_eq!(stream.schema().unwrap().fields(), planned.fields(), "the stream has another schema than was planned");
    batches
}

async fn query(client: &mut Client, sql: &str) -> Vec<RecordBatch> {
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    fetch(client, info).await
}

fn texts(batches: &[RecordBatch], column: usize) -> Vec<String> {
    let of = |batch: &RecordBatch| {
        let array = batch.column(column).as_any().downcast_ref::<StringArray>().unwrap().clone();
        (0..array.len()).map(|row| array.value(row).to_owned()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_planned_and_streamed() {
    let door = open().await;
    let mut client = client(&door, "app-key").await;
    assert_eq!(texts(&query(&mut client, "SELECT name FROM Customers ORDER BY id").await, 0), ["Ann", "Bob"]);
    let joined = "SELECT c.name, t.total FROM Customers c JOIN portico.public.Totals t ON t.customer_id = c.id ORDER BY 1";
    assert_eq!(texts(&query(&mut client, joined).await, 0), ["Ann", "Bob"]);
    let empty = query(&mut client, "SELECT name FROM Customers WHERE id = 99").await;
    assert_eq!(empty.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_take_parameters() {
    let door = open().await;
    let mut client = client(&door, "app-key").await;
    let mut prepared = client.prepare("SELECT name FROM Customers WHERE id = $1".to_owned(), None).await.unwrap();
    let announced: Vec<_> = prepared.parameter_schema().unwrap().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(announced, [DataType::Int64]);
    assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "name");
    for (id, name) in [(1, "Ann"), (2, "Bob")] {
        let row = RecordBatch::try_from_iter([("1", Arc::new(Int64Array::from(vec![id])) as _)]).unwrap();
        prepared.set_parameters(row).unwrap();
        let info = prepared.execute().await.unwrap();
        assert_eq!(texts(&fetch(&mut client, info).await, 0), [name]);
    }
    prepared.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_show_what_the_caller_sees_and_no_filter_is_no_filter() {
    let door = open().await;
    let mut sales = client(&door, "app-key").await;
    let all = CommandGetTables {
        catalog: None,
        db_schema_filter_pattern: None,
        table_name_filter_pattern: None,
        table_types: vec![],
        include_schema: true,
    };
    let info = sales.get_tables(all.clone()).await.unwrap();
    let tables = fetch(&mut sales, info).await;
    let mut names: Vec<String> =
        texts(&tables, 1).into_iter().zip(texts(&tables, 2)).filter(|(schema, _)| schema == "public").map(|(_, name)| name).collect();
    names.sort();
    assert_eq!(names, ["Customers", "Orders", "Totals"]);
    let views = CommandGetTables { table_types: vec!["VIEW".into()], db_schema_filter_pattern: Some("pub%".into()), ..all.clone() };
    let info = sales.get_tables(views).await.unwrap();
    assert_eq!(texts(&fetch(&mut sales, info).await, 2), ["Totals"]);
    let info = sales.get_db_schemas(CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: None }).await.unwrap();
    assert!(texts(&fetch(&mut sales, info).await, 1).contains(&"public".to_owned()));
    let info = sales.get_catalogs().await.unwrap();
    assert_eq!(texts(&fetch(&mut sales, info).await, 0), ["portico"]);
    let info = sales.get_primary_keys(CommandGetPrimaryKeys { catalog: None, db_schema: Some("public".into()), table: "Customers".into() });
    let info = info.await.unwrap();
    assert_eq!(texts(&fetch(&mut sales, info).await, 3), ["id"]);
    let info = sales.get_sql_info(vec![SqlInfo::FlightSqlServerReadOnly]).await.unwrap();
    assert_eq!(fetch(&mut sales, info).await[0].num_rows(), 1);
    let mut stranger = client(&door, "stranger-key").await;
    let info = stranger.get_tables(all).await.unwrap();
    assert_eq!(fetch(&mut stranger, info).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_are_listed_from_both_ends() {
    let door = open().await;
    let mut client = client(&door, "app-key").await;
    let imported = arrow_flight::sql::CommandGetImportedKeys { catalog: None, db_schema: Some("public".into()), table: "Orders".into() };
    let info = client.get_imported_keys(imported).await.unwrap();
    let keys = fetch(&mut client, info).await;
    assert_eq!(
        (texts(&keys, 2), texts(&keys, 3), texts(&keys, 7)),
        (vec!["Customers".into()], vec!["id".into()], vec!["customer_id".into()])
    );
    let exported = arrow_flight::sql::CommandGetExportedKeys { catalog: None, db_schema: Some("public".into()), table: "Customers".into() };
    let info = client.get_exported_keys(exported).await.unwrap();
    assert_eq!(texts(&fetch(&mut client, info).await, 6), ["Orders"]);
    let reference = |pk_table: &str, fk_table: &str| arrow_flight::sql::CommandGetCrossReference {
        pk_catalog: None,
        pk_db_schema: Some("public".into()),
        pk_table: pk_table.into(),
        fk_catalog: None,
        fk_db_schema: Some("public".into()),
        fk_table: fk_table.into(),
    };
    let info = client.get_cross_reference(reference("Customers", "Orders")).await.unwrap();
    let keys = fetch(&mut client, info).await;
    assert_eq!((texts(&keys, 3), texts(&keys, 7)), (vec!["id".to_owned()], vec!["customer_id".to_owned()]));
    let info = client.get_cross_reference(reference("Orders", "Customers")).await.unwrap();
    assert!(texts(&fetch(&mut client, info).await, 3).is_empty(), "the other way round there is none");
    let mut stranger = self::client(&door, "stranger-key").await;
    let info = stranger.get_cross_reference(reference("Customers", "Orders")).await.unwrap();
    assert!(texts(&fetch(&mut stranger, info).await, 3).is_empty(), "who sees neither table sees no key");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_have_their_codes_and_nothing_is_written() {
    let door = open().await;
    let mut app = client(&door, "app-key").await;
    for (sql, code, part) in [
        ("SELEC 1", "InvalidArgument", "InvalidSyntax"),
        ("SELECT * FROM Custmers", "InvalidArgument", "did you mean 'Customers'"),
        ("SELECT secret FROM Customers", "InvalidArgument", "UnknownName"),
        ("DELETE FROM Customers", "InvalidArgument", "ReadOnly"),
        ("SELECT name FROM Customers WHERE id = $1", "InvalidArgument", "1 parameters"),
    ] {
        let told = format!("{:?}", app.execute(sql.to_owned(), None).await.unwrap_err());
        assert!(told.contains(code) && told.contains(part), "{sql}: {told}");
    }
    let update = app.execute_update("DELETE FROM Customers".to_owned(), None).await.unwrap_err();
    assert!(format!("{update:?}").contains("read-only"), "{update:?}");
    assert!(format!("{:?}", app.begin_transaction().await.unwrap_err()).contains("Unimplemented"));
    let mut nobody = client(&door, "guess").await;
    assert!(format!("{:?}", nobody.execute("SELECT 1".to_owned(), None).await.unwrap_err()).contains("Unauthenticated"));
    let mut stranger = client(&door, "stranger-key").await;
    assert!(stranger.execute("SELECT * FROM Customers".to_owned(), None).await.is_err());
}
