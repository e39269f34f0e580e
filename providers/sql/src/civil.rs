//! The proleptic Gregorian calendar: days and microseconds to and from ISO 8601 text. It must not know codecs or SQL.

use portico_provider_api::Value;

const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// 0000-01-01, 0001-01-01 and 9999-12-31 as days since 1970-01-01: the last, and what is the first where there is a year 0 and where there is
/// none.
pub(crate) const YEAR_0: i64 = -719_528;
pub(crate) const YEAR_1: i64 = -719_162;
pub(crate) const LAST_DAY: i64 = 2_932_896;

/// The day on which a date or a moment lies, counted from 1970-01-01; none of other values. Whether a database has that day, or can be told
/// of it, is its own.
pub(crate) fn day(value: &Value) -> Option<i64> {
    match value {
        Value::Date(days) => Some(i64::from(*days)),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => Some(micros.div_euclid(MICROS_PER_DAY)),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Time(_)
        | Value::Guid(_)
        | Value::Json(_) => None,
    }
}

/// Days since 1970-01-01 of a date.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_index = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn days_of(year: &str, month: &str, day: &str) -> Option<i32> {
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    if !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let days = days_from_civil(i64::from(year), month, day);
    // A day that the month does not have comes back as another date.
    (civil_from_days(days) == (i64::from(year), month, day)).then(|| i32::try_from(days).ok()).flatten()
}

/// Reads `YYYY-MM-DD`.
pub fn parse_date(text: &str) -> Option<i32> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    days_of(year, month, day)
}

/// Reads `YYYYMMDD`.
pub(crate) fn parse_compact_date(text: &str) -> Option<i32> {
    if text.len() != 8 || !text.is_ascii() {
        return None;
    }
    days_of(&text[..4], &text[4..6], &text[6..])
}

/// Writes `YYYY-MM-DD`; `None` outside the years 0000 to 9999, which four digits cannot say.
pub fn format_date(days: i32) -> Option<String> {
    let (year, month, day) = civil_from_days(i64::from(days));
    (0..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// Reads `HH:MM[:SS[.ffffff]]` as microseconds since midnight. More than six digits are refused: they cannot be held.
pub fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(rest) => match rest.split_once('.') {
            None => (digits(rest, 2)?, 0),
            Some((second, fraction)) => (digits(second, 2)?, fraction_micros(fraction)?),
        },
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(i64::from(hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + i64::from(fraction))
}

fn fraction_micros(text: &str) -> Option<u32> {
    // Zeros beyond the microseconds lose nothing.
    let significant = if text.len() > 6 { text.get(..6).filter(|_| text.bytes().skip(6).all(|byte| byte == b'0'))? } else { text };
    let value = digits(significant, significant.len())?;
    (!significant.is_empty()).then(|| value * 10u32.pow(6 - significant.len() as u32))
}

/// Writes `HH:MM:SS`, with six decimals where there is a fraction.
pub fn format_time(micros: i64) -> String {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { text } else { format!("{text}.{fraction:06}") }
}

/// Reads `YYYY-MM-DD[( |T)HH:MM[:SS[.ffffff]]]` as microseconds since the epoch.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = match text.find([' ', 'T']) {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    };
    let days = i64::from(parse_date(date)?);
    let micros = time.map_or(Some(0), parse_time)?;
    Some(days * MICROS_PER_DAY + micros)
}

/// Reads a timestamp with `Z` or an offset (`+02:00`, `+0200`, `+02`) as microseconds since the epoch in UTC. Without either the
/// text is read as UTC.
pub fn parse_timestamp_tz(text: &str) -> Option<i64> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return parse_timestamp(local);
    }
    // The date's own hyphens end at the tenth character.
    let Some(at) = text.get(10..)?.find(['+', '-']).map(|at| at + 10) else { return parse_timestamp(text) };
    let (local, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset: String = offset[1..].chars().filter(|character| *character != ':').collect();
    let (hours, minutes) = match offset.len() {
        2 => (digits(&offset, 2)?, 0),
        4 if offset.is_ascii() => (digits(&offset[..2], 2)?, digits(&offset[2..], 2)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let shift = sign * i64::from(hours * 60 + minutes) * 60 * MICROS_PER_SECOND;
    Some(parse_timestamp(local.trim_end())? - shift)
}

/// Writes `YYYY-MM-DD HH:MM:SS[.ffffff]`; `None` outside the years 0000 to 9999.
pub fn format_timestamp(micros: i64) -> Option<String> {
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    Some(format!("{} {}", format_date(days)?, format_time(micros.rem_euclid(MICROS_PER_DAY))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_days() {
        let named = [YEAR_0, YEAR_1, LAST_DAY].map(civil_from_days);
        assert_eq!(named, [(0, 1, 1), (1, 1, 1), (9999, 12, 31)]);
        assert_eq!(day(&Value::Timestamp(-1)), Some(-1));
        assert_eq!(day(&Value::Time(1)), None);
    }

    #[test]
    fn dates_round_trip() {
        for days in [-719_528, -719_527, -1, 0, 59, 11_016, 19_782, 2_932_896] {
            assert_eq!(parse_date(&format_date(days).unwrap()), Some(days));
        }
        assert_eq!(format_date(-719_529), None);
        assert_eq!(format_date(2_932_897), None);
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(parse_date("2024-02-29"), Some(19_782));
        assert_eq!(parse_date("2024-2-29"), None);
        assert_eq!(parse_compact_date("20240229"), Some(19_782));
    }

    #[test]
    fn times_and_timestamps() {
        assert_eq!(parse_time("23:59:59.5"), Some(86_399_500_000));
        assert_eq!(parse_time("24:00:00"), None);
        assert_eq!(parse_time("10:00:00.1234567"), None);
        assert_eq!(parse_time("10:00:00.1234560"), parse_time("10:00:00.123456"));
        assert_eq!(parse_timestamp("1970-01-02T00:00:01"), Some(86_401_000_000));
        assert_eq!(parse_timestamp("1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(format_timestamp(-1).as_deref(), Some("1969-12-31 23:59:59.999999"));
        assert_eq!(parse_timestamp_tz("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(parse_timestamp_tz("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_timestamp_tz("1969-12-31 19:00:00-0500"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01T00:00:00Z"), None);
    }
}
