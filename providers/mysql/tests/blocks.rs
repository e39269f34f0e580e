//! Every form of block over every way in which MySQL and MariaDB hold values, against the IR's evaluator: types that compare by rules of
//! their own, loose collations, and columns that stand for values of another type; and what sums and averages do at their ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, relation, rows};
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, ArithmeticOp, Codec, CompareOp, Expr, Function, Join, JoinKind, Output, QueryContext,
    Relation, ScalarType, Source, SourceError, SourceErrorKind, SourceQuery, TableRelation, Value,
};
use portico_provider_testkit::{EveryBlock, ask_every_block};
use std::collections::HashMap;
use std::sync::Arc;

const TABLES: [&str; 5] = [
    "CREATE TABLE a (
        id int PRIMARY KEY, small smallint, tiny tinyint unsigned, yr year, big bigint, natural_big bigint unsigned, number int unsigned,
        flag boolean, bits bit(9), single float, double_ double, price decimal(10,2), five decimal(12,5), fine decimal(38,25),
        wide decimal(50,5), name varchar(20), strict varchar(20) COLLATE utf8mb4_nopad_bin, padded varchar(20) COLLATE utf8mb4_bin,
        latin varchar(20) CHARACTER SET latin1, code char(6), note text, long_note mediumtext, feeling enum('sad', 'glad', 'Äh'), bytes varbinary(20),
        fixed binary(2), day date, noon time(6), at datetime(6), at_zone timestamp(6) NULL, guid uuid, document json, place point,
        day_text varchar(10), days int, erp char(8), cents bigint, seconds bigint, millis bigint, price_text varchar(20),
        guid_bytes binary(16), guid_text varchar(36), yes varchar(5), one int
    )",
    "CREATE TABLE b LIKE a",
    "INSERT INTO a VALUES
        (1, 1, 255, 1970, 9223372036854775807, 18446744073709551615, 4294967295, true, b'101', 1.5, 1.5, 1.50, 0.00001, 0.0000000000000000000000001,
         12345678901234567890.12345, 'a', 'a', 'a', 'a', 'ab', 'a', 'a', 'glad', x'00ff', x'00', '2024-02-29', '10:00', '2024-02-29 10:00',
         '2024-02-29 10:00', 'a0eebc99-9c0b-1ef8-bb6d-6bb9bd380a11', '{\"a\": 1}', POINT(1, 2), '2024-02-29', 19782, '20240229', 150, 1709200800,
         1709200800000, '1.5', x'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'Y', 1),
        (2, 2, 1, 2024, 1, 1, 2, false, b'0', 1e30, 1e300, -1.50, 0.00002, -1.5, -1, 'A', 'A', 'a ', 'ä', 'abc', 'A', 'A', 'sad', x'00', x'0001',
         '1969-12-31', '00:00', '1969-12-31 23:59:59.999999', '1970-01-01 00:00:01', 'b0eebc99-9c0b-1ef8-bb6d-6bb9bd380a11', '[]', POINT(1, 2),
         '1969-12-31', -1, '19691231', -150, -1, -1, '1.50', x'b0eebc999c0b4ef8bb6d6bb9bd380a11', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'n', 0),
        (3, -3, 0, 1999, -1, 0, 0, NULL, b'1', -0.0, -0.0, 0, 0, 0, 0, 'ä', 'a ', 'A', 'A', '', 'a ', 'a ', 'Äh', '', '', '1000-01-01', '23:59:59.999999',
         '9999-12-31 23:59', '2024-02-29 08:00', '00000000-0000-0000-0000-000000000000', NULL, NULL, '0001-01-01', 0, '00000000', 0, 0, 0, '-0',
         x'00000000000000000000000000000000', '00000000-0000-0000-0000-000000000000', '', 0),
        (4, 7, 9, 2024, 3, 3, 3, true, b'101', 0.0, 0.0, 3.33, 7.33333, 7.123456789, 3, 'a ', 'Z', 'Z', 'Z', 'Z', 'ss', 'ß', 'glad', x'ff', x'ff',
         '2024-03-01', '10:00', '2024-02-29 10:00', '2024-02-29 10:00', 'b0eebc99-9c0b-1ef8-bb6d-6bb9bd380a11', '{\"a\": 1}', POINT(0, 0), '2024-03-01',
         19783, '20240301', 333, 60, 60000, '3.330', x'b0eebc999c0b4ef8bb6d6bb9bd380a11', 'B0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'x', 1),
        (6, 7, 9, 2024, 3, 3, 3, true, b'101', 0.1, 0.1, 3.33, 7.33333, 7.123456789, 3, 'z', 'z', 'z', 'z', 'z', 'ß', 'ss', 'glad', x'ff00', x'ff',
         '2024-03-01', '10:00', '2024-02-29 10:00', '2024-02-29 10:00', 'b0eebc99-9c0b-1ef8-bb6d-6bb9bd380a11', '{\"a\": 1}', POINT(0, 0), '2024-03-01',
         19783, '20240301', 333, 60, 60000, '3.33', x'b0eebc999c0b4ef8bb6d6bb9bd380a11', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'X', 1)",
    "INSERT INTO a (id) VALUES (5)",
    "INSERT INTO b SELECT * FROM a WHERE id IN (2, 3, 5)",
];

const MORE: &str = "INSERT INTO b (id, name, strict, padded, latin, code, note, price, five, fine, double_, single) VALUES
    (11, 'a', 'a', 'a ', 'Ä', 'ab', 'a', 7.00, 7, 7, 1e-300, 0.1), (12, 'A', 'ä', 'a', 'a', 'ABC', 'x', 0.03, 0.03, 0.3, 0.1, 1e-30)";

/// The columns that stand for values of another type, as a configuration says; without those that are restricted.
fn held(table: TableRelation) -> TableRelation {
    let price = ScalarType::Decimal { precision: 12, scale: 3 };
    let codecs = HashMap::from([
        ("day_text", (ScalarType::Date, Codec::DateText)),
        ("days", (ScalarType::Date, Codec::DateDays)),
        ("erp", (ScalarType::Date, Codec::SapDate)),
        ("cents", (ScalarType::Decimal { precision: 18, scale: 2 }, Codec::DecimalUnscaled)),
        ("seconds", (ScalarType::Timestamp, Codec::TimestampSeconds)),
        ("millis", (ScalarType::TimestampTz, Codec::TimestampMillis)),
        ("price_text", (price, Codec::DecimalText)),
        ("guid_bytes", (ScalarType::Guid, Codec::GuidBytes)),
        ("guid_text", (ScalarType::Guid, Codec::GuidText)),
        ("yes", (ScalarType::Boolean, Codec::BoolText)),
        ("one", (ScalarType::Boolean, Codec::BoolInt)),
    ]);
    let mut table = table;
    table.columns.retain(|column| !matches!(column.name.as_str(), "place" | "long_note"));
    for column in &mut table.columns {
        if let Some((scalar_type, codec)) = codecs.get(column.name.as_str()) {
            column.scalar_type = *scalar_type;
            column.codec = Some(*codec);
        }
    }
    table
}

async fn load(database: &Database) {
    for statement in TABLES.into_iter().chain([MORE]) {
        database.run(statement).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_block_answers_as_the_evaluator_does() {
    let database = Database::create().await;
    load(&database).await;
    let source = database.source(4);
    let (a, b) = (held(relation(&source, "a").await), held(relation(&source, "b").await));
    let EveryBlock { checked, failed, refused, wrong } = ask_every_block(&source, &a, &b).await.unwrap();
    println!("{checked} checked, {failed} of them failed on both sides, {refused} refused");
    assert!(wrong.is_empty(), "{} wrong answers, for example\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
    assert!(checked > 1_500 && failed < checked / 5, "{checked} {failed}");
}

fn join(left: &TableRelation, right: &TableRelation, kind: JoinKind, at: usize) -> Relation {
    let on = vec![(Expr::Column(at), Expr::Column(at))];
    let (left, right) = (Relation::Table(left.clone()), Relation::Table(right.clone()));
    Relation::Join(Box::new(Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false }))
}

fn outputs(expressions: impl IntoIterator<Item = Expr>) -> Vec<Output> {
    expressions.into_iter().map(|expr| Output { name: "out".to_owned(), expr }).collect()
}

fn aggregated(table: &TableRelation, calls: &[(AggregateFunction, Expr)]) -> SourceQuery {
    let from = Relation::Table(table.clone());
    let calls: Vec<_> =
        calls.iter().map(|(function, argument)| AggregateCall::new(*function, Some(argument.clone()), &table.columns).unwrap()).collect();
    let output = outputs((0..calls.len()).map(Expr::Column));
    SourceQuery { aggregate: Some(Aggregation { group_by: vec![], calls, having: None }), ..SourceQuery::select(from, output) }
}

async fn ask(source: &Arc<dyn Source>, query: SourceQuery) -> Result<Vec<Vec<Value>>, SourceError> {
    rows(source, query, &QueryContext::default()).await
}

/// What a column is restricted to holds above a join and above a nested block, too: the query alone tells.
#[tokio::test]
async fn a_restricted_column_is_refused_inside_blocks() {
    let database = Database::create().await;
    load(&database).await;
    let source = database.source(1);
    let (a, b) = (relation(&source, "a").await, relation(&source, "b").await);
    let at = a.columns.iter().position(|column| column.name == "place").unwrap();
    let nested = |filter| {
        let inner = SourceQuery::select(Relation::Table(a.clone()), outputs([Expr::Column(at)]));
        SourceQuery { filter, ..SourceQuery::select(Relation::Query(Box::new(inner)), outputs([Expr::Column(0)])) }
    };
    let same = || Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Column(0));
    let refused = [
        SourceQuery::select(join(&a, &b, JoinKind::Inner, at), outputs([Expr::Column(0)])),
        SourceQuery::select(join(&a, &b, JoinKind::Semi, at), outputs([Expr::Column(0)])),
        nested(Some(same())),
    ];
    for query in refused {
        let error = ask(&source, query).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unsupported, "{error}");
    }
    assert_eq!(ask(&source, nested(None)).await.unwrap().len(), 6);
    assert!(ask(&source, SourceQuery::select(join(&a, &b, JoinKind::Inner, 0), outputs([Expr::Column(at)]))).await.is_ok());
}

/// An integer sum fails beyond 64 bits, wherever it stands; a decimal one beyond its digits; averages are rounded once, half away from zero.
#[tokio::test]
async fn sums_and_averages_at_their_ends() {
    let database = Database::create().await;
    database.run("CREATE TABLE t (id int PRIMARY KEY, big bigint, five decimal(12,5), much decimal(38,0), most decimal(65,0))").await;
    database.run("INSERT INTO t VALUES (1, 9223372036854775807, 0.00001, REPEAT('9', 38), REPEAT('9', 65)), (2, -1, 0.00001, 0, 0)").await;
    database.run("INSERT INTO t VALUES (3, 1, 0, -1, -1), (4, 0, 0, 0, 0), (5, 0, 0, 0, 0), (6, 0, -0.00005, 0, 0)").await;
    let source = database.source(1);
    let t = relation(&source, "t").await;
    let of = |column: usize, function, most: i32| {
        let filter = Some(Expr::compare(CompareOp::LtEq, Expr::Column(0), Expr::Literal(Value::Int32(most))));
        SourceQuery { filter, ..aggregated(&t, &[(function, Expr::Column(column))]) }
    };
    use AggregateFunction::{Average, Sum};
    assert_eq!(ask(&source, of(1, Sum, 6)).await.unwrap(), [[Value::Int64(i64::MAX)]]);
    assert_eq!(ask(&source, of(1, Sum, 0)).await.unwrap(), [[Value::Null(ScalarType::Int64)]]);
    database.run("UPDATE t SET big = 2 WHERE id = 3").await;
    let beyond = of(1, Sum, 6);
    let unseen = SourceQuery {
        filter: Some(Expr::compare(CompareOp::Gt, Expr::Column(0), Expr::Literal(Value::Int64(0)))),
        ..SourceQuery::select(Relation::Query(Box::new(beyond.clone())), outputs([Expr::Literal(Value::Int32(1))]))
    };
    for query in [beyond, unseen, of(3, Sum, 1).clone(), of(4, Sum, 2)] {
        let found = ask(&source, query.clone()).await;
        match query.result_columns()[0].scalar_type {
            // The greatest value of 38 digits alone still fits.
            ScalarType::Decimal { precision: 38, .. } => assert!(found.is_ok(), "{found:?}"),
            _ => assert_eq!(found.unwrap_err().kind, SourceErrorKind::Data),
        }
    }
    database.run("UPDATE t SET much = 1 WHERE id = 2").await;
    assert_eq!(ask(&source, of(3, Sum, 2)).await.unwrap_err().kind, SourceErrorKind::Data);
    // 0.00002 / 3, 0.00002 / 4 and 0.00002 / 5 of nine digits; then -0.00003 / 6.
    for (most, unscaled) in [(3, 6_667), (4, 5_000), (5, 4_000), (6, -5_000)] {
        let expected = Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(unscaled), precision: 16, scale: 9 };
        assert_eq!(ask(&source, of(2, Average, most)).await.unwrap(), [[expected]], "{most}");
    }
}

