//! The only IO of this kind: the metadata document, pages of entities one after the other, numbers of them. It must not know the IR.

use crate::batch::{self, Part};
use crate::decode::Shape;
use crate::metadata::Protocol;
use crate::translate::{Rows, client_page};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use portico_provider_api::stream::BatchStream;
use portico_provider_api::{QueryContext, QueryReport, ReportHandle, SourceError, SourceErrorKind};
use portico_provider_web::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use portico_provider_web::json::{JsonError, PageEnd, PageReader};
use portico_provider_web::{Address, Base, Expects, Method, Pages, Reporter, Request, Response, StatusCode, Url, WebClient};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot};

/// Batches that are read ahead of the reader.
const AHEAD: usize = 2;
/// Pages without a row, one after the other, at most.
const MOST_EMPTY: u64 = 100;
/// Reads of one batch at most.
const MOST_IN_BATCH: usize = 50;
/// Pages of one answer at most, unless the configuration says otherwise.
const MOST_PAGES: u64 = 1_000_000;

/// What every request says besides what it asks.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// What the service speaks.
    pub protocol: Protocol,
    /// Rows of a page that the service is asked to keep to.
    pub page_size: Option<u64>,
    /// Pages of one answer at most.
    pub most_pages: Option<u64>,
    /// Bytes of a URL at most, where longer ones go in a `$batch`.
    pub batches: Option<usize>,
    /// Whether several reads go as one `$batch`.
    pub together: bool,
}

/// The metadata document.
pub struct Document {
    /// Its text.
    pub bytes: Bytes,
    /// Its version, where the service says one.
    pub etag: Option<String>,
}

