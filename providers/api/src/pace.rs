//! The pace at which a source may be asked: how many native requests in a time. A query is one of them; a kind that sends several for it (pages,
//! keys in chunks, one request for each row) waits for its turn before each. It must not know what is sent.

use crate::error::SourceError;
use async_trait::async_trait;
use std::sync::Arc;

/// Gives turns. It is process-local, and made anew for every query.
#[async_trait]
pub trait Pace: Send + Sync {
    /// Waits for the next turn, which the first native request of the query has had already.
    ///
    /// # Errors
    /// `Throttled`, without having waited, when it would not come in time.
    async fn turn(&self) -> Result<(), SourceError>;
}

/// A pace, shared by all that a query sends.
pub type PaceHandle = Arc<dyn Pace>;
