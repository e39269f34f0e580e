//! `$all`: the entities of several sets as one collection, which streams set by set; where a page ends among them, and the link to the next.
//! A set is asked when those before it have been sent. It must not know how statements are executed.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service};
use crate::http::collection::Continued;
use crate::http::odata::{Wanted, applied, continuation, how, json_options};
use crate::http::profile::Rows;
use crate::http::room::Room;
use crate::http::stream::{self, Chunk, Producer, Streaming};
use crate::pipeline;
use crate::startup::Gateway;
use crate::telemetry::Trace;
use axum::body::Body;
use axum::http::Response;
use bytes::BytesMut;
use portico_engine::{Answer, EntityAnswer, EntityRead, Paging, RequestContext, Statement};
use portico_odata::bound::{AllPart, BoundAll};
use portico_odata::json::{self, ContextOf, JsonOptions, JsonWriter, MetadataLevel, entity_links};
use portico_odata::profile::Shown;
use portico_odata::syntax::Request;
use portico_odata::{BoundQuery, BoundRead, EntityBatch, EntityShape, ODataError, ODataErrorKind, ReadKind, bind};
use portico_provider_api::Value;
use std::collections::VecDeque;
use std::sync::Arc;

/// Answers with the entities of all sets.
///
/// # Errors
/// What counting or the first rows fail with; `NotImplemented` where the client's profile is shown other entities than there are.
pub async fn answer(call: &Call, service: &Service, request: &Request, all: BoundAll) -> Result<Response<Body>, RequestError> {
    if service.published.translates() {
        return Err(ODataError::not_implemented("$all in a service for Dataverse").at("path", Some(0)).into());
    }
    // No table: what is read is said by the parts.
    let bound = BoundRead::new(BoundQuery { top: all.top, ..BoundQuery::of("", Vec::new()) }, ReadKind::Collection);
    let (_, mut wanted) = how(call, service, request, (bound, Shown::default()), true)?;
    let mut sets = Sets::new(call, service, &wanted, all);
    let count = sets.count().await?;
    if let Some(text) = &request.options.skip_token {
        let token = continuation(call, service, request, text, wanted.query_hash)?;
        sets.resume(&token.position)?;
        sets.skip = token.skip;
        wanted.bound.query.top = token.remaining_top;
        wanted.returned = token.returned;
    }
    let continued = Continued::new(call, service, &wanted)?;
    let producer = AllEntities {
        writer: JsonWriter::new(&EntityShape::default(), options(call, service, &wanted)),
        sets,
        current: None,
        page_size: wanted.page_size,
        top: wanted.bound.query.top,
        room: Room::of(service.view.profile),
        trace: Arc::clone(&call.trace),
        continued,
        state: State::Start(count),
        returned: 0,
    };
    let mut response = stream::response(Streaming::of(call), producer, &wanted.format.content_type(call.version)).await?;
    applied(call, &wanted, response.headers_mut());
    Ok(response)
}

/// Every entity says what it is and where, unless the client wants to know no more than the values.
fn options(call: &Call, service: &Service, wanted: &Wanted) -> JsonOptions {
    let options = json_options(call, service, wanted.format, (&wanted.bound, &wanted.shown), wanted.preferences.omit_values);
    JsonOptions {
        context_url: Some(json::context(&service.root, &ContextOf::AnyEntities, options.version)),
        links: entity_links(&service.published.view),
        heterogeneous: options.metadata != MetadataLevel::None,
        ..options
    }
}

/// The sets that are still to be read, and what it takes to read them.
struct Sets {
    gateway: Arc<Gateway>,
    context: RequestContext,
    trace: Arc<Trace>,
    service: Service,
    parts: VecDeque<AllPart>,
    /// Where in the first of them to go on.
    from: Option<Vec<Value>>,
    /// Entities to leave out.
    skip: u64,
    counted: bool,
}

impl Sets {
    fn new(call: &Call, service: &Service, wanted: &Wanted, mut all: BoundAll) -> Sets {
        if let Some(annotations) = &wanted.preferences.include_annotations {
            all.parts.iter_mut().for_each(|part| bind::annotate(&mut part.read.query, &service.view, annotations));
        }
        Sets {
            gateway: Arc::clone(&call.gateway),
            context: call.context.clone(),
            trace: Arc::clone(&call.trace),
            service: service.clone(),
            parts: all.parts.into(),
            from: None,
            skip: all.skip,
            counted: all.count,
        }
    }

    /// How many entities there are in all sets, where that is asked.
    async fn count(&self) -> Result<Option<u64>, RequestError> {
        if !self.counted {
            return Ok(None);
        }
        let mut count: u64 = 0;
        for part in &self.parts {
            count = count.saturating_add(self.count_of(part).await?);
        }
        Ok(Some(count))
    }

    async fn count_of(&self, part: &AllPart) -> Result<u64, RequestError> {
        let read = BoundRead { kind: ReadKind::Count, ..part.read.clone() };
        match self.run(read, Paging::default()).await? {
            Answer::Count(count) => Ok(count),
            Answer::Entities(_) | Answer::Table(_) => Err(RequestError::new(Code::Internal, "rows were answered where a count was asked")),
        }
    }

    async fn run(&self, read: BoundRead, paging: Paging) -> Result<Answer, RequestError> {
        let read = EntityRead { service: self.service.name.clone(), model_version: self.service.view.version.clone(), read, paging };
        pipeline::read(&self.gateway.engine, &self.context, &self.trace, || Ok(Statement::Entities(Box::new(read))), Ok).await
    }

