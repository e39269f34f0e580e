//! What every dialect is sent, as golden texts. Run with `UPDATE_EXPECT=1` to write them anew, then read the difference.

use expect_test::{Expect, expect};
use portico_provider_api::change::{ChangeValue, Precondition};
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, ArithmeticOp, Change, Codec, CompareOp, Expr, Function, KeySet, LimitPer, Output,
    Relation, RemoteTableName, ScalarType, SortKey, SourceQuery, TableColumn, TableRelation, Value,
};
use portico_provider_sql::{Dialect, POSTGRES, Parameter, SQLITE, Statement, change, resolve_references, select};

const DECIMAL: ScalarType = ScalarType::Decimal { precision: 10, scale: 2 };

fn column(name: &str, scalar_type: ScalarType, codec: Option<Codec>, native_type: Option<&str>) -> TableColumn {
    TableColumn { name: name.to_owned(), scalar_type, nullable: true, codec, native_type: native_type.map(str::to_owned) }
}

/// Positions: 0 id, 1 name, 2 ratio, 3 price (decimal text), 4 day (date text), 5 at (seconds), 6 flag (0/1), 7 code (padded), 8 cents,
/// 9 uid, 10 stamp (ISO text), 11 erp_day (SAP), 12 big.
fn table() -> TableRelation {
    TableRelation {
        table: RemoteTableName(vec!["main".to_owned(), "od\"d".to_owned()]),
        columns: vec![
            column("id", ScalarType::Int32, None, Some("int4")),
            column("name", ScalarType::Text, None, Some("text")),
            column("ratio", ScalarType::Float64, None, Some("float8")),
            column("price", DECIMAL, Some(Codec::DecimalText), None),
            column("day", ScalarType::Date, Some(Codec::DateText), None),
            column("at", ScalarType::Timestamp, Some(Codec::TimestampSeconds), None),
            column("flag", ScalarType::Boolean, Some(Codec::BoolInt), None),
            column("code", ScalarType::Text, None, Some("bpchar")),
            column("cents", DECIMAL, Some(Codec::DecimalUnscaled), None),
            column("uid", ScalarType::Guid, Some(Codec::GuidText), None),
            column("stamp", ScalarType::TimestampTz, Some(Codec::TimestampText), None),
            column("erp_day", ScalarType::Date, Some(Codec::SapDate), None),
            column("big", ScalarType::Int64, None, Some("int8")),
        ],
    }
}

fn decimal(unscaled: i64, scale: i8) -> Value {
    Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(i128::from(unscaled)), precision: 18, scale }
}

fn col(index: usize) -> Expr {
    Expr::Column(index)
}

fn lit(value: Value) -> Expr {
    Expr::Literal(value)
}

fn cmp(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::compare(op, left, right)
}

fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    Expr::Call { function, arguments }
}

fn query(outputs: &[Expr]) -> SourceQuery {
    let output = outputs.iter().enumerate().map(|(at, expr)| Output { name: format!("out{at}"), expr: expr.clone() }).collect();
    SourceQuery::select(Relation::Table(table()), output)
}

fn filtered(filter: Expr) -> SourceQuery {
    SourceQuery { filter: Some(filter), ..query(&[col(0)]) }
}

fn key(index: usize, descending: bool) -> SortKey {
    SortKey { expr: col(index), descending, nulls_first: !descending }
}

fn show_statement(statement: &Statement) -> String {
    let mut text = format!("{}\n", statement.text);
    for parameter in &statement.parameters {
        match parameter {
            Parameter::Value(value) => text.push_str(&format!("  {value:?}\n")),
            Parameter::Array { scalar_type, values } => text.push_str(&format!("  {scalar_type}[] {values:?}\n")),
        }
    }
    text
}

fn show(query: &SourceQuery, dialect: &Dialect) -> String {
    select(query, dialect).map_or_else(|refused| format!("refused: {refused}\n"), |statement| show_statement(&statement))
}

/// Only the conditions, one per line: the texts around them are all alike.
fn conditions(filters: &[Expr], dialect: &Dialect) -> String {
    let mut text = String::new();
    for filter in filters {
        let whole = show(&filtered(filter.clone()), dialect);
        let shown = whole.split_once(" WHERE ").map_or(whole.as_str(), |(_, rest)| rest);
        text.push_str(&shown.replace("\n  ", "  -- "));
    }
    text
}

fn check(query: &SourceQuery, postgres: &Expect, sqlite: &Expect) {
    postgres.assert_eq(&show(query, &POSTGRES));
    sqlite.assert_eq(&show(query, &SQLITE));
}

fn check_conditions(filters: &[Expr], postgres: &Expect, sqlite: &Expect) {
    postgres.assert_eq(&conditions(filters, &POSTGRES));
    sqlite.assert_eq(&conditions(filters, &SQLITE));
}

