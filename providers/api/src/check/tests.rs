//! Which queries lie within which capabilities: every shape is accepted with all leaves, and named when one is missing.

use super::ExprCheck;
use crate::capabilities::{
    AggregateCapabilities, Capabilities, Collation, ColumnCapabilities, ComparisonSupport, KeyCapabilities, Requirement, Support,
    TableCapabilities, TypeClass,
};
use crate::expr::{ArithmeticOp, CompareOp, Expr, Function, WindowFunction};
use crate::query::{
    AggregateCall, AggregateFunction, Aggregation, Join, JoinKind, KeySet, LimitPer, Output, Relation, SortKey, SourceQuery, TableColumn,
    TableRelation,
};
use crate::schema::RemoteTableName;
use crate::types::ScalarType;
use crate::value::Value;
use std::collections::BTreeMap;

const MONEY: ScalarType = ScalarType::Decimal { precision: 30, scale: 20 };

/// `id` int32, `name` text, `price` decimal(30,20), `paid` boolean, `data` json.
pub(super) fn table(name: &str) -> TableRelation {
    let columns = [
        ("id", ScalarType::Int32, false),
        ("name", ScalarType::Text, true),
        ("price", MONEY, true),
        ("paid", ScalarType::Boolean, true),
        ("data", ScalarType::Json, true),
    ];
    let columns = columns.map(|(name, scalar_type, nullable)| TableColumn::computed(name, scalar_type, nullable)).to_vec();
    TableRelation { table: RemoteTableName(vec![name.to_owned()]), columns }
}

pub(super) fn scan() -> SourceQuery {
    SourceQuery::scan(table("t"))
}

pub(super) fn from(relation: Relation, columns: usize) -> SourceQuery {
    SourceQuery::select(relation, (0..columns).map(output).collect())
}

pub(super) fn output(column: usize) -> Output {
    Output { name: format!("c{column}"), expr: Expr::Column(column) }
}

pub(super) fn is(column: usize, value: Value) -> Expr {
    Expr::compare(CompareOp::Eq, Expr::Column(column), Expr::Literal(value))
}

pub(super) fn ascending(column: usize) -> SortKey {
    SortKey { expr: Expr::Column(column), descending: false, nulls_first: false }
}

fn call(function: AggregateFunction, argument: Option<Expr>) -> AggregateCall {
    AggregateCall::new(function, argument, &table("t").columns).unwrap()
}

pub(super) fn grouped(group_by: Vec<Expr>, calls: Vec<AggregateCall>) -> SourceQuery {
    let columns = group_by.len() + calls.len();
    let aggregate = Some(Aggregation { group_by, calls, having: None });
    SourceQuery { aggregate, ..from(Relation::Table(table("t")), columns) }
}

pub(super) fn counting() -> SourceQuery {
    grouped(Vec::new(), vec![AggregateCall::row_count()])
}

pub(super) fn join(kind: JoinKind, on: Vec<(Expr, Expr)>) -> Join {
    Join {
        left: Relation::Table(table("t")),
        right: Relation::Table(table("u")),
        kind,
        on,
        residual: None,
        null_aware: false,
        null_equal: false,
    }
}

pub(super) fn joined(join: Join) -> SourceQuery {
    from(Relation::Join(Box::new(join)), 1)
}

pub(super) fn by(column: usize) -> Vec<(Expr, Expr)> {
    vec![(Expr::Column(column), Expr::Column(column))]
}

pub(super) fn nested(query: SourceQuery) -> SourceQuery {
    from(Relation::Query(Box::new(query)), 1)
}

fn in_output(expr: Expr) -> SourceQuery {
    SourceQuery { output: vec![Output { name: "x".to_owned(), expr }], ..scan() }
}

pub(super) fn filtered(filter: Expr) -> SourceQuery {
    SourceQuery { filter: Some(filter), ..scan() }
}

pub(super) fn single(column: usize) -> SourceQuery {
    SourceQuery { output: vec![output(column)], ..scan() }
}

fn window(function: WindowFunction, arguments: Vec<Expr>) -> Expr {
    Expr::Window { function, arguments, partition_by: vec![Expr::Column(1)], order_by: vec![ascending(0)] }
}

