//! What a block may read from, and what it may compute of groups.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{ExprCheck, Unsupported, describe, in_scope, unsupported, without_keys};
use crate::capabilities::{Capabilities, Support};
use crate::expr::Expr;
use crate::operation::OperationCall;
use crate::query::{AggregateCall, AggregateFunction, Aggregation, Join, JoinKind, Output, Relation, SourceQuery};

impl Capabilities {
    /// Whether a relation lies within the capabilities, exactly.
    pub(super) fn relation(&self, relation: &Relation, enclosing: Option<&ExprCheck<'_>>) -> Result<(), Unsupported> {
        match relation {
            // Which keys it needs depends on the block that reads it.
            Relation::Table(_) => Ok(()),
            Relation::Join(_) if self.along_references(relation).is_some() => Ok(()),
            Relation::Join(join) => self.join(join, enclosing),
            // A call is read as it comes, and by itself.
            Relation::Call(call) => Err(unsupported(format!("anything but the columns of a call of '{}'", call.operation.name))),
            Relation::Query(query) if matches!(query.from, Relation::Call(_)) => self.relation(&query.from, enclosing),
            Relation::Query(_) if self.nested != Support::Exact => Err(unsupported("a nested query")),
            Relation::Query(query) => self.exact_block(query, enclosing, "a query"),
            Relation::Union(_) if self.union != Support::Exact => Err(unsupported("a union")),
            Relation::Union(queries) => self.union(queries, enclosing),
        }
    }

    /// The rows of an operation are read as they come: what else is asked of them is computed by who reads them.
    pub(super) fn operation(&self, query: &SourceQuery, call: &OperationCall) -> Result<(), Unsupported> {
        let name = || format!("a call of '{}'", call.operation.name);
        if !self.calls {
            return Err(unsupported(name()));
        }
        if call.operation.changes || call.operation.procedure {
            return Err(unsupported(format!("{}, which may change something, in a query", name())));
        }
        let columns = call.operation.columns().len();
        let plain = |output: &Output| matches!(output.expr, Expr::Column(index) if index < columns);
        let only = SourceQuery::select(query.from.clone(), query.output.clone());
        if *query != only || !query.output.iter().all(plain) {
            return Err(unsupported(format!("anything but the columns of {}", name())));
        }
        Ok(())
    }

    fn exact_block(&self, query: &SourceQuery, enclosing: Option<&ExprCheck<'_>>, above: &str) -> Result<(), Unsupported> {
        match self.block(query, enclosing)? {
            Support::Exact => Ok(()),
            Support::Inexact | Support::None => Err(unsupported(format!("{above} above an inexact query"))),
        }
    }

    fn union(&self, queries: &[SourceQuery], enclosing: Option<&ExprCheck<'_>>) -> Result<(), Unsupported> {
        let types = |query: &SourceQuery| query.result_columns().iter().map(|column| column.scalar_type).collect::<Vec<_>>();
        let first = queries.first().map(types).ok_or_else(|| unsupported("a union of nothing"))?;
        for query in queries {
            self.exact_block(query, enclosing, "a union")?;
            if types(query) != first {
                return Err(unsupported("a union of queries with columns of different types"));
            }
        }
        Ok(())
    }

    fn join(&self, join: &Join, enclosing: Option<&ExprCheck<'_>>) -> Result<(), Unsupported> {
        let Join { left, right, kind, on, residual, null_aware, null_equal } = join;
        if self.joins.kinds.get(kind) != Some(&Support::Exact) {
            return Err(unsupported(format!("a join of kind '{}'", kind.name())));
        }
        if *kind == JoinKind::Cross && (!on.is_empty() || residual.is_some()) {
            return Err(unsupported("a condition on a cross join"));
        }
        if *null_aware && (*kind != JoinKind::Anti || on.len() != 1 || *null_equal) {
            return Err(unsupported("null-aware matching of anything but one value in an anti join"));
        }
        if *null_aware && self.joins.null_aware != Support::Exact {
            return Err(unsupported("a null-aware join"));
        }
        if *null_equal && self.joins.null_equal != Support::Exact {
            return Err(unsupported("a join in which null equals null"));
        }
        for side in [left, right] {
            // There is no place in a join for the keys that such a table needs.
            match self.required_keys(side) {
                [] => self.relation(side, enclosing)?,
                required => return Err(without_keys(required)),
            }
        }
        let of_left = ExprCheck::scoped(self, left, enclosing);
        let of_right = ExprCheck::scoped(self, right, enclosing);
        if let Some((side, _)) = [(left, &of_left), (right, &of_right)].into_iter().find(|(_, side)| side.rows.joins != Support::Exact) {
            return Err(unsupported(format!("joining {}", tables_of(side))));
        }
        in_scope(on.iter().map(|(left, _)| left), of_left.columns().len())?;
        in_scope(on.iter().map(|(_, right)| right), of_right.columns().len())?;
        if on.iter().any(|(left, right)| of_left.matches(left, (&of_right, right), *null_equal) != Support::Exact) {
            return Err(unsupported("joining by these values"));
        }
        let Some(residual) = residual else { return Ok(()) };
        if self.joins.residual != Support::Exact {
            return Err(unsupported("a join by a condition other than equality"));
        }
        let both = of_left.beside(of_right);
        in_scope([residual], both.columns().len())?;
        if both.predicate(residual) == Support::Exact { Ok(()) } else { Err(unsupported("the condition of a join")) }
    }

