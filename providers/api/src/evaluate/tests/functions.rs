//! Every function of the closed list.

use super::{call, decimal, literal, null, text};
use crate::evaluate::{EvaluateError, civil_from_days, days_from_civil};
use crate::expr::{Expr, Function};
use crate::types::ScalarType;
use crate::value::Value;

fn truth(function: Function, left: &str, right: &str) -> bool {
    call(function, vec![text(left), text(right)]) == Ok(Value::Boolean(true))
}

#[test]
fn null_in_any_argument_gives_null() {
    for function in Function::ALL {
        let arguments = match function {
            Function::Contains | Function::StartsWith | Function::EndsWith | Function::Like | Function::Position | Function::Concat => {
                vec![text("a"), null(ScalarType::Text)]
            }
            Function::Substring => vec![text("a"), null(ScalarType::Int64)],
            Function::Length | Function::Lower | Function::Upper | Function::Trim => vec![null(ScalarType::Text)],
            Function::Year | Function::Month | Function::Day => vec![null(ScalarType::Date)],
            Function::Hour | Function::Minute | Function::Second => vec![null(ScalarType::Time)],
            Function::Round | Function::Floor | Function::Ceiling | Function::Abs => vec![null(ScalarType::Float64)],
        };
        let columns = [];
        let expected = Expr::Call { function, arguments: arguments.clone() }.scalar_type(&columns).unwrap();
        assert_eq!(call(function, arguments), Ok(Value::Null(expected)), "{function:?}");
    }
}

#[test]
fn searching() {
    assert!(truth(Function::Contains, "abc", "") && truth(Function::Contains, "", "") && truth(Function::Contains, "a%b", "%"));
    assert!(!truth(Function::Contains, "abc", "B"));
    assert!(truth(Function::StartsWith, "abc", "ab") && !truth(Function::StartsWith, "abc", "bc"));
    assert!(truth(Function::EndsWith, "abc", "bc") && !truth(Function::EndsWith, "abc", "ab"));
    assert_eq!(call(Function::Position, vec![text("a😀b"), text("b")]), Ok(Value::Int32(3)));
    assert_eq!(call(Function::Position, vec![text("abc"), text("x")]), Ok(Value::Int32(0)));
    assert_eq!(call(Function::Position, vec![text("abc"), text("")]), Ok(Value::Int32(1)));
}

#[test]
fn like() {
    for (value, pattern) in [
        ("", ""),
        ("", "%"),
        ("abc", "a%"),
        ("abc", "%c"),
        ("abc", "a_c"),
        ("a😀c", "a_c"),
        ("100%", "100\\%"),
        ("a_b", "a\\_b"),
        ("back\\slash", "back\\\\slash"),
        ("aXbXc", "a%b%c"),
        ("aab", "%ab"),
        ("line\nbreak", "line%"),
        ("[a-c]", "[a-c]"),
    ] {
        assert!(truth(Function::Like, value, pattern), "{value:?} like {pattern:?}");
    }
    for (value, pattern) in [("a", ""), ("", "_"), ("abc", "ABC"), ("abc", "a_"), ("100x", "100\\%"), ("b", "[a-c]"), ("ab", "a\\%")] {
        assert!(!truth(Function::Like, value, pattern), "{value:?} like {pattern:?}");
    }
    assert!(matches!(call(Function::Like, vec![text("a"), text("a\\")]), Err(EvaluateError::Data(_))));
}

#[test]
fn texts() {
    assert_eq!(call(Function::Length, vec![text("a😀e\u{301}")]), Ok(Value::Int32(4)));
    assert_eq!(call(Function::Trim, vec![text("  \ta  ")]), Ok(Value::text("\ta")));
    assert_eq!(call(Function::Lower, vec![text("ÀΩİ")]), Ok(Value::text("àωi")));
    assert_eq!(call(Function::Upper, vec![text("straßeé\u{1f80}")]), Ok(Value::text("STRAßEÉ\u{1f88}")));
    assert_eq!(call(Function::Concat, vec![text("a"), text("")]), Ok(Value::text("a")));
    let substring = |start: i64, length: Option<i64>| {
        let mut arguments = vec![text("a😀cd"), literal(Value::Int64(start))];
        arguments.extend(length.map(|length| literal(Value::Int64(length))));
        call(Function::Substring, arguments)
    };
    assert_eq!(substring(2, Some(2)), Ok(Value::text("😀c")));
    assert_eq!(substring(2, None), Ok(Value::text("😀cd")));
    assert_eq!(substring(0, Some(2)), Ok(Value::text("a")));
    assert_eq!(substring(-5, Some(3)), Ok(Value::text("")));
    assert_eq!(substring(3, Some(i64::MAX)), Ok(Value::text("cd")));
    assert_eq!(substring(9, None), Ok(Value::text("")));
    assert!(matches!(substring(1, Some(-1)), Err(EvaluateError::Data(_))));
}

