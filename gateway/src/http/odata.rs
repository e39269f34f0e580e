//! OData reads: the service document, `$metadata`, collections, entities, counts. It must not know how statements are executed.

use crate::error::{Code, RequestError};
use crate::http::all;
use crate::http::call::{Call, Service, not_yet_known};
use crate::http::collection::collection;
use crate::http::negotiate::JsonFormat;
use crate::http::nested::{self, RestLinks};
use crate::http::part;
use crate::http::profile::{self, Rows};
use crate::http::respond;
use crate::http::stream;
use crate::pipeline;
use crate::telemetry::Stage;
use arrow::array::{Array, StringArray};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use portico_engine::{Answer, EntityAnswer, EntityRead, Paging, Statement};
use portico_odata::bound::Recursion;
use portico_odata::header::{Handling, OmitValues, Preferences, match_condition, matches};
use portico_odata::json::{EntityLinks, JsonOptions, JsonWriter, Rendering, context_url, entity_links, name_contexts};
use portico_odata::profile::{Shown, published_read};
use portico_odata::skiptoken::{QueryHash, SkipToken, query_hash};
use portico_odata::syntax::{Request, Resource};
use portico_odata::{
    BoundExpand, BoundQuery, BoundRead, EntityBatch, EntityShape, ExpandForm, MatchCondition, ReadKind, arithmetic, bind, metadata,
};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;

/// Answers a GET or HEAD.
///
/// # Errors
/// Any.
pub async fn read(call: &Call, service: &Service) -> Result<Response<Body>, RequestError> {
    let request = service.parse(call)?;
    match &request.resource {
        Resource::ServiceDocument => service_document(call, service, &request),
        Resource::Metadata => crate::http::metadata::answer(call, service, &request),
        Resource::Batch => Err(RequestError::new(Code::MethodNotAllowed, "$batch is asked with POST").allowing("POST")),
        Resource::EntitySet(segments) => {
            segments.first().map_or(Ok(()), |first| not_yet_known(call, service, &first.name))?;
            let by_id = matches!(segments.as_slice(), [only] if only.name == "$entity");
            let request = bind::dereference(&request, &service.root)?;
            let request = bind::of_type(&request, &service.view)?.map_or(request, Cow::Owned);
            Box::pin(entities(call, service, &request, by_id)).await.map_err(|error| blamed(error, &request))
        }
    }
}

/// Says which operation of a request had no result for the values that it met, instead of what computed it says.
fn blamed(error: RequestError, request: &Request) -> RequestError {
    let Some(fault) = error.fault else { return error };
    let RequestError { message, target, .. } = arithmetic::blamed(request, fault).into();
    RequestError { message, target, ..error }
}

fn service_document(call: &Call, service: &Service, request: &Request) -> Result<Response<Body>, RequestError> {
    call.trace.set_statement("service document");
    bind::schema_version(&request.options, &service.published.view)?;
    let format = JsonFormat::negotiate(request.options.format.as_deref(), call.header("accept").as_deref())?;
    let body = metadata::service_document(&service.published.view, &service.root);
    validated(call, &format.document_type(call.version), body)
}

