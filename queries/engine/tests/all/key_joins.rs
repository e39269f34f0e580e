//! Tables that can only be asked by keys, in joins: whoever has the keys is read first, and the rows are those of a table without such a
//! requirement.

use crate::harness::{Bench, Options, bench, collection, context, customers, principal, query, table};
use crate::odata_paths::asked;
use arrow::array::Int64Array;
use portico_engine::{Answer, EngineError, EngineSettings, Paging};
use portico_odata::{BoundExpand, BoundExpr, BoundOrder, BoundQuery, ComparisonOperator};
use portico_provider_api::capabilities::{ColumnCapabilities, Requirement, TableKeys};
use portico_provider_api::{Capabilities, Collation, RemoteColumn, ScalarType, SourceQuery, Support, Value};
use portico_provider_memory::MemoryTable;
use std::time::{Duration, SystemTime};

const TABLES: &str = r#"{
  "Customers": { "source": "crm", "remote": "customers",
    "columns": { "Id": {"remote": "id"}, "Name": {"remote": "name"}, "Region": {"remote": "region"} },
    "relationships": { "Orders": { "to": "Orders", "on": { "Id": "CustomerId" }, "many": true } } },
  "Orders": { "source": "erp", "remote": "orders",
    "columns": { "OrderId": {"remote": "order_id"}, "CustomerId": {"remote": "customer_id"}, "Year": {"remote": "year"}, "Amount": {"remote": "amount"} },
    "relationships": { "Customer": { "to": "Customers", "on": { "CustomerId": "Id" } } } },
  "Rates": { "source": "erp", "remote": "rates", "columns": { "Year": {"remote": "year"}, "Kind": {"remote": "kind"}, "Rate": {"remote": "rate"} } }
}"#;
const ACCESS: &str = r#"{ "roles": { "all": { "Customers": {}, "Orders": {}, "Rates": {} } } }"#;

/// Orders 1 to 12 of customers 1 to 4; every fifth has none.
fn orders() -> MemoryTable {
    let columns = vec![
        RemoteColumn::plain("order_id", ScalarType::Int64, false),
        RemoteColumn::plain("customer_id", ScalarType::Int32, true),
        RemoteColumn::plain("year", ScalarType::Int32, false),
        RemoteColumn::plain("amount", ScalarType::Int64, false),
    ];
    let row = |id: i64| {
        let number = i32::try_from(id).unwrap();
        let customer = if id % 5 == 0 { Value::Null(ScalarType::Int32) } else { Value::Int32(1 + number % 4) };
        vec![Value::Int64(id), customer, Value::Int32(2020 + number % 3), Value::Int64(id * 10)]
    };
    table("orders", columns, &["order_id"], &(1..=12).map(row).collect::<Vec<_>>())
}

fn rates() -> MemoryTable {
    let columns = vec![
        RemoteColumn::plain("year", ScalarType::Int32, false),
        RemoteColumn::plain("kind", ScalarType::Text, false),
        RemoteColumn::plain("rate", ScalarType::Int64, false),
    ];
    let rows = (2020..=2022)
        .flat_map(|year| ["a", "b"].map(|kind| vec![Value::Int32(year), Value::text(kind), Value::Int64(i64::from(year) % 7)]));
    table("rates", columns, &["year", "kind"], &rows.collect::<Vec<_>>())
}

pub fn keys(names: &[&str]) -> Vec<Requirement> {
    names.iter().map(|name| Requirement::Key((*name).to_owned())).collect()
}

fn declared(required: &[(&str, Vec<Vec<Requirement>>)], max_tuples: usize) -> Capabilities {
    let mut own = portico_provider_memory::capabilities::capabilities();
    own.keys.max_tuples = max_tuples;
    for (table, required) in required {
        own.tables.entry((*table).to_owned()).or_default().required_keys.clone_from(required);
    }
    own
}

fn options(capabilities: Option<Capabilities>) -> Options {
    Options {
        tables: TABLES.to_owned(),
        access: ACCESS.to_owned(),
        crm: vec![customers()],
        erp: vec![orders(), rates()],
        capabilities,
        ..Options::default()
    }
}

