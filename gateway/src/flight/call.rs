//! One Flight call on its way: who asks, until when, where it is noted.

use crate::error::{Code, RequestError};
use crate::http::current_model;
use crate::identity::{Credentials, KEY_HEADER, Tokens};
use crate::startup::Gateway;
use crate::telemetry::{Door, Outcome, Trace};
use portico_engine::{EngineError, Journal, LocalPermit, Principal, RequestContext, RequestedFreshness};
use portico_provider_api::CallerToken;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tonic::Status;
use tonic::metadata::MetadataMap;

/// How much a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It asks no source and plans nothing: it does not wait for a turn behind those that do.
    Light,
    /// It plans or runs a statement.
    Query,
}

/// One Flight call.
pub struct Call {
    /// What all doors share.
    pub gateway: Arc<Gateway>,
    /// Who asks, until when.
    pub context: RequestContext,
    /// Where it is noted.
    pub trace: Arc<Trace>,
}

impl Call {
    /// A call begins: its caller is known, and a model is published.
    ///
    /// # Errors
    /// `Unauthenticated`, `NotReady`, `Overloaded`, as a status.
    pub async fn begin(gateway: &Arc<Gateway>, metadata: &MetadataMap, method: &'static str, weight: Weight) -> Result<Call, Status> {
        let trace = Trace::begin(&gateway.metrics, Door::Flight, request_id(metadata), method, "");
        match admit(gateway, metadata, &trace, weight).await {
            Ok(context) => Ok(Call { gateway: Arc::clone(gateway), context, trace }),
            Err(error) => Err(failed(&trace, error)),
        }
    }

    /// Ends a call that has no stream, and makes its outcome a gRPC one.
    ///
    /// # Errors
    /// The outcome's.
    pub fn conclude<T>(&self, outcome: Result<T, RequestError>) -> Result<T, Status> {
        match outcome {
            Ok(value) => {
                self.trace.finish(&Outcome::Ok(0));
                Ok(value)
            }
            Err(error) => Err(failed(&self.trace, error)),
        }
    }
}

/// Notes a failure and makes a status of it.
pub fn failed(trace: &Trace, error: RequestError) -> Status {
    let status = error.to_status();
    trace.finish(&Outcome::Failed(error));
    status
}

async fn admit(gateway: &Arc<Gateway>, metadata: &MetadataMap, trace: &Arc<Trace>, weight: Weight) -> Result<RequestContext, RequestError> {
    let (principal, caller) = authenticate(gateway, metadata).await?;
    trace.set_principal(&principal.name);
    current_model(gateway)?;
    let journal = Arc::new(Journal::default());
    trace.set_journal(&journal);
    let longest = gateway.config.gateway.request_time;
    let asked = text(metadata, "grpc-timeout").as_deref().and_then(grpc_timeout);
    let deadline = SystemTime::now() + asked.map_or(longest, |asked| asked.min(longest));
    if weight == Weight::Query {
        let remaining = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        trace.hold(gateway.admission.admit(&principal.name, remaining).await.map_err(EngineError::from)?);
    }
    let (freshness, local) = (RequestedFreshness::AsDeclared, LocalPermit::default());
    Ok(RequestContext { request_id: trace.id.clone(), principal, caller, deadline, freshness, journal, local })
}

/// Who asks: by a token from a handshake, an API key, or user and password; and the token that is his own, if he showed one.
///
/// # Errors
/// `Unauthenticated`.
pub async fn authenticate(gateway: &Gateway, metadata: &MetadataMap) -> Result<(Arc<Principal>, Option<CallerToken>), RequestError> {
    let credentials = Credentials::read(text(metadata, KEY_HEADER).as_deref(), text(metadata, "authorization").as_deref(), None)?;
    match &credentials {
        Credentials::Bearer(token) if Tokens::is_token(token) => {
            let caller = gateway.tokens.caller(token).and_then(|name| gateway.identities.named(&name));
            let expired = || RequestError::new(Code::Unauthenticated, "the token has expired or is not from here: log in again");
            Ok((caller.ok_or_else(expired)?, None))
        }
        _ => {
            let own = credentials.token();
            Ok((gateway.identities.authenticate(credentials).await?, own))
        }
    }
}

fn text(metadata: &MetadataMap, name: &str) -> Option<String> {
    metadata.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn request_id(metadata: &MetadataMap) -> String {
    let sane =
        |id: &String| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    text(metadata, "x-request-id").filter(sane).unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

/// The `grpc-timeout` header: up to eight digits and a unit.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        assert_eq!(grpc_timeout("10S"), Some(Duration::from_secs(10)));
        assert_eq!(grpc_timeout("500m"), Some(Duration::from_millis(500)));
        for bad in ["", "S", "10", "10x", "123456789S", "-1S"] {
            assert_eq!(grpc_timeout(bad), None, "{bad}");
        }
    }
}
