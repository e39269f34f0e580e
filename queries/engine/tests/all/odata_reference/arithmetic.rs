//! Numbers as the specification computes with them: promotion, exact decimals, what fails. It must not know expressions.

use super::*;

/// An integer or decimal as digits and scale.
pub(super) fn exact(value: &Value) -> Result<(i128, u32), Fault> {
    Ok(match value {
        Value::Int16(value) => (i128::from(*value), 0),
        Value::Int32(value) => (i128::from(*value), 0),
        Value::Int64(value) => (i128::from(*value), 0),
        Value::Decimal { unscaled, scale, .. } => (unscaled.to_i128().ok_or(BEYOND)?, u32::try_from(*scale).unwrap()),
        other => panic!("{other:?} is no exact number"),
    })
}

pub(super) fn raised(digits: i128, by: u32) -> Result<i128, Fault> {
    if digits == 0 {
        return Ok(0);
    }
    10_i128.checked_pow(by).and_then(|factor| digits.checked_mul(factor)).ok_or(BEYOND)
}

pub(super) fn integer(value: i128, scalar_type: ScalarType) -> Outcome {
    let overflow = |_| Fault("integer overflow");
    match scalar_type {
        ScalarType::Int16 => i16::try_from(value).map(Value::Int16).map_err(overflow),
        ScalarType::Int32 => i32::try_from(value).map(Value::Int32).map_err(overflow),
        ScalarType::Int64 => i64::try_from(value).map(Value::Int64).map_err(overflow),
        other => panic!("{other} is no integer"),
    }
}

pub(super) fn decimal(digits: i128, from: u32, precision: u8, scale: i8) -> Outcome {
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

pub(super) fn arithmetic(op: ArithmeticOperator, left: &Value, right: &Value, to: ScalarType) -> Outcome {
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

pub(super) fn floats(op: ArithmeticOperator, left: f64, right: f64, rounded: fn(f64) -> f64) -> Result<f64, Fault> {
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

pub(super) fn integers(op: ArithmeticOperator, left: i128, right: i128, to: ScalarType) -> Outcome {
    let value = match op {
        ArithmeticOperator::Add => left + right,
        ArithmeticOperator::Sub => left - right,
        ArithmeticOperator::Mul => left * right,
        ArithmeticOperator::Div | ArithmeticOperator::Mod if right == 0 => return Err(Fault("division by zero")),
        ArithmeticOperator::Div => left / right,
        ArithmeticOperator::Mod => left % right,
        ArithmeticOperator::DivBy => panic!("an exact divby is bound to a division of decimals, any other to doubles"),
    };
    integer(value, to)
}

pub(super) fn decimals(op: ArithmeticOperator, left: (i128, u32), right: (i128, u32), precision: u8, scale: i8) -> Outcome {
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
        ArithmeticOperator::DivBy => panic!("an exact divby is bound to a division of decimals, any other to doubles"),
    }
}

pub(super) fn negate(value: &Value) -> Outcome {
    match value {
        Value::Null(scalar_type) => Ok(Value::Null(*scalar_type)),
        Value::Float32(value) => Ok(Value::Float32(Float(-value.0))),
        Value::Float64(value) => Ok(Value::float64(-value.0)),
        Value::Decimal { precision, scale, .. } => decimal(-exact(value)?.0, u32::try_from(*scale).unwrap(), *precision, *scale),
        other => integer(-exact(other)?.0, other.scalar_type()),
    }
}

/// Promotions that the binder inserts: they lose nothing but what a float cannot hold.
pub(super) fn promote(value: &Value, to: ScalarType) -> Outcome {
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
pub(super) fn decimal_text(value: &Value) -> Result<String, Fault> {
    let (digits, scale) = exact(value)?;
    Ok(format!("{digits}e-{scale}"))
}
