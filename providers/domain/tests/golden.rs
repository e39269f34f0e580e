//! Golden tests: conditions of the contract, and the domains that they become in both spellings.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use expect_test::{Expect, expect};
use portico_provider_api::{CompareOp, Expr, Function, KeySet, ScalarType, TableColumn, Value};
use portico_provider_domain::{Bounded, Domain, Spelling, Test, translate};
use serde_json::json;

/// A server at which text that may be null is compared as if null were empty, and `!=` keeps no null.
fn leaves(column: &TableColumn, test: &Test<'_>) -> Bounded {
    let name = column.name.as_str();
    let json = |value: &Value| match value {
        Value::Text(text) => json!(text),
        Value::Boolean(value) => json!(value),
        other => json!(other.as_integer()),
    };
    let operator = |op: &CompareOp| match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => "=",
        CompareOp::NotEq | CompareOp::IsDistinctFrom => "!=",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
    };
    let domain = match test {
        Test::Null => Domain::fixed(name, "=", json!(null)),
        Test::NotNull => Domain::fixed(name, "!=", json!(null)),
        Test::Compare(op, value) => Domain::leaf(name, operator(op), json(value)),
        Test::In(values) => Domain::leaf(name, "in", values.iter().map(|value| json(value)).collect::<Vec<_>>()),
        Test::NotIn(values) => Domain::leaf(name, "not in", values.iter().map(|value| json(value)).collect::<Vec<_>>()),
        Test::Matches(Function::Contains, text, true) => Domain::leaf(name, "like", format!("%{text}%")),
        Test::Matches(..) => Domain::Everything,
    };
    let exact = column.scalar_type != ScalarType::Text && domain != Domain::Everything;
    Bounded { domain, exact }
}

fn columns() -> Vec<TableColumn> {
    let column = |name: &str, scalar_type| TableColumn::computed(name.to_owned(), scalar_type, true);
    vec![
        column("id", ScalarType::Int64),
        column("name", ScalarType::Text),
        column("active", ScalarType::Boolean),
        column("rate", ScalarType::Float64),
    ]
}

fn int(value: i64) -> Expr {
    Expr::Literal(Value::Int64(value))
}

fn id(op: CompareOp, value: i64) -> Expr {
    Expr::compare(op, Expr::Column(0), int(value))
}

fn text(value: &str) -> Expr {
    Expr::Literal(Value::text(value))
}

fn told(bounded: &Bounded) -> String {
    let (shown, parameters) = bounded.domain.shown(Spelling::Infix);
    let exact = if bounded.exact { "exact" } else { "loose" };
    format!("{exact}\n{}\n{}\n{shown} ({parameters})\n", bounded.domain.spelt(Spelling::Infix), bounded.domain.spelt(Spelling::Prefix))
}

#[track_caller]
fn check(expression: &Expr, expected: &Expect) {
    expected.assert_eq(&told(&translate::predicate(expression, &columns(), &leaves)));
}

