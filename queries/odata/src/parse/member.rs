//! Paths and calls in expressions (ABNF, section 4: `firstMemberExpr`, `rootExpr`, `functionExpr`, `methodCallExpr`). What a name stands
//! for is left open.

use super::cursor::Cursor;
use super::expression::{Tall, climb, expression, node};
use super::{apply, lexical, options};
use crate::error::ODataError;
use crate::syntax::{Argument, ExprKind, PathStep, Quantifier, StepKind};

/// What begins neither like a literal nor like JSON: a path, a call or a parameter alias.
pub(super) fn path(cursor: &mut Cursor<'_>) -> Result<Tall, ODataError> {
    let start = cursor.mark();
    let mut steps: Vec<PathStep> = Vec::new();
    let mut below = 0;
    loop {
        cursor.count_node()?;
        let at = cursor.mark();
        if steps.is_empty() && cursor.word("case") && cursor.peek() == Some('(') {
            return case(cursor, start);
        }
        cursor.back_to(at);
        let (kind, height) = step(cursor, steps.is_empty())?;
        below = below.max(height);
        let keyed = matches!(kind, StepKind::Call { .. } | StepKind::Filter(_)) && cursor.peek() == Some('(');
        steps.push(PathStep { kind, span: cursor.span(at) });
        if keyed {
            let at = cursor.mark();
            cursor.eat("(");
            let (arguments, height) = arguments(cursor)?;
            below = below.max(height);
            steps.push(PathStep { kind: StepKind::Key(arguments), span: cursor.span(at) });
        }
        if !cursor.eat("/") {
            break;
        }
    }
    let span = cursor.span(start);
    if steps.len() == 1 {
        match steps.pop().map(|step| step.kind) {
            Some(StepKind::Call { name, arguments }) => return node(cursor, ExprKind::Call { name, arguments }, span, below),
            Some(StepKind::Annotation(name)) if !name.contains(['.', '#']) => return node(cursor, ExprKind::Alias(name), span, 0),
            Some(kind) => steps.push(PathStep { kind, span }),
            None => {}
        }
    }
    node(cursor, ExprKind::Path(steps), span, below)
}

/// One step, and the height of the tallest expression in it.
fn step(cursor: &mut Cursor<'_>, first: bool) -> Result<(StepKind, usize), ODataError> {
    if let Some(name) = cursor.take(lexical::special) {
        if cursor.peek() != Some('(') {
            return Ok((StepKind::Special(name.to_owned()), 0));
        }
        return match name {
            "$count" => {
                cursor.eat("(");
                let (options, height) = options::nested(cursor, &["$filter", "$search"])?;
                Ok((StepKind::Count(Box::new(options)), height))
            }
            "$filter" if !first => filter(cursor),
            _ => Err(cursor.unexpected("'/' or an operator")),
        };
    }
    if cursor.peek() == Some('@') {
        let Some(name) = cursor.take(lexical::annotation) else { return Err(cursor.unexpected("a parameter alias or annotation")) };
        return Ok((StepKind::Annotation(name.to_owned()), 0));
    }
    let Some(name) = cursor.take(lexical::qualified_name) else {
        if let Some(key) = (!first).then(|| cursor.take(lexical::key_step)).flatten() {
            return Ok((StepKind::Name(key.to_owned()), 0));
        }
        let expected = if first { "a property, literal or function" } else { "a name after '/'" };
        return Err(cursor.unexpected(expected));
    };
    if cursor.peek() != Some('(') {
        return Ok((StepKind::Name(name.to_owned()), 0));
    }
    cursor.eat("(");
    match name.to_ascii_lowercase().as_str() {
        "any" if !first => lambda(cursor, Quantifier::Any),
        "all" if !first => lambda(cursor, Quantifier::All),
        "aggregate" if !first && (name == "aggregate" || !cursor.strict()) => {
            let (item, height) = apply::aggregate_function(cursor)?;
            Ok((StepKind::Aggregate(Box::new(item)), height))
        }
        _ => {
            let (arguments, height) = arguments(cursor)?;
            Ok((StepKind::Call { name: name.to_owned(), arguments }, height))
        }
    }
}

