//! Joins along declared references, which some sources make though they make no others: on either side, several one after the other and of
//! one table, under conditions, orders, limits, keys and counts.

use super::Literals;
use super::blocks::{Block, condition, grouped, output, relation};
use super::joins::{Pair, joined};
use crate::run::Table;
use portico_provider_api::{AggregateCall, Expr, Join, JoinKind, KeySet, Relation, SortKey, SourceQuery, Value};

/// A table that refers to another one.
struct Reference<'a> {
    child: &'a Table,
    parent: &'a Table,
    on: Vec<(usize, usize)>,
}

const KINDS: [JoinKind; 2] = [JoinKind::Inner, JoinKind::Left];

/// Every reference, by itself and with those that its tables have besides.
pub(super) fn along(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let all: Vec<Reference<'_>> = tables.iter().flat_map(|child| references(child, tables)).collect();
    let mut found = Vec::new();
    for reference in &all {
        let width = reference.child.relation.columns.len();
        for kind in KINDS {
            let query = joined(reference.pair().join(kind));
            let name = format!("{} join along a reference", kind.name());
            for (of, table, offset) in [("own", reference.child, 0), ("their", reference.parent, width)] {
                let filter = Some(condition(table, offset, literals));
                found.push((format!("{name}, a condition on {of} columns"), SourceQuery { filter: filter.clone(), ..query.clone() }));
                found.push((
                    format!("{name}, rows counted under a condition on {of} columns"),
                    counted(SourceQuery { filter, ..query.clone() }),
                ));
                found.extend(keyed(&query, table, offset, literals).map(|query| (format!("{name}, {of} keys"), query)));
                let sorted = SourceQuery { order_by: by_key(reference.child, Some((table, offset, literals))), ..query.clone() };
                found.push((format!("{name} by {of} columns"), sorted.clone()));
                found.push((format!("{name}, the first by {of} columns"), SourceQuery { limit: Some(5), offset: 2, ..sorted }));
            }
            let few = (0..width.min(2)).map(output).collect();
            found.push((format!("{name}, own columns alone"), SourceQuery { output: few, ..query.clone() }));
            found.push((format!("{name}, their columns alone"), SourceQuery { output: vec![output(width)], ..query.clone() }));
            found.push((name, query));
        }
        found.push(("inner join along a reference, turned round".to_owned(), joined(reference.turned().join(JoinKind::Inner))));
        for other in &all {
            found.extend(of_three(reference, other, literals));
        }
    }
    found
}

fn references<'a>(child: &'a Table, tables: &'a [Table]) -> impl Iterator<Item = Reference<'a>> {
    child.loaded.fixture.foreign_keys.iter().filter_map(move |key| {
        let parent = tables.iter().find(|table| table.name() == key.references)?;
        let position = |table: &Table, name: &String| table.relation.columns.iter().position(|column| column.name == *name);
        let on = key.columns.iter().zip(&key.referenced_columns);
        let on = on.map(|(own, other)| Some((position(child, own)?, position(parent, other)?))).collect::<Option<Vec<_>>>()?;
        Some(Reference { child, parent, on })
    })
}

impl<'a> Reference<'a> {
    fn pair(&self) -> Pair<'a> {
        Pair { left: self.child, right: self.parent, on: self.on.clone() }
    }

    fn turned(&self) -> Pair<'a> {
        Pair { left: self.parent, right: self.child, on: self.on.iter().map(|(own, other)| (*other, *own)).collect() }
    }
}

fn counted(query: SourceQuery) -> SourceQuery {
    grouped(query, Vec::new(), vec![AggregateCall::row_count()])
}

/// The rows of which one table has the keys of some of its rows.
fn keyed(query: &SourceQuery, table: &Table, offset: usize, literals: &mut Literals<'_>) -> Option<SourceQuery> {
    let key = table.primary_key();
    let mut tuples: Vec<Vec<Value>> = Vec::new();
    for _ in 0..3 {
        let row = literals.rng.choice(&table.rows)?;
        let tuple: Vec<Value> = key.iter().filter_map(|column| row.get(*column).cloned()).collect();
        if !tuples.contains(&tuple) {
            tuples.push(tuple);
        }
    }
    let columns: Vec<usize> = key.iter().map(|column| offset + column).collect();
    (!columns.is_empty()).then(|| SourceQuery { keys: Some(KeySet { columns, tuples }), ..query.clone() })
}

/// An order in which every row has its place: perhaps by one column of some table, and then by the key of the table that refers.
fn by_key(child: &Table, first: Option<(&Table, usize, &mut Literals<'_>)>) -> Vec<SortKey> {
    let own = child.primary_key();
    let first = first.map(|(table, offset, literals)| {
        let descending = literals.rng.bool();
        let column = offset + literals.rng.usize(0..table.relation.columns.len().max(1));
        (column, SortKey { expr: Expr::Column(column), descending, nulls_first: !descending })
    });
    let first = first.filter(|(column, _)| !own.contains(column)).map(|(_, key)| key);
    let own = own.iter().map(|column| SortKey { expr: Expr::Column(*column), descending: false, nulls_first: true });
    first.into_iter().chain(own).collect()
}

/// Two references of one table, or one that leads on from where the other has led.
fn of_three(first: &Reference<'_>, second: &Reference<'_>, literals: &mut Literals<'_>) -> Vec<Block> {
    let width = first.child.relation.columns.len();
    let (offset, name) = if second.child.name() == first.parent.name() {
        (width, "on from there")
    } else if second.child.name() == first.child.name() {
        (0, "beside another one")
    } else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for inner in KINDS {
        for outer in KINDS {
            let left = Relation::Join(Box::new(first.pair().join(inner)));
            let on = second.on.iter().map(|(own, other)| (Expr::Column(offset + own), Expr::Column(*other))).collect();
            let join = Join { left, right: relation(second.parent), kind: outer, on, residual: None, null_aware: false, null_equal: false };
            let query = joined(join);
            let name = format!("{} join along a reference {name}, which is {}", inner.name(), outer.name());
            let filter = Some(condition(second.parent, width + first.parent.relation.columns.len(), literals));
            found.push((format!("{name}, under a condition"), SourceQuery { filter, ..query.clone() }));
            let first = SourceQuery { order_by: by_key(first.child, None), limit: Some(7), ..query.clone() };
            found.push((format!("{name}, the first"), first));
            found.push((name, query));
        }
    }
    found
}
