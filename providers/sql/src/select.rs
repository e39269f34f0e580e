//! Queries.
use crate::dialect::Dialect;
use crate::statement::Statement;
use portico_provider_api::{SourceQuery, Unsupported};

/// Translates a query.
///
/// # Errors
/// Names the first part that the dialect cannot say exactly.
pub fn select(query: &SourceQuery, dialect: &Dialect) -> Result<Statement, Unsupported> {
    let _ = (query, dialect);
    Err(Unsupported { feature: "any query yet".to_owned() })
}
