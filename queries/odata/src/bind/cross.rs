//! `$crossjoin`: every combination of the entities of several sets. Names of the sets stand for one entity each, so conditions are bound
//! as if each set were a variable. It must not know how sets are joined.

use super::options::{self, Place};
use super::restrict::Use;
use super::scope::Scope;
use super::{BoundQuery, apply, not_found, restrict, search, suggestion};
use crate::bound::{BoundComputed, BoundExpr, BoundRead, CrossPart, ReadKind};
use crate::error::ODataError;
use crate::syntax::{ExpandItem, ExprKind, PathStep, Request, Resource, Segment, SelectItem, StepKind, Transformation};
use crate::value_type::{RowColumn, RowType};
use portico_catalog::{ModelView, TableView};

/// What `$crossjoin` takes (URL Conventions, section 4.15).
const BUILT: [&str; 12] = [
    "$filter",
    "$search",
    "$compute",
    "$orderby",
    "$select",
    "$expand",
    "$top",
    "$skip",
    "$count",
    "$format",
    "$skiptoken",
    "$schemaversion",
];

/// A set, by the name that the request gives it.
type Set<'a> = (String, &'a TableView);

/// The segment with the sets, and what follows it, where the path begins so.
pub(super) fn joined(request: &Request) -> Option<(&Segment, &[Segment])> {
    let Resource::EntitySet(segments) = &request.resource else { return None };
    segments.split_first().filter(|(first, _)| first.name == "$crossjoin")
}

/// Binds a read of `$crossjoin`.
///
/// # Errors
/// As [`super::read`].
pub(super) fn read(request: &Request, view: &ModelView, (first, rest): (&Segment, &[Segment])) -> Result<BoundRead, ODataError> {
    options::schema_version(&request.options, view)?;
    let sets = sets(first, view)?;
    if let Some(next) = rest.first() {
        return Err(ODataError::not_implemented(format!("'{}' after $crossjoin", next.text)).at("path", Some(next.span.start)));
    }
    if let Some(transformations) = &request.options.apply {
        return applied(request, view, &sets, transformations);
    }
    if let Some(name) = request.options.given().find(|name| !BUILT.contains(name)) {
        return Err(ODataError::not_implemented(format!("the query option {name} of $crossjoin")).at(name, None));
    }
    let given = &request.options;
    let mut query = BoundQuery::of("", Vec::new());
    let (rows, computed) = computed(request, view, &sets)?;
    query.compute = computed;
    let scope = |option| Scope::joined(view, &sets, &rows, &request.aliases, option);
    query.filter = given.filter.as_ref().map(|filter| scope("$filter").predicate(filter)).transpose()?;
    if let Some(items) = &given.order_by {
        query.order_by = options::order_by(&scope("$orderby"), items)?;
    }
    (query.top, query.skip, query.count) = (given.top, given.skip.unwrap_or(0), given.count.unwrap_or(false));
    query.selected = given.select.is_some();
    for (number, (_, table)) in sets.iter().enumerate() {
        restrict::joined(table, (sets.len() - 1 - number, sets.len()), &query)?;
    }
    let frames: Vec<Option<&TableView>> = sets.iter().map(|(_, table)| Some(*table)).collect();
    let offered = |expr, what| {
        let sources = restrict::sources_joined(sets.len(), &query.compute, expr);
        sources.into_iter().try_for_each(|expr| restrict::along(view, &frames, expr, what))
    };
    if let Some(filter) = &query.filter {
        offered(filter, Use::Filter).map_err(|error| error.at("$filter", None))?;
    }
    for order in &query.order_by {
        offered(&order.expr, Use::Sort).map_err(|error| error.at("$orderby", None))?;
    }
    if let Some(wanted) = &given.search {
        query.filter = BoundExpr::both(Some(search::joined(view, &sets, wanted)?), query.filter.take());
    }
    let selected = given.select.as_deref().map(|items| selected(items, &sets, &rows)).transpose()?;
    query.select = selected.as_ref().map_or_else(|| (0..rows.columns.len()).collect(), |selected| selected.computed.clone());
    query.cross = parts(request, view, &sets, selected.as_ref())?;
    Ok(BoundRead::new(query, ReadKind::Collection))
}

