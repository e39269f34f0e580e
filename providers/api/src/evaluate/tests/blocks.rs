//! Whole select blocks over several tables: joins, groups, nested blocks, unions, sub-queries, windows.

use super::{decimal, table};
use crate::arrays::row_at;
use crate::evaluate::{EvaluateError, check_query, evaluate};
use crate::expr::{CompareOp, Expr, WindowFunction};
use crate::query::{
    AggregateCall, AggregateFunction, Aggregation, Join, JoinKind, LimitPer, Output, Relation, SortKey, SourceQuery, TableColumn,
    TableRelation,
};
use crate::schema::RemoteTableName;
use crate::types::ScalarType;
use crate::value::Value;
use arrow::array::RecordBatch;

const INT: ScalarType = ScalarType::Int32;
const NULL: Value = Value::Null(INT);

fn int(number: i32) -> Value {
    Value::Int32(number)
}

/// A table's name, columns' types and rows.
type Named<'a> = (&'a str, &'a [ScalarType], Vec<Vec<Value>>);

/// Tables by name; a table's columns are `a`, `b`, ….
struct Data(Vec<(TableRelation, RecordBatch)>);

impl Data {
    fn of(tables: &[Named<'_>]) -> Data {
        let made = tables.iter().map(|(name, types, rows)| {
            let columns: Vec<(&str, ScalarType)> = ["a", "b", "c"].into_iter().zip(types.iter().copied()).collect();
            let (relation, batch) = table(&columns, rows);
            (TableRelation { table: RemoteTableName(vec![(*name).to_owned()]), ..relation }, batch)
        });
        Data(made.collect())
    }

    fn relation(&self, name: &str) -> Relation {
        Relation::Table(self.0.iter().find(|(relation, _)| relation.table.table() == name).unwrap().0.clone())
    }

    fn ask(&self, query: &SourceQuery) -> Result<Vec<Vec<Value>>, EvaluateError> {
        let result = evaluate(query, &|name| self.0.iter().find(|(relation, _)| &relation.table == name).map(|(_, batch)| batch.clone()))?;
        assert_eq!(result.schema(), query.result_schema());
        let types: Vec<_> = query.result_columns().iter().map(|column| column.scalar_type).collect();
        (0..result.num_rows()).map(|row| row_at(&result, row, &types)).collect()
    }
}

/// All columns of a relation.
fn all(from: Relation) -> SourceQuery {
    let output = (0..from.columns().len()).map(output).collect();
    SourceQuery::select(from, output)
}

fn output(column: usize) -> Output {
    Output { name: format!("c{column}"), expr: Expr::Column(column) }
}

fn compare(op: CompareOp, left: usize, right: Expr) -> Expr {
    Expr::compare(op, Expr::Column(left), right)
}

/// `l(a, b)` and `r(a, b)`, joined by `b`: duplicates and nulls on both sides.
fn sides() -> Data {
    let pairs = |rows: &[(i32, Option<i32>)]| rows.iter().map(|(a, b)| vec![int(*a), b.map_or(NULL, int)]).collect();
    Data::of(&[
        ("l", &[INT, INT], pairs(&[(1, Some(1)), (2, Some(2)), (3, None), (4, Some(2)), (5, Some(9))])),
        ("r", &[INT, INT], pairs(&[(10, Some(2)), (20, Some(2)), (30, None), (40, Some(1))])),
        ("none", &[INT, INT], Vec::new()),
        ("known", &[INT, INT], pairs(&[(10, Some(2)), (40, Some(1))])),
    ])
}

fn join(data: &Data, kind: JoinKind, right: &str) -> Join {
    let on = if kind == JoinKind::Cross { Vec::new() } else { vec![(Expr::Column(1), Expr::Column(1))] };
    Join { left: data.relation("l"), right: data.relation(right), kind, on, residual: None, null_aware: false, null_equal: false }
}

/// The first columns of the sides; 0 stands for null.
fn pairs(data: &Data, join: Join) -> Vec<(i32, i32)> {
    let wide = !matches!(join.kind, JoinKind::Semi | JoinKind::Anti);
    let number = |value: &Value| value.as_integer().map_or(0, |number| i32::try_from(number).unwrap());
    let rows = data.ask(&all(Relation::Join(Box::new(join)))).unwrap();
    rows.iter().map(|row| (number(&row[0]), if wide { number(&row[2]) } else { 0 })).collect()
}

#[test]
fn joins_match_by_equality() {
    use JoinKind::{Anti, Cross, Inner, Left, Semi};
    let data = sides();
    let inner = [(1, 40), (2, 10), (2, 20), (4, 10), (4, 20)];
    let alone = |ids: &[i32]| ids.iter().map(|id| (*id, 0)).collect::<Vec<_>>();
    let with = |kind, right: &str, change: &dyn Fn(&mut Join)| {
        let mut join = join(&data, kind, right);
        change(&mut join);
        pairs(&data, join)
    };
    let plain = |kind, right| with(kind, right, &|_| {});
    assert_eq!(plain(Inner, "r"), inner);
    assert_eq!(plain(Inner, "none"), []);
    assert_eq!(plain(Left, "r"), [(1, 40), (2, 10), (2, 20), (3, 0), (4, 10), (4, 20), (5, 0)]);
    assert_eq!(plain(Left, "none"), alone(&[1, 2, 3, 4, 5]));
    assert_eq!(plain(Semi, "r"), alone(&[1, 2, 4]));
    assert_eq!(plain(Anti, "r"), alone(&[3, 5]));
    assert_eq!(plain(Anti, "none"), alone(&[1, 2, 3, 4, 5]));
    assert_eq!(plain(Cross, "r").len(), 20);
    assert_eq!(plain(Cross, "none"), []);
    // Null equals null only where that is asked for.
    let null_equal = |join: &mut Join| join.null_equal = true;
    assert_eq!(with(Inner, "r", &null_equal), [(1, 40), (2, 10), (2, 20), (3, 30), (4, 10), (4, 20)]);
    assert_eq!(with(Anti, "r", &null_equal), alone(&[5]));
    // l.a * 5 < r.a is no equality: here r.a > 10.
    let residual = |join: &mut Join| join.residual = Some(compare(CompareOp::Gt, 2, Expr::Literal(int(10))));
    assert_eq!(with(Inner, "r", &residual), [(1, 40), (2, 20), (4, 20)]);
    assert_eq!(with(Left, "known", &residual), [(1, 40), (2, 0), (3, 0), (4, 0), (5, 0)]);
    assert_eq!(with(Semi, "known", &residual), alone(&[1]));
    assert_eq!(with(Anti, "known", &residual), alone(&[2, 3, 4, 5]));
    // Without equalities every pair is asked; an unknown condition does not hold.
    let only_residual = |join: &mut Join| {
        join.on.clear();
        join.residual = Some(compare(CompareOp::Lt, 1, Expr::Column(3)));
    };
    assert_eq!(with(Inner, "r", &only_residual), [(1, 10), (1, 20)]);
    assert_eq!(with(Left, "known", &only_residual), [(1, 10), (2, 0), (3, 0), (4, 0), (5, 0)]);
}

#[test]
fn null_aware_anti_joins_are_not_in() {
    let data = sides();
    let kept = |right: &str, residual: Option<Expr>| {
        let join = Join { null_aware: true, residual, ..join(&data, JoinKind::Anti, right) };
        pairs(&data, join).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(kept("r", None), Vec::<i32>::new());
    assert_eq!(kept("known", None), [5]);
    assert_eq!(kept("none", None), [1, 2, 3, 4, 5]);
    // Only r.a = 10 is left, whose value is 2.
    assert_eq!(kept("r", Some(compare(CompareOp::Eq, 2, Expr::Literal(int(10))))), [1, 5]);
    // Only the null is left, and only for l.a = 1.
    let of_one = Expr::And(vec![compare(CompareOp::Eq, 2, Expr::Literal(int(30))), compare(CompareOp::Eq, 0, Expr::Literal(int(1)))]);
    assert_eq!(kept("r", Some(of_one)), [2, 3, 4, 5]);
}

#[test]
fn joins_compare_across_widths_and_never_match_nan() {
    let float = |number: f64| vec![Value::float64(number)];
    let data = Data::of(&[
        ("f", &[ScalarType::Float64], vec![float(f64::NAN), float(-0.0), float(1.5), vec![Value::Null(ScalarType::Float64)]]),
        ("i", &[ScalarType::Int64], vec![vec![Value::Int64(7)], vec![Value::Int64(5_000_000_000)]]),
        ("s", &[ScalarType::Int16], vec![vec![Value::Int16(7)]]),
        ("d", &[ScalarType::Decimal { precision: 5, scale: 2 }], vec![vec![decimal(150, 5, 2)]]),
        ("e", &[ScalarType::Decimal { precision: 9, scale: 1 }], vec![vec![decimal(15, 9, 1)]]),
    ]);
    let matches = |left: &str, right: &str, null_equal: bool| {
        let on = vec![(Expr::Column(0), Expr::Column(0))];
        let (left, right) = (data.relation(left), data.relation(right));
        let join = Join { left, right, kind: JoinKind::Inner, on, residual: None, null_aware: false, null_equal };
        data.ask(&all(Relation::Join(Box::new(join)))).unwrap().len()
    };
    assert_eq!((matches("f", "f", false), matches("f", "f", true)), (2, 3));
    assert_eq!((matches("i", "s", false), matches("d", "e", false)), (1, 1));
}

fn call(function: AggregateFunction, argument: Option<Expr>, columns: &[TableColumn]) -> AggregateCall {
    AggregateCall::new(function, argument, columns).unwrap()
}

fn aggregate(from: Relation, aggregate: Aggregation) -> SourceQuery {
    let output = (0..aggregate.group_by.len() + aggregate.calls.len()).map(output).collect();
    SourceQuery { aggregate: Some(aggregate), ..SourceQuery::select(from, output) }
}

/// One function over one column of values.
fn of(function: AggregateFunction, distinct: bool, values: &[Value], scalar_type: ScalarType) -> Result<Value, EvaluateError> {
    let data = Data::of(&[("t", &[scalar_type], values.iter().map(|value| vec![value.clone()]).collect())]);
    let from = data.relation("t");
    let call = AggregateCall { distinct, ..call(function, Some(Expr::Column(0)), &from.columns()) };
    let rows = data.ask(&aggregate(from, Aggregation { group_by: Vec::new(), calls: vec![call], having: None }))?;
    assert_eq!(rows.len(), 1);
    Ok(rows[0][0].clone())
}

#[test]
fn aggregates_of_values() {
    use AggregateFunction::{Average, Count, Max, Min, Sum};
    let money = |unscaled| decimal(unscaled, 5, 2);
    let text = |text: &str| Value::text(text);
    let (money_type, float) = (ScalarType::Decimal { precision: 5, scale: 2 }, Value::float64);
    let numbers = [int(3), NULL, int(3), int(-1)];
    for (function, distinct, values, expected) in [
        (Count, false, &numbers[..], Value::Int64(3)),
        (Count, true, &numbers[..], Value::Int64(2)),
        (Sum, false, &numbers[..], Value::Int64(5)),
        (Sum, true, &numbers[..], Value::Int64(2)),
        (Min, false, &numbers[..], int(-1)),
        (Max, false, &numbers[..], int(3)),
        (Average, false, &numbers[..], float(5.0 / 3.0)),
        (Average, true, &numbers[..], float(1.0)),
        (Sum, false, &[int(i32::MAX), int(i32::MAX)], Value::Int64(4_294_967_294)),
        (Count, false, &[Value::float64(f64::NAN), float(f64::NAN), float(0.0), float(-0.0)], Value::Int64(4)),
        (Count, true, &[float(f64::NAN), float(f64::NAN), float(0.0), float(-0.0)], Value::Int64(2)),
        (Max, false, &[float(1.0), float(f64::NAN), float(f64::INFINITY)], float(f64::NAN)),
        (Min, false, &[float(f64::NAN), float(1.0)], float(1.0)),
        (Sum, false, &[float(0.5), float(0.25)], float(0.75)),
        (Max, false, &[text("a"), text("B")], text("a")),
        (Min, false, &[text("a"), text("B")], text("B")),
        (Sum, false, &[money(99_999), money(1)], decimal(100_000, 15, 2)),
        // At six digits after the point, half away from zero.
        (Average, false, &[money(1), money(0), money(0)], decimal(3_333, 9, 6)),
        (Average, false, &[money(2), money(0), money(0)], decimal(6_667, 9, 6)),
        (Average, false, &[money(-2), money(0), money(0)], decimal(-6_667, 9, 6)),
        (Max, false, &[Value::Boolean(false), Value::Boolean(true)], Value::Boolean(true)),
    ] {
        let scalar_type = if values.contains(&NULL) { INT } else { values[0].scalar_type() };
        let found = of(function, distinct, values, scalar_type).unwrap();
        let same = found == expected || (found.is_nan() && expected.is_nan());
        assert!(same, "{function:?} {values:?}: {found:?} instead of {expected:?}");
    }
    for function in [Sum, Min, Max, Average] {
        for values in [&[][..], &[Value::Null(money_type)]] {
            assert!(of(function, false, values, money_type).unwrap().is_null());
        }
        assert_eq!(of(Count, true, &[], money_type), Ok(Value::Int64(0)));
    }
    let overflow = of(Sum, false, &[Value::Int64(i64::MAX), Value::Int64(1)], ScalarType::Int64);
    assert!(matches!(overflow, Err(EvaluateError::Data(_))));
    // It is the sum that must fit, not every step of it.
    let within = [Value::Int64(i64::MAX), Value::Int64(1), Value::Int64(-2)];
    assert_eq!(of(Sum, false, &within, ScalarType::Int64), Ok(Value::Int64(i64::MAX - 1)));
    let nines = 10_i128.pow(38) - 1;
    let wide = ScalarType::Decimal { precision: 38, scale: 0 };
    let overflow = of(Sum, false, &[decimal(nines, 38, 0), decimal(1, 38, 0)], wide);
    assert!(matches!(overflow, Err(EvaluateError::Data(_))));
}

#[test]
fn groups_have_null_and_one_zero() {
    let row = |key: Value, number: i32| vec![key, int(number)];
    let (float, null) = (Value::float64, Value::Null(ScalarType::Float64));
    let rows = vec![
        row(float(0.0), 1),
        row(null.clone(), 2),
        row(float(-0.0), 3),
        row(float(f64::NAN), 4),
        row(null.clone(), 5),
        row(float(f64::NAN), 6),
    ];
    let data = Data::of(&[("t", &[ScalarType::Float64, INT], rows), ("none", &[ScalarType::Float64, INT], Vec::new())]);
    let from = data.relation("t");
    let sum = call(AggregateFunction::Sum, Some(Expr::Column(1)), &from.columns());
    let odd = Expr::InList { expr: Box::new(Expr::Column(1)), list: [1, 3, 5].map(|n| Expr::Literal(int(n))).to_vec(), negated: false };
    let filtered = AggregateCall { filter: Some(odd), ..sum.clone() };
    let grouped = Aggregation { group_by: vec![Expr::Column(0)], calls: vec![sum.clone(), filtered], having: None };
    let rows = data.ask(&aggregate(from.clone(), grouped.clone())).unwrap();
    let numbers: Vec<_> = rows.iter().map(|row| (row[0].is_null(), row[1].as_integer(), row[2].as_integer())).collect();
    assert_eq!(numbers, [(false, Some(4), Some(4)), (true, Some(7), Some(5)), (false, Some(10), None)]);
    let having = Some(compare(CompareOp::Gt, 2, Expr::Literal(Value::Int64(4))));
    let rows = data.ask(&aggregate(from.clone(), Aggregation { having, ..grouped.clone() })).unwrap();
    assert_eq!(rows, [[null, Value::Int64(7), Value::Int64(5)]]);
    // Keys alone give each group once.
    let keys = Aggregation { calls: Vec::new(), ..grouped.clone() };
    assert_eq!(data.ask(&aggregate(from, keys)).unwrap().len(), 3);
    // Over no rows there is no group, or without keys the one.
    let none = data.relation("none");
    assert_eq!(data.ask(&aggregate(none.clone(), grouped.clone())), Ok(Vec::new()));
    let one = Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count(), sum], having: None };
    let nothing = vec![vec![Value::Int64(0), Value::Null(ScalarType::Int64)]];
    assert_eq!(data.ask(&aggregate(none.clone(), one.clone())), Ok(nothing));
    let unknown = Aggregation { having: Some(compare(CompareOp::Gt, 1, Expr::Literal(Value::Int64(0)))), ..one };
    assert_eq!(data.ask(&aggregate(none, unknown)), Ok(Vec::new()));
}

