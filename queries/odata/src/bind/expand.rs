//! `$expand`: which relationships the answer follows, in which form, how often.

use super::options::{self, Place};
use super::property::{self, Property, Qualified};
use super::{MAX_EXPAND_DEPTH, apply, path, restrict, suggestion};
use crate::bound::{BoundExpand, BoundExpr, Recursion, RestRequest};
use crate::error::ODataError;
use crate::rows::ExpandForm;
use crate::syntax::{ExpandItem, Levels, Options};
use crate::value_type::RowType;
use portico_catalog::{ModelView, RelationshipView, TableView};
use portico_provider_api::ScalarType;
use std::collections::BTreeMap;

/// Most relationships that `*` with `$levels` stands for: each is a query.
const MAX_STAR: usize = 100;

/// What is expanded of the rows of one level.
pub(super) fn expand(place: &Place<'_>, items: &[ExpandItem]) -> Result<Vec<BoundExpand>, ODataError> {
    let mut bound: Vec<BoundExpand> = Vec::with_capacity(items.len());
    let mut rest: Option<(&ExpandItem, ExpandForm)> = None;
    for item in items {
        let at = |error: ODataError| if error.target.is_some() { error } else { error.at("$expand", Some(item.span.start)) };
        if let [star, after @ ..] = item.path.as_slice()
            && star == "*"
        {
            let twice = || ODataError::bad_request("$expand has * twice");
            let form = form_of(after).ok_or_else(|| at(unknown_path(item)))?;
            if rest.replace((item, form)).is_some() {
                return Err(at(twice()));
            }
            continue;
        }
        let expanded = expand_item(place, item).map_err(at)?;
        if bound.iter().any(|other| other.relationship == expanded.relationship && other.only == expanded.only) {
            return Err(at(ODataError::bad_request(format!("$expand names '{}' twice", expanded.name))));
        }
        bound.push(expanded);
    }
    if let Some((item, form)) = rest {
        // What is named by itself has its own options; the star stands for all others.
        let others =
            place.table.relationships.iter().filter(|relationship| !bound.iter().any(|named| named.relationship == relationship.index));
        let others: Vec<&RelationshipView> =
            others.filter(|relationship| restrict::expandable(place.table, relationship).is_ok()).collect();
        let (levels, recursion) = star_levels(place, item)?;
        for relationship in others {
            let at = |error: ODataError| if error.target.is_some() { error } else { error.at("$expand", Some(item.span.start)) };
            if form == ExpandForm::Count && !relationship.many {
                continue;
            }
            // What only a derived type has is expanded for its rows.
            let owner = table_owner(place, relationship);
            let step = Step { relationship, only: owner, cast: None, form };
            bound.push(follow(place, &step, item, levels, recursion).map_err(at)?);
        }
    }
    Ok(bound)
}

/// How many levels of relationships a `*` stands for.
fn star_levels(place: &Place<'_>, item: &ExpandItem) -> Result<(usize, Recursion), ODataError> {
    let left = MAX_EXPAND_DEPTH.saturating_sub(place.depth);
    let asked = match item.options.levels {
        None | Some(Levels::Count(1)) => return Ok((1, Recursion::Once)),
        Some(Levels::Max) => left,
        Some(Levels::Count(levels)) => usize::try_from(levels).unwrap_or(usize::MAX),
    };
    let sizes = star_sizes(place.view, place.table, asked.min(left));
    let most = sizes.iter().take_while(|size| **size <= MAX_STAR).count();
    if item.options.levels == Some(Levels::Max) {
        return Ok((most.max(1), Recursion::Max));
    }
    if asked > left {
        let message = format!("$expand is nested more than {MAX_EXPAND_DEPTH} levels deep at '*'");
        return Err(ODataError::bad_request(message).at("$expand", Some(item.span.start)));
    }
    if most < asked {
        let message = format!("'*' with $levels={asked} stands for more than {MAX_STAR} relationships: name those that are wanted");
        return Err(ODataError::bad_request(message).at("$expand", Some(item.span.start)));
    }
    Ok((asked, Recursion::Levels))
}

