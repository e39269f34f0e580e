//! Change sets: what a source is told to write. One change set is one transaction in one source.

use crate::expr::Expr;
use crate::operation::RemoteOperation;
use crate::query::TableRelation;
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// A value in a change. A column that is absent from a change is not the same as one that is set to null.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChangeValue {
    /// A value (never `Value::Null`).
    Given(Value),
    /// Null.
    Null,
    /// The value that an earlier change of the set produced: its index there, and the column's position in that change's table.
    FromChange {
        /// Which change.
        change: usize,
        /// Which column.
        column: usize,
    },
}

/// What must hold for the row that is changed, checked in the same transaction as the write.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Precondition {
    /// The row must exist; nothing more.
    None,
    /// This column (position in the table's columns) has this value: a row version.
    Version {
        /// Which column.
        column: usize,
        /// What it must be.
        value: Value,
    },
    /// Every listed column still has the given value; nulls equal nulls.
    Unchanged(Vec<(usize, Value)>),
}

/// One change to one table. Positions refer to `table.columns`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// A new row.
    Insert {
        /// Table and columns in scope; the outcome returns all of them.
        table: TableRelation,
        /// Given columns.
        values: Vec<(usize, ChangeValue)>,
        /// What the new row must satisfy (row rules).
        require: Option<Expr>,
    },
    /// A change of one row.
    Update {
        /// Table and columns in scope.
        table: TableRelation,
        /// Key columns and values.
        key: Vec<(usize, Value)>,
        /// Given columns.
        values: Vec<(usize, ChangeValue)>,
        /// What must hold before.
        precondition: Precondition,
        /// Restricts which rows may be found (row rules, the table's window); a row outside is "not found".
        visible: Option<Expr>,
        /// What the new image must satisfy.
        require: Option<Expr>,
    },
    /// Update, or insert when there is no such row.
    Upsert {
        /// Table and columns in scope.
        table: TableRelation,
        /// Key columns and values.
        key: Vec<(usize, Value)>,
        /// Given columns.
        values: Vec<(usize, ChangeValue)>,
        /// What the new image must satisfy.
        require: Option<Expr>,
    },
    /// Removal of one row.
    Delete {
        /// Table and columns in scope.
        table: TableRelation,
        /// Key columns and values.
        key: Vec<(usize, Value)>,
        /// What must hold before.
        precondition: Precondition,
        /// Restricts which rows may be found.
        visible: Option<Expr>,
    },
    /// A row in a link table.
    Link {
        /// Link table.
        table: TableRelation,
        /// Its columns and values.
        values: Vec<(usize, Value)>,
    },
    /// Removal of a row of a link table.
    Unlink {
        /// Link table.
        table: TableRelation,
        /// Its columns and values.
        values: Vec<(usize, Value)>,
    },
    /// A call of an operation of the source's own. Its outcome is `Returned`.
    Invoke {
        /// What is called.
        operation: Box<RemoteOperation>,
        /// Values by position of the parameter; one that is absent is left out.
        arguments: Vec<(usize, ChangeValue)>,
    },
}

/// Changes that succeed or fail together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChangeSet {
    /// In order.
    pub changes: Vec<Change>,
    /// Makes a repetition of the set harmless, where the source can remember it.
    pub idempotency_key: Option<String>,
}

/// What became of one change. When any change is neither `Done`, `Keyed` nor `Returned`, the source has rolled the whole set back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// Written.
    Done {
        /// The row as stored, one value per column in scope: of inserts, updates and upserts, where the source returns rows.
        row: Option<Vec<Value>>,
        /// Whether an upsert inserted.
        created: bool,
    },
    /// A new row was written of which the source tells the key alone: values by position of the columns in scope.
    Keyed(Vec<(usize, Value)>),
    /// An operation was called; the rows that it returned, one value per column of its result. One that returns nothing has none.
    Returned(Vec<Vec<Value>>),
    /// No row with that key is visible.
    NotFound,
    /// The row is there, but the precondition does not hold.
    Changed,
    /// The new image does not satisfy `require`.
    Refused,
    /// Not attempted, because another change of the set failed.
    NotAttempted,
}
