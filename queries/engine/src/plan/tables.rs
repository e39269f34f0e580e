//! The two faces of a virtual table inside DataFusion's logical plans: [`VisibleTable`] is what a caller's statement is planned
//! against, before policy; [`RemoteTable`] is what policy puts in its place. Neither can be executed: push-down replaces the
//! second, and the first never gets past policy.

use crate::policy::TableRights;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableSource};
use portico_catalog::{Origin, VirtualTable};
use portico_provider_api::TableRelation;
use std::sync::Arc;

/// Name of the column that carries what the ETag is made of. No published column can have it: it is not an identifier.
pub const ETAG_COLUMN: &str = "@etag";

/// A virtual table as a caller sees it: visible columns, and the ETag column where asked for.
pub struct VisibleTable {
    /// The caller's rights on it.
    pub rights: Arc<TableRights>,
    /// Whether the ETag column is part of the schema.
    pub with_etag: bool,
    schema: SchemaRef,
}

impl VisibleTable {
    /// The face of a table for a caller with these rights.
    pub fn new(rights: Arc<TableRights>, with_etag: bool) -> VisibleTable {
        let table = &rights.table;
        let mut fields: Vec<Field> = rights
            .columns
            .iter()
            .filter_map(|index| table.columns.get(*index))
            .zip(&rights.nullable)
            .map(|(column, nullable)| column.scalar_type.field(&column.name, *nullable))
            .collect();
        if with_etag && let Some(field) = etag_field(table) {
            fields.push(field);
        }
        VisibleTable { schema: Arc::new(Schema::new(fields)), rights, with_etag }
    }
}

/// The field of the ETag column: the row version where there is one, else the hash of the stored row. A view has none.
pub fn etag_field(table: &VirtualTable) -> Option<Field> {
    match &table.origin {
        Origin::Single { relation, version, .. } => {
            let version = version.and_then(|index| relation.columns.get(index));
            Some(match version {
                Some(column) => column.scalar_type.field(ETAG_COLUMN, column.nullable),
                None => Field::new(ETAG_COLUMN, arrow::datatypes::DataType::Utf8, true),
            })
        }
        Origin::Query { .. } => None,
    }
}

impl TableSource for VisibleTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// A remote table with all its relation's columns, under their remote names.
pub struct RemoteTable {
    /// The source.
    pub source: String,
    /// The virtual table that it was reached through, for freshness and estimates.
    pub table: Arc<VirtualTable>,
    /// The remote table and its columns.
    pub relation: TableRelation,
    schema: SchemaRef,
}

impl RemoteTable {
    /// The remote table behind a virtual table.
    pub fn new(source: &str, table: Arc<VirtualTable>, relation: TableRelation) -> RemoteTable {
        let fields: Vec<Field> = relation.columns.iter().map(|c| c.scalar_type.field(&c.name, c.nullable)).collect();
        RemoteTable { source: source.to_owned(), table, relation, schema: Arc::new(Schema::new(fields)) }
    }
}

impl TableSource for RemoteTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Every filter is taken into the scan: the cut then keeps locally what the source cannot evaluate.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }
}
