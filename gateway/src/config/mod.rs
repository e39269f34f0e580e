//! The configuration: one YAML file as typed data, checked as far as it can be without asking a source. Every mistake is reported
//! with file, line, column and, where one is near, the name that was meant.

mod check;
mod cidr;
pub mod file;
pub mod limits;
pub mod load;
mod position;
pub mod schema;
pub mod secret;
pub mod units;
mod validate;

#[cfg(test)]
mod tests;

pub use cidr::Network;
pub use file::{LogFormat, LogLevel, TlsFile};
pub use limits::IntrospectionSettings;
pub use load::{ConfigErrors, load};
pub use secret::SecretText;

use crate::startup::breaker::BreakerSettings;
use crate::startup::protected::RateLimit;
use indexmap::IndexMap;
use portico_catalog::{ModelDefinition, ModelError};
use portico_engine::admission::AdmissionLimits;
use portico_engine::{AccessDefinition, EngineSettings};
use portico_odata::parse::Strictness;
use position::Positions;
use std::path::PathBuf;
use std::time::Duration;

/// A loaded configuration, secrets resolved.
#[derive(Debug)]
pub struct Config {
    /// The file, for messages.
    pub file: PathBuf,
    /// Its directory: what relative paths in it are relative to.
    pub base_directory: PathBuf,
    /// The process.
    pub gateway: Gateway,
    /// Sources by name.
    pub sources: IndexMap<String, SourceSettings>,
    /// What the model is built from.
    pub definition: ModelDefinition,
    /// Who may do what.
    pub access: Access,
    positions: Positions,
}

impl Config {
    /// Places mistakes that were found later (by the catalogue or the engine) in the file.
    pub fn locate(&self, errors: Vec<ModelError>) -> ConfigErrors {
        ConfigErrors::new(&self.file, &self.positions, errors)
    }
}

/// The process.
#[derive(Debug)]
pub struct Gateway {
    /// The HTTP door.
    pub http: HttpSettings,
    /// The Flight SQL door, where it is open.
    pub flight: Option<FlightSettings>,
    /// Where operators ask.
    pub admin_listen: String,
    /// Signs continuations and Flight tokens.
    pub token_key: SecretText,
    /// Whether that key is from the file; otherwise it ends with the process.
    pub token_key_configured: bool,
    /// Where what outlives a request is kept.
    pub state: StateSettings,
    /// Requests that run while their client does not wait.
    pub asynchronous: AsynchronousSettings,
    /// Longest time of a request.
    pub request_time: Duration,
    /// Requests that run at the same time, and that wait.
    pub requests: AdmissionLimits,
    /// How long requests may go on after a stop was asked.
    pub grace: Duration,
    /// Settings of the engine.
    pub engine: EngineSettings,
    /// What is logged.
    pub log_level: LogLevel,
    /// How a log line looks.
    pub log_format: LogFormat,
}

/// Where what outlives a request is kept (see `state`).
#[derive(Debug, Clone)]
pub struct StateSettings {
    /// A SQLite file, as a full path; memory when absent.
    pub sqlite: Option<PathBuf>,
    /// Most bytes in memory.
    pub max_memory: usize,
}

/// Requests that run while their client does not wait: `Prefer: respond-async`.
#[derive(Debug, Clone)]
pub struct AsynchronousSettings {
    /// Most bytes of all results that wait for their clients.
    pub max_memory: usize,
    /// How long a result waits.
    pub lifetime: Duration,
}

/// The HTTP door.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Address and port.
    pub listen: String,
    /// The root of links, without a slash at its end.
    pub public_url: Option<String>,
    /// Certificate and key, as full paths.
    pub tls: Option<TlsFile>,
    /// Origins whose pages may ask.
    pub cors: Vec<String>,
    /// Proxies whose forwarded headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Entities per page; zero means no paging unless the client asks.
    pub page_size: u64,
    /// Entities of an expanded relationship per parent at once; zero means all.
    pub expand_page_size: u64,
    /// Threads on which connections and their look-ups live.
    pub threads: usize,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Longest path with query in bytes.
    pub max_url: usize,
    /// Most requests in a batch.
    pub max_batch_requests: usize,
    /// Largest body of a batch in bytes.
    pub max_batch_body: usize,
    /// How closely requests must keep to the grammar of OData.
    pub strictness: Strictness,
}

/// How many threads there are of each kind, where nothing else is said. A thread that has had its share of a busy machine waits for its turn, and
/// what it would do next with it: with more threads than processors, requests wait less beside databases or queries that compute.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).saturating_mul(2)
}

/// The Flight SQL door.
#[derive(Debug, Clone)]
pub struct FlightSettings {
    /// Address and port.
    pub listen: String,
    /// Certificate and key, as full paths.
    pub tls: Option<TlsFile>,
    /// How long a token from a handshake is good.
    pub token_lifetime: Duration,
}

/// A source.
#[derive(Clone)]
pub struct SourceSettings {
    /// Its kind.
    pub kind: String,
    /// Connections at most, and so queries at once.
    pub connections: usize,
    /// Queries that wait for one.
    pub queued: usize,
    /// Look-ups at once, where several share a connection.
    pub look_ups: usize,
    /// Requests in a time, where they are limited.
    pub rate: Option<RateLimit>,
    /// Longest time that it may send nothing while it is waited for.
    pub timeout: Duration,
    /// When it is not asked any more for a while.
    pub breaker: BreakerSettings,
    /// How often it is asked for itself.
    pub introspection: IntrospectionSettings,
    /// Whom to tell when it fails.
    pub contact: Option<String>,
    /// The kind's own settings, secrets resolved.
    pub settings: serde_json::Value,
}

impl std::fmt::Debug for SourceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The settings hold secrets.
        f.debug_struct("SourceSettings").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Who may do what.
#[derive(Debug, Default)]
pub struct Access {
    /// Rights by role.
    pub roles: AccessDefinition,
    /// Who there is.
    pub identities: file::AccessFile,
}
