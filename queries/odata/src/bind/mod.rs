//! Syntax tree + what the caller may see of the model → bound request. It must not look past the view: what is hidden is not there.

use crate::bound::{BoundRead, BoundWrite, MatchCondition};
use crate::error::ODataError;
use crate::syntax::Request;
use portico_catalog::ModelView;

/// Binds a read.
///
/// # Errors
/// `NotFound` when the path leads nowhere, `BadRequest` when something does not fit, `NotImplemented` for what is not built.
pub fn read(request: &Request, view: &ModelView) -> Result<BoundRead, ODataError> {
    let _ = (request, view);
    Err(ODataError::not_implemented("binding"))
}

/// Binds a `POST` of a JSON entity to an entity set. With `representation`, the answer's columns are selected.
///
/// # Errors
/// As [`read`]; `NotAllowed` when the caller may not insert.
pub fn insert(request: &Request, view: &ModelView, body: &[u8], representation: bool) -> Result<BoundWrite, ODataError> {
    let _ = (request, view, body, representation);
    Err(ODataError::not_implemented("binding"))
}

/// Binds a `PATCH` of an entity.
///
/// # Errors
/// As [`read`]; `NotAllowed` when the caller may not update.
pub fn update(
    request: &Request,
    view: &ModelView,
    body: &[u8],
    condition: MatchCondition,
    representation: bool,
) -> Result<BoundWrite, ODataError> {
    let _ = (request, view, body, condition, representation);
    Err(ODataError::not_implemented("binding"))
}

/// Binds a `DELETE` of an entity.
///
/// # Errors
/// As [`read`]; `NotAllowed` when the caller may not delete.
pub fn delete(request: &Request, view: &ModelView, condition: MatchCondition) -> Result<BoundWrite, ODataError> {
    let _ = (request, view, condition);
    Err(ODataError::not_implemented("binding"))
}
