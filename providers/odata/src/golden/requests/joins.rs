//! Joins along navigation properties.

use super::{decimal, requests};
use crate::capabilities::Rules;
use crate::golden::{read, v2, v4};
use crate::metadata::{Navigation, Service};
use expect_test::expect;
use portico_provider_api::capabilities::JoinReference;
use portico_provider_api::{
    AggregateCall, Aggregation, CompareOp, Expr, Join, JoinKind, KeySet, Output, Relation, RemoteTableName, SortKey, SourceQuery,
    TableColumn, TableRelation, Value,
};
use serde_json::json;

const PARTS: &str = r#"<Property Name="Id" Type="Edm.Int32" Nullable="false"/>"#;

fn types(navigation: [&str; 3]) -> String {
    let [to_order, to_customer, to_seller] = navigation;
    format!(
        r#"<EntityType Name="Line"><Key><PropertyRef Name="Id"/></Key>{PARTS}<Property Name="OrderId" Type="Edm.Int32" Nullable="false"/><Property Name="Price" Type="Edm.Decimal" Precision="13" Scale="2"/>{to_order}</EntityType>
        <EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key>{PARTS}<Property Name="Customer_Id" Type="Edm.Guid"/><Property Name="Seller" Type="Edm.String"/><Property Name="Total" Type="Edm.Decimal" Precision="13" Scale="2"/>{to_customer}{to_seller}</EntityType>
        <EntityType Name="Customer"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Guid" Nullable="false"/><Property Name="Name" Type="Edm.String"/><Property Name="Limit" Type="Edm.Decimal" Precision="13" Scale="2"/></EntityType>
        <EntityType Name="Seller"><Key><PropertyRef Name="Code"/></Key><Property Name="Code" Type="Edm.String" Nullable="false"/><Property Name="Rank" Type="Edm.Int32"/></EntityType>"#
    )
}

fn service_of_v4(annotations: &str) -> Service {
    let one = |name: &str, to: &str, own: &str, key: &str| {
        format!(
            r#"<NavigationProperty Name="{name}" Type="NS.{to}"><ReferentialConstraint Property="{own}" ReferencedProperty="{key}"/></NavigationProperty>"#
        )
    };
    let navigation = [
        one("Order", "Order", "OrderId", "Id"),
        one("Customer", "Customer", "Customer_Id", "Id"),
        one("SoldBy", "Seller", "Seller", "Code") + r#"<NavigationProperty Name="Lines" Type="Collection(NS.Line)"/>"#,
    ];
    let sets = format!(
        r#"<EntitySet Name="Lines" EntityType="NS.Line"><NavigationPropertyBinding Path="Order" Target="Orders"/></EntitySet>
        <EntitySet Name="Orders" EntityType="NS.Order"><NavigationPropertyBinding Path="Customer" Target="NS.C/Customers"/><NavigationPropertyBinding Path="SoldBy" Target="Sellers"/>{annotations}</EntitySet>
        <EntitySet Name="Customers" EntityType="NS.Customer"/><EntitySet Name="Sellers" EntityType="NS.Seller"/>"#
    );
    read(&v4(&types(navigation.each_ref().map(String::as_str)), &sets))
}