/// Everything; JSON only as null or not.
pub(super) fn all() -> Capabilities {
    let mut capabilities = Capabilities {
        projection: Support::Exact,
        computed_output: Support::Exact,
        limit: Support::Exact,
        offset: Support::Exact,
        limit_per: Support::Exact,
        distinct: Support::Exact,
        nested: Support::Exact,
        union: Support::Exact,
        scalar_subquery: Support::Exact,
        exists: Support::Exact,
        correlated: Support::Exact,
        window: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: 2, max_tuples: 1, max_bytes: 0 },
        ..Capabilities::default()
    };
    let comparison = |class| if class == TypeClass::Json { ComparisonSupport::NULLS_ONLY } else { ComparisonSupport::EXACT };
    capabilities.filter.comparisons = TypeClass::ALL.map(|class| (class, comparison(class))).into();
    (capabilities.filter.and, capabilities.filter.or, capabilities.filter.not) = (Support::Exact, Support::Exact, Support::Exact);
    capabilities.filter.between_expressions = Support::Exact;
    capabilities.filter.bare_boolean = Support::Exact;
    capabilities.filter.functions = BTreeMap::from([(Function::Lower, Support::Exact)]);
    capabilities.filter.arithmetic = BTreeMap::from([(ArithmeticOp::Multiply, BTreeMap::from([(TypeClass::Decimal, Support::Exact)]))]);
    (capabilities.sort.columns, capabilities.sort.expressions) = (Support::Exact, Support::Exact);
    capabilities.joins.kinds = JoinKind::ALL.map(|kind| (kind, Support::Exact)).into();
    (capabilities.joins.residual, capabilities.joins.null_aware, capabilities.joins.null_equal) =
        (Support::Exact, Support::Exact, Support::Exact);
    let classes: BTreeMap<_, _> = TypeClass::ALL.map(|class| (class, Support::Exact)).into();
    capabilities.aggregate = AggregateCapabilities {
        group_by: Support::Exact,
        functions: AggregateFunction::ALL.map(|function| (function, classes.clone())).into(),
        distinct: Support::Exact,
        filter: Support::Exact,
        having: Support::Exact,
    };
    capabilities
}

pub(super) fn refused(query: &SourceQuery, capabilities: &Capabilities) -> Option<String> {
    capabilities.check(query).err().map(|refused| refused.feature)
}

