//! What `check` says of services with a profile.

use crate::fixtures::model;
use crate::profile::lint;
use expect_test::expect;
use portico_catalog::{Column, Profile};
use portico_provider_api::ScalarType;
use std::sync::Arc;

/// The fixture's tables as a model with a service of a profile.
fn linted(profile: Profile) -> String {
    let view = model();
    let mut tables = indexmap::IndexMap::new();
    let mut names = indexmap::IndexMap::new();
    for (name, table) in &view.tables {
        let mut table = (*table.table).clone();
        if name == "Types" {
            table.columns.push(Column::plain("document", 0, ScalarType::Text, true));
            table.columns.push(Column { max_length: Some(5_000), ..Column::plain("Größe", 0, ScalarType::Text, true) });
        }
        if name == "Lines" {
            table.relationships[0].on = vec![(1, 1)];
        }
        names.insert(name.clone(), table.name.clone());
        tables.insert(table.name.clone(), Arc::new(table));
    }
    let service = portico_catalog::Service {
        name: "crm".to_owned(),
        path: "/odata/crm".to_owned(),
        profile,
        tables: names,
        singletons: indexmap::IndexMap::new(),
    };
    let services = indexmap::IndexMap::from([("crm".to_owned(), service.clone())]);
    let model = portico_catalog::Model {
        version: String::new(),
        tables,
        remote_tables: indexmap::IndexMap::new(),
        services,
        sources: std::collections::BTreeMap::new(),
        operations: Vec::new(),
    };
    lint(&model, &service).iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn every_profile_says_what_it_loses() {
    expect![[r#"
        service crm: Types.document: differs from 'Document' only by letter case, which many clients ignore: call one something else
    "#]]
    .assert_eq(&linted(Profile::Standard));
    expect![[r#"
        service crm: Customers.City: has no length, and is declared with 4000 characters (the longest single line of Dataverse): say its `max_length`
        service crm: Customers.CustomersKey: is the key in this service, a GUID for Id
        service crm: Customers.Since: is a date, published as its first instant in UTC: set the column's behaviour to time zone independent in Dataverse
        service crm: Orders.Note: has no length, and is declared with 4000 characters (the longest single line of Dataverse): say its `max_length`
        service crm: Orders.OrdersKey: is the key in this service, a GUID for Id
        service crm: Lines.Product: has no length, and is declared with 4000 characters (the longest single line of Dataverse): say its `max_length`
        service crm: Lines.LinesKey: is the key in this service, a GUID for OrderId, LineNo
        service crm: Lines.Order: cannot be a lookup in Dataverse, because it does not lead to the key of OrdersTable
        service crm: Types.document: differs from 'Document' only by letter case, which many clients ignore: call one something else
        service crm: Types.Größe: Dataverse makes names of ASCII letters, digits and underscores only: publish it under another name
        service crm: Types.Label: has no length, and is declared with 4000 characters (the longest single line of Dataverse): say its `max_length`
        service crm: Types.Document: has no length, and is declared with 4000 characters (the longest single line of Dataverse): say its `max_length`
        service crm: Types.document: has no length, and is declared with 4000 characters (the longest single line of Dataverse): say its `max_length`
        service crm: Types.Größe: has 5000 characters, more than 4000: make it a text of several lines in Dataverse
        service crm: Types.Amount: is decimal(38,9), but Dataverse holds 11 digits before the point and 10 after it: say a smaller `type`, if the values allow it
        service crm: Types.Huge: is decimal(60,10), but Dataverse holds 11 digits before the point and 10 after it: say a smaller `type`, if the values allow it
        service crm: Types.Bytes: holds bytes, which Dataverse cannot take: it is left out
        service crm: Types.Day: is a date, published as its first instant in UTC: set the column's behaviour to time zone independent in Dataverse
        service crm: Types.Clock: is a time of day, which Dataverse cannot take: it is published as text
        service crm: Types.Document: is a JSON document, published as text
    "#]].assert_eq(&linted(Profile::Dataverse));
    expect![[r#"
        service crm: Customers.City: has no length, and is declared with 255 characters (the longest text of Salesforce): say its `max_length`
        service crm: Customers: no column is `searchable`: what people search for in Salesforce is looked for in no column of it
        service crm: Orders.Note: has no length, and is declared with 255 characters (the longest text of Salesforce): say its `max_length`
        service crm: Orders: no column is `searchable`: what people search for in Salesforce is looked for in no column of it
        service crm: Lines.Product: has no length, and is declared with 255 characters (the longest text of Salesforce): say its `max_length`
        service crm: Lines: the key has several parts (OrderId, LineNo), and Salesforce makes its External ID of one: publish a column that is unique by itself as `key`
        service crm: Lines: no column is `searchable`: what people search for in Salesforce is looked for in no column of it
        service crm: Types.document: differs from 'Document' only by letter case, which many clients ignore: call one something else
        service crm: Types.Größe: Salesforce makes names of ASCII letters, digits and underscores only: publish it under another name
        service crm: Types.Label: has no length, and is declared with 255 characters (the longest text of Salesforce): say its `max_length`
        service crm: Types.Document: has no length, and is declared with 255 characters (the longest text of Salesforce): say its `max_length`
        service crm: Types.document: has no length, and is declared with 255 characters (the longest text of Salesforce): say its `max_length`
        service crm: Types.Größe: has 5000 characters, more than 255: it becomes a long text area in Salesforce, of which an object can hold few, and cannot be sorted by or filtered on
        service crm: Types.Bytes: holds bytes, which Salesforce has no field for: leave it out of the table's `columns`
        service crm: Types: no column is `searchable`: what people search for in Salesforce is looked for in no column of it
    "#]].assert_eq(&linted(Profile::Salesforce));
    expect![[r#"
        service crm: Lines: has no date or timestamp, so it cannot be refreshed incrementally: every refresh reads it all
        service crm: Types.document: differs from 'Document' only by letter case, which many clients ignore: call one something else
        service crm: Types.Amount: has more than 15 digits, and Power BI computes with doubles where it is not loaded as a fixed decimal or text: mind its last digits
        service crm: Types.Huge: has more than 15 digits, and Power BI computes with doubles where it is not loaded as a fixed decimal or text: mind its last digits
    "#]].assert_eq(&linted(Profile::Powerbi));
}
