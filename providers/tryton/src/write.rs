//! Change sets as calls. One call is one transaction of the server's, so a set is one call or is refused: new records of one model with those that belong to them,
//! changes of records of one model, removals of them, a record with those that it holds (`write/around.rs`), or one method. Pure.

#![deny(clippy::wildcard_enum_match_arm)]

mod around;

use crate::decode::spelt;
use crate::fields::{Field, Kind};
use crate::introspect::Model;
use crate::translate::{Call, model};
use portico_provider_api::{Change, ChangeSet, ChangeValue, Precondition, TableRelation, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A set as one call.
#[derive(Debug)]
pub struct Work {
    /// The call.
    pub call: Call,
    /// The model whose records are written.
    pub model: String,
    /// What else the server is told: the versions that records must have.
    pub context: Map<String, Json>,
    /// What becomes of it.
    pub kind: Written,
}

/// What a call writes.
#[derive(Debug)]
pub enum Written {
    /// New records, and their places in the set. Of those that belong to them: the place of the one above, the field that holds them there, their own places.
    Created { roots: Vec<usize>, below: Vec<Below> },
    /// Changed or removed records, for each change, and nothing for one that makes a record: these belong to the first that is changed.
    Changed { touched: Vec<Option<Touched>>, below: Vec<Below> },
    /// A method.
    Invoked,
}

/// A record that is there already.
#[derive(Debug, Clone, PartialEq)]
pub struct Touched {
    /// Its model.
    pub model: String,
    /// Its number.
    pub number: i64,
    /// The version that it must have.
    pub version: Option<String>,
}

/// New records that belong to another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Below {
    /// The place in the set of the change of the one above.
    pub above: usize,
    /// Its model, and its field that holds them.
    pub model: String,
    /// See `model`.
    pub field: String,
    /// Their places in the set, in the order in which they are made.
    pub places: Vec<usize>,
}

/// What is known of models, by name.
pub type Models = BTreeMap<String, Arc<Model>>;

/// The models that must be known to translate a set: those above others.
pub fn models(changes: &ChangeSet) -> Vec<String> {
    changes.changes.iter().filter_map(table).map(model).collect()
}

fn table(change: &Change) -> Option<&TableRelation> {
    match change {
        Change::Insert { table, .. }
        | Change::Update { table, .. }
        | Change::Upsert { table, .. }
        | Change::Delete { table, .. }
        | Change::Link { table, .. }
        | Change::Unlink { table, .. } => Some(table),
        Change::Invoke { .. } => None,
    }
}

const ONE_CALL: &str = "one call of the server is one transaction, and these changes need several: send them one by one";

/// Translates a set.
///
/// # Errors
/// Says what does not fit one call.
pub fn translate(changes: &ChangeSet, models: &Models) -> Result<Work, String> {
    let all = &changes.changes;
    if let Some(work) = around::translate(all, models)? {
        return Ok(work);
    }
    match all.first() {
        None => Err("there is nothing to be written".to_owned()),
        Some(Change::Insert { .. }) => created(all, models),
        Some(Change::Update { .. }) => updated(all),
        Some(Change::Delete { .. }) => deleted(all),
        Some(Change::Invoke { operation, arguments }) if all.len() == 1 => {
            let [(0, ChangeValue::Given(number))] = arguments.as_slice() else {
                return Err(format!("'{}' takes the number of a record", operation.name));
            };
            let number = number.as_integer().ok_or_else(|| format!("'{}' takes the number of a record", operation.name))?;
            let (method, parts) = operation.name.0.split_last().ok_or_else(|| "a method has a name".to_owned())?;
            let model = parts.join(".");
            let call = Call::hiding(format!("model.{model}.{method}"), vec![json!([number])], "[?]", 1);
            Ok(Work { call, model, context: Map::new(), kind: Written::Invoked })
        }
        Some(Change::Invoke { .. }) => Err(ONE_CALL.to_owned()),
        Some(Change::Upsert { .. }) => Err("updating or inserting in one step is not supported by this source".to_owned()),
        Some(Change::Link { .. } | Change::Unlink { .. }) => Err("a link is written as the record of its own model".to_owned()),
    }
}

