//! Expressions (ABNF, section 4: `commonExpr`), by precedence climbing. The order is the specification's (URL Conventions, section 5.1.1.17): `has` and `in` bind
//! tighter than unary `not` and `-`, those tighter than arithmetic, that tighter than `gt`…`le`, those tighter than `eq` and `ne`,
//! then `and`, then `or`. So `not a eq b` is `(not a) eq b`, though `not(a eq b)` is common, and both are read.

use super::cursor::{Cursor, MAX_DEPTH};
use super::{json, lexical, literal, member};
use crate::error::ODataError;
use crate::syntax::{BinaryOperator, Expr, ExprKind, LogicalOperator, Span, UnaryOperator};

/// An expression with the height of its tree, which is what recursion over it costs.
pub(super) struct Tall {
    pub(super) expr: Expr,
    pub(super) height: usize,
}

#[derive(Clone, Copy)]
enum Operator {
    Logical(LogicalOperator),
    Binary(BinaryOperator),
}

const OR: u8 = 1;
const AND: u8 = 2;
const UNARY: u8 = 7;

fn operator(word: &str) -> Option<(Operator, u8)> {
    use BinaryOperator::{Add, Div, DivBy, Eq, Ge, Gt, Has, In, Le, Lt, Mod, Mul, Ne, Sub};
    if word.len() > 5 {
        return None;
    }
    let found = match word.to_ascii_lowercase().as_str() {
        "or" => return Some((Operator::Logical(LogicalOperator::Or), OR)),
        "and" => return Some((Operator::Logical(LogicalOperator::And), AND)),
        "eq" => (Eq, 3),
        "ne" => (Ne, 3),
        "gt" => (Gt, 4),
        "ge" => (Ge, 4),
        "lt" => (Lt, 4),
        "le" => (Le, 4),
        "add" => (Add, 5),
        "sub" => (Sub, 5),
        "mul" => (Mul, 6),
        "div" => (Div, 6),
        "divby" => (DivBy, 6),
        "mod" => (Mod, 6),
        "has" => (Has, 8),
        "in" => (In, 8),
        _ => return None,
    };
    Some((Operator::Binary(found.0), found.1))
}

/// Parses one expression from the cursor on; what follows it is the caller's.
pub(super) fn expression(cursor: &mut Cursor<'_>) -> Result<Expr, ODataError> {
    let tall = climb(cursor, 0)?;
    cursor.tallest = cursor.tallest.max(tall.height);
    Ok(tall.expr)
}

/// A key value: a literal or an alias, without operators.
pub(super) fn key_value(cursor: &mut Cursor<'_>) -> Result<Expr, ODataError> {
    let start = cursor.mark();
    if let Some(name) = cursor.take(lexical::alias) {
        return Ok(Expr { kind: ExprKind::Alias(name.to_owned()), span: cursor.span(start) });
    }
    match cursor.literal()? {
        Some(literal) => Ok(Expr { kind: ExprKind::Literal(literal), span: cursor.span(start) }),
        None if cursor.peek() == Some('\'') => Err(unclosed(cursor)),
        None => Err(cursor.unexpected("a key value (text in single quotes, a number, a GUID, a date, …)")),
    }
}

pub(super) fn unclosed(cursor: &Cursor<'_>) -> ODataError {
    let at = cursor.mark();
    cursor.error_at(at, format!("{}: the text that begins at character {} has no closing quote", cursor.target, cursor.span(at).start))
}

pub(super) fn node(cursor: &mut Cursor<'_>, kind: ExprKind, span: Span, below: usize) -> Result<Tall, ODataError> {
    cursor.count_node()?;
    if below >= MAX_DEPTH {
        return Err(cursor.too_deep());
    }
    Ok(Tall { expr: Expr { kind, span }, height: below + 1 })
}

pub(super) fn climb(cursor: &mut Cursor<'_>, least: u8) -> Result<Tall, ODataError> {
    cursor.enter()?;
    let mut left = prefix(cursor)?;
    loop {
        let mark = cursor.mark();
        cursor.skip_space();
        let spaced = cursor.mark() > mark;
        let word = cursor.take(lexical::identifier).and_then(operator);
        let Some((operator, binding)) = word.filter(|(_, binding)| *binding >= least) else {
            cursor.back_to(mark);
            break;
        };
        if !spaced && (cursor.strict() || !cursor.after_delimiter(mark)) {
            cursor.back_to(mark);
            return Err(cursor.unexpected("a space before the operator"));
        }
        if !cursor.space() && cursor.strict() {
            return Err(cursor.unexpected("a space after the operator"));
        }
        left = match operator {
            Operator::Logical(op) => logical(cursor, left, op, binding)?,
            Operator::Binary(op) => binary(cursor, left, op, binding)?,
        };
    }
    cursor.leave();
    Ok(left)
}

