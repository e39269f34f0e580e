//! Queries as requests.

mod conditions;
mod joins;

use super::{read, v2, v4};
use crate::capabilities::Rules;
use crate::config::OdataConfig;
use crate::metadata::Service;
use crate::translate::{Asking, Lengths, Plan, client_page};
use expect_test::expect;
use portico_provider_api::{AggregateCall, AggregateFunction};
use portico_provider_api::{
    Aggregation, CompareOp, Expr, KeySet, Output, Relation, RemoteTableName, SortKey, SourceQuery, TableColumn, TableRelation, Value,
};
use portico_provider_web::Address;
use portico_provider_web::address::Base;
use serde_json::json;

const V4_TYPES: &str = r#"<EnumType Name="Color"><Member Name="Red" Value="0"/><Member Name="Blue" Value="1"/></EnumType>
    <ComplexType Name="City"><Property Name="Name" Type="Edm.String"/></ComplexType>
    <EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int64" Nullable="false"/><Property Name="Name" Type="Edm.String"/>
    <Property Name="Total" Type="Edm.Decimal" Precision="13" Scale="2"/><Property Name="At" Type="Edm.DateTimeOffset"/><Property Name="Day" Type="Edm.Date"/>
    <Property Name="Color" Type="NS.Color"/><Property Name="City" Type="NS.City"/><Property Name="Open" Type="Edm.Boolean"/><Property Name="Ref" Type="Edm.Guid"/>
    <Property Name="Time" Type="Edm.TimeOfDay"/><Property Name="Ratio" Type="Edm.Double"/></EntityType>"#;

const V2_TYPES: &str = r#"<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int64" Nullable="false"/><Property Name="Name" Type="Edm.String"/>
    <Property Name="Total" Type="Edm.Decimal" Precision="13" Scale="2"/><Property Name="At" Type="Edm.DateTimeOffset"/><Property Name="Day" Type="Edm.DateTime" s:display-format="Date"/>
    <Property Name="Color" Type="Edm.String"/><Property Name="City" Type="Edm.String"/><Property Name="Open" Type="Edm.Boolean"/><Property Name="Ref" Type="Edm.Guid"/>
    <Property Name="Time" Type="Edm.Time"/><Property Name="Ratio" Type="Edm.Double"/></EntityType>"#;

fn service(version: u8) -> Service {
    let set = r#"<EntitySet Name="Orders" EntityType="NS.Order"/>"#;
    read(&if version == 2 { v2(V2_TYPES, set) } else { v4(V4_TYPES, set) })
}

fn relation(service: &Service) -> TableRelation {
    let columns = service.sets[0].properties.iter().map(|property| TableColumn {
        name: property.name.clone(),
        scalar_type: property.scalar_type,
        nullable: property.nullable,
        codec: None,
        native_type: Some(property.type_name.clone()),
    });
    TableRelation { table: RemoteTableName(vec!["Orders".to_owned()]), columns: columns.collect() }
}

fn at(service: &Service, name: &str) -> usize {
    service.sets[0].properties.iter().position(|property| property.name == name).unwrap()
}

fn query(service: &Service, outputs: &[&str]) -> SourceQuery {
    let output = outputs.iter().map(|name| Output { name: (*name).to_owned(), expr: Expr::Column(at(service, name)) }).collect();
    SourceQuery::select(Relation::Table(relation(service)), output)
}

fn root(max_url: usize) -> Address {
    Base::new("https://erp.example.com/data/?sap-client=100", &[], max_url).unwrap().address()
}

fn rules(settings: serde_json::Value, max_url: usize) -> (OdataConfig, Rules) {
    let config: OdataConfig = serde_json::from_value(settings).unwrap();
    let rules = Rules::new(&config, max_url);
    (config, rules)
}

