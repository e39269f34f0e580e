//! One exchange with a server: a request goes out, an answer comes in. The seam at which exchanges are recorded and replayed. It must not know
//! credentials, retries or what an answer means.

use crate::config::HttpConfig;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Proxy, StatusCode, Url};
use rustls::ClientConfig;
use std::error::Error as _;
use thiserror::Error;

/// A request as it is sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// URL, with all that is secret in it.
    pub url: Url,
    /// Headers, with all that is secret in them.
    pub headers: HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
}

/// An answer as it comes in: packed, where the server packed it.
pub struct Incoming {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as it comes.
    pub body: BoxStream<'static, Result<Bytes, Lost>>,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("status", &self.status).finish_non_exhaustive()
    }
}

/// How far an exchange had come when it was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was sent: the server has not been asked.
    NotSent,
    /// It was sent, at least in part, and nothing came back: what the server did is not known.
    Unanswered,
    /// The answer has begun and has no end.
    InBody,
}

/// An exchange that was lost. The message holds no URL and nothing of the request.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct Lost {
    /// How far it had come.
    pub stage: Stage,
    /// Why, for a person.
    pub message: String,
    /// Whether the same would happen again: a certificate does not become trusted by waiting.
    pub lasting: bool,
}

/// Whoever exchanges requests for answers. Redirects are not followed, and nothing is unpacked.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a request; returns when the head of the answer is there.
    ///
    /// # Errors
    /// When no answer comes.
    async fn exchange(&self, request: Outgoing) -> Result<Incoming, Lost>;
}

/// The network. Connections are kept and used again.
#[derive(Debug, Clone)]
pub struct Network(Client);

impl Network {
    /// With connections made by these settings; `connections` of them are kept at most while nobody asks.
    ///
    /// # Errors
    /// When the proxy's URL cannot be used.
    pub fn new(config: &HttpConfig, tls: ClientConfig, connections: usize) -> Result<Network, String> {
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(config.connect_timeout.0)
            .pool_max_idle_per_host(connections)
            .http1_only()
            .user_agent(concat!("portico/", env!("CARGO_PKG_VERSION")));
        // What the environment says of proxies is for people's programs; a gateway is configured.
        let builder = match &config.proxy {
            Some(url) => builder.proxy(Proxy::all(url).map_err(|_| "'http.proxy' is no URL: write http://host:port".to_owned())?),
            None => builder.no_proxy(),
        };
        builder.build().map(Network).map_err(|_| "the HTTP client cannot be set up".to_owned())
    }
}

#[async_trait]
impl Transport for Network {
    async fn exchange(&self, request: Outgoing) -> Result<Incoming, Lost> {
        let mut sent = reqwest::Request::new(request.method, request.url);
        *sent.headers_mut() = request.headers;
        if !request.body.is_empty() {
            *sent.body_mut() = Some(request.body.into());
        }
        let answer = self.0.execute(sent).await.map_err(|error| {
            let stage = if error.is_connect() || error.is_builder() { Stage::NotSent } else { Stage::Unanswered };
            lost(stage, &error)
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes_stream().map(|part| part.map_err(|error| lost(Stage::InBody, &error)));
        Ok(Incoming { status, headers, body: body.boxed() })
    }
}

/// Why, from the chain of reasons: its own texts would show the URL. What the system and the TLS library say knows nothing of the request.
fn lost(stage: Stage, error: &reqwest::Error) -> Lost {
    let reasons = || std::iter::successors(error.source(), |error| (*error).source());
    let certificate = reasons().filter_map(tls_reason).last();
    if let Some(certificate) = certificate {
        return Lost { stage, message: certificate, lasting: true };
    }
    let system = reasons().filter_map(|error| error.downcast_ref::<std::io::Error>()).last().map(ToString::to_string);
    let message = match stage {
        _ if error.is_timeout() => "the server cannot be reached: no connection was made in time".to_owned(),
        Stage::NotSent if error.is_dns() => "the server cannot be reached: its name has no address".to_owned(),
        Stage::NotSent => format!("the server cannot be reached: {}", system.unwrap_or_else(|| "no connection can be made".to_owned())),
        Stage::Unanswered => format!("the connection was lost before the server answered{}", in_brackets(system)),
        Stage::InBody => format!("the answer ended before it was complete{}", in_brackets(system)),
    };
    Lost { stage, message, lasting: false }
}

/// What TLS says against the server, or the server against us.
fn tls_reason(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    // It travels inside of errors of the system's, which do not name it as their source.
    let mut error = error;
    while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()) {
        error = inner;
    }
    match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(reason) => {
            Some(format!("the server's certificate is not trusted ({reason}): name its authority in 'tls.ca'"))
        }
        rustls::Error::AlertReceived(alert) => Some(format!(
            "the server refused the encrypted connection ({alert:?}): it may want a certificate, see 'tls.certificate' and 'tls.key'"
        )),
        other => Some(format!("the server cannot be reached with encryption ({other})")),
    }
}

fn in_brackets(reason: Option<String>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}
