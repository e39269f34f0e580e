//! OData reads: the service document, `$metadata`, collections, entities, counts. It must not know how statements are executed.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service, not_yet_known};
use crate::http::negotiate::JsonFormat;
use crate::http::nested::{self, RestLinks};
use crate::http::part;
use crate::http::profile::{self, Rows};
use crate::http::respond;
use crate::http::stream::{self, Chunk, Producer, Streaming};
use crate::pipeline;
use crate::telemetry::Trace;
use arrow::array::{Array, StringArray};
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use portico_engine::{Answer, EntityAnswer, EntityRead, Paging, Statement};
use portico_odata::header::{Handling, OmitValues, Preferences, match_condition, matches, preferences};
use portico_odata::json::{CrossJoinWriter, JsonOptions, JsonWriter, WriteError, context_url, entity_links};
use portico_odata::profile::{Shown, published_read};
use portico_odata::skiptoken::{QueryHash, SkipToken, next_link, query_hash};
use portico_odata::syntax::{Request, Resource};
use portico_odata::{BoundQuery, BoundRead, EntityBatch, EntityShape, ExpandForm, MatchCondition, ReadKind, arithmetic, bind, metadata};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What the HTTP library takes.
const LONGEST_URL: usize = 65_534;
/// Room for a continuation in a link.
const TOKEN_ROOM: usize = 2_048;

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
            let request = bind::dereference(&request, &service.root)?;
            entities(call, service, &request).await.map_err(|error| blamed(error, &request))
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
    validated(call, &format.content_type().replace("odata.streaming=true;", ""), body)
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
struct Wanted {
    bound: BoundRead,
    shown: Shown,
    format: JsonFormat,
    preferences: Preferences,
    query_hash: QueryHash,
    returned: u64,
    page_size: u64,
    rest_links: Option<RestLinks>,
}

