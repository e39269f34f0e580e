//! The syntax tree of a request: names uninterpreted, literals as written, every node with its place. It must not know any model:
//! whether a name is a property, a relationship or nothing at all is for [`crate::bind`] to say.

mod apply;
mod options;

pub use apply::*;
pub use options::*;

use std::fmt;

/// A range of characters (not bytes) in the decoded text of the path or of one query option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
}

impl Span {
    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A parsed request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What the path addresses.
    pub resource: Resource,
    /// The system query options.
    pub options: Options,
    /// Definitions of parameter aliases (`@p=…`), at most one per name.
    pub aliases: Vec<Alias>,
    /// Options that are neither: implicit parameters of a function or options of the service's own.
    pub custom: Vec<CustomOption>,
    /// Names of system query options that are given more than once; the first of each is in `options`.
    pub repeated: Vec<String>,
    /// Path and system query options, decoded and with canonical names, in canonical order: what [`crate::skiptoken`] hashes.
    pub canonical: Vec<(String, String)>,
}

/// What a path addresses.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Resource {
    /// The service root.
    #[default]
    ServiceDocument,
    /// `$metadata`.
    Metadata,
    /// `$batch`.
    Batch,
    /// A path to data; at least one segment. It starts at an entity set, a singleton, an operation import, or at `$all`, `$crossjoin`
    /// or `$entity`.
    EntitySet(Vec<Segment>),
}

/// One segment of a resource path.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The name: an identifier, a qualified name, or one that begins with `$`; or the whole segment, decoded, where it is not of such
    /// a form and can only be a key or an ordinal.
    pub name: String,
    /// Whether the segment is not a name with or without parentheses.
    pub opaque: bool,
    /// What stands in parentheses after it: a key, parameters, the condition of `$filter(…)`, or the sets of `$crossjoin(…)`.
    pub key: Option<KeyPredicate>,
    /// A key in parentheses of its own after parameters or a condition: `$filter(…)(1)`.
    pub second_key: Option<KeyPredicate>,
    /// The whole segment, decoded: what it is if it turns out to be a key.
    pub text: String,
    /// Place in the path.
    pub span: Span,
}

/// A key in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPredicate {
    /// `(1)` has one part without a name; `(A=1,B=2)` has named ones; `()` has none.
    pub parts: Vec<KeyPart>,
    /// Whether there are blanks in it, which the grammar has between parameters but not in keys.
    pub spaced: bool,
    /// Place in the path.
    pub span: Span,
}

/// One value of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPart {
    /// The key property, if it is said.
    pub name: Option<String>,
    /// The value: a literal or a parameter alias.
    pub value: Expr,
    /// Place in the path.
    pub span: Span,
}

/// A query option that the protocol does not define.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomOption {
    /// The name, decoded.
    pub name: String,
    /// What follows the `=`, decoded, if there is one.
    pub value: Option<String>,
    /// The option as it stands in the URL, still percent-encoded.
    pub raw: String,
}

/// A definition of a parameter alias.
#[derive(Debug, Clone, PartialEq)]
pub struct Alias {
    /// The name, with its `@`.
    pub name: String,
    /// What it stands for; spans are in this option's value.
    pub value: Expr,
}

/// An expression and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A literal.
    Literal(Literal),
    /// A path: a property, or steps with `/` between.
    Path(Vec<PathStep>),
    /// A function call that is not part of a path; the name may be qualified.
    Call {
        /// As written.
        name: String,
        /// Arguments in order.
        arguments: Vec<Argument>,
    },
    /// `not` or `-`.
    Unary {
        /// Operator.
        op: UnaryOperator,
        /// Operand.
        operand: Box<Expr>,
    },
    /// A binary operator other than `and` and `or`.
    Binary {
        /// Operator.
        op: BinaryOperator,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// A chain of one logical operator; at least two operands.
    Logical {
        /// Operator.
        op: LogicalOperator,
        /// Operands in order.
        operands: Vec<Expr>,
    },
    /// A list in parentheses, as `in` takes it.
    List(Vec<Expr>),
    /// `case(…)`: conditions and what they yield.
    Case(Vec<(Expr, Expr)>),
    /// A JSON array.
    Array(Vec<Expr>),
    /// A JSON object: names and values in order.
    Object(Vec<(String, Expr)>),
    /// Text in double quotes, inside an array or object.
    JsonText(String),
    /// A parameter alias, with its `@`.
    Alias(String),
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Its name, as custom functions and keys have.
    pub name: Option<String>,
    /// Its value.
    pub value: Expr,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct PathStep {
    /// What it is.
    pub kind: StepKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of path steps.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// A name, perhaps qualified (`Ns.Type`), or a variable.
    Name(String),
    /// `$it`, `$root`, `$this`, `$these`, `$count`, `$value`, `$ref`, …
    Special(String),
    /// `$count(…)`: what is counted.
    Count(Box<Options>),
    /// `$filter(…)`
    Filter(Box<Expr>),
    /// An annotation (`@Core.Messages`, perhaps with `#qualifier`), or at the start of a path a parameter alias.
    Annotation(String),
    /// A key in parentheses after a call or `$filter(…)`; no `/` stands before it.
    Key(Vec<Argument>),
    /// `aggregate(…)`
    Aggregate(Box<AggregateItem>),
    /// `any(x:…)` or `all(x:…)`.
    Lambda {
        /// Which.
        quantifier: Quantifier,
        /// The variable and the predicate; `any()` has none.
        body: Option<(String, Box<Expr>)>,
    },
    /// A bound function, or a name with a key after it.
    Call {
        /// As written.
        name: String,
        /// Arguments in order.
        arguments: Vec<Argument>,
    },
}

/// `any` or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// Every one.
    All,
}

/// Unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `not`
    Not,
    /// `-`
    Negate,
}

/// Logical operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicalOperator {
    /// `and`
    And,
    /// `or`
    Or,
}

/// Binary operators other than `and` and `or`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `has`
    Has,
    /// `in`
    In,
    /// `mul`
    Mul,
    /// `div`
    Div,
    /// `divby`
    DivBy,
    /// `mod`
    Mod,
    /// `add`
    Add,
    /// `sub`
    Sub,
    /// `gt`
    Gt,
    /// `ge`
    Ge,
    /// `lt`
    Lt,
    /// `le`
    Le,
    /// `eq`
    Eq,
    /// `ne`
    Ne,
}

impl fmt::Display for BinaryOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BinaryOperator::Has => "has",
            BinaryOperator::In => "in",
            BinaryOperator::Mul => "mul",
            BinaryOperator::Div => "div",
            BinaryOperator::DivBy => "divby",
            BinaryOperator::Mod => "mod",
            BinaryOperator::Add => "add",
            BinaryOperator::Sub => "sub",
            BinaryOperator::Gt => "gt",
            BinaryOperator::Ge => "ge",
            BinaryOperator::Lt => "lt",
            BinaryOperator::Le => "le",
            BinaryOperator::Eq => "eq",
            BinaryOperator::Ne => "ne",
        })
    }
}

impl StepKind {
    /// What messages call it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            StepKind::Name(name) | StepKind::Special(name) | StepKind::Annotation(name) => name.clone(),
            StepKind::Call { name, .. } => format!("{name}(…)"),
            StepKind::Lambda { quantifier: Quantifier::Any, .. } => "any(…)".to_owned(),
            StepKind::Lambda { quantifier: Quantifier::All, .. } => "all(…)".to_owned(),
            StepKind::Count(_) => "$count(…)".to_owned(),
            StepKind::Filter(_) => "$filter(…)".to_owned(),
            StepKind::Key(_) => "(…)".to_owned(),
            StepKind::Aggregate(_) => "aggregate(…)".to_owned(),
        }
    }
}

/// A literal as it was written. Its type is settled by what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// What it looks like.
    pub kind: LiteralKind,
    /// The lexeme without quotes, prefix and suffix: `O'Neil` for `'O''Neil'`, `123` for `123L`, `P1D` for `duration'P1D'`.
    pub text: String,
}

/// What a literal looks like. One form can stand for several types: `11` is any number, quoted text also a date or GUID where one is
/// expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralKind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// Digits, perhaps with a sign.
    Integer,
    /// A number with a point or an exponent, or with the old suffixes `m`, `d`, `f`.
    Decimal,
    /// `NaN`, `INF`, `-INF`
    NotFinite,
    /// Quoted.
    Text,
    /// A GUID, unquoted.
    Guid,
    /// `2026-08-01`
    Date,
    /// `12:30:00.5`
    TimeOfDay,
    /// `2026-08-01T12:30:00Z`, with `Z`, an offset, or (tolerated) neither.
    DateTimeOffset,
    /// `binary'…'`
    Binary,
    /// `duration'…'`
    Duration,
    /// `Ns.Type'Member'`
    Enumeration,
    /// `geography'…'`
    Geography,
    /// `geometry'…'`
    Geometry,
}