/// One with these requirements, and one without any.
async fn both(required: &[(&str, Vec<Vec<Requirement>>)], max_tuples: usize) -> (Bench, Bench) {
    (bench(options(Some(declared(required, max_tuples)))).await, bench(options(None)).await)
}

pub fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

async fn same(both: &(Bench, Bench), text: &str) -> Vec<SourceQuery> {
    both.0.erp.clear_log();
    let found = sorted(both.0.rows("all", text).await);
    assert_eq!(found, sorted(both.1.rows("all", text).await), "{text}");
    both.0.erp.log()
}

const JOINS: [&str; 14] = [
    "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id",
    "SELECT c.Name, o.OrderId FROM Orders o JOIN Customers c ON o.CustomerId = c.Id WHERE c.Region = 'EMEA'",
    "SELECT c.Name, o.OrderId FROM Customers c LEFT JOIN Orders o ON o.CustomerId = c.Id AND o.Amount > 30",
    "SELECT c.Name, o.OrderId FROM Orders o RIGHT JOIN Customers c ON o.CustomerId = c.Id",
    "SELECT c.Name FROM Customers c WHERE EXISTS (SELECT 1 FROM Orders o WHERE o.CustomerId = c.Id AND o.Amount > 50)",
    "SELECT c.Name FROM Customers c WHERE NOT EXISTS (SELECT 1 FROM Orders o WHERE o.CustomerId = c.Id)",
    "SELECT c.Name FROM Customers c WHERE EXISTS (SELECT 1 FROM Orders o WHERE o.CustomerId = c.Id) OR c.Name = 'Epsilon'",
    "SELECT o.OrderId FROM Orders o WHERE o.CustomerId IN (SELECT Id FROM Customers WHERE Region = 'EMEA')",
    "SELECT c.Name, o.n FROM Customers c JOIN (SELECT CustomerId, count(*) AS n FROM Orders GROUP BY CustomerId) o ON o.CustomerId = c.Id",
    "SELECT c.Name, o.y FROM Customers c JOIN (SELECT CustomerId, max(Year) AS y FROM Orders GROUP BY CustomerId) o ON o.CustomerId = c.Id WHERE o.y > 2020",
    "SELECT c.Name, o.k FROM Customers c JOIN (SELECT CustomerId AS k FROM Orders WHERE Year = 2021 UNION ALL SELECT CustomerId FROM Orders WHERE Year = 2022) o ON o.k = c.Id",
    "SELECT c.Region, sum(o.Amount) FROM Customers c JOIN Orders o ON o.CustomerId = c.Id GROUP BY c.Region",
    "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id ORDER BY o.Amount DESC LIMIT 3",
    "SELECT c.Name, o.OrderId, p.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id JOIN Orders p ON p.CustomerId = o.CustomerId WHERE c.Id < 3",
];

#[tokio::test]
async fn a_table_that_is_asked_by_keys_has_them_from_the_other_side_of_a_join() {
    for max_tuples in [1, 2, 1_000] {
        let both = both(&[("orders", vec![keys(&["customer_id"])])], max_tuples).await;
        for text in JOINS {
            for query in same(&both, text).await {
                let keys = query.keys.unwrap_or_else(|| panic!("asked without keys: {text}"));
                assert!(
                    keys.tuples.len() <= max_tuples && keys.tuples.iter().flatten().all(|value| matches!(value, Value::Int32(_))),
                    "{text}"
                );
            }
        }
        let few = same(&both, JOINS[1]).await;
        assert_eq!(few.iter().flat_map(|query| &query.keys).map(|keys| keys.tuples.len()).sum::<usize>(), 2, "keys are sent once");
    }
}

/// The same, with key sets that are the orders' own, and a request that has so many bytes; of customers it can be asked once.
fn with_own_keys(required: Vec<Vec<Requirement>>, max_request_bytes: usize) -> Capabilities {
    let mut own = declared(&[("orders", required)], 1_000);
    let taken = |names: &[&str], max_tuples| {
        let columns = names.iter().map(|name| (*name).to_owned()).collect();
        TableKeys { columns, support: Support::Exact, max_tuples, max_bytes: 0 }
    };
    let orders = own.tables.get_mut("orders").unwrap();
    orders.keys = Some(vec![taken(&["order_id"], 1), taken(&["customer_id"], 2), taken(&["year", "customer_id"], 3)]);
    orders.max_request_bytes = Some(max_request_bytes);
    orders.columns.insert("customer_id".to_owned(), ColumnCapabilities { once: true, ..ColumnCapabilities::default() });
    own
}

