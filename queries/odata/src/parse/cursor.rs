//! A place in a text, with what every parser here needs: spans in characters, errors that name what was found, and budgets for depth
//! and size, so that no input can exhaust the stack or take more than linear time.

use super::Strictness;
use super::decode::Decoded;
use super::lexical;
use super::literal;
use crate::error::ODataError;
use crate::syntax::{Literal, LiteralKind, Span};
use nom::{IResult, Parser};

/// Deepest nesting of an expression or of `$expand`.
pub(super) const MAX_DEPTH: usize = 100;
/// Most nodes in one option.
pub(super) const MAX_NODES: usize = 20_000;

pub(super) struct Cursor<'a> {
    /// What an error is about: `$filter`, or the path.
    pub(super) target: &'a str,
    pub(super) strictness: Strictness,
    text: &'a str,
    escaped: &'a [u32],
    at: usize,
    base: usize,
    /// Characters before each byte; absent when all are ASCII, where the two are the same.
    characters: Option<Vec<u32>>,
    depth: usize,
    nodes: usize,
    /// Height of the tallest expression read so far inside the innermost parentheses that hold options.
    pub(super) tallest: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `decoded`, whose first character is number `base` of the target.
    pub(super) fn new(target: &'a str, decoded: &'a Decoded, base: usize, strictness: Strictness) -> Cursor<'a> {
        let text = decoded.text.as_str();
        let characters = (!text.is_ascii()).then(|| {
            let mut count = 0;
            let starts = (0..=text.len()).map(|byte| {
                if byte > 0 && text.is_char_boundary(byte) {
                    count += 1;
                }
                count
            });
            starts.collect()
        });
        let escaped = decoded.escaped.as_slice();
        Cursor { target, strictness, text, escaped, at: 0, base, characters, depth: 0, nodes: 0, tallest: 0 }
    }

    pub(super) fn strict(&self) -> bool {
        self.strictness.is_strict()
    }

    /// Whether the byte at an offset came from a percent-escape.
    pub(super) fn is_escaped(&self, offset: usize) -> bool {
        u32::try_from(offset).is_ok_and(|offset| self.escaped.binary_search(&offset).is_ok())
    }

    /// The text from a mark to here.
    pub(super) fn since(&self, mark: usize) -> &'a str {
        self.text.get(mark..self.at).unwrap_or_default()
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The place in bytes, for [`Cursor::span`] and [`Cursor::back_to`].
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    pub(super) fn back_to(&mut self, mark: usize) {
        self.at = mark;
    }

    fn character(&self, byte: usize) -> usize {
        let count = self.characters.as_ref().map_or(byte, |counts| counts.get(byte).map_or(0, |count| *count as usize));
        self.base + count
    }

    /// From a mark to here.
    pub(super) fn span(&self, start: usize) -> Span {
        Span { start: self.character(start), end: self.character(self.at) }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        let rest = self.rest();
        let skipped = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        work::add(skipped + 1);
        self.at += skipped;
    }

    /// Skips blanks where the grammar has none and only leniency takes them.
    pub(super) fn skip_stray_space(&mut self) {
        if !self.strict() {
            self.skip_space();
        }
    }

    /// Takes blanks; says whether there were any.
    pub(super) fn space(&mut self) -> bool {
        let mark = self.at;
        self.skip_space();
        self.at > mark
    }

    /// Whether what ends at a mark ends with a parenthesis or quote, after which no space is needed.
    pub(super) fn after_delimiter(&self, mark: usize) -> bool {
        self.text.get(..mark).is_some_and(|before| before.ends_with([')', '\'']))
    }

    /// Takes this text if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        work::add(1);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Takes this text, or says that it was expected.
    pub(super) fn expect(&mut self, text: &str, after: &str) -> Result<(), ODataError> {
        if self.eat(text) { Ok(()) } else { Err(self.unexpected(&format!("'{text}' {after}"))) }
    }

    /// Takes what a lexer recognises here, if it does.
    pub(super) fn take<T>(&mut self, mut lexer: impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>>) -> Option<T> {
        let result: IResult<&'a str, T> = lexer.parse(self.rest());
        work::add(1);
        let (rest, value) = result.ok()?;
        work::add(self.text.len() - rest.len() - self.at);
        self.at = self.text.len() - rest.len();
        Some(value)
    }

    /// Takes a word if it is next and ends there. Letter case matters in strict mode.
    pub(super) fn word(&mut self, wanted: &str) -> bool {
        let mark = self.at;
        let strict = self.strict();
        let same = |found: &str| if strict { found == wanted } else { found.eq_ignore_ascii_case(wanted) };
        let found = self.take(lexical::identifier).is_some_and(same);
        if !found {
            self.at = mark;
        }
        found
    }

    /// Takes a name and the `=` after it.
    pub(super) fn name_and_equals(&mut self) -> Option<&'a str> {
        let mark = self.at;
        let name = self.take(lexical::identifier)?;
        let equals = if self.strict() { self.eat("=") } else { self.take(lexical::equals).is_some() };
        if !equals {
            self.at = mark;
            return None;
        }
        Some(name)
    }

    /// Takes a literal if one is next. In strict mode it must be of a form that the grammar has.
    pub(super) fn literal(&mut self) -> Result<Option<Literal>, ODataError> {
        let mark = self.at;
        let Some((literal, legacy)) = self.take(literal::literal) else { return Ok(None) };
        if !self.strict() {
            return Ok(Some(literal));
        }
        let raw = self.since(mark);
        let wrong = if legacy {
            Some("is a form of earlier versions of the protocol")
        } else if !literal::is_well_formed(&literal, raw) {
            Some("is not a literal")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(self.error_at(mark, format!("{}: {} {wrong}", self.target, excerpt(raw))));
        }
        if let Some((offset, c)) = raw.char_indices().find(|(offset, c)| !self.may_stand(literal.kind, *c, mark + offset)) {
            let message = format!("{}: '{c}' in a literal is written %{:02X}", self.target, u32::from(c));
            return Err(self.error_at(mark + offset, message));
        }
        Ok(Some(literal))
    }

    /// Whether a character of a literal may stand as it does, or would have to be escaped.
    fn may_stand(&self, kind: LiteralKind, c: char, offset: usize) -> bool {
        match kind {
            LiteralKind::Text | LiteralKind::Enumeration => {
                !matches!(c, ' ' | '\t' | '"' | '/' | '?' | '[' | ']' | '{' | '}' | '\\') || self.is_escaped(offset)
            }
            LiteralKind::Geography | LiteralKind::Geometry => true,
            LiteralKind::Null
            | LiteralKind::Boolean
            | LiteralKind::Integer
            | LiteralKind::Decimal
            | LiteralKind::NotFinite
            | LiteralKind::Guid
            | LiteralKind::Date
            | LiteralKind::TimeOfDay
            | LiteralKind::DateTimeOffset
            | LiteralKind::Binary
            | LiteralKind::Duration => c != '+' || self.is_escaped(offset),
        }
    }

    /// An error at a mark.
    pub(super) fn error_at(&self, mark: usize, message: impl Into<String>) -> ODataError {
        ODataError::bad_request(message).at(self.target, Some(self.character(mark)))
    }

    /// An error that says what was expected here and what there is instead.
    pub(super) fn unexpected(&self, expected: &str) -> ODataError {
        let found = self.rest();
        let found = if found.is_empty() { "the end".to_owned() } else { format!("'{}'", excerpt(found)) };
        let message = format!("{} is malformed at character {}: expected {expected}, found {found}", self.target, self.character(self.at));
        self.error_at(self.at, message)
    }

    /// Goes one level down; every call is paired with [`Cursor::leave`] unless parsing fails.
    pub(super) fn enter(&mut self) -> Result<(), ODataError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.too_deep()) } else { Ok(()) }
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn too_deep(&self) -> ODataError {
        self.error_at(self.at, format!("{} is nested more than {MAX_DEPTH} levels deep", self.target))
    }

    /// Counts a node of the tree.
    pub(super) fn count_node(&mut self) -> Result<(), ODataError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.error_at(self.at, format!("{} has more than {MAX_NODES} parts", self.target)));
        }
        Ok(())
    }
}

/// Counts the characters and lexer calls that parsing costs, for tests of its linearity. It costs nothing outside tests.
pub(super) mod work {
    #[cfg(test)]
    thread_local! {
        static COUNT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[cfg(test)]
    pub(crate) fn add(steps: usize) {
        COUNT.set(COUNT.get() + steps);
    }

    #[cfg(not(test))]
    pub(super) fn add(_: usize) {}

    /// The count since it was last taken.
    #[cfg(test)]
    pub(crate) fn taken() -> usize {
        COUNT.take()
    }
}

/// The beginning of a text, up to a break after which it would not help.
pub(super) fn excerpt(text: &str) -> String {
    let end = text
        .char_indices()
        .skip(1)
        .find(|(index, c)| *index >= 24 || matches!(c, ' ' | ',' | ';' | ')'))
        .map_or(text.len(), |(index, _)| index);
    let shown = text.get(..end).unwrap_or_default();
    // Control characters would spoil the log and the terminal in which the message is read.
    shown.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
