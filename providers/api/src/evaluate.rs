//! The evaluator: what the IR means. It is the oracle of the test-kit and the body of the `memory` kind.

use crate::query::SourceQuery;
use crate::schema::RemoteTableName;
use arrow::array::RecordBatch;
use thiserror::Error;

/// Why a query has no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluateError {
    /// The evaluator does not know this part of the IR (yet).
    #[error("the evaluator does not support {0}")]
    Unsupported(String),
    /// A value made evaluation fail: overflow, division by zero, a cast that does not fit.
    #[error("{0}")]
    Data(String),
    /// The query refers to something that is not there.
    #[error("{0}")]
    Invalid(String),
}

/// Evaluates a query over tables. `lookup` gives a table's rows; the batch's columns are found by name.
///
/// # Errors
/// See [`EvaluateError`].
pub fn evaluate(query: &SourceQuery, lookup: &dyn Fn(&RemoteTableName) -> Option<RecordBatch>) -> Result<RecordBatch, EvaluateError> {
    let _ = (query, lookup);
    Err(EvaluateError::Unsupported("anything yet".to_owned()))
}
