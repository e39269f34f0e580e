//! Full scans, compared with the loaded rows. They make the oracle: a table that does not pass is not asked anything else.

use super::{REPORT, SCAN};
use crate::compare::same_rows;
use crate::fixtures::Purpose;
use crate::generate::row_count;
use crate::run::{Answer, NoAnswer, Run, Table, shown};
use arrow::compute::concat_batches;
use portico_provider_api::check::ExprCheck;
use portico_provider_api::{Expr, KeySet, RemoteTableName, ScalarType, SourceQuery, Support, TableRelation, Value};
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

/// Reads every table once.
pub(crate) async fn scan(run: &mut Run) {
    for loaded in run.subject.tables.clone() {
        let Some(relation) = run.relation(&loaded) else { continue };
        let query = SourceQuery::scan(relation.clone());
        run.summary.ran(SCAN);
        let Some(queries) = whole(run, &relation, &loaded.fixture.rows) else {
            let detail = format!("table '{}' is neither readable whole nor by keys of its rows", loaded.remote);
            run.summary.fail(SCAN, detail, shown(&query));
            continue;
        };
        if queries.first() != Some(&query) {
            super::beyond::refused(run, "reading the table whole", &query).await;
        }
        let base = queries.first().cloned().unwrap_or_else(|| query.clone());
        let answer = match run.ask_all(&queries).await {
            Ok(answer) => answer,
            Err(no_answer) => {
                run.summary.fail(SCAN, no_answer.to_string(), shown(&query));
                continue;
            }
        };
        let (expected, actual) = (comparable(&loaded.fixture.rows), comparable(&answer.rows));
        if let Err(difference) = same_rows(&expected, &actual) {
            run.summary.fail(SCAN, difference, shown(&query));
            continue;
        }
        let batch = match concat_batches(&query.result_schema(), &answer.batches) {
            Ok(batch) => batch,
            Err(error) => {
                run.summary.fail(SCAN, error.to_string(), shown(&query));
                continue;
            }
        };
        if loaded.fixture.purpose == Purpose::Read {
            run.tables.push(Table { loaded, relation, rows: answer.rows, batch, base });
        }
    }
}

/// The queries that read all of a table with these rows: one, or as many as its keys take where it is read by keys alone.
pub(crate) fn whole(run: &Run, relation: &TableRelation, rows: &[Vec<Value>]) -> Option<Vec<SourceQuery>> {
    let scan = SourceQuery::scan(relation.clone());
    let capabilities = run.capabilities();
    if capabilities.check(&scan).is_ok() {
        return Some(vec![scan]);
    }
    let check = ExprCheck::new(capabilities, relation);
    let columns = 0..relation.columns.len();
    let single = columns.clone().map(|column| vec![column]);
    let pairs = columns.clone().flat_map(|left| columns.clone().filter(move |right| *right != left).map(move |right| vec![left, right]));
    let candidates = check.own_keys().into_iter().flatten().chain(single).chain(pairs);
    candidates.filter_map(|columns| by_keys(run, &scan, &check, columns, rows)).next()
}

/// The same, by the values that rows have in some columns; nothing where a row has none, or the source does not take them.
fn by_keys(run: &Run, scan: &SourceQuery, check: &ExprCheck<'_>, columns: Vec<usize>, rows: &[Vec<Value>]) -> Option<Vec<SourceQuery>> {
    let limits = check.key_limits(&columns)?;
    let (mut tuples, mut seen): (Vec<Vec<Value>>, HashSet<Vec<Value>>) = (Vec::new(), HashSet::new());
    for row in rows {
        let tuple: Vec<Value> = columns.iter().map(|column| row.get(*column).cloned()).collect::<Option<_>>()?;
        if tuple.iter().any(Value::is_null) {
            return None;
        }
        if seen.insert(tuple.clone()) {
            tuples.push(tuple);
        }
    }
    let keyed =
        |tuples: &[Vec<Value>]| SourceQuery { keys: Some(KeySet { columns: columns.clone(), tuples: tuples.to_vec() }), ..scan.clone() };
    let queries: Vec<SourceQuery> = limits.chunks(&tuples).into_iter().map(keyed).collect();
    queries.iter().all(|query| run.capabilities().support(query) == Ok(Support::Exact)).then_some(queries)
}

