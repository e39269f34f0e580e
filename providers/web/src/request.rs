//! What is asked, and what comes back: requests as kinds write them, and answers as kinds read them. It must not know how they travel.

use crate::address::Address;
use crate::body::Body;
use crate::budget::Turn;
use crate::failure::Reporter;
use crate::retry;
use bytes::Bytes;
use futures::Stream;
use portico_provider_api::{NativeRequest, SourceError};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

/// What an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// JSON, by its media type. An answer that does not say what it is counts as such.
    Json,
    /// XML, by its media type. An answer that does not say what it is counts as such.
    Xml,
    /// Anything.
    Anything,
}

/// A request, without what says who asks.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) repeatable: bool,
    /// Whether it changes nothing.
    pub(crate) reads: bool,
    pub(crate) expects: Expects,
    pub(crate) accepted: Vec<StatusCode>,
    pub(crate) explain: Option<Explain>,
}

/// Reads what a server says of a failure, where a kind knows more of its form than is usual.
pub type Explain = fn(&[u8]) -> Option<Explained>;

/// What a server says of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explained {
    /// The message, for a person.
    pub message: String,
    /// The columns that it is about, by their remote names.
    pub columns: Vec<String>,
}

impl Request {
    /// A request without a body, of which JSON is expected. Reads may be repeated.
    pub fn new(method: Method, address: Address) -> Request {
        let reads = retry::is_read(&method);
        let expects = Expects::Json;
        Request {
            method,
            address,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            repeatable: reads,
            reads,
            expects,
            accepted: Vec::new(),
            explain: None,
        }
    }

    /// A read.
    pub fn get(address: Address) -> Request {
        Request::new(Method::GET, address)
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, body: impl Into<Bytes>) -> Request {
        self.body("application/json", body)
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Request {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = body.into();
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Request {
        self.headers.insert(name, value);
        self
    }

    /// It may be repeated although its method does not say so: asking twice is asking once.
    #[must_use]
    pub fn repeatable(mut self) -> Request {
        self.repeatable = true;
        self
    }

    /// It changes nothing although its method does not say so, as a search whose conditions stand in its body: it may be repeated, and when it fails nothing was
    /// changed.
    #[must_use]
    pub fn reading(mut self) -> Request {
        self.repeatable = true;
        self.reads = true;
        self
    }

    /// What the answer must be.
    #[must_use]
    pub fn expecting(mut self, expects: Expects) -> Request {
        self.expects = expects;
        self
    }

    /// A status that is an answer and no failure, such as 404 where one row is asked for.
    #[must_use]
    pub fn accepting(mut self, status: StatusCode) -> Request {
        self.accepted.push(status);
        self
    }

    /// How the body of a failure is read, where it says more than a message.
    #[must_use]
    pub fn explained_by(mut self, explain: Explain) -> Request {
        self.explain = Some(explain);
        self
    }

    /// How it is shown: in EXPLAIN, tests and logs.
    pub fn native(&self) -> NativeRequest {
        let (shown, parameters) = self.address.shown();
        NativeRequest { language: "http".to_owned(), text: format!("{} {shown}", self.method), parameters }
    }
}

/// An answer whose body is read as it comes.
pub struct Response {
    /// Status: of success, or one that was accepted.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Where it came from in the end, without a key that was added. It is for links that are relative to it, not for messages.
    pub url: Url,
    pub(crate) body: Body,
    pub(crate) reporter: Reporter,
    /// The source has this request under way until the body is read or dropped.
    pub(crate) turn: Option<Turn>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("body", &self.body).finish_non_exhaustive()
    }
}

impl Response {
    /// The next part of the body; `None` at the end.
    ///
    /// # Errors
    /// When the body cannot be read further: lost, too large, or nothing comes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        let part = self.body.next().await;
        if !matches!(part, Ok(Some(_))) {
            self.turn = None;
        }
        part.map_err(|broken| self.reporter.broken(&broken))
    }

    /// The body as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, SourceError>> + Send {
        futures::stream::unfold(Some(self), |response| async move {
            let mut response = response?;
            match response.next().await {
                Ok(Some(part)) => Some((Ok(part), Some(response))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// An answer that was read as a whole.
#[derive(Debug, Clone)]
pub struct Page {
    /// Status: of success, or one that was accepted.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Where it came from in the end, without a key that was added. It is for links that are relative to it, not for messages.
    pub url: Url,
    /// The body, unpacked.
    pub bytes: Bytes,
}

/// What is wrong with the media type of an answer, if something is.
pub(crate) fn unexpected(expects: Expects, status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let said = headers.get(CONTENT_TYPE)?.to_str().unwrap_or("?");
    let media_type = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = media_type.split_once('/').map_or("", |(_, subtype)| subtype);
    let (fits, wanted) = match expects {
        Expects::Json => (subtype == "json" || subtype.ends_with("+json"), "JSON"),
        Expects::Xml => (subtype == "xml" || subtype.ends_with("+xml"), "XML"),
        Expects::Anything => (true, ""),
    };
    if fits || status == StatusCode::NO_CONTENT || media_type.is_empty() {
        return None;
    }
    if matches!(media_type.as_str(), "text/html" | "application/xhtml+xml") {
        return Some(format!("answered with a web page ({media_type}) where {wanted} was expected; check the URL and the credentials"));
    }
    Some(format!("answered with {media_type} where {wanted} was expected"))
}