/// A document with an ETag over its bytes, or 304 for a client that has it already.
fn validated(call: &Call, content_type: &str, body: impl Into<Bytes>) -> Result<Response<Body>, RequestError> {
    let body = body.into();
    let etag = format!("\"{}\"", Sha256::digest(&body).iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
    let condition = match_condition("If-None-Match", call.header("if-none-match").as_deref())?;
    let unchanged = matches(&condition, &etag);
    let mut response =
        if unchanged { respond::empty(StatusCode::NOT_MODIFIED) } else { respond::complete(StatusCode::OK, content_type, body) };
    respond::set(response.headers_mut(), header::ETAG, &etag);
    respond::set(response.headers_mut(), header::CACHE_CONTROL, "private, no-cache");
    Ok(response)
}

/// How a read is to be answered, known once it is parsed.
pub struct Wanted {
    /// What is asked.
    pub bound: BoundRead,
    /// What the client's profile is to show.
    pub shown: Shown,
    /// The format of JSON.
    pub format: JsonFormat,
    /// What the client prefers.
    pub preferences: Preferences,
    /// The hash of the request, which links to further pages carry.
    pub query_hash: QueryHash,
    /// Entities on the pages before.
    pub returned: u64,
    /// Entities per page at most; zero means no paging.
    pub page_size: u64,
    /// The links to what expanded relationships have beyond their page.
    pub rest_links: Option<RestLinks>,
    /// Whether `If-Match` and `If-None-Match` are about what is answered: for an action they are not.
    pub conditional: bool,
}

/// `by_id` says that the request named one entity by its id.
async fn entities(call: &Call, service: &Service, request: &Request, by_id: bool) -> Result<Response<Body>, RequestError> {
    if let Some(bound) = call.trace.stage(Stage::Parse, || bind::all(request, &service.view))? {
        // Seldom asked, and large: other reads need not carry it.
        return Ok(fresh(call, Box::pin(all::answer(call, service, request, bound)).await?));
    }
    let (request, shown) = profile::request(&call.gateway, service, request).await?;
    let mut wanted = None;
    let parse = || {
        let (statement, how) = statement(call, service, &request, shown)?;
        if by_id && how.bound.kind != ReadKind::Entity {
            return Err(RequestError::new(Code::InvalidRequest, "the $id is that of no entity").about("$id"));
        }
        wanted = Some(how);
        Ok(statement)
    };
    let answer = pipeline::read(&call.gateway.engine, &call.context, &call.trace, parse, Ok).await;
    let answer = answer.map_err(|error| match error.code {
        Code::MethodNotAllowed if bind::is_action(&request, &service.view) => error.allowing("POST"),
        _ => error,
    })?;
    let Some(wanted) = wanted else { return Err(RequestError::new(Code::Internal, "the request was not parsed")) };
    Ok(fresh(call, answered(call, service, &wanted, answer).await?))
}

/// Says how old what was read is.
fn fresh(call: &Call, mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::AGE, HeaderValue::from(call.context.journal.age().as_secs()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// Answers with what was read.
///
/// # Errors
/// Any.
pub async fn answered(call: &Call, service: &Service, wanted: &Wanted, answer: Answer) -> Result<Response<Body>, RequestError> {
    let mut response = match answer {
        Answer::Count(count) => respond::complete(StatusCode::OK, "text/plain;charset=utf-8", count.to_string()),
        Answer::Entities(answer) => match wanted.bound.kind {
            ReadKind::Entity => entity(call, service, wanted, answer).await?,
            ReadKind::Collection | ReadKind::Count | ReadKind::References => collection(call, service, wanted, answer).await?,
            ReadKind::Property | ReadKind::Value | ReadKind::Media | ReadKind::Reference => {
                let options = json_options(call, service, wanted.format, (&wanted.bound, &wanted.shown), wanted.preferences.omit_values);
                part::answer(
                    call,
                    service,
                    &part::Asked { bound: &wanted.bound, shown: &wanted.shown, format: wanted.format, options },
                    answer,
                )
                .await?
            }
        },
        Answer::Table(_) => return Err(RequestError::new(Code::Internal, "a table was answered where entities were asked")),
    };
    applied(call, wanted, response.headers_mut());
    Ok(response)
}

/// Says which preferences were honoured. Clients infer what is not there from them: that a property that is left out is null.
pub(super) fn applied(call: &Call, wanted: &Wanted, headers: &mut HeaderMap) {
    let preferences = &wanted.preferences;
    if preferences.max_page_size.is_some() && matches!(wanted.bound.kind, ReadKind::Collection | ReadKind::References) {
        respond::applied(headers, &format!("{}={}", respond::preference_name("maxpagesize", call.version), wanted.page_size));
    }
    if matches!(wanted.bound.kind, ReadKind::Collection | ReadKind::Entity | ReadKind::Property) {
        match preferences.omit_values {
            Some(OmitValues::Nulls) => respond::applied(headers, "omit-values=nulls"),
            Some(OmitValues::Defaults) => respond::applied(headers, "omit-values=defaults"),
            None => {}
        }
        if let Some(wanted) = &preferences.include_annotations {
            respond::applied(headers, &format!("{}=\"{wanted}\"", respond::preference_name("include-annotations", call.version)));
        }
    }
    if preferences.handling == Some(Handling::Strict) {
        respond::applied(headers, "handling=strict");
    }
}

/// Request → statement, and how it is to be answered.
fn statement(call: &Call, service: &Service, request: &Request, shown: Shown) -> Result<(Statement, Wanted), RequestError> {
    let bound = bind::read(request, &service.view)?;
    let (mut read, mut wanted) = how(call, service, request, (bound, shown), true)?;
    if let Some(text) = &request.options.skip_token {
        let token = continuation(call, service, request, text, wanted.query_hash)?;
        read.paging.position = Some(token.position);
        read.read.query.top = token.remaining_top;
        read.read.query.skip = token.skip;
        wanted.bound = read.read.clone();
        wanted.returned = token.returned;
    }
    Ok((Statement::Entities(Box::new(read)), wanted))
}

/// How a bound read is run and answered; in pages, where it may be.
///
/// # Errors
/// When no format is accepted, or a preference is malformed.
pub fn how(
    call: &Call,
    service: &Service,
    request: &Request,
    (mut bound, shown): (BoundRead, Shown),
    paged: bool,
) -> Result<(EntityRead, Wanted), RequestError> {
    nested::limit(&mut bound.query, call.gateway.config.gateway.http.expand_page_size);
    call.trace.set_statement(match bound.kind {
        ReadKind::Collection => "collection",
        ReadKind::Entity => "entity",
        ReadKind::Count => "count",
        ReadKind::Property => "property",
        ReadKind::Value => "value",
        ReadKind::Media => "stream",
        ReadKind::Reference | ReadKind::References => "references",
    });
    let accept = call.header("accept");
    let format = match bound.kind {
        // A number is plain text whatever is accepted: clients that accept only JSON everywhere read it all the same.
        ReadKind::Count | ReadKind::Value | ReadKind::Media => JsonFormat::default(),
        ReadKind::Collection | ReadKind::Entity | ReadKind::Property | ReadKind::Reference | ReadKind::References => {
            JsonFormat::negotiate(request.options.format.as_deref(), accept.as_deref())?
        }
    };
    let preferences = call.preferences()?;
    if let Some(wanted) = &preferences.include_annotations {
        bind::annotate(&mut bound.query, &service.view, wanted);
    }
    let configured = call.gateway.config.gateway.http.page_size;
    let page_size = profile::page_size(service.view.profile, configured, preferences.max_page_size);
    let page_size = if paged && matches!(bound.kind, ReadKind::Collection | ReadKind::References) { page_size } else { 0 };
    let calls = bound.query.calls();
    let parameters: Vec<&str> = calls.iter().flat_map(|call| &call.operation.parameters).map(|one| one.name.as_str()).collect();
    let query_hash = query_hash(request, &parameters);
    let paging = Paging { size: page_size, position: None };
    let rest_links = RestLinks::new(service, request, &bound.query, &call.gateway.config.gateway.token_key);
    let read = EntityRead { service: service.name.clone(), model_version: service.view.version.clone(), read: bound.clone(), paging };
    let wanted = Wanted { bound, shown, format, preferences, query_hash, returned: 0, page_size, rest_links, conditional: paged };
    Ok((read, wanted))
}

/// The continuation that a request holds.
///
/// # Errors
/// One that was not made here, or not for this request; `$top` and `$skip` beside it.
pub(super) fn continuation(
    call: &Call,
    service: &Service,
    request: &Request,
    text: &str,
    hash: QueryHash,
) -> Result<SkipToken, RequestError> {
    if request.options.top.is_some() || request.options.skip.is_some() {
        let message = "$skiptoken continues a page whose $top and $skip it holds already: follow the link as it was given";
        return Err(RequestError::new(Code::InvalidRequest, message).about("$skiptoken"));
    }
    Ok(SkipToken::decode(text, call.gateway.config.gateway.token_key.reveal().as_bytes(), hash, &service.view.version)?)
}

/// How JSON is written for this request. `omit_values` is what the client prefers.
pub fn json_options(
    call: &Call,
    service: &Service,
    format: JsonFormat,
    (bound, shown): (&BoundRead, &Shown),
    omit_values: Option<OmitValues>,
) -> JsonOptions {
    let view = &service.published.view;
    let told = published_read(bound, &service.published, shown);
    let full = format.metadata == portico_odata::json::MetadataLevel::Full;
    let mut links =
        if full || refers(bound) || !bound.query.cross.is_empty() { entity_links(view) } else { std::collections::BTreeMap::new() };
    if let Some(returns) = bound.result().filter(|_| full) {
        let name = returns.kind.rows_name().into_owned();
        let type_name = format!("{}.{name}", metadata::namespace(view));
        links.insert(name, EntityLinks { type_name, ..EntityLinks::default() });
    }
    JsonOptions {
        ieee754_compatible: format.ieee754_compatible,
        metadata: format.metadata,
        context_url: Some(context_url(&service.root, view, &told, profile::context_version(service.view.profile, call.version))),
        root_url: service.root.clone(),
        links,
        references: matches!(bound.kind, ReadKind::Reference | ReadKind::References),
        version: call.version,
        namespace: metadata::namespace(view),
        omit_values,
        ..JsonOptions::default()
    }
}

/// Whether the answer has ids of entities in it.
fn refers(bound: &BoundRead) -> bool {
    fn below(query: &BoundQuery) -> bool {
        let refers = |expand: &BoundExpand| expand.form == ExpandForm::References || expand.recursion == Recursion::Max;
        query.expand.iter().any(|expand| refers(expand) || below(&expand.query))
    }
    matches!(bound.kind, ReadKind::Reference | ReadKind::References | ReadKind::Property) || below(&bound.query)
}

/// One entity: 404 when a key leads nowhere, 204 when a relationship does.
async fn entity(call: &Call, service: &Service, wanted: &Wanted, answer: EntityAnswer) -> Result<Response<Body>, RequestError> {
    let kept = answer.kept && !service.published.translates();
    let (mut shape, _, mut rows) = Rows::of(&call.gateway, service, answer, &wanted.shown);
    if !wanted.bound.query.expand.is_empty() {
        name_contexts(Arc::make_mut(&mut shape), &service.published.view, &wanted.bound.query, call.version);
    }
    let batch = first_rows(&mut rows).await?;
    let Some(mut batch) = batch else {
        let by_key = wanted.bound.query.key.is_some();
        return if by_key {
            Err(RequestError::new(Code::NotFound, "there is no such entity"))
        } else {
            Ok(respond::empty(StatusCode::NO_CONTENT))
        };
    };
    if let Some(links) = &wanted.rest_links {
        links.add(&shape, &mut batch)?;
    }
    let etag = etag_of(&shape, &batch);
    // The tag is that of the entity: an answer that holds more may be another although the entity is the same.
    let whole = is_of_entity(&wanted.bound.query);
    let header_of = |name: &str| call.header(name).filter(|_| wanted.conditional);
    let expected = match_condition("If-Match", header_of("if-match").as_deref())?;
    if expected != MatchCondition::Absent && !etag.as_ref().is_some_and(|etag| matches(&expected, etag)) {
        let message = "the entity is not in the state that If-Match names";
        return Err(RequestError::new(Code::PreconditionFailed, message).about("If-Match"));
    }
    let condition = match_condition("If-None-Match", header_of("if-none-match").as_deref())?;
    let unchanged = whole && etag.as_ref().is_some_and(|etag| matches(&condition, etag));
    let mut response = if unchanged {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        let options = json_options(call, service, wanted.format, (&wanted.bound, &wanted.shown), wanted.preferences.omit_values);
        let body = stream::encode(&call.trace, || {
            let rendering = if kept { call.gateway.renderings.of(&shape, &options) } else { Rendering::new(&shape, &options) };
            JsonWriter::rendered(rendering, options).entity(&batch)
        })?;
        call.trace.sent(1, body.len() as u64);
        respond::complete(StatusCode::OK, &wanted.format.content_type(call.version), body)
    };
    if let Some(etag) = etag.filter(|_| whole) {
        respond::set(response.headers_mut(), header::ETAG, &etag);
    }
    Ok(response)
}

/// Whether an answer holds nothing but what the entity's own columns say.
fn is_of_entity(query: &BoundQuery) -> bool {
    query.expand.is_empty() && query.compute.iter().all(|computed| computed.expr.is_of_row())
}

/// The first batch that has rows. The rest (there are no more entities) is read to its end: a query that is dropped before its end
/// counts as cancelled, and its rows are not cached.
pub(super) async fn first_rows(rows: &mut Rows) -> Result<Option<EntityBatch>, RequestError> {
    let mut first = None;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        if first.is_none() && batch.rows.num_rows() > 0 {
            first = Some(batch);
        }
    }
    Ok(first)
}

/// The ETag of a batch's first entity.
pub fn etag_of(shape: &EntityShape, batch: &EntityBatch) -> Option<String> {
    let column = batch.rows.columns().get(shape.etag?)?;
    let texts = column.as_any().downcast_ref::<StringArray>()?;
    (!texts.is_empty() && !texts.is_null(0)).then(|| texts.value(0).to_owned())
}
