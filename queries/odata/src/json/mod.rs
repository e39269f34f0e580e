//! Entity batches → JSON. Typed encoders are bound once per batch; rows go into one buffer. It must not know where rows come from.

use crate::bound::BoundRead;
use crate::error::ODataError;
use crate::rows::{EntityBatch, EntityShape};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use bytes::{Bytes, BytesMut};
use portico_catalog::{ModelView, TableView};
use portico_provider_api::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// A value that cannot be written. The body must be broken off: it is never ended well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the property {property} cannot be written: {reason}")]
pub struct WriteError {
    /// Which property.
    pub property: String,
    /// Why; without the value.
    pub reason: String,
}

/// `odata.metadata=…`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetadataLevel {
    /// No control information but next link and count.
    None,
    /// What a client cannot derive.
    #[default]
    Minimal,
    /// Everything: ids, edit links, types, navigation links.
    Full,
}

/// How a payload is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JsonOptions {
    /// `IEEE754Compatible=true`: 64-bit integers, decimals and the count as strings.
    pub ieee754_compatible: bool,
    /// How much control information.
    pub metadata: MetadataLevel,
    /// `@odata.context` (see [`context_url`]).
    pub context_url: Option<String>,
    /// The absolute service root, with or without a trailing slash.
    pub root_url: String,
    /// By entity set, what full metadata needs (see [`entity_links`]); may be empty otherwise.
    pub links: BTreeMap<String, EntityLinks>,
}

/// What full metadata says of the entities of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityLinks {
    /// Qualified type name: `Portico.crm.Customers`.
    pub type_name: String,
    /// Key properties in key order.
    pub key: Vec<String>,
    /// Navigation properties.
    pub navigation: Vec<String>,
}

/// [`EntityLinks`] of every entity set of a view.
pub fn entity_links(view: &ModelView) -> BTreeMap<String, EntityLinks> {
    let _ = view;
    BTreeMap::new()
}

/// The context URL of an answer: absolute, in the form of OData 4.0.
pub fn context_url(root_url: &str, view: &ModelView, read: &BoundRead) -> String {
    let _ = (root_url, view, read);
    String::new()
}

/// The canonical URL of an entity: for `Location` and `OData-EntityId`. Key values are in key order.
pub fn entity_url(root_url: &str, table: &TableView, key: &[Value]) -> String {
    let _ = (root_url, table, key);
    String::new()
}

/// Writes entities.
#[derive(Debug)]
pub struct JsonWriter {
    _private: (),
}

impl JsonWriter {
    /// A writer of entities of this shape.
    pub fn new(shape: &EntityShape, options: JsonOptions) -> JsonWriter {
        let _ = (shape, options);
        JsonWriter { _private: () }
    }

    /// Everything before the first entity.
    pub fn start_collection(&mut self, count: Option<u64>) -> Bytes {
        let _ = count;
        Bytes::new()
    }

    /// The entities of a batch.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_batch(&mut self, batch: &EntityBatch, out: &mut BytesMut) -> Result<(), WriteError> {
        let _ = (batch, out);
        Ok(())
    }

    /// Everything after the last entity.
    pub fn finish_collection(&mut self, next_link: Option<&str>) -> Bytes {
        let _ = next_link;
        Bytes::new()
    }

    /// A whole answer with one entity: the first row of the batch.
    ///
    /// # Errors
    /// See [`WriteError`]; also a batch without rows.
    pub fn entity(&mut self, batch: &EntityBatch) -> Result<Bytes, WriteError> {
        let _ = batch;
        Ok(Bytes::new())
    }
}

/// Writes rows of any record batch as an array of objects: answers to SQL.
#[derive(Debug)]
pub struct RowsWriter {
    _private: (),
}

impl RowsWriter {
    /// A writer for batches of this schema.
    ///
    /// # Errors
    /// Two columns of one name; a type that has no JSON form.
    pub fn new(schema: &Schema) -> Result<RowsWriter, WriteError> {
        let _ = schema;
        Ok(RowsWriter { _private: () })
    }

    /// Everything before the first row.
    pub fn start(&mut self) -> Bytes {
        Bytes::new()
    }

    /// The rows of a batch.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_batch(&mut self, batch: &RecordBatch, out: &mut BytesMut) -> Result<(), WriteError> {
        let _ = (batch, out);
        Ok(())
    }

    /// Everything after the last row.
    pub fn finish(&mut self) -> Bytes {
        Bytes::new()
    }
}

/// One of several errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDetail {
    /// Code.
    pub code: String,
    /// For a person.
    pub message: String,
    /// What it is about.
    pub target: Option<String>,
}

/// The error object: `{"error":{"code":…,"message":…}}`.
pub fn error_object(code: &str, message: &str, target: Option<&str>, details: &[ErrorDetail]) -> Vec<u8> {
    let _ = (code, message, target, details);
    Vec::new()
}

/// The error object of an OData error.
pub fn odata_error(code: &str, error: &ODataError) -> Vec<u8> {
    error_object(code, &error.message, error.target.as_deref(), &[])
}
