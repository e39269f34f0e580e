//! The value of an expression over one row, with SQL's three-valued logic. It asks for cells only as they are needed.

#![deny(clippy::wildcard_enum_match_arm)]

use super::block::{Evaluation, Rows, Windows};
use super::compare::compare_values;
use super::{EvaluateError, cast, function, number};
use crate::expr::{CompareOp, Expr};
use crate::query::{SourceQuery, TableColumn};
use crate::types::ScalarType;
use crate::value::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

/// Evaluates an expression over a row of values, one for each of `columns`. It must have no sub-query and no window function.
///
/// # Errors
/// See [`EvaluateError`].
pub fn evaluate_expr(expression: &Expr, row: &[Value], columns: &[TableColumn]) -> Result<Value, EvaluateError> {
    let cell = |index: usize| row.get(index).cloned().ok_or_else(|| no_column(index));
    Row::alone(columns, &cell).value(expression).map(Cow::into_owned)
}

pub(super) fn no_column(index: usize) -> EvaluateError {
    EvaluateError::Invalid(format!("there is no column {index}"))
}

const UNKNOWN: Value = Value::Null(ScalarType::Boolean);

/// One row: its columns, how to get a cell, and what lies around it.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) columns: &'a [TableColumn],
    pub(super) cell: &'a dyn Fn(usize) -> Result<Value, EvaluateError>,
    /// Who answers sub-queries.
    pub(super) evaluation: Option<&'a Evaluation<'a>>,
    /// The row of the query around this one.
    pub(super) outer: Option<&'a Row<'a>>,
    pub(super) windows: Option<Windows<'a>>,
}

