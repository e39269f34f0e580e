//! Requests by keys: as large as the source takes, and the only ones where the table can be asked no other way.

use crate::harness::Options;
use crate::key_joins::keys;
use crate::review::tweaked;

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[tokio::test]
async fn keys_are_sent_in_requests_that_are_not_too_large() {
    let bench = tweaked(Options::default(), |own| own.keys.max_bytes = 45).await;
    let joined = "SELECT o.OrderId FROM Orders o JOIN Customers c ON o.CustomerId = c.Id WHERE c.Name <> ''";
    let unlimited = tweaked(Options::default(), |_| {}).await;
    assert_eq!(sorted(bench.rows("all", joined).await), sorted(unlimited.rows("all", joined).await));
    let sizes: Vec<usize> =
        bench.erp.log().iter().chain(&bench.crm.log()).filter_map(|query| Some(query.keys.as_ref()?.tuples.len())).collect();
    assert!(sizes.len() > 1 && sizes.iter().all(|size| *size <= 2), "{sizes:?}");
}

#[tokio::test]
async fn a_table_that_is_asked_by_keys_only_says_so() {
    let bench = tweaked(Options::default(), |own| {
        own.tables.entry("customers".to_owned()).or_default().required_keys = vec![keys(&["id"])];
    })
    .await;
    assert_eq!(bench.rows("all", "SELECT Name FROM Customers WHERE Id = 2").await.len(), 1);
    assert_eq!(sorted(bench.rows("all", "SELECT Id FROM Customers WHERE Id IN (1, 3, 3) AND Name <> 'nobody'").await), ["1", "3"]);
    assert_eq!(sorted(bench.rows("all", "SELECT Id FROM Customers WHERE Id = 1 OR Id = 2").await), ["1", "2"]);
    assert!(bench.crm.log().iter().all(|query| query.keys.is_some()));
    for refused in
        ["SELECT Id FROM Customers", "SELECT Id FROM Customers WHERE Id > 2", "SELECT Id FROM Customers WHERE Id = 1 OR Name = 'x'"]
    {
        let error = bench.error("all", refused).await.to_string();
        assert!(error.contains("'customers' can only be read by id"), "{refused}: {error}");
    }
}
