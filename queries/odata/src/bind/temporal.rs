//! Arithmetic of instants, dates and durations (URL Conventions, sections 5.1.1.2.1 to 5.1.1.2.5). It must not know names.
#![deny(clippy::wildcard_enum_match_arm)]

use super::promote::{Operand, coerce, unify};
use crate::bound::{ArithmeticOperator, BoundExpr, ODataFunction};
use crate::syntax::BinaryOperator;
use crate::value_type::ValueType;
use portico_provider_api::{ScalarType, Value};

/// Whether one of the operands is a duration, a date or an instant.
pub(super) fn concerns(left: &Operand, right: &Operand) -> bool {
    [left, right].into_iter().any(|operand| {
        let scalar = matches!(operand.scalar_type(), Some(ScalarType::Date | ScalarType::Timestamp | ScalarType::TimestampTz));
        scalar || operand.value_type == Some(ValueType::Duration)
    })
}

/// Binds it; `Err` says why the operands do not go together.
pub(super) fn arithmetic(op: ArithmeticOperator, written: BinaryOperator, left: Operand, right: Operand) -> Result<Operand, String> {
    use ArithmeticOperator::{Add, Div, DivBy, Mod, Mul, Sub};
    let text = format!("(… {written} …)");
    let mismatch = format!("'{written}' does not apply to {} and {}", left.description(), right.description());
    let is_duration = |operand: &Operand| operand.value_type == Some(ValueType::Duration);
    let moment = |operand: &Operand| {
        operand.scalar_type().filter(|t| matches!(t, ScalarType::Date | ScalarType::Timestamp | ScalarType::TimestampTz))
    };
    // A quoted text may be a duration or an instant; a number may not.
    let quoted = |operand: &Operand| operand.scalar_type() == Some(ScalarType::Text) && operand.literal.is_some();
    match (moment(&left), op) {
        (Some(of), Add | Sub) if is_duration(&right) || right.value_type.is_none() || (op == Add && quoted(&right)) => {
            shift(op, left, right, of, text).map_err(|why| format!("{mismatch}: {why}"))
        }
        (Some(_), Sub) if moment(&right).is_some() || quoted(&right) => {
            let duration = quoted(&right).then(|| coerce(right.clone(), ValueType::Duration).is_ok());
            match (duration, moment(&left)) {
                (Some(true), Some(of)) => shift(op, left, right, of, text),
                _ => elapsed(left, right, text),
            }
            .map_err(|why| format!("{mismatch}: {why}"))
        }
        (None, Sub) if moment(&right).is_some() && (quoted(&left) || left.value_type.is_none()) => {
            elapsed(left, right, text).map_err(|why| format!("{mismatch}: {why}"))
        }
        (None, Add | Sub) if is_duration(&left) || is_duration(&right) => {
            let (l, r, value_type) = unify(left, right).map_err(|_| mismatch.clone())?;
            if value_type != ValueType::Duration {
                return Err(mismatch);
            }
            let expr = BoundExpr::Arithmetic { op, left: Box::new(l), right: Box::new(r), scalar_type: ScalarType::Int64 };
            Ok(Operand::typed(expr, ValueType::Duration, text))
        }
        (None, Mul) if is_duration(&left) => scaled(op, left, right, text, mismatch),
        (None, Mul) if is_duration(&right) => scaled(op, right, left, text, mismatch),
        (None, Div | DivBy) if is_duration(&left) => scaled(op, left, right, text, mismatch),
        (Some(_), Add | Sub) | (Some(_) | None, Mul | Div | DivBy | Mod) | (None, Add | Sub) => Err(mismatch),
    }
}

/// A moment and a duration.
fn shift(op: ArithmeticOperator, left: Operand, right: Operand, of: ScalarType, text: String) -> Result<Operand, String> {
    let left = coerce(left, of)?;
    let by = coerce(right, ValueType::Duration)?;
    let by = match (op, by) {
        (ArithmeticOperator::Sub, BoundExpr::Literal(Value::Int64(micros))) => {
            BoundExpr::Literal(Value::Int64(micros.checked_neg().ok_or("the duration is out of range")?))
        }
        (ArithmeticOperator::Sub, by) => BoundExpr::Negate(Box::new(by)),
        (
            ArithmeticOperator::Add
            | ArithmeticOperator::Mul
            | ArithmeticOperator::Div
            | ArithmeticOperator::DivBy
            | ArithmeticOperator::Mod,
            by,
        ) => by,
    };
    let function = if of == ScalarType::Date { ODataFunction::ShiftDate } else { ODataFunction::ShiftInstant };
    Ok(Operand::typed(BoundExpr::Call { function, arguments: vec![left, by], scalar_type: of }, of, text))
}

/// Two moments.
fn elapsed(left: Operand, right: Operand, text: String) -> Result<Operand, String> {
    let (l, r, value_type) = unify(left, right)?;
    let function = if value_type.scalar() == ScalarType::Date { ODataFunction::ElapsedDays } else { ODataFunction::Elapsed };
    let expr = BoundExpr::Call { function, arguments: vec![l, r], scalar_type: ScalarType::Int64 };
    Ok(Operand::typed(expr, ValueType::Duration, text))
}

/// A duration and a number: exact for integers where it can be, in doubles otherwise.
fn scaled(op: ArithmeticOperator, duration: Operand, factor: Operand, text: String, mismatch: String) -> Result<Operand, String> {
    let integer = match factor.scalar_type() {
        Some(ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64) => true,
        Some(scalar_type) if scalar_type.is_numeric() => false,
        None if factor.value_type.is_none() => true,
        Some(_) | None => return Err(mismatch),
    };
    if integer && op != ArithmeticOperator::DivBy {
        let (left, right) = (Box::new(duration.expr), Box::new(coerce(factor, ScalarType::Int64)?));
        let expr = BoundExpr::Arithmetic { op, left, right, scalar_type: ScalarType::Int64 };
        return Ok(Operand::typed(expr, ValueType::Duration, text));
    }
    let double = |expr: BoundExpr| BoundExpr::Cast { expr: Box::new(expr), to: ScalarType::Float64 };
    let (left, right) = (Box::new(double(duration.expr)), Box::new(coerce(factor, ScalarType::Float64)?));
    let product = BoundExpr::Arithmetic { op, left, right, scalar_type: ScalarType::Float64 };
    let expr = BoundExpr::Call { function: ODataFunction::WholeNumber, arguments: vec![product], scalar_type: ScalarType::Int64 };
    Ok(Operand::typed(expr, ValueType::Duration, text))
}
