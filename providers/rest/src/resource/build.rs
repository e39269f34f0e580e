//! Resources from their settings. It must not know queries.

use super::access::{look_up, main, requires};
use super::check::checked;
use super::column::column;
use super::place::{Place, path, pointer};
use super::{Access, Column, ErrorRule, Need, Resource, Sort};
use crate::config::{Format, ResourceConfig, RestConfig};
use crate::template::{Context, Template};
use crate::write::Write;
use portico_provider_api::{ForeignKey, RemoteTableName};

/// All resources of a configuration.
///
/// # Errors
/// Names the resource, and what of it is wrong.
pub fn all(config: &RestConfig) -> Result<Vec<Resource>, String> {
    let mut found: Vec<Resource> = Vec::new();
    for (name, own) in config.resources.iter().filter(|(_, own)| own.parent.is_none()) {
        found.push(resource(name, own, config).map_err(|wrong| format!("resource '{name}': {wrong}"))?);
    }
    for (name, own) in &config.resources {
        if let Some(parent) = &own.parent {
            let place = |wrong: String| format!("resource '{name}': {wrong}");
            let of = found.iter().find(|known| known.name == parent.resource && known.inside.is_none());
            let of = of.ok_or_else(|| place(format!("there is no resource '{}' that it could be a part of", parent.resource)))?;
            let child = child(name, own, of, config).map_err(place)?;
            found.push(child);
        }
    }
    let known: Vec<&str> = config.resources.keys().map(String::as_str).collect();
    for resource in &found {
        let unknown = resource.references.iter().find(|reference| !known.contains(&reference.references.table()));
        if let Some(unknown) = unknown {
            return Err(format!("resource '{}': it refers to '{}', which is no resource", resource.name, unknown.references));
        }
    }
    Ok(found)
}

fn resource(name: &str, own: &ResourceConfig, config: &RestConfig) -> Result<Resource, String> {
    let format = own.format.unwrap_or(config.format);
    let columns = own.columns.iter().map(|(name, own)| column(name, own, format, config)).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Err("it has no columns: declare 'columns', or give a 'sample' or an 'openapi' document to take them from".to_owned());
    }
    let main = match &own.path {
        Some(path) => Some(main(path, own, format, config)?),
        None => None,
    };
    let lookups = own.lookups.iter().map(|lookup| look_up(lookup, own, format)).collect::<Result<Vec<_>, _>>()?;
    if main.is_none() && lookups.is_empty() {
        return Err("it has neither a 'path' nor 'lookups': there is no way to its rows".to_owned());
    }
    let mut made = Resource {
        name: name.to_owned(),
        description: own.description.clone(),
        columns,
        key: own.key.clone(),
        references: references(name, own),
        format,
        errors: errors(config, own, format)?,
        main,
        lookups,
        requires: Vec::new(),
        sort: sort(own)?,
        select: own.select.as_ref().map(|select| (select.parameter.clone(), select.separator.clone())),
        inside: None,
        write: own.write.as_ref().map(|write| Write::new(write, format)).transpose()?,
        postgrest: false,
        writable: false,
        upserts: false,
    };
    made.requires = requires(own, &made)?;
    checked(&made)?;
    if let Some(write) = &made.write {
        write.checked(&made)?;
    }
    Ok(made)
}

