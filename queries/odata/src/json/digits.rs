//! Numbers, dates and times → digits, fast: two digits at a time from a table, in blocks of a fixed length. What is outside the usual
//! range takes the exact but slower way over [`crate::calendar`] and text.

use super::sink::Sink;
use crate::calendar;

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// Where the digits of [`Digits`] end.
const END: usize = 24;

/// The digits of a number, right-aligned before [`END`], with zeros before them; what comes after is there for blocks to reach into.
struct Digits {
    bytes: [u8; 48],
    start: usize,
}

#[inline]
fn pair(value: u64) -> [u8; 2] {
    PAIRS.get((value % 100) as usize).copied().unwrap_or_default()
}

impl Digits {
    #[inline]
    fn of(mut value: u64) -> Digits {
        let mut bytes = [b'0'; 48];
        let mut start = END;
        while value >= 10_000 {
            let four = value % 10_000;
            value /= 10_000;
            if let Some(slot) = bytes.get_mut(start - 4..start) {
                let ([a, b], [c, d]) = (pair(four / 100), pair(four));
                slot.copy_from_slice(&[a, b, c, d]);
            }
            start -= 4;
        }
        while value >= 10 {
            if let Some(slot) = bytes.get_mut(start - 2..start) {
                slot.copy_from_slice(&pair(value));
            }
            value /= 100;
            start -= 2;
            if value == 0 {
                return Digits { bytes, start };
            }
        }
        if let Some(slot) = bytes.get_mut(start - 1) {
            *slot = b'0' + value as u8;
        }
        Digits { bytes, start: start - 1 }
    }

    /// Appends the bytes from `start` up to `end`, at most 24.
    #[inline]
    fn push(&self, start: usize, end: usize, sink: &mut Sink) {
        if let Some(block) = self.bytes.get(start..).and_then(|rest| rest.first_chunk::<24>()) {
            sink.block(block, end - start);
        }
    }
}

/// Appends an integer.
#[inline]
pub(super) fn integer(value: i64, sink: &mut Sink) {
    if value < 0 {
        sink.byte(b'-');
    }
    unsigned(value.unsigned_abs(), sink);
}

/// Appends an integer.
#[inline]
pub(super) fn unsigned(value: u64, sink: &mut Sink) {
    let digits = Digits::of(value);
    digits.push(digits.start, END, sink);
}

/// Appends a decimal: plain notation, all digits of the scale.
#[inline]
pub(super) fn decimal(unscaled: i128, scale: i8, sink: &mut Sink) {
    match (u64::try_from(unscaled.unsigned_abs()), scale) {
        (Ok(magnitude), 0..=18) => {
            if unscaled < 0 {
                sink.byte(b'-');
            }
            let digits = Digits::of(magnitude);
            let point = END - usize::from(scale.unsigned_abs());
            digits.push(digits.start.min(point - 1), point, sink);
            if point < END {
                sink.byte(b'.');
                digits.push(point, END, sink);
            }
        }
        _ => {
            let mut text = Vec::with_capacity(48);
            push_decimal(itoa::Buffer::new().format(unscaled), scale, &mut text);
            sink.put(&text);
        }
    }
}

/// Appends unscaled digits (perhaps with a minus) with the point where the scale puts it: plain notation, all digits of the scale.
pub(crate) fn push_decimal(unscaled: &str, scale: i8, out: &mut Vec<u8>) {
    let digits = match unscaled.strip_prefix('-') {
        Some(digits) => {
            out.push(b'-');
            digits
        }
        None => unscaled,
    };
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        if digits != "0" {
            out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
        }
        return;
    }
    let scale = usize::from(scale.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', scale - fraction.len()));
    out.extend_from_slice(fraction.as_bytes());
}

/// Days from 0000-03-01, where the reckoning begins, to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Year, month and day, for the years 0 to 9999 (Neri and Schneider, "Euclidean affine functions and their application to calendar
/// algorithms"); `None` outside of them.
#[inline]
fn civil(days: i64) -> Option<(u32, u32, u32)> {
    let shifted = u32::try_from(days + EPOCH).ok().filter(|shifted| *shifted < 3_652_365)?;
    let first = 4 * shifted + 3;
    let (century, rest) = (first / 146_097, first % 146_097 / 4);
    let second = u64::from(4 * rest + 3) * 2_939_745;
    let (year_of_century, day_of_year) = ((second >> 32) as u32, (second as u32) / 2_939_745 / 4);
    let third = 2_141 * day_of_year + 197_913;
    let (month, day) = (third >> 16, (third & 0xFFFF) / 2_141 + 1);
    let next_year = day_of_year >= 306;
    let year = 100 * century + year_of_century + u32::from(next_year);
    (year <= 9_999).then_some((year, if next_year { month - 12 } else { month }, day))
}

