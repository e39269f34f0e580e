//! Writes: one entity, or several as one; one source, one transaction. The current row is read first, to compare ETags and to let unchanged read-only
//! values pass; what was compared is compared again in the statement that writes, so that nothing can come in between.

mod refused;

use crate::error::EngineError;
use crate::execute::expand::etags;
use crate::execute::remote;
use crate::execute::run::Run;
use crate::policy::PermittedWrite;
use crate::pushdown::fragment::RemoteFragment;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::{DFSchema, ScalarValue};
use futures::StreamExt;
use portico_catalog::overlay::Mutability;
use portico_odata::{MatchCondition, WriteAction};
use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, CompareOp, Expr, Limits, Output, Precondition, Relation, RemoteOperation, SourceQuery,
    Value,
};
use std::sync::Arc;
use std::time::Duration;

/// Runs a write and gives the key of the entity that was written.
///
/// # Errors
/// `NotFound`, `PreconditionFailed`, `Forbidden`, `Invalid`, `Source`.
pub async fn write(write: &PermittedWrite, run: &Arc<Run>) -> Result<Vec<Value>, EngineError> {
    let (mut keys, _) = write_all(std::slice::from_ref(write), None, run).await?;
    keys.pop().ok_or_else(|| EngineError::Internal("the source told nothing about the write".to_owned()))
}

/// A call of an operation of a source, with values for what is passed to it.
pub struct Invocation {
    /// The source.
    pub source: String,
    /// What is called.
    pub operation: RemoteOperation,
    /// Values by position of the parameter.
    pub arguments: Vec<(usize, ChangeValue)>,
    /// The remote tables that it may write to: source and name.
    pub touches: Vec<(String, String)>,
}

/// The keys of the entities that were written, and the rows that an operation has returned.
pub type Written = (Vec<Vec<Value>>, Vec<Vec<Value>>);

/// Runs writes to one source, and after them an operation of that source, as one change set: all of it or nothing.
///
/// # Errors
/// As [`write`], of the write that failed.
pub async fn write_all(writes: &[PermittedWrite], call: Option<&Invocation>, run: &Arc<Run>) -> Result<Written, EngineError> {
    let mut changes = Vec::with_capacity(writes.len());
    let mut sent = Vec::with_capacity(writes.len());
    for write in writes {
        // An update that changes nothing is none.
        if let Some(change) = change(write, run).await? {
            changes.push(change);
            sent.push(write);
        }
    }
    changes.extend(call.map(|call| {
        let (operation, arguments) = (Box::new(call.operation.clone()), call.arguments.clone());
        Change::Invoke { operation, arguments }
    }));
    let mut outcomes = if changes.is_empty() { Vec::new() } else { send(&sent, call, changes, run).await? };
    if outcomes.len() != sent.len() + usize::from(call.is_some()) {
        return Err(EngineError::Internal("the source told nothing about a write".to_owned()));
    }
    let returned = if call.is_some() { outcomes.pop() } else { None };
    let mut outcomes = outcomes.into_iter();
    // What was undone because another change failed does not say why.
    let failed = sent.iter().zip(outcomes.as_slice()).filter_map(|(write, outcome)| failure(write, outcome));
    if let Some(error) = failed.min_by_key(|error| matches!(error, EngineError::Internal(_))) {
        return Err(error);
    }
    let rows = match returned {
        Some(ChangeOutcome::Returned(rows)) => rows,
        Some(_) => return Err(EngineError::Internal("the source told nothing about an operation".to_owned())),
        None => Vec::new(),
    };
    let mut keys = Vec::with_capacity(writes.len());
    for write in writes {
        let was_sent = sent.iter().any(|sent| std::ptr::eq(*sent, write));
        let row = if was_sent { outcomes.next() } else { None };
        keys.push(match (row, &write.action) {
            (Some(ChangeOutcome::Done { row, .. }), _) => key_after(write, row)?,
            _ => key_after(write, None)?,
        });
    }
    Ok((keys, rows))
}

