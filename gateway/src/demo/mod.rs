//! `portico demo`: two embedded sources full of TPC-H data, a configuration that joins them, and the gateway in front. It makes
//! files and chooses ports; it must not know how a request is served.

mod config;
mod data;
mod schema;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Options of `portico demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoOptions {
    /// TPC-H scale factor: 1 is six million line items.
    #[arg(long, default_value_t = 0.1, value_parser = parse_scale)]
    pub scale: f64,
    /// Where the data is kept; a directory of the scale factor's name below the cache directory when absent.
    #[arg(long)]
    pub directory: Option<PathBuf>,
    /// Address of OData and SQL over HTTP.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Address of Flight SQL.
    #[arg(long, default_value = "127.0.0.1:32010")]
    pub flight: SocketAddr,
    /// Address of health and metrics.
    #[arg(long, default_value = "127.0.0.1:9090")]
    pub admin: SocketAddr,
}

/// Why the demonstration cannot begin.
#[derive(Debug, Error)]
pub enum DemoError {
    /// An address is taken or not ours.
    #[error("{address} cannot be listened on ({reason}): choose another address with {option}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The option that sets it.
        option: &'static str,
        /// The system's reason.
        reason: String,
    },
    /// No place for the data.
    #[error("there is no home directory to keep the demonstration's data in: name one with --directory")]
    NoDirectory,
    /// A file or directory cannot be written.
    #[error("{} cannot be written: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A data file cannot be made.
    #[error("{} cannot be filled: {reason}", file.display())]
    Data {
        /// The file.
        file: PathBuf,
        /// SQLite's reason.
        reason: String,
    },
}

impl DemoError {
    fn file(file: &Path, error: &std::io::Error) -> DemoError {
        DemoError::File { file: file.to_owned(), reason: error.to_string() }
    }
}

/// Below 0.01 there are too few suppliers for the four that TPC-H gives every part.
fn parse_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.01..=100.0).contains(&scale) => Ok(scale),
        _ => Err("a scale factor is a number from 0.01 to 100".to_owned()),
    }
}

/// Makes the data and the configuration, prints what to try, and gives the configuration's path, ready to be served.
///
/// # Errors
/// See [`DemoError`].
pub fn prepare(options: &DemoOptions) -> Result<PathBuf, DemoError> {
    check_addresses(options)?;
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None => default_directory(options.scale).ok_or(DemoError::NoDirectory)?,
    };
    // The configuration names the files by their whole path, so that it can be served from anywhere.
    let directory = std::path::absolute(&directory).map_err(|error| DemoError::file(&directory, &error))?;
    tell(&format!("The demonstration's data is kept in {}", directory.display()));
    let files = data::prepare(&directory, options.scale)?;
    let path = config::write(&directory, &files, options)?;
    tell(&config::introduction(&path, options));
    Ok(path)
}

/// A clear refusal now is better than one after the data has been made.
fn check_addresses(options: &DemoOptions) -> Result<(), DemoError> {
    for (address, option) in [(options.http, "--http"), (options.flight, "--flight"), (options.admin, "--admin")] {
        TcpListener::bind(address).map_err(|error| DemoError::Address { address, option, reason: error.kind().to_string() })?;
    }
    Ok(())
}

fn default_directory(scale: f64) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("portico").join("demo").join(format!("tpch-{scale}")))
}

/// Prints for the person who started the demonstration. Where nobody listens there is nobody to tell.
fn tell(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_refused_with_the_option_that_moves_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = DemoOptions { scale: 0.01, directory: None, http: free, flight: taken.local_addr().unwrap(), admin: free };
        let message = check_addresses(&options).unwrap_err().to_string();
        assert!(message.contains("--flight") && message.contains("in use"), "{message}");
    }

    #[test]
    fn scale_factors_are_checked() {
        assert_eq!(parse_scale("0.05"), Ok(0.05));
        for bad in ["0", "0.001", "-1", "NaN", "1000", "a lot"] {
            assert!(parse_scale(bad).is_err(), "{bad}");
        }
    }
}
