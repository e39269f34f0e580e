//! A read as a stream of Arrow batches: a thread of its own fetches row by row, which alone gives values of any length in full, and waits
//! for a reader who is slow. It must not know SQL.

use crate::client::{Client, Failed, Running, Work};
use crate::decode::{ColumnDecoder, Reading};
use crate::session::Session;
use crate::translate::Translated;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use odbc_api::{Cursor, CursorRow, Nullable, ResultSetMetadata};
use portico_provider_api::{Late, Limits, Patience, QueryReport, QueryStream, ReportHandle, SourceError, SourceErrorKind, Waiting};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Rows in one batch at most.
const BATCH_ROWS: usize = 8_192;
/// Bytes in one batch, after which it is sent.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait for the reader at most.
const BATCHES_AHEAD: usize = 1;

/// Starts a read and waits for the database to have begun its answer.
///
/// # Errors
/// What the database says, `Timeout`, or `Unavailable`.
pub async fn start(
    client: &Arc<Client>,
    translated: Translated,
    schema: SchemaRef,
    limits: Limits,
    patience: Patience,
) -> Result<QueryStream, SourceError> {
    let (batches, received) = mpsc::channel(BATCHES_AHEAD);
    let (started, begun) = oneshot::channel();
    let producer = Producer {
        source_name: client.source_name.clone(),
        schema: Arc::clone(&schema),
        translated,
        limits,
        end: Instant::now() + client.server_limit(patience),
        batches,
        started: Some(started),
        runtime: tokio::runtime::Handle::current(),
        totals: QueryReport { as_of: SystemTime::now(), requests: 1, rows: 0, bytes: 0, complete: true },
    };
    let (running, thread) = client.start(patience.until(), producer).await?;
    let mut waiting = patience.waiting();
    match waiting.part(begun).await {
        Ok(Ok(())) => {}
        // The thread ended before the answer began: it says why.
        Ok(Err(_)) => return Err(thread.await.map_or_else(|_| client.ended(), |ended| ended.err().unwrap_or_else(|| client.ended()))),
        Err(late) => return Err(client.late(late)),
    }
    let report = ReportHandle::default();
    let reader = Reader { received, thread, _running: running, report: report.clone(), waiting, client: Arc::clone(client) };
    Ok(QueryStream::new(schema, Box::pin(futures::stream::try_unfold(reader, Reader::next)), report))
}

/// The reader's end of a read. Dropping it stops the read.
struct Reader {
    received: mpsc::Receiver<RecordBatch>,
    thread: JoinHandle<Result<Option<QueryReport>, SourceError>>,
    _running: Running,
    report: ReportHandle,
    waiting: Waiting,
    client: Arc<Client>,
}

impl Reader {
    async fn next(mut self) -> Result<Option<(RecordBatch, Reader)>, SourceError> {
        self.waiting.patience().check().map_err(|late| self.client.late(late))?;
        match self.waiting.part(self.received.recv()).await {
            Ok(Some(batch)) => return Ok(Some((batch, self))),
            Ok(None) => {}
            Err(late) => return Err(self.client.late(late)),
        }
        // Every batch has been taken; how it ended says the thread.
        match self.waiting.part(&mut self.thread).await {
            Ok(Ok(Ok(Some(totals)))) => {
                self.report.set(totals);
                Ok(None)
            }
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(self.client.ended()),
            Ok(Ok(Ok(None))) => Err(self.client.late(Late::Ended)),
            Err(late) => Err(self.client.late(late)),
        }
    }
}

/// Runs a statement, sends its rows, and reports when all were sent; nothing when nobody reads any more.
struct Producer {
    source_name: String,
    schema: SchemaRef,
    translated: Translated,
    limits: Limits,
    /// When the whole request must have ended.
    end: Instant,
    batches: mpsc::Sender<RecordBatch>,
    /// Told once, when the answer has begun.
    started: Option<oneshot::Sender<()>>,
    runtime: tokio::runtime::Handle,
    totals: QueryReport,
}

/// What cells are read into.
#[derive(Default)]
struct Buffers {
    wide: Vec<u16>,
    bytes: Vec<u8>,
}

impl Work for Producer {
    type Outcome = Option<QueryReport>;

