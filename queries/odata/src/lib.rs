//! The OData language: URL → syntax tree → bound query; model → service document and `$metadata`; entity batches → JSON.
//! It knows neither HTTP nor DataFusion, and does no IO.
//!
//! A request passes [`parse::request`] (names uninterpreted), then [`bind::read`] or one of [`bind::insert`], [`bind::update`],
//! [`bind::delete`] (names resolved against what the caller may see). Answers are written by [`json`] and [`metadata`].
//!
//! The parser takes the whole URL language of OData 4.01, with the extensions for aggregation and temporal data; [`parse`] says which
//! part of the ABNF is where. [`resolve`] says whether the names in a request may stand where they do, given [`names`]; `bind` takes
//! what can be executed and answers the rest with `NotImplemented`, once `resolve` has found no mistake in it. How closely a request
//! must keep to the grammar is for [`parse::Strictness`]: by default the forms that clients still send are taken, in strict mode they
//! are refused.
//!
//! `cargo run -p portico-odata --example odata-abnf -- CASES.json` runs the OASIS TC's test cases for the grammar, as JSON, in strict
//! mode; `header::form` and `parse::value` have the grammar of headers and of values in payloads.

pub mod arithmetic;
pub mod batch;
pub mod bind;
pub mod body;
pub mod bound;
mod calendar;
pub mod cast;
mod cells;
mod duration;
mod edm;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod guid_key;
pub mod header;
pub mod json;
pub mod metadata;
pub mod names;
pub mod parse;
mod pattern;
pub mod profile;
pub mod resolve;
pub mod rows;
pub mod shape;
pub mod skiptoken;
pub mod spatial;
pub mod syntax;
pub mod value_type;

pub use bound::{
    AllPart, ArithmeticOperator, BoundAction, BoundAll, BoundCall, BoundComputed, BoundExpand, BoundExpr, BoundOrder, BoundQuantifier,
    BoundQuery, BoundRead, BoundWrite, ComparisonOperator, MatchCondition, Members, MembersOrigin, ODataFunction, ReadKind, WriteAction,
};
pub use error::{ODataError, ODataErrorKind};
pub use rows::{EntityBatch, EntityShape, ExpandForm, ExpandShape, ExpandedRows, PropertyShape, ValueShape};
pub use value_type::{RowColumn, RowType, ValueType};
