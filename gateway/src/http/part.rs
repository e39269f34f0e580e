//! Answers about a part of one entity, or about which entity it is: the value of a property as JSON or as it is, the bytes of a stream, a
//! reference. It must not know how statements are executed.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service};
use crate::http::negotiate::JsonFormat;
use crate::http::odata::{etag_of, first_rows};
use crate::http::profile::Rows;
use crate::http::respond;
use crate::http::stream;
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use portico_catalog::overlay::MediaType;
use portico_engine::EntityAnswer;
use portico_odata::header::{match_condition, matches};
use portico_odata::json::{self, ContextOf, JsonOptions, JsonWriter, entity_path, find_property};
use portico_odata::profile::Shown;
use portico_odata::{BoundRead, EntityBatch, EntityShape, ReadKind, metadata};
use std::sync::Arc;

/// What a stream is when nothing says more.
const OCTETS: &str = "application/octet-stream";

/// What is asked for, and how it is to be written.
pub struct Asked<'a> {
    /// The read.
    pub bound: &'a BoundRead,
    /// What the client's profile is to show.
    pub shown: &'a Shown,
    /// The format of JSON.
    pub format: JsonFormat,
    /// How JSON is written.
    pub options: JsonOptions,
}

/// Answers from the only row there is; 404 when there is none, 204 when there is nothing in it (or, for a reference, when a to-one
/// relationship leads nowhere).
///
/// # Errors
/// `NotFound`, and what reading the row fails with.
pub async fn answer(call: &Call, service: &Service, asked: &Asked<'_>, answer: EntityAnswer) -> Result<Response<Body>, RequestError> {
    let Asked { bound, format, options, .. } = asked;
    let (shape, batch) = row(call, service, asked, answer).await?;
    let Some(batch) = batch else {
        let nothing = bound.query.key.is_none() && (bound.kind == ReadKind::Reference || bound.result().is_some());
        return if nothing {
            Ok(respond::empty(StatusCode::NO_CONTENT))
        } else {
            Err(RequestError::new(Code::NotFound, "there is no such entity"))
        };
    };
    let etag = etag_of(&shape, &batch);
    let condition = match_condition("If-None-Match", call.header("if-none-match").as_deref())?;
    let unchanged = etag.as_ref().is_some_and(|etag| matches(&condition, etag));
    let mut response = if unchanged {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        match content(call, service, bound, options, &shape, &batch)? {
            Some((media_type, bytes)) => {
                call.trace.sent(1, bytes.len() as u64);
                respond::complete(StatusCode::OK, &media_type.unwrap_or_else(|| format.content_type(call.version)), bytes)
            }
            None => respond::empty(StatusCode::NO_CONTENT),
        }
    };
    if let Some(etag) = etag {
        respond::set(response.headers_mut(), header::ETAG, &etag);
    }
    Ok(response)
}

/// The only row, as the client's profile shows it. The bytes of a stream are what they are for everybody.
async fn row(
    call: &Call,
    service: &Service,
    asked: &Asked<'_>,
    mut answer: EntityAnswer,
) -> Result<(Arc<EntityShape>, Option<EntityBatch>), RequestError> {
    if asked.bound.kind != ReadKind::Media {
        let (shape, _, mut rows) = Rows::of(&call.gateway, service, answer, asked.shown);
        return Ok((shape, first_rows(&mut rows).await?));
    }
    let mut first = None;
    while let Some(batch) = answer.rows.next().await {
        let batch = batch?;
        if first.is_none() && batch.rows.num_rows() > 0 {
            first = Some(batch);
        }
    }
    Ok((answer.shape, first))
}

/// What is answered, and its media type where it is not JSON; nothing when it is null.
type Content = Option<(Option<String>, bytes::Bytes)>;

fn content(
    call: &Call,
    service: &Service,
    bound: &BoundRead,
    options: &JsonOptions,
    shape: &EntityShape,
    batch: &EntityBatch,
) -> Result<Content, RequestError> {
    if bound.kind == ReadKind::Reference {
        let bytes = stream::encode(&call.trace, || JsonWriter::new(shape, options.clone()).entity(batch))?;
        return Ok(Some((None, bytes)));
    }
    if bound.kind == ReadKind::Media {
        return media(call, service, bound, shape, batch);
    }
    let property = find_property(shape, &bound.property)
        .ok_or_else(|| RequestError::new(Code::Internal, "the property that is asked for was not read"))?;
    if bound.kind == ReadKind::Value {
        let raw = stream::encode(&call.trace, || json::raw_value(property, &batch.rows))?;
        return Ok(raw.map(|raw| (Some(raw.media_type.to_owned()), raw.bytes)));
    }
    if bound.result().is_some() {
        // A value of no entity: its context is its type.
        let bytes = stream::encode(&call.trace, || json::property(property, &batch.rows, options))?;
        return Ok(bytes.map(|bytes| (None, bytes)));
    }
    let entity = match &bound.query.singleton {
        Some(name) => name.clone(),
        None => stream::encode(&call.trace, || entity_path(shape, &batch.rows, &options.links))?,
    };
    let cast = bound.query.cast.as_ref().map(|cast| format!("{}.{cast}", metadata::namespace_of(&service.name)));
    let path: Vec<&str> = bound.property.iter().map(String::as_str).collect();
    let list = bound.property.first().filter(|_| path.len() == 1);
    let list = list.and_then(|name| json::listed_members(&service.view, &bound.query, name));
    let of = ContextOf::Property { entity: &entity, cast: cast.as_deref(), path: &path, list: list.as_deref() };
    let options = JsonOptions { context_url: Some(json::context(&service.root, &of, options.version)), ..options.clone() };
    let bytes = stream::encode(&call.trace, || json::property(property, &batch.rows, &options))?;
    Ok(bytes.map(|bytes| (None, bytes)))
}

/// The bytes of a stream. What they are is said by the model, or by the column beside them.
fn media(call: &Call, service: &Service, bound: &BoundRead, shape: &EntityShape, batch: &EntityBatch) -> Result<Content, RequestError> {
    let missing = || RequestError::new(Code::Internal, "the stream that is asked for was not read");
    let raw = |index: usize| {
        let property = shape.properties.get(index).ok_or_else(missing)?;
        stream::encode(&call.trace, || json::raw_value(property, &batch.rows))
    };
    let Some(bytes) = raw(0)? else { return Ok(None) };
    let table = service.view.by_virtual_table(&bound.query.table).ok_or_else(missing)?;
    let overlay = &table.table.overlay;
    let stream = match bound.property.first() {
        Some(name) => overlay.streams.iter().find(|stream| stream.name == *name),
        None => overlay.media.as_ref(),
    };
    let media_type = match &stream.ok_or_else(missing)?.media_type {
        MediaType::Fixed(fixed) => fixed.clone(),
        MediaType::Column(_) => {
            let said = raw(1)?.and_then(|said| String::from_utf8(said.bytes.to_vec()).ok());
            said.filter(|said| !said.trim().is_empty()).unwrap_or_else(|| OCTETS.to_owned())
        }
    };
    Ok(Some((Some(media_type), bytes.bytes)))
}
