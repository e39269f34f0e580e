//! The proleptic Gregorian calendar: days and microseconds to fields and ISO 8601 text, and back.

use super::EvaluateError;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Year, month (1 to 12) and day of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    // Years begin in March, so that the leap day comes last; eras are of 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or_default(), u32::try_from(day).unwrap_or_default())
}

/// Days since 1970-01-01; `None` when there is no such day.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) || year.abs() > 1_000_000 {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `YYYY-MM-DD`; years beyond four digits carry a sign.
pub(super) fn date_to_text(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) { format!("{year:04}-{month:02}-{day:02}") } else { format!("{year:+05}-{month:02}-{day:02}") }
}

/// `HH:MM:SS` with three or six digits of fraction when there is one.
pub(super) fn time_to_text(micros: i64) -> String {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => whole,
        fraction if fraction % 1000 == 0 => format!("{whole}.{:03}", fraction / 1000),
        fraction => format!("{whole}.{fraction:06}"),
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction]`.
pub(super) fn timestamp_to_text(micros: i64) -> String {
    format!("{}T{}", date_to_text(micros.div_euclid(MICROS_PER_DAY)), time_to_text(micros.rem_euclid(MICROS_PER_DAY)))
}

fn wrong(what: &str) -> EvaluateError {
    EvaluateError::Data(format!("a text is not a {what}"))
}

fn digits<T: std::str::FromStr>(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<T> {
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Reads `[+-]YYYY-MM-DD`.
pub(super) fn date_from_text(text: &str) -> Result<i64, EvaluateError> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = rest.split('-');
    let year = parts.next().and_then(|part| digits::<i64>(part, 4..=6));
    let month = parts.next().and_then(|part| digits(part, 2..=2));
    let day = parts.next().and_then(|part| digits(part, 2..=2));
    match (year, month, day, parts.next()) {
        (Some(year), Some(month), Some(day), None) => {
            days_from_civil(if negative { -year } else { year }, month, day).ok_or_else(|| wrong("date"))
        }
        _ => Err(wrong("date")),
    }
}

/// Reads `HH:MM[:SS[.ffffff]]`.
pub(super) fn time_from_text(text: &str) -> Result<i64, EvaluateError> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let hour = parts.next().and_then(|part| digits::<i64>(part, 2..=2)).filter(|hour| *hour < 24);
    let minute = parts.next().and_then(|part| digits::<i64>(part, 2..=2)).filter(|minute| *minute < 60);
    let second = parts.next().map_or(Some(0), |part| digits::<i64>(part, 2..=2).filter(|second| *second < 60));
    let fraction = digits::<i64>(&format!("{fraction:0<6}"), 6..=6);
    match (hour, minute, second, fraction, parts.next()) {
        (Some(hour), Some(minute), Some(second), Some(fraction), None) => {
            Ok(((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + fraction)
        }
        _ => Err(wrong("time")),
    }
}

/// Reads a date, then optionally `T` or a space and a time.
pub(super) fn timestamp_from_text(text: &str) -> Result<i64, EvaluateError> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time_from_text(time)?),
        None => (text, 0),
    };
    let midnight = date_from_text(date)?.checked_mul(MICROS_PER_DAY);
    midnight.and_then(|midnight| midnight.checked_add(time)).ok_or_else(|| wrong("timestamp"))
}

/// Reads a timestamp that ends in `Z` or `+HH:MM` / `-HH:MM`; without either it is UTC.
pub(super) fn instant_from_text(text: &str) -> Result<i64, EvaluateError> {
    if let Some(zoneless) = text.strip_suffix(['Z', 'z']) {
        return timestamp_from_text(zoneless);
    }
    // An offset's sign comes after the time's first colon; a date's hyphens come before it.
    let colon = text.find(':');
    let sign = colon.and_then(|colon| text.get(colon..)?.find(['+', '-']).map(|at| colon + at));
    let Some((local, offset)) = sign.and_then(|at| text.split_at_checked(at)) else { return timestamp_from_text(text) };
    let (hours, minutes) = offset.get(1..).unwrap_or_default().split_once(':').ok_or_else(|| wrong("timestamp with zone"))?;
    let hours = digits::<i64>(hours, 2..=2).filter(|hours| *hours < 24);
    let minutes = digits::<i64>(minutes, 2..=2).filter(|minutes| *minutes < 60);
    let (Some(hours), Some(minutes)) = (hours, minutes) else { return Err(wrong("timestamp with zone")) };
    let micros = (hours * 60 + minutes) * 60 * MICROS_PER_SECOND;
    let local = timestamp_from_text(local)?;
    let instant = if offset.starts_with('+') { local.checked_sub(micros) } else { local.checked_add(micros) };
    instant.ok_or_else(|| wrong("timestamp with zone"))
}
