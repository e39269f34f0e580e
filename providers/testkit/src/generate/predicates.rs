//! Conditions over a table: every operator on every column, lists, null tests, text matching, computed values compared, and nests
//! of them.

use super::expressions::{part, values};
use super::{Candidate, Literals};
use crate::run::Table;
use fastrand::Rng;
use portico_provider_api::{CompareOp, Expr, Function, ScalarType, TypeClass, Value};

const OPERATORS: [CompareOp; 8] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Lt,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
    CompareOp::IsDistinctFrom,
    CompareOp::IsNotDistinctFrom,
];

/// Conditions without `AND`, `OR`.
pub(crate) fn leaves(table: &Table, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (column, described) in table.relation.columns.iter().enumerate() {
        let class = TypeClass::of(described.scalar_type);
        found.extend(comparisons(table, column, class, literals));
        found.extend(lists(table, column, class, literals));
        let is_null = Expr::IsNull(Box::new(Expr::Column(column)));
        found.push(Candidate::new(format!("not null {class:?}"), Expr::Not(Box::new(is_null.clone()))));
        found.push(Candidate::new(format!("is null {class:?}"), is_null));
        if described.scalar_type == ScalarType::Boolean {
            found.push(Candidate::new("boolean column", Expr::Column(column)));
            found.push(Candidate::new("not boolean column", Expr::Not(Box::new(Expr::Column(column)))));
        }
        if described.scalar_type == ScalarType::Text {
            found.extend(matching(table, column, literals));
            found.extend(twins(table.name(), column));
        }
        found.extend(computed(table, column, literals));
    }
    for value in [Value::Boolean(true), Value::Boolean(false), Value::Null(ScalarType::Boolean)] {
        found.push(Candidate::new("boolean literal", Expr::Literal(value)));
    }
    found.push(Candidate::new("empty and", Expr::And(Vec::new())));
    found.push(Candidate::new("empty or", Expr::Or(Vec::new())));
    found
}

fn comparisons(table: &Table, column: usize, class: TypeClass, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let columns = &table.relation.columns;
    let Some(scalar_type) = columns.get(column).map(|column| column.scalar_type) else { return Vec::new() };
    let mut found = Vec::new();
    for op in OPERATORS {
        let feature = format!("{op:?} {class:?}");
        for _ in 0..2 {
            found.push(Candidate::new(feature.clone(), Expr::compare(op, Expr::Column(column), literals.literal(table, column))));
        }
        found.push(Candidate::new(
            format!("{feature} turned round"),
            Expr::compare(op, literals.literal(table, column), Expr::Column(column)),
        ));
        let null = Expr::Literal(Value::Null(scalar_type));
        found.push(Candidate::new(format!("{feature} with null"), Expr::compare(op, Expr::Column(column), null)));
        let others = columns.iter().enumerate().filter(|(_, other)| other.scalar_type == scalar_type);
        for (other, _) in others {
            let expr = Expr::compare(op, Expr::Column(column), Expr::Column(other));
            found.push(Candidate::new(format!("{feature} between columns"), expr));
        }
    }
    found
}

fn lists(table: &Table, column: usize, class: TypeClass, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let Some(scalar_type) = table.relation.columns.get(column).map(|column| column.scalar_type) else { return Vec::new() };
    let mut found = Vec::new();
    for negated in [false, true] {
        for (length, with_null) in [(1, false), (3, false), (2, true)] {
            let mut list: Vec<Expr> = (0..length).map(|_| literals.literal(table, column)).collect();
            if with_null {
                list.push(Expr::Literal(Value::Null(scalar_type)));
            }
            let expr = Expr::InList { expr: Box::new(Expr::Column(column)), list, negated };
            found.push(Candidate::new(format!("in list {class:?}, negated {negated}, null {with_null}"), expr));
        }
    }
    found
}

/// Texts of the edge table that a lax collation takes for another one there: by letter case, by trailing spaces, by normal form.
/// Chance would meet them too seldom, so each has a feature of its own.
pub(super) const TWINS: [(&str, &str); 3] = [("letter case", "abc"), ("trailing space", "abc "), ("normal form", "é")];

fn twins(table: &str, column: usize) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (kind, twin) in TWINS {
        let literal = || Expr::Literal(Value::text(twin));
        for op in OPERATORS {
            found.push(Candidate::new(
                format!("{op:?} by {kind}, column {column} of {table}"),
                Expr::compare(op, Expr::Column(column), literal()),
            ));
        }
        for negated in [false, true] {
            let expr = Expr::InList { expr: Box::new(Expr::Column(column)), list: vec![literal()], negated };
            found.push(Candidate::new(format!("in list by {kind}, negated {negated}, column {column} of {table}"), expr));
        }
    }
    found
}

fn matching(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let call = |function: Function, argument: Expr| {
        let expr = Expr::Call { function, arguments: vec![Expr::Column(column), argument] };
        Candidate::new(format!("{function:?}"), expr)
    };
    let mut found = Vec::new();
    for function in [Function::Contains, Function::StartsWith, Function::EndsWith] {
        for _ in 0..4 {
            found.push(call(function, part(table, column, literals)));
        }
        // Wildcards of LIKE mean themselves here.
        for text in ["", "%", "_", "\\", "'", "A", "a", "😀"] {
            found.push(call(function, Expr::Literal(Value::text(text))));
        }
    }
    for pattern in
        ["%", "", "_", "__", "a%", "%a%", "%A", "a_c", "100\\%", "%\\_%", "back\\\\slash", "%😀%", "it's", "[a-c]", "%\n%", "_%e"]
    {
        found.push(call(Function::Like, Expr::Literal(Value::text(pattern))));
    }
    let negated: Vec<Candidate> = found
        .iter()
        .map(|candidate| Candidate::new(format!("not {}", candidate.feature), Expr::Not(Box::new(candidate.expr.clone()))))
        .collect();
    found.extend(negated);
    found
}

/// A computed value compared with one of its results, so that some rows match.
fn computed(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let columns = &table.relation.columns;
    let mut found = Vec::new();
    for Candidate { feature, expr } in values(table, column, literals) {
        let Some(row) = literals.rng.choice(&table.rows) else { continue };
        let Ok(value) = portico_provider_api::evaluate_expr(&expr, row, columns) else { continue };
        if value.is_null() {
            found.push(Candidate::new(format!("{feature} is null"), Expr::IsNull(Box::new(expr))));
            continue;
        }
        let op = literals.rng.choice(OPERATORS).unwrap_or(CompareOp::Eq);
        found.push(Candidate::new(feature, Expr::compare(op, expr, Expr::Literal(value))));
    }
    found
}

/// A nest of conditions, up to three levels deep.
pub(crate) fn nested(rng: &mut Rng, leaves: &[Expr], depth: u8) -> Option<Expr> {
    if depth == 0 || rng.u8(0..4) == 0 {
        return rng.choice(leaves).cloned();
    }
    match rng.u8(0..5) {
        0 => Some(Expr::Not(Box::new(nested(rng, leaves, depth - 1)?))),
        connective => {
            let parts = (0..rng.usize(2..=3)).map(|_| nested(rng, leaves, depth - 1)).collect::<Option<Vec<_>>>()?;
            Some(if connective < 3 { Expr::And(parts) } else { Expr::Or(parts) })
        }
    }
}
