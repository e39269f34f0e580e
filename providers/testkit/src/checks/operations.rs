//! Operations of a source's own: what is said of them holds when they are called, as a query and as a change.

use super::OPERATIONS;
use crate::compare::same_rows;
use crate::run::{NoAnswer, Run, shown};
use crate::subject::ExampleCall;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, OperationCall, QueryContext, RemoteOperation, SourceErrorKind, SourceQuery, Value,
};

/// Calls every operation that the subject names.
pub(crate) async fn operations(run: &mut Run) {
    let calls = run.subject.calls.clone();
    if calls.is_empty() {
        let offered = run.schema.operations.len();
        run.summary.not_applicable.insert(OPERATIONS, format!("the subject names no call; the source offers {offered}"));
        return;
    }
    for call in calls {
        let found = run.schema.operations.iter().find(|operation| operation.signature == call.signature).cloned();
        let verdict = match found {
            None => Err("it is not in the remote schema".to_owned()),
            Some(operation) => one(run, &operation, &call).await,
        };
        run.summary.ran(OPERATIONS);
        if let Err(wrong) = verdict {
            run.summary.fail(OPERATIONS, format!("{}: {wrong}", call.signature), None);
        }
    }
}

async fn one(run: &mut Run, operation: &RemoteOperation, call: &ExampleCall) -> Result<(), String> {
    if let Some(reason) = &operation.unavailable {
        return Err(format!("it is said not to be callable: {reason}"));
    }
    let mut arguments: Vec<(usize, Value)> = Vec::with_capacity(call.arguments.len());
    for (name, value) in &call.arguments {
        let position = operation.parameters.iter().position(|parameter| parameter.name == *name);
        arguments.push((position.ok_or_else(|| format!("it has no parameter '{name}'"))?, value.clone()));
    }
    let omitted = |index: usize| !arguments.iter().any(|(given, _)| *given == index);
    if let Some((_, needed)) = operation.parameters.iter().enumerate().find(|(index, parameter)| omitted(*index) && !parameter.optional) {
        return Err(format!("'{}' may be left out, and is said not to be", needed.name));
    }
    let query = SourceQuery::call(OperationCall { operation: operation.clone(), arguments: arguments.clone() });
    let answer = run.ask(&query).await;
    if operation.changes {
        refused(answer.err())?;
    } else {
        let text = shown(&query).unwrap_or_default();
        let answer = answer.map_err(|error| format!("{text}: {error}"))?;
        same_rows(&call.rows, &answer.rows).map_err(|difference| format!("{text}: {difference}"))?;
        if answer.report.is_none_or(|report| !report.complete || report.rows != call.rows.len() as u64) {
            return Err(format!("{text}: the report does not say how many rows there were"));
        }
        let native = run.subject.source.describe(&query);
        if native.is_empty() {
            return Err(format!("{text}: nothing is described of what is sent"));
        }
    }
    invoked(run, operation, arguments, &call.rows).await
}

/// What may change something is no query.
fn refused(failure: Option<NoAnswer>) -> Result<(), String> {
    match failure {
        Some(NoAnswer::Failed { error, started: false }) if error.kind == SourceErrorKind::Unsupported => Ok(()),
        Some(other) => Err(format!("it may change something, and a query of it is to be refused as unsupported: {other}")),
        None => Err("it may change something, and a query of it was answered".to_owned()),
    }
}

async fn invoked(run: &Run, operation: &RemoteOperation, arguments: Vec<(usize, Value)>, rows: &[Vec<Value>]) -> Result<(), String> {
    let Some(writable) = run.subject.source.writable() else { return Err("the source has no write side to invoke it with".to_owned()) };
    let given = |value: Value| if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value) };
    let arguments = arguments.into_iter().map(|(index, value)| (index, given(value))).collect();
    let change = Change::Invoke { operation: Box::new(operation.clone()), arguments };
    let set = ChangeSet { changes: vec![change], idempotency_key: None };
    match writable.write(set, &QueryContext::default()).await.as_deref() {
        Ok([ChangeOutcome::Returned(returned)]) => same_rows(rows, returned).map_err(|difference| format!("invoked: {difference}")),
        Ok(other) => Err(format!("invoked: the outcome is {other:?}")),
        Err(error) => {
            run.saw(error);
            Err(format!("invoked: {error}"))
        }
    }
}
