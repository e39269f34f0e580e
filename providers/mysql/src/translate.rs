//! Source queries to statements. Pure. The text comes from the shared SQL crate; what is this kind's own is here.
//! It must not know connections.

use crate::capabilities;
use crate::encode::encode;
use mysql_async::Value as Wire;
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{NativeRequest, SourceError, SourceErrorKind, SourceQuery};
use portico_provider_sql::{MYSQL, Parameter, ResultColumn, Statement, select};

/// Parameters that one statement can have: their number travels in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// A statement ready to be sent, and what its columns must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// SQL with `?` placeholders.
    pub text: String,
    /// The value of each placeholder.
    pub parameters: Vec<Wire>,
    /// The columns of the answer.
    pub columns: Vec<ResultColumn>,
    /// Whether a warning about any value makes the answer one that is not to be believed: a stored form that is read at the server was
    /// not what it should be.
    pub strict: bool,
}

impl Translated {
    /// The statement as EXPLAIN and logs show it.
    pub fn native_request(&self) -> NativeRequest {
        NativeRequest { language: "sql".to_owned(), text: self.text.clone(), parameters: self.parameters.len() }
    }
}

/// Translates a query that lies within the capabilities.
///
/// # Errors
/// `Unsupported`, naming what does not.
pub fn query(source_name: &str, query: &SourceQuery) -> Result<Translated, SourceError> {
    let unsupported = |message: String| SourceError::new(source_name, SourceErrorKind::Unsupported, message);
    let mut strict = false;
    visit_tables(query, &mut |table| strict |= table.columns.iter().any(|column| column.codec.is_some()));
    capabilities::for_query(query).check(query).map_err(|error| unsupported(error.to_string()))?;
    let statement = select(query, &MYSQL).map_err(|error| unsupported(error.to_string()))?;
    let translated = bind(statement).map_err(unsupported)?;
    Ok(Translated { strict, ..translated })
}

/// The statement with its parameters as they are sent.
///
/// # Errors
/// When there are more parameters than a statement can have, or one cannot be sent.
pub fn bind(statement: Statement) -> Result<Translated, String> {
    if statement.parameters.len() > MAX_PARAMETERS {
        return Err(format!("a statement with more than {MAX_PARAMETERS} values is not supported by this source"));
    }
    let parameters = statement.parameters.into_iter().map(|parameter| match parameter {
        Parameter::Value(value) => encode(value),
        Parameter::Array { .. } => Err("arrays are not supported by this source".to_owned()),
        Parameter::Later { .. } => Err("unbound parameters are not supported by this source".to_owned()),
    });
    Ok(Translated { parameters: parameters.collect::<Result<_, _>>()?, text: statement.text, columns: statement.columns, strict: false })
}
