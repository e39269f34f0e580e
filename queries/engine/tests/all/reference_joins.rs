//! Sources that join tables along references and in no other way, as OData services do: the rows are the same as anywhere, one question is asked where
//! that is enough, and no question beyond it.

use crate::harness::{Bench, Options, TABLES, bench, customers, orders};
use portico_provider_api::capabilities::JoinReference;
use portico_provider_api::{Capabilities, JoinKind, Relation, SourceQuery, Support};

fn along(own: &mut Capabilities, support: Support) {
    (own.joins, own.aggregate) = (Default::default(), Default::default());
    (own.computed_output, own.limit_per, own.nested, own.union) = (Support::None, Support::None, Support::None, Support::None);
    (own.distinct, own.window, own.exists, own.scalar_subquery) = (Support::None, Support::None, Support::None, Support::None);
    own.tables.entry("orders".to_owned()).or_default().references.push(JoinReference {
        columns: vec!["customer_id".to_owned()],
        table: "customers".to_owned(),
        referenced_columns: vec!["id".to_owned()],
        filter: support,
        sort: support,
        inner_limit: support,
        leads_on: true,
    });
    own.tables.entry("orders".to_owned()).or_default().count = Some(Support::Exact);
}

fn wholly(own: &mut Capabilities) {
    along(own, Support::Exact);
}

fn barely(own: &mut Capabilities) {
    along(own, Support::None);
}

/// Customers and orders in one source; of one order in four the customer is gone.
async fn one_source(limits: fn(&mut Capabilities)) -> Bench {
    let mut known = customers();
    known.batches = known.batches.iter().map(|batch| batch.slice(0, 3)).collect();
    bench(Options {
        tables: TABLES.replace("\"erp\"", "\"crm\""),
        crm: vec![known, orders()],
        erp: Vec::new(),
        limits,
        ..Options::default()
    })
    .await
}

/// Statements, and how many questions they are with everything that may be asked of a partner, and with nothing.
const QUERIES: [(&str, usize, usize); 21] = [
    ("SELECT o.OrderId, c.Name FROM Orders o JOIN Customers c ON c.Id = o.CustomerId", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Customers c JOIN Orders o ON c.Id = o.CustomerId", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Customers c LEFT JOIN Orders o ON c.Id = o.CustomerId", 2, 2),
    ("SELECT o.OrderId, c.Name FROM Orders o JOIN Customers c ON c.Id = o.CustomerId WHERE c.Region = 'EMEA'", 1, 2),
    ("SELECT o.OrderId, c.Name FROM Orders o JOIN Customers c ON c.Id = o.CustomerId WHERE c.Id = 2", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId WHERE c.Id IS NULL", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId WHERE o.Amount > 50", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId AND c.Region = 'EMEA'", 2, 2),
    ("SELECT o.OrderId, c.Name FROM Orders o JOIN Customers c ON c.Id = o.CustomerId AND c.Credit > o.Amount", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Orders o JOIN Customers c ON c.Id = o.OrderId - 100", 2, 2),
    ("SELECT o.OrderId FROM Orders o WHERE o.CustomerId IN (SELECT c.Id FROM Customers c)", 2, 2),
    ("SELECT o.OrderId FROM Orders o WHERE NOT EXISTS (SELECT 1 FROM Customers c WHERE c.Id = o.CustomerId)", 2, 2),
    ("SELECT o.OrderId, c.Name FROM Orders o JOIN Customers c ON c.Id = o.CustomerId ORDER BY o.OrderId LIMIT 4 OFFSET 1", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId ORDER BY o.OrderId LIMIT 4 OFFSET 1", 1, 1),
    ("SELECT o.OrderId, c.Name FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId ORDER BY c.Name, o.OrderId", 1, 1),
    ("SELECT count(*) FROM Orders o JOIN Customers c ON c.Id = o.CustomerId", 1, 1),
    ("SELECT count(*) FROM Orders o LEFT JOIN Customers c ON c.Id = o.CustomerId", 1, 1),
    ("SELECT c.Region, sum(o.Amount) FROM Orders o JOIN Customers c ON c.Id = o.CustomerId GROUP BY c.Region", 1, 1),
    (
        "SELECT o.OrderId, c.Name, d.Region FROM Orders o JOIN Customers c ON c.Id = o.CustomerId LEFT JOIN Customers d ON d.Id = o.CustomerId",
        1,
        1,
    ),
    (
        "SELECT a.OrderId, b.OrderId, c.Name FROM Orders a JOIN Orders b ON a.CustomerId = b.CustomerId JOIN Customers c ON c.Id = a.CustomerId",
        2,
        2,
    ),
];

#[tokio::test]
async fn what_follows_a_reference_is_one_question_and_all_else_is_joined_here() {
    let whole = one_source(|_| {}).await;
    for (name, limits) in [("wholly", wholly as fn(&mut Capabilities)), ("barely", barely)] {
        let limited = one_source(limits).await;
        for (text, with, without) in QUERIES {
            let expected = whole.rows("all", text).await;
            let before = limited.crm.log().len();
            assert_eq!(limited.rows("all", text).await, expected, "{name}: {text}");
            let asked = limited.crm.log().len() - before;
            assert_eq!(asked, if name == "wholly" { with } else { without }, "{name}: {text}");
        }
    }
}

/// The last question that a statement became.
async fn last(bench: &Bench, role: &str, text: &str) -> SourceQuery {
    bench.rows(role, text).await;
    bench.crm.log().last().unwrap().clone()
}

#[tokio::test]
async fn limits_go_along_where_the_source_knows_how_many_rows_there_are() {
    let text = |kind: &str| {
        format!("SELECT o.OrderId, c.Name FROM Orders o {kind} JOIN Customers c ON c.Id = o.CustomerId ORDER BY o.OrderId LIMIT 4")
    };
    let (wholly, barely) = (one_source(wholly).await, one_source(barely).await);
    for (bench, kind, limit) in [(&wholly, "", Some(4)), (&wholly, "LEFT", Some(4)), (&barely, "", None), (&barely, "LEFT", Some(4))] {
        let query = last(bench, "all", &text(kind)).await;
        assert!(matches!(query.from, Relation::Join(_)) && query.order_by.len() == 1, "{query:?}");
        assert_eq!(query.limit, limit, "{kind}");
    }
}

/// Rows that a rule hides are not joined with; what cannot be asked of the source is not asked of it.
#[tokio::test]
async fn rules_hold_for_partners() {
    let text =
        |kind: &str| format!("SELECT o.OrderId, c.Name FROM Orders o {kind} JOIN Customers c ON c.Id = o.CustomerId ORDER BY o.OrderId");
    let whole = one_source(|_| {}).await;
    for limits in [wholly as fn(&mut Capabilities), barely] {
        let limited = one_source(limits).await;
        for kind in ["", "LEFT"] {
            assert_eq!(limited.rows("emea", &text(kind)).await, whole.rows("emea", &text(kind)).await, "{kind}");
        }
    }
    let query = last(&one_source(wholly).await, "emea", &text("")).await;
    let Relation::Join(join) = &query.from else { panic!("{query:?}") };
    assert!(join.kind == JoinKind::Inner && query.filter.is_some(), "{query:?}");
}
