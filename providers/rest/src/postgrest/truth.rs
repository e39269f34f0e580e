//! Expressions as conditions that hold or do not: when one is true, when it is false, and when it is unknown. Pure; it must not know requests.
#![deny(clippy::wildcard_enum_match_arm)]

use super::condition::{Condition, Leaf, Operand, escaped, like, text};
use crate::translate::{Refusal, constant};
use portico_provider_api::{CompareOp, Expr, Function, ScalarType, TableColumn, TableRelation, Value};

/// What a condition may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It is unknown.
    Null,
}

impl Truth {
    fn of(value: &Value) -> Truth {
        if *value == Value::Boolean(true) {
            Truth::True
        } else if *value == Value::Boolean(false) {
            Truth::False
        } else {
            Truth::Null
        }
    }
}

fn beyond() -> Refusal {
    Refusal::Unsupported("this condition".to_owned())
}

/// The condition under which an expression is true, false or unknown: two-valued, so that nothing unknown is ever negated.
///
/// # Errors
/// When the expression is beyond what is declared.
pub fn held(expression: &Expr, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    if let Some(value) = constant(expression)? {
        return Ok(Condition::Constant(Truth::of(&value) == truth));
    }
    let each = |parts: &[Expr], truth| parts.iter().map(|part| held(part, truth, table)).collect::<Result<Vec<_>, _>>();
    match (expression, truth) {
        (Expr::And(parts), Truth::True) => Ok(Condition::all(each(parts, Truth::True)?)),
        (Expr::And(parts), Truth::False) => Ok(Condition::any(each(parts, Truth::False)?)),
        (Expr::And(parts), Truth::Null) => undecided(each(parts, Truth::True)?, each(parts, Truth::Null)?),
        (Expr::Or(parts), Truth::True) => Ok(Condition::any(each(parts, Truth::True)?)),
        (Expr::Or(parts), Truth::False) => Ok(Condition::all(each(parts, Truth::False)?)),
        (Expr::Or(parts), Truth::Null) => undecided(each(parts, Truth::False)?, each(parts, Truth::Null)?),
        (Expr::Not(inner), Truth::True) => held(inner, Truth::False, table),
        (Expr::Not(inner), Truth::False) => held(inner, Truth::True, table),
        (Expr::Not(inner), Truth::Null) => held(inner, Truth::Null, table),
        (Expr::IsNull(inner), Truth::True) => null(inner, table),
        (Expr::IsNull(inner), Truth::False) => not_null(inner, table),
        (Expr::IsNull(_), Truth::Null) => Ok(Condition::Constant(false)),
        (Expr::Column(index), truth) => boolean(column(*index, table)?, truth),
        (Expr::Compare { op, left, right }, truth) => compare(*op, left, right, truth, table),
        (Expr::InList { expr, list, negated }, truth) => in_list(expr, list, *negated, truth, table),
        (Expr::Call { function, arguments }, truth) => matched(*function, arguments, truth, table),
        (
            Expr::OuterColumn { .. }
            | Expr::Literal(_)
            | Expr::Parameter { .. }
            | Expr::Arithmetic { .. }
            | Expr::Negate(_)
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::Window { .. },
            _,
        ) => Err(beyond()),
    }
}

/// None of the parts decides, and one is unknown.
fn undecided(open: Vec<Condition>, unknown: Vec<Condition>) -> Result<Condition, Refusal> {
    let neither = open.into_iter().zip(&unknown).map(|(open, unknown)| Condition::any(vec![open, unknown.clone()])).collect();
    Ok(Condition::all(vec![Condition::all(neither), Condition::any(unknown)]))
}

fn column(index: usize, table: &TableRelation) -> Result<&TableColumn, Refusal> {
    table.columns.get(index).ok_or_else(|| Refusal::Unsupported("a column outside the relation".to_owned()))
}

fn is_null(column: &TableColumn, negated: bool) -> Condition {
    Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "is", operand: Operand::Word("null") })
}

fn null(inner: &Expr, table: &TableRelation) -> Result<Condition, Refusal> {
    match inner.as_column() {
        Some(index) => Ok(is_null(column(index, table)?, false)),
        None => held(inner, Truth::Null, table),
    }
}

fn not_null(inner: &Expr, table: &TableRelation) -> Result<Condition, Refusal> {
    match inner.as_column() {
        Some(index) => Ok(is_null(column(index, table)?, true)),
        None => Ok(Condition::any(vec![held(inner, Truth::True, table)?, held(inner, Truth::False, table)?])),
    }
}

fn boolean(column: &TableColumn, truth: Truth) -> Result<Condition, Refusal> {
    let equal =
        |flag: &'static str| Condition::Leaf(Leaf { column: column.name.clone(), negated: false, op: "is", operand: Operand::Word(flag) });
    match truth {
        _ if column.scalar_type != ScalarType::Boolean => Err(beyond()),
        Truth::True => Ok(equal("true")),
        Truth::False => Ok(equal("false")),
        Truth::Null => Ok(is_null(column, false)),
    }
}

fn compare(op: CompareOp, left: &Expr, right: &Expr, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    match (left, right) {
        (Expr::Column(index), Expr::Literal(value)) => with_value(op, column(*index, table)?, value, truth),
        (Expr::Literal(value), Expr::Column(index)) => with_value(mirrored(op), column(*index, table)?, value, truth),
        (other, Expr::Literal(value)) => with_truth(op, other, value, truth, table),
        (Expr::Literal(value), other) => with_truth(mirrored(op), other, value, truth, table),
        (_, _) => Err(beyond()),
    }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}

