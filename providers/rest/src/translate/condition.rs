//! Conditions as parameters. Pure; it must not know which request they go into.
#![deny(clippy::wildcard_enum_match_arm)]

use super::keys::values_of;
use super::{Call, Pair, Refusal};
use crate::config::Operator;
use crate::form;
use crate::resource::{Column, Filter, Resource};
use portico_provider_api::{CompareOp, Expr, Function, SourceQuery, TableRelation, Value, evaluate_expr};

/// The parameters of the filter. False where no row can satisfy it.
pub(super) fn filters(resource: &Resource, table: &TableRelation, query: &SourceQuery, call: &mut Call) -> Result<bool, Refusal> {
    let mut parts: Vec<&Expr> = Vec::new();
    conjuncts(query.filter.as_ref(), &mut parts);
    for part in parts {
        if !one_filter(resource, table, part, call)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The parts of a conjunction, flat.
pub fn conjuncts<'e>(filter: Option<&'e Expr>, parts: &mut Vec<&'e Expr>) {
    match filter {
        Some(Expr::And(inner)) => inner.iter().for_each(|part| conjuncts(Some(part), parts)),
        Some(other) => parts.push(other),
        None => {}
    }
}

fn one_filter(resource: &Resource, table: &TableRelation, part: &Expr, call: &mut Call) -> Result<bool, Refusal> {
    let beyond = || Refusal::Unsupported("this condition".to_owned());
    if let Some(value) = constant(part)? {
        return Ok(value == Value::Boolean(true));
    }
    // By other keys than these: what is read by keys is evaluated here, with all conditions.
    if values_of(resource, table, part).is_some() {
        return Ok(true);
    }
    let (index, operator, values): (usize, Operator, Vec<&Value>) = match part {
        Expr::Compare { op, left, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(index), Expr::Literal(value)) => (*index, operator(*op).ok_or_else(beyond)?, vec![value]),
            (Expr::Literal(value), Expr::Column(index)) => (*index, mirrored(operator(*op).ok_or_else(beyond)?), vec![value]),
            (_, _) => return Err(beyond()),
        },
        Expr::InList { expr, list, negated } => {
            let values = list.iter().map(|item| if let Expr::Literal(value) = item { Some(value) } else { None });
            let values: Vec<&Value> = values.collect::<Option<_>>().ok_or_else(beyond)?;
            // What is in no list with a null is unknown.
            if *negated && values.iter().any(|value| value.is_null()) {
                return Ok(false);
            }
            let values = values.into_iter().filter(|value| !value.is_null()).collect();
            (expr.as_column().ok_or_else(beyond)?, if *negated { Operator::NotIn } else { Operator::In }, values)
        }
        Expr::Column(index) => {
            let column = in_scope(resource, table, *index)?;
            let filter = column.filters.get(&Operator::Eq).ok_or_else(beyond)?;
            send(column, filter, &[&Value::Boolean(true)], call)?;
            return Ok(true);
        }
        Expr::IsNull(inner) => (inner.as_column().ok_or_else(beyond)?, Operator::IsNull, Vec::new()),
        Expr::Call { function, arguments } => match arguments.as_slice() {
            [Expr::Column(index), Expr::Literal(value)] => (*index, matching(*function).ok_or_else(beyond)?, vec![value]),
            _ => return Err(beyond()),
        },
        Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::OuterColumn { .. }
        | Expr::Literal(_)
        | Expr::Parameter { .. }
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::ScalarSubquery(_)
        | Expr::Exists(_)
        | Expr::Window { .. } => return Err(beyond()),
    };
    // Nothing equals null, nor is greater.
    if operator != Operator::IsNull && (values.is_empty() || values.iter().any(|value| value.is_null())) {
        return Ok(false);
    }
    let column = in_scope(resource, table, index)?;
    let filter = match (column.filters.get(&operator), operator, values.as_slice()) {
        (Some(filter), _, _) => filter,
        (None, Operator::In, [_]) => column.filters.get(&Operator::Eq).ok_or_else(beyond)?,
        (None, Operator::Eq, _) => column.filters.get(&Operator::In).ok_or_else(beyond)?,
        (None, Operator::Ne, _) => column.filters.get(&Operator::NotIn).ok_or_else(beyond)?,
        (None, Operator::NotIn, several) => {
            let filter = column.filters.get(&Operator::Ne).filter(|_| column.repeatable || several.len() == 1).ok_or_else(beyond)?;
            for value in several {
                send(column, filter, &[value], call)?;
            }
            return Ok(true);
        }
        (None, _, _) => return Err(beyond()),
    };
    send(column, filter, &values, call)?;
    Ok(true)
}

