//! OAuth 2.0 (RFC 6749): tokens are fetched for client credentials or a refresh token, renewed before they expire, and by one caller at a time
//! while the others wait or go on with the one that is still good. It must not know what is asked with them.

use super::secret_value;
use crate::body::Body;
use crate::config::{ClientAuthentication, OAuth2, WebConfig};
use crate::failure::Reporter;
use crate::retry;
use crate::transport::{Incoming, Outgoing, Stage, Transport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use portico_provider_api::{Secret, SourceError, SourceErrorKind};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long one request for a token may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer with a token at most.
const MOST: u64 = 256 << 10;
/// Attempts at a token while its server fails in passing.
const ATTEMPTS: u32 = 3;
/// For so long a refusal is believed, and a renewal that failed is not tried again: accounts are locked by those who insist.
const RESPECT: Duration = Duration::from_secs(5);

/// A token.
pub(crate) struct Token {
    text: String,
    header: HeaderValue,
    /// When it should be renewed, and when it must be.
    times: Option<(Instant, Instant)>,
}

/// Where tokens come from, and the one that is used now.
pub(crate) struct TokenSource {
    url: Url,
    config: OAuth2,
    transport: Arc<dyn Transport>,
    reporter: Reporter,
    /// The token that is used now, and before it the one that it replaced: answers to that one may still be on their way.
    tokens: Mutex<Tokens>,
    /// Held by the one who fetches.
    gate: tokio::sync::Mutex<Gate>,
}

#[derive(Default)]
struct Tokens {
    current: Option<Arc<Token>>,
    replaced: Option<Arc<Token>>,
}

struct Gate {
    refresh_token: Option<Secret>,
    refused: Option<(Instant, SourceError)>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
}

impl Token {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl TokenSource {
    pub(crate) fn new(
        config: &OAuth2,
        source: &WebConfig,
        transport: Arc<dyn Transport>,
        reporter: Reporter,
    ) -> Result<TokenSource, String> {
        let url = Url::parse(&config.token_url).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        let url = url.ok_or("'auth.oauth2.token_url' is no URL: write https://host/path")?;
        if source.url.starts_with("https:") && url.scheme() == "http" {
            return Err("'auth.oauth2.token_url' must begin with https://, as the source's URL does: secrets are sent there".to_owned());
        }
        let gate = Gate { refresh_token: config.refresh_token.clone(), refused: None };
        let (config, gate) = (config.clone(), tokio::sync::Mutex::new(gate));
        Ok(TokenSource { url, config, transport, reporter, tokens: Mutex::default(), gate })
    }

    /// A token that is good now.
    pub(crate) async fn token(&self, deadline: Option<Instant>) -> Result<Arc<Token>, SourceError> {
        let Some(token) = self.current() else { return self.replace(None, deadline).await };
        let now = Instant::now();
        match token.times {
            Some((_, expires)) if now >= expires => self.replace(Some(&token), deadline).await,
            // One renews; for all others it is still good, and for that one too if it cannot be renewed yet.
            Some((renew, _)) if now >= renew => match self.gate.try_lock() {
                Ok(mut gate) => match self.current().filter(|current| !Arc::ptr_eq(current, &token)) {
                    Some(renewed) => Ok(renewed),
                    None => Ok(self.fetch(&mut gate, deadline).await.unwrap_or(token)),
                },
                Err(_) => Ok(token),
            },
            _ => Ok(token),
        }
    }

    /// The source rejected a token: gets another one, unless that has been done already.
    pub(crate) async fn renew(&self, rejected: &Arc<Token>, deadline: Option<Instant>) -> Result<(), SourceError> {
        self.replace(Some(rejected), deadline).await.map(|_| ())
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    /// Tokens that requests which are answered now may have shown.
    pub(crate) fn recent(&self) -> Vec<Arc<Token>> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.current.iter().chain(&tokens.replaced).map(Arc::clone).collect()
    }

    /// Another token than `old`. Many may ask, one fetches.
    async fn replace(&self, old: Option<&Arc<Token>>, deadline: Option<Instant>) -> Result<Arc<Token>, SourceError> {
        let gate = async {
            match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, self.gate.lock()).await.ok(),
                None => Some(self.gate.lock().await),
            }
        };
        let mut gate = gate.await.ok_or_else(|| self.reporter.late(false))?;
        match self.current() {
            Some(current) if !old.is_some_and(|old| Arc::ptr_eq(old, &current)) => Ok(current),
            _ => self.fetch(&mut gate, deadline).await,
        }
    }

    async fn fetch(&self, gate: &mut Gate, deadline: Option<Instant>) -> Result<Arc<Token>, SourceError> {
        if let Some((at, refused)) = &gate.refused
            && at.elapsed() < RESPECT
        {
            return Err(refused.clone());
        }
        let fetched = self.ask(gate.refresh_token.as_ref(), deadline).await;
        let answer = match fetched {
            Ok(answer) => answer,
            Err(error) => {
                let lasting = error.kind == SourceErrorKind::Credentials || self.current().is_some();
                gate.refused = lasting.then(|| (Instant::now(), error.clone()));
                return Err(error);
            }
        };
        if let Some(rotated) = answer.refresh_token
            && gate.refresh_token.is_some()
        {
            gate.refresh_token = Some(Secret::new(rotated));
        }
        gate.refused = None;
        let malformed = |what: &str| self.reporter.error(SourceErrorKind::Malformed, format!("the server of tokens {what}"));
        if answer.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(malformed("gave a token that is not a bearer token"));
        }
        let header = secret_value("", &format!("Bearer {}", answer.access_token));
        let header = header.map_err(|_| malformed("gave a token that no header can hold"))?;
        let life = answer.expires_in.as_ref().and_then(seconds);
        let times = life.map(|life| {
            let before = self.config.renew_before.0.min(life / 5);
            let now = Instant::now();
            (now + (life - before), now + life)
        });
        let token = Arc::new(Token { text: answer.access_token, header, times });
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.replaced = tokens.current.replace(Arc::clone(&token));
        Ok(token)
    }

    /// Asks for a token, again while the server fails in passing. A refresh token may be good for one time only: with it the server is asked
    /// again only if it has not been reached.
    async fn ask(&self, refresh_token: Option<&Secret>, deadline: Option<Instant>) -> Result<Answer, SourceError> {
        let patience = Instant::now() + PATIENCE;
        let deadline = deadline.map_or(patience, |deadline| deadline.min(patience));
        let mut failed = 0;
        loop {
            let (error, again) = match self.ask_once(refresh_token, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            failed += 1;
            let pause = retry::pause(failed);
            if !again || failed >= ATTEMPTS || Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
        }
    }

    async fn ask_once(&self, refresh_token: Option<&Secret>, deadline: Instant) -> Result<Answer, (SourceError, bool)> {
        let mut reporter = self.reporter.clone();
        if let Some(refresh_token) = refresh_token {
            reporter = reporter.hiding(refresh_token.reveal());
        }
        let request = self.request(refresh_token).map_err(|message| (reporter.error(SourceErrorKind::Unsupported, message), false))?;
        let repeatable = refresh_token.is_none();
        let sent = tokio::time::timeout_at(deadline, self.transport.exchange(request)).await;
        let late = |_| (reporter.error(SourceErrorKind::Timeout, "the server of tokens did not answer in time"), false);
        let incoming = sent.map_err(late)?.map_err(|lost| {
            let message = format!("the server of tokens: {}", lost.message);
            let again = !lost.lasting && (repeatable || lost.stage == Stage::NotSent);
            (SourceError { message, ..reporter.lost(&lost, false) }, again)
        })?;
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let bytes = read(incoming, deadline).await.map_err(|broken| (reporter.broken(&broken), false))?;
        if status.is_success() {
            let answer = serde_json::from_slice(&bytes);
            let message = "the server of tokens did not answer with a token: check 'auth.oauth2.token_url'";
            return answer.map_err(|_| (reporter.error(SourceErrorKind::Malformed, message), false));
        }
        let mut error = reporter.status(status, &headers, &bytes, true);
        if matches!(status.as_u16(), 400 | 401 | 403) {
            let said = reporter.said(&headers, &bytes).map(|said| format!(": {said}")).unwrap_or_default();
            let message = format!("the server of tokens rejected the credentials ({}){said}", status.as_u16());
            error = reporter.error(SourceErrorKind::Credentials, message).with_code(status.as_u16().to_string());
        } else {
            error.message = format!("the server of tokens: {}", error.message);
        }
        Err((error, repeatable && retry::is_passing(status)))
    }

    fn request(&self, refresh_token: Option<&Secret>) -> Result<Outgoing, String> {
        let mut form = Url::parse("http://form/").map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        {
            let mut pairs = form.query_pairs_mut();
            match refresh_token {
                Some(token) => pairs.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.reveal()),
                None => pairs.append_pair("grant_type", "client_credentials"),
            };
            if !self.config.scopes.is_empty() {
                pairs.append_pair("scope", &self.config.scopes.join(" "));
            }
            pairs.extend_pairs(&self.config.parameters);
            match (&self.config.client_secret, self.config.client_authentication) {
                (Some(secret), ClientAuthentication::Header) => {
                    // RFC 6749, section 2.3.1: both are encoded as in a form before they are put together.
                    let [id, secret] = [&self.config.client_id, secret.reveal()].map(form_encoded);
                    let value = secret_value("auth.oauth2", &format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))?;
                    headers.insert(AUTHORIZATION, value);
                }
                (Some(secret), ClientAuthentication::Body) => {
                    pairs.append_pair("client_id", &self.config.client_id).append_pair("client_secret", secret.reveal());
                }
                (None, _) => {
                    pairs.append_pair("client_id", &self.config.client_id);
                }
            }
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let body = Bytes::from(form.query().unwrap_or_default().to_owned());
        Ok(Outgoing { method: Method::POST, url: self.url.clone(), headers, body })
    }
}

async fn read(incoming: Incoming, deadline: Instant) -> Result<Bytes, crate::body::Broken> {
    match Body::new(incoming, MOST, PATIENCE, Some(deadline)) {
        Ok(body) => body.whole().await,
        Err(_) => Err(crate::body::Broken::Unpacked),
    }
}

/// `expires_in`: a number, of some servers a text with one. What is longer than a year is as good as for ever.
fn seconds(json: &serde_json::Value) -> Option<Duration> {
    let seconds = json.as_u64().or_else(|| json.as_str()?.trim().parse().ok())?;
    (seconds < 366 * 86_400).then(|| Duration::from_secs(seconds))
}

/// What a form leaves as it is: servers that forget to decode understand at least these.
const FORM: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

fn form_encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, FORM).to_string()
}
