//! The cut: walks an optimised plan from its leaves and grows a source query over each remote table as far as the source's
//! capabilities go. What does not fit stays in the plan, above the fragment.

use crate::error::EngineError;
use crate::plan::canonical_float;
use crate::plan::key_set::{KEY_SLOT_PREFIX, KeySetFunction, KeySlot};
use crate::plan::tables::RemoteTable;
use crate::policy::barrier;
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::translate::Translation;
use datafusion::common::{Column, DFSchemaRef};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Expr as PlanExpr, Extension, FetchType, Filter, Limit, LogicalPlan, LogicalPlanBuilder, Projection, SkipType, Sort, TableScan,
};
use portico_catalog::Model;
use portico_provider_api::check::ExprCheck;
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, Capabilities, Expr, Output, Relation, ScalarType, SortKey, SourceQuery, Support,
};
use std::sync::Arc;

/// Cuts a plan.
///
/// # Errors
/// `Internal` when the plan is not one that policy let through.
pub fn cut(plan: LogicalPlan, model: &Model) -> Result<LogicalPlan, EngineError> {
    grow(plan, model)?.into_plan()
}

/// A piece of a plan: still one source query, or not any more.
enum Piece {
    Remote(Box<Growing>),
    Local(LogicalPlan),
}

/// A source query that may still grow.
#[derive(Clone)]
struct Growing {
    source: String,
    capabilities: Arc<Capabilities>,
    schema_version: String,
    freshness: std::time::Duration,
    table: String,
    row_estimate: u64,
    query: SourceQuery,
    key_slot: Option<(Vec<usize>, KeySlot)>,
    /// Columns without whose values the table cannot be asked. Whether a run has them is known only then.
    required_keys: Vec<String>,
    /// The schema of the piece of plan that has been taken in. A piece whose filter is inexact has a residual above it and is local
    /// already, so a limit never gets below one.
    schema: DFSchemaRef,
}

impl Piece {
    fn into_plan(self) -> Result<LogicalPlan, EngineError> {
        match self {
            Piece::Local(plan) => Ok(plan),
            Piece::Remote(growing) => Ok(growing.into_plan()),
        }
    }
}

impl Growing {
    fn into_plan(mut self) -> LogicalPlan {
        if self.query.output.is_empty() {
            // A source returns at least one column; who wants none, such as a count, gets the first and drops it.
            self.query.output.push(Output { name: "c0".to_owned(), expr: Expr::Column(0) });
        }
        let estimate = self.estimate();
        // A count of chunks of keys would be several counts.
        let takes_keys = |index: &usize| {
            self.query.aggregate.is_none() && self.with_check(|check| check.key_columns(&[*index]) != Support::None).unwrap_or(false)
        };
        let key_columns = (0..self.columns().len()).filter(takes_keys).collect();
        LogicalPlan::Extension(Extension {
            node: Arc::new(RemoteFragment {
                source: self.source,
                query: self.query,
                key_slot: self.key_slot,
                schema: self.schema,
                freshness: self.freshness,
                schema_version: self.schema_version,
                estimate,
                table: self.table,
                key_limits: self.capabilities.keys,
                required_keys: self.required_keys,
                key_columns,
            }),
        })
    }

    /// A guess beats none: the optimiser then builds its hash table on the side that is likely small.
    fn estimate(&self) -> u64 {
        if self.query.aggregate.is_some() {
            return 1;
        }
        let mut rows = self.row_estimate.max(1);
        if let Some(filter) = &self.query.filter {
            let conjuncts = if let Expr::And(parts) = filter { parts.len() } else { 1 };
            rows /= 10_u64.saturating_pow(u32::try_from(conjuncts).unwrap_or(4).min(4));
        }
        if self.key_slot.is_some() {
            rows = rows.min(1_000);
        }
        self.query.limit.map_or(rows, |limit| rows.min(limit)).max(1)
    }

    fn columns(&self) -> Vec<portico_provider_api::TableColumn> {
        self.query.visible_columns()
    }

