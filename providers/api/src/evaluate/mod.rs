//! The evaluator: what the IR means. It is the oracle of the test-kit and the body of the `memory` kind. It knows values, Arrow
//! batches and the IR; no source, no names but those of columns, no IO.
//!
//! It evaluates whole select blocks; what can be judged row by row of one table, batch by batch as well ([`TableEvaluation`]). Only
//! unbound parameters, and distinct rows in an order that they do not have, are refused as [`EvaluateError::Unsupported`].

mod aggregate;
mod block;
mod calendar;
mod cast;
mod compare;
pub(crate) mod decimal;
mod expression;
mod function;
mod join;
mod matching;
mod number;
mod order;
mod table;
mod text;
mod wellformed;
mod window;

#[cfg(test)]
mod tests;

pub use calendar::{civil_from_days, days_from_civil};
pub use cast::cast_value;
pub use compare::{compare_for_sort, compare_values, grouping_value};
pub use expression::evaluate_expr;
pub use table::TableEvaluation;

use crate::arrays::batch_from_rows;
use crate::query::{Relation, SourceQuery, TableRelation};
use crate::schema::RemoteTableName;
use arrow::array::RecordBatch;
use thiserror::Error;

/// Gives the rows of a table; the batch's columns are found by name.
pub type Tables<'a> = dyn Fn(&TableRelation) -> Result<RecordBatch, EvaluateError> + 'a;

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
    evaluate_over(query, &|relation| {
        lookup(&relation.table).ok_or_else(|| EvaluateError::Invalid(format!("there is no table '{}'", relation.table)))
    })
}

/// The same, for tables of which each relation may see other columns.
///
/// # Errors
/// See [`EvaluateError`]; also those of `tables`.
pub fn evaluate_over(query: &SourceQuery, tables: &Tables<'_>) -> Result<RecordBatch, EvaluateError> {
    if let Relation::Table(table) = &query.from
        && TableEvaluation::suits(query)
    {
        return TableEvaluation::new(query)?.evaluate(&tables(table)?);
    }
    check_query(query)?;
    let rows = block::Evaluation::new(tables).block(query, None)?;
    let columns: Vec<_> = query.result_columns().into_iter().map(|column| (column.name, column.scalar_type, column.nullable)).collect();
    batch_from_rows(&columns, &rows)
}

/// Refuses a query that has no meaning, before any row is read.
///
/// # Errors
/// `Invalid` names the part that makes no sense, `Unsupported` the part that the evaluator does not know.
pub fn check_query(query: &SourceQuery) -> Result<(), EvaluateError> {
    wellformed::check_query(query, None)
}

pub(crate) fn division_by_zero() -> EvaluateError {
    EvaluateError::Data("division by zero".to_owned())
}
