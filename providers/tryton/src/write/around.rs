//! A record that is changed, and with it those that it holds (a sale and its lines): they are made, changed and removed by commands in its own field, so that all
//! of it is one call. Pure.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Below, Models, Touched, Work, changed, removal_of, table, update_of, values_of};
use crate::translate::model;
use portico_provider_api::Change;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const ANOTHER: &str = "with a record those alone can be changed that it holds, in the same call";

/// What is done in one field of the record above.
#[derive(Default)]
struct Commands {
    created: Vec<(usize, Json)>,
    written: Vec<Json>,
    deleted: Vec<i64>,
}

/// Translates a set whose changes but one are of records that the one record holds; nothing where it is another set.
///
/// # Errors
/// Says what does not fit the call.
pub fn translate(all: &[Change], models: &Models) -> Result<Option<Work>, String> {
    let Some(place) = above(all, models) else { return Ok(None) };
    let (root, mut values) = all.get(place).ok_or(ANOTHER.to_owned()).and_then(|change| update_of(change, ANOTHER))?;
    let many = models.get(&root.model).map(|known| known.many.as_slice()).unwrap_or_default();
    let mut fields: BTreeMap<String, Commands> = BTreeMap::new();
    let mut touched: Vec<Option<Touched>> = Vec::with_capacity(all.len());
    for (at, change) in all.iter().enumerate() {
        if at == place {
            touched.push(Some(root.clone()));
            continue;
        }
        let held = table(change).map(model).unwrap_or_default();
        let mut holding = many.iter().filter(|(_, model, _)| *model == held);
        match change {
            Change::Insert { table, values, require: None } => {
                let (mut new, from) = values_of(table, values, all)?;
                let field = holding.find(|(_, _, reference)| new.get(reference) == Some(&json!(root.number)));
                let Some((field, _, reference)) = field.filter(|_| from.is_empty()) else { return Err(ANOTHER.to_owned()) };
                new.remove(reference);
                fields.entry(field.clone()).or_default().created.push((at, Json::Object(new)));
                touched.push(None);
            }
            Change::Update { .. } => {
                let (record, new) = update_of(change, ANOTHER)?;
                let (field, _, _) = holding.next().ok_or(ANOTHER)?;
                fields.entry(field.clone()).or_default().written.extend([json!([record.number]), Json::Object(new)]);
                touched.push(Some(record));
            }
            Change::Delete { .. } => {
                let record = removal_of(change, ANOTHER)?;
                let (field, _, _) = holding.next().ok_or(ANOTHER)?;
                fields.entry(field.clone()).or_default().deleted.push(record.number);
                touched.push(Some(record));
            }
            Change::Insert { .. } | Change::Upsert { .. } | Change::Link { .. } | Change::Unlink { .. } | Change::Invoke { .. } => {
                return Err(ANOTHER.to_owned());
            }
        }
    }
    let mut known: Vec<_> = touched.iter().flatten().map(|record| (&record.model, record.number)).collect();
    known.sort_unstable();
    if known.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("a record can be changed or removed once in a call".to_owned());
    }
    let mut below = Vec::new();
    for (field, commands) in fields {
        let places: Vec<usize> = commands.created.iter().map(|(place, _)| *place).collect();
        values.insert(field.clone(), Json::Array(commands.spelt()));
        if !places.is_empty() {
            below.push(Below { above: place, model: root.model.clone(), field, places });
        }
    }
    let arguments = vec![json!([root.number]), Json::Object(values)];
    Ok(Some(changed("write", root.model, arguments, touched, below)))
}

impl Commands {
    fn spelt(self) -> Vec<Json> {
        let mut spelt = Vec::new();
        if !self.deleted.is_empty() {
            spelt.push(json!(["delete", self.deleted]));
        }
        if !self.written.is_empty() {
            spelt.push(Json::Array([json!("write")].into_iter().chain(self.written).collect()));
        }
        if !self.created.is_empty() {
            let records: Vec<Json> = self.created.into_iter().map(|(_, record)| record).collect();
            spelt.push(json!(["create", records]));
        }
        spelt
    }
}

