//! Queries of shapes that a source may not have declared, of shapes that none can answer, and of numbers beyond the declared ones. Only
//! those that the declared capabilities refuse are kept.

use super::row_count;
use crate::run::Table;
use portico_provider_api::check::ExprCheck;
use portico_provider_api::{
    AggregateCall, AggregateFunction, Capabilities, CompareOp, Expr, Join, JoinKind, KeySet, LimitPer, Output, Relation, ScalarType,
    SortKey, SourceQuery, Value, WindowFunction,
};

/// Key tuples and list items beyond which no test is made: only their number would be tested.
const LARGEST: usize = 50_000;

/// Refused queries over a table, each with the feature that is beyond.
pub(crate) fn beyond(table: &Table, capabilities: &Capabilities) -> Vec<(String, SourceQuery)> {
    let mut queries = shapes(table);
    queries.extend(aggregations(table));
    queries.extend(expressions(table));
    queries.extend(limits(table));
    queries.extend(numbers(table, capabilities));
    queries.retain(|(_, query)| capabilities.check(query).is_err());
    queries
}

fn scan(table: &Table) -> SourceQuery {
    SourceQuery::scan(table.relation.clone())
}

fn shapes(table: &Table) -> Vec<(String, SourceQuery)> {
    let relation = || Relation::Table(table.relation.clone());
    let mut queries = Vec::new();
    for kind in [JoinKind::Inner, JoinKind::Left, JoinKind::Semi, JoinKind::Anti, JoinKind::Cross] {
        let on = if kind == JoinKind::Cross { Vec::new() } else { vec![(Expr::Column(0), Expr::Column(0))] };
        let join = Join { left: relation(), right: relation(), kind, on, residual: None, null_aware: false, null_equal: false };
        queries.push((format!("join {kind:?}"), SourceQuery { from: Relation::Join(Box::new(join)), ..scan(table) }));
    }
    queries.push(("nested".to_owned(), SourceQuery { from: Relation::Query(Box::new(scan(table))), ..scan(table) }));
    queries.push(("union".to_owned(), SourceQuery { from: Relation::Union(vec![scan(table), scan(table)]), ..scan(table) }));
    queries
}

/// A plain row count, which some sources declare alone, and what is close to it, some of which has no meaning at all.
fn aggregations(table: &Table) -> Vec<(String, SourceQuery)> {
    let counting = || row_count(scan(table));
    let mut queries = vec![("row count".to_owned(), counting())];
    let mut changed = |feature: String, change: &dyn Fn(&mut SourceQuery)| {
        let mut query = counting();
        change(&mut query);
        queries.push((feature, query));
    };
    changed("grouped count".to_owned(), &|query| {
        query.aggregate.iter_mut().for_each(|aggregate| aggregate.group_by.push(Expr::Column(0)));
        query.output.push(Output { name: "group".to_owned(), expr: Expr::Column(1) });
    });
    let more_than_one = Expr::compare(CompareOp::Gt, Expr::Column(0), Expr::Literal(Value::Int64(1)));
    changed("having".to_owned(), &|query| {
        query.aggregate.iter_mut().for_each(|aggregate| aggregate.having = Some(more_than_one.clone()));
    });
    let mut called = |feature: String, change: &dyn Fn(&mut AggregateCall)| {
        changed(feature, &|query| query.aggregate.iter_mut().flat_map(|aggregate| &mut aggregate.calls).for_each(change));
    };
    called("count of distinct rows".to_owned(), &|call| call.distinct = true);
    called("filter on a count".to_owned(), &|call| call.filter = Some(Expr::IsNull(Box::new(Expr::Column(0)))));
    called("count of rows with an argument".to_owned(), &|call| call.argument = Some(Expr::Column(0)));
    use AggregateFunction::{Average, Count, Max, Min, Sum};
    for function in [Count, Sum, Min, Max, Average] {
        called(format!("aggregate {function:?}"), &|call| (call.function, call.argument) = (function, Some(Expr::Column(0))));
    }
    changed("two aggregates".to_owned(), &|query| {
        query.aggregate.iter_mut().for_each(|aggregate| aggregate.calls.extend(aggregate.calls.clone()));
    });
    changed("order above a count".to_owned(), &|query| {
        query.order_by.push(SortKey { expr: Expr::Column(0), descending: false, nulls_first: false });
    });
    changed("distinct above a count".to_owned(), &|query| query.distinct = true);
    changed("limit above a count".to_owned(), &|query| query.limit = Some(1));
    changed("offset above a count".to_owned(), &|query| query.offset = 1);
    changed("limit per key above a count".to_owned(), &|query| {
        query.limit_per = Some(LimitPer { columns: vec![Expr::Column(0)], offset: 0, limit: 1 });
    });
    // The table has this column, the count has not.
    changed("column of a counted row".to_owned(), &|query| {
        query.output.push(Output { name: "row".to_owned(), expr: Expr::Column(1) });
    });
    queries
}

