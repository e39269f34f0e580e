//! Generated queries within the capabilities, one part of the select block at a time, then all together.

use super::{COMBINED, DISTINCT, FILTER, INEXACT_FILTER, KEYS, LIMIT, LIMIT_PER, ORDER, OUTPUT};
use crate::compare::{exact, superset};
use crate::generate::{
    Candidate, Literals, key_set, leaves, nested, never_fails, orders as order_candidates, sample, total_order, twin_key_sets, values,
};
use crate::run::{Run, Table, shown};
use fastrand::Rng;
use portico_provider_api::check::ExprCheck;
use portico_provider_api::{Expr, LimitPer, Output, SortKey, SourceQuery, Support};

pub(super) fn scan(table: &Table) -> SourceQuery {
    table.base.clone()
}

/// Asks a query of a table and compares with the oracle.
async fn verify(run: &mut Run, check: &'static str, table: &Table, query: &SourceQuery) {
    run.summary.ran(check);
    let loose = run.capabilities().support(query) == Ok(Support::Inexact);
    let wrong = match run.ask(query).await {
        Ok(answer) if loose => superset(query, table, &answer.rows).err(),
        Ok(answer) => exact(query, table, &answer.rows).err(),
        Err(no_answer) => Some(no_answer.to_string()),
    };
    if let Some(wrong) = wrong {
        run.summary.fail(check, format!("table '{}': {wrong}", table.name()), shown(query));
    }
    if loose {
        return;
    }
    // What was translated without the values must mean the same with them.
    let wrong = match run.ask_prepared(query).await {
        Some(Ok(answer)) => exact(query, table, &answer.rows).err(),
        Some(Err(no_answer)) => Some(no_answer.to_string()),
        None => None,
    };
    if let Some(wrong) = wrong {
        run.summary.fail(check, format!("table '{}', prepared: {wrong}", table.name()), shown(query));
    }
}

/// Asks the queries that lie within the capabilities: each feature once, and then up to the option's number.
async fn verify_sample(run: &mut Run, check: &'static str, queries: Vec<(String, usize, SourceQuery)>) {
    let within: Vec<_> = queries.into_iter().filter(|(_, _, query)| run.capabilities().check(query).is_ok()).collect();
    if within.is_empty() {
        let reason = if run.tables.is_empty() { "no table passed the scan" } else { "nothing of it is declared" };
        run.summary.does_not_apply(check, reason);
        return;
    }
    let most = run.subject.options.queries;
    let mut rng = run.rng.fork();
    for (_, table, query) in sample(&mut rng, within, most, |(feature, _, _)| feature.clone()) {
        let Some(table) = run.tables.get(table).cloned() else { continue };
        verify(run, check, &table, &query).await;
    }
}

/// Conditions over every table: first alone, then nested.
pub(crate) async fn filters(run: &mut Run) {
    let (mut exact, mut inexact) = (Vec::new(), Vec::new());
    for index in 0..run.tables.len() {
        let rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        for (feature, support, expr) in conditions(run, table, rng) {
            let entry = (feature, index, SourceQuery { filter: Some(expr), ..scan(table) });
            match support {
                Support::Exact => exact.push(entry),
                Support::Inexact => inexact.push(entry),
                Support::None => {}
            }
        }
    }
    verify_sample(run, FILTER, exact).await;
    verify_sample(run, INEXACT_FILTER, inexact).await;
}

/// Conditions that the source declares for a table and that never fail there.
pub(super) fn conditions(run: &Run, table: &Table, mut rng: Rng) -> Vec<(String, Support, Expr)> {
    let check = ExprCheck::new(run.capabilities(), &table.relation);
    let mut literals = Literals::new(run, rng.fork());
    let declared = leaves(table, &mut literals).into_iter().filter(|leaf| check.predicate(&leaf.expr) != Support::None);
    let leaves: Vec<Candidate> = declared.filter(|leaf| never_fails(&leaf.expr, table)).collect();
    let plain: Vec<Expr> = leaves.iter().map(|leaf| leaf.expr.clone()).collect();
    let mut found: Vec<(String, Support, Expr)> =
        leaves.into_iter().map(|leaf| (leaf.feature, check.predicate(&leaf.expr), leaf.expr)).collect();
    for number in 0..run.subject.options.queries / 2 {
        let Some(expr) = nested(&mut rng, &plain, 3) else { break };
        let support = check.predicate(&expr);
        if support != Support::None {
            found.push((format!("nest {number}"), support, expr));
        }
    }
    found
}