/// The requests as they are sent and as they are shown.
fn requests(service: &Service, settings: serde_json::Value, max_url: usize, query: &SourceQuery) -> String {
    let (config, rules) = rules(settings, max_url);
    let sets: Vec<_> = service.sets.iter().collect();
    let capabilities = crate::schema::capabilities(service, &rules, &sets);
    if let Err(refused) = capabilities.check(query) {
        return format!("{refused}\n");
    }
    let root = root(max_url.max(32_000));
    let asking = Asking {
        root: &root,
        service,
        rules: &rules,
        capabilities: &capabilities,
        before: config.company.iter().map(|company| crate::company_segment(company)).collect(),
        cross_company: config.cross_company,
        client_page: config.paging.size.filter(|_| config.paging.client),
        lengths: Lengths { alone: max_url, whole: max_url, batch: config.capabilities.batch_reads.unwrap_or(true) },
    };
    let addresses: Vec<Address> = match asking.plan(query) {
        Err(refusal) => return format!("{refusal:?}\n"),
        Ok(Plan::Nothing) => return "nothing is asked\n".to_owned(),
        Ok(Plan::Count(addresses)) => addresses,
        Ok(Plan::Call(address)) => vec![address],
        Ok(Plan::Rows(rows)) => rows
            .into_iter()
            .map(|rows| rows.client.map_or(Some(rows.address.clone()), |pages| client_page(&rows, pages, 0).unwrap()).unwrap())
            .collect(),
    };
    addresses
        .iter()
        .map(|address| {
            format!(
                "{}\n  {} with {}\n",
                address.url().as_str().trim_start_matches("https://erp.example.com"),
                address.shown().0,
                address.shown().1
            )
        })
        .collect()
}

fn compare(service: &Service, name: &str, op: CompareOp, value: Value) -> Expr {
    Expr::compare(op, Expr::Column(at(service, name)), Expr::Literal(value))
}

fn decimal(unscaled: i128) -> Value {
    Value::Decimal { unscaled: unscaled.into(), precision: 13, scale: 2 }
}

