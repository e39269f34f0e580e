//! A read as a stream of Arrow batches. A task of its own reads and decodes, one batch ahead of the reader: a slow reader makes it wait,
//! and with it the server's socket. It must not know SQL.

use crate::client::{Client, Lease};
use crate::decode::ColumnDecoder;
use crate::errors::Failure;
use crate::session::Session;
use crate::translate::Translated;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Params, Row};
use portico_provider_api::stream::BatchStream;
use portico_provider_api::{Late, Limits, Patience, QueryReport, ReportHandle, SourceError, SourceErrorKind};
use portico_provider_sql::ResultColumn;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot};

/// Rows in a batch at most.
const BATCH_ROWS: usize = 8_192;
/// Bytes on the wire after which a batch is closed.
const BATCH_BYTES: usize = 1 << 20;

/// Decodes rows into columns.
pub struct RowDecoder {
    source_name: String,
    columns: Vec<ResultColumn>,
    decoders: Vec<ColumnDecoder>,
}

impl RowDecoder {
    /// A decoder from the columns that the server announces to the promised ones; further columns of the server are left alone.
    ///
    /// # Errors
    /// `SchemaChanged` when they do not fit, naming the column.
    pub fn new(source_name: &str, columns: Vec<ResultColumn>, announced: &[Column]) -> Result<RowDecoder, SourceError> {
        let decoders = columns.iter().enumerate().map(|(index, column)| {
            let sent = announced.get(index);
            sent.and_then(|sent| ColumnDecoder::new(sent.column_type(), column.scalar_type, column.codec)).ok_or_else(|| {
                let message = format!("{} is of another type at the server than the promised {}", label(column), column.scalar_type);
                SourceError::new(source_name, SourceErrorKind::SchemaChanged, message)
            })
        });
        let decoders = decoders.collect::<Result<_, _>>()?;
        Ok(RowDecoder { source_name: source_name.to_owned(), columns, decoders })
    }

    /// Adds a row, and tells how many bytes it has.
    ///
    /// # Errors
    /// `Malformed`, or `Data` for a computed column, naming the column whose value does not fit its type.
    pub fn append(&mut self, row: &Row) -> Result<usize, SourceError> {
        let mut bytes = 0;
        for (index, (decoder, column)) in self.decoders.iter_mut().zip(&self.columns).enumerate() {
            // What does not fit was computed wide of its type, or was not what the schema says.
            let kind = if column.origin.is_none() { SourceErrorKind::Data } else { SourceErrorKind::Malformed };
            let malformed = |fault: &str| SourceError::new(&self.source_name, kind.clone(), format!("{} {fault}", label(column)));
            let cell = row.as_ref(index).ok_or_else(|| malformed("is missing in a row"))?;
            if !column.nullable && *cell == mysql_async::Value::NULL {
                return Err(malformed("holds null, which it must not"));
            }
            bytes += decoder.append(cell).map_err(|fault| malformed(&fault))?;
        }
        Ok(bytes)
    }

    /// The columns so far.
    ///
    /// # Errors
    /// When a stored form does not fit its declared type, which `append` has checked.
    pub fn finish(&mut self) -> Result<Vec<ArrayRef>, SourceError> {
        let source_name = &self.source_name;
        let finish = |(decoder, column): (&mut ColumnDecoder, &ResultColumn)| {
            decoder
                .finish()
                .map_err(|fault| SourceError::new(source_name, SourceErrorKind::Malformed, format!("{} {fault}", label(column))))
        };
        self.decoders.iter_mut().zip(&self.columns).map(finish).collect()
    }
}

fn label(column: &ResultColumn) -> String {
    match &column.origin {
        Some(origin) => format!("column {origin}"),
        None => format!("output '{}'", column.name),
    }
}

/// What an answer must be.
#[derive(Clone)]
pub struct Promise {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// When the server was asked.
    pub as_of: SystemTime,
    /// Caps; zero means none.
    pub limits: Limits,
}

