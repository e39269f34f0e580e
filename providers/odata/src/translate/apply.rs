//! Groups and aggregates as `$apply`. Pure; it must not know addresses.
#![deny(clippy::wildcard_enum_match_arm)]

use super::filter::Refused;
use super::text::Said;
use crate::metadata::EntitySet;
use portico_provider_api::{AggregateCall, AggregateFunction, Expr, SourceQuery, TableColumn, Value};

/// Whether a query asks for groups, aggregates or distinct rows, and not only for the number of rows.
pub fn is_grouped(query: &SourceQuery) -> bool {
    !super::is_count(query) && (query.distinct || query.aggregate.is_some())
}

/// Whether a query adds up values.
pub fn sums(query: &SourceQuery) -> bool {
    query.aggregate.as_ref().is_some_and(|aggregate| aggregate.calls.iter().any(|call| call.function == AggregateFunction::Sum))
}

/// What the aggregates of no rows are, where there is one group all the same.
pub fn of_nothing(query: &SourceQuery) -> Option<Vec<Value>> {
    let aggregate = query.aggregate.as_ref().filter(|aggregate| aggregate.group_by.is_empty())?;
    if query.limit == Some(0) || query.offset > 0 {
        return None;
    }
    let of = |call: &AggregateCall| match call.function {
        AggregateFunction::CountRows | AggregateFunction::Count => Value::Int64(0),
        AggregateFunction::Sum | AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::Average => {
            Value::Null(call.scalar_type)
        }
    };
    query.output.iter().map(|output| aggregate.calls.get(output.expr.as_column()?).map(of)).collect()
}

/// The columns that outputs and orders of a query see, by the names that they have in its answer.
pub fn visible(query: &SourceQuery, set: Option<&EntitySet>) -> Vec<TableColumn> {
    let Some(aggregate) = query.aggregate.as_ref().filter(|_| !super::is_count(query)) else { return query.from.columns() };
    let groups = aggregate.group_by.len();
    let mut columns = query.visible_columns();
    let from = query.from.columns();
    for (index, column) in columns.iter_mut().enumerate() {
        match aggregate.group_by.get(index) {
            Some(group) => {
                if let Some(grouped) = group.as_column().and_then(|index| from.get(index)) {
                    column.name.clone_from(&grouped.name);
                }
            }
            None => column.name = alias(index - groups, set),
        }
    }
    columns
}

/// The name of an aggregate: none that a property has.
fn alias(index: usize, set: Option<&EntitySet>) -> String {
    let taken = |name: &str| set.is_some_and(|set| set.properties.iter().any(|property| property.name.eq_ignore_ascii_case(name)));
    let mut name = format!("Aggregate{index}");
    while taken(&name) {
        name.push('_');
    }
    name
}

/// The transformations of a query, the condition first.
///
/// # Errors
/// Names what cannot be written.
pub fn apply(query: &SourceQuery, set: &EntitySet, condition: Option<&Said>) -> Result<Said, Refused> {
    let columns = query.from.columns();
    let name = |expr: &Expr| -> Result<String, Refused> {
        let column = expr.as_column().and_then(|index| columns.get(index));
        column.map(|column| column.name.clone()).ok_or_else(|| "groups of something computed are not supported by this source".to_owned())
    };
    let (groups, calls) = match &query.aggregate {
        Some(aggregate) => (aggregate.group_by.iter().collect::<Vec<_>>(), aggregate.calls.as_slice()),
        None => (query.output.iter().map(|output| &output.expr).collect(), [].as_slice()),
    };
    let mut keys: Vec<String> = Vec::new();
    for group in groups {
        let key = name(group)?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut aggregates = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        aggregates.push(format!("{} as {}", aggregated(call, &name)?, alias(index, Some(set))));
    }
    let aggregates = if aggregates.is_empty() { None } else { Some(format!("aggregate({})", aggregates.join(","))) };
    let grouped = match (keys.is_empty(), aggregates) {
        (true, None) => return Err("a group of nothing is not supported by this source".to_owned()),
        (true, Some(aggregates)) => aggregates,
        (false, None) => format!("groupby(({}))", keys.join(",")),
        (false, Some(aggregates)) => format!("groupby(({}),{aggregates})", keys.join(",")),
    };
    let grouped = if query.distinct && query.aggregate.is_some() {
        let visible = visible(query, Some(set));
        let outputs = query.output.iter().filter_map(|output| Some(visible.get(output.expr.as_column()?)?.name.clone()));
        let outputs = outputs.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        format!("{grouped}/groupby(({}))", outputs.join(","))
    } else {
        grouped
    };
    Ok(match condition {
        Some(condition) => Said::plain("filter").and(&condition.in_brackets()).then("/").then(&grouped),
        None => Said::plain(grouped),
    })
}

fn aggregated(call: &AggregateCall, name: &dyn Fn(&Expr) -> Result<String, Refused>) -> Result<String, Refused> {
    let method = match call.function {
        AggregateFunction::CountRows => return Ok("$count".to_owned()),
        AggregateFunction::Sum => "sum",
        AggregateFunction::Min => "min",
        AggregateFunction::Max => "max",
        AggregateFunction::Count | AggregateFunction::Average => {
            return Err("this aggregate is not supported by this source".to_owned());
        }
    };
    let argument = call.argument.as_ref().ok_or_else(|| "an aggregate of nothing is not supported by this source".to_owned())?;
    Ok(format!("{} with {method}", name(argument)?))
}
