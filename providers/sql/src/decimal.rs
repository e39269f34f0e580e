//! Exact decimals: text to digits and back, and changes of scale. It must not know codecs or SQL.

use arrow::datatypes::i256;

/// A decimal: `unscaled` / 10^`scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits {
    /// The digits without the point.
    pub unscaled: i256,
    /// Digits after the point.
    pub scale: i8,
}

fn power_of_ten(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

/// Reads plain or scientific notation (`-12.50`, `1e3`, `.5`), exactly. Zeros after the last digit of the fraction are dropped when
/// they would not fit. `None` when the text is no number or needs more than 76 digits.
pub fn parse_decimal(text: &str) -> Option<Digits> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    let mut scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    while scale > 76 && digits.ends_with('0') {
        digits.pop();
        scale -= 1;
    }
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() {
        return Some(Digits { unscaled: i256::ZERO, scale: i8::try_from(scale.clamp(0, 76)).ok()? });
    }
    let mut unscaled = i256::from_string(trimmed).filter(|_| trimmed.len() <= 76)?;
    if scale < 0 {
        unscaled = unscaled.checked_mul(power_of_ten(u32::try_from(-scale).ok()?)?)?;
        scale = 0;
    }
    let scale = i8::try_from(scale).ok().filter(|scale| *scale <= 76)?;
    Some(Digits { unscaled: if negative { unscaled.wrapping_neg() } else { unscaled }, scale })
}

/// Writes plain notation with exactly `scale` digits after the point.
pub fn format_decimal(unscaled: i256, scale: i8) -> String {
    let text = unscaled.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let scale = usize::try_from(scale).unwrap_or(0);
    if scale == 0 {
        return text;
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// The same value at another scale and within `precision` digits; `None` when digits would be lost.
pub fn rescale(digits: Digits, precision: u8, scale: i8) -> Option<i256> {
    let shift = i32::from(scale) - i32::from(digits.scale);
    let factor = power_of_ten(shift.unsigned_abs())?;
    let unscaled = if shift >= 0 {
        digits.unscaled.checked_mul(factor)?
    } else {
        (digits.unscaled.checked_rem(factor)? == i256::ZERO).then(|| digits.unscaled.checked_div(factor)).flatten()?
    };
    let limit = power_of_ten(u32::from(precision))?;
    (unscaled < limit && unscaled > limit.wrapping_neg()).then_some(unscaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(unscaled: i128, scale: i8) -> Digits {
        Digits { unscaled: i256::from_i128(unscaled), scale }
    }

    #[test]
    fn reads_and_writes() {
        assert_eq!(parse_decimal("-12.50"), Some(digits(-1250, 2)));
        assert_eq!(parse_decimal("1e3"), Some(digits(1000, 0)));
        assert_eq!(parse_decimal(".5"), Some(digits(5, 1)));
        assert_eq!(parse_decimal("1.5E-2"), Some(digits(15, 3)));
        assert_eq!(parse_decimal("0.000"), Some(digits(0, 3)));
        for refused in ["", "-", ".", "1.2.3", "abc", "1e", "0x10", "NaN", "inf", "1_0", " 1"] {
            assert_eq!(parse_decimal(refused), None, "{refused}");
        }
        assert_eq!(format_decimal(i256::from_i128(-5), 2), "-0.05");
        assert_eq!(format_decimal(i256::from_i128(1250), 2), "12.50");
        assert_eq!(format_decimal(i256::from_i128(7), 0), "7");
    }

    #[test]
    fn a_change_of_scale_never_rounds() {
        assert_eq!(rescale(digits(1250, 2), 10, 1), Some(i256::from_i128(125)));
        assert_eq!(rescale(digits(1251, 2), 10, 1), None);
        assert_eq!(rescale(digits(99, 0), 3, 1), Some(i256::from_i128(990)));
        assert_eq!(rescale(digits(100, 0), 3, 1), None);
    }
}
