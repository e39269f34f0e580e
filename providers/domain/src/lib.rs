//! Search domains: conditions as lists of `[field, operator, value]`, as Tryton (infix) and Odoo (prefix) write them. It knows the contract, does no IO, and knows
//! no server: which values a server compares how is said by the kind that asks it.

pub mod domain;
pub mod translate;

pub use domain::{Domain, Leaf, Spelling};
pub use translate::{Bounded, Leaves, Test};
