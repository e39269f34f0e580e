//! The only IO of this kind: the pool, and giving a connection back clean or stopping what runs on it.
//! It must not know the IR: it is given deadlines and hands out sessions.

use crate::config::DriverOptions;
use crate::errors::Failure;
use crate::session::Session;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use portico_provider_api::{ConnectContext, Late, Patience, QueryContext, Retry, SourceError, SourceErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long stopping a statement and closing its connection may take.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may take to be made at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The pool of one source. Connections are made when they are first needed.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    driver: DriverOptions,
    source_name: String,
    timeout: Duration,
    request_time: Duration,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
}

impl Client {
    /// A client that connects when it is first needed.
    pub fn new(driver: DriverOptions, context: &ConnectContext) -> Client {
        Client {
            shared: Arc::new(Shared {
                driver,
                source_name: context.source_name.clone(),
                timeout: context.timeout,
                request_time: context.request_time,
                slots: Arc::new(Semaphore::new(context.max_connections.max(1))),
                idle: Mutex::default(),
            }),
        }
    }

    /// The configured name of the source.
    pub fn source_name(&self) -> &str {
        &self.shared.source_name
    }

    /// When a request must have been answered that has one part only, or has begun to be answered.
    ///
    /// # Errors
    /// `Timeout` when it already is: nothing must be asked any more.
    pub fn deadline(&self, context: &QueryContext) -> Result<Instant, SourceError> {
        match context.remaining() {
            Some(Duration::ZERO) => Err(self.timeout_error("the deadline had passed before the server was asked")),
            Some(remaining) => Ok(Instant::now() + remaining.min(self.shared.timeout)),
            None => Ok(Instant::now() + self.shared.timeout),
        }
    }

    /// How long the parts of an answer are waited for.
    ///
    /// # Errors
    /// As [`Client::deadline`].
    pub fn patience(&self, context: &QueryContext) -> Result<Patience, SourceError> {
        self.deadline(context).map(|_| Patience::new(self.shared.timeout, context))
    }

    /// How long a read may take at the server, which counts the time of a slow client, too: what is left of the whole request.
    pub fn server_limit(&self, patience: Patience) -> Duration {
        patience.left().unwrap_or(self.shared.request_time)
    }

    /// That the server was waited for in vain.
    pub fn late(&self, late: Late) -> SourceError {
        self.timeout_error(&late.to_string())
    }

    /// A `Timeout` of this source.
    pub fn timeout_error(&self, message: &str) -> SourceError {
        SourceError::new(self.source_name(), SourceErrorKind::Timeout, message)
    }

    /// An error of this source.
    pub fn error(&self, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        SourceError::new(self.source_name(), kind, message)
    }

    /// Whether the connection itself failed, so that asking again on a new one can help. After a restart of the server every idle
    /// connection is as broken as this one: they are all dropped.
    pub fn drop_broken(&self, failure: &Failure) -> bool {
        let broken = failure.is_of_connection();
        if broken {
            let idle = std::mem::take(&mut *self.idle());
            drop(idle);
        }
        broken
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection, waiting for one until the deadline.
    ///
    /// # Errors
    /// `Timeout` when none became free, `Unavailable` or `Credentials` when none can be made.
    pub async fn lease(&self, deadline: Instant) -> Result<Lease, SourceError> {
        let slots = Arc::clone(&self.shared.slots);
        let permit = match tokio::time::timeout_at(deadline, slots.acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(self.error(SourceErrorKind::Internal, "the pool is not usable")),
            Err(_) => return Err(self.timeout_error("no connection became free before the deadline")),
        };
        let idle = self.idle().pop();
        let session = match idle {
            Some(session) => session,
            None => self.open(deadline).await?,
        };
        Ok(Lease {
            session: Some(session),
            permit: Some(permit),
            busy: false,
            client: self.clone(),
            runtime: tokio::runtime::Handle::try_current().ok(),
        })
    }

    /// Asks whether the server answers, on a connection of the pool.
    ///
    /// # Errors
    /// When it does not, or no connection can be had.
    pub async fn probe(&self, deadline: Instant) -> Result<(), SourceError> {
        let mut again = true;
        loop {
            let mut lease = self.lease(deadline).await?;
            lease.begin();
            let session = lease.session().map_err(|failure| failure.describe(self.source_name()))?;
            let failure = match tokio::time::timeout_at(deadline, session.conn.ping()).await {
                Err(_) => return Err(self.timeout_error("the server did not answer before the deadline")),
                Ok(Ok(())) => {
                    lease.release();
                    return Ok(());
                }
                Ok(Err(error)) => Failure::Driver(error),
            };
            lease.discard();
            if !self.drop_broken(&failure) || !std::mem::replace(&mut again, false) {
                return Err(failure.describe(self.source_name()));
            }
        }
    }

    async fn open(&self, deadline: Instant) -> Result<Session, SourceError> {
        let until = deadline.min(Instant::now() + CONNECT_TIMEOUT);
        let opened = tokio::time::timeout_at(until, self.connect(|opts| Box::pin(Session::open(opts)))).await;
        match opened {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(failure)) => {
                let mut error = failure.describe(self.source_name());
                if failure.server().is_some_and(|server| server.code == 1049) {
                    error = self.error(SourceErrorKind::Unavailable, "the database that the url names does not exist");
                    error.retry = Retry::Never;
                }
                Err(error)
            }
            Err(_) if until < deadline => {
                Err(self.error(SourceErrorKind::Unavailable, "the server did not let a connection be made in time"))
            }
            Err(_) => Err(self.timeout_error("the server did not answer before the deadline")),
        }
    }

