//! Requests that differ in constants share a plan, and each gets its own answer: whatever the constants, whoever asks, however many ask at
//! once.

use crate::harness::{Bench, Options, bench, collection, context, lines, principal, query};
use crate::kinds::{Column, World};
use crate::null_logic::{Tally, filter_case, number, seed};
use crate::odata_random::{columns, literal, rows, value};
use fastrand::Rng;
use futures::StreamExt;
use portico_engine::{Answer, Attribute, Paging, Principal, RequestContext, SqlStatement, Statement};
use portico_odata::{BoundExpand, BoundExpr, BoundRead, ComparisonOperator, ReadKind};
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

/// A condition in which each column stands beside a constant that is chosen anew each time.
fn shape(random: &mut Rng, columns: &[Column]) -> Vec<(String, ScalarType, bool)> {
    let parts = random.usize(1..4);
    let mut made = Vec::new();
    for part in 0..parts {
        let column = &columns[random.usize(0..columns.len())];
        let is_text = column.scalar_type == ScalarType::Text;
        let ordered = !matches!(column.scalar_type, ScalarType::Boolean | ScalarType::Json | ScalarType::Binary);
        let op = if ordered { ["eq", "ne", "lt", "le", "gt", "ge"][random.usize(0..6)] } else { ["eq", "ne"][random.usize(0..2)] };
        let path = if random.u8(0..6) == 0 { "Next/" } else { "" };
        let condition = match (is_text, random.u8(0..4)) {
            (true, 0) => format!("startswith({path}{},@)", column.name),
            (true, 1) => format!("contains({path}{},@)", column.name),
            (_, 2) if ordered => format!("@ {op} {path}{}", column.name),
            _ => format!("{path}{} {op} @", column.name),
        };
        let condition = if random.u8(0..4) == 0 { format!("not ({condition})") } else { condition };
        let link = if part == 0 { "" } else { [" and ", " or "][random.usize(0..2)] };
        made.push((format!("{link}{condition}"), column.scalar_type, column.nullable));
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_conditions_of_one_shape_mean_what_the_specification_says() {
    let (mut random, columns) = (Rng::with_seed(seed()), columns());
    let columns: Vec<Column> = columns.into_iter().filter(|column| column.scalar_type != ScalarType::Json).collect();
    let rows = rows(&mut random, &columns, 0..40);
    let world = World::new(&columns, &rows).await;
    let mut tally = Tally::default();
    for _ in 0..number("PORTICO_CASES").unwrap_or(40) {
        let shape = shape(&mut random, &columns);
        for _ in 0..4 {
            let text: String = shape
                .iter()
                .map(|(part, scalar_type, nullable)| {
                    let null = *nullable && part.contains(" eq @") && random.u8(0..8) == 0;
                    let constant = if null { "null".to_owned() } else { literal(&value(&mut random, *scalar_type)) };
                    part.replace('@', &constant)
                })
                .collect();
            filter_case(&world, &text, &mut tally).await;
        }
    }
    let counts = world.engine.shape_counts().unwrap();
    println!("{} evaluations, {counts:?}, {} refused", tally.evaluations, tally.refused);
    assert!(tally.differences.is_empty(), "{}", tally.differences.join("\n"));
    assert!(counts.used > counts.made / 2, "hardly any plan was used again: {counts:?}");
}

fn order(id: i64) -> BoundRead {
    let mut one = query("Orders", &[0, 2]);
    one.key = Some(vec![Value::Int64(id)]);
    BoundRead::new(one, ReadKind::Entity)
}

async fn ids(bench: &Bench, context: &RequestContext, read: BoundRead) -> Vec<i64> {
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    let model_version = bench.engine.model().unwrap().version.clone();
    let read = portico_engine::EntityRead { service, model_version, read, paging: Paging::default() };
    let Answer::Entities(mut answer) = bench.answer(&Statement::Entities(Box::new(read)), context).await.unwrap() else { panic!() };
    let mut found = Vec::new();
    while let Some(batch) = answer.rows.next().await {
        let batch = batch.unwrap();
        let ids = batch.rows.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
        found.extend(ids.values().iter().copied());
    }
    found
}

#[tokio::test]
async fn the_second_of_a_shape_is_planned_no_more() {
    let bench = bench(Options::default()).await;
    let all = context(&principal("all"));
    for id in [101, 105, 110, 101] {
        assert_eq!(ids(&bench, &all, order(id)).await, [id]);
    }
    let counts = bench.engine.shape_counts().unwrap();
    assert_eq!((counts.made, counts.used), (1, 3));
    let asked = bench.erp.log();
    assert!(asked.windows(2).all(|two| two[0].output == two[1].output), "all were asked the same way");
    // Another selection is another shape, and so is another role.
    let mut other = order(101);
    other.query.select = vec![0];
    assert_eq!(ids(&bench, &all, other).await, [101]);
    assert_eq!(ids(&bench, &context(&principal("orders")), order(102)).await, [102]);
    assert_eq!(bench.engine.shape_counts().unwrap().made, 3);
}

#[tokio::test]
async fn rules_are_those_of_the_caller() {
    let bench = bench(Options::default()).await;
    let of = |region: &str| {
        let attributes = [("region".to_owned(), Attribute::Text(region.to_owned()))];
        context(&Principal { attributes: attributes.into(), ..principal("emea") })
    };
    let mut customers = query("Customers", &[0]);
    customers.filter = Some(BoundExpr::compare(ComparisonOperator::Ge, BoundExpr::Column(0), BoundExpr::Literal(Value::Int64(1))));
    for (region, expected) in [("EMEA", vec![1, 3]), ("APAC", vec![2]), ("EMEA", vec![1, 3]), ("nowhere", vec![]), ("APAC", vec![2])] {
        assert_eq!(ids(&bench, &of(region), collection(customers.clone())).await, expected, "{region}");
    }
    let lacking = context(&Principal { attributes: Default::default(), ..principal("emea") });
    let refused = bench
        .engine
        .plan(&Statement::Sql(SqlStatement { text: "SELECT Id FROM Customers".into(), parameters: vec![] }), &lacking.principal);
    assert!(bench.engine.permit(refused.unwrap(), &lacking.principal).is_err(), "without the attribute nothing is seen");
}

#[tokio::test]
async fn statements_share_a_plan_by_their_text() {
    let bench = bench(Options::default()).await;
    let all = context(&principal("all"));
    let rows = async |text: &str, parameters: Vec<Value>| {
        let statement = Statement::Sql(SqlStatement { text: text.to_owned(), parameters });
        let Answer::Table(mut answer) = bench.answer(&statement, &all).await.unwrap() else { panic!("not a table") };
        let mut batches = Vec::new();
        while let Some(batch) = answer.batches.next().await {
            batches.push(batch.unwrap());
        }
        if batches.is_empty() { Vec::new() } else { lines(&batches) }
    };
    let text = "SELECT o.OrderId FROM Orders o JOIN Customers c ON c.Id = o.CustomerId WHERE c.Name = $1 AND o.Amount >= $2";
    for (name, amount, expected) in
        [("Alpha", 1, vec!["101", "105", "109"]), ("Beta", 30, vec!["102", "106", "110"]), ("Alpha", 40, vec!["105", "109"])]
    {
        let found = rows(text, vec![Value::text(name), Value::Int32(amount)]).await;
        let expected: Vec<&str> = if name == "Beta" { expected[1..].to_vec() } else { expected };
        assert_eq!(found, expected, "{name} {amount}");
    }
    let counts = bench.engine.shape_counts().unwrap();
    assert_eq!((counts.made, counts.used), (1, 2));
    // A number that is none of the column's, and a null, are planned by themselves.
    assert_eq!(rows(text, vec![Value::text("Alpha"), Value::float64(40.5)]).await, ["105", "109"]);
    assert_eq!(rows(text, vec![Value::Null(ScalarType::Text), Value::Int32(1)]).await, [] as [&str; 0]);
    // So is what asks for the time, and how many rows are wanted.
    for _ in 0..2 {
        assert_eq!(rows("SELECT OrderId FROM Orders WHERE Placed < current_date AND OrderId = 101", vec![]).await, ["101"]);
        assert_eq!(rows("SELECT OrderId FROM Orders ORDER BY OrderId LIMIT $1", vec![Value::Int64(1)]).await, ["101"]);
    }
    assert_eq!(bench.engine.shape_counts().unwrap().used, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expansions_at_once_do_not_mix() {
    let bench = Arc::new(bench(Options::default()).await);
    let expanded = |id: i64| {
        let mut customer = query("Customers", &[0]);
        customer.key = Some(vec![Value::Int64(id)]);
        customer.expand = vec![BoundExpand::entities(0, "Orders", true, query("Orders", &[0, 1]))];
        BoundRead::new(customer, ReadKind::Entity)
    };
    let running: Vec<_> = (0..200_i64)
        .map(|number| {
            let (bench, read) = (Arc::clone(&bench), expanded(1 + number % 4));
            tokio::spawn(async move {
                let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
                let model_version = bench.engine.model().unwrap().version.clone();
                let read = portico_engine::EntityRead { service, model_version, read, paging: Paging::default() };
                let context = context(&principal("all"));
                let answer = bench.answer(&Statement::Entities(Box::new(read)), &context).await.unwrap();
                let Answer::Entities(mut answer) = answer else { panic!() };
                let entity = answer.rows.next().await.unwrap().unwrap();
                let orders = &entity.expanded[0].entities;
                let ids = orders.rows.column(1).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap().clone();
                (1 + number % 4, ids)
            })
        })
        .collect();
    for task in running {
        let (customer, owners) = task.await.unwrap();
        assert!(!owners.is_empty() && owners.iter().all(|owner| owner == Some(customer)), "{customer}: {owners:?}");
    }
    assert!(bench.engine.shape_counts().unwrap().used > 100);
}
