//! Bound requests: names resolved to positions in the model, literals typed, operands promoted. OData semantics are kept as they
//! are (null logic included); the engine lowers them to plans.

pub mod apply;
mod expression;
pub mod hierarchy;

pub use expression::*;

use crate::rows::ExpandForm;
use crate::value_type::RowColumn;
use portico_catalog::Operation;
use portico_catalog::overlay::Returns;
use portico_provider_api::Value;
use std::sync::Arc;

/// A bound read.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundRead {
    /// What is asked for.
    pub query: BoundQuery,
    /// In which form.
    pub kind: ReadKind,
    /// For [`ReadKind::Property`] and [`ReadKind::Value`] the property that the path ends in: one name, or a complex property and its
    /// member; [`portico_catalog::overlay::VALUE`] for the plain value that a function returns. For [`ReadKind::Media`] the stream property; empty for the stream that the entity itself is. Empty for all others.
    pub property: Vec<String>,
}

impl BoundRead {
    /// A read of whole rows, or of how many there are.
    pub fn new(query: BoundQuery, kind: ReadKind) -> BoundRead {
        BoundRead { query, kind, property: Vec::new() }
    }

    /// What the operation returns whose result is read, where that is no entities.
    #[must_use]
    pub fn result(&self) -> Option<&Returns> {
        let returns = self.query.call.as_ref()?.operation.returns.as_ref()?;
        (returns.kind.table().is_none()).then_some(returns)
    }

    /// Whether the answer is a collection of plain values.
    #[must_use]
    pub fn is_of_values(&self) -> bool {
        self.kind == ReadKind::Collection && self.result().is_some_and(|returns| returns.kind.is_scalar())
    }
}

/// A bound read of `$all`: entities of several sets, one set after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundAll {
    /// What is read, in this order. No entity is in two of them.
    pub parts: Vec<AllPart>,
    /// `$top`, over all parts.
    pub top: Option<u64>,
    /// `$skip`, over all parts.
    pub skip: u64,
    /// `$count=true`, over all parts.
    pub count: bool,
}

/// What `$all` reads of one set.
#[derive(Debug, Clone, PartialEq)]
pub struct AllPart {
    /// The name of the entity set, or of a singleton of a set that is not read as a whole.
    pub name: String,
    /// The read, without paging.
    pub read: BoundRead,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    /// A collection of entities, or of values that a function returns.
    Collection,
    /// One entity, by key (404 when there is none) or along a to-one relationship (204 when there is none); or one complex value that a
    /// function returns.
    Entity,
    /// `/$count`: a number as plain text.
    Count,
    /// The value of one property of one entity, as JSON; 204 when it is null, 404 when there is no entity.
    Property,
    /// `/$value` of a property: the value as text, or as bytes where it is binary; 204 when it is null.
    Value,
    /// The bytes of a stream property or of a media entity, with their media type; 204 when there are none. The query's `select` has the
    /// position of the content, then that of the media type where it is in a column.
    Media,
    /// `/$ref` of a collection: ids of its entities.
    References,
    /// `/$ref` of one entity: its id; 404 or 204 as for [`ReadKind::Entity`].
    Reference,
}

impl ReadKind {
    /// Whether the answer is about one entity, or a part of it.
    #[must_use]
    pub fn is_single(self) -> bool {
        match self {
            ReadKind::Entity | ReadKind::Property | ReadKind::Value | ReadKind::Media | ReadKind::Reference => true,
            ReadKind::Collection | ReadKind::Count | ReadKind::References => false,
        }
    }
}

