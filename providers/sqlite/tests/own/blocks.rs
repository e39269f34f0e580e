//! Every form of block over every way in which SQLite holds values, against the IR's evaluator.

use super::database::{Database, relation, rows};
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, ArithmeticOp, Codec, CompareOp, Expr, KeySet, Output, Relation, ScalarType,
    SourceErrorKind, SourceQuery, TableRelation, Value,
};
use portico_provider_testkit::{EveryBlock, ask_every_block};
use std::collections::HashMap;

const TABLES: &str = "
CREATE TABLE a (
    id INT4 PRIMARY KEY NOT NULL, small SMALLINT, big BIGINT, flag BOOLEAN, single FLOAT4, double DOUBLE, price DECIMAL(10,2), free NUMERIC,
    fine DECIMALTEXT(38,30), wide DECIMALTEXT(60,5), name TEXT COLLATE NOCASE, code VARCHAR(6) COLLATE RTRIM, mixed, bytes BLOB, day DATE,
    noon TIME, at TIMESTAMP, at_zone TIMESTAMPTZ, guid GUID, document JSONTEXT, days INTEGER, erp VARCHAR(8), cents BIGINT, seconds BIGINT,
    millis BIGINT, guid_bytes BLOB, yes TEXT
);
CREATE INDEX a_name ON a (name);
INSERT INTO a VALUES
    (1, 1, 9223372036854775807, 1, 1.5, 1.5, 1.50, 1.5, '0.000000000000000000000000000001', '12345678901234567890.12345', 'a', 'ab', 5, x'00ff',
     '2024-02-29', '10:00', '2024-02-29T10:00:00', '2024-02-29T10:00:00Z', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{}', 19782, '20240229', 150,
     1709200800, 1709200800000, x'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'Y'),
    (2, 2, 1, 0, -2.25, -2.25, -1.50, -0.001, '-1.5', '-1', 'A', 'abc', '5', x'00', '1969-12-31', '00:00', '1969-12-31 23:59:59.999999',
     '2024-02-29T12:00:00+02:00', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[]', -1, '19691231', -150, -1, -1,
     x'b0eebc999c0b4ef8bb6d6bb9bd380a11', 'n'),
    (3, -3, -1, NULL, -0.0, -0.0, 0, 0, '0', '0.00', 'ä', '', 5.5, x'', '0001-01-01', '23:59:59.999999', '9999-12-31 23:59:00',
     '0001-01-01T00:00:00Z', '00000000-0000-0000-0000-000000000000', NULL, 0, '00000000', 0, 0, 0, x'00000000000000000000000000000000', ''),
    (4, 7, 3, 1, 0.0, 0.0, 3.33, 3.33, '7.123456789', '3', 'Z', 'ab ', 'x', x'ff', '2024-03-01', '10:00:00', '2024-02-29 10:00:00',
     '2024-02-29T10:00:00Z', 'B0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{}', 19783, '20240301', 333, 60, 60000,
     x'b0eebc999c0b4ef8bb6d6bb9bd380a11', 'x'),
    (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL),
    (6, 7, 3, 1, 1024.0, 1e300, 3.33, 3.330, '7.1234567890', '3.0', 'z', 'ab', '5', x'ff00', '2024-03-01', '10:00', '2024-02-29T10:00:00.000',
     '2024-02-29T10:00:00Z', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{}', 19783, '20240301', 333, 60, 60000,
     x'b0eebc999c0b4ef8bb6d6bb9bd380a11', 'X');


";

/// The columns that stand for values of another type, as a configuration says.
fn held(mut table: TableRelation) -> TableRelation {
    let codecs = HashMap::from([
        ("days", (ScalarType::Date, Codec::DateDays)),
        ("erp", (ScalarType::Date, Codec::SapDate)),
        ("cents", (ScalarType::Decimal { precision: 18, scale: 2 }, Codec::DecimalUnscaled)),
        ("seconds", (ScalarType::Timestamp, Codec::TimestampSeconds)),
        ("millis", (ScalarType::TimestampTz, Codec::TimestampMillis)),
        ("guid_bytes", (ScalarType::Guid, Codec::GuidBytes)),
        ("yes", (ScalarType::Boolean, Codec::BoolText)),
    ]);
    for column in &mut table.columns {
        if let Some((scalar_type, codec)) = codecs.get(column.name.as_str()) {
            column.scalar_type = *scalar_type;
            column.codec = Some(*codec);
        }
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_answers_as_the_evaluator_does() {
    let second = TABLES.split("INSERT").next().unwrap().replace("TABLE a", "TABLE b").replace("a_name ON a", "b_name ON b");
    let database = Database::with(&format!("{TABLES} {second} INSERT INTO b SELECT * FROM a WHERE id IN (2, 3, 5, 6)"));
    let source = database.source();
    let (a, b) = (held(relation(&source, "a").await), held(relation(&source, "b").await));
    let EveryBlock { checked, failed, refused, wrong } = ask_every_block(&source, &a, &b).await.unwrap();
    println!("{checked} checked, {failed} of them failed on both sides, {refused} refused");
    assert!(wrong.is_empty(), "{} wrong answers, for example\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
    assert!(checked > 1_500 && failed < checked / 5, "{checked} {failed}");
}

/// A sum is exact in between, and fails only when the whole of it does not fit.
#[tokio::test]
async fn sums_fail_only_as_a_whole() {
    let database = Database::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, big BIGINT, wide DECIMALTEXT(38,0));
         INSERT INTO t VALUES (1, 9223372036854775807, '99999999999999999999999999999999999999'),
            (2, 9223372036854775807, '99999999999999999999999999999999999999'),
            (3, -9223372036854775807, '-99999999999999999999999999999999999999');",
    );
    let source = database.source();
    let table = relation(&source, "t").await;
    for (column, type_name) in [(1, "int64"), (2, "decimal(38,0)")] {
        let call = AggregateCall::new(AggregateFunction::Sum, Some(Expr::Column(column)), &table.columns).unwrap();
        let aggregate = Some(Aggregation { group_by: vec![], calls: vec![call], having: None });
        let output = vec![Output { name: "sum".to_owned(), expr: Expr::Column(0) }];
        let all = SourceQuery { aggregate, ..SourceQuery::select(Relation::Table(table.clone()), output) };
        let whole = rows(&source, all.clone()).await.unwrap();
        assert!(!whole[0][0].is_null(), "{type_name}");
        let two = Expr::compare(CompareOp::Lt, Expr::Column(0), Expr::Literal(Value::Int64(3)));
        let error = rows(&source, SourceQuery { filter: Some(two), ..all }).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Data, "{type_name}: {error}");
    }
}

/// What no row needs is not computed, although SQLite could tell beforehand that it would fail.
#[tokio::test]
async fn nothing_fails_for_rows_that_are_not_there() {
    let database = Database::with("CREATE TABLE t (id INT4 PRIMARY KEY NOT NULL); INSERT INTO t VALUES (1)");
    let source = database.source();
    let table = relation(&source, "t").await;
    let least = || Value::Int32(i32::MIN);
    let less =
        Expr::Arithmetic { op: ArithmeticOp::Subtract, left: Box::new(Expr::Column(0)), right: Box::new(Expr::Literal(Value::Int32(2))) };
    let filter = Some(Expr::compare(CompareOp::Lt, less, Expr::Literal(Value::Int32(0))));
    let keys = Some(KeySet { columns: vec![0], tuples: vec![vec![least()]] });
    let query = SourceQuery { filter, keys, ..SourceQuery::scan(table) };
    assert_eq!(rows(&source, query.clone()).await.unwrap(), Vec::<Vec<Value>>::new());
    database.connection().execute("INSERT INTO t VALUES (-2147483648)", []).unwrap();
    assert_eq!(rows(&source, query).await.unwrap_err().kind, SourceErrorKind::Data);
}
