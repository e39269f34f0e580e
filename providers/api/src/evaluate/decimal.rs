//! Exact decimal arithmetic on unscaled 256-bit integers: rescaling, the five operators, rounding, comparison, text. What does
//! not fit the result's precision is an error, never cut off.

use super::EvaluateError;
use crate::expr::ArithmeticOp;
use crate::types::ScalarType;
use crate::value::Value;
use arrow::datatypes::i256;
use std::cmp::Ordering;

const TEN: i256 = i256::from_i128(10);

/// `10^exponent`, for exponents up to 76.
pub(crate) fn power_of_ten(exponent: u32) -> Option<i256> {
    if exponent > 76 { None } else { TEN.checked_pow(exponent) }
}

fn does_not_fit(precision: u8, scale: i8) -> EvaluateError {
    EvaluateError::Data(format!("a value does not fit decimal({precision},{scale})"))
}

/// The digits, when there are at most `precision` of them.
pub(crate) fn fitting(unscaled: i256, precision: u8, scale: i8) -> Result<i256, EvaluateError> {
    let bound = power_of_ten(u32::from(precision)).ok_or_else(|| does_not_fit(precision, scale))?;
    let negative_bound = bound.checked_neg().ok_or_else(|| does_not_fit(precision, scale))?;
    if unscaled < bound && unscaled > negative_bound { Ok(unscaled) } else { Err(does_not_fit(precision, scale)) }
}

/// What happens to digits that a smaller scale has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// They must be zero.
    Exact,
    /// Half away from zero.
    HalfAwayFromZero,
    /// Towards negative infinity.
    Floor,
    /// Towards positive infinity.
    Ceiling,
    /// Towards zero.
    Truncate,
}

/// `unscaled / 10^digits`, rounded.
pub(crate) fn drop_digits(unscaled: i256, digits: u32, rounding: Rounding) -> Option<i256> {
    let Some(divisor) = power_of_ten(digits) else {
        // More digits than any value has: nothing but the sign is left to round by.
        return match rounding {
            Rounding::Exact => (unscaled == i256::ZERO).then_some(i256::ZERO),
            Rounding::HalfAwayFromZero | Rounding::Truncate => Some(i256::ZERO),
            Rounding::Floor => Some(if unscaled.is_negative() { i256::MINUS_ONE } else { i256::ZERO }),
            Rounding::Ceiling => Some(if unscaled.is_positive() { i256::ONE } else { i256::ZERO }),
        };
    };
    let quotient = unscaled.checked_div(divisor)?;
    let remainder = unscaled.checked_rem(divisor)?;
    if remainder == i256::ZERO {
        return Some(quotient);
    }
    let away = if unscaled.is_negative() { i256::MINUS_ONE } else { i256::ONE };
    match rounding {
        Rounding::Exact => None,
        Rounding::Truncate => Some(quotient),
        Rounding::Floor if unscaled.is_negative() => quotient.checked_add(away),
        Rounding::Ceiling if unscaled.is_positive() => quotient.checked_add(away),
        Rounding::Floor | Rounding::Ceiling => Some(quotient),
        Rounding::HalfAwayFromZero => {
            // Compared by halves of the divisor, because twice the remainder may not fit 256 bits.
            let half = divisor.checked_div(i256::from_i128(2))?;
            if remainder.wrapping_abs() >= half { quotient.checked_add(away) } else { Some(quotient) }
        }
    }
}

/// The same number at another scale.
pub(crate) fn rescale(unscaled: i256, from: i8, precision: u8, to: i8, rounding: Rounding) -> Result<i256, EvaluateError> {
    let moved = i32::from(to) - i32::from(from);
    let digits = moved.unsigned_abs();
    let result = if unscaled == i256::ZERO {
        Some(i256::ZERO)
    } else if moved >= 0 {
        power_of_ten(digits).and_then(|factor| unscaled.checked_mul(factor))
    } else {
        drop_digits(unscaled, digits, rounding)
    };
    fitting(result.ok_or_else(|| does_not_fit(precision, to))?, precision, to)
}

