//! Services for one kind of client: keys as GUIDs for Dataverse, as its requirements document them, and pages as Salesforce and Power BI
//! want them. What is asked next is made of what was answered before, as these clients do it, so the requests are no data.

use super::super::clients::serve;
use super::super::fixture::FULL;
use super::raw::{self, Answer};
use serde_json::Value;

async fn ask(http: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("X-Api-Key", FULL.to_owned()), ("Accept", "application/json".to_owned()), ("OData-MaxVersion", "4.0".to_owned())];
    all.retain(|(name, _)| !headers.iter().any(|(given, _)| given == name));
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    raw::send(http, method, path, &all, body).await
}

async fn json(http: &str, path: &str) -> Value {
    let answer = ask(http, "GET", path, &[], "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json().unwrap_or_else(|| panic!("{path}: {}", answer.text()))
}

fn is_guid(value: &Value) -> bool {
    let parts: Vec<usize> = value.as_str().unwrap_or_default().split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12]
}

#[tokio::test(flavor = "multi_thread")]
async fn dataverse_finds_rows_by_guids() {
    let served = serve().await;
    let http = &served.gateway.http;
    let metadata = ask(http, "GET", "/dataverse/$metadata", &[("Accept", "application/xml")], "").await.text();
    assert!(
        metadata.contains(
            "<PropertyRef Name=\"CustomersKey\"/>\n    </Key>\n    <Property Name=\"CustomersKey\" Type=\"Edm.Guid\" Nullable=\"false\""
        ),
        "{metadata}"
    );
    for unsupported in ["Edm.Int16", "Edm.Byte", "Edm.SByte", "Edm.Single", "Edm.Binary", "Edm.TimeOfDay"] {
        assert!(!metadata.contains(&format!("Type=\"{unsupported}\"")), "{unsupported} is published");
    }

    // A grid, then one of its rows, then what looks it up.
    let grid = json(
        http,
        "/dataverse/Customers?$select=CustomersKey,Name&$filter=(Region%20eq%20'EMEA')&$orderby=Name&$top=2&$skip=1&$count=true",
    )
    .await;
    assert_eq!((&grid["@odata.count"], &grid["value"][0]["Name"]), (&Value::from(8), &Value::from("Customer 05")), "{grid}");
    let id = &grid["value"][0]["CustomersKey"];
    assert!(is_guid(id), "{grid}");
    let guid = id.as_str().unwrap();
    let row = json(http, &format!("/dataverse/Customers({guid})?$select=CustomersKey,Name,City")).await;
    assert_eq!((&row["CustomersKey"], &row["Name"]), (id, &Value::from("Customer 05")), "{row}");
    let related = json(
        http,
        &format!("/dataverse/Invoices?$select=InvoicesKey,amount,CustomerKey&$filter=CustomerKey%20eq%20{guid}&$orderby=amount"),
    )
    .await;
    let invoices = related["value"].as_array().unwrap();
    assert_eq!(invoices.len(), 6, "{related}");
    for invoice in invoices {
        assert!(is_guid(&invoice["InvoicesKey"]) && invoice["CustomerKey"] == *id, "{invoice}");
    }
    // The GUID is that of the upper case too, and nobody else's.
    let upper = json(http, &format!("/dataverse/Customers?$select=Name&$filter=CustomersKey%20eq%20{}", guid.to_uppercase())).await;
    assert_eq!(upper["value"][0]["Name"], "Customer 05", "{upper}");
    let nobody = ask(http, "GET", "/dataverse/Customers(01234567-89ab-cdef-0123-456789abcdef)", &[], "").await;
    assert_eq!(nobody.status, 404, "{}", nobody.text());
    let calls = served.gateway.log();
    let pushed =
        calls.lines().any(|line| line.contains("/dataverse/Invoices") && line.contains("customer_id") && line.contains("\"rows\":6"));
    assert!(pushed, "the lookup was not pushed down as the native key");
}

#[tokio::test(flavor = "multi_thread")]
async fn dataverse_writes_by_guids() {
    let served = serve().await;
    let http = &served.gateway.http;
    let kind = json(http, "/dataverse/Kinds?$select=KindsKey,label&$filter=label%20eq%20'to%20be%20changed'").await;
    let path = format!("/dataverse/Kinds({})", kind["value"][0]["KindsKey"].as_str().unwrap_or_else(|| panic!("{kind}")));
    let content = [("Content-Type", "application/json")];
    let changed = ask(http, "PATCH", &path, &content, "{\"label\":\"by Dataverse\"}").await;
    assert!(changed.status == 200 || changed.status == 204, "{} {}", changed.status, changed.text());
    assert_eq!(json(http, &path).await["label"], "by Dataverse");
    let deleted = ask(http, "DELETE", &path, &[], "").await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert_eq!(ask(http, "GET", &path, &[], "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn salesforce_and_power_bi_read_whole_tables() {
    let served = serve().await;
    let http = &served.gateway.http;
    served.sources.database.run("INSERT INTO kinds (id, label) SELECT n, 'row ' || n FROM generate_series(1001, 5500) n").await;
    // Salesforce follows links of pages of at most 2,000 rows, whatever its own size of a batch is.
    let (mut next, mut sizes) = (Some("/salesforce/Kinds?$select=id,label&$count=true".to_owned()), Vec::new());
    while let Some(path) = next {
        let page = json(http, &path).await;
        sizes.push(page["value"].as_array().unwrap().len());
        let link = page["@odata.nextLink"].as_str();
        next = link.map(|link| link.strip_prefix(http.as_str()).expect("an absolute link").to_owned());
        assert!(sizes.len() < 10, "the pages do not end");
    }
    assert_eq!(sizes, [2_000, 2_000, 507], "pages");
    // Power BI reads everything in one answer.
    let all = json(http, "/powerbi/Kinds?$select=id").await;
    assert_eq!(all["value"].as_array().unwrap().len(), 4_507);
    assert!(all.get("@odata.nextLink").is_none(), "Power BI's service has pages");
}
