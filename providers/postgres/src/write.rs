//! Change sets in one transaction. The statements come from the shared SQL crate; this runs them and tells outcomes apart.
//! It must not spell SQL beyond opening and closing the transaction.

use crate::client::{Client, Lease, milliseconds_until};
use crate::errors::{self, Failure};
use crate::introspect::catalog::constraint_columns;
use crate::rows::RowDecoder;
use crate::translate::{Translated, bind};
use portico_provider_api::arrays::value_at;
use portico_provider_api::{Change, ChangeOutcome, ChangeSet, Limits, QueryContext, SourceError, SourceErrorKind, Value};
use portico_provider_sql::{ChangePlan, POSTGRES, ResultColumn, Statement, TranslateError, change, invoke, resolve_references};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// Why a set was not written.
enum Stop {
    /// Work on the connection failed.
    Connection(Failure),
    /// Something else failed; the transaction may still be usable.
    Failed(SourceError),
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Stop {
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
    let deadline = client.deadline(context)?;
    if changes.changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut lease = begin(client, deadline).await.map_err(SourceError::without_effect)?;
    let committing = AtomicBool::new(false);
    let outcome = tokio::time::timeout_at(deadline, run(client, &lease, &changes, context, &committing)).await;
    // Without a commit the server rolls back, whatever becomes of the connection.
    let effect = |error: SourceError| if committing.load(Ordering::Relaxed) { error } else { error.without_effect() };
    match outcome {
        // Dropping the lease cancels the statement and closes the connection: the server rolls back.
        Err(_) => Err(effect(client.timeout_error("the deadline passed while changes were written"))),
        Ok(Ok(outcomes)) => {
            lease.release();
            Ok(outcomes)
        }
        Ok(Err(Stop::Failed(error))) => {
            roll_back(&mut lease, deadline).await;
            Err(effect(error))
        }
        Ok(Err(Stop::Connection(error))) => {
            let mut mapped = client.error(&error);
            let Some(server) = error.server().filter(|_| !client.drop_broken(&error)) else {
                lease.discard();
                return Err(effect(mapped));
            };
            let broken = errors::broken_constraint(server);
            if roll_back(&mut lease, deadline).await
                && let Some(broken) = broken
            {
                name_columns(client, &mut mapped, &broken, deadline).await;
            }
            // A server that answers a commit with a failure has undone the changes.
            Err(mapped.without_effect())
        }
    }
}

/// Opens a transaction. Until then nothing is written, so a pooled connection that turns out to be broken is replaced, once.
async fn begin(client: &Client, deadline: Instant) -> Result<Lease, SourceError> {
    for last in [false, true] {
        let mut lease = client.lease(deadline).await?;
        lease.begin();
        let begin = format!("BEGIN READ WRITE; SET LOCAL statement_timeout = {}", milliseconds_until(deadline));
        let begun = match lease.connection() {
            Ok(object) => tokio::time::timeout_at(deadline, object.batch_execute(&begin)).await,
            Err(failure) => return Err(client.error(&failure)),
        };
        match begun {
            Err(_) => break,
            Ok(Ok(())) => return Ok(lease),
            Ok(Err(error)) => {
                lease.discard();
                let failure = Failure::from(error);
                if last || !client.drop_broken(&failure) {
                    return Err(client.error(&failure));
                }
            }
        }
    }
    Err(client.timeout_error("the server did not answer before the deadline"))
}

/// Rolls back and gives the connection back; closes it when that fails.
async fn roll_back(lease: &mut Lease, deadline: Instant) -> bool {
    let done = match lease.connection() {
        Ok(object) => matches!(tokio::time::timeout_at(deadline, object.batch_execute("ROLLBACK")).await, Ok(Ok(()))),
        Err(_) => false,
    };
    if done {
        lease.release();
    } else {
        lease.discard();
    }
    done
}

/// The server names the constraint; readers want the columns. They come from the catalog: the detail would hold the row's values.
async fn name_columns(client: &Client, error: &mut SourceError, broken: &errors::BrokenConstraint, deadline: Instant) {
    let SourceErrorKind::Constraint { columns, .. } = &mut error.kind else { return };
    if !columns.is_empty() {
        return;
    }
    let Ok(mut lease) = client.lease(deadline).await else { return };
    lease.begin();
    let found = match lease.connection() {
        Ok(object) => tokio::time::timeout_at(deadline, constraint_columns(object, broken)).await,
        Err(_) => return,
    };
    if let Ok(found) = found {
        *columns = found;
        lease.release();
    }
}

async fn run(
    client: &Client,
    lease: &Lease,
    changes: &ChangeSet,
    context: &QueryContext,
    committing: &AtomicBool,
) -> Result<Vec<ChangeOutcome>, Stop> {
    let transaction = Transaction { client, lease, context };
    let mut outcomes = Vec::with_capacity(changes.changes.len());
    let mut rows: Vec<Option<Vec<Value>>> = Vec::with_capacity(changes.changes.len());
    for item in &changes.changes {
        let outcome = transaction.apply(item, &rows).await?;
        let done = matches!(outcome, ChangeOutcome::Done { .. } | ChangeOutcome::Returned(_));
        rows.push(match &outcome {
            ChangeOutcome::Done { row, .. } => row.clone(),
            ChangeOutcome::Returned(rows) => rows.first().cloned(),
            ChangeOutcome::Keyed(_)
            | ChangeOutcome::NotFound
            | ChangeOutcome::Changed
            | ChangeOutcome::Refused
            | ChangeOutcome::NotAttempted => None,
        });
        outcomes.push(outcome);
        if !done {
            lease.connection()?.batch_execute("ROLLBACK").await?;
            outcomes.resize(changes.changes.len(), ChangeOutcome::NotAttempted);
            return Ok(outcomes);
        }
    }
    committing.store(true, Ordering::Relaxed);
    match lease.connection()?.batch_execute("COMMIT").await {
        Ok(()) => Ok(outcomes),
        Err(error) if error.as_db_error().is_none() => Err(Stop::Failed(SourceError::new(
            client.source_name(),
            SourceErrorKind::Unavailable,
            "the connection was lost while the changes were committed",
        ))),
        Err(error) => Err(error.into()),
    }
}

struct Transaction<'a> {
    client: &'a Client,
    lease: &'a Lease,
    context: &'a QueryContext,
}

