//! Whole select blocks: joins, groups, nested blocks, unions, sub-queries and windows, one kind of part at a time, then all together.
//! What lies within the capabilities must be answered as the oracle does; what lies beyond goes to the check for that.

use super::{AGGREGATE, COMPOSED, COUNT, DISTINCT, FILTER, JOIN, KEYS, LIMIT, LIMIT_PER, NESTED, ORDER, OUTPUT, SUBQUERY, UNION, WINDOW};
use crate::compare::{alike, oracle_over, surplus};
use crate::generate::{self, Block, Literals, sample};
use crate::run::{Run, Table, shown};
use portico_provider_api::{EvaluateError, SourceQuery, Support};

/// What is wrong with one table alone says nothing about several.
const OF_ONE_TABLE: [&str; 8] = [FILTER, OUTPUT, DISTINCT, ORDER, LIMIT, KEYS, LIMIT_PER, COUNT];
const PARTS: [&str; 6] = [JOIN, AGGREGATE, NESTED, UNION, SUBQUERY, WINDOW];
/// Rows that an answer may have: more would only cost time.
const MOST_ROWS: usize = 5_000;

type Generator = fn(&[Table], &mut Literals<'_>) -> Vec<Block>;

/// A check, what makes its queries, and the other parts that these have.
const CHECKS: [(&str, Generator, &[&str]); 7] = [
    (JOIN, generate::joins, &[]),
    (AGGREGATE, generate::aggregates, &[]),
    (NESTED, generate::nests, &[JOIN, AGGREGATE]),
    (UNION, generate::unions, &[AGGREGATE]),
    (SUBQUERY, generate::subqueries, &[AGGREGATE]),
    (WINDOW, generate::windows, &[AGGREGATE, NESTED]),
    (COMPOSED, generate::composed, &PARTS),
];

/// Each part within the capabilities.
pub(crate) async fn blocks(run: &mut Run) {
    for (check, generate, parts) in CHECKS {
        let failed = |part: &&&str| run.summary.failed.contains_key(**part);
        if let Some(part) = OF_ONE_TABLE.iter().chain(parts).find(failed) {
            run.summary.does_not_apply(check, format!("'{part}', a part of it, has failed alone"));
            continue;
        }
        let within = generated(run, generate, |accepted| accepted);
        let mut rng = run.rng.fork();
        let most = run.subject.options.queries;
        for (feature, query) in sample(&mut rng, within, most, |(feature, _)| feature.clone()) {
            verify(run, check, &feature, &query).await;
        }
        if !run.summary.executed.contains_key(check) {
            let reason = if run.tables.is_empty() { "no table passed the scan" } else { "nothing of it is declared" };
            run.summary.does_not_apply(check, reason);
        }
    }
}

/// Whether a part of a query of one table, or aggregates, failed.
pub(super) fn parts_failed(run: &Run) -> bool {
    OF_ONE_TABLE.iter().chain(&[AGGREGATE]).any(|part| run.summary.failed.contains_key(part))
}

/// Every part beyond the capabilities.
pub(super) fn beyond(run: &mut Run) -> Vec<Block> {
    let mut found = Vec::new();
    for (check, generate, _) in CHECKS {
        // What a random composition has that is not declared, a part alone has as well.
        if check != COMPOSED {
            found.extend(generated(run, generate, |accepted| !accepted));
        }
    }
    found
}

fn generated(run: &mut Run, generate: Generator, wanted: fn(bool) -> bool) -> Vec<Block> {
    let rng = run.rng.fork();
    let mut literals = Literals::new(run, rng);
    let mut found = generate(&run.tables, &mut literals);
    found.retain(|(_, query)| wanted(run.capabilities().check(query).is_ok()));
    found
}

async fn verify(run: &mut Run, check: &'static str, feature: &str, query: &SourceQuery) {
    let expected = match oracle_over(query, &run.tables) {
        Ok(expected) if expected.len() > MOST_ROWS => return,
        Ok(expected) => expected,
        // Sources may evaluate in another order, so that a query which fails says nothing here.
        Err(EvaluateError::Data(_)) => return,
        Err(error) => {
            run.summary.fail(check, format!("{feature}: the oracle failed: {error}"), shown(query));
            return;
        }
    };
    run.summary.ran(check);
    let wrong = match run.ask(query).await {
        // Rows that an inexact condition keeps are taken out by whoever asks; none may be missing.
        Ok(answer) if run.capabilities().support(query) == Ok(Support::Inexact) => Some(surplus(&expected, &answer.rows))
            .filter(|missing| !missing.is_empty())
            .map(|missing| format!("rows are missing, for example {missing:?}")),
        Ok(answer) => alike(query, &expected, &answer.rows).err(),
        Err(no_answer) => Some(no_answer.to_string()),
    };
    if let Some(wrong) = wrong {
        run.summary.fail(check, format!("{feature}: {wrong}"), shown(query));
    }
}
