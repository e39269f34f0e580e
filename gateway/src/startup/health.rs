//! How a source is doing, as those who ask it find out: whether it answers, what failed last, and whether it is asked at all. It must not
//! know what was asked.

use crate::startup::breaker::{Asked, Breaker, BreakerSettings, BreakerState, is_outage};
use portico_provider_api::{SourceError, SourceErrorKind};
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A question that failed at a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// When, as seconds since 1970.
    pub at: u64,
    /// What failed.
    pub message: String,
}

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthStatus {
    /// Whether it is asked.
    pub breaker: BreakerState,
    /// Queries and writes in a row that had no answer.
    pub failures_in_a_row: u32,
    /// The last one that had no answer, or one that shows that the source or its configuration is not in order.
    pub last_failure: Option<Failure>,
}

/// How one source is doing.
pub struct Health {
    name: String,
    /// Whether it is asked.
    pub breaker: Breaker,
    last: Mutex<Option<Failure>>,
}

/// Whether a failure concerns whoever runs the source or the gateway, and not only who has asked.
fn is_notable(error: &SourceError) -> bool {
    is_outage(error)
        || matches!(
            error.kind,
            SourceErrorKind::Credentials
                | SourceErrorKind::Throttled
                | SourceErrorKind::Malformed
                | SourceErrorKind::SchemaChanged
                | SourceErrorKind::Internal
        )
}

impl Health {
    /// Of a source of which nothing bad is known.
    pub fn new(name: &str, breaker: BreakerSettings) -> Health {
        Health { name: name.to_owned(), breaker: Breaker::new(breaker), last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, Option<Failure>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A query or a write is answered.
    pub fn answered(&self) {
        if self.breaker.answered() {
            tracing::info!(source = self.name, "the source answers queries again");
        }
    }

    /// A query or a write has failed.
    pub fn failed(&self, asked: Asked, error: &SourceError) {
        if is_notable(error) {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            *self.last() = Some(Failure { at, message: error.message.clone() });
        }
        if !is_outage(error) {
            return self.answered();
        }
        if self.breaker.failed(asked) {
            let failures = self.breaker.failures();
            tracing::warn!(source = self.name, failures, error = error.message, "the source is not asked for a while");
        }
    }

    /// The gateway has asked for itself: an answer lets the next query try. Whether queries are answered is not known by that.
    pub fn heard<T>(&self, outcome: &Result<T, SourceError>) {
        if outcome.is_ok() {
            self.breaker.lives();
        }
    }

    /// What failed last.
    pub fn last_failure(&self) -> Option<Failure> {
        self.last().clone()
    }

    /// All of it.
    pub fn status(&self) -> HealthStatus {
        HealthStatus { breaker: self.breaker.state(), failures_in_a_row: self.breaker.failures(), last_failure: self.last_failure() }
    }
}
