//! The members of an object as columns: plain properties, and those of complex properties at any depth. It must not know what the
//! values are for.

use super::value::{self, Wanted};
use super::{control_information, wrong};
use crate::error::ODataError;
use portico_catalog::names::nearest;
use portico_catalog::overlay::ComplexProperty;
use portico_catalog::{PropertyView, TableView};
use portico_provider_api::Value;
use portico_provider_api::json::Json;
use std::collections::HashSet;

/// A value with its column and the name that the body gave it: `City`, `Address/City`.
pub(super) struct Given {
    pub(super) name: String,
    pub(super) column: usize,
    pub(super) value: Value,
}

/// Reads the members of an entity.
pub(super) fn entity(members: &[(String, Json)], view: &TableView) -> Result<Vec<Given>, ODataError> {
    let properties = view.properties();
    let mut given = Vec::with_capacity(members.len());
    for (name, json) in plain_members(members, "")? {
        let found = properties.iter().find(|property| own_name(property, view) == Some(name));
        match found {
            Some(PropertyView::Column(column)) => given.push(read(name, *column, json, view)?),
            Some(PropertyView::Complex(complex, visible)) => complex_property(complex, visible, json, view, &mut given)?,
            Some(PropertyView::Point(property)) => {
                let column = |index: usize| view.table.columns.get(index);
                let Some((latitude, longitude)) = column(property.latitude).zip(column(property.longitude)) else { continue };
                let (north, east) = value::point(name, json, latitude, longitude, &property.of())?;
                given.push(Given { name: name.to_owned(), column: property.latitude, value: north });
                given.push(Given { name: name.to_owned(), column: property.longitude, value: east });
            }
            Some(PropertyView::Stream(_)) => {
                return Err(ODataError::not_implemented(format!("writing the stream '{name}' in the body of its entity")).at(name, None));
            }
            None => return Err(unknown(name, json, view, &properties)),
        }
    }
    Ok(given)
}

/// The members that are properties, each once; what else there is has been looked at.
fn plain_members<'a>(members: &'a [(String, Json)], path: &str) -> Result<Vec<(&'a str, &'a Json)>, ODataError> {
    let mut seen = HashSet::with_capacity(members.len());
    let mut plain = Vec::with_capacity(members.len());
    for (name, json) in members {
        let full = format!("{path}{name}");
        if !seen.insert(name.as_str()) {
            return Err(wrong(&full, format!("the property '{full}' is given twice")));
        }
        match name.split_once('@') {
            Some((property, term)) => control_information(&full, property, term, json)?,
            None => plain.push((name.as_str(), json)),
        }
    }
    Ok(plain)
}

fn own_name<'a>(property: &PropertyView<'a>, view: &'a TableView) -> Option<&'a str> {
    match property {
        PropertyView::Column(column) => view.table.columns.get(*column).map(|column| column.name.as_str()),
        PropertyView::Complex(complex, _) => Some(complex.name.as_str()),
        PropertyView::Point(point) => Some(point.name.as_str()),
        PropertyView::Stream(stream) => Some(stream.name.as_str()),
    }
}

fn read(name: &str, column: usize, json: &Json, view: &TableView) -> Result<Given, ODataError> {
    let missing = || wrong(name, format!("'{}' has no property '{name}'", view.name));
    let wanted = view.table.columns.get(column).map(Wanted::of).ok_or_else(missing)?;
    Ok(Given { name: name.to_owned(), column, value: value::read(name, json, &wanted)? })
}

/// A complex property: an object gives the members that it names, null makes all of them null.
fn complex_property(
    complex: &ComplexProperty,
    visible: &[(&str, usize)],
    json: &Json,
    view: &TableView,
    given: &mut Vec<Given>,
) -> Result<(), ODataError> {
    let name = &complex.name;
    let members = match json {
        Json::Null => {
            for (member, column) in visible {
                given.push(read(&format!("{name}/{member}"), *column, json, view)?);
            }
            return Ok(());
        }
        Json::Object(members) => members,
        Json::Boolean(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) => {
            return Err(wrong(name, format!("the property '{name}' is of type {}: an object or null is expected", complex.type_name)));
        }
    };
    for (member, json) in plain_members(members, &format!("{name}/"))? {
        let full = format!("{name}/{member}");
        let Some((_, column)) = visible.iter().find(|(visible, _)| *visible == member) else {
            let hint = nearest(member, visible.iter().map(|(name, _)| *name)).map(|name| format!("; did you mean '{name}'?"));
            let message = format!("'{}' has no property '{member}'{}", complex.type_name, hint.unwrap_or_default());
            return Err(wrong(&full, message));
        };
        given.push(read(&full, *column, json, view)?);
    }
    Ok(())
}

fn unknown(name: &str, json: &Json, view: &TableView, properties: &[PropertyView<'_>]) -> ODataError {
    if view.relationship(name).is_some() {
        let what = if matches!(json, Json::Object(_) | Json::Array(_)) {
            "writing related entities inline"
        } else {
            "writing a navigation property"
        };
        return ODataError::not_implemented(format!("{what} ('{name}')")).at(name, None);
    }
    let names = properties.iter().filter_map(|property| own_name(property, view));
    let candidates = names.chain(view.relationships.iter().map(|relationship| relationship.name.as_str()));
    let hint = nearest(name, candidates).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
    wrong(name, format!("'{}' has no property '{name}'{hint}", view.name))
}