#[test]
fn blocks_nest_and_unite() {
    let data = sides();
    let ascending = |column: usize| SortKey { expr: Expr::Column(column), descending: false, nulls_first: false };
    let first_three = SourceQuery { order_by: vec![ascending(0)], limit: Some(3), ..all(data.relation("l")) };
    let filter = Some(compare(CompareOp::Gt, 0, Expr::Literal(int(1))));
    let above = SourceQuery { filter, ..all(Relation::Query(Box::new(first_three.clone()))) };
    assert_eq!(data.ask(&above).unwrap(), [[int(2), int(2)], [int(3), NULL]]);
    let both = Relation::Union(vec![first_three, all(data.relation("known")), all(data.relation("none"))]);
    assert_eq!(data.ask(&all(both.clone())).unwrap().len(), 5);
    // How many rows each value has, and then how often each such number occurs.
    let counts = |from: Relation, key: usize| {
        aggregate(from, Aggregation { group_by: vec![Expr::Column(key)], calls: vec![AggregateCall::row_count()], having: None })
    };
    let twice = counts(Relation::Query(Box::new(counts(both.clone(), 1))), 1);
    let rows = data.ask(&SourceQuery { order_by: vec![ascending(0)], ..twice }).unwrap();
    assert_eq!(rows, [[Value::Int64(1), Value::Int64(1)], [Value::Int64(2), Value::Int64(2)]]);
    // Distinct values, one per key, in their order.
    let single = SourceQuery { distinct: true, output: vec![output(1)], order_by: vec![ascending(1)], ..all(both) };
    assert_eq!(data.ask(&single).unwrap(), [[int(1)], [int(2)], [NULL]]);
    let per = LimitPer { columns: vec![Expr::Column(0)], offset: 0, limit: 1 };
    let grouped = counts(data.relation("l"), 1);
    assert_eq!(data.ask(&SourceQuery { limit_per: Some(per), ..grouped }).unwrap().len(), 4);
}

