//! Blocks made of blocks: nested ones, unions, sub-queries, and all of it at random.

use super::blocks::{Block, ORDERED, SMALL, all, call, class_of, condition, grouped, nested, output, relation, scan, totally_ordered};
use super::joins::pairs;
use super::{Literals, never_fails, total_order, values};
use crate::run::Table;
use portico_provider_api::{
    AggregateCall, AggregateFunction, CompareOp, Expr, Join, JoinKind, LimitPer, Output, Relation, ScalarType, SourceQuery, TypeClass,
    Value,
};

fn count(number: i64) -> Expr {
    Expr::Literal(Value::Int64(number))
}

/// Blocks in `from`.
pub(crate) fn nests(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| !table.primary_key().is_empty()) {
        let rows = table.rows.len() as u64;
        let column = literals.rng.usize(0..table.relation.columns.len());
        let first = SourceQuery { order_by: total_order(table), limit: Some(rows / 2), offset: 1, ..scan(table) };
        let filtered = |query: SourceQuery, literals: &mut Literals<'_>| {
            let filter = Some(condition(table, 0, literals));
            SourceQuery { filter, ..all(nested(query)) }
        };
        found.push(("filter above a limit".to_owned(), filtered(first.clone(), literals)));
        let per = LimitPer { columns: vec![Expr::Column(column)], offset: 0, limit: 1 };
        let each = SourceQuery { order_by: total_order(table), limit_per: Some(per), ..scan(table) };
        found.push(("filter above a limit per key".to_owned(), filtered(each, literals)));
        let again = SourceQuery { order_by: total_order(table), limit: Some(2), ..all(nested(first.clone())) };
        found.push(("limit above a limit".to_owned(), again));
        found.push(("groups above a limit".to_owned(), grouped(all(nested(first.clone())), Vec::new(), vec![AggregateCall::row_count()])));
        let distinct = SourceQuery { distinct: true, output: vec![output(column)], ..scan(table) };
        found.push(("rows of distinct values".to_owned(), grouped(all(nested(distinct)), Vec::new(), vec![AggregateCall::row_count()])));
        let groups = grouped(scan(table), vec![Expr::Column(column)], vec![AggregateCall::row_count()]);
        let of_groups = grouped(all(nested(groups.clone())), vec![Expr::Column(1)], vec![AggregateCall::row_count()]);
        found.push(("groups of groups".to_owned(), of_groups.clone()));
        let deep = SourceQuery { filter: Some(Expr::compare(CompareOp::Gt, Expr::Column(1), count(1))), ..all(nested(of_groups)) };
        found.push(("three blocks deep".to_owned(), deep));
        let above = SourceQuery { filter: Some(Expr::compare(CompareOp::Gt, Expr::Column(1), count(1))), ..all(nested(groups.clone())) };
        found.push(("filter above groups".to_owned(), above));
        for (kind, right) in [(JoinKind::Inner, groups), (JoinKind::Left, first)] {
            let at = if kind == JoinKind::Inner { 0 } else { column };
            let on = vec![(Expr::Column(column), Expr::Column(at))];
            let join = Join { left: relation(table), right: nested(right), kind, on, residual: None, null_aware: false, null_equal: false };
            found.push((format!("{} join with a block", kind.name()), all(Relation::Join(Box::new(join)))));
        }
        found.extend(computed(table, column, literals));
    }
    found
}

/// A column that a block computes, filtered by the block above.
fn computed(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    for value in values(table, column, literals).into_iter().take(6) {
        if value.expr.scalar_type(&table.relation.columns).is_none() || !never_fails(&value.expr, table) {
            continue;
        }
        let key = table.primary_key().into_iter().map(|column| Output { name: format!("key{column}"), expr: Expr::Column(column) });
        let output: Vec<Output> = key.chain([Output { name: "computed".to_owned(), expr: value.expr }]).collect();
        let last = output.len() - 1;
        let inner = SourceQuery { output, ..scan(table) };
        let known = Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(last)))));
        found.push(("filter above a computed column".to_owned(), SourceQuery { filter: Some(known), ..all(nested(inner)) }));
    }
    found
}

/// All rows of several blocks.
pub(crate) fn unions(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    for table in tables {
        let part = |literals: &mut Literals<'_>| SourceQuery { filter: Some(condition(table, 0, literals)), ..scan(table) };
        let parts = vec![part(literals), part(literals)];
        found.push(("rows of two filters".to_owned(), all(Relation::Union(parts.clone()))));
        found.push(("the same rows twice".to_owned(), all(Relation::Union(vec![scan(table), scan(table)]))));
        found.push(("one block".to_owned(), all(Relation::Union(vec![part(literals)]))));
        let column = literals.rng.usize(0..table.relation.columns.len());
        let united = || all(Relation::Union(parts.clone()));
        let counts = vec![AggregateCall::row_count()];
        found.push(("groups of united rows".to_owned(), grouped(united(), vec![Expr::Column(column)], counts.clone())));
        found.push(("filter above united rows".to_owned(), SourceQuery { filter: Some(condition(table, 0, literals)), ..united() }));
        found.push(("distinct united rows".to_owned(), SourceQuery { distinct: true, ..united() }));
        let cut = SourceQuery { limit: Some(5), ..totally_ordered(united(), literals) };
        found.push(("first of united rows".to_owned(), cut));
        let groups = |literals: &mut Literals<'_>| grouped(part(literals), vec![Expr::Column(column)], counts.clone());
        found.push(("united groups".to_owned(), all(Relation::Union(vec![groups(literals), groups(literals), groups(literals)]))));
        if !table.primary_key().is_empty() {
            let first = SourceQuery { order_by: total_order(table), limit: Some(2), ..scan(table) };
            found.push(("united limits".to_owned(), all(Relation::Union(vec![first.clone(), first]))));
        }
    }
    found.extend(of_two_columns(tables));
    found
}