impl<'a> Row<'a> {
    /// A row with nothing around it.
    pub(super) fn alone(columns: &'a [TableColumn], cell: &'a dyn Fn(usize) -> Result<Value, EvaluateError>) -> Row<'a> {
        Row { columns, cell, evaluation: None, outer: None, windows: None }
    }

    fn outer_cell(&self, depth: u32, index: usize) -> Result<Value, EvaluateError> {
        let mut outer = self.outer;
        for _ in 1..depth {
            outer = outer.and_then(|outer| outer.outer);
        }
        outer.map_or_else(|| Err(unsupported("columns of an enclosing query")), |outer| (outer.cell)(index))
    }

    fn subquery(&self, query: &SourceQuery) -> Result<Rc<Rows>, EvaluateError> {
        self.evaluation.map_or_else(|| Err(unsupported("sub-queries")), |evaluation| evaluation.subquery(query, self))
    }

    fn scalar(&self, query: &SourceQuery) -> Result<Value, EvaluateError> {
        match self.subquery(query)?.as_slice() {
            [row] => row.first().cloned().ok_or_else(|| no_column(0)),
            [] => match query.result_columns().first() {
                Some(column) => Ok(Value::Null(column.scalar_type)),
                None => Err(no_column(0)),
            },
            [_, _, ..] => Err(EvaluateError::Data("a scalar sub-query has more than one row".to_owned())),
        }
    }

    /// Whether a predicate is true (neither false nor unknown).
    pub(super) fn holds(&self, predicate: &Expr) -> Result<bool, EvaluateError> {
        Ok(self.truth(predicate)? == Some(true))
    }

    /// A predicate's truth; `None` is unknown.
    fn truth(&self, predicate: &Expr) -> Result<Option<bool>, EvaluateError> {
        let value = self.value(predicate)?;
        if value.is_null() {
            return Ok(None);
        }
        if let Value::Boolean(truth) = value.as_ref() {
            return Ok(Some(*truth));
        }
        Err(EvaluateError::Invalid(format!("{} is no truth value", value.scalar_type())))
    }

    pub(super) fn value<'e>(&self, expression: &'e Expr) -> Result<Cow<'e, Value>, EvaluateError> {
        let owned = match expression {
            Expr::Literal(value) => return Ok(Cow::Borrowed(value)),
            Expr::Column(index) => (self.cell)(*index)?,
            Expr::Compare { op, left, right } => compare(*op, &*self.value(left)?, &*self.value(right)?)?,
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated)?,
            Expr::And(parts) => self.connect(parts, false)?,
            Expr::Or(parts) => self.connect(parts, true)?,
            Expr::Not(inner) => boolean(self.truth(inner)?.map(|truth| !truth)),
            Expr::IsNull(inner) => Value::Boolean(self.value(inner)?.is_null()),
            Expr::Arithmetic { op, left, right } => number::arithmetic(*op, &*self.value(left)?, &*self.value(right)?)?,
            Expr::Negate(inner) => number::negate(&*self.value(inner)?)?,
            Expr::Case { branches, otherwise } => self.case(expression, branches, otherwise.as_deref())?,
            Expr::Cast { expr, to } => cast::cast_value(&*self.value(expr)?, *to)?,
            Expr::Call { function, arguments } => {
                let arguments = arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                function::call(*function, &arguments)?
            }
            Expr::OuterColumn { depth, index, scalar_type: _ } => self.outer_cell(*depth, *index)?,
            Expr::Parameter { index, .. } => return Err(unsupported(format!("the unbound parameter {index}"))),
            Expr::ScalarSubquery(query) => self.scalar(query)?,
            Expr::Exists(query) => Value::Boolean(!self.subquery(query)?.is_empty()),
            Expr::Window { .. } => match self.windows.and_then(|windows| windows.value(expression)) {
                Some(value) => value,
                None => return Err(unsupported("window functions")),
            },
        };
        Ok(Cow::Owned(owned))
    }

    /// `AND` (decided by a false part) or `OR` (decided by a true part). Parts after the deciding one are not evaluated.
    fn connect(&self, parts: &[Expr], deciding: bool) -> Result<Value, EvaluateError> {
        let mut unknown = false;
        for part in parts {
            match self.truth(part)? {
                Some(truth) if truth == deciding => return Ok(Value::Boolean(deciding)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { UNKNOWN } else { Value::Boolean(!deciding) })
    }

    fn in_list(&self, expression: &Expr, list: &[Expr], negated: bool) -> Result<Value, EvaluateError> {
        let value = self.value(expression)?;
        // Nothing is in the empty list, not even the unknown.
        let mut unknown = value.is_null() && !list.is_empty();
        for item in list {
            let item = self.value(item)?;
            unknown |= item.is_null();
            if compare_values(&value, &item)? == Some(Ordering::Equal) {
                return Ok(Value::Boolean(!negated));
            }
        }
        Ok(if unknown { UNKNOWN } else { Value::Boolean(negated) })
    }

    fn case(&self, whole: &Expr, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) -> Result<Value, EvaluateError> {
        let scalar_type = whole.scalar_type(self.columns).ok_or_else(|| EvaluateError::Invalid("a CASE without a type".to_owned()))?;
        for (when, then) in branches {
            if self.holds(when)? {
                return as_type(&*self.value(then)?, scalar_type);
            }
        }
        match otherwise {
            Some(otherwise) => as_type(&*self.value(otherwise)?, scalar_type),
            None => Ok(Value::Null(scalar_type)),
        }
    }
}

/// A branch's value as the type of the whole `CASE`: the same type, or a decimal that fits exactly.
fn as_type(value: &Value, scalar_type: ScalarType) -> Result<Value, EvaluateError> {
    let own = value.scalar_type();
    match (value, scalar_type) {
        (Value::Null(_), _) => Ok(Value::Null(scalar_type)),
        (Value::Decimal { unscaled, scale: from, .. }, ScalarType::Decimal { precision, scale }) => {
            let unscaled = super::decimal::rescale_exactly(*unscaled, *from, precision, scale)?;
            Ok(Value::Decimal { unscaled, precision, scale })
        }
        _ if own == scalar_type => Ok(value.clone()),
        _ => Err(EvaluateError::Invalid(format!("a CASE of type {scalar_type} has a branch of type {own}"))),
    }
}

fn unsupported(feature: impl Into<String>) -> EvaluateError {
    EvaluateError::Unsupported(feature.into())
}

fn boolean(truth: Option<bool>) -> Value {
    truth.map_or(UNKNOWN, Value::Boolean)
}

fn compare(op: CompareOp, left: &Value, right: &Value) -> Result<Value, EvaluateError> {
    let (left_null, right_null) = (left.is_null(), right.is_null());
    let ordering = compare_values(left, right)?;
    let equal = ordering == Some(Ordering::Equal);
    let same = if left_null || right_null { left_null && right_null } else { equal };
    let two_valued = matches!(op, CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom);
    if !two_valued && (left_null || right_null) {
        return Ok(UNKNOWN);
    }
    let truth = match op {
        CompareOp::IsDistinctFrom => !same,
        CompareOp::IsNotDistinctFrom => same,
        CompareOp::Eq => equal,
        CompareOp::NotEq => !equal,
        CompareOp::Lt => ordering == Some(Ordering::Less),
        CompareOp::LtEq => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        CompareOp::Gt => ordering == Some(Ordering::Greater),
        CompareOp::GtEq => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    };
    Ok(Value::Boolean(truth))
}
