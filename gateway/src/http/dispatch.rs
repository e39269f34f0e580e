//! From a request whose caller is known to the handler of what it addresses. Requests of a batch come here again, one by one. It must
//! not know how anything is answered.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service, current_model, find_service};
use crate::http::{asynchronous, batch, negotiate, odata, sql, write};
use axum::body::Body;
use axum::http::{Method, Response, Uri};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use portico_odata::syntax::Resource;
use std::fmt::Write;
use std::sync::Arc;

/// Answers a call. Boxed, because a batch comes back here for each of its requests.
pub fn dispatch(call: Call, method: Method, body: Body) -> BoxFuture<'static, Result<Response<Body>, RequestError>> {
    answer(call, method, body).boxed()
}

/// Whether a request asks no source and computes nothing: a service document, `$metadata`, how far a request is that runs without its
/// client. It does not wait for a turn behind those that do.
pub fn is_light(call: &Call, method: &Method) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads || call.target.path == sql::PATH {
        return false;
    }
    // What nothing is found for is told at once, too.
    let Ok(model) = current_model(&call.gateway) else { return true };
    find_service(&model, &call.target.path).is_none_or(|(_, _, resource)| {
        let resource = resource.trim_end_matches('/');
        matches!(resource, "" | "$metadata" | "%24metadata") || asynchronous::monitored(resource).is_some()
    })
}

/// Whether a request reads like that of one entity by its key, which is answered faster than it is handed to another thread. A guess by its looks:
/// where it is wrong, nothing is but the thread.
pub fn looks_up(method: &Method, uri: &Uri) -> bool {
    let asks_more = |query: &str| ["expand", "apply", "compute"].iter().any(|option| query.contains(option));
    *method == Method::GET && uri.path().ends_with(')') && !uri.query().is_some_and(asks_more)
}

async fn answer(call: Call, method: Method, body: Body) -> Result<Response<Body>, RequestError> {
    if call.target.path == sql::PATH {
        current_model(&call.gateway)?;
        if method != Method::POST {
            return Err(RequestError::new(Code::MethodNotAllowed, "SQL is asked with POST").allowing("POST"));
        }
        let most = call.gateway.config.gateway.http.max_body;
        let body = whole_body(&call, body, most).await?;
        return sql::query(&call, body).await;
    }
    negotiate::version(call.header("odata-version").as_deref(), call.header("odata-maxversion").as_deref())?;
    negotiate::charset(call.header("accept-charset").as_deref())?;
    isolation(&call)?;
    let service = Service::find(&call)?;
    let method = tunnelled(&call, &method)?;
    if ends_with_query(&service.resource) {
        if method != Method::POST {
            return Err(RequestError::new(Code::MethodNotAllowed, "$query is asked with POST").allowing("POST"));
        }
        let call = posted_query(call, body).await?;
        let service = Service::find(&call)?;
        return odata(call, service, Method::GET, Body::empty()).await;
    }
    odata(call, service, method, body).await
}

async fn odata(call: Call, service: Service, method: Method, body: Body) -> Result<Response<Body>, RequestError> {
    let settings = &call.gateway.config.gateway.http;
    if let Some(id) = asynchronous::monitored(&service.resource) {
        return asynchronous::monitor(&call, &service, id, &method).await;
    }
    let preferences = call.preferences()?;
    if preferences.respond_async && call.alone && method != Method::HEAD {
        let most = if is_batch(&service) { settings.max_batch_body } else { settings.max_body };
        let body = whole_body(&call, body, most).await?;
        return asynchronous::begin(call, &service, &preferences, method, body).await;
    }
    match method {
        Method::GET | Method::HEAD => odata::read(&call, &service).await,
        Method::POST if is_batch(&service) => {
            let body = whole_body(&call, body, settings.max_batch_body).await?;
            batch::answer(Arc::new(call), &service, body).await
        }
        method @ (Method::POST | Method::PATCH | Method::PUT | Method::DELETE) => {
            let body = whole_body(&call, body, settings.max_body).await?;
            write::write(&call, &service, &method, body).await
        }
        other => {
            let name: String = other.as_str().chars().take(20).collect();
            let allowed = write::allowed(&call, &service);
            Err(RequestError::new(Code::MethodNotAllowed, format!("{name} does not exist here")).allowing(allowed))
        }
    }
}

fn is_batch(service: &Service) -> bool {
    portico_odata::parse::request(&service.resource, None).is_ok_and(|request| request.resource == Resource::Batch)
}

/// A snapshot over several sources cannot be had, and the protocol wants that said rather than ignored (section 8.2.6).
fn isolation(call: &Call) -> Result<(), RequestError> {
    for name in ["isolation", "odata-isolation"] {
        if call.headers.contains_key(name) {
            let message = "an answer that is isolated from all changes cannot be given over several sources: ask without this header";
            return Err(RequestError::new(Code::PreconditionFailed, message).about("Isolation"));
        }
    }
    Ok(())
}

