//! Writes: what is sent for a change, and what its answer means. (Filled below.)
use crate::config::{ResourceConfig, WriteConfig};
use portico_provider_api::capabilities::WriteCapabilities;

/// How rows are written, made ready.
#[derive(Debug, Clone)]
pub struct Write {}

impl Write {
    /// From the configuration.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn new(_config: &WriteConfig, _own: &ResourceConfig) -> Result<Write, String> {
        Err("'write': not yet".to_owned())
    }

    /// What is declared.
    pub fn capabilities(&self) -> WriteCapabilities {
        WriteCapabilities::default()
    }
}
