//! JSONPath (RFC 9535) over the text of a document: which of its values an expression selects, each as it is written there, so that no number goes
//! through a binary float, and comparisons in filters are exact. Pure; it must not know what the values are for.

mod evaluate;
mod expression;
mod parse;
mod text;

pub use text::{at, items, place, pointer};

use evaluate::Evaluation;
use expression::Query;

/// Values that one run may look at: expressions such as `$..*..*` multiply.
const MOST: usize = 20_000_000;

/// An expression, made ready.
#[derive(Debug, Clone)]
pub struct JsonPath {
    text: String,
    query: Query,
}

impl JsonPath {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says from which character on it is none.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let query = parse::query(text).map_err(|(at, what)| {
            let character = text.get(..at).unwrap_or(text).chars().count() + 1;
            format!("'{text}' is no JSONPath: character {character}: {what}")
        })?;
        Ok(JsonPath { text: text.to_owned(), query })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it begins with, from the outside in.
    pub fn start(&self) -> Vec<String> {
        self.query.segments.iter().map_while(|segment| segment.name().cloned()).collect()
    }

    /// The names that it is made of and whether it ends with `[*]`, if there is nothing else in it.
    pub fn names(&self) -> Option<(Vec<String>, bool)> {
        let (names, count) = (self.start(), self.query.segments.len());
        let every = self.query.segments.last().is_some_and(expression::Segment::is_every);
        (names.len() + usize::from(every) == count).then_some((names, every))
    }

    /// Whether it selects one value at most, whatever the document.
    pub fn is_singular(&self) -> bool {
        self.query.is_singular()
    }

    /// The values that it selects, in the order of the standard.
    ///
    /// # Errors
    /// Says at which byte the document is not well-formed, or which name on the way is given twice.
    pub fn select<'t>(&self, document: &'t str) -> Result<Vec<&'t str>, String> {
        let root = text::whole(document)?;
        Evaluation::new(root, MOST).select(&self.query, root)
    }
}

#[cfg(test)]
mod tests;
