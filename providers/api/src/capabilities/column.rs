//! What a source evaluates of one column, and over which columns of a table it takes key sets, where that is not what it does anywhere.
//! It must not know queries.

use super::{Collation, ComparisonSupport, KeyCapabilities, Support};
use crate::expr::{CompareOp, Function};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which comparisons of one column a source evaluates, operator by operator: a parameter `since` means `>=`, and nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnComparisons {
    /// `=` and `IN`.
    pub equal: Support,
    /// `<>` and `NOT IN`.
    pub not_equal: Support,
    /// `<`.
    pub less: Support,
    /// `<=`.
    pub less_or_equal: Support,
    /// `>`.
    pub greater: Support,
    /// `>=`.
    pub greater_or_equal: Support,
    /// `IS [NOT] DISTINCT FROM`.
    pub distinct_from: Support,
    /// `IS NULL`.
    pub is_null: Support,
}

impl ColumnComparisons {
    /// How well one operator is evaluated, the column standing on its left.
    pub fn of(&self, op: CompareOp) -> Support {
        match op {
            CompareOp::Eq => self.equal,
            CompareOp::NotEq => self.not_equal,
            CompareOp::Lt => self.less,
            CompareOp::LtEq => self.less_or_equal,
            CompareOp::Gt => self.greater,
            CompareOp::GtEq => self.greater_or_equal,
            CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => self.distinct_from,
        }
    }
}

impl ComparisonSupport {
    /// How well one operator is evaluated.
    pub fn of(&self, op: CompareOp) -> Support {
        match op {
            CompareOp::Eq => self.equal,
            CompareOp::NotEq => self.not_equal,
            CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => self.order,
            CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => self.distinct_from,
        }
    }
}

/// What is particular to one column. What is absent is as with any column of its class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnCapabilities {
    /// Greatest support of predicates on it; absent means as the source's.
    pub filter: Option<Support>,
    /// The comparisons of it, in place of its class's. Such a column is compared by itself: nothing is computed of it but by `functions`.
    #[serde(default)]
    pub comparisons: Option<ColumnComparisons>,
    /// Candidates of one `IN` list at most, in place of the source's; 0 means no `IN`.
    #[serde(default)]
    pub max_in_list: Option<usize>,
    /// The functions that may be called with it, in place of the source's.
    #[serde(default)]
    pub functions: Option<BTreeMap<Function, Support>>,
    /// Whether a request has only one place for each comparison of it, or function of it: a parameter that cannot be given twice.
    #[serde(default)]
    pub once: bool,
    /// Greatest support of sorting by it.
    pub sort: Option<Support>,
    /// How its text compares.
    pub collation: Option<Collation>,
}

impl ColumnCapabilities {
    /// As any column.
    pub const INHERITED: ColumnCapabilities = ColumnCapabilities {
        filter: None,
        comparisons: None,
        max_in_list: None,
        functions: None,
        once: false,
        sort: None,
        collation: None,
    };

    /// Neither asked about nor sorted by.
    pub const NOT_COMPARED: ColumnCapabilities = ColumnCapabilities {
        filter: Some(Support::None),
        comparisons: None,
        max_in_list: None,
        functions: None,
        once: false,
        sort: Some(Support::None),
        collation: None,
    };
}

/// Key sets that a table takes: over just these columns, whatever is said of predicates on them (`/customers/{id}`, `?ids=1,2,3`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableKeys {
    /// Remote names of the columns, in any order.
    pub columns: Vec<String>,
    /// How well rows are found by them.
    pub support: Support,
    /// Tuples in one request at most.
    pub max_tuples: usize,
    /// Size of the tuples of one request in bytes at most, as [`KeyCapabilities::bytes`] counts them; 0 means no limit.
    #[serde(default)]
    pub max_bytes: usize,
}

impl TableKeys {
    /// The same as what any key set is measured by.
    pub fn limits(&self) -> KeyCapabilities {
        let TableKeys { columns, support, max_tuples, max_bytes } = self;
        KeyCapabilities { support: *support, max_columns: columns.len(), max_tuples: *max_tuples, max_bytes: *max_bytes }
    }
}
