//! Joins along references: which shapes lie within them, and what may be asked of their columns.

use super::tests::{all, ascending, counting, from, is, refused, table};
use crate::capabilities::{Capabilities, JoinReference, Support, TableCapabilities};
use crate::expr::{CompareOp, Expr};
use crate::query::{Join, JoinKind, KeySet, Relation, SourceQuery};
use crate::value::Value;

const WIDTH: usize = 5;
const NAME: usize = 1;
const PAID: usize = 3;

fn reference(column: &str, to: &str, support: Support) -> JoinReference {
    JoinReference {
        columns: vec![column.to_owned()],
        table: to.to_owned(),
        referenced_columns: vec![column.to_owned()],
        filter: support,
        sort: support,
        inner_limit: support,
        leads_on: true,
    }
}

/// A source that joins nothing, but `t` by its name with `u`, and that by its price with `v`.
fn along(support: Support) -> Capabilities {
    let mut capabilities = all();
    capabilities.joins.kinds.clear();
    let own = |reference| TableCapabilities { references: vec![reference], ..TableCapabilities::default() };
    capabilities.tables =
        [("t".to_owned(), own(reference("name", "u", support))), ("u".to_owned(), own(reference("price", "v", support)))].into();
    capabilities
}

fn of(name: &str) -> Relation {
    Relation::Table(table(name))
}

fn join(kind: JoinKind, left: Relation, right: Relation, on: (usize, usize)) -> Relation {
    let on = vec![(Expr::Column(on.0), Expr::Column(on.1))];
    Relation::Join(Box::new(Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false }))
}

fn two(kind: JoinKind) -> Relation {
    join(kind, of("t"), of("u"), (1, 1))
}

#[test]
fn tables_are_joined_along_their_references_and_in_no_other_way() {
    use JoinKind::{Anti, Inner, Left, Semi};
    let further = |outer, inner| join(outer, of("t"), join(inner, of("u"), of("v"), (2, 2)), (1, 1));
    let (cross, residual, null_equal) = (join(Inner, of("t"), of("u"), (1, 1)), two(Left), two(Inner));
    let changed = |relation: &Relation, change: fn(&mut Join)| {
        let Relation::Join(join) = relation else { panic!("{relation:?}") };
        let mut join = join.as_ref().clone();
        change(&mut join);
        Relation::Join(Box::new(join))
    };
    for (relation, tables) in [
        (two(Inner), Some(vec!["t", "u"])),
        (two(Left), Some(vec!["t", "u"])),
        // Which side an inner join has on its left does not matter.
        (join(Inner, of("u"), of("t"), (1, 1)), Some(vec!["t", "u"])),
        (join(Left, of("u"), of("t"), (1, 1)), None),
        (two(Semi), None),
        (two(Anti), None),
        (join(Inner, of("t"), of("u"), (2, 2)), None),
        (join(Inner, of("t"), of("v"), (1, 1)), None),
        (join(Left, two(Left), of("v"), (WIDTH + 2, 2)), Some(vec!["t", "u", "v"])),
        (join(Inner, two(Left), of("v"), (WIDTH + 2, 2)), Some(vec!["t", "u", "v"])),
        (join(Inner, of("v"), two(Inner), (2, WIDTH + 2)), Some(vec!["t", "u", "v"])),
        (join(Inner, two(Inner), of("v"), (2, 2)), None),
        (further(Inner, Inner), Some(vec!["t", "u", "v"])),
        (further(Left, Left), Some(vec!["t", "u", "v"])),
        // A row of `u` without one of `v` would be missing, and is not.
        (further(Left, Inner), None),
        // The same table twice.
        (join(Left, two(Inner), of("u"), (1, 1)), Some(vec!["t", "u", "u"])),
        (changed(&cross, |join| join.on.clear()), None),
        (changed(&residual, |join| join.residual = Some(is(0, Value::Int32(1)))), None),
        (changed(&null_equal, |join| join.null_equal = true), None),
        (changed(&null_equal, |join| join.on.push((Expr::Column(0), Expr::Column(0)))), None),
    ] {
        let capabilities = along(Support::Exact);
        let found = capabilities.along_references(&relation);
        let names = found.as_ref().map(|found| found.iter().map(|joined| joined.table.table.table()).collect::<Vec<_>>());
        assert_eq!(names, tables, "{relation:?}");
        if let Some(found) = found {
            assert!(found.iter().enumerate().all(|(at, joined)| joined.by.map_or(at == 0, |by| by.from < at)), "{found:?}");
            let columns = relation.columns();
            assert!(found.iter().all(|joined| columns[joined.columns()].len() == WIDTH));
        }
        assert_eq!(refused(&from(relation.clone(), 1), &capabilities).is_none(), tables.is_some(), "{relation:?}");
        // A source that joins everything does not ask.
        assert!(all().along_references(&relation).is_none());
    }
}