async fn entities(call: &Call, service: &Service, request: &Request) -> Result<Response<Body>, RequestError> {
    let (request, shown) = profile::request(&call.gateway, service, request).await?;
    let mut wanted = None;
    let parse = || {
        let (statement, how) = statement(call, service, &request, shown)?;
        wanted = Some(how);
        Ok(statement)
    };
    let answer = pipeline::read(&call.gateway.engine, &call.context, &call.trace, parse, Ok).await?;
    let Some(wanted) = wanted else { return Err(RequestError::new(Code::Internal, "the request was not parsed")) };
    let mut response = match answer {
        Answer::Count(count) => respond::complete(StatusCode::OK, "text/plain;charset=utf-8", count.to_string()),
        Answer::Entities(answer) => match wanted.bound.kind {
            ReadKind::Entity => entity(call, service, &wanted, answer).await?,
            ReadKind::Collection | ReadKind::Count | ReadKind::References => collection(call, service, &wanted, answer).await?,
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
    let headers = response.headers_mut();
    respond::set(headers, header::AGE, &call.context.journal.age().as_secs().to_string());
    respond::set(headers, header::CACHE_CONTROL, "private, no-cache");
    applied(call, &wanted, headers);
    Ok(response)
}

/// Says which preferences were honoured. Clients infer what is not there from them: that a property that is left out is null.
fn applied(call: &Call, wanted: &Wanted, headers: &mut HeaderMap) {
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
    let mut bound = bind::read(request, &service.view)?;
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
    let preferences = preferences(&call.headers_joined("prefer"))?;
    if let Some(wanted) = &preferences.include_annotations {
        bind::annotate(&mut bound.query, &service.view, wanted);
    }
    let configured = call.gateway.config.gateway.http.page_size;
    let page_size = profile::page_size(service.view.profile, configured, preferences.max_page_size);
    let page_size = if matches!(bound.kind, ReadKind::Collection | ReadKind::References) { page_size } else { 0 };
    let query_hash = query_hash(request);
    let mut paging = Paging { size: page_size, position: None };
    let mut returned = 0;
    if let Some(text) = &request.options.skip_token {
        let token = continuation(call, service, request, text, query_hash)?;
        paging.position = Some(token.position);
        bound.query.top = token.remaining_top;
        bound.query.skip = token.skip;
        returned = token.returned;
    }
    let rest_links = RestLinks::new(service, request, &bound.query, &call.gateway.config.gateway.token_key);
    let read = EntityRead { service: service.name.clone(), model_version: service.view.version.clone(), read: bound.clone(), paging };
    Ok((Statement::Entities(Box::new(read)), Wanted { bound, shown, format, preferences, query_hash, returned, page_size, rest_links }))
}

fn continuation(call: &Call, service: &Service, request: &Request, text: &str, hash: QueryHash) -> Result<SkipToken, RequestError> {
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
    JsonOptions {
        ieee754_compatible: format.ieee754_compatible,
        metadata: format.metadata,
        context_url: Some(context_url(&service.root, view, &told, profile::context_version(service.view.profile, call.version))),
        root_url: service.root.clone(),
        links: if full || refers(bound) || !bound.query.cross.is_empty() { entity_links(view) } else { std::collections::BTreeMap::new() },
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
        query.expand.iter().any(|expand| expand.form == ExpandForm::References || below(&expand.query))
    }
    matches!(bound.kind, ReadKind::Reference | ReadKind::References | ReadKind::Property) || below(&bound.query)
}

/// One entity: 404 when a key leads nowhere, 204 when a relationship does.
async fn entity(call: &Call, service: &Service, wanted: &Wanted, answer: EntityAnswer) -> Result<Response<Body>, RequestError> {
    let (shape, _, mut rows) = Rows::of(&call.gateway, service, answer, &wanted.shown);
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
    let expected = match_condition("If-Match", call.header("if-match").as_deref())?;
    if expected != MatchCondition::Absent && !etag.as_ref().is_some_and(|etag| matches(&expected, etag)) {
        let message = "the entity is not in the state that If-Match names";
        return Err(RequestError::new(Code::PreconditionFailed, message).about("If-Match"));
    }
    let condition = match_condition("If-None-Match", call.header("if-none-match").as_deref())?;
    let unchanged = etag.as_ref().is_some_and(|etag| matches(&condition, etag));
    let mut response = if unchanged {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        let options = json_options(call, service, wanted.format, (&wanted.bound, &wanted.shown), wanted.preferences.omit_values);
        let body = stream::encode(&call.trace, || JsonWriter::new(&shape, options).entity(&batch))?;
        call.trace.sent(1, body.len() as u64);
        respond::complete(StatusCode::OK, &wanted.format.content_type(), body)
    };
    if let Some(etag) = etag {
        respond::set(response.headers_mut(), header::ETAG, &etag);
    }
    Ok(response)
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

async fn collection(call: &Call, service: &Service, wanted: &Wanted, answer: EntityAnswer) -> Result<Response<Body>, RequestError> {
    let options = json_options(call, service, wanted.format, (&wanted.bound, &wanted.shown), wanted.preferences.omit_values);
    let joined = answer.cross.clone();
    let (shape, count, rows) = Rows::of(&call.gateway, service, answer, &wanted.shown);
    let writer = if joined.is_empty() {
        CollectionWriter::Entities(Box::new(JsonWriter::new(&shape, options)))
    } else {
        let writer = CrossJoinWriter::new(&joined, options).map_err(|error| RequestError::new(Code::Internal, error.to_string()))?;
        CollectionWriter::CrossJoin { writer: Box::new(writer), expands: joined.iter().map(|part| part.shape.expands.len()).collect() }
    };
    let query = call.target.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{}{}{query}", call.root, call.target.path);
    // A query that came in a body may be too long for a link, and then the rest could not be reached.
    let most = call.gateway.config.gateway.http.max_url.min(LONGEST_URL);
    if wanted.page_size > 0 && url.len().saturating_add(TOKEN_ROOM) > most {
        let message = format!("the link to the next page would be longer than the {most} bytes of a URL: ask without maxpagesize");
        return Err(RequestError::new(Code::UriTooLong, message));
    }
    let continued = Continued {
        url,
        key: call.gateway.config.gateway.token_key.clone(),
        query_hash: wanted.query_hash,
        model_version: service.view.version.clone(),
        top: wanted.bound.query.top,
        returned_before: wanted.returned,
    };
    let producer = Collection {
        writer,
        rows,
        rest_links: wanted.rest_links.clone().map(|links| (shape, links)),
        room: profile::page_bytes(service.view.profile),
        last: None,
        trace: Arc::clone(&call.trace),
        continued,
        state: CollectionState::Start(count),
        returned: 0,
    };
    let body = stream::body(Streaming { deadline: call.context.deadline, trace: Arc::clone(&call.trace) }, producer).await?;
    let mut response = Response::new(body);
    respond::set(response.headers_mut(), header::CONTENT_TYPE, &wanted.format.content_type());
    Ok(response)
}

/// What a link to the next page is made of.
struct Continued {
    url: String,
    key: crate::config::SecretText,
    query_hash: QueryHash,
    model_version: String,
    top: Option<u64>,
    returned_before: u64,
}

impl Continued {
    /// The link to what follows a page of this many entities; none after a satisfied `$top`.
    fn link(&self, position: Option<&[portico_provider_api::Value]>, returned: u64) -> Result<Option<String>, RequestError> {
        let remaining = self.top.map(|top| top.saturating_sub(returned));
        let Some(position) = position.filter(|_| remaining != Some(0)) else { return Ok(None) };
        let token = SkipToken {
            query_hash: self.query_hash,
            position: position.to_vec(),
            remaining_top: remaining,
            returned: self.returned_before + returned,
            skip: 0,
            model_version: self.model_version.clone(),
        };
        Ok(Some(next_link(&self.url, &token.encode(self.key.reveal().as_bytes())?)))
    }
}

enum CollectionState {
    Start(Option<u64>),
    Rows,
    Ended,
}

/// What a collection is written with.
enum CollectionWriter {
    Entities(Box<JsonWriter>),
    /// `$crossjoin`, and how many expanded relationships each of its sets has.
    CrossJoin {
        writer: Box<CrossJoinWriter>,
        expands: Vec<usize>,
    },
}

impl CollectionWriter {
    fn start(&mut self, count: Option<u64>) -> Bytes {
        match self {
            CollectionWriter::Entities(writer) => writer.start_collection(count),
            CollectionWriter::CrossJoin { writer, .. } => writer.start(count),
        }
    }

    fn write_within(&mut self, batch: &EntityBatch, most: usize, out: &mut BytesMut) -> Result<usize, WriteError> {
        match self {
            CollectionWriter::Entities(writer) => writer.write_within(batch, most, out),
            CollectionWriter::CrossJoin { writer, expands } => {
                let mut expanded = batch.expanded.iter().cloned();
                let part = |number: &usize| EntityBatch { rows: batch.rows.clone(), expanded: expanded.by_ref().take(*number).collect() };
                let parts: Vec<EntityBatch> = expands.iter().map(part).collect();
                writer.write_within(&parts, most, out)
            }
        }
    }

    fn finish(&mut self, next_link: Option<&str>) -> Bytes {
        match self {
            CollectionWriter::Entities(writer) => writer.finish_collection(next_link),
            CollectionWriter::CrossJoin { writer, .. } => writer.finish(next_link),
        }
    }
}

/// A collection as chunks of JSON.
struct Collection {
    writer: CollectionWriter,
    rows: Rows,
    /// The shape of the rows and the links of expanded relationships, where these have pages.
    rest_links: Option<(EntityShape, RestLinks)>,
    /// Bytes that the page may still have; none where it has no limit.
    room: Option<usize>,
    /// Where the page would end if it ended before the current batch; kept only where it has a limit.
    last: Option<Vec<portico_provider_api::Value>>,
    trace: Arc<Trace>,
    continued: Continued,
    state: CollectionState,
    returned: u64,
}

impl Producer for Collection {
    async fn next(&mut self) -> Result<Option<Chunk>, RequestError> {
        let mut out = match std::mem::replace(&mut self.state, CollectionState::Rows) {
            CollectionState::Start(count) => BytesMut::from(self.writer.start(count).as_ref()),
            CollectionState::Rows => BytesMut::new(),
            CollectionState::Ended => {
                self.state = CollectionState::Ended;
                return Ok(None);
            }
        };
        let Some(batch) = self.rows.next().await else {
            self.state = CollectionState::Ended;
            let link = self.continued.link(self.rows.next_position(), self.returned)?;
            out.extend_from_slice(&self.writer.finish(link.as_deref()));
            return Ok(Some(Chunk { bytes: out.freeze(), rows: 0 }));
        };
        let mut batch = batch?;
        if let Some((shape, links)) = &self.rest_links {
            links.add(shape, &mut batch)?;
        }
        let total = batch.rows.num_rows();
        let most = self.room.map_or(usize::MAX, |room| room.saturating_sub(out.len()));
        let written = stream::encode(&self.trace, || self.writer.write_within(&batch, most, &mut out))?;
        self.returned += written as u64;
        if written < total {
            self.cut_short(&batch, written, &mut out)?;
        } else if let Some(room) = &mut self.room {
            *room = room.saturating_sub(out.len());
            self.last = Some(self.rows.position_of(&batch, total.saturating_sub(1))?);
        }
        let bytes: Bytes = out.freeze();
        Ok(Some(Chunk { bytes, rows: written as u64 }))
    }
}

impl Collection {
    /// Ends the page after so many rows of a batch, because it has no room for the next, and the query with it.
    fn cut_short(&mut self, batch: &EntityBatch, written: usize, out: &mut BytesMut) -> Result<(), RequestError> {
        let position = match written.checked_sub(1) {
            Some(last) => Some(self.rows.position_of(batch, last)?),
            None => self.last.take(),
        };
        let Some(position) = position else {
            let message = "one entity alone is larger than a page may be for the clients of this service: select fewer properties";
            return Err(RequestError::new(Code::LimitExceeded, message));
        };
        self.state = CollectionState::Ended;
        let link = self.continued.link(Some(&position), self.returned)?;
        out.extend_from_slice(&self.writer.finish(link.as_deref()));
        Ok(())
    }
}
