//! What is asked: conditions, orders, columns and keys as parameters, seen at the server.

use super::postgrest::source;
use super::serving::{asked, at, compare, failure, ids, keys, only, rows, scan, serving};
use portico_provider_api::{CompareOp, Expr, Function, SortKey, SourceErrorKind, SourceQuery, Value};
use portico_provider_testkit::http::Answer;
use serde_json::{Value as Json, json};

fn orders() -> Json {
    json!({"resources": {"orders": {
        "path": "/orders", "rows": "/data", "key": ["id"],
        "columns": {
            "id": {"type": "int64", "nullable": false, "filter": {"eq": "id={value}", "in": "ids={values}"}, "max_in_list": 3, "sort": true},
            "status": {"type": "text", "filter": {"eq": "status={value}", "contains": {"send": "q={value}", "exact": false}}},
            "placed": {"type": "date", "filter": {"ge": "placed_after={value}", "lt": "placed_before={value}"}},
            "paid": {"type": "boolean", "filter": {"eq": "paid={value}"}},
            "customer/name": {"type": "text", "nullable": true},
            "total": {"type": "decimal(13,2)"}
        },
        "sort": {"parameter": "sort"}, "select": {"parameter": "fields"},
        "paging": {"by": "offset", "parameter": "skip", "size": 100, "size_parameter": "top", "end": "short_page"}
    }}})
}

