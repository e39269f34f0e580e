//! What other crates' tests rely on: configuration, streaming, the log, faults, running queries, remembered change sets.

#![allow(clippy::unwrap_used)] // A test may fail by panicking, in its helping functions too.

use futures::StreamExt;
use portico_provider_api::{
    AggregateCall, Aggregation, Change, ChangeOutcome, ChangeSet, ChangeValue, Codec, CompareOp, ConnectContext, Expr, Join, JoinKind,
    KeySet, Output, QueryContext, Relation, RemoteColumn, RemoteTableName, ScalarType, Selection, Source, SourceError, SourceErrorKind,
    SourceQuery, TableColumn, TableRelation, Value,
};
use portico_provider_memory::{Fault, MemorySource, MemoryTable, kind};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROWS: i32 = 20_000;

fn relation() -> TableRelation {
    TableRelation { table: RemoteTableName(vec!["n".to_owned()]), columns: vec![TableColumn::computed("id", ScalarType::Int32, false)] }
}

fn source() -> MemorySource {
    let rows: Vec<Vec<Value>> = (0..ROWS).map(|id| vec![Value::Int32(id)]).collect();
    let batch = portico_provider_api::arrays::batch_from_rows(&[("id".to_owned(), ScalarType::Int32, false)], &rows).unwrap();
    let table = MemoryTable {
        name: relation().table,
        description: None,
        columns: vec![RemoteColumn::plain("id", ScalarType::Int32, false)],
        primary_key: vec!["id".to_owned()],
        foreign_keys: Vec::new(),
        batches: vec![batch],
    };
    MemorySource::new("numbers", vec![table]).unwrap()
}

fn scan() -> SourceQuery {
    SourceQuery::scan(relation())
}

async fn read(source: &MemorySource, query: SourceQuery, context: &QueryContext) -> Result<Vec<usize>, SourceError> {
    let mut stream = source.query(query, context).await?;
    let mut sizes = Vec::new();
    while let Some(batch) = stream.next().await {
        sizes.push(batch?.num_rows());
    }
    Ok(sizes)
}

fn until(milliseconds: u64) -> QueryContext {
    let mut context = QueryContext::default();
    let deadline = SystemTime::now() + Duration::from_millis(milliseconds);
    context.request.deadline_unix_ms = u64::try_from(deadline.duration_since(UNIX_EPOCH).unwrap().as_millis()).ok();
    context
}

fn connect(config: serde_json::Value) -> Result<Arc<dyn Source>, SourceError> {
    let context = ConnectContext {
        source_name: "lists".to_owned(),
        base_directory: std::path::PathBuf::new(),
        max_connections: 1,
        timeout: Duration::from_secs(1),
        request_time: Duration::from_secs(600),
    };
    (kind().connect)(config, context)
}

#[tokio::test]
async fn answers_come_in_batches_and_are_logged() {
    let source = source();
    assert_eq!(read(&source, scan(), &QueryContext::default()).await.unwrap(), [8192, 8192, 3616]);
    let cut = SourceQuery { limit: Some(10_000), offset: 5, ..scan() };
    assert_eq!(read(&source, cut.clone(), &QueryContext::default()).await.unwrap().iter().sum::<usize>(), 10_000);
    assert_eq!(source.log(), [scan(), cut]);
    source.clear_log();
    assert!(source.log().is_empty());
}

/// A count goes through the table in chunks: it stops at a deadline, and is one row at the end.
#[tokio::test]
async fn rows_are_counted_without_being_returned() {
    let source = source();
    let counting = Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None };
    let filter = Expr::compare(CompareOp::GtEq, Expr::Column(0), Expr::Literal(Value::Int32(5)));
    let output = vec![Output { name: "n".to_owned(), expr: Expr::Column(0) }];
    let query = SourceQuery { aggregate: Some(counting), filter: Some(filter), output, ..scan() };
    let mut context = QueryContext::default();
    context.request.limits.max_rows = 1;
    let mut stream = source.query(query.clone(), &context).await.unwrap();
    let batch = stream.next().await.unwrap().unwrap();
    assert_eq!(portico_provider_api::arrays::row_at(&batch, 0, &[ScalarType::Int64]).unwrap(), [Value::Int64(i64::from(ROWS) - 5)]);
    assert!(batch.num_rows() == 1 && stream.next().await.is_none());
    assert_eq!(stream.report().unwrap().rows, 1);
    source.set_fault(Fault { delay: Some(Duration::from_millis(80)), ..Fault::default() });
    assert_eq!(read(&source, query, &until(20)).await.unwrap_err().kind, SourceErrorKind::Timeout);
    assert_eq!(source.active_queries(), 0);
}

fn joined(left: TableRelation, right: TableRelation) -> SourceQuery {
    let columns = left.columns.len() + right.columns.len();
    let on = vec![(Expr::Column(0), Expr::Column(0))];
    let (left, right, kind) = (Relation::Table(left), Relation::Table(right), JoinKind::Inner);
    let join = Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false };
    let output = (0..columns).map(|column| Output { name: format!("c{column}"), expr: Expr::Column(column) }).collect();
    SourceQuery::select(Relation::Join(Box::new(join)), output)
}

