//! DataFusion in a gateway like this one, and what every database reads alike: typed literals, floats of which the zeros are one, joins of
//! their own names, stored forms, and values written out.

use super::*;
use portico_provider_api::value::Float;
use portico_provider_api::{Join, JoinKind, WindowFunction};
use portico_provider_sql::{DATAFUSION, STANDARD, with_literals};

fn sent(query: &SourceQuery, dialect: &Dialect) -> String {
    let written = |statement: Statement| with_literals(&statement, dialect);
    select(query, dialect).and_then(written).map_or_else(|refused| format!("refused: {refused}\n"), |text| format!("{text}\n"))
}

fn sent_conditions(filters: &[Expr], dialect: &Dialect) -> String {
    let condition = |filter: &Expr| {
        let whole = sent(&filtered(filter.clone()), dialect);
        whole.split_once(" WHERE ").map_or(whole.clone(), |(_, rest)| rest.to_owned())
    };
    filters.iter().map(condition).collect()
}

fn plain(name: &str, scalar_type: ScalarType) -> TableColumn {
    column(name, scalar_type, None, None)
}

/// Positions: 0 id, 1 name, 2 ratio, 3 amount, 4 day, 5 at, 6 at_zone, 7 uid.
fn orders() -> TableRelation {
    let types = [
        ("id", ScalarType::Int64),
        ("name", ScalarType::Text),
        ("ratio", ScalarType::Float64),
        ("amount", DECIMAL),
        ("day", ScalarType::Date),
        ("at", ScalarType::Timestamp),
        ("at_zone", ScalarType::TimestampTz),
        ("uid", ScalarType::Guid),
    ];
    TableRelation {
        table: RemoteTableName(vec!["public".to_owned(), "Orders".to_owned()]),
        columns: types.into_iter().map(|(name, scalar_type)| plain(name, scalar_type)).collect(),
    }
}

fn of_orders(outputs: &[Expr]) -> SourceQuery {
    let output = outputs.iter().enumerate().map(|(at, expr)| Output { name: format!("out{at}"), expr: expr.clone() }).collect();
    SourceQuery::select(Relation::Table(orders()), output)
}

