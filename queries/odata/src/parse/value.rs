//! The forms of values (ABNF, section 7, the rules `…Value`): what may stand in payloads and, between the delimiters of a literal, in
//! URLs. Each function says whether a whole text is of a form; none converts anything.

use super::lexical::{Lexed, identifier};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while_m_n};
use nom::character::complete::{anychar, char, digit1, one_of};
use nom::combinator::{all_consuming, cut, map, opt, recognize, verify};
use nom::multi::{many0_count, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// Deepest nesting of collections in spatial values.
const MAX_SPATIAL_DEPTH: usize = 16;

fn whole<'a, T>(text: &'a str, parser: impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>>) -> bool {
    let result: IResult<&str, T> = all_consuming(parser).parse(text);
    result.is_ok()
}

fn two(least: u8, most: u8) -> impl Fn(&str) -> Lexed<'_, &str> {
    move |input| {
        let digits = take_while_m_n(2, 2, |c: char| c.is_ascii_digit());
        verify(digits, |text: &str| text.parse::<u8>().is_ok_and(|number| (least..=most).contains(&number))).parse(input)
    }
}

fn date(input: &str) -> Lexed<'_, &str> {
    let year = verify(digit1, |digits: &str| digits.len() == 4 || (digits.len() > 4 && !digits.starts_with('0')));
    recognize((opt(char('-')), year, char('-'), two(1, 12), char('-'), two(1, 31))).parse(input)
}

fn time_of_day(input: &str) -> Lexed<'_, &str> {
    let fraction = (char('.'), verify(digit1, |digits: &str| digits.len() <= 12));
    let seconds = (char(':'), two(0, 60), opt(fraction));
    recognize((two(0, 23), char(':'), two(0, 59), opt(seconds))).parse(input)
}

fn decimal(input: &str) -> Lexed<'_, &str> {
    let exponent = (one_of("eE"), opt(one_of("+-")), digit1);
    let finite = recognize((opt(one_of("+-")), digit1, opt((char('.'), digit1)), opt(exponent)));
    alt((tag("NaN"), tag("-INF"), tag("INF"), finite)).parse(input)
}

/// `date`
#[must_use]
pub fn is_date(text: &str) -> bool {
    whole(text, date)
}

/// `timeOfDayValue`
#[must_use]
pub fn is_time_of_day(text: &str) -> bool {
    whole(text, time_of_day)
}

/// `dateTimeOffsetValue`
#[must_use]
pub fn is_date_time_offset(text: &str) -> bool {
    let offset = alt((recognize(one_of("Zz")), recognize((one_of("+-"), two(0, 23), char(':'), two(0, 59)))));
    whole(text, (date, one_of("Tt"), time_of_day, offset))
}

/// `durationValue`
#[must_use]
pub fn is_duration(text: &str) -> bool {
    let part = |unit: &'static str| opt((digit1, tag_no_case(unit)));
    let seconds = opt((digit1, opt((char('.'), digit1)), tag_no_case("S")));
    let time = opt((tag_no_case("T"), part("H"), part("M"), seconds));
    whole(text, (opt(char('-')), tag_no_case("P"), part("D"), time))
}

/// `decimalValue`, which is `doubleValue` and `singleValue` too.
#[must_use]
pub fn is_decimal(text: &str) -> bool {
    whole(text, decimal)
}

/// A whole number of at most so many digits: `sbyteValue`, `int16Value` and their like.
#[must_use]
pub fn is_integer(text: &str, digits: usize, signed: bool) -> bool {
    let sign = verify(opt(one_of("+-")), |sign| signed || sign.is_none());
    whole(text, (sign, verify(digit1, |found: &str| found.len() <= digits)))
}

/// `guid`
#[must_use]
pub fn is_guid(text: &str) -> bool {
    let hex = |count: usize| take_while_m_n(count, count, |c: char| c.is_ascii_hexdigit());
    whole(text, (hex(8), char('-'), hex(4), char('-'), hex(4), char('-'), hex(4), char('-'), hex(12)))
}

/// `binaryValue`: base64url, padded or not, whose last character has no stray bits.
#[must_use]
pub fn is_binary(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    if !data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return false;
    }
    let last = data.chars().last();
    match data.len() % 4 {
        0 => padding == 0,
        2 => matches!(padding, 0 | 2) && last.is_some_and(|c| "AQgw".contains(c)),
        3 => matches!(padding, 0 | 1) && last.is_some_and(|c| "AEIMQUYcgkosw048".contains(c)),
        _ => false,
    }
}

/// The members or numbers of `enumValue`, in order.
#[must_use]
pub fn enumeration_members(text: &str) -> Option<Vec<&str>> {
    let member = |part: &&str| whole(part, identifier) || is_integer(part, 19, true);
    let parts: Vec<&str> = text.split(',').collect();
    parts.iter().all(member).then_some(parts)
}

/// `enumValue`, whatever its members are called.
#[must_use]
pub fn is_enumeration(text: &str) -> bool {
    enumeration_members(text).is_some()
}

/// `odataIdentifier`
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    whole(text, identifier)
}

/// `fullPointLiteral` and its like: a spatial value with its reference system.
#[must_use]
pub fn is_spatial(text: &str) -> bool {
    spatial_kind(text).is_some()
}

/// What a spatial value is, in lower case (`point`, `multipolygon`, …), if it is one.
#[must_use]
pub fn spatial_kind(text: &str) -> Option<String> {
    let srid = (tag_no_case("SRID="), verify(digit1, |digits: &str| digits.len() <= 5), char(';'));
    let result: IResult<&str, &str> = all_consuming(preceded(srid, |input| shape(input, 0))).parse(text);
    result.ok().map(|(_, kind)| kind.to_ascii_lowercase())
}

