//! What every SQL database reads alike: the names of types, and columns that are what they are declared to be. It must not know any
//! database.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::expr::unsupported;
use portico_provider_api::{ScalarType, TableColumn, Unsupported};

/// The standard's name of a type, where it has one without facets.
pub(crate) fn type_name(scalar_type: ScalarType) -> &'static str {
    match scalar_type {
        ScalarType::Boolean => "BOOLEAN",
        ScalarType::Int16 => "SMALLINT",
        ScalarType::Int32 => "INTEGER",
        ScalarType::Int64 => "BIGINT",
        ScalarType::Float32 => "REAL",
        ScalarType::Float64 => "DOUBLE PRECISION",
        ScalarType::Decimal { .. } => "DECIMAL",
        ScalarType::Text | ScalarType::Guid | ScalarType::Json => "VARCHAR",
        ScalarType::Binary => "BLOB",
        ScalarType::Date => "DATE",
        ScalarType::Time => "TIME",
        ScalarType::Timestamp => "TIMESTAMP",
        ScalarType::TimestampTz => "TIMESTAMP WITH TIME ZONE",
    }
}

/// A column: how other forms are converted is everybody's own.
pub(crate) fn decoded(column: &TableColumn, stored: String) -> Result<String, Unsupported> {
    match column.codec {
        None => Ok(stored),
        Some(_) => Err(unsupported(format!("column '{}', which holds its values in another form,", column.name))),
    }
}
