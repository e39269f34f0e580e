//! Rewriting every expression of a plan, sub-queries included, without changing the names of what it computes. It must not know what for.

use crate::error::EngineError;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan with each part of each expression, innermost first, as `part` gives it back over the columns that are in reach there.
///
/// # Errors
/// None of its own: the plan was well-typed before.
pub fn expressions(plan: LogicalPlan, part: impl Fn(Expr, &DFSchema) -> Transformed<Expr>) -> Result<LogicalPlan, EngineError> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            let rewritten = expression.transform_up(|inner| Ok(part(inner, &schema)))?;
            Ok(if rewritten.transformed { rewritten.update_data(|expression| name.restore(expression)) } else { rewritten })
        })
    })?;
    Ok(rewritten.data)
}
