//! Whether a query has a meaning at all: columns in scope, operands that fit, aggregates with the types that the IR gives them. It is
//! asked before any row is read, so that a query without rows is refused as well.

#![deny(clippy::wildcard_enum_match_arm)]

use super::EvaluateError;
use super::expression::no_column;
use crate::expr::Expr;
use crate::query::{AggregateCall, Aggregation, Join, JoinKind, KeySet, Relation, SourceQuery, TableColumn};
use crate::types::ScalarType;
use crate::value::Value;
use crate::{AggregateFunction, TypeClass};

/// What an expression sees, and what the queries around it see.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    columns: &'a [TableColumn],
    outer: Option<&'a Scope<'a>>,
}

fn invalid<T>(message: impl Into<String>) -> Result<T, EvaluateError> {
    Err(EvaluateError::Invalid(message.into()))
}

/// Refuses a query that has no meaning; `outer` is what the expression sees in which it is a sub-query.
pub(super) fn check_query(query: &SourceQuery, outer: Option<&Scope<'_>>) -> Result<(), EvaluateError> {
    check_relation(&query.from, outer)?;
    let from = query.from.columns();
    let below = Scope { columns: &from, outer };
    check_predicates(&query.filter, below)?;
    query.keys.iter().try_for_each(|keys| check_keys(keys, &from))?;
    let visible = query.visible_columns();
    let above = Scope { columns: &visible, outer };
    if let Some(aggregate) = &query.aggregate {
        check_aggregation(aggregate, below)?;
        check_predicates(&aggregate.having, above)?;
    }
    query.output.iter().try_for_each(|output| check_expression(&output.expr, above, true))?;
    let per = query.limit_per.iter().flat_map(|per| &per.columns);
    let observed = query.order_by.iter().map(|key| &key.expr).chain(per);
    if query.distinct && observed.clone().any(|expression| !query.output.iter().any(|output| &output.expr == expression)) {
        return Err(EvaluateError::Unsupported("distinct rows ordered or limited by something that is not an output".to_owned()));
    }
    observed.into_iter().try_for_each(|expression| check_expression(expression, above, false))
}

fn check_relation(relation: &Relation, outer: Option<&Scope<'_>>) -> Result<(), EvaluateError> {
    match relation {
        Relation::Table(_) => Ok(()),
        Relation::Call(_) => Err(EvaluateError::Unsupported("operations of a source".to_owned())),
        Relation::Query(query) => check_query(query, outer),
        Relation::Join(join) => check_join(join, outer),
        Relation::Union(queries) => {
            queries.iter().try_for_each(|query| check_query(query, outer))?;
            let mut types = queries.iter().map(|query| query.result_columns().iter().map(|column| column.scalar_type).collect::<Vec<_>>());
            match types.next() {
                None => invalid("a union of nothing"),
                Some(first) if types.any(|other| other != first) => invalid("a union of queries with columns of different types"),
                Some(_) => Ok(()),
            }
        }
    }
}

fn check_join(join: &Join, outer: Option<&Scope<'_>>) -> Result<(), EvaluateError> {
    check_relation(&join.left, outer)?;
    check_relation(&join.right, outer)?;
    if join.kind == JoinKind::Cross && !(join.on.is_empty() && join.residual.is_none()) {
        return invalid("a condition on a cross join");
    }
    if join.null_aware && (join.kind != JoinKind::Anti || join.on.len() != 1 || join.null_equal) {
        return invalid("null-aware matching of anything but one value in an anti join");
    }
    let (left, right) = (join.left.columns(), join.right.columns());
    for (of_left, of_right) in &join.on {
        check_expression(of_left, Scope { columns: &left, outer }, false)?;
        check_expression(of_right, Scope { columns: &right, outer }, false)?;
        let class = |expression: &Expr, columns: &[TableColumn]| expression.scalar_type(columns).map(TypeClass::of);
        if class(of_left, &left) != class(of_right, &right) {
            return invalid("a join by values that do not compare");
        }
    }
    let both = [left, right].concat();
    check_predicates(&join.residual, Scope { columns: &both, outer })
}

