//! Writes: changes as requests, one alone or several as one change set of `$batch`, and what became of them. It must not know the engine.

mod body;
mod explain;
mod request;

use crate::batch;
use crate::client::spoken;
use crate::decode::{Answer, Shape};
use crate::moments::advised;
use crate::schema::bound_set;
use crate::translate::{Asking, Refusal};
use crate::{Known, OdataSource};
use arrow::datatypes::Schema;
pub(crate) use explain::explain;
use portico_provider_api::arrays::row_at;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ConstraintKind, Precondition, QueryContext, RemoteOperation, ScalarType, SourceError,
    SourceErrorKind, TableColumn, TableRelation, Value,
};
use portico_provider_web::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, LOCATION};
use portico_provider_web::json::PageReader;
use portico_provider_web::{Expects, Method, Page, Request, StatusCode, Url};
pub(crate) use request::Written;
use request::{Kind, written};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Applies a change set.
///
/// # Errors
/// What the service says; whether the changes may have been made is said with it.
pub(crate) async fn write(source: &OdataSource, set: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
    let tables = set.changes.iter().filter_map(table_of).map(|table| table.table.table().to_owned());
    let bound =
        set.changes.iter().filter_map(|change| if let Change::Invoke { operation, .. } = change { bound_set(operation) } else { None });
    let known = source.about(tables.chain(bound).collect::<BTreeSet<_>>(), context).await.map_err(SourceError::without_effect)?;
    let writer = Writer { source, known: &known, context };
    let unsupported = |message: String| source.web.reporter().error(SourceErrorKind::Unsupported, message);
    known.capabilities.check_changes(&set).map_err(|error| unsupported(error.to_string()))?;
    let root = source.web.address();
    let asking = source.asking(&root, &known);
    let requests = set.changes.iter().map(|change| written(&asking, &set, change)).collect::<Result<Vec<_>, _>>();
    let requests = requests.map_err(|refusal| source.refused(refusal).without_effect())?;
    match (requests.as_slice(), set.changes.as_slice()) {
        ([], _) => Ok(Vec::new()),
        ([request], [change]) => Ok(vec![writer.one(&asking, request, change).await?]),
        (requests, changes) => writer.several(&asking, requests, changes).await,
    }
}

fn table_of(change: &Change) -> Option<&TableRelation> {
    match change {
        Change::Insert { table, .. }
        | Change::Update { table, .. }
        | Change::Upsert { table, .. }
        | Change::Delete { table, .. }
        | Change::Link { table, .. }
        | Change::Unlink { table, .. } => Some(table),
        Change::Invoke { .. } => None,
    }
}

struct Writer<'a> {
    source: &'a OdataSource,
    known: &'a Known,
    context: &'a QueryContext,
}

