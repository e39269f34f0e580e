//! Tables that can only be asked by keys, where they have them from other rows: below which join, and from which columns of its first side.
//! Sides are turned where the keys are on the second. It runs after the cut, and must not know sources.

use crate::error::EngineError;
use crate::execute::questions::needed;
use crate::policy::barrier::widens;
use crate::pushdown::fragment::{Fed, RemoteFragment};
use crate::pushdown::required::{falls_apart, is_one_piece, named};
use crate::pushdown::sole_fragment;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinConstraint, JoinType, NullEquality, Result as DataFusionResult};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    Cast, Distinct, Expr as PlanExpr, ExprSchemable, Extension, Join, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
};
use portico_provider_api::ScalarType;
use portico_provider_api::check::first_met;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

/// The node above the first side of a join that collects its keys for fragments of the second.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyFeed {
    /// The side.
    pub input: LogicalPlan,
    /// One for each fragment.
    pub feeds: Vec<Feed>,
}

/// What is collected for one fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Feed {
    /// The fragment's ([`Fed::number`]).
    pub number: u64,
    /// The remote table that it is for, for people.
    pub table: String,
    /// Expressions over the side.
    pub keys: Vec<PlanExpr>,
    /// The types of the columns in which they are looked up.
    pub types: Vec<ScalarType>,
}

