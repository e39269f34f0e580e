//! The system query options (ABNF, section 2), at the top of a request and nested in parentheses.

use super::cursor::{Cursor, MAX_DEPTH};
use super::expression::expression;
use super::items::{compute_item, expand_item, items, order_item, select_item};
use super::{Strictness, apply, lexical, search};
use crate::error::ODataError;
use crate::syntax::{Alias, Levels, Options, TemporalBound, TemporalKind, TemporalOption};
use portico_catalog::names::nearest;

/// Every system query option of the protocol that may be written with or without `$`.
const OPTIONS: [&str; 16] = [
    "$filter",
    "$select",
    "$orderby",
    "$expand",
    "$top",
    "$skip",
    "$count",
    "$format",
    "$search",
    "$apply",
    "$compute",
    "$levels",
    "$schemaversion",
    "$index",
    "$id",
    "$skiptoken",
];

/// Options that the grammar has only with `$`. Without it they are likely names of custom options, but for `skiptoken`, which is taken
/// either way outside strict mode.
const WITH_DOLLAR: [&str; 6] = ["$skiptoken", "$deltatoken", "$at", "$from", "$to", "$toinclusive"];

/// Options that stand only in parentheses, and options that never do.
const ONLY_NESTED: [&str; 1] = ["$levels"];
const ONLY_AT_TOP: [&str; 6] = ["$format", "$skiptoken", "$deltatoken", "$schemaversion", "$index", "$id"];

/// The canonical name (`$filter`) of a system query option as written: with or without `$`, in any letter case. `None` when it is not
/// one, which without a `$` makes it a custom option.
///
/// # Errors
/// A name with `$` that is none.
pub(super) fn canonical(written: &str, nested: bool, strictness: Strictness) -> Result<Option<&'static str>, ODataError> {
    let lower = written.to_ascii_lowercase();
    let dollar = lower.starts_with('$');
    let wanted = if dollar { lower } else { format!("${lower}") };
    let known = OPTIONS.into_iter().chain(WITH_DOLLAR).find(|name| *name == wanted);
    let needs_dollar = known.is_some_and(|name| WITH_DOLLAR.contains(&name) && (strictness.is_strict() || name != "$skiptoken"));
    let elsewhere = if nested { ONLY_AT_TOP.as_slice() } else { ONLY_NESTED.as_slice() };
    match known {
        Some(_) if !dollar && needs_dollar => Ok(None),
        Some(name) if elsewhere.contains(&name) => {
            if !dollar && !nested {
                return Ok(None);
            }
            let place = if nested { "cannot stand inside parentheses" } else { "stands only in parentheses, in $expand" };
            Err(ODataError::bad_request(format!("'{written}' {place}")).at(name, None))
        }
        Some(name) => Ok(Some(name)),
        None if !dollar => Ok(None),
        None => {
            let hint = nearest(&wanted, OPTIONS).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
            Err(ODataError::bad_request(format!("there is no query option '{written}'{hint}")).at(written, None))
        }
    }
}

/// Parses the value of an option from the cursor on and stores it. `name` is canonical. What follows the value is the caller's.
pub(super) fn option(cursor: &mut Cursor<'_>, name: &'static str, options: &mut Options) -> Result<(), ODataError> {
    cursor.skip_stray_space();
    match name {
        "$filter" => options.filter = Some(expression(cursor)?),
        "$select" => options.select = Some(items(cursor, select_item)?),
        "$orderby" => options.order_by = Some(items(cursor, order_item)?),
        "$expand" => options.expand = Some(items(cursor, expand_item)?),
        "$compute" => options.compute = Some(items(cursor, compute_item)?),
        "$search" => options.search = Some(search::search(cursor)?),
        "$apply" => options.apply = Some(apply::sequence(cursor)?),
        "$top" => options.top = Some(number(cursor, name)?),
        "$skip" => options.skip = Some(number(cursor, name)?),
        "$count" => options.count = Some(boolean(cursor)?),
        "$levels" => options.levels = Some(levels(cursor)?),
        "$index" => options.index = Some(index(cursor)?),
        "$at" => temporal(cursor, TemporalKind::At, options)?,
        "$from" => temporal(cursor, TemporalKind::From, options)?,
        "$to" => temporal(cursor, TemporalKind::To, options)?,
        "$toinclusive" => temporal(cursor, TemporalKind::ToInclusive, options)?,
        _ => return Err(cursor.error_at(cursor.mark(), format!("the query option {name} cannot stand here"))),
    }
    cursor.skip_stray_space();
    Ok(())
}

