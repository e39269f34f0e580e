//! Asks [`Capabilities`] about queries. The engine uses it to decide what it may push down, and every source to refuse
//! what lies beyond: one piece of code, so both always agree.

mod changes;
mod expression;
mod grouping;
mod once;
#[cfg(test)]
mod reference_tests;
mod references;
mod relation;
mod required;
mod scope;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;

pub use crate::walk::visit_tables;
pub use references::{JoinedTable, Step};
pub use required::{first_met, required_text};
pub use scope::ExprCheck;

use crate::capabilities::{Capabilities, Requirement, Support};
use crate::expr::Expr;
use crate::query::{Relation, SourceQuery, TableColumn};
use thiserror::Error;

/// What a source cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{feature} is not supported by this source")]
pub struct Unsupported {
    /// The part of the query concerned.
    pub feature: String,
}

pub(crate) fn unsupported(feature: impl Into<String>) -> Unsupported {
    Unsupported { feature: feature.into() }
}

fn describe(expression: &Expr, columns: &[TableColumn]) -> String {
    match expression.as_column() {
        Some(index) => columns.get(index).map_or_else(|| "an unknown column".to_owned(), |column| format!("column '{}'", column.name)),
        None => "a computed expression".to_owned(),
    }
}

/// Refuses expressions that use a column which is not in scope.
fn in_scope<'e>(expressions: impl IntoIterator<Item = &'e Expr>, columns: usize) -> Result<(), Unsupported> {
    let outside = |expression: &Expr| expression.columns().iter().any(|index| *index >= columns);
    if expressions.into_iter().any(outside) { Err(unsupported("a column outside the relation")) } else { Ok(()) }
}

impl Capabilities {
    /// Whether a query lies within the capabilities.
    ///
    /// # Errors
    /// Names the first part that does not.
    pub fn check(&self, query: &SourceQuery) -> Result<(), Unsupported> {
        self.support(query).map(|_| ())
    }

    /// How well the source answers a query: `Exact`, or `Inexact` when the answer may have more rows than asked for, because a filter or
    /// a key set is inexact. Nothing in the query observes those rows, so whoever asks can take them out again. Never `None`.
    ///
    /// # Errors
    /// Names the first part that lies beyond the capabilities.
    pub fn support(&self, query: &SourceQuery) -> Result<Support, Unsupported> {
        let support = self.block(query, None)?;
        let most = self.max_request_bytes(query);
        if most > 0 && Capabilities::request_bytes(query) > most {
            return Err(unsupported(format!("a request of more than {most} bytes")));
        }
        Ok(support)
    }

    /// The support of one block. `enclosing` is what the expression sees in which the block is a sub-query.
    fn block(&self, query: &SourceQuery, enclosing: Option<&ExprCheck<'_>>) -> Result<Support, Unsupported> {
        if let Relation::Call(call) = &query.from {
            return self.operation(query, call).map(|()| Support::Exact);
        }
        self.relation(&query.from, enclosing)?;
        let from = ExprCheck::scoped(self, &query.from, enclosing);
        let loose = self.restrictions(query, &from)?;
        if let Some(aggregate) = &query.aggregate {
            self.aggregation(aggregate, &from)?;
        }
        let visible = from.grouped(query);
        let per = query.limit_per.iter().flat_map(|per| &per.columns);
        let observed: Vec<&Expr> = query.order_by.iter().map(|key| &key.expr).chain(per).collect();
        in_scope(query.output.iter().map(|output| &output.expr).chain(observed.iter().copied()), visible.columns().len())?;
        self.groups(query, &visible)?;
        for output in &query.output {
            if visible.output(output) == Support::None {
                return Err(unsupported(format!("output '{}'", output.name)));
            }
        }
        self.distinct(query, &visible, &observed)?;
        visible.order_by(&query.order_by)?;
        self.limits(query, &visible)?;
        match (loose, observer(query)) {
            (None, _) => Ok(Support::Exact),
            (Some(_), None) => Ok(Support::Inexact),
            (Some(restriction), Some(observer)) => Err(unsupported(format!("{observer} above {restriction}"))),
        }
    }

