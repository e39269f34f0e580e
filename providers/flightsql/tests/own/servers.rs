//! What is told of servers: virtual tables with keys and types, a server taken for one that is not known, one that is not there.

use crate::downstream::{Database, Downstream, KEY, connect, rows};
use portico_provider_api::{
    Codec, CompareOp, Expr, KeySet, QueryContext, Relation, RemoteTableName, Retry, ScalarType, Selection, SortKey, SourceErrorKind,
    SourceQuery, Support, TableColumn, TableRelation, TypeClass, Value,
};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TABLES: &str = "tables:
  Authors: { source: pg, remote: public.authors, description: \"Who writes\" }
  Books: { source: pg, remote: public.books }
";

async fn library() -> Downstream {
    let database = Database::create().await;
    database
        .run(
            "CREATE TABLE authors (id int PRIMARY KEY, name varchar(40) NOT NULL, tag uuid, extra json);
             CREATE TABLE books (author int REFERENCES authors, no int, price numeric(8,2), at timestamptz, PRIMARY KEY (author, no));
             INSERT INTO authors VALUES (1, 'Ann', '00000000-0000-0000-0000-000000000001', '{}'), (2, 'ann', NULL, NULL);
             INSERT INTO books SELECT 1, n, n * 1.5, '2024-01-01Z' FROM generate_series(1, 20000) n",
        )
        .await;
    Downstream::start(database, TABLES, &["Authors".to_owned(), "Books".to_owned()], "").await
}

fn authors() -> TableRelation {
    let columns = [("id", ScalarType::Int32), ("name", ScalarType::Text)];
    let columns = columns.map(|(name, scalar_type)| TableColumn::computed(name, scalar_type, false)).to_vec();
    TableRelation { table: RemoteTableName(["public", "Authors"].map(str::to_owned).to_vec()), columns }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn virtual_tables_come_with_keys_and_types() {
    let downstream = library().await;
    let source = downstream.source(&json!({}));
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let names: Vec<String> = schema.tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["public.Authors", "public.Books"], "the services' names of them are not published again");
    let [authors, books] = schema.tables.as_slice() else { panic!("two tables") };
    let types: Vec<ScalarType> = authors.columns.iter().map(|column| column.scalar_type).collect();
    assert_eq!(types, [ScalarType::Int32, ScalarType::Text, ScalarType::Guid, ScalarType::Json]);
    assert_eq!((authors.columns[1].max_length, authors.writable), (Some(40), false));
    assert_eq!(books.primary_key, ["author", "no"]);
    let [key] = books.foreign_keys.as_slice() else { panic!("one foreign key: {:?}", books.foreign_keys) };
    assert_eq!(
        (&key.columns, &key.references, &key.referenced_columns),
        (&vec!["author".to_owned()], &authors.name, &vec!["id".to_owned()])
    );
    // However a table is asked for, it has one name.
    let wanted = ["Authors", "public.Books", "other.Books"].map(RemoteTableName::parse).to_vec();
    let some = source.remote_schema(&Selection::Tables(wanted), &QueryContext::default()).await.unwrap();
    let names: Vec<String> = some.tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["public.Authors", "public.Books"]);
    assert!(source.writable().is_none() && !schema.capabilities.write.update);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_known_is_asked_little_and_rightly() {
    let downstream = library().await;
    let source = downstream.source(&json!({ "server": "standard", "schemas": ["public"] }));
    let context = QueryContext::default();
    let schema = source.remote_schema(&Selection::All, &context).await.unwrap();
    let comparisons = &schema.capabilities.filter.comparisons[&TypeClass::Text];
    assert_eq!((comparisons.equal, comparisons.not_equal, comparisons.sort), (Support::Inexact, Support::None, Support::None));
    let table = schema.tables.iter().find(|table| table.name.to_string() == "portico.public.Authors").expect("with its catalog");
    let relation = TableRelation { table: table.name.clone(), ..authors() };
    let named = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Value::text("Ann")));
    let query = SourceQuery { filter: Some(named), ..SourceQuery::scan(relation) };
    assert_eq!(rows(&source, query.clone(), &context).await.unwrap(), [[Value::Int32(1), Value::text("Ann")]]);
    let beyond = SourceQuery { filter: Some(Expr::Not(Box::new(query.filter.clone().unwrap()))), ..query };
    assert_eq!(rows(&source, beyond.clone(), &context).await.unwrap_err().kind, SourceErrorKind::Unsupported);
    assert!(source.describe(&beyond).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_is_passed_on_once_it_is_known_for_a_gateway() {
    let downstream = library().await;
    let context = QueryContext::default();
    let place = |server: &str, name: &str| {
        let catalog = (server == "standard").then_some("portico");
        RemoteTableName(catalog.into_iter().chain(["public", name]).map(str::to_owned).collect())
    };
    // A missing table, whose name the gateway says, and how.
    for (server, message) in [
        ("auto", "there is no table 'public.Nobody'"),
        ("portico", "there is no table 'public.Nobody'"),
        ("standard", "table 'portico.public.Nobody' is not at the server"),
    ] {
        let source = downstream.source(&json!({ "server": server }));
        let query = SourceQuery::scan(TableRelation { table: place(server, "Nobody"), ..authors() });
        let error = rows(&source, query, &context).await.unwrap_err();
        assert_eq!((&error.kind, &error.message), (&SourceErrorKind::SchemaChanged, &message.to_owned()), "{server}");
    }
    // And a column; what is refused for another reason is not explained by what the server says.
    let source = downstream.source(&json!({ "server": "standard" }));
    let mut query = SourceQuery::scan(TableRelation { table: place("standard", "Authors"), ..authors() });
    let Relation::Table(table) = &mut query.from else { unreachable!() };
    table.columns[1].name = "surname".to_owned();
    let error = rows(&source, query, &context).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::SchemaChanged);
    assert_eq!(error.message, "column 'surname' of table 'portico.public.Authors' is not at the server");
    downstream.database.run("DROP TABLE authors CASCADE").await;
    for (server, says) in [("auto", true), ("standard", false)] {
        let source = downstream.source(&json!({ "server": server }));
        let query = SourceQuery::scan(TableRelation { table: place(server, "Authors"), ..authors() });
        let error = rows(&source, query, &context).await.unwrap_err();
        let expected = if says { SourceErrorKind::SchemaChanged } else { SourceErrorKind::Internal };
        assert_eq!((&error.kind, error.message.contains("authors")), (&expected, says), "{server}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_with_a_codec_are_only_read_from_a_server_that_is_not_known() {
    let downstream = library().await;
    let source = downstream.source(&json!({ "server": "standard", "schemas": ["public"] }));
    let context = QueryContext::default();
    let capabilities = source.remote_schema(&Selection::All, &context).await.unwrap().capabilities;
    let columns = [("author", ScalarType::Date, Some(Codec::DateDays)), ("no", ScalarType::Int32, None)];
    let columns = columns.map(|(name, scalar_type, codec)| TableColumn { codec, ..TableColumn::computed(name, scalar_type, false) });
    let table = RemoteTableName(["portico", "public", "Books"].map(str::to_owned).to_vec());
    let scan = SourceQuery::scan(TableRelation { table, columns: columns.to_vec() });
    let first = SourceQuery { limit: Some(1), ..scan.clone() };
    assert_eq!(rows(&source, first, &context).await.unwrap()[0][0], Value::Date(1));
    let key = SortKey { expr: Expr::Column(0), descending: false, nulls_first: false };
    let equal = Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Literal(Value::Date(1)));
    for (what, query) in [
        ("a condition", SourceQuery { filter: Some(equal), ..scan.clone() }),
        ("nulls", SourceQuery { filter: Some(Expr::IsNull(Box::new(Expr::Column(0)))), ..scan.clone() }),
        ("a sort", SourceQuery { order_by: vec![key], ..scan.clone() }),
        ("keys", SourceQuery { keys: Some(KeySet { columns: vec![0], tuples: vec![vec![Value::Date(1)]] }), ..scan.clone() }),
    ] {
        assert!(capabilities.check(&query).is_err(), "{what} is declared");
        let error = rows(&source, query, &context).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unsupported, "{what}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_says_so_and_comes_back() {
    let mut downstream = library().await;
    let source = downstream.source(&json!({}));
    let context = QueryContext::default();
    let query = SourceQuery::scan(authors());
    assert_eq!(rows(&source, query.clone(), &context).await.unwrap().len(), 2);
    downstream.kill();
    for _ in 0..2 {
        let error = rows(&source, query.clone(), &context).await.unwrap_err();
        assert_eq!((&error.kind, &error.retry), (&SourceErrorKind::Unavailable, &Retry::After(None)), "{error}");
        assert!(
            error.to_string().contains("source 'east': the server cannot be reached") && !format!("{error:?}").contains(KEY),
            "{error:?}"
        );
    }
    downstream.restart().await;
    assert_eq!(rows(&source, query, &context).await.unwrap().len(), 2, "the same source is used again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_and_deadlines_are_told_apart() {
    let downstream = library().await;
    let url = format!("grpc://127.0.0.1:{}", downstream.port);
    let query = SourceQuery::scan(authors());
    for auth in [json!(null), json!({ "bearer": "hunter2" }), json!({ "basic": { "user": "ann", "password": "hunter2" } })] {
        let source = connect(json!({ "url": url, "auth": auth })).unwrap();
        let error = rows(&source, query.clone(), &QueryContext::default()).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Credentials, "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let by_token = connect(json!({ "url": url, "auth": { "bearer": KEY } })).unwrap();
    assert_eq!(rows(&by_token, query.clone(), &QueryContext::default()).await.unwrap().len(), 2);
    let mut context = QueryContext::default();
    let soon = SystemTime::now() + Duration::from_millis(20);
    context.request.deadline_unix_ms = Some(u64::try_from(soon.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap());
    tokio::time::sleep(Duration::from_millis(40)).await;
    let error = rows(&by_token, query, &context).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
}
