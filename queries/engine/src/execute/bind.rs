//! Bind joins: which of the filters that reach a remote scan come from hash joins (and will be filled before the scan has to answer),
//! how long to wait for them, and how their keys are read.

use crate::execute::run::Run;
use crate::execute::scan::RemoteScanExec;
use crate::policy::barrier::widens;
use crate::pushdown::fragment::RemoteFragment;
use crate::values::value_as;
use arrow::datatypes::Schema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::expressions::{CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::HashJoinExec;
use portico_provider_api::{Expr, KeySet, TableColumn, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// A request with so many keys is worth itself.
const FULL_REQUEST: usize = 100;
/// So few requests always are.
const FEW_REQUESTS: usize = 8;
/// More of them, of few keys each, never are where a table can be read without.
const MANY_REQUESTS: usize = 100;
/// So many rows are returned in the time that a request takes by itself.
const ROWS_PER_REQUEST: usize = 10;

/// A filter that may be filled while the plan runs.
#[derive(Debug, Clone)]
pub struct BindFilter {
    /// The filter, over the scan's own columns.
    pub expression: Arc<dyn PhysicalExpr>,
    /// Whether it comes from a hash join whose build side is read before this scan is polled. Only then may the scan wait: a filter
    /// of a top-k or an aggregate is filled by the scan's own rows, and waiting for it would never end.
    pub granted: bool,
}

/// Grants filters to the scans below the probe side of the joins that fill them. Runs after DataFusion has pushed filters down.
#[derive(Debug)]
pub struct GrantBindFilters;

impl PhysicalOptimizerRule for GrantBindFilters {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        grant(plan, &HashSet::new())
    }

    fn name(&self) -> &str {
        "grant_bind_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn grant(plan: Arc<dyn ExecutionPlan>, joins: &HashSet<u64>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    // DataFusion finds a filter's columns by name on its way down: where two have one name it may have found the other.
    let none = HashSet::new();
    let joins = if has_distinct_names(plan.schema().as_ref()) { joins } else { &none };
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        let from_join = |filter: &BindFilter| filter_ids(&filter.expression).iter().any(|id| joins.contains(id));
        return Ok(Arc::new(scan.with_granted(&from_join)));
    }
    let own: HashSet<u64> = match plan.downcast_ref::<HashJoinExec>() {
        Some(_) => plan.dynamic_expressions_produced().iter().filter_map(|expression| expression.expression_id()).collect(),
        None => HashSet::new(),
    };
    let children = plan.children().into_iter().cloned().enumerate().map(|(side, child)| {
        // Only the probe side, the second child, is polled after the build side has been read.
        if side == 1 && !own.is_empty() { grant(child, &joins.union(&own).copied().collect()) } else { grant(child, joins) }
    });
    let children = children.collect::<DataFusionResult<Vec<_>>>()?;
    replace_children_if_necessary(plan, children)
}

fn has_distinct_names(schema: &Schema) -> bool {
    let mut seen = HashSet::new();
    schema.fields().iter().all(|field| seen.insert(field.name()))
}

fn filter_ids(expression: &Arc<dyn PhysicalExpr>) -> Vec<u64> {
    let mut ids = Vec::new();
    // The closure cannot fail.
    let _ = expression.apply(|node| {
        ids.extend(node.expression_id());
        Ok(TreeNodeRecursion::Continue)
    });
    ids
}

/// The keys to which a scan may be restricted: the smallest set among its filters, once those that are granted have been filled or
/// the wait is over. `None` means unrestricted.
pub async fn keys(fragment: &RemoteFragment, filters: &[BindFilter], run: &Run) -> Option<KeySet> {
    let granted: Vec<_> = filters.iter().filter(|filter| filter.granted).collect();
    if granted.is_empty() {
        return None;
    }
    let wait = run.settings.bind_wait.min(run.request.remaining());
    let all_filled = futures::future::join_all(granted.iter().map(|filter| filled(&filter.expression)));
    if tokio::time::timeout(wait, all_filled).await.is_err() {
        tracing::debug!(source = %fragment.source, "the keys of a bind join did not come in time; the scan is not restricted");
    }
    let sets = granted.iter().flat_map(|filter| key_sets(&filter.expression, fragment));
    let sent = |keys: &KeySet| keys.tuples.len() <= run.settings.bind_max_keys && is_cheaper(fragment, keys);
    sets.filter(sent).min_by_key(|keys| keys.tuples.len())
}

/// Whether asking by keys is likely less work for a source than to return the whole table: many requests with few keys each are not.
fn is_cheaper(fragment: &RemoteFragment, keys: &KeySet) -> bool {
    let requests = fragment.chunk_limits(&keys.columns).chunks(&keys.tuples).len();
    let rows = usize::try_from(fragment.estimate).unwrap_or(usize::MAX);
    let full = requests.saturating_mul(FULL_REQUEST) <= keys.tuples.len();
    full || requests <= FEW_REQUESTS || (requests <= MANY_REQUESTS && requests.saturating_mul(ROWS_PER_REQUEST) <= rows)
}

async fn filled(expression: &Arc<dyn PhysicalExpr>) {
    let mut dynamic = Vec::new();
    let _ = expression.apply(|node| {
        if node.is::<DynamicFilterPhysicalExpr>() {
            dynamic.push(Arc::clone(node));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    for filter in dynamic {
        if let Ok(filter) = (filter as Arc<dyn std::any::Any + Send + Sync>).downcast::<DynamicFilterPhysicalExpr>() {
            filter.wait_complete().await;
        }
    }
}

/// Every set of keys in the conjunction of a filled filter.
fn key_sets(expression: &Arc<dyn PhysicalExpr>, fragment: &RemoteFragment) -> Vec<KeySet> {
    if let Some(dynamic) = expression.downcast_ref::<DynamicFilterPhysicalExpr>() {
        return dynamic.current().map(|current| key_sets(&current, fragment)).unwrap_or_default();
    }
    if let Some(binary) = expression.downcast_ref::<datafusion::physical_expr::expressions::BinaryExpr>() {
        // Only in a conjunction does each side hold for every row.
        return match binary.op() {
            datafusion::logical_expr::Operator::And => {
                [binary.left(), binary.right()].into_iter().flat_map(|side| key_sets(side, fragment)).collect()
            }
            _ => Vec::new(),
        };
    }
    let keys = expression.downcast_ref::<InListExpr>().filter(|list| !list.negated()).and_then(|list| key_set(list, fragment));
    keys.into_iter().collect()
}

fn key_set(list: &InListExpr, fragment: &RemoteFragment) -> Option<KeySet> {
    let relation = fragment.query.from.columns();
    let columns: Vec<usize> = match list.expr().downcast_ref::<ScalarFunctionExpr>() {
        Some(structure) if structure.fun().name() == "struct" => {
            structure.args().iter().map(|argument| relation_column(argument, fragment)).collect::<Option<_>>()?
        }
        Some(_) => return None,
        None => vec![relation_column(list.expr(), fragment)?],
    };
    fragment.limits_of(&columns)?;
    let mut seen = HashSet::new();
    let mut tuples = Vec::new();
    for item in list.list() {
        let scalar = item.downcast_ref::<Literal>()?.value();
        // The list holds duplicates and nulls; a null joins with nothing, and so does a value that the column's type cannot hold.
        let Some(tuple) = key_tuple(scalar, &columns, &relation)? else { continue };
        if seen.insert(tuple.clone()) {
            tuples.push(tuple);
        }
    }
    Some(KeySet { columns, tuples })
}

/// The relation's column that an expression over the scan's columns is, through casts that lose nothing: where several values of the
/// column become one key, that key does not find them all.
fn relation_column(expression: &Arc<dyn PhysicalExpr>, fragment: &RemoteFragment) -> Option<usize> {
    if let Some(cast) = expression.downcast_ref::<CastExpr>() {
        let from = cast.expr().data_type(fragment.schema.as_arrow()).ok()?;
        return if widens(&from, cast.cast_type()) { relation_column(cast.expr(), fragment) } else { None };
    }
    let column = expression.downcast_ref::<Column>()?;
    let Expr::Column(index) = fragment.query.output.get(column.index())?.expr else { return None };
    match &fragment.query.aggregate {
        None => Some(index),
        // Groups whose key is wanted are made of the rows with that key, and of no others.
        Some(aggregate) => match aggregate.group_by.get(index)? {
            Expr::Column(index) => Some(*index),
            _ => None,
        },
    }
}

/// The tuple of a list item; the inner `None` leaves it out, the outer gives the whole list up.
#[expect(clippy::option_option, reason = "leaving out one key and giving up on all are different")]
fn key_tuple(scalar: &ScalarValue, columns: &[usize], relation: &[TableColumn]) -> Option<Option<Vec<Value>>> {
    let parts: Vec<ScalarValue> = match scalar {
        ScalarValue::Struct(array) => {
            array.columns().iter().map(|column| ScalarValue::try_from_array(column, 0).ok()).collect::<Option<_>>()?
        }
        single => vec![single.clone()],
    };
    if parts.len() != columns.len() {
        return None;
    }
    let mut tuple = Vec::with_capacity(parts.len());
    for (part, column) in parts.iter().zip(columns) {
        let scalar_type = relation.get(*column)?.scalar_type;
        if part.is_null() {
            return Some(None);
        }
        match value_as(part, scalar_type)? {
            // The join takes NaN for equal to itself, and no source does.
            Some(Value::Float32(number) | Value::Float64(number)) if number.0.is_nan() => return None,
            Some(value) => tuple.push(value),
            None => return Some(None),
        }
    }
    Some(Some(tuple))
}