#[test]
fn a_reference_may_lead_no_further() {
    let mut capabilities = along(Support::Exact);
    let chain = join(JoinKind::Left, two(JoinKind::Left), of("v"), (WIDTH + 2, 2));
    assert!(capabilities.along_references(&chain).is_some());
    capabilities.tables.get_mut("t").unwrap().references[0].leads_on = false;
    assert!(capabilities.along_references(&chain).is_none());
    assert!(capabilities.along_references(&two(JoinKind::Left)).is_some());
    // Nothing is joined with a table that is asked by keys alone.
    capabilities.tables.get_mut("u").unwrap().required_keys = vec![Vec::new()];
    assert!(capabilities.along_references(&two(JoinKind::Left)).is_none());
}

#[test]
fn what_is_asked_of_the_other_table_is_the_references() {
    let query = |kind| from(two(kind), 2 * WIDTH);
    let paid = |of: usize| Some(Expr::Column(of + PAID));
    let name = |of: usize| Some(is(of + NAME, Value::text("a")));
    let keys = |columns: Vec<usize>| Some(KeySet { tuples: vec![columns.iter().map(|_| Value::Int32(1)).collect()], columns });
    let sorted = |at| SourceQuery { order_by: vec![ascending(at)], ..query(JoinKind::Inner) };
    let count = |kind| SourceQuery { from: two(kind), ..counting() };
    for (query, with, without) in [
        (SourceQuery { filter: paid(0), ..query(JoinKind::Inner) }, true, true),
        (SourceQuery { filter: paid(WIDTH), ..query(JoinKind::Inner) }, true, false),
        (SourceQuery { filter: paid(WIDTH), ..query(JoinKind::Left) }, true, false),
        // Of an inner join it is asked of what refers there.
        (SourceQuery { filter: name(WIDTH), ..query(JoinKind::Inner) }, true, true),
        (SourceQuery { filter: name(WIDTH), ..query(JoinKind::Left) }, true, false),
        (SourceQuery { keys: keys(vec![0]), ..query(JoinKind::Left) }, true, true),
        (SourceQuery { keys: keys(vec![WIDTH]), ..query(JoinKind::Left) }, true, false),
        (sorted(0), true, true),
        (sorted(WIDTH), true, false),
        (sorted(WIDTH + NAME), true, true),
        (SourceQuery { limit: Some(1), ..query(JoinKind::Inner) }, true, false),
        (SourceQuery { limit: Some(1), ..query(JoinKind::Left) }, true, true),
        (SourceQuery { offset: 1, ..query(JoinKind::Inner) }, true, false),
        (SourceQuery { distinct: true, ..query(JoinKind::Left) }, false, false),
        (count(JoinKind::Inner), false, false),
    ] {
        for (support, taken) in [(Support::Exact, with), (Support::None, without)] {
            let refused = refused(&query, &along(support));
            assert_eq!(refused.is_none(), taken, "{support:?} {refused:?} {query:?}");
        }
    }
    // Rows are counted where the table itself says that they are.
    let mut capabilities = along(Support::None);
    capabilities.tables.get_mut("t").unwrap().count = Some(Support::Exact);
    assert_eq!(refused(&count(JoinKind::Left), &capabilities), None);
    assert!(refused(&count(JoinKind::Inner), &capabilities).is_some());
}

#[test]
fn columns_are_compared_within_their_types() {
    let mut capabilities = all();
    let relation = |left: &str, right: &str| {
        let mut relation = table("t");
        relation.columns[0].native_type = Some(left.to_owned());
        relation.columns[2] = crate::TableColumn { native_type: Some(right.to_owned()), ..relation.columns[0].clone() };
        let filter = Some(Expr::compare(CompareOp::Lt, Expr::Column(0), Expr::Column(2)));
        SourceQuery { filter, ..SourceQuery::scan(relation) }
    };
    assert_eq!(refused(&relation("Edm.Byte", "Edm.SByte"), &capabilities), None);
    capabilities.filter.within_native_types = true;
    assert_eq!(refused(&relation("Edm.Byte", "Edm.Byte"), &capabilities), None);
    assert!(refused(&relation("Edm.Byte", "Edm.SByte"), &capabilities).is_some());
    capabilities.filter.between_expressions = Support::None;
    assert!(refused(&relation("Edm.Byte", "Edm.Byte"), &capabilities).is_some());
}
