//! Source queries to PostgreSQL statements. Pure. The text comes from the shared SQL crate; what is PostgreSQL's own is here.
//! It must not know connections.

use crate::capabilities;
use crate::client::Request;
use crate::encode::Bound;
use crate::nul;
use portico_provider_api::{Relation, ScalarType, SourceError, SourceErrorKind, SourceQuery, Unsupported, Value};
use portico_provider_sql::{POSTGRES, PageRange, Parameter, ResultColumn, Statement, is_split_by_pages, select, select_pages};

/// Parameters that one statement can have: their number travels in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// Up to this many rows an answer is not worth a COPY.
const FEW_ROWS: u64 = 1_000;

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
    let capabilities = capabilities::for_query(query);
    capabilities.check(query).map_err(|error| unsupported(error.to_string()))?;
    let statement = select(&nul::rewrite(query.clone()), &POSTGRES).map_err(|error| unsupported(error.to_string()))?;
    let mut translated = bind(statement).map_err(unsupported)?;
    translated.request.copied = translated.request.parameters.is_empty() && has_many_rows(query);
    Ok(translated)
}

/// A parameter of a statement whose values come with each run.
#[derive(Debug, Clone, PartialEq)]
pub enum Later {
    /// The same each time.
    Known(Bound),
    /// The value of a parameter of the query, by its number.
    Value(u32, ScalarType),
}

impl Later {
    /// The parameter with the value of a run.
    ///
    /// # Errors
    /// The number of the query's parameter that `value` has none for.
    pub fn try_with(&self, value: impl Fn(ScalarType, u32) -> Option<Value>) -> Result<Bound, u32> {
        match self {
            Later::Known(bound) => Ok(bound.clone()),
            Later::Value(index, scalar_type) => value(*scalar_type, *index).map(Bound::Value).ok_or(*index),
        }
    }
}

/// Translates a query with parameters that lies within the capabilities whatever they are: the text, and what is bound in it.
///
/// # Errors
/// `Unsupported`, naming what the dialect cannot say without the values.
pub fn later(query: &SourceQuery) -> Result<(String, Vec<Later>), Unsupported> {
    let statement = select(&nul::rewrite(query.clone()), &POSTGRES)?;
    let parameters = statement.parameters.into_iter().map(|parameter| match parameter {
        Parameter::Value(value) => Later::Known(Bound::Value(value)),
        Parameter::Array { values, .. } => Later::Known(Bound::Array(values)),
        Parameter::Later { index, scalar_type } => Later::Value(index, scalar_type),
    });
    Ok((statement.text, parameters.collect()))
}

/// The part of a query that lies on some pages of its table. The query has been translated as a whole before.
///
/// # Errors
/// `Unsupported`, when it cannot be read by pages.
pub fn pages(source_name: &str, query: &SourceQuery, pages: PageRange) -> Result<Request, SourceError> {
    let unsupported = |message: String| SourceError::new(source_name, SourceErrorKind::Unsupported, message);
    let statement = select_pages(&nul::rewrite(query.clone()), &POSTGRES, pages).map_err(|error| unsupported(error.to_string()))?;
    let mut request = bind(statement).map_err(unsupported)?.request;
    request.copied = request.parameters.is_empty();
    Ok(request)
}

/// The table of a query that can be read by pages, as SQL names it.
pub fn split_table(query: &SourceQuery) -> Option<String> {
    match &query.from {
        Relation::Table(table) if is_split_by_pages(query, &POSTGRES) => Some(POSTGRES.table(&table.table)),
        _ => None,
    }
}

/// Whether the answer may be long enough for a COPY, whose begin costs more and whose rows cost less. Groups are usually few.
fn has_many_rows(query: &SourceQuery) -> bool {
    let few = query.limit.is_some_and(|limit| limit <= FEW_ROWS);
    !few && query.aggregate.is_none() && !matches!(query.from, Relation::Call(_))
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
        Parameter::Value(value) => Ok(Bound::Value(value)),
        Parameter::Array { values, .. } => Ok(Bound::Array(values)),
        Parameter::Later { .. } => Err("an unbound parameter is not supported by this source".to_owned()),
    });
    Ok(Translated {
        request: Request { text: statement.text, parameters: parameters.collect::<Result<_, _>>()?, copied: false },
        columns: statement.columns,
    })
}