/// The same with `$apply`, which sees the combinations as rows.
fn applied(request: &Request, view: &ModelView, sets: &[Set<'_>], transformations: &[Transformation]) -> Result<BoundRead, ODataError> {
    let Some((_, table)) = sets.first() else { return Err(not_found("$crossjoin takes names of entity sets", 0)) };
    let rows = RowType::default();
    let place = Place { view, table, rows: &rows, aliases: &request.aliases, cast: None, nested_in: None, depth: 0 };
    let mut query = apply::of_sets(&place, sets, transformations, &request.options)?;
    for (number, (_, table)) in sets.iter().enumerate() {
        restrict::joined(
            table,
            (sets.len() - 1 - number, sets.len()),
            &BoundQuery { count: query.count, ..BoundQuery::of("", Vec::new()) },
        )?;
    }
    let part = |(name, table): &Set<'_>| {
        let query = BoundQuery::of(&table.table.name, table.table.key.clone());
        CrossPart { name: name.clone(), shown: false, expanded: false, query }
    };
    query.cross = sets.iter().map(part).collect();
    Ok(BoundRead::new(query, ReadKind::Collection))
}

/// What is computed of each combination: properties beside the sets. They are named as columns of the outermost rows, outside of all sets.
fn computed(request: &Request, view: &ModelView, sets: &[Set<'_>]) -> Result<(RowType, Vec<BoundComputed>), ODataError> {
    let (mut rows, mut computed) = (RowType::default(), Vec::new());
    for item in request.options.compute.iter().flatten() {
        let name = &item.name.text;
        let taken = if sets.iter().any(|(set, _)| set == name) {
            Some("one of the sets that are joined")
        } else {
            rows.position(&[name.as_str()]).map(|_| "another computed property")
        };
        if let Some(what) = taken {
            let message = format!("$compute: '{name}' is {what} already");
            return Err(ODataError::bad_request(message).at("$compute", Some(item.name.span.start)));
        }
        let scope = Scope::joined(view, sets, &rows, &request.aliases, "$compute");
        let (expr, value_type) = scope.value(&item.expr)?;
        let column = RowColumn { path: vec![name.clone()], value_type, nullable: true, dynamic: true, weight: scope.weight(&expr, 0) };
        rows.columns.push(column.clone());
        computed.push(BoundComputed { expr, column });
    }
    Ok((rows, computed))
}

/// The sets in the parentheses.
fn sets<'a>(first: &Segment, view: &'a ModelView) -> Result<Vec<Set<'a>>, ODataError> {
    let mut sets: Vec<Set<'a>> = Vec::new();
    for part in first.key.iter().flat_map(|key| &key.parts) {
        let name = match &part.value.kind {
            ExprKind::Path(steps) => match steps.as_slice() {
                [PathStep { kind: StepKind::Name(name), .. }] => Some(name),
                _ => None,
            },
            _ => None,
        };
        let name = name.ok_or_else(|| not_found("$crossjoin takes names of entity sets", part.span.start))?;
        let table = view.table(name).ok_or_else(|| {
            let hint = suggestion(name, view.tables.keys().map(String::as_str));
            not_found(format!("there is no entity set '{name}'{hint}"), part.span.start)
        })?;
        if sets.iter().any(|(known, _)| known == name) {
            let message = format!("$crossjoin names '{name}' twice, and then nothing tells the two apart");
            return Err(ODataError::bad_request(message).at("path", Some(part.span.start)));
        }
        if table.table.key.is_empty() {
            let message = format!("'{name}', whose rows have no key, in $crossjoin");
            return Err(ODataError::not_implemented(message).at("path", Some(part.span.start)));
        }
        sets.push((name.clone(), table));
    }
    Ok(sets)
}