fn service_of_v2() -> Service {
    let one = |name: &str, from: &str, to: &str| {
        format!(r#"<NavigationProperty Name="{name}" Relationship="NS.{from}{to}" FromRole="{from}" ToRole="{to}"/>"#)
    };
    let navigation = [one("Order", "Line", "Order"), one("Customer", "Order", "Customer"), one("SoldBy", "Order", "Seller")];
    let association = |from: &str, to: &str, own: &str, key: &str| {
        let constraint = format!(
            r#"<ReferentialConstraint><Principal Role="{to}"><PropertyRef Name="{key}"/></Principal><Dependent Role="{from}"><PropertyRef Name="{own}"/></Dependent></ReferentialConstraint>"#
        );
        let constraint = if own.is_empty() { String::new() } else { constraint };
        format!(
            r#"<Association Name="{from}{to}"><End Type="NS.{from}" Multiplicity="*" Role="{from}"/><End Type="NS.{to}" Multiplicity="0..1" Role="{to}"/>{constraint}</Association>"#
        )
    };
    let associations = association("Line", "Order", "OrderId", "Id")
        + &association("Order", "Customer", "Customer_Id", "Id")
        + &association("Order", "Seller", "", "");
    let set = |from: &str, to: &str| {
        format!(
            r#"<AssociationSet Name="{from}{to}S" Association="NS.{from}{to}"><End Role="{from}" EntitySet="{from}s"/><End Role="{to}" EntitySet="{to}s"/></AssociationSet>"#
        )
    };
    let sets = ["Line", "Order", "Customer", "Seller"].map(|name| format!(r#"<EntitySet Name="{name}s" EntityType="NS.{name}"/>"#));
    let sets = sets.concat() + &set("Line", "Order") + &set("Order", "Customer") + &set("Order", "Seller");
    read(&v2(&(types(navigation.each_ref().map(String::as_str)) + &associations), &sets))
}

fn table(service: &Service, name: &str) -> Relation {
    let columns = service.set(name).unwrap().properties.iter().map(|property| TableColumn {
        name: property.name.clone(),
        scalar_type: property.scalar_type,
        nullable: property.nullable,
        codec: None,
        native_type: Some(property.type_name.clone()),
    });
    Relation::Table(TableRelation { table: RemoteTableName(vec![name.to_owned()]), columns: columns.collect() })
}

fn join(kind: JoinKind, left: Relation, right: Relation, on: (usize, usize)) -> Relation {
    let on = vec![(Expr::Column(on.0), Expr::Column(on.1))];
    Relation::Join(Box::new(Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false }))
}

/// Lines (0 to 2), their orders (3 to 6) and the customers of these (7 to 9).
fn chain(service: &Service, kind: JoinKind) -> Relation {
    let of = |name: &str| table(service, name);
    join(kind, join(kind, of("Lines"), of("Orders"), (1, 0)), of("Customers"), (4, 0))
}

/// Orders (0 to 3), their customers (4 to 6) and sellers (7, 8).
fn star(service: &Service, kind: JoinKind) -> Relation {
    let of = |name: &str| table(service, name);
    join(kind, join(kind, of("Orders"), of("Customers"), (1, 0)), of("Sellers"), (2, 0))
}

fn of(relation: Relation, outputs: &[usize]) -> SourceQuery {
    let output = outputs.iter().map(|at| Output { name: format!("c{at}"), expr: Expr::Column(*at) });
    SourceQuery::select(relation, output.collect())
}

fn queries(service: &Service) -> Vec<SourceQuery> {
    let compare = |column: usize, value: Value| Some(Expr::compare(CompareOp::Gt, Expr::Column(column), Expr::Literal(value)));
    let sorted = |column: usize| vec![SortKey { expr: Expr::Column(column), descending: false, nulls_first: true }];
    let count = Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None };
    let (inner, left) = (chain(service, JoinKind::Inner), chain(service, JoinKind::Left));
    let guids = KeySet { columns: vec![7], tuples: vec![vec![Value::Guid("00112233-4455-6677-8899-aabbccddeeff".to_owned())]] };
    vec![
        of(inner.clone(), &[0, 6, 8]),
        of(left.clone(), &[0, 8]),
        of(star(service, JoinKind::Left), &[0, 5, 8]),
        SourceQuery { filter: compare(2, decimal(100)), limit: Some(5), order_by: sorted(0), ..of(left.clone(), &[0, 9]) },
        SourceQuery { filter: compare(9, decimal(100)), ..of(left.clone(), &[0]) },
        SourceQuery { filter: Some(Expr::IsNull(Box::new(Expr::Column(7)))), ..of(left.clone(), &[0]) },
        SourceQuery { filter: compare(3, Value::Int32(7)), ..of(inner.clone(), &[0]) },
        SourceQuery { filter: compare(3, Value::Int32(7)), ..of(left.clone(), &[0]) },
        SourceQuery { keys: Some(guids), ..of(inner.clone(), &[0]) },
        SourceQuery { order_by: sorted(9), ..of(left.clone(), &[0]) },
        SourceQuery { limit: Some(5), offset: 2, ..of(inner.clone(), &[0]) },
        SourceQuery { aggregate: Some(count.clone()), ..of(inner, &[0]) },
        SourceQuery { aggregate: Some(count), ..of(left, &[0]) },
    ]
}

fn all(service: &Service, settings: &serde_json::Value) -> String {
    queries(service).iter().map(|query| requests(service, settings.clone(), 8000, query)).collect()
}

#[test]
fn joins_of_v4_to_the_letter() {
    expect![[r#"
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DTotal,Id,Customer_Id%3B$expand%3DCustomer($select%3DName,Id))
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Total,Id,Customer_Id;$expand=Customer($select=Name,Id)) with 0
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DName,Id))
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Name,Id)) with 0
        /data/Orders?sap-client=100&$select=Id,Customer_Id,Seller&$expand=Customer($select%3DName,Id),SoldBy($select%3DRank,Code)
          /data/Orders?sap-client=…&$select=Id,Customer_Id,Seller&$expand=Customer($select=Name,Id),SoldBy($select=Rank,Code) with 0
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DLimit,Id))&$filter=Price%20gt%201&$orderby=Id&$top=5
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Limit,Id))&$filter=Price gt ?&$orderby=Id&$top=5 with 1
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$filter=Order/Customer/Limit%20gt%201
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$filter=Order/Customer/Limit gt ? with 1
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$filter=Order/Customer/Id%20eq%20null
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$filter=Order/Customer/Id eq null with 0
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$filter=OrderId%20gt%207
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$filter=OrderId gt ? with 1
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$filter=Order/Id%20gt%207
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$filter=Order/Id gt ? with 1
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$filter=Order/Customer_Id%20eq%2000112233-4455-6677-8899-aabbccddeeff
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$filter=Order/Customer_Id eq ? with 1
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$orderby=Order/Customer/Limit
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$orderby=Order/Customer/Limit with 0
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$filter=Order/Id%20ne%20null%20and%20Order/Customer/Id%20ne%20null&$skip=2&$top=5
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$filter=Order/Id ne null and Order/Customer/Id ne null&$skip=2&$top=5 with 0
        /data/Lines/$count?sap-client=100&$filter=Order/Id%20ne%20null%20and%20Order/Customer/Id%20ne%20null
          /data/Lines/$count?sap-client=…&$filter=Order/Id ne null and Order/Customer/Id ne null with 0
        /data/Lines/$count?sap-client=100
          /data/Lines/$count?sap-client=… with 0
    "#]].assert_eq(&all(&service_of_v4(""), &json!({"product": "portico"})));
}