    /// Goes on where a page ended: in a set, behind the entity whose key follows its name, or at the set's beginning.
    fn resume(&mut self, position: &[Value]) -> Result<(), RequestError> {
        let found = match position.split_first() {
            Some((Value::Text(name), rest)) => self.parts.iter().position(|part| part.name == *name).map(|index| (index, rest)),
            _ => None,
        };
        let (index, rest) = found.ok_or_else(|| {
            let message = "the $skiptoken goes on in a set that is not there any more: start again from the first page";
            ODataError::new(ODataErrorKind::Gone, message).at("$skiptoken", Some(0))
        })?;
        self.parts.drain(..index);
        self.from = (!rest.is_empty()).then(|| rest.to_vec());
        Ok(())
    }

    /// Leaves out whole sets, as long as no more than these are to be left out.
    async fn pass_over(&mut self) -> Result<(), RequestError> {
        while self.skip > 0
            && let Some(part) = self.parts.front()
        {
            let count = self.count_of(part).await?;
            if count > self.skip {
                break;
            }
            self.skip -= count;
            self.parts.pop_front();
        }
        Ok(())
    }

    /// Asks the next set for its entities; nothing when there is none.
    async fn open(&mut self, page_size: u64, top: Option<u64>) -> Result<Option<(String, EntityAnswer)>, RequestError> {
        self.pass_over().await?;
        let Some(AllPart { name, mut read }) = self.parts.pop_front() else { return Ok(None) };
        (read.query.top, read.query.skip) = (top, std::mem::take(&mut self.skip));
        let paging = Paging { size: page_size, position: self.from.take() };
        match self.run(read, paging).await? {
            Answer::Entities(answer) => Ok(Some((name, answer))),
            Answer::Count(_) | Answer::Table(_) => {
                Err(RequestError::new(Code::Internal, "entities were asked of a set, and none answered"))
            }
        }
    }
}

enum State {
    Start(Option<u64>),
    Rows,
    Ended,
}

/// Where a page ends, as a continuation holds it.
fn within(set: &str, position: &[Value]) -> Vec<Value> {
    std::iter::once(Value::text(set)).chain(position.iter().cloned()).collect()
}

/// The entities of all sets as chunks of JSON.
struct AllEntities {
    writer: JsonWriter,
    sets: Sets,
    /// The set that is being read.
    current: Option<(String, Rows)>,
    page_size: u64,
    top: Option<u64>,
    room: Room,
    trace: Arc<Trace>,
    continued: Continued,
    state: State,
    returned: u64,
}

impl Producer for AllEntities {
    async fn next(&mut self) -> Result<Option<Chunk>, RequestError> {
        let out = match std::mem::replace(&mut self.state, State::Rows) {
            State::Start(count) => BytesMut::from(self.writer.start_collection(count).as_ref()),
            State::Rows => BytesMut::new(),
            State::Ended => {
                self.state = State::Ended;
                return Ok(None);
            }
        };
        loop {
            let Some((set, rows)) = &mut self.current else {
                if self.advance().await? {
                    continue;
                }
                return self.end(out);
            };
            if let Some(batch) = rows.next().await {
                return self.write(&batch?, out).map(Some);
            }
            if let Some(position) = rows.next_position().map(|position| within(set, position)) {
                return self.finish(Some(&position), out, 0).map(Some);
            }
            // What the set holds of the engine is given back before the next is asked.
            self.current = None;
        }
    }
}

impl AllEntities {
    /// Opens the next set; `false` at the end of the page or of all.
    async fn advance(&mut self) -> Result<bool, RequestError> {
        let top = self.top.map(|top| top.saturating_sub(self.returned));
        let page = self.page_size.saturating_sub(self.returned);
        if top == Some(0) || (self.page_size > 0 && page == 0) {
            return Ok(false);
        }
        let Some((set, answer)) = self.sets.open(page, top).await? else { return Ok(false) };
        let (shape, _, rows) = Rows::of(&self.sets.gateway, &self.sets.service, answer, &Shown::default());
        self.writer.set_shape(&shape);
        self.current = Some((set, rows));
        Ok(true)
    }

    /// The end of a page between two sets, or of all.
    fn end(&mut self, out: BytesMut) -> Result<Option<Chunk>, RequestError> {
        let next = self.sets.parts.front().map(|part| within(&part.name, &[]));
        self.finish(next.as_deref(), out, 0).map(Some)
    }

    fn finish(&mut self, position: Option<&[Value]>, mut out: BytesMut, rows: u64) -> Result<Chunk, RequestError> {
        self.state = State::Ended;
        let link = self.continued.link(position, self.returned)?;
        out.extend_from_slice(&self.writer.finish_collection(link.as_deref()));
        Ok(Chunk { bytes: out.freeze(), rows })
    }

    fn write(&mut self, batch: &EntityBatch, mut out: BytesMut) -> Result<Chunk, RequestError> {
        let total = batch.rows.num_rows();
        let most = self.room.beside(out.len());
        let written = stream::encode(&self.trace, || self.writer.write_within(batch, most, &mut out))?;
        self.returned += written as u64;
        let (set, rows) = self.current.as_ref().ok_or_else(|| RequestError::new(Code::Internal, "rows of no set are written"))?;
        let position = |row| Ok(within(set, &rows.position_of(batch, row)?));
        match self.room.take((written, total), out.len(), position)? {
            Some(position) => self.finish(Some(&position), out, written as u64),
            None => Ok(Chunk { bytes: out.freeze(), rows: written as u64 }),
        }
    }
}
