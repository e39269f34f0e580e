//! `portico demo`: three systems full of TPC-H data (a CRM in a file, an ERP behind OData, a logistics company behind REST), a configuration that
//! joins them, and the gateway in front. It makes files, chooses ports and runs the systems; it must not know how a request is served.

mod config;
mod data;
mod logistics;
mod schema;

use crate::startup::{StartError, serve};
use data::DataFiles;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

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
    /// Address of the ERP that is played: an OData service.
    #[arg(long, default_value = "127.0.0.1:8091")]
    pub erp: SocketAddr,
    /// Address of the logistics company that is played: a REST API.
    #[arg(long, default_value = "127.0.0.1:8092")]
    pub logistics: SocketAddr,
    /// Runs the ERP and the logistics company alone, for a gateway with a configuration of your own.
    #[arg(long)]
    pub systems_only: bool,
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
    fn address(address: SocketAddr, option: &'static str, error: &std::io::Error) -> DemoError {
        DemoError::Address { address, option, reason: error.kind().to_string() }
    }

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

/// What was prepared.
struct Prepared {
    files: DataFiles,
    configurations: config::Written,
}

/// Makes the data, runs the systems and the gateway in front of them, until a signal asks to stop.
///
/// # Errors
/// Why it cannot begin, or the gateway does not start.
pub async fn run(options: DemoOptions) -> Result<(), StartError> {
    let refused = |error: DemoError| StartError::System(error.to_string());
    let listen =
        |address: SocketAddr, option| TcpListener::bind(address).map_err(|error| refused(DemoError::address(address, option, &error)));
    check_addresses(&options).map_err(refused)?;
    let (erp, logistics) = (listen(options.erp, "--erp")?, listen(options.logistics, "--logistics")?);
    let making = options.clone();
    let prepared = tokio::task::spawn_blocking(move || prepare(&making)).await;
    let prepared = prepared.map_err(|_| StartError::System("making the data ended unexpectedly".to_owned()))?.map_err(refused)?;
    let stop = CancellationToken::new();
    let _stopping = stop.clone().drop_guard();
    let erp = serve::beside(crate::config::load(&prepared.configurations.erp)?, erp, stop.clone()).await?;
    let file = prepared.files.logistics.clone();
    let logistics = tokio::spawn(async move {
        let served = logistics::serve(logistics, &file, stop).await;
        served.map_err(|error| StartError::Door(format!("the logistics service failed: {error}")))
    });
    let config = &prepared.configurations.gateway;
    tell(&config::introduction(config, &options));
    let gateway = async {
        match options.systems_only {
            true => serve::signal().await,
            false => serve::run(crate::config::load(config)?).await,
        }
    };
    // A system that ends takes the demonstration with it: without it half of what was printed fails.
    let ended = tokio::select! {
        ended = gateway => return ended,
        ended = erp => ended,
        ended = logistics => ended,
    };
    ended.unwrap_or_else(|_| Err(StartError::System("a system of the demonstration ended unexpectedly".to_owned())))
}

/// Makes the data and the configurations.
fn prepare(options: &DemoOptions) -> Result<Prepared, DemoError> {
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None => default_directory(options.scale).ok_or(DemoError::NoDirectory)?,
    };
    // The configuration names the files by their whole path, so that it can be served from anywhere.
    let directory = std::path::absolute(&directory).map_err(|error| DemoError::file(&directory, &error))?;
    tell(&format!("The demonstration's data is kept in {}", directory.display()));
    let files = data::prepare(&directory, options.scale)?;
    let configurations = config::write(&directory, &files, options)?;
    Ok(Prepared { files, configurations })
}

/// A clear refusal now is better than one after the data has been made.
fn check_addresses(options: &DemoOptions) -> Result<(), DemoError> {
    let doors = [(options.http, "--http"), (options.flight, "--flight"), (options.admin, "--admin")];
    for (address, option) in doors.into_iter().filter(|_| !options.systems_only) {
        TcpListener::bind(address).map_err(|error| DemoError::address(address, option, &error))?;
    }
    Ok(())
}

fn default_directory(scale: f64) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("portico").join("demo").join(format!("three-systems-{scale}")))
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
        let (flight, scale) = (taken.local_addr().unwrap(), 0.01);
        let (erp, logistics) = (free, free);
        let options = DemoOptions { scale, directory: None, http: free, flight, admin: free, erp, logistics, systems_only: false };
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
