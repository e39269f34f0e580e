//! How the engine fails. Messages are for a person; no protocol words, no debug prints, no secrets.

use crate::admission::Overload;
use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use portico_catalog::names::nearest;
use portico_odata::arithmetic::Fault;
use portico_provider_api::{SourceError, SourceErrorKind};
use thiserror::Error;

/// A failure of the engine.
#[derive(Debug, Clone, Error)]
pub enum EngineError {
    /// A source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The statement is not understood.
    #[error("{0}")]
    Syntax(String),
    /// A name does not resolve for this caller.
    #[error("{message}{}", suggestion.as_ref().map(|s| format!("; did you mean '{s}'?")).unwrap_or_default())]
    UnknownName {
        /// What does not resolve.
        message: String,
        /// The nearest name that does.
        suggestion: Option<String>,
    },
    /// The statement is understood, but wrong for the values or types concerned.
    #[error("{0}")]
    Invalid(String),
    /// An operation has no result for the values that it met.
    #[error("{0}")]
    Arithmetic(Fault),
    /// A value that a source holds is not what the model says of it.
    #[error("{0}")]
    Data(String),
    /// Right, but not built yet, or not possible with this source.
    #[error("{0}")]
    Unsupported(String),
    /// SQL that is not a SELECT.
    #[error("{0} is refused: SQL is read-only here")]
    ReadOnly(String),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such entity, or none that the caller may see.
    #[error("{0}")]
    NotFound(String),
    /// The entity was changed meanwhile.
    #[error("{0}")]
    PreconditionFailed(String),
    /// The write must say which state it means.
    #[error("{0}")]
    PreconditionRequired(String),
    /// A limit would be exceeded; it is named.
    #[error("{0}")]
    Limit(String),
    /// Too much is running already.
    #[error("{0}")]
    Overloaded(Overload),
    /// Nothing is published yet.
    #[error("{0}")]
    NotReady(String),
    /// Not done by the deadline.
    #[error("the request was not done before its deadline")]
    Timeout,
    /// A bug.
    #[error("internal error: {0}")]
    Internal(String),
}

impl EngineError {
    /// What happened, where an operation had no result for the values that it met, here or at a source.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self {
            EngineError::Arithmetic(fault) => Some(*fault),
            EngineError::Source(source) => fault_at(source),
            _ => None,
        }
    }

    /// Makes an engine error of DataFusion's, keeping a source's error that travelled through it.
    pub fn from_datafusion(error: DataFusionError) -> EngineError {
        let root = error.find_root();
        if let DataFusionError::External(inner) = root {
            if let Some(own) = inner.downcast_ref::<EngineError>() {
                return own.clone();
            }
            if let Some(source) = inner.downcast_ref::<SourceError>() {
                return EngineError::Source(source.clone());
            }
        }
        match root {
            DataFusionError::SQL(parser, _) => EngineError::Syntax(parser.to_string()),
            DataFusionError::SchemaError(schema, _) => unknown_column(schema),
            DataFusionError::Plan(message) => EngineError::Invalid(first_line(message)),
            DataFusionError::NotImplemented(message) => EngineError::Unsupported(first_line(message)),
            DataFusionError::ResourcesExhausted(message) => {
                EngineError::Limit(format!("the query needs more memory than it may use: {}", first_line(message)))
            }
            DataFusionError::ArrowError(arrow, _) if is_full_disk(arrow) => {
                EngineError::Limit("the query needs more room on disk than all queries together may use (spill)".to_owned())
            }
            DataFusionError::ArrowError(arrow, _) => match fault_of(arrow) {
                Some(fault) => EngineError::Arithmetic(fault),
                None => EngineError::Invalid(first_line(&arrow.to_string())),
            },
            DataFusionError::Execution(message) => match fault_in(message) {
                Some(fault) => EngineError::Arithmetic(fault),
                None => EngineError::Invalid(first_line(message)),
            },
            DataFusionError::Configuration(message) => EngineError::Invalid(first_line(message)),
            other => EngineError::Internal(first_line(&other.strip_backtrace())),
        }
    }
}

/// Whether spilled data has reached its limit, which comes as a failure of input and output.
fn is_full_disk(error: &ArrowError) -> bool {
    matches!(error, ArrowError::IoError(message, _) if message.contains("max_temp_directory_size"))
}

/// What a kernel failed with, where it is the values' fault. The kernels' words name values and types that no client knows.
fn fault_of(error: &ArrowError) -> Option<Fault> {
    match error {
        ArrowError::DivideByZero => Some(Fault::DivisionByZero),
        ArrowError::ArithmeticOverflow(_) => Some(Fault::OutOfRange),
        ArrowError::CastError(_) | ArrowError::ParseError(_) => Some(Fault::Conversion),
        ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => fault_in(message),
        _ => None,
    }
}

/// What kernels and functions that have no kind of error for it say of it.
fn fault_in(message: &str) -> Option<Fault> {
    let lower = message.to_ascii_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Some(Fault::DivisionByZero);
    }
    // A decimal that has more digits than its type.
    let decimal = lower.contains("to store in a decimal") || lower.contains("is not within the allowed range");
    (lower.contains("overflow") || lower.contains("does not fit") || lower.contains("out of range") || decimal).then_some(Fault::OutOfRange)
}

/// What a source's own failure over values was, by the code that SQL has for it or by its message.
fn fault_at(error: &SourceError) -> Option<Fault> {
    if error.kind != SourceErrorKind::Data {
        return None;
    }
    match error.native_code() {
        Some("22012") => Some(Fault::DivisionByZero),
        Some("22003" | "22008" | "22015") => Some(Fault::OutOfRange),
        Some("22P02" | "22007" | "22018") => Some(Fault::Conversion),
        _ => fault_in(&error.message),
    }
}

/// A column that does not resolve; the candidates are those that the caller sees.
fn unknown_column(error: &SchemaError) -> EngineError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => EngineError::UnknownName {
            message: format!("there is no column '{}'", field.flat_name()),
            suggestion: nearest(field.name(), valid_fields.iter().map(|valid| valid.name())).map(str::to_owned),
        },
        other => EngineError::Invalid(first_line(&other.to_string())),
    }
}

/// A message without the lines below the first, which hold hints for developers.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

impl From<Overload> for EngineError {
    fn from(overload: Overload) -> Self {
        EngineError::Overloaded(overload)
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        EngineError::from_datafusion(error)
    }
}
