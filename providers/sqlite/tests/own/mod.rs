//! Tests of what only this kind can be asked.

mod blocks;
pub mod database;
mod introspection;
mod oracle;
mod streams;
mod values;
mod writes;
