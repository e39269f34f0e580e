//! Query options: which apply where, and what they say of one table.

use super::path::Target;
use super::scope::Scope;
use super::{MAX_EXPAND_DEPTH, plain_query, suggestion, table_columns};
use crate::bound::{BoundExpand, BoundOrder, BoundQuery, ReadKind};
use crate::error::ODataError;
use crate::syntax::{Alias, ExpandItem, Options, OrderItem, Request, SelectItem};
use crate::value_type::RowType;
use portico_catalog::{ModelView, TableView};
use portico_provider_api::ScalarType;

/// Where options stand.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) view: &'a ModelView,
    pub(super) table: &'a TableView,
    /// The rows that expressions here are over.
    pub(super) rows: &'a RowType,
    pub(super) aliases: &'a [Alias],
    /// `$expand` when they are nested: all positions are in it.
    pub(super) nested_in: Option<&'static str>,
    /// How many relationships lead here.
    pub(super) depth: usize,
}

impl<'a> Place<'a> {
    fn target(&self, option: &'static str) -> &'static str {
        self.nested_in.unwrap_or(option)
    }

    fn scope(&self, option: &'static str) -> Scope<'a> {
        let scope = Scope::new(self.view, Some(self.table), self.rows, self.aliases, self.target(option));
        if self.nested_in.is_some() { scope.without_it() } else { scope }
    }
}

/// Refuses options that do not apply to what the path addresses.
pub(super) fn check(request: &Request, target: &Target<'_>) -> Result<(), ODataError> {
    let (allowed, what): (&[&str], _) = match target.kind {
        ReadKind::Collection => return Ok(()),
        ReadKind::Entity => (&["$select", "$expand", "$format"], "to one entity"),
        ReadKind::Count => (&["$apply", "$filter", "$format"], "to /$count"),
    };
    only(&request.options, allowed, what)
}

/// Refuses all options but these.
pub(super) fn only(options: &Options, allowed: &[&str], what: &str) -> Result<(), ODataError> {
    match options.given().find(|name| !allowed.contains(name)) {
        Some(name) => Err(ODataError::bad_request(format!("the query option {name} does not apply {what}")).at(name, None)),
        None => Ok(()),
    }
}

/// Options that are executed; `$format` and `$skiptoken` by others.
const BUILT: [&str; 9] = ["$filter", "$select", "$orderby", "$expand", "$top", "$skip", "$count", "$format", "$skiptoken"];

/// Refuses what the protocol has and nobody executes yet.
pub(super) fn refuse_unbuilt(options: &Options, nested_in: Option<(&'static str, usize)>) -> Result<(), ODataError> {
    let place = if nested_in.is_some() { " inside parentheses" } else { "" };
    if let Some(name) = options.given().find(|name| !BUILT.contains(name)) {
        let error = ODataError::not_implemented(format!("the query option {name}{place}"));
        return Err(nested_in.map_or_else(|| error.clone().at(name, None), |(option, at)| error.clone().at(option, Some(at))));
    }
    match options.aliases.first() {
        Some(alias) => {
            let error = ODataError::not_implemented(format!("the parameter alias {} defined inside parentheses", alias.name));
            Err(error.at(nested_in.map_or("path", |(option, _)| option), nested_in.map(|(_, at)| at)))
        }
        None => Ok(()),
    }
}

/// Binds options over a table.
pub(super) fn query(place: &Place<'_>, options: &Options) -> Result<BoundQuery, ODataError> {
    let mut query = plain_query(place.table);
    if let Some(filter) = &options.filter {
        query.filter = Some(place.scope("$filter").predicate(filter)?);
    }
    if let Some(items) = &options.select {
        query.select = select(place, items)?;
        query.selected = true;
    }
    if let Some(items) = &options.order_by {
        query.order_by = order_by(place, items)?;
    }
    query.top = options.top;
    query.skip = options.skip.unwrap_or(0);
    query.count = options.count.unwrap_or(false);
    if let Some(items) = &options.expand {
        query.expand = expand(place, items)?;
    }
    Ok(query)
}

/// Positions of the selected columns in declared order, key columns among them.
pub(super) fn select(place: &Place<'_>, items: &[SelectItem]) -> Result<Vec<usize>, ODataError> {
    let table = place.table;
    let target = place.target("$select");
    let mut wanted = table.table.key.clone();
    for item in items {
        let at = Some(item.span.start);
        let shown = item.path.join("/");
        let not_built = |what: String| Err(ODataError::not_implemented(what).at(target, at));
        match item.path.as_slice() {
            [name] if item.parameters.is_some() => return not_built(format!("the operation '{name}' in $select")),
            [name] if item.options.is_some() => return not_built(format!("options in parentheses after '{name}' in $select")),
            [star] if star == "*" => wanted.extend(&table.columns),
            [name] if name.contains('.') || name.starts_with(['$', '@']) => return not_built(format!("'{name}' in $select")),
            [name] => match table.column(name) {
                Some(index) => wanted.push(index),
                // Selecting a navigation property asks for its link, which minimal metadata leaves to convention.
                None if table.relationship(name).is_some() => {}
                None => return Err(unknown(table, name).at(target, at)),
            },
            [first, ..] if table.column(first).is_some() || table.relationship(first).is_some() => {
                return not_built(format!("the path '{shown}' in $select"));
            }
            [first, ..] if first.contains('.') || first.starts_with('@') => return not_built(format!("the path '{shown}' in $select")),
            [first, ..] => return Err(unknown(table, first).at(target, at)),
            [] => return Err(ODataError::bad_request("an item of $select is empty").at(target, at)),
        }
    }
    Ok(table.columns.iter().copied().filter(|index| wanted.contains(index)).collect())
}

fn unknown(table: &TableView, name: &str) -> ODataError {
    let hint = suggestion(name, table_columns(table).chain(table.relationships.iter().map(|r| r.name.as_str())));
    ODataError::bad_request(format!("'{}' has no property '{name}'{hint}", table.name))
}

fn order_by(place: &Place<'_>, items: &[OrderItem]) -> Result<Vec<BoundOrder>, ODataError> {
    let scope = place.scope("$orderby");
    let mut bound = Vec::with_capacity(items.len());
    for item in items {
        let at = Some(item.expr.span.start);
        let (expr, value_type) = scope.value(&item.expr)?;
        match value_type.scalar() {
            ScalarType::Binary => {
                return Err(ODataError::bad_request("$orderby: values of type Edm.Binary have no order").at(scope.target, at));
            }
            ScalarType::Json => return Err(ODataError::not_implemented("$orderby over a JSON property").at(scope.target, at)),
            _ => bound.push(BoundOrder { expr: scope.order(expr, &value_type), descending: item.descending }),
        }
    }
    Ok(bound)
}

pub(super) fn expand(place: &Place<'_>, items: &[ExpandItem]) -> Result<Vec<BoundExpand>, ODataError> {
    let mut bound: Vec<BoundExpand> = Vec::with_capacity(items.len());
    for item in items {
        let expanded = expand_item(place, item)?;
        if bound.iter().any(|other| other.relationship == expanded.relationship) {
            let message = format!("$expand names '{}' twice", expanded.name);
            return Err(ODataError::bad_request(message).at("$expand", Some(item.span.start)));
        }
        bound.push(expanded);
    }
    Ok(bound)
}

fn expand_item(place: &Place<'_>, item: &ExpandItem) -> Result<BoundExpand, ODataError> {
    let table = place.table;
    let at = Some(item.span.start);
    let not_built = |what: String| Err(ODataError::not_implemented(what).at("$expand", at));
    let shown = item.path.join("/");
    let name = match item.path.as_slice() {
        [star] if star == "*" => return not_built("$expand=*".to_owned()),
        [name] if name.contains('.') || name.starts_with(['$', '@']) => return not_built(format!("'{name}' in $expand")),
        [name] => name,
        [first, ..] if table.relationship(first).is_none() && !first.contains('.') && !first.starts_with(['@', '*', '$']) => first,
        _ => return not_built(format!("the path '{shown}' in $expand")),
    };
    let Some(relationship) = table.relationship(name) else {
        let error = if table.column(name).is_some() {
            ODataError::bad_request(format!("'{name}' is a property of '{}', not a navigation property: it cannot be expanded", table.name))
        } else {
            let hint = suggestion(name, table.relationships.iter().map(|r| r.name.as_str()));
            ODataError::bad_request(format!("'{}' has no navigation property '{name}'{hint}", table.name))
        };
        return Err(error.at("$expand", at));
    };
    if place.depth >= MAX_EXPAND_DEPTH {
        let message = format!("$expand is nested more than {MAX_EXPAND_DEPTH} levels deep at '{name}'");
        return Err(ODataError::bad_request(message).at("$expand", at));
    }
    if !relationship.many {
        let what = format!("inside '{name}', which leads to one entity");
        only(&item.options, &["$select", "$expand"], &what).map_err(|error| error.at("$expand", at))?;
    }
    refuse_unbuilt(&item.options, Some(("$expand", item.span.start)))?;
    let to = place.view.table(&relationship.to);
    let table = to.ok_or_else(|| ODataError::bad_request(format!("'{name}' leads nowhere")).at("$expand", at))?;
    let rows = RowType::of_table(table);
    let nested = Place { table, rows: &rows, nested_in: Some("$expand"), depth: place.depth + 1, ..*place };
    let query = query(&nested, &item.options)?;
    Ok(BoundExpand { relationship: relationship.index, name: relationship.name.clone(), many: relationship.many, query })
}
