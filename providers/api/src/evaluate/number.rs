//! Arithmetic and rounding of numbers.

use super::EvaluateError;
use super::decimal::{self, Operand, Rounding};
use super::division_by_zero;
use crate::expr::{ArithmeticOp, Function};
use crate::types::ScalarType;
use crate::typing::arithmetic_type;
use crate::value::{Float, Value};

fn overflow(scalar_type: ScalarType) -> EvaluateError {
    EvaluateError::Data(format!("{scalar_type} overflow"))
}

/// `left op right`; null when either is.
pub(super) fn arithmetic(op: ArithmeticOp, left: &Value, right: &Value) -> Result<Value, EvaluateError> {
    let (left_type, right_type) = (left.scalar_type(), right.scalar_type());
    let result = arithmetic_type(op, left_type, right_type)
        .ok_or_else(|| EvaluateError::Invalid(format!("arithmetic on {left_type} and {right_type}")))?;
    macro_rules! integer {
        ($variant:ident, $left:expr, $right:expr) => {
            match op {
                ArithmeticOp::Add => $left.checked_add($right),
                ArithmeticOp::Subtract => $left.checked_sub($right),
                ArithmeticOp::Multiply => $left.checked_mul($right),
                ArithmeticOp::Divide | ArithmeticOp::Modulo if $right == 0 => return Err(division_by_zero()),
                ArithmeticOp::Divide => $left.checked_div($right),
                // The least number modulo -1 is 0, although the quotient would overflow.
                ArithmeticOp::Modulo => Some($left.wrapping_rem($right)),
            }
            .map(Value::$variant)
            .ok_or_else(|| overflow(result))
        };
    }
    match (left, right) {
        (Value::Null(_), _) | (_, Value::Null(_)) => Ok(Value::Null(result)),
        (Value::Int16(left), Value::Int16(right)) => integer!(Int16, left, *right),
        (Value::Int32(left), Value::Int32(right)) => integer!(Int32, left, *right),
        (Value::Int64(left), Value::Int64(right)) => integer!(Int64, left, *right),
        (Value::Float64(left), Value::Float64(right)) => Ok(Value::float64(float(op, left.0, right.0))),
        // Singles are computed as singles: a double's result, rounded, could differ for the remainder.
        (Value::Float32(left), Value::Float32(right)) => Ok(Value::Float32(Float(f64::from(single(op, left.0 as f32, right.0 as f32))))),
        (Value::Decimal { unscaled: l, scale: ls, .. }, Value::Decimal { unscaled: r, scale: rs, .. }) => {
            decimal::arithmetic(op, Operand { unscaled: *l, scale: *ls }, Operand { unscaled: *r, scale: *rs }, result)
        }
        _ => Err(EvaluateError::Invalid(format!("arithmetic on {left_type} and {right_type}"))),
    }
}

fn float(op: ArithmeticOp, left: f64, right: f64) -> f64 {
    match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Modulo => left % right,
    }
}

fn single(op: ArithmeticOp, left: f32, right: f32) -> f32 {
    match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Modulo => left % right,
    }
}

/// `-value`; null stays null, the least integer overflows.
pub(super) fn negate(value: &Value) -> Result<Value, EvaluateError> {
    let scalar_type = value.scalar_type();
    match value {
        Value::Null(scalar_type) if scalar_type.is_numeric() => Ok(Value::Null(*scalar_type)),
        Value::Int16(number) => number.checked_neg().map(Value::Int16).ok_or_else(|| overflow(scalar_type)),
        Value::Int32(number) => number.checked_neg().map(Value::Int32).ok_or_else(|| overflow(scalar_type)),
        Value::Int64(number) => number.checked_neg().map(Value::Int64).ok_or_else(|| overflow(scalar_type)),
        Value::Float32(number) => Ok(Value::Float32(Float(-number.0))),
        Value::Float64(number) => Ok(Value::Float64(Float(-number.0))),
        Value::Decimal { unscaled, precision, scale } => {
            Ok(Value::Decimal { unscaled: unscaled.wrapping_neg(), precision: *precision, scale: *scale })
        }
        _ => Err(EvaluateError::Invalid(format!("the negation of {scalar_type}"))),
    }
}

/// `abs(value)` of any number.
pub(super) fn abs(value: &Value) -> Result<Value, EvaluateError> {
    match value {
        Value::Int16(number) if *number >= 0 => Ok(value.clone()),
        Value::Int32(number) if *number >= 0 => Ok(value.clone()),
        Value::Int64(number) if *number >= 0 => Ok(value.clone()),
        Value::Float32(number) => Ok(Value::Float32(Float(number.0.abs()))),
        Value::Float64(number) => Ok(Value::Float64(Float(number.0.abs()))),
        Value::Decimal { unscaled, .. } if !unscaled.is_negative() => Ok(value.clone()),
        other => negate(other),
    }
}

/// `round`, `floor` and `ceiling` of a float or decimal, to a whole number of the same type.
pub(super) fn to_whole(function: Function, value: &Value) -> Result<Value, EvaluateError> {
    let (rounding, of_float): (Rounding, fn(f64) -> f64) = match function {
        Function::Floor => (Rounding::Floor, f64::floor),
        Function::Ceiling => (Rounding::Ceiling, f64::ceil),
        _ => (Rounding::HalfAwayFromZero, f64::round),
    };
    match value {
        Value::Float32(number) => Ok(Value::Float32(Float(of_float(number.0)))),
        Value::Float64(number) => Ok(Value::Float64(Float(of_float(number.0)))),
        Value::Decimal { unscaled, precision, scale } => {
            let whole = decimal::drop_digits(*unscaled, u32::from(scale.unsigned_abs()), rounding);
            let whole = whole.ok_or_else(|| overflow(value.scalar_type()))?;
            let unscaled = decimal::rescale_exactly(whole, 0, *precision, *scale)?;
            Ok(Value::Decimal { unscaled, precision: *precision, scale: *scale })
        }
        other => Err(EvaluateError::Invalid(format!("rounding of {}", other.scalar_type()))),
    }
}
