//! Three-valued logic, comparisons, lists, CASE.

use super::{literal, null, value_of};
use crate::evaluate::{EvaluateError, compare_for_sort};
use crate::expr::{CompareOp, Expr};
use crate::types::ScalarType;
use crate::value::Value;
use std::cmp::Ordering;

const T: Option<bool> = Some(true);
const F: Option<bool> = Some(false);
const U: Option<bool> = None;

fn truth(value: Option<bool>) -> Expr {
    value.map_or(null(ScalarType::Boolean), |value| literal(Value::Boolean(value)))
}

fn result(expression: &Expr) -> Option<bool> {
    match value_of(expression).unwrap() {
        Value::Boolean(value) => Some(value),
        Value::Null(ScalarType::Boolean) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn truth_tables() {
    for (left, right, and, or) in
        [(T, T, T, T), (T, F, F, T), (T, U, U, T), (F, T, F, T), (F, F, F, F), (F, U, F, U), (U, T, U, T), (U, F, F, U), (U, U, U, U)]
    {
        assert_eq!(result(&Expr::And(vec![truth(left), truth(right)])), and, "{left:?} and {right:?}");
        assert_eq!(result(&Expr::Or(vec![truth(left), truth(right)])), or, "{left:?} or {right:?}");
    }
    assert_eq!(result(&Expr::And(Vec::new())), T);
    assert_eq!(result(&Expr::Or(Vec::new())), F);
    assert_eq!([T, F, U].map(|value| result(&Expr::Not(Box::new(truth(value))))), [F, T, U]);
}

#[test]
fn comparisons_with_null() {
    let one = || literal(Value::Int32(1));
    let nothing = || null(ScalarType::Int32);
    for op in [CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::LtEq, CompareOp::Gt, CompareOp::GtEq] {
        assert_eq!(result(&Expr::compare(op, one(), nothing())), U);
        assert_eq!(result(&Expr::compare(op, nothing(), nothing())), U);
    }
    assert_eq!(result(&Expr::compare(CompareOp::IsDistinctFrom, one(), nothing())), T);
    assert_eq!(result(&Expr::compare(CompareOp::IsDistinctFrom, nothing(), nothing())), F);
    assert_eq!(result(&Expr::compare(CompareOp::IsNotDistinctFrom, nothing(), nothing())), T);
    assert_eq!(result(&Expr::compare(CompareOp::IsNotDistinctFrom, one(), one())), T);
    assert_eq!(result(&Expr::IsNull(Box::new(nothing()))), T);
    assert_eq!(result(&Expr::IsNull(Box::new(one()))), F);
}

#[test]
fn not_a_number_equals_nothing_and_sorts_last() {
    let nan = || literal(Value::float64(f64::NAN));
    let one = || literal(Value::float64(1.0));
    assert_eq!(result(&Expr::compare(CompareOp::Eq, nan(), nan())), F);
    assert_eq!(result(&Expr::compare(CompareOp::NotEq, nan(), nan())), T);
    assert_eq!(result(&Expr::compare(CompareOp::GtEq, nan(), one())), F);
    assert_eq!(result(&Expr::compare(CompareOp::IsDistinctFrom, nan(), nan())), T);
    let (nan, infinity) = (Value::float64(f64::NAN), Value::float64(f64::INFINITY));
    assert_eq!(compare_for_sort(&nan, &infinity, false, false), Ok(Ordering::Greater));
    assert_eq!(compare_for_sort(&nan, &nan, false, false), Ok(Ordering::Equal));
    assert_eq!(compare_for_sort(&nan, &infinity, true, false), Ok(Ordering::Less));
    assert_eq!(compare_for_sort(&Value::float64(-0.0), &Value::float64(0.0), false, false), Ok(Ordering::Equal));
}

#[test]
fn nulls_go_where_they_are_put_in_both_directions() {
    let (nothing, one) = (Value::Null(ScalarType::Int32), Value::Int32(1));
    for descending in [false, true] {
        assert_eq!(compare_for_sort(&nothing, &one, descending, true), Ok(Ordering::Less));
        assert_eq!(compare_for_sort(&nothing, &one, descending, false), Ok(Ordering::Greater));
    }
}

#[test]
fn text_compares_by_code_points() {
    let less =
        |left: &str, right: &str| result(&Expr::compare(CompareOp::Lt, literal(Value::text(left)), literal(Value::text(right)))) == T;
    assert!(less("B", "a") && less("", "a") && less("a", "ab") && less("z", "é"));
    // UTF-16 would put the surrogates of the second before the first.
    assert!(less("\u{ffff}", "\u{10000}"));
}

#[test]
fn lists() {
    let list = |negated: bool, value: Expr, items: Vec<Expr>| result(&Expr::InList { expr: Box::new(value), list: items, negated });
    let number = |value: i32| literal(Value::Int32(value));
    let nothing = || null(ScalarType::Int32);
    assert_eq!(list(false, number(1), vec![number(1), nothing()]), T);
    assert_eq!(list(false, number(2), vec![number(1), nothing()]), U);
    assert_eq!(list(false, number(2), vec![number(1)]), F);
    assert_eq!(list(true, number(1), vec![number(1), nothing()]), F);
    assert_eq!(list(true, number(2), vec![number(1), nothing()]), U);
    assert_eq!(list(true, number(2), vec![number(1)]), T);
    assert_eq!(list(false, nothing(), vec![number(1)]), U);
    assert_eq!(list(false, nothing(), Vec::new()), F);
    assert_eq!(list(true, nothing(), Vec::new()), T);
}

#[test]
fn case_takes_the_first_true_branch() {
    let branches = vec![
        (null(ScalarType::Boolean), literal(Value::Int32(1))),
        (truth(F), literal(Value::Int32(2))),
        (truth(T), literal(Value::Int32(3))),
        (truth(T), literal(Value::Int32(4))),
    ];
    assert_eq!(value_of(&Expr::Case { branches: branches.clone(), otherwise: None }), Ok(Value::Int32(3)));
    let none = Expr::Case { branches: branches[..2].to_vec(), otherwise: None };
    assert_eq!(value_of(&none), Ok(Value::Null(ScalarType::Int32)));
}

#[test]
fn what_is_unknown_to_the_evaluator_is_named() {
    let parameter = Expr::Parameter { index: 3, scalar_type: ScalarType::Int32 };
    assert_eq!(value_of(&parameter), Err(EvaluateError::Unsupported("the unbound parameter 3".to_owned())));
    let mixed = Expr::compare(CompareOp::Eq, literal(Value::Int32(1)), literal(Value::text("1")));
    assert!(matches!(value_of(&mixed), Err(EvaluateError::Invalid(_))));
}
