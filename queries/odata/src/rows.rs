//! What the engine hands to the JSON writer: batches of entities with their expanded children, and the shape they have.

use arrow::array::RecordBatch;
use portico_provider_api::ScalarType;
use std::ops::Range;

/// How entities look in a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityShape {
    /// Entity set (name in the service), for ids and context.
    pub entity_set: String,
    /// Properties in order.
    pub properties: Vec<PropertyShape>,
    /// Position in the batch of the ETag (text), where entities have one.
    pub etag: Option<usize>,
    /// Expanded relationships in order, one per [`EntityBatch::expanded`].
    pub expands: Vec<ExpandShape>,
}

/// One property.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyShape {
    /// Name in the payload.
    pub name: String,
    /// Position in the batch.
    pub position: usize,
    /// Type.
    pub scalar_type: ScalarType,
}

/// One expanded relationship.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpandShape {
    /// Name in the payload.
    pub name: String,
    /// Whether it is an array.
    pub many: bool,
    /// Shape of its entities.
    pub shape: EntityShape,
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
    /// The children, in the order of the ranges.
    pub entities: EntityBatch,
}
