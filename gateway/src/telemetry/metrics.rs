//! Metrics, in the text format of Prometheus. Labels are closed sets and configured names: never a value that a client chooses.

use crate::startup::breaker::BreakerState;
use crate::telemetry::trace::{Door, Stage};
use portico_engine::admission::Fill;
use portico_engine::{CallOutcome, ShapeCounts, SourceCall};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    door: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabel {
    door: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    source: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    source: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AdmissionLabel {
    of: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histograms<DoorLabel>,
    active: Family<DoorLabel, Gauge>,
    rows: Family<DoorLabel, Counter>,
    bytes: Family<DoorLabel, Counter>,
    stage_seconds: Histograms<StageLabel>,
    source_calls: Family<CallLabels, Counter>,
    source_seconds: Histograms<SourceLabel>,
    source_rows: Family<SourceLabel, Counter>,
    source_bytes: Family<SourceLabel, Counter>,
    source_up: Family<SourceLabel, Gauge>,
    source_breaker: Family<SourceLabel, Gauge>,
    cache: Family<CacheLabels, Counter>,
    admitted: Family<AdmissionLabel, Gauge>,
    queued: Family<AdmissionLabel, Gauge>,
    local_memory: Gauge,
    shapes_used: Gauge,
    shapes_made: Gauge,
    spilled: Gauge,
    /// Those of each source: they are found by one look, and no text is made for it.
    of_sources: RwLock<HashMap<String, Arc<OfSource>>>,
}

/// What is counted of one source.
struct OfSource {
    hits: Counter,
    misses: Counter,
    complete: Counter,
    cancelled: Counter,
    failed: Counter,
    seconds: Histogram,
    rows: Counter,
    bytes: Counter,
}

/// From half a millisecond to ten minutes: a look-up and a whole table both have a place.
fn seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0])
}

