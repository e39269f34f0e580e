//! SQL over HTTP: `POST /sql` with a statement, answered as an Arrow IPC stream or as JSON. Read-only. It must not know what the
//! statement says.

use crate::error::{Code, RequestError};
use crate::http::call::Call;
use crate::http::negotiate::{MediaRange, accepted, choose};
use crate::http::respond;
use crate::http::stream::{self, Chunk, Producer, Streaming};
use crate::pipeline;
use crate::telemetry::Trace;
use arrow::array::RecordBatch;
use arrow::ipc::writer::StreamWriter;
use axum::body::Body;
use axum::http::{Response, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use portico_engine::{Answer, SqlStatement, Statement, TableAnswer, TableStream};
use portico_odata::json::RowsWriter;
use portico_provider_api::{ScalarType, Value};
use serde::Deserialize;
use std::sync::Arc;

/// Where SQL is asked.
pub const PATH: &str = "/sql";
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// What may be answered, in our order of preference: a client that accepts anything gets what a person can read.
const OFFERED: [(&str, &str); 2] = [("application", "json"), ("application", "vnd.apache.arrow.stream")];

/// A statement as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlBody {
    sql: String,
    #[serde(default)]
    parameters: Vec<serde_json::Value>,
}

/// Answers a statement.
///
/// # Errors
/// Any.
pub async fn query(call: &Call, body: Bytes) -> Result<Response<Body>, RequestError> {
    call.trace.set_statement("sql");
    let ranges = accepted(call.header("accept").as_deref());
    let chosen = choose(&ranges, &OFFERED).ok_or_else(|| {
        let message = format!("none of the accepted formats can be written: this answer is application/json or {ARROW}");
        RequestError::new(Code::NotAcceptable, message).about("Accept")
    })?;
    let parse = || statement(call.header("content-type").as_deref(), &body).map(Statement::Sql);
    let answer = pipeline::read(&call.gateway.engine, &call.context, &call.trace, parse, Ok).await?;
    let Answer::Table(TableAnswer { schema, batches }) = answer else {
        return Err(RequestError::new(Code::Internal, "SQL was answered with something else than a table"));
    };
    let (encoder, content_type) = if OFFERED[chosen].1 == "json" {
        let writer = RowsWriter::new(&schema).map_err(|error| RequestError::new(Code::NotImplemented, error.to_string()))?;
        (Encoder::Json(Box::new(writer)), "application/json;charset=utf-8")
    } else {
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(|error| RequestError::new(Code::Internal, error.to_string()))?;
        (Encoder::Arrow(Box::new(writer)), ARROW)
    };
    let rows = Rows { encoder: Some(encoder), batches, started: false, trace: Arc::clone(&call.trace) };
    let mut response = stream::response(Streaming::of(call), rows, content_type).await?;
    let headers = response.headers_mut();
    respond::set(headers, header::AGE, &call.context.journal.age().as_secs().to_string());
    respond::set(headers, header::CACHE_CONTROL, "private, no-store");
    Ok(response)
}

/// Reads the body: JSON with parameters, or the statement alone as plain text.
fn statement(content_type: Option<&str>, body: &[u8]) -> Result<SqlStatement, RequestError> {
    let range = content_type.and_then(MediaRange::parse);
    let name = range.as_ref().map(|range| (range.main.as_str(), range.sub.as_str()));
    let (text, parameters) = match name {
        Some(("application", "json")) => {
            // An object it must be: what reads it would take its values in an array, too.
            let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body);
            let body: SqlBody = object.and_then(|object| serde_json::from_value(object.into())).map_err(|error| {
                let message = format!("the body is not {{\"sql\": \"…\", \"parameters\": […]}}: {error}");
                RequestError::new(Code::InvalidRequest, message).about("body")
            })?;
            let parameters =
                body.parameters.into_iter().enumerate().map(|(index, value)| parameter(index, value)).collect::<Result<_, _>>()?;
            (body.sql, parameters)
        }
        Some(("text", "plain") | ("application", "sql")) => {
            let text = std::str::from_utf8(body)
                .map_err(|_| RequestError::new(Code::InvalidRequest, "the statement is not UTF-8 text").about("body"))?;
            (text.to_owned(), Vec::new())
        }
        Some(_) | None => {
            let message = "the body must be application/json with a member \"sql\", or text/plain with the statement";
            return Err(RequestError::new(Code::UnsupportedMediaType, message).about("Content-Type"));
        }
    };
    if text.trim().is_empty() {
        return Err(RequestError::new(Code::InvalidSyntax, "the statement is empty").about("sql"));
    }
    Ok(SqlStatement { text, parameters })
}