fn order(id: i64) -> String {
    format!(r#"{{"id":{id},"status":"open","placed":"2026-01-0{id}","paid":true,"customer":{{"name":"c{id}"}},"total":"{id}.50"}}"#)
}

fn answer(ids: &[i64]) -> Answer {
    Answer::json(format!(r#"{{"data":[{}]}}"#, ids.iter().map(|id| order(*id)).collect::<Vec<_>>().join(",")))
}

#[tokio::test]
async fn conditions_are_parameters() {
    let (server, source) = serving(orders(), |_| answer(&[1])).await;
    let scan = scan(&source, "orders").await;
    let filter = Expr::And(vec![
        compare(&scan, "status", CompareOp::Eq, Value::text("a&b=c #ü")),
        compare(&scan, "placed", CompareOp::GtEq, Value::Date(20_454)),
        Expr::Column(at(&scan, "paid")),
    ]);
    let order_by = vec![SortKey { expr: Expr::Column(at(&scan, "id")), descending: true, nulls_first: false }];
    let query = SourceQuery { filter: Some(filter), order_by, limit: Some(5), offset: 10, ..only(scan, &["id", "customer/name"]) };
    assert_eq!(
        source.describe(&query).first().map(|request| (request.text.as_str(), request.parameters)),
        Some(("GET /orders?status=?&placed_after=?&paid=?&sort=-id&fields=id,customer.name&skip=10&top=5", 3))
    );
    assert_eq!(rows(&source, query).await.unwrap(), [[Value::Int64(1), Value::text("c1")]]);
    assert_eq!(
        asked(&server),
        ["/orders?status=a%26b%3Dc%20%23%C3%BC&placed_after=2026-01-01&paid=true&sort=-id&fields=id,customer.name&skip=10&top=5"]
    );
}

#[tokio::test]
async fn what_no_parameter_says_is_refused() {
    let (server, source) = serving(orders(), |_| answer(&[])).await;
    let scan = scan(&source, "orders").await;
    let twice = Expr::And(vec![
        compare(&scan, "status", CompareOp::Eq, Value::text("a")),
        compare(&scan, "status", CompareOp::Eq, Value::text("b")),
    ]);
    for filter in [
        compare(&scan, "status", CompareOp::NotEq, Value::text("a")),
        compare(&scan, "placed", CompareOp::Gt, Value::Date(1)),
        compare(&scan, "total", CompareOp::Eq, Value::Decimal { unscaled: arrow::datatypes::i256::ONE, precision: 13, scale: 2 }),
        Expr::Or(vec![compare(&scan, "status", CompareOp::Eq, Value::text("a")), Expr::Column(at(&scan, "paid"))]),
        Expr::Not(Box::new(Expr::Column(at(&scan, "paid")))),
        twice,
    ] {
        assert_eq!(failure(&source, SourceQuery { filter: Some(filter), ..scan.clone() }).await.kind, SourceErrorKind::Unsupported);
    }
    // More may come than what contains a text: that cannot be cut.
    let contains =
        Expr::Call { function: Function::Contains, arguments: vec![Expr::Column(at(&scan, "status")), Expr::Literal(Value::text("x"))] };
    let cut = SourceQuery { filter: Some(contains.clone()), limit: Some(3), ..scan.clone() };
    assert_eq!(failure(&source, cut).await.kind, SourceErrorKind::Unsupported);
    assert_eq!(ids(&source, SourceQuery { filter: Some(contains), ..scan }).await, Vec::<i64>::new());
    assert_eq!(asked(&server), ["/orders?q=x&fields=id,status,placed,paid,customer.name,total&top=100"]);
}

#[tokio::test]
async fn keys_go_in_lists_and_are_looked_at_again() {
    // The server ignores what it does not know: everything comes back, and only what was asked for is returned.
    let (server, source) = serving(orders(), |_| answer(&[1, 2, 3, 4, 5, 6])).await;
    let scan = only(scan(&source, "orders").await, &["id"]);
    let query = SourceQuery { keys: keys(&scan, &["id"], [1, 2, 3, 4, 9].map(|id| vec![Value::Int64(id)]).to_vec()), ..scan };
    let shown: Vec<String> = source.describe(&query).into_iter().map(|request| request.text).collect();
    assert_eq!(shown, ["GET /orders?ids=?,?,?&fields=id&top=100", "GET /orders?ids=?,?&fields=id&top=100"]);
    assert_eq!(ids(&source, query).await, [1, 2, 3, 4]);
    let mut asked = asked(&server);
    asked.sort();
    assert_eq!(asked, ["/orders?ids=1,2,3&fields=id&top=100", "/orders?ids=4,9&fields=id&top=100"]);
}

#[tokio::test]
async fn a_value_that_would_be_two_is_refused() {
    let settings = json!({"resources": {"t": {"path": "/t", "columns": {
        "id": {"type": "int64", "nullable": false},
        "code": {"type": "text", "filter": {"in": "codes={values}"}}}}}});
    let (server, source) = serving(settings, |_| Answer::json("[]")).await;
    let scan = scan(&source, "t").await;
    let list = |texts: &[&str]| Expr::InList {
        expr: Box::new(Expr::Column(1)),
        list: texts.iter().map(|text| Expr::Literal(Value::text(*text))).collect(),
        negated: false,
    };
    let error = failure(&source, SourceQuery { filter: Some(list(&["a", "b,c"])), ..scan.clone() }).await;
    assert_eq!((error.kind.clone(), error.message.contains("'code'")), (SourceErrorKind::Data, true), "{error}");
    assert!(server.log().is_empty());
    assert!(rows(&source, SourceQuery { filter: Some(list(&["a", "b&x=1"])), ..scan }).await.unwrap().is_empty());
    assert_eq!(asked(&server), ["/t?codes=a,b%26x%3D1"]);
}

fn prices() -> Json {
    json!({"resources": {
        "prices": {"path": "/prices/{customer}", "query": {"item": "{item}", "qty": "{quantity}"}, "single": true, "columns": {
            "customer": {"type": "text", "asked": true}, "item": {"type": "int64", "asked": true}, "quantity": {"type": "int32", "asked": true},
            "price": {"type": "decimal(9,2)", "nullable": false}}},
        "customers": {
            "key": ["id"], "columns": {"id": {"type": "text", "nullable": false}, "name": {"type": "text"}},
            "lookups": [{"path": "/customers/{id}", "single": true}]},
        "items": {
            "key": ["id"], "columns": {"id": {"type": "int64", "nullable": false}},
            "lookups": [{"path": "/items", "query": {"ids": "{id}"}, "batch": 2, "separator": ";"}]}
    }})
}

#[tokio::test]
async fn what_must_be_known_is_declared_and_asked_for() {
    let (server, source) = serving(prices(), |request| match request.path.as_str() {
        "/customers/b%2F..%3Fx" => Answer::json(r#"{"id":"b/..?x","name":"B"}"#),
        "/items" => Answer::json(r#"[{"id":1},{"id":2},{"id":3}]"#),
        path if path.starts_with("/customers/") => Answer::json("{}").with_status(404),
        _ => Answer::json(r#"{"price": 12.5}"#),
    })
    .await;
    let price = scan(&source, "prices").await;
    assert!(failure(&source, price.clone()).await.message.contains("customer, item, quantity"));
    let tuple = |customer: &str, item, quantity| vec![Value::text(customer), Value::Int64(item), Value::Int32(quantity)];
    let query = SourceQuery { keys: keys(&price, &["customer", "item", "quantity"], vec![tuple("a b", 7, 2), tuple("c", 8, 1)]), ..price };
    let mut found = rows(&source, query).await.unwrap();
    found.sort_by_key(|row| format!("{row:?}"));
    let amount = Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(1250), precision: 9, scale: 2 };
    let row = |customer: &str, item, quantity| [tuple(customer, item, quantity), vec![amount.clone()]].concat();
    assert_eq!(found, [row("a b", 7, 2), row("c", 8, 1)]);

    let customers = scan(&source, "customers").await;
    let query = SourceQuery {
        keys: keys(&customers, &["id"], [["b/..?x"], ["gone"]].map(|id| vec![Value::text(id[0])]).to_vec()),
        ..customers.clone()
    };
    assert_eq!(source.describe(&query)[0].text, "GET /customers/?");
    assert_eq!(rows(&source, query).await.unwrap(), [[Value::text("b/..?x"), Value::text("B")]]);
    for no_segment in ["..", ".", ""] {
        let query = SourceQuery { keys: keys(&customers, &["id"], vec![vec![Value::text(no_segment)]]), ..customers.clone() };
        assert_eq!(failure(&source, query).await.kind, SourceErrorKind::Data);
    }

    let items = scan(&source, "items").await;
    let query = SourceQuery { keys: keys(&items, &["id"], [1, 2, 3].map(|id| vec![Value::Int64(id)]).to_vec()), ..items };
    assert_eq!(ids(&source, query).await, [1, 2, 3]);
    let mut asked = asked(&server);
    asked.sort();
    assert_eq!(
        asked,
        [
            "/customers/b%2F..%3Fx",
            "/customers/gone",
            "/items?ids=1%3B2",
            "/items?ids=3",
            "/prices/a%20b?item=7&qty=2",
            "/prices/c?item=8&qty=1"
        ]
    );
}

#[tokio::test]
async fn a_condition_that_a_look_up_answers_does_not_read_the_whole() {
    let settings = json!({"resources": {
        "items": {"path": "/items", "key": ["code"], "sort": {"parameter": "sort"},
            "columns": {"code": {"type": "text", "nullable": false, "sort": true, "collation": "binary"}, "kind": {"type": "text", "filter": {"eq": "kind={value}"}}},
            "lookups": [{"path": "/items/{code}", "single": true, "rows": ""}]}}});
    let (server, source) = serving(settings, |request| match request.path.as_str() {
        "/items" => Answer::json(r#"[{"code":"a","kind":"x"},{"code":"..","kind":"x"},{"code":"b","kind":"y"}]"#),
        "/items/a" => Answer::json(r#"{"code":"a","kind":"x"}"#),
        "/items/b" => Answer::json(r#"{"code":"b","kind":"y"}"#),
        _ => Answer::json("{}").with_status(404),
    })
    .await;
    let items = scan(&source, "items").await;
    let is = |column: &str, value: &str| compare(&items, column, CompareOp::Eq, Value::text(value));
    let among = |codes: &[&str]| Expr::InList {
        expr: Box::new(Expr::Column(at(&items, "code"))),
        list: codes.iter().map(|code| Expr::Literal(Value::text(*code))).collect(),
        negated: false,
    };
    let sorted = |filter: Expr| SourceQuery {
        filter: Some(filter),
        order_by: vec![portico_provider_api::SortKey { expr: Expr::Column(at(&items, "code")), descending: true, nulls_first: false }],
        ..items.clone()
    };
    let row = |code: &str, kind: &str| vec![Value::text(code), Value::text(kind)];
    for (query, expected, requests) in [
        (SourceQuery { filter: Some(is("code", "a")), ..items.clone() }, vec![row("a", "x")], vec!["/items/a"]),
        (SourceQuery { filter: Some(is("code", "gone")), ..items.clone() }, vec![], vec!["/items/gone"]),
        (SourceQuery { filter: Some(Expr::And(vec![is("kind", "y"), is("code", "a")])), ..items.clone() }, vec![], vec!["/items/a"]),
        (SourceQuery { limit: Some(1), ..sorted(among(&["a", "b", "a"])) }, vec![row("b", "y")], vec!["/items/a", "/items/b"]),
        // No row can be asked for by this; there may be one all the same.
        (sorted(Expr::And(vec![is("code", ".."), is("kind", "x")])), vec![row("..", "x")], vec!["/items?kind=x"]),
        // Keys of another column go first; what they bring is looked at.
        (
            SourceQuery { keys: keys(&items, &["kind"], vec![vec![Value::text("y")]]), ..sorted(is("code", "b")) },
            vec![row("b", "y")],
            vec!["/items?kind=y"],
        ),
        (
            SourceQuery { filter: Some(is("kind", "y")), ..items.clone() },
            vec![row("a", "x"), row("..", "x"), row("b", "y")],
            vec!["/items?kind=y"],
        ),
    ] {
        let before = server.log().len();
        let shown: Vec<String> = source.describe(&query).into_iter().map(|request| request.text).collect();
        assert_eq!(rows(&source, query).await.unwrap(), expected, "{shown:?}");
        let mut now = asked(&server).split_off(before);
        now.sort();
        assert_eq!((now, shown.len()), (requests.iter().map(|text| (*text).to_owned()).collect(), requests.len()));
    }
}

#[tokio::test]
async fn rows_inside_of_rows_are_a_table() {
    let settings = json!({"resources": {
        "orders": {"path": "/orders", "columns": {
            "id": {"type": "int64", "nullable": false, "filter": {"in": "ids={values}"}}, "lines": {"type": "json"}}},
        "lines": {"parent": {"resource": "orders", "rows": "lines", "columns": {"order_id": "id"}}, "key": ["order_id", "no"],
            "columns": {"no": {"type": "int32", "nullable": false}, "item/code": {"type": "text", "optional": true}}}}});
    let (server, source) = serving(settings, |_| {
        Answer::json(
            r#"[{"id":1,"lines":[{"no":1,"item":{"code":"x"}},{"no":2}]},{"id":2,"lines":[]},{"id":3,"lines":[{"no":1,"item":null}]}]"#,
        )
    })
    .await;
    let lines = scan(&source, "lines").await;
    let null = Value::Null(portico_provider_api::ScalarType::Text);
    let all = rows(&source, lines.clone()).await.unwrap();
    let row = |order, no, code: Value| vec![Value::Int64(order), Value::Int32(no), code];
    assert_eq!(all, [row(1, 1, Value::text("x")), row(1, 2, null.clone()), row(3, 1, null.clone())]);
    assert_eq!(rows(&source, SourceQuery { limit: Some(2), ..lines.clone() }).await.unwrap().len(), 2);
    let query = SourceQuery { keys: keys(&lines, &["order_id"], vec![vec![Value::Int64(3)]]), ..lines };
    assert_eq!(rows(&source, query).await.unwrap(), [row(3, 1, null)]);
    assert_eq!(asked(&server), ["/orders", "/orders", "/orders?ids=3"]);
}

#[test]
fn a_wrong_configuration_is_told_by_its_place() {
    let refused = |resource: Json| {
        let context = super::postgrest::connect_context();
        let settings = json!({"url": "http://127.0.0.1:1", "resources": {"orders": resource}});
        (portico_provider_rest::kind().connect)(settings, context).err().map(|error| error.to_string()).unwrap()
    };
    let id = json!({"type": "int64", "nullable": false});
    for (resource, said) in [
        (json!({"path": "/o", "columns": {}}), "no columns"),
        (json!({"columns": {"id": id}}), "no way to its rows"),
        (json!({"path": "/o", "columns": {"id": {}}}), "column 'id': it has no 'type'"),
        (json!({"path": "/o", "columns": {"id": {"type": "int"}}}), "column 'id': 'int' is not a type"),
        (json!({"path": "/o?x=1", "columns": {"id": id}}), "'query'"),
        (json!({"path": "/o/{other}", "columns": {"id": id}}), "'other' is no column"),
        (json!({"path": "/o", "columns": {"id": {"type": "int64", "filter": {"eq": "id"}}}}), "name={value}"),
        (json!({"path": "/o", "columns": {"id": {"type": "int64", "filter": {"eq": "id=7"}}}}), "'{value}'"),
        (json!({"path": "/o", "columns": {"id": {"type": "int64", "filter": {"ge": "a={value}", "gt": "a={value}"}}}}), "'a'"),
        (json!({"path": "/o", "columns": {"id": {"type": "int64", "filter": {"in": "a={values}", "ne": "b={value}"}}}}), "'not_in'"),
        (json!({"path": "/o", "columns": {"id": {"type": "int64", "filter": {"starts_with": "a={value}"}}}}), "only texts"),
        (json!({"path": "/o", "columns": {"id": id}, "key": ["nr"]}), "'nr' is no column"),
        (json!({"path": "/o", "columns": {"id": id}, "rows": "data"}), "no place in a document"),
        (json!({"path": "/o", "columns": {"id": id}, "rows": "$.a[?(@.b]"}), "no JSONPath: character 10: ')'"),
        (json!({"path": "/o", "columns": {"id": id}, "paging": {"by": "cursor", "parameter": "c"}}), "'next' is missing"),
        (json!({"path": "/o", "columns": {"id": id}, "method": "DELETE"}), "does not read"),
        (json!({"path": "/o", "columns": {"id": {"type": "int64", "asked": true}}}), "'asked'"),
        (json!({"path": "/o", "columns": {"id": id}, "colums": {}}), "colums"),
        (json!({"path": "/o", "columns": {"id": id}, "paging": {"by": "next", "next": "/x"}}), "'/x' is a part of the rows"),
    ] {
        let message = refused(resource.clone());
        assert!(message.contains(said) && message.contains("orders"), "{resource}: {message}");
    }
    let _ = source("http://127.0.0.1:1", orders());
}
