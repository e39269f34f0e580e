//! Responses: statuses, headers that every answer carries, and errors as OData writes them. It must not know what was asked.

use crate::error::{Code, RequestError};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use portico_odata::header::Version;

/// The header with the version of an OData answer. It is set in one place and once: some clients read two as one malformed one.
pub const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
/// The id of an entity in an answer without a body.
pub const ODATA_ENTITY_ID: HeaderName = HeaderName::from_static("odata-entityid");
/// Which preferences were honoured.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Says in which version an answer is, unless it has said so itself: `$metadata` has a version of its own.
pub fn in_version(headers: &mut HeaderMap, version: Version) {
    if !headers.contains_key(ODATA_VERSION) {
        headers.insert(ODATA_VERSION, HeaderValue::from_static(version.as_str()));
    }
}

/// The name of a preference that had a prefix in 4.0, as a client of that version knows it.
pub fn preference_name(name: &str, version: Version) -> String {
    match version {
        Version::V4_0 => format!("odata.{name}"),
        Version::V4_01 => name.to_owned(),
    }
}

/// Says that a preference was honoured, besides others.
pub fn applied(headers: &mut HeaderMap, preference: &str) {
    let before = headers.get(PREFERENCE_APPLIED).and_then(|value| value.to_str().ok()).map(|before| format!("{before}, "));
    set(headers, PREFERENCE_APPLIED, &format!("{}{preference}", before.unwrap_or_default()));
}

/// An answer with its whole body.
pub fn complete(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    set(response.headers_mut(), header::CONTENT_TYPE, content_type);
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header. A value that no header can carry is left out: none of ours is made of anything a client sends unescaped.
pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// An error, as OData writes it (SQL over HTTP does the same).
pub fn error(error: &RequestError) -> Response<Body> {
    let entry = error.code.entry();
    let body = portico_odata::json::error_object(entry.name, &error.message, error.target.as_deref(), &[]);
    let status = StatusCode::from_u16(entry.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = complete(status, "application/json;odata.metadata=minimal;charset=utf-8", body);
    let headers = response.headers_mut();
    set(headers, header::CONTENT_LANGUAGE, "en");
    set(headers, header::CACHE_CONTROL, "no-store");
    if let Some(after) = error.retry() {
        set(headers, header::RETRY_AFTER, &after.as_secs().max(1).to_string());
    }
    if let Some(allow) = error.allow {
        set(headers, header::ALLOW, allow);
    }
    if error.code == Code::Unauthenticated {
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"portico\", charset=\"UTF-8\""));
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"portico\""));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_api::Retry;
    use std::time::Duration;

    #[tokio::test]
    async fn errors_are_objects_with_the_right_headers() {
        let failure = RequestError {
            retry: Some(Retry::After(Some(Duration::from_millis(1500)))),
            ..RequestError::new(Code::SourceThrottled, "slow \"down\"")
        };
        let response = error(&failure);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let object: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(object["error"]["code"], "SourceThrottled");
        assert_eq!(object["error"]["message"], "slow \"down\"");
        let refused = error(&RequestError::new(Code::Unauthenticated, "no"));
        assert_eq!(refused.headers().get_all("www-authenticate").iter().count(), 2);
        let method = error(&RequestError::new(Code::MethodNotAllowed, "no").allowing("GET, HEAD"));
        assert_eq!((method.status().as_u16(), method.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    }
}