    fn fields(&self) -> Vec<Expr> {
        self.query.output.iter().map(|output| output.expr.clone()).collect()
    }

    fn translate(&self, expression: &PlanExpr) -> Option<Expr> {
        let (fields, columns) = (self.fields(), self.columns());
        Translation { schema: &self.schema, fields: &fields, columns: &columns }.whole(expression)
    }

    fn with_check<T>(&self, ask: impl FnOnce(&ExprCheck<'_>) -> T) -> Option<T> {
        match &self.query.from {
            Relation::Table(table) => Some(ask(&ExprCheck::new(&self.capabilities, table))),
            Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => None,
        }
    }

    /// Whether what is above sees other rows than the filter kept, so that a further condition may not go below.
    fn is_cut_off(&self) -> bool {
        self.query.limit.is_some() || self.query.offset > 0 || self.query.aggregate.is_some()
    }

    /// Takes a conjunct: whether the source gets it, and whether it must be evaluated again here.
    fn take_conjunct(&mut self, conjunct: &PlanExpr) -> Taken {
        if let Some((columns, slot)) = self.key_slot_of(conjunct) {
            let support = self.with_check(|check| check.key_columns(&columns)).unwrap_or(Support::None);
            if self.key_slot.is_some() || support == Support::None {
                return Taken::No;
            }
            self.key_slot = Some((columns, slot));
            return if support == Support::Exact { Taken::Wholly } else { Taken::Roughly };
        }
        let Some(translated) = self.translate(conjunct) else { return Taken::No };
        let support = self.with_check(|check| check.predicate(&translated)).unwrap_or(Support::None);
        if support == Support::None {
            return Taken::No;
        }
        let all = Expr::all(self.query.filter.iter().cloned().chain([translated]));
        // A source may take each condition alone, and not all together.
        let together = all.as_ref().and_then(|all| self.with_check(|check| check.predicate(all))).unwrap_or(Support::None);
        if together == Support::None {
            return Taken::No;
        }
        self.query.filter = all;
        if support == Support::Exact { Taken::Wholly } else { Taken::Roughly }
    }

    fn key_slot_of(&self, conjunct: &PlanExpr) -> Option<(Vec<usize>, KeySlot)> {
        let PlanExpr::ScalarFunction(call) = conjunct else { return None };
        if !call.func.name().starts_with(KEY_SLOT_PREFIX) {
            return None;
        }
        let function = call.func.inner().downcast_ref::<KeySetFunction>()?;
        let columns = call
            .args
            .iter()
            .map(|argument| match self.translate(argument) {
                Some(Expr::Column(index)) => Some(index),
                _ => None,
            })
            .collect::<Option<Vec<usize>>>()?;
        Some((columns, function.slot.clone()))
    }
}

/// How much of a conjunct the source evaluates.
#[derive(PartialEq, Eq)]
enum Taken {
    Wholly,
    Roughly,
    No,
}

fn grow(plan: LogicalPlan, model: &Model) -> Result<Piece, EngineError> {
    match plan {
        LogicalPlan::TableScan(scan) => grow_scan(scan, model),
        LogicalPlan::Filter(filter) => grow_filter(filter, model),
        LogicalPlan::Projection(projection) => grow_projection(projection, model),
        LogicalPlan::Sort(sort) => grow_sort(sort, model),
        LogicalPlan::Limit(limit) => grow_limit(limit, model),
        LogicalPlan::Aggregate(aggregate) => grow_aggregate(aggregate, model),
        LogicalPlan::SubqueryAlias(alias) => Ok(match grow(Arc::unwrap_or_clone(alias.input.clone()), model)? {
            Piece::Remote(mut growing) => {
                growing.schema = Arc::clone(&alias.schema);
                Piece::Remote(growing)
            }
            Piece::Local(input) => Piece::Local(LogicalPlan::SubqueryAlias(datafusion::logical_expr::SubqueryAlias::try_new(
                Arc::new(input),
                alias.alias.clone(),
            )?)),
        }),
        other => {
            let inputs = other.inputs().into_iter().cloned().map(|input| cut(input, model)).collect::<Result<Vec<_>, _>>()?;
            let expressions =
                other.expressions().into_iter().map(|expression| cut_subqueries(expression, model)).collect::<Result<Vec<_>, _>>()?;
            if inputs.is_empty() {
                return Ok(Piece::Local(other));
            }
            Ok(Piece::Local(other.with_new_exprs(expressions, inputs)?))
        }
    }
}

/// Counting rows is left to a source that can; every other aggregate stays local for now.
fn grow_aggregate(aggregate: datafusion::logical_expr::Aggregate, model: &Model) -> Result<Piece, EngineError> {
    let counts_rows = aggregate.group_expr.is_empty() && matches!(aggregate.aggr_expr.as_slice(), [call] if is_row_count(call));
    match grow(Arc::unwrap_or_clone(Arc::clone(&aggregate.input)), model)? {
        Piece::Remote(growing) if counts_rows && growing.key_slot.is_none() => match counted(&growing, &aggregate.schema) {
            Some(counted) => Ok(Piece::Remote(Box::new(counted))),
            None => local_aggregate(aggregate, Piece::Remote(growing), model),
        },
        input => local_aggregate(aggregate, input, model),
    }
}

fn local_aggregate(aggregate: datafusion::logical_expr::Aggregate, input: Piece, model: &Model) -> Result<Piece, EngineError> {
    let plan = LogicalPlan::Aggregate(aggregate);
    let expressions = plan.expressions().into_iter().map(|expression| cut_subqueries(expression, model)).collect::<Result<Vec<_>, _>>()?;
    Ok(Piece::Local(plan.with_new_exprs(expressions, vec![input.into_plan()?])?))
}

/// `count(*)`, which the optimiser writes as the count of a constant.
fn is_row_count(call: &PlanExpr) -> bool {
    match call {
        PlanExpr::Alias(alias) => is_row_count(&alias.expr),
        PlanExpr::AggregateFunction(function) => {
            let parameters = &function.params;
            let plain = !parameters.distinct && parameters.filter.is_none() && parameters.order_by.is_empty();
            let constant = matches!(parameters.args.as_slice(), [PlanExpr::Literal(value, _)] if !value.is_null());
            function.func.name() == "count" && plain && constant
        }
        _ => false,
    }
}

/// The same question for the number of rows, if the source counts.
fn counted(growing: &Growing, schema: &DFSchemaRef) -> Option<Growing> {
    let call = AggregateCall {
        function: AggregateFunction::CountRows,
        argument: None,
        distinct: false,
        filter: None,
        scalar_type: ScalarType::Int64,
    };
    let mut query = growing.query.clone();
    query.aggregate = Some(Aggregation { group_by: Vec::new(), calls: vec![call], having: None });
    query.output = vec![Output { name: "c0".to_owned(), expr: Expr::Column(0) }];
    // The order of rows does not change their number; a limit does, and is refused with a count.
    query.order_by = Vec::new();
    growing.capabilities.check(&query).is_ok().then(|| Growing { query, schema: Arc::clone(schema), ..growing.clone() })
}

/// Cuts the plans of the sub-queries in an expression.
fn cut_subqueries(expression: PlanExpr, model: &Model) -> Result<PlanExpr, EngineError> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let cut_one = |subquery: &mut datafusion::logical_expr::Subquery| -> Result<(), datafusion::error::DataFusionError> {
        let inner = cut(Arc::unwrap_or_clone(Arc::clone(&subquery.subquery)), model)
            .map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))?;
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
    let mut capabilities = known.capabilities.clone();
    let of_table = capabilities.tables.get_mut(&remote.relation.table.to_string());
    let required_keys = of_table.map(|table| std::mem::take(&mut table.required_keys)).unwrap_or_default();
    let mut growing = Growing {
        source: remote.source.clone(),
        capabilities: Arc::new(capabilities),
        required_keys,
        schema_version: known.schema_version.clone(),
        freshness: remote.table.freshness,
        table: remote.relation.table.to_string(),
        row_estimate: remote.table.row_estimate.unwrap_or(100_000),
        query: SourceQuery::scan(remote.relation.clone()),
        key_slot: None,
        schema: Arc::clone(full.schema()),
    };
    let conjuncts = scan.filters.iter().flat_map(split_conjunction).cloned().collect();
    let conjuncts = barrier::guarded(conjuncts, &growing.schema)?;
    let residual = take_filters(&mut growing, &conjuncts);
    let wanted: Vec<PlanExpr> = columns_of(&scan.projected_schema);
    if residual.is_empty() {
        let piece = project(growing, &wanted, &scan.projected_schema);
        return match scan.fetch {
            Some(fetch) => limit(piece, 0, Some(fetch)),
            None => Ok(piece),
        };
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
    let piece = project(growing, &kept, narrow.schema());
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

fn columns_of(schema: &DFSchemaRef) -> Vec<PlanExpr> {
    schema.iter().map(|field| PlanExpr::Column(Column::from(field))).collect()
}

/// Gives the source the conjuncts that it can evaluate, and returns what must be evaluated here.
fn take_filters(growing: &mut Growing, filters: &[PlanExpr]) -> Vec<PlanExpr> {
    let mut residual = Vec::new();
    for conjunct in filters.iter().flat_map(split_conjunction) {
        if growing.take_conjunct(conjunct) != Taken::Wholly {
            residual.push(conjunct.clone());
        }
    }
    residual
}

fn grow_filter(filter: Filter, model: &Model) -> Result<Piece, EngineError> {
    let predicate = cut_subqueries(filter.predicate, model)?;
    let mut growing = match grow(Arc::unwrap_or_clone(filter.input), model)? {
        Piece::Remote(growing) if !growing.is_cut_off() => growing,
        other => return Ok(Piece::Local(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(other.into_plan()?))?))),
    };
    let residual = take_filters(&mut growing, &[predicate]);
    match residual.into_iter().reduce(PlanExpr::and) {
        None => Ok(Piece::Remote(growing)),
        Some(condition) => {
            let input = Piece::Remote(growing).into_plan()?;
            Ok(Piece::Local(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(input))?)))
        }
    }
}

