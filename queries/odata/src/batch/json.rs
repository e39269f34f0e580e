//! The JSON format (JSON Format, section 19). It is accepted whatever version of the protocol the client names. Numbers in bodies stay
//! as they are written.

use super::{BatchItem, BatchRequest, Condition, check_count, shown, wrong};
use crate::error::ODataError;
use crate::json::push_value;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use portico_provider_api::json::{self, Json};
use std::collections::HashSet;

/// base64url, with or without padding.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a body of at most this many requests.
///
/// # Errors
/// Whatever does not have the form of a batch: a member that is missing, of the wrong type, given twice or not known, an id given
/// twice, a dependency on what does not come before, a group that is interrupted.
pub fn read(body: &[u8], most: usize) -> Result<Vec<BatchItem>, ODataError> {
    let document = json::read(body).map_err(|error| wrong(format!("the body is not JSON: {} (at byte {})", error.message, error.at)))?;
    let mut requests = None;
    for (name, value) in object(document, "the batch")? {
        match name.as_str() {
            "requests" => requests = Some(value),
            annotation if annotation.contains('@') => {}
            other => return Err(wrong(format!("'{}' is not a member of a batch: it has 'requests'", shown(other)))),
        }
    }
    let Some(Json::Array(requests)) = requests else { return Err(wrong("the batch has no array 'requests'")) };
    check_count(requests.len(), most)?;
    let mut known = Known::default();
    let mut items: Vec<BatchItem> = Vec::with_capacity(requests.len());
    for (index, value) in requests.into_iter().enumerate() {
        let (request, group) = request(value, index)?;
        known.check(&request, group.as_deref())?;
        match (group, items.last_mut()) {
            (Some(group), Some(BatchItem::Group { name: Some(name), requests })) if *name == group => requests.push(request),
            (Some(group), _) => items.push(BatchItem::Group { name: Some(group), requests: vec![request] }),
            (None, _) => items.push(BatchItem::Request(request)),
        }
    }
    Ok(items)
}

/// What came before a request.
#[derive(Default)]
struct Known {
    ids: HashSet<String>,
    groups: HashSet<String>,
    last_group: Option<String>,
}

impl Known {
    fn check(&mut self, request: &BatchRequest, group: Option<&str>) -> Result<(), ODataError> {
        let id = request.id.as_deref().unwrap_or_default();
        if let Some(group) = group
            && self.groups.contains(group)
            && self.last_group.as_deref() != Some(group)
        {
            return Err(wrong(format!("the requests of the atomicity group '{}' do not stand next to each other", shown(group))));
        }
        let conditions = request.condition.iter().flat_map(Condition::references);
        for other in request.depends_on.iter().map(String::as_str).chain(conditions) {
            if other == id || !(self.ids.contains(other) || self.groups.contains(other)) {
                let message = format!("the request '{}' depends on '{}', which does not come before it", shown(id), shown(other));
                return Err(wrong(message));
            }
        }
        if let Some(group) = group {
            self.groups.insert(group.to_owned());
        }
        self.last_group = group.map(str::to_owned);
        if !self.ids.insert(id.to_owned()) || self.groups.contains(id) || group.is_some_and(|group| self.ids.contains(group)) {
            return Err(wrong(format!("the id '{}' is given twice in the batch", shown(id))));
        }
        Ok(())
    }
}

/// The members of an object; none may occur twice (RFC 7493).
fn object(value: Json, what: &str) -> Result<Vec<(String, Json)>, ODataError> {
    let Json::Object(members) = value else { return Err(wrong(format!("{what} is not a JSON object"))) };
    let mut seen = HashSet::new();
    if let Some((name, _)) = members.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        return Err(wrong(format!("{what} has the member '{}' twice", shown(name))));
    }
    Ok(members)
}

/// The request at an index, and the group it is in.
fn request(value: Json, index: usize) -> Result<(BatchRequest, Option<String>), ODataError> {
    let what = format!("request {} of the batch", index + 1);
    let text = |value: Json, name: &str| match value {
        Json::Text(text) if !text.is_empty() => Ok(text),
        _ => Err(wrong(format!("'{name}' in {what} is not a text, or empty"))),
    };
    let (mut request, mut group, mut body) = (BatchRequest::default(), None, Json::Null);
    for (name, value) in object(value, &what)? {
        match name.as_str() {
            "id" => request.id = Some(text(value, "id")?),
            "method" => request.method = text(value, "method")?.to_ascii_uppercase(),
            "url" => request.url = text(value, "url")?,
            "atomicityGroup" => group = Some(text(value, "atomicityGroup")?),
            "dependsOn" => {
                let Json::Array(items) = value else { return Err(wrong(format!("'dependsOn' in {what} is not an array"))) };
                request.depends_on = items.into_iter().map(|item| text(item, "dependsOn")).collect::<Result<_, _>>()?;
            }
            "if" => request.condition = Some(Condition::parse(&text(value, "if")?)),
            "headers" => request.headers = headers(value, &what)?,
            "body" => body = value,
            annotation if annotation.contains('@') => {}
            other => return Err(wrong(format!("'{}' is not a member of a request ({what})", shown(other)))),
        }
    }
    for (name, missing) in [("id", request.id.is_none()), ("method", request.method.is_empty()), ("url", request.url.is_empty())] {
        if missing {
            return Err(wrong(format!("{what} has no '{name}'")));
        }
    }
    if !matches!(request.method.as_str(), "GET" | "POST" | "PATCH" | "PUT" | "DELETE") {
        return Err(wrong(format!("'method' in {what} is not get, post, patch, put or delete")));
    }
    take_body(&mut request, body, &what)?;
    Ok((request, group))
}

fn headers(value: Json, what: &str) -> Result<Vec<(String, String)>, ODataError> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in object(value, &format!("'headers' in {what}"))? {
        let name = name.to_ascii_lowercase();
        let Json::Text(text) = value else { return Err(wrong(format!("the header '{}' in {what} is not a text", shown(&name)))) };
        if headers.iter().any(|(other, _)| *other == name) {
            return Err(wrong(format!("the header '{}' in {what} is given twice", shown(&name))));
        }
        headers.push((name, text.trim().to_owned()));
    }
    Ok(headers)
}

/// The body as the bytes that a request of its own would have: JSON inline, text as a string, everything else as base64url.
fn take_body(request: &mut BatchRequest, body: Json, what: &str) -> Result<(), ODataError> {
    if body == Json::Null {
        return Ok(());
    }
    if matches!(request.method.as_str(), "GET" | "DELETE") {
        return Err(wrong(format!("{what} has a body, which {} cannot have", request.method)));
    }
    let declared = request.header("content-type").map(str::to_owned);
    if declared.is_none() {
        // The members of the format that are left out are those of the format itself.
        request.headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let media = declared.unwrap_or_else(|| "application/json".to_owned());
    let form = super::BodyForm::of(&media);
    request.body = match (form, body) {
        (super::BodyForm::Json, body) => {
            let mut bytes = Vec::new();
            push_value(&body, &mut bytes);
            bytes
        }
        (super::BodyForm::Text, Json::Text(text)) => text.into_bytes(),
        (super::BodyForm::Binary, Json::Text(text)) => {
            BASE64URL.decode(text).map_err(|_| wrong(format!("the body of {what} is not base64url, as its Content-Type asks")))?
        }
        _ => return Err(wrong(format!("the body of {what} is not a text, as its Content-Type asks"))),
    };
    Ok(())
}