/// A query over one virtual table.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundQuery {
    /// The virtual table (its name in the model, not in the service); for what a function returns that is no entities
    /// [`portico_catalog::overlay::ReturnKind::rows_name`].
    pub table: String,
    /// Restriction to the rows reached from one row of another table: `Customers(1)/Orders`.
    pub via: Option<Via>,
    /// Key values in key order, for a look-up.
    pub key: Option<Vec<Value>>,
    /// The derived type (without namespace) that a cast in the path demands; the restriction to its rows is part of `filter`.
    pub cast: Option<String>,
    /// The function that yields the rows; those of the table when absent.
    pub call: Option<Box<BoundCall>>,
    /// `$apply`. When it is there, it holds all that the options for computing, filtering and sorting amount to, and `select` is positions in
    /// its rows.
    pub apply: Option<apply::BoundApply>,
    /// `$compute`: columns that come after the table's own, in order.
    pub compute: Vec<BoundComputed>,
    /// `$filter`, and `$search` lowered to it.
    pub filter: Option<BoundExpr>,
    /// Positions in the row type (the table's columns, then the computed ones) of the columns to return, in declared order, without
    /// duplicates; key columns are always among them.
    pub select: Vec<usize>,
    /// Whether `$select` was given (the context URL and payload differ).
    pub selected: bool,
    /// What `$select` names that has no columns: navigation properties, with the qualified name of the derived type before those that
    /// only it has, and operations (`Ns.*` for all of a namespace).
    pub mentioned: Vec<String>,
    /// The singleton that the path names the entity by, as it is called in the service.
    pub singleton: Option<String>,
    /// The instance annotations that are shown, of the columns that are returned and of the rows: see [`crate::bind::annotate`].
    pub annotations: Vec<BoundAnnotation>,
    /// `$orderby`.
    pub order_by: Vec<BoundOrder>,
    /// `$top`.
    pub top: Option<u64>,
    /// `$skip`.
    pub skip: u64,
    /// `$count=true`.
    pub count: bool,
    /// `$expand`.
    pub expand: Vec<BoundExpand>,
    /// The sets of `$crossjoin`; empty for all other reads. Where there are some, `table` is empty and `select` too, and expressions reach
    /// the entities by level: that of the last set is 0, that of the one before 1.
    pub cross: Vec<CrossPart>,
}

impl BoundQuery {
    /// All rows of a virtual table, of which these columns are returned.
    pub fn of(table: impl Into<String>, select: Vec<usize>) -> BoundQuery {
        BoundQuery {
            table: table.into(),
            via: None,
            key: None,
            cast: None,
            call: None,
            apply: None,
            compute: Vec::new(),
            filter: None,
            select,
            selected: false,
            mentioned: Vec::new(),
            singleton: None,
            annotations: Vec::new(),
            order_by: Vec::new(),
            top: None,
            skip: 0,
            count: false,
            expand: Vec::new(),
            cross: Vec::new(),
        }
    }

    /// The functions that the path calls.
    #[must_use]
    pub fn calls(&self) -> Vec<&BoundCall> {
        let steps = std::iter::successors(self.via.as_ref(), |step| step.from.as_deref());
        let own = self.call.iter().chain(steps.filter_map(|step| step.call.as_ref()));
        own.flat_map(|call| {
            let before = call.bound_to.as_ref().map(BoundQuery::calls).unwrap_or_default();
            std::iter::once(call.as_ref()).chain(before)
        })
        .collect()
    }
}

/// An instance annotation whose value is that of a column of the same row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundAnnotation {
    /// The column that it says something of; the row where absent.
    pub target: Option<usize>,
    /// The term by its vocabulary's alias, and its qualifier: `Measures.ISOCurrency`, `UI.Title#short`.
    pub name: String,
    /// The column that holds its value.
    pub column: usize,
}

/// A call of a function that yields the rows of a query, or of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundCall {
    /// The operation; a function runs [`Operation::result_statement`].
    pub operation: Arc<Operation>,
    /// A value of its declared type for every parameter, and for the key of the entity that it is bound to. A parameter that was left out
    /// is null; where an operation of a source is called, which may have a value of its own for it, it is absent.
    pub arguments: Vec<(String, Value)>,
    /// What it has returned, where it was called already: an action is not called a second time to read that. One value per column of the
    /// result of the source's operation.
    pub rows: Option<Arc<Vec<Vec<Value>>>>,
    /// For an operation bound to one entity that entity, which must be there: its table, key, and what else the path says of it.
    pub bound_to: Option<BoundQuery>,
}

/// One of the sets of a `$crossjoin`.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossPart {
    /// The entity set, by its name in the service.
    pub name: String,
    /// Whether the answer has it at all: `$select` may leave it out.
    pub shown: bool,
    /// Whether the answer has the entity rather than a link to it.
    pub expanded: bool,
    /// What of the entity is fetched: its key, or what `$expand` asks for. It restricts nothing.
    pub query: BoundQuery,
}

/// A computed property.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundComputed {
    /// How it is evaluated, over the columns before it.
    pub expr: BoundExpr,
    /// Its name, type and nullability.
    pub column: RowColumn,
}

/// The row from which a relationship is followed. There is nothing at the end of a path when there is no such row.
#[derive(Debug, Clone, PartialEq)]
pub struct Via {
    /// Virtual table of that row.
    pub table: String,
    /// Its key values, in key order; absent when the row is the only one at this point of the path: a singleton, or what a to-one
    /// relationship leads to.
    pub key: Option<Vec<Value>>,
    /// What else must hold of it: a type cast or `$filter(…)` in the path.
    pub filter: Option<BoundExpr>,
    /// The function that yields it.
    pub call: Option<Box<BoundCall>>,
    /// Position of the relationship in that table.
    pub relationship: usize,
    /// The row from which this one is reached.
    pub from: Option<Box<Via>>,
}

