//! What is particular to the kind.

mod answers;
mod asking;
mod described;
mod documented;
mod inferring;
mod paging;
pub mod postgrest;
mod selecting;
mod serving;
mod soap;
mod writing;