/// A query, how one leaf is taken away, and what is refused then.
type Leaf = (SourceQuery, fn(&mut Capabilities), &'static str);

fn joins() -> Vec<Leaf> {
    let residual = Some(Expr::compare(CompareOp::Lt, Expr::Column(0), Expr::Column(5)));
    let inner = join(JoinKind::Inner, by(0));
    let anti = join(JoinKind::Anti, by(0));
    vec![
        (joined(inner.clone()), |c| without(&mut c.joins.kinds, JoinKind::Inner), "a join of kind 'inner'"),
        (joined(join(JoinKind::Cross, Vec::new())), |c| without(&mut c.joins.kinds, JoinKind::Cross), "a join of kind 'cross'"),
        (
            joined(Join { residual: residual.clone(), ..inner.clone() }),
            |c| c.joins.residual = Support::None,
            "a join by a condition other than equality",
        ),
        (joined(Join { residual, ..inner.clone() }), |c| c.filter.between_expressions = Support::None, "the condition of a join"),
        (joined(Join { null_aware: true, ..anti }), |c| c.joins.null_aware = Support::None, "a null-aware join"),
        (joined(Join { null_equal: true, ..inner.clone() }), |c| c.joins.null_equal = Support::None, "a join in which null equals null"),
        (joined(join(JoinKind::Semi, by(1))), |c| c.collation = Collation::CaseInsensitive, "joining by these values"),
        (joined(inner), |c| equality(c, TypeClass::Integer), "joining by these values"),
    ]
}

fn without<K: Ord, V>(leaves: &mut BTreeMap<K, V>, leaf: K) {
    leaves.remove(&leaf);
}

fn equality(capabilities: &mut Capabilities, class: TypeClass) {
    capabilities.filter.comparisons.get_mut(&class).unwrap().equal = Support::None;
}

fn aggregates() -> Vec<Leaf> {
    use AggregateFunction::{Average, Count, CountRows, Max, Min, Sum};
    let of = |function, column| grouped(Vec::new(), vec![call(function, Some(Expr::Column(column)))]);
    let more = |change: &dyn Fn(&mut Aggregation)| {
        let mut query = grouped(vec![Expr::Column(1)], vec![call(Count, Some(Expr::Column(0)))]);
        query.aggregate.iter_mut().for_each(change);
        query
    };
    vec![
        (counting(), |c| without(&mut c.aggregate.functions, CountRows), "counting rows"),
        (of(Count, 1), |c| without(&mut c.aggregate.functions, Count), "counting values"),
        (of(Sum, 0), |c| without(c.aggregate.functions.get_mut(&Sum).unwrap(), TypeClass::Integer), "a sum"),
        (of(Average, 2), |c| without(c.aggregate.functions.get_mut(&Average).unwrap(), TypeClass::Decimal), "an average"),
        (of(Max, 1), |c| c.collation = Collation::Linguistic, "a greatest value"),
        (of(Min, 1), |c| c.collation = Collation::CaseInsensitive, "a least value"),
        (more(&|_| {}), |c| c.aggregate.group_by = Support::None, "grouping"),
        (more(&|_| {}), |c| c.collation = Collation::CaseInsensitive, "grouping by column 'name'"),
        (grouped(vec![Expr::Column(0)], Vec::new()), |c| c.aggregate.group_by = Support::None, "grouping"),
        (more(&|a| a.calls[0].distinct = true), |c| c.aggregate.distinct = Support::None, "counting distinct values"),
        (more(&|a| a.calls[0].distinct = true), |c| equality(c, TypeClass::Integer), "counting distinct values"),
        (more(&|a| a.calls[0].filter = Some(is(0, Value::Int32(1)))), |c| c.aggregate.filter = Support::None, "a filter on an aggregate"),
        (more(&|a| a.calls[0].filter = Some(is(0, Value::Int32(1)))), |c| equality(c, TypeClass::Integer), "the filter of an aggregate"),
        (more(&|a| a.having = Some(is(1, Value::Int64(1)))), |c| c.aggregate.having = Support::None, "a condition on groups"),
        (more(&|a| a.having = Some(is(1, Value::Int64(1)))), |c| equality(c, TypeClass::Integer), "the condition on groups"),
    ]
}

fn blocks() -> Vec<Leaf> {
    let scalar = filtered(Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::ScalarSubquery(Box::new(single(0)))));
    let outer = Expr::OuterColumn { depth: 1, index: 0, scalar_type: ScalarType::Int32 };
    let correlated = SourceQuery { filter: Some(Expr::compare(CompareOp::Eq, Expr::Column(0), outer)), ..single(0) };
    let product = Expr::Arithmetic { op: ArithmeticOp::Multiply, left: Box::new(Expr::Column(2)), right: Box::new(Expr::Column(2)) };
    let row_number = window(WindowFunction::RowNumber, Vec::new());
    vec![
        (nested(scan()), |c| c.nested = Support::None, "a nested query"),
        (nested(counting()), |c| c.aggregate = AggregateCapabilities::default(), "counting rows"),
        (nested(filtered(is(1, Value::text("a")))), |c| c.collation = Collation::CaseInsensitive, "a query above an inexact query"),
        (from(Relation::Union(vec![scan(), scan()]), 1), |c| c.union = Support::None, "a union"),
        (scalar, |c| c.scalar_subquery = Support::None, "the filter"),
        (filtered(Expr::Exists(Box::new(scan()))), |c| c.exists = Support::None, "the filter"),
        (filtered(Expr::Exists(Box::new(correlated))), |c| c.correlated = Support::None, "the filter"),
        (in_output(row_number.clone()), |c| c.window = Support::None, "output 'x'"),
        (in_output(row_number), |c| c.sort.columns = Support::None, "output 'x'"),
        (
            in_output(window(WindowFunction::Sum, vec![Expr::Column(0)])),
            |c| without(&mut c.aggregate.functions, AggregateFunction::Sum),
            "output 'x'",
        ),
        (in_output(product), |c| c.filter.rounded_products = Support::None, "output 'x'"),
        (SourceQuery { distinct: true, ..single(1) }, |c| c.distinct = Support::None, "distinct"),
        (SourceQuery { distinct: true, ..single(1) }, |c| c.collation = Collation::CaseInsensitive, "distinct values of output 'c1'"),
    ]
}

