//! Execution: plans become streams. A plan that is one source query is streamed as it is; any other runs through DataFusion, whose
//! leaves are remote scans. Nothing here knows a source kind or a protocol.

pub mod answer;
pub mod bind;
pub mod bind_keys;
pub mod entities;
pub mod expand;
pub mod guard;
pub mod hierarchy;
pub mod local;
pub mod memory;
pub mod questions;
pub mod remote;
pub mod run;
pub mod scan;
pub mod spill;
pub mod yielding;
