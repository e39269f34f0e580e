//! The remote fragment: the leaf of a plan after the cut. It is one source query and the schema that the plan around it expects.

use crate::plan::key_set::KeySlot;
use crate::pushdown::template::Template;
use datafusion::common::{DFSchemaRef, Result as DataFusionResult};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan, UserDefinedLogicalNodeCore};
use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::{Expr, Relation, Requirement, SourceQuery};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What one source is asked, in place of a piece of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteFragment {
    /// The source.
    pub source: String,
    /// The question. Its outputs correspond to the fields of `schema` by position; there may be one more, when `schema` is empty.
    pub query: Arc<SourceQuery>,
    /// Where the keys of each run come from, for an expanded relationship: columns of the relation, and the slot.
    pub key_slot: Option<(Vec<usize>, KeySlot)>,
    /// The schema that the plan expects.
    pub schema: DFSchemaRef,
    /// How old the rows may be.
    pub freshness: Duration,
    /// Version of the source's schema.
    pub schema_version: String,
    /// Roughly how many rows will come.
    pub estimate: u64,
    /// The remote table, for people.
    pub table: String,
    /// How many keys the source takes in one request.
    pub key_limits: KeyCapabilities,
    /// What the table cannot be asked without: any one of these lists will do.
    pub required_keys: Vec<Vec<Requirement>>,
    /// Conditions on the rows, over the columns of the relation, which may name keys. They are for a table that requires some, and hold in any
    /// case: who does not get them evaluated by the source evaluates them.
    pub conditions: Vec<Expr>,
    /// For a table that requires keys, and has them from rows that it is joined with.
    pub fed: Option<Fed>,
    /// Columns of the relation over which the source takes keys.
    pub key_columns: Vec<usize>,
    /// Those of which it finds the rows with just these keys.
    pub exact_keys: Vec<usize>,
    /// For a plan that is kept: its query for many runs. `query` then has parameters in the place of constants.
    pub template: Option<Arc<Template>>,
}

/// Where a table that requires keys has them from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fed {
    /// The number that only the operator has that collects them.
    pub number: u64,
    /// Columns of the relation of which that operator gives keys, in its order.
    pub columns: Vec<usize>,
    /// All columns by which the table is asked: the conditions name keys for the others.
    pub by: Vec<usize>,
}

impl PartialOrd for RemoteFragment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.source.as_str(), self.estimate).partial_cmp(&(other.source.as_str(), other.estimate))
    }
}

impl UserDefinedLogicalNodeCore for RemoteFragment {
    fn name(&self) -> &str {
        "RemoteScan"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<PlanExpr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteScan: source={}, table={}", self.source, self.table)?;
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ", columns=[{}]", columns.join(", "))?;
        let joins = joins(&self.query.from);
        if joins > 0 {
            write!(f, ", joins={joins} pushed")?;
        }
        if self.query.filter.is_some() {
            f.write_str(", filter=pushed")?;
        }
        if self.query.aggregate.is_some() {
            f.write_str(", aggregate=pushed")?;
        }
        if self.query.distinct {
            f.write_str(", distinct=pushed")?;
        }
        if self.key_slot.is_some() {
            f.write_str(", keys=per chunk of parents")?;
        }
        if self.fed.is_some() {
            f.write_str(", keys=of the rows joined with")?;
        }
        if !self.query.order_by.is_empty() {
            write!(f, ", order_by={} keys", self.query.order_by.len())?;
        }
        if let Some(limit) = self.query.limit {
            write!(f, ", limit={limit}")?;
        }
        if self.query.offset > 0 {
            write!(f, ", offset={}", self.query.offset)?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<PlanExpr>, inputs: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        if expressions.is_empty() && inputs.is_empty() {
            Ok(self.clone())
        } else {
            Err(DataFusionError::Internal("a remote scan has neither expressions nor inputs".to_owned()))
        }
    }
}

/// How many joins a relation has, those in nested blocks included.
fn joins(from: &Relation) -> usize {
    match from {
        Relation::Table(_) | Relation::Call(_) => 0,
        Relation::Join(join) => 1 + joins(&join.left) + joins(&join.right),
        Relation::Query(block) => joins(&block.from),
        Relation::Union(blocks) => blocks.iter().map(|block| joins(&block.from)).sum(),
    }
}