/// For each number of levels from 1 how many relationships a `*` stands for.
fn star_sizes(view: &ModelView, table: &TableView, levels: usize) -> Vec<usize> {
    let mut below: BTreeMap<&str, usize> = BTreeMap::new();
    let mut sizes = Vec::with_capacity(levels);
    for _ in 0..levels {
        let size = |table: &TableView| {
            let offered = table.relationships.iter().filter(|link| restrict::expandable(table, link).is_ok());
            let each = offered.map(|link| below.get(link.to.as_str()).copied().unwrap_or(0).saturating_add(1));
            each.fold(0, usize::saturating_add)
        };
        sizes.push(size(table));
        below = view.tables.values().map(|table| (table.name.as_str(), size(table))).collect();
    }
    sizes
}

/// The derived type whose rows alone have a relationship, where not all rows here are of it.
fn table_owner(place: &Place<'_>, relationship: &RelationshipView) -> Option<String> {
    let owner = place.table.table.relationship_owner(relationship.index)?;
    (!property::follows(place.table, place.cast, relationship)).then(|| owner.name.clone())
}

fn form_of(after: &[String]) -> Option<ExpandForm> {
    match after {
        [] => Some(ExpandForm::Entities),
        [last] if last == "$ref" => Some(ExpandForm::References),
        [last] if last == "$count" => Some(ExpandForm::Count),
        _ => None,
    }
}

fn unknown_path(item: &ExpandItem) -> ODataError {
    ODataError::bad_request(format!("$expand: '{}' leads nowhere", item.path.join("/")))
}

/// A relationship, for which rows and in which form.
struct Step<'a> {
    relationship: &'a RelationshipView,
    only: Option<String>,
    /// The derived type that the entities must be of.
    cast: Option<String>,
    form: ExpandForm,
}

fn expand_item(place: &Place<'_>, item: &ExpandItem) -> Result<BoundExpand, ODataError> {
    let table = place.table;
    let (mut path, mut only) = (item.path.as_slice(), None);
    if let [first, rest @ ..] = path
        && first.contains('.')
    {
        match property::qualified(place.view, table, first) {
            Qualified::Type(derived) if !rest.is_empty() => {
                // What every row here is anyway restricts nothing.
                only = derived.filter(|derived| place.cast != Some(derived.as_str()));
                path = rest;
            }
            _ => return Err(ODataError::bad_request(format!("$expand: there is no type '{first}' with a navigation property here"))),
        }
    }
    let Some((name, mut after)) = path.split_first() else { return Err(unknown_path(item)) };
    let Some(relationship) = table.relationship(name) else {
        return Err(match property::find(table, place.rows, place.cast, name) {
            Some(Property::Complex(complex)) if !after.is_empty() => {
                ODataError::bad_request(format!("$expand: '{}' has no navigation property '{}'", complex.name, after.join("/")))
            }
            Some(Property::Stream(_)) => ODataError::not_implemented(format!("the stream '{name}' in $expand")),
            Some(_) => ODataError::bad_request(format!(
                "'{name}' is a property of '{}', not a navigation property: it cannot be expanded",
                table.name
            )),
            None => {
                let hint = suggestion(name, table.relationships.iter().map(|r| r.name.as_str()));
                ODataError::bad_request(format!("'{}' has no navigation property '{name}'{hint}", table.name))
            }
        });
    };
    if !property::follows(table, only.as_deref().or(place.cast), relationship) {
        return Err(ODataError::bad_request(format!("$expand: only a derived type has '{name}': name the type before it")));
    }
    let mut cast_below = None;
    if let [cast, rest @ ..] = after
        && cast.contains('.')
    {
        let to = place.view.table(&relationship.to).ok_or_else(|| unknown_path(item))?;
        match property::qualified(place.view, to, cast) {
            Qualified::Type(derived) => {
                cast_below = derived;
                after = rest;
            }
            _ => return Err(ODataError::bad_request(format!("$expand: there is no type '{cast}' of '{name}'"))),
        }
    }
    let form = form_of(after).ok_or_else(|| unknown_path(item))?;
    restrict::expandable(table, relationship)?;
    if form == ExpandForm::Count && !relationship.many {
        return Err(ODataError::bad_request(format!("$expand: '{name}' leads to one entity, so $count cannot follow it")));
    }
    let recursive = relationship.to == table.name;
    let (levels, recursion) = match item.options.levels {
        None | Some(Levels::Count(1)) => (1, Recursion::Once),
        Some(Levels::Max) if recursive => {
            // What is expanded on every level must have room on the last one too.
            let room = place.depth.saturating_add(nested(&item.options));
            (MAX_EXPAND_DEPTH.saturating_sub(room).max(1), Recursion::Max)
        }
        Some(Levels::Max) => (1, Recursion::Once),
        Some(Levels::Count(_)) if !recursive => {
            let message = format!("$levels: '{name}' leads to '{}', which has no '{name}' that could be expanded again", relationship.to);
            return Err(ODataError::bad_request(message));
        }
        Some(Levels::Count(levels)) => (usize::try_from(levels).unwrap_or(usize::MAX), Recursion::Levels),
    };
    follow(place, &Step { relationship, only, cast: cast_below, form }, item, levels, recursion)
}

