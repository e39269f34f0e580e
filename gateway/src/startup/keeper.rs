//! Keeps the model: introspects sources at start, goes on trying those that are down, compares with the lock, builds and publishes.
//! It must not know who asks what.
//!
//! A source that is down at start is taken from the lock. Without an entry there, its tables are not known yet: the gateway starts
//! without them, says so, and publishes them as soon as the source answers. Nothing that is published is taken back meanwhile.

use crate::config::{Config, ConfigErrors};
use crate::startup::drift::{Drift, Named, reconcile};
use crate::startup::lock::{self, Locked};
use crate::telemetry::Metrics;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use portico_catalog::{Model, ModelError, Report, TableDefinition};
use portico_engine::Engine;
use portico_provider_api::{QueryContext, RemoteSchema, RemoteTableName, RequestInfo, Selection, Source};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// How long a source may take to say what it has, at start; it goes on being asked afterwards.
const INTROSPECTION: Duration = Duration::from_secs(20);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// How often a source that answers is asked again, so that `/ready` and the metrics stay true when nobody queries it.
const RECHECK: Duration = Duration::from_secs(15);
/// The share of the time that a source may be busy with being asked: one whose answer takes long is asked less often.
const RECHECK_SHARE: u32 = 20;

/// What is known of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It has answered.
    Live,
    /// It has not answered yet; what is published is from the lock.
    FromLock,
    /// It has not answered yet, and nothing of it is known.
    Unknown,
}

/// How a source stands, for `/ready`, the log and `check`.
#[derive(Debug, Clone, Serialize)]
pub struct SourceStatus {
    /// What is known of it.
    pub state: SourceState,
    /// Whether it answered when it was last asked.
    pub answers: bool,
    /// Since when it does or does not, as seconds since 1970.
    pub since: u64,
    /// Why it did not answer when it was last asked.
    pub last_error: Option<String>,
    /// The version of what is published.
    pub schema_version: Option<String>,
    /// How it differs from the lock.
    pub drift: Vec<Drift>,
    /// Whom to tell.
    pub contact: Option<String>,
}

#[derive(Default)]
struct Known {
    locked: Locked,
    /// What is published, or will be.
    schemas: BTreeMap<String, RemoteSchema>,
    /// What the sources have said they have.
    live: BTreeMap<String, RemoteSchema>,
    statuses: BTreeMap<String, SourceStatus>,
    missing: Vec<String>,
    notes: Vec<String>,
    published: bool,
}

/// Keeps the model.
pub struct Keeper {
    config: Arc<Config>,
    engine: Arc<Engine>,
    sources: BTreeMap<String, Arc<dyn Source>>,
    lock_path: PathBuf,
    known: Mutex<Known>,
    metrics: Arc<Metrics>,
}

