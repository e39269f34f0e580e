//! PostgreSQL's binary `numeric` as the unscaled digits of a decimal. Pure. It must not know columns or builders.
//! On the wire it is four words (how many groups, the weight of the first, the sign, the digits shown) and groups of four decimal digits.

use arrow::datatypes::i256;

/// Bytes before the groups.
const HEADER: usize = 8;
/// What a group counts.
const BASE: u64 = 10_000;
/// Groups that surely fit 64 bits.
const SHORT: usize = 4;

const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;

/// A number as it is sent.
struct Sent<'a> {
    /// Groups of two bytes; the last one is not zero.
    groups: &'a [u8],
    /// The power of ten of the last group's unit, counted in units of the wanted scale.
    exponent: i32,
    negative: bool,
}

/// The digits of a numeric at a scale, the value times 10^scale, where 128 bits hold them.
///
/// # Errors
/// As [`unscaled`]; nothing when more bits are needed.
pub fn unscaled_small(raw: &[u8], scale: i8) -> Result<Option<i128>, String> {
    let sent = read(raw, scale)?;
    let magnitude = match short(&sent) {
        Some(value) => Some(i128::from(value)),
        None => small(&sent),
    };
    Ok(magnitude.map(|value| if sent.negative { -value } else { value }))
}

/// The digits of a numeric at a scale: the value times 10^scale, exactly.
///
/// # Errors
/// For NaN and the infinities, for more digits after the point than the scale has, and for what 256 bits cannot hold.
pub fn unscaled(raw: &[u8], scale: i8) -> Result<i256, String> {
    let sent = read(raw, scale)?;
    let magnitude = match short(&sent).map(i128::from).or_else(|| small(&sent)) {
        Some(value) => i256::from_i128(value),
        None => large(&sent)?,
    };
    Ok(if sent.negative { magnitude.wrapping_neg() } else { magnitude })
}

fn read(raw: &[u8], scale: i8) -> Result<Sent<'_>, String> {
    let cut = || "holds a number that is cut short".to_owned();
    let (header, mut groups) = raw.split_first_chunk::<HEADER>().ok_or_else(cut)?;
    let [count, weight, sign, _shown] = words(*header);
    let weight = weight as i16;
    match sign {
        0 | NEGATIVE => {}
        NOT_A_NUMBER => return Err("holds the number NaN, which a decimal cannot".to_owned()),
        _ => return Err("holds an infinite number, which a decimal cannot".to_owned()),
    }
    if groups.len() != usize::from(count) * 2 {
        return Err(cut());
    }
    while let Some(shorter) = groups.strip_suffix(&[0, 0]) {
        groups = shorter;
    }
    let exponent = 4 * (i32::from(weight) - (groups.len() / 2) as i32 + 1) + i32::from(scale);
    Ok(Sent { groups, exponent, negative: sign == NEGATIVE })
}

fn words(bytes: [u8; HEADER]) -> [u16; 4] {
    let all = u64::from_be_bytes(bytes);
    [(all >> 48) as u16, (all >> 32) as u16, (all >> 16) as u16, all as u16]
}

impl Sent<'_> {
    fn groups(&self) -> impl DoubleEndedIterator<Item = u16> + '_ {
        self.groups.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }
}

/// The usual number: few groups, in 64 bits and without a division by anything but a constant.
fn short(sent: &Sent<'_>) -> Option<u64> {
    if sent.groups.len() > SHORT * 2 {
        return None;
    }
    if sent.groups.is_empty() {
        return Some(0);
    }
    let mantissa = sent.groups().fold(0u64, |value, group| value * BASE + u64::from(group));
    match sent.exponent {
        -3 => mantissa.is_multiple_of(1_000).then_some(mantissa / 1_000),
        -2 => mantissa.is_multiple_of(100).then_some(mantissa / 100),
        -1 => mantissa.is_multiple_of(10).then_some(mantissa / 10),
        0 => Some(mantissa),
        exponent @ 1..=18 => mantissa.checked_mul(10u64.pow(exponent.unsigned_abs())),
        _ => None,
    }
}

