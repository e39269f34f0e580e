//! What this kind's tests share, and its own tests.

pub mod database;
pub mod fixtures;
mod schema;
mod streams;
mod values;