fn filter(cursor: &mut Cursor<'_>) -> Result<(StepKind, usize), ODataError> {
    cursor.expect("(", "before the condition")?;
    cursor.skip_stray_space();
    let condition = climb(cursor, 0)?;
    cursor.skip_stray_space();
    cursor.expect(")", "or an operator after the condition")?;
    Ok((StepKind::Filter(Box::new(condition.expr)), condition.height))
}

fn lambda(cursor: &mut Cursor<'_>, quantifier: Quantifier) -> Result<(StepKind, usize), ODataError> {
    cursor.skip_space();
    if cursor.peek() == Some(')') && (quantifier == Quantifier::Any || !cursor.strict()) {
        cursor.eat(")");
        return Ok((StepKind::Lambda { quantifier, body: None }, 0));
    }
    let Some(variable) = cursor.take(lexical::identifier) else { return Err(cursor.unexpected("a variable, as in any(x:x/Name eq 'a')")) };
    cursor.skip_space();
    cursor.expect(":", "after the variable")?;
    cursor.skip_space();
    let predicate = climb(cursor, 0)?;
    cursor.skip_space();
    cursor.expect(")", "to close the parenthesis")?;
    Ok((StepKind::Lambda { quantifier, body: Some((variable.to_owned(), Box::new(predicate.expr))) }, predicate.height))
}

/// Arguments after the opening parenthesis, with or without names.
pub(super) fn arguments(cursor: &mut Cursor<'_>) -> Result<(Vec<Argument>, usize), ODataError> {
    let mut arguments = Vec::new();
    let mut below = 0;
    cursor.skip_space();
    if cursor.eat(")") {
        return Ok((arguments, below));
    }
    loop {
        cursor.skip_space();
        let name = cursor.name_and_equals().map(str::to_owned);
        let value = climb(cursor, 0)?;
        below = below.max(value.height);
        arguments.push(Argument { name, value: value.expr });
        cursor.skip_space();
        if cursor.eat(")") {
            return Ok((arguments, below));
        }
        cursor.expect(",", "or ')' after the argument")?;
    }
}

/// `case(…)` from its parenthesis on. A time without seconds ends in what could be the colon after a condition (`10:20`), and is read
/// as a time; a blank before the colon tells the two apart.
fn case(cursor: &mut Cursor<'_>, start: usize) -> Result<Tall, ODataError> {
    cursor.expect("(", "before the conditions")?;
    let (mut branches, mut below) = (Vec::new(), 0);
    loop {
        cursor.skip_space();
        let condition = climb(cursor, 0)?;
        cursor.skip_space();
        cursor.expect(":", "after the condition")?;
        cursor.skip_space();
        let value = climb(cursor, 0)?;
        below = below.max(condition.height).max(value.height);
        branches.push((condition.expr, value.expr));
        cursor.skip_space();
        if cursor.eat(")") {
            let span = cursor.span(start);
            return node(cursor, ExprKind::Case(branches), span, below);
        }
        cursor.expect(",", "or ')' after the value")?;
    }
}

/// A path without operators, as grouping and hierarchies take it.
pub(super) fn bare_path(cursor: &mut Cursor<'_>) -> Result<crate::syntax::Expr, ODataError> {
    let tall = path(cursor)?;
    cursor.tallest = cursor.tallest.max(tall.height);
    Ok(tall.expr)
}

/// An expression after whose end blanks may stand.
pub(super) fn spaced_expression(cursor: &mut Cursor<'_>) -> Result<crate::syntax::Expr, ODataError> {
    cursor.skip_space();
    let expr = expression(cursor)?;
    cursor.skip_space();
    Ok(expr)
}
