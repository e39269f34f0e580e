//! Groups that a source makes although something stays here. Of a union whose branches are not one query, each source makes the groups of its
//! own branch, and these are put together: only what is the same whichever rows were put together first. And where a condition drops groups as
//! a whole, it drops them after they have been made. It must not know capabilities.

use crate::error::EngineError;
use crate::policy::barrier::unmarked;
use crate::pushdown::aggregate::aggregated;
use crate::pushdown::cut::{Piece, grow};
use crate::pushdown::fallible::can_fail;
use crate::pushdown::growing::Growing;
use crate::pushdown::sole_fragment;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, LogicalPlan, Projection, SubqueryAlias, TableScan, Union, cast, lit, when,
};
use portico_catalog::Model;
use portico_provider_api::{AggregateCall, AggregateFunction, Expr as RemoteExpr, ScalarType};
use std::sync::Arc;

/// The union of which an aggregate makes groups, if it does: nothing is between them but names.
pub fn union_below(input: &LogicalPlan) -> Option<&Union> {
    match input {
        LogicalPlan::Union(union) => Some(union),
        LogicalPlan::SubqueryAlias(alias) => union_below(&alias.input),
        _ => None,
    }
}

/// The input of an aggregate with another plan in the place of its union.
///
/// # Errors
/// When the plan has other columns.
pub fn above_union(input: &LogicalPlan, union: LogicalPlan) -> Result<LogicalPlan, EngineError> {
    match input {
        LogicalPlan::SubqueryAlias(alias) => {
            let below = above_union(&alias.input, union)?;
            Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(below), alias.alias.clone())?))
        }
        _ => Ok(union),
    }
}

/// The groups of an aggregate, made by the source, without those that a condition drops which is evaluated here; nothing where it is on anything
/// but what the groups are made by. `input` is what the input of the aggregate has become.
///
/// # Errors
/// As [`grow`].
pub fn without_groups(aggregate: &Aggregate, input: &Piece, model: &Model) -> Result<Option<LogicalPlan>, EngineError> {
    let Piece::Local(local) = input else { return Ok(None) };
    let grouping_set = aggregate.group_expr.iter().any(|key| matches!(key, Expr::GroupingSet(_)));
    // All rows together are one group whatever drops them.
    let by_keys = !aggregate.group_expr.is_empty() && !grouping_set;
    let Some(condition) = condition_here(local).filter(|_| by_keys) else { return Ok(None) };
    if condition.is_volatile() || is_of_rules(condition)? {
        return Ok(None);
    }
    let keys = aggregate.group_expr.iter().filter_map(|key| match key {
        Expr::Column(column) => Some((column.clone(), column.clone())),
        _ => None,
    });
    let Some((rows, condition)) = without(&aggregate.input, condition, keys.collect())? else { return Ok(None) };
    let Piece::Remote(growing) = grow(rows, model)? else { return Ok(None) };
    // Where a row rule is in force, what is computed of a group may tell of rows that it hides.
    let groups = if growing.rules.is_empty() { aggregated(&growing, aggregate).filter(has_values) } else { None };
    let Some(groups) = groups else { return Ok(None) };
    Ok(Some(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(groups.into_plan()))?)))
}

/// Whether what is computed of groups has a value of any group: those that are dropped must not fail.
fn has_values(groups: &Growing) -> bool {
    let columns = groups.query.from.columns();
    let total = |expression: &RemoteExpr| !can_fail(expression, &columns);
    groups.query.aggregate.as_ref().is_some_and(|aggregation| {
        let calls = &aggregation.calls;
        let fits = |call: &AggregateCall| match (call.function, call.argument.as_ref().and_then(|argument| argument.scalar_type(&columns)))
        {
            (AggregateFunction::Sum, Some(ScalarType::Decimal { precision, .. })) => precision <= 28,
            (AggregateFunction::Sum, Some(ScalarType::Int64)) => false,
            _ => true,
        };
        let arguments = calls.iter().flat_map(|call| call.argument.iter().chain(&call.filter));
        aggregation.group_by.iter().chain(arguments).all(total) && calls.iter().all(fits)
    })
}

