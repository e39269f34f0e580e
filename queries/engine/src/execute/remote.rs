//! Asks one source one question: through the cache where the table allows it, in chunks of keys where there are more than one
//! request takes, with every call noted in the request's journal. An answer without a report that it is complete is an error.

use crate::cache::{Key, batch_bytes};
use crate::context::{CallOutcome, RequestedFreshness, SourceCall};
use crate::error::EngineError;
use crate::execute::expand::key_tuples;
use crate::execute::local::at_home;
use crate::execute::questions::questions;
use crate::execute::run::{Run, RunStream};
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::template::Template;
use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use futures::stream::{self, StreamExt, TryStreamExt};
use portico_catalog::RowLimits;
use portico_provider_api::{KeySet, PreparedQuery, QueryStream, ScalarType, SourceError, SourceErrorKind, SourceQuery, Value};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How many chunks of keys of one fragment are under way at a time, where its source does not allow fewer.
const CHUNKS_AT_ONCE: usize = 8;

/// The rows of a fragment. `keys` are those of a bind join; a fragment with a slot takes its own. Lazy: nothing is asked before the
/// first poll.
pub fn stream(fragment: RemoteFragment, keys: Option<KeySet>, run: Arc<Run>) -> RunStream {
    match fragment.template.clone() {
        Some(template) => of_template(fragment, &template, run),
        None => of_query(fragment, keys, run),
    }
}

/// The rows of a fragment of a kept plan. Where every row comes from its source, what that has made of the query serves; where answers are
/// kept, they are known by the query with its constants.
fn of_template(fragment: RemoteFragment, template: &Template, run: Arc<Run>) -> RunStream {
    let Some(values) = run.constants.as_ref().and_then(|constants| template.values(constants)) else {
        return failed(EngineError::Internal("a kept plan was run with constants that are not its own".to_owned()));
    };
    let direct = fragment.freshness.is_zero();
    let source = run.sources.get(&fragment.source).filter(|_| direct);
    if let Some(prepared) = source.and_then(|source| template.prepared(source.as_ref())) {
        if let Err(error) = run.guards.check(&fragment, template.query()) {
            return failed(error);
        }
        let (call, prepared) = (Call::begin(template.query(), &fragment, &run), Arc::clone(prepared));
        let tally = Tally::new(&fragment, &run);
        let answer = stream::once(call.open(Question::Prepared(prepared, values), run)).try_flatten();
        return Box::pin(answer.map(move |batch| tally.add(&fragment, &batch?)));
    }
    match template.with(&values) {
        Ok(query) => of_query(RemoteFragment { query: Arc::new(query), template: None, ..fragment }, None, run),
        Err(_) => failed(EngineError::Internal("a kept plan has a parameter without a constant".to_owned())),
    }
}

fn failed(error: EngineError) -> RunStream {
    Box::pin(stream::iter([Err(error)]))
}

fn of_query(fragment: RemoteFragment, keys: Option<KeySet>, run: Arc<Run>) -> RunStream {
    let keys = match (&fragment.key_slot, keys) {
        (Some((columns, slot)), _) => Some(KeySet { columns: columns.clone(), tuples: slot.keys().as_ref().clone() }),
        (None, keys) => keys,
    };
    let queries = match questions(&fragment, keys) {
        Ok(queries) => queries,
        Err(error) => return failed(error),
    };
    // The whole of several answers has no order: those of a slot are in order for each key, which is in one of them.
    let own = run.sources.get(&fragment.source).and_then(|source| source.at_once());
    let at_once = own.map_or(CHUNKS_AT_ONCE, |own| own.clamp(1, CHUNKS_AT_ONCE));
    let tally = Arc::new(Tally::new(&fragment, &run));
    let fragment = Arc::new(fragment);
    let apart = queries.apart();
    let answers = stream::iter(queries).map(move |query| {
        if let Err(error) = run.guards.check(&fragment, &query) {
            return failed(error);
        }
        let (own, run, tally) = (Arc::clone(&fragment), Arc::clone(&run), Arc::clone(&tally));
        let keys = apart.as_ref().and_then(|at| Some(OwnKeys::new(at, query.keys.as_ref()?)));
        let batches = stream::once(ask(query, Arc::clone(&fragment), run)).try_flatten();
        let own_rows = move |batch: RecordBatch| keys.as_ref().map_or(Ok(batch.clone()), |keys| keys.rows(&batch));
        Box::pin(batches.map(move |batch| tally.add(&own, &own_rows(batch?)?))) as RunStream
    });
    Box::pin(answers.flatten_unordered(at_once))
}

