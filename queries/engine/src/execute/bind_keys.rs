//! The bind join of tables that can only be asked by keys. Its operator stands above the first side of a hash join, which is read as a whole
//! before the second is asked anything: it lets the rows through, collects their distinct keys, and gives them to the scans of the second
//! side, which wait for them as long as the request may take. It must not know which side is which: the plan was made so.

use crate::error::EngineError;
use crate::execute::expand::key_tuples;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, apply_expression_roots};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::StreamExt;
use indexmap::IndexSet;
use portico_provider_api::{ScalarType, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Room that a key takes beside its values: its place in a table of keys, and in the list that becomes of it.
const PER_KEY: usize = 64;

/// The place in one physical plan where keys are put by what collects them, and found by the scan that needs them.
#[derive(Debug)]
pub struct KeyCell(watch::Sender<Collected>);

#[derive(Debug, Default)]
enum Collected {
    #[default]
    NotYet,
    /// With the memory that they take.
    Keys(Vec<Vec<Value>>, #[expect(dead_code, reason = "held as long as the keys are")] MemoryReservation),
    /// The first side was given up.
    Never,
}

impl KeyCell {
    fn new() -> KeyCell {
        KeyCell(watch::Sender::new(Collected::NotYet))
    }

    /// Waits for the keys. There is one scan for them.
    ///
    /// # Errors
    /// `Internal`, when nobody will bring any: then the join has failed already.
    pub async fn keys(&self) -> Result<Vec<Vec<Value>>, EngineError> {
        let lost = || EngineError::Internal("the keys of a bind join were not collected".to_owned());
        let mut receiver = self.0.subscribe();
        receiver.wait_for(|state| !matches!(state, Collected::NotYet)).await.map_err(|_| lost())?;
        let mut keys = None;
        self.0.send_if_modified(|state| {
            if let Collected::Keys(collected, _) = state {
                keys = Some(std::mem::take(collected));
            }
            false
        });
        keys.ok_or_else(lost)
    }
}

/// The cells of a plan that is being made physical, by number.
#[derive(Default)]
pub struct KeyCells(Mutex<HashMap<u64, Arc<KeyCell>>>);

impl KeyCells {
    /// The cell of a number.
    pub fn get(&self, number: u64) -> Arc<KeyCell> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(number).or_insert_with(|| Arc::new(KeyCell::new())))
    }
}

/// What is collected for one scan.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// Where it is put.
    pub cell: Arc<KeyCell>,
    /// The remote table that it is for, for people.
    pub table: String,
    /// The parts of a key, over the rows that pass.
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The types of the columns in which they are looked up.
    pub types: Vec<ScalarType>,
}

/// The operator.
#[derive(Debug, Clone)]
pub struct BindKeysExec {
    input: Arc<dyn ExecutionPlan>,
    sources: Vec<KeySource>,
    properties: Arc<PlanProperties>,
}

impl BindKeysExec {
    /// Above the side of a join whose keys are wanted.
    pub fn new(input: Arc<dyn ExecutionPlan>, sources: Vec<KeySource>) -> BindKeysExec {
        // No order: a join of sorted sides would begin before this one has been read, so it has to sort it.
        let rows = EquivalenceProperties::new(input.schema());
        let properties = PlanProperties::new(rows, Partitioning::UnknownPartitioning(1), input.pipeline_behavior(), input.boundedness());
        let properties = Arc::new(properties);
        BindKeysExec { input, sources, properties }
    }
}

impl DisplayAs for BindKeysExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<&str> = self.sources.iter().map(|source| source.table.as_str()).collect();
        write!(f, "BindKeysExec: tables=[{}]", tables.join(", "))
    }
}

impl ExecutionPlan for BindKeysExec {
    fn name(&self) -> &str {
        "BindKeysExec"
    }

