//! Makes joins give way. A join multiplies rows from input that it has already read, so DataFusion's own rule, which looks at leaves
//! only, lets it run for hours without a pause; and a deadline, or a client that goes away, is only noticed in a pause.

use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use std::sync::Arc;

/// Puts a pause after every operator that may yield more rows than it reads.
#[derive(Debug)]
pub struct YieldAfterJoins;

impl PhysicalOptimizerRule for YieldAfterJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let paused = plan.transform_up(|node| {
            let multiplies = matches!(node.cardinality_effect(), CardinalityEffect::GreaterEqual | CardinalityEffect::Unknown);
            let passes_on = node.is::<CooperativeExec>() || node.children().is_empty();
            if multiplies && !passes_on {
                return Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>));
            }
            Ok(Transformed::no(node))
        })?;
        Ok(paused.data)
    }

    fn name(&self) -> &str {
        "yield_after_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
