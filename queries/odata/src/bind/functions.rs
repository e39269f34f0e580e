//! Which functions there are, what they take and what they yield. It must not know names of properties.
#![deny(clippy::wildcard_enum_match_arm)]

use super::promote::{Operand, coerce, decimal_extent};
use crate::bound::{BoundExpr, ODataFunction};
use crate::edm::type_name;
use crate::pattern;
use crate::syntax::{Literal, LiteralKind};
use crate::value_type::ValueType;
use portico_provider_api::{ScalarType, Value};

/// Names, functions and how many arguments they take.
pub(super) const FUNCTIONS: [(&str, ODataFunction, std::ops::RangeInclusive<usize>); 29] = [
    ("contains", ODataFunction::Contains, 2..=2),
    ("startswith", ODataFunction::StartsWith, 2..=2),
    ("endswith", ODataFunction::EndsWith, 2..=2),
    ("length", ODataFunction::Length, 1..=1),
    ("indexof", ODataFunction::IndexOf, 2..=2),
    ("substring", ODataFunction::Substring, 2..=3),
    ("tolower", ODataFunction::ToLower, 1..=1),
    ("toupper", ODataFunction::ToUpper, 1..=1),
    ("trim", ODataFunction::Trim, 1..=1),
    ("concat", ODataFunction::Concat, 2..=2),
    ("year", ODataFunction::Year, 1..=1),
    ("month", ODataFunction::Month, 1..=1),
    ("day", ODataFunction::Day, 1..=1),
    ("hour", ODataFunction::Hour, 1..=1),
    ("minute", ODataFunction::Minute, 1..=1),
    ("second", ODataFunction::Second, 1..=1),
    ("fractionalseconds", ODataFunction::FractionalSeconds, 1..=1),
    ("date", ODataFunction::Date, 1..=1),
    ("time", ODataFunction::Time, 1..=1),
    ("now", ODataFunction::Now, 0..=0),
    ("round", ODataFunction::Round, 1..=1),
    ("floor", ODataFunction::Floor, 1..=1),
    ("ceiling", ODataFunction::Ceiling, 1..=1),
    ("matchesPattern", ODataFunction::MatchesPattern, 2..=2),
    ("totaloffsetminutes", ODataFunction::TotalOffsetMinutes, 1..=1),
    ("totalseconds", ODataFunction::TotalSeconds, 1..=1),
    ("geo.distance", ODataFunction::Distance, 2..=2),
    ("geo.length", ODataFunction::LineLength, 1..=1),
    ("geo.intersects", ODataFunction::Intersects, 2..=2),
];

/// Functions whose arguments are no plain values, which are bound elsewhere.
pub(super) const OTHERS: [&str; 8] = ["cast", "isof", "case", "mindatetime", "maxdatetime", "hassubset", "hassubsequence", "isdefined"];

