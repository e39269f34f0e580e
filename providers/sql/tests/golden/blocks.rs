//! Joins, groups, nested blocks, unions, sub-queries and windows.

use super::*;
use portico_provider_api::{Join, JoinKind, WindowFunction};

/// A second table. Positions: 0 number, 1 name, 2 ratio, 3 day (date text), 4 amount.
fn items() -> Relation {
    Relation::Table(TableRelation {
        table: RemoteTableName(vec!["items".to_owned()]),
        columns: vec![
            TableColumn { nullable: false, ..column("number", ScalarType::Int32, None, Some("int4")) },
            column("name", ScalarType::Text, None, Some("varchar")),
            column("ratio", ScalarType::Float64, None, Some("float8")),
            column("day", ScalarType::Date, Some(Codec::DateText), None),
            column("amount", DECIMAL, None, Some("numeric")),
        ],
    })
}

fn orders() -> Relation {
    Relation::Table(table())
}

fn join(kind: JoinKind, left: Relation, right: Relation, on: Vec<(Expr, Expr)>) -> Join {
    Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false }
}

fn joined(join: Join, outputs: &[Expr]) -> SourceQuery {
    SourceQuery { from: Relation::Join(Box::new(join)), ..query(outputs) }
}

/// Only what stands behind `FROM`.
fn from(join: Join, dialect: &Dialect) -> String {
    let whole = show(&joined(join, &[col(0)]), dialect);
    whole.split_once(" FROM ").map_or(whole.clone(), |(_, rest)| rest.to_owned())
}

fn froms(joins: &[Join], postgres: &Expect, sqlite: &Expect) {
    let all = |dialect| joins.iter().map(|join| from(join.clone(), dialect)).collect::<String>();
    postgres.assert_eq(&all(&POSTGRES));
    sqlite.assert_eq(&all(&SQLITE));
}

/// Behind the thirteen columns of the first table.
fn item(index: usize) -> Expr {
    col(13 + index)
}

#[test]
fn joins() {
    let on_id = || vec![(col(0), col(0))];
    let residual = Some(cmp(CompareOp::Gt, item(4), lit(decimal(5, 0))));
    let nested = join(JoinKind::Inner, orders(), items(), on_id());
    froms(
        &[
            join(JoinKind::Inner, orders(), items(), on_id()),
            join(JoinKind::Inner, orders(), items(), vec![(col(1), col(1)), (col(4), col(3)), (col(2), col(2))]),
            Join { residual: residual.clone(), ..join(JoinKind::Left, orders(), items(), on_id()) },
            join(JoinKind::Cross, orders(), items(), vec![]),
            join(JoinKind::Left, items(), Relation::Join(Box::new(nested)), on_id()),
            Join { null_equal: true, ..join(JoinKind::Inner, orders(), items(), vec![(col(0), col(0)), (col(1), col(1))]) },
        ],
        &expect![[r#"
            "main"."od""d" AS t0 JOIN "items" AS t1 ON (t0."id" = t1."number")
            "main"."od""d" AS t0 JOIN "items" AS t1 ON (t0."name" = t1."name") AND (t0."day" = t1."day") AND (t0."ratio" = t1."ratio" AND (t0."ratio" <> 'NaN'::float8 OR t1."ratio" IS NULL))
            "main"."od""d" AS t0 LEFT JOIN "items" AS t1 ON (t0."id" = t1."number") AND (t1."amount" > $1::numeric)
              Decimal { unscaled: 5, precision: 18, scale: 0 }
            "main"."od""d" AS t0 JOIN "items" AS t1 ON TRUE
            "items" AS t0 LEFT JOIN ("main"."od""d" AS t1 JOIN "items" AS t2 ON (t1."id" = t2."number")) ON (t0."number" = t1."id")
            "main"."od""d" AS t0 JOIN "items" AS t1 ON (t0."id" = t1."number") AND (t0."name" IS NOT DISTINCT FROM t1."name")
        "#]],
        &expect![[r#"
            "main"."od""d" AS t0 JOIN "items" AS t1 ON (t0."id" = t1."number")
            "main"."od""d" AS t0 JOIN "items" AS t1 ON (t0."name" COLLATE BINARY = t1."name") AND (t0."day" COLLATE BINARY = t1."day") AND (t0."ratio" = t1."ratio")
            "main"."od""d" AS t0 LEFT JOIN "items" AS t1 ON (t0."id" = t1."number") AND (portico_decimal(t1."amount") > portico_decimal(?1))
              Text("5")
            "main"."od""d" AS t0 JOIN "items" AS t1 ON 1
            "items" AS t0 LEFT JOIN ("main"."od""d" AS t1 JOIN "items" AS t2 ON (t1."id" = t2."number")) ON (t0."number" = t1."id")
            "main"."od""d" AS t0 JOIN "items" AS t1 ON (t0."id" = t1."number") AND (t0."name" COLLATE BINARY IS t1."name")
        "#]],
    );
}

#[test]
fn semi_and_anti_joins() {
    let semi = || join(JoinKind::Semi, orders(), items(), vec![(col(0), col(0))]);
    let anti = || join(JoinKind::Anti, orders(), items(), vec![(col(0), col(0))]);
    let residual = Some(cmp(CompareOp::Lt, item(3), col(4)));
    froms(
        &[
            semi(),
            Join { residual: residual.clone(), ..anti() },
            Join { null_aware: true, ..anti() },
            Join { null_aware: true, left: items(), ..anti() },
            Join { null_aware: true, residual, on: vec![(col(2), col(2))], ..anti() },
            join(JoinKind::Left, items(), Relation::Join(Box::new(semi())), vec![(col(0), col(0))]),
            join(JoinKind::Inner, Relation::Join(Box::new(anti())), items(), vec![(col(0), col(0))]),
            join(JoinKind::Semi, items(), Relation::Join(Box::new(semi())), vec![(col(0), col(0))]),
        ],
        &expect![[r#"
            "main"."od""d" AS t0 WHERE EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."id" = t1."number"))
            "main"."od""d" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."id" = t1."number") AND (t1."day" COLLATE "C" < t0."day")))
            "main"."od""d" AS t0 WHERE (t0."id" NOT IN (SELECT t1."number" FROM "items" AS t1))
            "items" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."number" = t1."number")))
            "main"."od""d" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t1."day" COLLATE "C" < t0."day") AND (((t0."ratio" = t1."ratio" AND (t0."ratio" <> 'NaN'::float8 OR t1."ratio" IS NULL))) IS DISTINCT FROM FALSE)))
            "items" AS t0 LEFT JOIN "main"."od""d" AS t1 ON (t0."number" = t1."id") AND EXISTS (SELECT 1 FROM "items" AS t2 WHERE (t1."id" = t2."number"))
            "main"."od""d" AS t0 JOIN "items" AS t2 ON (t0."id" = t2."number") WHERE (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."id" = t1."number")))
            "items" AS t0 WHERE EXISTS (SELECT 1 FROM "main"."od""d" AS t1 WHERE (t0."number" = t1."id") AND EXISTS (SELECT 1 FROM "items" AS t2 WHERE (t1."id" = t2."number")))
        "#]],
        &expect![[r#"
            "main"."od""d" AS t0 WHERE EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."id" = t1."number"))
            "main"."od""d" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."id" = t1."number") AND (t1."day" COLLATE BINARY < t0."day")))
            "main"."od""d" AS t0 WHERE (t0."id" NOT IN (SELECT t1."number" FROM "items" AS t1))
            "items" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."number" = t1."number")))
            "main"."od""d" AS t0 WHERE (t0."ratio" NOT IN (SELECT t1."ratio" FROM "items" AS t1 WHERE (t1."day" COLLATE BINARY < t0."day")))
            "items" AS t0 LEFT JOIN "main"."od""d" AS t1 ON (t0."number" = t1."id") AND EXISTS (SELECT 1 FROM "items" AS t2 WHERE (t1."id" = t2."number"))
            "main"."od""d" AS t0 JOIN "items" AS t2 ON (t0."id" = t2."number") WHERE (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t0."id" = t1."number")))
            "items" AS t0 WHERE EXISTS (SELECT 1 FROM "main"."od""d" AS t1 WHERE (t0."number" = t1."id") AND EXISTS (SELECT 1 FROM "items" AS t2 WHERE (t1."id" = t2."number")))
        "#]],
    );
}

