//! What accompanies one request through the engine: who asks, until when, how fresh; and the journal of what was asked of sources.

use crate::admission::Permit;
use crate::policy::Principal;
use portico_provider_api::{Caller, CallerToken, NativeRequest, QueryContext, RequestInfo};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::OnceCell;

/// How old the answer may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestedFreshness {
    /// As the tables declare.
    #[default]
    AsDeclared,
    /// No older than this, and no older than the tables declare; zero asks every source anew.
    AtMost(Duration),
}

/// One request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Its id, in logs and answers.
    pub request_id: String,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The token that the caller showed, if he showed one that is his own.
    pub caller: Option<CallerToken>,
    /// When it must be done.
    pub deadline: SystemTime,
    /// How old the answer may be.
    pub freshness: RequestedFreshness,
    /// What was asked of sources.
    pub journal: Arc<Journal>,
    /// Leave to compute in the gateway, asked for where the request first needs it.
    pub local: LocalPermit,
}

/// Leave to compute in the gateway: one for all the plans of a request, given back when the last of its clones is dropped. Two plans of one
/// request that waited for each other would wait for ever.
#[derive(Debug, Clone, Default)]
pub struct LocalPermit(pub(crate) Arc<OnceCell<Permit>>);

impl RequestContext {
    /// The part that travels with a question to a source.
    pub fn query_context(&self) -> QueryContext {
        let deadline = self.deadline.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok());
        let request = RequestInfo {
            request_id: self.request_id.clone(),
            principal: self.principal.name.clone(),
            deadline_unix_ms: deadline,
            ..RequestInfo::default()
        };
        let caller = self.caller.clone().map_or(Caller::WithoutToken, Caller::Token);
        QueryContext { request, caller, ..QueryContext::default() }
    }

    /// The same, where native requests are noted under the number of a call in the journal.
    pub fn noted_context(&self, call: usize) -> QueryContext {
        let journal = Arc::clone(&self.journal);
        let note = move |request: &NativeRequest| journal.update(call, |call| call.note(&request.text));
        QueryContext { observer: Some(Arc::new(note)), ..self.query_context() }
    }

    /// The time left; zero when the deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO)
    }
}

/// How a source call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// Still running.
    Running,
    /// Ended well.
    Complete,
    /// The client went away, or had enough.
    Cancelled,
    /// Failed, with the kind of failure.
    Failed(String),
}

/// One question to a source, or to the cache in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCall {
    /// Source name.
    pub source: String,
    /// Remote tables read, comma-separated.
    pub tables: String,
    /// The first distinct native requests that were sent, without values.
    pub native: Vec<String>,
    /// How many native requests were sent.
    pub requests: u64,
    /// Rows received.
    pub rows: u64,
    /// Bytes of Arrow data received.
    pub bytes: u64,
    /// Keys sent by a bind join or `$expand`.
    pub keys: u64,
    /// How long it took, so far.
    pub elapsed: Duration,
    /// The age of the rows, when the cache answered.
    pub cached: Option<Duration>,
    /// How it went.
    pub outcome: CallOutcome,
}

/// Distinct native requests that are kept of a call: one that reads a table page by page, each by a URL of its own, may have thousands.
const KEPT_NATIVE: usize = 16;

impl SourceCall {
    fn note(&mut self, native: &str) {
        self.requests += 1;
        if self.native.len() < KEPT_NATIVE && !self.native.iter().any(|known| known == native) {
            self.native.push(native.to_owned());
        }
    }
}

/// What has become of what a request writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// Nothing was sent, or all that was sent is refused or undone.
    #[default]
    Nothing,
    /// Changes were sent, and nobody has heard what became of them.
    Unknown,
    /// Changes were made.
    Done,
}

/// What was asked of sources during one request.
#[derive(Debug, Default)]
pub struct Journal {
    calls: Mutex<Vec<SourceCall>>,
    written: Mutex<Written>,
}

impl Journal {
    /// All calls so far.
    pub fn calls(&self) -> Vec<SourceCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at all calls so far.
    pub fn read<T>(&self, look: impl FnOnce(&[SourceCall]) -> T) -> T {
        look(&self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The age of the oldest rows used so far; zero when every source was asked.
    pub fn age(&self) -> Duration {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter_map(|call| call.cached).max().unwrap_or_default()
    }

    /// What has become of what the request writes: until a source has answered, nobody knows.
    pub fn written(&self) -> Written {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what has become of a write.
    pub(crate) fn set_written(&self, written: Written) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }

    /// Takes over what a request has written that is a part of this one.
    pub fn join_written(&self, part: Written) {
        let mut own = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *own = (*own).max(part);
    }

    /// Notes a call and gives the number under which to update it.
    pub(crate) fn begin(&self, call: SourceCall) -> usize {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
        calls.len() - 1
    }

    /// Changes a noted call.
    pub(crate) fn update(&self, number: usize, change: impl FnOnce(&mut SourceCall)) {
        if let Some(call) = self.calls.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
            change(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_many_requests_keeps_distinct_texts_and_their_number() {
        let mut call = SourceCall {
            source: "crm".to_owned(),
            tables: String::new(),
            native: Vec::new(),
            requests: 0,
            rows: 0,
            bytes: 0,
            keys: 0,
            elapsed: Duration::ZERO,
            cached: None,
            outcome: CallOutcome::Running,
        };
        for page in 0..5_000 {
            call.note("GET /a");
            call.note(&format!("GET /b?page={page}"));
        }
        assert_eq!((call.requests, call.native.len()), (10_000, KEPT_NATIVE));
        assert_eq!(call.native[..3], ["GET /a", "GET /b?page=0", "GET /b?page=1"]);
    }
}
