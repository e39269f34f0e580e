//! `aggregate`: one row per group. Items that look at other rows than the group's own (related entities, each once; groups within the
//! group) are aggregated apart and joined by the group's keys.

use super::{ApplyPlanner, Groups, Stage};
use crate::error::EngineError;
use arrow::datatypes::DataType;
use datafusion::common::{Column, NullEquality};
use datafusion::functions_aggregate::expr_fn::{avg, count, count_distinct, max, min, sum};
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, LogicalPlan, LogicalPlanBuilder, cast, lit};
use portico_catalog::overlay::AggregateMethod;
use portico_odata::bound::apply::BoundAggregate;
use portico_provider_api::ScalarType;

/// A plan of one row per group: its keys, and what was computed.
struct Part {
    builder: LogicalPlanBuilder,
    keys: Vec<Column>,
    /// Which item each further column is.
    items: Vec<(usize, Expr)>,
}

impl ApplyPlanner<'_> {
    pub(super) fn aggregate(
        &self,
        stage: Stage,
        keys: &[usize],
        items: &[BoundAggregate],
        groups: Option<&Groups>,
    ) -> Result<Stage, EngineError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut done = vec![false; items.len()];
        for (first, item) in items.iter().enumerate() {
            if done.get(first).copied().unwrap_or(true) {
                continue;
            }
            let alike: Vec<usize> =
                (first..items.len()).filter(|other| items.get(*other).is_some_and(|o| o.before == item.before)).collect();
            for other in &alike {
                if let Some(done) = done.get_mut(*other) {
                    *done = true;
                }
            }
            let own = if item.before.is_empty() { stage.clone() } else { self.sequence(stage.clone(), &item.before)? };
            let part = self.part(own, &item.keys, items, &alike)?;
            // The group's own rows know every group, unless some have lost theirs.
            if item.before.is_empty() { parts.insert(0, part) } else { parts.push(part) }
        }
        let complete = groups.is_none() && items.iter().any(|item| item.before.is_empty());
        let base = match (complete || keys.is_empty(), groups) {
            (true, _) => None,
            (false, Some(groups)) => Some(self.distinct(groups.stage.clone(), &groups.keys)?),
            (false, None) => Some(self.distinct(stage, keys)?),
        };
        self.joined(base, parts, items)
    }

    /// Aggregates some of the items.
    fn part(&self, mut stage: Stage, keys: &[usize], items: &[BoundAggregate], which: &[usize]) -> Result<Part, EngineError> {
        let (mut input, mut calls, mut output, mut results) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut groups = Vec::with_capacity(keys.len());
        for key in self.partition(&stage, keys)? {
            let name = self.name();
            input.push(key.alias(&name));
            groups.push(Column::from_name(name));
        }
        for index in which {
            let Some(item) = items.get(*index) else { continue };
            let argument = match &item.argument {
                None => lit(1_i64),
                Some(argument) => {
                    let value;
                    (stage, value) = self.value(stage, argument)?;
                    let name = self.name();
                    let canonical = if item.method == AggregateMethod::CountDistinct { self.group_key(value, &stage)? } else { value };
                    let data_type = canonical.get_type(stage.builder().schema())?;
                    let wide = widened(item.method, item.column.value_type.scalar(), &data_type);
                    input.push(wide.map_or(canonical.clone(), |wide| cast(canonical, wide)).alias(&name));
                    Expr::Column(Column::from_name(name))
                }
            };
            let (call, name) = (call(item.method, argument), self.name());
            output.push((*index, call.schema_name().to_string(), name.clone()));
            calls.push(call);
            results.push((*index, Expr::Column(Column::from_name(name))));
        }
        if input.is_empty() {
            input.push(lit(1_i64).alias(self.name()));
        }
        calls.dedup();
        let unique =
            calls.iter().enumerate().filter(|(at, call)| !calls.iter().take(*at).any(|other| other == *call)).map(|(_, call)| call.clone());
        let unique: Vec<Expr> = unique.collect();
        let builder = stage.rows.builder.project(input)?.aggregate(groups.iter().cloned().map(Expr::Column), unique)?;
        let mut columns: Vec<Expr> = groups.iter().cloned().map(Expr::Column).collect();
        for (index, from, to) in output {
            let Some(item) = items.get(index) else { continue };
            let value = Expr::Column(Column::from_name(from));
            let data_type = item.column.value_type.scalar().arrow();
            let typed = if value.get_type(builder.schema())? == data_type { value } else { cast(value, data_type) };
            columns.push(typed.alias(to));
        }
        Ok(Part { builder: builder.project(columns)?, keys: groups, items: results })
    }

    /// Puts parts side by side, group by group.
    fn joined(&self, base: Option<Stage>, parts: Vec<Part>, items: &[BoundAggregate]) -> Result<Stage, EngineError> {
        let mut parts = parts.into_iter();
        let outer = base.is_some();
        let (mut builder, keys, mut found) = match base {
            Some(base) => {
                let keys = base.columns().iter().flatten().filter_map(|expr| expr.try_as_col().cloned()).collect();
                (base.rows.builder, keys, Vec::new())
            }
            None => {
                let first = parts.next().ok_or_else(|| EngineError::Internal("an aggregation computes nothing".to_owned()))?;
                (first.builder, first.keys, first.items)
            }
        };
        let first = found.len();
        for part in parts {
            let right: LogicalPlan = part.builder.build()?;
            builder = if keys.is_empty() {
                builder.cross_join(right)?
            } else {
                let on: (Vec<Column>, Vec<Column>) = (keys.clone(), part.keys);
                builder.join_detailed(right, JoinType::Left, on, None, NullEquality::NullEqualsNull)?
            };
            found.extend(part.items);
        }
        let mut columns: Vec<Expr> = keys.iter().cloned().map(Expr::Column).collect();
        let identity = columns.clone();
        let (mut output, mut names) = (columns.clone(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let position = found.iter().position(|(found, _)| *found == index);
            let missing = || EngineError::Internal("an aggregate was not computed".to_owned());
            let (position, expr) = position.and_then(|at| Some((at, found.get(at)?.1.clone()))).ok_or_else(missing)?;
            // A group that no row of the other side belongs to has none of them.
            let counts = matches!(item.method, AggregateMethod::Count | AggregateMethod::CountDistinct);
            let name = self.name();
            let absent = (outer || position >= first) && counts && !keys.is_empty();
            let value = if absent { self.or_zero(expr, item)? } else { expr };
            output.push(value.alias(&name));
            names.push(Expr::Column(Column::from_name(name)));
        }
        columns.extend(names);
        Ok(Stage::grouped(builder.project(output)?, columns, identity))
    }

    fn or_zero(&self, expr: Expr, item: &BoundAggregate) -> Result<Expr, EngineError> {
        let zero = cast(lit(0_i64), item.column.value_type.scalar().arrow());
        Ok(datafusion::functions::expr_fn::coalesce(vec![expr, zero]))
    }
}

