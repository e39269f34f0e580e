//! Tables that are files: through every door, joined with another source, and read again when they have changed.

use crate::gateway::Gateway;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, SystemTime};

const CONFIG: &str = r#"
sources:
  lists:
    kind: files
    directory: lists
    tables:
      prices:
        path: "prices-*.csv"
        delimiter: ";"
        decimal: ","
        key: [Article]
        columns: { Price: { type: "decimal(13,2)" }, Since: { type: date, format: "%d.%m.%Y" } }
      articles: { path: articles.ndjson, key: [id] }
    introspection: { probe: 200ms }
  other:
    kind: memory
    tables:
      - name: orders
        primary_key: [id]
        columns: [ { name: id, type: int32, nullable: false }, { name: article, type: text } ]
        rows: [ { id: 1, article: A-1 }, { id: 2, article: A-2 }, { id: 3, article: A-1 } ]
tables:
  Prices: { source: lists, remote: prices, relationships: { Orders: { to: Orders, on: { Article: article }, many: true } } }
  Articles: { source: lists, remote: articles }
  Orders: { source: other, remote: orders, relationships: { Price: { to: Prices, on: { article: Article } } } }
access: { roles: { all: { Prices: { write: [insert] }, Articles: {}, Orders: {} } }, anonymous: { roles: [all] } }
"#;

/// Writes a file that looks as if it had been left alone for a minute.
fn write(directory: &Path, name: &str, content: &str) {
    let path = directory.join("lists").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
}

#[tokio::test]
async fn files_are_tables_and_are_read_again_when_they_have_changed() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "prices-1.csv", "Article;Price;Since\nA-1;1.000;01.02.2024\n");
    write(directory.path(), "prices-2.csv", "Article;Price;Since\nA-2;0,5;29.02.2024\n");
    write(directory.path(), "articles.ndjson", "{\"id\": 1, \"name\": \"é\", \"more\": {\"a\": 1}}\n{\"id\": 2}\n");
    let gateway = Gateway::start(directory.path(), CONFIG, &[]).await;
    // A point is no mark of thousands here: the file is refused with its place, and the tables beside it are served.
    let refused = gateway.get("/odata/Prices", "").await;
    let status = refused.status();
    let message = refused.text().await.unwrap();
    assert!(
        status.is_server_error() && message.contains("prices-1.csv, line 2, column 'Price'") && !message.contains("1.000"),
        "{status} {message}"
    );
    assert_eq!(
        gateway.json("/odata/Articles?$select=id,name,more", "").await["value"],
        json!([{ "id": 1, "name": "é", "more": "{\"a\": 1}" }, { "id": 2, "name": null, "more": null }])
    );
    write(directory.path(), "prices-1.csv", "Article;Price;Since\nA-1;1000,25;01.02.2024\n");
    let prices = "/odata/Prices?$orderby=Article&$expand=Orders($orderby=id;$select=id)";
    assert_eq!(
        gateway.json(prices, "").await["value"],
        json!([
            { "Article": "A-1", "Price": 1000.25, "Since": "2024-02-01", "Orders": [{ "id": 1 }, { "id": 3 }] },
            { "Article": "A-2", "Price": 0.5, "Since": "2024-02-29", "Orders": [{ "id": 2 }] },
        ])
    );
    let sql = r#"SELECT o.id, p."Price" FROM "Orders" o JOIN "Prices" p ON p."Article" = o.article WHERE p."Since" >= DATE '2024-02-15'"#;
    let answer: Value = gateway.sql(sql, "").await.json().await.unwrap();
    assert!(answer.to_string().contains("0.5") && !answer.to_string().contains("1000.25"), "{answer}");
    assert_eq!(gateway.get("/odata/Prices/$count?$filter=Price gt 1", "").await.text().await.unwrap(), "1");
    // Another file of the pattern, and another version of one.
    write(directory.path(), "prices-3.csv", "Article;Price;Since\nA-3;7,75;01.03.2024\n");
    write(directory.path(), "prices-2.csv", "Article;Price;Since\nA-2;0,75;29.02.2024\n");
    let changed = gateway.json("/odata/Prices?$orderby=Article&$select=Article,Price", "").await;
    assert_eq!(
        changed["value"],
        json!([{ "Article": "A-1", "Price": 1000.25 }, { "Article": "A-2", "Price": 0.75 }, { "Article": "A-3", "Price": 7.75 }])
    );
    // A key that is none any more is told with both of its places.
    write(directory.path(), "prices-3.csv", "Article;Price;Since\nA-1;7,75;01.03.2024\n");
    let message = gateway.get("/odata/Prices", "").await.text().await.unwrap();
    assert!(message.contains("prices-1.csv, line 2 and prices-3.csv, line 2 have the same"), "{message}");
    // Nothing of a file can be written.
    let body = json!({ "Article": "A-9", "Price": 1, "Since": "2024-01-01" });
    let written = gateway.request(reqwest::Method::POST, "/odata/Prices", "").json(&body).send().await.unwrap();
    assert!(written.status().is_client_error() || written.status().as_u16() == 501, "{}", written.status());
}
