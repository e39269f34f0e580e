//! What the engine answers. Everything streams; nothing here holds a whole result.

use crate::error::EngineError;
use crate::execute::entities::EntityStream;
use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use futures::Stream;
use portico_odata::json::CrossJoinShape;
use portico_odata::{EntityBatch, EntityShape};
use portico_provider_api::Value;
use std::pin::Pin;
use std::sync::Arc;

/// A stream of batches.
pub type TableStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, EngineError>> + Send>>;

/// The answer to a read.
pub enum Answer {
    /// Entities, for OData.
    Entities(EntityAnswer),
    /// A number of entities, for `/$count`.
    Count(u64),
    /// A table, for SQL.
    Table(TableAnswer),
}

/// Entities.
pub struct EntityAnswer {
    /// How they look.
    pub shape: Arc<EntityShape>,
    /// Whether further answers have this very shape: that of a kept plan.
    pub kept: bool,
    /// For `$crossjoin` what of each row belongs to which set, in place of `shape`; empty for all other reads. A batch has the expanded
    /// relationships of the first set, then those of the second, and so on.
    pub cross: Vec<CrossJoinShape>,
    /// `$count`, where it was asked for.
    pub count: Option<u64>,
    /// The entities.
    pub rows: EntityRows,
}

/// A stream of entity batches that knows, once it has ended, whether there are more pages. Dropping it cancels the query.
pub struct EntityRows(pub(crate) Box<EntityStream>);

impl EntityRows {
    /// The next batch; `None` at the end of the page.
    pub async fn next(&mut self) -> Option<Result<EntityBatch, EngineError>> {
        self.0.next().await
    }

    /// Where a page ends that ends with a row of a batch of this stream, for who ends a page early. Only pages have positions: without
    /// paging it is empty.
    ///
    /// # Errors
    /// `Internal` for a row that is not of this stream.
    pub fn position_of(&self, batch: &EntityBatch, row: usize) -> Result<Vec<Value>, EngineError> {
        self.0.position_of(&batch.rows, row)
    }

    /// After the end: where the page ended, when there are more entities.
    pub fn next_position(&self) -> Option<&[Value]> {
        self.0.next_position()
    }
}

/// A table.
pub struct TableAnswer {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: TableStream,
}

/// The answer to a write.
pub struct WriteAnswer {
    /// Key values of the entity that was written, in key order.
    pub key: Vec<Value>,
    /// Its new ETag; absent for a deletion.
    pub etag: Option<String>,
    /// The entity as stored (one row) and how it looks, where it was asked for and the caller may see it.
    pub entity: Option<(EntityShape, EntityBatch)>,
}

impl WriteAnswer {
    /// Nothing is returned but the key: the entity is gone, or the caller may not see it, or it could not be read again.
    pub(crate) fn unread(key: Vec<Value>) -> WriteAnswer {
        WriteAnswer { key, etag: None, entity: None }
    }

    pub(crate) fn stored(key: Vec<Value>, shape: EntityShape, entity: EntityBatch, wanted: bool) -> WriteAnswer {
        let tags = shape.etag.and_then(|position| entity.rows.columns().get(position));
        let etag = tags.and_then(|tags| tags.as_any().downcast_ref::<StringArray>()).map(|tags| tags.value(0).to_owned());
        WriteAnswer { key, etag, entity: wanted.then_some((shape, entity)) }
    }
}
