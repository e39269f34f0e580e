//! Sources that join tables along references and in no other way, as OData services do: the rows are the same as anywhere, one question is asked where
//! that is enough, and no question beyond it.

use crate::harness::{Bench, Options, TABLES, bench, customers, lines, orders, principal, table};
use crate::null_logic::{number, seed};
use crate::select_blocks::{Writer, columns, over, rows};
use fastrand::Rng;
use portico_engine::EngineError;
use portico_provider_api::capabilities::JoinReference;
use portico_provider_api::{Capabilities, JoinKind, Relation, RemoteColumn, SourceQuery, Support};

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

/// A table whose `M` refers to its own `Id`.
fn to_itself(own: &mut Capabilities) {
    along(own, Support::Exact);
    let references = own.tables.remove("orders").unwrap().references.into_iter();
    let references = references.map(|reference| JoinReference {
        columns: vec!["M".to_owned()],
        table: "rows".to_owned(),
        referenced_columns: vec!["Id".to_owned()],
        ..reference
    });
    own.tables.entry("rows".to_owned()).or_default().references = references.collect();
}

fn to_itself_barely(own: &mut Capabilities) {
    to_itself(own);
    let reference = &mut own.tables.get_mut("rows").unwrap().references[0];
    (reference.filter, reference.sort, reference.inner_limit, reference.leads_on) = (Support::None, Support::None, Support::None, false);
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

/// Random statements, most of which join a table with itself by what refers to it, mean the same as where nothing is asked of the source.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_statements_mean_the_same_along_references() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let rows = rows(&mut random);
    let world = async |limits: fn(&mut Capabilities), incapable: bool| {
        let columns = columns().into_iter().map(|column| RemoteColumn::plain(column.name, column.scalar_type, column.nullable));
        let crm = vec![table("rows", columns.collect(), &["Id"], &rows)];
        let tables = r#"{ "Rows": { "source": "crm", "remote": "rows" } }"#.to_owned();
        let access = r#"{ "roles": { "all": { "Rows": {} } } }"#.to_owned();
        bench(Options { tables, access, crm, erp: Vec::new(), limits, incapable, ..Options::default() }).await
    };
    let nothing = world(|_| {}, true).await;
    let places = [world(to_itself, false).await, world(to_itself_barely, false).await];
    let answer = async |bench: &Bench, text: &str| {
        let mut lines = lines(&bench.sql_as(&principal("all"), text).await?);
        if !text.contains("ORDER BY a.") {
            lines.sort_unstable();
        }
        Ok::<_, EngineError>(lines)
    };
    for _ in 0..number("PORTICO_CASES").unwrap_or(150) {
        let text = over(&Writer { random: &mut random }.statement(), ["Rows"; 3]);
        let wanted = match answer(&nothing, &text).await {
            Ok(wanted) => wanted,
            Err(EngineError::Arithmetic(_) | EngineError::Unsupported(_) | EngineError::Invalid(_)) => continue,
            Err(error) => panic!("seed {seed}: {text}: {error:?}"),
        };
        for bench in &places {
            let came = answer(bench, &text).await.unwrap_or_else(|error| panic!("seed {seed}: {text}: {error:?}"));
            assert_eq!(came, wanted, "seed {seed}: {text}");
        }
    }
    for bench in &places {
        let joins = bench.crm.log().into_iter().filter(|query| matches!(query.from, Relation::Join(_))).count();
        assert!(joins > 15, "seed {seed}: {joins} joins were asked of the source");
    }
}
