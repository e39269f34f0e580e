//! The engine from statement to rows, over the `memory` kind: one test binary.

mod bind;
mod cache;
mod entities;
mod harness;
mod policy;
mod pushdown;
mod same_rows;
mod sql;
mod writes;
