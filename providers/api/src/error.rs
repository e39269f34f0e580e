//! How a source fails. It must not know protocols: the gateway maps kinds to HTTP, gRPC and OData.

use std::time::Duration;
use thiserror::Error;

/// Whether asking again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request fails again.
    Never,
    /// The same request may succeed later, after at least this long where the source said so.
    After(Option<Duration>),
}

/// Which rule of the source's data a write broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// Duplicate key.
    Unique,
    /// Reference to a missing row, or removal of a referenced one.
    ForeignKey,
    /// Missing mandatory value.
    NotNull,
    /// A value out of range, too long, or refused by a check.
    Check,
}

/// What kind of failure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// Not reachable, or shutting down.
    Unavailable,
    /// Did not answer before the deadline.
    Timeout,
    /// The gateway's credentials were rejected, or lack a right at the source.
    Credentials,
    /// Too many requests.
    Throttled,
    /// Another writer was there first (serialisation failure, deadlock, version mismatch).
    Conflict,
    /// A write broke a constraint; `columns` are remote names where the source says which.
    Constraint {
        /// Which rule.
        kind: ConstraintKind,
        /// Remote columns concerned.
        columns: Vec<String>,
    },
    /// A value made the source fail: division by zero, overflow, a cast that does not fit.
    Data,
    /// Asked for something outside the capabilities.
    Unsupported,
    /// The answer cannot be understood, is not of the promised type, or is incomplete.
    Malformed,
    /// A remote table or column no longer exists, or changed type.
    SchemaChanged,
    /// A bug in the provider.
    Internal,
}

/// A failure of one source. `message` is for a person and never holds a secret, a connection string or a stack.
#[derive(Debug, Clone, Error)]
#[error("source '{source_name}': {message}")]
pub struct SourceError {
    /// The configured name of the source.
    pub source_name: String,
    /// Kind.
    pub kind: SourceErrorKind,
    /// The source's own message, cleaned.
    pub message: String,
    /// The source's own code (SQLSTATE, HTTP status), where there is one.
    pub native_code: Option<String>,
    /// Whether a retry can help.
    pub retry: Retry,
}

impl SourceError {
    /// An error of a kind, with the retry advice that this kind usually deserves.
    pub fn new(source_name: impl Into<String>, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        let retry = match &kind {
            SourceErrorKind::Unavailable | SourceErrorKind::Timeout | SourceErrorKind::Throttled | SourceErrorKind::Conflict => {
                Retry::After(None)
            }
            SourceErrorKind::Credentials
            | SourceErrorKind::Constraint { .. }
            | SourceErrorKind::Data
            | SourceErrorKind::Unsupported
            | SourceErrorKind::Malformed
            | SourceErrorKind::SchemaChanged
            | SourceErrorKind::Internal => Retry::Never,
        };
        SourceError { source_name: source_name.into(), kind, message: message.into(), native_code: None, retry }
    }

    /// Adds the source's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> SourceError {
        self.native_code = Some(code.into());
        self
    }
}
