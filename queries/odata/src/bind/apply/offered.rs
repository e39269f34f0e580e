//! What a table does not offer by its restrictions is not offered to transformations either: whose column each column of the rows is,
//! and whether it may decide over rows or sort them. It must not know which transformation asks.

use super::Binder;
use super::state::State;
use crate::bind::restrict::{self, Use};
use crate::bound::BoundExpr;
use crate::error::ODataError;
use crate::value_type::RowType;
use portico_catalog::TableView;

impl<'a> Binder<'a> {
    /// Refuses the use of a column, of the rows or along a path from them, that its table does not offer.
    pub(super) fn usable(&self, state: &State<'a>, expr: &BoundExpr, what: Use) -> Result<(), ODataError> {
        let entities = self.sets.iter().filter(|_| !state.reached.is_empty()).map(|(_, table)| Some(*table));
        let frames: Vec<Option<&TableView>> = entities.chain([state.rows.row_type.table.is_some().then_some(self.base)]).collect();
        let (mut waiting, mut known) = (vec![expr], Vec::new());
        while let Some(expr) = waiting.pop() {
            restrict::along(self.view, &frames, expr, what)?;
            let mut columns = Vec::new();
            expr.columns(&mut columns);
            for index in columns {
                if known.contains(&index) {
                    continue;
                }
                known.push(index);
                if let Some((_, computed)) = state.computed.iter().find(|(column, _)| *column == index) {
                    waiting.push(computed);
                } else if let Some((table, column)) = self.origin(state, index) {
                    restrict::check(table, &[column], what)?;
                }
            }
        }
        Ok(())
    }

    /// The table that a column of the rows comes from, and its position there; nothing for what was computed or aggregated.
    pub(super) fn origin(&self, state: &State<'a>, index: usize) -> Option<(&'a TableView, usize)> {
        let within = |table: &TableView, first: usize| index.checked_sub(first).filter(|column| *column < table.table.columns.len());
        if let Some(found) = state.reached.iter().find_map(|reached| Some((reached.table, within(reached.table, reached.first)?))) {
            return Some(found);
        }
        let column = state.columns().get(index).filter(|column| !column.dynamic && !column.path.is_empty())?;
        // What was grouped by is still called by its path from the entities that there were.
        let (mut table, mut path) = (self.base, column.path.as_slice());
        if !self.sets.is_empty() {
            let (set, rest) = path.split_first()?;
            (table, path) = (self.sets.iter().find(|(name, _)| name == set)?.1, rest);
        }
        while let [first, rest @ ..] = path
            && let Some(relationship) = table.relationship(first)
        {
            table = self.view.table(&relationship.to)?;
            path = rest;
        }
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        RowType::of_table(table).position(&names).map(|column| (table, column))
    }
}
