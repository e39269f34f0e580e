//! Joins that a source makes along references between its tables. It must not know queries.

use super::Support;
use serde::{Deserialize, Serialize};

/// A reference of a table to another one, along which a source joins the two though it joins nothing else: each row meets the one row there
/// that has its values as its key, if there is one. Inner and left joins, the table that refers on the left of the latter, by equality of
/// just these columns, whose types are the same; several references one after the other, or of one table, are one query as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JoinReference {
    /// Remote names of the table's own columns.
    pub columns: Vec<String>,
    /// The table that it refers to, as [`crate::RemoteTableName`] prints it.
    pub table: String,
    /// Remote names of the columns there, one for each; no two rows have the same values in all of them.
    pub referenced_columns: Vec<String>,
    /// Greatest support of predicates on columns of the other table. Of an inner join, what is asked of `referenced_columns` is asked of
    /// `columns`, whatever is said here.
    pub filter: Support,
    /// Greatest support of sorting by columns of the other table, in the same way.
    pub sort: Support,
    /// Greatest support of what sees how many rows an inner join has: limits, offsets and the number of rows. A left join has those of its table.
    pub inner_limit: Support,
    /// Whether references of the other table can be followed from there.
    pub leads_on: bool,
}
