//! Exchanges in a file: recorded from a real source, without what is secret, and replayed where there is none. For tests. It must not know what is
//! asked.

use crate::body::{Body, Broken};
use crate::failure::Reporter;
use crate::transport::{Incoming, Lost, Outgoing, Stage, Transport};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Headers that are recorded; no other is.
const KEPT: &[&str] = &[
    "accept",
    "allow",
    "content-type",
    "etag",
    "if-match",
    "if-none-match",
    "last-modified",
    "link",
    "location",
    "odata-maxversion",
    "odata-version",
    "prefer",
    "preference-applied",
    "retry-after",
];
/// Headers that are recorded as being there: their values are secret.
const VEILED: &[&str] = &["x-csrf-token"];
/// Members of a token's answer that are secret.
const TOKENS: &[&str] = &["access_token", "refresh_token", "id_token"];
/// What stands for the source's own address, and for what is secret.
const SOURCE: &str = "{source}";
const VEIL: &str = "…";
/// A recorded body at most.
const MOST: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `GET {source}/path?query`.
    pub request: String,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<(String, String)>,
    /// Body of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Recorded>,
    /// Status of the answer.
    pub status: u16,
    /// Headers of the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Body of the answer, unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Recorded>,
}

/// A body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// Text, line by line.
    Lines(Vec<String>),
    /// Bytes that are no text.
    Base64(String),
}

/// What is taken out of a recording, and put back in.
#[derive(Clone)]
struct Veil {
    source: String,
    secrets: Vec<String>,
}

impl Veil {
    fn new(source: &Url, secrets: &[&str]) -> Veil {
        let mut secrets: Vec<String> = secrets.iter().filter(|secret| !secret.is_empty()).map(|secret| (*secret).to_owned()).collect();
        let encoded = |secret: &String| percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
        secrets.extend(secrets.iter().map(encoded).collect::<Vec<_>>());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Veil { source: source.origin().ascii_serialization(), secrets }
    }

    fn over(&self, text: &str) -> String {
        let text = self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), VEIL));
        text.replace(&self.source, SOURCE)
    }

    fn off(&self, text: &str) -> String {
        text.replace(SOURCE, &self.source)
    }

    fn request(&self, request: &Outgoing) -> String {
        // A key in the query may be encoded in another way than it is looked for.
        let is_secret = |pair: &&str| {
            let value = pair.split_once('=').map_or("", |(_, value)| value).replace('+', " ");
            let value = percent_encoding::percent_decode_str(&value).decode_utf8_lossy();
            self.secrets.iter().any(|secret| *secret == *value)
        };
        let mut url = request.url.clone();
        if let Some(query) = request.url.query() {
            let veiled = |pair: &str| pair.split_once('=').map_or(VEIL.to_owned(), |(name, _)| format!("{name}={VEIL}"));
            let pairs = query.split('&').map(|pair| if is_secret(&pair) { veiled(pair) } else { pair.to_owned() });
            url.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
        }
        let url = url.as_str().replace("%E2%80%A6", VEIL);
        format!("{} {}", request.method, self.over(&url))
    }

    fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let kept = |(name, value): (&HeaderName, &HeaderValue)| {
            if VEILED.contains(&name.as_str()) {
                return Some((name.to_string(), VEIL.to_owned()));
            }
            let text = KEPT.contains(&name.as_str()).then(|| value.to_str().ok())??;
            Some((name.to_string(), self.over(text)))
        };
        headers.iter().filter_map(kept).collect()
    }

    fn body(&self, headers: &HeaderMap, bytes: &Bytes) -> Option<Recorded> {
        if bytes.is_empty() {
            return None;
        }
        let form = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let Ok(text) = std::str::from_utf8(bytes) else { return Some(Recorded::Base64(STANDARD.encode(bytes))) };
        // Forms are how tokens are asked for.
        let text = if form { VEIL.to_owned() } else { without_tokens(text) };
        Some(Recorded::Lines(self.over(&text).split('\n').map(str::to_owned).collect()))
    }
}

/// An answer with a token, without it.
fn without_tokens(text: &str) -> String {
    let Ok(serde_json::Value::Object(mut members)) = serde_json::from_str(text) else { return text.to_owned() };
    let mut found = false;
    for name in TOKENS {
        if let Some(member) = members.get_mut(*name).filter(|member| member.is_string()) {
            *member = "recorded".into();
            found = true;
        }
    }
    // Anything else stays as it is written: numbers would lose digits.
    if found { serde_json::Value::Object(members).to_string() } else { text.to_owned() }
}

