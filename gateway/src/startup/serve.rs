//! `portico serve`: opens the doors, keeps the model, and stops in order. It must not know what is answered.
//!
//! Order of a start: certificates are read and addresses are taken (a wrong one stops the start at once), the operators' door opens, sources are introspected,
//! the model is published, the other doors open. Order of a stop: `/ready` says no, the doors accept nothing new, running requests
//! end within the grace period or are cancelled.

use crate::config::Config;
use crate::http::connections;
use crate::startup::keeper::Keeper;
use crate::startup::{Gateway, StartError, assemble, tls};
use rustls::ServerConfig;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Open doors; each ends when it has stopped.
type Doors = JoinSet<Result<(), StartError>>;

/// Serves until a signal asks to stop.
///
/// # Errors
/// Why the gateway does not start.
pub async fn run(config: Config) -> Result<(), StartError> {
    tls::install_provider();
    crate::telemetry::install(config.gateway.log_level, config.gateway.log_format);
    let certificates = tls::load(&config)?;
    let http = bind(&config.gateway.http.listen, "HTTP")?;
    let flight = config.gateway.flight.as_ref().map(|flight| bind(&flight.listen, "Flight")).transpose()?;
    let admin = bind(&config.gateway.admin_listen, "admin")?;
    if !config.gateway.token_key_configured {
        tracing::warn!("there is no gateway.token_key: continuation links and Flight tokens end with this process");
    }
    let gateway = Arc::new(assemble(config)?);
    let stop = CancellationToken::new();
    let mut doors = Doors::new();
    // The operators' door stays open until the others have ended: a stop can be watched.
    let mut operators = Doors::new();
    operators.spawn(serve_admin(Arc::clone(&gateway), admin, stop.clone()));
    gateway.keeper.introspect().await;
    gateway.keeper.publish()?;
    doors.spawn(serve_http(Arc::clone(&gateway), http, certificates.http, stop.clone()));
    if let Some(listener) = flight {
        doors.spawn(serve_flight(Arc::clone(&gateway), listener, certificates.flight, stop.clone()));
    }
    let watch = tokio::spawn(Keeper::watch(Arc::clone(&gateway.keeper), stop.clone()));
    let outcome = until_stopped(&mut doors, &mut operators).await;
    stop.cancel();
    let grace = gateway.config.gateway.grace;
    tracing::info!(grace_s = grace.as_secs(), "stopping: running requests may end");
    // A little longer than the doors' own grace, which end by themselves.
    let finished = async { while doors.join_next().await.is_some() {} };
    if tokio::time::timeout(grace + Duration::from_secs(1), finished).await.is_err() {
        tracing::warn!("the grace period is over: what still runs is cancelled");
        doors.shutdown().await;
    }
    watch.abort();
    operators.shutdown().await;
    tracing::info!("stopped");
    outcome
}

/// Serves OData beside the gateway of this process until it is told to stop: for systems that are only played. It has one door, `listener`, and no
/// operators. What it returns ends when it has stopped.
///
/// # Errors
/// Why it does not start.
pub async fn beside(
    config: Config,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<JoinHandle<Result<(), StartError>>, StartError> {
    tls::install_provider();
    listener.set_nonblocking(true).map_err(|error| StartError::Door(format!("a door cannot be opened: {error}")))?;
    let gateway = Arc::new(assemble(config)?);
    gateway.keeper.introspect().await;
    gateway.keeper.publish()?;
    Ok(tokio::spawn(connections::serve(gateway, listener, None, stop)))
}

/// Waits for a signal, or for a door that fails.
async fn until_stopped(doors: &mut Doors, operators: &mut Doors) -> Result<(), StartError> {
    let ended = tokio::select! {
        outcome = signal() => return outcome,
        ended = doors.join_next() => ended,
        ended = operators.join_next() => ended,
    };
    match ended {
        Some(Ok(Err(error))) => Err(error),
        Some(Ok(Ok(()))) | None => Err(StartError::System("a door closed by itself".to_owned())),
        Some(Err(_)) => Err(StartError::System("a door's task ended unexpectedly".to_owned())),
    }
}

/// Waits for a signal to stop.
///
/// # Errors
/// When signals cannot be received.
pub async fn signal() -> Result<(), StartError> {
    let failed = |error: std::io::Error| StartError::System(format!("signals cannot be received: {error}"));
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            outcome = tokio::signal::ctrl_c() => outcome.map_err(failed),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failed)
}

fn bind(listen: &str, door: &str) -> Result<TcpListener, StartError> {
    let failed = |error: std::io::Error| StartError::Door(format!("the {door} door cannot listen on {listen}: {error}"));
    let listener = TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn announce(door: &'static str, listener: &TcpListener, encrypted: bool) {
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(door, address, tls = encrypted, "the door is open");
}

async fn serve_admin(gateway: Arc<Gateway>, listener: TcpListener, stop: CancellationToken) -> Result<(), StartError> {
    announce("admin", &listener, false);
    let failed = |error: std::io::Error| StartError::Door(format!("the admin door failed: {error}"));
    let service = crate::admin::router(gateway, stop).into_make_service();
    axum_server::from_tcp(listener).map_err(failed)?.serve(service).await.map_err(failed)
}

async fn serve_http(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    announce("http", &listener, tls.is_some());
    connections::serve(gateway, listener, tls, stop).await
}

async fn serve_flight(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    announce("flight", &listener, identity.is_some());
    let listener =
        tokio::net::TcpListener::from_std(listener).map_err(|error| StartError::Door(format!("the Flight door failed: {error}")))?;
    crate::flight::serve(gateway, listener, identity, stop).await
}
