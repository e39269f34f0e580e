//! How queries live and end: descriptions, deadlines, dropped streams, many at once, and what messages must not hold.

use super::{CANCELLATION, CONCURRENCY, DEADLINE, DESCRIBE, SECRETS};
use crate::compare::exact;
use crate::fixtures::Purpose;
use crate::generate::{Literals, leaves, never_fails, row_count, sample};
use crate::run::{NoAnswer, Run, shown};
use futures::StreamExt;
use futures::future::join_all;
use portico_provider_api::{CompareOp, Expr, QueryContext, RequestInfo, ScalarType, SourceErrorKind, SourceQuery, Support, Value};
use std::sync::Arc;
use std::time::Duration;

/// A text that occurs in no fixture.
const MARKER: &str = "zq-marker-71e0";

/// Accepted queries are described; values that travel as parameters do not show.
pub(crate) async fn describe(run: &mut Run) {
    for table in run.tables.clone() {
        let scan = SourceQuery::scan(table.relation.clone());
        let described = run.subject.source.describe(&scan);
        run.summary.expect(DESCRIBE, described.iter().any(|request| !request.text.is_empty()), || {
            format!("a scan of '{}' has no description", table.name())
        });
        let text = table.relation.columns.iter().position(|column| column.scalar_type == ScalarType::Text);
        let Some(column) = text else { continue };
        let filter = Expr::compare(CompareOp::Eq, Expr::Column(column), Expr::Literal(Value::text(MARKER)));
        let query = SourceQuery { filter: Some(filter), ..scan };
        for (what, query) in [("a filter on", query.clone()), ("a row count of", row_count(query))] {
            if run.capabilities().check(&query).is_err() {
                continue;
            }
            let described = run.subject.source.describe(&query);
            run.summary.expect(DESCRIBE, !described.is_empty(), || format!("{what} '{}' has no description", table.name()));
            if run.subject.options.values_are_bound {
                let bound = described.iter().all(|request| !request.text.contains(MARKER));
                run.summary.expect(DESCRIBE, bound, || format!("the description holds a value: {described:?}"));
                let parameters: usize = described.iter().map(|request| request.parameters).sum();
                run.summary.expect(DESCRIBE, parameters > 0, || format!("the description counts no parameter: {described:?}"));
            }
        }
    }
    if run.tables.is_empty() {
        run.summary.does_not_apply(DESCRIBE, "no table passed the scan");
    }
}

/// A query whose deadline has passed ends as a timeout.
pub(crate) async fn deadline(run: &mut Run) {
    let request = RequestInfo { request_id: "late".to_owned(), deadline_unix_ms: Some(1), ..RequestInfo::default() };
    let context = QueryContext { request, ..QueryContext::default() };
    for table in run.tables.iter().take(3).cloned().collect::<Vec<_>>() {
        let query = SourceQuery::scan(table.relation);
        run.summary.ran(DEADLINE);
        let wrong = match run.ask_with(&query, &context).await {
            Err(NoAnswer::Failed { error, .. }) if error.kind == SourceErrorKind::Timeout => continue,
            Err(no_answer) => no_answer.to_string(),
            Ok(_) => "an answer came after the deadline".to_owned(),
        };
        run.summary.fail(DEADLINE, wrong, shown(&query));
    }
    if run.tables.is_empty() {
        run.summary.does_not_apply(DEADLINE, "no table passed the scan");
    }
}

/// After the first batch of a large answer the stream is dropped: soon nothing may run at the source.
pub(crate) async fn cancellation(run: &mut Run) {
    if run.subject.active.is_none() {
        run.summary.does_not_apply(CANCELLATION, "the subject has no probe for running queries");
        return;
    }
    let large = run.subject.tables.iter().find(|table| table.fixture.purpose == Purpose::Large);
    let Some(relation) = large.and_then(|large| run.relation(large)) else {
        run.summary.does_not_apply(CANCELLATION, "there is no large table");
        return;
    };
    let query = SourceQuery::scan(relation);
    run.summary.ran(CANCELLATION);
    if let Err(wrong) = drop_early(run, &query).await {
        run.summary.fail(CANCELLATION, wrong, shown(&query));
    }
}

