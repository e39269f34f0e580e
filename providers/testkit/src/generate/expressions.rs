//! Computed values over a table: arithmetic, functions, `CASE`, casts. Each is made for one column and has that column's feature.

use super::{Candidate, Literals};
use crate::run::Table;
use portico_provider_api::{ArithmeticOp, CompareOp, Expr, Function, ScalarType, TypeClass, Value};

/// A type of each class to cast to.
const TARGETS: [ScalarType; 12] = [
    ScalarType::Boolean,
    ScalarType::Int32,
    ScalarType::Int64,
    ScalarType::Float64,
    ScalarType::Decimal { precision: 18, scale: 2 },
    ScalarType::Text,
    ScalarType::Binary,
    ScalarType::Date,
    ScalarType::Time,
    ScalarType::Timestamp,
    ScalarType::TimestampTz,
    ScalarType::Guid,
];

/// Values computed from one column (and others of its type).
pub(crate) fn values(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let Some(scalar_type) = table.relation.columns.get(column).map(|column| column.scalar_type) else { return Vec::new() };
    let class = TypeClass::of(scalar_type);
    let mut found = Vec::new();
    if scalar_type.is_numeric() {
        found.extend(arithmetic(table, column, literals));
    }
    found.extend(functions(table, column, scalar_type, literals));
    for target in TARGETS.into_iter().filter(|target| *target != scalar_type) {
        let cast = Expr::Cast { expr: Box::new(Expr::Column(column)), to: target };
        found.push(Candidate::new(format!("cast {class:?} to {:?}", TypeClass::of(target)), cast));
    }
    let condition = Expr::compare(CompareOp::Eq, Expr::Column(column), literals.literal(table, column));
    let with_default = Expr::Case {
        branches: vec![(condition.clone(), literals.literal(table, column))],
        otherwise: Some(Box::new(Expr::Column(column))),
    };
    found.push(Candidate::new(format!("case {class:?}"), with_default));
    let two = Expr::Case {
        branches: vec![(Expr::IsNull(Box::new(Expr::Column(column))), literals.literal(table, column)), (condition, Expr::Column(column))],
        otherwise: None,
    };
    found.push(Candidate::new(format!("case without else {class:?}"), two));
    found
}

fn arithmetic(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let columns = &table.relation.columns;
    let Some(scalar_type) = columns.get(column).map(|column| column.scalar_type) else { return Vec::new() };
    let class = TypeClass::of(scalar_type);
    let mut found = vec![Candidate::new(format!("negate {class:?}"), Expr::Negate(Box::new(Expr::Column(column))))];
    for op in [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Modulo] {
        let mut sides = vec![literals.literal(table, column), small(scalar_type, 3), small(scalar_type, -2)];
        sides
            .extend(columns.iter().enumerate().filter(|(_, other)| other.scalar_type == scalar_type).map(|(index, _)| Expr::Column(index)));
        for side in sides {
            let expr = Expr::Arithmetic { op, left: Box::new(Expr::Column(column)), right: Box::new(side) };
            found.push(Candidate::new(format!("{op:?} {class:?}"), expr));
        }
    }
    found
}

/// A small number of a numeric type.
fn small(scalar_type: ScalarType, number: i16) -> Expr {
    use portico_provider_api::value::Float;
    Expr::Literal(match scalar_type {
        ScalarType::Int16 => Value::Int16(number),
        ScalarType::Int32 => Value::Int32(i32::from(number)),
        ScalarType::Float32 => Value::Float32(Float(f64::from(number))),
        ScalarType::Float64 => Value::Float64(Float(f64::from(number))),
        ScalarType::Decimal { precision, scale } => Value::Decimal { unscaled: i128::from(number).into(), precision, scale },
        _ => Value::Int64(i64::from(number)),
    })
}

fn call(function: Function, arguments: Vec<Expr>) -> Candidate {
    Candidate::new(format!("{function:?}"), Expr::Call { function, arguments })
}

fn integer(number: i64) -> Expr {
    Expr::Literal(Value::Int64(number))
}

fn functions(table: &Table, column: usize, scalar_type: ScalarType, literals: &mut Literals<'_>) -> Vec<Candidate> {
    let this = || Expr::Column(column);
    let single = |functions: &[Function]| functions.iter().map(|function| call(*function, vec![this()])).collect::<Vec<_>>();
    match scalar_type {
        ScalarType::Text => {
            let mut found = single(&[Function::Length, Function::Lower, Function::Upper, Function::Trim]);
            found.push(call(Function::Position, vec![this(), part(table, column, literals)]));
            found.push(call(Function::Concat, vec![this(), literals.literal(table, column)]));
            found.push(call(Function::Concat, vec![this(), this()]));
            for (start, length) in [(1, 2), (2, 1), (0, 2), (-1, 4), (3, 0), (2, 100)] {
                found.push(call(Function::Substring, vec![this(), integer(start), integer(length)]));
            }
            found.push(call(Function::Substring, vec![this(), integer(2)]));
            found
        }
        ScalarType::Date => single(&[Function::Year, Function::Month, Function::Day]),
        ScalarType::Time => single(&[Function::Hour, Function::Minute, Function::Second]),
        ScalarType::Timestamp | ScalarType::TimestampTz => {
            single(&[Function::Year, Function::Month, Function::Day, Function::Hour, Function::Minute, Function::Second])
        }
        ScalarType::Float32 | ScalarType::Float64 | ScalarType::Decimal { .. } => {
            single(&[Function::Round, Function::Floor, Function::Ceiling, Function::Abs])
        }
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => single(&[Function::Abs]),
        ScalarType::Boolean | ScalarType::Binary | ScalarType::Guid | ScalarType::Json => Vec::new(),
    }
}

/// A piece of one of the column's texts, to be searched for.
pub(super) fn part(table: &Table, column: usize, literals: &mut Literals<'_>) -> Expr {
    let Value::Text(text) = literals.for_column(table, column) else { return Expr::Literal(Value::text("")) };
    let length = text.chars().count();
    let start = literals.rng.usize(0..=length);
    let count = literals.rng.usize(0..=2);
    Expr::Literal(Value::Text(text.chars().skip(start).take(count).collect()))
}
