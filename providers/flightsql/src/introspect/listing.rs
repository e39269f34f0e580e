//! The listings of Flight SQL: tables with their schemas, primary keys, foreign keys. Pure: it reads what was answered.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Schema};
use arrow_flight::IpcMessage;
use portico_provider_api::{SourceError, SourceErrorKind};

/// Where a table is. What a server does not have is absent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Catalog.
    pub catalog: Option<String>,
    /// Schema.
    pub schema: Option<String>,
    /// Table.
    pub table: String,
}

/// A table that a server lists.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Where it is.
    pub place: Place,
    /// Its columns.
    pub schema: Schema,
}

/// A foreign key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Name.
    pub name: String,
    /// Referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub references: Place,
    /// Its columns.
    pub referenced_columns: Vec<String>,
}

fn malformed(source_name: &str, what: &str) -> SourceError {
    SourceError::new(source_name, SourceErrorKind::Malformed, format!("the server's listing of {what} cannot be understood"))
}

/// The texts of a column; those of one that a server leaves out are absent.
fn texts(batch: &RecordBatch, name: &str) -> Option<Vec<Option<String>>> {
    let Some(column) = batch.column_by_name(name) else { return Some(vec![None; batch.num_rows()]) };
    let column: ArrayRef = cast(column, &DataType::Utf8).ok()?;
    // What a server does not have may be the empty text as well.
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Some(column.as_string_opt::<i32>()?.iter().map(text).collect())
}

fn numbers(batch: &RecordBatch, name: &str) -> Option<Vec<i32>> {
    let column = cast(batch.column_by_name(name)?, &DataType::Int32).ok()?;
    let numbers = column.as_primitive_opt::<Int32Type>()?;
    (numbers.null_count() == 0).then(|| numbers.values().to_vec())
}

/// The tables, in the order of their places.
///
/// # Errors
/// `Malformed`.
pub fn tables(source_name: &str, batches: &[RecordBatch]) -> Result<Vec<Listed>, SourceError> {
    let failed = || malformed(source_name, "tables");
    let mut found = Vec::new();
    for batch in batches {
        let columns = ["catalog_name", "db_schema_name", "table_name"].map(|name| texts(batch, name));
        let [Some(catalogs), Some(schemas), Some(tables)] = columns else { return Err(failed()) };
        let encoded = batch.column_by_name("table_schema").and_then(|column| cast(column, &DataType::Binary).ok()).ok_or_else(failed)?;
        let encoded = encoded.as_binary_opt::<i32>().ok_or_else(failed)?;
        for (row, ((catalog, schema), table)) in catalogs.into_iter().zip(schemas).zip(tables).enumerate() {
            let place = Place { catalog, schema, table: table.ok_or_else(failed)? };
            let bytes = encoded.is_valid(row).then(|| encoded.value(row).to_vec()).ok_or_else(failed)?;
            let schema = Schema::try_from(IpcMessage(bytes.into())).map_err(|_| failed())?;
            found.push(Listed { place, schema });
        }
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(found)
}

/// The columns of a table's primary key, in key order.
///
/// # Errors
/// `Malformed`.
pub fn primary_key(source_name: &str, batches: &[RecordBatch]) -> Result<Vec<String>, SourceError> {
    let failed = || malformed(source_name, "primary keys");
    let mut parts = Vec::new();
    for batch in batches {
        let names = texts(batch, "column_name").ok_or_else(failed)?;
        let sequence = numbers(batch, "key_sequence").ok_or_else(failed)?;
        for (name, position) in names.into_iter().zip(sequence) {
            parts.push((position, name.ok_or_else(failed)?));
        }
    }
    parts.sort_by_key(|(position, _)| *position);
    Ok(parts.into_iter().map(|(_, name)| name).collect())
}

/// The foreign keys of a table. A key without a name is told from the next by its numbers, which begin anew.
///
/// # Errors
/// `Malformed`.
pub fn foreign_keys(source_name: &str, batches: &[RecordBatch]) -> Result<Vec<Reference>, SourceError> {
    let failed = || malformed(source_name, "foreign keys");
    let mut found: Vec<Reference> = Vec::new();
    let mut last = i32::MAX;
    for batch in batches {
        let names = ["pk_catalog_name", "pk_db_schema_name", "pk_table_name", "pk_column_name", "fk_column_name", "fk_key_name"];
        let columns: Option<Vec<_>> = names.iter().map(|name| texts(batch, name)).collect();
        let columns = columns.ok_or_else(failed)?;
        let sequence = numbers(batch, "key_sequence").ok_or_else(failed)?;
        for (row, position) in sequence.into_iter().enumerate() {
            let at = |column: usize| columns.get(column).and_then(|texts| texts.get(row)).cloned().flatten();
            let references = Place { catalog: at(0), schema: at(1), table: at(2).ok_or_else(failed)? };
            let (referenced, own) = (at(3).ok_or_else(failed)?, at(4).ok_or_else(failed)?);
            let name = at(5);
            let same = |key: &&mut Reference| {
                key.references == references && name.as_ref().is_none_or(|name| *name == key.name) && position > last
            };
            match found.last_mut().filter(same) {
                Some(key) => {
                    key.columns.push(own);
                    key.referenced_columns.push(referenced);
                }
                None => {
                    let name = name.unwrap_or_else(|| format!("{}_{own}", references.table));
                    found.push(Reference { name, columns: vec![own], references, referenced_columns: vec![referenced] });
                }
            }
            last = position;
        }
    }
    Ok(found)
}
