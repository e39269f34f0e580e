//! `$apply` (Data Aggregation, ABNF section 2). Names of transformations and methods are case-sensitive in the grammar; outside strict
//! mode they are read in any letter case.

use super::cursor::{Cursor, MAX_DEPTH};
use super::expression::expression;
use super::items::{compute_item, order_item};
use super::member::{self, bare_path, spaced_expression};
use super::{lexical, search};
use crate::error::ODataError;
use crate::syntax::{
    AggregateFrom, AggregateItem, Expr, GroupElement, Hierarchy, Name, NestItem, OrderItem, RankedEnd, RankedMeasure, Transformation,
    TransformationKind as Kind,
};

/// A sequence of transformations.
pub(super) fn sequence(cursor: &mut Cursor<'_>) -> Result<Vec<Transformation>, ODataError> {
    cursor.enter()?;
    let mut transformations = Vec::new();
    loop {
        cursor.count_node()?;
        transformations.push(transformation(cursor)?);
        if !cursor.eat("/") {
            break;
        }
    }
    cursor.leave();
    Ok(transformations)
}

fn transformation(cursor: &mut Cursor<'_>) -> Result<Transformation, ODataError> {
    let start = cursor.mark();
    let Some(name) = cursor.take(lexical::qualified_name) else {
        return Err(cursor.unexpected("a transformation such as filter or groupby"));
    };
    let lower = name.to_ascii_lowercase();
    let word = if cursor.strict() { name } else { lower.as_str() };
    if word == "identity" {
        return Ok(Transformation { kind: Kind::Identity, span: cursor.span(start) });
    }
    cursor.expect("(", &format!("after '{name}'"))?;
    let kind = match word {
        "aggregate" => Kind::Aggregate(list(cursor, |cursor| aggregate_item(cursor))?),
        "compute" => Kind::Compute(list(cursor, compute_item)?),
        "concat" => concat(cursor, start)?,
        "groupby" => group_by(cursor)?,
        "join" => join(cursor, false)?,
        "outerjoin" => join(cursor, true)?,
        "nest" => Kind::Nest { path: None, items: list(cursor, nest_item)? },
        "addnested" => {
            cursor.skip_space();
            let path = Some(bare_path(cursor)?);
            comma(cursor, "after the collection")?;
            Kind::Nest { path, items: list(cursor, nest_item)? }
        }
        "filter" => Kind::Filter(spaced_expression(cursor)?),
        "search" => {
            let search = search::search(cursor)?;
            cursor.skip_space();
            Kind::Search(search)
        }
        "orderby" => Kind::OrderBy(order_items(cursor)?),
        "skip" => Kind::Skip(number(cursor)?),
        "top" => Kind::Top(number(cursor)?),
        "ancestors" | "descendants" => relatives(cursor, word == "descendants")?,
        "traverse" => traverse(cursor)?,
        _ => match ranked(word) {
            Some((end, measure)) => {
                let amount = spaced_expression(cursor)?;
                comma(cursor, "after the first argument")?;
                Kind::Ranked { end, measure, amount, by: spaced_expression(cursor)? }
            }
            None if name.contains('.') => {
                let (arguments, height) = member::arguments(cursor)?;
                cursor.tallest = cursor.tallest.max(height);
                return Ok(Transformation { kind: Kind::Function { name: name.to_owned(), arguments }, span: cursor.span(start) });
            }
            None => return Err(cursor.error_at(start, format!("{}: there is no transformation '{name}'", cursor.target))),
        },
    };
    cursor.skip_space();
    cursor.expect(")", &format!("or ',' in {name}(…)"))?;
    Ok(Transformation { kind, span: cursor.span(start) })
}

fn ranked(word: &str) -> Option<(RankedEnd, RankedMeasure)> {
    let (end, rest) = match word.strip_prefix("top") {
        Some(rest) => (RankedEnd::Top, rest),
        None => (RankedEnd::Bottom, word.strip_prefix("bottom")?),
    };
    let measure = match rest {
        "count" => RankedMeasure::Count,
        "sum" => RankedMeasure::Sum,
        "percent" => RankedMeasure::Percent,
        _ => return None,
    };
    Some((end, measure))
}

