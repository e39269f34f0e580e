//! An answer as a stream of Arrow batches. Nothing is read ahead but what is on its way: a slow reader makes the server wait, and
//! dropping the stream cancels the request there. It must not know SQL.

use crate::client::Client;
use crate::decode::Decoder;
use crate::prepared::{self, Prepared};
use crate::translate::Translated;
use crate::unread::Unread;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightEndpoint, FlightInfo, Ticket};
use futures::StreamExt;
use portico_provider_api::stream::BatchStream;
use portico_provider_api::{Limits, Patience, QueryReport, ReportHandle, SourceError, SourceErrorKind, Waiting};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::OwnedSemaphorePermit;

/// What an answer must be.
#[derive(Clone)]
pub struct Promise {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// Whether its rows have an order.
    pub ordered: bool,
    /// When the server was asked.
    pub as_of: SystemTime,
    /// Caps; zero means none.
    pub limits: Limits,
}

/// One read on its way.
struct Read {
    client: Client,
    decoder: Decoder,
    promise: Promise,
    waiting: Waiting,
    /// The parts of the answer that have not been fetched.
    tickets: VecDeque<Ticket>,
    current: Option<FlightRecordBatchStream>,
    totals: QueryReport,
    report: ReportHandle,
    /// Tells the server when the read ends early.
    unread: Unread,
    /// Closes the statement when the read ends.
    _prepared: Option<Prepared>,
    _place: OwnedSemaphorePermit,
}

/// Starts a read and waits for its first batch, or for its end, so that most failures are not those of a stream.
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
    let deadline = patience.until();
    let place = client.place(deadline).await?;
    let (prepared, info) = if translated.values.is_empty() {
        let command = CommandStatementQuery { query: translated.sent, transaction_id: None };
        (None, client.info(&command, deadline).await?)
    } else {
        let (prepared, info) = prepared::start(&client, &translated.sent, &translated.values, deadline).await?;
        (Some(prepared), info)
    };
    let unread = Unread::new(&client, &info);
    let tickets = tickets(&client, info, promise.ordered)?;
    let decoder = Decoder::new(client.source_name(), translated.columns, Arc::clone(&promise.schema));
    let totals = QueryReport { as_of: promise.as_of, requests: 1, rows: 0, bytes: 0, complete: true };
    let mut read = Read {
        client,
        decoder,
        promise,
        waiting: patience.waiting(),
        tickets,
        current: None,
        totals,
        report,
        unread,
        _prepared: prepared,
        _place: place,
    };
    let first = read.next().await?;
    let stream = futures::stream::try_unfold((read, Some(first)), |(mut read, first)| async move {
        let batch = match first {
            Some(first) => first,
            None => read.next().await?,
        };
        if batch.is_none() {
            read.report.set(read.totals);
        }
        Ok(batch.map(|batch| (batch, (read, None))))
    });
    Ok(Box::pin(stream))
}

/// The tickets of the parts of an answer.
fn tickets(client: &Client, info: FlightInfo, ordered: bool) -> Result<VecDeque<Ticket>, SourceError> {
    if ordered && info.endpoint.len() > 1 && !info.ordered {
        let message = "the server answers a query with an order in parts that have none";
        return Err(client.error(SourceErrorKind::Malformed, message));
    }
    let ticket = |FlightEndpoint { ticket, location, .. }: FlightEndpoint| {
        let locations: Vec<String> = location.into_iter().map(|location| location.uri).collect();
        if !client.serves(&locations) {
            let message = "the server refers to another one for its answer, which is not followed: the credentials are for this one";
            return Err(client.error(SourceErrorKind::Unsupported, message));
        }
        ticket.ok_or_else(|| client.error(SourceErrorKind::Malformed, "the server's answer has no ticket"))
    };
    info.endpoint.into_iter().map(ticket).collect()
}

impl Read {
    /// The next batch that has rows, in the promised form; nothing at the end.
    async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        loop {
            self.waiting.patience().check().map_err(|late| self.client.late(late))?;
            let stream = match &mut self.current {
                Some(stream) => stream,
                None => {
                    let Some(ticket) = self.tickets.pop_front() else {
                        self.unread.ended();
                        return Ok(None);
                    };
                    self.current.insert(self.client.get(ticket, self.waiting.patience()).await?)
                }
            };
            match self.waiting.part(stream.next()).await.map_err(|late| self.client.late(late))? {
                None => {
                    // A part without a schema is no answer.
                    if stream.schema().is_none() {
                        return Err(self.client.error(SourceErrorKind::Malformed, "the server's answer has no schema"));
                    }
                    self.current = None;
                }
                Some(Err(error)) => return Err(self.client.of_answer(&error)),
                Some(Ok(batch)) => {
                    let batch = self.decoder.decode(&batch)?;
                    if batch.num_rows() > 0 {
                        self.count(&batch)?;
                        return Ok(Some(batch));
                    }
                }
            }
        }
    }

    /// An answer beyond a cap is an error: cut off, it would look complete.
    fn count(&mut self, batch: &RecordBatch) -> Result<(), SourceError> {
        self.totals.rows += batch.num_rows() as u64;
        self.totals.bytes += batch.get_array_memory_size() as u64;
        let limits = self.promise.limits;
        for (sent, most, what) in [(self.totals.rows, limits.max_rows, "rows"), (self.totals.bytes, limits.max_bytes, "bytes")] {
            if most > 0 && sent > most {
                let message = format!("the answer has more than the allowed {most} {what}");
                return Err(self.client.error(SourceErrorKind::Unsupported, message));
            }
        }
        Ok(())
    }
}

/// A listing of the server's: small, and whole.
///
/// # Errors
/// What the server says.
pub async fn listing(client: &Client, command: &impl ProstMessageExt, patience: Patience) -> Result<Vec<RecordBatch>, SourceError> {
    let deadline = patience.until();
    let info = client.info(command, deadline).await?;
    let mut batches = Vec::new();
    for ticket in tickets(client, info, false)? {
        let mut stream = client.get(ticket, patience).await?;
        let late = || client.error(SourceErrorKind::Timeout, "the deadline passed while the server described itself");
        while let Some(batch) = tokio::time::timeout_at(deadline, stream.next()).await.map_err(|_| late())? {
            batches.push(batch.map_err(|error| client.of_answer(&error))?);
        }
    }
    Ok(batches)
}