/// Parameters that stand several times in the text, and before others that were numbered first.
#[tokio::test]
async fn parameters_follow_the_text_of_a_block() {
    let database = Database::create().await;
    load(&database).await;
    let source = database.source(1);
    let (a, b) = (relation(&source, "a").await, relation(&source, "b").await);
    let name = a.columns.iter().position(|column| column.name == "name").unwrap();
    let int = |value: i32| Expr::Literal(Value::Int32(value));
    let plus = |value| Expr::Arithmetic { op: ArithmeticOp::Add, left: Box::new(Expr::Column(0)), right: Box::new(int(value)) };
    let call = |function, argument| AggregateCall::new(function, Some(argument), &a.columns).unwrap();
    let start = Expr::Call { function: Function::Concat, arguments: vec![Expr::Column(name), Expr::Literal(Value::text("!"))] };
    let filtered = AggregateCall {
        filter: Some(Expr::compare(CompareOp::Lt, Expr::Column(0), int(4))),
        ..call(AggregateFunction::Average, plus(100))
    };
    let query = SourceQuery {
        filter: Some(Expr::compare(CompareOp::NotEq, Expr::Column(0), int(5))),
        aggregate: Some(Aggregation {
            group_by: vec![start],
            calls: vec![call(AggregateFunction::Sum, plus(10)), filtered],
            having: Some(Expr::compare(CompareOp::GtEq, Expr::Column(1), Expr::Literal(Value::Int64(12)))),
        }),
        ..SourceQuery::select(
            join(&a, &b, JoinKind::Anti, 0),
            outputs([Expr::Literal(Value::text("first")), Expr::Column(0), Expr::Column(1), Expr::Column(2)]),
        )
    };
    let mut found = ask(&source, query).await.unwrap();
    found.sort_by_key(|row| format!("{row:?}"));
    let row = |name: &str, sum: i64| vec![Value::text("first"), Value::text(name), Value::Int64(sum), Value::Null(ScalarType::Float64)];
    assert_eq!(found, [row("a !", 14), row("z!", 16)]);
    // A text keeps its length and is counted in characters where the server held it in a table of its own.
    let long = Expr::Literal(Value::text("ä".repeat(3_000)));
    let distinct = SourceQuery { distinct: true, ..SourceQuery::select(Relation::Table(a.clone()), outputs([long, Expr::Column(name)])) };
    let length = |index| Expr::Call { function: Function::Length, arguments: vec![Expr::Column(index)] };
    let is_umlaut = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Value::text("ä")));
    let query = SourceQuery {
        filter: Some(is_umlaut),
        ..SourceQuery::select(Relation::Query(Box::new(distinct)), outputs([length(0), length(1), Expr::Column(1)]))
    };
    assert_eq!(ask(&source, query).await.unwrap(), [[Value::Int32(3_000), Value::Int32(1), Value::text("ä")]]);
}

