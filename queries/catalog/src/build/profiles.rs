//! Names that a client profile adds to the properties of a table: they must not be taken. It must not know what they hold.

use super::{Work, below, error_at};
use crate::definition::Profile;
use crate::model::{Service, VirtualTable};
use crate::profile::{GuidProperty, foreign_guid, own_guid};
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// Refuses services whose profile would give a table two properties of one name, letter case aside.
pub(super) fn check(work: &mut Work<'_>, services: &IndexMap<String, Service>) {
    let mut errors = Vec::new();
    for service in services.values().filter(|service| service.profile == Profile::Dataverse) {
        for (entity_set, name) in &service.tables {
            let Some(table) = work.tables.get(name).map(|built| &built.table) else { continue };
            let served = |to: &String| service.tables.values().any(|table| table == to).then(|| work.tables.get(to)).flatten();
            let foreign = table.relationships.iter().filter_map(|link| foreign_guid(link, &served(&link.to)?.table));
            let guids = own_guid(entity_set, table).into_iter().chain(foreign);
            for message in taken(table, guids) {
                let message = format!("the profile dataverse {message}");
                errors.push(error_at(below(&[], &["services", &service.name, "tables", entity_set]), message));
            }
        }
    }
    errors.into_iter().for_each(|error| work.error(error));
}

/// What is wrong with the names of these properties in a table.
fn taken(table: &VirtualTable, guids: impl Iterator<Item = GuidProperty>) -> Vec<String> {
    let columns = table.columns.iter().map(|column| (column.name.to_lowercase(), format!("the column '{}'", column.name)));
    let links = table.relationships.iter().map(|link| (link.name.to_lowercase(), format!("the relationship '{}'", link.name)));
    let mut known: BTreeMap<String, String> = columns.chain(links).collect();
    let mut messages = Vec::new();
    for guid in guids {
        let (holder, what) = match &guid.relationship {
            None => ("its key".to_owned(), "the table in the service, or that other one,".to_owned()),
            Some(name) => (
                format!("the key of '{name}'"),
                format!("the relationship '{name}' (declare it under `relationships`), or that other one,"),
            ),
        };
        let name = &guid.name;
        match known.get(&name.to_lowercase()) {
            Some(other) => messages.push(format!(
                "gives '{}' the property '{name}' for {holder}, but that name is taken by {other}: call {what} something else",
                table.name
            )),
            None => {
                known.insert(name.to_lowercase(), format!("the property for {holder}"));
            }
        }
    }
    messages
}
