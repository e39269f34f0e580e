//! The only IO: requests of a query, page by page, and the rows that come back. It must not know how conditions are said.

use crate::config::PagingEnd;
use crate::decode::Decoder;
use crate::paging::{Broken, Pager, Step};
use crate::postgrest;
use crate::resource::{Access, Resource};
use crate::translate::{Call, Pair, Read, Refusal, by_keyset};
use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use portico_provider_api::arrays::value_at;
use portico_provider_api::{ConnectContext, NativeRequest, QueryContext, Retry, SourceError, SourceErrorKind, Value};
use portico_provider_web::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use portico_provider_web::json::PageReader;
use portico_provider_web::{Address, Expects, Method, Reporter, Request, Response, StatusCode, Url, WebClient, WebConfig};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of an answer that are looked at for a failure when its rows cannot be read.
const LOOKED_AT: usize = 64 << 10;

/// Asks one source.
pub struct Client {
    web: Arc<WebClient>,
    /// Tells what is wrong without what was shown to the server.
    reporter: Reporter,
}

/// What all chains of a query share.
pub struct Run {
    client: Arc<Client>,
    context: QueryContext,
    resource: Arc<Resource>,
    paging: crate::paging::Paging,
    decoder: Decoder,
    offset: u64,
    most: Option<u64>,
    bound: Option<u64>,
    absent: bool,
    keyset: Option<postgrest::Keyset>,
}

