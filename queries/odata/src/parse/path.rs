//! Resource paths (ABNF, section 1): split on `/`, decode each segment, read its name and what stands in parentheses.

use super::Strictness;
use super::cursor::{Cursor, excerpt};
use super::decode::{self, Decoded};
use super::{expression, lexical};
use crate::error::{ODataError, ODataErrorKind};
use crate::syntax::{Expr, ExprKind, KeyPart, KeyPredicate, PathStep, Resource, Segment, Span, StepKind};
use portico_catalog::names::nearest;

const PATH: &str = "path";
/// More segments than any path over a model can have.
const MAX_SEGMENTS: usize = 32;

/// Reads a path relative to the service root, and returns it decoded too.
pub(super) fn resource(raw: &str, strictness: Strictness) -> Result<(Resource, String), ODataError> {
    let raw = raw.strip_prefix('/').unwrap_or(raw);
    if raw.is_empty() {
        return Ok((Resource::ServiceDocument, String::new()));
    }
    let mut decoded = String::with_capacity(raw.len());
    let mut segments = Vec::new();
    let mut base = 0;
    for (index, raw) in split(raw).into_iter().enumerate() {
        if index > 0 {
            decoded.push('/');
            base += 1;
        }
        if index >= MAX_SEGMENTS {
            return Err(ODataError::bad_request(format!("the path has more than {MAX_SEGMENTS} segments")).at(PATH, Some(base)));
        }
        let text = decode::segment(raw, PATH, base, strictness)?;
        if text.text.is_empty() {
            return Err(ODataError::bad_request("the path has an empty segment").at(PATH, Some(base)));
        }
        segments.push(segment(&text, index, base, strictness)?);
        base += text.text.chars().count();
        decoded.push_str(&text.text);
    }
    Ok((classify(segments)?, decoded))
}

/// Splits a path on the `/` that stand outside parentheses: a condition in `$filter(…)` may hold paths. Text in quotes hides
/// parentheses, but only inside parentheses: `People/O'Neil` is a key. What never closes is split on every `/`.
fn split(raw: &str) -> Vec<&str> {
    let bytes = raw.as_bytes();
    let (mut segments, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let escape = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let meant = match escape {
            Some(b"27") => b'\'',
            Some(b"28") => b'(',
            Some(b"29") => b')',
            Some(_) => b'%',
            None => byte,
        };
        match meant {
            b'\'' if depth > 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b'/' if depth == 0 => {
                segments.push(raw.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
        at += if escape.is_some() { 3 } else { 1 };
    }
    let last = raw.get(start..).unwrap_or_default();
    if depth > 0 {
        segments.extend(last.split('/'))
    } else {
        segments.push(last)
    }
    segments
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
        "$all" | "$entity" if first.key.is_none() => return Ok(Resource::EntitySet(segments)),
        "$crossjoin" if first.key.is_some() => return Ok(Resource::EntitySet(segments)),
        "$crossjoin" => return Err(not_found("$crossjoin names entity sets in parentheses, as in $crossjoin(A,B)".to_owned(), place)),
        "$all" | "$entity" => return Err(not_found(format!("{} takes no key", first.name), place)),
        name => {
            let known = ["$metadata", "$batch", "$all", "$entity", "$crossjoin"];
            let hint = nearest(name, known).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
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

fn segment(text: &Decoded, index: usize, base: usize, strictness: Strictness) -> Result<Segment, ODataError> {
    let mut cursor = Cursor::new(PATH, text, base, strictness);
    let name = cursor.take(lexical::special).or_else(|| cursor.take(lexical::qualified_name));
    let whole = name.is_some() && (cursor.at_end() || cursor.peek() == Some('('));
    let Some(name) = name.filter(|_| whole) else {
        if index == 0 {
            return Err(not_found(format!("there is no resource '{}'", excerpt(&text.text)), Some(base)));
        }
        let span = Span { start: base, end: base + text.text.chars().count() };
        return Ok(Segment { name: text.text.clone(), opaque: true, key: None, second_key: None, text: text.text.clone(), span });
    };
    let key = match name {
        _ if cursor.at_end() => None,
        "$filter" => Some(condition(&mut cursor)?),
        "$crossjoin" => Some(entity_sets(&mut cursor)?),
        _ => Some(key(&mut cursor)?),
    };
    let second_key = if cursor.peek() == Some('(') { Some(self::key(&mut cursor)?) } else { None };
    if !cursor.at_end() {
        return Err(cursor.unexpected("'/' or the end after the key"));
    }
    Ok(Segment { name: name.to_owned(), opaque: false, key, second_key, text: text.text.clone(), span: cursor.span(0) })
}

/// The condition of `$filter(…)`, as a key with one part.
fn condition(cursor: &mut Cursor<'_>) -> Result<KeyPredicate, ODataError> {
    let start = cursor.mark();
    cursor.expect("(", "before the condition")?;
    cursor.skip_stray_space();
    let value = expression::expression(cursor)?;
    cursor.skip_stray_space();
    cursor.expect(")", "or an operator after the condition")?;
    let part = KeyPart { name: None, span: value.span, value };
    Ok(KeyPredicate { parts: vec![part], spaced: false, span: cursor.span(start) })
}

/// The sets of `$crossjoin(…)`, as a key whose parts are paths of one name.
fn entity_sets(cursor: &mut Cursor<'_>) -> Result<KeyPredicate, ODataError> {
    let start = cursor.mark();
    cursor.expect("(", "before the entity sets")?;
    let mut parts = Vec::new();
    loop {
        cursor.skip_stray_space();
        cursor.count_node()?;
        let at = cursor.mark();
        let Some(name) = cursor.take(lexical::identifier) else { return Err(cursor.unexpected("an entity set")) };
        let span = cursor.span(at);
        let step = PathStep { kind: StepKind::Name(name.to_owned()), span };
        parts.push(KeyPart { name: None, value: Expr { kind: ExprKind::Path(vec![step]), span }, span });
        cursor.skip_stray_space();
        if cursor.eat(")") {
            return Ok(KeyPredicate { parts, spaced: false, span: cursor.span(start) });
        }
        cursor.expect(",", "or ')' after the entity set")?;
    }
}

fn key(cursor: &mut Cursor<'_>) -> Result<KeyPredicate, ODataError> {
    let start = cursor.mark();
    cursor.expect("(", "before the key")?;
    let mut parts: Vec<KeyPart> = Vec::new();
    let mut spaced = cursor.space();
    if cursor.eat(")") {
        return Ok(KeyPredicate { parts, spaced, span: cursor.span(start) });
    }
    loop {
        spaced |= cursor.space();
        cursor.count_node()?;
        let at = cursor.mark();
        let name = cursor.name_and_equals().map(str::to_owned);
        let value = expression::key_value(cursor)?;
        if let Some(name) = &name
            && parts.iter().any(|part| part.name.as_ref() == Some(name))
        {
            return Err(cursor.error_at(at, format!("the key names '{name}' twice")));
        }
        parts.push(KeyPart { name, value, span: cursor.span(at) });
        spaced |= cursor.space();
        if cursor.eat(")") {
            return Ok(KeyPredicate { parts, spaced, span: cursor.span(start) });
        }
        cursor.expect(",", "or ')' in the key")?;
    }
}
