//! One request of a batch, run as if it had come alone. It must not know in which format the batch is.

use crate::error::{Code, RequestError};
use crate::http::call::Call;
use crate::http::dispatch::dispatch;
use crate::http::respond;
use crate::http::{concluded, negotiated, parts};
use crate::telemetry::{Door, Trace};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, Uri, header};
use bytes::Bytes;
use portico_engine::{Journal, RequestContext};
use std::sync::Arc;

/// A request of a batch, ready for the handler.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Runs a request as if it had come alone, from the caller of the batch.
pub(super) async fn run(outer: Arc<Call>, prepared: Prepared, number: usize) -> Response<Body> {
    let id = format!("{}.{number}", outer.context.request_id);
    let trace = Trace::begin(&outer.gateway.metrics, Door::OData, id.clone(), prepared.method.as_str(), prepared.uri.path());
    let version = negotiated(&prepared.headers);
    let head = prepared.method == Method::HEAD;
    let outcome = within(outer, prepared, id, &trace).await;
    let mut response = concluded(&trace, outcome, head, None);
    respond::in_version(response.headers_mut(), version);
    response
}

async fn within(outer: Arc<Call>, prepared: Prepared, request_id: String, trace: &Arc<Trace>) -> Result<Response<Body>, RequestError> {
    let (target, key) = parts::split_target(&prepared.uri, outer.gateway.config.gateway.http.max_url)?;
    let principal = Arc::clone(&outer.context.principal);
    trace.set_principal(&principal.name);
    same_caller(&outer, &prepared.headers, key).await?;
    let journal = Arc::new(Journal::default());
    trace.set_journal(&journal);
    let _part = Part { whole: Arc::clone(&outer.context.journal), own: Arc::clone(&journal) };
    let freshness = parts::freshness(&prepared.headers)?;
    let local = outer.context.local.clone();
    let (caller, deadline) = (outer.context.caller.clone(), outer.context.deadline);
    let context = RequestContext { request_id, principal, caller, deadline, freshness, journal, local };
    let call = Call {
        gateway: Arc::clone(&outer.gateway),
        context,
        trace: Arc::clone(trace),
        root: outer.root.clone(),
        target,
        version: negotiated(&prepared.headers),
        headers: prepared.headers,
        alone: false,
    };
    dispatch(call, prepared.method, Body::from(prepared.body)).await
}

/// Tells the batch what a request of it has written, also when the batch is given up in the middle of it.
struct Part {
    whole: Arc<Journal>,
    own: Arc<Journal>,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.whole.join_written(self.own.written());
    }
}

/// Some clients put credentials into every request. They are checked, and must be those of the batch's caller.
async fn same_caller(outer: &Call, headers: &HeaderMap, key: Option<String>) -> Result<(), RequestError> {
    let given = key.is_some() || headers.contains_key(crate::identity::KEY_HEADER) || headers.contains_key(header::AUTHORIZATION);
    if !given {
        return Ok(());
    }
    let caller = outer.gateway.identities.authenticate(parts::credentials(headers, key)?).await?;
    if caller == outer.context.principal {
        return Ok(());
    }
    Err(RequestError::new(Code::Unauthenticated, "a request in the batch has other credentials than the batch: leave them out"))
}
