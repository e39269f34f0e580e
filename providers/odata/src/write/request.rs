//! Changes as requests: method, address, body and what must hold. Pure; it must not know how they are sent.

use super::body::{self, Body};
use crate::metadata::{EntitySet, Link, LookUp, Property, Protocol};
use crate::translate::literal::literal;
use crate::translate::{Asking, ETAG, Refusal};
use portico_provider_api::{Change, ChangeSet, ChangeValue, Precondition, RemoteOperation, TableRelation, Value};
use portico_provider_sql::encode;
use portico_provider_web::{Address, Method};

/// One change as a request.
#[derive(Debug, Clone)]
pub struct Written {
    /// Method.
    pub method: Method,
    /// Address.
    pub address: Address,
    /// Body, where there is one.
    pub body: Option<String>,
    /// What the ETag must be; `*` for any.
    pub if_match: Option<String>,
    /// What it does.
    pub kind: Kind,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A new entity.
    Insert,
    /// A change of one.
    Update,
    /// A change of one, or a new one under that key.
    Upsert,
    /// A removal.
    Delete,
    /// A call.
    Invoke,
}

/// The request of one change of a set.
///
/// # Errors
/// When it lies beyond what the service can do, or a value cannot be said.
pub fn written(asking: &Asking<'_>, set: &ChangeSet, change: &Change) -> Result<Written, Refusal> {
    let v2 = asking.service.protocol == Protocol::V2;
    match change {
        Change::Insert { table, values, .. } => {
            let entities = asking.set(table)?;
            let body = object(asking, set, entities, table, values, true)?;
            let address = asking.collection(entities)?;
            Ok(Written { method: Method::POST, address, body: Some(body), if_match: None, kind: Kind::Insert })
        }
        Change::Update { table, key, values, precondition, .. } => {
            let entities = asking.set(table)?;
            let body = object(asking, set, entities, table, values, false)?;
            let address = asking.entity(entities, &named(table, key)?)?;
            let method = if v2 { Method::from_bytes(b"MERGE").unwrap_or(Method::PATCH) } else { Method::PATCH };
            let if_match = if_match(asking, entities, table, precondition)?;
            Ok(Written { method, address, body: Some(body), if_match, kind: Kind::Update })
        }
        Change::Delete { table, key, precondition, .. } => {
            let entities = asking.set(table)?;
            let address = asking.entity(entities, &named(table, key)?)?;
            let if_match = if_match(asking, entities, table, precondition)?;
            Ok(Written { method: Method::DELETE, address, body: None, if_match, kind: Kind::Delete })
        }
        Change::Invoke { operation, arguments } => invoked(asking, set, operation, arguments),
        Change::Upsert { table, key, values, .. } if !v2 => {
            let entities = asking.set(table)?;
            let body = object(asking, set, entities, table, values, false)?;
            let address = asking.entity(entities, &named(table, key)?)?;
            Ok(Written { method: Method::PATCH, address, body: Some(body), if_match: None, kind: Kind::Upsert })
        }
        Change::Upsert { .. } => Err("updating or inserting in one step".to_owned().into()),
        Change::Link { .. } | Change::Unlink { .. } => Err("rows of a link table".to_owned().into()),
    }
}

/// What must hold of the entity. Without a condition it must be there: `PATCH` of what is not would insert it at some services.
fn if_match(asking: &Asking<'_>, set: &EntitySet, table: &TableRelation, precondition: &Precondition) -> Result<Option<String>, Refusal> {
    match precondition {
        Precondition::None => {
            let v2 = asking.service.protocol == Protocol::V2;
            Ok((!v2 || asking.rules.has_etag(set)).then(|| "*".to_owned()))
        }
        Precondition::Version { column, value } => {
            let named = table.columns.get(*column).is_some_and(|column| column.name == ETAG);
            match value {
                Value::Text(etag) if named => Ok(Some(etag.clone())),
                _ => Err(format!("comparing a version of '{}' other than its own ETag while it is written", set.name).into()),
            }
        }
        Precondition::Unchanged(_) => Err("comparing values of a row while it is written".to_owned().into()),
    }
}

fn named(table: &TableRelation, key: &[(usize, Value)]) -> Result<Vec<(String, Value)>, Refusal> {
    let of = |(index, value): &(usize, Value)| {
        let column = table.columns.get(*index).ok_or_else(|| "a column outside the table".to_owned())?;
        let value = match column.codec {
            Some(codec) => encode(codec, column.scalar_type, value)?,
            None => value.clone(),
        };
        Ok((column.name.clone(), value))
    };
    key.iter().map(of).collect::<Result<_, String>>().map_err(Refusal::from)
}

