//! The cut: walks an optimised plan from its leaves and grows a source query over each remote table as far as the source's
//! capabilities go. What does not fit stays in the plan, above the fragment.

use crate::error::EngineError;
use crate::plan::canonical_float;
use crate::plan::tables::RemoteTable;
use crate::policy::barrier;
use crate::pushdown::aggregate::aggregated;
use crate::pushdown::cluster::{grow_cluster, is_inner};
use crate::pushdown::growing::{Growing, Rules, outputs};
use crate::pushdown::join::{self, Condition};
use crate::pushdown::partial;
use crate::pushdown::reduce::reduced_join;
use crate::pushdown::top::Top;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, JoinType};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr as PlanExpr, FetchType, Filter, Join, Limit, LogicalPlan, LogicalPlanBuilder, Projection, SkipType, Sort, Subquery,
    SubqueryAlias, TableScan, Union,
};
use portico_catalog::{Model, Origin};
use portico_provider_api::{Capabilities, Expr, Relation, Requirement, SortKey, SourceQuery};
use std::sync::Arc;

/// Cuts a plan.
///
/// # Errors
/// `Internal` when the plan is not one that policy let through.
pub fn cut(plan: LogicalPlan, model: &Model) -> Result<LogicalPlan, EngineError> {
    grow(plan, model)?.into_plan()
}

/// A piece of a plan: still one source query, or not any more.
#[derive(Clone)]
pub enum Piece {
    /// One source query, which may grow.
    Remote(Box<Growing>),
    /// A plan with source queries in it.
    Local(LogicalPlan),
}

impl Piece {
    /// The plan in its place.
    pub fn into_plan(self) -> Result<LogicalPlan, EngineError> {
        match self {
            Piece::Local(plan) => Ok(plan),
            Piece::Remote(growing) => Ok(growing.into_plan()),
        }
    }

    /// The source, while there is only one.
    pub fn source(&self) -> Option<&str> {
        match self {
            Piece::Remote(growing) => Some(&growing.source),
            Piece::Local(_) => None,
        }
    }

    /// Roughly how many rows it has; of what is joined here already nobody knows.
    pub fn estimate(&self) -> u64 {
        match self {
            Piece::Remote(growing) => growing.estimate(),
            Piece::Local(_) => 10_000,
        }
    }
}

/// Grows source queries over the leaves of a plan.
///
/// # Errors
/// As [`cut`].
pub fn grow(plan: LogicalPlan, model: &Model) -> Result<Piece, EngineError> {
    grow_top(plan, model, None)
}

/// The same for a plan of which only some rows may be wanted. One that is not of one source query leaves out those that are not; of any other
/// who wants them takes them.
fn grow_top(plan: LogicalPlan, model: &Model, top: Option<Top>) -> Result<Piece, EngineError> {
    match plan {
        LogicalPlan::TableScan(scan) => grow_scan(scan, model),
        LogicalPlan::Filter(filter) => grow_filter(filter, model),
        LogicalPlan::Projection(projection) => grow_projection(projection, model, top),
        LogicalPlan::Sort(sort) => grow_sort(sort, model),
        LogicalPlan::Limit(limit) => grow_limit(limit, model),
        LogicalPlan::Aggregate(aggregate) => grow_aggregate(aggregate, model),
        LogicalPlan::Join(join) if is_inner(&join) => grow_cluster(join, model),
        LogicalPlan::Join(join) => grow_join(join, model, top),
        LogicalPlan::Union(union) => grow_union(union, model, top),
        LogicalPlan::SubqueryAlias(alias) => {
            let top = top.and_then(|top| top.below_alias(&alias));
            Ok(match grow_top(Arc::unwrap_or_clone(alias.input.clone()), model, top)? {
                Piece::Remote(mut growing) => {
                    growing.schema = Arc::clone(&alias.schema);
                    Piece::Remote(growing)
                }
                Piece::Local(input) => {
                    Piece::Local(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?))
                }
            })
        }
        other => {
            let inputs = other.inputs().into_iter().cloned().map(|input| cut(input, model)).collect::<Result<Vec<_>, _>>()?;
            if inputs.is_empty() {
                return Ok(Piece::Local(other));
            }
            around(other, inputs, model)
        }
    }
}

/// A node that stays here, around inputs that have been cut.
fn around(node: LogicalPlan, inputs: Vec<LogicalPlan>, model: &Model) -> Result<Piece, EngineError> {
    let expressions = node.expressions().into_iter().map(|expression| cut_subqueries(expression, model)).collect::<Result<Vec<_>, _>>()?;
    Ok(Piece::Local(node.with_new_exprs(expressions, inputs)?))
}

