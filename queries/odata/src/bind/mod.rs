//! Syntax tree + what the caller may see of the model → bound request. It must not look past the view: what is hidden is not there,
//! neither in answers nor in suggestions.

mod conversion;
mod expression;
mod functions;
mod member;
mod options;
mod path;
mod promote;
mod scope;
mod temporal;
#[cfg(test)]
mod tests;
mod write;

use crate::bound::{BoundQuery, BoundRead, ReadKind};
use crate::error::{ODataError, ODataErrorKind};
use crate::names::Names;
use crate::parse::Strictness;
use crate::resolve;
use crate::syntax::Request;
use crate::value_type::RowType;
use portico_catalog::names::nearest;
use portico_catalog::{Column, ModelView, TableView};

pub use write::{delete, insert, update};

/// Deepest nesting of `$expand`.
pub const MAX_EXPAND_DEPTH: usize = 8;

/// Binds a read.
///
/// # Errors
/// `NotFound` when the path leads nowhere, `BadRequest` when something does not fit, `NotImplemented` for what is not built.
pub fn read(request: &Request, view: &ModelView) -> Result<BoundRead, ODataError> {
    executable(request, view).map_err(|error| {
        if error.kind != ODataErrorKind::NotImplemented {
            return error;
        }
        // What nobody executes yet may be wrong besides, and then that is what the client must hear.
        resolve::request(request, &Names::from_view(view), Strictness::Lenient).err().unwrap_or(error)
    })
}

fn executable(request: &Request, view: &ModelView) -> Result<BoundRead, ODataError> {
    let target = path::resolve(request, view)?;
    options::refuse_unbuilt(&request.options, None)?;
    options::check(request, &target)?;
    let rows = RowType::of_table(target.table);
    let place = options::Place { view, table: target.table, rows: &rows, aliases: &request.aliases, nested_in: None, depth: 0 };
    let mut query = options::query(&place, &request.options)?;
    query.key = target.key;
    query.via = target.via;
    if target.kind == ReadKind::Count {
        query.count = false;
    }
    Ok(BoundRead { query, kind: target.kind })
}

/// A query over a table that asks for nothing in particular.
fn plain_query(table: &TableView) -> BoundQuery {
    BoundQuery::of(&table.table.name, table.columns.clone())
}

/// Names of the visible columns.
fn table_columns(table: &TableView) -> impl Iterator<Item = &str> {
    table.columns.iter().filter_map(|index| table.table.columns.get(*index)).map(|column| column.name.as_str())
}

/// `; did you mean '…'?`, or nothing.
fn suggestion<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, candidates).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}

/// A column that the view says is there.
fn column(table: &TableView, index: usize) -> Result<&Column, ODataError> {
    let missing = || ODataError::bad_request(format!("'{}' has no property at position {index}", table.name));
    table.table.columns.get(index).ok_or_else(missing)
}

fn not_found(message: impl Into<String>, position: usize) -> ODataError {
    ODataError::new(ODataErrorKind::NotFound, message).at("path", Some(position))
}

/// Names of the functions that expressions may use.
pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    functions::FUNCTIONS.iter().map(|(name, ..)| *name).chain(functions::OTHERS)
}