/// With the other table's index at hand, it is used, whatever the collation.
#[tokio::test]
async fn an_index_serves_a_plain_join() {
    let database = Database::create().await;
    load(&database).await;
    let numbers = "SELECT a.seq FROM seq_100_to_3000 AS a";
    for column in ["name", "strict", "padded", "code", "price", "guid", "big", "day"] {
        database.run(&format!("CREATE INDEX by_{column} ON b ({column})")).await;
    }
    database
        .run(&format!(
            "INSERT INTO b (id, name, strict, padded, code, price, guid, big, day) SELECT seq, CONCAT('n', seq), CONCAT('n', seq), CONCAT('n', seq), \
             seq, seq, CONCAT('a0eebc99-9c0b-1ef8-bb6d-', LPAD(seq, 12, '0')), seq, '2024-01-01' + INTERVAL seq DAY FROM ({numbers}) AS n"
        ))
        .await;
    database.run("ANALYZE TABLE a, b").await;
    let source = database.source(1);
    let (a, b) = (relation(&source, "a").await, relation(&source, "b").await);
    for name in ["id", "name", "strict", "padded", "code", "price", "guid", "big", "day"] {
        let at = a.columns.iter().position(|column| column.name == name).unwrap();
        for kind in [JoinKind::Inner, JoinKind::Left] {
            let query = SourceQuery::select(join(&a, &b, kind, at), outputs([Expr::Column(0), Expr::Column(a.columns.len())]));
            let text = source.describe(&query)[0].text.clone();
            let plan = database.text(&format!("EXPLAIN FORMAT=JSON {text}")).await;
            assert!(plan.contains("\"access_type\": \"ref\"") || plan.contains("\"access_type\": \"eq_ref\""), "{name}: {text}\n{plan}");
        }
    }
}
