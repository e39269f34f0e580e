//! Decimals as bytes that compare as the numbers do: what `portico_decimal` yields, and SQLite compares and sorts by. It must not
//! know connections.
//!
//! Zero is one byte. Any other number is its sign, the place of its first digit, and its digits without trailing zeros; all of it
//! inverted, and closed by 0xFF, for a negative one, because there more digits mean less.

use arrow::datatypes::i256;
use portico_provider_sql::Digits;

const NEGATIVE: u8 = 0;
const ZERO: u8 = 1;
const POSITIVE: u8 = 2;
const BIAS: i32 = 0x8000;

/// The key of a decimal.
pub(crate) fn encode(digits: Digits) -> Vec<u8> {
    let text = digits.unscaled.to_string();
    let (negative, text) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
    let significant = text.trim_end_matches('0');
    if significant.is_empty() {
        return vec![ZERO];
    }
    let place = i32::try_from(text.len()).unwrap_or(i32::MAX) - i32::from(digits.scale);
    let place = u16::try_from(place + BIAS).unwrap_or(u16::MAX).to_be_bytes();
    let body = place.into_iter().chain(significant.bytes());
    if negative {
        std::iter::once(NEGATIVE).chain(body.map(|byte| !byte)).chain([0xff]).collect()
    } else {
        std::iter::once(POSITIVE).chain(body).collect()
    }
}

/// The decimal of a key; `None` when the bytes are no key.
pub(crate) fn decode(key: &[u8]) -> Option<Digits> {
    let (negative, body) = match key.split_first()? {
        (&ZERO, []) => return Some(Digits { unscaled: i256::ZERO, scale: 0 }),
        (&POSITIVE, body) => (false, body.to_vec()),
        (&NEGATIVE, body) => (true, body.split_last().filter(|(last, _)| **last == 0xff)?.1.iter().map(|byte| !byte).collect()),
        _ => return None,
    };
    let place = i32::from(u16::from_be_bytes([*body.first()?, *body.get(1)?])) - BIAS;
    let mut text = String::from_utf8(body.get(2..)?.to_vec()).ok()?;
    let missing = place - i32::try_from(text.len()).ok()?;
    if missing > 0 {
        text.push_str(&"0".repeat(usize::try_from(missing).ok()?));
    }
    let unscaled = i256::from_string(&text)?;
    let scale = i8::try_from(-missing.min(0)).ok()?;
    Some(Digits { unscaled: if negative { unscaled.wrapping_neg() } else { unscaled }, scale })
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_sql::{parse_decimal, rescale};

    #[test]
    fn keys_order_as_numbers_do_and_come_back() {
        let ascending = [
            "-1000", "-12.5", "-12.49", "-12", "-1.5", "-1", "-0.1", "-0.05", "0", "0.00001", "0.05", "0.1", "1", "1.5", "12", "12.5",
            "1000",
        ];
        let keys: Vec<_> = ascending.iter().map(|text| encode(parse_decimal(text).unwrap())).collect();
        for (at, pair) in keys.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{} < {}", ascending[at], ascending[at + 1]);
        }
        for (key, text) in keys.iter().zip(ascending) {
            let (back, digits) = (decode(key).unwrap(), parse_decimal(text).unwrap());
            assert_eq!(rescale(back, 76, 10), rescale(digits, 76, 10), "{text}");
        }
        assert_eq!(encode(parse_decimal("1.50").unwrap()), encode(parse_decimal("1.5").unwrap()));
        assert_eq!(decode(b""), None);
        assert_eq!(decode(b"abc"), None);
    }
}
