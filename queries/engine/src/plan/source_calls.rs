//! Operations of sources in plans: the rows that one returns, asked for as a query of its own or known already, and the entities that they
//! name by key, which are read with the caller's rights. It must not know how a source is called.

use super::rows::{Evaluator, Rows};
use crate::error::EngineError;
use crate::policy::TableRights;
use crate::pushdown::fragment::RemoteFragment;
use crate::values::scalar_from_value;
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, TableReference};
use datafusion::logical_expr::{EmptyRelation, Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, Values, lit};
use portico_catalog::overlay::{ReturnKind, SourceBody};
use portico_odata::BoundCall;
use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::{ChangeValue, OperationCall, SourceQuery, Value};
use std::sync::Arc;
use std::time::Duration;

/// How many rows are expected of an operation of which nothing is known.
const ESTIMATE: u64 = 100;

/// What a call yields: the entities that the caller sees, or the values that are none.
///
/// # Errors
/// `Internal`, where what was bound does not fit the model.
pub(crate) fn select(
    evaluator: &Evaluator<'_>,
    rights: &Arc<TableRights>,
    call: &BoundCall,
    body: &SourceBody,
) -> Result<LogicalPlan, EngineError> {
    let returned = match &call.rows {
        Some(rows) => known(body, rows)?,
        None => asked(call, body)?,
    };
    let at = |position: &usize| Expr::Column(Column::new_unqualified(name(*position)));
    let table = &rights.table;
    let own = |index: usize, value: Expr| {
        let column = table.columns.get(index).ok_or_else(misfit)?;
        Ok::<_, EngineError>(value.alias_qualified(Some(TableReference::bare(table.name.as_str())), &column.name))
    };
    if !matches!(call.operation.returns.as_ref().map(|returns| &returns.kind), Some(ReturnKind::Entity { .. })) {
        let schema = Arc::clone(returned.schema());
        let values = body.returned.iter().enumerate().map(|(index, position)| {
            let column = table.columns.get(index).ok_or_else(misfit)?;
            own(index, at(position).cast_to(&column.scalar_type.arrow(), &schema)?)
        });
        let values = values.collect::<Result<Vec<_>, EngineError>>()?;
        return Ok(LogicalPlanBuilder::from(returned).project(values)?.build()?);
    }
    let entities = Rows::scan(evaluator, rights, false)?;
    let on = table.key.iter().zip(&body.returned).map(|(index, position)| Ok(entities.column(*index)?.eq(at(position))));
    let on = on.collect::<Result<Vec<_>, EngineError>>()?;
    let output = rights.columns.iter().map(|index| own(*index, entities.column(*index)?)).collect::<Result<Vec<_>, _>>()?;
    Ok(entities.builder.join_on(returned, JoinType::LeftSemi, on)?.project(output)?.build()?)
}

/// The arguments of a call as a change has them: by position, and what was left out not at all where the source has a value for it.
pub(crate) fn arguments(call: &BoundCall, body: &SourceBody) -> Vec<(usize, ChangeValue)> {
    let as_given = |value: Value| if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value) };
    values(call, body).into_iter().map(|(position, value)| (position, as_given(value))).collect()
}

fn values(call: &BoundCall, body: &SourceBody) -> Vec<(usize, Value)> {
    let value = |(position, name): &(usize, String)| {
        let parameter = body.operation.parameters.get(*position)?;
        let given = call.arguments.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let null = || (!parameter.optional).then_some(Value::Null(parameter.scalar_type));
        Some((*position, given.or_else(null)?))
    };
    body.arguments.iter().filter_map(value).collect()
}

fn asked(call: &BoundCall, body: &SourceBody) -> Result<LogicalPlan, EngineError> {
    let operation = body.operation.clone();
    let table = operation.name.to_string();
    let mut query = SourceQuery::call(OperationCall { operation, arguments: values(call, body) });
    for (position, output) in query.output.iter_mut().enumerate() {
        output.name = name(position);
    }
    let schema = DFSchema::try_from(query.result_schema().as_ref().clone())?;
    Ok(LogicalPlan::Extension(Extension {
        node: Arc::new(RemoteFragment {
            source: body.source.clone(),
            schema: Arc::new(schema),
            query: Arc::new(query),
            key_slot: None,
            // What an operation reads is not known, and so not when it has become another.
            freshness: Duration::ZERO,
            schema_version: String::new(),
            estimate: ESTIMATE,
            table,
            key_limits: KeyCapabilities { max_tuples: 1, ..KeyCapabilities::default() },
            required_keys: Vec::new(),
            conditions: Vec::new(),
            fed: None,
            key_columns: Vec::new(),
            own_keys: None,
            max_request_bytes: 0,
            exact_keys: Vec::new(),
            template: None,
        }),
    }))
}

/// Rows that an action has returned.
fn known(body: &SourceBody, rows: &[Vec<Value>]) -> Result<LogicalPlan, EngineError> {
    let operation = OperationCall { operation: body.operation.clone(), arguments: Vec::new() };
    let mut query = SourceQuery::call(operation);
    for (position, output) in query.output.iter_mut().enumerate() {
        output.name = name(position);
    }
    let schema: DFSchemaRef = Arc::new(DFSchema::try_from(query.result_schema().as_ref().clone())?);
    if rows.is_empty() {
        return Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema }));
    }
    let values = rows.iter().map(|row| row.iter().map(|value| lit(scalar_from_value(value))).collect()).collect();
    // The builder would give the columns names of its own.
    Ok(LogicalPlan::Values(Values { schema, values }))
}

/// The name of a column of the result. No table has one of that name.
fn name(position: usize) -> String {
    format!("@returned{position}")
}

fn misfit() -> EngineError {
    EngineError::Internal("what an operation of a source returns is not what it was bound to".to_owned())
}
