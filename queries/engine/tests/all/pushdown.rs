//! What reaches the sources: read from EXPLAIN and from the sources' own logs.

use crate::harness::{ACCESS, Options, TABLES, bench, customers, decimal, lines, principal, table};
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

#[tokio::test]
async fn a_source_returns_no_more_than_can_be_among_the_first() {
    let (able, unable) = (bench(Options::default()).await, bench(Options { incapable: true, ..Options::default() }).await);
    let union = "(SELECT OrderId AS k, Amount AS v, Note AS t FROM Orders UNION ALL SELECT Id, Credit, Name FROM Customers) u";
    let limited = [
        (
            "SELECT OrderId, regexp_replace(Note, 'n', 'm') AS r FROM Orders ORDER BY Amount DESC, OrderId LIMIT 2 OFFSET 1".to_owned(),
            Some(3),
            None,
        ),
        (
            "SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId ORDER BY o.Amount DESC LIMIT 2".to_owned(),
            Some(2),
            None,
        ),
        (
            "SELECT o.OrderId + 1 AS n, c.Name FROM Customers c RIGHT JOIN Orders o ON c.Id = o.CustomerId ORDER BY n DESC LIMIT 2"
                .to_owned(),
            Some(2),
            None,
        ),
        (format!("SELECT k, v FROM {union} ORDER BY v DESC NULLS LAST, k LIMIT 3"), Some(3), Some(3)),
        (
            format!("SELECT k, regexp_replace(t, 'a', 'b') AS t FROM {union} ORDER BY v DESC NULLS LAST, k LIMIT 2 OFFSET 1"),
            Some(3),
            Some(3),
        ),
        // Some rows are dropped after that, or there is an order of more than those of one side.
        ("SELECT OrderId FROM Orders WHERE regexp_like(Note, '[1-4]') ORDER BY Amount DESC LIMIT 2".to_owned(), None, None),
        ("SELECT o.OrderId FROM Orders o JOIN Customers c ON c.Id = o.CustomerId ORDER BY o.Amount DESC LIMIT 2".to_owned(), None, None),
        (
            "SELECT o.OrderId FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId ORDER BY c.Name, o.Amount DESC LIMIT 2".to_owned(),
            None,
            None,
        ),
        ("SELECT OrderId, regexp_replace(Note, 'n', 'm') AS r FROM Orders ORDER BY r NULLS LAST, OrderId LIMIT 2".to_owned(), None, None),
    ];
    for (text, of_orders, of_customers) in limited {
        able.crm.clear_log();
        able.erp.clear_log();
        let rows = able.rows("all", &text).await;
        assert_eq!(rows, unable.rows("all", &text).await, "{text}");
        assert_eq!(able.erp.log().iter().map(|query| query.limit).collect::<Vec<_>>(), [of_orders], "{text}");
        for query in able.crm.log() {
            assert_eq!(query.limit, of_customers, "{text}");
        }
        let shown = lines(&able.sql_as(&principal("all"), &format!("EXPLAIN {text}")).await.unwrap()).join("\n");
        assert_eq!(shown.contains("limit="), of_orders.is_some(), "{shown}");
    }
    // What is looked up for these rows is looked up by their keys.
    able.crm.clear_log();
    able.rows("all", "SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId ORDER BY o.Amount DESC LIMIT 2")
        .await;
    let [query] = able.crm.log().try_into().unwrap();
    assert_eq!(query.keys.map(|keys| keys.tuples.len()), Some(2));
}

#[tokio::test]
async fn each_source_makes_the_groups_of_its_branch_of_a_union() {
    let (able, unable) = (bench(Options::default()).await, bench(Options { incapable: true, ..Options::default() }).await);
    let union = "(SELECT OrderId AS k, Amount AS v, Note AS t FROM Orders WHERE OrderId > 103 UNION ALL SELECT Id, Credit, Region FROM Customers) u";
    for (columns, grouped) in [
        ("t, sum(v) AS s, count(*) AS n, min(k) AS a, max(v) AS b, count(v) AS c", true),
        ("count(*) AS n, sum(v) AS s, min(t) AS a", true),
        ("DISTINCT t", true),
        ("date_part('year', DATE '2020-01-01') + k % 2 AS odd, count(*) FILTER (WHERE v > 5) AS n", true),
        // Counted here, of values that are distinct in their own branch.
        ("t, count(DISTINCT v) AS n", true),
        // The average of averages is another, and a sum may fit where one of its parts does not.
        ("t, avg(v) AS m", false),
        ("t, sum(k) AS s", false),
    ] {
        let by = match columns {
            columns if columns.starts_with("t,") => " GROUP BY t",
            columns if columns.starts_with("date_part") => " GROUP BY odd",
            _ => "",
        };
        let text = format!("SELECT {columns} FROM {union}{by}");
        able.crm.clear_log();
        able.erp.clear_log();
        let rows = able.rows("all", &text).await;
        assert_eq!(rows, unable.rows("all", &text).await, "{text}");
        let [of_orders] = able.erp.log().try_into().unwrap();
        let [of_customers] = able.crm.log().try_into().unwrap();
        assert_eq!((of_orders.aggregate.is_some(), of_customers.aggregate.is_some()), (grouped, grouped), "{text}");
        let shown = lines(&able.sql_as(&principal("all"), &format!("EXPLAIN {text}")).await.unwrap()).join("\n");
        assert_eq!(shown.matches("aggregate=pushed").count(), if grouped { 2 } else { 0 }, "{shown}");
    }
    let beside = format!(
        "SELECT max(n), o.Note FROM (SELECT t, count(*) AS n FROM {union} GROUP BY t) g JOIN Orders o ON g.t = o.Note GROUP BY o.Note"
    );
    assert_eq!(able.rows("all", &beside).await, unable.rows("all", &beside).await);
    // Where one source does not make them, they are made here of its rows alone.
    let text = format!("SELECT t, count(*) AS n FROM {union} GROUP BY t").replace("Note AS t", "regexp_replace(Note, 'n', 'm') AS t");
    able.crm.clear_log();
    able.erp.clear_log();
    assert_eq!(able.rows("all", &text).await, unable.rows("all", &text).await);
    let counts = [&able.erp, &able.crm].map(|source| source.log().iter().filter(|query| query.aggregate.is_some()).count());
    assert_eq!(counts, [0, 1]);
}