    fn run(&mut self, session: &Session) -> Result<(Option<QueryReport>, bool), Failed> {
        let left = self.end.saturating_duration_since(Instant::now());
        self.totals.as_of = SystemTime::now();
        let Some(mut cursor) = session.query(&self.translated.text, &self.translated.parameters, left)? else {
            return Err(self.error(SourceErrorKind::Malformed, "the database returned no rows at all".to_owned()).into());
        };
        let mut decoders: Vec<_> =
            self.translated.columns.iter().map(|(column, reading)| ColumnDecoder::new(column.clone(), *reading)).collect();
        let returned = usize::try_from(cursor.num_result_cols()?).unwrap_or(0);
        if returned != decoders.len().max(1) {
            return Err(self
                .error(SourceErrorKind::Malformed, "the answer has another number of columns than was asked for".to_owned())
                .into());
        }
        let mut buffers = Buffers::default();
        let (mut rows, mut bytes) = (0, 0);
        let mut next = cursor.next_row()?;
        if self.started.take().is_some_and(|started| started.send(()).is_err()) {
            return Ok((None, false));
        }
        while let Some(mut row) = next {
            for (at, decoder) in (1..).zip(&mut decoders) {
                bytes += self.cell(&mut row, at, decoder, &mut buffers)?;
            }
            rows += 1;
            if (rows == BATCH_ROWS || bytes >= BATCH_BYTES) && !self.send(&mut decoders, std::mem::take(&mut rows))? {
                return Ok((None, false));
            }
            if rows == 0 {
                bytes = 0;
            }
            next = cursor.next_row()?;
        }
        if rows > 0 && !self.send(&mut decoders, rows)? {
            return Ok((None, false));
        }
        drop(cursor);
        self.check_warnings(session)?;
        Ok((Some(self.totals), true))
    }

    fn repeatable(&self) -> bool {
        self.started.is_some()
    }
}

impl Producer {
    fn error(&self, kind: SourceErrorKind, message: String) -> SourceError {
        crate::error(&self.source_name, kind, message)
    }

    /// Reads one cell, and tells how many bytes it takes, roughly.
    fn cell(&self, row: &mut CursorRow<'_>, at: u16, decoder: &mut ColumnDecoder, buffers: &mut Buffers) -> Result<usize, Failed> {
        let appended = match decoder.reading {
            Reading::Carried => match row.get_text(at, &mut buffers.bytes)? {
                true => decoder.append_utf8(&buffers.bytes),
                false => decoder.append_null(),
            },
            Reading::Text => match row.get_wide_text(at, &mut buffers.wide)? {
                true => decoder.append_wide(&buffers.wide),
                false => decoder.append_null(),
            },
            Reading::Binary => match row.get_binary(at, &mut buffers.bytes)? {
                true => decoder.append_bytes(&buffers.bytes),
                false => decoder.append_null(),
            },
            Reading::Double => {
                let mut number = Nullable::<f64>::null();
                row.get_data(at, &mut number)?;
                match number.into_opt() {
                    Some(number) => decoder.append_float(number),
                    None => decoder.append_null(),
                }
            }
            Reading::Single => {
                let mut number = Nullable::<f32>::null();
                row.get_data(at, &mut number)?;
                match number.into_opt() {
                    Some(number) => decoder.append_float(f64::from(number)),
                    None => decoder.append_null(),
                }
            }
        };
        appended.map_err(|fault| {
            // What does not fit was computed wide of its type, or was not what the schema says.
            let kind = if decoder.is_plain() { SourceErrorKind::Malformed } else { SourceErrorKind::Data };
            self.error(kind, format!("{} {fault}", decoder.label())).into()
        })
    }

    /// Where MySQL has no value it warns and goes on with null or with a part: a text too large for it, a stored form that it cannot read. Such
    /// an answer is not to be believed.
    fn check_warnings(&self, session: &Session) -> Result<(), Failed> {
        let Some(question) = session.server.warnings() else { return Ok(()) };
        for warning in session.rows(question)? {
            let cell = |at: usize| warning.get(at).and_then(Option::as_deref).unwrap_or_default();
            let (level, code) = (cell(0), cell(1));
            if code == "1301" {
                return Err(self
                    .error(SourceErrorKind::Data, "a text became larger than the server's max_allowed_packet".to_owned())
                    .into());
            }
            if self.translated.strict && level == "Warning" {
                let message = format!("a column's stored form is not what it should be (warning {code} of the server)");
                return Err(self.error(SourceErrorKind::Malformed, message).into());
            }
        }
        Ok(())
    }

    /// Sends what the decoders hold; false when nobody reads any more.
    fn send(&mut self, decoders: &mut [ColumnDecoder], rows: usize) -> Result<bool, Failed> {
        let arrays = decoders.iter_mut().map(ColumnDecoder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| self.error(SourceErrorKind::Internal, format!("a batch does not fit its schema: {error}")))?;
        self.totals.rows += rows as u64;
        self.totals.bytes += batch.get_array_memory_size() as u64;
        // An answer beyond a cap is an error: cut off, it would look complete.
        let Limits { max_rows, max_bytes } = self.limits;
        for (sent, most, what) in [(self.totals.rows, max_rows, "rows"), (self.totals.bytes, max_bytes, "bytes")] {
            if most > 0 && sent > most {
                return Err(self.error(SourceErrorKind::Unsupported, format!("the answer has more than the allowed {most} {what}")).into());
            }
        }
        // A reader that is slower than the deadline does not keep the connection.
        match self.runtime.block_on(tokio::time::timeout_at(self.end, self.batches.send(batch))) {
            Ok(sent) => Ok(sent.is_ok()),
            Err(_) => Err(self.error(SourceErrorKind::Timeout, "the deadline passed while rows were read".to_owned()).into()),
        }
    }
}
