//! The source itself: a snapshot of tables, replaced as a whole by each write. Queries read the snapshot they started with
//! ([`crate::running`]).

use crate::capabilities::capabilities;
use crate::fault::Fault;
use crate::held;
use crate::row_hash;
use crate::running::{Running, Work};
use crate::table::{MemoryTable, whole_table};
use crate::translate::{self, Refusal};
use crate::write;
use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use portico_provider_api::check::visit_tables;
use portico_provider_api::{
    Capabilities, ChangeOutcome, ChangeSet, NativeRequest, QueryContext, QueryStream, Relation, RemoteSchema, ReportHandle, Selection,
    Source, SourceError, SourceErrorKind, SourceQuery, TableEvaluation, TableRelation, WritableSource,
};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Queries, and write outcomes, that are remembered.
const REMEMBERED: usize = 10_000;

/// The tables at one moment.
pub(crate) type Tables = Vec<Arc<MemoryTable>>;

/// A source whose tables are in memory.
pub struct MemorySource {
    name: String,
    capabilities: Capabilities,
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
pub(crate) struct Active(Arc<AtomicUsize>);

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
            capabilities: capabilities(),
            tables: Mutex::new(Arc::new(tables.into_iter().map(Arc::new).collect())),
            writing: tokio::sync::Mutex::new(VecDeque::new()),
            log: Mutex::new(VecDeque::new()),
            fault: Mutex::new(Fault::default()),
            active: Arc::new(AtomicUsize::new(0)),
            name,
        })
    }

    /// The same source, which does and declares no more than this: what it may answer roughly, it answers with more rows than asked for.
    #[must_use]
    pub fn limited_to(self, capabilities: Capabilities) -> MemorySource {
        MemorySource { capabilities, ..self }
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

    /// A query with the tables that it reads, as they are now.
    fn work(&self, query: SourceQuery) -> Result<Work, Refusal> {
        let snapshot = self.snapshot();
        let read = |relation: &TableRelation| {
            let missing = || (SourceErrorKind::SchemaChanged, format!("table '{}' does not exist", relation.table));
            let table = snapshot.iter().find(|table| table.name == relation.table).cloned().ok_or_else(missing)?;
            let table = row_hash::with(relation, held::as_declared(relation, table)?)?;
            translate::check_columns(relation, &table)?;
            Ok::<_, Refusal>(table)
        };
        if let Relation::Table(relation) = &query.from
            && TableEvaluation::suits(&query)
        {
            let table = read(relation)?;
            return Work::rows(query, table).map_err(translate::refusal);
        }
        let mut tables: Vec<(TableRelation, RecordBatch)> = Vec::new();
        let mut failure = None;
        visit_tables(&query, &mut |relation| {
            if failure.is_none() && !tables.iter().any(|(known, _)| known == relation) {
                match read(relation).and_then(|table| whole_table(&table).map_err(translate::refusal)) {
                    Ok(batch) => tables.push((relation.clone(), batch)),
                    Err(refusal) => failure = Some(refusal),
                }
            }
        });
        failure.map_or(Ok(Work::Whole { query: Box::new(query), tables }), Err)
    }
}

pub(crate) fn timeout(source_name: &str) -> SourceError {
    SourceError::new(source_name, SourceErrorKind::Timeout, "the deadline has passed")
}

/// The future's output, or `None` when the deadline comes first.
pub(crate) async fn within_deadline<T>(context: &QueryContext, future: impl Future<Output = T>) -> Option<T> {
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
        let tables = tables.into_iter().filter(|table| wanted.tables().is_none_or(|names| names.contains(&table.name)));
        let version = format!("{:016x}", hasher.finish());
        Ok(RemoteSchema {
            version,
            tables: tables.collect(),
            operations: Vec::new(),
            capabilities: self.capabilities.clone(),
            declared: true,
            ..RemoteSchema::default()
        })
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        self.remember(&query);
        translate::check(&query, &self.capabilities).map_err(|refusal| self.error(refusal))?;
        let active = Active::start(&self.active);
        let fault = locked(&self.fault).clone();
        context.sending(&translate::describe(&query));
        self.admit(context, &fault).await?;
        let schema = query.result_schema();
        let work = self.work(translate::loosened(query, &self.capabilities)).map_err(|refusal| self.error(refusal))?;
        let report = ReportHandle::default();
        let running = Running::new(self.name.clone(), work, context.clone(), fault, report.clone(), active);
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
        if translate::check(query, &self.capabilities).is_ok() { vec![translate::describe(query)] } else { Vec::new() }
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        let own = self.capabilities.tables.values().filter_map(|table| table.write);
        own.chain([self.capabilities.write]).any(|write| write.any()).then_some(self as &dyn WritableSource)
    }
}

#[async_trait]
impl WritableSource for MemorySource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        let fault = locked(&self.fault).clone();
        self.admit(context, &fault).await?;
        let refused = self.capabilities.check_changes(&changes);
        refused.map_err(|refused| self.error((SourceErrorKind::Unsupported, refused.to_string())))?;
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
            return Ok(write::told(&changes, outcomes.clone(), &self.snapshot(), &self.capabilities));
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
            remembered.push_back((changes.clone(), applied.outcomes.clone()));
        }
        Ok(write::told(&changes, applied.outcomes, &before, &self.capabilities))
    }
}
