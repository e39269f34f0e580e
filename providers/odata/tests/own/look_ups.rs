//! Look-ups of Dataverse: what of them is written as a reference, and what of them is refused.

use super::{orders, relation, server, source};
use portico_provider_api::{
    Change, ChangeSet, ChangeValue, Effect, Precondition, QueryContext, RemoteTable, Selection, Source, SourceError, SourceErrorKind,
    TableRelation, Value,
};
use portico_provider_testkit::http::{Answer, Faults, Request};
use serde_json::json;
use std::sync::Arc;

const DATAVERSE: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices><Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="principal"><Key><PropertyRef Name="ownerid"/></Key><Property Name="ownerid" Type="Edm.Guid"/></EntityType>
<EntityType Name="account"><Key><PropertyRef Name="accountid"/></Key><Property Name="accountid" Type="Edm.Guid"/></EntityType>
<EntityType Name="contact"><Key><PropertyRef Name="contactid"/></Key><Property Name="contactid" Type="Edm.Guid"/></EntityType>
<EntityType Name="order"><Key><PropertyRef Name="orderid"/></Key><Property Name="orderid" Type="Edm.Guid"/><Property Name="name" Type="Edm.String"/>
<Property Name="_contactid_value" Type="Edm.Guid"><Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/></Property><Property Name="_customerid_value" Type="Edm.Guid"/><Property Name="_ownerid_value" Type="Edm.Guid"/>
<NavigationProperty Name="contactid" Type="mscrm.contact"><ReferentialConstraint Property="_contactid_value" ReferencedProperty="contactid"/></NavigationProperty>
<NavigationProperty Name="customerid_account" Type="mscrm.account"><ReferentialConstraint Property="_customerid_value" ReferencedProperty="accountid"/></NavigationProperty>
<NavigationProperty Name="customerid_contact" Type="mscrm.contact"><ReferentialConstraint Property="_customerid_value" ReferencedProperty="contactid"/></NavigationProperty>
<NavigationProperty Name="ownerid" Type="mscrm.principal"><ReferentialConstraint Property="_ownerid_value" ReferencedProperty="ownerid"/></NavigationProperty></EntityType>
<EntityContainer Name="System"><EntitySet Name="Orders" EntityType="mscrm.order"><NavigationPropertyBinding Path="contactid" Target="contacts"/><NavigationPropertyBinding Path="customerid_account" Target="accounts"/><NavigationPropertyBinding Path="customerid_contact" Target="contacts"/></EntitySet>
<EntitySet Name="accounts" EntityType="mscrm.account"/><EntitySet Name="contacts" EntityType="mscrm.contact"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

const ID: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn guid() -> ChangeValue {
    ChangeValue::Given(Value::Guid(ID.into()))
}

async fn described(source: &Arc<dyn Source>) -> (RemoteTable, Vec<String>) {
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    (schema.tables.into_iter().find(|table| table.name.table() == "Orders").unwrap(), schema.notes)
}

async fn write(source: &Arc<dyn Source>, change: Change) -> Result<(), SourceError> {
    source.writable().unwrap().write(ChangeSet { changes: vec![change], idempotency_key: None }, &QueryContext::default()).await.map(drop)
}

fn insert(table: &TableRelation, values: Vec<(usize, ChangeValue)>) -> Change {
    Change::Insert { table: table.clone(), values, require: None }
}

