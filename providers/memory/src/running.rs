//! A query that is being answered: batch by batch where its rows can be judged one by one, else as a whole when its first batch is
//! asked for. It knows the tables that the query reads, and not where they come from.

use crate::client::{Active, timeout, within_deadline};
use crate::fault::Fault;
use crate::table::{MemoryTable, whole_table};
use crate::translate::{self, Refusal};
use arrow::array::RecordBatch;
use portico_provider_api::{
    EvaluateError, Limits, QueryContext, QueryReport, ReportHandle, SourceError, SourceErrorKind, SourceQuery, TableEvaluation,
    TableRelation, evaluate_over,
};
use std::sync::Arc;
use std::time::SystemTime;

/// Rows in a batch at most.
const BATCH_ROWS: usize = 8192;

/// Where a running query stands in its table.
#[derive(Default)]
struct Next {
    batch: usize,
    row: usize,
    /// The result that could only be made as a whole, once it has been.
    whole: Option<RecordBatch>,
}

#[derive(Default)]
struct Sent {
    batches: usize,
    rows: u64,
    bytes: u64,
}

/// What is to be evaluated.
pub(crate) enum Work {
    /// Rows of one table, or their number.
    Rows(Box<Rows>),
    /// Anything else.
    Whole {
        /// The query.
        query: Box<SourceQuery>,
        /// Each relation that it reads, with its rows.
        tables: Vec<(TableRelation, RecordBatch)>,
    },
}

/// Rows of one table, or their number.
pub(crate) struct Rows {
    evaluation: Arc<TableEvaluation<'static>>,
    table: Arc<MemoryTable>,
    skip: u64,
    left: u64,
    /// The rows counted so far; `None` when the answer is not a row count, or has been given.
    counted: Option<u64>,
}

impl Work {
    /// Of a query that suits [`TableEvaluation`], and its table.
    pub(crate) fn rows(query: SourceQuery, table: Arc<MemoryTable>) -> Result<Work, EvaluateError> {
        let (skip, left) = (query.offset, query.limit.unwrap_or(u64::MAX));
        let evaluation = TableEvaluation::owned(query)?;
        let counted = evaluation.is_row_count().then_some(0);
        Ok(Work::Rows(Box::new(Rows { evaluation: Arc::new(evaluation), table, skip, left, counted })))
    }
}

/// A query that is being answered.
pub(crate) struct Running {
    source_name: String,
    work: Work,
    next: Next,
    context: QueryContext,
    fault: Fault,
    sent: Sent,
    started: SystemTime,
    report: ReportHandle,
    _active: Active,
}

impl Running {
    /// Starts to answer. `_active` counts it for as long as it lives.
    pub(crate) fn new(
        source_name: String,
        work: Work,
        context: QueryContext,
        fault: Fault,
        report: ReportHandle,
        active: Active,
    ) -> Running {
        let (next, sent) = (Next::default(), Sent::default());
        Running { source_name, work, next, context, fault, sent, started: SystemTime::now(), report, _active: active }
    }

