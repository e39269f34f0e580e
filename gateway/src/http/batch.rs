//! `$batch`: every request of a batch passes the same handler as one that comes alone, with the same caller and a trace of its own; its
//! answer streams into the batch's. They run one after the other, each when the answer before it has been taken, so that a client that
//! goes away stops what has not begun. It must not know the formats: those are `portico_odata::batch`.

mod one;

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service};
use crate::http::negotiate::{accepted, accepts, choose};
use crate::http::respond::{self, PREFERENCE_APPLIED};
use crate::http::stream::{self, Chunk, Producer, Streaming};
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use bytes::Bytes;
use futures::StreamExt;
use one::{Prepared, run};
use portico_odata::batch::{
    self, Addressed, BatchItem, BatchRequest, BodyForm, JsonResponses, MultipartResponses, PartHead, Place, addressed, reference,
};
use portico_odata::header::Preferences;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Most bytes of an answer that must be turned into a text to stand in a JSON batch.
const MAX_TEXT: usize = 64 << 20;

/// Headers of an answer that are repeated in a batch, as they are written there.
const KEPT: [&str; 15] = [
    "Content-Type",
    "Content-Length",
    "Content-Language",
    "OData-Version",
    "OData-EntityId",
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Allow",
    "Age",
    "Cache-Control",
    "Last-Modified",
    "Content-Disposition",
    "WWW-Authenticate",
];

/// Headers of the batch that hold for requests which do not have them (Protocol, section 8.2).
const INHERITED: [&str; 6] = ["accept-charset", "accept-language", "odata-maxversion", "cache-control", "pragma", "user-agent"];

/// Answers a batch.
///
/// # Errors
/// A batch that is not understood as a whole. What is wrong with one request is the answer to that request.
pub async fn answer(call: Arc<Call>, service: &Service, body: Bytes) -> Result<Response<Body>, RequestError> {
    call.trace.set_statement("batch");
    // `return` is for single requests. Some clients put it on every POST, a batch too, where it is not applied and not said to be.
    let preferences = call.preferences()?;
    for name in ["if-match", "if-none-match"] {
        if call.headers.contains_key(name) {
            return Err(RequestError::new(Code::InvalidRequest, "preconditions stand in the requests of a batch, not on it").about(name));
        }
    }
    let (items, from_multipart) = read(&call, &body)?;
    let offered =
        if from_multipart { [("multipart", "mixed"), ("application", "json")] } else { [("application", "json"), ("multipart", "mixed")] };
    // Whoever sends a format can read it, if it accepts it at all: some clients send the `Accept` of their other requests along, in which
    // multipart is behind JSON or only among all others.
    let ranges = accepted(call.header("accept").as_deref());
    let as_sent = accepts(&ranges, offered[0].0, offered[0].1).then_some(0);
    let chosen = as_sent.or_else(|| choose(&ranges, &offered)).ok_or_else(|| {
        RequestError::new(
            Code::NotAcceptable,
            "none of the accepted formats can be written: a batch is multipart/mixed or application/json",
        )
        .about("Accept")
    })?;
    let unique = uuid::Uuid::new_v4().to_string();
    let output = if from_multipart == (chosen == 0) {
        Output::Multipart(MultipartResponses::new(&unique))
    } else {
        Output::Json(JsonResponses::default())
    };
    let content_type = output.content_type();
    // A multipart batch stops at its first failure, one in JSON only where that is asked for (JSON Format, section 19.5).
    let goes_on = preferences.continue_on_error.unwrap_or(!from_multipart);
    let running = Running {
        service_path: service.path.clone(),
        preferences: preferences.clone(),
        items: items.into(),
        done: Done::default(),
        goes_on,
        output,
        open: None,
        ended: false,
        number: 0,
        call: Arc::clone(&call),
    };
    let mut response = stream::response(Streaming::of(&call), running, &content_type).await?;
    let headers = response.headers_mut();
    respond::set(headers, header::CACHE_CONTROL, "no-store");
    if let Some(value) = preferences.continue_on_error {
        let name = respond::preference_name("continue-on-error", call.version);
        respond::set(headers, PREFERENCE_APPLIED, &if value { name } else { format!("{name}=false") });
    }
    Ok(response)
}