impl Via {
    /// A relationship followed from the row with a key.
    pub fn of(table: impl Into<String>, key: Vec<Value>, relationship: usize) -> Via {
        Via { table: table.into(), key: Some(key), filter: None, call: None, relationship, from: None }
    }
}

/// An expanded relationship.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundExpand {
    /// Position of the relationship in the parent's virtual table.
    pub relationship: usize,
    /// Its name in the payload.
    pub name: String,
    /// Whether it yields an array.
    pub many: bool,
    /// What of the entities is shown.
    pub form: ExpandForm,
    /// The derived type (without namespace) of the parent's rows that it is expanded for; all when absent.
    pub only: Option<String>,
    /// Whether it is followed again from where it leads.
    pub recursion: Recursion,
    /// Most entities per parent at once; zero is no limit. There is a link to the rest.
    pub page: u64,
    /// The request that goes on where `page` ends.
    pub rest: RestRequest,
    /// The nested query; `top` and `skip` count per parent.
    pub query: BoundQuery,
    /// Where `$apply` added it under a name of its own: there is no request for it by itself, and all of it is there at once.
    pub made: Option<BoundMade>,
}

/// What `nest` and `addnested` add to rows, in place of the relationships that entities have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundMade {
    /// Positions, in the rows that come out of `$apply`, of the columns that say what belongs to a row: those that the relationship starts
    /// from, or those that told the groups apart. Without columns everything belongs to every row.
    pub link: Vec<usize>,
    /// The number of the `nest` ([`apply::BoundTransformation::Nest`]) whose groups these are; without one the relationship is followed.
    pub group: Option<usize>,
    /// Where not all rows have it: the entries of [`apply::BoundPresence::lacks`] of those that do.
    pub only: Option<Vec<i64>>,
}

/// Whether `$levels` follows a relationship again from where it leads. The further levels are expanded in the nested query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recursion {
    /// Once.
    #[default]
    Once,
    /// So many times.
    Levels,
    /// As often as it goes: an entity that is its own ancestor is shown as a reference, with nothing below it.
    Max,
}

/// How the entities of one parent are asked for by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestRequest {
    /// What follows the parent's URL: `Orders`.
    pub path: String,
    /// The options, decoded: names and values in order.
    pub options: Vec<(String, String)>,
}

impl BoundExpand {
    /// A relationship whose entities are shown.
    pub fn entities(relationship: usize, name: impl Into<String>, many: bool, query: BoundQuery) -> BoundExpand {
        let name = name.into();
        let rest = RestRequest { path: name.clone(), options: Vec::new() };
        let (form, recursion) = (ExpandForm::Entities, Recursion::Once);
        BoundExpand { relationship, name, many, form, only: None, recursion, page: 0, rest, query, made: None }
    }
}

/// One sort key; nulls are the lowest values.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundOrder {
    /// What is sorted by.
    pub expr: BoundExpr,
    /// Descending.
    pub descending: bool,
}

/// A bound write to one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundWrite {
    /// The virtual table.
    pub table: String,
    /// What is done.
    pub action: WriteAction,
    /// Positions of the columns to return; empty when nothing is to be returned.
    pub select: Vec<usize>,
}

/// What a write does. Values are `(column position, value)`; a null is `Value::Null`; absent columns are left alone.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteAction {
    /// `POST` to an entity set.
    Insert {
        /// Given values.
        values: Vec<(usize, Value)>,
    },
    /// `PATCH` of an entity.
    Update {
        /// Key values in key order.
        key: Vec<Value>,
        /// Given values.
        values: Vec<(usize, Value)>,
        /// `If-Match`.
        condition: MatchCondition,
    },
    /// `DELETE` of an entity.
    Delete {
        /// Key values in key order.
        key: Vec<Value>,
        /// `If-Match`.
        condition: MatchCondition,
    },
}

/// A bound call of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundAction {
    /// The action, its arguments, and the entity that it is bound to.
    pub call: BoundCall,
    /// What is returned; nothing when it returns nothing, or when that is not wanted.
    pub read: Option<BoundRead>,
    /// `If-Match`, of the entity that it is bound to.
    pub condition: MatchCondition,
}

/// What `If-Match` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchCondition {
    /// The header is absent.
    Absent,
    /// `*`: the entity must exist.
    Any,
    /// One of these ETags (as written, weak prefix and quotes included).
    Tags(Vec<String>),
}
