//! The HTTP door: OData services at their paths, SQL at `/sql`. Routes are found per request in the current model, so that a new
//! model changes them. It must not know how statements are executed.

mod action;
mod all;
mod asynchronous;
mod batch;
mod call;
mod collection;
mod compress;
pub mod connections;
mod cors;
mod dispatch;
mod metadata;
mod negotiate;
mod nested;
mod odata;
mod part;
mod parts;
pub mod profile;
pub mod rendering;
mod respond;
mod room;
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
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use call::Call;
use compress::Encoding;
use portico_engine::{EngineError, Journal, LocalPermit, RequestContext};
use portico_odata::header::Version;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// What answers depend on besides the URL.
const VARY: &str = "Accept, Accept-Charset, Accept-Encoding, Accept-Language, Authorization, X-Api-Key, OData-MaxVersion, Prefer, Origin";

/// What clients ask for with `X-CSRF-Token: Fetch`.
const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
/// How much of a signature such a token has.
const TOKEN_BYTES: usize = 24;

/// Answers one request. A key look-up is answered where it came in; all else by the threads of the process, so that no look-up waits behind an
/// answer that takes long.
pub async fn handle(gateway: Arc<Gateway>, peer: SocketAddr, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let cors = &gateway.config.gateway.http.cors;
    if let Some(response) = cors::preflight(cors, &parts.method, &parts.headers) {
        return response;
    }
    let is_sql = parts.uri.path() == sql::PATH;
    let looks_up = dispatch::looks_up(&parts.method, &parts.uri);
    let door = if is_sql { Door::Sql } else { Door::OData };
    let trace = Trace::begin(&gateway.metrics, door, parts::request_id(&parts.headers), parts.method.as_str(), parts.uri.path());
    let (head, encoding) = (parts.method == Method::HEAD, Encoding::negotiate(&parts.headers));
    let version = (!is_sql).then(|| negotiated(&parts.headers));
    let origin = cors::allowed_origin(cors, &parts.headers);
    let asked = Asked {
        gateway: Arc::clone(&gateway),
        trace: Arc::clone(&trace),
        peer,
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
    };
    let outcome = if looks_up { answer(asked, body).await } else { at_work(&gateway.threads, answer(asked, body)).await };
    let mut response = concluded(&trace, outcome, head, encoding);
    common_headers(&trace, version, response.headers_mut());
    cors::apply(origin, response.headers_mut());
    response
}

/// Works on an answer on other threads, the body that streams included. Dropping this stops the work.
async fn at_work(
    threads: &Handle,
    work: impl Future<Output = Result<Response<Body>, RequestError>> + Send + 'static,
) -> Result<Response<Body>, RequestError> {
    let mut task = JoinSet::new();
    task.spawn_on(work, threads);
    match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) | None => Err(RequestError::new(Code::Internal, "the work on the answer broke off")),
    }
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
    let caller = credentials.token();
    let principal = asked.gateway.identities.authenticate(credentials).await?;
    asked.trace.set_principal(&principal.name);
    let root = root::public_root(settings, &asked.uri, &asked.headers, asked.peer.ip())?;
    let journal = Arc::new(Journal::default());
    asked.trace.set_journal(&journal);
    let freshness = parts::freshness(&asked.headers)?;
    let local = LocalPermit::default();
    let context = RequestContext { request_id: asked.trace.id.clone(), principal, caller, deadline, freshness, journal, local };
    let version = negotiated(&asked.headers);
    let call = Call { gateway: asked.gateway, context, trace: asked.trace, root, target, headers: asked.headers, version, alone: true };
    if !dispatch::is_light(&call, &asked.method) {
        let permit = call.gateway.admission.admit(&call.context.principal.name, call.context.remaining()).await;
        call.trace.hold(permit.map_err(EngineError::from)?);
    }
    let token = fetched_token(&call, &asked.method);
    let mut response = dispatch::dispatch(call, asked.method, body).await?;
    if let Some(token) = token {
        respond::set(response.headers_mut(), CSRF_TOKEN, &token);
    }
    Ok(response)
}

/// The token for a client that fetches one, as SAP's clients do before they write. None is needed, and whoever sends one is not refused
/// for it: there are no cookies here that a page could misuse. It is the same for a caller as long as the key is.
fn fetched_token(call: &Call, method: &Method) -> Option<String> {
    let asked = call.header(CSRF_TOKEN.as_str()).is_some_and(|value| value.trim().eq_ignore_ascii_case("fetch"));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let sealed = (asked && reads).then(|| call.gateway.tokens.seal("csrf", call.context.principal.name.as_bytes()))??;
    Some(URL_SAFE_NO_PAD.encode(sealed.get(..TOKEN_BYTES)?))
}

/// Notes the end of a request whose answer is complete, and makes an answer of a failure. A streaming body notes its own end.
fn concluded(trace: &Arc<Trace>, outcome: Result<Response<Body>, RequestError>, head: bool, encoding: Option<Encoding>) -> Response<Body> {
    match outcome {
        Ok(response) => {
            let status = response.status();
            trace.set_status(status.as_u16());
            let complete = axum::body::HttpBody::size_hint(response.body()).exact().is_some();
            let response = compress::apply(response, encoding);
            if !head && !complete {
                return response;
            }
            trace.finish(&Outcome::Ok(status.as_u16()));
            if head { without_body(response) } else { response }
        }
        Err(error) => {
            let error = error.having_written(trace.written());
            let response = compress::apply(respond::error(&error), encoding);
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

/// The version of an answer; 4.0 where what the client says of it is not understood, which the answer then says.
fn negotiated(headers: &HeaderMap) -> Version {
    Version::negotiate(root::text(headers, "odata-maxversion").as_deref()).unwrap_or_default()
}

fn common_headers(trace: &Trace, version: Option<Version>, headers: &mut HeaderMap) {
    if let Some(version) = version {
        respond::in_version(headers, version);
    }
    respond::set(headers, HeaderName::from_static(parts::REQUEST_ID), &trace.id);
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let timing = trace.server_timing();
    if !timing.is_empty() {
        respond::set(headers, HeaderName::from_static("server-timing"), &timing);
    }
}
