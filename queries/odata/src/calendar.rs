//! Dates, times and timestamps as OData writes them, to and from the numbers that stand for them: days and microseconds. Proleptic
//! Gregorian, UTC. It knows no local time zone.

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days since 1970-01-01 of a date; `None` when there is no such day.
fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    // Years that begin in March put the leap day last; eras of 400 years all have the same length.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Year, month and day of a number of days since 1970-01-01.
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Reads `[-]YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    i32::try_from(parse_days(text)?).ok()
}

fn parse_days(text: &str) -> Option<i64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (rest, day) = rest.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    if year.len() < 4 || year.len() > 9 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    days(sign * i64::from(whole(year)?), whole(month)?, whole(day)?)
}

fn whole(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Reads `HH:MM[:SS[.fraction]]` as microseconds; a fraction finer than microseconds is none, unless it is zeros.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let mut two = |most: u32| parts.next().filter(|part| part.len() == 2).and_then(whole).filter(|value| *value <= most);
    let (hour, minute) = (two(23)?, two(59)?);
    let (second, micros) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (second, fraction) = rest.split_once('.').map_or((rest, None), |(second, fraction)| (second, Some(fraction)));
            let second = Some(second).filter(|second| second.len() == 2).and_then(whole).filter(|second| *second <= 59)?;
            (second, fraction.map_or(Some(0), parse_fraction)?)
        }
    };
    Some((i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)) * MICROS_PER_SECOND + micros)
}

fn parse_fraction(fraction: &str) -> Option<i64> {
    let significant = fraction.trim_end_matches('0');
    if fraction.is_empty() || significant.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{significant:0<6}").parse().ok()
}

/// Reads a date, `T` and a time, with `Z`, an offset or neither (then UTC), as microseconds since the epoch.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let (time, offset_minutes) = match rest.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => match rest.rfind(['+', '-']) {
            Some(at) => {
                let (hours, minutes) = rest.get(at + 1..)?.split_once(':')?;
                if hours.len() != 2 || minutes.len() != 2 {
                    return None;
                }
                let hours = whole(hours).filter(|hours| *hours <= 23)?;
                let minutes = i64::from(hours * 60 + whole(minutes).filter(|minutes| *minutes <= 59)?);
                (rest.get(..at)?, if rest.get(at..)?.starts_with('-') { -minutes } else { minutes })
            }
            None => (rest, 0),
        },
    };
    let local = parse_days(date)?.checked_mul(MICROS_PER_DAY)?.checked_add(parse_time(time)?)?;
    local.checked_sub(offset_minutes * 60 * MICROS_PER_SECOND)
}

/// Writes a date: `2026-08-01`; years of more than four digits and before year 0 as OData allows them.
pub(crate) fn push_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    if year < 0 {
        out.push(b'-');
    }
    let mut digits = itoa::Buffer::new();
    let text = digits.format(year.unsigned_abs());
    out.extend(std::iter::repeat_n(b'0', 4_usize.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
    out.push(b'-');
    push_two(month, out);
    out.push(b'-');
    push_two(day, out);
}

/// Writes a time of day from microseconds since midnight.
pub(crate) fn push_time(micros: i64, out: &mut Vec<u8>) {
    push_time_nanos(micros * 1_000, out);
}

/// Writes a time of day from nanoseconds since midnight; a fraction only where there is one, in three, six or nine digits.
pub(crate) fn push_time_nanos(nanos: i64, out: &mut Vec<u8>) {
    let seconds = (nanos / 1_000_000_000) as u32;
    let fraction = (nanos % 1_000_000_000) as u32;
    push_two(seconds / 3_600, out);
    out.push(b':');
    push_two(seconds / 60 % 60, out);
    out.push(b':');
    push_two(seconds % 60, out);
    if fraction != 0 {
        let (value, width) = match fraction {
            whole if whole % 1_000_000 == 0 => (whole / 1_000_000, 3),
            whole if whole % 1_000 == 0 => (whole / 1_000, 6),
            whole => (whole, 9),
        };
        let mut digits = itoa::Buffer::new();
        let text = digits.format(value);
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', width - text.len().min(width)));
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes a timestamp in UTC.
pub(crate) fn push_timestamp(micros: i64, out: &mut Vec<u8>) {
    push_date(micros.div_euclid(MICROS_PER_DAY), out);
    out.push(b'T');
    push_time(micros.rem_euclid(MICROS_PER_DAY), out);
    out.push(b'Z');
}

fn push_two(value: u32, out: &mut Vec<u8>) {
    out.push(b'0' + (value / 10 % 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date_text(days: i64) -> String {
        let mut out = Vec::new();
        push_date(days, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_days() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("1969-12-31", -1),
            ("0001-01-01", -719_162),
            ("0000-03-01", -719_468),
            ("-0001-12-31", -719_529),
            ("9999-12-31", 2_932_896),
            ("12345-06-07", 3_789_548),
        ] {
            assert_eq!(parse_date(text), Some(days), "{text}");
            assert_eq!(date_text(days.into()), text);
        }
        for bad in [
            "2023-02-29",
            "2023-13-01",
            "2023-00-10",
            "2023-01-00",
            "23-01-01",
            "2023-1-01",
            "2023-01-01T",
            "",
            "1900-02-29",
            "+2023-01-01",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_and_timestamps() {
        assert_eq!(parse_time("12:30"), Some(45_000_000_000));
        assert_eq!(parse_time("23:59:59.999999"), Some(MICROS_PER_DAY - 1));
        assert_eq!(parse_time("00:00:00.1000000000"), Some(100_000));
        for bad in ["24:00", "12:60", "12:30:60", "1:30", "12:30:00.", "12:30:00.1234567", "12", "12:30:00:00", "12:30:0x"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
        assert_eq!(parse_timestamp("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(parse_timestamp("1969-12-31T22:30-01:30"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01T00:00:00.000001"), Some(1));
        for bad in
            ["1970-01-01", "1970-01-01T", "1970-01-01T00:00:00+2:00", "1970-01-01T25:00Z", "1970-01-01 00:00:00Z", "1970-01-01T00:00+24:00"]
        {
            assert_eq!(parse_timestamp(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn dates_round_trip(days in any::<i32>()) {
            prop_assert_eq!(parse_date(&date_text(days.into())), Some(days));
        }

        #[test]
        fn timestamps_round_trip(micros in any::<i64>()) {
            let mut out = Vec::new();
            push_timestamp(micros, &mut out);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(parse_timestamp(&text), Some(micros), "{}", text);
        }
    }
}
