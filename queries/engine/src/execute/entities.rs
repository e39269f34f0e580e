//! The stream of entity batches that answers an OData read: root rows in chunks of parents, each expanded, up to the end of the
//! page.

use crate::error::EngineError;
use crate::execute::expand::expand;
use crate::execute::run::{Run, RunStream};
use crate::plan::entities::EntityPlan;
use crate::values::value_from_scalar;
use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use futures::stream::Peekable;
use futures::{StreamExt, future};
use portico_odata::EntityBatch;
use portico_provider_api::Value;
use std::pin::Pin;
use std::sync::Arc;

/// A stream of entity batches.
pub struct EntityStream {
    plan: Arc<EntityPlan>,
    session: Arc<SessionState>,
    run: Arc<Run>,
    /// Batches that have rows.
    rows: Peekable<RunStream>,
    /// What is left of the batch that is being handed out.
    rest: Option<RecordBatch>,
    /// An expanded batch that was made ahead, so that early failures are known before the answer begins.
    ahead: Option<EntityBatch>,
    returned: u64,
    position: Option<Vec<Value>>,
    more: bool,
}

impl EntityStream {
    /// A stream over the root rows of a plan.
    pub(crate) fn new(plan: Arc<EntityPlan>, session: Arc<SessionState>, run: Arc<Run>, rows: RunStream) -> EntityStream {
        let rows: RunStream = Box::pin(rows.filter(|batch| future::ready(!matches!(batch, Ok(batch) if batch.num_rows() == 0))));
        EntityStream { plan, session, run, rows: rows.peekable(), rest: None, ahead: None, returned: 0, position: None, more: false }
    }

    /// Makes the first batch, so that what fails at once fails before the answer begins.
    pub(crate) async fn look_ahead(&mut self) -> Result<bool, EngineError> {
        self.ahead = self.advance().await.transpose()?;
        Ok(self.ahead.is_some())
    }

    /// Whether there is more than one row, after [`EntityStream::look_ahead`].
    pub(crate) async fn has_several(&mut self) -> Result<bool, EngineError> {
        let first = self.ahead.as_ref().map_or(0, |batch| batch.rows.num_rows());
        Ok(first > 1 || self.advance().await.transpose()?.is_some())
    }

    pub(crate) async fn next(&mut self) -> Option<Result<EntityBatch, EngineError>> {
        match self.ahead.take() {
            Some(batch) => Some(Ok(batch)),
            None => self.advance().await,
        }
    }

    pub(crate) fn next_position(&self) -> Option<&[Value]> {
        self.position.as_deref().filter(|_| self.more)
    }

    /// The sort values and the key of a row of a batch of this stream: where a page ends that ends with it.
    pub(crate) fn position_of(&self, rows: &RecordBatch, row: usize) -> Result<Vec<Value>, EngineError> {
        let values = self.plan.root.position_columns.iter().map(|position| {
            let column = rows.columns().get(*position).ok_or_else(|| EngineError::Internal("a row lacks its sort values".to_owned()))?;
            let cell = ScalarValue::try_from_array(column, row)?;
            value_from_scalar(&cell).map_err(EngineError::Internal)
        });
        values.collect()
    }

    async fn advance(&mut self) -> Option<Result<EntityBatch, EngineError>> {
        if self.more {
            return None;
        }
        let rows = match self.chunk().await? {
            Ok(rows) => rows,
            Err(error) => return Some(Err(error)),
        };
        match self.within_page(rows) {
            Ok(rows) if rows.num_rows() == 0 => None,
            Ok(rows) => {
                if let Err(error) = self.run.answer.count(&rows) {
                    return Some(Err(error));
                }
                let root = &self.plan.root;
                if root.children.is_empty() && root.etag.is_none() {
                    return Some(Ok(EntityBatch { rows, expanded: Vec::new() }));
                }
                let deadline = self.run.request.remaining();
                let expanded = tokio::time::timeout(deadline, expand(&self.plan.root, rows, &self.session, &self.run)).await;
                Some(expanded.unwrap_or(Err(EngineError::Timeout)))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The next rows: a whole batch, or as many parents as are expanded at once.
    async fn chunk(&mut self) -> Option<Result<RecordBatch, EngineError>> {
        let batch = match self.rest.take() {
            Some(batch) => batch,
            None => match self.rows.next().await? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        let expands = !self.plan.root.children.is_empty();
        if expands {
            // A source is done with this question once its end was read. Its next one, for the children, may wait for that.
            Pin::new(&mut self.rows).peek().await;
        }
        let most = if expands { self.run.settings.expand_chunk.max(1) } else { usize::MAX };
        if batch.num_rows() > most {
            self.rest = Some(batch.slice(most, batch.num_rows() - most));
            return Some(Ok(batch.slice(0, most)));
        }
        Some(Ok(batch))
    }

    /// Cuts off what belongs to the next page, and remembers where this one ends.
    fn within_page(&mut self, rows: RecordBatch) -> Result<RecordBatch, EngineError> {
        if self.plan.page_size == 0 {
            return Ok(rows);
        }
        let left = usize::try_from(self.plan.page_size - self.returned).unwrap_or(usize::MAX);
        let kept = rows.num_rows().min(left);
        self.more = rows.num_rows() > left;
        self.returned += kept as u64;
        if kept > 0 {
            self.position = Some(self.position_of(&rows, kept - 1)?);
        }
        Ok(rows.slice(0, kept))
    }
}
