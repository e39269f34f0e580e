//! The source itself: queries that stream from a blocking thread through a bounded channel. It must not know how values are decoded.

use crate::capabilities::capabilities;
use crate::config::Config;
use crate::decode::append;
use crate::error::source_error;
use crate::pool::{Pool, Stop};
use crate::translate::{bound, translate};
use crate::{introspect, write};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use portico_provider_api::{
    Capabilities, ChangeOutcome, ChangeSet, ColumnBuilder, ConnectContext, Late, Limits, NativeRequest, Probe, QueryContext, QueryReport,
    QueryStream, RemoteSchema, ReportHandle, Selection, Source, SourceError, SourceErrorKind, SourceQuery, Unsupported, WritableSource,
};
use portico_provider_sql::Statement;
use rusqlite::{CachedStatement, Connection};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot};

/// Rows in one batch at most.
const BATCH_ROWS: usize = 8_192;
/// Bytes in one batch, after which it is sent.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait for the reader at most.
const BATCHES_AHEAD: usize = 2;

type Batches = mpsc::Sender<Result<RecordBatch, SourceError>>;

/// A live `sqlite` source.
pub(crate) struct SqliteSource {
    pool: Arc<Pool>,
    capabilities: Capabilities,
    read_only: bool,
}

impl SqliteSource {
    pub(crate) fn new(config: &Config, context: &ConnectContext) -> SqliteSource {
        let read_only = config.read_only;
        SqliteSource { pool: Arc::new(Pool::new(config, context)), capabilities: capabilities(read_only), read_only }
    }
}

pub(crate) fn refused(source_name: &str, unsupported: &Unsupported) -> SourceError {
    SourceError::new(source_name, SourceErrorKind::Unsupported, unsupported.to_string())
}

/// Prepares a statement and binds its parameters.
pub(crate) fn prepared<'a>(
    connection: &'a Connection,
    statement: &Statement,
    source_name: &str,
) -> Result<CachedStatement<'a>, SourceError> {
    let fail = |error: rusqlite::Error| source_error(source_name, &error);
    let mut prepared = connection.prepare_cached(&statement.text).map_err(fail)?;
    for (at, parameter) in statement.parameters.iter().enumerate() {
        let value = bound(parameter).map_err(|unsupported| refused(source_name, &unsupported))?;
        prepared.raw_bind_parameter(at + 1, value).map_err(fail)?;
    }
    Ok(prepared)
}

#[async_trait]
impl Source for SqliteSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let (wanted, capabilities, read_only) = (wanted.clone(), self.capabilities.clone(), self.read_only);
        let source_name = self.pool.source_name.clone();
        let introspected = move |connection: &mut Connection, _: &Stop| {
            introspect::schema(connection, &wanted, read_only)
                .map(|(version, tables)| RemoteSchema { version, tables, operations: Vec::new(), capabilities, ..RemoteSchema::default() })
                .map_err(|error| source_error(&source_name, &error))
        };
        self.pool.run(context, introspected).await
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        let source_name = self.pool.source_name.clone();
        let read = move |connection: &mut Connection, _: &Stop| {
            // SQLite counts up with every change of the schema.
            let version = connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0));
            let version = version.map_err(|error| source_error(&source_name, &error))?;
            Ok(Probe { schema: Some(version.to_string()) })
        };
        self.pool.run(context, read).await
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let statement = translate(&self.capabilities, &query).map_err(|unsupported| refused(&self.pool.source_name, &unsupported))?;
        context.sending(&statement.native_request());
        let (batches, received) = mpsc::channel(BATCHES_AHEAD);
        let (started, has_started) = oneshot::channel();
        let (schema, report) = (query.result_schema(), ReportHandle::default());
        let mut producer = Producer {
            source_name: self.pool.source_name.clone(),
            schema: Arc::clone(&schema),
            limits: context.request.limits,
            batches,
            sent: (0, 0),
        };
        let work = move |connection: &mut Connection, stop: &Stop| producer.run(connection, &statement, stop, started);
        let patience = self.pool.patience(context);
        let (running, thread) = self.pool.start(patience, patience.end(), work).await?;
        let mut waiting = patience.waiting();
        let source_name = self.pool.source_name.clone();
        let late = move |late: Late| SourceError::new(source_name.clone(), SourceErrorKind::Timeout, late.to_string());
        if waiting.part(has_started).await.map_err(&late)?.is_err() {
            // The thread ended before the statement began: it says why.
            let ended = thread.await.unwrap_or_else(|_| Err(self.internal()));
            return Err(ended.err().unwrap_or_else(|| self.internal()));
        }
        let source_name = self.pool.source_name.clone();
        let reports = report.clone();
        let ending = async move {
            let failed = match thread.await {
                // Only now has the reader taken every batch.
                Ok(Ok(Some(ended))) => {
                    reports.set(ended);
                    None
                }
                Ok(Ok(None)) => None,
                Ok(Err(error)) => Some(error),
                Err(_) => Some(SourceError::new(source_name, SourceErrorKind::Internal, "the source's thread ended unexpectedly")),
            };
            drop(running);
            failed.map(Err)
        };
        let rows = futures::stream::unfold(Some((received, waiting, late)), |state| async move {
            let (mut received, mut waiting, late) = state?;
            match waiting.part(received.recv()).await {
                Ok(batch) => batch.map(|batch| (batch, Some((received, waiting, late)))),
                Err(silent) => Some((Err(late(silent)), None)),
            }
        });
        let stream = rows.chain(futures::stream::once(ending).filter_map(std::future::ready));
        Ok(QueryStream::new(schema, Box::pin(stream), report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        translate(&self.capabilities, query).map(|statement| vec![statement.native_request()]).unwrap_or_default()
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        if self.read_only { None } else { Some(self) }
    }
}