fn expressions(table: &Table) -> Vec<(String, SourceQuery)> {
    let filtered = |filter: Expr| SourceQuery { filter: Some(filter), ..scan(table) };
    let mut one_column = scan(table);
    one_column.output.truncate(1);
    let scalar_type = table.relation.columns.first().map_or(ScalarType::Int32, |column| column.scalar_type);
    let equals = |right: Expr| filtered(Expr::compare(CompareOp::Eq, Expr::Column(0), right));
    let window = Expr::Window {
        function: WindowFunction::RowNumber,
        arguments: Vec::new(),
        partition_by: Vec::new(),
        order_by: vec![SortKey { expr: Expr::Column(0), descending: false, nulls_first: false }],
    };
    let windowed = SourceQuery { output: vec![Output { name: "n".to_owned(), expr: window }], ..scan(table) };
    vec![
        ("exists".to_owned(), filtered(Expr::Exists(Box::new(one_column.clone())))),
        ("scalar sub-query".to_owned(), equals(Expr::ScalarSubquery(Box::new(one_column)))),
        ("parameter".to_owned(), equals(Expr::Parameter { index: 0, scalar_type })),
        ("outer column".to_owned(), equals(Expr::OuterColumn { depth: 1, index: 0, scalar_type })),
        ("column outside the relation".to_owned(), equals(Expr::Column(table.relation.columns.len()))),
        ("window".to_owned(), windowed),
    ]
}

fn limits(table: &Table) -> Vec<(String, SourceQuery)> {
    let per = LimitPer { columns: vec![Expr::Column(0)], offset: 0, limit: 1 };
    vec![
        ("limit".to_owned(), SourceQuery { limit: Some(1), ..scan(table) }),
        ("offset".to_owned(), SourceQuery { offset: 1, ..scan(table) }),
        ("limit per key".to_owned(), SourceQuery { limit_per: Some(per), ..scan(table) }),
        ("distinct".to_owned(), SourceQuery { distinct: true, ..scan(table) }),
    ]
}

/// One more than a table or a column of it declares for itself: tuples of its keys, a second use of a parameter, the size of a request.
fn own_numbers(table: &Table, capabilities: &Capabilities, check: &ExprCheck<'_>) -> Vec<(String, SourceQuery)> {
    let mut queries = Vec::new();
    for columns in check.own_keys().into_iter().flatten() {
        let tuples = table.rows.iter().map(|row| columns.iter().filter_map(|column| row.get(*column).cloned()).collect::<Vec<_>>());
        let mut tuples: Vec<Vec<Value>> = tuples.filter(|tuple| !tuple.iter().any(Value::is_null)).collect();
        let most = check.key_limits(&columns).map_or(0, |limits| limits.max_tuples);
        if let Some(last) = tuples.last().cloned().filter(|_| most < LARGEST) {
            tuples.resize(most + 1, last);
            let keys = Some(KeySet { columns, tuples });
            queries.push(("more keys than the table takes".to_owned(), SourceQuery { keys, ..table.base.clone() }));
        }
    }
    for (column, described) in table.relation.columns.iter().enumerate() {
        let value = || Expr::Literal(Value::example(described.scalar_type));
        for op in [CompareOp::Eq, CompareOp::GtEq, CompareOp::Lt] {
            let twice = (0..2).map(|_| Expr::compare(op, Expr::Column(column), value()));
            let filter = Expr::all(twice);
            queries.push((format!("{op:?} of column {column} twice"), SourceQuery { filter, ..table.base.clone() }));
        }
        let size = capabilities.max_request_bytes(&table.base);
        if described.scalar_type == ScalarType::Text && size > 0 && size < LARGEST {
            let long = Expr::compare(CompareOp::Eq, Expr::Column(column), Expr::Literal(Value::Text("x".repeat(size))));
            queries.push(("too large a request".to_owned(), SourceQuery { filter: Some(long), ..table.base.clone() }));
        }
    }
    queries
}

/// One more than the declared numbers.
fn numbers(table: &Table, capabilities: &Capabilities) -> Vec<(String, SourceQuery)> {
    let mut queries = Vec::new();
    let check = ExprCheck::new(capabilities, &table.relation);
    queries.extend(own_numbers(table, capabilities, &check));
    let integer = table.relation.columns.iter().position(|column| column.scalar_type == ScalarType::Int32);
    let Some(column) = integer else { return queries };
    let values = |count: usize| (0..count).map(|number| Value::Int32(i32::try_from(number).unwrap_or_default()));
    let items = capabilities.filter.max_in_list + 1;
    if items <= LARGEST {
        let list = values(items).map(Expr::Literal).collect();
        let filter = Some(Expr::InList { expr: Box::new(Expr::Column(column)), list, negated: false });
        queries.push(("too long a list".to_owned(), SourceQuery { filter, ..scan(table) }));
    }
    let tuples = capabilities.keys.max_tuples + 1;
    if tuples <= LARGEST {
        let keys = Some(KeySet { columns: vec![column], tuples: values(tuples).map(|value| vec![value]).collect() });
        queries.push(("too many keys".to_owned(), SourceQuery { keys, ..scan(table) }));
    }
    let bytes = capabilities.keys.max_bytes;
    let text = table.relation.columns.iter().position(|column| column.scalar_type == ScalarType::Text);
    if let Some(column) = text.filter(|_| bytes > 0 && bytes <= LARGEST) {
        let keys = Some(KeySet { columns: vec![column], tuples: vec![vec![Value::Text("x".repeat(bytes))]] });
        queries.push(("keys of too many bytes".to_owned(), SourceQuery { keys, ..scan(table) }));
    }
    let width = capabilities.keys.max_columns + 1;
    let keys = Some(KeySet { columns: vec![column; width], tuples: vec![vec![Value::Int32(1); width]] });
    queries.push(("too wide a key".to_owned(), SourceQuery { keys, ..scan(table) }));
    queries
}
