//! Functions of values and actions, as clients call them: over PostgreSQL and SQLite, alone and in a batch.

use super::fixture::{CLERK, EMEA, FULL, Sources};
use super::gateway::Gateway;
use reqwest::{Method, Response};
use serde_json::{Value, json};

const OPERATIONS: &str = r#"
operations:
  Count: { kind: function, parameters: { paid: boolean }, returns: { type: int64, nullable: false }, sql: "SELECT count(*) FROM \"Invoices\" WHERE paid = $paid" }
  Latest: { kind: function, parameters: { customer: int64 }, returns: { type: date }, sql: "SELECT max(issued) FROM \"Invoices\" WHERE customer_id = $customer" }
  Cities: { kind: function, returns: { type: text, many: true }, sql: "SELECT DISTINCT coalesce(\"City\", '') FROM \"Customers\"" }
  Totals:
    kind: function
    returns: { complex: Total, members: { Region: text, Customers: int64, Credit: "decimal(15,2)?" }, many: true }
    sql: "SELECT \"Region\", count(*) AS \"Customers\", sum(\"Credit\") AS \"Credit\" FROM \"Customers\" GROUP BY \"Region\""
  Summary:
    kind: function
    bound_to: Customers
    returns: { complex: Summarised, members: { Invoices: int64, Latest: "date?" } }
    sql: "SELECT count(*) AS \"Invoices\", max(issued) AS \"Latest\" FROM \"Invoices\" WHERE customer_id = $Id HAVING count(*) > 0"
  Open: { kind: function, bound_to: Customers, returns: { table: Invoices, many: true }, sql: "SELECT * FROM \"Invoices\" WHERE customer_id = $Id AND NOT paid" }
  Since: { kind: function, parameters: { least: int64 }, returns: { table: Invoices, many: true }, sql: "SELECT * FROM \"Invoices\" WHERE id >= $least" }
  Pay: { kind: action, bound_to: Invoices, parameters: { note: { type: text, optional: true } }, returns: { table: Invoices }, sql: "UPDATE \"Invoices\" SET paid = true, note = coalesce($note, note) WHERE id = $id" }
  Bill:
    kind: action
    bound_to: Customers
    parameters: { number: int64, amount: "decimal(12,2)" }
    returns: { table: Invoices }
    sql: "INSERT INTO \"Invoices\" (id, customer_id, amount, issued) VALUES ($number, $Id, $amount, date '2025-01-02')"
  Swap:
    kind: action
    parameters: { first: int64, second: int64 }
    returns: { type: int64, nullable: false }
    sql:
      - "UPDATE \"Invoices\" SET note = 'swapped' WHERE id = $first"
      - "DELETE FROM \"Invoices\" WHERE id = $second"
      - "SELECT count(*) FROM \"Invoices\""
  Erase: { kind: action, roles: [full], bound_to: Invoices, sql: "DELETE FROM \"Invoices\" WHERE id = $id" }
"#;

async fn serve(sources: &Sources) -> Gateway {
    sources.serve_config(&sources.config().replace("access:\n", &format!("{}\naccess:\n", OPERATIONS.trim_end()))).await
}

