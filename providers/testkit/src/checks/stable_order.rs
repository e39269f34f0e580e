//! The order that a source has of its own and promises to keep: parts that are cut off one after the other are the whole, each row once.

use super::queries::scan;
use super::{LIMIT, STABLE_ORDER};
use crate::compare::same_rows;
use crate::run::{Run, shown};
use portico_provider_api::{SourceQuery, Support, Value};

/// Parts of a table that are asked for, at most.
const MOST_PARTS: u64 = 6;

/// Reads tables part by part, and the first part again.
pub(crate) async fn stable_order(run: &mut Run) {
    if !run.capabilities().stable_order {
        run.summary.does_not_apply(STABLE_ORDER, "an order of its own is not promised");
        return;
    }
    if run.summary.failed.contains_key(LIMIT) {
        run.summary.does_not_apply(STABLE_ORDER, "limits have failed alone");
        return;
    }
    let mut asked = false;
    for index in 0..run.tables.len() {
        let Some(table) = run.tables.get(index) else { continue };
        let (whole, all) = (scan(table), table.rows.clone());
        let size = (all.len() as u64).div_ceil(MOST_PARTS).max(1);
        let part = |number: u64| SourceQuery { limit: Some(size), offset: number * size, ..whole.clone() };
        // What is read by keys alone is no whole table.
        if all.len() < 2 || whole.keys.is_some() || run.capabilities().support(&part(1)) != Ok(Support::Exact) {
            continue;
        }
        asked = true;
        run.summary.ran(STABLE_ORDER);
        let (mut together, mut first): (Vec<Vec<Value>>, Vec<Vec<Value>>) = (Vec::new(), Vec::new());
        for number in (0..=MOST_PARTS).chain([0]) {
            let query = part(number);
            match run.ask(&query).await {
                Ok(answer) if together.is_empty() => {
                    first.clone_from(&answer.rows);
                    together = answer.rows;
                }
                Ok(answer) if number == 0 && answer.rows != first => {
                    run.summary.fail(STABLE_ORDER, "the first rows are others the second time", shown(&query));
                }
                Ok(_) if number == 0 => {}
                Ok(answer) => together.extend(answer.rows),
                Err(no_answer) => run.summary.fail(STABLE_ORDER, no_answer.to_string(), shown(&query)),
            }
        }
        if let Err(difference) = same_rows(&all, &together) {
            run.summary.fail(STABLE_ORDER, format!("the parts together are not the whole: {difference}"), shown(&part(1)));
        }
    }
    if !asked {
        run.summary.does_not_apply(STABLE_ORDER, "no table that passed the scan is cut by limit and offset");
    }
}
