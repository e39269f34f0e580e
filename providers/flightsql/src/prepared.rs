//! Statements whose values are bound: prepared, bound to one row of parameters, and closed at the end, whatever it is. It must not know
//! the IR.

use crate::client::Client;
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    CommandPreparedStatementQuery, DoPutPreparedStatementResult, ProstMessageExt,
};
use arrow_flight::{FlightDescriptor, FlightInfo, IpcMessage};
use bytes::Bytes;
use futures::TryStreamExt;
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{SourceError, SourceErrorKind, Value};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const CREATE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";
/// How long closing a statement may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A prepared statement. Dropping it closes it at the server, without anybody waiting for that.
pub struct Prepared {
    client: Client,
    handle: Bytes,
    runtime: Option<tokio::runtime::Handle>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let (client, handle) = (self.client.clone(), std::mem::take(&mut self.handle));
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                let request = ActionClosePreparedStatementRequest { prepared_statement_handle: handle };
                if client.act_raw(CLOSE, request.as_any().encode_to_vec().into(), Instant::now() + CLOSE_PATIENCE).await.is_err() {
                    tracing::debug!("a prepared statement could not be closed at the server, which will forget it by itself");
                }
            });
        }
    }
}

/// Prepares a statement, binds its values, and says where the answer is.
///
/// # Errors
/// What the server says; `Unsupported` when it takes another number of parameters.
pub async fn start(client: &Client, text: &str, values: &[Value], deadline: Instant) -> Result<(Prepared, FlightInfo), SourceError> {
    let request = ActionCreatePreparedStatementRequest { query: text.to_owned(), transaction_id: None };
    let made: ActionCreatePreparedStatementResult = client.act(CREATE, &request, deadline).await?;
    let mut prepared =
        Prepared { client: client.clone(), handle: made.prepared_statement_handle, runtime: tokio::runtime::Handle::try_current().ok() };
    if !values.is_empty() {
        let takes = Schema::try_from(IpcMessage(made.parameter_schema)).map(|schema| schema.fields().len()).unwrap_or_default();
        if takes != values.len() {
            let message =
                format!("the server takes {takes} parameters of a statement that has {}: set 'parameters' to literals", values.len());
            return Err(client.error(SourceErrorKind::Unsupported, message));
        }
        let command = CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
        let bound = bind(client, command, values, deadline).await?;
        // Some servers put the values into a new handle, and keep nothing.
        prepared.handle = bound.unwrap_or_else(|| prepared.handle.clone());
    }
    let command = CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
    let info = client.info(&command, deadline).await?;
    Ok((prepared, info))
}

async fn bind(
    client: &Client,
    command: CommandPreparedStatementQuery,
    values: &[Value],
    deadline: Instant,
) -> Result<Option<Bytes>, SourceError> {
    let unusable = |_| client.error(SourceErrorKind::Internal, "the parameters cannot be put into a row");
    let fields: Vec<Field> =
        values.iter().enumerate().map(|(index, value)| value.scalar_type().field(&format!("${}", index + 1), true)).collect();
    let arrays = values.iter().map(|value| array_from_values(value.scalar_type(), std::slice::from_ref(value)));
    let arrays = arrays.collect::<Result<Vec<_>, _>>().map_err(|error| client.error(SourceErrorKind::Internal, error.to_string()))?;
    let row = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(unusable)?;
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let encoded = FlightDataEncoderBuilder::new().with_flight_descriptor(Some(descriptor)).build(futures::stream::iter([Ok(row)]));
    let messages = encoded.try_collect().await;
    let messages = messages.map_err(|_| client.error(SourceErrorKind::Internal, "the parameters cannot be encoded"))?;
    let Some(answer) = client.put(messages, deadline).await? else { return Ok(None) };
    let result = DoPutPreparedStatementResult::decode(answer.app_metadata).unwrap_or_default();
    Ok(result.prepared_statement_handle)
}
