//! Singletons of a service: single rows with a name of their own. It must not know how they are addressed.

use super::super::overlay::{check_name, labels};
use super::super::{Standing, Work, below, error_at, values};
use crate::definition::{ServiceDefinition, SingletonDefinition};
use crate::model::Singleton;
use indexmap::IndexMap;
use portico_provider_api::Value;

/// Resolves the singletons of a service with these tables (name in the service, virtual table).
pub(super) fn resolve(
    work: &mut Work<'_>,
    definition: &ServiceDefinition,
    tables: &IndexMap<String, String>,
    path: &[String],
) -> IndexMap<String, Singleton> {
    let mut result: IndexMap<String, Singleton> = IndexMap::new();
    for (name, singleton) in &definition.singletons {
        let here = below(path, &[name]);
        let mut taken = tables.keys().chain(result.keys());
        if let Some(other) = taken.find(|other| other.to_lowercase() == name.to_lowercase()) {
            work.error(error_at(here, format!("'{name}' is the name of '{other}' of the service already")));
            continue;
        }
        if check_name(work, name, &here)
            && let Some(resolved) = one(work, name, singleton, tables, &here)
        {
            result.insert(name.clone(), resolved);
        }
    }
    result
}

fn one(
    work: &mut Work<'_>,
    name: &str,
    definition: &SingletonDefinition,
    tables: &IndexMap<String, String>,
    path: &[String],
) -> Option<Singleton> {
    let at = below(path, &["table"]);
    let table = &definition.table;
    match work.standing(table) {
        Standing::Built => {}
        Standing::Broken => return None,
        Standing::LeftOut => {
            work.note(format!("the singleton {name} is left out: {table} is left out"));
            return None;
        }
        Standing::Unknown => {
            let error = error_at(at, format!("there is no table '{table}'"));
            let error = error.suggesting(table, work.tables.keys().map(String::as_str));
            work.error(error);
            return None;
        }
    }
    if !tables.values().any(|known| known == table) {
        work.error(error_at(at, format!("{table} is not in the service: add it to `tables`")));
        return None;
    }
    let labels = labels(work, definition.label.as_ref(), &below(path, &["label"]));
    let key = match &definition.key {
        None => None,
        Some(given) => Some(key(work, table, given, &below(path, &["key"]))?),
    };
    Some(Singleton { table: table.clone(), key, labels })
}

/// The values of a key, in key order.
fn key(work: &mut Work<'_>, table: &str, given: &IndexMap<String, serde_json::Value>, path: &[String]) -> Option<Vec<Value>> {
    let table = work.tables.get(table)?.table.clone();
    let columns: Vec<_> = table.key.iter().filter_map(|index| table.columns.get(*index)).collect();
    let before = work.errors.len();
    for name in given.keys().filter(|name| !columns.iter().any(|column| column.name == **name)) {
        let error = error_at(below(path, &[name]), format!("'{name}' is not in the key of {}", table.name));
        work.error(error.suggesting(name, columns.iter().map(|column| column.name.as_str())));
    }
    let mut result = Vec::new();
    for column in columns {
        let read = given.get(&column.name).map(|value| values::read(value, column.scalar_type));
        match read {
            Some(Ok(value)) => result.push(value),
            Some(Err(message)) => work.error(error_at(below(path, &[&column.name]), message)),
            None => work.error(error_at(path.to_vec(), format!("the key of {} has '{}' too", table.name, column.name))),
        }
    }
    (work.errors.len() == before).then_some(result)
}
