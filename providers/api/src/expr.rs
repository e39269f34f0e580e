//! Expressions of the IR. They have SQL's three-valued semantics; columns are positions, never names.
//! The evaluator ([`crate::evaluate`](mod@crate::evaluate)) defines what each one means.

use crate::query::{AggregateFunction, SortKey, SourceQuery};
use crate::types::ScalarType;
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// Comparison operators. `IsDistinctFrom` and `IsNotDistinctFrom` are two-valued: null equals null.
/// Floats compare by IEEE 754 (NaN equals nothing, not even itself); text compares by code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// `IS DISTINCT FROM`
    IsDistinctFrom,
    /// `IS NOT DISTINCT FROM`
    IsNotDistinctFrom,
}

/// Arithmetic operators. Both operands have the same type (decimals may differ). Integers: overflow and division by zero are errors,
/// division truncates, the remainder has the dividend's sign. Floats: IEEE 754. Decimals: exact, but for quotients, and for products with
/// more digits after the point than the type has, which are rounded half away from zero; what does not fit the type is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

/// The closed list of scalar functions. Null in any argument gives null. Text positions and lengths count code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `(text, text) -> boolean`: the first contains the second; the empty text is contained in every text.
    Contains,
    /// `(text, text) -> boolean`.
    StartsWith,
    /// `(text, text) -> boolean`.
    EndsWith,
    /// `(text, pattern) -> boolean`: SQL `LIKE`, `%` and `_`, escape character `\`.
    Like,
    /// `(text) -> int32`: length in code points.
    Length,
    /// `(text, text) -> int32`: 1-based position of the second in the first, 0 when absent (SQL `strpos`).
    Position,
    /// `(text, int64 start[, int64 length]) -> text`: SQL `substr`, 1-based; a negative length is an error.
    Substring,
    /// `(text) -> text`: simple Unicode lower case.
    Lower,
    /// `(text) -> text`: simple Unicode upper case.
    Upper,
    /// `(text) -> text`: removes leading and trailing spaces (U+0020 only).
    Trim,
    /// `(text, text) -> text`: `||`, null-propagating.
    Concat,
    /// `(date | timestamp | timestamptz) -> int32`: year, in UTC.
    Year,
    /// Month, 1 to 12.
    Month,
    /// Day of month, 1 to 31.
    Day,
    /// `(time | timestamp | timestamptz) -> int32`: hour, 0 to 23.
    Hour,
    /// Minute, 0 to 59.
    Minute,
    /// Whole seconds, 0 to 59.
    Second,
    /// `(float | decimal) -> same type`: half away from zero, to a whole number.
    Round,
    /// `(float | decimal) -> same type`.
    Floor,
    /// `(float | decimal) -> same type`.
    Ceiling,
    /// `(number) -> same type`.
    Abs,
}

impl Function {
    /// Every function, for capability tables and generators.
    pub const ALL: [Function; 21] = [
        Function::Contains,
        Function::StartsWith,
        Function::EndsWith,
        Function::Like,
        Function::Length,
        Function::Position,
        Function::Substring,
        Function::Lower,
        Function::Upper,
        Function::Trim,
        Function::Concat,
        Function::Year,
        Function::Month,
        Function::Day,
        Function::Hour,
        Function::Minute,
        Function::Second,
        Function::Round,
        Function::Floor,
        Function::Ceiling,
        Function::Abs,
    ];
}

/// Window functions, which only outputs may use. `Count`, `Sum`, `Min` and `Max` are the aggregates of that name, with their types, over
/// the partition; with an order, over its rows up to this one and those tied with it (SQL's default frame).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowFunction {
    /// Position in the partition, from 1.
    RowNumber,
    /// Rank with gaps.
    Rank,
    /// Rank without gaps.
    DenseRank,
    /// Number of values, or without an argument of rows.
    Count,
    /// Sum.
    Sum,
    /// Least.
    Min,
    /// Greatest.
    Max,
}

impl WindowFunction {
    /// The aggregate function that it computes over its rows; nothing for those that number them.
    pub fn aggregate(self) -> Option<AggregateFunction> {
        match self {
            WindowFunction::RowNumber | WindowFunction::Rank | WindowFunction::DenseRank => None,
            WindowFunction::Count => Some(AggregateFunction::Count),
            WindowFunction::Sum => Some(AggregateFunction::Sum),
            WindowFunction::Min => Some(AggregateFunction::Min),
            WindowFunction::Max => Some(AggregateFunction::Max),
        }
    }
}

/// An expression over the columns of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr {
    /// Column by position in the schema of the query's `from`.
    Column(usize),
    /// Column of an enclosing query: of what the expression sees in which the sub-query stands. A block in `from` is no level.
    OuterColumn {
        /// Levels up, from 1 for the query whose expression holds this sub-query.
        depth: u32,
        /// Position in what that expression sees.
        index: usize,
        /// Its type.
        scalar_type: ScalarType,
    },
    /// A constant.
    Literal(Value),
    /// A value that is bound later, never null: before the query reaches its source, which refuses a query that still has one, or with each
    /// run of a query that was prepared.
    Parameter {
        /// Position in the list of bound values.
        index: u32,
        /// Its type.
        scalar_type: ScalarType,
    },
    /// A comparison of two expressions of one type (decimals may differ in precision and scale).
    Compare {
        /// Operator.
        op: CompareOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `expr [NOT] IN (list)` with SQL's null rules.
    InList {
        /// What is looked up.
        expr: Box<Expr>,
        /// The candidates.
        list: Vec<Expr>,
        /// `NOT IN`.
        negated: bool,
    },
    /// Conjunction; empty is true.
    And(Vec<Expr>),
    /// Disjunction; empty is false.
    Or(Vec<Expr>),
    /// Negation; null stays null.
    Not(Box<Expr>),
    /// `IS NULL`.
    IsNull(Box<Expr>),
    /// Binary arithmetic.
    Arithmetic {
        /// Operator.
        op: ArithmeticOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// Arithmetic negation.
    Negate(Box<Expr>),
    /// Searched `CASE`; without `otherwise` the default is null.
    Case {
        /// Conditions and results, tried in order.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// Conversion; a value that cannot be represented is an error.
    Cast {
        /// What is converted.
        expr: Box<Expr>,
        /// Target type.
        to: ScalarType,
    },
    /// A function call.
    Call {
        /// Which function.
        function: Function,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// The single value of a one-column query; null when it has no row, an error when it has two.
    ScalarSubquery(Box<SourceQuery>),
    /// True when the query has a row.
    Exists(Box<SourceQuery>),
    /// A window function.
    Window {
        /// Which function.
        function: WindowFunction,
        /// Its arguments.
        arguments: Vec<Expr>,
        /// `PARTITION BY`.
        partition_by: Vec<Expr>,
        /// `ORDER BY`.
        order_by: Vec<SortKey>,
    },
}

impl Expr {
    /// `left op right`.
    pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
        Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
    }

    /// The position, where it is a plain column.
    pub fn as_column(&self) -> Option<usize> {
        if let Expr::Column(index) = self { Some(*index) } else { None }
    }

    /// The conjunction of all given expressions, flat; `None` when there is none.
    pub fn all(expressions: impl IntoIterator<Item = Expr>) -> Option<Expr> {
        let mut flat = Vec::new();
        for expression in expressions {
            match expression {
                Expr::And(parts) => flat.extend(parts),
                single => flat.push(single),
            }
        }
        match flat.len() {
            0 => None,
            1 => flat.pop(),
            _ => Some(Expr::And(flat)),
        }
    }
}
