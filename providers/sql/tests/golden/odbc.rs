//! PostgreSQL and MySQL through ODBC: `?` with types, and outputs that travel as text.

use super::*;
use portico_provider_sql::{ODBC_MYSQL, ODBC_POSTGRES};

fn every_type() -> TableRelation {
    let of = |name: &str, scalar_type, native: &str| column(name, scalar_type, None, Some(native));
    TableRelation {
        table: RemoteTableName(vec!["main".to_owned(), "t".to_owned()]),
        columns: vec![
            of("id", ScalarType::Int32, "int4"),
            of("flag", ScalarType::Boolean, "bool"),
            of("ratio", ScalarType::Float64, "float8"),
            of("price", DECIMAL, "numeric"),
            of("name", ScalarType::Text, "text"),
            of("payload", ScalarType::Binary, "bytea"),
            of("day", ScalarType::Date, "date"),
            of("at", ScalarType::TimestampTz, "timestamptz"),
            column("erp_day", ScalarType::Date, Some(Codec::SapDate), Some("text")),
        ],
    }
}

fn of_every_type(outputs: &[usize]) -> SourceQuery {
    let output = outputs.iter().map(|index| Output { name: format!("out{index}"), expr: col(*index) }).collect();
    SourceQuery::select(Relation::Table(every_type()), output)
}

