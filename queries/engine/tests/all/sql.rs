//! SQL: what is answered, what is refused, and with which words.

use crate::harness::{Options, TABLES, bench, context, lines, orders, principal, table};
use futures::TryStreamExt;
use portico_engine::{Answer, EngineError, SqlStatement, Statement};
use portico_odata::arithmetic::Fault;
use portico_provider_api::value::Float;
use portico_provider_api::{RemoteColumn, ScalarType, SourceErrorKind, Value};

#[tokio::test]
async fn joins_across_sources() {
    let bench = bench(Options::default()).await;
    let rows =
        bench.rows("all", "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE c.Region = 'APAC'").await;
    assert_eq!(rows, ["Beta,102", "Beta,106", "Beta,110"]);
}

#[tokio::test]
async fn answers_views_aggregates_and_subqueries() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.rows("all", "SELECT Name, Total FROM Revenue WHERE Id = 2").await, ["Beta,180.00"]);
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Orders").await, ["10"]);
    let never = "SELECT Name FROM Customers WHERE Id NOT IN (SELECT CustomerId FROM Orders)";
    assert_eq!(bench.rows("all", never).await, ["Epsilon"]);
    let greatest = "SELECT OrderId FROM Orders WHERE Amount = (SELECT max(Amount) FROM Orders)";
    assert_eq!(bench.rows("all", greatest).await, ["110"]);
}

#[tokio::test]
async fn services_are_schemas() {
    let bench = bench(Options::default()).await;
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    assert_eq!(bench.rows("all", &format!("SELECT count(*) FROM {service}.Customers")).await, ["5"]);
    assert_eq!(bench.rows("all", "SELECT count(*) FROM portico.public.Customers").await, ["5"]);
}

#[tokio::test]
async fn remote_tables_are_for_roles_that_name_them() {
    let access = r#"{ "roles": { "raw": { "crm.customers": { "rows": "region = 'EMEA'" } }, "other": { "Orders": {} } } }"#;
    let bench = bench(Options { access: access.to_owned(), ..Options::default() }).await;
    assert_eq!(bench.rows("raw", "SELECT id, tax_id FROM crm.customers").await, ["1,TAX-001", "3,TAX-003"]);
    assert!(matches!(bench.error("raw", "SELECT * FROM customers").await, EngineError::UnknownName { .. }));
    assert!(matches!(bench.error("raw", "SELECT * FROM erp.orders").await, EngineError::UnknownName { .. }));
    assert!(matches!(bench.error("other", "SELECT * FROM crm.customers").await, EngineError::UnknownName { .. }));
}

#[tokio::test]
async fn only_selects_get_through_and_nothing_is_touched() {
    let bench = bench(Options::default()).await;
    for text in [
        "DELETE FROM Customers",
        "DELETE FROM Customers WHERE Id IN (SELECT CustomerId FROM Orders)",
        "UPDATE Customers SET Name = 'x' WHERE false",
        "DELETE FROM Customers LIMIT 1",
        "INSERT INTO Customers (Id) VALUES (9)",
        "EXPLAIN DELETE FROM Customers",
        "EXPLAIN ANALYZE DELETE FROM Customers",
        "COPY Customers TO '/tmp/customers.csv'",
        "COPY (SELECT * FROM Customers) TO '/tmp/customers.csv'",
        "CREATE EXTERNAL TABLE passwords (line VARCHAR) STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE TABLE copy AS SELECT * FROM Customers",
        "CREATE VIEW v AS SELECT * FROM Customers",
        "SELECT * INTO other FROM Customers",
        "DROP TABLE Customers",
        "TRUNCATE TABLE Customers",
        "SET datafusion.execution.batch_size = 1",
        "PREPARE p AS DELETE FROM Customers",
        "EXECUTE p",
        "BEGIN",
        "MERGE INTO Customers USING Orders ON true WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM Customers RETURNING *) SELECT * FROM gone",
        "SHOW TABLES",
    ] {
        let error = bench.error("all", text).await;
        let refused =
            matches!(error, EngineError::ReadOnly(_) | EngineError::Syntax(_) | EngineError::Unsupported(_) | EngineError::Invalid(_));
        assert!(refused, "{text}: {error:?}");
    }
    assert_eq!(bench.crm.log().len() + bench.erp.log().len(), 0, "a source was asked");
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Customers").await, ["5"]);
}

