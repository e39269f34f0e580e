//! Aggregates of a plan as aggregation of a source query: group keys, calls, and what each is in the IR. It must not know sources.

use crate::pushdown::growing::{Growing, outputs};
use arrow::datatypes::DataType;
use datafusion::logical_expr::{Aggregate, Cast, Expr as PlanExpr};
use portico_provider_api::{AggregateCall, AggregateFunction, Aggregation, Expr, ScalarType};
use std::sync::Arc;

/// The groups of a piece as one query of its source; nothing when it does not make them.
pub fn aggregated(growing: &Growing, aggregate: &Aggregate) -> Option<Growing> {
    if aggregate.group_expr.iter().any(|key| matches!(key, PlanExpr::GroupingSet(_))) {
        return None;
    }
    let rows = if growing.is_plain() { growing.clone() } else { growing.clone().nested(false)? };
    let group_by = aggregate.group_expr.iter().map(|key| group_key(&rows, key)).collect::<Option<Vec<_>>>()?;
    let types = aggregate.schema.fields().iter().skip(group_by.len());
    let calls = aggregate.aggr_expr.iter().zip(types).map(|(call, field)| translated(&rows, call, field.data_type()));
    let calls = calls.collect::<Option<Vec<_>>>()?;
    let fields = group_by.len() + calls.len();
    let key = Some((0..group_by.len()).map(Expr::Column).collect());
    let mut query = rows.query.clone();
    query.order_by = Vec::new();
    query.aggregate = Some(Aggregation { group_by, calls, having: None });
    query.output = outputs((0..fields).map(Expr::Column));
    let mut grown = Growing { query, key, parts: Vec::new(), schema: Arc::clone(&aggregate.schema), ..rows };
    aggregate.group_expr.iter().chain(&aggregate.aggr_expr).for_each(|expression| grown.also_reading(expression));
    grown.accepted()
}

/// DataFusion tells the zeros of floats apart, and sources do not.
fn group_key(rows: &Growing, key: &PlanExpr) -> Option<Expr> {
    let translated = rows.translate(key)?;
    let scalar_type = translated.scalar_type(&rows.columns())?;
    (!matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64)).then_some(translated)
}

fn translated(rows: &Growing, call: &PlanExpr, data_type: &DataType) -> Option<AggregateCall> {
    let function = match call {
        PlanExpr::Alias(alias) => return translated(rows, &alias.expr, data_type),
        PlanExpr::AggregateFunction(function) => function,
        _ => return None,
    };
    let parameters = &function.params;
    if !parameters.order_by.is_empty() || parameters.null_treatment.is_some() {
        return None;
    }
    let scalar_type = ScalarType::from_arrow(data_type)?;
    let filter = match &parameters.filter {
        Some(filter) => Some(rows.translate(filter)?),
        None => None,
    };
    let [argument] = parameters.args.as_slice() else { return None };
    // `count(*)` is written as the count of a constant.
    let counts_rows = matches!(argument, PlanExpr::Literal(value, _) if !value.is_null()) && !parameters.distinct;
    let (function, argument) = match function.func.name() {
        "count" if counts_rows => (AggregateFunction::CountRows, None),
        "count" => (AggregateFunction::Count, Some(rows.translate(argument)?)),
        "sum" => (AggregateFunction::Sum, Some(rows.translate(argument)?)),
        "min" => (AggregateFunction::Min, Some(rows.translate(argument)?)),
        "max" => (AggregateFunction::Max, Some(rows.translate(argument)?)),
        "avg" => (AggregateFunction::Average, Some(averaged(rows, argument)?)),
        _ => return None,
    };
    let columns = rows.columns();
    let of_floats = argument.as_ref().and_then(|argument| argument.scalar_type(&columns)).is_some_and(is_float);
    // Which of the zeros, and which NaN, is everybody's own.
    if of_floats && (parameters.distinct || matches!(function, AggregateFunction::Min | AggregateFunction::Max)) {
        return None;
    }
    Some(AggregateCall { function, argument, distinct: parameters.distinct, filter, scalar_type })
}

/// The average of integers is made of them as they are, not of the doubles that they become here.
fn averaged(rows: &Growing, argument: &PlanExpr) -> Option<Expr> {
    match argument {
        PlanExpr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Float64 => {
            let inner = rows.translate(expr)?;
            let scalar_type = inner.scalar_type(&rows.columns())?;
            matches!(scalar_type, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64).then_some(inner)
        }
        other => rows.translate(other),
    }
}

fn is_float(scalar_type: ScalarType) -> bool {
    matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64)
}
