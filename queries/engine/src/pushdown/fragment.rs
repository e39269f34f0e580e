//! The remote fragment: the leaf of a plan after the cut. It is one source query and the schema that the plan around it expects.

use crate::plan::key_set::KeySlot;
use crate::pushdown::required::met;
use crate::pushdown::template::Template;
use datafusion::common::{DFSchemaRef, Result as DataFusionResult};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan, UserDefinedLogicalNodeCore};
use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::{Capabilities, Expr, KeySet, Relation, Requirement, SourceQuery, Support};
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
    /// The only key sets that it takes, where its table names them: their columns, and how many of each.
    pub own_keys: Option<Vec<(Vec<usize>, KeyCapabilities)>>,
    /// Size of a request in bytes at most; 0 means no limit.
    pub max_request_bytes: usize,
    /// Those of which it finds the rows with just these keys.
    pub exact_keys: Vec<usize>,
    /// For a plan that is kept: its query for many runs. `query` then has parameters in the place of constants.
    pub template: Option<Arc<Template>>,
}

impl RemoteFragment {
    /// How many keys over these columns the source takes in one request, and how well it finds rows by them; nothing where it takes none.
    pub fn limits_of(&self, columns: &[usize]) -> Option<KeyCapabilities> {
        let same = |own: &[usize]| own.len() == columns.len() && own.iter().all(|column| columns.contains(column));
        match &self.own_keys {
            Some(own) => own.iter().find(|(own, _)| same(own)).map(|(_, limits)| *limits),
            None => {
                let taken = columns.len() <= self.key_limits.max_columns && columns.iter().all(|column| self.key_columns.contains(column));
                let exact = columns.iter().all(|column| self.exact_keys.contains(column));
                let support = if exact { self.key_limits.support } else { Support::Inexact.min(self.key_limits.support) };
                taken.then_some(KeyCapabilities { support, ..self.key_limits })
            }
        }
    }

    /// The same, with the room that the query itself leaves them in a request.
    pub fn chunk_limits(&self, columns: &[usize]) -> KeyCapabilities {
        let limits = self.limits_of(columns).unwrap_or(self.key_limits);
        beside_query(limits, self.max_request_bytes, &self.query, columns)
    }

    /// Whether a column is one of a key set that the source takes.
    pub fn is_in_keys(&self, column: usize) -> bool {
        match &self.own_keys {
            Some(own) => own.iter().any(|(columns, _)| columns.contains(&column)),
            None => self.key_columns.contains(&column),
        }
    }

    /// The columns that its table requires keys of, where there are keys over some columns beside those that the conditions name.
    pub fn asked_by(&self, given: &[usize]) -> Option<Vec<usize>> {
        met(&self.required_keys, &self.query, &self.conditions, given, &|columns| self.limits_of(columns).is_some())
    }
}

/// What keys are measured by beside the rest of a request, which may have so many bytes; 0 means no limit of these.
pub fn beside_query(limits: KeyCapabilities, max_request_bytes: usize, query: &SourceQuery, columns: &[usize]) -> KeyCapabilities {
    if max_request_bytes == 0 {
        return limits;
    }
    let empty = Some(KeySet { columns: columns.to_vec(), tuples: Vec::new() });
    let taken = Capabilities::request_bytes(&SourceQuery { keys: empty, ..query.clone() });
    let room = max_request_bytes.saturating_sub(taken).max(1);
    let max_bytes = if limits.max_bytes == 0 { room } else { limits.max_bytes.min(room) };
    KeyCapabilities { max_bytes, ..limits }
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
