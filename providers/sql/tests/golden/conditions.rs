//! Columns, comparisons, lists, logic and functions.

use super::*;

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
            $1::bool  -- boolean of each run: 0
            EXISTS (SELECT 1 FROM "main"."od""d" AS t1)
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
            EXISTS (SELECT 1 FROM "main"."od""d" AS t1)
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
