//! Start-up: sources connected, introspected and compared with the lock, the model published, the doors opened, and all of it
//! stopped again. It must not know any protocol.

pub mod breaker;
pub mod check;
pub mod drift;
pub mod explain;
pub mod health;
pub mod keeper;
pub mod lock;
pub mod offered;
pub mod protected;
pub mod serve;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod trials;

use crate::config::{Config, ConfigErrors, SourceSettings};
use crate::error::RequestError;
use crate::http::profile::Profiles;
use crate::http::rendering::Renderings;
use crate::identity::{Identities, Tokens};
use crate::state::{Jobs, StateStore};
use crate::telemetry::Metrics;
use health::Health;
use keeper::Keeper;
use portico_engine::Engine;
use portico_engine::admission::{Admission, AdmissionLimits};
use portico_provider_api::{ConnectContext, Source};
use protected::{Places, Protected};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;
use tokio::runtime::Handle;

/// Why the gateway does not start, or a command fails.
#[derive(Debug, Error)]
pub enum StartError {
    /// Mistakes in the configuration.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// A source's settings do not fit.
    #[error("{0}")]
    Source(String),
    /// The lock cannot be read or written.
    #[error("{0}")]
    Lock(String),
    /// A door cannot be opened.
    #[error("{0}")]
    Door(String),
    /// A statement on the command line is refused.
    #[error("{0}")]
    Statement(#[from] RequestError),
    /// What was checked is not right; the report has been printed.
    #[error("{0}")]
    Check(String),
    /// Output, threads, signals.
    #[error("{0}")]
    System(String),
}

/// What all doors share.
pub struct Gateway {
    /// The configuration.
    pub config: Arc<Config>,
    /// The engine.
    pub engine: Arc<Engine>,
    /// Who there is.
    pub identities: Identities,
    /// Signs continuations, tokens and tickets.
    pub tokens: Tokens,
    /// Keeps the model.
    pub keeper: Arc<Keeper>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Requests that run without their clients.
    pub jobs: Jobs,
    /// What outlives a request.
    pub state: Arc<dyn StateStore>,
    /// What client profiles keep between requests.
    pub profiles: Profiles,
    /// Shapes of entities, rendered.
    pub renderings: Renderings,
    /// Which requests run, and which wait.
    pub admission: Arc<Admission>,
    /// The threads of the process, which work on what may take longer than a look-up.
    pub threads: Handle,
}

/// Connects the sources and makes what all doors share. Nothing is published yet.
///
/// # Errors
/// Settings that do not fit, a damaged lock.
pub fn assemble(config: Config) -> Result<Gateway, StartError> {
    let config = Arc::new(config);
    let (sources, health) = connect(&config)?;
    let locked = lock::read(&lock::path(&config.base_directory)).map_err(StartError::Lock)?.unwrap_or_default();
    let state = crate::state::open(&config.gateway.state).map_err(|error| StartError::System(error.to_string()))?;
    let asynchronous = &config.gateway.asynchronous;
    let jobs = Jobs::new(Arc::clone(&state), asynchronous.max_memory, asynchronous.lifetime);
    let metrics = Arc::new(Metrics::new());
    let engine = Engine::new(config.gateway.engine.clone(), sources.clone(), config.access.roles.clone());
    let engine = Arc::new(engine.map_err(|error| StartError::System(error.to_string()))?);
    let keeper = Arc::new(Keeper::new(Arc::clone(&config), Arc::clone(&engine), (sources, health), locked, Arc::clone(&metrics)));
    Ok(Gateway {
        identities: Identities::new(&config.access.identities),
        tokens: Tokens::new(config.gateway.token_key.clone()),
        admission: Admission::new("requests", config.gateway.requests.clone()),
        config,
        engine,
        keeper,
        metrics,
        jobs,
        state,
        profiles: Profiles::default(),
        renderings: Renderings::default(),
        threads: Handle::current(),
    })
}

/// Who may ask a source: as many as it has connections, and look-ups apart, which share some.
fn places(source: &SourceSettings) -> Places {
    let (waiting, longest_wait) = (source.queued, source.timeout);
    let admission = |what, running| Admission::new(what, AdmissionLimits { running, per_caller: running, waiting, longest_wait });
    Places {
        queries: admission("queries of this source", source.connections),
        look_ups: admission("look-ups of this source", source.look_ups),
    }
}

/// The sources by name, and how each is doing.
pub type Connected = (BTreeMap<String, Arc<dyn Source>>, BTreeMap<String, Arc<Health>>);

fn connect(config: &Config) -> Result<Connected, StartError> {
    let mut sources: BTreeMap<String, Arc<dyn Source>> = BTreeMap::new();
    let mut healths = BTreeMap::new();
    let mut errors = Vec::new();
    for (name, source) in &config.sources {
        let context = ConnectContext {
            source_name: name.clone(),
            base_directory: config.base_directory.clone(),
            max_connections: source.connections,
            timeout: source.timeout,
            request_time: config.gateway.request_time,
        };
        let kind = portico_provider_registry::find(&source.kind).map_err(|error| StartError::Source(error.to_string()))?;
        match (kind.connect)(source.settings.clone(), context) {
            Ok(connected) => {
                let health = Arc::new(Health::new(name, source.breaker));
                healths.insert(name.clone(), Arc::clone(&health));
                let protected = Protected::new(name, connected, places(source), source.rate, source.timeout, health);
                sources.insert(name.clone(), Arc::new(protected));
            }
            Err(error) => {
                let path: Vec<&str> = ["sources", name].into_iter().chain(error.setting().iter().map(String::as_str)).collect();
                errors.push(portico_catalog::ModelError::new(&path, error.message.clone()));
            }
        }
    }
    if errors.is_empty() { Ok((sources, healths)) } else { Err(StartError::Config(config.locate(errors))) }
}
