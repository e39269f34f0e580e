//! Rows of a running statement as a stream of Arrow batches. It must not know SQL: it is given a read that has begun.
//! Nothing is read ahead: a batch is filled when the stream is polled.

use crate::client::{Client, Lease, Part, Reading};
use crate::copy::Tuples;
use crate::decode::{ColumnDecoder, RawCell};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use portico_provider_api::stream::BatchStream;
use portico_provider_api::{Limits, QueryReport, ReportHandle, SourceError, SourceErrorKind};
use portico_provider_sql::ResultColumn;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Rows in a batch at most.
const BATCH_ROWS: usize = 8_192;
/// Bytes on the wire after which a batch is closed.
const BATCH_BYTES: usize = 1 << 20;

/// Decodes rows into columns.
pub struct RowDecoder {
    source_name: String,
    columns: Arc<[ResultColumn]>,
    decoders: Vec<ColumnDecoder>,
    tuples: Tuples,
}

/// What a part of an answer held.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Rows.
    pub rows: usize,
    /// Bytes on the wire.
    pub bytes: usize,
}

impl RowDecoder {
    /// A decoder from the types that the server announces to the promised columns; further columns of the server are left alone.
    ///
    /// # Errors
    /// `SchemaChanged` when they do not fit, naming the column.
    pub fn new(source_name: &str, columns: Arc<[ResultColumn]>, types: &[Type]) -> Result<RowDecoder, SourceError> {
        let decoders = columns.iter().enumerate().map(|(index, column)| {
            let sent = types.get(index);
            sent.and_then(|sent| ColumnDecoder::new(sent, column.scalar_type, column.codec)).ok_or_else(|| {
                let sent = sent.map_or("nothing", Type::name);
                let message = format!("{} is {sent} at the server, which is not the promised {}", label(column), column.scalar_type);
                SourceError::new(source_name, SourceErrorKind::SchemaChanged, message)
            })
        });
        let decoders = decoders.collect::<Result<_, _>>()?;
        Ok(RowDecoder { source_name: source_name.to_owned(), columns, decoders, tuples: Tuples::default() })
    }

    /// Adds a part of an answer.
    ///
    /// # Errors
    /// `Malformed`, naming the column whose value does not fit its type.
    pub fn take(&mut self, part: Part) -> Result<Taken, SourceError> {
        match part {
            Part::Row(row) => {
                self.append(&row)?;
                Ok(Taken { rows: 1, bytes: row.raw_size_bytes() })
            }
            Part::Copied(bytes) => {
                let mut taken = Taken { rows: 0, bytes: bytes.len() };
                let RowDecoder { source_name, columns, decoders, tuples } = self;
                let source_name: &str = source_name;
                let fault =
                    |fault: &str| SourceError::new(source_name, SourceErrorKind::Malformed, format!("the answer is damaged: {fault}"));
                tuples.read(bytes, fault, |cells| {
                    taken.rows += 1;
                    append(source_name, columns, decoders, cells)
                })?;
                Ok(taken)
            }
        }
    }

