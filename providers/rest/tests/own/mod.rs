//! What is particular to the kind.

pub mod postgrest;
