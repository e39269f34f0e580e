//! JSON arrays and objects in expressions (ABNF, section 5). Their values may be expressions again.

use super::cursor::Cursor;
use super::expression::{Tall, climb, node};
use super::value;
use crate::error::ODataError;
use crate::syntax::{Expr, ExprKind};

/// What begins with `[` or `{`.
pub(super) fn array_or_object(cursor: &mut Cursor<'_>) -> Result<Tall, ODataError> {
    cursor.enter()?;
    let tall = if cursor.peek() == Some('[') { array(cursor) } else { object(cursor) }?;
    cursor.leave();
    Ok(tall)
}

fn array(cursor: &mut Cursor<'_>) -> Result<Tall, ODataError> {
    let start = cursor.mark();
    cursor.expect("[", "before the array")?;
    let (mut items, mut below) = (Vec::new(), 0);
    cursor.skip_space();
    if !cursor.eat("]") {
        loop {
            cursor.skip_space();
            let item = json_value(cursor)?;
            below = below.max(item.height);
            items.push(item.expr);
            cursor.skip_space();
            if cursor.eat("]") {
                break;
            }
            cursor.expect(",", "or ']' in the array")?;
        }
    }
    let span = cursor.span(start);
    node(cursor, ExprKind::Array(items), span, below)
}

fn object(cursor: &mut Cursor<'_>) -> Result<Tall, ODataError> {
    let start = cursor.mark();
    cursor.expect("{", "before the object")?;
    let (mut members, mut below) = (Vec::new(), 0);
    cursor.skip_space();
    if !cursor.eat("}") {
        loop {
            cursor.skip_space();
            cursor.count_node()?;
            let name = text(cursor)?;
            cursor.skip_space();
            cursor.expect(":", "after the name")?;
            cursor.skip_space();
            let value = json_value(cursor)?;
            below = below.max(value.height);
            members.push((name, value.expr));
            cursor.skip_space();
            if cursor.eat("}") {
                break;
            }
            cursor.expect(",", "or '}' in the object")?;
        }
    }
    let span = cursor.span(start);
    node(cursor, ExprKind::Object(members), span, below)
}

fn json_value(cursor: &mut Cursor<'_>) -> Result<Tall, ODataError> {
    if cursor.peek() != Some('"') {
        return climb(cursor, 0);
    }
    let start = cursor.mark();
    let kind = ExprKind::JsonText(text(cursor)?);
    let span = cursor.span(start);
    cursor.count_node()?;
    Ok(Tall { expr: Expr { kind, span }, height: 1 })
}

/// A JSON string with its escapes resolved.
fn text(cursor: &mut Cursor<'_>) -> Result<String, ODataError> {
    let start = cursor.mark();
    let Some(inner) = cursor.take(value::json_text) else { return Err(cursor.unexpected("text in double quotes")) };
    // Half of a surrogate pair is the one mistake that the grammar allows and JSON does not.
    serde_json::from_str(&format!("\"{inner}\"")).map_err(|_| cursor.error_at(start, "the text in double quotes is not valid JSON"))
}
