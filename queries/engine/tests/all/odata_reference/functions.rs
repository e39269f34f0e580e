//! The functions of the specification over values, `cast` included. It must not know expressions.

use super::*;

pub(super) fn call(function: ODataFunction, arguments: &[Value], to: ScalarType, now: i64) -> Outcome {
    let text = |index: usize| match &arguments[index] {
        Value::Text(text) => text.as_str(),
        other => panic!("{other:?} is no text"),
    };
    let whole = |number: usize| Value::Int32(i32::try_from(number).unwrap());
    let letters = |map: fn(char) -> Vec<char>| {
        // One code point becomes one; what has no such mapping stays.
        text(0).chars().map(|letter| if let [single] = map(letter)[..] { single } else { letter }).collect::<String>()
    };
    Ok(match function {
        ODataFunction::Contains => Value::Boolean(text(0).contains(text(1))),
        ODataFunction::StartsWith => Value::Boolean(text(0).starts_with(text(1))),
        ODataFunction::EndsWith => Value::Boolean(text(0).ends_with(text(1))),
        ODataFunction::Length => whole(text(0).chars().count()),
        ODataFunction::IndexOf => text(0).find(text(1)).map_or(Value::Int32(-1), |at| whole(text(0)[..at].chars().count())),
        ODataFunction::Substring => substring(text(0), &arguments[1..])?,
        ODataFunction::ToLower => Value::text(letters(|letter| letter.to_lowercase().collect())),
        ODataFunction::ToUpper => Value::text(letters(|letter| letter.to_uppercase().collect())),
        ODataFunction::Trim => Value::text(text(0).trim_matches(char::is_whitespace)),
        ODataFunction::Concat => Value::text(format!("{}{}", text(0), text(1))),
        ODataFunction::Year => Value::Int32(i32::try_from(civil(day(&arguments[0])).0).unwrap()),
        ODataFunction::Month => Value::Int32(civil(day(&arguments[0])).1),
        ODataFunction::Day => Value::Int32(civil(day(&arguments[0])).2),
        ODataFunction::Hour => Value::Int32(i32::try_from(clock(&arguments[0]) / 3_600_000_000).unwrap()),
        ODataFunction::Minute => Value::Int32(i32::try_from(clock(&arguments[0]) / 60_000_000 % 60).unwrap()),
        ODataFunction::Second => Value::Int32(i32::try_from(clock(&arguments[0]) / 1_000_000 % 60).unwrap()),
        ODataFunction::FractionalSeconds => {
            Value::Decimal { unscaled: i128::from(clock(&arguments[0]) % 1_000_000).into(), precision: 7, scale: 6 }
        }
        ODataFunction::Date => Value::Date(i32::try_from(day(&arguments[0])).unwrap()),
        ODataFunction::Time => Value::Time(clock(&arguments[0])),
        ODataFunction::Now => Value::TimestampTz(now),
        ODataFunction::Round | ODataFunction::Floor | ODataFunction::Ceiling => return to_whole(function, &arguments[0], to),
        ODataFunction::MatchesPattern => Value::Boolean(matches(text(0), text(1))),
        ODataFunction::TotalOffsetMinutes => Value::Int32(0),
        ODataFunction::TotalSeconds => Value::Decimal { unscaled: exact(&arguments[0])?.0.into(), precision: 19, scale: 6 },
        ODataFunction::HasFlags => Value::Boolean(exact(&arguments[0])?.0 & exact(&arguments[1])?.0 == exact(&arguments[1])?.0),
        ODataFunction::ShiftInstant => {
            let micros = clock_and_day(&arguments[0]) + exact(&arguments[1])?.0;
            let micros = i64::try_from(micros).map_err(|_| Fault("an instant out of range"))?;
            if to == ScalarType::Timestamp { Value::Timestamp(micros) } else { Value::TimestampTz(micros) }
        }
        ODataFunction::ShiftDate => {
            let micros = i128::from(day(&arguments[0])) * i128::from(DAY) + exact(&arguments[1])?.0;
            Value::Date(i32::try_from(micros.div_euclid(DAY.into())).map_err(|_| Fault("a date out of range"))?)
        }
        ODataFunction::Elapsed | ODataFunction::ElapsedDays => {
            return integer(clock_and_day(&arguments[0]) - clock_and_day(&arguments[1]), ScalarType::Int64);
        }
        ODataFunction::Distance | ODataFunction::LineLength | ODataFunction::Intersects | ODataFunction::PointAt | ODataFunction::Place => {
            panic!("no row here has a place")
        }
        ODataFunction::WholeNumber => match &arguments[0] {
            Value::Float64(number) if number.0.round().abs() < 9.2e18 => Value::Int64(number.0.round() as i64),
            _ => return Err(Fault("a duration out of range")),
        },
    })
}

/// Microseconds since the epoch; of a date, of its beginning.
pub(super) fn clock_and_day(value: &Value) -> i128 {
    match value {
        Value::Date(days) => i128::from(*days) * i128::from(DAY),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => i128::from(*micros),
        other => panic!("{other:?} is no moment"),
    }
}

/// Only the patterns that the random expressions hold, as they are rewritten.
pub(super) fn matches(text: &str, pattern: &str) -> bool {
    match pattern {
        "^a" => text.starts_with('a'),
        "b$" => text.ends_with('b'),
        "[0-9]" => text.contains(|letter: char| letter.is_ascii_digit()),
        "^[^A-Za-z0-9_]?$" => text.chars().count() < 2 && !text.contains(|letter: char| letter.is_ascii_alphanumeric() || letter == '_'),
        other => panic!("the reference does not know the pattern {other}"),
    }
}

