//! PostgreSQL's text cannot hold the character U+0000, so no stored text does, and no parameter may. A comparison with a literal
//! that holds one still has a meaning; this rewrites it into one that PostgreSQL can be asked. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

use portico_provider_api::{CompareOp, Expr, Function, KeySet, SortKey, SourceQuery, Value};

fn has_nul(expression: &Expr) -> Option<&str> {
    if let Expr::Literal(Value::Text(text)) = expression { text.contains('\0').then_some(text) } else { None }
}

/// The query without literals that hold U+0000, wherever their comparison can be said without them.
pub fn rewrite(mut query: SourceQuery) -> SourceQuery {
    query.filter = query.filter.map(expression);
    for output in &mut query.output {
        output.expr = expression(std::mem::replace(&mut output.expr, Expr::And(Vec::new())));
    }
    for key in &mut query.order_by {
        *key = SortKey { expr: expression(key.expr.clone()), ..*key };
    }
    query.keys = query.keys.map(|keys| KeySet { tuples: keys.tuples.into_iter().filter(|tuple| storable(tuple)).collect(), ..keys });
    query
}

/// A tuple with such a text equals no stored one.
fn storable(tuple: &[Value]) -> bool {
    !tuple.iter().any(|value| has_nul(&Expr::Literal(value.clone())).is_some())
}

/// False where the operand is a value, null where it is null.
fn never(operand: Expr) -> Expr {
    Expr::compare(CompareOp::NotEq, operand.clone(), operand)
}

/// True where the operand is a value, null where it is null.
fn always(operand: Expr) -> Expr {
    Expr::compare(CompareOp::Eq, operand.clone(), operand)
}

fn compare(op: CompareOp, operand: Expr, text: &str) -> Expr {
    // Every stored text that begins like the literal ends before the literal's U+0000, or differs from it after a longer prefix:
    // the literal lies directly behind its part before the character.
    let before = Expr::Literal(Value::text(text.split('\0').next().unwrap_or_default()));
    match op {
        CompareOp::Eq => never(operand),
        CompareOp::NotEq => always(operand),
        CompareOp::Lt | CompareOp::LtEq => Expr::compare(CompareOp::LtEq, operand, before),
        CompareOp::Gt | CompareOp::GtEq => Expr::compare(CompareOp::Gt, operand, before),
        CompareOp::IsDistinctFrom => Expr::And(Vec::new()),
        CompareOp::IsNotDistinctFrom => Expr::Or(Vec::new()),
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

fn boxed(inner: Expr) -> Box<Expr> {
    Box::new(expression(inner))
}

fn all(parts: Vec<Expr>) -> Vec<Expr> {
    parts.into_iter().map(expression).collect()
}

/// The expression, rewritten; what is not a comparison keeps its literal, which is refused when it is bound.
pub fn expression(expr: Expr) -> Expr {
    match expr {
        Expr::Compare { op, left, right } => match (has_nul(&left), has_nul(&right)) {
            (None, Some(text)) => compare(op, expression((*left).clone()), text),
            (Some(text), None) => compare(mirrored(op), expression((*right).clone()), text),
            (None, None) | (Some(_), Some(_)) => Expr::Compare { op, left: boxed(*left), right: boxed(*right) },
        },
        Expr::InList { expr, list, negated } => {
            let list: Vec<Expr> = list.into_iter().filter(|item| has_nul(item).is_none()).collect();
            let expr = boxed(*expr);
            match (list.is_empty(), negated) {
                (true, false) => never(*expr),
                (true, true) => always(*expr),
                (false, _) => Expr::InList { expr, list, negated },
            }
        }
        Expr::Call { function, arguments } => call(function, arguments),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(inner) => Expr::Not(boxed(*inner)),
        Expr::IsNull(inner) => Expr::IsNull(boxed(*inner)),
        Expr::Negate(inner) => Expr::Negate(boxed(*inner)),
        Expr::Cast { expr, to } => Expr::Cast { expr: boxed(*expr), to },
        Expr::Arithmetic { op, left, right } => Expr::Arithmetic { op, left: boxed(*left), right: boxed(*right) },
        Expr::Case { branches, otherwise } => Expr::Case {
            branches: branches.into_iter().map(|(when, then)| (expression(when), expression(then))).collect(),
            otherwise: otherwise.map(|otherwise| boxed(*otherwise)),
        },
        Expr::Column(_)
        | Expr::OuterColumn { .. }
        | Expr::Literal(_)
        | Expr::Parameter { .. }
        | Expr::ScalarSubquery(_)
        | Expr::Exists(_)
        | Expr::Window { .. } => expr,
    }
}

/// Looking for such a text in a stored one finds nothing.
fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    let searched = matches!(function, Function::Contains | Function::StartsWith | Function::EndsWith);
    match arguments.as_slice() {
        [text, wanted] if searched && has_nul(wanted).is_some() && has_nul(text).is_none() => never(expression(text.clone())),
        _ => Expr::Call { function, arguments: all(arguments) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_with_nul_keep_their_meaning() {
        let column = || Expr::Column(0);
        let literal = || Expr::Literal(Value::text("ab\0c"));
        let before = || Expr::Literal(Value::text("ab"));
        let rewritten = |op| expression(Expr::compare(op, column(), literal()));
        assert_eq!(rewritten(CompareOp::Eq), Expr::compare(CompareOp::NotEq, column(), column()));
        assert_eq!(rewritten(CompareOp::Lt), Expr::compare(CompareOp::LtEq, column(), before()));
        assert_eq!(rewritten(CompareOp::GtEq), Expr::compare(CompareOp::Gt, column(), before()));
        assert_eq!(expression(Expr::compare(CompareOp::Lt, literal(), column())), Expr::compare(CompareOp::Gt, column(), before()));
        let list = Expr::InList { expr: Box::new(column()), list: vec![literal(), before()], negated: true };
        assert_eq!(expression(list), Expr::InList { expr: Box::new(column()), list: vec![before()], negated: true });
        let contains = Expr::Call { function: Function::Contains, arguments: vec![column(), literal()] };
        assert_eq!(expression(contains), Expr::compare(CompareOp::NotEq, column(), column()));
    }
}
