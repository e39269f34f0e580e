//! The words of the URL language, as nom parsers over decoded text: names and literals. Each is linear and takes the longest form;
//! none knows what a literal is used for.

use crate::syntax::{Literal, LiteralKind};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{map, not, opt, recognize, verify};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

type Lexed<'a, T> = IResult<&'a str, T>;

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// An identifier: a letter or underscore, then letters, digits, underscores; at most 128 characters.
pub(super) fn identifier(input: &str) -> Lexed<'_, &str> {
    let word =
        recognize((verify(nom::character::complete::anychar, |c: &char| c.is_alphabetic() || *c == '_'), take_while(continues_name)));
    verify(word, |word: &str| word.len() <= 128 || word.chars().count() <= 128).parse(input)
}

/// Identifiers with dots between.
pub(super) fn qualified_name(input: &str) -> Lexed<'_, &str> {
    recognize((identifier, many0_count((char('.'), identifier)))).parse(input)
}

/// A name that begins with `$`.
pub(super) fn special(input: &str) -> Lexed<'_, &str> {
    recognize((char('$'), take_while1(continues_name))).parse(input)
}

/// A parameter alias, with its `@`.
pub(super) fn alias(input: &str) -> Lexed<'_, &str> {
    recognize((char('@'), identifier)).parse(input)
}

/// Quoted text; a doubled quote stands for one.
pub(super) fn quoted(input: &str) -> Lexed<'_, String> {
    let part = alt((tag("''"), take_while1(|c| c != '\'')));
    map(delimited(char('\''), recognize(many0_count(part)), char('\'')), |inner: &str| inner.replace("''", "'")).parse(input)
}

/// Not in the middle of a word or number.
fn boundary(input: &str) -> Lexed<'_, ()> {
    not(verify(nom::character::complete::anychar, |c: &char| continues_name(*c))).parse(input)
}

fn hex<'a>(count: usize) -> impl Parser<&'a str, Output = &'a str, Error = nom::error::Error<&'a str>> {
    take_while_m_n(count, count, |c: char| c.is_ascii_hexdigit())
}

fn digits<'a>(count: usize) -> impl Parser<&'a str, Output = &'a str, Error = nom::error::Error<&'a str>> {
    take_while_m_n(count, count, |c: char| c.is_ascii_digit())
}

fn guid(input: &str) -> Lexed<'_, &str> {
    recognize((hex(8), char('-'), hex(4), char('-'), hex(4), char('-'), hex(4), char('-'), hex(12), boundary)).parse(input)
}

fn date(input: &str) -> Lexed<'_, &str> {
    let year = (opt(char('-')), take_while_m_n(4, 9, |c: char| c.is_ascii_digit()));
    recognize((year, char('-'), digits(2), char('-'), digits(2))).parse(input)
}

fn time_of_day(input: &str) -> Lexed<'_, &str> {
    let seconds = (char(':'), digits(2), opt((char('.'), digit1)));
    recognize((digits(2), char(':'), digits(2), opt(seconds))).parse(input)
}

fn date_time(input: &str) -> Lexed<'_, &str> {
    let offset = alt((recognize(one_of("Zz")), recognize((one_of("+-"), digits(2), char(':'), digits(2)))));
    recognize((date, one_of("Tt"), time_of_day, opt(offset), boundary)).parse(input)
}

/// A finite number; the suffixes of earlier versions (`L`, `m`, `d`, `f`) are taken and left out of the text.
fn number(input: &str) -> Lexed<'_, Literal> {
    let integer = recognize((opt(one_of("+-")), digit1));
    let fraction = recognize((char('.'), digit1));
    let exponent = recognize((one_of("eE"), opt(one_of("+-")), digit1));
    let (rest, text) = recognize((integer, opt(fraction), opt(exponent))).parse(input)?;
    let (rest, suffix) = terminated(opt(one_of("LlMmDdFf")), boundary).parse(rest)?;
    let whole = !text.contains(['.', 'e', 'E']);
    let kind = match suffix {
        None | Some('L' | 'l') if whole => LiteralKind::Integer,
        // A suffix that asks for an integer does not fit a fraction.
        Some('L' | 'l') => return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Digit))),
        _ => LiteralKind::Decimal,
    };
    Ok((rest, Literal { kind, text: text.trim_start_matches('+').to_owned() }))
}

fn prefixed(input: &str) -> Lexed<'_, Literal> {
    let (rest, prefix) = qualified_name(input)?;
    let (rest, text) = quoted(rest)?;
    let kind = match prefix.to_ascii_lowercase().as_str() {
        "binary" => LiteralKind::Binary,
        "duration" => LiteralKind::Duration,
        "geography" | "geometry" => LiteralKind::Geo,
        // The prefixes of version 3 are unambiguous and still sent.
        "guid" => LiteralKind::Guid,
        "datetimeoffset" | "datetime" => LiteralKind::DateTimeOffset,
        "time" => LiteralKind::Duration,
        _ => LiteralKind::Enumeration,
    };
    let text = if kind == LiteralKind::Enumeration { format!("{prefix}'{text}'") } else { text };
    Ok((rest, Literal { kind, text }))
}

fn word(input: &str) -> Lexed<'_, Literal> {
    let keep = |kind| move |text: &str| Literal { kind, text: text.to_owned() };
    let lower = |text: &str| Literal { kind: LiteralKind::Boolean, text: text.to_ascii_lowercase() };
    // `null(…)`, `true/…` and `NaN.x` are names, not literals.
    let end = (boundary, not(one_of("(/.'")));
    terminated(
        alt((
            map(tag("null"), keep(LiteralKind::Null)),
            map(alt((tag_no_case("true"), tag_no_case("false"))), lower),
            map(alt((tag("NaN"), tag("INF"), tag("-INF"))), keep(LiteralKind::NotFinite)),
        )),
        end,
    )
    .parse(input)
}

/// Any literal but lists.
pub(super) fn literal(input: &str) -> Lexed<'_, Literal> {
    let keep = |kind| move |text: &str| Literal { kind, text: text.to_owned() };
    alt((
        map(quoted, |text| Literal { kind: LiteralKind::Text, text }),
        word,
        map(guid, keep(LiteralKind::Guid)),
        map(date_time, keep(LiteralKind::DateTimeOffset)),
        map(terminated(date, boundary), keep(LiteralKind::Date)),
        map(terminated(time_of_day, boundary), keep(LiteralKind::TimeOfDay)),
        number,
        prefixed,
    ))
    .parse(input)
}

/// A whole number without a sign, to the end of its digits.
pub(super) fn unsigned(input: &str) -> Lexed<'_, &str> {
    terminated(digit1, boundary).parse(input)
}

/// What may follow an option's name.
pub(super) fn equals(input: &str) -> Lexed<'_, ()> {
    let space = || take_while(|c| c == ' ' || c == '\t');
    map(preceded(space(), terminated(char('='), space())), |_| ()).parse(input)
}
