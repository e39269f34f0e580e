//! The pool: at most as many connections as allowed, opened when needed and used again, each only ever used on a thread that may block.
//! Whoever waits for such a thread can stop it. It must not know the IR or rows.

use crate::config::OdbcConfig;
use crate::errors::Failure;
use crate::server::Server;
use crate::session::Session;
use portico_provider_api::{ConnectContext, Late, Patience, QueryContext, SourceError, SourceErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long work that shall stop may go on by itself before the database is told.
const STOP_BY_ITSELF: Duration = Duration::from_millis(20);
/// How often the database is told to stop a statement, and how long it then has.
const STOP_ATTEMPTS: usize = 10;
const STOP_PATIENCE: Duration = Duration::from_millis(500);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why work on a connection failed.
pub enum Failed {
    /// The driver or the database.
    Driver(Failure),
    /// Something else.
    Source(SourceError),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Failed {
        Failed::Driver(failure)
    }
}

impl From<odbc_api::Error> for Failed {
    fn from(error: odbc_api::Error) -> Failed {
        Failed::Driver(Failure::of(&error))
    }
}

impl From<SourceError> for Failed {
    fn from(error: SourceError) -> Failed {
        Failed::Source(error)
    }
}

/// What work on a connection is given and gives back.
pub trait Work: Send + 'static {
    /// The outcome.
    type Outcome: Send + 'static;

    /// Does it. The outcome comes with whether the connection may serve others afterwards.
    ///
    /// # Errors
    /// What failed.
    fn run(&mut self, session: &Session) -> Result<(Self::Outcome, bool), Failed>;

    /// Whether nothing has been handed out, so that it can be done once more on another connection.
    fn repeatable(&self) -> bool;
}

/// Work whose outcome is handed out at its end.
struct Whole<T, F: FnMut(&Session) -> Result<T, Failed>>(F);

impl<T: Send + 'static, F: FnMut(&Session) -> Result<T, Failed> + Send + 'static> Work for Whole<T, F> {
    type Outcome = T;

    fn run(&mut self, session: &Session) -> Result<(T, bool), Failed> {
        (self.0)(session).map(|outcome| (outcome, true))
    }

    fn repeatable(&self) -> bool {
        true
    }
}

/// The connections of one source.
pub struct Client {
    pub config: OdbcConfig,
    pub source_name: String,
    timeout: Duration,
    request_time: Duration,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
    server: OnceLock<Server>,
}

impl Client {
    /// A client that connects when it is first needed.
    pub fn new(config: OdbcConfig, context: &ConnectContext) -> Client {
        Client {
            config,
            source_name: context.source_name.clone(),
            timeout: context.timeout,
            request_time: context.request_time,
            slots: Arc::new(Semaphore::new(context.max_connections.max(1))),
            idle: Mutex::default(),
            server: OnceLock::new(),
        }
    }

    /// What is at the other end, once it has been asked.
    pub fn server(&self) -> Option<Server> {
        self.server.get().copied()
    }

    /// An error of this source.
    pub fn error(&self, kind: SourceErrorKind, message: &str) -> SourceError {
        crate::error(&self.source_name, kind, message)
    }

    /// When a request must have been answered that has one part only, or has begun to be answered.
    ///
    /// # Errors
    /// `Timeout` when it already is: nothing must be asked any more.
    pub fn deadline(&self, context: &QueryContext) -> Result<Instant, SourceError> {
        match context.remaining() {
            Some(Duration::ZERO) => Err(self.error(SourceErrorKind::Timeout, "the deadline had passed before the database was asked")),
            Some(remaining) => Ok(Instant::now() + remaining.min(self.timeout)),
            None => Ok(Instant::now() + self.timeout),
        }
    }

    /// How long the parts of an answer are waited for.
    ///
    /// # Errors
    /// As [`Client::deadline`].
    pub fn patience(&self, context: &QueryContext) -> Result<Patience, SourceError> {
        self.deadline(context).map(|_| Patience::new(self.timeout, context))
    }

    /// How long a read may take at the database, which counts the time of a slow client, too: what is left of the whole request.
    pub fn server_limit(&self, patience: Patience) -> Duration {
        patience.left().unwrap_or(self.request_time)
    }

    /// That the database was waited for in vain.
    pub fn late(&self, late: Late) -> SourceError {
        self.error(SourceErrorKind::Timeout, &late.to_string())
    }