fn grow_aggregate(mut aggregate: Aggregate, model: &Model) -> Result<Piece, EngineError> {
    let (input, branches) = match partial::union_below(&aggregate.input) {
        Some(union) => grow_branches(&aggregate.input, union, model)?,
        None => (grow(Arc::unwrap_or_clone(Arc::clone(&aggregate.input)), model)?, Vec::new()),
    };
    for expression in aggregate.group_expr.iter_mut().chain(&mut aggregate.aggr_expr) {
        *expression = cut_subqueries(std::mem::take(expression), model)?;
    }
    if let Piece::Remote(growing) = &input
        && let Some(grown) = aggregated(growing, &aggregate)
    {
        return Ok(Piece::Remote(Box::new(grown)));
    }
    if let Some(plan) = partial::grouped(&aggregate, &branches)? {
        return Ok(Piece::Local(plan));
    }
    if let Some(plan) = partial::without_groups(&aggregate, &input, model)? {
        return Ok(Piece::Local(plan));
    }
    around(LogicalPlan::Aggregate(aggregate), vec![input.into_plan()?], model)
}

/// The union below an aggregate, and its branches where they are not one query.
fn grow_branches(input: &LogicalPlan, union: &Union, model: &Model) -> Result<(Piece, Vec<Piece>), EngineError> {
    let pieces = union.inputs.iter().map(|branch| grow(branch.as_ref().clone(), model)).collect::<Result<Vec<_>, _>>()?;
    if let Some(grown) = united(&pieces, input.schema()) {
        return Ok((Piece::Remote(Box::new(grown)), Vec::new()));
    }
    let inputs = pieces.iter().map(|piece| piece.clone().into_plan().map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let plan = LogicalPlan::Union(Union { inputs, schema: Arc::clone(&union.schema) });
    Ok((Piece::Local(partial::above_union(input, plan)?), pieces))
}

/// A join that has a first and a second side.
fn grow_join(mut plan: Join, model: &Model, top: Option<Top>) -> Result<Piece, EngineError> {
    let of_side = |kind| top.as_ref().and_then(|top| top.of_side(&plan, kind));
    let (top_left, top_right) = (of_side(JoinType::Left), of_side(JoinType::Right));
    let left = grow_top(Arc::unwrap_or_clone(Arc::clone(&plan.left)), model, top_left.clone())?;
    let right = grow_top(Arc::unwrap_or_clone(Arc::clone(&plan.right)), model, top_right.clone())?;
    plan.filter = plan.filter.map(|filter| cut_subqueries(filter, model)).transpose()?;
    if let (Piece::Remote(left), Piece::Remote(right)) = (&left, &right) {
        let condition = Condition {
            on: &plan.on,
            filter: plan.filter.clone(),
            join_type: plan.join_type,
            null_equality: plan.null_equality,
            null_aware: plan.null_aware,
            schema: &plan.schema,
        };
        let reduced = if plan.null_aware { None } else { reduced_join(left, right, &plan.on, plan.join_type, plan.null_equality) };
        let reduced = reduced.and_then(|(left, right)| join::join(left, right, &condition));
        if let Some(joined) = reduced.or_else(|| join::join(left.as_ref().clone(), right.as_ref().clone(), &condition)) {
            return Ok(Piece::Remote(Box::new(joined)));
        }
    }
    let (left, right) = (only(top_left, left)?, only(top_right, right)?);
    let (left, right) = (Arc::new(left.into_plan()?), Arc::new(right.into_plan()?));
    Ok(Piece::Local(LogicalPlan::Join(Join { left, right, ..plan })))
}

/// What is wanted of a piece that stays by itself.
fn only(top: Option<Top>, piece: Piece) -> Result<Piece, EngineError> {
    match top {
        Some(top) => top.applied(piece),
        None => Ok(piece),
    }
}

fn grow_union(union: Union, model: &Model, top: Option<Top>) -> Result<Piece, EngineError> {
    let tops: Vec<Option<Top>> =
        union.inputs.iter().map(|input| top.as_ref().and_then(|top| top.of_branch(&union.schema, input))).collect();
    let grown = union.inputs.iter().zip(&tops).map(|(input, top)| grow_top(input.as_ref().clone(), model, top.clone()));
    let pieces = grown.collect::<Result<Vec<_>, _>>()?;
    if let Some(grown) = united(&pieces, &union.schema) {
        return Ok(Piece::Remote(Box::new(grown)));
    }
    let pieces = pieces.into_iter().zip(tops).map(|(piece, top)| only(top, piece));
    let inputs = pieces.map(|piece| piece?.into_plan().map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    Ok(Piece::Local(LogicalPlan::Union(Union { inputs, schema: union.schema })))
}

/// All pieces as one query of their source.
fn united(pieces: &[Piece], schema: &DFSchemaRef) -> Option<Growing> {
    let blocks = pieces.iter().map(|piece| match piece {
        Piece::Remote(growing) => Some(growing),
        Piece::Local(_) => None,
    });
    let blocks = blocks.collect::<Option<Vec<_>>>()?;
    let first = blocks.first()?;
    let alike = |block: &Growing| block.source == first.source && block.key_slot.is_none() && block.required_keys.is_empty();
    let types = |block: &Growing| block.query.result_columns().into_iter().map(|column| column.scalar_type).collect::<Vec<_>>();
    if !blocks.iter().all(|block| alike(block) && types(block) == types(first)) {
        return None;
    }
    let queries = blocks.iter().map(|block| {
        let mut query = block.query.clone();
        if !block.is_cut_off() {
            query.order_by.clear();
        }
        query
    });
    let relation = Relation::Union(queries.collect());
    let fields = (0..first.query.output.len()).map(Expr::Column);
    let query = SourceQuery::select(relation, outputs(fields));
    let grown = Growing {
        parts: Vec::new(),
        query,
        rows: blocks.iter().map(|block| block.estimate()).sum(),
        unfiltered: blocks.iter().map(|block| block.left().1).sum(),
        freshness: blocks.iter().map(|block| block.freshness).min()?,
        rules: Rules { conditions: Vec::new(), within: blocks.iter().any(|block| !block.rules.is_empty()) },
        key: None,
        schema: Arc::clone(schema),
        ..first.as_ref().clone()
    };
    grown.accepted()
}

/// Cuts the plans of the sub-queries in an expression.
///
/// # Errors
/// As [`cut`].
pub fn cut_subqueries(expression: PlanExpr, model: &Model) -> Result<PlanExpr, EngineError> {
    let cut_one = |subquery: &mut Subquery| -> Result<(), DataFusionError> {
        let inner =
            cut(Arc::unwrap_or_clone(Arc::clone(&subquery.subquery)), model).map_err(|error| DataFusionError::External(Box::new(error)))?;
        subquery.subquery = Arc::new(inner);
        Ok(())
    };
    let transformed = expression.transform_up(|mut node| {
        match &mut node {
            PlanExpr::ScalarSubquery(subquery) => cut_one(subquery)?,
            PlanExpr::Exists(exists) => cut_one(&mut exists.subquery)?,
            PlanExpr::InSubquery(within) => cut_one(&mut within.subquery)?,
            _ => return Ok(Transformed::no(node)),
        }
        Ok(Transformed::yes(node))
    })?;
    Ok(transformed.data)
}

fn grow_scan(scan: TableScan, model: &Model) -> Result<Piece, EngineError> {
    let Some(remote) = scan.source.downcast_ref::<RemoteTable>() else {
        return Err(EngineError::Internal("a table of the plan was not subjected to policy".to_owned()));
    };
    let known = model.sources.get(&remote.source);
    let known = known.ok_or_else(|| EngineError::Internal(format!("the model does not know the source '{}'", remote.source)))?;
    let full = LogicalPlanBuilder::scan(scan.table_name.clone(), Arc::clone(&scan.source), None)?.build()?;
    let (capabilities, required_keys) = without_required_keys(&known.capabilities, &remote.relation.table.to_string());
    let rows = remote.table.row_estimate.unwrap_or(100_000).max(1);
    let mut growing = Growing {
        parts: Vec::new(),
        source: remote.source.clone(),
        capabilities,
        required_keys,
        conditions: Vec::new(),
        schema_version: known.schema_version.clone(),
        freshness: remote.table.freshness,
        rows,
        unfiltered: rows,
        query: SourceQuery::scan(remote.relation.clone()),
        key_slot: None,
        rules: Rules::default(),
        key: primary_key(remote),
        schema: Arc::clone(full.schema()),
    };
    let conjuncts: Vec<PlanExpr> = scan.filters.iter().flat_map(split_conjunction).cloned().collect();
    let rules = conjuncts.iter().filter_map(barrier::unmarked).filter_map(|rule| growing.translate(rule)).collect();
    growing.note_keys(&conjuncts);
    let conjuncts = barrier::guarded(conjuncts, &growing.schema)?;
    let residual = growing.take_filters(&conjuncts);
    // Those that the source does not evaluate are in the rest, above which nothing grows.
    growing.rules = Rules { conditions: rules, within: false };
    let wanted: Vec<PlanExpr> = columns_of(&scan.projected_schema);
    if residual.is_empty() {
        return limit(project(growing, wanted, &scan.projected_schema)?, 0, scan.fetch);
    }
    // The residual needs its columns too; they are dropped again above it.
    let mut kept = wanted.clone();
    for column in residual.iter().flat_map(|expression| expression.column_refs()) {
        let column = PlanExpr::Column(column.clone());
        if !kept.contains(&column) {
            kept.push(column);
        }
    }
    let narrow = LogicalPlanBuilder::from(full).project(kept.clone())?.build()?;
    let piece = project(growing, kept.clone(), narrow.schema())?;
    let mut builder = LogicalPlanBuilder::from(piece.into_plan()?);
    if let Some(condition) = residual.into_iter().reduce(PlanExpr::and) {
        builder = builder.filter(condition)?;
    }
    if kept.len() > wanted.len() {
        builder = builder.project(wanted)?;
    }
    if let Some(fetch) = scan.fetch {
        builder = builder.limit(0, Some(fetch))?;
    }
    Ok(Piece::Local(builder.build()?))
}

/// What a table cannot be asked without, and the capabilities as if that were nothing.
fn without_required_keys(capabilities: &Arc<Capabilities>, table: &str) -> (Arc<Capabilities>, Vec<Vec<Requirement>>) {
    match capabilities.tables.get(table) {
        Some(of_table) if !of_table.required_keys.is_empty() => {
            let mut without = Capabilities::clone(capabilities);
            let of_table = without.tables.get_mut(table).map(|of_table| {
                let required = of_table.required_keys.clone();
                // Of an empty list there is everything; which columns are keys is known all the same.
                of_table.required_keys.push(Vec::new());
                required
            });
            (Arc::new(without), of_table.unwrap_or_default())
        }
        _ => (Arc::clone(capabilities), Vec::new()),
    }
}

/// What tells the rows of a table apart.
fn primary_key(remote: &RemoteTable) -> Option<Vec<Expr>> {
    let Origin::Single { .. } = remote.table.origin else { return None };
    let key = remote.table.key.iter().map(|position| remote.table.columns.get(*position).map(|column| Expr::Column(column.remote)));
    key.collect::<Option<Vec<_>>>().filter(|key| !key.is_empty())
}

/// The columns of a schema, as expressions.
pub fn columns_of(schema: &DFSchemaRef) -> Vec<PlanExpr> {
    schema.iter().map(|field| PlanExpr::Column(Column::from(field))).collect()
}

fn grow_filter(filter: Filter, model: &Model) -> Result<Piece, EngineError> {
    let predicate = cut_subqueries(filter.predicate, model)?;
    let growing = match grow(Arc::unwrap_or_clone(filter.input), model)? {
        Piece::Remote(growing) if growing.is_cut_off() => match growing.as_ref().clone().nested(true) {
            Some(nested) => Ok(nested),
            None => Err(Piece::Remote(growing)),
        },
        Piece::Remote(growing) => Ok(*growing),
        local @ Piece::Local(_) => Err(local),
    };
    let mut growing = match growing {
        Ok(growing) => growing,
        Err(other) => return Ok(Piece::Local(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(other.into_plan()?))?))),
    };
    growing.note_keys(split_conjunction(&predicate));
    let residual = growing.take_filters(&[predicate]);
    match residual.into_iter().reduce(PlanExpr::and) {
        None => Ok(Piece::Remote(Box::new(growing))),
        Some(condition) => {
            let input = growing.into_plan();
            Ok(Piece::Local(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(input))?)))
        }
    }
}