#[test]
fn every_leaf_is_asked() {
    let mut capabilities = all();
    capabilities.filter.rounded_products = Support::Exact;
    for (query, without, feature) in joins().into_iter().chain(aggregates()).chain(blocks()) {
        assert_eq!(capabilities.support(&query), Ok(Support::Exact), "{feature}");
        let mut fewer = capabilities.clone();
        without(&mut fewer);
        assert_eq!(refused(&query, &fewer).as_deref(), Some(feature));
    }
}

#[test]
fn what_has_no_meaning_is_refused_by_all() {
    let inner = join(JoinKind::Inner, by(0));
    let on = |left: usize, right: usize| vec![(Expr::Column(left), Expr::Column(right))];
    let mistyped = AggregateCall { scalar_type: ScalarType::Int32, ..AggregateCall::row_count() };
    let with = |change: &dyn Fn(&mut AggregateCall)| {
        let mut query = counting();
        query.aggregate.iter_mut().flat_map(|aggregate| &mut aggregate.calls).for_each(change);
        query
    };
    let row_number = window(WindowFunction::RowNumber, Vec::new());
    let outer = |index: usize| Expr::OuterColumn { depth: 1, index, scalar_type: ScalarType::Int32 };
    let correlated = |index: usize| {
        let inner = SourceQuery { filter: Some(Expr::compare(CompareOp::Eq, Expr::Column(0), outer(index))), ..single(0) };
        filtered(Expr::Exists(Box::new(inner)))
    };
    for (query, feature) in [
        (joined(join(JoinKind::Cross, by(0))), "a condition on a cross join"),
        (joined(Join { null_aware: true, ..inner.clone() }), "null-aware matching of anything but one value in an anti join"),
        (joined(join(JoinKind::Inner, on(0, 9))), "a column outside the relation"),
        (joined(join(JoinKind::Inner, on(0, 1))), "joining by these values"),
        (joined(join(JoinKind::Inner, by(4))), "joining by these values"),
        (joined(Join { residual: Some(is(11, Value::Int32(1))), ..inner }), "a column outside the relation"),
        (SourceQuery { output: vec![output(5)], ..joined(join(JoinKind::Semi, by(0))) }, "a column outside the relation"),
        (from(Relation::Union(vec![single(0), single(1)]), 1), "a union of queries with columns of different types"),
        (from(Relation::Union(Vec::new()), 0), "a union of nothing"),
        (grouped(Vec::new(), Vec::new()), "an aggregation that computes nothing"),
        (grouped(vec![Expr::Column(4)], Vec::new()), "grouping by column 'data'"),
        (grouped(vec![Expr::Column(5)], Vec::new()), "a column outside the relation"),
        (grouped(Vec::new(), vec![mistyped]), "counting rows"),
        (with(&|call| call.distinct = true), "counting distinct rows"),
        (with(&|call| call.argument = Some(Expr::Column(0))), "counting rows with an argument"),
        (with(&|call| (call.function, call.argument) = (AggregateFunction::Sum, Some(Expr::Column(1)))), "a sum"),
        (SourceQuery { output: vec![output(1)], ..counting() }, "a column outside the relation"),
        (filtered(is(7, Value::Int32(1))), "a column outside the relation"),
        (filtered(Expr::compare(CompareOp::Eq, row_number.clone(), Expr::Literal(Value::Int64(1)))), "the filter"),
        (in_output(window(WindowFunction::Max, vec![row_number])), "output 'x'"),
        (in_output(window(WindowFunction::Sum, Vec::new())), "output 'x'"),
        (filtered(Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::ScalarSubquery(Box::new(scan())))), "the filter"),
        (correlated(1), "the filter"),
        (correlated(9), "the filter"),
        (filtered(Expr::compare(CompareOp::Eq, Expr::Column(0), outer(0))), "the filter"),
    ] {
        assert_eq!(refused(&query, &all()).as_deref(), Some(feature));
    }
}