    /// Asks what is at the other end.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn learn(self: &Arc<Client>, context: &QueryContext) -> Result<Server, SourceError> {
        self.run(context, |session| Ok(session.server)).await
    }

    /// Does work to its end.
    ///
    /// # Errors
    /// What failed, or `Timeout`.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Client>,
        context: &QueryContext,
        work: impl FnMut(&Session) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, SourceError> {
        let deadline = self.deadline(context)?;
        let (_running, thread) = self.start(deadline, Whole(work)).await?;
        match tokio::time::timeout_at(deadline, thread).await {
            Ok(ended) => ended.unwrap_or_else(|_| Err(self.ended())),
            Err(_) => Err(self.error(SourceErrorKind::Timeout, "the database did not answer before the deadline")),
        }
    }

    /// That a thread ended without saying so, which is a bug here or in a driver.
    pub fn ended(&self) -> SourceError {
        self.error(SourceErrorKind::Internal, "the driver's thread ended unexpectedly")
    }

    /// Waits for a connection to be free and does the work on a thread of its own. What is returned stops the work when it is dropped.
    ///
    /// # Errors
    /// `Timeout` when no connection became free.
    pub async fn start<W: Work>(
        self: &Arc<Client>,
        deadline: Instant,
        work: W,
    ) -> Result<(Running, tokio::task::JoinHandle<Result<W::Outcome, SourceError>>), SourceError> {
        let permit = match tokio::time::timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(self.error(SourceErrorKind::Internal, "the pool is not usable")),
            Err(_) => return Err(self.error(SourceErrorKind::Timeout, "no connection became free before the deadline")),
        };
        let stop = Arc::new(Stop::default());
        let (client, shared) = (Arc::clone(self), Arc::clone(&stop));
        let runtime = tokio::runtime::Handle::current();
        let thread = tokio::task::spawn_blocking(move || client.work(permit, &shared, deadline, work));
        Ok((Running { stop, client: Arc::clone(self), runtime }, thread))
    }

    fn work<W: Work>(&self, permit: OwnedSemaphorePermit, stop: &Stop, deadline: Instant, mut work: W) -> Result<W::Outcome, SourceError> {
        // Whatever happens here, who stops it must learn that it is over. The place in the pool is free only then.
        let _finish = Finish(stop, Some(permit));
        loop {
            let kept = locked(&self.idle).pop();
            let reused = kept.is_some();
            let session = match kept {
                Some(session) => session,
                None => self.open(deadline)?,
            };
            // Who gave up while a connection was made would not be heard once the statement runs.
            if !stop.begin(session.number) {
                locked(&self.idle).push(session);
                return Err(self.error(SourceErrorKind::Timeout, "the request was given up"));
            }
            match work.run(&session) {
                Ok((outcome, reusable)) => {
                    // What was stopped may be told so once more: nobody else may use the connection then.
                    if stop.end() && reusable {
                        locked(&self.idle).push(session);
                    }
                    return Ok(outcome);
                }
                Err(Failed::Source(error)) => return Err(error),
                Err(Failed::Driver(failure)) => {
                    if failure.is_of_connection() {
                        // After a restart of the database every idle connection is as broken as this one.
                        let broken = std::mem::take(&mut *locked(&self.idle));
                        drop(broken);
                        if reused && work.repeatable() && stop.end() {
                            continue;
                        }
                    }
                    if Instant::now() >= deadline {
                        return Err(self.error(SourceErrorKind::Timeout, "the database did not answer before the deadline"));
                    }
                    return Err(failure.describe(&self.source_name));
                }
            }
        }
    }

    fn open(&self, deadline: Instant) -> Result<Session, SourceError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let session = Session::open(&self.config, self.server(), left).map_err(|failure| {
            let mut error = failure.describe(&self.source_name);
            if error.kind == SourceErrorKind::Internal {
                error.kind = SourceErrorKind::Unavailable;
                error.message = format!("the data source cannot be connected to (SQLSTATE '{}')", failure.state);
            }
            error
        })?;
        if *self.server.get_or_init(|| session.server) != session.server {
            return Err(
                self.error(SourceErrorKind::SchemaChanged, "the data source has become another database product: restart the gateway")
            );
        }
        Ok(session)
    }

    /// Has the database stop work that does not stop by itself.
    fn stop(&self, stop: &Stop) {
        std::thread::sleep(STOP_BY_ITSELF);
        for _ in 0..STOP_ATTEMPTS {
            let (Some(server), Some(number)) = (self.server(), stop.number()) else { return };
            if Session::stop(&self.config, server, number).is_err() {
                tracing::debug!("a statement could not be stopped at the database");
            }
            let until = std::time::Instant::now() + STOP_PATIENCE;
            while std::time::Instant::now() < until {
                if stop.number().is_none() {
                    return;
                }
                std::thread::sleep(STOP_BY_ITSELF);
            }
        }
    }
}

#[derive(Default)]
struct StopState {
    stopped: bool,
    /// Of the connection on which work is under way.
    number: Option<u64>,
    under_way: bool,
}

/// Shared by the thread that works and those who may stop it.
#[derive(Default)]
pub struct Stop(Mutex<StopState>);

impl Stop {
    /// Work begins on the connection of that number; false when it shall not.
    fn begin(&self, number: Option<u64>) -> bool {
        let mut state = locked(&self.0);
        if state.stopped {
            return false;
        }
        state.number = number;
        state.under_way = true;
        true
    }

    /// Nothing runs any more; true when it was not stopped.
    fn end(&self) -> bool {
        let mut state = locked(&self.0);
        state.number = None;
        state.under_way = false;
        !state.stopped
    }

    /// The connection on which work is still under way.
    fn number(&self) -> Option<u64> {
        locked(&self.0).number
    }

    /// Asks for the work to stop; true when some is under way that the database can be told to stop.
    fn stop(&self) -> bool {
        let mut state = locked(&self.0);
        state.stopped = true;
        state.under_way && state.number.is_some()
    }
}

struct Finish<'a>(&'a Stop, Option<OwnedSemaphorePermit>);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.end();
        drop(self.1.take());
    }
}

/// Work that is under way; dropping it stops the work.
pub struct Running {
    stop: Arc<Stop>,
    client: Arc<Client>,
    runtime: tokio::runtime::Handle,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.stop.stop() {
            let (client, stop) = (Arc::clone(&self.client), Arc::clone(&self.stop));
            self.runtime.spawn_blocking(move || client.stop(&stop));
        }
    }
}
