//! EXPLAIN: what every source is asked, in its own language, and what stays local. Native requests show placeholders, not values.

mod keys;

use crate::answer::TableAnswer;
use crate::error::EngineError;
use crate::execute::questions::questions;
use crate::plan::PlanNode;
use crate::plan::entities::EntityNode;
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::required::named;
use crate::pushdown::{PushedPlan, fragments};
use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::LogicalPlan;
use portico_provider_api::walk::bind_parameters;
use portico_provider_api::{Expr as RemoteExpr, KeySet, NativeRequest, Relation, Source, SourceQuery, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a plan does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The local part as an indented tree; `RemoteScan` leaves name their source.
    pub plan: String,
    /// What each source is asked, in order: source name and native request.
    pub requests: Vec<(String, NativeRequest)>,
}

/// Explains a plan.
pub fn explain(plan: &PushedPlan, sources: &BTreeMap<String, Arc<dyn Source>>) -> Explanation {
    let mut explanation = Explanation::default();
    let asked = Asked { sources, constants: plan.constants().map_or(&[], |constants| constants.as_ref()) };
    match plan.node() {
        PlanNode::Table { plan, .. } => add(&mut explanation, "", plan, &asked),
        PlanNode::Entities(entities) => {
            for via in &entities.via {
                add(&mut explanation, &format!("from {}", via.table), &via.plan, &asked);
            }
            if let Some(count) = &entities.count {
                add(&mut explanation, "count", count, &asked);
            }
            add_node(&mut explanation, "entities", &entities.root, &asked);
        }
    }
    explanation
}

/// Who would be asked, and with which constants of the request.
struct Asked<'a> {
    sources: &'a BTreeMap<String, Arc<dyn Source>>,
    constants: &'a [Value],
}

fn add_node(explanation: &mut Explanation, title: &str, node: &EntityNode, asked: &Asked<'_>) {
    add(explanation, title, &node.plan, asked);
    for child in &node.children {
        add_node(explanation, &format!("{title}/{}, once per chunk of parents", child.name), &child.node, asked);
    }
}

fn add(explanation: &mut Explanation, title: &str, plan: &LogicalPlan, asked: &Asked<'_>) {
    if !title.is_empty() {
        explanation.plan.push_str(&format!("[{title}]\n"));
    }
    explanation.plan.push_str(&plan.display_indent().to_string());
    explanation.plan.push('\n');
    explanation.plan.push_str(&keys::lines(plan));
    for fragment in fragments(plan) {
        let template = fragment.template.as_ref();
        let bound = template.and_then(|template| template.with(&template.values(asked.constants)?).ok());
        let mut query = bound.unwrap_or_else(|| fragment.query.as_ref().clone());
        query.keys = keys_of(&fragment);
        let requests = asked.sources.get(&fragment.source).map(|source| source.describe(&query)).unwrap_or_default();
        explanation.requests.extend(requests.into_iter().map(|request| (fragment.source.clone(), request)));
    }
}

/// The keys that a fragment is asked by, where there are some in any case. Those that are named are shown as the first request has them; of the
/// others one tuple stands for a chunk, since requests show placeholders only.
fn keys_of(fragment: &RemoteFragment) -> Option<KeySet> {
    let given = match (&fragment.key_slot, &fragment.fed) {
        (Some((columns, _)), _) => Some(columns),
        (None, fed) => fed.as_ref().map(|fed| &fed.columns),
    };
    let bare = RemoteFragment { conditions: fragment.conditions.iter().map(without_parameters).collect(), ..fragment.clone() };
    let relation = fragment.query.from.columns();
    let example = given.map(|columns| {
        let part = |column: &usize| match named(&bare.conditions, *column)?.into_iter().next() {
            Some(RemoteExpr::Literal(value)) => Some(value),
            _ => None,
        };
        let any = |column: &usize| relation.get(*column).map(|column| Value::example(column.scalar_type));
        let tuple = columns.iter().filter_map(|column| part(column).or_else(|| any(column))).collect();
        KeySet { columns: columns.clone(), tuples: vec![tuple] }
    });
    questions(&bare, example).ok()?.next()?.keys
}

/// A condition with examples in the place of its parameters.
fn without_parameters(condition: &RemoteExpr) -> RemoteExpr {
    let call = Relation::Union(Vec::new());
    let mut probe = SourceQuery { filter: Some(condition.clone()), ..SourceQuery::select(call, Vec::new()) };
    // Every parameter has an example.
    let _ = bind_parameters(&mut probe, &|_, scalar_type| Some(Value::example(scalar_type)));
    probe.filter.unwrap_or_else(|| condition.clone())
}

impl Explanation {
    /// The schema of an explanation as a table.
    pub fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(vec![Field::new("part", DataType::Utf8, false), Field::new("text", DataType::Utf8, false)]))
    }

    /// The explanation as a table: the plan, then one row per native request.
    ///
    /// # Errors
    /// `Internal`, never in practice.
    pub fn into_table(self, note: Option<&str>) -> Result<TableAnswer, EngineError> {
        let mut parts = vec!["plan".to_owned()];
        let mut texts = vec![self.plan.trim_end().to_owned()];
        for (source, request) in self.requests {
            parts.push(format!("source {source} ({})", request.language));
            texts.push(request.text);
        }
        if let Some(note) = note {
            parts.push("note".to_owned());
            texts.push(note.to_owned());
        }
        let schema = Explanation::schema();
        let columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(StringArray::from(parts)), Arc::new(StringArray::from(texts))];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| EngineError::Internal(error.to_string()))?;
        Ok(TableAnswer { schema, batches: Box::pin(futures::stream::iter([Ok(batch)])) })
    }
}
