//! Change sets: one transaction each. It must not know how a change is spelt.

use crate::client::{prepared, refused};
use crate::decode::cell;
use crate::error::source_error;
use crate::pool::Stop;
use portico_provider_api::{Change, ChangeOutcome, ChangeSet, ChangeValue, QueryContext, SourceError, SourceErrorKind, Value};
use portico_provider_sql::{ChangePlan, SQLITE, Statement, TranslateError, change, resolve_references};
use rusqlite::{Connection, TransactionBehavior};

/// What came back from one statement.
enum Written {
    Row { row: Vec<Value>, allowed: bool },
    Counted,
}

struct Writer<'a> {
    connection: &'a Connection,
    source_name: &'a str,
    context: &'a QueryContext,
}

/// Applies a change set: all of it, or nothing. Work that shall stop, because its deadline passed or nobody waits for it any more, is not
/// committed: SQLite sleeps while it waits for the lock, and may get it long after.
pub(crate) fn apply(
    connection: &mut Connection,
    changes: &ChangeSet,
    source_name: &str,
    context: &QueryContext,
    stop: &Stop,
) -> Result<Vec<ChangeOutcome>, SourceError> {
    let wanted = || match stop.reason() {
        Some(_) => Err(SourceError::new(source_name, SourceErrorKind::Timeout, "the write was given up")),
        None => Ok(()),
    };
    let fail = |error: rusqlite::Error| source_error(source_name, &error);
    // The lock is taken at once: a transaction that reads first could find it taken when it comes to write. Dropping rolls back.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let writer = Writer { connection: &transaction, source_name, context };
    let count = changes.changes.len();
    let mut outcomes: Vec<ChangeOutcome> = Vec::with_capacity(count);
    let mut rows: Vec<Option<Vec<Value>>> = Vec::with_capacity(count);
    for (at, change) in changes.changes.iter().enumerate() {
        wanted()?;
        let outcome = writer.one(change, &rows)?;
        match &outcome {
            ChangeOutcome::Done { row, .. } => rows.push(row.clone()),
            ChangeOutcome::Keyed(_)
            | ChangeOutcome::Returned(_)
            | ChangeOutcome::NotFound
            | ChangeOutcome::Changed
            | ChangeOutcome::Refused
            | ChangeOutcome::NotAttempted => {
                // Rolled back: whatever came before counts for nothing.
                let mut all = vec![ChangeOutcome::NotAttempted; at];
                all.push(outcome);
                all.resize(count, ChangeOutcome::NotAttempted);
                return Ok(all);
            }
        }
        outcomes.push(outcome);
    }
    wanted()?;
    // Foreign keys that are checked late fail here.
    transaction.commit().map_err(fail)?;
    Ok(outcomes)
}

impl Writer<'_> {
    fn error(&self, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        SourceError::new(self.source_name, kind, message)
    }

    fn translated<T>(&self, outcome: Result<T, TranslateError>) -> Result<T, SourceError> {
        outcome.map_err(|error| match error {
            TranslateError::Unsupported(unsupported) => refused(self.source_name, &unsupported),
            TranslateError::Data(reason) => self.error(SourceErrorKind::Data, reason),
        })
    }

    fn one(&self, described: &Change, rows: &[Option<Vec<Value>>]) -> Result<ChangeOutcome, SourceError> {
        let resolved = self.translated(resolve_references(described, rows))?;
        let plan = self.translated(change(&resolved, &SQLITE))?;
        let created = matches!(resolved, Change::Insert { .. } | Change::Link { .. });
        if let Some(written) = self.run(&plan, &plan.statement)? {
            return self.done(&resolved, written, created);
        }
        if let Some(otherwise) = &plan.otherwise
            && let Some(written) = self.run(&plan, otherwise)?
        {
            return self.done(&resolved, written, true);
        }
        match &plan.probe {
            Some(probe) if self.finds(probe)? => Ok(ChangeOutcome::Changed),
            Some(_) | None => Ok(ChangeOutcome::NotFound),
        }
    }

    fn done(&self, change: &Change, written: Written, created: bool) -> Result<ChangeOutcome, SourceError> {
        match written {
            Written::Counted => Ok(ChangeOutcome::Done { row: None, created: false }),
            Written::Row { allowed: false, .. } => Ok(ChangeOutcome::Refused),
            Written::Row { row, allowed: true } => {
                self.check_image(change, &row)?;
                let row = if matches!(change, Change::Link { .. }) { None } else { Some(row) };
                Ok(ChangeOutcome::Done { row, created })
            }
        }
    }

    /// A column of numeric affinity turns a decimal of more than fifteen digits into a double. What was stored must be what was given.
    fn check_image(&self, change: &Change, row: &[Value]) -> Result<(), SourceError> {
        let (table, values) = match change {
            Change::Insert { table, values, .. } | Change::Update { table, values, .. } | Change::Upsert { table, values, .. } => {
                (table, values)
            }
            Change::Delete { .. } | Change::Link { .. } | Change::Unlink { .. } | Change::Invoke { .. } => return Ok(()),
        };
        for (index, value) in values {
            let (ChangeValue::Given(given @ Value::Decimal { .. }), Some(held)) = (value, row.get(*index)) else { continue };
            let same = portico_provider_api::evaluate::compare_values(given, held).ok().flatten() == Some(std::cmp::Ordering::Equal);
            if !same {
                let column = table.columns.get(*index).map_or("", |column| column.name.as_str());
                let message = format!("column '{column}' did not hold the given decimal exactly: declare it as DECIMALTEXT");
                return Err(self.error(SourceErrorKind::Data, message));
            }
        }
        Ok(())
    }

    /// Runs one statement of a plan; `None` when it met no row.
    fn run(&self, plan: &ChangePlan, statement: &Statement) -> Result<Option<Written>, SourceError> {
        self.context.sending(&statement.native_request());
        let fail = |error: rusqlite::Error| source_error(self.source_name, &error);
        let mut prepared = prepared(self.connection, statement, self.source_name)?;
        if !plan.returning {
            return match prepared.raw_execute().map_err(fail)? {
                0 => Ok(None),
                1 => Ok(Some(Written::Counted)),
                _ => Err(self.several()),
            };
        }
        let mut rows = prepared.raw_query();
        let Some(row) = rows.next().map_err(fail)? else { return Ok(None) };
        let mut values = Vec::with_capacity(statement.columns.len());
        for (at, column) in statement.columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(fail)?;
            values.push(cell(column, value).map_err(|reason| self.error(SourceErrorKind::Malformed, reason))?);
        }
        let allowed = if plan.requires { row.get::<_, Option<bool>>(statement.columns.len()).map_err(fail)? == Some(true) } else { true };
        if rows.next().map_err(fail)?.is_some() {
            return Err(self.several());
        }
        Ok(Some(Written::Row { row: values, allowed }))
    }

    fn several(&self) -> SourceError {
        self.error(SourceErrorKind::Data, "the key names more than one row")
    }

    fn finds(&self, probe: &Statement) -> Result<bool, SourceError> {
        self.context.sending(&probe.native_request());
        let mut prepared = prepared(self.connection, probe, self.source_name)?;
        let found = prepared.raw_query().next().map_err(|error| source_error(self.source_name, &error))?.is_some();
        Ok(found)
    }
}
