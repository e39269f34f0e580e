//! The client of one source: requests go out with what says who asks, at the source's pace, again where that is safe and can help, and come back as
//! answers or as errors of the contract. It must not know what a kind asks, nor what an answer holds.

mod csrf;

use crate::address::{Address, Base};
use crate::auth::{Credentials, Session, Sessions, Shown, secret_value};
use crate::body::{ACCEPTED, Body};
use crate::budget::{Budget, Pace, Turn};
use crate::config::{HttpConfig, WebConfig};
use crate::failure::Reporter;
use crate::request::{Expects, Page, Request, Response, unexpected};
use crate::retry;
use crate::tls;
use crate::transport::{Incoming, Network, Outgoing, Stage, Transport};
use bytes::Bytes;
use csrf::{CSRF, forget_csrf};
use portico_provider_api::{ConnectContext, NativeRequest, QueryContext, Retry, SourceError, SourceErrorKind};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep_until};

/// Headers of a request that go to other hosts, too: how the answer is to be made.
const ABROAD: [&str; 10] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-type",
    "range",
    "prefer",
    "odata-version",
    "odata-maxversion",
    "dataserviceversion",
    "maxdataserviceversion",
];
/// Bytes of a failure's body that are looked at, and for how long they are waited for.
const FAILURE: u64 = 64 << 10;
const FAILURE_PATIENCE: Duration = Duration::from_secs(3);
/// For so long at most nothing is asked because the source said so: after that it is asked whether it still means it.
const LONGEST_QUIET: Duration = Duration::from_secs(60);

/// The client of one source.
pub struct WebClient {
    base: Base,
    transport: Arc<dyn Transport>,
    pace: Arc<dyn Pace>,
    credentials: Credentials,
    headers: HeaderMap,
    csrf: Option<Address>,
    sessions: Option<Sessions>,
    http: HttpConfig,
    timeout: Duration,
    reporter: Reporter,
    /// Until when the source wants to be left alone.
    quiet: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for WebClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebClient").finish_non_exhaustive()
    }
}

/// What must be known of one exchange to judge its answer.
struct Exchanged {
    incoming: Incoming,
    url: Url,
    shown: Shown,
    session: Option<Arc<Session>>,
    csrf: Option<HeaderValue>,
    turn: Turn,
}

/// An attempt that failed, and what could help.
struct Failed {
    error: SourceError,
    again: Again,
}

enum Again {
    Never,
    /// The same request later.
    Later,
    /// The same request at once: something was renewed.
    Renewed,
}

impl From<SourceError> for Failed {
    fn from(error: SourceError) -> Failed {
        Failed { error, again: Again::Never }
    }
}

/// What was renewed on the way of one request. Each is renewed once: what is rejected when it is new is rejected.
#[derive(Default)]
struct Renewed {
    credentials: bool,
    session: bool,
    csrf: bool,
}

/// Until when, and for whom, one request is under way.
struct Errand<'a> {
    context: &'a QueryContext,
    deadline: Option<Instant>,
    renewed: Renewed,
    /// Attempts that failed in passing.
    failed: u32,
}

impl<'a> Errand<'a> {
    fn new(context: &'a QueryContext) -> Errand<'a> {
        let deadline = context.remaining().map(|left| Instant::now() + left);
        Errand { context, deadline, renewed: Renewed::default(), failed: 0 }
    }
}

impl WebClient {
    /// Over the network. Nothing is sent.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn new(config: &WebConfig, context: &ConnectContext) -> Result<WebClient, SourceError> {
        let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
        let tls = tls::client_config(&config.tls, &context.base_directory).map_err(invalid)?;
        let network = Network::new(&config.http, tls, context.max_connections).map_err(invalid)?;
        WebClient::over(Arc::new(network), config, context)
    }

