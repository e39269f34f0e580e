//! OData writes: POST, PATCH and DELETE of one entity; a POST to an action goes its own way. It must not know how a source is written.

use crate::error::{Code, RequestError};
use crate::http::action;
use crate::http::call::{Call, Service, not_yet_known};
use crate::http::negotiate::{JsonFormat, require_json};
use crate::http::odata::json_options;
use crate::http::profile;
use crate::http::respond::{self, ODATA_ENTITY_ID};
use crate::pipeline;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode, header};
use bytes::Bytes;
use portico_catalog::ModelView;
use portico_engine::WriteAnswer;
use portico_odata::header::{Handling, Preferences, Returning, match_condition};
use portico_odata::json::{JsonWriter, entity_url};
use portico_odata::profile::Shown;
use portico_odata::syntax::{Options, Request, Resource, Segment};
use portico_odata::{BoundQuery, BoundRead, BoundWrite, ReadKind, bind};

/// Answers a POST, PATCH, DELETE, or refuses PUT.
///
/// # Errors
/// Any.
pub async fn write(call: &Call, service: &Service, method: &Method, body: Bytes) -> Result<Response<Body>, RequestError> {
    let request = service.parse(call)?;
    let segments = match &request.resource {
        Resource::Batch => return Err(only("POST", method)),
        Resource::ServiceDocument | Resource::Metadata => return Err(only("GET, HEAD", method)),
        Resource::EntitySet(segments) => segments,
    };
    if *method == Method::POST && bind::is_action(&request, &service.published.view) {
        return action::call(call, service, &request, &body).await;
    }
    check_method(&service.view, method, segments)?;
    segments.first().map_or(Ok(()), |first| not_yet_known(call, service, &first.name))?;
    call.trace.set_statement(method.as_str());
    if call.header("if-none-match").is_some() {
        return Err(RequestError::new(Code::NotImplemented, "If-None-Match on a write is not supported yet").about("If-None-Match"));
    }
    let preferences = call.preferences()?;
    // Without a preference the entity is returned, as the protocol recommends.
    let representation = method != Method::DELETE && preferences.returning != Some(Returning::Minimal);
    let format = if representation {
        JsonFormat::negotiate(request.options.format.as_deref(), call.header("accept").as_deref())?
    } else {
        JsonFormat::default()
    };
    if method != Method::DELETE {
        require_json(call.header("content-type").as_deref())?;
    }
    let original = request;
    let (request, shown) = profile::request(&call.gateway, service, &original).await?;
    let body = native_body(call, service, &request, method, body).await?;
    let mut table = None;
    let parse = || {
        let write = bound(call, service, &request, method, &body, representation)?;
        table = Some((write.table.clone(), write.select.clone()));
        Ok(write)
    };
    let answer = pipeline::write(&call.gateway.engine, &call.context, &call.trace, &service.view, parse, Ok).await?;
    let (table, select) = table.unwrap_or_default();
    let written = Written { request: &request, shown, table, select, format, preferences };
    answered(call, service, method, &written, &answer).await
}

/// The body over the tables as they are, where the path says which table. Where it does not, nothing is read of the body.
async fn native_body(call: &Call, service: &Service, request: &Request, method: &Method, body: Bytes) -> Result<Bytes, RequestError> {
    if *method == Method::DELETE || !service.published.translates() {
        return Ok(body);
    }
    let path = Request { options: Options::default(), ..request.clone() };
    let Ok(target) = bind::read(&path, &service.view) else { return Ok(body) };
    let Some(table) = service.view.by_virtual_table(&target.query.table) else { return Ok(body) };
    let key = target.query.key.as_deref();
    Ok(profile::body(&call.gateway, service, table, key, &body).await?.into())
}

fn bound(
    call: &Call,
    service: &Service,
    request: &Request,
    method: &Method,
    body: &[u8],
    representation: bool,
) -> Result<BoundWrite, RequestError> {
    let condition = match_condition("If-Match", call.header("if-match").as_deref())?;
    let write = match *method {
        Method::POST => bind::insert(request, &service.view, body, representation),
        Method::PATCH => bind::update(request, &service.view, body, condition, representation),
        _ => bind::delete(request, &service.view, condition),
    };
    write.map_err(|error| allowing(error.into(), &service.view, &request.resource))
}

/// What a path addresses, as far as methods differ by it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Addressed {
    Set,
    Entity,
    Singleton,
    Other,
}

impl Addressed {
    fn of(view: &ModelView, segments: &[Segment]) -> Addressed {
        match segments {
            [only] if view.singletons.contains_key(&only.name) => Addressed::Singleton,
            [only] if only.key.is_none() => Addressed::Set,
            [_] => Addressed::Entity,
            _ => Addressed::Other,
        }
    }

    /// Whether there is such a write, whoever asks.
    fn has(self, method: &Method) -> bool {
        match self {
            Addressed::Set => *method == Method::POST,
            Addressed::Entity => *method == Method::PATCH || *method == Method::DELETE,
            Addressed::Singleton => *method == Method::PATCH,
            // Which writes a longer path has is for the binder to say.
            Addressed::Other => true,
        }
    }
}

