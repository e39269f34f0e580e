//! What is this kind's own: values that are bound instead of written out, columns that hold their values in another form, virtual tables
//! with their keys, servers that are not known, that answer in parts, and those that are not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod forms;
mod parts;
mod servers;
mod values;
