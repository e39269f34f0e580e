//! The system query options, at the top of a request and nested in `$expand`.

use super::cursor::Cursor;
use super::expression::expression;
use super::lexical;
use crate::error::ODataError;
use crate::syntax::{ExpandItem, Options, OrderItem, SelectItem};
use portico_catalog::names::nearest;

/// Every system query option of the protocol. Those in the second list are recognised and refused.
const SUPPORTED: [&str; 9] = ["$filter", "$select", "$orderby", "$expand", "$top", "$skip", "$count", "$format", "$skiptoken"];
const RECOGNISED: [&str; 8] = ["$search", "$apply", "$compute", "$levels", "$deltatoken", "$schemaversion", "$index", "$id"];

/// Options of the temporal extension; only with `$`, because without it they are likely names of custom options.
const TEMPORAL: [&str; 4] = ["$at", "$from", "$to", "$toinclusive"];

/// The canonical name (`$filter`) of a system query option as written: with or without `$`, in any letter case. `None` when it is not
/// one, which without a `$` makes it a custom option.
///
/// # Errors
/// An option that is not supported, or a name with `$` that is none.
pub(super) fn canonical(written: &str, place: &str) -> Result<Option<&'static str>, ODataError> {
    let lower = written.to_ascii_lowercase();
    let wanted = if lower.starts_with('$') { lower } else { format!("${lower}") };
    if let Some(name) = SUPPORTED.into_iter().find(|name| *name == wanted) {
        return Ok(Some(name));
    }
    if let Some(name) = RECOGNISED.into_iter().find(|name| *name == wanted) {
        return Err(ODataError::not_implemented(format!("the query option {name}{place}")).at(name, None));
    }
    if !written.starts_with('$') {
        return Ok(None);
    }
    if let Some(name) = TEMPORAL.into_iter().find(|name| *name == wanted) {
        return Err(ODataError::not_implemented(format!("the query option {name}{place}")).at(name, None));
    }
    let hint = nearest(&wanted, SUPPORTED).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
    Err(ODataError::bad_request(format!("there is no query option '{written}'{hint}")).at(written, None))
}

/// Parses the value of an option from the cursor on and stores it. `name` is canonical. What follows the value is the caller's.
pub(super) fn option(cursor: &mut Cursor<'_>, name: &'static str, options: &mut Options) -> Result<(), ODataError> {
    cursor.skip_space();
    match name {
        "$filter" => options.filter = Some(expression(cursor)?),
        "$select" => options.select = Some(select(cursor)?),
        "$orderby" => options.order_by = Some(order_by(cursor)?),
        "$expand" => options.expand = Some(expand(cursor)?),
        "$top" => options.top = Some(number(cursor, name)?),
        "$skip" => options.skip = Some(number(cursor, name)?),
        "$count" => options.count = Some(boolean(cursor)?),
        _ => return Err(cursor.error_at(cursor.mark(), format!("the query option {name} cannot stand here"))),
    }
    cursor.skip_space();
    Ok(())
}

/// Whether an option is given for the first time.
pub(super) fn refuse_duplicate(options: &Options, name: &str) -> Result<(), ODataError> {
    let given = match name {
        "$filter" => options.filter.is_some(),
        "$select" => options.select.is_some(),
        "$orderby" => options.order_by.is_some(),
        "$expand" => options.expand.is_some(),
        "$top" => options.top.is_some(),
        "$skip" => options.skip.is_some(),
        "$count" => options.count.is_some(),
        "$format" => options.format.is_some(),
        "$skiptoken" => options.skip_token.is_some(),
        _ => false,
    };
    if given { Err(duplicate(name)) } else { Ok(()) }
}

fn duplicate(name: &str) -> ODataError {
    ODataError::bad_request(format!("the query option {name} is given twice")).at(name, None)
}

fn number(cursor: &mut Cursor<'_>, name: &str) -> Result<u64, ODataError> {
    let start = cursor.mark();
    let Some(digits) = cursor.take(lexical::unsigned) else { return Err(cursor.unexpected("a whole number from 0")) };
    digits.parse().map_err(|_| cursor.error_at(start, format!("the value of {name} is greater than {}", u64::MAX)))
}

fn boolean(cursor: &mut Cursor<'_>) -> Result<bool, ODataError> {
    let mark = cursor.mark();
    match cursor.take(lexical::identifier).map(str::to_ascii_lowercase).as_deref() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => {
            cursor.back_to(mark);
            Err(cursor.unexpected("true or false"))
        }
    }
}

