//! `$search` (ABNF, section 2: `searchExpr`). `AND`, `OR` and `NOT` are operators only where an operator can stand; elsewhere they are
//! words like any other. `NOT` binds tighter than `AND`, written or implied, and that tighter than `OR`.

use super::cursor::Cursor;
use crate::error::ODataError;
use crate::syntax::{Search, SearchKind, Span};

/// A whole search expression; what follows it is the caller's.
pub(super) fn search(cursor: &mut Cursor<'_>) -> Result<Search, ODataError> {
    cursor.skip_space();
    if cursor.peek() == Some('\'') {
        return incomplete(cursor);
    }
    alternatives(cursor)
}

/// What a person has typed so far: text in single quotes, not read any further.
fn incomplete(cursor: &mut Cursor<'_>) -> Result<Search, ODataError> {
    let start = cursor.mark();
    cursor.eat("'");
    let mut text = String::new();
    loop {
        cursor.count_node()?;
        let rest = cursor.rest();
        let Some(end) = rest.find('\'') else {
            cursor.back_to(start);
            return Err(super::expression::unclosed(cursor));
        };
        text.push_str(rest.get(..end).unwrap_or_default());
        cursor.back_to(cursor.mark() + end);
        if !cursor.eat("''") {
            cursor.eat("'");
            return Ok(Search { kind: SearchKind::Incomplete(text), span: cursor.span(start) });
        }
        text.push('\'');
    }
}

fn alternatives(cursor: &mut Cursor<'_>) -> Result<Search, ODataError> {
    cursor.enter()?;
    let mut found = vec![conjunction(cursor)?];
    while operator(cursor, "OR") {
        found.push(conjunction(cursor)?);
    }
    cursor.leave();
    Ok(joined(found, SearchKind::Or))
}

fn conjunction(cursor: &mut Cursor<'_>) -> Result<Search, ODataError> {
    let mut found = vec![operand(cursor)?];
    loop {
        let mark = cursor.mark();
        if operator(cursor, "AND") {
            found.push(operand(cursor)?);
            continue;
        }
        // Side by side means AND, unless what follows is `OR` as an operator.
        if operator(cursor, "OR") || !cursor.space() || !begins_operand(cursor) {
            cursor.back_to(mark);
            break;
        }
        found.push(operand(cursor)?);
    }
    Ok(joined(found, SearchKind::And))
}

fn joined(mut found: Vec<Search>, kind: fn(Vec<Search>) -> SearchKind) -> Search {
    let span = found.iter().map(|search| search.span).reduce(Span::to).unwrap_or_default();
    match (found.len(), found.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            found.extend(last);
            Search { kind: kind(found), span }
        }
    }
}

fn begins_operand(cursor: &Cursor<'_>) -> bool {
    cursor.peek().is_some_and(|c| matches!(c, '(' | '"') || (c != '\'' && in_word(cursor, c, cursor.mark())))
}

/// Takes an operator with the blanks around it, if an operand follows.
fn operator(cursor: &mut Cursor<'_>, word: &str) -> bool {
    let mark = cursor.mark();
    let found = cursor.space() && cursor.eat(word) && cursor.space() && begins_operand(cursor);
    if !found {
        cursor.back_to(mark);
    }
    found
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Search, ODataError> {
    cursor.count_node()?;
    let start = cursor.mark();
    if cursor.eat("NOT") && cursor.space() && begins_operand(cursor) {
        cursor.enter()?;
        let negated = operand(cursor)?;
        cursor.leave();
        return Ok(Search { kind: SearchKind::Not(Box::new(negated)), span: cursor.span(start) });
    }
    cursor.back_to(start);
    if cursor.eat("(") {
        cursor.skip_space();
        let inner = alternatives(cursor)?;
        cursor.skip_space();
        cursor.expect(")", "to close the parenthesis")?;
        return Ok(Search { span: cursor.span(start), ..inner });
    }
    if cursor.peek() == Some('"') { phrase(cursor) } else { word(cursor) }
}

fn phrase(cursor: &mut Cursor<'_>) -> Result<Search, ODataError> {
    let start = cursor.mark();
    cursor.eat("\"");
    let rest = cursor.rest();
    let Some(end) = rest.find('"') else {
        cursor.back_to(start);
        let message = format!("{}: the phrase that begins at character {} has no closing quote", cursor.target, cursor.span(start).start);
        return Err(cursor.error_at(start, message));
    };
    let text = rest.get(..end).unwrap_or_default();
    if text.trim().is_empty() {
        return Err(cursor.unexpected("words before the closing quote"));
    }
    cursor.back_to(cursor.mark() + end);
    cursor.eat("\"");
    if !matches!(cursor.peek(), None | Some(' ' | '\t' | ')' | ';')) {
        return Err(cursor.unexpected("a space after the phrase"));
    }
    Ok(Search { kind: SearchKind::Phrase(text.to_owned()), span: cursor.span(start) })
}

fn word(cursor: &mut Cursor<'_>) -> Result<Search, ODataError> {
    let start = cursor.mark();
    let rest = cursor.rest();
    let end = rest.char_indices().find(|(offset, c)| !in_word(cursor, *c, start + offset)).map_or(rest.len(), |(offset, _)| offset);
    if end == 0 || rest.starts_with('\'') {
        return Err(cursor.unexpected("a word, a phrase in double quotes or '('"));
    }
    cursor.back_to(start + end);
    let text = rest.get(..end).unwrap_or_default().to_owned();
    Ok(Search { kind: SearchKind::Word(text), span: cursor.span(start) })
}

/// Whether a character belongs to a word. A semicolon does only where it is escaped: raw, it ends a nested option.
fn in_word(cursor: &Cursor<'_>, c: char, offset: usize) -> bool {
    match c {
        ' ' | '\t' | '(' | ')' | '"' => false,
        ';' => cursor.is_escaped(offset),
        '[' | ']' | '{' | '}' | '\\' => !cursor.strict() || cursor.is_escaped(offset),
        _ => true,
    }
}
