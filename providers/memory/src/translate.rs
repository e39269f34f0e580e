//! From a source query to what the kind runs: here the query itself, once it has been found to lie within the capabilities and
//! to match the table. Pure.

use crate::table::MemoryTable;
use portico_provider_api::evaluate::check_query;
use portico_provider_api::readable::{Literals, readable};
use portico_provider_api::{Capabilities, EvaluateError, NativeRequest, SourceErrorKind, SourceQuery, TableRelation};

/// Why a query is refused: its kind and a message.
pub type Refusal = (SourceErrorKind, String);

/// Refuses what lies beyond the capabilities.
///
/// # Errors
/// Names the part that does.
pub fn check(query: &SourceQuery, capabilities: &Capabilities) -> Result<(), Refusal> {
    capabilities.check(query).map_err(|refused| (SourceErrorKind::Unsupported, refused.to_string()))?;
    check_query(query).map_err(refusal)
}

/// What an evaluation's failure is to the one who asked.
pub fn refusal(error: EvaluateError) -> Refusal {
    let kind = match &error {
        EvaluateError::Data(_) => SourceErrorKind::Data,
        // Operands that do not fit are nothing this kind can be asked.
        EvaluateError::Unsupported(_) | EvaluateError::Invalid(_) => SourceErrorKind::Unsupported,
    };
    (kind, error.to_string())
}

/// Checks the columns in scope against the table, as [`crate::held`] has made it.
///
/// # Errors
/// Names the column that is missing or of another type.
pub fn check_columns(relation: &TableRelation, table: &MemoryTable) -> Result<(), Refusal> {
    for column in &relation.columns {
        let name = format!("column '{}' of table '{}'", column.name, table.name);
        let Some(found) = table.columns.iter().find(|candidate| candidate.name == column.name) else {
            return Err((SourceErrorKind::SchemaChanged, format!("{name} does not exist")));
        };
        if found.scalar_type != column.scalar_type {
            let message = format!("{name} is {} instead of {}", found.scalar_type, column.scalar_type);
            return Err((SourceErrorKind::SchemaChanged, message));
        }
        if found.nullable && !column.nullable {
            return Err((SourceErrorKind::SchemaChanged, format!("{name} may be null")));
        }
    }
    Ok(())
}

/// The query as text, its literals as placeholders.
pub fn describe(query: &SourceQuery) -> NativeRequest {
    let (text, parameters) = readable(query, Literals::Placeholders);
    NativeRequest { language: "memory".to_owned(), text, parameters }
}
