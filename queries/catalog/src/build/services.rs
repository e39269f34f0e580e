//! Services: which tables each OData root has, and where it is served. It must not know HTTP, only which paths are taken.

mod singletons;

use super::tables::not_an_identifier;
use super::{Standing, Work, below, error_at};
use crate::definition::{Profile, ServiceTable};
use crate::model::Service;
use crate::names;
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// Paths that the gateway itself answers.
const RESERVED_PATHS: [&str; 5] = ["/sql", "/live", "/ready", "/metrics", "/version"];

/// Names that are schemas of SQL already.
const RESERVED_NAMES: [&str; 2] = ["public", "information_schema"];

/// Name of the service that has everything, where none is defined.
const DEFAULT_NAME: &str = "odata";

/// Where it is served.
const DEFAULT_PATH: &str = "/odata";

/// Builds the services; without any definition, one with all tables.
pub(super) fn build(work: &mut Work<'_>) -> IndexMap<String, Service> {
    let mut services: IndexMap<String, Service> = IndexMap::new();
    if work.definition.services.is_empty() {
        let service = Service {
            name: DEFAULT_NAME.to_owned(),
            path: DEFAULT_PATH.to_owned(),
            profile: Profile::Standard,
            tables: all_tables(work),
            singletons: IndexMap::new(),
        };
        services.insert(DEFAULT_NAME.to_owned(), service);
        return services;
    }
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, definition) in &work.definition.services {
        let here = below(&[], &["services", name]);
        if !names::is_identifier(name) {
            let mut error = error_at(here.clone(), not_an_identifier(name));
            error.suggestion = Some(names::sanitise(name));
            work.error(error);
        } else if RESERVED_NAMES.contains(&name.to_lowercase().as_str()) {
            work.error(error_at(here.clone(), format!("'{name}' is the name of a schema in SQL already")));
        } else if let Some(other) = seen.insert(name.to_lowercase(), name) {
            work.error(error_at(here.clone(), format!("'{name}' differs from '{other}' only by letter case")));
        }
        check_path(work, &definition.path, &below(&here, &["path"]));
        if let Some(other) = services.values().find(|service| service.path == definition.path) {
            let message = format!("'{}' is the path of service '{}' already", definition.path, other.name);
            work.error(error_at(below(&here, &["path"]), message));
        }
        let tables = match &definition.tables {
            None => all_tables(work),
            Some(entries) => chosen(work, entries, &below(&here, &["tables"])),
        };
        let singletons = singletons::resolve(work, definition, &tables, &below(&here, &["singletons"]));
        let service = Service { name: name.clone(), path: definition.path.clone(), profile: definition.profile, tables, singletons };
        services.insert(name.clone(), service);
    }
    refuse_hidden_sets(work, &services);
    services
}

fn all_tables(work: &Work<'_>) -> IndexMap<String, String> {
    let mut names: Vec<&String> = work.definition.tables.keys().filter(|name| work.tables.contains_key(*name)).collect();
    names.extend(work.tables.keys().filter(|name| !work.definition.tables.contains_key(*name)));
    names.into_iter().map(|name| (name.clone(), name.clone())).collect()
}

fn check_path(work: &mut Work<'_>, path: &str, here: &[String]) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let wrong = if !path.starts_with('/') {
        Some((format!("'{path}' must begin with a slash"), Some(format!("/{path}"))))
    } else if path == "/" {
        Some(("a service cannot be served at '/': other paths would be hidden".to_owned(), Some(DEFAULT_PATH.to_owned())))
    } else if path.ends_with('/') {
        Some((format!("'{path}' must not end with a slash"), Some(path.trim_end_matches('/').to_owned())))
    } else if let Some(character) = path.chars().find(|c| *c != '/' && !allowed(*c)) {
        Some((format!("'{path}' has the character '{character}': a path has letters, digits, '-', '_', '.', '~' and slashes"), None))
    } else if path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
        Some((format!("'{path}' has an empty or dotted segment"), None))
    } else {
        let first = path.split('/').nth(1).unwrap_or_default();
        let reserved = RESERVED_PATHS.iter().find(|reserved| reserved.trim_start_matches('/') == first);
        reserved.map(|reserved| (format!("'{path}' is hidden by '{reserved}', which the gateway answers itself"), None))
    };
    if let Some((message, suggestion)) = wrong {
        let mut error = error_at(here.to_vec(), message);
        error.suggestion = suggestion;
        work.error(error);
    }
}

fn chosen(work: &mut Work<'_>, entries: &[ServiceTable], here: &[String]) -> IndexMap<String, String> {
    let mut tables: IndexMap<String, String> = IndexMap::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    if entries.is_empty() {
        work.error(error_at(here.to_vec(), "a service needs at least one table: leave `tables` out for all"));
    }
    for (index, entry) in entries.iter().enumerate() {
        let here = below(here, &[&index.to_string()]);
        let (name, table) = match entry {
            ServiceTable::Named(table) => (table, table),
            ServiceTable::Renamed(names) => match (names.first(), names.len()) {
                (Some(only), 1) => only,
                _ => {
                    work.error(error_at(here, "an entry has one name: `Table`, or `{ Name: Table }`"));
                    continue;
                }
            },
        };
        match work.standing(table) {
            Standing::Broken => continue,
            Standing::LeftOut => {
                work.note(format!("{table} is left out of a service, because it is left out of the model"));
                continue;
            }
            Standing::Unknown => {
                let error = error_at(here, format!("there is no table '{table}'"));
                let error = error.suggesting(table, work.tables.keys().map(String::as_str));
                work.error(error);
                continue;
            }
            Standing::Built => {}
        }
        if !names::is_identifier(name) {
            let mut error = error_at(here, not_an_identifier(name));
            error.suggestion = Some(names::sanitise(name));
            work.error(error);
        } else if let Some(other) = seen.insert(name.to_lowercase(), name.clone()) {
            let how = if other == *name {
                "stands twice in the service".to_owned()
            } else {
                format!("differs from '{other}' only by letter case")
            };
            work.error(error_at(here, format!("'{name}' {how}")));
        } else if let Some((other, _)) = tables.iter().find(|(_, known)| *known == table) {
            let message =
                format!("{table} is in the service as '{other}' already: relationships could not say which of the two they lead to");
            work.error(error_at(here, message));
        } else {
            tables.insert(name.clone(), table.clone());
        }
    }
    tables
}

/// One service may be served below another, unless an entity set of the outer one would then be out of reach.
fn refuse_hidden_sets(work: &mut Work<'_>, services: &IndexMap<String, Service>) {
    for inner in services.values() {
        for outer in services.values() {
            let Some(rest) = inner.path.strip_prefix(&outer.path).and_then(|rest| rest.strip_prefix('/')) else { continue };
            let segment = rest.split('/').next().unwrap_or_default();
            if outer.tables.contains_key(segment) || outer.singletons.contains_key(segment) {
                let message = format!("'{}' hides {segment} of service '{}'", inner.path, outer.name);
                work.error(error_at(below(&[], &["services", &inner.name, "path"]), message));
            }
        }
    }
}