/// The requests, and whether they came as multipart.
fn read(call: &Call, body: &[u8]) -> Result<(Vec<BatchItem>, bool), RequestError> {
    let most = call.gateway.config.gateway.http.max_batch_requests;
    let content_type = call.header("content-type").unwrap_or_default();
    if let Some(boundary) = batch::boundary(&content_type)? {
        return Ok((batch::multipart(&boundary, body, most)?, true));
    }
    if BodyForm::of(&content_type) == BodyForm::Json {
        return Ok((batch::json(body, most)?, false));
    }
    let message = "the body of a batch is multipart/mixed with a boundary, or application/json";
    Err(RequestError::new(Code::UnsupportedMediaType, message).about("Content-Type"))
}

/// How the answers are written.
enum Output {
    Multipart(MultipartResponses),
    Json(JsonResponses),
}

impl Output {
    fn content_type(&self) -> String {
        match self {
            Output::Multipart(writer) => writer.content_type(),
            Output::Json(_) => JsonResponses::CONTENT_TYPE.to_owned(),
        }
    }
}

/// What earlier requests did.
#[derive(Default)]
struct Done {
    /// By id.
    requests: HashMap<String, Outcome>,
    /// By the name of a group: whether all of it succeeded.
    groups: HashMap<String, bool>,
}

#[derive(Clone)]
struct Outcome {
    succeeded: bool,
    /// The entity that was made or returned.
    url: Option<String>,
    etag: Option<String>,
}

impl Done {
    fn succeeded(&self, name: &str) -> bool {
        self.requests.get(name).map(|outcome| outcome.succeeded).or_else(|| self.groups.get(name).copied()).unwrap_or(false)
    }
}

/// A batch on its way.
struct Running {
    call: Arc<Call>,
    service_path: String,
    preferences: Preferences,
    items: VecDeque<BatchItem>,
    done: Done,
    goes_on: bool,
    output: Output,
    /// A body that streams, and whether it is in a change set.
    open: Option<(BodyDataStream, bool)>,
    ended: bool,
    number: usize,
}

impl Producer for Running {
    async fn next(&mut self) -> Result<Option<Chunk>, RequestError> {
        let mut out = Vec::new();
        loop {
            if let Some((body, in_change_set)) = &mut self.open {
                match body.next().await {
                    Some(Ok(bytes)) => return Ok(Some(Chunk { bytes, rows: 0 })),
                    // The request has noted why; a batch with a hole in it must not look complete.
                    Some(Err(error)) => {
                        return Err(RequestError::new(Code::Internal, format!("an answer in the batch broke off: {error}")));
                    }
                    None => {
                        let in_change_set = *in_change_set;
                        self.open = None;
                        self.close(in_change_set, &mut out);
                    }
                }
            } else if self.ended {
                return Ok(None);
            } else if let Some(item) = self.items.pop_front() {
                self.begin(item, &mut out).await;
            } else {
                self.ended = true;
                match &mut self.output {
                    Output::Multipart(writer) => writer.finish(&mut out),
                    Output::Json(writer) => writer.finish(&mut out),
                }
            }
            if !out.is_empty() {
                return Ok(Some(Chunk { bytes: Bytes::from(out), rows: 0 }));
            }
        }
    }
}

impl Running {
    /// Executes what comes next, and writes its answer up to its body.
    async fn begin(&mut self, item: BatchItem, out: &mut Vec<u8>) {
        match item {
            BatchItem::Request(request) => {
                let response = self.execute(&request).await;
                self.answered(&Asked { request: &request, group: None, in_change_set: false }, response, out).await;
            }
            BatchItem::Malformed { id, error } => {
                let response = respond::error(&RequestError::from(error));
                let request = BatchRequest { id, ..BatchRequest::default() };
                self.answered(&Asked { request: &request, group: None, in_change_set: false }, response, out).await;
            }
            BatchItem::Group { name, requests } => self.begin_group(name, requests, out).await,
        }
    }

