//! The walk through a recursive hierarchy: reads its nodes once, under the memory quota of the request, puts them in order, and answers
//! what is asked of them. Whatever the parent column holds, it comes to an end: a cycle is an error that names one of its nodes.

mod forest;

use crate::error::EngineError;
use crate::plan::hierarchy::{HierarchyWalk, Keep, Question};
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{SortOptions, concat, take};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DataFusionResult, internal_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, CardinalityEffect, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use forest::{Forest, NONE};
use futures::{StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Rows of one batch.
const BATCH: usize = 8_192;
/// Bytes that a node takes besides its identifier and sort keys: places in lists of numbers, and an entry of a hash map.
const PER_NODE: usize = 96;
/// The number of different states of a node that a tree shows.
const STATES: [&str; 3] = ["leaf", "collapsed", "expanded"];

/// A walk.
#[derive(Debug)]
pub struct HierarchyExec {
    name: String,
    question: Question,
    descending: Vec<bool>,
    /// Which inputs there are beside the nodes: what is started from, what may come out.
    has: (bool, bool),
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

impl HierarchyExec {
    /// The walk of a plan over physical inputs.
    pub fn new(walk: &HierarchyWalk, inputs: &[Arc<dyn ExecutionPlan>]) -> HierarchyExec {
        let schema = Arc::clone(walk.schema.inner());
        let equivalence = EquivalenceProperties::new(schema);
        let properties = PlanProperties::new(equivalence, Partitioning::UnknownPartitioning(1), EmissionType::Final, Boundedness::Bounded);
        HierarchyExec {
            name: walk.name.clone(),
            question: walk.question.clone(),
            descending: walk.descending.clone(),
            has: (walk.start.is_some(), walk.members.is_some()),
            inputs: inputs.to_vec(),
            properties: Arc::new(properties),
        }
    }

    fn asked(&self) -> Asked {
        Asked { name: self.name.clone(), question: self.question.clone(), descending: self.descending.clone(), schema: self.schema() }
    }
}

impl DisplayAs for HierarchyExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HierarchyExec: '{}'", self.name)
    }
}

impl ExecutionPlan for HierarchyExec {
    fn name(&self) -> &str {
        "HierarchyExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.inputs.iter().map(|_| Distribution::SinglePartition).collect()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(HierarchyExec {
            name: self.name.clone(),
            question: self.question.clone(),
            descending: self.descending.clone(),
            has: self.has,
            inputs: children,
            properties: Arc::clone(&self.properties),
        }))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Unknown
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let memory = MemoryConsumer::new("hierarchy").register(context.memory_pool());
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            inputs.push(input.execute(0, Arc::clone(&context))?);
        }
        let (asked, has) = (self.asked(), self.has);
        let rows = futures::stream::once(async move {
            let mut read = Vec::with_capacity(inputs.len());
            for input in inputs {
                read.push(collected(input, &memory).await?);
            }
            let mut read = read.into_iter();
            let missing = || internal_datafusion_err!("a walk through a hierarchy has no nodes");
            let nodes = read.next().ok_or_else(missing)?;
            let start = if has.0 { read.next() } else { None };
            let members = if has.1 { read.next() } else { None };
            // Trees are walked in memory: nothing of this waits for anything.
            let walked = Walked::new(asked, &nodes, start.as_deref(), members.as_deref(), &memory)?;
            Ok::<_, DataFusionError>(walked.batches(memory))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows.try_flatten())))
    }
}

/// All columns of an input, each as one array.
async fn collected(mut input: SendableRecordBatchStream, memory: &MemoryReservation) -> DataFusionResult<Vec<ArrayRef>> {
    let schema = input.schema();
    let mut batches = Vec::new();
    while let Some(batch) = input.next().await {
        let batch = batch?;
        // Once as they come, once as one array.
        memory.try_grow(batch.get_array_memory_size().saturating_mul(2))?;
        batches.push(batch);
    }
    let columns = 0..schema.fields().len();
    let whole = columns.map(|index| {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(index).as_ref()).collect();
        match schema.fields().get(index) {
            Some(field) if parts.is_empty() => Ok(arrow::array::new_empty_array(field.data_type())),
            _ => Ok(concat(&parts)?),
        }
    });
    whole.collect()
}

struct Asked {
    name: String,
    question: Question,
    descending: Vec<bool>,
    schema: SchemaRef,
}

impl Asked {
    fn wrong(&self, why: &str, ids: &ArrayRef, node: u32) -> DataFusionError {
        let shown = ArrayFormatter::try_new(ids.as_ref(), &FormatOptions::default())
            .map(|text| text.value(node as usize).to_string())
            .unwrap_or_default();
        let message = format!("the hierarchy '{}' is none: {why} '{shown}'", self.name);
        DataFusionError::External(Box::new(EngineError::Unsupported(message)))
    }
}

/// A hierarchy with the answer to what was asked.
struct Walked {
    asked: Asked,
    ids: ArrayRef,
    /// The nodes that come out, and how they hang together.
    shown: Forest,
    /// Those that would come out if nothing limited how far.
    unlimited: Forest,
}

