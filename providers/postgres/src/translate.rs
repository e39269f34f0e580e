//! Source queries to PostgreSQL statements. Pure. The text comes from the shared SQL crate; what is PostgreSQL's own is here.
//! It must not know connections.

use crate::capabilities;
use crate::client::Request;
use crate::encode::Bound;
use crate::nul;
use portico_provider_api::{Relation, SourceError, SourceErrorKind, SourceQuery};
use portico_provider_sql::{POSTGRES, Parameter, ResultColumn, Statement, select};

/// Parameters that one statement can have: their number travels in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// A statement ready to be sent, and what its columns must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// What is sent.
    pub request: Request,
    /// The columns of the answer.
    pub columns: Vec<ResultColumn>,
}

/// Translates a query that lies within the capabilities.
///
/// # Errors
/// `Unsupported`, naming what does not.
pub fn query(source_name: &str, query: &SourceQuery) -> Result<Translated, SourceError> {
    let unsupported = |message: String| SourceError::new(source_name, SourceErrorKind::Unsupported, message);
    let capabilities = match &query.from {
        Relation::Table(table) => capabilities::for_table(table),
        Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => capabilities::capabilities(),
    };
    capabilities.check(query).map_err(|error| unsupported(error.to_string()))?;
    let statement = select(&nul::rewrite(query.clone()), &POSTGRES).map_err(|error| unsupported(error.to_string()))?;
    bind(statement).map_err(unsupported)
}

/// The statement with its parameters as they are sent.
///
/// # Errors
/// When there are more parameters than a statement can have.
pub fn bind(statement: Statement) -> Result<Translated, String> {
    if statement.parameters.len() > MAX_PARAMETERS {
        return Err(format!("a statement with more than {MAX_PARAMETERS} values is not supported by this source"));
    }
    let parameters = statement.parameters.into_iter().map(|parameter| match parameter {
        Parameter::Value(value) => Bound::Value(value),
        Parameter::Array { values, .. } => Bound::Array(values),
    });
    Ok(Translated { request: Request { text: statement.text, parameters: parameters.collect() }, columns: statement.columns })
}
