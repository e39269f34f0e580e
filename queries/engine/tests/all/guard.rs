//! Tables that are not read as a whole, and limits of what is fetched and answered.

use crate::harness::{ACCESS, Bench, Options, TABLES, bench};
use portico_engine::EngineError;

async fn guarded(incapable: bool) -> Bench {
    let tables = TABLES.replace(r#""source": "erp","#, r#""source": "erp", "guarded": true,"#);
    bench(Options { tables, incapable, ..Options::default() }).await
}

#[tokio::test]
async fn a_guarded_table_is_asked_with_a_condition_or_for_a_number_of_rows() {
    let bench = guarded(false).await;
    for text in [
        "SELECT OrderId FROM Orders WHERE CustomerId = 1",
        "SELECT OrderId FROM Orders WHERE Amount > 5",
        "SELECT OrderId FROM Orders LIMIT 3",
        "SELECT count(*) FROM Orders WHERE OrderId IN (101, 102)",
        "SELECT o.OrderId FROM Orders o JOIN Customers c ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'",
        "SELECT o.OrderId FROM Orders o JOIN Orders p ON o.OrderId = p.OrderId WHERE p.CustomerId = 2",
        "SELECT Total FROM Revenue WHERE Id = 1",
        "SELECT Name FROM Customers",
    ] {
        bench.rows("all", text).await;
    }
    for text in [
        "SELECT OrderId FROM Orders",
        "SELECT count(*) FROM Orders",
        "SELECT DISTINCT CustomerId FROM Orders LIMIT 3",
        "SELECT o.OrderId FROM Orders o CROSS JOIN Customers c",
        "SELECT o.OrderId FROM Orders o CROSS JOIN (SELECT OrderId FROM Orders WHERE OrderId = 101) p",
        "SELECT OrderId FROM Orders WHERE OrderId = 101 UNION ALL SELECT OrderId FROM Orders",
    ] {
        bench.erp.clear_log();
        let EngineError::Invalid(message) = bench.error("all", text).await else { panic!("{text}") };
        assert!(
            message.contains("'Orders' is guarded") && message.contains("CustomerId, OrderId") || message.contains("OrderId, CustomerId"),
            "{message}"
        );
        // Parts that have a condition may have been asked for already.
        assert!(bench.erp.log().iter().all(|query| query.filter.is_some()), "the source was asked for all of it: {text}");
    }
}

#[tokio::test]
async fn what_a_source_cannot_filter_would_be_read_as_a_whole() {
    let bench = guarded(true).await;
    let error = bench.error("all", "SELECT OrderId FROM Orders WHERE CustomerId = 1").await;
    assert!(matches!(error, EngineError::Invalid(_)), "{error}");
}

#[tokio::test]
async fn more_than_a_query_may_fetch_of_a_table_is_refused() {
    let tables = TABLES.replace(r#""source": "erp","#, r#""source": "erp", "limits": { "rows": 4 },"#);
    let few = bench(Options { tables, ..Options::default() }).await;
    assert_eq!(few.rows("all", "SELECT OrderId FROM Orders WHERE CustomerId = 1").await.len(), 3);
    let EngineError::Limit(message) = few.error("all", "SELECT OrderId FROM Orders").await else { panic!() };
    assert!(message.contains("4 rows") && message.contains("orders"), "{message}");
    let tables = TABLES.replace(r#""source": "erp","#, r#""source": "erp", "limits": { "bytes": "1B" },"#);
    let small = bench(Options { tables, ..Options::default() }).await;
    let EngineError::Limit(message) = small.error("all", "SELECT OrderId FROM Orders").await else { panic!() };
    assert!(message.contains("1 bytes"), "{message}");
}

#[tokio::test]
async fn an_answer_is_as_large_as_the_most_generous_role_allows() {
    let access = ACCESS.trim_end().trim_end_matches('}').to_owned() + r#", "limits": { "all": { "rows": 4 }, "orders": { "rows": 20 } } }"#;
    let bench = bench(Options { access, ..Options::default() }).await;
    assert_eq!(bench.rows("all", "SELECT OrderId FROM Orders LIMIT 4").await.len(), 4);
    let EngineError::Limit(message) = bench.error("all", "SELECT OrderId FROM Orders").await else { panic!() };
    assert!(message.contains("4 rows") && message.contains("role"), "{message}");
    assert_eq!(bench.rows("orders", "SELECT OrderId FROM Orders").await.len(), 10);
    assert_eq!(bench.rows("revenue", "SELECT OrderId FROM Orders").await.len(), 10, "a role without limits has none");
    let mut both = crate::harness::principal("all");
    both.roles.push("orders".to_owned());
    assert!(bench.sql_as(&both, "SELECT OrderId FROM Orders").await.is_ok(), "rights add up");
}