#[test]
fn readers_are_sent_texts_where_a_driver_would_convert() {
    let scan = of_every_type(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect![[r#"
        SELECT t0."id" AS "c0", (t0."flag")::text AS "c1", (t0."ratio")::text AS "c2", (t0."price")::text AS "c3", t0."name" AS "c4", (t0."payload")::text AS "c5", (t0."day")::text AS "c6", (t0."at" AT TIME ZONE 'UTC')::text AS "c7", (t0."erp_day")::text AS "c8" FROM "main"."t" AS t0
    "#]].assert_eq(&show(&scan, &ODBC_POSTGRES));
    expect![[r#"
        SELECT CAST((t0.`id`) + 0 AS CHAR CHARACTER SET utf8mb4) AS `c0`, CAST((t0.`flag`) + 0 AS CHAR CHARACTER SET utf8mb4) AS `c1`, t0.`ratio` AS `c2`, CAST(t0.`price` AS CHAR CHARACTER SET utf8mb4) AS `c3`, CONVERT(t0.`name` USING utf8mb4) AS `c4`, t0.`payload` AS `c5`, CAST(t0.`day` AS CHAR CHARACTER SET utf8mb4) AS `c6`, CAST(t0.`at` AS CHAR CHARACTER SET utf8mb4) AS `c7`, CAST(t0.`erp_day` AS CHAR CHARACTER SET utf8mb4) AS `c8` FROM `main`.`t` AS t0
    "#]].assert_eq(&show(&scan, &ODBC_MYSQL));
}

#[test]
fn only_readers_are_sent_texts() {
    let distinct = SourceQuery { distinct: true, ..of_every_type(&[2, 6]) };
    let nested = SourceQuery {
        order_by: vec![key(0, true)],
        limit: Some(3),
        ..SourceQuery::select(Relation::Query(Box::new(of_every_type(&[6, 3]))), vec![Output { name: "day".to_owned(), expr: col(0) }])
    };
    let per = SourceQuery { limit_per: Some(LimitPer { columns: vec![col(6)], limit: 2, offset: 0 }), ..of_every_type(&[6, 0]) };
    expect![[r#"
        SELECT (d."c0")::text AS "c0", (d."c1")::text AS "c1" FROM (SELECT DISTINCT t0."ratio" AS "c0", t0."day" AS "c1" FROM "main"."t" AS t0) AS d
        SELECT (q0."c0")::text AS "c0" FROM (SELECT t0."day" AS "c0", t0."price" AS "c1" FROM "main"."t" AS t0) AS q0 ORDER BY q0."c0" DESC NULLS LAST LIMIT 3
        SELECT (q."c0")::text AS "c0", q."c1" AS "c1" FROM (SELECT t0."day" AS "c0", t0."id" AS "c1", ROW_NUMBER() OVER (PARTITION BY t0."day") AS "n" FROM "main"."t" AS t0) AS q WHERE q."n" > 0 AND q."n" <= 2
    "#]].assert_eq(&[&distinct, &nested, &per].map(|query| show(query, &ODBC_POSTGRES)).join(""));
    expect![[r#"
        SELECT d.`c0` AS `c0`, CAST(d.`c1` AS CHAR CHARACTER SET utf8mb4) AS `c1` FROM (SELECT DISTINCT t0.`ratio` AS `c0`, t0.`day` AS `c1` FROM `main`.`t` AS t0) AS d
        SELECT CAST(q0.`c0` AS CHAR CHARACTER SET utf8mb4) AS `c0` FROM (SELECT t0.`day` AS `c0`, t0.`price` AS `c1` FROM `main`.`t` AS t0) AS q0 ORDER BY q0.`c0` DESC LIMIT 3
        SELECT CAST(q.`c0` AS CHAR CHARACTER SET utf8mb4) AS `c0`, CAST((q.`c1`) + 0 AS CHAR CHARACTER SET utf8mb4) AS `c1` FROM (SELECT t0.`day` AS `c0`, t0.`id` AS `c1`, ROW_NUMBER() OVER (PARTITION BY t0.`day`) AS `n` FROM `main`.`t` AS t0) AS q WHERE q.`n` > 0 AND q.`n` <= 2
    "#]].assert_eq(&[&distinct, &nested, &per].map(|query| show(query, &ODBC_MYSQL)).join(""));
}

#[test]
fn parameters_are_texts_of_a_type() {
    let filters = [
        cmp(CompareOp::Eq, col(0), lit(Value::Int32(7))),
        cmp(CompareOp::Eq, col(1), lit(Value::Boolean(true))),
        cmp(CompareOp::Gt, col(2), lit(Value::float64(0.1))),
        cmp(CompareOp::Lt, col(3), lit(decimal(-1250, 2))),
        cmp(CompareOp::NotEq, col(5), lit(Value::Binary(vec![0, 255]))),
        cmp(CompareOp::GtEq, col(6), lit(Value::Date(19_782))),
        cmp(CompareOp::GtEq, col(6), lit(Value::Date(-719_529))),
        cmp(CompareOp::LtEq, col(7), lit(Value::TimestampTz(-1))),
    ];
    let shown = |dialect: &Dialect| {
        filters
            .iter()
            .map(|filter| {
                let whole = show(&SourceQuery { filter: Some(filter.clone()), ..of_every_type(&[0]) }, dialect);
                whole.split_once(" WHERE ").map_or(whole.clone(), |(_, rest)| rest.to_owned()).replace("\n  ", "  -- ")
            })
            .collect::<String>()
    };
    expect![[r#"
        (t0."id" = ?::int4)  -- Text("7")
        (t0."flag" = ?::bool)  -- Text("true")
        (t0."ratio" > ?::float8 AND t0."ratio" <> 'NaN'::float8)  -- Text("1e-1")
        (t0."price" < ?::numeric)  -- Text("-12.50")
        (t0."payload" <> ?::bytea)  -- Text("\\x00ff")
        (t0."day" >= ?::date)  -- Text("2024-02-29")
        (t0."day" >= ?::date)  -- Text("0002-12-31 BC")
        (t0."at" <= ?::timestamptz)  -- Text("1969-12-31 23:59:59.999999+00")
    "#]]
    .assert_eq(&shown(&ODBC_POSTGRES));
    expect![[r#"
        (t0.`id` = CAST(? AS SIGNED))  -- Int64(7)
        ((t0.`flag` <> 0) = CAST(? AS SIGNED))  -- Int64(1)
        (t0.`ratio` > CAST(? AS DOUBLE))  -- Float64(Float(0.1))
        (t0.`price` < CAST(? AS DECIMAL(3,1)))  -- Text("-12.50")
        (t0.`payload` <> CAST(? AS BINARY))  -- Binary([0, 255])
        (t0.`day` >= CAST(? AS DATE))  -- Text("2024-02-29")
        (t0.`day` IS NOT NULL OR NULL)
        (t0.`at` <= CAST(? AS DATETIME(6)))  -- Text("1969-12-31 23:59:59.999999")
    "#]]
    .assert_eq(&shown(&ODBC_MYSQL));
    let keys =
        KeySet { columns: vec![0, 4], tuples: vec![vec![Value::Int32(1), Value::text("a")], vec![Value::Int32(2), Value::text("b")]] };
    expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."t" AS t0 WHERE ((t0."id", t0."name") IN (VALUES (?::int4, ?::text), (?::int4, ?::text)))
          Text("1")
          Text("a")
          Text("2")
          Text("b")
    "#]]
    .assert_eq(&show(&SourceQuery { keys: Some(keys), ..of_every_type(&[0]) }, &ODBC_POSTGRES));
}
