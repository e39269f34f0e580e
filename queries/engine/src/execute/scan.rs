//! The remote scan: the leaf of a physical plan that asks a source. It is lazy — nothing is sent before it is first polled — so that
//! the keys of a bind join, which DataFusion's hash join publishes when it has read its build side, can restrict what is asked.

use crate::error::EngineError;
use crate::execute::bind::{self, BindFilter};
use crate::execute::bind_keys::KeyCell;
use crate::execute::remote;
use crate::execute::run::Run;
use crate::pushdown::fragment::RemoteFragment;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DataFusionResult, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, apply_expression_roots};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, StatisticsArgs};
use futures::{StreamExt, TryStreamExt};
use portico_provider_api::KeySet;
use std::fmt;
use std::sync::Arc;

/// A remote scan.
#[derive(Debug, Clone)]
pub struct RemoteScanExec {
    fragment: Arc<RemoteFragment>,
    filters: Vec<BindFilter>,
    /// Where its keys are put, for a table that requires some and has them from a join.
    fed: Option<Arc<KeyCell>>,
    properties: Arc<PlanProperties>,
}

impl RemoteScanExec {
    /// The scan of a fragment.
    pub fn new(fragment: RemoteFragment, fed: Option<Arc<KeyCell>>) -> RemoteScanExec {
        let equivalence = EquivalenceProperties::new(Arc::clone(fragment.schema.inner()));
        let properties =
            PlanProperties::new(equivalence, Partitioning::UnknownPartitioning(1), EmissionType::Incremental, Boundedness::Bounded);
        RemoteScanExec { fragment: Arc::new(fragment), filters: Vec::new(), fed, properties: Arc::new(properties) }
    }

    /// The same scan, waiting for those of its filters that are granted.
    pub fn with_granted(&self, granted: &dyn Fn(&BindFilter) -> bool) -> RemoteScanExec {
        let filters = self.filters.iter().cloned().map(|filter| BindFilter { granted: granted(&filter), ..filter });
        RemoteScanExec { filters: filters.collect(), ..self.clone() }
    }

    /// Keys cannot be put below a limit, nor below an order that several chunks of keys would break; and only one set of keys fits. Groups and
    /// distinct rows take keys that are among what they return. A table that requires keys has its own already.
    fn takes_keys(&self) -> bool {
        let query = &self.fragment.query;
        query.limit.is_none()
            && query.offset == 0
            && query.order_by.is_empty()
            && query.limit_per.is_none()
            && self.fragment.key_slot.is_none()
            && self.fragment.required_keys.is_empty()
    }
}

impl DisplayAs for RemoteScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteScanExec: source={}, table={}", self.fragment.source, self.fragment.table)
    }
}

impl ExecutionPlan for RemoteScanExec {
    fn name(&self) -> &str {
        "RemoteScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        // A hash join fills only filters that it can find below itself.
        apply_expression_roots(self.filters.iter().map(|filter| &filter.expression), visit)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { Err(DataFusionError::Internal("a remote scan has no inputs".to_owned())) }
    }

    /// Filters that were filled in an earlier run hold its keys: they are dropped.
    fn reset_state(self: Arc<Self>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(RemoteScanExec { filters: Vec::new(), ..self.as_ref().clone() }))
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let run = context.session_config().get_extension::<Run>();
        let run = run.ok_or_else(|| DataFusionError::Internal("a remote scan was started outside a run".to_owned()))?;
        let (fragment, filters, fed) = (Arc::clone(&self.fragment), self.filters.clone(), self.fed.clone());
        let rows = futures::stream::once(async move {
            let keys = match (&fragment.fed, fed) {
                (Some(own), Some(cell)) => Some(KeySet { columns: own.columns.clone(), tuples: cell.keys().await? }),
                (Some(_), None) => return Err(EngineError::Internal("nothing collects the keys of a bind join".to_owned())),
                (None, _) => bind::keys(&fragment, &filters, &run).await,
            };
            Ok(remote::stream(fragment.as_ref().clone(), keys, run))
        });
        let rows = rows.try_flatten().map(|batch| batch.map_err(|error| DataFusionError::External(Box::new(error))));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _arguments: &StatisticsArgs) -> DataFusionResult<Arc<Statistics>> {
        let rows = usize::try_from(self.fragment.estimate).unwrap_or(usize::MAX);
        Ok(Arc::new(Statistics { num_rows: Precision::Inexact(rows), ..Statistics::new_unknown(&self.schema()) }))
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> DataFusionResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        // The join evaluates the condition again, so the filter is never taken over, only listened to.
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; result.parent_filters.len()]);
        if matches!(phase, FilterPushdownPhase::Pre) || result.parent_filters.is_empty() || !self.takes_keys() {
            return Ok(answer);
        }
        let mut scan = self.clone();
        scan.filters
            .extend(result.parent_filters.iter().map(|filter| BindFilter { expression: Arc::clone(&filter.filter), granted: false }));
        Ok(answer.with_updated_node(Arc::new(scan)))
    }
}
