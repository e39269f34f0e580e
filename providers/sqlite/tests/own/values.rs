//! Stored forms, and values that do not fit what is declared.

use super::database::{Database, relation, rows, scan};
use portico_provider_api::{Codec, CompareOp, Expr, ScalarType, SourceErrorKind, SourceQuery, Value};

/// Reads a column of one table with a codec that the configuration would give it.
async fn with_codec(values: &str, scalar_type: ScalarType, codec: Codec) -> Result<Vec<Value>, String> {
    let database = Database::with(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO t (v) VALUES {values};"));
    let source = database.source();
    let mut table = relation(&source, "t").await;
    table.columns[1].scalar_type = scalar_type;
    table.columns[1].codec = Some(codec);
    let read = rows(&source, SourceQuery::scan(table.clone())).await;
    let read = read.map_err(|error| {
        assert_eq!(error.kind, SourceErrorKind::Malformed);
        error.message
    })?;
    let values: Vec<_> = read.into_iter().map(|mut row| row.remove(1)).collect();
    // Each value is found again by comparing with it, whatever its stored form.
    for value in values.iter().filter(|value| !value.is_null()) {
        let filter = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(value.clone()));
        let found = rows(&source, SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) }).await.unwrap();
        assert_eq!(found.len(), values.iter().filter(|other| *other == value).count(), "{value:?}");
    }
    Ok(values)
}

const MONEY: ScalarType = ScalarType::Decimal { precision: 10, scale: 2 };

fn money(unscaled: i128) -> Value {
    Value::Decimal { unscaled: unscaled.into(), precision: 10, scale: 2 }
}

#[tokio::test]
async fn every_codec_reads_and_compares() {
    let guid = Value::Guid("0188d5e4-0000-7000-8000-0000000000ff".to_owned());
    let cases = [
        (
            "('12.5'), ('12.50'), (12.5), (12), (NULL)",
            MONEY,
            Codec::DecimalText,
            vec![money(1250), money(1250), money(1250), money(1200), Value::Null(MONEY)],
        ),
        ("(1250), (-1)", MONEY, Codec::DecimalUnscaled, vec![money(1250), money(-1)]),
        ("('2024-02-29'), ('0001-01-01')", ScalarType::Date, Codec::DateText, vec![Value::Date(19_782), Value::Date(-719_162)]),
        (
            "('20240229'), ('00000000'), ('')",
            ScalarType::Date,
            Codec::SapDate,
            vec![Value::Date(19_782), Value::Null(ScalarType::Date), Value::Null(ScalarType::Date)],
        ),
        ("(19782)", ScalarType::Date, Codec::DateDays, vec![Value::Date(19_782)]),
        ("('10:00:00'), ('10:00:00.000'), ('10:00')", ScalarType::Time, Codec::TimeText, vec![Value::Time(36_000_000_000); 3]),
        ("(5)", ScalarType::Time, Codec::TimeMicros, vec![Value::Time(5)]),
        (
            "('1970-01-01 00:00:01'), ('1970-01-01T00:00:01.0')",
            ScalarType::Timestamp,
            Codec::TimestampText,
            vec![Value::Timestamp(1_000_000); 2],
        ),
        (
            "('1970-01-01T02:00:01+02:00'), ('1970-01-01 00:00:01Z')",
            ScalarType::TimestampTz,
            Codec::TimestampText,
            vec![Value::TimestampTz(1_000_000); 2],
        ),
        ("(-1)", ScalarType::Timestamp, Codec::TimestampSeconds, vec![Value::Timestamp(-1_000_000)]),
        ("(1500)", ScalarType::TimestampTz, Codec::TimestampMillis, vec![Value::TimestampTz(1_500_000)]),
        ("(7)", ScalarType::Timestamp, Codec::TimestampMicros, vec![Value::Timestamp(7)]),
        ("('0188D5E4-0000-7000-8000-0000000000FF')", ScalarType::Guid, Codec::GuidText, vec![guid.clone()]),
        ("(x'0188d5e40000700080000000000000ff')", ScalarType::Guid, Codec::GuidBytes, vec![guid]),
        ("(0), (1)", ScalarType::Boolean, Codec::BoolInt, vec![Value::Boolean(false), Value::Boolean(true)]),
        (
            "('X'), (''), ('N')",
            ScalarType::Boolean,
            Codec::BoolText,
            vec![Value::Boolean(true), Value::Boolean(false), Value::Boolean(false)],
        ),
    ];
    for (values, scalar_type, codec, expected) in cases {
        assert_eq!(with_codec(values, scalar_type, codec).await, Ok(expected), "{codec:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_malformed() {
    let cases = [
        ("('12.345')", MONEY, Codec::DecimalText),
        ("('twelve')", MONEY, Codec::DecimalText),
        ("(x'00')", MONEY, Codec::DecimalText),
        ("('1250')", MONEY, Codec::DecimalUnscaled),
        ("('2023-02-29')", ScalarType::Date, Codec::DateText),
        ("('29.02.2024')", ScalarType::Date, Codec::DateText),
        ("(3000000000)", ScalarType::Date, Codec::DateDays),
        ("('25:00:00')", ScalarType::Time, Codec::TimeText),
        ("('10:00:00.1234567')", ScalarType::Time, Codec::TimeText),
        ("(9223372036854775807)", ScalarType::Timestamp, Codec::TimestampSeconds),
        ("('no guid')", ScalarType::Guid, Codec::GuidText),
        ("(x'00')", ScalarType::Guid, Codec::GuidBytes),
        ("(2)", ScalarType::Boolean, Codec::BoolInt),
        ("('perhaps')", ScalarType::Boolean, Codec::BoolText),
    ];
    for (values, scalar_type, codec) in cases {
        let message = with_codec(values, scalar_type, codec).await.expect_err(values);
        assert!(message.contains("t.v"), "{message}");
    }
}

#[tokio::test]
async fn text_in_a_number_s_column_is_an_error_that_names_it() {
    for (declared, value) in [
        ("INTEGER", "'abc'"),
        ("INT2", "40000"),
        ("INTEGER", "1.5"),
        ("REAL", "'abc'"),
        ("TEXT", "x'ff'"),
        ("BOOLEAN", "2"),
        ("BLOB", "'text'"),
    ] {
        let database =
            Database::with(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared}); INSERT INTO t (v) VALUES ({value});"));
        let source = database.source();
        let error = scan(&source, "t").await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Malformed, "{declared} {value}");
        assert!(error.message.contains("'t.v'"), "{error}");
        assert!(!error.message.contains("abc"), "the value is nobody's business: {error}");
    }
}

