//! The conformance suite that every source kind runs. It asks a live source what its declared capabilities promise, compares
//! with the IR's evaluator, and reports what it checked. It knows no kind; of dialects, how tests tell a database of the fixtures
//! ([`words`]). For kinds that ask over HTTP it has a server that misbehaves as it is told ([`http`]).

mod checks;
mod compare;
mod every_block;
mod fixtures;
mod generate;
pub mod http;
mod own_server;
mod run;
mod subject;
mod summary;
pub mod words;

pub use every_block::{EveryBlock, ask_every_block};
pub use fixtures::{FixtureColumn, FixtureForeignKey, FixtureTable, Purpose, adapt, edge_values, fixtures};
pub use own_server::OwnServer;
pub use subject::{ActiveProbe, ExampleCall, Limitation, LoadedTable, Options, Subject};
pub use summary::{Failure, Summary};

use portico_provider_api::{QueryContext, Selection};
use run::Run;

/// Puts a source to the test. The fixture tables must exist at it, and its `write_*` tables are changed.
pub async fn conformance(subject: Subject) -> Summary {
    let named = || std::env::var("PORTICO_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = subject.seed.or_else(named).unwrap_or_else(|| fastrand::u64(..));
    let mut summary = Summary::new(seed);
    summary.limitations = subject.limitations.iter().map(ToString::to_string).collect();
    let schema = match subject.source.remote_schema(&Selection::All, &QueryContext::default()).await {
        Ok(schema) => schema,
        Err(error) => {
            summary.expect(checks::SCHEMA, false, || format!("the schema cannot be read: {error}"));
            return summary;
        }
    };
    let mut run = Run::new(subject, summary, schema);
    checks::schema(&mut run).await;
    checks::scan(&mut run).await;
    checks::report(&mut run).await;
    checks::filters(&mut run).await;
    checks::outputs(&mut run).await;
    checks::distinct(&mut run).await;
    checks::orders(&mut run).await;
    checks::limits(&mut run).await;
    checks::stable_order(&mut run).await;
    checks::keys(&mut run).await;
    checks::limits_per_key(&mut run).await;
    checks::counts(&mut run).await;
    checks::combined(&mut run).await;
    checks::blocks(&mut run).await;
    checks::beyond(&mut run).await;
    checks::data_errors(&mut run).await;
    checks::missing_things(&mut run).await;
    checks::describe(&mut run).await;
    checks::deadline(&mut run).await;
    checks::cancellation(&mut run).await;
    checks::concurrency(&mut run).await;
    checks::writes(&mut run).await;
    checks::operations(&mut run).await;
    checks::secrets(&mut run);
    checks::declared_but_not_executed(&mut run);
    run.summary
}
