//! The provider contract: what a source is asked ([`SourceQuery`], [`ChangeSet`]), what it can evaluate
//! ([`Capabilities`]), what it answers ([`QueryStream`], [`SourceError`]) and how it is reached ([`Source`]).
//!
//! This crate does no IO and knows neither DataFusion nor any protocol: everything here is plain data, plus the
//! evaluator that defines what the data means.

pub mod arrays;
pub mod capabilities;
pub mod change;
pub mod check;
pub mod column_builder;
pub mod context;
mod count;
pub mod error;
pub mod evaluate;
pub mod expr;
pub mod json;
pub mod number;
pub mod operation;
pub mod pace;
pub mod patience;
pub mod query;
pub mod readable;
pub mod schema;
pub mod secret;
pub mod source;
pub mod stream;
pub mod trial;
pub mod types;
pub mod typing;
pub mod units;
pub mod value;
pub mod walk;

pub use capabilities::{Capabilities, Collation, Requirement, Support, TypeClass};
pub use change::{Change, ChangeOutcome, ChangeSet, ChangeValue, Precondition};
pub use check::Unsupported;
pub use column_builder::ColumnBuilder;
pub use context::{Caller, CallerToken, Limits, QueryContext, RequestInfo};
pub use error::{ConstraintKind, Effect, Retry, SourceError, SourceErrorKind};
pub use evaluate::{EvaluateError, TableEvaluation, evaluate, evaluate_expr, evaluate_over};
pub use expr::{ArithmeticOp, CompareOp, Expr, Function, WindowFunction};
pub use operation::{OperationCall, RemoteOperation, RemoteParameter, RemoteResult};
pub use pace::{Pace, PaceHandle};
pub use patience::{Late, Patience, Waiting};
pub use query::{
    AggregateCall, AggregateFunction, Aggregation, Join, JoinKind, KeySet, LimitPer, Output, Relation, SortKey, SourceQuery, TableColumn,
    TableRelation,
};
pub use schema::{ForeignKey, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName, Selection};
pub use secret::Secret;
pub use source::{ChangeFeed, ConnectContext, NativeRequest, PreparedQuery, Probe, Source, SourceKind, WritableSource};
pub use stream::{QueryReport, QueryStream, ReportHandle};
pub use trial::{Trial, TrialOutcome};
pub use types::{Codec, ScalarType};
pub use value::Value;
