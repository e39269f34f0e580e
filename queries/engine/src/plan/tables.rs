//! The two faces of a virtual table inside DataFusion's logical plans: [`VisibleTable`] is what a caller's statement is planned
//! against, before policy; [`RemoteTable`] is what policy puts in its place. Neither can be executed: push-down replaces the
//! second, and the first never gets past policy.

use crate::policy::TableRights;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableSource};
use portico_catalog::{Origin, VirtualTable};
use portico_provider_api::{TableColumn, TableRelation};
use std::sync::Arc;

/// What the names of the columns that the ETag is made of begin with. No published column's does: it is not an identifier.
pub const ETAG_PREFIX: char = '@';

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
        if with_etag {
            fields.extend(etag_fields(table));
        }
        VisibleTable { schema: Arc::new(Schema::new(fields)), rights, with_etag }
    }
}

/// The columns that the ETag is made of: the row version where there is one, else every column of the relation, hidden ones too.
/// A view has none.
pub fn etag_fields(table: &VirtualTable) -> Vec<Field> {
    etag_columns(table).into_iter().map(|(name, _, column)| column.scalar_type.field(&name, column.nullable)).collect()
}

/// The same columns: name, position in the relation, and what they are there.
pub fn etag_columns(table: &VirtualTable) -> Vec<(String, usize, &TableColumn)> {
    match &table.origin {
        Origin::Single { relation, version, .. } => {
            let all = relation.columns.iter().enumerate();
            let made_of = all.filter(|(index, _)| version.is_none_or(|version| version == *index));
            made_of.map(|(index, column)| (format!("{ETAG_PREFIX}row{index}"), index, column)).collect()
        }
        Origin::Query { .. } => Vec::new(),
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
