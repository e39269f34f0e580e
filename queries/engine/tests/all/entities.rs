//! OData reads: expansion, paging by key, counts, null logic.

use crate::harness::{Bench, Options, bench, collection, query};
use arrow::array::{Array, Int64Array, StringArray};
use portico_engine::{Answer, EngineError, Paging};
use portico_odata::bound::Via;
use portico_odata::{BoundExpand, BoundExpr, BoundOrder, BoundQuery, BoundRead, ComparisonOperator, EntityBatch, ReadKind};
use portico_provider_api::capabilities::{SortCapabilities, TypeClass};
use portico_provider_api::{Capabilities, ScalarType, SourceQuery, Value};

async fn batches(bench: &Bench, read: BoundRead, paging: Paging) -> (Vec<EntityBatch>, Option<Vec<Value>>, Option<u64>) {
    let Answer::Entities(mut answer) = bench.read("all", read, paging).await.unwrap() else { panic!("not entities") };
    let mut batches = Vec::new();
    while let Some(batch) = answer.rows.next().await {
        batches.push(batch.unwrap());
    }
    (batches, answer.rows.next_position().map(<[Value]>::to_vec), answer.count)
}

fn ids(batches: &[EntityBatch]) -> Vec<i64> {
    let column = |batch: &EntityBatch| batch.rows.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec();
    batches.iter().flat_map(column).collect()
}

fn compare(op: ComparisonOperator, column: usize, value: Value) -> BoundExpr {
    BoundExpr::Compare { op, left: Box::new(BoundExpr::Column(column)), right: Box::new(BoundExpr::Literal(value)) }
}

async fn filtered(bench: &Bench, filter: BoundExpr) -> Vec<i64> {
    let mut all = query("Customers", &[0]);
    all.filter = Some(filter);
    let mut found = ids(&batches(bench, collection(all), Paging::default()).await.0);
    found.sort_unstable();
    found
}

#[tokio::test]
async fn comparisons_are_two_valued() {
    let bench = bench(Options::default()).await;
    let region = |op| compare(op, 2, Value::text("EMEA"));
    let not = |inner| BoundExpr::Not(Box::new(inner));
    let null = || compare(ComparisonOperator::Eq, 2, Value::Null(ScalarType::Text));
    assert_eq!(filtered(&bench, region(ComparisonOperator::Eq)).await, [1, 3]);
    assert_eq!(filtered(&bench, region(ComparisonOperator::Ne)).await, [2, 4, 5], "null differs from a value");
    assert_eq!(filtered(&bench, not(region(ComparisonOperator::Eq))).await, [2, 4, 5]);
    assert_eq!(filtered(&bench, region(ComparisonOperator::Gt)).await, [] as [i64; 0]);
    assert_eq!(filtered(&bench, not(region(ComparisonOperator::Gt))).await, [1, 2, 3, 4, 5], "null gt 'EMEA' is false");
    assert_eq!(filtered(&bench, null()).await, [4]);
    assert_eq!(filtered(&bench, not(null())).await, [1, 2, 3, 5]);
    let list = |list: Vec<Value>| BoundExpr::In { expr: Box::new(BoundExpr::Column(2)), list };
    assert_eq!(filtered(&bench, list(vec![Value::text("APAC"), Value::Null(ScalarType::Text)])).await, [2, 4]);
    assert_eq!(filtered(&bench, not(list(vec![Value::text("APAC")]))).await, [1, 3, 4, 5]);
    assert_eq!(filtered(&bench, not(list(vec![Value::text("APAC"), Value::Null(ScalarType::Text)]))).await, [1, 3, 5]);
}

