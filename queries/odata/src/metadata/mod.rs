//! Model view → service document and `$metadata`. Only what the view shows; the same view gives the same bytes.

use crate::error::ODataError;
use portico_catalog::ModelView;

/// The CSDL namespace of a service.
pub(crate) fn namespace(view: &ModelView) -> String {
    format!("Portico.{}", portico_catalog::names::sanitise(&view.service))
}

/// The service document (JSON). `root_url` is the absolute service root, with or without a trailing slash.
pub fn service_document(view: &ModelView, root_url: &str) -> Vec<u8> {
    let _ = (view, root_url);
    Vec::new()
}

/// The CSDL XML 4.0 document.
///
/// # Errors
/// Something that XML cannot carry.
pub fn xml(view: &ModelView) -> Result<String, ODataError> {
    let _ = view;
    Err(ODataError::not_implemented("$metadata"))
}