fn histograms<L: Clone + std::hash::Hash + Eq>() -> Histograms<L> {
    Family::new_with_constructor(seconds as fn() -> Histogram)
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("portico"),
            requests: Family::default(),
            request_seconds: histograms(),
            active: Family::default(),
            rows: Family::default(),
            bytes: Family::default(),
            stage_seconds: histograms(),
            source_calls: Family::default(),
            source_seconds: histograms(),
            source_rows: Family::default(),
            source_bytes: Family::default(),
            source_up: Family::default(),
            source_breaker: Family::default(),
            cache: Family::default(),
            admitted: Family::default(),
            queued: Family::default(),
            local_memory: Gauge::default(),
            shapes_used: Gauge::default(),
            shapes_made: Gauge::default(),
            spilled: Gauge::default(),
            of_sources: RwLock::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by door and outcome: ok, cancelled, or an error code", self.requests.clone());
        registry.register("request_seconds", "Time of requests, streaming included", self.request_seconds.clone());
        registry.register("active_requests", "Requests that are running", self.active.clone());
        registry.register("answered_rows", "Rows sent to clients", self.rows.clone());
        registry.register("answered_bytes", "Bytes of answers sent to clients", self.bytes.clone());
        registry.register("stage_seconds", "Time of the stages of the request path", self.stage_seconds.clone());
        registry.register("source_calls", "Questions to sources by outcome", self.source_calls.clone());
        registry.register("source_seconds", "Time of questions to sources", self.source_seconds.clone());
        registry.register("source_rows", "Rows received from sources", self.source_rows.clone());
        registry.register("source_bytes", "Bytes of Arrow data received from sources", self.source_bytes.clone());
        registry.register("source_up", "Whether the source answered when the gateway last asked for itself", self.source_up.clone());
        registry.register(
            "source_breaker",
            "Whether the source is asked: 0 it is, 1 the next query tries, 2 it is not, because it has failed several times in a row",
            self.source_breaker.clone(),
        );
        registry.register("cache", "Scans answered by the cache (hit) or by the source (miss)", self.cache.clone());
        registry.register("admitted", "Requests, and queries that are computed in the gateway, that run", self.admitted.clone());
        registry.register(
            "queued",
            "Requests, and queries that are computed in the gateway, that wait for their turn",
            self.queued.clone(),
        );
        registry.register(
            "plans_reused",
            "Requests whose plan was that of another of the same shape, since the model was published",
            self.shapes_used.clone(),
        );
        registry.register("plan_shapes", "Shapes of requests whose plan was kept, since the model was published", self.shapes_made.clone());
        registry.register(
            "local_memory_bytes",
            "Memory that queries which are computed in the gateway have reserved",
            self.local_memory.clone(),
        );
        registry.register("spilled_bytes", "What such queries hold on disk", self.spilled.clone());
    }

    /// All metrics as text.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// How many of something run, and how many wait for their turn: `requests`, `local_queries`.
    pub fn fill(&self, of: &'static str, fill: Fill) {
        let label = AdmissionLabel { of };
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.admitted.get_or_create(&label).set(gauge(fill.running));
        self.queued.get_or_create(&label).set(gauge(fill.waiting));
    }

    /// How often plans were those of other requests of the same shape, since the current model was published.
    pub fn shapes(&self, counts: ShapeCounts) {
        self.shapes_used.set(i64::try_from(counts.used).unwrap_or(i64::MAX));
        self.shapes_made.set(i64::try_from(counts.made).unwrap_or(i64::MAX));
    }

    /// Bytes that queries which are computed in the gateway have in memory and on disk.
    pub fn local_memory(&self, (reserved, spilled): (usize, u64)) {
        self.local_memory.set(i64::try_from(reserved).unwrap_or(i64::MAX));
        self.spilled.set(i64::try_from(spilled).unwrap_or(i64::MAX));
    }

    /// A request begins.
    pub fn begin(&self, door: Door) {
        self.active.get_or_create(&DoorLabel { door: door.name() }).inc();
    }

    /// A request has ended.
    pub fn end(&self, door: Door, outcome: &'static str, elapsed: Duration, rows: u64, bytes: u64) {
        let label = DoorLabel { door: door.name() };
        self.active.get_or_create(&label).dec();
        self.requests.get_or_create(&RequestLabels { door: door.name(), outcome }).inc();
        self.request_seconds.get_or_create(&label).observe(elapsed.as_secs_f64());
        self.rows.get_or_create(&label).inc_by(rows);
        self.bytes.get_or_create(&label).inc_by(bytes);
    }

    /// A stage took this long.
    pub fn stage(&self, stage: Stage, elapsed: Duration) {
        self.stage_seconds.get_or_create(&StageLabel { stage: stage.name() }).observe(elapsed.as_secs_f64());
    }

    /// A question to a source, or to the cache in its place, has ended.
    pub fn source_call(&self, call: &SourceCall) {
        let own = self.of_source(&call.source);
        if call.cached.is_some() {
            own.hits.inc();
            return;
        }
        own.misses.inc();
        match &call.outcome {
            CallOutcome::Running | CallOutcome::Cancelled => own.cancelled.inc(),
            CallOutcome::Complete => own.complete.inc(),
            CallOutcome::Failed(_) => own.failed.inc(),
        };
        own.seconds.observe(call.elapsed.as_secs_f64());
        own.rows.inc_by(call.rows);
        own.bytes.inc_by(call.bytes);
    }

    fn of_source(&self, source: &str) -> Arc<OfSource> {
        if let Some(known) = self.of_sources.read().unwrap_or_else(PoisonError::into_inner).get(source) {
            return Arc::clone(known);
        }
        let label = SourceLabel { source: source.to_owned() };
        let cache = |result| self.cache.get_or_create(&CacheLabels { source: source.to_owned(), result }).clone();
        let calls = |outcome| self.source_calls.get_or_create(&CallLabels { source: source.to_owned(), outcome }).clone();
        let own = Arc::new(OfSource {
            hits: cache("hit"),
            misses: cache("miss"),
            complete: calls("complete"),
            cancelled: calls("cancelled"),
            failed: calls("failed"),
            seconds: self.source_seconds.get_or_create(&label).clone(),
            rows: self.source_rows.get_or_create(&label).clone(),
            bytes: self.source_bytes.get_or_create(&label).clone(),
        });
        self.of_sources.write().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned(), Arc::clone(&own));
        own
    }

    /// How the breaker of a source stands.
    pub fn source_breaker(&self, source: &str, state: BreakerState) {
        let level = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.source_breaker.get_or_create(&SourceLabel { source: source.to_owned() }).set(level);
    }

    /// Whether a source answered.
    pub fn source_up(&self, source: &str, up: bool) {
        self.source_up.get_or_create(&SourceLabel { source: source.to_owned() }).set(i64::from(up));
    }
}
