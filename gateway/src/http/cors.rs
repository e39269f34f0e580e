//! Cross-origin requests: which pages' scripts may ask. It must not know who asks.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// What a script may read besides the body.
const EXPOSED: &str = "ETag, Location, OData-Version, OData-EntityId, Preference-Applied, Retry-After, Age, \
    AsyncResult, Allow, X-CSRF-Token, X-Request-Id, Server-Timing";
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";
/// How long a browser remembers a preflight answer, in seconds.
const REMEMBERED: &str = "600";

/// The value of `Access-Control-Allow-Origin` for a request, where its origin is allowed.
pub fn allowed_origin(origins: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    if origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)) {
        return Some(origin.clone());
    }
    origins.iter().any(|allowed| allowed == "*").then(|| HeaderValue::from_static("*"))
}

/// Answers a preflight request; `None` when it is not one. It is answered without credentials, because browsers send none with it.
pub fn preflight(origins: &[String], method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
    if method != Method::OPTIONS || !headers.contains_key(header::ORIGIN) || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let own = response.headers_mut();
    own.insert(header::VARY, HeaderValue::from_static("Origin, Access-Control-Request-Headers"));
    if let Some(origin) = allowed_origin(origins, headers) {
        own.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        own.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        own.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
        if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            own.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
    }
    Some(response)
}

/// Lets the script of an allowed origin ([`allowed_origin`]) read an answer.
pub fn apply(origin: Option<HeaderValue>, response: &mut HeaderMap) {
    if let Some(origin) = origin {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_configured_origins_are_let_in() {
        let request = |origin: &str| {
            let pairs = [("origin", origin), ("access-control-request-method", "GET"), ("access-control-request-headers", "x-api-key")];
            pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let origins = vec!["https://app.example.com".to_owned()];
        let answer = |origin| preflight(&origins, &Method::OPTIONS, &request(origin)).unwrap();
        assert_eq!(answer("https://app.example.com").headers()["access-control-allow-origin"], "https://app.example.com");
        assert!(!answer("https://evil.example.com").headers().contains_key("access-control-allow-origin"));
        assert!(preflight(&origins, &Method::GET, &request("https://app.example.com")).is_none());
        assert!(preflight(&origins, &Method::OPTIONS, &HeaderMap::new()).is_none());
        let mut response = HeaderMap::new();
        apply(allowed_origin(&["*".to_owned()], &request("https://any.example.com")), &mut response);
        assert_eq!(response["access-control-allow-origin"], "*");
        assert!(!response.contains_key("access-control-allow-credentials"));
    }
}
