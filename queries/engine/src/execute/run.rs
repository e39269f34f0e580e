//! One run of one plan: what its remote scans need, and the stream it becomes.

use crate::cache::{ResultCache, batch_bytes};
use crate::context::RequestContext;
use crate::error::EngineError;
use crate::execute::guard::Guards;
use crate::execute::local::{self, LocalExecution};
use crate::execute::memory::LocalMemory;
use crate::execute::remote;
use crate::execute::spill;
use crate::pushdown::sole_fragment;
use crate::settings::EngineSettings;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::{Stream, StreamExt};
use portico_catalog::RowLimits;
use portico_provider_api::{Source, Value};
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;

/// A stream of batches with the engine's errors.
pub type RunStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, EngineError>> + Send>>;

/// What the remote scans of a run need. It travels as an extension of DataFusion's session configuration.
pub struct Run {
    /// Sources by name.
    pub sources: Arc<BTreeMap<String, Arc<dyn Source>>>,
    /// The cache.
    pub cache: Arc<ResultCache>,
    /// Settings.
    pub settings: Arc<EngineSettings>,
    /// The memory of which this request has a quota.
    pub memory: Arc<LocalMemory>,
    /// Memory and spill files of this request: one quota for all its plans, made when something is computed here.
    pub quota: OnceLock<Arc<RuntimeEnv>>,
    /// What protects single tables.
    pub guards: Arc<Guards>,
    /// What was answered so far.
    pub answer: Answered,
    /// The threads for what is computed here.
    pub local: Arc<LocalExecution>,
    /// The threads where the run began: sources are asked from there, because their connections live where they were made.
    pub home: Option<Handle>,
    /// The request.
    pub request: RequestContext,
    /// The constants of the request, for the queries of a plan that is kept for many.
    pub constants: Option<Arc<[Value]>>,
}

/// What was answered so far, and how much may be.
pub struct Answered {
    limits: RowLimits,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Answered {
    /// Nothing yet.
    pub fn new(limits: RowLimits) -> Answered {
        Answered { limits, rows: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Counts rows of the answer.
    ///
    /// # Errors
    /// `Limit`, when they are more than the caller's roles allow.
    pub fn count(&self, batch: &RecordBatch) -> Result<(), EngineError> {
        let (new_rows, new_bytes) = (batch.num_rows() as u64, batch_bytes(batch));
        let rows = self.rows.fetch_add(new_rows, Ordering::Relaxed).saturating_add(new_rows);
        let bytes = self.bytes.fetch_add(new_bytes, Ordering::Relaxed).saturating_add(new_bytes);
        match self.limits.exceeded(rows, bytes) {
            Some(most) => {
                Err(EngineError::Limit(format!("the answer has more than the {most} that your role may be answered with; ask for fewer")))
            }
            None => Ok(()),
        }
    }
}

impl Run {
    /// The quota of memory and spill files.
    fn runtime(&self) -> Result<Arc<RuntimeEnv>, DataFusionError> {
        if let Some(made) = self.quota.get() {
            return Ok(Arc::clone(made));
        }
        let new = self.memory.quota()?;
        // Of two plans that begin at once one is the first.
        Ok(Arc::clone(self.quota.get_or_init(|| new)))
    }

    /// Waits until this request may compute in the gateway.
    ///
    /// # Errors
    /// `Overloaded`.
    async fn admitted(&self) -> Result<(), EngineError> {
        let caller = &self.request.principal.name;
        self.request.local.0.get_or_try_init(|| self.local.admission.admit(caller, self.request.remaining())).await?;
        Ok(())
    }
}

/// Starts a plan. One that is a single source query asks nothing before the stream is polled; any other begins on the threads for local
/// work, a batch ahead of the reader.
///
/// # Errors
/// When the plan cannot be made physical, or too much is running already.
pub async fn start(plan: &LogicalPlan, session: &SessionState, run: &Arc<Run>) -> Result<(SchemaRef, RunStream), EngineError> {
    if let Some(fragment) = sole_fragment(plan) {
        // One source query: its rows go to the answer without DataFusion in between.
        let schema = Arc::clone(fragment.schema.inner());
        return Ok((schema, with_deadline(remote::stream(fragment.clone(), None, Arc::clone(run)), run)));
    }
    Box::pin(run.admitted()).await?;
    let (plan, session, own) = (plan.clone(), session.clone(), Arc::clone(run));
    let work = |mut sender| async move {
        let outcome = compute(&plan, &session, &own, &mut sender).await;
        (sender, outcome)
    };
    let started = tokio::time::timeout(run.request.remaining(), Box::pin(local::run(run.local.handle(), work))).await;
    let (schema, batches) = started.map_err(|_| EngineError::Timeout)??;
    Ok((schema, with_deadline(batches, run)))
}

/// Runs a plan through DataFusion. Where its hash joins do not fit into memory, and nothing has been sent, it is run again with joins that
/// spill.
async fn compute(plan: &LogicalPlan, session: &SessionState, run: &Arc<Run>, sender: &mut local::Sender) -> Result<(), EngineError> {
    let physical = session.query_planner().create_physical_plan(plan, session).await?;
    let can_spill = spill::has_hash_joins(&physical);
    match forward(physical, session, run, sender).await {
        Err(error) if can_spill && !sender.has_sent() && spill::is_exhausted(&error) => {
            tracing::info!(request = %run.request.request_id, "joins do not fit into memory: they are run again as joins that spill");
            let session = spill::session(session, run.settings.query_memory);
            let physical = session.query_planner().create_physical_plan(plan, &session).await?;
            // A table that is only asked by keys cannot be read whole: then it is the memory that was too small.
            forward(physical, &session, run, sender).await.map_err(|again| match EngineError::from(again) {
                EngineError::Invalid(_) | EngineError::Unsupported(_) => EngineError::from(error),
                other => other,
            })
        }
        outcome => Ok(outcome?),
    }
}

/// Runs a physical plan and sends its rows.
async fn forward(
    physical: Arc<dyn ExecutionPlan>,
    session: &SessionState,
    run: &Arc<Run>,
    sender: &mut local::Sender,
) -> Result<(), DataFusionError> {
    sender.promise(physical.schema());
    let mut batches = execute_stream(physical, Arc::new(task_context(session, run)?))?;
    while let Some(batch) = batches.next().await {
        if !sender.send(batch?).await {
            break;
        }
    }
    Ok(())
}

fn task_context(session: &SessionState, run: &Arc<Run>) -> Result<TaskContext, DataFusionError> {
    let config: SessionConfig = session.config().clone().with_extension(Arc::clone(run));
    Ok(TaskContext::new(
        None,
        run.request.request_id.clone(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        run.runtime()?,
    ))
}

/// Ends a stream with `Timeout` when the request's deadline passes, wherever it hangs.
fn with_deadline(stream: RunStream, run: &Arc<Run>) -> RunStream {
    let request = run.request.clone();
    let bounded = futures::stream::unfold((stream, false), move |(mut stream, done)| {
        let remaining = request.remaining();
        async move {
            if done {
                return None;
            }
            match tokio::time::timeout(remaining, stream.next()).await {
                Ok(Some(Ok(batch))) => Some((Ok(batch), (stream, false))),
                Ok(Some(Err(error))) => Some((Err(error), (stream, true))),
                Ok(None) => None,
                Err(_) => Some((Err(EngineError::Timeout), (stream, true))),
            }
        }
    });
    // Who looks ahead may poll again after the end.
    Box::pin(bounded.fuse())
}
