//! Writes to one entity. Whether `If-Match` must be sent, and whether read-only values changed, is for later stages: they know the row.

use super::options::{self, Place};
use super::path::{self, Target};
use super::select;
use crate::body::{self, Purpose};
use crate::bound::{BoundAction, BoundWrite, MatchCondition, ReadKind, WriteAction};
use crate::error::{ODataError, ODataErrorKind};
use crate::metadata::namespace;
use crate::syntax::{Request, Resource};
use crate::value_type::RowType;
use portico_catalog::{ModelView, Operation, TableView};
use portico_provider_api::Value;

/// Binds a `POST` of a JSON entity to an entity set. With `representation`, the answer's columns are selected.
///
/// # Errors
/// As [`super::read`]; `NotAllowed` when the caller may not insert.
pub fn insert(request: &Request, view: &ModelView, body: &[u8], representation: bool) -> Result<BoundWrite, ODataError> {
    let target = path::resolve(request, view)?;
    if target.call.is_some() {
        return Err(not_allowed("POST does not go to a function: call it with GET"));
    }
    if target.filter.is_some() || target.cast.is_some() {
        return Err(ODataError::not_implemented("a write through a type cast or $filter in the path").at("path", None));
    }
    if target.via.is_some() {
        return Err(ODataError::not_implemented("inserting through a navigation property").at("path", None));
    }
    if target.kind != ReadKind::Collection {
        return Err(not_allowed("POST goes to an entity set, not to one entity or a count"));
    }
    let table = target.table;
    if !table.insertable {
        return Err(not_allowed(format!("entities of '{}' may not be inserted", table.name)));
    }
    let select = returned(request, view, table, representation)?;
    let values = body::entity(body, &namespace(view), table, Purpose::Insert)?;
    Ok(BoundWrite { table: table.table.name.clone(), action: WriteAction::Insert { values }, select })
}

/// Binds a `POST` to an action, with its parameters in the body; nothing when the path does not end in an action. With `representation`,
/// what it returns is read, as the query options say.
///
/// # Errors
/// As [`super::read`], and those of [`body::parameters`].
pub fn action(
    request: &Request,
    view: &ModelView,
    body: &[u8],
    condition: MatchCondition,
    representation: bool,
) -> Result<Option<BoundAction>, ODataError> {
    super::schema_version(&request.options, view)?;
    let values = |operation: &Operation| body::parameters(body, &operation.parameters);
    let Some((call, target)) = path::action(view, request, &values)? else { return Ok(None) };
    if request.options.skip_token.is_some() {
        return Err(ODataError::bad_request("what an action returns comes at once and is not continued").at("$skiptoken", None));
    }
    let Some(target) = target else {
        options::only(&request.options, &["$format"], &format!("to '{}', which returns nothing", call.operation.name))?;
        return Ok(Some(BoundAction { call, read: None, condition }));
    };
    let read = super::of_target(request, view, target)?;
    Ok(Some(BoundAction { call, read: representation.then_some(read), condition }))
}

/// Binds a `PATCH` of an entity.
///
/// # Errors
/// As [`super::read`]; `NotAllowed` when the caller may not update.
pub fn update(
    request: &Request,
    view: &ModelView,
    body: &[u8],
    condition: MatchCondition,
    representation: bool,
) -> Result<BoundWrite, ODataError> {
    let (table, key) = one_entity(request, view, "PATCH")?;
    if !table.updatable {
        return Err(not_allowed(format!("entities of '{}' may not be updated", table.name)));
    }
    let select = returned(request, view, table, representation)?;
    let values = body::entity(body, &namespace(view), table, Purpose::Update)?;
    Ok(BoundWrite { table: table.table.name.clone(), action: WriteAction::Update { key, values, condition }, select })
}

/// Binds a `DELETE` of an entity.
///
/// # Errors
/// As [`super::read`]; `NotAllowed` when the caller may not delete.
pub fn delete(request: &Request, view: &ModelView, condition: MatchCondition) -> Result<BoundWrite, ODataError> {
    if let Some(name) = path::singleton(request, view).filter(|_| !leads_on(request)) {
        return Err(not_allowed(format!("'{name}' is a singleton, which cannot be deleted")));
    }
    let (table, key) = one_entity(request, view, "DELETE")?;
    if !table.deletable {
        return Err(not_allowed(format!("entities of '{}' may not be deleted", table.name)));
    }
    options::refuse_unbuilt(&request.options, None)?;
    options::only(&request.options, &["$format"], "to DELETE")?;
    Ok(BoundWrite { table: table.table.name.clone(), action: WriteAction::Delete { key, condition }, select: Vec::new() })
}

fn one_entity<'a>(request: &Request, view: &'a ModelView, method: &str) -> Result<(&'a TableView, Vec<Value>), ODataError> {
    let Target { table, key, via, kind, filter, call, .. } = path::resolve(request, view)?;
    if call.is_some() {
        return Err(not_allowed(format!("{method} does not go to what a function returns")));
    }
    if filter.is_some() {
        return Err(ODataError::not_implemented(format!("{method} through a type cast or $filter in the path")).at("path", None));
    }
    if !matches!(kind, ReadKind::Entity | ReadKind::Collection) {
        return Err(ODataError::not_implemented(format!("{method} of what is not a whole entity")).at("path", None));
    }
    match (key, via) {
        (Some(key), None) => Ok((table, key)),
        (_, Some(_)) => Err(ODataError::not_implemented(format!("{method} through a navigation property")).at("path", None)),
        (None, None) if kind == ReadKind::Entity => {
            let message = format!("{method} of a singleton of '{}' of which the model says no key", table.name);
            Err(ODataError::not_implemented(message).at("path", None))
        }
        (None, None) => Err(not_allowed(format!("{method} goes to one entity, not to the whole of '{}': give a key", table.name))),
    }
}

/// Whether something follows what a path begins at.
fn leads_on(request: &Request) -> bool {
    matches!(&request.resource, Resource::EntitySet(segments) if segments.len() > 1)
}

fn not_allowed(message: impl Into<String>) -> ODataError {
    ODataError::new(ODataErrorKind::NotAllowed, message).at("path", None)
}

/// The columns of the answer.
fn returned(request: &Request, view: &ModelView, table: &TableView, representation: bool) -> Result<Vec<usize>, ODataError> {
    if request.options.expand.is_some() {
        return Err(ODataError::not_implemented("$expand on a write").at("$expand", None));
    }
    options::refuse_unbuilt(&request.options, None)?;
    options::only(&request.options, &["$select", "$format"], "to a write")?;
    let rows = RowType::of_table(table);
    let place = Place { view, table, rows: &rows, aliases: &request.aliases, cast: None, nested_in: None, depth: 0 };
    let selected = request.options.select.as_ref().map(|items| select::select(&place, items)).transpose()?.map(|selected| selected.columns);
    Ok(if representation { selected.unwrap_or_else(|| table.columns.clone()) } else { Vec::new() })
}
