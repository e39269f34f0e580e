//! A change set on its way: what must be known before, the call, and what is asked after it to tell what became of each change. It must not know how a change
//! becomes a call.

use crate::TrytonSource;
use crate::capabilities;
use crate::client::{Failure, Purpose, every_record};
use crate::errors::Refusal;
use crate::introspect::{self, Model};
use crate::translate::Call;
use crate::write::{self, Below, Models, Touched, Work, Written};
use portico_provider_api::{Change, ChangeOutcome, ChangeSet, QueryContext, SourceError, SourceErrorKind, TableRelation, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// Writes a set.
///
/// # Errors
/// What the server says; `Unsupported` where it is no single call.
pub async fn write(source: &TrytonSource, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
    let client = &source.client;
    let unsupported = |message: String| client.error(SourceErrorKind::Unsupported, message);
    capabilities::of_server(client.config()).check_changes(&changes).map_err(|error| unsupported(error.to_string()))?;
    // Only what belongs to another needs to be known before.
    let several = changes.changes.len() > 1;
    let models = if several { known(source, &write::models(&changes), context).await? } else { Models::new() };
    let work = write::translate(&changes, &models).map_err(unsupported)?;
    // The server removes what is not there without a word.
    let removes = changes.changes.iter().any(|change| matches!(change, Change::Delete { .. }));
    if let (Written::Changed { touched, .. }, true) = (&work.kind, removes)
        && let Some(outcomes) = told_apart(source, touched, false, context).await
    {
        return Ok(outcomes);
    }
    let before = held_before(source, &work, context).await?;
    match client.call(&work.call, &work.context, Purpose::Change, context).await {
        Ok(result) => written(source, &changes, &work, (&result, &before), context).await,
        Err(Failure::Source(error)) => Err(error),
        Err(Failure::Refused(refusal)) => refused(source, &work, &refusal, context).await,
    }
}

/// What is known of models, and else asked for.
async fn known(source: &TrytonSource, names: &[String], context: &QueryContext) -> Result<Models, SourceError> {
    let mut models = Models::new();
    for name in names {
        let before = source.models.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let model = match before {
            Some(model) => model,
            None => {
                let definition = introspect::definition(&source.client, name, context).await.map_err(SourceError::without_effect)?;
                let model = Arc::new(definition.map(|definition| definition.model).unwrap_or_default());
                source.models.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), Arc::clone(&model));
                model
            }
        };
        models.insert(name.clone(), model);
    }
    Ok(models)
}

fn done() -> ChangeOutcome {
    ChangeOutcome::Done { row: None, created: false }
}

async fn written(
    source: &TrytonSource,
    changes: &ChangeSet,
    work: &Work,
    (result, before): (&Json, &[i64]),
    context: &QueryContext,
) -> Result<Vec<ChangeOutcome>, SourceError> {
    match &work.kind {
        Written::Changed { touched, below } => {
            let mut numbers: BTreeMap<usize, i64> = BTreeMap::new();
            for below in below {
                let Some(above) = touched.get(below.above).and_then(Option::as_ref) else { continue };
                let now = held(source, below, above.number, context).await.unwrap_or_default();
                let new: Vec<i64> = now.into_iter().filter(|number| !before.contains(number)).collect();
                if new.len() == below.places.len() {
                    numbers.extend(below.places.iter().copied().zip(new));
                }
            }
            let outcome = |(place, change): (usize, &Change)| match (change, numbers.get(&place)) {
                (Change::Insert { table, .. }, Some(number)) => keyed(table, *number),
                (Change::Insert { .. }, None) => ChangeOutcome::Done { row: None, created: true },
                (_, _) => done(),
            };
            Ok(changes.changes.iter().enumerate().map(outcome).collect())
        }
        Written::Invoked => Ok(vec![ChangeOutcome::Returned(Vec::new())]),
        Written::Created { roots, below } => {
            let mut numbers: BTreeMap<usize, i64> = BTreeMap::new();
            let made: Vec<i64> = result.as_array().map(|made| made.iter().filter_map(Json::as_i64).collect()).unwrap_or_default();
            if made.len() != roots.len() {
                return Err(source.client.error(SourceErrorKind::Malformed, "the server does not tell the numbers of new records"));
            }
            numbers.extend(roots.iter().copied().zip(made));
            for below in below {
                let Some(above) = numbers.get(&below.above).copied() else { continue };
                // They are made in the order in which they were given, and so numbered. Where the server has made others besides, or they cannot be
                // read, which is which is not known; they are made all the same.
                if let Ok(held) = held(source, below, above, context).await
                    && held.len() == below.places.len()
                {
                    numbers.extend(below.places.iter().copied().zip(held));
                }
            }
            let outcome = |(place, change): (usize, &Change)| match (change, numbers.get(&place)) {
                (Change::Insert { table, .. }, Some(number)) => keyed(table, *number),
                (_, _) => ChangeOutcome::Done { row: None, created: true },
            };
            Ok(changes.changes.iter().enumerate().map(outcome).collect())
        }
    }
}

