//! What a translation yields: text, parameters, and how the columns of the answer are held. It must not know how either is sent.

use portico_provider_api::{Codec, NativeRequest, ScalarType, Unsupported, Value};
use thiserror::Error;

/// A bound parameter. Its position in [`Statement::parameters`] plus one is its number in the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// One value. In the Postgres dialect the text casts every placeholder (`$1::int8`), so the parameter's type is the value's
    /// type. In the SQLite dialect the value is always `Int64`, `Float64`, `Text`, `Binary` or `Null`.
    Value(Value),
    /// A column of values that are sent as one array (`$1::int8[]`), never null.
    Array {
        /// Type of the elements.
        scalar_type: ScalarType,
        /// The elements.
        values: Vec<Value>,
    },
}

/// How one column of the answer is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Name in the result's schema.
    pub name: String,
    /// The type readers see.
    pub scalar_type: ScalarType,
    /// Whether it may be null.
    pub nullable: bool,
    /// The stored form that [`decode`](crate::decode) turns into the type; absent when the column is the dialect's own form of the type.
    pub codec: Option<Codec>,
    /// The remote table and column that a plain column comes from, for messages; absent for computed ones.
    pub origin: Option<String>,
    /// The source's own name of the column's type, for plain columns where the table relation has it.
    pub native_type: Option<String>,
}

/// SQL text with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text. It holds no literal of the query.
    pub text: String,
    /// The parameters, `$1` or `?1` first.
    pub parameters: Vec<Parameter>,
    /// The columns of the answer, by position; empty when the statement returns no rows.
    pub columns: Vec<ResultColumn>,
}

impl Statement {
    /// The statement as EXPLAIN and logs show it.
    pub fn native_request(&self) -> NativeRequest {
        NativeRequest { language: "sql".to_owned(), text: self.text.clone(), parameters: self.parameters.len() }
    }
}

/// Why a change has no statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TranslateError {
    /// The dialect cannot say it.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A value does not fit the column that shall hold it.
    #[error("{0}")]
    Data(String),
}
