//! Singletons as clients read and change them, what `Allow` says of a path, and in which words a refused write is told.

use super::{Door, open_text};
use serde_json::json;
use sha2::{Digest, Sha256};

async fn open() -> Door {
    let hash: String = Sha256::digest(b"key").iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "gateway: {{ http: {{ public_url: 'https://data.example.com' }} }}
sources: {{ shop: {{ kind: sqlite, path: shop.db }} }}
enums:
  Perms: {{ flags: true, members: {{ Two: {{ value: 2 }}, Four: {{ value: 4 }}, Eight: {{ value: 8 }}, Sixteen: {{ value: 16 }} }} }}
tables:
  Customers: {{ source: shop, remote: customer, columns: {{ Number: {{ remote: id }}, credit: {{ enum: Perms }}, '*': {{}} }} }}
services:
  s: {{ path: /s, singletons: {{ Owner: {{ table: Customers, key: {{ Number: 1 }} }}, Sole: {{ table: Customers }} }} }}
access:
  roles: {{ all: {{ Customers: {{ write: [insert, update, delete] }} }}, few: {{ Customers: {{}} }} }}
  keys: {{ app: {{ sha256: {hash}, roles: [all] }} }}
  anonymous: {{ roles: [few] }}
"
    );
    open_text(&text).await
}

#[tokio::test]
async fn a_singleton_is_read_and_changed_by_its_name() {
    let door = open().await;
    let context =
        |answer: &super::Answer| answer.json()["@odata.context"].as_str().unwrap().replace("https://data.example.com/s/$metadata", "");
    let read = door.get("/s/Owner").await;
    assert_eq!((read.status, context(&read).as_str()), (200, "#Owner"), "{}", read.body);
    assert_eq!(context(&door.get("/s/Owner?$select=name").await), "#Owner(Number,name)");
    assert_eq!(context(&door.get("/s/Owner/name").await), "#Owner/name");
    let changed = door.write("PATCH", "/s/Owner", &[("if-match", "*")], r#"{"name": "Newer"}"#).await;
    assert_eq!((changed.status, context(&changed).as_str()), (200, "#Owner"), "{}", changed.body);
    assert_eq!(door.get("/s/Customers(1)").await.json()["name"], "Newer");
    let keyless = door.write("PATCH", "/s/Sole", &[("if-match", "*")], r#"{"name": "Nobody"}"#).await;
    assert_eq!(keyless.status, 501, "{}", keyless.body);
}

#[tokio::test]
async fn allow_says_the_same_whatever_was_tried() {
    let door = open().await;
    for (url, tried, allow) in [
        ("/s/Owner", &["POST", "DELETE", "OPTIONS"][..], "GET, HEAD, PATCH"),
        ("/s/Customers", &["PATCH", "DELETE", "OPTIONS"], "GET, HEAD, POST"),
        ("/s/Customers(1)", &["POST", "OPTIONS"], "GET, HEAD, PATCH, DELETE"),
        ("/s/$metadata", &["POST", "OPTIONS"], "GET, HEAD"),
        ("/s/$batch", &["PATCH", "OPTIONS"], "POST"),
    ] {
        for method in tried {
            let answer = door.write(method, url, &[], "{}").await;
            assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {url}: {}", answer.body);
        }
    }
    // Who may only read is offered nothing else.
    for method in ["PATCH", "OPTIONS"] {
        assert_eq!(door.ask(method, "/s/Customers", &[], "{}").await.header("allow"), "GET, HEAD", "{method}");
    }
}

#[tokio::test]
async fn broken_rules_are_told_in_published_names() {
    let door = open().await;
    let twice = door.write("POST", "/s/Customers", &[], r#"{"Number": 1, "name": "Twice"}"#).await;
    let error = &twice.json()["error"];
    assert_eq!((twice.status, &error["target"]), (409, &json!("Number")), "{}", twice.body);
    assert_eq!(
        error["message"],
        "source 'shop': another entity of 'Customers' has the same value of 'Number' already, which must be unique"
    );
}

#[tokio::test]
async fn flags_and_numbers_without_a_member_come_back_as_they_went_out() {
    let door = open().await;
    let found = async |filter: &str| {
        let answer = door.get(&format!("/s/Customers?$select=Number&$orderby=Number&$filter={}", filter.replace(' ', "%20"))).await;
        assert_eq!(answer.status, 200, "{filter}: {}", answer.body);
        let rows = answer.json()["value"].as_array().unwrap().clone();
        rows.iter().map(|row| row["Number"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(door.get("/s/Customers(1)").await.json()["credit"], "Two,Eight");
    assert_eq!(door.get("/s/Customers(4)").await.json()["credit"], "40");
    assert_eq!(found("contains(cast(credit,Edm.String),'Sixteen')").await, [2, 3]);
    assert_eq!(found("cast(credit,Edm.String) eq '40'").await, [4]);
    assert_eq!(found("credit eq cast('Eight,Two',Portico.s.Perms)").await, [1]);
    assert_eq!(found("credit eq '40' or credit eq 50 or credit eq Portico.s.Perms'Two,Eight'").await, [1, 4, 5]);
}
