//! What a source can evaluate, as nested data. It is given per source and overridden per table and column.
//! It holds no behaviour; [`crate::check`] asks it about queries.

mod column;
mod reference;
mod request_size;
mod write;

pub use column::{ColumnCapabilities, ColumnComparisons, TableKeys};
pub use reference::JoinReference;
pub use write::WriteCapabilities;

use crate::expr::{ArithmeticOp, Function};
use crate::query::{AggregateFunction, JoinKind};
use crate::schema::RemoteTableName;
use crate::types::ScalarType;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How well a source evaluates something. The order matters: the support of a whole is the least of its parts'.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// Not at all: must not be asked.
    #[default]
    None,
    /// May return more rows than asked for; the rest is filtered out locally. Never below a limit or a negation.
    Inexact,
    /// Exactly as the IR says.
    Exact,
}

/// Types by how they compare and compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeClass {
    /// Booleans.
    Boolean,
    /// All integers.
    Integer,
    /// Floats.
    Float,
    /// Decimals.
    Decimal,
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// Dates.
    Date,
    /// Times of day.
    Time,
    /// Timestamps without zone.
    Timestamp,
    /// Timestamps with zone.
    TimestampTz,
    /// GUIDs.
    Guid,
    /// JSON documents.
    Json,
}

impl TypeClass {
    /// Every class.
    pub const ALL: [TypeClass; 12] = [
        TypeClass::Boolean,
        TypeClass::Integer,
        TypeClass::Float,
        TypeClass::Decimal,
        TypeClass::Text,
        TypeClass::Binary,
        TypeClass::Date,
        TypeClass::Time,
        TypeClass::Timestamp,
        TypeClass::TimestampTz,
        TypeClass::Guid,
        TypeClass::Json,
    ];

    /// The class of a type.
    pub fn of(scalar_type: ScalarType) -> TypeClass {
        match scalar_type {
            ScalarType::Boolean => TypeClass::Boolean,
            ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => TypeClass::Integer,
            ScalarType::Float32 | ScalarType::Float64 => TypeClass::Float,
            ScalarType::Decimal { .. } => TypeClass::Decimal,
            ScalarType::Text => TypeClass::Text,
            ScalarType::Binary => TypeClass::Binary,
            ScalarType::Date => TypeClass::Date,
            ScalarType::Time => TypeClass::Time,
            ScalarType::Timestamp => TypeClass::Timestamp,
            ScalarType::TimestampTz => TypeClass::TimestampTz,
            ScalarType::Guid => TypeClass::Guid,
            ScalarType::Json => TypeClass::Json,
        }
    }
}

/// How values of one class compare and sort at the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonSupport {
    /// `=` and `IN`.
    pub equal: Support,
    /// `<>` and `NOT IN`.
    pub not_equal: Support,
    /// `<`, `<=`, `>`, `>=`.
    pub order: Support,
    /// `IS [NOT] DISTINCT FROM`.
    pub distinct_from: Support,
    /// `ORDER BY`.
    pub sort: Support,
    /// `IS NULL`.
    pub is_null: Support,
}

impl ComparisonSupport {
    /// All exact.
    pub const EXACT: ComparisonSupport = ComparisonSupport {
        equal: Support::Exact,
        not_equal: Support::Exact,
        order: Support::Exact,
        distinct_from: Support::Exact,
        sort: Support::Exact,
        is_null: Support::Exact,
    };

    /// Only `IS NULL`.
    pub const NULLS_ONLY: ComparisonSupport = ComparisonSupport {
        equal: Support::None,
        not_equal: Support::None,
        order: Support::None,
        distinct_from: Support::None,
        sort: Support::None,
        is_null: Support::Exact,
    };
}

/// How text compares at the source. The IR compares by code points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collation {
    /// By code points: as the IR does.
    #[default]
    Binary,
    /// Equality ignores case: a superset for `=`, unsafe under `NOT`.
    CaseInsensitive,
    /// Equality is exact, order is that of a language.
    Linguistic,
}

