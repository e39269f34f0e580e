//! Catalogue listings: catalogs, schemas, tables, keys and what the server can do. Only what the caller sees. A filter that is not
//! given is no filter.

use crate::error::{Code, RequestError};
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt8Array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, SqlInfo, SqlNullOrdering, SqlSupportedCaseSensitivity,
    SqlSupportedTransaction, SqlTransactionIsolationLevel,
};
use portico_catalog::{Origin, Relationship, VirtualTable};
use portico_engine::VisibleTable;
use portico_provider_api::ScalarType;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The catalog of virtual tables; `portico.public.Customers` resolves in SQL. A source is the catalog of its remote tables.
pub const CATALOG: &str = "portico";
const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

fn internal(error: impl std::fmt::Display) -> RequestError {
    RequestError::new(Code::Internal, format!("the listing cannot be made: {error}"))
}

/// The catalogs: the gateway's own, and the sources of which the caller sees remote tables.
///
/// # Errors
/// `Internal`.
pub fn catalogs(command: CommandGetCatalogs, tables: &[VisibleTable]) -> Result<RecordBatch, RequestError> {
    let mut builder = command.into_builder();
    for catalog in tables.iter().map(|table| table.catalog.as_str()).chain([CATALOG]).collect::<BTreeSet<_>>() {
        builder.append(catalog);
    }
    builder.build().map_err(internal)
}

/// The schemas that hold at least one visible table.
///
/// # Errors
/// `Internal`.
pub fn schemas(command: CommandGetDbSchemas, tables: &[VisibleTable]) -> Result<RecordBatch, RequestError> {
    let mut builder = command.into_builder();
    for (catalog, schema) in tables.iter().map(|table| (table.catalog.as_str(), table.schema.as_str())).collect::<BTreeSet<_>>() {
        builder.append(catalog, schema);
    }
    builder.build().map_err(internal)
}

fn table_type(table: &VirtualTable) -> &'static str {
    match &table.origin {
        Origin::Single { .. } => TABLE,
        Origin::Query { .. } => VIEW,
    }
}

/// The visible tables.
///
/// # Errors
/// `Internal`.
pub fn tables(command: CommandGetTables, tables: &[VisibleTable]) -> Result<RecordBatch, RequestError> {
    let mut builder = command.into_builder();
    for table in tables {
        builder.append(&table.catalog, &table.schema, &table.name, table_type(&table.table), &described(table)).map_err(internal)?;
    }
    builder.build().map_err(internal)
}

/// A table's schema with what Flight SQL has for a client to know of a column beyond its Arrow type: which texts are GUIDs or JSON
/// documents, how long a text can be, what a column is for. The names of the keys are the protocol's.
fn described(table: &VisibleTable) -> Schema {
    let field = |field: &FieldRef| {
        let Some(column) = table.table.columns.iter().find(|column| column.name == *field.name()) else { return field.as_ref().clone() };
        let (size, scale) = match column.scalar_type {
            ScalarType::Decimal { precision, scale } => (Some(u32::from(precision)), Some(scale)),
            _ => (column.max_length, None),
        };
        let known = [
            ("TYPE_NAME", Some(column.scalar_type.to_string())),
            ("PRECISION", size.map(|size| size.to_string())),
            ("SCALE", scale.map(|scale| scale.to_string())),
            ("REMARKS", column.description.clone()),
        ];
        let metadata = known.into_iter().filter_map(|(key, value)| Some((format!("ARROW:FLIGHT:SQL:{key}"), value?)));
        field.as_ref().clone().with_metadata(metadata.collect())
    };
    Schema::new(table.arrow_schema.fields().iter().map(field).collect::<Vec<_>>())
}

/// The types of tables.
///
/// # Errors
/// `Internal`.
pub fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch, RequestError> {
    let mut builder = command.into_builder();
    builder.append(TABLE);
    builder.append(VIEW);
    builder.build().map_err(internal)
}

