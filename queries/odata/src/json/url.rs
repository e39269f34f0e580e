//! URLs of entities in payloads. Absolute, because clients keep them.

use super::EntityLinks;
use super::digits::push_decimal;
use crate::calendar;
use crate::metadata::namespace;
use crate::value_type::ValueType;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use portico_catalog::{Column, ModelView, TableView};
use portico_provider_api::{ScalarType, Value};
use std::collections::BTreeMap;

/// [`EntityLinks`] of every entity set and singleton of a view.
pub fn entity_links(view: &ModelView) -> BTreeMap<String, EntityLinks> {
    let namespace = namespace(view);
    let links = |table: &TableView| EntityLinks {
        type_name: format!("{namespace}.{}", table.name),
        key: table.table.key.iter().filter_map(|index| table.table.columns.get(*index)).map(|column| column.name.clone()).collect(),
        navigation: table.relationships.iter().map(|relationship| relationship.name.clone()).collect(),
        operations: operations(view, table, &namespace),
        singleton: false,
    };
    let singletons = view.singletons.iter().filter_map(|(name, singleton)| {
        let table = view.table(&singleton.table)?;
        Some((name.clone(), EntityLinks { key: Vec::new(), singleton: true, ..links(table) }))
    });
    view.tables.values().map(|table| (table.name.clone(), links(table))).chain(singletons).collect()
}

/// The operations that are bound to one entity of a table, each once.
fn operations(view: &ModelView, table: &TableView, namespace: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for operation in &view.operations {
        let bound = operation.binding.as_ref().is_some_and(|binding| !binding.many && binding.table == table.table.name);
        let name = format!("{namespace}.{}", operation.name);
        if bound && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The canonical URL of an entity: for `Location` and `OData-EntityId`. Key values are in key order.
pub fn entity_url(root_url: &str, view: &ModelView, table: &TableView, key: &[Value]) -> String {
    let columns = table.table.key.iter().filter_map(|index| table.table.columns.get(*index));
    let namespace = namespace(view);
    let part = |column: &Column, value: &Value| {
        let member = column.enumeration.as_ref().and_then(|enumeration| {
            let member = enumeration.members.iter().find(|member| member.stored == *value)?;
            Some((KeyLiteral::Prefixed(format!("{namespace}.{}", enumeration.name)), member.name.clone().into_bytes()))
        });
        member.unwrap_or_else(|| (KeyLiteral::of(&value.scalar_type().into(), &namespace), value_text(value)))
    };
    let parts: Vec<_> = columns
        .zip(key)
        .map(|(column, value)| {
            let (literal, text) = part(column, value);
            (column.name.as_str(), literal, text)
        })
        .collect();
    let mut url = format!("{}/", root_url.trim_end_matches('/'));
    push_encoded(&table.name, &mut url);
    push_key(&parts, &mut url);
    url
}

/// How a key's value is written in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyLiteral {
    /// As it is.
    Bare,
    /// In quotes.
    Quoted,
    /// In quotes after a prefix.
    Prefixed(String),
}

impl KeyLiteral {
    pub(super) fn of(value_type: &ValueType, namespace: &str) -> KeyLiteral {
        match value_type {
            ValueType::Duration => KeyLiteral::Prefixed("duration".to_owned()),
            ValueType::Enumeration(enumeration, _) => KeyLiteral::Prefixed(format!("{namespace}.{}", enumeration.name)),
            ValueType::Scalar(ScalarType::Text | ScalarType::Json) => KeyLiteral::Quoted,
            ValueType::Spatial(of) => KeyLiteral::Prefixed(of.family.name().to_ascii_lowercase()),
            ValueType::Scalar(ScalarType::Binary) => KeyLiteral::Prefixed("binary".to_owned()),
            ValueType::Scalar(
                ScalarType::Boolean
                | ScalarType::Int16
                | ScalarType::Int32
                | ScalarType::Int64
                | ScalarType::Float32
                | ScalarType::Float64
                | ScalarType::Decimal { .. }
                | ScalarType::Date
                | ScalarType::Time
                | ScalarType::Timestamp
                | ScalarType::TimestampTz
                | ScalarType::Guid,
            ) => KeyLiteral::Bare,
        }
    }
}

/// Appends a key in parentheses: names, literal forms and bare texts of the values.
pub(super) fn push_key(parts: &[(&str, KeyLiteral, Vec<u8>)], url: &mut String) {
    url.push('(');
    for (index, (name, literal, text)) in parts.iter().enumerate() {
        if index > 0 {
            url.push(',');
        }
        if parts.len() > 1 {
            push_encoded(name, url);
            url.push('=');
        }
        let text = String::from_utf8_lossy(text);
        match literal {
            KeyLiteral::Bare => push_encoded(&text, url),
            KeyLiteral::Quoted => push_quoted("", &text, url),
            KeyLiteral::Prefixed(prefix) => push_quoted(prefix, &text, url),
        }
    }
    url.push(')');
}

fn push_quoted(prefix: &str, text: &str, url: &mut String) {
    push_encoded(prefix, url);
    url.push_str("%27");
    push_encoded(&text.replace('\'', "''"), url);
    url.push_str("%27");
}

/// A value as bare text, as URLs and JSON write it.
pub(crate) fn value_text(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Null(_) => out.extend_from_slice(b"null"),
        Value::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Int16(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Int32(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Int64(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Float32(value) => out.extend_from_slice(value.0.to_string().as_bytes()),
        Value::Float64(value) => out.extend_from_slice(value.0.to_string().as_bytes()),
        Value::Decimal { unscaled, scale, .. } => push_decimal(&unscaled.to_string(), *scale, &mut out),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Binary(bytes) => out.extend_from_slice(URL_SAFE.encode(bytes).as_bytes()),
        Value::Date(days) => calendar::push_date((*days).into(), &mut out),
        Value::Time(micros) => calendar::push_time(*micros, &mut out),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => calendar::push_timestamp(*micros, &mut out),
    }
    out
}

/// Appends a text with everything percent-encoded but unreserved characters (RFC 3986) and the colon.
pub(crate) fn push_encoded(text: &str, url: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            url.push(byte as char);
        } else {
            url.push('%');
            url.push(HEX[usize::from(byte >> 4)]);
            url.push(HEX[usize::from(byte & 15)]);
        }
    }
}
