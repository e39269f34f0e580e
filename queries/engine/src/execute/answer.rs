//! Plans to answers: starts what has to be started, in order, and looks at the first rows before an answer is promised.

use crate::answer::{Answer, EntityAnswer, EntityRows, TableAnswer};
use crate::error::EngineError;
use crate::execute::entities::EntityStream;
use crate::execute::expand::key_tuples;
use crate::execute::run::{Run, RunStream, start};
use crate::plan::entities::{EntityPlan, ViaPlan};
use arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use futures::{StreamExt, stream};
use portico_odata::ReadKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Starts an OData read.
///
/// # Errors
/// Any that the first rows bring to light.
pub(crate) async fn entities(plan: Arc<EntityPlan>, session: &Arc<SessionState>, run: &Arc<Run>) -> Result<Answer, EngineError> {
    for via in &plan.via {
        fill_via(via, session, run).await?;
    }
    let count = match &plan.count {
        Some(count) => Some(count_of(count, session, run).await?),
        None => None,
    };
    if plan.kind == ReadKind::Count {
        return count.map(Answer::Count).ok_or_else(|| EngineError::Internal("a count was not planned".to_owned()));
    }
    let (_, rows) = start(&plan.root.plan, session, run).await?;
    let (shape, cross, only_one) = (Arc::clone(&plan.shape), plan.cross.clone(), plan.only_one.clone());
    let missing = plan.must_exist.then(|| match &only_one {
        Some(function) => format!("'{function}' finds nothing"),
        None => format!("there is no such entity in '{}'", plan.shape.entity_set),
    });
    let mut stream = EntityStream::new(plan, Arc::clone(session), Arc::clone(run), rows);
    let found = stream.look_ahead().await?;
    if let Some(function) = only_one.filter(|_| found)
        && stream.has_several().await?
    {
        return Err(several(&function));
    }
    match missing.filter(|_| !found) {
        Some(message) => Err(EngineError::NotFound(message)),
        None => {
            Ok(Answer::Entities(EntityAnswer { shape, kept: run.constants.is_some(), cross, count, rows: EntityRows(Box::new(stream)) }))
        }
    }
}

fn several(operation: &str) -> EngineError {
    EngineError::Internal(format!("'{operation}' returns one value, but its SQL yields several"))
}

/// Reads the row from which a relationship is followed, and puts its link columns where what comes next looks for them.
async fn fill_via(via: &ViaPlan, session: &SessionState, run: &Arc<Run>) -> Result<(), EngineError> {
    let rows = all(&via.plan, session, run).await?;
    let mut tuples = Vec::new();
    let number: usize = rows.iter().map(RecordBatch::num_rows).sum();
    if let Some(function) = via.only_one.as_ref().filter(|_| number > 1) {
        return Err(several(function));
    }
    for batch in &rows {
        let columns: Vec<usize> = (0..batch.num_columns()).collect();
        tuples.extend(key_tuples(batch, &columns, &via.key_types)?.into_iter().flatten());
    }
    if number == 0 {
        return Err(EngineError::NotFound(format!("there is no such entity in '{}'", via.table)));
    }
    tuples.dedup();
    via.slot.fill(tuples);
    Ok(())
}

async fn count_of(plan: &LogicalPlan, session: &SessionState, run: &Arc<Run>) -> Result<u64, EngineError> {
    let rows = all(plan, session, run).await?;
    let number = rows.iter().find(|batch| batch.num_rows() > 0).and_then(|batch| {
        let counts = batch.column(0).as_any().downcast_ref::<Int64Array>()?;
        u64::try_from(counts.value(0)).ok()
    });
    number.ok_or_else(|| EngineError::Internal("a count had no number".to_owned()))
}

async fn all(plan: &LogicalPlan, session: &SessionState, run: &Arc<Run>) -> Result<Vec<RecordBatch>, EngineError> {
    let (_, mut rows) = start(plan, session, run).await?;
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// Starts a SQL query. Its batches have exactly the planned schema, which clients have been told.
///
/// # Errors
/// Any that the first rows bring to light.
pub async fn table(plan: &LogicalPlan, session: &SessionState, run: &Arc<Run>) -> Result<TableAnswer, EngineError> {
    let (physical, mut rows) = start(plan, session, run).await?;
    let schema = Arc::new(plan.schema().as_arrow().clone());
    let schema = if physical.fields().len() == schema.fields().len() { schema } else { physical };
    let first = rows.next().await.transpose()?;
    let (cap, seen) = (run.settings.max_rows, AtomicU64::new(0));
    let rest: RunStream = Box::pin(stream::iter(first.map(Ok)).chain(rows));
    let promised = Arc::clone(&schema);
    let run = Arc::clone(run);
    let batches = rest.map(move |batch| {
        let batch = batch?;
        let total = seen.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
        if total > cap {
            return Err(EngineError::Limit(format!("the answer has more than {cap} rows; ask for fewer")));
        }
        run.answer.count(&batch)?;
        relabelled(&promised, &batch)
    });
    Ok(TableAnswer { schema, batches: Box::pin(batches) })
}

/// The batch under the planned schema, which may differ in names, metadata and in being stricter about nulls.
fn relabelled(schema: &arrow::datatypes::SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
        .map_err(|error| EngineError::Internal(format!("the rows are not of the planned types: {error}")))
}
