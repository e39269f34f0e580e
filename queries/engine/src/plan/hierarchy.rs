//! The walk through a recursive hierarchy, as a node of a plan: which nodes are read, what is asked of them, and what comes out. It must
//! not know how the walk is done, nor the transformations that it is for.

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result as DataFusionResult, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// What is asked of a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// Each node with itself and every node above it: `above`, `node`, `distance`.
    Closure,
    /// Some of the nodes: `node`, its `rank` among them in preorder, its `postrank` in postorder, the `distance` from the root among
    /// them, how many `descendants` it has among them, and its `state` as a tree shows it.
    Nodes(Keep),
}

/// Which nodes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Keep {
    /// All.
    All,
    /// Roots.
    Roots,
    /// Those without nodes below them.
    Leaves,
    /// Those beside the nodes that are started from.
    Siblings,
    /// Those above or below the nodes that are started from.
    Relatives {
        /// Below rather than above.
        descendants: bool,
        /// At most so many steps away.
        distance: Option<u64>,
        /// The nodes that are started from as well.
        keep_start: bool,
    },
    /// So many levels from the roots on.
    Levels {
        /// How many; nothing means all.
        levels: Option<u64>,
        /// Nodes, as text, below which another number of levels is shown.
        at: Vec<(String, Option<u64>)>,
    },
}

/// A walk. Its inputs are plans whose first columns are positions: the nodes (identifier, identifier of the parent, sort keys of
/// siblings), then what is started from (identifiers), then what may come out (identifiers), each where it is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HierarchyWalk {
    /// What messages call the hierarchy.
    pub name: String,
    pub question: Question,
    pub nodes: LogicalPlan,
    /// For each sort key of the nodes, whether it is descending. Nulls are the least.
    pub descending: Vec<bool>,
    pub start: Option<LogicalPlan>,
    pub members: Option<LogicalPlan>,
    pub schema: DFSchemaRef,
}

impl HierarchyWalk {
    /// The walk as a plan whose columns are those of a table of that name.
    ///
    /// # Errors
    /// When the nodes have no columns.
    pub fn plan(
        name: String,
        question: Question,
        (nodes, descending): (LogicalPlan, Vec<bool>),
        start: Option<LogicalPlan>,
        members: Option<LogicalPlan>,
        table: &str,
    ) -> DataFusionResult<LogicalPlanBuilder> {
        let missing = || DataFusionError::Internal("the nodes of a hierarchy have no identifier".to_owned());
        let identifier = nodes.schema().fields().first().ok_or_else(missing)?.data_type().clone();
        let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
        let whole = |name: &str| Field::new(name, DataType::Int64, true);
        let fields = match question {
            Question::Closure => vec![field("above", identifier.clone()), field("node", identifier), whole("distance")],
            Question::Nodes(_) => vec![
                field("node", identifier),
                whole("rank"),
                whole("postrank"),
                whole("distance"),
                whole("descendants"),
                field("state", DataType::Utf8),
            ],
        };
        let schema = DFSchema::try_from_qualified_schema(TableReference::bare(table), &Schema::new(fields))?;
        let walk = HierarchyWalk { name, question, nodes, descending, start, members, schema: Arc::new(schema) };
        Ok(LogicalPlanBuilder::from(LogicalPlan::Extension(Extension { node: Arc::new(walk) })))
    }

    /// A column of such a plan.
    pub fn column(table: &str, column: &str) -> Expr {
        Expr::Column(Column::new(Some(TableReference::bare(table)), column))
    }
}

impl PartialOrd for HierarchyWalk {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for HierarchyWalk {
    fn name(&self) -> &str {
        "HierarchyWalk"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        std::iter::once(&self.nodes).chain(&self.start).chain(&self.members).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match &self.question {
            Question::Closure => "all pairs",
            Question::Nodes(Keep::All) => "all nodes",
            Question::Nodes(Keep::Roots) => "roots",
            Question::Nodes(Keep::Leaves) => "leaves",
            Question::Nodes(Keep::Siblings) => "siblings",
            Question::Nodes(Keep::Relatives { descendants: true, .. }) => "descendants",
            Question::Nodes(Keep::Relatives { descendants: false, .. }) => "ancestors",
            Question::Nodes(Keep::Levels { .. }) => "top levels",
        };
        write!(f, "HierarchyWalk: {asked} of '{}'", self.name)
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        let wrong = || DataFusionError::Internal("the inputs of a walk through a hierarchy were lost".to_owned());
        let wanted = self.inputs().len();
        let mut inputs = inputs.into_iter();
        if !expressions.is_empty() || inputs.len() != wanted {
            return Err(wrong());
        }
        let nodes = inputs.next().ok_or_else(wrong)?;
        let start = self.start.as_ref().and_then(|_| inputs.next());
        let members = self.members.as_ref().and_then(|_| inputs.next());
        Ok(HierarchyWalk { nodes, start, members, ..self.clone() })
    }
}
