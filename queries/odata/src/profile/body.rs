//! Bodies in terms of what is published → bodies over the tables as they are. What is wrong in the rest of a body is for who reads it
//! next.

use super::path::native_path;
use super::request::guid_of;
use super::{Remembered, key_of};
use crate::body::read_json;
use crate::calendar::{self, MICROS_PER_DAY};
use crate::error::ODataError;
use crate::guid_key::{KeyGuid, conform};
use crate::json::push_value;
use crate::json::value_text;
use portico_catalog::TableView;
use portico_catalog::names::nearest;
use portico_catalog::profile::{GuidProperty, Published, Widening};
use portico_provider_api::json::Json;
use portico_provider_api::{ScalarType, Value};

/// Translates the body of an insertion (`key` absent) or of an update of the entity with that key. A GUID property of a relationship sets
/// the columns of the foreign key. The one for the table's own key may be repeated in an update; in an insertion it says the key, unless
/// it is a GUID that stands for none, as a client makes up for a row that has no key yet: then it is left out.
///
/// # Errors
/// `BadRequest`: not JSON, a GUID that is nobody's key, a key that would change, a column given twice with different values.
pub fn native_body(
    bytes: &[u8],
    published: &Published,
    table: &TableView,
    key: Option<&[Value]>,
    remembered: &Remembered<'_>,
) -> Result<Vec<u8>, ODataError> {
    let document = read_json(bytes)?;
    let Json::Object(members) = document else { return Ok(bytes.to_vec()) };
    let mut body = Body { published, table, remembered, members: Vec::with_capacity(members.len()), said: Vec::new() };
    for (name, json) in members {
        match guid_of(published, table, &name) {
            Some(guid) if guid.relationship.is_none() => body.own_key(guid, &json, key)?,
            Some(guid) => body.foreign_key(guid, &json)?,
            None => body.member(name, json)?,
        }
    }
    let mut out = Vec::with_capacity(bytes.len());
    push_value(&Json::Object(body.members), &mut out);
    Ok(out)
}

struct Body<'a> {
    published: &'a Published,
    table: &'a TableView,
    remembered: &'a Remembered<'a>,
    members: Vec<(String, Json)>,
    /// Columns that a GUID property set, and which.
    said: Vec<(Vec<String>, String)>,
}

fn wrong(property: &str, message: String) -> ODataError {
    ODataError::bad_request(message).at(property, None)
}

impl Body<'_> {
    fn guid(&self, guid: &GuidProperty, json: &Json) -> Result<Option<String>, ODataError> {
        match json {
            Json::Null => Ok(None),
            Json::Text(text) if KeyGuid::parse(text).is_some() => Ok(Some(text.clone())),
            _ => Err(wrong(&guid.name, format!("the property '{}' is of type Edm.Guid", guid.name))),
        }
    }

    fn own_key(&mut self, guid: &GuidProperty, json: &Json, key: Option<&[Value]>) -> Result<(), ODataError> {
        let Some(text) = self.guid(guid, json)? else { return Ok(()) };
        let given = key_of(guid, &text, self.remembered);
        match (key, given) {
            (Some(key), Some(given)) if *key == given => Ok(()),
            (Some(_), _) => Err(wrong(&guid.name, format!("'{}' is the key and cannot be changed", guid.name))),
            (None, Some(given)) => self.set(guid, &given),
            (None, None) => Ok(()),
        }
    }

    fn foreign_key(&mut self, guid: &GuidProperty, json: &Json) -> Result<(), ODataError> {
        let Some(text) = self.guid(guid, json)? else {
            let nulls = guid.types.iter().map(|scalar_type| Value::Null(*scalar_type)).collect::<Vec<_>>();
            return self.set(guid, &nulls);
        };
        let key = key_of(guid, &text, self.remembered);
        let key = key.ok_or_else(|| wrong(&guid.name, format!("'{}' is a GUID that stands for no key of '{}'", guid.name, guid.table)))?;
        self.set(guid, &key)
    }

    fn set(&mut self, guid: &GuidProperty, key: &[Value]) -> Result<(), ODataError> {
        for (index, value) in guid.columns.iter().zip(key) {
            let Some(column) = self.table.table.columns.get(*index) else { continue };
            let json = if value.is_null() { Some(Json::Null) } else { conform(value, column.scalar_type).map(|value| json_of(&value)) };
            let json =
                json.ok_or_else(|| wrong(&guid.name, format!("'{}' cannot hold the key that '{}' stands for", column.name, guid.name)))?;
            let path = native_path(&self.table.table, *index);
            self.add(&path, json, &guid.name)?;
            self.said.push((path, guid.name.clone()));
        }
        Ok(())
    }

    /// Adds the value of a column, unless the same value is there already.
    fn add(&mut self, path: &[String], json: Json, said_by: &str) -> Result<(), ODataError> {
        match found(&self.members, path) {
            None => put(&mut self.members, path, json),
            Some(known) if same(known, &json) => {}
            Some(_) => {
                let name = path.join("/");
                return Err(wrong(said_by, format!("'{said_by}' and another property of the body say different values for '{name}'")));
            }
        }
        Ok(())
    }

    fn member(&mut self, name: String, json: Json) -> Result<(), ODataError> {
        let plain = !name.contains('@') && self.table.relationship(&name).is_none();
        let shown = self.published.view.table(&self.table.name).and_then(|shown| shown.column(&name));
        if plain && shown.is_none() {
            let columns = self.published.view.table(&self.table.name).into_iter();
            let columns = columns.flat_map(|shown| shown.columns.iter().filter_map(|index| shown.table.columns.get(*index)));
            let hint = nearest(&name, columns.map(|column| column.name.as_str()));
            let hint = hint.map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
            return Err(wrong(&name, format!("'{}' has no property '{name}'{hint}", self.table.name)));
        }
        let widening = shown.and_then(|index| self.published.table(&self.table.name)?.widened.get(&index));
        let json = match widening {
            Some(widening) => narrowed(&name, json, widening)?,
            None => json,
        };
        let path = match shown.filter(|index| *index < self.table.table.columns.len()) {
            Some(index) => native_path(&self.table.table, index),
            None => vec![name],
        };
        // What a GUID said already; a name that the client gives twice is refused by who reads the body next.
        if let Some((_, said_by)) = self.said.iter().find(|(known, _)| *known == path) {
            let said_by = said_by.clone();
            return self.add(&path, json, &said_by);
        }
        put(&mut self.members, &path, json);
        Ok(())
    }
}

