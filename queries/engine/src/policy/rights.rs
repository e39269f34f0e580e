//! What the roles of a caller amount to.

use portico_catalog::VirtualTable;
use std::sync::Arc;

/// Rights.
pub struct Rights {}
/// Rights on a table.
pub struct TableRights {}

/// A table that a caller sees in SQL.
#[derive(Debug, Clone)]
pub struct VisibleTable {
    /// SQL schema: `public`, or the name of a service.
    pub schema: String,
    /// Name in that schema.
    pub name: String,
    /// The table.
    pub table: Arc<VirtualTable>,
    /// The Arrow schema that a `SELECT *` yields.
    pub arrow_schema: arrow::datatypes::SchemaRef,
}
