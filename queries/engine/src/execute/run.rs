//! One run of one plan: what its remote scans need, and the stream it becomes.

use crate::cache::ResultCache;
use crate::context::RequestContext;
use crate::error::EngineError;
use crate::execute::remote;
use crate::pushdown::sole_fragment;
use crate::settings::EngineSettings;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use futures::{Stream, StreamExt};
use portico_provider_api::Source;
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;

/// A stream of batches with the engine's errors.
pub type RunStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, EngineError>> + Send>>;

/// What the remote scans of a run need. It travels as an extension of DataFusion's session configuration.
pub struct Run {
    /// Sources by name.
    pub sources: Arc<BTreeMap<String, Arc<dyn Source>>>,
    /// The cache.
    pub cache: Arc<ResultCache>,
    /// Settings.
    pub settings: EngineSettings,
    /// Memory and spill files of this request: one quota for all its plans.
    pub runtime: Arc<RuntimeEnv>,
    /// The request.
    pub request: RequestContext,
}

/// Starts a plan. Nothing is asked of any source before the stream is polled.
///
/// # Errors
/// When the plan cannot be made physical.
pub async fn start(plan: &LogicalPlan, session: &SessionState, run: &Arc<Run>) -> Result<(SchemaRef, RunStream), EngineError> {
    if let Some(fragment) = sole_fragment(plan) {
        // One source query: its rows go to the answer without DataFusion in between.
        let schema = Arc::clone(fragment.schema.inner());
        return Ok((schema, with_deadline(remote::stream(fragment.clone(), None, Arc::clone(run)), run)));
    }
    let physical = session.query_planner().create_physical_plan(plan, session).await?;
    let schema = physical.schema();
    let config: SessionConfig = session.config().clone().with_extension(Arc::clone(run));
    let context = TaskContext::new(
        None,
        run.request.request_id.clone(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::clone(&run.runtime),
    );
    let stream = execute_stream(physical, Arc::new(context))?;
    let batches: RunStream = Box::pin(stream.map(|batch| batch.map_err(EngineError::from_datafusion)));
    Ok((schema, with_deadline(batches, run)))
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
