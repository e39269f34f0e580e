//! The source kind `sqlite`: a database file, read and written in this process. It knows neither another kind nor the gateway.
//!
//! Read `client.rs` first. `translate.rs` and `decode.rs` are pure; `pool.rs` holds the connections.

mod aggregates;
mod capabilities;
mod client;
mod config;
mod decimal_key;
mod declared;
mod decode;
mod error;
mod functions;
mod introspect;
mod pool;
mod translate;
mod write;

pub use config::Config;

use portico_provider_api::{ConnectContext, Source, SourceError, SourceErrorKind, SourceKind};
use std::sync::Arc;

/// The kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "sqlite", config_schema: config::schema, connect }
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let config: Config = serde_json::from_value(config).map_err(|error| {
        SourceError::new(&context.source_name, SourceErrorKind::Unsupported, format!("settings of kind 'sqlite': {error}"))
    })?;
    if config.read_only && config.create {
        let message = "settings of kind 'sqlite': 'create' and 'read_only' exclude each other";
        return Err(SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message));
    }
    Ok(Arc::new(client::SqliteSource::new(&config, &context)))
}
