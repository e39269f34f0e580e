//! Exact decimal arithmetic in PostgreSQL's words: its `numeric` keeps every digit of sums and products, and rounds a quotient where it
//! sees fit, so quotients are computed as whole numbers. It must not know expressions.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::expr::{arithmetic_symbol, unsupported};
use portico_provider_api::{ArithmeticOp, Expr, ScalarType, TableColumn, Unsupported};

/// `1` with so many zeros.
fn power_of_ten(exponent: u8) -> String {
    format!("1{}", "0".repeat(usize::from(exponent)))
}

/// The digits that a result can need, where its type may keep fewer.
fn natural_precision(op: ArithmeticOp, left: (u8, i8), right: (u8, i8), scale: i8) -> i16 {
    let ((p1, s1), (p2, s2)) = (left, right);
    let (left_whole, right_whole) = (i16::from(p1) - i16::from(s1), i16::from(p2) - i16::from(s2));
    match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => left_whole.max(right_whole) + i16::from(s1.max(s2)) + 1,
        ArithmeticOp::Multiply => i16::from(p1) + i16::from(p2),
        ArithmeticOp::Divide => left_whole + i16::from(s2) + i16::from(scale),
        ArithmeticOp::Modulo => left_whole.min(right_whole) + i16::from(s1.max(s2)),
    }
}

/// `left op right`, as the IR types and rounds it. A zero divisor is PostgreSQL's own error.
pub(crate) fn arithmetic(op: ArithmeticOp, left: (&str, ScalarType), right: (&str, ScalarType)) -> Result<String, Unsupported> {
    let ((left, left_type), (right, right_type)) = (left, right);
    let operand = |index: usize| Box::new(Expr::Column(index));
    let columns = [TableColumn::computed("left", left_type, true), TableColumn::computed("right", right_type, true)];
    let result = Expr::Arithmetic { op, left: operand(0), right: operand(1) }.scalar_type(&columns);
    let (
        ScalarType::Decimal { precision: p1, scale: s1 },
        ScalarType::Decimal { precision: p2, scale: s2 },
        Some(ScalarType::Decimal { precision, scale }),
    ) = (left_type, right_type, result)
    else {
        return Err(unsupported(format!("'{}' of {left_type} and {right_type}", arithmetic_symbol(op))));
    };
    let exact = match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Multiply | ArithmeticOp::Modulo => {
            format!("({left} {} {right})", arithmetic_symbol(op))
        }
        ArithmeticOp::Divide => quotient(left, right, scale),
    };
    let fits = natural_precision(op, (p1, s1), (p2, s2), scale) <= i16::from(precision)
        && (op != ArithmeticOp::Multiply || i16::from(s1) + i16::from(s2) == i16::from(scale));
    // The conversion fails when the value needs more digits than the type has.
    Ok(if fits { exact } else { format!("{exact}::numeric({precision},{scale})") })
}

/// `left / right` with `scale` digits, rounded half away from zero. PostgreSQL's own quotient is rounded somewhere behind the point, and
/// rounding that again could go wrong; one digit more of the cut-off quotient decides rightly.
fn quotient(left: &str, right: &str, scale: i8) -> String {
    let scale = scale.max(0).unsigned_abs();
    format!("round(div({left} * {}, {right}) * 0.{}1, {scale})", power_of_ten(scale + 1), "0".repeat(usize::from(scale)))
}

/// `sum / count` of a `decimal(digits,…)` as the type that the IR gives it. Null when the sum is.
pub(crate) fn average(sum: &str, count: &str, digits: u8, (precision, scale): (u8, i8)) -> String {
    let exact = quotient(sum, count, scale);
    // No average is farther from zero than the values, so only a type that lost digits before the point can be too small.
    if digits.saturating_add(4) <= precision { exact } else { format!("{exact}::numeric({precision},{scale})") }
}