/// Stores an option whose value is taken as it stands. `None` when the option is not of that sort.
pub(super) fn whole(cursor: &Cursor<'_>, name: &'static str, options: &mut Options) -> Option<Result<(), ODataError>> {
    let text = if cursor.strict() { cursor.rest() } else { cursor.rest().trim() };
    let place = match name {
        "$format" => &mut options.format,
        "$skiptoken" => &mut options.skip_token,
        "$deltatoken" => &mut options.delta_token,
        "$schemaversion" => &mut options.schema_version,
        "$id" => &mut options.id,
        _ => return None,
    };
    let printable = || text.chars().all(|c| !c.is_whitespace() && !matches!(c, '"' | '{' | '}' | '[' | ']' | '\\'));
    let (fits, expected) = match name {
        "$schemaversion" => (
            text == "*" || (!text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))),
            "'*' or a version of letters, digits, '-', '.', '_' and '~'",
        ),
        "$format" if cursor.strict() => {
            let short = ["atom", "json", "xml"].iter().any(|short| text.eq_ignore_ascii_case(short));
            let media =
                || text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty() && !rest.contains(['/', '?']));
            (short || (media() && printable()), "json, xml, atom or a media type")
        }
        "$skiptoken" | "$deltatoken" | "$id" if cursor.strict() => {
            (!text.is_empty() && printable(), "a value without blanks, brackets and quotes")
        }
        _ => (true, ""),
    };
    if !fits {
        return Some(Err(cursor.unexpected(expected)));
    }
    *place = Some(text.to_owned());
    Some(Ok(()))
}

/// Whether an option has been given already.
pub(super) fn is_given(options: &Options, name: &str) -> bool {
    options.given().any(|given| given == name)
}

pub(super) fn duplicate(name: &str) -> ODataError {
    ODataError::bad_request(format!("the query option {name} is given twice")).at(name, None)
}

fn number(cursor: &mut Cursor<'_>, name: &str) -> Result<u64, ODataError> {
    let start = cursor.mark();
    let Some(digits) = cursor.take(lexical::unsigned) else { return Err(cursor.unexpected("a whole number from 0")) };
    digits.parse().map_err(|_| cursor.error_at(start, format!("the value of {name} is greater than {}", u64::MAX)))
}

