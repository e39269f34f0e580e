//! Products that are asked in the standard's words: SQLite without functions of ours, which a kind runs against the real thing, and SQL
//! Server, Oracle, HANA, Db2 and any other, which these texts alone vouch for.

use super::*;
use portico_provider_api::{Join, JoinKind};
use portico_provider_sql::{DB2, HANA, ORACLE, SQL_SERVER, SQLITE_PLAIN, ansi};

/// Positions: 0 id (never null), 1 name, 2 amount, 3 day, 4 at, 5 flag, 6 ratio, 7 uid, 8 erp_day (SAP).
fn orders() -> TableRelation {
    TableRelation {
        table: RemoteTableName(vec!["dbo".to_owned(), "or\"ders".to_owned()]),
        columns: vec![
            TableColumn { nullable: false, ..column("id", ScalarType::Int32, None, None) },
            column("name", ScalarType::Text, None, None),
            column("amount", DECIMAL, None, None),
            column("day", ScalarType::Date, None, None),
            column("at", ScalarType::Timestamp, None, None),
            column("flag", ScalarType::Boolean, None, None),
            column("ratio", ScalarType::Float64, None, None),
            column("uid", ScalarType::Guid, None, None),
            column("erp_day", ScalarType::Date, Some(Codec::SapDate), None),
        ],
    }
}

fn of_orders(outputs: &[usize]) -> SourceQuery {
    let output = outputs.iter().map(|index| Output { name: format!("out{index}"), expr: col(*index) }).collect();
    SourceQuery::select(Relation::Table(orders()), output)
}

