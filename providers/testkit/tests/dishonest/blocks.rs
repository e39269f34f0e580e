//! The tricks that concern whole select blocks: what naive translations of joins, groups and sub-queries do.

use crate::wrapper::Trick;
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, Expr, Function, JoinKind, Output, Relation, ScalarType, SourceQuery, Value,
    WindowFunction,
};

/// The query that a trick asks instead.
pub fn changed(trick: Trick, mut query: SourceQuery) -> SourceQuery {
    match trick {
        Trick::LosesNullGroup => {
            let keys = query.aggregate.iter().flat_map(|aggregate| aggregate.group_by.clone());
            let known = keys.map(|key| Expr::Not(Box::new(Expr::IsNull(Box::new(key))))).collect::<Vec<_>>();
            query.filter = Expr::all(query.filter.take().into_iter().chain(known));
        }
        Trick::GroupsIgnoreCase => {
            let columns = query.from.columns();
            let text = |key: &Expr| key.scalar_type(&columns) == Some(ScalarType::Text);
            let lower = |key: Expr| Expr::Call { function: Function::Lower, arguments: vec![key] };
            if let Some(aggregate) = &mut query.aggregate {
                aggregate.group_by = aggregate.group_by.drain(..).map(|key| if text(&key) { lower(key) } else { key }).collect();
            }
        }
        Trick::IgnoresHaving => query.aggregate.iter_mut().for_each(|aggregate| aggregate.having = None),
        Trick::CountDistinctCountsNull => each_call(&mut query, |call, scalar_type| {
            // A value that no fixture has.
            let null = match scalar_type {
                Some(ScalarType::Int16) => Value::Int16(i16::MIN + 7),
                Some(ScalarType::Int32) => Value::Int32(i32::MIN + 7),
                Some(ScalarType::Int64) => Value::Int64(i64::MIN + 7),
                Some(ScalarType::Text) => Value::text("no text of any fixture"),
                Some(ScalarType::Date) => Value::Date(i32::MIN + 7),
                _ => return,
            };
            if let (AggregateFunction::Count, true) = (call.function, call.distinct) {
                call.argument = call.argument.take().map(|argument| Expr::Case {
                    branches: vec![(Expr::Not(Box::new(Expr::IsNull(Box::new(argument.clone())))), argument)],
                    otherwise: Some(Box::new(Expr::Literal(null))),
                });
            }
        }),
        Trick::IgnoresAggregateFilter => each_call(&mut query, |call, _| call.filter = None),
        Trick::CutsBeforeGrouping if query.aggregate.is_some() && query.limit.is_some() => {
            let rows = SourceQuery { aggregate: None, limit: query.limit, offset: 0, ..all(query.from, query.filter.take()) };
            query.from = Relation::Query(Box::new(rows));
        }
        Trick::SumWrapsAround => each_call(&mut query, |call, scalar_type| {
            // The greatest value stands for what is left of a sum that did not fit.
            if call.function == AggregateFunction::Sum && scalar_type == Some(ScalarType::Int64) {
                call.function = AggregateFunction::Max;
            }
        }),
        Trick::TakesFirstOfSeveral => query.filter = query.filter.map(of_one_row),
        Trick::JoinsNullToNull => each_join(&mut query.from, &mut |join| join.null_equal = true),
        Trick::NotInWithoutNulls => each_join(&mut query.from, &mut |join| join.null_aware = false),
        Trick::LeftJoinFilters => {
            if let Relation::Join(join) = &mut query.from
                && join.kind == JoinKind::Left
            {
                query.filter = Expr::all(query.filter.take().into_iter().chain(join.residual.take()));
            }
        }
        Trick::IgnoresNestedLimit => {
            if let Relation::Query(inner) = &mut query.from {
                (inner.limit, inner.offset) = (None, 0);
            }
        }
        Trick::UnionRemovesDuplicates => {
            if let Relation::Union(_) = &query.from {
                let rows = SourceQuery { distinct: true, ..all(query.from, None) };
                query.from = Relation::Query(Box::new(rows));
            }
        }
        Trick::EverythingExists => query.filter = query.filter.map(of_existing),
        Trick::RanksWithoutGaps => query.output.iter_mut().for_each(|output| {
            if let Expr::Window { function, .. } = &mut output.expr
                && *function == WindowFunction::Rank
            {
                *function = WindowFunction::DenseRank;
            }
        }),
        _ => {}
    }
    query
}

/// Whether a trick is only played where the honest source fails.
pub fn hides_failures(trick: Trick) -> bool {
    matches!(trick, Trick::SumWrapsAround | Trick::TakesFirstOfSeveral)
}

fn all(from: Relation, filter: Option<Expr>) -> SourceQuery {
    let output = (0..from.columns().len()).map(|column| Output { name: format!("c{column}"), expr: Expr::Column(column) }).collect();
    SourceQuery { filter, ..SourceQuery::select(from, output) }
}

/// Changes calls, given their arguments' types.
fn each_call(query: &mut SourceQuery, mut change: impl FnMut(&mut AggregateCall, Option<ScalarType>)) {
    let columns = query.from.columns();
    if let Some(Aggregation { calls, .. }) = &mut query.aggregate {
        for call in calls {
            let scalar_type = call.argument.as_ref().and_then(|argument| argument.scalar_type(&columns));
            change(call, scalar_type);
        }
    }
}

fn each_join(from: &mut Relation, change: &mut impl FnMut(&mut portico_provider_api::Join)) {
    if let Relation::Join(join) = from {
        change(join);
        each_join(&mut join.left, change);
        each_join(&mut join.right, change);
    }
}

/// A comparison with a sub-query's first row.
fn of_one_row(filter: Expr) -> Expr {
    match filter {
        Expr::Compare { op, left, right } => match *right {
            Expr::ScalarSubquery(query) => {
                let first = SourceQuery { limit: Some(1), ..*query };
                Expr::Compare { op, left, right: Box::new(Expr::ScalarSubquery(Box::new(first))) }
            }
            other => Expr::Compare { op, left, right: Box::new(other) },
        },
        other => other,
    }
}

fn of_existing(filter: Expr) -> Expr {
    match filter {
        Expr::Exists(_) => Expr::Literal(Value::Boolean(true)),
        Expr::Not(inner) => Expr::Not(Box::new(of_existing(*inner))),
        Expr::And(parts) => Expr::And(parts.into_iter().map(of_existing).collect()),
        other => other,
    }
}
