//! What can be told of requests afterwards: one log line each, metrics, stage timings. It must not know protocols, and no value,
//! credential or row passes through it.

mod log;
mod metrics;
mod trace;

pub use log::install;
pub use metrics::Metrics;
pub use trace::{Door, Outcome, Stage, Trace};
