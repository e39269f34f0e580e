//! Bound `$apply` to plans (Data Aggregation 4.0, section 3): each transformation becomes plain filters, joins, aggregates and windows over
//! the virtual tables, so that policy applies to them as to any other scan. It must not know the syntax of transformations.
//!
//! The order of rows is kept beside the plan and only spelt out where it is observed: before rows are cut off, and at the end.

mod aggregate;
mod concat;
mod follow;
mod node;
mod ranked;

use crate::error::EngineError;
use crate::plan::canonical_float;
use crate::plan::entities::EntityPlanner;
use crate::plan::lower::Lowering;
use crate::plan::seek::OrderKey;
use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, ExprSchemable, LogicalPlanBuilder, SortExpr, cast, lit};
use portico_odata::bound::BoundOrder;
use portico_odata::bound::apply::BoundTransformation;
use std::cell::Cell;
use std::sync::Arc;

/// Plans the transformations of one request.
pub(super) struct ApplyPlanner<'a> {
    pub entities: &'a EntityPlanner<'a>,
    /// How many names have been given to columns that no request names.
    names: Cell<usize>,
}

/// The rows between two transformations.
#[derive(Clone)]
pub(super) struct Rows {
    pub builder: LogicalPlanBuilder,
    /// What each position of the row type is; nothing for a column that the caller does not see.
    pub columns: Vec<Option<Expr>>,
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
    rows: Rows,
    keys: Vec<usize>,
    /// Whether rows may have gone since.
    narrowed: bool,
}

