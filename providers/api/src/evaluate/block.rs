//! Whole select blocks over named tables: joins, groups, nested blocks, unions, sub-queries, windows. Rows are rows of values: it is
//! the definition of what the IR means, and right before it is fast.

#![deny(clippy::wildcard_enum_match_arm)]

use super::aggregate::{aggregate, distinct};
use super::compare::grouping_value;
use super::expression::{Row, no_column};
use super::join::{Sides, joined};
use super::matching::Keys;
use super::order::{limited_per, sorted};
use super::window::windows;
use super::{EvaluateError, Tables};
use crate::arrays::value_at;
use crate::expr::Expr;
use crate::query::{AggregateCall, Aggregation, Relation, SourceQuery, TableColumn, TableRelation};
use crate::value::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Rows of values, each as long as the columns they belong to.
pub(super) type Rows = Vec<Vec<Value>>;

/// One evaluation of a query with all its blocks.
pub(super) struct Evaluation<'a> {
    tables: &'a Tables<'a>,
    /// Sub-queries by their place in the query: their rows, which are the same for every row around them; nothing for those that depend
    /// on it.
    subqueries: RefCell<HashMap<usize, Option<Rc<Rows>>>>,
}

/// The window functions' values in one row.
#[derive(Clone, Copy)]
pub(super) struct Windows<'a> {
    values: &'a HashMap<&'a Expr, Vec<Value>>,
    row: usize,
}

impl Windows<'_> {
    pub(super) fn value(&self, window: &Expr) -> Option<Value> {
        self.values.get(window).and_then(|values| values.get(self.row)).cloned()
    }
}

/// What expressions see: the columns of their rows, and what lies around their query.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) columns: &'a [TableColumn],
    evaluation: &'a Evaluation<'a>,
    outer: Option<&'a Row<'a>>,
}

