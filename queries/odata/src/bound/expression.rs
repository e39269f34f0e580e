//! Bound expressions: every name a position in a row, every operand typed and promoted. OData's null logic is kept as it is. They must
//! not know how rows are fetched or joined.

use super::hierarchy::NodeTest;
use crate::value_type::ValueType;
use portico_provider_api::{ScalarType, Value};

/// Comparison operators. Two-valued: `null eq null` is true, `null gt 5` is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonOperator {
    /// `eq`
    Eq,
    /// `ne`
    Ne,
    /// `lt`
    Lt,
    /// `le`
    Le,
    /// `gt`
    Gt,
    /// `ge`
    Ge,
}

/// Arithmetic operators; null in, null out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArithmeticOperator {
    /// `add`
    Add,
    /// `sub`
    Sub,
    /// `mul`
    Mul,
    /// `div`: truncating for integers.
    Div,
    /// `divby`: never truncating.
    DivBy,
    /// `mod`
    Mod,
}

/// The string, date and arithmetic functions. Null in, null out. Positions are 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ODataFunction {
    /// `contains(text, text)`
    Contains,
    /// `startswith`
    StartsWith,
    /// `endswith`
    EndsWith,
    /// `length` -> int32
    Length,
    /// `indexof` -> int32, -1 when absent
    IndexOf,
    /// `substring(text, start[, length])`, 0-based
    Substring,
    /// `tolower`
    ToLower,
    /// `toupper`
    ToUpper,
    /// `trim`: all Unicode white space
    Trim,
    /// `concat`
    Concat,
    /// `year` -> int32
    Year,
    /// `month`
    Month,
    /// `day`
    Day,
    /// `hour`
    Hour,
    /// `minute`
    Minute,
    /// `second`
    Second,
    /// `fractionalseconds` -> decimal(7,6)
    FractionalSeconds,
    /// `date(timestamp)` -> date, in UTC
    Date,
    /// `time(timestamp)` -> time, in UTC
    Time,
    /// `now()` -> timestamptz; one instant per request
    Now,
    /// `round`: half away from zero
    Round,
    /// `floor`
    Floor,
    /// `ceiling`
    Ceiling,
    /// `matchesPattern(text, pattern)`; the pattern is a literal, rewritten for the `regex` crate.
    MatchesPattern,
    /// `totaloffsetminutes` -> int32: all instants are in UTC.
    TotalOffsetMinutes,
    /// `totalseconds(duration)` -> decimal(19,6)
    TotalSeconds,
    /// `has` -> boolean: all bits of the second 64-bit integer are set in the first.
    HasFlags,
    /// An instant, and microseconds to add.
    ShiftInstant,
    /// A date, and microseconds to add to its first instant; the date of what comes out.
    ShiftDate,
    /// Microseconds from the second instant to the first.
    Elapsed,
    /// Microseconds from the second date to the first.
    ElapsedDays,
    /// The whole number nearest to a double, half away from zero, as a 64-bit integer.
    WholeNumber,
    /// `geo.distance(point, point)` -> double: metres on the ellipsoid for geographies, units of the plane for geometries. Spatial values
    /// are canonical text, see [`crate::spatial`].
    Distance,
    /// `geo.length(line)` -> double, as [`ODataFunction::Distance`] has it.
    LineLength,
    /// `geo.intersects(point, polygon)` -> boolean: inside or on the boundary.
    Intersects,
    /// Degrees north and degrees east, which become a point; and, for errors, where they are from.
    PointAt,
    /// A text that a column holds, which becomes a spatial value; the name of its type, its reference system, and, for errors, where it
    /// is from.
    Place,
}

