//! Change sets in one transaction. The statements come from the shared SQL crate; this runs them and tells outcomes apart.
//! It must not spell SQL beyond opening and closing the transaction.

use crate::client::{Client, Lease};
use crate::errors::{self, Failure};
use crate::introspect::catalog::{index_columns, primary_key};
use crate::rows::RowDecoder;
use crate::session::Session;
use crate::translate::{Translated, bind};
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row};
use portico_provider_api::arrays::value_at;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, Expr, QueryContext, SourceError, SourceErrorKind, TableRelation, Value,
};
use portico_provider_sql::{ChangePlan, Dialect, Statement, TranslateError, change, resolve_references, stored_row};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How often a set is written again that lost a deadlock.
const DEADLOCKS: u64 = 10;

/// Why a set was not written.
enum Stop {
    /// Work on the connection failed.
    Connection(Failure),
    /// Something else failed; the transaction may still be usable.
    Failed(SourceError),
}

impl From<mysql_async::Error> for Stop {
    fn from(error: mysql_async::Error) -> Stop {
        Stop::Connection(Failure::Driver(error))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Connection(failure)
    }
}

/// Applies all changes, or none.
///
/// # Errors
/// See [`SourceErrorKind`]. The effect is unknown only when the commit had been sent.
pub async fn write(client: &Client, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
    write_as(client, changes, context, None).await
}

/// With the dialect of the server, or of another one that the server understands as well.
async fn write_as(
    client: &Client,
    changes: ChangeSet,
    context: &QueryContext,
    dialect: Option<&'static Dialect>,
) -> Result<Vec<ChangeOutcome>, SourceError> {
    let deadline = client.deadline(context)?;
    if changes.changes.is_empty() {
        return Ok(Vec::new());
    }
    for attempt in 0_u64.. {
        match once(client, &changes, context, dialect, deadline).await {
            // The server chose this transaction to end a deadlock and undid all of it: nothing stands in the way of writing it again.
            Err(error) if attempt < DEADLOCKS && error.native_code().is_some_and(|code| code.starts_with("1213 ")) => {
                tokio::time::sleep(Duration::from_millis(5 * attempt)).await;
            }
            outcome => return outcome,
        }
    }
    Err(client.error(SourceErrorKind::Internal, "no attempt to write was made"))
}

async fn once(
    client: &Client,
    changes: &ChangeSet,
    context: &QueryContext,
    dialect: Option<&'static Dialect>,
    deadline: Instant,
) -> Result<Vec<ChangeOutcome>, SourceError> {
    let mut lease = begin(client, deadline).await.map_err(SourceError::without_effect)?;
    let mut at = 0;
    let committing = AtomicBool::new(false);
    let work = run(client, &mut lease, changes, context, dialect, (&mut at, &committing));
    let outcome = tokio::time::timeout_at(deadline, work).await;
    // Without a commit the server rolls back, whatever becomes of the connection.
    let effect = |error: SourceError| if committing.load(Ordering::Relaxed) { error } else { error.without_effect() };
    match outcome {
        // Dropping the lease stops the statement and closes the connection: the server rolls back.
        Err(_) => Err(effect(client.timeout_error("the deadline passed while changes were written"))),
        Ok(Ok(outcomes)) => {
            lease.release();
            Ok(outcomes)
        }
        Ok(Err(Stop::Failed(error))) => {
            roll_back(&mut lease, deadline).await;
            Err(effect(error))
        }
        Ok(Err(Stop::Connection(failure))) => {
            let mut error = failure.describe(client.source_name());
            let Some(server) = failure.server().filter(|_| !client.drop_broken(&failure)) else {
                lease.discard();
                return Err(effect(error));
            };
            let index = errors::broken_index(server);
            if let (Some(index), Some(table)) = (index, changes.changes.get(at).and_then(table_of)) {
                name_columns(&mut lease, &mut error, table, &index, deadline).await;
            }
            roll_back(&mut lease, deadline).await;
            // A server that answers a commit with a failure has undone the changes.
            Err(error.without_effect())
        }
    }
}

fn table_of(change: &Change) -> Option<&TableRelation> {
    match change {
        Change::Insert { table, .. }
        | Change::Update { table, .. }
        | Change::Upsert { table, .. }
        | Change::Delete { table, .. }
        | Change::Link { table, .. }
        | Change::Unlink { table, .. } => Some(table),
        Change::Invoke { .. } => None,
    }
}

