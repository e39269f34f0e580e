//! What a kind hands to the suite: a live source, the fixture tables as they were created there, what could not be created, and
//! a few options. It must not know any kind.

use crate::fixtures::FixtureTable;
use futures::future::BoxFuture;
use portico_provider_api::{RemoteTableName, ScalarType, Source, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Counts the queries that run at the source right now, seen from the source itself (`pg_stat_activity`, a counter, …).
pub type ActiveProbe = Box<dyn Fn() -> BoxFuture<'static, usize> + Send + Sync>;

/// One fixture table as it exists at the source: created with exactly these columns, keys and rows.
#[derive(Debug, Clone)]
pub struct LoadedTable {
    /// What was created, after [`crate::adapt`] took the limitations out.
    pub fixture: FixtureTable,
    /// Its name at the source.
    pub remote: RemoteTableName,
}

/// Something of the fixtures that a kind cannot hold. Every limitation is printed in the summary, and one that touches
/// nothing is a failure, so that they cannot outlive their reason.
#[derive(Clone)]
pub enum Limitation {
    /// A whole table.
    Table {
        /// Name of the fixture.
        table: String,
        /// Why, for the summary.
        reason: String,
    },
    /// One column.
    Column {
        /// Name of the fixture.
        table: String,
        /// Name of its column.
        column: String,
        /// Why, for the summary.
        reason: String,
    },
    /// Single values (NaN in SQLite, U+0000 in PostgreSQL): rows that hold one are left out.
    Values {
        /// What they are, for the summary.
        what: String,
        /// Recognises them.
        matches: fn(&Value) -> bool,
        /// Why, for the summary.
        reason: String,
    },
    /// A type that the source holds as another one; values are converted with the IR's cast.
    Type {
        /// The fixtures' type.
        from: ScalarType,
        /// What the source says instead.
        to: ScalarType,
        /// Why, for the summary.
        reason: String,
    },
    /// Lengths of text that the source does not enforce or report.
    MaxLengths {
        /// Why, for the summary.
        reason: String,
    },
    /// Foreign keys that the source does not have or report.
    ForeignKeys {
        /// Why, for the summary.
        reason: String,
    },
    /// A table that is not written, while others are.
    ReadOnly {
        /// Name of the fixture.
        table: String,
        /// Why, for the summary.
        reason: String,
    },
    /// A column that the source has besides those of the fixture.
    OtherColumn {
        /// Name of the fixture.
        table: String,
        /// Name of the column.
        column: String,
        /// Why, for the summary.
        reason: String,
    },
    /// The source numbers new rows itself, and refuses a number that is given. What the checks insert has numbers that are given, so that they leave
    /// inserts out.
    GeneratedKeys {
        /// Why, for the summary.
        reason: String,
    },
    /// Rules that the source does not keep, or of which it does not say which was broken.
    Constraints {
        /// Why, for the summary.
        reason: String,
    },
}

impl Limitation {
    /// Whether it says that a fixture's table is not written.
    pub(crate) fn is_read_only(&self, fixture: &str) -> bool {
        matches!(self, Limitation::ReadOnly { table, .. } if table == fixture)
    }

    /// Whether it says that a fixture's table has such a column besides.
    pub(crate) fn has_other_column(&self, fixture: &str, name: &str) -> bool {
        matches!(self, Limitation::OtherColumn { table, column, .. } if table == fixture && column == name)
    }
}

impl fmt::Display for Limitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limitation::Table { table, reason } => write!(f, "table '{table}': {reason}"),
            Limitation::Column { table, column, reason } => write!(f, "column '{table}.{column}': {reason}"),
            Limitation::Values { what, reason, .. } => write!(f, "values ({what}): {reason}"),
            Limitation::Type { from, to, reason } => write!(f, "{from} is held as {to}: {reason}"),
            Limitation::MaxLengths { reason } => write!(f, "greatest lengths: {reason}"),
            Limitation::ForeignKeys { reason } => write!(f, "foreign keys: {reason}"),
            Limitation::ReadOnly { table, reason } => write!(f, "table '{table}' is not written: {reason}"),
            Limitation::OtherColumn { table, column, reason } => write!(f, "table '{table}' also has '{column}': {reason}"),
            Limitation::GeneratedKeys { reason } => write!(f, "keys are numbered by the source: {reason}"),
            Limitation::Constraints { reason } => write!(f, "constraints: {reason}"),
        }
    }
}

impl fmt::Debug for Limitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How much is checked, and what a kind promises beyond the contract.
#[derive(Debug, Clone)]
pub struct Options {
    /// Generated queries per group of checks; every feature is asked for at least once, however many there are.
    pub queries: usize,
    /// Queries at once in the concurrency check.
    pub concurrency: usize,
    /// Whether `describe` must hold no literal text: values are parameters, or shown as placeholders. Only a kind whose requests have no
    /// place for either switches it off.
    pub values_are_bound: bool,
    /// How long after a dropped stream the source may still be busy.
    pub cancel_within: Duration,
    /// Longest time for any single query; a source that takes longer fails the check.
    pub query_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            queries: 300,
            concurrency: 16,
            values_are_bound: true,
            cancel_within: Duration::from_secs(1),
            query_timeout: Duration::from_secs(60),
        }
    }
}

/// An operation of the source's own as the kind created it, with what a call of it must return.
#[derive(Debug, Clone)]
pub struct ExampleCall {
    /// The operation, by its signature.
    pub signature: String,
    /// Values by name of the parameter; what is left out has a value at the source.
    pub arguments: Vec<(String, Value)>,
    /// The rows that it returns, in any order; the same however often it is called.
    pub rows: Vec<Vec<Value>>,
}

/// What is put to the test.
pub struct Subject {
    /// The source, connected.
    pub source: Arc<dyn Source>,
    /// The fixture tables that exist at it: those of `adapt(fixtures(), &limitations)`.
    pub tables: Vec<LoadedTable>,
    /// Calls of operations that exist at it; where there are none, operations are reported as not checked.
    pub calls: Vec<ExampleCall>,
    /// What of the fixtures it cannot hold.
    pub limitations: Vec<Limitation>,
    /// Secrets of its configuration: none may occur in a message. Without any, the summary says that the check does not apply.
    pub secrets: Vec<String>,
    /// Seed of the generated queries; `None` takes a fresh one, which the summary prints.
    pub seed: Option<u64>,
    /// Counts what runs at the source; without it cancellation is reported as not checked.
    pub active: Option<ActiveProbe>,
    /// Options.
    pub options: Options,
}

impl Subject {
    /// A subject whose tables have the fixtures' own names, with default options.
    pub fn new(source: Arc<dyn Source>, tables: Vec<FixtureTable>) -> Subject {
        let tables =
            tables.into_iter().map(|fixture| LoadedTable { remote: RemoteTableName(vec![fixture.name.clone()]), fixture }).collect();
        Subject {
            source,
            tables,
            calls: Vec::new(),
            limitations: Vec::new(),
            secrets: Vec::new(),
            seed: None,
            active: None,
            options: Options::default(),
        }
    }

    /// Whether a limitation says that keys are the source's.
    pub(crate) fn has_generated_keys(&self) -> bool {
        self.limitations.iter().any(|limitation| matches!(limitation, Limitation::GeneratedKeys { .. }))
    }

    /// The loaded table of that fixture name, unless a limitation took it out.
    pub fn table(&self, fixture: &str) -> Option<&LoadedTable> {
        self.tables.iter().find(|table| table.fixture.name == fixture)
    }
}
