//! The root of a read with `$apply`: what comes out of the transformations, counted, put in a total order, cut to the page, and its shape.

use super::level::{Output, expanded_shape, is_typed, page};
use super::rows::Reach;
use super::{AroundSlot, EntityChild, EntityNode, EntityPlanner, Restriction};
use crate::error::EngineError;
use crate::plan::apply::{ApplyPlanner, Held, Inputs, Stage};
use crate::plan::key_set::KeySlot;
use crate::plan::seek;
use crate::policy::TableRights;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use portico_odata::bound::apply::{BoundApply, BoundTransformation};
use portico_odata::bound::{BoundMade, Recursion};
use portico_odata::metadata::namespace_of;
use portico_odata::rows::applied::{self, AppliedShape};
use portico_odata::shape::{self, Naming};
use portico_odata::{BoundExpand, BoundQuery, EntityShape};
use portico_provider_api::Value;
use std::sync::Arc;

impl EntityPlanner<'_> {
    /// How many rows come out.
    pub(super) fn applied_count(
        &self,
        query: &BoundQuery,
        apply: &BoundApply,
        restriction: &Restriction,
    ) -> Result<LogicalPlan, EngineError> {
        let stage = self.stage(&ApplyPlanner::new(self), query, apply, restriction)?;
        Ok(stage.rows.builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?)
    }

    fn stage(
        &self,
        planner: &ApplyPlanner<'_>,
        query: &BoundQuery,
        apply: &BoundApply,
        restriction: &Restriction,
    ) -> Result<Stage, EngineError> {
        if !query.cross.is_empty() {
            return planner.sequence(self.combined(query)?, &apply.transformations);
        }
        let reached = Restriction { keys: restriction.keys.clone(), ..Restriction::default() };
        let (rows, links) = self.rows(query, &reached)?;
        let mut stage = Stage::of(rows, self.rights_on(&query.table)?);
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
        let planner = ApplyPlanner::new(self);
        let stage = self.stage(&planner, query, apply, restriction)?;
        let links = planner.at(&stage, &apply.link)?;
        let slot = restriction.keys.as_ref().filter(|_| restriction.nested).map(|(_, slot)| slot.clone());
        let around = slot.map(|slot| AroundSlot { slot, key_types: restriction.key_types.clone(), of_groups: false });
        let rows = Applied { planner: &planner, stage, links, around: around.into_iter().collect() };
        self.applied_rows(rows, query, apply, restriction)
    }

    fn applied_rows(
        &self,
        rows: Applied<'_>,
        query: &BoundQuery,
        apply: &BoundApply,
        restriction: &Restriction,
    ) -> Result<(EntityNode, EntityShape), EngineError> {
        let Applied { planner, stage, links, around } = rows;
        // What is nested in here plans further transformations, and replaces them.
        let inputs = planner.inputs();
        // Combinations are no entities, and lead nowhere.
        let rights = match query.cross.first() {
            Some(part) => Arc::clone(self.rights_on(&part.query.table)?),
            None => self.rights_of(query)?,
        };
        let table = Arc::clone(&rights.table);
        // Without something that tells rows apart there is nowhere to continue from: they come at once.
        let page_size = if stage.unique && !stage.numbered { restriction.page_size } else { 0 };
        let nested = restriction.nested;
        let restriction = Restriction { page_size, position: restriction.position.clone(), ..Restriction::default() };
        let cut = query.top.is_some() || query.skip > 0 || page_size > 0;
        let mut keys = if cut || !stage.order.is_empty() { planner.total(&stage) } else { Vec::new() };
        // Of the rows of one parent all have the same link.
        keys.retain(|key| !links.contains(&key.expr));
        let mut builder = seek::ordered(stage.builder().clone(), &keys, restriction.position.as_deref())?;
        if !nested {
            builder = page(builder, query, &restriction)?;
        }
        let wanted = self.wanted(query, apply, &rights)?;
        let mut output = Output { exprs: planner.at(&stage, &wanted)?, wanted, first: 0 };
        let position_columns = if page_size > 0 { output.positions(&keys) } else { Vec::new() };
        let slot = links.iter().enumerate().map(|(number, expr)| output.place(expr, || format!("@slot{number}"))).collect();
        if output.exprs.is_empty() {
            // A row that holds nothing but collections is a row all the same.
            output.exprs.push(lit(0_i64).alias("@row"));
        }
        let (mut children, mut expands) = (Vec::with_capacity(query.expand.len()), Vec::with_capacity(query.expand.len()));
        for expand in &query.expand {
            let group = expand.made.as_ref().and_then(|made| Some((made, made.group?)));
            let (mut child, shape) = match group {
                Some((made, number)) => self.group((planner, &inputs, number), expand, (made, &output), &around)?,
                None => self.child(expand, self.relationship(&table, expand.relationship)?, &table, &output)?,
            };
            let only = expand.made.as_ref().and_then(|made| made.only.as_ref());
            if let Some((only, presence)) = only.zip(apply.rows.presence.as_ref()) {
                let position = output.at(presence.position).ok_or_else(missing)?;
                child.only = Some((position, only.iter().copied().map(Value::Int64).collect()));
            }
            expands.push(expanded_shape(expand, &child, shape));
            children.push(child);
        }
        let at = |index: usize| output.at(index);
        let AppliedShape { properties, columns, presence } = applied::shape(&apply.rows, &query.select, &at);
        let entities = apply.rows.row_type.table.is_some();
        let typed = entities && is_typed(&rights);
        let entity_set = if entities { self.entity_set(&table) } else { String::new() };
        let namespace = namespace_of(&self.service.name);
        let naming = Naming { namespace: &namespace, entity_set: &entity_set, spatial: self.service.profile.knows_spatial(), typed };
        let derivation = shape::derivation(&table, query, naming, &at, &columns);
        let shape = EntityShape { entity_set, properties, presence, expands, derivation, ..EntityShape::default() };
        let plan = builder.project(output.exprs)?.build()?;
        let of_nothing = nested && computes_of_nothing(&apply.transformations);
        Ok((EntityNode { slot, of_nothing, position_columns, children, ..EntityNode::of(plan) }, shape))
    }

    /// The columns that are fetched: what is shown, what relationships and groups start from.
    fn wanted(&self, query: &BoundQuery, apply: &BoundApply, rights: &TableRights) -> Result<Vec<usize>, EngineError> {
        let table = &rights.table;
        let mut wanted = query.select.clone();
        wanted.extend(apply.rows.presence.iter().map(|presence| presence.position));
        let mut needed = Vec::new();
        for expand in &query.expand {
            match &expand.made {
                Some(made) => needed.extend(&made.link),
                None => needed.extend(self.reach(self.relationship(table, expand.relationship)?)?.0),
            }
        }
        // What is expanded as far as it goes has to know its ancestors.
        if query.expand.iter().any(|expand| expand.recursion == Recursion::Max) {
            needed.extend(&table.key);
        }
        // Of which type an entity is, it says as long as it is one.
        let typed = apply.rows.row_type.table.is_some() && is_typed(rights);
        needed.extend(table.overlay.derivation.as_ref().filter(|_| typed).map(|derivation| derivation.discriminator));
        for index in needed {
            if !wanted.contains(&index) {
                wanted.push(index);
            }
        }
        Ok(wanted)
    }

    /// What the groups of a `nest` hold.
    fn group(
        &self,
        (planner, inputs, number): (&ApplyPlanner<'_>, &Inputs, usize),
        expand: &BoundExpand,
        (made, output): (&BoundMade, &Output),
        around: &[AroundSlot],
    ) -> Result<(EntityChild, EntityShape), EngineError> {
        let slot = KeySlot::new();
        let query = &expand.query;
        let apply = query.apply.as_ref().ok_or_else(missing)?;
        let Held { stage, key_types } = planner.held(inputs, number, &apply.transformations, &slot)?;
        let links = planner.partition(&stage, &apply.link)?;
        let own = AroundSlot { slot: slot.clone(), key_types: key_types.clone(), of_groups: true };
        let below = Applied { planner, stage, links, around: around.iter().cloned().chain([own]).collect() };
        let (node, shape) = self.applied_rows(below, query, apply, &Restriction { nested: true, ..Restriction::default() })?;
        let child = EntityChild {
            name: expand.name.clone(),
            many: true,
            form: expand.form,
            only: None,
            parent_keys: made.link.iter().map(|own| output.at(*own).ok_or_else(missing)).collect::<Result<_, _>>()?,
            child_keys: node.slot.clone(),
            key_types,
            slot,
            of_groups: true,
            around: around.to_vec(),
            identity: None,
            node,
            skip: 0,
            top: None,
            page: 0,
            count: false,
        };
        Ok((child, shape))
    }
}

