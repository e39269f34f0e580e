//! Bound `$apply` to plans (Data Aggregation 4.0, section 3): each transformation becomes plain filters, joins, aggregates and windows over
//! the virtual tables, so that policy applies to them as to any other scan. It must not know the syntax of transformations.
//!
//! The order of rows is kept beside the plan and only spelt out where it is observed: before rows are cut off, and at the end.

mod aggregate;
mod branch_number;
mod concat;
mod follow;
mod hierarchy;
mod nest;
mod ranked;

use crate::error::EngineError;
use crate::plan::canonical_float;
use crate::plan::entities::{EntityPlanner, row_count};
use crate::plan::key_rows;
use crate::plan::key_set::KeySlot;
use crate::plan::rows::{Evaluator, Rows};
use crate::plan::seek::{OrderKey, sort};
use crate::policy::TableRights;
use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, ExprSchemable, LogicalPlanBuilder, cast, lit};
pub(super) use nest::{Held, Inputs};
use portico_odata::bound::apply::BoundTransformation;
use portico_odata::bound::{BoundExpr, BoundOrder};
use portico_provider_api::ScalarType;
use std::cell::{Cell, RefCell};

/// Plans the transformations of one request.
pub(super) struct ApplyPlanner<'a> {
    pub entities: &'a EntityPlanner<'a>,
    /// How many names have been given to columns that no request names.
    names: Cell<usize>,
    /// What each `nest` was given.
    inputs: RefCell<Inputs>,
}

/// The rows between two transformations, and what is known of them.
#[derive(Clone)]
pub(super) struct Stage {
    pub rows: Rows,
    /// What they are sorted by. Not spelt out in the plan yet.
    pub order: Vec<OrderKey>,
    /// What tells rows apart.
    pub identity: Vec<Expr>,
    /// Whether no two rows have the same identity.
    pub unique: bool,
    /// Whether the order holds numbers of rows, which other rows may have on the next page.
    pub numbered: bool,
}

/// The groups that there are before their rows are filtered: a group without rows is still aggregated.
#[derive(Clone)]
struct Groups {
    stage: Stage,
    keys: Vec<usize>,
    /// Whether rows may have gone since.
    narrowed: bool,
}

impl Groups {
    /// A group for each of the keys in a slot.
    fn of_keys(slot: &KeySlot, types: &[ScalarType]) -> Result<Groups, EngineError> {
        let builder = key_rows::rows(slot, types)?;
        let columns: Vec<Option<Expr>> = builder.schema().columns().into_iter().map(|column| Some(Expr::Column(column))).collect();
        let keys = (0..columns.len()).collect();
        let rows = Rows::over(builder, None, columns);
        let stage = Stage { rows, order: Vec::new(), identity: Vec::new(), unique: false, numbered: false };
        Ok(Groups { stage, keys, narrowed: true })
    }
}