async fn post(gateway: &Gateway, path: &str, key: &str, headers: &[(&str, &str)], body: Value) -> Response {
    let request = headers
        .iter()
        .fold(gateway.request(Method::POST, &format!("/odata/{path}"), key), |request, (name, value)| request.header(*name, *value));
    request.json(&body).send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// The context URL below the service root.
fn context(answer: &Value) -> &str {
    answer["@odata.context"].as_str().unwrap().rsplit("$metadata").next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_return_values() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let get = async |path: &str| gateway.json(&format!("/odata/{path}"), FULL).await;
    let paid = sources.database.number("SELECT count(*) FROM invoices WHERE paid").await;
    let count = get("Count(paid=true)").await;
    assert_eq!((context(&count), count["value"].as_i64()), ("#Edm.Int64", Some(paid)));
    assert_eq!(gateway.get("/odata/Count(paid=true)/$value", FULL).await.text().await.unwrap(), paid.to_string());
    let latest = get("Latest?customer=3").await;
    assert_eq!(context(&latest), "#Edm.Date");
    assert!(latest["value"].is_string());
    for nothing in ["Latest(customer=-1)", "Latest(customer=-1)/$value", "Customers(99999)/Portico.odata.Summary()/Latest"] {
        let status = if nothing.starts_with("Latest") { 204 } else { 404 };
        assert_eq!(gateway.get(&format!("/odata/{nothing}"), FULL).await.status(), status, "{nothing}");
    }

    let cities = get("Cities()?$count=true&$orderby=$it&$filter=$it ne ''&$top=2").await;
    assert_eq!(context(&cities), "#Collection(Edm.String)");
    let all: Vec<&str> = cities["value"].as_array().unwrap().iter().map(|city| city.as_str().unwrap()).collect();
    assert!(all.len() == 2 && all[0] < all[1] && cities["@odata.count"].as_i64().unwrap() >= 2, "{cities}");
    let number = gateway.get("/odata/Cities()/$count?$filter=$it%20ne%20''", FULL).await.text().await.unwrap();
    assert_eq!(number, cities["@odata.count"].to_string());

    let totals = get("Totals()?$orderby=Customers desc,Region&$select=Region,Customers").await;
    assert_eq!(context(&totals), "#Collection(Portico.odata.Total)(Region,Customers)");
    assert_eq!(totals["value"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["Region", "Customers"]);
    let one = get("Totals()?$filter=Region eq 'EMEA'&$count=true").await;
    assert_eq!((context(&one), one["@odata.count"].as_i64()), ("#Collection(Portico.odata.Total)", Some(1)));
    let summary = get("Customers(3)/Portico.odata.Summary()").await;
    assert_eq!(context(&summary), "#Portico.odata.Summarised");
    let part = get("Customers(3)/Portico.odata.Summary()/Invoices").await;
    assert_eq!((context(&part), &part["value"]), ("#Edm.Int64", &summary["Invoices"]));
    let full = get("Customers(3)/Portico.odata.Summary()?$format=application/json;odata.metadata=full").await;
    assert_eq!(full["@odata.type"], "#Portico.odata.Summarised");

    // A path goes on, over to the other source.
    let lines = get("Since(least=1)(1)/Lines?$orderby=no").await;
    assert_eq!((context(&lines), lines["value"].as_array().unwrap().len()), ("#Lines", 2));
    let name = get("Since(least=1)(1)/Customer/Name").await;
    assert!(name["value"].is_string(), "{name}");
    for (path, status) in [("Count(paid=true)?$top=1", 400), ("Cities()(1)", 404), ("Totals()?$apply=aggregate($count as N)", 501)] {
        assert_eq!(gateway.get(&format!("/odata/{}", path.replace(' ', "%20")), FULL).await.status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_link_is_that_of_its_parameters() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let request = gateway.request(Method::GET, "/odata/Since?least=1", FULL).header("Prefer", "maxpagesize=2");
    let first: Value = request.send().await.unwrap().json().await.unwrap();
    let link = first["@odata.nextLink"].as_str().unwrap_or_else(|| panic!("{first}"));
    let path = &link[link.find("/odata").unwrap()..];
    let next = gateway.get(path, FULL).await;
    assert_eq!(next.status(), 200, "{}", next.text().await.unwrap());
    let edited = gateway.get(&path.replace("least=1", "least=2"), FULL).await;
    assert_eq!(edited.status(), 410, "{}", edited.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_change_what_they_say_and_return_it() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let unpaid = sources.database.number("SELECT min(id) FROM invoices WHERE NOT paid").await;
    let pay = format!("Invoices({unpaid})/Portico.odata.Pay");
    let paid = post(&gateway, &format!("{pay}?$select=paid,note"), FULL, &[], json!({ "note": "by hand" })).await;
    assert_eq!((paid.status().as_u16(), header(&paid, "cache-control").as_str()), (200, "no-store"));
    assert!(!header(&paid, "etag").is_empty());
    let paid: Value = paid.json().await.unwrap();
    assert_eq!((&paid["paid"], &paid["note"]), (&json!(true), &json!("by hand")));
    assert_eq!(sources.database.number(&format!("SELECT count(*) FROM invoices WHERE id = {unpaid} AND paid")).await, 1);

    // An empty body is one without parameters; nothing is answered where that is preferred.
    let minimal = gateway.request(Method::POST, &format!("/odata/{pay}"), FULL).header("Prefer", "return=minimal").send().await.unwrap();
    assert_eq!((minimal.status().as_u16(), header(&minimal, "preference-applied").as_str()), (204, "return=minimal"));

    let billed = post(&gateway, "Customers(3)/Portico.odata.Bill", FULL, &[], json!({ "number": 7001, "amount": 12.5 })).await;
    assert_eq!(billed.status(), 201);
    assert!(header(&billed, "location").ends_with("/Invoices(7001)"));
    let billed: Value = billed.json().await.unwrap();
    assert_eq!((context(&billed), &billed["customer_id"]), ("#Invoices/$entity", &json!(3)));

    // Both or none.
    let before = sources.database.number("SELECT count(*) FROM invoices").await;
    let missing = post(&gateway, "Swap", FULL, &[], json!({ "first": 7001, "second": 123_456 })).await;
    assert_eq!(missing.status(), 404);
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE note = 'swapped'").await, 0);
    let swapped = post(&gateway, "Swap", FULL, &[], json!({ "first": 1, "second": 7001 })).await;
    let swapped: Value = swapped.json().await.unwrap();
    assert_eq!((context(&swapped), swapped["value"].as_i64()), ("#Edm.Int64", Some(before - 1)));
    assert_eq!(gateway.json("/odata/Invoices(1)", FULL).await["note"], "swapped", "what was cached is forgotten");

    let erased = post(&gateway, "Invoices(2)/Portico.odata.Erase", FULL, &[], json!({})).await;
    assert_eq!(erased.status(), 409, "lines refer to it: {}", erased.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_actions_are_refused_with_the_reason() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    for (path, key, headers, body, status, part) in [
        ("Swap", FULL, vec![], json!({ "first": 1 }), 400, "'second' is required"),
        ("Swap", FULL, vec![], json!({ "first": 1, "second": "x" }), 400, "'second'"),
        ("Swap", FULL, vec![], json!({ "first": 1, "second": 2, "third": 3 }), 400, "'third'"),
        ("Invoices(99999)/Portico.odata.Pay", FULL, vec![], json!({}), 404, "no such entity"),
        ("Invoices/Portico.odata.Pay", FULL, vec![], json!({}), 404, "not bound"),
        ("Invoices(1)/Portico.odata.Pay", FULL, vec![("If-Match", "W/\"1\"")], json!({}), 412, "If-Match"),
        ("Invoices(1)/Portico.odata.Pay", FULL, vec![("If-None-Match", "*")], json!({}), 501, "If-None-Match"),
        ("Invoices(1)/Portico.odata.Pay", CLERK, vec![], json!({}), 403, "update 'Invoices'"),
        ("Invoices(1)/Portico.odata.Erase", EMEA, vec![], json!({}), 404, "Erase"),
        ("Count(paid=true)", FULL, vec![], json!({}), 405, "POST does not exist"),
    ] {
        let response = post(&gateway, path, key, &headers, body).await;
        let (code, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert!(code == status && text.contains(part), "{path}: {code} {text}");
    }
    let read = gateway.get("/odata/Swap", FULL).await;
    assert_eq!((read.status().as_u16(), header(&read, "allow").as_str()), (405, "POST"));
    let text =
        gateway.request(Method::POST, "/odata/Swap", FULL).header("Content-Type", "text/plain").body("first=1").send().await.unwrap();
    assert_eq!(text.status(), 415);
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE note = 'swapped'").await, 0);

    let tag = header(&gateway.get("/odata/Invoices(1)", FULL).await, "etag");
    let matched = post(&gateway, "Invoices(1)/Portico.odata.Pay", FULL, &[("If-Match", &tag)], json!({})).await;
    assert_eq!(matched.status(), 200);
    let stale = post(&gateway, "Invoices(1)/Portico.odata.Pay", FULL, &[("If-Match", &tag)], json!({})).await;
    assert_eq!(stale.status(), 412, "the action has changed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_told_of_to_whom_may_call_them_and_run_in_a_batch() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let metadata = async |key: &str| gateway.json("/odata/$metadata?$format=json", key).await;
    let full = metadata(FULL).await;
    let schema = &full["Portico.odata"];
    assert_eq!(schema["Erase"][0]["$Kind"], "Action");
    assert_eq!(schema["Count"][0]["$ReturnType"]["$Type"], "Edm.Int64");
    assert_eq!(schema["Cities"][0]["$ReturnType"]["$Collection"], true);
    assert_eq!(schema["Total"]["$Kind"], "ComplexType");
    assert_eq!((&schema["Container"]["Swap"]["$Action"], &schema["Container"]["Pay"]), (&json!("Portico.odata.Swap"), &Value::Null));
    assert_eq!(metadata(EMEA).await["Portico.odata"]["Erase"], Value::Null);
    let xml = gateway.get("/odata/$metadata?$format=xml", FULL).await.text().await.unwrap();
    for part in [
        "<Action Name=\"Pay\" IsBound=\"true\">",
        "<ReturnType Type=\"Collection(Edm.String)\"",
        "<ActionImport Name=\"Swap\" Action=\"Portico.odata.Swap\"",
        "<ComplexType Name=\"Summarised\">",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }

    let requests = json!({ "requests": [
        { "id": "1", "method": "post", "url": "Invoices(5)/Portico.odata.Pay", "body": { "note": "batched" } },
        { "id": "2", "method": "get", "url": "Invoices(5)?$select=note" },
        { "id": "3", "method": "post", "url": "Swap", "body": { "first": 5 } },
    ] });
    let answer: Value = post(&gateway, "$batch", FULL, &[], requests).await.json().await.unwrap();
    let status = |index: usize| answer["responses"][index]["status"].as_i64();
    assert_eq!((status(0), status(1), status(2)), (Some(200), Some(200), Some(400)), "{answer}");
    assert_eq!(answer["responses"][1]["body"]["note"], "batched");
}