/// Replaces the outputs, when the source can return all of the expressions.
fn project(growing: Growing, expressions: &[PlanExpr], schema: &DFSchemaRef) -> Piece {
    let mut growing = growing;
    let counts = growing.query.aggregate.is_some();
    let outputs = expressions.iter().enumerate().map(|(index, expression)| {
        let expr = growing.translate(expression)?;
        let output = Output { name: format!("c{index}"), expr };
        if counts {
            // A count may be renamed, not computed with.
            return matches!(output.expr, Expr::Column(0)).then_some(output);
        }
        let support = growing.with_check(|check| check.output(&output))?;
        (support == Support::Exact).then_some(output)
    });
    if let Some(outputs) = outputs.collect::<Option<Vec<_>>>() {
        growing.query.output = outputs;
        growing.schema = Arc::clone(schema);
    }
    Piece::Remote(Box::new(growing))
}

fn grow_projection(projection: Projection, model: &Model) -> Result<Piece, EngineError> {
    let expressions = projection.expr.into_iter().map(|expression| cut_subqueries(expression, model)).collect::<Result<Vec<_>, _>>()?;
    match grow(Arc::unwrap_or_clone(projection.input), model)? {
        Piece::Remote(growing) => {
            let Piece::Remote(projected) = project(*growing, &expressions, &projection.schema) else {
                return Err(EngineError::Internal("a projection lost its input".to_owned()));
            };
            if Arc::ptr_eq(&projected.schema, &projection.schema) {
                return Ok(Piece::Remote(projected));
            }
            let input = Arc::new(Piece::Remote(projected).into_plan()?);
            Ok(Piece::Local(LogicalPlan::Projection(Projection::try_new(expressions, input)?)))
        }
        Piece::Local(input) => Ok(Piece::Local(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(input))?))),
    }
}

