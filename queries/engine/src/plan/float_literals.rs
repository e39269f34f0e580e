//! Number literals beside floats. `1.5` is parsed as a decimal, so that it is exact beside decimals; beside a float, DataFusion would
//! compare both as decimals and fail on infinities and on what needs more digits. There the literal becomes a float.

use crate::error::EngineError;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, expr::InList};

/// Rewrites every comparison of a plan.
///
/// # Errors
/// `Invalid` when a literal is not a number that a float can hold.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan, EngineError> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.map_expressions(|expression| expression.transform_up(|part| in_comparison(part, &schema)))
    })?;
    Ok(rewritten.data)
}

/// Rewrites one expression over a schema.
///
/// # Errors
/// As [`rewrite`].
pub fn rewrite_expression(expression: Expr, schema: &DFSchema) -> Result<Expr, EngineError> {
    Ok(expression.transform_up(|part| in_comparison(part, schema))?.data)
}

fn in_comparison(expression: Expr, schema: &DFSchema) -> datafusion::error::Result<Transformed<Expr>> {
    let float = |side: &Expr| match side.get_type(schema) {
        Ok(data_type @ (DataType::Float32 | DataType::Float64)) => Some(data_type),
        _ => None,
    };
    Ok(match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
            let (left_float, right_float) = (float(&left), float(&right));
            let left = as_float(*left, right_float.as_ref())?;
            let right = as_float(*right, left_float.as_ref())?;
            let changed = left.transformed || right.transformed;
            let whole = Expr::BinaryExpr(BinaryExpr::new(Box::new(left.data), op, Box::new(right.data)));
            if changed { Transformed::yes(whole) } else { Transformed::no(whole) }
        }
        Expr::InList(InList { expr, list, negated }) => {
            let wanted = float(&expr);
            let list = list.into_iter().map(|item| Ok(as_float(item, wanted.as_ref())?.data)).collect::<datafusion::error::Result<_>>()?;
            Transformed::yes(Expr::InList(InList::new(expr, list, negated)))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let wanted = float(&expr);
            let (low, high) = (as_float(*low, wanted.as_ref())?.data, as_float(*high, wanted.as_ref())?.data);
            Transformed::yes(Expr::Between(Between::new(expr, negated, Box::new(low), Box::new(high))))
        }
        other => Transformed::no(other),
    })
}

/// A decimal literal (a negated one too) as a float, where one is wanted.
fn as_float(expression: Expr, wanted: Option<&DataType>) -> datafusion::error::Result<Transformed<Expr>> {
    let Some(wanted) = wanted else { return Ok(Transformed::no(expression)) };
    match expression {
        Expr::Literal(scalar @ (ScalarValue::Decimal128(..) | ScalarValue::Decimal256(..)), metadata) => {
            Ok(Transformed::yes(Expr::Literal(scalar.cast_to(wanted)?, metadata)))
        }
        Expr::Negative(inner) => {
            let inner = as_float(*inner, Some(wanted))?;
            Ok(Transformed::new(Expr::Negative(Box::new(inner.data)), inner.transformed, inner.tnr))
        }
        other => Ok(Transformed::no(other)),
    }
}