/// Subsets of columns, renamed, and computed values.
pub(crate) async fn outputs(run: &mut Run) {
    let mut queries = Vec::new();
    for index in 0..run.tables.len() {
        let mut rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        let mut literals = Literals::new(run, rng.fork());
        let mut columns: Vec<usize> = (0..table.relation.columns.len()).collect();
        rng.shuffle(&mut columns);
        columns.truncate(rng.usize(1..=columns.len().max(1)));
        let projected = columns.iter().map(|column| Output { name: format!("c{column}"), expr: Expr::Column(*column) }).collect();
        queries.push((format!("projection of table {index}"), index, SourceQuery { output: projected, ..scan(table) }));
        let twice = (0..2).map(|number| Output { name: format!("again{number}"), expr: Expr::Column(0) }).collect();
        queries.push(("one column twice".to_owned(), index, SourceQuery { output: twice, ..scan(table) }));
        let mut computed: Vec<Candidate> =
            (0..table.relation.columns.len()).flat_map(|column| values(table, column, &mut literals)).collect();
        computed
            .extend(leaves(table, &mut literals).into_iter().map(|leaf| Candidate::new(format!("value of {}", leaf.feature), leaf.expr)));
        for Candidate { feature, expr } in computed {
            if expr.scalar_type(&table.relation.columns).is_some() && never_fails(&expr, table) {
                let key = table.primary_key().into_iter().map(|column| Output { name: format!("key{column}"), expr: Expr::Column(column) });
                let output = key.chain([Output { name: "computed".to_owned(), expr }]).collect();
                queries.push((feature, index, SourceQuery { output, ..scan(table) }));
            }
        }
    }
    verify_sample(run, OUTPUT, queries).await;
}

/// Distinct values of each column, and of two.
pub(crate) async fn distinct(run: &mut Run) {
    let mut queries = Vec::new();
    for (index, table) in run.tables.iter().enumerate() {
        let count = table.relation.columns.len();
        for column in 0..count {
            let output = |column: usize| Output { name: format!("c{column}"), expr: Expr::Column(column) };
            let single = SourceQuery { output: vec![output(column)], distinct: true, ..scan(table) };
            queries.push((format!("table {index} column {column}"), index, single.clone()));
            let pair = vec![output(column), output((column + 1) % count)];
            queries.push((format!("table {index} columns from {column}"), index, SourceQuery { output: pair, ..single }));
        }
    }
    verify_sample(run, DISTINCT, queries).await;
}

/// Single sort keys, then two at once.
pub(crate) async fn orders(run: &mut Run) {
    let mut queries = Vec::new();
    for index in 0..run.tables.len() {
        let mut rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        let mut literals = Literals::new(run, rng.fork());
        let candidates: Vec<(String, SortKey)> =
            order_candidates(table, &mut literals).into_iter().filter(|(_, key)| never_fails(&key.expr, table)).collect();
        for _ in 0..candidates.len().min(20) {
            let pair: Vec<SortKey> = rng.choose_multiple(&candidates, 2).into_iter().map(|(_, key)| key.clone()).collect();
            queries.push(("two keys".to_owned(), index, SourceQuery { order_by: pair, ..scan(table) }));
        }
        queries.extend(candidates.into_iter().map(|(feature, key)| (feature, index, SourceQuery { order_by: vec![key], ..scan(table) })));
    }
    verify_sample(run, ORDER, queries).await;
}

/// Limits and offsets at the table's edges, with and without an order.
pub(crate) async fn limits(run: &mut Run) {
    let mut queries = Vec::new();
    for (index, table) in run.tables.iter().enumerate() {
        let rows = table.rows.len() as u64;
        for limit in [None, Some(0), Some(1), Some(rows / 2), Some(rows), Some(rows + 10)] {
            for offset in [0, 1, rows / 3, rows.saturating_sub(1), rows, rows + 5] {
                let cut = SourceQuery { limit, offset, ..scan(table) };
                let feature = format!("limit {limit:?} offset {offset}");
                queries.push((format!("{feature} ordered"), index, SourceQuery { order_by: total_order(table), ..cut.clone() }));
                if limit.is_some() || offset > 0 {
                    queries.push((feature, index, cut));
                }
            }
        }
    }
    verify_sample(run, LIMIT, queries).await;
}