async fn drop_early(run: &Run, query: &SourceQuery) -> Result<(), String> {
    let Some(active) = &run.subject.active else { return Ok(()) };
    let mut stream = run.subject.source.query(query.clone(), &QueryContext::default()).await.map_err(|error| error.to_string())?;
    match stream.next().await {
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(error.to_string()),
        None => return Err("the large table has no row".to_owned()),
    }
    // A probe that never sees anything would prove nothing.
    if active().await == 0 {
        return Err("the probe sees no running query while a stream is open".to_owned());
    }
    drop(stream);
    let deadline = tokio::time::Instant::now() + run.subject.options.cancel_within;
    loop {
        let running = active().await;
        if running == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!("{running} queries still run after the stream was dropped"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Different queries at once, each with its own right answer.
pub(crate) async fn concurrency(run: &mut Run) {
    let mut queries = Vec::new();
    for index in 0..run.tables.len() {
        let rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        let check = portico_provider_api::check::ExprCheck::new(run.capabilities(), &table.relation);
        let scan = SourceQuery::scan(table.relation.clone());
        queries.push((index, scan.clone()));
        let mut literals = Literals::new(run, rng);
        let exact = leaves(table, &mut literals).into_iter().filter(|leaf| check.predicate(&leaf.expr) == Support::Exact);
        let exact = exact.filter(|leaf| never_fails(&leaf.expr, table)).take(3);
        queries.extend(exact.map(|leaf| (index, SourceQuery { filter: Some(leaf.expr), ..scan.clone() })));
    }
    let mut rng = run.rng.fork();
    let queries = sample(&mut rng, queries, run.subject.options.concurrency, |(index, _)| index.to_string());
    let answers = join_all(queries.iter().map(|(_, query)| run.ask(query))).await;
    for ((index, query), answer) in queries.iter().zip(answers) {
        run.summary.ran(CONCURRENCY);
        let Some(table) = run.tables.get(*index) else { continue };
        let wrong = match answer {
            Ok(answer) => exact(query, table, &answer.rows).err(),
            Err(no_answer) => Some(no_answer.to_string()),
        };
        // A filter that is wrong by itself has been reported already.
        if let Some(wrong) = wrong.filter(|_| !run.summary.failed.contains_key(super::FILTER)) {
            run.summary.fail(CONCURRENCY, wrong, shown(query));
        }
    }
    if queries.is_empty() {
        run.summary.does_not_apply(CONCURRENCY, "no table passed the scan");
    }
}

/// No secret in any error seen so far, nor in any description.
pub(crate) fn secrets(run: &mut Run) {
    if run.subject.secrets.is_empty() {
        run.summary.does_not_apply(SECRETS, "the kind has no secrets");
        return;
    }
    let mut messages = std::mem::take(&mut *run.messages.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    if messages.is_empty() {
        run.summary.expect(SECRETS, false, || "no error was seen, so no message could be looked at".to_owned());
    }
    let source = Arc::clone(&run.subject.source);
    let descriptions = run.tables.iter().flat_map(|table| source.describe(&SourceQuery::scan(table.relation.clone())));
    messages.extend(descriptions.map(|request| request.text));
    for message in messages {
        for (number, secret) in run.subject.secrets.clone().iter().enumerate() {
            let leaked = !secret.is_empty() && message.contains(secret.as_str());
            // The message itself must not be repeated here: summaries end up in logs.
            run.summary.expect(SECRETS, !leaked, || {
                format!("secret {} occurs in a message: {}", number + 1, message.replace(secret.as_str(), "(the secret)"))
            });
        }
    }
}
