//! Joins along navigation properties: what answers look like, and what they must not look like.

use super::{read, relation, server, source};
use portico_provider_api::{
    Expr, Join, JoinKind, Output, QueryContext, Relation, Selection, Source, SourceError, SourceErrorKind, SourceQuery, Value,
};
use portico_provider_testkit::http::{Answer, Faults, Request, Server};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const V4: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices><Schema Namespace="NS" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/><Property Name="CustomerId" Type="Edm.Int32"/>
<NavigationProperty Name="Customer" Type="NS.Customer"><ReferentialConstraint Property="CustomerId" ReferencedProperty="Id"/></NavigationProperty></EntityType>
<EntityType Name="Customer"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/><Property Name="Name" Type="Edm.String" Nullable="false"/></EntityType>
<EntityContainer Name="C"><EntitySet Name="Orders" EntityType="NS.Order"><NavigationPropertyBinding Path="Customer" Target="Customers"/></EntitySet><EntitySet Name="Customers" EntityType="NS.Customer"/>
</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

const V2: &str = r#"<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices><Schema Namespace="NS" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/><Property Name="CustomerId" Type="Edm.String"/>
<NavigationProperty Name="Customer" Relationship="NS.Buys" FromRole="Order" ToRole="Customer"/></EntityType>
<EntityType Name="Customer"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.String" Nullable="false"/><Property Name="Name" Type="Edm.String" Nullable="false"/></EntityType>
<Association Name="Buys"><End Type="NS.Order" Multiplicity="*" Role="Order"/><End Type="NS.Customer" Multiplicity="0..1" Role="Customer"/>
<ReferentialConstraint><Principal Role="Customer"><PropertyRef Name="Id"/></Principal><Dependent Role="Order"><PropertyRef Name="CustomerId"/></Dependent></ReferentialConstraint></Association>
<EntityContainer Name="C"><EntitySet Name="Orders" EntityType="NS.Order"/><EntitySet Name="Customers" EntityType="NS.Customer"/>
<AssociationSet Name="BuysSet" Association="NS.Buys"><End Role="Order" EntitySet="Orders"/><End Role="Customer" EntitySet="Customers"/></AssociationSet></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

/// Orders with the names of their customers.
async fn joined(source: &Arc<dyn Source>, kind: JoinKind) -> SourceQuery {
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let table = |name: &str| Relation::Table(relation(schema.tables.iter().find(|table| table.name.table() == name).unwrap()));
    let on = vec![(Expr::Column(1), Expr::Column(0))];
    let join = Join { left: table("Orders"), right: table("Customers"), kind, on, residual: None, null_aware: false, null_equal: false };
    let output = [0, 3].map(|column| Output { name: format!("c{column}"), expr: Expr::Column(column) });
    SourceQuery::select(Relation::Join(Box::new(join)), output.to_vec())
}

/// A server that gives these orders, each on a page of its own.
async fn serving(metadata: &'static str, orders: &[Json]) -> Server {
    let (v2, orders) = (metadata == V2, orders.to_vec());
    let script = move |request: &Request| {
        let page: usize = request.query("$skiptoken").and_then(|token| token.parse().ok()).unwrap_or(0);
        let next = (page + 1 < orders.len()).then(|| format!("Orders?$skiptoken={}", page + 1));
        let rows = vec![orders[page].clone()];
        let body = if v2 { json!({ "d": { "results": rows, "__next": next } }) } else { json!({ "value": rows, "@odata.nextLink": next }) };
        let mut body = body;
        if next.is_none() {
            let holder = if v2 { &mut body["d"] } else { &mut body };
            let holder = holder.as_object_mut().unwrap();
            holder.remove("__next");
            holder.remove("@odata.nextLink");
        }
        Answer::json(body.to_string())
    };
    server(metadata, script, Faults::default()).await
}