/// How many levels the options of an item expand below it.
fn nested(options: &Options) -> usize {
    let levels = |item: &ExpandItem| match item.options.levels {
        Some(Levels::Count(levels)) => usize::try_from(levels).unwrap_or(usize::MAX),
        Some(Levels::Max) | None => 1,
    };
    options.expand.iter().flatten().map(|item| levels(item).saturating_add(nested(&item.options))).max().unwrap_or(0)
}

/// What may stand in the parentheses after a relationship.
fn allowed(step: &Step<'_>, options: &Options) -> Result<(), ODataError> {
    let name = &step.relationship.name;
    let (allowed, what): (&[&str], _) = match (step.form, step.relationship.many) {
        (ExpandForm::Count, _) => (&["$filter", "$search"], format!("inside '{name}/$count'")),
        (ExpandForm::References, true) => {
            (&["$filter", "$search", "$orderby", "$skip", "$top", "$count", "$levels"], format!("inside '{name}/$ref'"))
        }
        (ExpandForm::References, false) => (&["$levels"], format!("inside '{name}/$ref', which leads to one entity")),
        (ExpandForm::Entities, false) => {
            (&["$select", "$expand", "$compute", "$levels"], format!("inside '{name}', which leads to one entity"))
        }
        (ExpandForm::Entities, true) => return Ok(()),
    };
    options::only(options, allowed, &what)
}

/// The request for the entities of one parent: the item's path, and its options as they are written. Further levels become an item of its
/// own `$expand`.
fn rest(name: &str, item: &ExpandItem, levels: usize, recursion: Recursion) -> RestRequest {
    let path: Vec<&str> = item.path.iter().map(|step| if step == "*" { name } else { step.as_str() }).collect();
    let path = path.join("/");
    let is = |option: &str, wanted: &str| option.trim_start_matches('$').eq_ignore_ascii_case(wanted);
    let mut options: Vec<(String, String)> = split(&item.text)
        .filter_map(|option| option.split_once('='))
        .map(|(option, value)| (option.trim().to_owned(), value.trim().to_owned()))
        .filter(|(option, _)| !is(option, "levels"))
        .collect();
    let left = if recursion == Recursion::Max { "max".to_owned() } else { levels.saturating_sub(1).to_string() };
    if levels > 1 && is_star(item) {
        options.push(("$expand".to_owned(), format!("*($levels={left})")));
    } else if levels > 1 {
        let inside: Vec<String> = options.iter().map(|(option, value)| format!("{option}={value}")).collect();
        let again = format!("{path}({})", inside.into_iter().chain([format!("$levels={left}")]).collect::<Vec<_>>().join(";"));
        match options.iter_mut().find(|(option, _)| is(option, "expand")) {
            Some((_, items)) => *items = format!("{items},{again}"),
            None => options.push(("$expand".to_owned(), again)),
        }
    }
    RestRequest { path, options }
}

fn is_star(item: &ExpandItem) -> bool {
    item.path.first().is_some_and(|first| first == "*")
}

/// Nested options: split at semicolons outside parentheses and quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut quote) = (0_usize, None);
    text.split(move |c: char| {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ';') => return depth == 0,
            (None, _) => {}
        }
        false
    })
}

