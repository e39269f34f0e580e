//! Types derived from a table's own, told apart by a column. It must not know how a type is asked for.

use super::super::{Work, below, error_at, values};
use crate::definition::{DerivationDefinition, DerivedTypeDefinition, TableDefinition};
use crate::model::{Origin, VirtualTable};
use crate::overlay::{Derivation, DerivedType, Overlay};
use indexmap::IndexMap;
use portico_provider_api::Value;

/// Resolves the derived types of a table.
pub(super) fn resolve(work: &mut Work<'_>, table: &str, definition: &TableDefinition, overlay: &mut Overlay, path: &[String]) {
    let Some(derived) = &definition.derived else { return };
    let Some(built) = work.tables.get(table).map(|built| built.table.clone()) else { return };
    let path = below(path, &["derived"]);
    let before = work.errors.len();
    let Some(discriminator) = discriminator(work, &built, derived, overlay, &path) else { return };
    let mut types: Vec<DerivedType> = Vec::new();
    for name in in_order(work, &derived.types, &path) {
        let Some(definition) = derived.types.get(name) else { continue };
        let here = below(&path, &["types", name]);
        let values = discriminating(work, &built, discriminator, definition, &types, &here);
        let columns = own_columns(work, &built, discriminator, definition, &types, overlay, &here);
        types.push(DerivedType { name: name.clone(), base: definition.base.clone(), values, columns });
    }
    if derived.types.is_empty() {
        work.error(error_at(below(&path, &["types"]), "there is no derived type: leave `derived` out when there is none"));
    }
    let derivation = Derivation { discriminator, is_abstract: derived.is_abstract, types };
    if work.errors.len() == before {
        refuse_rowless(work, &derivation, &path);
    }
    refuse_split(work, overlay, &derivation, &path);
    if derived.is_abstract {
        leave_out_others(work, table, &derivation, &below(&path, &["abstract"]));
    }
    if work.errors.len() == before {
        overlay.derivation = Some(derivation);
    }
}

