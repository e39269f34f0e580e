//! Who asks: what is added to a request so that the source knows. It must not know what is asked.

mod oauth;
mod session;

use crate::config::{Auth, CallerAuth, WebConfig};
use crate::failure::Reporter;
use crate::transport::{Outgoing, Transport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oauth::{Token, TokenSource};
use portico_provider_api::{Caller, QueryContext, SourceError, SourceErrorKind};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
pub(crate) use session::{Session, Sessions};
use std::sync::Arc;
use tokio::time::Instant;

/// How requests say who asks.
pub(crate) enum Credentials {
    Anonymous,
    Header(HeaderName, HeaderValue),
    Query(String, String),
    OAuth(Box<TokenSource>),
    /// What each caller shows, and what the gateway shows for itself.
    Caller(Box<Credentials>),
}

/// What was added to one request: with it the next one tells what to do when it was rejected.
pub(crate) enum Shown {
    Nothing,
    Token(Arc<Token>),
    Caller,
}

impl Credentials {
    /// As configured.
    ///
    /// # Errors
    /// Names the setting that cannot be sent.
    pub(crate) fn new(config: &WebConfig, transport: &Arc<dyn Transport>, reporter: &Reporter) -> Result<Credentials, String> {
        let Some(auth) = &config.auth else { return Ok(Credentials::Anonymous) };
        let Auth { basic, bearer, api_key, oauth2, caller } = auth;
        if let Some(CallerAuth::Bearer) = caller {
            let own = Auth { caller: None, ..auth.clone() };
            let own = Credentials::new(&WebConfig { auth: Some(own), ..config.clone() }, transport, reporter)?;
            return Ok(Credentials::Caller(Box::new(own)));
        }
        if let Some(basic) = basic {
            if basic.user.contains(':') {
                return Err("'auth.basic.user' holds a ':', which no server could tell from the password".to_owned());
            }
            let text = STANDARD.encode(format!("{}:{}", basic.user, basic.password.reveal()));
            return Ok(Credentials::Header(AUTHORIZATION, secret_value("auth.basic", &format!("Basic {text}"))?));
        }
        if let Some(bearer) = bearer {
            return Ok(Credentials::Header(AUTHORIZATION, secret_value("auth.bearer", &format!("Bearer {}", bearer.reveal()))?));
        }
        if let Some(api_key) = api_key {
            if let Some(name) = &api_key.query {
                return Ok(Credentials::Query(name.clone(), api_key.key.reveal().to_owned()));
            }
            let name = api_key.header.as_deref().unwrap_or("x-api-key");
            let header: HeaderName = name.parse().map_err(|_| format!("'auth.api_key.header': '{name}' is no name of a header"))?;
            return Ok(Credentials::Header(header, secret_value("auth.api_key.key", api_key.key.reveal())?));
        }
        if let Some(oauth2) = oauth2 {
            return TokenSource::new(oauth2, config, Arc::clone(transport), reporter.clone())
                .map(|source| Credentials::OAuth(Box::new(source)));
        }
        Ok(Credentials::Anonymous)
    }

    /// Whether callers are shown to the source by their own tokens.
    pub(crate) fn are_the_caller_s(&self) -> bool {
        matches!(self, Credentials::Caller(_))
    }

    /// Those with which a request goes that is made in this name.
    fn of(&self, caller: &Caller) -> &Credentials {
        match (self, caller) {
            (Credentials::Caller(own), Caller::Gateway) => own,
            _ => self,
        }
    }

    /// The texts that would tell them, besides the secrets of the settings: what of these is sent in another form.
    pub(crate) fn texts(&self) -> Option<&str> {
        match self {
            Credentials::Header(_, value) => value.to_str().ok()?.strip_prefix("Basic "),
            Credentials::Caller(own) => own.texts(),
            Credentials::Anonymous | Credentials::Query(..) | Credentials::OAuth(_) => None,
        }
    }

    /// Adds them to a request that goes to the source.
    ///
    /// # Errors
    /// When there are none to be had.
    pub(crate) async fn add(
        &self,
        request: &mut Outgoing,
        context: &QueryContext,
        reporter: &Reporter,
        deadline: Option<Instant>,
    ) -> Result<Shown, SourceError> {
        match self.of(&context.caller) {
            Credentials::Anonymous => Ok(Shown::Nothing),
            Credentials::Header(name, value) => {
                request.headers.insert(name, value.clone());
                Ok(Shown::Nothing)
            }
            Credentials::Query(name, key) => {
                // Links to next pages often hold the key already.
                let is_other = |pair: &&str| pair.split('=').next() != Some(name.as_str());
                let kept: Option<String> = request.url.query().map(|query| query.split('&').filter(is_other).collect::<Vec<_>>().join("&"));
                request.url.set_query(kept.as_deref().filter(|kept| !kept.is_empty()));
                request.url.query_pairs_mut().append_pair(name, key);
                Ok(Shown::Nothing)
            }
            Credentials::OAuth(source) => {
                let token = source.token(deadline).await?;
                request.headers.insert(AUTHORIZATION, token.header().clone());
                Ok(Shown::Token(token))
            }
            Credentials::Caller(_) => {
                let rejected = |message: &str| reporter.error(SourceErrorKind::Credentials, message);
                let Caller::Token(token) = &context.caller else {
                    return Err(rejected(
                        "it is asked with the caller's own token, and the caller showed none: 'Authorization: Bearer' takes an API key, of which the token of a handshake is none",
                    ));
                };
                let value = secret_value("", &format!("Bearer {}", token.reveal()));
                request.headers.insert(AUTHORIZATION, value.map_err(|_| rejected("the caller's token cannot be sent in a header"))?);
                Ok(Shown::Caller)
            }
        }
    }

    /// What was shown was rejected: gets something else to show, if there is. Says whether there is.
    ///
    /// # Errors
    /// When nothing else is to be had.
    pub(crate) async fn renew(&self, shown: &Shown, deadline: Option<Instant>) -> Result<bool, SourceError> {
        let own = if let Credentials::Caller(own) = self { own } else { self };
        match (own, shown) {
            (Credentials::OAuth(source), Shown::Token(token)) => source.renew(token, deadline).await.map(|()| true),
            _ => Ok(false),
        }
    }

    /// The reporter that does not tell what was shown either.
    pub(crate) fn hiding(&self, reporter: &Reporter, shown: &Shown, context: &QueryContext) -> Reporter {
        match (shown, &context.caller) {
            (Shown::Token(token), _) => reporter.clone().hiding(token.text()),
            (Shown::Caller, Caller::Token(token)) => reporter.clone().hiding(token.reveal()),
            _ => reporter.clone(),
        }
    }

    /// The reporter that tells nothing that can have been shown for the requests of a query.
    pub(crate) fn hiding_all(&self, reporter: &Reporter, context: &QueryContext) -> Reporter {
        match (self.of(&context.caller), &context.caller) {
            (Credentials::OAuth(source), _) => {
                source.recent().iter().fold(reporter.clone(), |reporter, token| reporter.hiding(token.text()))
            }
            (Credentials::Caller(_), Caller::Token(token)) => reporter.clone().hiding(token.reveal()),
            _ => reporter.clone(),
        }
    }

    /// Whose session a request belongs to: callers who are asked for in their own name must not meet in one.
    pub(crate) fn session<'a>(&self, context: &'a QueryContext) -> &'a str {
        match (self, &context.caller) {
            (Credentials::Caller(_), Caller::Token(token)) => token.reveal(),
            _ => "",
        }
    }
}

/// A value of a header that is not shown in debug forms.
pub(crate) fn secret_value(setting: &str, text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| format!("'{setting}' holds a character that no header can have, such as a line break"))?;
    value.set_sensitive(true);
    Ok(value)
}