impl Client {
    /// Nothing is sent.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn new(config: &WebConfig, context: &ConnectContext) -> Result<Client, SourceError> {
        let web = WebClient::new(config, context)?;
        let reporter = web.reporter().clone();
        Ok(Client { web: Arc::new(web), reporter })
    }

    /// The same for one query or change, whose answers may repeat the token that is shown for it.
    #[must_use]
    pub fn asked_in(&self, context: &QueryContext) -> Client {
        Client { web: Arc::clone(&self.web), reporter: self.web.reporter_of(context) }
    }

    /// Whether callers are shown to it by their own tokens.
    pub fn asks_as_caller(&self) -> bool {
        self.web.asks_as_caller()
    }

    /// An error of this source.
    pub fn error(&self, kind: SourceErrorKind, message: impl AsRef<str>) -> SourceError {
        self.reporter.error(kind, message)
    }

    /// A refusal as an error.
    pub fn refused(&self, refusal: Refusal) -> SourceError {
        match refusal {
            Refusal::Unsupported(what) => self.error(SourceErrorKind::Unsupported, format!("{what} is not supported by this source")),
            Refusal::Data(wrong) => self.error(SourceErrorKind::Data, wrong),
            Refusal::Missing(missing) => self.error(SourceErrorKind::SchemaChanged, missing),
        }
    }

    /// Asks for a whole answer.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fetch(&self, request: &Request, context: &QueryContext) -> Result<portico_provider_web::Page, SourceError> {
        self.web.fetch(request, context).await
    }

    /// What a status of failure means.
    pub fn status(&self, page: &portico_provider_web::Page, read: bool) -> SourceError {
        self.reporter.status(page.status, &page.headers, &page.bytes, read)
    }

    /// Where a call leads.
    ///
    /// # Errors
    /// When a value cannot stand in it, or it is too long.
    pub fn address(&self, call: &Call, more: &[Pair]) -> Result<Address, SourceError> {
        let wrong = |error: portico_provider_web::AddressError| self.error(SourceErrorKind::Data, error.to_string());
        let base = self.web.address();
        let (path, query) = base.shown().0.split_once('?').map_or((base.shown().0, ""), |(path, query)| (path, query));
        let mut shown = path.trim_end_matches('/').to_owned();
        let mut pairs: Vec<String> = Some(query.to_owned()).filter(|query| !query.is_empty()).into_iter().collect();
        let mut address = base.clone();
        for (index, (text, visible)) in call.segments.iter().enumerate() {
            let last = index + 1 == call.segments.len();
            let slash = last && call.slash && !text.contains('/');
            address = if slash { address.path(&format!("{text}/")) } else { address.segment(text) }.map_err(wrong)?;
            shown.push('/');
            shown.push_str(visible);
            if slash {
                shown.push('/');
            }
        }
        let mut values = call.segments.iter().filter(|(text, visible)| text != visible).count();
        for pair in call.pairs.iter().chain(more) {
            address = address.parameter(&pair.name, &pair.value).map_err(wrong)?;
            pairs.push(format!("{}={}", pair.name, pair.shown));
            values += pair.values;
        }
        if shown.is_empty() {
            shown.push('/');
        }
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        Ok(address.shown_as(format!("{shown}{query}"), values))
    }

    /// A request of a call.
    ///
    /// # Errors
    /// As [`Client::address`].
    pub fn request(&self, call: &Call, more: &[Pair], header: Option<&(String, String)>, expects: Expects) -> Result<Request, SourceError> {
        let method = Method::from_bytes(call.method.as_bytes());
        let method = method.map_err(|_| self.error(SourceErrorKind::Unsupported, format!("'{}' is no method", call.method)))?;
        self.with(Request::new(method, self.address(call, more)?), call, header, expects)
    }

    fn with(&self, request: Request, call: &Call, header: Option<&(String, String)>, expects: Expects) -> Result<Request, SourceError> {
        let mut request = request.expecting(expects);
        if let Some((body, kind)) = &call.body {
            request = request.body("application/json", Bytes::from(body.clone()));
            request = request.header(CONTENT_TYPE, self.header_value("content-type", kind)?);
        }
        for (name, value) in call.headers.iter().chain(header) {
            let wrong = |_| self.error(SourceErrorKind::Unsupported, format!("'{name}' is no name of a header"));
            request = request.header(HeaderName::from_bytes(name.as_bytes()).map_err(wrong)?, self.header_value(name, value)?);
        }
        Ok(request)
    }

    fn header_value(&self, name: &str, value: &str) -> Result<HeaderValue, SourceError> {
        let wrong = |_| self.error(SourceErrorKind::Data, format!("a value cannot stand in the header '{name}'"));
        HeaderValue::from_bytes(value.as_bytes()).map_err(wrong)
    }

    /// The first request of each chain, for people.
    pub fn described(&self, read: &Read<'_>) -> Vec<NativeRequest> {
        let one = |call: &Call| {
            let pager = Pager::new(&read.paging, read.offset, read.most);
            let Step::Parameters(pairs, header) = pager.first() else { return None };
            let pairs: Vec<Pair> = pairs.into_iter().map(|(name, value)| Pair::constant(name, value)).collect();
            let pairs = if read.counts && read.resource.postgrest { Vec::new() } else { pairs };
            self.request(call, &pairs, header.as_ref(), Expects::Anything).ok().map(|request| request.native())
        };
        read.calls.iter().filter_map(one).collect()
    }

    fn shape(&self, wrong: impl AsRef<str>) -> SourceError {
        self.error(SourceErrorKind::Malformed, format!("the answer cannot be read: {}", wrong.as_ref()))
    }
}

/// Where the next page is.
enum Next {
    Step(Step, Vec<Pair>),
    /// Nowhere: all rows came.
    End,
}

/// One chain of pages.
struct Chain {
    run: Arc<Run>,
    call: Call,
    pager: Pager,
    next: Next,
    from: Option<Url>,
    open: Option<Open>,
    ready: VecDeque<RecordBatch>,
    decoded: u64,
    largest: u64,
    /// The key of the last row.
    last: Option<Vec<Value>>,
}

/// An answer that is read as it comes.
struct Open {
    response: Response,
    reader: PageReader,
    seen: Vec<u8>,
}

