//! Bound recursive hierarchies (Data Aggregation 4.0, sections 5.5.2 and 6): which nodes, what makes them a tree, and what is asked of it.
//! It must not know how a tree is walked.

use super::apply::BoundTransformation;
use super::{BoundExpr, BoundOrder};

/// A recursive hierarchy: some of the rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundHierarchy {
    /// The qualifier of its definition.
    pub qualifier: String,
    /// The virtual table whose rows are the nodes.
    pub table: String,
    /// Position of the column that identifies a node.
    pub node: usize,
    /// Position of the column that holds the identifier of the node above.
    pub parent: usize,
    /// What is done with the rows of the table first. Those that are left are the nodes; a node whose parent is not is a root.
    pub then: Vec<BoundTransformation>,
    /// How siblings are sorted; evaluated over the nodes. Those that it does not tell apart follow the order of the nodes, if they have
    /// one, then their identifiers.
    pub order: Vec<BoundOrder>,
}

/// `ancestors` and `descendants`: keeps the rows whose node is above or below the node of one of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundRelatives {
    /// The hierarchy.
    pub hierarchy: BoundHierarchy,
    /// Position in the rows of the identifier of the node that a row is of.
    pub node: usize,
    /// What is done with the rows to find those that are started from.
    pub start: Vec<BoundTransformation>,
    /// Position of the identifier after that.
    pub start_node: usize,
    /// `descendants`
    pub descendants: bool,
    /// How many steps away at most.
    pub distance: Option<u64>,
    /// Whether what is started from is kept as well.
    pub keep_start: bool,
    /// Groups: what is started from in a group leads to rows of that group only. `start` keeps the positions.
    pub partition: Vec<usize>,
    /// Whether the columns of [`TREE_COLUMNS`] are appended. The rows are nodes then.
    pub tree: bool,
}

/// `traverse`: keeps the rows that are of a node, in the order in which the nodes are visited.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundTraverse {
    /// The hierarchy.
    pub hierarchy: BoundHierarchy,
    /// Position in the rows of the identifier of the node that a row is of.
    pub node: usize,
    /// Each node after those below it.
    pub postorder: bool,
    /// As in [`BoundRelatives`].
    pub tree: bool,
}

/// `com.sap.vocabularies.Hierarchy.v1.TopLevels`: the rows are nodes; keeps those of the first levels, in preorder. Siblings keep the
/// order that there is.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundTopLevels {
    /// What messages call the hierarchy.
    pub qualifier: String,
    /// Position of the column that identifies a node.
    pub node: usize,
    /// Position of the column that holds the identifier of the node above.
    pub parent: usize,
    /// How many levels; nothing means all.
    pub levels: Option<u64>,
    /// Nodes, as text, below which another number of levels is shown; nothing means all.
    pub expanded: Vec<(String, Option<u64>)>,
    /// As in [`BoundRelatives`].
    pub tree: bool,
}

/// What a tree shows of a node beside its properties, in this order: its position from 0 among the nodes that come out, in preorder; how
/// many of them are above it; how many below it; and whether it is a `leaf`, `expanded`, or `collapsed`, which has nodes below it that
/// are not among those that come out. The first three are 64-bit integers, the last is text.
pub const TREE_COLUMNS: [&str; 4] = ["LimitedRank", "DistanceFromRoot", "LimitedDescendantCount", "DrillState"];

/// A question of one node: `Aggregation.isroot` and its like. It is true or false.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeTest {
    /// The hierarchy.
    pub hierarchy: BoundHierarchy,
    /// The identifier of the node, of a type that identifiers can be compared with.
    pub node: BoundExpr,
    /// What is asked.
    pub position: NodePosition,
}

/// Where a node may be. Other nodes are given by their identifiers, as the node itself; constants are of the type of identifiers.
#[derive(Debug, Clone, PartialEq)]
pub enum NodePosition {
    /// Below none.
    Root,
    /// Above none.
    Leaf,
    /// Beside this one, which is a constant.
    SiblingOf(BoundExpr),
    /// Above or below another one.
    Related {
        /// Below rather than above.
        descendant: bool,
        /// The other.
        other: BoundExpr,
        /// How many steps away at most.
        distance: Option<u64>,
        /// Whether the other node itself counts too.
        include_self: bool,
    },
}

impl NodeTest {
    /// The expressions in it.
    #[must_use]
    pub fn expressions(&self) -> Vec<&BoundExpr> {
        match &self.position {
            NodePosition::Root | NodePosition::Leaf => vec![&self.node],
            NodePosition::SiblingOf(other) | NodePosition::Related { other, .. } => vec![&self.node, other],
        }
    }
}
