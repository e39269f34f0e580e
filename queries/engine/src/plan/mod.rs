//! Plans: statements with names resolved against what the caller may see. Policy has not been applied yet, so nothing here can be
//! executed.

pub(crate) mod actions;
mod apply;
pub mod canonical_float;
pub mod checked;
mod checked_sum;
pub(crate) mod clock;
mod convert;
mod decimal_average;
pub mod decimal_factors;
pub mod entities;
mod float_extremes;
pub mod float_literals;
pub(crate) mod functions;
pub mod hierarchy;
mod instants;
pub mod key_rows;
pub mod key_set;
pub mod letter_case;
pub mod lower;
mod members;
pub mod names;
mod nodes;
pub mod parameters;
mod pattern;
pub(crate) mod planning;
mod ranges;
mod rewrite;
pub mod rows;
pub mod seek;
pub mod session;
pub mod size;
pub(crate) mod source_calls;
mod spatial;
pub mod sql;
pub mod tables;

use crate::error::EngineError;
use crate::execute::guard::Guards;
use crate::policy::Rights;
use crate::shapes::Shaping;
use datafusion::logical_expr::LogicalPlan;
use portico_catalog::Model;
use portico_provider_api::Value;
use std::sync::Arc;
use std::time::SystemTime;

/// A plan.
pub struct Plan {
    pub(crate) model: Arc<Model>,
    /// What protects the model's tables: a plan is held to what its own model says, whichever is the current one when it runs.
    pub(crate) guards: Arc<Guards>,
    pub(crate) rights: Arc<Rights>,
    /// When the request was planned: one instant for all that asks for the time, in rules and views too.
    pub(crate) now: SystemTime,
    pub(crate) work: Work,
}

/// What is left to be done to a plan.
pub(crate) enum Work {
    /// All: policy, optimisation, the cut.
    New {
        node: PlanNode,
        /// What the cut is kept for, where constants of the request are parameters in the plan.
        shaping: Option<Shaping>,
    },
    /// Nothing: another request of this shape has been through all of it, with the same rights.
    Cut(Kept),
}

/// A cut plan that is kept for many requests, and the constants of this one.
pub(crate) struct Kept {
    pub node: PlanNode,
    pub constants: Arc<[Value]>,
}

/// What a plan yields.
#[derive(Clone)]
pub(crate) enum PlanNode {
    /// A table, for SQL; or the explanation of how it would be made.
    Table {
        /// The query.
        plan: LogicalPlan,
        /// Whether only the explanation is wanted.
        explain: bool,
    },
    /// Entities, for OData.
    Entities(Arc<entities::EntityPlan>),
}

impl PlanNode {
    /// The same with every query replaced.
    pub(crate) fn try_map(self, map: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan, EngineError>) -> Result<PlanNode, EngineError> {
        Ok(match self {
            PlanNode::Table { plan, explain } => PlanNode::Table { plan: map(plan)?, explain },
            PlanNode::Entities(entities) => {
                PlanNode::Entities(Arc::new(entities::EntityPlan::try_map(Arc::unwrap_or_clone(entities), map)?))
            }
        })
    }
}
