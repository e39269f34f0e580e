//! Tokens against forged requests, as SAP's systems want them with each change: fetched once for a session, by one caller for all, and fetched anew when they
//! are rejected. It must not know what is changed.

use super::{Again, Errand, Failed, WebClient, failure_body};
use crate::address::Address;
use crate::auth::Session;
use crate::request::{Expects, Request};
use crate::retry;
use portico_provider_api::SourceErrorKind;
use reqwest::header::{HeaderName, HeaderValue};

/// Header of the token.
pub(super) const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

impl WebClient {
    /// The token against forged requests of a session: the one that is there, or a new one, which one caller fetches for all.
    pub(super) async fn csrf(&self, session: &Session, place: &Address, errand: &Errand<'_>) -> Result<HeaderValue, Failed> {
        let mut token = match errand.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, session.csrf.lock()).await.map_err(|_| self.reporter.late(false))?,
            None => session.csrf.lock().await,
        };
        if let Some(token) = token.as_ref() {
            return Ok(token.clone());
        }
        let request = Request::get(place.clone()).expecting(Expects::Anything);
        let mut outgoing = self.outgoing(&request, place, true);
        outgoing.headers.insert(CSRF, HeaderValue::from_static("Fetch"));
        let shown = self.authorized(&mut outgoing, Some(session), errand).await?;
        let turn = self.turn(errand).await?;
        errand.context.sending(&request.native());
        let incoming = self.transported(outgoing, errand, &request).await?;
        session.keep(&incoming.headers, place.url());
        let (status, headers) = (incoming.status, incoming.headers.clone());
        // It is read to its end, so that the connection can be used again.
        let body = failure_body(incoming, errand.deadline).await;
        drop(turn);
        let reporter = self.credentials.hiding(&self.reporter, &shown, errand.context);
        if !status.is_success() {
            let again = if retry::is_passing(status) { Again::Later } else { Again::Never };
            return Err(Failed { error: reporter.status(status, &headers, &body, true), again });
        }
        let given = headers.get(CSRF).filter(|value| !value.is_empty() && !value.as_bytes().eq_ignore_ascii_case(b"required"));
        let missing =
            || reporter.error(SourceErrorKind::Malformed, "the server gives no X-CSRF-Token: check 'csrf.path', or leave 'csrf' out");
        let mut given = given.cloned().ok_or_else(missing)?;
        given.set_sensitive(true);
        *token = Some(given.clone());
        Ok(given)
    }
}

/// Forgets a token that was rejected, unless another caller has fetched a new one meanwhile.
pub(super) async fn forget_csrf(session: &Session, rejected: Option<&HeaderValue>) {
    let mut token = session.csrf.lock().await;
    if token.as_ref() == rejected {
        *token = None;
    }
}
