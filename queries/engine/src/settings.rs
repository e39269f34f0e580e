//! Settings of the engine. Sizes are bytes.

use crate::admission::AdmissionLimits;
use std::time::Duration;

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Rows that one SQL answer may have; more is an error, never a silent cut.
    pub max_rows: u64,
    /// Rows that one source query may fetch for a local join, sort or aggregate; more is an error.
    pub max_source_rows: u64,
    /// Memory of one query for local joins, sorts and aggregates.
    pub query_memory: usize,
    /// Memory of all queries together for that; at least that of one.
    pub local_memory: usize,
    /// Bytes that they may spill together.
    pub spill_bytes: u64,
    /// Threads for what is computed in the gateway; they give way to all others.
    pub local_threads: usize,
    /// How many queries may be computed in the gateway at once.
    pub local_queries: AdmissionLimits,
    /// Memory of the cache.
    pub cache_bytes: u64,
    /// Longest wait of a remote scan for the keys of a bind join.
    pub bind_wait: Duration,
    /// Most keys that a bind join sends; with more the scan is not restricted.
    pub bind_max_keys: usize,
    /// Parents per `$expand` query.
    pub expand_chunk: usize,
    /// The secret with which ETags of whole rows are made; the same for all replicas.
    pub etag_key: Vec<u8>,
    /// Where spilled data goes; the system's temporary directory when absent.
    pub spill_directory: Option<std::path::PathBuf>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            max_rows: 10_000_000,
            max_source_rows: 50_000_000,
            query_memory: 512 << 20,
            local_memory: 1 << 30,
            spill_bytes: 10 << 30,
            local_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            local_queries: AdmissionLimits { running: 32, per_caller: 32, waiting: 64, longest_wait: Duration::from_secs(10) },
            cache_bytes: 256 << 20,
            bind_wait: Duration::from_secs(5),
            bind_max_keys: 20_000,
            expand_chunk: 500,
            etag_key: Vec::new(),
            spill_directory: None,
        }
    }
}