/// A typed expression over the columns of a row type.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundExpr {
    /// Column of the innermost rows by position: see [`crate::RowType`].
    Column(usize),
    /// Column of a row that is reached from here: of an enclosing scope, along to-one relationships, or both. Null where there is no
    /// such row.
    Path {
        /// Which rows it starts from: 0 are the innermost, 1 those around the lambda or count that this stands in, and so on.
        level: usize,
        /// To-one relationships, each by its position in the table that is reached so far.
        steps: Vec<usize>,
        /// Position in the table that is reached at last (in the rows themselves when there are no steps).
        column: usize,
    },
    /// A column of one row of a table that is named from the root of the service: `$root/Customers(1)/Name`. Null where there is no
    /// such row.
    RootPath {
        /// The virtual table.
        table: String,
        /// Key values in key order.
        key: Vec<Value>,
        /// To-one relationships from there.
        steps: Vec<usize>,
        /// Position in the table that is reached at last.
        column: usize,
    },
    /// `any` and `all`. Two-valued. What is inside is evaluated over the members (level 0); what is around is one level further out.
    Lambda {
        /// Which.
        quantifier: BoundQuantifier,
        /// The collection.
        members: Members,
        /// What must hold of a member; `any()` has none.
        condition: Option<Box<BoundExpr>>,
    },
    /// How many members a collection has, as a 64-bit integer; never null.
    Count(Members),
    /// Where a node stands in a recursive hierarchy. Two-valued.
    Node(Box<NodeTest>),
    /// `case`: the value beside the first condition that is true; null when none is.
    Case {
        /// Conditions and values.
        branches: Vec<(BoundExpr, BoundExpr)>,
        /// Type of the values.
        scalar_type: ScalarType,
    },
    /// A constant, `Value::Null` included.
    Literal(Value),
    /// A constant that is no null and is put in later, so that what is made of the expression serves for other constants too. The binder makes
    /// none.
    Parameter {
        /// Position in the list of values.
        number: usize,
        /// Its type.
        scalar_type: ScalarType,
    },
    /// Comparison of operands of one type (the binder has promoted them).
    Compare {
        /// Operator.
        op: ComparisonOperator,
        /// Left.
        left: Box<BoundExpr>,
        /// Right.
        right: Box<BoundExpr>,
    },
    /// `in`: two-valued; null is in a list that holds null.
    In {
        /// What is looked up.
        expr: Box<BoundExpr>,
        /// Candidates, of the same type.
        list: Vec<Value>,
    },
    /// Three-valued `and`.
    And(Box<BoundExpr>, Box<BoundExpr>),
    /// Three-valued `or`.
    Or(Box<BoundExpr>, Box<BoundExpr>),
    /// Three-valued `not`.
    Not(Box<BoundExpr>),
    /// Arithmetic on operands of one type.
    Arithmetic {
        /// Operator.
        op: ArithmeticOperator,
        /// Left.
        left: Box<BoundExpr>,
        /// Right.
        right: Box<BoundExpr>,
        /// Result type.
        scalar_type: ScalarType,
    },
    /// `-x`.
    Negate(Box<BoundExpr>),
    /// Numeric promotion.
    Cast {
        /// What is converted.
        expr: Box<BoundExpr>,
        /// To which type.
        to: ScalarType,
    },
    /// The function `cast`: null where the value is none of the type.
    Convert {
        /// What is converted.
        expr: Box<BoundExpr>,
        /// From which type: a duration or a scalar.
        from: ValueType,
        /// To which.
        to: ValueType,
    },
    /// A function call.
    Call {
        /// Function.
        function: ODataFunction,
        /// Arguments, checked and promoted.
        arguments: Vec<BoundExpr>,
        /// Result type.
        scalar_type: ScalarType,
    },
}

/// `any` or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundQuantifier {
    /// The condition is true of at least one member.
    Any,
    /// The condition is true of every member.
    All,
}

/// A collection of entities inside an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Members {
    /// Where they come from.
    pub origin: MembersOrigin,
    /// The virtual table that they are of.
    pub table: String,
    /// Only members of which this is true: `Nav/$filter(…)`, `$count($filter=…)`. Evaluated over the members, as in a lambda.
    pub filter: Option<Box<BoundExpr>>,
}

/// Where the members of a collection come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembersOrigin {
    /// Along a to-many relationship.
    Related {
        /// As in [`BoundExpr::Path`], seen from where the collection stands.
        level: usize,
        /// To-one relationships before it.
        steps: Vec<usize>,
        /// Position of the to-many relationship in the table that is reached by then.
        relationship: usize,
    },
    /// All rows of the table: `$root/Customers`.
    Table,
}