/// Of every question to a table with these key sets: by which columns, and by how many keys.
async fn asked_by(required: &[&[&str]], max_request_bytes: usize, text: &str) -> Vec<(Vec<String>, usize)> {
    let required = required.iter().map(|list| keys(list)).collect();
    let own = bench(options(Some(with_own_keys(required, max_request_bytes)))).await;
    let both = (own, bench(options(None)).await);
    let asked = same(&both, text).await.into_iter().map(|query| {
        let relation = query.from.columns();
        let keys = query.keys.unwrap_or_else(|| panic!("asked without keys: {text}"));
        (keys.columns.iter().map(|column| relation[*column].name.clone()).collect(), keys.tuples.len())
    });
    sorted_by_size(asked.collect())
}

fn sorted_by_size(mut asked: Vec<(Vec<String>, usize)>) -> Vec<(Vec<String>, usize)> {
    asked.sort_by_key(|(_, tuples)| std::cmp::Reverse(*tuples));
    asked
}

#[tokio::test]
async fn keys_are_sent_as_the_table_itself_takes_them() {
    for text in JOINS {
        for (columns, tuples) in asked_by(&[&["customer_id"]], 0, text).await {
            assert!(columns == ["customer_id"] && tuples <= 2, "{text}: {tuples} of {columns:?}");
        }
    }
    let sizes = |asked: &[(Vec<String>, usize)]| asked.iter().map(|(_, tuples)| *tuples).collect::<Vec<_>>();
    let joined = asked_by(&[&["customer_id"]], 0, JOINS[0]).await;
    assert_eq!(sizes(&joined), [2, 2, 1]);
    // A request has room for one of them beside the rest of it.
    assert_eq!(sizes(&asked_by(&[&["customer_id"]], 55, JOINS[0]).await), [1; 5]);
    let years = "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE o.Year IN (2020, 2021)";
    let pairs = asked_by(&[&["year", "customer_id"]], 0, years).await;
    assert_eq!(sizes(&pairs), [3, 3, 3, 1]);
    assert!(pairs.iter().all(|(columns, _)| columns == &["customer_id", "year"]), "{pairs:?}");
    // Both lists are met, but no request takes keys of both.
    let either: &[&[&str]] = &[&["order_id"], &["customer_id"]];
    let text = "SELECT c.Name FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE o.OrderId IN (1, 2, 3)";
    assert_eq!(sizes(&asked_by(either, 0, text).await), [1; 3]);
    // What is asked by keys is not asked for once more by the condition that names them.
    assert_eq!(sizes(&asked_by(&[&["customer_id"]], 0, "SELECT OrderId FROM Orders WHERE CustomerId = 2 AND Amount > 20").await), [1]);
    assert_eq!(sizes(&asked_by(&[&["customer_id"]], 0, "SELECT count(*) FROM Orders WHERE CustomerId IN (1, 2)").await), [2]);
    let own = bench(options(Some(with_own_keys(vec![keys(&["customer_id"])], 0)))).await;
    let plan = own.rows("all", &format!("EXPLAIN {}", JOINS[0])).await.join("\n");
    assert!(plan.contains("keys=[customer_id], required, at most 2 in one request"), "{plan}");
}