/// Binds a call whose number of arguments has been checked.
pub(super) fn call(name: &str, function: ODataFunction, arguments: Vec<Operand>) -> Result<(BoundExpr, ScalarType), String> {
    use ODataFunction as F;
    if function == F::TotalSeconds {
        return total_seconds(name, arguments);
    }
    if let Some(argument) = arguments.iter().find(|argument| !argument.is_plain()) {
        return Err(wrong(name, "other arguments", argument));
    }
    let (arguments, scalar_type) = match function {
        F::Contains | F::StartsWith | F::EndsWith => (texts(name, arguments)?, ScalarType::Boolean),
        F::Length | F::IndexOf => (texts(name, arguments)?, ScalarType::Int32),
        F::ToLower | F::ToUpper | F::Trim | F::Concat => (texts(name, arguments)?, ScalarType::Text),
        F::Substring => (substring(name, arguments)?, ScalarType::Text),
        F::Year | F::Month | F::Day => {
            (instants(name, arguments, &[ScalarType::Date, ScalarType::TimestampTz, ScalarType::Timestamp])?, ScalarType::Int32)
        }
        F::Hour | F::Minute | F::Second => {
            (instants(name, arguments, &[ScalarType::Time, ScalarType::TimestampTz, ScalarType::Timestamp])?, ScalarType::Int32)
        }
        F::FractionalSeconds => {
            let arguments = instants(name, arguments, &[ScalarType::Time, ScalarType::TimestampTz, ScalarType::Timestamp])?;
            (arguments, ScalarType::Decimal { precision: 7, scale: 6 })
        }
        F::Date => (instants(name, arguments, &[ScalarType::TimestampTz, ScalarType::Timestamp])?, ScalarType::Date),
        F::Time => (instants(name, arguments, &[ScalarType::TimestampTz, ScalarType::Timestamp])?, ScalarType::Time),
        F::Now => (Vec::new(), ScalarType::TimestampTz),
        F::Round | F::Floor | F::Ceiling => whole(name, arguments)?,
        F::MatchesPattern => (matches_pattern(name, arguments)?, ScalarType::Boolean),
        F::TotalOffsetMinutes => {
            // A literal says its own offset; everything else is in UTC.
            if let Some(minutes) = arguments.first().and_then(|argument| argument.literal.as_ref()).and_then(offset_minutes) {
                return Ok((BoundExpr::Literal(Value::Int32(minutes)), ScalarType::Int32));
            }
            (instants(name, arguments, &[ScalarType::TimestampTz, ScalarType::Timestamp])?, ScalarType::Int32)
        }
        // The others take no plain values and are bound elsewhere, or are none that requests name.
        F::Distance
        | F::LineLength
        | F::Intersects
        | F::PointAt
        | F::Place
        | F::TotalSeconds
        | F::HasFlags
        | F::ShiftInstant
        | F::ShiftDate
        | F::Elapsed
        | F::ElapsedDays
        | F::WholeNumber => {
            return Err(format!("there is no function '{name}'"));
        }
    };
    Ok((BoundExpr::Call { function, arguments, scalar_type }, scalar_type))
}

fn wrong(name: &str, expected: &str, found: &Operand) -> String {
    format!("{name} expects {expected}, not {}", found.description())
}

fn texts(name: &str, arguments: Vec<Operand>) -> Result<Vec<BoundExpr>, String> {
    arguments.into_iter().map(|argument| text(name, argument)).collect()
}

fn text(name: &str, argument: Operand) -> Result<BoundExpr, String> {
    match argument.scalar_type() {
        None | Some(ScalarType::Text) => coerce(argument, ScalarType::Text),
        Some(_) => Err(wrong(name, "text", &argument)),
    }
}

/// Text, start and length; the last two as 64-bit integers.
fn substring(name: &str, arguments: Vec<Operand>) -> Result<Vec<BoundExpr>, String> {
    let mut bound = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.into_iter().enumerate() {
        if index == 0 {
            bound.push(text(name, argument)?);
            continue;
        }
        let expected = if index == 1 { "a whole number as its start" } else { "a whole number as its length" };
        if !matches!(argument.scalar_type(), None | Some(ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64)) {
            return Err(wrong(name, expected, &argument));
        }
        let shown = argument.text.clone();
        let number = coerce(argument, ScalarType::Int64)?;
        // A negative start counts from the end; a negative length is a bad request.
        if index == 2 && matches!(number, BoundExpr::Literal(Value::Int64(value)) if value < 0) {
            return Err(format!("{name} expects {expected} that is not negative, not {shown}"));
        }
        bound.push(number);
    }
    Ok(bound)
}

fn total_seconds(name: &str, arguments: Vec<Operand>) -> Result<(BoundExpr, ScalarType), String> {
    let Some(argument) = arguments.into_iter().next() else { return Err(format!("{name} expects a duration")) };
    let fits = matches!(argument.value_type, None | Some(ValueType::Duration)) || argument.literal.is_some();
    if !fits {
        return Err(wrong(name, "a duration", &argument));
    }
    let scalar_type = ScalarType::Decimal { precision: 19, scale: 6 };
    let arguments = vec![coerce(argument, ValueType::Duration)?];
    Ok((BoundExpr::Call { function: ODataFunction::TotalSeconds, arguments, scalar_type }, scalar_type))
}

