//! The evaluator: what the IR means. It is the oracle of the test-kit and the body of the `memory` kind. It knows values, Arrow
//! batches and the IR; no source, no names but those of columns, no IO.
//!
//! It evaluates one table: filter, keys, row counts, outputs, distinct, order, limits, and every expression without a sub-query.
//! Joins, any other aggregation, unions, nested blocks, sub-queries and windows are refused as [`EvaluateError::Unsupported`].

mod calendar;
mod cast;
mod compare;
pub(crate) mod decimal;
mod expression;
mod function;
mod number;
mod table;
mod text;

#[cfg(test)]
mod tests;

pub use calendar::{civil_from_days, days_from_civil};
pub use cast::cast_value;
pub use compare::{compare_for_sort, compare_values, grouping_value};
pub use expression::evaluate_expr;
pub use table::TableEvaluation;

use crate::query::{Relation, SourceQuery};
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

/// Evaluates a query over tables. `lookup` gives a table's rows; the batch's columns are found by name. The result has exactly
/// `query.result_schema()`; without an order, rows come as the table has them.
///
/// # Errors
/// See [`EvaluateError`].
pub fn evaluate(query: &SourceQuery, lookup: &dyn Fn(&RemoteTableName) -> Option<RecordBatch>) -> Result<RecordBatch, EvaluateError> {
    let evaluation = TableEvaluation::new(query)?;
    let Relation::Table(table) = &query.from else {
        return Err(EvaluateError::Unsupported("a query over anything but one remote table".to_owned()));
    };
    let batch = lookup(&table.table).ok_or_else(|| EvaluateError::Invalid(format!("there is no table '{}'", table.table)))?;
    evaluation.evaluate(&batch)
}

pub(crate) fn division_by_zero() -> EvaluateError {
    EvaluateError::Data("division by zero".to_owned())
}
