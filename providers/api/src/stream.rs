//! What a query answers: a schema, batches, and at the end a report.

use crate::error::SourceError;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::Stream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

/// What a source says when a query has ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryReport {
    /// The time as of which the rows were read.
    pub as_of: SystemTime,
    /// Native requests that were sent.
    pub requests: u64,
    /// Rows returned.
    pub rows: u64,
    /// Bytes of Arrow data returned.
    pub bytes: u64,
    /// Whether the result is complete. Only complete results are cached or believed.
    pub complete: bool,
}

/// Where a source leaves its report before it ends the stream.
#[derive(Debug, Clone, Default)]
pub struct ReportHandle(Arc<Mutex<Option<QueryReport>>>);

impl ReportHandle {
    /// Leaves the report.
    pub fn set(&self, report: QueryReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// The report, once there is one.
    pub fn get(&self) -> Option<QueryReport> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A boxed stream of batches.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, SourceError>> + Send>>;

/// The answer to a query. Every batch has exactly `schema`. Dropping it cancels the query at the source.
pub struct QueryStream {
    schema: SchemaRef,
    batches: BatchStream,
    report: ReportHandle,
}

impl std::fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl QueryStream {
    /// A stream whose producer leaves its report in `report` before the last `None`.
    pub fn new(schema: SchemaRef, batches: BatchStream, report: ReportHandle) -> QueryStream {
        QueryStream { schema, batches, report }
    }

    /// The same, keeping something until the rows have ended or are dropped: a place among those who may ask. `heard` is told once that the source
    /// has answered, with its first batch or its end, and of a failure whenever it comes.
    #[must_use]
    pub fn holding<T: Send + Unpin + 'static>(self, held: T, heard: Heard<T>) -> QueryStream {
        QueryStream { batches: Box::pin(Holding { batches: self.batches, held: Some((held, heard)), begun: false }), ..self }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The report; `None` until the stream has ended well.
    pub fn report(&self) -> Option<QueryReport> {
        self.report.get()
    }
}

/// Told what has been heard of a source.
pub type Heard<T> = fn(&T, Result<(), &SourceError>);

struct Holding<T> {
    batches: BatchStream,
    held: Option<(T, Heard<T>)>,
    begun: bool,
}

impl<T: Unpin> Stream for Holding<T> {
    type Item = Result<RecordBatch, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.batches.as_mut().poll_next(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Err(error))) => {
                if let Some((held, heard)) = self.held.take() {
                    heard(&held, Err(error));
                }
            }
            Poll::Ready(answer) => {
                if !std::mem::replace(&mut self.begun, true)
                    && let Some((held, heard)) = &self.held
                {
                    heard(held, Ok(()));
                }
                if answer.is_none() {
                    self.held = None;
                }
            }
        }
        polled
    }
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.as_mut().poll_next(cx)
    }
}
