//! Text → syntax tree. It must not know any model.

use crate::error::ODataError;
use crate::syntax::Request;

/// Parses a request: `path` relative to the service root, and the query without its `?`; both still percent-encoded.
///
/// # Errors
/// Names the culprit and where it stands.
pub fn request(path: &str, query: Option<&str>) -> Result<Request, ODataError> {
    let _ = (path, query);
    Err(ODataError::not_implemented("parsing"))
}
