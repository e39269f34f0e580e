//! Execution.
pub mod entities;
