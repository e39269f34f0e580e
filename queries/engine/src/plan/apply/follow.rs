//! Relationships that transformations follow, and `join`.

use super::{ApplyPlanner, Groups, Rows};
use crate::error::EngineError;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder};
use portico_catalog::{Relationship, VirtualTable};
use portico_odata::bound::apply::{BoundFollow, BoundJoin};

impl ApplyPlanner<'_> {
    /// Appends all columns of what a relationship leads to.
    pub(super) fn follow(&self, rows: Rows, follow: &BoundFollow) -> Result<Rows, EngineError> {
        let (far, link) = self.related(follow)?;
        let own = self.at(&rows, &self.own_columns(follow)?)?;
        let columns = far.columns.len() - self.appended_links(follow)?;
        let join_type = if follow.outer { JoinType::Left } else { JoinType::Inner };
        let conditions = own.into_iter().zip(link).map(|(own, theirs)| own.eq(theirs));
        let builder = rows.builder.join_on(far.builder.build()?, join_type, conditions)?;
        let mut all = rows.columns;
        all.extend(far.columns.into_iter().take(columns));
        let (_, relationship) = self.relationship(follow)?;
        let mut identity = rows.identity;
        if relationship.many {
            identity.extend(far.identity);
        }
        Ok(Rows { builder, columns: all, identity, ..rows })
    }

    pub(super) fn join(&self, rows: Rows, join: &BoundJoin) -> Result<Rows, EngineError> {
        let own_positions = self.own_columns(&join.follow)?;
        let own = self.at(&rows, &own_positions)?;
        let (far, link) = self.related(&join.follow)?;
        // Of rows that lead nowhere something may still be computed: how many they lead to.
        let keys: Vec<usize> = (0..own_positions.len()).collect();
        let starts = Rows { columns: own.iter().cloned().map(Some).collect(), ..rows.clone() };
        let groups = Groups { rows: starts, keys, narrowed: true };
        let far = if join.then.is_empty() { far } else { self.within(far, &join.then, Some(groups))? };
        let link = if join.then.is_empty() { link } else { self.at(&far, &join.link)? };
        let join_type = if join.follow.outer { JoinType::Left } else { JoinType::Inner };
        let conditions = own.into_iter().zip(link).map(|(own, theirs)| own.eq(theirs));
        let builder = rows.builder.join_on(far.builder.build()?, join_type, conditions)?;
        let mut columns = rows.columns;
        columns.extend(join.columns.iter().map(|position| far.columns.get(*position).cloned().flatten()));
        let order = rows.order.into_iter().chain(far.order).collect();
        let identity = rows.identity.into_iter().chain(far.identity).collect();
        let (unique, numbered) = (rows.unique && far.unique, rows.numbered || far.numbered);
        Ok(Rows { builder, columns, order, identity, unique, numbered })
    }

    fn relationship(&self, follow: &BoundFollow) -> Result<(&VirtualTable, &Relationship), EngineError> {
        let table = &self.entities.rights_on(&follow.table)?.table;
        Ok((table, self.entities.relationship(table, follow.relationship)?))
    }

    /// Where the columns are, among those of the rows, that the relationship starts from.
    fn own_columns(&self, follow: &BoundFollow) -> Result<Vec<usize>, EngineError> {
        let (_, relationship) = self.relationship(follow)?;
        let own = match &relationship.through {
            Some(through) => &through.own,
            None => &relationship.on,
        };
        Ok(own.iter().map(|(own, _)| follow.first + own).collect())
    }

    fn appended_links(&self, follow: &BoundFollow) -> Result<usize, EngineError> {
        Ok(self.relationship(follow)?.1.through.as_ref().map_or(0, |through| through.own.len()))
    }

    /// The rows of the table at the other end, and the columns by which they belong to the near ones: their own, or those of the link
    /// table, which come after theirs.
    fn related(&self, follow: &BoundFollow) -> Result<(Rows, Vec<Expr>), EngineError> {
        let (_, relationship) = self.relationship(follow)?;
        let far = self.renamed(&follow.to)?;
        let Some(through) = &relationship.through else {
            let theirs: Vec<usize> = relationship.on.iter().map(|(_, theirs)| *theirs).collect();
            let link = self.at(&far, &theirs)?;
            return Ok((far, link));
        };
        let pairs = self.renamed(&through.table)?;
        let (near, beyond): (Vec<usize>, (Vec<usize>, Vec<usize>)) =
            (through.own.iter().map(|(_, link)| *link).collect(), through.other.iter().copied().unzip());
        let link = self.at(&pairs, &near)?;
        let conditions: Vec<Expr> =
            self.at(&far, &beyond.1)?.into_iter().zip(self.at(&pairs, &beyond.0)?).map(|(theirs, pair)| theirs.eq(pair)).collect();
        let builder = far.builder.join_on(pairs.builder.build()?, JoinType::Inner, conditions)?;
        let identity = far.identity.into_iter().chain(pairs.identity).collect();
        let columns = far.columns.into_iter().chain(link.iter().cloned().map(Some)).collect();
        let unique = far.unique && pairs.unique;
        Ok((Rows { builder, columns, order: Vec::new(), identity, unique, numbered: false }, link))
    }

    /// The rows of a table under names of their own, so that a table can be joined with itself.
    fn renamed(&self, table: &str) -> Result<Rows, EngineError> {
        let rights = self.entities.rights_on(table)?;
        let builder = self.entities.scan(rights, false)?;
        let (mut output, mut columns) = (Vec::new(), Vec::new());
        for column in &rights.table.columns {
            let Ok(field) = builder.schema().qualified_field_with_unqualified_name(&column.name) else {
                columns.push(None);
                continue;
            };
            let name = self.name();
            output.push(Expr::Column(Column::from(field)).alias(&name));
            columns.push(Some(Expr::Column(Column::from_name(name))));
        }
        let builder: LogicalPlanBuilder = builder.project(output)?;
        let key: Option<Vec<Expr>> = rights.table.key.iter().map(|index| columns.get(*index).cloned().flatten()).collect();
        let unique = key.as_ref().is_some_and(|key| !key.is_empty());
        Ok(Rows { builder, columns, order: Vec::new(), identity: key.unwrap_or_default(), unique, numbered: false })
    }
}
