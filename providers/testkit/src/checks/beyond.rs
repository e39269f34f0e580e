//! What must not be answered: queries beyond the capabilities, values that make evaluation fail, tables and columns that are gone.

use super::scan::missing_table;
use super::{BEYOND, DATA_ERROR, SCHEMA_CHANGED};
use crate::compare::oracle;
use crate::generate::{self, Literals, leaves, orders, row_count, sample};
use crate::run::{NoAnswer, Run, shown};
use portico_provider_api::check::ExprCheck;
use portico_provider_api::{
    ArithmeticOp, EvaluateError, Expr, Output, ScalarType, SourceErrorKind, SourceQuery, Support, TableColumn, Value,
};

/// Generated queries that the declared capabilities refuse must be refused by the source as well.
pub(crate) async fn beyond(run: &mut Run) {
    let mut queries: Vec<(String, SourceQuery)> = Vec::new();
    for index in 0..run.tables.len() {
        let rng = run.rng.fork();
        let Some(table) = run.tables.get(index) else { continue };
        let capabilities = run.capabilities();
        queries.extend(generate::beyond(table, capabilities));
        let scan = || SourceQuery::scan(table.relation.clone());
        let mut literals = Literals::new(run, rng);
        let leaves = leaves(table, &mut literals);
        let check = ExprCheck::new(capabilities, &table.relation);
        // An inexact filter keeps more rows than it should, and nobody could take them out of a number.
        let inexact = leaves.iter().filter(|leaf| check.predicate(&leaf.expr) == Support::Inexact);
        let mut candidates: Vec<(String, SourceQuery)> = inexact
            .map(|leaf| {
                ("row count under an inexact filter".to_owned(), row_count(SourceQuery { filter: Some(leaf.expr.clone()), ..scan() }))
            })
            .collect();
        candidates.extend(leaves.into_iter().map(|leaf| (leaf.feature, SourceQuery { filter: Some(leaf.expr), ..scan() })));
        let sorts = orders(table, &mut literals).into_iter();
        candidates.extend(sorts.map(|(feature, key)| (feature, SourceQuery { order_by: vec![key], ..scan() })));
        queries.extend(candidates.into_iter().filter(|(_, query)| capabilities.check(query).is_err()));
    }
    queries.extend(super::blocks::beyond(run));
    let mut rng = run.rng.fork();
    let most = run.subject.options.queries;
    for (feature, query) in sample(&mut rng, queries, most, |(feature, _)| feature.clone()) {
        refused(run, &feature, &query).await;
    }
    if run.tables.is_empty() {
        run.summary.does_not_apply(BEYOND, "no table passed the scan");
    }
}

pub(super) async fn refused(run: &mut Run, feature: &str, query: &SourceQuery) {
    run.summary.ran(BEYOND);
    let wrong = match run.ask(query).await {
        Err(NoAnswer::Failed { error, started: false }) if error.kind == SourceErrorKind::Unsupported => None,
        Err(NoAnswer::Failed { started: true, .. }) => Some("was begun before it was refused".to_owned()),
        Err(no_answer) => Some(format!("was not refused as unsupported: {no_answer}")),
        Ok(answer) => Some(format!("was answered with {} rows", answer.rows.len())),
    };
    if let Some(wrong) = wrong {
        run.summary.fail(BEYOND, format!("{feature} is not declared, and {wrong}"), shown(query));
    } else if !run.subject.source.describe(query).is_empty() {
        run.summary.fail(BEYOND, format!("{feature} is refused, yet described"), shown(query));
    }
}

