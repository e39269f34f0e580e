//! A query over one table: which rows it takes, in which order, and what it makes of them. Filtering reads only the cells it
//! needs; outputs are computed for the rows that remain, and plain columns are copied by Arrow without going through values.

use super::EvaluateError;
use super::compare::{compare_for_sort, grouping_value};
use super::expression::{Row, no_column};
use crate::arrays::{array_from_values, value_at};
use crate::expr::Expr;
use crate::query::{KeySet, LimitPer, Relation, SortKey, SourceQuery, TableColumn, TableRelation};
use crate::value::Value;
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::datatypes::SchemaRef;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
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

struct Keys {
    columns: Vec<usize>,
    tuples: HashSet<Vec<Value>>,
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
        Row { columns: self.columns, cell: &|index| self.cell(index, row) }.value(expression).map(Cow::into_owned)
    }

    fn holds(&self, predicate: &Expr, row: usize) -> Result<bool, EvaluateError> {
        Row { columns: self.columns, cell: &|index| self.cell(index, row) }.holds(predicate)
    }
}

fn unsupported<T>(feature: &str) -> Result<T, EvaluateError> {
    Err(EvaluateError::Unsupported(feature.to_owned()))
}

impl<'q> TableEvaluation<'q> {
    /// Checks that the evaluator knows every part of the query, and prepares its key set.
    ///
    /// # Errors
    /// `Unsupported` names the part it does not know, `Invalid` the part that makes no sense.
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
        let table = match &query.from {
            Relation::Table(table) => table.clone(),
            Relation::Join(_) => return unsupported("joins"),
            Relation::Query(_) => return unsupported("nested queries"),
            Relation::Union(_) => return unsupported("unions"),
            Relation::Call(_) => return unsupported("operations of a source"),
        };
        let counts_rows = query.counts_rows().map_err(|beyond| EvaluateError::Unsupported(beyond.feature))?;
        let per = query.limit_per.iter().flat_map(|per| &per.columns);
        let observed = query.order_by.iter().map(|key| &key.expr).chain(per);
        if query.distinct && observed.clone().any(|expression| !query.output.iter().any(|output| &output.expr == expression)) {
            return unsupported("distinct rows ordered or limited by something that is not an output");
        }
        query.filter.iter().try_for_each(|filter| check_expression(filter, &table.columns))?;
        let visible = query.visible_columns();
        for expression in query.output.iter().map(|output| &output.expr).chain(observed) {
            check_expression(expression, &visible)?;
        }
        let keys = query.keys.as_ref().map(|keys| prepare_keys(keys, &table)).transpose()?;
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
        rows = sort(&cells, rows, &self.query.order_by)?;
        if let Some(per) = &self.query.limit_per {
            rows = limit_per(&cells, rows, per)?;
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
        if let Some(keys) = &self.keys {
            let tuple = keys.columns.iter().map(|index| cells.cell(*index, row)).collect::<Result<Vec<_>, _>>()?;
            // A null or NaN equals nothing.
            if tuple.iter().any(|value| value.is_null() || value.is_nan()) {
                return Ok(false);
            }
            if !keys.tuples.contains(&tuple.into_iter().map(grouping_value).collect::<Vec<_>>()) {
                return Ok(false);
            }
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

/// Refuses what the evaluator does not know and what has no type, before any row is read: also over no rows.
#[deny(clippy::wildcard_enum_match_arm)]
fn check_expression(expression: &Expr, columns: &[TableColumn]) -> Result<(), EvaluateError> {
    match expression {
        Expr::OuterColumn { .. } => return unsupported("columns of an enclosing query"),
        Expr::Parameter { .. } => return unsupported("unbound parameters"),
        Expr::ScalarSubquery(_) => return unsupported("scalar sub-queries"),
        Expr::Exists(_) => return unsupported("EXISTS"),
        Expr::Window { .. } => return unsupported("window functions"),
        Expr::Column(index) if *index >= columns.len() => return Err(no_column(*index)),
        Expr::Column(_)
        | Expr::Literal(_)
        | Expr::Compare { .. }
        | Expr::InList { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. } => {}
    }
    expression.children().into_iter().try_for_each(|child| check_expression(child, columns))?;
    match expression.scalar_type(columns) {
        Some(_) => Ok(()),
        None => Err(EvaluateError::Invalid("an expression has operands that do not fit".to_owned())),
    }
}

fn prepare_keys(keys: &KeySet, table: &TableRelation) -> Result<Keys, EvaluateError> {
    if let Some(index) = keys.columns.iter().find(|index| **index >= table.columns.len()) {
        return Err(no_column(*index));
    }
    let mut tuples = HashSet::with_capacity(keys.tuples.len());
    for tuple in &keys.tuples {
        if tuple.len() != keys.columns.len() {
            return Err(EvaluateError::Invalid("a key has another number of values than the key set has columns".to_owned()));
        }
        if tuple.iter().any(Value::is_null) {
            return Err(EvaluateError::Invalid("a key set holds a null".to_owned()));
        }
        for (value, index) in tuple.iter().zip(&keys.columns) {
            let declared = table.columns.get(*index).map(|column| column.scalar_type);
            if declared.map(crate::TypeClass::of) != Some(crate::TypeClass::of(value.scalar_type())) {
                return Err(EvaluateError::Invalid("a key has a value of another type than its column".to_owned()));
            }
        }
        let values = tuple.iter().zip(&keys.columns).map(|(value, index)| match table.columns.get(*index) {
            Some(column) => widen_integer(value, column.scalar_type),
            None => value.clone(),
        });
        tuples.insert(values.map(grouping_value).collect());
    }
    Ok(Keys { columns: keys.columns.clone(), tuples })
}

/// A key's integer or float as the width of its column, so that it hashes alike; one that does not fit matches nothing.
fn widen_integer(value: &Value, scalar_type: crate::ScalarType) -> Value {
    match value {
        Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => super::cast_value(value, scalar_type).unwrap_or_else(|_| value.clone()),
        Value::Float32(number) if scalar_type == crate::ScalarType::Float64 => Value::Float64(*number),
        // A double that is no single keeps its digits and so matches none.
        Value::Float64(number) if scalar_type == crate::ScalarType::Float32 => Value::Float32(*number),
        other => other.clone(),
    }
}

/// Rows in the order of the keys; equal rows keep their order.
fn sort(cells: &Cells<'_>, rows: Vec<u32>, order_by: &[SortKey]) -> Result<Vec<u32>, EvaluateError> {
    if order_by.is_empty() {
        return Ok(rows);
    }
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows {
        let values = order_by.iter().map(|key| cells.value(&key.expr, row as usize)).collect::<Result<Vec<_>, _>>()?;
        keyed.push((values, row));
    }
    let mut failure = None;
    keyed.sort_by(|(left, _), (right, _)| {
        compare_rows(left, right, order_by).unwrap_or_else(|error| {
            failure = Some(error);
            Ordering::Equal
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, row)| row).collect()),
    }
}

fn compare_rows(left: &[Value], right: &[Value], order_by: &[SortKey]) -> Result<Ordering, EvaluateError> {
    for ((left, right), key) in left.iter().zip(right).zip(order_by) {
        let ordering = compare_for_sort(left, right, key.descending, key.nulls_first)?;
        if ordering != Ordering::Equal {
            return Ok(ordering);
        }
    }
    Ok(Ordering::Equal)
}

/// Rows `offset .. offset + limit` of each group, in the order they have.
fn limit_per(cells: &Cells<'_>, rows: Vec<u32>, per: &LimitPer) -> Result<Vec<u32>, EvaluateError> {
    let mut seen: HashMap<Vec<Value>, u64> = HashMap::new();
    let mut kept = Vec::new();
    for row in rows {
        let group = per.columns.iter().map(|column| cells.value(column, row as usize).map(grouping_value));
        let position = seen.entry(group.collect::<Result<Vec<_>, _>>()?).or_default();
        if *position >= per.offset && *position - per.offset < per.limit {
            kept.push(row);
        }
        *position += 1;
    }
    Ok(kept)
}
