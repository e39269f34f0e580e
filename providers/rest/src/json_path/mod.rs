//! JSONPath (RFC 9535) over the text of a document: which of its values an expression selects, each as it is written there, so that no number
//! goes through a binary float. The grammar is the crate `jsonpath-rust`'s; what it selects is found here, because filters compare exactly. Pure; it
//! must not know what the values are for.

mod check;
mod evaluate;
mod text;

pub use text::{at, items, place, pointer};

use evaluate::Evaluation;
use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use regex::Regex;
use std::collections::BTreeMap;

/// Values that one run may look at: expressions such as `$..*..*` multiply.
const MOST: usize = 20_000_000;

/// Patterns of `match` and `search`, made ready: by their text, and whether the whole of a value must fit.
type Patterns = BTreeMap<(String, bool), Regex>;

/// An expression, made ready.
#[derive(Debug, Clone)]
pub struct JsonPath {
    text: String,
    query: JpQuery,
    patterns: Patterns,
}

impl JsonPath {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says at which character it is none, or which part of it means nothing.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let wrong = |what: String| format!("'{text}' is no JSONPath: {what}");
        spaced(text).map_err(wrong)?;
        let query = parse_json_path(text).map_err(|error| wrong(told(&error)))?;
        let patterns = check::patterns(&query).map_err(wrong)?;
        Ok(JsonPath { text: text.to_owned(), query, patterns })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it begins with, from the outside in.
    pub fn start(&self) -> Vec<String> {
        self.query.segments.iter().map_while(name).collect()
    }

    /// The names that it is made of and whether it ends with `[*]`, if there is nothing else in it.
    pub fn names(&self) -> Option<(Vec<String>, bool)> {
        let (names, rest) = (self.start(), self.query.segments.len());
        let every = matches!(self.query.segments.last(), Some(Segment::Selector(Selector::Wildcard)));
        (names.len() + usize::from(every) == rest).then_some((names, every))
    }

    /// Whether it selects one value at most, whatever the document.
    pub fn is_singular(&self) -> bool {
        check::is_singular(&self.query.segments)
    }

    /// The values that it selects, in the order of the standard.
    ///
    /// # Errors
    /// Says at which byte the document is not well-formed, or which name on the way is given twice.
    pub fn select<'t>(&self, document: &'t str) -> Result<Vec<&'t str>, String> {
        Evaluation::new(&self.patterns, text::whole(document)?, MOST).select(&self.query.segments)
    }
}

fn name(segment: &Segment) -> Option<String> {
    if let Segment::Selector(Selector::Name(name)) = segment { Some(name.clone()) } else { None }
}

/// Whether a space stands within a name that is written without quotes: to the grammar it would be a part of the name.
fn spaced(text: &str) -> Result<(), String> {
    let of_name = |character: char| character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii();
    let (mut quote, mut escaped, mut name, mut space) = (None, false, false, false);
    for (at, character) in text.chars().enumerate() {
        if let Some(own) = quote {
            quote = Some(own).filter(|_| escaped || character != own);
            escaped = character == '\\' && !escaped;
        } else if character.is_ascii_whitespace() {
            space = true;
        } else {
            if name && space && of_name(character) {
                return Err(format!("character {}: a name with a space in it stands in quotes, as in $['a b']", at + 1));
            }
            quote = Some(character).filter(|character| matches!(character, '\'' | '"'));
            (name, space) = (of_name(character), false);
        }
    }
    Ok(())
}

/// What is wrong with an expression, for a person.
fn told(error: &JsonPathError) -> String {
    match error {
        JsonPathError::PestError(error) => {
            // Its first line is ` --> line:character`.
            let shown = error.to_string();
            let at = shown.lines().next().and_then(|line| line.rsplit(':').next()).unwrap_or_default().trim().to_owned();
            format!("character {at}: {}", error.variant.message().replace('_', " "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