#[test]
fn joins_of_a_generic_v4_service() {
    expect![[r#"
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DTotal,Id,Customer_Id%3B$expand%3DCustomer($select%3DName,Id))
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Total,Id,Customer_Id;$expand=Customer($select=Name,Id)) with 0
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DName,Id))
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Name,Id)) with 0
        /data/Orders?sap-client=100&$select=Id,Customer_Id,Seller&$expand=Customer($select%3DName,Id),SoldBy($select%3DRank,Code)
          /data/Orders?sap-client=…&$select=Id,Customer_Id,Seller&$expand=Customer($select=Name,Id),SoldBy($select=Rank,Code) with 0
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DLimit,Id))&$filter=Price%20gt%201&$orderby=Id&$top=5
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Limit,Id))&$filter=Price gt ?&$orderby=Id&$top=5 with 1
        the filter is not supported by this source
        the filter is not supported by this source
        /data/Lines?sap-client=100&$select=Id,OrderId&$expand=Order($select%3DId,Customer_Id%3B$expand%3DCustomer($select%3DId))&$filter=OrderId%20gt%207
          /data/Lines?sap-client=…&$select=Id,OrderId&$expand=Order($select=Id,Customer_Id;$expand=Customer($select=Id))&$filter=OrderId gt ? with 1
        the filter is not supported by this source
        a key set over these columns is not supported by this source
        sorting by column 'Limit' is not supported by this source
        limit is not supported by this source
        counting rows is not supported by this source
        /data/Lines/$count?sap-client=100
          /data/Lines/$count?sap-client=… with 0
    "#]].assert_eq(&all(&service_of_v4(""), &json!({})));
}