#[test]
fn subqueries_are_values_and_conditions() {
    let data = sides();
    let l = || all(data.relation("l"));
    let ids = |filter: Expr| {
        let rows = data.ask(&SourceQuery { filter: Some(filter), output: vec![output(0)], ..l() })?;
        Ok::<_, EvaluateError>(rows.iter().filter_map(|row| row[0].as_integer()).collect::<Vec<_>>())
    };
    let max = |table: &str| {
        let from = data.relation(table);
        let call = call(AggregateFunction::Max, Some(Expr::Column(1)), &from.columns());
        aggregate(from, Aggregation { group_by: Vec::new(), calls: vec![call], having: None })
    };
    let scalar = |query: SourceQuery| Expr::ScalarSubquery(Box::new(query));
    let exists = |query: SourceQuery| Expr::Exists(Box::new(query));
    assert_eq!(ids(compare(CompareOp::Eq, 1, scalar(max("r")))), Ok(vec![2, 4]));
    assert_eq!(ids(compare(CompareOp::Eq, 1, scalar(max("none")))), Ok(vec![]));
    let column = |table: &str, filter: Option<Expr>| SourceQuery { filter, output: vec![output(1)], ..all(data.relation(table)) };
    assert_eq!(ids(Expr::IsNull(Box::new(scalar(column("none", None))))), Ok(vec![1, 2, 3, 4, 5]));
    assert!(matches!(ids(compare(CompareOp::Eq, 1, scalar(column("r", None)))), Err(EvaluateError::Data(_))));
    assert_eq!(ids(exists(l())), Ok(vec![1, 2, 3, 4, 5]));
    assert_eq!(ids(Expr::Not(Box::new(exists(all(data.relation("none")))))), Ok(vec![1, 2, 3, 4, 5]));
    // Correlated, one level and two levels up.
    let outer = |depth: u32, index: usize| Expr::OuterColumn { depth, index, scalar_type: INT };
    let same = |depth: u32| Some(compare(CompareOp::Eq, 1, outer(depth, 1)));
    assert_eq!(ids(exists(column("r", same(1)))), Ok(vec![1, 2, 4]));
    let through = exists(SourceQuery { filter: Some(exists(column("r", same(2)))), ..all(data.relation("known")) });
    assert_eq!(ids(through), Ok(vec![1, 2, 4]));
    let in_from = all(Relation::Query(Box::new(column("r", same(1)))));
    assert_eq!(ids(exists(in_from)), Ok(vec![1, 2, 4]));
    // As an output, above groups.
    let counted = max("l");
    let with_scalar = SourceQuery { output: vec![output(0), Output { name: "of_r".to_owned(), expr: scalar(max("r")) }], ..counted };
    assert_eq!(data.ask(&with_scalar), Ok(vec![vec![int(9), int(2)]]));
}