impl PartialOrd for KeyFeed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for KeyFeed {
    fn name(&self) -> &str {
        "KeyFeed"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<PlanExpr> {
        self.feeds.iter().flat_map(|feed| feed.keys.iter().cloned()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let feed = |feed: &Feed| {
            let keys: Vec<String> = feed.keys.iter().map(ToString::to_string).collect();
            format!("table={}, keys=[{}]", feed.table, keys.join(", "))
        };
        write!(f, "KeyFeed: {}", self.feeds.iter().map(feed).collect::<Vec<_>>().join("; "))
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<PlanExpr>, inputs: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        let wrong = || DataFusionError::Internal("what feeds keys has one input, and its keys".to_owned());
        let mut expressions = expressions.into_iter();
        let mut feeds = self.feeds.clone();
        for key in feeds.iter_mut().flat_map(|feed| &mut feed.keys) {
            *key = expressions.next().ok_or_else(wrong)?;
        }
        let [input] = <[LogicalPlan; 1]>::try_from(inputs).map_err(|_| wrong())?;
        if expressions.next().is_some() { Err(wrong()) } else { Ok(KeyFeed { input, feeds }) }
    }
}

/// Sees to it that every table of a plan that requires keys has them.
///
/// # Errors
/// `Invalid`, when one has none: names the table and its columns.
pub fn fed(plan: LogicalPlan) -> Result<LogicalPlan, EngineError> {
    if !requires(&plan) {
        return Ok(plan);
    }
    let mut decided = HashMap::new();
    let (plan, unfed) = settle(plan, &mut decided)?;
    if let Some(hungry) = unfed.first() {
        return Err(needed(&hungry.fragment));
    }
    let plan = plan.transform_up(|node| {
        let Some(fragment) = sole_fragment(&node) else { return Ok(Transformed::no(node)) };
        let Some(fed) = fragment.fed.as_ref().and_then(|fed| decided.remove(&fed.number)) else { return Ok(Transformed::no(node)) };
        let fragment = RemoteFragment { fed: Some(fed), ..fragment.clone() };
        Ok(Transformed::yes(LogicalPlan::Extension(Extension { node: Arc::new(fragment) })))
    });
    Ok(plan?.data)
}

/// The fragments of a plan that have no keys yet.
///
/// # Errors
/// When a sub-query has such a fragment.
pub fn hungry(plan: &LogicalPlan) -> Result<Vec<Hungry>, EngineError> {
    if !requires(plan) {
        return Ok(Vec::new());
    }
    settle(plan.clone(), &mut HashMap::new()).map(|(_, unfed)| unfed)
}

/// Whether some table of a plan requires keys.
fn requires(plan: &LogicalPlan) -> bool {
    let mut found = false;
    // Visiting cannot fail: the closure never does.
    let _ = plan.apply_with_subqueries(|node| {
        found |= sole_fragment(node).is_some_and(|fragment| !fragment.required_keys.is_empty());
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// A fragment without the keys that its table requires, as some node above it sees it.
pub struct Hungry {
    fragment: Arc<RemoteFragment>,
    number: u64,
    /// Fields of the node, by position, that are columns of the fragment's relation, such that fewer of their values mean fewer rows of
    /// both.
    columns: HashMap<usize, usize>,
}

/// The keys that it may have from the other side of a join: by which columns it is then asked, and for each what it is equal to there.
struct Meal {
    fed: Vec<(usize, PlanExpr)>,
    by: Vec<usize>,
}

impl Hungry {
    fn of(fragment: &RemoteFragment, number: u64) -> Hungry {
        let columns = fragment.query.output.iter().enumerate().filter_map(|(at, output)| {
            let column = output.expr.as_column()?;
            let column = match &fragment.query.aggregate {
                Some(aggregate) => aggregate.group_by.get(column)?.as_column()?,
                None => column,
            };
            fragment.is_in_keys(column).then_some((at, column))
        });
        // What is cut off is not what is cut off of fewer rows.
        let columns = if is_one_piece(&fragment.query) { HashMap::new() } else { columns.collect() };
        Hungry { fragment: Arc::new(fragment.clone()), number, columns }
    }

    /// As a node above sees it, where `above` gives the fields of that node that a field below has become.
    fn seen(self, above: impl Fn(usize) -> Vec<usize>) -> Hungry {
        let columns = self.columns.iter().flat_map(|(at, column)| above(*at).into_iter().map(|at| (at, *column)));
        Hungry { columns: columns.collect(), ..self }
    }

    /// What it gets from pairs of equal expressions: one over the fields that it sees, and one over the other side.
    fn meal<'a>(&self, schema: &DFSchema, pairs: impl Iterator<Item = (&'a PlanExpr, &'a PlanExpr)>, nulls_meet: bool) -> Option<Meal> {
        let fragment = &self.fragment;
        let relation = fragment.query.from.columns();
        let mut found: HashMap<usize, PlanExpr> = HashMap::new();
        for (own, theirs) in pairs {
            let column = column_of(own, schema).and_then(|at| self.columns.get(&at)).copied();
            let Some(column) = column else { continue };
            // No source is asked for rows whose key is null.
            if !nulls_meet || relation.get(column).is_some_and(|column| !column.nullable) {
                found.entry(column).or_insert_with(|| theirs.clone());
            }
        }
        let given = |column: usize| found.contains_key(&column);
        let by = fragment.required_keys.iter().find_map(|list| {
            let given = |column: usize| given(column) || named(&fragment.conditions, column).is_some();
            let by = first_met(std::slice::from_ref(list), &relation, fragment.query.filter.as_ref(), &given)?;
            let fits = fragment.limits_of(&by).is_some() && falls_apart(&fragment.query, &by);
            (fits && by.iter().any(|column| found.contains_key(column))).then_some(by)
        })?;
        let mut fed: Vec<(usize, PlanExpr)> = found.into_iter().filter(|(column, _)| by.contains(column)).collect();
        fed.sort_by_key(|(column, _)| *column);
        Some(Meal { fed, by })
    }

    /// Whether it could be fed by equalities with another plan: its own expression is the second of each pair.
    pub fn can_be_fed(&self, schema: &DFSchema, pairs: &[(PlanExpr, PlanExpr)]) -> bool {
        self.meal(schema, pairs.iter().map(|(theirs, own)| (own, theirs)), false).is_some()
    }
}

/// The field that an expression is, through a cast that loses nothing.
fn column_of(expression: &PlanExpr, schema: &DFSchema) -> Option<usize> {
    match expression {
        PlanExpr::Column(column) => schema.maybe_index_of_column(column),
        PlanExpr::Alias(alias) => column_of(&alias.expr, schema),
        PlanExpr::Cast(Cast { expr, field }) => {
            let from = expr.get_type(schema).ok()?;
            if widens(&from, field.data_type()) { column_of(expr, schema) } else { None }
        }
        _ => None,
    }
}

type Decided = HashMap<u64, Fed>;

/// Feeds what can be fed within a plan, and says what is left.
fn settle(plan: LogicalPlan, decided: &mut Decided) -> Result<(LogicalPlan, Vec<Hungry>), EngineError> {
    let plan = plan.map_subqueries(|inner| match inner {
        LogicalPlan::Subquery(mut subquery) => {
            let inner = fed(Arc::unwrap_or_clone(subquery.subquery)).map_err(|error| DataFusionError::External(Box::new(error)))?;
            subquery.subquery = Arc::new(inner);
            Ok(Transformed::yes(LogicalPlan::Subquery(subquery)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    match plan.data {
        LogicalPlan::Join(join) => settle_join(join, decided),
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<RemoteFragment>() {
            Some(fragment) => Ok(leaf(fragment)),
            None => settle_inputs(LogicalPlan::Extension(extension), decided),
        },
        other => settle_inputs(other, decided),
    }
}

fn leaf(fragment: &RemoteFragment) -> (LogicalPlan, Vec<Hungry>) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let node = |fragment: RemoteFragment| LogicalPlan::Extension(Extension { node: Arc::new(fragment) });
    let slot = fragment.key_slot.as_ref().map(|(columns, _)| columns.as_slice()).unwrap_or_default();
    if fragment.required_keys.is_empty() || fragment.asked_by(slot).is_some() {
        return (node(fragment.clone()), Vec::new());
    }
    let number = NEXT.fetch_add(1, Atomic::Relaxed);
    let hungry = Hungry::of(fragment, number);
    let fed = Some(Fed { number, columns: Vec::new(), by: Vec::new() });
    let hungry = if slot.is_empty() { hungry } else { Hungry { columns: HashMap::new(), ..hungry } };
    (node(RemoteFragment { fed, ..fragment.clone() }), vec![hungry])
}

/// A node that feeds nothing.
fn settle_inputs(plan: LogicalPlan, decided: &mut Decided) -> Result<(LogicalPlan, Vec<Hungry>), EngineError> {
    if !requires(&plan) {
        return Ok((plan, Vec::new()));
    }
    let mut unfed = Vec::new();
    let mut inputs = Vec::new();
    for input in plan.inputs() {
        let (input, hungry) = settle(input.clone(), decided)?;
        unfed.extend(hungry.into_iter().map(|hungry| hungry.seen(|at| passed_on(&plan, at))));
        inputs.push(input);
    }
    let plan = match plan {
        // The names of its columns are not those that its expressions would have now.
        LogicalPlan::Projection(mut projection) => {
            projection.input = Arc::new(inputs.pop().ok_or_else(|| EngineError::Internal("a projection has no input".to_owned()))?);
            LogicalPlan::Projection(projection)
        }
        LogicalPlan::Union(mut union) => {
            union.inputs = inputs.into_iter().map(Arc::new).collect();
            LogicalPlan::Union(union)
        }
        other => {
            let expressions = other.expressions();
            other.with_new_exprs(expressions, inputs)?
        }
    };
    Ok((plan, unfed))
}

/// The fields that a field of an input becomes, where a condition on it might as well stand below the node.
fn passed_on(plan: &LogicalPlan, at: usize) -> Vec<usize> {
    let places = |expressions: &[PlanExpr], schema: &DFSchema| {
        let is = |expression: &PlanExpr| column_of(expression, schema) == Some(at);
        expressions.iter().enumerate().filter(|(_, expression)| is(expression)).map(|(place, _)| place).collect()
    };
    match plan {
        LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Union(_) | LogicalPlan::Distinct(Distinct::All(_)) => {
            vec![at]
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => vec![at],
        LogicalPlan::Projection(projection) => places(&projection.expr, projection.input.schema()),
        LogicalPlan::Aggregate(aggregate) if !aggregate.group_expr.iter().any(|key| matches!(key, PlanExpr::GroupingSet(_))) => {
            places(&aggregate.group_expr, aggregate.input.schema())
        }
        _ => Vec::new(),
    }
}

fn settle_join(join: Join, decided: &mut Decided) -> Result<(LogicalPlan, Vec<Hungry>), EngineError> {
    let (left, of_left) = settle(Arc::unwrap_or_clone(Arc::clone(&join.left)), decided)?;
    let (right, of_right) = settle(Arc::unwrap_or_clone(Arc::clone(&join.right)), decided)?;
    let join = Join { left: Arc::new(left), right: Arc::new(right), ..join };
    let feeds_second = of_right.iter().any(|hungry| second_meal(&join, hungry).is_some());
    let turned = if feeds_second { None } else { turned(&join)? };
    match turned.filter(|turned| of_left.iter().any(|hungry| second_meal(turned, hungry).is_some())) {
        None => feed_second(join, of_left, of_right, decided),
        Some(turned) => {
            let schema = Arc::clone(&join.schema);
            let (plan, unfed) = feed_second(turned, of_right, of_left, decided)?;
            if plan.schema().fields().len() == schema.fields().len() && plan.schema().iter().eq(schema.iter()) {
                return Ok((plan, unfed));
            }
            let place = |at: usize| {
                let column = Column::from(plan.schema().qualified_field(at));
                schema.maybe_index_of_column(&column).into_iter().collect()
            };
            let unfed = unfed.into_iter().map(|hungry| hungry.seen(place)).collect();
            let columns: Vec<PlanExpr> = schema.iter().map(|field| PlanExpr::Column(Column::from(field))).collect();
            Ok((LogicalPlanBuilder::from(plan.clone()).project(columns)?.build()?, unfed))
        }
    }
}

/// The join with its sides exchanged, where the keys of its second side may then restrict its first.
fn turned(join: &Join) -> Result<Option<Join>, EngineError> {
    let useful =
        matches!(join.join_type, JoinType::Inner | JoinType::Right | JoinType::LeftSemi | JoinType::RightSemi | JoinType::RightAnti);
    if !useful || join.null_aware {
        return Ok(None);
    }
    let on = join.on.iter().map(|(left, right)| (right.clone(), left.clone())).collect();
    Ok(Some(Join::try_new(
        Arc::clone(&join.right),
        Arc::clone(&join.left),
        on,
        join.filter.clone(),
        join.join_type.swap(),
        JoinConstraint::On,
        join.null_equality,
        false,
    )?))
}

/// What a fragment of the second side gets from the first: only where rows of the second without a partner do not come out.
fn second_meal(join: &Join, hungry: &Hungry) -> Option<Meal> {
    let restricts = match join.join_type {
        JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark | JoinType::RightSemi => true,
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark | JoinType::Full => false,
    };
    if !restricts || join.null_aware {
        // NOT IN asks whether there are nulls among all of the other side.
        return None;
    }
    let nulls_meet = join.null_equality == NullEquality::NullEqualsNull;
    hungry.meal(join.right.schema(), join.on.iter().map(|(left, right)| (right, left)), nulls_meet)
}

/// Feeds the fragments of the second side, and says what is left as the join shows it.
fn feed_second(
    join: Join,
    of_left: Vec<Hungry>,
    of_right: Vec<Hungry>,
    decided: &mut Decided,
) -> Result<(LogicalPlan, Vec<Hungry>), EngineError> {
    let (mut feeds, mut unfed) = (Vec::new(), Vec::new());
    let width = join.left.schema().fields().len();
    let (own, theirs) = match join.join_type {
        JoinType::Inner => (true, Some(width)),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, None),
        JoinType::Right => (false, Some(width)),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (false, Some(0)),
        JoinType::Full => (false, None),
    };
    for hungry in of_right {
        let Some(meal) = second_meal(&join, &hungry) else {
            unfed.push(hungry.seen(|at| theirs.map(|shift| at + shift).into_iter().collect()));
            continue;
        };
        let relation = hungry.fragment.query.from.columns();
        let (columns, keys): (Vec<usize>, Vec<PlanExpr>) = meal.fed.into_iter().unzip();
        let types = columns.iter().filter_map(|column| relation.get(*column)).map(|column| column.scalar_type).collect();
        feeds.push(Feed { number: hungry.number, table: hungry.fragment.table.clone(), keys, types });
        decided.insert(hungry.number, Fed { number: hungry.number, columns, by: meal.by });
    }
    unfed.extend(of_left.into_iter().map(|hungry| hungry.seen(|at| if own { vec![at] } else { Vec::new() })));
    let left = match feeds.is_empty() {
        true => join.left,
        false => {
            let input = Arc::unwrap_or_clone(join.left);
            Arc::new(LogicalPlan::Extension(Extension { node: Arc::new(KeyFeed { input, feeds }) }))
        }
    };
    Ok((LogicalPlan::Join(Join { left, ..join }), unfed))
}

/// The names of columns of the relation of a fragment, for people.
pub fn key_names(fragment: &RemoteFragment, columns: &[usize]) -> Vec<String> {
    let relation = fragment.query.from.columns();
    columns.iter().filter_map(|column| relation.get(*column)).map(|column| column.name.clone()).collect()
}
