//! Entities.
use crate::error::EngineError;
use portico_odata::EntityBatch;
use portico_provider_api::Value;

/// A stream of entity batches.
pub struct EntityStream {}

impl EntityStream {
    pub(crate) async fn next(&mut self) -> Option<Result<EntityBatch, EngineError>> {
        None
    }
    pub(crate) fn next_position(&self) -> Option<&[Value]> {
        None
    }
}
