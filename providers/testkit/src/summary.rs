//! What the suite found: how often each check ran, what failed, what could not be checked. It must not know how checks work.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One failed check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Name of the check.
    pub check: &'static str,
    /// What was expected and what came, for a person.
    pub detail: String,
    /// The query in a readable form, where there was one.
    pub query: Option<String>,
}

/// The outcome of a run.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The seed of every generated query: the same seed and capabilities give the same queries.
    pub seed: u64,
    /// How often each check was executed.
    pub executed: BTreeMap<&'static str, usize>,
    /// Failures in the order found; at most [`Summary::MOST_PER_CHECK`] per check are kept.
    pub failures: Vec<Failure>,
    /// Failures per check, those not kept included.
    pub failed: BTreeMap<&'static str, usize>,
    /// Checks that do not apply, and why: never a silent omission.
    pub not_applicable: BTreeMap<&'static str, String>,
    /// What the kind said it cannot hold.
    pub limitations: Vec<String>,
}

impl Summary {
    /// Failures kept per check; the rest is only counted.
    pub const MOST_PER_CHECK: usize = 5;

    /// An empty summary for a seed.
    pub fn new(seed: u64) -> Summary {
        Summary { seed, ..Summary::default() }
    }

    /// Counts one execution of a check.
    pub fn ran(&mut self, check: &'static str) {
        *self.executed.entry(check).or_default() += 1;
    }

    /// Records a failure.
    pub fn fail(&mut self, check: &'static str, detail: impl Into<String>, query: Option<String>) {
        let count = self.failed.entry(check).or_default();
        *count += 1;
        if *count <= Summary::MOST_PER_CHECK {
            self.failures.push(Failure { check, detail: detail.into(), query });
        }
    }

    /// Counts one execution and records whether it held.
    pub fn expect(&mut self, check: &'static str, holds: bool, detail: impl FnOnce() -> String) {
        self.ran(check);
        if !holds {
            self.fail(check, detail(), None);
        }
    }

    /// Says that a check does not apply, and why.
    pub fn does_not_apply(&mut self, check: &'static str, reason: impl Into<String>) {
        self.not_applicable.insert(check, reason.into());
    }

    /// The names of the checks that failed.
    pub fn failed_checks(&self) -> BTreeSet<&'static str> {
        self.failed.keys().copied().collect()
    }

    /// True when checks were executed and none failed.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.executed.values().sum::<usize>() > 0
    }

    /// Panics with the list of failures unless all is well; for tests.
    #[allow(clippy::panic)]
    #[track_caller]
    pub fn assert_ok(&self) {
        if !self.is_ok() {
            panic!("the source does not conform\n{self}");
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for limitation in &self.limitations {
            writeln!(f, "  cannot hold {limitation}")?;
        }
        for (check, count) in &self.executed {
            match self.failed.get(check) {
                Some(failed) => writeln!(f, "  {check}: {count} executed, {failed} FAILED")?,
                None => writeln!(f, "  {check}: {count} executed")?,
            }
        }
        for (check, reason) in &self.not_applicable {
            writeln!(f, "  {check}: does not apply: {reason}")?;
        }
        if self.executed.is_empty() {
            writeln!(f, "  no check was executed")?;
        }
        for failure in &self.failures {
            writeln!(f, "FAILED {} (seed {}): {}", failure.check, self.seed, failure.detail)?;
            if let Some(query) = &failure.query {
                writeln!(f, "    {}", query.replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}
