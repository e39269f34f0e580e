//! OData writes: ETags, rights, refusals, and that what was refused changed nothing.

use super::fixture::{CLERK, EMEA, FULL, Sources};
use super::gateway::Gateway;
use super::odata::in_cents;
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn send(gateway: &Gateway, method: Method, path: &str, key: &str, etag: Option<&str>, body: Option<Value>) -> Response {
    let mut request = gateway.request(method, path, key);
    if let Some(etag) = etag {
        request = request.header("If-Match", etag);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

async fn etag(gateway: &Gateway, path: &str) -> String {
    let response = gateway.get(path, FULL).await;
    response.headers().get("etag").unwrap_or_else(|| panic!("{path} has no ETag")).to_str().unwrap().to_owned()
}

/// Both ways of detecting a change: PostgreSQL's row version, and the hash over the row of a table without one.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_answers_412_and_changes_nothing() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for (path, column, first, second) in
        [("/odata/Invoices(5)", "note", json!("first"), json!("second")), ("/odata/Customers(5)", "City", json!("Wien"), json!("Graz"))]
    {
        let stale = etag(&gateway, path).await;
        let changed = send(&gateway, Method::PATCH, path, FULL, Some(&stale), Some(json!({ column: first }))).await;
        assert!(changed.status().is_success(), "{path}: {} {}", changed.status(), changed.text().await.unwrap());
        let returned = changed.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        let refused = send(&gateway, Method::PATCH, path, FULL, Some(&stale), Some(json!({ column: second }))).await;
        assert_eq!(refused.status(), 412, "{path}");
        let error: Value = refused.json().await.unwrap();
        assert!(error["error"]["message"].is_string(), "{error}");
        assert_eq!(gateway.json(path, FULL).await[column], first, "{path}");
        let refused = send(&gateway, Method::DELETE, path, FULL, Some(&stale), None).await;
        assert_eq!(refused.status(), 412, "{path}");
        let current = etag(&gateway, path).await;
        assert_ne!(current, stale, "{path}");
        assert!(returned.is_none_or(|returned| returned == current), "{path}: the answer's ETag is the current one");
        let changed = send(&gateway, Method::PATCH, path, FULL, Some(&current), Some(json!({ column: second }))).await;
        assert!(changed.status().is_success(), "{path}");
        assert_eq!(gateway.json(path, FULL).await[column], second, "{path}");
        let any = send(&gateway, Method::PATCH, path, FULL, Some("*"), Some(json!({ column: null }))).await;
        assert!(any.status().is_success(), "{path}: If-Match: * means any state");
        assert_eq!(gateway.json(path, FULL).await[column], Value::Null, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_inserted_changed_and_deleted_at_their_source() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let body = json!({ "id": 500, "customer_id": 3, "amount": 99.95, "issued": "2024-12-24", "paid": true, "note": "new" });
    let created = send(&gateway, Method::POST, "/odata/Invoices", FULL, None, Some(body.clone())).await;
    assert_eq!(created.status(), 201);
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.ends_with("/odata/Invoices(500)"), "{location}");
    let entity: Value = created.json().await.unwrap();
    assert_eq!(in_cents(&entity["amount"]), 9_995);
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE id = 500 AND amount = 99.95 AND note = 'new'").await, 1);
    let again = send(&gateway, Method::POST, "/odata/Invoices", FULL, None, Some(body)).await;
    assert!([400, 409].contains(&again.status().as_u16()), "a duplicate key is refused: {}", again.status());
    let message = again.text().await.unwrap();
    assert!(!message.contains("postgres://") && !message.contains("panicked"), "{message}");
    let deleted = send(&gateway, Method::DELETE, "/odata/Invoices(500)", FULL, Some("*"), None).await;
    assert_eq!(deleted.status(), 204);
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE id = 500").await, 0);
    let gone = send(&gateway, Method::DELETE, "/odata/Invoices(500)", FULL, Some("*"), None).await;
    assert!([404, 412].contains(&gone.status().as_u16()), "{}", gone.status());
    let customer = json!({ "Id": 100, "Name": "Neu", "Region": "EMEA", "City": null, "Credit": 12.5, "Since": "2024-01-01", "TaxId": "T", "Active": true });
    let created = send(&gateway, Method::POST, "/odata/Customers", FULL, None, Some(customer)).await;
    assert_eq!(created.status(), 201, "{}", created.text().await.unwrap());
    assert_eq!(in_cents(&gateway.json("/odata/Customers(100)", FULL).await["Credit"]), 1_250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_makes_the_cache_forget() {
    let sources = Sources::create().await;
    let config = sources.config().replace("source: crm\n    remote: customers", "source: crm\n    freshness: 1h\n    remote: customers");
    let gateway = sources.serve_config(&config).await;
    assert_eq!(gateway.json("/odata/Customers?$filter=Id%20eq%205", FULL).await["value"][0]["Name"], "Customer 05");
    let changed = send(&gateway, Method::PATCH, "/odata/Customers(5)", FULL, Some("*"), Some(json!({ "Name": "Renamed" }))).await;
    assert!(changed.status().is_success(), "{}", changed.text().await.unwrap());
    assert_eq!(gateway.json("/odata/Customers?$filter=Id%20eq%205", FULL).await["value"][0]["Name"], "Renamed");
}

/// Writes that are refused: method, path, caller, body, and the statuses that are right.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_written_is_refused_and_untouched() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let count = "SELECT count(*) || '/' || sum(id) || '/' || group_concat(name || region || coalesce(city, '-')) FROM customers";
    let before = (sources.crm_text(count), sources.database.number("SELECT count(*) FROM invoices WHERE note LIKE 'note%'").await);
    let patch = Method::PATCH;
    let cases: Vec<(Method, &str, &str, Option<Value>, &[u16])> = vec![
        (patch.clone(), "/odata/Invoices(1)", CLERK, Some(json!({ "note": "x" })), &[403, 405]),
        (patch.clone(), "/odata/Customers(1)", CLERK, Some(json!({ "Name": "x" })), &[404]),
        (Method::POST, "/odata/Customers", EMEA, Some(json!({ "Id": 7 })), &[403, 405]),
        (Method::DELETE, "/odata/Customers(2)", EMEA, None, &[403, 405]),
        // Customer 1 is of another region: for this caller it is not there.
        (patch.clone(), "/odata/Customers(1)", EMEA, Some(json!({ "Name": "x" })), &[404]),
        // Out of the caller's own rows.
        (patch.clone(), "/odata/Customers(2)", EMEA, Some(json!({ "Region": "AMER" })), &[403, 400]),
        (patch.clone(), "/odata/Customers(2)", EMEA, Some(json!({ "TaxId": "x" })), &[400, 403]),
        (patch.clone(), "/odata/Customers(2)", EMEA, Some(json!({ "City": "x" })), &[400, 403]),
        (patch.clone(), "/odata/Revenue(1)", FULL, Some(json!({ "Total": 1 })), &[403, 405, 501, 400]),
        (patch.clone(), "/odata/Lines(invoice_id=1,no=1)", FULL, Some(json!({ "product": "x" })), &[403, 405]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!({ "Nme": "x" })), &[400]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!({ "Id": 3 })), &[400]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!({ "Name": null })), &[400]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!({ "Since": "yesterday" })), &[400]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!({ "Credit": 1.234 })), &[400]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!({ "Active": "yes" })), &[400]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!({ "Region": "NOWHERE" })), &[400, 409]),
        (patch.clone(), "/odata/Customers(2)", FULL, Some(json!(["Name"])), &[400]),
        (patch, "/odata/Customers(999)", FULL, Some(json!({ "Name": "x" })), &[404, 412]),
        (Method::DELETE, "/odata/Customers", FULL, None, &[405, 501]),
        (Method::PUT, "/odata/Customers(2)", FULL, Some(json!({ "Name": "x" })), &[400, 405, 501]),
    ];
    let mut wrong = Vec::new();
    for (method, path, key, body, statuses) in cases {
        let text = body.as_ref().map(Value::to_string).unwrap_or_default();
        let response = send(&gateway, method.clone(), path, key, Some("*"), body).await;
        let (status, answer) = (response.status().as_u16(), response.text().await.unwrap());
        if !statuses.contains(&status) || !answer.contains("\"message\"") {
            wrong.push(format!("{method} {path} {text}: expected {statuses:?}, got {status} {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = (sources.crm_text(count), sources.database.number("SELECT count(*) FROM invoices WHERE note LIKE 'note%'").await);
    assert_eq!(after, before, "a refused write changed something");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_holds_more_than_its_entity_has_no_etag() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let tag = etag(&gateway, "/odata/Customers(3)").await;
    let expanded = "/odata/Customers(3)?$expand=Invoices($select=id)";
    let asked = async || gateway.request(Method::GET, expanded, FULL).header("If-None-Match", &tag).send().await.unwrap();
    let before = asked().await;
    assert_eq!((before.status().as_u16(), before.headers().get("etag")), (200, None));
    let before: Value = before.json().await.unwrap();
    assert_eq!(before["@odata.etag"], json!(tag), "the entity itself has one");
    let body = json!({ "id": 501, "customer_id": 3, "amount": 1, "issued": "2024-12-24", "paid": true });
    assert_eq!(send(&gateway, Method::POST, "/odata/Invoices", FULL, None, Some(body)).await.status(), 201);
    let after: Value = asked().await.json().await.unwrap();
    let count = |answer: &Value| answer["Invoices"].as_array().unwrap().len();
    assert_eq!(count(&after), count(&before) + 1);
    let own = gateway.request(Method::GET, "/odata/Customers(3)", FULL).header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!(own.status(), 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_names_one_entity_and_a_format_one_that_there_is() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for (path, status) in [
        ("/odata/$entity?$id=Customers(3)", 200),
        ("/odata/$entity?$id=Customers", 400),
        ("/odata/$entity?$id=Customers(3)/Name", 400),
        ("/odata/Customers?$top=1&$format=application/json;odata.metadata=foo", 406),
        ("/odata/Customers?$top=1&$format=application/json;metadata=full", 200),
    ] {
        assert_eq!(gateway.get(path, FULL).await.status(), status, "{path}");
    }
}
