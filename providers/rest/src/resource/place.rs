//! Places in documents, as settings name them. It must not know documents.

use crate::json_path::{self, JsonPath};
use std::sync::Arc;

/// Where something stands in a document.
#[derive(Debug, Clone)]
pub enum Place {
    /// At names, from the outside in: found while the document is read.
    Names(Vec<String>),
    /// Wherever an expression selects it: found in a document that is there as a whole.
    Selected(Arc<JsonPath>),
}

impl Default for Place {
    fn default() -> Place {
        Place::Names(Vec::new())
    }
}

impl Place {
    /// Reads `/data/items`, a JSONPath such as `$.data.items` or `$..item`, or nothing for the whole document.
    ///
    /// # Errors
    /// When it is none of them, with the character at which it is not.
    pub fn parse(text: &str) -> Result<Place, String> {
        if !text.starts_with('$') {
            return pointer(text).map(Place::Names);
        }
        let path = JsonPath::parse(text)?;
        Ok(match path.names() {
            Some((names, false)) => Place::Names(names),
            Some((_, true)) | None => Place::Selected(Arc::new(path)),
        })
    }

    /// The same of the rows: their array is meant by `$.data.items` and by `$.data.items[*]`. One row is what an expression selects.
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub fn of_rows(text: &str, single: bool) -> Result<Place, String> {
        let place = Place::parse(text)?;
        Ok(match &place {
            Place::Selected(path) if !single => path.names().map_or_else(|| place.clone(), |(names, _)| Place::Names(names)),
            Place::Selected(_) | Place::Names(_) => place,
        })
    }

    /// In a row: `customer/city`, `$.customer.city`, `$.addresses[?@.kind=='home'].city`.
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub fn in_row(text: &str) -> Result<Place, String> {
        if text.starts_with('$') { Place::parse(text) } else { pointer(&below(text)).map(Place::Names) }
    }

    /// Its names, if it has nothing else.
    pub fn names(&self) -> Option<&[String]> {
        if let Place::Names(names) = self { Some(names) } else { None }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Names(names) => f.write_str(&json_path::pointer(names)),
            Place::Selected(path) => f.write_str(path.text()),
        }
    }
}

fn below(text: &str) -> String {
    format!("/{}", text.trim_start_matches('/'))
}

/// Names alone: `/error/message`, `$.error.message`, or nothing for the whole document.
///
/// # Errors
/// When it is something else.
pub fn pointer(text: &str) -> Result<Vec<String>, String> {
    if text.starts_with('$') {
        let place = Place::parse(text)?;
        return place
            .names()
            .map(<[String]>::to_vec)
            .ok_or_else(|| format!("'{text}' must be names alone here, as in /data/items or $.data.items"));
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let inner = text.strip_prefix('/');
    let inner =
        inner.ok_or_else(|| format!("'{text}' is no place in a document: write /data/items, $.data.items, or any other JSONPath"))?;
    Ok(inner.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// Names alone from the outside in: `customer/city`, `$.customer.city`.
///
/// # Errors
/// When it is something else.
pub(super) fn path(text: &str) -> Result<Vec<String>, String> {
    if text.starts_with('$') { pointer(text) } else { pointer(&below(text)) }
}