#[tokio::test]
async fn joins_come_in_batches_from_tables_that_exist() {
    let source = source();
    let query = joined(relation(), relation());
    assert_eq!(read(&source, query.clone(), &QueryContext::default()).await.unwrap(), [8192, 8192, 3616]);
    let mut limited = QueryContext::default();
    limited.request.limits.max_rows = 10_000;
    assert!(read(&source, query, &limited).await.is_err());
    let elsewhere = TableRelation { table: RemoteTableName::parse("m"), ..relation() };
    let error = read(&source, joined(relation(), elsewhere), &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::SchemaChanged);
    assert_eq!(source.active_queries(), 0);
}

/// Each side of a join reads the table's columns as it declares them.
#[tokio::test]
async fn one_table_is_read_as_two_relations_declare_it() {
    let columns = [("id", ScalarType::Int32), ("day", ScalarType::Text)];
    let typed = columns.map(|(name, scalar_type)| (name.to_owned(), scalar_type, false));
    let rows = [vec![Value::Int32(1), Value::text("20240229")]];
    let table = MemoryTable {
        name: RemoteTableName::parse("d"),
        description: None,
        columns: columns.map(|(name, scalar_type)| RemoteColumn::plain(name, scalar_type, false)).to_vec(),
        primary_key: vec!["id".to_owned()],
        foreign_keys: Vec::new(),
        batches: vec![portico_provider_api::arrays::batch_from_rows(&typed, &rows).unwrap()],
    };
    let source = MemorySource::new("days", vec![table]).unwrap();
    let id = TableColumn::computed("id", ScalarType::Int32, false);
    let held = TableColumn { codec: Some(Codec::SapDate), ..TableColumn::computed("day", ScalarType::Date, true) };
    let sides = [held, TableColumn::computed("day", ScalarType::Text, false)];
    let [left, right] = sides.map(|day| TableRelation { table: RemoteTableName::parse("d"), columns: vec![id.clone(), day] });
    let mut stream = source.query(joined(left, right), &QueryContext::default()).await.unwrap();
    let batch = stream.next().await.unwrap().unwrap();
    let types = [ScalarType::Int32, ScalarType::Date, ScalarType::Int32, ScalarType::Text];
    let row = portico_provider_api::arrays::row_at(&batch, 0, &types).unwrap();
    assert_eq!(row, [Value::Int32(1), Value::Date(19_782), Value::Int32(1), Value::text("20240229")]);
}

#[tokio::test]
async fn a_dropped_stream_is_no_longer_active() {
    let source = source();
    let mut stream = source.query(scan(), &QueryContext::default()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(source.active_queries(), 1);
    drop(stream);
    assert_eq!(source.active_queries(), 0);
    read(&source, scan(), &QueryContext::default()).await.unwrap();
    assert_eq!(source.active_queries(), 0);
}

#[tokio::test]
async fn faults() {
    let source = source();
    let fault = |fault: Fault| source.set_fault(fault);
    fault(Fault { unavailable: true, ..Fault::default() });
    assert_eq!(read(&source, scan(), &QueryContext::default()).await.unwrap_err().kind, SourceErrorKind::Unavailable);
    fault(Fault { fail_after: Some(1), ..Fault::default() });
    let mut stream = source.query(scan(), &QueryContext::default()).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind, SourceErrorKind::Unavailable);
    assert!(stream.next().await.is_none() && stream.report().is_none());
    fault(Fault { hang: true, ..Fault::default() });
    assert_eq!(read(&source, scan(), &until(50)).await.unwrap_err().kind, SourceErrorKind::Timeout);
    fault(Fault { delay: Some(Duration::from_millis(80)), ..Fault::default() });
    assert_eq!(read(&source, scan(), &until(120)).await.unwrap_err().kind, SourceErrorKind::Timeout);
    fault(Fault::default());
    assert!(read(&source, scan(), &until(10_000)).await.is_ok());
    assert_eq!(source.active_queries(), 0);
}

#[tokio::test]
async fn caps_are_kept() {
    let source = source();
    let mut context = QueryContext::default();
    context.request.limits.max_rows = 10_000;
    assert!(read(&source, scan(), &context).await.unwrap_err().message.contains("10000 rows"));
    context.request.limits.max_rows = ROWS as u64;
    assert!(read(&source, scan(), &context).await.is_ok());
}

#[tokio::test]
async fn a_repeated_change_set_is_applied_once() {
    let source = source();
    let insert = |id: i32| ChangeSet {
        changes: vec![Change::Insert { table: relation(), values: vec![(0, ChangeValue::Given(Value::Int32(id)))], require: None }],
        idempotency_key: Some("once".to_owned()),
    };
    let write = |set: ChangeSet| source.writable().unwrap().write(set, Box::leak(Box::default()));
    let first = write(insert(ROWS)).await.unwrap();
    assert!(matches!(&first[..], [ChangeOutcome::Done { created: true, .. }]));
    assert_eq!(write(insert(ROWS)).await.unwrap(), first);
    assert_eq!(write(insert(ROWS + 1)).await.unwrap_err().kind, SourceErrorKind::Conflict);
    assert_eq!(read(&source, scan(), &QueryContext::default()).await.unwrap().iter().sum::<usize>(), ROWS as usize + 1);
}