#[tokio::test]
async fn names_that_do_not_resolve_get_a_suggestion() {
    let bench = bench(Options::default()).await;
    let table = bench.error("all", "SELECT * FROM Custmers").await;
    assert_eq!(table.to_string(), "there is no table 'Custmers'; did you mean 'Customers'?");
    let column = bench.error("all", "SELECT Nmae FROM Customers").await;
    assert_eq!(column.to_string(), "there is no column 'Nmae'; did you mean 'Name'?");
    assert!(matches!(bench.error("all", "SELEC 1").await, EngineError::Syntax(_)));
    assert!(matches!(bench.error("all", "SELECT 1; SELECT 2").await, EngineError::Syntax(_)));
    assert!(matches!(bench.error("all", "").await, EngineError::Syntax(_)));
}

#[tokio::test]
async fn the_own_functions_of_the_engine_are_not_for_callers() {
    let bench = bench(Options::default()).await;
    assert!(bench.sql_as(&principal("all"), "SELECT \"@row_hash\"(Name) FROM Customers").await.is_err());
}

#[tokio::test]
async fn a_cap_on_rows_is_an_error_and_never_a_cut() {
    let settings = portico_engine::EngineSettings { max_rows: 9, ..Default::default() };
    let bench = bench(Options { settings, ..Options::default() }).await;
    assert!(matches!(bench.error("all", "SELECT * FROM Orders").await, EngineError::Limit(_)));
    assert_eq!(bench.rows("all", "SELECT OrderId FROM Orders WHERE OrderId < 103").await.len(), 2);
}

#[tokio::test]
async fn functions_that_make_as_much_as_they_are_told_to_are_not_offered() {
    let bench = bench(Options::default()).await;
    for text in ["SELECT repeat('x', 1500000000)", "SELECT lpad(Name, 2000000000, 'x') FROM Customers", "SELECT range(0, 4000000000)"] {
        assert!(matches!(bench.error("all", text).await, EngineError::Invalid(_) | EngineError::Unsupported(_)), "{text}");
    }
}