fn failure(write: &PermittedWrite, outcome: &ChangeOutcome) -> Option<EngineError> {
    match outcome {
        ChangeOutcome::Done { .. } => None,
        ChangeOutcome::Returned(_) => Some(EngineError::Internal("a write was answered like an operation".to_owned())),
        ChangeOutcome::NotFound => Some(not_found(write)),
        ChangeOutcome::Changed => Some(changed(write)),
        ChangeOutcome::Refused if write.typed => Some(EngineError::Invalid(format!(
            "the entity of '{}' is not of the type that has these properties, or you may not bring it into that state",
            write.table.name
        ))),
        ChangeOutcome::Refused => Some(EngineError::Forbidden(format!("you may not bring '{}' into that state", write.table.name))),
        ChangeOutcome::NotAttempted => Some(EngineError::Internal("a write was not attempted".to_owned())),
    }
}

/// What the source is told; nothing when it would change nothing.
async fn change(write: &PermittedWrite, run: &Arc<Run>) -> Result<Option<Change>, EngineError> {
    Ok(Some(match &write.action {
        WriteAction::Insert { values } => {
            Change::Insert { table: write.relation.clone(), values: change_values(write, values), require: write.require.clone() }
        }
        WriteAction::Update { key, values, condition } => {
            let current = current_row(write, key, run).await?;
            check_tags(write, &current, condition, run)?;
            check_expected(write, &current)?;
            let values = writable_values(write, &current, values)?;
            if values.is_empty() {
                return Ok(None);
            }
            Change::Update {
                table: write.relation.clone(),
                key: key_values(write, key),
                values: change_values(write, &values),
                precondition: precondition(write, &current, condition)?,
                visible: write.visible.clone(),
                require: write.require.clone(),
            }
        }
        WriteAction::Delete { key, condition } => {
            let current = current_row(write, key, run).await?;
            check_tags(write, &current, condition, run)?;
            Change::Delete {
                table: write.relation.clone(),
                key: key_values(write, key),
                precondition: precondition(write, &current, condition)?,
                visible: write.visible.clone(),
            }
        }
    }))
}

/// Invalidates what the cache holds of the written tables when the write is over, however it ends: also when the outcome is unknown,
/// and when the client has gone away in the middle of it.
struct Outdated<'a> {
    writes: &'a [&'a PermittedWrite],
    call: Option<&'a Invocation>,
    run: &'a Run,
}

impl Drop for Outdated<'_> {
    fn drop(&mut self) {
        for write in self.writes {
            self.run.cache.invalidate(&write.source, &write.relation.table.to_string());
        }
        for (source, table) in self.call.iter().flat_map(|call| &call.touches) {
            self.run.cache.invalidate(source, table);
        }
    }
}

/// Sends changes to the one source that all of them are for.
async fn send(
    writes: &[&PermittedWrite],
    call: Option<&Invocation>,
    changes: Vec<Change>,
    run: &Arc<Run>,
) -> Result<Vec<ChangeOutcome>, EngineError> {
    let mut names = writes.iter().map(|write| write.source.as_str()).chain(call.map(|call| call.source.as_str()));
    let name = names.next().unwrap_or_default();
    if names.any(|other| other != name) {
        return Err(EngineError::Internal("writes to several sources were to be one".to_owned()));
    }
    let source = run.sources.get(name).ok_or_else(|| EngineError::Internal(format!("the source '{name}' is not connected")))?;
    let writable = source.writable();
    let writable = writable.ok_or_else(|| EngineError::Unsupported(format!("the source '{name}' cannot be written to")))?;
    let mut context = run.request.query_context();
    // What an operation returns is kept whole, and takes several times the bytes that are sent.
    let bytes = u64::try_from(run.settings.query_memory).unwrap_or(u64::MAX) / 8;
    context.request.limits = Limits { max_rows: run.settings.max_rows, max_bytes: bytes };
    let changes = ChangeSet { changes, idempotency_key: None };
    let outdated = Outdated { writes, call, run };
    let written = tokio::time::timeout(run.request.remaining(), writable.write(changes, &context)).await;
    drop(outdated);
    let written = written.map_err(|_| EngineError::Timeout)?;
    written.map_err(|error| EngineError::Source(refused::told(error, writes)))
}

