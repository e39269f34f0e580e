//! Checks a value against a JSON Schema and reports every mistake with the keys that lead to it. It understands what the schemas of
//! this file use and no more; the typed structs behind the schema have the last word. It must not know what a key means.

use crate::config::secret::{SECRET_MARK, SHOWN_MARK, SecretReference};
use crate::config::units::ByteSize;
use portico_catalog::ModelError;
use portico_catalog::definition::duration_text;
use portico_catalog::names::nearest;
use serde_json::{Map, Value};
use std::path::Path;

/// A schema and the document in which its references are resolved.
#[derive(Clone, Copy)]
pub struct SchemaNode<'a> {
    root: &'a Value,
    node: &'a Value,
}

impl<'a> SchemaNode<'a> {
    /// The root of a schema document.
    pub fn root(root: &'a Value) -> SchemaNode<'a> {
        SchemaNode { root, node: root }.resolved()
    }

    /// Another node of the same document, its reference followed.
    fn at(self, node: &'a Value) -> SchemaNode<'a> {
        SchemaNode { root: self.root, node }.resolved()
    }

    fn resolved(mut self) -> SchemaNode<'a> {
        // A chain of references is short; a cycle would be a mistake in our own schema.
        for _ in 0..16 {
            let target = self.node.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
            match target.and_then(|pointer| self.root.pointer(pointer)) {
                Some(node) => self.node = node,
                None => break,
            }
        }
        self
    }

    fn get(self, key: &str) -> Option<&'a Value> {
        self.node.get(key)
    }

    fn alternatives(self) -> Option<Vec<SchemaNode<'a>>> {
        let list = self.get("anyOf").or_else(|| self.get("oneOf"))?.as_array()?;
        Some(list.iter().map(|node| self.at(node)).collect())
    }

    fn properties(self) -> Option<&'a Map<String, Value>> {
        self.get("properties").and_then(Value::as_object)
    }

    /// The schema of a property, named or additional.
    fn property(self, name: &str) -> Option<SchemaNode<'a>> {
        let named = self.properties().and_then(|properties| properties.get(name));
        named.or_else(|| self.get("additionalProperties").filter(|node| node.is_object())).map(|node| self.at(node))
    }

    /// The types that the node accepts; empty when it does not say.
    fn types(self) -> Vec<&'a str> {
        match self.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn accepts(self, type_name: &str) -> bool {
        match self.alternatives() {
            Some(alternatives) => alternatives.into_iter().any(|alternative| alternative.accepts(type_name)),
            None => self.types().contains(&type_name),
        }
    }
}

/// All mistakes of a value.
pub fn validate(schema: SchemaNode<'_>, value: &Value, path: &[String]) -> Vec<ModelError> {
    let mut errors = Vec::new();
    check(schema, value, path, &mut errors);
    errors
}

const WRITTEN_SECRET: &str = "a secret is not written into the file: write { env: NAME } or { file: PATH }";

const SHOWN_SECRET: &str =
    "no secret stands here, where EXPLAIN and logs show what is sent: 'auth' and 'headers' of the source itself take one";

fn fail(errors: &mut Vec<ModelError>, path: &[String], message: String, suggestion: Option<String>) {
    errors.push(ModelError { path: path.to_vec(), message, suggestion });
}