#[test]
fn calendar_fields() {
    let fields = |days: i64| {
        let date = literal(Value::Date(i32::try_from(days).unwrap()));
        [Function::Year, Function::Month, Function::Day].map(|function| call(function, vec![date.clone()]).unwrap())
    };
    for (year, month, day) in
        [(1970, 1, 1), (1969, 12, 31), (2024, 2, 29), (2000, 2, 29), (1900, 2, 28), (1, 1, 1), (9999, 12, 31), (-1, 3, 1)]
    {
        let days = days_from_civil(year, month, day).unwrap();
        assert_eq!(civil_from_days(days), (year, month, day));
        let expected = [i32::try_from(year).unwrap(), month.cast_signed(), day.cast_signed()].map(Value::Int32);
        assert_eq!(fields(days), expected);
    }
    assert_eq!(days_from_civil(1970, 1, 1), Some(0));
    assert_eq!(days_from_civil(1, 1, 1), Some(-719_162));
    assert_eq!(days_from_civil(9999, 12, 31), Some(2_932_896));
    assert_eq!((days_from_civil(1900, 2, 29), days_from_civil(2023, 2, 29), days_from_civil(2024, 13, 1)), (None, None, None));
    // One microsecond before the epoch is the last of 1969.
    for (function, expected) in
        [(Function::Year, 1969), (Function::Day, 31), (Function::Hour, 23), (Function::Minute, 59), (Function::Second, 59)]
    {
        assert_eq!(call(function, vec![literal(Value::Timestamp(-1))]), Ok(Value::Int32(expected)));
        assert_eq!(call(function, vec![literal(Value::TimestampTz(-1))]), Ok(Value::Int32(expected)));
    }
    assert!(matches!(call(Function::Hour, vec![literal(Value::Date(0))]), Err(EvaluateError::Invalid(_))));
}

#[test]
fn rounding() {
    let float = |function: Function, value: f64| call(function, vec![literal(Value::float64(value))]).unwrap();
    assert_eq!(float(Function::Round, 2.5), Value::float64(3.0));
    assert_eq!(float(Function::Round, -2.5), Value::float64(-3.0));
    assert_eq!(float(Function::Floor, -1.5), Value::float64(-2.0));
    assert_eq!(float(Function::Ceiling, 1.1), Value::float64(2.0));
    let money = |function: Function, cents: i128| call(function, vec![literal(decimal(cents, 5, 2))]);
    assert_eq!(money(Function::Round, 250), Ok(decimal(300, 5, 2)));
    assert_eq!(money(Function::Round, -250), Ok(decimal(-300, 5, 2)));
    assert_eq!(money(Function::Round, 249), Ok(decimal(200, 5, 2)));
    assert_eq!(money(Function::Floor, -101), Ok(decimal(-200, 5, 2)));
    assert_eq!(money(Function::Ceiling, -199), Ok(decimal(-100, 5, 2)));
    assert!(matches!(money(Function::Round, 99_999), Err(EvaluateError::Data(_))));
    assert_eq!(call(Function::Abs, vec![literal(decimal(-5, 2, 1))]), Ok(decimal(5, 2, 1)));
    assert_eq!(call(Function::Abs, vec![literal(Value::Int32(-5))]), Ok(Value::Int32(5)));
    assert!(matches!(call(Function::Abs, vec![literal(Value::Int64(i64::MIN))]), Err(EvaluateError::Data(_))));
    assert!(matches!(call(Function::Round, vec![literal(Value::Int32(5))]), Err(EvaluateError::Invalid(_))));
}