#[tokio::test]
async fn tables_come_from_the_configuration() {
    let source = connect(json!({ "tables": [ {
        "name": "t",
        "columns": [
            { "name": "id", "type": "int32", "nullable": false, "generated": true },
            { "name": "price", "type": "decimal(9,2)" },
            { "name": "day", "type": "date" },
            { "name": "bytes", "type": "binary" },
            { "name": "doc", "type": "json" }
        ],
        "primary_key": ["id"],
        "rows": [ { "id": 1, "price": 12.5, "day": "2024-02-29", "bytes": "00ff", "doc": { "a": [1] } }, { "id": 2 } ]
    } ] }))
    .unwrap();
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let columns = schema.tables[0].columns.iter().map(|column| TableColumn::computed(&column.name, column.scalar_type, column.nullable));
    let relation = TableRelation { table: schema.tables[0].name.clone(), columns: columns.collect() };
    let query = SourceQuery::scan(relation.clone());
    let batch = source.query(query, &QueryContext::default()).await.unwrap().next().await.unwrap().unwrap();
    let types: Vec<_> = relation.columns.iter().map(|column| column.scalar_type).collect();
    let row = portico_provider_api::arrays::row_at(&batch, 0, &types).unwrap();
    let expected = [
        Value::Int32(1),
        Value::Decimal { unscaled: 1250_i128.into(), precision: 9, scale: 2 },
        Value::Date(19_782),
        Value::Binary(vec![0, 255]),
        Value::Json("{\"a\":[1]}".to_owned()),
    ];
    assert_eq!(row, expected);
    let set = ChangeSet { changes: vec![Change::Insert { table: relation, values: Vec::new(), require: None }], idempotency_key: None };
    let outcomes = source.writable().unwrap().write(set, &QueryContext::default()).await.unwrap();
    let [ChangeOutcome::Done { row: Some(row), .. }] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(row[0], Value::Int32(3));
}

#[test]
fn wrong_configurations_name_the_culprit() {
    let table = |columns: serde_json::Value, rows: serde_json::Value| json!({ "tables": [ { "name": "t", "columns": columns, "primary_key": ["id"], "rows": rows } ] });
    let id = || json!([{ "name": "id", "type": "int32", "nullable": false }]);
    for (config, culprit) in [
        (json!({ "tabels": [] }), "tabels"),
        (table(json!([{ "name": "id", "type": "int33" }]), json!([])), "int33"),
        (table(json!([{ "name": "other", "type": "int32" }]), json!([])), "id"),
        (table(id(), json!([{ "id": 1, "nmae": 2 }])), "nmae"),
        (table(id(), json!([{ "id": "one" }])), "row 1"),
        (table(id(), json!([{ "id": 1 }, { "id": 1 }])), "row 2"),
    ] {
        let Err(error) = connect(config.clone()) else { panic!("{config} was accepted") };
        assert!(error.message.contains(culprit), "{}", error.message);
    }
    assert!((kind().config_schema)().to_string().contains("primary_key"));
}

#[tokio::test]
async fn a_table_may_be_one_that_is_asked_by_keys_only() {
    let config = |required: serde_json::Value| {
        json!({ "max_keys": 1, "tables": [{ "name": "n", "required_keys": required, "rows": [{ "id": 1 }, { "id": 2 }],
            "columns": [{ "name": "id", "type": "int32", "nullable": false }] }] })
    };
    let source = connect(config(json!([["id"], [{ "from": "id" }, { "to": "id" }]]))).unwrap();
    let rows = async |query: SourceQuery| {
        let mut stream = source.query(query, &QueryContext::default()).await?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch?.num_rows();
        }
        Ok::<_, SourceError>(rows)
    };
    let keys = |ids: &[i32]| Some(KeySet { columns: vec![0], tuples: ids.iter().map(|id| vec![Value::Int32(*id)]).collect() });
    let bound = |op| Expr::compare(op, Expr::Column(0), Expr::Literal(Value::Int32(2)));
    let between = Expr::And(vec![bound(CompareOp::GtEq), bound(CompareOp::LtEq)]);
    assert_eq!(rows(SourceQuery { keys: keys(&[2]), ..scan() }).await.unwrap(), 1);
    assert_eq!(rows(SourceQuery { filter: Some(between), ..scan() }).await.unwrap(), 1);
    for refused in [scan(), SourceQuery { filter: Some(bound(CompareOp::GtEq)), ..scan() }, SourceQuery { keys: keys(&[1, 2]), ..scan() }] {
        let error = rows(refused.clone()).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unsupported, "{error}");
        assert!(source.describe(&refused).is_empty());
    }
    let unknown = connect(config(json!([["ID"]]))).err().unwrap();
    assert!(unknown.message.contains("required_keys name 'ID'"), "{unknown}");
    assert!(connect(config(json!([[]]))).is_err());
}
