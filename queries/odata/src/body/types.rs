//! The type that a body says its entity is of, and what follows from it: the value of the column that tells types apart, and which
//! properties there are. It must not know what a body is for otherwise.

use super::wrong;
use crate::error::ODataError;
use portico_catalog::TableView;
use portico_provider_api::Value;
use portico_provider_api::json::Json;

/// The derived type that a body names in its control information; nothing when that is the table's own type, or none is named.
///
/// # Errors
/// When it is not a type that entities of the set can have.
pub(super) fn declared<'a>(members: &'a [(String, Json)], namespace: &str, view: &TableView) -> Result<Option<&'a str>, ODataError> {
    let Some((name, json)) = members.iter().find(|(name, _)| matches!(name.as_str(), "@odata.type" | "@type")) else { return Ok(None) };
    let Json::Text(text) = json else { return Err(wrong(name, format!("'{name}' is the name of a type"))) };
    let qualified = text.rsplit('#').next().unwrap_or(text);
    let short = qualified.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('.'));
    match short {
        Some(short) if short == view.name => Ok(None),
        Some(short) if view.table.overlay.derivation.as_ref().is_some_and(|derivation| derivation.named(short).is_some()) => {
            Ok(Some(short))
        }
        _ => Err(wrong(name, format!("entities of '{}' are not of type '{qualified}'", view.name))),
    }
}

/// Gives a new entity the value that means its type, where the body does not, and makes sure that it has only properties of that type.
///
/// # Errors
/// When type, values and properties do not go together.
pub(super) fn settle(values: &mut Vec<(usize, Value)>, declared: Option<&str>, view: &TableView) -> Result<(), ODataError> {
    let Some(derivation) = &view.table.overlay.derivation else { return Ok(()) };
    let column = view.table.columns.get(derivation.discriminator).map_or("", |column| column.name.as_str());
    let given = values.iter().find(|(index, _)| *index == derivation.discriminator).map(|(_, value)| value.clone());
    let own = declared.and_then(|name| derivation.named(name)).map(|derived| (derived.name.as_str(), derived.values.as_slice()));
    let meant = match (given, own) {
        (Some(value), Some((name, _))) if !derivation.values(name).contains(&value) => {
            return Err(wrong(column, format!("the value of '{column}' is not one of the type '{name}', which the body names")));
        }
        (Some(value), _) => Some(value),
        (None, Some((_, [only]))) => {
            values.push((derivation.discriminator, only.clone()));
            Some(only.clone())
        }
        (None, Some((name, _))) => {
            return Err(wrong(column, format!("the type '{name}' does not say by itself what '{column}' is: give its value")));
        }
        (None, None) => None,
    };
    for (index, _) in values.iter().filter(|(_, value)| !value.is_null()) {
        let Some(owner) = derivation.owner(*index) else { continue };
        if meant.as_ref().is_none_or(|meant| !derivation.values(&owner.name).contains(meant)) {
            let name = view.property_path(*index).unwrap_or_default();
            return Err(wrong(&name, format!("'{name}' is a property of the type '{}', which the new entity is not", owner.name)));
        }
    }
    Ok(())
}
