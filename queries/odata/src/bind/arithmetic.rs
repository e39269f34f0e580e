//! The types in which numbers meet in arithmetic, and the type of what comes out. It must not know how operands are written.
#![deny(clippy::wildcard_enum_match_arm)]

use super::promote::{self, Operand, coerce, common};
use crate::bound::{ArithmeticOperator, BoundExpr};
use portico_provider_api::{ArithmeticOp, Expr as IrExpr, ScalarType, TableColumn, Value};

/// Operands of arithmetic and the type of its result. Decimals keep their own precisions and scales, as the IR has it.
pub(super) fn operands(op: ArithmeticOperator, left: Operand, right: Operand) -> Result<(BoundExpr, BoundExpr, ScalarType), String> {
    let ir = match op {
        ArithmeticOperator::DivBy => return division(left, right),
        ArithmeticOperator::Add => ArithmeticOp::Add,
        ArithmeticOperator::Sub => ArithmeticOp::Subtract,
        ArithmeticOperator::Mul => ArithmeticOp::Multiply,
        ArithmeticOperator::Div => ArithmeticOp::Divide,
        ArithmeticOperator::Mod => ArithmeticOp::Modulo,
    };
    let fallback = right.scalar_type().or(left.scalar_type()).unwrap_or(ScalarType::Int32);
    let (l, r) = (left.scalar_type().unwrap_or(fallback), right.scalar_type().unwrap_or(fallback));
    // Two small integers would overflow soon; the specification allows to compute in a wider type.
    let meeting = match common(l, r) {
        Some(ScalarType::Int16) => ScalarType::Int32,
        Some(meeting) => meeting,
        None => ScalarType::Float64,
    };
    if !matches!(meeting, ScalarType::Decimal { .. }) {
        return Ok((coerce(left, meeting)?, coerce(right, meeting)?, meeting));
    }
    let own = |scalar_type: ScalarType| match promote::decimal_extent(scalar_type) {
        Some((precision, scale)) => ScalarType::Decimal { precision: precision as u8, scale: scale as i8 },
        None => meeting,
    };
    let (l, r) = (own(l), own(r));
    let columns = [TableColumn::computed("left", l, true), TableColumn::computed("right", r, true)];
    let sample = IrExpr::Arithmetic { op: ir, left: Box::new(IrExpr::Column(0)), right: Box::new(IrExpr::Column(1)) };
    let result = sample.scalar_type(&columns).ok_or_else(|| "the operands do not go together".to_owned())?;
    Ok((coerce(left, l)?, coerce(right, r)?, result))
}

/// Operands of `divby`, which never truncates. By a constant other than zero it is exact, with more digits after the point than the
/// operands have; otherwise it is a division of doubles, because only they have the infinities that a division by zero yields.
fn division(left: Operand, right: Operand) -> Result<(BoundExpr, BoundExpr, ScalarType), String> {
    let divisor = &right.expr;
    let not_zero = matches!(divisor, BoundExpr::Literal(Value::Int32(value)) if *value != 0)
        || matches!(divisor, BoundExpr::Literal(Value::Int64(value)) if *value != 0)
        || matches!(divisor, BoundExpr::Literal(Value::Decimal { unscaled, .. }) if unscaled.to_i128() != Some(0));
    let extents = (left.scalar_type().and_then(promote::decimal_extent), right.scalar_type().and_then(promote::decimal_extent));
    let (Some((p1, s1)), Some((p2, s2)), true) = (extents.0, extents.1, not_zero) else {
        let to = ScalarType::Float64;
        return Ok((coerce(left, to)?, coerce(right, to)?, to));
    };
    // The result has the left scale and four digits more, and all of it 38 digits at most.
    let extra = (34 - p1 - s2).clamp(0, 12);
    let decimal = |precision: i16, scale: i16| ScalarType::Decimal { precision: precision as u8, scale: scale as i8 };
    let (l, r) = (decimal(p1 + extra, s1 + extra), decimal(p2, s2));
    let columns = [TableColumn::computed("left", l, true), TableColumn::computed("right", r, true)];
    let sample = IrExpr::Arithmetic { op: ArithmeticOp::Divide, left: Box::new(IrExpr::Column(0)), right: Box::new(IrExpr::Column(1)) };
    let result = sample.scalar_type(&columns).ok_or_else(|| "the operands do not go together".to_owned())?;
    Ok((coerce(left, l)?, coerce(right, r)?, result))
}