impl Recorded {
    fn bytes(&self, veil: &Veil) -> Result<Vec<u8>, Lost> {
        match self {
            Recorded::Lines(lines) => Ok(veil.off(&lines.join("\n")).into_bytes()),
            Recorded::Base64(text) => STANDARD.decode(text).map_err(|_| lost("a recorded body is not base64".to_owned())),
        }
    }
}

fn lost(message: String) -> Lost {
    Lost { stage: Stage::NotSent, message, lasting: true }
}

/// A transport that notes every exchange.
pub struct Recorder {
    inner: Arc<dyn Transport>,
    veil: Veil,
    exchanges: Mutex<Vec<Exchange>>,
}

impl Recorder {
    /// Notes the exchanges of another transport with `source`, without `secrets`: everything that the settings hold.
    pub fn new(inner: Arc<dyn Transport>, source: &Url, secrets: &[&str]) -> Recorder {
        Recorder { inner, veil: Veil::new(source, secrets), exchanges: Mutex::default() }
    }

    /// What was noted so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what was noted so far into a file, as JSON that a person can read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(&self.exchanges()).map_err(std::io::Error::other)?;
        std::fs::write(path, text + "\n")
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn exchange(&self, mut request: Outgoing) -> Result<Incoming, Lost> {
        // What is packed could not be read by a person.
        request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let asked = request.clone();
        let incoming = self.inner.exchange(request).await?;
        let (status, mut headers) = (incoming.status, incoming.headers.clone());
        let body = Body::new(incoming, MOST, PATIENCE, None).map_err(lost)?;
        let bytes = body.whole().await.map_err(|broken| match broken {
            Broken::Lost(lost) => lost,
            other => lost(Reporter::new("", []).broken(&other).message),
        })?;
        // Some servers pack without being asked to.
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange {
            request: self.veil.request(&asked),
            request_headers: self.veil.headers(&asked.headers),
            request_body: self.veil.body(&asked.headers, &asked.body),
            status: status.as_u16(),
            headers: self.veil.headers(&headers),
            body: self.veil.body(&headers, &bytes),
        });
        Ok(Incoming { status, headers, body: futures::stream::iter([Ok(bytes)]).boxed() })
    }
}

/// A transport that answers from a recording: each exchange once, the first that fits.
pub struct Replayer {
    veil: Veil,
    left: Mutex<Vec<Exchange>>,
}

impl Replayer {
    /// From these exchanges with `source`; `secrets` are those of the settings that it is replayed with.
    pub fn new(exchanges: Vec<Exchange>, source: &Url, secrets: &[&str]) -> Replayer {
        Replayer { veil: Veil::new(source, secrets), left: Mutex::new(exchanges) }
    }

    /// From a file that [`Recorder::save`] has written.
    ///
    /// # Errors
    /// When the file cannot be read, or is no recording.
    pub fn load(path: &Path, source: &Url, secrets: &[&str]) -> std::io::Result<Replayer> {
        let exchanges = serde_json::from_slice(&std::fs::read(path)?).map_err(std::io::Error::other)?;
        Ok(Replayer::new(exchanges, source, secrets))
    }

    /// What was not asked for.
    pub fn left(&self) -> Vec<Exchange> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, request: &str, body: Option<&Recorded>) -> Option<Exchange> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let at = left.iter().position(|exchange| exchange.request == request && exchange.request_body.as_ref() == body)?;
        Some(left.remove(at))
    }
}

#[async_trait]
impl Transport for Replayer {
    async fn exchange(&self, request: Outgoing) -> Result<Incoming, Lost> {
        let asked = self.veil.request(&request);
        let body = self.veil.body(&request.headers, &request.body);
        let exchange = self.take(&asked, body.as_ref()).ok_or_else(|| lost(format!("the recording has no answer to {asked}")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &exchange.headers {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(&self.veil.off(value).replace(VEIL, "recorded")))
            {
                headers.append(name, value);
            }
        }
        let bytes = exchange.body.as_ref().map(|body| body.bytes(&self.veil)).transpose()?.unwrap_or_default();
        let status = StatusCode::from_u16(exchange.status).map_err(|_| lost("a recorded status is none".to_owned()))?;
        // An answer to HEAD has no body, whatever it announces.
        let bytes = if request.method == Method::HEAD { Vec::new() } else { bytes };
        Ok(Incoming { status, headers, body: futures::stream::iter([Ok(Bytes::from(bytes))]).boxed() })
    }
}
