//! Connections: at most as many as allowed, opened when needed and used again. Each is only ever used on a blocking thread; whoever
//! waits for that thread can stop it. It must not know queries.

use crate::config::Config;
use crate::error::source_error;
use crate::functions;
use portico_provider_api::{ConnectContext, Patience, QueryContext, SourceError, SourceErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How often a statement that shall stop is told so: an interrupt that arrives between two statements is lost.
const INTERRUPT_EVERY: Duration = Duration::from_millis(10);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connections of one source.
pub(crate) struct Pool {
    pub(crate) source_name: String,
    path: PathBuf,
    read_only: bool,
    create: bool,
    timeout: Duration,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(crate) fn new(config: &Config, context: &ConnectContext) -> Pool {
        Pool {
            source_name: context.source_name.clone(),
            path: context.base_directory.join(&config.path),
            read_only: config.read_only,
            create: config.create,
            timeout: context.timeout,
            permits: Arc::new(Semaphore::new(context.max_connections.max(1))),
            idle: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn error(&self, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        SourceError::new(self.source_name.clone(), kind, message)
    }

    /// How long the parts of an answer are waited for.
    pub(crate) fn patience(&self, context: &QueryContext) -> Patience {
        Patience::new(self.timeout, context)
    }

    /// Waits for a connection to be free and runs `work` with it on a blocking thread, until `end` at most. The returned handle stops the
    /// work when it is dropped.
    pub(crate) async fn start<T: Send + 'static>(
        self: &Arc<Pool>,
        patience: Patience,
        end: Option<Instant>,
        work: impl FnOnce(&mut Connection, &Stop) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<(Running, tokio::task::JoinHandle<Result<T, SourceError>>), SourceError> {
        if patience.left().is_some_and(|left| left.is_zero()) {
            return Err(self.stopped(Reason::Deadline));
        }
        let deadline = patience.until();
        let waiting = tokio::time::timeout_at(deadline, Arc::clone(&self.permits).acquire_owned());
        let permit = match waiting.await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(self.error(SourceErrorKind::Unavailable, "the source is shutting down")),
            Err(_) => return Err(self.error(SourceErrorKind::Timeout, "no connection became free before the deadline")),
        };
        let stop = Arc::new(Stop::default());
        tokio::spawn(watch(Watching(Arc::clone(&stop)), end));
        let (pool, shared) = (Arc::clone(self), Arc::clone(&stop));
        let thread = tokio::task::spawn_blocking(move || pool.work(permit, &shared, deadline, work));
        Ok((Running(stop), thread))
    }

    /// Runs `work` to its end.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Pool>,
        context: &QueryContext,
        work: impl FnOnce(&mut Connection, &Stop) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let patience = self.patience(context);
        let (_running, thread) = self.start(patience, Some(patience.until()), work).await?;
        thread.await.unwrap_or_else(|_| Err(self.error(SourceErrorKind::Internal, "the source's thread ended unexpectedly")))
    }

    fn work<T>(
        &self,
        permit: OwnedSemaphorePermit,
        stop: &Stop,
        deadline: Instant,
        work: impl FnOnce(&mut Connection, &Stop) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        // Whatever happens here, the watcher must learn that it is over.
        let _finish = Finish(stop);
        let outcome = self.connection(deadline).and_then(|mut connection| {
            stop.arm(connection.get_interrupt_handle());
            let outcome = match stop.reason() {
                Some(reason) => Err(self.stopped(reason)),
                None => work(&mut connection, stop).map_err(|error| self.explained(error, stop, deadline)),
            };
            stop.finish();
            // A connection that something went wrong on is usable again only outside of a transaction.
            if connection.is_autocommit() {
                locked(&self.idle).push(connection);
            }
            outcome
        });
        drop(permit);
        outcome
    }

    fn stopped(&self, reason: Reason) -> SourceError {
        match reason {
            Reason::Deadline => self.error(SourceErrorKind::Timeout, "the deadline passed"),
            Reason::Dropped => self.error(SourceErrorKind::Timeout, "the request was given up"),
        }
    }

    /// An interrupted statement, or one that waited in vain for a lock until the deadline, failed for the reason it was stopped.
    fn explained(&self, error: SourceError, stop: &Stop, deadline: Instant) -> SourceError {
        match (stop.reason(), &error.kind) {
            (Some(reason), SourceErrorKind::Timeout) => self.stopped(reason),
            (_, SourceErrorKind::Conflict) if Instant::now() + INTERRUPT_EVERY >= deadline => {
                self.error(SourceErrorKind::Timeout, "the deadline passed while another connection had the database locked")
            }
            _ => error,
        }
    }

    fn connection(&self, deadline: Instant) -> Result<Connection, SourceError> {
        let kept = locked(&self.idle).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => self.open()?,
        };
        // SQLite sleeps while it waits for a lock, and cannot be interrupted then.
        let wait = deadline.saturating_duration_since(Instant::now());
        connection.busy_timeout(wait).map_err(|error| source_error(&self.source_name, &error))?;
        Ok(connection)
    }

    fn open(&self) -> Result<Connection, SourceError> {
        if !self.create && !self.path.exists() {
            let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            return Err(self.error(SourceErrorKind::Unavailable, format!("the database file '{name}' does not exist")));
        }
        let access = match (self.read_only, self.create) {
            (true, _) => OpenFlags::SQLITE_OPEN_READ_ONLY,
            (false, true) => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            (false, false) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let fail = |error: rusqlite::Error| {
            let error = source_error(&self.source_name, &error);
            // The message of a failed open holds the whole path.
            SourceError { message: error.message.split(": ").next().unwrap_or("cannot open").to_owned(), ..error }
        };
        let connection = Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fail)?;
        let fail = |error: rusqlite::Error| source_error(&self.source_name, &error);
        connection.busy_timeout(self.timeout).map_err(fail)?;
        // A misspelt identifier must not become a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).map_err(fail)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(fail)?;
        let encoding: String = connection.pragma_query_value(None, "encoding", |row| row.get(0)).map_err(fail)?;
        if encoding != "UTF-8" {
            // Text in UTF-16 does not order by code points.
            return Err(self.error(SourceErrorKind::Unsupported, format!("the database holds text as {encoding}; only UTF-8 is supported")));
        }
        functions::register(&connection).map_err(fail)?;
        Ok(connection)
    }
}

