//! Prepared statements of Flight SQL. Nothing is kept of them: a handle is the signed statement, with its parameters once they are bound.

use crate::error::{Code, RequestError};
use crate::flight::call::Call;
use crate::flight::handle::{self, Purpose};
use crate::flight::parameters;
use crate::flight::service::{FlightSql, NO_TRANSACTIONS};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::PeekableFlightDataStream;
use arrow_flight::sql::{ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, DoPutPreparedStatementResult};
use arrow_flight::{IpcMessage, SchemaAsIpc};
use futures::TryStreamExt;
use portico_engine::SqlStatement;
use portico_provider_api::{ScalarType, Value};

fn encoded_schema(schema: &Schema) -> Result<bytes::Bytes, RequestError> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &IpcWriteOptions::default())
        .try_into()
        .map_err(|_| RequestError::new(Code::Internal, "the schema cannot be encoded"))?;
    Ok(bytes)
}

/// Plans a statement with nulls in place of its parameters, which gives the schema of its result.
pub(super) fn prepare(
    call: &Call,
    query: ActionCreatePreparedStatementRequest,
) -> Result<ActionCreatePreparedStatementResult, RequestError> {
    if query.transaction_id.is_some() {
        return Err(RequestError::new(Code::NotImplemented, NO_TRANSACTIONS));
    }
    let types = call.gateway.engine.parameter_types(&query.query, &call.context.principal)?;
    let with_nulls = SqlStatement { text: query.query.clone(), parameters: vec![Value::Null(ScalarType::Text); types.len()] };
    let dataset = FlightSql::planned(call, &with_nulls)?;
    let statement = SqlStatement { text: query.query, parameters: Vec::new() };
    // Where any type will do, text is announced, as the result's schema has it; a value of another type may be bound all the same.
    let field = |(index, known): (usize, Option<DataType>)| Field::new(format!("${}", index + 1), known.unwrap_or(DataType::Utf8), true);
    let fields: Vec<Field> = types.into_iter().enumerate().map(field).collect();
    Ok(ActionCreatePreparedStatementResult {
        prepared_statement_handle: handle::make(&call.gateway.tokens, Purpose::Prepared, &statement)?,
        dataset_schema: encoded_schema(&dataset)?,
        parameter_schema: encoded_schema(&Schema::new(fields))?,
    })
}

/// What is told to who sends a prepared statement as a change: many drivers do so for several rows of parameters at once.
pub(super) fn not_a_change(call: &Call, handle: &[u8]) -> RequestError {
    call.trace.set_statement("sql");
    let statement = handle::read(&call.gateway.tokens, Purpose::Prepared, handle);
    let is_query = statement.is_ok_and(|statement| call.gateway.engine.parameter_types(&statement.text, &call.context.principal).is_ok());
    let message = if is_query {
        "a prepared query is bound to one row of parameters and fetched: SQL is read-only here, and several rows at once (executemany) are for changes"
    } else {
        "changes are refused: SQL is read-only here"
    };
    RequestError::new(Code::ReadOnly, message)
}

/// Binds a row of parameters: the answer is a new handle that holds them.
pub(super) async fn bind(call: &Call, handle: &[u8], data: PeekableFlightDataStream) -> Result<DoPutPreparedStatementResult, RequestError> {
    call.trace.set_statement("bind");
    let mut statement = handle::read(&call.gateway.tokens, Purpose::Prepared, handle)?;
    let data = data.map_err(|status| FlightError::Tonic(Box::new(status)));
    let batches: Result<Vec<RecordBatch>, FlightError> = FlightRecordBatchStream::new_from_flight_data(data).try_collect().await;
    let batches = batches.map_err(|_| RequestError::new(Code::InvalidRequest, "the parameters are not an Arrow stream"))?;
    statement.parameters = parameters::values(&batches)?;
    let handle = handle::make(&call.gateway.tokens, Purpose::Prepared, &statement)?;
    Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
}
