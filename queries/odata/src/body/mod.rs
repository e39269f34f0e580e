//! JSON request bodies → typed values by column. Values are exact or refused, never rounded or cut. It must not know what becomes of
//! them.

mod enumeration;
mod parameters;
mod structure;
#[cfg(test)]
mod tests;
mod types;
mod value;

use crate::error::ODataError;
pub use parameters::parameters;
use portico_catalog::overlay::Mutability;
use portico_catalog::{Column, TableView};
use portico_provider_api::Value;
use portico_provider_api::json::{self, Json};
use structure::Given;

/// What a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new entity.
    Insert,
    /// Changes of an entity.
    Update,
}

/// Reads an entity: `(position in the virtual table, value)` in the order of the body; members of complex properties are columns like
/// others.
///
/// Control information (`@odata.…`, `Name@odata.…`) is left out, as the protocol says, except what would change meaning: that is
/// refused, and the type of the entity. For an insert, what is not given and has a default in the model has that, and a derived type
/// gives the value that means it; a null for a property that takes no value is left out. For an update, key properties and read-only ones
/// are returned like others, because clients send whole entities: whether they differ from the stored row is for who knows that row.
/// `namespace` is that of the service's types.
///
/// # Errors
/// Names the property: unknown, given twice, of another type (its own or the entity's), null, too long, out of range, read-only, or missing.
pub fn entity(bytes: &[u8], namespace: &str, view: &TableView, purpose: Purpose) -> Result<Vec<(usize, Value)>, ODataError> {
    let members = document(bytes, "the body must be a JSON object, one entity")?;
    let declared = types::declared(&members, namespace, view)?;
    let given = structure::entity(&members, view)?;
    let mut values: Vec<(usize, Value)> = Vec::with_capacity(given.len());
    for Given { name, column: index, value } in given {
        let Some(column) = view.table.columns.get(index) else { continue };
        if column.mutability == Mutability::Computed {
            // The one case in which a value is not taken and nobody is told: the protocol asks for it (Protocol 4.01, section 11.4.2),
            // because clients send back what they have read.
            continue;
        }
        if purpose == Purpose::Insert && (column.generated || column.read_only) {
            if !value.is_null() {
                let why = if column.generated { "is made by the source" } else { "is read-only" };
                return Err(wrong(&name, format!("the property '{name}' {why} and takes no value: leave it out")));
            }
            continue;
        }
        if value.is_null() && !column.nullable {
            return Err(wrong(&name, format!("the property '{name}' cannot be null")));
        }
        values.push((index, value));
    }
    if purpose == Purpose::Insert {
        types::settle(&mut values, declared, view)?;
        let given: Vec<usize> = values.iter().map(|(index, _)| *index).collect();
        let takes = |column: &Column| !column.generated && !column.read_only && column.mutability != Mutability::Computed;
        let absent = view.visible().filter(|(index, column)| takes(column) && !given.contains(index));
        values.extend(absent.filter_map(|(index, column)| Some((index, column.default.clone()?))));
        required(view, &values)?;
    }
    Ok(values)
}

/// Reads a body as JSON.
pub(crate) fn read_json(bytes: &[u8]) -> Result<Json, ODataError> {
    json::read(bytes).map_err(|error| malformed(bytes, &error))
}

/// The members of a document that must be an object.
fn document(bytes: &[u8], expected: &str) -> Result<Vec<(String, Json)>, ODataError> {
    match read_json(bytes)? {
        Json::Object(members) => Ok(members),
        Json::Null | Json::Boolean(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) => {
            Err(ODataError::bad_request(expected).at("body", Some(0)))
        }
    }
}

fn wrong(property: &str, message: String) -> ODataError {
    ODataError::bad_request(message).at(property, None)
}

fn malformed(bytes: &[u8], error: &json::Malformed) -> ODataError {
    let before = String::from_utf8_lossy(bytes.get(..error.at).unwrap_or(bytes));
    let (line, column) = (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
    let message = format!("the body is not well-formed JSON at line {line}, column {column}: {}", error.message);
    ODataError::bad_request(message).at("body", Some(before.chars().count()))
}

/// Control information and annotations: without effect on what is written, except links, deltas and removals.
fn control_information(name: &str, property: &str, term: &str, json: &Json) -> Result<(), ODataError> {
    let bare = term.strip_prefix("odata.").unwrap_or(term);
    match (property.is_empty(), bare) {
        (false, "bind") => Err(ODataError::not_implemented(format!("linking entities ('{name}')")).at(property, None)),
        (false, "delta") => Err(ODataError::not_implemented(format!("changes of related entities ('{name}')")).at(property, None)),
        (true, "removed") if *json != Json::Null => {
            Err(ODataError::not_implemented("a removed entity ('@removed') in a body").at(name, None))
        }
        _ => Ok(()),
    }
}

/// Whether everything is there that a new entity needs.
fn required(view: &TableView, values: &[(usize, Value)]) -> Result<(), ODataError> {
    let needed = |column: &Column| !column.nullable && !column.has_default && !column.generated && !column.read_only;
    for index in &view.columns {
        if let Some(column) = view.table.columns.get(*index)
            && needed(column)
            && !values.iter().any(|(given, _)| given == index)
        {
            let name = view.property_path(*index).unwrap_or_else(|| column.name.clone());
            return Err(wrong(&name, format!("the property '{name}' is required: it cannot be null and has no default")));
        }
    }
    Ok(())
}
