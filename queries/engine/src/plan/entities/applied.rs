//! The root of a read with `$apply`: what comes out of the transformations, counted, put in a total order, cut to the page, and its shape.

use super::level::{Output, is_typed, page};
use super::rows::Reach;
use super::{EntityNode, EntityPlanner, Restriction};
use crate::error::EngineError;
use crate::plan::apply::{ApplyPlanner, Stage};
use crate::plan::seek;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use portico_odata::bound::Recursion;
use portico_odata::bound::apply::{BoundApply, BoundTransformation};
use portico_odata::metadata::namespace_of;
use portico_odata::rows::applied::{self, AppliedShape};
use portico_odata::shape::{self, Naming};
use portico_odata::{BoundQuery, EntityShape, ExpandShape};
use std::sync::Arc;

impl EntityPlanner<'_> {
    /// How many rows come out.
    pub(super) fn applied_count(
        &self,
        query: &BoundQuery,
        apply: &BoundApply,
        restriction: &Restriction,
    ) -> Result<LogicalPlan, EngineError> {
        let stage = self.stage(query, apply, restriction)?;
        Ok(stage.rows.builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?)
    }

    fn stage(&self, query: &BoundQuery, apply: &BoundApply, restriction: &Restriction) -> Result<Stage, EngineError> {
        let reached = Restriction { keys: restriction.keys.clone(), ..Restriction::default() };
        let (rows, links) = self.rows(query, &reached)?;
        let mut stage = Stage::of(rows, self.rights_on(&query.table)?);
        let planner = ApplyPlanner::new(self);
        let Some((reach, slot)) = restriction.keys.as_ref().filter(|_| restriction.nested) else {
            return planner.sequence(stage, &apply.transformations);
        };
        if matches!(reach, Reach::Link(_)) {
            // Several parents may share a row.
            stage.identity.extend(links.iter().cloned());
        }
        stage.append(links.into_iter().map(Some));
        planner.of_keys(stage, &apply.transformations, slot, &restriction.key_types)
    }

    /// Plans what comes out, as [`EntityPlanner::level`] plans the rows of a table.
    pub(super) fn applied(
        &self,
        query: &BoundQuery,
        apply: &BoundApply,
        restriction: &Restriction,
    ) -> Result<(EntityNode, EntityShape), EngineError> {
        let rights = self.rights_of(query)?;
        let table = Arc::clone(&rights.table);
        let planner = ApplyPlanner::new(self);
        let stage = self.stage(query, apply, restriction)?;
        // Without something that tells rows apart there is nowhere to continue from: they come at once.
        let page_size = if stage.unique && !stage.numbered { restriction.page_size } else { 0 };
        let nested = restriction.nested;
        let restriction = Restriction { page_size, position: restriction.position.clone(), ..Restriction::default() };
        let cut = query.top.is_some() || query.skip > 0 || page_size > 0;
        let mut keys = if cut || !stage.order.is_empty() { planner.total(&stage) } else { Vec::new() };
        // Of the rows of one parent all have the same link.
        let links = planner.at(&stage, &apply.link)?;
        keys.retain(|key| !links.contains(&key.expr));
        let mut builder = seek::ordered(stage.builder().clone(), &keys, restriction.position.as_deref())?;
        if !nested {
            builder = page(builder, query, &restriction)?;
        }

        let relationships =
            query.expand.iter().map(|expand| self.relationship(&table, expand.relationship)).collect::<Result<Vec<_>, _>>()?;
        let mut wanted = query.select.clone();
        wanted.extend(apply.rows.presence.iter().map(|presence| presence.position));
        for relationship in &relationships {
            for link in self.reach(relationship)?.0 {
                if !wanted.contains(&link) {
                    wanted.push(link);
                }
            }
        }
        // What is expanded as far as it goes has to know its ancestors.
        for index in table.key.iter().filter(|_| query.expand.iter().any(|expand| expand.recursion == Recursion::Max)) {
            if !wanted.contains(index) {
                wanted.push(*index);
            }
        }
        let entities = apply.rows.row_type.table.is_some();
        let typed = entities && is_typed(&rights);
        // Of which type an entity is, it says as long as it is one.
        if let Some(derivation) = table.overlay.derivation.as_ref().filter(|_| typed)
            && !wanted.contains(&derivation.discriminator)
        {
            wanted.push(derivation.discriminator);
        }
        let mut output = Output { exprs: planner.at(&stage, &wanted)?, wanted, first: 0 };
        let position_columns = if page_size > 0 { output.positions(&keys) } else { Vec::new() };
        let slot = links.iter().enumerate().map(|(number, expr)| output.place(expr, || format!("@slot{number}"))).collect();
        let (mut children, mut expands) = (Vec::with_capacity(query.expand.len()), Vec::with_capacity(query.expand.len()));
        for (expand, relationship) in query.expand.iter().zip(&relationships) {
            let (child, shape) = self.child(expand, relationship, &table, &output)?;
            expands.push(ExpandShape { name: expand.name.clone(), many: expand.many, shape, form: expand.form, only: child.only.clone() });
            children.push(child);
        }
        let at = |index: usize| output.at(index);
        let AppliedShape { properties, columns, presence } = applied::shape(&apply.rows, &query.select, &at);
        let entity_set = if entities { self.entity_set(&table) } else { String::new() };
        let namespace = namespace_of(&self.service.name);
        let naming = Naming { namespace: &namespace, entity_set: &entity_set, spatial: self.service.profile.knows_spatial(), typed };
        let derivation = shape::derivation(&table, query, naming, &at, &columns);
        let shape = EntityShape { entity_set, properties, presence, expands, derivation, ..EntityShape::default() };
        let plan = builder.project(output.exprs)?.build()?;
        let of_nothing = nested && computes_of_nothing(&apply.transformations);
        Ok((EntityNode { slot, of_nothing, position_columns, children, ..EntityNode::of(plan) }, shape))
    }
}

/// Whether something comes out where nothing goes in.
fn computes_of_nothing(transformations: &[BoundTransformation]) -> bool {
    transformations.iter().any(|transformation| match transformation {
        BoundTransformation::Aggregate { .. } => true,
        BoundTransformation::Concat { branches, .. } => branches.iter().any(|branch| computes_of_nothing(&branch.then)),
        BoundTransformation::Filter(_)
        | BoundTransformation::Compute(_)
        | BoundTransformation::OrderBy(_)
        | BoundTransformation::Limit { .. }
        | BoundTransformation::Ranked { .. }
        | BoundTransformation::Follow(_)
        | BoundTransformation::Distinct(_)
        | BoundTransformation::Group { .. }
        | BoundTransformation::Join(_)
        // Trees are walked as a whole, never for each parent by itself.
        | BoundTransformation::Relatives(_)
        | BoundTransformation::Traverse(_)
        | BoundTransformation::TopLevels(_)
        | BoundTransformation::RollUp { .. }
        | BoundTransformation::Node { .. } => false,
    })
}
