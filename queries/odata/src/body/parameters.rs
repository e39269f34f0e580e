//! The body of an action's call: an object with its parameters → values in the order of their declaration.

use super::value::{self, Wanted};
use super::{document, wrong};
use crate::error::ODataError;
use portico_catalog::names::nearest;
use portico_catalog::overlay::Parameter;
use portico_provider_api::Value;
use portico_provider_api::json::Json;

/// Reads the parameters of an action from its body: `{"p":1}`. An empty body gives none. The values are in the order of `parameters`;
/// those that are optional and not given are absent.
///
/// # Errors
/// Names the parameter: unknown, given twice, of another type, null, too long, out of range, or missing.
pub fn parameters(bytes: &[u8], parameters: &[Parameter]) -> Result<Vec<Option<Value>>, ODataError> {
    let members = if bytes.iter().all(u8::is_ascii_whitespace) {
        Vec::new()
    } else {
        document(bytes, "the body must be a JSON object with the parameters of the action")?
    };
    for (index, (name, _)) in members.iter().enumerate() {
        if members.iter().take(index).any(|(earlier, _)| earlier == name) {
            return Err(wrong(name, format!("the parameter '{name}' is given twice")));
        }
        // Control information says nothing that the declaration does not.
        if !name.contains('@') && !parameters.iter().any(|parameter| parameter.name == *name) {
            let names = parameters.iter().map(|parameter| parameter.name.as_str());
            let hint = nearest(name, names).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
            return Err(wrong(name, format!("the action has no parameter '{name}'{hint}")));
        }
    }
    parameters.iter().map(|parameter| one(parameter, &members)).collect()
}

fn one(parameter: &Parameter, members: &[(String, Json)]) -> Result<Option<Value>, ODataError> {
    let name = &parameter.name;
    let Some((_, json)) = members.iter().find(|(given, _)| given == name) else {
        // Parameters of actions that may be null may be left out (Protocol, section 11.5.5.1).
        return match parameter.optional || parameter.nullable {
            true => Ok(None),
            false => Err(wrong(name, format!("the parameter '{name}' is required"))),
        };
    };
    let value_type = value::value_type(parameter.scalar_type, parameter.enumeration.as_ref());
    let value = value::read(name, json, &Wanted { value_type, max_length: parameter.max_length, spatial: None })
        .map_err(|error| ODataError { message: error.message.replacen("the property", "the parameter", 1), ..error })?;
    if value.is_null() && !parameter.nullable {
        return Err(wrong(name, format!("the parameter '{name}' cannot be null")));
    }
    Ok(Some(value))
}