async fn answer(metadata: &'static str, orders: &[Json], kind: JoinKind) -> (Result<Vec<Vec<Value>>, SourceError>, String) {
    let server = serving(metadata, orders).await;
    let source = source(&server, &json!({}));
    let query = joined(&source, kind).await;
    let described = source.describe(&query);
    let rows = read(&source, query).await;
    assert_eq!(described.len(), 1);
    (rows, described[0].text.rsplit_once("/service/").unwrap().1.to_owned())
}

fn named(id: i32, name: Option<&str>) -> Vec<Value> {
    let name = name.map_or(Value::Null(portico_provider_api::ScalarType::Text), Value::text);
    vec![Value::Int32(id), name]
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_come_with_their_rows_on_every_page() {
    let orders = [
        json!({ "Id": 1, "CustomerId": 7, "Customer": { "Id": 7, "Name": "seven" } }),
        json!({ "Id": 2, "CustomerId": null, "Customer": null }),
        // One that is gone, or that the service does not show.
        json!({ "Id": 3, "CustomerId": 9, "Customer": null }),
        json!({ "Id": 4, "CustomerId": 8, "Customer": { "Name": "eight", "Id": 8 } }),
    ];
    let asked = "Orders?$select=Id,CustomerId&$expand=Customer($select=Name,Id)";
    let (rows, text) = answer(V4, &orders, JoinKind::Left).await;
    assert_eq!(rows.unwrap(), [named(1, Some("seven")), named(2, None), named(3, None), named(4, Some("eight"))]);
    assert_eq!(text, asked);
    let (rows, text) = answer(V4, &orders, JoinKind::Inner).await;
    assert_eq!(rows.unwrap(), [named(1, Some("seven")), named(4, Some("eight"))]);
    assert_eq!(text, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_of_v2_are_told_from_links() {
    let orders = [
        json!({ "Id": 1, "CustomerId": "a", "Customer": { "Id": "a", "Name": "first" } }),
        json!({ "Id": 2, "CustomerId": "b", "Customer": null }),
        // Equal for the service, and not for SQL.
        json!({ "Id": 3, "CustomerId": "A", "Customer": { "Id": "a", "Name": "first" } }),
        json!({ "Id": 4, "CustomerId": null, "Customer": { "__deferred": { "uri": "Orders(4)/Customer" } } }),
    ];
    let (rows, text) = answer(V2, &orders, JoinKind::Left).await;
    assert_eq!(rows.unwrap(), [named(1, Some("first")), named(2, None), named(3, None), named(4, None)]);
    assert_eq!(text, "Orders?$select=Id,CustomerId,Customer/Name,Customer/Id&$expand=Customer");
    assert_eq!(answer(V2, &orders, JoinKind::Inner).await.0.unwrap(), [named(1, Some("first"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_and_did_not_come_is_no_row_without_a_partner() {
    let deferred = json!({ "Id": 1, "CustomerId": "a", "Customer": { "__deferred": { "uri": "Orders(1)/Customer" } } });
    for (metadata, order, message) in [
        (V4, json!({ "Id": 1, "CustomerId": 7 }), "/Customer"),
        (V4, json!({ "Id": 1, "CustomerId": 7, "Customer": {} }), "is missing"),
        (V4, json!({ "Id": 1, "CustomerId": 7, "Customer": 5 }), "/Customer"),
        (V4, json!({ "Id": 1, "CustomerId": 7, "Customer": { "Id": 8, "Name": "eight" } }), "another key"),
        (V4, json!({ "Id": 1, "CustomerId": 7, "Customer": { "Id": 7, "Name": null } }), "null where none is declared"),
        (V2, deferred, "did not come"),
        (V2, json!({ "Id": 1, "CustomerId": "a", "Customer": { "Id": "b", "Name": "eight" } }), "another key"),
        (V2, json!({ "Id": 1, "CustomerId": "a" }), "is missing"),
    ] {
        for kind in [JoinKind::Inner, JoinKind::Left] {
            let error = answer(metadata, std::slice::from_ref(&order), kind).await.0.unwrap_err();
            assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
            assert!(error.message.contains(message) && !error.message.contains("eight"), "{order}: {error}");
        }
    }
}
