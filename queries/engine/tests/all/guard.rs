//! Tables that are not read as a whole, and limits of what is fetched and answered.

use crate::harness::{ACCESS, Bench, Options, TABLES, bench, customers, orders};
use futures::StreamExt;
use portico_engine::{Answer, EngineError, SqlStatement, Statement};

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

/// Everything in one source, where one question may be all of a statement.
async fn guarded_orders_beside_customers() -> Bench {
    let tables = TABLES.replace("\"erp\"", "\"crm\"").replace(r#""remote": "orders","#, r#""remote": "orders", "guarded": true,"#);
    bench(Options { tables, crm: vec![customers(), orders()], erp: Vec::new(), ..Options::default() }).await
}

#[tokio::test]
async fn conditions_count_where_they_keep_rows_from_being_read() {
    let bench = guarded_orders_beside_customers().await;
    for text in [
        // What groups are made by is a condition on their rows.
        "SELECT CustomerId, count(*) FROM Orders GROUP BY CustomerId HAVING CustomerId = 2",
        "SELECT * FROM (SELECT CustomerId AS c, count(*) AS n FROM Orders GROUP BY CustomerId) g WHERE c = 2 AND n > 1",
        "SELECT * FROM (SELECT OrderId, Amount FROM Orders UNION ALL SELECT Id, Credit FROM Customers) u WHERE Amount > 5",
        // Conditions of a join, and of what is joined.
        "SELECT c.Name FROM Customers c LEFT JOIN Orders o ON o.CustomerId = c.Id AND o.Amount > 5",
        "SELECT c.Name FROM Customers c LEFT JOIN Orders o ON o.CustomerId = c.Id WHERE o.Amount > 5",
        "SELECT o.OrderId FROM Orders o JOIN (SELECT Id FROM Customers WHERE Region = 'EMEA' LIMIT 2) c ON o.CustomerId = c.Id",
        "SELECT o.OrderId FROM Orders o JOIN (SELECT CustomerId, max(Placed) AS last FROM Orders WHERE Amount > 90 GROUP BY CustomerId) l \
            ON o.CustomerId = l.CustomerId AND o.Placed = l.last",
        "SELECT o.OrderId FROM Orders o WHERE EXISTS (SELECT 1 FROM Customers c WHERE c.Id = o.CustomerId AND c.Region = 'EMEA')",
        // By the key, and in any order of the few that a condition leaves.
        "SELECT OrderId, Amount FROM Orders ORDER BY OrderId LIMIT 3",
        "SELECT OrderId, Amount FROM Orders ORDER BY OrderId DESC, Amount LIMIT 3",
        "SELECT OrderId FROM Orders WHERE CustomerId = 1 ORDER BY Amount LIMIT 3",
        "SELECT Name FROM Customers LIMIT 2",
    ] {
        bench.crm.clear_log();
        bench.rows("all", text).await;
        assert_eq!(bench.crm.log().len(), 1, "one question: {text}");
    }
    for text in [
        "SELECT CustomerId, count(*) FROM Orders GROUP BY CustomerId HAVING count(*) > 1",
        "SELECT * FROM (SELECT CustomerId AS c, count(*) AS n FROM Orders GROUP BY CustomerId) g WHERE n > 1 OR c = 2",
        "SELECT * FROM (SELECT CustomerId AS c, count(*) AS n FROM Orders GROUP BY CustomerId UNION ALL SELECT Id, 1 FROM Customers) u \
            WHERE n > 1",
        "SELECT Name FROM Customers WHERE Credit > (SELECT avg(Amount) FROM Orders) LIMIT 2",
        "SELECT OrderId FROM (SELECT OrderId, Amount FROM Orders ORDER BY Amount LIMIT 3) WHERE OrderId = 101",
        "SELECT OrderId FROM Orders ORDER BY Amount LIMIT 3",
        "SELECT OrderId FROM Orders ORDER BY Amount, OrderId LIMIT 3",
        "SELECT c.Name FROM Customers c LEFT JOIN Orders o ON o.CustomerId = c.Id",
        "SELECT c.Name FROM Customers c LEFT JOIN Orders o ON o.CustomerId = c.Id WHERE o.OrderId IS NULL",
        "SELECT c.Name FROM Customers c LEFT JOIN Orders o ON o.CustomerId = c.Id WHERE o.OrderId IS NULL OR o.Amount > 5",
        "SELECT o.OrderId FROM Orders o LEFT JOIN Customers c ON o.CustomerId = c.Id AND c.Region = 'EMEA'",
        "SELECT o.OrderId FROM Orders o WHERE NOT EXISTS (SELECT 1 FROM Customers c WHERE c.Id = o.CustomerId AND c.Region = 'EMEA')",
    ] {
        bench.crm.clear_log();
        let error = bench.error("all", text).await;
        assert!(matches!(&error, EngineError::Invalid(message) if message.contains("'Orders' is guarded")), "{text}: {error}");
        assert!(bench.crm.log().is_empty(), "{text}");
    }
}

#[tokio::test]
async fn a_plan_is_held_to_what_its_own_model_guards() {
    let (open, guarded) = (bench(Options::default()).await, guarded(false).await);
    for (before, after, allowed) in [(&open, &guarded, true), (&guarded, &open, false)] {
        let (old, new) = (before.engine.model().unwrap(), after.engine.model().unwrap());
        let context = crate::harness::context(&crate::harness::principal("all"));
        let statement = Statement::Sql(SqlStatement { text: "SELECT count(*) FROM Orders".to_owned(), parameters: Vec::new() });
        let plan = before.engine.plan(&statement, &context.principal).unwrap();
        let pushed = before.engine.push_down(before.engine.permit(plan, &context.principal).unwrap()).unwrap();
        before.engine.publish(new);
        let answer = match before.engine.execute(pushed, &context).await {
            Ok(Answer::Table(mut answer)) => answer.batches.next().await.unwrap().map(|_| ()),
            Ok(_) => panic!("not a table"),
            Err(error) => Err(error),
        };
        assert_eq!(answer.is_ok(), allowed, "{answer:?}");
        before.engine.publish(old);
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
