//! Model view → service document and `$metadata`. Only what the view shows; the same view gives the same bytes.

mod annotations;
mod csdl;
#[cfg(test)]
mod tests;

use crate::error::ODataError;
use crate::json::push_string;
use portico_catalog::ModelView;

/// The CSDL namespace of a service.
pub fn namespace(view: &ModelView) -> String {
    namespace_of(&view.service)
}

/// The CSDL namespace of the service of that name.
pub fn namespace_of(service: &str) -> String {
    format!("Portico.{}", portico_catalog::names::sanitise(service))
}

/// The service document (JSON). `root_url` is the absolute service root, with or without a trailing slash.
pub fn service_document(view: &ModelView, root_url: &str) -> Vec<u8> {
    let root = root_url.trim_end_matches('/');
    let mut out = b"{\"@odata.context\":".to_vec();
    push_string(&format!("{root}/$metadata"), &mut out);
    out.extend_from_slice(b",\"value\":[");
    for (index, table) in view.tables.values().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
        push_string(&table.name, &mut out);
        out.extend_from_slice(b",\"kind\":\"EntitySet\",\"url\":");
        push_string(&table.name, &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// The CSDL XML 4.0 document.
///
/// # Errors
/// None that a view can cause; the XML writer's, if it has any.
pub fn xml(view: &ModelView) -> Result<String, ODataError> {
    let failed = || ODataError::bad_request("the metadata document cannot be written");
    let bytes = csdl::document(view).map_err(|_| failed())?;
    String::from_utf8(bytes).map_err(|_| failed())
}