/// Writes `YYYY-MM-DD` at the start of a window that has room for it.
#[inline]
fn put_date<const N: usize>(window: &mut [u8; N], (year, month, day): (u32, u32, u32)) {
    let ([a, b], [c, d]) = (pair(u64::from(year / 100)), pair(year.into()));
    let ([e, f], [g, h]) = (pair(month.into()), pair(day.into()));
    if let Some(slot) = window.first_chunk_mut::<10>() {
        *slot = [a, b, c, d, b'-', e, f, b'-', g, h];
    }
}

/// `HH:MM:SS` of seconds since midnight.
#[inline]
fn clock(seconds: u32) -> [u8; 8] {
    let ([a, b], [c, d], [e, f]) = (pair((seconds / 3_600).into()), pair((seconds / 60 % 60).into()), pair((seconds % 60).into()));
    [a, b, b':', c, d, b':', e, f]
}

/// Appends `.` and the digits of a fraction of a second, in three, six or nine of them; nothing for none.
#[inline]
fn fraction(nanos: u32, sink: &mut Sink) {
    if nanos == 0 {
        return;
    }
    let digits = Digits::of(nanos.into());
    let count = if nanos % 1_000_000 == 0 {
        3
    } else if nanos % 1_000 == 0 {
        6
    } else {
        9
    };
    sink.byte(b'.');
    digits.push(END - 9, END - 9 + count, sink);
}

/// Appends a date from days since 1970-01-01.
#[inline]
pub(super) fn date(days: i64, sink: &mut Sink) {
    match civil(days) {
        Some(civil) => sink.window(|window: &mut [u8; 10]| {
            put_date(window, civil);
            10
        }),
        None => {
            let mut text = Vec::with_capacity(16);
            calendar::push_date(days, &mut text);
            sink.put(&text);
        }
    }
}

/// Appends a time of day from nanoseconds since midnight.
#[inline]
pub(super) fn time(nanos: i64, sink: &mut Sink) {
    let nanos = nanos.unsigned_abs();
    sink.block(&clock((nanos / 1_000_000_000) as u32), 8);
    fraction((nanos % 1_000_000_000) as u32, sink);
}

/// Appends a timestamp from days since 1970-01-01 and nanoseconds of the day.
#[inline]
pub(super) fn timestamp(days: i64, nanos: i64, zoned: bool, sink: &mut Sink) {
    let nanos = nanos.unsigned_abs();
    match civil(days) {
        Some(civil) => sink.window(|window: &mut [u8; 19]| {
            put_date(window, civil);
            window[10] = b'T';
            window[11..].copy_from_slice(&clock((nanos / 1_000_000_000) as u32));
            19
        }),
        None => {
            date(days, sink);
            sink.byte(b'T');
            sink.block(&clock((nanos / 1_000_000_000) as u32), 8);
        }
    }
    fraction((nanos % 1_000_000_000) as u32, sink);
    if zoned {
        sink.byte(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Sink)) -> String {
        let mut sink = Sink::default();
        write(&mut sink);
        String::from_utf8(sink.written().to_vec()).unwrap()
    }

    #[test]
    fn every_day_of_ten_thousand_years() {
        for days in -719_600..2_932_950_i64 {
            if let Some((year, month, day)) = civil(days) {
                assert_eq!(calendar::civil(days), (i64::from(year), month, day), "{days}");
            } else {
                assert!(!(0..=9_999).contains(&calendar::civil(days).0) || calendar::civil(days).0 == 0, "{days}");
            }
        }
        assert_eq!(written(|sink| date(-719_529, sink)), "-0001-12-31");
    }

    #[test]
    fn powers_of_ten() {
        for exponent in 0..20 {
            let power = 10_u64.pow(exponent);
            for value in [power - 1, power, power + 1, power / 2] {
                assert_eq!(written(|sink| unsigned(value, sink)), value.to_string());
            }
        }
        for value in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(written(|sink| integer(value, sink)), value.to_string());
        }
        assert_eq!(written(|sink| unsigned(u64::MAX, sink)), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn integers(value in any::<i64>(), shift in 0..64_u32) {
            let value = value >> shift;
            prop_assert_eq!(written(|sink| integer(value, sink)), value.to_string());
        }

        #[test]
        fn decimals(value in any::<i128>(), shift in 0..128_u32, scale in -3..=38_i8) {
            let value = value >> shift;
            let mut exact = Vec::new();
            push_decimal(&value.to_string(), scale, &mut exact);
            prop_assert_eq!(written(|sink| decimal(value, scale, sink)), String::from_utf8(exact).unwrap());
        }

        #[test]
        fn timestamps(days in -800_000_i64..4_000_000, nanos in 0..86_400_000_000_000_i64, coarse in 0..3_u32) {
            let nanos = nanos / 1000_i64.pow(coarse) * 1000_i64.pow(coarse);
            let mut exact = Vec::new();
            calendar::push_date(days, &mut exact);
            exact.push(b'T');
            calendar::push_time_nanos(nanos, &mut exact);
            prop_assert_eq!(written(|sink| timestamp(days, nanos, false, sink)), String::from_utf8(exact).unwrap());
        }
    }
}
