//! What the OData specification says an expression means, over one row: the oracle of the null-logic tests. It is written from URL
//! Conventions 4.01, section 5.1.1, and must not know plans, sources, or the evaluator of the IR.
//!
//! Where the specification leaves a choice, the project's is taken: text compares by code points, letter case is mapped one code point
//! to one, decimal quotients are cut off at the scale that the binder gave them, `divby` computes in doubles, a moment is in UTC, and
//! `le` and `ge` with a null are false even when both sides are null.

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
}

impl<'a> Reference<'a> {
    pub fn new(row: &'a [Value], related: &'a Related<'a>, nullable: &'a [bool], now: i64) -> Reference<'a> {
        Reference { scopes: vec![row], related, nullable, now, faulty: Cell::new(false) }
    }

    /// The row that a path of to-one relationships leads to: of several the first.
    fn reached(&self, level: usize, steps: &[usize]) -> Option<&'a [Value]> {
        let start = self.scopes[level];
        steps.iter().try_fold(start, |row, step| self.related.members(row, *step).first().copied())
    }

    fn column(&self, level: usize, steps: &[usize], column: usize) -> Value {
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
            BoundExpr::Case { branches, scalar_type } => {
                for (condition, value) in branches {
                    if truth(&self.value(condition)?) == Some(true) {
                        return self.value(value);
                    }
                }
                Ok(Value::Null(*scalar_type))
            }
            BoundExpr::Literal(value) => Ok(value.clone()),
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
            BoundExpr::Lambda { .. } | BoundExpr::Count(_) => true,
            BoundExpr::Path { steps, column, .. } => steps.is_empty() && !self.nullable[*column],
            BoundExpr::RootPath { .. } | BoundExpr::Case { .. } | BoundExpr::Convert { .. } => false,
            BoundExpr::Literal(value) => !value.is_null(),
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

/// An integer or decimal as digits and scale.
fn exact(value: &Value) -> Result<(i128, u32), Fault> {
    Ok(match value {
        Value::Int16(value) => (i128::from(*value), 0),
        Value::Int32(value) => (i128::from(*value), 0),
        Value::Int64(value) => (i128::from(*value), 0),
        Value::Decimal { unscaled, scale, .. } => (unscaled.to_i128().ok_or(BEYOND)?, u32::try_from(*scale).unwrap()),
        other => panic!("{other:?} is no exact number"),
    })
}

fn raised(digits: i128, by: u32) -> Result<i128, Fault> {
    if digits == 0 {
        return Ok(0);
    }
    10_i128.checked_pow(by).and_then(|factor| digits.checked_mul(factor)).ok_or(BEYOND)
}

fn integer(value: i128, scalar_type: ScalarType) -> Outcome {
    let overflow = |_| Fault("integer overflow");
    match scalar_type {
        ScalarType::Int16 => i16::try_from(value).map(Value::Int16).map_err(overflow),
        ScalarType::Int32 => i32::try_from(value).map(Value::Int32).map_err(overflow),
        ScalarType::Int64 => i64::try_from(value).map(Value::Int64).map_err(overflow),
        other => panic!("{other} is no integer"),
    }
}

fn decimal(digits: i128, from: u32, precision: u8, scale: i8) -> Outcome {
    let to = u32::try_from(scale).unwrap();
    let unscaled = if to >= from {
        raised(digits, to - from)?
    } else {
        let divisor = 10_i128.checked_pow(from - to).ok_or(BEYOND)?;
        let (whole, rest) = (digits / divisor, digits % divisor);
        whole + if rest.abs() * 2 >= divisor { rest.signum() } else { 0 }
    };
    Ok(Value::Decimal { unscaled: unscaled.into(), precision, scale })
}

fn arithmetic(op: ArithmeticOperator, left: &Value, right: &Value, to: ScalarType) -> Outcome {
    match (left, right) {
        (Value::Float64(left), Value::Float64(right)) => floats(op, left.0, right.0, |value| value).map(Value::float64),
        // Every step of single precision is rounded to it; for the four operations a double in between changes nothing.
        (Value::Float32(left), Value::Float32(right)) => {
            floats(op, left.0, right.0, |value| f64::from(value as f32)).map(|value| Value::Float32(Float(value)))
        }
        _ => {
            let (left, right) = (exact(left)?, exact(right)?);
            match to {
                ScalarType::Decimal { precision, scale } => decimals(op, left, right, precision, scale),
                to => integers(op, left.0, right.0, to),
            }
        }
    }
}

fn floats(op: ArithmeticOperator, left: f64, right: f64, rounded: fn(f64) -> f64) -> Result<f64, Fault> {
    Ok(rounded(match op {
        ArithmeticOperator::Add => left + right,
        ArithmeticOperator::Sub => left - right,
        ArithmeticOperator::Mul => left * right,
        ArithmeticOperator::Div | ArithmeticOperator::DivBy => left / right,
        // "If the right operand is zero, the request fails": of all types.
        ArithmeticOperator::Mod if right == 0.0 => return Err(Fault("mod zero")),
        ArithmeticOperator::Mod => left % right,
    }))
}

fn integers(op: ArithmeticOperator, left: i128, right: i128, to: ScalarType) -> Outcome {
    let value = match op {
        ArithmeticOperator::Add => left + right,
        ArithmeticOperator::Sub => left - right,
        ArithmeticOperator::Mul => left * right,
        ArithmeticOperator::Div | ArithmeticOperator::Mod if right == 0 => return Err(Fault("division by zero")),
        ArithmeticOperator::Div => left / right,
        ArithmeticOperator::Mod => left % right,
        ArithmeticOperator::DivBy => panic!("divby is bound to doubles"),
    };
    integer(value, to)
}

fn decimals(op: ArithmeticOperator, left: (i128, u32), right: (i128, u32), precision: u8, scale: i8) -> Outcome {
    let common = left.1.max(right.1);
    let (a, b) = (raised(left.0, common - left.1)?, raised(right.0, common - right.1)?);
    let to = u32::try_from(scale).unwrap();
    match op {
        ArithmeticOperator::Add => decimal(a.checked_add(b).ok_or(BEYOND)?, common, precision, scale),
        ArithmeticOperator::Sub => decimal(a.checked_sub(b).ok_or(BEYOND)?, common, precision, scale),
        ArithmeticOperator::Mul => decimal(left.0.checked_mul(right.0).ok_or(BEYOND)?, left.1 + right.1, precision, scale),
        ArithmeticOperator::Div | ArithmeticOperator::Mod if b == 0 => Err(Fault("division by zero")),
        ArithmeticOperator::Div => decimal(raised(a, to)? / b, to, precision, scale),
        ArithmeticOperator::Mod => decimal(a % b, common, precision, scale),
        ArithmeticOperator::DivBy => panic!("divby is bound to doubles"),
    }
}

fn negate(value: &Value) -> Outcome {
    match value {
        Value::Null(scalar_type) => Ok(Value::Null(*scalar_type)),
        Value::Float32(value) => Ok(Value::Float32(Float(-value.0))),
        Value::Float64(value) => Ok(Value::float64(-value.0)),
        Value::Decimal { precision, scale, .. } => decimal(-exact(value)?.0, u32::try_from(*scale).unwrap(), *precision, *scale),
        other => integer(-exact(other)?.0, other.scalar_type()),
    }
}

/// Promotions that the binder inserts: they lose nothing but what a float cannot hold.
fn promote(value: &Value, to: ScalarType) -> Outcome {
    Ok(match (value, to) {
        (Value::Null(_), to) => Value::Null(to),
        (Value::Float32(value), ScalarType::Float64) => Value::Float64(*value),
        (Value::Timestamp(micros), ScalarType::TimestampTz) => Value::TimestampTz(*micros),
        (value, ScalarType::Float64) => Value::float64(decimal_text(value)?.parse().unwrap()),
        (value, ScalarType::Float32) => Value::Float32(Float(f64::from(decimal_text(value)?.parse::<f32>().unwrap()))),
        (value, ScalarType::Decimal { precision, scale }) => {
            let (digits, from) = exact(value)?;
            return decimal(digits, from, precision, scale);
        }
        (value, to) => return integer(exact(value)?.0, to),
    })
}

/// Scientific notation, which the standard library rounds correctly.
fn decimal_text(value: &Value) -> Result<String, Fault> {
    let (digits, scale) = exact(value)?;
    Ok(format!("{digits}e-{scale}"))
}

fn call(function: ODataFunction, arguments: &[Value], to: ScalarType, now: i64) -> Outcome {
    let text = |index: usize| match &arguments[index] {
        Value::Text(text) => text.as_str(),
        other => panic!("{other:?} is no text"),
    };
    let whole = |number: usize| Value::Int32(i32::try_from(number).unwrap());
    let letters = |map: fn(char) -> Vec<char>| {
        // One code point becomes one; what has no such mapping stays.
        text(0).chars().map(|letter| if let [single] = map(letter)[..] { single } else { letter }).collect::<String>()
    };
    Ok(match function {
        ODataFunction::Contains => Value::Boolean(text(0).contains(text(1))),
        ODataFunction::StartsWith => Value::Boolean(text(0).starts_with(text(1))),
        ODataFunction::EndsWith => Value::Boolean(text(0).ends_with(text(1))),
        ODataFunction::Length => whole(text(0).chars().count()),
        ODataFunction::IndexOf => text(0).find(text(1)).map_or(Value::Int32(-1), |at| whole(text(0)[..at].chars().count())),
        ODataFunction::Substring => substring(text(0), &arguments[1..])?,
        ODataFunction::ToLower => Value::text(letters(|letter| letter.to_lowercase().collect())),
        ODataFunction::ToUpper => Value::text(letters(|letter| letter.to_uppercase().collect())),
        ODataFunction::Trim => Value::text(text(0).trim_matches(char::is_whitespace)),
        ODataFunction::Concat => Value::text(format!("{}{}", text(0), text(1))),
        ODataFunction::Year => Value::Int32(i32::try_from(civil(day(&arguments[0])).0).unwrap()),
        ODataFunction::Month => Value::Int32(civil(day(&arguments[0])).1),
        ODataFunction::Day => Value::Int32(civil(day(&arguments[0])).2),
        ODataFunction::Hour => Value::Int32(i32::try_from(clock(&arguments[0]) / 3_600_000_000).unwrap()),
        ODataFunction::Minute => Value::Int32(i32::try_from(clock(&arguments[0]) / 60_000_000 % 60).unwrap()),
        ODataFunction::Second => Value::Int32(i32::try_from(clock(&arguments[0]) / 1_000_000 % 60).unwrap()),
        ODataFunction::FractionalSeconds => {
            Value::Decimal { unscaled: i128::from(clock(&arguments[0]) % 1_000_000).into(), precision: 7, scale: 6 }
        }
        ODataFunction::Date => Value::Date(i32::try_from(day(&arguments[0])).unwrap()),
        ODataFunction::Time => Value::Time(clock(&arguments[0])),
        ODataFunction::Now => Value::TimestampTz(now),
        ODataFunction::Round | ODataFunction::Floor | ODataFunction::Ceiling => return to_whole(function, &arguments[0], to),
        ODataFunction::MatchesPattern => Value::Boolean(matches(text(0), text(1))),
        ODataFunction::TotalOffsetMinutes => Value::Int32(0),
        ODataFunction::TotalSeconds => Value::Decimal { unscaled: exact(&arguments[0])?.0.into(), precision: 19, scale: 6 },
        ODataFunction::HasFlags => Value::Boolean(exact(&arguments[0])?.0 & exact(&arguments[1])?.0 == exact(&arguments[1])?.0),
        ODataFunction::ShiftInstant => {
            let micros = clock_and_day(&arguments[0]) + exact(&arguments[1])?.0;
            let micros = i64::try_from(micros).map_err(|_| Fault("an instant out of range"))?;
            if to == ScalarType::Timestamp { Value::Timestamp(micros) } else { Value::TimestampTz(micros) }
        }
        ODataFunction::ShiftDate => {
            let micros = i128::from(day(&arguments[0])) * i128::from(DAY) + exact(&arguments[1])?.0;
            Value::Date(i32::try_from(micros.div_euclid(DAY.into())).map_err(|_| Fault("a date out of range"))?)
        }
        ODataFunction::Elapsed | ODataFunction::ElapsedDays => {
            return integer(clock_and_day(&arguments[0]) - clock_and_day(&arguments[1]), ScalarType::Int64);
        }
        ODataFunction::WholeNumber => match &arguments[0] {
            Value::Float64(number) if number.0.round().abs() < 9.2e18 => Value::Int64(number.0.round() as i64),
            _ => return Err(Fault("a duration out of range")),
        },
    })
}

/// Microseconds since the epoch; of a date, of its beginning.
fn clock_and_day(value: &Value) -> i128 {
    match value {
        Value::Date(days) => i128::from(*days) * i128::from(DAY),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => i128::from(*micros),
        other => panic!("{other:?} is no moment"),
    }
}

/// Only the patterns that the random expressions hold, as they are rewritten.
fn matches(text: &str, pattern: &str) -> bool {
    match pattern {
        "^a" => text.starts_with('a'),
        "b$" => text.ends_with('b'),
        "[0-9]" => text.contains(|letter: char| letter.is_ascii_digit()),
        "^[^A-Za-z0-9_]?$" => text.chars().count() < 2 && !text.contains(|letter: char| letter.is_ascii_alphanumeric() || letter == '_'),
        other => panic!("the reference does not know the pattern {other}"),
    }
}

/// The function `cast`, for the types that the random expressions cast between.
fn convert(value: &Value, from: &ValueType, to: &ValueType) -> Outcome {
    assert!(!matches!(from, ValueType::Enumeration(..)));
    let (ValueType::Scalar(to), Value::Null(_)) = (to, value) else {
        return Ok(converted(value, to.scalar())?.unwrap_or(Value::Null(to.scalar())));
    };
    Ok(Value::Null(*to))
}

fn converted(value: &Value, to: ScalarType) -> Result<Option<Value>, Fault> {
    let float = match value {
        Value::Float32(number) | Value::Float64(number) => Some(number.0),
        _ => None,
    };
    Ok(match (value, to) {
        (Value::Text(text), ScalarType::Int32) => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if plain { text.parse().ok().map(Value::Int32) } else { None }
        }
        (Value::Boolean(value), ScalarType::Text) => Some(Value::text(value.to_string())),
        (Value::Int16(_) | Value::Int32(_) | Value::Int64(_), ScalarType::Text) => Some(Value::text(exact(value)?.0.to_string())),
        (Value::Guid(text), ScalarType::Text) => Some(Value::text(text)),
        (Value::Date(days), ScalarType::Text) => {
            let (year, month, day) = civil((*days).into());
            Some(Value::text(format!("{year:04}-{month:02}-{day:02}")))
        }
        (Value::Timestamp(_) | Value::TimestampTz(_), ScalarType::Date) => Some(Value::Date(i32::try_from(day(value)).unwrap())),
        (Value::Date(_), ScalarType::TimestampTz) => Some(Value::TimestampTz(i64::try_from(clock_and_day(value)).unwrap())),
        (_, ScalarType::Float64) => match float {
            Some(number) => Some(Value::float64(number)),
            None => Some(promote(value, to)?),
        },
        (_, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64) => match float {
            Some(number) if number.is_finite() && number.abs() < 1.0e30 => integer(number.round() as i128, to).ok(),
            Some(_) => None,
            None => {
                let (digits, scale) = exact(value)?;
                let divisor = 10_i128.pow(scale);
                let away = if (digits % divisor).abs() * 2 >= divisor { digits.signum() } else { 0 };
                integer(digits / divisor + away, to).ok()
            }
        },
        _ => return Err(BEYOND),
    })
}