#[test]
fn joins_of_v2() {
    let settings = json!({ "tables": { "Orders": { "references": { "SoldBy": ["Seller"] } } } });
    expect![[r#"
        /data/Lines?sap-client=100&$select=Id,OrderId,Order/Total,Order/Id,Order/Customer_Id,Order/Customer/Name,Order/Customer/Id&$expand=Order,Order/Customer
          /data/Lines?sap-client=…&$select=Id,OrderId,Order/Total,Order/Id,Order/Customer_Id,Order/Customer/Name,Order/Customer/Id&$expand=Order,Order/Customer with 0
        /data/Lines?sap-client=100&$select=Id,OrderId,Order/Id,Order/Customer_Id,Order/Customer/Name,Order/Customer/Id&$expand=Order,Order/Customer
          /data/Lines?sap-client=…&$select=Id,OrderId,Order/Id,Order/Customer_Id,Order/Customer/Name,Order/Customer/Id&$expand=Order,Order/Customer with 0
        /data/Orders?sap-client=100&$select=Id,Customer_Id,Seller,Customer/Name,Customer/Id,SoldBy/Rank,SoldBy/Code&$expand=Customer,SoldBy
          /data/Orders?sap-client=…&$select=Id,Customer_Id,Seller,Customer/Name,Customer/Id,SoldBy/Rank,SoldBy/Code&$expand=Customer,SoldBy with 0
        /data/Lines?sap-client=100&$select=Id,OrderId,Order/Id,Order/Customer_Id,Order/Customer/Limit,Order/Customer/Id&$expand=Order,Order/Customer&$filter=Price%20gt%201m&$orderby=Id&$top=5
          /data/Lines?sap-client=…&$select=Id,OrderId,Order/Id,Order/Customer_Id,Order/Customer/Limit,Order/Customer/Id&$expand=Order,Order/Customer&$filter=Price gt ?&$orderby=Id&$top=5 with 1
        the filter is not supported by this source
        the filter is not supported by this source
        /data/Lines?sap-client=100&$select=Id,OrderId,Order/Id,Order/Customer_Id,Order/Customer/Id&$expand=Order,Order/Customer&$filter=OrderId%20gt%207
          /data/Lines?sap-client=…&$select=Id,OrderId,Order/Id,Order/Customer_Id,Order/Customer/Id&$expand=Order,Order/Customer&$filter=OrderId gt ? with 1
        the filter is not supported by this source
        a key set over these columns is not supported by this source
        sorting by column 'Limit' is not supported by this source
        limit is not supported by this source
        counting rows is not supported by this source
        /data/Lines/$count?sap-client=100
          /data/Lines/$count?sap-client=… with 0
    "#]].assert_eq(&all(&service_of_v2(), &settings));
}

/// Which sets of the service are joined with orders or led to from there.
fn followed(service: &Service, settings: serde_json::Value) -> String {
    let rules = Rules::new(&serde_json::from_value(settings).unwrap(), 8000);
    let of = |name: &str| {
        let references = rules.references(service.protocol, service.set(name).unwrap());
        let said = |(navigation, reference): &(&Navigation, JoinReference)| {
            format!("{}({}){}", navigation.name, reference.columns.join(","), if reference.leads_on { "" } else { "." })
        };
        references.iter().map(said).collect::<Vec<_>>().join(" ")
    };
    format!("{} | {}\n", of("Lines"), of("Orders"))
}

#[test]
fn what_is_expanded_is_said_by_product_document_and_configuration() {
    let expand =
        |text: &str| format!(r#"<Annotation Term="Org.OData.Capabilities.V1.ExpandRestrictions"><Record>{text}</Record></Annotation>"#);
    let navigation =
        |text: &str| format!(r#"<Annotation Term="Org.OData.Capabilities.V1.NavigationRestrictions"><Record>{text}</Record></Annotation>"#);
    let not = r#"<PropertyValue Property="NonExpandableProperties"><Collection><NavigationPropertyPath>Customer</NavigationPropertyPath></Collection></PropertyValue>"#;
    let restricted = r#"<PropertyValue Property="RestrictedProperties"><Collection><Record><PropertyValue Property="NavigationProperty" NavigationPropertyPath="SoldBy"/>
        <PropertyValue Property="Navigability" EnumMember="Org.OData.Capabilities.V1.NavigationType/None"/></Record></Collection></PropertyValue>"#;
    let single = r#"<PropertyValue Property="Navigability" EnumMember="Org.OData.Capabilities.V1.NavigationType/Single"/>"#;
    let mut text = String::new();
    for annotations in [
        String::new(),
        expand(r#"<PropertyValue Property="Expandable" Bool="false"/>"#),
        expand(not),
        expand(r#"<PropertyValue Property="MaxLevels" Int="1"/>"#),
        navigation(restricted),
        navigation(single),
    ] {
        text.push_str(&followed(&service_of_v4(&annotations), json!({})));
    }
    for settings in [
        json!({"product": "finance_operations"}),
        json!({"product": "sap_gateway"}),
        json!({"product": "sap_gateway", "capabilities": {"expand": true}}),
        json!({"capabilities": {"expand": false}}),
        json!({"tables": {"Orders": {"expand": false}}}),
        json!({"tables": {"Orders": {"references": {"Customer": []}}}}),
        json!({"tables": {"Orders": {"references": {"Customer": ["Seller", "Id"]}}}}),
    ] {
        text.push_str(&followed(&service_of_v4(""), settings));
    }
    expect![[r#"
        Order(OrderId) | Customer(Customer_Id) SoldBy(Seller)
        Order(OrderId) | 
        Order(OrderId) | SoldBy(Seller)
        Order(OrderId) | Customer(Customer_Id). SoldBy(Seller).
        Order(OrderId) | Customer(Customer_Id)
        Order(OrderId) | Customer(Customer_Id). SoldBy(Seller).
        Order(OrderId). | Customer(Customer_Id). SoldBy(Seller).
         | 
        Order(OrderId) | Customer(Customer_Id) SoldBy(Seller)
         | 
        Order(OrderId) | 
        Order(OrderId) | SoldBy(Seller)
        Order(OrderId) | SoldBy(Seller)
    "#]]
    .assert_eq(&text);
}
