//! The source kind `files`: CSV, JSON, Excel and Parquet files of a directory as tables that are read. It knows neither another kind nor the
//! gateway.
//!
//! Read `client.rs` first. `directory.rs` opens files, each at one version; `layout.rs` finds out what they hold; `chunk.rs` makes typed rows of
//! every form of file, and `running.rs` answers from them.

mod capabilities;
mod cell;
mod chunk;
mod client;
mod config;
mod decode;
mod directory;
mod infer;
mod layout;
mod number;
mod parquet_file;
mod pattern;
mod problem;
mod pruning;
mod rows;
mod running;
mod source_tables;
mod table;
mod translate;
mod xlsx;

pub use config::{ColumnConfig, Config, Format, TableConfig};

use portico_provider_api::{ConnectContext, Source, SourceError, SourceErrorKind, SourceKind};
use std::sync::Arc;

/// The kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "files", config_schema: config::schema, connect }
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let wrong = |message: String| {
        SourceError::new(&context.source_name, SourceErrorKind::Unsupported, format!("settings of kind 'files': {message}"))
    };
    let config: Config = serde_json::from_value(config).map_err(|error| wrong(error.to_string()))?;
    let tables = table::configured(&config).map_err(|mistake| {
        let setting: Vec<&str> = mistake.setting.iter().map(String::as_str).collect();
        wrong(mistake.message).at(&setting)
    })?;
    let path = context.base_directory.join(&config.directory);
    let directory = directory::Directory { path, max_file_size: config.max_file_size.0, settle: config.settle.0 };
    let limits = client::Limits { max_rows: config.max_rows, check_at_start: config.check_at_start.0 };
    Ok(Arc::new(client::FilesSource::new(directory, limits, tables, &context)))
}
