//! From the IR to statements, within the capabilities. Pure: EXPLAIN uses it as well as queries do.

use portico_provider_api::{Capabilities, SourceQuery, Unsupported, Value};
use portico_provider_sql::{Parameter, SQLITE, Statement, select};
use rusqlite::types::Value as Sql;

/// The greatest number of parameters that SQLite takes.
const MAX_PARAMETERS: usize = 32_766;

/// The statement of a query.
pub(crate) fn translate(capabilities: &Capabilities, query: &SourceQuery) -> Result<Statement, Unsupported> {
    capabilities.check(query)?;
    let statement = select(query, &SQLITE)?;
    match statement.parameters.len() {
        0..=MAX_PARAMETERS => Ok(statement),
        more => Err(Unsupported { feature: format!("a statement with {more} parameters (at most {MAX_PARAMETERS})") }),
    }
}

/// A parameter as SQLite takes it.
pub(crate) fn bound(parameter: &Parameter) -> Result<Sql, Unsupported> {
    let unsupported = |what: &str| Err(Unsupported { feature: format!("a parameter that is {what}") });
    match parameter {
        Parameter::Array { .. } => unsupported("an array"),
        Parameter::Later { .. } => unsupported("not bound"),
        Parameter::Value(Value::Null(_)) => Ok(Sql::Null),
        Parameter::Value(Value::Int64(value)) => Ok(Sql::Integer(*value)),
        Parameter::Value(Value::Float64(value)) if value.0.is_nan() => unsupported("not a number"),
        Parameter::Value(Value::Float64(value)) => Ok(Sql::Real(value.0)),
        Parameter::Value(Value::Text(value)) => Ok(Sql::Text(value.clone())),
        Parameter::Value(Value::Binary(value)) => Ok(Sql::Blob(value.clone())),
        Parameter::Value(other) => unsupported(&format!("a {} in a form that SQLite does not have", other.scalar_type())),
    }
}