/// Text and a pattern, which must be known: it is rewritten here.
fn matches_pattern(name: &str, arguments: Vec<Operand>) -> Result<Vec<BoundExpr>, String> {
    let mut bound = texts(name, arguments)?;
    if let Some(BoundExpr::Literal(Value::Text(pattern))) = bound.get(1) {
        let translated = pattern::translate(pattern).map_err(|error| match error {
            pattern::PatternError::Malformed(why) => format!("{name}: the pattern is not a regular expression: {why}"),
            pattern::PatternError::Unsupported(what) => format!("{UNSUPPORTED}{what} in {name}"),
        })?;
        bound.truncate(1);
        bound.push(BoundExpr::Literal(Value::Text(translated)));
    } else if !matches!(bound.get(1), Some(BoundExpr::Literal(_))) {
        return Err(format!("{UNSUPPORTED}a pattern that is not a literal in {name}"));
    }
    Ok(bound)
}

/// What messages begin with that are about something right that is not built.
pub(super) const UNSUPPORTED: &str = "unsupported: ";

/// The offset that a literal instant is written with.
fn offset_minutes(literal: &Literal) -> Option<i32> {
    let (_, time) = literal.text.split_once(['T', 't']).filter(|_| literal.kind == LiteralKind::DateTimeOffset)?;
    let Some(at) = time.rfind(['+', '-']) else { return Some(0) };
    let (hours, minutes) = time.get(at + 1..)?.split_once(':')?;
    let minutes = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
    Some(if time.get(at..)?.starts_with('-') { -minutes } else { minutes })
}

/// One argument of one of the given types; a literal may become the first that it fits.
fn instants(name: &str, arguments: Vec<Operand>, types: &[ScalarType]) -> Result<Vec<BoundExpr>, String> {
    let mut bound = Vec::with_capacity(arguments.len());
    for argument in arguments {
        if argument.literal.as_ref().and_then(offset_minutes).is_some_and(|minutes| minutes != 0) {
            // Values are kept in UTC; the specification then forbids to answer for a literal in another zone.
            return Err(format!("{name} of {} needs the instant in UTC: write it with 'Z'", argument.text));
        }
        let fitting = match (argument.scalar_type(), &argument.literal) {
            (None, _) => types.first().copied(),
            (Some(scalar_type), _) if types.contains(&scalar_type) => Some(scalar_type),
            (Some(ScalarType::Text), Some(literal)) => {
                types.iter().copied().find(|scalar_type| matches!(super::promote::exact(literal, *scalar_type), Ok(Some(_))))
            }
            (Some(_), _) => None,
        };
        let names: Vec<_> = types.iter().filter(|scalar_type| **scalar_type != ScalarType::Timestamp).map(|t| type_name(*t)).collect();
        let Some(fitting) = fitting else { return Err(wrong(name, &names.join(" or "), &argument)) };
        bound.push(coerce(argument, fitting)?);
    }
    Ok(bound)
}

/// Rounding: floats and decimals as they are, integers as decimals.
fn whole(name: &str, arguments: Vec<Operand>) -> Result<(Vec<BoundExpr>, ScalarType), String> {
    let Some(argument) = arguments.into_iter().next() else { return Err(format!("{name} expects a number")) };
    let scalar_type = match argument.scalar_type() {
        None => ScalarType::Float64,
        Some(float @ (ScalarType::Float32 | ScalarType::Float64)) => float,
        Some(exact) => match decimal_extent(exact) {
            // 9.5 is rounded to 10: a whole number may have a digit more.
            Some((precision, scale)) => {
                ScalarType::Decimal { precision: (precision + i16::from(scale > 0)).min(76) as u8, scale: scale as i8 }
            }
            None => return Err(wrong(name, "a number", &argument)),
        },
    };
    Ok((vec![coerce(argument, scalar_type)?], scalar_type))
}