    /// Connects with encryption, and without where that is allowed and the server offers none.
    async fn connect<T>(&self, open: impl Fn(Opts) -> futures::future::BoxFuture<'static, Result<T, Failure>>) -> Result<T, Failure> {
        let DriverOptions { encrypted, plain } = &self.shared.driver;
        if let Some(opts) = encrypted {
            match open(opts.clone()).await {
                Err(failure) if failure.is_without_tls() && plain.is_some() => {}
                other => return other,
            }
        }
        match plain {
            Some(opts) => open(opts.clone()).await,
            None => Err(Failure::GivenBack),
        }
    }

    /// Stops what runs on a connection, from another one, and closes it.
    async fn stop(&self, session: Session) {
        let id = session.conn.id();
        let killed = self.connect(move |opts| {
            Box::pin(async move {
                let mut other = Conn::new(opts).await?;
                other.query_drop(format!("KILL {id}")).await?;
                other.disconnect().await?;
                Ok(())
            })
        });
        match tokio::time::timeout(STOP_PATIENCE, killed).await {
            Ok(Ok(())) => {}
            // Error 1094: it is gone already.
            Ok(Err(failure)) if failure.server().is_some_and(|server| server.code == 1094) => {}
            _ => tracing::debug!("a statement could not be stopped at the server: its connection is closed"),
        }
        // Not dropped: the driver would read the rest of the answer first.
        let _ = tokio::time::timeout(STOP_PATIENCE, session.conn.disconnect()).await;
    }
}

/// A connection on loan. Dropped while a statement runs, it stops the statement at the server and closes the connection; its place in the
/// pool is free when that is done.
pub struct Lease {
    session: Option<Session>,
    permit: Option<OwnedSemaphorePermit>,
    busy: bool,
    client: Client,
    runtime: Option<tokio::runtime::Handle>,
}

impl Lease {
    /// The connection.
    ///
    /// # Errors
    /// When it was given back already.
    pub fn session(&mut self) -> Result<&mut Session, Failure> {
        self.session.as_mut().ok_or(Failure::GivenBack)
    }

    /// Marks the begin of work whose end is not known until [`Lease::release`].
    pub fn begin(&mut self) {
        self.busy = true;
    }

    /// Gives the connection back: no statement runs and no transaction is open on it.
    pub fn release(&mut self) {
        self.busy = false;
        if let Some(session) = self.session.take() {
            self.client.idle().push(session);
        }
        self.permit = None;
    }

    /// Closes the connection, on which no statement runs any more.
    pub fn discard(&mut self) {
        self.busy = false;
        self.session = None;
        self.permit = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if !self.busy {
            self.client.idle().push(session);
            return;
        }
        let (client, permit) = (self.client.clone(), self.permit.take());
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                client.stop(session).await;
                drop(permit);
            });
        }
    }
}
