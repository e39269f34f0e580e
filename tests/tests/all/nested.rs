//! What `nest` and `addnested` of `$apply` look like over HTTP, byte by byte, in every metadata level and both versions.

use super::fixture::{FULL, Sources};
use super::gateway::Gateway;

/// The path of a request, its headers, and the answer, in which `ROOT` stands for the root of the service.
const PAYLOADS: &[(&str, &[(&str, &str)], &str)] = &[
    (
        GROUPS,
        &[],
        r##"{"@odata.context":"ROOT/$metadata#Invoices(paid,Ids(id),Sum(Total))","value":[{"paid":false,"Ids@odata.context":"ROOT/$metadata#Invoices(id)","Ids":[{"id":1},{"id":2},{"id":4}],"Sum@odata.context":"ROOT/$metadata#Invoices(Total)","Sum":[{"Total@odata.type":"#Decimal","Total":88.06}]},{"paid":true,"Ids@odata.context":"ROOT/$metadata#Invoices(id)","Ids":[{"id":3}],"Sum@odata.context":"ROOT/$metadata#Invoices(Total)","Sum":[{"Total@odata.type":"#Decimal","Total":37.58}]}]}"##,
    ),
    (
        GROUPS,
        &[("Accept", "application/json;odata.metadata=none")],
        r##"{"value":[{"paid":false,"Ids":[{"id":1},{"id":2},{"id":4}],"Sum":[{"Total":88.06}]},{"paid":true,"Ids":[{"id":3}],"Sum":[{"Total":37.58}]}]}"##,
    ),
    (
        GROUPS,
        &[("Accept", "application/json;odata.metadata=full;IEEE754Compatible=true")],
        r##"{"@odata.context":"ROOT/$metadata#Invoices(paid,Ids(id),Sum(Total))","value":[{"paid":false,"Ids@odata.context":"ROOT/$metadata#Invoices(id)","Ids":[{"id@odata.type":"#Int64","id":"1"},{"id@odata.type":"#Int64","id":"2"},{"id@odata.type":"#Int64","id":"4"}],"Sum@odata.context":"ROOT/$metadata#Invoices(Total)","Sum":[{"Total@odata.type":"#Decimal","Total":"88.06"}]},{"paid":true,"Ids@odata.context":"ROOT/$metadata#Invoices(id)","Ids":[{"id@odata.type":"#Int64","id":"3"}],"Sum@odata.context":"ROOT/$metadata#Invoices(Total)","Sum":[{"Total@odata.type":"#Decimal","Total":"37.58"}]}]}"##,
    ),
    (
        GROUPS,
        &[("OData-MaxVersion", "4.01")],
        r##"{"@odata.context":"ROOT/$metadata#Invoices(paid,Ids(id),Sum(Total))","value":[{"paid":false,"Ids@odata.context":"ROOT/$metadata#Invoices(id)","Ids":[{"id":1},{"id":2},{"id":4}],"Sum@odata.context":"ROOT/$metadata#Invoices(Total)","Sum":[{"Total@odata.type":"Decimal","Total":88.06}]},{"paid":true,"Ids@odata.context":"ROOT/$metadata#Invoices(id)","Ids":[{"id":3}],"Sum@odata.context":"ROOT/$metadata#Invoices(Total)","Sum":[{"Total@odata.type":"Decimal","Total":37.58}]}]}"##,
    ),
    (
        ENTITIES,
        &[],
        r##"{"@odata.context":"ROOT/$metadata#Customers(One,None)","value":[{"One@odata.context":"ROOT/$metadata#Customers","One":[{"Id":1,"Name":"Customer 01","Region":"APAC","City":null,"Credit":-59.50,"Since":"2020-01-01","TaxId":"TAX-0001","Active":true}],"None@odata.context":"ROOT/$metadata#Customers","None":[]}]}"##,
    ),
    (
        ENTITIES,
        &[("Accept", "application/json;odata.metadata=full")],
        r##"{"@odata.context":"ROOT/$metadata#Customers(One,None)","value":[{"One@odata.context":"ROOT/$metadata#Customers","One":[{"@odata.type":"#Portico.odata.Customers","@odata.id":"ROOT/Customers(1)","@odata.editLink":"ROOT/Customers(1)","Id@odata.type":"#Int64","Id":1,"Name":"Customer 01","Region":"APAC","City":null,"Credit@odata.type":"#Decimal","Credit":-59.50,"Since@odata.type":"#Date","Since":"2020-01-01","TaxId":"TAX-0001","Active":true,"Invoices@odata.associationLink":"ROOT/Customers(1)/Invoices/$ref","Invoices@odata.navigationLink":"ROOT/Customers(1)/Invoices","Home@odata.associationLink":"ROOT/Customers(1)/Home/$ref","Home@odata.navigationLink":"ROOT/Customers(1)/Home"}],"None@odata.context":"ROOT/$metadata#Customers","None":[]}]}"##,
    ),
    (
        ENTITIES,
        &[("OData-MaxVersion", "4.01")],
        r##"{"@odata.context":"ROOT/$metadata#Customers(One(),None())","value":[{"One@odata.context":"ROOT/$metadata#Customers","One":[{"Id":1,"Name":"Customer 01","Region":"APAC","City":null,"Credit":-59.50,"Since":"2020-01-01","TaxId":"TAX-0001","Active":true}],"None@odata.context":"ROOT/$metadata#Customers","None":[]}]}"##,
    ),
    (
        ADDED,
        &[],
        r##"{"@odata.context":"ROOT/$metadata#Invoices(id,C(*,Next))","value":[{"id":1,"C@odata.context":"ROOT/$metadata#Customers(*,Next)/$entity","C":{"Id":1,"Name":"Customer 01","Region":"APAC","City":null,"Credit":-59.50,"Since":"2020-01-01","TaxId":"TAX-0001","Active":true,"Next@odata.type":"#Int64","Next":2}}]}"##,
    ),
];

const GROUPS: &str = "Invoices?$apply=filter(id%20le%204)/groupby((paid),nest(groupby((id))/orderby(id)%20as%20Ids,\
                      aggregate(amount%20with%20sum%20as%20Total)%20as%20Sum))&$orderby=paid";
const ENTITIES: &str = "Customers?$apply=nest(filter(Id%20eq%201)%20as%20One,filter(Id%20lt%200)%20as%20None)";
const ADDED: &str = "Invoices?$apply=filter(id%20eq%201)/addnested(Customer,compute(Id%20add%201%20as%20Next)%20as%20C)&$select=id";

#[tokio::test(flavor = "multi_thread")]
async fn payloads_are_as_agreed() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let mut wrong = String::new();
    for (path, headers, expected) in PAYLOADS {
        let found = text(&gateway, path, headers).await;
        if found != *expected {
            wrong.push_str(&format!("{path} {headers:?}\n  wanted {expected}\n  came   {found}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

async fn text(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = gateway.request(reqwest::Method::GET, &format!("/odata/{path}"), FULL);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap().replace(&format!("{}/odata", gateway.http), "ROOT")
}
