//! Joins of two source queries into one: their relations side by side, with what each left out of its rows where it may stand. It must not
//! know in which order joins are best made.

use crate::pushdown::growing::{Growing, Rules, outputs};
use crate::pushdown::reduce;
use crate::pushdown::shift::shifted;
use crate::pushdown::translate::Translation;
use datafusion::common::{DFSchemaRef, JoinType, NullEquality};
use datafusion::logical_expr::Expr as PlanExpr;
use portico_provider_api::{Expr, Join, JoinKind, Relation, ScalarType, SourceQuery, TableColumn};
use std::sync::Arc;

/// What joins two pieces of a plan.
pub struct Condition<'a> {
    /// Equalities: an expression of the left side, and one of the right.
    pub on: &'a [(PlanExpr, PlanExpr)],
    /// Conditions over both sides.
    pub filter: Option<PlanExpr>,
    /// The kind.
    pub join_type: JoinType,
    /// Whether null equals null in `on`.
    pub null_equality: NullEquality,
    /// Whether an anti join is a `NOT IN`.
    pub null_aware: bool,
    /// The schema of the result.
    pub schema: &'a DFSchemaRef,
}

/// One side, ready to stand beside another.
struct Side {
    relation: Relation,
    columns: Vec<TableColumn>,
    fields: Vec<Expr>,
    filter: Option<Expr>,
}

impl Side {
    fn of(growing: &Growing) -> Side {
        let query = &growing.query;
        Side { relation: query.from.clone(), columns: query.from.columns(), fields: growing.fields(), filter: query.filter.clone() }
    }
}

/// The join of two pieces as one query of their source; nothing when it does not take it.
pub fn join(left: Growing, right: Growing, condition: &Condition<'_>) -> Option<Growing> {
    let together = left.source == right.source && left.required_keys.is_empty() && right.required_keys.is_empty();
    if !together {
        return None;
    }
    match condition.join_type {
        JoinType::Inner if condition.on.is_empty() && condition.filter.is_none() => joined(left, right, JoinKind::Cross, condition, false),
        JoinType::Inner => joined(left, right, JoinKind::Inner, condition, false),
        JoinType::Left => joined(left, right, JoinKind::Left, condition, false),
        JoinType::Right => joined(right, left, JoinKind::Left, condition, true),
        JoinType::LeftSemi => joined(left, right, JoinKind::Semi, condition, false),
        JoinType::LeftAnti => joined(left, right, JoinKind::Anti, condition, false),
        JoinType::RightSemi => joined(right, left, JoinKind::Semi, condition, true),
        JoinType::RightAnti => joined(right, left, JoinKind::Anti, condition, true),
        JoinType::Full | JoinType::LeftMark | JoinType::RightMark => None,
    }
}

/// `swapped` says that the first piece is the right side of the condition.
fn joined(first: Growing, second: Growing, kind: JoinKind, condition: &Condition<'_>, swapped: bool) -> Option<Growing> {
    let keys_of_second = second.key_slot.is_some() && kind != JoinKind::Inner;
    if keys_of_second || (first.key_slot.is_some() && second.key_slot.is_some()) {
        return None;
    }
    // What a NOT IN looks among must be left out before it looks.
    let looked_among = condition.null_aware && second.query.filter.is_some();
    let (first, second) = (plain(first)?, if looked_among { second.nested(false)? } else { plain(second)? });
    let pairs = condition.on.iter().map(|(left, right)| {
        let (of_first, of_second) = if swapped { (right, left) } else { (left, right) };
        Some((first.translate(of_first)?, second.translate(of_second)?))
    });
    let on = pairs.collect::<Option<Vec<_>>>()?;
    // A NaN equals itself here, and -0 is not 0.
    let is_float = |expr: &Expr| matches!(expr.scalar_type(&first.columns()), Some(ScalarType::Float32 | ScalarType::Float64));
    if on.iter().any(|(own, _)| is_float(own)) {
        return None;
    }
    let (own, theirs) = (Side::of(&first), Side::of(&second));
    let shift = own.columns.len();
    let their_fields: Vec<Expr> = theirs.fields.iter().map(|field| shifted(field.clone(), shift)).collect();
    let their_filter = theirs.filter.clone().map(|filter| shifted(filter, shift));
    let both = first.rules.beside(&second.rules, shift);
    let mut residual = match &condition.filter {
        Some(filter) => {
            let columns: Vec<TableColumn> = own.columns.iter().chain(&theirs.columns).cloned().collect();
            let (left, right) = if swapped { (&second, &first) } else { (&first, &second) };
            let schema = left.schema.join(&right.schema).ok()?;
            let fields = ordered(&own.fields, &their_fields, swapped);
            let over_both = Translation { schema: &schema, fields: &fields, columns: &columns, source: &first.source };
            Some(both.guard(over_both.whole(filter)?, &columns)?)
        }
        None => None,
    };
    let mut filters: Vec<Expr> = own.filter.clone().into_iter().collect();
    let inner = matches!(kind, JoinKind::Inner | JoinKind::Cross);
    if inner {
        filters.extend(their_filter);
    } else {
        residual = Expr::all(their_filter.into_iter().chain(residual));
    }
    let fields = match kind {
        JoinKind::Inner | JoinKind::Cross | JoinKind::Left => ordered(&own.fields, &their_fields, swapped),
        JoinKind::Semi | JoinKind::Anti => own.fields,
    };
    let rules = match kind {
        JoinKind::Inner | JoinKind::Cross => both,
        // A row that is missing on the other side passes no rule, and is there all the same.
        JoinKind::Left if !second.rules.is_empty() => Rules { within: true, ..first.rules.clone() },
        JoinKind::Left | JoinKind::Semi | JoinKind::Anti => first.rules.clone(),
    };
    let key = key(&first, &second, (&on, shift), kind);
    let mut parts = reduce::parts(&first, 0);
    if inner {
        parts.extend(reduce::parts(&second, shift));
    }
    let from = Relation::Join(Box::new(Join {
        left: own.relation,
        right: theirs.relation,
        kind,
        on,
        residual,
        null_aware: condition.null_aware,
        null_equal: condition.null_equality == NullEquality::NullEqualsNull && !condition.on.is_empty(),
    }));
    let key_slot = match (first.key_slot.clone(), second.key_slot.clone()) {
        (Some(own), _) => Some(own),
        (None, theirs) => theirs.map(|(columns, slot)| (columns.into_iter().map(|column| column + shift).collect(), slot)),
    };
    let query = SourceQuery { filter: Expr::all(filters), ..SourceQuery::select(from, outputs(fields)) };
    let mut growing = Growing {
        parts,
        key,
        rows: estimate(&first, &second, kind, condition),
        unfiltered: unfiltered(&first, &second, kind),
        freshness: first.freshness.min(second.freshness),
        query,
        key_slot,
        rules,
        schema: Arc::clone(condition.schema),
        ..first
    };
    condition.filter.iter().for_each(|filter| growing.also_reading(filter));
    growing.accepted()
}