#[test]
fn windows_rank_and_run() {
    use WindowFunction::{Count, DenseRank, Max, Rank, RowNumber, Sum};
    let row = |group: i32, number: Option<i32>| vec![int(group), number.map_or(NULL, int)];
    let rows = vec![row(1, Some(5)), row(2, Some(1)), row(1, Some(3)), row(1, Some(5)), row(1, None), row(1, Some(9))];
    let data = Data::of(&[("t", &[INT, INT], rows)]);
    let values = |function, arguments: Vec<Expr>, ordered: bool| {
        let key = SortKey { expr: Expr::Column(1), descending: false, nulls_first: true };
        let order_by = if ordered { vec![key] } else { Vec::new() };
        let expr = Expr::Window { function, arguments, partition_by: vec![Expr::Column(0)], order_by };
        let query = SourceQuery { output: vec![Output { name: "w".to_owned(), expr }], ..all(data.relation("t")) };
        data.ask(&query).unwrap().iter().map(|row| row[0].as_integer().unwrap_or(0)).collect::<Vec<_>>()
    };
    let number = || vec![Expr::Column(1)];
    assert_eq!(values(RowNumber, Vec::new(), true), [3, 1, 2, 4, 1, 5]);
    assert_eq!(values(Rank, Vec::new(), true), [3, 1, 2, 3, 1, 5]);
    assert_eq!(values(DenseRank, Vec::new(), true), [3, 1, 2, 3, 1, 4]);
    assert_eq!(values(Rank, Vec::new(), false), [1, 1, 1, 1, 1, 1]);
    assert_eq!(values(Count, Vec::new(), false), [5, 1, 5, 5, 5, 5]);
    assert_eq!(values(Count, number(), false), [4, 1, 4, 4, 4, 4]);
    assert_eq!(values(Sum, number(), false), [22, 1, 22, 22, 22, 22]);
    // With an order: up to this row and those tied with it.
    assert_eq!(values(Sum, number(), true), [13, 1, 3, 13, 0, 22]);
    assert_eq!(values(Max, number(), true), [5, 1, 3, 5, 0, 9]);
    let late = Expr::Window { function: RowNumber, arguments: Vec::new(), partition_by: Vec::new(), order_by: Vec::new() };
    let filtered = SourceQuery { filter: Some(Expr::IsNull(Box::new(late))), ..all(data.relation("t")) };
    assert!(matches!(check_query(&filtered), Err(EvaluateError::Invalid(_))));
}