fn column(of: &[ArrayRef], index: usize) -> DataFusionResult<ArrayRef> {
    of.get(index).cloned().ok_or_else(|| internal_datafusion_err!("a column of a hierarchy is missing"))
}

impl Walked {
    fn new(
        asked: Asked,
        nodes: &[ArrayRef],
        start: Option<&[ArrayRef]>,
        members: Option<&[ArrayRef]>,
        memory: &MemoryReservation,
    ) -> DataFusionResult<Walked> {
        let (ids, parents) = (column(nodes, 0)?, column(nodes, 1)?);
        memory.try_grow(ids.len().saturating_mul(PER_NODE))?;
        let converter = RowConverter::new(vec![SortField::new(ids.data_type().clone())])?;
        let encode = |array: &ArrayRef| -> DataFusionResult<Rows> {
            let rows = converter.convert_columns(std::slice::from_ref(array))?;
            memory.try_grow(rows.size())?;
            Ok(rows)
        };
        let encoded = encode(&ids)?;
        let mut places: HashMap<&[u8], u32> = HashMap::with_capacity(ids.len());
        for node in 0..ids.len() {
            let number = u32::try_from(node).ok().filter(|node| *node != NONE);
            let number = number.ok_or_else(|| DataFusionError::ResourcesExhausted("a hierarchy has too many nodes".to_owned()))?;
            if ids.is_valid(node) && places.insert(encoded.row(node).data(), number).is_some() {
                return Err(asked.wrong("there are two nodes", &ids, number));
            }
        }
        let find = |array: &ArrayRef| -> DataFusionResult<Vec<Option<u32>>> {
            let rows = encode(array)?;
            Ok((0..array.len()).map(|at| array.is_valid(at).then(|| places.get(rows.row(at).data()).copied()).flatten()).collect())
        };
        let marked = |array: &ArrayRef| -> DataFusionResult<Vec<bool>> {
            let mut marks = vec![false; ids.len()];
            for node in find(array)?.into_iter().flatten() {
                marks[node as usize] = true;
            }
            Ok(marks)
        };
        let parent = find(&parents)?.into_iter().map(|parent| parent.unwrap_or(NONE)).collect();
        let order = ordered(&asked, nodes, &ids, &encoded, memory)?;
        let forest = Forest::new(parent, &order).map_err(|node| asked.wrong("it has a cycle, and on it the node", &ids, node))?;
        let start = start.map(|start| marked(&column(start, 0)?)).transpose()?.unwrap_or_default();
        let members = members.map(|members| marked(&column(members, 0)?)).transpose()?;
        drop(places);
        let (shown, unlimited) = kept(&asked, &forest, &start, &ids);
        let among = |keep: Vec<bool>| match &members {
            Some(members) => keep.iter().zip(members).map(|(keep, member)| *keep && *member).collect(),
            None => keep,
        };
        let (shown, unlimited) = (forest.part(&among(shown)), forest.part(&among(unlimited)));
        Ok(Walked { asked, ids, shown, unlimited })
    }

    fn batches(self, memory: MemoryReservation) -> futures::stream::BoxStream<'static, DataFusionResult<RecordBatch>> {
        match self.asked.question {
            Question::Closure => {
                let first = self.shown.preorder.first().copied().unwrap_or(NONE);
                let walk = futures::stream::try_unfold((self, memory, 0_usize, first, 0_i64), |state| async move { next_pairs(state) });
                Box::pin(walk)
            }
            Question::Nodes(_) => {
                let mut postrank = vec![0_i64; self.shown.parent.len()];
                for (rank, node) in self.shown.postorder().into_iter().enumerate() {
                    postrank[node as usize] = i64::try_from(rank).unwrap_or(i64::MAX);
                }
                let walk = futures::stream::try_unfold((self, memory, postrank, 0_usize), |(walked, memory, postrank, at)| async move {
                    let nodes = walked.shown.preorder.get(at..).unwrap_or_default();
                    let nodes = nodes.get(..nodes.len().min(BATCH)).unwrap_or_default();
                    if nodes.is_empty() {
                        return Ok(None);
                    }
                    let (batch, next) = (walked.nodes(nodes, &postrank)?, at + nodes.len());
                    Ok(Some((batch, (walked, memory, postrank, next))))
                });
                Box::pin(walk)
            }
        }
    }

    fn nodes(&self, nodes: &[u32], postrank: &[i64]) -> DataFusionResult<RecordBatch> {
        let numbers =
            |of: &dyn Fn(usize) -> i64| -> ArrayRef { Arc::new(nodes.iter().map(|node| Some(of(*node as usize))).collect::<Int64Array>()) };
        let state = |node: &u32| {
            let at = *node as usize;
            let has_children = |forest: &Forest| forest.below.get(at).is_some_and(|below| *below > 0);
            STATES[if has_children(&self.shown) { 2 } else { usize::from(has_children(&self.unlimited)) }]
        };
        let columns: Vec<ArrayRef> = vec![
            take(&self.ids, &UInt32Array::from(nodes.to_vec()), None)?,
            numbers(&|node| i64::from(self.shown.rank[node])),
            numbers(&|node| postrank[node]),
            numbers(&|node| i64::from(self.shown.depth[node])),
            numbers(&|node| i64::from(self.shown.below[node])),
            Arc::new(nodes.iter().map(state).map(Some).collect::<StringArray>()),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&self.asked.schema), columns)?)
    }
}

