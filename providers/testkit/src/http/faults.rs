//! Faults and demands that are laid over the answers of a script, counted by request or connection. It must not know what is asked.

use super::answer::Answer;
use super::server::Request;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Faults and demands. All are off by default.
#[derive(Debug, Default)]
pub struct Faults {
    /// Every so manieth request is answered with 429.
    pub throttle_every: Option<u64>,
    /// What `Retry-After` says then.
    pub retry_after: Option<String>,
    /// Every so manieth connection is reset at its first request.
    pub reset_connection_every: Option<u64>,
    /// Every so manieth request is answered with a reset of its connection.
    pub reset_every: Option<u64>,
    /// A connection is closed after so many answers.
    pub close_after: Option<u64>,
    /// Bearer tokens are issued, and demanded.
    pub tokens: Option<Tokens>,
    /// A token against forged requests is demanded of what is no read.
    pub csrf: Option<Csrf>,
}

/// Bearer tokens as an OAuth 2.0 server issues them, at a path of the server itself.
#[derive(Debug)]
pub struct Tokens {
    /// Where they are issued.
    pub path: String,
    /// What must stand in `Authorization` there, or in the body: `client_secret=…`.
    pub credentials: String,
    /// For how long `expires_in` says they are good, in seconds.
    pub expires_in: Option<u64>,
    /// After so many requests a token is good for nothing.
    pub good_for: Option<u64>,
    /// After this time a token is good for nothing.
    pub life: Option<Duration>,
    /// Each refresh token is good once.
    pub rotates: bool,
    state: Mutex<TokenState>,
}

#[derive(Debug, Default)]
struct TokenState {
    issued: u64,
    used: HashMap<String, (u64, Instant)>,
    refresh: Option<String>,
}

impl Tokens {
    /// Issued at a path to who shows these credentials, and good for ever.
    pub fn new(path: &str, credentials: &str) -> Tokens {
        Tokens {
            path: path.to_owned(),
            credentials: credentials.to_owned(),
            expires_in: None,
            good_for: None,
            life: None,
            rotates: false,
            state: Mutex::default(),
        }
    }

    /// How many were issued.
    pub fn issued(&self) -> u64 {
        self.state().issued
    }

    /// From now on no token is good that was issued before.
    pub fn revoke(&self) {
        self.state().used.clear();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, TokenState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self, request: &Request) -> Answer {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let shown = request.header("authorization") == Some(self.credentials.as_str()) || body.contains(&self.credentials);
        let mut state = self.state();
        let stale = self.rotates && state.refresh.as_ref().is_some_and(|refresh| !body.contains(refresh.as_str()));
        if !shown || stale || request.method != "POST" {
            return Answer::json(r#"{"error":"invalid_client","error_description":"who are you?"}"#).with_status(401);
        }
        state.issued += 1;
        let token = format!("token-{}", state.issued);
        state.used.insert(token.clone(), (0, Instant::now()));
        let mut members = vec![format!(r#""access_token":"{token}","token_type":"Bearer""#)];
        members.extend(self.expires_in.map(|seconds| format!(r#""expires_in":{seconds}"#)));
        if self.rotates {
            let refresh = format!("refresh-{}", state.issued);
            members.push(format!(r#""refresh_token":"{refresh}""#));
            state.refresh = Some(refresh);
        }
        Answer::json(format!("{{{}}}", members.join(",")))
    }

    fn accepts(&self, request: &Request) -> bool {
        let Some(token) = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else { return false };
        let mut state = self.state();
        let Some((used, since)) = state.used.get_mut(token) else { return false };
        *used += 1;
        self.good_for.is_none_or(|most| *used <= most) && self.life.is_none_or(|life| since.elapsed() <= life)
    }
}

/// A token against forged requests, in the way of SAP: fetched with `X-CSRF-Token: Fetch`, bound to a session's cookie.
#[derive(Debug, Default)]
pub struct Csrf {
    good_for: Option<u64>,
    sessions: Mutex<HashMap<String, (String, u64)>>,
}

impl Csrf {
    /// Sessions that end after so many changes.
    pub fn good_for(changes: u64) -> Csrf {
        Csrf { good_for: Some(changes), sessions: Mutex::default() }
    }

    /// How many sessions there were.
    pub fn sessions(&self) -> usize {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn fetched(&self, answer: Answer) -> Answer {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (session, token) = (format!("session-{}", sessions.len() + 1), format!("csrf-{}", sessions.len() + 1));
        sessions.insert(session.clone(), (token.clone(), 0));
        answer.header("x-csrf-token", token).header("set-cookie", format!("sid={session}; Path=/; HttpOnly"))
    }

    fn accepts(&self, request: &Request) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = request.header("cookie").and_then(|cookies| cookies.split("; ").find_map(|cookie| cookie.strip_prefix("sid=")));
        let Some((token, used)) = session.and_then(|session| sessions.get_mut(session)) else { return false };
        *used += 1;
        request.header("x-csrf-token") == Some(token.as_str()) && self.good_for.is_none_or(|most| *used <= most)
    }
}

impl Faults {
    /// The answer to a request: that of a demand or fault, or that of the script.
    pub(super) fn answer(&self, request: &Request, script: &dyn Fn(&Request) -> Answer) -> Answer {
        let each = |every: Option<u64>, count: u64| every.is_some_and(|every| every > 0 && count.is_multiple_of(every));
        if (request.on_connection == 1 && each(self.reset_connection_every, request.connection)) || each(self.reset_every, request.number) {
            return Answer::reset();
        }
        if let Some(tokens) = self.tokens.as_ref().filter(|tokens| tokens.path == request.path) {
            return tokens.issue(request);
        }
        if each(self.throttle_every, request.number) {
            let answer = Answer::json(r#"{"error":{"message":"slow down"}}"#).with_status(429);
            return self.retry_after.iter().fold(answer, |answer, after| answer.header("retry-after", after));
        }
        if self.tokens.as_ref().is_some_and(|tokens| !tokens.accepts(request)) {
            return Answer::json(r#"{"error":{"message":"the token is not good"}}"#).with_status(401);
        }
        let Some(csrf) = &self.csrf else { return script(request) };
        match request.method.as_str() {
            "GET" | "HEAD" if request.header("x-csrf-token").is_some_and(|value| value.eq_ignore_ascii_case("fetch")) => {
                csrf.fetched(script(request))
            }
            "GET" | "HEAD" => script(request),
            _ if csrf.accepts(request) => script(request),
            _ => Answer::of("text/plain", "CSRF token validation failed").with_status(403).header("x-csrf-token", "Required"),
        }
    }
}
