//! The options that come after `$apply`: they see the rows that come out of it (section 3).

use super::Binder;
use super::state::State;
use crate::bind::expand;
use crate::bound::BoundQuery;
use crate::bound::hierarchy::TREE_COLUMNS;
use crate::error::ODataError;
use crate::syntax::{ExpandItem, Expr, ExprKind, Options, PathStep, SelectItem, StepKind};

/// Options that are executed after `$apply`; `$format`, `$schemaversion` and `$skiptoken` by others.
const BUILT: [&str; 12] =
    ["$apply", "$compute", "$search", "$filter", "$orderby", "$expand", "$select", "$top", "$skip", "$count", "$format", "$schemaversion"];

/// Binds the options, in the order in which they are evaluated.
pub(super) fn options<'a>(binder: &Binder<'a>, state: &mut State<'a>, options: &Options, query: &mut BoundQuery) -> Result<(), ODataError> {
    let target = |option: &'static str| binder.place.nested_in.unwrap_or(option);
    if let Some(name) = options.given().find(|name| !BUILT.contains(name) && *name != "$skiptoken") {
        return Err(ODataError::not_implemented(format!("the query option {name} after $apply")).at(target(name), None));
    }
    if let Some(items) = &options.compute {
        binder.compute(state, items, target("$compute"))?;
    }
    if let Some(search) = &options.search {
        binder.search(state, search, target("$search"))?;
    }
    if let Some(condition) = &options.filter {
        binder.filter(state, condition, target("$filter"))?;
    }
    if let Some(items) = &options.order_by {
        binder.order_by(state, items, target("$orderby"))?;
    }
    let joined = match &options.expand {
        Some(items) => expanded(binder, state, items, query, target("$expand"))?,
        None => Vec::new(),
    };
    match &options.select {
        Some(items) => {
            (query.select, query.mentioned) = select(binder, state, items, (joined, target("$select")))?;
            query.selected = true;
        }
        None => query.select = state.rows.shown.clone(),
    }
    query.top = options.top;
    query.skip = options.skip.unwrap_or(0);
    query.count = options.count.unwrap_or(false);
    Ok(())
}

/// Whether the options name a column that says where a row stands in a tree.
pub(super) fn wants_tree(options: &Options) -> bool {
    let named = |path: &[String]| matches!(path, [name] if TREE_COLUMNS.contains(&name.as_str()));
    let selected = options.select.iter().flatten().any(|item| named(&item.path));
    let sorted = options.order_by.iter().flatten().map(|item| &item.expr);
    let computed = options.compute.iter().flatten().map(|item| &item.expr);
    selected || sorted.chain(computed).chain(&options.filter).any(names_tree)
}

/// The same of an expression. What stands inside a collection is of other rows.
fn names_tree(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Path(steps) => {
            matches!(steps.as_slice(), [PathStep { kind: StepKind::Name(name), .. }] if TREE_COLUMNS.contains(&name.as_str()))
        }
        ExprKind::Call { arguments, .. } => arguments.iter().any(|argument| names_tree(&argument.value)),
        ExprKind::Unary { operand, .. } => names_tree(operand),
        ExprKind::Binary { left, right, .. } => names_tree(left) || names_tree(right),
        ExprKind::Logical { operands, .. } => operands.iter().any(names_tree),
        ExprKind::Case(branches) => branches.iter().any(|(condition, value)| names_tree(condition) || names_tree(value)),
        ExprKind::List(_)
        | ExprKind::Literal(_)
        | ExprKind::Array(_)
        | ExprKind::Object(_)
        | ExprKind::JsonText(_)
        | ExprKind::Alias(_) => false,
    }
}

/// What was grouped by or joined is shown, whatever is selected: the positions of its columns. Relationships of entities are expanded as
/// always.
fn expanded<'a>(
    binder: &Binder<'a>,
    state: &mut State<'a>,
    items: &[ExpandItem],
    query: &mut BoundQuery,
    target: &'static str,
) -> Result<Vec<usize>, ODataError> {
    let (mut others, mut shown) = (Vec::new(), Vec::new());
    for item in items {
        let at = Some(item.span.start);
        let nested = |name: &String| state.nested.iter().any(|nested| nested.name == *name);
        if matches!(item.path.as_slice(), [name] if nested(name)) {
            if let Some(option) = item.options.given().next() {
                let what = format!("the option {option} inside '{}', which nest or addnested made", item.path.join("/"));
                return Err(ODataError::not_implemented(what).at(target, at));
            }
            continue;
        }
        let joined = state.rows.navigations.contains(&item.path) && !state.reached.iter().any(|r| r.path.is_empty() && has(r.table, item));
        if joined {
            if let Some(option) = item.options.given().next() {
                let what = format!("the option {option} inside '{}', which $apply made", item.path.join("/"));
                return Err(ODataError::not_implemented(what).at(target, at));
            }
            for index in state.rows.below(&item.path) {
                shown.push(index);
                if !state.rows.shown.contains(&index) {
                    state.rows.shown.push(index);
                }
            }
        } else if state.rows.row_type.table.is_none() {
            return Err(state.unknown(&Binder { target, ..*binder }, &item.path, item.span));
        } else {
            others.push(item.clone());
        }
    }
    query.expand = expand::expand(binder.place, &others)?;
    Ok(shown)
}

fn has(table: &portico_catalog::TableView, item: &ExpandItem) -> bool {
    item.path.first().is_some_and(|name| table.relationship(name).is_some())
}

/// Positions of the selected columns, in the order of the rows; while they are entities, with their keys. Also the navigation properties
/// that are selected.
fn select<'a>(
    binder: &Binder<'a>,
    state: &State<'a>,
    items: &[SelectItem],
    (joined, target): (Vec<usize>, &'static str),
) -> Result<(Vec<usize>, Vec<String>), ODataError> {
    let mut mentioned = Vec::new();
    let mut wanted: Vec<usize> = match (&state.rows.row_type.table, state.reached.first()) {
        (Some(_), Some(reached)) => reached.table.table.key.clone(),
        _ => Vec::new(),
    };
    wanted.extend(joined);
    for item in items {
        let at = Some(item.span.start);
        let shown = item.path.join("/");
        if item.options.is_some() || item.parameters.is_some() {
            return Err(ODataError::not_implemented(format!("parentheses after '{shown}' in $select after $apply")).at(target, at));
        }
        match item.path.as_slice() {
            [star] if star == "*" => wanted.extend(&state.rows.shown),
            [name, ..] if name.contains('.') || name.starts_with(['$', '@']) => {
                return Err(ODataError::not_implemented(format!("'{shown}' in $select after $apply")).at(target, at));
            }
            path => {
                let found: Vec<usize> = state.rows.below(path).into_iter().filter(|index| state.rows.shown.contains(index)).collect();
                // What was added stands beside the properties, selected or not, as what is expanded does.
                if matches!(path, [name] if state.nested.iter().any(|nested| nested.name == *name)) {
                    continue;
                }
                let link = state.reached.iter().any(|r| r.path.is_empty() && path.len() == 1 && r.table.relationship(&path[0]).is_some());
                if found.is_empty() && !link {
                    return Err(state.unknown(&Binder { target, ..*binder }, path, item.span));
                }
                if found.is_empty() && !mentioned.contains(&shown) {
                    mentioned.push(shown);
                }
                wanted.extend(found);
            }
        }
    }
    Ok((state.rows.shown.iter().copied().filter(|index| wanted.contains(index)).collect(), mentioned))
}