/// Replaces what is returned, at the source where it can return all of it; else above it.
///
/// # Errors
/// When the expressions are not of the schema.
pub fn project(growing: Growing, expressions: Vec<PlanExpr>, schema: &DFSchemaRef) -> Result<Piece, EngineError> {
    if let Some(projected) = projected(&growing, &expressions, schema) {
        return Ok(Piece::Remote(Box::new(projected)));
    }
    let input = Arc::new(growing.into_plan());
    Ok(Piece::Local(LogicalPlan::Projection(Projection::try_new_with_schema(expressions, input, Arc::clone(schema))?)))
}

fn projected(growing: &Growing, expressions: &[PlanExpr], schema: &DFSchemaRef) -> Option<Growing> {
    // Fewer columns of distinct rows may be equal rows.
    let growing = if growing.query.distinct { growing.clone().nested(true)? } else { growing.clone() };
    let fields = expressions.iter().map(|expression| growing.translate(expression)).collect::<Option<Vec<_>>>()?;
    let mut growing = growing.returning(fields, Arc::clone(schema));
    expressions.iter().for_each(|expression| growing.also_reading(expression));
    growing.accepted()
}

fn grow_projection(projection: Projection, model: &Model, top: Option<Top>) -> Result<Piece, EngineError> {
    let top = top.and_then(|top| top.below_projection(&projection));
    let expressions = projection.expr.into_iter().map(|expression| cut_subqueries(expression, model)).collect::<Result<Vec<_>, _>>()?;
    match grow_top(Arc::unwrap_or_clone(projection.input), model, top.clone())? {
        Piece::Remote(growing) => match projected(&growing, &expressions, &projection.schema) {
            Some(projected) => Ok(Piece::Remote(Box::new(projected))),
            None => {
                let input = Arc::new(only(top, Piece::Remote(growing))?.into_plan()?);
                Ok(Piece::Local(LogicalPlan::Projection(Projection::try_new_with_schema(expressions, input, projection.schema)?)))
            }
        },
        Piece::Local(input) => Ok(Piece::Local(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(input))?))),
    }
}