/// The same question, asked of a source that keeps too many rows.
#[test]
fn nothing_observes_rows_that_an_inexact_restriction_keeps() {
    let keys = || Some(KeySet { columns: vec![1], tuples: vec![vec![Value::text("a")]] });
    let loose = filtered(is(1, Value::text("a")));
    let keyed = SourceQuery { keys: keys(), ..scan() };
    let lax = Capabilities { collation: Collation::CaseInsensitive, ..all() };
    let mut restricted = all();
    let column = ColumnCapabilities { filter: Some(Support::Inexact), ..ColumnCapabilities::default() };
    let columns = BTreeMap::from([("name".to_owned(), column)]);
    restricted.tables.insert("t".to_owned(), TableCapabilities { columns, ..TableCapabilities::default() });
    let per = LimitPer { columns: vec![Expr::Column(0)], offset: 0, limit: 1 };
    let count = |query: SourceQuery| SourceQuery { aggregate: counting().aggregate, output: vec![output(0)], ..query };
    let windowed = window(WindowFunction::RowNumber, Vec::new());
    let windowed = in_output(if let Expr::Window { function, arguments, .. } = windowed {
        Expr::Window { function, arguments, partition_by: Vec::new(), order_by: Vec::new() }
    } else {
        windowed
    });
    for capabilities in [&lax, &restricted] {
        assert_eq!(capabilities.support(&scan()), Ok(Support::Exact));
        for (query, restriction) in [(&loose, "an inexact filter"), (&keyed, "an inexact key set")] {
            assert_eq!(capabilities.support(query), Ok(Support::Inexact));
            let sorted = SourceQuery { order_by: vec![ascending(0)], ..query.clone() };
            assert_eq!(capabilities.support(&sorted), Ok(Support::Inexact));
            for (above, observer) in [
                (count(query.clone()), "a row count"),
                (SourceQuery { distinct: true, output: vec![output(0)], ..query.clone() }, "distinct"),
                (SourceQuery { limit: Some(1), ..query.clone() }, "a limit"),
                (SourceQuery { offset: 1, ..query.clone() }, "a limit"),
                (SourceQuery { limit_per: Some(per.clone()), ..query.clone() }, "a limit"),
                (SourceQuery { output: windowed.output.clone(), ..query.clone() }, "a window function"),
            ] {
                assert_eq!(refused(&above, capabilities), Some(format!("{observer} above {restriction}")));
            }
            assert_eq!(refused(&filtered(Expr::Exists(Box::new(query.clone()))), capabilities).as_deref(), Some("the filter"));
            assert_eq!(refused(&nested(query.clone()), capabilities).as_deref(), Some("a query above an inexact query"));
        }
    }
}

#[test]
fn restrictions_follow_their_column() {
    let mut capabilities = all();
    let column = |filter, collation| ColumnCapabilities { filter, collation, ..ColumnCapabilities::default() };
    let columns = BTreeMap::from([
        ("name".to_owned(), column(None, Some(Collation::CaseInsensitive))),
        ("price".to_owned(), column(Some(Support::None), None)),
    ]);
    capabilities.tables.insert("u".to_owned(), TableCapabilities { columns, ..TableCapabilities::default() });
    let support = |relation: &Relation, column: usize, value: Value| ExprCheck::over(&capabilities, relation).predicate(&is(column, value));
    let relation = Relation::Join(Box::new(join(JoinKind::Left, by(0))));
    let (text, number) = (|| Value::text("a"), || Value::Decimal { unscaled: 1_i128.into(), precision: 30, scale: 20 });
    assert_eq!(support(&relation, 1, text()), Support::Exact);
    assert_eq!(support(&relation, 6, text()), Support::Inexact);
    assert_eq!(support(&relation, 2, number()), Support::Exact);
    assert_eq!(support(&relation, 7, number()), Support::None);
    // Through a nested block that turns the columns round, computes from one, and groups.
    let lower = Expr::Call { function: Function::Lower, arguments: vec![Expr::Column(6)] };
    let inner = SourceQuery { output: vec![output(7), output(6), Output { name: "l".to_owned(), expr: lower }], ..from(relation, 0) };
    let nested = Relation::Query(Box::new(inner.clone()));
    assert_eq!(support(&nested, 0, number()), Support::None);
    assert_eq!(support(&nested, 1, text()), Support::Inexact);
    assert_eq!(support(&nested, 2, text()), Support::Inexact);
    // A union is as lax as its laxest block.
    let strict = SourceQuery { output: vec![output(1)], ..scan() };
    let lax = SourceQuery { output: vec![output(6)], ..inner };
    assert_eq!(support(&Relation::Union(vec![strict.clone(), strict.clone()]), 0, text()), Support::Exact);
    assert_eq!(support(&Relation::Union(vec![strict, lax]), 0, text()), Support::Inexact);
}

