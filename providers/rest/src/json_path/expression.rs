//! An expression as it is understood: what the standard says of types holds by construction. It must not know documents.

use portico_provider_api::json::Json;
use regex::Regex;

/// Where an expression begins, and its steps.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// Whether it begins at the document (`$`), and not at the value that a filter looks at (`@`).
    pub(super) absolute: bool,
    pub(super) segments: Vec<Segment>,
}

/// One step: to children, or to all that is below.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) descendant: bool,
    pub(super) selectors: Vec<Selector>,
}

/// What is selected of a value.
#[derive(Debug, Clone)]
pub(super) enum Selector {
    Name(String),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Condition),
}

/// What a filter asks of a value.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    /// Something is selected.
    Exists(Query),
    Compare(Operand, Comparison, Operand),
    /// A text fits a pattern: as a whole (`match`), or a part of it (`search`).
    Fits(Operand, Regex),
}

/// `==` and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One value, or nothing.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Literal(Json),
    /// Of names and indexes alone.
    One(Query),
    Length(Box<Operand>),
    Count(Query),
    Value(Query),
}

impl Query {
    /// Whether names and indexes are all that there is, so that one value is selected at most.
    pub(super) fn is_singular(&self) -> bool {
        let single = |segment: &Segment| matches!(segment.selectors.as_slice(), [Selector::Name(_) | Selector::Index(_)]);
        self.segments.iter().all(|segment| !segment.descendant && single(segment))
    }
}

impl Segment {
    /// The name that it is, if it is nothing else.
    pub(super) fn name(&self) -> Option<&String> {
        match self.selectors.as_slice() {
            [Selector::Name(name)] if !self.descendant => Some(name),
            _ => None,
        }
    }

    /// Whether it is `[*]`.
    pub(super) fn is_every(&self) -> bool {
        !self.descendant && matches!(self.selectors.as_slice(), [Selector::Wildcard])
    }
}
