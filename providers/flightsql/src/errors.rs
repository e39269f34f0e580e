//! What a gRPC status means for the caller. A server's message may hold texts of statements, values of rows and names of users: only what
//! is known to hold none of them is passed on, which is what a gateway like this one says. Whose message it is, the message itself cannot
//! tell: that is asked before. Pure.

use arrow_flight::error::FlightError;
use portico_provider_api::{Retry, SourceError, SourceErrorKind};
use std::error::Error as _;
use std::time::Duration;
use tonic::{Code, Status};

/// What a message of a gateway like this one begins with, and what it means here.
const GATEWAY_CODES: &[(&str, SourceErrorKind)] = &[
    ("InvalidRequest", SourceErrorKind::Internal),
    ("InvalidSyntax", SourceErrorKind::Internal),
    ("UnknownName", SourceErrorKind::SchemaChanged),
    ("Unauthenticated", SourceErrorKind::Credentials),
    ("Forbidden", SourceErrorKind::Credentials),
    ("NotFound", SourceErrorKind::SchemaChanged),
    ("DataError", SourceErrorKind::Data),
    ("ReadOnly", SourceErrorKind::Unsupported),
    ("NotImplemented", SourceErrorKind::Unsupported),
    ("LimitExceeded", SourceErrorKind::Unsupported),
    ("PayloadTooLarge", SourceErrorKind::Unsupported),
    ("Overloaded", SourceErrorKind::Throttled),
    ("NotReady", SourceErrorKind::Unavailable),
    ("Timeout", SourceErrorKind::Timeout),
    ("SourceUnavailable", SourceErrorKind::Unavailable),
    ("SourceTimeout", SourceErrorKind::Timeout),
    ("SourceCredentials", SourceErrorKind::Credentials),
    ("SourceThrottled", SourceErrorKind::Throttled),
    ("SourceMalformed", SourceErrorKind::Malformed),
    ("SourceSchemaChanged", SourceErrorKind::SchemaChanged),
    ("Conflict", SourceErrorKind::Conflict),
    ("Internal", SourceErrorKind::Internal),
];

/// The error for a person, from what the server, or the way to it, said. Only a server that is known to be a gateway like this one is taken at
/// its word.
pub fn describe(source_name: &str, status: &Status, is_gateway: bool) -> SourceError {
    let said = if is_gateway { from_gateway(status) } else { None };
    let (kind, message) = said.unwrap_or_else(|| in_general(status));
    let mut error = SourceError::new(source_name, kind, message).with_code(format!("{:?}", status.code()));
    if let Some(after) = retry_after(status)
        && matches!(error.retry, Retry::After(_))
    {
        error.retry = Retry::After(Some(after));
    }
    // A certificate does not become trusted by waiting.
    if error.kind == SourceErrorKind::Unavailable && certificate(status).is_some() {
        error.retry = Retry::Never;
    }
    error
}

/// The same, for what reading an answer says.
pub fn of_answer(source_name: &str, error: &FlightError, is_gateway: bool) -> SourceError {
    match error {
        FlightError::Tonic(status) => describe(source_name, status, is_gateway),
        _ => SourceError::new(source_name, SourceErrorKind::Malformed, "the server's answer is not an Arrow stream"),
    }
}

/// Whether the connection failed before anything was answered, so that asking again on a new one can help.
pub fn is_of_connection(status: &Status) -> bool {
    certificate(status).is_none()
        && matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled)
        && reasons(status).any(|error| error.is::<tonic::transport::Error>() || error.downcast_ref::<std::io::Error>().is_some())
}

fn from_gateway(status: &Status) -> Option<(SourceErrorKind, String)> {
    let (code, message) = status.message().split_once(": ")?;
    let (_, kind) = GATEWAY_CODES.iter().find(|(name, _)| *name == code)?;
    // What it says of the gateway that asks would sound to this one's client as if it were said of him.
    let message =
        if code == "Unauthenticated" { format!("the server rejected the gateway's credentials: {message}") } else { message.to_owned() };
    Some((kind.clone(), message))
}