/// Key sets over each column, over pairs, and over the primary key.
pub(crate) async fn keys(run: &mut Run) {
    let mut queries = Vec::new();
    for index in 0..run.tables.len() {
        let mut rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        let mut literals = Literals::new(run, rng.fork());
        for (feature, keys) in twin_key_sets(table) {
            queries.push((format!("{feature}, table {index}"), index, SourceQuery { keys: Some(keys), ..scan(table) }));
        }
        let count = table.relation.columns.len();
        let mut columns: Vec<Vec<usize>> = (0..count).map(|column| vec![column]).collect();
        columns.extend((1..count).map(|column| vec![column, column - 1]));
        columns.push(table.primary_key());
        columns.extend(ExprCheck::new(run.capabilities(), &table.relation).own_keys().into_iter().flatten().filter(|own| own.len() > 1));
        for key in columns.into_iter().filter(|key| !key.is_empty()) {
            let limits = ExprCheck::new(run.capabilities(), &table.relation).key_limits(&key).unwrap_or_default();
            for size in [1, 5, limits.max_tuples.clamp(1, 200)] {
                let Some(keys) = key_set(&mut rng, table, &key, &mut literals, size) else { continue };
                queries.push((
                    format!("{} columns, {size} tuples, table {index}", key.len()),
                    index,
                    SourceQuery { keys: Some(keys), ..scan(table) },
                ));
            }
        }
    }
    // A key set that the source answers inexactly is checked as a filter would be.
    let inexact = |run: &Run, index: usize, query: &SourceQuery| {
        let table = run.tables.get(index);
        let support = table
            .zip(query.keys.as_ref())
            .map(|(table, keys)| ExprCheck::new(run.capabilities(), &table.relation).key_columns(&keys.columns));
        support == Some(Support::Inexact)
    };
    let (loose, strict): (Vec<_>, Vec<_>) = queries.into_iter().partition(|(_, index, query)| inexact(run, *index, query));
    verify_sample(run, KEYS, strict).await;
    if !loose.is_empty() {
        run.summary.not_applicable.remove(INEXACT_FILTER);
        verify_sample(run, INEXACT_FILTER, loose).await;
    }
}

/// Top rows per value of each column, with a total order and without.
pub(crate) async fn limits_per_key(run: &mut Run) {
    let mut queries = Vec::new();
    for (index, table) in run.tables.iter().enumerate() {
        for column in 0..table.relation.columns.len() {
            for (offset, limit) in [(0, 1), (0, 2), (1, 1), (0, 0), (0, 1000)] {
                let per = LimitPer { columns: vec![Expr::Column(column)], offset, limit };
                let query = SourceQuery { limit_per: Some(per), ..scan(table) };
                let feature = format!("limit {limit} offset {offset} column {column}");
                queries.push((format!("{feature} ordered"), index, SourceQuery { order_by: total_order(table), ..query.clone() }));
                queries.push((feature, index, query));
            }
        }
    }
    verify_sample(run, LIMIT_PER, queries).await;
}

/// Everything at once. It says where a fault is only when the parts are right, so it waits for them.
pub(crate) async fn combined(run: &mut Run) {
    let parts = [FILTER, OUTPUT, DISTINCT, ORDER, LIMIT, KEYS, LIMIT_PER];
    if parts.iter().any(|part| run.summary.failed.contains_key(part)) {
        run.summary.does_not_apply(COMBINED, "a part alone has failed");
        return;
    }
    let mut queries = Vec::new();
    for index in 0..run.tables.len() {
        let mut rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        let exact: Vec<Expr> = conditions(run, table, rng.fork())
            .into_iter()
            .filter(|(_, support, _)| *support == Support::Exact)
            .map(|(_, _, expr)| expr)
            .collect();
        let mut literals = Literals::new(run, rng.fork());
        let sorts: Vec<SortKey> =
            order_candidates(table, &mut literals).into_iter().map(|(_, key)| key).filter(|key| never_fails(&key.expr, table)).collect();
        for _ in 0..(run.subject.options.queries / run.tables.len().max(1)).max(5) {
            queries.push((format!("table {index}"), index, random_query(&mut rng, table, &exact, &sorts, &mut literals)));
        }
    }
    verify_sample(run, COMBINED, queries).await;
}

fn random_query(rng: &mut Rng, table: &Table, filters: &[Expr], sorts: &[SortKey], literals: &mut Literals<'_>) -> SourceQuery {
    let mut query = scan(table);
    if rng.u8(0..4) > 0 {
        query.filter = rng.choice(filters).cloned();
    }
    if rng.u8(0..4) == 0 {
        query.keys = key_set(rng, table, &table.primary_key(), literals, 30);
    }
    if rng.bool() {
        query.order_by.extend(rng.choice(sorts).cloned());
        query.order_by.extend(total_order(table));
    }
    if rng.u8(0..4) == 0 {
        let column = rng.usize(0..table.relation.columns.len().max(1));
        query.limit_per = Some(LimitPer { columns: vec![Expr::Column(column)], offset: rng.u64(0..2), limit: rng.u64(1..4) });
    }
    if rng.bool() {
        query.limit = Some(rng.u64(0..20));
        query.offset = rng.u64(0..10);
    }
    query
}
