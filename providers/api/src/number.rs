//! Exact numbers from text: nothing here goes through a binary float unless a float is asked for. It must not know what a number is for.

use arrow::datatypes::i256;
use std::cmp::Ordering;

/// Most digits of a decimal.
pub const MAX_DIGITS: i64 = 76;

/// A finite number: `digits` × 10^`exponent`, without leading or trailing zero digits; zero has no digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Number {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Number> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (unsigned.get(..at)?, parse_exponent(unsigned.get(at + 1..)?)?),
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
        let exponent = if significant.is_empty() { 0 } else { exponent };
        Some(Number { negative: negative && !significant.is_empty(), digits: significant.to_owned(), exponent })
    }

    /// The fewest digits after the point, and before it.
    fn extent(&self) -> (i64, i64) {
        ((-self.exponent).max(0), (self.digits.len() as i64 + self.exponent).max(0))
    }

    /// Precision and scale of the narrowest decimal that holds it; `None` beyond 76 digits.
    pub fn decimal_type(&self) -> Option<(u8, i8)> {
        let (scale, whole) = self.extent();
        let precision = (scale + whole).max(1);
        (precision <= MAX_DIGITS).then_some((precision as u8, scale as i8))
    }

    /// The unscaled digits of it as a decimal of that type; `None` when it has more digits on either side.
    pub fn to_decimal(&self, precision: u8, scale: i8) -> Option<i256> {
        let (least_scale, whole) = self.extent();
        if least_scale > i64::from(scale) || whole > i64::from(precision) - i64::from(scale) {
            return None;
        }
        if self.digits.is_empty() {
            return Some(i256::ZERO);
        }
        let zeros = usize::try_from(self.exponent + i64::from(scale)).ok()?;
        let sign = if self.negative { "-" } else { "" };
        i256::from_string(&format!("{sign}{}{}", self.digits, "0".repeat(zeros)))
    }

    /// The unscaled digits of it with that many digits after the point, rounded half away from zero; `None` beyond 76 digits.
    pub fn rounded(&self, scale: i8) -> Option<i256> {
        if let Some(exact) = self.to_decimal(MAX_DIGITS as u8, scale) {
            return Some(exact);
        }
        // So many of the digits are kept; the first that is not decides.
        let kept = self.digits.len() as i64 + self.exponent + i64::from(scale);
        if kept > MAX_DIGITS {
            return None;
        }
        let Ok(kept) = usize::try_from(kept) else { return Some(i256::ZERO) };
        let digits = self.digits.get(..kept).unwrap_or(&self.digits);
        let up = self.digits.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5');
        let whole = if digits.is_empty() { i256::ZERO } else { i256::from_string(digits)? };
        let whole = if up { whole.checked_add(i256::ONE)? } else { whole };
        if self.negative { whole.checked_neg() } else { Some(whole) }
    }

    /// It as an integer; `None` when it is none or does not fit.
    pub fn to_i64(&self) -> Option<i64> {
        self.to_decimal(19, 0).and_then(i256::to_i128).and_then(|value| i64::try_from(value).ok())
    }

    /// The nearest double; infinite when out of range.
    pub fn to_f64(&self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        format!("{sign}{digits}e{}", self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// The nearest single; infinite when out of range.
    pub fn to_f32(&self) -> f32 {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        format!("{sign}{digits}e{}", self.exponent).parse().unwrap_or(f32::NAN)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By value.
impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        // Zero has no digits, and no sign.
        let size = |number: &Number| (!number.digits.is_empty()).then_some(number.digits.len() as i64 + number.exponent);
        let larger = size(self).cmp(&size(other)).then_with(|| self.digits.cmp(&other.digits));
        match (self.negative, other.negative) {
            (false, false) => larger,
            (true, true) => larger.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// A whole number; `None` when it is none, or does not fit.
pub fn integer(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if plain && let Ok(number) = text.parse() {
        return Some(number);
    }
    Number::parse(text)?.to_i64()
}

/// The unscaled digits of a number as a decimal of that type; `None` when it is none, or has more digits on either side.
pub fn decimal(text: &str, precision: u8, scale: i8) -> Option<i256> {
    Number::parse(text)?.to_decimal(precision, scale)
}

/// The nearest double; `None` when it is no number, or out of range.
pub fn double(text: &str) -> Option<f64> {
    Some(Number::parse(text)?.to_f64()).filter(|number| number.is_finite())
}

/// The nearest single; `None` when it is no number, or out of range.
pub fn single(text: &str) -> Option<f32> {
    Some(Number::parse(text)?.to_f32()).filter(|number| number.is_finite())
}

fn parse_exponent(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Beyond this every non-zero number is out of every type's range, so the exact exponent no longer matters.
    let magnitude =
        unsigned.trim_start_matches('0').parse::<i64>().or(if unsigned.trim_start_matches('0').is_empty() { Ok(0) } else { Err(()) });
    let magnitude = magnitude.unwrap_or(1_000_000).min(1_000_000);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_value() {
        let ordered = [
            "-1e3",
            "-100.5",
            "-100",
            "-0.2",
            "-0.19",
            "0",
            "1e-9",
            "0.1",
            "0.11",
            "2",
            "10",
            "9007199254740992",
            "9007199254740993",
            "1e100",
        ];
        for (at, left) in ordered.iter().enumerate() {
            for (other, right) in ordered.iter().enumerate() {
                assert_eq!(Number::parse(left).cmp(&Number::parse(right)), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(Number::parse("-0.0").cmp(&Number::parse("0")), Ordering::Equal);
        assert_eq!(Number::parse("1.50").cmp(&Number::parse("15e-1")), Ordering::Equal);
    }

    fn decimal(text: &str, precision: u8, scale: i8) -> Option<String> {
        Number::parse(text).unwrap().to_decimal(precision, scale).map(|value| value.to_string())
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("0.1", 5, 2).as_deref(), Some("10"));
        assert_eq!(decimal("12345678901234567890.123456789", 38, 9).as_deref(), Some("12345678901234567890123456789"));
        assert_eq!(decimal("-1.50", 3, 1).as_deref(), Some("-15"));
        assert_eq!(decimal("1.005", 5, 2), None);
        assert_eq!(decimal("1000", 5, 2), None);
        assert_eq!(decimal("1e2", 5, 2).as_deref(), Some("10000"));
        assert_eq!(decimal("-0.00", 5, 2).as_deref(), Some("0"));
        assert_eq!(decimal("1e-999999999999999999999", 5, 2), None);
        assert_eq!(decimal("0e999999999999999999999", 5, 2).as_deref(), Some("0"));
        assert_eq!(decimal(&"9".repeat(76), 76, 0).as_deref(), Some("9".repeat(76).as_str()));
        assert_eq!(decimal(&"9".repeat(77), 76, 0), None);
    }

    #[test]
    fn integers_and_floats() {
        let number = |text| Number::parse(text).unwrap();
        assert_eq!(number("9223372036854775807").to_i64(), Some(i64::MAX));
        assert_eq!(number("-9223372036854775808").to_i64(), Some(i64::MIN));
        assert_eq!(number("9223372036854775808").to_i64(), None);
        assert_eq!(number("1.0").to_i64(), Some(1));
        assert_eq!(number("1.5").to_i64(), None);
        assert_eq!(number("0.1").to_f64(), 0.1);
        assert_eq!(number("1e400").to_f64(), f64::INFINITY);
        assert_eq!(number("0.1").to_f32(), 0.1);
        assert_eq!(number("123.45").decimal_type(), Some((5, 2)));
        assert_eq!(number("1e400").decimal_type(), None);
        for bad in ["", "-", ".5", "5.", "1e", "1e+", "0x1", "1_0", " 1", "1 ", "--1", "NaN"] {
            assert_eq!(Number::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn texts_that_are_numbers() {
        assert_eq!((integer("9223372036854775807"), integer("-9223372036854775808")), (Some(i64::MAX), Some(i64::MIN)));
        assert_eq!((integer("9223372036854775808"), integer("1.5"), integer("1.0"), integer("1e3")), (None, None, Some(1), Some(1000)));
        assert_eq!((double("0.1"), double("1e400"), double("inf"), single("0.1")), (Some(0.1), None, None, Some(0.1)));
        assert_eq!((integer("1-"), integer(""), double("1_0"), super::decimal("x", 5, 2)), (None, None, None, None));
    }
}
