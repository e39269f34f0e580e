//! What operations of the model return: the SQL that yields it, planned with the caller's rights, as rows in place of a table's own. It
//! must not know how an operation is called.

use crate::error::EngineError;
use crate::plan::names::Names;
use crate::plan::rows::{Evaluator, Rows, columns_of};
use crate::plan::source_calls;
use crate::plan::sql;
use crate::plan::tables::VisibleTable;
use crate::policy::TableRights;
use arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use portico_catalog::{Operation, VirtualTable};
use portico_odata::BoundCall;
use portico_provider_api::{ScalarType, TypeClass, Value};
use std::sync::Arc;

/// The SELECT of a function with everything in it of types that go together, as when it is run.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn checked(
    session: &SessionState,
    names: &Names<'_>,
    operation: &Operation,
    arguments: &[(String, Value)],
) -> Result<LogicalPlan, EngineError> {
    let text = operation.result_statement().ok_or_else(|| no_select(operation))?;
    let plan = sql::select_with(session, names, text, arguments)?;
    TypeCoercion::new().analyze(plan, session.config_options()).map_err(EngineError::from_datafusion)
}

/// What a call yields: the columns of the returned table that the caller sees, by name and of their types; or the values that are no
/// entities.
///
/// # Errors
/// `Forbidden` when the SQL needs what the caller does not see.
pub(crate) fn select(
    names: &Names<'_>,
    evaluator: &Evaluator<'_>,
    rights: &Arc<TableRights>,
    call: &BoundCall,
) -> Result<LogicalPlan, EngineError> {
    if let Some(body) = call.operation.of_source() {
        return source_calls::select(evaluator, rights, call, body);
    }
    let text = call.operation.result_statement().ok_or_else(|| no_select(&call.operation))?;
    let is_value = call.operation.returns.as_ref().is_some_and(|returns| returns.kind.is_scalar());
    let forbidden = |why: String| EngineError::Forbidden(format!("'{}' cannot be called with your rights: {why}", call.operation.name));
    let plan = sql::select_with(evaluator.session, names, text, &call.arguments).map_err(|error| match error {
        EngineError::UnknownName { message, .. } => forbidden(message),
        other => other,
    })?;
    let table = &rights.table;
    let schema = Arc::clone(plan.schema());
    let mut output = Vec::with_capacity(rights.columns.len());
    for column in rights.columns.iter().filter_map(|index| table.columns.get(*index)) {
        // The only column of plain values may have any name.
        let position = if is_value { Some(0) } else { schema.fields().iter().position(|field| *field.name() == column.name) };
        let position = position.ok_or_else(|| forbidden(format!("it needs a column that you may not see for '{}'", column.name)))?;
        let value = Expr::Column(Column::from(schema.qualified_field(position))).cast_to(&column.scalar_type.arrow(), &schema)?;
        output.push(value.alias_qualified(Some(TableReference::bare(table.name.as_str())), &column.name));
    }
    Ok(LogicalPlanBuilder::from(plan).project(output)?.build()?)
}

/// Whether what SQL yields can be taken as a value of a column.
///
/// # Errors
/// What it is instead.
pub(crate) fn fits(yields: &DataType, column: &portico_catalog::Column) -> Result<(), String> {
    let fits = match (yields, published_type(yields)) {
        (DataType::Null, _) => true,
        (_, Some(yielded)) => {
            TypeClass::of(yielded) == TypeClass::of(column.scalar_type)
                || (yielded.is_numeric() && column.scalar_type.is_numeric())
                || (yielded == ScalarType::Text && column.scalar_type.arrow() == ScalarType::Text.arrow())
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(yields.to_string()) }
}

/// The published type of a computed column: the nearest that holds every value.
pub(crate) fn published_type(data_type: &DataType) -> Option<ScalarType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => ScalarType::Int16,
        DataType::UInt16 => ScalarType::Int32,
        DataType::UInt32 => ScalarType::Int64,
        DataType::UInt64 => ScalarType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 => ScalarType::Float32,
        DataType::Utf8View | DataType::LargeUtf8 => ScalarType::Text,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ScalarType::Binary,
        DataType::Date64 => ScalarType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ScalarType::Time,
        DataType::Timestamp(_, None) => ScalarType::Timestamp,
        DataType::Timestamp(_, Some(_)) => ScalarType::TimestampTz,
        other => return ScalarType::from_arrow(other),
    })
}

/// What a call yields, as rows of the returned table.
///
/// # Errors
/// As [`select`].
pub(crate) fn rows(names: &Names<'_>, evaluator: &Evaluator<'_>, rights: &Arc<TableRights>, call: &BoundCall) -> Result<Rows, EngineError> {
    let builder = LogicalPlanBuilder::from(select(names, evaluator, rights, call)?);
    let columns = columns_of(&builder, &rights.table.name, &rights.table);
    Ok(Rows::over(builder, Some(Arc::clone(rights)), columns))
}

/// Whether the key of the returned table surely tells the rows apart: they are rows of one table, each once at most, with the key's columns under
/// the names of the returned table's key.
pub(crate) fn is_told_apart(plan: &LogicalPlan, returned: &VirtualTable) -> bool {
    let key = returned.key.iter().filter_map(|index| returned.columns.get(*index));
    let key: Option<Vec<usize>> = key.map(|column| plan.schema().fields().iter().position(|field| *field.name() == column.name)).collect();
    key.is_some_and(|key| !key.is_empty() && is_key(plan, &key))
}

/// Whether columns of a plan, by position, tell its rows apart.
fn is_key(plan: &LogicalPlan, columns: &[usize]) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => is_key(&filter.input, columns),
        LogicalPlan::Sort(sort) => is_key(&sort.input, columns),
        LogicalPlan::Limit(limit) => is_key(&limit.input, columns),
        LogicalPlan::SubqueryAlias(alias) => is_key(&alias.input, columns),
        LogicalPlan::Projection(projection) => {
            let source = |position: &usize| match projection.expr.get(*position)?.clone().unalias_nested().data {
                Expr::Column(column) => projection.input.schema().maybe_index_of_column(&column),
                _ => None,
            };
            columns.iter().map(source).collect::<Option<Vec<_>>>().is_some_and(|columns| is_key(&projection.input, &columns))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => columns.len() == input.schema().fields().len() || is_key(input, columns),
        LogicalPlan::Join(join) if join.join_type == JoinType::LeftSemi => is_key(&join.left, columns),
        LogicalPlan::TableScan(scan) => {
            let Some(visible) = scan.source.downcast_ref::<VisibleTable>() else { return false };
            let table = &visible.rights.table;
            let named = |position: &usize| scan.projected_schema.fields().get(*position).map(|field| field.name().as_str());
            let names: Vec<&str> = columns.iter().filter_map(named).collect();
            let mut key = table.key.iter().filter_map(|index| table.columns.get(*index));
            !table.key.is_empty() && key.all(|column| names.contains(&column.name.as_str()))
        }
        _ => false,
    }
}

fn no_select(operation: &Operation) -> EngineError {
    EngineError::Internal(format!("the operation '{}' is not one that is executed", operation.name))
}
