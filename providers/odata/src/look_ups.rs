//! Look-ups: properties that a service reads as the key of another entity and takes only as a reference to it (`x@odata.bind`, JSON Format 4.01,
//! section 8.5), as Dataverse does. Which navigation property a property is written by is decided here. It must not know requests.

use crate::capabilities::Rules;
use crate::config::ColumnOverrides;
use crate::metadata::{EntitySet, Link, LookUp, Property, Protocol, Service};

/// Says of the properties of a service how those are written that refer to an entity: where the product or the configuration has it so, by the
/// navigation property whose constraint is on them, or by the one that the configuration names.
///
/// # Errors
/// When the configuration names what is not there, or what the value of the property cannot be a key of: names set and property.
pub fn settle(service: &mut Service, rules: &Rules) -> Result<(), String> {
    for set in &mut service.sets {
        let own = rules.tables.get(&set.name);
        let binds = own.and_then(|own| own.bind).unwrap_or(rules.preset.binds);
        if own.is_some_and(|own| own.bind == Some(true)) && service.protocol == Protocol::V2 {
            return Err(format!("'bind' of '{}': references are written by OData 4.0 alone", set.name));
        }
        for (name, column) in
            own.into_iter().flat_map(|own| &own.columns).filter(|(_, column)| column.bind.is_some() || column.bind_to.is_some())
        {
            let link = chosen(set, name, column).map_err(|wrong| format!("'bind' of '{name}' in '{}': {wrong}", set.name))?;
            if let Some(property) = set.properties.iter_mut().find(|property| property.name == *name) {
                take(property, link);
            }
        }
        if !binds || service.protocol == Protocol::V2 {
            continue;
        }
        let (links, key) = (&set.links, &set.key);
        for property in set.properties.iter_mut().filter(|property| property.look_up == LookUp::Value && !key.contains(&property.name)) {
            let by: Vec<&Link> = links.iter().filter(|link| is_of(link, &property.name)).collect();
            match by.as_slice() {
                [] => {}
                [only] if only.set.is_some() && is_key(only, property) => take(property, (*only).clone()),
                // One whose set or key is not known is no way to write it.
                several => {
                    let names: Vec<String> = several.iter().map(|link| link.name.clone()).collect();
                    service.notes.push(format!(
                        "'{}' of '{}' is not written: it refers to an entity by {}; name the navigation property with \
                         `tables.{}.columns.{}.bind`, and its set with `bind_to` where the metadata has none",
                        property.name,
                        set.name,
                        names.join(" or "),
                        set.name,
                        property.name
                    ));
                    property.computed = true;
                    property.look_up = LookUp::Ambiguous(names);
                }
            }
        }
    }
    Ok(())
}

/// The navigation property that the configuration names.
fn chosen(set: &EntitySet, name: &str, column: &ColumnOverrides) -> Result<Link, String> {
    let property = set.property(name).ok_or_else(|| "there is no such property".to_owned())?;
    let wanted = match &column.bind {
        Some(wanted) => wanted,
        None => return Err("'bind_to' needs 'bind', the navigation property".to_owned()),
    };
    let link = set.links.iter().find(|link| link.name == *wanted);
    let mut link = link.cloned().ok_or_else(|| {
        let names: Vec<&str> = set.links.iter().filter(|link| is_of(link, name)).map(|link| link.name.as_str()).collect();
        let known = if names.is_empty() { String::new() } else { format!(": there is {}", names.join(" and ")) };
        format!("there is no navigation property '{wanted}' to one entity{known}")
    })?;
    link.set = column.bind_to.clone().or(link.set);
    if link.set.is_none() {
        return Err(format!("the metadata does not say in which set the entity of '{wanted}' is: name it with 'bind_to'"));
    }
    if !is_key(&link, property) {
        let key: Vec<String> = link.key.iter().map(|part| format!("{} {}", part.name, part.scalar_type)).collect();
        return Err(format!("it is {}, and the key of '{wanted}' is {}", property.scalar_type, key.join(", ")));
    }
    Ok(link)
}

/// Whether a navigation property refers by this property alone.
fn is_of(link: &Link, property: &str) -> bool {
    matches!(link.constraints.as_slice(), [(own, _)] if own == property)
}

/// Whether values of the property are keys of the entity.
fn is_key(link: &Link, property: &Property) -> bool {
    let referenced = link.constraints.iter().find(|(own, _)| *own == property.name).map(|(_, other)| other);
    match link.key.as_slice() {
        [only] => only.scalar_type == property.scalar_type && referenced.is_none_or(|other| *other == only.name),
        _ => false,
    }
}

fn take(property: &mut Property, link: Link) {
    // What is only read by its value is written by its reference.
    property.computed = false;
    property.look_up = LookUp::Bound(Box::new(link));
}
