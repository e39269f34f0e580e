//! A table in memory: what it is, and its rows.

use crate::row_hash;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use portico_provider_api::{EvaluateError, ForeignKey, RemoteColumn, RemoteTable, RemoteTableName};
use std::sync::Arc;

/// A table to be served.
#[derive(Debug, Clone)]
pub struct MemoryTable {
    /// Name.
    pub name: RemoteTableName,
    /// Comment.
    pub description: Option<String>,
    /// Columns; `generated` integers are numbered by the source.
    pub columns: Vec<RemoteColumn>,
    /// Names of the key's columns.
    pub primary_key: Vec<String>,
    /// Foreign keys, enforced.
    pub foreign_keys: Vec<ForeignKey>,
    /// Rows; every batch has the columns by name.
    pub batches: Vec<RecordBatch>,
}

impl MemoryTable {
    /// Rows in all batches.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The position of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| candidate.name == column)
    }

    /// What introspection says about it.
    pub fn remote_table(&self) -> RemoteTable {
        RemoteTable {
            name: self.name.clone(),
            description: self.description.clone(),
            columns: self.columns.clone(),
            primary_key: self.primary_key.clone(),
            unique_keys: Vec::new(),
            foreign_keys: self.foreign_keys.clone(),
            row_estimate: u64::try_from(self.row_count()).ok(),
            writable: !self.primary_key.is_empty(),
            row_version: row_hash::is_hidden(row_hash::NAME, self).then(row_hash::column),
        }
    }
}

/// All rows of a table as one batch.
pub(crate) fn whole_table(table: &MemoryTable) -> Result<RecordBatch, EvaluateError> {
    let schema: SchemaRef = match table.batches.first() {
        Some(batch) => batch.schema(),
        None => {
            let fields: Vec<_> = table.columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect();
            Arc::new(arrow::datatypes::Schema::new(fields))
        }
    };
    arrow::compute::concat_batches(&schema, &table.batches).map_err(|error| EvaluateError::Invalid(error.to_string()))
}