fn grow_sort(mut sort: Sort, model: &Model) -> Result<Piece, EngineError> {
    for key in &mut sort.expr {
        key.expr = cut_subqueries(std::mem::take(&mut key.expr), model)?;
    }
    match grow_top(Arc::unwrap_or_clone(Arc::clone(&sort.input)), model, Top::of(&sort))? {
        Piece::Remote(growing) => match sorted(&growing, &sort.expr) {
            Some(sorted) => limit(Piece::Remote(Box::new(sorted)), 0, sort.fetch),
            None => Ok(Piece::Local(LogicalPlan::Sort(Sort { input: Arc::new(growing.into_plan()), ..sort }))),
        },
        Piece::Local(input) => Ok(Piece::Local(LogicalPlan::Sort(Sort { input: Arc::new(input), ..sort }))),
    }
}

/// The rows in an order. A slot is filled with no more keys than one request takes, so they come in one.
pub fn sorted(growing: &Growing, sort: &[SortExpr]) -> Option<Growing> {
    let mut growing = if growing.is_cut_off() { growing.clone().nested(false)? } else { growing.clone() };
    let keys = sort.iter().map(|key| {
        // Sources sort the zeros as one number, and NaN on top.
        let expr = growing.translate(canonical_float::inner(&key.expr).unwrap_or(&key.expr))?;
        Some(SortKey { expr, descending: !key.asc, nulls_first: key.nulls_first })
    });
    let keys = keys.collect::<Option<Vec<SortKey>>>()?;
    growing.query.order_by = keys;
    sort.iter().for_each(|key| growing.also_reading(&key.expr));
    growing.accepted()
}

