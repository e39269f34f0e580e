//! Rows of a running statement as a stream of Arrow batches. It must not know SQL: it is given a read that has begun.
//! Nothing is read ahead: a batch is filled when the stream is polled.

use crate::client::{Client, Reading};
use crate::decode::{ColumnDecoder, RawCell};
use arrow::array::{ArrayRef, RecordBatch};
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
    columns: Vec<ResultColumn>,
    decoders: Vec<ColumnDecoder>,
}

impl RowDecoder {
    /// A decoder from the types that the server announces to the promised columns; further columns of the server are left alone.
    ///
    /// # Errors
    /// `SchemaChanged` when they do not fit, naming the column.
    pub fn new(source_name: &str, columns: Vec<ResultColumn>, types: &[Type]) -> Result<RowDecoder, SourceError> {
        let decoders = columns.iter().enumerate().map(|(index, column)| {
            let sent = types.get(index);
            sent.and_then(|sent| ColumnDecoder::new(sent, column.scalar_type, column.codec)).ok_or_else(|| {
                let sent = sent.map_or("nothing", Type::name);
                let message = format!("{} is {sent} at the server, which is not the promised {}", label(column), column.scalar_type);
                SourceError::new(source_name, SourceErrorKind::SchemaChanged, message)
            })
        });
        let decoders = decoders.collect::<Result<_, _>>()?;
        Ok(RowDecoder { source_name: source_name.to_owned(), columns, decoders })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `Malformed`, naming the column whose value does not fit its type.
    pub fn append(&mut self, row: &Row) -> Result<(), SourceError> {
        for (index, (decoder, column)) in self.decoders.iter_mut().zip(&self.columns).enumerate() {
            let cell: Option<RawCell<'_>> = row
                .try_get(index)
                .map_err(|_| SourceError::new(&self.source_name, SourceErrorKind::Malformed, "a row has too few columns"))?;
            let fault = match cell {
                None if !column.nullable => Err("holds null, which it must not".to_owned()),
                cell => decoder.append(cell.map(|cell| cell.0)),
            };
            fault.map_err(|fault| SourceError::new(&self.source_name, SourceErrorKind::Malformed, format!("{} {fault}", label(column))))?;
        }
        Ok(())
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
pub struct Promise {
    /// Its columns as the statement returns them.
    pub columns: Vec<ResultColumn>,
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// When the server was asked.
    pub as_of: SystemTime,
    /// Caps; zero means none.
    pub limits: Limits,
}

struct State {
    client: Client,
    reading: Reading,
    decoder: RowDecoder,
    schema: SchemaRef,
    limits: Limits,
    report: ReportHandle,
    totals: QueryReport,
    ended: bool,
}

/// The stream of a read that has begun.
///
/// # Errors
/// `SchemaChanged` when the server's columns do not fit the promised ones.
pub fn stream(client: Client, reading: Reading, promise: Promise, report: ReportHandle) -> Result<BatchStream, SourceError> {
    let types: Vec<Type> = reading.statement.columns().iter().map(|column| column.type_().clone()).collect();
    let decoder = RowDecoder::new(client.source_name(), promise.columns, &types)?;
    let totals = QueryReport { as_of: promise.as_of, requests: 1, rows: 0, bytes: 0, complete: true };
    let state = State { client, reading, decoder, schema: promise.schema, limits: promise.limits, report, totals, ended: false };
    Ok(Box::pin(futures::stream::try_unfold(state, next_batch)))
}

impl State {
    /// An answer beyond a cap is an error: cut off, it would look complete.
    fn check_limits(&self) -> Result<(), SourceError> {
        let over = |sent: u64, most: u64, what: &str| match most > 0 && sent > most {
            true => Err(SourceError::new(
                self.client.source_name(),
                SourceErrorKind::Unsupported,
                format!("the answer has more than the allowed {most} {what}"),
            )),
            false => Ok(()),
        };
        over(self.totals.rows, self.limits.max_rows, "rows")?;
        over(self.totals.bytes, self.limits.max_bytes, "bytes")
    }
}

async fn next_batch(mut state: State) -> Result<Option<(RecordBatch, State)>, SourceError> {
    let (mut rows, mut bytes) = (0, 0);
    while !state.ended && rows < BATCH_ROWS && bytes < BATCH_BYTES {
        match state.reading.next(&state.client).await? {
            Some(row) => {
                bytes += row.raw_size_bytes();
                rows += 1;
                state.decoder.append(&row)?;
            }
            None => state.ended = true,
        }
    }
    if rows == 0 {
        state.report.set(state.totals);
        return Ok(None);
    }
    let columns = state.decoder.finish()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&state.schema), columns, &options)
        .map_err(|error| SourceError::new(state.client.source_name(), SourceErrorKind::Internal, error.to_string()))?;
    state.totals.rows += rows as u64;
    state.totals.bytes += batch.get_array_memory_size() as u64;
    state.check_limits()?;
    Ok(Some((batch, state)))
}
