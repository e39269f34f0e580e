//! Values of a document as they are written in it. Pure; it must not know expressions.

use portico_provider_api::json::{Malformed, Reader};
use std::borrow::Cow;

/// What is wrong with a text of JSON.
pub(super) fn malformed(malformed: &Malformed) -> String {
    format!("it is not well-formed JSON, byte {}: {}", malformed.at, malformed.message)
}

/// The one value of a document, without what is around it.
///
/// # Errors
/// When it is not well-formed.
pub(super) fn whole(document: &str) -> Result<&str, String> {
    let mut reader = Reader::new(document);
    let value = reader.skip().map_err(|error| malformed(&error))?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The members of an object in order; nothing of what is none.
pub(super) fn members(value: &str) -> Result<Vec<(Cow<'_, str>, &str)>, String> {
    let mut found = Vec::new();
    if value.starts_with('{') {
        let mut reader = Reader::new(value);
        reader.token().map_err(|error| malformed(&error))?;
        while let Some(name) = reader.name(found.is_empty()).map_err(|error| malformed(&error))? {
            found.push((name, reader.skip().map_err(|error| malformed(&error))?));
        }
    }
    Ok(found)
}

/// The items of an array in order; nothing of what is none.
///
/// # Errors
/// When it is not well-formed.
pub fn items(value: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    if value.starts_with('[') {
        let mut reader = Reader::new(value);
        reader.token().map_err(|error| malformed(&error))?;
        while reader.item(found.is_empty()).map_err(|error| malformed(&error))? {
            found.push(reader.skip().map_err(|error| malformed(&error))?);
        }
    }
    Ok(found)
}

/// The member of that name. A name that is given twice stands for nothing.
pub(super) fn member<'t>(value: &'t str, name: &str) -> Result<Option<&'t str>, String> {
    let mut named = members(value)?.into_iter().filter(|(known, _)| known == name).map(|(_, value)| value);
    match (named.next(), named.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err(format!("'{name}' is given twice in one object")),
    }
}

/// What stands in a document at names, from the outside in; of an array, they are numbers.
///
/// # Errors
/// When the document is not well-formed, or a name is given twice.
pub fn at<'t>(document: &'t str, names: &[String]) -> Result<Option<&'t str>, String> {
    let mut here = whole(document)?;
    for name in names {
        let inner = match here.starts_with('[') {
            true => name.parse::<usize>().ok().and_then(|index| items(here).ok()?.get(index).copied()),
            false => member(here, name)?,
        };
        let Some(inner) = inner else { return Ok(None) };
        here = inner;
    }
    Ok(Some(here))
}

/// Names as a JSON Pointer.
pub fn pointer(names: &[String]) -> String {
    names.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Where in a document a value of it stands, as a JSON Pointer. `value` is a part of `document`.
pub fn place(document: &str, value: &str) -> String {
    let wanted = value.as_ptr().addr();
    let holds = |text: &str| (text.as_ptr().addr()..text.as_ptr().addr() + text.len()).contains(&wanted);
    let (mut names, mut here) = (Vec::new(), whole(document).unwrap_or(document));
    while here.as_ptr().addr() != wanted {
        let named = members(here).unwrap_or_default().into_iter().map(|(name, inner)| (name.into_owned(), inner));
        let counted = items(here).unwrap_or_default().into_iter().enumerate().map(|(index, inner)| (index.to_string(), inner));
        let Some((name, inner)) = named.chain(counted).find(|(_, inner)| holds(inner)) else { break };
        names.push(name);
        here = inner;
    }
    pointer(&names)
}
