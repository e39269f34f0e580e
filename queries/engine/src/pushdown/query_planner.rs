//! Turns cut plans into physical ones: remote fragments become remote scans, walks through hierarchies their operator, and every plan
//! that is not a SELECT is refused, whoever made it.

use crate::execute::hierarchy::HierarchyExec;
use crate::execute::scan::RemoteScanExec;
use crate::plan::hierarchy::HierarchyWalk;
use crate::plan::sql::ensure_read_only;
use crate::pushdown::fragment::RemoteFragment;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result as DataFusionResult;
use datafusion::error::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use std::sync::Arc;

/// The query planner of the session.
#[derive(Debug)]
pub struct FragmentQueryPlanner;

#[async_trait]
impl QueryPlanner for FragmentQueryPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        ensure_read_only(plan).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(FragmentPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

/// Plans remote fragments and walks through hierarchies.
struct FragmentPlanner;

#[async_trait]
impl ExtensionPlanner for FragmentPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(walk) = node.as_any().downcast_ref::<HierarchyWalk>() {
            return Ok(Some(Arc::new(HierarchyExec::new(walk, physical_inputs))));
        }
        let fragment = node.as_any().downcast_ref::<RemoteFragment>();
        Ok(fragment.map(|fragment| Arc::new(RemoteScanExec::new(fragment.clone())) as Arc<dyn ExecutionPlan>))
    }
}
