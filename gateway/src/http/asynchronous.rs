//! `Prefer: respond-async` (Protocol, sections 8.2.8.8 and 11.6): a request goes on while its client does not wait, and a status monitor
//! says how far it is. It must not know what is asked.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service};
use crate::http::concluded;
use crate::http::dispatch::dispatch;
use crate::http::negotiate::{accepted, names};
use crate::http::respond::{self, PREFERENCE_APPLIED};
use crate::state::{Budget, Completed, Jobs, Progress, StateError};
use crate::telemetry::Trace;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use portico_engine::{EngineError, Journal, LocalPermit, RequestContext};
use portico_odata::header::Preferences;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where monitors are, below a service.
const MONITORS: &str = "$async/";
/// When to ask again, in seconds.
const ASK_AGAIN: &str = "1";
const ASYNC_RESULT: HeaderName = HeaderName::from_static("asyncresult");

/// The id of the monitor that a path below a service addresses.
pub fn monitored(resource: &str) -> Option<&str> {
    let resource = resource.strip_prefix(MONITORS).or_else(|| resource.strip_prefix("%24async/"))?;
    Some(resource.trim_end_matches('/'))
}

/// Runs a request without its client, except for the time that it is ready to wait.
///
/// # Errors
/// When too much is running or waiting already.
pub async fn begin(
    call: Call,
    service: &Service,
    preferences: &Preferences,
    method: Method,
    body: Bytes,
) -> Result<Response<Body>, RequestError> {
    let gateway = Arc::clone(&call.gateway);
    let time = gateway.config.gateway.request_time;
    // Its own request holds a place already, and must not wait for another: all of them could.
    let permit = gateway.admission.admit(&call.context.principal.name, Duration::ZERO).await.map_err(EngineError::from)?;
    let trace = Trace::begin(&gateway.metrics, call.trace.door, format!("{}.async", call.trace.id), method.as_str(), &call.target.path);
    trace.set_principal(&call.context.principal.name);
    trace.hold(permit);
    let journal = Arc::new(Journal::default());
    trace.set_journal(&journal);
    let owner = Arc::clone(&call.context.principal);
    let inner = Call {
        context: RequestContext {
            request_id: trace.id.clone(),
            deadline: SystemTime::now() + time,
            journal,
            local: LocalPermit::default(),
            ..call.context
        },
        trace,
        alone: false,
        ..call
    };
    let jobs = &gateway.jobs;
    let id = jobs.start(&owner, time, move |budget| run(inner, method, body, budget, time)).await?;
    // A client that goes away while it waits knows of no monitor.
    let mut waiting = Waiting { jobs, id: &id, armed: true };
    if let Some(seconds) = preferences.wait.filter(|seconds| *seconds > 0) {
        jobs.wait(&id, Duration::from_secs(seconds).min(time)).await;
    }
    if let Progress::Done(completed) = jobs.look(&id, &owner).await? {
        let response = as_response(&completed);
        jobs.cancel(&id, &owner).await?;
        return Ok(response);
    }
    waiting.armed = false;
    let mut response = pending(service, &id);
    respond::set(response.headers_mut(), PREFERENCE_APPLIED, "respond-async");
    Ok(response)
}

struct Waiting<'a> {
    jobs: &'a Jobs,
    id: &'a str,
    armed: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.jobs.drop_job(self.id);
        }
    }
}

