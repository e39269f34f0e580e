//! URLs in payloads: context, canonical entity URLs. Absolute, because clients derive the service root from them.

use super::EntityLinks;
use super::encode::push_decimal;
use crate::bound::{BoundExpand, BoundQuery, BoundRead, ReadKind};
use crate::calendar;
use crate::metadata::namespace;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use portico_catalog::{ModelView, TableView};
use portico_provider_api::{ScalarType, Value};
use std::collections::BTreeMap;

/// [`EntityLinks`] of every entity set of a view.
pub fn entity_links(view: &ModelView) -> BTreeMap<String, EntityLinks> {
    let namespace = namespace(view);
    let links = |table: &TableView| EntityLinks {
        type_name: format!("{namespace}.{}", table.name),
        key: table.table.key.iter().filter_map(|index| table.table.columns.get(*index)).map(|column| column.name.clone()).collect(),
        navigation: table.relationships.iter().map(|relationship| relationship.name.clone()).collect(),
    };
    view.tables.values().map(|table| (table.name.clone(), links(table))).collect()
}

/// The context URL of an answer: absolute, in the form of OData 4.0, which clients of 4.01 read too.
///
/// It lists what `$select` chose, and expanded relationships where they or their parent are narrowed; `Nav()` is never written, because
/// clients of 4.0 refuse it.
pub fn context_url(root_url: &str, view: &ModelView, read: &BoundRead) -> String {
    let mut url = format!("{}/$metadata", root_url.trim_end_matches('/'));
    if let Some(table) = view.by_virtual_table(&read.query.table) {
        url.push('#');
        push_encoded(&table.name, &mut url);
        push_shape(view, &read.query, &mut url);
        if read.kind == ReadKind::Entity {
            url.push_str("/$entity");
        }
    }
    url
}

fn narrowed(query: &BoundQuery) -> bool {
    query.selected || query.expand.iter().any(|expand| narrowed(&expand.query))
}

fn push_shape(view: &ModelView, query: &BoundQuery, url: &mut String) {
    if !narrowed(query) {
        return;
    }
    let mut items = Vec::new();
    if query.selected
        && let Some(table) = view.by_virtual_table(&query.table)
    {
        items.extend(query.select.iter().filter_map(|index| table.table.columns.get(*index)).map(|column| encoded(&column.name)));
    }
    let worth_naming = |expand: &&BoundExpand| query.selected || narrowed(&expand.query);
    for expand in query.expand.iter().filter(worth_naming) {
        let mut item = encoded(&expand.name);
        push_shape(view, &expand.query, &mut item);
        items.push(item);
    }
    url.push('(');
    url.push_str(&items.join(","));
    url.push(')');
}

/// The canonical URL of an entity: for `Location` and `OData-EntityId`. Key values are in key order.
pub fn entity_url(root_url: &str, table: &TableView, key: &[Value]) -> String {
    let names = table.table.key.iter().filter_map(|index| table.table.columns.get(*index)).map(|column| column.name.as_str());
    let parts: Vec<_> = names.zip(key).map(|(name, value)| (name, value.scalar_type(), value_text(value))).collect();
    let mut url = format!("{}/", root_url.trim_end_matches('/'));
    push_encoded(&table.name, &mut url);
    push_key(&parts, &mut url);
    url
}

/// Appends a key in parentheses: names, types and bare texts of the values.
pub(super) fn push_key(parts: &[(&str, ScalarType, Vec<u8>)], url: &mut String) {
    url.push('(');
    for (index, (name, scalar_type, text)) in parts.iter().enumerate() {
        if index > 0 {
            url.push(',');
        }
        if parts.len() > 1 {
            push_encoded(name, url);
            url.push('=');
        }
        let text = String::from_utf8_lossy(text);
        match scalar_type {
            ScalarType::Text | ScalarType::Json => {
                url.push_str("%27");
                push_encoded(&text.replace('\'', "''"), url);
                url.push_str("%27");
            }
            ScalarType::Binary => {
                url.push_str("binary%27");
                push_encoded(&text, url);
                url.push_str("%27");
            }
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
            | ScalarType::Guid => push_encoded(&text, url),
        }
    }
    url.push(')');
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

fn encoded(text: &str) -> String {
    let mut url = String::new();
    push_encoded(text, &mut url);
    url
}

/// Appends a text with everything percent-encoded but unreserved characters (RFC 3986) and the colon.
pub(super) fn push_encoded(text: &str, url: &mut String) {
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