/// Whether the row still holds what its new values were made of.
fn check_expected(write: &PermittedWrite, current: &RecordBatch) -> Result<(), EngineError> {
    for (column, value) in &write.expected {
        if !same(&stored(write, current, *column)?, value) {
            return Err(changed(write));
        }
    }
    Ok(())
}

fn not_found(write: &PermittedWrite) -> EngineError {
    EngineError::NotFound(format!("there is no such entity in '{}'", write.table.name))
}

fn changed(write: &PermittedWrite) -> EngineError {
    EngineError::PreconditionFailed(format!("the entity of '{}' was changed meanwhile; read it again", write.table.name))
}

/// Key columns of the relation with their values.
fn key_values(write: &PermittedWrite, key: &[Value]) -> Vec<(usize, Value)> {
    let remote = write.table.key.iter().filter_map(|index| write.table.columns.get(*index)).map(|column| column.remote);
    remote.zip(key.iter().cloned()).collect()
}

fn change_values(write: &PermittedWrite, values: &[(usize, Value)]) -> Vec<(usize, ChangeValue)> {
    let remote = values.iter().filter_map(|(index, value)| Some((write.table.columns.get(*index)?.remote, value)));
    remote.map(|(remote, value)| (remote, if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value.clone()) })).collect()
}

/// The key of the row that came back.
fn key_after(write: &PermittedWrite, row: Option<Vec<Value>>) -> Result<Vec<Value>, EngineError> {
    let given = match &write.action {
        WriteAction::Update { key, .. } | WriteAction::Delete { key, .. } => return Ok(key.clone()),
        WriteAction::Insert { values } => values,
    };
    let part = |index: &usize| {
        let remote = write.table.columns.get(*index)?.remote;
        let stored = row.as_ref().and_then(|row| row.get(remote).cloned());
        stored.or_else(|| given.iter().find(|(given, _)| given == index).map(|(_, value)| value.clone()))
    };
    let key: Option<Vec<Value>> = write.table.key.iter().map(part).collect();
    key.ok_or_else(|| EngineError::Internal("the key of the new entity is not known".to_owned()))
}

/// The row as it is stored now, one value per column of the relation.
async fn current_row(write: &PermittedWrite, key: &[Value], run: &Arc<Run>) -> Result<RecordBatch, EngineError> {
    let equalities =
        key_values(write, key).into_iter().map(|(column, value)| Expr::compare(CompareOp::Eq, Expr::Column(column), Expr::Literal(value)));
    let output = (0..write.relation.columns.len()).map(|index| Output { name: format!("c{index}"), expr: Expr::Column(index) }).collect();
    let mut query = SourceQuery::select(Relation::Table(write.relation.clone()), output);
    query.filter = Expr::all(equalities.chain(write.visible.clone()));
    query.limit = None;
    let schema = DFSchema::try_from(query.result_schema().as_ref().clone())?;
    let fragment = RemoteFragment {
        source: write.source.clone(),
        schema: Arc::new(schema),
        query: Arc::new(query),
        key_slot: None,
        freshness: Duration::ZERO,
        schema_version: String::new(),
        estimate: 1,
        table: write.relation.table.to_string(),
        key_limits: KeyCapabilities { max_tuples: 1, ..KeyCapabilities::default() },
        required_keys: Vec::new(),
        conditions: Vec::new(),
        fed: None,
        key_columns: Vec::new(),
        exact_keys: Vec::new(),
        template: None,
    };
    let arrow_schema = Arc::clone(fragment.schema.inner());
    let mut rows = remote::stream(fragment, None, Arc::clone(run));
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        batches.push(batch?);
    }
    let all = concat_batches(&arrow_schema, &batches).map_err(|error| EngineError::Internal(error.to_string()))?;
    match all.num_rows() {
        0 => Err(not_found(write)),
        // A source whose text ignores letter case finds 'ABC' for 'abc': that is another key here.
        1 => {
            match key_values(write, key).into_iter().all(|(column, value)| stored(write, &all, column).is_ok_and(|own| same(&own, &value)))
            {
                true => Ok(all),
                false => Err(not_found(write)),
            }
        }
        _ => Err(EngineError::Invalid(format!("the key of '{}' is not unique at its source; nothing was written", write.table.name))),
    }
}

