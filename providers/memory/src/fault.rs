//! Faults that can be switched on at run time, to see how the rest behaves when a source does.

use std::time::Duration;

/// How the source misbehaves; the default is not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// Every request fails as unavailable.
    pub unavailable: bool,
    /// A query fails as unavailable after this many batches.
    pub fail_after: Option<usize>,
    /// Every batch, and every write, takes this much longer.
    pub delay: Option<Duration>,
    /// Queries and writes never answer; only a deadline or a dropped stream ends them.
    pub hang: bool,
}
