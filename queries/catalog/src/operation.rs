//! Functions and actions: what they are bound to, take, return and run, resolved against the model. SQL is not read here, and it must not
//! know how an operation is called.

use crate::model::{Column, Origin, VirtualTable};
use crate::overlay::{Enumeration, Labels, Overlay};
use portico_provider_api::{RemoteOperation, ScalarType};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// A function (asks) or an action (does).
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name, without namespace. Several may share one, if their bindings or parameters differ.
    pub name: String,
    /// Whether it does something.
    pub action: bool,
    /// What it is bound to; nothing when it is imported by the container.
    pub binding: Option<Binding>,
    /// Parameters in order, without the binding parameter.
    pub parameters: Vec<Parameter>,
    /// What it returns, if anything.
    pub returns: Option<Returns>,
    /// What is run.
    pub body: OperationBody,
    /// Whether query options and further path segments may follow a function.
    pub composable: bool,
    /// The roles that may call it; whoever sees what it is bound to and what it returns, when absent.
    pub roles: Option<Vec<String>>,
    /// For people.
    pub description: Option<String>,
    /// Names for people.
    pub labels: Labels,
}

/// What an operation is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Virtual table.
    pub table: String,
    /// Bound to a collection of its entities rather than to one.
    pub many: bool,
}

/// A parameter of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name; `$name` in SQL.
    pub name: String,
    /// Its type.
    pub scalar_type: ScalarType,
    /// The enumeration that its values are of.
    pub enumeration: Option<Arc<Enumeration>>,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it may be left out, and is null then.
    pub optional: bool,
    /// Greatest length in characters.
    pub max_length: Option<u32>,
}

/// What an operation returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Returns {
    /// Of which kind.
    pub kind: ReturnKind,
    /// Several of them.
    pub many: bool,
    /// Whether it may be null, when it is one.
    pub nullable: bool,
}

/// The kinds of results.
#[derive(Debug, Clone, PartialEq)]
pub enum ReturnKind {
    /// Entities of a virtual table.
    Entity {
        /// The virtual table.
        table: String,
    },
    /// Values of a complex type.
    Complex {
        /// Its name, without namespace.
        type_name: String,
        /// Its members.
        members: Vec<Column>,
    },
    /// Plain values.
    Scalar {
        /// Their type.
        scalar_type: ScalarType,
    },
}

/// What an operation runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationBody {
    /// SQL statements over virtual tables, with `$name` parameters; a SELECT is the last one and the result. Those of an operation that
    /// is bound to an entity find its key in parameters with the names of the key's columns.
    Sql(Vec<String>),
    /// An operation of a source.
    Source(Box<SourceBody>),
}

/// A call of an operation of a source, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBody {
    /// The source.
    pub source: String,
    /// What is called. The columns that are returned have the types and nullability that are published.
    pub operation: RemoteOperation,
    /// Positions of its parameters, and the names of what they are given: a parameter, or a key column of the entity that this is bound to.
    /// Its other parameters are left out.
    pub arguments: Vec<(usize, String)>,
    /// Positions in the columns of its result of what is returned: of a plain value, of the members, or of the key of the entities.
    pub returned: Vec<usize>,
    /// SQL statements that are written before it, in the same transaction.
    pub before: Vec<String>,
    /// The remote tables that it may write to: source and name.
    pub touches: Vec<(String, String)>,
}

impl Operation {
    /// Its SQL statements, in order; for an operation of a source those that are written before it.
    #[must_use]
    pub fn statements(&self) -> &[String] {
        match &self.body {
            OperationBody::Sql(statements) => statements,
            OperationBody::Source(body) => &body.before,
        }
    }

    /// The operation of a source that it calls.
    #[must_use]
    pub fn of_source(&self) -> Option<&SourceBody> {
        match &self.body {
            OperationBody::Sql(_) => None,
            OperationBody::Source(body) => Some(body),
        }
    }

    /// The statement whose rows it returns: that of a function, the last one of an action that returns something. (That of an action
    /// may be one that writes, if it returns the entity that is written.) None for an operation of a source, which returns its own.
    #[must_use]
    pub fn result_statement(&self) -> Option<&str> {
        self.returns.as_ref()?;
        match &self.body {
            OperationBody::Sql(statements) => statements.last().map(String::as_str),
            OperationBody::Source(_) => None,
        }
    }

    /// Whether it returns several values.
    #[must_use]
    pub fn returns_many(&self) -> bool {
        self.returns.as_ref().is_some_and(|returns| returns.many)
    }

    /// Whether a role of these may call it.
    #[must_use]
    pub fn may_be_called_by(&self, roles: &[String]) -> bool {
        self.roles.as_ref().is_none_or(|allowed| roles.iter().any(|role| allowed.contains(role)))
    }
}

impl Returns {
    /// The rows of what is returned where they are of no virtual table: values of a complex type have its members as columns, plain
    /// values are one column. They have no key, and no table has their name.
    #[must_use]
    pub fn rows(&self) -> Option<VirtualTable> {
        let columns = match &self.kind {
            ReturnKind::Entity { .. } => return None,
            ReturnKind::Complex { members, .. } => members.clone(),
            ReturnKind::Scalar { scalar_type } => vec![Column::plain(VALUE, 0, *scalar_type, self.nullable)],
        };
        Some(VirtualTable {
            name: self.kind.rows_name().into_owned(),
            description: None,
            origin: Origin::Query { sql: String::new() },
            columns,
            key: Vec::new(),
            relationships: Vec::new(),
            freshness: Duration::ZERO,
            if_match: None,
            guarded: false,
            limits: crate::definition::RowLimits::default(),
            row_estimate: None,
            overlay: Overlay::default(),
        })
    }
}

/// The name of the only column of plain values that an operation returns. It is not an identifier: no request can name it.
pub const VALUE: &str = "$it";

impl ReturnKind {
    /// The virtual table whose entities are returned.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        match self {
            ReturnKind::Entity { table } => Some(table),
            ReturnKind::Complex { .. } | ReturnKind::Scalar { .. } => None,
        }
    }

    /// The name of the rows: the virtual table's or the complex type's; for plain values one that is no identifier.
    #[must_use]
    pub fn rows_name(&self) -> Cow<'_, str> {
        match self {
            ReturnKind::Entity { table } => Cow::Borrowed(table),
            ReturnKind::Complex { type_name, .. } => Cow::Borrowed(type_name),
            ReturnKind::Scalar { scalar_type } => Cow::Owned(format!("({scalar_type})")),
        }
    }

    /// Whether these are plain values.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(self, ReturnKind::Scalar { .. })
    }
}
