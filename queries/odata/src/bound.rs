//! Bound requests: names resolved to positions in the model, literals typed, operands promoted. OData semantics are kept as they
//! are (null logic included); the engine lowers them to plans.

pub mod apply;
mod expression;

pub use expression::*;

use crate::value_type::RowColumn;
use portico_provider_api::Value;

/// A bound read.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundRead {
    /// What is asked for.
    pub query: BoundQuery,
    /// In which form.
    pub kind: ReadKind,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    /// A collection of entities.
    Collection,
    /// One entity, by key (404 when there is none) or along a to-one relationship (204 when there is none).
    Entity,
    /// `/$count`: a number as plain text.
    Count,
}

/// A query over one virtual table.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundQuery {
    /// The virtual table (its name in the model, not in the service).
    pub table: String,
    /// Restriction to the rows reached from one row of another table: `Customers(1)/Orders`.
    pub via: Option<Via>,
    /// Key values in key order, for a look-up.
    pub key: Option<Vec<Value>>,
    /// `$apply`. When it is there, it holds all that the options for computing, filtering and sorting amount to, and `select` is positions in
    /// its rows.
    pub apply: Option<apply::BoundApply>,
    /// `$compute`: columns that come after the table's own, in order.
    pub compute: Vec<BoundComputed>,
    /// `$filter`, and `$search` lowered to it.
    pub filter: Option<BoundExpr>,
    /// Positions in the row type (the table's columns, then the computed ones) of the columns to return, in declared order, without
    /// duplicates; key columns are always among them.
    pub select: Vec<usize>,
    /// Whether `$select` was given (the context URL and payload differ).
    pub selected: bool,
    /// `$orderby`.
    pub order_by: Vec<BoundOrder>,
    /// `$top`.
    pub top: Option<u64>,
    /// `$skip`.
    pub skip: u64,
    /// `$count=true`.
    pub count: bool,
    /// `$expand`.
    pub expand: Vec<BoundExpand>,
}

impl BoundQuery {
    /// All rows of a virtual table, of which these columns are returned.
    pub fn of(table: impl Into<String>, select: Vec<usize>) -> BoundQuery {
        BoundQuery {
            table: table.into(),
            via: None,
            key: None,
            apply: None,
            compute: Vec::new(),
            filter: None,
            select,
            selected: false,
            order_by: Vec::new(),
            top: None,
            skip: 0,
            count: false,
            expand: Vec::new(),
        }
    }
}

/// A computed property.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundComputed {
    /// How it is evaluated, over the columns before it.
    pub expr: BoundExpr,
    /// Its name, type and nullability.
    pub column: RowColumn,
}

/// The row from which a relationship is followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Via {
    /// Virtual table of that row.
    pub table: String,
    /// Its key values, in key order.
    pub key: Vec<Value>,
    /// Position of the relationship in that table.
    pub relationship: usize,
}

/// An expanded relationship.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundExpand {
    /// Position of the relationship in the parent's virtual table.
    pub relationship: usize,
    /// Its name in the payload.
    pub name: String,
    /// Whether it yields an array.
    pub many: bool,
    /// The nested query; `top` and `skip` count per parent.
    pub query: BoundQuery,
}

/// One sort key; nulls are the lowest values.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundOrder {
    /// What is sorted by.
    pub expr: BoundExpr,
    /// Descending.
    pub descending: bool,
}

/// A bound write to one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundWrite {
    /// The virtual table.
    pub table: String,
    /// What is done.
    pub action: WriteAction,
    /// Positions of the columns to return; empty when nothing is to be returned.
    pub select: Vec<usize>,
}

/// What a write does. Values are `(column position, value)`; a null is `Value::Null`; absent columns are left alone.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteAction {
    /// `POST` to an entity set.
    Insert {
        /// Given values.
        values: Vec<(usize, Value)>,
    },
    /// `PATCH` of an entity.
    Update {
        /// Key values in key order.
        key: Vec<Value>,
        /// Given values.
        values: Vec<(usize, Value)>,
        /// `If-Match`.
        condition: MatchCondition,
    },
    /// `DELETE` of an entity.
    Delete {
        /// Key values in key order.
        key: Vec<Value>,
        /// `If-Match`.
        condition: MatchCondition,
    },
}

/// What `If-Match` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchCondition {
    /// The header is absent.
    Absent,
    /// `*`: the entity must exist.
    Any,
    /// One of these ETags (as written, weak prefix and quotes included).
    Tags(Vec<String>),
}
