//! What a source can be told to do by name: its own functions and procedures, as introspected, and a call of one that only reads. It must
//! not know how any source spells a call, nor what is published.

use crate::query::TableColumn;
use crate::schema::RemoteTableName;
use crate::types::ScalarType;
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// An operation of a source. It says all that a call needs, so that calls are translated without the remote schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemoteOperation {
    /// Its name, from outermost to innermost part. Several may share one, if their parameters differ.
    pub name: RemoteTableName,
    /// What tells it from all others: its name and the source's own types of its parameters, `public.price(int4, numeric)`.
    pub signature: String,
    /// Comment in the source.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether it is called by a statement of its own (`CALL`), which no query can read from.
    #[serde(default)]
    pub procedure: bool,
    /// What is passed to it, in order.
    pub parameters: Vec<RemoteParameter>,
    /// What comes back, if anything.
    pub result: Option<RemoteResult>,
    /// Whether calling it may change something. One that does not can be read from.
    pub changes: bool,
    /// Why it cannot be called, where it cannot: a type that nothing carries, a right that is missing.
    #[serde(default)]
    pub unavailable: Option<String>,
}

/// A parameter. Whether null makes sense is the operation's own affair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemoteParameter {
    /// Its name.
    pub name: String,
    /// The source's own name of its type.
    pub native_type: String,
    /// The type of the values that are passed.
    pub scalar_type: ScalarType,
    /// Whether it may be left out, because the source has a value for it then.
    pub optional: bool,
}

/// What an operation returns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemoteResult {
    /// The columns of its rows; a plain value is one column.
    pub columns: Vec<TableColumn>,
    /// Whether there may be any number of rows; otherwise there is one.
    pub many: bool,
    /// Whether a row is one value of the source, so that a row of nulls stands for none.
    pub composite: bool,
}

/// A call of an operation that changes nothing, as a relation: its rows are those that the operation returns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OperationCall {
    /// What is called.
    pub operation: RemoteOperation,
    /// Values by position of the parameter. One that is absent is left out, and one that is null is passed as null.
    pub arguments: Vec<(usize, Value)>,
}

impl RemoteOperation {
    /// The columns of the rows that it returns; none when it returns nothing.
    pub fn columns(&self) -> &[TableColumn] {
        self.result.as_ref().map(|result| result.columns.as_slice()).unwrap_or_default()
    }

    /// Whether a name in the configuration means it: its signature or its name, with or without what is before the last part of the name.
    pub fn is_named(&self, wanted: &str) -> bool {
        if wanted.contains('(') {
            return self.signature == wanted || self.signature.ends_with(&format!(".{wanted}"));
        }
        self.name.0.ends_with(&RemoteTableName::parse(wanted).0)
    }

    /// What is passed and what comes back, for a person: `public.price(id int4, by numeric default) returns total numeric`.
    pub fn readable(&self) -> String {
        let parameter = |parameter: &RemoteParameter| {
            let optional = if parameter.optional { " default" } else { "" };
            format!("{} {}{optional}", if parameter.name.is_empty() { "?" } else { &parameter.name }, parameter.scalar_type)
        };
        let parameters: Vec<String> = self.parameters.iter().map(parameter).collect();
        let returned = self.result.as_ref().map(|result| {
            let columns: Vec<String> = result.columns.iter().map(|column| format!("{} {}", column.name, column.scalar_type)).collect();
            format!(" returns {}{}", if result.many { "many of " } else { "" }, columns.join(", "))
        });
        format!("{}({}){}", self.name, parameters.join(", "), returned.unwrap_or_default())
    }
}
