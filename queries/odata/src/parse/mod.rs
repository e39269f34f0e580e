//! Text → syntax tree: the URL language of OData 4.01 and of its extensions for aggregation and temporal data, as their ABNF
//! construction rules give it. It must not know any model. The URL is split first and each part decoded once; expressions are read by
//! precedence climbing over nom lexers, in linear time, within limits of depth and size.
//!
//! | part of the ABNF | where |
//! |---|---|
//! | 1 Resource Path | `path` |
//! | 2 Query Options | `options`, `items`, `search` |
//! | 4 Expressions | `expression`, `member` |
//! | 5 JSON format for queries | `json` |
//! | 6 Names and identifiers | `lexical` |
//! | 7 Literal Data Values | `literal`, [`value`] |
//! | Aggregation, 2 `$apply` | `apply` |
//! | Temporal, 2 options | `options` |
//!
//! What a name stands for, and so whether it may stand where it does, is for [`crate::resolve`].

mod apply;
mod cursor;
mod decode;
mod expression;
mod items;
mod json;
mod lexical;
mod literal;
mod member;
mod options;
mod path;
mod search;
#[cfg(test)]
mod tests;
pub mod value;

use crate::error::{ODataError, ODataErrorKind};
use crate::syntax::{Alias, CustomOption, Expr, Literal, Options, Request, Resource, Search};
use cursor::Cursor;
use decode::Decoded;

/// How closely a request must keep to the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// What clients send and what cannot be misread is taken: blanks around punctuation, `not(…)`, literals of earlier versions
    /// (`guid'…'`, `5L`), `+` for a blank.
    #[default]
    Lenient,
    /// Only what the grammar has.
    Strict,
}

impl Strictness {
    pub(crate) fn is_strict(self) -> bool {
        self == Strictness::Strict
    }
}

/// Parses a request: `path` relative to the service root, and the query without its `?`; both still percent-encoded.
///
/// System query options are read with or without `$` and in any letter case; custom options are left alone.
///
/// # Errors
/// Names the culprit and where it stands: `BadRequest` for what is malformed, `NotAcceptable` for a format that nothing is written in,
/// `NotFound` for a path that begins with nothing there is.
pub fn request(path: &str, query: Option<&str>) -> Result<Request, ODataError> {
    request_with(path, query, Strictness::Lenient)
}

/// As [`request`], in a mode of the caller's choice.
///
/// # Errors
/// As [`request`].
pub fn request_with(path: &str, query: Option<&str>, strictness: Strictness) -> Result<Request, ODataError> {
    let request = language(path, query, strictness)?;
    // The grammar lets options repeat; the protocol does not (URL Conventions, section 5).
    if let Some(name) = request.repeated.first() {
        return Err(options::duplicate(name));
    }
    let data = matches!(request.resource, Resource::EntitySet(_));
    if let Some((name, _)) = request.canonical.iter().find(|(name, _)| !data && name.starts_with('$') && name != "$format") {
        let message = format!("the query option {name} does not apply to what the path addresses");
        return Err(ODataError::bad_request(message).at(name, None));
    }
    if let Some(format) = &request.options.format {
        check_format(format, &request.resource)?;
    }
    Ok(request)
}

/// Parses a request by the grammar alone: options may repeat and ask for any format, wherever they stand.
///
/// # Errors
/// As [`request`].
pub fn language(path: &str, query: Option<&str>, strictness: Strictness) -> Result<Request, ODataError> {
    let (resource, decoded_path) = path::resource(path, strictness)?;
    let mut request = Request { resource, canonical: vec![("path".to_owned(), decoded_path)], ..Request::default() };
    read_options(query.unwrap_or_default(), strictness, &mut request)?;
    Ok(request)
}

/// Parses query options alone, still percent-encoded, without the `?`.
///
/// # Errors
/// As [`request`].
pub fn query_options(query: &str, strictness: Strictness) -> Result<Request, ODataError> {
    let mut request = Request::default();
    read_options(query, strictness, &mut request)?;
    Ok(request)
}

/// Parses an expression, percent-encoded as in a query.
///
/// # Errors
/// As [`request`].
pub fn expression(text: &str, strictness: Strictness) -> Result<Expr, ODataError> {
    let decoded = decode::option(text, "expression", strictness)?;
    whole(&decoded, "expression", strictness, expression::expression, "the end or an operator")
}

/// Parses a search expression, percent-encoded as in a query.
///
/// # Errors
/// As [`request`].
pub fn search(text: &str, strictness: Strictness) -> Result<Search, ODataError> {
    let decoded = decode::option(text, "$search", strictness)?;
    whole(&decoded, "$search", strictness, search::search, "the end or an operator")
}