/// A value of a column as the server reads it.
fn json_of(table: &TableRelation, column: usize, value: &Value) -> Result<(String, Json), String> {
    let column = table.columns.get(column).ok_or_else(|| "a column outside the table".to_owned())?;
    let kind = column.native_type.as_deref().and_then(Field::parse).map_or(Kind::Document, |field| field.kind);
    let json = spelt(value, kind).ok_or_else(|| format!("the server has no such value for '{}'", column.name))?;
    Ok((column.name.clone(), json))
}

fn number_of(table: &TableRelation, key: &[(usize, Value)]) -> Result<i64, String> {
    let by_number = || format!("records of '{}' are written by their 'id' alone", table.table);
    let [(column, value)] = key else { return Err(by_number()) };
    let is_number = table.columns.get(*column).is_some_and(|column| column.name == "id");
    value.as_integer().filter(|_| is_number).ok_or_else(by_number)
}

fn version_of(table: &TableRelation, precondition: &Precondition) -> Result<Option<String>, String> {
    match precondition {
        Precondition::None => Ok(None),
        Precondition::Version { column, value: Value::Text(version) }
            if table.columns.get(*column).is_some_and(|column| column.name == "_timestamp") =>
        {
            Ok(Some(version.clone()))
        }
        Precondition::Version { .. } | Precondition::Unchanged(_) => {
            Err(format!("the server compares the version of records of '{}' that it gives itself, and nothing else", table.table))
        }
    }
}

/// Values that are known, and those that come from other changes: name of the column, and the place of the change.
type Split = (Map<String, Json>, Vec<(String, usize)>);

fn values_of(table: &TableRelation, values: &[(usize, ChangeValue)], all: &[Change]) -> Result<Split, String> {
    let (mut known, mut from) = (Map::new(), Vec::new());
    for (column, value) in values {
        let name = table.columns.get(*column).map(|column| column.name.clone()).ok_or_else(|| "a column outside the table".to_owned())?;
        if name == "id" {
            return Err(format!("the server numbers records of '{}' itself: leave 'id' out", table.table));
        }
        match value {
            ChangeValue::Given(value) => {
                known.extend([json_of(table, *column, value)?]);
            }
            ChangeValue::Null => {
                known.insert(name, Json::Null);
            }
            ChangeValue::FromChange { change, column } => {
                let is_number = all.get(*change).and_then(self::table).and_then(|table| table.columns.get(*column));
                if is_number.is_none_or(|column| column.name != "id") {
                    return Err(format!("of a new record of the same call, '{name}' can take the 'id' alone"));
                }
                from.push((name, *change));
            }
        }
    }
    Ok((known, from))
}

/// A change that makes a record: its model, its values, and what it belongs to.
struct New {
    model: String,
    values: Map<String, Json>,
    above: Option<(usize, String)>,
}