/// The place of the one change whose record holds those of all others.
fn above(all: &[Change], models: &Models) -> Option<usize> {
    let holds = |holder: &str, held: &str| models.get(holder).is_some_and(|known| known.many.iter().any(|(_, model, _)| model == held));
    all.iter().enumerate().filter(|_| all.len() > 1).find_map(|(place, change)| {
        let Change::Update { table: own, .. } = change else { return None };
        let own = model(own);
        let mut others = all.iter().enumerate().filter(|(at, _)| *at != place);
        let is_above = others.all(|(_, other)| table(other).map(model).is_some_and(|other| other != own && holds(&own, &other)));
        is_above.then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::Model;
    use portico_provider_api::{ChangeValue, Precondition, RemoteTableName, ScalarType, TableColumn, TableRelation, Value};
    use std::sync::Arc;

    fn relation(name: &str) -> TableRelation {
        let column = |name: &str, native: &str, scalar_type| TableColumn {
            native_type: Some(native.to_owned()),
            ..TableColumn::computed(name, scalar_type, true)
        };
        let columns = vec![
            column("id", "integer", ScalarType::Int32),
            column("sale", "many2one", ScalarType::Int32),
            column("note", "char", ScalarType::Text),
            column("_timestamp", "char", ScalarType::Text),
        ];
        TableRelation { table: RemoteTableName::parse(name), columns }
    }

    fn update(name: &str, id: i32, note: &str) -> Change {
        let values = vec![(2, ChangeValue::Given(Value::text(note)))];
        let version = Precondition::Version { column: 3, value: Value::text(format!("v{id}")) };
        Change::Update {
            table: relation(name),
            key: vec![(0, Value::Int32(id))],
            values,
            precondition: version,
            visible: None,
            require: None,
        }
    }

    fn insert(name: &str, sale: i32, note: &str) -> Change {
        let values = vec![(1, ChangeValue::Given(Value::Int32(sale))), (2, ChangeValue::Given(Value::text(note)))];
        Change::Insert { table: relation(name), values, require: None }
    }

    fn delete(name: &str, id: i32) -> Change {
        Change::Delete { table: relation(name), key: vec![(0, Value::Int32(id))], precondition: Precondition::None, visible: None }
    }

    fn models() -> Models {
        let sale = Model { many: vec![("lines".to_owned(), "sale.line".to_owned(), "sale".to_owned())], ..Model::default() };
        Models::from([("sale.sale".to_owned(), Arc::new(sale)), ("sale.line".to_owned(), Arc::default())])
    }

    #[test]
    fn a_record_and_those_that_it_holds_are_one_call() {
        let set = [
            insert("sale.line", 5, "new"),
            update("sale.line", 7, "other"),
            update("sale.sale", 5, "sale"),
            delete("sale.line", 8),
            insert("sale.line", 5, "last"),
        ];
        let work = translate(&set, &models()).unwrap().unwrap();
        assert_eq!(work.call.method, "model.sale.sale.write");
        let lines = json!([["delete", [8]], ["write", [7], { "note": "other" }], ["create", [{ "note": "new" }, { "note": "last" }]]]);
        assert_eq!(work.call.arguments, [json!([5]), json!({ "note": "sale", "lines": lines })]);
        assert_eq!(Json::Object(work.context), json!({ "_timestamp": { "sale.sale,5": "v5", "sale.line,7": "v7" } }));
        let super::super::Written::Changed { touched, below } = work.kind else { panic!("no changes") };
        assert_eq!(
            touched.iter().map(|record| record.as_ref().map(|record| record.number)).collect::<Vec<_>>(),
            [None, Some(7), Some(5), Some(8), None]
        );
        let expected = Below { above: 2, model: "sale.sale".to_owned(), field: "lines".to_owned(), places: vec![0, 4] };
        assert_eq!(below, [expected]);
    }

    #[test]
    fn what_it_does_not_hold_is_refused() {
        let refused = |set: &[Change]| translate(set, &models()).unwrap_err();
        assert_eq!(refused(&[update("sale.sale", 5, "a"), insert("sale.line", 6, "of another")]), ANOTHER);
        let twice = [update("sale.sale", 5, "a"), update("sale.line", 7, "b"), delete("sale.line", 7)];
        assert!(refused(&twice).contains("once"));
        // These are other sets, or none that is one call.
        for set in [
            vec![update("sale.sale", 5, "a")],
            vec![update("sale.sale", 5, "a"), update("sale.sale", 6, "b")],
            vec![update("sale.sale", 5, "a"), delete("party.party", 1)],
            vec![insert("sale.sale", 1, "a"), insert("sale.line", 5, "b")],
        ] {
            assert!(translate(&set, &models()).unwrap().is_none(), "{set:?}");
        }
    }
}