/// The value of a condition that depends on no row.
pub fn constant(part: &Expr) -> Result<Option<Value>, Refusal> {
    if !part.columns().is_empty() || part.has_subquery() || has_parameter(part) {
        return Ok(None);
    }
    evaluate_expr(part, &[], &[]).map(Some).map_err(|error| Refusal::Data(error.to_string()))
}

fn has_parameter(part: &Expr) -> bool {
    matches!(part, Expr::Parameter { .. }) || part.children().into_iter().any(has_parameter)
}

pub(super) fn in_scope<'a>(resource: &'a Resource, table: &TableRelation, index: usize) -> Result<&'a Column, Refusal> {
    let column = table.columns.get(index).and_then(|column| resource.column(&column.name));
    column.ok_or_else(|| Refusal::Unsupported("a column outside the relation".to_owned()))
}

fn operator(op: CompareOp) -> Option<Operator> {
    match op {
        CompareOp::Eq => Some(Operator::Eq),
        CompareOp::NotEq => Some(Operator::Ne),
        CompareOp::Lt => Some(Operator::Lt),
        CompareOp::LtEq => Some(Operator::Le),
        CompareOp::Gt => Some(Operator::Gt),
        CompareOp::GtEq => Some(Operator::Ge),
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => None,
    }
}

fn mirrored(operator: Operator) -> Operator {
    match operator {
        Operator::Lt => Operator::Gt,
        Operator::Le => Operator::Ge,
        Operator::Gt => Operator::Lt,
        Operator::Ge => Operator::Le,
        Operator::Eq
        | Operator::Ne
        | Operator::In
        | Operator::NotIn
        | Operator::IsNull
        | Operator::Contains
        | Operator::StartsWith
        | Operator::EndsWith => operator,
    }
}

/// The condition that a function is.
fn matching(function: Function) -> Option<Operator> {
    match function {
        Function::Contains => Some(Operator::Contains),
        Function::StartsWith => Some(Operator::StartsWith),
        Function::EndsWith => Some(Operator::EndsWith),
        Function::Like
        | Function::Length
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
        | Function::Abs => None,
    }
}

/// Adds the parameters of a condition.
pub(super) fn send(column: &Column, filter: &Filter, values: &[&Value], call: &mut Call) -> Result<(), Refusal> {
    let shown = |count: usize| {
        if count > 1 { vec!["?"; count.min(3)].join(&filter.separator) + if count > 3 { "…" } else { "" } } else { "?".to_owned() }
    };
    let pair = |text: Option<String>, count: usize| {
        let value = filter.value.fill(&|_| text.clone().map(Value::Text)).map_err(Refusal::Data)?;
        let visible = filter.value.fill(&|_| Some(Value::Text(shown(count)))).map_err(Refusal::Data)?;
        Ok::<_, Refusal>(Pair::bound(&filter.parameter, value, visible, count))
    };
    let texts = list(Some(column), values.iter().copied(), if filter.repeat || values.len() < 2 { "" } else { &filter.separator })?;
    if filter.repeat {
        for text in texts {
            call.pairs.push(pair(Some(text), 1)?);
        }
        return Ok(());
    }
    let count = texts.len();
    call.pairs.push(pair(Some(texts.join(&filter.separator)), count)?);
    Ok(())
}

/// Values as texts of a list. One that holds what is between two would be taken for two.
pub(super) fn list<'v>(column: Option<&Column>, values: impl Iterator<Item = &'v Value>, separator: &str) -> Result<Vec<String>, Refusal> {
    let name = column.map_or("", |column| column.name.as_str());
    let codec = column.and_then(|column| column.codec);
    let one = |value: &Value| {
        let text = form::text(&form::held(value, codec).map_err(Refusal::Data)?);
        match !separator.is_empty() && text.contains(separator) {
            true => Err(Refusal::Data(format!("a value of '{name}' holds '{separator}', which stands between the values of a list"))),
            false => Ok(text),
        }
    };
    values.map(one).collect()
}
