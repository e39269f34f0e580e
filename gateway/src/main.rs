//! `portico`: the command line. It reads the configuration and runs one command; everything else is elsewhere.

mod admin;
mod config;
mod demo;
mod error;
mod flight;
mod http;
mod identity;
mod pipeline;
mod startup;
mod state;
mod telemetry;

use clap::{Parser, Subcommand};
use startup::StartError;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// A request makes hundreds of small allocations, of which the system's own allocator would take a third of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A virtual-table federation gateway: one door to the systems that a company already runs.
#[derive(Parser)]
#[command(name = "portico", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve.
    Serve {
        /// The configuration file.
        #[arg(long, short)]
        config: PathBuf,
    },
    /// Check a configuration: connect, build, compare with portico.lock.
    Check {
        /// The configuration file.
        #[arg(long, short)]
        config: PathBuf,
        /// Accept what the sources have now, and write it to portico.lock.
        #[arg(long)]
        write_lock: bool,
        /// Print definitions of the functions and procedures that the sources offer, to be put under `operations`.
        #[arg(long)]
        operations: bool,
        /// Try what the sources are declared to do by a handful of small queries each, and print what differs as settings.
        #[arg(long)]
        probe: bool,
    },
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Show what every source would be asked, without asking.
    Explain {
        /// The configuration file.
        #[arg(long, short)]
        config: PathBuf,
        /// SQL, or the path and query of an OData URL.
        statement: String,
        /// The name of a key or user whose rights apply; all roles when absent.
        #[arg(long = "as")]
        caller: Option<String>,
    },
    /// Print the settings of a source for what a document describes.
    Introspect {
        /// An OpenAPI document of a REST API, JSON or YAML.
        #[arg(long)]
        openapi: PathBuf,
        /// The name of the source.
        #[arg(long, default_value = "api")]
        name: String,
    },
    /// Serve a demonstration: a CRM, an ERP behind OData and a logistics company behind REST, full of data.
    Demo(demo::DemoOptions),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done where even this cannot be written.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), StartError> {
    let builder = &mut tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(config::threads()).enable_all().thread_stack_size(portico_engine::PLANNER_STACK).build();
    let runtime = runtime.map_err(|error| StartError::System(format!("no threads can be started: {error}")))?;
    match command {
        Command::Serve { config } => runtime.block_on(startup::serve::run(config::load(&config)?)),
        Command::Check { config, write_lock, operations, probe } => {
            let wanted = startup::check::Wanted { write_lock, operations, probe };
            runtime.block_on(startup::check::run(config::load(&config)?, wanted))
        }
        Command::Explain { config, statement, caller } => {
            runtime.block_on(startup::explain::run(config::load(&config)?, &statement, caller.as_deref()))
        }
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&config::schema::file_schema());
            let schema = schema.map_err(|error| StartError::System(format!("the schema cannot be written: {error}")))?;
            startup::check::print(&format!("{schema}\n"))
        }
        Command::Introspect { openapi, name } => {
            let wrong = |wrong: String| StartError::System(format!("{}: {wrong}", openapi.display()));
            let text = std::fs::read_to_string(&openapi).map_err(|error| wrong(error.to_string()))?;
            startup::check::print(&portico_provider_registry::source_of_openapi(&text, &name).map_err(wrong)?)
        }
        Command::Demo(options) => runtime.block_on(demo::run(options)),
    }
}
