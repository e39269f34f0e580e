//! Numbers as people and spreadsheets write them, in the notation of programs. Pure.

use std::borrow::Cow;

/// The same number with a point before its decimals, and nothing between its digits. Groups must be of three digits: `1.23` is not 123 where a
/// point stands between groups.
pub(crate) fn plain(text: &str, decimal: char, thousands: Option<char>) -> Option<Cow<'_, str>> {
    if decimal == '.' && thousands.is_none() {
        return Some(Cow::Borrowed(text));
    }
    let (whole, fraction) = match text.split_once(decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    // A point that is not the mark of decimals would be taken for it.
    if fraction.is_some_and(|fraction| fraction.contains(['.', ','])) {
        return None;
    }
    let whole = match thousands {
        Some(mark) if whole.contains(mark) => {
            let unsigned = whole.trim_start_matches(['-', '+']);
            let groups: Vec<&str> = unsigned.split(mark).collect();
            let (first, others) = groups.split_first()?;
            let is_grouped = (1..=3).contains(&first.chars().count()) && others.iter().all(|group| group.chars().count() == 3);
            if !is_grouped {
                return None;
            }
            Cow::Owned(whole.replace(mark, ""))
        }
        Some(_) | None => Cow::Borrowed(whole),
    };
    if whole.contains(['.', ',']) {
        return None;
    }
    Some(match fraction {
        Some(fraction) => Cow::Owned(format!("{whole}.{fraction}")),
        None => whole,
    })
}

/// A double's first fifteen digits, in plain notation: what a spreadsheet shows and compares of it. Nothing for what is no number.
pub(crate) fn fifteen_digits(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let text = format!("{number:.14e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let before = exponent + 1;
    let count = i32::try_from(digits.len()).ok()?;
    Some(match before {
        _ if before <= 0 => format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-before).ok()?)),
        _ if before >= count => format!("{sign}{digits}{}", "0".repeat(usize::try_from(before - count).ok()?)),
        _ => {
            let (whole, fraction) = digits.split_at(usize::try_from(before).ok()?);
            format!("{sign}{whole}.{fraction}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_those_that_are_declared() {
        let german = |text| plain(text, ',', Some('.')).map(Cow::into_owned);
        assert_eq!(german("1.234.567,89").as_deref(), Some("1234567.89"));
        assert_eq!(german("-1.234").as_deref(), Some("-1234"));
        assert_eq!(german("0,5").as_deref(), Some("0.5"));
        for wrong in ["1.23", "12.34,5", "1234.567", "1,234,5", "1,2.3", ".123"] {
            assert_eq!(german(wrong), None, "{wrong}");
        }
        assert_eq!(plain("1234.5", ',', None), None, "a point is no mark of decimals there");
        assert_eq!(plain("1'000.5", '.', Some('\'')).as_deref(), Some("1000.5"));
        assert_eq!(plain("1,5", '.', None).as_deref(), Some("1,5"), "left for the one who reads numbers to refuse");
    }

    #[test]
    fn doubles_have_fifteen_digits() {
        for (number, expected) in [
            (0.1 + 0.2, "0.3"),
            (1234.5, "1234.5"),
            (-1e-7, "-0.0000001"),
            (1e20, "100000000000000000000"),
            (0.0, "0"),
            (123_456_789_012_345.0, "123456789012345"),
            (19.99 * 100.0, "1999"),
            (1e15, "1000000000000000"),
        ] {
            assert_eq!(fifteen_digits(number).as_deref(), Some(expected));
        }
        assert_eq!(fifteen_digits(f64::NAN), None);
    }
}