impl<'a> ApplyPlanner<'a> {
    pub fn new(entities: &'a EntityPlanner<'a>) -> ApplyPlanner<'a> {
        ApplyPlanner { entities, names: Cell::new(0), inputs: RefCell::default() }
    }

    /// Applies transformations.
    ///
    /// # Errors
    /// As [`EntityPlanner::plan`].
    pub fn sequence(&self, stage: Stage, transformations: &[BoundTransformation]) -> Result<Stage, EngineError> {
        self.within(stage, transformations, None)
    }

    /// The same inside `$expand`, for each of the keys in a slot: what is computed of the rows of a key is there for those without rows.
    ///
    /// # Errors
    /// As [`EntityPlanner::plan`].
    pub fn of_keys(
        &self,
        stage: Stage,
        transformations: &[BoundTransformation],
        slot: &KeySlot,
        types: &[ScalarType],
    ) -> Result<Stage, EngineError> {
        self.within(stage, transformations, Some(Groups::of_keys(slot, types)?))
    }

    fn within(&self, mut stage: Stage, transformations: &[BoundTransformation], groups: Option<Groups>) -> Result<Stage, EngineError> {
        let mut groups = groups;
        for transformation in transformations {
            stage = self.one(stage, transformation, groups.as_ref())?;
            if let Some(groups) = &mut groups {
                groups.narrowed |= match transformation {
                    BoundTransformation::Compute(_)
                    | BoundTransformation::OrderBy(_)
                    | BoundTransformation::Aggregate { .. }
                    | BoundTransformation::Nest { .. } => false,
                    BoundTransformation::Follow(follow) => !follow.outer,
                    BoundTransformation::Join(join) => !join.follow.outer,
                    BoundTransformation::Relatives(_)
                    | BoundTransformation::Traverse(_)
                    | BoundTransformation::TopLevels(_)
                    | BoundTransformation::RollUp { .. }
                    | BoundTransformation::Node { .. }
                    | BoundTransformation::Filter(_)
                    | BoundTransformation::Limit { .. }
                    | BoundTransformation::Ranked { .. }
                    | BoundTransformation::Distinct(_)
                    | BoundTransformation::Group { .. }
                    | BoundTransformation::Concat { .. } => true,
                };
            }
        }
        Ok(stage)
    }

    fn one(&self, stage: Stage, transformation: &BoundTransformation, groups: Option<&Groups>) -> Result<Stage, EngineError> {
        match transformation {
            BoundTransformation::Filter(condition) => Ok(Stage { rows: stage.rows.filter(&self.evaluator(), condition)?, ..stage }),
            BoundTransformation::Compute(items) => items.iter().try_fold(stage, |stage, item| {
                let (stage, value) = self.value(stage, &item.expr)?;
                let value = self.typed(value, &item.column.value_type.scalar().arrow(), &stage)?;
                let (mut stage, appended) = self.extended(stage, vec![value])?;
                stage.append(appended.into_iter().map(Some));
                Ok(stage)
            }),
            BoundTransformation::OrderBy(orders) => self.ordered(stage, orders),
            BoundTransformation::Limit { skip, top, partition } => self.limited(stage, *skip, *top, partition),
            BoundTransformation::Ranked { end, by, amount, partition } => self.ranked(stage, *end, by, amount, partition),
            BoundTransformation::Follow(follow) => self.follow(stage, follow),
            BoundTransformation::Distinct(keys) => self.distinct(stage, keys),
            BoundTransformation::Group { keys, nodes, then } => {
                let rows = || Groups { stage: stage.clone(), keys: keys.clone(), narrowed: false };
                let groups = self.node_groups(nodes, groups)?.unwrap_or_else(rows);
                self.within(stage, then, Some(groups))
            }
            BoundTransformation::Aggregate { keys, items } => self.aggregate(stage, keys, items, groups.filter(|groups| groups.narrowed)),
            BoundTransformation::Nest { number, keys } => self.nest(stage, *number, keys, groups.filter(|groups| groups.narrowed)),
            BoundTransformation::Concat { branches, columns } => self.concat(stage, branches, columns, groups),
            BoundTransformation::Join(join) => self.join(stage, join),
            BoundTransformation::Relatives(relatives) => self.relatives(stage, relatives),
            BoundTransformation::Traverse(traverse) => self.traverse(stage, traverse),
            BoundTransformation::TopLevels(top) => self.top_levels(stage, top),
            BoundTransformation::RollUp { hierarchy, node } => self.roll_up(stage, hierarchy, *node),
            BoundTransformation::Node { table, key, node, first } => self.node(stage, table, *key, *node, *first),
        }
    }

    fn evaluator(&self) -> Evaluator<'a> {
        self.entities.evaluator()
    }

    /// The value of an expression; what it reaches is joined to the rows.
    fn value(&self, stage: Stage, expr: &BoundExpr) -> Result<(Stage, Expr), EngineError> {
        let rows = stage.rows.prepare(&self.evaluator(), [expr])?;
        let value = rows.lowering(&self.evaluator()).value(expr)?;
        Ok((Stage { rows, ..stage }, value))
    }

    /// The same, as it sorts.
    fn sort_key(&self, stage: Stage, expr: &BoundExpr) -> Result<(Stage, Expr), EngineError> {
        let rows = stage.rows.prepare(&self.evaluator(), [expr])?;
        let key = rows.lowering(&self.evaluator()).sort_key(expr)?;
        Ok((Stage { rows, ..stage }, key))
    }

    /// A name that no column has yet.
    fn name(&self) -> String {
        let number = self.names.get();
        self.names.set(number + 1);
        format!("@{number}")
    }

    /// Appends columns to the plan, which the caller of this finds by what is returned.
    fn extended(&self, stage: Stage, more: Vec<Expr>) -> Result<(Stage, Vec<Expr>), EngineError> {
        let mut all = stage.all();
        let mut appended = Vec::with_capacity(more.len());
        for expr in more {
            let name = self.name();
            all.push(expr.alias(&name));
            appended.push(Expr::Column(Column::from_name(name)));
        }
        Ok((stage.step(|builder| builder.project(all))?, appended))
    }

    /// Appends the value of a window function.
    fn windowed(&self, stage: Stage, window: Expr) -> Result<(Stage, Expr), EngineError> {
        let before = stage.all();
        let stage = stage.step(|builder| builder.window(vec![window]))?;
        let last = stage.builder().schema().columns().pop().ok_or_else(|| EngineError::Internal("a window has no column".to_owned()))?;
        let name = self.name();
        let all = before.into_iter().chain([Expr::Column(last).alias(&name)]).collect::<Vec<_>>();
        Ok((stage.step(|builder| builder.project(all))?, Expr::Column(Column::from_name(name))))
    }

    fn typed(&self, expr: Expr, data_type: &DataType, stage: &Stage) -> Result<Expr, EngineError> {
        Ok(if expr.get_type(stage.builder().schema())? == *data_type { expr } else { cast(expr, data_type.clone()) })
    }

    /// The columns at these positions.
    pub fn at(&self, stage: &Stage, positions: &[usize]) -> Result<Vec<Expr>, EngineError> {
        let missing = || EngineError::Internal("a bound column is not in its rows".to_owned());
        positions.iter().map(|position| stage.columns().get(*position).cloned().flatten().ok_or_else(missing)).collect()
    }

    /// A value to group by: floats with one zero and one NaN.
    fn group_key(&self, expr: Expr, stage: &Stage) -> Result<Expr, EngineError> {
        let float = matches!(expr.get_type(stage.builder().schema())?, DataType::Float32 | DataType::Float64);
        Ok(if float { canonical_float::call(expr) } else { expr })
    }

    fn ordered(&self, mut stage: Stage, orders: &[BoundOrder]) -> Result<Stage, EngineError> {
        let mut keys = Vec::with_capacity(orders.len() + stage.order.len());
        for order in orders {
            let expr;
            (stage, expr) = self.sort_key(stage, &order.expr)?;
            if expr.any_column_refs() {
                keys.push(OrderKey { expr, descending: order.descending });
            }
        }
        keys.extend(stage.order.iter().cloned());
        Ok(Stage { order: keys, ..stage })
    }

    /// A total order that extends the one there is; rows that it does not tell apart are equal.
    pub fn total(&self, stage: &Stage) -> Vec<OrderKey> {
        let mut keys = stage.order.clone();
        let all: Vec<Expr> = if stage.unique { Vec::new() } else { stage.columns().iter().flatten().cloned().collect() };
        for expr in stage.identity.iter().cloned().chain(all) {
            if !keys.iter().any(|key| key.expr == expr) {
                keys.push(OrderKey { expr, descending: false });
            }
        }
        keys
    }

    fn limited(&self, stage: Stage, skip: u64, top: Option<u64>, partition: &[usize]) -> Result<Stage, EngineError> {
        let order = self.total(&stage);
        if !partition.is_empty() {
            let (stage, number) = self.numbered(stage, &order, partition)?;
            let mut condition = number.clone().gt(lit(skip));
            if let Some(top) = top {
                condition = condition.and(number.lt_eq(lit(skip.saturating_add(top))));
            }
            return Ok(Stage { order, ..stage.step(|builder| builder.filter(condition))? });
        }
        let (skip, top) = (row_count(skip), top.map(row_count));
        let stage = if order.is_empty() { stage } else { stage.step(|builder| builder.sort(sort(&order)))? };
        Ok(Stage { order, ..stage.step(|builder| builder.limit(skip, top))? })
    }

    /// Appends the number of each row in an order, from 1, within its group.
    fn numbered(&self, stage: Stage, order: &[OrderKey], partition: &[usize]) -> Result<(Stage, Expr), EngineError> {
        let groups = self.partition(&stage, partition)?;
        let window = row_number().partition_by(groups).order_by(sort(order)).build()?;
        self.windowed(stage, window)
    }

    /// What tells groups apart.
    pub fn partition(&self, stage: &Stage, partition: &[usize]) -> Result<Vec<Expr>, EngineError> {
        self.at(stage, partition)?.into_iter().map(|expr| self.group_key(expr, stage)).collect()
    }

    fn distinct(&self, stage: Stage, keep: &[usize]) -> Result<Stage, EngineError> {
        let names: Vec<String> = keep.iter().map(|_| self.name()).collect();
        let keys = self.partition(&stage, keep)?.into_iter().zip(&names).map(|(expr, name)| expr.alias(name));
        let builder = stage.rows.builder.project(keys.collect::<Vec<_>>())?.distinct()?;
        let columns: Vec<Expr> = names.into_iter().map(|name| Expr::Column(Column::from_name(name))).collect();
        Ok(Stage::grouped(builder, columns.clone(), columns))
    }
}