fn child(name: &str, own: &ResourceConfig, parent: &Resource, config: &RestConfig) -> Result<Resource, String> {
    let settings = own.parent.as_ref().ok_or("it has no parent")?;
    if own.path.is_some() || !own.lookups.is_empty() || own.write.is_some() || own.sort.is_some() || own.select.is_some() {
        return Err(
            "it is a part of another resource, which is what is asked: 'path', 'lookups', 'sort', 'select' and 'write' are that one's"
                .to_owned(),
        );
    }
    let mut columns = Vec::new();
    for (name, of) in &settings.columns {
        let found = parent.columns.iter().find(|column| column.name == *of);
        let found = found.ok_or_else(|| format!("its parent has no column '{of}'"))?;
        if found.selected.is_some() {
            return Err(format!(
                "its parent's column '{of}' is found by a JSONPath, and stands in no place that could be read beside its own rows"
            ));
        }
        columns.push(Column { name: name.clone(), of_parent: true, sort: false, ..found.clone() });
    }
    for (name, own) in &own.columns {
        let made = column(name, own, parent.format, config)?;
        if !made.filters.is_empty() || made.asked || made.sort {
            return Err(format!("column '{name}' stands in an array: the server cannot be asked for it"));
        }
        columns.push(made);
    }
    // A place for the parent's column is filled by the child's column that stands for it.
    let mapped = |access: &Access| {
        let needs = access.needs.iter().map(|need| {
            let own = settings.columns.iter().find(|(_, of)| **of == need.column).map(|(own, _)| own.clone());
            own.map(|column| Need { column, place: need.place.clone() })
        });
        needs.collect::<Option<Vec<_>>>().map(|needs| Access { needs, ..access.clone() })
    };
    let (main, lookups) = (parent.main.as_ref().and_then(mapped), parent.lookups.iter().filter_map(mapped).collect::<Vec<_>>());
    if main.is_none() && lookups.is_empty() {
        return Err("its parent is asked by columns that are none of its own: name them under 'parent.columns'".to_owned());
    }
    let mut made = Resource {
        name: name.to_owned(),
        description: own.description.clone(),
        columns,
        key: own.key.clone(),
        references: references(name, own),
        main,
        lookups,
        requires: Vec::new(),
        sort: None,
        select: None,
        inside: Some(Place::in_row(&settings.rows).and_then(|rows| inner_rows(rows, parent.format))?),
        write: None,
        ..parent.clone()
    };
    made.requires = requires(own, &made)?;
    checked(&made)?;
    Ok(made)
}

/// The rows inside of a row, whose array is meant by `$.lines` and by `$.lines[*]`.
fn inner_rows(place: Place, format: Format) -> Result<Place, String> {
    let Place::Selected(path) = &place else { return Ok(place) };
    match path.names() {
        Some((names, _)) => Ok(Place::Names(names)),
        None if format == Format::Xml => Err(format!("'parent.rows': '{place}': of XML, names alone lead to rows")),
        None => Ok(place),
    }
}

fn references(name: &str, own: &ResourceConfig) -> Vec<ForeignKey> {
    let reference = |(index, reference): (usize, &crate::config::ReferenceConfig)| ForeignKey {
        name: format!("{name}_fk{}", index + 1),
        columns: reference.columns.clone(),
        references: RemoteTableName(vec![reference.to.clone()]),
        referenced_columns: reference.referenced.clone(),
    };
    own.references.iter().enumerate().map(reference).collect()
}

fn errors(config: &RestConfig, own: &ResourceConfig, format: Format) -> Result<Vec<ErrorRule>, String> {
    let rule = |rule: &crate::config::ErrorConfig| {
        let message = rule.message.as_deref().map(path).transpose()?;
        Ok::<_, String>(ErrorRule { at: pointer(&rule.at)?, message, except: rule.except.clone() })
    };
    let mut rules = config.errors.iter().chain(&own.errors).map(rule).collect::<Result<Vec<_>, _>>()?;
    if format == Format::Xml {
        let fault = |message: &[&str]| ErrorRule {
            at: ["Envelope", "Body", "Fault"].map(str::to_owned).to_vec(),
            message: Some(message.iter().map(|name| (*name).to_owned()).collect()),
            except: Vec::new(),
        };
        rules.extend([fault(&["faultstring"]), fault(&["Reason", "Text"])]);
    }
    Ok(rules)
}

fn sort(own: &ResourceConfig) -> Result<Option<Sort>, String> {
    let Some(sort) = &own.sort else { return Ok(None) };
    let template = |text: &str| {
        let template = Template::parse(text, Context::Plain)?;
        if template.names() == ["column"] { Ok(template) } else { Err(format!("'sort': '{text}' must have just '{{column}}' for a value")) }
    };
    Ok(Some(Sort {
        parameter: sort.parameter.clone(),
        ascending: template(&sort.ascending)?,
        descending: template(&sort.descending)?,
        separator: sort.separator.clone(),
    }))
}
