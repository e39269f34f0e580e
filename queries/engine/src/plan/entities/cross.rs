//! `$crossjoin`: the combinations of the entities of several sets, filtered, put in a total order, cut to the page, and what of them
//! belongs to which set.

use super::level::{Output, expanded_shape, is_typed, page};
use super::{EntityNode, EntityPlanner, Restriction};
use crate::error::EngineError;
use crate::plan::apply::Stage;
use crate::plan::rows::{RowScope, Rows, columns_of};
use crate::plan::seek::{self, OrderKey};
use datafusion::logical_expr::LogicalPlanBuilder;
use portico_catalog::Relationship;
use portico_odata::bound::CrossPart;
use portico_odata::json::{CrossJoinForm, CrossJoinShape};
use portico_odata::metadata::namespace_of;
use portico_odata::shape::{self, Naming};
use portico_odata::{BoundQuery, EntityShape, PropertyShape, ValueShape};
use std::sync::Arc;

impl EntityPlanner<'_> {
    /// The combinations that a query keeps.
    pub(super) fn combinations(&self, query: &BoundQuery) -> Result<Rows, EngineError> {
        let evaluator = self.evaluator();
        let (mut joined, mut scopes): (Option<LogicalPlanBuilder>, Vec<RowScope>) = (None, Vec::new());
        for (number, part) in query.cross.iter().enumerate() {
            let rights = Arc::clone(self.rights_on(&part.query.table)?);
            // Two sets may be of one table, so they are told apart by number.
            let name = format!("@{}", number + 1);
            let scan = evaluator.scan(&rights, &name, false)?;
            let columns = columns_of(&scan, &name, &rights.table);
            joined = Some(match joined {
                None => scan,
                Some(before) => before.cross_join(scan.build()?)?,
            });
            scopes.insert(0, RowScope::new(Some(rights), columns));
        }
        // What is computed belongs to no set: it is outside of all of them.
        scopes.push(RowScope::outside());
        let builder = joined.ok_or_else(|| EngineError::Internal("a cross join of no sets was bound".to_owned()))?;
        let mut rows = Rows { builder, scopes, known: Vec::new() };
        for computed in &query.compute {
            rows = rows.compute_outside(&evaluator, &computed.expr)?;
        }
        match &query.filter {
            Some(filter) => rows.filter(&evaluator, filter),
            None => Ok(rows),
        }
    }

    /// The combinations as rows of their own, which have the columns of all sets, first to last; the entities stay in scope, the last set's
    /// next to the rows.
    pub(super) fn combined(&self, query: &BoundQuery) -> Result<Stage, EngineError> {
        let Rows { builder, scopes, .. } = self.combinations(query)?;
        let entities: Vec<RowScope> = scopes.into_iter().take(query.cross.len()).collect();
        let missing = || EngineError::Internal("a key is not in its rows".to_owned());
        let (mut columns, mut identity) = (Vec::new(), Vec::new());
        for entity in entities.iter().rev() {
            for index in entity.table.iter().flat_map(|rights| &rights.table.key) {
                identity.push(entity.column(&[], *index).ok_or_else(missing)?);
            }
            columns.extend(entity.columns.iter().cloned());
        }
        let scopes = std::iter::once(RowScope::new(None, columns)).chain(entities).collect();
        let rows = Rows { builder, scopes, known: Vec::new() };
        Ok(Stage { rows, order: Vec::new(), identity, unique: true, numbered: false })
    }

    /// Plans the combinations and what is expanded of them.
    pub(super) fn crossed(&self, query: &BoundQuery, restriction: &Restriction) -> Result<(EntityNode, Vec<CrossJoinShape>), EngineError> {
        let rows = self.combinations(query)?;
        let mut rows = rows.prepare(&self.evaluator(), query.order_by.iter().map(|order| &order.expr))?;
        let (mut children, mut shapes) = (Vec::new(), Vec::new());
        let mut all = Output { wanted: Vec::new(), exprs: Vec::new(), first: 0 };
        for (number, part) in query.cross.iter().enumerate().filter(|(_, part)| part.shown) {
            let (prepared, output) = self.part(rows, query.cross.len() - 1 - number, part, all.exprs.len())?;
            rows = prepared;
            let table = Arc::clone(&self.rights_on(&part.query.table)?.table);
            let mut expands = Vec::with_capacity(part.query.expand.len());
            for expand in &part.query.expand {
                let (child, shape) = self.child(expand, self.relationship(&table, expand.relationship)?, &table, &output)?;
                expands.push(expanded_shape(expand, &child, shape));
                children.push(child);
            }
            let namespace = namespace_of(&self.service.name);
            let typed = is_typed(self.rights_on(&part.query.table)?);
            let naming = Naming { namespace: &namespace, entity_set: &part.name, spatial: self.service.profile.knows_spatial(), typed };
            let shape = EntityShape { expands, ..shape::of_query(&table, &part.query, naming, &|index| output.at(index)) };
            shapes.push(CrossJoinShape {
                name: part.name.clone(),
                shape,
                form: if part.expanded { CrossJoinForm::Entity } else { CrossJoinForm::Link },
            });
            all.exprs.extend(output.exprs);
        }
        if !query.select.is_empty() {
            shapes.push(computed(query, &rows, &mut all)?);
        }
        let keys = self.total(query, &rows, restriction)?;
        rows.builder = seek::ordered(rows.builder, &keys, restriction.position.as_deref())?;
        rows.builder = page(rows.builder, query, restriction)?;
        let position_columns = self.continuation(query, restriction, &rows, &keys, &mut all);
        // Columns of several sets may have one name: they are told apart by position.
        let exprs = all.exprs.into_iter().enumerate().map(|(number, expr)| expr.unalias().alias(format!("@{number}")));
        let plan = rows.builder.project(exprs.collect::<Vec<_>>())?.build()?;
        Ok((EntityNode { position_columns, children, ..EntityNode::of(plan) }, shapes))
    }

    /// What is fetched of one set, whose entities expressions over the combinations reach at `level`. Its own expressions are over its
    /// entities alone, so its scope stands in front while they are evaluated.
    fn part(&self, mut rows: Rows, level: usize, part: &CrossPart, first: usize) -> Result<(Rows, Output), EngineError> {
        let rights = Arc::clone(self.rights_on(&part.query.table)?);
        let relationships: Vec<&Relationship> =
            part.query.expand.iter().map(|expand| self.relationship(&rights.table, expand.relationship)).collect::<Result<_, _>>()?;
        rows.scopes.swap(0, level);
        // What is known is known by level, which says another set now.
        let known = std::mem::take(&mut rows.known);
        for computed in &part.query.compute {
            rows = rows.compute(&self.evaluator(), &computed.expr)?;
        }
        let output = self.output(&part.query, &rights, &rows, &relationships, &Restriction::default())?;
        rows.known = known;
        rows.scopes.swap(0, level);
        Ok((rows, Output { first, ..output }))
    }

    /// The order of the combinations. A page, `$top` or `$skip` needs a total one, so the keys of all sets are appended.
    fn total(&self, query: &BoundQuery, rows: &Rows, restriction: &Restriction) -> Result<Vec<OrderKey>, EngineError> {
        let mut keys = self.sorted(query, rows)?;
        let cut = query.top.is_some() || query.skip > 0 || restriction.page_size > 0;
        if !cut && keys.is_empty() {
            return Ok(keys);
        }
        for scope in rows.scopes.iter().rev() {
            for index in scope.table.iter().flat_map(|rights| &rights.table.key) {
                let expr = scope.column(&[], *index);
                let expr = expr.ok_or_else(|| EngineError::Internal("a key is not in its rows".to_owned()))?;
                if !keys.iter().any(|key| key.expr == expr) {
                    keys.push(OrderKey { expr, descending: false });
                }
            }
        }
        Ok(keys)
    }
}

/// What is shown of the combinations themselves: what is computed and selected, added to what is fetched.
fn computed(query: &BoundQuery, rows: &Rows, all: &mut Output) -> Result<CrossJoinShape, EngineError> {
    let missing = || EngineError::Internal("what is computed of a cross join is not in its rows".to_owned());
    let outside = rows.scopes.last().ok_or_else(missing)?;
    let mut properties = Vec::with_capacity(query.select.len());
    for index in &query.select {
        let column = &query.compute.get(*index).ok_or_else(missing)?.column;
        let value = ValueShape::Column { position: all.exprs.len(), value_type: column.value_type.clone() };
        properties.push(PropertyShape::made(column.path.concat(), value));
        all.exprs.push(outside.column(&[], *index).ok_or_else(missing)?);
    }
    let shape = EntityShape { properties, ..EntityShape::default() };
    Ok(CrossJoinShape { name: String::new(), shape, form: CrossJoinForm::Properties })
}