fn object(
    asking: &Asking<'_>,
    set: &ChangeSet,
    entities: &EntitySet,
    table: &TableRelation,
    values: &[(usize, ChangeValue)],
    is_new: bool,
) -> Result<String, Refusal> {
    let mut body = Body::default();
    for (index, value) in values {
        let column = table.columns.get(*index).ok_or_else(|| Refusal::from("a column outside the table".to_owned()))?;
        let gone = || Refusal::Gone(format!("the entity set '{}' has no property '{}'", entities.name, column.name));
        let property = entities.property(&column.name).ok_or_else(gone)?;
        let value = given(set, value)?;
        let value = match (column.codec, &value) {
            (Some(codec), Some(value)) => Some(encode(codec, column.scalar_type, value)?),
            (_, _) => value,
        };
        match &property.look_up {
            LookUp::Value => body.set(&property.name, json(asking, property, value.as_ref())?),
            LookUp::Bound(link) => {
                if let Some(reference) = reference(asking, entities, property, link, value.as_ref(), is_new)? {
                    body.set(&format!("{}@odata.bind", link.name), reference);
                }
            }
            LookUp::Ambiguous(names) => {
                let names = names.join("' or '");
                let message = format!(
                    "'{}' of '{}' refers to an entity by '{names}': `tables.{}.columns.{}.bind` says which of them is written",
                    property.name, entities.name, entities.name, property.name
                );
                return Err(message.into());
            }
        }
    }
    Ok(body.json())
}

/// The reference to the entity whose key is the value, relative to the service's root; nothing where a new entity simply has none. OData 4.0
/// removes a reference by a request of its own alone (Protocol 4.0, section 11.4.6.2); Dataverse takes null in a change.
fn reference(
    asking: &Asking<'_>,
    set: &EntitySet,
    property: &Property,
    link: &Link,
    value: Option<&Value>,
    is_new: bool,
) -> Result<Option<String>, Refusal> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return match (is_new, asking.rules.preset.binds) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some("null".to_owned())),
            (false, false) => Err(format!(
                "null for '{}' of '{}': this protocol removes the reference '{}' by a request of its own alone, which is not sent",
                property.name, set.name, link.name
            )
            .into()),
        };
    };
    let unsaid = || Refusal::from(format!("a value for '{}' that no URL of this protocol can say", property.name));
    let key = link.key.first().ok_or_else(unsaid)?;
    let literal = literal(asking.service.protocol, key, value).ok_or_else(unsaid)?;
    let segment = format!("{}({literal})", link.set.as_deref().unwrap_or_default());
    let address = asking.root.clone().segment(&segment)?;
    let last = address.url().path_segments().and_then(|mut segments| segments.next_back()).ok_or_else(unsaid)?;
    Ok(Some(serde_json::Value::from(last).to_string()))
}

fn json(asking: &Asking<'_>, property: &Property, value: Option<&Value>) -> Result<String, Refusal> {
    match value {
        Some(value) => Ok(body::json(asking.service.protocol, property, value)?),
        None => Ok("null".to_owned()),
    }
}

/// The value of a change; `None` for null. One that an earlier change produces is known where that change was given it.
fn given(set: &ChangeSet, value: &ChangeValue) -> Result<Option<Value>, Refusal> {
    match value {
        ChangeValue::Given(value) => Ok(Some(value.clone())),
        ChangeValue::Null => Ok(None),
        ChangeValue::FromChange { change, column } => {
            let unknown = || Refusal::from("a value that the service makes in the same change set".to_owned());
            let earlier = set.changes.get(*change).ok_or_else(unknown)?;
            let (keys, values) = match earlier {
                Change::Insert { values, .. } => (None, values),
                Change::Update { key, values, .. } | Change::Upsert { key, values, .. } => (Some(key), values),
                Change::Delete { .. } | Change::Link { .. } | Change::Unlink { .. } | Change::Invoke { .. } => return Err(unknown()),
            };
            let of_values = values.iter().find(|(index, _)| index == column).map(|(_, value)| value);
            match of_values {
                Some(ChangeValue::FromChange { change: before, .. }) if before >= change => Err(unknown()),
                Some(value) => given(set, value),
                None => {
                    keys.into_iter().flatten().find(|(index, _)| index == column).map(|(_, value)| Some(value.clone())).ok_or_else(unknown)
                }
            }
        }
    }
}

fn invoked(
    asking: &Asking<'_>,
    set: &ChangeSet,
    operation: &RemoteOperation,
    arguments: &[(usize, ChangeValue)],
) -> Result<Written, Refusal> {
    let described = asking.operation(operation)?;
    let gone = || Refusal::Gone(format!("there is no parameter of that number in '{}'", operation.name));
    let mut values = Vec::new();
    for (index, value) in arguments {
        let parameter = described.parameters.get(*index).ok_or_else(gone)?;
        values.push((*index, parameter, given(set, value)?));
    }
    let said: Vec<(usize, Option<&Value>)> = values.iter().map(|(index, _, value)| (*index, value.as_ref())).collect();
    let address = asking.call(described, &said)?;
    let body = if asking.service.protocol == Protocol::V4 && described.changes {
        let mut body = Body::default();
        for (_, parameter, value) in values.iter().filter(|(index, ..)| *index >= described.key_parameters()) {
            body.set(&parameter.name, json(asking, parameter, value.as_ref())?);
        }
        Some(body.json())
    } else {
        None
    };
    let method = if described.get { Method::GET } else { Method::POST };
    // A service with ETags may demand one of what is called on an entity; which one it was, a call does not say.
    let bound = described.binding.as_ref().filter(|binding| binding.key.is_some() && described.changes);
    let tagged = bound.and_then(|binding| asking.service.set(&binding.set)).is_some_and(|entities| asking.rules.has_etag(entities));
    Ok(Written { method, address, body, if_match: tagged.then(|| "*".to_owned()), kind: Kind::Invoke })
}
