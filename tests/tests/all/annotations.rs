//! Instance annotations and values by default, as the page about the model declares them: who gets them, where, and that the answer says so.

use crate::gateway::Gateway;
use crate::model::example;
use reqwest::Method;
use serde_json::{Value, json};

const ALL: &str = "all-of-it";
const CLERK: &str = "some-of-it";

async fn ask(gateway: &Gateway, path: &str, key: &str, headers: &[(&str, &str)]) -> (String, Value) {
    let request = gateway.request(Method::GET, &format!("/odata/crm/{path}"), key);
    let response = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let applied = response.headers().get("preference-applied").map(|value| value.to_str().unwrap().to_owned());
    (applied.unwrap_or_default(), response.json().await.unwrap())
}

#[tokio::test]
async fn annotations_of_rows_are_sent_to_who_prefers_them() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &example(), &[]).await.ready().await;
    let (applied, plain) = ask(&gateway, "Partners(2)?$select=credit", ALL, &[]).await;
    assert_eq!((applied.as_str(), plain.as_object().unwrap().keys().filter(|name| name.contains("@M")).count()), ("", 0), "{plain}");

    let all = [("Prefer", "odata.include-annotations=\"*\"")];
    let (applied, row) = ask(&gateway, "Partners(2)?$select=credit", ALL, &all).await;
    assert_eq!(applied, "odata.include-annotations=\"*\"");
    assert_eq!((&row["credit@Measures.ISOCurrency"], &row["@Core.LongDescription"]), (&json!("CHF"), &json!("Pays late")), "{row}");
    assert!(row.get("currency").is_none(), "it is fetched, and not selected: {row}");

    let measures = [("Prefer", "include-annotations=\"Org.OData.Measures.V1.*,-Measures.Unit\""), ("OData-MaxVersion", "4.01")];
    let (applied, rows) = ask(&gateway, "Partners?$orderby=id&$expand=Boss", ALL, &measures).await;
    assert_eq!(applied, "include-annotations=\"Org.OData.Measures.V1.*,-Measures.Unit\"");
    assert_eq!(rows["value"][1]["credit@Measures.ISOCurrency"], "CHF");
    assert_eq!(rows["value"][2]["Boss"]["credit@Measures.ISOCurrency"], "CHF", "{rows}");
    assert!(rows["value"][0].get("credit@Measures.ISOCurrency").is_none(), "what is null is not there: {rows}");
    assert!(rows["value"][1].get("@Core.LongDescription").is_none(), "{rows}");

    let (_, alone) = ask(&gateway, "Partners(2)/credit", ALL, &all).await;
    assert_eq!((&alone["value"], &alone["@Measures.ISOCurrency"]), (&json!(100.5), &json!("CHF")), "{alone}");

    // Of the row that has none, and of a column that the caller does not see.
    let hidden = example().replace("hide: [addr_city, bic]", "hide: [addr_city, bic, currency]");
    let hidden_directory = tempfile::tempdir().unwrap();
    let other = Gateway::start(hidden_directory.path(), &hidden, &[]).await.ready().await;
    let (_, row) = ask(&other, "Partners(2)", CLERK, &all).await;
    assert_eq!((row.get("credit@Measures.ISOCurrency"), &row["@Core.LongDescription"]), (None, &json!("Pays late")), "{row}");

    let wrong = gateway.request(Method::GET, "/odata/crm/Partners", ALL).header("Prefer", "include-annotations=\"Unit\"");
    let wrong = wrong.send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("'Unit' in the preference include-annotations"));
}

#[tokio::test]
async fn annotations_of_metadata_are_chosen_too() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &example(), &[]).await.ready().await;
    for (wanted, there, missing) in [
        ("-*", "<EntityType Name=\"Partners\"", "<Annotation"),
        ("Measures.*", "Term=\"Measures.ISOCurrency\" Path=\"currency\"", "Term=\"Core."),
        ("*,-UI.*", "Term=\"Core.LongDescription\" Path=\"remark\"", "Term=\"UI."),
    ] {
        let request = gateway.request(Method::GET, "/odata/crm/$metadata", ALL);
        let response = request.header("Prefer", format!("odata.include-annotations=\"{wanted}\"")).send().await.unwrap();
        assert_eq!(response.headers()["preference-applied"], format!("odata.include-annotations=\"{wanted}\""));
        let xml = response.text().await.unwrap();
        assert!(xml.contains(there) && !xml.contains(missing), "{wanted}: {xml}");
    }
}

#[tokio::test]
async fn values_by_default_are_declared_left_out_and_stored() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = example().replace("    all:    { Partners: {}", "    all:    { Partners: { write: [insert] }");
    let gateway = Gateway::start(directory.path(), &configuration, &[]).await.ready().await;
    let xml = gateway.get("/odata/crm/$metadata", ALL).await.text().await.unwrap();
    assert!(
        xml.contains("<Property Name=\"status\" Type=\"Portico.crm.PartnerStatus\" Nullable=\"false\" DefaultValue=\"Active\""),
        "{xml}"
    );

    let path = "Partners?$orderby=id&$select=id,status,since";
    let (applied, rows) = ask(&gateway, path, ALL, &[("Prefer", "omit-values=defaults")]).await;
    assert_eq!(applied, "omit-values=defaults");
    assert_eq!((rows["value"][0].get("status"), &rows["value"][2]["status"]), (None, &json!("Locked")), "{rows}");
    assert_eq!((&rows["value"][0]["since"], rows["value"][1].get("since")), (&json!("2024-02-29"), None), "{rows}");
    let (applied, rows) = ask(&gateway, path, ALL, &[("Prefer", "omit-values=nulls")]).await;
    assert_eq!((applied.as_str(), &rows["value"][0]["status"]), ("omit-values=nulls", &json!("Active")));

    let new = gateway.request(Method::POST, "/odata/crm/Partners", ALL).header("Content-Type", "application/json");
    let new = new.body(r#"{"id":9,"kind":"P","name":"New","permissions":"0"}"#).send().await.unwrap();
    let (status, body) = (new.status(), new.text().await.unwrap());
    assert_eq!(status, 201, "{body}");
    assert_eq!(gateway.json("/odata/crm/Partners(9)", ALL).await["status"], "Active");
}
