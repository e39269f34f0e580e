//! The documentation's example, served: what `$metadata` says of it in both forms, to whom, and whether the OASIS schemas agree.

use crate::gateway::Gateway;
use reqwest::Method;
use std::path::{Path, PathBuf};
use std::process::Command;

const ALL: &str = "all-of-it";
const CLERK: &str = "some-of-it";

/// The first configuration in the page about the model.
pub fn example() -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/model.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Data that is no part of the project: beside the checkout, or where the environment says. In CI its absence is a failure.
fn shared_data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("PORTICO_SHARED_DATA").map_or_else(beside, PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
    eprintln!("NOT RUN: {} is missing; say with PORTICO_SHARED_DATA where it is", path.display());
    None
}

/// Holds a document to the OASIS schemas.
fn validate(directory: &Path, document: &str) {
    let Some(schemas) = shared_data("csdl-schemas") else { return };
    let file = directory.join("metadata.xml");
    std::fs::write(&file, document).unwrap();
    let mut command = Command::new("xmllint");
    let output = command.arg("--noout").arg("--nonet").arg("--schema").arg(schemas.join("edmx.xsd")).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn ask(gateway: &Gateway, key: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let request = headers
        .iter()
        .fold(gateway.request(Method::GET, "/odata/crm/$metadata", key), |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

fn header(response: &reqwest::Response, name: &str) -> String {
    response.headers().get(name).unwrap_or_else(|| panic!("there is no {name}")).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn metadata_is_valid_in_every_form_and_language() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &example(), &[]).await.ready().await;
    let response = ask(&gateway, ALL, &[("OData-MaxVersion", "4.0"), ("Accept", "application/json, application/xml;q=0.5")]).await;
    assert_eq!(
        (header(&response, "content-type").as_str(), header(&response, "odata-version").as_str()),
        ("application/xml;charset=utf-8", "4.0")
    );
    let etag = header(&response, "etag");
    let xml = response.text().await.unwrap();
    validate(directory.path(), &xml);
    for part in [
        "<EnumType Name=\"Permissions\" UnderlyingType=\"Edm.Int32\" IsFlags=\"true\">",
        "<EntityType Name=\"Bank\" BaseType=\"Portico.crm.Organisation\">",
        "<EntityType Name=\"Contracts\" HasStream=\"true\">",
        "<Property Name=\"Address\" Type=\"Portico.crm.Address\" Nullable=\"true\"/>",
        "<Property Name=\"Photo\" Type=\"Edm.Stream\" Nullable=\"true\">",
        "<Property Name=\"since\" Type=\"Edm.Date\" Nullable=\"true\">",
        "<Property Name=\"Location\" Type=\"Edm.GeographyPoint\" Nullable=\"true\" SRID=\"4326\"/>",
        "<Property Name=\"district\" Type=\"Edm.GeographyPolygon\" Nullable=\"true\" SRID=\"4326\"/>",
        "<NavigationProperty Name=\"Tags\" Type=\"Collection(Portico.crm.Tags)\" Partner=\"Partners\"/>",
        "<Singleton Name=\"Owner\" Type=\"Portico.crm.Partners\">",
        "String=\"Business partners\"",
        "<Annotation Term=\"Aggregation.CustomAggregate\" Qualifier=\"BankCodes\" String=\"Edm.Decimal\"/>",
        "Qualifier=\"Reporting\"",
        "<Function Name=\"Superior\" IsBound=\"true\"",
        "<FunctionImport Name=\"Important\"",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }

    let newer = ask(&gateway, ALL, &[("OData-MaxVersion", "4.01"), ("Accept", "application/xml")]).await;
    assert_eq!(header(&newer, "odata-version"), "4.01");
    validate(directory.path(), &newer.text().await.unwrap());

    let german = ask(&gateway, ALL, &[("Accept-Language", "de-CH, en;q=0.5")]).await;
    assert_eq!(header(&german, "content-language"), "de");
    let german = german.text().await.unwrap();
    assert!(german.contains("Geschäftspartner") && german.contains("Gesperrt"));
    validate(directory.path(), &german);

    let json = ask(&gateway, ALL, &[("Accept", "application/json"), ("OData-MaxVersion", "4.01")]).await;
    assert_eq!(
        (header(&json, "content-type").as_str(), header(&json, "odata-version").as_str()),
        ("application/json;charset=utf-8", "4.01")
    );
    let json_etag = header(&json, "etag");
    let json: serde_json::Value = json.json().await.unwrap();
    assert_eq!(json["$EntityContainer"], "Portico.crm.Container");
    assert_eq!(json["Portico.crm"]["PartnerStatus"]["Locked@Core.Description"], "Nothing may be sold");
    assert_eq!(json["Portico.crm"]["Container"]["Owner"]["$Type"], "Portico.crm.Partners");

    // Each form has an entity tag of its own, which a client can come back with.
    assert_ne!(etag, json_etag);
    let unchanged = ask(&gateway, ALL, &[("Accept", "application/json"), ("If-None-Match", &json_etag)]).await;
    assert_eq!(unchanged.status(), 304);
    assert_eq!(ask(&gateway, ALL, &[("OData-MaxVersion", "4.0"), ("If-None-Match", &etag)]).await.status(), 304);
    assert_eq!(ask(&gateway, ALL, &[("OData-MaxVersion", "4.0"), ("Accept", "application/json")]).await.status(), 406);
    assert_eq!(gateway.get("/odata/crm/$metadata?$format=json", ALL).await.headers()["content-type"], "application/json;charset=utf-8");
    assert_eq!(gateway.get("/odata/crm/$metadata?$format=xml", ALL).await.headers()["content-type"], "application/xml;charset=utf-8");

    let services = gateway.json("/odata/crm/", ALL).await;
    let kinds: Vec<_> =
        services["value"].as_array().unwrap().iter().map(|one| (one["name"].as_str().unwrap(), one["kind"].as_str().unwrap())).collect();
    assert_eq!(
        kinds,
        [("Partners", "EntitySet"), ("Tags", "EntitySet"), ("Contracts", "EntitySet"), ("Sites", "EntitySet"), ("Owner", "Singleton")]
    );
}

#[tokio::test]
async fn what_a_caller_may_not_see_is_not_in_the_model() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &example(), &[]).await.ready().await;
    let xml = ask(&gateway, CLERK, &[]).await.text().await.unwrap();
    validate(directory.path(), &xml);
    // A hidden member and a hidden column; types told apart by a masked column; a relationship through a table without rights; a table
    // without rights; and an annotation's path to what is hidden.
    for part in ["city", "bic", "Bank", "Organisation", "Tags\" Type=\"Collection", "Contracts", "Location", "itude"] {
        assert!(!xml.contains(part), "{part} is in\n{xml}");
    }
    for part in ["Name=\"Address\"", "Name=\"street\"", "Name=\"vat_id\"", "Name=\"Photo\"", "Path=\"name\"", "Singleton Name=\"Owner\""] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
}