    /// Checks that an answer which has ended is whole.
    ///
    /// # Errors
    /// `Malformed` when a COPY stopped without saying that it is over.
    pub fn ended(&self, copied: bool) -> Result<(), SourceError> {
        match copied && !self.tuples.ended() {
            true => Err(SourceError::new(&self.source_name, SourceErrorKind::Malformed, "the answer stopped before its end")),
            false => Ok(()),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `Malformed`, naming the column whose value does not fit its type.
    pub fn append(&mut self, row: &Row) -> Result<(), SourceError> {
        let cells = (0..row.len()).map_while(|index| row.try_get::<_, Option<RawCell<'_>>>(index).ok());
        append(&self.source_name, &self.columns, &mut self.decoders, cells.map(|cell| cell.map(|cell| cell.0)))
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
        self.decoders.iter_mut().zip(self.columns.iter()).map(finish).collect()
    }
}

/// Adds the cells of a row.
fn append<'a>(
    source_name: &str,
    columns: &[ResultColumn],
    decoders: &mut [ColumnDecoder],
    mut cells: impl Iterator<Item = Option<&'a [u8]>>,
) -> Result<(), SourceError> {
    let malformed = |message: String| SourceError::new(source_name, SourceErrorKind::Malformed, message);
    for (decoder, column) in decoders.iter_mut().zip(columns) {
        let appended = match cells.next() {
            None => return Err(malformed("a row has too few columns".to_owned())),
            Some(None) if !column.nullable => Err("holds null, which it must not".to_owned()),
            Some(cell) => decoder.append(cell),
        };
        appended.map_err(|fault| malformed(format!("{} {fault}", label(column))))?;
    }
    Ok(())
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
    /// Its columns as the statement returns them.
    pub columns: Arc<[ResultColumn]>,
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// When the server was asked.
    pub as_of: SystemTime,
    /// Caps; zero means none.
    pub limits: Limits,
}

/// Makes batches of a read that has begun.
pub struct Batches {
    client: Client,
    reading: Reading,
    decoder: RowDecoder,
    schema: SchemaRef,
    copied: bool,
    /// Whether the connection is used further.
    kept: bool,
    ended: bool,
}

impl Batches {
    /// The batches of a read.
    ///
    /// # Errors
    /// `SchemaChanged` when the server's columns do not fit the promised ones.
    pub fn new(client: Client, reading: Reading, promise: &Promise, copied: bool) -> Result<Batches, SourceError> {
        let decoder = RowDecoder::new(client.source_name(), Arc::clone(&promise.columns), &reading.types)?;
        Ok(Batches { client, reading, decoder, schema: Arc::clone(&promise.schema), copied, kept: false, ended: false })
    }

    /// The same, with the connection kept for further use in its transaction; without this it is given back with the last row.
    pub fn keeping(self) -> Batches {
        Batches { kept: true, ..self }
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// What the server says, `Timeout`, `Malformed`.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        self.reading.waiting.patience().check().map_err(|late| self.client.late(late))?;
        let rows = self.fill().await?;
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.decoder.finish()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        batch.map(Some).map_err(|error| SourceError::new(self.client.source_name(), SourceErrorKind::Internal, error.to_string()))
    }

    async fn fill(&mut self) -> Result<usize, SourceError> {
        let (mut rows, mut bytes) = (0, 0);
        while !self.ended && rows < BATCH_ROWS && bytes < BATCH_BYTES {
            match self.reading.next().await.map_err(|late| self.client.late(late))? {
                Ok(Some(part)) => {
                    let taken = self.decoder.take(part)?;
                    rows += taken.rows;
                    bytes += taken.bytes;
                }
                Ok(None) => {
                    self.ended = true;
                    self.decoder.ended(self.copied)?;
                    if !self.kept {
                        self.reading.lease.leave();
                    }
                }
                Err(failure) => {
                    self.reading.lease.leave();
                    return Err(self.client.error(&failure));
                }
            }
        }
        Ok(rows)
    }

    /// The connection, where it was kept.
    pub fn into_lease(self) -> Lease {
        self.reading.lease
    }
}

/// What has been answered so far, and how much may be.
pub struct Tally {
    source_name: String,
    limits: Limits,
    report: QueryReport,
}

impl Tally {
    /// Nothing yet.
    pub fn new(source_name: &str, promise: &Promise) -> Tally {
        let report = QueryReport { as_of: promise.as_of, requests: 1, rows: 0, bytes: 0, complete: true };
        Tally { source_name: source_name.to_owned(), limits: promise.limits, report }
    }

    /// Counts a batch. An answer beyond a cap is an error: cut off, it would look complete.
    ///
    /// # Errors
    /// Names the cap.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), SourceError> {
        self.report.rows += batch.num_rows() as u64;
        self.report.bytes += batch.get_array_memory_size() as u64;
        let over = |sent: u64, most: u64, what: &str| match most > 0 && sent > most {
            true => {
                let message = format!("the answer has more than the allowed {most} {what}");
                Err(SourceError::new(&self.source_name, SourceErrorKind::Unsupported, message))
            }
            false => Ok(()),
        };
        over(self.report.rows, self.limits.max_rows, "rows")?;
        over(self.report.bytes, self.limits.max_bytes, "bytes")
    }

    /// The report of an answer that is complete, made of that many requests.
    pub fn report(&self, requests: u64) -> QueryReport {
        QueryReport { requests, ..self.report }
    }
}

/// The stream of a read that has begun.
///
/// # Errors
/// `SchemaChanged` when the server's columns do not fit the promised ones.
pub fn stream(client: Client, reading: Reading, promise: &Promise, copied: bool, report: ReportHandle) -> Result<BatchStream, SourceError> {
    let tally = Tally::new(client.source_name(), promise);
    let batches = Batches::new(client, reading, promise, copied)?;
    Ok(Box::pin(futures::stream::try_unfold((batches, tally), move |(mut batches, mut tally)| {
        let report = report.clone();
        async move {
            match batches.next().await? {
                Some(batch) => {
                    tally.add(&batch)?;
                    Ok(Some((batch, (batches, tally))))
                }
                None => {
                    report.set(tally.report(1));
                    Ok(None)
                }
            }
        }
    })))
}