impl Run {
    /// Makes a query ready to be run.
    ///
    /// # Errors
    /// When the columns cannot be read side by side.
    pub fn new(client: &Arc<Client>, context: QueryContext, resource: &Arc<Resource>, read: &Read<'_>) -> Result<Arc<Run>, SourceError> {
        let access = Access { paging: read.paging.clone(), ..read.access.clone() };
        let decoder = Decoder::new(resource, &access, &read.columns).map_err(|wrong| client.error(SourceErrorKind::Unsupported, wrong))?;
        Ok(Arc::new(Run {
            client: Arc::new(client.asked_in(&context)),
            context,
            resource: Arc::clone(resource),
            paging: read.paging.clone(),
            decoder,
            offset: read.offset,
            most: read.most,
            bound: read.bound,
            absent: read.absent,
            keyset: read.keyset.clone(),
        }))
    }

    /// The rows of one chain.
    pub fn rows(self: &Arc<Run>, call: Call) -> BoxStream<'static, Result<RecordBatch, SourceError>> {
        let pager = Pager::new(&self.paging, self.offset, self.most);
        let next = Next::Step(pager.first(), Vec::new());
        let chain = Chain {
            run: Arc::clone(self),
            call,
            pager,
            next,
            from: None,
            open: None,
            ready: VecDeque::new(),
            decoded: 0,
            largest: 0,
            last: None,
        };
        let rows = futures::stream::try_unfold(chain, |mut chain| async move { Ok(chain.batch().await?.map(|batch| (batch, chain))) });
        rows.try_filter(|batch| std::future::ready(batch.num_rows() > 0)).boxed()
    }

    /// Why pages could not be followed.
    fn broken(&self, broken: Broken) -> SourceError {
        match broken {
            Broken::Malformed(wrong) => self.client.shape(wrong),
            Broken::Changed(wrong) => SourceError { retry: Retry::After(None), ..self.client.error(SourceErrorKind::Conflict, wrong) },
        }
    }

    /// How many rows a chain has, as its first answer says.
    ///
    /// # Errors
    /// When it does not say it.
    pub async fn count(self: &Arc<Run>, call: Call) -> Result<u64, SourceError> {
        let pager = Pager::new(&self.paging, 0, Some(1));
        let missing = || self.client.shape("the number of all rows is missing");
        if self.resource.postgrest {
            let request = self.client.request(&call, &[], None, Expects::Json)?;
            let page = self.client.fetch(&request, &self.context).await?;
            return total(&page.headers).ok_or_else(missing);
        }
        let next = Next::Step(pager.first(), Vec::new());
        let mut chain = Chain {
            run: Arc::clone(self),
            call,
            pager,
            next,
            from: None,
            open: None,
            ready: VecDeque::new(),
            decoded: 0,
            largest: 0,
            last: None,
        };
        chain.page().await?;
        while chain.open.is_some() {
            chain.part().await?;
        }
        chain.pager.total().ok_or_else(missing)
    }

    fn expects(&self) -> Expects {
        match self.resource.format {
            crate::config::Format::Json => Expects::Json,
            crate::config::Format::Xml => Expects::Xml,
            crate::config::Format::Ndjson | crate::config::Format::Csv => Expects::Anything,
        }
    }
}

/// What follows the `/` in `Content-Range`.
fn total(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-range")?.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
}