/// Opens a transaction. Until then nothing is written, so a pooled connection that turns out to be broken is replaced, once.
async fn begin(client: &Client, deadline: Instant) -> Result<Lease, SourceError> {
    for last in [false, true] {
        let mut lease = client.lease(deadline).await?;
        lease.begin();
        let begun = tokio::time::timeout_at(deadline, open(&mut lease, deadline)).await;
        match begun {
            Err(_) => break,
            Ok(Ok(())) => return Ok(lease),
            Ok(Err(failure)) => {
                lease.discard();
                if last || !client.drop_broken(&failure) {
                    return Err(failure.describe(client.source_name()));
                }
            }
        }
    }
    Err(client.timeout_error("the server did not answer before the deadline"))
}

async fn open(lease: &mut Lease, deadline: Instant) -> Result<(), Failure> {
    let session = lease.session()?;
    session.limit_time(deadline.saturating_duration_since(Instant::now())).await?;
    Ok(session.conn.query_drop("START TRANSACTION READ WRITE").await?)
}

/// Rolls back and gives the connection back; closes it when that fails.
async fn roll_back(lease: &mut Lease, deadline: Instant) {
    let done = match lease.session() {
        Ok(session) => matches!(tokio::time::timeout_at(deadline, session.conn.query_drop("ROLLBACK")).await, Ok(Ok(()))),
        Err(_) => false,
    };
    if done { lease.release() } else { lease.discard() }
}

/// The server names the index; readers want the columns.
async fn name_columns(lease: &mut Lease, error: &mut SourceError, table: &TableRelation, index: &str, deadline: Instant) {
    let SourceErrorKind::Constraint { columns, .. } = &mut error.kind else { return };
    let Ok(session) = lease.session() else { return };
    if let Ok(Ok(found)) = tokio::time::timeout_at(deadline, index_columns(&mut session.conn, &table.table.0, index)).await {
        *columns = found;
    }
}

async fn run(
    client: &Client,
    lease: &mut Lease,
    changes: &ChangeSet,
    context: &QueryContext,
    dialect: Option<&'static Dialect>,
    (at, committing): (&mut usize, &AtomicBool),
) -> Result<Vec<ChangeOutcome>, Stop> {
    let session = lease.session()?;
    let dialect = dialect.unwrap_or_else(|| session.server.dialect());
    let mut transaction = Transaction { client, session, context, dialect };
    let mut outcomes = Vec::with_capacity(changes.changes.len());
    let mut rows: Vec<Option<Vec<Value>>> = Vec::with_capacity(changes.changes.len());
    for (index, item) in changes.changes.iter().enumerate() {
        *at = index;
        let outcome = transaction.apply(item, &rows).await?;
        let done = matches!(outcome, ChangeOutcome::Done { .. });
        rows.push(match &outcome {
            ChangeOutcome::Done { row, .. } => row.clone(),
            ChangeOutcome::NotFound
            | ChangeOutcome::Changed
            | ChangeOutcome::Refused
            | ChangeOutcome::Keyed(_)
            | ChangeOutcome::Returned(_)
            | ChangeOutcome::NotAttempted => None,
        });
        outcomes.push(outcome);
        if !done {
            transaction.session.conn.query_drop("ROLLBACK").await?;
            outcomes.resize(changes.changes.len(), ChangeOutcome::NotAttempted);
            return Ok(outcomes);
        }
    }
    committing.store(true, Ordering::Relaxed);
    match transaction.session.conn.query_drop("COMMIT").await {
        Ok(()) => Ok(outcomes),
        Err(mysql_async::Error::Server(server)) => Err(Stop::Connection(Failure::Driver(mysql_async::Error::Server(server)))),
        Err(_) => Err(Stop::Failed(client.error(SourceErrorKind::Unavailable, "the connection was lost while the changes were committed"))),
    }
}

struct Transaction<'a> {
    client: &'a Client,
    session: &'a mut Session,
    context: &'a QueryContext,
    dialect: &'static Dialect,
}

struct Written {
    row: Option<Vec<Value>>,
    allowed: bool,
}

