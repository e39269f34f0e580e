//! Syntax tree + what the caller may see of the model → bound request. It must not look past the view: what is hidden is not there,
//! neither in answers nor in suggestions.

mod all;
mod annotate;
mod apply;
mod arithmetic;
mod call;
mod collections;
mod compute;
mod conversion;
mod cross;
mod defined;
mod expand;
mod expression;
mod functions;
mod hierarchy;
mod key;
mod member;
mod options;
mod path;
mod promote;
mod property;
mod restrict;
mod scope;
mod search;
mod select;
mod spatial;
mod temporal;
#[cfg(test)]
mod tests;
mod write;

use crate::bound::{BoundExpr, BoundQuery, BoundRead, ReadKind};
use crate::error::{ODataError, ODataErrorKind};
use crate::names::Names;
use crate::parse::Strictness;
use crate::resolve;
use crate::syntax::{Request, SelectItem};
use crate::value_type::RowType;
use options::Place;
use portico_catalog::names::nearest;
use portico_catalog::{Column, ModelView, TableView};

pub use all::{all, of_type};
pub use annotate::{annotate, is_annotated};
pub(crate) use apply::{TOP_LEVELS, TRANSFORMATIONS, custom_type};
pub(crate) use hierarchy::NODE_TESTS;
pub use options::schema_version;
pub use path::{dereference, is_action};
pub(crate) use promote::member as enumeration_member;
pub use write::{action, delete, insert, update};

/// Deepest nesting of `$expand`.
pub const MAX_EXPAND_DEPTH: usize = 8;

/// Binds a read of one set or of a combination of sets; for `$all` there is [`all`].
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
    if let Some(request) = all::of_type(request, view)? {
        return executable(&request, view);
    }
    if let Some(path) = cross::joined(request) {
        return cross::read(request, view, path);
    }
    let target = path::resolve(request, view)?;
    call::composable(request, target.call.as_ref())?;
    of_target(request, view, target)
}

/// What is read of what a path leads to.
fn of_target(request: &Request, view: &ModelView, target: path::Target<'_>) -> Result<BoundRead, ODataError> {
    if request.options.apply.is_none() {
        options::refuse_unbuilt(&request.options, None)?;
    }
    options::check(request, &target)?;
    let rows = RowType::of_table(target.table);
    let place = Place {
        view,
        table: target.table,
        rows: &rows,
        aliases: &request.aliases,
        cast: target.cast.as_deref(),
        nested_in: None,
        depth: 0,
    };
    let mut query = match &target.property {
        Some((path, columns)) => part(&place, request, &target, path, columns)?,
        None => match &request.options.apply {
            Some(transformations) => apply::query(&place, transformations, &request.options)?,
            None => options::query(&place, &request.options)?,
        },
    };
    query.filter = BoundExpr::both(target.filter, query.filter.take());
    query.cast = target.cast.clone();
    query.key = target.key;
    query.call = target.call.map(Box::new);
    query.singleton = if target.via.is_none() && query.call.is_none() { path::singleton(request, view) } else { None };
    query.via = target.via;
    match target.kind {
        ReadKind::Count => query.count = false,
        ReadKind::References | ReadKind::Reference => query.select = target.table.table.key.clone(),
        ReadKind::Collection | ReadKind::Entity | ReadKind::Property | ReadKind::Value | ReadKind::Media => {}
    }
    // What may not be asked of a set may be what a function is there for.
    if query.call.is_none() {
        restrict::set(target.table, &query, target.kind)?;
    }
    Ok(BoundRead { query, kind: target.kind, property: target.property.map(|(path, _)| path).unwrap_or_default() })
}

/// What is read of an entity for a property of it: its columns, after those of the key, with which the answer says whose it is. Of a
/// stream, the content and its media type alone.
fn part(
    place: &Place<'_>,
    request: &Request,
    target: &path::Target<'_>,
    path: &[String],
    columns: &[usize],
) -> Result<BoundQuery, ODataError> {
    let mut query = plain_query(place.table);
    if target.kind == ReadKind::Media {
        query.select = columns.to_vec();
        return Ok(query);
    }
    let selected = match (&request.options.select, path) {
        (Some(items), [complex]) => {
            // The members that `$select` names inside the property, as if it stood before each of them.
            let inside =
                |item: &SelectItem| SelectItem { path: [std::slice::from_ref(complex), item.path.as_slice()].concat(), ..item.clone() };
            let items: Vec<SelectItem> = items.iter().map(inside).collect();
            query.selected = true;
            select::select(place, &items)?.columns
        }
        _ => columns.to_vec(),
    };
    query.select =
        place.table.columns.iter().copied().filter(|index| selected.contains(index) || place.table.table.key.contains(index)).collect();
    Ok(query)
}

/// A query over a table that asks for nothing in particular.
fn plain_query(table: &TableView) -> BoundQuery {
    BoundQuery::of(&table.table.name, table.columns.clone())
}

/// Names of the visible columns that requests name so: the bytes of streams, and what is a part of another property, have other names.
fn table_columns(table: &TableView) -> impl Iterator<Item = &str> {
    let overlay = &table.table.overlay;
    let plain =
        |index: &usize| !overlay.is_stream_content(*index) && overlay.complex_of(*index).is_none() && overlay.point_of(*index).is_none();
    let columns = table.columns.iter().copied().filter(plain);
    columns.filter_map(|index| table.table.columns.get(index)).map(|column| column.name.as_str())
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