    /// A group of one is that one request. One of several would have to be all or nothing, which writes are not yet: nothing of it is
    /// executed.
    async fn begin_group(&mut self, name: Option<String>, requests: Vec<BatchRequest>, out: &mut Vec<u8>) {
        let change_set = name.is_none();
        let refused = match requests.as_slice() {
            [only] if change_set && only.method == "GET" => {
                Some(RequestError::new(Code::InvalidRequest, "a change set holds changes: put a read outside of it"))
            }
            [_] => None,
            several => {
                let what = if change_set { "a change set" } else { "an atomicity group" };
                let message = format!(
                    "{what} of {} requests is not supported yet, because they could not be executed as one: nothing of it was executed; \
                     send each in {what} of its own",
                    several.len()
                );
                Some(RequestError::new(Code::NotImplemented, message))
            }
        };
        let group = name.as_deref();
        match (&refused, requests.as_slice()) {
            (None, [only]) => {
                let response = self.execute(only).await;
                let succeeded = response.status().is_success() || response.status().is_redirection();
                if let Some(name) = group {
                    self.done.groups.insert(name.to_owned(), succeeded);
                }
                // A change set that fails has one answer outside of any change set.
                self.answered(&Asked { request: only, group, in_change_set: change_set && succeeded }, response, out).await;
            }
            _ => {
                let error = refused.unwrap_or_else(|| RequestError::new(Code::InvalidRequest, "a change set holds no request"));
                if let Some(name) = group {
                    self.done.groups.insert(name.to_owned(), false);
                }
                // In JSON every request has its answer; a change set has one for all.
                let answers = if change_set { requests.get(..1).unwrap_or_default() } else { requests.as_slice() };
                for (index, request) in answers.iter().enumerate() {
                    let request = if change_set { BatchRequest::default() } else { request.clone() };
                    let asked = Asked { request: &request, group, in_change_set: false };
                    self.answered(&asked, respond::error(&error), out).await;
                    if index + 1 < answers.len() {
                        self.drain(out).await;
                    }
                }
            }
        }
    }

    /// Writes a body that is complete already, so that another answer can follow in the same chunk.
    async fn drain(&mut self, out: &mut Vec<u8>) {
        if let Some((mut body, in_change_set)) = self.open.take() {
            while let Some(Ok(bytes)) = body.next().await {
                out.extend_from_slice(&bytes);
            }
            self.close(in_change_set, out);
        }
    }

    /// Runs one request; every failure is a response.
    async fn execute(&mut self, request: &BatchRequest) -> Response<Body> {
        self.number += 1;
        match self.prepared(request) {
            Ok(prepared) => run(Arc::clone(&self.call), prepared, self.number).await,
            Err(error) => respond::error(&error),
        }
    }