/// Narrows a table's window to the rows that are of a derived type.
fn leave_out_others(work: &mut Work<'_>, table: &str, derivation: &Derivation, path: &[String]) {
    let Some(built) = work.tables.get_mut(table) else { return };
    let remote = built.table.columns.get(derivation.discriminator).map(|column| column.remote);
    let Origin::Single { relation, window, .. } = &mut built.table.origin else {
        work.error(error_at(path.to_vec(), "a view says itself which rows it has: leave the others out in its SELECT"));
        return;
    };
    let literal = |value: &Value| match value {
        Value::Text(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        Value::Int16(number) => Some(number.to_string()),
        Value::Int32(number) => Some(number.to_string()),
        Value::Int64(number) => Some(number.to_string()),
        _ => None,
    };
    let values: Option<Vec<String>> = derivation.types.iter().flat_map(|derived| &derived.values).map(literal).collect();
    let (Some(values), Some(column)) = (values, remote.and_then(|index| relation.columns.get(index))) else {
        work.error(error_at(path.to_vec(), "the discriminator of an abstract type holds text or whole numbers"));
        return;
    };
    let own = format!("\"{}\" IN ({})", column.name.replace('"', "\"\""), values.join(", "));
    *window = Some(window.as_ref().map_or_else(|| own.clone(), |other| format!("({other}) AND {own}")));
}

fn discriminator(
    work: &mut Work<'_>,
    table: &VirtualTable,
    definition: &DerivationDefinition,
    overlay: &Overlay,
    path: &[String],
) -> Option<usize> {
    let here = below(path, &["discriminator"]);
    let name = &definition.discriminator;
    let Some(index) = table.column(name) else {
        let error = error_at(here, format!("{} has no published column '{name}'", table.name));
        work.error(error.suggesting(name, table.columns.iter().map(|column| column.name.as_str())));
        return None;
    };
    if overlay.complex_of(index).is_some() || overlay.point_of(index).is_some() || overlay.is_stream_content(index) {
        work.error(error_at(here, format!("'{name}' is part of another property: a discriminator stands by itself")));
        return None;
    }
    Some(index)
}

/// The names of the types, bases before what is derived from them.
fn in_order<'a>(work: &mut Work<'_>, types: &'a IndexMap<String, DerivedTypeDefinition>, path: &[String]) -> Vec<&'a String> {
    let mut ordered: Vec<&String> = Vec::new();
    let mut waiting: Vec<&String> = types.keys().collect();
    loop {
        let before = waiting.len();
        waiting.retain(|name| {
            let base = types.get(*name).and_then(|definition| definition.base.as_ref());
            let ready = base.is_none_or(|base| ordered.contains(&base));
            if ready {
                ordered.push(name);
            }
            !ready
        });
        if waiting.len() == before {
            break;
        }
    }
    for name in waiting {
        let Some(base) = types.get(name).and_then(|definition| definition.base.as_ref()) else { continue };
        let here = below(path, &["types", name, "base"]);
        if !types.contains_key(base) {
            let error = error_at(here, format!("there is no derived type '{base}' here"));
            work.error(error.suggesting(base, types.keys().filter(|other| *other != name).map(String::as_str)));
        } else if leads_back(types, name) {
            work.error(error_at(here, format!("'{name}' would be derived from itself")));
        }
    }
    ordered
}

fn leads_back(types: &IndexMap<String, DerivedTypeDefinition>, start: &str) -> bool {
    let mut current = start;
    for _ in 0..types.len() {
        match types.get(current).and_then(|definition| definition.base.as_deref()) {
            Some(base) if base == start => return true,
            Some(base) => current = base,
            None => return false,
        }
    }
    false
}

fn discriminating(
    work: &mut Work<'_>,
    table: &VirtualTable,
    discriminator: usize,
    definition: &DerivedTypeDefinition,
    earlier: &[DerivedType],
    path: &[String],
) -> Vec<Value> {
    let mut result: Vec<Value> = Vec::new();
    let Some(column) = table.columns.get(discriminator) else { return result };
    for (index, given) in definition.values.iter().enumerate() {
        let here = below(path, &["values", &index.to_string()]);
        // Where the column is an enumeration, a value may be named by its member.
        let member = column.enumeration.as_ref().zip(given.as_str()).and_then(|(enumeration, name)| enumeration.member(name));
        let value = member.map_or_else(|| values::read(given, column.scalar_type), |member| Ok(member.stored.clone()));
        match value {
            Err(message) => work.error(error_at(here, message)),
            Ok(value) => {
                let taken = earlier.iter().find(|other| other.values.contains(&value)).map(|other| other.name.clone());
                if let Some(other) = taken {
                    work.error(error_at(here, format!("{given} means '{other}' already")));
                } else if result.contains(&value) {
                    work.error(error_at(here, format!("{given} stands twice")));
                } else {
                    result.push(value);
                }
            }
        }
    }
    result
}

fn own_columns(
    work: &mut Work<'_>,
    table: &VirtualTable,
    discriminator: usize,
    definition: &DerivedTypeDefinition,
    earlier: &[DerivedType],
    overlay: &Overlay,
    path: &[String],
) -> Vec<usize> {
    let mut result: Vec<usize> = Vec::new();
    for (position, name) in definition.columns.iter().enumerate() {
        let here = below(path, &["columns", &position.to_string()]);
        // A complex property stands for its members.
        if let Some(complex) = overlay.complex.iter().find(|complex| complex.name == *name) {
            result.extend(complex.members.iter().map(|(_, column)| *column));
            continue;
        }
        if let Some(point) = overlay.points.iter().find(|point| point.name == *name) {
            result.extend([point.latitude, point.longitude]);
            continue;
        }
        if let Some(stream) = overlay.streams.iter().find(|stream| stream.name == *name) {
            result.push(stream.content);
            continue;
        }
        let Some(index) = table.column(name) else {
            let error = error_at(here, format!("{} has no published column '{name}'", table.name));
            work.error(error.suggesting(name, table.columns.iter().map(|column| column.name.as_str())));
            continue;
        };
        let wrong = if table.key.contains(&index) {
            Some("is part of the key, which every row has".to_owned())
        } else if index == discriminator {
            Some("tells the types apart, so every row has it".to_owned())
        } else if overlay.media.as_ref().is_some_and(|media| media.content == index) {
            Some("is what every row is".to_owned())
        } else if result.contains(&index) {
            Some("stands twice".to_owned())
        } else {
            earlier.iter().find(|other| other.columns.contains(&index)).map(|other| format!("is of '{}' already", other.name))
        };
        match wrong {
            Some(why) => work.error(error_at(here, format!("'{name}' {why}"))),
            None => result.push(index),
        }
    }
    result
}

/// A type without values, of which no other is derived, has no rows: that is a mistake.
fn refuse_rowless(work: &mut Work<'_>, derivation: &Derivation, path: &[String]) {
    for derived in &derivation.types {
        if derivation.values(&derived.name).is_empty() {
            let message = "no value of the discriminator means this type, nor one derived from it: it has no rows";
            work.error(error_at(below(path, &["types", &derived.name]), message));
        }
    }
}

/// The members of a complex property, and a stream with its media type, belong to one type.
fn refuse_split(work: &mut Work<'_>, overlay: &Overlay, derivation: &Derivation, path: &[String]) {
    let owner = |column: usize| derivation.owner(column).map(|derived| derived.name.clone());
    for point in overlay.points.iter().filter(|point| owner(point.latitude) != owner(point.longitude)) {
        work.error(error_at(path.to_vec(), format!("the coordinates of '{}' belong to one type: both or none", point.name)));
    }
    for complex in &overlay.complex {
        let mut owners = complex.members.iter().map(|(_, column)| owner(*column));
        let first = owners.next();
        if owners.any(|other| Some(other) != first) {
            work.error(error_at(path.to_vec(), format!("the members of '{}' belong to one type: all of them or none", complex.name)));
        }
    }
}
