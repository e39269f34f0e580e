//! The `memory` kind: tables of record batches, asked through the IR's own evaluator. It is the reference for other kinds, the
//! oracle in tests, and real enough to serve small tables from the configuration. It knows no other kind and no protocol.

pub mod capabilities;
pub mod client;
pub mod config;
pub mod decode;
pub mod fault;
mod held;
mod limits;
mod row_hash;
mod running;
pub mod table;
pub mod translate;
mod write;

pub use client::MemorySource;
pub use fault::Fault;
pub use table::MemoryTable;

use portico_provider_api::{ConnectContext, Source, SourceError, SourceErrorKind, SourceKind};
use std::sync::Arc;

/// The kind, for the registry.
pub fn kind() -> SourceKind {
    SourceKind { name: "memory", config_schema, connect }
}

fn config_schema() -> serde_json::Value {
    schemars::schema_for!(config::Config).to_value()
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let malformed = |message: String| SourceError::new(context.source_name.clone(), SourceErrorKind::Malformed, message);
    let config: config::Config = serde_json::from_value(config).map_err(|error| malformed(error.to_string()))?;
    let tables = config.tables.iter().map(decode::table).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    let limited = limits::capabilities_of(&config).map_err(malformed)?;
    Ok(Arc::new(MemorySource::new(context.source_name.clone(), tables)?.limited_to(limited)))
}
