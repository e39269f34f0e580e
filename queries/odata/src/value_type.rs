//! The types of values as clients see them, and the rows that expressions are evaluated over. It must not know how rows are fetched.

use portico_catalog::{Enumeration, TableView};
use portico_provider_api::ScalarType;
use std::sync::Arc;

/// The type of a value as clients see it; below it, every value is carried by a scalar type.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueType {
    /// As it is carried.
    Scalar(ScalarType),
    /// `Edm.Duration`, carried as microseconds in a 64-bit integer.
    Duration,
    /// A member of an enumeration, carried as the column holds it.
    Enumeration(Arc<Enumeration>, ScalarType),
}

impl ValueType {
    /// The type that carries the values.
    #[must_use]
    pub fn scalar(&self) -> ScalarType {
        match self {
            ValueType::Scalar(scalar_type) | ValueType::Enumeration(_, scalar_type) => *scalar_type,
            ValueType::Duration => ScalarType::Int64,
        }
    }
}

impl From<ScalarType> for ValueType {
    fn from(scalar_type: ScalarType) -> ValueType {
        ValueType::Scalar(scalar_type)
    }
}

/// The rows that an expression is evaluated over. [`crate::BoundExpr::Column`] is a position in [`RowType::columns`].
///
/// The rows of a virtual table have its columns, all of them and in order, hidden ones included (no name finds those). `$compute` appends
/// columns; a transformation of `$apply` that aggregates makes rows of another type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowType {
    /// The virtual table whose entities the rows are; then relationships can be followed from them.
    pub table: Option<String>,
    /// The columns.
    pub columns: Vec<RowColumn>,
}

/// A column of such rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RowColumn {
    /// How requests name it: one name, or a path (`Address`, `City`; `Customer`, `Country`). Empty when they cannot.
    pub path: Vec<String>,
    /// Its type.
    pub value_type: ValueType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether the request made it.
    pub dynamic: bool,
    /// How many operators and operands the request made it of; 1 where it did not.
    pub weight: usize,
}

impl RowType {
    /// The rows of a virtual table, as a caller sees them.
    #[must_use]
    pub fn of_table(view: &TableView) -> RowType {
        let columns = view.table.columns.iter().enumerate().map(|(index, column)| {
            let path = match view.table.overlay.complex_of(index) {
                _ if !view.columns.contains(&index) || view.table.overlay.is_stream_content(index) => Vec::new(),
                Some((complex, member)) => vec![complex.name.clone(), member.to_owned()],
                None => vec![column.name.clone()],
            };
            let value_type = match &column.enumeration {
                Some(enumeration) => ValueType::Enumeration(Arc::clone(enumeration), column.scalar_type),
                None => ValueType::Scalar(column.scalar_type),
            };
            RowColumn { path, value_type, nullable: column.nullable, dynamic: false, weight: 1 }
        });
        RowType { table: Some(view.table.name.clone()), columns: columns.collect() }
    }

    /// The position of the column with that path.
    #[must_use]
    pub fn position(&self, path: &[&str]) -> Option<usize> {
        self.columns.iter().position(|column| !column.path.is_empty() && column.path.iter().map(String::as_str).eq(path.iter().copied()))
    }
}
