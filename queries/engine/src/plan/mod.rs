//! Plans: statements with names resolved against what the caller may see. Policy has not been applied yet, so nothing here can be
//! executed.

mod apply;
pub mod canonical_float;
pub mod checked;
mod convert;
pub mod entities;
pub mod float_literals;
pub(crate) mod functions;
mod instants;
pub mod key_set;
pub mod letter_case;
pub mod lower;
mod members;
pub mod names;
pub mod parameters;
mod pattern;
mod ranges;
pub mod rows;
pub mod seek;
pub mod session;
pub mod size;
mod spatial;
pub mod sql;
pub mod tables;

use crate::policy::Rights;
use datafusion::logical_expr::LogicalPlan;
use portico_catalog::Model;
use std::sync::Arc;

/// A plan.
pub struct Plan {
    pub(crate) model: Arc<Model>,
    pub(crate) rights: Arc<Rights>,
    pub(crate) node: PlanNode,
}

/// What a plan yields.
pub(crate) enum PlanNode {
    /// A table, for SQL; or the explanation of how it would be made.
    Table {
        /// The query.
        plan: LogicalPlan,
        /// Whether only the explanation is wanted.
        explain: bool,
    },
    /// Entities, for OData.
    Entities(Box<entities::EntityPlan>),
}
