//! The only IO: calls of the server's methods in a session, which one caller makes for all, and makes anew when the server has forgotten it. It must not know
//! what is called.

use crate::config::TrytonConfig;
use crate::errors::{self, Refusal};
use crate::translate::Call;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use portico_provider_api::{ConnectContext, QueryContext, SourceError, SourceErrorKind};
use portico_provider_web::header::{AUTHORIZATION, HeaderValue};
use portico_provider_web::{Address, Method, Reporter, Request, StatusCode, WebClient, WebConfig};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// For so long a refusal of the password is believed: each try that fails makes the server slower for its user.
const REFUSAL: Duration = Duration::from_secs(5);
/// Parts of a user's preferences that are no business of the server's answers.
const NO_CONTEXT: &[&str] = &["locale", "language_direction", "administrator"];

/// A session at the server.
struct Session {
    header: HeaderValue,
    /// What the user prefers: company, language.
    context: Map<String, Value>,
}

enum State {
    None,
    Open(Arc<Session>),
    Refused(Instant, SourceError),
}

/// A client of one database of a server.
pub struct Client {
    web: WebClient,
    address: Address,
    config: TrytonConfig,
    /// Whoever finds no session holds the lock while it makes one.
    session: Mutex<State>,
    /// Tells failures without the session that is open, which a server may repeat.
    reporter: RwLock<Reporter>,
}

/// What a call is for, and so what may be done when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It reads, and may be repeated.
    Read,
    /// It changes something.
    Change,
}

/// Why a call has no result.
#[derive(Debug)]
pub enum Failure {
    /// The server said so.
    Refused(Refusal),
    /// It could not be asked, or not be understood.
    Source(SourceError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        Failure::Source(error)
    }
}

/// An answer, or as much of it as tells a result from an error.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    result: Option<Value>,
}

