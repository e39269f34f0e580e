//! What a client calls this gateway: the root of all absolute links. Forwarded headers are believed from trusted proxies only:
//! anybody else could make the links of an answer point elsewhere.

use crate::config::HttpSettings;
use crate::error::{Code, RequestError};
use axum::http::{HeaderMap, Uri};
use std::net::IpAddr;

/// The root without a slash at its end: `https://data.example.com`, or `https://example.com/data` behind a proxy with a prefix.
///
/// # Errors
/// `InvalidRequest` when a link cannot be made of what the request says.
pub fn public_root(settings: &HttpSettings, uri: &Uri, headers: &HeaderMap, peer: IpAddr) -> Result<String, RequestError> {
    if let Some(url) = &settings.public_url {
        return Ok(url.clone());
    }
    let trusted = settings.trusted_proxies.iter().any(|network| network.contains(peer));
    let forwarded = if trusted { Forwarded::read(headers) } else { Forwarded::default() };
    let own_scheme = if settings.tls.is_some() { "https" } else { "http" };
    let scheme = forwarded.scheme.filter(|scheme| scheme == "http" || scheme == "https").unwrap_or_else(|| own_scheme.to_owned());
    let host = forwarded.host.or_else(|| uri.authority().map(|authority| authority.as_str().to_owned())).or_else(|| text(headers, "host"));
    let host = host.unwrap_or_else(|| settings.listen.clone());
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)) {
        return Err(RequestError::new(Code::InvalidRequest, "the Host header is not a host name with an optional port").about("Host"));
    }
    let prefix = forwarded.prefix.unwrap_or_default();
    let plain = prefix.is_empty()
        || (prefix.starts_with('/') && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte)));
    if !plain {
        return Err(RequestError::new(Code::InvalidRequest, "the X-Forwarded-Prefix header is not a path").about("X-Forwarded-Prefix"));
    }
    Ok(format!("{scheme}://{host}{}", prefix.trim_end_matches('/')))
}

#[derive(Default)]
struct Forwarded {
    scheme: Option<String>,
    host: Option<String>,
    prefix: Option<String>,
}

impl Forwarded {
    /// `Forwarded` (RFC 7239) first, then the older headers. Of a list the first entry counts: the one next to the client.
    fn read(headers: &HeaderMap) -> Forwarded {
        let first = |name| text(headers, name).and_then(|list: String| list.split(',').next().map(|entry| entry.trim().to_owned()));
        let standard = first("forwarded").unwrap_or_default();
        let named = |name: &str| {
            standard.split(';').find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
            })
        };
        Forwarded {
            scheme: named("proto").or_else(|| first("x-forwarded-proto")).map(|scheme| scheme.to_ascii_lowercase()),
            host: named("host").or_else(|| first("x-forwarded-host")),
            prefix: first("x-forwarded-prefix"),
        }
    }
}

/// A header as text; `None` when it is absent or not ASCII.
pub fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Network;

    fn settings() -> HttpSettings {
        HttpSettings {
            listen: "127.0.0.1:8080".to_owned(),
            public_url: None,
            tls: None,
            cors: Vec::new(),
            trusted_proxies: vec![Network::parse("10.0.0.0/8").unwrap()],
            page_size: 0,
            expand_page_size: 0,
            threads: 1,
            max_body: 1,
            max_url: 1,
            max_batch_requests: 1,
            max_batch_body: 1,
            strictness: portico_odata::parse::Strictness::Lenient,
        }
    }

    fn root(peer: &str, headers: &[(&'static str, &str)]) -> Result<String, RequestError> {
        let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        public_root(&settings(), &Uri::from_static("/odata"), &map, peer.parse().unwrap())
    }

    #[test]
    fn links_are_made_of_the_host() {
        assert_eq!(root("1.2.3.4", &[("host", "data.example.com:444")]).unwrap(), "http://data.example.com:444");
        assert_eq!(root("1.2.3.4", &[]).unwrap(), "http://127.0.0.1:8080");
        assert!(root("1.2.3.4", &[("host", "evil\"/>")]).is_err());
    }

    #[test]
    fn forwarded_headers_are_believed_from_proxies_only() {
        let headers =
            [("host", "inner"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "outer, other"), ("x-forwarded-prefix", "/data/")];
        assert_eq!(root("10.1.1.1", &headers).unwrap(), "https://outer/data");
        assert_eq!(root("11.1.1.1", &headers).unwrap(), "http://inner");
        let standard = [("host", "inner"), ("forwarded", "for=1.1.1.1;proto=https;host=\"outer:8443\", for=2.2.2.2")];
        assert_eq!(root("10.1.1.1", &standard).unwrap(), "https://outer:8443");
        assert!(root("10.1.1.1", &[("x-forwarded-host", "a b")]).is_err());
    }

    #[test]
    fn a_configured_url_wins() {
        let configured = HttpSettings { public_url: Some("https://data.example.com".to_owned()), ..settings() };
        let headers = [("host".parse().unwrap(), "inner".parse().unwrap())].into_iter().collect();
        let found = public_root(&configured, &Uri::from_static("/"), &headers, "10.0.0.1".parse().unwrap());
        assert_eq!(found.unwrap(), "https://data.example.com");
    }
}