impl Seen<'_> {
    pub(super) fn value(&self, expression: &Expr, row: &[Value]) -> Result<Value, EvaluateError> {
        self.windowed(expression, row, None)
    }

    fn windowed(&self, expression: &Expr, row: &[Value], windows: Option<Windows<'_>>) -> Result<Value, EvaluateError> {
        let cell = |index: usize| row.get(index).cloned().ok_or_else(|| no_column(index));
        let row = Row { columns: self.columns, cell: &cell, evaluation: Some(self.evaluation), outer: self.outer, windows };
        row.value(expression).map(Cow::into_owned)
    }

    pub(super) fn holds(&self, predicate: &Expr, row: &[Value]) -> Result<bool, EvaluateError> {
        let cell = |index: usize| row.get(index).cloned().ok_or_else(|| no_column(index));
        let row = Row { columns: self.columns, cell: &cell, evaluation: Some(self.evaluation), outer: self.outer, windows: None };
        row.holds(predicate)
    }

    fn values<'e>(&self, expressions: impl IntoIterator<Item = &'e Expr>, row: &[Value]) -> Result<Vec<Value>, EvaluateError> {
        expressions.into_iter().map(|expression| self.value(expression, row)).collect()
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(tables: &'a Tables<'a>) -> Evaluation<'a> {
        Evaluation { tables, subqueries: RefCell::default() }
    }

    /// The rows of a sub-query of an expression that is evaluated over `row`.
    pub(super) fn subquery(&self, query: &SourceQuery, row: &Row<'_>) -> Result<Rc<Rows>, EvaluateError> {
        let place = std::ptr::from_ref(query).addr();
        let known = self.subqueries.borrow().get(&place).cloned();
        match known {
            Some(Some(rows)) => Ok(rows),
            Some(None) => self.block(query, Some(row)).map(Rc::new),
            None if query.is_correlated() => {
                self.subqueries.borrow_mut().insert(place, None);
                self.block(query, Some(row)).map(Rc::new)
            }
            None => {
                let rows = Rc::new(self.block(query, Some(row))?);
                self.subqueries.borrow_mut().insert(place, Some(Rc::clone(&rows)));
                Ok(rows)
            }
        }
    }

    /// The rows of a block; `outer` is the row around it when it is a sub-query.
    pub(super) fn block(&self, query: &SourceQuery, outer: Option<&Row<'_>>) -> Result<Rows, EvaluateError> {
        let from = query.from.columns();
        let below = Seen { columns: &from, evaluation: self, outer };
        let keys = query.keys.as_ref().map(Keys::new).transpose()?;
        let mut rows = Vec::new();
        for row in self.relation(&query.from, outer)? {
            let cell = |index: usize| row.get(index).cloned().ok_or_else(|| no_column(index));
            let has_key = keys.as_ref().map_or(Ok(true), |keys| keys.keep(cell))?;
            if has_key && query.filter.as_ref().map_or(Ok(true), |filter| below.holds(filter, &row))? {
                rows.push(row);
            }
        }
        let Some(aggregation) = &query.aggregate else { return returned(query, rows, &below) };
        let visible = aggregation.columns(&from);
        let above = Seen { columns: &visible, ..below };
        returned(query, groups(aggregation, rows, &below, &above)?, &above)
    }

    fn relation(&self, relation: &Relation, outer: Option<&Row<'_>>) -> Result<Rows, EvaluateError> {
        match relation {
            Relation::Table(table) => self.table(table),
            Relation::Call(_) => Err(EvaluateError::Unsupported("operations of a source".to_owned())),
            Relation::Query(query) => self.block(query, outer),
            Relation::Union(queries) => {
                let blocks = queries.iter().map(|query| self.block(query, outer)).collect::<Result<Vec<_>, _>>()?;
                Ok(blocks.concat())
            }
            Relation::Join(join) => {
                let (left, right) = (join.left.columns(), join.right.columns());
                let both = [left.as_slice(), right.as_slice()].concat();
                let sides = [&left, &right, &both].map(|columns| Seen { columns, evaluation: self, outer });
                let [left, right, both] = sides;
                let rows = (self.relation(&join.left, outer)?, self.relation(&join.right, outer)?);
                joined(join, rows.0, &rows.1, &Sides { left, right, both })
            }
        }
    }

    fn table(&self, table: &TableRelation) -> Result<Rows, EvaluateError> {
        let batch = (self.tables)(table)?;
        let arrays = table.columns.iter().map(|column| {
            let array = batch.column_by_name(&column.name);
            array.ok_or_else(|| EvaluateError::Invalid(format!("there is no column '{}'", column.name)))
        });
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let row = |row: usize| {
            let cells = arrays.iter().zip(&table.columns);
            cells.map(|(array, column)| value_at(array.as_ref(), row, column.scalar_type)).collect::<Result<Vec<_>, _>>()
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

/// Group keys and calls of each group for which `having` is true, in the order of the groups' first rows.
fn groups(aggregation: &Aggregation, rows: Rows, below: &Seen<'_>, above: &Seen<'_>) -> Result<Rows, EvaluateError> {
    let mut places: HashMap<Vec<Value>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Value>, Rows)> = Vec::new();
    if aggregation.group_by.is_empty() {
        groups.push((Vec::new(), rows));
    } else {
        for row in rows {
            let key = below.values(&aggregation.group_by, &row)?;
            let place = *places.entry(key.iter().cloned().map(grouping_value).collect()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((key, vec![row])),
            }
        }
    }
    let mut found = Vec::new();
    for (mut group, rows) in groups {
        for call in &aggregation.calls {
            group.push(called(call, &rows, below)?);
        }
        if aggregation.having.as_ref().map_or(Ok(true), |having| above.holds(having, &group))? {
            found.push(group);
        }
    }
    Ok(found)
}

fn called(call: &AggregateCall, rows: &Rows, below: &Seen<'_>) -> Result<Value, EvaluateError> {
    let mut arguments = Vec::with_capacity(rows.len());
    for row in rows {
        if call.filter.as_ref().map_or(Ok(true), |filter| below.holds(filter, row))? {
            arguments.push(call.argument.as_ref().map_or(Ok(Value::Boolean(true)), |argument| below.value(argument, row))?);
        }
    }
    let arguments = if call.distinct { distinct(arguments) } else { arguments };
    aggregate(call.function, &arguments, call.scalar_type)
}

/// The outputs of rows: what comes after filter and groups.
fn returned(query: &SourceQuery, rows: Rows, visible: &Seen<'_>) -> Result<Rows, EvaluateError> {
    let values = windows(query.output.iter().map(|output| &output.expr), &rows, visible)?;
    let outputs = |at: usize, row: &[Value]| {
        let windows = (!values.is_empty()).then_some(Windows { values: &values, row: at });
        query.output.iter().map(|output| visible.windowed(&output.expr, row, windows)).collect::<Result<Vec<_>, _>>()
    };
    let mut kept: Vec<usize> = (0..rows.len()).collect();
    let row = |at: usize| rows.get(at).map(Vec::as_slice).unwrap_or_default();
    if query.distinct {
        let mut seen = HashSet::new();
        let mut first = Vec::new();
        for at in kept {
            if seen.insert(outputs(at, row(at))?.into_iter().map(grouping_value).collect::<Vec<_>>()) {
                first.push(at);
            }
        }
        kept = first;
    }
    if !query.order_by.is_empty() {
        let keys = |at: usize| visible.values(query.order_by.iter().map(|key| &key.expr), row(at));
        let keyed = kept.into_iter().map(|at| Ok((keys(at)?, at))).collect::<Result<Vec<_>, EvaluateError>>()?;
        kept = sorted(keyed, &query.order_by)?.into_iter().map(|(_, at)| at).collect();
    }
    if let Some(per) = &query.limit_per {
        kept = limited_per(kept.into_iter().map(|at| Ok((visible.values(&per.columns, row(at))?, at))), per)?;
    }
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    kept.into_iter().skip(offset).take(limit).map(|at| outputs(at, row(at))).collect()
}
