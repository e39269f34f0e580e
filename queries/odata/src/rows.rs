//! What the engine hands to the JSON writer: batches of rows with their expanded children, and the shape they have.

pub mod applied;

use crate::value_type::ValueType;
use arrow::array::RecordBatch;
use portico_provider_api::{ScalarType, Value};
use std::ops::Range;

/// How entities, or rows that are no entities any more, look in a payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntityShape {
    /// Entity set (name in the service), for ids and context. Empty for rows without identity: what `$apply` aggregated, values of
    /// complex types.
    pub entity_set: String,
    /// Properties in order.
    pub properties: Vec<PropertyShape>,
    /// Position in the batch of the ETag (text), where entities have one.
    pub etag: Option<usize>,
    /// Expanded relationships in order, one per [`EntityBatch::expanded`].
    pub expands: Vec<ExpandShape>,
    /// How rows of derived types are told apart, where there are any.
    pub derivation: Option<DerivationShape>,
    /// Which rows have which properties, where not all have all: after `rollup` and `concat` in `$apply`.
    pub presence: Option<PresenceShape>,
    /// The stream that a media entity is.
    pub media: Option<MediaShape>,
    /// What is said of each row.
    pub annotations: Vec<AnnotationShape>,
    /// What `$select` names beside properties ([`crate::bound::BoundQuery::mentioned`]): of operations only these are offered; all there
    /// are when absent.
    pub mentioned: Option<Vec<String>>,
}

/// Where the media type of a stream is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaShape {
    /// Position in the batch of the media type (text), where it differs by row and was fetched.
    pub media_type: Option<usize>,
    /// The media type, where it is always the same.
    pub fixed_media_type: Option<String>,
}

/// One property.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyShape {
    /// Name in the payload.
    pub name: String,
    /// Where its value is.
    pub value: ValueShape,
    /// Made by the request (`$compute`, an alias in `$apply`): its type is said in the payload where JSON does not tell it.
    pub dynamic: bool,
    /// Its value in rows that were made without one, where `$metadata` says so; it is left out for who prefers that.
    pub default: Option<Value>,
    /// What is said of its value in each row.
    pub annotations: Vec<AnnotationShape>,
}

/// An instance annotation: a value that says something of a row, or of the value of one of its properties.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotationShape {
    /// The term, and its qualifier where it has one: `Measures.ISOCurrency`, `UI.Title#short`.
    pub name: String,
    /// Position of its column in the batch; where that is null there is no annotation.
    pub position: usize,
    /// The column's type.
    pub value_type: ValueType,
}

/// Where in a batch the value of a property is, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueShape {
    /// One column.
    Column {
        /// Its position.
        position: usize,
        /// Its type.
        value_type: ValueType,
    },
    /// Several columns under one name; null where all of its columns are null.
    Complex {
        /// Qualified name of the complex type; absent for the nested part of a grouping path (`Customer` of `Customer/Country`).
        type_name: Option<String>,
        /// Its members.
        members: Vec<PropertyShape>,
        /// Positions of the columns of further members that are not shown: it is not null where one of them has a value.
        others: Vec<usize>,
    },
    /// A point of the globe in WGS 84, over two columns of numbers; null where one of them is.
    Point {
        /// Position of the degrees north.
        latitude: usize,
        /// Position of the degrees east.
        longitude: usize,
    },
    /// A stream: only links to it and its media type are shown.
    Stream {
        /// Position of its media type (text), where it differs by row and was fetched.
        media_type: Option<usize>,
        /// Its media type, where it is always the same.
        fixed_media_type: Option<String>,
    },
}

/// One expanded relationship, or what `$apply` has added under a name of its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpandShape {
    /// Name in the payload.
    pub name: String,
    /// Whether it is an array.
    pub many: bool,
    /// Shape of its entities.
    pub shape: EntityShape,
    /// What of them is shown.
    pub form: ExpandForm,
    /// The rows that have it at all, where a type cast stands before it: position in the parents' batch of the discriminator, and its
    /// values in such rows. In others it is left out.
    pub only: Option<(usize, Vec<Value>)>,
    /// Whether it is left out where there is nothing, rather than null.
    pub optional: bool,
    /// What its context URL has after `$metadata`, where that does not follow from the context of the whole ([`crate::json::name_contexts`]).
    pub context: Option<String>,
}

