//! The syntax tree of `$apply` (Data Aggregation, section 3). It must not know any model.

use super::{Argument, ComputeItem, Expr, Name, OrderItem, Search, Span};

/// One transformation and its place; a sequence of them is a `Vec`, first to last.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformation {
    /// What it is.
    pub kind: TransformationKind,
    /// Where it stands.
    pub span: Span,
}

/// The transformations.
#[derive(Debug, Clone, PartialEq)]
pub enum TransformationKind {
    /// `aggregate(…)`; at least one item.
    Aggregate(Vec<AggregateItem>),
    /// `compute(…)`; at least one item.
    Compute(Vec<ComputeItem>),
    /// `concat(…)`; at least two sequences.
    Concat(Vec<Vec<Transformation>>),
    /// `groupby((…),…)`
    GroupBy {
        /// What is grouped by; at least one.
        elements: Vec<GroupElement>,
        /// What is done with each group; empty when it is left out.
        then: Vec<Transformation>,
    },
    /// `join(…)` or `outerjoin(…)`
    Join {
        /// `outerjoin`
        outer: bool,
        /// The collection, as a path.
        path: Expr,
        /// What a member of it is called.
        alias: Name,
        /// What is done with the collection first; empty when it is left out.
        then: Vec<Transformation>,
    },
    /// `nest(…)` or `addnested(…)`
    Nest {
        /// The collection, as a path, for `addnested`.
        path: Option<Expr>,
        /// The nested collections; at least one.
        items: Vec<NestItem>,
    },
    /// `filter(…)`
    Filter(Expr),
    /// `search(…)`
    Search(Search),
    /// `orderby(…)`
    OrderBy(Vec<OrderItem>),
    /// `skip(…)`
    Skip(u64),
    /// `top(…)`
    Top(u64),
    /// `identity`
    Identity,
    /// `topcount(…)` and its like.
    Ranked {
        /// From which end.
        end: RankedEnd,
        /// What the first argument counts.
        measure: RankedMeasure,
        /// How much of it.
        amount: Expr,
        /// By what the instances are ranked.
        by: Expr,
    },
    /// `ancestors(…)` or `descendants(…)`
    Relatives {
        /// `descendants`
        descendants: bool,
        /// The hierarchy.
        hierarchy: Hierarchy,
        /// Which nodes are started from.
        start: Vec<Transformation>,
        /// How far; unlimited when it is left out.
        distance: Option<u64>,
        /// `keep start`
        keep_start: bool,
    },
    /// `traverse(…)`
    Traverse {
        /// The hierarchy.
        hierarchy: Hierarchy,
        /// `postorder` rather than `preorder`
        postorder: bool,
        /// Which nodes are started from; empty when it is left out.
        start: Vec<Transformation>,
        /// The order of siblings.
        order_by: Vec<OrderItem>,
    },
    /// A function of the service.
    Function {
        /// Qualified, as written.
        name: String,
        /// Arguments in order.
        arguments: Vec<Argument>,
    },
}

/// Which end of a ranking is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankedEnd {
    /// `top…`
    Top,
    /// `bottom…`
    Bottom,
}

/// What the first argument of a ranking transformation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankedMeasure {
    /// `…count`
    Count,
    /// `…sum`
    Sum,
    /// `…percent`
    Percent,
}

/// What one item of `aggregate` says.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateItem {
    /// What is aggregated: an expression, a path that ends in `$count`, or a custom aggregate.
    pub expr: Expr,
    /// `with …`
    pub method: Option<Name>,
    /// `from …`, in order.
    pub from: Vec<AggregateFrom>,
    /// `as …`
    pub alias: Option<Name>,
    /// Where it stands.
    pub span: Span,
}

/// One `from` of an item of `aggregate`.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateFrom {
    /// The properties that are aggregated away, as paths; at least one.
    pub properties: Vec<Expr>,
    /// `with …`
    pub method: Option<Name>,
}

/// What `groupby` groups by.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupElement {
    /// A property, as a path.
    Property(Expr),
    /// `rollup(…)`: one path is the name of a levelled hierarchy, several are levels.
    Rollup(Vec<Expr>),
    /// `rolluprecursive(…)`
    RollupRecursive {
        /// The hierarchy.
        hierarchy: Hierarchy,
        /// Which nodes are rolled up to; empty when it is left out.
        to: Vec<Transformation>,
    },
}

/// One collection that `nest` or `addnested` adds.
#[derive(Debug, Clone, PartialEq)]
pub struct NestItem {
    /// What it holds.
    pub then: Vec<Transformation>,
    /// What it is called.
    pub alias: Name,
}

/// A reference to a recursive hierarchy.
#[derive(Debug, Clone, PartialEq)]
pub struct Hierarchy {
    /// Its nodes: a path that begins with `$root`.
    pub nodes: Expr,
    /// The qualifier of its definition.
    pub qualifier: Name,
    /// The property that holds a node's identifier, as a path.
    pub property: Expr,
}