/// A walk through all pairs of a node and itself or a node above it: the position of the node in preorder, the one above, the distance.
type Pairs = (Walked, MemoryReservation, usize, u32, i64);

fn next_pairs((walked, memory, mut at, mut up, mut distance): Pairs) -> DataFusionResult<Option<(RecordBatch, Pairs)>> {
    let (mut above, mut nodes, mut distances) = (Vec::new(), Vec::new(), Vec::new());
    while nodes.len() < BATCH
        && let Some(node) = walked.shown.preorder.get(at).copied()
    {
        above.push(up);
        nodes.push(node);
        distances.push(distance);
        (up, distance) = (walked.shown.parent[up as usize], distance + 1);
        if up == NONE {
            at += 1;
            (up, distance) = (walked.shown.preorder.get(at).copied().unwrap_or(NONE), 0);
        }
    }
    if nodes.is_empty() {
        return Ok(None);
    }
    let columns: Vec<ArrayRef> = vec![
        take(&walked.ids, &UInt32Array::from(above), None)?,
        take(&walked.ids, &UInt32Array::from(nodes), None)?,
        Arc::new(Int64Array::from(distances)),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&walked.asked.schema), columns)?;
    Ok(Some((batch, (walked, memory, at, up, distance))))
}

/// The nodes with an identifier, siblings in their order: by the sort keys, then by the identifier.
fn ordered(asked: &Asked, nodes: &[ArrayRef], ids: &ArrayRef, encoded: &Rows, memory: &MemoryReservation) -> DataFusionResult<Vec<u32>> {
    let keys = nodes.get(2..).unwrap_or_default();
    let fields = keys.iter().zip(&asked.descending).map(|(key, descending)| {
        // Null is the least.
        let options = SortOptions { descending: *descending, nulls_first: !*descending };
        SortField::new_with_options(key.data_type().clone(), options)
    });
    let sorted = match keys.is_empty() {
        true => None,
        false => Some(RowConverter::new(fields.collect())?.convert_columns(keys)?),
    };
    memory.try_grow(sorted.as_ref().map_or(0, Rows::size))?;
    let mut order: Vec<u32> = (0..ids.len()).filter(|node| ids.is_valid(*node)).filter_map(|node| u32::try_from(node).ok()).collect();
    order.sort_by(|one, other| {
        let (one, other) = (*one as usize, *other as usize);
        let by_key = sorted.as_ref().map(|keys| keys.row(one).cmp(&keys.row(other)));
        by_key.unwrap_or(std::cmp::Ordering::Equal).then_with(|| encoded.row(one).cmp(&encoded.row(other)))
    });
    Ok(order)
}

/// Which nodes are kept, and which would be if nothing limited how far.
fn kept(asked: &Asked, forest: &Forest, start: &[bool], ids: &ArrayRef) -> (Vec<bool>, Vec<bool>) {
    let nodes = || 0..forest.parent.len();
    let all = || nodes().map(|node| forest.rank[node] != NONE).collect::<Vec<bool>>();
    let both = |keep: Vec<bool>| (keep.clone(), keep);
    let started = |node: usize| start.get(node).copied().unwrap_or(false);
    let Question::Nodes(keep) = &asked.question else { return both(all()) };
    match keep {
        Keep::All => both(all()),
        Keep::Roots => both(nodes().map(|node| forest.rank[node] != NONE && forest.parent[node] == NONE).collect()),
        Keep::Leaves => both(nodes().map(|node| forest.rank[node] != NONE && forest.below[node] == 0).collect()),
        Keep::Siblings => {
            let starts: Vec<u32> = forest.preorder.iter().copied().filter(|node| started(*node as usize)).collect();
            let mut keep = vec![false; forest.parent.len()];
            for node in &forest.preorder {
                keep[*node as usize] = starts.iter().any(|start| forest.are_siblings(*start, *node));
            }
            both(keep)
        }
        Keep::Relatives { descendants, distance, keep_start } => {
            let far = if *descendants { forest.distance_from_above(start) } else { forest.distance_from_below(start) };
            let within = |most: u64| {
                let near = |node: usize| far[node] != NONE && u64::from(far[node]) <= most;
                nodes().map(|node| forest.rank[node] != NONE && (near(node) || (*keep_start && started(node)))).collect::<Vec<bool>>()
            };
            (within(distance.unwrap_or(u64::MAX)), within(u64::MAX))
        }
        Keep::Levels { levels, at } => {
            let text = ArrayFormatter::try_new(ids.as_ref(), &FormatOptions::default()).ok();
            let opened = |node: u32| {
                let name = text.as_ref().filter(|_| !at.is_empty())?.value(node as usize).to_string();
                at.iter().find(|(other, _)| *other == name).map(|(_, levels)| *levels)
            };
            (forest.levels(*levels, opened), all())
        }
    }
}