/// What is shown of expanded entities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExpandForm {
    /// They themselves.
    #[default]
    Entities,
    /// Only their ids: `Nav/$ref`.
    References,
    /// Only how many there are: `Nav/$count`.
    Count,
}

/// How rows of derived types are told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivationShape {
    /// Position in the batch of the discriminator.
    pub position: usize,
    /// For each derived type: what the discriminator holds, the type's qualified name, and which of [`EntityShape::properties`] its
    /// rows do not have (positions in that list).
    pub types: Vec<DerivedShape>,
    /// Which of the properties rows of the base type do not have.
    pub base_lacks: Vec<usize>,
    /// Qualified name of the type that a payload takes for granted; rows of others say theirs (`@odata.type`).
    pub expected: String,
    /// Qualified name of the base type.
    pub base: String,
}

/// One derived type.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivedShape {
    /// Values of the discriminator that mean it.
    pub values: Vec<Value>,
    /// Its qualified name.
    pub type_name: String,
    /// Which of the properties its rows do not have.
    pub lacks: Vec<usize>,
}

/// Positions that lead to a property: among the shape's, then among the members of complex properties.
pub type PropertyPath = Vec<usize>;

/// Which rows have which properties.
#[derive(Debug, Clone, PartialEq)]
pub struct PresenceShape {
    /// Position in the batch of a 64-bit integer: which entry of `lacks` holds for the row.
    pub position: usize,
    /// For each value of it, the properties that such rows do not have: they are left out, not null. A path is the position in
    /// [`EntityShape::properties`], then positions in [`ValueShape::Complex`]'s members; a complex property that has none of its members
    /// is left out too.
    pub lacks: Vec<Vec<PropertyPath>>,
}

/// A batch of entities.
#[derive(Debug, Clone)]
pub struct EntityBatch {
    /// The entities' own columns; positions are given by [`EntityShape`].
    pub rows: RecordBatch,
    /// Children, one per expanded relationship.
    pub expanded: Vec<ExpandedRows>,
}

/// The children of a batch of entities along one relationship.
#[derive(Debug, Clone)]
pub struct ExpandedRows {
    /// For each parent row, which rows of `entities` are its children (at most one for a to-one relationship).
    pub ranges: Vec<Range<usize>>,
    /// For each parent row the nested `$count`, where it was asked for.
    pub counts: Option<Vec<u64>>,
    /// For each parent row the link to the rest of its children, where there are more than `ranges` gives.
    pub next_links: Option<Vec<Option<String>>>,
    /// For each parent row where its children end, when there are more than `ranges` gives: what such a link continues from.
    pub ends: Option<Vec<Option<Vec<Value>>>>,
    /// For each row of `entities` whether it is only referred to, because it is its own ancestor (`$levels=max`); absent where none is.
    pub circular: Option<Vec<bool>>,
    /// The children, in the order of the ranges.
    pub entities: EntityBatch,
}

impl PropertyShape {
    /// A property held in one column.
    pub fn column(name: impl Into<String>, position: usize, value_type: ValueType) -> PropertyShape {
        PropertyShape::of(name, ValueShape::Column { position, value_type })
    }

    /// A property of the model of which nothing more is said.
    pub fn of(name: impl Into<String>, value: ValueShape) -> PropertyShape {
        PropertyShape { name: name.into(), value, dynamic: false, default: None, annotations: Vec::new() }
    }

    /// A property that the request makes.
    pub fn made(name: impl Into<String>, value: ValueShape) -> PropertyShape {
        PropertyShape { dynamic: true, ..PropertyShape::of(name, value) }
    }

    /// Position and carrying type of a property that is held in one column.
    pub fn column_type(&self) -> Option<(usize, ScalarType)> {
        match &self.value {
            ValueShape::Column { position, value_type } => Some((*position, value_type.scalar())),
            ValueShape::Complex { .. } | ValueShape::Point { .. } | ValueShape::Stream { .. } => None,
        }
    }
}
