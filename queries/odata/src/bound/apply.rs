//! Bound `$apply`: transformations over the rows before them, each with the columns that it reads by position. What the specification
//! derives from others (`rollup`, `from`, aggregation along a path) is spelt out, so that there are few to execute. It must not know how
//! rows are fetched.

use super::hierarchy::{BoundHierarchy, BoundRelatives, BoundTopLevels, BoundTraverse};
use super::{BoundComputed, BoundExpr, BoundOrder};
use crate::syntax::RankedEnd;
use crate::value_type::{RowColumn, RowType};
use portico_catalog::overlay::AggregateMethod;
use std::collections::BTreeSet;

/// `$apply`: what is done with the rows, and what comes out.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundApply {
    /// First to last. Those that options after `$apply` amount to (`$compute`, `$filter`, `$orderby`) come last.
    pub transformations: Vec<BoundTransformation>,
    /// The rows that come out.
    pub rows: AppliedRows,
    /// Inside `$expand`, where in these rows the columns are that say whose they are. Before the transformations they come after those of
    /// the table, and are the partition of all that is done outside of `groupby`.
    pub link: Vec<usize>,
}

/// Rows between two transformations.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AppliedRows {
    /// Their columns. While they are entities, those of the table come first.
    pub row_type: RowType,
    /// Positions of the columns that belong to the answer, in order; the others are only there to be computed with.
    pub shown: Vec<usize>,
    /// Where not all rows have all properties.
    pub presence: Option<BoundPresence>,
    /// Paths of columns that lead along a navigation property: all columns whose path begins so are of one related entity.
    pub navigations: BTreeSet<Vec<String>>,
}

/// Which rows have which properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundPresence {
    /// Position of a column with a 64-bit integer, which no name finds: which entry of `lacks` holds for the row.
    pub position: usize,
    /// For each value of it, the shown columns that such rows do not have.
    pub lacks: Vec<BTreeSet<usize>>,
}

/// A transformation. Expressions are over the rows that it is given. A `partition` is the columns that tell groups apart when it stands
/// inside `groupby`: it is done within each group. Without columns all rows are one group.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundTransformation {
    /// Keeps the rows of which the condition is true.
    Filter(BoundExpr),
    /// Appends columns.
    Compute(Vec<BoundComputed>),
    /// Sorts; rows that it does not tell apart keep their order.
    OrderBy(Vec<BoundOrder>),
    /// `skip` and `top`, in the order there is, made total.
    Limit {
        /// Rows to leave out.
        skip: u64,
        /// Rows to keep at most after that.
        top: Option<u64>,
        /// Groups.
        partition: Vec<usize>,
    },
    /// `topcount` and its like.
    Ranked {
        /// Which end of the ranking.
        end: RankedEnd,
        /// By what rows are ranked.
        by: BoundExpr,
        /// How many of them.
        amount: BoundAmount,
        /// Groups.
        partition: Vec<usize>,
    },
    /// Appends all columns of the rows that a relationship leads to.
    Follow(BoundFollow),
    /// Keeps these columns, in this order, and of equal rows one.
    Distinct(Vec<usize>),
    /// Does something with each group. A group that loses its rows on the way is still one where the rows are aggregated.
    Group {
        /// The columns that tell groups apart, those of the groups around among them.
        keys: Vec<usize>,
        /// Where groups are told apart by the nodes of hierarchies alone, inside the groups around: which, one for each of the last keys. Each
        /// combination of nodes is a group then, in each of the groups around, whether it has rows or not.
        nodes: Vec<BoundHierarchy>,
        /// What is done; each of these has the keys as its partition.
        then: Vec<BoundTransformation>,
    },
    /// One row per group: the keys, then a column per item. Without keys exactly one row.
    Aggregate {
        /// The columns that tell groups apart.
        keys: Vec<usize>,
        /// What is computed of each group.
        items: Vec<BoundAggregate>,
    },
    /// One row per group: its keys. Without keys exactly one row. What the groups hold is fetched for the rows that come out in the end: the
    /// transformations of a [`super::BoundExpand`] with this number begin with the rows that this one is given.
    Nest {
        /// What the groups are called, by no other `nest` of the query.
        number: usize,
        /// The columns that tell groups apart.
        keys: Vec<usize>,
    },
    /// The results of all branches, one after the other.
    Concat {
        /// The branches.
        branches: Vec<BoundBranch>,
        /// The columns of the result. The last one is that of [`BoundPresence`].
        columns: Vec<RowColumn>,
    },
    /// Each row as many times as a relationship leads to something.
    Join(Box<BoundJoin>),
    /// `ancestors` and `descendants`.
    Relatives(Box<BoundRelatives>),
    /// `traverse`
    Traverse(Box<BoundTraverse>),
    /// `TopLevels`
    TopLevels(Box<BoundTopLevels>),
    /// Each row as many times as there are nodes at or above the node that it is of; appends the identifier of that node.
    RollUp {
        /// The hierarchy.
        hierarchy: Box<BoundHierarchy>,
        /// Position of the identifier of the node that a row is of.
        node: usize,
    },
    /// Adds all columns of the row of a table that a node is.
    Node {
        /// The virtual table.
        table: String,
        /// Position there of the column that identifies a node.
        key: usize,
        /// Position in the rows of the identifier of the node.
        node: usize,
        /// Before all others, so that the rows are entities of the table; else after them.
        first: bool,
    },
}