fn check(schema: SchemaNode<'_>, value: &Value, path: &[String], errors: &mut Vec<ModelError>) {
    // Where the schema takes text, the reference has been resolved already: see `resolve_secrets`.
    if schema.get(SECRET_MARK).is_some() && !schema.accepts("string") && SecretReference::from_value(value).is_none() {
        return fail(errors, path, WRITTEN_SECRET.to_owned(), None);
    }
    if let Some(alternatives) = schema.alternatives() {
        return check_alternatives(&alternatives, value, path, errors);
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        return check_enum(&allowed.iter().collect::<Vec<_>>(), value, path, errors);
    }
    if let Some(constant) = schema.get("const") {
        return check_enum(&[constant], value, path, errors);
    }
    let types = schema.types();
    if !types.is_empty() && !types.iter().any(|name| has_type(value, name)) {
        return fail(errors, path, format!("expected {}, found {}", expected(&types), found(value)), None);
    }
    match value {
        Value::Object(object) => check_object(schema, object, path, errors),
        Value::Array(items) => {
            if let Some(item_schema) = schema.get("items").map(|node| schema.at(node)) {
                for (index, item) in items.iter().enumerate() {
                    check(item_schema, item, &extended(path, &index.to_string()), errors);
                }
            }
        }
        Value::Number(_) => check_range(schema, value, path, errors),
        Value::String(text) => check_format(schema, text, path, errors),
        Value::Null | Value::Bool(_) => {}
    }
}

fn extended(path: &[String], key: &str) -> Vec<String> {
    path.iter().cloned().chain([key.to_owned()]).collect()
}

fn check_object(schema: SchemaNode<'_>, object: &Map<String, Value>, path: &[String], errors: &mut Vec<ModelError>) {
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let known: Vec<&str> = schema.properties().map(|properties| properties.keys().map(String::as_str).collect()).unwrap_or_default();
    for (key, value) in object {
        match schema.property(key) {
            Some(property) => check(property, value, &extended(path, key), errors),
            None if closed => {
                let message = format!("unknown key '{key}': expected {}", listed(&known));
                let suggestion = nearest(key, known.iter().copied()).map(str::to_owned);
                fail(errors, &extended(path, key), message, suggestion);
            }
            None => {}
        }
    }
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(required) {
            fail(errors, path, format!("the key '{required}' is missing"), None);
        }
    }
}

/// One of several forms. The mistakes that are reported are those against the form that was meant: the one of the value's type.
fn check_alternatives(alternatives: &[SchemaNode<'_>], value: &Value, path: &[String], errors: &mut Vec<ModelError>) {
    let mut outcomes: Vec<Vec<ModelError>> = alternatives.iter().map(|alternative| validate(*alternative, value, path)).collect();
    if outcomes.iter().any(Vec::is_empty) {
        return;
    }
    let own_type = type_of(value);
    let meant = alternatives.iter().position(|alternative| {
        let named_values = alternative.get("const").is_some() || alternative.get("enum").is_some();
        alternative.accepts(own_type) || (own_type == "string" && named_values)
    });
    let constants: Vec<&Value> = alternatives.iter().filter_map(|alternative| alternative.get("const")).collect();
    if constants.len() == alternatives.len() {
        return check_enum(&constants, value, path, errors);
    }
    if let Some(meant) = meant {
        return errors.append(&mut outcomes.swap_remove(meant));
    }
    if let Some(secret) = alternatives.iter().find(|alternative| alternative.get(SECRET_MARK).is_some())
        && !value.is_null()
    {
        return check(*secret, value, path, errors);
    }
    let types: Vec<&str> = alternatives.iter().flat_map(|alternative| alternative.types()).collect();
    fail(errors, path, format!("expected {}, found {}", expected(&types), found(value)), None);
}

fn check_enum(allowed: &[&Value], value: &Value, path: &[String], errors: &mut Vec<ModelError>) {
    if allowed.contains(&value) {
        return;
    }
    let names: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
    let Some(text) = value.as_str() else {
        return fail(errors, path, format!("expected {}, found {}", listed(&names), found(value)), None);
    };
    let suggestion = nearest(text, names.iter().copied()).map(str::to_owned);
    fail(errors, path, format!("'{text}' is not possible here: expected {}", listed(&names)), suggestion);
}

fn check_range(schema: SchemaNode<'_>, value: &Value, path: &[String], errors: &mut Vec<ModelError>) {
    let Some(number) = value.as_f64() else { return };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let Some(least) = bound("minimum").filter(|least| number < *least) {
        fail(errors, path, format!("{value} is too small: the least is {least}"), None);
    }
    if let Some(greatest) = bound("maximum").filter(|greatest| number > *greatest) {
        fail(errors, path, format!("{value} is too large: the greatest is {greatest}"), None);
    }
}

fn check_format(schema: SchemaNode<'_>, text: &str, path: &[String], errors: &mut Vec<ModelError>) {
    let outcome = match schema.get("format").and_then(Value::as_str) {
        Some("portico-duration") => duration_text::parse(text).map(drop),
        Some("portico-size") => ByteSize::parse(text).map(drop),
        _ => Ok(()),
    };
    if let Err(message) = outcome {
        fail(errors, path, message, None);
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    type_of(value) == name || (name == "number" && value.is_number())
}

fn found(value: &Value) -> &'static str {
    match type_of(value) {
        "null" => "nothing",
        "boolean" => "true or false",
        "number" => "a number with a fraction",
        "integer" => "a number",
        "string" => "text",
        "array" => "a list",
        _ => "a mapping",
    }
}

fn expected(types: &[&str]) -> String {
    let mut words: Vec<&str> = types
        .iter()
        .filter(|name| **name != "null")
        .map(|name| match *name {
            "boolean" => "true or false",
            "number" => "a number",
            "integer" => "a whole number",
            "string" => "text",
            "array" => "a list",
            _ => "a mapping",
        })
        .collect();
    words.dedup();
    words.join(" or ")
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "no keys".to_owned(),
        [one] => format!("'{one}'"),
        many => format!("one of {}", many.join(", ")),
    }
}