/// JSON may come back with other white space and another order of members.
fn comparable(rows: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let value = |value: &Value| match value {
        Value::Json(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => Value::Json(sorted(json).to_string()),
            Err(_) => value.clone(),
        },
        other => other.clone(),
    };
    rows.iter().map(|row| row.iter().map(value).collect()).collect()
}

fn sorted(json: serde_json::Value) -> serde_json::Value {
    match json {
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            members.into_iter().collect()
        }
        serde_json::Value::Array(items) => serde_json::Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Reports of scans: of many rows, of few, of none; and of a row count, which returns one row.
pub(crate) async fn report(run: &mut Run) {
    let mut queries: Vec<SourceQuery> = run.tables.iter().take(3).map(|table| table.base.clone()).collect();
    let large = run.subject.tables.iter().find(|table| table.fixture.purpose == Purpose::Large);
    let large = large.and_then(|large| run.relation(large)).map(SourceQuery::scan);
    queries.extend(large.filter(|query| run.capabilities().check(query).is_ok()));
    if let Some(table) = run.tables.first() {
        // A filter that no row passes, where such a thing is understood.
        let scalar_type = table.relation.columns.first().map_or(ScalarType::Int32, |column| column.scalar_type);
        let none = Expr::compare(portico_provider_api::CompareOp::Eq, Expr::Column(0), Expr::Literal(Value::Null(scalar_type)));
        let query = SourceQuery { filter: Some(none), ..table.base.clone() };
        let count = row_count(table.base.clone());
        queries.extend([query, count].into_iter().filter(|query| run.capabilities().check(query).is_ok()));
    }
    for query in queries {
        let before = SystemTime::now();
        run.summary.ran(REPORT);
        match run.ask(&query).await {
            Ok(answer) => {
                // What no row can meet need not be sent; then nothing is described either.
                let asks = !run.subject.source.describe(&query).is_empty();
                if let Err(wrong) = judge(&answer, before, asks) {
                    run.summary.fail(REPORT, wrong, shown(&query));
                }
            }
            Err(NoAnswer::Failed { error, .. }) => run.summary.fail(REPORT, error.to_string(), shown(&query)),
            Err(NoAnswer::Broken(what)) => run.summary.fail(REPORT, what, shown(&query)),
        }
    }
}

fn judge(answer: &Answer, before: SystemTime, asks: bool) -> Result<(), String> {
    let Some(report) = answer.report else { return Err("there is no report after the end".to_owned()) };
    if answer.early_report {
        return Err("there is a report before the end".to_owned());
    }
    if !report.complete {
        return Err("a complete answer is reported as incomplete".to_owned());
    }
    if report.rows != answer.rows.len() as u64 {
        return Err(format!("{} rows are reported, {} were returned", report.rows, answer.rows.len()));
    }
    if report.requests == 0 && asks {
        return Err("an answer without a request is reported".to_owned());
    }
    if report.bytes == 0 && !answer.rows.is_empty() {
        return Err("rows without bytes are reported".to_owned());
    }
    // A minute of leeway for clocks of other machines.
    let (earliest, latest) = (before - Duration::from_secs(60), SystemTime::now() + Duration::from_secs(60));
    if report.as_of < earliest || report.as_of > latest {
        return Err("the report's time is not that of the query".to_owned());
    }
    Ok(())
}

/// A name that no source has.
pub(super) fn missing_table() -> RemoteTableName {
    RemoteTableName(vec!["no_such_table_anywhere".to_owned()])
}