fn keyed(table: &TableRelation, number: i64) -> ChangeOutcome {
    let place = table.columns.iter().position(|column| column.name == "id");
    match (place, i32::try_from(number)) {
        (Some(place), Ok(number)) => ChangeOutcome::Keyed(vec![(place, Value::Int32(number))]),
        (_, _) => ChangeOutcome::Done { row: None, created: true },
    }
}

/// The numbers of the records that a record holds before others are made there.
async fn held_before(source: &TrytonSource, work: &Work, context: &QueryContext) -> Result<Vec<i64>, SourceError> {
    let Written::Changed { touched, below } = &work.kind else { return Ok(Vec::new()) };
    let mut numbers = Vec::new();
    for below in below {
        if let Some(above) = touched.get(below.above).and_then(Option::as_ref) {
            numbers.extend(held(source, below, above.number, context).await.map_err(SourceError::without_effect)?);
        }
    }
    Ok(numbers)
}

/// The numbers of the records that a record holds, in order.
async fn held(source: &TrytonSource, below: &Below, above: i64, context: &QueryContext) -> Result<Vec<i64>, SourceError> {
    let call = Call::hiding(format!("model.{}.read", below.model), vec![json!([above]), json!([below.field])], "[?]", 1);
    let rows = source.client.read(&call, context).await?;
    let numbers = rows.get(0).and_then(|row| row.get(&below.field)).and_then(Json::as_array);
    let mut numbers: Vec<i64> = numbers.map(|numbers| numbers.iter().filter_map(Json::as_i64).collect()).unwrap_or_default();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Why nothing was written: a record that is not there, one that was changed meanwhile, or a rule.
async fn refused(source: &TrytonSource, work: &Work, refusal: &Refusal, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
    if let (Written::Changed { touched, .. }, Refusal::User(_) | Refusal::Concurrency(_)) = (&work.kind, refusal)
        && let Some(outcomes) = told_apart(source, touched, matches!(refusal, Refusal::Concurrency(_)), context).await
    {
        return Ok(outcomes);
    }
    let known = known(source, std::slice::from_ref(&work.model), context).await.unwrap_or_default();
    let labels = known.get(&work.model).map(Arc::clone).unwrap_or_else(|| Arc::new(Model::default()));
    let named = |message: &str| {
        let named = labels.labels.iter().filter(|(label, _)| message.contains(&format!("\"{label}\"")));
        named.map(|(_, name)| name.clone()).collect()
    };
    Err(source.client.refused(refusal, Purpose::Change, &named).without_effect())
}

/// What became of each change, where the records as they are now say it.
async fn told_apart(source: &TrytonSource, touched: &[Option<Touched>], raced: bool, context: &QueryContext) -> Option<Vec<ChangeOutcome>> {
    let mut numbers: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for record in touched.iter().flatten() {
        numbers.entry(&record.model).or_default().push(record.number);
    }
    let mut versions: BTreeMap<(&str, i64), Option<String>> = BTreeMap::new();
    for (model, numbers) in numbers {
        let arguments = vec![json!([["id", "in", numbers]]), json!(0), Json::Null, json!([["id", "ASC"]]), json!(["_timestamp"])];
        let call = Call::hiding(format!("model.{model}.search_read"), arguments, "[[\"id\",\"in\",?]]", numbers.len());
        // Whether anything was written is known: why not is asked once, and the refusal itself is told where that fails.
        let rows = source.client.call(&call, &every_record(), Purpose::Read, context).await.ok()?;
        let version = |row: &Json| row.get("_timestamp").and_then(Json::as_str).map(str::to_owned);
        versions.extend(rows.as_array()?.iter().filter_map(|row| Some(((model, row.get("id")?.as_i64()?), version(row)))));
    }
    let outcome = |record: &Option<Touched>| {
        let Some(record) = record else { return ChangeOutcome::NotAttempted };
        match versions.get(&(record.model.as_str(), record.number)) {
            None => ChangeOutcome::NotFound,
            Some(now) if raced && record.version.is_some() && record.version != *now => ChangeOutcome::Changed,
            Some(_) => ChangeOutcome::NotAttempted,
        }
    };
    let mut outcomes: Vec<ChangeOutcome> = touched.iter().map(outcome).collect();
    let mut failed = outcomes.iter().any(|outcome| *outcome != ChangeOutcome::NotAttempted);
    // The server compares versions, and finds them changed: with one record there is no doubt which.
    if raced
        && !failed
        && let [outcome] = outcomes.as_mut_slice()
    {
        *outcome = ChangeOutcome::Changed;
        failed = true;
    }
    failed.then_some(outcomes)
}