/// What is shown of each set: a link, or the entity where `$expand` names it; nothing where `$select` leaves it out.
fn parts(request: &Request, view: &ModelView, sets: &[Set<'_>], selected: Option<&Selected<'_>>) -> Result<Vec<CrossPart>, ODataError> {
    let mut parts: Vec<CrossPart> = sets
        .iter()
        .map(|(name, table)| CrossPart {
            name: name.clone(),
            shown: selected.is_none_or(|selected| selected.sets.contains(&name.as_str())),
            expanded: false,
            query: BoundQuery::of(&table.table.name, table.table.key.clone()),
        })
        .collect();
    let mut star = None;
    for item in request.options.expand.iter().flatten() {
        let at = |error: ODataError| if error.position.is_some() { error } else { error.at("$expand", Some(item.span.start)) };
        let twice = |name: &str| at(ODataError::bad_request(format!("$expand names '{name}' twice")));
        let (name, after) = item.path.split_first().ok_or_else(|| at(ODataError::bad_request("an item of $expand is empty")))?;
        if !after.is_empty() {
            return Err(at(ODataError::not_implemented(format!("$expand: '{}' of $crossjoin", item.path.join("/")))));
        }
        if name == "*" {
            if star.replace(item).is_some() {
                return Err(twice("*"));
            }
            continue;
        }
        let found = parts.iter_mut().zip(sets).find(|(part, _)| part.name == *name);
        let (part, (_, table)) = found.ok_or_else(|| at(ODataError::bad_request(unknown("$expand", name, sets))))?;
        if part.expanded {
            return Err(twice(name));
        }
        part.query = entity(request, view, table, item).map_err(at)?;
        (part.expanded, part.shown) = (true, true);
    }
    if let Some(item) = star {
        // What is named by itself has its own options; the star stands for all others.
        for (part, (_, table)) in parts.iter_mut().zip(sets).filter(|(part, _)| !part.expanded) {
            let expanded = entity(request, view, table, item);
            part.query =
                expanded.map_err(|error| if error.position.is_some() { error } else { error.at("$expand", Some(item.span.start)) })?;
            (part.expanded, part.shown) = (true, true);
        }
    }
    Ok(parts)
}

/// What `$select` names.
#[derive(Default)]
struct Selected<'s> {
    sets: Vec<&'s str>,
    /// Positions of computed properties.
    computed: Vec<usize>,
}

fn selected<'s>(items: &[SelectItem], sets: &'s [Set<'_>], rows: &RowType) -> Result<Selected<'s>, ODataError> {
    let mut selected = Selected::default();
    for item in items {
        let at = |error: ODataError| error.at("$select", Some(item.span.start));
        match (item.path.as_slice(), &item.options, &item.parameters) {
            ([star], None, None) if star == "*" => {
                selected.sets.extend(sets.iter().map(|(name, _)| name.as_str()));
                selected.computed.extend(0..rows.columns.len());
            }
            ([name], None, None) => match (rows.position(&[name.as_str()]), sets.iter().find(|(known, _)| known == name)) {
                (Some(index), _) => selected.computed.push(index),
                (None, Some((name, _))) => selected.sets.push(name.as_str()),
                (None, None) => return Err(at(ODataError::bad_request(unknown("$select", name, sets)))),
            },
            _ => {
                let path = item.path.join("/");
                return Err(at(ODataError::not_implemented(format!("$select: '{path}' of $crossjoin; it is selected inside $expand"))));
            }
        }
    }
    selected.computed.sort_unstable();
    selected.computed.dedup();
    Ok(selected)
}

/// What is shown of an entity that is expanded.
fn entity(request: &Request, view: &ModelView, table: &TableView, item: &ExpandItem) -> Result<BoundQuery, ODataError> {
    let name = &table.name;
    options::only(&item.options, &["$select", "$expand", "$compute"], &format!("inside '{name}', which stands for one entity"))
        .map_err(|error| error.at("$expand", Some(item.span.start)))?;
    if item.options.levels.is_some() {
        return Err(ODataError::bad_request(format!("$expand: $levels does not apply to '{name}', which is no relationship")));
    }
    let rows = RowType::of_table(table);
    let aliases: Vec<_> = item.options.aliases.iter().chain(&request.aliases).cloned().collect();
    let place = Place { view, table, rows: &rows, aliases: &aliases, cast: None, nested_in: Some("$expand"), depth: 1 };
    options::query(&place, &item.options)
}

fn unknown(option: &str, name: &str, sets: &[Set<'_>]) -> String {
    format!("{option}: '{name}' is none of the sets that are joined{}", suggestion(name, sets.iter().map(|(name, _)| name.as_str())))
}