/// What came out of transformations.
struct Applied<'a> {
    planner: &'a ApplyPlanner<'a>,
    stage: Stage,
    /// What says whose rows they are, where they are those of parents.
    links: Vec<Expr>,
    /// The slots that the plan has.
    around: Vec<AroundSlot>,
}

fn missing() -> EngineError {
    EngineError::Internal("a link column is not among those that are fetched".to_owned())
}

/// Whether something comes out where nothing goes in.
fn computes_of_nothing(transformations: &[BoundTransformation]) -> bool {
    transformations.iter().any(|transformation| match transformation {
        BoundTransformation::Aggregate { .. } | BoundTransformation::Nest { .. } => true,
        // Nodes are groups, whatever is rolled up to them.
        BoundTransformation::Group { nodes, then, .. } => !nodes.is_empty() && computes_of_nothing(then),
        BoundTransformation::Concat { branches, .. } => branches.iter().any(|branch| computes_of_nothing(&branch.then)),
        BoundTransformation::Filter(_)
        | BoundTransformation::Compute(_)
        | BoundTransformation::OrderBy(_)
        | BoundTransformation::Limit { .. }
        | BoundTransformation::Ranked { .. }
        | BoundTransformation::Follow(_)
        | BoundTransformation::Distinct(_)
        | BoundTransformation::Join(_)
        | BoundTransformation::Relatives(_)
        | BoundTransformation::Traverse(_)
        | BoundTransformation::TopLevels(_)
        | BoundTransformation::RollUp { .. }
        | BoundTransformation::Node { .. } => false,
    })
}