/// The value at a path: of a member, or of a member of a complex property.
fn found<'a>(members: &'a [(String, Json)], path: &[String]) -> Option<&'a Json> {
    let (first, rest) = path.split_first()?;
    let (_, json) = members.iter().find(|(name, _)| name == first)?;
    match (rest, json) {
        ([], json) => Some(json),
        (rest, Json::Object(inner)) => found(inner, rest),
        _ => None,
    }
}

/// Adds a value at a path.
fn put(members: &mut Vec<(String, Json)>, path: &[String], json: Json) {
    match path {
        [] => {}
        [name] => members.push((name.clone(), json)),
        [first, rest @ ..] => match members.iter_mut().find(|(name, json)| name == first && matches!(json, Json::Object(_))) {
            Some((_, Json::Object(inner))) => put(inner, rest, json),
            _ => {
                let mut inner = Vec::new();
                put(&mut inner, rest, json);
                members.push((first.clone(), Json::Object(inner)));
            }
        },
    }
}

/// Whether two JSON values say the same value: the text of numbers and strings counts, not which of both they are.
fn same(a: &Json, b: &Json) -> bool {
    let text = |json: &Json| match json {
        Json::Number(text) | Json::Text(text) => Some(text.clone()),
        _ => None,
    };
    a == b || text(a).is_some_and(|a| text(b) == Some(a))
}

/// The value as the column takes it. What is no widened value stays, and is refused by who knows the column's type.
fn narrowed(name: &str, json: Json, widening: &Widening) -> Result<Json, ODataError> {
    match (widening, &json) {
        (Widening::DateToInstant, Json::Text(text)) => match calendar::parse_timestamp(text) {
            Some(micros) if micros.rem_euclid(MICROS_PER_DAY) == 0 => {
                let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY));
                Ok(days.map_or(json, |days| json_of(&Value::Date(days))))
            }
            Some(_) => Err(wrong(name, format!("the property '{name}' holds dates: its time must be midnight in UTC"))),
            None => Ok(json),
        },
        (Widening::Enumeration(enumeration), Json::Number(text)) => {
            let number = text.parse::<i64>().ok();
            let member = enumeration.members.iter().find(|member| Some(member.value) == number);
            let member = member.ok_or_else(|| wrong(name, format!("the property '{name}' has no choice {text}")))?;
            Ok(Json::Text(member.name.clone()))
        }
        _ => Ok(json),
    }
}

/// A value as JSON.
fn json_of(value: &Value) -> Json {
    let text = || String::from_utf8_lossy(&value_text(value)).into_owned();
    match value.scalar_type() {
        _ if value.is_null() => Json::Null,
        ScalarType::Boolean => Json::Boolean(*value == Value::Boolean(true)),
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 | ScalarType::Decimal { .. } => Json::Number(text()),
        ScalarType::Float32 | ScalarType::Float64 => Json::Number(text()),
        ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid
        | ScalarType::Json => Json::Text(text()),
    }
}
