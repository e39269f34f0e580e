//! The OData language: URL → syntax tree → bound query; model → service document and `$metadata`; entity batches → JSON.
//! It knows neither HTTP nor DataFusion, and does no IO.
//!
//! A request passes [`parse::request`] (names uninterpreted), then [`bind::read`] or one of [`bind::insert`], [`bind::update`],
//! [`bind::delete`] (names resolved against what the caller may see). Answers are written by [`json`] and [`metadata`].

pub mod bind;
pub mod body;
pub mod bound;
mod calendar;
mod edm;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod header;
pub mod json;
pub mod metadata;
pub mod names;
mod number;
pub mod parse;
pub mod resolve;
pub mod rows;
pub mod skiptoken;
pub mod syntax;

pub use bound::{
    ArithmeticOperator, BoundExpand, BoundExpr, BoundOrder, BoundQuery, BoundRead, BoundWrite, ComparisonOperator, MatchCondition,
    ODataFunction, ReadKind, WriteAction,
};
pub use error::{ODataError, ODataErrorKind};
pub use rows::{EntityBatch, EntityShape, ExpandShape, ExpandedRows, PropertyShape};
