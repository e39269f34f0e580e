//! Items of `$select`, `$expand`, `$orderby` and `$compute` (ABNF, section 2). What their names stand for is left open.

use super::cursor::Cursor;
use super::expression::expression;
use super::{lexical, options};
use crate::error::ODataError;
use crate::syntax::{ComputeItem, ExpandItem, Name, Options, OrderItem, SelectItem};

/// Items with commas between.
pub(super) fn items<'a, T>(cursor: &mut Cursor<'a>, item: fn(&mut Cursor<'a>) -> Result<T, ODataError>) -> Result<Vec<T>, ODataError> {
    let mut items = Vec::new();
    loop {
        cursor.skip_stray_space();
        cursor.count_node()?;
        items.push(item(cursor)?);
        cursor.skip_stray_space();
        if !cursor.eat(",") {
            return Ok(items);
        }
    }
}

/// An expression and perhaps a direction.
pub(super) fn order_item(cursor: &mut Cursor<'_>) -> Result<OrderItem, ODataError> {
    let expr = expression(cursor)?;
    let mark = cursor.mark();
    let spaced = cursor.space() || (!cursor.strict() && cursor.after_delimiter(mark));
    let word = cursor.take(lexical::identifier).filter(|_| spaced).map(str::to_ascii_lowercase);
    let descending = match word.as_deref() {
        Some("desc") => true,
        Some("asc") => false,
        _ => {
            cursor.back_to(mark);
            cursor.skip_space();
            if !matches!(cursor.peek(), None | Some(',' | ';' | ')')) {
                return Err(cursor.unexpected("asc, desc, ',' or an operator"));
            }
            cursor.back_to(mark);
            false
        }
    };
    Ok(OrderItem { expr, descending })
}

/// An expression, `as`, and a name.
pub(super) fn compute_item(cursor: &mut Cursor<'_>) -> Result<ComputeItem, ODataError> {
    let expr = expression(cursor)?;
    let mark = cursor.mark();
    // The grammar of `$compute` has this keyword in any letter case.
    let found = cursor.space() && cursor.take(lexical::identifier).is_some_and(|word| word.eq_ignore_ascii_case("as")) && cursor.space();
    if !found {
        cursor.back_to(mark);
        cursor.skip_space();
        return Err(cursor.unexpected("'as' and a name, or an operator"));
    }
    let start = cursor.mark();
    let Some(name) = cursor.take(lexical::identifier) else { return Err(cursor.unexpected("a name after 'as'")) };
    Ok(ComputeItem { expr, name: Name { text: name.to_owned(), span: cursor.span(start) } })
}

/// Names with `/` between; `*` and `$…` steps are for the binder to judge.
fn item_path(cursor: &mut Cursor<'_>) -> Result<Vec<String>, ODataError> {
    let mut path = Vec::new();
    loop {
        cursor.count_node()?;
        let name = if cursor.eat("*") {
            "*".to_owned()
        } else if let Some(name) = cursor.take(lexical::special) {
            name.to_owned()
        } else if let Some(name) = cursor.take(lexical::qualified_name) {
            let wildcard = cursor.eat(".*");
            if wildcard { format!("{name}.*") } else { name.to_owned() }
        } else if let Some(name) = cursor.take(lexical::annotation) {
            name.to_owned()
        } else {
            return Err(cursor.unexpected("a property name or '*'"));
        };
        path.push(name);
        if !cursor.eat("/") {
            return Ok(path);
        }
    }
}

/// One item of `$select`.
pub(super) fn select_item(cursor: &mut Cursor<'_>) -> Result<SelectItem, ODataError> {
    let start = cursor.mark();
    let path = item_path(cursor)?;
    let span = cursor.span(start);
    let mut item = SelectItem { path, options: None, parameters: None, span };
    if cursor.eat("(") {
        // Parameter names in parentheses choose an overload of an operation.
        match parameters(cursor) {
            Some(parameters) => item.parameters = Some(parameters),
            None => item.options = Some(nested(cursor)?),
        }
    }
    Ok(item)
}

/// Identifiers with commas between, up to the closing parenthesis; takes nothing if something else stands there.
fn parameters(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mark = cursor.mark();
    let mut parameters = Vec::new();
    loop {
        cursor.skip_stray_space();
        let name = cursor.take(lexical::identifier);
        cursor.skip_stray_space();
        let Some(name) = name.filter(|_| matches!(cursor.peek(), Some(',' | ')'))) else {
            cursor.back_to(mark);
            return None;
        };
        parameters.push(name.to_owned());
        if cursor.eat(")") {
            return Some(parameters);
        }
        cursor.eat(",");
    }
}

/// One item of `$expand`.
pub(super) fn expand_item(cursor: &mut Cursor<'_>) -> Result<ExpandItem, ODataError> {
    let start = cursor.mark();
    let path = item_path(cursor)?;
    let span = cursor.span(start);
    if !cursor.eat("(") {
        return Ok(ExpandItem { path, options: Options::default(), text: String::new(), span });
    }
    let (inside, from) = (cursor.rest(), cursor.mark());
    let options = nested(cursor)?;
    let text = inside.get(..cursor.mark() - from).map(|text| text.strip_suffix(')').unwrap_or(text)).unwrap_or_default();
    Ok(ExpandItem { path, options, text: text.to_owned(), span })
}

fn nested(cursor: &mut Cursor<'_>) -> Result<Options, ODataError> {
    options::nested(cursor, &[]).map(|(options, _)| options)
}
