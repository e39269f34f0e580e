//! Entity batches → JSON. Typed encoders are bound once per batch; rows go into one buffer. It must not know where rows come from.
//!
//! Control information has the `odata.` prefix, which clients of 4.0 need and clients of 4.01 read.
//!
//! [`JsonWriter`] writes collections of entities and single ones, references to them, and rows that are no entities; [`property`],
//! [`raw_value`] and [`ValuesWriter`] write values that stand alone; [`CrossJoinWriter`] writes the rows of `$crossjoin`; [`context`]
//! says what `@odata.context` is for each of them. [`RowsWriter`] is for answers that are not OData.

mod context;
mod cross_join;
mod digits;
mod document;
mod encode;
mod entity;
mod enumeration;
mod error;
mod escape;
mod expanded;
mod plan;
mod rows;
mod sink;
#[cfg(test)]
mod tests;
mod texts;
mod url;
mod value;
mod writer;

use crate::header::{OmitValues, Version};
pub use context::{ContextOf, Listed, context, context_url, listed, listed_members, name_contexts};
pub use cross_join::{CrossJoinForm, CrossJoinShape, CrossJoinWriter};
pub(crate) use digits::push_decimal;
pub(crate) use document::push_value;
pub(crate) use enumeration::combined;
pub use error::{ErrorDetail, error_object, odata_error};
pub(crate) use escape::push_string;
pub use rows::RowsWriter;
use std::collections::BTreeMap;
use thiserror::Error;
pub(crate) use url::push_encoded;
pub(crate) use url::value_text;
pub use url::{entity_links, entity_url};
pub use value::{RawValue, ValuesWriter, entity_path, entity_paths, find_property, property, raw_value};
pub use writer::{JsonWriter, Rendering};

/// A value that cannot be written. The body must be broken off: it is never ended well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the property {property} cannot be written: {reason}")]
pub struct WriteError {
    /// Which property.
    pub property: String,
    /// Why; without the value.
    pub reason: String,
}

impl WriteError {
    pub(crate) fn new(property: &str, reason: impl Into<String>) -> WriteError {
        WriteError { property: property.to_owned(), reason: reason.into() }
    }

    /// The same error, told of a property of an entity set.
    fn of(self, entity_set: &str) -> WriteError {
        let property = if entity_set.is_empty() { self.property } else { format!("{} of {entity_set}", self.property) };
        WriteError { property, ..self }
    }
}

/// `odata.metadata=…`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
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
    /// The absolute service root, with or without a trailing slash; full metadata and references need it.
    pub root_url: String,
    /// By entity set or singleton, what full metadata and references need (see [`entity_links`]); may be empty otherwise.
    pub links: BTreeMap<String, EntityLinks>,
    /// The version of the protocol.
    pub version: Version,
    /// The namespace of the service's types (see [`entity_links`]); full metadata needs it where there are enumerations.
    pub namespace: String,
    /// `omit-values`: properties that are null, or that have their default value, are left out. A property with an instance annotation never
    /// is.
    pub omit_values: Option<OmitValues>,
    /// Of the root's entities only their ids are shown: `$ref`.
    pub references: bool,
    /// The root's entities are of several sets (`$all`), and each says what it is.
    pub heterogeneous: bool,
}

/// What full metadata says of the entities of a set, or of a singleton.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityLinks {
    /// Qualified type name: `Portico.crm.Customers`.
    pub type_name: String,
    /// Key properties in key order.
    pub key: Vec<String>,
    /// Navigation properties.
    pub navigation: Vec<String>,
    /// Qualified names of the operations that are bound to one entity.
    pub operations: Vec<String>,
    /// Whether it is a singleton: then its name is its URL, without a key.
    pub singleton: bool,
}
