//! Statements: what the protocols parse and the engine plans.

use portico_odata::BoundRead;
use portico_provider_api::Value;

/// A parsed read.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Entities of a service, from OData.
    Entities(Box<EntityRead>),
    /// A SQL query.
    Sql(SqlStatement),
}

/// An OData read.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityRead {
    /// The service it came through.
    pub service: String,
    /// The model's version that it was bound against: positions mean nothing in another.
    pub model_version: String,
    /// What is asked.
    pub read: BoundRead,
    /// How much of it at once.
    pub paging: Paging,
}

/// Server-driven paging.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paging {
    /// Entities per page at most; zero means no paging.
    pub size: u64,
    /// Where the previous page ended: the values of the sort keys, then of the key, of its last entity.
    pub position: Option<Vec<Value>>,
}

/// A SQL query with values for its `$1`, `$2`, … or `?`.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlStatement {
    /// One statement.
    pub text: String,
    /// Values in order.
    pub parameters: Vec<Value>,
}