#[test]
fn one_comparison() {
    check(
        &id(CompareOp::Eq, 5),
        &expect![[r#"
        exact
        [["id","=",5]]
        [["id","=",5]]
        [["id","=",?]] (1)
    "#]],
    );
    // The sides are turned round.
    check(
        &Expr::compare(CompareOp::Lt, int(3), Expr::Column(0)),
        &expect![[r#"
        exact
        [["id",">",3]]
        [["id",">",3]]
        [["id",">",?]] (1)
    "#]],
    );
}

#[test]
fn joined_comparisons() {
    let either = Expr::Or(vec![id(CompareOp::Eq, 1), id(CompareOp::Eq, 2), Expr::And(vec![id(CompareOp::Gt, 3), id(CompareOp::Lt, 9)])]);
    check(
        &either,
        &expect![[r#"
        exact
        ["OR",["id","=",1],["id","=",2],["AND",["id",">",3],["id","<",9]]]
        ["|","|",["id","=",1],["id","=",2],"&",["id",">",3],["id","<",9]]
        ["OR",["id","=",?],["id","=",?],["AND",["id",">",?],["id","<",?]]] (4)
    "#]],
    );
    let both = Expr::And(vec![either, Expr::compare(CompareOp::Eq, Expr::Column(1), text("it's \"?\""))]);
    check(
        &both,
        &expect![[r#"
        loose
        [["OR",["id","=",1],["id","=",2],["AND",["id",">",3],["id","<",9]]],["name","=","it's \"?\""]]
        ["|","|",["id","=",1],["id","=",2],"&",["id",">",3],["id","<",9],["name","=","it's \"?\""]]
        [["OR",["id","=",?],["id","=",?],["AND",["id",">",?],["id","<",?]]],["name","=",?]] (5)
    "#]],
    );
}

#[test]
fn negations_are_driven_down() {
    let not = Expr::Not(Box::new(Expr::And(vec![id(CompareOp::Gt, 3), Expr::Not(Box::new(Expr::Column(2)))])));
    check(
        &not,
        &expect![[r#"
        exact
        ["OR",["id","<=",3],["active","=",true]]
        ["|",["id","<=",3],["active","=",true]]
        ["OR",["id","<=",?],["active","=",?]] (2)
    "#]],
    );
    // A float that is no number is neither above nor not above.
    let rate = Expr::Not(Box::new(Expr::compare(CompareOp::Gt, Expr::Column(3), Expr::Literal(Value::float64(1.0)))));
    check(
        &rate,
        &expect![[r#"
        loose
        [["rate","!=",null]]
        [["rate","!=",null]]
        [["rate","!=",null]] (0)
    "#]],
    );
}

#[test]
fn nulls() {
    check(
        &Expr::IsNull(Box::new(Expr::Column(0))),
        &expect![[r#"
        exact
        [["id","=",null]]
        [["id","=",null]]
        [["id","=",null]] (0)
    "#]],
    );
    let null = Expr::Literal(Value::Null(ScalarType::Int64));
    check(
        &Expr::compare(CompareOp::NotEq, Expr::Column(0), null.clone()),
        &expect![[r#"
        exact
        [["id","in",[]]]
        [["id","in",[]]]
        [["id","in",[]]] (0)
    "#]],
    );
    check(
        &Expr::compare(CompareOp::IsDistinctFrom, Expr::Column(0), int(4)),
        &expect![[r#"
        exact
        ["OR",["id","!=",4],["id","=",null]]
        ["|",["id","!=",4],["id","=",null]]
        ["OR",["id","!=",?],["id","=",null]] (1)
    "#]],
    );
    let list = |negated| Expr::InList { expr: Box::new(Expr::Column(0)), list: vec![int(1), null.clone()], negated };
    check(
        &list(false),
        &expect![[r#"
        exact
        [["id","in",[1]]]
        [["id","in",[1]]]
        [["id","in",[?]]] (1)
    "#]],
    );
    check(
        &list(true),
        &expect![[r#"
        exact
        [["id","in",[]]]
        [["id","in",[]]]
        [["id","in",[]]] (0)
    "#]],
    );
}

#[test]
fn what_cannot_be_said_keeps_every_row() {
    let computed = Expr::Negate(Box::new(Expr::Column(0)));
    let either = Expr::Or(vec![id(CompareOp::Eq, 1), Expr::compare(CompareOp::Eq, computed.clone(), int(1))]);
    check(
        &either,
        &expect![[r#"
        loose
        []
        []
        [] (0)
    "#]],
    );
    let both = Expr::And(vec![id(CompareOp::Eq, 1), Expr::compare(CompareOp::Eq, computed, int(1))]);
    check(
        &both,
        &expect![[r#"
        loose
        [["id","=",1]]
        [["id","=",1]]
        [["id","=",?]] (1)
    "#]],
    );
}

#[test]
fn functions_and_keys() {
    let contains = Expr::Call { function: Function::Contains, arguments: vec![Expr::Column(1), text("ab")] };
    check(
        &contains,
        &expect![[r#"
        loose
        [["name","like","%ab%"]]
        [["name","like","%ab%"]]
        [["name","like",?]] (1)
    "#]],
    );
    let tuples = |tuples: &[&[i64]]| tuples.iter().map(|tuple| tuple.iter().map(|value| Value::Int64(*value)).collect()).collect();
    let one = KeySet { columns: vec![0], tuples: tuples(&[&[4], &[7]]) };
    expect![[r#"
        exact
        [["id","in",[4,7]]]
        [["id","in",[4,7]]]
        [["id","in",[?,?]]] (2)
    "#]]
    .assert_eq(&told(&translate::keys(&one, &columns(), &leaves)));
    let two = KeySet { columns: vec![0, 3], tuples: tuples(&[&[4, 5], &[7, 8]]) };
    expect![[r#"
        exact
        ["OR",["AND",["id","=",4],["rate","=",5]],["AND",["id","=",7],["rate","=",8]]]
        ["|","&",["id","=",4],["rate","=",5],"&",["id","=",7],["rate","=",8]]
        ["OR",["AND",["id","=",?],["rate","=",?]],["AND",["id","=",?],["rate","=",?]]] (4)
    "#]]
    .assert_eq(&told(&translate::keys(&two, &columns(), &leaves)));
}
