//! What the OData specification says an expression means, over one row: the oracle of the null-logic tests. It is written from URL
//! Conventions 4.01, section 5.1.1, and must not know plans, sources, or the evaluator of the IR.
//!
//! Where the specification leaves a choice, the project's is taken: text compares by code points, letter case is mapped one code point
//! to one, decimal quotients are cut off at the scale that the binder gave them, `divby` computes in the type that the binder chose (exact
//! by a constant, else doubles), a moment is in UTC, and `le` and `ge` hold between two nulls.

mod arithmetic;
mod functions;

use arithmetic::*;
use functions::*;
use portico_odata::{ArithmeticOperator, BoundExpr, BoundQuantifier, ComparisonOperator, Members, MembersOrigin, ODataFunction, ValueType};
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};
use std::cell::Cell;
use std::cmp::Ordering;

/// Why a request must fail: the row has no value for the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub &'static str);

/// More digits than this interpreter computes with: it says nothing then.
pub const BEYOND: Fault = Fault("beyond the reference");

type Outcome = Result<Value, Fault>;

/// All rows, and what links them with each other.
pub struct Related<'a> {
    pub rows: &'a [Vec<Value>],
    pub types: Vec<ScalarType>,
    /// For each relationship the column on this side and the one that it equals on the other.
    pub links: Vec<(usize, usize)>,
}

impl<'a> Related<'a> {
    /// The rows that a relationship leads to, in the order of their keys. Null is linked to nothing.
    fn members(&self, row: &[Value], relationship: usize) -> Vec<&'a [Value]> {
        let (own, theirs) = self.links[relationship];
        let linked = |other: &&Vec<Value>| !row[own].is_null() && equal(&row[own], &other[theirs]) == Ok(true);
        self.rows.iter().filter(linked).map(Vec::as_slice).collect()
    }
}

/// What a source may compute with before it knows which rows are related.
#[derive(Clone, Copy)]
pub enum Elsewhere<'a> {
    /// Any row.
    Row(&'a [Value]),
    /// What links a row to another, in place of what it equals there.
    Link,
}

/// Evaluates over one row.
pub struct Reference<'a> {
    /// The row, then those around it.
    pub scopes: Vec<&'a [Value]>,
    pub related: &'a Related<'a>,
    /// Which columns can be null.
    pub nullable: &'a [bool],
    /// Microseconds since the epoch.
    pub now: i64,
    /// Whether any part failed, even one that does not decide the value: then a request may fail as well.
    pub faulty: Cell<bool>,
    /// What paths are taken to lead to, to see what fails there.
    pub elsewhere: Option<Elsewhere<'a>>,
}

