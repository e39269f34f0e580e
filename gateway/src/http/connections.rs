//! The connections of the HTTP door. Each lives on one of a few threads, from its handshake to its end, and so do its look-ups, with the
//! connections on which they ask: a request that one thread reads, asks and answers wakes no other. What may take longer is handed to the threads of
//! the process (see `mod.rs`). It must not know what is asked.

use crate::http;
use crate::startup::{Gateway, StartError};
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A client that never finishes its handshake or its headers must not hold a connection for ever.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const HEADER_TIME: Duration = Duration::from_secs(30);
/// How long nothing is accepted after the system could not give a connection: it has none left, and would say so at once again.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection as it was accepted.
type Accepted = (TcpStream, SocketAddr);

/// What all connections share.
struct Door {
    gateway: Arc<Gateway>,
    tls: Option<TlsAcceptor>,
    protocol: Builder<Spread>,
}

/// A thread of the door.
struct Thread {
    arriving: mpsc::UnboundedSender<Accepted>,
    /// Connections on it.
    open: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

/// Starts what the streams of an HTTP/2 connection do, each on the next thread: one connection may carry the requests of a whole proxy.
#[derive(Clone)]
struct Spread {
    threads: Arc<[Handle]>,
    next: Arc<AtomicUsize>,
}

impl<F> Executor<F> for Spread
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, work: F) {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len().max(1);
        if let Some(thread) = self.threads.get(number) {
            thread.spawn(work);
        }
    }
}

/// Accepts connections until it is stopped; then those that are open may end within the grace period.
///
/// # Errors
/// When threads cannot be started, or the listener cannot be used.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let failed = |error: std::io::Error| StartError::Door(format!("the HTTP door failed: {error}"));
    let threads = start(gateway, tls, &stop).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok(accepted) => give(&threads, accepted)?,
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "the HTTP door cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    for thread in threads {
        drop(thread.arriving);
        // One that has broken off has ended, too.
        let _ = thread.ended.await;
    }
    Ok(())
}

/// Whether it was the connection that failed, not the door.
fn is_of_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Gives a connection to the thread that has the fewest.
fn give(threads: &[Thread], accepted: Accepted) -> Result<(), StartError> {
    let broken = || StartError::Door("a thread of the HTTP door has broken off".to_owned());
    let thread = threads.iter().min_by_key(|thread| thread.open.load(Ordering::Relaxed)).ok_or_else(broken)?;
    thread.open.fetch_add(1, Ordering::Relaxed);
    thread.arriving.send(accepted).map_err(|_| broken())
}

/// Starts the threads.
fn start(gateway: Arc<Gateway>, tls: Option<Arc<ServerConfig>>, stop: &CancellationToken) -> Result<Vec<Thread>, std::io::Error> {
    let count = gateway.config.gateway.http.threads;
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtimes = (0..count).map(|_| runtime()).collect::<Result<Vec<Runtime>, _>>()?;
    let handles: Arc<[Handle]> = runtimes.iter().map(|runtime| runtime.handle().clone()).collect();
    let protocol = protocol(Spread { threads: handles, next: Arc::default() }, gateway.config.gateway.http.max_url);
    let door = Arc::new(Door { tls: tls.map(TlsAcceptor::from), protocol, gateway });
    runtimes.into_iter().map(|runtime| run(runtime, Arc::clone(&door), stop.clone())).collect()
}

/// How connections speak: headers may be as long as the longest URL, compressed ones, too.
fn protocol(spread: Spread, max_url: usize) -> Builder<Spread> {
    const OTHER_HEADERS: usize = 64 << 10;
    let most = u32::try_from(max_url.saturating_add(OTHER_HEADERS)).unwrap_or(u32::MAX);
    let mut protocol = Builder::new(spread);
    protocol.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(most.max(8192 + 1024) as usize);
    protocol.http2().timer(TokioTimer::new()).max_header_list_size(most).keep_alive_interval(HEADER_TIME);
    protocol
}

/// Runs a thread. When its connections have ended it stays, for what other doors still ask on connections of its own, until the process ends.
fn run(runtime: Runtime, door: Arc<Door>, stop: CancellationToken) -> Result<Thread, std::io::Error> {
    let ((arriving, incoming), (over, ended)) = (mpsc::unbounded_channel(), oneshot::channel());
    let open: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&open);
    let thread = std::thread::Builder::new().name("portico-http".to_owned()).stack_size(portico_engine::PLANNER_STACK);
    thread.spawn(move || {
        runtime.block_on(async move {
            connections(door, incoming, counted, stop).await;
            // Nobody waits where the start has failed.
            let _ = over.send(());
            std::future::pending::<()>().await;
        });
    })?;
    Ok(Thread { arriving, open, ended })
}

/// Serves what arrives, until it is stopped; then what is open may end within the grace period.
async fn connections(door: Arc<Door>, mut incoming: mpsc::UnboundedReceiver<Accepted>, open: Arc<AtomicUsize>, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = incoming.recv() => match accepted {
                Some(accepted) => {
                    tasks.spawn(connection(Arc::clone(&door), accepted, graceful.watcher(), Counted(Arc::clone(&open))));
                }
                None => break,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    let ending = async {
        graceful.shutdown().await;
        while tasks.join_next().await.is_some() {}
    };
    // What has not ended by then is cancelled with its task.
    let _ = tokio::time::timeout(door.gateway.config.gateway.grace, ending).await;
}

/// A connection that counts for its thread while it is open.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(door: Arc<Door>, (stream, peer): Accepted, watcher: Watcher, _counted: Counted) {
    let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { return };
    // An answer goes out when it is written. A system that cannot be told so sends it all the same.
    let _ = stream.set_nodelay(true);
    match &door.tls {
        None => speak(&door, stream, peer, watcher).await,
        // A client that does not finish, or speaks something else, is left.
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
                speak(&door, stream, peer, watcher).await;
            }
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(door: &Door, stream: S, peer: SocketAddr, watcher: Watcher) {
    let gateway = Arc::clone(&door.gateway);
    let service = service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(http::handle(gateway, peer, request.map(Body::new)).await) }
    });
    let served = watcher.watch(door.protocol.serve_connection_with_upgrades(TokioIo::new(stream), service));
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection has ended early");
    }
}