#[tokio::test]
async fn a_computed_column_over_a_malformed_value_fails_too() {
    let database = Database::with("CREATE TABLE t (id INTEGER PRIMARY KEY, v DECIMAL(5,2)); INSERT INTO t (v) VALUES ('abc');");
    let source = database.source();
    let table = relation(&source, "t").await;
    let filter = Expr::compare(CompareOp::Gt, Expr::Column(1), Expr::Literal(money(1)));
    let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(table) };
    assert_eq!(rows(&source, query).await.unwrap_err().kind, SourceErrorKind::Malformed);
}

#[tokio::test]
async fn a_column_s_own_collation_does_not_matter() {
    let database = Database::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT COLLATE NOCASE, w TEXT COLLATE RTRIM); \
         INSERT INTO t (v, w) VALUES ('a', 'x'), ('A', 'x '), ('b', 'y');",
    );
    let source = database.source();
    let table = relation(&source, "t").await;
    let count = |index, op, text: &str| {
        let filter = Expr::compare(op, Expr::Column(index), Expr::Literal(Value::text(text)));
        let (source, query) = (source.clone(), SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) });
        async move { rows(&source, query).await.unwrap().len() }
    };
    assert_eq!(count(1, CompareOp::Eq, "a").await, 1);
    assert_eq!(count(1, CompareOp::NotEq, "a").await, 2);
    assert_eq!(count(1, CompareOp::Lt, "a").await, 1);
    assert_eq!(count(2, CompareOp::Eq, "x").await, 1);
    let mut distinct = SourceQuery::scan(table.clone());
    distinct.output.remove(0);
    distinct.output.truncate(1);
    distinct.distinct = true;
    assert_eq!(rows(&source, distinct).await.unwrap().len(), 3);
    assert!(!source.describe(&SourceQuery::scan(table)).is_empty());
}

#[tokio::test]
async fn a_condition_may_have_more_parts_than_sqlite_has_levels() {
    let database = Database::with("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t (id) VALUES (1), (2500), (9000);");
    let source = database.source();
    let table = relation(&source, "t").await;
    let parts = |op: CompareOp| (0..3_000).map(|id| Expr::compare(op, Expr::Column(0), Expr::Literal(Value::Int64(id)))).collect();
    for (filter, wanted) in [(Expr::And(parts(CompareOp::NotEq)), vec![9_000]), (Expr::Or(parts(CompareOp::Eq)), vec![1, 2_500])] {
        let found = rows(&source, SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) }).await.unwrap();
        assert_eq!(found, wanted.into_iter().map(|id| vec![Value::Int64(id)]).collect::<Vec<_>>());
    }
}
