//! Joins of two and three tables, and of a table with itself: every kind by every class, with several equalities, residual conditions,
//! and both meanings of null.

use super::Literals;
use super::blocks::{Block, MOST_PAIRS, ORDERED, SMALL, all, class_of, condition, pairs_of, relation};
use crate::run::Table;
use portico_provider_api::{CompareOp, Expr, Join, JoinKind, Relation, SourceQuery, TypeClass};

/// Pairs of tables that are tried for values in common.
const TRIED: usize = 400;
/// Triples of tables.
const TRIPLES: usize = 40;

/// Two tables and the columns by which they are joined.
pub(super) struct Pair<'a> {
    pub(super) left: &'a Table,
    pub(super) right: &'a Table,
    pub(super) on: Vec<(usize, usize)>,
}

impl Pair<'_> {
    pub(super) fn join(&self, kind: JoinKind) -> Join {
        let on = self.on.iter().map(|(left, right)| (Expr::Column(*left), Expr::Column(*right))).collect();
        Join { left: relation(self.left), right: relation(self.right), kind, on, residual: None, null_aware: false, null_equal: false }
    }

    /// By what it joins, for a feature's name.
    fn by(&self) -> String {
        let classes: Vec<TypeClass> = self.on.iter().filter_map(|(left, _)| class_of(self.left, *left)).collect();
        let types = |table: &Table, column: usize| table.relation.columns.get(column).map(|column| column.scalar_type);
        let mixed = self.on.iter().any(|(left, right)| types(self.left, *left) != types(self.right, *right));
        match classes.as_slice() {
            [class] => format!("{class:?}{}", if mixed { " of two types" } else { "" }),
            _ => "several columns".to_owned(),
        }
    }
}

pub(super) fn joined(join: Join) -> SourceQuery {
    all(Relation::Join(Box::new(join)))
}

/// Every kind of join, not all of which every source knows.
pub(crate) fn joins(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    for pair in pairs(tables, literals) {
        let by = pair.by();
        for kind in [JoinKind::Inner, JoinKind::Left, JoinKind::Semi, JoinKind::Anti] {
            let plain = pair.join(kind);
            found.push((format!("{} join by {by}", kind.name()), joined(plain.clone())));
            let null_equal = Join { null_equal: true, ..plain.clone() };
            found.push((format!("{} join by {by}, null equal", kind.name()), joined(null_equal)));
            let residual = Some(residual(&pair, literals));
            found.push((format!("{} join with residual", kind.name()), joined(Join { residual: residual.clone(), ..plain.clone() })));
            found.push((format!("{} join under a filter", kind.name()), filtered(joined(plain.clone()), &pair, literals)));
            if kind == JoinKind::Anti && pair.on.len() == 1 {
                found.push((format!("null-aware anti join by {by}"), joined(Join { null_aware: true, ..plain.clone() })));
                found.push(("null-aware anti join with residual".to_owned(), joined(Join { null_aware: true, residual, ..plain })));
            }
        }
    }
    found.extend(unequal(tables, literals));
    found.extend(of_three(tables, literals));
    found.extend(super::references::along(tables, literals));
    found
}

/// Pairs that match in few enough rows: each table with itself by every class, then any two.
pub(super) fn pairs<'a>(tables: &'a [Table], literals: &mut Literals<'_>) -> Vec<Pair<'a>> {
    let mut found = Vec::new();
    for table in tables {
        let count = table.relation.columns.len();
        for left in 0..count {
            for right in left..count {
                if class_of(table, left) == class_of(table, right) {
                    found.push(Pair { left: table, right: table, on: vec![(left, right)] });
                }
            }
        }
    }
    for _ in 0..TRIED {
        let (Some(left), Some(right)) = (literals.rng.choice(tables), literals.rng.choice(tables)) else { break };
        let mut on = Vec::new();
        for _ in 0..literals.rng.usize(1..=2) {
            let columns = (literals.rng.usize(0..left.relation.columns.len()), literals.rng.usize(0..right.relation.columns.len()));
            if class_of(left, columns.0) == class_of(right, columns.1) && !on.contains(&columns) {
                on.push(columns);
            }
        }
        if !on.is_empty() {
            found.push(Pair { left, right, on });
        }
    }
    found.retain(|pair| pairs_of(pair.left, pair.right, &pair.on) <= MOST_PAIRS);
    found
}

