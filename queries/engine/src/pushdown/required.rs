//! Tables that cannot be asked without keys: what keys a condition names, whether they are enough, and whether the rows of a query can be
//! fetched in parts by them. It must not know plans.

use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::check::first_met;
use portico_provider_api::{CompareOp, Expr, Requirement, SourceQuery, Value};

/// The constants one of which a column equals where all conditions hold: literals, and parameters of a plan that is kept.
pub fn named(conditions: &[Expr], column: usize) -> Option<Vec<Expr>> {
    conditions.iter().filter_map(|condition| equalled(condition, column)).min_by_key(Vec::len)
}

/// The same for one condition.
fn equalled(condition: &Expr, column: usize) -> Option<Vec<Expr>> {
    let is_column = |expr: &Expr| *expr == Expr::Column(column);
    let constant = |expr: &Expr| matches!(expr, Expr::Literal(_) | Expr::Parameter { .. });
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(value) if value.is_null());
    match condition {
        Expr::And(parts) => parts.iter().filter_map(|part| equalled(part, column)).min_by_key(Vec::len),
        Expr::Or(parts) => {
            let all = parts.iter().map(|part| equalled(part, column)).collect::<Option<Vec<_>>>()?;
            Some(distinct(all.into_iter().flatten()))
        }
        Expr::Compare { op: CompareOp::Eq | CompareOp::IsNotDistinctFrom, left, right } => match (left.as_ref(), right.as_ref()) {
            (side, value) | (value, side) if is_column(side) && constant(value) && !is_null(value) => Some(vec![value.clone()]),
            _ => None,
        },
        Expr::InList { expr, list, negated: false } if is_column(expr) => {
            // What equals null is not known, and so left out.
            list.iter().all(constant).then(|| distinct(list.iter().filter(|item| !is_null(item)).cloned()))
        }
        _ => None,
    }
}

fn distinct(values: impl Iterator<Item = Expr>) -> Vec<Expr> {
    let mut all: Vec<Expr> = Vec::new();
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// The columns of the first list of requirements that a query with these conditions meets by itself, or with keys of the columns that are
/// given, if one request takes keys of just all these.
pub fn met(
    required: &[Vec<Requirement>],
    query: &SourceQuery,
    conditions: &[Expr],
    given: &[usize],
    taken: &dyn Fn(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    let relation = query.from.columns();
    let has = |column: usize| given.contains(&column) || named(conditions, column).is_some();
    required.iter().find_map(|list| {
        let by = first_met(std::slice::from_ref(list), &relation, query.filter.as_ref(), &has)?;
        let all = together(given, &by);
        (all.is_empty() || taken(&all)).then_some(by)
    })
}

/// Some columns, and after them what others are not among them.
pub fn together(columns: &[usize], others: &[usize]) -> Vec<usize> {
    let missing = others.iter().filter(|column| !columns.contains(column));
    columns.iter().chain(missing).copied().collect()
}

/// The columns by which a query is asked that names its keys itself, and no more than one request has; `limits` says of columns how many that
/// are, where keys of them are taken.
pub fn of_one_request(
    required: &[Vec<Requirement>],
    query: &SourceQuery,
    conditions: &[Expr],
    limits: &dyn Fn(&[usize]) -> Option<KeyCapabilities>,
) -> Option<Vec<usize>> {
    let columns = met(required, query, conditions, &[], &|columns| limits(columns).is_some())?;
    let values: Vec<Vec<Expr>> = columns.iter().filter_map(|column| named(conditions, *column)).collect();
    let tuples = values.iter().map(Vec::len).fold(1, usize::saturating_mul);
    if tuples <= 1 {
        return Some(columns);
    }
    let limits = limits(&columns)?;
    // How large parameters are is not known before the run.
    let bytes = values.iter().map(|values| {
        let literals = values.iter().map(|value| if let Expr::Literal(value) = value { Some(vec![value.clone()]) } else { None });
        literals.map(|tuple| Some(KeyCapabilities::bytes(&[tuple?]))).try_fold(0, |most, bytes| Some(usize::max(most, bytes?)))
    });
    let size = || bytes.sum::<Option<usize>>().is_some_and(|tuple| tuple.saturating_mul(tuples) <= limits.max_bytes);
    (tuples <= limits.max_tuples && (limits.max_bytes == 0 || size())).then_some(columns)
}

/// Whether rows with different keys never meet in one group, and are never equal, so that they can be fetched apart. Their order, and where
/// they are cut off, is another question.
pub fn falls_apart(query: &SourceQuery, keys: &[usize]) -> bool {
    let among: Vec<&Expr> = match (&query.aggregate, &query.limit_per) {
        (Some(aggregate), _) => aggregate.group_by.iter().collect(),
        (None, _) if query.distinct => query.output.iter().map(|output| &output.expr).collect(),
        (None, Some(per)) => per.columns.iter().collect(),
        (None, None) => return true,
    };
    keys.iter().all(|key| among.contains(&&Expr::Column(*key)))
}

/// Whether the whole of its rows is put in an order, or cut off.
pub fn is_one_piece(query: &SourceQuery) -> bool {
    query.limit.is_some() || query.offset > 0 || !query.order_by.is_empty()
}

/// Every combination of the values of several columns, each after every one of some tuples.
pub fn combined(tuples: Vec<Vec<Value>>, columns: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    columns.into_iter().fold(tuples, |tuples, values| {
        let extended =
            tuples.iter().flat_map(|tuple| values.iter().map(move |value| [tuple.as_slice(), std::slice::from_ref(value)].concat()));
        extended.collect()
    })
}
