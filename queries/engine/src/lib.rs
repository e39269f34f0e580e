//! The engine: statements become plans, plans are permitted, cut into source queries, executed and cached; writes become change
//! sets. It is the only crate that knows DataFusion, and it knows no protocol.
//!
//! The stages are types, and each is made only from the one before it:
//! [`Statement`] → [`Plan`] → [`PermittedPlan`] → [`PushedPlan`] → [`Answer`].

mod act;
pub mod admission;
mod answer;
mod cache;
mod context;
mod engine;
mod error;
mod execute;
mod explain;
mod metadata;
mod plan;
mod policy;
mod pushdown;
mod settings;
mod shapes;
mod snapshot;
mod statement;
mod values;
mod write;

pub use act::{ActionAnswer, PreparedAction};
pub use admission::Overload;
pub use answer::{Answer, EntityAnswer, EntityRows, TableAnswer, TableStream, WriteAnswer};
pub use context::{CallOutcome, Journal, LocalPermit, RequestContext, RequestedFreshness, SourceCall, Written};
pub use engine::Engine;
pub use error::EngineError;
pub use execute::local::PLANNER_STACK;
pub use explain::Explanation;
pub use metadata::MetadataDocument;
pub use plan::Plan;
pub use plan::sql::named_tables;
pub use policy::{
    AccessDefinition, Attribute, GrantDefinition, PermittedPlan, PermittedWrite, Principal, RoleDefinition, VisibleTable, WriteRight,
};
pub use pushdown::PushedPlan;
pub use settings::EngineSettings;
pub use shapes::ShapeCounts;
pub use statement::{EntityRead, Paging, SqlStatement, Statement};
