//! Queries that are prepared once and run with values of their own, and look-ups that share a connection, against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, relation, within};
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use portico_provider_api::arrays::row_at;
use portico_provider_api::walk::bind_parameters;
use portico_provider_api::{
    CompareOp, Expr, Function, PreparedQuery, QueryContext, ScalarType, Source, SourceError, SourceErrorKind, SourceQuery, Value,
};
use std::sync::Arc;
use std::time::Duration;

const TABLES: &str = "CREATE TABLE item (id int8 PRIMARY KEY, code text UNIQUE, price numeric(9,2), day date, label varchar(20) NOT NULL);
    INSERT INTO item SELECT n, 'c' || n, n / 4.0, date '2020-01-01' + n::int, 'l' || n % 7 FROM generate_series(1, 5000) n;
    CREATE TABLE other (id int8 PRIMARY KEY, name text); INSERT INTO other SELECT n, 'n' || n FROM generate_series(1, 100) n";

/// A source whose look-ups share one connection of eight.
async fn source(database: &Database) -> Arc<dyn Source> {
    database.run(TABLES).await;
    database.source(8)
}

/// `SELECT * FROM table WHERE column op $0`.
async fn asked(source: &Arc<dyn Source>, table: &str, column: &str, op: CompareOp) -> SourceQuery {
    let relation = relation(source, table).await;
    let index = relation.columns.iter().position(|own| own.name == column).unwrap();
    let scalar_type = relation.columns[index].scalar_type;
    let filter = Expr::compare(op, Expr::Column(index), Expr::Parameter { index: 0, scalar_type });
    SourceQuery { filter: Some(filter), ..SourceQuery::scan(relation) }
}

async fn run(
    prepared: &Arc<dyn PreparedQuery>,
    query: &SourceQuery,
    value: Value,
    context: &QueryContext,
) -> Result<Vec<Vec<Value>>, SourceError> {
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let mut stream = prepared.query(vec![value], context).await?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows.extend((0..batch.num_rows()).map(|row| row_at(&batch, row, &types).unwrap()));
    }
    assert!(stream.report().is_some_and(|report| report.complete && report.rows == rows.len() as u64));
    Ok(rows)
}

