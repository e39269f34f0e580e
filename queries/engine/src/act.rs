//! Actions at work: the entity that one is bound to, the values that its statements write, each write permitted like any other, all of them
//! sent as one change set, and then what it returns. It must not know how an action is called.

use crate::answer::Answer;
use crate::context::{RequestContext, RequestedFreshness};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::plan::actions::{self, Ending, RowWrite, Verb};
use crate::plan::names::Names;
use crate::plan::{Plan, PlanNode, Work, source_calls};
use crate::policy::{PermittedWrite, Rights, permit_write};
use crate::snapshot::Snapshot;
use crate::statement::{EntityRead, Paging, Statement};
use crate::values::{typed_as, value_from_scalar};
use crate::write::{Invocation, write_all};
use arrow::array::{Array, RecordBatch, StringArray};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;
use portico_catalog::{Column, IfMatch, ModelView, VirtualTable};
use portico_odata::header::matches;
use portico_odata::{BoundAction, BoundCall, BoundQuery, BoundRead, BoundWrite, MatchCondition, ReadKind, WriteAction};
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// An action whose writes are all permitted.
pub struct PreparedAction {
    writes: Vec<PermittedWrite>,
    call: Option<Invocation>,
    ending: Ending,
    read: Option<BoundRead>,
    inserts: bool,
}

/// What an action did.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionAnswer {
    /// What it returns, to be read now; nothing when it returns nothing, or that is not wanted.
    pub read: Option<BoundRead>,
    /// The entity that it returns, where it has made it: its virtual table and key.
    pub created: Option<(String, Vec<Value>)>,
}

/// Values of one row of an action, by position in the virtual table.
struct Values {
    given: Vec<(usize, Value)>,
    key: Vec<Value>,
    used: Vec<(usize, Value)>,
}

impl Engine {
    /// Reads what an action is bound to and the values that it writes, with the caller's rights, and applies policy to each of its writes.
    /// `view` is what it was bound against.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `NotFound`, `PreconditionFailed`, `Unsupported`; `NotReady` when the model was replaced meanwhile.
    pub async fn prepare_action(
        &self,
        action: &BoundAction,
        view: &ModelView,
        context: &RequestContext,
    ) -> Result<PreparedAction, EngineError> {
        let snapshot = self.snapshot()?;
        snapshot.ensure_version(&view.version)?;
        let fresh = RequestContext { freshness: RequestedFreshness::AtMost(Duration::ZERO), ..context.clone() };
        self.check_bound(action, view, &fresh).await?;
        let principal = &context.principal;
        let rights = snapshot.rights(principal, &self.access);
        let operation = &action.call.operation;
        let now = SystemTime::now();
        let steps = {
            let names = Names::new(&self.session, &snapshot.model, &rights, now);
            actions::steps(&self.session, &names, operation, &every_argument(&action.call))
        };
        let steps = steps.map_err(|failed| match failed.1 {
            // What the caller does not see of the action's own text is not told.
            EngineError::UnknownName { .. } | EngineError::Forbidden(_) => {
                EngineError::Forbidden(format!("'{}' cannot be called with your rights", operation.name))
            }
            other => other,
        })?;
        let mut writes: Vec<PermittedWrite> = Vec::with_capacity(steps.writes.len());
        let mut conditioned = false;
        let inserts = steps.writes.last().is_some_and(|(_, last)| last.verb == Verb::Insert);
        for (_, row) in steps.writes {
            let RowWrite { verb, rights: of, columns, key, used, values, .. } = row;
            let table = Arc::clone(&of.table);
            let row = self.values(values, (&snapshot, &rights, now), &fresh).await?;
            let row = row.ok_or_else(|| EngineError::NotFound(format!("there is no such entity in '{}'", table.name)))?;
            let row = typed(&table, (&columns, &key, &used), row)?;
            // The first write of the bound entity compares what If-Match names in the statement that writes.
            let bound = action.call.bound_to.as_ref();
            let is_bound = bound.is_some_and(|bound| bound.table == table.name && bound.key.as_ref() == Some(&row.key));
            let condition = if is_bound && !conditioned { action.condition.clone() } else { MatchCondition::Any };
            conditioned |= is_bound;
            let action = match verb {
                Verb::Insert => WriteAction::Insert { values: row.given },
                Verb::Update => WriteAction::Update { key: row.key, values: row.given, condition },
                Verb::Delete => WriteAction::Delete { key: row.key, condition },
            };
            let write = BoundWrite { table: table.name.clone(), action, select: Vec::new() };
            let policy = self.policy(&snapshot.model, &rights, principal, now);
            let permitted = permit_write::permit_write(&write, &view.service, IfMatch::Optional, &policy)?;
            writes.push(permitted.expecting(row.used.into_iter()));
        }
        Ok(PreparedAction { writes, call: invocation(&action.call), ending: steps.ending, read: action.read.clone(), inserts })
    }

