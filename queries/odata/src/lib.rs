//! The OData language: URL → syntax tree → bound query; model → service document and `$metadata`; entity batches → JSON.
//! It knows neither HTTP nor DataFusion, and does no IO.

pub mod bound;
pub mod error;
pub mod rows;

pub use bound::{
    ArithmeticOperator, BoundExpand, BoundExpr, BoundOrder, BoundQuery, BoundRead, BoundWrite, ComparisonOperator, MatchCondition,
    ODataFunction, ReadKind, WriteAction,
};
pub use error::{ODataError, ODataErrorKind};
pub use rows::{EntityBatch, EntityShape, ExpandShape, ExpandedRows, PropertyShape};
