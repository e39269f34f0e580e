//! What every request carries whatever it asks: its id, credentials, how fresh the answer must be, its URL without secrets. It must
//! not know OData or SQL.

use crate::error::{Code, RequestError};
use crate::http::root::text;
use crate::identity::{Credentials, KEY_HEADER, KEY_PARAMETER};
use axum::http::{HeaderMap, Uri};
use portico_engine::RequestedFreshness;
use std::time::Duration;

/// The header that carries a request's id.
pub const REQUEST_ID: &str = "x-request-id";

/// The id that the client gave, if it is sane; otherwise a new one.
pub fn request_id(headers: &HeaderMap) -> String {
    let sane =
        |id: &String| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    text(headers, REQUEST_ID).filter(sane).unwrap_or_else(new_id)
}

/// An id that no other request has. It is no secret: a source of random numbers that asks the system once is enough.
fn new_id() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_le_bytes()).into_uuid().to_string()
}

/// A URL as the rest of the gateway sees it: without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The path, percent-encoded.
    pub path: String,
    /// The query without `api_key`, percent-encoded.
    pub query: Option<String>,
}

/// Takes the API key out of the URL. What is left is what parsers, links and logs see.
///
/// # Errors
/// `InvalidRequest` for a key that appears twice or is not percent-encoded text; `UriTooLong`.
pub fn split_target(uri: &Uri, max_url: usize) -> Result<(Target, Option<String>), RequestError> {
    let path = uri.path().to_owned();
    let query = uri.query().unwrap_or_default();
    if path.len() + query.len() > max_url {
        return Err(RequestError::new(Code::UriTooLong, format!("the URL is longer than the {max_url} bytes that are allowed")));
    }
    let mut key = None;
    let mut kept = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if decoded(name).as_deref() != Some(KEY_PARAMETER) {
            kept.push(option);
            continue;
        }
        let malformed =
            || RequestError::new(Code::InvalidRequest, "the API key in the URL is malformed or given twice").about(KEY_PARAMETER);
        if key.replace(decoded(value).ok_or_else(malformed)?).is_some() {
            return Err(malformed());
        }
    }
    let query = (!kept.is_empty()).then(|| kept.join("&"));
    Ok((Target { path, query }, key))
}

/// Percent-decoded text; `+` stands for itself, because keys may hold one.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The credentials of a request.
///
/// # Errors
/// `Unauthenticated`.
pub fn credentials(headers: &HeaderMap, key_parameter: Option<String>) -> Result<Credentials, RequestError> {
    let several = headers.get_all(KEY_HEADER).iter().count() > 1 || headers.get_all("authorization").iter().count() > 1;
    if several {
        return Err(RequestError::new(Code::Unauthenticated, "the request carries credentials in several headers: send one"));
    }
    Credentials::read(text(headers, KEY_HEADER).as_deref(), text(headers, "authorization").as_deref(), key_parameter)
}

/// How fresh the answer must be: `Cache-Control: no-cache` asks every source anew, `max-age=60` allows a minute.
///
/// # Errors
/// `InvalidRequest` for a `max-age` that is not a number of seconds.
pub fn freshness(headers: &HeaderMap) -> Result<RequestedFreshness, RequestError> {
    let mut requested = RequestedFreshness::AsDeclared;
    for value in headers.get_all("cache-control").iter().filter_map(|value| value.to_str().ok()) {
        for directive in value.split(',').map(|directive| directive.trim().to_ascii_lowercase()) {
            if directive == "no-cache" || directive == "no-store" {
                return Ok(RequestedFreshness::AtMost(Duration::ZERO));
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                let wrong = |_| RequestError::new(Code::InvalidRequest, "max-age is a whole number of seconds").about("Cache-Control");
                let seconds = seconds.trim_matches('"').parse::<u64>().map_err(wrong)?;
                requested = RequestedFreshness::AtMost(Duration::from_secs(seconds));
            }
        }
    }
    let pragma = text(headers, "pragma").is_some_and(|value| value.to_ascii_lowercase().contains("no-cache"));
    // HTTP/1.0 clients have no Cache-Control.
    if pragma && !headers.contains_key("cache-control") {
        return Ok(RequestedFreshness::AtMost(Duration::ZERO));
    }
    Ok(requested)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_key_is_taken_out_of_the_url() {
        let split = |uri: &str| split_target(&uri.parse().unwrap(), 1000);
        let (target, key) = split("/odata/Customers?$top=1&api_key=a%2Bb+c&$skip=2").unwrap();
        assert_eq!((target.path.as_str(), target.query.as_deref()), ("/odata/Customers", Some("$top=1&$skip=2")));
        assert_eq!(key.as_deref(), Some("a+b+c"));
        assert_eq!(split("/x?api%5Fkey=s").unwrap(), (Target { path: "/x".into(), query: None }, Some("s".into())));
        assert_eq!(split("/x").unwrap().1, None);
        assert!(split("/x?api_key=a&api_key=b").is_err() && split("/x?api_key=%ZZ").is_err());
        assert_eq!(split_target(&"/xxxxxxxxxx".parse().unwrap(), 5).unwrap_err().code, Code::UriTooLong);
    }

    #[test]
    fn sane_ids_are_kept() {
        assert_eq!(request_id(&headers(&[(REQUEST_ID, "abc-1.2:3")])), "abc-1.2:3");
        for bad in ["", "a b", "x\"y", &"x".repeat(200)] {
            assert_ne!(request_id(&headers(&[(REQUEST_ID, bad)])), bad);
        }
    }

    #[test]
    fn freshness_is_read() {
        let read = |pairs: &[(&'static str, &str)]| freshness(&headers(pairs));
        let at_most = |seconds| RequestedFreshness::AtMost(Duration::from_secs(seconds));
        assert_eq!(read(&[]).unwrap(), RequestedFreshness::AsDeclared);
        assert_eq!(read(&[("cache-control", "no-cache")]).unwrap(), at_most(0));
        assert_eq!(read(&[("cache-control", "private, max-age=60")]).unwrap(), at_most(60));
        assert_eq!(read(&[("pragma", "no-cache")]).unwrap(), at_most(0));
        assert!(read(&[("cache-control", "max-age=soon")]).is_err());
    }
}