/// Items with commas and perhaps blanks between; at least one.
fn list<'a, T>(cursor: &mut Cursor<'a>, mut item: impl FnMut(&mut Cursor<'a>) -> Result<T, ODataError>) -> Result<Vec<T>, ODataError> {
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

fn order_items(cursor: &mut Cursor<'_>) -> Result<Vec<OrderItem>, ODataError> {
    list(cursor, order_item)
}

/// A comma with blanks around it.
fn comma(cursor: &mut Cursor<'_>, place: &str) -> Result<(), ODataError> {
    cursor.skip_space();
    cursor.expect(",", place)?;
    cursor.skip_space();
    Ok(())
}

/// Takes a comma with blanks around it, if one is next.
fn another(cursor: &mut Cursor<'_>) -> bool {
    let mark = cursor.mark();
    cursor.skip_space();
    let found = cursor.eat(",");
    if found {
        cursor.skip_space();
    } else {
        cursor.back_to(mark);
    }
    found
}

fn number(cursor: &mut Cursor<'_>) -> Result<u64, ODataError> {
    cursor.skip_space();
    let start = cursor.mark();
    let Some(digits) = cursor.take(lexical::unsigned) else { return Err(cursor.unexpected("a whole number from 0")) };
    digits.parse().map_err(|_| cursor.error_at(start, format!("{}: {digits} is greater than {}", cursor.target, u64::MAX)))
}

/// A blank, a word and a blank; `None` when the word is another.
fn keyword(cursor: &mut Cursor<'_>, word: &str) -> bool {
    let mark = cursor.mark();
    let found = cursor.space() && cursor.word(word) && cursor.space();
    if !found {
        cursor.back_to(mark);
    }
    found
}

/// `as` and the name after it.
fn alias(cursor: &mut Cursor<'_>) -> Result<Option<Name>, ODataError> {
    if !keyword(cursor, "as") {
        return Ok(None);
    }
    let start = cursor.mark();
    let Some(name) = cursor.take(lexical::identifier) else { return Err(cursor.unexpected("a name after 'as'")) };
    Ok(Some(Name { text: name.to_owned(), span: cursor.span(start) }))
}

fn required_alias(cursor: &mut Cursor<'_>) -> Result<Name, ODataError> {
    match alias(cursor)? {
        Some(name) => Ok(name),
        None => Err(cursor.unexpected("'as' and a name")),
    }
}

fn concat(cursor: &mut Cursor<'_>, start: usize) -> Result<Kind, ODataError> {
    let sequences = list(cursor, sequence)?;
    if sequences.len() < 2 {
        return Err(cursor.error_at(start, format!("{}: concat takes at least two sequences of transformations", cursor.target)));
    }
    Ok(Kind::Concat(sequences))
}

fn aggregate_item(cursor: &mut Cursor<'_>) -> Result<AggregateItem, ODataError> {
    let start = cursor.mark();
    let expr = expression(cursor)?;
    let method = method(cursor)?;
    let mut from = Vec::new();
    while keyword(cursor, "from") {
        cursor.count_node()?;
        let mut properties = vec![bare_path(cursor)?];
        while another(cursor) {
            properties.push(bare_path(cursor)?);
        }
        from.push(AggregateFrom { properties, method: self::method(cursor)? });
    }
    let alias = alias(cursor)?;
    Ok(AggregateItem { expr, method, from, alias, span: cursor.span(start) })
}

/// `with` and the method after it.
fn method(cursor: &mut Cursor<'_>) -> Result<Option<Name>, ODataError> {
    if !keyword(cursor, "with") {
        return Ok(None);
    }
    let start = cursor.mark();
    let Some(name) = cursor.take(lexical::qualified_name) else { return Err(cursor.unexpected("a method such as sum after 'with'")) };
    let known = ["sum", "min", "max", "average", "countdistinct"];
    let lower = name.to_ascii_lowercase();
    let text = if !cursor.strict() && known.contains(&lower.as_str()) { lower } else { name.to_owned() };
    if !text.contains('.') && !known.contains(&text.as_str()) {
        let message = format!("{}: there is no aggregation method '{text}': there are {}", cursor.target, known.join(", "));
        return Err(cursor.error_at(start, message));
    }
    Ok(Some(Name { text, span: cursor.span(start) }))
}

/// `aggregate(…)` as a step of a path, from after its parenthesis on, with the height of what is in it.
pub(super) fn aggregate_function(cursor: &mut Cursor<'_>) -> Result<(AggregateItem, usize), ODataError> {
    cursor.enter()?;
    let outer = std::mem::take(&mut cursor.tallest);
    cursor.skip_space();
    let item = aggregate_item(cursor)?;
    if let Some(alias) = &item.alias {
        let message = format!("{}: aggregate takes no alias in an expression", cursor.target);
        return Err(ODataError::bad_request(message).at(cursor.target, Some(alias.span.start)));
    }
    cursor.skip_space();
    cursor.expect(")", "to close the parenthesis")?;
    let height = cursor.tallest + 1;
    cursor.tallest = outer.max(height);
    if height > MAX_DEPTH {
        return Err(cursor.too_deep());
    }
    cursor.leave();
    Ok((item, height))
}

fn group_by(cursor: &mut Cursor<'_>) -> Result<Kind, ODataError> {
    cursor.skip_space();
    cursor.expect("(", "before the grouping properties")?;
    let elements = list(cursor, group_element)?;
    cursor.expect(")", "or ',' after the grouping property")?;
    let then = if another(cursor) { sequence(cursor)? } else { Vec::new() };
    Ok(Kind::GroupBy { elements, then })
}

fn group_element(cursor: &mut Cursor<'_>) -> Result<GroupElement, ODataError> {
    let mark = cursor.mark();
    if cursor.word("rollup") && cursor.eat("(") {
        let levels = list(cursor, bare_path)?;
        cursor.expect(")", "or ',' in rollup(…)")?;
        return Ok(GroupElement::Rollup(levels));
    }
    cursor.back_to(mark);
    if cursor.word("rolluprecursive") && cursor.eat("(") {
        let hierarchy = hierarchy(cursor)?;
        let to = if another(cursor) { sequence(cursor)? } else { Vec::new() };
        cursor.skip_space();
        cursor.expect(")", "or ',' in rolluprecursive(…)")?;
        return Ok(GroupElement::RollupRecursive { hierarchy, to });
    }
    cursor.back_to(mark);
    Ok(GroupElement::Property(bare_path(cursor)?))
}

fn join(cursor: &mut Cursor<'_>, outer: bool) -> Result<Kind, ODataError> {
    cursor.skip_space();
    let path = bare_path(cursor)?;
    let alias = required_alias(cursor)?;
    let then = if another(cursor) { sequence(cursor)? } else { Vec::new() };
    Ok(Kind::Join { outer, path, alias, then })
}

fn nest_item(cursor: &mut Cursor<'_>) -> Result<NestItem, ODataError> {
    let then = sequence(cursor)?;
    Ok(NestItem { then, alias: required_alias(cursor)? })
}

fn hierarchy(cursor: &mut Cursor<'_>) -> Result<Hierarchy, ODataError> {
    cursor.skip_space();
    let nodes: Expr = bare_path(cursor)?;
    comma(cursor, "after the nodes of the hierarchy")?;
    let start = cursor.mark();
    let Some(name) = cursor.take(lexical::identifier) else { return Err(cursor.unexpected("the qualifier of a hierarchy")) };
    let qualifier = Name { text: name.to_owned(), span: cursor.span(start) };
    comma(cursor, "after the qualifier")?;
    Ok(Hierarchy { nodes, qualifier, property: bare_path(cursor)? })
}

fn relatives(cursor: &mut Cursor<'_>, descendants: bool) -> Result<Kind, ODataError> {
    let hierarchy = hierarchy(cursor)?;
    comma(cursor, "after the property")?;
    let start = sequence(cursor)?;
    let mut more = another(cursor);
    let distance = if more && cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        let distance = number(cursor)?;
        more = another(cursor);
        Some(distance)
    } else {
        None
    };
    if more && !(cursor.word("keep") && cursor.eat(" ") && cursor.word("start")) {
        return Err(cursor.unexpected(if distance.is_some() { "'keep start'" } else { "a distance or 'keep start'" }));
    }
    Ok(Kind::Relatives { descendants, hierarchy, start, distance, keep_start: more })
}

