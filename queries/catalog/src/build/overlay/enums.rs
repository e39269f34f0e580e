//! Enumerations, and each as columns of a type hold it. It must not know which columns there are.

use super::super::{Work, below, error_at, values};
use super::annotations::labels;
use super::check_name;
use crate::definition::{EnumDefinition, EnumMemberDefinition, EnumMemberEntry};
use crate::overlay::{Enumeration, EnumerationMember};
use indexmap::IndexMap;
use portico_provider_api::{ScalarType, Value};
use serde_json::Value as Given;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The enumerations of a model.
#[derive(Default)]
pub(in super::super) struct Enumerations {
    /// As columns of the underlying type hold them, with what each member says is stored.
    known: IndexMap<String, (Enumeration, Vec<Option<Given>>)>,
    /// Those with a mistake of their own: what uses them is not reported again.
    broken: Vec<String>,
}

/// Resolves all enumerations.
pub(super) fn resolve(work: &mut Work<'_>) -> Enumerations {
    let mut result = Enumerations::default();
    for (name, definition) in &work.definition.enums {
        let before = work.errors.len();
        let path = below(&[], &["enums", name]);
        check_name(work, name, &path);
        let resolved = one(work, name, definition, &path);
        if work.errors.len() == before {
            result.known.insert(name.clone(), resolved);
        } else {
            result.broken.push(name.clone());
        }
    }
    result
}

fn one(work: &mut Work<'_>, name: &str, definition: &EnumDefinition, path: &[String]) -> (Enumeration, Vec<Option<Given>>) {
    let underlying = match definition.underlying.as_deref() {
        None | Some("int32") => ScalarType::Int32,
        Some("int16") => ScalarType::Int16,
        Some("int64") => ScalarType::Int64,
        Some(other) => {
            let error = error_at(below(path, &["underlying"]), format!("'{other}' is not an integer type: int16, int32, int64"));
            work.error(error.suggesting(other, ["int16", "int32", "int64"]));
            ScalarType::Int64
        }
    };
    if definition.members.is_empty() {
        work.error(error_at(below(path, &["members"]), "an enumeration has at least one member"));
    }
    let (mut members, mut all_stored) = (Vec::new(), Vec::new());
    let (mut by_value, mut by_name) = (BTreeMap::new(), BTreeMap::new());
    for (member, entry) in &definition.members {
        let here = below(path, &["members", member]);
        let plain;
        let full = match entry {
            EnumMemberEntry::Full(full) => full,
            EnumMemberEntry::Value(value) => {
                plain = EnumMemberDefinition { value: *value, stored: None, description: None, label: None };
                &plain
            }
        };
        check_name(work, member, &here);
        if let Some(other) = by_name.insert(member.to_lowercase(), member) {
            work.error(error_at(here.clone(), format!("'{member}' differs from '{other}' only by letter case")));
        }
        // OData lets two members have one value; then what a column holds would have two names, and no answer which of them to write.
        if let Some(other) = by_value.insert(full.value, member) {
            work.error(error_at(here.clone(), format!("{} is the value of '{other}' already", full.value)));
        }
        if definition.flags && full.value < 0 {
            work.error(error_at(here.clone(), "a member of flags is not negative: its bits are combined"));
        }
        if definition.flags && full.stored.is_some() {
            work.error(error_at(
                below(&here, &["stored"]),
                "members of flags are stored as their value, because they are combined bit by bit",
            ));
        }
        if values::integer(full.value, underlying).is_none() {
            work.error(error_at(here.clone(), format!("{} does not fit into {underlying}: widen it with `underlying`", full.value)));
        }
        let labels = labels(work, full.label.as_ref(), &below(&here, &["label"]));
        members.push(EnumerationMember {
            name: member.clone(),
            value: full.value,
            stored: Value::Int64(full.value),
            description: full.description.clone(),
            labels,
        });
        all_stored.push(full.stored.clone());
    }
    let labels = labels(work, definition.label.as_ref(), &below(path, &["label"]));
    let enumeration = Enumeration {
        name: name.to_owned(),
        description: definition.description.clone(),
        labels,
        flags: definition.flags,
        underlying,
        members,
    };
    (enumeration, all_stored)
}

impl Enumerations {
    /// Names of all enumerations without a mistake.
    pub(in super::super) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// Whether there is one of this name, with a mistake or without.
    pub(in super::super) fn has(&self, name: &str) -> bool {
        self.known.contains_key(name) || self.is_broken(name)
    }

    /// Whether it has a mistake that is reported already.
    pub(in super::super) fn is_broken(&self, name: &str) -> bool {
        self.broken.iter().any(|broken| broken == name)
    }

    /// An enumeration as values of its underlying type.
    pub(in super::super) fn plain(&self, name: &str) -> Option<Arc<Enumeration>> {
        let (enumeration, _) = self.known.get(name)?;
        let mut enumeration = enumeration.clone();
        for member in &mut enumeration.members {
            member.stored = values::integer(member.value, enumeration.underlying)?;
        }
        Some(Arc::new(enumeration))
    }

    /// An enumeration as columns of a type hold it.
    ///
    /// # Errors
    /// Why such a column cannot hold it.
    pub(super) fn held_as(&self, name: &str, scalar_type: ScalarType) -> Result<Arc<Enumeration>, String> {
        let Some((enumeration, stored)) = self.known.get(name) else { return Err(format!("there is no enumeration '{name}'")) };
        let mut enumeration = enumeration.clone();
        if !values::is_integer(scalar_type) && (enumeration.flags || scalar_type != ScalarType::Text) {
            let need = if enumeration.flags {
                "flags are held in a column of whole numbers"
            } else {
                "members are held as whole numbers or as text"
            };
            return Err(format!("a column of type {scalar_type} cannot hold '{name}': {need}"));
        }
        let mut seen: Vec<Value> = Vec::new();
        for (member, stored) in enumeration.members.iter_mut().zip(stored) {
            let held = match stored {
                Some(given) => values::read(given, scalar_type),
                None if values::is_integer(scalar_type) => values::integer(member.value, scalar_type)
                    .ok_or_else(|| format!("{} is not a value of type {scalar_type}", member.value)),
                None => Err("say with `stored` which code means it".to_owned()),
            };
            member.stored = held.map_err(|reason| {
                format!("a column of type {scalar_type} cannot hold the member '{}' of '{name}': {reason}", member.name)
            })?;
            if seen.contains(&member.stored) {
                return Err(format!("two members of '{name}' are stored alike: the second is '{}'", member.name));
            }
            seen.push(member.stored.clone());
        }
        Ok(Arc::new(enumeration))
    }
}