async fn run(call: Call, method: Method, body: Bytes, budget: Budget, time: Duration) -> Completed {
    let (trace, version) = (Arc::clone(&call.trace), call.version);
    let complete = async {
        let outcome = dispatch(call, method, Body::from(body)).await;
        let mut response = concluded(&trace, outcome, false, None);
        respond::in_version(response.headers_mut(), version);
        let (parts, body) = response.into_parts();
        match budget.collect(body.into_data_stream()).await {
            Ok(Some(body)) => Ok((parts, body)),
            Ok(None) => {
                let message = "the answer is larger than what is kept for asynchronous requests: ask for pages, or without respond-async";
                Err(RequestError::new(Code::LimitExceeded, message))
            }
            Err(error) => Err(RequestError::new(Code::Internal, format!("the answer broke off: {error}"))),
        }
    };
    let outcome = tokio::time::timeout(time, complete).await.unwrap_or_else(|_| Err(EngineError::Timeout.into()));
    let (parts, body) = match outcome {
        Ok(complete) => complete,
        Err(error) => {
            budget.clear();
            let mut response = respond::error(&error.having_written(trace.written()));
            respond::in_version(response.headers_mut(), version);
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            (parts, vec![body])
        }
    };
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    Completed { status: parts.status.as_u16(), headers, body }
}

fn pending(service: &Service, id: &str) -> Response<Body> {
    let mut response = respond::empty(StatusCode::ACCEPTED);
    respond::set(response.headers_mut(), header::LOCATION, &format!("{}/{MONITORS}{id}", service.root));
    respond::set(response.headers_mut(), header::RETRY_AFTER, ASK_AGAIN);
    respond::set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    response
}

fn as_response(completed: &Completed) -> Response<Body> {
    let length: usize = completed.body.iter().map(Bytes::len).sum();
    let body = match completed.body.as_slice() {
        [] => Bytes::new(),
        [only] => only.clone(),
        several => Bytes::from(several.concat()),
    };
    let mut response = Response::new(if length == 0 { Body::empty() } else { Body::from(body) });
    *response.status_mut() = StatusCode::from_u16(completed.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &completed.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Answers a status monitor.
///
/// # Errors
/// `NotFound` for another caller's, `Gone` for one that did not survive.
pub async fn monitor(call: &Call, service: &Service, id: &str, method: &Method) -> Result<Response<Body>, RequestError> {
    call.trace.set_statement("monitor");
    let jobs = &call.gateway.jobs;
    let caller = &call.context.principal;
    let unknown =
        || RequestError::new(Code::NotFound, "there is no such asynchronous request: its result was fetched too late, or never asked for");
    match *method {
        Method::GET | Method::HEAD => match jobs.look(id, caller).await? {
            Progress::Pending => Ok(pending(service, id)),
            Progress::Done(completed) => Ok(finished(call, &completed)),
            Progress::Lost => {
                let message =
                    "the result of the asynchronous request is not here any more: it has expired, or the gateway was restarted; ask again";
                Err(RequestError::new(Code::Gone, message))
            }
            Progress::Unknown => Err(unknown()),
        },
        Method::DELETE if jobs.cancel(id, caller).await? => Ok(respond::empty(StatusCode::NO_CONTENT)),
        Method::DELETE => Err(unknown()),
        _ => Err(RequestError::new(Code::MethodNotAllowed, "a status monitor is asked with GET, and cancelled with DELETE")
            .allowing("GET, HEAD, DELETE")),
    }
}

/// The answer itself with its status in a header; or as a document of its own for who names that format (clients of 4.0).
fn finished(call: &Call, completed: &Completed) -> Response<Body> {
    let inner = as_response(completed);
    if !names(&accepted(call.header("accept").as_deref()), "application", "http") {
        let mut response = inner;
        *response.status_mut() = StatusCode::OK;
        respond::set(response.headers_mut(), ASYNC_RESULT, &completed.status.to_string());
        return response;
    }
    let status = inner.status();
    let mut text = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("Unknown")).into_bytes();
    for (name, value) in inner.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    completed.body.iter().for_each(|piece| text.extend_from_slice(piece));
    let mut response = respond::complete(StatusCode::OK, "application/http", text);
    respond::set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    response
}

impl From<StateError> for RequestError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Full(_) => RequestError::new(Code::Overloaded, error.to_string()),
            StateError::Broken(_) => RequestError::new(Code::Internal, error.to_string()),
        }
    }
}
