//! Sources that restrict single tables and columns, as services behind HTTP do: whatever they take, the rows are the same, and what they are
//! asked they take — the source refuses anything else.

use crate::harness::{Options, bench};
use portico_provider_api::capabilities::{ColumnCapabilities, ColumnComparisons, TableCapabilities, TableKeys};
use portico_provider_api::{Capabilities, CompareOp, Expr, Function, Support};
use std::collections::BTreeMap;

const QUERIES: [&str; 22] = [
    "SELECT Id FROM Customers WHERE Region = 'EMEA'",
    "SELECT Id FROM Customers WHERE Region = 'EMEA' AND Name = 'Alpha'",
    "SELECT Id FROM Customers WHERE Region <> 'EMEA'",
    "SELECT Id FROM Customers WHERE Region IN ('EMEA', 'APAC')",
    "SELECT Id FROM Customers WHERE Region IN ('EMEA', 'APAC', 'AMER', 'none')",
    "SELECT Id FROM Customers WHERE Region IS NULL",
    "SELECT Id FROM Customers WHERE upper(Region) = 'EMEA'",
    "SELECT Id FROM Customers WHERE starts_with(Name, 'A')",
    "SELECT OrderId FROM Orders WHERE Placed >= DATE '2022-01-12'",
    "SELECT OrderId FROM Orders WHERE DATE '2022-01-12' <= Placed AND Placed >= DATE '2022-01-14'",
    "SELECT OrderId FROM Orders WHERE Placed > DATE '2022-01-12' AND Placed < DATE '2022-01-16'",
    "SELECT OrderId FROM Orders WHERE Placed BETWEEN DATE '2022-01-12' AND DATE '2022-01-16' ORDER BY Placed LIMIT 2 OFFSET 1",
    "SELECT OrderId FROM Orders ORDER BY Amount DESC LIMIT 3",
    "SELECT OrderId FROM Orders ORDER BY OrderId OFFSET 7",
    "SELECT count(*) FROM Orders",
    "SELECT count(*) FROM Customers",
    "SELECT CustomerId, sum(Amount) FROM Orders GROUP BY CustomerId",
    "SELECT DISTINCT CustomerId FROM Orders",
    "SELECT o.OrderId, c.Name FROM Orders o JOIN Customers c ON c.Id = o.CustomerId WHERE c.Region = 'EMEA'",
    "SELECT a.OrderId FROM Orders a JOIN Orders b ON a.CustomerId = b.CustomerId AND b.OrderId = 103",
    "SELECT Id FROM Customers WHERE Name = 'a name that is far too long to be sent to a service with short addresses' OR Region = 'APAC'",
    "SELECT Name FROM Customers WHERE Id = 2 AND Id IN (SELECT CustomerId FROM Orders WHERE Amount > 50)",
];

fn only(comparisons: ColumnComparisons) -> ColumnCapabilities {
    ColumnCapabilities { comparisons: Some(comparisons), ..ColumnCapabilities::default() }
}

fn table<'a>(own: &'a mut Capabilities, name: &str) -> &'a mut TableCapabilities {
    own.tables.entry(name.to_owned()).or_default()
}

/// Three parameters, each of them given once, keys by path and in a list, and nothing else.
fn like_rest(own: &mut Capabilities) {
    let exact = Support::Exact;
    own.filter.comparisons.clear();
    own.filter.functions.clear();
    (own.filter.or, own.filter.not, own.filter.max_in_list) = (Support::None, Support::None, 0);
    (own.computed_output, own.limit, own.offset, own.limit_per, own.nested, own.union) =
        (Support::None, Support::None, Support::None, Support::None, Support::None, Support::None);
    (own.joins, own.aggregate) = (Default::default(), Default::default());
    (own.distinct, own.window, own.exists, own.scalar_subquery) = (Support::None, Support::None, Support::None, Support::None);
    own.keys = Default::default();
    let region = only(ColumnComparisons { equal: exact, ..ColumnComparisons::default() });
    let region = ColumnCapabilities { max_in_list: Some(3), once: true, ..region };
    let placed = only(ColumnComparisons { greater_or_equal: exact, less: exact, ..ColumnComparisons::default() });
    let keys = |column: &str, max_tuples| TableKeys { columns: vec![column.to_owned()], support: exact, max_tuples, max_bytes: 0 };
    let customers = table(own, "customers");
    customers.columns.insert("region".to_owned(), region);
    customers.keys = Some(vec![keys("id", 2)]);
    let orders = table(own, "orders");
    orders.columns.insert("placed".to_owned(), ColumnCapabilities { once: true, ..placed });
    orders.keys = Some(vec![keys("order_id", 1), keys("customer_id", 3)]);
    (orders.limit, orders.count) = (Some(exact), Some(exact));
}

