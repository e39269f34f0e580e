//! The only IO of this kind: the pool, the session's set-up, running a statement, and giving a connection back clean.
//! It must not know the IR: it is given text and bound values.

mod reading;

pub use reading::Reading;

use crate::connecting::Connector;
use crate::errors::{self, Failure};
use crate::statement::{Answer, copy, run};
pub use crate::statement::{Part, Request, types};
use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
    Timeouts,
};
use portico_provider_api::{ConnectContext, Late, Patience, QueryContext, SourceError, SourceErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What every new session is told. A session is read-only by default, so that no read can write by accident; writes open their
/// transaction with `READ WRITE`. A statement is planned for its values each time: a plan for any values, which the server would go over to
/// after some runs, can cost a join many times more. Look-ups by a key, whose best plan is the same for all, have sessions of their own.
const SESSION: &str = "SET TIME ZONE 'UTC'; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; \
     SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET default_transaction_read_only = on; \
     SET plan_cache_mode = force_custom_plan";

/// Prepared statements kept per connection; beyond, the connection forgets all of them and starts again.
pub const CACHED_STATEMENTS: usize = 256;

/// How long a cancelled statement may take to end before its connection is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// The same for connections that look-ups share: whatever the key, the plan is the same.
const SHARED_SESSION: &str = "SET plan_cache_mode = auto";

/// The pool of one source, and how connections are made that are none of the pool's.
#[derive(Clone)]
pub struct Client {
    pool: Pool,
    driver: Arc<tokio_postgres::Config>,
    session: Arc<str>,
    tls: MakeRustlsConnect,
    source_name: String,
    timeout: Duration,
}

/// What is said before a statement, without waiting for an answer in between.
enum Opening {
    /// Nothing: a transaction is open.
    Nothing,
    /// Nothing either: the session has the source's own limit, and a request that has less time is cancelled.
    Session,
    /// A transaction, with a limit of its own.
    Transaction,
}

impl Client {
    /// A client that connects when it is first needed. Of the source's connections so many are not the pool's.
    ///
    /// # Errors
    /// When the pool cannot be built.
    pub fn new(
        driver: tokio_postgres::Config,
        tls: MakeRustlsConnect,
        context: &ConnectContext,
        shared: usize,
    ) -> Result<Client, SourceError> {
        // A connection given back is clean already; whether it is closed is all there is to check.
        let manager = Manager::from_connect(
            driver.clone(),
            Connector::of_pool(tls.clone()),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        // The server counts the time of a slow client, too: it only ends what nobody is there any more to cancel.
        let limit = server_limit(context.request_time);
        let session: Arc<str> = format!("{SESSION}; SET statement_timeout = {limit}").into();
        let own = Arc::clone(&session);
        let pool = Pool::builder(manager)
            .max_size(context.max_connections.saturating_sub(shared).max(1))
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(move |client, _| {
                let session = Arc::clone(&own);
                Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|error| {
                SourceError::new(&context.source_name, SourceErrorKind::Internal, format!("the pool cannot be built: {error}"))
            })?;
        let (source_name, timeout) = (context.source_name.clone(), context.timeout);
        Ok(Client { pool, driver: Arc::new(driver), session, tls, source_name, timeout })
    }

    /// Makes a connection that is none of the pool's, which the runtime that asks for it drives.
    ///
    /// # Errors
    /// What the server says.
    pub async fn connect_to_share(&self) -> Result<ClientWrapper, tokio_postgres::Error> {
        let (client, driven) = Connector::here(self.tls.clone()).connect(&self.driver).await?;
        // Aborts what drives it when it is dropped, before it is set up, too.
        let connection = ClientWrapper::new(client, driven);
        connection.batch_execute(&format!("{}; {SHARED_SESSION}", self.session)).await?;
        Ok(connection)
    }

    /// The configured name of the source.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// When a request must have been answered that has one part only, or has begun to be answered.
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

    /// How long the parts of an answer are waited for.
    ///
    /// # Errors
    /// As [`Client::deadline`].
    pub fn patience(&self, context: &QueryContext) -> Result<Patience, SourceError> {
        self.deadline(context).map(|_| Patience::new(self.timeout, context))
    }

    /// That the server was waited for in vain.
    pub fn late(&self, late: Late) -> SourceError {
        self.timeout_error(&late.to_string())
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
        Ok(self.lent(object))
    }

    /// A connection for work that can do without: only where one can be had without waiting for others.
    pub async fn lease_spare(&self, deadline: Instant) -> Option<Lease> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeouts = Timeouts { wait: Some(Duration::ZERO), create: Some(left), recycle: Some(left) };
        self.pool.timeout_get(&timeouts).await.ok().map(|object| self.lent(object))
    }

    /// How many connections are free or can be made.
    pub fn free_connections(&self) -> usize {
        let status = self.pool.status();
        status.max_size.saturating_sub(status.size.saturating_sub(status.available)).saturating_sub(status.waiting)
    }

    fn lent(&self, object: Object) -> Lease {
        Lease {
            object: Some(object),
            answer: None,
            busy: false,
            in_transaction: false,
            tls: self.tls.clone(),
            runtime: tokio::runtime::Handle::try_current().ok(),
        }
    }

    /// Starts a read and waits for its first row, or for its end. Until then nothing has been handed out, so a connection that
    /// turns out to be broken, or a cached plan that no longer fits its table, is replaced and the read is asked once more.
    ///
    /// # Errors
    /// What the server says, `Timeout`, or `Unavailable`.
    pub async fn read(&self, request: &Request, patience: Patience) -> Result<Reading, SourceError> {
        let (deadline, mut again) = (patience.until(), true);
        loop {
            let mut lease = self.lease(deadline).await?;
            let opening = if request.copied { Opening::Transaction } else { Opening::Session };
            let outcome = tokio::time::timeout_at(deadline, lease.start(request, opening, patience)).await;
            let error = match outcome {
                Err(_) => return Err(self.late(patience.late())),
                Ok(Ok((types, first))) => return Ok(Reading { lease, types, first, waiting: patience.waiting() }),
                Ok(Err(error)) => error,
            };
            if !self.give_up(lease, &error).await || !std::mem::replace(&mut again, false) {
                return Err(self.error(&error));
            }
        }
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
            let error = match tokio::time::timeout_at(
                deadline,
                lease.connection().map_err(|failure| self.error(&failure))?.batch_execute("SELECT 1"),
            )
            .await
            {
                Err(_) => return Err(self.timeout_error("the server did not answer before the deadline")),
                Ok(Ok(())) => {
                    lease.release();
                    return Ok(());
                }
                Ok(Err(error)) => Failure::from(error),
            };
            lease.discard();
            if !self.drop_broken(&error) || !std::mem::replace(&mut again, false) {
                return Err(self.error(&error));
            }
        }
    }

    /// Gives back a connection on which a read failed before anything was handed out; true when asking once more can help.
    pub async fn give_up(&self, mut lease: Lease, error: &Failure) -> bool {
        if self.drop_broken(error) {
            lease.discard();
            return true;
        }
        let stale = error.server().is_some_and(errors::is_stale_plan);
        if stale {
            lease.forget_statements();
        }
        lease.conclude().await;
        stale
    }
}

/// A connection on loan. Dropped while a statement runs or a transaction is open, it ends both at the server and goes back to the pool
/// only when it is known to be clean; else it is closed.
pub struct Lease {
    object: Option<Object>,
    answer: Option<Answer>,
    busy: bool,
    in_transaction: bool,
    tls: MakeRustlsConnect,
    runtime: Option<tokio::runtime::Handle>,
}

impl Lease {
    /// Opens a read-only transaction on a snapshot: one that another transaction shows, or a new one.
    ///
    /// # Errors
    /// What the server says, also when the other transaction has ended.
    pub async fn open_snapshot(&mut self, shown: Option<&str>, patience: Patience) -> Result<(), Failure> {
        self.busy = true;
        self.in_transaction = true;
        let import = shown.map(|id| format!("; SET TRANSACTION SNAPSHOT '{}'", id.replace('\'', "''"))).unwrap_or_default();
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY{}{import}", limit_of(patience));
        self.connection()?.batch_execute(&begin).await?;
        self.busy = false;
        Ok(())
    }

    /// Starts a statement in the transaction that is open.
    ///
    /// # Errors
    /// What the server says.
    pub async fn start_inside(&mut self, request: &Request, patience: Patience) -> Result<(Vec<Type>, Option<Part>), Failure> {
        self.start(request, Opening::Nothing, patience).await
    }

    async fn start(&mut self, request: &Request, opening: Opening, patience: Patience) -> Result<(Vec<Type>, Option<Part>), Failure> {
        self.busy = true;
        let before = match opening {
            Opening::Nothing | Opening::Session => String::new(),
            Opening::Transaction => {
                self.in_transaction = true;
                format!("BEGIN READ ONLY{}", limit_of(patience))
            }
        };
        let (types, answer) = {
            let object = self.connection()?;
            let open = async { if before.is_empty() { Ok(()) } else { object.batch_execute(&before).await } };
            // Sent one after the other without waiting in between.
            // In a transaction that was open already the text is one of many, and is not asked again.
            let once = matches!(opening, Opening::Nothing);
            let (opened, begun) = match request.copied {
                true => futures::join!(open, copy(object, request)),
                false => futures::join!(open, run(object, request, once)),
            };
            opened?;
            begun?
        };
        self.answer = Some(answer);
        let first = self.next().await?;
        Ok((types, first))
    }

    /// The next part of the answer; `None` at its end. After that, and after a failure, the connection takes the next statement.
    ///
    /// # Errors
    /// What the server says.
    pub async fn next(&mut self) -> Result<Option<Part>, Failure> {
        let Some(answer) = &mut self.answer else { return Ok(None) };
        let part = answer.next().await;
        // An error ends the statement as well.
        if !matches!(part, Ok(Some(_))) {
            self.answer = None;
            self.busy = false;
        }
        Ok(part?)
    }

    /// Ends the transaction, if one is open, and gives the connection back.
    pub async fn conclude(&mut self) {
        self.answer = None;
        if self.in_transaction {
            // A transaction that has failed is rolled back by this, too.
            let ended = match &self.object {
                Some(object) => tokio::time::timeout(CANCEL_PATIENCE, object.batch_execute("COMMIT")).await,
                None => return,
            };
            if !matches!(ended, Ok(Ok(()))) {
                return self.discard();
            }
        }
        self.release();
    }

    /// The same without waiting for the server: whoever has the last row needs nothing more from it.
    pub fn leave(&mut self) {
        self.answer = None;
        let (true, Some(runtime)) = (self.in_transaction, &self.runtime) else { return self.release() };
        let rest = Lease {
            object: self.object.take(),
            answer: None,
            busy: true,
            in_transaction: true,
            tls: self.tls.clone(),
            runtime: self.runtime.clone(),
        };
        self.busy = false;
        self.in_transaction = false;
        runtime.spawn(async move {
            let mut rest = rest;
            rest.conclude().await;
        });
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

    /// Marks the end of work inside a transaction that stays open.
    ///
    /// # Errors
    /// None: it says what was found.
    pub fn still<T>(&mut self, found: T) -> Result<T, Failure> {
        self.busy = false;
        Ok(found)
    }

    /// Gives the connection back: no statement runs and no transaction is open on it.
    pub fn release(&mut self) {
        self.busy = false;
        self.in_transaction = false;
        self.answer = None;
        if let Some(object) = self.object.take()
            && object.statement_cache.size() > CACHED_STATEMENTS
        {
            object.statement_cache.clear();
        }
    }

    /// Closes the connection.
    pub fn discard(&mut self) {
        self.busy = false;
        self.answer = None;
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
        let (busy, in_transaction) = (self.busy, self.in_transaction);
        if !busy && !in_transaction {
            return;
        }
        let (answer, tls) = (self.answer.take(), self.tls.clone());
        let Some(runtime) = &self.runtime else {
            drop(Object::take(object));
            return;
        };
        runtime.spawn(async move {
            let mut clean = !busy || stopped(&object, answer, tls).await;
            if clean && in_transaction {
                clean = matches!(tokio::time::timeout(CANCEL_PATIENCE, object.batch_execute("ROLLBACK")).await, Ok(Ok(())));
            }
            if !clean {
                tracing::debug!("a dropped statement did not end by its cancellation: its connection is closed");
                drop(Object::take(object));
            }
        });
    }
}

/// Cancels what runs. Only a statement that ended because of the cancellation has used it up: otherwise it may still arrive, and would
/// hit the connection's next statement.
async fn stopped(object: &Object, answer: Option<Answer>, tls: MakeRustlsConnect) -> bool {
    let token = object.cancel_token();
    let cancelled = tokio::time::timeout(CANCEL_PATIENCE, token.cancel_query(tls)).await;
    match (cancelled, answer) {
        (Ok(Ok(())), Some(answer)) => tokio::time::timeout(CANCEL_PATIENCE, drain(answer)).await.unwrap_or(false),
        _ => false,
    }
}

/// Reads to the end; true when the end was the cancellation.
async fn drain(mut answer: Answer) -> bool {
    loop {
        match answer.next().await {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => return error.code().is_some_and(|code| code.code() == "57014"),
        }
    }
}

/// At least one: zero would mean no limit to the server.
pub fn milliseconds_until(deadline: Instant) -> u128 {
    server_limit(deadline.saturating_duration_since(Instant::now()))
}

fn server_limit(time: Duration) -> u128 {
    time.as_millis().clamp(1, i32::MAX as u128)
}

/// What tells the server how long the statements of a read may take at most: what is left of the whole request, because it counts the time of a
/// slow client, too.
fn limit_of(patience: Patience) -> String {
    patience.left().map(|left| format!("; SET LOCAL statement_timeout = {}", server_limit(left))).unwrap_or_default()
}
