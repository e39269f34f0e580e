//! What a table, or a column of it, says for itself instead of its source: each is asked, and none leaks to other tables.

use super::tests::{all, ascending, by, counting, filtered, from, grouped, is, join, joined, nested, output, refused, scan, single, table};
use crate::capabilities::{
    AggregateCapabilities, Capabilities, ColumnCapabilities, ColumnComparisons, KeyCapabilities, Support, TableCapabilities, TableKeys,
    WriteCapabilities,
};
use crate::check::ExprCheck;
use crate::expr::{CompareOp, Expr, Function};
use crate::query::{AggregateCall, JoinKind, KeySet, Relation, SourceQuery};
use crate::schema::RemoteTableName;
use crate::value::Value;
use std::collections::BTreeMap;

fn compare(op: CompareOp, column: usize, value: Value) -> Expr {
    Expr::compare(op, Expr::Column(column), Expr::Literal(value))
}

fn turned(op: CompareOp, column: usize, value: Value) -> Expr {
    Expr::compare(op, Expr::Literal(value), Expr::Column(column))
}

fn among(column: usize, count: i32, negated: bool) -> Expr {
    let list = (0..count).map(|number| Expr::Literal(Value::Int32(number))).collect();
    Expr::InList { expr: Box::new(Expr::Column(column)), list, negated }
}

fn call(function: Function, column: usize) -> Expr {
    Expr::Call { function, arguments: vec![Expr::Column(column), Expr::Literal(Value::text("a"))] }
}

/// The table `t` with these capabilities, of a source that can do `general`.
fn with_table(general: Capabilities, own: TableCapabilities) -> Capabilities {
    Capabilities { tables: BTreeMap::from([("t".to_owned(), own)]), ..general }
}

fn with_columns<const N: usize>(general: Capabilities, columns: [(&str, ColumnCapabilities); N]) -> Capabilities {
    let columns = columns.into_iter().map(|(name, own)| (name.to_owned(), own)).collect();
    with_table(general, TableCapabilities { columns, ..TableCapabilities::default() })
}

fn only_equal() -> ColumnCapabilities {
    let comparisons = Some(ColumnComparisons { equal: Support::Exact, ..ColumnComparisons::default() });
    ColumnCapabilities { comparisons, ..ColumnCapabilities::default() }
}

fn only_from() -> ColumnCapabilities {
    let comparisons = Some(ColumnComparisons { greater_or_equal: Support::Exact, ..ColumnComparisons::default() });
    ColumnCapabilities { comparisons, ..ColumnCapabilities::default() }
}

/// A source that compares nothing by itself, like a REST resource: what it takes is said of each column.
fn nothing_compared() -> Capabilities {
    let mut capabilities = all();
    capabilities.filter.comparisons.clear();
    capabilities.filter.functions.clear();
    capabilities.filter.max_in_list = 0;
    capabilities
}

#[test]
fn a_column_says_which_comparisons_it_takes() {
    for general in [all(), nothing_compared()] {
        let capabilities = with_columns(general, [("name", only_equal()), ("id", only_from())]);
        let relation = table("t");
        let check = ExprCheck::new(&capabilities, &relation);
        let text = || Value::text("a");
        let number = || Value::Int32(1);
        for (expr, expected) in [
            (compare(CompareOp::Eq, 1, text()), Support::Exact),
            (turned(CompareOp::Eq, 1, text()), Support::Exact),
            (compare(CompareOp::NotEq, 1, text()), Support::None),
            (compare(CompareOp::GtEq, 1, text()), Support::None),
            (compare(CompareOp::IsNotDistinctFrom, 1, text()), Support::None),
            (Expr::IsNull(Box::new(Expr::Column(1))), Support::None),
            (compare(CompareOp::GtEq, 0, number()), Support::Exact),
            // `1 <= id` is `id >= 1`.
            (turned(CompareOp::LtEq, 0, number()), Support::Exact),
            (turned(CompareOp::GtEq, 0, number()), Support::None),
            (compare(CompareOp::Gt, 0, number()), Support::None),
            (compare(CompareOp::Eq, 0, number()), Support::None),
            // What is computed of it is something else.
            (Expr::compare(CompareOp::Eq, call(Function::Lower, 1), Expr::Literal(text())), Support::None),
            (Expr::compare(CompareOp::GtEq, Expr::Negate(Box::new(Expr::Column(0))), Expr::Literal(number())), Support::None),
        ] {
            assert_eq!(check.predicate(&expr), expected, "{expr:?}");
        }
    }
}