fn traverse(cursor: &mut Cursor<'_>) -> Result<Kind, ODataError> {
    let hierarchy = hierarchy(cursor)?;
    comma(cursor, "after the property")?;
    let postorder = cursor.word("postorder");
    if !postorder && !cursor.word("preorder") {
        return Err(cursor.unexpected("preorder or postorder"));
    }
    let mut more = another(cursor);
    let mut start = Vec::new();
    if more && begins_transformation(cursor) {
        start = sequence(cursor)?;
        more = another(cursor);
    }
    let order_by = if more { order_items(cursor)? } else { Vec::new() };
    Ok(Kind::Traverse { hierarchy, postorder, start, order_by })
}

/// Whether a transformation comes next rather than what siblings are sorted by. `concat(…)` is a function of expressions too, and cannot
/// choose where to start.
fn begins_transformation(cursor: &mut Cursor<'_>) -> bool {
    let mark = cursor.mark();
    let name = cursor.take(lexical::identifier).unwrap_or_default().to_ascii_lowercase();
    let open = cursor.peek() == Some('(');
    cursor.back_to(mark);
    let simple = matches!(name.as_str(), "filter" | "search" | "orderby" | "skip" | "top" | "ancestors" | "descendants" | "traverse");
    name == "identity" || (open && (simple || ranked(&name).is_some()))
}