fn in_general(status: &Status) -> (SourceErrorKind, String) {
    let own = |kind: SourceErrorKind, text: &str| (kind, text.to_owned());
    match status.code() {
        Code::Unavailable | Code::Unknown if status.source().is_some() => (SourceErrorKind::Unavailable, unreachable(status)),
        Code::Unavailable => own(SourceErrorKind::Unavailable, "the server is not available"),
        Code::DeadlineExceeded => own(SourceErrorKind::Timeout, "the server did not answer before the deadline"),
        Code::Cancelled => own(SourceErrorKind::Timeout, "the request was stopped, because its time was up or the server stopped it"),
        Code::Unauthenticated => own(SourceErrorKind::Credentials, "the server rejected the gateway's credentials"),
        Code::PermissionDenied => own(SourceErrorKind::Credentials, "the gateway's user lacks a right at the server"),
        Code::ResourceExhausted => own(SourceErrorKind::Throttled, "the server takes no more requests, or the answer is too large for it"),
        Code::Aborted => own(SourceErrorKind::Conflict, "another request was there first"),
        Code::NotFound => own(SourceErrorKind::SchemaChanged, "a table or column is not at the server"),
        Code::OutOfRange => own(SourceErrorKind::Data, "a value made the server fail"),
        Code::Unimplemented => own(SourceErrorKind::Unsupported, "the server does not support what it was asked"),
        Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists => {
            own(SourceErrorKind::Internal, "the server refused the statement")
        }
        Code::DataLoss => own(SourceErrorKind::Malformed, "the server lost data"),
        Code::Ok | Code::Unknown | Code::Internal => own(SourceErrorKind::Internal, "the server failed"),
    }
}

/// Why, and why that, as far as it is known.
fn reasons(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(status.source(), |error| (*error).source())
}

/// What the chain of reasons says of a certificate.
fn certificate(status: &Status) -> Option<String> {
    reasons(status).map(ToString::to_string).filter(|text| text.contains("certificate")).last()
}

/// Why a server cannot be reached. The reasons are the system's and the TLS library's own, which know nothing of the request.
fn unreachable(status: &Status) -> String {
    if let Some(reason) = certificate(status) {
        return format!("the server's certificate is not trusted ({reason}): name its authority in 'tls.ca'");
    }
    let system = reasons(status).filter_map(|error| error.downcast_ref::<std::io::Error>()).last();
    match system {
        Some(reason) => format!("the server cannot be reached: {reason}"),
        None => "the server cannot be reached, or the connection to it was lost".to_owned(),
    }
}

/// When the server says to come back, if it does.
fn retry_after(status: &Status) -> Option<Duration> {
    let text = status.metadata().get("retry-after")?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_says_what_it_is() {
        let of = |code, message: &str| describe("east", &Status::new(code, message), true);
        let down = of(Code::Unavailable, "SourceUnavailable: source 'billing': the server cannot be reached: Connection refused");
        assert_eq!(down.kind, SourceErrorKind::Unavailable);
        assert_eq!(down.to_string(), "source 'east': source 'billing': the server cannot be reached: Connection refused");
        assert_eq!(of(Code::Unavailable, "SourceCredentials: source 'billing': no").kind, SourceErrorKind::Credentials);
        assert_eq!(of(Code::InvalidArgument, "DataError: division by zero").kind, SourceErrorKind::Data);
        assert_eq!(of(Code::InvalidArgument, "UnknownName: there is no table 'x'").kind, SourceErrorKind::SchemaChanged);
        let refused = of(Code::Unauthenticated, "Unauthenticated: the user name or the password is wrong");
        assert!(refused.kind == SourceErrorKind::Credentials && refused.message.contains("the gateway's credentials"), "{refused}");
        let large = of(Code::ResourceExhausted, "LimitExceeded: more than 10 rows");
        assert_eq!((large.kind, large.retry), (SourceErrorKind::Unsupported, Retry::Never));
        assert_eq!(of(Code::ResourceExhausted, "Overloaded: too many requests").kind, SourceErrorKind::Throttled);
    }

    #[test]
    fn what_another_server_says_is_not_passed_on() {
        for code in (0..=16).map(Code::from_i32) {
            let error = describe("east", &Status::new(code, "near 'hunter2': syntax error"), true);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert!(!error.message.is_empty());
            // Nor does it become a gateway by beginning like one.
            let alike = describe("east", &Status::new(code, "UnknownName: column 'hunter2'"), false);
            assert_eq!((&alike.kind, &alike.message), (&error.kind, &error.message));
        }
        let of = |code| describe("east", &Status::new(code, ""), false).kind;
        assert_eq!(of(Code::Unauthenticated), SourceErrorKind::Credentials);
        assert_eq!(of(Code::DeadlineExceeded), SourceErrorKind::Timeout);
        assert_eq!(of(Code::Unimplemented), SourceErrorKind::Unsupported);
        assert_eq!(of(Code::Unavailable), SourceErrorKind::Unavailable);
    }

    #[test]
    fn advice_to_wait_is_kept() {
        let mut status = Status::new(Code::ResourceExhausted, "");
        status.metadata_mut().insert("retry-after", "7".parse().unwrap());
        assert_eq!(describe("east", &status, false).retry, Retry::After(Some(Duration::from_secs(7))));
    }
}