fn index(cursor: &mut Cursor<'_>) -> Result<i64, ODataError> {
    let start = cursor.mark();
    let negative = cursor.eat("-");
    let Some(digits) = cursor.take(lexical::unsigned) else { return Err(cursor.unexpected("a whole number, perhaps negative")) };
    let too_far = |_| cursor.error_at(start, format!("the value of $index is beyond {}", i64::MAX));
    digits.parse::<i64>().map(|index| if negative { -index } else { index }).map_err(too_far)
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

fn levels(cursor: &mut Cursor<'_>) -> Result<Levels, ODataError> {
    let mark = cursor.mark();
    if cursor.take(lexical::identifier).is_some_and(|word| word.eq_ignore_ascii_case("max")) {
        return Ok(Levels::Max);
    }
    cursor.back_to(mark);
    match cursor.take(lexical::unsigned).filter(|digits| !digits.starts_with('0')) {
        Some(digits) => Ok(digits.parse().map_or(Levels::Max, Levels::Count)),
        None => {
            cursor.back_to(mark);
            Err(cursor.unexpected("max or a whole number from 1, without leading zeros"))
        }
    }
}

fn temporal(cursor: &mut Cursor<'_>, kind: TemporalKind, options: &mut Options) -> Result<(), ODataError> {
    let mark = cursor.mark();
    let word = cursor.take(lexical::identifier).map(str::to_ascii_lowercase);
    let ends = matches!(cursor.peek(), None | Some(';' | ')'));
    let bound = match word.as_deref() {
        Some("min") if ends => TemporalBound::Min,
        Some("max") if ends => TemporalBound::Max,
        _ => {
            cursor.back_to(mark);
            TemporalBound::Expr(expression(cursor)?)
        }
    };
    options.temporal.push(TemporalOption { kind, bound });
    Ok(())
}

/// Options with `;` between, up to the closing parenthesis, and the height of the tallest expression in them. Only those in `allowed`
/// may stand there, unless it is empty.
pub(super) fn nested(cursor: &mut Cursor<'_>, allowed: &[&str]) -> Result<(Options, usize), ODataError> {
    cursor.enter()?;
    let outer = std::mem::take(&mut cursor.tallest);
    let mut options = Options::default();
    let mut count = 0;
    loop {
        cursor.skip_stray_space();
        if count > 0 && !cursor.strict() && cursor.peek() == Some(')') {
            // A semicolon before the parenthesis is tolerated, as an empty option is at the top.
            break;
        }
        nested_option(cursor, &mut options, allowed)?;
        count += 1;
        cursor.skip_stray_space();
        if cursor.eat(";") {
            continue;
        }
        break;
    }
    cursor.expect(")", "or ';' after the nested option")?;
    cursor.leave();
    let height = cursor.tallest + 1;
    cursor.tallest = outer.max(height);
    if height > MAX_DEPTH {
        return Err(cursor.too_deep());
    }
    Ok((options, height))
}

fn nested_option(cursor: &mut Cursor<'_>, options: &mut Options, allowed: &[&str]) -> Result<(), ODataError> {
    cursor.count_node()?;
    let start = cursor.mark();
    if let Some(name) = cursor.take(lexical::alias) {
        if !allowed.is_empty() {
            return Err(cursor.error_at(start, format!("a parameter alias cannot be defined here; there may stand {}", allowed.join(", "))));
        }
        return nested_alias(cursor, start, name, options);
    }
    let Some(written) = cursor.take(lexical::special).or_else(|| cursor.take(lexical::identifier)) else {
        return Err(cursor.unexpected("a nested query option such as $filter or $select"));
    };
    let position = Some(cursor.span(start).start);
    let name = canonical(written, true, cursor.strictness).map_err(|error| error.at(cursor.target, position))?;
    let Some(name) = name else {
        return Err(cursor.error_at(start, format!("'{written}' cannot stand inside parentheses")));
    };
    if !allowed.is_empty() && !allowed.contains(&name) {
        return Err(cursor.error_at(start, format!("'{written}' cannot stand here; there may stand {}", allowed.join(", "))));
    }
    let equals = if cursor.strict() { cursor.eat("=") } else { cursor.take(lexical::equals).is_some() };
    if !equals {
        return Err(cursor.unexpected(&format!("'=' after {name}")));
    }
    if is_given(options, name) {
        return Err(duplicate(name).at(cursor.target, position));
    }
    option(cursor, name, options)
}

fn nested_alias(cursor: &mut Cursor<'_>, start: usize, name: &str, options: &mut Options) -> Result<(), ODataError> {
    let equals = if cursor.strict() { cursor.eat("=") } else { cursor.take(lexical::equals).is_some() };
    if !equals {
        return Err(cursor.unexpected(&format!("'=' after {name}")));
    }
    if options.aliases.iter().any(|alias| alias.name == name) {
        return Err(cursor.error_at(start, format!("the parameter alias {name} is defined twice")));
    }
    cursor.skip_stray_space();
    let value = expression(cursor)?;
    options.aliases.push(Alias { name: name.to_owned(), value });
    Ok(())
}