/// The function `cast`, for the types that the random expressions cast between.
pub(super) fn convert(value: &Value, from: &ValueType, to: &ValueType) -> Outcome {
    assert!(!matches!(from, ValueType::Enumeration(..)));
    let (ValueType::Scalar(to), Value::Null(_)) = (to, value) else {
        return Ok(converted(value, to.scalar())?.unwrap_or(Value::Null(to.scalar())));
    };
    Ok(Value::Null(*to))
}

pub(super) fn converted(value: &Value, to: ScalarType) -> Result<Option<Value>, Fault> {
    let float = match value {
        Value::Float32(number) | Value::Float64(number) => Some(number.0),
        _ => None,
    };
    Ok(match (value, to) {
        (Value::Text(text), ScalarType::Int32) => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if plain { text.parse().ok().map(Value::Int32) } else { None }
        }
        (Value::Boolean(value), ScalarType::Text) => Some(Value::text(value.to_string())),
        (Value::Int16(_) | Value::Int32(_) | Value::Int64(_), ScalarType::Text) => Some(Value::text(exact(value)?.0.to_string())),
        (Value::Guid(text), ScalarType::Text) => Some(Value::text(text)),
        (Value::Date(days), ScalarType::Text) => {
            let (year, month, day) = civil((*days).into());
            Some(Value::text(format!("{year:04}-{month:02}-{day:02}")))
        }
        (Value::Timestamp(_) | Value::TimestampTz(_), ScalarType::Date) => Some(Value::Date(i32::try_from(day(value)).unwrap())),
        (Value::Date(_), ScalarType::TimestampTz) => Some(Value::TimestampTz(i64::try_from(clock_and_day(value)).unwrap())),
        (_, ScalarType::Float64) => match float {
            Some(number) => Some(Value::float64(number)),
            None => Some(promote(value, to)?),
        },
        (_, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64) => match float {
            Some(number) if number.is_finite() && number.abs() < 1.0e30 => integer(number.round() as i128, to).ok(),
            Some(_) => None,
            None => {
                let (digits, scale) = exact(value)?;
                let divisor = 10_i128.pow(scale);
                let away = if (digits % divisor).abs() * 2 >= divisor { digits.signum() } else { 0 };
                integer(digits / divisor + away, to).ok()
            }
        },
        _ => return Err(BEYOND),
    })
}

/// From the zero-based start on, at most as long as asked; a negative start counts from the end.
pub(super) fn substring(text: &str, numbers: &[Value]) -> Outcome {
    let number = |value: &Value| i64::try_from(exact(value).expect("an integer").0).unwrap();
    let length = i64::try_from(text.chars().count()).unwrap();
    let start = match number(&numbers[0]) {
        negative if negative < 0 => (length + negative).max(0),
        start => start.min(length),
    };
    let most = match numbers.get(1).map(number) {
        Some(negative) if negative < 0 => return Err(Fault("substring with a negative length")),
        Some(most) => usize::try_from(most).unwrap(),
        None => usize::MAX,
    };
    Ok(Value::text(text.chars().skip(usize::try_from(start).unwrap()).take(most).collect::<String>()))
}

pub(super) fn to_whole(function: ODataFunction, value: &Value, to: ScalarType) -> Outcome {
    let float = |number: f64| match function {
        ODataFunction::Floor => number.floor(),
        ODataFunction::Ceiling => number.ceil(),
        // The midpoint goes away from zero.
        _ => number.round(),
    };
    match value {
        Value::Float64(value) => Ok(Value::float64(float(value.0))),
        Value::Float32(value) => Ok(Value::Float32(Float(float(value.0)))),
        value => {
            let ScalarType::Decimal { precision, scale } = to else { panic!("{to} is no decimal") };
            let (digits, own) = exact(value)?;
            let divisor = 10_i128.checked_pow(own).ok_or(BEYOND)?;
            let whole = match function {
                ODataFunction::Floor => digits.div_euclid(divisor),
                ODataFunction::Ceiling => -(-digits).div_euclid(divisor),
                _ => digits.signum() * ((digits.abs().checked_mul(2).ok_or(BEYOND)? + divisor) / (divisor * 2)),
            };
            decimal(whole, 0, precision, scale)
        }
    }
}

const DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01.
pub(super) fn day(value: &Value) -> i64 {
    match value {
        Value::Date(days) => i64::from(*days),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => micros.div_euclid(DAY),
        other => panic!("{other:?} has no day"),
    }
}

/// Microseconds since midnight.
pub(super) fn clock(value: &Value) -> i64 {
    match value {
        Value::Time(micros) | Value::Timestamp(micros) | Value::TimestampTz(micros) => micros.rem_euclid(DAY),
        other => panic!("{other:?} has no time of day"),
    }
}

/// Year, month and day, by counting: slow, and plainly right.
pub(super) fn civil(days: i64) -> (i64, i32, i32) {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    // 146,097 days are 400 years.
    let (mut year, mut rest) = (1970 + 400 * days.div_euclid(146_097), days.rem_euclid(146_097));
    while rest >= if leap(year) { 366 } else { 365 } {
        rest -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    (year, i32::try_from(month).unwrap() + 1, i32::try_from(rest).unwrap() + 1)
}
