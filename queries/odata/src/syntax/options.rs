//! The syntax tree of query options other than `$apply`. It must not know any model.

use super::{Alias, Expr, Span, Transformation};

/// The system query options of a request, or of one item of `$expand` or `$select`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// `$filter`.
    pub filter: Option<Expr>,
    /// `$select`.
    pub select: Option<Vec<SelectItem>>,
    /// `$orderby`.
    pub order_by: Option<Vec<OrderItem>>,
    /// `$expand`.
    pub expand: Option<Vec<ExpandItem>>,
    /// `$top`.
    pub top: Option<u64>,
    /// `$skip`.
    pub skip: Option<u64>,
    /// `$count`.
    pub count: Option<bool>,
    /// `$search`.
    pub search: Option<Search>,
    /// `$compute`.
    pub compute: Option<Vec<ComputeItem>>,
    /// `$apply`.
    pub apply: Option<Vec<Transformation>>,
    /// `$levels`; only in parentheses after an item of `$expand`.
    pub levels: Option<Levels>,
    /// Definitions of parameter aliases inside parentheses.
    pub aliases: Vec<Alias>,
    /// `$at`, `$from`, `$to` and `$toInclusive`, of the extension for temporal data.
    pub temporal: Vec<TemporalOption>,
    /// `$format`, as written; only at the top.
    pub format: Option<String>,
    /// `$skiptoken`, as written; only at the top.
    pub skip_token: Option<String>,
    /// `$deltatoken`, as written; only at the top.
    pub delta_token: Option<String>,
    /// `$schemaversion`, as written; only at the top.
    pub schema_version: Option<String>,
    /// `$index`; only at the top.
    pub index: Option<i64>,
    /// `$id`, as written; only at the top.
    pub id: Option<String>,
}

impl Options {
    /// Names of the options that are given, in a fixed order.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        let temporal = |wanted: TemporalKind| self.temporal.iter().any(|option| option.kind == wanted);
        [
            ("$apply", self.apply.is_some()),
            ("$compute", self.compute.is_some()),
            ("$search", self.search.is_some()),
            ("$filter", self.filter.is_some()),
            ("$select", self.select.is_some()),
            ("$orderby", self.order_by.is_some()),
            ("$expand", self.expand.is_some()),
            ("$top", self.top.is_some()),
            ("$skip", self.skip.is_some()),
            ("$count", self.count.is_some()),
            ("$levels", self.levels.is_some()),
            ("$format", self.format.is_some()),
            ("$skiptoken", self.skip_token.is_some()),
            ("$deltatoken", self.delta_token.is_some()),
            ("$schemaversion", self.schema_version.is_some()),
            ("$index", self.index.is_some()),
            ("$id", self.id.is_some()),
            ("$at", temporal(TemporalKind::At)),
            ("$from", temporal(TemporalKind::From)),
            ("$to", temporal(TemporalKind::To)),
            ("$toinclusive", temporal(TemporalKind::ToInclusive)),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
    }
}

/// One item of `$select`.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectItem {
    /// The path: one name, `*`, or several names with `/` between. A step may be qualified, end in `.*`, or be an annotation
    /// (`@Core.Messages`, perhaps with `#qualifier`).
    pub path: Vec<String>,
    /// The nested options.
    pub options: Option<Options>,
    /// Names of parameters in parentheses, which choose an overload of a function.
    pub parameters: Option<Vec<String>>,
    /// Place in the option.
    pub span: Span,
}

/// One item of `$orderby`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderItem {
    /// What is sorted by.
    pub expr: Expr,
    /// `desc`.
    pub descending: bool,
}

/// One item of `$expand`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpandItem {
    /// The path: one name, `*`, or several names with `/` between; `$ref`, `$count` and `$value` may end it.
    pub path: Vec<String>,
    /// The nested options.
    pub options: Options,
    /// The same as they are written, decoded, without the parentheses.
    pub text: String,
    /// Place in the option.
    pub span: Span,
}

/// One item of `$compute` or of the transformation `compute`.
#[derive(Debug, Clone, PartialEq)]
pub struct ComputeItem {
    /// What is computed.
    pub expr: Expr,
    /// What it is called.
    pub name: Name,
}

/// An identifier that a request introduces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The identifier.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// `$levels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Levels {
    /// So many; at least one.
    Count(u64),
    /// `max`
    Max,
}

/// An option of the extension for temporal data.
#[derive(Debug, Clone, PartialEq)]
pub struct TemporalOption {
    /// Which.
    pub kind: TemporalKind,
    /// Its value.
    pub bound: TemporalBound,
}

/// The options of the extension for temporal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalKind {
    /// `$at`
    At,
    /// `$from`
    From,
    /// `$to`
    To,
    /// `$toInclusive`
    ToInclusive,
}

/// A point in time.
#[derive(Debug, Clone, PartialEq)]
pub enum TemporalBound {
    /// `min`
    Min,
    /// `max`
    Max,
    /// Any expression.
    Expr(Expr),
}

/// A search expression and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// What it is.
    pub kind: SearchKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of search expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchKind {
    /// A word.
    Word(String),
    /// Words in double quotes, to be found side by side.
    Phrase(String),
    /// Text in single quotes: what a person has typed so far, not to be read as an expression.
    Incomplete(String),
    /// `NOT`
    Not(Box<Search>),
    /// `AND`, written or implied; at least two operands.
    And(Vec<Search>),
    /// `OR`; at least two operands.
    Or(Vec<Search>),
}