/// Items with commas between.
fn items<'a, T>(cursor: &mut Cursor<'a>, item: fn(&mut Cursor<'a>) -> Result<T, ODataError>) -> Result<Vec<T>, ODataError> {
    let mut items = Vec::new();
    loop {
        cursor.skip_space();
        cursor.count_node()?;
        items.push(item(cursor)?);
        cursor.skip_space();
        if !cursor.eat(",") {
            return Ok(items);
        }
    }
}

fn order_by(cursor: &mut Cursor<'_>) -> Result<Vec<OrderItem>, ODataError> {
    items(cursor, |cursor| {
        let expr = expression(cursor)?;
        let mark = cursor.mark();
        cursor.skip_space();
        let word = cursor.take(lexical::identifier).map(str::to_ascii_lowercase);
        let descending = match word.as_deref() {
            Some("desc") => true,
            Some("asc") => false,
            _ => {
                cursor.back_to(mark);
                cursor.skip_space();
                if !matches!(cursor.peek(), None | Some(',' | ';' | ')')) {
                    return Err(cursor.unexpected("asc, desc, ',' or an operator"));
                }
                false
            }
        };
        Ok(OrderItem { expr, descending })
    })
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
        } else if cursor.peek() == Some('@') {
            return Err(cursor.not_implemented_at(cursor.mark(), "an annotation in $select or $expand"));
        } else {
            return Err(cursor.unexpected("a property name or '*'"));
        };
        path.push(name);
        if !cursor.eat("/") {
            return Ok(path);
        }
    }
}

fn select(cursor: &mut Cursor<'_>) -> Result<Vec<SelectItem>, ODataError> {
    items(cursor, |cursor| {
        let start = cursor.mark();
        let path = item_path(cursor)?;
        let span = cursor.span(start);
        let has_options = cursor.eat("(");
        if has_options {
            // Parameter names in parentheses choose an overload of an operation.
            let inside = cursor.mark();
            if cursor.take(lexical::identifier).is_some() && matches!(cursor.peek(), Some(',' | ')')) {
                return Err(cursor.not_implemented_at(start, "an operation in $select"));
            }
            cursor.back_to(inside);
            nested(cursor)?;
        }
        Ok(SelectItem { path, has_options, span })
    })
}

fn expand(cursor: &mut Cursor<'_>) -> Result<Vec<ExpandItem>, ODataError> {
    items(cursor, |cursor| {
        let start = cursor.mark();
        let path = item_path(cursor)?;
        let span = cursor.span(start);
        let options = if cursor.eat("(") { nested(cursor)? } else { Options::default() };
        Ok(ExpandItem { path, options, span })
    })
}

/// Options with `;` between, up to the closing parenthesis.
fn nested(cursor: &mut Cursor<'_>) -> Result<Options, ODataError> {
    cursor.enter()?;
    let mut options = Options::default();
    let mut count = 0;
    loop {
        cursor.skip_space();
        if count > 0 && cursor.peek() == Some(')') {
            // A semicolon before the parenthesis is tolerated, as an empty option is at the top.
            break;
        }
        nested_option(cursor, &mut options)?;
        count += 1;
        cursor.skip_space();
        if cursor.eat(";") {
            continue;
        }
        break;
    }
    cursor.expect(")", "or ';' after the nested option")?;
    cursor.leave();
    Ok(options)
}

fn nested_option(cursor: &mut Cursor<'_>, options: &mut Options) -> Result<(), ODataError> {
    cursor.count_node()?;
    let start = cursor.mark();
    if cursor.take(lexical::alias).is_some() {
        return Err(cursor.not_implemented_at(start, "a parameter alias defined inside parentheses"));
    }
    let Some(written) = cursor.take(lexical::special).or_else(|| cursor.take(lexical::identifier)) else {
        return Err(cursor.unexpected("a nested query option such as $filter or $select"));
    };
    let position = Some(cursor.span(start).start);
    let name = canonical(written, " inside parentheses").map_err(|error| error.at(cursor.target, position))?;
    let Some(name) = name.filter(|name| !matches!(*name, "$format" | "$skiptoken")) else {
        return Err(cursor.error_at(start, format!("'{written}' cannot stand inside parentheses")));
    };
    if cursor.take(lexical::equals).is_none() {
        return Err(cursor.unexpected(&format!("'=' after {name}")));
    }
    refuse_duplicate(options, name).map_err(|error| error.at(cursor.target, position))?;
    option(cursor, name, options)
}
