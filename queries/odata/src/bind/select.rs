//! `$select`: which properties the answer has.

use super::options::Place;
use super::property::{self, Property, Qualified};
use crate::error::ODataError;
use crate::syntax::{Options, SelectItem};

/// What `$select` asks for.
#[derive(Default)]
pub(super) struct Selected {
    /// Positions of columns in declared order, then of computed ones; key columns are always among them.
    pub(super) columns: Vec<usize>,
    /// What has no columns: see [`crate::bound::BoundQuery::mentioned`].
    pub(super) mentioned: Vec<String>,
}

impl Selected {
    fn mention(&mut self, name: String) {
        if !self.mentioned.contains(&name) {
            self.mentioned.push(name);
        }
    }
}

/// What the items ask for.
pub(super) fn select(place: &Place<'_>, items: &[SelectItem]) -> Result<Selected, ODataError> {
    let mut wanted = Selected { columns: place.table.table.key.clone(), mentioned: Vec::new() };
    for item in items {
        select_item(place, item, &mut wanted).map_err(|error| error.at(place.target("$select"), Some(item.span.start)))?;
    }
    let all = 0..place.rows.columns.len();
    let columns = all.filter(|index| wanted.columns.contains(index)).collect();
    Ok(Selected { columns, ..wanted })
}

/// Everything that rows here have.
pub(super) fn everything(place: &Place<'_>) -> Vec<usize> {
    let computed = place.table.table.columns.len()..place.rows.columns.len();
    property::columns_of(place.table, place.cast).into_iter().chain(computed).collect()
}

fn select_item(place: &Place<'_>, item: &SelectItem, wanted: &mut Selected) -> Result<(), ODataError> {
    let (original, mut place, mut path, table) = (place.cast, *place, item.path.as_slice(), place.table);
    let derived;
    if let [first, rest @ ..] = path
        && first.contains('.')
        && !first.starts_with('@')
    {
        if let Some(namespace) = first.strip_suffix(".*") {
            return if namespace == crate::metadata::namespace(place.view) && rest.is_empty() && item.options.is_none() {
                wanted.mention(first.clone());
                Ok(())
            } else {
                Err(ODataError::bad_request(format!("$select: there is no namespace '{namespace}'")))
            };
        }
        match property::qualified(place.view, table, first) {
            Qualified::Operation if rest.is_empty() && item.options.is_none() => {
                wanted.mention(first.clone());
                return Ok(());
            }
            Qualified::Type(name) if !rest.is_empty() => {
                derived = name;
                place.cast = derived.as_deref().or(place.cast);
                path = rest;
            }
            Qualified::Type(_) => return Err(ODataError::bad_request(format!("$select: a property must follow the type '{first}'"))),
            Qualified::Operation | Qualified::Nothing => {
                return Err(ODataError::bad_request(format!("$select: there is no type or operation '{first}' here")));
            }
        }
    }
    if item.parameters.is_some() {
        return Err(ODataError::bad_request(format!("$select: there is no operation '{}'", item.path.join("/"))));
    }
    let Some((first, rest)) = path.split_first() else { return Err(ODataError::bad_request("an item of $select is empty")) };
    if first.starts_with('@') || rest.iter().any(|step| step.starts_with('@')) {
        return Err(ODataError::not_implemented(format!("'{}' in $select", item.path.join("/"))));
    }
    if first == "*" && rest.is_empty() && item.options.is_none() {
        wanted.columns.extend(everything(&place));
        return Ok(());
    }
    let found = property::find(table, place.rows, place.cast, first);
    let found = found.ok_or_else(|| ODataError::bad_request(property::unknown(table, first)))?;
    match (found, rest) {
        (Property::Complex(complex), rest) => {
            let nested = item.options.as_ref();
            members(&place, complex, rest, nested, &mut wanted.columns)
        }
        (_, []) if item.options.is_some() => Err(ODataError::bad_request(format!(
            "$select: '{first}' has no properties of its own, so nothing in parentheses applies to it"
        ))),
        (Property::Column(index), []) => {
            wanted.columns.push(index);
            Ok(())
        }
        (Property::Point(point), []) => {
            wanted.columns.extend([point.latitude, point.longitude]);
            Ok(())
        }
        (Property::Stream(stream), []) => {
            wanted.columns.push(stream.content);
            Ok(())
        }
        // Selecting a navigation property asks for its link, which minimal metadata leaves to convention.
        (Property::Navigation, []) => {
            wanted.mention(property::prefixed(place.view, table, original, first));
            Ok(())
        }
        (Property::Navigation, _) => {
            let message =
                format!("$select: '{}' leads through a navigation property: write $expand={first}($select=…)", item.path.join("/"));
            Err(ODataError::bad_request(message))
        }
        (Property::Column(_) | Property::Point(_) | Property::Stream(_), _) => Err(ODataError::bad_request(format!(
            "$select: '{first}' is a property without parts, so '{}' leads nowhere",
            item.path.join("/")
        ))),
    }
}

/// Members of a complex property: all, one after a `/`, or those of a nested `$select`.
fn members(
    place: &Place<'_>,
    complex: &portico_catalog::overlay::ComplexProperty,
    rest: &[String],
    nested: Option<&Options>,
    wanted: &mut Vec<usize>,
) -> Result<(), ODataError> {
    let one = |name: &str| {
        let names = complex.members.iter().filter(|(_, column)| place.table.columns.contains(column)).map(|(name, _)| name.as_str());
        let hint = super::suggestion(name, names);
        property::member(place.table, complex, name)
            .ok_or_else(|| ODataError::bad_request(format!("$select: '{}' has no property '{name}'{hint}", complex.name)))
    };
    match (rest, nested) {
        ([], None) => wanted.extend(property::members(place.table, complex)),
        ([star], None) if star == "*" => wanted.extend(property::members(place.table, complex)),
        ([], Some(options)) => {
            super::options::only(options, &["$select"], &format!("inside '{}', a property in $select", complex.name))?;
            let Some(items) = &options.select else {
                wanted.extend(property::members(place.table, complex));
                return Ok(());
            };
            for item in items {
                match (item.path.as_slice(), &item.options, &item.parameters) {
                    ([star], None, None) if star == "*" => wanted.extend(property::members(place.table, complex)),
                    ([name], None, None) => wanted.push(one(name)?),
                    _ => {
                        return Err(ODataError::bad_request(format!(
                            "$select: '{}' leads nowhere in '{}'",
                            item.path.join("/"),
                            complex.name
                        )));
                    }
                }
            }
        }
        ([name], None) => wanted.push(one(name)?),
        _ => return Err(ODataError::bad_request(format!("$select: '{}/{}' leads nowhere", complex.name, rest.join("/")))),
    }
    Ok(())
}
