//! A query over one table: which rows it takes, in which order, and what it makes of them. Filtering reads only the cells it
//! needs; outputs are computed for the rows that remain, and plain columns are copied by Arrow without going through values.

use super::EvaluateError;
use super::compare::grouping_value;
use super::expression::{Row, no_column};
use super::matching::Keys;
use super::order::{limited_per, sorted};
use super::wellformed::check_query;
use crate::arrays::{array_from_values, value_at};
use crate::expr::Expr;
use crate::query::{Relation, SourceQuery, TableColumn, TableRelation};
use crate::value::Value;
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::datatypes::SchemaRef;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// A query made ready to be evaluated over batches of its table. A query for which [`TableEvaluation::is_streamable`] holds may
/// be evaluated batch by batch with [`TableEvaluation::select`] and [`TableEvaluation::project`], one for which
/// [`TableEvaluation::is_row_count`] holds with [`TableEvaluation::count`] and [`TableEvaluation::counted`].
pub struct TableEvaluation<'q> {
    query: Cow<'q, SourceQuery>,
    table: TableRelation,
    keys: Option<Keys>,
    counts_rows: bool,
    schema: SchemaRef,
}

/// A table's arrays in the order of the query's columns in scope.
struct Cells<'a> {
    columns: &'a [TableColumn],
    arrays: Vec<Option<&'a ArrayRef>>,
}

impl Cells<'_> {
    fn cell(&self, index: usize, row: usize) -> Result<Value, EvaluateError> {
        let column = self.columns.get(index).ok_or_else(|| no_column(index))?;
        value_at(self.array(index)?.as_ref(), row, column.scalar_type)
    }

    fn array(&self, index: usize) -> Result<&ArrayRef, EvaluateError> {
        let column = self.columns.get(index).ok_or_else(|| no_column(index))?;
        let array = self.arrays.get(index).copied().flatten();
        array.ok_or_else(|| EvaluateError::Invalid(format!("there is no column '{}'", column.name)))
    }

    fn value(&self, expression: &Expr, row: usize) -> Result<Value, EvaluateError> {
        Row::alone(self.columns, &|index| self.cell(index, row)).value(expression).map(Cow::into_owned)
    }

    fn values<'e>(&self, expressions: impl IntoIterator<Item = &'e Expr>, row: u32) -> Result<Vec<Value>, EvaluateError> {
        expressions.into_iter().map(|expression| self.value(expression, row as usize)).collect()
    }

    fn holds(&self, predicate: &Expr, row: usize) -> Result<bool, EvaluateError> {
        Row::alone(self.columns, &|index| self.cell(index, row)).holds(predicate)
    }
}

impl<'q> TableEvaluation<'q> {
    /// Whether a query is one of these: rows of one table, or their number, without sub-queries and window functions.
    pub fn suits(query: &SourceQuery) -> bool {
        let plain = |expression: &Expr| !expression.has_window() && !expression.has_subquery();
        let rows = query.aggregate.is_none() || query.is_row_count();
        matches!(query.from, Relation::Table(_)) && rows && query.expressions().into_iter().all(plain)
    }

    /// Checks that the query has a meaning, and prepares its key set.
    ///
    /// # Errors
    /// `Unsupported` when [`TableEvaluation::suits`] does not hold; `Invalid` names the part that makes no sense.
    pub fn new(query: &'q SourceQuery) -> Result<TableEvaluation<'q>, EvaluateError> {
        TableEvaluation::prepare(Cow::Borrowed(query))
    }

    /// The same, keeping the query, for evaluations that outlive the place where they were made.
    ///
    /// # Errors
    /// As [`TableEvaluation::new`].
    pub fn owned(query: SourceQuery) -> Result<TableEvaluation<'static>, EvaluateError> {
        TableEvaluation::prepare(Cow::Owned(query))
    }

