//! The one table of failures: a stable code → HTTP status, gRPC code, whether a retry can help. Every failure that a client can see
//! passes here, so that both doors say the same. It must not know how an answer is written.

use crate::flight::retry;
use portico_engine::{EngineError, Written};
use portico_odata::arithmetic::Fault;
use portico_odata::{ODataError, ODataErrorKind};
use portico_provider_api::{Retry, SourceError, SourceErrorKind};
use std::fmt;
use std::time::Duration;

/// Stable codes. A code is documented, never renamed and never reused for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The request is not well-formed, or does not fit the model.
    InvalidRequest,
    /// The statement is not understood.
    InvalidSyntax,
    /// A name does not resolve.
    UnknownName,
    /// No or wrong credentials.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The method does not exist here.
    MethodNotAllowed,
    /// None of the accepted formats can be written.
    NotAcceptable,
    /// A write met an entity in a state that forbids it, or a duplicate key.
    Conflict,
    /// A continuation that is no longer valid.
    Gone,
    /// The entity was changed meanwhile.
    PreconditionFailed,
    /// The body is too large.
    PayloadTooLarge,
    /// The URL is too long.
    UriTooLong,
    /// The body's format is not understood.
    UnsupportedMediaType,
    /// A request of a batch that depends on one that failed.
    FailedDependency,
    /// The write must say which state it means.
    PreconditionRequired,
    /// The values break a rule of the source.
    ConstraintViolated,
    /// A value made the query fail: division by zero, overflow.
    DataError,
    /// SQL that is not a SELECT.
    ReadOnly,
    /// Right, but not built.
    NotImplemented,
    /// A limit would be exceeded.
    LimitExceeded,
    /// Too many requests of this caller at the same time.
    TooManyRequests,
    /// Too many requests at the same time.
    Overloaded,
    /// No model has been published yet, or the process is stopping.
    NotReady,
    /// Not done by the deadline.
    Timeout,
    /// The source is not reachable.
    SourceUnavailable,
    /// The source did not answer in time.
    SourceTimeout,
    /// The source rejected the gateway's credentials.
    SourceCredentials,
    /// The source asks for fewer requests.
    SourceThrottled,
    /// The source's answer is not understood.
    SourceMalformed,
    /// The source's tables are no longer what was published.
    SourceSchemaChanged,
    /// The client went away.
    Cancelled,
    /// A bug.
    Internal,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeEntry {
    /// The code.
    pub code: Code,
    /// Its name, as clients see it.
    pub name: &'static str,
    /// HTTP status.
    pub http: u16,
    /// gRPC code.
    pub grpc: tonic::Code,
    /// Whether the same request may succeed later.
    pub retry: bool,
}

const fn entry(code: Code, name: &'static str, http: u16, grpc: tonic::Code, retry: bool) -> CodeEntry {
    CodeEntry { code, name, http, grpc, retry }
}

