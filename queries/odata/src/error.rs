//! What can be wrong with an OData request. It names the culprit and, for the URL, the character; it knows no status codes.

use thiserror::Error;

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ODataErrorKind {
    /// The request is not well-formed or does not fit the model.
    BadRequest,
    /// The path leads nowhere.
    NotFound,
    /// A format that no answer is written in.
    NotAcceptable,
    /// Right by the protocol, but not built yet; the message names it.
    NotImplemented,
    /// The protocol forbids this method here, or the caller may not do it.
    NotAllowed,
    /// A continuation that has expired or belongs to another query or model.
    Gone,
}

/// A mistake in an OData request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ODataError {
    /// Kind.
    pub kind: ODataErrorKind,
    /// For a person; names the culprit, never a value that the caller may not see.
    pub message: String,
    /// The query option, path segment or property concerned.
    pub target: Option<String>,
    /// Position in that option or path, in characters from 0.
    pub position: Option<usize>,
}

impl ODataError {
    /// An error of a kind.
    pub fn new(kind: ODataErrorKind, message: impl Into<String>) -> ODataError {
        ODataError { kind, message: message.into(), target: None, position: None }
    }

    /// A request that is not well-formed or does not fit.
    pub fn bad_request(message: impl Into<String>) -> ODataError {
        ODataError::new(ODataErrorKind::BadRequest, message)
    }

    /// A thing that is not built yet.
    pub fn not_implemented(feature: impl std::fmt::Display) -> ODataError {
        ODataError::new(ODataErrorKind::NotImplemented, format!("{feature} is not supported yet"))
    }

    /// Adds what the error is about.
    #[must_use]
    pub fn at(mut self, target: impl Into<String>, position: Option<usize>) -> ODataError {
        self.target = Some(target.into());
        self.position = position;
        self
    }
}
