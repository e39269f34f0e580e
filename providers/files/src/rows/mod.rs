//! Records as they stand in files of text, one after the other. Each form has a reader of its own; none knows types.

pub(crate) mod csv;
pub(crate) mod decoding;
pub(crate) mod json;

use crate::problem::Problem;
use std::borrow::Cow;

/// What a record has in a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Nothing.
    Null,
    /// Text.
    Text { text: Cow<'a, str>, origin: Origin },
    /// A number as it is written in JSON.
    Number(&'a str),
    /// A number as spreadsheets hold them.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// A date, a time, or both, as spreadsheets hold them.
    Moment { micros: i64, shape: Moment },
    /// An object or a list, as JSON.
    Nested(&'a str),
    /// An error that a spreadsheet has in place of a value.
    Failed(&'a str),
}

/// How a text stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Among separated values, without quotes.
    Bare,
    /// Among separated values, in quotes.
    Quoted,
    /// Where the file tells texts from all else.
    Typed,
}

/// What a moment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A day; its microseconds since 1970 are those of midnight.
    Date,
    /// A time of day, in microseconds since midnight.
    Time,
    /// Both, in microseconds since 1970.
    Timestamp,
}

/// One record.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// The line or row on which it begins, counted from 1.
    pub(crate) at: u64,
    /// The columns of the file, as far as they are known by now.
    pub(crate) names: &'a [String],
    /// By position of the column; what is missing at the end is null.
    pub(crate) cells: Vec<Cell<'a>>,
}

/// The records of one file.
pub(crate) trait Records {
    /// The names of its columns as far as they are known: those of objects come with the objects.
    fn names(&self) -> &[String];

    /// The next record; nothing at the end.
    fn next(&mut self) -> Result<Option<Record<'_>>, Problem>;

    /// A place in the file, for messages: `line 17`.
    fn place(&self, at: u64) -> String;
}