/// The condition that is all that is evaluated here, columns taken as they are or not.
fn condition_here(plan: &LogicalPlan) -> Option<&Expr> {
    match plan {
        LogicalPlan::Filter(filter) => sole_fragment(&filter.input).map(|_| &filter.predicate),
        LogicalPlan::Projection(projection) => condition_here(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => condition_here(&alias.input),
        _ => None,
    }
}

/// A plan without a condition on its rows, and that condition over the groups that are made of them; nothing where it is on anything but what
/// they are made by. `keys` are columns of the plan, and what they are among the groups.
fn without(plan: &LogicalPlan, condition: &Expr, keys: Vec<(Column, Column)>) -> Result<Option<(LogicalPlan, Expr)>, EngineError> {
    let below = |schema: &DFSchema, column: &dyn Fn(usize) -> Option<Column>| {
        let mapped = keys.iter().filter_map(|(own, key)| Some((column(schema.maybe_index_of_column(own)?)?, key.clone())));
        mapped.collect::<Vec<_>>()
    };
    let dropped = split_conjunction(condition);
    let kept = |all: &Expr| split_conjunction(all).into_iter().filter(|part| !dropped.contains(part)).cloned().collect::<Vec<_>>();
    let rows = match plan {
        LogicalPlan::Projection(projection) => {
            let keys = below(&projection.schema, &|at| match projection.expr.get(at)?.clone().unalias_nested().data {
                Expr::Column(column) => Some(column),
                _ => None,
            });
            let Some((rows, condition)) = without(&projection.input, condition, keys)? else { return Ok(None) };
            let (expr, schema) = (projection.expr.clone(), Arc::clone(&projection.schema));
            return Ok(Some((LogicalPlan::Projection(Projection::try_new_with_schema(expr, Arc::new(rows), schema)?), condition)));
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let keys = below(&alias.schema, &|at| Some(Column::from(alias.input.schema().qualified_field(at))));
            let Some((rows, condition)) = without(&alias.input, condition, keys)? else { return Ok(None) };
            return Ok(Some((LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(rows), alias.alias.clone())?), condition)));
        }
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
            let filters = scan.filters.iter().flat_map(kept).collect();
            LogicalPlan::TableScan(TableScan { filters, ..scan.clone() })
        }
        LogicalPlan::Filter(filter) => match kept(&filter.predicate).into_iter().reduce(Expr::and) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(&filter.input))?),
            None => filter.input.as_ref().clone(),
        },
        _ => return Ok(None),
    };
    let mut by_group = true;
    let over_groups = condition.clone().transform_up(|part| {
        let Expr::Column(column) = &part else { return Ok(Transformed::no(part)) };
        match keys.iter().find(|(own, _)| own == column) {
            Some((_, key)) => Ok(Transformed::yes(Expr::Column(key.clone()))),
            None => {
                by_group = false;
                Ok(Transformed::no(part))
            }
        }
    })?;
    Ok(by_group.then_some((rows, over_groups.data)))
}

/// Whether a condition is one of those that hide rows from the caller, or asks them.
fn is_of_rules(condition: &Expr) -> Result<bool, EngineError> {
    Ok(condition.exists(|part| Ok(unmarked(part).is_some()))?)
}

/// How the values of one aggregate over parts of the rows become that over all.
#[derive(Clone, Copy)]
enum Together {
    Sum,
    /// A sum too, which is zero of no parts.
    Count,
    Least,
    Greatest,
}

/// Aggregates over the groups that the branches of a union make of their own rows; nothing where no source would make them, or where it would
/// not be the same.
///
/// # Errors
/// When DataFusion does not take the plan that is made.
pub fn grouped(aggregate: &Aggregate, branches: &[Piece]) -> Result<Option<LogicalPlan>, EngineError> {
    let input = aggregate.input.schema();
    let calls: Option<Vec<Together>> = aggregate.aggr_expr.iter().map(|call| together(call, input)).collect();
    let expressions = || aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
    let deterministic = expressions().all(|expression| !expression.is_volatile() && !matches!(expression, Expr::GroupingSet(_)));
    let Some(calls) = calls.filter(|_| deterministic) else { return Ok(None) };
    let mut parts = Vec::with_capacity(branches.len());
    let mut at_sources = 0_usize;
    for branch in branches {
        let (part, at_source) = part(aggregate, branch)?;
        at_sources += usize::from(at_source);
        parts.push(Arc::new(part));
    }
    let types = |plan: &LogicalPlan| plan.schema().fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
    let alike = parts.first().is_some_and(|first| parts.iter().all(|part| types(part) == types(first)));
    if at_sources == 0 || !alike {
        return Ok(None);
    }
    let union = LogicalPlan::Union(Union::try_new(parts)?);
    let column = |at: usize| Expr::Column(Column::from(union.schema().qualified_field(at)));
    let keys = aggregate.group_expr.len();
    let together = calls.iter().enumerate().map(|(at, call)| match call {
        Together::Sum | Together::Count => sum(column(keys + at)),
        Together::Least => min(column(keys + at)),
        Together::Greatest => max(column(keys + at)),
    });
    let (group_by, together) = ((0..keys).map(column).collect(), together.collect());
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(union.clone()), group_by, together)?);
    let outputs = outputs(&aggregate.schema, &plan, |at| at.checked_sub(keys).and_then(|call| calls.get(call)).copied())?;
    Ok(Some(LogicalPlan::Projection(Projection::try_new(outputs, Arc::new(plan))?)))
}