#[tokio::test]
async fn concatenated_pages_are_the_whole_result() {
    let bench = bench(Options::default()).await;
    for (column, descending) in [(2, false), (2, true), (4, false), (4, true), (1, true)] {
        let mut all = query("Customers", &[0]);
        all.order_by = vec![BoundOrder { expr: BoundExpr::Column(column), descending }];
        let (whole, next, _) = batches(&bench, collection(all.clone()), Paging::default()).await;
        assert_eq!(next, None);
        let (mut paged, mut position) = (Vec::new(), None);
        for _ in 0..10 {
            let (page, next, _) = batches(&bench, collection(all.clone()), Paging { size: 2, position }).await;
            paged.extend(ids(&page));
            position = next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(paged, ids(&whole), "column {column}, descending {descending}");
    }
    let last = bench.crm.log().pop().unwrap();
    assert_eq!(last.offset, 0, "pages seek, they do not skip");
}

/// A source that cannot sort, as a service whose keys have an order of its own.
fn unsorted(able: &mut Capabilities) {
    able.sort = SortCapabilities::default();
    able.filter.comparisons.remove(&TypeClass::Text);
}

#[tokio::test]
async fn a_part_is_cut_off_by_the_source_where_nobody_wants_an_order() {
    let bench = bench(Options { limits: unsorted, ..Options::default() }).await;
    let part = |change: fn(&mut BoundQuery)| {
        let mut part = query("Customers", &[0]);
        (part.top, part.skip) = (Some(2), 1);
        change(&mut part);
        collection(part)
    };
    let of_source = |query: &SourceQuery| (query.limit, query.offset, query.order_by.len());
    for (read, paging) in [
        (part(|_| {}), Paging::default()),
        // The page is not full before the part is.
        (part(|_| {}), Paging { size: 2, position: None }),
        (part(|part| part.filter = Some(compare(ComparisonOperator::Ge, 0, Value::Int64(1)))), Paging::default()),
    ] {
        bench.crm.clear_log();
        assert_eq!(ids(&batches(&bench, read, paging).await.0), [2, 3]);
        assert_eq!(bench.crm.log().iter().map(of_source).collect::<Vec<_>>(), [(Some(2), 1, 0)]);
    }
    // With an order, a condition that the source does not know, or a page that others follow, it is read as a whole and sorted here.
    for (read, paging, found) in [
        (part(|part| part.order_by = vec![BoundOrder { expr: BoundExpr::Column(0), descending: true }]), Paging::default(), vec![4, 3]),
        (part(|part| part.filter = Some(compare(ComparisonOperator::Eq, 2, Value::text("EMEA")))), Paging::default(), vec![3]),
        (part(|_| {}), Paging { size: 1, position: None }, vec![2]),
    ] {
        bench.crm.clear_log();
        assert_eq!(ids(&batches(&bench, read, paging).await.0), found);
        assert_eq!(bench.crm.log().iter().map(of_source).collect::<Vec<_>>(), [(None, 0, 0)]);
    }
}

#[tokio::test]
async fn a_source_without_an_order_of_its_own_is_sorted_here() {
    let limits = |able: &mut Capabilities| {
        unsorted(able);
        able.stable_order = false;
    };
    let bench = bench(Options { limits, ..Options::default() }).await;
    let mut part = query("Customers", &[0]);
    part.top = Some(2);
    assert_eq!(ids(&batches(&bench, collection(part), Paging::default()).await.0), [1, 2]);
    assert_eq!(bench.crm.log().iter().map(|query| query.limit).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn nulls_sort_lowest() {
    let bench = bench(Options::default()).await;
    let mut by_region = query("Customers", &[0]);
    by_region.order_by = vec![BoundOrder { expr: BoundExpr::Column(2), descending: false }];
    assert_eq!(ids(&batches(&bench, collection(by_region.clone()), Paging::default()).await.0)[0], 4);
    by_region.order_by[0].descending = true;
    assert_eq!(*ids(&batches(&bench, collection(by_region), Paging::default()).await.0).last().unwrap(), 4);
}

fn with_orders(nested: impl FnOnce(&mut BoundQuery)) -> BoundQuery {
    let mut customers = query("Customers", &[0, 1]);
    let mut orders = query("Orders", &[0, 2]);
    nested(&mut orders);
    customers.expand = vec![BoundExpand::entities(0, "Orders", true, orders)];
    customers
}

#[tokio::test]
async fn expansion_asks_the_other_source_once_per_chunk_of_parents() {
    let settings = portico_engine::EngineSettings { expand_chunk: 2, ..Default::default() };
    let bench = bench(Options { settings, ..Options::default() }).await;
    let expanded = with_orders(|orders| {
        orders.top = Some(2);
        orders.order_by = vec![BoundOrder { expr: BoundExpr::Column(2), descending: true }];
    });
    let (found, _, _) = batches(&bench, collection(expanded), Paging::default()).await;
    assert_eq!(bench.erp.log().len(), 3, "five parents in chunks of two");
    assert!(
        bench.erp.log().iter().all(|query| query.limit_per.is_some() && query.keys.is_some()),
        "{:?}",
        bench.erp.log().iter().map(|q| (&q.limit_per, &q.order_by, q.keys.is_some(), &q.output)).collect::<Vec<_>>()
    );
    let children: Vec<Vec<i64>> = found
        .iter()
        .flat_map(|batch| {
            let orders = ids(std::slice::from_ref(&batch.expanded[0].entities));
            batch.expanded[0].ranges.iter().map(move |range| orders[range.clone()].to_vec()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(children, [vec![109, 105], vec![110, 106], vec![107, 103], vec![108, 104], vec![]]);
}

#[tokio::test]
async fn expansion_is_the_same_when_the_source_can_do_nothing() {
    let bench = bench(Options { incapable: true, ..Options::default() }).await;
    let expanded = with_orders(|orders| {
        orders.top = Some(1);
        orders.skip = 1;
        orders.count = true;
        orders.order_by = vec![BoundOrder { expr: BoundExpr::Column(2), descending: true }];
    });
    let (found, _, _) = batches(&bench, collection(expanded), Paging::default()).await;
    let orders = &found[0].expanded[0];
    assert_eq!(orders.counts.as_deref(), Some(&[3, 3, 2, 2, 0][..]));
    let first = ids(std::slice::from_ref(&orders.entities));
    let children: Vec<_> = orders.ranges.iter().map(|range| first[range.clone()].to_vec()).collect();
    assert_eq!(children, [vec![105], vec![106], vec![103], vec![104], vec![]]);
}

#[tokio::test]
async fn to_one_expansion_and_nesting() {
    let bench = bench(Options::default()).await;
    let mut orders = query("Orders", &[0]);
    let customer = with_orders(|orders| orders.top = Some(1));
    orders.expand = vec![BoundExpand::entities(0, "Customer", false, customer)];
    let (found, _, _) = batches(&bench, collection(orders), Paging::default()).await;
    assert_eq!(found[0].rows.num_rows(), 10);
    let customers = &found[0].expanded[0];
    assert!(customers.ranges.iter().all(|range| range.len() == 1));
    assert_eq!(customers.entities.rows.num_rows(), 4, "each customer is fetched once");
    assert!(customers.entities.expanded[0].ranges.iter().all(|range| range.len() == 1));
}

#[tokio::test]
async fn a_relationship_is_followed_from_one_row() {
    let bench = bench(Options::default()).await;
    let mut orders = query("Orders", &[0]);
    orders.via = Some(Via::of("Customers", vec![Value::Int64(2)], 0));
    orders.count = true;
    let (found, _, count) = batches(&bench, collection(orders.clone()), Paging::default()).await;
    assert_eq!((ids(&found).len(), count), (3, Some(3)));
    orders.via = Some(Via::of("Customers", vec![Value::Int64(99)], 0));
    assert!(matches!(bench.read("all", collection(orders), Paging::default()).await, Err(EngineError::NotFound(_))));
}

#[tokio::test]
async fn a_plan_of_one_source_query_carries_etags_only_for_writers() {
    let bench = bench(Options::default()).await;
    let mut one = query("Customers", &[0, 1]);
    one.key = Some(vec![Value::Int64(1)]);
    let read = BoundRead::new(one, ReadKind::Entity);
    let Answer::Entities(mut answer) = bench.read("all", read, Paging::default()).await.unwrap() else { panic!() };
    let position = answer.shape.etag.unwrap();
    let batch = answer.rows.next().await.unwrap().unwrap();
    assert_eq!(batch.rows.column(position).as_any().downcast_ref::<StringArray>().unwrap().value(0), "W/\"1\"");
    let Answer::Entities(answer) = bench.read("orders", collection(query("Orders", &[0])), Paging::default()).await.unwrap() else {
        panic!()
    };
    assert_eq!(answer.shape.etag, None);
}

#[tokio::test]
async fn expansion_needs_one_place_at_a_source_at_a_time() {
    let crm = vec![crate::harness::customers(), crate::harness::orders()];
    let tables = crate::harness::TABLES.replace("\"erp\"", "\"crm\"");
    let settings = portico_engine::EngineSettings { expand_chunk: 2, ..Default::default() };
    let bench = bench(Options { tables, crm, erp: Vec::new(), places: Some(1), settings, ..Options::default() }).await;
    let all = batches(&bench, collection(with_orders(|_| {})), Paging::default());
    let (found, _, _) = tokio::time::timeout(std::time::Duration::from_secs(20), all).await.expect("the children wait for their parents");
    assert_eq!(ids(&found), [1, 2, 3, 4, 5]);
}
