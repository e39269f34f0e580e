//! Calls of actions: POST to the name of one, with its parameters in the body. It must not know how a source is written.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service};
use crate::http::negotiate::{JsonFormat, require_json};
use crate::http::odata::{Wanted, answered, how};
use crate::http::respond::{self, ODATA_ENTITY_ID};
use crate::pipeline;
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use portico_engine::{ActionAnswer, RequestContext, RequestedFreshness, Statement};
use portico_odata::bind;
use portico_odata::header::{Handling, Preferences, Returning, match_condition};
use portico_odata::json::entity_url;
use portico_odata::profile::Shown;
use portico_odata::syntax::Request;
use std::time::Duration;

/// Answers a POST to an action.
///
/// # Errors
/// Any; after the action has been done none but those of an answer that has begun.
pub async fn call(call: &Call, service: &Service, request: &Request, body: &Bytes) -> Result<Response<Body>, RequestError> {
    call.trace.set_statement("action");
    if call.header("if-none-match").is_some() {
        return Err(RequestError::new(Code::NotImplemented, "If-None-Match on an action is not supported").about("If-None-Match"));
    }
    if !body.iter().all(u8::is_ascii_whitespace) {
        require_json(call.header("content-type").as_deref())?;
    }
    let preferences = call.preferences()?;
    let representation = preferences.returning != Some(Returning::Minimal);
    // What cannot be answered is not done.
    JsonFormat::negotiate(request.options.format.as_deref(), call.header("accept").as_deref())?;
    let parse = || {
        let condition = match_condition("If-Match", call.header("if-match").as_deref())?;
        let action = bind::action(request, &service.view, body, condition, representation)?;
        action.ok_or_else(|| RequestError::new(Code::NotFound, "there is no such action"))
    };
    let done = pipeline::act(&call.gateway.engine, &call.context, &call.trace, &service.view, parse).await?;
    let mut response = match returned(call, service, request, &done).await {
        Ok(response) => response,
        // It is done. To report a failure would make the client do it again.
        Err(error) => {
            tracing::warn!(request = %call.context.request_id, message = %error.message, "what an action returns could not be read");
            respond::empty(StatusCode::NO_CONTENT)
        }
    };
    created(service, &done, &mut response);
    said(&preferences, &mut response);
    Ok(response)
}

/// What it returns, read now: nothing that the cache holds is from after it.
async fn returned(call: &Call, service: &Service, request: &Request, done: &ActionAnswer) -> Result<Response<Body>, RequestError> {
    let Some(bound) = done.read.clone() else { return Ok(respond::empty(StatusCode::NO_CONTENT)) };
    let (read, wanted): (_, Wanted) = how(call, service, request, (bound, Shown::default()), false)?;
    let context = RequestContext { freshness: RequestedFreshness::AtMost(Duration::ZERO), ..call.context.clone() };
    let parse = || Ok(Statement::Entities(Box::new(read)));
    let answer = pipeline::read(&call.gateway.engine, &context, &call.trace, parse, Ok).await?;
    answered(call, service, &wanted, answer).await
}

/// Where the entity is that was made.
fn created(service: &Service, done: &ActionAnswer, response: &mut Response<Body>) {
    let Some((table, key)) = &done.created else { return };
    let Some(table) = service.view.by_virtual_table(table) else { return };
    let url = entity_url(&service.root, &service.view, table, key);
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::CREATED;
    } else {
        respond::set(response.headers_mut(), ODATA_ENTITY_ID, &url);
    }
    respond::set(response.headers_mut(), header::LOCATION, &url);
}

fn said(preferences: &Preferences, response: &mut Response<Body>) {
    let has_body = response.status() != StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    match preferences.returning {
        Some(Returning::Minimal) => respond::applied(headers, "return=minimal"),
        Some(Returning::Representation) if has_body => respond::applied(headers, "return=representation"),
        Some(Returning::Representation) | None => {}
    }
    // An answer with a body has said it.
    if preferences.handling == Some(Handling::Strict) && !has_body {
        respond::applied(headers, "handling=strict");
    }
    respond::set(headers, header::CACHE_CONTROL, "no-store");
}