#[tokio::test]
async fn where_nothing_has_the_keys_the_plan_is_refused() {
    let both = both(&[("orders", vec![keys(&["customer_id"])])], 10).await;
    for refused in [
        "SELECT o.OrderId FROM Orders o LEFT JOIN Customers c ON o.CustomerId = c.Id",
        "SELECT c.Name, o.OrderId FROM Customers c FULL JOIN Orders o ON o.CustomerId = c.Id",
        "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.OrderId = c.Id",
        "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId > c.Id",
        "SELECT c.Name FROM Customers c WHERE c.Id NOT IN (SELECT CustomerId FROM Orders)",
        "SELECT c.Name FROM Customers c WHERE c.Id < (SELECT count(*) FROM Orders)",
        "SELECT c.Name, o.OrderId FROM Customers c JOIN (SELECT * FROM Orders LIMIT 5) o ON o.CustomerId = c.Id",
        "SELECT a.OrderId FROM Orders a JOIN Orders b ON a.CustomerId = b.CustomerId",
        "EXPLAIN SELECT OrderId FROM Orders",
    ] {
        let error = both.0.error("all", refused).await;
        let EngineError::Invalid(message) = &error else { panic!("{refused}: {error:?}") };
        assert!(message.starts_with("'orders' can only be read by customer_id"), "{refused}: {message}");
        assert!(both.0.erp.log().is_empty() && both.0.crm.log().is_empty(), "{refused}");
    }
}

#[tokio::test]
async fn keys_of_a_join_and_of_the_filter_are_put_together() {
    let both = both(&[("orders", vec![keys(&["customer_id", "year"])]), ("rates", vec![keys(&["year", "kind"])])], 3).await;
    for text in [
        "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE o.Year = 2021",
        "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE o.Year IN (2020, 2022) AND o.Amount > 20",
        "SELECT OrderId FROM Orders WHERE CustomerId IN (1, 2, 3) AND (Year = 2020 OR Year = 2021) ORDER BY Amount DESC LIMIT 4",
        "SELECT c.Name, o.OrderId, r.Rate FROM Rates r JOIN Orders o ON r.Year = o.Year JOIN Customers c ON o.CustomerId = c.Id WHERE o.Year = 2021 AND r.Kind = 'a'",
        // Both columns from one join, of which one comes of each of two tables.
        "SELECT v.y, c.Name, o.OrderId FROM Customers c, (VALUES (2020), (2022)) AS v(y), Orders o WHERE o.CustomerId = c.Id AND o.Year = v.y",
    ] {
        for query in same(&both, text).await {
            let keys = query.keys.unwrap_or_else(|| panic!("asked without keys: {text}"));
            assert!(keys.columns.len() == 2 && keys.tuples.len() <= 3, "{keys:?}");
        }
    }
    for refused in [
        "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id",
        "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE o.Year > 2020",
    ] {
        let error = both.0.error("all", refused).await.to_string();
        assert!(error.contains("'orders' can only be read by customer_id, year"), "{error}");
    }
}

#[tokio::test]
async fn any_one_of_several_requirements_will_do() {
    let from = vec![Requirement::From("amount".to_owned()), Requirement::To("amount".to_owned())];
    let both = both(&[("orders", vec![keys(&["order_id"]), keys(&["customer_id"]), from])], 2).await;
    for (text, column) in [
        ("SELECT OrderId FROM Orders WHERE OrderId = 3 AND CustomerId = 4", Some(0)),
        ("SELECT OrderId FROM Orders WHERE CustomerId IN (2, 4, 1)", Some(1)),
        ("SELECT OrderId FROM Orders WHERE Amount BETWEEN 20 AND 70", None),
        ("SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.OrderId = c.Id", Some(0)),
        ("SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id", Some(1)),
    ] {
        let asked = same(&both, text).await;
        assert!(!asked.is_empty(), "{text}");
        for query in asked {
            assert_eq!(query.keys.map(|keys| keys.columns), column.map(|column| vec![column]), "{text}");
        }
    }
    let error = both.0.error("all", "SELECT OrderId FROM Orders WHERE Amount > 5").await.to_string();
    assert!(error.contains("by order_id, or customer_id, or a least amount and a greatest amount"), "{error}");
}

