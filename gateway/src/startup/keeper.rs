//! Keeps the model: introspects sources at start, goes on trying those that are down, compares with the lock, builds and publishes.
//! It must not know who asks what.
//!
//! Whether a source answers is asked often and cheaply; what it has, seldom, or when it says that it has changed. What is published is
//! replaced when the lock or the source's capabilities have changed.
//!
//! A source that is down at start is taken from the lock. Without an entry there, its tables are not known yet: the gateway starts
//! without them, says so, and publishes them as soon as the source answers. Nothing that is published is taken back meanwhile.

mod status;
mod watch;

pub use status::{SourceState, SourceStatus};

use crate::config::limits::IntrospectionFile;
use crate::config::{Config, ConfigErrors, IntrospectionSettings};
use crate::startup::Connected;
use crate::startup::drift::{Named, reconcile};
use crate::startup::health::Health;
use crate::startup::lock::{self, Locked};
use crate::telemetry::Metrics;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use portico_catalog::{Model, ModelError, Report, TableDefinition};
use portico_engine::Engine;
use portico_provider_api::{
    Caller, Probe, QueryContext, RemoteSchema, RemoteTableName, RequestInfo, Selection, Source, SourceError, SourceErrorKind, Trial,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a start waits for a source to say what it has; it goes on being asked afterwards.
const START: Duration = Duration::from_secs(20);
/// How long a source may take to say that it answers.
const PROBE: Duration = Duration::from_secs(20);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// How often the lock's file is looked at.
const LOCK_LOOK: Duration = Duration::from_secs(2);
/// The share of the time that a source may be busy with being asked: one whose answer takes long is asked less often.
const RECHECK_SHARE: u32 = 20;

#[derive(Default)]
struct Known {
    locked: Locked,
    /// What is published, or will be.
    schemas: BTreeMap<String, RemoteSchema>,
    /// What the sources have said they have.
    live: BTreeMap<String, RemoteSchema>,
    /// The lock's file as it was last seen.
    lock_seen: Option<lock::Stamp>,
    statuses: BTreeMap<String, SourceStatus>,
    missing: Vec<String>,
    notes: Vec<String>,
}

/// Keeps the model.
pub struct Keeper {
    config: Arc<Config>,
    engine: Arc<Engine>,
    sources: BTreeMap<String, Arc<dyn Source>>,
    healths: BTreeMap<String, Arc<Health>>,
    lock_path: PathBuf,
    known: Mutex<Known>,
    /// Apart from what is known: every request asks it, and none waits for another.
    published: AtomicBool,
    every_operation: AtomicBool,
    metrics: Arc<Metrics>,
}

impl Keeper {
    /// A keeper of connected sources, with what the lock holds of them.
    pub fn new(config: Arc<Config>, engine: Arc<Engine>, (sources, healths): Connected, locked: Locked, metrics: Arc<Metrics>) -> Keeper {
        let lock_path = lock::path(&config.base_directory);
        let statuses = healths
            .iter()
            .map(|(name, health)| {
                let state = if locked.contains_key(name) { SourceState::FromLock } else { SourceState::Unknown };
                let schema_version = locked.get(name).map(|schema| schema.version.clone());
                let contact = config.sources.get(name).and_then(|source| source.contact.clone());
                let status = SourceStatus {
                    state,
                    answers: false,
                    since: now(),
                    last_error: None,
                    schema_version,
                    drift: Vec::new(),
                    contact,
                    health: health.status(),
                };
                (name.clone(), status)
            })
            .collect();
        let configured =
            |(name, schema): (&String, &RemoteSchema)| config.sources.contains_key(name).then(|| (name.clone(), schema.clone()));
        let schemas = locked.iter().filter_map(configured).collect();
        let lock_seen = lock::stamp(&lock_path);
        let known = Known { locked, schemas, statuses, lock_seen, ..Known::default() };
        let (known, published, every_operation) = (Mutex::new(known), AtomicBool::new(false), AtomicBool::new(false));
        Keeper { config, engine, sources, healths, lock_path, known, published, every_operation, metrics }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How every source stands.
    pub fn statuses(&self) -> BTreeMap<String, SourceStatus> {
        let mut statuses = self.known().statuses.clone();
        for (name, status) in &mut statuses {
            if let Some(health) = self.healths.get(name) {
                status.health = health.status();
            }
        }
        statuses
    }

    /// How those who query the sources fare.
    pub fn healths(&self) -> &BTreeMap<String, Arc<Health>> {
        &self.healths
    }

    /// Tables of the configuration that are not published yet, because a source they need has never answered.
    pub fn missing_tables(&self) -> Vec<String> {
        self.known().missing.clone()
    }

    /// What was noticed while the model was built.
    pub fn notes(&self) -> Vec<String> {
        self.known().notes.clone()
    }

    /// Whether a model is published, and the lock says of what.
    pub fn published(&self) -> bool {
        self.published.load(Ordering::Acquire)
    }

    /// Asks every source at the same time what it has, for as long as a start may take. Failures are in the statuses.
    pub async fn introspect(&self) {
        self.introspect_within(START).await;
    }

    /// The same for as long as each source may take.
    pub async fn introspect_patiently(&self) {
        self.introspect_within(Duration::MAX).await;
    }

    async fn introspect_within(&self, longest: Duration) {
        let mut running: FuturesUnordered<_> = self.sources.keys().map(|name| self.introspect_one(name, longest)).collect();
        while running.next().await.is_some() {}
    }

    /// Has a source tried for what is declared of it, by queries of one of these tables.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn try_capabilities(&self, name: &str, tables: &[RemoteTableName]) -> Result<Vec<Trial>, SourceError> {
        let Some(source) = self.sources.get(name) else { return Ok(Vec::new()) };
        let time = self.settings(name).time;
        let tried = tokio::time::timeout(time, source.try_capabilities(tables, &own_context(time))).await;
        tried.unwrap_or_else(|_| Err(no_answer(name, time)))
    }

    fn settings(&self, source: &str) -> IntrospectionSettings {
        self.config.sources.get(source).map_or_else(|| IntrospectionFile::default().settings(), |source| source.introspection)
    }

    /// Asks one source what it has.
    async fn introspect_one(&self, name: &str, longest: Duration) -> Heard {
        let Some(source) = self.sources.get(name) else { return Heard::Nothing };
        let time = self.settings(name).time.min(longest);
        let context = own_context(time);
        let selection = self.selection(name);
        let asked = async {
            let mut schema = source.remote_schema(&selection, &context).await?;
            // What is misspelt is told with what was meant, which is known of all of them alone.
            let missing = |name: &String| !schema.operations.iter().any(|operation| operation.is_named(name));
            if selection.operations().is_some_and(|named| named.iter().any(missing)) {
                let everything = selection.tables().map_or(Selection::All, |tables| Selection::Tables(tables.to_vec()));
                schema = source.remote_schema(&everything, &context).await?;
            }
            // What the configuration says it has does not say that it is there.
            let probed = if schema.declared { source.probe(&context).await.map(drop) } else { Ok(()) };
            Ok::<_, SourceError>((schema, probed))
        };
        let outcome = match tokio::time::timeout(time, asked).await {
            Ok(outcome) => outcome,
            Err(_) => Err(no_answer(name, time)),
        };
        let (changed, outcome) = match outcome {
            Ok((live, probed)) => (self.accept(name, live), probed),
            Err(error) => (false, Err(error)),
        };
        self.heard(name, outcome, changed)
    }

    /// Asks one source whether it answers; and what it has, when it says that this has changed since it said `schema`.
    async fn probe_one(&self, name: &str, schema: &mut Option<String>) -> Heard {
        let Some(source) = self.sources.get(name) else { return Heard::Nothing };
        let answer = tokio::time::timeout(PROBE, source.probe(&own_context(PROBE))).await;
        match answer.unwrap_or_else(|_| Err(no_answer(name, PROBE))) {
            Ok(Probe { schema: now }) => {
                let same = now.is_none() || now == *schema;
                if same {
                    return self.heard(name, Ok(()), false);
                }
                let heard = self.introspect_one(name, Duration::MAX).await;
                if let Heard::Answer { .. } = heard {
                    *schema = now;
                }
                heard
            }
            Err(error) => self.heard(name, Err(error), false),
        }
    }

    /// Takes note of whether a source has answered. That it was not asked, because all its places were taken, says nothing.
    fn heard(&self, name: &str, outcome: Result<(), SourceError>, changed: bool) -> Heard {
        let answers = self.known().statuses.get(name).is_some_and(|status| status.answers);
        match outcome {
            Ok(()) => {
                self.answered(name);
                self.metrics.source_up(name, true);
                Heard::Answer { changed }
            }
            Err(error) if error.kind == SourceErrorKind::Throttled && answers => {
                tracing::debug!(source = name, "the source is busy: {}", error.message);
                Heard::Nothing
            }
            Err(error) => {
                self.failed(name, error.message);
                self.metrics.source_up(name, false);
                Heard::Silence { changed }
            }
        }
    }

    /// A source of which at least one table is defined is asked for the tables that are named alone, and for the operations that are.
    fn selection(&self, source: &str) -> Selection {
        let named = self.named(source);
        let tables = Some(named.tables).filter(|tables| !tables.is_empty());
        match self.every_operation.load(Ordering::Relaxed) {
            true => tables.map_or(Selection::All, Selection::Tables),
            false => Selection::Named { tables, operations: named.operations },
        }
    }

    /// From now on sources are asked for all their operations, not only for those that the configuration names.
    pub fn want_every_operation(&self) {
        self.every_operation.store(true, Ordering::Relaxed);
    }

    /// What the configuration names of a source: tables, and where there are such also what roles and views name of it by its remote names.
    fn named(&self, source: &str) -> Named {
        let definition = &self.config.definition;
        let of_source = |(_, table): &(&String, &TableDefinition)| table.source.as_deref() == Some(source);
        let defined = definition.tables.iter().filter(of_source);
        let mut tables: Vec<RemoteTableName> =
            defined.map(|(name, table)| RemoteTableName::parse(table.remote.as_deref().unwrap_or(name))).collect();
        if !tables.is_empty() {
            let roles = self.config.access.roles.roles.values().flat_map(|grants| grants.keys());
            let roles = roles.filter(|name| !definition.tables.contains_key(*name)).map(|name| RemoteTableName::parse(name).0);
            let views = definition.tables.values().filter_map(|table| table.sql.as_deref()).flat_map(portico_engine::named_tables);
            let remote = roles.chain(views).filter(|parts| parts.len() > 1 && parts.first().is_some_and(|first| first == source));
            tables.extend(remote.map(|parts| RemoteTableName(parts.into_iter().skip(1).collect())));
        }
        Named { tables, operations: definition.called_of(source) }
    }

    /// Notes what a source says it has, and whether what is published has to change: the lock says what is published of its tables, the source
    /// how it can be asked.
    fn accept(&self, name: &str, live: RemoteSchema) -> bool {
        let named = self.named(name);
        let mut known = self.known();
        let first = known.statuses.get(name).is_none_or(|status| status.state != SourceState::Live);
        known.live.insert(name.to_owned(), live.clone());
        let (schema, drift) = match known.locked.get(name).filter(|_| !live.declared) {
            Some(locked) => {
                let reconciled = reconcile(locked, &live, &named);
                if reconciled.accepted {
                    known.locked.insert(name.to_owned(), named.kept(&reconciled.schema));
                }
                (reconciled.schema, reconciled.drift)
            }
            None => (live, Vec::new()),
        };
        let changed = first || known.schemas.get(name).is_none_or(|published| !publishes_the_same(published, &schema));
        if let Some(status) = known.statuses.get_mut(name) {
            status.state = SourceState::Live;
            if changed {
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
        if changed {
            for note in &schema.notes {
                tracing::info!(source = name, "{note}");
            }
            known.schemas.insert(name.to_owned(), schema);
        }
        changed
    }

    fn answered(&self, name: &str) {
        if let Some(status) = self.known().statuses.get_mut(name) {
            if !status.answers {
                status.since = now();
            }
            status.answers = true;
            status.last_error = None;
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
        drop(known);
        self.complete_lock();
        // Who is told that the gateway is ready may stop it at once, and finds the lock that the next start needs.
        self.published.store(true, Ordering::Release);
        Ok(())
    }

    /// Adds to the lock what it has never seen. A lock that cannot be written (a read-only volume) is no reason not to serve.
    fn complete_lock(&self) {
        let mut guard = self.known();
        let known = &mut *guard;
        // What another process has written meanwhile is looked at first: see `reload_lock`.
        if lock::stamp(&self.lock_path) != known.lock_seen {
            return;
        }
        known.locked.retain(|name, _| known.live.get(name).is_none_or(|live| !live.declared));
        let undeclared = |(name, schema): &(&String, &RemoteSchema)| !schema.declared && !known.locked.contains_key(*name);
        let fresh: Vec<String> = known.schemas.iter().filter(undeclared).map(|(name, _)| name.clone()).collect();
        for name in fresh {
            if let Some(schema) = known.schemas.get(&name).map(|schema| self.named(&name).kept(schema)) {
                known.locked.insert(name, schema);
            }
        }
        let locked = known.locked.clone();
        drop(guard);
        if lock::read(&self.lock_path).is_ok_and(|there| there.as_ref() == Some(&locked)) {
            return;
        }
        if let Err(message) = lock::write(&self.lock_path, &locked) {
            tracing::warn!("{message}: a start while a source is down will not know its tables");
        }
        self.known().lock_seen = lock::stamp(&self.lock_path);
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
            if schema.declared {
                known.locked.remove(&name);
            } else {
                known.locked.insert(name.clone(), self.named(&name).kept(&schema));
            }
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
}

/// What a question of the gateway's own has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// The source was not asked.
    Nothing,
    /// It has answered; whether what is published has to change.
    Answer {
        /// That.
        changed: bool,
    },
    /// It has not; what is declared of it may be new all the same.
    Silence {
        /// That.
        changed: bool,
    },
}

/// Whether two schemas publish the same, asked in the same way. How many rows there are is a matter of planning alone.
fn publishes_the_same(published: &RemoteSchema, now: &RemoteSchema) -> bool {
    let plain = |schema: &RemoteSchema| {
        let mut schema = schema.clone();
        schema.tables.iter_mut().for_each(|table| table.row_estimate = None);
        (schema.tables, schema.operations, schema.capabilities)
    };
    plain(published) == plain(now)
}

fn no_answer(name: &str, within: Duration) -> SourceError {
    SourceError::new(name, SourceErrorKind::Timeout, format!("no answer within {} s", within.as_secs()))
}

/// With what the gateway asks for itself.
fn own_context(time: Duration) -> QueryContext {
    let deadline = SystemTime::now() + time;
    let deadline = deadline.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok());
    let request = RequestInfo {
        request_id: "introspection".to_owned(),
        principal: "portico".to_owned(),
        deadline_unix_ms: deadline,
        ..RequestInfo::default()
    };
    QueryContext { request, caller: Caller::Gateway, ..QueryContext::default() }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
