//! Orders, limits, key sets, counts, and what is refused.

use super::*;

#[test]
fn sorting_and_limits() {
    let sorted = SourceQuery {
        order_by: vec![key(1, false), key(3, true), key(4, true), key(7, false), key(2, false)],
        limit: Some(10),
        offset: 20,
        ..query(&[col(1)])
    };
    check(
        &sorted,
        &expect![[r#"
        SELECT t0."name" AS "c0" FROM "main"."od""d" AS t0 ORDER BY t0."name" COLLATE "C" ASC NULLS FIRST, t0."price"::numeric DESC NULLS LAST, t0."day" COLLATE "C" DESC NULLS LAST, t0."code"::text COLLATE "C" ASC NULLS FIRST, t0."ratio" ASC NULLS FIRST LIMIT 10 OFFSET 20
    "#]],
        &expect![[r#"
        SELECT t0."name" AS "c0" FROM "main"."od""d" AS t0 ORDER BY t0."name" COLLATE BINARY ASC NULLS FIRST, portico_decimal(t0."price") DESC NULLS LAST, t0."day" COLLATE BINARY DESC NULLS LAST, t0."code" COLLATE BINARY ASC NULLS FIRST, t0."ratio" ASC NULLS FIRST LIMIT 10 OFFSET 20
    "#]],
    );
    check(
        &SourceQuery { offset: 5, ..query(&[col(0)]) },
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 OFFSET 5
    "#]],
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 LIMIT -1 OFFSET 5
    "#]],
    );
}

#[test]
fn computed_outputs() {
    let outputs = [call(Function::Length, vec![col(1)]), cmp(CompareOp::Gt, col(0), lit(Value::Int32(1))), lit(Value::text("x"))];
    check(
        &query(&outputs),
        &expect![[r#"
        SELECT (char_length(t0."name"))::int4 AS "c0", ((t0."id" > $1::int4))::bool AS "c1", ($2::text)::text AS "c2" FROM "main"."od""d" AS t0
          Int32(1)
          Text("x")
    "#]],
        &expect![[r#"
        SELECT portico_length(t0."name") AS "c0", (t0."id" > ?1) AS "c1", ?2 AS "c2" FROM "main"."od""d" AS t0
          Int64(1)
          Text("x")
    "#]],
    );
}

#[test]
fn key_sets() {
    let keys = |columns, tuples| SourceQuery {
        keys: Some(KeySet { columns, tuples }),
        filter: Some(cmp(CompareOp::Gt, col(0), lit(Value::Int32(0)))),
        ..query(&[col(0)])
    };
    check(
        &keys(vec![0], vec![vec![Value::Int32(1)], vec![Value::Int32(2)]]),
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE (t0."id" = ANY($1::int4[])) AND (t0."id" > $2::int4)
          int32[] [Int32(1), Int32(2)]
          Int32(0)
    "#]],
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE (t0."id" IN (?1, ?2)) AND (t0."id" > ?3)
          Int64(1)
          Int64(2)
          Int64(0)
    "#]],
    );
    let pair = |number, text: &str| vec![Value::Int32(number), Value::text(text)];
    check(
        &keys(vec![0, 1], vec![pair(1, "a"), pair(2, "b")]),
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE ((t0."id", t0."name") IN (SELECT * FROM unnest($1::int4[], $2::text[]))) AND (t0."id" > $3::int4)
          int32[] [Int32(1), Int32(2)]
          text[] [Text("a"), Text("b")]
          Int32(0)
    "#]],
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE ((t0."id", t0."name" COLLATE BINARY) IN (VALUES (?1, ?2), (?3, ?4))) AND (t0."id" > ?5)
          Int64(1)
          Text("a")
          Int64(2)
          Text("b")
          Int64(0)
    "#]],
    );
    check(
        &keys(vec![5, 3], vec![vec![Value::Timestamp(1_000_000), decimal(1, 0)], vec![Value::Timestamp(1), decimal(1, 0)]]),
        &expect![[r#"
            SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE ((t0."at", t0."price"::numeric) IN (SELECT * FROM unnest($1::int8[], $2::numeric[]))) AND (t0."id" > $3::int4)
              int64[] [Int64(1)]
              decimal(10,2)[] [Decimal { unscaled: 1, precision: 18, scale: 0 }]
              Int32(0)
        "#]],
        &expect![[r#"
            SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE ((t0."at", portico_decimal(t0."price")) IN (VALUES (?1, portico_decimal(?2)))) AND (t0."id" > ?3)
              Int64(1)
              Text("1")
              Int64(0)
        "#]],
    );
    check(
        &keys(vec![2], vec![vec![Value::float64(f64::NAN)]]),
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE FALSE AND (t0."id" > $1::int4)
          Int32(0)
    "#]],
        &expect![[r#"
        SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0 WHERE 0 AND (t0."id" > ?1)
          Int64(0)
    "#]],
    );
    check(
        &keys(vec![0, 1], vec![vec![Value::Int32(1)]]),
        &expect![[r#"
        refused: a key set whose tuples do not fit its columns is not supported by this source
    "#]],
        &expect![[r#"
        refused: a key set whose tuples do not fit its columns is not supported by this source
    "#]],
    );
}

#[test]
fn limits_per_key_and_distinct_rows() {
    let per = LimitPer { columns: vec![col(1)], offset: 1, limit: 3 };
    let limited = SourceQuery { limit_per: Some(per.clone()), order_by: vec![key(3, true)], limit: Some(9), ..query(&[col(0), col(3)]) };
    check(
        &limited,
        &expect![[r#"
            SELECT q."c0" AS "c0", q."c1" AS "c1" FROM (SELECT t0."id" AS "c0", t0."price" AS "c1", t0."price"::numeric AS "s0", ROW_NUMBER() OVER (PARTITION BY t0."name" ORDER BY t0."price"::numeric DESC NULLS LAST) AS "n" FROM "main"."od""d" AS t0) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" DESC NULLS LAST LIMIT 9
        "#]],
        &expect![[r#"
            SELECT q."c0" AS "c0", q."c1" AS "c1" FROM (SELECT t0."id" AS "c0", t0."price" AS "c1", portico_decimal(t0."price") AS "s0", ROW_NUMBER() OVER (PARTITION BY t0."name" COLLATE BINARY ORDER BY portico_decimal(t0."price") DESC NULLS LAST) AS "n" FROM "main"."od""d" AS t0) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" DESC NULLS LAST LIMIT 9
        "#]],
    );
    let distinct = SourceQuery { distinct: true, ..query(&[col(1), col(3), col(4)]) };
    check(
        &distinct,
        &expect![[r#"
        SELECT DISTINCT t0."name" AS "c0", t0."price"::numeric AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0
    "#]],
        &expect![[r#"
        SELECT DISTINCT t0."name" COLLATE BINARY AS "c0", portico_decimal(t0."price") AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0
    "#]],
    );
    let sorted = SourceQuery { order_by: vec![key(1, false)], limit: Some(3), ..distinct.clone() };
    check(
        &sorted,
        &expect![[r#"
            SELECT d."c0" AS "c0", d."c1" AS "c1", d."c2" AS "c2" FROM (SELECT DISTINCT t0."name" AS "c0", t0."price"::numeric AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d ORDER BY d."c0" COLLATE "C" ASC NULLS FIRST LIMIT 3
        "#]],
        &expect![[r#"
            SELECT d."c0" AS "c0", d."c1" AS "c1", d."c2" AS "c2" FROM (SELECT DISTINCT t0."name" COLLATE BINARY AS "c0", portico_decimal(t0."price") AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d ORDER BY d."c0" COLLATE BINARY ASC NULLS FIRST LIMIT 3
        "#]],
    );
    let both = SourceQuery { limit_per: Some(per), order_by: vec![key(3, false)], ..distinct.clone() };
    check(
        &both,
        &expect![[r#"
            SELECT q."c0" AS "c0", q."c1" AS "c1", q."c2" AS "c2" FROM (SELECT d."c0" AS "c0", d."c1" AS "c1", d."c2" AS "c2", d."c1" AS "s0", ROW_NUMBER() OVER (PARTITION BY d."c0" ORDER BY d."c1" ASC NULLS FIRST) AS "n" FROM (SELECT DISTINCT t0."name" AS "c0", t0."price"::numeric AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" ASC NULLS FIRST
        "#]],
        &expect![[r#"
            SELECT q."c0" AS "c0", q."c1" AS "c1", q."c2" AS "c2" FROM (SELECT d."c0" AS "c0", d."c1" AS "c1", d."c2" AS "c2", d."c1" AS "s0", ROW_NUMBER() OVER (PARTITION BY d."c0" COLLATE BINARY ORDER BY d."c1" ASC NULLS FIRST) AS "n" FROM (SELECT DISTINCT t0."name" COLLATE BINARY AS "c0", portico_decimal(t0."price") AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" ASC NULLS FIRST
        "#]],
    );
    check(
        &SourceQuery { order_by: vec![key(0, false)], ..distinct },
        &expect![[r#"
        refused: ordering distinct rows by something that is not returned is not supported by this source
    "#]],
        &expect![[r#"
        refused: ordering distinct rows by something that is not returned is not supported by this source
    "#]],
    );
}

#[test]
fn row_counts() {
    let count_rows = AggregateCall {
        function: AggregateFunction::CountRows,
        argument: None,
        distinct: false,
        filter: None,
        scalar_type: ScalarType::Int64,
    };
    let counting = Aggregation { group_by: vec![], calls: vec![count_rows], having: None };
    let rows = SourceQuery { aggregate: Some(counting.clone()), ..query(&[col(0)]) };
    check(
        &rows,
        &expect![[r#"
        SELECT count(*) AS "c0" FROM "main"."od""d" AS t0
    "#]],
        &expect![[r#"
        SELECT count(*) AS "c0" FROM "main"."od""d" AS t0
    "#]],
    );
    let keys = KeySet { columns: vec![0], tuples: vec![vec![Value::Int32(1)], vec![Value::Int32(2)]] };
    let filter = Some(Expr::Or(vec![cmp(CompareOp::Eq, col(1), lit(Value::text("O'Brien"))), Expr::IsNull(Box::new(col(3)))]));
    let restricted = SourceQuery { filter, keys: Some(keys), output: query(&[col(0), col(0)]).output, ..rows.clone() };
    check(
        &restricted,
        &expect![[r#"
        SELECT count(*) AS "c0", count(*) AS "c1" FROM "main"."od""d" AS t0 WHERE (t0."id" = ANY($1::int4[])) AND ((t0."name" = $2::text) OR (t0."price" IS NULL))
          int32[] [Int32(1), Int32(2)]
          Text("O'Brien")
    "#]],
        &expect![[r#"
        SELECT count(*) AS "c0", count(*) AS "c1" FROM "main"."od""d" AS t0 WHERE (t0."id" IN (?1, ?2)) AND ((t0."name" COLLATE BINARY = ?3) OR (t0."price" IS NULL))
          Int64(1)
          Int64(2)
          Text("O'Brien")
    "#]],
    );
    let columns = select(&restricted, &POSTGRES).unwrap().columns;
    let shown: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.scalar_type, column.nullable)).collect();
    assert_eq!(shown, [("out0", ScalarType::Int64, false), ("out1", ScalarType::Int64, false)]);
    let nothing = KeySet { columns: vec![0], tuples: vec![] };
    check(
        &SourceQuery { keys: Some(nothing), ..rows.clone() },
        &expect![[r#"
        SELECT count(*) AS "c0" FROM "main"."od""d" AS t0 WHERE FALSE
    "#]],
        &expect![[r#"
        SELECT count(*) AS "c0" FROM "main"."od""d" AS t0 WHERE 0
    "#]],
    );
    let grouped = Aggregation { group_by: vec![col(1)], ..counting.clone() };
    check(
        &SourceQuery { aggregate: Some(grouped), ..rows.clone() },
        &expect![[r#"
            SELECT t0."name" AS "c0" FROM "main"."od""d" AS t0 GROUP BY t0."name"
        "#]],
        &expect![[r#"
            SELECT t0."name" AS "c0" FROM "main"."od""d" AS t0 GROUP BY t0."name" COLLATE BINARY
        "#]],
    );
    let having = Aggregation { having: Some(cmp(CompareOp::Gt, col(0), lit(Value::Int64(1)))), ..counting };
    check(
        &SourceQuery { aggregate: Some(having), ..rows.clone() },
        &expect![[r#"
            SELECT count(*) AS "c0" FROM "main"."od""d" AS t0 HAVING (count(*) > $1::int8)
              Int64(1)
        "#]],
        &expect![[r#"
            SELECT count(*) AS "c0" FROM "main"."od""d" AS t0 HAVING (count(*) > ?1)
              Int64(1)
        "#]],
    );
    check(
        &SourceQuery { limit: Some(1), ..rows },
        &expect![[r#"
            SELECT count(*) AS "c0" FROM "main"."od""d" AS t0 LIMIT 1
        "#]],
        &expect![[r#"
            SELECT count(*) AS "c0" FROM "main"."od""d" AS t0 LIMIT 1
        "#]],
    );
}

#[test]
fn blocks_without_columns_and_without_blocks() {
    let nested = SourceQuery::select(Relation::Query(Box::new(query(&[col(0)]))), vec![]);
    check(
        &nested,
        &expect![[r#"
            SELECT 1 FROM (SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0) AS q0
        "#]],
        &expect![[r#"
            SELECT 1 FROM (SELECT t0."id" AS "c0" FROM "main"."od""d" AS t0) AS q0
        "#]],
    );
    check(
        &SourceQuery::select(Relation::Union(vec![]), vec![]),
        &expect![[r#"
            refused: a union of nothing is not supported by this source
        "#]],
        &expect![[r#"
            refused: a union of nothing is not supported by this source
        "#]],
    );
    check(
        &query(&[col(99)]),
        &expect![[r#"
        refused: an expression without a type is not supported by this source
    "#]],
        &expect![[r#"
        refused: an expression without a type is not supported by this source
    "#]],
    );
}

#[test]
fn pages_of_a_table() {
    let show = |query: &SourceQuery, first, end| {
        select_pages(query, &POSTGRES, PageRange { first, end })
            .map_or_else(|refused| format!("refused: {refused}\n"), |statement| show_statement(&statement))
    };
    let filter = cmp(CompareOp::Gt, col(0), lit(Value::Int32(1)));
    let shown = [
        show(&query(&[col(0)]), 0, Some(128)),
        show(&filtered(filter.clone()), 128, None),
        show(&SourceQuery { limit: Some(5), ..query(&[col(0)]) }, 0, None),
        show(&SourceQuery { order_by: vec![key(1, false)], ..query(&[col(0)]) }, 0, None),
        show(&SourceQuery { distinct: true, ..query(&[col(0)]) }, 0, None),
        show(&SourceQuery::select(Relation::Query(Box::new(query(&[col(0)]))), query(&[col(0)]).output), 0, None),
        show(&filtered(Expr::Exists(Box::new(query(&[col(0)])))), 0, None),
    ];
    expect![[r#"
        SELECT t0."id" AS "c0" FROM ONLY "main"."od""d" AS t0 WHERE t0.ctid >= '(0,0)'::tid AND t0.ctid < '(128,0)'::tid
        SELECT t0."id" AS "c0" FROM ONLY "main"."od""d" AS t0 WHERE t0.ctid >= '(128,0)'::tid AND (t0."id" > $1::int4)
          Int32(1)
        refused: reading this query by pages of a table is not supported by this source
        refused: reading this query by pages of a table is not supported by this source
        refused: reading this query by pages of a table is not supported by this source
        refused: reading this query by pages of a table is not supported by this source
        refused: reading this query by pages of a table is not supported by this source
    "#]]
    .assert_eq(&shown.concat());
    assert!(select_pages(&query(&[col(0)]), &SQLITE, PageRange { first: 0, end: None }).is_err());
}
