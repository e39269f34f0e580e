//! The JSON Schema of the whole file, the settings of every source kind included: for editors, for Helm, and for [`super::load`],
//! which checks a file against it. It must not know any kind's settings.

use crate::config::file::ConfigFile;
use crate::config::secret::{SECRET_MARK, SHOWN_MARK};
use portico_provider_api::Codec;
use serde_json::{Map, Value, json};

/// The keys of a source that are not its kind's.
pub const COMMON_SOURCE_KEYS: [&str; 4] = ["kind", "limits", "introspection", "contact"];

/// The schema of the file.
pub fn file_schema() -> Value {
    let mut schema = closed_file_schema();
    let kinds: Vec<Value> = portico_provider_registry::kinds()
        .iter()
        .map(|kind| {
            let own = hoist_definitions(&mut schema, kind.name, (kind.config_schema)());
            json!({ "$ref": format!("#/$defs/{own}") })
        })
        .collect();
    if let Some(sources) = schema.pointer_mut("/properties/sources") {
        *sources = json!({
            "description": "Configured sources by name.", "type": "object", "minProperties": 1,
            "additionalProperties": { "oneOf": kinds }
        });
    }
    schema
}

/// The schema of the file without the kinds' settings: what a source has besides them is open here.
pub fn closed_file_schema() -> Value {
    let mut schema = schemars::schema_for!(ConfigFile).to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), json!("Portico configuration"));
    }
    // The catalogue's durations and codecs are plain text to it; the file can be more precise.
    if let Some(freshness) = schema.pointer_mut("/$defs/TableDefinition/properties/freshness").and_then(Value::as_object_mut) {
        freshness.insert("format".to_owned(), json!("portico-duration"));
    }
    if let Some(bytes) = schema.pointer_mut("/$defs/RowLimits/properties/bytes").and_then(Value::as_object_mut) {
        bytes.insert("format".to_owned(), json!("portico-size"));
    }
    if let Some(codec) = schema.pointer_mut("/$defs/ColumnDefinition/properties/codec").and_then(Value::as_object_mut) {
        codec.insert("enum".to_owned(), Value::Array(codec_names()));
    }
    schema
}

/// The names of all codecs, and null for an absent one. The match keeps the list complete: a new codec does not compile without it.
fn codec_names() -> Vec<Value> {
    let listed = |codec: Codec| match codec {
        Codec::DecimalText
        | Codec::DecimalUnscaled
        | Codec::DateText
        | Codec::SapDate
        | Codec::DateDays
        | Codec::TimeText
        | Codec::TimeMicros
        | Codec::TimestampText
        | Codec::TimestampSeconds
        | Codec::TimestampMillis
        | Codec::TimestampMicros
        | Codec::GuidText
        | Codec::GuidBytes
        | Codec::BoolInt
        | Codec::BoolText => serde_json::to_value(codec).unwrap_or_default(),
    };
    let all = [
        Codec::DecimalText,
        Codec::DecimalUnscaled,
        Codec::DateText,
        Codec::SapDate,
        Codec::DateDays,
        Codec::TimeText,
        Codec::TimeMicros,
        Codec::TimestampText,
        Codec::TimestampSeconds,
        Codec::TimestampMillis,
        Codec::TimestampMicros,
        Codec::GuidText,
        Codec::GuidBytes,
        Codec::BoolInt,
        Codec::BoolText,
    ];
    all.into_iter().map(listed).chain([Value::Null]).collect()
}

/// Moves a kind's schema and its definitions into the file's, under names of their own, and adds the common keys. The result is the
/// name of the definition.
fn hoist_definitions(schema: &mut Value, kind: &str, mut own: Value) -> String {
    let prefix = format!("source_{kind}");
    rename_references(&mut own, &prefix);
    allow_secrets(&mut own);
    let definitions = own.as_object_mut().and_then(|object| object.remove("$defs"));
    add_common_keys(&mut own, kind);
    if let Some(target) = schema.pointer_mut("/$defs").and_then(Value::as_object_mut) {
        for (name, definition) in definitions.as_ref().and_then(Value::as_object).into_iter().flatten() {
            target.insert(format!("{prefix}_{name}"), definition.clone());
        }
        target.insert(prefix.clone(), own);
    }
    prefix
}

