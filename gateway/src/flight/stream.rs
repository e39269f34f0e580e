//! Tables as Flight data: batches are pulled as the client takes them, and an error ends the stream with a status. It must not know
//! where batches come from.

use crate::error::RequestError;
use crate::flight::call::{Call, failed};
use crate::telemetry::Outcome;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures::stream::try_unfold;
use futures::{Stream, StreamExt, TryStreamExt};
use portico_engine::{EngineError, TableAnswer, TableStream};
use std::pin::Pin;
use std::time::{Duration, SystemTime};
use tonic::Status;

/// What a `DoGet` answers.
pub type FlightStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// A table that streams. The first batch is pulled before anything is sent, so that most failures are the call's own status.
///
/// # Errors
/// What the first batch fails with.
pub async fn table(call: Call, answer: TableAnswer) -> Result<FlightStream, Status> {
    let TableAnswer { schema, mut batches } = answer;
    let first = match pull(&call, &mut batches).await {
        Ok(first) => first,
        Err(error) => return Err(failed(&call.trace, error)),
    };
    let state = (call, batches, Some(first));
    let batches = try_unfold(state, |(call, mut batches, first)| async move {
        let next = match first {
            Some(first) => Ok(first),
            None => pull(&call, &mut batches).await,
        };
        match next {
            Ok(Some(batch)) => {
                call.trace.sent(batch.num_rows() as u64, batch.get_array_memory_size() as u64);
                Ok(Some((batch, (call, batches, None))))
            }
            Ok(None) => {
                call.trace.finish(&Outcome::Ok(0));
                Ok(None)
            }
            Err(error) => Err(failed(&call.trace, error)),
        }
    });
    Ok(encode(schema, batches))
}

/// A small table that is there already.
pub fn ready(call: &Call, batch: RecordBatch) -> FlightStream {
    call.trace.sent(batch.num_rows() as u64, batch.get_array_memory_size() as u64);
    call.trace.finish(&Outcome::Ok(0));
    encode(batch.schema(), futures::stream::iter([Ok(batch)]))
}

async fn pull(call: &Call, batches: &mut TableStream) -> Result<Option<RecordBatch>, RequestError> {
    let remaining = call.context.deadline.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    match tokio::time::timeout(remaining, batches.next()).await {
        Ok(batch) => Ok(batch.transpose()?),
        Err(_) => Err(EngineError::Timeout.into()),
    }
}

fn encode(schema: SchemaRef, batches: impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static) -> FlightStream {
    let batches = batches.map_err(|status| FlightError::Tonic(Box::new(status)));
    let encoded = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    Box::pin(encoded.map_err(|error| match error {
        FlightError::Tonic(status) => *status,
        other => RequestError::new(crate::error::Code::Internal, format!("the answer cannot be encoded: {other}")).to_status(),
    }))
}