/// In 128 bits; `None` sends it to the general case, which also finds the errors.
fn small(sent: &Sent<'_>) -> Option<i128> {
    let mut mantissa = 0i128;
    for group in sent.groups() {
        mantissa = mantissa.checked_mul(i128::from(BASE))?.checked_add(i128::from(group))?;
    }
    let power = 10i128.checked_pow(sent.exponent.unsigned_abs())?;
    if sent.exponent >= 0 { mantissa.checked_mul(power) } else { (mantissa % power == 0).then_some(mantissa / power) }
}

fn large(sent: &Sent<'_>) -> Result<i256, String> {
    let overflow = || "holds a number of more digits than a decimal can have".to_owned();
    let lossy = || "holds a number with more digits after the point than the column's type has".to_owned();
    let mut groups: Vec<u16> = sent.groups().collect();
    let Some(last) = groups.pop() else { return Ok(i256::ZERO) };
    // The last group is not zero and has at most three trailing zeros: a finer step than that loses digits.
    let divide = match sent.exponent {
        0.. => 1,
        exponent @ -3..0 => 10u16.pow(exponent.unsigned_abs()),
        _ => return Err(lossy()),
    };
    if last % divide != 0 {
        return Err(lossy());
    }
    let shifted = |value: i256, by: u64, add: u16| {
        value.checked_mul(i256::from_i128(i128::from(by))).and_then(|value| value.checked_add(i256::from_i128(i128::from(add))))
    };
    let mut mantissa = i256::ZERO;
    for group in groups {
        mantissa = shifted(mantissa, BASE, group).ok_or_else(overflow)?;
    }
    mantissa = shifted(mantissa, BASE / u64::from(divide), last / divide).ok_or_else(overflow)?;
    let power = i256::from_i128(10).checked_pow(sent.exponent.max(0).unsigned_abs()).ok_or_else(overflow)?;
    mantissa.checked_mul(power).ok_or_else(overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, groups: &[i16]) -> Vec<u8> {
        let header = [groups.len() as i16, weight, sign as i16, 0];
        header.iter().chain(groups).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numerics_are_scaled_exactly() {
        // 12.5 as 12 | 5000
        let half = numeric(0, 0, &[12, 5000]);
        assert_eq!(unscaled(&half, 1), Ok(i256::from_i128(125)));
        assert_eq!(unscaled(&half, 4), Ok(i256::from_i128(125_000)));
        assert!(unscaled(&half, 0).unwrap_err().contains("after the point"));
        assert_eq!(unscaled(&numeric(0, NEGATIVE, &[12, 5000]), 1), Ok(i256::from_i128(-125)));
        // 0.001
        let thousandth = numeric(-1, 0, &[10]);
        assert_eq!(unscaled(&thousandth, 3), Ok(i256::from_i128(1)));
        assert!(unscaled(&thousandth, 2).unwrap_err().contains("after the point"));
        // 1e400
        let large = numeric(100, 0, &[1]);
        assert!(unscaled(&large, 0).unwrap_err().contains("digits"));
        assert_eq!(unscaled_small(&large, 0), Ok(None));
        assert!(unscaled(&half[..9], 3).is_err());
        assert!(unscaled(&numeric(0, NOT_A_NUMBER, &[]), 3).unwrap_err().contains("NaN"));
        assert!(unscaled(&numeric(0, 0xD000, &[]), 3).unwrap_err().contains("infinite"));
    }

    #[test]
    fn every_way_gives_the_same_digits() {
        fastrand::seed(7);
        for _ in 0..20_000 {
            let groups: Vec<i16> =
                (0..fastrand::usize(0..8)).map(|_| fastrand::i16(0..10_000) * i16::from(fastrand::u8(..4) > 0)).collect();
            let sign = if fastrand::bool() { NEGATIVE } else { 0 };
            let raw = numeric(fastrand::i16(-4..8), sign, &groups);
            let scale = fastrand::i8(0..20);
            let sent = read(&raw, scale).unwrap();
            let exact = large(&sent);
            let signed = |value: i256| if sent.negative { value.wrapping_neg() } else { value };
            match unscaled_small(&raw, scale).unwrap() {
                Some(value) => assert_eq!(exact.clone().map(signed), Ok(i256::from_i128(value)), "{raw:?} at {scale}"),
                None => assert!(
                    exact.is_err() || exact.clone().is_ok_and(|value| value.to_i128().is_none_or(|value| value > i128::MAX / 10_000))
                ),
            }
            assert_eq!(unscaled(&raw, scale).ok(), exact.ok().map(signed), "{raw:?} at {scale}");
        }
    }
}