#[tokio::test]
async fn parameters_are_typed_by_their_places() {
    let bench = bench(Options::default()).await;
    let caller = principal("all");
    let types = |text: &str| bench.engine.parameter_types(text, &caller);
    use arrow::datatypes::DataType::{Int64, Utf8};
    for (text, expected) in [
        ("SELECT Name FROM Customers", vec![]),
        ("SELECT Name FROM Customers WHERE Id = ? AND Region = ?", vec![Some(Int64), Some(Utf8)]),
        ("SELECT $2, Name FROM Customers WHERE Id IN ($1, $1)", vec![Some(Int64), None]),
        ("SELECT CAST(? AS DATE)", vec![None]),
        ("SELECT n FROM (SELECT ? AS n FROM Customers LIMIT ? OFFSET ?) AS c", vec![None, Some(Int64), Some(Int64)]),
        ("EXPLAIN SELECT Name FROM Customers WHERE Region LIKE ?", vec![Some(Utf8)]),
    ] {
        assert_eq!(types(text).unwrap(), expected, "{text}");
    }
    for (text, part) in [
        ("SELECT Name FROM Customers WHERE Id = $2", "$1 is not there"),
        ("SELECT Name FROM Customers WHERE Id = $1 OR Name = $1", "$1"),
        ("SELECT Name FROM Customers WHERE Id = $1 OR Id = ?", "both"),
        ("SELECT Name FROM Customers WHERE Id = :id", ""),
        ("SELECT Nme FROM Customers WHERE Id = ?", "Nme"),
        ("DELETE FROM Customers WHERE Id = ?", "DELETE"),
    ] {
        let error = types(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(types("SELECT * FROM Customers WHERE Id = ?").is_ok());
    assert!(
        bench.engine.parameter_types("SELECT tax_id FROM crm.customers WHERE id = ?", &principal("nobody")).is_err(),
        "names are the caller's"
    );
}

#[tokio::test]
async fn a_bound_value_is_compared_by_value() {
    let bench = bench(Options::default()).await;
    for (text, values, expected) in [
        ("SELECT Name FROM Customers WHERE Id = ?", vec![Value::Int64(2)], vec!["Beta"]),
        ("SELECT Name FROM Customers WHERE Id = ?", vec![Value::text("2")], vec!["Beta"]),
        ("SELECT Name FROM Customers WHERE Id = ?", vec![Value::Float64(Float(2.0))], vec!["Beta"]),
        // 2.7 is no 2, and no 3.
        ("SELECT Name FROM Customers WHERE Id = ?", vec![Value::Float64(Float(2.7))], vec![]),
        ("SELECT Name FROM Customers WHERE Id < ? AND Id > ?", vec![Value::Float64(Float(2.7)), Value::Int32(1)], vec!["Beta"]),
        ("SELECT Name FROM Customers WHERE Id = ?", vec![Value::Null(ScalarType::Text)], vec![]),
        ("SELECT Name FROM Customers ORDER BY Id LIMIT ? OFFSET ?", vec![Value::Int64(1), Value::Int64(1)], vec!["Beta"]),
    ] {
        let statement = Statement::Sql(SqlStatement { text: text.to_owned(), parameters: values.clone() });
        let answer =
            bench.answer(&statement, &context(&principal("all"))).await.unwrap_or_else(|error| panic!("{text} {values:?}: {error}"));
        let Answer::Table(answer) = answer else { panic!("not a table") };
        let batches: Vec<_> = answer.batches.try_collect().await.unwrap();
        assert_eq!(lines(&batches), expected, "{text} {values:?}");
    }
    for (values, part) in [(vec![Value::text("x")], "parameter $1"), (vec![], "0 values"), (vec![Value::Int64(1); 2], "2 values")] {
        let statement = Statement::Sql(SqlStatement { text: "SELECT Name FROM Customers WHERE Id = ?".to_owned(), parameters: values });
        let error = bench.engine.plan(&statement, &principal("all")).map(drop).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn the_time_is_one_instant_of_the_request() {
    let at = vec![RemoteColumn::plain("id", ScalarType::Int64, false), RemoteColumn::plain("at", ScalarType::TimestampTz, false)];
    let rows = [vec![Value::Int64(1), Value::TimestampTz(0)], vec![Value::Int64(2), Value::TimestampTz(4_000_000_000_000_000)]];
    let erp = vec![orders(), table("events", at, &["id"], &rows)];
    let tables = TABLES.replacen('{', r#"{ "Events": { "source": "erp", "remote": "events" },"#, 1);
    let access = r#"{ "roles": { "all": { "Events": {}, "Orders": {} } } }"#.to_owned();
    let bench = bench(Options { tables, access, erp, ..Options::default() }).await;
    let text = "SELECT now() = current_timestamp, current_date = CAST(now() AS date), current_time IS NOT NULL, \
                now() > TIMESTAMP '2026-01-01T00:00:00Z', current_date - INTERVAL '1' DAY < current_date";
    assert_eq!(bench.rows("all", text).await, ["true,true,true,true,true"]);
    // It reaches the source as a literal.
    bench.erp.clear_log();
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Orders WHERE Placed < current_date").await, ["10"]);
    assert_eq!(bench.rows("all", "SELECT id FROM Events WHERE at >= now() - INTERVAL '1' DAY").await, ["2"]);
    assert!(bench.erp.log().iter().all(|query| query.filter.is_some()), "{:#?}", bench.erp.log());
}

#[tokio::test]
async fn rules_windows_and_views_know_the_time() {
    let tables = TABLES
        .replace(r#""remote": "orders","#, r#""remote": "orders", "where": "placed <= current_date","#)
        .replace("GROUP BY c.Id", "AND o.Placed < now() GROUP BY c.Id");
    let access = r#"{ "roles": {
      "past": { "Orders": { "rows": "Placed < current_date" }, "Customers": { "write": ["update"], "rows": "now() > TIMESTAMP '2026-01-01T00:00:00Z'" }, "Revenue": {} },
      "future": { "Orders": { "rows": "Placed > current_date" } }
    } }"#;
    let bench = bench(Options { tables, access: access.to_owned(), ..Options::default() }).await;
    assert_eq!(bench.rows("past", "SELECT count(*) FROM Orders").await, ["10"]);
    assert_eq!(bench.rows("future", "SELECT count(*) FROM Orders").await, ["0"]);
    assert_eq!(bench.rows("past", "SELECT Total FROM Revenue WHERE Id = 2").await, ["180.00"]);
}

#[tokio::test]
async fn a_sum_that_does_not_fit_fails() {
    let columns = vec![
        RemoteColumn::plain("id", ScalarType::Int64, false),
        RemoteColumn::plain("big", ScalarType::Int64, false),
        RemoteColumn::plain("long", ScalarType::Decimal { precision: 38, scale: 0 }, false),
    ];
    let long = |unscaled: i128| Value::Decimal { unscaled: unscaled.into(), precision: 38, scale: 0 };
    let most = 10_i128.pow(38) - 1;
    let row = |id: i64, big: i64, unscaled: i128| vec![Value::Int64(id), Value::Int64(big), long(unscaled)];
    let rows = [row(1, i64::MAX, most), row(2, i64::MAX, most), row(3, i64::MIN, -most), row(4, i64::MIN, -most)];
    let erp = vec![orders(), table("numbers", columns, &["id"], &rows)];
    let tables = TABLES.replacen('{', r#"{ "Numbers": { "source": "erp", "remote": "numbers" },"#, 1);
    let access = r#"{ "roles": { "all": { "Numbers": {} } } }"#.to_owned();
    let bench = bench(Options { tables, access, erp, ..Options::default() }).await;
    for text in [
        "SELECT sum(big) FROM Numbers WHERE id < 3",
        "SELECT id > 2, sum(big) FROM Numbers GROUP BY id > 2",
        "SELECT sum(big) OVER (ORDER BY id) FROM Numbers",
        "SELECT sum(big) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM Numbers",
        "SELECT sum(DISTINCT big + id) FROM Numbers WHERE id IN (3, 4)",
        "SELECT sum(long) FROM Numbers WHERE id < 3",
    ] {
        let error = bench.error("all", text).await;
        // Whoever adds up, the source or the gateway.
        let at_source = matches!(&error, EngineError::Source(error) if error.kind == SourceErrorKind::Data);
        assert!(at_source || matches!(error, EngineError::Arithmetic(Fault::OutOfRange)), "{text}: {error:?}");
    }
    // On the way there they may be larger than the result.
    assert_eq!(bench.rows("all", "SELECT sum(big), sum(long) FROM Numbers").await, ["-2,0"]);
    assert_eq!(bench.rows("all", "SELECT sum(big) FROM Numbers WHERE id < 1").await, [""]);
    assert_eq!(bench.rows("all", "SELECT sum(DISTINCT big) FROM Numbers").await, ["-1"]);
    let sliding = "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM Numbers ORDER BY id";
    assert_eq!(bench.rows("all", sliding).await, ["1", "3", "5", "7"]);
}

#[tokio::test]
async fn the_least_and_greatest_may_be_infinite() {
    let columns = vec![RemoteColumn::plain("id", ScalarType::Int64, false), RemoteColumn::plain("score", ScalarType::Float64, true)];
    let row = |id: i64, score: f64| vec![Value::Int64(id), Value::float64(score)];
    let rows = [row(1, f64::INFINITY), row(2, f64::NEG_INFINITY), vec![Value::Int64(3), Value::Null(ScalarType::Float64)]];
    let erp = vec![orders(), table("scores", columns, &["id"], &rows)];
    let tables = TABLES.replacen('{', r#"{ "Scores": { "source": "erp", "remote": "scores" },"#, 1);
    let access = r#"{ "roles": { "all": { "Scores": {} } } }"#.to_owned();
    let bench = bench(Options { tables, access, erp, ..Options::default() }).await;
    let grouped = "SELECT id, min(score), max(score) FROM Scores GROUP BY id ORDER BY id";
    assert_eq!(bench.rows("all", grouped).await, ["1,inf,inf", "2,-inf,-inf", "3,,"]);
    assert_eq!(bench.rows("all", "SELECT min(score), max(score) FROM Scores").await, ["-inf,inf"]);
}

#[tokio::test]
async fn products_with_zero_and_remainders_by_one_keep_their_types() {
    for incapable in [false, true] {
        let bench = bench(Options { incapable, ..Options::default() }).await;
        for condition in [
            "Amount * 0 = 0.00",
            "0 * Amount >= 0.000",
            "Amount % 1 = 0",
            "Amount * 0 + Amount > 0",
            "Amount * (CustomerId - CustomerId) < 1.5",
        ] {
            let text = format!("SELECT count(*) FROM Orders WHERE {condition}");
            assert_eq!(bench.rows("all", &text).await, ["10"], "{condition}, incapable: {incapable}");
        }
        assert_eq!(bench.rows("all", "SELECT Amount * 0, Amount % 1 FROM Orders WHERE OrderId = 101").await, ["0.00,0.00"]);
    }
}

/// DataFusion's simplifier leaves a conversion out beside a literal, also one that takes digits away.
#[tokio::test]
async fn a_decimal_without_its_digits_is_compared_without_them() {
    let bench = bench(Options::default()).await;
    let count = async |condition: &str| bench.rows("all", &format!("SELECT count(*) FROM Orders WHERE {condition}")).await;
    let amount = bench.rows("all", "SELECT CAST(Amount AS INT) FROM Orders WHERE OrderId = 102").await.remove(0);
    assert_eq!(count(&format!("OrderId = 102 AND CAST(Amount + 0.49 AS INT) = {amount}")).await, ["1"]);
    assert_eq!(count(&format!("OrderId = 102 AND CAST(Amount + 0.49 AS INT) IN ({amount}, -7)")).await, ["1"]);
    assert_eq!(count(&format!("OrderId = 102 AND CAST(Amount + 0.49 AS INT) > {amount}")).await, ["0"]);
}

/// DataFusion's simplifier takes the value of a sub-query for what its column can be.
#[tokio::test]
async fn the_value_of_no_row_is_null() {
    let bench = bench(Options::default()).await;
    for never in ["false", "OrderId < 0"] {
        let value = format!("(SELECT OrderId FROM Orders WHERE {never})");
        assert_eq!(bench.rows("all", &format!("SELECT count(*) FROM Customers WHERE {value} IS NULL")).await, ["5"], "{never}");
        assert_eq!(bench.rows("all", &format!("SELECT count(*) FROM Customers WHERE {value} IS NOT NULL")).await, ["0"], "{never}");
    }
    let one = "SELECT count(*) FROM Customers WHERE Id = (SELECT CustomerId FROM Orders WHERE OrderId = 102)";
    assert_eq!(bench.rows("all", one).await, ["1"]);
}
