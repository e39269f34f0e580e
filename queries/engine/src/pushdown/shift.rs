//! Expressions of the IR over the columns of one relation, when that relation comes to stand behind another: every position moves. It must
//! not know plans.
#![deny(clippy::wildcard_enum_match_arm)]

use portico_provider_api::Expr;

/// The expression with every column so many positions further on.
pub fn shifted(mut expression: Expr, by: usize) -> Expr {
    shift(&mut expression, by);
    expression
}

fn shift(expression: &mut Expr, by: usize) {
    match expression {
        Expr::Column(index) => *index += by,
        // Sub-queries have columns of their own.
        Expr::OuterColumn { .. } | Expr::Literal(_) | Expr::Parameter { .. } | Expr::ScalarSubquery(_) | Expr::Exists(_) => {}
        Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
            shift(left, by);
            shift(right, by);
        }
        Expr::InList { expr, list, .. } => {
            shift(expr, by);
            list.iter_mut().for_each(|item| shift(item, by));
        }
        Expr::And(parts) | Expr::Or(parts) => parts.iter_mut().for_each(|part| shift(part, by)),
        Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Cast { expr: inner, .. } => shift(inner, by),
        Expr::Case { branches, otherwise } => {
            for (when, then) in branches {
                shift(when, by);
                shift(then, by);
            }
            otherwise.iter_mut().for_each(|otherwise| shift(otherwise, by));
        }
        Expr::Call { arguments, .. } => arguments.iter_mut().for_each(|argument| shift(argument, by)),
        Expr::Window { arguments, partition_by, order_by, .. } => {
            arguments.iter_mut().chain(partition_by).chain(order_by.iter_mut().map(|key| &mut key.expr)).for_each(|part| shift(part, by));
        }
    }
}
