//! The types of values as clients see them, and the rows that expressions are evaluated over. It must not know how rows are fetched.

use portico_catalog::spatial::SpatialType;
use portico_catalog::{Column, Enumeration, TableView};
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
    /// A geographic or geometric value, carried as text: see [`crate::spatial`].
    Spatial(SpatialType),
}

impl ValueType {
    /// The type that carries the values.
    #[must_use]
    pub fn scalar(&self) -> ScalarType {
        match self {
            ValueType::Scalar(scalar_type) | ValueType::Enumeration(_, scalar_type) => *scalar_type,
            ValueType::Duration => ScalarType::Int64,
            ValueType::Spatial(_) => ScalarType::Text,
        }
    }
}

impl From<ScalarType> for ValueType {
    fn from(scalar_type: ScalarType) -> ValueType {
        ValueType::Scalar(scalar_type)
    }
}

impl ValueType {
    /// The type of a column's values as clients see it.
    #[must_use]
    pub fn of_column(column: &Column) -> ValueType {
        match (&column.enumeration, &column.spatial) {
            (Some(enumeration), _) => ValueType::Enumeration(Arc::clone(enumeration), column.scalar_type),
            (None, Some(spatial)) => ValueType::Spatial(spatial.of),
            (None, None) => ValueType::Scalar(column.scalar_type),
        }
    }
}

/// What follows the name of a point in the paths of the columns that hold it: degrees north, and degrees east. No request can say either.
pub(crate) const LATITUDE: &str = "@latitude";
pub(crate) const LONGITUDE: &str = "@longitude";

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
            let path = match view.table.overlay.point_of(index) {
                Some(point) if view.columns.contains(&index) => {
                    vec![point.name.clone(), (if point.latitude == index { LATITUDE } else { LONGITUDE }).to_owned()]
                }
                _ => path,
            };
            RowColumn { path, value_type: ValueType::of_column(column), nullable: column.nullable, dynamic: false, weight: 1 }
        });
        RowType { table: Some(view.table.name.clone()), columns: columns.collect() }
    }

    /// The positions of the columns that hold a point: degrees north, and degrees east.
    #[must_use]
    pub fn point(&self, path: &[&str]) -> Option<(usize, usize)> {
        let of = |last: &str| self.position(&path.iter().copied().chain([last]).collect::<Vec<_>>());
        Some((of(LATITUDE)?, of(LONGITUDE)?))
    }

    /// The position of the column with that path.
    #[must_use]
    pub fn position(&self, path: &[&str]) -> Option<usize> {
        self.columns.iter().position(|column| !column.path.is_empty() && column.path.iter().map(String::as_str).eq(path.iter().copied()))
    }
}
