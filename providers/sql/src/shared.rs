//! Groups that stand several times in one statement, as a common table expression does that is used more than once: they are told apart by
//! nothing but the aggregates and the conditions on them, and are written once, in front of the statement. It must not know how SQL is spelt.

use portico_provider_api::walk::visit_subqueries;
use portico_provider_api::{AggregateCall, Aggregation, Expr, Output, Relation, SourceQuery};

/// A query with groups that stand in it several times.
pub(crate) struct Shared {
    /// The query, in which blocks of such groups read from these.
    pub(crate) query: SourceQuery,
    /// The groups, with all aggregates that are wanted of them; none is about a row around it.
    pub(crate) groups: Vec<SourceQuery>,
}

/// Takes out the groups that stand in a query more than once; nothing where none do.
pub(crate) fn shared(query: &SourceQuery) -> Option<Shared> {
    let mut blocks = Vec::new();
    visit_blocks(query, &mut |block| {
        blocks.extend(grouping(block).filter(|_| can_be_moved(block)).map(|aggregation| (block, aggregation)))
    });
    if blocks.len() < 2 {
        return None;
    }
    let mut groups: Vec<(SourceQuery, usize)> = Vec::new();
    for (block, aggregation) in blocks {
        let Some((known, times)) = groups.iter_mut().find(|(known, _)| are_groups_of(known, block)) else {
            groups.push((rows_of(block, aggregation), 1));
            continue;
        };
        *times += 1;
        if let Some(known) = &mut known.aggregate {
            let new: Vec<AggregateCall> = aggregation.calls.iter().filter(|call| !known.calls.contains(call)).cloned().collect();
            known.calls.extend(new);
        }
    }
    let groups: Vec<SourceQuery> = groups.into_iter().filter(|(_, times)| *times > 1).map(|(groups, _)| returning_all(groups)).collect();
    if groups.is_empty() {
        return None;
    }
    let mut query = query.clone();
    replace(&mut query, &groups);
    Some(Shared { query, groups })
}

fn grouping(block: &SourceQuery) -> Option<&Aggregation> {
    block.aggregate.as_ref().filter(|aggregation| !aggregation.group_by.is_empty())
}

/// Whether neither its groups nor what is made of them depends on rows around it, and nothing in it on its own.
fn can_be_moved(block: &SourceQuery) -> bool {
    let mut correlated = block.is_correlated();
    for expression in block.expressions() {
        visit_subqueries(expression, &mut |query| correlated |= query.is_correlated());
    }
    !correlated
}

/// Whether the groups of a block are these.
fn are_groups_of(groups: &SourceQuery, block: &SourceQuery) -> bool {
    let keys = |query: &SourceQuery| grouping(query).map(|aggregation| aggregation.group_by.clone());
    groups.filter == block.filter && groups.keys == block.keys && groups.from == block.from && keys(groups) == keys(block)
}

/// The groups of a block, and nothing that is made of them.
fn rows_of(block: &SourceQuery, aggregation: &Aggregation) -> SourceQuery {
    let aggregate = Some(Aggregation { having: None, ..aggregation.clone() });
    let rows = SourceQuery::select(block.from.clone(), Vec::new());
    SourceQuery { filter: block.filter.clone(), keys: block.keys.clone(), aggregate, ..rows }
}

fn returning_all(groups: SourceQuery) -> SourceQuery {
    let width = groups.aggregate.as_ref().map_or(0, |aggregation| aggregation.group_by.len() + aggregation.calls.len());
    let output = (0..width).map(|at| Output { name: format!("c{at}"), expr: Expr::Column(at) }).collect();
    SourceQuery { output, ..groups }
}

/// Lets blocks read from the groups that are theirs.
fn replace(block: &mut SourceQuery, groups: &[SourceQuery]) {
    let found = if can_be_moved(block) { groups.iter().find(|groups| are_groups_of(groups, block)) } else { None };
    if let Some(groups) = found
        && let (Some(all), Some(own)) = (grouping(groups), block.aggregate.take())
    {
        let keys = own.group_by.len();
        let place = |at: usize| match at.checked_sub(keys).and_then(|call| own.calls.get(call)) {
            Some(call) => all.calls.iter().position(|other| other == call).map_or(at, |call| keys + call),
            None => at,
        };
        block.from = Relation::Query(Box::new(groups.clone()));
        block.keys = None;
        block.filter = own.having.clone();
        let limited = block.limit_per.iter_mut().flat_map(|per| &mut per.columns);
        let outputs = block.output.iter_mut().map(|output| &mut output.expr);
        let sorted = block.order_by.iter_mut().map(|key| &mut key.expr);
        block.filter.iter_mut().chain(outputs).chain(sorted).chain(limited).for_each(|expression| moved(expression, &place));
    } else {
        replace_in_relation(&mut block.from, groups);
    }
    block.expressions_mut().into_iter().for_each(|expression| replace_in_subqueries(expression, groups));
}

fn replace_in_relation(relation: &mut Relation, groups: &[SourceQuery]) {
    match relation {
        Relation::Table(_) | Relation::Call(_) => {}
        Relation::Join(join) => {
            replace_in_relation(&mut join.left, groups);
            replace_in_relation(&mut join.right, groups);
        }
        Relation::Query(block) => replace(block, groups),
        Relation::Union(blocks) => blocks.iter_mut().for_each(|block| replace(block, groups)),
    }
}

fn replace_in_subqueries(expression: &mut Expr, groups: &[SourceQuery]) {
    if let Expr::ScalarSubquery(query) | Expr::Exists(query) = expression {
        replace(query, groups);
    }
    expression.children_mut().into_iter().for_each(|child| replace_in_subqueries(child, groups));
}

/// An expression over groups, where these have more aggregates. Sub-queries have columns of their own.
fn moved(expression: &mut Expr, place: &impl Fn(usize) -> usize) {
    if let Expr::Column(at) = expression {
        *at = place(*at);
    }
    expression.children_mut().into_iter().for_each(|child| moved(child, place));
}

/// Calls `visit` for a query and every block in it.
fn visit_blocks<'a>(query: &'a SourceQuery, visit: &mut dyn FnMut(&'a SourceQuery)) {
    fn relation<'a>(from: &'a Relation, visit: &mut dyn FnMut(&'a SourceQuery)) {
        match from {
            Relation::Table(_) | Relation::Call(_) => {}
            Relation::Join(join) => {
                relation(&join.left, visit);
                relation(&join.right, visit);
            }
            Relation::Query(block) => visit_blocks(block, visit),
            Relation::Union(blocks) => blocks.iter().for_each(|block| visit_blocks(block, visit)),
        }
    }
    visit(query);
    relation(&query.from, visit);
    for expression in query.expressions() {
        visit_subqueries(expression, &mut |subquery| visit_blocks(subquery, visit));
    }
}
