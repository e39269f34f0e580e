//! What is computed in the gateway takes turns, runs elsewhere, and stops when nobody wants it any more.

use crate::harness::{Bench, Options, bench, context, principal};
use portico_engine::admission::AdmissionLimits;
use portico_engine::{Answer, EngineError, EngineSettings, SqlStatement, Statement};
use std::time::Duration;

const JOIN: &str = "SELECT c.Name, o.Amount FROM Customers c JOIN Orders o ON o.CustomerId = c.Id";

async fn with(running: usize, waiting: usize, longest_wait: Duration) -> Bench {
    let local_queries = AdmissionLimits { running, per_caller: running, waiting, longest_wait };
    bench(Options { settings: EngineSettings { local_queries, local_threads: 1, ..EngineSettings::default() }, ..Options::default() }).await
}

async fn begun(bench: &Bench, text: &str) -> Result<Answer, EngineError> {
    let statement = Statement::Sql(SqlStatement { text: text.to_owned(), parameters: Vec::new() });
    bench.answer(&statement, &context(&principal("all"))).await
}

#[tokio::test]
async fn one_too_many_is_refused_and_what_a_source_answers_whole_is_not() {
    let bench = with(1, 0, Duration::from_secs(60)).await;
    let first = begun(&bench, JOIN).await.unwrap();
    let Err(EngineError::Overloaded(refused)) = begun(&bench, JOIN).await else { panic!("the second one was let in") };
    assert_eq!(refused.limit, 1);
    assert_eq!(bench.rows("all", "SELECT Name FROM Customers WHERE Id = 1").await.len(), 1, "a look-up waits for nobody");
    drop(first);
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while bench.engine.local_fill().running > 0 {
        assert!(std::time::Instant::now() < end, "an answer that nobody reads keeps its place");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.rows("all", JOIN).await.len(), 10);
}

#[tokio::test]
async fn who_waits_gets_a_turn() {
    let bench = with(1, 20, Duration::from_secs(60)).await;
    let queries = (0..20).map(|_| bench.rows("all", JOIN));
    for rows in futures::future::join_all(queries).await {
        assert_eq!(rows.len(), 10);
    }
    assert_eq!(bench.engine.local_fill().waiting, 0);
}

#[tokio::test]
async fn work_that_nobody_wants_any_more_stops() {
    let bench = with(1, 0, Duration::ZERO).await;
    // 10^12 rows: it would not end.
    let endless = "SELECT count(*) FROM Orders a, Orders b, Orders c, Orders d, Orders e, Orders f, Orders g, Orders h, Orders i, Orders j, \
                   Customers k, Customers l WHERE a.Note || b.Note || c.Note || d.Note || e.Note || f.Note || k.Name = 'x'";
    let waited = tokio::time::timeout(Duration::from_millis(300), begun(&bench, endless)).await;
    assert!(waited.is_err(), "it has ended: {:?}", waited.map(|answer| answer.is_ok()));
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while bench.engine.local_fill().running > 0 {
        assert!(std::time::Instant::now() < end, "it still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.rows("all", JOIN).await.len(), 10, "the only thread is free again");
}
