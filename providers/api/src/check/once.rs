//! Columns that a request has one place for each comparison of: parameters that cannot be given twice. It must not know what compares.

use super::expression::mirrored;
use super::{ExprCheck, Unsupported, describe, unsupported};
use crate::expr::{CompareOp, Expr, Function};
use crate::query::KeySet;

/// How a column is used in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Compared(CompareOp),
    Null,
    Called(Function),
    Otherwise,
}

impl ExprCheck<'_> {
    /// Refuses a second use of the same kind of a column that takes one, among a filter and keys.
    ///
    /// # Errors
    /// Names the column.
    pub fn each_once(&self, filter: Option<&Expr>, keys: Option<&KeySet>) -> Result<(), Unsupported> {
        if !self.rules.iter().any(|rule| rule.once) {
            return Ok(());
        }
        let mut found: Vec<(usize, Use)> = Vec::new();
        if let Some(filter) = filter {
            uses(filter, &mut found);
        }
        found.extend(keys.iter().flat_map(|keys| &keys.columns).map(|column| (*column, Use::Compared(CompareOp::Eq))));
        let repeated = found.iter().enumerate().find(|(at, (column, used))| {
            let once = self.rules.get(*column).is_some_and(|rule| rule.once);
            once && found.iter().take(*at).any(|(other, earlier)| other == column && earlier == used)
        });
        match repeated {
            Some((_, (column, _))) => {
                let column = describe(&Expr::Column(*column), &self.columns);
                Err(unsupported(format!("asking for {column} twice")))
            }
            None => Ok(()),
        }
    }
}

fn uses(expression: &Expr, found: &mut Vec<(usize, Use)>) {
    let used = |expression: &Expr, as_what: Use, found: &mut Vec<(usize, Use)>| match expression.as_column() {
        Some(column) => found.push((column, as_what)),
        None => uses(expression, found),
    };
    match expression {
        Expr::Column(column) => found.push((*column, Use::Otherwise)),
        Expr::Compare { op, left, right } => {
            used(left, Use::Compared(*op), found);
            used(right, Use::Compared(mirrored(*op)), found);
        }
        Expr::InList { expr, list, negated } => {
            used(expr, Use::Compared(if *negated { CompareOp::NotEq } else { CompareOp::Eq }), found);
            list.iter().for_each(|item| uses(item, found));
        }
        Expr::IsNull(inner) => used(inner, Use::Null, found),
        Expr::Call { function, arguments } => arguments.iter().for_each(|argument| used(argument, Use::Called(*function), found)),
        other => other.children().into_iter().for_each(|child| uses(child, found)),
    }
}