#[test]
fn lists_and_functions_are_a_columns_own() {
    let mut general = all();
    general.filter.max_in_list = 3;
    let listed = ColumnCapabilities { max_in_list: Some(5), ..ColumnCapabilities::default() };
    let functions = Some(BTreeMap::from([(Function::Contains, Support::Exact)]));
    let searched = ColumnCapabilities { functions, ..ColumnCapabilities::default() };
    let capabilities = with_columns(general, [("id", listed), ("name", searched)]);
    let (of_t, of_u) = (table("t"), table("u"));
    let (own, other) = (ExprCheck::new(&capabilities, &of_t), ExprCheck::new(&capabilities, &of_u));
    let lower = Expr::compare(CompareOp::Eq, call(Function::Lower, 1), Expr::Literal(Value::text("a")));
    for (expr, here, elsewhere) in [
        (among(0, 3, false), Support::Exact, Support::Exact),
        (among(0, 5, false), Support::Exact, Support::None),
        (among(0, 6, true), Support::None, Support::None),
        (call(Function::Contains, 1), Support::Exact, Support::None),
        (lower, Support::None, Support::Exact),
    ] {
        assert_eq!((own.predicate(&expr), other.predicate(&expr)), (here, elsewhere), "{expr:?}");
    }
    // A list is an equality; where that is not said, neither is the list.
    let capabilities = with_columns(all(), [("id", ColumnCapabilities { max_in_list: Some(5), ..only_from() })]);
    assert_eq!(ExprCheck::new(&capabilities, &of_t).predicate(&among(0, 1, false)), Support::None);
}

#[test]
fn a_parameter_is_given_once() {
    let once = ColumnCapabilities { once: true, ..ColumnCapabilities::default() };
    let mut general = all();
    general.filter.max_in_list = 3;
    let capabilities = with_columns(general, [("id", once)]);
    let at_least = |number| compare(CompareOp::GtEq, 0, Value::Int32(number));
    let below = compare(CompareOp::Lt, 0, Value::Int32(9));
    let keyed = |filter| SourceQuery { keys: Some(KeySet { columns: vec![0], tuples: vec![vec![Value::Int32(1)]] }), ..filtered(filter) };
    let twice = Some("asking for column 'id' twice");
    for (query, expected) in [
        (filtered(Expr::And(vec![at_least(1), below.clone()])), None),
        (filtered(Expr::And(vec![at_least(1), at_least(2)])), twice),
        (filtered(Expr::And(vec![at_least(1), turned(CompareOp::LtEq, 0, Value::Int32(2))])), twice),
        (filtered(Expr::And(vec![is(0, Value::Int32(1)), among(0, 2, false)])), twice),
        (keyed(below), None),
        (keyed(is(0, Value::Int32(1))), twice),
        (filtered(Expr::And(vec![is(1, Value::text("a")), is(1, Value::text("b"))])), None),
    ] {
        assert_eq!(refused(&query, &capabilities).as_deref(), expected, "{query:?}");
    }
}

#[test]
fn a_table_says_which_keys_it_takes() {
    let mut general = nothing_compared();
    general.keys = KeyCapabilities { support: Support::Exact, max_columns: 2, max_tuples: 9, max_bytes: 0 };
    let keys = |columns: &[&str], max_tuples, max_bytes| TableKeys {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        support: Support::Exact,
        max_tuples,
        max_bytes,
    };
    let own = vec![keys(&["id"], 3, 0), keys(&["name", "id"], 1, 0), keys(&["name"], 5, 4)];
    let capabilities = with_table(general, TableCapabilities { keys: Some(own), ..TableCapabilities::default() });
    let keyed = |columns: &[usize], tuples: usize, from: SourceQuery| {
        let value = |column: &usize| if *column == 0 { Value::Int32(1) } else { Value::text("a") };
        let tuple: Vec<Value> = columns.iter().map(value).collect();
        SourceQuery { keys: Some(KeySet { columns: columns.to_vec(), tuples: vec![tuple; tuples] }), ..from }
    };
    let beyond = Some("a key set over these columns");
    for (query, expected) in [
        (keyed(&[0], 3, scan()), None),
        (keyed(&[0], 4, scan()), Some("a key set of more than 3 tuples")),
        (keyed(&[0, 1], 1, scan()), None),
        (keyed(&[1, 0], 2, scan()), Some("a key set of more than 1 tuples")),
        (keyed(&[1], 2, scan()), None),
        (keyed(&[1], 3, scan()), Some("a key set of more than 4 bytes")),
        (keyed(&[2], 1, scan()), beyond),
        // What is made of it has no place for its keys, and another table has none of its own.
        (keyed(&[0], 1, nested(scan())), beyond),
        (keyed(&[0], 1, joined(join(JoinKind::Cross, Vec::new()))), beyond),
        (keyed(&[0], 1, SourceQuery::scan(table("u"))), beyond),
    ] {
        assert_eq!(refused(&query, &capabilities).as_deref(), expected, "{:?}", query.keys);
    }
    let relation = table("t");
    let check = ExprCheck::new(&capabilities, &relation);
    assert_eq!(check.key_limits(&[1, 0]).map(|limits| limits.max_tuples), Some(1));
    assert_eq!(check.key_limits(&[2]), None);
    assert_eq!(check.own_keys(), Some(vec![vec![0], vec![1, 0], vec![1]]));
}