/// `X-HTTP-Method: PATCH` on a POST: some clients and proxies know no other methods.
fn tunnelled(call: &Call, method: &Method) -> Result<Method, RequestError> {
    let named = call.header("x-http-method").or_else(|| call.header("x-http-method-override"));
    let Some(named) = named.filter(|_| *method == Method::POST) else { return Ok(method.clone()) };
    match named.trim().to_ascii_uppercase().as_str() {
        "PATCH" | "MERGE" => Ok(Method::PATCH),
        "PUT" => Ok(Method::PUT),
        "DELETE" => Ok(Method::DELETE),
        "POST" => Ok(Method::POST),
        _ => Err(RequestError::new(Code::InvalidRequest, "X-HTTP-Method is PATCH, PUT or DELETE").about("X-HTTP-Method")),
    }
}

/// Whether a path ends with `/$query`: then the query stands in the body (URL Conventions, section 4.17).
fn ends_with_query(resource: &str) -> bool {
    without_query(resource).is_some()
}

fn without_query(path: &str) -> Option<&str> {
    let path = path.trim_end_matches('/');
    let (rest, last) = path.rsplit_once('/').unwrap_or(("", path));
    matches!(last, "$query" | "%24query").then_some(rest)
}

/// The read that a `POST …/$query` stands for.
async fn posted_query(mut call: Call, body: Body) -> Result<Call, RequestError> {
    let content_type = call.header("content-type").unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let form = match media.as_str() {
        "text/plain" => false,
        "application/x-www-form-urlencoded" => true,
        _ => {
            let message = "the body of $query holds query options as they would stand in a URL: send it as text/plain";
            return Err(RequestError::new(Code::UnsupportedMediaType, message).about("Content-Type"));
        }
    };
    let most = call.gateway.config.gateway.http.max_body;
    let body = whole_body(&call, body, most).await?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| RequestError::new(Code::InvalidRequest, "the body of $query is not UTF-8").about("$query"))?;
    let options = as_query(text, form);
    let query = [call.target.query.take().unwrap_or_default(), options].join("&");
    // As in a URL, where empty options come from joining.
    let query = query.trim_matches('&');
    call.target.query = (!query.is_empty()).then(|| query.to_owned());
    call.target.path = without_query(&call.target.path).unwrap_or_default().to_owned();
    Ok(call)
}

/// A text as the query of a URL: what cannot stand in one is encoded, so that it keeps its meaning. In a form `+` is a blank.
fn as_query(text: &str, form: bool) -> String {
    let text = text.trim_end_matches(['\r', '\n']).trim_start_matches('?');
    let mut query = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' if form => query.push_str("%20"),
            b'!'..=b'~' => query.push(char::from(byte)),
            other => {
                let _ = write!(query, "%{other:02X}");
            }
        }
    }
    query
}

/// The body of a request, up to a limit.
pub async fn whole_body(call: &Call, body: Body, most: usize) -> Result<Bytes, RequestError> {
    let too_large = || RequestError::new(Code::PayloadTooLarge, format!("the body is larger than the {most} bytes that are allowed"));
    let announced = call.header("content-length").and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    if call.header("content-encoding").is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        let message = "compressed bodies are not read: send the body as it is";
        return Err(RequestError::new(Code::UnsupportedMediaType, message).about("Content-Encoding"));
    }
    axum::body::to_bytes(body, most).await.map_err(|error| {
        let limited = std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("length limit"));
        if limited { too_large() } else { RequestError::new(Code::InvalidRequest, "the body ended before it was complete") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_in_a_body_is_one_as_in_a_url() {
        assert_eq!(as_query("$filter=Name eq 'ä\n+'&$top=1\r\n", false), "$filter=Name%20eq%20'%C3%A4%0A+'&$top=1");
        assert_eq!(as_query("?$filter=Name+eq+%27a%2Bb%27", true), "$filter=Name%20eq%20%27a%2Bb%27");
        assert_eq!(as_query("", false), "");
    }

    #[test]
    fn a_look_up_is_told_by_its_looks() {
        let looks_up = |method: &Method, uri: &'static str| looks_up(method, &Uri::from_static(uri));
        assert!(looks_up(&Method::GET, "/odata/Customers(1)"));
        assert!(looks_up(&Method::GET, "/odata/Customers('a')?$select=Name"));
        assert!(!looks_up(&Method::GET, "/odata/Customers(1)?$expand=Orders"));
        assert!(!looks_up(&Method::GET, "/odata/Customers"));
        assert!(!looks_up(&Method::DELETE, "/odata/Customers(1)"));
    }

    #[test]
    fn the_segment_is_found_at_the_end_only() {
        assert_eq!(without_query("Customers/$query"), Some("Customers"));
        assert_eq!(without_query("Customers(1)/Orders/%24query/"), Some("Customers(1)/Orders"));
        assert_eq!(without_query("$query"), Some(""));
        assert_eq!(without_query("Customers/$query/x"), None);
        assert_eq!(without_query("Customers"), None);
    }
}