/// Columns of one type, of any tables: one of them may be null where the other is not.
fn of_two_columns(tables: &[Table]) -> Vec<Block> {
    let columns = tables.iter().flat_map(|table| (0..table.relation.columns.len()).map(move |column| (table, column)));
    let columns: Vec<_> = columns.collect();
    let scalar_type = |table: &Table, column: usize| table.relation.columns.get(column).map(|column| (column.scalar_type, column.nullable));
    let mut found = Vec::new();
    for (number, (table, column)) in columns.iter().enumerate() {
        let Some((first, nullable)) = scalar_type(table, *column) else { continue };
        let other = columns.iter().skip(number + 1).find(|(other, at)| scalar_type(other, *at).is_some_and(|(own, _)| own == first));
        let Some((other, at)) = other else { continue };
        let single = |table: &Table, column: usize| SourceQuery { output: vec![output(column)], ..scan(table) };
        let union = all(Relation::Union(vec![single(table, *column), single(other, *at)]));
        found.push((format!("columns of {:?}, nullable {nullable}", TypeClass::of(first)), union));
    }
    found
}

/// Sub-queries of expressions: single values and existence, with and without the row around them.
pub(crate) fn subqueries(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let small: Vec<&Table> = tables.iter().filter(|table| table.rows.len() <= SMALL).collect();
    let mut found = Vec::new();
    for table in &small {
        for column in 0..table.relation.columns.len() {
            let (Some(class), Some(other)) = (class_of(table, column), literals.rng.choice(&small)) else { continue };
            let same = (0..other.relation.columns.len()).find(|at| class_of(other, *at) == Some(class));
            // Not every table has a column of the class; this one has.
            let (other, at) = same.map_or((table, column), |at| (other, at));
            found.extend(scalars(table, (column, class), other, at, literals));
            found.extend(existence(table, (column, class), other, at, literals));
        }
    }
    found
}

fn scalar(query: SourceQuery) -> Expr {
    Expr::ScalarSubquery(Box::new(query))
}

fn exists(query: SourceQuery) -> Expr {
    Expr::Exists(Box::new(query))
}

fn outer(table: &Table, column: usize, depth: u32) -> Expr {
    let scalar_type = table.relation.columns.get(column).map_or(ScalarType::Text, |column| column.scalar_type);
    Expr::OuterColumn { depth, index: column, scalar_type }
}

fn scalars(table: &Table, (column, class): (usize, TypeClass), other: &Table, at: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    let op = literals.rng.choice(ORDERED).unwrap_or(CompareOp::Eq);
    let filtered = |filter: Expr| SourceQuery { filter: Some(filter), ..scan(table) };
    let compared = |query: SourceQuery| filtered(Expr::compare(op, Expr::Column(column), scalar(query)));
    if let Some(extreme) = call(AggregateFunction::Max, at, &relation(other)) {
        let greatest = grouped(scan(other), Vec::new(), vec![extreme]);
        found.push((format!("compared with a single {class:?}"), compared(greatest.clone())));
        let beside = Output { name: "single".to_owned(), expr: scalar(greatest.clone()) };
        found.push((format!("a single {class:?} as output"), SourceQuery { output: vec![output(column), beside], ..scan(table) }));
        let none = SourceQuery { filter: Some(Expr::Or(Vec::new())), ..greatest };
        found.push(("compared with a single value of no rows".to_owned(), compared(none)));
    }
    let single = SourceQuery { output: vec![output(at)], ..scan(other) };
    let first = SourceQuery { order_by: total_order(other), limit: Some(1), ..single.clone() };
    if !other.primary_key().is_empty() {
        found.push((format!("compared with the first {class:?}"), compared(first)));
    }
    let none = SourceQuery { filter: Some(Expr::Or(Vec::new())), ..single.clone() };
    found.push((format!("no {class:?} is null"), filtered(Expr::IsNull(Box::new(scalar(none))))));
    let same = Expr::compare(CompareOp::Eq, Expr::Column(at), outer(table, column, 1));
    let matching = grouped(SourceQuery { filter: Some(same), ..scan(other) }, Vec::new(), vec![AggregateCall::row_count()]);
    found.push((format!("number of equal {class:?}"), filtered(Expr::compare(CompareOp::Gt, scalar(matching.clone()), count(1)))));
    let beside = Output { name: "equal".to_owned(), expr: scalar(matching) };
    found.push((format!("number of equal {class:?} as output"), SourceQuery { output: vec![output(0), beside], ..scan(table) }));
    found
}

