//! What EXPLAIN says of bind joins: which source queries may be restricted to keys of rows beside them, and how many of these one request
//! takes. Whether they are is known when the plan runs: keys that are too many, or come too late, are not sent. Only a table that requires keys gets
//! them in any case. It must not know sources.

use crate::pushdown::feed::key_names;
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::sole_fragment;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::{Expr, Join, LogicalPlan};
use portico_provider_api::Expr as RemoteExpr;

/// A line for every source query of a plan that a join made here may send keys to.
pub fn lines(plan: &LogicalPlan) -> String {
    let mut text = String::new();
    // Visiting cannot fail: the closure never does.
    let _ = plan.apply_with_subqueries(|node| {
        if let Some(fragment) = sole_fragment(node).filter(|fragment| fragment.fed.is_some()) {
            let by = fragment.fed.as_ref().map(|fed| fed.by.as_slice()).unwrap_or_default();
            text.push_str(&line(fragment, by, ", required"));
        }
        if let LogicalPlan::Join(join) = node {
            for (fragment, columns) in bound(join) {
                text.push_str(&line(fragment, &columns, ""));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    text
}

fn line(fragment: &RemoteFragment, columns: &[usize], note: &str) -> String {
    let (source, table, most) = (&fragment.source, &fragment.table, fragment.chunk_limits(columns).max_tuples);
    let keys = key_names(fragment, columns).join(", ");
    format!("bind join: source={source}, table={table}, keys=[{keys}]{note}, at most {most} in one request\n")
}

/// The source queries that the keys of a join may restrict, with the columns of their relations that the keys are values of.
fn bound(join: &Join) -> Vec<(&RemoteFragment, Vec<usize>)> {
    let (left, right): (Vec<&Expr>, Vec<&Expr>) = join.on.iter().map(|(left, right)| (left, right)).unzip();
    // The smaller side is read first, where it is known which one that is; keys are sent to the other.
    let swapped = matches!((rows(&join.left), rows(&join.right)), (Some(left), Some(right)) if left > right);
    let (kind, side, on) = if swapped { (join.join_type.swap(), &join.left, left) } else { (join.join_type, &join.right, right) };
    let restricts = match kind {
        JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark | JoinType::RightSemi => true,
        // Rows of the second side stay without a match.
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark | JoinType::Full => false,
    };
    let mut found = Vec::new();
    if restricts {
        let columns = on.iter().filter_map(|key| match key {
            Expr::Column(column) => Some(column.clone()),
            _ => None,
        });
        below(side, columns.collect(), &mut found);
    }
    found
}

/// Roughly how many rows a plan has; of what is computed here nobody knows.
fn rows(plan: &LogicalPlan) -> Option<u64> {
    match plan {
        LogicalPlan::Projection(projection) => rows(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => rows(&alias.input),
        other => sole_fragment(other).map(|fragment| fragment.estimate),
    }
}

/// The source queries of a plan that return some of the columns, where nothing between them keeps keys from reaching them.
fn below<'a>(plan: &'a LogicalPlan, columns: Vec<Column>, found: &mut Vec<(&'a RemoteFragment, Vec<usize>)>) {
    if let Some(fragment) = sole_fragment(plan) {
        let keys = columns.iter().filter_map(|column| key_column(fragment, column)).collect::<Vec<_>>();
        if !keys.is_empty() && fragment.limits_of(&keys).is_some() && takes_keys(fragment) {
            found.push((fragment, keys));
        }
        return;
    }
    match plan {
        LogicalPlan::Filter(filter) => below(&filter.input, columns, found),
        LogicalPlan::Projection(projection) => {
            let of = |column: &Column| match position(&projection.schema, column).and_then(|at| projection.expr.get(at)).map(plain) {
                Some(Expr::Column(inner)) => Some(inner.clone()),
                _ => None,
            };
            below(&projection.input, columns.iter().filter_map(of).collect(), found);
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let of = |column: &Column| Some(Column::from(alias.input.schema().qualified_field(position(&alias.schema, column)?)));
            below(&alias.input, columns.iter().filter_map(of).collect(), found);
        }
        LogicalPlan::Union(union) => {
            for branch in &union.inputs {
                let of = |column: &Column| Some(Column::from(branch.schema().qualified_field(position(&union.schema, column)?)));
                below(branch, columns.iter().filter_map(of).collect(), found);
            }
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            for side in [&join.left, &join.right] {
                let own = columns.iter().filter(|column| position(side.schema(), column).is_some()).cloned().collect();
                below(side, own, found);
            }
        }
        _ => {}
    }
}

fn plain(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => plain(&alias.expr),
        other => other,
    }
}

fn position(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// The column of the relation that a column is, where the source takes keys over it.
fn key_column(fragment: &RemoteFragment, column: &Column) -> Option<usize> {
    let output = fragment.query.output.get(position(&fragment.schema, column)?)?;
    let RemoteExpr::Column(mut at) = output.expr else { return None };
    if let Some(aggregate) = &fragment.query.aggregate {
        let RemoteExpr::Column(key) = aggregate.group_by.get(at)? else { return None };
        at = *key;
    }
    fragment.is_in_keys(at).then_some(at)
}

/// Keys are not put below a limit or an order.
fn takes_keys(fragment: &RemoteFragment) -> bool {
    let query = &fragment.query;
    let whole = query.limit.is_none() && query.offset == 0 && query.order_by.is_empty() && query.limit_per.is_none();
    whole && fragment.key_slot.is_none() && fragment.required_keys.is_empty()
}
