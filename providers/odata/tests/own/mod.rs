//! What is this kind's own, against a server on the loopback that answers what a test says: pages and links, answers that are not what they
//! should be, writes of both protocols, change sets, operations, and the version of the metadata.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod answers;
mod bound;
mod joins;
mod look_ups;
mod moments;
mod operations;
mod pages;
mod trials;
mod writes;

use crate::downstream::{connect, rows};
use portico_provider_api::{
    QueryContext, RemoteTable, RemoteTableName, Selection, Source, SourceError, SourceQuery, TableColumn, TableRelation, Value,
};
use portico_provider_testkit::http::{Answer, Faults, Request, Server};
use std::sync::Arc;

/// A service of OData 4.0 with orders.
pub const V4: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices><Schema Namespace="NS" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<ComplexType Name="City"><Property Name="Name" Type="Edm.String"/></ComplexType>
<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/><Property Name="Name" Type="Edm.String"/><Property Name="Amount" Type="Edm.Decimal" Precision="13" Scale="2"/><Property Name="City" Type="NS.City"/></EntityType>
<Function Name="Latest"><Parameter Name="after" Type="Edm.Date" Nullable="false"/><Parameter Name="of" Type="Edm.String"/><ReturnType Type="Collection(NS.Order)"/></Function>
<Function Name="Rate"><ReturnType Type="Edm.Decimal" Precision="9" Scale="4"/></Function>
<Action Name="Close"><Parameter Name="Id" Type="Edm.Int32" Nullable="false"/><Parameter Name="Note" Type="Edm.String"/><ReturnType Type="NS.Order"/></Action>
<EntityContainer Name="C"><EntitySet Name="Orders" EntityType="NS.Order"><Annotation Term="Org.OData.Core.V1.OptimisticConcurrency"><Collection/></Annotation></EntitySet>
<FunctionImport Name="Latest" Function="NS.Latest"/><FunctionImport Name="Rate" Function="NS.Rate"/><ActionImport Name="Close" Action="NS.Close"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

/// The same of OData 2.0.
pub const V2: &str = r#"<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices><Schema Namespace="NS" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/><Property Name="Name" Type="Edm.String" ConcurrencyMode="Fixed"/><Property Name="Amount" Type="Edm.Decimal" Precision="13" Scale="2"/><Property Name="At" Type="Edm.DateTime"/></EntityType>
<EntityContainer Name="C"><EntitySet Name="Orders" EntityType="NS.Order"/><FunctionImport Name="Largest" ReturnType="Edm.Int32" m:HttpMethod="GET" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><Parameter Name="Before" Type="Edm.DateTime"/></FunctionImport></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

/// A server with this metadata, and whatever else the script says.
pub async fn server(metadata: &'static str, script: impl Fn(&Request) -> Answer + Send + Sync + 'static, faults: Faults) -> Server {
    let answer = move |request: &Request| {
        if request.path.ends_with("/$metadata") { Answer::of("application/xml", metadata) } else { script(request) }
    };
    Server::start(answer, faults).await
}

/// The source under test.
pub fn source(server: &Server, settings: &serde_json::Value) -> Arc<dyn Source> {
    let mut config = serde_json::json!({ "url": format!("{}/service", server.url().trim_end_matches('/')) });
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    connect(config).unwrap()
}

/// The orders as the source describes them, with their ETag at the end.
pub async fn orders(source: &Arc<dyn Source>) -> TableRelation {
    let wanted = Selection::Tables(vec![RemoteTableName(vec!["Orders".to_owned()])]);
    let schema = source.remote_schema(&wanted, &QueryContext::default()).await.unwrap();
    relation(&schema.tables[0])
}

pub fn relation(table: &RemoteTable) -> TableRelation {
    let columns = table.columns.iter().chain(&table.row_version).map(|column| TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: None,
        native_type: Some(column.native_type.clone()),
    });
    TableRelation { table: table.name.clone(), columns: columns.collect() }
}

/// All rows of all orders.
pub async fn read(source: &Arc<dyn Source>, query: SourceQuery) -> Result<Vec<Vec<Value>>, SourceError> {
    rows(source, query, &QueryContext::default()).await
}