    /// Over another transport: one that records, or replays.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn over(transport: Arc<dyn Transport>, config: &WebConfig, context: &ConnectContext) -> Result<WebClient, SourceError> {
        let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
        let base = Base::new(&config.url, &config.http.hosts, config.http.max_url).map_err(|error| invalid(error.to_string()))?;
        let secrets = config.secrets().into_iter().map(|secret| secret.reveal().to_owned());
        let reporter = Reporter::new(&context.source_name, secrets);
        let credentials = Credentials::new(config, &transport, &reporter).map_err(invalid)?;
        let reporter = credentials.texts().map_or(reporter.clone(), |text| reporter.hiding(text));
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let header: HeaderName = name.parse().map_err(|_| invalid(format!("'headers': '{name}' is no name of a header")))?;
            headers.insert(header, secret_value(&format!("headers.{name}"), value.reveal()).map_err(invalid)?);
        }
        let csrf = config.csrf.as_ref().map(|csrf| base.address().path(&csrf.path)).transpose();
        let csrf = csrf.map_err(|error| invalid(format!("'csrf.path': {error}")))?;
        Ok(WebClient {
            base,
            transport,
            pace: Arc::new(Budget::new(context.max_connections, None, 1)),
            credentials,
            headers,
            sessions: (csrf.is_some() || config.http.cookies).then(Sessions::default),
            csrf,
            http: config.http.clone(),
            timeout: context.timeout,
            reporter,
            quiet: Mutex::new(None),
        })
    }

    /// At another pace than that of the source's connections.
    #[must_use]
    pub fn paced(mut self, pace: Arc<dyn Pace>) -> WebClient {
        self.pace = pace;
        self
    }

    /// With a secret of the kind's own settings, which is taken out of every message like those of the shared ones.
    #[must_use]
    pub fn hiding(mut self, secret: &str) -> WebClient {
        self.reporter = self.reporter.hiding(secret);
        self
    }

    /// The source's URL, to which segments and parameters are added.
    pub fn address(&self) -> Address {
        self.base.address()
    }

    /// Where a link in an answer leads. `from` is where the answer came from.
    ///
    /// # Errors
    /// When it leads to a host that is not configured, or gives up encryption.
    pub fn link(&self, from: &Url, link: &str) -> Result<Address, SourceError> {
        self.base.link(from, link).map_err(|error| self.reporter.error(SourceErrorKind::Malformed, error.to_string()))
    }

    /// Whether callers are shown to the source by their own tokens, so that its answers are theirs.
    pub fn asks_as_caller(&self) -> bool {
        self.credentials.are_the_caller_s()
    }

    /// Tells failures of this source that hold nothing of an answer: of what was asked, or of the source itself.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Tells failures of answers: a source that repeats the token which it was shown does not bring it into a message.
    pub fn reporter_of(&self, context: &QueryContext) -> Reporter {
        self.credentials.hiding_all(&self.reporter, context)
    }

    /// Asks, and returns when the head of the answer is there. The body is counted against `http.max_response`.
    ///
    /// # Errors
    /// When there is no answer of success.
    pub async fn send(&self, request: &Request, context: &QueryContext) -> Result<Response, SourceError> {
        let mut errand = Errand::new(context);
        loop {
            match self.attempt(request, &mut errand, self.http.max_response.0).await {
                Ok(response) => return Ok(response),
                Err(failed) => self.again(failed, &mut errand).await?,
            }
        }
    }

    /// Asks, and reads the answer as a whole, up to `http.max_page`. An answer that breaks off is asked for again where that is safe.
    ///
    /// # Errors
    /// When there is no answer of success, or it has no end.
    pub async fn fetch(&self, request: &Request, context: &QueryContext) -> Result<Page, SourceError> {
        let mut errand = Errand::new(context);
        loop {
            match self.whole(request, &mut errand).await {
                Ok(page) => return Ok(page),
                Err(failed) => self.again(failed, &mut errand).await?,
            }
        }
    }

    async fn whole(&self, request: &Request, errand: &mut Errand<'_>) -> Result<Page, Failed> {
        let Response { status, headers, url, body, reporter, turn } = self.attempt(request, errand, self.http.max_page.0).await?;
        let bytes = body.whole().await.map_err(|broken| {
            let again = if request.repeatable && broken.is_passing() { Again::Later } else { Again::Never };
            Failed { error: reporter.broken(&broken), again }
        })?;
        drop(turn);
        Ok(Page { status, headers, url, bytes })
    }

    /// Waits until it is time for another attempt.
    ///
    /// # Errors
    /// With that of the attempt, if another one cannot help or comes too late.
    async fn again(&self, Failed { error, again }: Failed, errand: &mut Errand<'_>) -> Result<(), SourceError> {
        match again {
            Again::Never => Err(error),
            Again::Renewed => Ok(()),
            Again::Later => {
                errand.failed += 1;
                let asked = if let Retry::After(Some(after)) = error.retry { after } else { Duration::ZERO };
                let at = Instant::now() + asked.max(retry::pause(errand.failed));
                let too_late = errand.deadline.is_some_and(|deadline| at >= deadline) || asked > LONGEST_QUIET;
                if errand.failed > self.http.retries || too_late {
                    return Err(error);
                }
                sleep_until(at).await;
                Ok(())
            }
        }
    }

    /// One attempt: the request, and the redirects that it leads to.
    async fn attempt(&self, request: &Request, errand: &mut Errand<'_>, limit: u64) -> Result<Response, Failed> {
        let mut address = request.address.clone();
        let mut followed = 0;
        loop {
            let exchanged = self.exchange(request, &address, errand).await?;
            let status = exchanged.incoming.status;
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED && !request.accepted.contains(&status) {
                followed += 1;
                address = self.redirected(request, &exchanged, followed)?;
                continue;
            }
            if status.is_success() || request.accepted.contains(&status) {
                return self.answered(request, exchanged, errand, limit).map_err(Failed::from);
            }
            return Err(self.refused(request, exchanged, errand).await);
        }
    }

    /// One exchange, in its turn.
    async fn exchange(&self, request: &Request, address: &Address, errand: &Errand<'_>) -> Result<Exchanged, Failed> {
        let home = self.base.is_home(address.url());
        let session = self.sessions.as_ref().filter(|_| home).map(|sessions| sessions.of(self.credentials.session(errand.context)));
        let read = request.reads;
        let csrf = match (&session, &self.csrf) {
            (Some(session), Some(place)) if !read => Some(self.csrf(session, place, errand).await?),
            _ => None,
        };
        let mut outgoing = self.outgoing(request, address, home);
        let mut shown = Shown::Nothing;
        if home {
            if let Some(csrf) = &csrf {
                outgoing.headers.insert(CSRF, csrf.clone());
            }
            shown = self.authorized(&mut outgoing, session.as_deref(), errand).await?;
        }
        let turn = self.turn(errand).await?;
        // A timer would let pass what a near server answers within its tick; a change would even be made.
        if errand.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(self.reporter.late(false).into());
        }
        let (text, parameters) = address.shown();
        errand.context.sending(&NativeRequest { language: "http".to_owned(), text: format!("{} {text}", request.method), parameters });
        let incoming = self.transported(outgoing, errand, request).await?;
        if let Some(session) = &session {
            session.keep(&incoming.headers, address.url());
        }
        Ok(Exchanged { incoming, url: address.url().clone(), shown, session, csrf, turn })
    }

    /// The request as it leaves, without what says who asks.
    fn outgoing(&self, request: &Request, address: &Address, home: bool) -> Outgoing {
        let mut headers = if home { self.headers.clone() } else { HeaderMap::new() };
        let accept = match request.expects {
            Expects::Json => "application/json",
            Expects::Xml => "application/xml",
            Expects::Anything => "*/*",
        };
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ACCEPTED));
        for (name, value) in &request.headers {
            // What a kind says besides may be a session or a key: only what tells how to answer leaves home.
            if home || ABROAD.contains(&name.as_str()) {
                headers.insert(name, value.clone());
            }
        }
        Outgoing { method: request.method.clone(), url: address.url().clone(), headers, body: request.body.clone() }
    }

    async fn authorized(&self, outgoing: &mut Outgoing, session: Option<&Session>, errand: &Errand<'_>) -> Result<Shown, SourceError> {
        if let Some(cookies) = session.and_then(|session| session.cookies(&outgoing.url)) {
            outgoing.headers.insert(COOKIE, cookies);
        }
        self.credentials.add(outgoing, errand.context, &self.reporter, errand.deadline).await
    }

    /// Waits for a turn, first until the source is to be asked again at all.
    async fn turn(&self, errand: &Errand<'_>) -> Result<Turn, SourceError> {
        // What the gateway allows the source in all, whichever client asks.
        errand.context.turn().await?;
        let late =
            || self.reporter.error(SourceErrorKind::Timeout, "the source is asked so much that there was no turn before the deadline");
        loop {
            let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if let Some(quiet) = quiet.filter(|quiet| *quiet > now) {
                if errand.deadline.is_some_and(|deadline| quiet >= deadline) {
                    let error = self.reporter.error(SourceErrorKind::Throttled, "the server wants to be asked later, after the deadline");
                    return Err(SourceError { retry: Retry::After(Some(quiet - now)), ..error });
                }
                sleep_until(quiet).await;
                continue;
            }
            let turn = match errand.deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, self.pace.turn()).await.map_err(|_| late())?,
                None => self.pace.turn().await,
            };
            // While this one waited, another may have been told to come back later.
            if *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) == quiet {
                return Ok(turn);
            }
        }
    }

    async fn transported(&self, outgoing: Outgoing, errand: &Errand<'_>, request: &Request) -> Result<Incoming, Failed> {
        let read = request.reads;
        let patience = Instant::now() + self.timeout;
        let until = errand.deadline.map_or(patience, |deadline| deadline.min(patience));
        let sent = tokio::time::timeout_at(until, self.transport.exchange(outgoing)).await;
        sent.map_err(|_| self.reporter.late(!read))?.map_err(|lost| {
            let safe = request.repeatable || lost.stage == Stage::NotSent;
            let again = if safe && !lost.lasting { Again::Later } else { Again::Never };
            Failed { error: self.reporter.lost(&lost, !read), again }
        })
    }

    fn answered(&self, request: &Request, exchanged: Exchanged, errand: &Errand<'_>, limit: u64) -> Result<Response, SourceError> {
        let Exchanged { incoming, url, shown, turn, .. } = exchanged;
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let reporter = self.credentials.hiding(&self.reporter, &shown, errand.context);
        if status.is_success()
            && request.method != Method::HEAD
            && let Some(message) = unexpected(request.expects, status, &headers)
        {
            return Err(reporter.error(SourceErrorKind::Malformed, message).with_code(status.as_u16().to_string()));
        }
        let body = Body::new(incoming, limit, self.http.idle_timeout.0, errand.deadline);
        let body = body.map_err(|message| reporter.error(SourceErrorKind::Malformed, message))?;
        Ok(Response { status, headers, url, body, reporter, turn: Some(turn) })
    }

    /// Where a redirect leads, if it may be followed.
    fn redirected(&self, request: &Request, exchanged: &Exchanged, followed: u32) -> Result<Address, SourceError> {
        let (status, headers) = (exchanged.incoming.status, &exchanged.incoming.headers);
        let malformed = |message: String| self.reporter.error(SourceErrorKind::Malformed, message).with_code(status.as_u16().to_string());
        let same_request =
            matches!(status.as_u16(), 307 | 308) || (retry::is_read(&request.method) && matches!(status.as_u16(), 301..=303));
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let Some(location) = location.filter(|_| same_request) else {
            return Err(self.reporter.status(status, headers, &[], request.reads));
        };
        if followed > self.http.max_redirects {
            return Err(malformed(format!("the server redirects more than {} times", self.http.max_redirects)));
        }
        let link = self.base.link(&exchanged.url, location);
        let link = link.map_err(|error| malformed(format!("a redirect is not followed: {error}")))?;
        // A body may hold a password, as a login's does, and always what was asked.
        if !request.body.is_empty() && !self.base.is_home(link.url()) {
            let host = link.url().host_str().unwrap_or_default();
            return Err(malformed(format!("a redirect of a request with a body to another host is not followed: {host}")));
        }
        Ok(link)
    }

    /// A status of failure: renews what can be renewed, or says what it means.
    async fn refused(&self, request: &Request, exchanged: Exchanged, errand: &mut Errand<'_>) -> Failed {
        let Exchanged { incoming, shown, session, csrf, turn, .. } = exchanged;
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let reporter = self.credentials.hiding(&self.reporter, &shown, errand.context);
        let body = failure_body(incoming, errand.deadline).await;
        drop(turn);
        let error = reporter.status(status, &headers, &body, request.reads);
        let error = match request.explain.and_then(|explain| explain(&body)) {
            Some(explained) => reporter.explained(error, status, &explained),
            None => error,
        };
        let wants_token = headers.get(CSRF).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"required"));
        if status == StatusCode::FORBIDDEN
            && wants_token
            && let Some(session) = &session
            && !std::mem::replace(&mut errand.renewed.csrf, true)
        {
            forget_csrf(session, csrf.as_ref()).await;
            return Failed { error, again: Again::Renewed };
        }
        if status == StatusCode::UNAUTHORIZED {
            if !std::mem::replace(&mut errand.renewed.credentials, true) {
                match self.credentials.renew(&shown, errand.deadline).await {
                    Ok(true) => return Failed { error, again: Again::Renewed },
                    Ok(false) => {}
                    Err(error) => return error.into(),
                }
            }
            if let (Some(sessions), Some(session)) = (&self.sessions, &session)
                && !std::mem::replace(&mut errand.renewed.session, true)
            {
                sessions.forget(session);
                return Failed { error, again: Again::Renewed };
            }
        }
        if let Some(after) = retry::retry_after(&headers, SystemTime::now()).filter(|_| matches!(status.as_u16(), 429 | 503)) {
            self.be_quiet(after.min(LONGEST_QUIET));
        }
        let again = if request.repeatable && retry::is_passing(status) { Again::Later } else { Again::Never };
        Failed { error, again }
    }

    fn be_quiet(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        *quiet = Some(quiet.map_or(until, |before| before.max(until)));
    }
}

/// What a failure's body says, as far as it comes soon and is small.
async fn failure_body(incoming: Incoming, deadline: Option<Instant>) -> Bytes {
    let patience = Instant::now() + FAILURE_PATIENCE;
    let deadline = deadline.map_or(patience, |deadline| deadline.min(patience));
    let Ok(mut body) = Body::new(incoming, FAILURE, FAILURE_PATIENCE, Some(deadline)) else { return Bytes::new() };
    let mut whole = Vec::new();
    // What cannot be read further is as good as read: the status says enough.
    while let Ok(Some(part)) = body.next().await {
        whole.extend_from_slice(&part);
    }
    whole.into()
}