fn grow_sort(mut sort: Sort, model: &Model) -> Result<Piece, EngineError> {
    for key in &mut sort.expr {
        key.expr = cut_subqueries(std::mem::take(&mut key.expr), model)?;
    }
    let mut growing = match grow(Arc::unwrap_or_clone(sort.input), model)? {
        Piece::Remote(growing) if !growing.is_cut_off() => growing,
        other => return Ok(Piece::Local(LogicalPlan::Sort(Sort { input: Arc::new(other.into_plan()?), ..sort }))),
    };
    let keys = sort.expr.iter().map(|key| {
        // Sources sort the zeros as one number, and NaN on top.
        let expr = growing.translate(canonical_float::inner(&key.expr).unwrap_or(&key.expr))?;
        Some(SortKey { expr, descending: !key.asc, nulls_first: key.nulls_first })
    });
    let keys: Option<Vec<SortKey>> = keys.collect();
    let sortable = keys.filter(|keys| growing.with_check(|check| check.order_by(keys).is_ok()).unwrap_or(false));
    // A slot is filled with no more keys than one request takes, so its rows come in one order.
    let Some(keys) = sortable else {
        let input = Arc::new(Piece::Remote(growing).into_plan()?);
        return Ok(Piece::Local(LogicalPlan::Sort(Sort { input, ..sort })));
    };
    growing.query.order_by = keys;
    match sort.fetch {
        Some(fetch) => limit(Piece::Remote(growing), 0, Some(fetch)),
        None => Ok(Piece::Remote(growing)),
    }
}

