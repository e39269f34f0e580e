//! What a set does not offer, by its restrictions, refused as it is declared: what is asked of a column or relationship that does not
//! offer it is not implemented for it, what a filter must have and lacks is a bad request, and a set that is not readable as a whole
//! does not allow it.

use crate::bound::{BoundComputed, BoundExpr, BoundOrder, BoundQuery, ReadKind};
use crate::error::{ODataError, ODataErrorKind};
use portico_catalog::{RelationshipView, TableView};

fn refused(message: String) -> ODataError {
    ODataError::new(ODataErrorKind::NotImplemented, message)
}

fn name(table: &TableView, index: usize) -> &str {
    table.table.columns.get(index).map_or("", |column| column.name.as_str())
}

/// The columns that an expression depends on, those of computed columns included.
fn depends(table: &TableView, computed: &[BoundComputed], expr: &BoundExpr) -> Vec<usize> {
    let own = table.table.columns.len();
    let mut found = Vec::new();
    expr.columns(&mut found);
    let mut at = 0;
    while let Some(index) = found.get(at).copied() {
        if let Some(computed) = index.checked_sub(own).and_then(|index| computed.get(index)) {
            // A computed column depends only on those before it, so this ends.
            computed.expr.columns(&mut found);
        }
        at += 1;
    }
    found
}

/// Refuses a condition that names a column which conditions may not name.
pub(super) fn filterable(table: &TableView, condition: &BoundExpr) -> Result<(), ODataError> {
    check(table, &depends(table, &[], condition), &table.table.overlay.restrictions.not_filterable, "$filter")
}

fn check(table: &TableView, used: &[usize], forbidden: &[usize], option: &str) -> Result<(), ODataError> {
    match used.iter().find(|index| forbidden.contains(index)) {
        Some(index) => Err(refused(format!("{option}: '{}' does not offer this for '{}'", table.name, name(table, *index)))),
        None => Ok(()),
    }
}

/// Refuses what a level of a query asks beyond what its set offers.
pub(super) fn query(table: &TableView, query: &BoundQuery, filter: Option<&BoundExpr>) -> Result<(), ODataError> {
    let restrictions = &table.table.overlay.restrictions;
    if let Some(filter) = filter {
        let used = depends(table, &query.compute, filter);
        check(table, &used, &restrictions.not_filterable, "$filter").map_err(|error| error.at("$filter", None))?;
    }
    for BoundOrder { expr, .. } in &query.order_by {
        let used = depends(table, &query.compute, expr);
        check(table, &used, &restrictions.not_sortable, "$orderby").map_err(|error| error.at("$orderby", None))?;
    }
    if query.count && restrictions.not_countable {
        return Err(refused(format!("$count: '{}' does not offer it", table.name)).at("$count", None));
    }
    Ok(())
}

/// Refuses a read of a whole set that is only read by key, or not as it must be: `filter` is the whole condition of the request.
pub(super) fn set(table: &TableView, query: &BoundQuery, kind: ReadKind) -> Result<(), ODataError> {
    let restrictions = &table.table.overlay.restrictions;
    if kind.is_single() || query.key.is_some() {
        return Ok(());
    }
    if restrictions.not_readable && query.via.is_none() {
        let message = format!("'{}' is read one entity at a time, by key", table.name);
        return Err(ODataError::new(ODataErrorKind::NotAllowed, message).at("path", Some(0)));
    }
    if kind == ReadKind::Count && restrictions.not_countable {
        return Err(refused(format!("$count: '{}' does not offer it", table.name)).at("path", None));
    }
    let used = query.filter.as_ref().map(|filter| depends(table, &query.compute, filter)).unwrap_or_default();
    match restrictions.required_in_filter.iter().find(|index| !used.contains(index)) {
        Some(missing) if query.via.is_none() => {
            let message = format!("'{}' is only read with a $filter that restricts '{}'", table.name, name(table, *missing));
            Err(ODataError::bad_request(message).at("$filter", None))
        }
        _ => Ok(()),
    }
}

/// Refuses what a `$crossjoin` asks of one of its sets beyond what that offers. Expressions reach its entities at `level`.
pub(super) fn joined(table: &TableView, level: usize, query: &BoundQuery) -> Result<(), ODataError> {
    let restrictions = &table.table.overlay.restrictions;
    let used = |expr: &BoundExpr| {
        let mut found = Vec::new();
        expr.columns_at(level, &mut found);
        found
    };
    let filtered = query.filter.as_ref().map(used).unwrap_or_default();
    check(table, &filtered, &restrictions.not_filterable, "$filter").map_err(|error| error.at("$filter", None))?;
    for BoundOrder { expr, .. } in &query.order_by {
        check(table, &used(expr), &restrictions.not_sortable, "$orderby").map_err(|error| error.at("$orderby", None))?;
    }
    if restrictions.not_readable {
        let message = format!("'{}' is read one entity at a time, by key", table.name);
        return Err(ODataError::new(ODataErrorKind::NotAllowed, message).at("path", Some(0)));
    }
    if query.count && restrictions.not_countable {
        return Err(refused(format!("$count: '{}' does not offer it", table.name)).at("$count", None));
    }
    match restrictions.required_in_filter.iter().find(|index| !filtered.contains(index)) {
        Some(missing) => {
            let message = format!("'{}' is only read with a $filter that restricts '{}'", table.name, name(table, *missing));
            Err(ODataError::bad_request(message).at("$filter", None))
        }
        None => Ok(()),
    }
}

/// Refuses the expansion of a relationship that does not offer it.
pub(super) fn expandable(table: &TableView, relationship: &RelationshipView) -> Result<(), ODataError> {
    if table.table.overlay.restrictions.not_expandable.contains(&relationship.index) {
        return Err(refused(format!("$expand: '{}' does not offer it for '{}'", table.name, relationship.name)));
    }
    Ok(())
}
