//! Collections as they stream: entities, values of functions, rows of `$crossjoin`; where a page ends, and the link to the next. It must not
//! know how statements are executed.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service};
use crate::http::nested::RestLinks;
use crate::http::odata::{Wanted, json_options};
use crate::http::profile::Rows;
use crate::http::room::Room;
use crate::http::stream::{self, Chunk, Producer, Streaming};
use crate::telemetry::Trace;
use axum::body::Body;
use axum::http::Response;
use bytes::{Bytes, BytesMut};
use portico_engine::EntityAnswer;
use portico_odata::json::{CrossJoinWriter, JsonWriter, ValuesWriter, WriteError, name_contexts};
use portico_odata::skiptoken::{QueryHash, SkipToken, next_link};
use portico_odata::{EntityBatch, EntityShape};
use std::sync::Arc;

/// What the HTTP library takes.
const LONGEST_URL: usize = 65_534;
/// Room for a continuation in a link.
const TOKEN_ROOM: usize = 2_048;

/// Answers with a collection, which streams.
///
/// # Errors
/// What its first rows fail with.
pub async fn collection(call: &Call, service: &Service, wanted: &Wanted, answer: EntityAnswer) -> Result<Response<Body>, RequestError> {
    let options = json_options(call, service, wanted.format, (&wanted.bound, &wanted.shown), wanted.preferences.omit_values);
    let joined = answer.cross.clone();
    let (mut shape, count, rows) = Rows::of(&call.gateway, service, answer, &wanted.shown);
    if !wanted.bound.query.expand.is_empty() {
        name_contexts(Arc::make_mut(&mut shape), &service.published.view, &wanted.bound.query, options.version);
    }
    let writer = if wanted.bound.is_of_values() {
        let value =
            shape.properties.first().ok_or_else(|| RequestError::new(Code::Internal, "the values that are asked for were not read"))?;
        let writer = ValuesWriter::new(value, options).map_err(|error| RequestError::new(Code::Internal, error.to_string()))?;
        CollectionWriter::Values(Box::new(writer))
    } else if joined.is_empty() {
        CollectionWriter::Entities(Box::new(JsonWriter::new(&shape, options)))
    } else {
        let writer = CrossJoinWriter::new(&joined, options).map_err(|error| RequestError::new(Code::Internal, error.to_string()))?;
        CollectionWriter::CrossJoin { writer: Box::new(writer), expands: joined.iter().map(|part| part.shape.expands.len()).collect() }
    };
    let continued = Continued::new(call, service, wanted)?;
    let producer = Collection {
        writer,
        rows,
        rest_links: wanted.rest_links.clone().map(|links| (shape, links)),
        room: Room::of(service.view.profile),
        trace: Arc::clone(&call.trace),
        continued,
        state: CollectionState::Start(count),
        returned: 0,
    };
    stream::response(Streaming::of(call), producer, &wanted.format.content_type(call.version)).await
}

/// What a link to the next page is made of.
pub(super) struct Continued {
    url: String,
    key: crate::config::SecretText,
    query_hash: QueryHash,
    model_version: String,
    top: Option<u64>,
    returned_before: u64,
}

impl Continued {
    /// For pages of what a call asks.
    ///
    /// # Errors
    /// `UriTooLong` when there are pages, and no link could lead from one to the next.
    pub(super) fn new(call: &Call, service: &Service, wanted: &Wanted) -> Result<Continued, RequestError> {
        let query = call.target.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}{}{query}", call.root, call.target.path);
        // A query that came in a body may be too long for a link, and then the rest could not be reached.
        let most = call.gateway.config.gateway.http.max_url.min(LONGEST_URL);
        if wanted.page_size > 0 && url.len().saturating_add(TOKEN_ROOM) > most {
            let message = format!("the link to the next page would be longer than the {most} bytes of a URL: ask without maxpagesize");
            return Err(RequestError::new(Code::UriTooLong, message));
        }
        Ok(Continued {
            url,
            key: call.gateway.config.gateway.token_key.clone(),
            query_hash: wanted.query_hash,
            model_version: service.view.version.clone(),
            top: wanted.bound.query.top,
            returned_before: wanted.returned,
        })
    }

    /// The link to what follows a page of this many entities; none after a satisfied `$top`.
    pub(super) fn link(&self, position: Option<&[portico_provider_api::Value]>, returned: u64) -> Result<Option<String>, RequestError> {
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
    /// Plain values.
    Values(Box<ValuesWriter>),
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
            CollectionWriter::Values(writer) => writer.start(count),
            CollectionWriter::CrossJoin { writer, .. } => writer.start(count),
        }
    }

    fn write_within(&mut self, batch: &EntityBatch, most: usize, out: &mut BytesMut) -> Result<usize, WriteError> {
        match self {
            CollectionWriter::Entities(writer) => writer.write_within(batch, most, out),
            // They have no pages that could end.
            CollectionWriter::Values(writer) => writer.write_batch(&batch.rows, out).map(|()| batch.rows.num_rows()),
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
            CollectionWriter::Values(writer) => writer.finish(next_link),
            CollectionWriter::CrossJoin { writer, .. } => writer.finish(next_link),
        }
    }
}

/// A collection as chunks of JSON.
struct Collection {
    writer: CollectionWriter,
    rows: Rows,
    /// The shape of the rows and the links of expanded relationships, where these have pages.
    rest_links: Option<(Arc<EntityShape>, RestLinks)>,
    room: Room,
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
        let most = self.room.beside(out.len());
        let written = stream::encode(&self.trace, || self.writer.write_within(&batch, most, &mut out))?;
        self.returned += written as u64;
        let end = self.room.take((written, total), out.len(), |row| self.rows.position_of(&batch, row))?;
        if let Some(end) = end {
            // What the query still holds is not asked for.
            self.state = CollectionState::Ended;
            let link = self.continued.link(Some(&end), self.returned)?;
            out.extend_from_slice(&self.writer.finish(link.as_deref()));
        }
        Ok(Some(Chunk { bytes: out.freeze(), rows: written as u64 }))
    }
}
