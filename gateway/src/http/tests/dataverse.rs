//! A service for Dataverse over tables in the configuration: what is computed, aggregated and paged is published as the tables are.

use super::{Door, open_text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TABLES: &str = "
gateway: { http: { public_url: 'https://data.example.com', expand_page_size: 2 } }
sources:
  own:
    kind: memory
    tables:
      - name: customers
        primary_key: [id]
        columns:
          - { name: id, type: int32, nullable: false }
          - { name: name, type: text, nullable: false }
          - { name: city, type: text }
          - { name: kind, type: text, nullable: false }
          - { name: vat, type: text }
        rows:
          - { id: 1, name: Ann, city: Ulm, kind: P }
          - { id: 2, name: Bolt, city: Ulm, kind: C, vat: DE1 }
          - { id: 3, name: Cora, city: Bonn, kind: P }
      - name: orders
        primary_key: [id]
        columns:
          - { name: id, type: int64, nullable: false }
          - { name: buyer, type: int32 }
          - { name: placed, type: date }
          - { name: level, type: int16 }
          - { name: state, type: text }
          - { name: total, type: 'decimal(9,2)' }
        rows:
          - { id: 1, buyer: 1, placed: '2024-01-05', level: 1, state: O, total: 10 }
          - { id: 2, buyer: 1, placed: '2024-02-05', level: 2, state: C, total: 20 }
          - { id: 3, buyer: 1, placed: '2024-03-05', level: 3, state: O, total: 30.5 }
          - { id: 4, buyer: 2, placed: '2024-01-05', level: 1, state: C, total: 5 }
          - { id: 5, buyer: 1, placed: '2024-01-05', level: 4, state: C, total: 1 }
          - { id: 6, placed: '2025-01-05', state: O, total: 2 }
enums:
  State: { members: { Open: { value: 1, stored: O }, Closed: { value: 2, stored: C } } }
tables:
  Customers:
    source: own
    remote: customers
    derived: { discriminator: kind, types: { Company: { values: [C], columns: [vat] } } }
    relationships: { Orders: { to: Orders, on: { id: buyer }, many: true } }
  Orders:
    source: own
    remote: orders
    columns: { state: { enum: State }, '*': {} }
    relationships: { Customer: { to: Customers, on: { buyer: id } } }
services:
  dv: { path: /dv, profile: dataverse, singletons: { First: { table: Customers, key: { id: 1 } } } }
  all: { path: /all }
access:
  roles: { all: { Customers: {}, Orders: {} } }
  keys: { app: { sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683, roles: [all] } }
";

async fn asked(door: &Door, url: &str) -> Value {
    let answer = door.get(&format!("/dv/{}", url.replace(' ', "%20"))).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    answer.json()
}

async fn rows(door: &Door, url: &str) -> Value {
    asked(door, url).await["value"].clone()
}

async fn guid(door: &Door, id: i64) -> String {
    let found = rows(door, &format!("Customers?$filter=id eq {id}")).await;
    found[0]["CustomersKey"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn computed_properties_have_types_that_dataverse_takes() {
    let door = open_text(TABLES).await;
    let answer =
        asked(&door, "Orders?$compute=placed as Day,level add 1 as Next,total mul 2 as Twice&$select=Day,Next,Twice&$filter=id eq 2").await;
    let row = &answer["value"][0];
    assert_eq!((&row["Day"], &row["Next"], &row["Twice"]), (&json!("2024-02-05T00:00:00Z"), &json!(3), &json!(40.0)), "{answer}");
    assert!(row["OrdersKey"].is_string() && row.get("id").is_none(), "{row}");
    let found = "Orders?$compute=placed as Day,state as Choice&$orderby=Day desc,OrdersKey&$select=id,Choice&$filter=";
    let ids = async |filter: &str| {
        let found = rows(&door, &format!("{found}{filter}")).await;
        found.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("Day ge 2024-02-01T00:00:00Z").await, [6, 3, 2]);
    assert_eq!(ids("Choice eq 1 and Day lt 2025-01-01T00:00:00Z").await, [3, 1]);
    let nested =
        rows(&door, "Customers?$expand=Orders($compute=placed as Day;$select=Day;$filter=Day eq 2024-01-05T00:00:00Z)&$filter=id eq 2")
            .await;
    assert_eq!(nested[0]["Orders"][0]["Day"], "2024-01-05T00:00:00Z", "{nested}");
    let refused = door.get("/dv/Orders?$compute=CustomerKey%20as%20K").await;
    assert_eq!(refused.status, 501, "{}", refused.body);
}

#[tokio::test]
async fn groups_are_told_apart_by_guids_and_published_values() {
    let door = open_text(TABLES).await;
    let answer = asked(
        &door,
        "Orders?$apply=groupby((CustomerKey,state),aggregate(total with sum as Sum,placed with max as Last,$count as N))&$orderby=Sum desc",
    )
    .await;
    let groups = answer["value"].as_array().unwrap();
    assert_eq!(answer["@odata.context"], "https://data.example.com/dv/$metadata#Orders(CustomerKey,state,Sum,Last,N)");
    let one = guid(&door, 1).await;
    assert_eq!(groups.len(), 4, "{answer}");
    let first = json!({ "CustomerKey": one, "state": 1, "Sum": 40.5, "Last": "2024-03-05T00:00:00Z", "N": 2 });
    let own: serde_json::Map<String, Value> = groups[0]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !name.contains('@'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    assert_eq!(Value::Object(own), first, "{answer}");
    assert!(groups.iter().any(|group| group["CustomerKey"].is_null()), "{answer}");
    // What comes after sees what is published.
    for (url, expected) in [
        (
            format!(
                "Orders?$apply=filter(CustomerKey eq {one})/groupby((placed),aggregate($count as N))&$filter=placed eq 2024-01-05T00:00:00Z&$select=N"
            ),
            json!([{ "N": 2 }]),
        ),
        (
            format!("Orders?$apply=groupby((CustomerKey),aggregate(total with sum as Sum))&$filter=CustomerKey eq {one}&$select=Sum"),
            json!([{ "Sum": 61.5 }]),
        ),
        (
            "Orders?$apply=groupby((Customer/city),aggregate(level with max as Top))/filter(Customer/city eq 'Ulm')".to_owned(),
            json!([{ "Customer": { "city": "Ulm" }, "Top": 4 }]),
        ),
        (
            "Orders?$apply=groupby((Customer/CustomersKey),aggregate($count as N))/filter(N gt 3)/aggregate(N with sum as All)".to_owned(),
            json!([{ "All": 4 }]),
        ),
        (
            "Orders?$apply=aggregate(placed with min as First,CustomerKey with countdistinct as Customers,level with average as Mean)"
                .to_owned(),
            json!([{ "First": "2024-01-05T00:00:00Z", "Customers": 2 }]),
        ),
        ("Orders?$apply=topcount(1,total)/compute(placed as Day)&$select=Day".to_owned(), Value::Null),
        (
            "Orders?$apply=concat(aggregate($count as N),groupby((state),aggregate($count as M)))&$filter=N eq 6".to_owned(),
            json!([{ "N": 6 }]),
        ),
    ] {
        let mut found = rows(&door, &url).await;
        for row in found.as_array_mut().unwrap() {
            row.as_object_mut().unwrap().retain(|name, _| !name.contains('@') && name != "Mean");
        }
        if expected.is_null() {
            assert_eq!(
                (found[0]["Day"].as_str(), found[0]["OrdersKey"].is_string()),
                (Some("2024-03-05T00:00:00Z"), true),
                "{url}: {found}"
            );
        } else {
            assert_eq!(found, expected, "{url}");
        }
    }
    for (url, status) in [
        ("Orders?$apply=aggregate(state with max as S)", 501),
        ("Orders?$apply=aggregate(CustomerKey with max as S)", 501),
        ("Orders?$apply=join(Customer as C)", 501),
        ("Orders?$apply=groupby((Nothing))", 400),
        ("Customers?$expand=Orders($apply=aggregate($count as N))", 501),
        ("$crossjoin(Orders,Customers)", 501),
    ] {
        let answer = door.get(&format!("/dv/{}", url.replace(' ', "%20"))).await;
        assert_eq!(answer.status, status, "{url}: {}", answer.body);
    }
}

#[tokio::test]
async fn singletons_and_types_are_as_published() {
    let door = open_text(TABLES).await;
    let first = asked(&door, "First?$select=name").await;
    let one = guid(&door, 1).await;
    assert_eq!((&first["name"], &first["CustomersKey"]), (&json!("Ann"), &json!(one)), "{first}");
    assert_eq!(first["@odata.context"], "https://data.example.com/dv/$metadata#First(CustomersKey,name)");
    assert_eq!(asked(&door, "First/Orders/$count").await, json!(4));
    let companies = rows(&door, "Customers/Portico.dv.Company").await;
    assert_eq!((companies.as_array().unwrap().len(), &companies[0]["vat"]), (1, &json!("DE1")), "{companies}");
    assert_eq!(rows(&door, "Customers?$filter=Portico.dv.Company/vat eq 'DE1'&$select=name").await[0]["name"], "Bolt");
    assert!(door.get("/dv/$metadata").await.body.contains("<Singleton Name=\"First\""));
}

#[tokio::test]
async fn nested_pages_go_on_to_their_end() {
    let door = open_text(TABLES).await;
    let answer =
        asked(&door, "Customers?$expand=Orders($orderby=placed,OrdersKey;$select=id,placed)&$orderby=CustomersKey&$filter=id eq 1").await;
    let customer = &answer["value"][0];
    let mut found: Vec<i64> = Vec::new();
    let mut page = json!({ "value": customer["Orders"], "@odata.nextLink": customer["Orders@odata.nextLink"] });
    let mut keys = BTreeSet::new();
    loop {
        for row in page["value"].as_array().unwrap() {
            found.push(row["id"].as_i64().unwrap());
            assert!(
                keys.insert(row["OrdersKey"].as_str().unwrap().to_owned()) && row["placed"].as_str().unwrap().ends_with("T00:00:00Z"),
                "{row}"
            );
        }
        let Some(link) = page["@odata.nextLink"].as_str() else { break };
        let path = link.strip_prefix("https://data.example.com").unwrap();
        assert!(path.starts_with(&format!("/dv/Customers({})/Orders?", guid(&door, 1).await)), "a link is the client's: {link}");
        let answer = door.get(path).await;
        assert_eq!(answer.status, 200, "{link}: {}", answer.body);
        page = answer.json();
    }
    assert_eq!(found, [1, 5, 2, 3]);
}