#[test]
fn the_shape_of_a_query_is_a_tables_own() {
    let cut = |offset, limit| SourceQuery { offset, limit, ..scan() };
    let none = Some(Support::None);
    let own = |own: TableCapabilities| with_table(all(), own);
    let default = TableCapabilities::default;
    let not_counted = own(TableCapabilities { count: none, ..default() });
    let ungrouped = AggregateCapabilities { group_by: Support::None, ..all().aggregate };
    let ungrouped = own(TableCapabilities { aggregate: Some(ungrouped), ..default() });
    let by_id = || grouped(vec![Expr::Column(0)], vec![AggregateCall::row_count()]);
    let apart = own(TableCapabilities { joins: none, ..default() });
    let distinct = SourceQuery { distinct: true, ..single(0) };
    for (capabilities, query, expected) in [
        (own(TableCapabilities { offset: none, ..default() }), cut(1, Some(1)), Some("offset")),
        (own(TableCapabilities { offset: none, ..default() }), cut(0, Some(1)), None),
        (own(TableCapabilities { limit: none, ..default() }), cut(0, Some(1)), Some("limit")),
        (own(TableCapabilities { limit: none, ..default() }), cut(1, None), Some("offset")),
        (own(TableCapabilities { limit: none, offset: Some(Support::Exact), ..default() }), cut(1, None), None),
        (not_counted.clone(), counting(), Some("counting rows")),
        (not_counted.clone(), by_id(), None),
        (ungrouped.clone(), by_id(), Some("grouping")),
        (ungrouped.clone(), counting(), None),
        (ungrouped, SourceQuery { from: Relation::Query(Box::new(scan())), ..by_id() }, Some("grouping")),
        (apart.clone(), joined(join(JoinKind::Inner, by(0))), Some("joining 't'")),
        (apart, scan(), None),
        (own(TableCapabilities { distinct: none, ..default() }), distinct.clone(), Some("distinct")),
        (
            own(TableCapabilities { sort: none, ..default() }),
            SourceQuery { order_by: vec![ascending(0)], ..scan() },
            Some("sorting by column 'id'"),
        ),
    ] {
        assert_eq!(refused(&query, &capabilities).as_deref(), expected, "{query:?}");
    }
    // Neither is bound by what the other says.
    let other = SourceQuery { from: Relation::Table(table("u")), ..counting() };
    assert_eq!(refused(&other, &not_counted), None);
    // A table may do more than its source says of others.
    let counts = Some(Support::Exact);
    let more = TableCapabilities { count: counts, limit: counts, distinct: counts, ..default() };
    let (aggregate, limit) = (AggregateCapabilities::default(), Support::None);
    let more = with_table(Capabilities { aggregate, limit, distinct: limit, offset: limit, ..all() }, more);
    assert_eq!([counting(), cut(0, Some(1)), distinct].map(|query| refused(&query, &more)), [None, None, None]);
    assert_eq!(refused(&cut(1, None), &more).as_deref(), Some("offset"));
    assert_eq!(refused(&grouped(vec![Expr::Column(0)], Vec::new()), &more).as_deref(), Some("grouping"));
}

#[test]
fn a_request_has_a_size() {
    let query = |length: usize| filtered(is(1, Value::Text("x".repeat(length))));
    let size = Capabilities::request_bytes(&query(10));
    assert_eq!(Capabilities::request_bytes(&query(15)), size + 5);
    let capabilities = Capabilities { max_request_bytes: size, ..all() };
    let message = format!("a request of more than {size} bytes");
    assert_eq!(refused(&query(10), &capabilities), None);
    assert_eq!(refused(&query(11), &capabilities), Some(message.clone()));
    assert_eq!(refused(&nested(query(10)), &capabilities), Some(message.clone()));
    let keys = KeySet { columns: vec![1], tuples: vec![vec![Value::text("a")]] };
    assert_eq!(refused(&SourceQuery { keys: Some(keys), ..query(10) }, &capabilities), Some(message.clone()));
    // A table has more room, or as much as it likes.
    let roomy = |own| with_table(capabilities.clone(), TableCapabilities { max_request_bytes: Some(own), ..TableCapabilities::default() });
    assert_eq!(refused(&query(11), &roomy(size + 1)), None);
    assert_eq!(refused(&query(1000), &roomy(0)), None);
    // Together they have the least.
    let both = SourceQuery { output: vec![output(0)], ..from(Relation::Query(Box::new(query(1000))), 1) };
    assert_eq!(refused(&both, &roomy(0)), None);
    assert_eq!(roomy(0).max_request_bytes(&joined(join(JoinKind::Inner, by(0)))), size);
}

#[test]
fn writes_are_a_tables_own() {
    let own = WriteCapabilities { insert: true, ..WriteCapabilities::default() };
    let general = Capabilities { write: WriteCapabilities::ALL, ..all() };
    let capabilities = with_table(general, TableCapabilities { write: Some(own), ..TableCapabilities::default() });
    let name = |name: &str| RemoteTableName(vec![name.to_owned()]);
    assert_eq!((capabilities.write_of(&name("t")), capabilities.write_of(&name("u"))), (own, WriteCapabilities::ALL));
}
