//! Puts constants into a cut plan, and gives the copy key slots of its own. It must not know where the constants come from.

use crate::plan::entities::{EntityNode, EntityPlan};
use crate::plan::key_set::{KEYS_PREFIX, KeySlot};
use crate::plan::{Kept, PlanNode};
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::sole_fragment;
use crate::pushdown::template::Template;
use crate::values::typed_as;
use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as PlanExpr, Extension, LogicalPlan};
use portico_provider_api::walk::bind_parameters;
use portico_provider_api::{Expr, SourceQuery, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The plan of a request: the template and these constants. `None` when the template does not serve: a constant is wanted outside of source
/// queries, or is of no use where it is wanted. Whatever a run leaves nothing in is shared by all.
pub(super) fn bound(template: &PlanNode, values: Vec<Value>) -> Option<Kept> {
    let mut slots = Slots::default();
    let node = match template {
        PlanNode::Table { plan, explain } => PlanNode::Table { plan: bind_plan(plan, &values, &mut slots)?, explain: *explain },
        PlanNode::Entities(entities) => PlanNode::Entities(bind_entities(entities, &values, &mut slots)?),
    };
    Some(Kept { node, constants: values.into() })
}

/// The same plan, where the query of each fragment that is a plan by itself is one for many runs.
pub(super) fn templates(node: PlanNode) -> Option<PlanNode> {
    let prepared = node.try_map(&mut |plan| {
        Ok(match sole_fragment(&plan) {
            Some(fragment) if fragment.key_slot.is_none() && fragment.required_keys.is_empty() => {
                let template = Some(Arc::new(Template::new(fragment.query.as_ref().clone())));
                wrapped(RemoteFragment { template, ..fragment.clone() })
            }
            Some(_) | None => plan,
        })
    });
    prepared.ok()
}

fn bind_entities(entities: &Arc<EntityPlan>, values: &[Value], slots: &mut Slots) -> Option<Arc<EntityPlan>> {
    if entities.via.is_empty() && entities.root.children.is_empty() {
        let plans = std::iter::once(&entities.root.plan).chain(&entities.count);
        let templates: Option<Vec<_>> = plans.map(|plan| sole_fragment(plan)?.template.as_ref()).collect();
        if let Some(templates) = templates {
            return templates.into_iter().all(|template| template.values(values).is_some()).then(|| Arc::clone(entities));
        }
    }
    let mut copy = EntityPlan::clone(entities);
    for via in &mut copy.via {
        via.plan = bind_plan(&via.plan, values, slots)?;
        via.slot = slots.own(&via.slot);
    }
    if let Some(count) = &mut copy.count {
        *count = bind_plan(count, values, slots)?;
    }
    bind_node(&mut copy.root, values, slots)?;
    Some(Arc::new(copy))
}

/// The slots of a copy, by those of the template: what is put into one must not be found by another request.
#[derive(Default)]
struct Slots(HashMap<u64, KeySlot>);

impl Slots {
    fn own(&mut self, slot: &KeySlot) -> KeySlot {
        self.0.entry(slot.number()).or_default().clone()
    }
}

fn bind_node(node: &mut EntityNode, values: &[Value], slots: &mut Slots) -> Option<()> {
    node.plan = bind_plan(&node.plan, values, slots)?;
    for child in &mut node.children {
        child.slot = slots.own(&child.slot);
        for around in &mut child.around {
            around.slot = slots.own(&around.slot);
        }
        bind_node(&mut child.node, values, slots)?;
    }
    Some(())
}

fn bind_plan(plan: &LogicalPlan, values: &[Value], slots: &mut Slots) -> Option<LogicalPlan> {
    if let Some(fragment) = sole_fragment(plan) {
        return match &fragment.template {
            Some(template) => template.values(values).map(|_| plan.clone()),
            None => Some(wrapped(bind_fragment(fragment, values, slots)?)),
        };
    }
    let mut fits = true;
    let rebuilt = plan.clone().transform_up_with_subqueries(|node| {
        fits &= stands_alone(&node)?;
        let Some(fragment) = sole_fragment(&node) else { return Ok(Transformed::no(node)) };
        match bind_fragment(fragment, values, slots) {
            Some(bound) => Ok(Transformed::yes(wrapped(bound))),
            None => {
                fits = false;
                Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
            }
        }
    });
    rebuilt.ok().map(|rebuilt| rebuilt.data).filter(|_| fits)
}

fn wrapped(fragment: RemoteFragment) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(fragment) })
}

/// Whether a node asks neither for a constant nor for keys by itself.
fn stands_alone(node: &LogicalPlan) -> DataFusionResult<bool> {
    let mut alone = true;
    node.apply_expressions(|expression| {
        expression.apply(|part| {
            alone &= match part {
                PlanExpr::Placeholder(_) => false,
                PlanExpr::ScalarFunction(call) => !call.func.name().starts_with(KEYS_PREFIX),
                _ => true,
            };
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(alone)
}

fn bind_fragment(fragment: &RemoteFragment, values: &[Value], slots: &mut Slots) -> Option<RemoteFragment> {
    let mut own = fragment.clone();
    if let Some((_, slot)) = &mut own.key_slot {
        *slot = slots.own(slot);
    }
    let value = |index: u32, scalar_type| typed_as(values.get(usize::try_from(index).ok()?)?.clone(), scalar_type);
    bind_parameters(Arc::make_mut(&mut own.query), &value).ok()?;
    if !own.conditions.is_empty() {
        // They stand in for the filter of a query, because that is what parameters are put into.
        let mut conditions =
            SourceQuery { filter: Some(Expr::And(own.conditions)), ..SourceQuery::select(own.query.from.clone(), Vec::new()) };
        bind_parameters(&mut conditions, &value).ok()?;
        own.conditions = conditions.filter.into_iter().collect();
    }
    Some(own)
}