    /// Checks dependencies, resolves references.
    fn prepared(&self, request: &BatchRequest) -> Result<Prepared, RequestError> {
        let failed = |message: String| RequestError::new(Code::FailedDependency, message);
        match &request.condition {
            Some(condition) => match condition.holds(&|id| self.done.succeeded(id)) {
                Some(true) => {}
                Some(false) => return Err(failed("the condition 'if' of the request does not hold: it was not executed".to_owned())),
                None => {
                    let message = "the condition 'if' is not supported, and the request was not executed: \
                        $<id>/$succeeded with and, or, not, eq and ne is";
                    return Err(failed(message.to_owned()));
                }
            },
            None => {
                if let Some(other) = request.depends_on.iter().find(|other| !self.done.succeeded(other)) {
                    return Err(failed(format!("the request was not executed, because '{other}', on which it depends, failed")));
                }
            }
        }
        let url = match reference(&request.url) {
            None => request.url.clone(),
            Some((id, tail)) => {
                let entity = self.referenced(id)?.url.ok_or_else(|| failed(format!("the request '{id}' made or returned no entity")))?;
                format!("{}{tail}", entity.split('?').next().unwrap_or_default())
            }
        };
        let host = self.call.header("host");
        let place = Place { root: &self.call.root, host: host.as_deref(), service: &self.service_path };
        let target = match addressed(&url, &place)? {
            Addressed::Here(target) => target,
            Addressed::Batch => return Err(RequestError::new(Code::InvalidRequest, "a batch cannot hold a batch").about("$batch")),
        };
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| RequestError::new(Code::InvalidRequest, "the method of a request in the batch is malformed"))?;
        let uri: Uri = target
            .parse()
            .map_err(|_| RequestError::new(Code::InvalidRequest, "the URL of a request in the batch is malformed").about("url"))?;
        Ok(Prepared { method, uri, headers: self.headers(request)?, body: Bytes::from(request.body.clone()) })
    }

    fn referenced(&self, id: &str) -> Result<Outcome, RequestError> {
        match self.done.requests.get(id) {
            Some(outcome) if outcome.succeeded => Ok(outcome.clone()),
            Some(_) => Err(RequestError::new(Code::FailedDependency, format!("the request was not executed, because '{id}' failed"))),
            None => Err(RequestError::new(Code::InvalidRequest, format!("'${id}' refers to no request that comes before in the batch"))),
        }
    }

    /// The headers of a request: its own, and those that hold for all.
    fn headers(&self, request: &BatchRequest) -> Result<HeaderMap, RequestError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let resolved = match (name.as_str(), value.strip_prefix('$')) {
                // The ETag that an earlier request returned (Protocol, section 11.7.5).
                ("if-match" | "if-none-match", Some(id)) => self.referenced(id)?.etag.ok_or_else(|| {
                    RequestError::new(Code::FailedDependency, format!("the request '{id}' returned no ETag")).about(name.as_str())
                })?,
                _ => value.clone(),
            };
            let malformed = || RequestError::new(Code::InvalidRequest, "a header in the batch is malformed").about(name.as_str());
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
            headers.append(name, HeaderValue::from_str(&resolved).map_err(|_| malformed())?);
        }
        let outer = &self.call.headers;
        for name in INHERITED {
            if let Some(value) = outer.get(name).filter(|_| !headers.contains_key(name)) {
                headers.insert(name, value.clone());
            }
        }
        // What is accepted of a multipart batch is often `multipart/mixed` and nothing else, which no single answer is.
        let accept = self.call.header("accept").filter(|accept| accepts(&accepted(Some(accept)), "application", "json"));
        if let Some(accept) = accept.filter(|_| !headers.contains_key(header::ACCEPT)) {
            respond::set(&mut headers, header::ACCEPT, &accept);
        }
        if let Some(patterns) = &self.preferences.include_annotations {
            let own = headers.get("prefer").and_then(|value| value.to_str().ok()).unwrap_or_default();
            // The first of two counts: what the request says itself.
            let both = format!("{own}, include-annotations=\"{}\"", patterns);
            respond::set(&mut headers, HeaderName::from_static("prefer"), both.trim_start_matches(", "));
        }
        Ok(headers)
    }

    /// Notes an answer, and writes it up to its body, or whole where it has to be turned into a text.
    async fn answered(&mut self, asked: &Asked<'_>, mut response: Response<Body>, out: &mut Vec<u8>) {
        // A request that was not executed has an answer in the version of the batch.
        respond::in_version(response.headers_mut(), self.call.version);
        self.note(asked.request, &response);
        let complete = axum::body::HttpBody::size_hint(response.body()).exact();
        let form = BodyForm::of(response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default());
        if let Output::Json(writer) = &mut self.output {
            let response = if form == BodyForm::Json { Ok(response) } else { collected(response).await };
            let response = response.unwrap_or_else(|error| respond::error(&error));
            let form = BodyForm::of(response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default());
            let empty = axum::body::HttpBody::size_hint(response.body()).exact() == Some(0);
            let (parts, body) = response.into_parts();
            let headers = kept(&parts.headers, None);
            writer.part(&part_head(asked.request, parts.status, &headers), asked.group, !empty, out);
            if !empty && form != BodyForm::Json {
                let bytes = axum::body::to_bytes(body, MAX_TEXT).await.unwrap_or_default();
                JsonResponses::body(form, &bytes, out);
            } else if !empty {
                self.open = Some((body.into_data_stream(), false));
                return;
            }
            self.close(false, out);
            return;
        }
        let (parts, body) = response.into_parts();
        let headers = kept(&parts.headers, complete.filter(|length| *length > 0));
        if let Output::Multipart(writer) = &mut self.output {
            if asked.in_change_set {
                writer.open_change_set(out);
            }
            writer.part(&part_head(asked.request, parts.status, &headers), out);
        }
        self.open = Some((body.into_data_stream(), asked.in_change_set));
    }

    fn close(&mut self, in_change_set: bool, out: &mut Vec<u8>) {
        match &mut self.output {
            Output::Multipart(writer) if in_change_set => writer.close_change_set(out),
            Output::Multipart(_) => {}
            Output::Json(_) => JsonResponses::end(out),
        }
    }

    fn note(&mut self, request: &BatchRequest, response: &Response<Body>) {
        let status = response.status();
        let succeeded = status.is_success() || status == StatusCode::NOT_MODIFIED;
        if !succeeded && !self.goes_on {
            self.items.clear();
        }
        let text = |name: &HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let location = text(&header::LOCATION).or_else(|| text(&respond::ODATA_ENTITY_ID));
        let own = || matches!(request.method.as_str(), "GET" | "PATCH" | "PUT").then(|| request.url.clone());
        // A reference in the URL has been followed once, and is not followed twice.
        let own = own().and_then(|url| match reference(&url) {
            None => Some(url),
            Some((id, tail)) => {
                let entity = self.done.requests.get(id).and_then(|outcome| outcome.url.clone())?;
                Some(format!("{}{tail}", entity.split('?').next().unwrap_or_default()))
            }
        });
        let outcome = Outcome { succeeded, url: location.or(own), etag: text(&header::ETAG) };
        if let Some(id) = &request.id {
            self.done.requests.insert(id.clone(), outcome);
        }
    }
}

