//! The number of rows: over whole tables, under exact filters, under key sets, and where no row is left. What is expected is the
//! number of rows that the oracle returns, so that its own counting is not taken on trust.

use super::queries::{conditions, scan};
use super::{COUNT, FILTER, KEYS};
use crate::compare::oracle;
use crate::fixtures::Purpose;
use crate::generate::{Literals, key_set, row_count, sample, twin_key_sets};
use crate::run::{Run, Table, shown};
use fastrand::Rng;
use portico_provider_api::check::ExprCheck;
use portico_provider_api::{
    AggregateFunction, CompareOp, EvaluateError, Expr, KeySet, Output, ScalarType, SourceQuery, Support, TypeClass, Value, evaluate_expr,
};

/// A count that is asked for, and what must come.
struct Expected {
    feature: String,
    table: String,
    query: SourceQuery,
    rows: usize,
}

/// Counts within the capabilities, each in every way that the source declares.
pub(crate) async fn counts(run: &mut Run) {
    let classes = run.capabilities().aggregate.functions.get(&AggregateFunction::CountRows);
    let anywhere = classes.and_then(|classes| classes.get(&TypeClass::Integer)) == Some(&Support::Exact);
    let somewhere = run.capabilities().tables.values().any(|own| own.count == Some(Support::Exact) || own.aggregate.is_some());
    if !anywhere && !somewhere {
        run.summary.does_not_apply(COUNT, "counting rows is not declared");
        return;
    }
    if [FILTER, KEYS].iter().any(|part| run.summary.failed.contains_key(part)) {
        run.summary.does_not_apply(COUNT, "what is counted under has failed alone");
        return;
    }
    let mut expected = Vec::new();
    for index in 0..run.tables.len() {
        let rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        match of_table(run, table, rng) {
            Ok(found) => expected.extend(found),
            Err(error) => {
                let detail = format!("table '{}': the oracle failed: {error}", table.name());
                run.summary.fail(COUNT, detail, None);
            }
        }
    }
    expected.extend(of_large_table(run));
    if expected.is_empty() {
        run.summary.does_not_apply(COUNT, "no table passed the scan, or none is counted without more");
        return;
    }
    let mut rng = run.rng.fork();
    let most = run.subject.options.queries;
    for count in sample(&mut rng, expected, most, |count| count.feature.clone()) {
        verify(run, &count).await;
    }
}

async fn verify(run: &mut Run, count: &Expected) {
    run.summary.ran(COUNT);
    let number = i64::try_from(count.rows).unwrap_or(i64::MAX);
    let row = vec![Value::Int64(number); count.query.output.len()];
    let wrong = match run.ask(&count.query).await {
        Ok(answer) if answer.rows == [row] => return,
        Ok(answer) => format!("expected the number {number} in one row, got {:?}", answer.rows.iter().take(3).collect::<Vec<_>>()),
        Err(no_answer) => no_answer.to_string(),
    };
    run.summary.fail(COUNT, format!("table '{}', {}: {wrong}", count.table, count.feature), shown(&count.query));
}

/// Counts over one table.
fn of_table(run: &Run, table: &Table, mut rng: Rng) -> Result<Vec<Expected>, EvaluateError> {
    let filters = filters(run, table, &mut rng);
    let key_sets = key_sets(run, table, &mut rng);
    let mut asked: Vec<(&str, Option<Expr>, Option<KeySet>)> = vec![("all rows", None, None)];
    for number in 0..filters.len().min(key_sets.len()) {
        asked.push(("a filter and keys", filters.get(number).cloned(), key_sets.get(number).cloned()));
    }
    asked.extend(filters.into_iter().map(|filter| ("a filter", Some(filter), None)));
    asked.extend(key_sets.into_iter().map(|keys| ("keys", None, Some(keys))));
    let mut found = Vec::new();
    for (at, (feature, filter, keys)) in asked.into_iter().enumerate() {
        let base = scan(table);
        let plain = SourceQuery { filter, keys: keys.or_else(|| base.keys.clone()), ..base };
        let mut query = row_count(plain.clone());
        if at % 5 == 1 {
            query.output.push(Output { name: "again".to_owned(), expr: Expr::Column(0) });
        }
        if run.capabilities().check(&query).is_err() {
            continue;
        }
        let rows = oracle(&plain, table)?.len();
        let none = if rows == 0 { ", no row left" } else { "" };
        found.push(Expected { feature: format!("{feature}{none}, {}", table.name()), table: table.name().to_owned(), query, rows });
    }
    Ok(found)
}

/// Exact filters, and those of them that no row can pass.
fn filters(run: &Run, table: &Table, rng: &mut Rng) -> Vec<Expr> {
    let exact: Vec<Expr> = conditions(run, table, rng.fork())
        .into_iter()
        .filter(|(_, support, _)| *support == Support::Exact)
        .map(|(_, _, expr)| expr)
        .collect();
    let mut found: Vec<Expr> = rng.choose_multiple(&exact, run.subject.options.queries / 2).into_iter().cloned().collect();
    let scalar_type = table.relation.columns.first().map_or(ScalarType::Int32, |column| column.scalar_type);
    found.push(Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Literal(Value::Null(scalar_type))));
    found.push(Expr::Or(Vec::new()));
    rng.shuffle(&mut found);
    found
}

fn key_sets(run: &Run, table: &Table, rng: &mut Rng) -> Vec<KeySet> {
    let mut literals = Literals::new(run, rng.fork());
    let mut found: Vec<KeySet> = twin_key_sets(table).into_iter().map(|(_, keys)| keys).collect();
    let mut columns: Vec<Vec<usize>> = (0..table.relation.columns.len()).map(|column| vec![column]).collect();
    columns.push(table.primary_key());
    for key in columns.into_iter().filter(|key| !key.is_empty()) {
        let limits = ExprCheck::new(run.capabilities(), &table.relation).key_limits(&key).unwrap_or_default();
        found.extend([1, limits.max_tuples.clamp(1, 200)].into_iter().filter_map(|size| key_set(rng, table, &key, &mut literals, size)));
    }
    rng.shuffle(&mut found);
    found
}

/// More rows than go into one batch of anybody's.
fn of_large_table(run: &Run) -> Vec<Expected> {
    let large = run.subject.tables.iter().find(|table| table.fixture.purpose == Purpose::Large);
    let Some((large, relation)) = large.and_then(|large| Some((large, run.relation(large)?))) else { return Vec::new() };
    let rows = &large.fixture.rows;
    let later = rows.get(rows.len() / 3).and_then(|row| row.first()).cloned();
    let filter = later.map(|value| Expr::compare(CompareOp::GtEq, Expr::Column(0), Expr::Literal(value)));
    let mut found = Vec::new();
    for (feature, filter) in [("all rows", None), ("a filter", filter)] {
        let kept = match &filter {
            None => rows.len(),
            Some(filter) => {
                let keeps = |row: &&Vec<Value>| evaluate_expr(filter, row, &relation.columns) == Ok(Value::Boolean(true));
                rows.iter().filter(keeps).count()
            }
        };
        let query = row_count(SourceQuery { filter, ..SourceQuery::scan(relation.clone()) });
        if run.capabilities().check(&query).is_ok() {
            let table = large.fixture.name.clone();
            found.push(Expected { feature: format!("{feature}, {table}"), table, query, rows: kept });
        }
    }
    found
}