/// The columns that a relationship starts from.
pub(super) fn near(table: &TableView, relationship: &RelationshipView) -> Vec<usize> {
    let relationship = table.table.relationships.get(relationship.index);
    let own = relationship.into_iter().flat_map(|relationship| match &relationship.through {
        Some(through) => through.own.iter().map(|(own, _)| *own).collect::<Vec<_>>(),
        None => relationship.on.iter().map(|(own, _)| *own).collect(),
    });
    own.collect()
}

/// Their types.
pub(super) fn links(table: &TableView, relationship: &RelationshipView) -> Vec<ScalarType> {
    let own = near(table, relationship).into_iter();
    own.filter_map(|own| table.table.columns.get(own)).map(|column| column.scalar_type).collect()
}

/// Expands a relationship so many levels deep.
fn follow(place: &Place<'_>, step: &Step<'_>, item: &ExpandItem, levels: usize, recursion: Recursion) -> Result<BoundExpand, ODataError> {
    let relationship = step.relationship;
    let name = &relationship.name;
    let at = Some(item.span.start);
    if place.depth >= MAX_EXPAND_DEPTH || levels > MAX_EXPAND_DEPTH - place.depth {
        let message = format!("$expand is nested more than {MAX_EXPAND_DEPTH} levels deep at '{name}'");
        return Err(ODataError::bad_request(message));
    }
    allowed(step, &item.options).map_err(|error| error.at("$expand", at))?;
    if item.options.apply.is_none() {
        options::refuse_unbuilt(&item.options, Some(("$expand", item.span.start)))?;
    } else if recursion != Recursion::Once {
        return Err(ODataError::not_implemented(format!("$levels beside $apply inside '{name}'")).at("$expand", at));
    }
    let table = place.view.table(&relationship.to).ok_or_else(|| ODataError::bad_request(format!("'{name}' leads nowhere")))?;
    let rows = RowType::of_table(table);
    let aliases: Vec<_> = item.options.aliases.iter().chain(place.aliases).cloned().collect();
    let nested = Place {
        view: place.view,
        table,
        rows: &rows,
        aliases: &aliases,
        cast: step.cast.as_deref(),
        nested_in: Some("$expand"),
        depth: place.depth + 1,
    };
    let bound = match &item.options.apply {
        Some(transformations) => apply::of_groups(&nested, transformations, &item.options, &links(place.table, relationship)),
        None => options::query(&nested, &item.options),
    };
    let mut query = bound.map_err(|error| match error.position {
        None => error.at("$expand", at),
        Some(_) => error,
    })?;
    if let (Some(cast), Some(derivation)) = (&step.cast, &table.table.overlay.derivation) {
        let of_type = path::of_type(derivation.discriminator, derivation.values(cast));
        query.filter = BoundExpr::both(Some(of_type), query.filter.take());
    }
    match step.form {
        ExpandForm::Entities => {}
        ExpandForm::References => query.select = table.table.key.clone(),
        ExpandForm::Count => {
            query.select = Vec::new();
            query.count = true;
        }
    }
    if levels > 1 && is_star(item) {
        for relationship in table.relationships.iter().filter(|relationship| restrict::expandable(table, relationship).is_ok()) {
            let step = Step { relationship, only: table_owner(&nested, relationship), cast: None, form: step.form };
            query.expand.push(follow(&nested, &step, item, levels - 1, recursion)?);
        }
    } else if levels > 1 {
        // The relationship leads to the table it starts from, so it can be followed again with the same options.
        if query.expand.iter().any(|other| other.relationship == relationship.index) {
            return Err(ODataError::bad_request(format!("$expand: '{name}' with $levels is expanded again inside its parentheses")));
        }
        let step = Step { relationship, only: None, cast: step.cast.clone(), form: step.form };
        query.expand.push(follow(&nested, &step, item, levels - 1, recursion)?);
    }
    Ok(BoundExpand {
        relationship: relationship.index,
        name: name.clone(),
        many: relationship.many,
        form: step.form,
        only: step.only.clone(),
        recursion,
        page: 0,
        rest: rest(name, item, levels, recursion),
        made: None,
        query,
    })
}