/// Cuts a piece's rows off, at the source where it can.
///
/// # Errors
/// When a limit cannot be put above the piece.
pub fn limit(piece: Piece, skip: usize, fetch: Option<usize>) -> Result<Piece, EngineError> {
    if skip == 0 && fetch.is_none() {
        return Ok(piece);
    }
    if let Piece::Remote(growing) = &piece
        && let Some(limited) = limited(growing, skip, fetch)
    {
        return Ok(Piece::Remote(Box::new(limited)));
    }
    Ok(Piece::Local(LogicalPlanBuilder::from(piece.into_plan()?).limit(skip, fetch)?.build()?))
}

fn limited(growing: &Growing, skip: usize, fetch: Option<usize>) -> Option<Growing> {
    if growing.key_slot.is_some() {
        return None;
    }
    let mut growing = growing.clone();
    let skip = u64::try_from(skip).unwrap_or(u64::MAX);
    let remaining = growing.query.limit.map(|rows| rows.saturating_sub(skip));
    let wanted = fetch.map(|fetch| u64::try_from(fetch).unwrap_or(u64::MAX));
    growing.query.offset = growing.query.offset.saturating_add(skip);
    growing.query.limit = match (remaining, wanted) {
        (Some(remaining), Some(wanted)) => Some(remaining.min(wanted)),
        (remaining, wanted) => remaining.or(wanted),
    };
    growing.accepted()
}

fn grow_limit(node: Limit, model: &Model) -> Result<Piece, EngineError> {
    let literal = (node.get_skip_type()?, node.get_fetch_type()?);
    let input = grow(Arc::unwrap_or_clone(Arc::clone(&node.input)), model)?;
    match literal {
        (SkipType::Literal(skip), FetchType::Literal(fetch)) => limit(input, skip, fetch),
        _ => Ok(Piece::Local(LogicalPlan::Limit(Limit { input: Arc::new(input.into_plan()?), ..node }))),
    }
}