    fn prepare(query: Cow<'q, SourceQuery>) -> Result<TableEvaluation<'q>, EvaluateError> {
        let counts_rows = query.is_row_count();
        let table = match &query.from {
            Relation::Table(table) if TableEvaluation::suits(&query) => table.clone(),
            Relation::Table(_) | Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => {
                return Err(EvaluateError::Unsupported("more than rows of one table, or their number, batch by batch".to_owned()));
            }
        };
        check_query(&query, None)?;
        let keys = query.keys.as_ref().map(Keys::new).transpose()?;
        let schema = query.result_schema();
        Ok(TableEvaluation { query, table, keys, counts_rows, schema })
    }

    /// Whether the answer is the number of rows, not rows.
    pub fn is_row_count(&self) -> bool {
        self.counts_rows
    }

    /// Whether rows can be judged and returned one batch after the other: no row count, no order, no distinct, no limit per key.
    pub fn is_streamable(&self) -> bool {
        !self.counts_rows && self.query.order_by.is_empty() && !self.query.distinct && self.query.limit_per.is_none()
    }

    /// The schema of every result.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Evaluates the whole query over the whole table.
    ///
    /// # Errors
    /// See [`EvaluateError`].
    pub fn evaluate(&self, table: &RecordBatch) -> Result<RecordBatch, EvaluateError> {
        if self.counts_rows {
            return self.counted(self.count(table)?);
        }
        let offset = usize::try_from(self.query.offset).unwrap_or(usize::MAX);
        let limit = self.query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let wanted = offset.saturating_add(limit);
        let mut rows = self.select(table, if self.is_streamable() { wanted } else { usize::MAX })?;
        let cells = self.cells(table);
        if self.query.distinct {
            rows = self.distinct(&cells, rows)?;
        }
        if !self.query.order_by.is_empty() {
            let keys = self.query.order_by.iter().map(|key| &key.expr);
            let keyed = rows.into_iter().map(|row| Ok((cells.values(keys.clone(), row)?, row)));
            let sorted = sorted(keyed.collect::<Result<Vec<_>, EvaluateError>>()?, &self.query.order_by)?;
            rows = sorted.into_iter().map(|(_, row)| row).collect();
        }
        if let Some(per) = &self.query.limit_per {
            rows = limited_per(rows.into_iter().map(|row| Ok((cells.values(&per.columns, row)?, row))), per)?;
        }
        let rows: Vec<u32> = rows.into_iter().skip(offset).take(limit).collect();
        self.project(table, &rows)
    }

    /// The positions of the rows that keys and filter keep, at most `wanted` of them, in the table's order.
    ///
    /// # Errors
    /// See [`EvaluateError`].
    pub fn select(&self, table: &RecordBatch, wanted: usize) -> Result<Vec<u32>, EvaluateError> {
        let count = u32::try_from(table.num_rows()).map_err(|_| EvaluateError::Unsupported("tables of more than 2^32 rows".to_owned()))?;
        if self.keys.is_none() && self.query.filter.is_none() {
            return Ok((0..count).take(wanted).collect());
        }
        let cells = self.cells(table);
        let mut kept = Vec::new();
        for row in 0..count {
            if kept.len() >= wanted {
                break;
            }
            if self.keeps(&cells, row as usize)? {
                kept.push(row);
            }
        }
        Ok(kept)
    }

    /// How many rows of a batch keys and filter keep. Nothing but the number is held.
    ///
    /// # Errors
    /// See [`EvaluateError`].
    pub fn count(&self, batch: &RecordBatch) -> Result<u64, EvaluateError> {
        if self.keys.is_none() && self.query.filter.is_none() {
            return Ok(batch.num_rows() as u64);
        }
        let cells = self.cells(batch);
        (0..batch.num_rows()).try_fold(0, |count, row| Ok(count + u64::from(self.keeps(&cells, row)?)))
    }

    /// The answer to a row count: one row, also when `rows` is 0.
    ///
    /// # Errors
    /// When the query does not count rows, or there are more than an `int64` holds.
    pub fn counted(&self, rows: u64) -> Result<RecordBatch, EvaluateError> {
        if !self.counts_rows {
            return Err(EvaluateError::Invalid("the query does not count rows".to_owned()));
        }
        let rows = i64::try_from(rows).map_err(|_| EvaluateError::Data("the number of rows does not fit int64".to_owned()))?;
        let arrays = self.query.output.iter().map(|_| Arc::new(Int64Array::from(vec![rows])) as ArrayRef).collect();
        RecordBatch::try_new(self.schema(), arrays).map_err(invalid)
    }

    fn keeps(&self, cells: &Cells<'_>, row: usize) -> Result<bool, EvaluateError> {
        if let Some(keys) = &self.keys
            && !keys.keep(|index| cells.cell(index, row))?
        {
            return Ok(false);
        }
        self.query.filter.as_ref().map_or(Ok(true), |filter| cells.holds(filter, row))
    }

    /// The outputs of the given rows.
    ///
    /// # Errors
    /// See [`EvaluateError`]; a row count has no outputs of rows.
    pub fn project(&self, table: &RecordBatch, rows: &[u32]) -> Result<RecordBatch, EvaluateError> {
        if self.counts_rows {
            return Err(EvaluateError::Invalid("the rows that a query counts have no outputs".to_owned()));
        }
        let cells = self.cells(table);
        let every = rows.len() == table.num_rows() && rows.iter().zip(0..).all(|(row, expected)| *row == expected);
        let indices = UInt32Array::from(rows.to_vec());
        let mut arrays = Vec::with_capacity(self.query.output.len());
        for (output, field) in self.query.output.iter().zip(self.schema.fields()) {
            let array = if let Expr::Column(index) = &output.expr {
                let array = cells.array(*index)?;
                if array.data_type() != field.data_type() {
                    let message = format!("column '{}' is {} instead of {}", field.name(), array.data_type(), field.data_type());
                    return Err(EvaluateError::Invalid(message));
                }
                if every { ArrayRef::clone(array) } else { arrow::compute::take(array, &indices, None).map_err(invalid)? }
            } else {
                let scalar_type = output.expr.scalar_type(&self.table.columns);
                let scalar_type = scalar_type.ok_or_else(|| EvaluateError::Invalid(format!("output '{}' has no type", output.name)))?;
                let values = rows.iter().map(|row| cells.value(&output.expr, *row as usize)).collect::<Result<Vec<_>, _>>()?;
                array_from_values(scalar_type, &values)?
            };
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema(), arrays, &options).map_err(invalid)
    }

    fn cells<'a>(&'a self, table: &'a RecordBatch) -> Cells<'a> {
        let arrays = self.table.columns.iter().map(|column| table.column_by_name(&column.name)).collect();
        Cells { columns: &self.table.columns, arrays }
    }

    /// The first row of each group of equal outputs.
    fn distinct(&self, cells: &Cells<'_>, rows: Vec<u32>) -> Result<Vec<u32>, EvaluateError> {
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for row in rows {
            let outputs = self.query.output.iter().map(|output| cells.value(&output.expr, row as usize).map(grouping_value));
            if seen.insert(outputs.collect::<Result<Vec<_>, _>>()?) {
                kept.push(row);
            }
        }
        Ok(kept)
    }
}

fn invalid(error: arrow::error::ArrowError) -> EvaluateError {
    EvaluateError::Invalid(error.to_string())
}
