//! The only IO of this kind: the pool, the session's set-up, running a statement, and giving a connection back clean.
//! It must not know the IR: it is given text and bound values.

use crate::encode::Bound;
use crate::errors::{self, Failure};
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use futures::TryStreamExt;
use portico_provider_api::{ConnectContext, QueryContext, SourceError, SourceErrorKind};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::{Row, RowStream, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What every new session is told. A session is read-only by default, so that no read can write by accident; writes open their
/// transaction with `READ WRITE`.
const SESSION: &str = "SET TIME ZONE 'UTC'; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; \
     SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET default_transaction_read_only = on";

/// Prepared statements kept per connection; beyond, the connection forgets all of them and starts again.
const CACHED_STATEMENTS: usize = 256;

/// How long a cancelled statement may take to end before its connection is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// The pool of one source.
#[derive(Clone)]
pub struct Client {
    pool: Pool,
    tls: MakeRustlsConnect,
    source_name: String,
    timeout: Duration,
}

/// Text and bound values of one statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// SQL with `$n` placeholders.
    pub text: String,
    /// The value of each placeholder.
    pub parameters: Vec<Bound>,
}

impl Client {
    /// A client that connects when it is first needed.
    ///
    /// # Errors
    /// When the pool cannot be built.
    pub fn new(driver: tokio_postgres::Config, tls: MakeRustlsConnect, context: &ConnectContext) -> Result<Client, SourceError> {
        // A connection given back is clean already; whether it is closed is all there is to check.
        let manager = Manager::from_config(driver, tls.clone(), ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(context.max_connections.max(1))
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|error| {
                SourceError::new(&context.source_name, SourceErrorKind::Internal, format!("the pool cannot be built: {error}"))
            })?;
        Ok(Client { pool, tls, source_name: context.source_name.clone(), timeout: context.timeout })
    }

    /// The configured name of the source.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// When the request's time is up.
    ///
    /// # Errors
    /// `Timeout` when it already is: nothing must be asked any more.
    pub fn deadline(&self, context: &QueryContext) -> Result<Instant, SourceError> {
        match context.remaining() {
            Some(Duration::ZERO) => Err(self.timeout_error("the deadline had passed before the server was asked")),
            Some(remaining) => Ok(Instant::now() + remaining.min(self.timeout)),
            None => Ok(Instant::now() + self.timeout),
        }
    }

    /// A `Timeout` of this source.
    pub fn timeout_error(&self, message: &str) -> SourceError {
        SourceError::new(&self.source_name, SourceErrorKind::Timeout, message)
    }

    /// A failure of work on a connection, for the caller.
    pub fn error(&self, failure: &Failure) -> SourceError {
        failure.describe(&self.source_name)
    }

    /// Whether the connection itself failed, so that asking again on a new one can help. After a restart of the server every idle
    /// connection is as broken as this one: they are all dropped.
    pub fn drop_broken(&self, failure: &Failure) -> bool {
        let broken = failure.is_of_connection();
        if broken {
            self.pool.retain(|_, _| false);
        }
        broken
    }

    /// Takes a connection, waiting for one until the deadline.
    ///
    /// # Errors
    /// `Timeout` when none became free, `Unavailable` or `Credentials` when none can be made.
    pub async fn lease(&self, deadline: Instant) -> Result<Lease, SourceError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeouts = Timeouts { wait: Some(left), create: Some(left), recycle: Some(left) };
        let object = self.pool.timeout_get(&timeouts).await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => self.timeout_error("no connection became free before the deadline"),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                self.timeout_error("the server did not answer before the deadline")
            }
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                errors::from_driver(&self.source_name, &error)
            }
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                SourceError::new(&self.source_name, SourceErrorKind::Internal, "the pool is not usable")
            }
        })?;
        Ok(Lease {
            object: Some(object),
            rows: None,
            busy: false,
            tls: self.tls.clone(),
            runtime: tokio::runtime::Handle::try_current().ok(),
        })
    }

    /// Starts a read and waits for its first row, or for its end. Until then nothing has been handed out, so a connection that
    /// turns out to be broken, or a cached plan that no longer fits its table, is replaced and the read is asked once more.
    ///
    /// # Errors
    /// What the server says, `Timeout`, or `Unavailable`.
    pub async fn read(&self, request: &Request, deadline: Instant) -> Result<Reading, SourceError> {
        let mut again = true;
        loop {
            let mut lease = self.lease(deadline).await?;
            let outcome = tokio::time::timeout_at(deadline, lease.start(request, deadline)).await;
            let error = match outcome {
                Err(_) => return Err(self.timeout_error("the server did not answer before the deadline")),
                Ok(Ok((statement, first))) => return Ok(Reading { lease, statement, first, deadline }),
                Ok(Err(error)) => error,
            };
            let broken = self.drop_broken(&error);
            let stale = error.server().is_some_and(errors::is_stale_plan);
            if broken {
                lease.discard();
            } else {
                if stale {
                    lease.forget_statements();
                }
                lease.release();
            }
            if !(again && (broken || stale)) {
                return Err(self.error(&error));
            }
            again = false;
        }
    }
}

