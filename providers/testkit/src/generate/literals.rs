//! Literals to compare with: values of the column itself (so that something matches), edges, and random ones.

use crate::fixtures::{edge_values, random_value};
use crate::run::{Run, Table};
use fastrand::Rng;
use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::check::ExprCheck;
use portico_provider_api::{Expr, ScalarType, Value};

/// A seeded choice of literals.
pub(crate) struct Literals<'a> {
    run: &'a Run,
    pub(crate) rng: Rng,
}

impl<'a> Literals<'a> {
    pub(crate) fn new(run: &'a Run, rng: Rng) -> Literals<'a> {
        Literals { run, rng }
    }

    /// What one key set over some columns of a table may hold.
    pub(crate) fn limits(&self, table: &Table, columns: &[usize]) -> KeyCapabilities {
        let capabilities = self.run.capabilities();
        ExprCheck::new(capabilities, &table.relation).key_limits(columns).unwrap_or(capabilities.keys)
    }

    /// How many queries a group of checks asks.
    pub(crate) fn most(&self) -> usize {
        self.run.subject.options.queries
    }

    /// A value for a column, never null.
    pub(crate) fn for_column(&mut self, table: &Table, column: usize) -> Value {
        let scalar_type = table.relation.columns.get(column).map_or(ScalarType::Text, |column| column.scalar_type);
        if self.rng.u8(0..10) < 6
            && let Some(value) = self.rng.choice(&table.rows).and_then(|row| row.get(column))
            && !value.is_null()
        {
            return value.clone();
        }
        self.of_type(scalar_type)
    }

    /// A value of a type, never null, which the source can be sent.
    pub(crate) fn of_type(&mut self, scalar_type: ScalarType) -> Value {
        let edges: Vec<Value> = edge_values(scalar_type).into_iter().filter(|value| self.run.loadable(value)).collect();
        if self.rng.bool()
            && let Some(edge) = self.rng.choice(edges)
        {
            return edge;
        }
        random_value(&mut self.rng, scalar_type)
    }

    pub(crate) fn literal(&mut self, table: &Table, column: usize) -> Expr {
        Expr::Literal(self.for_column(table, column))
    }
}
