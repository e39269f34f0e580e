//! The HTTP door: OData services at their paths, SQL at `/sql`. Routes are found per request in the current model, so that a new
//! model changes them. It must not know how statements are executed.

mod call;
mod cors;
mod metadata;
mod negotiate;
mod odata;
mod parts;
mod respond;
mod root;
mod sql;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub use call::{current_model, find_service};

use crate::error::{Code, RequestError};
use crate::startup::Gateway;
use crate::telemetry::{Door, Outcome, Trace};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Request, Response, header};
use bytes::Bytes;
use call::{Call, Service};
use portico_engine::{Journal, RequestContext};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// What answers depend on besides the URL.
const VARY: &str = "Accept, Accept-Language, Authorization, X-Api-Key, OData-MaxVersion, Prefer, Origin";

/// The door's router.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().fallback(handle).with_state(gateway)
}

/// Answers one request.
async fn handle(State(gateway): State<Arc<Gateway>>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let cors = &gateway.config.gateway.http.cors;
    if let Some(response) = cors::preflight(cors, &parts.method, &parts.headers) {
        return response;
    }
    let is_sql = parts.uri.path() == sql::PATH;
    let door = if is_sql { Door::Sql } else { Door::OData };
    let trace = Trace::begin(&gateway.metrics, door, parts::request_id(&parts.headers), parts.method.as_str(), parts.uri.path());
    let asked = Asked {
        gateway: Arc::clone(&gateway),
        trace: Arc::clone(&trace),
        peer,
        method: parts.method.clone(),
        uri: parts.uri,
        headers: parts.headers.clone(),
    };
    let outcome = answer(asked, body).await;
    let head = parts.method == Method::HEAD;
    let mut response = concluded(&trace, outcome, head);
    common_headers(&trace, is_sql, response.headers_mut());
    cors::apply(cors, &parts.headers, response.headers_mut());
    response
}

/// What was asked, before anybody knows by whom.
struct Asked {
    gateway: Arc<Gateway>,
    trace: Arc<Trace>,
    peer: SocketAddr,
    method: Method,
    uri: axum::http::Uri,
    headers: HeaderMap,
}

async fn answer(asked: Asked, body: Body) -> Result<Response<Body>, RequestError> {
    let deadline = SystemTime::now() + asked.gateway.config.gateway.request_time;
    let time = asked.gateway.config.gateway.request_time;
    // Until the answer begins; what streams after that has the same deadline (see `stream`).
    match tokio::time::timeout(time, within(asked, body, deadline)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(portico_engine::EngineError::Timeout.into()),
    }
}

async fn within(asked: Asked, body: Body, deadline: SystemTime) -> Result<Response<Body>, RequestError> {
    let settings = &asked.gateway.config.gateway.http;
    let (target, key) = parts::split_target(&asked.uri, settings.max_url)?;
    let credentials = parts::credentials(&asked.headers, key)?;
    let principal = asked.gateway.identities.authenticate(credentials).await?;
    asked.trace.set_principal(&principal.name);
    let permit = Arc::clone(&asked.gateway.permits).try_acquire_owned();
    asked.trace.hold(permit.map_err(|_| RequestError::new(Code::Overloaded, "too many requests are running: try again"))?);
    let root = root::public_root(settings, &asked.uri, &asked.headers, asked.peer.ip())?;
    let journal = Arc::new(Journal::default());
    asked.trace.set_journal(&journal);
    let freshness = parts::freshness(&asked.headers)?;
    let context = RequestContext { request_id: asked.trace.id.clone(), principal, deadline, freshness, journal };
    let call = Call { gateway: asked.gateway, context, trace: asked.trace, root, target, headers: asked.headers };
    dispatch(&call, &asked.method, body).await
}

async fn dispatch(call: &Call, method: &Method, body: Body) -> Result<Response<Body>, RequestError> {
    if call.target.path == sql::PATH {
        call::current_model(&call.gateway)?;
        if *method != Method::POST {
            return Err(RequestError::new(Code::MethodNotAllowed, "SQL is asked with POST").allowing("POST"));
        }
        return sql::query(call, whole_body(call, body).await?).await;
    }
    let service = Service::find(call)?;
    negotiate::check_versions(call.header("odata-version").as_deref(), call.header("odata-maxversion").as_deref())?;
    match tunnelled(call, method)? {
        Method::GET | Method::HEAD => odata::read(call, &service).await,
        method @ (Method::POST | Method::PATCH | Method::PUT | Method::DELETE) => {
            let body = whole_body(call, body).await?;
            write::write(call, &service, &method, body).await
        }
        other => {
            let name: String = other.as_str().chars().take(20).collect();
            Err(RequestError::new(Code::MethodNotAllowed, format!("{name} does not exist here")).allowing("GET, HEAD, POST, PATCH, DELETE"))
        }
    }
}

/// `X-HTTP-Method: PATCH` on a POST: some clients and proxies know no other methods.
fn tunnelled(call: &Call, method: &Method) -> Result<Method, RequestError> {
    let named = call.header("x-http-method").or_else(|| call.header("x-http-method-override"));
    let Some(named) = named.filter(|_| *method == Method::POST) else { return Ok(method.clone()) };
    match named.trim().to_ascii_uppercase().as_str() {
        "PATCH" | "MERGE" => Ok(Method::PATCH),
        "PUT" => Ok(Method::PUT),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(RequestError::new(Code::InvalidRequest, "X-HTTP-Method is PATCH, PUT or DELETE").about("X-HTTP-Method")),
    }
}

/// The body of a write or statement, up to the limit.
async fn whole_body(call: &Call, body: Body) -> Result<Bytes, RequestError> {
    let most = call.gateway.config.gateway.http.max_body;
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

/// Notes the end of a request whose answer is complete, and makes an answer of a failure. A streaming body notes its own end.
fn concluded(trace: &Arc<Trace>, outcome: Result<Response<Body>, RequestError>, head: bool) -> Response<Body> {
    match outcome {
        Ok(response) => {
            let status = response.status();
            trace.set_status(status.as_u16());
            let complete = axum::body::HttpBody::size_hint(response.body()).exact().is_some();
            if !head && !complete {
                return response;
            }
            trace.finish(&Outcome::Ok(status.as_u16()));
            if head { without_body(response) } else { response }
        }
        Err(error) => {
            let response = respond::error(&error);
            trace.set_status(response.status().as_u16());
            trace.finish(&Outcome::Failed(error));
            if head { without_body(response) } else { response }
        }
    }
}

/// The answer to HEAD: the headers of GET, its length where that is known. Dropping the body drops the query.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let length = axum::body::HttpBody::size_hint(&body).exact();
    drop(body);
    if let Some(length) = length {
        respond::set(&mut parts.headers, header::CONTENT_LENGTH, &length.to_string());
        return Response::from_parts(parts, Body::empty());
    }
    // An empty body of known length would be announced as `Content-Length: 0`, which GET does not have.
    Response::from_parts(parts, Body::from_stream(futures::stream::empty::<Result<Bytes, RequestError>>()))
}

fn common_headers(trace: &Trace, is_sql: bool, headers: &mut HeaderMap) {
    // `$metadata` has a version of its own.
    if !is_sql && !headers.contains_key(respond::ODATA_VERSION) {
        respond::set(headers, respond::ODATA_VERSION, "4.0");
    }
    respond::set(headers, header::HeaderName::from_static(parts::REQUEST_ID), &trace.id);
    respond::set(headers, header::VARY, VARY);
    respond::set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let timing = trace.server_timing();
    if !timing.is_empty() {
        respond::set(headers, header::HeaderName::from_static("server-timing"), &timing);
    }
}