#[test]
fn a_table_that_needs_keys_is_asked_alone() {
    let mut capabilities = all();
    capabilities.tables.insert(
        "t".to_owned(),
        TableCapabilities { required_keys: vec![vec![Requirement::Key("id".to_owned())]], ..TableCapabilities::default() },
    );
    let keys = Some(KeySet { columns: vec![0], tuples: vec![vec![Value::Int32(1)]] });
    let keyed = SourceQuery { keys: keys.clone(), ..scan() };
    for (query, expected) in [
        (keyed.clone(), None),
        (nested(keyed.clone()), None),
        (SourceQuery { keys: keys.clone(), ..counting() }, None),
        (filtered(Expr::Exists(Box::new(scan()))), Some("the filter")),
        (SourceQuery { keys, ..joined(join(JoinKind::Inner, by(0))) }, Some("asking without keys for id")),
        (nested(scan()), Some("asking without keys for id")),
        (counting(), Some("asking without keys for id")),
    ] {
        assert_eq!(refused(&query, &capabilities).as_deref(), expected);
    }
    let through = join(JoinKind::Inner, by(0));
    let through = Join { left: Relation::Query(Box::new(keyed)), right: Relation::Table(table("u")), ..through };
    assert_eq!(refused(&joined(through), &capabilities), None);
}

#[test]
fn aggregates_have_fixed_types() {
    use AggregateFunction::{Average, Count, CountRows, Max, Min, Sum};
    let decimal = |precision, scale| ScalarType::Decimal { precision, scale };
    for (function, argument, result) in [
        (CountRows, None, Some(ScalarType::Int64)),
        (CountRows, Some(ScalarType::Int32), None),
        (Count, Some(ScalarType::Json), Some(ScalarType::Int64)),
        (Count, None, None),
        (Sum, Some(ScalarType::Int16), Some(ScalarType::Int64)),
        (Sum, Some(ScalarType::Float32), Some(ScalarType::Float64)),
        (Sum, Some(decimal(13, 2)), Some(decimal(23, 2))),
        (Sum, Some(decimal(38, 10)), Some(decimal(38, 10))),
        (Sum, Some(decimal(70, 10)), Some(decimal(76, 10))),
        (Sum, Some(ScalarType::Text), None),
        (Average, Some(ScalarType::Int64), Some(ScalarType::Float64)),
        (Average, Some(decimal(13, 2)), Some(decimal(17, 6))),
        (Average, Some(decimal(38, 36)), Some(decimal(38, 38))),
        (Average, Some(ScalarType::Date), None),
        (Min, Some(ScalarType::Date), Some(ScalarType::Date)),
        (Max, Some(ScalarType::Text), Some(ScalarType::Text)),
    ] {
        assert_eq!(function.result_type(argument), result, "{function:?} of {argument:?}");
    }
}

#[test]
fn a_plain_row_count_is_known() {
    let query = counting();
    assert!(query.is_row_count());
    let again = SourceQuery { output: vec![output(0), Output { name: "again".to_owned(), ..output(0) }], ..query.clone() };
    assert!(again.is_row_count());
    let field = again.result_schema().field(1).clone();
    assert_eq!((field.name().as_str(), field.data_type(), field.is_nullable()), ("again", &arrow::datatypes::DataType::Int64, false));
    assert!(!scan().is_row_count());
    let negated = Output { name: "more".to_owned(), expr: Expr::Negate(Box::new(Expr::Column(0))) };
    for other in [
        SourceQuery { distinct: true, ..query.clone() },
        SourceQuery { order_by: vec![ascending(0)], ..query.clone() },
        SourceQuery { limit: Some(1), ..query.clone() },
        SourceQuery { offset: 1, ..query.clone() },
        SourceQuery { output: Vec::new(), ..query.clone() },
        SourceQuery { output: vec![negated], ..query.clone() },
        grouped(vec![Expr::Column(0)], vec![AggregateCall::row_count()]),
        grouped(Vec::new(), vec![call(AggregateFunction::Count, Some(Expr::Column(0)))]),
        grouped(Vec::new(), vec![AggregateCall::row_count(), AggregateCall::row_count()]),
    ] {
        assert!(!other.is_row_count());
    }
}