    /// The filter and the keys of a block: what of them is inexact.
    fn restrictions(&self, query: &SourceQuery, from: &ExprCheck<'_>) -> Result<Option<&'static str>, Unsupported> {
        in_scope(&query.filter, from.columns().len())?;
        let filter = query.filter.as_ref().map(|filter| from.predicate(filter));
        if filter == Some(Support::None) {
            return Err(unsupported("the filter"));
        }
        self.keys(query, from)?;
        from.each_once(query.filter.as_ref(), query.keys.as_ref())?;
        let keys = query.keys.as_ref().map(|keys| from.key_columns(&keys.columns));
        Ok(match (filter, keys) {
            (Some(Support::Inexact), _) => Some("an inexact filter"),
            (_, Some(Support::Inexact)) => Some("an inexact key set"),
            (_, _) => None,
        })
    }

    /// Whether the relation takes these keys, and does not need others.
    fn keys(&self, query: &SourceQuery, from: &ExprCheck<'_>) -> Result<(), Unsupported> {
        let required = self.required_keys(&query.from);
        let of = query.keys.as_ref().map(|keys| keys.columns.as_slice()).unwrap_or_default();
        if !required.is_empty() && first_met(required, from.columns(), query.filter.as_ref(), &|column| of.contains(&column)).is_none() {
            return Err(without_keys(required));
        }
        let Some(keys) = &query.keys else { return Ok(()) };
        if from.key_columns(&keys.columns) == Support::None {
            return Err(unsupported("a key set over these columns"));
        }
        let limits = from.key_limits(&keys.columns).unwrap_or_default();
        if keys.tuples.len() > limits.max_tuples {
            return Err(unsupported(format!("a key set of more than {} tuples", limits.max_tuples)));
        }
        if !limits.fit(&keys.tuples) {
            return Err(unsupported(format!("a key set of more than {} bytes", limits.max_bytes)));
        }
        Ok(())
    }

    /// What a relation cannot be asked without; only a table itself has any.
    fn required_keys(&self, relation: &Relation) -> &[Vec<Requirement>] {
        match relation {
            Relation::Table(table) => self.tables.get(&table.table.to_string()).map(|own| own.required_keys.as_slice()).unwrap_or_default(),
            Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => &[],
        }
    }

    fn distinct(&self, query: &SourceQuery, visible: &ExprCheck<'_>, observed: &[&Expr]) -> Result<(), Unsupported> {
        if !query.distinct {
            return Ok(());
        }
        if visible.rows.distinct != Support::Exact {
            return Err(unsupported("distinct"));
        }
        // What a window function returns is a number, or comes from values that were computed exactly.
        let told_apart = |expr: &Expr| visible.told_apart(expr) == Support::Exact;
        if let Some(output) = query.output.iter().find(|output| !told_apart(&output.expr)) {
            return Err(unsupported(format!("distinct values of output '{}'", output.name)));
        }
        // Which of several equal rows would give the order? SQL refuses that too.
        if observed.iter().any(|expression| !query.output.iter().any(|output| output.expr == **expression)) {
            return Err(unsupported("ordering or limiting distinct rows by something that is not an output"));
        }
        Ok(())
    }

    fn limits(&self, query: &SourceQuery, visible: &ExprCheck<'_>) -> Result<(), Unsupported> {
        if query.limit.is_some() && visible.rows.limit != Support::Exact {
            return Err(unsupported("limit"));
        }
        if query.offset > 0 && visible.rows.offset != Support::Exact {
            return Err(unsupported("offset"));
        }
        match &query.limit_per {
            Some(_) if self.limit_per != Support::Exact => Err(unsupported("limit per key")),
            Some(per) if per.columns.iter().any(|column| visible.groupable(column) != Support::Exact) => {
                Err(unsupported("limit per key over these columns"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn without_keys(required: &[Vec<Requirement>]) -> Unsupported {
    unsupported(format!("asking without keys for {}", required_text(required)))
}

/// What of a block shows how many rows were below it.
fn observer(query: &SourceQuery) -> Option<&'static str> {
    let counts_rows = query.aggregate.as_ref().is_some_and(crate::Aggregation::is_row_count);
    let observers = [
        (counts_rows, "a row count"),
        (query.aggregate.is_some(), "an aggregate"),
        (query.distinct, "distinct"),
        (query.limit.is_some() || query.offset > 0 || query.limit_per.is_some(), "a limit"),
        (query.output.iter().any(|output| output.expr.has_window()), "a window function"),
    ];
    observers.into_iter().find(|(observes, _)| *observes).map(|(_, observer)| observer)
}
