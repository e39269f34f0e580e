//! How a source stands, as it is shown. It must not know how that is found out.

use crate::startup::drift::Drift;
use crate::startup::health::HealthStatus;
use serde::Serialize;

/// What is known of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It has answered.
    Live,
    /// It has not answered yet; what is published is from the lock.
    FromLock,
    /// It has not answered yet, and nothing of it is known.
    Unknown,
}

/// How a source stands, for `/ready`, the log and `check`.
#[derive(Debug, Clone, Serialize)]
pub struct SourceStatus {
    /// What is known of it.
    pub state: SourceState,
    /// Whether it answered when the gateway last asked for itself.
    pub answers: bool,
    /// Since when it does or does not, as seconds since 1970.
    pub since: u64,
    /// Why it did not answer when it was last asked.
    pub last_error: Option<String>,
    /// The version of what is published.
    pub schema_version: Option<String>,
    /// How it differs from the lock.
    pub drift: Vec<Drift>,
    /// Whom to tell.
    pub contact: Option<String>,
    /// How those who query it have fared.
    #[serde(flatten)]
    pub health: HealthStatus,
}