fn existence(table: &Table, (column, class): (usize, TypeClass), other: &Table, at: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let filtered = |filter: Expr| SourceQuery { filter: Some(filter), ..scan(table) };
    let with = |filter: Expr| SourceQuery { filter: Some(filter), ..scan(other) };
    let not = |filter: Expr| Expr::Not(Box::new(filter));
    let some = exists(with(condition(other, 0, literals)));
    let none = exists(with(Expr::Or(Vec::new())));
    let own = condition(table, 0, literals);
    let same = |depth: u32| Expr::compare(CompareOp::Eq, Expr::Column(at), outer(table, column, depth));
    let deep = exists(with(exists(with(same(2)))));
    vec![
        ("exists".to_owned(), filtered(some.clone())),
        ("not exists".to_owned(), filtered(not(some.clone()))),
        ("exists among no rows".to_owned(), filtered(none.clone())),
        ("not exists among no rows".to_owned(), filtered(Expr::And(vec![not(none), own.clone()]))),
        ("exists or a condition".to_owned(), filtered(Expr::Or(vec![some, own]))),
        (format!("an equal {class:?} exists"), filtered(exists(with(same(1))))),
        (format!("no equal {class:?} exists"), filtered(not(exists(with(same(1)))))),
        ("an equal value exists two queries up".to_owned(), filtered(deep)),
    ]
}

/// A single value where a table has several rows.
pub(crate) fn several_rows(table: &Table) -> SourceQuery {
    let several = SourceQuery { output: vec![output(0)], ..scan(table) };
    SourceQuery { filter: Some(Expr::compare(CompareOp::Eq, Expr::Column(0), scalar(several))), ..scan(table) }
}

/// Blocks in which anything may stand above anything.
pub(crate) fn composed(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let small: Vec<Table> = tables.iter().filter(|table| table.rows.len() <= SMALL).cloned().collect();
    let joins: Vec<Join> = pairs(&small, literals)
        .into_iter()
        .flat_map(|pair| [JoinKind::Inner, JoinKind::Left, JoinKind::Semi, JoinKind::Anti].map(|kind| pair.join(kind)))
        .collect();
    let mut found = Vec::new();
    for number in 0..literals.most() {
        if let Some(query) = composition(&small, &joins, 3, literals) {
            found.push((format!("composition {number}"), query));
        }
    }
    found
}

fn composition(tables: &[Table], joins: &[Join], depth: u8, literals: &mut Literals<'_>) -> Option<SourceQuery> {
    let from = match literals.rng.u8(0..8) {
        0 => relation(literals.rng.choice(tables)?),
        1..=3 => Relation::Join(Box::new(literals.rng.choice(joins)?.clone())),
        4 if depth > 0 => {
            let block = composition(tables, joins, depth - 1, literals)?;
            Relation::Union(vec![block.clone(), block])
        }
        _ if depth > 0 => nested(composition(tables, joins, depth - 1, literals)?),
        _ => relation(literals.rng.choice(tables)?),
    };
    let columns = from.columns();
    let any = |literals: &mut Literals<'_>, count: usize| literals.rng.usize(0..count.max(1));
    let mut query = all(from);
    if literals.rng.bool() {
        query.filter = Some(random_condition(&columns, literals));
    }
    if literals.rng.u8(0..3) == 0 {
        let group_by = vec![Expr::Column(any(literals, columns.len()))];
        let argument = any(literals, columns.len());
        let function = literals.rng.choice([AggregateFunction::Count, AggregateFunction::Min, AggregateFunction::Max])?;
        let calls = [Some(AggregateCall::row_count()), call(function, argument, &query.from)];
        query = grouped(query, group_by, calls.into_iter().flatten().collect());
    }
    if literals.rng.u8(0..4) == 0 {
        query.distinct = true;
    }
    if literals.rng.u8(0..3) == 0 {
        query = totally_ordered(query, literals);
        query.limit = Some(literals.rng.u64(1..20));
        query.offset = literals.rng.u64(0..3);
    }
    Some(query)
}

/// A condition on columns of which no values are known.
fn random_condition(columns: &[portico_provider_api::TableColumn], literals: &mut Literals<'_>) -> Expr {
    let column = literals.rng.usize(0..columns.len().max(1));
    let scalar_type = columns.get(column).map_or(ScalarType::Text, |column| column.scalar_type);
    match literals.rng.u8(0..4) {
        0 => Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(column))))),
        _ => {
            let op = literals.rng.choice(ORDERED).unwrap_or(CompareOp::Eq);
            let value = literals.of_type(scalar_type);
            Expr::compare(op, Expr::Column(column), Expr::Literal(value))
        }
    }
}
