//! Literals as nom parsers over decoded text (ABNF, section 7). Recognising them is generous; [`is_well_formed`] says whether one is of
//! a form that the grammar has. None knows what a literal is used for.

use super::lexical::{Lexed, boundary, qualified_name};
use super::value;
use crate::syntax::{Literal, LiteralKind};
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{map, not, opt, recognize};
use nom::multi::many0_count;
use nom::sequence::{delimited, terminated};

/// Quoted text; a doubled quote stands for one.
fn quoted(input: &str) -> Lexed<'_, String> {
    let part = alt((tag("''"), take_while1(|c| c != '\'')));
    map(delimited(char('\''), recognize(many0_count(part)), char('\'')), |inner: &str| inner.replace("''", "'")).parse(input)
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

/// A timestamp, and whether it lacks an offset, as only earlier versions allowed.
fn date_time(input: &str) -> Lexed<'_, (Literal, bool)> {
    let offset = alt((recognize(one_of("Zz")), recognize((one_of("+-"), digits(2), char(':'), digits(2)))));
    let (rest, (date, t, time, offset)) = terminated((date, one_of("Tt"), time_of_day, opt(offset)), boundary).parse(input)?;
    let text = format!("{date}{t}{time}{}", offset.unwrap_or_default());
    Ok((rest, (Literal { kind: LiteralKind::DateTimeOffset, text }, offset.is_none())))
}

/// A finite number; the suffixes of earlier versions (`L`, `m`, `d`, `f`) are taken and left out of the text.
fn number(input: &str) -> Lexed<'_, (Literal, bool)> {
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
    Ok((rest, (Literal { kind, text: text.trim_start_matches('+').to_owned() }, suffix.is_some())))
}

fn prefixed(input: &str) -> Lexed<'_, (Literal, bool)> {
    let (rest, prefix) = qualified_name(input)?;
    let (rest, text) = quoted(rest)?;
    let (kind, legacy) = match prefix.to_ascii_lowercase().as_str() {
        "binary" => (LiteralKind::Binary, false),
        "duration" => (LiteralKind::Duration, false),
        "geography" => (LiteralKind::Geography, false),
        "geometry" => (LiteralKind::Geometry, false),
        // The prefixes of version 3 are unambiguous and still sent.
        "guid" => (LiteralKind::Guid, true),
        "datetimeoffset" | "datetime" => (LiteralKind::DateTimeOffset, true),
        "time" => (LiteralKind::Duration, true),
        // Without a namespace it is no enumeration, but `X'…'` or another thing of the past.
        prefix => (LiteralKind::Enumeration, !prefix.contains('.')),
    };
    let text = if kind == LiteralKind::Enumeration { format!("{prefix}'{text}'") } else { text };
    Ok((rest, (Literal { kind, text }, legacy)))
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

/// Any literal but lists, and whether its form belongs to earlier versions of the protocol.
pub(super) fn literal(input: &str) -> Lexed<'_, (Literal, bool)> {
    let keep = |kind| move |text: &str| (Literal { kind, text: text.to_owned() }, false);
    alt((
        map(quoted, |text| (Literal { kind: LiteralKind::Text, text }, false)),
        map(word, |literal| (literal, false)),
        map(guid, keep(LiteralKind::Guid)),
        date_time,
        map(terminated(date, boundary), keep(LiteralKind::Date)),
        map(terminated(time_of_day, boundary), keep(LiteralKind::TimeOfDay)),
        number,
        prefixed,
    ))
    .parse(input)
}

/// Whether the grammar has a literal of this form. `raw` is the literal as written.
pub(super) fn is_well_formed(literal: &Literal, raw: &str) -> bool {
    match literal.kind {
        LiteralKind::Null | LiteralKind::Boolean | LiteralKind::NotFinite | LiteralKind::Text => true,
        LiteralKind::Integer | LiteralKind::Decimal => value::is_decimal(raw),
        LiteralKind::Guid => value::is_guid(raw),
        LiteralKind::Date => value::is_date(raw),
        LiteralKind::TimeOfDay => value::is_time_of_day(raw),
        LiteralKind::DateTimeOffset => value::is_date_time_offset(raw),
        LiteralKind::Binary => value::is_binary(&literal.text),
        LiteralKind::Duration => value::is_duration(&literal.text),
        LiteralKind::Enumeration => {
            let quoted = raw.split_once('\'').and_then(|(_, rest)| rest.strip_suffix('\''));
            quoted.is_some_and(value::is_enumeration)
        }
        LiteralKind::Geography | LiteralKind::Geometry => value::is_spatial(&literal.text),
    }
}
