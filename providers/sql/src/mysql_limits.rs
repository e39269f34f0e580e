//! What MySQL and MariaDB cannot hold, and so cannot be sent: such a literal still compares with every value that they do hold. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::civil;
use crate::compare::{OnStored, beyond};
use crate::mysql::trimmed;
use arrow::datatypes::i256;
use portico_provider_api::value::Float;
use portico_provider_api::{CompareOp, Value};

/// 0000-03-01 as days since 1970-01-01. Year 0 has no leap day there, which the IR's calendar has.
const FIRST_DAY: i64 = -719_468;
/// Digits of a decimal, in all and behind the point.
const MAX_PRECISION: u8 = 65;
const MAX_SCALE: i8 = 30;

/// Where a literal lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// It can be sent.
    Within,
    /// Below everything that is held.
    Below,
    /// Above everything that is held.
    Above,
}

fn placed<T: PartialOrd>(value: T, least: T, greatest: T) -> Range {
    if value < least {
        Range::Below
    } else if value > greatest {
        Range::Above
    } else {
        Range::Within
    }
}

/// Where a literal lies. Decimals have their own function, [`digits`].
pub(crate) fn range(value: &Value) -> Range {
    if let Some(day) = civil::day(value) {
        return placed(day, FIRST_DAY, civil::LAST_DAY);
    }
    match value {
        Value::Float32(Float(number)) | Value::Float64(Float(number)) => placed(*number, f64::MIN, f64::MAX),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Guid(_)
        | Value::Json(_) => Range::Within,
    }
}

/// The precision and scale that a decimal needs; `None` when it needs more than there is.
pub(crate) fn digits(unscaled: i256, scale: i8) -> Option<(u8, i8)> {
    let (unscaled, scale) = trimmed(unscaled, scale);
    let written = unscaled.to_string();
    let count = u8::try_from(written.trim_start_matches('-').len()).ok()?;
    let precision = count.max(scale.unsigned_abs());
    (scale <= MAX_SCALE && precision <= MAX_PRECISION).then_some((precision.max(1), scale))
}

/// What a comparison with a literal becomes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// This one, with a literal that can be sent.
    With(CompareOp, Value),
    /// It holds for every value, or for none.
    Constant(bool),
}

/// A comparison with a literal that is neither null nor NaN.
pub(crate) fn comparison(op: CompareOp, value: &Value) -> Comparison {
    let place = match value {
        Value::Decimal { unscaled, scale, .. } if digits(*unscaled, *scale).is_none() => return with_decimal(op, *unscaled, *scale),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Guid(_)
        | Value::Json(_) => range(value),
    };
    match place {
        Range::Within => Comparison::With(op, value.clone()),
        Range::Below | Range::Above => constant(op, place == Range::Above),
    }
}

/// The outcome when the literal lies above (or below) everything that is held.
fn constant(op: CompareOp, above: bool) -> Comparison {
    Comparison::Constant(matches!(beyond(op, above), OnStored::Always))
}

/// What is held has at most so many digits behind the point: a literal with more of them lies between two such numbers.
fn with_decimal(op: CompareOp, unscaled: i256, scale: i8) -> Comparison {
    let negative = unscaled < i256::ZERO;
    let drop = u32::from((scale - MAX_SCALE).max(0).unsigned_abs());
    let parts = i256::from_i128(10).checked_pow(drop).and_then(|unit| Some((unscaled.checked_div(unit)?, unscaled.checked_rem(unit)?)));
    let Some((quotient, rest)) = parts else { return constant(op, !negative) };
    let floor = if rest < i256::ZERO { quotient.wrapping_sub(i256::ONE) } else { quotient };
    let scale = scale.min(MAX_SCALE);
    let Some((precision, _)) = digits(floor, scale) else { return constant(op, !negative) };
    let floor = Value::Decimal { unscaled: floor, precision: precision.max(scale.unsigned_abs()), scale };
    match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => Comparison::Constant(false),
        CompareOp::NotEq | CompareOp::IsDistinctFrom => Comparison::Constant(true),
        CompareOp::Lt | CompareOp::LtEq => Comparison::With(CompareOp::LtEq, floor),
        CompareOp::Gt | CompareOp::GtEq => Comparison::With(CompareOp::Gt, floor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(digits: &str, scale: i8) -> Value {
        Value::Decimal { unscaled: i256::from_string(digits).unwrap(), precision: 76, scale }
    }

    #[test]
    fn decimals_need_what_they_need() {
        assert_eq!(digits(i256::from_i128(12_500), 4), Some((3, 2)));
        assert_eq!(digits(i256::ZERO, 40), Some((1, 0)));
        assert_eq!(digits(i256::from_i128(-5), 3), Some((3, 3)));
        assert_eq!(digits(i256::ONE, 31), None);
        assert_eq!(digits(i256::from_string(&"9".repeat(66)).unwrap(), 0), None);
    }

    #[test]
    fn what_cannot_be_sent_still_compares() {
        let many = "9".repeat(70);
        assert_eq!(comparison(CompareOp::Lt, &decimal(&many, 0)), Comparison::Constant(true));
        assert_eq!(comparison(CompareOp::Lt, &decimal(&format!("-{many}"), 0)), Comparison::Constant(false));
        let held = |digits: &str| Value::Decimal { unscaled: i256::from_string(digits).unwrap(), precision: 30, scale: 30 };
        assert_eq!(comparison(CompareOp::Lt, &decimal("-15", 31)), Comparison::With(CompareOp::LtEq, held("-2")));
        assert_eq!(comparison(CompareOp::GtEq, &decimal("15", 31)), Comparison::With(CompareOp::Gt, held("1")));
        assert_eq!(comparison(CompareOp::NotEq, &decimal("15", 31)), Comparison::Constant(true));
        assert_eq!(comparison(CompareOp::GtEq, &Value::float64(f64::NEG_INFINITY)), Comparison::Constant(true));
        assert_eq!(comparison(CompareOp::Gt, &Value::Date(i32::MAX)), Comparison::Constant(false));
        assert_eq!(comparison(CompareOp::Eq, &Value::Date(0)), Comparison::With(CompareOp::Eq, Value::Date(0)));
    }
}