#[test]
fn columns_orders_and_limits() {
    let service = service(4);
    let key = |name: &str, descending| SortKey { expr: Expr::Column(at(&service, name)), descending, nulls_first: !descending };
    let plain = query(&service, &["Id", "City/Name", "Total"]);
    let sorted = SourceQuery { order_by: vec![key("Id", true)], offset: 20, limit: Some(10), ..plain.clone() };
    let by_nullable = SourceQuery { order_by: vec![key("Total", true)], ..plain.clone() };
    let count = |filter| SourceQuery {
        aggregate: Some(Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None }),
        output: vec![Output { name: "n".to_owned(), expr: Expr::Column(0) }],
        filter,
        ..plain.clone()
    };
    let counted = count(Some(compare(&service, "Id", CompareOp::Gt, Value::Int64(5))));
    let mut text = String::new();
    for settings in [
        json!({}),
        json!({"product": "finance_operations", "cross_company": true}),
        json!({"product": "business_central", "company": "CRONUS & Söhne"}),
        json!({"product": "business_central", "company": "8d7d62e2-f8fd-ef11-9344-6045bde9ca09"}),
        json!({"product": "dataverse"}),
        json!({"product": "sap_gateway"}),
        json!({"paging": {"client": true, "size": 50}}),
    ] {
        text.push_str(&format!("{settings}\n"));
        for query in [&plain, &sorted, &by_nullable, &counted, &count(None)] {
            text.push_str(&requests(&service, settings.clone(), 8000, query));
        }
    }
    expect![[r#"
        {}
        /data/Orders?sap-client=100&$select=Id,City,Total
          /data/Orders?sap-client=…&$select=Id,City,Total with 0
        /data/Orders?sap-client=100&$select=Id,City,Total&$orderby=Id%20desc&$skip=20&$top=10
          /data/Orders?sap-client=…&$select=Id,City,Total&$orderby=Id desc&$skip=20&$top=10 with 0
        sorting by column 'Total' is not supported by this source
        /data/Orders/$count?sap-client=100&$filter=Id%20gt%205
          /data/Orders/$count?sap-client=…&$filter=Id gt ? with 1
        /data/Orders/$count?sap-client=100
          /data/Orders/$count?sap-client=… with 0
        {"product":"finance_operations","cross_company":true}
        /data/Orders?sap-client=100&$select=Id,City,Total&cross-company=true
          /data/Orders?sap-client=…&$select=Id,City,Total&cross-company=true with 0
        /data/Orders?sap-client=100&$select=Id,City,Total&$orderby=Id%20desc&$skip=20&$top=10&cross-company=true
          /data/Orders?sap-client=…&$select=Id,City,Total&$orderby=Id desc&$skip=20&$top=10&cross-company=true with 0
        /data/Orders?sap-client=100&$select=Id,City,Total&$orderby=Total%20desc&cross-company=true
          /data/Orders?sap-client=…&$select=Id,City,Total&$orderby=Total desc&cross-company=true with 0
        /data/Orders/$count?sap-client=100&$filter=Id%20gt%205&cross-company=true
          /data/Orders/$count?sap-client=…&$filter=Id gt ?&cross-company=true with 1
        /data/Orders/$count?sap-client=100&cross-company=true
          /data/Orders/$count?sap-client=…&cross-company=true with 0
        {"product":"business_central","company":"CRONUS & Söhne"}
        /data/Company('CRONUS%20%26%20S%C3%B6hne')/Orders?sap-client=100&$select=Id,City,Total
          /data/Company('CRONUS & Söhne')/Orders?sap-client=…&$select=Id,City,Total with 0
        /data/Company('CRONUS%20%26%20S%C3%B6hne')/Orders?sap-client=100&$select=Id,City,Total&$orderby=Id%20desc&$skip=20&$top=10
          /data/Company('CRONUS & Söhne')/Orders?sap-client=…&$select=Id,City,Total&$orderby=Id desc&$skip=20&$top=10 with 0
        /data/Company('CRONUS%20%26%20S%C3%B6hne')/Orders?sap-client=100&$select=Id,City,Total&$orderby=Total%20desc
          /data/Company('CRONUS & Söhne')/Orders?sap-client=…&$select=Id,City,Total&$orderby=Total desc with 0
        /data/Company('CRONUS%20%26%20S%C3%B6hne')/Orders/$count?sap-client=100&$filter=Id%20gt%205
          /data/Company('CRONUS & Söhne')/Orders/$count?sap-client=…&$filter=Id gt ? with 1
        /data/Company('CRONUS%20%26%20S%C3%B6hne')/Orders/$count?sap-client=100
          /data/Company('CRONUS & Söhne')/Orders/$count?sap-client=… with 0
        {"product":"business_central","company":"8d7d62e2-f8fd-ef11-9344-6045bde9ca09"}
        /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders?sap-client=100&$select=Id,City,Total
          /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders?sap-client=…&$select=Id,City,Total with 0
        /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders?sap-client=100&$select=Id,City,Total&$orderby=Id%20desc&$skip=20&$top=10
          /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders?sap-client=…&$select=Id,City,Total&$orderby=Id desc&$skip=20&$top=10 with 0
        /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders?sap-client=100&$select=Id,City,Total&$orderby=Total%20desc
          /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders?sap-client=…&$select=Id,City,Total&$orderby=Total desc with 0
        /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders/$count?sap-client=100&$filter=Id%20gt%205
          /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders/$count?sap-client=…&$filter=Id gt ? with 1
        /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders/$count?sap-client=100
          /data/companies(8d7d62e2-f8fd-ef11-9344-6045bde9ca09)/Orders/$count?sap-client=… with 0
        {"product":"dataverse"}
        /data/Orders?sap-client=100&$select=Id,City,Total
          /data/Orders?sap-client=…&$select=Id,City,Total with 0
        offset is not supported by this source
        /data/Orders?sap-client=100&$select=Id,City,Total&$orderby=Total%20desc
          /data/Orders?sap-client=…&$select=Id,City,Total&$orderby=Total desc with 0
        counting rows is not supported by this source
        counting rows is not supported by this source
        {"product":"sap_gateway"}
        /data/Orders?sap-client=100&$select=Id,City,Total
          /data/Orders?sap-client=…&$select=Id,City,Total with 0
        sorting by column 'Id' is not supported by this source
        sorting by column 'Total' is not supported by this source
        counting rows is not supported by this source
        counting rows is not supported by this source
        {"paging":{"client":true,"size":50}}
        /data/Orders?sap-client=100&$select=Id,City,Total&$orderby=Id&$top=50
          /data/Orders?sap-client=…&$select=Id,City,Total&$orderby=Id&$top=50 with 0
        /data/Orders?sap-client=100&$select=Id,City,Total&$orderby=Id%20desc&$skip=20&$top=10
          /data/Orders?sap-client=…&$select=Id,City,Total&$orderby=Id desc&$skip=20&$top=10 with 0
        sorting by column 'Total' is not supported by this source
        /data/Orders/$count?sap-client=100&$filter=Id%20gt%205
          /data/Orders/$count?sap-client=…&$filter=Id gt ? with 1
        /data/Orders/$count?sap-client=100
          /data/Orders/$count?sap-client=… with 0
    "#]].assert_eq(&text);
}

#[test]
fn keys_are_alternatives_or_a_list_and_are_split_where_a_url_would_be_too_long() {
    let service = service(4);
    let keys = |number: i64| KeySet { columns: vec![0], tuples: (1..=number).map(|id| vec![Value::Int64(id)]).collect() };
    let of = |number, settings: serde_json::Value, max_url| {
        requests(&service, settings, max_url, &SourceQuery { keys: Some(keys(number)), ..query(&service, &["Id"]) })
    };
    let pairs =
        KeySet { columns: vec![0, 1], tuples: vec![vec![Value::Int64(1), Value::text("a")], vec![Value::Int64(2), Value::text("b")]] };
    let pairs = SourceQuery { keys: Some(pairs), ..query(&service, &["Id"]) };
    let text = [
        of(3, json!({}), 8000),
        of(3, json!({"capabilities": {"in": true}}), 8000),
        of(6, json!({}), 300),
        requests(&service, json!({}), 8000, &pairs),
        requests(&service, json!({"product": "business_central"}), 8000, &pairs),
    ];
    expect![[r#"
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%201%20or%20Id%20eq%202%20or%20Id%20eq%203
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? or Id eq ? or Id eq ? with 3
        --
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20in%20(1,2,3)
          /data/Orders?sap-client=…&$select=Id&$filter=Id in (?,?,?) with 3
        --
        a key set of more than 37 bytes is not supported by this source
        --
        /data/Orders?sap-client=100&$select=Id&$filter=(Id%20eq%201%20and%20Name%20eq%20%27a%27)%20or%20(Id%20eq%202%20and%20Name%20eq%20%27b%27)
          /data/Orders?sap-client=…&$select=Id&$filter=(Id eq ? and Name eq ?) or (Id eq ? and Name eq ?) with 4
        --
        a key set over these columns is not supported by this source
    "#]].assert_eq(&text.join("--\n"));
}

#[test]
fn groups_and_aggregates() {
    let set = r#"<EntitySet Name="Orders" EntityType="NS.Order"><Annotation Term="Org.OData.Aggregation.V1.ApplySupported"><Record/></Annotation></EntitySet>"#;
    let service = read(&v4(V4_TYPES, set));
    let columns = relation(&service).columns;
    let column = |name: &str| Expr::Column(at(&service, name));
    let call = |function, argument: Option<Expr>| AggregateCall::new(function, argument, &columns).unwrap();
    let outputs = |count: usize| (0..count).map(|index| Output { name: format!("c{index}"), expr: Expr::Column(index) }).collect();
    let calls = vec![call(AggregateFunction::Sum, Some(column("Total"))), call(AggregateFunction::CountRows, None)];
    let grouped = SourceQuery {
        aggregate: Some(Aggregation { group_by: vec![column("Day"), column("Open")], calls: calls.clone(), having: None }),
        output: outputs(4),
        filter: Some(compare(&service, "Id", CompareOp::Gt, Value::Int64(5))),
        order_by: vec![SortKey { expr: Expr::Column(2), descending: true, nulls_first: false }],
        limit: Some(10),
        ..query(&service, &[])
    };
    let whole = SourceQuery {
        aggregate: Some(Aggregation { group_by: Vec::new(), calls, having: None }),
        output: outputs(2),
        ..query(&service, &[])
    };
    let distinct = SourceQuery { distinct: true, ..query(&service, &["Day", "Open"]) };
    let average = vec![call(AggregateFunction::Average, Some(column("Total")))];
    let average = SourceQuery {
        aggregate: Some(Aggregation { group_by: Vec::new(), calls: average, having: None }),
        output: outputs(1),
        ..whole.clone()
    };
    let mut text = String::new();
    for settings in [json!({"product": "portico"}), json!({})] {
        for query in [&grouped, &whole, &distinct, &average] {
            text.push_str(&requests(&service, settings.clone(), 8000, query));
        }
    }
    expect![[r#"
        /data/Orders?sap-client=100&$apply=filter(Id%20gt%205)/groupby((Day,Open),aggregate(Total%20with%20sum%20as%20Aggregate0,$count%20as%20Aggregate1))&$orderby=Aggregate0%20desc&$top=10
          /data/Orders?sap-client=…&$apply=filter(Id gt ?)/groupby((Day,Open),aggregate(Total with sum as Aggregate0,$count as Aggregate1))&$orderby=Aggregate0 desc&$top=10 with 1
        /data/Orders?sap-client=100&$apply=aggregate(Total%20with%20sum%20as%20Aggregate0,$count%20as%20Aggregate1)
          /data/Orders?sap-client=…&$apply=aggregate(Total with sum as Aggregate0,$count as Aggregate1) with 0
        /data/Orders?sap-client=100&$apply=groupby((Day,Open))
          /data/Orders?sap-client=…&$apply=groupby((Day,Open)) with 0
        an average is not supported by this source
        grouping is not supported by this source
        a sum is not supported by this source
        distinct is not supported by this source
        an average is not supported by this source
    "#]].assert_eq(&text);
}

#[test]
fn what_is_too_long_for_a_url_is_divided_and_else_goes_in_a_batch() {
    let names = ["No", "RatherLongNameOfTheSecondPartOfAKeyWithAllThatBelongsToIt"];
    let properties = [(names[0], "Boolean"), (names[1], "Int16")];
    let properties = properties.map(|(name, of)| format!(r#"<Property Name="{name}" Type="Edm.{of}" Nullable="false"/>"#)).concat();
    let keys = names.map(|name| format!(r#"<PropertyRef Name="{name}"/>"#)).concat();
    let types = format!(r#"<EntityType Name="Order"><Key>{keys}</Key>{properties}</EntityType>"#);
    let service = read(&v4(&types, r#"<EntitySet Name="Orders" EntityType="NS.Order"/>"#));
    let tuples = (1..=5).map(|number| vec![Value::Boolean(true), Value::Int16(number)]);
    let keys = Some(KeySet { columns: vec![0, 1], tuples: tuples.collect() });
    let plain = SourceQuery { keys, ..query(&service, &names[..1]) };
    let sorted = vec![SortKey { expr: Expr::Column(0), descending: false, nulls_first: true }];
    let lengths = |settings: serde_json::Value, query: &SourceQuery| {
        let text = requests(&service, settings, 540, query);
        let sent: Vec<usize> =
            text.lines().filter(|line| line.starts_with('/')).map(|line| line.len() + "https://erp.example.com".len()).collect();
        if sent.is_empty() { Err(text) } else { Ok(sent) }
    };
    let divided = lengths(json!({}), &plain).unwrap();
    assert!(divided.len() == 2 && divided.iter().all(|length| *length <= 540), "{divided:?}");
    for query in [SourceQuery { order_by: sorted, ..plain.clone() }, SourceQuery { limit: Some(3), ..plain }] {
        let whole = lengths(json!({}), &query).unwrap();
        assert!(whole.len() == 1 && whole[0] > 540, "{whole:?}");
        let refused = lengths(json!({"capabilities": {"batch_reads": false}}), &query).unwrap_err();
        assert!(refused.contains("TooLong") && refused.contains("at most 540"), "{refused}");
    }
}