/// The keys of one of several questions to a source that finds more rows by a key than have it: the others are those of another question too.
struct OwnKeys {
    at: Vec<usize>,
    types: Vec<ScalarType>,
    keys: HashSet<Vec<Value>>,
}

impl OwnKeys {
    fn new(at: &[usize], keys: &KeySet) -> OwnKeys {
        let types = keys.tuples.first().map(|tuple| tuple.iter().map(Value::scalar_type).collect()).unwrap_or_default();
        OwnKeys { at: at.to_vec(), types, keys: keys.tuples.iter().cloned().collect() }
    }

    fn rows(&self, batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
        let found = key_tuples(batch, &self.at, &self.types)?;
        let own: BooleanArray = found.iter().map(|key| Some(key.as_ref().is_some_and(|key| self.keys.contains(key)))).collect();
        filter_record_batch(batch, &own).map_err(|error| EngineError::Internal(error.to_string()))
    }
}

/// How much all questions of a fragment have fetched, and how much they may.
struct Tally {
    rows: AtomicU64,
    bytes: AtomicU64,
    own: RowLimits,
    cap: u64,
}

impl Tally {
    fn new(fragment: &RemoteFragment, run: &Run) -> Tally {
        let own = run.guards.limits(&fragment.source, &fragment.query);
        Tally { rows: AtomicU64::new(0), bytes: AtomicU64::new(0), own, cap: run.settings.max_source_rows }
    }

    /// Counts a batch and gives it the schema that the plan expects.
    fn add(&self, fragment: &RemoteFragment, batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
        let batch = fitted(batch, fragment.schema.inner(), fragment)?;
        let count = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        let rows = self.rows.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        let size = batch_bytes(&batch);
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        if let Some(most) = self.own.exceeded(rows, bytes) {
            let message = format!("more than the {most} that a query may fetch of '{}' would have to be fetched", fragment.table);
            return Err(EngineError::Limit(message));
        }
        if rows > self.cap {
            let message = format!("more than {} rows would have to be fetched from source '{}'", self.cap, fragment.source);
            return Err(EngineError::Limit(message));
        }
        Ok(batch)
    }
}

/// The batch under the schema that the plan expects: names and nullability are the plan's, types must be the same.
fn fitted(batch: &RecordBatch, schema: &SchemaRef, fragment: &RemoteFragment) -> Result<RecordBatch, EngineError> {
    let columns = batch.columns().iter().take(schema.fields().len()).cloned().collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| {
        EngineError::Source(SourceError::new(
            &fragment.source,
            SourceErrorKind::Malformed,
            format!("the rows of '{}' are not of the promised types: {error}", fragment.table),
        ))
    })
}

/// How old an answer may be, for this table and this request.
fn freshness(fragment: &RemoteFragment, run: &Run) -> Duration {
    match run.request.freshness {
        RequestedFreshness::AsDeclared => fragment.freshness,
        RequestedFreshness::AtMost(age) => age.min(fragment.freshness),
    }
}