impl<'a> Reference<'a> {
    pub fn new(row: &'a [Value], related: &'a Related<'a>, nullable: &'a [bool], now: i64) -> Reference<'a> {
        Reference { scopes: vec![row], related, nullable, now, faulty: Cell::new(false), elsewhere: None }
    }

    /// The value; notes besides what fails before rows are related. What is computed of related rows may be computed for rows to which no
    /// path leads, or for rows from which none does.
    pub fn value_and_elsewhere(&self, expression: &BoundExpr) -> Outcome {
        for elsewhere in self.scopes.first().map(|row| Elsewhere::Row(row)).into_iter().chain([Elsewhere::Link]) {
            let there = Reference { elsewhere: Some(elsewhere), scopes: self.scopes.clone(), faulty: Cell::new(false), ..*self };
            let _ = there.value(expression);
            self.faulty.set(self.faulty.get() | there.faulty.get());
        }
        self.value(expression)
    }

    /// The row that a path of to-one relationships leads to: of several the first.
    fn reached(&self, level: usize, steps: &[usize]) -> Option<&'a [Value]> {
        if let Some(Elsewhere::Row(row)) = self.elsewhere.filter(|_| !steps.is_empty()) {
            return Some(row);
        }
        let start = self.scopes[level];
        steps.iter().try_fold(start, |row, step| self.related.members(row, *step).first().copied())
    }

    fn column(&self, level: usize, steps: &[usize], column: usize) -> Value {
        if let (Some(Elsewhere::Link), Some((last, before))) = (self.elsewhere, steps.split_last())
            && let (own, theirs) = self.related.links[*last]
            && theirs == column
        {
            return self.column(level, before, own);
        }
        self.reached(level, steps).map_or(Value::Null(self.related.types[column]), |row| row[column].clone())
    }

    /// For every member whether a condition is true of it.
    fn of_members(&self, members: &Members, condition: &dyn Fn(&Reference<'a>) -> Result<bool, Fault>) -> Vec<Result<bool, Fault>> {
        let inside = |row: &'a [Value]| {
            let scopes = std::iter::once(row).chain(self.scopes.iter().copied()).collect();
            let inner = Reference { scopes, faulty: Cell::new(false), ..*self };
            let outcome = match members.filter.as_deref().map(|filter| inner.keeps(filter)) {
                Some(Ok(false)) => Ok(None),
                Some(Err(fault)) => Err(fault),
                Some(Ok(true)) | None => condition(&inner).map(Some),
            };
            self.faulty.set(self.faulty.get() | inner.faulty.get());
            outcome
        };
        // A condition may be evaluated over rows that are no members; it only decides over those that are.
        for row in self.related.rows {
            let _ = inside(row);
        }
        let rows = match &members.origin {
            MembersOrigin::Related { level, steps, relationship } => {
                self.reached(*level, steps).map(|row| self.related.members(row, *relationship)).unwrap_or_default()
            }
            MembersOrigin::Table => self.related.rows.iter().map(Vec::as_slice).collect(),
        };
        rows.into_iter().filter_map(|row| inside(row).transpose()).collect()
    }

    fn lambda(&self, quantifier: BoundQuantifier, members: &Members, condition: Option<&BoundExpr>) -> Outcome {
        let outcomes = self.of_members(members, &|inner| condition.map_or(Ok(true), |condition| inner.keeps(condition)));
        let deciding = quantifier == BoundQuantifier::Any;
        if outcomes.contains(&Ok(deciding)) {
            return Ok(Value::Boolean(deciding));
        }
        outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Value::Boolean(!deciding))
    }

    pub fn value(&self, expression: &BoundExpr) -> Outcome {
        let outcome = self.evaluate(expression);
        // A decimal with more digits than its type has is right; a service that checks types may refuse it.
        let too_long = |value: &Value| {
            matches!(value, Value::Decimal { unscaled, precision, .. }
            if unscaled.to_i128().is_none_or(|unscaled| unscaled.abs() >= 10_i128.pow(u32::from((*precision).min(38)))))
        };
        if outcome.as_ref().map_or(true, too_long) {
            self.faulty.set(true);
        }
        outcome
    }

    /// Whether a filter keeps the row: whether the condition is true. Unknown is as good as false there, so a side that has no value does
    /// not matter beside one that is not true.
    pub fn keeps(&self, expression: &BoundExpr) -> Result<bool, Fault> {
        self.is(expression, true)
    }

    fn is(&self, expression: &BoundExpr, wanted: bool) -> Result<bool, Fault> {
        let (left, right, conjunction) = match expression {
            BoundExpr::Not(inner) => return self.is(inner, !wanted),
            BoundExpr::And(left, right) => (left, right, wanted),
            BoundExpr::Or(left, right) => (left, right, !wanted),
            other => return Ok(truth(&self.value(other)?) == Some(wanted)),
        };
        let sides = [self.is(left, wanted), self.is(right, wanted)];
        if sides.contains(&Ok(!conjunction)) {
            return Ok(!conjunction);
        }
        let [left, right] = sides;
        Ok(if conjunction { left? && right? } else { left? || right? })
    }

    fn evaluate(&self, expression: &BoundExpr) -> Outcome {
        match expression {
            BoundExpr::Column(index) => Ok(self.scopes[0][*index].clone()),
            BoundExpr::Path { level, steps, column } => Ok(self.column(*level, steps, *column)),
            BoundExpr::RootPath { key, steps, column, .. } => {
                let Some(row) = self.related.rows.iter().find(|row| row[..1] == key[..]) else {
                    return Ok(Value::Null(self.related.types[*column]));
                };
                let there = Reference { scopes: vec![row], faulty: Cell::new(false), ..*self };
                Ok(there.column(0, steps, *column))
            }
            BoundExpr::Lambda { quantifier, members, condition } => self.lambda(*quantifier, members, condition.as_deref()),
            BoundExpr::Count(members) => {
                let counted = self.of_members(members, &|_| Ok(true)).into_iter().collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Int64(i64::try_from(counted.len()).unwrap()))
            }
            BoundExpr::Node(_) => panic!("the rows of the reference are no hierarchy"),
            BoundExpr::Case { branches, scalar_type } => {
                for (condition, value) in branches {
                    if truth(&self.value(condition)?) == Some(true) {
                        return self.value(value);
                    }
                }
                Ok(Value::Null(*scalar_type))
            }
            BoundExpr::Literal(value) => Ok(value.clone()),
            BoundExpr::Parameter { .. } => unreachable!("the binder makes no parameters"),
            BoundExpr::Compare { op, left, right } => {
                let expressions = [left, right];
                let sides = [self.value(left), self.value(right)];
                for (side, other) in [(0, 1), (1, 0)] {
                    let never_null = sides[other].is_err() && self.never_null(expressions[other]);
                    // NaN is in no relation to anything, and what cannot be null is not, whatever it would be.
                    if sides[side].as_ref().is_ok_and(is_nan) || (never_null && is_null(&sides[side])) {
                        return Ok(Value::Boolean(*op == ComparisonOperator::Ne));
                    }
                }
                let [left, right] = sides;
                if matches!(op, ComparisonOperator::Lt | ComparisonOperator::Gt) && (is_null(&left) || is_null(&right)) {
                    return Ok(Value::Boolean(false));
                }
                Ok(Value::Boolean(compare(*op, &left?, &right?)?))
            }
            BoundExpr::In { expr, list } => {
                let value = self.value(expr);
                let nothing = list.iter().all(|candidate| candidate.is_null() || is_nan(candidate));
                if value.is_err() && nothing && self.never_null(expr) {
                    // What cannot be null is not in a list of nulls, whatever it would be.
                    return Ok(Value::Boolean(false));
                }
                let value = value?;
                let found = list.iter().map(|candidate| equal(&value, candidate)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Boolean(found.contains(&true)))
            }
            BoundExpr::And(left, right) => self.logical(left, right, false),
            BoundExpr::Or(left, right) => self.logical(left, right, true),
            BoundExpr::Not(inner) => Ok(match truth(&self.value(inner)?) {
                Some(value) => Value::Boolean(!value),
                None => Value::Null(ScalarType::Boolean),
            }),
            BoundExpr::Arithmetic { op, left, right, scalar_type } => {
                let (left, right) = (self.value(left), self.value(right));
                if is_null(&left) || is_null(&right) {
                    return Ok(Value::Null(*scalar_type));
                }
                if let (ArithmeticOperator::Mul, ScalarType::Decimal { precision, scale }) = (op, scalar_type)
                    && [&left, &right].iter().any(|side| side.as_ref().is_ok_and(|side| exact(side).is_ok_and(|(digits, _)| digits == 0)))
                {
                    // Nothing times an exact zero is anything else.
                    return decimal(0, 0, *precision, *scale);
                }
                arithmetic(*op, &left?, &right?, *scalar_type)
            }
            BoundExpr::Negate(inner) => {
                let negated = self.value(inner);
                match inner.as_ref() {
                    // The opposite of the opposite is the number itself, even where the opposite alone is too great.
                    BoundExpr::Negate(twice) if negated.is_err() => self.value(twice),
                    _ => negate(&negated?),
                }
            }
            BoundExpr::Cast { expr, to } => promote(&self.value(expr)?, *to),
            BoundExpr::Convert { expr, from, to } => convert(&self.value(expr)?, from, to),
            BoundExpr::Call { function, arguments, scalar_type } => {
                let arguments: Vec<Outcome> = arguments.iter().map(|argument| self.value(argument)).collect();
                if arguments.iter().any(is_null) {
                    return Ok(Value::Null(*scalar_type));
                }
                let arguments = arguments.into_iter().collect::<Result<Vec<_>, _>>()?;
                call(*function, &arguments, *scalar_type, self.now)
            }
        }
    }

    /// Whether the expression is not null on any row, so that a comparison with null is decided without it.
    fn never_null(&self, expression: &BoundExpr) -> bool {
        match expression {
            BoundExpr::Column(index) => !self.nullable[*index],
            BoundExpr::Lambda { .. } | BoundExpr::Count(_) | BoundExpr::Node(_) => true,
            BoundExpr::Path { steps, column, .. } => steps.is_empty() && !self.nullable[*column],
            BoundExpr::RootPath { .. } | BoundExpr::Case { .. } | BoundExpr::Convert { .. } => false,
            BoundExpr::Literal(value) => !value.is_null(),
            BoundExpr::Parameter { .. } => true,
            BoundExpr::Compare { .. } | BoundExpr::In { .. } => true,
            BoundExpr::And(left, right) | BoundExpr::Or(left, right) | BoundExpr::Arithmetic { left, right, .. } => {
                self.never_null(left) && self.never_null(right)
            }
            BoundExpr::Not(inner) | BoundExpr::Negate(inner) | BoundExpr::Cast { expr: inner, .. } => self.never_null(inner),
            BoundExpr::Call { arguments, .. } => arguments.iter().all(|argument| self.never_null(argument)),
        }
    }

    /// `and` is decided by a false side, `or` by a true one, whatever the other is; otherwise null is unknown.
    fn logical(&self, left: &BoundExpr, right: &BoundExpr, deciding: bool) -> Outcome {
        let sides = [self.value(left), self.value(right)];
        if sides.iter().flatten().any(|side| truth(side) == Some(deciding)) {
            return Ok(Value::Boolean(deciding));
        }
        let [left, right] = sides;
        Ok(match (truth(&left?), truth(&right?)) {
            (Some(_), Some(_)) => Value::Boolean(!deciding),
            _ => Value::Null(ScalarType::Boolean),
        })
    }
}

