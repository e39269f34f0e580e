//! Integers, floats and decimals.

use super::{decimal, literal, null, value_of};
use crate::evaluate::{EvaluateError, compare_values};
use crate::expr::{ArithmeticOp, Expr};
use crate::types::ScalarType;
use crate::value::Value;
use arrow::datatypes::i256;
use std::cmp::Ordering;

fn compute(op: ArithmeticOp, left: Value, right: Value) -> Result<Value, EvaluateError> {
    value_of(&Expr::Arithmetic { op, left: Box::new(literal(left)), right: Box::new(literal(right)) })
}

fn fails(result: Result<Value, EvaluateError>) -> bool {
    matches!(result, Err(EvaluateError::Data(_)))
}

#[test]
fn integers() {
    use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
    let int = Value::Int64;
    assert_eq!(compute(Divide, int(-7), int(2)), Ok(int(-3)));
    assert_eq!(compute(Modulo, int(-7), int(2)), Ok(int(-1)));
    assert_eq!(compute(Modulo, int(7), int(-2)), Ok(int(1)));
    assert_eq!(compute(Modulo, int(i64::MIN), int(-1)), Ok(int(0)));
    assert!(fails(compute(Divide, int(i64::MIN), int(-1))));
    assert!(fails(compute(Add, int(i64::MAX), int(1))));
    assert!(fails(compute(Subtract, int(i64::MIN), int(1))));
    assert!(fails(compute(Multiply, int(i64::MAX), int(2))));
    assert!(fails(compute(Divide, int(1), int(0))));
    assert!(fails(compute(Modulo, int(1), int(0))));
    assert!(fails(compute(Add, Value::Int16(i16::MAX), Value::Int16(1))));
    assert!(fails(value_of(&Expr::Negate(Box::new(literal(Value::Int32(i32::MIN)))))));
    assert!(matches!(compute(Add, Value::Int32(1), Value::Int64(1)), Err(EvaluateError::Invalid(_))));
    let with_null = Expr::Arithmetic { op: Divide, left: Box::new(null(ScalarType::Int64)), right: Box::new(literal(int(0))) };
    assert_eq!(value_of(&with_null), Ok(Value::Null(ScalarType::Int64)));
}

#[test]
fn floats_follow_ieee() {
    let float = Value::float64;
    assert_eq!(compute(ArithmeticOp::Divide, float(1.0), float(0.0)), Ok(float(f64::INFINITY)));
    assert_eq!(compute(ArithmeticOp::Modulo, float(-7.5), float(2.0)), Ok(float(-1.5)));
    let Ok(Value::Float64(nan)) = compute(ArithmeticOp::Divide, float(0.0), float(0.0)) else { panic!() };
    assert!(nan.0.is_nan());
}

#[test]
fn decimals_have_the_stated_type() {
    use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
    // 12.50 and 0.4: (4,2) and (2,1).
    let (left, right) = (decimal(1250, 4, 2), decimal(4, 2, 1));
    assert_eq!(compute(Add, left.clone(), right.clone()), Ok(decimal(1290, 5, 2)));
    assert_eq!(compute(Subtract, left.clone(), right.clone()), Ok(decimal(1210, 5, 2)));
    assert_eq!(compute(Multiply, left.clone(), right.clone()), Ok(decimal(5000, 7, 3)));
    assert_eq!(compute(Divide, left.clone(), right.clone()), Ok(decimal(31_250_000, 9, 6)));
    assert_eq!(compute(Modulo, left, right), Ok(decimal(10, 3, 2)));
    // Quotients are rounded half away from zero, here at scale 4: 2/3, 1/3, and the half 1/32.
    for (dividend, divisor, quotient) in [(-2, 3, -6667), (1, 3, 3333), (1, 32, 313), (-1, 32, -313), (1, -32, -313), (-1, -32, 313)] {
        assert_eq!(compute(Divide, decimal(dividend, 1, 0), decimal(divisor, 2, 0)), Ok(decimal(quotient, 5, 4)));
    }
    assert!(fails(compute(Divide, decimal(1, 1, 0), decimal(0, 1, 0))));
    assert!(fails(compute(Modulo, decimal(1, 1, 0), decimal(0, 1, 0))));
}

#[test]
fn decimal_overflow_is_an_error() {
    let nines = i256::from_string(&"9".repeat(38)).unwrap();
    let most = Value::Decimal { unscaled: nines, precision: 38, scale: 0 };
    assert!(fails(compute(ArithmeticOp::Add, most.clone(), most.clone())));
    assert!(fails(compute(ArithmeticOp::Multiply, most.clone(), most.clone())));
    assert_eq!(compute(ArithmeticOp::Subtract, most.clone(), most), Ok(decimal(0, 38, 0)));
    let wide = Value::Decimal { unscaled: i256::from_string(&"9".repeat(76)).unwrap(), precision: 76, scale: 0 };
    assert!(fails(compute(ArithmeticOp::Multiply, wide.clone(), wide)));
}

#[test]
fn decimals_compare_across_scales() {
    let compare = |left: &Value, right: &Value| compare_values(left, right).unwrap().unwrap();
    assert_eq!(compare(&decimal(150, 3, 2), &decimal(15, 2, 1)), Ordering::Equal);
    assert_eq!(compare(&decimal(-151, 3, 2), &decimal(-15, 2, 1)), Ordering::Less);
    assert_eq!(compare(&decimal(1, 1, 0), &decimal(999, 3, 3)), Ordering::Greater);
    let huge = Value::Decimal { unscaled: i256::from_string(&"9".repeat(76)).unwrap(), precision: 76, scale: 0 };
    let tiny = Value::Decimal { unscaled: i256::ONE, precision: 76, scale: 76 };
    assert_eq!(compare(&huge, &tiny), Ordering::Greater);
    assert_eq!(compare(&tiny, &huge), Ordering::Less);
}
