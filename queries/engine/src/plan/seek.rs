//! Continues a page where the last one ended, by the values of the sort keys and never by counting rows: rows that come or go
//! in between cannot shift what follows.

use crate::error::EngineError;
use crate::plan::parameters::constant;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder, SortExpr, lit};
use portico_odata::BoundExpr;

/// One key of a total order; nulls are the lowest values.
#[derive(Debug, Clone)]
pub struct OrderKey {
    /// What is sorted by.
    pub expr: Expr,
    /// Descending.
    pub descending: bool,
}

/// The order of the keys.
pub fn sort(keys: &[OrderKey]) -> Vec<SortExpr> {
    keys.iter().map(|key| SortExpr::new(key.expr.clone(), !key.descending, !key.descending)).collect()
}

/// Rows in the order of the keys, and only those after the position where there is one.
///
/// # Errors
/// As [`after`].
pub fn ordered(builder: LogicalPlanBuilder, keys: &[OrderKey], position: Option<&[BoundExpr]>) -> Result<LogicalPlanBuilder, EngineError> {
    let builder = match position {
        Some(position) => {
            let condition = after(keys, position, builder.schema())?;
            builder.filter(condition)?
        }
        None => builder,
    };
    Ok(if keys.is_empty() { builder } else { builder.sort(sort(keys))? })
}

/// The condition that a row comes after the position, in the order of the keys: for some key it is after, and all keys before
/// that are equal.
///
/// # Errors
/// `Invalid` when the position is not one of this order.
pub fn after(keys: &[OrderKey], position: &[BoundExpr], schema: &DFSchema) -> Result<Expr, EngineError> {
    if keys.len() != position.len() {
        return Err(EngineError::Invalid("the continuation does not belong to this query".to_owned()));
    }
    let mut any: Option<Expr> = None;
    let mut equal_so_far: Option<Expr> = None;
    for (key, value) in keys.iter().zip(position) {
        let value = constant(value)?;
        let nullable = key.expr.nullable(schema)?;
        if let Some(beyond) = beyond(key, value.as_ref(), nullable) {
            let term = match &equal_so_far {
                Some(equal) => equal.clone().and(beyond),
                None => beyond,
            };
            any = Some(any.map_or(term.clone(), |all| all.or(term)));
        }
        let equal = match value {
            None => key.expr.clone().is_null(),
            Some(value) => key.expr.clone().eq(value),
        };
        equal_so_far = Some(equal_so_far.map_or(equal.clone(), |all| all.and(equal)));
    }
    Ok(any.unwrap_or_else(|| lit(false)))
}

/// After a value in one key, or after null; `None` when nothing can be.
fn beyond(key: &OrderKey, value: Option<&Expr>, nullable: bool) -> Option<Expr> {
    let expr = || key.expr.clone();
    match (value, key.descending) {
        (None, false) => Some(expr().is_not_null()),
        (None, true) => None,
        (Some(value), false) => Some(expr().gt(value.clone())),
        (Some(value), true) => {
            let lower = expr().lt(value.clone());
            Some(if nullable { lower.or(expr().is_null()) } else { lower })
        }
    }
}