impl Transaction<'_> {
    fn failed(&self, kind: SourceErrorKind, message: impl Into<String>) -> Stop {
        Stop::Failed(self.client.error(kind, message))
    }

    fn untranslatable(&self, error: TranslateError) -> Stop {
        match error {
            TranslateError::Unsupported(unsupported) => self.failed(SourceErrorKind::Unsupported, unsupported.to_string()),
            TranslateError::Data(message) => self.failed(SourceErrorKind::Data, message),
        }
    }

    fn several(&self) -> Stop {
        self.failed(SourceErrorKind::Internal, "the key names more than one row: nothing was written")
    }

    async fn apply(&mut self, item: &Change, rows: &[Option<Vec<Value>>]) -> Result<ChangeOutcome, Stop> {
        let resolved = resolve_references(item, rows).map_err(|error| self.untranslatable(error))?;
        let plan = change(&resolved, self.dialect).map_err(|error| self.untranslatable(error))?;
        let mut created = matches!(item, Change::Insert { .. } | Change::Link { .. });
        let mut found = if created { Some(self.insert(&resolved, &plan.statement).await?) } else { self.execute(&plan).await? };
        if found.is_none()
            && let Some(otherwise) = &plan.otherwise
        {
            (found, created) = self.insert_instead(&resolved, &plan, otherwise).await?;
        }
        match found {
            Some(Written { allowed: false, .. }) => Ok(ChangeOutcome::Refused),
            Some(Written { row, .. }) => Ok(ChangeOutcome::Done { row, created }),
            None => match &plan.probe {
                Some(probe) if !self.rows(probe).await?.is_empty() => Ok(ChangeOutcome::Changed),
                Some(_) | None => Ok(ChangeOutcome::NotFound),
            },
        }
    }

    /// An upsert's insert. A writer that inserted the same key in the meantime is found by updating once more: the server undoes the
    /// failed statement alone.
    async fn insert_instead(&mut self, item: &Change, plan: &ChangePlan, insert: &Statement) -> Result<(Option<Written>, bool), Stop> {
        let refused = match self.insert(item, insert).await {
            Ok(written) => return Ok((Some(written), true)),
            Err(Stop::Connection(failure)) if failure.server().is_some_and(|server| server.code == 1062) => failure,
            Err(other) => return Err(other),
        };
        match self.execute(plan).await? {
            Some(found) => Ok((Some(found), false)),
            // Another unique key than the one that was asked for is taken.
            None => Err(Stop::Connection(refused)),
        }
    }

    /// Runs an update, a delete or an unlink; `None` when it found no row.
    async fn execute(&mut self, plan: &ChangePlan) -> Result<Option<Written>, Stop> {
        if plan.returning {
            return self.one_row(&plan.statement, plan.requires).await;
        }
        match self.run(&plan.statement).await? {
            0 => Ok(None),
            1 => match &plan.stored {
                Some(stored) => self.stored(stored, plan.requires).await.map(Some),
                None => Ok(Some(Written { row: None, allowed: true })),
            },
            _ => Err(self.several()),
        }
    }

    /// Runs an insert and comes by the row as it is stored.
    async fn insert(&mut self, item: &Change, statement: &Statement) -> Result<Written, Stop> {
        let (table, given, require) = inserted(item);
        let Some(table) = table else { return Err(self.failed(SourceErrorKind::Internal, "nothing to insert into")) };
        if self.dialect.insert_returns {
            let written = self.one_row(statement, require.is_some()).await?;
            return written.ok_or_else(|| self.failed(SourceErrorKind::Malformed, "the server did not return the inserted row"));
        }
        let primary = primary_key(&mut self.session.conn, &table.table.0).await?;
        let mut key = Vec::with_capacity(primary.len());
        let mut numbered = None;
        for column in &primary {
            let position = table.columns.iter().position(|candidate| candidate.name == column.name);
            let value = position.and_then(|position| given.iter().find(|(at, value)| *at == position && !value.is_null()));
            match (position, value) {
                (_, Some((at, value))) => key.push((*at, value.clone())),
                (Some(position), None) if column.numbered && numbered.is_none() => numbered = Some(position),
                _ => {
                    let message = format!("the inserted row could not be read back: give a value for key column '{}'", column.name);
                    return Err(self.failed(SourceErrorKind::Unsupported, message));
                }
            }
        }
        if primary.is_empty() {
            return Err(
                self.failed(SourceErrorKind::Unsupported, "an insert into a table without a primary key, which could not be read back")
            );
        }
        self.run(statement).await?;
        if let Some(position) = numbered {
            let number = self.session.conn.last_insert_id().unwrap_or_default();
            let scalar_type = table.columns.get(position).map(|column| column.scalar_type);
            let number = i64::try_from(number).ok().filter(|number| *number > 0).map(Value::Int64);
            let value = number.zip(scalar_type).and_then(|(number, to)| portico_provider_api::evaluate::cast_value(&number, to).ok());
            let value = value.ok_or_else(|| self.failed(SourceErrorKind::Malformed, "the server did not tell the new row's number"))?;
            key.push((position, value));
        }
        let stored = stored_row(table, &key, require, self.dialect).map_err(|error| self.untranslatable(error))?;
        self.stored(&stored, require.is_some()).await
    }

    /// The row that was just written.
    async fn stored(&mut self, statement: &Statement, requires: bool) -> Result<Written, Stop> {
        let found = self.one_row(statement, requires).await?;
        found.ok_or_else(|| self.failed(SourceErrorKind::Internal, "the written row is not found by its key"))
    }

    async fn one_row(&mut self, statement: &Statement, requires: bool) -> Result<Option<Written>, Stop> {
        let rows = self.rows(statement).await?;
        let row = match rows.as_slice() {
            [] => return Ok(None),
            [row] => row,
            _ => return Err(self.several()),
        };
        // Null is not true: the image is not known to satisfy the rule.
        let allowed = !requires || row.get_opt::<Option<i64>, _>(statement.columns.len()).and_then(Result::ok).flatten() == Some(1);
        let row = self.values(row, statement).map_err(Stop::Failed)?;
        Ok(Some(Written { row: Some(row), allowed }))
    }

    fn request(&self, statement: &Statement) -> Result<Translated, Stop> {
        self.context.sending(&statement.native_request());
        bind(statement.clone()).map_err(|message| self.failed(SourceErrorKind::Data, message))
    }

    /// Runs a statement that returns no rows; how many it found.
    async fn run(&mut self, statement: &Statement) -> Result<u64, Stop> {
        let request = self.request(statement)?;
        self.session.conn.exec_drop(request.text, positional(request.parameters)).await?;
        Ok(self.session.conn.affected_rows())
    }

    async fn rows(&mut self, statement: &Statement) -> Result<Vec<Row>, Stop> {
        let request = self.request(statement)?;
        Ok(self.session.conn.exec(request.text, positional(request.parameters)).await?)
    }

    fn values(&self, row: &Row, statement: &Statement) -> Result<Vec<Value>, SourceError> {
        let source_name = self.client.source_name();
        let scalar_types: Vec<_> = statement.columns.iter().map(|column| column.scalar_type).collect();
        let mut decoder = RowDecoder::new(source_name, statement.columns.clone(), row.columns_ref())?;
        decoder.append(row)?;
        let arrays = decoder.finish()?;
        let values = arrays.iter().zip(scalar_types).map(|(array, scalar_type)| value_at(array.as_ref(), 0, scalar_type));
        values.collect::<Result<_, _>>().map_err(|error| SourceError::new(source_name, SourceErrorKind::Malformed, error.to_string()))
    }
}