/// A request whose answer is written.
struct Asked<'a> {
    request: &'a BatchRequest,
    group: Option<&'a str>,
    in_change_set: bool,
}

fn part_head<'a>(request: &'a BatchRequest, status: StatusCode, headers: &'a [(String, String)]) -> PartHead<'a> {
    PartHead { id: request.id.as_deref(), status: status.as_u16(), reason: status.canonical_reason().unwrap_or("Unknown"), headers }
}

fn kept(headers: &HeaderMap, length: Option<u64>) -> Vec<(String, String)> {
    let named = |name: &'static str| {
        let values = headers.get_all(name.to_ascii_lowercase()).into_iter();
        values.filter_map(move |value| value.to_str().ok().map(|value| (name.to_owned(), value.to_owned())))
    };
    let mut found: Vec<(String, String)> = KEPT.into_iter().filter(|name| *name != "Content-Length").flat_map(named).collect();
    if let Some(length) = length {
        found.push(("Content-Length".to_owned(), length.to_string()));
    }
    found
}

/// An answer with its whole body in memory.
async fn collected(response: Response<Body>) -> Result<Response<Body>, RequestError> {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, MAX_TEXT).await.map_err(|_| {
        let message = format!("an answer that is no JSON may have at most {MAX_TEXT} bytes in a JSON batch: ask for it alone");
        RequestError::new(Code::LimitExceeded, message)
    })?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