/// Which methods the caller may use on a path.
fn offered(view: &ModelView, segments: &[Segment]) -> &'static str {
    let [only] = segments else { return "GET, HEAD" };
    let singleton = view.singletons.get(&only.name);
    let Some(table) = view.table(singleton.map_or(only.name.as_str(), |singleton| singleton.table.as_str())) else { return "GET, HEAD" };
    match Addressed::of(view, segments) {
        Addressed::Set if table.insertable => "GET, HEAD, POST",
        Addressed::Entity if table.updatable && table.deletable => "GET, HEAD, PATCH, DELETE",
        Addressed::Entity if table.deletable => "GET, HEAD, DELETE",
        Addressed::Entity | Addressed::Singleton if table.updatable => "GET, HEAD, PATCH",
        _ => "GET, HEAD",
    }
}

/// What `Allow` says of the path of a call: the same whichever method was tried in vain.
pub fn allowed(call: &Call, service: &Service) -> &'static str {
    let Ok(request) = service.parse(call) else { return "GET, HEAD" };
    match &request.resource {
        Resource::Batch => "POST",
        Resource::ServiceDocument | Resource::Metadata => "GET, HEAD",
        Resource::EntitySet(_) if bind::is_action(&request, &service.published.view) => "POST",
        Resource::EntitySet(segments) => offered(&service.view, segments),
    }
}

fn allowing(error: RequestError, view: &ModelView, resource: &Resource) -> RequestError {
    match resource {
        // What the caller may not do is not offered again.
        Resource::EntitySet(segments) if error.code == Code::MethodNotAllowed => error.allowing(offered(view, segments)),
        _ => error,
    }
}

fn only(allow: &'static str, method: &Method) -> RequestError {
    RequestError::new(Code::MethodNotAllowed, format!("{method} does not exist here")).allowing(allow)
}

fn check_method(view: &ModelView, method: &Method, segments: &[Segment]) -> Result<(), RequestError> {
    if *method == Method::PUT {
        let message = "PUT is not supported: change an entity with PATCH, which leaves alone what is not sent";
        return Err(RequestError::new(Code::NotImplemented, message));
    }
    if !Addressed::of(view, segments).has(method) {
        return Err(only(offered(view, segments), method));
    }
    Ok(())
}

/// What was written and how it is to be answered.
struct Written<'a> {
    request: &'a Request,
    shown: Shown,
    table: String,
    select: Vec<usize>,
    format: JsonFormat,
    preferences: Preferences,
}

async fn answered(
    call: &Call,
    service: &Service,
    method: &Method,
    written: &Written<'_>,
    answer: &WriteAnswer,
) -> Result<Response<Body>, RequestError> {
    if *method == Method::DELETE {
        return Ok(respond::empty(StatusCode::NO_CONTENT));
    }
    let mut response = match &answer.entity {
        Some(entity) => {
            let (shape, batch) = profile::entity(&call.gateway, service, entity, &written.shown).await?;
            let options = json_options(call, service, written.format, (&as_read(service, written), &written.shown), None);
            let body = crate::http::stream::encode(&call.trace, || JsonWriter::new(&shape, options).entity(&batch))?;
            let status = if *method == Method::POST { StatusCode::CREATED } else { StatusCode::OK };
            call.trace.sent(1, body.len() as u64);
            respond::complete(status, &written.format.content_type(call.version), body)
        }
        None => respond::empty(StatusCode::NO_CONTENT),
    };
    let table = service.published.view.by_virtual_table(&written.table);
    let key = match table {
        Some(table) => profile::key(&call.gateway, service, &table.name, &answer.key).await?,
        None => Vec::new(),
    };
    let headers = response.headers_mut();
    if let Some(table) = table {
        let url = entity_url(&service.root, &service.published.view, table, &key);
        if *method == Method::POST {
            respond::set(headers, header::LOCATION, &url);
        }
        if answer.entity.is_none() {
            respond::set(headers, ODATA_ENTITY_ID, &url);
        }
    }
    if let Some(etag) = &answer.etag {
        respond::set(headers, header::ETAG, etag);
    }
    match written.preferences.returning {
        Some(Returning::Minimal) => respond::applied(headers, "return=minimal"),
        Some(Returning::Representation) if answer.entity.is_some() => respond::applied(headers, "return=representation"),
        Some(Returning::Representation) | None => {}
    }
    if written.preferences.handling == Some(Handling::Strict) {
        respond::applied(headers, "handling=strict");
    }
    respond::set(headers, header::CACHE_CONTROL, "no-store");
    Ok(response)
}

/// The written entity as if it had been read: what its context URL says.
fn as_read(service: &Service, written: &Written<'_>) -> BoundRead {
    let selected = written.request.options.select.is_some();
    let singleton = match &written.request.resource {
        Resource::EntitySet(segments) => segments.first().map(|first| &first.name),
        Resource::ServiceDocument | Resource::Metadata | Resource::Batch => None,
    };
    let singleton = singleton.filter(|name| service.view.singletons.contains_key(*name)).cloned();
    let query = BoundQuery { key: Some(Vec::new()), selected, singleton, ..BoundQuery::of(&written.table, written.select.clone()) };
    BoundRead::new(query, ReadKind::Entity)
}
