//! What travels with a query: who asks, until when, with which limits. The first part is serialisable, the second is not.

use crate::error::SourceError;
use crate::pace::PaceHandle;
use crate::source::NativeRequest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Caps on one source query; zero means none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Rows.
    pub max_rows: u64,
    /// Bytes of Arrow data.
    pub max_bytes: u64,
}

/// The serialisable part: it can be sent to another process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestInfo {
    /// Request id, for logs and source comments.
    pub request_id: String,
    /// Name of the principal, for audit.
    pub principal: String,
    /// Deadline in milliseconds since 1970-01-01T00:00:00Z.
    pub deadline_unix_ms: Option<u64>,
    /// Caps.
    pub limits: Limits,
}

/// The bearer token that the caller showed, for sources that are asked in the caller's own name. It is never printed and never serialised. An
/// answer that was read with it belongs to that caller: whoever keeps answers tells them apart by it.
#[derive(Clone, PartialEq, Eq)]
pub struct CallerToken(Arc<str>);

impl CallerToken {
    /// Wraps a token.
    pub fn new(token: &str) -> CallerToken {
        CallerToken(token.into())
    }

    /// The token itself. Whoever asks for it sees to it that it goes to the source and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CallerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerToken(…)")
    }
}

/// In whose name a source is asked, where it is to know that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Caller {
    /// In that of a caller who showed no token of his own.
    #[default]
    WithoutToken,
    /// In that of the caller who showed this.
    Token(CallerToken),
    /// In the gateway's own: it reads the schema, or finds out whether the source answers.
    Gateway,
}

/// Called with every native request just before it is sent.
pub type RequestObserver = Arc<dyn Fn(&NativeRequest) + Send + Sync>;

/// What travels with a query.
#[derive(Clone, Default)]
pub struct QueryContext {
    /// The serialisable part.
    pub request: RequestInfo,
    /// Sees each native request as it is sent (process-local).
    pub observer: Option<RequestObserver>,
    /// Where the source is asked so many times in a time only (process-local); see [`QueryContext::turn`].
    pub pace: Option<PaceHandle>,
    /// In whose name a source is asked ([`Source::asks_as_caller`](crate::Source::asks_as_caller)) (process-local).
    pub caller: Caller,
}

impl fmt::Debug for QueryContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryContext").field("request", &self.request).finish_non_exhaustive()
    }
}

impl QueryContext {
    /// The time left until the deadline: `None` without one, zero when it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = UNIX_EPOCH + Duration::from_millis(self.request.deadline_unix_ms?);
        Some(deadline.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO))
    }

    /// Waits until a native request may be sent. A kind does so before each one that it sends for a query, the first included.
    ///
    /// # Errors
    /// `Throttled` when its turn would not come in time; nothing is sent then.
    pub async fn turn(&self) -> Result<(), SourceError> {
        match &self.pace {
            Some(pace) => pace.turn().await,
            None => Ok(()),
        }
    }

    /// The same in the gateway's own name: for what a query needs to know first that is not its caller's alone, such as the schema.
    #[must_use]
    pub fn as_gateway(&self) -> QueryContext {
        QueryContext { caller: Caller::Gateway, ..self.clone() }
    }

    /// Tells the observer, if there is one.
    pub fn sending(&self, request: &NativeRequest) {
        if let Some(observer) = &self.observer {
            observer(request);
        }
    }
}