fn add_common_keys(own: &mut Value, kind: &str) {
    let Some(object) = own.as_object_mut() else { return };
    object.remove("$schema");
    let properties = object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("kind".to_owned(), json!({ "const": kind }));
        properties.insert("limits".to_owned(), json!({ "$ref": "#/$defs/SourceLimitsFile" }));
        properties.insert("introspection".to_owned(), json!({ "$ref": "#/$defs/IntrospectionFile" }));
        properties.insert("contact".to_owned(), json!({ "type": "string", "description": "Whom to tell when it fails." }));
    }
    let required = object.entry("required").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, json!("kind"));
    }
    object.insert("additionalProperties".to_owned(), Value::Bool(false));
}

fn rename_references(node: &mut Value, prefix: &str) {
    match node {
        Value::Object(object) => {
            for (key, item) in object.iter_mut() {
                match item.as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
                    Some(name) if key == "$ref" => *item = json!(format!("#/$defs/{prefix}_{name}")),
                    _ => rename_references(item, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, prefix)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Lets a secret reference stand wherever a kind's settings take free text.
fn allow_secrets(node: &mut Value) {
    let free_text = |object: &Map<String, Value>| {
        let text = match object.get("type") {
            Some(Value::String(name)) => name == "string",
            Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
            _ => false,
        };
        text && !["enum", "const", SHOWN_MARK].iter().any(|key| object.contains_key(*key))
    };
    match node {
        Value::Object(object) if free_text(object) => {
            let mut plain = std::mem::take(object);
            for kept in ["description", "default"] {
                if let Some(value) = plain.remove(kept) {
                    object.insert(kept.to_owned(), value);
                }
            }
            let reference = json!({ "$ref": "#/$defs/SecretReference" });
            // What is a secret is only referred to.
            let forms = match plain.remove(SECRET_MARK) {
                Some(_) if plain.get("type").is_some_and(Value::is_array) => json!([reference, { "type": "null" }]),
                Some(_) => json!([reference]),
                None => json!([plain, reference]),
            };
            object.insert("anyOf".to_owned(), forms);
        }
        Value::Object(object) => {
            for (key, item) in object.iter_mut() {
                if !matches!(key.as_str(), "default" | "examples" | "enum" | "const") {
                    allow_secrets(item);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let schema = file_schema();
        let mut stack = vec![&schema];
        let mut seen = 0;
        while let Some(node) = stack.pop() {
            match node {
                Value::Object(object) => {
                    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                        seen += 1;
                        assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
                    }
                    stack.extend(object.values());
                }
                Value::Array(items) => stack.extend(items),
                _ => {}
            }
        }
        assert!(seen > 20, "only {seen} references were checked");
    }

    #[test]
    fn every_mapping_with_named_keys_is_closed() {
        let schema = file_schema();
        assert_eq!(schema["additionalProperties"], json!(false));
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            if definition.get("properties").is_some() && name != "SourceFile" {
                assert_eq!(definition.get("additionalProperties"), Some(&json!(false)), "{name} is open");
            }
        }
    }

    #[test]
    fn a_kind_s_secret_is_only_referred_to() {
        let schema = file_schema();
        let reference = json!({ "$ref": "#/$defs/SecretReference" });
        assert_eq!(schema["$defs"]["source_flightsql_Basic"]["properties"]["password"]["anyOf"], json!([reference]));
        assert_eq!(schema["$defs"]["source_flightsql_Auth"]["properties"]["bearer"]["anyOf"], json!([reference, { "type": "null" }]));
    }

    #[test]
    fn a_kind_s_text_may_be_a_secret() {
        let schema = file_schema();
        let url = &schema["$defs"]["source_postgres"]["properties"]["url"];
        assert_eq!(url["anyOf"][1], json!({ "$ref": "#/$defs/SecretReference" }));
    }
}
