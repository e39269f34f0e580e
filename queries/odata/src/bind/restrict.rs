//! What a set does not offer, by its restrictions, refused as it is declared: what is asked of a column or relationship that does not
//! offer it is not implemented for it, what a filter must have and lacks is a bad request, and a set that is not readable as a whole
//! does not allow it.

use crate::bound::{BoundComputed, BoundExpr, BoundOrder, BoundQuery, ReadKind};
use crate::error::{ODataError, ODataErrorKind};
use portico_catalog::{ModelView, RelationshipView, TableView};

/// What a column is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// To decide which rows there are.
    Filter,
    /// To put rows in order.
    Sort,
}

impl Use {
    fn forbidden(self, table: &TableView) -> &[usize] {
        match self {
            Use::Filter => &table.table.overlay.restrictions.not_filterable,
            Use::Sort => &table.table.overlay.restrictions.not_sortable,
        }
    }

    fn option(self) -> &'static str {
        match self {
            Use::Filter => "$filter",
            Use::Sort => "$orderby",
        }
    }
}

fn refused(message: String) -> ODataError {
    ODataError::new(ODataErrorKind::NotImplemented, message)
}

fn name(table: &TableView, index: usize) -> &str {
    table.table.columns.get(index).map_or("", |column| column.name.as_str())
}

/// An expression, and those of the computed columns that it depends on.
fn sources<'e>(own: usize, computed: &'e [BoundComputed], expr: &'e BoundExpr) -> Vec<&'e BoundExpr> {
    let named = |expr: &BoundExpr| {
        let mut columns = Vec::new();
        expr.columns(&mut columns);
        columns.into_iter().filter_map(|index| index.checked_sub(own)).collect()
    };
    depended(computed, expr, &named)
}

/// The same over the combinations of so many sets: what is computed of them is outside of all sets.
pub(super) fn sources_joined<'e>(sets: usize, computed: &'e [BoundComputed], expr: &'e BoundExpr) -> Vec<&'e BoundExpr> {
    let named = |expr: &BoundExpr| {
        let mut columns = Vec::new();
        expr.columns_at(sets, &mut columns);
        columns
    };
    depended(computed, expr, &named)
}

/// An expression, and those of the computed columns that it depends on; `named` says which ones an expression names itself.
fn depended<'e>(computed: &'e [BoundComputed], expr: &'e BoundExpr, named: &dyn Fn(&BoundExpr) -> Vec<usize>) -> Vec<&'e BoundExpr> {
    let (mut found, mut known, mut at) = (vec![expr], Vec::new(), 0);
    while let Some(next) = found.get(at).copied() {
        for index in named(next) {
            if let Some(computed) = computed.get(index)
                && !known.contains(&index)
            {
                // A computed column depends only on those before it, so this ends.
                known.push(index);
                found.push(&computed.expr);
            }
        }
        at += 1;
    }
    found
}

/// The columns that an expression depends on, those of computed columns included.
fn depends(table: &TableView, computed: &[BoundComputed], expr: &BoundExpr) -> Vec<usize> {
    let mut found = Vec::new();
    for expr in sources(table.table.columns.len(), computed, expr) {
        expr.columns(&mut found);
    }
    found
}

/// Refuses a condition over entities of a table that names a column which conditions may not name, their own or one along a path.
pub(super) fn filterable(view: &ModelView, table: &TableView, condition: &BoundExpr) -> Result<(), ODataError> {
    usable(view, table, &[], condition, Use::Filter)
}

/// Refuses the use of a column, of the rows themselves or along a path, that is not offered.
pub(super) fn usable(
    view: &ModelView,
    table: &TableView,
    computed: &[BoundComputed],
    expr: &BoundExpr,
    what: Use,
) -> Result<(), ODataError> {
    check(table, &depends(table, computed, expr), what)?;
    for expr in sources(table.table.columns.len(), computed, expr) {
        along(view, &[Some(table)], expr, what)?;
    }
    Ok(())
}

/// Refuses the use of a column that is not offered. `frames` are the tables whose rows the expression is over, the innermost last. What
/// stands inside lambdas and counts was looked at when that was bound.
pub(super) fn along<'a>(view: &'a ModelView, frames: &[Option<&'a TableView>], expr: &BoundExpr, what: Use) -> Result<(), ODataError> {
    let at = |level: usize| frames.len().checked_sub(level + 1).and_then(|frame| frames.get(frame).copied().flatten());
    let walked = |start: Option<&'a TableView>, steps: &[usize]| {
        let step = |table: &'a TableView, step: &usize| view.by_virtual_table(&table.table.relationships.get(*step)?.to);
        steps.iter().try_fold(start?, step)
    };
    let reached = match expr {
        BoundExpr::Column(column) => at(0).map(|table| (table, *column)),
        BoundExpr::Path { level, steps, column } => walked(at(*level), steps).map(|table| (table, *column)),
        BoundExpr::RootPath { table, steps, column, .. } => walked(view.by_virtual_table(table), steps).map(|table| (table, *column)),
        _ => None,
    };
    if let Some((table, column)) = reached {
        check(table, &[column], what)?;
    }
    expr.children().into_iter().try_for_each(|child| along(view, frames, child, what))
}

/// Refuses the use of columns of a table that it does not offer.
pub(super) fn check(table: &TableView, used: &[usize], what: Use) -> Result<(), ODataError> {
    match used.iter().find(|index| what.forbidden(table).contains(index)) {
        Some(index) => Err(refused(format!("{}: '{}' does not offer this for '{}'", what.option(), table.name, name(table, *index)))),
        None => Ok(()),
    }
}

/// Refuses what a level of a query asks beyond what its set offers.
pub(super) fn query(view: &ModelView, table: &TableView, query: &BoundQuery, filter: Option<&BoundExpr>) -> Result<(), ODataError> {
    let restrictions = &table.table.overlay.restrictions;
    if let Some(filter) = filter {
        usable(view, table, &query.compute, filter, Use::Filter).map_err(|error| error.at("$filter", None))?;
    }
    for BoundOrder { expr, .. } in &query.order_by {
        usable(view, table, &query.compute, expr, Use::Sort).map_err(|error| error.at("$orderby", None))?;
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

/// Refuses what a `$crossjoin` asks of one of its `sets` sets beyond what that offers. Expressions reach its entities at `level`.
pub(super) fn joined(table: &TableView, (level, sets): (usize, usize), query: &BoundQuery) -> Result<(), ODataError> {
    let restrictions = &table.table.overlay.restrictions;
    let used = |expr: &BoundExpr| {
        let mut found = Vec::new();
        for source in sources_joined(sets, &query.compute, expr) {
            source.columns_at(level, &mut found);
        }
        found
    };
    let filtered = query.filter.as_ref().map(used).unwrap_or_default();
    check(table, &filtered, Use::Filter).map_err(|error| error.at("$filter", None))?;
    for BoundOrder { expr, .. } in &query.order_by {
        check(table, &used(expr), Use::Sort).map_err(|error| error.at("$orderby", None))?;
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