#[test]
fn columns_are_read_as_they_are_stored() {
    check(
        &query(&(0..13).map(Expr::Column).collect::<Vec<_>>()),
        &expect![[r#"
        SELECT t0."id" AS "c0", t0."name" AS "c1", t0."ratio" AS "c2", t0."price" AS "c3", t0."day" AS "c4", t0."at" AS "c5", t0."flag" AS "c6", t0."code"::text AS "c7", t0."cents" AS "c8", t0."uid" AS "c9", t0."stamp" AS "c10", t0."erp_day" AS "c11", t0."big" AS "c12" FROM "main"."od""d" AS t0
    "#]],
        &expect![[r#"
        SELECT t0."id" AS "c0", t0."name" AS "c1", t0."ratio" AS "c2", t0."price" AS "c3", t0."day" AS "c4", t0."at" AS "c5", t0."flag" AS "c6", t0."code" AS "c7", t0."cents" AS "c8", t0."uid" AS "c9", t0."stamp" AS "c10", t0."erp_day" AS "c11", t0."big" AS "c12" FROM "main"."od""d" AS t0
    "#]],
    );
}

#[test]
fn no_columns_at_all() {
    check(
        &query(&[]),
        &expect![[r#"
        SELECT 1 FROM "main"."od""d" AS t0
    "#]],
        &expect![[r#"
        SELECT 1 FROM "main"."od""d" AS t0
    "#]],
    );
}

#[test]
fn comparisons_of_plain_columns() {
    let text = |op| cmp(op, col(1), lit(Value::text("O'Brien")));
    check_conditions(
        &[
            cmp(CompareOp::Eq, col(0), lit(Value::Int32(7))),
            cmp(CompareOp::Lt, lit(Value::Int32(7)), col(0)),
            cmp(CompareOp::Eq, col(0), lit(Value::Null(ScalarType::Int32))),
            text(CompareOp::Eq),
            text(CompareOp::GtEq),
            text(CompareOp::IsDistinctFrom),
            cmp(CompareOp::Lt, col(7), lit(Value::text("b"))),
            cmp(CompareOp::Eq, col(0), col(0)),
            cmp(CompareOp::Eq, col(0), lit(Value::text("no number"))),
            Expr::IsNull(Box::new(col(3))),
            Expr::IsNull(Box::new(col(11))),
        ],
        &expect![[r#"
            (t0."id" = $1::int4)  -- Int32(7)
            (t0."id" > $1::int4)  -- Int32(7)
            (t0."id" = $1::int4)  -- Null(Int32)
            (t0."name" = $1::text)  -- Text("O'Brien")
            (t0."name" COLLATE "C" >= $1::text)  -- Text("O'Brien")
            (t0."name" IS DISTINCT FROM $1::text)  -- Text("O'Brien")
            (t0."code"::text COLLATE "C" < $1::text)  -- Text("b")
            (t0."id" = t0."id")
            refused: a comparison of int32 with text is not supported by this source
            (t0."price" IS NULL)
            (NULLIF(NULLIF(t0."erp_day"::text, ''), '00000000')::date IS NULL)
        "#]],
        &expect![[r#"
            (t0."id" = ?1)  -- Int64(7)
            (t0."id" > ?1)  -- Int64(7)
            (t0."id" = ?1)  -- Null(Int32)
            (t0."name" COLLATE BINARY = ?1)  -- Text("O'Brien")
            (t0."name" COLLATE BINARY >= ?1)  -- Text("O'Brien")
            (t0."name" COLLATE BINARY IS NOT ?1)  -- Text("O'Brien")
            (t0."code" COLLATE BINARY < ?1)  -- Text("b")
            (t0."id" = t0."id")
            refused: a comparison of int32 with text is not supported by this source
            (t0."price" IS NULL)
            (portico_stored('sap_date', t0."erp_day") IS NULL)
        "#]],
    );
}

#[test]
fn floats_compare_by_ieee() {
    use CompareOp::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    let ops = [Eq, NotEq, Lt, LtEq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom];
    let with_literal = ops.map(|op| cmp(op, col(2), lit(Value::float64(1.5))));
    let with_column = ops.map(|op| cmp(op, col(2), col(2)));
    let with_nan = ops.map(|op| cmp(op, col(2), lit(Value::float64(f64::NAN))));
    let filters: Vec<_> = with_literal.into_iter().chain(with_column).chain(with_nan).collect();
    check_conditions(
        &filters,
        &expect![[r#"
            (t0."ratio" = $1::float8)  -- Float64(Float(1.5))
            (t0."ratio" <> $1::float8)  -- Float64(Float(1.5))
            (t0."ratio" < $1::float8)  -- Float64(Float(1.5))
            (t0."ratio" <= $1::float8)  -- Float64(Float(1.5))
            (t0."ratio" > $1::float8 AND t0."ratio" <> 'NaN'::float8)  -- Float64(Float(1.5))
            (t0."ratio" >= $1::float8 AND t0."ratio" <> 'NaN'::float8)  -- Float64(Float(1.5))
            (t0."ratio" IS DISTINCT FROM $1::float8)  -- Float64(Float(1.5))
            (t0."ratio" IS NOT DISTINCT FROM $1::float8)  -- Float64(Float(1.5))
            (t0."ratio" = t0."ratio" AND (t0."ratio" <> 'NaN'::float8 OR t0."ratio" IS NULL))
            (t0."ratio" <> t0."ratio" OR (t0."ratio" = 'NaN'::float8 AND t0."ratio" IS NOT NULL))
            (t0."ratio" < t0."ratio" AND (t0."ratio" <> 'NaN'::float8 OR t0."ratio" IS NULL))
            (t0."ratio" <= t0."ratio" AND (t0."ratio" <> 'NaN'::float8 OR t0."ratio" IS NULL))
            (t0."ratio" > t0."ratio" AND (t0."ratio" <> 'NaN'::float8 OR t0."ratio" IS NULL))
            (t0."ratio" >= t0."ratio" AND (t0."ratio" <> 'NaN'::float8 OR t0."ratio" IS NULL))
            (t0."ratio" IS DISTINCT FROM t0."ratio" OR (t0."ratio" = 'NaN'::float8) IS TRUE)
            (t0."ratio" IS NOT DISTINCT FROM t0."ratio" AND (t0."ratio" <> 'NaN'::float8) IS NOT FALSE)
            (t0."ratio" IS NULL AND NULL)
            (t0."ratio" IS NOT NULL OR NULL)
            (t0."ratio" IS NULL AND NULL)
            (t0."ratio" IS NULL AND NULL)
            (t0."ratio" IS NULL AND NULL)
            (t0."ratio" IS NULL AND NULL)
            TRUE
            FALSE
        "#]],
        &expect![[r#"
        (t0."ratio" = ?1)  -- Float64(Float(1.5))
        (t0."ratio" <> ?1)  -- Float64(Float(1.5))
        (t0."ratio" < ?1)  -- Float64(Float(1.5))
        (t0."ratio" <= ?1)  -- Float64(Float(1.5))
        (t0."ratio" > ?1)  -- Float64(Float(1.5))
        (t0."ratio" >= ?1)  -- Float64(Float(1.5))
        (t0."ratio" IS NOT ?1)  -- Float64(Float(1.5))
        (t0."ratio" IS ?1)  -- Float64(Float(1.5))
        (t0."ratio" = t0."ratio")
        (t0."ratio" <> t0."ratio")
        (t0."ratio" < t0."ratio")
        (t0."ratio" <= t0."ratio")
        (t0."ratio" > t0."ratio")
        (t0."ratio" >= t0."ratio")
        (t0."ratio" IS NOT t0."ratio")
        (t0."ratio" IS t0."ratio")
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NOT NULL OR NULL)
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NULL AND NULL)
        (t0."ratio" IS NULL AND NULL)
        1
        0
    "#]],
    );
}

/// PostgreSQL cannot type a parameter that stands nowhere in the text.
#[test]
fn no_parameter_is_bound_that_the_text_does_not_name() {
    let number = |value: f64| lit(Value::float64(value));
    let computed =
        || Expr::Case { branches: vec![(cmp(CompareOp::Eq, col(2), number(1.0)), number(2.0))], otherwise: Some(Box::new(col(2))) };
    for op in [CompareOp::IsDistinctFrom, CompareOp::IsNotDistinctFrom, CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt] {
        for (left, right) in [(computed(), number(f64::NAN)), (number(f64::NAN), computed())] {
            let statement = select(&filtered(cmp(op, left, right)), &POSTGRES).unwrap();
            for number in 1..=statement.parameters.len() {
                assert!(statement.text.contains(&format!("${number}::")), "{op:?}: {}", statement.text);
            }
        }
    }
}

#[test]
fn stored_forms_compare_as_the_values_they_stand_for() {
    let seconds = |op, micros| cmp(op, col(5), lit(Value::Timestamp(micros)));
    check_conditions(
        &[
            cmp(CompareOp::Lt, col(3), lit(decimal(1250, 2))),
            cmp(CompareOp::GtEq, col(4), lit(Value::Date(19_782))),
            cmp(CompareOp::Lt, col(4), lit(Value::Date(9_000_000))),
            cmp(CompareOp::Eq, col(4), lit(Value::Date(9_000_000))),
            seconds(CompareOp::Lt, 1_500_000),
            seconds(CompareOp::LtEq, 1_500_000),
            seconds(CompareOp::Gt, -1_500_000),
            seconds(CompareOp::GtEq, -1_500_000),
            seconds(CompareOp::Eq, 1_500_000),
            seconds(CompareOp::NotEq, 1_500_000),
            seconds(CompareOp::IsNotDistinctFrom, 1_500_000),
            seconds(CompareOp::Eq, 2_000_000),
            cmp(CompareOp::Eq, col(5), lit(Value::Null(ScalarType::Timestamp))),
            cmp(CompareOp::Eq, col(6), lit(Value::Boolean(true))),
            cmp(CompareOp::Gt, col(8), lit(decimal(12_345, 3))),
            cmp(CompareOp::Eq, col(8), lit(decimal(12, 0))),
            cmp(CompareOp::Eq, col(9), lit(Value::Guid("0188d5e4-0000-7000-8000-0000000000ff".to_owned()))),
            cmp(CompareOp::Gt, col(10), lit(Value::TimestampTz(0))),
            cmp(CompareOp::Eq, col(11), lit(Value::Date(0))),
        ],
        &expect![[r#"
            (t0."price"::numeric < $1::numeric)  -- Decimal { unscaled: 1250, precision: 18, scale: 2 }
            (t0."day" COLLATE "C" >= $1::text)  -- Text("2024-02-29")
            (t0."day" IS NOT NULL OR NULL)
            (t0."day" IS NULL AND NULL)
            (t0."at" < $1::int8)  -- Int64(2)
            (t0."at" <= $1::int8)  -- Int64(1)
            (t0."at" > $1::int8)  -- Int64(-2)
            (t0."at" >= $1::int8)  -- Int64(-1)
            (t0."at" IS NULL AND NULL)
            (t0."at" IS NOT NULL OR NULL)
            FALSE
            (t0."at" = $1::int8)  -- Int64(2)
            ((TIMESTAMP '1970-01-01' + (t0."at" / 86400) * INTERVAL '1 day' + (t0."at" % 86400) * INTERVAL '1 second') = $1::timestamp)  -- Null(Timestamp)
            (t0."flag" = $1::int8)  -- Int64(1)
            (t0."cents" > $1::int8)  -- Int64(1234)
            (t0."cents" = $1::int8)  -- Int64(1200)
            (t0."uid"::uuid = $1::uuid)  -- Guid("0188d5e4-0000-7000-8000-0000000000ff")
            (t0."stamp"::timestamptz > $1::timestamptz)  -- TimestampTz(0)
            (NULLIF(NULLIF(t0."erp_day"::text, ''), '00000000')::date = $1::date)  -- Date(0)
        "#]],
        &expect![[r#"
            (portico_decimal(t0."price") < portico_decimal(?1))  -- Text("12.50")
            (t0."day" COLLATE BINARY >= ?1)  -- Text("2024-02-29")
            (t0."day" IS NOT NULL OR NULL)
            (t0."day" IS NULL AND NULL)
            (t0."at" < ?1)  -- Int64(2)
            (t0."at" <= ?1)  -- Int64(1)
            (t0."at" > ?1)  -- Int64(-2)
            (t0."at" >= ?1)  -- Int64(-1)
            (t0."at" IS NULL AND NULL)
            (t0."at" IS NOT NULL OR NULL)
            0
            (t0."at" = ?1)  -- Int64(2)
            (portico_stored('timestamp_seconds', t0."at") = ?1)  -- Null(Timestamp)
            (t0."flag" = ?1)  -- Int64(1)
            (t0."cents" > ?1)  -- Int64(1234)
            (t0."cents" = ?1)  -- Int64(1200)
            (portico_stored('guid_text', t0."uid") COLLATE BINARY = ?1)  -- Text("0188d5e4-0000-7000-8000-0000000000ff")
            (portico_stored('timestamptz_text', t0."stamp") > ?1)  -- Int64(0)
            (portico_stored('sap_date', t0."erp_day") = ?1)  -- Int64(0)
        "#]],
    );
}

#[test]
fn lists() {
    let list = |index, values: Vec<Value>, negated| Expr::InList {
        expr: Box::new(col(index)),
        list: values.into_iter().map(Expr::Literal).collect(),
        negated,
    };
    check_conditions(
        &[
            list(1, vec![Value::text("a"), Value::text("b")], false),
            list(1, vec![Value::text("a"), Value::Null(ScalarType::Text)], true),
            list(2, vec![Value::float64(1.0), Value::float64(f64::NAN)], false),
            list(2, vec![Value::float64(f64::NAN)], true),
            list(3, vec![decimal(1, 0)], false),
            list(5, vec![Value::Timestamp(1), Value::Timestamp(1_000_000), Value::Null(ScalarType::Timestamp)], false),
            list(0, vec![], false),
        ],
        &expect![[r#"
            (t0."name" IN ($1::text, $2::text))  -- Text("a")  -- Text("b")
            (t0."name" NOT IN ($1::text, $2::text))  -- Text("a")  -- Null(Text)
            (t0."ratio" IN ($1::float8))  -- Float64(Float(1.0))
            (t0."ratio" IS NOT NULL OR NULL)
            (t0."price"::numeric IN ($1::numeric))  -- Decimal { unscaled: 1, precision: 18, scale: 0 }
            (t0."at" IN ($1::int8, $2::int8))  -- Int64(1)  -- Null(Int64)
            FALSE
        "#]],
        &expect![[r#"
            (t0."name" COLLATE BINARY IN (?1, ?2))  -- Text("a")  -- Text("b")
            (t0."name" COLLATE BINARY NOT IN (?1, ?2))  -- Text("a")  -- Null(Text)
            (t0."ratio" IN (?1))  -- Float64(Float(1.0))
            (t0."ratio" IS NOT NULL OR NULL)
            (portico_decimal(t0."price") IN (portico_decimal(?1)))  -- Text("1")
            (t0."at" IN (?1, ?2))  -- Int64(1)  -- Null(Int64)
            0
        "#]],
    );
}

#[test]
fn logic_case_and_arithmetic() {
    let arithmetic = |op| Expr::Arithmetic { op, left: Box::new(col(0)), right: Box::new(lit(Value::Int32(2))) };
    check_conditions(
        &[
            Expr::And(vec![]),
            Expr::Or(vec![]),
            Expr::Not(Box::new(Expr::Or(vec![col(6), lit(Value::Boolean(false))]))),
            cmp(CompareOp::Eq, arithmetic(ArithmeticOp::Add), lit(Value::Int32(3))),
            cmp(CompareOp::Eq, arithmetic(ArithmeticOp::Modulo), Expr::Negate(Box::new(col(0)))),
            cmp(
                CompareOp::Eq,
                Expr::Case { branches: vec![(col(6), col(1))], otherwise: Some(Box::new(lit(Value::text("none")))) },
                lit(Value::text("x")),
            ),
            cmp(CompareOp::Eq, Expr::Cast { expr: Box::new(col(12)), to: ScalarType::Int16 }, lit(Value::Int16(1))),
            cmp(
                CompareOp::Eq,
                Expr::Arithmetic { op: ArithmeticOp::Add, left: Box::new(col(2)), right: Box::new(col(2)) },
                lit(Value::float64(1.0)),
            ),
            Expr::Parameter { index: 0, scalar_type: ScalarType::Boolean },
            Expr::Exists(Box::new(query(&[]))),
        ],
        &expect![[r#"
            TRUE
            FALSE
            (NOT ((t0."flag" = 1) OR $1::bool))  -- Boolean(false)
            ((t0."id" + $1::int4) = $2::int4)  -- Int32(2)  -- Int32(3)
            ((t0."id" % $1::int4) = (- t0."id"))  -- Int32(2)
            ((CASE WHEN (t0."flag" = 1) THEN t0."name" ELSE $1::text END) = $2::text)  -- Text("none")  -- Text("x")
            (t0."big"::int2 = $1::int2)  -- Int16(1)
            refused: '+' of float64 is not supported by this source
            refused: an unbound parameter is not supported by this source
            refused: EXISTS is not supported by this source
        "#]],
        &expect![[r#"
            1
            0
            (NOT (portico_stored('bool_int', t0."flag") OR ?1))  -- Int64(0)
            (portico_arithmetic('add', 'int32', t0."id", 'int32', ?1) = ?2)  -- Int64(2)  -- Int64(3)
            (portico_arithmetic('modulo', 'int32', t0."id", 'int32', ?1) = portico_negate('int32', t0."id"))  -- Int64(2)
            ((CASE WHEN portico_stored('bool_int', t0."flag") THEN t0."name" ELSE ?1 END) COLLATE BINARY = ?2)  -- Text("none")  -- Text("x")
            (portico_cast('int64', 'int16', t0."big") = ?1)  -- Int64(1)
            refused: '+' of float64 is not supported by this source
            refused: an unbound parameter is not supported by this source
            refused: EXISTS is not supported by this source
        "#]],
    );
}

#[test]
fn functions() {
    let text = |function| call(function, vec![col(1), lit(Value::text("50%_\\"))]);
    let number = |function, arguments| cmp(CompareOp::Eq, call(function, arguments), lit(Value::Int32(1)));
    let whole = |value| lit(Value::Int64(value));
    let part = |arguments| cmp(CompareOp::Eq, call(Function::Substring, arguments), lit(Value::text("x")));
    check_conditions(
        &[
            text(Function::Contains),
            text(Function::StartsWith),
            text(Function::EndsWith),
            text(Function::Like),
            number(Function::Position, vec![col(1), lit(Value::text("x"))]),
            number(Function::Length, vec![col(7)]),
            part(vec![col(1), whole(2), whole(3)]),
            part(vec![col(1), whole(-1), whole(4)]),
            part(vec![col(1), whole(2)]),
            part(vec![col(1), col(12), whole(3)]),
            cmp(CompareOp::Eq, call(Function::Lower, vec![col(1)]), lit(Value::text("x"))),
            cmp(CompareOp::Eq, call(Function::Trim, vec![col(1)]), lit(Value::text("x"))),
            cmp(CompareOp::Eq, call(Function::Concat, vec![col(1), col(7)]), lit(Value::text("x"))),
            number(Function::Year, vec![col(4)]),
            number(Function::Second, vec![col(10)]),
            cmp(CompareOp::Eq, call(Function::Round, vec![col(3)]), lit(decimal(1, 0))),
            cmp(CompareOp::Eq, call(Function::Round, vec![col(2)]), lit(Value::float64(1.0))),
            cmp(CompareOp::Eq, call(Function::Abs, vec![col(0)]), lit(Value::Int32(1))),
            number(Function::Length, vec![]),
        ],
        &expect![[r#"
            (strpos(t0."name" COLLATE "C", $1::text) > 0)  -- Text("50%_\\")
            starts_with(t0."name" COLLATE "C", $1::text)  -- Text("50%_\\")
            (right(t0."name", char_length($1::text)) COLLATE "C" = $1::text)  -- Text("50%_\\")
            (t0."name" COLLATE "C" LIKE $1::text ESCAPE '\')  -- Text("50%_\\")
            (strpos(t0."name" COLLATE "C", $1::text) = $2::int4)  -- Text("x")  -- Int32(1)
            (char_length(t0."code"::text) = $1::int4)  -- Int32(1)
            (substr(t0."name", $1::int4, $2::int4) = $3::text)  -- Int32(2)  -- Int32(3)  -- Text("x")
            (substr(t0."name", $1::int4, $2::int4) = $3::text)  -- Int32(1)  -- Int32(2)  -- Text("x")
            (substr(t0."name", $1::int4, $2::int4) = $3::text)  -- Int32(2)  -- Int32(2147483647)  -- Text("x")
            (substr(t0."name", (t0."big")::int4, ($1::int8)::int4) = $2::text)  -- Int64(3)  -- Text("x")
            refused: lower case is not supported by this source
            (btrim(t0."name", ' ') = $1::text)  -- Text("x")
            ((t0."name" || t0."code"::text) = $1::text)  -- Text("x")
            ((EXTRACT(YEAR FROM t0."day"::date) + CASE WHEN EXTRACT(YEAR FROM t0."day"::date) < 0 THEN 1 ELSE 0 END)::int4 = $1::int4)  -- Int32(1)
            (floor(EXTRACT(SECOND FROM (t0."stamp"::timestamptz AT TIME ZONE 'UTC')))::int4 = $1::int4)  -- Int32(1)
            (round(t0."price"::numeric) = $1::numeric)  -- Decimal { unscaled: 1, precision: 18, scale: 0 }
            refused: rounding of float64 is not supported by this source
            (abs(t0."id") = $1::int4)  -- Int32(1)
            refused: an expression without a type is not supported by this source
        "#]],
        &expect![[r#"
            portico_contains(t0."name", ?1)  -- Text("50%_\\")
            portico_starts_with(t0."name", ?1)  -- Text("50%_\\")
            portico_ends_with(t0."name", ?1)  -- Text("50%_\\")
            portico_like(t0."name", ?1)  -- Text("50%_\\")
            (portico_position(t0."name", ?1) = ?2)  -- Text("x")  -- Int64(1)
            (portico_length(t0."code") = ?1)  -- Int64(1)
            (portico_substring(t0."name", ?1, ?2) COLLATE BINARY = ?3)  -- Int64(2)  -- Int64(3)  -- Text("x")
            (portico_substring(t0."name", ?1, ?2) COLLATE BINARY = ?3)  -- Int64(-1)  -- Int64(4)  -- Text("x")
            (portico_substring(t0."name", ?1) COLLATE BINARY = ?2)  -- Int64(2)  -- Text("x")
            (portico_substring(t0."name", t0."big", ?1) COLLATE BINARY = ?2)  -- Int64(3)  -- Text("x")
            (portico_lower(t0."name") COLLATE BINARY = ?1)  -- Text("x")
            (portico_trim(t0."name") COLLATE BINARY = ?1)  -- Text("x")
            (portico_concat(t0."name", t0."code") COLLATE BINARY = ?1)  -- Text("x")
            (portico_part('year', 'date', portico_stored('date_text', t0."day")) = ?1)  -- Int64(1)
            (portico_part('second', 'timestamptz', portico_stored('timestamptz_text', t0."stamp")) = ?1)  -- Int64(1)
            (portico_number('round', 'decimal(10,2)', portico_decimal(t0."price")) = portico_decimal(?1))  -- Text("1")
            (portico_number('round', 'float64', t0."ratio") = ?1)  -- Float64(Float(1.0))
            (portico_number('abs', 'int32', t0."id") = ?1)  -- Int64(1)
            refused: an expression without a type is not supported by this source
        "#]],
    );
}

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
        SELECT q."c0", q."c1" FROM (SELECT t0."id" AS "c0", t0."price" AS "c1", t0."price"::numeric AS "s0", ROW_NUMBER() OVER (PARTITION BY t0."name" ORDER BY t0."price"::numeric DESC NULLS LAST) AS "n" FROM "main"."od""d" AS t0) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" DESC NULLS LAST LIMIT 9
    "#]],
        &expect![[r#"
        SELECT q."c0", q."c1" FROM (SELECT t0."id" AS "c0", t0."price" AS "c1", portico_decimal(t0."price") AS "s0", ROW_NUMBER() OVER (PARTITION BY t0."name" COLLATE BINARY ORDER BY portico_decimal(t0."price") DESC NULLS LAST) AS "n" FROM "main"."od""d" AS t0) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" DESC NULLS LAST LIMIT 9
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
        SELECT d."c0", d."c1", d."c2" FROM (SELECT DISTINCT t0."name" AS "c0", t0."price"::numeric AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d ORDER BY d."c0" COLLATE "C" ASC NULLS FIRST LIMIT 3
    "#]],
        &expect![[r#"
        SELECT d."c0", d."c1", d."c2" FROM (SELECT DISTINCT t0."name" COLLATE BINARY AS "c0", portico_decimal(t0."price") AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d ORDER BY d."c0" COLLATE BINARY ASC NULLS FIRST LIMIT 3
    "#]],
    );
    let both = SourceQuery { limit_per: Some(per), order_by: vec![key(3, false)], ..distinct.clone() };
    check(
        &both,
        &expect![[r#"
        SELECT q."c0", q."c1", q."c2" FROM (SELECT d."c0" AS "c0", d."c1" AS "c1", d."c2" AS "c2", d."c1" AS "s0", ROW_NUMBER() OVER (PARTITION BY d."c0" ORDER BY d."c1" ASC NULLS FIRST) AS "n" FROM (SELECT DISTINCT t0."name" AS "c0", t0."price"::numeric AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" ASC NULLS FIRST
    "#]],
        &expect![[r#"
        SELECT q."c0", q."c1", q."c2" FROM (SELECT d."c0" AS "c0", d."c1" AS "c1", d."c2" AS "c2", d."c1" AS "s0", ROW_NUMBER() OVER (PARTITION BY d."c0" COLLATE BINARY ORDER BY d."c1" ASC NULLS FIRST) AS "n" FROM (SELECT DISTINCT t0."name" COLLATE BINARY AS "c0", portico_decimal(t0."price") AS "c1", t0."day" AS "c2" FROM "main"."od""d" AS t0) AS d) AS q WHERE q."n" > 1 AND q."n" <= 4 ORDER BY q."s0" ASC NULLS FIRST
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
        refused: grouping is not supported by this source
    "#]],
        &expect![[r#"
        refused: grouping is not supported by this source
    "#]],
    );
    let having = Aggregation { having: Some(cmp(CompareOp::Gt, col(0), lit(Value::Int64(1)))), ..counting };
    check(
        &SourceQuery { aggregate: Some(having), ..rows.clone() },
        &expect![[r#"
        refused: a condition on groups is not supported by this source
    "#]],
        &expect![[r#"
        refused: a condition on groups is not supported by this source
    "#]],
    );
    check(
        &SourceQuery { limit: Some(1), ..rows },
        &expect![[r#"
        refused: a limit above a row count is not supported by this source
    "#]],
        &expect![[r#"
        refused: a limit above a row count is not supported by this source
    "#]],
    );
}

#[test]
fn what_is_not_one_table_is_refused() {
    let nested = SourceQuery::select(Relation::Query(Box::new(query(&[col(0)]))), vec![]);
    check(
        &nested,
        &expect![[r#"
        refused: a nested query is not supported by this source
    "#]],
        &expect![[r#"
        refused: a nested query is not supported by this source
    "#]],
    );
    check(
        &SourceQuery::select(Relation::Union(vec![]), vec![]),
        &expect![[r#"
        refused: a union is not supported by this source
    "#]],
        &expect![[r#"
        refused: a union is not supported by this source
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

fn show_change(described: &Change, dialect: &Dialect) -> String {
    let plan = match change(described, dialect) {
        Ok(plan) => plan,
        Err(refused) => return format!("refused: {refused}\n"),
    };
    let mut text = format!("returning {} requires {}\n{}", plan.returning, plan.requires, show_statement(&plan.statement));
    for (name, statement) in [("otherwise", &plan.otherwise), ("probe", &plan.probe)] {
        if let Some(statement) = statement {
            text.push_str(&format!("{name}: {}", show_statement(statement)));
        }
    }
    text
}

fn check_change(described: &Change, postgres: &Expect, sqlite: &Expect) {
    postgres.assert_eq(&show_change(described, &POSTGRES));
    sqlite.assert_eq(&show_change(described, &SQLITE));
}

fn small(columns: &[usize]) -> TableRelation {
    let whole = table();
    TableRelation { table: whole.table, columns: columns.iter().map(|index| whole.columns[*index].clone()).collect() }
}

#[test]
fn inserts() {
    let json = column("doc", ScalarType::Json, None, Some("jsonb"));
    let mut relation = small(&[0, 3, 7]);
    relation.columns.push(json);
    relation.columns.push(column("mood", ScalarType::Text, None, Some("crm.mood")));
    let values = vec![
        (0, ChangeValue::Given(Value::Int32(1))),
        (1, ChangeValue::Given(decimal(15, 1))),
        (2, ChangeValue::Null),
        (3, ChangeValue::Given(Value::Json("{}".to_owned()))),
        (4, ChangeValue::Given(Value::text("glad"))),
    ];
    let insert = Change::Insert { table: relation.clone(), values, require: Some(cmp(CompareOp::Gt, col(0), lit(Value::Int32(0)))) };
    check_change(
        &insert,
        &expect![[r#"
        returning true requires true
        INSERT INTO "main"."od""d" ("id", "price", "code", "doc", "mood") VALUES ($1::int4, $2::text, $3::text, $4::text::"jsonb", $5::text::"crm"."mood") RETURNING "id", "price", "code"::text, "doc"::text, "mood"::text, ("id" > $6::int4)
          Int32(1)
          Text("1.50")
          Null(Text)
          Json("{}")
          Text("glad")
          Int32(0)
    "#]],
        &expect![[r#"
            returning true requires true
            INSERT INTO "main"."od""d" ("id", "price", "code", "doc", "mood") VALUES (?1, ?2, ?3, ?4, ?5) RETURNING "id", "price", "code", "doc", CAST("mood" AS TEXT), ("id" > ?6)
              Int64(1)
              Text("1.50")
              Null(Text)
              Text("{}")
              Text("glad")
              Int64(0)
        "#]],
    );
    check_change(
        &Change::Insert { table: small(&[0]), values: vec![], require: None },
        &expect![[r#"
        returning true requires false
        INSERT INTO "main"."od""d" DEFAULT VALUES RETURNING "id"
    "#]],
        &expect![[r#"
        returning true requires false
        INSERT INTO "main"."od""d" DEFAULT VALUES RETURNING "id"
    "#]],
    );
    let lossy = Change::Insert { table: relation, values: vec![(1, ChangeValue::Given(decimal(1_234, 3)))], require: None };
    check_change(
        &lossy,
        &expect![[r#"
        refused: column 'price': the value cannot be held exactly as decimal text (decimal(10,2))
    "#]],
        &expect![[r#"
        refused: column 'price': the value cannot be held exactly as decimal text (decimal(10,2))
    "#]],
    );
}

#[test]
fn updates_upserts_and_deletes() {
    let relation = small(&[0, 1, 2, 4]);
    let visible = Some(cmp(CompareOp::NotEq, col(1), lit(Value::text("secret"))));
    let update = |values, precondition| Change::Update {
        table: relation.clone(),
        key: vec![(0, Value::Int32(1))],
        values,
        precondition,
        visible: visible.clone(),
        require: None,
    };
    let rename = vec![(1, ChangeValue::Given(Value::text("new")))];
    check_change(
        &update(rename.clone(), Precondition::Version { column: 3, value: Value::Date(0) }),
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = $1::text WHERE ("id" = $2::int4) AND ("day" IS NOT DISTINCT FROM $3::text) AND ("name" <> $4::text) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int32(1)
          Text("1970-01-01")
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = ?1 WHERE ("id" = ?2) AND ("day" COLLATE BINARY IS ?3) AND ("name" COLLATE BINARY <> ?4) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int64(1)
          Text("1970-01-01")
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
    "#]],
    );
    let unchanged = vec![(1, Value::Null(ScalarType::Text)), (2, Value::float64(f64::NAN)), (3, Value::Date(0))];
    check_change(
        &update(rename.clone(), Precondition::Unchanged(unchanged)),
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = $1::text WHERE ("id" = $2::int4) AND ("name" IS NOT DISTINCT FROM $3::text) AND ("ratio" IS NOT DISTINCT FROM $4::float8) AND ("day" IS NOT DISTINCT FROM $5::text) AND ("name" <> $6::text) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int32(1)
          Null(Text)
          Float64(Float(NaN))
          Text("1970-01-01")
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        refused: not-a-number as a value is not supported by this source
    "#]],
    );
    check_change(
        &update(vec![], Precondition::None),
        &expect![[r#"
        returning true requires false
        SELECT "id", "name", "ratio", "day" FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        returning true requires false
        SELECT "id", "name", "ratio", "day" FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
    "#]],
    );
    let upsert = Change::Upsert { table: relation.clone(), key: vec![(0, Value::Int32(1))], values: rename, require: None };
    check_change(
        &upsert,
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = $1::text WHERE ("id" = $2::int4) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int32(1)
        otherwise: INSERT INTO "main"."od""d" ("id", "name") VALUES ($1::int4, $2::text) RETURNING "id", "name", "ratio", "day"
          Int32(1)
          Text("new")
    "#]],
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = ?1 WHERE ("id" = ?2) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int64(1)
        otherwise: INSERT INTO "main"."od""d" ("id", "name") VALUES (?1, ?2) RETURNING "id", "name", "ratio", "day"
          Int64(1)
          Text("new")
    "#]],
    );
    let delete = |key| Change::Delete { table: relation.clone(), key, precondition: Precondition::None, visible: visible.clone() };
    check_change(
        &delete(vec![(0, Value::Int32(1))]),
        &expect![[r#"
        returning false requires false
        DELETE FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        returning false requires false
        DELETE FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
    "#]],
    );
    check_change(
        &delete(vec![]),
        &expect![[r#"
        refused: a change without a key is not supported by this source
    "#]],
        &expect![[r#"
        refused: a change without a key is not supported by this source
    "#]],
    );
    check_change(
        &delete(vec![(0, Value::Null(ScalarType::Int32))]),
        &expect![[r#"
        refused: key column 'id' is null
    "#]],
        &expect![[r#"
        refused: key column 'id' is null
    "#]],
    );
}

#[test]
fn references_are_resolved_from_stored_rows() {
    let insert = |value| Change::Insert { table: small(&[0]), values: vec![(0, value)], require: None };
    let referring = insert(ChangeValue::FromChange { change: 0, column: 1 });
    let rows = [Some(vec![Value::text("x"), Value::Int32(5)]), None];
    assert_eq!(resolve_references(&referring, &rows), Ok(insert(ChangeValue::Given(Value::Int32(5)))));
    assert!(resolve_references(&insert(ChangeValue::FromChange { change: 1, column: 0 }), &rows).is_err());
    assert!(change(&referring, &SQLITE).is_err());
}