fn created(all: &[Change], models: &Models) -> Result<Work, String> {
    let mut made = Vec::with_capacity(all.len());
    for (place, change) in all.iter().enumerate() {
        let Change::Insert { table, values, require: None } = change else { return Err(ONE_CALL.to_owned()) };
        let (values, mut from) = values_of(table, values, all)?;
        let above = from.pop();
        if !from.is_empty() || above.as_ref().is_some_and(|(_, above)| *above >= place) {
            return Err("a new record can belong to one that is made before it in the same call".to_owned());
        }
        let above = above.map(|(field, above)| (above, field));
        made.push(New { model: model(table), values, above });
    }
    let mut below: Vec<Below> = Vec::new();
    // From the last to the first, so that each is whole when it is put into the one above.
    let mut held: BTreeMap<usize, BTreeMap<String, Vec<(usize, Json)>>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (place, new) in made.iter().enumerate().rev() {
        let mut values = new.values.clone();
        for (field, mut records) in held.remove(&place).unwrap_or_default() {
            records.reverse();
            let places = records.iter().map(|(place, _)| *place).collect();
            below.push(Below { above: place, model: new.model.clone(), field: field.clone(), places });
            let records: Vec<Json> = records.into_iter().map(|(_, record)| record).collect();
            values.insert(field, json!([["create", records]]));
        }
        match &new.above {
            None => roots.push((place, Json::Object(values))),
            Some((above, reference)) => {
                let holder = made.get(*above).map(|above| above.model.as_str()).unwrap_or_default();
                let many = models.get(holder).map(|known| known.many.as_slice()).unwrap_or_default();
                let field = many.iter().find(|(_, model, field)| *model == new.model && field == reference);
                let Some((field, _, _)) = field else {
                    return Err(format!(
                        "'{holder}' has no field that holds the records of '{}' by their '{reference}': {ONE_CALL}",
                        new.model
                    ));
                };
                held.entry(*above).or_default().entry(field.clone()).or_default().push((place, Json::Object(values)));
            }
        }
    }
    roots.reverse();
    let model = roots.first().and_then(|(place, _)| made.get(*place)).map(|new| new.model.clone()).unwrap_or_default();
    if roots.iter().any(|(place, _)| made.get(*place).is_some_and(|new| new.model != model)) {
        return Err(ONE_CALL.to_owned());
    }
    let (places, records): (Vec<usize>, Vec<Json>) = roots.into_iter().unzip();
    let shown = format!("[? of {}]", places.len());
    let call = Call::hiding(format!("model.{model}.create"), vec![json!(records)], &shown, places.len());
    below.reverse();
    Ok(Work { call, model, context: Map::new(), kind: Written::Created { roots: places, below } })
}

fn updated(all: &[Change]) -> Result<Work, String> {
    let (mut arguments, mut touched, mut named) = (Vec::new(), Vec::new(), None);
    for change in all {
        let (record, values) = update_of(change, ONE_CALL)?;
        if *named.get_or_insert_with(|| record.model.clone()) != record.model {
            return Err(ONE_CALL.to_owned());
        }
        arguments.extend([json!([record.number]), Json::Object(values)]);
        touched.push(Some(record));
    }
    Ok(changed("write", named.unwrap_or_default(), arguments, touched, Vec::new()))
}

/// A change of a record that is there, and its new values.
fn update_of(change: &Change, otherwise: &str) -> Result<(Touched, Map<String, Json>), String> {
    let Change::Update { table, key, values, precondition, visible: None, require: None } = change else {
        return Err(otherwise.to_owned());
    };
    let (values, from) = values_of(table, values, &[])?;
    if !from.is_empty() {
        return Err(otherwise.to_owned());
    }
    Ok((Touched { model: model(table), number: number_of(table, key)?, version: version_of(table, precondition)? }, values))
}

/// The removal of a record.
fn removal_of(change: &Change, otherwise: &str) -> Result<Touched, String> {
    let Change::Delete { table, key, precondition, visible: None } = change else { return Err(otherwise.to_owned()) };
    Ok(Touched { model: model(table), number: number_of(table, key)?, version: version_of(table, precondition)? })
}

fn deleted(all: &[Change]) -> Result<Work, String> {
    let (mut touched, mut named) = (Vec::new(), None);
    for change in all {
        let record = removal_of(change, ONE_CALL)?;
        if *named.get_or_insert_with(|| record.model.clone()) != record.model {
            return Err(ONE_CALL.to_owned());
        }
        touched.push(record);
    }
    let mut numbers: Vec<i64> = touched.iter().map(|record| record.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() < touched.len() {
        return Err("a record can be removed once".to_owned());
    }
    Ok(changed("delete", named.unwrap_or_default(), vec![json!(numbers)], touched.into_iter().map(Some).collect(), Vec::new()))
}

fn changed(method: &str, model: String, arguments: Vec<Json>, touched: Vec<Option<Touched>>, below: Vec<Below>) -> Work {
    let versions: Map<String, Json> = touched
        .iter()
        .flatten()
        .filter_map(|record| Some((format!("{},{}", record.model, record.number), json!(record.version.as_ref()?))))
        .collect();
    let context = if versions.is_empty() { Map::new() } else { Map::from_iter([("_timestamp".to_owned(), Json::Object(versions))]) };
    let call = Call::hiding(format!("model.{model}.{method}"), arguments, &format!("[? of {}]", touched.len()), touched.len());
    Work { call, model, context, kind: Written::Changed { touched, below } }
}
