//! Source queries to statements. Pure. The text comes from the shared SQL crate; what is this kind's own is here. It must not know
//! connections.

use crate::capabilities;
use crate::config::Parameters;
use crate::server::Server;
use portico_provider_api::{NativeRequest, SourceError, SourceErrorKind, SourceQuery, Value};
use portico_provider_sql::{Parameter, ResultColumn, Statement, select, with_literals};

/// A statement ready to be sent, and what its columns must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// SQL as it is sent.
    pub sent: String,
    /// The values that are bound to it; none when they are written out in it.
    pub values: Vec<Value>,
    /// The columns of the answer.
    pub columns: Vec<ResultColumn>,
    /// SQL with placeholders, as it is shown.
    shown: NativeRequest,
}

impl Translated {
    /// The statement as EXPLAIN and logs show it: with placeholders, also where values are written out in what is sent.
    pub fn native_request(&self) -> NativeRequest {
        self.shown.clone()
    }
}

/// Translates a query that lies within the capabilities.
///
/// # Errors
/// `Unsupported`, naming what does not.
pub fn query(source_name: &str, server: &Server, parameters: Parameters, query: &SourceQuery) -> Result<Translated, SourceError> {
    let unsupported = |message: String| SourceError::new(source_name, SourceErrorKind::Unsupported, message);
    capabilities::for_query(server.capabilities(), query).check(query).map_err(|error| unsupported(error.to_string()))?;
    let statement = select(query, &server.dialect).map_err(|error| unsupported(error.to_string()))?;
    let shown = statement.native_request();
    let (sent, values) = match parameters {
        Parameters::Literals => {
            let text = with_literals(&statement, &server.dialect).map_err(|error| unsupported(error.to_string()))?;
            (text, Vec::new())
        }
        Parameters::Bound => (statement.text.clone(), bound(&statement).map_err(unsupported)?),
    };
    Ok(Translated { sent, values, columns: statement.columns, shown })
}

fn bound(statement: &Statement) -> Result<Vec<Value>, String> {
    let values = statement.parameters.iter().map(|parameter| match parameter {
        Parameter::Value(value) => Ok(value.clone()),
        Parameter::Array { .. } => Err("arrays are not supported by this source".to_owned()),
        Parameter::Later { .. } => Err("unbound parameters are not supported by this source".to_owned()),
    });
    values.collect()
}
