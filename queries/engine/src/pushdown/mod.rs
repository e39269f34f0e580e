//! Push-down: optimises a permitted plan and cuts it into source queries and what stays local.

mod aggregate;
mod cluster;
pub mod cut;
mod equalities;
mod fallible;
pub mod feed;
pub mod fragment;
mod growing;
mod join;
mod partial;
pub mod query_planner;
mod reduce;
pub mod required;
mod shift;
mod support;
pub mod template;
mod top;
pub mod translate;

use crate::error::EngineError;
use crate::execute::guard::Guards;
use crate::plan::checked;
use crate::plan::decimal_factors;
use crate::plan::entities::EntityNode;
use crate::plan::{Kept, Plan, PlanNode, Work};
use crate::policy::PermittedPlan;
use arrow::datatypes::SchemaRef;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use fragment::RemoteFragment;
use portico_catalog::Model;
use portico_odata::ExpandForm;
use portico_provider_api::{Expr, LimitPer, Relation, Support, Value};
use std::sync::Arc;

/// A plan cut into source queries and residual. Only push-down makes one, and only of a permitted plan.
pub struct PushedPlan {
    node: PlanNode,
    /// The constants of the request, for the queries of a plan that is kept for many; nothing for any other.
    constants: Option<Arc<[Value]>>,
    guards: Arc<Guards>,
}

impl PushedPlan {
    /// The schema of the table that the plan yields; `None` for entities, whose shape comes with the answer.
    pub fn schema(&self) -> Option<SchemaRef> {
        match &self.node {
            PlanNode::Table { explain: true, .. } => Some(crate::explain::Explanation::schema()),
            PlanNode::Table { plan, explain: false } => Some(Arc::new(plan.schema().as_arrow().clone())),
            PlanNode::Entities(_) => None,
        }
    }

    /// Whether only the explanation of the plan is wanted. Such a plan may lack row rules and must never run.
    pub(crate) fn is_explanation(&self) -> bool {
        matches!(self.node, PlanNode::Table { explain: true, .. })
    }

    pub(crate) fn node(&self) -> &PlanNode {
        &self.node
    }

    /// The constants of the request.
    pub(crate) fn constants(&self) -> Option<&Arc<[Value]>> {
        self.constants.as_ref()
    }

    /// What protects the tables of the model that the plan was made with.
    pub(crate) fn guards(&self) -> &Arc<Guards> {
        &self.guards
    }

    pub(crate) fn into_node(self) -> PlanNode {
        self.node
    }
}

/// Optimises and cuts.
///
/// # Errors
/// `Invalid` when types do not fit; `Unsupported`.
pub fn push_down(plan: PermittedPlan, session: &SessionState) -> Result<PushedPlan, EngineError> {
    let Plan { model, guards, work, .. } = plan.into_plan();
    let node = match work {
        Work::Cut(Kept { node, constants }) => return Ok(PushedPlan { node, guards, constants: Some(constants) }),
        Work::New { node, shaping: None } => cut_node(node, &model, session)?,
        Work::New { node, shaping: Some(shaping) } => {
            let template = shaping.is_wanted(&node)?.then(|| cut_node(node.clone(), &model, session).ok()).flatten();
            match shaping.keep(template) {
                Some(Kept { node, constants }) => return Ok(PushedPlan { node, guards, constants: Some(constants) }),
                None => cut_node(shaping.without_parameters(node)?, &model, session)?,
            }
        }
    };
    Ok(PushedPlan { node, guards, constants: None })
}

fn cut_node(node: PlanNode, model: &Model, session: &SessionState) -> Result<PlanNode, EngineError> {
    let optimise = |plan: LogicalPlan| Ok::<_, EngineError>(session.optimize(&decimal_factors::hide(plan)?)?);
    let cut = |plan: LogicalPlan| feed::fed(checked::rewrite(cut::cut(optimise(plan)?, model)?)?);
    let in_any_order = match &node {
        PlanNode::Entities(entities) if entities.root.any_order => without_order(&entities.root.plan),
        _ => None,
    };
    let mut node = node.try_map(&mut |plan| cut(plan))?;
    if let PlanNode::Entities(entities) = &mut node {
        let root = &mut Arc::make_mut(entities).root;
        if let Some(plan) = in_any_order.filter(|_| sole_fragment(&root.plan).is_none()) {
            let plan = cut(plan)?;
            if is_in_stable_order(&plan, model) {
                root.plan = plan;
            }
        }
        push_limits_per_parent(root, model);
    }
    Ok(node)
}

/// The plan without the sort that it ends with, before it is cut to size and projected.
fn without_order(plan: &LogicalPlan) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => Some(sort.input.as_ref().clone()),
        LogicalPlan::Projection(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            let [input] = plan.inputs().try_into().ok()?;
            plan.with_new_exprs(plan.expressions(), vec![without_order(input)?]).ok()
        }
        _ => None,
    }
}

/// Whether the whole plan is one question to a source that gives what is cut off in an order of its own, which stays. Sorted here, a table
/// that its source cannot sort by the key would be read as a whole for each page.
fn is_in_stable_order(plan: &LogicalPlan, model: &Model) -> bool {
    sole_fragment(plan).is_some_and(|fragment| {
        let query = &fragment.query;
        let stays = model.sources.get(&fragment.source).is_some_and(|source| source.capabilities.stable_order);
        stays && query.limit.is_some() && matches!(query.from, Relation::Table(_)) && query.aggregate.is_none() && !query.distinct
    })
}

/// The fragment, when the whole plan is one.
pub fn sole_fragment(plan: &LogicalPlan) -> Option<&RemoteFragment> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<RemoteFragment>(),
        _ => None,
    }
}

/// All fragments of a plan, those in sub-queries included, in order.
pub fn fragments(plan: &LogicalPlan) -> Vec<RemoteFragment> {
    let mut found = Vec::new();
    // Visiting cannot fail: the closure never does.
    let _ = plan.apply_with_subqueries(|node| {
        found.extend(sole_fragment(node).cloned());
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    });
    found
}

/// `$top` and `$skip` of an expanded relationship count per parent: a source that can number rows per key cuts them itself.
fn push_limits_per_parent(node: &mut EntityNode, model: &Model) {
    for child in &mut node.children {
        push_limits_per_parent(&mut child.node, model);
        // One child more than is shown at once says that there are more.
        let page = (child.page > 0).then(|| child.page.saturating_add(1));
        let most = child.top.into_iter().chain(page).min();
        let Some(top) = most.filter(|_| !child.count && child.form != ExpandForm::Count) else { continue };
        let Some(fragment) = sole_fragment(&child.node.plan) else { continue };
        let able = model.sources.get(&fragment.source).is_some_and(|source| source.capabilities.limit_per == Support::Exact);
        let able = able && fragment.query.aggregate.is_none() && !fragment.query.distinct;
        let Some((columns, _)) = fragment.key_slot.clone().filter(|_| able) else { continue };
        let mut limited = fragment.clone();
        let columns = columns.into_iter().map(Expr::Column).collect();
        Arc::make_mut(&mut limited.query).limit_per = Some(LimitPer { columns, offset: child.skip, limit: top });
        // Asked again, now with the limit: a source may not number rows of every table.
        let accepted = model.sources.get(&fragment.source).is_some_and(|source| {
            let mut probe = limited.query.as_ref().clone();
            probe.keys = None;
            support::support(&source.capabilities, &probe) != Support::None
        });
        if accepted {
            child.skip = 0;
            child.node.plan = LogicalPlan::Extension(datafusion::logical_expr::Extension { node: Arc::new(limited) });
        }
    }
}
