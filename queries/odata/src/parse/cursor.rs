//! A place in a text, with what every parser here needs: spans in characters, errors that name what was found, and budgets for depth
//! and size, so that no input can exhaust the stack or take more than linear time.

use crate::error::ODataError;
use crate::syntax::Span;
use nom::{IResult, Parser};

/// Deepest nesting of an expression or of `$expand`.
pub(super) const MAX_DEPTH: usize = 100;
/// Most nodes in one option.
pub(super) const MAX_NODES: usize = 20_000;

pub(super) struct Cursor<'a> {
    /// What an error is about: `$filter`, or the path.
    pub(super) target: &'a str,
    text: &'a str,
    at: usize,
    base: usize,
    /// Characters before each byte; absent when all are ASCII, where the two are the same.
    characters: Option<Vec<u32>>,
    depth: usize,
    nodes: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `text`, whose first character is number `base` of the target.
    pub(super) fn new(target: &'a str, text: &'a str, base: usize) -> Cursor<'a> {
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
        Cursor { target, text, at: 0, base, characters, depth: 0, nodes: 0 }
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
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// Whether what ends at a mark ends with a parenthesis or quote, after which no space is needed.
    pub(super) fn after_delimiter(&self, mark: usize) -> bool {
        self.text.get(..mark).is_some_and(|before| before.ends_with([')', '\'']))
    }

    /// Takes this text if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
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
        let (rest, value) = result.ok()?;
        self.at = self.text.len() - rest.len();
        Some(value)
    }

    /// An error at a mark.
    pub(super) fn error_at(&self, mark: usize, message: impl Into<String>) -> ODataError {
        ODataError::bad_request(message).at(self.target, Some(self.character(mark)))
    }

    /// An error about something that is not built, at a mark.
    pub(super) fn not_implemented_at(&self, mark: usize, feature: &str) -> ODataError {
        ODataError::not_implemented(feature).at(self.target, Some(self.character(mark)))
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
