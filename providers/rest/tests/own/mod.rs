//! What is particular to the kind.

mod answers;
mod asking;
mod paging;
pub mod postgrest;
mod serving;