    /// Writes what an action writes, all of it or nothing.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Forbidden`, `Source`, …
    pub async fn run_action(&self, action: PreparedAction, context: &RequestContext) -> Result<ActionAnswer, EngineError> {
        let run = self.run(context, &self.snapshot()?.guards);
        let (keys, rows) = write_all(&action.writes, action.call.as_ref(), &run).await?;
        if action.ending == Ending::Called {
            let rows = Arc::new(rows);
            let read = action.read.map(|read| {
                let call = read.query.call.map(|call| Box::new(BoundCall { rows: Some(rows), ..*call }));
                BoundRead { query: BoundQuery { call, ..read.query }, ..read }
            });
            return Ok(ActionAnswer { read, created: None });
        }
        let (Ending::Written, Some(last), Some(key)) = (action.ending, action.writes.last(), keys.last()) else {
            return Ok(ActionAnswer { read: action.read, created: None });
        };
        let read = action.read.map(|read| {
            let query = BoundQuery { call: None, key: Some(key.clone()), ..read.query };
            BoundRead { query, ..read }
        });
        Ok(ActionAnswer { read, created: action.inserts.then(|| (last.table.name.clone(), key.clone())) })
    }

    /// Makes sure that the entity is there that an action is bound to, and in the state that `If-Match` names.
    async fn check_bound(&self, action: &BoundAction, view: &ModelView, context: &RequestContext) -> Result<(), EngineError> {
        let failed = |message: String| Err(EngineError::PreconditionFailed(message));
        let Some(entity) = &action.call.bound_to else {
            return match action.condition {
                MatchCondition::Absent => Ok(()),
                _ => failed("If-Match names a state, but the action is not bound to an entity".to_owned()),
            };
        };
        let read = EntityRead {
            service: view.service.clone(),
            model_version: view.version.clone(),
            read: BoundRead::new(entity.clone(), ReadKind::Entity),
            paging: Paging::default(),
        };
        let plan = self.plan(&Statement::Entities(Box::new(read)), &context.principal)?;
        let pushed = self.push_down(self.permit(plan, &context.principal)?)?;
        let Answer::Entities(mut answer) = self.execute(pushed, context).await? else {
            return Err(EngineError::Internal("an entity was not answered with an entity".to_owned()));
        };
        let mut first = None;
        while let Some(batch) = answer.rows.next().await {
            first = first.or(Some(batch?).filter(|batch| batch.rows.num_rows() > 0));
        }
        let first = first.ok_or_else(|| EngineError::NotFound(format!("there is no such entity in '{}'", entity.table)))?;
        if matches!(action.condition, MatchCondition::Absent | MatchCondition::Any) {
            return Ok(());
        }
        let tags = answer.shape.etag.and_then(|position| first.rows.columns().get(position));
        let tag = tags.and_then(|tags| tags.as_any().downcast_ref::<StringArray>()).filter(|tags| !tags.is_null(0));
        match tag {
            Some(tag) if matches(&action.condition, tag.value(0)) => Ok(()),
            _ => failed("the entity is not in the state that If-Match names".to_owned()),
        }
    }