/// Parses a literal, percent-encoded as in a query.
///
/// # Errors
/// As [`request`].
pub fn literal(text: &str, strictness: Strictness) -> Result<Literal, ODataError> {
    let decoded = decode::option(text, "literal", strictness)?;
    let literal = |cursor: &mut Cursor<'_>| match cursor.literal()? {
        Some(literal) => Ok(literal),
        None => Err(cursor.unexpected("a literal")),
    };
    whole(&decoded, "literal", strictness, literal, "the end")
}

/// A text that one parser takes to its end.
fn whole<T>(
    text: &Decoded,
    target: &str,
    strictness: Strictness,
    parser: impl FnOnce(&mut Cursor<'_>) -> Result<T, ODataError>,
    expected: &str,
) -> Result<T, ODataError> {
    let mut cursor = Cursor::new(target, text, 0, strictness);
    cursor.skip_stray_space();
    let found = parser(&mut cursor)?;
    cursor.skip_stray_space();
    if cursor.at_end() { Ok(found) } else { Err(cursor.unexpected(expected)) }
}

fn read_options(query: &str, strictness: Strictness, request: &mut Request) -> Result<(), ODataError> {
    if query.is_empty() {
        return Ok(());
    }
    for raw in query.split('&') {
        if !raw.is_empty() {
            query_option(raw, strictness, request)?;
        } else if strictness.is_strict() {
            return Err(ODataError::bad_request("a query option is empty: '&' stands between two options").at("query", None));
        }
    }
    request.canonical.sort();
    Ok(())
}

fn query_option(raw: &str, strictness: Strictness, request: &mut Request) -> Result<(), ODataError> {
    let (raw_name, raw_value) = raw.split_once('=').map_or((raw, None), |(name, value)| (name, Some(value)));
    let decoded = decode::option(raw_name, "the name of a query option", strictness)?;
    let written = if strictness.is_strict() { decoded.text.as_str() } else { decoded.text.trim() };
    if written.starts_with('@') {
        return alias(written, raw_value.unwrap_or_default(), strictness, request);
    }
    let Some(name) = options::canonical(written, false, strictness)? else {
        let value = raw_value.map(|raw| decode::option(raw, written, strictness)).transpose()?.map(|value| value.text);
        request.custom.push(CustomOption { name: written.to_owned(), value, raw: raw.to_owned() });
        return Ok(());
    };
    let value = decode::option(raw_value.unwrap_or_default(), name, strictness)?;
    let mut scratch = Options::default();
    let repeated = options::is_given(&request.options, name);
    if repeated {
        request.repeated.push(name.to_owned());
    }
    let place = if repeated { &mut scratch } else { &mut request.options };
    let mut cursor = Cursor::new(name, &value, 0, strictness);
    match options::whole(&cursor, name, place) {
        Some(result) => result?,
        None => {
            options::option(&mut cursor, name, place)?;
            if !cursor.at_end() {
                return Err(cursor.unexpected(match name {
                    "$filter" | "$orderby" | "$search" => "the end or an operator",
                    "$select" | "$expand" | "$compute" => "',' or the end",
                    "$apply" => "'/' or the end",
                    _ => "the end",
                }));
            }
        }
    }
    if !repeated {
        request.canonical.push((name.to_owned(), value.text.trim().to_owned()));
    }
    Ok(())
}

fn alias(name: &str, raw_value: &str, strictness: Strictness, request: &mut Request) -> Result<(), ODataError> {
    let text = Decoded::plain(name);
    let mut characters = Cursor::new(name, &text, 0, strictness);
    if characters.take(lexical::alias).is_none() || !characters.at_end() {
        return Err(ODataError::bad_request(format!("'{name}' is not a parameter alias: a name must follow the '@'")).at(name, Some(0)));
    }
    if request.aliases.iter().any(|alias| alias.name == name) {
        return Err(ODataError::bad_request(format!("the parameter alias {name} is defined twice")).at(name, None));
    }
    let value = decode::option(raw_value, name, strictness)?;
    let expr = whole(&value, name, strictness, expression::expression, "the end or an operator")?;
    request.aliases.push(Alias { name: name.to_owned(), value: expr });
    request.canonical.push((name.to_owned(), value.text.trim().to_owned()));
    Ok(())
}

/// JSON everywhere, XML for `$metadata`; media-type parameters are kept for the caller to read.
fn check_format(value: &str, resource: &Resource) -> Result<(), ODataError> {
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = matches!(media.as_str(), "json" | "application/json");
    let known = match resource {
        Resource::Metadata => matches!(media.as_str(), "xml" | "application/xml" | "json" | "application/json"),
        Resource::ServiceDocument | Resource::Batch | Resource::EntitySet(_) => json,
    };
    if known {
        return Ok(());
    }
    if json {
        return Err(ODataError::not_implemented(format!("the format '{}'", cursor::excerpt(value))).at("$format", Some(0)));
    }
    let message = format!("nothing here is written in the format '{}'", cursor::excerpt(value));
    Err(ODataError::new(ODataErrorKind::NotAcceptable, message).at("$format", Some(0)))
}
