//! The Flight SQL door: statements, prepared statements and catalogue listings over gRPC. Read-only. It must not know how statements
//! are executed.

mod call;
mod handle;
mod listing;
mod parameters;
mod prepared;
pub mod retry;
mod service;
mod stream;
#[cfg(test)]
mod tests;

use crate::startup::{Gateway, StartError};
use arrow_flight::flight_service_server::FlightServiceServer;
use service::FlightSql;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

/// Largest message that is read: a statement, or a batch of parameters.
const MAX_MESSAGE: usize = 16 << 20;

/// Serves until a stop is asked, and then until all requests have ended.
///
/// # Errors
/// When the door cannot be opened.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<(Vec<u8>, Vec<u8>)>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let failed = |error: tonic::transport::Error| StartError::Door(format!("the Flight door failed: {error}"));
    let mut server = Server::builder().http2_keepalive_interval(Some(Duration::from_secs(30)));
    if let Some((certificate, key)) = tls {
        server = server.tls_config(ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))).map_err(failed)?;
    }
    let service = FlightServiceServer::new(FlightSql::new(gateway)?).max_decoding_message_size(MAX_MESSAGE);
    // Set here: the server's own setting is for listeners that it opens itself, and without it every small answer waits for the
    // acknowledgement of the one before.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    server.add_service(service).serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await.map_err(failed)
}
