//! The select block: the closed IR in which one source is asked. Plain data, `Eq + Hash + Serialize`, no handles.
//! It must not know how any source spells it.

use crate::expr::Expr;
use crate::operation::OperationCall;
use crate::schema::RemoteTableName;
use crate::types::{Codec, ScalarType};
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// One query to one source. Evaluation order: `from`, `keys`, `filter`, `aggregate`, `output`, `distinct`, `order_by`,
/// `limit_per`, `offset`, `limit`. Expressions in `filter`, `keys` and `aggregate` see the columns of `from`; those in `output` and
/// `order_by` see the columns of `from`, or of `aggregate` (group keys, then calls) when it is present; `limit_per` and `having` too.
/// Window functions stand in `output` alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceQuery {
    /// Where rows come from.
    pub from: Relation,
    /// Keeps a row only when true.
    pub filter: Option<Expr>,
    /// Restricts rows to those whose key columns equal one of the given tuples.
    pub keys: Option<KeySet>,
    /// Grouping and aggregates.
    pub aggregate: Option<Aggregation>,
    /// The result columns.
    pub output: Vec<Output>,
    /// Removes duplicate result rows.
    pub distinct: bool,
    /// The order of the result; empty means any order.
    pub order_by: Vec<SortKey>,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// Rows to leave out at the start.
    pub offset: u64,
    /// At most n rows per value of a key, in the order of `order_by`.
    pub limit_per: Option<LimitPer>,
}

/// What a query reads from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Relation {
    /// A remote table.
    Table(TableRelation),
    /// A join; its columns are those of `left` then those of `right` (only `left`'s for semi and anti).
    Join(Box<Join>),
    /// A nested block; its columns are its outputs.
    Query(Box<SourceQuery>),
    /// All rows of every block (`UNION ALL`); all have columns of the same types, and the first block's names count.
    Union(Vec<SourceQuery>),
    /// The rows that an operation of the source's own returns, which changes nothing.
    Call(Box<OperationCall>),
}

impl Relation {
    fn join_expressions<'a>(&'a self, found: &mut Vec<&'a Expr>) {
        match self {
            Relation::Join(join) => {
                let Join { left, right, kind: _, on, residual, null_aware: _, null_equal: _ } = join.as_ref();
                left.join_expressions(found);
                right.join_expressions(found);
                found.extend(on.iter().flat_map(|(left, right)| [left, right]));
                found.extend(residual);
            }
            Relation::Table(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => {}
        }
    }

    fn join_expressions_mut<'a>(&'a mut self, found: &mut Vec<&'a mut Expr>) {
        match self {
            Relation::Join(join) => {
                let Join { left, right, kind: _, on, residual, null_aware: _, null_equal: _ } = join.as_mut();
                left.join_expressions_mut(found);
                right.join_expressions_mut(found);
                found.extend(on.iter_mut().flat_map(|(left, right)| [left, right]));
                found.extend(residual);
            }
            Relation::Table(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => {}
        }
    }
}

/// A remote table and those of its columns that the query may refer to, by position in `columns`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableRelation {
    /// The remote table.
    pub table: RemoteTableName,
    /// The columns in scope.
    pub columns: Vec<TableColumn>,
}

/// A column in scope: enough to translate and decode without the remote schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableColumn {
    /// The remote column's name.
    pub name: String,
    /// The type readers see.
    pub scalar_type: ScalarType,
    /// Whether it may be null.
    pub nullable: bool,
    /// How the source holds it, where that is not the type itself.
    pub codec: Option<Codec>,
    /// The source's own name of the column's type, where translation needs it (`bpchar`, `citext`, …).
    pub native_type: Option<String>,
}

/// Join kinds. Only `Left` produces nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinKind {
    /// Inner.
    Inner,
    /// Left outer.
    Left,
    /// Left semi.
    Semi,
    /// Left anti.
    Anti,
    /// Cross.
    Cross,
}

impl JoinKind {
    /// Every kind, for capability tables and generators.
    pub const ALL: [JoinKind; 5] = [JoinKind::Inner, JoinKind::Left, JoinKind::Semi, JoinKind::Anti, JoinKind::Cross];

    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Semi => "semi",
            JoinKind::Anti => "anti",
            JoinKind::Cross => "cross",
        }
    }
}

/// A join of two relations: a pair of rows matches when every equality of `on` holds and `residual` is true. Without either, as in a
/// cross join (which has neither), every pair matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Join {
    /// Left side.
    pub left: Relation,
    /// Right side.
    pub right: Relation,
    /// Kind.
    pub kind: JoinKind,
    /// Equalities: left expression over left's columns, right expression over right's.
    pub on: Vec<(Expr, Expr)>,
    /// Further condition over left's columns then right's.
    pub residual: Option<Expr>,
    /// `NOT IN` semantics for an anti join with one equality. A row on the left is kept when no row on the right passes `residual`
    /// with it; else when its value is not null, and neither equals one of theirs nor is any of theirs null.
    pub null_aware: bool,
    /// Whether null equals null in `on` (NaN equals nothing all the same).
    pub null_equal: bool,
}

/// What a bind join sends: tuples of values for columns of `from`. Tuples are distinct and hold no null.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeySet {
    /// Positions in the columns of `from`.
    pub columns: Vec<usize>,
    /// The tuples, each as long as `columns`.
    pub tuples: Vec<Vec<Value>>,
}

/// Grouping; without group keys there is exactly one group, also over no rows. Keys without calls give each group once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Aggregation {
    /// Group keys; null is a group.
    pub group_by: Vec<Expr>,
    /// Aggregates.
    pub calls: Vec<AggregateCall>,
    /// Keeps a group only when true; sees group keys, then calls.
    pub having: Option<Expr>,
}

