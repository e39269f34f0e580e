//! Joins that spill. A hash join holds one side in memory and cannot spill; a sort-merge join sorts both, and sorts spill. It is slower, and
//! asks sources without the keys of the other side, but for tables that require them, so it is what a query is run as again when its hash joins did not fit.

use crate::execute::bind_keys::BindKeysExec;
use arrow::datatypes::Schema;
use datafusion::common::JoinType;
use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use std::sync::Arc;

/// What each sort keeps back to merge what it has spilled: of the query's memory this part, within bounds.
const MERGE_PART: usize = 32;
const MERGE_BYTES: (usize, usize) = (128 << 10, 10 << 20);
/// Rows in a batch: one for so many bytes of the query's memory, within bounds.
const MERGE_ROW: usize = 32 << 10;
const MERGE_ROWS: (usize, usize) = (64, 4_096);

/// Whether an error says that memory, or the disk below it, is at its end.
pub fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// Whether a plan has joins that the other form would spill.
pub fn has_hash_joins(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|node| Ok(node.downcast_ref::<HashJoinExec>().is_some_and(can_merge))).unwrap_or_default()
}

/// The session that plans with joins that spill, for queries with so much memory. The joins are replaced before all other rules: what order
/// is needed where, those find out.
pub fn session(session: &SessionState, query_memory: usize) -> SessionState {
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(MergeJoins)];
    rules.extend(session.physical_optimizers().iter().cloned());
    let mut config = session.config().clone();
    // A merge holds a batch of each run that it merges.
    let rows = (query_memory / MERGE_ROW).clamp(MERGE_ROWS.0, MERGE_ROWS.1);
    config = config.with_batch_size(rows);
    config.options_mut().execution.sort_spill_reservation_bytes = (query_memory / MERGE_PART).clamp(MERGE_BYTES.0, MERGE_BYTES.1);
    SessionStateBuilder::new_from_existing(session.clone()).with_config(config).with_physical_optimizer_rules(rules).build()
}

/// Puts sort-merge joins in place of hash joins.
#[derive(Debug)]
struct MergeJoins;

impl PhysicalOptimizerRule for MergeJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let merged = plan.transform_up(|node| match node.downcast_ref::<HashJoinExec>() {
            Some(join) if can_merge(join) => Ok(Transformed::yes(merge(join)?)),
            _ => Ok(Transformed::no(node)),
        })?;
        Ok(merged.data)
    }

    fn name(&self) -> &str {
        "merge_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// An anti join that knows about nulls (`NOT IN`) has no other form; nor have joins that mark rows here, nor
/// have joins whose second side waits for keys of the first and is the one that a merge begins with.
fn can_merge(join: &HashJoinExec) -> bool {
    let waits = join.left().is::<BindKeysExec>() && *join.join_type() == JoinType::RightSemi;
    !waits && !join.null_aware && !matches!(join.join_type(), JoinType::LeftMark | JoinType::RightMark)
}

fn merge(join: &HashJoinExec) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
    let order = vec![Default::default(); join.on().len()];
    let filter = join.filter().map(|filter| {
        // An outer join asks it of rows that have no partner, too, whose columns are null whatever the table says.
        let fields = filter.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        JoinFilter::new(Arc::clone(filter.expression()), filter.column_indices().to_vec(), Arc::new(schema))
    });
    let merged = SortMergeJoinExec::try_new(left, right, join.on().to_vec(), filter, *join.join_type(), order, join.null_equality())?;
    let merged: Arc<dyn ExecutionPlan> = Arc::new(merged);
    let Some(projection) = join.projection.as_ref() else { return Ok(merged) };
    let schema = merged.schema();
    let columns = projection.iter().map(|index| {
        let name = schema.field(*index).name();
        ProjectionExpr { expr: Arc::new(Column::new(name, *index)), alias: name.clone() }
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), merged)?))
}