fn call(method: AggregateMethod, argument: Expr) -> Expr {
    match method {
        AggregateMethod::Sum => sum(argument),
        AggregateMethod::Min => min(argument),
        AggregateMethod::Max => max(argument),
        AggregateMethod::Average => avg(argument),
        AggregateMethod::CountDistinct => count_distinct(argument),
        AggregateMethod::Count => count(argument),
    }
}

/// The type that values are added up in, where it is another: no sum may run over.
fn widened(method: AggregateMethod, to: ScalarType, from: &DataType) -> Option<DataType> {
    let wide = match (method, to) {
        (AggregateMethod::Sum, ScalarType::Decimal { scale, .. }) if from.is_integer() => DataType::Decimal128(19, scale),
        (AggregateMethod::Sum | AggregateMethod::Average, ScalarType::Decimal { precision, .. }) => match from {
            // DataFusion adds ten digits to the sum of decimals, and four to their average, up to the most that the carrier holds.
            DataType::Decimal128(own, scale) if precision > 38 => DataType::Decimal256((*own).min(66), *scale),
            _ => return None,
        },
        (AggregateMethod::Average, _) => DataType::Float64,
        (AggregateMethod::Sum, ScalarType::Float64) => DataType::Float64,
        _ => return None,
    };
    (wide != *from).then_some(wide)
}