/// Where nulls can be placed in an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullOrdering {
    /// As asked.
    #[default]
    AsAsked,
    /// Nulls are the lowest values: first ascending, last descending.
    Lowest,
    /// Nulls are the highest values: last ascending, first descending.
    Highest,
}

/// Predicates and scalar expressions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FilterCapabilities {
    /// By class of the operands.
    pub comparisons: BTreeMap<TypeClass, ComparisonSupport>,
    /// `AND`.
    pub and: Support,
    /// `OR`.
    pub or: Support,
    /// `NOT`.
    pub not: Support,
    /// Whether both sides of a comparison may be something other than a literal (column to column, computed).
    pub between_expressions: Support,
    /// Whether one column is compared with another only where both have the same native type.
    #[serde(default)]
    pub within_native_types: bool,
    /// Candidates in one `IN` list at most; 0 means no `IN`.
    pub max_in_list: usize,
    /// Scalar functions.
    pub functions: BTreeMap<Function, Support>,
    /// Arithmetic by operator and class.
    pub arithmetic: BTreeMap<ArithmeticOp, BTreeMap<TypeClass, Support>>,
    /// `CASE`.
    pub case: Support,
    /// Conversions `(from, to)`.
    pub casts: Vec<(TypeClass, TypeClass)>,
    /// A boolean column or literal standing alone as predicate.
    pub bare_boolean: Support,
    /// Products of decimals with more digits after the point than their type has, which are rounded.
    #[serde(default)]
    pub rounded_products: Support,
    /// Greatest support of what is done with columns that are held in another form than their type's own ([`crate::Codec`]); absent means
    /// as with any column.
    #[serde(default)]
    pub stored_forms: Option<Support>,
}

/// Ordering.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SortCapabilities {
    /// By columns.
    pub columns: Support,
    /// By computed expressions.
    pub expressions: Support,
    /// Where nulls go.
    pub nulls: NullOrdering,
}

/// Key sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyCapabilities {
    /// Whether key sets are understood.
    pub support: Support,
    /// Columns in a key at most.
    pub max_columns: usize,
    /// Tuples in one request at most.
    pub max_tuples: usize,
    /// Size of the tuples of one request in bytes at most, as [`KeyCapabilities::bytes`] counts them; 0 means no limit.
    pub max_bytes: usize,
}

impl KeyCapabilities {
    /// How much room tuples take in a request, roughly: each value as text, and a byte between it and the next.
    #[must_use]
    pub fn bytes(tuples: &[Vec<Value>]) -> usize {
        tuples.iter().flatten().map(|value| text_length(value).saturating_add(1)).fold(0, usize::saturating_add)
    }

    /// Whether one request may have these tuples.
    #[must_use]
    pub fn fit(&self, tuples: &[Vec<Value>]) -> bool {
        tuples.len() <= self.max_tuples && (self.max_bytes == 0 || KeyCapabilities::bytes(tuples) <= self.max_bytes)
    }

    /// The tuples in chunks of which one request each may have; a tuple that is too large by itself is a chunk of its own, which is
    /// refused.
    #[must_use]
    pub fn chunks<'a>(&self, tuples: &'a [Vec<Value>]) -> Vec<&'a [Vec<Value>]> {
        let (mut chunks, mut start, mut size) = (Vec::new(), 0, 0_usize);
        for (index, tuple) in tuples.iter().enumerate() {
            let own = KeyCapabilities::bytes(std::slice::from_ref(tuple));
            let full = index - start >= self.max_tuples.max(1) || (self.max_bytes > 0 && size.saturating_add(own) > self.max_bytes);
            if full && index > start {
                chunks.extend(tuples.get(start..index));
                (start, size) = (index, 0);
            }
            size = size.saturating_add(own);
        }
        chunks.extend(tuples.get(start..).filter(|rest| !rest.is_empty()));
        chunks
    }
}