/// What tells the joined rows apart: where each row of one side meets one of the other at most, what tells that side's apart.
fn key(first: &Growing, second: &Growing, (on, shift): (&[(Expr, Expr)], usize), kind: JoinKind) -> Option<Vec<Expr>> {
    let theirs = |key: &Vec<Expr>| key.iter().map(|part| shifted(part.clone(), shift)).collect();
    let meets_one = second.key.as_ref().is_some_and(|key| key.iter().all(|part| on.iter().any(|(_, right)| right == part)));
    let met_by_one = first.key.as_ref().is_some_and(|key| key.iter().all(|part| on.iter().any(|(left, _)| left == part)));
    match kind {
        JoinKind::Semi | JoinKind::Anti => first.key.clone(),
        JoinKind::Inner | JoinKind::Left if meets_one => first.key.clone(),
        JoinKind::Inner if met_by_one => second.key.as_ref().map(theirs),
        JoinKind::Inner | JoinKind::Left | JoinKind::Cross => {
            Some(first.key.iter().flatten().cloned().chain(theirs(second.key.as_ref()?)).collect::<Vec<_>>())
                .filter(|_| first.key.is_some())
        }
    }
}

/// Roughly how many rows come out: where keys meet, as many as the larger side has.
fn estimate(first: &Growing, second: &Growing, kind: JoinKind, condition: &Condition<'_>) -> u64 {
    let (own, theirs) = (first.estimate(), second.estimate());
    match kind {
        JoinKind::Cross => own.saturating_mul(theirs),
        JoinKind::Inner if condition.on.is_empty() => own.saturating_mul(theirs) / 10,
        JoinKind::Inner | JoinKind::Left => own.max(theirs),
        // Where conditions left a part of what is looked for, that part of the rows finds it.
        JoinKind::Semi if !condition.on.is_empty() => {
            let (left, whole) = second.left();
            let found = u128::from(own) * u128::from(left) / u128::from(whole);
            u64::try_from(found).unwrap_or(own).max(1)
        }
        JoinKind::Semi | JoinKind::Anti => own,
    }
}

/// Roughly how many rows would come out without conditions on either side.
fn unfiltered(first: &Growing, second: &Growing, kind: JoinKind) -> u64 {
    let (own, theirs) = (first.left().1, second.left().1);
    match kind {
        JoinKind::Cross => own.saturating_mul(theirs),
        JoinKind::Inner | JoinKind::Left => own.max(theirs),
        JoinKind::Semi | JoinKind::Anti => own,
    }
}

/// A piece ready to stand beside another: rows of a relation and a condition, which then stands outside.
fn plain(growing: Growing) -> Option<Growing> {
    if growing.is_plain() { Some(growing) } else { growing.nested(false) }
}

/// What both sides have, the left one's first.
fn ordered(first: &[Expr], second: &[Expr], swapped: bool) -> Vec<Expr> {
    if swapped { [second, first].concat() } else { [first, second].concat() }
}
