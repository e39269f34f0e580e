//! The source itself: a snapshot of tables, replaced as a whole by each write. Queries read the snapshot they started with, and
//! stream it in batches.

use crate::capabilities::capabilities;
use crate::fault::Fault;
use crate::held;
use crate::table::MemoryTable;
use crate::translate::{self, Refusal};
use crate::write;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use portico_provider_api::{
    ChangeOutcome, ChangeSet, EvaluateError, Limits, NativeRequest, QueryContext, QueryReport, QueryStream, Relation, RemoteSchema,
    RemoteTableName, ReportHandle, Selection, Source, SourceError, SourceErrorKind, SourceQuery, TableEvaluation, WritableSource,
};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Rows in a batch at most.
pub const BATCH_ROWS: usize = 8192;
/// Queries, and write outcomes, that are remembered.
const REMEMBERED: usize = 10_000;

/// The tables at one moment.
pub(crate) type Tables = Vec<Arc<MemoryTable>>;

/// A source whose tables are in memory.
pub struct MemorySource {
    name: String,
    tables: Mutex<Arc<Tables>>,
    /// Held for the whole of a write, so that writes come one after the other.
    writing: tokio::sync::Mutex<VecDeque<(ChangeSet, Vec<ChangeOutcome>)>>,
    log: Mutex<VecDeque<SourceQuery>>,
    fault: Mutex<Fault>,
    active: Arc<AtomicUsize>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a running query for as long as it lives.
struct Active(Arc<AtomicUsize>);

impl Active {
    fn start(count: &Arc<AtomicUsize>) -> Active {
        count.fetch_add(1, Ordering::SeqCst);
        Active(Arc::clone(count))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl MemorySource {
    /// A source with the given tables. `name` is its configured name, for messages.
    ///
    /// # Errors
    /// When a batch does not have its table's columns, a key is missing or duplicate, or a name occurs twice.
    pub fn new(name: impl Into<String>, tables: Vec<MemoryTable>) -> Result<MemorySource, SourceError> {
        let name = name.into();
        let malformed = |message: String| SourceError::new(name.clone(), SourceErrorKind::Malformed, message);
        for (index, table) in tables.iter().enumerate() {
            if tables.iter().take(index).any(|other| other.name == table.name) {
                return Err(malformed(format!("table '{}' occurs twice", table.name)));
            }
            write::check_table(table, &tables).map_err(malformed)?;
        }
        Ok(MemorySource {
            tables: Mutex::new(Arc::new(tables.into_iter().map(Arc::new).collect())),
            writing: tokio::sync::Mutex::new(VecDeque::new()),
            log: Mutex::new(VecDeque::new()),
            fault: Mutex::new(Fault::default()),
            active: Arc::new(AtomicUsize::new(0)),
            name,
        })
    }

    /// The queries received, oldest first (the last ten thousand), refused ones included.
    pub fn log(&self) -> Vec<SourceQuery> {
        locked(&self.log).iter().cloned().collect()
    }

    /// Forgets the queries received.
    pub fn clear_log(&self) {
        locked(&self.log).clear();
    }

    /// Misbehaves from now on, for queries that start later.
    pub fn set_fault(&self, fault: Fault) {
        *locked(&self.fault) = fault;
    }

    /// Queries whose streams are alive and have not ended.
    pub fn active_queries(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    /// Replaces a table's rows and columns, or adds a table: as if someone else had changed the source.
    pub fn replace_table(&self, table: MemoryTable) {
        let mut tables = locked(&self.tables);
        let mut changed: Tables = tables.iter().filter(|other| other.name != table.name).cloned().collect();
        changed.push(Arc::new(table));
        *tables = Arc::new(changed);
    }

    fn remember(&self, query: &SourceQuery) {
        let mut log = locked(&self.log);
        if log.len() == REMEMBERED {
            log.pop_front();
        }
        log.push_back(query.clone());
    }

    fn snapshot(&self) -> Arc<Tables> {
        Arc::clone(&locked(&self.tables))
    }

    fn error(&self, (kind, message): Refusal) -> SourceError {
        SourceError::new(self.name.clone(), kind, message)
    }

    /// Fails, or waits, before anything is done: deadline, then faults.
    async fn admit(&self, context: &QueryContext, fault: &Fault) -> Result<(), SourceError> {
        if context.remaining().is_some_and(|left| left.is_zero()) {
            return Err(timeout(&self.name));
        }
        if fault.unavailable {
            return Err(self.error((SourceErrorKind::Unavailable, "the source is not available".to_owned())));
        }
        if fault.hang {
            return within_deadline(context, std::future::pending()).await.ok_or_else(|| timeout(&self.name));
        }
        Ok(())
    }

    fn table(tables: &Tables, name: &RemoteTableName) -> Option<Arc<MemoryTable>> {
        tables.iter().find(|table| &table.name == name).cloned()
    }
}

fn timeout(source_name: &str) -> SourceError {
    SourceError::new(source_name, SourceErrorKind::Timeout, "the deadline has passed")
}

/// The future's output, or `None` when the deadline comes first.
async fn within_deadline<T>(context: &QueryContext, future: impl Future<Output = T>) -> Option<T> {
    match context.remaining() {
        Some(left) => tokio::time::timeout(left, future).await.ok(),
        None => Some(future.await),
    }
}

#[async_trait]
impl Source for MemorySource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let fault = locked(&self.fault).clone();
        self.admit(context, &fault).await?;
        let tables: Vec<_> = self.snapshot().iter().map(|table| table.remote_table()).collect();
        let mut hasher = DefaultHasher::new();
        for table in &tables {
            // The number of rows changes all the time, and is no part of the schema.
            let described = serde_json::to_string(&portico_provider_api::RemoteTable { row_estimate: None, ..table.clone() });
            let described = described.map_err(|error| self.error((SourceErrorKind::Internal, error.to_string())))?;
            described.hash(&mut hasher);
        }
        let tables = tables.into_iter().filter(|table| match wanted {
            Selection::All => true,
            Selection::Tables(names) => names.contains(&table.name),
        });
        let version = format!("{:016x}", hasher.finish());
        Ok(RemoteSchema { version, tables: tables.collect(), operations: Vec::new(), capabilities: capabilities() })
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        self.remember(&query);
        translate::check(&query).map_err(|refusal| self.error(refusal))?;
        let active = Active::start(&self.active);
        let fault = locked(&self.fault).clone();
        context.sending(&translate::describe(&query));
        self.admit(context, &fault).await?;
        let Relation::Table(relation) = &query.from else {
            return Err(self.error((SourceErrorKind::Unsupported, "a query over anything but one remote table".to_owned())));
        };
        let missing = || (SourceErrorKind::SchemaChanged, format!("table '{}' does not exist", relation.table));
        let table = MemorySource::table(&self.snapshot(), &relation.table).ok_or_else(|| self.error(missing()))?;
        let table = held::as_declared(relation, table).map_err(|refusal| self.error(refusal))?;
        translate::check_columns(relation, &table).map_err(|refusal| self.error(refusal))?;
        let schema = query.result_schema();
        let report = ReportHandle::default();
        let (skip, left) = (query.offset, query.limit.unwrap_or(u64::MAX));
        let evaluation = TableEvaluation::owned(query).map_err(|error| self.error(translate::refusal(error)))?;
        let running = Running {
            source_name: self.name.clone(),
            skip,
            left,
            counted: evaluation.is_row_count().then_some(0),
            evaluation: Arc::new(evaluation),
            table,
            next: Next::default(),
            context: context.clone(),
            fault,
            sent: Sent::default(),
            started: SystemTime::now(),
            report: report.clone(),
            _active: active,
        };
        // Fused, so that a reader who asks once more after the end gets the end again.
        let batches = stream::unfold(Some(running), |running| async move {
            let mut running = running?;
            match running.next_batch().await {
                Ok(Some(batch)) => Some((Ok(batch), Some(running))),
                Ok(None) => {
                    running.finish();
                    None
                }
                // After an error the stream is over, and has no report.
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(QueryStream::new(schema, Box::pin(batches.fuse()), report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        if translate::check(query).is_ok() { vec![translate::describe(query)] } else { Vec::new() }
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        Some(self)
    }
}

/// Where a running query stands in its table.
#[derive(Default)]
struct Next {
    batch: usize,
    row: usize,
    /// The sorted or de-duplicated result, once it has been made.
    whole: Option<RecordBatch>,
}

#[derive(Default)]
struct Sent {
    batches: usize,
    rows: u64,
    bytes: u64,
}

/// A query that is being answered.
struct Running {
    source_name: String,
    evaluation: Arc<TableEvaluation<'static>>,
    table: Arc<MemoryTable>,
    skip: u64,
    left: u64,
    /// The rows counted so far; `None` when the answer is not a row count, or has been given.
    counted: Option<u64>,
    next: Next,
    context: QueryContext,
    fault: Fault,
    sent: Sent,
    started: SystemTime,
    report: ReportHandle,
    _active: Active,
}

impl Running {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
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
        let evaluation = Arc::clone(&self.evaluation);
        if evaluation.is_row_count() {
            return self.step_count(&evaluation);
        }
        if !evaluation.is_streamable() {
            return self.step_whole(&evaluation);
        }
        if self.left == 0 {
            return Ok(None);
        }
        let Some(chunk) = self.next_chunk() else { return Ok(None) };
        let wanted = usize::try_from(self.skip.saturating_add(self.left)).unwrap_or(usize::MAX);
        let rows = evaluation.select(&chunk, wanted)?;
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows.len());
        let kept = rows.get(skipped..).unwrap_or_default();
        self.skip -= skipped as u64;
        self.left = self.left.saturating_sub(kept.len() as u64);
        evaluation.project(&chunk, kept).map(Some)
    }

    /// Counts one chunk after the other, and answers after the last.
    fn step_count(&mut self, evaluation: &TableEvaluation<'_>) -> Result<Option<RecordBatch>, EvaluateError> {
        let Some(counted) = self.counted else { return Ok(None) };
        if let Some(chunk) = self.next_chunk() {
            self.counted = Some(counted.saturating_add(evaluation.count(&chunk)?));
            return Ok(Some(RecordBatch::new_empty(evaluation.schema())));
        }
        self.counted = None;
        evaluation.counted(counted).map(Some)
    }

    fn next_chunk(&mut self) -> Option<RecordBatch> {
        loop {
            let batch = self.table.batches.get(self.next.batch)?;
            let length = batch.num_rows().saturating_sub(self.next.row).min(BATCH_ROWS);
            if length > 0 {
                let chunk = batch.slice(self.next.row, length);
                self.next.row += length;
                return Some(chunk);
            }
            self.next = Next { batch: self.next.batch + 1, row: 0, whole: None };
        }
    }

    /// Slices of a result that can only be made as a whole.
    fn step_whole(&mut self, evaluation: &TableEvaluation<'_>) -> Result<Option<RecordBatch>, EvaluateError> {
        let whole = match &self.next.whole {
            Some(whole) => whole.clone(),
            None => {
                let all = whole_table(&self.table)?;
                self.next.whole.insert(evaluation.evaluate(&all)?).clone()
            }
        };
        let length = whole.num_rows().saturating_sub(self.next.row).min(BATCH_ROWS);
        if length == 0 {
            return Ok(None);
        }
        let slice = whole.slice(self.next.row, length);
        self.next.row += length;
        Ok(Some(slice))
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

    fn finish(&self) {
        let Sent { rows, bytes, .. } = self.sent;
        self.report.set(QueryReport { as_of: self.started, requests: 1, rows, bytes, complete: true });
    }

    fn error(&self, (kind, message): Refusal) -> SourceError {
        SourceError::new(self.source_name.clone(), kind, message)
    }
}

/// All rows of a table as one batch.
pub(crate) fn whole_table(table: &MemoryTable) -> Result<RecordBatch, EvaluateError> {
    let schema: SchemaRef = match table.batches.first() {
        Some(batch) => batch.schema(),
        None => {
            let fields: Vec<_> = table.columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect();
            Arc::new(arrow::datatypes::Schema::new(fields))
        }
    };
    arrow::compute::concat_batches(&schema, &table.batches).map_err(|error| EvaluateError::Invalid(error.to_string()))
}

#[async_trait]
impl WritableSource for MemorySource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        let fault = locked(&self.fault).clone();
        self.admit(context, &fault).await?;
        if let Some(delay) = fault.delay {
            within_deadline(context, tokio::time::sleep(delay)).await.ok_or_else(|| timeout(&self.name))?;
        }
        let mut remembered = within_deadline(context, self.writing.lock()).await.ok_or_else(|| timeout(&self.name))?;
        if changes.idempotency_key.is_some()
            && let Some((earlier, outcomes)) = remembered.iter().find(|(earlier, _)| earlier.idempotency_key == changes.idempotency_key)
        {
            if *earlier != changes {
                let message = "the idempotency key was used for another change set".to_owned();
                return Err(self.error((SourceErrorKind::Conflict, message)));
            }
            return Ok(outcomes.clone());
        }
        let text = format!("change set of {}", changes.changes.len());
        context.sending(&NativeRequest { language: "memory".to_owned(), text, parameters: 0 });
        let before = self.snapshot();
        let applied = write::apply(&before, &changes).map_err(|refusal| self.error(refusal))?;
        let done = applied.tables.is_some();
        if let Some(after) = applied.tables {
            let mut current = locked(&self.tables);
            if !Arc::ptr_eq(&current, &before) {
                return Err(self.error((SourceErrorKind::Conflict, "a table was replaced meanwhile".to_owned())));
            }
            *current = Arc::new(after);
        }
        // A set that was rolled back may be tried again.
        if done && changes.idempotency_key.is_some() {
            if remembered.len() == REMEMBERED {
                remembered.pop_front();
            }
            remembered.push_back((changes, applied.outcomes.clone()));
        }
        Ok(applied.outcomes)
    }
}