fn check_tags(write: &PermittedWrite, current: &RecordBatch, condition: &MatchCondition, run: &Run) -> Result<(), EngineError> {
    let MatchCondition::Tags(tags) = condition else { return Ok(()) };
    let own = current_tag(write, current, &run.settings.etag_key)?;
    // Weak comparison (RFC 9110, 8.8.3.2): the prefix does not count.
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if tags.iter().any(|tag| bare(tag) == bare(&own)) { Ok(()) } else { Err(changed(write)) }
}

/// The ETag of the row, made as reads make it.
fn current_tag(write: &PermittedWrite, current: &RecordBatch, key: &[u8]) -> Result<String, EngineError> {
    let parts = match write.version {
        Some(version) => vec![Arc::clone(current.column(version))],
        None => current.columns().to_vec(),
    };
    Ok(etags(&parts, write.version.is_none(), 1, key)?.value(0).to_owned())
}

/// What must still hold when the statement runs: without ETags what the values were made of, else the version, else every column.
fn precondition(write: &PermittedWrite, current: &RecordBatch, condition: &MatchCondition) -> Result<Precondition, EngineError> {
    if !matches!(condition, MatchCondition::Tags(_)) {
        let expected = write.expected.iter().map(|(column, _)| Ok((*column, stored(write, current, *column)?)));
        let expected = expected.collect::<Result<Vec<_>, EngineError>>()?;
        return Ok(if expected.is_empty() { Precondition::None } else { Precondition::Unchanged(expected) });
    }
    match write.version {
        Some(column) => Ok(Precondition::Version { column, value: stored(write, current, column)? }),
        None => {
            let all = (0..write.relation.columns.len()).map(|column| Ok((column, stored(write, current, column)?)));
            Ok(Precondition::Unchanged(all.collect::<Result<_, EngineError>>()?))
        }
    }
}

/// The stored value of a column of the relation.
fn stored(write: &PermittedWrite, current: &RecordBatch, column: usize) -> Result<Value, EngineError> {
    let scalar_type = write.relation.columns[column].scalar_type;
    let cell = ScalarValue::try_from_array(current.column(column), 0)?;
    if cell.is_null() {
        return Ok(Value::Null(scalar_type));
    }
    crate::values::value_from_scalar(&cell)
        .ok()
        .and_then(|value| crate::values::typed_as(value, scalar_type))
        .ok_or_else(|| EngineError::Internal("a stored value is not of its column's type".to_owned()))
}

/// The values that are to be written. Clients that send every field must not be refused for those that they did not change.
fn writable_values(write: &PermittedWrite, current: &RecordBatch, values: &[(usize, Value)]) -> Result<Vec<(usize, Value)>, EngineError> {
    let mut kept = Vec::with_capacity(values.len());
    for (index, value) in values {
        let column = &write.table.columns[*index];
        let immutable = column.mutability == Mutability::Immutable;
        let fixed = column.read_only || column.generated || immutable || write.table.key.contains(index);
        if !fixed {
            kept.push((*index, value.clone()));
            continue;
        }
        if same(&stored(write, current, column.remote)?, value) {
            continue;
        }
        let why = match (write.table.key.contains(index), immutable) {
            (true, _) => "is part of the key",
            (false, true) => "is given once, when the row is made,",
            (false, false) => "is read-only",
        };
        return Err(EngineError::Invalid(format!("'{}' {why} and cannot be changed", column.name)));
    }
    Ok(kept)
}

/// Equality of values; decimals of different scale are compared by value.
fn same(stored: &Value, given: &Value) -> bool {
    if stored.is_null() || given.is_null() {
        return stored.is_null() && given.is_null();
    }
    match (stored, given) {
        (Value::Decimal { .. }, Value::Decimal { .. }) => {
            let (a, b) = (crate::values::scalar_from_value(stored), crate::values::scalar_from_value(given));
            a.cast_to(&b.data_type()).is_ok_and(|a| a == b)
        }
        _ => stored == given,
    }
}
