//! `isdefined` (Data Aggregation 4.0, section 3.7): whether a row has a property at all, be it null or not. It must not know what made
//! the rows.

use super::promote::Operand;
use super::scope::Scope;
use crate::bound::apply::{AppliedRows, BoundPresence};
use crate::bound::{BoundExpr, ComparisonOperator};
use crate::error::ODataError;
use crate::syntax::{Argument, ExprKind, LogicalOperator, PathStep, Span, StepKind};
use portico_catalog::TableView;
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

/// What `$apply` has made of the entities of a table so far.
#[derive(Clone)]
pub(super) struct Made<'a> {
    pub(super) rows: Arc<AppliedRows>,
    /// What the entities were.
    pub(super) base: &'a TableView,
}

/// Whether entities have a property of that name.
pub(super) fn declares(table: &TableView, name: &str) -> bool {
    let overlay = &table.table.overlay;
    let complex = overlay.complex.iter().any(|complex| complex.name == name);
    let point = overlay.points.iter().any(|point| point.name == name);
    complex || point || table.column(name).is_some() || table.relationship(name).is_some()
}

impl Scope<'_> {
    /// A call of the function.
    pub(super) fn is_defined(&self, arguments: &[Argument], span: Span) -> Result<Operand, ODataError> {
        let [Argument { name: None, value }] = arguments else {
            return Err(self.wrong(span, "the function isdefined takes the path to a property, and nothing else"));
        };
        let ExprKind::Path(steps) = &value.kind else {
            return Err(self.wrong(value.span, "isdefined expects the path to a property"));
        };
        let answer = |expr| Operand::typed(expr, ScalarType::Boolean, "isdefined(…)".to_owned());
        if let (Some((made, level)), Some(path)) = (self.made(), names(steps))
            && let Some(known) = made.answer(&path, level)
        {
            return Ok(answer(known));
        }
        // What leads somewhere is there; what does not is a mistake.
        self.meaning(value)?;
        Ok(answer(yes_or_no(true)))
    }
}

impl Made<'_> {
    /// Whether the rows have what a path leads to; nothing where they do not know of it.
    fn answer(&self, path: &[String], level: usize) -> Option<BoundExpr> {
        let columns: Vec<usize> = self.rows.below(path).into_iter().filter(|index| self.rows.shown.contains(index)).collect();
        if columns.is_empty() {
            let gone = self.rows.row_type.table.is_none() && path.first().is_some_and(|first| declares(self.base, first));
            return gone.then(|| yes_or_no(false));
        }
        Some(self.rows.presence.as_ref().map_or_else(|| yes_or_no(true), |presence| has_one_of(presence, &columns, level)))
    }
}

/// Whether a row has one of some columns.
fn has_one_of(presence: &BoundPresence, columns: &[usize], level: usize) -> BoundExpr {
    let patterns = presence.lacks.iter().enumerate();
    let having = patterns.filter(|(_, lacks)| columns.iter().any(|column| !lacks.contains(column)));
    let having: Vec<Value> = having.filter_map(|(number, _)| i64::try_from(number).ok()).map(Value::Int64).collect();
    if having.len() == presence.lacks.len() {
        return yes_or_no(true);
    }
    let pattern = match level {
        0 => BoundExpr::Column(presence.position),
        level => BoundExpr::Path { level, steps: Vec::new(), column: presence.position },
    };
    let is = |number| BoundExpr::compare(ComparisonOperator::Eq, pattern.clone(), BoundExpr::Literal(number));
    super::expression::balanced(LogicalOperator::Or, having.into_iter().map(is).collect()).unwrap_or_else(|| yes_or_no(false))
}

fn yes_or_no(answer: bool) -> BoundExpr {
    BoundExpr::Literal(Value::Boolean(answer))
}

/// A path of nothing but names.
fn names(steps: &[PathStep]) -> Option<Vec<String>> {
    let name = |step: &PathStep| match &step.kind {
        StepKind::Name(name) => Some(name.clone()),
        _ => None,
    };
    steps.iter().map(name).collect()
}