fn products() -> [(&'static str, Dialect); 6] {
    [("SQL Server", SQL_SERVER), ("Oracle", ORACLE), ("HANA", HANA), ("Db2", DB2), ("other", ansi('`')), ("SQLite", SQLITE_PLAIN)]
}

/// What each product is sent.
fn every(query: &SourceQuery) -> String {
    products().iter().map(|(name, dialect)| format!("{name}: {}", show(query, dialect))).collect()
}

fn every_condition(filters: &[Expr]) -> String {
    let mut text = String::new();
    for (name, dialect) in products() {
        text.push_str(&format!("{name}\n"));
        for filter in filters {
            let whole = show(&SourceQuery { filter: Some(filter.clone()), ..of_orders(&[0]) }, &dialect);
            let shown = whole.split_once(" WHERE ").map_or(whole.as_str(), |(_, rest)| rest);
            text.push_str(&format!("  {}", shown.replace("\n  ", "  -- ")));
        }
    }
    text
}

#[test]
fn conditions() {
    let filters = [
        cmp(CompareOp::Eq, col(0), lit(Value::Int32(7))),
        cmp(CompareOp::Eq, col(1), lit(Value::text("O'Brien"))),
        cmp(CompareOp::GtEq, col(2), lit(decimal(1_250, 2))),
        cmp(CompareOp::Lt, col(3), lit(Value::Date(19_782))),
        cmp(CompareOp::Gt, col(4), lit(Value::Timestamp(1))),
        cmp(CompareOp::LtEq, col(6), lit(Value::float64(0.1))),
        Expr::And(vec![col(5), Expr::Not(Box::new(Expr::IsNull(Box::new(col(1)))))]),
        Expr::Or(vec![lit(Value::Boolean(false)), cmp(CompareOp::NotEq, col(0), lit(Value::Int32(1)))]),
        Expr::InList { expr: Box::new(col(0)), list: vec![lit(Value::Int32(1)), lit(Value::Int32(2))], negated: true },
        cmp(CompareOp::Lt, col(3), col(4)),
        cmp(CompareOp::Eq, col(0), col(0)),
    ];
    expect![[r#"
        SQL Server
          (t0."id" = CAST(? AS INTEGER))  -- Text("7")
          (t0."name" = ?)  -- Text("O'Brien")
          (t0."amount" >= CAST(? AS DECIMAL(4,2)))  -- Text("12.50")
          (t0."day" < CAST(? AS DATE))  -- Text("2024-02-29")
          (t0."at" > CAST(? AS DATETIME2(6)))  -- Text("1970-01-01 00:00:00.000001")
          (t0."ratio" <= CAST(? AS FLOAT(53)))  -- Text("1e-1")
          ((t0."flag" = 1) AND (NOT (t0."name" IS NULL)))
          ((1 = 0) OR (t0."id" <> CAST(? AS INTEGER)))  -- Text("1")
          (t0."id" NOT IN (CAST(? AS INTEGER), CAST(? AS INTEGER)))  -- Text("1")  -- Text("2")
          refused: a comparison of date with timestamp is not supported by this source
          (t0."id" = t0."id")
        Oracle
          (t0."id" = CAST(? AS NUMBER(19)))  -- Text("7")
          (t0."name" = ?)  -- Text("O'Brien")
          (t0."amount" >= CAST(? AS NUMBER(4,2)))  -- Text("12.50")
          (t0."day" < CAST(? AS DATE))  -- Text("2024-02-29")
          (t0."at" > CAST(? AS TIMESTAMP(6)))  -- Text("1970-01-01 00:00:00.000001")
          (t0."ratio" <= CAST(? AS DOUBLE PRECISION))  -- Text("1e-1")
          ((t0."flag" = 1) AND (NOT (t0."name" IS NULL)))
          ((1 = 0) OR (t0."id" <> CAST(? AS NUMBER(19))))  -- Text("1")
          (t0."id" NOT IN (CAST(? AS NUMBER(19)), CAST(? AS NUMBER(19))))  -- Text("1")  -- Text("2")
          refused: a comparison of date with timestamp is not supported by this source
          (t0."id" = t0."id")
        HANA
          (t0."id" = CAST(? AS INTEGER))  -- Text("7")
          (t0."name" = ?)  -- Text("O'Brien")
          (t0."amount" >= CAST(? AS DECIMAL(4,2)))  -- Text("12.50")
          (t0."day" < CAST(? AS DATE))  -- Text("2024-02-29")
          (t0."at" > CAST(? AS TIMESTAMP))  -- Text("1970-01-01 00:00:00.000001")
          (t0."ratio" <= CAST(? AS DOUBLE PRECISION))  -- Text("1e-1")
          ((t0."flag" = TRUE) AND (NOT (t0."name" IS NULL)))
          ((1 = 0) OR (t0."id" <> CAST(? AS INTEGER)))  -- Text("1")
          (t0."id" NOT IN (CAST(? AS INTEGER), CAST(? AS INTEGER)))  -- Text("1")  -- Text("2")
          refused: a comparison of date with timestamp is not supported by this source
          (t0."id" = t0."id")
        Db2
          (t0."id" = CAST(? AS INTEGER))  -- Text("7")
          (t0."name" = ?)  -- Text("O'Brien")
          (t0."amount" >= CAST(? AS DECIMAL(4,2)))  -- Text("12.50")
          (t0."day" < CAST(? AS DATE))  -- Text("2024-02-29")
          (t0."at" > CAST(? AS TIMESTAMP(6)))  -- Text("1970-01-01 00:00:00.000001")
          (t0."ratio" <= CAST(? AS DOUBLE PRECISION))  -- Text("1e-1")
          ((t0."flag" = TRUE) AND (NOT (t0."name" IS NULL)))
          ((1 = 0) OR (t0."id" <> CAST(? AS INTEGER)))  -- Text("1")
          (t0."id" NOT IN (CAST(? AS INTEGER), CAST(? AS INTEGER)))  -- Text("1")  -- Text("2")
          refused: a comparison of date with timestamp is not supported by this source
          (t0."id" = t0."id")
        other
          (t0.`id` = CAST(? AS INTEGER))  -- Text("7")
          (t0.`name` = ?)  -- Text("O'Brien")
          (t0.`amount` >= CAST(? AS DECIMAL(4,2)))  -- Text("12.50")
          (t0.`day` < CAST(? AS DATE))  -- Text("2024-02-29")
          (t0.`at` > CAST(? AS TIMESTAMP(6)))  -- Text("1970-01-01 00:00:00.000001")
          (t0.`ratio` <= CAST(? AS DOUBLE PRECISION))  -- Text("1e-1")
          ((t0.`flag` = 1) AND (NOT (t0.`name` IS NULL)))
          ((1 = 0) OR (t0.`id` <> CAST(? AS INTEGER)))  -- Text("1")
          (t0.`id` NOT IN (CAST(? AS INTEGER), CAST(? AS INTEGER)))  -- Text("1")  -- Text("2")
          refused: a comparison of date with timestamp is not supported by this source
          (t0.`id` = t0.`id`)
        SQLite
          (t0."id" = ?)  -- Int64(7)
          (t0."name" COLLATE BINARY = ?)  -- Text("O'Brien")
          (t0."amount" >= ?)  -- Text("12.50")
          (t0."day" COLLATE BINARY < ?)  -- Text("2024-02-29")
          (t0."at" > ?)  -- Text("1970-01-01 00:00:00.000001")
          (t0."ratio" <= ?)  -- Float64(Float(0.1))
          (t0."flag" AND (NOT (t0."name" IS NULL)))
          (? OR (t0."id" <> ?))  -- Int64(0)  -- Int64(1)
          (t0."id" NOT IN (?, ?))  -- Int64(1)  -- Int64(2)
          refused: a comparison of date with timestamp is not supported by this source
          (t0."id" = t0."id")
    "#]]
    .assert_eq(&every_condition(&filters));
}

#[test]
fn what_a_product_cannot_hold_still_compares() {
    let filters = [
        cmp(CompareOp::Lt, col(6), lit(Value::float64(f64::INFINITY))),
        cmp(CompareOp::Gt, col(3), lit(Value::Date(3_000_000))),
        cmp(CompareOp::Eq, col(4), lit(Value::Timestamp(i64::MIN))),
        cmp(CompareOp::Eq, col(6), lit(Value::float64(f64::NAN))),
        Expr::InList { expr: Box::new(col(3)), list: vec![lit(Value::Date(3_000_000)), lit(Value::Date(0))], negated: false },
    ];
    expect![[r#"
        SQL Server
          (t0."ratio" = t0."ratio")
          (t0."day" <> t0."day")
          (t0."at" <> t0."at")
          (t0."ratio" <> t0."ratio")
          (t0."day" IN (CAST(? AS DATE)))  -- Text("1970-01-01")
        Oracle
          (t0."ratio" = t0."ratio")
          (t0."day" <> t0."day")
          (t0."at" <> t0."at")
          (t0."ratio" <> t0."ratio")
          (t0."day" IN (CAST(? AS DATE)))  -- Text("1970-01-01")
        HANA
          (t0."ratio" = t0."ratio")
          (t0."day" <> t0."day")
          (t0."at" <> t0."at")
          (t0."ratio" <> t0."ratio")
          (t0."day" IN (CAST(? AS DATE)))  -- Text("1970-01-01")
        Db2
          (t0."ratio" = t0."ratio")
          (t0."day" <> t0."day")
          (t0."at" <> t0."at")
          (t0."ratio" <> t0."ratio")
          (t0."day" IN (CAST(? AS DATE)))  -- Text("1970-01-01")
        other
          (t0.`ratio` = t0.`ratio`)
          (t0.`day` <> t0.`day`)
          (t0.`at` <> t0.`at`)
          (t0.`ratio` <> t0.`ratio`)
          (t0.`day` IN (CAST(? AS DATE)))  -- Text("1970-01-01")
        SQLite
          (t0."ratio" < ?)  -- Float64(Float(inf))
          (t0."day" IS NULL AND NULL)
          (t0."at" IS NULL AND NULL)
          (t0."ratio" IS NULL AND NULL)
          (t0."day" COLLATE BINARY IN (?))  -- Text("1970-01-01")
    "#]]
    .assert_eq(&every_condition(&filters));
}

#[test]
fn what_a_product_may_mean_otherwise_is_refused() {
    let filters = [
        cmp(CompareOp::Eq, col(8), lit(Value::Date(0))),
        cmp(CompareOp::Eq, Expr::IsNull(Box::new(col(1))), lit(Value::Boolean(true))),
        call(Function::Lower, vec![col(1)]),
        call(Function::Contains, vec![col(1), lit(Value::text("a"))]),
        cmp(
            CompareOp::Gt,
            Expr::Arithmetic { op: ArithmeticOp::Add, left: Box::new(col(0)), right: Box::new(col(0)) },
            lit(Value::Int32(1)),
        ),
    ];
    expect![[r#"
        SQL Server
          refused: anything but reading column 'erp_day', which is held in another form, is not supported by this source
          refused: a comparison of conditions is not supported by this source
          refused: Lower is not supported by this source
          refused: Contains is not supported by this source
          refused: '+' of int32 is not supported by this source
        Oracle
          refused: anything but reading column 'erp_day', which is held in another form, is not supported by this source
          refused: a comparison of conditions is not supported by this source
          refused: Lower is not supported by this source
          refused: Contains is not supported by this source
          refused: '+' of int32 is not supported by this source
        HANA
          refused: anything but reading column 'erp_day', which is held in another form, is not supported by this source
          refused: a comparison of conditions is not supported by this source
          refused: Lower is not supported by this source
          refused: Contains is not supported by this source
          refused: '+' of int32 is not supported by this source
        Db2
          refused: anything but reading column 'erp_day', which is held in another form, is not supported by this source
          refused: a comparison of conditions is not supported by this source
          refused: Lower is not supported by this source
          refused: Contains is not supported by this source
          refused: '+' of int32 is not supported by this source
        other
          refused: anything but reading column 'erp_day', which is held in another form, is not supported by this source
          refused: a comparison of conditions is not supported by this source
          refused: Lower is not supported by this source
          refused: Contains is not supported by this source
          refused: '+' of int32 is not supported by this source
        SQLite
          refused: anything but reading column 'erp_day', which is held in another form, is not supported by this source
          ((t0."name" IS NULL) = ?)  -- Int64(1)
          refused: Lower is not supported by this source
          (instr(t0."name", ?) > 0)  -- Text("a")
          refused: '+' of int32 is not supported by this source
    "#]]
    .assert_eq(&every_condition(&filters));
}

#[test]
fn orders_and_limits() {
    let key = |index, descending, nulls_first| SortKey { expr: col(index), descending, nulls_first };
    let sorted = SourceQuery { order_by: vec![key(2, true, false), key(2, false, true), key(0, false, true)], ..of_orders(&[0]) };
    expect![[r#"
        SQL Server: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY CASE WHEN t0."amount" IS NULL THEN 1 ELSE 0 END, t0."amount" DESC, t0."id" ASC
        Oracle: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC
        HANA: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC
        Db2: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY CASE WHEN t0."amount" IS NULL THEN 1 ELSE 0 END, t0."amount" DESC, t0."id" ASC
        other: SELECT t0.`id` AS `c0` FROM `dbo`.`or"ders` AS t0 ORDER BY CASE WHEN t0.`amount` IS NULL THEN 1 ELSE 0 END, t0.`amount` DESC, t0.`id` ASC
        SQLite: SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC
    "#]].assert_eq(&every(&sorted));
    expect![[r#"
        SQL Server: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY CASE WHEN t0."amount" IS NULL THEN 1 ELSE 0 END, t0."amount" DESC, t0."id" ASC OFFSET 20 ROWS FETCH NEXT 10 ROWS ONLY
        Oracle: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC OFFSET 20 ROWS FETCH NEXT 10 ROWS ONLY
        HANA: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC LIMIT 10 OFFSET 20
        Db2: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY CASE WHEN t0."amount" IS NULL THEN 1 ELSE 0 END, t0."amount" DESC, t0."id" ASC OFFSET 20 ROWS FETCH NEXT 10 ROWS ONLY
        other: SELECT t0.`id` AS `c0` FROM `dbo`.`or"ders` AS t0 ORDER BY CASE WHEN t0.`amount` IS NULL THEN 1 ELSE 0 END, t0.`amount` DESC, t0.`id` ASC OFFSET 20 ROWS FETCH NEXT 10 ROWS ONLY
        SQLite: SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC LIMIT 10 OFFSET 20
    "#]].assert_eq(&every(&SourceQuery { limit: Some(10), offset: 20, ..sorted.clone() }));
    expect![[r#"
        SQL Server: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY (SELECT NULL) OFFSET 0 ROWS FETCH NEXT 10 ROWS ONLY
        Oracle: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" t0 OFFSET 0 ROWS FETCH NEXT 10 ROWS ONLY
        HANA: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 LIMIT 10
        Db2: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 OFFSET 0 ROWS FETCH NEXT 10 ROWS ONLY
        other: SELECT t0.`id` AS `c0` FROM `dbo`.`or"ders` AS t0 OFFSET 0 ROWS FETCH NEXT 10 ROWS ONLY
        SQLite: SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0" FROM "dbo"."or""ders" AS t0 LIMIT 10
    "#]].assert_eq(&every(&SourceQuery { limit: Some(10), ..of_orders(&[0]) }));
    expect![[r#"
        SQL Server: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY CASE WHEN t0."amount" IS NULL THEN 1 ELSE 0 END, t0."amount" DESC, t0."id" ASC OFFSET 9223372036854775807 ROWS
        Oracle: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC OFFSET 9223372036854775807 ROWS
        HANA: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC LIMIT 0
        Db2: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY CASE WHEN t0."amount" IS NULL THEN 1 ELSE 0 END, t0."amount" DESC, t0."id" ASC OFFSET 9223372036854775807 ROWS
        other: SELECT t0.`id` AS `c0` FROM `dbo`.`or"ders` AS t0 ORDER BY CASE WHEN t0.`amount` IS NULL THEN 1 ELSE 0 END, t0.`amount` DESC, t0.`id` ASC OFFSET 9223372036854775807 ROWS
        SQLite: SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0" FROM "dbo"."or""ders" AS t0 ORDER BY t0."amount" DESC NULLS LAST, t0."id" ASC LIMIT 0
    "#]].assert_eq(&every(&SourceQuery { limit: Some(0), ..sorted }));
}

#[test]
fn keys_and_joins() {
    let keys = KeySet {
        columns: vec![0, 3],
        tuples: vec![
            vec![Value::Int32(1), Value::Date(0)],
            vec![Value::Int32(2), Value::Date(3_000_000)],
            vec![Value::Int32(3), Value::Date(1)],
        ],
    };
    expect![[r#"
        SQL Server: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 WHERE ((t0."id" = CAST(? AS INTEGER) AND t0."day" = CAST(? AS DATE)) OR (t0."id" = CAST(? AS INTEGER) AND t0."day" = CAST(? AS DATE)))
          Text("1")
          Text("1970-01-01")
          Text("3")
          Text("1970-01-02")
        Oracle: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" t0 WHERE ((t0."id" = CAST(? AS NUMBER(19)) AND t0."day" = CAST(? AS DATE)) OR (t0."id" = CAST(? AS NUMBER(19)) AND t0."day" = CAST(? AS DATE)))
          Text("1")
          Text("1970-01-01")
          Text("3")
          Text("1970-01-02")
        HANA: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 WHERE ((t0."id" = CAST(? AS INTEGER) AND t0."day" = CAST(? AS DATE)) OR (t0."id" = CAST(? AS INTEGER) AND t0."day" = CAST(? AS DATE)))
          Text("1")
          Text("1970-01-01")
          Text("3")
          Text("1970-01-02")
        Db2: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 WHERE ((t0."id" = CAST(? AS INTEGER) AND t0."day" = CAST(? AS DATE)) OR (t0."id" = CAST(? AS INTEGER) AND t0."day" = CAST(? AS DATE)))
          Text("1")
          Text("1970-01-01")
          Text("3")
          Text("1970-01-02")
        other: SELECT t0.`id` AS `c0` FROM `dbo`.`or"ders` AS t0 WHERE ((t0.`id` = CAST(? AS INTEGER) AND t0.`day` = CAST(? AS DATE)) OR (t0.`id` = CAST(? AS INTEGER) AND t0.`day` = CAST(? AS DATE)))
          Text("1")
          Text("1970-01-01")
          Text("3")
          Text("1970-01-02")
        SQLite: SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0" FROM "dbo"."or""ders" AS t0 WHERE ((t0."id", t0."day" COLLATE BINARY) IN (VALUES (?, ?), (?, ?)))
          Int64(1)
          Text("1970-01-01")
          Int64(3)
          Text("1970-01-02")
    "#]].assert_eq(&every(&SourceQuery { keys: Some(keys), ..of_orders(&[0]) }));
    let join = |kind| {
        let join = Join {
            left: Relation::Table(orders()),
            right: Relation::Table(orders()),
            kind,
            on: vec![(col(0), col(0))],
            residual: Some(cmp(CompareOp::Lt, col(2), col(11))),
            null_aware: false,
            null_equal: false,
        };
        SourceQuery::select(Relation::Join(Box::new(join)), vec![Output { name: "id".to_owned(), expr: col(0) }])
    };
    expect![[r#"
        SQL Server: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 LEFT JOIN "dbo"."or""ders" AS t1 ON (t0."id" = t1."id") AND (t0."amount" < t1."amount")
        Oracle: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" t0 LEFT JOIN "dbo"."or""ders" t1 ON (t0."id" = t1."id") AND (t0."amount" < t1."amount")
        HANA: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 LEFT JOIN "dbo"."or""ders" AS t1 ON (t0."id" = t1."id") AND (t0."amount" < t1."amount")
        Db2: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 LEFT JOIN "dbo"."or""ders" AS t1 ON (t0."id" = t1."id") AND (t0."amount" < t1."amount")
        other: SELECT t0.`id` AS `c0` FROM `dbo`.`or"ders` AS t0 LEFT JOIN `dbo`.`or"ders` AS t1 ON (t0.`id` = t1.`id`) AND (t0.`amount` < t1.`amount`)
        SQLite: SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0" FROM "dbo"."or""ders" AS t0 LEFT JOIN "dbo"."or""ders" AS t1 ON (t0."id" = t1."id") AND (t0."amount" < t1."amount")
    "#]].assert_eq(&every(&join(JoinKind::Left)));
    expect![[r#"
        SQL Server: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "dbo"."or""ders" AS t1 WHERE (t0."id" = t1."id") AND (t0."amount" < t1."amount")))
        Oracle: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" t0 WHERE (NOT EXISTS (SELECT 1 FROM "dbo"."or""ders" t1 WHERE (t0."id" = t1."id") AND (t0."amount" < t1."amount")))
        HANA: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "dbo"."or""ders" AS t1 WHERE (t0."id" = t1."id") AND (t0."amount" < t1."amount")))
        Db2: SELECT t0."id" AS "c0" FROM "dbo"."or""ders" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "dbo"."or""ders" AS t1 WHERE (t0."id" = t1."id") AND (t0."amount" < t1."amount")))
        other: SELECT t0.`id` AS `c0` FROM `dbo`.`or"ders` AS t0 WHERE (NOT EXISTS (SELECT 1 FROM `dbo`.`or"ders` AS t1 WHERE (t0.`id` = t1.`id`) AND (t0.`amount` < t1.`amount`)))
        SQLite: SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0" FROM "dbo"."or""ders" AS t0 WHERE (NOT EXISTS (SELECT 1 FROM "dbo"."or""ders" AS t1 WHERE (t0."id" = t1."id") AND (t0."amount" < t1."amount")))
    "#]].assert_eq(&every(&join(JoinKind::Anti)));
}

#[test]
fn groups() {
    let call = |function, index: Option<usize>, scalar_type| AggregateCall {
        function,
        argument: index.map(col),
        distinct: false,
        filter: None,
        scalar_type,
    };
    let aggregate = Aggregation {
        group_by: vec![col(3)],
        calls: vec![
            call(AggregateFunction::CountRows, None, ScalarType::Int64),
            call(AggregateFunction::Count, Some(2), ScalarType::Int64),
            call(AggregateFunction::Sum, Some(0), ScalarType::Int64),
            call(AggregateFunction::Max, Some(2), DECIMAL),
        ],
        having: None,
    };
    let output = |count: usize| (0..count).map(|at| Output { name: format!("out{at}"), expr: col(at) }).collect::<Vec<_>>();
    let mut query = SourceQuery::select(Relation::Table(orders()), output(5));
    query.aggregate = Some(aggregate.clone());
    expect![[r#"
        SQL Server: SELECT t0."day" AS "c0", count_big(*) AS "c1", count_big(t0."amount") AS "c2", CAST(sum(CAST(t0."id" AS DECIMAL(38,0))) AS BIGINT) AS "c3", max(t0."amount") AS "c4" FROM "dbo"."or""ders" AS t0 GROUP BY t0."day"
        Oracle: refused: the sum of int32 is not supported by this source
        HANA: SELECT t0."day" AS "c0", count(*) AS "c1", count(t0."amount") AS "c2", CAST(sum(CAST(t0."id" AS DECIMAL(38,0))) AS BIGINT) AS "c3", max(t0."amount") AS "c4" FROM "dbo"."or""ders" AS t0 GROUP BY t0."day"
        Db2: SELECT t0."day" AS "c0", count(*) AS "c1", count(t0."amount") AS "c2", CAST(sum(CAST(t0."id" AS DECIMAL(31,0))) AS BIGINT) AS "c3", max(t0."amount") AS "c4" FROM "dbo"."or""ders" AS t0 GROUP BY t0."day"
        other: refused: the sum of int32 is not supported by this source
        SQLite: refused: the sum of int32 is not supported by this source
    "#]].assert_eq(&every(&query));
    let plain =
        Aggregation { calls: aggregate.calls.into_iter().filter(|call| call.function != AggregateFunction::Sum).collect(), ..aggregate };
    let mut query = SourceQuery::select(Relation::Table(orders()), output(4));
    query.aggregate = Some(plain);
    expect![[r#"
        SQL Server: SELECT t0."day" AS "c0", count_big(*) AS "c1", count_big(t0."amount") AS "c2", max(t0."amount") AS "c3" FROM "dbo"."or""ders" AS t0 GROUP BY t0."day"
        Oracle: SELECT t0."day" AS "c0", count(*) AS "c1", count(t0."amount") AS "c2", max(t0."amount") AS "c3" FROM "dbo"."or""ders" t0 GROUP BY t0."day"
        HANA: SELECT t0."day" AS "c0", count(*) AS "c1", count(t0."amount") AS "c2", max(t0."amount") AS "c3" FROM "dbo"."or""ders" AS t0 GROUP BY t0."day"
        Db2: SELECT t0."day" AS "c0", count(*) AS "c1", count(t0."amount") AS "c2", max(t0."amount") AS "c3" FROM "dbo"."or""ders" AS t0 GROUP BY t0."day"
        other: SELECT t0.`day` AS `c0`, count(*) AS `c1`, count(t0.`amount`) AS `c2`, max(t0.`amount`) AS `c3` FROM `dbo`.`or"ders` AS t0 GROUP BY t0.`day`
        SQLite: SELECT CASE typeof(t0."day") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."day" WHEN 'real' THEN 'r' || printf('%!.20g', t0."day") WHEN 'blob' THEN 'b' || hex(t0."day") ELSE CASE WHEN instr(t0."day", char(0)) > 0 THEN 'h' || hex(t0."day") ELSE 't' || t0."day" END END AS "c0", CASE typeof(count(*)) WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || count(*) WHEN 'real' THEN 'r' || printf('%!.20g', count(*)) WHEN 'blob' THEN 'b' || hex(count(*)) ELSE CASE WHEN instr(count(*), char(0)) > 0 THEN 'h' || hex(count(*)) ELSE 't' || count(*) END END AS "c1", CASE typeof(count(t0."amount")) WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || count(t0."amount") WHEN 'real' THEN 'r' || printf('%!.20g', count(t0."amount")) WHEN 'blob' THEN 'b' || hex(count(t0."amount")) ELSE CASE WHEN instr(count(t0."amount"), char(0)) > 0 THEN 'h' || hex(count(t0."amount")) ELSE 't' || count(t0."amount") END END AS "c2", CASE typeof(max(t0."amount")) WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || max(t0."amount") WHEN 'real' THEN 'r' || printf('%!.20g', max(t0."amount")) WHEN 'blob' THEN 'b' || hex(max(t0."amount")) ELSE CASE WHEN instr(max(t0."amount"), char(0)) > 0 THEN 'h' || hex(max(t0."amount")) ELSE 't' || max(t0."amount") END END AS "c3" FROM "dbo"."or""ders" AS t0 GROUP BY t0."day" COLLATE BINARY
    "#]].assert_eq(&every(&query));
}

#[test]
fn sqlite_says_how_each_value_is_stored() {
    expect![[r#"
        SELECT CASE typeof(t0."id") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."id" WHEN 'real' THEN 'r' || printf('%!.20g', t0."id") WHEN 'blob' THEN 'b' || hex(t0."id") ELSE CASE WHEN instr(t0."id", char(0)) > 0 THEN 'h' || hex(t0."id") ELSE 't' || t0."id" END END AS "c0", CASE typeof(t0."erp_day") WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || t0."erp_day" WHEN 'real' THEN 'r' || printf('%!.20g', t0."erp_day") WHEN 'blob' THEN 'b' || hex(t0."erp_day") ELSE CASE WHEN instr(t0."erp_day", char(0)) > 0 THEN 'h' || hex(t0."erp_day") ELSE 't' || t0."erp_day" END END AS "c1" FROM "dbo"."or""ders" AS t0
    "#]].assert_eq(&show(&of_orders(&[0, 8]), &SQLITE_PLAIN));
    let found = [Function::Contains, Function::StartsWith, Function::EndsWith].map(|function| {
        show(&SourceQuery { filter: Some(call(function, vec![col(1), lit(Value::text("a"))])), ..of_orders(&[]) }, &SQLITE_PLAIN)
    });
    expect![[r#"
        SELECT 1 FROM "dbo"."or""ders" AS t0 WHERE (instr(t0."name", ?) > 0)
          Text("a")
        SELECT 1 FROM "dbo"."or""ders" AS t0 WHERE (substr(t0."name", 1, length(?)) = ? COLLATE BINARY)
          Text("a")
          Text("a")
        SELECT 1 FROM "dbo"."or""ders" AS t0 WHERE (length(?) <= length(t0."name") AND substr(t0."name", length(t0."name") - length(?) + 1) = ? COLLATE BINARY)
          Text("a")
          Text("a")
          Text("a")
    "#]].assert_eq(&found.join(""));
}
