//! Entity batches → JSON. Typed encoders are bound once per batch; rows go into one buffer. It must not know where rows come from.
//!
//! Control information has the `odata.` prefix, which clients of 4.0 need and clients of 4.01 read.

mod encode;
mod error;
mod escape;
mod rows;
#[cfg(test)]
mod tests;
mod url;
mod writer;

pub(crate) use encode::push_decimal;
pub use error::{ErrorDetail, error_object, odata_error};
pub(crate) use escape::push_string;
pub use rows::RowsWriter;
use std::collections::BTreeMap;
use thiserror::Error;
pub(crate) use url::value_text;
pub use url::{context_url, entity_links, entity_url};
pub use writer::JsonWriter;

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
    /// The absolute service root, with or without a trailing slash; full metadata needs it.
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