    // No statistics: sides whose sizes are not known both are never exchanged, and the one with the keys has to be read first.

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        apply_expression_roots(self.sources.iter().flat_map(|source| &source.keys), visit)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let [input] = <[Arc<dyn ExecutionPlan>; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("what collects keys has one input".to_owned()))?;
        Ok(Arc::new(BindKeysExec::new(input, self.sources.clone())))
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> DataFusionResult<FilterDescription> {
        FilterDescription::from_children(filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> DataFusionResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        if self.input.output_partitioning().partition_count() != 1 {
            return Err(DataFusionError::Internal("the keys of a bind join come from several streams".to_owned()));
        }
        let rows = self.input.execute(partition, Arc::clone(&context))?;
        let collecting: Vec<Collecting> = self.sources.iter().map(|source| Collecting::begin(source.clone(), &context)).collect();
        let rows = futures::stream::try_unfold((rows, collecting), |(mut rows, mut collecting)| async move {
            match rows.next().await.transpose()? {
                Some(batch) => {
                    collecting
                        .iter_mut()
                        .try_for_each(|one| one.add(&batch))
                        .map_err(|error| DataFusionError::External(Box::new(error)))?;
                    Ok(Some((batch, (rows, collecting))))
                }
                None => {
                    collecting.into_iter().for_each(Collecting::done);
                    Ok(None)
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows.fuse())))
    }
}

/// The keys of one scan while they are collected. Dropped before it is done, it tells the scan that there will be none.
struct Collecting {
    source: KeySource,
    keys: IndexSet<Vec<Value>>,
    memory: Option<MemoryReservation>,
}

impl Collecting {
    fn begin(source: KeySource, context: &TaskContext) -> Collecting {
        let memory = MemoryConsumer::new("keys of a bind join").register(context.memory_pool());
        Collecting { source, keys: IndexSet::new(), memory: Some(memory) }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), EngineError> {
        let parts = self.source.keys.iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows()));
        let parts = parts.collect::<DataFusionResult<Vec<_>>>()?;
        let fields: Vec<Field> = parts.iter().map(|part| Field::new("", part.data_type().clone(), true)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let parts = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), parts, &options);
        let parts = parts.map_err(|error| EngineError::Internal(error.to_string()))?;
        let positions: Vec<usize> = (0..self.source.keys.len()).collect();
        let mut bytes = 0_usize;
        // A null joins with nothing, and so does what the column cannot hold.
        for key in key_tuples(&parts, &positions, &self.source.types)?.into_iter().flatten() {
            if key.iter().any(|value| matches!(value, Value::Float32(number) | Value::Float64(number) if number.0.is_nan())) {
                let message = format!("'{}' can only be read by keys, and is joined by one that is not a number", self.source.table);
                return Err(EngineError::Unsupported(message));
            }
            let size = PER_KEY.saturating_add(key.iter().map(room).fold(0, usize::saturating_add));
            if self.keys.insert(key) {
                bytes = bytes.saturating_add(size);
            }
        }
        match &self.memory {
            Some(memory) => memory.try_grow(bytes).map_err(|error| self.too_many(&error)),
            None => Ok(()),
        }
    }

    fn too_many(&self, error: &DataFusionError) -> EngineError {
        let reason = match error.find_root() {
            DataFusionError::ResourcesExhausted(reason) => reason.clone(),
            other => other.strip_backtrace(),
        };
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        let number = self.keys.len();
        EngineError::Limit(format!(
            "'{}' can only be read by keys, and {number} keys to read it by need more memory than there is: {reason}",
            self.source.table
        ))
    }

    fn done(mut self) {
        if let Some(memory) = self.memory.take() {
            let keys = std::mem::take(&mut self.keys).into_iter().collect();
            self.source.cell.0.send_replace(Collected::Keys(keys, memory));
        }
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        if self.memory.is_some() {
            self.source.cell.0.send_replace(Collected::Never);
        }
    }
}

/// Bytes that a value takes in memory.
fn room(value: &Value) -> usize {
    let own = match value {
        Value::Text(text) | Value::Json(text) | Value::Guid(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        _ => 0,
    };
    size_of::<Value>().saturating_add(own)
}