/// A comparison of a column on the left with one on the right, or with a literal.
fn residual(pair: &Pair<'_>, literals: &mut Literals<'_>) -> Expr {
    let offset = pair.left.relation.columns.len();
    let op = literals.rng.choice(ORDERED).unwrap_or(CompareOp::Lt);
    for _ in 0..10 {
        let (left, right) = (literals.rng.usize(0..offset), literals.rng.usize(0..pair.right.relation.columns.len()));
        if class_of(pair.left, left) == class_of(pair.right, right) {
            return Expr::compare(op, Expr::Column(left), Expr::Column(offset + right));
        }
    }
    condition(pair.right, offset, literals)
}

fn filtered(query: SourceQuery, pair: &Pair<'_>, literals: &mut Literals<'_>) -> SourceQuery {
    let offset = pair.left.relation.columns.len();
    let wide = query.from.columns().len() > offset;
    let filter = if wide && literals.rng.bool() { condition(pair.right, offset, literals) } else { condition(pair.left, 0, literals) };
    SourceQuery { filter: Some(filter), ..query }
}

/// Cross joins, and joins by nothing but a condition.
fn unequal(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    for left in tables {
        let Some(right) = literals.rng.choice(tables).filter(|right| left.rows.len() * right.rows.len() <= MOST_PAIRS) else { continue };
        let pair = Pair { left, right, on: Vec::new() };
        found.push(("cross join".to_owned(), joined(pair.join(JoinKind::Cross))));
        for kind in [JoinKind::Inner, JoinKind::Left, JoinKind::Semi, JoinKind::Anti] {
            let residual = Some(residual(&pair, literals));
            found.push((format!("{} join by a condition alone", kind.name()), joined(Join { residual, ..pair.join(kind) })));
        }
    }
    found
}

/// A join of a join with a table, on either side.
fn of_three(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let small: Vec<&Table> = tables.iter().filter(|table| table.rows.len() <= SMALL).collect();
    let two: Vec<Pair<'_>> =
        pairs(tables, literals).into_iter().filter(|pair| pairs_of(pair.left, pair.right, &pair.on) <= SMALL).collect();
    let kinds = [JoinKind::Inner, JoinKind::Left, JoinKind::Semi, JoinKind::Anti];
    let mut found = Vec::new();
    for _ in 0..TRIPLES {
        let (Some(pair), Some(third)) = (literals.rng.choice(&two), literals.rng.choice(&small)) else { break };
        let (Some(inner), Some(outer)) = (literals.rng.choice(kinds), literals.rng.choice(kinds)) else { break };
        let first = Relation::Join(Box::new(pair.join(inner)));
        let columns = first.columns();
        let column = literals.rng.usize(0..columns.len());
        let class = columns.get(column).map(|column| TypeClass::of(column.scalar_type));
        let Some(other) = (0..third.relation.columns.len()).find(|other| class_of(third, *other) == class) else { continue };
        let turned = literals.rng.bool();
        let (column, other) = (Expr::Column(column), Expr::Column(other));
        let join = if turned {
            let mut join = Pair { left: third, right: third, on: Vec::new() }.join(outer);
            (join.right, join.on) = (first, vec![(other, column)]);
            join
        } else {
            let mut join = Pair { left: third, right: third, on: Vec::new() }.join(outer);
            (join.left, join.on) = (first, vec![(column, other)]);
            join
        };
        found.push((format!("{} join {} {} join", outer.name(), if turned { "with a" } else { "of a" }, inner.name()), joined(join)));
    }
    found
}