    /// The only row of a plan; nothing when there is none.
    async fn values(
        &self,
        plan: LogicalPlan,
        (snapshot, rights, now): (&Snapshot, &Arc<Rights>, SystemTime),
        context: &RequestContext,
    ) -> Result<Option<Vec<ScalarValue>>, EngineError> {
        let work = Work::New { node: PlanNode::Table { plan, explain: false }, shaping: None };
        let (model, guards) = (Arc::clone(&snapshot.model), Arc::clone(&snapshot.guards));
        let plan = Plan { model, guards, rights: Arc::clone(rights), now, work };
        let pushed = self.push_down(self.permit(plan, &context.principal)?)?;
        let Answer::Table(mut answer) = self.execute(pushed, context).await? else {
            return Err(EngineError::Internal("values were not answered with a table".to_owned()));
        };
        let mut rows: Vec<RecordBatch> = Vec::new();
        while let Some(batch) = answer.batches.next().await {
            rows.extend(Some(batch?).filter(|batch| batch.num_rows() > 0));
        }
        let Some(first) = rows.first() else { return Ok(None) };
        Ok(Some(first.columns().iter().map(|column| ScalarValue::try_from_array(column, 0)).collect::<Result<_, _>>()?))
    }
}

/// What is called of a source, where the action is one of its operations.
fn invocation(call: &BoundCall) -> Option<Invocation> {
    let body = call.operation.of_source()?;
    Some(Invocation {
        source: body.source.clone(),
        operation: body.operation.clone(),
        arguments: source_calls::arguments(call, body),
        touches: body.touches.clone(),
    })
}

/// The arguments for SQL, in which what was left out is null.
fn every_argument(call: &BoundCall) -> Vec<(String, Value)> {
    let absent = |name: &str| !call.arguments.iter().any(|(given, _)| given == name);
    let nulls = call.operation.parameters.iter().filter(|parameter| absent(&parameter.name));
    let nulls = nulls.map(|parameter| (parameter.name.clone(), Value::Null(parameter.scalar_type)));
    call.arguments.iter().cloned().chain(nulls).collect()
}

/// The values of a row, each of its column's type and within what the column takes.
fn typed(table: &VirtualTable, (columns, key, used): (&[usize], &[usize], &[usize]), row: Vec<ScalarValue>) -> Result<Values, EngineError> {
    let mut cells = row.into_iter();
    let mut next = |index: &usize| {
        let column = table.columns.get(*index).zip(cells.next());
        let (column, cell) = column.ok_or_else(|| EngineError::Internal("an action has fewer values than columns".to_owned()))?;
        Ok((*index, one(column, &cell)?))
    };
    let given = columns.iter().map(&mut next).collect::<Result<Vec<_>, EngineError>>()?;
    let key = key.iter().map(&mut next).collect::<Result<Vec<_>, EngineError>>()?;
    let used = used.iter().map(&mut next).collect::<Result<Vec<_>, EngineError>>()?;
    for (index, value) in given.iter().chain(&key) {
        if let Some(column) = table.columns.get(*index) {
            check(table, column, value)?;
        }
    }
    Ok(Values { given, key: key.into_iter().map(|(_, value)| value).collect(), used })
}

fn one(column: &Column, cell: &ScalarValue) -> Result<Value, EngineError> {
    if cell.is_null() {
        return Ok(Value::Null(column.scalar_type));
    }
    let value = value_from_scalar(cell).ok().and_then(|value| typed_as(value, column.scalar_type));
    value.ok_or_else(|| EngineError::Invalid(format!("the value for '{}' is no {}", column.name, column.scalar_type)))
}

fn check(table: &VirtualTable, column: &Column, value: &Value) -> Result<(), EngineError> {
    if value.is_null() && !column.nullable {
        return Err(EngineError::Invalid(format!("'{}' of '{}' cannot be null", column.name, table.name)));
    }
    let length = match (value, column.scalar_type) {
        (Value::Text(text), ScalarType::Text) => text.chars().count(),
        (Value::Binary(bytes), ScalarType::Binary) => bytes.len(),
        _ => return Ok(()),
    };
    match column.max_length {
        Some(most) if length > usize::try_from(most).unwrap_or(usize::MAX) => {
            Err(EngineError::Invalid(format!("the value for '{}' of '{}' is longer than {most}", column.name, table.name)))
        }
        _ => Ok(()),
    }
}