/// A service that restricts single properties and sets.
fn like_odata(own: &mut Capabilities) {
    let functions = Some(BTreeMap::from([(Function::Contains, Support::Exact)]));
    let name = ColumnCapabilities { functions, ..ColumnCapabilities::default() };
    let region = ColumnCapabilities { filter: Some(Support::Inexact), ..ColumnCapabilities::default() };
    let customers = table(own, "customers");
    customers.columns.extend([("name".to_owned(), name), ("region".to_owned(), region)]);
    (customers.count, customers.joins, customers.max_request_bytes) = (Some(Support::None), Some(Support::None), Some(60));
    let amount = ColumnCapabilities { sort: Some(Support::None), ..ColumnCapabilities::default() };
    let orders = table(own, "orders");
    orders.columns.insert("amount".to_owned(), amount);
    (orders.offset, orders.distinct) = (Some(Support::None), Some(Support::None));
    orders.aggregate = Some(Default::default());
}

/// Everything roughly: the source gives more rows than it is asked for.
fn roughly(own: &mut Capabilities) {
    for name in ["customers", "orders"] {
        table(own, name).filter = Some(Support::Inexact);
    }
    own.keys.support = Support::Inexact;
}

#[tokio::test]
async fn the_rows_are_the_same_whatever_a_table_takes() {
    let whole = bench(Options::default()).await;
    type Limits = fn(&mut Capabilities);
    let limits: [(&str, Limits); 3] = [("rest", like_rest), ("odata", like_odata), ("roughly", roughly)];
    for (name, limits) in limits {
        let limited = bench(Options { limits, ..Options::default() }).await;
        for text in QUERIES {
            assert_eq!(limited.rows("all", text).await, whole.rows("all", text).await, "{name}: {text}");
        }
    }
}

/// What the source is asked of a table's filter, in the last question.
async fn filter_of(limits: fn(&mut Capabilities), text: &str) -> Option<Expr> {
    let bench = bench(Options { limits, ..Options::default() }).await;
    bench.rows("all", text).await;
    let log = [bench.crm.log(), bench.erp.log()].concat();
    log.last().and_then(|query| query.filter.clone())
}

#[tokio::test]
async fn what_a_table_takes_is_asked_of_it() {
    let equal = filter_of(like_rest, QUERIES[0]).await;
    assert!(matches!(equal, Some(Expr::Compare { op: CompareOp::Eq, .. })), "{equal:?}");
    assert_eq!(filter_of(like_rest, QUERIES[2]).await, None);
    assert!(matches!(filter_of(like_rest, QUERIES[3]).await, Some(Expr::InList { .. }) | Some(Expr::Or(_))));
    assert_eq!(filter_of(like_rest, QUERIES[4]).await, None);
    // The parameter is given once; what is left is filtered here.
    let once = filter_of(like_rest, QUERIES[9]).await;
    assert!(matches!(once, Some(Expr::Compare { op: CompareOp::GtEq, .. })), "{once:?}");
    let range = filter_of(like_rest, "SELECT OrderId FROM Orders WHERE Placed >= DATE '2022-01-12' AND Placed < DATE '2022-01-16'").await;
    assert!(matches!(&range, Some(Expr::And(parts)) if parts.len() == 2), "{range:?}");
    // Too long for a request.
    assert_eq!(filter_of(like_odata, QUERIES[20]).await, None);
}

#[tokio::test]
async fn keys_are_sent_in_the_chunks_that_a_table_takes() {
    let bench = bench(Options { limits: like_rest, ..Options::default() }).await;
    let text = "SELECT o.OrderId, c.Name FROM Customers c JOIN Orders o ON c.Id = o.CustomerId WHERE o.Placed >= DATE '2022-01-12'";
    bench.rows("all", text).await;
    let keyed = |log: Vec<portico_provider_api::SourceQuery>| log.into_iter().filter_map(|query| Some(query.keys?.tuples.len())).max();
    let (customers, orders) = (keyed(bench.crm.log()), keyed(bench.erp.log()));
    assert!(customers.is_some_and(|most| most <= 2) || orders.is_some_and(|most| most <= 3), "{customers:?} {orders:?}");
}
