//! Turns cut plans into physical ones: remote fragments become remote scans, what feeds them its operator, walks through hierarchies their operator, and every plan
//! that is not a SELECT is refused, whoever made it.

use crate::execute::bind_keys::{BindKeysExec, KeyCells, KeySource};
use crate::execute::hierarchy::HierarchyExec;
use crate::execute::scan::RemoteScanExec;
use crate::plan::hierarchy::HierarchyWalk;
use crate::plan::sql::ensure_read_only;
use crate::pushdown::feed::KeyFeed;
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
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(FragmentPlanner::default())]);
        planner.create_physical_plan(plan, session).await
    }
}

/// Plans remote fragments, what feeds them with keys, and walks through hierarchies: of one plan, whose keys are nobody else's.
#[derive(Default)]
struct FragmentPlanner {
    cells: KeyCells,
}

#[async_trait]
impl ExtensionPlanner for FragmentPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(walk) = node.as_any().downcast_ref::<HierarchyWalk>() {
            return Ok(Some(Arc::new(HierarchyExec::new(walk, physical_inputs))));
        }
        if let (Some(feed), [logical], [input]) = (node.as_any().downcast_ref::<KeyFeed>(), logical_inputs, physical_inputs) {
            let sources = feed.feeds.iter().map(|feed| {
                let keys = feed.keys.iter().map(|key| planner.create_physical_expr(key, logical.schema(), session, context));
                Ok(KeySource {
                    cell: self.cells.get(feed.number),
                    table: feed.table.clone(),
                    keys: keys.collect::<DataFusionResult<Vec<_>>>()?,
                    types: feed.types.clone(),
                })
            });
            let sources = sources.collect::<DataFusionResult<Vec<_>>>()?;
            return Ok(Some(Arc::new(BindKeysExec::new(Arc::clone(input), sources))));
        }
        let Some(fragment) = node.as_any().downcast_ref::<RemoteFragment>() else { return Ok(None) };
        let fed = fragment.fed.as_ref().map(|fed| self.cells.get(fed.number));
        Ok(Some(Arc::new(RemoteScanExec::new(fragment.clone(), fed))))
    }
}
