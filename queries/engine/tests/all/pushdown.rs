//! What reaches the sources: read from EXPLAIN and from the sources' own logs.

use crate::harness::{Options, TABLES, bench, customers, decimal, lines, principal, table};
use portico_provider_api::readable::{Literals, readable};
use portico_provider_api::{Relation, RemoteColumn, ScalarType, SourceQuery, Value};

#[tokio::test]
async fn filters_and_needed_columns_reach_both_sides_of_a_join() {
    let bench = bench(Options::default()).await;
    bench
        .rows(
            "all",
            "SELECT c.Name, o.Amount FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE c.Region = 'EMEA' AND o.OrderId > 103",
        )
        .await;
    let (crm, erp) = (bench.crm.log(), bench.erp.log());
    assert_eq!((crm.len(), erp.len()), (1, 1));
    for query in crm.iter().chain(&erp) {
        assert!(query.filter.is_some(), "{query:?}");
        assert_eq!(query.output.len(), 2, "only the needed columns: {query:?}");
    }
}

#[tokio::test]
async fn sort_limit_and_offset_reach_a_single_source() {
    let bench = bench(Options::default()).await;
    let rows =
        bench.rows("all", "SELECT OrderId FROM Orders WHERE Note LIKE 'note%' ORDER BY Amount DESC NULLS LAST LIMIT 2 OFFSET 1").await;
    assert_eq!(rows, ["106", "108"]);
    let [query] = bench.erp.log().try_into().unwrap();
    assert_eq!((query.limit, query.offset, query.order_by.len()), (Some(2), 1, 1));
    assert!(query.filter.is_some());
    assert!(matches!(query.from, Relation::Table(_)));
}

#[tokio::test]
async fn what_a_source_cannot_evaluate_stays_local_with_the_same_rows() {
    let text = "SELECT OrderId FROM Orders WHERE regexp_like(Note, '^note [12]') AND OrderId < 109 ORDER BY OrderId LIMIT 3";
    let able = bench(Options::default()).await;
    let rows = able.rows("all", text).await;
    assert_eq!(rows, ["102", "103"]);
    let [query] = able.erp.log().try_into().unwrap();
    assert!(query.filter.is_some() && query.limit.is_none(), "the limit must not go below the residual: {query:?}");
    let unable = bench(Options { incapable: true, ..Options::default() }).await;
    assert_eq!(unable.rows("all", text).await, rows);
    let [query] = unable.erp.log().try_into().unwrap();
    assert!(query.filter.is_none() && query.order_by.is_empty());
}

#[tokio::test]
async fn explain_shows_native_requests_and_runs_nothing() {
    let bench = bench(Options::default()).await;
    let text = "EXPLAIN SELECT c.Name FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE c.Region = 'EMEA' AND o.Amount > 50";
    let shown = lines(&bench.sql_as(&principal("all"), text).await.unwrap()).join("\n");
    assert!(shown.contains("source crm (memory)") && shown.contains("source erp (memory)"), "{shown}");
    assert!(shown.contains("region") && shown.contains("amount"), "{shown}");
    assert!(!shown.contains("tax_id"), "only the needed columns: {shown}");
    assert_eq!(bench.crm.log().len() + bench.erp.log().len(), 0);
}

#[tokio::test]
async fn a_source_counts_its_own_rows() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.rows("all", "SELECT count(*) AS n FROM Orders WHERE OrderId > 103").await, ["7"]);
    let [query] = bench.erp.log().try_into().unwrap();
    assert!(query.aggregate.is_some(), "{query:?}");
    bench.erp.clear_log();
    // What comes after a limit, a residual or a having is counted here, with the same number.
    assert_eq!(bench.rows("all", "SELECT count(*) FROM (SELECT OrderId FROM Orders LIMIT 4)").await, ["4"]);
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Orders WHERE regexp_like(Note, '[12]')").await, ["2"]);
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Orders HAVING count(*) > 10").await, [] as [&str; 0]);
    assert_eq!(bench.rows("all", "SELECT count(*) + 1 AS n FROM Orders").await, ["11"]);
    assert_eq!(bench.rows("all", "SELECT count(Note) FROM Orders").await, ["6"]);
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Orders LIMIT 0").await, [] as [&str; 0]);
}

fn readably(query: &SourceQuery) -> String {
    readable(query, Literals::Shown).0
}

