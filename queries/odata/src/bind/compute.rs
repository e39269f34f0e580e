//! `$compute`: columns that a request adds to the rows, for the options evaluated after it and for the answer.

use super::options::Place;
use super::property::{self, Property};
use crate::bound::BoundComputed;
use crate::error::ODataError;
use crate::syntax::ComputeItem;
use crate::value_type::{RowColumn, RowType};

/// The rows with the computed columns after their own, and how those are evaluated. An item may use what those before it computed.
pub(super) fn compute(place: &Place<'_>, items: &[ComputeItem]) -> Result<(RowType, Vec<BoundComputed>), ODataError> {
    let mut rows = place.rows.clone();
    let mut computed = Vec::with_capacity(items.len());
    for item in items {
        let name = &item.name;
        let taken = match property::find(place.table, &rows, place.cast, &name.text) {
            None => None,
            Some(Property::Column(index)) if index >= place.rows.columns.len() => Some("another computed property"),
            Some(Property::Navigation) => Some("a navigation property"),
            Some(Property::Column(_) | Property::Complex(_) | Property::Point(_) | Property::Stream(_)) => Some("a property"),
        };
        if let Some(what) = taken {
            let message = format!("$compute: '{}' is {what} of '{}' already", name.text, place.table.name);
            return Err(ODataError::bad_request(message).at(place.target("$compute"), Some(name.span.start)));
        }
        let scope = Place { rows: &rows, ..*place }.scope("$compute");
        let (expr, value_type) = scope.value(&item.expr)?;
        let weight = scope.weight(&expr, 0);
        let column = RowColumn { path: vec![name.text.clone()], value_type, nullable: true, dynamic: true, weight };
        rows.columns.push(column.clone());
        computed.push(BoundComputed { expr, column });
    }
    Ok((rows, computed))
}
