//! Groups and aggregates over one table: every function of every class, over distinct and over filtered values, of computed values, in
//! groups by every class, with conditions on groups, and over no rows.

use super::blocks::{Block, all, call, class_of, condition, grouped, relation, scan, summable, totally_ordered};
use super::{Literals, never_fails, values};
use crate::run::Table;
use portico_provider_api::{
    AggregateCall, AggregateFunction, CompareOp, Expr, LimitPer, Output, ScalarType, SourceQuery, TableColumn, TypeClass, Value,
};

/// Aggregates over every table.
pub(crate) fn aggregates(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    for table in tables {
        for column in 0..table.relation.columns.len() {
            // Nulls are what aggregates get wrong, so columns that have some come first.
            let has_nulls = table.rows.iter().any(|row| row.get(column).is_some_and(Value::is_null));
            if has_nulls || literals.rng.u8(0..4) == 0 {
                found.extend(functions(table, column, literals));
            }
            found.extend(groups(table, column, literals));
            found.extend(of_computed(table, column, literals));
        }
        found.extend(of_whole_groups(table, literals));
    }
    found
}

/// Whether a call has one right answer, whatever the order of rows.
fn certain(call: &AggregateCall, table: &Table) -> bool {
    match (call.function, &call.argument) {
        (AggregateFunction::Sum | AggregateFunction::Average, Some(argument)) => summable(argument, table),
        (_, _) => true,
    }
}

/// The functions of one column: over all rows, over distinct values, under a filter, in groups, over nothing.
fn functions(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let Some(class) = class_of(table, column) else { return Vec::new() };
    let none = SourceQuery { filter: Some(Expr::Or(Vec::new())), ..scan(table) };
    let mut found = Vec::new();
    for function in AggregateFunction::ALL {
        let call = match function {
            AggregateFunction::CountRows => Some(AggregateCall::row_count()),
            _ => call(function, column, &relation(table)),
        };
        let Some(call) = call.filter(|call| certain(call, table)) else { continue };
        let name = format!("{function:?} {class:?}");
        let filtered = AggregateCall { filter: Some(condition(table, 0, literals)), ..call.clone() };
        let key = Expr::Column(literals.rng.usize(0..table.relation.columns.len()));
        let below = SourceQuery { filter: Some(condition(table, 0, literals)), ..scan(table) };
        if function != AggregateFunction::CountRows {
            let distinct = AggregateCall { distinct: true, ..call.clone() };
            found.push((format!("{name} distinct"), grouped(scan(table), Vec::new(), vec![distinct.clone()])));
            found.push((format!("{name} distinct in groups"), grouped(scan(table), vec![key.clone()], vec![distinct])));
        }
        found.push((format!("{name} in groups"), grouped(scan(table), vec![key.clone()], vec![call.clone()])));
        found.push((format!("{name} filtered"), grouped(scan(table), Vec::new(), vec![filtered.clone(), call.clone()])));
        found.push((format!("{name} filtered in groups"), grouped(scan(table), vec![key.clone()], vec![filtered])));
        found.push((format!("{name} of nothing"), grouped(none.clone(), Vec::new(), vec![call.clone()])));
        found.push((format!("{name} of nothing in groups"), grouped(none.clone(), vec![key], vec![call.clone()])));
        found.push((format!("{name} below a filter"), grouped(below, Vec::new(), vec![call.clone()])));
        found.push((name, grouped(scan(table), Vec::new(), vec![call])));
    }
    found
}

/// Groups by one column, by two, and by a computed value.
fn groups(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let Some(class) = class_of(table, column) else { return Vec::new() };
    let counts =
        || [Some(AggregateCall::row_count()), call(AggregateFunction::Count, column, &relation(table))].into_iter().flatten().collect();
    let key = Expr::Column(column);
    let other = Expr::Column(literals.rng.usize(0..table.relation.columns.len()));
    let by_one = grouped(scan(table), vec![key.clone()], counts());
    let mut found = vec![
        (format!("groups by {class:?}"), by_one.clone()),
        (format!("groups by {class:?} without calls"), grouped(scan(table), vec![key.clone()], Vec::new())),
        ("groups by two".to_owned(), grouped(scan(table), vec![key.clone(), other], counts())),
    ];
    let at_least = Expr::Literal(Value::Int64(literals.rng.i64(1..4)));
    for op in [CompareOp::GtEq, CompareOp::Lt] {
        found.push(("having a number of rows".to_owned(), having(by_one.clone(), Expr::compare(op, Expr::Column(1), at_least.clone()))));
    }
    let of_key = having(by_one.clone(), Expr::IsNull(Box::new(Expr::Column(0))));
    found.push((format!("having a null of {class:?}"), of_key));
    let value = Expr::compare(CompareOp::Eq, Expr::Column(0), literals.literal(table, column));
    found.push((format!("having a value of {class:?}"), having(by_one, value)));
    let least = call(AggregateFunction::Min, column, &relation(table));
    if let Some(least) = least {
        let whole = grouped(scan(table), Vec::new(), vec![least]);
        let condition = Expr::compare(CompareOp::Gt, Expr::Column(0), literals.literal(table, column));
        found.push((format!("having a least {class:?} without groups"), having(whole, condition)));
    }
    for computed in values(table, column, literals) {
        if computed.expr.scalar_type(&table.relation.columns).is_some() && never_fails(&computed.expr, table) {
            let query = grouped(scan(table), vec![computed.expr], counts());
            found.push((format!("groups by {}", computed.feature), query));
        }
    }
    found
}