/// The table.
pub const CODES: [CodeEntry; 33] = [
    entry(Code::InvalidRequest, "InvalidRequest", 400, tonic::Code::InvalidArgument, false),
    entry(Code::InvalidSyntax, "InvalidSyntax", 400, tonic::Code::InvalidArgument, false),
    entry(Code::UnknownName, "UnknownName", 400, tonic::Code::InvalidArgument, false),
    entry(Code::Unauthenticated, "Unauthenticated", 401, tonic::Code::Unauthenticated, false),
    entry(Code::Forbidden, "Forbidden", 403, tonic::Code::PermissionDenied, false),
    entry(Code::NotFound, "NotFound", 404, tonic::Code::NotFound, false),
    entry(Code::MethodNotAllowed, "MethodNotAllowed", 405, tonic::Code::Unimplemented, false),
    entry(Code::NotAcceptable, "NotAcceptable", 406, tonic::Code::InvalidArgument, false),
    entry(Code::Conflict, "Conflict", 409, tonic::Code::Aborted, false),
    entry(Code::Gone, "Gone", 410, tonic::Code::FailedPrecondition, false),
    entry(Code::PreconditionFailed, "PreconditionFailed", 412, tonic::Code::FailedPrecondition, false),
    entry(Code::PayloadTooLarge, "PayloadTooLarge", 413, tonic::Code::ResourceExhausted, false),
    entry(Code::UriTooLong, "UriTooLong", 414, tonic::Code::InvalidArgument, false),
    entry(Code::UnsupportedMediaType, "UnsupportedMediaType", 415, tonic::Code::InvalidArgument, false),
    entry(Code::FailedDependency, "FailedDependency", 424, tonic::Code::FailedPrecondition, false),
    entry(Code::PreconditionRequired, "PreconditionRequired", 428, tonic::Code::FailedPrecondition, false),
    entry(Code::ConstraintViolated, "ConstraintViolated", 400, tonic::Code::FailedPrecondition, false),
    entry(Code::DataError, "DataError", 400, tonic::Code::InvalidArgument, false),
    entry(Code::ReadOnly, "ReadOnly", 400, tonic::Code::InvalidArgument, false),
    entry(Code::NotImplemented, "NotImplemented", 501, tonic::Code::Unimplemented, false),
    entry(Code::LimitExceeded, "LimitExceeded", 413, tonic::Code::ResourceExhausted, false),
    entry(Code::TooManyRequests, "TooManyRequests", 429, tonic::Code::ResourceExhausted, true),
    entry(Code::Overloaded, "Overloaded", 503, tonic::Code::ResourceExhausted, true),
    entry(Code::NotReady, "NotReady", 503, tonic::Code::Unavailable, true),
    entry(Code::Timeout, "Timeout", 504, tonic::Code::DeadlineExceeded, true),
    entry(Code::SourceUnavailable, "SourceUnavailable", 503, tonic::Code::Unavailable, true),
    entry(Code::SourceTimeout, "SourceTimeout", 504, tonic::Code::DeadlineExceeded, true),
    entry(Code::SourceCredentials, "SourceCredentials", 502, tonic::Code::Unavailable, false),
    entry(Code::SourceThrottled, "SourceThrottled", 503, tonic::Code::ResourceExhausted, true),
    entry(Code::SourceMalformed, "SourceMalformed", 502, tonic::Code::Internal, false),
    entry(Code::SourceSchemaChanged, "SourceSchemaChanged", 502, tonic::Code::FailedPrecondition, false),
    entry(Code::Cancelled, "Cancelled", 499, tonic::Code::Cancelled, false),
    entry(Code::Internal, "Internal", 500, tonic::Code::Internal, false),
];

impl Code {
    /// The row of the table.
    pub fn entry(self) -> CodeEntry {
        // The table is in the order of the enum; a test holds both together.
        CODES[self as usize]
    }

    /// The name, as clients see it.
    pub fn name(self) -> &'static str {
        self.entry().name
    }
}

/// Whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Culprit {
    /// The client's.
    Client,
    /// The gateway's, or its operator's.
    Gateway,
    /// This source's.
    Source(String),
}

/// A failure as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// The code.
    pub code: Code,
    /// For a person.
    pub message: String,
    /// What it is about: a query option, a property, a header.
    pub target: Option<String>,
    /// Whether and after how long a retry can help, where that is known better than by the code.
    pub retry: Option<Retry>,
    /// Whose fault it is.
    pub culprit: Culprit,
    /// The methods that exist, for `MethodNotAllowed`.
    pub allow: Option<&'static str>,
    /// What happened, where an operation had no result for the values that it met.
    pub fault: Option<Fault>,
}

impl RequestError {
    /// A failure.
    pub fn new(code: Code, message: impl Into<String>) -> RequestError {
        let culprit = if code.entry().http >= 500 { Culprit::Gateway } else { Culprit::Client };
        RequestError { code, message: message.into(), target: None, retry: None, culprit, allow: None, fault: None }
    }

    /// Says what it is about.
    #[must_use]
    pub fn about(mut self, target: impl Into<String>) -> RequestError {
        self.target = Some(target.into());
        self
    }