/// The greatest length of a value of its type as text, or the text's own.
fn text_length(value: &Value) -> usize {
    match value {
        Value::Null(_) => 4,
        Value::Boolean(_) => 5,
        Value::Int16(_) => 6,
        Value::Int32(_) => 11,
        Value::Int64(_) => 20,
        Value::Float32(_) | Value::Float64(_) => 24,
        Value::Decimal { precision, .. } => usize::from(*precision).saturating_add(3),
        Value::Text(text) | Value::Json(text) | Value::Guid(text) => text.len(),
        Value::Binary(bytes) => bytes.len().saturating_mul(2),
        Value::Date(_) => 10,
        Value::Time(_) => 15,
        Value::Timestamp(_) | Value::TimestampTz(_) => 32,
    }
}

/// Joins within the source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JoinCapabilities {
    /// By kind.
    pub kinds: BTreeMap<JoinKind, Support>,
    /// Conditions beyond equalities.
    pub residual: Support,
    /// `NOT IN` semantics.
    pub null_aware: Support,
    /// Null equals null in equalities.
    pub null_equal: Support,
}

impl JoinCapabilities {
    /// Every join.
    pub fn exact() -> JoinCapabilities {
        JoinCapabilities {
            kinds: JoinKind::ALL.into_iter().map(|kind| (kind, Support::Exact)).collect(),
            residual: Support::Exact,
            null_aware: Support::Exact,
            null_equal: Support::Exact,
        }
    }
}

/// Aggregation within the source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AggregateCapabilities {
    /// `GROUP BY` values of classes that have an exact `equal`: null is a group, NaN is one, and the zeros are one.
    pub group_by: Support,
    /// Functions by class of the argument (`CountRows` under `Integer`), for window functions as well.
    pub functions: BTreeMap<AggregateFunction, BTreeMap<TypeClass, Support>>,
    /// Over distinct values of classes that have an exact `equal`.
    pub distinct: Support,
    /// `FILTER (WHERE …)`.
    pub filter: Support,
    /// `HAVING`.
    pub having: Support,
}

impl AggregateCapabilities {
    /// Groups, conditions on them and distinct values, with the functions of the classes that are computed.
    pub fn of(computes: impl Fn(AggregateFunction, TypeClass) -> bool) -> AggregateCapabilities {
        let classes =
            |function| TypeClass::ALL.into_iter().filter(|class| computes(function, *class)).map(|class| (class, Support::Exact)).collect();
        AggregateCapabilities {
            group_by: Support::Exact,
            functions: AggregateFunction::ALL.into_iter().map(|function| (function, classes(function))).collect(),
            distinct: Support::Exact,
            filter: Support::Exact,
            having: Support::Exact,
        }
    }
}

/// What a query must say of a column before its table can be asked. Columns are remote names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// Which values it has: it is a column of the query's key set.
    Key(String),
    /// From which value on: a conjunct of the query's filter compares it by `>=`, `>` or `=` with a constant.
    From(String),
    /// Up to which value: the same by `<=`, `<` or `=`.
    To(String),
}

/// What is particular to one table. What is absent is as the source's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableCapabilities {
    /// Greatest support of predicates; absent means as the source's.
    pub filter: Option<Support>,
    /// Greatest support of sorting.
    pub sort: Option<Support>,
    /// `limit`, in place of the source's; where `offset` says nothing, also the greatest support of that.
    pub limit: Option<Support>,
    /// `offset`, in place of the source's.
    #[serde(default)]
    pub offset: Option<Support>,
    /// Key sets, in place of all of the source's.
    #[serde(default)]
    pub keys: Option<Vec<TableKeys>>,
    /// The plain number of its rows, in place of what is said of aggregates.
    #[serde(default)]
    pub count: Option<Support>,
    /// Aggregation, in place of the source's.
    #[serde(default)]
    pub aggregate: Option<AggregateCapabilities>,
    /// `distinct`, in place of the source's.
    #[serde(default)]
    pub distinct: Option<Support>,
    /// Greatest support of joining it with another relation.
    #[serde(default)]
    pub joins: Option<Support>,
    /// References along which it is joined where the source makes no joins of their kind.
    #[serde(default)]
    pub references: Vec<JoinReference>,
    /// Writes, in place of the source's.
    #[serde(default)]
    pub write: Option<WriteCapabilities>,
    /// Size of a request in bytes at most, in place of the source's.
    #[serde(default)]
    pub max_request_bytes: Option<usize>,
    /// What the table cannot be asked without: any one of these lists will do, and of that list everything (`id`, or `customer` with a
    /// least `placed`). None means that the table can be read as a whole.
    #[serde(default)]
    pub required_keys: Vec<Vec<Requirement>>,
    /// By column name.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnCapabilities>,
}