fn calls(functions: &[(AggregateFunction, Option<usize>)]) -> Vec<AggregateCall> {
    let columns = table().columns;
    functions.iter().filter_map(|(function, at)| AggregateCall::new(*function, at.map(col), &columns)).collect()
}

fn grouped(group_by: Vec<Expr>, calls: Vec<AggregateCall>, outputs: &[Expr]) -> SourceQuery {
    SourceQuery { aggregate: Some(Aggregation { group_by, calls, having: None }), ..query(outputs) }
}

#[test]
fn aggregates_mean_what_the_ir_says() {
    use AggregateFunction::{Average, Count, Max, Min, Sum};
    let every = calls(&[
        (Sum, Some(0)),
        (Sum, Some(12)),
        (Sum, Some(2)),
        (Sum, Some(3)),
        (Average, Some(0)),
        (Average, Some(2)),
        (Average, Some(8)),
        (Min, Some(1)),
        (Max, Some(6)),
        (Min, Some(9)),
        (Max, Some(4)),
        (Count, Some(3)),
    ]);
    assert_eq!(every.len(), 12);
    let outputs: Vec<_> = (0..every.len()).map(col).collect();
    check(
        &grouped(vec![], every, &outputs),
        &expect![[r#"
            SELECT sum(t0."id") AS "c0", (sum(t0."big"))::int8 AS "c1", sum(t0."ratio") AS "c2", sum(t0."price"::numeric) AS "c3", ((sum(t0."id"))::float8 / count(t0."id")) AS "c4", (sum(t0."ratio") / count(t0."ratio")) AS "c5", round(div(sum((t0."cents"::numeric * 0.01)) * 10000000, count((t0."cents"::numeric * 0.01))) * 0.0000001, 6) AS "c6", min(t0."name" COLLATE "C") AS "c7", bool_or((t0."flag" = 1)) AS "c8", (min(t0."uid"::uuid::text COLLATE "C"))::uuid AS "c9", max(t0."day"::date) AS "c10", count(t0."price") AS "c11" FROM "main"."od""d" AS t0
        "#]],
        &expect![[r#"
            SELECT portico_sum_integer(t0."id") AS "c0", portico_sum_integer(t0."big") AS "c1", portico_sum_float(t0."ratio") AS "c2", portico_fitted('decimal(20,2)', portico_sum_decimal(portico_decimal(t0."price"))) AS "c3", portico_average('float64', portico_sum_decimal(t0."id"), count(t0."id")) AS "c4", (portico_sum_float(t0."ratio") / count(t0."ratio")) AS "c5", portico_average('decimal(14,6)', portico_sum_decimal(portico_unscaled(t0."cents", 2)), count(portico_unscaled(t0."cents", 2))) AS "c6", min(t0."name" COLLATE BINARY) AS "c7", max(portico_stored('bool_int', t0."flag")) AS "c8", min(portico_stored('guid_text', t0."uid") COLLATE BINARY) AS "c9", max(portico_stored('date_text', t0."day")) AS "c10", count(t0."price") AS "c11" FROM "main"."od""d" AS t0
        "#]],
    );
    let mut some = calls(&[(Count, Some(1)), (Sum, Some(12)), (Average, Some(8)), (AggregateFunction::CountRows, None)]);
    for call in &mut some {
        call.distinct = call.argument.is_some();
        call.filter = Some(cmp(CompareOp::Gt, col(0), lit(Value::Int32(3))));
    }
    let outputs: Vec<_> = (0..some.len()).map(col).collect();
    let filtered = grouped(vec![], some, &outputs);
    check(
        &filtered,
        &expect![[r#"
        SELECT count(DISTINCT t0."name") FILTER (WHERE (t0."id" > $1::int4)) AS "c0", (sum(DISTINCT t0."big") FILTER (WHERE (t0."id" > $2::int4)))::int8 AS "c1", round(div(sum(DISTINCT (t0."cents"::numeric * 0.01)) FILTER (WHERE (t0."id" > $3::int4)) * 10000000, count(DISTINCT (t0."cents"::numeric * 0.01)) FILTER (WHERE (t0."id" > $3::int4))) * 0.0000001, 6) AS "c2", count(*) FILTER (WHERE (t0."id" > $4::int4)) AS "c3" FROM "main"."od""d" AS t0
          Int32(3)
          Int32(3)
          Int32(3)
          Int32(3)
    "#]],
        &expect![[r#"
        SELECT count(DISTINCT t0."name" COLLATE BINARY) FILTER (WHERE (t0."id" > ?1)) AS "c0", portico_sum_integer(DISTINCT t0."big") FILTER (WHERE (t0."id" > ?2)) AS "c1", portico_average('decimal(14,6)', portico_sum_decimal(DISTINCT portico_unscaled(t0."cents", 2)) FILTER (WHERE (t0."id" > ?3)), count(DISTINCT portico_unscaled(t0."cents", 2)) FILTER (WHERE (t0."id" > ?3))) AS "c2", count(*) FILTER (WHERE (t0."id" > ?4)) AS "c3" FROM "main"."od""d" AS t0
          Int64(3)
          Int64(3)
          Int64(3)
          Int64(3)
    "#]],
    );
    let without = Dialect { aggregate_filter: false, ..POSTGRES };
    expect![[r#"
        SELECT count(DISTINCT (CASE WHEN (t0."id" > $1::int4) THEN t0."name" END)) AS "c0", (sum(DISTINCT (CASE WHEN (t0."id" > $2::int4) THEN t0."big" END)))::int8 AS "c1", round(div(sum(DISTINCT (CASE WHEN (t0."id" > $3::int4) THEN (t0."cents"::numeric * 0.01) END)) * 10000000, count(DISTINCT (CASE WHEN (t0."id" > $3::int4) THEN (t0."cents"::numeric * 0.01) END))) * 0.0000001, 6) AS "c2", count(CASE WHEN (t0."id" > $4::int4) THEN 1 END) AS "c3" FROM "main"."od""d" AS t0
          Int32(3)
          Int32(3)
          Int32(3)
          Int32(3)
    "#]].assert_eq(&show(&filtered, &without));
    check(
        &grouped(vec![], calls(&[(Sum, Some(0))]), &[lit(Value::Int32(1))]),
        &expect![[r#"
        SELECT ($1::int4)::int4 AS "c0" FROM "main"."od""d" AS t0 HAVING count(*) >= 0
          Int32(1)
    "#]],
        &expect![[r#"
        SELECT ?1 AS "c0" FROM "main"."od""d" AS t0 HAVING count(*) >= 0
          Int64(1)
    "#]],
    );
}

#[test]
fn groups_are_of_values() {
    let keys = vec![col(1), col(3), col(4), col(7), call(Function::Year, vec![col(4)]), lit(Value::Boolean(true)), Expr::And(vec![])];
    let counted = calls(&[(AggregateFunction::CountRows, None), (AggregateFunction::Sum, Some(12))]);
    let outputs = [col(0), col(1), col(2), col(3), col(4), col(7), cmp(CompareOp::Lt, col(8), lit(Value::Int64(9)))];
    let base = grouped(keys, counted, &outputs);
    let having = Some(Expr::And(vec![cmp(CompareOp::Gt, col(7), lit(Value::Int64(1))), cmp(CompareOp::GtEq, col(2), lit(Value::Date(0)))]));
    let aggregate = base.aggregate.clone().map(|aggregate| Aggregation { having, ..aggregate });
    let full = SourceQuery { aggregate, order_by: vec![key(8, true), key(2, false), key(3, false)], limit: Some(5), ..base };
    check(
        &full,
        &expect![[r#"
        SELECT t0."name" AS "c0", t0."price"::numeric AS "c1", t0."day" AS "c2", t0."code"::text AS "c3", ((EXTRACT(YEAR FROM t0."day"::date) + CASE WHEN EXTRACT(YEAR FROM t0."day"::date) < 0 THEN 1 ELSE 0 END)::int4)::int4 AS "c4", count(*) AS "c5", (((sum(t0."big"))::int8 < $4::int8))::bool AS "c6" FROM "main"."od""d" AS t0 GROUP BY t0."name", t0."price"::numeric, t0."day", t0."code"::text, ((EXTRACT(YEAR FROM t0."day"::date) + CASE WHEN EXTRACT(YEAR FROM t0."day"::date) < 0 THEN 1 ELSE 0 END)::int4)::int4, ($1::bool)::bool, (TRUE)::bool HAVING ((count(*) > $2::int8) AND (t0."day" COLLATE "C" >= $3::text)) ORDER BY (sum(t0."big"))::int8 DESC NULLS LAST, t0."day" COLLATE "C" ASC NULLS FIRST, t0."code"::text COLLATE "C" ASC NULLS FIRST LIMIT 5
          Boolean(true)
          Int64(1)
          Text("1970-01-01")
          Int64(9)
    "#]],
        &expect![[r#"
        SELECT t0."name" AS "c0", portico_decimal(t0."price") AS "c1", t0."day" AS "c2", t0."code" AS "c3", portico_part('year', 'date', portico_stored('date_text', t0."day")) AS "c4", count(*) AS "c5", (portico_sum_integer(t0."big") < ?4) AS "c6" FROM "main"."od""d" AS t0 GROUP BY t0."name" COLLATE BINARY, portico_decimal(t0."price"), t0."day" COLLATE BINARY, t0."code" COLLATE BINARY, portico_part('year', 'date', portico_stored('date_text', t0."day")), ?1, CAST(1 AS INTEGER) HAVING ((count(*) > ?2) AND (t0."day" COLLATE BINARY >= ?3)) ORDER BY portico_sum_integer(t0."big") DESC NULLS LAST, t0."day" COLLATE BINARY ASC NULLS FIRST, t0."code" COLLATE BINARY ASC NULLS FIRST LIMIT 5
          Int64(1)
          Int64(1)
          Text("1970-01-01")
          Int64(9)
    "#]],
    );
    let per = LimitPer { columns: vec![col(0)], offset: 0, limit: 2 };
    let counted = calls(&[(AggregateFunction::CountRows, None)]);
    let limited = SourceQuery {
        limit_per: Some(per),
        order_by: vec![key(2, true)],
        ..grouped(vec![col(1), col(0)], counted.clone(), &[col(0), col(1), col(2)])
    };
    check(
        &limited,
        &expect![[r#"
            SELECT q."c0" AS "c0", q."c1" AS "c1", q."c2" AS "c2" FROM (SELECT t0."name" AS "c0", t0."id" AS "c1", count(*) AS "c2", count(*) AS "s0", ROW_NUMBER() OVER (PARTITION BY t0."name" ORDER BY count(*) DESC) AS "n" FROM "main"."od""d" AS t0 GROUP BY t0."name", t0."id") AS q WHERE q."n" > 0 AND q."n" <= 2 ORDER BY q."s0" DESC
        "#]],
        &expect![[r#"
            SELECT q."c0" AS "c0", q."c1" AS "c1", q."c2" AS "c2" FROM (SELECT t0."name" AS "c0", t0."id" AS "c1", count(*) AS "c2", count(*) AS "s0", ROW_NUMBER() OVER (PARTITION BY t0."name" COLLATE BINARY ORDER BY count(*) DESC) AS "n" FROM "main"."od""d" AS t0 GROUP BY t0."name" COLLATE BINARY, t0."id") AS q WHERE q."n" > 0 AND q."n" <= 2 ORDER BY q."s0" DESC
        "#]],
    );
    check(
        &SourceQuery { distinct: true, ..grouped(vec![col(1)], counted, &[col(1)]) },
        &expect![[r#"
        SELECT DISTINCT count(*) AS "c0" FROM "main"."od""d" AS t0 GROUP BY t0."name"
    "#]],
        &expect![[r#"
        SELECT DISTINCT count(*) AS "c0" FROM "main"."od""d" AS t0 GROUP BY t0."name" COLLATE BINARY
    "#]],
    );
}

#[test]
fn nested_blocks_and_unions() {
    let inner = SourceQuery { limit: Some(5), order_by: vec![key(0, false)], ..query(&[col(0), col(3), col(4), col(7)]) };
    let nested = SourceQuery {
        from: Relation::Query(Box::new(inner.clone())),
        filter: Some(Expr::And(vec![
            cmp(CompareOp::Eq, col(1), lit(decimal(15, 1))),
            cmp(CompareOp::Lt, col(2), lit(Value::Date(10))),
            cmp(CompareOp::Eq, col(3), lit(Value::text("x"))),
        ])),
        ..query(&[col(0), col(1), col(2), col(3)])
    };
    check(
        &nested,
        &expect![[r#"
            SELECT q0."c0" AS "c0", q0."c1" AS "c1", q0."c2" AS "c2", q0."c3" AS "c3" FROM (SELECT t0."id" AS "c0", t0."price" AS "c1", t0."day" AS "c2", t0."code"::text AS "c3" FROM "main"."od""d" AS t0 ORDER BY t0."id" ASC NULLS FIRST LIMIT 5) AS q0 WHERE ((q0."c1"::numeric = $1::numeric) AND (q0."c2" COLLATE "C" < $2::text) AND (q0."c3" = $3::text))
              Decimal { unscaled: 15, precision: 18, scale: 1 }
              Text("1970-01-11")
              Text("x")
        "#]],
        &expect![[r#"
        SELECT q0."c0" AS "c0", q0."c1" AS "c1", q0."c2" AS "c2", q0."c3" AS "c3" FROM (SELECT t0."id" AS "c0", t0."price" AS "c1", t0."day" AS "c2", t0."code" AS "c3" FROM "main"."od""d" AS t0 ORDER BY t0."id" ASC NULLS FIRST LIMIT 5) AS q0 WHERE ((portico_decimal(q0."c1") = portico_decimal(?1)) AND (q0."c2" COLLATE BINARY < ?2) AND (q0."c3" COLLATE BINARY = ?3))
          Text("1.5")
          Text("1970-01-11")
          Text("x")
    "#]],
    );
    let other = SourceQuery { from: items(), ..query(&[col(0), col(4), col(3), col(1)]) };
    let union = SourceQuery {
        from: Relation::Union(vec![inner, other.clone()]),
        order_by: vec![key(1, false)],
        ..query(&[col(0), col(1), col(2)])
    };
    check(
        &union,
        &expect![[r#"
            SELECT q0."c0" AS "c0", q0."c1" AS "c1", q0."c2" AS "c2" FROM (SELECT * FROM (SELECT t0."id" AS "c0", t0."price"::numeric AS "c1", t0."day"::date AS "c2", t0."code"::text AS "c3" FROM "main"."od""d" AS t0 ORDER BY t0."id" ASC NULLS FIRST LIMIT 5) AS u UNION ALL SELECT t1."number" AS "c0", t1."amount" AS "c1", t1."day"::date AS "c2", t1."name" AS "c3" FROM "items" AS t1) AS q0 ORDER BY q0."c1" ASC NULLS FIRST
        "#]],
        &expect![[r#"
        SELECT q0."c0" AS "c0", q0."c1" AS "c1", q0."c2" AS "c2" FROM (SELECT * FROM (SELECT t0."id" AS "c0", portico_decimal(t0."price") AS "c1", portico_stored('date_text', t0."day") AS "c2", t0."code" AS "c3" FROM "main"."od""d" AS t0 ORDER BY t0."id" ASC NULLS FIRST LIMIT 5) AS u UNION ALL SELECT t1."number" AS "c0", portico_decimal(t1."amount") AS "c1", portico_stored('date_text', t1."day") AS "c2", t1."name" AS "c3" FROM "items" AS t1) AS q0 ORDER BY q0."c1" ASC NULLS FIRST
    "#]],
    );
    let misfit = SourceQuery { from: Relation::Union(vec![other, query(&[col(0)])]), ..query(&[col(0)]) };
    check(
        &misfit,
        &expect![[r#"
        refused: a union of queries with columns of different types is not supported by this source
    "#]],
        &expect![[r#"
        refused: a union of queries with columns of different types is not supported by this source
    "#]],
    );
}

#[test]
fn sub_queries() {
    let of_items = |outputs: &[Expr]| SourceQuery { from: items(), ..query(outputs) };
    let outer = Expr::OuterColumn { depth: 1, index: 4, scalar_type: ScalarType::Date };
    let greatest = SourceQuery {
        aggregate: Some(Aggregation {
            group_by: vec![],
            calls: vec![AggregateCall::new(AggregateFunction::Max, Some(col(0)), &items().columns()).unwrap()],
            having: None,
        }),
        ..of_items(&[col(0)])
    };
    let one = SourceQuery { filter: Some(cmp(CompareOp::Eq, col(1), lit(Value::text("a")))), ..of_items(&[col(0)]) };
    let correlated = SourceQuery { filter: Some(cmp(CompareOp::Eq, col(3), outer)), ..of_items(&[]) };
    check_conditions(
        &[
            cmp(CompareOp::Eq, col(0), Expr::ScalarSubquery(Box::new(greatest))),
            cmp(CompareOp::Gt, col(0), Expr::ScalarSubquery(Box::new(one))),
            Expr::Not(Box::new(Expr::Exists(Box::new(correlated)))),
            Expr::IsNull(Box::new(Expr::OuterColumn { depth: 1, index: 0, scalar_type: ScalarType::Int32 })),
        ],
        &expect![[r#"
            (t0."id" = (SELECT max(t1."number") AS "c0" FROM "items" AS t1))
            (t0."id" > (SELECT t1."number" AS "c0" FROM "items" AS t1 WHERE (t1."name" = $1::text)))  -- Text("a")
            (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t1."day" = t0."day")))
            refused: a column outside the enclosing queries is not supported by this source
        "#]],
        &expect![[r#"
            (t0."id" = (SELECT max(t1."number") AS "c0" FROM "items" AS t1))
            (t0."id" > (SELECT portico_only(q0."c0") FROM (SELECT t1."number" AS "c0" FROM "items" AS t1 WHERE (t1."name" COLLATE BINARY = ?1)) AS q0))  -- Text("a")
            (NOT EXISTS (SELECT 1 FROM "items" AS t1 WHERE (t1."day" COLLATE BINARY = t0."day")))
            refused: a column outside the enclosing queries is not supported by this source
        "#]],
    );
}

#[test]
fn windows() {
    let window = |function, arguments: Vec<Expr>, order_by: Vec<SortKey>| Expr::Window {
        function,
        arguments,
        partition_by: vec![col(1), col(3)],
        order_by,
    };
    let outputs = [
        window(WindowFunction::RowNumber, vec![], vec![key(4, true), key(1, false)]),
        window(WindowFunction::DenseRank, vec![], vec![key(0, false)]),
        window(WindowFunction::Sum, vec![col(12)], vec![]),
        window(WindowFunction::Sum, vec![col(8)], vec![key(0, false)]),
        window(WindowFunction::Count, vec![], vec![]),
        window(WindowFunction::Max, vec![col(1)], vec![]),
    ];
    check(
        &query(&outputs),
        &expect![[r#"
        SELECT (ROW_NUMBER() OVER (PARTITION BY t0."name", t0."price"::numeric ORDER BY t0."day" COLLATE "C" DESC NULLS LAST, t0."name" COLLATE "C" ASC NULLS FIRST))::int8 AS "c0", (DENSE_RANK() OVER (PARTITION BY t0."name", t0."price"::numeric ORDER BY t0."id" ASC NULLS FIRST))::int8 AS "c1", ((sum(t0."big") OVER (PARTITION BY t0."name", t0."price"::numeric ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))::int8)::int8 AS "c2", (sum((t0."cents"::numeric * 0.01)) OVER (PARTITION BY t0."name", t0."price"::numeric ORDER BY t0."id" ASC NULLS FIRST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))::numeric AS "c3", (count(*) OVER (PARTITION BY t0."name", t0."price"::numeric ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))::int8 AS "c4", (max(t0."name" COLLATE "C") OVER (PARTITION BY t0."name", t0."price"::numeric ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))::text AS "c5" FROM "main"."od""d" AS t0
    "#]],
        &expect![[r#"
            SELECT ROW_NUMBER() OVER (PARTITION BY t0."name" COLLATE BINARY, portico_decimal(t0."price") ORDER BY t0."day" COLLATE BINARY DESC NULLS LAST, t0."name" COLLATE BINARY ASC NULLS FIRST) AS "c0", DENSE_RANK() OVER (PARTITION BY t0."name" COLLATE BINARY, portico_decimal(t0."price") ORDER BY t0."id" ASC NULLS FIRST) AS "c1", portico_sum_integer(t0."big") OVER (PARTITION BY t0."name" COLLATE BINARY, portico_decimal(t0."price") ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS "c2", portico_fitted('decimal(20,2)', portico_sum_decimal(portico_unscaled(t0."cents", 2)) OVER (PARTITION BY t0."name" COLLATE BINARY, portico_decimal(t0."price") ORDER BY t0."id" ASC NULLS FIRST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS "c3", count(*) OVER (PARTITION BY t0."name" COLLATE BINARY, portico_decimal(t0."price") ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS "c4", max(t0."name" COLLATE BINARY) OVER (PARTITION BY t0."name" COLLATE BINARY, portico_decimal(t0."price") ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS "c5" FROM "main"."od""d" AS t0
        "#]],
    );
}

#[test]
fn decimal_arithmetic() {
    let op = |op, left: Expr, right: Expr| Expr::Arithmetic { op, left: Box::new(left), right: Box::new(right) };
    let small = || col(8);
    let wide = || Expr::Cast { expr: Box::new(col(0)), to: ScalarType::Decimal { precision: 38, scale: 2 } };
    let fine = || Expr::Cast { expr: Box::new(col(0)), to: ScalarType::Decimal { precision: 38, scale: 30 } };
    let outputs = [
        op(ArithmeticOp::Multiply, small(), small()),
        op(ArithmeticOp::Multiply, small(), wide()),
        op(ArithmeticOp::Multiply, fine(), fine()),
        op(ArithmeticOp::Divide, small(), small()),
        op(ArithmeticOp::Divide, small(), wide()),
        op(ArithmeticOp::Modulo, small(), wide()),
        op(ArithmeticOp::Add, wide(), small()),
    ];
    let text = |dialect| outputs.iter().map(|output| show(&query(std::slice::from_ref(output)), dialect)).collect::<String>();
    expect![[r#"
        SELECT (((t0."cents"::numeric * 0.01) * (t0."cents"::numeric * 0.01)))::numeric AS "c0"
        SELECT (((t0."cents"::numeric * 0.01) * t0."id"::numeric)::numeric(38,4))::numeric AS "c0"
        SELECT ((t0."id"::numeric(38,30) * t0."id"::numeric(38,30))::numeric(38,38))::numeric AS "c0"
        SELECT (round(div((t0."cents"::numeric * 0.01) * 10000000, (t0."cents"::numeric * 0.01)) * 0.0000001, 6))::numeric AS "c0"
        SELECT (round(div((t0."cents"::numeric * 0.01) * 10000000, t0."id"::numeric) * 0.0000001, 6))::numeric AS "c0"
        SELECT (((t0."cents"::numeric * 0.01) % t0."id"::numeric))::numeric AS "c0"
        SELECT ((t0."id"::numeric + (t0."cents"::numeric * 0.01))::numeric(38,2))::numeric AS "c0"
    "#]]
    .assert_eq(&text(&POSTGRES).replace(" FROM \"main\".\"od\"\"d\" AS t0", ""));
    expect![[r#"
        SELECT portico_arithmetic('multiply', 'decimal(10,2)', portico_unscaled(t0."cents", 2), 'decimal(10,2)', portico_unscaled(t0."cents", 2)) AS "c0"
        SELECT portico_arithmetic('multiply', 'decimal(10,2)', portico_unscaled(t0."cents", 2), 'decimal(38,2)', portico_cast('int32', 'decimal(38,2)', t0."id")) AS "c0"
        SELECT portico_arithmetic('multiply', 'decimal(38,30)', portico_cast('int32', 'decimal(38,30)', t0."id"), 'decimal(38,30)', portico_cast('int32', 'decimal(38,30)', t0."id")) AS "c0"
        SELECT portico_arithmetic('divide', 'decimal(10,2)', portico_unscaled(t0."cents", 2), 'decimal(10,2)', portico_unscaled(t0."cents", 2)) AS "c0"
        SELECT portico_arithmetic('divide', 'decimal(10,2)', portico_unscaled(t0."cents", 2), 'decimal(38,2)', portico_cast('int32', 'decimal(38,2)', t0."id")) AS "c0"
        SELECT portico_arithmetic('modulo', 'decimal(10,2)', portico_unscaled(t0."cents", 2), 'decimal(38,2)', portico_cast('int32', 'decimal(38,2)', t0."id")) AS "c0"
        SELECT portico_arithmetic('add', 'decimal(38,2)', portico_cast('int32', 'decimal(38,2)', t0."id"), 'decimal(10,2)', portico_unscaled(t0."cents", 2)) AS "c0"
    "#]].assert_eq(&text(&SQLITE).replace(" FROM \"main\".\"od\"\"d\" AS t0", ""));
}

fn aggregate(function: AggregateFunction, argument: usize, scalar_type: ScalarType) -> AggregateCall {
    AggregateCall { function, argument: Some(col(argument)), distinct: false, filter: None, scalar_type }
}

#[test]
fn groups_that_stand_several_times_are_written_once() {
    let groups = |calls: Vec<AggregateCall>, having: Option<Expr>, outputs: &[Expr]| SourceQuery {
        filter: Some(cmp(CompareOp::Gt, col(0), lit(Value::Int32(7)))),
        aggregate: Some(Aggregation { group_by: vec![col(4), col(1)], calls, having }),
        ..query(outputs)
    };
    let most = || aggregate(AggregateFunction::Max, 12, ScalarType::Int64);
    let least = || aggregate(AggregateFunction::Min, 0, ScalarType::Int32);
    // The greatest of all groups is asked of the same groups: there it is their second aggregate.
    let every = Relation::Query(Box::new(groups(vec![most()], None, &[col(2)])));
    let greatest = AggregateCall { argument: Some(col(0)), ..most() };
    let greatest = SourceQuery {
        aggregate: Some(Aggregation { group_by: Vec::new(), calls: vec![greatest], having: None }),
        ..SourceQuery::select(every.clone(), vec![Output { name: "m".to_owned(), expr: col(0) }])
    };
    let having = cmp(CompareOp::Eq, col(3), Expr::ScalarSubquery(Box::new(greatest)));
    let of_these = groups(vec![least(), most()], Some(having), &[col(0), col(2)]);
    let on_day = join(JoinKind::Inner, items(), Relation::Query(Box::new(of_these)), vec![(col(3), col(0))]);
    check(
        &joined(on_day, &[col(0), col(6)]),
        &expect![[r#"
            WITH w0 AS (SELECT t1."day" AS "c0", t1."name" AS "c1", min(t1."id") AS "c2", max(t1."big") AS "c3" FROM "main"."od""d" AS t1 WHERE (t1."id" > $1::int4) GROUP BY t1."day", t1."name") SELECT t0."number" AS "c0", q3."c1" AS "c1" FROM "items" AS t0 JOIN (SELECT q0."c0" AS "c0", q0."c2" AS "c1" FROM w0 AS q0 WHERE (q0."c3" = (SELECT max(q2."c0") AS "c0" FROM (SELECT q1."c3" AS "c0" FROM w0 AS q1) AS q2))) AS q3 ON (t0."day" = q3."c0")
              Int32(7)
        "#]],
        &expect![[r#"
            WITH w0 AS (SELECT t1."day" AS "c0", t1."name" AS "c1", min(t1."id") AS "c2", max(t1."big") AS "c3" FROM "main"."od""d" AS t1 WHERE (t1."id" > ?1) GROUP BY t1."day" COLLATE BINARY, t1."name" COLLATE BINARY) SELECT t0."number" AS "c0", q3."c1" AS "c1" FROM "items" AS t0 JOIN (SELECT q0."c0" AS "c0", q0."c2" AS "c1" FROM w0 AS q0 WHERE (q0."c3" = (SELECT max(q2."c0") AS "c0" FROM (SELECT q1."c3" AS "c0" FROM w0 AS q1) AS q2))) AS q3 ON (t0."day" COLLATE BINARY = q3."c0")
              Int64(7)
        "#]],
    );
    // Groups of groups read from those that are written before them.
    let all = Relation::Query(Box::new(groups(vec![most()], None, &[col(0), col(1), col(2)])));
    let days = |outputs: &[Expr]| {
        let aggregate = Some(Aggregation {
            group_by: vec![col(0)],
            calls: vec![aggregate(AggregateFunction::Max, 2, ScalarType::Int64)],
            having: None,
        });
        let output = outputs.iter().enumerate().map(|(at, expr)| Output { name: format!("c{at}"), expr: expr.clone() }).collect();
        let renamed = match all.clone() {
            Relation::Query(mut block) => {
                block.output.iter_mut().enumerate().for_each(|(at, output)| output.name = format!("c{at}"));
                Relation::Query(block)
            }
            other => other,
        };
        Relation::Query(Box::new(SourceQuery { aggregate, ..SourceQuery::select(renamed, output) }))
    };
    let twice = join(JoinKind::Inner, days(&[col(0)]), days(&[col(0), col(1)]), vec![(col(0), col(0))]);
    let with_rows = join(JoinKind::Inner, Relation::Join(Box::new(twice)), all.clone(), vec![(col(0), col(0))]);
    check(
        &joined(with_rows, &[col(2), col(4)]),
        &expect![[r#"
        WITH w0 AS (SELECT t0."day" AS "c0", t0."name" AS "c1", max(t0."big") AS "c2" FROM "main"."od""d" AS t0 WHERE (t0."id" > $1::int4) GROUP BY t0."day", t0."name"), w1 AS (SELECT q0."c0" AS "c0", max(q0."c2") AS "c1" FROM w0 AS q0 GROUP BY q0."c0") SELECT q4."c1" AS "c0", q6."c1" AS "c1" FROM (SELECT q1."c0" AS "c0" FROM w1 AS q1) AS q2 JOIN (SELECT q3."c0" AS "c0", q3."c1" AS "c1" FROM w1 AS q3) AS q4 ON (q2."c0" = q4."c0") JOIN (SELECT q5."c0" AS "c0", q5."c1" AS "c1", q5."c2" AS "c2" FROM w0 AS q5) AS q6 ON (q2."c0" = q6."c0")
          Int32(7)
    "#]],
        &expect![[r#"
        WITH w0 AS (SELECT t0."day" AS "c0", t0."name" AS "c1", max(t0."big") AS "c2" FROM "main"."od""d" AS t0 WHERE (t0."id" > ?1) GROUP BY t0."day" COLLATE BINARY, t0."name" COLLATE BINARY), w1 AS (SELECT q0."c0" AS "c0", max(q0."c2") AS "c1" FROM w0 AS q0 GROUP BY q0."c0" COLLATE BINARY) SELECT q4."c1" AS "c0", q6."c1" AS "c1" FROM (SELECT q1."c0" AS "c0" FROM w1 AS q1) AS q2 JOIN (SELECT q3."c0" AS "c0", q3."c1" AS "c1" FROM w1 AS q3) AS q4 ON (q2."c0" COLLATE BINARY = q4."c0") JOIN (SELECT q5."c0" AS "c0", q5."c1" AS "c1", q5."c2" AS "c2" FROM w0 AS q5) AS q6 ON (q2."c0" COLLATE BINARY = q6."c0")
          Int64(7)
    "#]],
    );
    // Other conditions, or a sub-query over them that looks at the row around it: other groups.
    let others = |filter: Option<Expr>, having: Option<Expr>| {
        let other = SourceQuery { filter, ..groups(vec![most()], having, &[col(0)]) };
        let sides = join(JoinKind::Inner, every.clone(), Relation::Query(Box::new(other)), vec![(col(0), col(0))]);
        show(&joined(sides, &[col(0)]), &POSTGRES).matches("WITH").count()
    };
    let same = groups(Vec::new(), None, &[]).filter;
    let outer = Expr::OuterColumn { depth: 1, index: 2, scalar_type: ScalarType::Int64 };
    let around = SourceQuery { filter: Some(cmp(CompareOp::Eq, col(12), outer)), ..query(&[col(0)]) };
    assert_eq!(others(same.clone(), Some(Expr::Exists(Box::new(around)))), 0);
    assert_eq!(others(None, None), 0);
}
