//! Bind joins: the keys of the small side restrict what is asked of the big side.

use crate::harness::{Bench, Options, bench, customers, table};
use portico_provider_api::{RemoteColumn, ScalarType, Value};

async fn with_many_orders(rows: i64) -> Bench {
    let columns = vec![
        RemoteColumn::plain("order_id", ScalarType::Int64, false),
        RemoteColumn::plain("customer_id", ScalarType::Int32, false),
        RemoteColumn::plain("amount", ScalarType::Decimal { precision: 12, scale: 2 }, false),
        RemoteColumn::plain("placed", ScalarType::Date, false),
        RemoteColumn::plain("note", ScalarType::Text, true),
    ];
    let rows: Vec<Vec<Value>> = (0..rows)
        .map(|index| {
            vec![
                Value::Int64(index),
                Value::Int32(i32::try_from(index % 1_000).unwrap()),
                crate::harness::decimal(index),
                Value::Date(19_000),
                Value::Null(ScalarType::Text),
            ]
        })
        .collect();
    bench(Options { crm: vec![customers()], erp: vec![table("orders", columns, &["order_id"], &rows)], ..Options::default() }).await
}

#[tokio::test]
async fn keys_of_the_small_side_restrict_the_big_side() {
    let bench = with_many_orders(20_000).await;
    for text in [
        "SELECT o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'",
        "SELECT o.OrderId FROM Orders o JOIN Customers c ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'",
        "SELECT o.OrderId FROM Orders o WHERE o.CustomerId IN (SELECT Id FROM Customers WHERE Region = 'EMEA')",
    ] {
        bench.erp.clear_log();
        assert_eq!(bench.rows("all", text).await.len(), 40, "{text}");
        let [query] = bench.erp.log().try_into().unwrap();
        let keys = query.keys.unwrap_or_else(|| panic!("no keys were sent: {text}"));
        assert_eq!(keys.tuples.len(), 2, "{text}");
        // The join compared 64-bit numbers; the column has 32.
        assert!(keys.tuples.iter().all(|tuple| matches!(tuple.as_slice(), [Value::Int32(_)])), "{keys:?}");
    }
}

#[tokio::test]
async fn an_empty_small_side_asks_nothing_of_the_big_one() {
    let bench = with_many_orders(5_000).await;
    let text = "SELECT o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE c.Region = 'NOWHERE'";
    assert_eq!(bench.rows("all", text).await.len(), 0);
    assert_eq!(bench.erp.log().len(), 0);
}

#[tokio::test]
async fn a_top_k_over_a_join_does_not_wait_for_itself() {
    let bench = with_many_orders(5_000).await;
    let text = "SELECT o.OrderId FROM Orders o JOIN Customers c ON o.CustomerId = c.Id ORDER BY o.Amount DESC LIMIT 3";
    let started = std::time::Instant::now();
    assert_eq!(bench.rows("all", text).await.len(), 3);
    assert!(started.elapsed() < bench.engine.settings().bind_wait, "it waited for a filter that only its own rows fill");
}

#[tokio::test]
async fn keys_restrict_groups_and_distinct_rows_at_the_source() {
    let bench = with_many_orders(20_000).await;
    for (text, rows) in [
        (
            "SELECT c.Name, o.n FROM Customers c JOIN (SELECT CustomerId, count(*) AS n FROM Orders GROUP BY CustomerId) o ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'",
            vec!["Alpha,20", "Gamma,20"],
        ),
        (
            "SELECT c.Name, o.CustomerId FROM Customers c JOIN (SELECT DISTINCT CustomerId, Note FROM Orders) o ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'",
            vec!["Alpha,1", "Gamma,3"],
        ),
    ] {
        bench.erp.clear_log();
        assert_eq!(bench.rows("all", text).await, rows, "{text}");
        let [query] = bench.erp.log().try_into().unwrap();
        assert!(query.aggregate.is_some(), "{query:?}");
        assert_eq!(query.keys.unwrap_or_else(|| panic!("no keys were sent: {text}")).tuples.len(), 2, "{text}");
    }
}
