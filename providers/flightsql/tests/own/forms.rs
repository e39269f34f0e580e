//! Columns that hold their values in another form: read by their codec, and compared as what they stand for.

use crate::downstream::{Database, Downstream, rows};
use portico_provider_api::{
    Codec, CompareOp, Expr, QueryContext, RemoteTableName, ScalarType, SortKey, SourceQuery, TableColumn, TableRelation, Value,
};
use serde_json::json;

const MONEY: ScalarType = ScalarType::Decimal { precision: 10, scale: 2 };

/// Each form: its column's type in PostgreSQL, what it holds in two rows, and what the second stands for, which is the greater.
fn forms() -> Vec<(Codec, &'static str, [&'static str; 2], Value)> {
    let decimal = Value::Decimal { unscaled: 1_250.into(), precision: 10, scale: 2 };
    let guid = "12121212-1212-1212-1212-1212121212ab";
    vec![
        (Codec::DecimalText, "text", ["'9.5'", "'12.50'"], decimal.clone()),
        (Codec::DecimalUnscaled, "bigint", ["-5", "1250"], decimal),
        (Codec::DateText, "text", ["'2023-12-31'", "'2024-02-29'"], Value::Date(19_782)),
        (Codec::SapDate, "text", ["'20231231'", "'20240229'"], Value::Date(19_782)),
        (Codec::DateDays, "int", ["-1", "19782"], Value::Date(19_782)),
        (Codec::TimeText, "text", ["'08:00:00'", "'10:00:00.5'"], Value::Time(36_000_500_000)),
        (Codec::TimeMicros, "bigint", ["0", "36000500000"], Value::Time(36_000_500_000)),
        (Codec::TimestampText, "text", ["'1969-12-31 23:59:59'", "'1970-01-01 00:00:02'"], Value::Timestamp(2_000_000)),
        (Codec::TimestampSeconds, "bigint", ["-1", "2"], Value::Timestamp(2_000_000)),
        (Codec::TimestampMillis, "bigint", ["-1", "2000"], Value::TimestampTz(2_000_000)),
        (Codec::TimestampMicros, "bigint", ["-1", "2000000"], Value::Timestamp(2_000_000)),
        (
            Codec::GuidText,
            "text",
            ["'00000000-0000-0000-0000-000000000001'", "'12121212-1212-1212-1212-1212121212AB'"],
            Value::Guid(guid.into()),
        ),
        (
            Codec::GuidBytes,
            "bytea",
            ["'\\x00000000000000000000000000000001'", "'\\x121212121212121212121212121212ab'"],
            Value::Guid(guid.into()),
        ),
        (Codec::BoolInt, "int", ["0", "1"], Value::Boolean(true)),
        (Codec::BoolText, "text", ["'n'", "'Y'"], Value::Boolean(true)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_forms_are_read_compared_and_computed_with() {
    let database = Database::create().await;
    let columns: Vec<String> = forms().iter().enumerate().map(|(at, (_, native, ..))| format!("c{at} {native}")).collect();
    let row = |which: usize| forms().iter().map(|(_, _, held, _)| held[which].to_owned()).collect::<Vec<_>>().join(", ");
    let nulls = vec!["NULL"; forms().len()].join(", ");
    let sql = format!(
        "CREATE TABLE forms (id int PRIMARY KEY, {}); INSERT INTO forms VALUES (1, {}), (2, {}), (3, {nulls})",
        columns.join(", "),
        row(0),
        row(1)
    );
    database.run(&sql).await;
    let downstream = Downstream::start(database, "", &["pg.public.forms".to_owned()], "").await;
    let source = downstream.source(&json!({ "catalog": "pg" }));
    let context = QueryContext::default();
    for (at, (codec, _, _, value)) in forms().into_iter().enumerate() {
        let scalar_type = value.scalar_type();
        let column = |name: &str, scalar_type, codec| TableColumn { codec, ..TableColumn::computed(name, scalar_type, name != "id") };
        let table = RemoteTableName(["pg", "public", "forms"].map(str::to_owned).to_vec());
        let columns = vec![column("id", ScalarType::Int32, None), column(&format!("c{at}"), scalar_type, Some(codec))];
        let by_id = SortKey { expr: Expr::Column(0), descending: false, nulls_first: false };
        let scan = SourceQuery { order_by: vec![by_id], ..SourceQuery::scan(TableRelation { table, columns }) };
        let all = rows(&source, scan.clone(), &context).await.unwrap_or_else(|error| panic!("{codec:?}: {error}"));
        assert_eq!((&all[1][1], &all[2][1]), (&value, &Value::Null(scalar_type)), "{codec:?}");
        for (op, expected) in [
            (CompareOp::Eq, vec![2]),
            (CompareOp::NotEq, vec![1]),
            (CompareOp::Lt, vec![1]),
            (CompareOp::GtEq, vec![2]),
            (CompareOp::IsDistinctFrom, vec![1, 3]),
        ] {
            let filter = Some(Expr::compare(op, Expr::Column(1), Expr::Literal(value.clone())));
            let found = rows(&source, SourceQuery { filter, ..scan.clone() }, &context)
                .await
                .unwrap_or_else(|error| panic!("{codec:?} {op:?}: {error}"));
            let ids: Vec<i64> = found.iter().map(|row| row[0].as_integer().unwrap()).collect();
            assert_eq!(ids, expected, "{codec:?} {op:?}");
        }
        // Beside a value that is computed, the stored form is read by the server.
        let computed = Expr::Case {
            branches: vec![(Expr::IsNull(Box::new(Expr::Column(1))), Expr::Literal(value.clone()))],
            otherwise: Some(Box::new(Expr::Column(1))),
        };
        let filter = Some(Expr::compare(CompareOp::Eq, computed, Expr::Literal(value.clone())));
        let found =
            rows(&source, SourceQuery { filter, ..scan.clone() }, &context).await.unwrap_or_else(|error| panic!("{codec:?}: {error}"));
        assert_eq!(found.len(), 2, "{codec:?}");
    }
    assert_eq!(MONEY, forms()[0].3.scalar_type());
}