/// From the zero-based start on, at most as long as asked; a negative start counts from the end.
fn substring(text: &str, numbers: &[Value]) -> Outcome {
    let number = |value: &Value| i64::try_from(exact(value).expect("an integer").0).unwrap();
    let length = i64::try_from(text.chars().count()).unwrap();
    let start = match number(&numbers[0]) {
        negative if negative < 0 => (length + negative).max(0),
        start => start.min(length),
    };
    let most = match numbers.get(1).map(number) {
        Some(negative) if negative < 0 => return Err(Fault("substring with a negative length")),
        Some(most) => usize::try_from(most).unwrap(),
        None => usize::MAX,
    };
    Ok(Value::text(text.chars().skip(usize::try_from(start).unwrap()).take(most).collect::<String>()))
}

fn to_whole(function: ODataFunction, value: &Value, to: ScalarType) -> Outcome {
    let float = |number: f64| match function {
        ODataFunction::Floor => number.floor(),
        ODataFunction::Ceiling => number.ceil(),
        // The midpoint goes away from zero.
        _ => number.round(),
    };
    match value {
        Value::Float64(value) => Ok(Value::float64(float(value.0))),
        Value::Float32(value) => Ok(Value::Float32(Float(float(value.0)))),
        value => {
            let ScalarType::Decimal { precision, scale } = to else { panic!("{to} is no decimal") };
            let (digits, own) = exact(value)?;
            let divisor = 10_i128.checked_pow(own).ok_or(BEYOND)?;
            let whole = match function {
                ODataFunction::Floor => digits.div_euclid(divisor),
                ODataFunction::Ceiling => -(-digits).div_euclid(divisor),
                _ => digits.signum() * ((digits.abs().checked_mul(2).ok_or(BEYOND)? + divisor) / (divisor * 2)),
            };
            decimal(whole, 0, precision, scale)
        }
    }
}

const DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01.
fn day(value: &Value) -> i64 {
    match value {
        Value::Date(days) => i64::from(*days),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => micros.div_euclid(DAY),
        other => panic!("{other:?} has no day"),
    }
}

/// Microseconds since midnight.
fn clock(value: &Value) -> i64 {
    match value {
        Value::Time(micros) | Value::Timestamp(micros) | Value::TimestampTz(micros) => micros.rem_euclid(DAY),
        other => panic!("{other:?} has no time of day"),
    }
}

/// Year, month and day, by counting: slow, and plainly right.
fn civil(days: i64) -> (i64, i32, i32) {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    // 146,097 days are 400 years.
    let (mut year, mut rest) = (1970 + 400 * days.div_euclid(146_097), days.rem_euclid(146_097));
    while rest >= if leap(year) { 366 } else { 365 } {
        rest -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    (year, i32::try_from(month).unwrap() + 1, i32::try_from(rest).unwrap() + 1)
}