impl Client {
    /// Nothing is sent.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn new(web: &WebConfig, config: TrytonConfig, context: &ConnectContext) -> Result<Client, SourceError> {
        let web = WebClient::new(web, context)?.hiding(config.password.reveal());
        let invalid = |error: portico_provider_web::AddressError| {
            SourceError::new(&context.source_name, SourceErrorKind::Unsupported, format!("'database': {error}")).at(&["database"])
        };
        // The server answers at the address with a slash at its end alone.
        let address = web.address().segment(&config.database).and_then(|address| address.path("rpc/")).map_err(invalid)?;
        let reporter = RwLock::new(web.reporter().clone());
        Ok(Client { web, address, config, session: Mutex::new(State::None), reporter })
    }

    /// The settings.
    pub fn config(&self) -> &TrytonConfig {
        &self.config
    }

    /// A failure of this source.
    pub fn error(&self, kind: SourceErrorKind, message: impl AsRef<str>) -> SourceError {
        self.reporter().error(kind, message)
    }

    fn reporter(&self) -> Reporter {
        self.reporter.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a refusal means.
    pub fn refused(&self, refusal: &Refusal, purpose: Purpose, named: &dyn Fn(&str) -> Vec<String>) -> SourceError {
        errors::source_error(&self.reporter(), refusal, purpose == Purpose::Change, named)
    }

    /// What a failure of a read means.
    pub fn failed(&self, failure: Failure) -> SourceError {
        match failure {
            Failure::Source(error) => error,
            Failure::Refused(refusal) => self.refused(&refusal, Purpose::Read, &|_| Vec::new()),
        }
    }

    /// Calls a method; the answer as it came, whether result or error.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn answer(
        &self,
        call: &Call,
        more: &Map<String, Value>,
        purpose: Purpose,
        context: &QueryContext,
    ) -> Result<Bytes, SourceError> {
        let mut renewed = false;
        loop {
            let session = self.session(context).await?;
            let mut rpc_context = session.context.clone();
            rpc_context.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            let arguments: Value = call.arguments.iter().cloned().chain([Value::Object(rpc_context)]).collect();
            let request = self.request(&call.method, arguments, &call.shown, call.parameters);
            let request = request.header(AUTHORIZATION, session.header.clone()).accepting(StatusCode::UNAUTHORIZED);
            let page = self.web.fetch(&if purpose == Purpose::Read { request.reading() } else { request }, context).await?;
            if page.status != StatusCode::UNAUTHORIZED {
                return Ok(page.bytes);
            }
            // Nothing was done. What is rejected when it is new is rejected.
            if std::mem::replace(&mut renewed, true) {
                return Err(self.error(SourceErrorKind::Credentials, "the server rejected a session that it has just given"));
            }
            self.forget(&session).await;
        }
    }

    /// Calls a method; its result.
    ///
    /// # Errors
    /// What the server says, or why there is no answer.
    pub async fn call(&self, call: &Call, more: &Map<String, Value>, purpose: Purpose, context: &QueryContext) -> Result<Value, Failure> {
        let bytes = self.answer(call, more, purpose, context).await?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|error| self.malformed(&error.to_string()))?;
        match answer {
            Answer { error: Some(error), .. } => Err(Failure::Refused(errors::refusal(&error))),
            Answer { result, .. } => Ok(result.unwrap_or(Value::Null)),
        }
    }

    /// Calls a method that reads; its result.
    ///
    /// # Errors
    /// As [`Client::call`], as an error of the contract.
    pub async fn read(&self, call: &Call, context: &QueryContext) -> Result<Value, SourceError> {
        self.call(call, &every_record(), Purpose::Read, context).await.map_err(|failure| self.failed(failure))
    }

    /// An answer that could not be read: the error that it holds, or that it is none.
    pub fn unreadable(&self, bytes: &[u8], why: &str) -> SourceError {
        match serde_json::from_slice::<Answer>(bytes) {
            Ok(Answer { error: Some(error), .. }) => self.failed(Failure::Refused(errors::refusal(&error))),
            Ok(_) | Err(_) => self.malformed(why),
        }
    }

    fn malformed(&self, why: &str) -> SourceError {
        self.error(SourceErrorKind::Malformed, format!("the answer cannot be read: {why}"))
    }

    fn request(&self, method: &str, params: Value, shown: &str, parameters: usize) -> Request {
        let body = json!({"id": 1, "method": method, "params": params}).to_string();
        Request::new(Method::POST, self.address.clone().shown_as(shown, parameters)).json(body)
    }

    async fn session(&self, context: &QueryContext) -> Result<Arc<Session>, SourceError> {
        let late = || self.error(SourceErrorKind::Timeout, "there was no session before the deadline");
        let mut state = match context.remaining() {
            Some(left) => tokio::time::timeout(left, self.session.lock()).await.map_err(|_| late())?,
            None => self.session.lock().await,
        };
        match &*state {
            State::Open(session) => return Ok(Arc::clone(session)),
            State::Refused(at, error) if at.elapsed() < REFUSAL => return Err(error.clone()),
            State::Refused(..) | State::None => {}
        }
        match self.log_in(context).await {
            Ok(session) => {
                let session = Arc::new(session);
                *state = State::Open(Arc::clone(&session));
                Ok(session)
            }
            Err(error) => {
                if error.kind == SourceErrorKind::Credentials {
                    *state = State::Refused(Instant::now(), error.clone());
                }
                Err(error)
            }
        }
    }

    async fn log_in(&self, context: &QueryContext) -> Result<Session, SourceError> {
        let TrytonConfig { user, password, .. } = &self.config;
        let rejected = |message: &str| self.error(SourceErrorKind::Credentials, message);
        let params = json!([user, {"password": password.reveal()}, null]);
        let request = self.request("common.db.login", params, "common.db.login", 1).accepting(StatusCode::UNAUTHORIZED).reading();
        let page = self.web.fetch(&request, context).await?;
        if page.status == StatusCode::UNAUTHORIZED {
            return Err(rejected(&format!("the server rejected the user '{user}' or the password")));
        }
        let answer: Answer = serde_json::from_slice(&page.bytes).map_err(|error| self.malformed(&error.to_string()))?;
        if let Some(error) = answer.error {
            return Err(self.failed(Failure::Refused(errors::refusal(&error))));
        }
        let result = answer.result.unwrap_or_default();
        let (Some(number), Some(key)) = (result.get(0).and_then(Value::as_i64), result.get(1).and_then(Value::as_str)) else {
            return Err(self.malformed("a login has no session"));
        };
        let text = STANDARD.encode(format!("{user}:{number}:{key}"));
        *self.reporter.write().unwrap_or_else(PoisonError::into_inner) = self.web.reporter().clone().hiding(key).hiding(&text);
        let mut header =
            HeaderValue::from_str(&format!("Session {text}")).map_err(|_| self.malformed("a session that no header can have"))?;
        header.set_sensitive(true);
        let request = self.request("model.res.user.get_preferences", json!([true, {}]), "model.res.user.get_preferences true", 0);
        let page = self.web.fetch(&request.header(AUTHORIZATION, header.clone()).reading(), context).await?;
        let answer: Answer = serde_json::from_slice(&page.bytes).map_err(|error| self.malformed(&error.to_string()))?;
        let Some(Value::Object(preferences)) = answer.result else {
            return Err(self.unreadable(&page.bytes, "the user's preferences are no object"));
        };
        let kept = preferences.into_iter().filter(|(name, _)| !name.contains('.') && !NO_CONTEXT.contains(&name.as_str()));
        let context = kept.chain(self.config.context.clone()).collect();
        Ok(Session { header, context })
    }

    /// Forgets a session that the server no longer knows, unless another caller has made a new one meanwhile.
    async fn forget(&self, session: &Arc<Session>) {
        let mut state = self.session.lock().await;
        if matches!(&*state, State::Open(open) if Arc::ptr_eq(open, session)) {
            *state = State::None;
        }
    }
}

/// What a read says besides: records that are not active are records.
pub fn every_record() -> Map<String, Value> {
    Map::from_iter([("active_test".to_owned(), Value::Bool(false))])
}