impl BoundExpr {
    /// The conjunction; `None` of nothing.
    #[must_use]
    pub fn all(conditions: Vec<BoundExpr>) -> Option<BoundExpr> {
        conditions.into_iter().reduce(|left, right| BoundExpr::And(Box::new(left), Box::new(right)))
    }

    /// Both conditions, where there are two.
    #[must_use]
    pub fn both(left: Option<BoundExpr>, right: Option<BoundExpr>) -> Option<BoundExpr> {
        BoundExpr::all(left.into_iter().chain(right).collect())
    }

    /// Appends the positions of the columns of the rows themselves that it names, those named from inside lambdas and counts included.
    pub fn columns(&self, into: &mut Vec<usize>) {
        self.columns_below(0, into);
    }

    /// The same of the rows some levels further out.
    pub fn columns_at(&self, level: usize, into: &mut Vec<usize>) {
        self.columns_below(level, into);
    }

    fn columns_below(&self, depth: usize, into: &mut Vec<usize>) {
        match self {
            BoundExpr::Column(index) if depth == 0 => into.push(*index),
            BoundExpr::Path { level, steps, column } if *level == depth && steps.is_empty() => into.push(*column),
            _ => {}
        }
        for child in self.children() {
            child.columns_below(depth, into);
        }
        for inner in self.inner() {
            inner.columns_below(depth + 1, into);
        }
    }

    /// `left op right`, which must be of one type.
    #[must_use]
    pub fn compare(op: ComparisonOperator, left: BoundExpr, right: BoundExpr) -> BoundExpr {
        BoundExpr::Compare { op, left: Box::new(left), right: Box::new(right) }
    }

    /// The expressions directly below this one that are evaluated over the same rows: not what stands inside a lambda or count.
    #[must_use]
    pub fn children(&self) -> Vec<&BoundExpr> {
        match self {
            BoundExpr::Column(_)
            | BoundExpr::Path { .. }
            | BoundExpr::RootPath { .. }
            | BoundExpr::Lambda { .. }
            | BoundExpr::Count(_)
            | BoundExpr::Literal(_)
            | BoundExpr::Parameter { .. } => Vec::new(),
            BoundExpr::Case { branches, .. } => branches.iter().flat_map(|(condition, value)| [condition, value]).collect(),
            BoundExpr::Compare { left, right, .. }
            | BoundExpr::Arithmetic { left, right, .. }
            | BoundExpr::And(left, right)
            | BoundExpr::Or(left, right) => vec![left, right],
            BoundExpr::In { expr, .. } | BoundExpr::Cast { expr, .. } | BoundExpr::Convert { expr, .. } => vec![expr],
            BoundExpr::Not(inner) | BoundExpr::Negate(inner) => vec![inner],
            BoundExpr::Call { arguments, .. } => arguments.iter().collect(),
            BoundExpr::Node(test) => test.expressions(),
        }
    }

    /// Whether its value depends on nothing but the columns of the row.
    #[must_use]
    pub fn is_of_row(&self) -> bool {
        let own = !matches!(
            self,
            BoundExpr::Path { .. } | BoundExpr::RootPath { .. } | BoundExpr::Lambda { .. } | BoundExpr::Count(_) | BoundExpr::Node(_)
        );
        own && !self.uses_now() && self.children().into_iter().all(BoundExpr::is_of_row)
    }

    /// Whether some part of it is `now()`.
    #[must_use]
    pub fn uses_now(&self) -> bool {
        matches!(self, BoundExpr::Call { function: ODataFunction::Now, .. })
            || self.children().into_iter().chain(self.inner()).any(BoundExpr::uses_now)
    }

    /// The expressions inside a lambda or count, which are evaluated over its members.
    #[must_use]
    pub fn inner(&self) -> Vec<&BoundExpr> {
        match self {
            BoundExpr::Lambda { members, condition, .. } => members.filter.iter().chain(condition).map(Box::as_ref).collect(),
            BoundExpr::Count(members) => members.filter.iter().map(Box::as_ref).collect(),
            _ => Vec::new(),
        }
    }
}