#[tokio::test]
async fn places_are_found_by_how_far_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &example(), &[]).await.ready().await;
    let names = |answer: &serde_json::Value| -> Vec<String> {
        answer["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    for (url, expected) in [
        ("Sites?$filter=geo.distance(Location,geography'SRID=4326;Point(9.99 48.4)') lt 5000", vec!["Ulm Minster"]),
        ("Sites?$orderby=geo.distance(Location,geography'SRID=4326;Point(7 51)')&$filter=Location ne null", vec!["Bonn", "Ulm Minster"]),
        ("Sites?$filter=geo.intersects(Location,district)", vec!["Ulm Minster"]),
        ("Sites?$filter=Location eq null", vec!["To be found"]),
    ] {
        assert_eq!(names(&gateway.json(&format!("/odata/crm/{}", url.replace(' ', "%20")), ALL).await), expected, "{url}");
    }
}

#[tokio::test]
async fn functions_are_called_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &example(), &[]).await.ready().await;
    let names = |answer: &serde_json::Value| -> Vec<String> {
        answer["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    for (url, expected) in [
        ("Important(least=50)", vec!["Bolt Ltd"]),
        ("Important(least=@x)?@x=50", vec!["Bolt Ltd"]),
        ("Important?least=50", vec!["Bolt Ltd"]),
        ("Important?@least=50&$select=name", vec!["Bolt Ltd"]),
        ("Important(least=100.51)", vec![]),
        ("Important(least=0,status='Active')?$orderby=name desc&$top=1", vec!["Bolt Ltd"]),
        ("Important(least=0,status=Portico.crm.PartnerStatus'Locked')", vec![]),
        ("Important(least=0)?$filter=startswith(name,'A')", vec![]),
        ("Important(least=0)/$filter(id gt 1)", vec!["Bolt Ltd"]),
    ] {
        assert_eq!(names(&gateway.json(&format!("/odata/crm/{url}"), ALL).await), expected, "{url}");
    }
    let expanded = gateway.json("/odata/crm/Important(least=1)?$expand=Boss($select=name)&$count=true&$select=name", ALL).await;
    assert_eq!((expanded["@odata.count"].as_i64(), expanded["value"][0]["Boss"]["name"].as_str()), (Some(1), Some("Ann")), "{expanded}");
    for url in ["Partners(2)/Portico.crm.Superior()", "Partners(2)/Portico.crm.Superior", "Owner"] {
        assert_eq!(gateway.json(&format!("/odata/crm/{url}"), ALL).await["name"], "Ann", "{url}");
    }
    for (url, status) in [
        ("Important(least=1)/$count", 200),
        ("Important(least=1)(2)/name/$value", 200),
        ("Partners(1)/Portico.crm.Superior()", 204),
        ("Owner/Portico.crm.Superior()", 204),
        ("Partners(9)/Portico.crm.Superior()", 404),
        ("Partners/Portico.crm.Superior()", 404),
        ("Important(least=1)(2)/Boss", 200),
        ("Important()", 404),
        ("Important(most=1)", 404),
        ("Important(least=null)", 400),
        ("Important(least='x')", 400),
        ("Important(least=1,status='Gone')", 400),
    ] {
        assert_eq!(gateway.get(&format!("/odata/crm/{url}"), ALL).await.status(), status, "{url}");
    }
    let posted = gateway.request(Method::POST, "/odata/crm/Important?least=1", ALL).header("Content-Type", "application/json");
    assert_eq!(posted.body("{}").send().await.unwrap().status(), 405);
}