/// Aggregate functions. All but `CountRows` leave nulls out. Sums and averages are of the exact sum (of floats: up to the order in which
/// they are added); a sum that does not fit its type is an error. The average of a decimal(p,s) is sum over count at scale
/// `min(38, s + 4)`, half away from zero; of anything else it is a float64. Least and greatest are by the order in which values sort: NaN
/// is the greatest float. [`AggregateFunction::result_type`] has the types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateFunction {
    /// Number of rows.
    CountRows,
    /// Number of values.
    Count,
    /// Sum; null over no values.
    Sum,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Average.
    Average,
}

impl AggregateFunction {
    /// Every function, for capability tables and generators.
    pub const ALL: [AggregateFunction; 6] = [
        AggregateFunction::CountRows,
        AggregateFunction::Count,
        AggregateFunction::Sum,
        AggregateFunction::Min,
        AggregateFunction::Max,
        AggregateFunction::Average,
    ];
}

/// One aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AggregateCall {
    /// Function.
    pub function: AggregateFunction,
    /// Argument; absent for `CountRows`.
    pub argument: Option<Expr>,
    /// Over distinct values only; not for `CountRows`.
    pub distinct: bool,
    /// Over rows for which this is true.
    pub filter: Option<Expr>,
    /// Result type: that of [`AggregateFunction::result_type`].
    pub scalar_type: ScalarType,
}

/// One result column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Output {
    /// Its name in the result's schema.
    pub name: String,
    /// Its value.
    pub expr: Expr,
}

/// One sort key; direction and null placement are always explicit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortKey {
    /// What is sorted by.
    pub expr: Expr,
    /// Descending.
    pub descending: bool,
    /// Nulls before all values.
    pub nulls_first: bool,
}

/// Top-n per parent: after ordering, rows `offset .. offset + limit` of each group of equal `columns`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LimitPer {
    /// What makes a group.
    pub columns: Vec<Expr>,
    /// Rows to leave out per group.
    pub offset: u64,
    /// Rows to keep per group.
    pub limit: u64,
}

impl SourceQuery {
    /// A query that returns the given outputs of a relation and nothing else.
    pub fn select(from: Relation, output: Vec<Output>) -> SourceQuery {
        SourceQuery {
            from,
            filter: None,
            keys: None,
            aggregate: None,
            output,
            distinct: false,
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            limit_per: None,
        }
    }

    /// A query that returns every column in scope of a table.
    pub fn scan(table: TableRelation) -> SourceQuery {
        let output = table
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| Output { name: column.name.clone(), expr: Expr::Column(index) })
            .collect();
        SourceQuery::select(Relation::Table(table), output)
    }

    /// A query that returns every column of what an operation returns.
    pub fn call(call: OperationCall) -> SourceQuery {
        let columns = call.operation.columns().iter().enumerate();
        let output = columns.map(|(index, column)| Output { name: column.name.clone(), expr: Expr::Column(index) }).collect();
        SourceQuery::select(Relation::Call(Box::new(call)), output)
    }

    /// All expressions of this block, those of joins in its `from` included; not those inside nested blocks and sub-queries. Nothing but
    /// this lists them, so that a new part of a query is forgotten nowhere.
    pub fn expressions(&self) -> Vec<&Expr> {
        let SourceQuery { from, filter, keys: _, aggregate, output, distinct: _, order_by, limit: _, offset: _, limit_per } = self;
        let mut found = Vec::new();
        from.join_expressions(&mut found);
        found.extend(filter);
        if let Some(Aggregation { group_by, calls, having }) = aggregate {
            found.extend(group_by);
            found.extend(calls.iter().flat_map(|call| call.argument.iter().chain(&call.filter)));
            found.extend(having);
        }
        found.extend(output.iter().map(|output| &output.expr));
        found.extend(order_by.iter().map(|key| &key.expr));
        found.extend(limit_per.iter().flat_map(|per| &per.columns));
        found
    }

    /// The same expressions, to be changed.
    pub fn expressions_mut(&mut self) -> Vec<&mut Expr> {
        let SourceQuery { from, filter, keys: _, aggregate, output, distinct: _, order_by, limit: _, offset: _, limit_per } = self;
        let mut found = Vec::new();
        from.join_expressions_mut(&mut found);
        found.extend(filter);
        if let Some(Aggregation { group_by, calls, having }) = aggregate {
            found.extend(group_by);
            found.extend(calls.iter_mut().flat_map(|call| call.argument.iter_mut().chain(&mut call.filter)));
            found.extend(having);
        }
        found.extend(output.iter_mut().map(|output| &mut output.expr));
        found.extend(order_by.iter_mut().map(|key| &mut key.expr));
        found.extend(limit_per.iter_mut().flat_map(|per| &mut per.columns));
        found
    }

    /// The remote tables that are read, without duplicates, in order of appearance (subqueries included).
    pub fn tables(&self) -> Vec<&RemoteTableName> {
        let mut names = Vec::new();
        crate::walk::visit_tables(self, &mut |table| {
            if !names.contains(&&table.table) {
                names.push(&table.table);
            }
        });
        names
    }

    /// The bytes that identify this query: equal queries have equal bytes, different ones different bytes, across processes
    /// of one version of this contract. The first line names the version.
    ///
    /// # Errors
    /// When serialisation fails, which plain data does not.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = b"portico-source-query/1\n".to_vec();
        serde_json::to_writer(&mut bytes, self)?;
        Ok(bytes)
    }
}
