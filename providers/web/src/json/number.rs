//! Exact numbers from text: nothing here goes through a binary float unless a float is asked for. Pure.

use arrow::datatypes::i256;

/// A finite number: `digits` × 10^`exponent`, without leading or trailing zero digits; zero has no digits.
struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Reads `[+-]digits[.digits][e[+-]digits]`; `None` for anything else.
fn parse(text: &str) -> Option<Number> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at)?, exponent(unsigned.get(at + 1..)?)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let dangling = whole.is_empty() || (mantissa.contains('.') && fraction.is_empty());
    if dangling || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    let exponent = exponent - fraction.len() as i64 + (digits.len() - significant.len()) as i64;
    Some(Number { negative, digits: significant.to_owned(), exponent: if significant.is_empty() { 0 } else { exponent } })
}

fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Beyond this every number but zero is out of every type's range, so the exact exponent no longer matters.
    let magnitude = digits.trim_start_matches('0').get(..7).map_or_else(|| digits.parse().unwrap_or(0), |_| 1_000_000);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// Whether a text is a number at all.
pub(super) fn is_number(text: &str) -> bool {
    parse(text).is_some()
}

/// The unscaled digits of a number as a decimal of that type; `None` when it is none, or has more digits on either side.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i256> {
    let number = parse(text)?;
    let (least_scale, whole) = ((-number.exponent).max(0), (number.digits.len() as i64 + number.exponent).max(0));
    if number.digits.is_empty() {
        return Some(i256::ZERO);
    }
    if least_scale > i64::from(scale) || whole > i64::from(precision) - i64::from(scale) {
        return None;
    }
    let zeros = usize::try_from(number.exponent + i64::from(scale)).ok()?;
    let sign = if number.negative { "-" } else { "" };
    i256::from_string(&format!("{sign}{}{}", number.digits, "0".repeat(zeros)))
}

/// A whole number; `None` when it is none, or does not fit.
pub(super) fn integer(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if plain && let Ok(number) = text.parse() {
        return Some(number);
    }
    decimal(text, 19, 0).and_then(i256::to_i128).and_then(|number| i64::try_from(number).ok())
}

/// The nearest double; `None` when it is no number, or out of range.
pub(super) fn double(text: &str) -> Option<f64> {
    parse(text)?;
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The nearest single; `None` when it is no number, or out of range.
pub(super) fn single(text: &str) -> Option<f32> {
    parse(text)?;
    text.parse().ok().filter(|number: &f32| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let of = |text: &str, precision, scale| decimal(text, precision, scale).map(|value| value.to_string());
        assert_eq!(of("0.1", 5, 2).as_deref(), Some("10"));
        assert_eq!(of("12345678901234567890.123456789", 38, 9).as_deref(), Some("12345678901234567890123456789"));
        assert_eq!(of("-1.50", 3, 1).as_deref(), Some("-15"));
        assert_eq!((of("1.005", 5, 2), of("1000", 5, 2), of("1e-999999999999999999999", 5, 2)), (None, None, None));
        assert_eq!(of("1e2", 5, 2).as_deref(), Some("10000"));
        assert_eq!(of("-0.00", 5, 2).as_deref(), Some("0"));
        assert_eq!(of("0e999999999999999999999", 5, 2).as_deref(), Some("0"));
        assert_eq!(of(&"9".repeat(76), 76, 0).as_deref(), Some("9".repeat(76).as_str()));
        assert_eq!(of(&"9".repeat(77), 76, 0), None);
    }

    #[test]
    fn integers_and_floats() {
        assert_eq!((integer("9223372036854775807"), integer("-9223372036854775808")), (Some(i64::MAX), Some(i64::MIN)));
        assert_eq!((integer("9223372036854775808"), integer("1.5"), integer("1.0"), integer("1e3")), (None, None, Some(1), Some(1000)));
        assert_eq!((double("0.1"), double("1e400"), double("inf"), single("0.1")), (Some(0.1), None, None, Some(0.1)));
        for bad in ["", "-", ".5", "5.", "1e", "1e+", "0x1", "1_0", " 1", "1 ", "--1", "NaN", "1-"] {
            assert!(!is_number(bad) && integer(bad).is_none(), "{bad}");
        }
    }
}