fn update(table: &TableRelation, values: Vec<(usize, ChangeValue)>) -> Change {
    let key = vec![(0, Value::Guid(ID.into()))];
    Change::Update { table: table.clone(), key, values, precondition: Precondition::None, visible: None, require: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_is_written_as_a_reference() {
    let server = server(DATAVERSE, |_: &Request| Answer::status(204), Faults::default()).await;
    let source = source(
        &server,
        &json!({"product": "dataverse", "tables": {"Orders": {"columns": {
        "_customerid_value": {"bind": "customerid_account"},
        "_ownerid_value": {"bind": "ownerid", "bind_to": "systemusers"}}}}}),
    );
    let (described, notes) = described(&source).await;
    assert!(described.columns.iter().all(|column| !column.generated) && notes.is_empty(), "{notes:?}");
    let table = relation(&described);
    let name = (1, ChangeValue::Given(Value::text("a")));
    write(&source, insert(&table, vec![name.clone(), (2, guid()), (3, guid()), (4, guid())])).await.unwrap();
    write(&source, insert(&table, vec![name, (2, ChangeValue::Null)])).await.unwrap();
    write(&source, update(&table, vec![(2, guid())])).await.unwrap();
    write(&source, update(&table, vec![(2, ChangeValue::Null), (3, ChangeValue::Null)])).await.unwrap();
    let sent: Vec<String> = server
        .log()
        .into_iter()
        .filter(|request| request.method != "GET")
        .map(|request| format!("{} {} {}", request.method, request.path, String::from_utf8(request.body.to_vec()).unwrap()))
        .collect();
    assert_eq!(
        sent,
        [
            format!(
                r#"POST /service/Orders {{"name":"a","contactid@odata.bind":"contacts({ID})","customerid_account@odata.bind":"accounts({ID})","ownerid@odata.bind":"systemusers({ID})"}}"#
            ),
            r#"POST /service/Orders {"name":"a"}"#.to_owned(),
            format!(r#"PATCH /service/Orders({ID}) {{"contactid@odata.bind":"contacts({ID})"}}"#),
            format!(r#"PATCH /service/Orders({ID}) {{"contactid@odata.bind":null,"customerid_account@odata.bind":null}}"#),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_to_several_tables_needs_a_choice() {
    let server = server(DATAVERSE, |_: &Request| Answer::status(204), Faults::default()).await;
    let source = source(&server, &json!({"product": "dataverse"}));
    let (described, notes) = described(&source).await;
    let computed: Vec<&str> = described.columns.iter().filter(|column| column.generated).map(|column| column.name.as_str()).collect();
    assert_eq!(computed, ["_customerid_value", "_ownerid_value"]);
    assert!(
        notes.iter().any(|note| note.contains("by customerid_account or customerid_contact") && note.contains("_customerid_value.bind"))
    );
    let table = orders(&source).await;
    let error = write(&source, update(&table, vec![(3, guid())])).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Unsupported && error.effect == Effect::None, "{error:?}");
    assert!(error.message.contains("'customerid_account' or 'customerid_contact'"), "{error}");
    assert!(server.log().iter().all(|request| request.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_cannot_be_is_refused_by_name() {
    let server = server(DATAVERSE, |_: &Request| Answer::status(204), Faults::default()).await;
    for (columns, told) in [
        (json!({"_customerid_value": {"bind": "customerid"}}), "there is customerid_account and customerid_contact"),
        (json!({"_ownerid_value": {"bind": "ownerid"}}), "'bind_to'"),
        (json!({"_nothing": {"bind": "ownerid"}}), "no such property"),
        (json!({"name": {"bind": "contactid"}}), "it is text, and the key of 'contactid' is contactid guid"),
        (json!({"name": {"bind_to": "contacts"}}), "needs 'bind'"),
    ] {
        let source = source(&server, &json!({"tables": {"Orders": {"columns": columns}}}));
        let error = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap_err();
        assert!(
            error.kind == SourceErrorKind::Unsupported && error.message.contains("'Orders'") && error.message.contains(told),
            "{error}"
        );
    }
    // Without a word on it a property is written by its value, and null removes a reference nowhere but in Dataverse.
    let plain = source(&server, &json!({}));
    let table = orders(&plain).await;
    write(&plain, update(&table, vec![(3, guid())])).await.unwrap();
    assert_eq!(
        server.log().into_iter().rfind(|request| request.method == "PATCH").unwrap().body,
        format!(r#"{{"_customerid_value":"{ID}"}}"#)
    );
    let bound = source(&server, &json!({"tables": {"Orders": {"bind": true}}}));
    let error = write(&bound, update(&table, vec![(2, ChangeValue::Null)])).await.unwrap_err();
    assert!(error.message.contains("'contactid'") && error.effect == Effect::None, "{error}");
}
