//! Relationships that transformations follow, and `join`.

use super::{ApplyPlanner, Groups, Stage};
use crate::error::EngineError;
use crate::plan::rows::{Far, Rows, relationship_of};
use crate::plan::seek::OrderKey;
use crate::policy::TableRights;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, JoinType};
use portico_odata::bound::apply::{BoundFollow, BoundJoin};
use std::collections::HashMap;

impl ApplyPlanner<'_> {
    /// Appends all columns of what a relationship leads to.
    pub(super) fn follow(&self, mut stage: Stage, follow: &BoundFollow) -> Result<Stage, EngineError> {
        let many = relationship_of(&self.entities.rights_on(&follow.table)?.table, follow.relationship)?.many;
        let far = self.far(&stage, follow)?;
        let far = if many { far } else { far.single()? };
        let join_type = if follow.outer { JoinType::Left } else { JoinType::Inner };
        if many {
            stage.unique &= !far.table.table.key.is_empty();
            stage.identity.extend(key_of(&far.table, &far.columns).unwrap_or_default());
        }
        let plan = far.builder.build()?;
        let mut stage = stage.step(|builder| builder.join_with_expr_keys(plan, join_type, far.links, None))?;
        stage.append(far.columns);
        Ok(stage)
    }

    /// The far side of a relationship.
    fn far(&self, stage: &Stage, follow: &BoundFollow) -> Result<Far, EngineError> {
        let near = self.entities.rights_on(&follow.table)?;
        let columns = stage.columns().get(follow.first..).and_then(|columns| columns.get(..near.table.columns.len()));
        let columns = columns.ok_or_else(|| EngineError::Internal("a bound table is not in its rows".to_owned()))?;
        self.evaluator().far((near, columns), follow.relationship, stage.builder())
    }

    pub(super) fn join(&self, stage: Stage, join: &BoundJoin) -> Result<Stage, EngineError> {
        let far = self.far(&stage, &join.follow)?;
        let (own, theirs) = far.links;
        let identity: Vec<Expr> = key_of(&far.table, &far.columns).unwrap_or_default();
        let unique = !identity.is_empty();
        let mut columns = far.columns;
        // Those that are no columns of the table come after them: see `BoundJoin`.
        columns
            .extend(theirs.iter().filter(|link| !columns.iter().flatten().any(|own| own == *link)).cloned().map(Some).collect::<Vec<_>>());
        let rows = Rows::over(far.builder, Some(far.table), columns);
        let related = Stage { rows, order: Vec::new(), identity, unique, numbered: false };
        // Of rows that lead nowhere something may still be computed: how many they lead to.
        let starts = Rows::over(stage.builder().clone(), None, own.iter().cloned().map(Some).collect());
        let starts = Stage { rows: starts, order: Vec::new(), identity: Vec::new(), unique: false, numbered: false };
        let groups = Groups { stage: starts, keys: (0..own.len()).collect(), narrowed: true };
        let related = if join.then.is_empty() { related } else { self.within(related, &join.then, Some(groups))? };
        let related = self.renamed(related)?;
        let link = self.at(&related, &join.link)?;
        let join_type = if join.follow.outer { JoinType::Left } else { JoinType::Inner };
        let plan = related.rows.builder.clone().build()?;
        let mut stage = stage.step(|builder| builder.join_with_expr_keys(plan, join_type, (own, link), None))?;
        stage.append(join.columns.iter().map(|position| related.columns().get(*position).cloned().flatten()));
        stage.order.extend(related.order);
        stage.identity.extend(related.identity);
        stage.unique &= related.unique;
        stage.numbered |= related.numbered;
        Ok(stage)
    }

    /// The same rows with every column under a name of its own, so that nothing collides with what they are joined to.
    fn renamed(&self, stage: Stage) -> Result<Stage, EngineError> {
        let mut names: HashMap<Column, Expr> = HashMap::new();
        let mut output = Vec::new();
        for column in stage.builder().schema().columns() {
            let name = self.name();
            output.push(Expr::Column(column.clone()).alias(&name));
            names.insert(column, Expr::Column(Column::from_name(name)));
        }
        let rename = |expr: &Expr| -> Result<Expr, EngineError> {
            let renamed = expr.clone().transform_up(|part| {
                let new = part.try_as_col().and_then(|column| names.get(column)).cloned();
                Ok(new.map_or(Transformed::no(part), Transformed::yes))
            })?;
            Ok(renamed.data)
        };
        let columns = stage.columns().iter().map(|column| column.as_ref().map(rename).transpose()).collect::<Result<Vec<_>, _>>()?;
        let order = stage.order.iter().map(|key| Ok(OrderKey { expr: rename(&key.expr)?, descending: key.descending }));
        let order = order.collect::<Result<Vec<_>, EngineError>>()?;
        let identity = stage.identity.iter().map(rename).collect::<Result<Vec<_>, _>>()?;
        let rows = Rows::over(stage.rows.builder.project(output)?, None, columns);
        Ok(Stage { rows, order, identity, unique: stage.unique, numbered: stage.numbered })
    }
}

/// What tells the rows of a table apart.
pub(super) fn key_of(table: &TableRights, columns: &[Option<Expr>]) -> Option<Vec<Expr>> {
    table.table.key.iter().map(|index| columns.get(*index).cloned().flatten()).collect()
}
