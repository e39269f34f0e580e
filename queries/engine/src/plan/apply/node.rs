//! The root of a read with `$apply`: paging, counting, and the shape of what comes out.

use super::follow::key_of;
use super::{ApplyPlanner, Stage, sort};
use crate::error::EngineError;
use crate::plan::entities::level::page;
use crate::plan::entities::{EntityNode, EntityPlanner, Restriction};
use crate::plan::seek;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use portico_odata::bound::apply::BoundApply;
use portico_odata::rows::applied;
use portico_odata::{BoundQuery, EntityShape};
use std::sync::Arc;

impl EntityPlanner<'_> {
    /// How many rows come out.
    pub(in crate::plan) fn applied_count(
        &self,
        query: &BoundQuery,
        apply: &BoundApply,
        restriction: &Restriction,
    ) -> Result<LogicalPlan, EngineError> {
        let rows = self.applied_rows(query, apply, restriction)?;
        let counted = datafusion::functions_aggregate::expr_fn::count(lit(1_i64));
        Ok(rows.rows.builder.aggregate(Vec::<Expr>::new(), vec![counted])?.build()?)
    }

    fn applied_rows(&self, query: &BoundQuery, apply: &BoundApply, restriction: &Restriction) -> Result<Stage, EngineError> {
        let rights = self.rights_on(&query.table)?;
        let (rows, _) = self.rows(query, restriction)?;
        let mut stage = Stage { rows, order: Vec::new(), identity: Vec::new(), unique: false, numbered: false };
        stage.identity = key_of(rights, stage.columns()).unwrap_or_default();
        stage.unique = !stage.identity.is_empty();
        ApplyPlanner::new(self).sequence(stage, &apply.transformations)
    }

    pub(in crate::plan) fn applied(
        &self,
        query: &BoundQuery,
        apply: &BoundApply,
        restriction: &Restriction,
    ) -> Result<(EntityNode, EntityShape), EngineError> {
        let table = Arc::clone(&self.rights_on(&query.table)?.table);
        let planner = ApplyPlanner::new(self);
        let rows = self.applied_rows(query, apply, restriction)?;
        // Without something that tells rows apart there is nowhere to continue from.
        let page_size = if !rows.unique || rows.numbered { 0 } else { restriction.page_size };
        let cut = query.top.is_some() || query.skip > 0 || page_size > 0;
        let keys = if cut || !rows.order.is_empty() { planner.total(&rows) } else { Vec::new() };
        let mut builder: LogicalPlanBuilder = rows.builder().clone();
        if let Some(position) = &restriction.position {
            let condition = seek::after(&keys, position, builder.schema())?;
            builder = builder.filter(condition)?;
        }
        if !keys.is_empty() {
            builder = builder.sort(sort(&keys))?;
        }
        builder = page(builder, query, page_size)?;
        let mut wanted = query.select.clone();
        wanted.extend(apply.rows.presence.iter().map(|presence| presence.position));
        let mut output = planner.at(&rows, &wanted)?;
        let mut position_columns = Vec::new();
        if page_size > 0 {
            for (number, key) in keys.iter().enumerate() {
                match output.iter().position(|expr| *expr == key.expr) {
                    Some(existing) => position_columns.push(existing),
                    None => {
                        position_columns.push(output.len());
                        output.push(key.expr.clone().alias(format!("@order{number}")));
                    }
                }
            }
        }
        let plan = builder.project(output)?.build()?;
        let (properties, presence) = applied::shape(&apply.rows, &query.select, &|index| wanted.iter().position(|at| *at == index));
        let entities = apply.rows.row_type.table.is_some();
        let entity_set = if entities { self.entity_set(&table) } else { String::new() };
        let shape = EntityShape { entity_set, properties, presence, ..EntityShape::default() };
        Ok((EntityNode { plan, slot: Vec::new(), position_columns, etag: None, children: Vec::new() }, shape))
    }
}