fn logical(cursor: &mut Cursor<'_>, left: Tall, op: LogicalOperator, binding: u8) -> Result<Tall, ODataError> {
    let right = climb(cursor, binding + 1)?;
    let span = left.expr.span.to(right.expr.span);
    // A chain of one operator is one node however long it is: clients send hundreds of `eq` joined by `or`.
    match left.expr.kind {
        ExprKind::Logical { op: chain, mut operands } if chain == op => {
            operands.push(right.expr);
            let height = left.height.max(right.height + 1);
            if height > MAX_DEPTH {
                return Err(cursor.too_deep());
            }
            Ok(Tall { expr: Expr { kind: ExprKind::Logical { op, operands }, span }, height })
        }
        _ => {
            let below = left.height.max(right.height);
            node(cursor, ExprKind::Logical { op, operands: vec![left.expr, right.expr] }, span, below)
        }
    }
}

fn binary(cursor: &mut Cursor<'_>, left: Tall, op: BinaryOperator, binding: u8) -> Result<Tall, ODataError> {
    let right = match op {
        BinaryOperator::In if cursor.peek() == Some('(') => list(cursor)?,
        _ => climb(cursor, binding + 1)?,
    };
    let span = left.expr.span.to(right.expr.span);
    let below = left.height.max(right.height);
    node(cursor, ExprKind::Binary { op, left: Box::new(left.expr), right: Box::new(right.expr) }, span, below)
}

fn list(cursor: &mut Cursor<'_>) -> Result<Tall, ODataError> {
    let start = cursor.mark();
    cursor.expect("(", "before the list")?;
    let mut items = Vec::new();
    let mut below = 0;
    cursor.skip_space();
    if !cursor.eat(")") {
        loop {
            cursor.skip_space();
            let item = climb(cursor, 0)?;
            below = below.max(item.height);
            items.push(item.expr);
            cursor.skip_space();
            if cursor.eat(")") {
                break;
            }
            cursor.expect(",", "or ')' in the list")?;
        }
    }
    let span = cursor.span(start);
    node(cursor, ExprKind::List(items), span, below)
}

fn prefix(cursor: &mut Cursor<'_>) -> Result<Tall, ODataError> {
    let start = cursor.mark();
    if let Some(op) = unary(cursor) {
        cursor.skip_space();
        let operand = climb(cursor, UNARY + 1)?;
        let span = cursor.span(start);
        return node(cursor, ExprKind::Unary { op, operand: Box::new(operand.expr) }, span, operand.height);
    }
    if cursor.eat("(") {
        cursor.skip_space();
        let inner = climb(cursor, 0)?;
        cursor.skip_space();
        cursor.expect(")", "to close the parenthesis")?;
        return Ok(Tall { expr: Expr { span: cursor.span(start), ..inner.expr }, height: inner.height });
    }
    if let Some(literal) = cursor.literal()? {
        let span = cursor.span(start);
        return node(cursor, ExprKind::Literal(literal), span, 0);
    }
    match cursor.peek() {
        Some('[' | '{') => json::array_or_object(cursor),
        Some('\'') => Err(unclosed(cursor)),
        _ => member::path(cursor),
    }
}

/// Takes `not` (before a space or parenthesis) or `-` (not the sign of a number, which is part of the literal).
fn unary(cursor: &mut Cursor<'_>) -> Option<UnaryOperator> {
    let mark = cursor.mark();
    let follows = |cursor: &Cursor<'_>| matches!(cursor.peek(), Some(' ' | '\t')) || (cursor.peek() == Some('(') && !cursor.strict());
    if cursor.take(lexical::identifier).is_some_and(|word| word.eq_ignore_ascii_case("not")) && follows(cursor) {
        // A property may be called `not`: then an operator comes next, or nothing.
        let after = cursor.mark();
        cursor.skip_space();
        let next = cursor.take(lexical::identifier);
        let property = next.is_some_and(|word| operator(word).is_some()) && matches!(cursor.peek(), Some(' ' | '\t'));
        if !property {
            cursor.back_to(after);
            return Some(UnaryOperator::Not);
        }
    }
    cursor.back_to(mark);
    if cursor.peek() == Some('-') && cursor.take(literal::literal).is_none() {
        cursor.eat("-");
        return Some(UnaryOperator::Negate);
    }
    cursor.back_to(mark);
    None
}