/// The columns that an aggregate was to have, of those that it has.
fn outputs(wanted: &DFSchemaRef, plan: &LogicalPlan, call: impl Fn(usize) -> Option<Together>) -> Result<Vec<Expr>, EngineError> {
    let mut outputs = Vec::with_capacity(wanted.fields().len());
    for (at, (qualifier, field)) in wanted.iter().enumerate() {
        let mut output = Expr::Column(Column::from(plan.schema().qualified_field(at)));
        if matches!(call(at), Some(Together::Count)) {
            output = when(output.clone().is_not_null(), output).otherwise(lit(0_i64))?;
        }
        // The sum of sums has room for more digits, which this many rows do not fill.
        if output.get_type(plan.schema())? != *field.data_type() {
            output = cast(output, field.data_type().clone());
        }
        outputs.push(output.alias_qualified(qualifier.cloned(), field.name()));
    }
    Ok(outputs)
}

/// The groups of one branch, and whether its source makes them.
fn part(aggregate: &Aggregate, branch: &Piece) -> Result<(LogicalPlan, bool), EngineError> {
    let plan = branch.clone().into_plan()?;
    let over = |expression: &Expr| of_branch(expression, aggregate.input.schema(), plan.schema());
    let group_by = aggregate.group_expr.iter().map(over).collect::<Result<Vec<_>, EngineError>>()?;
    let calls = aggregate.aggr_expr.iter().map(over).collect::<Result<Vec<_>, EngineError>>()?;
    let own = Aggregate::try_new(Arc::new(plan.clone()), group_by, calls)?;
    let at_source = match branch {
        Piece::Remote(growing) => aggregated(growing, &own),
        Piece::Local(_) => None,
    };
    let is_at_source = at_source.is_some();
    let groups = at_source.map_or(LogicalPlan::Aggregate(own), |growing| growing.into_plan());
    // Names that say nothing, and that all branches share.
    let columns = groups.schema().iter().map(Column::from).enumerate();
    let named = columns.map(|(at, column)| Expr::Column(column).alias(format!("part{at}"))).collect();
    Ok((LogicalPlan::Projection(Projection::try_new(named, Arc::new(groups))?), is_at_source))
}

/// An expression over the columns of a union as one over those of a branch.
fn of_branch(expression: &Expr, union: &DFSchema, branch: &DFSchema) -> Result<Expr, EngineError> {
    let replaced = expression.clone().transform_up(|part| {
        let Expr::Column(column) = &part else { return Ok(Transformed::no(part)) };
        let at = union.index_of_column(column)?;
        Ok(Transformed::yes(Expr::Column(Column::from(branch.qualified_field(at)))))
    })?;
    Ok(replaced.data)
}

/// How an aggregate is put together; nothing where the parts do not say what it is over all rows, or could fail where the whole does not.
fn together(call: &Expr, input: &DFSchema) -> Option<Together> {
    let function = match call {
        Expr::Alias(alias) => return together(&alias.expr, input),
        Expr::AggregateFunction(function) => function,
        _ => return None,
    };
    let parameters = &function.params;
    let plain = !parameters.distinct && parameters.order_by.is_empty() && parameters.null_treatment.is_none();
    let [argument] = parameters.args.as_slice() else { return None };
    match function.func.name() {
        _ if !plain => None,
        "count" => Some(Together::Count),
        "min" => Some(Together::Least),
        "max" => Some(Together::Greatest),
        "sum" => match argument.get_type(input).ok()? {
            DataType::Int8 | DataType::Int16 | DataType::Int32 => Some(Together::Sum),
            DataType::Int64 if !matches!(argument, Expr::Column(_)) => sums_of_small(argument, input),
            DataType::Decimal128(precision, _) if precision <= 28 => Some(Together::Sum),
            _ => None,
        },
        _ => None,
    }
}

/// The sum of integers that became 64 bits wide to be added up.
fn sums_of_small(argument: &Expr, input: &DFSchema) -> Option<Together> {
    let Expr::Cast(cast) = argument else { return None };
    matches!(cast.expr.get_type(input).ok()?, DataType::Int8 | DataType::Int16 | DataType::Int32).then_some(Together::Sum)
}