async fn ask(query: SourceQuery, fragment: Arc<RemoteFragment>, run: Arc<Run>) -> Result<RunStream, EngineError> {
    if fragment.freshness.is_zero() {
        return Ok(Box::pin(Call::begin(&query, &fragment, &run).open(Question::Query(Box::new(query)), run).await?));
    }
    let his_own = run.sources.get(&fragment.source).is_some_and(|source| source.asks_as_caller());
    let caller = run.request.caller.as_ref().filter(|_| his_own);
    let Some(key) = run.cache.key(&fragment.source, &fragment.schema_version, caller, &query) else {
        return Ok(Box::pin(Call::begin(&query, &fragment, &run).open(Question::Query(Box::new(query)), run).await?));
    };
    let allowed = freshness(&fragment, &run);
    if let Some(found) = cached(&key, allowed, &query, &fragment, &run).await {
        return Ok(found);
    }
    if allowed.is_zero() {
        // Who wants it anew waits for nobody else's fetch; the answer is kept for others.
        return fetch(query, &key, &fragment, &run).await.map(|(batches, _)| batches);
    }
    let flight = run.cache.flight(&key);
    let waiting = tokio::time::timeout(run.request.remaining(), flight.uncacheable.lock()).await;
    let mut uncacheable = waiting.map_err(|_| EngineError::Timeout)?;
    // Somebody else may have fetched it while this request waited.
    if let Some(found) = cached(&key, allowed, &query, &fragment, &run).await {
        return Ok(found);
    }
    if *uncacheable {
        drop(uncacheable);
        return Ok(Box::pin(Call::begin(&query, &fragment, &run).open(Question::Query(Box::new(query)), run).await?));
    }
    let outcome = fetch(query, &key, &fragment, &run).await;
    *uncacheable = !matches!(outcome, Ok((_, true)));
    outcome.map(|(batches, _)| batches)
}

async fn cached(key: &Key, allowed: Duration, query: &SourceQuery, fragment: &RemoteFragment, run: &Run) -> Option<RunStream> {
    let entry = run.cache.get(key, allowed).await?;
    let mut call = describe(query, fragment);
    call.cached = Some(entry.age());
    call.rows = entry.batches.iter().map(|batch| batch.num_rows() as u64).sum();
    call.outcome = CallOutcome::Complete;
    run.request.journal.begin(call);
    let batches: Vec<_> = entry.batches.iter().cloned().map(Ok).collect();
    Some(Box::pin(stream::iter(batches)))
}

/// Fetches an answer to keep. It is read ahead of the client, so that a slow client does not hold up those who wait for the same
/// answer; one that grows beyond what is kept is streamed on from there. The second value says whether it was kept.
async fn fetch(query: SourceQuery, key: &Key, fragment: &RemoteFragment, run: &Arc<Run>) -> Result<(RunStream, bool), EngineError> {
    let mut answer = Call::begin(&query, fragment, run).open(Question::Query(Box::new(query)), Arc::clone(run)).await?;
    let (mut batches, mut bytes) = (Vec::new(), 0_u64);
    while let Some(batch) = answer.next().await {
        let batch = batch?;
        bytes = bytes.saturating_add(batch_bytes(&batch));
        batches.push(batch);
        if bytes > run.cache.max_entry() {
            let begun = stream::iter(batches.into_iter().map(Ok));
            return Ok((Box::pin(begun.chain(answer)), false));
        }
    }
    run.cache.put(Arc::clone(key), batches.clone(), answer.as_of(), fragment.freshness).await;
    Ok((Box::pin(stream::iter(batches.into_iter().map(Ok))), true))
}

fn describe(query: &SourceQuery, fragment: &RemoteFragment) -> SourceCall {
    SourceCall {
        source: fragment.source.clone(),
        tables: tables(query, fragment),
        native: Vec::new(),
        requests: 0,
        rows: 0,
        bytes: 0,
        keys: query.keys.as_ref().map_or(0, |keys| keys.tuples.len() as u64),
        elapsed: Duration::ZERO,
        cached: None,
        outcome: CallOutcome::Running,
    }
}