#[tokio::test]
async fn keys_are_named_by_conditions_that_the_source_does_not_evaluate() {
    let mut able = declared(&[("orders", vec![keys(&["customer_id"])])], 1);
    able.filter = Default::default();
    (able.limit, able.sort, able.aggregate) = Default::default();
    able.joins = Default::default();
    let both = (bench(options(Some(able))).await, bench(options(None)).await);
    for text in [
        "SELECT OrderId FROM Orders WHERE CustomerId = 2",
        "SELECT OrderId FROM Orders WHERE CustomerId IN (1, 2, 3, 4, NULL) AND OrderId % 2 = 0",
        "SELECT OrderId FROM Orders WHERE (CustomerId = 1 AND length(CAST(OrderId AS VARCHAR)) = 1) OR (CustomerId = 2 AND Amount > 10)",
        "SELECT max(Amount) FROM Orders WHERE CustomerId IN (1, 3) LIMIT 1",
        "SELECT c.Name, o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE o.CustomerId < 3",
    ] {
        let asked = same(&both, text).await;
        assert!(
            asked.iter().all(|query| query.filter.is_none() && query.keys.as_ref().is_some_and(|keys| keys.tuples.len() == 1)),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn keys_that_need_too_much_memory_are_refused_by_the_name_of_the_limit() {
    let columns = vec![RemoteColumn::plain("id", ScalarType::Int64, false), RemoteColumn::plain("name", ScalarType::Text, false)];
    let rows: Vec<Vec<Value>> = (0..20_000).map(|id| vec![Value::Int64(id), Value::text(format!("{id:0>40}"))]).collect();
    let settings = EngineSettings { query_memory: 1 << 20, ..EngineSettings::default() };
    let options = Options {
        tables: r#"{ "Many": { "source": "crm", "remote": "many" }, "Named": { "source": "erp", "remote": "named" } }"#.to_owned(),
        access: r#"{ "roles": { "all": { "Many": {}, "Named": {} } } }"#.to_owned(),
        crm: vec![table("many", columns.clone(), &["id"], &rows)],
        erp: vec![table("named", columns, &["id"], &rows[..5])],
        settings,
        capabilities: Some(declared(&[("named", vec![keys(&["name"])])], 500)),
        ..Options::default()
    };
    let bench = bench(options).await;
    let text = "SELECT count(*) FROM Many m JOIN Named n ON n.name = m.name";
    let EngineError::Limit(message) = bench.error("all", text).await else { panic!("no limit") };
    assert!(message.contains("'named' can only be read by keys") && message.contains("query_memory"), "{message}");
    assert!(bench.erp.log().is_empty());
    assert_eq!(bench.engine.local_memory(), (0, 0), "memory is given back");
}

#[tokio::test]
async fn chunks_of_one_key_are_asked_together() {
    let together = Options { together: Some(4), ..options(Some(declared(&[("orders", vec![keys(&["customer_id"])])], 1))) };
    let bench = bench(together).await;
    let soon = |mut context: portico_engine::RequestContext| {
        context.deadline = SystemTime::now() + Duration::from_secs(60);
        context
    };
    let text = "SELECT o.OrderId FROM Customers c JOIN Orders o ON o.CustomerId = c.Id WHERE c.Id < 5";
    let batches = bench.sql_in(&soon(context(&principal("all"))), text).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 10);
    assert_eq!(bench.erp.log().len(), 4);
}

#[tokio::test]
async fn explain_shows_the_request_with_its_keys() {
    let both = both(&[("orders", vec![keys(&["customer_id", "year"])])], 3).await;
    let text = "EXPLAIN SELECT c.Name, o.OrderId FROM Orders o JOIN Customers c ON o.CustomerId = c.Id WHERE o.Year = 2021";
    let shown = both.0.rows("all", text).await.join("\n");
    assert!(shown.contains("bind join: source=erp, table=orders, keys=[customer_id, year], required, at most 3 in one request"), "{shown}");
    assert!(shown.contains("KeyFeed: table=orders"), "{shown}");
    assert!(shown.contains("(customer_id, year) in ((?, ?))") || shown.contains("keys"), "{shown}");
    println!("{shown}");
    assert!(both.0.erp.log().is_empty());
}

/// Customers 1 to 4 with their orders: how many each, and all order numbers as they come.
async fn expanded(bench: &Bench, below: impl FnOnce(&mut BoundQuery), nested: bool) -> (Vec<usize>, Vec<i64>) {
    let mut orders = query("Orders", &[0]);
    if nested {
        orders.expand = vec![BoundExpand::entities(0, "Customer", false, query("Customers", &[0]))];
    }
    below(&mut orders);
    let mut customers = query("Customers", &[0]);
    let id = || Box::new(BoundExpr::Column(0));
    let five = Box::new(BoundExpr::Literal(Value::Int64(5)));
    customers.filter = Some(BoundExpr::Compare { op: ComparisonOperator::Lt, left: id(), right: five });
    customers.expand = vec![BoundExpand::entities(0, "Orders", true, orders)];
    let read = tokio::time::timeout(Duration::from_secs(60), async {
        let Answer::Entities(mut answer) = bench.read("all", collection(customers), Paging::default()).await.unwrap() else {
            panic!("not entities")
        };
        let batch = answer.rows.next().await.unwrap().unwrap();
        assert!(answer.rows.next().await.is_none());
        batch
    });
    let batch = read.await.expect("chunks of keys are not asked together");
    let orders = &batch.expanded[0];
    let numbers = orders.entities.rows.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
    let numbers = orders.ranges.iter().flat_map(|range| range.clone().map(|at| numbers.value(at))).collect();
    (orders.ranges.iter().map(std::ops::Range::len).collect(), numbers)
}

#[tokio::test]
async fn expansion_by_one_key_at_a_time_asks_for_several_together() {
    for (required, nested) in [(true, false), (false, true)] {
        let required = if required { vec![("orders", vec![keys(&["customer_id"])])] } else { Vec::new() };
        let strict = bench(Options { together: Some(4), ..options(Some(declared(&required, 1))) }).await;
        let free = bench(options(None)).await;
        let newest = |orders: &mut BoundQuery| {
            orders.order_by = vec![BoundOrder { expr: BoundExpr::Column(3), descending: true }];
            orders.top = Some(2);
        };
        let found = expanded(&strict, newest, nested).await;
        assert_eq!(found, expanded(&free, newest, nested).await);
        assert_eq!(found.0, [2, 2, 2, 2]);
        let asked = strict.erp.log();
        assert!(asked.len() == 4 && asked.iter().all(|query| query.keys.as_ref().is_some_and(|keys| keys.tuples.len() == 1)), "{asked:?}");
        strict.erp.clear_log();
        assert_eq!(expanded(&strict, |_| {}, nested).await, expanded(&free, |_| {}, nested).await);
    }
}

#[tokio::test]
async fn expansion_names_the_keys_that_the_relationship_does_not_have() {
    let both = both(&[("orders", vec![keys(&["customer_id", "year"])])], 1).await;
    let of_year = |orders: &mut BoundQuery| {
        let years = vec![Value::Int32(2020), Value::Int32(2021)];
        orders.filter = Some(BoundExpr::In { expr: Box::new(BoundExpr::Column(2)), list: years });
        orders.order_by = vec![BoundOrder { expr: BoundExpr::Column(3), descending: true }];
    };
    assert_eq!(expanded(&both.0, of_year, true).await, expanded(&both.1, of_year, true).await);
    assert_eq!(both.0.erp.log().len(), 8, "each of four customers in each of two years");
}

#[tokio::test]
async fn lambdas_and_paths_lead_to_tables_that_require_keys() {
    for max_tuples in [1, 3] {
        let both = both(&[("orders", vec![keys(&["customer_id"])]), ("customers", vec![keys(&["id"])])], max_tuples).await;
        // The third time the plan of the first may serve.
        for number in 1..=4 {
            for url in [
                format!("Customers?$filter=Id le {number} and Id in (1,2,3,4,5) and Orders/any(o:o/Amount gt 70)"),
                format!("Customers?$filter=Id in ({number},5) and not Orders/any(o:o/Amount gt 70)"),
                format!("Customers?$filter=(Id eq {number} or Id eq 5) and Orders/$count ge 2"),
                format!("Orders?$filter=CustomerId eq {number} and Customer/Region eq 'EMEA'"),
                format!("Orders?$filter=CustomerId in ({number},1,2) and Customer/Name ne 'Beta'"),
            ] {
                let [strict, free] = [&both.0, &both.1].map(|bench| asked(bench, "all", &url));
                assert_eq!(strict.await.unwrap(), free.await.unwrap(), "{url}");
            }
        }
    }
}

#[tokio::test]
async fn a_source_that_finds_more_by_a_key_than_has_it_gives_each_row_once() {
    let columns = vec![RemoteColumn::plain("id", ScalarType::Int64, false), RemoteColumn::plain("name", ScalarType::Text, true)];
    let rows = |names: &[&str]| (0_i64..).zip(names).map(|(id, name)| vec![Value::Int64(id), Value::text(*name)]).collect::<Vec<_>>();
    let mut own = declared(&[("named", vec![keys(&["name"])])], 1);
    own.collation = Collation::CaseInsensitive;
    let options = Options {
        tables: r#"{ "Many": { "source": "crm", "remote": "many" }, "Named": { "source": "erp", "remote": "named" } }"#.to_owned(),
        access: r#"{ "roles": { "all": { "Many": {}, "Named": {} } } }"#.to_owned(),
        crm: vec![table("many", columns.clone(), &["id"], &rows(&["a", "A", "b", "a"]))],
        erp: vec![table("named", columns, &["id"], &rows(&["A", "a", "B", "c", "a"]))],
        capabilities: Some(own),
        ignores_case: true,
        ..Options::default()
    };
    let bench = bench(options).await;
    let joined = "SELECT m.id, n.id FROM Many m JOIN Named n ON n.name = m.name";
    assert_eq!(sorted(bench.rows("all", joined).await), ["0,1", "0,4", "1,0", "3,1", "3,4"]);
    assert_eq!(sorted(bench.rows("all", "SELECT id FROM Named WHERE name IN ('a', 'A', 'C')").await), ["0", "1", "4"]);
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Named WHERE name = 'a'").await, ["2"]);
}

#[tokio::test]
async fn a_join_that_spills_gives_its_keys_all_the_same() {
    let columns = vec![
        RemoteColumn::plain("id", ScalarType::Int64, false),
        RemoteColumn::plain("link", ScalarType::Int64, true),
        RemoteColumn::plain("text", ScalarType::Text, false),
    ];
    // In batches as large as those of a server are, in proportion.
    let chunked = |name: &str, from: i64| {
        let row = |id: i64| vec![Value::Int64(id), Value::Int64((id * 7 + from) % 300), Value::text(format!("{id:0>400}"))];
        let chunk = |chunk: i64| table(name, columns.clone(), &["id"], &(chunk * 250..(chunk + 1) * 250).map(row).collect::<Vec<_>>());
        let chunks: Vec<MemoryTable> = (0..60).map(chunk).collect();
        MemoryTable { batches: chunks.iter().flat_map(|chunk| chunk.batches.clone()).collect(), ..chunks[0].clone() }
    };
    let world = |settings| Options {
        tables: r#"{ "Many": { "source": "crm", "remote": "many" }, "Others": { "source": "erp", "remote": "others" } }"#.to_owned(),
        access: r#"{ "roles": { "all": { "Many": {}, "Others": {} } } }"#.to_owned(),
        crm: vec![chunked("many", 1)],
        erp: vec![chunked("others", 2)],
        settings,
        capabilities: Some(declared(&[("others", vec![keys(&["link"])])], 100)),
        ..Options::default()
    };
    let small = EngineSettings { query_memory: 4 << 20, ..EngineSettings::default() };
    let (little, enough) = (bench(world(small)).await, bench(world(EngineSettings::default())).await);
    for text in [
        "SELECT m.id, count(*), min(o.text), max(m.text) FROM Many m JOIN Others o ON o.link = m.link WHERE o.id < 90 GROUP BY m.id",
        "SELECT m.id, o.id, m.text FROM Many m LEFT JOIN Others o ON o.link = m.link AND o.id < 90",
        "SELECT m.id, m.text FROM Many m WHERE EXISTS (SELECT 1 FROM Others o WHERE o.link = m.link AND o.id < 90)",
        "SELECT m.id, m.text FROM Many m WHERE NOT EXISTS (SELECT 1 FROM Others o WHERE o.link = m.link AND o.id < 90)",
    ] {
        let mut soon = context(&principal("all"));
        soon.deadline = SystemTime::now() + Duration::from_secs(100);
        let found = little.sql_in(&soon, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(sorted(crate::harness::lines(&found)), sorted(enough.rows("all", text).await), "{text}");
    }
}
