//! Policy: who may see and write what. It makes the caller's view of the model, and it is the only place that can make a
//! [`PermittedPlan`] or a [`PermittedWrite`].

pub mod access;
pub mod barrier;
pub mod check;
pub mod expression;
pub mod permit;
pub mod permit_write;
mod possible;
pub mod rights;
pub mod view;

pub use access::{AccessDefinition, Attribute, GrantDefinition, Principal, RoleDefinition, WriteRight};
pub use permit::{PermittedPlan, Policy};
pub use permit_write::PermittedWrite;
pub use rights::{Rights, TableRights, VisibleTable};