/// The same with the value in the query.
async fn plainly(source: &Arc<dyn Source>, query: &SourceQuery, value: &Value) -> Vec<Vec<Value>> {
    let mut bound = query.clone();
    bind_parameters(&mut bound, &|_, _| Some(value.clone())).unwrap();
    database::rows(source, bound, &QueryContext::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_query_answers_as_the_query_with_its_values() {
    let database = Database::create().await;
    let source = source(&database).await;
    let decimal = |unscaled: i128| Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(unscaled), precision: 9, scale: 2 };
    let cases: [(&str, CompareOp, bool, Vec<Value>); 6] = [
        ("id", CompareOp::Eq, true, vec![Value::Int64(1), Value::Int64(-1), Value::Int64(i64::MAX)]),
        ("code", CompareOp::Eq, true, vec![Value::text("c17"), Value::text("'"), Value::text(""), Value::text("a\0b")]),
        ("code", CompareOp::Lt, false, vec![Value::text("c11"), Value::text("c1\0"), Value::text("\u{10ffff}")]),
        ("price", CompareOp::Eq, false, vec![decimal(25), decimal(0)]),
        ("day", CompareOp::GtEq, false, vec![Value::Date(23_000), Value::Date(2_932_896)]),
        ("label", CompareOp::NotEq, false, vec![Value::text("l1"), Value::text("l1\0")]),
    ];
    for (column, op, is_look_up, values) in cases {
        let query = asked(&source, "item", column, op).await;
        let prepared = source.prepare(&query).unwrap_or_else(|| panic!("{column} is compared as it is"));
        assert_eq!(prepared.is_look_up(), is_look_up, "{column}");
        for value in values {
            let (mut own, mut plain) =
                (run(&prepared, &query, value.clone(), &QueryContext::default()).await.unwrap(), plainly(&source, &query, &value).await);
            own.sort_by_key(|row| row[0].as_integer());
            plain.sort_by_key(|row| row[0].as_integer());
            assert_eq!(own, plain, "{column} {op:?} {value:?}");
        }
    }
}

#[tokio::test]
async fn what_values_decide_is_not_prepared() {
    let database = Database::create().await;
    database.run("CREATE TABLE measured (id int8 PRIMARY KEY, weight float8, good boolean, note json)").await;
    let source = source(&database).await;
    for column in ["weight", "good"] {
        assert!(source.prepare(&asked(&source, "measured", column, CompareOp::Eq).await).is_none(), "{column}");
    }
    let like = asked(&source, "item", "code", CompareOp::Eq).await;
    let parameter = Expr::Parameter { index: 0, scalar_type: ScalarType::Text };
    let call = Expr::Call { function: Function::Like, arguments: vec![Expr::Column(1), parameter] };
    assert!(source.prepare(&SourceQuery { filter: Some(call), ..like }).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_share_a_connection_and_do_not_mix() {
    let database = Database::create().await;
    let source = source(&database).await;
    let query = asked(&source, "item", "id", CompareOp::Eq).await;
    let prepared = source.prepare(&query).unwrap();
    let context = QueryContext::default();
    let all = join_all((1..=2_000).map(|id| {
        let (prepared, query, context) = (&prepared, &query, &context);
        async move { (id, run(prepared, query, Value::Int64(id), context).await.unwrap()) }
    }));
    for (id, rows) in all.await {
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0][0], &rows[0][1]), (&Value::Int64(id), &Value::text(format!("c{id}"))));
    }
    // While a lock keeps all answers back, what was asked at once waits at one backend.
    database.run("BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE").await;
    let context = within(Duration::from_secs(20));
    let waiting = join_all((1..=30).map(|id| run(&prepared, &query, Value::Int64(id), &context)));
    let unlocked = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let active = database.active().await;
        database.run("COMMIT").await;
        active
    };
    let (rows, active) = futures::join!(waiting, unlocked);
    assert_eq!(active, 1, "thirty look-ups wait at one backend");
    assert!(rows.into_iter().zip(1..).all(|(rows, id)| rows.unwrap()[0][0] == Value::Int64(id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_is_replaced() {
    let database = Database::create().await;
    let source = source(&database).await;
    let query = asked(&source, "item", "id", CompareOp::Eq).await;
    let prepared = source.prepare(&query).unwrap();
    for id in 1..=3 {
        let rows = run(&prepared, &query, Value::Int64(id), &QueryContext::default()).await.unwrap();
        assert_eq!(rows[0][0], Value::Int64(id));
        database
            .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'portico'")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_table_is_read_as_it_is_now() {
    let database = Database::create().await;
    let source = source(&database).await;
    let query = asked(&source, "item", "id", CompareOp::Eq).await;
    let prepared = source.prepare(&query).unwrap();
    let context = QueryContext::default();
    let found = || run(&prepared, &query, Value::Int64(7), &context);
    assert_eq!(found().await.unwrap()[0][4], Value::text("l0"));
    // The statement is prepared at the server, whose plan does not fit any more.
    database.run("ALTER TABLE item ALTER COLUMN label TYPE text").await;
    assert_eq!(found().await.unwrap()[0][4], Value::text("l0"));
    database.run("ALTER TABLE item ALTER COLUMN label TYPE int USING 1").await;
    assert_eq!(found().await.unwrap_err().kind, SourceErrorKind::SchemaChanged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_waits_for_a_lock_holds_up_no_other() {
    let database = Database::create().await;
    let source = source(&database).await;
    let (locked, free) = (asked(&source, "item", "id", CompareOp::Eq).await, asked(&source, "other", "id", CompareOp::Eq).await);
    let (blocked, other) = (source.prepare(&locked).unwrap(), source.prepare(&free).unwrap());
    run(&other, &free, Value::Int64(1), &QueryContext::default()).await.unwrap();
    database.run("BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE").await;
    let waiting = tokio::spawn({
        let (blocked, locked) = (Arc::clone(&blocked), locked.clone());
        async move { run(&blocked, &locked, Value::Int64(1), &within(Duration::from_millis(1_500))).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    for id in 1..=20 {
        let rows = run(&other, &free, Value::Int64(id), &within(Duration::from_secs(1))).await.unwrap();
        assert_eq!(rows[0][0], Value::Int64(id));
    }
    assert_eq!(waiting.await.unwrap().unwrap_err().kind, SourceErrorKind::Timeout);
    // Those who gave up, or went away, leave nothing behind that others would wait for.
    let given_up =
        tokio::time::timeout(Duration::from_millis(100), run(&blocked, &locked, Value::Int64(1), &QueryContext::default())).await;
    assert!(given_up.is_err());
    database.run("COMMIT").await;
    for id in 1..=20 {
        let rows = run(&blocked, &locked, Value::Int64(id), &within(Duration::from_secs(2))).await.unwrap();
        assert_eq!(rows[0][0], Value::Int64(id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_with_few_connections_shares_none() {
    let database = Database::create().await;
    database.run(TABLES).await;
    let source = database.source(2);
    let query = asked(&source, "item", "id", CompareOp::Eq).await;
    let prepared = source.prepare(&query).unwrap();
    assert!(!prepared.is_look_up());
    let batches: Vec<_> = prepared.query(vec![Value::Int64(5)], &QueryContext::default()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 1);
}
