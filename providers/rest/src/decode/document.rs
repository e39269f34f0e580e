//! Answers of every form as JSON, and what a JSONPath selects of them as a document that can be read row by row. Pure; it must not know columns.

use super::inner::started;
use crate::config::Format;
use crate::json_path;
use crate::resource::Place;

/// Lines of JSON as an array.
pub(super) fn lines(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
    let mut document = String::from("[");
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        // One line that is none could make two rows of one.
        serde_json::from_str::<serde::de::IgnoredAny>(line).map_err(|_| format!("line {} is no JSON", number + 1))?;
        if document.len() > 1 {
            document.push(',');
        }
        document.push_str(line);
    }
    document.push(']');
    Ok(document.into_bytes())
}

/// What stands at a place: the items of an array at names, one value there where there is one row, or what an expression selects.
///
/// # Errors
/// Says what is missing, or that there are several where one is expected.
pub(super) fn rows<'t>(text: &'t str, place: &Place, single: bool) -> Result<Vec<&'t str>, String> {
    let wrong = |what: String| format!("{place}: {what}");
    match place {
        Place::Names(names) => {
            let found = json_path::at(text, names)?.ok_or_else(|| wrong("is missing".to_owned()))?;
            match (single, found.starts_with('[')) {
                (true, _) => Ok(vec![found]),
                (false, true) => json_path::items(found),
                (false, false) => Err(wrong("an array of rows is expected".to_owned())),
            }
        }
        Place::Selected(path) => {
            let found = started(path, text)?;
            if single && found.len() > 1 {
                return Err(wrong(format!("it selects {} values, and one row is expected", found.len())));
            }
            Ok(found)
        }
    }
}

/// The rows of a whole answer in JSON, or in lines of it.
///
/// # Errors
/// As [`rows`].
pub fn values(bytes: &[u8], format: Format, place: &Place, single: bool) -> Result<Vec<serde_json::Value>, String> {
    let lines = if format == Format::Ndjson { Some(lines(bytes)?) } else { None };
    let found = rows(text(lines.as_deref().unwrap_or(bytes))?, place, single)?;
    found.into_iter().map(|row| serde_json::from_str(row).map_err(|error| error.to_string())).collect()
}

/// A document with the rows under `rows`, and what else is wanted under numbers.
///
/// # Errors
/// When it is not well-formed, or something is not there as it should be.
pub(super) fn selected(bytes: &[u8], place: &Place, single: bool, others: &[Place]) -> Result<Vec<u8>, String> {
    let text = text(bytes)?;
    let rows = rows(text, place, single)?;
    let mut document = format!("{{\"rows\":[{}]", rows.join(","));
    for (index, other) in others.iter().enumerate() {
        let found = match other {
            Place::Names(names) => json_path::at(text, names)?,
            Place::Selected(path) => match path.select(text)?.as_slice() {
                [] => None,
                [only] => Some(*only),
                several => return Err(format!("{other}: it selects {} values, and one is expected", several.len())),
            },
        };
        if let Some(found) = found {
            document.push_str(&format!(",\"{index}\":{found}"));
        }
    }
    document.push('}');
    Ok(document.into_bytes())
}

/// Where the row of a number stands in an answer.
pub(super) fn row_place(bytes: &[u8], place: &Place, single: bool, row: usize) -> Option<String> {
    let text = text(bytes).ok()?;
    rows(text, place, single).ok()?.get(row).map(|row| json_path::place(text, row))
}

/// The text of an answer. A byte order mark is not JSON, but some write one (RFC 8259, section 8.1).
pub(super) fn text(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