fn parameter(index: usize, value: serde_json::Value) -> Result<Value, RequestError> {
    let wrong = |what: &str| {
        RequestError::new(
            Code::InvalidRequest,
            format!("the parameter ${} is {what}: null, true, false, numbers and text are possible", index + 1),
        )
        .about(format!("parameters[{index}]"))
    };
    match value {
        serde_json::Value::Null => Ok(Value::Null(ScalarType::Text)),
        serde_json::Value::Bool(value) => Ok(Value::Boolean(value)),
        serde_json::Value::String(text) => Ok(Value::Text(text)),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Value::Int64(whole)),
            // A whole number beyond 64 bits would be rounded.
            (None, Some(value)) if !number.is_u64() => Ok(Value::float64(value)),
            _ => Err(wrong("a whole number beyond 64 bits")),
        },
        serde_json::Value::Array(_) => Err(wrong("a list")),
        serde_json::Value::Object(_) => Err(wrong("an object")),
    }
}

/// How a table becomes bytes. The two forms write a start, batches and an end.
enum Encoder {
    Json(Box<RowsWriter>),
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl Encoder {
    fn start(&mut self) -> Bytes {
        match self {
            Encoder::Json(writer) => writer.start(),
            // Arrow's writer has written the schema into its buffer already.
            Encoder::Arrow(writer) => Bytes::from(std::mem::take(writer.get_mut())),
        }
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut BytesMut) -> Result<(), String> {
        match self {
            Encoder::Json(writer) => writer.write_batch(batch, out).map_err(|error| error.to_string()),
            Encoder::Arrow(writer) => {
                writer.write(batch).map_err(|error| error.to_string())?;
                out.extend_from_slice(&std::mem::take(writer.get_mut()));
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Bytes, String> {
        match self {
            Encoder::Json(mut writer) => Ok(writer.finish()),
            Encoder::Arrow(mut writer) => {
                writer.finish().map_err(|error| error.to_string())?;
                Ok(Bytes::from(std::mem::take(writer.get_mut())))
            }
        }
    }
}

/// A table as chunks.
struct Rows {
    /// Absent after the end.
    encoder: Option<Encoder>,
    batches: TableStream,
    started: bool,
    trace: Arc<Trace>,
}

impl Producer for Rows {
    async fn next(&mut self) -> Result<Option<Chunk>, RequestError> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        let mut out = if std::mem::replace(&mut self.started, true) { BytesMut::new() } else { BytesMut::from(encoder.start().as_ref()) };
        match self.batches.next().await {
            Some(batch) => {
                let batch = batch?;
                stream::encode(&self.trace, || encoder.batch(&batch, &mut out))?;
                Ok(Some(Chunk { bytes: out.freeze(), rows: batch.num_rows() as u64 }))
            }
            None => {
                let Some(encoder) = self.encoder.take() else { return Ok(None) };
                out.extend_from_slice(&stream::encode(&self.trace, || encoder.finish())?);
                Ok(Some(Chunk { bytes: out.freeze(), rows: 0 }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_read_from_json_and_text() {
        let json = statement(Some("application/json; charset=utf-8"), br#"{"sql": "SELECT $1, $2", "parameters": [1, "x"]}"#).unwrap();
        assert_eq!(json, SqlStatement { text: "SELECT $1, $2".into(), parameters: vec![Value::Int64(1), Value::text("x")] });
        assert_eq!(statement(Some("text/plain"), b"SELECT 1").unwrap().text, "SELECT 1");
        let code = |content_type, body: &[u8]| statement(content_type, body).unwrap_err().code;
        assert_eq!(code(None, b"SELECT 1"), Code::UnsupportedMediaType);
        assert_eq!(code(Some("application/json"), b"{\"sql\": \"SELECT 1\", \"params\": []}"), Code::InvalidRequest);
        assert_eq!(code(Some("application/json"), b"{\"sql\": \"SELECT 1\", \"parameters\": [[1]]}"), Code::InvalidRequest);
        assert_eq!(code(Some("application/json"), b"{\"sql\": \"x\", \"parameters\": [18446744073709551615]}"), Code::InvalidRequest);
        assert_eq!(code(Some("text/plain"), b" \n"), Code::InvalidSyntax);
        assert_eq!(code(Some("text/plain"), b"\xff"), Code::InvalidRequest);
    }
}