/// A condition compared with a constant: which of its values make the comparison what it shall be.
fn with_truth(op: CompareOp, condition: &Expr, value: &Value, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    let mut found = Vec::new();
    for (state, own) in
        [(Truth::True, Value::Boolean(true)), (Truth::False, Value::Boolean(false)), (Truth::Null, Value::Null(ScalarType::Boolean))]
    {
        let known = Expr::compare(op, Expr::Literal(own), Expr::Literal(value.clone()));
        if constant(&known)?.is_some_and(|value| Truth::of(&value) == truth) {
            found.push(held(condition, state, table)?);
        }
    }
    Ok(Condition::any(found))
}

fn with_value(op: CompareOp, column: &TableColumn, value: &Value, truth: Truth) -> Result<Condition, Refusal> {
    let leaf = |negated, op| Condition::Leaf(Leaf { column: column.name.clone(), negated, op, operand: Operand::One(text(value)) });
    let no_number = |negated| {
        let operand = Operand::One("NaN".to_owned());
        Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "eq", operand })
    };
    let float = matches!(column.scalar_type, ScalarType::Float32 | ScalarType::Float64);
    if let CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom = op {
        let distinct = (op == CompareOp::IsDistinctFrom) == (truth == Truth::True);
        return Ok(match (truth, value.is_null()) {
            (Truth::Null, _) => Condition::Constant(false),
            (_, true) => is_null(column, distinct),
            (_, false) => leaf(!distinct, "isdistinct"),
        });
    }
    if value.is_null() {
        return Ok(Condition::Constant(truth == Truth::Null));
    }
    if truth == Truth::Null {
        return Ok(is_null(column, false));
    }
    let wanted = truth == Truth::True;
    // PostgreSQL takes NaN for equal to itself and greater than all else; here it is neither.
    if value.is_nan() {
        let holds = (op == CompareOp::NotEq) == wanted;
        return Ok(if holds { is_null(column, true) } else { Condition::Constant(false) });
    }
    let name = match op {
        CompareOp::Eq => "eq",
        CompareOp::NotEq => "neq",
        CompareOp::Lt => "lt",
        CompareOp::LtEq => "lte",
        CompareOp::Gt => "gt",
        CompareOp::GtEq => "gte",
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => return Err(beyond()),
    };
    let plain = leaf(!wanted, name);
    Ok(match (float && matches!(op, CompareOp::Gt | CompareOp::GtEq), wanted) {
        (false, _) => plain,
        (true, true) => Condition::all(vec![plain, no_number(true)]),
        (true, false) => Condition::any(vec![plain, no_number(false)]),
    })
}

fn in_list(expr: &Expr, list: &[Expr], negated: bool, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    let values: Vec<&Value> = list
        .iter()
        .map(|item| if let Expr::Literal(value) = item { Some(value) } else { None })
        .collect::<Option<_>>()
        .ok_or_else(beyond)?;
    let Expr::Column(index) = expr else {
        // A condition in a list of truths is one comparison or another.
        let any = values.iter().map(|value| Expr::compare(CompareOp::Eq, expr.clone(), Expr::Literal((*value).clone()))).collect();
        let any = Expr::Or(any);
        return held(&if negated { Expr::Not(Box::new(any)) } else { any }, truth, table);
    };
    let column = column(*index, table)?;
    let with_null = values.iter().any(|value| value.is_null());
    let texts: Vec<String> = values.iter().filter(|value| !value.is_null() && !value.is_nan()).map(|value| text(value)).collect();
    let leaf = |negated| match texts.is_empty() {
        true if negated => is_null(column, true),
        true => Condition::Constant(false),
        false => Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "in", operand: Operand::List(texts.clone()) }),
    };
    Ok(match (truth, negated) {
        (Truth::True, false) | (Truth::False, true) => leaf(false),
        // What is in no list with a null is unknown.
        (Truth::True, true) | (Truth::False, false) if with_null => Condition::Constant(false),
        (Truth::True, true) | (Truth::False, false) => leaf(true),
        (Truth::Null, _) if with_null => Condition::any(vec![is_null(column, false), leaf(true)]),
        (Truth::Null, _) => is_null(column, false),
    })
}

/// Text matching, as regular expressions: `like` has `*` for `%` there, and no way to say `*`.
fn matched(function: Function, arguments: &[Expr], truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    let [Expr::Column(index), Expr::Literal(value)] = arguments else { return Err(beyond()) };
    let column = column(*index, table)?;
    let Value::Text(given) = value else { return Ok(Condition::Constant(truth == Truth::Null)) };
    let pattern = match function {
        Function::Contains => escaped(given),
        Function::StartsWith => format!("^{}", escaped(given)),
        Function::EndsWith => format!("{}$", escaped(given)),
        Function::Like => format!("^{}$", like(given)?),
        Function::Length
        | Function::Position
        | Function::Substring
        | Function::Lower
        | Function::Upper
        | Function::Trim
        | Function::Concat
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second
        | Function::Round
        | Function::Floor
        | Function::Ceiling
        | Function::Abs => return Err(beyond()),
    };
    let empty = pattern.is_empty();
    let leaf =
        |negated| Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "match", operand: Operand::One(pattern.clone()) });
    Ok(match truth {
        Truth::Null => is_null(column, false),
        Truth::True if empty => is_null(column, true),
        Truth::False if empty => Condition::Constant(false),
        Truth::True => leaf(false),
        Truth::False => leaf(true),
    })
}
