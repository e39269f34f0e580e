//! Operations without a result: the answer says which of the request's it was, in the words of the request.

use super::open_text;

const TABLES: &str = "
sources:
  own:
    kind: memory
    tables:
      - name: numbers
        primary_key: [id]
        columns:
          - { name: id, type: int32, nullable: false }
          - { name: small, type: int16 }
          - { name: long, type: int64 }
          - { name: double, type: float64 }
          - { name: exact, type: 'decimal(38,2)' }
          - { name: day, type: date }
          - { name: at, type: timestamptz }
          - { name: text, type: text }
        rows:
          - { id: 1, small: 32767, long: 9223372036854775807, double: 1e300, exact: '999999999999999999999999999999999999.99', day: '9999-12-31', at: '9999-12-31T23:59:59Z', text: x }
          - { id: 0, small: -32768, long: -9223372036854775808, double: 0, exact: 0, text: y }
  shop: { kind: sqlite, path: shop.db }
tables:
  Numbers: { source: own, remote: numbers }
  Customers: { source: shop, remote: customer }
access:
  roles: { all: { Numbers: {}, Customers: {} } }
  keys: { app: { sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683, roles: [all] } }
";

/// What is asked, and how the answer's message begins.
const CASES: &[(&str, &str)] = &[
    ("Numbers?$filter=1%20div%20id%20eq%201", "'div' divides by zero for at least one row (at character 1)"),
    ("Numbers?$filter=id%20div%200%20eq%201", "'div' divides by zero for at least one row (at character 1)"),
    ("Numbers?$filter=5%20mod%20id%20eq%201", "'mod' divides by zero for at least one row (at character 1)"),
    ("Numbers?$filter=5%20mod%20double%20eq%201", "'mod' divides by zero for at least one row (at character 1)"),
    ("Numbers?$filter=exact%20div%200.0%20eq%201", "'div' divides by zero for at least one row (at character 1)"),
    (
        "Numbers?$filter=long%20add%201%20gt%200",
        "the result of 'add' is out of the range of its type for at least one row (at character 1)",
    ),
    ("Numbers?$compute=long%20sub%201%20as%20X&$select=X", "the result of 'sub' is out of the range"),
    ("Numbers?$orderby=long%20mul%202", "the result of 'mul' is out of the range"),
    ("Numbers?$filter=-long%20gt%200", "the result of '-' is out of the range"),
    ("Numbers?$filter=exact%20mul%20exact%20gt%200", "the result of 'mul' is out of the range"),
    ("Numbers?$filter=exact%20mul%201000%20gt%200", "the result of 'mul' is out of the range"),
    ("Numbers?$apply=compute(long%20add%20id%20as%20X)/aggregate(X%20with%20max%20as%20Y)", "the result of 'add' is out of the range"),
    ("Numbers?$compute=at%20add%20duration'P106751990D'%20as%20X&$select=X", "the result of 'add' is out of the range"),
    ("Numbers?$filter=9223372036854775807%20add%201%20gt%200", "the result of 'add' is out of the range"),
    ("Numbers?$filter=1%20div%20id%20eq%201%20or%201%20mod%20id%20eq%200", "'div' or 'mod' divides by zero for at least one row"),
    ("Customers?$filter=1%20div%20(id%20sub%201)%20eq%201", "'div' divides by zero for at least one row"),
    ("Customers?$filter=id%20add%209223372036854775807%20gt%200", "the result of 'add' is out of the range"),
    ("Numbers(1)?$compute=1%20div%20(id%20sub%201)%20as%20X", "'div' divides by zero for at least one row"),
    ("Numbers/$count?$filter=1%20div%20id%20eq%201", "'div' divides by zero for at least one row"),
];

#[tokio::test]
async fn the_operation_that_has_no_result_is_named() {
    let door = open_text(TABLES).await;
    let mut wrong = Vec::new();
    for (url, expected) in CASES {
        let answer = door.get(&format!("/odata/{url}")).await;
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        if answer.status != 400 || !message.starts_with(expected) {
            wrong.push(format!("{url}: {} {}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn casts_that_fail_are_null_and_no_errors() {
    let door = open_text(TABLES).await;
    for (url, rows) in [
        ("Numbers?$filter=cast(text,Edm.Int32)%20eq%20null", 2),
        ("Numbers?$filter=cast(long,Edm.Int16)%20eq%20null", 2),
        ("Numbers?$filter=cast(double,Edm.Decimal)%20eq%20null&$select=id", 1),
        ("Numbers?$filter=cast(text,Edm.Date)%20eq%20null", 2),
        ("Numbers?$compute=cast(exact,Edm.Int64)%20as%20X&$select=X", 2),
    ] {
        let answer = door.get(&format!("/odata/{url}")).await;
        assert_eq!((answer.status, answer.json()["value"].as_array().map(Vec::len)), (200, Some(rows)), "{url}: {}", answer.body);
    }
}