impl Transaction<'_> {
    fn failed(&self, kind: SourceErrorKind, message: impl Into<String>) -> Stop {
        Stop::Failed(SourceError::new(self.client.source_name(), kind, message))
    }

    fn untranslatable(&self, error: TranslateError) -> Stop {
        match error {
            TranslateError::Unsupported(unsupported) => self.failed(SourceErrorKind::Unsupported, unsupported.to_string()),
            TranslateError::Data(message) => self.failed(SourceErrorKind::Data, message),
        }
    }

    async fn apply(&self, item: &Change, rows: &[Option<Vec<Value>>]) -> Result<ChangeOutcome, Stop> {
        let resolved = resolve_references(item, rows).map_err(|error| self.untranslatable(error))?;
        if let Change::Invoke { operation, arguments } = &resolved {
            let statement = invoke(operation, arguments, &POSTGRES).map_err(|error| self.untranslatable(error))?;
            return self.returned(&statement).await.map(ChangeOutcome::Returned);
        }
        let plan = change(&resolved, &POSTGRES).map_err(|error| self.untranslatable(error))?;
        let mut created = matches!(item, Change::Insert { .. } | Change::Link { .. });
        let mut found = self.execute(&plan, &plan.statement).await?;
        if found.is_none()
            && let Some(otherwise) = &plan.otherwise
        {
            (found, created) = self.insert_instead(&plan, otherwise).await?;
        }
        match found {
            Some(Written { allowed: false, .. }) => Ok(ChangeOutcome::Refused),
            Some(Written { row, .. }) => Ok(ChangeOutcome::Done { row, created }),
            None => match &plan.probe {
                Some(probe) if !self.rows(probe).await?.1.is_empty() => Ok(ChangeOutcome::Changed),
                Some(_) | None => Ok(ChangeOutcome::NotFound),
            },
        }
    }

    /// Calls an operation, and keeps the rows that it returns: as many as the request may have.
    async fn returned(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, Stop> {
        use futures::TryStreamExt;
        let Translated { request, columns } = self.request(statement)?;
        let object = self.lease.connection()?;
        let prepared = object.prepare_cached(&request.text).await?;
        let mut stream = Box::pin(object.query_raw(&prepared, &request.parameters).await?);
        let Limits { max_rows, max_bytes } = self.context.request.limits;
        let over = |sent: u64, most: u64, what: &str| match most > 0 && sent > most {
            true => Err(self.failed(SourceErrorKind::Unsupported, format!("the operation returns more than the allowed {most} {what}"))),
            false => Ok(()),
        };
        let (mut bytes, mut rows) = (0, Vec::new());
        while let Some(row) = stream.try_next().await? {
            bytes += row.raw_size_bytes() as u64;
            over(rows.len() as u64 + 1, max_rows, "rows")?;
            over(bytes, max_bytes, "bytes")?;
            if !columns.is_empty() {
                rows.push(self.values(&row, columns.clone()).map_err(Stop::Failed)?);
            }
        }
        Ok(rows)
    }

    /// An upsert's insert. A writer that inserted the same key in the meantime is found by updating once more; the savepoint keeps
    /// the transaction usable for that.
    async fn insert_instead(&self, plan: &ChangePlan, insert: &Statement) -> Result<(Option<Written>, bool), Stop> {
        let object = self.lease.connection()?;
        object.batch_execute("SAVEPOINT portico_upsert").await?;
        let refused = match self.execute(plan, insert).await {
            Ok(found) => return Ok((found, true)),
            Err(Stop::Connection(failure)) if failure.server().is_some_and(|server| *server.code() == SqlState::UNIQUE_VIOLATION) => {
                failure
            }
            Err(other) => return Err(other),
        };
        object.batch_execute("ROLLBACK TO SAVEPOINT portico_upsert").await?;
        match self.execute(plan, &plan.statement).await? {
            Some(found) => Ok((Some(found), false)),
            // Another unique key than the one that was asked for is taken.
            None => Err(Stop::Connection(refused)),
        }
    }

    /// Runs a write; `None` when it found no row.
    async fn execute(&self, plan: &ChangePlan, statement: &Statement) -> Result<Option<Written>, Stop> {
        let several = || self.failed(SourceErrorKind::Internal, "the key names more than one row: nothing was written");
        if !plan.returning {
            let request = self.request(statement)?.request;
            let object = self.lease.connection()?;
            let prepared = object.prepare_cached(&request.text).await?;
            return match object.execute_raw(&prepared, &request.parameters).await? {
                0 => Ok(None),
                1 => Ok(Some(Written { row: None, allowed: true })),
                _ => Err(several()),
            };
        }
        let (columns, rows) = self.rows(statement).await?;
        let row = match rows.as_slice() {
            [] => return Ok(None),
            [row] => row,
            _ => return Err(several()),
        };
        let allowed = match plan.requires {
            // Null is not true: the image is not known to satisfy the rule.
            true => row.try_get::<_, Option<bool>>(columns.len())?.unwrap_or(false),
            false => true,
        };
        let row = self.values(row, columns).map_err(Stop::Failed)?;
        Ok(Some(Written { row: Some(row), allowed }))
    }

    fn request(&self, statement: &Statement) -> Result<Translated, Stop> {
        self.context.sending(&statement.native_request());
        bind(statement.clone()).map_err(|message| self.failed(SourceErrorKind::Unsupported, message))
    }

    async fn rows(&self, statement: &Statement) -> Result<(Vec<ResultColumn>, Vec<Row>), Stop> {
        use futures::TryStreamExt;
        let Translated { request, columns } = self.request(statement)?;
        let object = self.lease.connection()?;
        let prepared = object.prepare_cached(&request.text).await?;
        let rows = object.query_raw(&prepared, &request.parameters).await?.try_collect().await?;
        Ok((columns, rows))
    }

    fn values(&self, row: &Row, columns: Vec<ResultColumn>) -> Result<Vec<Value>, SourceError> {
        let source_name = self.client.source_name();
        let types: Vec<Type> = row.columns().iter().map(|column| column.type_().clone()).collect();
        let scalar_types: Vec<_> = columns.iter().map(|column| column.scalar_type).collect();
        let mut decoder = RowDecoder::new(source_name, columns.into(), &types)?;
        decoder.append(row)?;
        let arrays = decoder.finish()?;
        let values = arrays.iter().zip(scalar_types).map(|(array, scalar_type)| value_at(array.as_ref(), 0, scalar_type));
        values.collect::<Result<_, _>>().map_err(|error| SourceError::new(source_name, SourceErrorKind::Malformed, error.to_string()))
    }
}

struct Written {
    row: Option<Vec<Value>>,
    allowed: bool,
}