    /// The next batch with rows; `None` at the end.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        if self.fault.fail_after.is_some_and(|batches| self.sent.batches >= batches) {
            return Err(self.error((SourceErrorKind::Unavailable, "the connection was lost".to_owned())));
        }
        if let Some(delay) = self.fault.delay {
            let slept = within_deadline(&self.context, tokio::time::sleep(delay)).await;
            slept.ok_or_else(|| timeout(&self.source_name))?;
        }
        // A long scan that keeps no row must still notice its deadline, and let others run.
        loop {
            if self.context.remaining().is_some_and(|left| left.is_zero()) {
                return Err(timeout(&self.source_name));
            }
            let Some(batch) = self.step().map_err(|error| self.error(translate::refusal(error)))? else { return Ok(None) };
            if batch.num_rows() > 0 {
                self.count(&batch)?;
                return Ok(Some(batch));
            }
            tokio::task::yield_now().await;
        }
    }

    /// The next piece of the result, possibly empty; `None` at the end.
    fn step(&mut self) -> Result<Option<RecordBatch>, EvaluateError> {
        match &mut self.work {
            Work::Rows(rows) if rows.evaluation.is_row_count() => rows.step_count(&mut self.next),
            Work::Rows(rows) if rows.evaluation.is_streamable() => rows.step(&mut self.next),
            Work::Rows(rows) => self.next.slice(|| rows.evaluation.evaluate(&whole_table(&rows.table)?)),
            Work::Whole { query, tables } => self.next.slice(|| {
                evaluate_over(query, &|relation| {
                    let found = tables.iter().find(|(known, _)| known == relation).map(|(_, batch)| batch.clone());
                    found.ok_or_else(|| EvaluateError::Invalid(format!("table '{}' was not read", relation.table)))
                })
            }),
        }
    }

    fn count(&mut self, batch: &RecordBatch) -> Result<(), SourceError> {
        self.sent.batches += 1;
        self.sent.rows += batch.num_rows() as u64;
        self.sent.bytes += batch.get_array_memory_size() as u64;
        let Limits { max_rows, max_bytes } = self.context.request.limits;
        let over = |sent: u64, most: u64| most > 0 && sent > most;
        if over(self.sent.rows, max_rows) {
            return Err(self.error((SourceErrorKind::Unsupported, format!("the answer has more than the allowed {max_rows} rows"))));
        }
        if over(self.sent.bytes, max_bytes) {
            return Err(self.error((SourceErrorKind::Unsupported, format!("the answer has more than the allowed {max_bytes} bytes"))));
        }
        Ok(())
    }

    /// Reports a complete answer.
    pub(crate) fn finish(&self) {
        let Sent { rows, bytes, .. } = self.sent;
        self.report.set(QueryReport { as_of: self.started, requests: 1, rows, bytes, complete: true });
    }

    fn error(&self, (kind, message): Refusal) -> SourceError {
        SourceError::new(self.source_name.clone(), kind, message)
    }
}

impl Rows {
    fn step(&mut self, next: &mut Next) -> Result<Option<RecordBatch>, EvaluateError> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(chunk) = next.chunk(&self.table) else { return Ok(None) };
        let wanted = usize::try_from(self.skip.saturating_add(self.left)).unwrap_or(usize::MAX);
        let rows = self.evaluation.select(&chunk, wanted)?;
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows.len());
        let kept = rows.get(skipped..).unwrap_or_default();
        self.skip -= skipped as u64;
        self.left = self.left.saturating_sub(kept.len() as u64);
        self.evaluation.project(&chunk, kept).map(Some)
    }

    /// Counts one chunk after the other, and answers after the last.
    fn step_count(&mut self, next: &mut Next) -> Result<Option<RecordBatch>, EvaluateError> {
        let Some(counted) = self.counted else { return Ok(None) };
        if let Some(chunk) = next.chunk(&self.table) {
            self.counted = Some(counted.saturating_add(self.evaluation.count(&chunk)?));
            return Ok(Some(RecordBatch::new_empty(self.evaluation.schema())));
        }
        self.counted = None;
        self.evaluation.counted(counted).map(Some)
    }
}

impl Next {
    fn chunk(&mut self, table: &MemoryTable) -> Option<RecordBatch> {
        loop {
            let batch = table.batches.get(self.batch)?;
            let length = batch.num_rows().saturating_sub(self.row).min(BATCH_ROWS);
            if length > 0 {
                let chunk = batch.slice(self.row, length);
                self.row += length;
                return Some(chunk);
            }
            *self = Next { batch: self.batch + 1, row: 0, whole: None };
        }
    }

    /// Slices of a result that can only be made as a whole.
    fn slice(&mut self, make: impl FnOnce() -> Result<RecordBatch, EvaluateError>) -> Result<Option<RecordBatch>, EvaluateError> {
        let whole = match &self.whole {
            Some(whole) => whole.clone(),
            None => self.whole.insert(make()?).clone(),
        };
        let length = whole.num_rows().saturating_sub(self.row).min(BATCH_ROWS);
        if length == 0 {
            return Ok(None);
        }
        let slice = whole.slice(self.row, length);
        self.row += length;
        Ok(Some(slice))
    }
}
