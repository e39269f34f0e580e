//! Tables in the configuration whose columns hold values of other types.

use super::open_text;
use serde_json::json;

const TABLES: &str = "
sources:
  own:
    kind: memory
    tables:
      - name: held
        primary_key: [id]
        columns:
          - { name: id, type: int32, nullable: false }
          - { name: day, type: text }
          - { name: paid, type: text }
          - { name: amount, type: int64 }
          - { name: at, type: int64 }
        rows:
          - { id: 1, day: '20240229', paid: X, amount: 1250, at: 86400 }
          - { id: 2, day: '00000000', paid: '', amount: -5 }
          - { id: 3, day: '20250101', paid: N }
tables:
  Held:
    source: own
    remote: held
    columns:
      id: {}
      day: { codec: sap_date }
      paid: { codec: bool_text }
      amount: { codec: decimal_unscaled, type: 'decimal(9,2)' }
      at: { codec: timestamp_seconds, type: timestamptz }
access:
  roles: { all: { Held: { write: [update, insert, delete] } } }
  keys: { app: { sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683, roles: [all] } }
";

#[tokio::test]
async fn held_values_are_read_filtered_and_sorted_as_what_they_stand_for() {
    let door = open_text(TABLES).await;
    let none = [("accept", "application/json;odata.metadata=none")];
    let all = door.asked("GET", "/odata/Held?$orderby=id", &none).await.json()["value"].clone();
    assert_eq!(
        all,
        json!([
            { "id": 1, "day": "2024-02-29", "paid": true, "amount": 12.5, "at": "1970-01-02T00:00:00Z" },
            { "id": 2, "day": null, "paid": false, "amount": -0.05, "at": null },
            { "id": 3, "day": "2025-01-01", "paid": false, "amount": null, "at": null },
        ])
    );
    for (options, ids) in [
        ("$filter=day%20gt%202024-12-31", vec![3]),
        ("$filter=paid", vec![1]),
        ("$filter=amount%20lt%200", vec![2]),
        ("$filter=day%20eq%20null", vec![2]),
        ("$orderby=day%20desc", vec![3, 1, 2]),
        ("$apply=filter(year(at)%20eq%201970)", vec![1]),
    ] {
        let answer = door.get(&format!("/odata/Held?{options}")).await;
        let found: Vec<i64> = answer.json()["value"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
        assert_eq!(found, ids, "{options}");
    }
    let metadata = door.get("/odata/$metadata").await.body;
    assert!(metadata.contains("<Property Name=\"day\" Type=\"Edm.Date\""), "{metadata}");
    let written = door.write("PATCH", "/odata/Held(1)", &[("if-match", "*")], r#"{"day":"2024-03-01"}"#).await;
    assert_eq!(written.status, 501, "{}", written.body);
    assert!(written.body.contains("column 'day'") || written.body.contains("codec"), "{}", written.body);
}