impl Writer<'_> {
    fn malformed(&self, message: impl AsRef<str>) -> SourceError {
        self.source.web.reporter_of(self.context).error(SourceErrorKind::Malformed, message)
    }

    fn request(&self, written: &Written) -> Request {
        let mut request = spoken(Request::new(written.method.clone(), written.address.clone()), self.source.manner(self.known));
        if let Some(body) = &written.body {
            let v4 = self.known.service.protocol == crate::metadata::Protocol::V4;
            request = request.body(if v4 { "application/json;IEEE754Compatible=true" } else { "application/json" }, body.clone());
            if v4 && written.kind != Kind::Invoke {
                request = request.header(HeaderName::from_static("prefer"), HeaderValue::from_static("return=representation"));
            }
        }
        if let Some(value) = written.if_match.as_ref().and_then(|etag| HeaderValue::from_str(etag).ok()) {
            request = request.header(IF_MATCH, value);
        }
        let found = matches!(written.kind, Kind::Update | Kind::Delete);
        let request = if found { request.accepting(StatusCode::NOT_FOUND).accepting(StatusCode::PRECONDITION_FAILED) } else { request };
        request.explained_by(explain)
    }

    /// One change, as a request of its own.
    async fn one(&self, asking: &Asking<'_>, written: &Written, change: &Change) -> Result<ChangeOutcome, SourceError> {
        let page = self.source.web.fetch(&self.request(written), self.context).await.map_err(|error| typed(written.kind, error))?;
        match page.status {
            StatusCode::NOT_FOUND => Ok(ChangeOutcome::NotFound),
            StatusCode::PRECONDITION_FAILED => self.missed(asking, change).await,
            _ => self.done(asking, change, &page).await,
        }
    }

    /// Whether an entity whose ETag did not match is there at all.
    async fn missed(&self, asking: &Asking<'_>, change: &Change) -> Result<ChangeOutcome, SourceError> {
        let (Change::Update { table, key, precondition, .. } | Change::Delete { table, key, precondition, .. }) = change else {
            return Ok(ChangeOutcome::Changed);
        };
        if *precondition == Precondition::None {
            return Ok(ChangeOutcome::NotFound);
        }
        let there = self.read(asking, table, key).await;
        Ok(if matches!(there, Ok(None)) { ChangeOutcome::NotFound } else { ChangeOutcome::Changed })
    }

    async fn done(&self, asking: &Asking<'_>, change: &Change, page: &Page) -> Result<ChangeOutcome, SourceError> {
        let has_body = !page.bytes.iter().all(u8::is_ascii_whitespace);
        match change {
            // Some services make what is not there, whatever `If-Match` says. Nobody asked for that.
            Change::Update { .. } if page.status == StatusCode::CREATED => {
                Err(self.malformed("the service made a new entity instead of changing the one that was named"))
            }
            Change::Insert { table, .. } => {
                let location = [LOCATION, HeaderName::from_static("odata-entityid")];
                let location = location.iter().find_map(|name| page.headers.get(name)?.to_str().ok());
                let row = match (self.made(table, page), location) {
                    (None, Some(location)) => self.linked(&page.url, location, table).await,
                    (row, _) => row,
                };
                Ok(done_with(row, true))
            }
            Change::Update { table, key, .. } | Change::Upsert { table, key, .. } => {
                let row = match self.made(table, page) {
                    None => self.read(asking, table, key).await.ok().flatten(),
                    row => row,
                };
                Ok(done_with(row, page.status == StatusCode::CREATED))
            }
            Change::Invoke { operation, .. } => self.returned(asking, operation, &page.bytes, has_body),
            Change::Delete { .. } | Change::Link { .. } | Change::Unlink { .. } => Ok(done_with(None, false)),
        }
    }

    /// The entity of an answer. The change was made: that it cannot be read back is no failure of it.
    fn made(&self, table: &TableRelation, page: &Page) -> Option<Vec<Value>> {
        self.row(table, &page.bytes).ok()
    }

    async fn linked(&self, from: &Url, location: &str, table: &TableRelation) -> Option<Vec<Value>> {
        let address = self.source.web.link(from, location).ok()?;
        let request = spoken(Request::get(address), self.source.manner(self.known));
        let page = self.source.web.fetch(&request, self.context).await.ok()?;
        self.row(table, &page.bytes).ok()
    }

    /// Reads one entity; nothing where it is not there.
    async fn read(&self, asking: &Asking<'_>, table: &TableRelation, key: &[(usize, Value)]) -> Result<Option<Vec<Value>>, SourceError> {
        let name = |(index, value): &(usize, Value)| Some((table.columns.get(*index)?.name.clone(), value.clone()));
        let key: Vec<(String, Value)> = key.iter().filter_map(name).collect();
        let refused = |refusal: Refusal| self.source.refused(refusal);
        let address = asking.entity(asking.set(table).map_err(refused)?, &key).map_err(refused)?;
        let request = spoken(Request::get(address), self.source.manner(self.known)).accepting(StatusCode::NOT_FOUND);
        let page = self.source.web.fetch(&request, self.context).await?;
        if page.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.row(table, &page.bytes).map(Some)
    }

    /// An entity as a row of the columns in scope.
    fn row(&self, table: &TableRelation, bytes: &[u8]) -> Result<Vec<Value>, SourceError> {
        let set = self.known.service.set(table.table.table());
        let wanted = columns(&table.columns);
        let shape = Shape::of_entities(self.known.service.protocol, Answer::Entity, |name| set.and_then(|set| set.property(name)), &wanted);
        let rows = self.rows(shape.map_err(|message| self.malformed(message))?, &table.columns, bytes)?;
        rows.into_iter().next().ok_or_else(|| self.malformed("the answer to a change has no entity"))
    }

    fn rows(&self, shape: Shape, columns: &[TableColumn], bytes: &[u8]) -> Result<Vec<Vec<Value>>, SourceError> {
        let reporter = &self.source.web.reporter_of(self.context);
        let mut reader = PageReader::new(&shape.page);
        reader.push(bytes).map_err(|error| advised(error).into_source_error(reporter))?;
        let mut batches: Vec<_> = std::iter::from_fn(|| reader.batch()).collect();
        let (rest, end) = reader.finish().map_err(|error| advised(error).into_source_error(reporter))?;
        if end.others.iter().flatten().next().is_some() {
            return Err(self.malformed("the answer to a change has further pages, which are not read"));
        }
        batches.extend(rest);
        let schema =
            Arc::new(Schema::new(columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect::<Vec<_>>()));
        let types: Vec<ScalarType> = columns.iter().map(|column| column.scalar_type).collect();
        let mut rows = Vec::new();
        for batch in batches {
            let batch = shape.promised(&batch, &schema).map_err(|message| self.malformed(message))?;
            for row in 0..batch.num_rows() {
                rows.push(row_at(&batch, row, &types).map_err(|error| self.malformed(error.to_string()))?);
            }
        }
        Ok(rows)
    }

    fn returned(
        &self,
        asking: &Asking<'_>,
        operation: &RemoteOperation,
        bytes: &[u8],
        has_body: bool,
    ) -> Result<ChangeOutcome, SourceError> {
        let described = asking.operation(operation);
        let (Ok(described), Some(result), true) = (described, &operation.result, has_body) else {
            return Ok(ChangeOutcome::Returned(Vec::new()));
        };
        let shape = Shape::of_operation(self.known.service.protocol, described, &columns(&result.columns));
        let rows = self.rows(shape.map_err(|message| self.malformed(message))?, &result.columns, bytes)?;
        Ok(ChangeOutcome::Returned(rows))
    }

    /// Several changes as one change set: all of them, or none.
    async fn several(&self, asking: &Asking<'_>, requests: &[Written], changes: &[Change]) -> Result<Vec<ChangeOutcome>, SourceError> {
        if requests.iter().any(|request| request.method == Method::GET) {
            let message = "a call that is asked by GET cannot be part of a change set";
            return Err(self.source.web.reporter().error(SourceErrorKind::Unsupported, message));
        }
        let reporter = &self.source.web.reporter_of(self.context);
        let address = self.source.web.address().segment("$batch");
        let address = address.map_err(|error| reporter.error(SourceErrorKind::Unsupported, error.to_string()))?;
        let unique = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let (text, media_type) = batch::body(requests, self.source.web.address().url(), self.known.service.protocol, &unique);
        let media_type = HeaderValue::from_str(&media_type).map_err(|error| self.malformed(error.to_string()).without_effect())?;
        let request = spoken(Request::new(Method::POST, address), self.source.manner(self.known));
        let request = request.body("multipart/mixed", text).header(CONTENT_TYPE, media_type);
        let request =
            request.header(ACCEPT, HeaderValue::from_static("multipart/mixed")).expecting(Expects::Anything).explained_by(explain);
        let page = self.source.web.fetch(&request, self.context).await?;
        let media_type = page.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let text = std::str::from_utf8(&page.bytes).map_err(|_| self.malformed("the answer to $batch is no text"))?;
        let parts = batch::parts(media_type, text).map_err(|message| self.malformed(message))?;
        if let Some(failed) = parts.iter().find(|part| part.status >= 400) {
            return self.undone(asking, failed, requests, changes).await;
        }
        if parts.len() != changes.len() {
            return Err(self.malformed(format!("the answer to $batch has {} parts, and {} changes were sent", parts.len(), changes.len())));
        }
        let mut outcomes = Vec::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            let part = parts.iter().find(|part| part.change == Some(index)).or_else(|| parts.get(index));
            let part = part.ok_or_else(|| self.malformed("a part of $batch is missing"))?;
            let mut headers = portico_provider_web::header::HeaderMap::new();
            for name in [LOCATION, HeaderName::from_static("odata-entityid")] {
                if let Some(value) = part.header(name.as_str()).and_then(|value| HeaderValue::from_str(value).ok()) {
                    headers.insert(name, value);
                }
            }
            let status = StatusCode::from_u16(part.status).unwrap_or(StatusCode::OK);
            let page = Page { status, headers, url: page.url.clone(), bytes: part.body.clone().into() };
            outcomes.push(self.done(asking, change, &page).await?);
        }
        Ok(outcomes)
    }

    /// A change set that was undone because one of its changes failed.
    async fn undone(
        &self,
        asking: &Asking<'_>,
        failed: &batch::Part,
        requests: &[Written],
        changes: &[Change],
    ) -> Result<Vec<ChangeOutcome>, SourceError> {
        // Which one it was is not always said; where only one can have failed so, it was that one.
        let by_key = |index: &usize| requests.get(*index).is_some_and(|request| matches!(request.kind, Kind::Update | Kind::Delete));
        let mut possible = (0..requests.len()).filter(by_key);
        let only = match (possible.next(), possible.next()) {
            (Some(only), None) => Some(only),
            (_, _) => None,
        };
        let which = failed.change.filter(|index| *index < changes.len()).or(only);
        let reporter = &self.source.web.reporter_of(self.context);
        if matches!(failed.status, 404 | 412)
            && let Some(index) = which.filter(by_key)
            && let Some(change) = changes.get(index)
        {
            let outcome = if failed.status == 404 { ChangeOutcome::NotFound } else { self.missed(asking, change).await? };
            let of = |at: usize| if at == index { outcome.clone() } else { ChangeOutcome::NotAttempted };
            return Ok((0..changes.len()).map(of).collect());
        }
        let status = StatusCode::from_u16(failed.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error = reporter.status(status, &portico_provider_web::header::HeaderMap::new(), failed.body.as_bytes(), false);
        let error = match explain(failed.body.as_bytes()) {
            Some(explained) => reporter.explained(error, status, &explained),
            None => error,
        };
        let kind = which.and_then(|index| requests.get(index)).map_or(Kind::Update, |request| request.kind);
        // The service says that it has undone the whole set.
        Err(typed(kind, error).without_effect())
    }
}

/// What is in the way of a new entity breaks a rule, its key mostly, and is no change that came first: asking again does not help.
fn typed(kind: Kind, error: SourceError) -> SourceError {
    if kind == Kind::Insert && error.native_code() == Some("409") {
        let kind = SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: Vec::new() };
        let message = error.message.replacen("another change was there first", "the service refused the new entity", 1);
        return SourceError { kind, message, retry: portico_provider_api::error::Retry::Never, ..error };
    }
    error
}

fn done_with(row: Option<Vec<Value>>, created: bool) -> ChangeOutcome {
    ChangeOutcome::Done { row, created }
}

fn columns(columns: &[TableColumn]) -> Vec<(TableColumn, String)> {
    columns.iter().map(|column| (column.clone(), column.name.clone())).collect()
}