    /// Says which methods exist.
    #[must_use]
    pub fn allowing(mut self, methods: &'static str) -> RequestError {
        self.allow = Some(methods);
        self
    }

    /// Whether the same request may succeed later, and after how long.
    pub fn retry(&self) -> Option<Duration> {
        let entry = self.code.entry();
        match self.retry {
            Some(Retry::Never) => None,
            Some(Retry::After(Some(after))) => Some(after),
            Some(Retry::After(None)) | None => entry.retry.then(|| Duration::from_secs(if entry.http == 504 { 10 } else { 2 })),
        }
    }

    /// The same of a request that has written, or may have: it says so, and nobody is told to send it again.
    #[must_use]
    pub fn having_written(mut self, written: Written) -> RequestError {
        let told = match written {
            Written::Nothing => return self,
            Written::Unknown => "whether the change was made is not known: read it again before it is sent once more",
            Written::Done => "the change was made, only its answer could not be given: do not send it again",
        };
        self.message = format!("{}; {told}", self.message);
        self.retry = Some(Retry::Never);
        self
    }

    /// The failure for a gRPC client: the code's name comes first, so that a program can tell codes of one status apart.
    pub fn to_status(&self) -> tonic::Status {
        let (code, message) = (self.code.entry().grpc, format!("{}: {}", self.code.name(), self.message));
        match self.retry() {
            Some(after) => retry::status(code, &message, after),
            None => tonic::Status::new(code, message),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RequestError {}

impl From<EngineError> for RequestError {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        let fault = error.fault();
        let code = match error {
            EngineError::Source(source) => return RequestError { fault, ..source.into() },
            EngineError::Overloaded(overload) => {
                let code = if overload.own { Code::TooManyRequests } else { Code::Overloaded };
                return RequestError { retry: Some(Retry::After(Some(overload.after))), ..RequestError::new(code, message) };
            }
            EngineError::Arithmetic(_) => Code::DataError,
            EngineError::Syntax(_) => Code::InvalidSyntax,
            EngineError::UnknownName { .. } => Code::UnknownName,
            EngineError::Invalid(_) => Code::InvalidRequest,
            EngineError::Data(_) => Code::DataError,
            EngineError::Unsupported(_) => Code::NotImplemented,
            EngineError::ReadOnly(_) => Code::ReadOnly,
            EngineError::Forbidden(_) => Code::Forbidden,
            EngineError::NotFound(_) => Code::NotFound,
            EngineError::PreconditionFailed(_) => Code::PreconditionFailed,
            EngineError::PreconditionRequired(_) => Code::PreconditionRequired,
            EngineError::Limit(_) => Code::LimitExceeded,
            EngineError::NotReady(_) => Code::NotReady,
            EngineError::Timeout => Code::Timeout,
            EngineError::Internal(_) => Code::Internal,
        };
        RequestError { fault, ..RequestError::new(code, message) }
    }
}

impl From<SourceError> for RequestError {
    fn from(error: SourceError) -> Self {
        let code = match &error.kind {
            SourceErrorKind::Unavailable => Code::SourceUnavailable,
            SourceErrorKind::Timeout => Code::SourceTimeout,
            SourceErrorKind::Credentials => Code::SourceCredentials,
            SourceErrorKind::Throttled => Code::SourceThrottled,
            SourceErrorKind::Conflict => Code::Conflict,
            SourceErrorKind::Constraint { kind, .. } => match kind {
                portico_provider_api::ConstraintKind::Unique | portico_provider_api::ConstraintKind::ForeignKey => Code::Conflict,
                portico_provider_api::ConstraintKind::NotNull | portico_provider_api::ConstraintKind::Check => Code::ConstraintViolated,
            },
            SourceErrorKind::Data => Code::DataError,
            SourceErrorKind::Unsupported => Code::NotImplemented,
            SourceErrorKind::Malformed => Code::SourceMalformed,
            SourceErrorKind::SchemaChanged => Code::SourceSchemaChanged,
            SourceErrorKind::Internal => Code::Internal,
        };
        let mut failure = RequestError::new(code, error.to_string());
        if let SourceErrorKind::Constraint { columns, .. } = &error.kind {
            failure.target = columns.first().cloned();
        }
        failure.retry = Some(error.retry);
        if code.entry().http >= 500 {
            failure.culprit = Culprit::Source(error.source_name);
        }
        failure
    }
}

impl From<ODataError> for RequestError {
    fn from(error: ODataError) -> Self {
        let code = match error.kind {
            ODataErrorKind::BadRequest => Code::InvalidRequest,
            ODataErrorKind::NotFound => Code::NotFound,
            ODataErrorKind::NotAcceptable => Code::NotAcceptable,
            ODataErrorKind::NotImplemented => Code::NotImplemented,
            ODataErrorKind::NotAllowed => Code::MethodNotAllowed,
            ODataErrorKind::Gone => Code::Gone,
        };
        let mut message = error.message;
        if let Some(position) = error.position {
            // Positions count from 0; people count from 1.
            message = format!("{message} (at character {})", position + 1);
        }
        let failure = RequestError::new(code, message);
        RequestError { target: error.target, ..failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_api::ConstraintKind;

    #[test]
    fn the_table_is_complete_and_in_order() {
        for (index, entry) in CODES.iter().enumerate() {
            assert_eq!(entry.code as usize, index, "{} is out of order", entry.name);
            assert_eq!(entry.name, format!("{:?}", entry.code));
        }
        assert_eq!(Code::Internal as usize + 1, CODES.len());
    }

    /// The documented contract: a change here is a change for every client.
    #[test]
    fn the_table_is_golden() {
        let table: String = CODES
            .iter()
            .map(|entry| format!("{} {} {:?} {}\n", entry.name, entry.http, entry.grpc, if entry.retry { "retry" } else { "-" }))
            .collect();
        assert_eq!(
            table,
            "InvalidRequest 400 InvalidArgument -\n\
             InvalidSyntax 400 InvalidArgument -\n\
             UnknownName 400 InvalidArgument -\n\
             Unauthenticated 401 Unauthenticated -\n\
             Forbidden 403 PermissionDenied -\n\
             NotFound 404 NotFound -\n\
             MethodNotAllowed 405 Unimplemented -\n\
             NotAcceptable 406 InvalidArgument -\n\
             Conflict 409 Aborted -\n\
             Gone 410 FailedPrecondition -\n\
             PreconditionFailed 412 FailedPrecondition -\n\
             PayloadTooLarge 413 ResourceExhausted -\n\
             UriTooLong 414 InvalidArgument -\n\
             UnsupportedMediaType 415 InvalidArgument -\n\
             FailedDependency 424 FailedPrecondition -\n\
             PreconditionRequired 428 FailedPrecondition -\n\
             ConstraintViolated 400 FailedPrecondition -\n\
             DataError 400 InvalidArgument -\n\
             ReadOnly 400 InvalidArgument -\n\
             NotImplemented 501 Unimplemented -\n\
             LimitExceeded 413 ResourceExhausted -\n\
             TooManyRequests 429 ResourceExhausted retry\n\
             Overloaded 503 ResourceExhausted retry\n\
             NotReady 503 Unavailable retry\n\
             Timeout 504 DeadlineExceeded retry\n\
             SourceUnavailable 503 Unavailable retry\n\
             SourceTimeout 504 DeadlineExceeded retry\n\
             SourceCredentials 502 Unavailable -\n\
             SourceThrottled 503 ResourceExhausted retry\n\
             SourceMalformed 502 Internal -\n\
             SourceSchemaChanged 502 FailedPrecondition -\n\
             Cancelled 499 Cancelled -\n\
             Internal 500 Internal -\n"
        );
    }

    #[test]
    fn failures_map_to_their_codes() {
        let source = |kind| RequestError::from(EngineError::Source(SourceError::new("crm", kind, "said so")));
        let constraint = |kind| SourceErrorKind::Constraint { kind, columns: vec!["name".to_owned()] };
        let cases = [
            (source(SourceErrorKind::Unavailable), Code::SourceUnavailable),
            (source(SourceErrorKind::Timeout), Code::SourceTimeout),
            (source(SourceErrorKind::Credentials), Code::SourceCredentials),
            (source(SourceErrorKind::Throttled), Code::SourceThrottled),
            (source(SourceErrorKind::Conflict), Code::Conflict),
            (source(constraint(ConstraintKind::Unique)), Code::Conflict),
            (source(constraint(ConstraintKind::ForeignKey)), Code::Conflict),
            (source(constraint(ConstraintKind::NotNull)), Code::ConstraintViolated),
            (source(constraint(ConstraintKind::Check)), Code::ConstraintViolated),
            (source(SourceErrorKind::Data), Code::DataError),
            (source(SourceErrorKind::Unsupported), Code::NotImplemented),
            (source(SourceErrorKind::Malformed), Code::SourceMalformed),
            (source(SourceErrorKind::SchemaChanged), Code::SourceSchemaChanged),
            (source(SourceErrorKind::Internal), Code::Internal),
            (EngineError::Timeout.into(), Code::Timeout),
            (EngineError::ReadOnly("DROP TABLE".to_owned()).into(), Code::ReadOnly),
            (EngineError::Limit("too much".to_owned()).into(), Code::LimitExceeded),
            (ODataError::not_implemented("$apply").into(), Code::NotImplemented),
            (ODataError::new(ODataErrorKind::Gone, "old").into(), Code::Gone),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.code, code, "{failure}");
        }
        assert_eq!(source(SourceErrorKind::Unavailable).culprit, Culprit::Source("crm".to_owned()));
        assert_eq!(source(constraint(ConstraintKind::Unique)).target.as_deref(), Some("name"));
    }

    #[test]
    fn a_source_s_retry_advice_is_passed_on() {
        let mut throttled = SourceError::new("crm", SourceErrorKind::Throttled, "slow down");
        throttled.retry = Retry::After(Some(Duration::from_secs(42)));
        assert_eq!(RequestError::from(throttled).retry(), Some(Duration::from_secs(42)));
        let mut down = SourceError::new("crm", SourceErrorKind::Unavailable, "it is not configured there");
        assert_eq!(RequestError::from(down.clone()).retry(), Some(Duration::from_secs(2)), "as the code says");
        down.retry = Retry::Never;
        assert_eq!(RequestError::from(down).retry(), None, "the source knows better than the code");
        assert_eq!(RequestError::new(Code::Conflict, "x").retry(), None);
        assert_eq!(RequestError::new(Code::NotReady, "x").retry(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn nobody_is_told_to_repeat_what_may_have_been_written() {
        let failure = || RequestError::new(Code::SourceTimeout, "it sent nothing for 30 s");
        assert_eq!(failure().having_written(Written::Nothing), failure());
        for (written, told) in [(Written::Unknown, "is not known"), (Written::Done, "the change was made")] {
            let failure = failure().having_written(written);
            assert_eq!(failure.retry(), None);
            assert!(failure.message.starts_with("it sent nothing for 30 s; ") && failure.message.contains(told), "{failure}");
            assert!(failure.to_status().metadata().get("grpc-retry-pushback-ms").is_none());
        }
    }

    #[test]
    fn an_overload_says_whose_it_is_and_when_to_come_back() {
        let after = Duration::from_secs(3);
        let overload = |own| EngineError::Overloaded(portico_engine::Overload { what: "requests", limit: 4, own, after });
        let (own, all) = (RequestError::from(overload(true)), RequestError::from(overload(false)));
        assert_eq!((own.code, own.retry()), (Code::TooManyRequests, Some(after)));
        assert_eq!((all.code, all.retry()), (Code::Overloaded, Some(after)));
        let status = all.to_status();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "3000");
    }

    #[test]
    fn positions_are_told_from_one() {
        let error = ODataError::bad_request("unexpected 'x'").at("$filter", Some(4));
        let failure = RequestError::from(error);
        assert_eq!((failure.message.as_str(), failure.target.as_deref()), ("unexpected 'x' (at character 5)", Some("$filter")));
    }
}