/// Overflow, division by zero, impossible casts and single values of several rows must fail as data errors wherever the operation is
/// declared.
pub(crate) async fn data_errors(run: &mut Run) {
    let mut queries = Vec::new();
    for table in &run.tables {
        let scan = || SourceQuery::scan(table.relation.clone());
        let mut candidates = Vec::new();
        for (column, described) in table.relation.columns.iter().enumerate() {
            let failing = match described.scalar_type {
                ScalarType::Int16 => vec![divide(column, Value::Int16(0)), add(column, Value::Int16(i16::MAX))],
                ScalarType::Int32 => vec![divide(column, Value::Int32(0)), add(column, Value::Int32(i32::MAX))],
                ScalarType::Int64 => vec![divide(column, Value::Int64(0)), add(column, Value::Int64(i64::MAX))],
                ScalarType::Decimal { precision, scale } => {
                    vec![divide(column, Value::Decimal { unscaled: 0_i128.into(), precision, scale })]
                }
                ScalarType::Text => vec![Expr::Cast { expr: Box::new(Expr::Column(column)), to: ScalarType::Int32 }],
                _ => Vec::new(),
            };
            let output = |expr: Expr| vec![Output { name: "failing".to_owned(), expr }];
            candidates.extend(failing.into_iter().map(|expr| SourceQuery { output: output(expr), ..scan() }));
        }
        // Their filters and groups must be right for them to fail.
        if !super::blocks::parts_failed(run) {
            candidates.extend(generate::overflowing(table));
            candidates.push(generate::several_rows(table));
        }
        let fails = |query: &SourceQuery| matches!(oracle(query, table), Err(EvaluateError::Data(_)));
        // Of an inexact condition a source need not evaluate what would fail.
        let exact = |query: &SourceQuery| run.capabilities().support(query) == Ok(Support::Exact);
        queries.extend(candidates.into_iter().filter(|query| exact(query) && fails(query)));
    }
    if queries.is_empty() {
        run.summary.does_not_apply(DATA_ERROR, "nothing that can fail is declared");
    }
    let mut rng = run.rng.fork();
    for query in sample(&mut rng, queries, 40, |query| shown(query).unwrap_or_default()) {
        run.summary.ran(DATA_ERROR);
        let wrong = match run.ask(&query).await {
            Err(NoAnswer::Failed { error, .. }) if error.kind == SourceErrorKind::Data => continue,
            Err(no_answer) => no_answer.to_string(),
            Ok(_) => "an answer came instead of an error".to_owned(),
        };
        run.summary.fail(DATA_ERROR, wrong, shown(&query));
    }
}

fn divide(column: usize, zero: Value) -> Expr {
    Expr::Arithmetic { op: ArithmeticOp::Divide, left: Box::new(Expr::Column(column)), right: Box::new(Expr::Literal(zero)) }
}

fn add(column: usize, most: Value) -> Expr {
    Expr::Arithmetic { op: ArithmeticOp::Add, left: Box::new(Expr::Column(column)), right: Box::new(Expr::Literal(most)) }
}

/// A table and a column that do not exist are told as a changed schema.
pub(crate) async fn missing_things(run: &mut Run) {
    let whole = |table: &&crate::run::Table| run.capabilities().check(&SourceQuery::scan(table.relation.clone())).is_ok();
    let Some(table) = run.tables.iter().find(whole).cloned() else {
        run.summary.does_not_apply(SCHEMA_CHANGED, "no table that is readable whole passed the scan");
        return;
    };
    let mut no_table = table.relation.clone();
    no_table.table = missing_table();
    let mut no_column = table.relation.clone();
    no_column.columns = vec![TableColumn { name: "no_such_column".to_owned(), ..TableColumn::computed("", ScalarType::Int32, true) }];
    for (what, relation) in [("table", no_table), ("column", no_column)] {
        let query = SourceQuery::scan(relation);
        run.summary.ran(SCHEMA_CHANGED);
        let wrong = match run.ask(&query).await {
            Err(NoAnswer::Failed { error, .. }) if error.kind == SourceErrorKind::SchemaChanged => continue,
            Err(no_answer) => no_answer.to_string(),
            Ok(_) => "an answer came instead of an error".to_owned(),
        };
        run.summary.fail(SCHEMA_CHANGED, format!("a {what} that does not exist: {wrong}"), shown(&query));
    }
}