#[tokio::test]
async fn groups_are_dropped_after_the_source_has_made_them() {
    let (able, unable) = (bench(Options::default()).await, bench(Options { incapable: true, ..Options::default() }).await);
    for (text, grouped) in [
        ("SELECT Note, count(*) AS n FROM Orders WHERE regexp_like(Note, '[1-4]') AND OrderId > 102 GROUP BY Note", true),
        (
            "SELECT Note, CustomerId, max(Amount) AS m FROM Orders WHERE right(Note, 1) >= CAST(CustomerId AS TEXT) GROUP BY Note, CustomerId",
            true,
        ),
        ("SELECT DISTINCT Note FROM Orders WHERE regexp_like(Note, '[1-4]')", true),
        ("SELECT g.m FROM (SELECT Note, max(Amount) AS m FROM Orders GROUP BY Note) g WHERE regexp_like(g.Note, '[1-4]')", true),
        // A group that is dropped may be one that nothing can be computed of.
        (
            "SELECT CustomerId, sum(OrderId / (CustomerId - 1)) AS s FROM Orders WHERE reverse(CAST(CustomerId AS TEXT)) > '1' GROUP BY CustomerId",
            false,
        ),
        // Rows of a group that stays, and rows of which there is one group in any case.
        ("SELECT CustomerId, count(*) AS n FROM Orders WHERE regexp_like(Note, '[1-4]') GROUP BY CustomerId", false),
        ("SELECT count(*) AS n FROM Orders WHERE regexp_like(Note, '[1-4]')", false),
        ("SELECT count(*) AS n FROM Orders WHERE reverse((SELECT Name FROM Customers WHERE Id = 1)) = 'Alpha'", false),
    ] {
        able.erp.clear_log();
        let rows = able.rows("all", text).await;
        assert!(!rows.is_empty());
        assert_eq!(rows, unable.rows("all", text).await, "{text}");
        let [query] = able.erp.log().try_into().unwrap();
        assert_eq!(query.aggregate.is_some(), grouped, "{text}");
    }
    // Of rows that a rule hides nothing is computed.
    let access = ACCESS.replace(r#""emea": {"#, r#""some": { "Orders": { "rows": "regexp_like(Note, '[1-4]')" } }, "emea": {"#);
    let ruled = bench(Options { access, ..Options::default() }).await;
    ruled.rows("some", "SELECT Note, count(*) AS n FROM Orders GROUP BY Note").await;
    let [query] = ruled.erp.log().try_into().unwrap();
    assert!(query.aggregate.is_none());
}

#[tokio::test]
async fn explain_says_how_many_keys_a_bind_join_sends() {
    let bench = bench(Options::default()).await;
    let shown = async |text: &str| lines(&bench.sql_as(&principal("all"), &format!("EXPLAIN {text}")).await.unwrap()).join("\n");
    let most = bench.engine.model().unwrap().sources["erp"].capabilities.keys.max_tuples;
    let of_orders = format!("bind join: source=erp, table=orders, keys=[customer_id], at most {most} in one request");
    for (text, count) in [
        ("SELECT c.Name, o.Amount FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'", 1),
        ("SELECT c.Name, o.Amount FROM Orders o JOIN Customers c ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'", 1),
        ("SELECT c.Name, o.t FROM Customers c JOIN (SELECT OrderId, CustomerId AS t FROM Orders) o ON o.t = c.Id LIMIT 3", 1),
        ("SELECT c.Name FROM Customers c WHERE c.Region = 'EMEA' AND c.Id IN (SELECT CustomerId FROM Orders)", 1),
        ("SELECT c.Name FROM Customers c WHERE c.Region = 'EMEA' AND NOT EXISTS (SELECT 1 FROM Orders o WHERE o.CustomerId = c.Id)", 1),
        // The groups are likely fewer than the customers: they are read first.
        (
            "SELECT c.Name, o.t FROM Customers c LEFT JOIN (SELECT CustomerId, sum(Amount) AS t FROM Orders GROUP BY CustomerId) o ON o.CustomerId = c.Id",
            0,
        ),
        ("SELECT c.Name, o.Amount FROM Customers c LEFT JOIN (SELECT * FROM Orders LIMIT 5) o ON o.CustomerId = c.Id", 0),
        ("SELECT c.Name, o.Amount FROM Customers c FULL JOIN Orders o ON o.CustomerId = c.Id", 0),
        ("SELECT Name FROM Customers WHERE Region = 'EMEA'", 0),
    ] {
        let shown = shown(text).await;
        assert_eq!(shown.matches(&of_orders).count(), count, "{text}: {shown}");
        assert_eq!(shown.matches("bind join").count(), count, "{text}: {shown}");
        // What is said is what happens.
        bench.erp.clear_log();
        bench.rows("all", text).await;
        let bound = bench.erp.log().iter().filter(|query| query.keys.is_some()).count();
        assert_eq!(bound, count, "{text}");
    }
}