/// A null decides what it is an operand of, whether the others have a value or not.
fn is_null(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(Value::is_null)
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Float32(Float(number)) | Value::Float64(Float(number)) if number.is_nan())
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        Value::Null(_) => None,
        other => panic!("{other:?} is no condition"),
    }
}

/// Null is equal to itself and only to itself; NaN to nothing.
fn equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    Ok(match (left.is_null(), right.is_null()) {
        (true, true) => true,
        (false, false) => order(left, right)? == Some(Ordering::Equal),
        _ => false,
    })
}

fn compare(op: ComparisonOperator, left: &Value, right: &Value) -> Result<bool, Fault> {
    match op {
        ComparisonOperator::Eq => return equal(left, right),
        ComparisonOperator::Ne => return Ok(!equal(left, right)?),
        // "Greater than or equal": of nulls the second holds.
        ComparisonOperator::Le | ComparisonOperator::Ge if left.is_null() && right.is_null() => return Ok(true),
        _ if left.is_null() || right.is_null() => return Ok(false),
        _ => {}
    }
    // NaN has no order with anything.
    Ok(order(left, right)?.is_some_and(|order| match op {
        ComparisonOperator::Lt => order.is_lt(),
        ComparisonOperator::Le => order.is_le(),
        ComparisonOperator::Gt => order.is_gt(),
        _ => order.is_ge(),
    }))
}

/// The order of two values that are not null; `None` beside NaN.
fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Fault> {
    Ok(match (left, right) {
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Float32(left), Value::Float32(right)) | (Value::Float64(left), Value::Float64(right)) => left.0.partial_cmp(&right.0),
        (Value::Text(left), Value::Text(right)) | (Value::Guid(left), Value::Guid(right)) => Some(left.chars().cmp(right.chars())),
        (Value::Binary(left), Value::Binary(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right))
        | (Value::Timestamp(left), Value::Timestamp(right))
        | (Value::TimestampTz(left), Value::TimestampTz(right)) => Some(left.cmp(right)),
        _ => {
            let ((left, left_scale), (right, right_scale)) = (exact(left)?, exact(right)?);
            let scale = left_scale.max(right_scale);
            Some(raised(left, scale - left_scale)?.cmp(&raised(right, scale - right_scale)?))
        }
    })
}

/// For `$orderby`: null is lowest, NaN the highest number, and the zeros are one value.
pub fn sort_order(left: &Value, right: &Value) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (false, false) => order(left, right).expect("values that are sorted are short").unwrap_or_else(|| is_nan(left).cmp(&is_nan(right))),
        (left, right) => right.cmp(&left),
    }
}
