//! Expressions of the IR over the columns of one relation, when that relation comes to stand behind another: every position moves. It must
//! not know plans.

use portico_provider_api::Expr;

/// The expression with every column so many positions further on.
pub fn shifted(mut expression: Expr, by: usize) -> Expr {
    shift(&mut expression, by);
    expression
}

fn shift(expression: &mut Expr, by: usize) {
    if let Expr::Column(index) = expression {
        *index += by;
    }
    // Sub-queries have columns of their own.
    expression.children_mut().into_iter().for_each(|child| shift(child, by));
}