fn positional(parameters: Vec<mysql_async::Value>) -> Params {
    if parameters.is_empty() { Params::Empty } else { Params::Positional(parameters) }
}

/// What a change that inserts puts where, and what the row must satisfy.
fn inserted(change: &Change) -> (Option<&TableRelation>, Vec<(usize, Value)>, Option<&Expr>) {
    let known = |values: &[(usize, ChangeValue)]| {
        let given = values.iter().filter_map(|(at, value)| match value {
            ChangeValue::Given(value) => Some((*at, value.clone())),
            ChangeValue::Null | ChangeValue::FromChange { .. } => None,
        });
        given.collect::<Vec<_>>()
    };
    match change {
        Change::Insert { table, values, require } => (Some(table), known(values), require.as_ref()),
        Change::Upsert { table, key, values, require } => {
            // The key's own values win, as in the statement.
            (Some(table), key.iter().cloned().chain(known(values)).collect(), require.as_ref())
        }
        Change::Link { table, values } => (Some(table), values.clone(), None),
        Change::Update { .. } | Change::Delete { .. } | Change::Unlink { .. } | Change::Invoke { .. } => (None, Vec::new(), None),
    }
}

#[cfg(test)]
#[path = "../tests/database/mod.rs"]
mod database;

#[cfg(test)]
mod tests;