#[test]
fn what_has_no_meaning_is_refused_over_no_rows_as_well() {
    let data = sides();
    let none = || data.relation("none");
    let text = Expr::Literal(Value::text("x"));
    let on = |left: Expr, right: Expr| {
        let join = join(&data, JoinKind::Inner, "none");
        all(Relation::Join(Box::new(Join { on: vec![(left, right)], ..join })))
    };
    let wrong_sum =
        AggregateCall { function: AggregateFunction::Sum, argument: Some(Expr::Column(0)), scalar_type: INT, ..AggregateCall::row_count() };
    let aggregation = |calls: Vec<AggregateCall>| aggregate(none(), Aggregation { group_by: Vec::new(), calls, having: None });
    let outer = Expr::OuterColumn { depth: 1, index: 0, scalar_type: INT };
    let filtered = |filter: Expr| SourceQuery { filter: Some(filter), ..all(none()) };
    for query in [
        on(Expr::Column(0), text),
        on(Expr::Column(0), Expr::Column(5)),
        all(Relation::Join(Box::new(Join { null_aware: true, ..join(&data, JoinKind::Semi, "none") }))),
        all(Relation::Union(vec![all(none()), SourceQuery { output: vec![output(0)], ..all(none()) }])),
        aggregation(Vec::new()),
        aggregation(vec![wrong_sum]),
        filtered(compare(CompareOp::Eq, 0, Expr::ScalarSubquery(Box::new(all(none()))))),
        filtered(compare(CompareOp::Eq, 0, outer)),
    ] {
        assert!(matches!(data.ask(&query), Err(EvaluateError::Invalid(_))), "{query:?}");
    }
}

/// A nested loop over ten thousand rows each would take minutes.
#[test]
fn thousands_of_rows_are_joined_and_grouped() {
    let rows = |count: i32| (0..count).map(|number| vec![int(number), int(number % 100)]).collect();
    let data = Data::of(&[("l", &[INT, INT], rows(10_000)), ("r", &[INT, INT], rows(10_000))]);
    let on = vec![(Expr::Column(0), Expr::Column(0))];
    let join = Join { on, ..join(&data, JoinKind::Inner, "r") };
    let grouped = Aggregation { group_by: vec![Expr::Column(3)], calls: vec![AggregateCall::row_count()], having: None };
    let rows = data.ask(&aggregate(Relation::Join(Box::new(join)), grouped)).unwrap();
    assert_eq!((rows.len(), &rows[7]), (100, &vec![int(7), Value::Int64(100)]));
}
