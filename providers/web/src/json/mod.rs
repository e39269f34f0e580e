//! Pages of JSON rows as Arrow batches: rows are read as the page comes, by declared types, exactly, and a mistake is told with its place
//! (`/value/17/amount: "abc" is no decimal(13,2)`). Pure; it must not know where pages come from, nor any kind's conventions.

mod columns;
mod page;
mod rows;
mod scan;
mod value;

pub use columns::{JsonColumn, JsonField, JsonType, Missing, ValueReader};
pub use page::{PageEnd, PageReader, PageShape};
pub use portico_provider_api::json::Json;
pub use scan::Pointer;

use crate::failure::Reporter;
use portico_provider_api::json::Malformed;
use portico_provider_api::{SourceError, SourceErrorKind};
use std::fmt;
use thiserror::Error;

/// What is wrong with a page, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct JsonError {
    /// The place, as a JSON Pointer; empty for the whole document.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

impl JsonError {
    fn at(place: impl Into<String>, message: impl Into<String>) -> JsonError {
        JsonError { place: place.into(), message: message.into() }
    }

    /// The error of the contract.
    pub fn into_source_error(self, reporter: &Reporter) -> SourceError {
        reporter.error(SourceErrorKind::Malformed, format!("the answer cannot be read: {self}"))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.place, self.message) }
    }
}

/// Where a value stands in a row. It is made a text only when something is wrong.
#[derive(Clone, Copy)]
struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Row,
    Member(&'a str),
    Item(usize),
}

/// What is wrong with a row: its text, or a value at a place in it.
enum Fault {
    Text(Malformed),
    Value { place: String, message: String },
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault::Text(malformed)
    }
}

impl<'a> Place<'a> {
    const ROW: Place<'static> = Place { outer: None, part: Part::Row };

    fn member(&'a self, name: &'a str) -> Place<'a> {
        Place { outer: Some(self), part: Part::Member(name) }
    }

    fn item(&'a self, index: usize) -> Place<'a> {
        Place { outer: Some(self), part: Part::Item(index) }
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::Value { place: self.to_string(), message: message.into() }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
        }
        match self.part {
            Part::Row => Ok(()),
            Part::Member(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Part::Item(index) => write!(f, "/{index}"),
        }
    }
}