/// Which tables a listing of keys is about: a name that is not given, or an empty catalog, is no filter.
#[derive(Debug, Clone, Default)]
pub struct TableFilter {
    /// Catalog.
    pub catalog: Option<String>,
    /// Schema.
    pub schema: Option<String>,
    /// Table.
    pub table: String,
}

impl TableFilter {
    fn admits(&self, table: &VisibleTable) -> bool {
        self.catalog.as_deref().is_none_or(|catalog| catalog == table.catalog)
            && self.schema.as_deref().is_none_or(|schema| schema == table.schema)
            && self.table == table.name
    }
}

/// The schema of a listing of primary keys.
pub fn primary_keys_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("key_name", DataType::Utf8, true),
    ]))
}

/// The visible columns of a key, in key order; empty when one of them is hidden.
fn visible_key(table: &VisibleTable) -> Vec<&str> {
    let named = |index: &usize| table.table.columns.get(*index).map(|column| column.name.as_str());
    let names: Option<Vec<&str>> = table.table.key.iter().map(named).collect();
    names.filter(|names| names.iter().all(|name| table.arrow_schema.index_of(name).is_ok())).unwrap_or_default()
}

/// The primary key of a table.
///
/// # Errors
/// `Internal`.
pub fn primary_keys(filter: &TableFilter, tables: &[VisibleTable]) -> Result<RecordBatch, RequestError> {
    let (mut catalogs, mut schemas, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut columns, mut sequence) = (Vec::new(), Vec::new());
    for table in tables.iter().filter(|table| filter.admits(table)) {
        for (position, column) in (1_i32..).zip(visible_key(table)) {
            catalogs.push(table.catalog.clone());
            schemas.push(table.schema.clone());
            names.push(table.name.clone());
            columns.push(column.to_owned());
            sequence.push(position);
        }
    }
    let length = names.len();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(catalogs)),
        Arc::new(StringArray::from(schemas)),
        Arc::new(StringArray::from(names)),
        Arc::new(StringArray::from(columns)),
        Arc::new(Int32Array::from(sequence)),
        Arc::new(StringArray::from(vec![None::<&str>; length])),
    ];
    RecordBatch::try_new(primary_keys_schema(), arrays).map_err(internal)
}

/// The schema of a listing of foreign keys.
pub fn foreign_keys_schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name", true),
        text("pk_key_name", true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}

/// One column of a foreign key.
struct Reference {
    schema: String,
    parent: (String, String),
    child: (String, String),
    sequence: i32,
    name: String,
}

/// Foreign keys between visible tables of one schema: relationships that lead to one row by its key. `parent` and `child` are what is
/// asked for: the keys that refer to a table, that a table has, or between two tables.
///
/// # Errors
/// `Internal`.
pub fn foreign_keys(
    parent: Option<&TableFilter>,
    child: Option<&TableFilter>,
    tables: &[VisibleTable],
) -> Result<RecordBatch, RequestError> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| child.is_none_or(|filter| filter.admits(table))) {
        for relationship in table.table.relationships.iter().filter(|relationship| !relationship.many) {
            let target = tables
                .iter()
                .find(|other| (&other.catalog, &other.schema) == (&table.catalog, &table.schema) && other.table.name == relationship.to);
            if let Some(target) = target.filter(|target| parent.is_none_or(|filter| filter.admits(target))) {
                found.extend(references(table, target, relationship));
            }
        }
    }
    found.sort_by(|a, b| (&a.parent.0, &a.name, a.sequence).cmp(&(&b.parent.0, &b.name, b.sequence)));
    foreign_key_batch(&found)
}