fn check_aggregation(aggregate: &Aggregation, scope: Scope<'_>) -> Result<(), EvaluateError> {
    if aggregate.group_by.is_empty() && aggregate.calls.is_empty() {
        return invalid("an aggregation that computes nothing");
    }
    aggregate.group_by.iter().try_for_each(|key| check_expression(key, scope, false))?;
    aggregate.calls.iter().try_for_each(|call| check_call(call, scope))
}

fn check_call(call: &AggregateCall, scope: Scope<'_>) -> Result<(), EvaluateError> {
    call.argument.iter().try_for_each(|argument| check_expression(argument, scope, false))?;
    check_predicates(&call.filter, scope)?;
    let argument = call.argument.as_ref().and_then(|argument| argument.scalar_type(scope.columns));
    if call.function == AggregateFunction::CountRows && call.distinct {
        return invalid("counting distinct rows");
    }
    match call.function.result_type(argument) {
        Some(scalar_type) if scalar_type == call.scalar_type => Ok(()),
        Some(scalar_type) => invalid(format!("{:?} gives {scalar_type}, not {}", call.function, call.scalar_type)),
        None => invalid(format!("{:?} cannot be computed of its argument", call.function)),
    }
}

fn check_predicates<'e>(predicates: impl IntoIterator<Item = &'e Expr>, scope: Scope<'_>) -> Result<(), EvaluateError> {
    predicates.into_iter().try_for_each(|predicate| check_expression(predicate, scope, false))
}

/// `windows` tells whether window functions have a meaning here.
fn check_expression(expression: &Expr, scope: Scope<'_>, windows: bool) -> Result<(), EvaluateError> {
    let mut windows = windows;
    match expression {
        Expr::OuterColumn { depth, index, scalar_type } => check_outer(*depth, *index, *scalar_type, scope)?,
        Expr::Parameter { .. } => return Err(EvaluateError::Unsupported("unbound parameters".to_owned())),
        Expr::ScalarSubquery(query) => {
            check_query(query, Some(&scope))?;
            if query.output.len() != 1 {
                return invalid("a scalar sub-query of more or fewer columns than one");
            }
        }
        Expr::Exists(query) => check_query(query, Some(&scope))?,
        Expr::Window { function, arguments, .. } => {
            if !windows {
                return invalid("a window function outside of the outputs");
            }
            let (least, most) = match function.aggregate() {
                None => (0, 0),
                Some(AggregateFunction::Count) => (0, 1),
                Some(_) => (1, 1),
            };
            if arguments.len() < least || arguments.len() > most {
                return invalid(format!("{function:?} cannot be called with {} arguments", arguments.len()));
            }
            windows = false;
        }
        Expr::Column(index) if *index >= scope.columns.len() => return Err(no_column(*index)),
        Expr::Column(_)
        | Expr::Literal(_)
        | Expr::Compare { .. }
        | Expr::InList { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. } => {}
    }
    expression.children().into_iter().try_for_each(|child| check_expression(child, scope, windows))?;
    match expression.scalar_type(scope.columns) {
        Some(_) => Ok(()),
        None => invalid("an expression has operands that do not fit"),
    }
}

fn check_outer(depth: u32, index: usize, scalar_type: ScalarType, scope: Scope<'_>) -> Result<(), EvaluateError> {
    let mut outer = scope.outer;
    for _ in 1..depth {
        outer = outer.and_then(|outer| outer.outer);
    }
    match outer.and_then(|outer| outer.columns.get(index)) {
        Some(column) if column.scalar_type == scalar_type => Ok(()),
        Some(_) | None => invalid(format!("there is no column {index} of type {scalar_type} in a query {depth} levels up")),
    }
}

fn check_keys(keys: &KeySet, columns: &[TableColumn]) -> Result<(), EvaluateError> {
    if let Some(index) = keys.columns.iter().find(|index| **index >= columns.len()) {
        return Err(no_column(*index));
    }
    for tuple in &keys.tuples {
        if tuple.len() != keys.columns.len() {
            return invalid("a key has another number of values than the key set has columns");
        }
        if tuple.iter().any(Value::is_null) {
            return invalid("a key set holds a null");
        }
        let class = |index: &usize| columns.get(*index).map(|column| TypeClass::of(column.scalar_type));
        if tuple.iter().zip(&keys.columns).any(|(value, index)| class(index) != Some(TypeClass::of(value.scalar_type()))) {
            return invalid("a key has a value of another type than its column");
        }
    }
    Ok(())
}