/// Two hundred orders of two hundred accounts beside five customers, in one source.
fn many_orders() -> Options {
    let columns = vec![
        RemoteColumn::plain("order_id", ScalarType::Int64, false),
        RemoteColumn::plain("customer_id", ScalarType::Int64, false),
        RemoteColumn::plain("amount", ScalarType::Decimal { precision: 12, scale: 2 }, false),
        RemoteColumn::plain("placed", ScalarType::Date, false),
        RemoteColumn::plain("note", ScalarType::Text, true),
    ];
    let rows: Vec<Vec<Value>> = (0..200_i64)
        .map(|id| vec![Value::Int64(id), Value::Int64(id % 50), decimal(id * 7 % 1_000), Value::Date(0), Value::Null(ScalarType::Text)])
        .collect();
    let crm = vec![customers(), table("orders", columns, &["order_id"], &rows)];
    Options { tables: TABLES.replace("\"erp\"", "\"crm\""), crm, erp: Vec::new(), ..Options::default() }
}

#[tokio::test]
async fn only_groups_that_a_few_rows_can_meet_are_computed() {
    let text = "SELECT o.OrderId FROM Orders o JOIN Customers c ON c.Id = o.CustomerId \
        WHERE c.Region = 'EMEA' AND o.Amount < (SELECT 0.8 * avg(i.Amount) FROM Orders i WHERE i.CustomerId = c.Id)";
    let able = bench(many_orders()).await;
    let rows = able.rows("all", text).await;
    let [query] = able.crm.log().try_into().unwrap();
    let shown = readably(&query);
    assert_eq!(shown.matches("semi join").count(), 2, "{shown}");
    // The same, joined by hand and without anything pushed down.
    let unable = bench(Options { incapable: true, ..many_orders() }).await;
    assert_eq!(rows, unable.rows("all", text).await);
    assert!(!rows.is_empty());
    // All customers are not few: their groups are all there are.
    able.crm.clear_log();
    able.rows("all", &text.replace("c.Region = 'EMEA' AND ", "")).await;
    let [query] = able.crm.log().try_into().unwrap();
    let shown = readably(&query);
    assert_eq!(shown.matches("semi join").count(), 1, "{shown}");
}

#[tokio::test]
async fn groups_are_reduced_only_by_rows_that_are_joined_with_them_at_the_source() {
    let bench = bench(Options::default()).await;
    // Neither side is joined by a key of its own, and there is another source: the pieces of the orders stay apart.
    let text = "SELECT c.Name, g.Total FROM Customers c JOIN Orders o ON o.CustomerId = c.Id \
        JOIN (SELECT CustomerId, Placed, sum(Amount) AS Total FROM Orders GROUP BY CustomerId, Placed) g ON g.CustomerId = o.CustomerId \
        WHERE o.OrderId = 110";
    assert_eq!(bench.rows("all", text).await, ["Beta,100.00", "Beta,20.00", "Beta,60.00"]);
    let log = bench.erp.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log.iter().all(|query| matches!(query.from, Relation::Table(_))), "orders are asked for twice in one request: {log:?}");
    // Joined by the key of the groups, they are one request, in which the groups are reduced.
    bench.erp.clear_log();
    let by_key = "SELECT c.Name, g.Total FROM Customers c JOIN Orders o ON o.CustomerId = c.Id \
        JOIN (SELECT CustomerId, sum(Amount) AS Total FROM Orders GROUP BY CustomerId) g ON g.CustomerId = o.CustomerId \
        WHERE o.OrderId = 110";
    assert_eq!(bench.rows("all", by_key).await, ["Beta,180.00"]);
    let [query] = bench.erp.log().try_into().unwrap();
    let shown = readably(&query);
    assert!(shown.contains("semi join"), "{shown}");
}

#[tokio::test]
async fn rows_that_a_semi_join_leaves_few_of_reduce_groups() {
    let (able, unable) = (bench(many_orders()).await, bench(Options { incapable: true, ..many_orders() }).await);
    let few = "o.CustomerId IN (SELECT Id FROM Customers WHERE Region = 'EMEA')";
    for (rows, groups) in [("", ""), ("o.Placed = DATE '1970-01-01' AND ", "i.OrderId >= 0 AND i.OrderId < 1000 AND ")] {
        let text = format!(
            "SELECT o.OrderId FROM Orders o \
             WHERE {rows}{few} AND o.Amount < (SELECT 0.8 * avg(i.Amount) FROM Orders i WHERE {groups}i.CustomerId = o.CustomerId)"
        );
        able.crm.clear_log();
        let rows = able.rows("all", &text).await;
        assert!(!rows.is_empty());
        assert_eq!(rows, unable.rows("all", &text).await);
        let [query] = able.crm.log().try_into().unwrap();
        let shown = readably(&query);
        assert_eq!(shown.matches("semi join").count(), 4, "{shown}");
        // Where all are looked for, all are found.
        able.crm.clear_log();
        able.rows("all", &text.replace(" WHERE Region = 'EMEA'", "").replace("o.Placed = DATE '1970-01-01' AND ", "")).await;
        let [query] = able.crm.log().try_into().unwrap();
        assert_eq!(readably(&query).matches("semi join").count(), 2, "{query:?}");
    }
}
