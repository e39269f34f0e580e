//! JSON request bodies → typed values by column. It must not know what becomes of them.

use crate::error::ODataError;
use portico_catalog::TableView;
use portico_provider_api::Value;

/// What a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new entity.
    Insert,
    /// Changes of an entity.
    Update,
}

/// Reads an entity: `(position in the virtual table, value)` in the order of the body.
///
/// # Errors
/// Names the property.
pub fn entity(bytes: &[u8], view: &TableView, purpose: Purpose) -> Result<Vec<(usize, Value)>, ODataError> {
    let _ = (bytes, view, purpose);
    Err(ODataError::not_implemented("bodies"))
}
