//! Numbers, dates and times → digits, fast: eight digits at a time by arithmetic, in blocks of a fixed length, without loops. What is
//! outside the usual range takes the exact but slower way over [`crate::calendar`] and text.

use super::sink::Sink;
use crate::calendar;

/// `00` to `99`, and more so that any seven bits find something.
const PAIRS: [[u8; 2]; 128] = {
    let mut pairs = [[0; 2]; 128];
    let mut value = 0;
    while value < 128 {
        pairs[value] = [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// The two digits of a number below 100.
#[inline]
fn pair(value: u32) -> [u8; 2] {
    PAIRS[(value & 127) as usize]
}

const EIGHT: u64 = 100_000_000;
const SIXTEEN: u64 = EIGHT * EIGHT;
/// `0` in each byte.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The eight digits of a number below 10^8, zeros before it included, one per byte as numbers; the first one in the lowest byte. All
/// are made at once: first two groups of four, then four of two, then eight of one.
#[inline]
fn eight(value: u32) -> u64 {
    let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | (twos - tens * 10) << 8
}

/// The sixteen digits of a number below 10^16, likewise.
#[inline]
fn sixteen(value: u64) -> u128 {
    u128::from(eight((value / EIGHT) as u32)) | u128::from(eight((value % EIGHT) as u32)) << 64
}

/// Appends an integer.
#[inline(always)]
pub(super) fn integer(value: i64, sink: &mut Sink) {
    signed(value < 0, value.unsigned_abs(), sink);
}

/// Appends an integer.
#[inline]
pub(super) fn unsigned(value: u64, sink: &mut Sink) {
    signed(false, value, sink);
}

#[inline(always)]
fn signed(negative: bool, value: u64, sink: &mut Sink) {
    if value < EIGHT {
        let sign = usize::from(negative);
        sink.window(|window: &mut [u8; 9]| {
            let digits = eight(value as u32);
            let skip = (digits.trailing_zeros() / 8).min(7);
            let text = ((digits >> (8 * skip)) | ZEROS).to_le_bytes();
            window[0] = b'-';
            window[sign..sign + 8].copy_from_slice(&text);
            sign + 8 - skip as usize
        });
    } else {
        long(negative, value, sink);
    }
}

/// Appends a number of more than eight digits.
fn long(negative: bool, value: u64, sink: &mut Sink) {
    let high = value / SIXTEEN;
    let digits = sixteen(value % SIXTEEN);
    let text = digits | u128::from(ZEROS) << 64 | u128::from(ZEROS);
    if high > 0 {
        signed(negative, high, sink);
        return sink.block(&text.to_le_bytes(), 16);
    }
    let skip = digits.trailing_zeros() / 8;
    sink.window(|window: &mut [u8; 17]| {
        let sign = usize::from(negative);
        window[0] = b'-';
        window[sign..sign + 16].copy_from_slice(&(text >> (8 * skip)).to_le_bytes());
        sign + 16 - skip as usize
    });
}

/// Appends a decimal: plain notation, all digits of the scale.
#[inline]
pub(super) fn decimal(unscaled: i128, scale: i8, sink: &mut Sink) {
    match (u64::try_from(unscaled.unsigned_abs()), scale) {
        (Ok(magnitude @ ..SIXTEEN), 1..=15) => sink.window(|window: &mut [u8; 34]| {
            let (digits, scale) = (sixteen(magnitude), u32::from(scale.unsigned_abs()));
            // At least one digit stands before the point.
            let skip = (digits.trailing_zeros() / 8).min(15 - scale);
            let text = (digits >> (8 * skip)) | u128::from(ZEROS) << 64 | u128::from(ZEROS);
            let (sign, whole) = (usize::from(unscaled < 0), (16 - skip - scale) as usize);
            window[0] = b'-';
            window[sign..sign + 16].copy_from_slice(&text.to_le_bytes());
            let point = sign + whole;
            if let Some(slot) = window.get_mut(point..point + 17) {
                slot[0] = b'.';
                slot[1..].copy_from_slice(&(text >> (8 * whole)).to_le_bytes());
            }
            point + 1 + scale as usize
        }),
        (Ok(magnitude), 0) => signed(unscaled < 0, magnitude, sink),
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

/// `YYYY-MM-DD`
#[inline]
fn calendar_date((year, month, day): (u32, u32, u32)) -> [u8; 10] {
    let ([a, b], [c, d], [e, f], [g, h]) = (pair(year / 100), pair(year % 100), pair(month), pair(day));
    [a, b, c, d, b'-', e, f, b'-', g, h]
}

/// `HH:MM:SS` of seconds since midnight.
#[inline]
fn clock(seconds: u32) -> [u8; 8] {
    let ([a, b], [c, d], [e, f]) = (pair(seconds / 3_600), pair(seconds / 60 % 60), pair(seconds % 60));
    [a, b, b':', c, d, b':', e, f]
}

/// Appends `.` and the digits of a fraction of a second, in three, six or nine of them, and `Z` where there is a zone.
#[inline]
fn fraction_and_zone(nanos: u32, zoned: bool, sink: &mut Sink) {
    let count = match nanos {
        0 => {
            if zoned {
                sink.byte(b'Z');
            }
            return;
        }
        _ if nanos.is_multiple_of(1_000_000) => 3,
        _ if nanos.is_multiple_of(1_000) => 6,
        _ => 9,
    };
    sink.window(|window: &mut [u8; 11]| {
        // The first eight of nine digits at once, and the ninth.
        window[0] = b'.';
        window[1..9].copy_from_slice(&(eight(nanos / 10) | ZEROS).to_le_bytes());
        window[9] = b'0' + (nanos % 10) as u8;
        if zoned {
            window[1 + count] = b'Z';
        }
        1 + count + usize::from(zoned)
    });
}

/// Appends a date from days since 1970-01-01.
#[inline]
pub(super) fn date(days: i64, sink: &mut Sink) {
    match civil(days) {
        Some(civil) => sink.block(&calendar_date(civil), 10),
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
    fraction_and_zone((nanos % 1_000_000_000) as u32, false, sink);
}

/// Appends a timestamp from days since 1970-01-01 and nanoseconds of the day.
#[inline]
pub(super) fn timestamp(days: i64, nanos: i64, zoned: bool, sink: &mut Sink) {
    let nanos = nanos.unsigned_abs();
    match civil(days) {
        Some(civil) => sink.window(|window: &mut [u8; 19]| {
            window[..10].copy_from_slice(&calendar_date(civil));
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
    fraction_and_zone((nanos % 1_000_000_000) as u32, zoned, sink);
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
