//! Text → syntax tree. It must not know any model. The URL is split first and each part decoded once; expressions are read by
//! precedence climbing over nom lexers, in linear time, within limits of depth and size.

mod cursor;
mod decode;
mod expression;
mod lexical;
mod options;
mod path;
#[cfg(test)]
mod tests;

use crate::error::ODataError;
use crate::syntax::{Alias, Request, Resource};
use cursor::Cursor;

/// Parses a request: `path` relative to the service root, and the query without its `?`; both still percent-encoded.
///
/// System query options are read with or without `$` and in any letter case; custom options are left alone.
///
/// # Errors
/// Names the culprit and where it stands: `BadRequest` for what is malformed, `NotImplemented` for what is well-formed but not built,
/// `NotFound` for a path that begins with nothing there is.
pub fn request(path: &str, query: Option<&str>) -> Result<Request, ODataError> {
    let (resource, decoded_path) = path::resource(path)?;
    let mut request = Request { resource, canonical: vec![("path".to_owned(), decoded_path)], ..Request::default() };
    for raw in query.unwrap_or_default().split('&').filter(|raw| !raw.is_empty()) {
        query_option(raw, &mut request)?;
    }
    let data = matches!(request.resource, Resource::EntitySet(_));
    if let Some((name, _)) = request.canonical.iter().find(|(name, _)| !data && name.starts_with('$') && name != "$format") {
        let message = format!("the query option {name} does not apply to what the path addresses");
        return Err(crate::ODataError::bad_request(message).at(name, None));
    }
    request.canonical.sort();
    Ok(request)
}

fn query_option(raw: &str, request: &mut Request) -> Result<(), ODataError> {
    let (raw_name, raw_value) = raw.split_once('=').unwrap_or((raw, ""));
    let written = decode::option(raw_name, "the name of a query option")?;
    let written = written.trim();
    if written.starts_with('@') {
        return alias(written, raw_value, request);
    }
    let Some(name) = options::canonical(written, "")? else { return Ok(()) };
    let value = decode::option(raw_value, name)?;
    options::refuse_duplicate(&request.options, name)?;
    match name {
        "$format" => {
            request.options.format = Some(format(value.trim(), &request.resource)?);
        }
        "$skiptoken" => {
            request.options.skip_token = Some(value.trim().to_owned());
        }
        name => {
            let mut cursor = Cursor::new(name, &value, 0);
            options::option(&mut cursor, name, &mut request.options)?;
            if !cursor.at_end() {
                return Err(cursor.unexpected(match name {
                    "$filter" | "$orderby" => "the end or an operator",
                    "$select" | "$expand" => "',' or the end",
                    _ => "the end",
                }));
            }
        }
    }
    request.canonical.push((name.to_owned(), value.trim().to_owned()));
    Ok(())
}

fn alias(name: &str, raw_value: &str, request: &mut Request) -> Result<(), ODataError> {
    let mut characters = Cursor::new(name, name, 0);
    if characters.take(lexical::alias).is_none() || !characters.at_end() {
        return Err(ODataError::bad_request(format!("'{name}' is not a parameter alias: a name must follow the '@'")).at(name, Some(0)));
    }
    if request.aliases.iter().any(|alias| alias.name == name) {
        return Err(ODataError::bad_request(format!("the parameter alias {name} is defined twice")).at(name, None));
    }
    let value = decode::option(raw_value, name)?;
    let mut cursor = Cursor::new(name, &value, 0);
    cursor.skip_space();
    let expr = expression::expression(&mut cursor)?;
    cursor.skip_space();
    if !cursor.at_end() {
        return Err(cursor.unexpected("the end or an operator"));
    }
    request.aliases.push(Alias { name: name.to_owned(), value: expr });
    request.canonical.push((name.to_owned(), value.trim().to_owned()));
    Ok(())
}

/// JSON everywhere, XML for `$metadata`; media-type parameters are kept for the caller to read.
fn format(value: &str, resource: &Resource) -> Result<String, ODataError> {
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = matches!(media.as_str(), "json" | "application/json");
    let known = match resource {
        Resource::Metadata => matches!(media.as_str(), "xml" | "application/xml"),
        Resource::ServiceDocument | Resource::Batch | Resource::EntitySet(_) => json,
    };
    if known {
        return Ok(value.to_owned());
    }
    Err(ODataError::not_implemented(format!("the format '{}'", cursor::excerpt(value))).at("$format", Some(0)))
}
