//! A read that has begun, and the waiting for its further parts. It must not know how connections are lent.

use super::Lease;
use crate::errors::Failure;
use crate::statement::Part;
use portico_provider_api::{Late, Waiting};
use tokio_postgres::types::Type;

/// A read that has begun.
pub struct Reading {
    /// The connection.
    pub lease: Lease,
    /// The type of each column.
    pub types: Vec<Type>,
    /// The first part, when there is one.
    pub first: Option<Part>,
    /// Waits for the further parts.
    pub waiting: Waiting,
}

impl Reading {
    /// The next part, `None` at the end.
    ///
    /// # Errors
    /// What the server says, or that it says nothing.
    pub async fn next(&mut self) -> Result<Result<Option<Part>, Failure>, Late> {
        match self.first.take() {
            Some(first) => Ok(Ok(Some(first))),
            None => self.waiting.part(self.lease.next()).await,
        }
    }
}
