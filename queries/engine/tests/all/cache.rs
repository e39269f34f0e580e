//! The cache: freshness, single flight, invalidation by writes, and only complete answers.

use crate::harness::{Options, TABLES, bench, collection, context, principal, query};
use portico_engine::{Answer, EngineError, Paging, RequestedFreshness};
use portico_odata::{BoundWrite, MatchCondition, WriteAction};
use portico_provider_api::Value;
use portico_provider_memory::Fault;
use std::time::Duration;

fn fresh_for(freshness: &str) -> Options {
    let tables = TABLES.replace(r#""version": "version","#, &format!(r#""version": "version", "freshness": "{freshness}","#));
    Options { tables, ..Options::default() }
}

const COUNT: &str = "SELECT Name FROM Customers WHERE Id < 4";

#[tokio::test]
async fn answers_within_their_freshness_are_not_asked_again() {
    let bench = bench(fresh_for("1h")).await;
    for _ in 0..3 {
        assert_eq!(bench.rows("all", COUNT).await.len(), 3);
    }
    assert_eq!(bench.crm.log().len(), 1);
    let mut anew = context(&principal("all"));
    anew.freshness = RequestedFreshness::AtMost(Duration::ZERO);
    bench.sql_in(&anew, COUNT).await.unwrap();
    assert_eq!(bench.crm.log().len(), 2, "who asks for no cache gets none");
    let later = context(&principal("all"));
    bench.sql_in(&later, COUNT).await.unwrap();
    assert!(later.journal.calls()[0].cached.is_some());
}

#[tokio::test]
async fn no_freshness_means_no_cache() {
    let bench = bench(Options::default()).await;
    bench.rows("all", COUNT).await;
    bench.rows("all", COUNT).await;
    assert_eq!(bench.crm.log().len(), 2);
}

#[tokio::test]
async fn an_answer_does_not_outlive_its_freshness() {
    let bench = bench(fresh_for("50ms")).await;
    bench.rows("all", COUNT).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    bench.rows("all", COUNT).await;
    assert_eq!(bench.crm.log().len(), 2);
}

#[tokio::test]
async fn identical_questions_at_once_are_asked_once() {
    let bench = bench(fresh_for("1h")).await;
    bench.crm.set_fault(Fault { delay: Some(Duration::from_millis(100)), ..Fault::default() });
    let all = (0..8).map(|_| bench.rows("all", COUNT));
    assert!(futures::future::join_all(all).await.iter().all(|rows| rows.len() == 3));
    assert_eq!(bench.crm.log().len(), 1);
}

#[tokio::test]
async fn a_failed_answer_is_not_kept() {
    let bench = bench(fresh_for("1h")).await;
    bench.crm.set_fault(Fault { fail_after: Some(0), ..Fault::default() });
    assert!(matches!(bench.error("all", COUNT).await, EngineError::Source(_)));
    bench.crm.set_fault(Fault::default());
    assert_eq!(bench.rows("all", COUNT).await.len(), 3);
}

#[tokio::test]
async fn callers_with_different_rights_do_not_share_answers() {
    let bench = bench(fresh_for("1h")).await;
    assert_eq!(bench.rows("all", "SELECT Name FROM Customers").await.len(), 5);
    assert_eq!(bench.rows("emea", "SELECT Name FROM Customers").await, ["Alpha", "Gamma"]);
    assert_eq!(bench.rows("all", "SELECT Name FROM Customers").await.len(), 5);
}

#[tokio::test]
async fn a_write_is_seen_by_the_next_read() {
    let bench = bench(fresh_for("1h")).await;
    let names = |answer: Answer| async move {
        let Answer::Entities(mut entities) = answer else { panic!("not entities") };
        entities.rows.next().await.unwrap().unwrap().rows.num_rows()
    };
    let read = || bench.read("all", collection(query("Customers", &[0, 1])), Paging::default());
    assert_eq!(names(read().await.unwrap()).await, 5);
    let write = BoundWrite {
        table: "Customers".to_owned(),
        action: WriteAction::Delete { key: vec![Value::Int64(5)], condition: MatchCondition::Any },
        select: Vec::new(),
    };
    bench.write("all", &write).await.unwrap();
    assert_eq!(names(read().await.unwrap()).await, 4);
}
