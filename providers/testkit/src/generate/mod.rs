//! Seeded queries. Expressions and blocks are made without asking what the source can do; the declared capabilities then
//! decide which of them must be answered, and which must be refused.

mod aggregates;
mod beyond;
mod blocks;
mod compositions;
mod expressions;
mod joins;
mod literals;
mod predicates;
mod queries;
mod references;
mod windows;

pub(crate) use aggregates::{aggregates, overflowing};
pub(crate) use beyond::beyond;
pub(crate) use blocks::Block;
pub(crate) use compositions::{composed, nests, several_rows, subqueries, unions};
pub(crate) use expressions::values;
pub(crate) use joins::joins;
pub(crate) use literals::Literals;
pub(crate) use predicates::{leaves, nested};
pub(crate) use queries::{key_set, orders, row_count, total_order, twin_key_sets};
pub(crate) use windows::windows;

use crate::run::Table;
use fastrand::Rng;
use portico_provider_api::{EvaluateError, Expr, evaluate_expr};
use std::collections::HashMap;

/// An expression with the feature it exercises (`"lt text"`), so that a sample can cover every feature.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) feature: String,
    pub(crate) expr: Expr,
}

impl Candidate {
    pub(crate) fn new(feature: impl Into<String>, expr: Expr) -> Candidate {
        Candidate { feature: feature.into(), expr }
    }
}

/// A shuffled sample in which every feature occurs before any occurs twice: at least one query of each, and `most` when there are
/// fewer features than that.
pub(crate) fn sample<T>(rng: &mut Rng, mut candidates: Vec<T>, most: usize, feature: impl Fn(&T) -> String) -> Vec<T> {
    rng.shuffle(&mut candidates);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut ranked: Vec<(usize, T)> = candidates
        .into_iter()
        .map(|candidate| {
            let count = seen.entry(feature(&candidate)).or_default();
            *count += 1;
            (*count, candidate)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let most = most.max(seen.len());
    ranked.into_iter().map(|(_, candidate)| candidate).take(most).collect()
}

/// Whether no part of the expression fails on any row of the table. Sources may evaluate the parts of a condition in any order,
/// so a query whose value depends on that order says nothing.
pub(crate) fn never_fails(expression: &Expr, table: &Table) -> bool {
    let columns = &table.relation.columns;
    let whole = table.rows.iter().all(|row| match evaluate_expr(expression, row, columns) {
        Ok(_) => true,
        Err(EvaluateError::Data(_) | EvaluateError::Invalid(_) | EvaluateError::Unsupported(_)) => false,
    });
    whole && expression.children().into_iter().all(|child| never_fails(child, table))
}