fn position(input: &str) -> Lexed<'_, ()> {
    let more = || opt((char(' '), decimal));
    map((decimal, char(' '), decimal, more(), more()), |_| ()).parse(input)
}

/// Items in parentheses, at least so many.
fn list<'a, T>(
    least: usize,
    item: impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>>,
) -> impl Parser<&'a str, Output = (), Error = nom::error::Error<&'a str>> {
    let items = map(opt(separated_list1(char(','), item)), |items| items.map_or(0, |items| items.len()));
    map(delimited(char('('), verify(items, move |count| *count >= least), char(')')), |_| ())
}

fn ring(input: &str) -> Lexed<'_, ()> {
    list(1, position).parse(input)
}

fn line(input: &str) -> Lexed<'_, ()> {
    list(2, position).parse(input)
}

fn polygon(input: &str) -> Lexed<'_, ()> {
    list(1, ring).parse(input)
}

/// A shape; yields its name. What follows the name is cut, so that nothing is read twice.
fn shape(input: &str, depth: usize) -> Lexed<'_, &str> {
    let (rest, name) =
        recognize((verify(anychar, char::is_ascii_alphabetic), take_while(|c: char| c.is_ascii_alphabetic()))).parse(input)?;
    let deeper = |input| shape(input, depth + 1);
    let result = match name.to_ascii_lowercase().as_str() {
        "point" => cut(delimited(char('('), position, char(')'))).parse(rest),
        "linestring" => cut(line).parse(rest),
        "polygon" => cut(polygon).parse(rest),
        "multipoint" => cut(list(0, delimited(char('('), position, char(')')))).parse(rest),
        "multilinestring" => cut(list(0, line)).parse(rest),
        "multipolygon" => cut(list(0, polygon)).parse(rest),
        "geometrycollection" if depth < MAX_SPATIAL_DEPTH => cut(list(1, deeper)).parse(rest),
        _ => Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Tag))),
    };
    result.map(|(rest, ())| (rest, name))
}

/// Text of a JSON string between its quotes, as it may stand in a URL.
pub(super) fn json_text(input: &str) -> Lexed<'_, &str> {
    let hex = take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit());
    let escape = recognize((char('\\'), alt((recognize(one_of("\"\\/bfnrt")), recognize((char('u'), hex))))));
    let plain = take_while_m_n(1, usize::MAX, |c: char| c != '"' && c != '\\' && !c.is_control());
    delimited(char('"'), recognize(many0_count(alt((plain, escape)))), char('"')).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_in_range() {
        for good in ["2026-08-01", "-0001-12-31", "0000-01-01", "-10000-04-01", "12026-01-31"] {
            assert!(is_date(good), "{good}");
        }
        for bad in ["2026-13-01", "2026-00-01", "2026-01-32", "026-01-01", "012026-01-01", "2026-1-1", "2026-01-01Z"] {
            assert!(!is_date(bad), "{bad}");
        }
        assert!(is_time_of_day("23:59:60.123456789012") && is_time_of_day("00:00"));
        assert!(!is_time_of_day("24:00") && !is_time_of_day("12:60") && !is_time_of_day("12:00:00.1234567890123"));
        assert!(is_date_time_offset("2026-08-01T12:00-12:30") && is_date_time_offset("2026-08-01t12:00:01.5z"));
        assert!(!is_date_time_offset("2026-08-01T12:00") && !is_date_time_offset("2026-08-01T12:00+24:00"));
    }

    #[test]
    fn durations_numbers_and_bytes() {
        for good in ["P1D", "-PT1H2M3.5S", "PT36H", "P1DT2S"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["P1Y", "1D", "P1H", "+P1D", "PT1S2M", "P1.5D"] {
            assert!(!is_duration(bad), "{bad}");
        }
        assert!(is_decimal("+1.5E-10") && is_decimal("-INF") && !is_decimal("1.") && !is_decimal(".5") && !is_decimal("+INF"));
        assert!(is_integer("-128", 3, true) && !is_integer("-1", 3, false) && !is_integer("1234", 3, true) && !is_integer("", 3, true));
        assert!(is_binary("") && is_binary("Zg") && is_binary("Zm8=") && is_binary("Zm9v"));
        assert!(!is_binary("Zh") && !is_binary("Z") && !is_binary("Zg=") && !is_binary("Zm9v=") && !is_binary("Zm+v"));
    }

    #[test]
    fn spatial_values() {
        assert_eq!(spatial_kind("SRID=4326;Point(1.5 -2 3)").as_deref(), Some("point"));
        assert!(is_spatial("srid=0;multilinestring((1 2,3 4))") && is_spatial("SRID=0;MultiPolygon()"));
        assert!(is_spatial("SRID=0;GeometryCollection(Point(1 2),GeometryCollection(Polygon((1 2,1 2))))"));
        for bad in [
            "Point(1 2)",
            "SRID=123456;Point(1 2)",
            "SRID=0;Point(1)",
            "SRID=0;LineString(1 2)",
            "SRID=0;GeometryCollection()",
            "SRID=0;Point()",
        ] {
            assert!(!is_spatial(bad), "{bad}");
        }
        let deep = format!("SRID=0;{}Point(1 2){}", "GeometryCollection(".repeat(10_000), ")".repeat(10_000));
        assert!(!is_spatial(&deep));
    }
}
