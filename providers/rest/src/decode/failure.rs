//! Failures that are told in answers of success. Pure; it must not know rows.

use crate::config::Format;
use crate::resource::{ErrorRule, Resource};
use crate::xml;
use portico_provider_web::json::Json;

/// The text of a failure, if what stands there is one.
pub(super) fn told(json: &Json, rule: &ErrorRule) -> Option<String> {
    let nothing = match json {
        Json::Null | Json::Boolean(false) => true,
        Json::Text(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Boolean(true) | Json::Number(_) => false,
    };
    if nothing || rule.except.iter().any(|known| plain(known) == *json) {
        return None;
    }
    let message = rule.message.iter().flatten();
    let inner = message.clone().try_fold(json, |json, name| json.member(name));
    match inner {
        Some(inner) => Some(text(inner)),
        None if rule.message.is_some() && resembles_other(json, rule) => None,
        None => Some(text(json)),
    }
}

/// Whether another rule at the same place will find its message: SOAP 1.1 and 1.2 call it differently.
fn resembles_other(json: &Json, rule: &ErrorRule) -> bool {
    rule.message.as_ref().is_some_and(|message| message == &["faultstring"]) && json.member("Reason").is_some()
}

fn text(json: &Json) -> String {
    match json {
        Json::Text(text) | Json::Number(text) => text.clone(),
        Json::Null => "null".to_owned(),
        Json::Boolean(flag) => flag.to_string(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("; "),
        Json::Object(members) => {
            let usual = ["message", "detail", "title", "description", "faultstring", "#text", "code"];
            let found = usual.iter().find_map(|name| json.member(name));
            found
                .map_or_else(|| members.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join(", "), text)
        }
    }
}

pub(super) fn plain(json: &serde_json::Value) -> Json {
    match json {
        serde_json::Value::Null => Json::Null,
        serde_json::Value::Bool(flag) => Json::Boolean(*flag),
        serde_json::Value::Number(number) => Json::Number(number.to_string()),
        serde_json::Value::String(text) => Json::Text(text.clone()),
        serde_json::Value::Array(items) => Json::Array(items.iter().map(plain).collect()),
        serde_json::Value::Object(members) => Json::Object(members.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
    }
}

/// The failure that an answer tells which has no rows, such as that to a write.
pub fn failure_in(resource: &Resource, bytes: &[u8]) -> Option<String> {
    let document = match resource.format {
        Format::Xml => xml::whole(bytes).ok()?,
        Format::Json | Format::Ndjson | Format::Csv => bytes.to_vec(),
    };
    let json: serde_json::Value = serde_json::from_slice(&document).ok()?;
    resource.errors.iter().find_map(|rule| {
        let place = rule.at.iter().try_fold(&json, |json, name| json.get(name))?;
        told(&plain(place), rule)
    })
}