fn having(query: SourceQuery, condition: Expr) -> SourceQuery {
    let aggregate = query.aggregate.map(|aggregate| portico_provider_api::Aggregation { having: Some(condition), ..aggregate });
    SourceQuery { aggregate, ..query }
}

/// Aggregates of computed values.
fn of_computed(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let columns: &[TableColumn] = &table.relation.columns;
    let mut found = Vec::new();
    for computed in values(table, column, literals) {
        if computed.expr.scalar_type(columns).is_none() || !never_fails(&computed.expr, table) {
            continue;
        }
        for function in [AggregateFunction::Count, AggregateFunction::Sum, AggregateFunction::Max, AggregateFunction::Average] {
            let call = AggregateCall::new(function, Some(computed.expr.clone()), columns).filter(|call| certain(call, table));
            let class = computed.expr.scalar_type(columns).map(TypeClass::of);
            let feature = format!("{function:?} of computed {class:?}");
            found.extend(call.map(|call| (feature, grouped(scan(table), Vec::new(), vec![call]))));
        }
    }
    found
}

/// What is done with groups: several calls, computed outputs, distinct, orders and limits.
fn of_whole_groups(table: &Table, literals: &mut Literals<'_>) -> Vec<Block> {
    let from = relation(table);
    let mut found = Vec::new();
    for key in 0..table.relation.columns.len() {
        let column = literals.rng.usize(0..table.relation.columns.len());
        let calls: Vec<AggregateCall> = [AggregateFunction::Count, AggregateFunction::Min, AggregateFunction::Max]
            .into_iter()
            .filter_map(|function| call(function, column, &from))
            .chain([AggregateCall::row_count()])
            .collect();
        let query = grouped(all(from.clone()), vec![Expr::Column(key)], calls);
        let more = Expr::compare(CompareOp::Gt, Expr::Column(1), Expr::Literal(Value::Int64(1)));
        let computed = vec![Output { name: "more".to_owned(), expr: more }, super::blocks::output(1)];
        found.push(("computed of groups".to_owned(), SourceQuery { output: computed, ..query.clone() }));
        let numbers = SourceQuery { output: vec![super::blocks::output(1)], distinct: true, ..query.clone() };
        found.push(("distinct numbers of groups".to_owned(), numbers));
        let per = LimitPer { columns: vec![Expr::Column(1)], offset: 0, limit: 1 };
        let sorted = totally_ordered(query.clone(), literals);
        found.push(("limit per number of groups".to_owned(), SourceQuery { limit_per: Some(per), ..sorted.clone() }));
        let (limit, offset) = (Some(literals.rng.u64(1..4)), literals.rng.u64(0..2));
        found.push(("first of sorted groups".to_owned(), SourceQuery { limit, offset, ..sorted.clone() }));
        found.push(("sorted groups".to_owned(), sorted));
        let whole = totally_ordered(grouped(all(from.clone()), Vec::new(), vec![AggregateCall::row_count()]), literals);
        found.push(("first of the only group".to_owned(), SourceQuery { limit, ..whole.clone() }));
        found.push(("no more than the only group".to_owned(), SourceQuery { offset: 1, ..whole }));
        let keyed = super::key_set(&mut literals.rng.fork(), table, &[key], literals, 5);
        found.extend(keyed.map(|keys| ("groups below keys".to_owned(), SourceQuery { keys: Some(keys), ..query })));
    }
    found
}

/// Sums and averages which may not fit their type: of values of one sign, so that no order of adding helps.
pub(crate) fn overflowing(table: &Table) -> Vec<SourceQuery> {
    let mut found = Vec::new();
    for (column, described) in table.relation.columns.iter().enumerate() {
        let zero = match described.scalar_type {
            ScalarType::Int64 => Value::Int64(0),
            ScalarType::Decimal { precision, scale } => Value::Decimal { unscaled: 0_i128.into(), precision, scale },
            _ => continue,
        };
        let positive = Some(Expr::compare(CompareOp::Gt, Expr::Column(column), Expr::Literal(zero)));
        for function in [AggregateFunction::Sum, AggregateFunction::Average] {
            let query = SourceQuery { filter: positive.clone(), ..scan(table) };
            found.extend(call(function, column, &relation(table)).map(|call| grouped(query, Vec::new(), vec![call])));
        }
    }
    found
}