/// Replaces every secret reference that stands where the schema takes text, and refuses what is written where only a reference may stand. A
/// place whose schema takes a mapping, or anything, keeps what it has: there `{ file: … }` may be the kind's own setting.
pub fn resolve_secrets(schema: SchemaNode<'_>, value: &mut Value, path: &[String], base_directory: &Path, errors: &mut Vec<ModelError>) {
    if let Some(reference) = SecretReference::from_value(value)
        && schema.accepts("string")
        && !schema.accepts("object")
    {
        if schema.get(SHOWN_MARK).is_some() {
            // In its place stands what is no further mistake.
            *value = Value::String(String::new());
            return fail(errors, path, SHOWN_SECRET.to_owned(), None);
        }
        match reference.resolve(base_directory) {
            Ok(secret) => *value = Value::String(secret.reveal().to_owned()),
            Err(message) => fail(errors, path, message, None),
        }
        return;
    }
    if is_secret(schema) && !value.is_null() {
        return fail(errors, path, WRITTEN_SECRET.to_owned(), None);
    }
    match value {
        Value::Object(object) => {
            for (key, item) in object.iter_mut() {
                if let Some(property) = place_for(schema, |node| node.property(key)) {
                    resolve_secrets(property, item, &extended(path, key), base_directory, errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item_schema) = place_for(schema, |node| node.get("items").map(|items| node.at(items))) {
                for (index, item) in items.iter_mut().enumerate() {
                    resolve_secrets(item_schema, item, &extended(path, &index.to_string()), base_directory, errors);
                }
            }
        }
        Value::String(text) if holds_password(text) => {
            let message = "a password is not written into the file: give the whole value as { env: NAME } or { file: PATH }";
            fail(errors, path, message.to_owned(), None);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether only a reference may stand here.
fn is_secret(schema: SchemaNode<'_>) -> bool {
    let marked = |node: SchemaNode<'_>| node.get(SECRET_MARK).is_some();
    marked(schema) || schema.alternatives().is_some_and(|alternatives| alternatives.into_iter().any(marked))
}

/// Whether a text is a URL with a password before its host, or names one among its settings.
fn holds_password(text: &str) -> bool {
    let authority = text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let in_url = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty());
    let named = |setting: &str| {
        let (key, value) = setting.split_once('=').unwrap_or_default();
        let key = key.trim().to_ascii_lowercase();
        !value.trim().is_empty() && ["password", "pwd", "passwd", "access_token", "api_key", "apikey"].contains(&key.as_str())
    };
    in_url || text.split(['?', '&', ' ', ';']).any(named)
}

/// The first place that the node or one of its alternatives gives.
fn place_for<'a>(schema: SchemaNode<'a>, place: impl Fn(SchemaNode<'a>) -> Option<SchemaNode<'a>>) -> Option<SchemaNode<'a>> {
    place(schema).or_else(|| schema.alternatives()?.into_iter().find_map(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn messages(schema: Value, value: Value) -> Vec<String> {
        validate(SchemaNode::root(&schema), &value, &[]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_reported_at_its_place() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": { "name": {"type": "string"}, "size": {"type": "string", "format": "portico-size"},
                "list": {"type": "array", "items": {"$ref": "#/$defs/Colour"}}, "port": {"type": "integer", "maximum": 65535} },
            "$defs": { "Colour": { "oneOf": [ {"const": "red", "type": "string"}, {"const": "green", "type": "string"} ] } }
        });
        let value = json!({ "nam": 1, "size": "64", "list": ["red", "gren", 3], "port": 70000 });
        let found = messages(schema, value);
        assert_eq!(found.len(), 6, "{found:#?}");
        assert!(found[0].starts_with("nam: unknown key 'nam'") && found[0].ends_with("did you mean 'name'?"));
        assert!(found[1].starts_with("size: '64' is not a size"));
        assert!(found[2].starts_with("list.1: 'gren'") && found[2].ends_with("did you mean 'green'?"));
        assert!(found[3].starts_with("list.2: expected one of red, green, found a number"));
        assert!(found[4].starts_with("port: 70000 is too large"));
        assert!(found[5].contains("the key 'name' is missing"));
    }

    #[test]
    fn a_secret_that_is_written_out_is_refused_at_its_place() {
        let marked = json!({"type": ["string", "null"], "x-portico-secret": true});
        let schema = json!({ "type": "object", "properties": { "url": {"type": "string"}, "list": {"type": "array", "items": {
            "type": "object", "properties": {"token": marked} }} } });
        let found = |value: Value| {
            let (mut value, mut errors) = (value, Vec::new());
            resolve_secrets(SchemaNode::root(&schema), &mut value, &[], Path::new("."), &mut errors);
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let told = "list.1.token: a secret is not written into the file: write { env: NAME } or { file: PATH }";
        assert_eq!(found(json!({"list": [{"token": null}, {"token": "hush"}]})), [told]);
        assert_eq!(found(json!({"list": [{}, {"token": 7}]})), [told]);
        for text in ["x://u:hush@h/", "DSN=a;PWD=hush", "host=h password=hush", "https://h/?api_key=hush"] {
            assert!(found(json!({"url": text}))[0].starts_with("url: a password is not written"), "{text}");
        }
        for text in ["x://u:@h/", "DSN=a;PWD=", "https://h/pwd?q=password", "https://h/a;b"] {
            assert!(found(json!({"url": text})).is_empty(), "{text}");
        }
    }

    #[test]
    fn secrets_are_resolved_only_where_text_is_expected() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("password"), "pw").unwrap();
        let schema = json!({ "type": "object", "properties": {
            "url": {"type": "string"}, "anything": {},
            "auth": {"anyOf": [{"type": "object", "properties": {"password": {"type": "string"}}}, {"type": "null"}]},
            "tables": {"type": "object", "additionalProperties": {"type": "object", "properties": {"file": {"type": "string"}}}} } });
        let mut value = json!({ "url": {"file": "password"}, "anything": {"file": "x"}, "auth": {"password": {"file": "password"}}, "tables": {"A": {"file": "a.csv"}} });
        let mut errors = Vec::new();
        resolve_secrets(SchemaNode::root(&schema), &mut value, &[], directory.path(), &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(
            value,
            json!({ "url": "pw", "anything": {"file": "x"}, "auth": {"password": "pw"}, "tables": {"A": {"file": "a.csv"}} })
        );
    }
}