/// The same number at another scale; an error when it would have to be rounded.
pub(crate) fn rescale_exactly(unscaled: i256, from: i8, precision: u8, to: i8) -> Result<i256, EvaluateError> {
    rescale(unscaled, from, precision, to, Rounding::Exact)
}

/// A decimal's digits and scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    pub(crate) unscaled: i256,
    pub(crate) scale: i8,
}

/// The quotient of two whole numbers, rounded half away from zero; nothing when the divisor is zero.
pub(crate) fn divide_rounded(dividend: i256, divisor: i256) -> Option<i256> {
    let (quotient, remainder) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    // Twice the remainder may not fit 256 bits, but what is left of the divisor does.
    let left = divisor.wrapping_abs().checked_sub(remainder.wrapping_abs())?;
    if remainder == i256::ZERO || remainder.wrapping_abs() < left {
        return Some(quotient);
    }
    let negative = dividend.is_negative() != divisor.is_negative();
    quotient.checked_add(if negative { i256::MINUS_ONE } else { i256::ONE })
}

/// `left op right` as the result type that the IR gives it. A quotient, and a product whose scale had to be capped, is rounded half
/// away from zero.
pub(crate) fn arithmetic(op: ArithmeticOp, left: Operand, right: Operand, result: ScalarType) -> Result<Value, EvaluateError> {
    let ScalarType::Decimal { precision, scale } = result else {
        return Err(EvaluateError::Invalid(format!("decimal arithmetic cannot give {result}")));
    };
    let overflow = || does_not_fit(precision, scale);
    let unscaled = match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Modulo => {
            let common = left.scale.max(right.scale);
            let widen = |operand: Operand| {
                let factor = power_of_ten((i32::from(common) - i32::from(operand.scale)).unsigned_abs())?;
                operand.unscaled.checked_mul(factor)
            };
            let (a, b) = (widen(left).ok_or_else(overflow)?, widen(right).ok_or_else(overflow)?);
            if op == ArithmeticOp::Modulo && b == i256::ZERO {
                return Err(super::division_by_zero());
            }
            let exact = match op {
                ArithmeticOp::Add => a.checked_add(b),
                ArithmeticOp::Subtract => a.checked_sub(b),
                ArithmeticOp::Modulo | ArithmeticOp::Multiply | ArithmeticOp::Divide => a.checked_rem(b),
            };
            rescale(exact.ok_or_else(overflow)?, common, precision, scale, Rounding::HalfAwayFromZero)?
        }
        ArithmeticOp::Multiply => {
            let exact = left.unscaled.checked_mul(right.unscaled).ok_or_else(overflow)?;
            let digits = i32::from(left.scale) + i32::from(right.scale) - i32::from(scale);
            let product = if digits > 0 {
                drop_digits(exact, digits.unsigned_abs(), Rounding::HalfAwayFromZero)
            } else {
                power_of_ten(digits.unsigned_abs()).and_then(|factor| exact.checked_mul(factor))
            };
            fitting(product.ok_or_else(overflow)?, precision, scale)?
        }
        ArithmeticOp::Divide => {
            if right.unscaled == i256::ZERO {
                return Err(super::division_by_zero());
            }
            let moved = i32::from(scale) + i32::from(right.scale) - i32::from(left.scale);
            let factor = power_of_ten(moved.unsigned_abs()).ok_or_else(overflow)?;
            let (dividend, divisor) = if moved >= 0 {
                (left.unscaled.checked_mul(factor), Some(right.unscaled))
            } else {
                (Some(left.unscaled), right.unscaled.checked_mul(factor))
            };
            let quotient = dividend.zip(divisor).and_then(|(dividend, divisor)| divide_rounded(dividend, divisor));
            fitting(quotient.ok_or_else(overflow)?, precision, scale)?
        }
    };
    Ok(Value::Decimal { unscaled, precision, scale })
}