/// Why work was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its deadline passed.
    Deadline,
    /// Nobody waits for it any more.
    Dropped,
}

#[derive(Default)]
struct StopState {
    interrupt: Option<InterruptHandle>,
    reason: Option<Reason>,
    finished: bool,
}

/// Shared by the thread that works and those who may stop it.
#[derive(Default)]
pub(crate) struct Stop {
    state: Mutex<StopState>,
    changed: Notify,
}

impl Stop {
    fn arm(&self, interrupt: InterruptHandle) {
        locked(&self.state).interrupt = Some(interrupt);
    }

    /// From here on the connection may serve others: it must not be interrupted any more.
    fn finish(&self) {
        let mut state = locked(&self.state);
        state.interrupt = None;
        state.finished = true;
        drop(state);
        self.changed.notify_one();
    }

    fn stop(&self, reason: Reason) {
        locked(&self.state).reason.get_or_insert(reason);
        self.changed.notify_one();
    }

    /// Why the work shall end, if it shall.
    pub(crate) fn reason(&self) -> Option<Reason> {
        locked(&self.state).reason
    }

    /// Interrupts what runs; true when nothing runs any more.
    fn interrupt(&self) -> bool {
        let state = locked(&self.state);
        if let Some(interrupt) = &state.interrupt {
            interrupt.interrupt();
        }
        state.finished
    }
}

struct Finish<'a>(&'a Stop);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Work that is under way; dropping it stops the work.
pub(crate) struct Running(Arc<Stop>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop(Reason::Dropped);
    }
}

/// Whoever watches over work. A runtime that shuts down drops its tasks and then waits for its blocking threads: work that nobody could end any
/// more is ended from a thread of its own then.
struct Watching(Arc<Stop>);

impl Drop for Watching {
    fn drop(&mut self) {
        let stop = Arc::clone(&self.0);
        if locked(&stop.state).finished {
            return;
        }
        stop.stop(Reason::Dropped);
        let ending = std::thread::Builder::new().name("portico-sqlite-end".to_owned());
        // Where no thread is to be had, one interrupt must do.
        let _unending = ending.spawn(move || {
            while !stop.interrupt() {
                std::thread::sleep(INTERRUPT_EVERY);
            }
        });
        self.0.interrupt();
    }
}

/// Ends the work at its deadline, or when it is dropped.
async fn watch(watching: Watching, end: Option<Instant>) {
    let stop = &watching.0;
    match end {
        Some(end) => {
            if tokio::time::timeout_at(end, stop.changed.notified()).await.is_err() {
                stop.stop(Reason::Deadline);
            }
        }
        None => stop.changed.notified().await,
    }
    while stop.reason().is_some() && !stop.interrupt() {
        tokio::time::sleep(INTERRUPT_EVERY).await;
    }
}
