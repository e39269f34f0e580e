//! Where a request of a batch goes: its URL, in one of the three forms that the protocol has, or a reference to what an earlier request
//! made. It must not know what is there.

use super::{shown, wrong};
use crate::error::ODataError;

/// What URLs in a batch are relative to.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What clients call the gateway, without a slash at its end: `https://data.example.com/portico`.
    pub root: &'a str,
    /// The host (and port) that the batch itself was sent to: a name that clients may use too.
    pub host: Option<&'a str>,
    /// The path of the service below the root, with a slash at its start and none at its end.
    pub service: &'a str,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressed {
    /// To this path and query of the gateway, still percent-encoded.
    Here(String),
    /// To the same as the batch itself, which is not allowed.
    Batch,
}

/// Names that are never references, whatever ids a batch has.
const SYSTEM: [&str; 7] = ["batch", "crossjoin", "all", "entity", "root", "id", "metadata"];

/// The id that a URL begins with a reference to (`$1` or `$1/Orders`), and what follows it.
#[must_use]
pub fn reference(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix('$')?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (id, tail) = rest.split_at(end);
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    (plain && !SYSTEM.contains(&id)).then_some((id, tail))
}

/// Resolves the URL of a request, references replaced.
///
/// # Errors
/// `BadRequest` for a URL of another host or of another service.
pub fn addressed(url: &str, place: &Place<'_>) -> Result<Addressed, ODataError> {
    let path = match absolute(url) {
        Some((authority, path)) => below_root(authority, path, place)
            .ok_or_else(|| wrong(format!("'{}' is not a URL of this service: a batch goes to one service", shown(url))))?,
        None if url.starts_with('/') => {
            let prefix = absolute(place.root).map_or("", |(_, path)| path).trim_end_matches('/');
            // Behind a proxy that takes a prefix away, clients write paths with it; those who are not behind it, without.
            below(url, prefix).unwrap_or_else(|| url.to_owned())
        }
        None => format!("{}/{}", place.service, url.strip_prefix("./").unwrap_or(url)),
    };
    let bare = path.split('?').next().unwrap_or_default();
    let resource = below(bare, place.service);
    match resource.as_deref().map(|resource| resource.trim_matches('/')) {
        Some("$batch" | "%24batch") => Ok(Addressed::Batch),
        Some(_) => Ok(Addressed::Here(path)),
        None => Err(wrong(format!("'{}' is not a URL of this service: a batch goes to one service", shown(url)))),
    }
}

/// The authority and the rest of an absolute URL.
fn absolute(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

/// What of a path stands below a prefix; it begins with a slash, a question mark, or is empty.
fn below(path: &str, prefix: &str) -> Option<String> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| rest.to_owned())
}

/// The scheme is not compared: a gateway behind a proxy that ends TLS may not know it.
fn below_root(authority: &str, path: &str, place: &Place<'_>) -> Option<String> {
    let (own, prefix) = absolute(place.root)?;
    let same = |other: &str| without_port(other).eq_ignore_ascii_case(without_port(authority));
    if same(own) {
        return below(path, prefix.trim_end_matches('/')).or_else(|| below(path, place.service).map(|_| path.to_owned()));
    }
    place.host.is_some_and(same).then(|| below(path, prefix.trim_end_matches('/')).unwrap_or_else(|| path.to_owned()))
}

/// An authority without a port that is its scheme's own.
fn without_port(authority: &str) -> &str {
    authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80")).unwrap_or(authority)
}