/// Why reading stopped.
enum Stop {
    /// Work on the connection failed.
    Connection(Failure),
    /// Something else failed.
    Failed(SourceError),
    /// Nobody reads any more.
    Unread,
}

impl From<mysql_async::Error> for Stop {
    fn from(error: mysql_async::Error) -> Stop {
        Stop::Connection(Failure::Driver(error))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Connection(failure)
    }
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Stop {
        Stop::Failed(error)
    }
}

/// What the task sends.
enum Sent {
    Batch(RecordBatch),
    /// The answer is complete.
    End(QueryReport),
}

type Batches = mpsc::Sender<Result<Sent, SourceError>>;

/// One read: what is asked, and to whom it is answered.
struct Read {
    client: Client,
    translated: Translated,
    promise: Promise,
    patience: Patience,
    batches: Batches,
    /// Told once, when the first row, the end or a failure is there.
    started: Option<oneshot::Sender<Result<(), SourceError>>>,
}

/// Starts a read and waits for its first row, or for its end. Until then nothing has been handed out, so a connection that turns out to be
/// broken is replaced and the read is asked once more.
///
/// # Errors
/// What the server says, `Timeout`, or `Unavailable`.
pub async fn start(
    client: Client,
    translated: Translated,
    promise: Promise,
    report: ReportHandle,
    patience: Patience,
) -> Result<BatchStream, SourceError> {
    let (batches, received) = mpsc::channel(1);
    let (started, begun) = oneshot::channel();
    let ended = client.error(SourceErrorKind::Internal, "the read ended without an end");
    let read = Read { client, translated, promise, patience, batches, started: Some(started) };
    tokio::spawn(read.run());
    begun.await.unwrap_or_else(|_| Err(ended.clone()))?;
    let stream = futures::stream::try_unfold((received, report, ended), |(mut received, report, ended)| async move {
        match received.recv().await {
            Some(Ok(Sent::Batch(batch))) => Ok(Some((batch, (received, report, ended)))),
            Some(Ok(Sent::End(totals))) => {
                report.set(totals);
                Ok(None)
            }
            Some(Err(error)) => Err(error),
            // The task is gone without having said so.
            None => Err(ended),
        }
    });
    Ok(Box::pin(stream))
}

impl Read {
    async fn run(mut self) {
        let mut again = true;
        loop {
            let error = match self.attempt().await {
                Ok(()) | Err(Stop::Unread) => return,
                Err(Stop::Failed(error)) => error,
                Err(Stop::Connection(failure)) => {
                    let broken = self.client.drop_broken(&failure);
                    if broken && again && self.started.is_some() {
                        again = false;
                        continue;
                    }
                    failure.describe(self.client.source_name())
                }
            };
            match self.started.take() {
                Some(started) => drop(started.send(Err(error))),
                None => drop(self.batches.send(Err(error)).await),
            }
            return;
        }
    }

    /// Reads on a connection of its own until the end, until the server is waited for in vain, or until nobody reads any more.
    async fn attempt(&mut self) -> Result<(), Stop> {
        let batches = self.batches.clone();
        let mut lease = tokio::select! {
            biased;
            () = batches.closed() => return Err(Stop::Unread),
            lease = self.client.lease(self.patience.until()) => lease?,
        };
        lease.begin();
        let outcome = tokio::select! {
            biased;
            () = batches.closed() => Err(Stop::Unread),
            outcome = self.read(&mut lease) => outcome,
        };
        if let Err(Stop::Connection(failure)) = &outcome {
            // The statement has ended, well or not; a broken connection has nothing to stop.
            if failure.is_of_connection() || failure.server().is_none() { lease.discard() } else { lease.release() }
        }
        outcome
    }