impl Keeper {
    /// A keeper of connected sources, with what the lock holds of them.
    pub fn new(
        config: Arc<Config>,
        engine: Arc<Engine>,
        sources: BTreeMap<String, Arc<dyn Source>>,
        locked: Locked,
        metrics: Arc<Metrics>,
    ) -> Keeper {
        let lock_path = lock::path(&config.base_directory);
        let statuses = sources
            .keys()
            .map(|name| {
                let state = if locked.contains_key(name) { SourceState::FromLock } else { SourceState::Unknown };
                let schema_version = locked.get(name).map(|schema| schema.version.clone());
                let contact = config.sources.get(name).and_then(|source| source.contact.clone());
                let status =
                    SourceStatus { state, answers: false, since: now(), last_error: None, schema_version, drift: Vec::new(), contact };
                (name.clone(), status)
            })
            .collect();
        let configured =
            |(name, schema): (&String, &RemoteSchema)| config.sources.contains_key(name).then(|| (name.clone(), schema.clone()));
        let schemas = locked.iter().filter_map(configured).collect();
        let known = Known { locked, schemas, statuses, ..Known::default() };
        Keeper { config, engine, sources, lock_path, known: Mutex::new(known), metrics }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How every source stands.
    pub fn statuses(&self) -> BTreeMap<String, SourceStatus> {
        self.known().statuses.clone()
    }

    /// Tables of the configuration that are not published yet, because a source they need has never answered.
    pub fn missing_tables(&self) -> Vec<String> {
        self.known().missing.clone()
    }

    /// What was noticed while the model was built.
    pub fn notes(&self) -> Vec<String> {
        self.known().notes.clone()
    }

    /// Whether a model is published.
    pub fn published(&self) -> bool {
        self.known().published
    }

    /// Asks every source at the same time what it has. Failures are in the statuses.
    pub async fn introspect(&self) {
        let mut running: FuturesUnordered<_> = self.sources.keys().map(|name| self.introspect_one(name)).collect();
        while running.next().await.is_some() {}
    }

    /// Asks one source; whether it answered.
    async fn introspect_one(&self, name: &str) -> bool {
        let Some(source) = self.sources.get(name) else { return false };
        let context = introspection_context();
        let selection = self.selection(name);
        let answer = tokio::time::timeout(INTROSPECTION, source.remote_schema(&selection, &context)).await;
        let outcome = match answer {
            Ok(Ok(schema)) => Ok(schema),
            Ok(Err(error)) => Err(error.message),
            Err(_) => Err(format!("no answer within {} s", INTROSPECTION.as_secs())),
        };
        let answered = outcome.is_ok();
        match outcome {
            Ok(live) => self.accept(name, live),
            Err(message) => self.failed(name, message),
        }
        self.metrics.source_up(name, answered);
        answered
    }

    /// A source that at least one table names is asked for the named tables only.
    fn selection(&self, source: &str) -> Selection {
        let named = self.named(source).tables;
        if named.is_empty() { Selection::All } else { Selection::Tables(named) }
    }

    fn named(&self, source: &str) -> Named {
        let of_source = |(_, table): &(&String, &TableDefinition)| table.source.as_deref() == Some(source);
        let tables = self.config.definition.tables.iter().filter(of_source);
        let tables = tables.map(|(name, table)| RemoteTableName::parse(table.remote.as_deref().unwrap_or(name))).collect();
        Named { tables, operations: self.config.definition.called_of(source) }
    }

    /// Notes what a source says it has. What it said first is what is published for as long as the process runs; later answers are
    /// compared with it, and differences are reported.
    fn accept(&self, name: &str, live: RemoteSchema) {
        let named = self.named(name);
        let mut known = self.known();
        let first = known.statuses.get(name).is_none_or(|status| status.state != SourceState::Live);
        known.live.insert(name.to_owned(), live.clone());
        let (schema, drift) = match known.locked.get(name) {
            Some(locked) => {
                let reconciled = reconcile(locked, &live, &named);
                if reconciled.accepted && first {
                    known.locked.insert(name.to_owned(), named.kept(&reconciled.schema));
                }
                (reconciled.schema, reconciled.drift)
            }
            None => (live, Vec::new()),
        };
        if let Some(status) = known.statuses.get_mut(name) {
            if !status.answers {
                status.since = now();
            }
            status.answers = true;
            status.state = SourceState::Live;
            status.last_error = None;
            if first {
                status.schema_version = Some(schema.version.clone());
            }
            for difference in drift.iter().filter(|new| !status.drift.contains(new)) {
                tracing::warn!(
                    source = name,
                    table = difference.table,
                    breaking = difference.breaking,
                    "the source differs from the lock: {}",
                    difference.change
                );
            }
            status.drift = drift;
        }
        if first {
            known.schemas.insert(name.to_owned(), schema);
        }
    }

    fn failed(&self, name: &str, message: String) {
        let mut known = self.known();
        if let Some(status) = known.statuses.get_mut(name) {
            let instead = match status.state {
                SourceState::Live => "what is published stays",
                SourceState::FromLock => "its tables are published as the lock has them",
                SourceState::Unknown => "its tables are not known yet",
            };
            if status.last_error.as_ref() != Some(&message) {
                tracing::warn!(source = name, error = message, "the source does not answer: {instead}");
            }
            if status.answers {
                status.since = now();
            }
            status.answers = false;
            status.last_error = Some(message);
        }
    }

    /// Builds the model from what is known.
    ///
    /// # Errors
    /// All mistakes, placed in the file.
    pub fn build(&self) -> Result<(Model, Report), ConfigErrors> {
        let schemas = self.known().schemas.clone();
        let outcome = portico_catalog::build(&self.config.definition, &schemas, &|model, sql| self.engine.describe_view(model, sql));
        let (model, report) = outcome.map_err(|errors| self.config.locate(errors))?;
        let complete = schemas.len() == self.sources.len();
        let errors: Vec<ModelError> =
            self.engine.check(&model).into_iter().filter(|error| complete || !self.concerns_missing(error, &model)).collect();
        if errors.is_empty() { Ok((model, report)) } else { Err(self.config.locate(errors)) }
    }

    /// Whether an error is only that a role names a table that is not known yet.
    fn concerns_missing(&self, error: &ModelError, model: &Model) -> bool {
        match error.path.as_slice() {
            [access, roles, _, table, ..] if access == "access" && roles == "roles" => !model.tables.contains_key(table),
            _ => false,
        }
    }

    /// Builds and publishes, and writes the lock where it lacks something that is published now.
    ///
    /// # Errors
    /// All mistakes, placed in the file. What was published before stays.
    pub fn publish(&self) -> Result<(), ConfigErrors> {
        let (model, report) = self.build()?;
        let built: BTreeSet<&String> = model.tables.keys().collect();
        let missing: Vec<String> = self.config.definition.tables.keys().filter(|name| !built.contains(name)).cloned().collect();
        for note in &report.notes {
            tracing::info!("{note}");
        }
        if !missing.is_empty() {
            tracing::warn!(tables = missing.join(", "), "some tables are not published yet: a source they need has never answered");
        }
        tracing::info!(version = model.version, tables = model.tables.len(), services = model.services.len(), "the model is published");
        self.engine.publish(Arc::new(model));
        let mut known = self.known();
        known.missing = missing;
        known.notes = report.notes;
        known.published = true;
        drop(known);
        self.complete_lock();
        Ok(())
    }

    /// Adds to the lock what it has never seen. A lock that cannot be written (a read-only volume) is no reason not to serve.
    fn complete_lock(&self) {
        let mut known = self.known();
        let fresh: Vec<String> = known.schemas.keys().filter(|name| !known.locked.contains_key(*name)).cloned().collect();
        for name in fresh {
            if let Some(schema) = known.schemas.get(&name).map(|schema| self.named(&name).kept(schema)) {
                known.locked.insert(name, schema);
            }
        }
        let locked = known.locked.clone();
        drop(known);
        if lock::read(&self.lock_path).is_ok_and(|there| there.as_ref() == Some(&locked)) {
            return;
        }
        if let Err(message) = lock::write(&self.lock_path, &locked) {
            tracing::warn!("{message}: a start while a source is down will not know its tables");
        }
    }

    /// Takes what the sources have now as accepted, drift included: for `check --write-lock`, which builds with it before it writes.
    /// Sources that did not answer keep their entry, and those that are no longer configured lose it.
    pub fn accept_drift(&self) {
        let mut known = self.known();
        let live = known.live.clone();
        known.locked.retain(|name, _| self.sources.contains_key(name));
        for (name, schema) in live {
            if let Some(status) = known.statuses.get_mut(&name) {
                status.drift.clear();
                status.schema_version = Some(schema.version.clone());
            }
            known.schemas.insert(name.clone(), schema.clone());
            known.locked.insert(name.clone(), self.named(&name).kept(&schema));
        }
    }

    /// What the sources that answered have said they have.
    pub fn live(&self) -> BTreeMap<String, RemoteSchema> {
        self.known().live.clone()
    }

    /// Writes the lock, and says where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_lock(&self) -> Result<PathBuf, String> {
        let locked = self.known().locked.clone();
        lock::write(&self.lock_path, &locked)?;
        Ok(self.lock_path.clone())
    }