/// Compares two decimals of any scales, exactly.
pub(crate) fn compare(left: Operand, right: Operand) -> Ordering {
    // Whole parts first, then fractions at the greater scale: neither step can leave 256 bits.
    let split = |operand: Operand| {
        let divisor = power_of_ten(u32::from(operand.scale.unsigned_abs())).unwrap_or(i256::ONE);
        (operand.unscaled.wrapping_div(divisor), operand.unscaled.wrapping_rem(divisor))
    };
    let ((left_whole, left_rest), (right_whole, right_rest)) = (split(left), split(right));
    let common = left.scale.max(right.scale);
    let widen = |rest: i256, scale: i8| {
        power_of_ten((i32::from(common) - i32::from(scale)).unsigned_abs()).map_or(rest, |factor| rest.wrapping_mul(factor))
    };
    left_whole.cmp(&right_whole).then_with(|| widen(left_rest, left.scale).cmp(&widen(right_rest, right.scale)))
}

/// The same number with the fewest digits after the point, so that equal decimals have equal digits.
pub(crate) fn without_trailing_zeros(mut unscaled: i256, mut scale: i8) -> (i256, i8) {
    while scale > 0 && unscaled.wrapping_rem(TEN) == i256::ZERO {
        unscaled = unscaled.wrapping_div(TEN);
        scale -= 1;
    }
    (unscaled, scale)
}

/// Plain notation with all digits of the scale: `-12.50`.
pub(crate) fn to_text(unscaled: i256, scale: i8) -> String {
    let digits = unscaled.wrapping_abs().to_string();
    let sign = if unscaled.is_negative() { "-" } else { "" };
    let scale = usize::from(scale.unsigned_abs());
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// Reads plain or scientific notation. Digits beyond the scale are rounded half away from zero.
pub(crate) fn from_text(text: &str, precision: u8, scale: i8) -> Result<i256, EvaluateError> {
    let wrong = || EvaluateError::Data(format!("a text is not a decimal({precision},{scale})"));
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (text, 0),
    };
    let (negative, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let digits: String = whole.chars().chain(fraction.chars()).skip_while(|digit| *digit == '0').collect();
    if digits.is_empty() {
        return Ok(i256::ZERO);
    }
    let own_scale = i64::try_from(fraction.len()).map_err(|_| wrong())? - i64::from(exponent);
    let moved = i64::from(scale) - own_scale;
    // Digits that are certainly rounded away need not be read; one more than the precision is enough to notice an overflow.
    let kept = i64::try_from(digits.len()).map_err(|_| wrong())? + moved;
    if kept > i64::from(precision) {
        return Err(does_not_fit(precision, scale));
    }
    let unscaled = if moved >= 0 {
        let zeros = usize::try_from(moved).map_err(|_| wrong())?;
        i256::from_string(&format!("{digits}{}", "0".repeat(zeros)))
    } else {
        let kept = usize::try_from(kept.max(0)).map_err(|_| wrong())?;
        let up = kept_rounds_up(&digits, i64::try_from(digits.len()).map_err(|_| wrong())? + moved);
        let head = if kept == 0 { Some(i256::ZERO) } else { digits.get(..kept).and_then(i256::from_string) };
        head.and_then(|head| if up { head.checked_add(i256::ONE) } else { Some(head) })
    };
    let unscaled = unscaled.ok_or_else(wrong)?;
    fitting(if negative { unscaled.wrapping_neg() } else { unscaled }, precision, scale)
}

/// Whether the first digit that is dropped is five or more; `position` may lie before the first digit.
fn kept_rounds_up(digits: &str, position: i64) -> bool {
    usize::try_from(position).ok().and_then(|position| digits.as_bytes().get(position)).is_some_and(|digit| *digit >= b'5')
}
