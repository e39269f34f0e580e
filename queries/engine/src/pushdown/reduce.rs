//! Groups that are joined by what they are grouped by: where rows beside them are few, only those groups are computed that some of the rows
//! can meet. It is what a correlated sub-query does, before it becomes a join. It must not know in which order joins are made.

use crate::pushdown::growing::{Growing, outputs};
use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::Expr as PlanExpr;
use portico_provider_api::{Expr, Join, JoinKind, Relation, ScalarType, SourceQuery};
use std::sync::Arc;

/// How many times more rows must be grouped than are beside them.
const TIMES_FEWER: u64 = 4;

/// Rows of one table that a join was made of, of which a condition keeps some: those of the join are no others.
#[derive(Clone)]
pub struct Part {
    /// Where its columns begin in those of the join.
    offset: usize,
    rows: Arc<Growing>,
}

/// The parts of what is to be joined, whose columns come so many positions later in the join.
pub fn parts(growing: &Growing, by: usize) -> Vec<Part> {
    let alone = match &growing.query.from {
        Relation::Table(_) => true,
        Relation::Join(join) => join.kind == JoinKind::Semi,
        Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => false,
    };
    let own = (alone && is_selective(growing)).then(|| Part { offset: by, rows: Arc::new(growing.clone()) });
    growing.parts.iter().map(|part| Part { offset: part.offset + by, ..part.clone() }).chain(own).collect()
}

/// Whether a piece is groups that can be reduced.
pub fn is_grouped(growing: &Growing) -> bool {
    let by = growing.query.aggregate.as_ref().is_some_and(|aggregate| !aggregate.group_by.is_empty());
    by && growing.key_slot.is_none() && growing.required_keys.is_empty() && !growing.is_cut_off()
}

/// Whether a piece may hold few of the rows of its relation.
pub fn is_selective(growing: &Growing) -> bool {
    let semi = matches!(&growing.query.from, Relation::Join(join) if join.kind == JoinKind::Semi);
    growing.is_plain() && growing.key_slot.is_none() && growing.required_keys.is_empty() && (growing.query.filter.is_some() || semi)
}

/// Both sides of a join, where groups on one of them are those that rows on the other can meet.
pub fn reduced_join(
    left: &Growing,
    right: &Growing,
    on: &[(PlanExpr, PlanExpr)],
    join_type: JoinType,
    null_equality: NullEquality,
) -> Option<(Growing, Growing)> {
    if null_equality == NullEquality::NullEqualsNull {
        return None;
    }
    let swapped = match join_type {
        JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => false,
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => true,
        JoinType::Full | JoinType::LeftMark | JoinType::RightMark => return None,
    };
    let (rows, groups) = if swapped { (right, left) } else { (left, right) };
    if !is_grouped(groups) || !rows.is_plain() {
        return None;
    }
    let equal = equal_columns(&rows.query.from);
    let mut few = parts(rows, 0);
    few.sort_by_key(|part| part.rows.estimate());
    let reduced = few.iter().find_map(|part| {
        let within = part.offset..part.offset + part.rows.query.from.columns().len();
        let pairs = on.iter().filter_map(|(one, other)| {
            let (of_rows, of_groups) = if swapped { (other, one) } else { (one, other) };
            let Expr::Column(at) = rows.translate(of_rows)? else { return None };
            let there = equal_to(at, &equal).into_iter().find(|column| within.contains(column))?;
            Some((groups.translate(of_groups)?, Expr::Column(there - part.offset)))
        });
        reduced(groups, &part.rows, pairs.collect())
    })?;
    Some(if swapped { (reduced, rows.clone()) } else { (rows.clone(), reduced) })
}

/// The groups that rows of another piece can meet, for pairs of an expression over groups and an equal one over the relation of the rows;
/// nothing where that is not worth it, or the source does not take it.
pub fn reduced(groups: &Growing, rows: &Growing, pairs: Vec<(Expr, Expr)>) -> Option<Growing> {
    let aggregate = groups.query.aggregate.as_ref()?;
    if groups.source != rows.source || rows.rows.saturating_mul(TIMES_FEWER) > groups.rows {
        return None;
    }
    let columns = groups.query.from.columns();
    let pairs = pairs.into_iter().filter_map(|(own, theirs)| {
        let Expr::Column(at) = own else { return None };
        let group = aggregate.group_by.get(at)?.clone();
        let scalar_type = group.scalar_type(&columns)?;
        // Floats are told apart in other ways by groups than by an equality.
        let float = matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64);
        (!float && theirs.scalar_type(&rows.columns()) == Some(scalar_type)).then_some((group, theirs))
    });
    let (own, theirs): (Vec<Expr>, Vec<Expr>) = pairs.unzip();
    if own.is_empty() {
        return None;
    }
    let on = own.into_iter().enumerate().map(|(at, group)| (group, Expr::Column(at))).collect();
    let block = SourceQuery { filter: rows.query.filter.clone(), ..SourceQuery::select(rows.query.from.clone(), outputs(theirs)) };
    let mut next = groups.clone();
    next.query.from = Relation::Join(Box::new(Join {
        left: next.query.from,
        right: Relation::Query(Box::new(block)),
        kind: JoinKind::Semi,
        on,
        residual: None,
        null_aware: false,
        null_equal: false,
    }));
    next.freshness = next.freshness.min(rows.freshness);
    next.accepted()
}

/// Pairs of columns that inner joins equate, by their positions in the whole relation.
fn equal_columns(relation: &Relation) -> Vec<(usize, usize)> {
    let Relation::Join(join) = relation else { return Vec::new() };
    let mut pairs = equal_columns(&join.left);
    if join.kind == JoinKind::Inner {
        let shift = join.left.columns().len();
        pairs.extend(equal_columns(&join.right).into_iter().map(|(one, other)| (one + shift, other + shift)));
        pairs.extend(join.on.iter().filter_map(|pair| match pair {
            (Expr::Column(left), Expr::Column(right)) => Some((*left, right + shift)),
            _ => None,
        }));
    }
    pairs
}

/// A column, and those that equal it, directly or not.
fn equal_to(column: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
    let mut found = vec![column];
    let mut next = 0;
    while let Some(known) = found.get(next).copied() {
        for (one, other) in pairs {
            let beside = if *one == known {
                other
            } else if *other == known {
                one
            } else {
                continue;
            };
            if !found.contains(beside) {
                found.push(*beside);
            }
        }
        next += 1;
    }
    found
}