    /// Goes on asking every source: one that does not answer with growing pauses, one that does now and then. What a source has is
    /// published when it answers for the first time. Ends when a stop is asked.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks: FuturesUnordered<_> = self.sources.keys().map(|name| self.watch_one(name, &stop)).collect();
        while tasks.next().await.is_some() {}
    }

    async fn watch_one(&self, name: &str, stop: &CancellationToken) {
        let (mut answers, mut published) =
            self.known().statuses.get(name).map_or((false, false), |status| (status.answers, status.state == SourceState::Live));
        let mut pause = if answers { RECHECK } else { FIRST_RETRY };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let started = Instant::now();
            let answered = self.introspect_one(name).await;
            if answered && !answers {
                tracing::info!(source = name, "the source answers");
            }
            if answered && !published {
                published = true;
                if let Err(errors) = self.publish() {
                    tracing::error!(source = name, "the model cannot be published with what the source has: {errors}");
                }
            }
            pause = match (answered, answers) {
                (true, _) => RECHECK.max(started.elapsed() * RECHECK_SHARE),
                (false, true) => FIRST_RETRY,
                // A source that lets every question time out is asked no more often than one that refuses at once.
                (false, false) => (pause * 2).max(started.elapsed()).min(LAST_RETRY),
            };
            answers = answered;
        }
    }
}

fn introspection_context() -> QueryContext {
    let deadline = SystemTime::now() + INTROSPECTION;
    let deadline = deadline.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok());
    let request = RequestInfo {
        request_id: "introspection".to_owned(),
        principal: "portico".to_owned(),
        deadline_unix_ms: deadline,
        ..RequestInfo::default()
    };
    QueryContext { request, ..QueryContext::default() }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
