//! Resource paths: split on `/`, decode each segment, read its name and key.

use super::cursor::{Cursor, excerpt};
use super::{decode, expression, lexical};
use crate::error::{ODataError, ODataErrorKind};
use crate::syntax::{KeyPart, KeyPredicate, Resource, Segment};
use portico_catalog::names::nearest;

const PATH: &str = "path";
/// More segments than any path over a model can have.
const MAX_SEGMENTS: usize = 32;

/// Reads a path relative to the service root, and returns it decoded too.
pub(super) fn resource(raw: &str) -> Result<(Resource, String), ODataError> {
    let raw = raw.strip_prefix('/').unwrap_or(raw);
    if raw.is_empty() {
        return Ok((Resource::ServiceDocument, String::new()));
    }
    let mut decoded = String::with_capacity(raw.len());
    let mut segments = Vec::new();
    let mut base = 0;
    for (index, raw) in raw.split('/').enumerate() {
        if index > 0 {
            decoded.push('/');
            base += 1;
        }
        if index >= MAX_SEGMENTS {
            return Err(ODataError::bad_request(format!("the path has more than {MAX_SEGMENTS} segments")).at(PATH, Some(base)));
        }
        let text = decode::segment(raw, PATH, base)?;
        if text.is_empty() {
            return Err(ODataError::bad_request("the path has an empty segment").at(PATH, Some(base)));
        }
        segments.push(segment(&text, index, base)?);
        base += text.chars().count();
        decoded.push_str(&text);
    }
    Ok((classify(segments)?, decoded))
}

fn classify(segments: Vec<Segment>) -> Result<Resource, ODataError> {
    let Some(first) = segments.first() else { return Ok(Resource::ServiceDocument) };
    if !first.name.starts_with('$') {
        return Ok(Resource::EntitySet(segments));
    }
    let place = Some(first.span.start);
    let resource = match first.name.as_str() {
        "$metadata" => Resource::Metadata,
        "$batch" => Resource::Batch,
        name @ ("$all" | "$crossjoin" | "$entity" | "$query") => return Err(ODataError::not_implemented(name).at(PATH, place)),
        name => {
            let hint = nearest(name, ["$metadata", "$batch"]).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
            return Err(not_found(format!("there is no resource '{name}'{hint}"), place));
        }
    };
    match (first.key.is_some(), segments.get(1)) {
        (true, _) => Err(not_found(format!("{} takes no key", first.name), place)),
        (false, Some(next)) => {
            Err(not_found(format!("nothing follows {}, but the path goes on with '{}'", first.name, next.name), Some(next.span.start)))
        }
        (false, None) => Ok(resource),
    }
}

fn not_found(message: String, position: Option<usize>) -> ODataError {
    ODataError::new(ODataErrorKind::NotFound, message).at(PATH, position)
}

fn segment(text: &str, index: usize, base: usize) -> Result<Segment, ODataError> {
    let mut cursor = Cursor::new(PATH, text, base);
    let name = cursor.take(lexical::special).or_else(|| cursor.take(lexical::qualified_name));
    let whole = name.is_some() && (cursor.at_end() || cursor.peek() == Some('('));
    let Some(name) = name.filter(|_| whole) else {
        let shown = excerpt(text);
        return Err(match index {
            0 => not_found(format!("there is no resource '{shown}'"), Some(base)),
            _ => {
                ODataError::not_implemented(format!("a key as a path segment ('{shown}'), instead of in parentheses,")).at(PATH, Some(base))
            }
        });
    };
    if matches!(name, "$filter" | "$each") {
        return Err(ODataError::not_implemented(format!("the path segment {name}")).at(PATH, Some(base)));
    }
    let key = if cursor.at_end() || name == "$crossjoin" { None } else { Some(key(&mut cursor)?) };
    if !cursor.at_end() && name != "$crossjoin" {
        return Err(cursor.unexpected("'/' or the end after the key"));
    }
    Ok(Segment { name: name.to_owned(), key, span: cursor.span(0) })
}

fn key(cursor: &mut Cursor<'_>) -> Result<KeyPredicate, ODataError> {
    let start = cursor.mark();
    cursor.expect("(", "before the key")?;
    let mut parts: Vec<KeyPart> = Vec::new();
    cursor.skip_space();
    if cursor.eat(")") {
        return Ok(KeyPredicate { parts, span: cursor.span(start) });
    }
    loop {
        cursor.skip_space();
        cursor.count_node()?;
        let at = cursor.mark();
        let name = cursor.take((lexical::identifier, lexical::equals)).map(|(name, ())| name.to_owned());
        let value = expression::key_value(cursor)?;
        if let Some(name) = &name
            && parts.iter().any(|part| part.name.as_ref() == Some(name))
        {
            return Err(cursor.error_at(at, format!("the key names '{name}' twice")));
        }
        parts.push(KeyPart { name, value, span: cursor.span(at) });
        cursor.skip_space();
        if cursor.eat(")") {
            return Ok(KeyPredicate { parts, span: cursor.span(start) });
        }
        cursor.expect(",", "or ')' in the key")?;
    }
}