/// Fetches the metadata document.
///
/// # Errors
/// What the service says, or that it is larger than allowed.
pub async fn metadata(web: &WebClient, most: u64, context: &QueryContext) -> Result<Document, SourceError> {
    let mut response = web.send(&metadata_request(web)?, context).await?;
    let etag = etag(&response);
    let mut bytes = Vec::new();
    while let Some(part) = response.next().await? {
        if (bytes.len() + part.len()) as u64 > most {
            let message = format!("$metadata is larger than {most} bytes ('max_metadata')");
            return Err(web.reporter().error(SourceErrorKind::Malformed, message));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Document { bytes: bytes.into(), etag })
}

/// The version of the metadata document, without reading it; `None` where the service has none.
///
/// # Errors
/// When the service does not answer.
pub async fn metadata_version(web: &WebClient, known: Option<&str>, context: &QueryContext) -> Result<Option<String>, SourceError> {
    let mut request = metadata_request(web)?.accepting(StatusCode::NOT_MODIFIED);
    if let Some(value) = known.and_then(|known| HeaderValue::from_str(known).ok()) {
        request = request.header(IF_NONE_MATCH, value);
    }
    let response = web.send(&request, context).await?;
    if response.status == StatusCode::NOT_MODIFIED {
        return Ok(known.map(str::to_owned));
    }
    // The body is not wanted: dropping it ends the exchange.
    Ok(etag(&response))
}

fn metadata_request(web: &WebClient) -> Result<Request, SourceError> {
    let address =
        web.address().segment("$metadata").map_err(|error| web.reporter().error(SourceErrorKind::Unsupported, error.to_string()))?;
    Ok(Request::get(address).expecting(Expects::Xml))
}

fn etag(response: &Response) -> Option<String> {
    response.headers.get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A request of the protocol that the service speaks.
pub fn spoken(request: Request, manner: Manner) -> Request {
    let name = HeaderName::from_static;
    let value = HeaderValue::from_static;
    match manner.protocol {
        Protocol::V4 => {
            let accept = value("application/json;odata.metadata=minimal;IEEE754Compatible=true");
            let request = request.header(ACCEPT, accept).header(name("odata-version"), value("4.0"));
            request.header(name("odata-maxversion"), value("4.0"))
        }
        Protocol::V2 => {
            let request = request.header(ACCEPT, value("application/json")).header(name("maxdataserviceversion"), value("2.0"));
            request.header(name("dataserviceversion"), value("2.0")).header(name("x-requested-with"), value("XMLHttpRequest"))
        }
    }
}

/// The request for a page.
fn page_request(address: Address, manner: Manner) -> Request {
    let request = spoken(Request::get(address), manner);
    let preferred = manner.page_size.filter(|_| manner.protocol == Protocol::V4);
    match preferred.and_then(|size| HeaderValue::from_str(&format!("odata.maxpagesize={size}")).ok()) {
        Some(preferred) => request.header(HeaderName::from_static("prefer"), preferred),
        None => request,
    }
}

/// How many entities there are: the sum of what each address answers.
///
/// # Errors
/// When an answer is no number.
pub async fn count(web: &WebClient, addresses: &[Address], manner: Manner, context: &QueryContext) -> Result<i64, SourceError> {
    let mut sum: i64 = 0;
    for address in addresses {
        let bytes = if manner.batches.is_some_and(|most| address.url().as_str().len() > most) {
            let part = batch_of(web, std::slice::from_ref(address), manner, context).await?.pop();
            part.map(|part| Bytes::from(part.body)).unwrap_or_default()
        } else {
            let request = spoken(Request::get(address.clone()), manner).header(ACCEPT, HeaderValue::from_static("text/plain, */*"));
            web.fetch(&request.expecting(Expects::Anything), context).await?.bytes
        };
        let text = std::str::from_utf8(&bytes).ok().map(|text| text.trim_start_matches('\u{feff}').trim());
        let number = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.and_then(|text| text.parse::<i64>().ok()).and_then(|number| sum.checked_add(number));
        let wrong = || web.reporter().error(SourceErrorKind::Malformed, "the answer to /$count is no number");
        sum = number.ok_or_else(wrong)?;
    }
    Ok(sum)
}

/// Several reads as one `$batch`: their answers, one for each.
async fn batch_of(web: &WebClient, wanted: &[Address], manner: Manner, context: &QueryContext) -> Result<Vec<Part>, SourceError> {
    let reporter = web.reporter_of(context);
    let malformed = |message: String| reporter.error(SourceErrorKind::Malformed, message);
    let address = web.address().segment("$batch").map_err(|error| malformed(error.to_string()))?;
    let unique = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let (text, media_type) = batch::reads(wanted, web.address().url(), manner.protocol, &unique);
    let media_type = HeaderValue::from_str(&media_type).map_err(|error| malformed(error.to_string()))?;
    let request = spoken(Request::new(Method::POST, address), manner).body("multipart/mixed", text);
    let request = request.header(CONTENT_TYPE, media_type).header(ACCEPT, HeaderValue::from_static("multipart/mixed"));
    // Nothing in it changes anything.
    let page = web.fetch(&request.expecting(Expects::Anything).reading(), context).await?;
    let media_type = page.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = std::str::from_utf8(&page.bytes).map_err(|_| malformed("the answer to $batch is no text".to_owned()))?;
    let parts = batch::parts(media_type, text).map_err(malformed)?;
    if let Some(failed) = parts.iter().find(|part| part.status >= 300) {
        let status = StatusCode::from_u16(failed.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err(reporter.status(status, &HeaderMap::new(), failed.body.as_bytes(), true));
    }
    if parts.len() != wanted.len() {
        return Err(malformed(format!("the answer to $batch has {} parts, and {} were asked for", parts.len(), wanted.len())));
    }
    Ok(parts)
}

/// What an answer must be.
#[derive(Clone)]
pub struct Promise {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// How its values are written.
    pub shape: Arc<Shape>,
    /// Where the report goes.
    pub report: ReportHandle,
    /// Whether sums are computed: what fails then is what they add up to.
    pub sums: bool,
}

/// One read on its way.
struct Read {
    web: Arc<WebClient>,
    /// Reads links: within a batch they may be longer.
    base: Arc<Base>,
    manner: Manner,
    promise: Promise,
    context: QueryContext,
    sender: mpsc::Sender<Result<RecordBatch, SourceError>>,
    totals: QueryReport,
    /// Rows that are still wanted of what is read, where there is a limit.
    left: Option<u64>,
}

/// Starts to read and waits for the head of the first answer, so that most failures are not those of a stream. The next page is asked for
/// while the last one is worked on.
///
/// # Errors
/// What the service says to the first request.
pub async fn rows(
    web: Arc<WebClient>,
    base: Arc<Base>,
    wanted: Vec<Rows>,
    manner: Manner,
    promise: Promise,
    context: &QueryContext,
) -> Result<BatchStream, SourceError> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let totals = QueryReport { as_of: SystemTime::now(), requests: 0, rows: 0, bytes: 0, complete: true };
    let mut read = Read { web, base, manner, promise, context: context.clone(), sender, totals, left: None };
    let batched = manner.together && wanted.len() > 1 && wanted.iter().all(|rows| rows.client.is_none());
    let first = match wanted.first() {
        _ if batched => None,
        Some(rows) => match read.first_address(rows)? {
            Some(address) => Some(read.ask(address).await?),
            None => None,
        },
        None => None,
    };
    let report = read.promise.report.clone();
    let (ended, end) = oneshot::channel();
    let task = tokio::spawn(async move {
        let done = if batched { read.batched(&wanted).await } else { read.all(wanted, first).await };
        match done {
            // Nobody listens any more when one of these fails.
            Err(error) => drop(read.sender.send(Err(error)).await),
            Ok(()) => drop(ended.send(read.totals)),
        }
    });
    let state = (receiver, end, report, Abort(task));
    let stream = futures::stream::unfold(state, |(mut receiver, mut end, report, guard)| async move {
        if let Some(next) = receiver.recv().await {
            return Some((next, (receiver, end, report, guard)));
        }
        // The rows have all been handed over; only now they are counted for the reader.
        if let Ok(totals) = end.try_recv() {
            report.set(totals);
        }
        None
    });
    Ok(Box::pin(stream))
}

/// Ends the read at the service when the stream is dropped.
struct Abort(tokio::task::JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why no more is read of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// The reader of the stream has gone.
    Gone,
    /// All rows that were wanted have come, and the service has more.
    Enough,
}

/// A page: an answer as it comes, or a part of one to `$batch` and where it would have come from.
enum First {
    Response(Box<Response>),
    Part(Bytes, Url),
}

impl Read {
    fn reporter(&self) -> Reporter {
        self.web.reporter_of(&self.context)
    }

    fn malformed(&self, message: impl std::fmt::Display) -> SourceError {
        self.reporter().error(SourceErrorKind::Malformed, message.to_string())
    }

    fn first_address(&self, rows: &Rows) -> Result<Option<Address>, SourceError> {
        match rows.client {
            None => Ok(Some(rows.address.clone())),
            Some(pages) => client_page(rows, pages, 0).map_err(|error| self.malformed(error)),
        }
    }

    async fn ask(&mut self, address: Address) -> Result<First, SourceError> {
        if self.manner.batches.is_some_and(|most| address.url().as_str().len() > most) {
            let url = address.url().clone();
            let part = self.batch(&[address]).await?.pop().ok_or_else(|| self.malformed("the answer to $batch has no parts"))?;
            return Ok(First::Part(part.body.into(), url));
        }
        self.totals.requests += 1;
        let answer = self.web.send(&page_request(address, self.manner), &self.context).await;
        let answer = answer.map(|response| First::Response(Box::new(response)));
        answer.map_err(|error| match error.native_code() {
            // The form of the request is one that the service takes.
            Some("400") if self.promise.sums => SourceError { kind: SourceErrorKind::Data, ..error },
            _ => error,
        })
    }

    /// A page that cannot be read; or a sum that does not fit.
    fn unread(&self, error: JsonError) -> SourceError {
        let too_large = self.promise.sums && error.message.contains("does not fit");
        let error = crate::moments::advised(error).into_source_error(&self.reporter());
        if too_large { SourceError { kind: SourceErrorKind::Data, ..error } } else { error }
    }

    async fn all(&mut self, wanted: Vec<Rows>, first: Option<First>) -> Result<(), SourceError> {
        let mut first = first;
        for rows in &wanted {
            let response = match first.take() {
                Some(response) => Some(response),
                None => match self.first_address(rows)? {
                    Some(address) => Some(self.ask(address).await?),
                    None => None,
                },
            };
            if let Some(response) = response
                && self.pages(rows, response).await?.is_err()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Several reads as one `$batch`; further pages of each by their links.
    async fn batched(&mut self, wanted: &[Rows]) -> Result<(), SourceError> {
        for some in wanted.chunks(MOST_IN_BATCH) {
            let addresses: Vec<Address> = some.iter().map(|rows| rows.address.clone()).collect();
            let parts = self.batch(&addresses).await?;
            for (rows, part) in some.iter().zip(parts) {
                let first = First::Part(part.body.into(), rows.address.url().clone());
                if self.pages(rows, first).await?.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn batch(&mut self, wanted: &[Address]) -> Result<Vec<Part>, SourceError> {
        self.totals.requests += 1;
        batch_of(&self.web, wanted, self.manner, &self.context).await
    }

    /// Reads page after page to the end.
    async fn pages(&mut self, rows: &Rows, first: First) -> Result<Result<(), Stopped>, SourceError> {
        let mut pages = Pages::new(self.manner.most_pages.unwrap_or(MOST_PAGES), MOST_EMPTY);
        let (mut answer, mut read) = (first, 0_u64);
        self.left = rows.limit;
        loop {
            let url = match &answer {
                First::Response(response) => response.url.clone(),
                First::Part(_, url) => url.clone(),
            };
            let end = match self.page(answer).await? {
                Ok(end) => end,
                Err(Stopped::Enough) => return Ok(Ok(())),
                Err(Stopped::Gone) => return Ok(Err(Stopped::Gone)),
            };
            read += end.rows;
            let next = end.others.iter().flatten().next();
            let done = rows.limit.is_some_and(|limit| read >= limit);
            let address = match next {
                _ if done => None,
                Some(next) => {
                    let link = next.text().ok_or_else(|| self.malformed("the link to the next page is no text"))?;
                    pages.follow(end.rows, link).map_err(|error| self.malformed(error))?;
                    Some(self.base.link(&url, link).map_err(|error| self.malformed(format_args!("a link is not followed: {error}")))?)
                }
                None => match rows.client {
                    // Only a page without rows is the end: a service may give fewer than it was asked for.
                    Some(client) if end.rows > 0 => client_page(rows, client, read).map_err(|error| self.malformed(error))?,
                    Some(_) | None => None,
                },
            };
            match address {
                Some(address) => answer = self.ask(address).await?,
                None => return Ok(Ok(())),
            }
        }
    }

    /// Reads one page.
    async fn page(&mut self, answer: First) -> Result<Result<PageEnd, Stopped>, SourceError> {
        let shape = Arc::clone(&self.promise.shape);
        let mut reader = PageReader::new(&shape.page);
        let (mut response, mut whole) = match answer {
            First::Response(response) => (Some(response), None),
            First::Part(whole, _) => (None, Some(whole)),
        };
        loop {
            let part = match &mut response {
                Some(response) => response.next().await?,
                None => whole.take(),
            };
            let Some(part) = part else { break };
            reader.push(&part).map_err(|error| self.unread(error))?;
            while let Some(batch) = reader.batch() {
                if let Err(stopped) = self.hand_over(&batch).await? {
                    return Ok(Err(stopped));
                }
            }
        }
        let (batches, end) = reader.finish().map_err(|error| self.unread(error))?;
        for batch in batches {
            if let Err(stopped) = self.hand_over(&batch).await? {
                return Ok(Err(stopped));
            }
        }
        Ok(Ok(end))
    }

    /// Hands a batch to the reader. An answer beyond a cap is an error: cut off, it would look complete.
    async fn hand_over(&mut self, batch: &RecordBatch) -> Result<Result<(), Stopped>, SourceError> {
        if batch.num_rows() == 0 {
            return Ok(Ok(()));
        }
        // Some services count `$top` anew in every page: the first rows are those that were meant.
        let batch = match self.left {
            Some(0) => return Ok(Err(Stopped::Enough)),
            Some(left) => &batch.slice(0, batch.num_rows().min(usize::try_from(left).unwrap_or(usize::MAX))),
            None => batch,
        };
        self.left = self.left.map(|left| left.saturating_sub(batch.num_rows() as u64));
        let batch = self.promise.shape.promised(batch, &self.promise.schema).map_err(|message| self.malformed(message))?;
        if batch.num_rows() == 0 {
            return Ok(Ok(()));
        }
        self.totals.rows += batch.num_rows() as u64;
        self.totals.bytes += batch.get_array_memory_size() as u64;
        let limits = self.context.request.limits;
        for (came, most, what) in [(self.totals.rows, limits.max_rows, "rows"), (self.totals.bytes, limits.max_bytes, "bytes")] {
            if most > 0 && came > most {
                let message = format!("the answer has more than the allowed {most} {what}");
                return Err(self.reporter().error(SourceErrorKind::Unsupported, message));
            }
        }
        Ok(self.sender.send(Ok(batch)).await.map_err(|_| Stopped::Gone))
    }
}
