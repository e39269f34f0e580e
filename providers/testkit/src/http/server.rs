//! The server: accepts connections, counts them, notes every request, and answers as the script and the faults say. It must not know what is
//! asked.

use super::answer::{Answer, End};
use super::connection::{Socket, Wire};
use super::faults::Faults;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as the server has seen it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its number on this server, from 1 on.
    pub number: u64,
    /// The number of its connection, from 1 on.
    pub connection: u64,
    /// Its number on its connection, from 1 on.
    pub on_connection: u64,
    /// When it came.
    pub at: Instant,
    /// Method.
    pub method: String,
    /// Path, as it was sent.
    pub path: String,
    /// Query, as it was sent; empty without one.
    pub raw_query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

impl Request {
    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first parameter of that name, as it was sent.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.raw_query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

struct Shared {
    script: Box<Script>,
    faults: Faults,
    log: Mutex<Vec<Request>>,
    requests: AtomicU64,
    connections: AtomicU64,
    under_way: AtomicU64,
    most_under_way: AtomicU64,
}

/// A server that answers until it is dropped.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no port: a test cannot go on without.
    pub async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static, faults: Faults) -> Server {
        Server::listen(Box::new(script), faults, None).await
    }

    /// The same with TLS.
    ///
    /// # Panics
    /// When there is no port: a test cannot go on without.
    pub async fn start_tls(script: impl Fn(&Request) -> Answer + Send + Sync + 'static, faults: Faults, tls: Arc<ServerConfig>) -> Server {
        Server::listen(Box::new(script), faults, Some(TlsAcceptor::from(tls))).await
    }

    #[allow(clippy::expect_used)]
    async fn listen(script: Box<Script>, faults: Faults, tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on the loopback");
        let address = listener.local_addr().expect("the port that was bound");
        let shared = Arc::new(Shared {
            script,
            faults,
            log: Mutex::default(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            most_under_way: AtomicU64::new(0),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Server { address, scheme, shared, accepting }
    }

    /// Where it is: `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    pub fn log(&self) -> Vec<Request> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many requests were under way at once, at most: from when they came until their answers were sent or given up.
    pub fn most_under_way(&self) -> u64 {
        self.shared.most_under_way.load(Ordering::SeqCst)
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> u64 {
        self.shared.under_way.load(Ordering::SeqCst)
    }

    /// The faults, for what they have counted.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // The connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        connections.spawn(serve(stream, tls.clone(), number, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, number: u64, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket { stream, reset: Arc::clone(&reset) };
    let wire: Box<dyn Wire> = match tls {
        None => Box::new(socket),
        Some(tls) => match tls.accept(socket).await {
            Ok(encrypted) => Box::new(encrypted),
            Err(_) => return,
        },
    };
    let count = AtomicU64::new(0);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let on_connection = count.fetch_add(1, Ordering::SeqCst) + 1;
        answered(request, number, on_connection, Arc::clone(&shared), Arc::clone(&reset))
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(wire), service).await;
}

/// What counts a request as under way until its answer was sent or given up.
struct UnderWay(Arc<Shared>);

impl UnderWay {
    fn new(shared: &Arc<Shared>) -> UnderWay {
        let now = shared.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_under_way.fetch_max(now, Ordering::SeqCst);
        UnderWay(Arc::clone(shared))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

type Parts = StreamBody<BoxStream<'static, Result<Frame<Bytes>, io::Error>>>;

async fn answered(
    request: hyper::Request<Incoming>,
    connection: u64,
    on_connection: u64,
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
) -> Result<hyper::Response<Parts>, io::Error> {
    let under_way = UnderWay::new(&shared);
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Request {
        number: shared.requests.fetch_add(1, Ordering::SeqCst) + 1,
        connection,
        on_connection,
        at,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        raw_query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    };
    shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let answer = shared.faults.answer(&request, shared.script.as_ref());
    tokio::time::sleep(answer.delay).await;
    if answer.end == End::Reset {
        reset.store(true, Ordering::SeqCst);
        return Err(io::Error::other("reset"));
    }
    let closes = shared.faults.close_after.is_some_and(|most| on_connection >= most);
    response(answer, closes, under_way)
}

fn response(answer: Answer, closes: bool, under_way: UnderWay) -> Result<hyper::Response<Parts>, io::Error> {
    let mut builder = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    if closes {
        builder = builder.header("connection", "close");
    }
    if !matches!(answer.end, End::Repeated(_) | End::Silence) && answer.trickle.is_none() {
        builder = builder.header("content-length", answer.body.len());
    }
    let frames = parts(&answer).map(move |part| {
        // It is dropped with the body, whether that was sent or given up.
        let _counted = &under_way;
        part.map(Frame::data)
    });
    builder.body(StreamBody::new(frames.boxed())).map_err(io::Error::other)
}

/// The parts of a body.
fn parts(answer: &Answer) -> BoxStream<'static, Result<Bytes, io::Error>> {
    let body = answer.body.clone();
    let cut_off = || stream::once(async { Err(io::Error::other("cut off")) });
    match answer.end {
        End::Truncated(length) => stream::iter([Ok(body.slice(..length.min(body.len())))])
            .chain(stream::once(async {
                // What was sent must have left before the connection is closed.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(Bytes::new())
            }))
            .chain(cut_off())
            .boxed(),
        End::Repeated(times) => stream::iter(0..times).map(move |_| Ok(body.clone())).boxed(),
        End::Silence => stream::iter([Ok(body)]).chain(stream::pending()).boxed(),
        End::Complete | End::Reset => match answer.trickle {
            None => stream::iter([Ok(body)]).boxed(),
            Some((size, every)) => {
                let parts: Vec<Bytes> =
                    (0..body.len()).step_by(size.max(1)).map(|at| body.slice(at..(at + size.max(1)).min(body.len()))).collect();
                stream::iter(parts)
                    .then(move |part| async move {
                        tokio::time::sleep(every).await;
                        Ok(part)
                    })
                    .boxed()
            }
        },
    }
}
