//! What is computed in the gateway, joins above all, runs on threads of its own that give way to all others: a thread that answers a
//! look-up is not kept waiting by one that builds a hash table. It must not know what is computed.

use crate::admission::Admission;
use crate::error::EngineError;
use crate::execute::run::RunStream;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use std::future::Future;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How much the threads give way, between 0 and 99: this is a niceness of 10, with which they have a tenth of the share of others where
/// both want the processor.
#[cfg(target_os = "linux")]
const PRIORITY: u8 = 22;
/// Bytes of stack of a thread on which plans are made. Planners recurse over what they are given: the largest expression that is accepted must
/// fit, several times over.
pub const PLANNER_STACK: usize = 32 << 20;

/// The threads, and who may use them.
pub struct LocalExecution {
    runtime: Option<Runtime>,
    handle: Handle,
    /// Who may use them.
    pub admission: Arc<Admission>,
}

impl LocalExecution {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start(threads: usize, admission: Arc<Admission>) -> Result<LocalExecution, EngineError> {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(threads.max(1))
            .thread_name("portico-local")
            .thread_stack_size(PLANNER_STACK)
            .enable_all()
            .on_thread_start(give_way);
        let runtime = builder.build().map_err(|error| EngineError::Internal(format!("threads for queries cannot be started: {error}")))?;
        Ok(LocalExecution { handle: runtime.handle().clone(), runtime: Some(runtime), admission })
    }

    /// The threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for LocalExecution {
    fn drop(&mut self) {
        // Where the engine is dropped, nobody may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(target_os = "linux")]
fn give_way() {
    // To want less needs no right. Where it fails all the same, threads are as important as others.
    let priority = ThreadPriorityValue::try_from(PRIORITY).map(ThreadPriority::Crossplatform);
    if priority.is_ok_and(|priority| set_current_thread_priority(priority).is_err()) {
        tracing::debug!("the threads for local work have no lower priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// What a task sends to who reads its rows. An end is said: a channel that closes without one belongs to a task that broke off.
enum Sent {
    Batch(Result<RecordBatch, EngineError>),
    End,
}

/// Where a task says what the rows look like, and then sends them.
pub struct Sender {
    schema: Option<oneshot::Sender<Result<SchemaRef, EngineError>>>,
    batches: mpsc::Sender<Sent>,
    sent: bool,
}

impl Sender {
    /// Says what the rows look like. Only the first call counts.
    pub fn promise(&mut self, schema: SchemaRef) {
        if let Some(sender) = self.schema.take() {
            // Who does not wait any more does not read either.
            let _ = sender.send(Ok(schema));
        }
    }

    /// Sends rows, once there is room. False when nobody reads any more.
    pub async fn send(&mut self, batch: RecordBatch) -> bool {
        self.sent = true;
        self.batches.send(Sent::Batch(Ok(batch))).await.is_ok()
    }

    /// Whether rows were sent.
    pub fn has_sent(&self) -> bool {
        self.sent
    }

    async fn end(mut self, outcome: Result<(), EngineError>) {
        // Whoever has gone does not want to know.
        let _ = match (outcome, self.schema.take()) {
            (Err(error), Some(schema)) => schema.send(Err(error)).map_err(drop),
            (Err(error), None) => self.batches.send(Sent::Batch(Err(error))).await.map_err(drop),
            (Ok(()), _) => self.batches.send(Sent::End).await.map_err(drop),
        };
    }
}

/// Runs work on the threads; it sends a batch ahead of its reader, not more. Dropping the rows, or this future, stops the work where it next
/// pauses.
///
/// # Errors
/// What the work fails with before it has said what its rows look like.
pub async fn run<W, F>(threads: &Handle, work: W) -> Result<(SchemaRef, RunStream), EngineError>
where
    W: FnOnce(Sender) -> F,
    F: Future<Output = (Sender, Result<(), EngineError>)> + Send + 'static,
{
    let (schema_sender, schema) = oneshot::channel();
    let (batches, receiver) = mpsc::channel(1);
    let work = work(Sender { schema: Some(schema_sender), batches, sent: false });
    let mut tasks = JoinSet::new();
    tasks.spawn_on(
        async move {
            let (sender, outcome) = work.await;
            sender.end(outcome).await;
        },
        threads,
    );
    let schema = schema.await.map_err(|_| broke_off())??;
    let rows = futures::stream::unfold(Some((tasks, receiver)), |state| async move {
        let (tasks, mut receiver) = state?;
        match receiver.recv().await {
            Some(Sent::Batch(Ok(batch))) => Some((Ok(batch), Some((tasks, receiver)))),
            Some(Sent::Batch(Err(error))) => Some((Err(error), None)),
            Some(Sent::End) => None,
            None => Some((Err(broke_off()), None)),
        }
    });
    Ok((schema, rows.boxed()))
}

fn broke_off() -> EngineError {
    EngineError::Internal("the query's work ended unexpectedly".to_owned())
}

/// Runs work on other threads than these, where `home` names others. Dropping the future stops it.
///
/// # Errors
/// `Internal`, when the work broke off.
pub async fn at_home<T: Send + 'static>(home: Option<&Handle>, work: impl Future<Output = T> + Send + 'static) -> Result<T, EngineError> {
    let Some(home) = home.filter(|home| Handle::try_current().is_ok_and(|here| here.id() != home.id())) else { return Ok(work.await) };
    let mut tasks = JoinSet::new();
    tasks.spawn_on(work, home);
    tasks.join_next().await.and_then(Result::ok).ok_or_else(broke_off)
}