/// Cuts a piece's rows off, at the source where it can.
fn limit(piece: Piece, skip: usize, fetch: Option<usize>) -> Result<Piece, EngineError> {
    let Piece::Remote(mut growing) = piece else {
        return Ok(Piece::Local(LogicalPlanBuilder::from(piece.into_plan()?).limit(skip, fetch)?.build()?));
    };
    let of_table = growing.capabilities.tables.get(&growing.table).and_then(|table| table.limit).unwrap_or(Support::Exact);
    let can_limit = fetch.is_none() || growing.capabilities.limit.min(of_table) == Support::Exact;
    let can_skip = skip == 0 || growing.capabilities.offset.min(of_table) == Support::Exact;
    if growing.key_slot.is_some() || growing.query.aggregate.is_some() || !can_limit || !can_skip {
        return Ok(Piece::Local(LogicalPlanBuilder::from(Piece::Remote(growing).into_plan()?).limit(skip, fetch)?.build()?));
    }
    let skip = u64::try_from(skip).unwrap_or(u64::MAX);
    let remaining = growing.query.limit.map(|rows| rows.saturating_sub(skip));
    let wanted = fetch.map(|fetch| u64::try_from(fetch).unwrap_or(u64::MAX));
    growing.query.offset = growing.query.offset.saturating_add(skip);
    growing.query.limit = match (remaining, wanted) {
        (Some(remaining), Some(wanted)) => Some(remaining.min(wanted)),
        (remaining, wanted) => remaining.or(wanted),
    };
    Ok(Piece::Remote(growing))
}

fn grow_limit(node: Limit, model: &Model) -> Result<Piece, EngineError> {
    let literal = (node.get_skip_type()?, node.get_fetch_type()?);
    let input = grow(Arc::unwrap_or_clone(Arc::clone(&node.input)), model)?;
    match literal {
        (SkipType::Literal(skip), FetchType::Literal(fetch)) => limit(input, skip, fetch),
        _ => Ok(Piece::Local(LogicalPlan::Limit(Limit { input: Arc::new(input.into_plan()?), ..node }))),
    }
}