    /// Grouping and aggregates, but for the condition on groups.
    pub(super) fn aggregation(&self, aggregate: &Aggregation, from: &ExprCheck<'_>) -> Result<(), Unsupported> {
        let Aggregation { group_by, calls, having: _ } = aggregate;
        if group_by.is_empty() && calls.is_empty() {
            return Err(unsupported("an aggregation that computes nothing"));
        }
        if let (Some(count), true) = (from.rows.count, aggregate.is_row_count()) {
            return if count == Support::Exact { Ok(()) } else { Err(unsupported("counting rows")) };
        }
        if !group_by.is_empty() && from.aggregate(|aggregate| aggregate.group_by) != Support::Exact {
            return Err(unsupported("grouping"));
        }
        in_scope(group_by, from.columns().len())?;
        if let Some(key) = group_by.iter().find(|key| from.groupable(key) != Support::Exact) {
            return Err(unsupported(format!("grouping by {}", describe(key, from.columns()))));
        }
        calls.iter().try_for_each(|call| self.call(call, from))
    }

    fn call(&self, call: &AggregateCall, from: &ExprCheck<'_>) -> Result<(), Unsupported> {
        in_scope(call.argument.iter().chain(&call.filter), from.columns().len())?;
        if from.call(call) != Support::Exact {
            return Err(unsupported(named(call)));
        }
        match &call.filter {
            None => Ok(()),
            Some(_) if from.aggregate(|aggregate| aggregate.filter) != Support::Exact => Err(unsupported("a filter on an aggregate")),
            Some(filter) if from.predicate(filter) != Support::Exact => Err(unsupported("the filter of an aggregate")),
            Some(_) => Ok(()),
        }
    }

    /// The condition on groups, which sees what outputs see.
    pub(super) fn groups(&self, query: &SourceQuery, visible: &ExprCheck<'_>) -> Result<(), Unsupported> {
        let Some(having) = query.aggregate.as_ref().and_then(|aggregate| aggregate.having.as_ref()) else { return Ok(()) };
        if visible.aggregate(|aggregate| aggregate.having) != Support::Exact {
            return Err(unsupported("a condition on groups"));
        }
        in_scope([having], visible.columns().len())?;
        if visible.predicate(having) == Support::Exact { Ok(()) } else { Err(unsupported("the condition on groups")) }
    }
}

/// The tables of one side of a join.
fn tables_of(side: &Relation) -> String {
    let names = SourceQuery::select(side.clone(), Vec::new());
    let names: Vec<String> = names.tables().into_iter().map(|name| format!("'{name}'")).collect();
    names.join(", ")
}

/// An aggregate that a source does not compute.
fn named(call: &AggregateCall) -> &'static str {
    match (call.function, call.distinct) {
        (AggregateFunction::CountRows, _) if call.argument.is_some() => "counting rows with an argument",
        (AggregateFunction::CountRows, true) => "counting distinct rows",
        (AggregateFunction::CountRows, false) => "counting rows",
        (AggregateFunction::Count, false) => "counting values",
        (AggregateFunction::Count, true) => "counting distinct values",
        (AggregateFunction::Sum, _) => "a sum",
        (AggregateFunction::Min, _) => "a least value",
        (AggregateFunction::Max, _) => "a greatest value",
        (AggregateFunction::Average, _) => "an average",
    }
}