/// What is read, for people: tables, or the operation that is called.
fn tables(query: &SourceQuery, fragment: &RemoteFragment) -> String {
    match query.tables().as_slice() {
        [] => fragment.table.clone(),
        tables => tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// What kind of failure it was, for the journal.
fn kind_of(error: &EngineError) -> String {
    match error {
        EngineError::Source(source) => format!("{:?}", source.kind),
        _ => "Internal".to_owned(),
    }
}

/// What a source is asked.
enum Question {
    Query(Box<SourceQuery>),
    /// What the source has made of a query, with the values of this run.
    Prepared(Arc<dyn PreparedQuery>, Vec<Value>),
}

/// A call in the journal; when it is dropped unfinished, it was cancelled.
struct Call {
    run: Arc<Run>,
    source: String,
    number: usize,
    started: Instant,
    ended: bool,
}

impl Call {
    fn begin(query: &SourceQuery, fragment: &RemoteFragment, run: &Arc<Run>) -> Call {
        let number = run.request.journal.begin(describe(query, fragment));
        Call { run: Arc::clone(run), source: fragment.source.clone(), number, started: Instant::now(), ended: false }
    }

    fn end(&mut self, outcome: CallOutcome) {
        if !std::mem::replace(&mut self.ended, true) {
            let elapsed = self.started.elapsed();
            self.run.request.journal.update(self.number, |call| {
                call.outcome = outcome;
                call.elapsed = elapsed;
            });
        }
    }

    async fn open(mut self, question: Question, run: Arc<Run>) -> Result<Rows, EngineError> {
        let Some(source) = run.sources.get(&self.source).cloned() else {
            return Err(EngineError::Internal(format!("the source '{}' is not connected", self.source)));
        };
        let context = run.request.noted_context(self.number);
        let asked = Box::pin(async move {
            match question {
                Question::Query(query) => source.query(*query, &context).await,
                Question::Prepared(prepared, values) => prepared.query(values, &context).await,
            }
        });
        let asked = tokio::time::timeout(run.request.remaining(), at_home(run.home.as_ref(), asked)).await;
        let answer = match asked.map(|outcome| outcome?.map_err(EngineError::from)) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                self.end(CallOutcome::Failed(kind_of(&error)));
                return Err(error);
            }
            Err(_) => {
                self.end(CallOutcome::Failed("Timeout".to_owned()));
                return Err(EngineError::Timeout);
            }
        };
        Ok(Rows { answer, call: self, as_of: SystemTime::now() })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(CallOutcome::Cancelled);
    }
}

/// The answer of a source, watched: rows and bytes are noted, and an end without a complete report is an error.
struct Rows {
    answer: QueryStream,
    call: Call,
    as_of: SystemTime,
}

impl Rows {
    fn as_of(&self) -> SystemTime {
        self.answer.report().map_or(self.as_of, |report| report.as_of)
    }
}

impl futures::Stream for Rows {
    type Item = Result<RecordBatch, EngineError>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        use std::task::Poll;
        if self.call.ended {
            return Poll::Ready(None);
        }
        match self.answer.poll_next_unpin(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(batch))) => {
                let (rows, bytes) = (batch.num_rows() as u64, batch_bytes(&batch));
                let elapsed = self.call.started.elapsed();
                self.call.run.request.journal.update(self.call.number, |call| {
                    call.rows += rows;
                    call.bytes += bytes;
                    call.elapsed = elapsed;
                });
                Poll::Ready(Some(Ok(batch)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.call.end(CallOutcome::Failed(format!("{:?}", error.kind)));
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) if self.answer.report().is_some_and(|report| report.complete) => {
                self.call.end(CallOutcome::Complete);
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.call.end(CallOutcome::Failed("Malformed".to_owned()));
                let message = "the answer ended without saying that it is complete";
                let error = SourceError::new(&self.call.source, SourceErrorKind::Malformed, message);
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }
}
