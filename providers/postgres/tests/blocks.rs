//! Every form of block over every way in which PostgreSQL holds values, against the IR's evaluator: types that compare by rules of their
//! own, and columns that stand for values of another type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, relation};
use portico_provider_api::{Codec, CompareOp, Expr, Join, JoinKind, Output, Relation, ScalarType, SourceQuery, TableRelation};
use portico_provider_testkit::{EveryBlock, ask_every_block};
use std::collections::HashMap;

const TABLES: &str = r#"
CREATE EXTENSION citext;
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION german (provider = icu, locale = 'de-DE');
CREATE TYPE mood AS ENUM ('sad', 'glad', 'Äh');
CREATE TABLE a (
    id int PRIMARY KEY, small int2, big int8, number oid, flag bool, single float4, double float8, price numeric(10,2), free numeric,
    fine numeric(38,30), wide numeric(60,5), name text, other varchar(20) COLLATE german, code char(6), mail citext, nick text COLLATE loose,
    feeling mood, label name, bytes bytea, day date, noon time, at timestamp, at_zone timestamptz, guid uuid, document jsonb,
    every interval, day_text text, days int, erp char(8), cents int8, seconds int8, millis int8, price_text text, guid_bytes bytea,
    guid_text varchar(36), yes text, one int
);
CREATE TABLE b (LIKE a INCLUDING ALL);
INSERT INTO a VALUES
    (1, 1, 9223372036854775807, 1, true, 1.5, 1.5, 1.50, 1.5, 0.000000000000000000000000000001, 12345678901234567890.12345, 'a', 'a', 'ab', 'A@b', 'Nick',
     'glad', 'l', '\x00ff', '2024-02-29', '10:00', '2024-02-29 10:00', '2024-02-29 10:00Z', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": 1}',
     '1 day', '2024-02-29', 19782, '20240229', 150, 1709200800, 1709200800000, '1.5', '\xa0eebc999c0b4ef8bb6d6bb9bd380a11',
     'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'Y', 1),
    (2, 2, 1, 2, false, 'NaN', 'NaN', -1.50, -0.000000000000000001, -1.5, -1, 'A', 'A', 'abc', 'a@b', 'nick', 'sad', 'm', '\x00', '1969-12-31',
     '00:00', '1969-12-31 23:59:59.999999', '0001-01-01 00:00Z', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[]', '1 mon', '1969-12-31', -1, '19691231',
     -150, -1, -1, '1.50', '\xb0eebc999c0b4ef8bb6d6bb9bd380a11', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'n', 0),
    (3, -3, -1, 3, NULL, '-0', '-0', 0, 0, 0, 0, 'ä', 'ä', '', '', '', 'Äh', '', '', '0001-01-01', '23:59:59.999999', '9999-12-31 23:59', '2024-02-29 10:00+02',
     '00000000-0000-0000-0000-000000000000', NULL, NULL, '0001-01-01', 0, '00000000', 0, 0, 0, '-0', '\x00000000000000000000000000000000',
     '00000000-0000-0000-0000-000000000000', '', 0),
    (4, 7, 3, 4, true, '0', '0', 3.33, 3.33, 7.123456789, 3, 'Z', 'Z', 'Z', 'Z', 'Z', 'glad', 'Z', '\xff', '2024-03-01', '10:00', '2024-02-29 10:00', '2024-02-29 10:00Z',
     'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '24 hours', '2024-03-01', 19783, '20240301', 333, 60, 60000, '3.330',
     '\xb0eebc999c0b4ef8bb6d6bb9bd380a11', 'B0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'x', 1),
    (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (6, 7, 3, 4, true, 1e30, 1e300, 3.33, 3.33, 7.123456789, 3, 'z', 'z', 'z', 'z', 'z', 'glad', 'z', '\xff00', '2024-03-01', '10:00', '2024-02-29 10:00', '2024-02-29 10:00Z',
     'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '24 hours', '2024-03-01', 19783, '20240301', 333, 60, 60000, '3.33',
     '\xb0eebc999c0b4ef8bb6d6bb9bd380a11', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'X', 1);
INSERT INTO b SELECT * FROM a WHERE id IN (2, 3, 5);
INSERT INTO b (id, name, other, code, mail, nick, price, free, fine, double, single) VALUES
    (11, 'a', 'a', 'ab', 'a@B', 'NICK', 7.00, 7, 7, 'Infinity', '-Infinity'), (12, 'A', 'ä', 'abc ', 'x', '', 0.03, 0.03, 0.3, 'NaN', 'NaN');
"#;

/// The columns that stand for values of another type, as a configuration says.
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
    for column in &mut table.columns {
        if let Some((scalar_type, codec)) = codecs.get(column.name.as_str()) {
            column.scalar_type = *scalar_type;
            column.codec = Some(*codec);
        }
    }
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_block_answers_as_the_evaluator_does() {
    let database = Database::create().await;
    database.run(TABLES).await;
    let source = database.source(4);
    let (a, b) = (held(relation(&source, "a").await), held(relation(&source, "b").await));
    let EveryBlock { checked, failed, refused, wrong } = ask_every_block(&source, &a, &b).await.unwrap();
    println!("{checked} checked, {failed} of them failed on both sides, {refused} refused");
    assert!(wrong.is_empty(), "{} wrong answers, for example\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
    assert!(checked > 1_500 && failed < checked / 5, "{checked} {failed}");
}

/// What the planner can make of plain joins: with every other way forbidden, it finds the indexes.
#[tokio::test]
async fn an_index_serves_a_plain_join() {
    let database = Database::create().await;
    database.run(TABLES).await;
    let indexed = ["name", "other", "code", "price", "guid", "day_text", "cents", "days", "guid_bytes", "at_zone", "feeling"];
    for column in indexed {
        database.run(&format!("CREATE INDEX ON b ({column})")).await;
    }
    database.run("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off").await;
    let source = database.source(1);
    let (a, b) = (held(relation(&source, "a").await), held(relation(&source, "b").await));
    let position = |name: &str| a.columns.iter().position(|column| column.name == name).unwrap();
    // Two columns of another collation than the usual one, and enumerations, are compared as text.
    for name in indexed.into_iter().filter(|name| !matches!(*name, "other" | "feeling")).chain(["id"]) {
        let at = position(name);
        let outer = Expr::OuterColumn { depth: 1, index: at, scalar_type: a.columns[at].scalar_type };
        let of_b = SourceQuery { filter: Some(Expr::compare(CompareOp::Eq, Expr::Column(at), outer)), ..SourceQuery::scan(b.clone()) };
        let exists = SourceQuery { filter: Some(Expr::Exists(Box::new(of_b))), ..SourceQuery::scan(a.clone()) };
        let join = |kind: JoinKind| {
            let on = vec![(Expr::Column(at), Expr::Column(at))];
            let (left, right) = (Relation::Table(a.clone()), Relation::Table(b.clone()));
            let join = Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false };
            // Something of the second table, or a left join would be left out.
            let last = if matches!(kind, JoinKind::Inner | JoinKind::Left) { a.columns.len() } else { 0 };
            let output = [0, last].map(|index| Output { name: "id".to_owned(), expr: Expr::Column(index) }).to_vec();
            SourceQuery::select(Relation::Join(Box::new(join)), output)
        };
        for query in [exists, join(JoinKind::Inner), join(JoinKind::Left), join(JoinKind::Semi), join(JoinKind::Anti)] {
            let text = source.describe(&query)[0].text.clone();
            let plan: Vec<String> =
                database.client.query(&format!("EXPLAIN {text}"), &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
            let plan = plan.join("\n");
            let condition = plan.lines().any(|line| line.trim_start().starts_with("Index Cond:"));
            assert!(condition, "{name}: {text}\n{plan}");
        }
    }
}
