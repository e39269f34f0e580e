//! The row that is to be written, as it is stored now. It is asked for within what its source takes: a condition, a key set, or as much of
//! these as there is; what the source leaves is filtered here. It must not know what is written.

use super::{key_values, not_found, same, stored_at};
use crate::error::EngineError;
use crate::execute::remote;
use crate::execute::run::Run;
use crate::policy::PermittedWrite;
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::required::{combined, named};
use arrow::array::RecordBatch;
use datafusion::common::DFSchema;
use futures::StreamExt;
use portico_provider_api::check::{ExprCheck, first_met};
use portico_provider_api::{CompareOp, Expr, KeySet, Output, Relation, SourceQuery, Support, Value, evaluate_expr};
use std::sync::Arc;
use std::time::Duration;

/// The row with a key, if the caller may see it: one row, one value per column of the relation.
///
/// # Errors
/// `NotFound`, `Invalid` when the key names several rows, `Source`.
pub(super) async fn current_row(write: &PermittedWrite, key: &[Value], run: &Arc<Run>) -> Result<RecordBatch, EngineError> {
    let query = query(write, key);
    let schema = DFSchema::try_from(query.result_schema().as_ref().clone())?;
    let key_limits = query.keys.as_ref().and_then(|keys| ExprCheck::over(&write.capabilities, &query.from).key_limits(&keys.columns));
    let keys = query.keys.clone();
    let key_columns = keys.as_ref().map(|keys| keys.columns.clone()).unwrap_or_default();
    let fragment = RemoteFragment {
        source: write.source.clone(),
        schema: Arc::new(schema),
        query: Arc::new(SourceQuery { keys: None, ..query }),
        key_slot: None,
        freshness: Duration::ZERO,
        schema_version: String::new(),
        estimate: 1,
        table: write.relation.table.to_string(),
        key_limits: key_limits.unwrap_or_default(),
        // They are among its keys already.
        required_keys: Vec::new(),
        conditions: Vec::new(),
        fed: None,
        key_columns,
        own_keys: None,
        max_request_bytes: 0,
        exact_keys: Vec::new(),
        template: None,
    };
    let mut rows = remote::stream(fragment, keys, Arc::clone(run));
    let mut found: Option<RecordBatch> = None;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            if !is_meant(write, &batch, row, key)? {
                continue;
            }
            if found.replace(batch.slice(row, 1)).is_some() {
                let message = format!("the key of '{}' is not unique at its source; nothing was written", write.table.name);
                return Err(EngineError::Invalid(message));
            }
        }
    }
    found.ok_or_else(|| not_found(write))
}

/// Whether a row has the key and may be touched. A source may give more: its text ignores letter case, or it takes no condition.
fn is_meant(write: &PermittedWrite, batch: &RecordBatch, row: usize, key: &[Value]) -> Result<bool, EngineError> {
    for (column, value) in key_values(write, key) {
        if !same(&stored_at(write, batch, row, column)?, &value) {
            return Ok(false);
        }
    }
    let Some(visible) = &write.visible else { return Ok(true) };
    let image = (0..write.relation.columns.len()).map(|column| stored_at(write, batch, row, column));
    satisfies(write, visible, &image.collect::<Result<Vec<_>, _>>()?)
}

/// Whether a row, one value per column of the relation, satisfies a rule.
pub(super) fn satisfies(write: &PermittedWrite, rule: &Expr, row: &[Value]) -> Result<bool, EngineError> {
    let value = evaluate_expr(rule, row, &write.relation.columns);
    let value = value.map_err(|error| EngineError::Invalid(format!("a row rule of '{}' cannot be computed: {error}", write.table.name)))?;
    Ok(value == Value::Boolean(true))
}

/// The question: all of it as a condition where that is exact, else by the key, else by keys that the table requires and the conditions
/// name, else by what of the condition is taken.
fn query(write: &PermittedWrite, key: &[Value]) -> SourceQuery {
    let output = (0..write.relation.columns.len()).map(|index| Output { name: format!("c{index}"), expr: Expr::Column(index) }).collect();
    let plain = SourceQuery::select(Relation::Table(write.relation.clone()), output);
    let equal = |(column, value): &(usize, Value)| Expr::compare(CompareOp::Eq, Expr::Column(*column), Expr::Literal(value.clone()));
    let key = key_values(write, key);
    let conditions: Vec<Expr> = key.iter().map(equal).chain(write.visible.clone()).collect();
    let taken = |query: &SourceQuery| write.capabilities.support(query).unwrap_or(Support::None);
    let whole = SourceQuery { filter: Expr::all(conditions.clone()), ..plain.clone() };
    if taken(&whole) == Support::Exact {
        return whole;
    }
    let tuples = vec![key.iter().map(|(_, value)| value.clone()).collect()];
    let keys = KeySet { columns: key.iter().map(|(column, _)| *column).collect(), tuples };
    let by_key = SourceQuery { keys: Some(keys), ..plain.clone() };
    if taken(&by_key) != Support::None {
        let visible = SourceQuery { filter: write.visible.clone(), ..by_key.clone() };
        return if taken(&visible) == Support::None { by_key } else { visible };
    }
    if let Some(required) = by_required(write, &plain, &conditions).into_iter().find(|query| taken(query) != Support::None) {
        return required;
    }
    conditions.into_iter().fold(plain, |query, condition| {
        let more = SourceQuery { filter: Expr::all(query.filter.iter().cloned().chain([condition])), ..query.clone() };
        if taken(&more) == Support::None { query } else { more }
    })
}

/// The question by each of the lists of keys one of which the table requires, as far as conditions name them: with all conditions, or with
/// just those that are no keys.
fn by_required(write: &PermittedWrite, plain: &SourceQuery, conditions: &[Expr]) -> Vec<SourceQuery> {
    let table = write.capabilities.tables.get(&write.relation.table.to_string());
    let all = Expr::all(conditions.iter().cloned());
    let values = |column: usize| {
        let constants = named(conditions, column)?.into_iter();
        constants.map(|constant| if let Expr::Literal(value) = constant { Some(value) } else { None }).collect::<Option<Vec<Value>>>()
    };
    let mut queries = Vec::new();
    for list in table.iter().flat_map(|table| &table.required_keys) {
        let list = std::slice::from_ref(list);
        let Some(columns) = first_met(list, &write.relation.columns, all.as_ref(), &|column| values(column).is_some()) else { continue };
        let tuples = combined(vec![Vec::new()], columns.iter().filter_map(|column| values(*column)).collect());
        let no_key = |condition: &&Expr| !columns.iter().any(|column| condition.columns().contains(column));
        let rest = Expr::all(conditions.iter().filter(no_key).cloned());
        let keys = (!columns.is_empty()).then_some(KeySet { columns, tuples });
        queries.extend([all.clone(), rest, None].map(|filter| SourceQuery { filter, keys: keys.clone(), ..plain.clone() }));
    }
    queries
}
