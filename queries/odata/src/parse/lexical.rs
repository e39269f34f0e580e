//! The names of the URL language, as nom parsers over decoded text (ABNF, section 6). Each is linear and takes the longest form.

use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::{char, digit1};
use nom::combinator::{map, not, opt, recognize, verify};
use nom::multi::many0_count;
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

pub(super) type Lexed<'a, T> = IResult<&'a str, T>;

pub(super) fn continues_name(c: char) -> bool {
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

/// An annotation: `@`, a name, and perhaps a qualifier after `#`.
pub(super) fn annotation(input: &str) -> Lexed<'_, &str> {
    recognize((char('@'), qualified_name, opt((char('#'), identifier)))).parse(input)
}

/// A key or ordinal that stands as a step of a path and is no name.
pub(super) fn key_step(input: &str) -> Lexed<'_, &str> {
    let first = verify(nom::character::complete::anychar, |c: &char| c.is_ascii_digit() || *c == '-');
    recognize((first, take_while(|c| continues_name(c) || matches!(c, '-' | '.' | '~')))).parse(input)
}

/// Not in the middle of a word or number.
pub(super) fn boundary(input: &str) -> Lexed<'_, ()> {
    not(verify(nom::character::complete::anychar, |c: &char| continues_name(*c))).parse(input)
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