#[test]
fn literals_have_their_types() {
    let equal = |index, value| cmp(CompareOp::Eq, col(index), lit(value));
    let filters = [
        equal(0, Value::Int64(i64::MIN)),
        equal(1, Value::text("it's $1 \"x\"")),
        equal(3, decimal(-1250, 2)),
        equal(4, Value::Date(19_782)),
        equal(4, Value::Date(3_000_000)),
        equal(5, Value::Timestamp(1_000_001)),
        equal(6, Value::TimestampTz(0)),
        equal(7, Value::Guid("00000000-0000-0000-0000-000000000001".to_owned())),
        equal(4, Value::Null(ScalarType::Date)),
    ];
    let query = SourceQuery { filter: Some(Expr::And(filters.to_vec())), ..of_orders(&[col(0)]) };
    expect![[r#"
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE ((t0."id" = CAST($1 AS BIGINT)) AND (t0."name" = $2) AND (t0."amount" = CAST($3 AS DECIMAL(18,2))) AND (t0."day" = CAST($4 AS DATE)) AND (t0."day" = CAST(CAST($5 AS INT) AS DATE)) AND (t0."at" = arrow_cast($6, 'Timestamp(Microsecond, None)')) AND (t0."at_zone" = arrow_cast($7, 'Timestamp(Microsecond, Some("UTC"))')) AND (t0."uid" = $8) AND (t0."day" = CAST($9 AS DATE)))
          Int64(-9223372036854775808)
          Text("it's $1 \"x\"")
          Decimal { unscaled: -1250, precision: 18, scale: 2 }
          Date(19782)
          Int32(3000000)
          Timestamp(1000001)
          TimestampTz(0)
          Text("00000000-0000-0000-0000-000000000001")
          Null(Date)
    "#]].assert_eq(&show(&query, &DATAFUSION));
    expect![[r#"
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE ((t0."id" = CAST('-9223372036854775808' AS BIGINT)) AND (t0."name" = 'it''s $1 "x"') AND (t0."amount" = CAST('-12.50' AS DECIMAL(18,2))) AND (t0."day" = CAST('2024-02-29' AS DATE)) AND (t0."day" = CAST(CAST(3000000 AS INT) AS DATE)) AND (t0."at" = arrow_cast('1970-01-01 00:00:01.000001', 'Timestamp(Microsecond, None)')) AND (t0."at_zone" = arrow_cast('1970-01-01 00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')) AND (t0."uid" = '00000000-0000-0000-0000-000000000001') AND (t0."day" = CAST(NULL AS DATE)))
    "#]].assert_eq(&sent(&query, &DATAFUSION));
}

#[test]
fn floats_have_one_zero_and_a_nan_that_equals_nothing() {
    let all = [
        CompareOp::Eq,
        CompareOp::NotEq,
        CompareOp::Lt,
        CompareOp::LtEq,
        CompareOp::Gt,
        CompareOp::GtEq,
        CompareOp::IsDistinctFrom,
        CompareOp::IsNotDistinctFrom,
    ];
    let with = |value: f64| all.map(|op| cmp(op, col(2), lit(Value::Float64(Float(value)))));
    expect![[r#"
        (t0."ratio" = CAST('1.5' AS DOUBLE))
        (t0."ratio" <> CAST('1.5' AS DOUBLE))
        (t0."ratio" < CAST('1.5' AS DOUBLE))
        (t0."ratio" <= CAST('1.5' AS DOUBLE))
        (t0."ratio" > CAST('1.5' AS DOUBLE) AND t0."ratio" <> CAST('NaN' AS DOUBLE))
        (t0."ratio" >= CAST('1.5' AS DOUBLE) AND t0."ratio" <> CAST('NaN' AS DOUBLE))
        (t0."ratio" IS DISTINCT FROM CAST('1.5' AS DOUBLE))
        (t0."ratio" IS NOT DISTINCT FROM CAST('1.5' AS DOUBLE))
    "#]]
    .assert_eq(&sent_conditions(&with(1.5), &DATAFUSION));
    expect![[r#"
        (t0."ratio" >= CAST('-0' AS DOUBLE) AND t0."ratio" <= CAST('0' AS DOUBLE))
        (NOT (t0."ratio" >= CAST('-0' AS DOUBLE) AND t0."ratio" <= CAST('0' AS DOUBLE)))
        (t0."ratio" < CAST('-0' AS DOUBLE))
        (t0."ratio" <= CAST('0' AS DOUBLE))
        (t0."ratio" > CAST('0' AS DOUBLE) AND t0."ratio" <> CAST('NaN' AS DOUBLE))
        (t0."ratio" >= CAST('-0' AS DOUBLE) AND t0."ratio" <> CAST('NaN' AS DOUBLE))
        ((t0."ratio" >= CAST('-0' AS DOUBLE) AND t0."ratio" <= CAST('0' AS DOUBLE)) IS NOT TRUE)
        ((t0."ratio" >= CAST('-0' AS DOUBLE) AND t0."ratio" <= CAST('0' AS DOUBLE)) IS TRUE)
    "#]]
    .assert_eq(&sent_conditions(&with(-0.0), &DATAFUSION));
    expect![[r#"
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NOT NULL OR NULL)
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NULL AND NULL)
        TRUE
        FALSE
    "#]]
    .assert_eq(&sent_conditions(&with(f64::NAN), &DATAFUSION));
    let list = Expr::InList { expr: Box::new(col(2)), list: [0.0, 1.0].map(|value| lit(Value::float64(value))).to_vec(), negated: true };
    expect![[r#"
        ((nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) < nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE))) AND (nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) <> CAST('NaN' AS DOUBLE) OR nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) IS NULL))
        ((NOT (t0."ratio" >= CAST('-0' AS DOUBLE) AND t0."ratio" <= CAST('0' AS DOUBLE))) AND (t0."ratio" <> CAST('1.0' AS DOUBLE)))
    "#]].assert_eq(&sent_conditions(&[cmp(CompareOp::Lt, col(2), col(2)), list], &DATAFUSION));
    let grouped = SourceQuery {
        aggregate: Some(Aggregation {
            group_by: vec![col(2)],
            calls: vec![AggregateCall {
                distinct: true,
                ..AggregateCall::new(AggregateFunction::Sum, Some(col(2)), &orders().columns).unwrap()
            }],
            having: None,
        }),
        order_by: vec![key(0, true)],
        ..of_orders(&[col(0), col(1)])
    };
    expect![[r#"
        SELECT nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "c0", sum(DISTINCT nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE))) AS "c1" FROM "public"."Orders" AS t0 GROUP BY nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) ORDER BY nanvl(nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) DESC NULLS LAST
    "#]].assert_eq(&sent(&grouped, &DATAFUSION));
    expect![[r#"
        SELECT DISTINCT nanvl(t0."ratio" + CAST(0 AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "c0", t0."name" AS "c1" FROM "public"."Orders" AS t0
    "#]]
    .assert_eq(&sent(&SourceQuery { distinct: true, ..of_orders(&[col(2), col(1)]) }, &DATAFUSION));
}

#[test]
fn functions_conversions_and_windows() {
    let cast = |expr: Expr, to| Expr::Cast { expr: Box::new(expr), to };
    let number = Expr::Window {
        function: WindowFunction::RowNumber,
        arguments: Vec::new(),
        partition_by: vec![col(2)],
        order_by: vec![key(0, false)],
    };
    let substring = |start, length| call(Function::Substring, vec![col(1), lit(Value::Int64(start)), lit(Value::Int64(length))]);
    let outputs = [
        call(Function::Year, vec![col(6)]),
        call(Function::Like, vec![col(1), lit(Value::text("a\\_%"))]),
        call(Function::Trim, vec![col(1)]),
        substring(-1, 4),
        substring(2, 3),
        cast(col(0), DECIMAL),
        cast(col(5), ScalarType::Time),
        cast(col(7), ScalarType::Text),
        Expr::Arithmetic { op: ArithmeticOp::Divide, left: Box::new(col(3)), right: Box::new(col(3)) },
        Expr::Negate(Box::new(col(0))),
        number,
    ];
    expect![[r#"
        SELECT date_part('year',
        t0."at_zone") AS "c0",
        (t0."name" LIKE 'a\_%') AS "c1",
        btrim(t0."name") AS "c2",
        substr(t0."name",
        CAST(1 AS BIGINT),
        CAST(2 AS BIGINT)) AS "c3",
        substr(t0."name",
        CAST(2 AS BIGINT),
        CAST(3 AS BIGINT)) AS "c4",
        CAST(t0."id" AS DECIMAL(10,2)) AS "c5",
        arrow_cast(t0."at",
        'Time64(Microsecond)') AS "c6",
        t0."uid" AS "c7",
        (t0."amount" / t0."amount") AS "c8",
        (- t0."id") AS "c9",
        CAST(ROW_NUMBER() OVER (PARTITION BY nanvl(t0."ratio" + CAST(0 AS DOUBLE),
        CAST('NaN' AS DOUBLE)) ORDER BY t0."id" ASC NULLS FIRST) AS BIGINT) AS "c10" FROM "public"."Orders" AS t0
    "#]]
    .assert_eq(&sent(&of_orders(&outputs), &DATAFUSION).replace(", ", ",\n"));
}

#[test]
fn joins_have_their_own_names() {
    let join = |kind, null_aware| {
        let join = Join {
            left: Relation::Table(orders()),
            right: Relation::Table(table()),
            kind,
            on: vec![(col(0), col(12))],
            residual: None,
            null_aware,
            null_equal: false,
        };
        SourceQuery::select(Relation::Join(Box::new(join)), vec![Output { name: "id".to_owned(), expr: col(0) }])
    };
    let kinds = [(JoinKind::Left, false), (JoinKind::Semi, false), (JoinKind::Anti, false), (JoinKind::Anti, true)];
    let text: String = kinds.map(|(kind, null_aware)| sent(&join(kind, null_aware), &DATAFUSION)).concat();
    expect![[r#"
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 LEFT JOIN "main"."od""d" AS t1 ON (t0."id" = t1."big")
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 LEFT SEMI JOIN "main"."od""d" AS t1 ON (t0."id" = t1."big")
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 LEFT ANTI JOIN "main"."od""d" AS t1 ON (t0."id" = t1."big")
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE (t0."id" NOT IN (SELECT t1."big" FROM "main"."od""d" AS t1))
    "#]]
    .assert_eq(&text);
}

#[test]
fn keys_of_several_columns_are_alternatives() {
    let keyed =
        |columns: Vec<usize>, tuples: Vec<Vec<Value>>| SourceQuery { keys: Some(KeySet { columns, tuples }), ..of_orders(&[col(0)]) };
    let one = keyed(vec![0], vec![vec![Value::Int64(1)], vec![Value::Int64(2)]]);
    let two = keyed(vec![0, 1], vec![vec![Value::Int64(1), Value::text("a")], vec![Value::Int64(2), Value::text("b")]]);
    let none = keyed(vec![0], Vec::new());
    expect![[r#"
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE (t0."id" IN (CAST(1 AS BIGINT), CAST(2 AS BIGINT)))
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE (((t0."id" = CAST(1 AS BIGINT)) AND (t0."name" = 'a')) OR ((t0."id" = CAST(2 AS BIGINT)) AND (t0."name" = 'b')))
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE FALSE
    "#]].assert_eq(&[&one, &two, &none].map(|query| sent(query, &DATAFUSION)).concat());
    expect![[r#"
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE (t0."id" IN (1, 2))
        refused: keys of several columns is not supported by this source
        SELECT t0."id" AS "c0" FROM "public"."Orders" AS t0 WHERE FALSE
    "#]]
    .assert_eq(&[&one, &two, &none].map(|query| sent(query, &STANDARD)).concat());
}

#[test]
fn stored_forms_are_read() {
    let filters: Vec<Expr> = [
        (3, decimal(150, 2)),
        (4, Value::Date(0)),
        (5, Value::Timestamp(1_000_000)),
        (6, Value::Boolean(true)),
        (8, decimal(150, 2)),
        (9, Value::Guid("00000000-0000-0000-0000-000000000001".to_owned())),
        (10, Value::TimestampTz(0)),
        (11, Value::Date(0)),
    ]
    .map(|(index, value)| cmp(CompareOp::LtEq, col(index), lit(value)))
    .to_vec();
    expect![[r#"
        (CAST(t0."price" AS DECIMAL(10,2)) <= CAST('1.50' AS DECIMAL(18,2)))
        (t0."day" <= '1970-01-01')
        (t0."at" <= 1)
        (t0."flag" <= 1)
        (t0."cents" <= 150)
        (lower(t0."uid") <= '00000000-0000-0000-0000-000000000001')
        (arrow_cast(t0."stamp", 'Timestamp(Microsecond, Some("UTC"))') <= arrow_cast('1970-01-01 00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))'))
        (CAST((substr(NULLIF(NULLIF(t0."erp_day", ''), '00000000'), 1, 4) || '-' || substr(NULLIF(NULLIF(t0."erp_day", ''), '00000000'), 5, 2) || '-' || substr(NULLIF(NULLIF(t0."erp_day", ''), '00000000'), 7, 2)) AS DATE) <= CAST('1970-01-01' AS DATE))
    "#]].assert_eq(&sent_conditions(&filters, &DATAFUSION));
    expect![[r#"
        refused: an expression without a type is not supported by this source
    "#]]
    .assert_eq(&sent(&query(&[3, 4, 5, 8, 11].map(|index| Expr::Negate(Box::new(col(index))))), &DATAFUSION));
    expect![[r#"
        SELECT btrim(CAST(t0."price" AS DECIMAL(10,2))) AS "c0", btrim(CAST(t0."day" AS DATE)) AS "c1", btrim(arrow_cast((CAST(t0."at" AS BIGINT) * CAST(1000000 AS BIGINT)), 'Timestamp(Microsecond, None)')) AS "c2" FROM "main"."od""d" AS t0
    "#]].assert_eq(&sent(&query(&[3, 4, 5].map(|index| call(Function::Trim, vec![col(index)]))), &DATAFUSION));
    expect![[r#"
        refused: column 'price', which holds its values in another form, is not supported by this source
        (t0."day" <= '1970-01-01')
        (t0."at" <= 1)
        (t0."flag" <= 1)
        (t0."cents" <= 150)
        refused: column 'uid', which holds its values in another form, is not supported by this source
        refused: column 'stamp', which holds its values in another form, is not supported by this source
        refused: column 'erp_day', which holds its values in another form, is not supported by this source
    "#]]
    .assert_eq(&sent_conditions(&filters, &STANDARD));
}

#[test]
fn what_every_database_reads_alike() {
    let condition = Expr::And(vec![
        cmp(CompareOp::GtEq, col(0), lit(Value::Int64(5))),
        Expr::Or(vec![cmp(CompareOp::Eq, col(1), lit(Value::text("it's"))), Expr::Not(Box::new(Expr::IsNull(Box::new(col(4)))))]),
        cmp(CompareOp::Lt, col(4), lit(Value::Date(0))),
    ]);
    let query = SourceQuery { filter: Some(condition), order_by: vec![key(0, true)], limit: Some(3), ..of_orders(&[col(0), col(1)]) };
    expect![[r#"
        SELECT t0."id" AS "c0", t0."name" AS "c1" FROM "public"."Orders" AS t0 WHERE ((t0."id" >= ?) AND ((t0."name" = ?) OR (NOT (t0."day" IS NULL))) AND (t0."day" < ?)) ORDER BY t0."id" DESC NULLS LAST LIMIT 3
          Int64(5)
          Text("it's")
          Date(0)
    "#]].assert_eq(&show(&query, &STANDARD));
    expect![[r#"
        SELECT t0."id" AS "c0", t0."name" AS "c1" FROM "public"."Orders" AS t0 WHERE ((t0."id" >= 5) AND ((t0."name" = 'it''s') OR (NOT (t0."day" IS NULL))) AND (t0."day" < DATE '1970-01-01')) ORDER BY t0."id" DESC NULLS LAST LIMIT 3
    "#]].assert_eq(&sent(&query, &STANDARD));
    let cast = Expr::Cast { expr: Box::new(col(0)), to: ScalarType::Text };
    let refused = [cast, call(Function::Trim, vec![col(1)]), Expr::Negate(Box::new(col(0)))];
    expect![[r#"
        refused: the conversion from int64 to text is not supported by this source
        refused: the function Trim is not supported by this source
        refused: negation of int64 is not supported by this source
    "#]]
    .assert_eq(&refused.map(|output| sent(&of_orders(&[output]), &STANDARD)).concat());
}