impl<'a> ApplyPlanner<'a> {
    pub fn new(entities: &'a EntityPlanner<'a>) -> ApplyPlanner<'a> {
        ApplyPlanner { entities, names: Cell::new(0) }
    }

    /// Applies transformations.
    ///
    /// # Errors
    /// As [`EntityPlanner::plan`].
    pub fn sequence(&self, rows: Rows, transformations: &[BoundTransformation]) -> Result<Rows, EngineError> {
        self.within(rows, transformations, None)
    }

    fn within(&self, mut rows: Rows, transformations: &[BoundTransformation], groups: Option<Groups>) -> Result<Rows, EngineError> {
        let mut groups = groups;
        for transformation in transformations {
            rows = self.one(rows, transformation, groups.as_ref())?;
            if let Some(groups) = &mut groups {
                groups.narrowed |= match transformation {
                    BoundTransformation::Compute(_) | BoundTransformation::OrderBy(_) | BoundTransformation::Aggregate { .. } => false,
                    BoundTransformation::Follow(follow) => !follow.outer,
                    BoundTransformation::Join(join) => !join.follow.outer,
                    BoundTransformation::Filter(_)
                    | BoundTransformation::Limit { .. }
                    | BoundTransformation::Ranked { .. }
                    | BoundTransformation::Distinct(_)
                    | BoundTransformation::Group { .. }
                    | BoundTransformation::Concat { .. } => true,
                };
            }
        }
        Ok(rows)
    }

    fn one(&self, rows: Rows, transformation: &BoundTransformation, groups: Option<&Groups>) -> Result<Rows, EngineError> {
        match transformation {
            BoundTransformation::Filter(condition) => {
                let condition = self.lowering(&rows).truth(condition)?;
                Ok(Rows { builder: rows.builder.filter(condition)?, ..rows })
            }
            BoundTransformation::Compute(items) => items.iter().try_fold(rows, |rows, item| {
                let lowering = self.lowering(&rows);
                let value = self.typed(lowering.value(&item.expr)?, &item.column.value_type.scalar().arrow(), &rows)?;
                let (mut rows, appended) = self.extended(rows, vec![value])?;
                rows.columns.extend(appended.into_iter().map(Some));
                Ok(rows)
            }),
            BoundTransformation::OrderBy(orders) => self.ordered(rows, orders),
            BoundTransformation::Limit { skip, top, partition } => self.limited(rows, *skip, *top, partition),
            BoundTransformation::Ranked { end, by, amount, partition } => self.ranked(rows, *end, by, amount, partition),
            BoundTransformation::Follow(follow) => self.follow(rows, follow),
            BoundTransformation::Distinct(keys) => self.distinct(rows, keys),
            BoundTransformation::Group { keys, then } => {
                let groups = Groups { rows: rows.clone(), keys: keys.clone(), narrowed: false };
                self.within(rows, then, Some(groups))
            }
            BoundTransformation::Aggregate { keys, items } => self.aggregate(rows, keys, items, groups.filter(|groups| groups.narrowed)),
            BoundTransformation::Concat { branches, columns } => self.concat(rows, branches, columns, groups),
            BoundTransformation::Join(join) => self.join(rows, join),
        }
    }

    fn lowering(&self, rows: &Rows) -> Lowering<'a> {
        let (session, now) = (self.entities.session, self.entities.now);
        Lowering { session, columns: rows.columns.clone(), schema: Arc::clone(rows.builder.schema()), now }
    }

    /// A name that no column has yet.
    fn name(&self) -> String {
        let number = self.names.get();
        self.names.set(number + 1);
        format!("@{number}")
    }

    /// Appends columns to the plan, which the caller of this finds by what is returned.
    fn extended(&self, rows: Rows, more: Vec<Expr>) -> Result<(Rows, Vec<Expr>), EngineError> {
        let mut all: Vec<Expr> = rows.builder.schema().columns().into_iter().map(Expr::Column).collect();
        let mut appended = Vec::with_capacity(more.len());
        for expr in more {
            let name = self.name();
            all.push(expr.alias(&name));
            appended.push(Expr::Column(Column::from_name(name)));
        }
        Ok((Rows { builder: rows.builder.project(all)?, ..rows }, appended))
    }

    /// Appends the value of a window function.
    fn windowed(&self, rows: Rows, window: Expr) -> Result<(Rows, Expr), EngineError> {
        let before: Vec<Expr> = rows.builder.schema().columns().into_iter().map(Expr::Column).collect();
        let builder = rows.builder.window(vec![window])?;
        let last = builder.schema().columns().pop().ok_or_else(|| EngineError::Internal("a window has no column".to_owned()))?;
        let name = self.name();
        let all = before.into_iter().chain([Expr::Column(last).alias(&name)]).collect::<Vec<_>>();
        Ok((Rows { builder: builder.project(all)?, ..rows }, Expr::Column(Column::from_name(name))))
    }

    fn typed(&self, expr: Expr, data_type: &DataType, rows: &Rows) -> Result<Expr, EngineError> {
        Ok(if expr.get_type(rows.builder.schema())? == *data_type { expr } else { cast(expr, data_type.clone()) })
    }

    /// The columns at these positions.
    fn at(&self, rows: &Rows, positions: &[usize]) -> Result<Vec<Expr>, EngineError> {
        let missing = || EngineError::Internal("a bound column is not in its rows".to_owned());
        positions.iter().map(|position| rows.columns.get(*position).cloned().flatten().ok_or_else(missing)).collect()
    }

    /// A value to group by: floats with one zero and one NaN.
    fn group_key(&self, expr: Expr, rows: &Rows) -> Result<Expr, EngineError> {
        let float = matches!(expr.get_type(rows.builder.schema())?, DataType::Float32 | DataType::Float64);
        Ok(if float { canonical_float::call(expr) } else { expr })
    }

    fn ordered(&self, rows: Rows, orders: &[BoundOrder]) -> Result<Rows, EngineError> {
        let lowering = self.lowering(&rows);
        let mut keys = Vec::with_capacity(orders.len() + rows.order.len());
        for order in orders {
            let expr = lowering.sort_key(&order.expr)?;
            if expr.any_column_refs() {
                keys.push(OrderKey { expr, descending: order.descending });
            }
        }
        keys.extend(rows.order.iter().cloned());
        Ok(Rows { order: keys, ..rows })
    }

    /// A total order that extends the one there is; rows that it does not tell apart are equal.
    pub fn total(&self, rows: &Rows) -> Vec<OrderKey> {
        let mut keys = rows.order.clone();
        let all: Vec<Expr> = if rows.unique { Vec::new() } else { rows.columns.iter().flatten().cloned().collect() };
        for expr in rows.identity.iter().cloned().chain(all) {
            if !keys.iter().any(|key| key.expr == expr) {
                keys.push(OrderKey { expr, descending: false });
            }
        }
        keys
    }

    fn limited(&self, rows: Rows, skip: u64, top: Option<u64>, partition: &[usize]) -> Result<Rows, EngineError> {
        let order = self.total(&rows);
        if !partition.is_empty() {
            let (rows, number) = self.numbered(rows, &order, partition)?;
            let mut condition = number.clone().gt(lit(skip));
            if let Some(top) = top {
                condition = condition.and(number.lt_eq(lit(skip.saturating_add(top))));
            }
            return Ok(Rows { builder: rows.builder.filter(condition)?, order, ..rows });
        }
        let limit =
            |rows: u64| usize::try_from(rows).map_err(|_| EngineError::Invalid(format!("{rows} rows are too many to skip or take")));
        let mut builder = rows.builder;
        if !order.is_empty() {
            builder = builder.sort(sort(&order))?;
        }
        let builder = builder.limit(limit(skip)?, top.map(limit).transpose()?)?;
        Ok(Rows { builder, order, ..rows })
    }

    /// Appends the number of each row in an order, from 1, within its group.
    fn numbered(&self, rows: Rows, order: &[OrderKey], partition: &[usize]) -> Result<(Rows, Expr), EngineError> {
        let groups = self.partition(&rows, partition)?;
        let window = row_number().partition_by(groups).order_by(sort(order)).build()?;
        self.windowed(rows, window)
    }

    /// What tells groups apart.
    fn partition(&self, rows: &Rows, partition: &[usize]) -> Result<Vec<Expr>, EngineError> {
        self.at(rows, partition)?.into_iter().map(|expr| self.group_key(expr, rows)).collect()
    }

    fn distinct(&self, rows: Rows, keep: &[usize]) -> Result<Rows, EngineError> {
        let names: Vec<String> = keep.iter().map(|_| self.name()).collect();
        let keys = self.partition(&rows, keep)?.into_iter().zip(&names).map(|(expr, name)| expr.alias(name));
        let builder = rows.builder.project(keys.collect::<Vec<_>>())?.distinct()?;
        let columns: Vec<Expr> = names.into_iter().map(|name| Expr::Column(Column::from_name(name))).collect();
        Ok(Rows::grouped(builder, columns.clone(), columns))
    }
}

impl Rows {
    /// Rows of groups, which their keys tell apart.
    fn grouped(builder: LogicalPlanBuilder, columns: Vec<Expr>, keys: Vec<Expr>) -> Rows {
        let columns = columns.into_iter().map(Some).collect();
        Rows { builder, columns, order: Vec::new(), identity: keys, unique: true, numbered: false }
    }
}

/// Nulls are the lowest values.
pub(super) fn sort(keys: &[OrderKey]) -> Vec<SortExpr> {
    keys.iter().map(|key| SortExpr::new(key.expr.clone(), !key.descending, !key.descending)).collect()
}