fn references(table: &VisibleTable, target: &VisibleTable, relationship: &Relationship) -> Vec<Reference> {
    let column = |side: &VisibleTable, index: usize| side.table.columns.get(index).map(|column| column.name.clone());
    let visible = |side: &VisibleTable, name: &str| side.arrow_schema.index_of(name).is_ok();
    let pairs: Option<Vec<(String, String)>> =
        relationship.on.iter().map(|(own, other)| Some((column(table, *own)?, column(target, *other)?))).collect();
    let pairs = pairs.filter(|pairs| pairs.iter().all(|(own, other)| visible(table, own) && visible(target, other))).unwrap_or_default();
    // Only what refers to the whole key is a foreign key.
    let key = visible_key(target);
    if pairs.len() != key.len() || !pairs.iter().all(|(_, other)| key.contains(&other.as_str())) {
        return Vec::new();
    }
    let reference = |(sequence, (own, other)): (i32, (String, String))| Reference {
        schema: table.schema.clone(),
        parent: (target.name.clone(), other),
        child: (table.name.clone(), own),
        sequence,
        name: format!("{}_{}", table.name, relationship.name),
    };
    (1_i32..).zip(pairs).map(reference).collect()
}

fn foreign_key_batch(found: &[Reference]) -> Result<RecordBatch, RequestError> {
    let texts = |of: &dyn Fn(&Reference) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(found.iter().map(of))) };
    // RESTRICT (1): the gateway itself changes nothing in related rows.
    let rules: ArrayRef = Arc::new(UInt8Array::from(vec![1; found.len()]));
    let arrays: Vec<ArrayRef> = vec![
        texts(&|_| CATALOG),
        texts(&|reference| &reference.schema),
        texts(&|reference| &reference.parent.0),
        texts(&|reference| &reference.parent.1),
        texts(&|_| CATALOG),
        texts(&|reference| &reference.schema),
        texts(&|reference| &reference.child.0),
        texts(&|reference| &reference.child.1),
        Arc::new(Int32Array::from_iter_values(found.iter().map(|reference| reference.sequence))),
        texts(&|reference| &reference.name),
        Arc::new(StringArray::from(vec![None::<&str>; found.len()])),
        Arc::clone(&rules),
        rules,
    ];
    RecordBatch::try_new(foreign_keys_schema(), arrays).map_err(internal)
}

/// What the server says of itself.
///
/// # Errors
/// `Internal`.
pub fn sql_info() -> Result<SqlInfoData, RequestError> {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "Portico");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    info.append(SqlInfo::FlightSqlServerReadOnly, true);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    info.append(SqlInfo::FlightSqlServerCancel, false);
    info.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    info.append(SqlInfo::SqlDdlCatalog, false);
    info.append(SqlInfo::SqlDdlSchema, false);
    info.append(SqlInfo::SqlDdlTable, false);
    // Identifiers keep their case and are compared as they are written, quoted or not.
    info.append(SqlInfo::SqlIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    info.append(SqlInfo::SqlQuotedIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32);
    info.append(SqlInfo::SqlAllTablesAreSelectable, true);
    info.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    info.append(SqlInfo::SqlSupportsColumnAliasing, true);
    info.append(SqlInfo::SqlNullPlusNullIsNull, true);
    info.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    info.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    info.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    info.append(SqlInfo::SqlSupportsNonNullableColumns, true);
    info.append(SqlInfo::SqlSchemaTerm, "schema");
    info.append(SqlInfo::SqlCatalogTerm, "catalog");
    info.append(SqlInfo::SqlCatalogAtStart, true);
    info.append(SqlInfo::SqlSelectForUpdateSupported, false);
    info.append(SqlInfo::SqlStoredProceduresSupported, false);
    info.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    info.append(SqlInfo::SqlDefaultTransactionIsolation, i64::from(SqlTransactionIsolationLevel::SqlTransactionNone as i32));
    info.append(SqlInfo::SqlTransactionsSupported, false);
    info.append(SqlInfo::SqlSavepointsSupported, false);
    info.append(SqlInfo::SqlNamedParametersSupported, false);
    info.build().map_err(internal)
}