/// How much a ranking keeps.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundAmount {
    /// So many rows.
    Count(u64),
    /// Rows until what they are ranked by adds up to this constant.
    Sum(BoundExpr),
    /// Rows until what they are ranked by adds up to so many hundredths of the sum over all rows; a constant.
    Percent(BoundExpr),
}

/// A relationship that is followed from the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundFollow {
    /// The virtual table whose columns are among those of the rows.
    pub table: String,
    /// Position of its first column.
    pub first: usize,
    /// Position of the relationship in that table.
    pub relationship: usize,
    /// The virtual table that it leads to, all of whose columns are appended.
    pub to: String,
    /// Whether rows stay from which it leads nowhere; what is appended is null then.
    pub outer: bool,
}

/// One item of `aggregate`.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundAggregate {
    /// What is done with the rows of all groups before they are aggregated.
    pub before: Vec<BoundTransformation>,
    /// Positions, in the rows after that, of the columns that tell groups apart, in the order of the keys of the transformation.
    pub keys: Vec<usize>,
    /// How values become one.
    pub method: AggregateMethod,
    /// The values; without them rows are counted. Nulls do not count.
    pub argument: Option<BoundExpr>,
    /// Name and type of the result.
    pub column: RowColumn,
}

/// One sequence of `concat`.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundBranch {
    /// What is done.
    pub then: Vec<BoundTransformation>,
    /// For each column of the result but the last, its position in what comes out; nothing where the branch has none.
    pub columns: Vec<Option<usize>>,
    /// The number of the branch's first pattern in [`BoundPresence::lacks`] of the result.
    pub first_pattern: i64,
    /// Position of the branch's own patterns in what comes out.
    pub pattern: Option<usize>,
}

/// `join` and `outerjoin`.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundJoin {
    /// What is followed. Only `columns` are appended.
    pub follow: BoundFollow,
    /// What is done with the rows that each row leads to. They have the columns of their table, then those that link them to the row
    /// that they belong to, which are the partition.
    pub then: Vec<BoundTransformation>,
    /// Where the linking columns are after that.
    pub link: Vec<usize>,
    /// Which columns are appended, of those that come out of it.
    pub columns: Vec<usize>,
}

impl AppliedRows {
    /// The rows of a table as they are, with the shown columns.
    #[must_use]
    pub fn of(row_type: RowType, shown: Vec<usize>) -> AppliedRows {
        AppliedRows { row_type, shown, presence: None, navigations: BTreeSet::new() }
    }

    /// Positions of the columns whose path is this one or begins with it.
    #[must_use]
    pub fn below(&self, path: &[String]) -> Vec<usize> {
        let columns = self.row_type.columns.iter().enumerate();
        columns.filter(|(_, column)| !column.path.is_empty() && column.path.starts_with(path)).map(|(index, _)| index).collect()
    }
}
