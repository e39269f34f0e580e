//! Custom aggregates (section 3.2.1.2): what the model gives a name to, of the entities themselves or along relationships. They are bound
//! as the method that they stand for.

use super::Binder;
use super::aggregate::{is_name, result_type};
use super::state::{State, names};
use crate::bind::suggestion;
use crate::error::ODataError;
use crate::syntax::{Expr, ExprKind};
use crate::value_type::{RowType, ValueType};
use portico_catalog::TableView;
use portico_catalog::overlay::{AggregateMethod, CustomAggregate};

/// A custom aggregate in a request.
pub(super) struct Named<'a> {
    /// The relationships to the entities that it is computed of.
    pub(super) along: Vec<String>,
    /// Their table.
    table: &'a TableView,
    aggregate: &'a CustomAggregate,
}

impl Named<'_> {
    /// The path to the values, and how they become one. Entities are counted where it leads to no property.
    pub(super) fn spelt_out(&self) -> (Vec<String>, AggregateMethod) {
        let property = self.aggregate.column.and_then(|column| RowType::of_table(self.table).columns.into_iter().nth(column));
        let path = self.along.iter().cloned().chain(property.into_iter().flat_map(|column| column.path)).collect();
        (path, self.aggregate.method)
    }
}

impl<'a> Binder<'a> {
    /// The custom aggregate that an expression without a method names.
    pub(super) fn custom(&self, state: &State<'a>, expr: &Expr) -> Result<Named<'a>, ODataError> {
        let needs = || self.wrong(expr.span, "this needs 'with' and a method: only $count and custom aggregates go without");
        let path = match &expr.kind {
            ExprKind::Path(steps) if steps.iter().all(is_name) => names(self, expr)?,
            _ => return Err(needs()),
        };
        let Some((name, along)) = path.split_last() else { return Err(needs()) };
        let Some(table) = self.table_along(state, along) else {
            let gone = state.rows.row_type.table.is_none() && self.table_of(self.base, along).is_some_and(|table| has(table, name));
            if gone {
                let message = format!("'{}' is computed of entities, which have been aggregated away", path.join("/"));
                return Err(self.wrong(expr.span, message));
            }
            return Err(needs());
        };
        let aggregates = &table.table.overlay.aggregates;
        if let Some(aggregate) = aggregates.iter().find(|aggregate| aggregate.name == *name) {
            return Ok(Named { along: along.to_vec(), table, aggregate });
        }
        let hint = suggestion(name, aggregates.iter().map(|aggregate| aggregate.name.as_str()));
        if hint.is_empty() {
            return Err(needs());
        }
        Err(self.wrong(expr.span, format!("'{}' has no custom aggregate '{name}'{hint}", table.name)))
    }

    /// The entities that a path leads to, from the rows that there are.
    fn table_along(&self, state: &State<'a>, path: &[String]) -> Option<&'a TableView> {
        let reached = state.reached.iter().filter(|reached| path.starts_with(&reached.path)).max_by_key(|reached| reached.path.len())?;
        self.table_of(reached.table, path.get(reached.path.len()..)?)
    }

    /// The entities that relationships lead to from those of a table.
    fn table_of(&self, table: &'a TableView, path: &[String]) -> Option<&'a TableView> {
        path.iter().try_fold(table, |table, name| self.view.table(&table.relationship(name)?.to))
    }
}

fn has(table: &TableView, name: &str) -> bool {
    table.table.overlay.aggregates.iter().any(|aggregate| aggregate.name == name)
}

/// The type of what a custom aggregate of a table yields; nothing where its method and its column do not go together.
pub(crate) fn custom_type(table: &TableView, aggregate: &CustomAggregate) -> Option<ValueType> {
    // What rows are counted by has any type.
    let of = match aggregate.column {
        Some(column) => ValueType::of_column(table.table.columns.get(column)?),
        None => ValueType::Scalar(portico_provider_api::ScalarType::Boolean),
    };
    result_type(aggregate.method, &of).ok()
}