impl Stage {
    /// The entities of a table.
    pub fn of(rows: Rows, table: &TableRights) -> Stage {
        let mut stage = Stage { rows, order: Vec::new(), identity: Vec::new(), unique: false, numbered: false };
        stage.identity = follow::key_of(table, stage.columns()).unwrap_or_default();
        stage.unique = !stage.identity.is_empty();
        stage
    }

    /// Groups, which their keys tell apart.
    fn grouped(builder: LogicalPlanBuilder, columns: Vec<Expr>, keys: Vec<Expr>) -> Stage {
        let rows = Rows::over(builder, None, columns.into_iter().map(Some).collect());
        Stage { rows, order: Vec::new(), identity: keys, unique: true, numbered: false }
    }

    pub fn builder(&self) -> &LogicalPlanBuilder {
        &self.rows.builder
    }

    /// What each position of the row type is; nothing for a column that the caller does not see.
    pub fn columns(&self) -> &[Option<Expr>] {
        self.rows.scopes.first().map_or(&[], |scope| scope.columns.as_slice())
    }

    /// Appends columns to the row type.
    pub fn append(&mut self, columns: impl IntoIterator<Item = Option<Expr>>) {
        if let Some(scope) = self.rows.scopes.first_mut() {
            scope.columns.extend(columns);
        }
    }

    /// Every column of the plan.
    fn all(&self) -> Vec<Expr> {
        self.builder().schema().columns().into_iter().map(Expr::Column).collect()
    }

    /// The same rows after a step that keeps the columns.
    fn step(
        mut self,
        step: impl FnOnce(LogicalPlanBuilder) -> datafusion::common::Result<LogicalPlanBuilder>,
    ) -> Result<Stage, EngineError> {
        self.rows.builder = step(self.rows.builder)?;
        Ok(self)
    }
}
