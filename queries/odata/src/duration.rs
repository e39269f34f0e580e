//! Durations as OData writes them (`P1DT2H3M4.5S`: days and time, no years and months), to and from the microseconds that stand for
//! them. It must not know where the text came from.

use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};

/// Reads `[+-]P[nD][T[nH][nM][n[.n]S]]`. `None` when it is not of that form, finer than microseconds, or out of range.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').map_or((rest, None), |(days, time)| (days, Some(time)));
    let mut total: i128 = 0;
    if !days.is_empty() {
        total += whole(days.strip_suffix('D')?)? * i128::from(MICROS_PER_DAY);
    } else if time.is_none() {
        return None;
    }
    if let Some(mut time) = time {
        if time.is_empty() {
            return None;
        }
        for (unit, seconds) in [('H', 3_600), ('M', 60)] {
            if let Some((value, rest)) = time.split_once(unit) {
                total += whole(value)? * seconds * i128::from(MICROS_PER_SECOND);
                time = rest;
            }
        }
        if !time.is_empty() {
            let value = time.strip_suffix('S')?;
            let (seconds, fraction) = value.split_once('.').map_or((value, "0"), |(seconds, fraction)| (seconds, fraction));
            total += whole(seconds)? * i128::from(MICROS_PER_SECOND) + fraction_micros(fraction)?;
        }
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn whole(digits: &str) -> Option<i128> {
    let fits = !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { digits.parse().ok() } else { None }
}

fn fraction_micros(digits: &str) -> Option<i128> {
    let significant = digits.trim_end_matches('0');
    if digits.is_empty() || significant.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{significant:0<6}").parse().ok()
}

/// Appends a duration: no part that is zero but the seconds of `PT0S`, a fraction without zeros at its end.
pub(crate) fn push(micros: i64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let mut part = |value: u64, unit: u8, out: &mut Vec<u8>| {
        if value > 0 {
            out.extend_from_slice(digits.format(value).as_bytes());
            out.push(unit);
        }
    };
    if micros < 0 {
        out.push(b'-');
    }
    out.push(b'P');
    let micros_of = |micros: i64| micros.unsigned_abs();
    let (total, day, second) = (micros_of(micros), micros_of(MICROS_PER_DAY), micros_of(MICROS_PER_SECOND));
    part(total / day, b'D', out);
    let rest = total % day;
    if rest == 0 && total > 0 {
        return;
    }
    out.push(b'T');
    part(rest / (3_600 * second), b'H', out);
    part(rest / (60 * second) % 60, b'M', out);
    let (seconds, fraction) = (rest / second % 60, rest % second);
    if seconds == 0 && fraction == 0 && total > 0 {
        return;
    }
    out.extend_from_slice(digits.format(seconds).as_bytes());
    if fraction > 0 {
        let text = format!(".{fraction:06}");
        out.extend_from_slice(text.trim_end_matches('0').as_bytes());
    }
    out.push(b'S');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(micros: i64) -> String {
        let mut out = Vec::new();
        push(micros, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_durations() {
        for (micros, shown) in [
            (0, "PT0S"),
            (1, "PT0.000001S"),
            (-1_500_000, "-PT1.5S"),
            (MICROS_PER_DAY, "P1D"),
            (60 * MICROS_PER_SECOND, "PT1M"),
            (MICROS_PER_DAY + 3_600 * MICROS_PER_SECOND, "P1DT1H"),
            (MICROS_PER_DAY * 12 + 43_384_200_000, "P12DT12H3M4.2S"),
            (i64::MIN, "-P106751991DT4H54.775808S"),
        ] {
            assert_eq!((text(micros).as_str(), parse(shown)), (shown, Some(micros)));
        }
        for (given, micros) in [("PT24H", MICROS_PER_DAY), ("+P0D", 0), ("PT90M", 5_400 * MICROS_PER_SECOND), ("PT1.2000000S", 1_200_000)] {
            assert_eq!(parse(given), Some(micros), "{given}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1",
            "1D",
            "P1Y",
            "P1M",
            "PT1",
            "PT.5S",
            "PT1.S",
            "PT1.2345678S",
            "P1DT",
            "PT1S1M",
            "P-1D",
            "P106751992D",
            "PT1H1H",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn durations_come_back(micros in any::<i64>()) {
            let text = text(micros);
            prop_assert!(crate::parse::value::is_duration(&text), "{}", text);
            prop_assert_eq!(parse(&text), Some(micros), "{}", text);
        }
    }
}