    async fn read(&mut self, lease: &mut Lease) -> Result<(), Stop> {
        let (limit, mut waiting) = (self.client.server_limit(self.patience), self.patience.waiting());
        let client = self.client.clone();
        let late = |late: Late| Stop::Failed(client.late(late));
        let session = lease.session()?;
        let parameters = match self.translated.parameters.as_slice() {
            [] => Params::Empty,
            list => Params::Positional(list.to_vec()),
        };
        let (asked, text) = (&mut *session, self.translated.text.as_str());
        let begin = async move {
            asked.limit_time(limit).await?;
            let statement = asked.conn.prep(text).await?;
            let mut answer = asked.conn.exec_iter(&statement, parameters).await?;
            let announced = answer.columns().unwrap_or_default();
            let first = answer.next().await?;
            Ok::<_, Failure>((answer, announced, first))
        };
        let (mut answer, announced, mut next) = waiting.part(begin).await.map_err(late)??;
        let mut decoder = RowDecoder::new(self.client.source_name(), self.translated.columns.clone(), &announced)?;
        let mut totals = QueryReport { as_of: self.promise.as_of, requests: 1, rows: 0, bytes: 0, complete: true };
        if let Some(started) = self.started.take() {
            started.send(Ok(())).map_err(|_| Stop::Unread)?;
        }
        while next.is_some() {
            self.patience.check().map_err(late)?;
            let (mut rows, mut bytes) = (0, 0);
            while let Some(row) = next.take() {
                bytes += decoder.append(&row)?;
                rows += 1;
                next = waiting.part(answer.next()).await.map_err(late)??;
                if rows >= BATCH_ROWS || bytes >= BATCH_BYTES {
                    break;
                }
            }
            let batch = self.batch(&mut decoder, rows)?;
            totals.rows += rows as u64;
            totals.bytes += batch.get_array_memory_size() as u64;
            self.check_limits(&totals)?;
            self.batches.send(Ok(Sent::Batch(batch))).await.map_err(|_| Stop::Unread)?;
        }
        let warnings = answer.warnings();
        drop(answer);
        if warnings > 0 {
            waiting.part(self.check_warnings(session)).await.map_err(late)??;
        }
        lease.release();
        self.batches.send(Ok(Sent::End(totals))).await.map_err(|_| Stop::Unread)
    }

    fn batch(&self, decoder: &mut RowDecoder, rows: usize) -> Result<RecordBatch, SourceError> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.promise.schema), decoder.finish()?, &options)
            .map_err(|error| self.client.error(SourceErrorKind::Internal, error.to_string()))
    }

    /// An answer beyond a cap is an error: cut off, it would look complete.
    fn check_limits(&self, totals: &QueryReport) -> Result<(), SourceError> {
        let limits = self.promise.limits;
        for (sent, most, what) in [(totals.rows, limits.max_rows, "rows"), (totals.bytes, limits.max_bytes, "bytes")] {
            if most > 0 && sent > most {
                let message = format!("the answer has more than the allowed {most} {what}");
                return Err(self.client.error(SourceErrorKind::Unsupported, message));
            }
        }
        Ok(())
    }

    /// Where the server has no value it warns and goes on with null or with a part: a text too large for it, a stored form that it
    /// cannot read. Such an answer is not to be believed.
    async fn check_warnings(&self, session: &mut Session) -> Result<(), Stop> {
        let warnings: Vec<(String, u16, String)> = session.conn.query("SHOW WARNINGS").await?;
        let wrong = warnings.iter().find(|(level, code, _)| *code == 1301 || (self.translated.strict && level == "Warning"));
        match wrong {
            None => Ok(()),
            Some((_, 1301, _)) => {
                Err(self.client.error(SourceErrorKind::Data, "a text became larger than the server's max_allowed_packet").into())
            }
            Some((_, code, _)) => {
                let message = format!("a column's stored form is not what it should be (warning {code} of the server)");
                Err(self.client.error(SourceErrorKind::Malformed, message).into())
            }
        }
    }
}