/// A connection on loan. Dropped while a statement runs, it cancels the statement at the server and goes back to the pool only
/// when it is known to be clean; else it is closed.
pub struct Lease {
    object: Option<Object>,
    rows: Option<Pin<Box<RowStream>>>,
    busy: bool,
    tls: MakeRustlsConnect,
    runtime: Option<tokio::runtime::Handle>,
}

/// A read that has begun.
pub struct Reading {
    lease: Lease,
    /// The prepared statement: it knows the type of each column.
    pub statement: Statement,
    /// The first row, when there is one.
    pub first: Option<Row>,
    deadline: Instant,
}

impl Reading {
    /// The next row, `None` at the end, which gives the connection back.
    ///
    /// # Errors
    /// What the server says, or `Timeout`.
    pub async fn next(&mut self, client: &Client) -> Result<Option<Row>, SourceError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match tokio::time::timeout_at(self.deadline, self.lease.next()).await {
            Err(_) => Err(client.timeout_error("the deadline passed while rows were read")),
            Ok(Err(error)) => Err(client.error(&error)),
            Ok(Ok(row)) => Ok(row),
        }
    }
}

impl Lease {
    async fn start(&mut self, request: &Request, deadline: Instant) -> Result<(Statement, Option<Row>), Failure> {
        self.busy = true;
        let (statement, rows) = {
            let object = self.connection()?;
            let limit = format!("SET statement_timeout = {}", milliseconds_until(deadline));
            // Sent one after the other without waiting in between.
            let run = async {
                let statement = object.prepare_cached(&request.text).await?;
                let rows = object.query_raw(&statement, &request.parameters).await?;
                Ok::<_, tokio_postgres::Error>((statement, rows))
            };
            let (limited, run) = futures::join!(object.batch_execute(&limit), run);
            limited?;
            run?
        };
        self.rows = Some(Box::pin(rows));
        let first = self.next().await?;
        Ok((statement, first))
    }

    async fn next(&mut self) -> Result<Option<Row>, Failure> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let row = rows.try_next().await;
        // An error ends the statement as well: the server waits for the next one.
        if !matches!(row, Ok(Some(_))) {
            self.release();
        }
        Ok(row?)
    }

    /// The connection.
    ///
    /// # Errors
    /// When it was given back already.
    pub fn connection(&self) -> Result<&Object, Failure> {
        self.object.as_ref().ok_or(Failure::GivenBack)
    }

    /// Marks the begin of work whose end is not known until [`Lease::release`].
    pub fn begin(&mut self) {
        self.busy = true;
    }

    /// Gives the connection back: no statement runs and no transaction is open on it.
    pub fn release(&mut self) {
        self.busy = false;
        self.rows = None;
        if let Some(object) = self.object.take()
            && object.statement_cache.size() > CACHED_STATEMENTS
        {
            object.statement_cache.clear();
        }
    }

    /// Closes the connection.
    pub fn discard(&mut self) {
        self.busy = false;
        self.rows = None;
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }

    fn forget_statements(&self) {
        if let Some(object) = &self.object {
            object.statement_cache.clear();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if !self.busy {
            return;
        }
        let (rows, tls) = (self.rows.take(), self.tls.clone());
        let Some(runtime) = &self.runtime else {
            drop(Object::take(object));
            return;
        };
        runtime.spawn(async move {
            let token = object.cancel_token();
            let cancelled = tokio::time::timeout(CANCEL_PATIENCE, token.cancel_query(tls)).await;
            let drained = match (cancelled, rows) {
                (Ok(Ok(())), Some(rows)) => tokio::time::timeout(CANCEL_PATIENCE, drain(rows)).await.unwrap_or(false),
                _ => false,
            };
            // Only a statement that ended because of the cancellation has used it up: otherwise it may still arrive, and would hit
            // the connection's next statement.
            if !drained {
                tracing::debug!("a dropped statement did not end by its cancellation: its connection is closed");
                drop(Object::take(object));
            }
        });
    }
}

/// Reads to the end; true when the end was the cancellation.
async fn drain(mut rows: Pin<Box<RowStream>>) -> bool {
    loop {
        match rows.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => return error.code().is_some_and(|code| code.code() == "57014"),
        }
    }
}

/// At least one: zero would mean no limit to the server.
pub fn milliseconds_until(deadline: Instant) -> u128 {
    deadline.saturating_duration_since(Instant::now()).as_millis().clamp(1, i32::MAX as u128)
}
