//! A hidden column that tells the states of a row apart, as the ETag of a resource does: a hash of what the row holds. Pure.

use crate::table::{MemoryTable, whole_table};
use crate::translate::{Refusal, refusal};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use portico_provider_api::arrays::{array_from_values, row_at};
use portico_provider_api::{RemoteColumn, ScalarType, SourceErrorKind, TableRelation, Value};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Its name, unless the table has a column of that name.
pub(crate) const NAME: &str = "row_hash";

/// The column as introspection describes it.
pub(crate) fn column() -> RemoteColumn {
    RemoteColumn::plain(NAME, ScalarType::Text, false)
}

/// Whether a column of that name is the hidden one of the table.
pub(crate) fn is_hidden(name: &str, table: &MemoryTable) -> bool {
    name == NAME && table.position(NAME).is_none()
}

/// The hash of a row.
pub(crate) fn of(row: &[Value]) -> Value {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    Value::Text(format!("{:016x}", hasher.finish()))
}

/// The table with the hidden column, where a relation asks for it.
pub(crate) fn with(relation: &TableRelation, table: Arc<MemoryTable>) -> Result<Arc<MemoryTable>, Refusal> {
    if !relation.columns.iter().any(|column| is_hidden(&column.name, &table)) {
        return Ok(table);
    }
    let stored = whole_table(&table).map_err(refusal)?;
    let types: Vec<ScalarType> = table.columns.iter().map(|column| column.scalar_type).collect();
    let hashes = (0..stored.num_rows()).map(|row| row_at(&stored, row, &types).map(|row| of(&row)));
    let hashes = hashes.collect::<Result<Vec<_>, _>>().map_err(refusal)?;
    let mut fields: Vec<_> = stored.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(ScalarType::Text.field(NAME, false)));
    let mut arrays = stored.columns().to_vec();
    arrays.push(array_from_values(ScalarType::Text, &hashes).map_err(refusal)?);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
    let batch = batch.map_err(|error| (SourceErrorKind::Internal, format!("table '{}': {error}", table.name)))?;
    let columns = table.columns.iter().cloned().chain([column()]).collect();
    Ok(Arc::new(MemoryTable { columns, batches: vec![batch], ..(*table).clone() }))
}
