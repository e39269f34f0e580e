//! The engine from statement to rows: over the `memory` kind, and where kinds may differ over real databases too. One test binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod actions;
mod apply;
mod apply_cross;
mod apply_custom;
mod apply_expand;
mod apply_hierarchy;
mod apply_nest;
mod apply_nested;
mod apply_world;
mod bind;
mod cache;
mod crossjoin;
mod crossjoin_random;
mod entities;
mod functions;
mod harness;
mod key_limits;
mod kinds;
mod levels;
mod null_logic;
mod odata_paths;
mod odata_random;
mod odata_reference;
mod odata_values;
mod overlay_rights;
mod paging;
mod policy;
mod pushdown;
mod ranges;
mod review;
mod same_rows;
mod shapes;
mod spatial;
mod sql;
mod writes;