impl Chain {
    async fn batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.open.is_some() {
                self.part().await?;
                continue;
            }
            if matches!(self.next, Next::End) {
                return Ok(None);
            }
            self.page().await?;
        }
    }

    fn request(&mut self) -> Result<Request, SourceError> {
        let run = Arc::clone(&self.run);
        let client = &run.client;
        let request = match std::mem::replace(&mut self.next, Next::End) {
            Next::Step(Step::Parameters(pairs, header), conditions) => {
                let pairs: Vec<Pair> = pairs.into_iter().map(|(name, value)| Pair::constant(name, value)).chain(conditions).collect();
                client.request(&self.call, &pairs, header.as_ref(), run.expects())?
            }
            Next::Step(Step::Link(link), _) => {
                let from = self.from.as_ref().ok_or_else(|| client.shape("a link has nothing that it is relative to"))?;
                let address = client.web.link(from, &link)?;
                client.with(Request::get(address), &Call { body: None, ..self.call.clone() }, None, run.expects())?
            }
            Next::End => return Err(client.error(SourceErrorKind::Internal, "there is no next page")),
        };
        let request = if run.absent { request.accepting(StatusCode::NOT_FOUND) } else { request };
        let ranged = run.resource.postgrest || run.paging.by == crate::config::PagingBy::Range;
        let request = if ranged { request.accepting(StatusCode::RANGE_NOT_SATISFIABLE) } else { request };
        let json = run.resource.format == crate::config::Format::Json;
        let request = if json { request } else { request.accepting(StatusCode::INTERNAL_SERVER_ERROR) };
        // Whatever its method: it may be repeated, and when it fails nothing was changed.
        Ok(request.reading())
    }

    /// Asks for the next page: a small one as a whole, an answer without pages as it comes.
    async fn page(&mut self) -> Result<(), SourceError> {
        let request = self.request()?;
        let run = Arc::clone(&self.run);
        if run.decoder.streams() && run.paging.by == crate::config::PagingBy::None {
            let response = run.client.web.send(&request, &run.context).await?;
            if self.nothing(response.status, &response.headers)? {
                return Ok(());
            }
            self.from = Some(response.url.clone());
            self.open = Some(Open { response, reader: run.decoder.reader(), seen: Vec::new() });
            return Ok(());
        }
        let page = run.client.fetch(&request, &run.context).await?;
        if self.nothing(page.status, &page.headers)? {
            return Ok(());
        }
        self.from = Some(page.url.clone());
        let read = run.decoder.document(&page.bytes).map_err(|wrong| run.client.shape(wrong)).and_then(|document| {
            let mut reader = run.decoder.reader();
            let placed = |error| run.decoder.placed(error, &page.bytes).into_source_error(&run.client.reporter);
            reader.push(&document).map_err(placed)?;
            Ok(reader)
        });
        let reader = match read {
            Ok(reader) => reader,
            Err(error) => return Err(self.instead(&page.bytes, page.status, error)),
        };
        self.finished(reader, &page.headers, page.status, &page.bytes)
    }

    /// Whether the status says that there is no row, or none any more.
    fn nothing(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<bool, SourceError> {
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            self.pager.beyond(headers).map_err(|broken| self.run.broken(broken))?;
        }
        Ok(matches!(status, StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE))
    }

    /// Reads the next part of an answer that is read as it comes.
    async fn part(&mut self) -> Result<(), SourceError> {
        let run = Arc::clone(&self.run);
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Some(part) = open.response.next().await? {
            let room = LOOKED_AT.saturating_sub(open.seen.len());
            open.seen.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            if let Err(error) = open.reader.push(&part) {
                let error = error.into_source_error(&run.client.reporter);
                // A failure that is told where rows should be is small: what of it has not come yet is waited for.
                while open.seen.len() < LOOKED_AT
                    && let Ok(Some(part)) = open.response.next().await
                {
                    open.seen.extend_from_slice(&part);
                }
                let (seen, status) = (std::mem::take(&mut open.seen), open.response.status);
                return Err(self.instead(&seen, status, error));
            }
            let batches: Vec<RecordBatch> = std::iter::from_fn(|| open.reader.batch()).collect();
            return batches.into_iter().try_for_each(|batch| self.take(&batch));
        }
        let Some(open) = self.open.take() else { return Ok(()) };
        self.finished(open.reader, &open.response.headers, open.response.status, &open.seen)
    }

    fn instead(&self, bytes: &[u8], status: StatusCode, error: SourceError) -> SourceError {
        let client = &self.run.client;
        match self.run.decoder.failure_instead(bytes) {
            Some(told) => client.error(SourceErrorKind::Unsupported, format!("the server tells a failure: {told}")),
            None if !status.is_success() => client.reporter.status(status, &HeaderMap::new(), bytes, true),
            None => error,
        }
    }

    fn finished(&mut self, reader: PageReader, headers: &HeaderMap, status: StatusCode, bytes: &[u8]) -> Result<(), SourceError> {
        let run = Arc::clone(&self.run);
        let client = &run.client;
        let mut reader = reader;
        let batches: Vec<RecordBatch> = std::iter::from_fn(|| reader.batch()).collect();
        let (rest, end) = match reader.finish() {
            Ok(read) => read,
            Err(error) => return Err(self.instead(bytes, status, error.into_source_error(&client.reporter))),
        };
        if let Some(told) = run.decoder.failure(&end) {
            return Err(client.error(SourceErrorKind::Unsupported, format!("the server tells a failure: {told}")));
        }
        if !status.is_success() {
            return Err(client.reporter.status(status, headers, bytes, true));
        }
        batches.iter().chain(&rest).try_for_each(|batch| self.take(batch))?;
        let said = run.decoder.said(&end);
        let next = self.pager.after(&said, headers).map_err(|broken| run.broken(broken))?;
        if run.resource.postgrest {
            return self.postgrest(end.rows, headers, next);
        }
        let enough = run.most.is_some_and(|most| self.decoded >= most);
        self.next = next.filter(|_| !enough).map_or(Next::End, |next| Next::Step(next, Vec::new()));
        Ok(())
    }

    /// Where a page of PostgREST leads. Its settings may cut any answer, without saying so: only what cannot be cut ends it.
    fn postgrest(&mut self, rows: u64, headers: &HeaderMap, next: Option<Step>) -> Result<(), SourceError> {
        let run = Arc::clone(&self.run);
        let largest = self.largest;
        self.largest = largest.max(rows);
        let enough = [run.most, run.bound].into_iter().flatten().any(|most| self.decoded >= most);
        let short = run.paging.end == PagingEnd::ShortPage && run.paging.size.is_some_and(|size| rows < size);
        if run.paging.by == crate::config::PagingBy::None {
            let wanted =
                total(headers).map(|total| total.saturating_sub(run.offset)).map(|left| run.most.map_or(left, |most| left.min(most)));
            return match wanted {
                Some(wanted) if wanted != rows => Err(run.client.shape(format!(
                    "the server cuts its answer after {rows} of {wanted} rows (its setting db-max-rows), and without a key of '{}' there is no next page",
                    run.resource.name
                ))),
                Some(_) | None => Ok(()),
            };
        }
        if enough || rows == 0 || short || rows < largest {
            return Ok(());
        }
        let Some(keyset) = run.keyset.as_ref().filter(|_| by_keyset(&run.paging)) else {
            self.next = next.map_or(Next::End, |next| Next::Step(next, Vec::new()));
            return Ok(());
        };
        let Some(last) = self.last.take() else { return Ok(()) };
        let mut pairs = Vec::new();
        postgrest::condition_pairs(&postgrest::after(keyset, &last), &run.resource, &mut pairs);
        self.next = Next::Step(self.pager.first(), pairs);
        Ok(())
    }

    /// Takes the rows of a page.
    fn take(&mut self, batch: &RecordBatch) -> Result<(), SourceError> {
        let run = Arc::clone(&self.run);
        let batch = run.decoder.rows(batch, &self.call.asked).map_err(|wrong| run.client.shape(wrong))?;
        self.decoded += batch.num_rows() as u64;
        if let (Some(keyset), Some(row)) = (&run.keyset, batch.num_rows().checked_sub(1)) {
            let value = |column: &portico_provider_api::TableColumn| {
                let array = batch.column_by_name(&column.name)?;
                value_at(array.as_ref(), row, column.scalar_type).ok()
            };
            self.last = keyset.columns.iter().map(value).collect();
        }
        self.ready.push_back(batch);
        Ok(())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