impl SqliteSource {
    fn internal(&self) -> SourceError {
        self.pool.error(SourceErrorKind::Internal, "the source's thread ended unexpectedly")
    }
}

#[async_trait]
impl WritableSource for SqliteSource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        let (source_name, context_there) = (self.pool.source_name.clone(), context.clone());
        let work = move |connection: &mut Connection, stop: &Stop| write::apply(connection, &changes, &source_name, &context_there, stop);
        // What did not end with its commit is rolled back when the connection is given back or closed.
        self.pool.run(context, work).await.map_err(SourceError::without_effect)
    }
}

/// Runs a statement, sends its rows, and reports when all were sent; nothing when nobody reads any more.
struct Producer {
    source_name: String,
    schema: SchemaRef,
    limits: Limits,
    batches: Batches,
    /// Rows and bytes so far.
    sent: (u64, u64),
}

impl Producer {
    fn run(
        &mut self,
        connection: &Connection,
        statement: &Statement,
        stop: &Stop,
        started: oneshot::Sender<()>,
    ) -> Result<Option<QueryReport>, SourceError> {
        let mut prepared = prepared(connection, statement, &self.source_name)?;
        let as_of = SystemTime::now();
        if started.send(()).is_err() {
            return Ok(None);
        }
        let mut rows = prepared.raw_query();
        let mut builders: Vec<_> = statement.columns.iter().map(|column| ColumnBuilder::new(column.scalar_type)).collect();
        let (mut count, mut bytes) = (0, 0);
        loop {
            let row = rows.next().map_err(|error| source_error(&self.source_name, &error))?;
            let Some(row) = row else { break };
            for (at, (builder, column)) in builders.iter_mut().zip(&statement.columns).enumerate() {
                let value = row.get_ref(at).map_err(|error| source_error(&self.source_name, &error))?;
                bytes += append(builder, column, value).map_err(|reason| self.error(SourceErrorKind::Malformed, reason))?;
            }
            count += 1;
            if count == BATCH_ROWS || bytes >= BATCH_BYTES {
                if !self.send(&mut builders, count, stop)? {
                    return Ok(None);
                }
                (count, bytes) = (0, 0);
            }
        }
        if count > 0 && !self.send(&mut builders, count, stop)? {
            return Ok(None);
        }
        let (rows, bytes) = self.sent;
        Ok(Some(QueryReport { as_of, requests: 1, rows, bytes, complete: true }))
    }

    fn error(&self, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        SourceError::new(self.source_name.clone(), kind, message)
    }

    /// Sends what the builders hold; false when nobody reads any more.
    fn send(&mut self, builders: &mut [ColumnBuilder], rows: usize, stop: &Stop) -> Result<bool, SourceError> {
        let arrays = builders.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| self.error(SourceErrorKind::Internal, format!("a batch does not fit its schema: {error}")))?;
        self.sent.0 += rows as u64;
        self.sent.1 += batch.get_array_memory_size() as u64;
        let over = |sent: u64, most: u64| most > 0 && sent > most;
        let Limits { max_rows, max_bytes } = self.limits;
        if over(self.sent.0, max_rows) {
            return Err(self.error(SourceErrorKind::Unsupported, format!("the answer has more than the allowed {max_rows} rows")));
        }
        if over(self.sent.1, max_bytes) {
            return Err(self.error(SourceErrorKind::Unsupported, format!("the answer has more than the allowed {max_bytes} bytes")));
        }
        if self.batches.blocking_send(Ok(batch)).is_err() {
            return Ok(false);
        }
        // A reader that was slower than the deadline must hear of it, though no statement was running to be interrupted.
        match stop.reason() {
            Some(_) => Err(self.error(SourceErrorKind::Timeout, "the deadline passed")),
            None => Ok(true),
        }
    }
}