/// What a source can evaluate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Predicates and scalar expressions.
    pub filter: FilterCapabilities,
    /// How text compares unless a column says otherwise.
    pub collation: Collation,
    /// Returning a subset of the columns.
    pub projection: Support,
    /// Returning computed expressions.
    pub computed_output: Support,
    /// Ordering.
    pub sort: SortCapabilities,
    /// `limit`.
    pub limit: Support,
    /// `offset`.
    pub offset: Support,
    /// Whether rows that are asked for without an order, but with a limit or an offset, come in one total order, which stays the same as long as
    /// the rows do. OData services promise it (OData 4.01, Part 1, sections 11.2.6.3 and 11.2.6.4).
    #[serde(default)]
    pub stable_order: bool,
    /// `limit_per`.
    pub limit_per: Support,
    /// Key sets.
    pub keys: KeyCapabilities,
    /// Size of a request in bytes at most, as [`Capabilities::request_bytes`] counts it; 0 means no limit.
    #[serde(default)]
    pub max_request_bytes: usize,
    /// Joins.
    pub joins: JoinCapabilities,
    /// Aggregation.
    pub aggregate: AggregateCapabilities,
    /// `distinct`, of outputs of classes that have an exact `equal`.
    pub distinct: Support,
    /// Nested blocks in `from`.
    pub nested: Support,
    /// `UNION ALL`.
    pub union: Support,
    /// Scalar sub-queries.
    pub scalar_subquery: Support,
    /// `EXISTS`.
    pub exists: Support,
    /// Columns of enclosing queries in sub-queries.
    #[serde(default)]
    pub correlated: Support,
    /// Window functions.
    pub window: Support,
    /// Writes.
    pub write: WriteCapabilities,
    /// Reading from operations of the source's own that change nothing.
    #[serde(default)]
    pub calls: bool,
    /// Change feed.
    pub change_feed: bool,
    /// Overrides by table name as [`crate::RemoteTableName`] prints it.
    #[serde(default)]
    pub tables: BTreeMap<String, TableCapabilities>,
}

impl Capabilities {
    /// What can be written to one table.
    pub fn write_of(&self, table: &RemoteTableName) -> WriteCapabilities {
        self.tables.get(&table.to_string()).and_then(|own| own.write).unwrap_or(self.write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_cut_by_number_and_by_size() {
        let tuples: Vec<Vec<Value>> = ["a", "bb", "ccc", "dddddddddd", "e"].map(|text| vec![Value::text(text)]).to_vec();
        let sizes = |max_tuples, max_bytes| {
            let limits = KeyCapabilities { max_tuples, max_bytes, ..KeyCapabilities::default() };
            let chunks = limits.chunks(&tuples);
            assert_eq!(chunks.concat(), tuples);
            chunks.iter().map(|chunk| (chunk.len(), limits.fit(chunk))).collect::<Vec<_>>()
        };
        assert_eq!(sizes(2, 0), [(2, true), (2, true), (1, true)]);
        assert_eq!(sizes(9, 6), [(2, true), (1, true), (1, false), (1, true)]);
        assert_eq!(sizes(2, 100), [(2, true), (2, true), (1, true)]);
        assert_eq!(sizes(0, 0).len(), 5);
        assert!(KeyCapabilities::default().chunks(&[]).is_empty());
    }
}
